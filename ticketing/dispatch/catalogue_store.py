"""The dispatch catalogue and what was learnt from dispatches, in the database."""

from collections.abc import Iterable
from dataclasses import dataclass
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
from ticketing.record import Refused, Ticket

_table, _past = t.dispatch_catalogue, t.dispatch_experience
COUNTS = ("accepted", "returned", "refused_returns", "ruled")


async def entries(tx: AsyncConnection) -> tuple[Entry, ...]:
    """Every line in force."""
    query = select(_table).where(_table.c.active).order_by(_table.c.code)
    return tuple(_entry(row) for row in await tx.execute(query))


@dataclass(frozen=True, slots=True)
class Line:
    """An entry as it is kept. updated_at: give it back with a change."""

    entry: Entry
    active: bool
    updated_at: datetime


class EntryChanged(Refused):
    """Somebody else changed the line meanwhile; read it again, then decide again."""

    def __init__(self) -> None:
        super().__init__("派单目录的这一条刚刚被他人修改，本次操作没有保存。请核对最新内容后再操作。")


async def lines(tx: AsyncConnection, *, all_of_them: bool = False) -> tuple[Line, ...]:
    """Lines by code; all_of_them: those out of force too."""
    query = select(_table).order_by(_table.c.code)
    rows = await tx.execute(query if all_of_them else query.where(_table.c.active))
    return tuple(Line(_entry(row), row.active, row.updated_at) for row in rows)


async def seed(tx: AsyncConnection, listed: Iterable[Entry], now: datetime) -> None:
    """Make the catalogue say what the configuration says; lines people edited stay."""
    given = tuple(listed)
    for entry in given:
        await _put(tx, entry, now, edited=False)
    gone = ~_table.c.code.in_([entry.code for entry in given]) & ~_table.c.edited
    await tx.execute(update(_table).where(gone).values(active=False))


async def save(
    tx: AsyncConnection, entry: Entry, now: datetime, *, active: bool = True, seen_at: datetime | None = None
) -> None:
    """A line as a person wrote it. seen_at: the line's time as they saw it. Raises UnitNotFound, EntryChanged."""
    await units_store.one(tx, entry.unit)
    current = select(_table.c.updated_at).where(_table.c.code == entry.code).with_for_update()
    kept = (await tx.execute(current)).scalar_one_or_none()
    if seen_at is not None and kept != seen_at:
        raise EntryChanged
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
