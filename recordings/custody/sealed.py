"""The sealed file: a header in plain, then chunks of 64 KiB, each encrypted and bound to its place. Seekable.

The STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár 2015): the nonce of a chunk is a random prefix of the
file, the chunk's number and whether it is the last, so that no chunk can be changed, moved, dropped or added, nor the
file be cut, unnoticed. The header is authenticated with every chunk. Described for others in docs/recording-format.md.
"""

import base64
import hashlib
import io
import secrets
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher as Primitive
from cryptography.hazmat.primitives.ciphers import algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from recordings.custody.custody import Cipher, Codec, WrappedKey
from recordings.custody.keys import KEY_ID, KeyProvider

if TYPE_CHECKING:
    # Not at run time: a sealed file is opened without any store.
    from recordings.custody.objects import Fetch

MAGIC = b"\x89CCR1\r\n\x1a"
CHUNK_BYTES = 64 * 1024
TAG_BYTES = 16
PREFIX_BYTES = 7
LONGEST_HEADER = 4096
MOST_CHUNKS = 1 << 32
"""The chunk's number has four bytes."""
FILE_KEY_BYTES = {Cipher.AES_256_GCM: 32, Cipher.SM4_GCM: 16}


class NotSealed(Exception):
    """This is not a sealed recording: it does not begin as one, its header is damaged, or it is cut inside it."""


class Damaged(Exception):
    """A chunk does not open: bytes were changed, moved or cut, or it is another file's key."""

    def __init__(self, name: UUID, chunk: int) -> None:
        super().__init__(f"recording {name}: chunk {chunk} does not open")
        self.name, self.chunk = name, chunk


class OtherFile(Exception):
    """The file says it is another recording than the one that was asked for: files were swapped."""


