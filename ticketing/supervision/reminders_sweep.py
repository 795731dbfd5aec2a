"""The sweep over the rungs of deadlines: what is near is told once, what is over is warned of; never a job a ticket.

Tickets are locked before their deadlines, as every command does, and those that others hold are skipped: several
workers share the work, and each rung is taken once.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import TicketId, UnitId, system
from ticketing import service, store, tables
from ticketing.clocks import DeadlineKind
from ticketing.facts import Fact
from ticketing.policy import Rules
from ticketing.record import Ticket
from ticketing.supervision.reminders import Turn, turn
from ticketing.supervision.rules import CARD_NAMES, Card
from ticketing.supervision.supervision import DeadlineNear, ExplanationMissed, Warn
from ticketing.ticket import TRANSITIONS
from ticketing.words import Event

SWEEPER = system("reminders")
BATCH = 500
_table = tables.ticket_deadline


@dataclass(frozen=True, slots=True)
class Swept:
    """taken: how many deadlines were looked at; when it is less than the batch, nothing is left."""

    facts: tuple[Fact, ...]
    taken: int


async def sweep(tx: AsyncConnection, now: datetime, *, rules: Rules, limit: int = BATCH) -> Swept:
    """Take the rungs that are due, the oldest first; tells DeadlineNear and CardIssued."""
    ticket = tables.ticket
    query = (
        select(_table.c.id, _table.c.ticket_id)
        .select_from(_table.join(ticket, ticket.c.id == _table.c.ticket_id))
        .where(_table.c.rung_at <= now, _table.c.met_at.is_(None), _table.c.ended_at.is_(None))
        .order_by(_table.c.rung_at, _table.c.id)
        .limit(limit)
        .with_for_update(of=ticket, skip_locked=True)
    )
    found = (await tx.execute(query)).all()
    told: list[Fact] = []
    for row in found:
        told += await _take(tx, row.id, TicketId(row.ticket_id), now, rules)
    return Swept(tuple(told), len(found))


async def _take(
    tx: AsyncConnection, deadline_id: int, ticket_id: TicketId, now: datetime, rules: Rules
) -> tuple[Fact, ...]:
    """One deadline. It may have moved on between the look and the lock, so it is read again."""
    ticket = await store.load(tx, ticket_id, lock=True)
    due = next((due for due in ticket.dues if due.id == deadline_id and due.open), None)
    if due is None or due.rung_at is None or due.rung_at > now:
        # A deadline of a round that is over has no rungs any more.
        if due is None:
            await tx.execute(update(_table).where(_table.c.id == deadline_id).values(rung="", rung_at=None))
        return ()
    policy = rules.of(ticket.policy_id, ticket.policy_version)
    now_due = turn(policy, due.deadline, due.rung, now, rules.calendar)
    unit = await _move_on(tx, deadline_id, now_due, now)
    told: list[Fact] = []
    if now_due.remind:
        told.append(
            DeadlineNear(
                ticket_id, due.round, now, deadline_id, DeadlineKind(due.deadline.kind), due.deadline.due_at, unit
            )
        )
    if now_due.card is not None:
        told += await _warn(tx, ticket, now_due.card, now, rules)
    return tuple(told)


async def _move_on(tx: AsyncConnection, deadline_id: int, now_due: Turn, now: datetime) -> UnitId | None:
    then = {
        "rung": now_due.next.name if now_due.next else "",
        "rung_at": now_due.next.at if now_due.next else None,
        **({"reminded_at": now} if now_due.remind else {}),
    }
    changed = update(_table).where(_table.c.id == deadline_id).values(**then).returning(_table.c.unit)
    unit = (await tx.execute(changed)).scalar_one()
    return UnitId(unit) if unit else None


async def _warn(tx: AsyncConnection, ticket: Ticket, card: Card, now: datetime, rules: Rules) -> tuple[Fact, ...]:
    """The card, once a round and level, for a ticket that a unit has."""
    held = [level.value for level in Card][: list(Card).index(Card(ticket.card)) + 1] if ticket.card else []
    if ticket.lead_unit is None or card.value in held or (ticket.state, Event.WARN) not in TRANSITIONS:
        return ()
    why = f"办理期限{'将至' if card is Card.SMS else '已过'}，自动{CARD_NAMES[card]}"
    outcome = await service.step(tx, ticket, Warn(card, why), actor=SWEEPER, now=now, rules=rules)
    return outcome.facts


async def miss_explanations(tx: AsyncConnection, now: datetime, limit: int = BATCH) -> tuple[ExplanationMissed, ...]:
    """Written explanations that did not come in their own time, told once each. Source: GZ-043."""
    task = tables.manual_task
    late = (
        task.c.kind == "explain_overdue",
        task.c.state == "open",
        task.c.missed_at.is_(None),
        task.c.due_at < now,
    )
    query = select(task.c.id).where(*late).order_by(task.c.due_at).limit(limit).with_for_update(skip_locked=True)
    ids = (await tx.execute(query)).scalars().all()
    if not ids:
        return ()
    missed = update(task).where(task.c.id.in_(ids)).values(missed_at=now)
    rows = (await tx.execute(missed.returning(task.c.id, task.c.ticket_id, task.c.round, task.c.unit))).all()
    return tuple(
        ExplanationMissed(TicketId(row.ticket_id), row.round, now, row.id, UnitId(row.unit) if row.unit else None)
        for row in rows
    )
