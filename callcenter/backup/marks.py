"""How old the backups are, as the worker wrote it into `mark`: for /readyz, which runs elsewhere."""

from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.tables import mark

PREFIX = "backup:"
LATE_S = {"base": 8 * 86_400.0, "wal": 300.0, "drill": 32 * 86_400.0}
"""Older than this is late: a base a week, the log within the promised RPO, a drill a month."""


async def times(tx: AsyncConnection) -> dict[str, datetime | None]:
    """`base`, `wal`, `drill` -> when last, None: never yet; empty where no backups are set up."""
    rows = await tx.execute(select(mark.c.name, mark.c.value).where(mark.c.name.startswith(PREFIX)))
    return {name.removeprefix(PREFIX): datetime.fromtimestamp(at, UTC) if at else None for name, at in rows}


async def parts(tx: AsyncConnection, now: datetime) -> dict[str, str]:
    """`backup base`, `backup wal`, `backup drill` -> ok, or how late; nothing where no backups are set up."""
    rows = await tx.execute(select(mark.c.name, mark.c.value).where(mark.c.name.startswith(PREFIX)))
    said: dict[str, str] = {}
    for name, value in rows:
        kind, age = name.removeprefix(PREFIX), now.timestamp() - value
        if not value:
            said[f"backup {kind}"] = "never"
        else:
            said[f"backup {kind}"] = "ok" if age <= LATE_S.get(kind, 0.0) else f"{shown(age)}; that is late"
    return said


def shown(age: float | None) -> str:
    """Seconds as a person says them; None: never."""
    if age is None:
        return "never"
    return f"{age:.0f} s ago" if age < 7200 else f"{age / 3600:.1f} h ago"
