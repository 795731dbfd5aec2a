"""The worker's part of retention: what is due is recycled, thirty days later deleted with a certificate. Never early.

Two clocks have to say so: PostgreSQL's, and an NTP server of the operator's choice. Without the second one, or while
they contradict each other, nothing goes, and this says so once a day.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import jobs, metrics
from callcenter.archive.store import packages_with
from callcenter.audit import Audited, note
from callcenter.custody import retention_check
from callcenter.custody.tickets_of_calls import open_tickets
from callcenter.db import Database
from callcenter.job import Job, RetryPolicy
from callcenter.tables import audit
from callcenter.types import RecordingId, system
from recordings.custody.erase import erase, forget_marks
from recordings.custody.ground import Ground
from recordings.custody.objects import StoreAway
from recordings.retention import expiry
from recordings.retention.rules import allowed_at, local_day
from recordings.retention.second_clock import ClockAway, Remembered, SecondClock, second_clock

if TYPE_CHECKING:
    from callcenter.app import App

log = logging.getLogger(__name__)

RETENTION, GUARD = system("retention"), system("guard")
DELETE_JOB = "recording.delete"
DAILY = timedelta(days=1)
PAGE = 200
REFUSED = "recording.deletion_refused"
POLICIES: Mapping[str, RetryPolicy] = {
    # A store may be away for days; nothing is lost by waiting.
    DELETE_JOB: RetryPolicy(max_tries=200, first_s=5.0, longest_s=3_600.0),
}


class ClocksDisagree(Exception):
    """PostgreSQL's clock and the second clock contradict each other; nothing is deleted until both are right."""

    retryable = True


@dataclass
class RetentionWork:
    """clock None: no second clock is set, and nothing is ever deleted."""

    database: Database
    custody: Ground
    clock: SecondClock | None
    _remembered: Remembered | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._remembered = Remembered(self.clock) if self.clock else None

    def handlers(self) -> Mapping[str, jobs.Handler]:
        """Job kind -> handler."""
        return {DELETE_JOB: self.delete}

    # ---- every hour --------------------------------------------------------------------------------------------

    async def sweep(self) -> None:
        """Notes both clocks, recycles what is due, orders the deletion of what was recycled for thirty days."""
        now = await self._both_clocks()
        if now is None:
            return
        await self._bring_back(now)
        await self._recycle(now)
        async with self.database.transaction() as tx:
            for id_ in await expiry.deletable(tx, now):
                await jobs.enqueue(tx, DELETE_JOB, {"recording": id_}, key=f"{DELETE_JOB}:{id_}")

    async def _both_clocks(self) -> datetime | None:
        """The moment both have reached, now on record; None: they do not say the same."""
        if self.clock is None:
            await self._alarm("recording.expiry_off", {"reason": "CALLCENTER_SECOND_CLOCK is not set"})
            return None
        try:
            second_at = await asyncio.to_thread(self.clock.now)
        except ClockAway as error:
            await self._alarm("recording.clock_away", {"reason": str(error)})
            return None
        async with self.database.transaction() as tx:
            seen = await expiry.witness(tx, second_at, self.clock.source)
        if not seen.agreed:
            said = {"database": seen.noted_at.isoformat(), "second": seen.second_at.isoformat()}
            await self._alarm("recording.clocks_disagree", {**said, "source": self.clock.source})
            return None
        metrics.RECORDING_CLOCKS_AGREE.set(1)
        return allowed_at(seen.noted_at, seen.second_at)

    async def _alarm(self, action: str, detail: Mapping[str, str]) -> None:
        metrics.RECORDING_CLOCKS_AGREE.set(0)
        async with self.database.transaction() as tx:
            if not await _noted_today(tx, action):
                log.error("nothing is deleted: %s", action, extra={"detail": dict(detail)})
                await note(tx, Audited(RETENTION, action, "recordings:all", False, detail))

    async def _bring_back(self, now: datetime) -> None:
        async with self.database.transaction() as tx:
            for id_ in await expiry.kept_again(tx, local_day(now)):
                await note(tx, Audited(RETENTION, "recording.restore", f"recording:{id_}", detail={"why": "date"}))

    async def _recycle(self, now: datetime) -> None:
        after, blocked = 0, 0
        while True:
            async with self.database.transaction() as tx:
                page = await expiry.due(tx, local_day(now), after=after, limit=PAGE)
                still_open = await open_tickets(tx, {one.call_id for one in page})
                free = [one for one in page if one.call_id not in still_open]
                gone = set(await expiry.recycle(tx, [one.id for one in free]))
                for one in free:
                    if one.id in gone:
                        detail = {"call": one.call_id, "not_before": one.not_before.isoformat()}
                        await note(tx, Audited(RETENTION, "recording.recycle", f"recording:{one.id}", detail=detail))
            metrics.RECORDINGS_EXPIRED.labels("recycled").inc(len(gone))
            blocked += len(page) - len(free)
            if len(page) < PAGE:
                break
            after = page[-1].id
        metrics.RECORDINGS_WAIT_FOR_TICKET.set(blocked)

    # ---- one recording -----------------------------------------------------------------------------------------

    async def delete(self, job: Job) -> None:
        """`recording.delete`: objects, keys and copy go, then the certificate is written. Goes on where it was killed.

        Raises StoreAway, ClockAway, ClocksDisagree to be tried again.
        """
        id_ = RecordingId(int(str(job.payload["recording"])))
        async with self.database.transaction() as tx:
            now = await expiry.allowed_now(tx)
            begun = await expiry.begin_deletion(tx, id_, now) if now else None
        if begun is None:
            # Held, put off, or deleted before; the sweep orders what may go once more.
            await self._tidy(id_)
            return
        try:
            await erase(self.custody, begun.path, copied=begun.copied)
        except StoreAway as error:
            await self._store_away(job, id_, error)
            raise
        await self._finish(id_)
        await forget_marks(self.custody, begun.path)

    async def _finish(self, id_: RecordingId) -> None:
        second_at = await self._second_now()
        async with self.database.transaction() as tx:
            database_at = await expiry.database_now(tx)
            if allowed_at(database_at, second_at) is None or await expiry.allowed_now(tx) is None:
                raise ClocksDisagree
            done = await expiry.finish_deletion(tx, id_, second_at, str(RETENTION))
            if done is None:
                return
            detail: dict[str, str | int | None] = {
                "call": done.call_id,
                "sha256": done.sha256,
                "policy": f"{done.rule.policy_id}@{done.rule.policy_version}" if done.rule.policy_id else "",
                "years": done.rule.years,
                "packages": ", ".join(await packages_with(tx, done.name)),
            }
            await note(tx, Audited(RETENTION, "recording.delete", f"recording:{id_}", detail=detail))
        metrics.RECORDINGS_EXPIRED.labels("deleted").inc()

    async def _second_now(self) -> datetime:
        """What the second clock says; asked anew where what we remember of it contradicts the database."""
        if self._remembered is None:
            raise ClockAway("CALLCENTER_SECOND_CLOCK is not set")
        said = await asyncio.to_thread(self._remembered.now)
        async with self.database.transaction() as tx:
            database_at = await expiry.database_now(tx)
        if allowed_at(database_at, said) is not None:
            return said
        self._remembered.forget()
        return await asyncio.to_thread(self._remembered.now)

    async def _tidy(self, id_: RecordingId) -> None:
        """Marks of a deletion that was killed after its certificate."""
        async with self.database.transaction() as tx:
            gone = await expiry.certificate_of(tx, id_)
            path = await expiry.path_of(tx, id_) if gone else None
        if path is not None:
            await forget_marks(self.custody, path)

    async def _store_away(self, job: Job, id_: RecordingId, error: StoreAway) -> None:
        log.warning("a recording could not be deleted", extra={"recording": id_, "error": str(error)})
        if job.tries == 1:
            async with self.database.transaction() as tx:
                row = Audited(RETENTION, "recording.delete", f"recording:{id_}", False, {"reason": str(error)})
                await note(tx, row)

    # ---- every minute ------------------------------------------------------------------------------------------

    async def watch_guards(self) -> None:
        """What PostgreSQL has refused since the last look becomes a row of the audit; so does a guard switched off."""
        async with self.database.transaction() as tx:
            await _note_refusals(tx)
            wrong = await retention_check.guards_stand(tx)
            if wrong and not await _noted_today(tx, "recording.guard_off"):
                log.error("guards of the recordings are off", extra={"findings": wrong})
                detail = {"findings": "; ".join(wrong)[:2_000]}
                await note(tx, Audited(GUARD, "recording.guard_off", "recordings:all", False, detail))
        metrics.RECORDING_GUARDS_OFF.set(len(wrong))


