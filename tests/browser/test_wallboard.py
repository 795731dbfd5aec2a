"""The supervisor's wallboard and the screen on the wall, with a busy hotline behind them."""

from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import insert, select, update

from callcenter import commands
from callcenter.board import BoardEvent
from callcenter.tables import agent, audit, leg
from tests.support import busy_exchange as busy
from tests.support.axe import grave_findings
from tests.support.browser import DESKTOP, TELEPHONE, Chromium
from tests.support.eventually import eventually
from tests.support.web import Web
from ticketing.clocks import SHANGHAI


async def busy_hotline(web: Web, agents: int, talking: int) -> Web:
    """So many agents, of whom so many talk; eight citizens wait; a morning behind them."""
    now = datetime.now(UTC)
    midnight = now.astimezone(SHANGHAI).replace(hour=0, minute=0, second=0, microsecond=0)
    async with web.db.transaction() as tx:
        extensions = await busy.with_agents(tx, agents, now)
        await busy.with_waiting(tx, web.vault, 8, now)
        await busy.with_talks(tx, web.vault, extensions[:talking], now)
        await busy.with_morning(tx, web.vault, midnight, range(now.astimezone(SHANGHAI).hour))
    return web


@pytest.fixture
async def hotline(web: Web) -> Web:
    return await busy_hotline(web, 24, 12)


async def board(desk: Chromium, web: Web, size: Any = DESKTOP) -> Page:
    page = await desk.page(await web.sign_in("supervisor"), "/console/", size=size)
    await expect(page.get_by_role("heading", name="运行监控")).to_be_visible()
    return page


@pytest.mark.parametrize("size", [DESKTOP, TELEPHONE], ids=["desktop", "telephone"])
async def test_the_wallboard_shows_the_hotline_and_follows_it(desk: Chromium, hotline: Web, size: Any) -> None:
    page = await board(desk, hotline, size)
    waiting = page.get_by_role("region", name="排队等待", exact=True)
    await expect(waiting).to_contain_text("8")
    await expect(page.get_by_role("region", name="正在通话", exact=True)).to_contain_text("12")
    connected = page.get_by_role("region", name="接通率", exact=True)
    await connected.get_by_text("算式").click()
    await expect(connected.get_by_text("人工接听 ÷（进入队列 − 正在等待）")).to_be_visible()
    await expect(connected.get_by_text("GB/T 33358-2016")).to_be_visible()
    await page.keyboard.press("Enter")
    async with hotline.db.transaction() as tx:
        await busy.with_waiting(tx, hotline.vault, 1, datetime.now(UTC), first=900)
    hotline.hub.hand_out(BoardEvent("call.queued", {"call": "a-1763800000.900"}))
    await expect(waiting).to_contain_text("9")
    assert "13800130000" not in await page.content()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await grave_findings(page) == []


async def test_what_is_read_anew_takes_nobodys_place_away(desk: Chromium, web: Web) -> None:
    """Two hundred agents are drawn over where they are: who goes through them with the keyboard stays there."""
    hotline = await busy_hotline(web, 200, 150)
    page = await board(desk, hotline)
    tile = page.get_by_role("button", name="8252")
    await tile.focus()
    async with hotline.db.transaction() as tx:
        await tx.execute(update(agent).where(agent.c.id == "8252").values(desired="paused", reason="培训"))
    hotline.hub.hand_out(BoardEvent("agent.observed", {"agent": "8252"}))
    await expect(tile).to_contain_text("培训")
    await expect(tile).to_be_focused()


async def test_a_supervisor_listens_to_a_call_and_puts_an_agent_right(desk: Chromium, hotline: Web) -> None:
    page = await board(desk, hotline)
    await page.get_by_role("button", name="8100").click()
    panel = page.get_by_role("dialog", name="赵话务员")
    await panel.get_by_role("button", name="监听").click()

    async def answered() -> bool:
        """What the listener does with the command: the supervisor's telephone rang and was answered."""
        now = datetime.now(UTC)
        async with hotline.db.transaction() as tx:
            for asked in await commands.take(tx, "a"):
                await commands.finish(tx, asked.id, commands.Result(commands.State.DONE, "done", "监听已开始。", None))
                row = {"call_id": asked.call_id, "channel_id": "1000.9", "party": "supervisor", "who": "8009"}
                await tx.execute(insert(leg).values(**row, name="", created_at=now, answered_at=now))
                return asked.kind == commands.Kind.LISTEN
        return False

    await eventually(answered, "the command to listen is asked")
    await expect(panel.get_by_role("button", name="结束监听")).to_be_visible()
    await panel.get_by_role("button", name="签出队列").click()
    await page.get_by_role("textbox", name="理由").fill("下班忘记签出")
    await page.get_by_role("button", name="确定").click()
    await expect(page.get_by_text("已将赵话务员签出队列")).to_be_visible()
    async with hotline.db.transaction() as tx:
        assert (await tx.execute(select(agent.c.desired).where(agent.c.id == "8100"))).scalar_one() == "logged_out"
        told = select(audit.c.detail).where(audit.c.subject == "agent:8100")
        assert (await tx.execute(told)).scalar_one() == {"reason": "下班忘记签出"}


async def test_the_screen_on_the_wall_needs_nobody_and_says_when_it_is_old(desk: Chromium, hotline: Web) -> None:
    page = await board(desk, hotline)
    await page.get_by_role("button", name="大屏管理").click()
    await page.get_by_label("安装位置").fill("一楼大厅")
    await page.get_by_role("button", name="添加大屏").click()
    address = await page.get_by_role("dialog", name="大屏管理").locator("code").inner_text()
    wall = await desk.page(path=address.removeprefix(desk.base))
    await expect(wall.get_by_role("region", name="排队等待")).to_contain_text("8")
    await expect(wall).to_have_url(f"{desk.base}/console/wallboard/big")
    assert await grave_findings(wall) == []
    shown = await wall.content()
    assert [word for word in ("话务员", "****", "8100") if word in shown] == []
    # The network goes, and the screen says so; it comes back by itself, and after a reload it still has its key.
    await wall.context.set_offline(True)
    await expect(wall.get_by_role("alert")).to_contain_text("数据中断于")
    await wall.context.set_offline(False)
    await expect(wall.get_by_role("alert")).to_have_count(0)
    await wall.reload()
    await expect(wall.get_by_role("region", name="接通率")).to_be_visible()
    (row,) = (await hotline.get("supervisor", "/api/big-screens"))["rows"]
    await hotline.post("supervisor", f"/api/big-screens/{row['id']}/revoke")
    await wall.reload()
    await expect(wall.get_by_role("alert")).to_contain_text("密钥无效")
