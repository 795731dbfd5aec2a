"""Sealed files of a backup: written and read in one pass, whatever their size; whoever lacks the key reads nothing.

A plain header as JSON, then frames of at most FRAME_BYTES, each preceded by its length and sealed as a chunk of a
recording is (recordings.custody.sealed: place and end are part of the nonce, the header is bound to every frame). The
name in the header says which file of which backup it is, so that files cannot be swapped. An `open` file grows frame
by frame and has no last one: the log as it comes, which may end wherever the machine did.
"""

import base64
import hashlib
import os
import secrets
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Self

from cryptography.exceptions import InvalidTag
from pydantic import BaseModel, ConfigDict, ValidationError

from callcenter.backup.errors import BackupFailed, KeyMissing, Tampered
from recordings.custody.custody import Cipher
from recordings.custody.keys import KeyProvider, KeyUnknown, KeyWrong
from recordings.custody.sealed import FILE_KEY_BYTES, PREFIX_BYTES, TAG_BYTES, Chunks

MAGIC = b"\x89CCB1\r\n\x1a"
SUFFIX = ".ccb"
FRAME_BYTES = 1 << 20
LONGEST_HEADER = 4096
_LENGTH = struct.Struct("<I")


class Header(BaseModel):
    """The plain beginning of a file. name: `base/<stamp>/base.tar`, `wal/<segment>`."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")
    name: str
    cipher: str
    key_id: str
    wrapped_key: str
    nonce_prefix: str
    packed: bool
    open: bool


class Sealer:
    """Writes one sealed file. `close` seals the end; a file without it does not open. Blocking. Raises KeyMissing."""

    def __init__(
        self,
        file: BinaryIO,
        name: str,
        keys: KeyProvider,
        cipher: Cipher,
        *,
        packed: bool = True,
        open_end: bool = False,
    ) -> None:
        """packed: compress with zlib before sealing; not with an open end."""
        file_key, prefix = secrets.token_bytes(FILE_KEY_BYTES[cipher]), secrets.token_bytes(PREFIX_BYTES)
        try:
            wrapped = keys.wrap(keys.active, file_key)
        except KeyUnknown as error:
            raise KeyMissing(f"key {error} is not in the key file of the backups") from None
        header = Header(
            name=name,
            cipher=cipher.value,
            key_id=keys.active,
            wrapped_key=base64.b64encode(wrapped).decode(),
            nonce_prefix=base64.b64encode(prefix).decode(),
            packed=packed,
            open=open_end,
        )
        body = header.model_dump_json().encode()
        head = MAGIC + _LENGTH.pack(len(body)) + body
        self._chunks = Chunks(cipher, file_key, prefix, hashlib.sha256(head).digest())
        self._file, self._number, self._waiting = file, 0, bytearray()
        self._packer = zlib.compressobj(1) if packed else None
        file.write(head)

    def write(self, data: bytes) -> None:
        """More of the contents."""
        self._waiting += self._packer.compress(data) if self._packer else data
        while len(self._waiting) > FRAME_BYTES:
            self._frame(bytes(self._waiting[:FRAME_BYTES]), last=False)
            del self._waiting[:FRAME_BYTES]

    def add_frame(self, data: bytes) -> None:
        """One frame of an open file."""
        self._frame(data, last=False)

    def close(self) -> None:
        """Seal what waits as the last frame; the file itself stays open."""
        if self._packer:
            self._waiting += self._packer.flush()
        while len(self._waiting) > FRAME_BYTES:
            self._frame(bytes(self._waiting[:FRAME_BYTES]), last=False)
            del self._waiting[:FRAME_BYTES]
        self._frame(bytes(self._waiting), last=True)

    def _frame(self, plain: bytes, *, last: bool) -> None:
        sealed = self._chunks.seal(self._number, last, plain)
        self._file.write(_LENGTH.pack(len(sealed)) + sealed)
        self._number += 1


def read_header(path: Path) -> Header:
    """The header of a sealed file; needs no key. Raises Tampered."""
    with path.open("rb") as file:
        return _header(path, file)[0]


def _header(path: Path, file: BinaryIO) -> tuple[Header, bytes]:
    """The header, and what every frame is bound to."""
    fixed = file.read(len(MAGIC) + _LENGTH.size)
    if fixed[: len(MAGIC)] != MAGIC or len(fixed) < len(MAGIC) + _LENGTH.size:
        raise Tampered(f"{path} is not a sealed file of a backup")
    (length,) = _LENGTH.unpack(fixed[len(MAGIC) :])
    body = file.read(min(length, LONGEST_HEADER))
    try:
        return Header.model_validate_json(body), hashlib.sha256(fixed + body).digest()
    except ValidationError:
        raise Tampered(f"{path}: the header is damaged") from None


def unseal(path: Path, name: str, keys: KeyProvider) -> Iterator[bytes]:
    """The contents of the sealed file at `path`, which must be `name`, in pieces; of an open file its frames.

    Blocking. Raises Tampered, KeyMissing.
    """
    with path.open("rb") as file:
        header, bound = _header(path, file)
        if header.name != name:
            raise Tampered(f"{path} says that it is {header.name}: files were swapped")
        chunks = _opened(path, header, bound, keys)
        unpacker = zlib.decompressobj() if header.packed else None
        for frame in _frames(path, file, chunks, open_end=header.open):
            if unpacker is None:
                yield frame
                continue
            # A frame of zeros unpacks to a thousand times its size; not all of it at once.
            while piece := unpacker.decompress(frame, FRAME_BYTES):
                yield piece
                frame = unpacker.unconsumed_tail


def _opened(path: Path, header: Header, bound: bytes, keys: KeyProvider) -> Chunks:
    try:
        cipher, prefix = Cipher(header.cipher), base64.b64decode(header.nonce_prefix, validate=True)
        file_key = keys.unwrap(header.key_id, base64.b64decode(header.wrapped_key, validate=True))
    except KeyUnknown:
        raise KeyMissing(
            f"{path} was sealed under key {header.key_id}, which is not in the key file of the backups "
            f"(it has {', '.join(sorted(keys.key_ids()))}); bring that key back and name it by CALLCENTER_BACKUP_KEYS"
        ) from None
    except KeyWrong:
        raise Tampered(f"{path} does not open with key {header.key_id}; the file or the key was changed") from None
    except ValueError:
        raise Tampered(f"{path}: the header is damaged") from None
    if len(prefix) != PREFIX_BYTES or len(file_key) != FILE_KEY_BYTES[cipher]:
        raise Tampered(f"{path}: the header is damaged")
    return Chunks(cipher, file_key, prefix, bound)


def _frames(path: Path, file: BinaryIO, chunks: Chunks, *, open_end: bool) -> Iterator[bytes]:
    number, last = 0, False
    following = _sealed_frame(file)
    while following is not None:
        sealed, following = following, _sealed_frame(file)
        last = following is None and not open_end
        try:
            plain = chunks.open(number, last, sealed)
        except InvalidTag:
            if open_end and following is None:
                # The machine ended while this frame was written; what was sealed before it counts.
                return
            raise Tampered(f"{path}: frame {number} does not open; it was changed or cut") from None
        yield plain
        number += 1
    if not last and not open_end:
        raise Tampered(f"{path} is cut")


def _sealed_frame(file: BinaryIO) -> bytes | None:
    """The next frame; empty, which does not open, when it is not as long as it says. None: the end."""
    head = file.read(_LENGTH.size)
    if not head:
        return None
    (length,) = _LENGTH.unpack(head) if len(head) == _LENGTH.size else (0,)
    sealed = file.read(length) if length <= FRAME_BYTES + TAG_BYTES else b""
    return sealed if len(sealed) == length else b""


class SealedDraft:
    """A sealed file on its way: durable, and at its place in one step, when the block ends well; else not there."""

    def __init__(self, path: Path, name: str, keys: KeyProvider, cipher: Cipher, *, packed: bool = True) -> None:
        self._path, self._draft = path, path.with_name(path.name + ".making")
        self._file = self._draft.open("wb")
        self._sealer = Sealer(self._file, name, keys, cipher, packed=packed)
        self.write = self._sealer.write

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                self._sealer.close()
                self._file.flush()
                os.fsync(self._file.fileno())
        finally:
            self._file.close()
        if kind is None:
            self._draft.replace(self._path)
            sync_folder(self._path.parent)
        else:
            self._draft.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Makes the names in a folder durable. Raises BackupFailed."""
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        raise BackupFailed(f"{folder}: {error.strerror}") from error
    finally:
        os.close(fd)
