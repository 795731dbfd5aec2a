"""What the wallboard reads: a few statements over indexes, whatever the history behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import surge
from callcenter.call_facts import Situation
from callcenter.custody import storage_rows
from callcenter.tables import agent, call, identity, leg, listener_gap
from callcenter.types import Party
from callcenter.wallboard import SHORT_S, WITHIN_S, DayCounts, Doing, doing
from recordings.completeness_tables import recording_pause
from recordings.storage import Level
from ticketing import tables as tickets
from ticketing.clocks import DeadlineKind
from ticketing.words import State

WAITING = frozenset({Situation.QUEUED, Situation.RINGING})
OVER = frozenset(
    {State.DRAFT, State.REJECTED, State.REFERRED, State.ANSWERED, State.CLOSED, State.ARCHIVED, State.TERMINATED}
    | {State.MERGED, State.WITHDRAWN}
)
"""A ticket that is not open: done with, or not yet taken in."""
HALF_AN_HOUR = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Spread:
    """Times of some calls, in seconds; None: there are none."""

    count: int
    median_s: float | None
    p90_s: float | None


NOTHING = Spread(0, None, None)


@dataclass(frozen=True, slots=True)
class Day:
    """The calls of a day so far. hours: 0 to 23, those with a call. queues: by name."""

    whole: DayCounts = field(default_factory=DayCounts)
    human: Spread = NOTHING
    wait: Spread = NOTHING
    patience: Spread = NOTHING
    hours: Mapping[int, DayCounts] = field(default_factory=dict)
    queues: Mapping[str, DayCounts] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OpenCall:
    """A call that has not ended. since: of its situation, as near as is known. parties: also who only rings yet."""

    id: str
    direction: str
    caller: str
    queue: str
    request_type: str
    agent: str
    state: Situation
    started_at: datetime
    since: datetime
    recorded: bool
    parties: tuple[str, ...]
    listeners: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AgentNow:
    """One agent. until: the end of wrap-up. call: the open one."""

    extension: str
    name: str
    doing: Doing
    reason: str
    since: datetime
    until: datetime | None
    queues: tuple[str, ...]
    call: str | None


@dataclass(frozen=True, slots=True)
class Live:
    """This moment."""

    calls: tuple[OpenCall, ...]
    agents: tuple[AgentNow, ...]


@dataclass(frozen=True, slots=True)
class Callbacks:
    """The ledger of missed calls: entered today and what became of them; open and overdue of any day."""

    entered: int
    asked: int
    done: int
    in_half_hour: int
    open: int
    overdue: int


@dataclass(frozen=True, slots=True)
class TicketCounts:
    open: int
    due_today: int
    overdue: int
    by_state: tuple[tuple[State, int], ...]


@dataclass(frozen=True, slots=True)
class PlaceTrouble:
    """A disk of recordings that is not well."""

    place: str
    level: Level
    used_share: float | None
    since: datetime
    error: str


@dataclass(frozen=True, slots=True)
class Troubles:
    """blind_since: events of calls are not heard. unrecorded_since: calls are answered without being recorded."""

    blind_since: datetime | None
    unrecorded_since: datetime | None
    places: tuple[PlaceTrouble, ...]
    surge_until: datetime | None


DAY = text("""
WITH told AS (
    SELECT extract(hour FROM started_at AT TIME ZONE 'Asia/Shanghai')::int AS hour, queue, ended_at,
           -- Who was answered has been in a queue, though its entry may not have been heard.
           queued_at IS NOT NULL OR agent_answered_at IS NOT NULL AS asked,
           agent_answered_at IS NOT NULL AS met,
           agent_answered_at IS NULL AND ended_at IS NULL AS waits,
           agent_answered_at IS NULL AND ended_at IS NOT NULL AND queued_at IS NOT NULL
               AND exit_reason = 'abandoned' AS gave_up,
           extract(epoch FROM coalesce(agent_answered_at, ended_at, CAST(:now AS timestamptz))
               - coalesce(queued_at, started_at))::float8 AS wait_s,
           extract(epoch FROM agent_answered_at - started_at)::float8 AS human_s
    FROM call WHERE started_at >= :since AND started_at < :until AND direction = 'in'
)
SELECT grouping(hour) = 0 AS by_hour, grouping(queue) = 0 AS by_queue, hour, queue,
       count(*) AS calls,
       count(*) FILTER (WHERE asked) AS offered,
       count(*) FILTER (WHERE asked AND waits) AS waiting,
       count(*) FILTER (WHERE asked AND waits AND wait_s <= :within) AS fresh,
       count(*) FILTER (WHERE met) AS answered,
       count(*) FILTER (WHERE met AND wait_s <= :within) AS in_time,
       count(*) FILTER (WHERE gave_up) AS abandoned,
       count(*) FILTER (WHERE gave_up AND wait_s <= :within) AS abandoned_in_time,
       count(*) FILTER (WHERE gave_up AND wait_s <= :short) AS short,
       count(*) FILTER (WHERE asked AND NOT waits AND NOT met AND NOT gave_up) AS diverted,
       count(*) FILTER (WHERE NOT asked AND ended_at IS NOT NULL) AS left_menu,
       percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY human_s) AS human,
       percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY CASE WHEN met THEN wait_s END) AS wait,
       percentile_cont(ARRAY[0.5, 0.9]) WITHIN GROUP (ORDER BY CASE WHEN gave_up THEN wait_s END) AS patience
