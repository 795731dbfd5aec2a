"""Disputes and their rulings in the database; a ruling teaches the dispatch catalogue."""

from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import TicketId, UnitId
from ticketing import tables
from ticketing.dispatch import catalogue_store
from ticketing.dispatch.assists_rows import Record
from ticketing.dispatch.dispatching import Ruling
from ticketing.dispatch.disputes import OpenDispute, RuleDispute
from ticketing.dispatch.disputes_tables import ticket_dispute as _dispute
from ticketing.facts import Fact
from ticketing.record import Context, Ticket
from ticketing.words import Event


async def ruling_of(tx: AsyncConnection, ticket_id: TicketId) -> Ruling | None:
    """What was last decided of this ticket."""
    query = select(_dispute.c.lead, _dispute.c.assists).where(
        _dispute.c.ticket_id == ticket_id, _dispute.c.ruled_at.is_not(None)
    )
    row = (await tx.execute(query.order_by(_dispute.c.id.desc()).limit(1))).one_or_none()
    return Ruling(UnitId(row.lead), tuple(UnitId(unit) for unit in row.assists)) if row else None


async def disputes_of(tx: AsyncConnection, ticket_id: TicketId) -> list[dict[str, Any]]:
    """Every dispute of a ticket, in order."""
    query = select(_dispute).where(_dispute.c.ticket_id == ticket_id).order_by(_dispute.c.id)
    return [dict(row) for row in (await tx.execute(query)).mappings()]


async def _opened(
    tx: AsyncConnection, _: Ticket, after: Ticket, detail: OpenDispute, context: Context
) -> tuple[Fact, ...]:
    rules = context.policy.dispatching.dispute if context.policy.dispatching else None
    row = insert(_dispute).values(
        ticket_id=after.id,
        round=after.round,
        reason=detail.reason,
        units=list(detail.units),
        decider=rules.decider if rules else "",
        opened_at=context.now,
        opened_by=str(context.actor),
    )
    await tx.execute(row)
    return ()


async def _ruled(
    tx: AsyncConnection, before: Ticket, after: Ticket, detail: RuleDispute, context: Context
) -> tuple[Fact, ...]:
    ruled = {
        "lead": detail.lead,
        "assists": list(detail.assists),
        "participants": list(detail.participants),
        "minutes": detail.minutes,
        "ruling": detail.reason,
        "ruled_at": context.now,
        "ruled_by": str(context.actor),
    }
    mine = (_dispute.c.ticket_id == after.id, _dispute.c.ruled_at.is_(None))
    await tx.execute(update(_dispute).where(*mine).values(**ruled))
    await catalogue_store.learn(tx, after.subject, detail.lead, ruled=1)
    if before.return_open:
        table = tables.ticket_return
        requested = (table.c.ticket_id == after.id, table.c.state == "requested")
        why = {"refusal_code": "duty_fixed", "decision_reason": detail.reason}
        decided = {"state": "refused", "decided_at": context.now, "decided_by": str(context.actor)}
        await tx.execute(update(table).where(*requested).values(**decided, **why))
    return ()


RECORD: dict[Event, Record] = {Event.OPEN_DISPUTE: _opened, Event.RULE_DISPUTE: _ruled}
