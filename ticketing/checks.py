"""Whether the stored tickets keep their promises; for `callcenter verify`, after every fault and every night.

I4 one counted rating a survey, and the ticket says the same. I5 every change is exactly one event, and the chain holds.
I7 the same inputs give the same deadline. I9 only legal transitions.
"""

from dataclasses import dataclass

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import TicketId
from ticketing import store, tables
from ticketing.clocks import Clock, Period, due_at
from ticketing.policy import Rules
from ticketing.ticket import TRANSITIONS
from ticketing.words import Event, State

_ticket, _event, _deadline, _survey = (
    tables.ticket,
    tables.ticket_event,
    tables.ticket_deadline,
    tables.ticket_survey,
)


@dataclass(frozen=True, slots=True)
class Broken:
    """A promise that is not kept, where, and what was seen."""

    invariant: str
    ticket_id: TicketId
    seen: str


async def broken_invariants(tx: AsyncConnection, rules: Rules) -> tuple[Broken, ...]:
    """Every broken promise; empty when all hold. Reads every event once."""
    found = [*await _ratings(tx), *await _events(tx), *await _transitions(tx), *await _deadlines(tx, rules)]
    return tuple(found)


async def _ratings(tx: AsyncConnection) -> list[Broken]:
    same_round = (_survey.c.ticket_id == _ticket.c.id) & (_survey.c.round == _ticket.c.round)
    differ = or_(
        _survey.c.rating.is_distinct_from(_ticket.c.rating),
        _survey.c.rating_source.is_distinct_from(_ticket.c.rating_source),
    )
    query = select(_ticket.c.id, _ticket.c.rating, _survey.c.rating).join(_survey, same_round).where(differ)
    rows = (await tx.execute(query)).all()
    return [Broken("I4", TicketId(row[0]), f"ticket says {row[1]}, its survey {row[2]}") for row in rows]


async def _events(tx: AsyncConnection) -> list[Broken]:
    counted = select(_event.c.ticket_id, func.count().label("n")).group_by(_event.c.ticket_id).subquery()
    query = select(_ticket.c.id, _ticket.c.version, _ticket.c.last_hash, counted.c.n)
    found: list[Broken] = []
    for row in (await tx.execute(query.outerjoin(counted, counted.c.ticket_id == _ticket.c.id))).all():
        ticket_id = TicketId(row.id)
        if row.version != row.n:
            found.append(Broken("I5", ticket_id, f"version {row.version} but {row.n or 0} events"))
        chain = await store.chain_of(tx, ticket_id)
        at = store.broken_link(chain)
        if at is not None:
            found.append(Broken("I5", ticket_id, f"the chain of events breaks at event {at}"))
        elif chain and chain[-1][2] != row.last_hash:
            found.append(Broken("I5", ticket_id, "the last event is not the one the ticket names"))
    return found


async def _transitions(tx: AsyncConnection) -> list[Broken]:
    steps = (_event.c.from_state, _event.c.kind, _event.c.to_state)
    query = select(*steps, func.min(_event.c.ticket_id)).group_by(*steps)
    found = []
    for old, kind, new, ticket_id in (await tx.execute(query)).all():
        if not _legal(old, kind, new):
            found.append(Broken("I9", TicketId(ticket_id), f"{old} --{kind}--> {new} is no transition"))
    return found


def _legal(old: str | None, kind: str, new: str) -> bool:
    if old is None:
        return (kind, new) == (Event.OPEN, State.DRAFT)
    transition = TRANSITIONS.get((State(old), Event(kind)))
    return transition is not None and transition.next == new


async def _deadlines(tx: AsyncConnection, rules: Rules) -> list[Broken]:
    """Deadlines of the calendar in use, computed again; those of an older calendar are left to its own day."""
    policies = {policy.name: policy for policy in rules.policies}
    query = select(_deadline).where(_deadline.c.calendar_version == rules.calendar.version)
    found = []
    for row in (await tx.execute(query)).all():
        policy = policies.get(row.policy_version)
        if policy is None:
            found.append(Broken("I7", TicketId(row.ticket_id), f"policy {row.policy_version} is not loaded"))
        elif due_at(row.from_at, Period(row.amount, Clock(row.clock)), rules.calendar, policy.workdays) != row.due_at:
            found.append(Broken("I7", TicketId(row.ticket_id), f"{row.rule} is due at another time than stored"))
    return found
