"""The page of a ticket: everything on one line, heard in step with its words, numbers only for a reason, on paper."""

import asyncio
import io
from datetime import datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import Page, expect
from pypdf import PdfReader
from sqlalchemy import select

from callcenter.board import BoardEvent
from callcenter.custody.listening_tables import playback
from callcenter.tables import audit
from tests.support.axe import grave_findings
from tests.support.browser import DESKTOP, TELEPHONE, Chromium, call_the_citizen, wrong_clock
from tests.support.lives import ask, registered
from tests.support.web import PHONE, Web
from tests.support.whole_ticket import SECONDS, TITLE, Whole, answered_ticket, whole_ticket
from ticketing.clocks import SHANGHAI

LOOKED_AWAY = """
Object.defineProperty(document, 'hidden', {value: true, configurable: true});
document.dispatchEvent(new Event('visibilitychange'));
"""


async def open_page(desk: Chromium, web: Web, whole: Whole, who: str = "supervisor", **more: Any) -> Page:
    page = await desk.page(await web.sign_in(who), f"/console/tickets/{whole.id}", **more)
    await expect(page.get_by_role("heading", level=1)).to_have_text(whole.id)
    return page


async def audited(web: Web, action: str) -> list[Any]:
    async with web.db.transaction() as tx:
        rows = select(audit.c.actor, audit.c.subject, audit.c.detail).where(audit.c.action == action)
        return [tuple(row) for row in await tx.execute(rows.order_by(audit.c.id))]


def line(page: Page, title: str) -> Any:
    return page.get_by_role("region", name="全部经过").get_by_role("listitem").filter(has_text=title)


COURSE = (
    ("派单", "主办单位 water"),
    ("催办", "市民多次来电催问"),
    ("督办", "督办事由 其他需要督办的事项"),
    ("提请签批", "签批事项 呈报领导批示"),
    ("办理期限开始计算", "依据 第十二条"),
    ("签收：按期完成", "应于 "),
    ("发出短信", "发送情况 已送达"),
    ("发出短信", "原因 carrier: no route"),
    ("承办单位的录音", "保存至 "),
    ("市民、坐席 8001、承办单位 water通话", "时长 0:12"),
    ("坐席 8001按了保持键，对方听音乐", "时长 0:01"),
)
"""Titles on the line, and one thing each says."""


async def test_everything_that_happened_stands_on_one_line(desk: Chromium, web: Web) -> None:
    whole = await whole_ticket(web)
    page = await open_page(desk, web, whole)
    await expect(page.get_by_role("paragraph").filter(has_text=TITLE)).to_be_visible()
    await expect(page.get_by_role("group", name="状态和标记")).to_contain_text("正在督办")
    course = page.get_by_role("region", name="全部经过")
    shown = course.get_by_role("listitem")
    await expect(line(page, "市民、坐席 8001、承办单位 water通话")).to_be_visible()
    told = [" ".join((await one.inner_text()).split()) for one in await shown.all()]
    assert [title for title, said in COURSE if not any(title in one and said in one for one in told)] == []
    assert not [one for one in told if "{" in one], "in words, not as JSON"
    first = told[0]
    await course.get_by_role("button", name="最新在前").click()
    await expect(shown.first).not_to_contain_text(first[-8:])
    await course.get_by_role("button", name="短信").click()
    await expect(shown).to_have_count(sum("短信" in one for one in told))


async def test_a_step_is_taken_from_here_and_what_somebody_else_does_is_seen_at_once(desk: Chromium, web: Web) -> None:
    whole = await whole_ticket(web)
    page = await open_page(desk, web, whole)
    actions = page.get_by_role("group", name="可以办理的事项")
    offered = {row["name"] for row in whole.ticket["allowed"]}
    beside = {"呼叫诉求人", "召集协调会", "更多办理"}
    assert set(await actions.get_by_role("button").all_inner_texts()) <= {*offered, *beside}
    await actions.get_by_role("button", name="预警").click()
    form = page.get_by_role("dialog", name="预警")
    await form.get_by_text("黄牌警告").click()
    await form.get_by_role("textbox").last.fill("临近期限仍未恢复供水")
    await form.locator("button[type=submit]").click()
    await expect(form).to_be_hidden()
    await expect(page.locator(".el-message")).to_have_count(1)
    await expect(line(page, "临近期限仍未恢复供水").first).to_be_visible()
    assert (await web.get("supervisor", f"/api/tickets/{whole.id}"))["card"] == "yellow"
    await answered_ticket(web, whole)
    web.hub.hand_out(BoardEvent("ticket.changed", {"ticket": whole.id}))
    await expect(line(page, "回复办理结果")).to_contain_text("管道已修复，十一点恢复供水。")


