"""One bag in one file: an uncompressed tar that is the same for the same folder, and is unpacked with suspicion.

Uncompressed, so that a sealed recording lies in it as it lies in the store and is played from where it is.
"""

import os
import re
import stat
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from callcenter.archive.bags import BLOCK_BYTES

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}(?:/[A-Za-z0-9][A-Za-z0-9._-]{0,120}){0,6}")
"""Names of ours; none begins with a dot, so there is no way up and nothing hidden."""
GIB = 1024**3


class PackageUnsafe(Exception):
    """The file is not a plain tar of one folder with plain files: this product did not make it so."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a package may hold; a ticket's is some ten files and as many bytes as its recordings."""

    files: int = 20_000
    file_bytes: int = 8 * GIB - 1
    total_bytes: int = 32 * GIB


USUAL = Limits()


@dataclass(frozen=True, slots=True)
class Member:
    """One file inside: its name without the folder's, and where its bytes are."""

    name: str
    offset: int
    size_bytes: int


def pack(folder: Path, target: Path) -> None:
    """Write `folder` as a tar at `target`, whole and durably or not at all. Blocking.

    Names in order, time 0, owner 0, so that equal folders are equal files.
    """
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name}.part")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for path in sorted(one for one in folder.rglob("*") if one.is_file()):
                _add(tar, path, f"{folder.name}/{path.relative_to(folder).as_posix()}")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(target)
    flush_folders(target)


def _add(tar: tarfile.TarFile, path: Path, name: str) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = path.stat().st_size, 0o600
    with path.open("rb") as file:
        tar.addfile(member, file)


def flush_folders(path: Path, levels: int = 4) -> None:
    """The entries of a file and of the folders made for it survive the power going out. Blocking."""
    for parent in list(path.parents)[:levels]:
        fd = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A plain file, not through a link. Raises PackageUnsafe."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise PackageUnsafe(f"{path.name} cannot be opened: {error.strerror}") from None
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise PackageUnsafe(f"{path.name} is not a plain file")
    with os.fdopen(fd, "rb") as file:
        yield file


def members(file: BinaryIO, limits: Limits = USUAL) -> tuple[str, tuple[Member, ...]]:
    """The one folder inside and its files, read from the headers alone. Blocking. Raises PackageUnsafe."""
    room = file.seek(0, os.SEEK_END)
    if room > limits.total_bytes:
        raise PackageUnsafe("more bytes than a package may hold")
    file.seek(0)
    found: dict[str, Member] = {}
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            for info in tar:
                if info.isdir():
                    continue
                found[info.name] = _checked(info, found, room, limits)
    except (tarfile.TarError, UnicodeError, ValueError, EOFError) as error:
        raise PackageUnsafe(f"not a tar that can be read ({error})") from None
    folders = {name.partition("/")[0] for name in found}
    if len(folders) != 1 or any("/" not in name for name in found):
        raise PackageUnsafe("a package holds exactly one folder")
    [folder] = folders
    inner = (Member(name.partition("/")[2], one.offset, one.size_bytes) for name, one in found.items())
    return folder, tuple(inner)


def _checked(info: tarfile.TarInfo, found: dict[str, Member], room: int, limits: Limits) -> Member:
    if not info.isreg() or info.issparse() or info.linkname:
        raise PackageUnsafe(f"{info.name[:120]!r} is a link, a device or a file with holes, not a plain file")
    if not SAFE_NAME.fullmatch(info.name):
        raise PackageUnsafe(f"{info.name[:120]!r} is not a name a package can have")
    if info.name in found:
        raise PackageUnsafe(f"{info.name} is in it twice")
    # What a header says it holds must be there: sizes that are only claimed would fill the disk of who unpacks them.
    if info.offset_data + info.size > room or info.size > limits.file_bytes:
        raise PackageUnsafe(f"{info.name} is larger than the file it is in, or than a package may hold")
    if len(found) >= limits.files:
        raise PackageUnsafe("more files than a package may hold")
    return Member(info.name, info.offset_data, info.size)


def unpack(path: Path, into: Path, limits: Limits = USUAL) -> Path:
    """The bag of a tar, as plain files under the empty folder `into`; its own folder. Raises PackageUnsafe."""
    with opened(path) as file:
        folder, inside = members(file, limits)
        for one in inside:
            try:
                _copy(file, one, into / folder / one.name)
            except (FileExistsError, IsADirectoryError, NotADirectoryError):
                raise PackageUnsafe(f"{one.name} is a file and a folder") from None
    return into / folder


def _copy(file: BinaryIO, one: Member, target: Path) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    left = one.size_bytes
    file.seek(one.offset)
    with target.open("xb") as out:
        while left and (block := file.read(min(BLOCK_BYTES, left))):
            out.write(block)
            left -= len(block)
    if left:
        raise PackageUnsafe(f"{one.name} is cut off")


def in_bag(folder: Path, limits: Limits = USUAL) -> None:
    """That an unpacked bag holds only plain files with plain names. Blocking. Raises PackageUnsafe."""
    count = total = 0
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_dir() or path.is_file()) or not SAFE_NAME.fullmatch(name):
            raise PackageUnsafe(f"{name[:120]!r} is not a plain file with a plain name")
        if path.is_file():
            count, total = count + 1, total + path.stat().st_size
    if count > limits.files or total > limits.total_bytes:
        raise PackageUnsafe("more files, or more bytes, than a package may hold")
