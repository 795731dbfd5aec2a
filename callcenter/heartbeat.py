"""Which processes live: each writes the time every few seconds while it can do its work; /readyz reads it."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.db import Database, DatabaseAway
from callcenter.tables import mark

EVERY_S = 2.0
LOOK_S = 0.2
"""A process that cannot work yet, or for now, looks so often whether it can."""
STALE_S = 10.0
PREFIX = "alive:"


async def beat(database: Database, name: str, able: Callable[[], bool]) -> None:
    """Write `name`'s time every EVERY_S while `able()`; until cancelled."""
    while True:
        if able():
            with contextlib.suppress(DatabaseAway):
                async with database.transaction() as tx:
                    await _write(tx, name, datetime.now(UTC))
        await asyncio.sleep(EVERY_S if able() else LOOK_S)


async def _write(tx: AsyncConnection, name: str, now: datetime) -> None:
    row = insert(mark).values(name=PREFIX + name, value=now.timestamp())
    new = {"value": row.excluded.value, "at": func.clock_timestamp()}
    await tx.execute(row.on_conflict_do_update(index_elements=["name"], set_=new))


async def last(tx: AsyncConnection, name: str) -> datetime | None:
    """When `name` last beat on this database; aware UTC, None: never."""
    found = await tx.execute(select(mark.c.value).where(mark.c.name == PREFIX + name))
    at = found.scalar_one_or_none()
    return None if at is None else datetime.fromtimestamp(at, UTC)


async def ages(tx: AsyncConnection, now: datetime) -> dict[str, float]:
    """Name -> seconds since its last beat, of every process that ever beat on this database."""
    rows = await tx.execute(select(mark.c.name, mark.c.value).where(mark.c.name.startswith(PREFIX)))
    return {name.removeprefix(PREFIX): now.timestamp() - value for name, value in rows}
