"""The restore drill: newest base and all log into an empty private cluster, and everything that can be proved of it.

Every invariant, the store against its inventory, a sample of recordings out of the second place. What would have been
lost (RPO) and how long it took (RTO) is measured, and kept with what was found in `restore_drill` and in the audit.
"""

import asyncio
import contextlib
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import audit, invariants
from callcenter.backup.base import Sealing
from callcenter.backup.errors import BackupFailed
from callcenter.backup.folder import BackupFolder, write_whole
from callcenter.backup.receiver import received, seal_the_rest
from callcenter.backup.restored import Restored, restored
from callcenter.backup.samples import store_findings
from callcenter.backup.tables import restore_drill
from callcenter.custody import anchors
from callcenter.db import Database, DatabaseAway
from callcenter.stack.errors import StackFailed
from callcenter.types import system
from recordings.custody.ground import Ground as Custody

RPO = timedelta(minutes=5)
RTO = timedelta(minutes=60)
"""What is promised; more is a finding."""
SETTLE = timedelta(seconds=2)
"""A link's time is taken a moment before its commit."""
_NEWEST = text(
    """SELECT greatest((SELECT max(at) FROM mark), (SELECT at FROM audit ORDER BY id DESC LIMIT 1),
                       (SELECT noted_at FROM call_event ORDER BY id DESC LIMIT 1))"""
)
"""By PostgreSQL's clock; processes that live write `mark` every two seconds."""


class Report(BaseModel):
    """What a drill found: `drill.json` in the backup folder, a row of `restore_drill`. Seconds from its beginning."""

    model_config = ConfigDict(extra="forbid")
    at: AwareDatetime
    base: str = ""
    live_answers: bool = False
    newest_live_at: AwareDatetime | None = None
    newest_restored_at: AwareDatetime | None = None
    last_log_at: AwareDatetime | None = None
    """When the receiver last had everything."""
    rpo_s: float | None = None
    files_s: float | None = None
    answered_s: float | None = None
    rto_s: float | None = None
    segments: int = 0
    live_bytes: int = 0
    tickets: int = 0
    recordings: int = 0
    findings: list[str] = []

    @property
    def ok(self) -> bool:
        """Whether the backup can be relied on."""
        return not self.findings


@dataclass(frozen=True, slots=True)
class Plan:
    """What a drill works on. url: of the live database. ground: where invariants look, as of a moment."""

    folder: BackupFolder
    sealing: Sealing
    incoming: Path
    into: Path
    live: Database
    ground: Callable[[datetime], invariants.Ground]
    custody: Custody
    sample: int = 100
    flush: bool = True
    """Write as durably as a restore in earnest does, so that it takes as long."""
    tell: Callable[[str], None] = field(default=lambda _: None)


async def drill(plan: Plan) -> Report:
    """One drill from beginning to end; the private cluster is removed. What fails is in the findings."""
    report = Report(at=datetime.now(UTC))
    await _look_at_live(plan, report)
    await asyncio.to_thread(seal_the_rest, plan.incoming, plan.folder, plan.sealing)
    if told := received(plan.folder):
        report.last_log_at = told.complete_until
    ours = not plan.into.exists() or not any(plan.into.iterdir())
    try:
        await _restore_and_check(plan, report)
    except (BackupFailed, StackFailed, DatabaseAway, OSError) as error:
        report.findings.append(str(error) or repr(error))
    finally:
        if ours:
            await asyncio.to_thread(shutil.rmtree, plan.into, True)
    await _keep(plan, report)
    return report


async def _look_at_live(plan: Plan, report: Report) -> None:
    try:
        async with plan.live.transaction() as tx:
            report.newest_live_at = (await tx.execute(_NEWEST)).scalar_one()
            report.live_answers = True
    except DatabaseAway:
        plan.tell("the live database does not answer; what is lost is measured by what is known of it")


async def _restore_and_check(plan: Plan, report: Report) -> None:
    base = plan.folder.newest()
    report.base = base.stamp
    began = time.monotonic()
    plan.tell(f"restoring base {base.stamp} of {base.taken_at:%Y-%m-%d %H:%M:%S} UTC into {plan.into}")
    async with restored(plan.folder, base, plan.sealing, plan.into, flush=plan.flush) as cluster:
        report.files_s, report.answered_s = round(cluster.files_s, 1), round(cluster.answered_s, 1)
        report.segments, report.live_bytes = cluster.segments, cluster.live_bytes
        plan.tell(f"answered after {cluster.answered_s:.1f} s, {cluster.segments} segments of the log; checking")
        await _check(plan, report, cluster)
        report.rto_s = round(time.monotonic() - began, 1)
        if report.rto_s > RTO.total_seconds():
            report.findings.append(f"the restore took {report.rto_s:.0f} s; {RTO.total_seconds():.0f} s are promised")


