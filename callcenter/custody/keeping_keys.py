"""The master keys of recordings, kept: canaries opened at the start and every day, rotation, retirement, audited."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import metrics
from callcenter.audit import Audited, note
from callcenter.db import Database, DatabaseAway
from callcenter.jobs import Worker
from callcenter.types import Actor
from recordings.custody import canary, rotation
from recordings.custody.ground import Ground
from recordings.custody.keys import (
    KeyFileWrong,
    KeysAway,
    Kind,
    MasterKey,
    change_key_file,
    new_key,
)
from recordings.custody.objects import StoreAway

log = logging.getLogger(__name__)

SYSTEM = Actor("system", "custody")
EVERY_S = 600.0
"""How often what is wrong is looked at again, so that a key brought back is noticed soon."""
DAILY_S = 86_400.0
BATCH = 200


@dataclass
class KeyWork:
    """Opens the canaries. clock: monotonic seconds."""

    database: Database
    ground: Ground
    clock: Callable[[], float] = time.monotonic
    _well_at: float | None = None
    _told: frozenset[str] | None = None

    async def sweep(self) -> None:
        """The check: once a day, and more often while something is wrong. Raises StoreAway, KeysAway, DatabaseAway."""
        if self._well_at is not None and self.clock() - self._well_at < DAILY_S:
            return
        await self.check()

    async def check(self) -> bool:
        """Whether every key that is needed opens its canary; the first time and at each change it is put on record."""
        async with self.database.transaction() as tx:
            wrong = await canary.check(tx, self.ground)
            said = frozenset(str(one) for one in wrong)
            if said != self._told:
                for one in wrong:
                    subject = f"key:{one.key_id}"
                    await note(tx, Audited(SYSTEM, "recording_key.prove", subject, False, {"reason": str(one)}))
            if not wrong:
                active = await asyncio.to_thread(lambda: self.ground.keys.active)
                await note(tx, Audited(SYSTEM, "recording_key.prove", f"key:{active}"))
        metrics.RECORDING_KEYS_WRONG.set(len(wrong))
        for sentence in sorted(said - (self._told or frozenset())):
            log.error("a master key is not proven; nothing is sealed under it", extra={"finding": sentence})
        self._told, self._well_at = said, None if wrong else self.clock()
        return not wrong


async def register(worker: Worker, database: Database, ground: Ground) -> None:
    """The first check, in every worker, before its first job; then the sweep."""
    work = KeyWork(database, ground)
    try:
        await work.check()
    except (DatabaseAway, StoreAway, KeysAway) as error:
        log.warning("the master keys could not be proven yet", extra={"error": str(error)})
    worker.every(EVERY_S, "recording_keys.prove", work.sweep)


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation did. left: recordings still under another key than the active one."""

    key_id: str
    done: int
    failed: tuple[str, ...]
    left: tuple[canary.Use, ...]


async def rotate(database: Database, ground: Ground, actor: Actor, *, batch: int = BATCH) -> Rotated:
    """Wraps every recording's key with the active one, a batch a transaction. May be stopped and run again.

    Raises KeyNotProven (put on record), StoreAway, KeysAway, DatabaseAway.
    """
    done, failed, after = 0, list[str](), 0
    while True:
        try:
            async with database.transaction() as tx:
                turn = await rotation.rewrap(tx, ground, batch, after=after)
                await _note_turn(tx, actor, turn)
        except canary.KeyNotProven as error:
            await _refuse(database, actor, "recording_key.rotate", error.key_id, error)
            raise
        done, after = done + turn.done, turn.last or after
        failed.extend(turn.failed)
        if turn.last is None:
            break
    async with database.transaction() as tx:
        left = tuple(use for use in await canary.uses(tx) if use.key_id != turn.key_id)
    return Rotated(turn.key_id, done, tuple(failed), left)


async def _note_turn(tx: AsyncConnection, actor: Actor, turn: rotation.Batch) -> None:
    subject = f"key:{turn.key_id}"
    if turn.done:
        detail = {"recordings": turn.done, "up_to_recording": turn.last}
        await note(tx, Audited(actor, "recording_key.rotate", subject, True, detail))
    for sentence in turn.failed:
        await note(tx, Audited(actor, "recording_key.rotate", subject, False, {"reason": sentence}))


async def add_key(database: Database, path: Path, key_id: str, kind: Kind, actor: Actor) -> MasterKey:
    """A fresh key at the end of the key file, active from now on. Raises KeyFileWrong, DatabaseAway."""
    made = new_key(key_id, kind)
    async with database.transaction() as tx:
        await note(tx, Audited(actor, "recording_key.new", f"key:{key_id}", True, {"kind": kind, "check": made.check}))
        if any(use.key_id == key_id for use in await canary.uses(tx)):
            raise KeyFileWrong(f"recordings are sealed under a key named {key_id} already; choose another name")
        await asyncio.to_thread(change_key_file, path, lambda keys: (*keys, made))
    return made


async def retire(database: Database, path: Path, key_id: str, actor: Actor) -> None:
    """Takes a key out of the key file. Raises KeyNeeded (put on record), KeyFileWrong, DatabaseAway."""

    def without(keys: tuple[MasterKey, ...]) -> tuple[MasterKey, ...]:
        if keys[-1].id == key_id:
            raise KeyFileWrong(f"master key {key_id} is the active one; make its successor first (keys new)")
        if key_id not in {key.id for key in keys}:
            raise KeyFileWrong(f"master key {key_id} is not in {path}")
        return tuple(key for key in keys if key.id != key_id)

    try:
        async with database.transaction() as tx:
            replaced_before_s = max(0.0, time.time() - (await asyncio.to_thread(path.stat)).st_mtime)
            await rotation.require_unneeded(tx, key_id, replaced_before_s)
            await note(tx, Audited(actor, "recording_key.retire", f"key:{key_id}"))
            await asyncio.to_thread(change_key_file, path, without)
    except (rotation.KeyNeeded, KeyFileWrong) as error:
        await _refuse(database, actor, "recording_key.retire", key_id, error)
        raise
    except OSError as error:
        raise KeyFileWrong(f"{path}: {error.strerror}") from None


async def _refuse(database: Database, actor: Actor, action: str, key_id: str, error: Exception) -> None:
    async with database.transaction() as tx:
        await note(tx, Audited(actor, action, f"key:{key_id}", False, {"reason": str(error)}))
