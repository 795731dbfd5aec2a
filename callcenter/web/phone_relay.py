"""SIP over WebSocket between a page and Asterisk, byte for byte, so that a browser needs one TLS door and no other.

Asterisk's own WebSocket listens on the loopback only and asks every telephone for its password itself (digest); what
is checked here is that the page is ours and its person signed in. RFC 7118; keep-alive: RFC 5626, 3.5.1.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import WSMsgType, web

from callcenter.db import DatabaseAway
from callcenter.web.problems import Problem

log = logging.getLogger(__name__)

SIP = "sip"
MOST_BYTES = 64 * 1024
"""A SIP message with a browser's session description has some 4 KiB."""
HEARTBEAT_S = 15.0
CHECK_S = 15.0
"""How often it is looked whether the person is still signed in."""
MOST_MESSAGES, MESSAGES_WITHIN_S = 200, 10.0
"""A telephone that says more than this is broken."""
CONNECT_WITHIN_S = 5.0
CLOSE_WITHIN_S = 1.0
"""A side that is gone does not answer the closing frame."""
PING, PONG = "\r\n\r\n", "\r\n"
TAKEN, SIGNED_OUT, EXCHANGE_GONE, TOO_MUCH = 4409, 4401, 4502, 1008
"""Codes of the closing frame: another page has the telephone; the session ended; Asterisk closed; a flood."""

Socket = web.WebSocketResponse | aiohttp.ClientWebSocketResponse


class ExchangeAway(Problem):
    """Asterisk does not take the connection."""

    def __init__(self) -> None:
        super().__init__(503, "exchange_away", "电话系统暂时连接不上，浏览器电话会自动重试；持续出现请联系管理员。")


def sip_socket(request: web.Request) -> web.WebSocketResponse:
    """The page's end, not opened yet. Raises Problem for a request that is no WebSocket for SIP."""
    socket = web.WebSocketResponse(
        protocols=(SIP,), heartbeat=HEARTBEAT_S, max_msg_size=MOST_BYTES, timeout=CLOSE_WITHIN_S
    )
    if not socket.can_prepare(request) or SIP not in request.headers.get("Sec-WebSocket-Protocol", ""):
        raise Problem(426, "websocket_only", "此地址只用于浏览器电话的 WebSocket 连接（子协议 sip）。")
    return socket


@asynccontextmanager
async def exchange(url: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A connection to Asterisk's WebSocket. Raises ExchangeAway."""
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(CONNECT_WITHIN_S):
                http = await stack.enter_async_context(aiohttp.ClientSession())
                socket = await http.ws_connect(
                    url,
                    protocols=(SIP,),
                    max_msg_size=MOST_BYTES,
                    heartbeat=HEARTBEAT_S,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_WITHIN_S),
                )
                stack.push_async_callback(socket.close)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            log.warning("Asterisk's WebSocket does not answer", extra={"why": repr(error)})
            raise ExchangeAway from error
        yield socket


@dataclass
class Relay:
    """One page's connection. still_allowed: asked every CHECK_S; raises DatabaseAway when nobody knows."""

    browser: web.WebSocketResponse
    asterisk: aiohttp.ClientWebSocketResponse
    taken: asyncio.Event
    still_allowed: Callable[[], Awaitable[bool]]
    _heard: list[float] = field(default_factory=list)

    async def run(self) -> None:
        """Until one side closes, the session ends, the page floods or another takes over. The page is told which."""
        ends: dict[asyncio.Task[Any], int] = {
            asyncio.create_task(self.taken.wait()): TAKEN,
            asyncio.create_task(self._from_browser()): TOO_MUCH,
            asyncio.create_task(self._from_asterisk()): EXCHANGE_GONE,
            asyncio.create_task(self._watch()): SIGNED_OUT,
        }
        try:
            done, _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in ends:
                task.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
        with suppress(ConnectionError):
            await self.browser.close(code=ends[done.pop()])

    async def _from_browser(self) -> None:
        async for message in self.browser:
            if self._is_flood():
                log.warning("a browser's telephone says too much and is cut off")
                return
            if message.type is WSMsgType.TEXT and message.data == PING:
                await self.browser.send_str(PONG)
            else:
                await _pass_on(message, self.asterisk)

    async def _from_asterisk(self) -> None:
        async for message in self.asterisk:
            await _pass_on(message, self.browser)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(CHECK_S)
            # A database that restarts takes nobody's telephone away.
            with suppress(DatabaseAway):
                if not await self.still_allowed():
                    return

    def _is_flood(self) -> bool:
        now = asyncio.get_running_loop().time()
        self._heard = [*(at for at in self._heard if at > now - MESSAGES_WITHIN_S), now]
        return len(self._heard) > MOST_MESSAGES


async def _pass_on(message: aiohttp.WSMessage, to: Socket) -> None:
    with suppress(ConnectionError):
        if message.type is WSMsgType.TEXT:
            await to.send_str(message.data)
        elif message.type is WSMsgType.BINARY:
            await to.send_bytes(message.data)
