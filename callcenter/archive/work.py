"""The worker's part of the archive: packages after archiving, an index after every week."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from callcenter import jobs, metrics
from callcenter.archive import store, weeks
from callcenter.archive.bags import BagWrong
from callcenter.archive.checking import PackageWrong, TicketPaper, WeekPaper
from callcenter.archive.gathering import Gathered, gather
from callcenter.archive.orders import PACKAGE_JOB
from callcenter.archive.press import Made, Press, RecordingDamaged, place, week_text
from callcenter.archive.weeks import NumberingBroken
from callcenter.audit import Audited, note
from callcenter.db import Database
from callcenter.job import Job, RetryPolicy
from callcenter.signing import Signer
from callcenter.types import TicketId, system
from recordings.custody.ground import Ground
from ticketing.aftercare.archive_numbers import Week
from ticketing.policy import Rules

if TYPE_CHECKING:
    from callcenter.app import App

log = logging.getLogger(__name__)

ARCHIVE = system("archive")
WEEK_JOB = "archive.week"
POLICIES: Mapping[str, RetryPolicy] = {
    # Recordings may wait for a store that is being mended: a week, then a person looks.
    PACKAGE_JOB: RetryPolicy(max_tries=1_000, first_s=5.0, longest_s=600.0),
    WEEK_JOB: RetryPolicy(max_tries=20),
}
LATE_UNTIL = timedelta(days=400)
"""Packages that come later than this are not looked for by the sweep; `callcenter archive week` lists them."""


@dataclass
class ArchiveWork:
    """press None: no signing key is set; jobs wait in the queue until there is one."""

    database: Database
    rules: Rules
    custody: Ground
    press: Press | None

    def handlers(self) -> Mapping[str, jobs.Handler]:
        """Job kind -> handler."""
        return {PACKAGE_JOB: self.package, WEEK_JOB: self.week} if self.press else {}

    # ---- a ticket --------------------------------------------------------------------------------------------------

    async def package(self, job: Job) -> None:
        """`archive.package`: make the package of an archived round. Raises RecordingsNotStored and others to wait."""
        ticket_id, round_ = TicketId(str(job.payload["ticket"])), int(str(job.payload["round"]))
        try:
            await self.make(ticket_id, round_, datetime.now(UTC))
        except (RecordingDamaged, PackageWrong, BagWrong, OSError) as error:
            if job.tries == 1:
                await self._failed(PACKAGE_JOB, f"ticket:{ticket_id}", f"{type(error).__name__}: {error}")
            raise

    async def make(self, ticket_id: TicketId, round_: int, now: datetime) -> Made | None:
        """The package, once; None when it is there. Raises NotArchived, RecordingsNotStored, RecordingDamaged."""
        assert self.press is not None
        async with self.database.transaction() as tx:
            if await store.package_here(tx, ticket_id, round_) is not None:
                return None
            gathered = await gather(tx, self.rules, ticket_id, round_)
        made = await asyncio.to_thread(self.press.package, gathered, self.custody, now)
        async with self.database.transaction() as tx:
            id_ = await store.keep_package(tx, *_package_rows(made, gathered, now))
            if id_ is not None:
                detail: dict[str, Any] = {
                    "round": round_,
                    "number": gathered.number,
                    "path": made.path,
                    "sha256": made.sha256,
                }
                await note(tx, Audited(ARCHIVE, "archive.package", f"ticket:{ticket_id}", detail=detail))
        metrics.ARCHIVE_PACKAGES.labels("made").inc()
        return made

    # ---- a week ----------------------------------------------------------------------------------------------------

    async def week(self, job: Job) -> None:
        """`archive.week`: the index of a closed week, or a supplement. Raises NumberingBroken."""
        week = Week(int(str(job.payload["iso_year"])), int(str(job.payload["iso_week"])))
        await self.close_week(week, datetime.now(UTC))

    async def close_week(self, week: Week, now: datetime) -> Made | None:
        """The index, or the next supplement; None when there is nothing to list. Raises NumberingBroken."""
        assert self.press is not None
        try:
            async with self.database.transaction() as tx:
                index = await weeks.compose(tx, self.rules, week)
        except NumberingBroken as error:
            await self._failed("archive.week", f"week:{week_text(week)}", str(error))
            raise
        if index is None:
            return None
        made = await asyncio.to_thread(self.press.index, week, index.name, index.document, now)
        async with self.database.transaction() as tx:
            paper = made.verified.paper
            assert isinstance(paper, WeekPaper)
            files = [place(week, one.file.removesuffix(".tar")) for one in paper.packages if one.file]
            id_ = await store.keep_week(tx, _week_values(made, paper, week, now), await store.ids_of(tx, files))
            if id_ is not None:
                detail: dict[str, Any] = {
                    "part": paper.part,
                    "packages": len(paper.packages),
                    "last": paper.last,
                    "sha256": made.sha256,
                }
                await note(tx, Audited(ARCHIVE, "archive.week", f"week:{week_text(week)}", detail=detail))
        metrics.ARCHIVE_PACKAGES.labels("week").inc()
        return made

    async def sweep(self) -> None:
        """Sweep: closed weeks without an index, and packages that came late, a day later so that they come together."""
        if self.press is None:
            return
        now = datetime.now(UTC)
        async with self.database.transaction() as tx:
            for week in await store.weeks_to_list(tx, now - LATE_UNTIL, now):
                due = weeks.closes_at(week)
                if await store.parts_of(tx, week):
                    due = min([one.made_at for one in await store.unlisted(tx, week)]) + timedelta(days=1)
                if now >= due:
                    payload = {"iso_year": week.iso_year, "iso_week": week.iso_week}
                    await jobs.enqueue(tx, WEEK_JOB, payload, key=f"{WEEK_JOB}:{week_text(week)}")

    async def _failed(self, action: str, subject: str, why: str) -> None:
        """Written down in a transaction of its own: that of the deed is rolled back."""
        metrics.ARCHIVE_PACKAGES.labels("failed").inc()
        async with self.database.transaction() as tx:
            await note(tx, Audited(ARCHIVE, action, subject, ok=False, detail={"why": why[:500]}))


def _package_rows(made: Made, gathered: Gathered, now: datetime) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    paper = made.verified.paper
    assert isinstance(paper, TicketPaper)
    values = {
        **_file_values(made, gathered.week, now),
        "ticket_id": gathered.ticket,
        "round": gathered.round,
        "number": gathered.number or None,
        "archived_at": gathered.archived_at,
        "files": made.verified.files,
        "last_hash": paper.last_hash,
        "secret": paper.secret,
        "document": paper.summary,
    }
    held = {str(one.name): one for one in gathered.sealed}
    copies = [
        {"name": UUID(name), "sealed_bytes": held[name].size_bytes, "sealed_sha256": held[name].sha256}
        for name in paper.recordings
        if name in held
    ]
    return values, copies


def _week_values(made: Made, paper: WeekPaper, week: Week, now: datetime) -> dict[str, Any]:
    numbers = {"part": paper.part, "packages": len(paper.packages), "last": paper.last}
    return {**_file_values(made, week, now), **numbers}


def _file_values(made: Made, week: Week, now: datetime) -> dict[str, Any]:
    return {
        "source": "here",
        "iso_year": week.iso_year,
        "iso_week": week.iso_week,
        "path": made.path,
        "sha256": made.sha256,
        "size_bytes": made.size_bytes,
        "key": made.verified.key,
        "made_at": now,
    }


def register(worker: jobs.Worker, app: "App") -> None:
    """Before the worker runs. Raises SigningKeyWrong."""
    work = ArchiveWork(app.database, app.rules, app.custody, press_of(app))
    worker.handle(work.handlers(), POLICIES)
    worker.every(600, "archive.weeks", work.sweep)


def press_of(app: "App") -> Press | None:
    """Who makes packages; None while no signing key is set."""
    path = app.settings.signing_key
    if path is None:
        log.warning("no signing key is set: archived tickets wait for their packages")
        return None
    region = app.rules.policies[-1].region
    return Press(app.settings.archive_folder, Signer.load(path), f"{region}12345政务服务便民热线")
