"""Promises as rows: made by a reply, dropped by what replaces it; which are open, across all tickets."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import TicketId, UnitId
from ticketing.aftercare import tables
from ticketing.clocks import DeadlineKind
from ticketing.record import Context, Ticket

MAX_PAGE = 200


@dataclass(frozen=True, slots=True)
class Promise:
    """What a reply left open, until it is kept. Aware UTC."""

    id: int
    ticket_id: TicketId
    unit: UnitId | None
    stage_result: str
    plan: str
    made_at: datetime
    due_at: datetime


async def open_promises(
    tx: AsyncConnection, *, unit: UnitId | None, after: tuple[datetime, int] | None = None, limit: int = 50
) -> tuple[Promise, ...]:
    """Open ones by due time, also of tickets that are closed. unit: only this unit's. after: due time and id."""
    table = tables.ticket_commitment
    query = select(*(table.c[name] for name in Promise.__dataclass_fields__)).where(table.c.state == "open")
    if unit is not None:
        query = query.where(table.c.unit == unit)
    if after is not None:
        query = query.where(tuple_(table.c.due_at, table.c.id) > after)
    ordered = query.order_by(table.c.due_at, table.c.id).limit(max(1, min(limit, MAX_PAGE)))
    return tuple(Promise(**row) for row in (await tx.execute(ordered)).mappings())


async def made(tx: AsyncConnection, ticket: Ticket, stage_result: str, plan: str, context: Context) -> None:
    """The promise of a reply that is not the last word; one that stood before is dropped."""
    due = ticket.due(DeadlineKind.COMMITMENT)
    await drop_commitment(tx, ticket.id, context)
    if due is None:
        return
    row = {"stage_result": stage_result, "plan": plan, "made_at": context.now, "due_at": due.deadline.due_at}
    unit = ticket.lead_unit
    await tx.execute(insert(tables.ticket_commitment).values(ticket_id=ticket.id, round=ticket.round, unit=unit, **row))


async def drop_commitment(tx: AsyncConnection, ticket_id: TicketId, context: Context) -> None:
    """What was promised is no longer waited for: a new reply, or a new round, stands in its place."""
    table = tables.ticket_commitment
    open_one = (table.c.ticket_id == ticket_id, table.c.state == "open")
    await tx.execute(update(table).where(*open_one).values(state="dropped", ended_at=context.now))
