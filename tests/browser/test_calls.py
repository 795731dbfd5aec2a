"""Calls: the list and its filters, one call's story, the ledger of missed calls, recordings that are not whole."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import expect
from sqlalchemy import insert, select

from callcenter.tables import call_command, listener_gap, missed_call
from recordings import days, findings
from recordings.accounting import FileFinding
from recordings.recording import Problem
from tests.support import busy_exchange as busy
from tests.support.axe import grave_findings
from tests.support.browser import DESKTOP, TELEPHONE, Chromium, choose, wrong_clock
from tests.support.web import Web
from ticketing.clocks import SHANGHAI

CALL, MISSED = "a-1763800000.77", "a-1763800000.88"


@pytest.fixture
async def calls(web: Web) -> Web:
    """A three-party call one of whose legs was not recorded, a missed call, a gap, something wrong with a recording."""
    now = datetime.now(UTC)
    async with web.db.transaction() as tx:
        await busy.with_three_party(tx, web.vault, CALL, now - timedelta(minutes=10))
        await busy.with_missed(tx, web.vault, MISSED, now - timedelta(minutes=40), asked=True)
        await tx.execute(insert(listener_gap).values(node="a", from_at=now, until_at=now, cause="restart"))
        await findings.see_files(tx, [FileFinding(Problem.FOREIGN, "notes.txt")], now)
        await days.compute(tx, now.date(), now)
    return web


async def test_today_is_the_servers_on_a_computer_whose_clock_is_wrong(desk: Chromium, calls: Web) -> None:
    context = await desk.context(await calls.sign_in("supervisor"))
    await context.add_init_script(wrong_clock(timedelta(days=-3)))
    page = await context.new_page()
    before = datetime.now(SHANGHAI).date()
    await page.goto("/console/calls")
    days = {f"{one}" for one in (before, datetime.now(SHANGHAI).date())}
    assert await page.get_by_label("至").input_value() in days


async def test_calls_are_found_and_told_leg_by_leg(desk: Chromium, calls: Web) -> None:
    page = await desk.page(await calls.sign_in("supervisor"), "/console/calls")
    table = page.get_by_role("region", name="通话记录")
    # At midnight the calls of the minutes before are yesterday's.
    await page.get_by_label("从").fill("2020-01-01")
    await page.get_by_role("button", name="查询").click()
    await expect(table.get_by_role("row")).to_have_count(3)
    await choose(page, "范围", "未录音")
    await expect(table.get_by_role("row")).to_have_count(2)
    await table.get_by_role("link").click()
    await expect(page).to_have_url(f"{desk.base}/console/calls/{CALL}")
    heard = page.get_by_role("region", name="通话各段：起止、各方和对方")
    await expect(heard.get_by_role("row")).to_have_count(8)
    rows = [await row.inner_text() for row in await heard.get_by_role("row").all()]
    told = [row.split("\t")[1:] for row in rows[1:]]
    assert told == [
        ["0:48", "市民", "两方通话", "话务员"],
        ["0:48", "agent 8001", "两方通话", "市民"],
        ["0:15", "agent 8001", "话机保持", "互相听不到，对方听音乐"],
        ["0:32", "市民", "听等待音乐", "等待音乐"],
        ["2:42", "agent 8001", "多方通话", "承办单位、市民"],
        ["2:36", "承办单位 urban", "多方通话", "话务员、市民"],
        ["2:10", "市民", "多方通话", "话务员、承办单位"],
    ]
    await expect(page.get_by_text("本次通话未录音").filter(visible=True)).to_have_count(1)
    assert await grave_findings(page) == []


async def test_an_agent_calls_back_from_the_ledger(desk: Chromium, calls: Web) -> None:
    page = await desk.page(await calls.sign_in("agent"), "/console/calls?part=missed")
    row = page.get_by_role("row", name="138****0033")
    await expect(row).to_contain_text("已逾期")
    await expect(row).to_contain_text("要求回拨")
    await row.get_by_role("button", name="回拨").click()
    await expect(page.get_by_text("正在振铃您的话机")).to_be_visible()
    await expect(row).to_contain_text("正在回拨")
    async with calls.db.transaction() as tx:
        kept = (await tx.execute(select(missed_call.c.state, missed_call.c.owner))).one()
        asked = (await tx.execute(select(call_command.c.kind, call_command.c.actor))).one()
    assert (kept.state, kept.owner) == ("calling", "8001")
    assert (asked.kind, asked.actor) == ("call_back", "user:agent")


@pytest.mark.parametrize("size", [DESKTOP, TELEPHONE], ids=["desktop", "telephone"])
async def test_every_part_is_open_to_everybody(desk: Chromium, calls: Web, size: Any) -> None:
    page = await desk.page(await calls.sign_in("supervisor"), "/console/calls", size=size)
    links = page.get_by_role("navigation", name="通话各部分").get_by_role("link")
    await expect(links).to_have_count(6)
    names = await links.all_inner_texts()
    for name in names:
        await page.get_by_role("link", name=name, exact=True).click()
        await expect(page.get_by_role("link", name=name, exact=True)).to_have_attribute("aria-current", "page")
        await expect(page.locator("[aria-busy=true]")).to_have_count(0)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert await grave_findings(page) == [], name
    await page.goto(f"/console/calls/{CALL}")
    await expect(page.get_by_role("heading", name="谁在何时与谁通话")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await grave_findings(page) == []
