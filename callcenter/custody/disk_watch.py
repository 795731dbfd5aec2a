"""Watches the disks of recordings beside the calls: warns at 80 %, and at 95 % has Asterisk answer without recording.

Asterisk is told by a global variable that holds a time: until then new calls are not recorded. It is renewed at every
turn, so that a time nobody renews runs out: when this watch is dead, when Asterisk has restarted, or when nobody knows,
calls are recorded. Runs in the process that listens to calls: it has the link, and it runs when calls do.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from callcenter import ami, metrics
from callcenter.board import SUPERVISORS, Board, BoardEvent
from callcenter.custody import storage_rows
from callcenter.custody.storage_rows import Seen
from callcenter.db import Database, DatabaseAway
from recordings.storage import PAUSE_HOLDS_S, Level, Room, level_of

log = logging.getLogger(__name__)

EVERY_S = 10.0
LOOK_S = 1.0
"""How soon a link that came up is noticed: an Asterisk that has just started knows of no full disk."""
READ_WITHIN_S = 5.0
"""A network file system that hangs is unreadable, not a reason to stand still."""
VARIABLE = "NO_RECORDING_UNTIL"
NUMBERS = {Level.OK: 0, Level.WARN: 1, Level.FULL: 2, Level.UNKNOWN: 3}


class Asterisk(Protocol):
    """The part of callcenter.ami.AmiClient this watch uses."""

    @property
    def up(self) -> bool: ...

    async def action(self, name: str, fields: Sequence[tuple[str, str]] = (), *, timeout_s: float = 5) -> object: ...


def room_of(path: Path) -> Room:
    """The file system of a folder now. Blocking. Raises OSError."""
    told, device = os.statvfs(path), path.stat().st_dev
    block = told.f_frsize
    return Room(
        total_bytes=told.f_blocks * block,
        free_bytes=told.f_bavail * block,
        used_bytes=(told.f_blocks - told.f_bfree) * block,
        device=device,
        inodes=told.f_files,
        free_inodes=told.f_favail,
    )


@dataclass
class DiskWatch:
    """One node's watch. places: name -> folder, `spool` among them."""

    database: Database
    board: Board
    asterisk: Asterisk
    node: str
    places: Mapping[str, Path]
    read: Callable[[Path], Room] = room_of
    _levels: dict[str, Level] = field(default_factory=dict)
    _loaded: bool = False
    _full_since: datetime | None = None
    _reading: dict[str, "asyncio.Future[Room]"] = field(default_factory=dict)

    async def run(self) -> None:
        """Look every ten seconds, and at once when Asterisk is back; until cancelled. Nothing ends it."""
        while True:
            try:
                await self.turn(datetime.now(UTC))
            except Exception:
                log.exception("the watch of the disks failed; it looks again")
            await self._until_next()

    async def _until_next(self) -> None:
        was_up = self.asterisk.up
        for _ in range(round(EVERY_S / LOOK_S)):
            await asyncio.sleep(LOOK_S)
            if self.asterisk.up and not was_up:
                return
            was_up = self.asterisk.up

    async def turn(self, now: datetime) -> None:
        """Look, tell Asterisk, then everybody else."""
        await self._load()
        seen = [await self._look(name, path) for name, path in self.places.items()]
        changed = [one for one in seen if one.level is not self._levels.get(one.name, Level.OK)]
        self._levels = {one.name: one.level for one in seen}
        full = self._levels.get("spool") is Level.FULL
        self._full_since = (self._full_since or now) if full else None
        await self._tell_asterisk(now, full=full)
        await self._keep(seen, now)
        _show(seen, full=full)
        await self._tell(changed, now)

    async def _load(self) -> None:
        """The levels of an earlier run, once: a disk at 94 % that was full before is still full."""
        if self._loaded:
            return
        try:
            async with self.database.transaction() as tx:
                self._levels = await storage_rows.levels(tx, self.node)
        except DatabaseAway:
            return
        self._loaded = True

    async def _look(self, name: str, path: Path) -> Seen:
        before = self._levels.get(name, Level.OK)
        try:
            room = await self._read_in_time(name, path)
        except TimeoutError:
            return Seen(name, path, None, level_of(None, before), "does not answer")
        except OSError as error:
            why = error.strerror or type(error).__name__
            return Seen(name, path, None, level_of(None, before), why)
        return Seen(name, path, room, level_of(room.used_share, before))

    async def _read_in_time(self, name: str, path: Path) -> Room:
        # A thread that hangs is waited for, not joined by another at every turn.
        reading = self._reading.get(name)
        if reading is None or reading.done():
            reading = self._reading[name] = asyncio.ensure_future(asyncio.to_thread(self.read, path))
        return await asyncio.wait_for(asyncio.shield(reading), READ_WITHIN_S)

    async def _tell_asterisk(self, now: datetime, *, full: bool) -> None:
        until = int(now.timestamp() + PAUSE_HOLDS_S) if full else 0
        try:
            await self.asterisk.action("Setvar", [("Variable", VARIABLE), ("Value", str(until))])
        except ami.AmiError as error:
            log.debug("Asterisk was not told of the disk", extra={"error": str(error)})

    async def _keep(self, seen: Sequence[Seen], now: datetime) -> None:
        try:
            async with self.database.transaction() as tx:
                left = await storage_rows.keep(tx, self.node, seen, now)
                if self._full_since is None:
                    await storage_rows.resume(tx, self.node, now)
                else:
                    share = next((one.room.used_share for one in seen if one.name == "spool" and one.room), 1.0)
                    await storage_rows.pause(tx, self.node, self._full_since, share)
        except DatabaseAway:
            log.warning("the state of the disks waits for PostgreSQL")
            return
        for name, days in left.items():
            metrics.STORAGE.labels(name, "days_left").set(-1 if days is None else days)

    async def _tell(self, changed: Sequence[Seen], now: datetime) -> None:
        for one in changed:
            about = {"place": one.name, "level": one.level, "node": self.node, "used_share": _share(one)}
            level = logging.INFO if one.level is Level.OK else logging.WARNING
            log.log(level, "disk of recordings", extra={**about, "path": str(one.path), "error": one.error})
        await self.board.publish(
            tuple(
                BoardEvent(
                    "storage.level",
                    {"place": one.name, "level": one.level, "node": self.node, "used_share": _share(one),
                     "recording": self._full_since is None, "at": now.isoformat()},
                    SUPERVISORS,
                )
                for one in changed
            )
        )  # fmt: skip


def _share(one: Seen) -> float | None:
    return round(one.room.used_share, 4) if one.room else None


def _show(seen: Sequence[Seen], *, full: bool) -> None:
    metrics.RECORDING_PAUSED.set(full)
    for one in seen:
        metrics.STORAGE.labels(one.name, "level").set(NUMBERS[one.level])
        if one.room:
            metrics.STORAGE.labels(one.name, "used_share").set(one.room.used_share)
            metrics.STORAGE.labels(one.name, "free_bytes").set(one.room.free_bytes)
