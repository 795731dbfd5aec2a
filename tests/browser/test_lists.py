"""Lists: filters in the address, order by the server, named views, the whole list as a file; the auditor's tables."""

import asyncio
from typing import Any

from playwright.async_api import Page, expect
from sqlalchemy import select

from callcenter.tables import audit
from tests.support.browser import Chromium
from tests.support.eventually import eventually
from tests.support.lives import ask, dispatched, opened, registered
from tests.support.web import Web, with_call

LONG = "桂龙路与北门街交叉口自来水主管道破裂，路面积水三天无人处理，周边四百余户居民停水"


async def tickets(web: Web) -> list[str]:
    """A draft, one taken in, one at a unit, one that was withdrawn; oldest first."""
    made = [await opened(web, title="草稿路灯"), await registered(web, title="登记路灯")]
    made += [await dispatched(web, title=LONG, subject="供水")]
    gone = await registered(web, title="撤回路灯", request_type="投诉")
    made += [await ask(web, "agent", gone, "withdraw", reason="市民撤回")]
    return [one["id"] for one in made]


async def open_list(desk: Chromium, web: Web, query: str = "", who: str = "supervisor", **more: Any) -> Page:
    page = await desk.page(await web.sign_in(who), f"/console/tickets{query}", **more)
    await expect(page.get_by_role("heading", name="工单查询")).to_be_visible()
    return page


async def shown(page: Page) -> list[str]:
    table = page.get_by_role("region", name="工单查询")
    await expect(table).to_have_attribute("aria-busy", "false")
    return [await one.inner_text() for one in await table.locator("table").get_by_role("link").all()]


async def pick(page: Page, label: str, option: str) -> None:
    await page.get_by_role("combobox", name=label, exact=True).press("ArrowDown")
    await page.get_by_role("option", name=option, exact=True).click()


async def test_filters_stand_in_the_address_and_under_a_name(desk: Chromium, web: Web) -> None:
    draft, taken, working, gone = await tickets(web)
    page = await open_list(desk, web)
    await expect(page.get_by_role("link", name=draft)).to_be_visible()
    assert await shown(page) == [gone, working, taken, draft]
    await pick(page, "状态", "已派单（待签收）")
    await expect(page.get_by_role("link", name=draft)).to_be_hidden()
    assert await shown(page) == [working]
    assert page.url.endswith("/console/tickets?state=dispatched")
    await page.get_by_role("button", name="存为常用条件").click()
    await page.get_by_label("常用条件名称").fill("待签收")
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="清除条件").click()
    await expect(page.get_by_role("link", name=draft)).to_be_visible()
    await page.get_by_label("编号、标题、内容或地点").fill("路灯")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("link", name=working)).to_be_hidden()
    assert await shown(page) == [gone, taken, draft]
    await page.reload()
    await expect(page.get_by_label("编号、标题、内容或地点")).to_have_value("路灯")
    await expect(page.get_by_role("link", name=gone)).to_be_visible()
    assert await shown(page) == [gone, taken, draft]
    await page.get_by_role("button", name="待签收", exact=True).click()
    await expect(page.get_by_role("link", name=working)).to_be_visible()
    assert await shown(page) == [working]
    kept = await page.evaluate("JSON.stringify(localStorage)")
    assert "dispatched" in kept
    assert "路灯" not in kept
    await page.get_by_role("button", name="清除条件").click()
    await pick(page, "排列", "期限近的在前")
    await expect(page).to_have_url(f"{desk.base}/console/tickets?sort=due")
    assert (await shown(page))[0] == working
    await page.get_by_role("button", name="更多条件").click()
    await pick(page, "是否办结", "已办结")
    await page.get_by_role("button", name="查询", exact=True).click()
    await expect(page.get_by_role("link", name=working)).to_be_hidden()
    assert await shown(page) == [gone]


async def saved(page: Page, kind: str) -> tuple[str, bytes]:
    """The file's name and what is in it."""
    await page.get_by_role("button", name="导出").click()
    async with page.expect_download() as download:
        await page.get_by_role("menuitem", name=kind).click()
    file = await download.value
    return file.suggested_filename, await asyncio.to_thread((await file.path()).read_bytes)


async def test_the_whole_list_is_had_as_a_file_under_its_filters(desk: Chromium, web: Web) -> None:
    draft, taken, *_ = await tickets(web)
    page = await open_list(desk, web, "?text=路灯&running=true")
    await expect(page.get_by_role("link", name=taken)).to_be_visible()
    name, text = await saved(page, "CSV")
    assert name.startswith("工单列表-20")
    lines = text.decode("utf-8-sig").splitlines()
    assert lines[0].startswith("工单编号,状态,")
    assert [line[:14] for line in lines[1:3]] == [taken, draft]
    assert "导出人：supervisor" in lines[4]
    await expect(page.get_by_text("已导出 2 行")).to_be_visible()
    name, book = await saved(page, "Excel")
    assert (name[-5:], book[:2]) == (".xlsx", b"PK")
    noted: list[Any] = []

    async def both() -> bool:
        async with web.db.transaction() as tx:
            rows = select(audit.c.detail).where(audit.c.action == "list.exported").order_by(audit.c.id)
            noted[:] = (await tx.execute(rows)).scalars()
        return len(noted) == 2

    # How many rows left is known, and noted, when the last has left.
    await eventually(both, "both exports are on record")
    first, second = noted
    assert first == {"format": "csv", "text": "路灯", "running": "true", "rows": 2, "cut": False, "sort": "newest"}
    assert second["format"] == "xlsx"


async def test_an_auditor_sees_who_did_what_in_words(desk: Chromium, web: Web) -> None:
    ticket = await dispatched(web)
    why = {"purpose": "contact", "reason": "核实停水范围"}
    await web.post("agent", f"/api/tickets/{ticket['id']}/reveal", why)
    page = await desk.page(await web.sign_in("auditor"), "/console/audit")
    await pick(page, "操作", "查看诉求人号码")
    await page.get_by_label("操作人").fill("agent")
    await page.get_by_role("button", name="查询", exact=True).click()
    await expect(page.get_by_role("row")).to_have_count(2)
    row = page.get_by_role("row").filter(has_text=ticket["id"])
    await expect(row).to_contain_text("理由：核实停水范围，用途：contact")
    await row.get_by_role("link").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text(ticket["id"])


async def test_a_hold_is_placed_by_one_and_ended_by_two(desk: Chromium, web: Web) -> None:
    await with_call(web)
    page = await desk.page(await web.sign_in("supervisor"), "/console/custody/holds")
    await page.get_by_role("button", name="保全录音").click()
    form = page.get_by_role("dialog", name="保全录音")
    await form.get_by_label("电话编号").fill("a-1763800000.12")
    await form.get_by_label("理由").fill("涉及行政诉讼，须保留证据")
    await form.get_by_role("button", name="保全录音").click()
    await expect(page.get_by_text("已保全")).to_be_visible()
    await page.get_by_role("button", name="申请解除").click()
    await page.get_by_role("dialog").get_by_role("textbox").fill("诉讼已经结束，不再需要保留")
    await page.get_by_role("button", name="确定").click()
    await expect(page.get_by_text("等待另一人审批").filter(visible=True)).to_be_visible()
    other = await desk.page(await web.sign_in("auditor"), "/console/custody/holds")
    await other.get_by_role("button", name="同意解除").click()
    await other.get_by_role("button", name="确定").click()
    await expect(other.get_by_text("没有符合条件的记录").filter(visible=True)).to_be_visible()
    [hold] = (await web.get("auditor", "/api/holds", all="true"))["rows"]
    assert hold["standing"] is False
