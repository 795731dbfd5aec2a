"""The supervisor's work on what is late: urge, supervise, warn, end; a case led to its end; duty."""

from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import text

from callcenter.types import UnitId
from tests.support.axe import grave_findings
from tests.support.browser import DESKTOP, Chromium, choose
from tests.support.lives import handling
from tests.support.web import Web
from ticketing.dispatch import units_store
from ticketing.dispatch.units import Unit

NAMES = {"water": "县自来水公司", "roads": "县住房和城乡建设局市政设施维护中心", "health": "县卫生健康局"}
TITLE = "龙胜镇桂龙路十二号至三十六号停水两天，多位老人行动不便无法下楼取水，希望尽快恢复供水"


@pytest.fixture
async def late(web: Web) -> tuple[Web, str]:
    """A ticket of the water company, a day over its limit."""
    now = datetime.now(UTC)
    async with web.db.transaction() as tx:
        await units_store.seed(tx, [Unit(UnitId(unit), name) for unit, name in NAMES.items()], now)
    ticket = await handling(web, title=TITLE)
    async with web.db.transaction() as tx:
        past = "from_at = now() - interval '9 days', due_at = now() - interval '1 day'"
        await tx.execute(text(f"UPDATE ticket_deadline SET {past} WHERE kind = 'handle'"))
    return web, str(ticket["id"])


async def part(desk: Chromium, web: Web, name: str, size: Any = DESKTOP) -> Page:
    return await desk.page(await web.sign_in("supervisor"), f"/console/overdue?part={name}", size=size)


async def test_who_is_late_is_urged_supervised_and_warned(desk: Chromium, late: tuple[Web, str]) -> None:
    web, ticket = late
    words = await web.get("supervisor", "/api/supervision-words")
    page = await part(desk, web, "overdue")
    row = page.get_by_role("row", name=ticket)
    await expect(row).to_contain_text("县自来水公司")
    await expect(row).to_contain_text("已逾期")
    await row.get_by_role("button", name="催办").click()
    form = page.get_by_role("dialog")
    await form.get_by_label("催办内容").fill("请今日内恢复供水")
    await form.get_by_role("button", name="催办").click()
    await expect(page.get_by_text("已催办")).to_be_visible()
    await row.get_by_role("button", name="督办").click()
    form = page.get_by_role("dialog")
    await choose(page, "督办事由", words["triggers"][-1]["name"])
    await form.get_by_label("督办理由和要求").fill("停水两天未恢复，请书面说明")
    # The unit does something meanwhile: nothing is lost, the form says so, and it is sent with what is true now.
    async with web.db.transaction() as tx:
        await tx.execute(text("SET LOCAL session_replication_role = replica"))
        await tx.execute(text("UPDATE ticket SET version = version + 1"))
    await form.get_by_role("button", name="发出督办").click()
    await expect(form.get_by_role("alert")).to_be_visible()
    await expect(form.get_by_label("督办理由和要求")).to_have_value("停水两天未恢复，请书面说明")
    await form.get_by_role("button", name="发出督办").click()
    await expect(page.get_by_text("督办已发出")).to_be_visible()
    await row.get_by_role("button", name="警告").click()
    form = page.get_by_role("dialog")
    await form.get_by_text("黄牌警告").click()
    await form.get_by_label("原因").fill("逾期未办结")
    await form.get_by_role("button", name="发出警告").click()
    await expect(row).to_contain_text("黄牌警告")
    (running,) = (await web.get("supervisor", "/api/supervisions", running="true", ticket=ticket))["rows"]
    assert (running["unit"], running["reason"]) == ("water", "停水两天未恢复，请书面说明")
    (card,) = (await web.get("supervisor", "/api/cards"))["rows"]
    assert (card["level"], card["unit"]) == ("yellow", "water")


async def test_a_supervision_is_followed_and_ended(desk: Chromium, late: tuple[Web, str]) -> None:
    web, ticket = late
    seen = await web.get("supervisor", f"/api/tickets/{ticket}")
    asked = {"version": seen["version"], "trigger": "OTHER", "reason": "群众多次来电"}
    after = await web.post("supervisor", f"/api/tickets/{ticket}/supervise", asked)
    (row,) = (await web.get("unit", "/api/supervisions"))["rows"]
    answer = {"version": after["version"], "text": "已组织抢修，今晚恢复供水"}
    await web.post("unit", f"/api/supervisions/{row['id']}/answer", answer)
    page = await part(desk, web, "supervisions")
    await page.get_by_role("button", name=f"{row['id']} 号").click()
    panel = page.get_by_role("dialog", name=f"{row['id']} 号")
    await expect(panel.get_by_text("已组织抢修，今晚恢复供水")).to_be_visible()
    await panel.get_by_label("记录督办情况").fill("现场查看，情况属实")
    await panel.get_by_role("button", name="记录", exact=True).click()
    await expect(panel.get_by_role("listitem")).to_contain_text("现场查看，情况属实")
    assert await grave_findings(page) == []
    await panel.get_by_role("button", name="结束督办").click()
    form = page.get_by_role("dialog").last
    await form.get_by_label("督办结果").fill("已恢复供水")
    await form.get_by_role("button", name="结束督办").click()
    await expect(panel.get_by_text("已恢复供水")).to_be_visible()
    ended = await web.get("supervisor", f"/api/supervisions/{row['id']}")
    assert (ended["supervision"]["solved"], len(ended["notes"])) == (True, 1)


async def test_a_case_is_opened_led_and_concluded(desk: Chromium, late: tuple[Web, str]) -> None:
    web, ticket = late
    words = await web.get("supervisor", "/api/supervision-words")
    page = await part(desk, web, "cases")
    await page.get_by_role("button", name="立案").click()
    form = page.get_by_role("dialog", name="立案")
    reason = next(one for one in words["reasons"] if not one["staff"])
    await choose(page, "情形", reason["name"])
    await form.get_by_text(words["severities"][0]["name"]).click()
    await choose(page, "被问责单位", "县自来水公司")
    await form.get_by_label("事实经过和影响").fill("逾期不办，群众反复来电")
    await form.get_by_label("作为证据的工单编号").fill(ticket)
    await form.get_by_role("button", name="立案").click()
    await page.get_by_role("button", name="1 号").click()
    panel = page.get_by_role("dialog", name="问责案件 1 号")
    await expect(panel.get_by_text("逾期不办，群众反复来电")).to_be_visible()
    await choose(page, "下一步骤", words["ladder"][0]["name"])
    await panel.get_by_label("步骤情况").fill("约谈分管负责人")
    await panel.get_by_role("button", name="记录步骤").click()
    await expect(panel.get_by_text("约谈分管负责人")).to_be_visible()
    await choose(page, "处理结果", words["outcomes"][0]["name"])
    await panel.get_by_label("处理说明").fill("已整改")
    await panel.get_by_role("button", name="结案").click()
    await expect(panel.get_by_text("已整改")).to_be_visible()
    (case,) = (await web.get("supervisor", "/api/accountability/cases"))["rows"]
    assert (case["outcome"], case["steps"][0]["note"]) == (words["outcomes"][0]["code"], "约谈分管负责人")
