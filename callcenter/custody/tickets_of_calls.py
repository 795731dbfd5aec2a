"""Which tickets a call belongs to; while one of them is not archived its recordings are still worked with."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import CompoundSelect, select, union, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.ticket_call_tables import ticket_call
from callcenter.types import CallId, TicketId
from ticketing.tables import ticket
from ticketing.words import State


async def open_tickets(tx: AsyncConnection, calls: Collection[CallId]) -> Mapping[CallId, TicketId]:
    """Call -> one of its tickets that is not archived; calls without such a ticket are absent."""
    came_by = select(ticket.c.call_id, ticket.c.id).where(ticket.c.call_id.in_(calls), _OPEN)
    of_ticket = ticket_call.join(ticket, ticket.c.id == ticket_call.c.ticket_id)
    about = select(ticket_call.c.call_id, ticket.c.id).select_from(of_ticket)
    found = union_all(came_by, about.where(ticket_call.c.call_id.in_(calls), _OPEN)).order_by("id")
    return {CallId(row.call_id): TicketId(row.id) for row in await tx.execute(found)}


def tickets_of(call_id: CallId) -> CompoundSelect[Any]:
    """The tickets of a call, by number: those it opened, and the one it was made about."""
    about = select(ticket_call.c.ticket_id.label("id")).where(ticket_call.c.call_id == call_id)
    return union(select(ticket.c.id).where(ticket.c.call_id == call_id), about).order_by("id")


_OPEN = ticket.c.state != State.ARCHIVED
