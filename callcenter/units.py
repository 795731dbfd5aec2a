"""Handling units as the hub keeps them: who can be brought into a call, and the directory tickets are dispatched by.

The configuration is the beginning. What people changed in the directory stays as they left it.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, and_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.tables import handling_unit
from ticketing.dispatch import catalogue_store, units_store
from ticketing.dispatch.catalogue import Entry
from ticketing.dispatch.units import Unit
from ticketing.dispatch.units_tables import unit as directory
from ticketing.prefill.data import Unit as Listed


async def keep(tx: AsyncConnection, units: Iterable[Listed]) -> None:
    """Make the telephone list say what the configuration says; units that are gone stay, inactive, for old calls."""
    edited = set((await tx.execute(select(directory.c.id).where(directory.c.edited))).scalars())
    rows = [
        {"id": unit.id, "name": unit.name, "number": unit.phone.digits, "active": True}
        for unit in units
        if unit.id not in edited
    ]
    await tx.execute(update(handling_unit).where(handling_unit.c.id.not_in(edited)).values(active=False))
    if rows:
        row = insert(handling_unit)
        new = {name: row.excluded[name] for name in ("name", "number", "active")}
        await tx.execute(row.on_conflict_do_update(index_elements=["id"], set_=new), rows)


async def seed(tx: AsyncConnection, units: Iterable[Unit], entries: Iterable[Entry], now: datetime) -> None:
    """The directory and the dispatch catalogue, as the configuration begins them."""
    await units_store.seed(tx, units, now)
    await catalogue_store.seed(tx, entries, now)


async def list_for_calls(tx: AsyncConnection, unit: Unit) -> None:
    """A unit people changed; without a telephone it gets tickets and is not brought into calls (`with_telephone`)."""
    row = insert(handling_unit).values(id=unit.id, name=unit.name, number=unit.phone, active=unit.active)
    new = {name: row.excluded[name] for name in ("name", "number", "active")}
    await tx.execute(row.on_conflict_do_update(index_elements=["id"], set_=new))


def with_telephone() -> ColumnElement[bool]:
    """Units that can be called."""
    return and_(handling_unit.c.active, handling_unit.c.number != "")
