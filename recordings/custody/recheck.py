"""Looking at kept recordings again, every byte, and mending one place from the other. Never removes anything."""

import asyncio
import hashlib
import io
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from recordings.custody.codec import NotLike, measured
from recordings.custody.custody import Codec, Kept
from recordings.custody.ground import Ground
from recordings.custody.intake import in_memory, in_thread
from recordings.custody.keys import KeysAway, KeyUnknown, KeyWrong
from recordings.custody.objects import AlreadyThere, NotThere, ObjectStore
from recordings.custody.rotation import copy_keys
from recordings.custody.sealed import Damaged, NotSealed, OtherFile, SealedFile
from recordings.custody.sidecar import FOLDER, is_recording_path

AT_LEAST_EVERY = timedelta(days=90)
"""Every object, in every place."""
AIM = timedelta(days=80)
"""What the sweep aims at, so that days without a worker can be made up for."""
PIECE_BYTES = 4 * 1024 * 1024
"""Read, and held, at a time."""
PROBES = "probe"


class Place(StrEnum):
    """Where an object lies."""

    STORE = "store"
    COPY = "copy"

    @property
    def other(self) -> "Place":
        """Where help may come from."""
        return Place.COPY if self is Place.STORE else Place.STORE


class Trouble(StrEnum):
    """What is wrong with an object."""

    ABSENT = "absent"
    DAMAGED = "damaged"
    """Not the bytes that were stored: changed, cut, or another file."""


class NotMended(Exception):
    """What was written over a damaged object does not read back as it was written; see to the disk."""

    retryable = True


Pace = Callable[[int], Awaitable[None]]
"""Told of bytes that were read; waits where it goes too fast."""


@dataclass(frozen=True, slots=True)
class Proof:
    """data: the object, proved; None: it cannot help, and why."""

    data: bytes | None
    why: str = ""


def at(ground: Ground, place: Place) -> ObjectStore | None:
    """The store of a place; None where there is no second one."""
    return ground.store if place is Place.STORE else ground.copy


async def look(store: ObjectStore, kept: Kept, pace: Pace) -> Trouble | None:
    """Read the whole object of a stored recording and compare its SHA-256; None: it is sound. Raises StoreAway."""
    assert kept.sealed is not None
    fetch, digest, read = store.fetch(kept.path), hashlib.sha256(), 0

    def piece(start: int) -> int:
        part = fetch(start, PIECE_BYTES)
        digest.update(part)
        return len(part)

    try:
        while size := await asyncio.to_thread(piece, read):
            read += size
            await pace(size)
            if read > kept.sealed.sealed_bytes or size < PIECE_BYTES:
                break
    except NotThere:
        return Trouble.ABSENT
    same = read == kept.sealed.sealed_bytes and digest.hexdigest() == kept.sealed.sealed_sha256
    return None if same else Trouble.DAMAGED


async def prove(ground: Ground, kept: Kept, place: Place) -> Proof:
    """What lies in a place, if it is what was stored: its checksum, that it opens, and its samples.

    Raises StoreAway.
    """
    store = at(ground, place)
    assert kept.sealed is not None
    if store is None:
        return Proof(None, "there is no second place")
    if place is Place.COPY and kept.copied_at is None:
        return Proof(None, "it was not copied yet")
    try:
        data = await store.read(kept.path)
    except NotThere:
        return Proof(None, f"it is not in the {place} either")
    return await in_thread(_proved, ground, kept, place, data)


def _proved(ground: Ground, kept: Kept, place: Place, data: bytes) -> Proof:
    assert kept.sealed is not None
    assert kept.contents is not None
    if hashlib.sha256(data).hexdigest() != kept.sealed.sealed_sha256:
        return Proof(None, f"it is damaged in the {place} as well")
    try:
        file = SealedFile(in_memory(data), len(data), ground.keys, name=kept.name, key=kept.sealed.key)
        if kept.contents.codec is Codec.RAW:
            whole = len(io.BufferedReader(file).read()) == kept.contents.plain_bytes
        else:
            heard = measured(io.BufferedReader(file))
            whole = heard.frames == kept.contents.frames
            whole &= kept.contents.codec is not Codec.FLAC or heard.samples_sha256 == kept.contents.samples_sha256
    except (NotSealed, OtherFile, Damaged, NotLike, KeyUnknown, KeyWrong, KeysAway) as error:
        return Proof(None, f"what lies in the {place} does not open ({type(error).__name__}: {error})")
    return Proof(data) if whole else Proof(None, f"what lies in the {place} opens to other samples")


async def mend(ground: Ground, kept: Kept, place: Place, data: bytes) -> None:
    """Put proved bytes, and the keys beside them, where they are missing or damaged, and read them back.

    The caller holds the row, so that no deletion begins meanwhile. Raises NotMended, StoreAway.
    """
    store, source = at(ground, place), at(ground, place.other)
    assert store is not None
    assert source is not None
    try:
        await store.put_new(kept.path, data)
    except AlreadyThere:
        await store.replace(kept.path, data)
    if await look(store, kept, at_once) is not None:
        raise NotMended(f"{store.url}: {kept.path}")
    await copy_keys(source, store, kept.path)


async def at_once(_: int) -> None:
    """The pace of one who waits for it."""


async def is_lost(store: ObjectStore, paths: Collection[str]) -> bool:
    """Whether a place has none of these, which it should have: an unmounted disk, another bucket. Raises StoreAway.

    Then nothing is mended by itself: an empty mount point would be filled. A person refills it.
    """
    for path in paths:
        if await store.size_of(path) is not None:
            return False
    return bool(paths)


async def keeps_what_it_has(store: ObjectStore) -> bool:
    """Whether a second create-only put of the same name is refused; a server that ignores it is not fit. Raises
    StoreAway."""
    path = f"{PROBES}/{secrets.token_hex(8)}"
    await store.put_new(path, b"first")
    try:
        await store.put_new(path, b"second")
    except AlreadyThere:
        return True
    finally:
        await store.delete(path)
    return False


async def unknown(store: ObjectStore, known: Callable[[list[str]], Awaitable[Collection[str]]]) -> AsyncIterator[str]:
    """Recordings (and keys beside them) in a store that no row speaks of: foreign, or left over. Only listed.

    known: which of these paths have a row. Raises StoreAway.
    """
    batch: list[str] = []
    async for name, _ in store.names():
        if is_recording_path(name.split(FOLDER)[0]):
            batch.append(name)
        if len(batch) >= 1000:
            for one in await _strangers(batch, known):
                yield one
            batch = []
    for one in await _strangers(batch, known):
        yield one


async def _strangers(batch: list[str], known: Callable[[list[str]], Awaitable[Collection[str]]]) -> list[str]:
    rows = set(await known(sorted({name.split(FOLDER)[0] for name in batch})))
    return [name for name in batch if name.split(FOLDER)[0] not in rows]
