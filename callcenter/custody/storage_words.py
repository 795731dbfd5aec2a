"""What /readyz says of the disks: `ok`, or how full they are and for how long they last."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.custody import storage_rows
from callcenter.custody.storage_rows import STALE, PlaceRow
from recordings.storage import Level, Room, level_of

SOON_DAYS = 14.0
"""So many days before a disk is full it is said, however empty it looks."""
GIB = 2**30


def of_room(room: Room) -> str:
    """The spool's file system as this process sees it."""
    level = level_of(room.used_share, Level.OK)
    return "ok" if level is Level.OK else _full(room.used_share, room.free_bytes, level, spool=True)


async def parts(tx: AsyncConnection, now: datetime) -> dict[str, str]:
    """`storage <place> <node>` of every node's watch."""
    return {f"storage {row.place} {row.node}": _said(row, now) for row in await storage_rows.read(tx)}


def _said(row: PlaceRow, now: datetime) -> str:
    if now - row.looked_at > STALE:
        return f"nobody has looked for {(now - row.looked_at).total_seconds():.0f} s: is `callcenter listen` running?"
    if row.level is Level.UNKNOWN or row.used_share is None or row.free_bytes is None:
        return f"cannot be read: {row.error}"
    left = row.days_left
    lasts = "" if left is None else f", about {left:.0f} days left"
    if row.level is not Level.OK:
        return _full(row.used_share, row.free_bytes, row.level, spool=row.place == "spool") + lasts
    return "ok" if left is None or left > SOON_DAYS else f"{row.used_share:.0%} used{lasts}"


def _full(share: float, free_bytes: int, level: Level, *, spool: bool) -> str:
    what = ""
    if level is Level.FULL:
        what = "; calls are answered and NOT recorded" if spool else "; recordings wait in the spool"
    return f"{share:.0%} used, {free_bytes / GIB:.1f} GiB free{what}"
