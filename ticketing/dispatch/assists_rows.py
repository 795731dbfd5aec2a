"""Assist orders in the database: sent with a dispatch or later, signed, answered, told when silent."""

from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import TicketId, UnitId
from ticketing import tables
from ticketing.clocks import Period, due_at, parse_period
from ticketing.dispatch.assists import AssistSilent, GiveOpinion, Order
from ticketing.dispatch.disputes_tables import assist_order as _order
from ticketing.facts import Fact
from ticketing.record import Context, Ticket
from ticketing.words import Event

Record = Callable[[AsyncConnection, Ticket, Ticket, Any, Context], Awaitable[tuple[Fact, ...]]]
DEFAULT_LIMIT: Period = parse_period("3wd")
"""Where the policy has no `assist` section."""


async def send(tx: AsyncConnection, ticket: Ticket, units: Iterable[UnitId], request: str, context: Context) -> None:
    """One order for every assisting unit, with the day its opinion is due."""
    policy = context.policy
    rules = policy.dispatching.assist if policy.dispatching else None
    due = due_at(context.now, rules.opinion if rules else DEFAULT_LIMIT, context.calendar, policy.workdays)
    common = {"ticket_id": ticket.id, "round": ticket.round, "request": request, "sent_at": context.now, "due_at": due}
    rows = [common | {"unit": unit} for unit in units]
    if rows:
        await tx.execute(insert(_order), rows)


async def end(tx: AsyncConnection, ticket_id: TicketId, at: datetime) -> None:
    """The orders of a ticket that leaves its units are over."""
    running = (_order.c.ticket_id == ticket_id, _order.c.ended_at.is_(None))
    await tx.execute(update(_order).where(*running).values(ended_at=at))


async def orders_of(tx: AsyncConnection, ticket: Ticket) -> tuple[Order, ...]:
    """The orders that run; `ticketing.dispatch.assists.awaited` says whose opinion the lead still waits for."""
    query = select(_order).where(_order.c.ticket_id == ticket.id, _order.c.ended_at.is_(None)).order_by(_order.c.id)
    return tuple(
        Order(UnitId(row.unit), row.due_at, row.sent_at, row.signed_at, row.opinion_at, row.opinion, row.refused)
        for row in await tx.execute(query)
    )


async def sweep(tx: AsyncConnection, now: datetime, limit: int = 200) -> tuple[AssistSilent, ...]:
    """Opinions that are overdue, each told once (GZ-044: 协办单位拒不配合)."""
    waiting = (_order.c.opinion_at.is_(None), _order.c.ended_at.is_(None), _order.c.silence_told_at.is_(None))
    late = _order.c.due_at < now.replace(microsecond=0)
    query = select(_order).where(*waiting, late).order_by(_order.c.due_at).limit(limit)
    query = query.with_for_update(skip_locked=True)
    rows = (await tx.execute(query)).all()
    if rows:
        told = update(_order).where(_order.c.id.in_([row.id for row in rows]))
        await tx.execute(told.values(silence_told_at=now))
    return tuple(AssistSilent(TicketId(row.ticket_id), row.round, now, UnitId(row.unit), row.due_at) for row in rows)


async def _signed(tx: AsyncConnection, _: Ticket, after: Ticket, __: Any, context: Context) -> tuple[Fact, ...]:
    await tx.execute(_mine(after, context).where(_order.c.signed_at.is_(None)).values(signed_at=context.now))
    await _stamp(tx, after, context, signed_at=context.now)
    return ()


async def _given(
    tx: AsyncConnection, _: Ticket, after: Ticket, detail: GiveOpinion, context: Context
) -> tuple[Fact, ...]:
    given = {"opinion": detail.opinion, "opinion_at": context.now, "refused": detail.refused}
    await tx.execute(_mine(after, context).values(**given))
    await _stamp(tx, after, context, replied_at=context.now)
    return ()


def _mine(ticket: Ticket, context: Context) -> Any:
    mine = (_order.c.ticket_id == ticket.id, _order.c.unit == context.actor.unit, _order.c.ended_at.is_(None))
    return update(_order).where(*mine)


async def _stamp(tx: AsyncConnection, ticket: Ticket, context: Context, **values: datetime) -> None:
    table = tables.ticket_assignment
    mine = (table.c.ticket_id == ticket.id, table.c.role == "assist", table.c.unit == context.actor.unit)
    await tx.execute(update(table).where(*mine, table.c.ended_at.is_(None)).values(**values))


RECORD: dict[Event, Record] = {Event.SIGN_ASSIST: _signed, Event.GIVE_OPINION: _given}
