"""How a verified recording leaves the spool: packed, sealed, stored, proved, copied, and only then removed.

Each step may be killed anywhere and done again. Nothing is written over: an object that is there already is adopted
when it is this recording, and a name that is spoilt is given up for another. Never commits.
"""

import asyncio
import functools
import hashlib
import io
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from recordings.audio import pcm_of, sha256
from recordings.custody.codec import Packed, is_same, measured_file, pack
from recordings.custody.custody import Codec, Contents, Kept, SealedObject, WrappedKey
from recordings.custody.ground import Ground
from recordings.custody.keys import KeyProvider
from recordings.custody.objects import AlreadyThere, Fetch, NotThere, ObjectStore
from recordings.custody.rotation import copy_keys
from recordings.custody.sealed import Damaged, NotSealed, OtherFile, SealedFile, seal

BEHIND_CALLS = 10
"""The nice value of threads that pack and seal."""
_T = TypeVar("_T")


class AudioGone(Exception):
    """The file of a verified recording is not in the spool and the store never got it; look for it in a backup."""


class Changed(Exception):
    """The file was written to after it was verified; it is verified again and stored as it is then."""


class NameSpoilt(Exception):
    """What lies under this name in the store does not open: a writer was cut off there. Another name is taken."""


class OtherThere(Exception):
    """Under this name the store has another recording; nothing was written over it. Somebody put it there."""

    retryable = False


class NotAsStored(Exception):
    """What the store gives back is not what was put there; the file stays in the spool."""


class SpoolChanged(Exception):
    """The file in the spool is not what was stored: it was written to since. It stays where it is."""

    retryable = False


@dataclass(frozen=True, slots=True)
class Stored:
    """A recording in the store. adopted: it lay there already."""

    contents: Contents
    sealed: SealedObject
    adopted: bool


async def put(ground: Ground, kept: Kept, path: Path, key_id: str, file_sha256: str) -> Stored:
    """Packs, seals and stores the file at `path` under the name of `kept`, reads it back and proves it.

    key_id: the proven master key. file_sha256: of the file as it was verified. Raises AudioGone, Changed, NameSpoilt,
    OtherThere, NotAsStored, StoreAway, KeyUnknown, KeyWrong.
    """
    packed = await in_thread(_packed, path, ground.codec)
    if packed.file_sha256 != file_sha256:
        raise Changed(path.name)
    data, key = await in_thread(_sealed, packed, kept, ground, key_id)
    try:
        await ground.store.put_new(kept.path, data)
    except AlreadyThere:
        return await _adopted(ground, kept, packed, path)
    sealed = SealedObject(ground.cipher, key, len(data), await in_thread(_digest, data))
    back = await _read(ground.store, kept.path)
    if not await in_thread(_proves, back, kept, sealed, packed, ground.keys):
        raise NotAsStored(kept.path)
    return Stored(packed.contents, sealed, adopted=False)


def _packed(path: Path, codec: Codec) -> Packed:
    # A link could lead out of the spool; what was verified was a plain file.
    if path.is_symlink() or not path.is_file():
        raise AudioGone(path.name)
    try:
        return pack(path, codec)
    except FileNotFoundError:
        raise AudioGone(path.name) from None


def _sealed(packed: Packed, kept: Kept, ground: Ground, key_id: str) -> tuple[bytes, WrappedKey]:
    plain = io.BytesIO(packed.data)
    return seal(plain, kept.name, packed.contents.codec, ground.cipher, ground.keys, key_id=key_id)


def _proves(back: bytes, kept: Kept, sealed: SealedObject, packed: Packed, keys: KeyProvider) -> bool:
    """Whether what came back opens to the bytes that were packed, which were proved by decoding them."""
    if len(back) != sealed.sealed_bytes or _digest(back) != sealed.sealed_sha256:
        return False
    try:
        return _contents(SealedFile(in_memory(back), len(back), keys, name=kept.name)) == packed.data
    except (NotSealed, OtherFile, Damaged):
        return False


async def _adopted(ground: Ground, kept: Kept, packed: Packed, path: Path) -> Stored:
    """What lies there already: ours, from a run that was killed before it could say so."""
    data = await _read(ground.store, kept.path)
    found = await in_thread(_recognised, data, kept, packed, path, ground.keys)
    # Its writer may have been killed before it was flushed.
    await ground.store.flush(kept.path)
    return found


