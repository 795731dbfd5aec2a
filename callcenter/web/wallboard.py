"""The wallboard: this moment and the day so far in one answer, each rate with its formula and both its numbers.

One reading of the tables serves everybody for KEPT_S: twenty wallboards cost the database as much as one.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

from callcenter import wallboard, wallboard_rows
from callcenter.call_facts import Situation
from callcenter.db import Database
from callcenter.types import Role
from callcenter.wallboard import DayCounts
from callcenter.wallboard_rows import WAITING, Callbacks, Day, Live, OpenCall, TicketCounts, Troubles
from callcenter.web.context import Context
from callcenter.web.router import Out, Routes
from ticketing.clocks import at_local, local_day
from ticketing.words import STATE_NAMES

T = TypeVar("T")
api = Routes("wallboard")
WATCHERS = frozenset({Role.SUPERVISOR, Role.ADMIN})
KEPT_S = 1.0
DAY_KEPT_S = 3.0
"""A day of 20,000 calls is counted in some 30 ms."""
TICKETS_KEPT_S = 10.0
"""Tickets are counted over all that are open, and change slowly."""


class RateOut(Out):
    """share: numerator by denominator, 0 to 1; null before there is anything to divide by. target: the norm's."""

    id: str
    name: str
    numerator: int
    denominator: int
    share: float | None
    formula: str
    basis: str
    target: float | None


class SpreadOut(Out):
    """Times of `count` calls in seconds."""

    count: int
    median_s: float | None
    p90_s: float | None


class CountsOut(Out):
    calls: int
    offered: int
    waiting: int
    answered: int
    in_time: int
    abandoned: int
    short: int
    diverted: int
    left_menu: int


class HourRow(CountsOut):
    """hour: local, 0 to 23. service_level: as the headline, 0 to 1."""

    hour: int
    service_level: float | None


class QueueNowRow(CountsOut):
    """longest_s: who waits longest in it now."""

    queue: str
    waiting_now: int
    longest_s: float
    service_level: float | None


class LiveOut(Out):
    """This moment. doing: agents by what they do; paused: the paused by their reason."""

    waiting: int
    longest_s: float
    in_menu: int
    talking: int
    doing: dict[str, int]
    paused: dict[str, int]


class CallbacksOut(Out):
    entered: int
    asked: int
    done: int
    in_half_hour: int
    open: int
    overdue: int


class StateRow(Out):
    state: str
    name: str
    count: int


class TicketsOut(Out):
    open: int
    due_today: int
    overdue: int
    by_state: list[StateRow]


class PlaceOut(Out):
    """level: warn, full or unknown."""

    place: str
    level: str
    used_share: float | None
    since: datetime
    error: str


class TroublesOut(Out):
    """blind_since: calls are not heard of; unrecorded_since: calls are answered 未录音; surge_until: of the prompt."""

    blind_since: datetime | None
    unrecorded_since: datetime | None
    places: list[PlaceOut]
    surge_until: datetime | None


class BigBoard(Out):
    """Figures without a person in them. meanings: figure -> what it counts."""

    at: datetime
    day: date
    version: str
    live: LiveOut
    today: CountsOut
    rates: list[RateOut]
    human: SpreadOut
    wait: SpreadOut
    patience: SpreadOut
    hours: list[HourRow]
    queues: list[QueueNowRow]
    callbacks: CallbacksOut
    tickets: TicketsOut
    troubles: TroublesOut
    meanings: dict[str, str]


class OpenCallRow(Out):
    """parties: who is on it, ringing included. listeners: extensions of supervisors. since: of its situation."""

    id: str
    direction: str
    caller: str
    queue: str
    request_type: str
    agent: str
    state: str
    started_at: datetime
    since: datetime
    recorded: bool
    parties: list[str]
    listeners: list[str]


class AgentNowRow(Out):
    """doing: talking, ringing, ready, wrap_up, paused, unreachable, logged_out. until: the end of wrap-up."""

    extension: str
    name: str
    doing: str
    reason: str
    since: datetime
    until: datetime | None
    queues: list[str]
    call: str | None


class Wallboard(BigBoard):
    """calls: all that are open, the oldest first."""

    calls: list[OpenCallRow]
    agents: list[AgentNowRow]


@dataclass
class _Kept(Generic[T]):
    """The last reading and when it was made, by the loop's clock."""

    seconds: float
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    value: T | None = None
    read_at: float = 0.0

    async def get(self, read: Callable[[], Awaitable[T]]) -> T:
        """The last reading while it is fresh; else one new one, whoever else waits for it."""
        clock = asyncio.get_running_loop().time
        async with self.lock:
            if self.value is None or clock() - self.read_at >= self.seconds:
                self.value, self.read_at = await read(), clock()
            return self.value


@dataclass
class _Desk:
    """What one process keeps of one database."""

    board: _Kept[Wallboard] = field(default_factory=lambda: _Kept(KEPT_S))
    day: _Kept[Day] = field(default_factory=lambda: _Kept(DAY_KEPT_S))
    tickets: _Kept[TicketCounts] = field(default_factory=lambda: _Kept(TICKETS_KEPT_S))