FROM told GROUP BY GROUPING SETS ((), (hour), (queue))
""")


async def day(tx: AsyncConnection, since: datetime, until: datetime, now: datetime) -> Day:
    """Calls of citizens that began in [since, until). All aware."""
    asked = {"since": since, "until": until, "now": now, "within": WITHIN_S, "short": SHORT_S}
    found, hours, queues = Day(), dict[int, DayCounts](), dict[str, DayCounts]()
    for row in await tx.execute(DAY, asked):
        counts = DayCounts(**{name: row._mapping[name] for name in DayCounts.__dataclass_fields__})
        if row.by_hour:
            hours[row.hour] = counts
        elif row.by_queue and row.queue:
            queues[row.queue] = counts
        elif not row.by_queue:
            times = _spread(row.human, counts.answered), _spread(row.wait, counts.answered)
            found = Day(counts, *times, _spread(row.patience, counts.abandoned))
    return replace(found, hours=dict(sorted(hours.items())), queues=dict(sorted(queues.items())))


def _spread(shares: Sequence[float | None] | None, count: int) -> Spread:
    return Spread(count, shares[0], shares[1]) if shares else Spread(count, None, None)


async def live(tx: AsyncConnection) -> Live:
    """Open calls, the oldest first, and every agent, by extension."""
    legs: dict[str, list[Any]] = {}
    up = select(leg).join(call, call.c.id == leg.c.call_id).where(call.c.ended_at.is_(None), leg.c.ended_at.is_(None))
    for row in await tx.execute(up.order_by(leg.c.created_at)):
        legs.setdefault(row.call_id, []).append(row)
    query = select(call, identity.c.masked).outerjoin(identity, identity.c.id == call.c.caller)
    rows = (await tx.execute(query.where(call.c.ended_at.is_(None)).order_by(call.c.started_at, call.c.id))).all()
    calls = tuple(_open_call(row, legs.get(row.id, [])) for row in rows)
    of_agents = {one.who: one for each in legs.values() for one in each if one.party == Party.AGENT and one.who}
    agents = await tx.execute(select(agent).order_by(agent.c.id))
    return Live(calls, tuple(_agent_now(row, of_agents.get(row.id)) for row in agents))


def _open_call(row: Any, legs: Sequence[Any]) -> OpenCall:
    state = Situation(row.state)
    since = row.agent_answered_at or row.queued_at or row.started_at
    if state in WAITING and (newest := row.story.get("waiting_since")):
        since = datetime.fromisoformat(newest)
    return OpenCall(
        id=row.id,
        direction=row.direction,
        caller=row.masked or "",
        queue=row.queue or "",
        request_type=row.request_type or "",
        agent=next((one.who for one in legs if one.party == Party.AGENT), row.agent_id or ""),
        state=state,
        started_at=row.started_at,
        since=since,
        recorded=all(one.recorded for one in legs),
        parties=tuple(dict.fromkeys(one.party for one in legs if one.party != Party.TAP)),
        listeners=tuple(one.who for one in legs if one.party == Party.SUPERVISOR and one.answered_at),
    )


def _agent_now(row: Any, own: Any | None) -> AgentNow:
    now = doing(row.desired, row.observed, leg=None if own is None else own.answered_at is not None)
    since = row.since if own is None else own.answered_at or own.created_at
    return AgentNow(
        extension=row.id,
        name=row.name,
        doing=now,
        reason=row.reason if now == Doing.PAUSED else "",
        since=since,
        until=row.wrap_up_until if now == Doing.WRAP_UP else None,
        queues=tuple(row.queues),
        call=own.call_id if own is not None else None,
    )


LEDGER = text("""
SELECT count(*) FILTER (WHERE today AND state <> 'no_number') AS entered,
       count(*) FILTER (WHERE today AND asked AND state <> 'no_number') AS asked,
       count(*) FILTER (WHERE today AND reached) AS done,
       count(*) FILTER (WHERE today AND reached AND resolved_at - at <= :half) AS in_half_hour,
       count(*) FILTER (WHERE state IN ('open', 'calling')) AS open,
       count(*) FILTER (WHERE state IN ('open', 'calling') AND due_at < :now) AS overdue
