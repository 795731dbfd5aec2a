"""The use cases of tickets. Each takes the caller's transaction and never commits.

Everything a person asks of a ticket is one command value (`ticketing.commands`) given to `carry_out`: it locks the
ticket, takes one step of `ticketing.ticket`, stores the ticket, its deadlines and exactly one event, writes the rows
beside it, and does what the system does by itself right after. Facts are for the hub, which makes jobs of them.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import Actor, CallId, IdentityId, TicketId, UnitId, system
from ticketing import facts, records, rows, store, tables
from ticketing.approvals import rows as approvals_rows
from ticketing.clocks import DeadlineKind
from ticketing.commands import AnyDetail, Changes, Command, Detail, Register
from ticketing.dispatch import returns
from ticketing.facts import Fact
from ticketing.lists import earlier_tickets
from ticketing.policy import Rules
from ticketing.record import Context, StaleTicket, Ticket
from ticketing.supervision.reminders import planned
from ticketing.ticket import advance, follows, opened

__all__ = [
    "Outcome",
    "Rules",
    "carry_out",
    "claim_due",
    "deadline_passed",
    "earlier_tickets",
    "get",
    "open_draft",
    "register",
    "step",
]

BY_ITSELF = system("ticketing")


@dataclass(frozen=True, slots=True)
class Outcome:
    """The ticket as it is now, and what became true."""

    ticket: Ticket
    facts: tuple[Fact, ...]

    @property
    def id(self) -> TicketId:
        """The ticket's number."""
        return self.ticket.id


async def open_draft(
    tx: AsyncConnection,
    *,
    actor: Actor,
    now: datetime,
    rules: Rules,
    call_id: CallId | None = None,
    requester: IdentityId | None = None,
    request_type: str = "",
    source: str | None = None,
    key: str | None = None,
) -> Outcome:
    """A new draft under the policy version in effect. key: opens at most one ticket ever; by default the call's.

    source None: the policy's first, the telephone. A request type the policy does not know is left for the agent.
    Asking again with the same key returns the ticket there is, and no facts.
    """
    key = key or (f"call:{call_id}" if call_id else None)
    if key is not None and (known := await store.find_by_key(tx, key)) is not None:
        return Outcome(known, ())
    policy = rules.at(now)
    await store.remember_policy(tx, policy, now)
    ticket, fact = opened(
        await store.next_id(tx, now),
        policy,
        now,
        source=source or policy.sources[0],
        request_type=policy.own_type(request_type) or "",
        call_id=call_id,
        requester=requester,
    )
    if await store.add(tx, ticket, actor, key):
        return Outcome(ticket, (fact,))
    assert key is not None
    known = await store.find_by_key(tx, key)
    assert known is not None
    return Outcome(known, ())


async def register(
    tx: AsyncConnection,
    ticket_id: TicketId,
    *,
    fields: Changes,
    actor: Actor,
    now: datetime,
    rules: Rules,
    expected_version: int | None = None,
    intake_exception: str = "",
) -> Outcome:
    """Register the draft with these last fields. intake_exception: see ticketing.commands.Register."""
    detail = Register(fields, intake_exception)
    return await carry_out(tx, ticket_id, detail, actor=actor, now=now, rules=rules, expected_version=expected_version)


async def carry_out(
    tx: AsyncConnection,
    ticket_id: TicketId,
    detail: Detail,
    *,
    actor: Actor,
    now: datetime,
    rules: Rules,
    expected_version: int | None = None,
) -> Outcome:
    """One command on one ticket. expected_version: what the person was looking at; None for the system's own acts.

    Raises TicketNotFound, StaleTicket, NotNow, NotYours or GuardFailed, each with a sentence for the person.
    """
    ticket = await store.load(tx, ticket_id, lock=True, unit=store.unit_scope(actor), viewer=actor)
    if expected_version is not None and ticket.version != expected_version:
        raise StaleTicket(expected_version, ticket.version)
    return await step(tx, ticket, detail, actor=actor, now=now, rules=rules)


