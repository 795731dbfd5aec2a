"""The dispatch catalogue and what was learnt from dispatches, in the database."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import UnitId
from ticketing.dispatch import units_store
from ticketing.dispatch import units_tables as t
from ticketing.dispatch.catalogue import DutyOf, Entry, Experience, Suggestion, suggest
from ticketing.dispatch.rules import DispatchRules
from ticketing.record import Ticket

_table, _past = t.dispatch_catalogue, t.dispatch_experience
COUNTS = ("accepted", "returned", "refused_returns", "ruled")


async def entries(tx: AsyncConnection) -> tuple[Entry, ...]:
    """Every line in force."""
    query = select(_table).where(_table.c.active).order_by(_table.c.code)
    return tuple(_entry(row) for row in await tx.execute(query))


async def seed(tx: AsyncConnection, listed: Iterable[Entry], now: datetime) -> None:
    """Make the catalogue say what the configuration says; lines people edited stay."""
    given = tuple(listed)
    for entry in given:
        await _put(tx, entry, now, edited=False)
    gone = ~_table.c.code.in_([entry.code for entry in given]) & ~_table.c.edited
    await tx.execute(update(_table).where(gone).values(active=False))


async def save(tx: AsyncConnection, entry: Entry, now: datetime, *, active: bool = True) -> None:
    """A line as a person wrote it. Raises UnitNotFound."""
    await units_store.one(tx, entry.unit)
    await _put(tx, entry, now, edited=True, active=active)


async def _put(tx: AsyncConnection, entry: Entry, now: datetime, *, edited: bool, active: bool = True) -> None:
    values = {
        "subject": entry.subject,
        "keywords": list(entry.keywords),
        "unit": entry.unit,
        "basis": entry.basis,
        "duty_of": str(entry.duty_of),
        "active": active,
        "edited": edited,
        "updated_at": now,
    }
    row = upsert(_table).values(code=entry.code, **values)
    keep = None if edited else ~_table.c.edited
    await tx.execute(row.on_conflict_do_update(index_elements=["code"], set_=values, where=keep))


async def experience(tx: AsyncConnection, subject: str) -> dict[UnitId, Experience]:
    """What became of dispatches of this subject, by unit."""
    if not subject:
        return {}
    rows = await tx.execute(select(_past).where(_past.c.subject == subject))
    return {UnitId(row.unit): Experience(*(getattr(row, name) for name in COUNTS)) for row in rows}


async def learn(tx: AsyncConnection, subject: str, unit: UnitId, **counts: int) -> None:
    """Add to what is known; a ticket without a subject teaches nothing."""
    if not subject:
        return
    row = upsert(_past).values(subject=subject, unit=unit, **{name: max(0, n) for name, n in counts.items()})
    more = {name: func.greatest(0, _past.c[name] + n) for name, n in counts.items()}
    await tx.execute(row.on_conflict_do_update(index_elements=["subject", "unit"], set_=more))


async def suggestions(tx: AsyncConnection, ticket: Ticket, rules: DispatchRules) -> tuple[Suggestion, ...]:
    """Who this ticket should go to, and why; the dispatcher decides."""
    kept = await units_store.load(tx)
    return suggest(
        ticket,
        {unit: one.unit for unit, one in kept.items()},
        await entries(tx),
        await experience(tx, ticket.subject),
        rules,
    )


def _entry(row: Row[Any]) -> Entry:
    return Entry(row.code, row.subject, tuple(row.keywords), UnitId(row.unit), row.basis, DutyOf(row.duty_of))