class Header(BaseModel):
    """The plain beginning of a file, as JSON. Nothing in it tells of a person or a call."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")
    name: str
    codec: str
    cipher: str
    chunk_bytes: int = Field(ge=1024, le=1 << 24)
    key_id: str = Field(pattern=f"^{KEY_ID}$")
    wrapped_key: str
    nonce_prefix: str


@dataclass(frozen=True, slots=True)
class Opened:
    """A header, parsed. `head_bytes`: where the first chunk begins. `bound`: what every chunk authenticates."""

    name: UUID
    codec: Codec
    cipher: Cipher
    chunk_bytes: int
    key: WrappedKey
    nonce_prefix: bytes
    head_bytes: int
    bound: bytes

    def chunks(self, sealed_bytes: int) -> int:
        """How many chunks a file of this size has."""
        return -(-(sealed_bytes - self.head_bytes) // (self.chunk_bytes + TAG_BYTES))

    def plain_bytes(self, sealed_bytes: int) -> int:
        """How long the contents of a file of this size are. Raises NotSealed for a size no file can have."""
        body = sealed_bytes - self.head_bytes
        plain = body - TAG_BYTES * self.chunks(sealed_bytes)
        if body < TAG_BYTES or plain < 0 or self.chunks(sealed_bytes) > MOST_CHUNKS:
            raise NotSealed("the file is cut inside its header or its first chunk, or longer than one can be")
        return plain


class Chunks:
    """Seals and opens single chunks of one file."""

    def __init__(self, cipher: Cipher, key: bytes, prefix: bytes, bound: bytes) -> None:
        self._aes = AESGCM(key) if cipher is Cipher.AES_256_GCM else None
        self._key, self._prefix, self._bound = key, prefix, bound

    def seal(self, number: int, last: bool, plain: bytes) -> bytes:
        nonce = self._nonce(number, last)
        if self._aes:
            return self._aes.encrypt(nonce, plain, self._bound)
        sealing = Primitive(algorithms.SM4(self._key), modes.GCM(nonce)).encryptor()
        sealing.authenticate_additional_data(self._bound)
        return sealing.update(plain) + sealing.finalize() + sealing.tag

    def open(self, number: int, last: bool, sealed: bytes) -> bytes:
        """Raises InvalidTag."""
        nonce = self._nonce(number, last)
        if len(sealed) < TAG_BYTES:
            raise InvalidTag
        if self._aes:
            return self._aes.decrypt(nonce, sealed, self._bound)
        opening = Primitive(algorithms.SM4(self._key), modes.GCM(nonce, sealed[-TAG_BYTES:])).decryptor()
        opening.authenticate_additional_data(self._bound)
        return opening.update(sealed[:-TAG_BYTES]) + opening.finalize()

    def _nonce(self, number: int, last: bool) -> bytes:
        return self._prefix + struct.pack(">IB", number, last)


def seal(
    plain: BinaryIO, name: UUID, codec: Codec, cipher: Cipher, keys: KeyProvider, *, key_id: str | None = None
) -> tuple[bytes, WrappedKey]:
    """The sealed file of what `plain` holds from where it stands, and its key, wrapped by `key_id` or the active one.

    Blocking. Raises KeyUnknown.
    """
    file_key = secrets.token_bytes(FILE_KEY_BYTES[cipher])
    # Asked once: the active key may change between two questions.
    wrapping = key_id or keys.active
    key = WrappedKey(wrapping, keys.wrap(wrapping, file_key))
    return seal_with(plain, name, codec, cipher, key, file_key, secrets.token_bytes(PREFIX_BYTES)), key


def seal_with(
    plain: BinaryIO, name: UUID, codec: Codec, cipher: Cipher, key: WrappedKey, file_key: bytes, prefix: bytes
) -> bytes:
    """The sealed file under a given key and prefix, of which every file must have its own. Blocking.

    Use `seal`; this one is for test vectors, which need nothing left to chance.
    """
    head = _head(name, codec, cipher, key, prefix)
    chunks = Chunks(cipher, file_key, prefix, hashlib.sha256(head).digest())
    out = io.BytesIO()
    out.write(head)
    for number, block, last in _blocks(plain):
        out.write(chunks.seal(number, last, block))
    return out.getvalue()


def _head(name: UUID, codec: Codec, cipher: Cipher, key: WrappedKey, prefix: bytes) -> bytes:
    header = Header(
        name=str(name),
        codec=codec.value,
        cipher=cipher.value,
        chunk_bytes=CHUNK_BYTES,
        key_id=key.key_id,
        wrapped_key=base64.b64encode(key.wrapped).decode(),
        nonce_prefix=base64.b64encode(prefix).decode(),
    )
    body = header.model_dump_json().encode()
    return MAGIC + struct.pack("<I", len(body)) + body


def _blocks(plain: BinaryIO) -> Iterator[tuple[int, bytes, bool]]:
    """Number, contents and whether it is the last; an empty file has one empty chunk."""
    number, block = 0, plain.read(CHUNK_BYTES)
    while True:
        following = plain.read(CHUNK_BYTES) if len(block) == CHUNK_BYTES else b""
        yield number, block, not following
        if not following:
            return
        number, block = number + 1, following


def read_header(beginning: bytes) -> Opened:
    """The header at the beginning of a file (its first LONGEST_HEADER bytes do). Raises NotSealed."""
    fixed = len(MAGIC) + 4
    if beginning[: len(MAGIC)] != MAGIC or len(beginning) < fixed:
        raise NotSealed("the file does not begin as a sealed recording does")
    (length,) = struct.unpack("<I", beginning[len(MAGIC) : fixed])
    if length > LONGEST_HEADER - fixed or len(beginning) < fixed + length:
        raise NotSealed("the header is longer than the file, or than a header can be")
    try:
        said = Header.model_validate_json(beginning[fixed : fixed + length])
        return Opened(
            name=_name(said.name),
            codec=Codec(said.codec),
            cipher=Cipher(said.cipher),
            chunk_bytes=said.chunk_bytes,
            key=WrappedKey(said.key_id, base64.b64decode(said.wrapped_key, validate=True)),
            nonce_prefix=_prefix(said.nonce_prefix),
            head_bytes=fixed + length,
            bound=hashlib.sha256(beginning[: fixed + length]).digest(),
        )
    except (ValidationError, ValueError) as error:
        raise NotSealed(f"the header is damaged ({str(error).splitlines()[0]})") from None


def _name(text: str) -> UUID:
    name = UUID(text)
    if str(name) != text:
        raise ValueError("name not in its usual form")
    return name


def _prefix(text: str) -> bytes:
    prefix = base64.b64decode(text, validate=True)
    if len(prefix) != PREFIX_BYTES:
        raise ValueError("nonce prefix of the wrong length")
    return prefix


class SealedFile(io.RawIOBase):
    """The contents of a sealed file, readable and seekable; only chunks that are asked for are fetched. Blocking.

    key: the file's key as a rotation has wrapped it anew; None: the one in the header. name: which recording it must
    be. Raises NotSealed, OtherFile, Damaged (the last chunk is opened at once, so that a cut file is noticed),
    KeyUnknown, KeyWrong, and what `fetch` raises.
    """

    def __init__(
        self,
        fetch: "Fetch",
        sealed_bytes: int,
        keys: KeyProvider,
        *,
        name: UUID | None = None,
        key: WrappedKey | None = None,
    ) -> None:
        self.head = read_header(fetch(0, min(LONGEST_HEADER, sealed_bytes)))
        if name is not None and self.head.name != name:
            raise OtherFile(f"asked for {name}, found {self.head.name}")
        wrapped = key or self.head.key
        file_key = keys.unwrap(wrapped.key_id, wrapped.wrapped)
        if len(file_key) != FILE_KEY_BYTES[self.head.cipher]:
            raise NotSealed("the file's key is not one of its cipher")
        self._chunks = Chunks(self.head.cipher, file_key, self.head.nonce_prefix, self.head.bound)
        self._fetch = fetch
        self._sealed_bytes = sealed_bytes
        self.size_bytes = self.head.plain_bytes(sealed_bytes)
        self._last = self.head.chunks(sealed_bytes) - 1
        self._at = 0
        self._held = (-1, b"")
        self._chunk(self._last)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size_bytes}.get(whence)
        if base is None or base + offset < 0:
            raise ValueError("before the beginning of the file, or no such way to seek")
        self._at = base + offset
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what RawIOBase gives is writable
        """At most to the end of a chunk, as a raw file may; wrap in io.BufferedReader to read across."""
        if self._at >= self.size_bytes:
            return 0
        number, inside = divmod(self._at, self.head.chunk_bytes)
        piece = self._chunk(number)[inside : inside + len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def _chunk(self, number: int) -> bytes:
        if self._held[0] != number:
            whole = self.head.chunk_bytes + TAG_BYTES
            start = self.head.head_bytes + number * whole
            sealed = self._fetch(start, min(whole, self._sealed_bytes - start))
            try:
                self._held = (number, self._chunks.open(number, number == self._last, sealed))
            except InvalidTag:
                raise Damaged(self.head.name, number) from None
        return self._held[1]