async def step(
    tx: AsyncConnection, ticket: Ticket, detail: AnyDetail, *, actor: Actor, now: datetime, rules: Rules
) -> Outcome:
    """One command on a ticket that is loaded and locked, and what the system does right after it."""
    policy = rules.of(ticket.policy_id, ticket.policy_version)
    after, told = advance(ticket, Command(actor, detail), policy, rules.calendar, now)
    after = planned(after, policy, rules.calendar)
    context = Context(actor, policy, rules.calendar, now)
    # Rules that need other rows are looked at when these are written; what they refuse, and what is refused of what
    # follows, must leave nothing behind, also for a caller that goes on with this transaction.
    async with tx.begin_nested():
        stored = await store.save(tx, ticket, after, actor, detail)
        told += await rows.write(tx, ticket, stored, detail, context)
        following = follows(stored, detail, policy)
        if following is None:
            return Outcome(stored, told)
        then = await step(tx, stored, following, actor=BY_ITSELF, now=now, rules=rules)
        return Outcome(then.ticket, told + then.facts)


async def get(tx: AsyncConnection, ticket_id: TicketId, actor: Actor) -> Ticket:
    """The ticket, if this person may see it. Raises TicketNotFound."""
    return await store.load(tx, ticket_id, unit=store.unit_scope(actor), viewer=actor)


async def claim_due(tx: AsyncConnection, now: datetime, limit: int = 500) -> tuple[facts.DeadlinePassed, ...]:
    """Deadlines that have passed and were not told yet, the oldest first; each is told once.

    Locks what it takes and skips what others hold, so several sweeps share the work.
    """
    table = tables.ticket_deadline
    past = (
        table.c.due_at < now.replace(microsecond=0),
        table.c.met_at.is_(None),
        table.c.ended_at.is_(None),
        table.c.noticed_at.is_(None),
    )
    query = select(table).where(*past).order_by(table.c.due_at).limit(limit).with_for_update(skip_locked=True)
    rows = (await tx.execute(query)).all()
    ids = [row.id for row in rows]
    if ids:
        await tx.execute(update(table).where(table.c.id.in_(ids)).values(noticed_at=now))
    return tuple(
        facts.DeadlinePassed(
            ticket_id=TicketId(row.ticket_id),
            round=row.round,
            at=now,
            deadline_id=row.id,
            kind=DeadlineKind(row.kind),
            due_at=row.due_at,
            unit=UnitId(row.unit) if row.unit else None,
        )
        for row in rows
    )


async def deadline_passed(tx: AsyncConnection, fact: facts.DeadlinePassed, *, now: datetime, rules: Rules) -> Outcome:
    """What a passed deadline brings: an overdue ticket asks its unit for a written explanation (LS-063).

    The end of the window for returns makes a ticket signed where the policy says so (MC-027).
    """
    ticket = await store.load(tx, fact.ticket_id, lock=True)
    policy = rules.of(ticket.policy_id, ticket.policy_version)
    lapse = returns.lapsed(ticket, fact.kind, fact.deadline_id, policy)
    if lapse is not None:
        return await step(tx, ticket, lapse, actor=BY_ITSELF, now=now, rules=rules)
    asked = policy.overdue.explanation
    if fact.kind is DeadlineKind.SUPPLEMENT:
        told = await approvals_rows.supplement_lapsed(tx, ticket, Context(BY_ITSELF, policy, rules.calendar, now))
        return Outcome(ticket, told)
    if fact.kind is not DeadlineKind.HANDLE or asked is None or ticket.lead_unit is None:
        return Outcome(ticket, ())
    context = Context(BY_ITSELF, policy, rules.calendar, now)
    why = "逾期未办结，请书面说明情况和理由"
    due = records.by(asked, context)
    return Outcome(
        ticket, await records.add_task(tx, ticket, "explain_overdue", due, context, why, unit=ticket.lead_unit)
    )
