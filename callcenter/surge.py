"""The emergency surge: one switch that changes what callers hear, with who threw it and when it ends by itself."""

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.audit import Audited, note
from callcenter.tables import mark
from callcenter.types import Actor

NAME = "surge"


async def is_on(tx: AsyncConnection, now: datetime) -> bool:
    """Whether the surge announcement is played now."""
    return await ends_at(tx, now) is not None


async def ends_at(tx: AsyncConnection, now: datetime) -> datetime | None:
    """When the announcement that is played now ends; None: none is played."""
    until = (await tx.execute(select(mark.c.value).where(mark.c.name == NAME))).scalar_one_or_none()
    return datetime.fromtimestamp(until, now.tzinfo) if until is not None and now.timestamp() < until else None


async def switch_on(tx: AsyncConnection, until: datetime, actor: Actor) -> None:
    """Play it until then; switching on again moves the end."""
    row = insert(mark).values(name=NAME, value=until.timestamp())
    await tx.execute(row.on_conflict_do_update(index_elements=["name"], set_={"value": row.excluded.value}))
    await note(tx, Audited(actor, "surge.on", "surge:all", detail={"until": until.isoformat()}))


async def switch_off(tx: AsyncConnection, actor: Actor) -> None:
    """Back to normal."""
    await tx.execute(delete(mark).where(mark.c.name == NAME))
    await note(tx, Audited(actor, "surge.off", "surge:all"))
