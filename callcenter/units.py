"""Handling units as calls need them: who can be brought in, under which number. The list is configuration."""

from collections.abc import Iterable

from sqlalchemy import update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.tables import handling_unit
from ticketing.prefill_data import Unit


async def keep(tx: AsyncConnection, units: Iterable[Unit]) -> None:
    """Make the table say what the configuration says; units that are gone stay, inactive, for old calls."""
    rows = [{"id": unit.id, "name": unit.name, "number": unit.phone.digits, "active": True} for unit in units]
    await tx.execute(update(handling_unit).values(active=False))
    if rows:
        row = insert(handling_unit)
        new = {name: row.excluded[name] for name in ("name", "number", "active")}
        await tx.execute(row.on_conflict_do_update(index_elements=["id"], set_=new), rows)
