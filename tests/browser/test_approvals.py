"""Signatures: a leader on a telephone, a unit's head with a seal, two side by side, a refusal, the sheet as a file."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from callcenter import accounts
from callcenter.db import Database
from callcenter.types import Role
from tests.support.attached import PDF, given
from tests.support.axe import grave_findings
from tests.support.browser import DESKTOP, TELEPHONE, Chromium, console_folder
from tests.support.lives import ask
from tests.support.signatures import rules
from tests.support.web import PHONE, Web, serving, with_people
from ticketing.clocks import local_day

LEADERS = {
    "chief": ("李主任", "县政府办负责人"),
    "sector": ("王副县长", "分管承办单位的副县长@water"),
    "line": ("赵副县长", "分管热线工作的副县长"),
}
KEY = {"request_type": "投诉", "source": "省长热线", "content": "小区供水压力不足，多次反映没有解决。", "phone": PHONE}


@pytest.fixture
async def web(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    """蒙城, where leaders sign before a dispatch and before an answer."""
    async with serving(db, tmp_path, shipped=rules(), page=console_folder()) as one:
        await with_people(one)
        async with db.transaction() as tx:
            for login, (name, title) in LEADERS.items():
                one.ids[login] = await accounts.create(tx, login, name, "x", [Role.LEADER], titles=[title])
        yield one


async def forwarded(web: Web, title: str, **fields: Any) -> dict[str, Any]:
    ticket = await web.post("agent", "/api/tickets", {"fields": {**KEY, "title": title, "place": "城关镇", **fields}})
    return await ask(web, "agent", await ask(web, "agent", ticket, "register"), "forward")


async def handled(web: Web) -> dict[str, Any]:
    """A ticket whose unit has asked its head to sign the result."""
    ticket = await ask(web, "chief", await forwarded(web, "水压不足"), "approvals/sign")
    ticket = await ask(web, "dispatcher", ticket, "dispatch", lead="water", instruction="查明原因")
    ticket = await ask(web, "head", await ask(web, "unit", ticket, "sign"), "start", led_by="王局长", rank="principal")
    now = datetime.now(UTC)
    said = {
        "handled_on": local_day(now).isoformat(),
        "handled_hour": 0,
        "handling_unit": "水务局抢修班",
        "handler": "张师傅",
        "situation": "已更换加压泵。",
        "citizen_contacted_at": now.isoformat(),
        "result_told_at": now.isoformat(),
        "result_told_by": "电话",
        "attachments": [(await given(web, "unit", ticket["id"], PDF, "检修记录.pdf"))["ref"], "蒙水函〔2026〕3号"],
    }
    return await ask(web, "unit", ticket, "signoff", contents=said)


async def state_of(web: Web, ticket: dict[str, Any]) -> str:
    return str((await web.get("dispatcher", f"/api/tickets/{ticket['id']}"))["state"])


async def open_as(desk: Chromium, web: Web, who: str, **more: Any) -> Page:
    page = await desk.page(await web.sign_in(who), "/console/", **more)
    if who not in LEADERS:
        await page.goto(f"{desk.base}/console/approvals")
    await expect(page.get_by_role("heading", name="待我签批")).to_be_visible()
    return page


async def test_a_leader_signs_on_a_telephone_and_comes_to_the_next(desk: Chromium, web: Web) -> None:
    first, second = await forwarded(web, "水压不足"), await forwarded(web, "路面塌陷", urgent=False)
    page = await open_as(desk, web, "chief", size=TELEPHONE)
    await page.get_by_role("button", name="水压不足").click()
    await expect(page.get_by_role("heading", name="派单前签批")).to_be_visible()
    await expect(page.get_by_text("多次反映没有解决")).to_be_visible()
    await expect(page.get_by_text("以「县政府办负责人」签批")).to_be_visible()
    await page.get_by_label("签批意见").fill("同意转办")
    await page.get_by_label("批示").fill("请水务局三日内报结果")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    async with page.expect_download() as download:
        await page.get_by_role("link", name="下载呈批件（Word）").click()
    assert (await download.value).suggested_filename.endswith(".docx")
    await page.get_by_role("button", name="同意并签批").click()
    await expect(page.get_by_role("heading", name="路面塌陷")).to_be_visible()
    story = await web.get("dispatcher", f"/api/tickets/{first['id']}")
    assert (story["state"], story["leader_instruction"]) == (
        "awaiting_dispatch",
        "县政府办负责人：请水务局三日内报结果",
    )
    assert story["approvals"][0]["steps"][0]["opinion"] == "同意转办"
    sheet = await web.get("chief", f"/api/approvals/{story['approvals'][0]['id']}/sheet")
    assert sheet["people"]["user:chief"] == "李主任"

    await page.get_by_role("button", name="不同意…").click()
    refuse = page.get_by_role("button", name="不同意并退回")
    await expect(refuse).to_be_disabled()
    await page.get_by_label("不同意的理由").fill("先电话核实地点")
    await refuse.click()
    await expect(page.get_by_text("共 0 件")).to_be_visible()
    assert await state_of(web, second) == "registered"


async def test_a_head_signs_the_result_only_with_the_seal(desk: Chromium, web: Web) -> None:
    ticket = await handled(web)
    page = await open_as(desk, web, "head")
    await page.get_by_role("button", name="水压不足").click()
    sheet = page.get_by_role("region", name="呈批件")
    await expect(sheet.get_by_text("已更换加压泵。")).to_be_visible()
    await expect(sheet.get_by_text("蒙水函〔2026〕3号")).to_be_visible()
    async with page.expect_download() as download:
        await sheet.get_by_role("link", name="检修记录.pdf").click()
    assert (await (await download.value).path()).read_bytes() == PDF
    sign = page.get_by_role("button", name="同意并签批")
    await expect(sign).to_be_disabled()
    await page.get_by_label("印章或电子印章编号").fill("蒙水印字1号")
    await sign.click()
    await expect(page.get_by_text("现在没有等待您签批的事项")).to_be_visible()
    assert await state_of(web, ticket) == "replied"


async def test_two_who_sign_side_by_side_lose_nothing(desk: Chromium, web: Web) -> None:
    ticket = await ask(web, "head", await handled(web), "approvals/sign", seal="蒙水印字1号")
    ticket = await ask(web, "reviewer", ticket, "approvals/ask", gate="before_feedback")
    page = await open_as(desk, web, "sector")
    await page.get_by_role("button", name="水压不足").click()
    await page.get_by_label("签批意见").fill("同意反馈")
    await ask(web, "line", ticket, "approvals/sign", opinion="同意")
    sign = page.get_by_role("button", name="同意并签批")
    await sign.click()
    await expect(page.get_by_role("alert")).to_contain_text("刚刚被他人修改")
    await expect(page.get_by_label("签批意见")).to_have_value("同意反馈")
    await sign.click()
    await expect(page.get_by_text("现在没有等待您签批的事项")).to_be_visible()
    rows = (await web.get("dispatcher", f"/api/tickets/{ticket['id']}/approvals"))["rows"]
    opinions = {step["signer"]: step["opinion"] for step in rows[-1]["steps"]}
    assert opinions == {"分管承办单位的副县长": "同意反馈", "分管热线工作的副县长": "同意", "县长": ""}


async def test_signing_is_open_to_everybody(desk: Chromium, web: Web) -> None:
    await handled(web)
    for size in (DESKTOP, TELEPHONE):
        page = await open_as(desk, web, "head", size=size, reduced_motion="reduce")
        await page.get_by_role("button", name="水压不足").click()
        await expect(page.get_by_label("印章或电子印章编号")).to_be_visible()
        assert await grave_findings(page) == []
        await page.get_by_role("button", name="不同意…").click()
        await expect(page.get_by_label("不同意的理由")).to_be_focused()
    assert await grave_findings(page) == []
