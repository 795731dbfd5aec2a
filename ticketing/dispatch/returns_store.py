"""The return under review, and the tickets that wait for a dispatcher in the order they are to be taken."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import RowMapping, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import TicketId
from ticketing import store, tables
from ticketing.clocks import DeadlineKind
from ticketing.commands import AskReturn
from ticketing.dispatch.catalogue import goes_first, queue_key
from ticketing.dispatch.rules import DispatchRules
from ticketing.policy import Rules
from ticketing.record import Ticket
from ticketing.words import State

WAITING = (State.REGISTERED, State.AWAITING_DISPATCH)
MOST = 500
_ticket, _deadline, _return = tables.ticket, tables.ticket_deadline, tables.ticket_return


@dataclass(frozen=True, slots=True)
class Waiting:
    """A ticket at the dispatcher's desk. first: goes before all others. rule: of its dispatch limit, `` without one."""

    ticket: Ticket
    due_at: datetime | None
    first: bool
    provisional: bool = False
    rule: str = ""


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
    clock = (
        _deadline.c.due_at.label("dispatch_due_at"),
        _deadline.c.provisional.label("dispatch_provisional"),
        _deadline.c.rule.label("dispatch_rule"),
    )
    query = select(_ticket, *clock).outerjoin(_deadline, open_one).where(_ticket.c.state.in_(WAITING))
    # The most pressing first here too: what does not fit below the bound must not be what is due next.
    pressing = (_ticket.c.urgent.desc(), _deadline.c.due_at.asc().nulls_last(), _ticket.c.id)
    rows = (await tx.execute(query.order_by(*pressing).limit(MOST))).mappings()
    found = [_waiting(row, rules) for row in rows]

    def key(one: Waiting) -> tuple[bool, bool, float, str]:
        return queue_key(one.ticket, one.due_at, _dispatching(one.ticket, rules))

    return tuple(sorted(found, key=key))


def _waiting(row: RowMapping, rules: Rules) -> Waiting:
    ticket = store.value_of(row)
    first = goes_first(ticket, _dispatching(ticket, rules))
    provisional, rule = bool(row["dispatch_provisional"]), row["dispatch_rule"] or ""
    return Waiting(ticket, row["dispatch_due_at"], first, provisional, rule)


def _dispatching(ticket: Ticket, rules: Rules) -> DispatchRules | None:
    return rules.of(ticket.policy_id, ticket.policy_version).dispatching
