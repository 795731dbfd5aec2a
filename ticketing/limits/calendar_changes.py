"""After a notice was imported: every running deadline is looked at, ticket by ticket, in the caller's transaction.

Safe to run again and by several workers: what was looked at under a calendar is marked, and the marks are read.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import Actor, TicketId
from ticketing import store, tables
from ticketing.facts import Fact
from ticketing.limits.recalculation import COUNTED, Looked, Recalculate, Result, look, moves
from ticketing.policy import Rules
from ticketing.record import Ticket
from ticketing.service import Outcome, step

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
        .where(
            _deadline.c.met_at.is_(None),
            _deadline.c.ended_at.is_(None),
            _deadline.c.clock.in_(sorted(COUNTED)),
            _deadline.c.calendar_version != calendar_version,
            _deadline.c.looked_at_by.is_distinct_from(calendar_version),
            _deadline.c.ticket_id > after,
        )
        .order_by(_deadline.c.ticket_id)
        .limit(limit)
    )
    return tuple(TicketId(one) for one in (await tx.execute(query)).scalars())


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
