"""A reviewer in the browser: replies looked through, citizens called, decisions made, one after another."""

from datetime import UTC, datetime
from typing import Any

from playwright.async_api import Page, expect
from sqlalchemy import select, update

from callcenter import outgoing, ticket_calls
from callcenter.board import BoardEvent
from callcenter.commands import State
from callcenter.tables import call as call_table
from callcenter.tables import leg, user_account
from callcenter.types import CallId, ChannelId, Party, TicketId
from tests.support.browser import Chromium, call_the_citizen
from tests.support.lives import ask, handling, reply_contents, surveying
from tests.support.web import Web
from ticketing import store
from ticketing.aftercare.tables import ticket_contact

TITLE = "龙胜镇桂龙路供水管道破裂两天无人处理，沿线三百余户居民和两所学校用水困难，希望尽快恢复供水并公布抢修计划"


async def reviewed(web: Web, **fields: Any) -> dict[str, Any]:
    """A reply whose outcome only a reviewer can accept."""
    contents = {
        **reply_contents(),
        "outcome": "untrue_no_evidence",
        "verification": "现场核实三处，与反映的情况不符。",
        "explanation": "已当面向诉求人说明核实经过和结论。",
    }
    return await ask(web, "unit", await handling(web, title=TITLE, **fields), "reply", contents=contents)


async def unrated(web: Web, **fields: Any) -> dict[str, Any]:
    """A ticket in its survey whose citizen is to be called."""
    return await surveying(web, title=TITLE, phone=None, **fields)


async def state_of(web: Web, made: dict[str, Any]) -> str:
    async with web.db.transaction() as tx:
        return str((await store.load(tx, TicketId(made["id"]))).state)


async def with_telephone(web: Web) -> None:
    """The reviewer has an extension."""
    async with web.db.transaction() as tx:
        await tx.execute(update(user_account).where(user_account.c.login == "reviewer").values(extension="8021"))


async def desk_of(desk: Chromium, web: Web, tab: str = "", **more: Any) -> Page:
    page = await desk.page(await web.sign_in("reviewer"), f"/console/review{f'?tab={tab}' if tab else ''}", **more)
    await expect(page.get_by_role("heading", name="审核回访", level=1)).to_be_visible()
    return page


async def test_replies_are_sent_back_or_passed_and_the_next_one_opens_by_itself(desk: Chromium, web: Web) -> None:
    first, second = await reviewed(web), await reviewed(web, phone="13900139000")
    page = await desk_of(desk, web)
    await expect(page.get_by_role("tab", name="答复审核 2")).to_be_visible()
    await expect(page.get_by_role("region", name="答复审核").get_by_text("2 件")).to_be_visible()
    await page.keyboard.press("j")
    pane = page.get_by_role("region", name="办理", exact=True)
    checks = pane.get_by_role("region", name="审核要点")
    await expect(checks.get_by_text("办理时限")).to_be_visible()
    await expect(checks.get_by_text("依据：").first).to_be_visible()
    await expect(pane.get_by_role("region", name="办理答复").get_by_text("张师傅")).to_be_visible()
    await pane.get_by_text("退回重新答复").click()
    await pane.get_by_role("radio", name="没有针对性的正面回应").check()
    await pane.get_by_label("需要补充或改正的内容").fill("请补充现场照片并写明核实的时间")
    await page.keyboard.press("Control+Enter")
    await expect(pane.get_by_role("link", name=second["id"])).to_be_visible()
    assert await state_of(web, first) == "handling"
    await pane.get_by_role("button", name="审核通过，开始回访").click()
    await expect(page.get_by_text("这一类没有待办")).to_be_visible()
    assert await state_of(web, second) == "surveying"
    sheet = await web.get("reviewer", f"/api/tickets/{first['id']}/review")
    assert sheet["replies"][0]["rejected_why"] == "请补充现场照片并写明核实的时间"


async def answered(web: Web, made: dict[str, Any], page: Page) -> CallId:
    """The call the page asked for goes through: own telephone, then the citizen's, and it ends."""
    async with web.db.transaction() as tx:
        (row,) = await ticket_calls.of_ticket(tx, TicketId(made["id"]), None)
        at = datetime.now(UTC)
        told = {"id": row.call_id, "node": "a", "direction": "outbound", "state": "talking", "started_at": at}
        await tx.execute(call_table.insert().values(**told))
        for channel, party in ((ChannelId(row.call_id), Party.AGENT), (ChannelId("a-1763800000.77"), Party.CITIZEN)):
            known = {"channel_id": channel, "call_id": row.call_id, "party": party, "name": "x"}
            await tx.execute(leg.insert().values(**known, created_at=at, answered_at=at))
    web.hub.hand_out(BoardEvent("ticket.call", {"ticket": made["id"], "unit": None, "call": row.call_id}))
    await expect(page.get_by_text("通话中", exact=True)).to_be_visible()
    async with web.db.transaction() as tx:
        await tx.execute(leg.update().values(ended_at=at))
        await tx.execute(call_table.update().where(call_table.c.id == row.call_id).values(ended_at=at, state="ended"))
        await ticket_calls.finish(tx, row.call_id, "reached", at)
    web.hub.hand_out(BoardEvent("ticket.call", {"ticket": made["id"], "unit": None, "call": row.call_id}))
    return row.call_id


