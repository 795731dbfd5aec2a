"""Which calls have a ticket that is not archived yet: their recordings are still worked with."""

from collections.abc import Collection, Mapping

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import CallId, TicketId
from ticketing.tables import ticket
from ticketing.words import State


async def open_tickets(tx: AsyncConnection, calls: Collection[CallId]) -> Mapping[CallId, TicketId]:
    """Call -> one of its tickets that is not archived; calls without such a ticket are absent."""
    wanted = select(ticket.c.call_id, ticket.c.id).where(ticket.c.call_id.in_(calls), ticket.c.state != State.ARCHIVED)
    return {CallId(row.call_id): TicketId(row.id) for row in await tx.execute(wanted.order_by(ticket.c.id))}