async def test_units_are_called_together_and_the_citizen_is_called_from_here(desk: Chromium, web: Web) -> None:
    whole = await whole_ticket(web)
    page = await open_page(desk, web, whole)
    await take(page, "召集协调会")
    form = page.get_by_role("dialog", name="召集协调会")
    await form.get_by_label("议题").fill("研究停水原因")
    await form.get_by_label("地点").fill("县政府三楼会议室")
    await form.get_by_label("时间").fill(f"{datetime.now(SHANGHAI) + timedelta(days=2):%Y-%m-%dT%H:%M}")
    await form.locator("button[type=submit]").click()
    await expect(form).to_be_hidden()
    await expect(line(page, "研究停水原因")).to_be_visible()
    [called] = (await web.get("dispatcher", f"/api/tickets/{whole.id}/coordination"))["rows"]
    assert (called["place"], called["called_by"]) == ("县政府三楼会议室", "user:supervisor")
    answer = {"attendees": ["王工"], "opinion": "周三前提出改造方案"}
    await web.post("unit", f"/api/coordination/{called['id']}/answer", answer)
    web.hub.hand_out(BoardEvent("coordination.answered", {"id": called["id"], "ticket": whole.id, "unit": "water"}))
    await expect(line(page, "周三前提出改造方案")).to_contain_text("王工")
    await take(page, "呼叫诉求人")
    await call_the_citizen(page.get_by_role("dialog", name="呼叫诉求人"))
    await expect(page.get_by_text("正在振铃您的话机")).to_be_visible()
    [call] = (await web.get("supervisor", f"/api/tickets/{whole.id}/calls"))["rows"]
    assert (call["purpose"], call["by"]) == ("first", "supervisor")


async def take(page: Page, action: str) -> None:
    await page.get_by_role("group", name="可以办理的事项").get_by_role("button", name="更多办理").click()
    await page.get_by_role("menuitem", name=action).click()


async def test_what_is_left_is_right_on_a_computer_whose_clock_is_wrong(desk: Chromium, web: Web) -> None:
    whole = Whole(await registered(web, urgent=True), "", None)  # type: ignore[arg-type]
    right = await open_page(desk, web, whole)
    context = await desk.context(await web.sign_in("supervisor"))
    await context.add_init_script(wrong_clock(timedelta(minutes=10)))
    wrong = await context.new_page()
    await wrong.goto(f"/console/tickets/{whole.id}")
    limits = [page.get_by_role("region", name="本轮时限") for page in (right, wrong)]
    await expect(limits[0]).to_contain_text("分")
    # Minutes are shown: of two that are read one after the other, one may be in the next.
    for _ in range(50):
        told = [await one.inner_text() for one in limits]
        if told[0] == told[1]:
            return
        await asyncio.sleep(0.1)
    assert told[0] == told[1]


async def test_a_call_is_heard_by_speaker_in_step_with_its_words(desk: Chromium, web: Web) -> None:
    whole = await whole_ticket(web)
    page = await open_page(desk, web, whole, "reviewer")
    player = page.get_by_role("region", name="来电受理")
    clock = player.locator("[data-test=clock]")
    await expect(player.get_by_text("承办单位自 0:22 起缺 2.0 秒：录音比通话短")).to_be_visible()
    await expect(player.get_by_role("button", name="我的电话是138****8000")).to_be_visible()
    await player.get_by_role("button", name="播放").click()
    await expect(player.get_by_role("button", name="暂停")).to_be_visible()
    await expect(clock).to_contain_text(f"/ 0:{SECONDS}")
    await expect(clock).not_to_contain_text("0:00 /")
    # To the unit's words by a click on them, and on from there.
    said = player.get_by_role("button", name="我们马上派人去修")
    await said.click()
    await expect(said).to_have_attribute("aria-current", "true")
    slider = player.get_by_role("slider", name="播放位置")
    await player.get_by_role("button", name="暂停").click()
    await slider.focus()
    await slider.press("Home")
    await expect(clock).to_contain_text("0:00 /")
    await slider.press("ArrowRight")
    await expect(slider).to_have_attribute("aria-valuetext", f"0:05，共 0:{SECONDS}")
    await player.get_by_role("slider", name="左右声道").press("ArrowLeft")
    async with web.db.transaction() as tx:
        [row] = (await tx.execute(select(playback.c.actor, playback.c.subject, playback.c.parts))).all()
    assert (row.actor, row.subject) == ("user:reviewer", f"call:{whole.call}")
    assert row.parts >= 2, "sought by Range"


async def test_where_the_policy_asks_why_the_reason_is_asked_for_and_kept(desk: Chromium, web: Web) -> None:
    whole = await whole_ticket(web)
    page = await open_page(desk, web, whole, "auditor")
    player = page.get_by_role("region", name="来电受理")
    await player.get_by_role("button", name="播放").click()
    why = page.get_by_role("dialog", name="说明收听理由")
    await expect(why).to_contain_text("须说明理由")
    await why.get_by_label("理由").fill("抽查录音质量")
    await why.get_by_role("button", name="播放").click()
    await expect(player.get_by_role("button", name="暂停")).to_be_visible()
    async with web.db.transaction() as tx:
        assert set((await tx.execute(select(playback.c.reason))).scalars()) == {"抽查录音质量"}


