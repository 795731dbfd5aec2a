"""Opening sealed files without the product: with the key file and the file alone, no database, no settings.

Records must outlive what made them. docs/recording-format.md describes the same for other languages.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from recordings.custody.custody import Codec, WrappedKey
from recordings.custody.keys import KeyProvider, KeyUnknown, KeyWrong
from recordings.custody.sealed import (
    LONGEST_HEADER,
    Damaged,
    NotSealed,
    Opened,
    OtherFile,
    SealedFile,
    read_header,
)
from recordings.custody.sidecar import FOLDER, LONGEST, SidecarWrong, read_sidecar

ENDINGS = {Codec.FLAC: ".flac", Codec.OPUS: ".opus", Codec.RAW: ".bin"}


class NotOpened(Exception):
    """This sealed file could not be decrypted; the message says why. Nothing of it was left behind."""


@dataclass(frozen=True, slots=True)
class Inspected:
    """What a sealed file says of itself without any key. Not proved: that takes the key."""

    header: Opened
    sealed_bytes: int
    plain_bytes: int
    beside: tuple[str, ...]
    """Master keys under which its key lies beside it."""


def inspect(path: Path) -> Inspected:
    """Raises NotOpened."""
    try:
        with path.open("rb") as file:
            header = read_header(file.read(LONGEST_HEADER))
        size = path.stat().st_size
        return Inspected(header, size, header.plain_bytes(size), tuple(key.key_id for key in _beside(path, header)))
    except OSError as error:
        raise NotOpened(f"{path}: cannot be read ({error.strerror})") from None
    except NotSealed as error:
        raise NotOpened(f"{path}: {error}") from None


def decrypt(path: Path, keys: KeyProvider, out: Path, wrapped: Path | None = None) -> Path:
    """The contents in a new file `<name>.<flac|opus|bin>` (0600) in `out`; every byte is proved before it is there.

    wrapped: the file's key wrapped anew; else the header's, then those beside the file. Blocking. Raises NotOpened.
    """
    found = inspect(path)
    target = out / f"{found.header.name}{ENDINGS[found.header.codec]}"
    draft = target.with_name(target.name + ".part")
    if target.exists():
        raise NotOpened(f"{path}: {target} is there already; move it away or choose another folder")
    try:
        with path.open("rb") as file, _opened(path, found, keys, wrapped, file.fileno()) as sealed:
            _write(draft, sealed)
        draft.rename(target)
    except OSError as error:
        raise NotOpened(f"{path}: {error.strerror} ({error.filename or out})") from None
    except Damaged as error:
        raise NotOpened(f"{path}: damaged or cut: {error}; take the copy of this object from the other store") from None
    except (NotSealed, OtherFile) as error:
        raise NotOpened(f"{path}: {error}") from None
    finally:
        draft.unlink(missing_ok=True)
    return target


def _opened(path: Path, found: Inspected, keys: KeyProvider, wrapped: Path | None, fd: int) -> SealedFile:
    """Raises NotOpened when no key at hand fits."""

    def fetch(start: int, length: int) -> bytes:
        return os.pread(fd, length, start)

    choices = _chosen(wrapped, found.header) if wrapped else [found.header.key, *_beside(path, found.header)]
    wrong: list[str] = []
    for key in choices:
        try:
            return SealedFile(fetch, found.sealed_bytes, keys, key=key)
        except KeyUnknown:
            wrong.append(f"needs master key {key.key_id}, which is not in the key file")
        except KeyWrong:
            wrong.append(f"master key {key.key_id} of the key file does not open it: another key, or it is damaged")
    raise NotOpened(f"{path}: {'; or '.join(wrong)}")


def _chosen(wrapped: Path, header: Opened) -> list[WrappedKey]:
    try:
        return [read_sidecar(wrapped.read_bytes()[: LONGEST + 1], header.name)]
    except OSError as error:
        raise NotOpened(f"{wrapped}: cannot be read ({error.strerror})") from None
    except SidecarWrong as error:
        raise NotOpened(f"{wrapped}: {error}") from None


def _beside(path: Path, header: Opened) -> list[WrappedKey]:
    """Keys that rotations left beside the file; what is not one of them is passed over."""
    folder = path.with_name(path.name + FOLDER.rstrip("/"))
    found: list[WrappedKey] = []
    for one in sorted(folder.iterdir()) if folder.is_dir() else ():
        try:
            found.append(read_sidecar(one.read_bytes()[: LONGEST + 1], header.name))
        except (OSError, SidecarWrong):
            continue
    return found


def _write(draft: Path, sealed: SealedFile) -> None:
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        while piece := sealed.read(sealed.head.chunk_bytes):
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
