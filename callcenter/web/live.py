"""The live stream (Server-Sent Events): what happens on calls and tickets, as it happens, for each who may see it.

One follower of the board a process; each viewer has a bounded queue. A viewer who cannot keep up is told `lagged`
and reads the tables again; nobody else waits for them.
"""

import asyncio
import contextlib
import json
import logging
from dataclasses import dataclass, field, replace

from aiohttp import web

from callcenter import accounts
from callcenter.board import AUDITORS, Board, BoardAway, BoardEvent
from callcenter.types import Role
from callcenter.web.context import Context
from callcenter.web.router import Routes

log = logging.getLogger(__name__)

api = Routes("live")
QUEUE = 500
BEAT_S = 15.0
CHECK_S = 60.0
"""How often a stream looks whether its person is still signed in, and with which roles."""
SEES_ALL = frozenset({Role.SUPERVISOR, Role.ADMIN})
ABOUT_UNITS = ("ticket.", "knowledge.", "coordination.")
"""What people of handling units hear of: tickets, knowledge and meetings of theirs, never calls."""


@dataclass
class LiveHub:
    """Hands board events to viewers."""

    board: Board
    viewers: "set[asyncio.Queue[BoardEvent | None]]" = field(default_factory=set)

    async def run(self) -> None:
        """Follow the board until cancelled; when Redis comes back, viewers are told to read anew."""
        while True:
            try:
                async for event in self.board.follow():
                    self.hand_out(event)
            except BoardAway:
                log.warning("the live board is away")
            self.hand_out(BoardEvent("lagged", {}))
            await asyncio.sleep(1.0)

    def hand_out(self, event: BoardEvent) -> None:
        """To every viewer, without waiting."""
        for viewer in tuple(self.viewers):
            if viewer.full():
                while not viewer.empty():
                    viewer.get_nowait()
                viewer.put_nowait(BoardEvent("lagged", {}))
            viewer.put_nowait(event)


HUB = web.AppKey("live_hub", LiveHub)


@api.get("/api/stream", frozenset(Role))
async def stream(ctx: Context) -> web.StreamResponse:
    """实时事件流（SSE）：来电弹屏、通话状态、实时转写、工单变化

    事件 lagged 表示有遗漏，请重新读取列表。每 15 秒一次心跳注释。
    """
    hub = ctx.request.app[HUB]
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
    queue: asyncio.Queue[BoardEvent | None] = asyncio.Queue(QUEUE)
    hub.viewers.add(queue)
    try:
        await response.prepare(ctx.request)
        await response.write(b": connected\n\n")
        await _follow(ctx, response, queue)
    except ConnectionError:
        log.debug("a viewer left", extra={"request_id": ctx.request_id})
    finally:
        hub.viewers.discard(queue)
    return response


async def _follow(ctx: Context, response: web.StreamResponse, queue: "asyncio.Queue[BoardEvent | None]") -> None:
    """Write events until the viewer's session ends."""
    loop = asyncio.get_running_loop()
    check_at = loop.time() + CHECK_S
    while True:
        if loop.time() >= check_at:
            person = await _still(ctx)
            if person is None:
                return
            ctx, check_at = replace(ctx, signed_in=person), loop.time() + CHECK_S
        await response.write(await _next(ctx, queue))


async def _still(ctx: Context) -> accounts.Person | None:
    """Who the viewer is now. An open stream is no use of the session: it idles out all the same."""
    async with ctx.transaction() as tx:
        return await accounts.person_of(tx, ctx.token, ctx.now, used=False)


async def _next(ctx: Context, queue: "asyncio.Queue[BoardEvent | None]") -> bytes:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(BEAT_S):
            while True:
                event = await queue.get()
                if event is not None and may_see(ctx, event):
                    return wire(event)
    return b": beat\n\n"


def may_see(ctx: Context, event: BoardEvent) -> bool:
    """Screen-pops go to their agent and to supervisors; units hear only of their own tickets."""
    if event.kind == "lagged" or ctx.has(*SEES_ALL):
        return True
    if ctx.person.roles <= {Role.UNIT, Role.UNIT_HEAD}:
        return event.kind.startswith(ABOUT_UNITS) and event.data.get("unit") == ctx.person.unit
    if event.audience == AUDITORS:
        return ctx.has(Role.AUDITOR)
    return not event.audience or event.audience == ctx.person.extension


def wire(event: BoardEvent) -> bytes:
    """The event as SSE; JSON has no raw line breaks, so one data line is enough."""
    data = json.dumps(event.data, ensure_ascii=False, default=str)
    return f"event: {event.kind}\ndata: {data}\n\n".encode()