async def test_a_number_is_shown_for_a_reason_and_for_a_moment(desk: Chromium, web: Web) -> None:
    whole = await whole_ticket(web)
    page = await open_page(desk, web, whole, "reviewer")
    people = page.get_by_role("region", name="诉求人与承办单位")
    await expect(people).to_contain_text("138****8000")
    await people.get_by_role("button", name="查看号码").click()
    dialog = page.get_by_role("dialog", name="查看诉求人号码")
    await expect(dialog.get_by_role("button", name="查看")).to_be_disabled()
    await dialog.get_by_text("回访", exact=True).click()
    await dialog.get_by_label("理由").fill("回访短信未送达，改用电话")
    await dialog.get_by_role("button", name="查看").click()
    number = dialog.get_by_text("138 0013 8000")
    await expect(number).to_be_visible()
    await page.evaluate(LOOKED_AWAY)
    await expect(number).to_be_hidden()
    kept = "JSON.stringify([localStorage, sessionStorage, document.body.innerText])"
    assert PHONE not in (await page.evaluate(kept)).replace(" ", "")
    [(actor, subject, detail)] = await audited(web, "ticket.reveal")
    assert (actor, subject) == ("user:reviewer", f"ticket:{whole.id}")
    assert detail == {"purpose": "follow_up", "reason": "回访短信未送达，改用电话"}


async def test_a_unit_sees_its_part_and_nothing_of_the_citizen(desk: Chromium, web: Web) -> None:
    whole = await whole_ticket(web, confidential=True)
    asked: list[str] = []
    page = await desk.page(await web.sign_in("unit"), "/console/tickets")
    page.on("request", lambda request: asked.append(request.url))
    await page.goto(f"/console/tickets/{whole.id}")
    await expect(line(page, "主办单位")).to_be_visible()
    text = await page.locator("main").inner_text()
    for hidden in (PHONE, "138****8000", "王先生", "王女士", whole.call):
        assert hidden not in text
    await expect(page.get_by_role("button", name="查看号码")).to_have_count(0)
    await expect(page.get_by_role("region", name="通话录音")).to_have_count(0)
    assert not [url for url in asked if "/api/calls/" in url or "/packages" in url or "/merged" in url]


async def test_the_file_on_paper_says_who_printed_it_and_a_secret_one_waits_for_another_person(
    desk: Chromium, web: Web
) -> None:
    whole = await whole_ticket(web)
    page = await open_page(desk, web, whole)
    await page.get_by_role("link", name="打印、导出").click()
    await page.get_by_role("button", name="在此查看并打印").click()
    paper = page.get_by_role("article", name="工单档案")
    await expect(paper.get_by_role("heading", name="时限与依据")).to_be_visible()
    heads = [await one.inner_text() for one in await paper.get_by_role("heading", level=2).all()]
    assert heads == ["工单", "承办单位回复", "联系诉求人", "办理过程", "时限与依据"]
    await expect(paper).to_contain_text("打印人：supervisor（supervisor）")
    sheets = [sheet.extract_text() for sheet in PdfReader(io.BytesIO(await page.pdf())).pages]
    assert len(sheets) > 1
    assert [sheet.count("supervisor supervisor") > 5 for sheet in sheets] == [True] * len(sheets), "on every sheet"
    assert "工单查询" not in sheets[0], "no navigation"
    assert "longsheng@1" in sheets[-1]
    await ask(web, "supervisor", whole.ticket, "mark", confidential=True, reason="诉求人要求保密")
    await page.reload()
    await page.get_by_role("button", name="在此查看并打印").click()
    await expect(page.get_by_role("alert")).to_contain_text("未经批准不得导出")
    await page.get_by_label("用途").fill("依法院调取函提供")
    await page.get_by_role("button", name="提交申请").click()
    await expect(page.get_by_text("已提交，由另一人批准后可用一次")).to_be_visible()
    other = await desk.page(await web.sign_in("reviewer"), "/console/custody/releases")
    await other.get_by_role("button", name="批准").click()
    await other.get_by_role("dialog").get_by_role("textbox").fill("同意")
    await other.get_by_role("button", name="确定").click()
    await expect(other.get_by_text("已批准")).to_be_visible()
    await page.get_by_role("button", name="在此查看并打印").click()
    await expect(paper).to_contain_text(TITLE)
    assert [detail for *_, detail in await audited(web, "release.approve")] != []


@pytest.mark.parametrize("size", [DESKTOP, TELEPHONE], ids=["desktop", "telephone"])
async def test_the_page_is_open_to_everybody(desk: Chromium, web: Web, size: Any) -> None:
    whole = await whole_ticket(web)
    page = await open_page(desk, web, whole, size=size)
    await expect(page.get_by_role("button", name="我们马上派人去修")).to_be_visible()
    assert await grave_findings(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await page.get_by_role("button", name="查看号码").click()
    await expect(page.get_by_role("dialog")).to_be_visible()
    assert await grave_findings(page) == []