async def _check(plan: Plan, report: Report, cluster: Restored) -> None:
    url = plan.live.url
    database = Database(cluster.url(url.username or "postgres", url.database or "postgres"), pool_size=2)
    try:
        async with database.transaction() as tx:
            # A large database has large checks; nobody waits for this one.
            await tx.execute(text("SET LOCAL statement_timeout = 0"))
            await _measure_loss(plan, report, tx)
            ground = plan.ground(report.newest_restored_at or plan.folder.newest().taken_at)
            ground = replace(ground, anchors=await _anchors_until(ground, cluster.folder.path / "anchors"))
            found = await invariants.verify(tx, ground)
            report.findings += [f"{one.invariant}: {one.sentence}" for one in found]
            report.tickets = (await tx.execute(text("SELECT count(*) FROM ticket"))).scalar_one()
            opened, wrong = await store_findings(
                tx, plan.custody, plan.folder, report.base, plan.sealing.keys, plan.sample
            )
            report.recordings = opened
            report.findings += wrong
    finally:
        await database.close()


async def _measure_loss(plan: Plan, report: Report, tx: AsyncConnection) -> None:
    """RPO: the newest row of the live database against the newest one here."""
    newest: datetime | None = (await tx.execute(_NEWEST)).scalar_one()
    replayed: datetime | None = (await tx.execute(text("SELECT pg_last_xact_replay_timestamp()"))).scalar_one()
    known = [at for at in (newest, replayed) if at is not None]
    report.newest_restored_at = max(known, default=None)
    if not report.live_answers:
        report.newest_live_at = await asyncio.to_thread(_last_known, plan, report)
        newest = report.newest_restored_at
    if report.newest_live_at is not None:
        lost = report.newest_live_at - (newest or plan.folder.newest().taken_at)
        report.rpo_s = max(0.0, round(lost.total_seconds(), 2))
        if lost > RPO:
            report.findings.append(
                f"{report.rpo_s:.0f} s of work would be lost; {RPO.total_seconds():.0f} s are promised"
            )


def _last_known(plan: Plan, report: Report) -> datetime | None:
    """Of a live database that is gone: the last anchor of the audit, the last moment the log was complete. Blocking."""
    folder = plan.ground(report.at).anchors.folder
    anchored = [one.at for one in anchors.FileReader(anchors.Places(folder)).anchors()] if folder else []
    return max((at for at in (report.last_log_at, *anchored[-1:]) if at is not None), default=None)


async def _anchors_until(ground: invariants.Ground, place: Path) -> anchors.Places:
    """The anchors up to the restored moment: those written since belong to what the drill cannot have."""
    places = ground.anchors
    if places.folder is None or not places.folder.is_dir():
        return places
    await asyncio.to_thread(_copy_lines, places.folder, place, ground.now - SETTLE)
    return replace(places, folder=place, store=None)


def _copy_lines(folder: Path, place: Path, until: datetime) -> None:
    place.mkdir(mode=0o700)
    for path in anchors.files_of(folder):
        kept = [line for line in path.read_bytes().splitlines(keepends=True) if not _after(line, until)]
        (place / path.name).write_bytes(b"".join(kept))


def _after(line: bytes, until: datetime) -> bool:
    try:
        return anchors.AnchorLine.model_validate_json(line).at > until
    except ValidationError:
        # A damaged line is the check's to name.
        return False


async def _keep(plan: Plan, report: Report) -> None:
    """The result, in the backup folder and, where the live database answers, in it."""
    with contextlib.suppress(OSError):
        await asyncio.to_thread(write_whole, plan.folder.path / "drill.json", report.model_dump_json(indent=1) + "\n")
    try:
        async with plan.live.transaction() as tx:
            await tx.execute(insert(restore_drill).values(**_row(report)))
            await audit.note(
                tx,
                audit.Audited(
                    system("restore-drill"),
                    "backup.drill",
                    f"base:{report.base or 'none'}",
                    report.ok,
                    {"rpo_s": report.rpo_s, "rto_s": report.rto_s, "findings": len(report.findings)},
                ),
            )
    except DatabaseAway:
        plan.tell("the live database does not answer; the result is in drill.json of the backup folder only")


def _row(report: Report) -> dict[str, object]:
    kept = ("at", "base", "ok", "newest_live_at", "newest_restored_at", "rpo_s", "answered_s", "rto_s", "segments")
    return {name: getattr(report, name) for name in (*kept, "recordings", "findings")}


def last_drill(folder: BackupFolder) -> Report | None:
    """The newest result; None when there was no drill."""
    try:
        return Report.model_validate_json((folder.path / "drill.json").read_bytes())
    except (OSError, ValidationError):
        return None


def sentences(report: Report) -> Sequence[str]:
    """For the operator's screen."""
    lost = "unknown" if report.rpo_s is None else f"{report.rpo_s:.1f} s"
    took = "-" if report.rto_s is None else f"{report.rto_s:.1f} s"
    return (
        f"base {report.base or 'none'}; {report.segments} segments of the log, {report.live_bytes:,} bytes of the next",
        f"RPO {lost}: newest live {_shown(report.newest_live_at)}, newest restored {_shown(report.newest_restored_at)}",
        f"RTO {took}: files {report.files_s} s, answered {report.answered_s} s, then every check",
        f"{report.tickets} tickets; {report.recordings} recordings opened from the second place",
        *(f"FOUND  {one}" for one in report.findings),
        "the backup can be relied on" if report.ok else "the backup can NOT be relied on",
    )


def _shown(at: datetime | None) -> str:
    return "unknown" if at is None else f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
