"""Packages and indexes are made here: a folder is filled, closed as a signed bag, checked as a stranger would check it,
and put into the archive's folder as one file, whole and durably. Blocking; call it in a thread.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from callcenter.archive import bags, checking, tars
from callcenter.archive.bags import BagWrong
from callcenter.archive.checking import PackageWrong, Verified
from callcenter.archive.gathering import Gathered, Sealed
from callcenter.archive.tars import PackageUnsafe
from callcenter.signing import Signer
from recordings.custody.ground import Ground
from recordings.custody.objects import NotThere, ObjectStore, StoreAway
from ticketing.aftercare.archive_numbers import Week
from ticketing.clocks import local_day


class RecordingDamaged(Exception):
    """Neither store has the recording or attachment as it was sealed; the package waits until it is repaired."""

    retryable = True


@dataclass(frozen=True, slots=True)
class Made:
    """A file of the archive. path: in the archive's folder. verified: what was found in it afterwards."""

    path: str
    sha256: str
    size_bytes: int
    verified: Verified


@dataclass(frozen=True, slots=True)
class Press:
    """folder: the archive's. organization: who the packages are from."""

    folder: Path
    signer: Signer
    organization: str

    def package(self, gathered: Gathered, custody: Ground, now: datetime) -> Made:
        """The package of a ticket's round. Raises RecordingDamaged, StoreAway; OSError when the disk is full."""
        identifiers = " ".join(part for part in (gathered.ticket, gathered.number) if part)
        info = self._info(identifiers, week_text(gathered.week), now)
        info["External-Description"] = f"Ticket {gathered.ticket}, round {gathered.round}, of a 12345 hotline"
        with self._staged(gathered.name) as staged:
            _fill(staged / bags.DATA, gathered.documents)
            for one in gathered.sealed:
                _copy(custody, one, staged / bags.DATA / one.target)
            return self._close(staged, info, place(gathered.week, gathered.name))

    def index(self, week: Week, name: str, document: bytes, now: datetime) -> Made:
        """The index of a week, or a supplement to it."""
        info = self._info(name, week_text(week), now)
        info["External-Description"] = "Index of the ticket packages of one week of a 12345 hotline"
        with self._staged(name) as staged:
            _fill(staged / bags.DATA, {"week.json": document})
            return self._close(staged, info, place(week, name))

    def _info(self, identifier: str, group: str, now: datetime) -> dict[str, str]:
        return {
            "Source-Organization": self.organization,
            "External-Identifier": identifier,
            "Bag-Group-Identifier": group,
            "Bagging-Date": local_day(now).isoformat(),
            "Bag-Software-Agent": "callcenter",
        }

    def _close(self, staged: Path, info: Mapping[str, str], path: str) -> Made:
        """The staged folder as a file of the archive; one that is there already and holds is left as it is."""
        target = self.folder / path
        found = self._already(target, staged.name)
        if found is None:
            bags.close_bag(staged, info, self.signer)
            found = checking.verify_folder(staged)
            tars.pack(staged, target)
        return Made(path, bags.sha256_of(target), target.stat().st_size, found)

    def _already(self, target: Path, name: str) -> Verified | None:
        """A file a worker finished just before it died: the row is missing, the file is not."""
        try:
            found = checking.verify(target, trusted=[self.signer.public_pem]) if target.is_file() else None
        except (BagWrong, PackageUnsafe, PackageWrong):
            return None
        return found if found and found.name == name else None

    @contextmanager
    def _staged(self, name: str) -> Iterator[Path]:
        making = self.folder / ".making"
        making.mkdir(mode=0o700, parents=True, exist_ok=True)
        # By process as well: a worker that lost its lease may still be at it when another begins.
        place_ = making / str(os.getpid())
        staged = place_ / name
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir(mode=0o700, parents=True)
        try:
            yield staged
        finally:
            shutil.rmtree(staged, ignore_errors=True)


def week_text(week: Week) -> str:
    """`2026-W24`."""
    return f"{week.iso_year}-W{week.iso_week:02d}"


def place(week: Week, name: str) -> str:
    """Where a file of this week lies: `2026/W24/<name>.tar`."""
    return f"{week.iso_year}/W{week.iso_week:02d}/{name}.tar"


def _fill(data: Path, documents: Mapping[str, bytes]) -> None:
    data.mkdir(mode=0o700)
    for name, written in documents.items():
        if not tars.SAFE_NAME.fullmatch(name):
            raise PackageUnsafe(f"{name!r} is not a name a package can have")
        path = data / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_bytes(written)


def _copy(custody: Ground, one: Sealed, target: Path) -> None:
    """The object byte for byte; from the copy when the store's is another. Raises RecordingDamaged, StoreAway."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    away: StoreAway | None = None
    for store in (custody.store, custody.copy):
        try:
            if store is not None and _copied(store, one, target):
                return
        except NotThere:
            continue
        except StoreAway as error:
            away = error
    raise away or RecordingDamaged(f"{one.name}: not in a store as it was sealed")


def _copied(store: ObjectStore, one: Sealed, target: Path) -> bool:
    fetch, digest, at = store.fetch(one.path), hashlib.sha256(), 0
    with target.open("wb") as out:
        while at < one.size_bytes:
            block = fetch(at, min(bags.BLOCK_BYTES, one.size_bytes - at))
            if not block:
                break
            out.write(block)
            digest.update(block)
            at += len(block)
    return digest.hexdigest() == one.sha256