_DESKS: WeakKeyDictionary[Database, _Desk] = WeakKeyDictionary()


@api.get("/api/wallboard", WATCHERS)
async def read_wallboard(ctx: Context) -> Wallboard:
    """运行监控：排队、坐席、通话，以及今日接听、回拨和工单各项指标（附算式）

    每秒至多重新统计一次；定时刷新请带请求头 X-Automatic: 1，不算本人操作，不延长登录。
    """
    return await board_of(ctx)


async def board_of(ctx: Context) -> Wallboard:
    """The wallboard as it is now, at most KEPT_S old."""
    desk = _DESKS.setdefault(ctx.services.database, _Desk())
    return await desk.board.get(lambda: _read(ctx, desk))


async def _read(ctx: Context, desk: _Desk) -> Wallboard:
    now = ctx.now
    today = local_day(now)
    since, until = at_local(today, time.min), at_local(today + timedelta(days=1), time.min)
    async with ctx.transaction() as tx:
        counted = await desk.tickets.get(lambda: wallboard_rows.ticket_counts(tx, until, now))
        return shown(
            now,
            ctx.services.version,
            await wallboard_rows.live(tx),
            await desk.day.get(lambda: wallboard_rows.day(tx, since, until, now)),
            await wallboard_rows.callbacks(tx, since, until, now),
            counted,
            await wallboard_rows.troubles(tx, now),
        )


def shown(
    now: datetime,
    version: str,
    live: Live,
    day: Day,
    callbacks: Callbacks,
    tickets: TicketCounts,
    troubles: Troubles,
) -> Wallboard:
    """Everything that was read, as the answer. PURE."""
    waiting = [one for one in live.calls if one.state in WAITING]
    return Wallboard(
        at=now,
        day=local_day(now),
        version=version,
        live=_live(live, waiting, now),
        today=_counts(day.whole),
        rates=[RateOut(**asdict(one), share=one.share) for one in wallboard.rates(day.whole)],
        human=SpreadOut(**asdict(day.human)),
        wait=SpreadOut(**asdict(day.wait)),
        patience=SpreadOut(**asdict(day.patience)),
        hours=[
            HourRow(hour=hour, service_level=_level(counts), **_plain(counts)) for hour, counts in day.hours.items()
        ],
        queues=_queues(day, waiting, now),
        callbacks=CallbacksOut(**asdict(callbacks)),
        tickets=_of_tickets(tickets),
        troubles=TroublesOut(**asdict(troubles)),
        meanings=dict(wallboard.MEANINGS),
        calls=[OpenCallRow(**asdict(one)) for one in live.calls],
        agents=[AgentNowRow(**asdict(one)) for one in live.agents],
    )


def _live(live: Live, waiting: list[OpenCall], now: datetime) -> LiveOut:
    doing: dict[str, int] = dict.fromkeys(wallboard.Doing, 0)
    paused: dict[str, int] = {}
    for one in live.agents:
        doing[one.doing] += 1
        if one.doing == wallboard.Doing.PAUSED:
            paused[one.reason] = paused.get(one.reason, 0) + 1
    return LiveOut(
        waiting=len(waiting),
        longest_s=_longest(waiting, now),
        in_menu=sum(one.state == Situation.IN_MENU for one in live.calls),
        talking=sum(one.state not in WAITING | {Situation.IN_MENU} for one in live.calls),
        doing=doing,
        paused=paused,
    )


def _longest(waiting: list[OpenCall], now: datetime) -> float:
    return max(((now - one.since).total_seconds() for one in waiting), default=0.0)


def _queues(day: Day, waiting: list[OpenCall], now: datetime) -> list[QueueNowRow]:
    names = sorted(day.queues.keys() | {one.queue for one in waiting if one.queue})
    rows: list[QueueNowRow] = []
    for name in names:
        own = [one for one in waiting if one.queue == name]
        counts = day.queues.get(name, DayCounts())
        live = {"waiting_now": len(own), "longest_s": _longest(own, now), "service_level": _level(counts)}
        rows.append(QueueNowRow.model_validate({"queue": name, **live, **_plain(counts)}))
    return rows


def _level(counts: DayCounts) -> float | None:
    return wallboard.rates(counts)[0].share


def _counts(counts: DayCounts) -> CountsOut:
    return CountsOut(**_plain(counts))


def _plain(counts: DayCounts) -> dict[str, int]:
    return {name: value for name, value in asdict(counts).items() if name in CountsOut.model_fields}


def _of_tickets(counts: TicketCounts) -> TicketsOut:
    by_state = [StateRow(state=state, name=STATE_NAMES[state], count=count) for state, count in counts.by_state]
    return TicketsOut(open=counts.open, due_today=counts.due_today, overdue=counts.overdue, by_state=by_state)