async def _noted_today(tx: AsyncConnection, action: str) -> bool:
    """Whether the last such row is less than a day old; one from the future is no reason to be silent."""
    query = select(audit.c.at).where(audit.c.action == action).order_by(audit.c.id.desc()).limit(1)
    last = (await tx.execute(query)).scalar_one_or_none()
    now = await expiry.database_now(tx)
    return last is not None and abs(now - last) < DAILY


async def _note_refusals(tx: AsyncConnection) -> None:
    total = await _value(tx, "recording_refusals")
    # How many were told stands in the audit itself, which nobody can change.
    query = select(audit.c.detail["total"].as_integer()).where(audit.c.action == REFUSED)
    seen = (await tx.execute(query.order_by(audit.c.id.desc()).limit(1))).scalar_one_or_none() or 0
    if total <= seen:
        return
    new = total - seen
    role = await _value(tx, "recording_refused_role")
    name = (await tx.execute(text("SELECT rolname FROM pg_roles WHERE oid = :oid"), {"oid": role})).scalar_one_or_none()
    recording = await _value(tx, "recording_refused_recording")
    detail: dict[str, str | int] = {
        "count": new,
        "total": total,
        "last_role": str(name or role),
        "last_at": await _value(tx, "recording_refused_epoch"),
    }
    subject = f"recording:{recording}" if recording else "recordings:all"
    await note(tx, Audited(GUARD, REFUSED, subject, False, detail))
    metrics.RECORDING_REFUSALS.inc(new)
    log.error("PostgreSQL refused to lose recordings", extra={"detail": detail})


async def _value(tx: AsyncConnection, sequence: str) -> int:
    query = text("SELECT coalesce(pg_sequence_last_value(CAST(:name AS regclass)), 0)")
    return int((await tx.execute(query, {"name": sequence})).scalar_one())


def register(worker: jobs.Worker, app: "App") -> None:
    """Before the worker runs. Raises ClockWrong."""
    work = RetentionWork(app.database, app.custody, second_clock(app.settings.second_clock))
    worker.handle(work.handlers(), POLICIES)
    worker.every(3600, "recordings.expire", work.sweep)
    worker.every(60, "recordings.guards", work.watch_guards)
