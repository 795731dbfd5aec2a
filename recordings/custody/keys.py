"""Master keys: they wrap the key of every recording, are named, and never leave their provider.

The port has the shape of PKCS#11 (C_WrapKey, C_UnwrapKey), so that a hardware module or a password machine (密码机)
can stand behind it. Shipped is a provider that reads a key file: one line a key, `<key id> <aes-256|sm4> <hex>`; the
last line is the active key, those before it only unwrap.
"""

import fcntl
import hashlib
import logging
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap

log = logging.getLogger(__name__)

NONCE_BYTES, TAG_BYTES = 12, 16
KEY_ID = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
"""What a key may be called: its name becomes part of a path in the store."""
_LINE = re.compile(rf"(?P<id>{KEY_ID}) (?P<kind>aes-256|sm4) (?P<hex>[0-9a-f]+)")
LONGEST_FILE = 64 * 1024


class KeyFileWrong(Exception):
    """The file of master keys is missing, readable by others, or damaged; nothing is sealed or opened without it."""


class KeyUnknown(LookupError):
    """No master key of this name here: the file was sealed under a key that this provider does not hold."""


class KeyWrong(Exception):
    """The master key does not unwrap this file's key: it is not the key it claims to be, or the file is damaged."""


class KeysAway(Exception):
    """The provider of the master keys does not answer (a hardware module that is off, say); tried again later."""

    retryable = True


class Kind(StrEnum):
    """What a master key is for."""

    AES_256 = "aes-256"
    """Wraps by AES Key Wrap (RFC 3394)."""
    SM4 = "sm4"
    """Wraps by SM4-GCM under a random nonce (GB/T 32907, GB/T 36624)."""


KEY_BYTES = {Kind.AES_256: 32, Kind.SM4: 16}


class KeyProvider(Protocol):
    """Who holds the master keys. Blocking; call it in a thread. Each may raise KeysAway."""

    @property
    def active(self) -> str:
        """The key that wraps new files."""

    def key_ids(self) -> frozenset[str]:
        """Every key it holds."""

    def wrap(self, key_id: str, file_key: bytes) -> bytes:
        """Raises KeyUnknown."""

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        """Raises KeyUnknown, KeyWrong."""


@dataclass(frozen=True, slots=True)
class MasterKey:
    """One key of a key file."""

    id: str
    kind: Kind
    secret: bytes = field(repr=False)

    @property
    def check(self) -> str:
        """Eight digits to tell keys of one name apart; they say nothing of the key itself."""
        return hashlib.sha256(b"callcenter master key\0" + self.id.encode() + b"\0" + self.secret).hexdigest()[:8]

    def line(self) -> str:
        """As it stands in the file."""
        return f"{self.id} {self.kind} {self.secret.hex()}"


class FileKeys:
    """The keys of a file. Raises KeyFileWrong for none, for two of one name, and for one of the wrong length."""

    def __init__(self, keys: tuple[MasterKey, ...], source: Path | None = None) -> None:
        self._held = _checked(keys)
        self._source = source
        self._stamp = _stamp(source)

    def __repr__(self) -> str:
        return f"FileKeys({', '.join(self._held)})"

    @classmethod
    def load(cls, path: Path) -> "FileKeys":
        """The keys of the file at `path`, which only its owner may read; read again whenever it is replaced.

        Raises KeyFileWrong. Later, a file that has become wrong or is gone leaves the keys as they were.
        """
        return cls(read_key_file(path), path)

    @property
    def active(self) -> str:
        return list(self._now())[-1]

    def key_ids(self) -> frozenset[str]:
        return frozenset(self._now())

    def wrap(self, key_id: str, file_key: bytes) -> bytes:
        key = self._key(key_id)
        if key.kind is Kind.AES_256:
            return aes_key_wrap(key.secret, file_key)
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealing = Cipher(algorithms.SM4(key.secret), modes.GCM(nonce)).encryptor()
        sealing.authenticate_additional_data(key_id.encode())
        return nonce + sealing.update(file_key) + sealing.finalize() + sealing.tag

    def unwrap(self, key_id: str, wrapped: bytes) -> bytes:
        key = self._key(key_id)
        try:
            if key.kind is Kind.AES_256:
                return aes_key_unwrap(key.secret, wrapped)
            if len(wrapped) < NONCE_BYTES + TAG_BYTES:
                raise KeyWrong(key_id)
            nonce, body, tag = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:-TAG_BYTES], wrapped[-TAG_BYTES:]
            opening = Cipher(algorithms.SM4(key.secret), modes.GCM(nonce, tag)).decryptor()
            opening.authenticate_additional_data(key_id.encode())
            return opening.update(body) + opening.finalize()
        except (InvalidUnwrap, InvalidTag, ValueError):
            raise KeyWrong(key_id) from None

    def _key(self, key_id: str) -> MasterKey:
        try:
            return self._now()[key_id]
        except KeyError:
            raise KeyUnknown(key_id) from None

    def _now(self) -> dict[str, MasterKey]:
        # A rotation must not wait for a restart: a process that went on under the old key would outlive it.
        stamp = _stamp(self._source)
        if self._source is not None and stamp is not None and stamp != self._stamp:
            self._stamp = stamp
            try:
                self._held = _checked(read_key_file(self._source))
            except KeyFileWrong as error:
                log.warning("key file is wrong; the keys stay as they were", extra={"error": str(error)})
        return self._held


