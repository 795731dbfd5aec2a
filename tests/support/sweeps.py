"""One person after another goes from screen to screen in Chromium, and what is looked at on each of them."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Dialog, Page, Request

from tests.support.browser import DESKTOP, TELEPHONE, WITHIN_MS, Chromium
from tests.support.hostile import MARK
from tests.support.screens import View
from tests.support.world import World

SIZES: Mapping[str, Any] = {"desktop": DESKTOP, "telephone": TELEPHONE}
QUIET_S = 0.1
"""Nothing asked for that long: the page has all it wants."""
KEPT_OPEN = frozenset({"eventsource", "websocket", "media"})
BUSY = "[aria-busy=true], .el-loading-mask:not([style*='display: none']), .el-skeleton"
SHOWN = """
() => {
  const typed = [...document.querySelectorAll('input, textarea')].map((one) => one.value)
  return [document.body.innerText, ...typed].join('\\n')
}
"""
TOO_WIDE = """
() => {
  const wide = (one) => one !== null && one.scrollWidth > one.clientWidth + 1
  const main = document.querySelector('main')
  if (!wide(document.scrollingElement) && !wide(main)) return []
  const edge = Math.min(innerWidth, main?.getBoundingClientRect().right ?? innerWidth)
  const kept = (one) => {
    for (let up = one.parentElement; up !== null && up !== main && up !== document.body; up = up.parentElement)
      if (['auto', 'scroll', 'hidden', 'clip'].includes(getComputedStyle(up).overflowX)) return true
    return false
  }
  const beyond = (one) => one.getBoundingClientRect().right > edge + 1
  const out = [...document.querySelectorAll('body *')].filter((one) => beyond(one) && !kept(one)).slice(0, 4)
  return ['too wide', ...out.map((one) => `${one.tagName}.${one.className} ${one.textContent.slice(0, 30)}`)]
}
"""
"""[] when nothing scrolls sideways; else what sticks out."""
ROUTES = """
() => document.querySelector('#app').__vue_app__.config.globalProperties.$router.getRoutes().map((one) => one.path)
"""
GO = "(path) => document.querySelector('#app').__vue_app__.config.globalProperties.$router.push(path)"


@dataclass
class Watched:
    """One person's page, and what is under way on it."""

    page: Page
    loading: set[Request] = field(default_factory=set)
    dialogs: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("request", self._began)
        self.page.on("requestfinished", self._ended)
        self.page.on("requestfailed", self._ended)
        self.page.on("dialog", self._asked)

    def _began(self, request: Request) -> None:
        if request.resource_type not in KEPT_OPEN and not request.url.endswith("/api/stream"):
            self.loading.add(request)

    def _ended(self, request: Request) -> None:
        self.loading.discard(request)

    async def _asked(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        await dialog.dismiss()

    async def settled(self) -> None:
        """Everything that was asked for has come."""
        quiet, waited = 0.0, 0.0
        while quiet < QUIET_S:
            await asyncio.sleep(0.05)
            waited += 0.05
            assert waited * 1000 < WITHIN_MS, [one.url for one in self.loading]
            busy = self.loading or await self.page.locator(BUSY).filter(visible=True).count()
            quiet = 0.0 if busy else quiet + 0.05


@dataclass
class Sweep:
    """Pages of everybody; one for each person and size, used for one screen after another."""

    desk: Chromium
    world: World
    _pages: dict[tuple[str, str], Watched] = field(default_factory=dict)

    async def open(self, view: View, size: str) -> Watched:
        """The screen, with all it asked for."""
        if (view.who, size) not in self._pages:
            token = await self.world.web.sign_in(view.who) if view.who else ""
            context = await self.desk.context(token, size=SIZES[size], reduced_motion="reduce")
            self._pages[view.who, size] = Watched(await context.new_page())
            await self._pages[view.who, size].page.goto("/console/password" if token else "/console/sign-in")
        watched = self._pages[view.who, size]
        await watched.page.evaluate(GO, view.address(self.world))
        await watched.page.locator("h1").first.wait_for()
        await watched.settled()
        for click in view.clicks:
            await watched.page.locator(click).filter(visible=True).first.click()
            await watched.settled()
        return watched

    async def shown(self, watched: Watched) -> str:
        """All words on the page and in its fields."""
        return str(await watched.page.evaluate(SHOWN))

    async def harmed(self, watched: Watched) -> list[str]:
        """What hostile texts have done."""
        page = watched.page
        found = await page.evaluate(TOO_WIDE)
        if await page.evaluate(f"window.{MARK} !== undefined"):
            found.append("a text ran")
        if not page.url.startswith(self.desk.base):
            found.append(f"away to {page.url}")
        return [*found, *watched.dialogs]


async def pictured(watched: Watched, name: str) -> None:
    """A picture of the screen, where SCREENSHOTS names a folder."""
    if folder := os.environ.get("SCREENSHOTS"):
        await watched.page.screenshot(path=str(Path(folder) / f"{name}.png"))
