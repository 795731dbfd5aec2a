"""The dispatcher's desk: the queue by keyboard, a dispatch computed before it is sent, two at once, units' requests."""

from datetime import UTC, datetime
from typing import Any

import asyncpg
from playwright.async_api import Page, expect

from callcenter import accounts
from callcenter.board import BoardEvent
from callcenter.types import Role
from tests.support.axe import grave_findings
from tests.support.browser import DESKTOP, TELEPHONE, Chromium
from tests.support.county import with_directory
from tests.support.lives import ask, dispatched, registered
from tests.support.web import Web

SUBJECT = "04.01"
HOSTILE = '<img src=x onerror="window.__violations.push(1)">\u202egnp.evil 桂龙路停水' + "很长" * 60
MORE_TICKETS = (
    "INSERT INTO ticket SELECT (jsonb_populate_record(t, jsonb_build_object('id', '20200101' || lpad(n::text, 6, '0'), "
    "'title', '停水第' || n || '处', 'open_key', NULL))).* FROM ticket t, generate_series(1, 499) n WHERE t.id = $1"
)


async def crowd(web: Web, like: str) -> None:
    """499 tickets more that wait like this one; written by the owner, past the checks of their chains."""
    connection = await asyncpg.connect(web.db.asyncpg_dsn)
    await connection.execute("SET session_replication_role = replica")
    await connection.execute(MORE_TICKETS, like)
    await connection.close()


async def open_desk(desk: Chromium, web: Web, query: str = "", **more: Any) -> Page:
    page = await desk.page(await web.sign_in("dispatcher"), f"/console/dispatch{query}", **more)
    await expect(page.get_by_role("heading", name="派单", level=1)).to_be_visible()
    return page


async def test_a_ticket_is_dispatched_by_keyboard_and_the_next_one_opens(desk: Chromium, web: Web) -> None:
    await with_directory(web)
    first = await registered(web, subject=SUBJECT, title="桂龙路停水")
    second = await registered(web, subject=SUBJECT, title="阳光小区停水", place="阳光小区")
    page = await open_desk(desk, web)
    queue = page.get_by_role("listbox", name="待派单")
    await expect(queue.get_by_role("option")).to_have_count(2)
    for key in ("j", "k", "Enter"):
        await page.keyboard.press(key)
    await expect(page.get_by_role("heading", name="桂龙路停水")).to_be_focused()
    await expect(page.get_by_text("还须填写：主办单位")).to_be_visible()
    await page.get_by_role("button", name="选为主办：县住房和城乡建设局").press("Enter")
    await expect(page.get_by_label("派单依据")).to_have_value("县住房和城乡建设局三定方案：供水行业管理")
    limits = page.get_by_role("table", name="派单后的期限")
    await expect(limits.get_by_role("row").filter(has_text="办理")).to_contain_text("第十二条(二)2")
    await expect(limits.get_by_role("row").filter(has_text="申请退单")).to_contain_text("签收后")
    await page.get_by_label("办理要求").fill("三日内恢复供水")
    await page.keyboard.press("Control+Enter")
    await expect(page.get_by_role("heading", name="阳光小区停水")).to_be_focused()
    await expect(queue.get_by_role("option")).to_have_count(1)
    story = await web.get("dispatcher", f"/api/tickets/{first['id']}")
    assert (story["state"], story["lead_unit"]) == ("dispatched", "housing")
    assert story["assignments"][0]["instruction"] == "三日内恢复供水"
    assert (await web.get("dispatcher", f"/api/tickets/{second['id']}"))["state"] == "registered"


async def test_an_urgent_ticket_goes_out_only_after_the_call(desk: Chromium, web: Web) -> None:
    await with_directory(web)
    ticket = await registered(web, urgent=True, title="主管道爆裂")
    page = await open_desk(desk, web, f"?ticket={ticket['id']}", size=TELEPHONE)
    await page.get_by_role("combobox", name="主办单位").fill("住房")
    await page.get_by_role("option", name="县住房和城乡建设局").click()
    send = page.get_by_role("button", name="派单", exact=True)
    await expect(send).to_be_disabled()
    await page.get_by_label("接听人").fill("值班老赵")
    await page.get_by_text("按其他法定期限办理").click()
    await page.get_by_label("批准人").fill("刘副县长")
    await page.get_by_label("法律依据").fill("城镇供水条例第二十三条")
    await expect(page.get_by_role("row").filter(has_text="30 个工作日")).to_contain_text("计入")
    await send.click()
    await expect(page.get_by_text("没有待派单的工单")).to_be_visible()
    event = (await web.get("dispatcher", f"/api/tickets/{ticket['id']}"))["events"][-1]
    assert (event["event"], event["data"]["phone_notice"]["person"]) == ("dispatch", "值班老赵")
    assert event["data"]["statutory"]["approver"] == "刘副县长"


