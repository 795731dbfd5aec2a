"""What a page of the console weighs on its first load, and how soon a ring is a card on the agent's screen.

`python -m tests.bench console`. Chromium (Debian's, without a screen) on the API with a private PostgreSQL and Valkey.
Weights: every file of the console a page asked for with an empty cache, as sent (Brotli) and as gzip -9 would make it;
the softphone and the charts come later, by themselves, and are not counted. Ring to card: from handing the event to the
board, as the listener does when Asterisk tells of the ring, to the frame on which the card is painted.
"""

import asyncio
import gzip
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
from playwright.async_api import Browser, Page, expect
from yarl import URL

from callcenter.board import Board, BoardEvent
from callcenter.db import Database
from callcenter.migrations import upgrade
from callcenter.stack.valkey import Valkey
from tests.bench.machine import CannotRun
from tests.support import desk as line
from tests.support.browser import CHROMIUM, Chromium, chromium, console_folder
from tests.support.stack import postgres_for_tests
from tests.support.web import Web, serving, with_people

RINGS = 50
LATER = ("/console/assets/sip", "/console/assets/echarts")
SCREENS = {
    "sign-in": (None, "/console/sign-in"),
    "desk": ("agent", "/console/desk"),
    "dispatch": ("dispatcher", "/console/dispatch"),
    "unit": ("unit", "/console/unit"),
    "review": ("reviewer", "/console/review"),
    "wallboard": ("supervisor", "/console/wallboard"),
    "tickets": ("supervisor", "/console/tickets"),
}
"""Name -> who opens what."""
PAINTED = """
window.__cards = [];
const mark = performance.mark.bind(performance);
performance.mark = (name, ...more) => {
  if (name === 'desk.card')
    requestAnimationFrame(() => setTimeout(() => window.__cards.push(performance.timeOrigin + performance.now())));
  return mark(name, ...more);
};
"""
"""The frame after the card was written is drawn when its callback has returned."""


def run(rings: int = RINGS) -> dict[str, Any]:
    """screens: name -> files, sent_kb, gzip_kb, ready_ms; ring_p50_ms and ring_p99_ms over `rings`."""
    if not Path(CHROMIUM).exists():
        raise CannotRun(f"{CHROMIUM} is not installed")
    return asyncio.run(_run(rings))


async def _run(rings: int) -> dict[str, Any]:
    async with _console() as (web, board), chromium() as browser:
        screens = {name: await _weight(browser, web, *opened) for name, opened in SCREENS.items()}
        took = await _cards(browser, web, board, rings)
    return {
        "screens": screens,
        "rings": rings,
        "ring_p50_ms": _at(took, 0.5),
        "ring_p99_ms": _at(took, 0.99),
    }


@asynccontextmanager
async def _console() -> AsyncIterator[tuple[Web, Board]]:
    """The API with the console, and the board its live streams follow."""
    async with postgres_for_tests() as server:
        admin = await asyncpg.connect(server.admin_dsn)
        await admin.execute("CREATE DATABASE bench_console")
        await admin.close()
        database = Database(server.dsn("bench_console"))
        await upgrade(database)
        with tempfile.TemporaryDirectory() as folder:
            for needed in ("log", "pids"):
                (Path(folder) / needed).mkdir()
            valkey = Valkey(Path(folder), Path(folder))
            await valkey.boot()
            board = Board(valkey.url)
            spool = Path(folder) / "spool"
            async with serving(database, spool, valkey.url, page=console_folder()) as web:
                following = asyncio.create_task(web.hub.run())
                yield await with_people(web), board
                following.cancel()
                with suppress(asyncio.CancelledError):
                    await following
            await board.close()
            await valkey.stop()
        await database.close()


async def _weight(browser: Browser, web: Web, who: str | None, path: str) -> dict[str, Any]:
    """One first load, in a browser that has nothing yet."""
    desk = Chromium(browser, str(web.client.make_url("/")).rstrip("/"))
    context = await desk.context(await web.sign_in(who) if who else "")
    page = await context.new_page()
    began = time.monotonic()
    await page.goto(path)
    await page.get_by_role("heading", level=1).first.wait_for()
    ready_s = time.monotonic() - began
    await page.wait_for_load_state("networkidle" if who is None else "load")
    entries: list[tuple[str, float]] = await page.evaluate(
        "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]"
        ".map((one) => [one.name, one.encodedBodySize])"
    )
    sent = {URL(name).path: size for name, size in entries if "/console/" in name}
    first = {name: size for name, size in sent.items() if not name.startswith(LATER)}
    await desk.close_all()
    return {
        "files": len(first),
        "sent_kb": round(sum(first.values()) / 1024),
        "gzip_kb": round(sum([await _gzip(web, name) for name in first]) / 1024),
        "ready_ms": round(ready_s * 1000),
    }


async def _gzip(web: Web, path: str) -> int:
    return len(gzip.compress((await web.ask(None, "GET", path)).raw, 9))


async def _cards(browser: Browser, web: Web, board: Board, rings: int) -> list[float]:
    """Seconds from each ring to its card."""
    desk = Chromium(browser, str(web.client.make_url("/")).rstrip("/"))
    context = await desk.context(await web.sign_in("agent"))
    await context.add_init_script(PAINTED)
    page = await context.new_page()
    await page.goto("/console/desk")
    await expect(page.get_by_role("region", name="坐席状态")).to_be_visible()
    while not web.hub.viewers:
        await asyncio.sleep(0.01)
    took = [await _card(page, web, board, number) for number in range(rings)]
    await desk.close_all()
    return took


async def _card(page: Page, web: Web, board: Board, number: int) -> float:
    """One call rings, is seen, and is over."""
    call_id = f"a-1763800000.{1000 + number}"
    caller = await line.ring(web, call_id=call_id)
    told: dict[str, Any] = {
        "call": call_id,
        "at": datetime.now(UTC).isoformat(),
        "agent": line.AGENT,
        "identity": caller,
    }
    about: dict[str, Any] = {"caller": "138****8000", "queue": "hotline", "request_type": "求助", "recorded": True}
    event = BoardEvent("call.ringing", {**told, **about, "earlier_calls": 0, "earlier_tickets": []}, line.AGENT)
    began = time.time()
    await board.publish((event,))
    await page.wait_for_function("(n) => window.__cards.length > n", arg=number)
    painted = float(await page.evaluate("window.__cards.at(-1)")) / 1000
    await line.situation(web, "ended", call_id)
    await board.publish((BoardEvent("call.ended", {"call": call_id, "at": told["at"]}),))
    return painted - began


def _at(times: list[float], share: float) -> float:
    ordered = sorted(times)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 1)


if __name__ == "__main__":
    print(run(10))
