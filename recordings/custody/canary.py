"""Canaries: a small known file per master key, opened before anything is sealed under that key.

A key file that was swapped for one with the same names would otherwise be noticed years later, when the recordings
do not open. Nothing is sealed under a key that does not open what was sealed under it before.
"""

import asyncio
import io
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID, uuid5

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from recordings.custody.custody import SUFFIX, Codec, Custody
from recordings.custody.ground import Ground
from recordings.custody.keys import KeyUnknown, KeyWrong
from recordings.custody.objects import AlreadyThere, NotThere, ObjectStore
from recordings.custody.sealed import Damaged, NotSealed, OtherFile, SealedFile, seal
from recordings.custody.tables import recording_object

NAMES = UUID("5f0f6f0a-9a3e-5d61-8c52-6d6b3f2b7c11")
"""Namespace of the canaries' own names (RFC 9562, version 5)."""
NEEDED = (Custody.STORED, Custody.RECYCLED)
SAMPLES = 3
_C = recording_object.c


class KeyNotProven(Exception):
    """A master key is missing, or is not the one it was; no recording is sealed until the right one is back."""

    retryable = True

    def __init__(self, key_id: str, sentence: str) -> None:
        super().__init__(sentence)
        self.key_id = key_id


class Look(StrEnum):
    """What a store has for a canary."""

    GOOD = "good"
    MISSING = "missing"
    DAMAGED = "damaged"
    WRONG = "wrong"
    """It does not open with this key: the key is another, or the canary's own wrapped key is damaged."""


@dataclass(frozen=True, slots=True)
class Use:
    """How many recordings need a key."""

    key_id: str
    recordings: int


def canary_path(key_id: str) -> str:
    """Where the canary of a key lies, in the store and in the copy."""
    return f"canary/{key_id}{SUFFIX}"


def canary_text(key_id: str) -> bytes:
    """What is inside."""
    return f"callcenter canary of master key {key_id}\n".encode()


async def require_proven(tx: AsyncConnection, ground: Ground) -> str:
    """The active key, after it has opened its canary; at its first use the canary is made.

    Raises KeyNotProven: seal nothing. Raises StoreAway, KeysAway: try again.
    """
    key_id = await asyncio.to_thread(lambda: ground.keys.active)
    if await _look(ground, ground.store, key_id) is not Look.GOOD:
        await prove(tx, ground, key_id)
    return key_id


async def prove(tx: AsyncConnection, ground: Ground, key_id: str) -> None:
    """Opens the canary in every store, mends a damaged one from a good one. Raises KeyNotProven, StoreAway, KeysAway.

    Where no canary opens, the key must unwrap one of the newest recordings' keys; where there are none either and no
    canary was ever made, this is the key's first use.
    """
    places = (ground.store,) if ground.copy is None else (ground.store, ground.copy)
    looks = [await _look(ground, place, key_id) for place in places]
    if all(look is Look.GOOD for look in looks):
        return
    if key_id not in await asyncio.to_thread(ground.keys.key_ids):
        raise KeyNotProven(key_id, _missing(key_id, await _needed(tx, key_id)))
    if Look.GOOD not in looks:
        await _require_unwraps(tx, ground, key_id, looks)
    await _place(ground, key_id, places, looks)


async def check(tx: AsyncConnection, ground: Ground) -> tuple[KeyNotProven, ...]:
    """Proves the active key and every key that a recording needs; returns what does not stand.

    Raises StoreAway, KeysAway.
    """
    wrong: list[KeyNotProven] = []
    active = await asyncio.to_thread(lambda: ground.keys.active)
    for key_id in sorted({active, *(use.key_id for use in await uses(tx))}):
        try:
            await prove(tx, ground, key_id)
        except KeyNotProven as found:
            wrong.append(found)
    return tuple(wrong)


async def uses(tx: AsyncConnection) -> tuple[Use, ...]:
    """Every key that recordings need now, by name."""
    query = (
        select(_C.key_id, func.count())
        .where(_C.custody.in_(NEEDED), _C.key_id.is_not(None))
        .group_by(_C.key_id)
        .order_by(_C.key_id)
    )
    return tuple(Use(str(key_id), int(count)) for key_id, count in await tx.execute(query))


async def _needed(tx: AsyncConnection, key_id: str) -> int:
    query = select(func.count()).where(_C.custody.in_(NEEDED), _C.key_id == key_id)
    return int((await tx.execute(query)).scalar_one())


def _missing(key_id: str, recordings: int) -> str:
    return (
        f"master key {key_id} is not here and {recordings} recordings need it; bring its line back into the key file"
        " (callcenter recordings keys join, from two shares)"
    )


async def _look(ground: Ground, place: ObjectStore, key_id: str) -> Look:
    """Raises StoreAway, KeysAway. A key that is not here is WRONG."""
    size = await place.size_of(canary_path(key_id))
    if size is None:
        return Look.MISSING
    return await asyncio.to_thread(_open, ground, place, key_id, size)


def _open(ground: Ground, place: ObjectStore, key_id: str, size: int) -> Look:
    try:
        fetch = place.fetch(canary_path(key_id))
        file = SealedFile(fetch, size, ground.keys, name=uuid5(NAMES, key_id))
        same = file.head.key.key_id == key_id and io.BufferedReader(file).read() == canary_text(key_id)
    except NotThere:
        return Look.MISSING
    except (KeyWrong, KeyUnknown):
        return Look.WRONG
    except (NotSealed, Damaged, OtherFile):
        return Look.DAMAGED
    return Look.GOOD if same else Look.DAMAGED


async def _require_unwraps(tx: AsyncConnection, ground: Ground, key_id: str, looks: list[Look]) -> None:
    """Raises KeyNotProven unless the key opens a recording's key, or was never used."""
    query = (
        select(_C.wrapped_key)
        .where(_C.custody.in_(NEEDED), _C.key_id == key_id)
        .order_by(_C.recording_id.desc())
        .limit(SAMPLES)
    )
    samples = [bytes(one) for one in (await tx.execute(query)).scalars()]
    if not samples and all(look is Look.MISSING for look in looks):
        return
    for wrapped in samples:
        try:
            await asyncio.to_thread(ground.keys.unwrap, key_id, wrapped)
        except KeyWrong:
            continue
        return
    raise KeyNotProven(
        key_id,
        f"master key {key_id} does not open what was sealed under this name ({await _needed(tx, key_id)} recordings):"
        " it is another key; bring the right one back, and give a new key a name of its own",
    )


async def _place(ground: Ground, key_id: str, places: tuple[ObjectStore, ...], looks: list[Look]) -> None:
    """A good canary in every place that has none; one that is damaged is replaced."""
    path, text = canary_path(key_id), io.BytesIO(canary_text(key_id))
    sealed, _ = await asyncio.to_thread(
        seal, text, uuid5(NAMES, key_id), Codec.RAW, ground.cipher, ground.keys, key_id=key_id
    )
    for place, look in zip(places, looks, strict=True):
        if look is Look.MISSING:
            try:
                await place.put_new(path, sealed)
            except AlreadyThere:
                # Another worker was quicker; it must be the same key.
                if await _look(ground, place, key_id) is not Look.GOOD:
                    raise KeyNotProven(key_id, f"two keys of the name {key_id} are in use at once") from None
        elif look is not Look.GOOD:
            await place.replace(path, sealed)