async def test_two_dispatchers_at_once_lose_nothing_that_was_typed(desk: Chromium, web: Web) -> None:
    await with_directory(web)
    async with web.db.transaction() as tx:
        web.ids["other"] = await accounts.create(tx, "other", "老周", "x", [Role.DISPATCHER])
    changed = await registered(web, subject=SUBJECT, title="路灯不亮")
    taken = await registered(web, subject=SUBJECT, title="井盖缺失", phone="13900139222")
    page = await open_desk(desk, web, f"?ticket={changed['id']}")
    await page.get_by_role("button", name="选为主办：县住房和城乡建设局").click()
    await page.get_by_label("办理要求").fill("请今晚修好")
    await ask(web, "other", changed, "mark", reason="媒体来问", add=["media"])
    # No live event told it: the refusal does, and the second try goes through with what was typed.
    send = page.get_by_role("button", name="派单", exact=True)
    await send.click()
    await expect(page.get_by_role("alert")).to_contain_text("工单刚刚被他人修改")
    await expect(page.get_by_role("listitem").filter(has_text="老周 标记")).to_contain_text("媒体来问")
    await send.click()
    await expect(page.get_by_role("heading", name="井盖缺失")).to_be_focused()
    story = await web.get("dispatcher", f"/api/tickets/{changed['id']}")
    assert (story["lead_unit"], story["assignments"][0]["instruction"]) == ("housing", "请今晚修好")

    await page.get_by_label("办理要求").fill("先设围挡")
    await ask(web, "other", taken, "dispatch", lead="housing", basis="清单")
    web.hub.hand_out(BoardEvent("ticket.changed", {"ticket": taken["id"], "state": "dispatched"}))
    gone = page.get_by_role("alert").filter(has_text="已由他人（老周）于")
    await expect(gone).to_contain_text("已派单（待签收）")
    await expect(page.get_by_label("办理要求")).to_have_value("先设围挡")
    await expect(page.get_by_text("没有待派单的工单")).to_be_visible()


async def test_same_requests_are_linked_and_merged_from_the_hints(desk: Chromium, web: Web) -> None:
    master = await registered(web, title="桂龙路停水")
    other = await registered(web, title="还是桂龙路停水", phone="13900139111", subject=SUBJECT)
    again = await registered(web, title="第二次反映停水")
    page = await open_desk(desk, web, f"?ticket={again['id']}")
    await page.get_by_role("button", name=f"关联为同一诉求：{master['id']}").click()
    await page.get_by_role("dialog").get_by_role("button", name="关联重复诉求").click()
    await expect(page.get_by_role("option").filter(has_text="第 2 次诉求")).to_be_visible()
    await page.goto(f"{desk.base}/console/dispatch?ticket={other['id']}")
    await page.get_by_role("button", name="并单", exact=True).click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("主工单编号").fill(master["id"])
    await dialog.get_by_label("理由").fill("同一处停水")
    await dialog.get_by_role("button", name="并单").click()
    await expect(page.get_by_role("option").filter(has_text="并单 1 件")).to_be_visible()
    assert (await web.get("dispatcher", f"/api/tickets/{other['id']}"))["state"] == "merged"
    await page.get_by_role("button", name="取消并单").click()
    await dialog.get_by_label("理由").fill("地点不同")
    await dialog.get_by_role("button", name="取消并单").click()
    await expect(page.get_by_role("option")).to_have_count(3)


async def asked_for(web: Web) -> dict[str, dict[str, Any]]:
    """A ticket with a return asked for, one with an extension, one in dispute."""
    said = {"reason": "不归我管", "legal_basis": "三定方案", "suggestion": "派给城管"}
    back = await ask(web, "unit2", await dispatched(web, unit="roads", title="路口护栏"), "sign")
    back = await ask(web, "unit2", back, "return", **said)
    longer = await ask(web, "unit2", await dispatched(web, unit="roads", title="桥面坑洞"), "sign")
    informed = datetime.now(UTC).isoformat()
    longer = await ask(web, "unit2", longer, "extension", amount=3, reason="配件未到", citizen_informed_at=informed)
    dispute = await dispatched(web, unit="roads", title="绿化带归谁")
    dispute = await ask(web, "dispatcher", dispute, "dispute", reason="两家都说不管", units=["roads"])
    return {"return": back, "extension": longer, "dispute": dispute}


