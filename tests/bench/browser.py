"""A real browser (Chromium, without a screen) told what to do by its DevTools protocol, as far as a bench needs it."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import aiohttp

# Without the background flags it asks for Google's hosts and its own connections wait behind them.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--mute-audio",
    "--autoplay-policy=no-user-gesture-required",
    "--remote-debugging-port=0",
)
READY_WITHIN_S = 30.0


def program() -> str | None:
    """Chromium on PATH, None without."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page:
    """One tab."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._numbers = socket, count(1)

    async def say(self, method: str, **params: object) -> dict[str, Any]:
        """One command; what it answers. Raises RuntimeError with what the browser says."""
        number = next(self._numbers)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while (told := await self._socket.receive_json(timeout=READY_WITHIN_S)).get("id") != number:
            continue
        if "error" in told:
            raise RuntimeError(str(told["error"]))
        answer: dict[str, Any] = told["result"]
        return answer

    async def run(self, script: str) -> Any:
        """What an async function body returns in the page. Raises RuntimeError."""
        wrapped = f"(async () => {{ {script} }})()"
        told = await self.say("Runtime.evaluate", expression=wrapped, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in told:
            raise RuntimeError(str(told["exceptionDetails"]))
        return told["result"].get("value")


@asynccontextmanager
async def page(chromium: str) -> AsyncIterator[Page]:
    """A fresh browser with one empty page; ended, and its folder removed, at the end."""
    with tempfile.TemporaryDirectory(prefix="callcenter-browser-", ignore_cleanup_errors=True) as folder:
        process = await asyncio.create_subprocess_exec(
            chromium,
            *FLAGS,
            f"--user-data-dir={folder}",
            "about:blank",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        try:
            async with aiohttp.ClientSession() as http:
                base = f"http://127.0.0.1:{await _port(Path(folder))}"
                async with http.get(f"{base}/json/list") as answer:
                    tabs = [one for one in await answer.json() if one["type"] == "page"]
                async with http.ws_connect(tabs[0]["webSocketDebuggerUrl"], max_msg_size=0) as socket:
                    yield Page(socket)
        finally:
            process.kill()
            await process.wait()


async def _port(folder: Path) -> int:
    async with asyncio.timeout(READY_WITHIN_S):
        told = folder / "DevToolsActivePort"
        while not told.exists() or not told.read_text().strip():
            await asyncio.sleep(0.05)
    return int(told.read_text().splitlines()[0])
