"""Two hops in the database: the department's part stays open as authority, the lower unit's is the lead's."""

from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ticketing import tables
from ticketing.dispatch import units_store
from ticketing.dispatch.assists_rows import Record
from ticketing.dispatch.dispatching import not_the_accused
from ticketing.dispatch.hops import ForwardDown, HandBack
from ticketing.facts import Fact
from ticketing.record import Context, GuardFailed, Ticket
from ticketing.words import Event

_part = tables.ticket_assignment


async def _forwarded(
    tx: AsyncConnection, before: Ticket, after: Ticket, detail: ForwardDown, context: Context
) -> tuple[Fact, ...]:
    """Only to a unit of their own. Source: LS-022, LS-090."""
    below = (await units_store.one(tx, detail.unit)).unit
    if below.parent != before.lead_unit or not below.active:
        raise GuardFailed(f"{below.name}不是您单位的下属或主管单位，不能转派。请从本单位的下属单位中选择。")
    not_the_accused(after, below, context.policy)
    lead = (_part.c.ticket_id == after.id, _part.c.role == "lead", _part.c.ended_at.is_(None))
    await tx.execute(update(_part).where(*lead).values(role="authority"))
    row = {"unit": detail.unit, "role": "lead", "instruction": detail.instruction, "dispatched_at": context.now}
    await tx.execute(insert(_part).values(ticket_id=after.id, round=after.round, **row))
    return ()


async def _handed_back(
    tx: AsyncConnection, before: Ticket, after: Ticket, detail: HandBack, context: Context
) -> tuple[Fact, ...]:
    open_ones = (_part.c.ticket_id == after.id, _part.c.ended_at.is_(None))
    await tx.execute(update(_part).where(*open_ones, _part.c.role == "lead").values(ended_at=context.now))
    await tx.execute(update(_part).where(*open_ones, _part.c.role == "authority").values(role="lead"))
    back = insert(tables.ticket_return).values(
        ticket_id=after.id,
        round=after.round,
        unit=before.lead_unit,
        state="handed_back",
        reason=detail.reason,
        legal_basis=detail.basis,
        asked_at=context.now,
        decided_at=context.now,
        decided_by=str(context.actor),
    )
    await tx.execute(back)
    return ()


RECORD: dict[Event, Record] = {Event.FORWARD_DOWN: _forwarded, Event.HAND_BACK: _handed_back}
