"""What the disk watch saw: rows of `storage_place` and `recording_pause`, the growth of what is kept, the forecast."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import case, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from recordings import days
from recordings.completeness_tables import recording_pause, storage_place
from recordings.custody.ground import Ground as Custody
from recordings.storage import GROWTH_DAYS, Level, Room, days_left, growth_a_day, growth_of

_S, _P = storage_place.c, recording_pause.c
STALE = timedelta(seconds=60)
"""A watch that has not looked for so long is not running."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One place as it was looked at. room: None when its file system could not be read, `error` says why."""

    name: str
    path: Path
    room: Room | None
    level: Level
    error: str = ""


@dataclass(frozen=True, slots=True)
class PlaceRow:
    """One place of one node, as its watch last saw it."""

    node: str
    place: str
    total_bytes: int | None
    free_bytes: int | None
    used_share: float | None
    days_left: float | None
    level: Level
    since: datetime
    looked_at: datetime
    error: str


def places_of(custody: Custody) -> Mapping[str, Path]:
    """Where recordings lie on this machine: the spool, and store and copy when they are folders."""
    found = {"spool": custody.spool}
    if custody.store.folder is not None:
        found["store"] = custody.store.folder
    if custody.copy is not None and custody.copy.folder is not None:
        found["copy"] = custody.copy.folder
    return found


async def levels(tx: AsyncConnection, node: str) -> dict[str, Level]:
    """Place -> level this node's watch had."""
    query = select(_S.place, _S.level).where(_S.node == node)
    return {row.place: Level(row.level) for row in await tx.execute(query)}


async def keep(tx: AsyncConnection, node: str, seen: Sequence[Seen], now: datetime) -> dict[str, float | None]:
    """Write down what was seen; `since` stays while the level does. Returns the days left of each place."""
    left = forecast({one.name: one.room for one in seen if one.room}, await growth(tx, now))
    for one in seen:
        room = one.room
        values = {
            "total_bytes": room.total_bytes if room else None,
            "free_bytes": room.free_bytes if room else None,
            "used_share": room.used_share if room else None,
            "days_left": left.get(one.name),
            "level": one.level,
            "looked_at": now,
            "error": one.error,
        }
        row = upsert(storage_place).values(node=node, place=one.name, since=now, **values)
        since = case((_S.level == row.excluded.level, _S.since), else_=row.excluded.since)
        new = {**values, "since": since}
        await tx.execute(row.on_conflict_do_update(index_elements=[_S.node, _S.place], set_=new))
    return left


async def pause(tx: AsyncConnection, node: str, since: datetime, used_share: float) -> None:
    """This node does not record new calls since then; told again, nothing changes."""
    row = upsert(recording_pause).values(node=node, from_at=since, used_share=used_share)
    await tx.execute(row.on_conflict_do_nothing(index_elements=[_P.node], index_where=_P.until_at.is_(None)))


async def resume(tx: AsyncConnection, node: str, at: datetime) -> None:
    """It records again."""
    own = update(recording_pause).where(_P.node == node, _P.until_at.is_(None), _P.from_at <= at)
    await tx.execute(own.values(until_at=at))


async def read(tx: AsyncConnection) -> tuple[PlaceRow, ...]:
    """Every place of every node."""
    rows = await tx.execute(select(storage_place).order_by(_S.node, _S.place))
    return tuple(
        PlaceRow(
            r.node, r.place, r.total_bytes, r.free_bytes, r.used_share, r.days_left, Level(r.level), r.since,
            r.looked_at, r.error,
        )
        for r in rows
    )  # fmt: skip


async def growth(tx: AsyncConnection, now: datetime) -> float | None:
    """Bytes a day that one store grew by, of the last fourteen whole days; None before there was one."""
    return growth_a_day(await days.stored_bytes(tx, now, GROWTH_DAYS))


def forecast(rooms: Mapping[str, Room], growth_bytes: float | None) -> dict[str, float | None]:
    """Place -> days until it is full; None where nothing grows or nobody knows yet. PURE."""
    growing = growth_of(rooms, growth_bytes)
    return {name: days_left(room, growing[name]) for name, room in rooms.items()}