def _checked(keys: tuple[MasterKey, ...]) -> dict[str, MasterKey]:
    held = {key.id: key for key in keys}
    if not keys or len(held) != len(keys):
        raise KeyFileWrong("a key file needs at least one key, and each name once")
    for key in keys:
        if len(key.secret) != KEY_BYTES[key.kind]:
            raise KeyFileWrong(f"key {key.id}: {key.kind} has {KEY_BYTES[key.kind]} bytes, not {len(key.secret)}")
    return held


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    try:
        found = path.stat() if path else None
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns, found.st_size) if found else None


def read_key_file(path: Path) -> tuple[MasterKey, ...]:
    """The keys in the file at `path`, the active one last. A link is followed. Raises KeyFileWrong."""
    try:
        with path.open("rb") as file:
            # Of the open file, not of the name: what is checked is what is read.
            if os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise KeyFileWrong(f"{path}: others may read the master keys; run chmod 600 on it")
            content = file.read(LONGEST_FILE + 1)
    except OSError as error:
        raise KeyFileWrong(f"{path}: the master keys cannot be read ({error.strerror})") from None
    if len(content) > LONGEST_FILE or not content.isascii():
        raise KeyFileWrong(f"{path}: not a key file")
    lines = enumerate((line.strip() for line in content.decode("ascii").splitlines()), 1)
    keys = tuple(_parsed(path, number, line) for number, line in lines if line and line[0] != "#")
    try:
        _checked(keys)
    except KeyFileWrong as wrong:
        raise KeyFileWrong(f"{path}: {wrong}") from None
    return keys


def _parsed(path: Path, number: int, line: str) -> MasterKey:
    # The line itself is never repeated: it holds the key.
    found = _LINE.fullmatch(line)
    if not found:
        raise KeyFileWrong(f"{path}, line {number}: not `<key id> <aes-256|sm4> <hex digits>`")
    try:
        return MasterKey(found["id"], Kind(found["kind"]), bytes.fromhex(found["hex"]))
    except ValueError:
        raise KeyFileWrong(f"{path}, line {number}: not a whole number of bytes") from None


def new_key(key_id: str, kind: Kind = Kind.AES_256) -> MasterKey:
    """A fresh random key. Raises KeyFileWrong for a name that a key file cannot have."""
    if not re.fullmatch(KEY_ID, key_id):
        raise KeyFileWrong(f"{key_id!r} is no name for a key: letters, digits, `.`, `_` and `-`, at most 64")
    return MasterKey(key_id, kind, secrets.token_bytes(KEY_BYTES[kind]))


WHOSE = "Master keys of the recordings. Whoever has this file can hear every recording."


def write_key_file(path: Path, keys: tuple[MasterKey, ...], *, whose: str = WHOSE) -> None:
    """Writes a key file (0600), replacing it in one step and durably; the keys are checked first.

    whose: its first line, for the person who finds it. Raises KeyFileWrong, also when it cannot be written.
    """
    _checked(keys)
    path = path.resolve()
    draft = path.with_name(path.name + ".new")
    try:
        draft.unlink(missing_ok=True)
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(f"# {whose}\n")
            file.write("".join(f"{key.line()}\n" for key in keys))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        with _open_folder(path.parent) as folder:
            os.fsync(folder)
    except OSError as error:
        raise KeyFileWrong(f"{path}: the master keys cannot be written ({error.strerror})") from None


def change_key_file(path: Path, change: Callable[[tuple[MasterKey, ...]], tuple[MasterKey, ...]]) -> None:
    """Reads, changes and writes the file at `path`; two changes at once follow each other. Raises KeyFileWrong."""
    if not path.exists():
        raise KeyFileWrong(f"{path}: no such file")
    with _open_folder(path.resolve().parent) as folder:
        # The folder, because the file itself is replaced.
        fcntl.flock(folder, fcntl.LOCK_EX)
        write_key_file(path, change(read_key_file(path)))


@contextmanager
def _open_folder(folder: Path) -> Iterator[int]:
    fd = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)
