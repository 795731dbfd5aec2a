"""The return under review, and the tickets that wait for a dispatcher in the order they are to be taken."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import TicketId
from ticketing import store, tables
from ticketing.clocks import DeadlineKind
from ticketing.commands import AskReturn
from ticketing.dispatch.catalogue import goes_first, queue_key
from ticketing.policy import Rules
from ticketing.record import Ticket
from ticketing.words import State

WAITING = (State.REGISTERED, State.AWAITING_DISPATCH)
MOST = 500
_ticket, _deadline, _return = tables.ticket, tables.ticket_deadline, tables.ticket_return


@dataclass(frozen=True, slots=True)
class Waiting:
    """A ticket at the dispatcher's desk. first: goes before all others."""

    ticket: Ticket
    due_at: datetime | None
    first: bool


async def asked(tx: AsyncConnection, ticket_id: TicketId) -> AskReturn | None:
    """The return under review."""
    query = select(_return).where(_return.c.ticket_id == ticket_id, _return.c.state == "requested")
    row = (await tx.execute(query)).one_or_none()
    return AskReturn(row.reason, row.legal_basis, row.proper_unit, row.suggestion) if row else None


async def waiting(tx: AsyncConnection, rules: Rules) -> tuple[Waiting, ...]:
    """At most 500 tickets, urgent ones and those the policy puts first at the top, then by due time (WX-008)."""
    open_one = and_(
        _deadline.c.ticket_id == _ticket.c.id,
        _deadline.c.kind == DeadlineKind.DISPATCH,
        _deadline.c.met_at.is_(None),
        _deadline.c.ended_at.is_(None),
    )
    query = select(_ticket, _deadline.c.due_at.label("dispatch_due_at")).outerjoin(_deadline, open_one)
    rows = (await tx.execute(query.where(_ticket.c.state.in_(WAITING)).order_by(_ticket.c.id).limit(MOST))).mappings()
    found = [(store.value_of(row), row["dispatch_due_at"]) for row in rows]

    def key(one: tuple[Ticket, datetime | None]) -> tuple[bool, bool, float, str]:
        ticket, due = one
        return queue_key(ticket, due, rules.of(ticket.policy_id, ticket.policy_version).dispatching)

    return tuple(
        Waiting(ticket, due, goes_first(ticket, rules.of(ticket.policy_id, ticket.policy_version).dispatching))
        for ticket, due in sorted(found, key=key)
    )