def _recognised(data: bytes, kept: Kept, packed: Packed, path: Path, keys: KeyProvider) -> Stored:
    try:
        file = SealedFile(in_memory(data), len(data), keys, name=kept.name)
        contents = is_same(io.BufferedReader(file), file.head.codec, packed, path)
    except OtherFile as error:
        raise OtherThere(f"{kept.path}: {error}") from error
    except (NotSealed, Damaged) as error:
        raise NameSpoilt(f"{kept.path}: {error}") from error
    if contents is None:
        raise OtherThere(f"{kept.path}: it opens, and its samples are not those of {path.name}")
    sealed = SealedObject(file.head.cipher, file.head.key, len(data), _digest(data))
    return Stored(contents, sealed, adopted=True)


async def copy(ground: Ground, kept: Kept) -> None:
    """Puts a stored recording, and keys that lie beside it, into the second place, and reads it back there.

    A damaged object there is replaced by the proven one. Raises NotAsStored, StoreAway.
    """
    assert ground.copy is not None
    assert kept.sealed is not None
    data = await _read(ground.store, kept.path)
    if await in_thread(_digest, data) != kept.sealed.sealed_sha256:
        raise NotAsStored(f"{ground.store.url}: {kept.path} has changed since it was stored")
    try:
        await ground.copy.put_new(kept.path, data)
    except AlreadyThere:
        if await _read(ground.copy, kept.path) == data:
            await ground.copy.flush(kept.path)
        else:
            await ground.copy.replace(kept.path, data)
    if await _read(ground.copy, kept.path) != data:
        raise NotAsStored(f"{ground.copy.url}: {kept.path} is not what was copied there")
    await copy_keys(ground.store, ground.copy, kept.path)


async def clear(ground: Ground, kept: Kept, path: Path) -> bool:
    """Removes the file of a stored recording from the spool; False when it was removed before.

    Looks once more that the store has what was proved, that the copy is there, and that the file is what was stored.
    Raises NotAsStored, SpoolChanged, StoreAway.
    """
    assert kept.sealed is not None
    assert kept.contents is not None
    data = await _read(ground.store, kept.path)
    if await in_thread(_digest, data) != kept.sealed.sealed_sha256:
        raise NotAsStored(f"{ground.store.url}: {kept.path} has changed since it was stored")
    if ground.copy is not None and await ground.copy.size_of(kept.path) != kept.sealed.sealed_bytes:
        raise NotAsStored(f"{ground.copy.url}: {kept.path} is not there, or is of another length")
    return await in_thread(_removed, ground, kept, kept.contents, data, path)


def _removed(ground: Ground, kept: Kept, contents: Contents, data: bytes, path: Path) -> bool:
    try:
        if not _is_what_was_stored(ground, kept, contents, data, path):
            raise SpoolChanged(path.name)
        path.unlink()
    except FileNotFoundError:
        return False
    finally:
        # Also after a kill between the two: what is gone must stay gone.
        flush_folder(path.parent)
    return True


def _is_what_was_stored(ground: Ground, kept: Kept, contents: Contents, data: bytes, path: Path) -> bool:
    if contents.samples_sha256 is None:
        key = kept.sealed.key if kept.sealed else None
        plain = _contents(SealedFile(in_memory(data), len(data), ground.keys, name=kept.name, key=key))
        return hashlib.sha256(plain).hexdigest() == sha256(path)
    pcm = pcm_of(path)
    return pcm is not None and measured_file(path, pcm).samples_sha256 == contents.samples_sha256


def flush_folder(folder: Path) -> None:
    """What was removed from a folder stays removed when the power goes out. Blocking."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def in_memory(data: bytes) -> Fetch:
    """Parts of bytes that were read already."""
    return lambda start, length: data[start : start + length]


def _contents(file: SealedFile) -> bytes:
    return b"".join(iter(functools.partial(file.read, file.head.chunk_bytes), b""))


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def _read(store: ObjectStore, path: str) -> bytes:
    try:
        return await store.read(path)
    except NotThere:
        raise NotAsStored(f"{store.url}: {path} is not there any more") from None


async def in_thread(work: Callable[..., _T], *args: object) -> _T:
    """Runs `work` in one of as many threads as there are cores, behind calls that go on."""
    return await asyncio.get_running_loop().run_in_executor(_workers(), functools.partial(work, *args))


@functools.cache
def _workers() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="custody", initializer=_step_back)


def _step_back() -> None:
    # Linux keeps this value by thread (setpriority(2), notes).
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BEHIND_CALLS)
