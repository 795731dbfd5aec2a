"""After a notice was imported: every running deadline is looked at, ticket by ticket, in the caller's transaction.

Safe to run again and by several workers: what was looked at under a calendar is marked, and the marks are read.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import Actor, TicketId
from ticketing import store, tables
from ticketing.facts import Fact
from ticketing.limits.recalculation import COUNTED, Looked, Recalculate, Result, look, moves
from ticketing.policy import Rules
from ticketing.record import Ticket
from ticketing.service import Outcome, step
from ticketing.words import Event

FIRST = TicketId("")
_deadline = tables.ticket_deadline


@dataclass(frozen=True, slots=True)
class Reviewed:
    """One ticket's outcome: how many deadlines became later, would be earlier, or are the same."""

    ticket_id: TicketId
    later: int
    earlier: int
    same: int
    facts: tuple[Fact, ...]


async def outdated(
    tx: AsyncConnection, calendar_version: str, after: TicketId = FIRST, limit: int = 500
) -> tuple[TicketId, ...]:
    """Tickets with a running deadline that was not yet looked at under this calendar, in order, above id `after`."""
    query = (
        select(_deadline.c.ticket_id)
        .distinct()
        .where(*_not_looked_at(calendar_version), _deadline.c.ticket_id > after)
        .order_by(_deadline.c.ticket_id)
        .limit(limit)
    )
    return tuple(TicketId(one) for one in (await tx.execute(query)).scalars())


def _not_looked_at(calendar_version: str) -> tuple[ColumnElement[bool], ...]:
    """Running deadlines that another calendar counted."""
    return (
        _deadline.c.met_at.is_(None),
        _deadline.c.ended_at.is_(None),
        _deadline.c.clock.in_(sorted(COUNTED)),
        _deadline.c.calendar_version != calendar_version,
        _deadline.c.looked_at_by.is_distinct_from(calendar_version),
    )


async def _running(tx: AsyncConnection, calendar_version: str) -> int:
    """How many tickets have such a deadline."""
    query = select(func.count(_deadline.c.ticket_id.distinct())).where(*_not_looked_at(calendar_version))
    return int((await tx.execute(query)).scalar_one())


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a calendar would do to running tickets. looked: of `running`, how many were computed.

    later: at least one deadline would move; earlier: one would be earlier, and stays.
    """

    running: int
    looked: int
    later: int
    earlier: int


async def forecast(tx: AsyncConnection, rules: Rules, most: int = 200) -> Forecast:
    """Look without writing: the first `most` tickets under the calendar of `rules`. Raises CalendarEnds."""
    running = await _running(tx, rules.calendar.version)
    ids = await outdated(tx, rules.calendar.version, limit=most)
    later = earlier = 0
    for ticket_id in ids:
        ticket = await store.load(tx, ticket_id)
        found = {one.result for one in look(ticket, rules.of(ticket.policy_id, ticket.policy_version), rules.calendar)}
        later, earlier = later + (Result.LATER in found), earlier + (Result.EARLIER in found)
    return Forecast(running, len(ids), later, earlier)


@dataclass(frozen=True, slots=True)
class Course:
    """How far the review of a calendar is: tickets still to be looked at, moved, and those whose times stayed."""

    waiting: int
    later: int
    kept: int


async def course(tx: AsyncConnection, calendar_version: str) -> Course:
    """What the review of this calendar did until now."""
    waiting = await _running(tx, calendar_version)
    event = tables.ticket_event.c
    applied = event.data.contains({"moved": [{"applied": True}]})
    mine = (event.kind == Event.RECALCULATE, event.data["calendar"].astext == calendar_version)
    counted = select(
        func.count(event.ticket_id.distinct()).filter(applied), func.count(event.ticket_id.distinct()).filter(~applied)
    ).where(*mine)
    later, kept = (await tx.execute(counted)).one()
    return Course(waiting, later, kept)


async def review(
    tx: AsyncConnection,
    ticket_id: TicketId,
    *,
    actor: Actor,
    now: datetime,
    rules: Rules,
    reason: str,
    shorten: bool = False,
) -> Reviewed:
    """Look at one ticket under the calendar of `rules`; one event when something differs, none otherwise.

    shorten: earlier times count as well, a person's decision. Raises NotYours, GuardFailed, TicketNotFound.
    """
    ticket = await store.load(tx, ticket_id, lock=True)
    policy = rules.of(ticket.policy_id, ticket.policy_version)
    looked = look(ticket, policy, rules.calendar)
    moved = moves(looked, shorten=shorten)
    told: tuple[Fact, ...] = ()
    if moved:
        detail = Recalculate(rules.calendar.version, moved, reason)
        outcome: Outcome = await step(tx, ticket, detail, actor=actor, now=now, rules=rules)
        told = outcome.facts
    await _mark(tx, ticket, looked, rules.calendar.version)
    count = {result: sum(one.result is result for one in looked) for result in Result}
    return Reviewed(ticket_id, count[Result.LATER], count[Result.EARLIER], count[Result.SAME], told)


async def _mark(tx: AsyncConnection, ticket: Ticket, looked: tuple[Looked, ...], version: str) -> None:
    """The same due time is from now on the new calendar's; a kept one keeps the calendar it came from, and a mark."""
    for one in looked:
        row = update(_deadline).where(_deadline.c.id == one.due.id)
        if one.result is Result.SAME:
            await tx.execute(row.values(calendar_version=version, provisional=one.new.provisional))
        await tx.execute(row.values(looked_at_by=version))
