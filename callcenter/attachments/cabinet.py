"""Where files of tickets lie: sealed like recordings, in the same stores, under a key of their own.

The key that wraps theirs is derived from the vault's, not the recordings': whoever may hear every call need not read
every paper, and a recordings key can be retired without asking for papers. Source: the sealed format of
docs/recording-format.md, codec `raw`.
"""

import asyncio
import contextlib
import hashlib
import io
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from callcenter.vault import Vault
from recordings.custody.custody import Cipher, Codec, SealedObject, WrappedKey
from recordings.custody.ground import Ground
from recordings.custody.keys import FileKeys, KeyUnknown, KeyWrong, Kind, MasterKey
from recordings.custody.objects import NotThere, ObjectStore, StoreAway
from recordings.custody.sealed import Damaged, NotSealed, OtherFile, SealedFile, seal
from ticketing.clocks import SHANGHAI

log = logging.getLogger(__name__)

KEY_ID = "papers-1"
FOLDER, SUFFIX = "attachment", ".sealed"
"""Not the recordings' suffix: what looks after recordings passes these by."""
BROKEN = (NotThere, NotSealed, OtherFile, Damaged, KeyUnknown, KeyWrong)


class AttachmentDamaged(Exception):
    """附件已损坏，两处存储都无法还原。已记录，请联系管理员；请上传人重新提供。"""


class NotKept(Exception):
    """What the store gives back is not what was put there; nothing was promised to anybody."""

    retryable = True


@dataclass(frozen=True, slots=True)
class Laid:
    """A sealed object, as its row has it."""

    name: UUID
    path: str
    sha256: str
    sealed: SealedObject


def path_of(name: UUID, at: datetime) -> str:
    """`attachment/2026/11/23/5f/5f0c….sealed`: by Chinese day, and two digits so that no folder grows without end."""
    return f"{FOLDER}/{at.astimezone(SHANGHAI):%Y/%m/%d}/{name.hex[:2]}/{name}{SUFFIX}"


def keys_of(vault: Vault) -> FileKeys:
    """What wraps the keys of these files, in the store and in packages of the archive."""
    return FileKeys((MasterKey(KEY_ID, Kind.AES_256, vault.derived(b"attachments")),))


class Cabinet:
    """The stores, and the key of these files."""

    def __init__(self, ground: Ground, vault: Vault) -> None:
        self._cipher, self.store, self.copy = ground.cipher, ground.store, ground.copy
        self._keys = keys_of(vault)

    async def put(self, name: UUID, path: str, data: bytes) -> SealedObject:
        """Seals and stores, durably, and reads it back. Raises StoreAway, NotKept."""
        sealed, key = await asyncio.to_thread(self._sealed, name, data)
        checksum = hashlib.sha256(sealed).hexdigest()
        await self.store.put_new(path, sealed)
        if hashlib.sha256(await self.store.read(path)).hexdigest() != checksum:
            raise NotKept(path)
        return SealedObject(self._cipher, key, len(sealed), checksum)

    def _sealed(self, name: UUID, data: bytes) -> tuple[bytes, WrappedKey]:
        return seal(io.BytesIO(data), name, Codec.RAW, self._cipher, self._keys)

    async def put_copy(self, laid: Laid) -> bool:
        """The second place has it; False where there is none. Raises StoreAway, AttachmentDamaged, NotKept."""
        if self.copy is None:
            return False
        found = await self._sound(self.store, laid)
        if found is None:
            raise AttachmentDamaged(str(laid.name))
        await self._lay(self.copy, laid, found.sealed)
        return True

    async def read(self, laid: Laid) -> bytes:
        """The file, whole and proved by its checksum; where the store's is damaged the copy's, which mends it.

        Raises AttachmentDamaged, StoreAway when neither answers.
        """
        away: StoreAway | None = None
        for place in (self.store, self.copy):
            try:
                found = await self._sound(place, laid) if place else None
            except StoreAway as error:
                away = error
                continue
            if found is None:
                continue
            if place is self.copy and away is None:
                await self._mend(laid, found.sealed)
            return found.plain
        raise away or AttachmentDamaged(str(laid.name))

    async def look(self, laid: Laid, *, copied: bool) -> "Look":
        """Every byte in every place that must have it. Raises StoreAway."""
        places = [self.store, *([self.copy] if copied and self.copy is not None else [])]
        found = [(place, await self._sound(place, laid)) for place in places]
        whole = next((one.sealed for _, one in found if one is not None), None)
        return Look(whole, tuple(place for place, one in found if one is None))

    async def mend(self, laid: Laid, look: "Look") -> None:
        """What is whole in one place is put into the others. Raises StoreAway, NotKept."""
        for place in look.broken if look.whole is not None else ():
            await self._lay(place, laid, look.whole or b"")

    async def _sound(self, place: ObjectStore, laid: Laid) -> "_Found | None":
        """What lies there, if it opens to the file that came. Raises StoreAway."""
        try:
            data = await place.read(laid.path)
            return _Found(data, await asyncio.to_thread(self._opened, laid, data))
        except BROKEN as error:
            log.error("a file of a ticket is damaged", extra={"object": str(laid.name), "error": repr(error)})
            return None

    def _opened(self, laid: Laid, data: bytes) -> bytes:
        def fetch(start: int, length: int) -> bytes:
            return data[start : start + length]

        file = SealedFile(fetch, len(data), self._keys, name=laid.name, key=laid.sealed.key)
        plain = io.BufferedReader(file).read()
        if hashlib.sha256(plain).hexdigest() != laid.sha256:
            raise NotSealed("it opens to other bytes")
        return plain

    async def _mend(self, laid: Laid, data: bytes) -> None:
        with contextlib.suppress(StoreAway, NotKept):
            await self._lay(self.store, laid, data)
            log.warning("a damaged file of a ticket was mended from the copy", extra={"object": str(laid.name)})

    async def _lay(self, place: ObjectStore, laid: Laid, data: bytes) -> None:
        """Over whatever lies there: the bytes were proved just now."""
        await place.replace(laid.path, data)
        if await self._sound(place, laid) is None:
            raise NotKept(laid.path)

    async def remove(self, path: str) -> None:
        """Gone from every place. Raises StoreAway."""
        for place in (self.store, self.copy):
            if place is not None:
                await place.delete(path)


@dataclass(frozen=True, slots=True)
class Look:
    """What was found of an object. whole: its sealed bytes, None when no place has them; broken: places without."""

    whole: bytes | None
    broken: tuple[ObjectStore, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    sealed: bytes
    plain: bytes


async def missing(place: ObjectStore, laid: Iterable[Laid]) -> list[str]:
    """What a place has not at its size, a sentence each. Raises StoreAway."""
    wrong: list[str] = []
    for one in laid:
        size, due = await place.size_of(one.path), one.sealed.sealed_bytes
        if size != due:
            wrong.append(f"attachment object {one.name} has {size or 'no'} bytes in {place.url}, not {due}: {one.path}")
    return wrong


def sealed_of(cipher: str, key_id: str, wrapped: bytes, sealed_bytes: int, sealed_sha256: str) -> SealedObject:
    """As columns have it."""
    return SealedObject(Cipher(cipher), WrappedKey(key_id, wrapped), sealed_bytes, sealed_sha256)
