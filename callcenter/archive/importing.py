"""Packages brought in from outside: verified first, copied into the archive's folder, listed beside our own.

An imported package is read, not lived in: it makes no ticket, call or recording of this system, whose numbers, chains
and guards are about what happened here. It is found by ticket, number and week, and its recordings play from the file.
"""

import asyncio
import os
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import metrics
from callcenter.archive import bags, checking, store, tars
from callcenter.archive.bags import BagWrong
from callcenter.archive.checking import PackageWrong, TicketPaper, Verified, WeekPaper, recording_paper
from callcenter.archive.reading import Reader
from callcenter.archive.tables import archived_package, archived_week
from callcenter.archive.tars import PackageUnsafe
from callcenter.audit import Audited, note
from callcenter.db import Database
from callcenter.types import Actor
from ticketing.aftercare.archive_numbers import Week


class KeyNotTrusted(Exception):
    """Nobody here has vouched for the key that signed this package; compare its fingerprint, then trust it by name."""

    def __init__(self, key: str) -> None:
        super().__init__(f"signed by key {key}, which is not trusted here")
        self.key = key


class PackageConflict(Exception):
    """Another package of this ticket's round, signed by the same key, is here; one of them is not the record."""


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of one file. new False: this very file was here already."""

    name: str
    verified: Verified
    new: bool


@dataclass(frozen=True, slots=True)
class Importer:
    """folder: the archive's. trusted: public keys (PEM); trust_new: take any key, which the audit will tell."""

    database: Database
    folder: Path
    trusted: Sequence[bytes]
    trust_new: bool
    actor: Actor

    async def take(self, path: Path, now: datetime) -> Imported:
        """Import one package or index. A refusal is put on record.

        Raises PackageUnsafe, BagWrong, PackageWrong, KeyNotTrusted, PackageConflict.
        """
        draft = self.folder / ".incoming" / f"{os.getpid()}-{secrets.token_hex(8)}.tar"
        try:
            # Copied before it is verified: what is kept is what was looked at, whatever becomes of the source.
            await asyncio.to_thread(_copy, path, draft)
            verified = await asyncio.to_thread(self._verified, draft)
            return await self._keep(draft, verified, now)
        except (PackageUnsafe, BagWrong, PackageWrong, KeyNotTrusted, PackageConflict) as error:
            metrics.ARCHIVE_PACKAGES.labels("refused").inc()
            async with self.database.transaction() as tx:
                why: dict[str, Any] = {"why": f"{type(error).__name__}: {error}"[:500]}
                await note(tx, Audited(self.actor, "archive.import", f"file:{path.name[:120]}", ok=False, detail=why))
            raise
        finally:
            draft.unlink(missing_ok=True)

    def _verified(self, path: Path) -> Verified:
        verified = checking.verify(path)
        known = {bags.fingerprint(one) for one in self.trusted}
        if verified.key not in known and not self.trust_new:
            raise KeyNotTrusted(verified.key)
        return verified

    async def _keep(self, draft: Path, verified: Verified, now: datetime) -> Imported:
        sha256 = await asyncio.to_thread(bags.sha256_of, draft)
        table = archived_package if isinstance(verified.paper, TicketPaper) else archived_week
        async with self.database.transaction() as tx:
            if await store.by_sha256(tx, table, sha256) is not None:
                return Imported(verified.name, verified, new=False)
        where = f"imported/{verified.key[:16]}/{verified.paper.week}/{verified.name}.tar"
        await asyncio.to_thread(_place, draft, self.folder / where, sha256)
        async with self.database.transaction() as tx:
            new = await self._write(tx, verified, where, sha256, now)
            detail: dict[str, Any] = {"sha256": sha256, "key": verified.key, "new": new}
            await note(tx, Audited(self.actor, "archive.import", f"package:{verified.name}", detail=detail))
        metrics.ARCHIVE_PACKAGES.labels("imported").inc()
        return Imported(verified.name, verified, new=new)

    async def _write(self, tx: AsyncConnection, verified: Verified, where: str, sha256: str, now: datetime) -> bool:
        week = week_from(verified.paper.week)
        values: dict[str, Any] = {
            "source": "imported",
            "iso_year": week.iso_year,
            "iso_week": week.iso_week,
            "path": where,
            "sha256": sha256,
            "size_bytes": (self.folder / where).stat().st_size,
            "key": verified.key,
            "made_at": now,
            "imported_at": now,
            "imported_by": str(self.actor),
        }
        if isinstance(verified.paper, WeekPaper):
            paper = verified.paper
            numbers = {"part": paper.part, "packages": len(paper.packages), "last": paper.last}
            return await store.keep_week(tx, values | numbers, ()) is not None
        values |= _package_values(verified.paper, verified.files)
        return await store.keep_package(tx, values, await asyncio.to_thread(_copies, self.folder / where)) is not None


def week_from(text: str) -> Week:
    """`2026-W24` as a week; a paper that verified has this form."""
    year, _, week = text.partition("-W")
    return Week(int(year), int(week))


def _package_values(paper: TicketPaper, files: int) -> dict[str, Any]:
    return {
        "ticket_id": paper.ticket_id,
        "round": paper.round,
        "number": paper.number,
        "archived_at": datetime.fromisoformat(paper.archived_at).astimezone(UTC),
        "files": files,
        "last_hash": paper.last_hash,
        "secret": paper.secret,
        "document": paper.summary,
    }


def _copies(path: Path) -> list[dict[str, Any]]:
    """The recordings the package has."""
    with Reader(path) as reader:
        told = {name: recording_paper(reader.read(f"recordings/{name}.json")) for name in reader.recordings}
    return [
        {"name": name, "sealed_bytes": one.sealed_bytes, "sealed_sha256": one.sealed_sha256}
        for name, one in told.items()
    ]


def _copy(source: Path, draft: Path) -> None:
    """A plain file, and no more of it than a package may have; durably."""
    draft.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (
        tars.opened(source) as file,
        os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out,
    ):
        if os.fstat(file.fileno()).st_size > tars.USUAL.total_bytes:
            raise PackageUnsafe(f"{source.name} is larger than a package may be")
        shutil.copyfileobj(file, out, bags.BLOCK_BYTES)
        out.flush()
        os.fsync(out.fileno())


def _place(draft: Path, target: Path, sha256: str) -> None:
    """The verified file under its name. Raises PackageConflict when that name is another file's."""
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if target.exists() and bags.sha256_of(target) != sha256:
        raise PackageConflict(f"{target.name} is here already and is another file")
    draft.replace(target)
    tars.flush_folders(target, levels=5)