async def test_a_citizen_is_called_the_talk_is_noted_and_the_rating_closes_the_ticket(desk: Chromium, web: Web) -> None:
    await with_telephone(web)
    made = await surveying(web, title=TITLE)
    async with web.db.transaction() as tx:
        await outgoing.given_up(tx, CallId("a-1763800000.800000001"), State.FAILED, datetime.now(UTC))
        await tx.exec_driver_sql("UPDATE ticket_survey SET state = 'manual', cause = 'silent', holds_number = false")
        await tx.exec_driver_sql(
            "INSERT INTO manual_task (ticket_id, round, kind, why, created_at, due_at)"
            f" VALUES ('{made['id']}', 1, 'manual_call', '诉求人未回复，请人工回访', now(), now() + interval '1 day')"
        )
    page = await desk_of(desk, web, "calls")
    await page.get_by_role("button", name=TITLE).click()
    pane = page.get_by_role("region", name="电话回访")
    await expect(pane.get_by_text("您好，这里是 12345")).to_contain_text(TITLE)
    await call_the_citizen(pane)
    await expect(pane.get_by_text("正在振铃您的话机，请接听")).to_be_visible()
    await answered(web, made, page)
    await pane.get_by_label("通话内容").fill("诉求人认可，水压已恢复")
    await pane.get_by_role("button", name="记录联系结果").click()
    await expect(pane.get_by_text("：已接通")).to_be_visible()
    async with web.db.transaction() as tx:
        (talk,) = (await tx.execute(select(ticket_contact).where(ticket_contact.c.ticket_id == made["id"]))).all()
    assert (talk.purpose, talk.reached, talk.told) == ("follow_up", "spoken", "诉求人认可，水压已恢复")
    await pane.get_by_role("radiogroup", name="对办理结果的评价").get_by_text("满意", exact=True).click()
    await pane.get_by_label("回访情况").fill("诉求人满意")
    await pane.get_by_role("button", name="保存回访结果").click()
    await expect(page.get_by_text("这一类没有待办")).to_be_visible()
    assert await state_of(web, made) == "closed"


async def test_an_unsatisfied_citizens_cause_is_noted_and_the_ticket_goes_to_a_new_round_or_is_closed(
    desk: Chromium, web: Web
) -> None:
    first = await ask(web, "reviewer", await unrated(web), "survey/called", rating="不满意", note="水压不足")
    second = await ask(web, "reviewer", await unrated(web), "survey/called", rating="不满意", note="等太久")
    causes = (await web.get("reviewer", f"/api/tickets/{first['id']}/review"))["causes"]
    objective = next(one for one in causes if one["objective"])
    page = await desk_of(desk, web, "unsatisfied")
    await expect(page.get_by_role("button", name=second["id"])).to_be_visible()
    await page.keyboard.press("j")
    pane = page.get_by_role("region", name="办理", exact=True)
    await pane.get_by_role("radio", name=objective["label"]).check()
    await pane.get_by_label("回访了解到的情况").fill("水压受高地势影响")
    await pane.get_by_role("button", name="保存原因").click()
    await expect(pane.get_by_text("请先人工回访，记录不满意的原因")).to_be_hidden()
    await pane.get_by_text("说明后办结", exact=True).click()
    await pane.get_by_label("向诉求人所作的解释").fill("已解释加压泵站年底建成")
    await pane.get_by_role("button", name="办结", exact=True).click()
    await expect(pane.get_by_role("link", name=second["id"])).to_be_visible()
    assert await state_of(web, first) == "closed"
    other = await ask(web, "reviewer", second, "cause", code=causes[0]["code"], note="确实拖延")
    web.hub.hand_out(BoardEvent("ticket.changed", {"ticket": second["id"], "unit": None}))
    await expect(pane.get_by_text("请先人工回访，记录不满意的原因")).to_be_hidden()
    if await pane.get_by_label("承办单位应办未办").count():
        await pane.get_by_label("承办单位应办未办").check()
    await pane.get_by_label("重新交办的理由").fill("未按承诺时间办理")
    await pane.get_by_role("button", name="重新交办", exact=True).click()
    await expect(page.get_by_text("这一类没有待办")).to_be_visible()
    async with web.db.transaction() as tx:
        assert (await store.load(tx, TicketId(other["id"]))).round == 2


async def test_copies_wait_for_a_second_person_and_promises_are_listed(desk: Chromium, web: Web) -> None:
    secret = await ask(web, "supervisor", await handling(web), "mark", reason="要求保密", confidential=True)
    await web.post("supervisor", f"/api/tickets/{secret['id']}/releases", {"kind": "export", "purpose": "上级调阅档案"})
    part = {**reply_contents(), "finished": False, "stage_result": "临时供水", "follow_up_plan": "更换主管"}
    await ask(web, "unit", await handling(web, phone="13900139001"), "reply", contents=part)
    page = await desk_of(desk, web, "approvals")
    await expect(page.get_by_role("tab", name="导出审批 1")).to_be_visible()
    await page.get_by_role("button", name="批准").click()
    await page.get_by_role("dialog").get_by_role("textbox").fill("同意")
    await page.get_by_role("dialog").get_by_role("button", name="确定").click()
    await expect(page.get_by_text("没有等待批准的申请").first).to_be_visible()
    await page.get_by_role("tab", name="后续事项").click()
    await expect(page.get_by_role("cell", name="更换主管")).to_be_visible()
    assert (await web.get("reviewer", "/api/releases"))["rows"] == []