async def test_what_units_asked_is_decided(desk: Chromium, web: Web) -> None:
    await with_directory(web)
    asked = await asked_for(web)
    page = await open_desk(desk, web, "?tab=return")
    drawer, dialog = page.get_by_role("dialog", name="退单申请"), page.get_by_role("dialog", name="不予退回")
    await page.get_by_role("button", name="路口护栏").click()
    await drawer.get_by_role("button", name="不予退回").click()
    await expect(dialog.get_by_text("已注明理由和依据")).to_be_visible()
    await dialog.get_by_role("combobox", name="不予退回的情形").press("ArrowDown")
    await page.get_by_role("option", name="登记内容存在瑕疵但不影响办理").click()
    await dialog.get_by_role("button", name="不予退回").click()
    await expect(page.get_by_role("cell", name="不归我管")).to_have_count(0)
    story = await web.get("dispatcher", f"/api/tickets/{asked['return']['id']}")
    assert (story["return_open"], story["events"][-1]["data"]["code"]) == (False, "minor_flaw")

    page = await open_desk(desk, web, "?tab=extension")
    await expect(page.get_by_role("cell", name="申请延长 3 个工作日")).to_be_visible()
    await page.get_by_role("button", name="桥面坑洞").click()
    await page.get_by_role("button", name="同意延期").click()
    grant = page.get_by_role("dialog", name="同意延期")
    await grant.get_by_role("spinbutton").fill("2")
    await grant.get_by_role("button", name="同意延期").click()
    await expect(grant).to_be_hidden()
    assert (await web.get("dispatcher", f"/api/tickets/{asked['extension']['id']}"))["events"][-1]["data"][
        "amount"
    ] == 2

    page = await open_desk(desk, web, "?tab=dispute")
    await page.get_by_role("button", name="绿化带归谁").click()
    await page.get_by_role("button", name="职责争议裁定").click()
    rule = page.get_by_role("dialog", name="职责争议裁定")
    await expect(rule.get_by_text("县委编办")).to_be_visible()
    await rule.get_by_label("裁定意见").fill("由公路局办理")
    await rule.get_by_label("会议纪要或书面意见编号").fill("纪要5号")
    await rule.get_by_role("button", name="记录职责裁定").click()
    await expect(rule).to_be_hidden()
    [kept] = (await web.get("dispatcher", f"/api/tickets/{asked['dispute']['id']}/disputes"))["disputes"]
    assert (kept["lead"], kept["participants"]) == ("roads", ["县政务服务管理办公室", "县委编办", "县司法局"])


async def test_five_hundred_waiting_tickets_are_drawn_as_they_come_into_sight(desk: Chromium, web: Web) -> None:
    ticket = await registered(web, title="最后登记的一件")
    await crowd(web, ticket["id"])
    page = await open_desk(desk, web)
    queue = page.get_by_role("listbox", name="待派单")
    await expect(page.get_by_text("显示 500 件，共 500 件待派")).to_be_visible()
    assert await queue.get_by_role("option").count() < 40
    await queue.press("End")
    await expect(queue.locator(".current")).to_have_attribute("aria-posinset", "500")
    await expect(queue.locator(".current")).to_be_in_viewport()
    await queue.press("ArrowUp")
    await expect(queue.locator(".current")).to_have_attribute("aria-posinset", "499")
    await page.get_by_label("编号、标题、地点、来源").fill("停水第250处")
    await expect(queue.get_by_role("option")).to_have_count(1)
    await queue.press("Enter")
    await expect(page.get_by_role("heading", name="停水第250处")).to_be_visible()


async def test_the_desk_is_open_to_everybody(desk: Chromium, web: Web) -> None:
    await with_directory(web)
    await registered(web, title=HOSTILE[:200], content=HOSTILE, subject=SUBJECT, urgent=True)
    await registered(web, title="第二次反映", subject=SUBJECT)
    await asked_for(web)
    for size in (DESKTOP, TELEPHONE):
        page = await open_desk(desk, web, size=size, reduced_motion="reduce")
        await page.get_by_role("option").first.click()
        await expect(page.get_by_role("button", name="选为主办：县住房和城乡建设局")).to_be_visible()
        await expect(page.get_by_role("heading", name="可能相同的诉求")).to_be_visible()
        assert await grave_findings(page) == []
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        tab, title = ("return", "路口护栏") if size == TELEPHONE else ("dispute", "绿化带归谁")
        await page.goto(f"{desk.base}/console/dispatch?tab={tab}")
        await page.get_by_role("button", name=title).filter(visible=True).click()
        await page.get_by_role("navigation", name="可做的操作").get_by_role("button").first.click()
        await expect(page.get_by_role("dialog").nth(1).get_by_role("button").last).to_be_visible()
        assert await grave_findings(page) == []
    await page.goto(f"{desk.base}/console/dispatch?tab=tasks")
    await expect(page.get_by_text("没有符合条件的记录").filter(visible=True)).to_be_visible()