FROM (SELECT *, at >= :since AND at < :until AS today, state IN ('recovered', 'superseded') AS reached FROM missed_call
      WHERE at >= :since AND at < :until OR state IN ('open', 'calling')) AS told
""")


async def callbacks(tx: AsyncConnection, since: datetime, until: datetime, now: datetime) -> Callbacks:
    """The ledger as it stands."""
    asked = {"since": since, "until": until, "now": now, "half": HALF_AN_HOUR}
    return Callbacks(**(await tx.execute(LEDGER, asked)).one()._mapping)


async def ticket_counts(tx: AsyncConnection, until: datetime, now: datetime) -> TicketCounts:
    """Tickets that are open, and their handling limits. until: the end of the day."""
    t, d = tickets.ticket.c, tickets.ticket_deadline.c
    wanted = [state for state in State if state not in OVER]
    query = select(t.state, func.count()).where(t.state.in_(wanted)).group_by(t.state)
    found = {State(row[0]): int(row[1]) for row in await tx.execute(query)}
    running = select(
        func.count(d.ticket_id.distinct()).filter(d.due_at < now),
        func.count(d.ticket_id.distinct()).filter(d.due_at >= now),
    ).where(d.met_at.is_(None), d.ended_at.is_(None), d.kind == DeadlineKind.HANDLE, d.due_at < until)
    overdue, due = (await tx.execute(running)).one()
    by_state = tuple((state, found[state]) for state in wanted if state in found)
    return TicketCounts(sum(found.values()), due, overdue, by_state)


async def troubles(tx: AsyncConnection, now: datetime) -> Troubles:
    """What a supervisor must know beside the figures."""
    blind = select(func.min(listener_gap.c.from_at)).where(listener_gap.c.until_at.is_(None))
    mute = select(func.min(recording_pause.c.from_at)).where(recording_pause.c.until_at.is_(None))
    places = tuple(
        PlaceTrouble(one.place, one.level, one.used_share, one.since, one.error)
        for one in await storage_rows.read(tx)
        if one.level is not Level.OK
    )
    return Troubles(
        blind_since=(await tx.execute(blind)).scalar_one(),
        unrecorded_since=(await tx.execute(mute)).scalar_one(),
        places=places,
        surge_until=await surge.ends_at(tx, now),
    )
