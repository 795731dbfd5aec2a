"""A real Chromium on the console: pages of signed-in people, and a watch over everything a page must never do."""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, async_playwright, expect

from callcenter.web.context import COOKIE

CHROMIUM = "/usr/bin/chromium"
FLAGS = (
    "--no-sandbox",
    "--lang=zh-CN",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
)
DESKTOP: Any = {"width": 1440, "height": 900}
TELEPHONE: Any = {"width": 390, "height": 844}
WITHIN_MS = 15_000
expect.set_options(timeout=WITHIN_MS)
WATCH = """
window.__violations = [];
addEventListener('securitypolicyviolation', (e) => window.__violations.push(`${e.violatedDirective} ${e.blockedURI}`));
"""


@dataclass
class Seen:
    """What pages did that they must not: errors nobody caught, broken policies, errors on the console."""

    wrong: list[str] = field(default_factory=list)

    def console(self, message: ConsoleMessage) -> None:
        # An answer of the API with an error status, and a server that is away, are told by the browser as well;
        # the page shows its sentence.
        by_browser = ("Failed to load resource", "WebSocket connection to ")
        if message.type == "error" and not any(words in message.text for words in by_browser):
            self.wrong.append(f"console: {message.text}")


@dataclass
class Chromium:
    """One browser; every person has a context of their own, as on a computer of their own."""

    browser: Browser
    base: str
    seen: Seen = field(default_factory=Seen)
    _contexts: list[BrowserContext] = field(default_factory=list)

    async def context(self, token: str = "", *, size: Any = None, **more: Any) -> BrowserContext:
        """A computer; token: of a session, so that nobody has to type a password."""
        made = await self.browser.new_context(
            viewport=size or DESKTOP, locale="zh-CN", timezone_id="Asia/Shanghai", base_url=self.base, **more
        )
        made.set_default_timeout(WITHIN_MS)
        await made.add_init_script(WATCH)
        if token:
            await made.add_cookies([{"name": COOKIE, "value": token, "url": self.base, "sameSite": "Strict"}])
        self._contexts.append(made)
        made.on("page", self._watch)
        return made

    async def page(self, token: str = "", path: str = "/console/", **more: Any) -> Page:
        """A page of its own computer, open at `path`."""
        page = await (await self.context(token, **more)).new_page()
        await page.goto(path)
        return page

    def _watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.seen.wrong.append(f"pageerror: {error}"))
        page.on("console", self.seen.console)

    async def close_all(self) -> None:
        """Close every computer. Raises AssertionError when a page did what it must not."""
        for context in self._contexts:
            for page in context.pages:
                if not page.is_closed():
                    self.seen.wrong += await page.evaluate("window.__violations ?? []")
            await context.close()
        self._contexts.clear()
        wrong, self.seen.wrong = self.seen.wrong, []
        assert not wrong, wrong


@asynccontextmanager
async def chromium(*flags: str, env: Mapping[str, str] | None = None) -> AsyncIterator[Browser]:
    """Debian's Chromium, headless. flags: more of its own, such as a file as microphone."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=[*FLAGS, *flags], env={**os.environ, **(env or {})}
        )
        yield browser
        await browser.close()


def wrong_clock(ahead: timedelta) -> str:
    """For `add_init_script`: this computer's clock is wrong."""
    return f"""
window.Date = class extends Date {{
  constructor(...given) {{ given.length ? super(...given) : super(Date.now()) }}
  static now() {{ return super.now() + {ahead // timedelta(milliseconds=1)} }}
}}
"""


async def choose(page: Page, label: str, option: str) -> None:
    """Take an option of the selection named `label`, as a person does with a mouse."""
    # The placeholder lies over the field and hands the click on to it.
    await page.get_by_role("combobox", name=label).click(force=True)
    await page.get_by_role("option", name=option).click()


async def call_the_citizen(pane: Locator) -> None:
    """Ask for the call, with a reason where the hour needs one: the policy's clock is the real one."""
    await expect(pane.get_by_text("此人一日内已被回访")).to_be_visible()
    over = pane.get_by_label("时段外或超次数联系的理由")
    if await over.is_visible():
        await over.fill("诉求人约定此时联系")
    await pane.get_by_role("button", name="呼叫诉求人").click()


def console_folder() -> Path | None:
    """The built console under test: CONSOLE_DIST, else the one set-up built."""
    named = os.environ.get("CONSOLE_DIR") or os.environ.get("CONSOLE_DIST", "")
    return Path(named) if named else None
