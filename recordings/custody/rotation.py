"""Rotation: the keys of kept recordings are wrapped anew by the active master key; audio is not touched.

The new wrapping is written beside the object, in the store and in the copy, before the database speaks of it: at
every moment the database's key is one that the store has too. A run that was killed is simply run again.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from recordings.custody.canary import NEEDED, require_proven
from recordings.custody.custody import Custody, WrappedKey, key_path
from recordings.custody.ground import Ground
from recordings.custody.keys import KeyProvider, KeyUnknown, KeyWrong
from recordings.custody.objects import AlreadyThere, ObjectStore
from recordings.custody.sidecar import FOLDER, SidecarWrong, read_sidecar, sidecar
from recordings.custody.tables import recording_object

_C = recording_object.c


@dataclass(frozen=True, slots=True)
class Batch:
    """What one turn did. last: the highest recording id looked at, None when there was nothing more."""

    key_id: str
    done: int
    failed: tuple[str, ...]
    last: int | None


async def rewrap(tx: AsyncConnection, ground: Ground, limit: int, *, after: int = 0) -> Batch:
    """Wraps the keys of the next `limit` recordings (by id, from `after`) with the active key.

    A recording whose key cannot be unwrapped is named and passed over. Raises KeyNotProven, StoreAway, KeysAway.
    """
    active = await require_proven(tx, ground)
    query = (
        select(_C.recording_id, _C.name, _C.path, _C.key_id, _C.wrapped_key)
        # A key left beside an object that is just being removed would outlive it.
        .where(_C.custody.in_(NEEDED), _C.deletion_began_at.is_(None), _C.key_id != active, _C.recording_id > after)
        .order_by(_C.recording_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    rows = (await tx.execute(query)).all()
    failed: list[str] = []
    for row in rows:
        try:
            key = await _leave(ground, row, active)
        except (KeyUnknown, KeyWrong) as error:
            failed.append(_sentence(row, error))
            continue
        values = {"key_id": key.key_id, "wrapped_key": key.wrapped}
        await tx.execute(update(recording_object).where(_C.recording_id == row.recording_id).values(values))
    return Batch(active, len(rows) - len(failed), tuple(failed), rows[-1].recording_id if rows else None)


async def _leave(ground: Ground, row: Row[*tuple[Any, ...]], active: str) -> WrappedKey:
    """The file's key, wrapped by the active one, as it now lies beside the object everywhere."""
    file_key = await asyncio.to_thread(ground.keys.unwrap, row.key_id, bytes(row.wrapped_key))
    fresh = WrappedKey(active, await asyncio.to_thread(ground.keys.wrap, active, file_key))
    places = [ground.store] if ground.copy is None else [ground.store, ground.copy]
    for place in places:
        await _put(place, row.path, row.name, fresh, ground.keys, file_key)
    return fresh


async def _put(place: ObjectStore, path: str, name: UUID, key: WrappedKey, keys: KeyProvider, file_key: bytes) -> None:
    """Create-only; one that is there already stays if it opens to the same key, and is replaced if not."""
    where = key_path(path, key.key_id)
    try:
        await place.put_new(where, sidecar(name, key))
    except AlreadyThere:
        if not await _opens(await place.read(where), name, key.key_id, keys, file_key):
            await place.replace(where, sidecar(name, key))


async def _opens(content: bytes, name: UUID, key_id: str, keys: KeyProvider, file_key: bytes) -> bool:
    try:
        there = read_sidecar(content, name)
        return there.key_id == key_id and await asyncio.to_thread(keys.unwrap, key_id, there.wrapped) == file_key
    except (SidecarWrong, KeyWrong):
        return False


def _sentence(row: Row[*tuple[Any, ...]], error: Exception) -> str:
    what = "is not here" if isinstance(error, KeyUnknown) else "does not open its key"
    return f"recording {row.recording_id} ({row.name}): master key {row.key_id} {what}"


class KeyNeeded(Exception):
    """The key cannot be retired: recordings need it; run `callcenter recordings keys rotate` first."""

    def __init__(self, key_id: str, recordings: int, being_stored: int) -> None:
        super().__init__(key_id, recordings, being_stored)
        self.key_id, self.recordings, self.being_stored = key_id, recordings, being_stored

    def __str__(self) -> str:
        if self.recordings:
            return (
                f"{self.recordings} recordings need master key {self.key_id};"
                " run `callcenter recordings keys rotate` first"
            )
        return (
            f"{self.being_stored} recordings have been on their way into the store since before master key"
            f" {self.key_id} was replaced; try again when they are stored"
        )


async def require_unneeded(tx: AsyncConnection, key_id: str, replaced_before_s: float) -> None:
    """Raises KeyNeeded while a recording needs the key, or may just be being sealed under it.

    replaced_before_s: how long ago another key became active.
    """
    stored = select(func.count()).where(_C.custody.in_(NEEDED), _C.key_id == key_id)
    since = func.clock_timestamp() - func.make_interval(0, 0, 0, 0, 0, 0, replaced_before_s)
    moving = select(func.count()).where(_C.custody == Custody.PREPARED, _C.prepared_at < since)
    recordings, being_stored = int(await tx.scalar(stored) or 0), int(await tx.scalar(moving) or 0)
    if recordings or being_stored:
        raise KeyNeeded(key_id, recordings, being_stored)


async def sidecars(store: ObjectStore, path: str) -> Sequence[str]:
    """Paths of the keys beside an object. Raises StoreAway."""
    return sorted([one async for one, _ in store.names(path + FOLDER.rstrip("/"))])


async def copy_keys(source: ObjectStore, target: ObjectStore, path: str) -> int:
    """Copies the keys beside an object that the other store has not; how many. Raises StoreAway, NotThere."""
    there = set(await sidecars(target, path))
    missing = [one for one in await sidecars(source, path) if one not in there]
    for one in missing:
        try:
            await target.put_new(one, await source.read(one))
        except AlreadyThere:
            continue
    return len(missing)
