"""Jobs that bring recordings from the spool into the store; and the sweep that finds the forgotten.

`recording.verify`: measured against its leg, repaired. `recording.keep`: packed, sealed, stored, proved.
`recording.copy`: the second place has it too. `recording.clear`: its file leaves the spool. Each commits before it
asks for the next, may be killed anywhere and is done again; while a store is away everything waits in the spool.
"""

import asyncio
import functools
import logging
import os
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

import recordings.service
from callcenter import jobs, metrics
from callcenter.audit import Audited, note
from callcenter.custody.legs import answered_leg, open_channels
from callcenter.db import Database, DatabaseAway
from callcenter.job import Handler, Job, RetryPolicy
from callcenter.types import RecordingId, system
from recordings import store
from recordings.custody import intake, rows
from recordings.custody.canary import KeyNotProven, require_proven
from recordings.custody.custody import Custody, Kept, object_path
from recordings.custody.ground import Ground
from recordings.custody.intake import AudioGone, Changed, NameSpoilt, Stored
from recordings.custody.keys import KeysAway
from recordings.custody.objects import StoreAway
from recordings.recording import Recording, State

log = logging.getLogger(__name__)

VERIFY, KEEP, COPY, CLEAR = "recording.verify", "recording.keep", "recording.copy", "recording.clear"
AWAY = (StoreAway, KeyNotProven, KeysAway, DatabaseAway)
PASSES = (*AWAY, Changed, NameSpoilt)
"""What passes by itself or by a person's hand outside: tried again for as long as it takes."""
MOST_TRIES = 8
"""Every other failure waits for a person after so many tries."""
PATIENCE = RetryPolicy(max_tries=1_000_000, first_s=2.0, longest_s=300.0)
SWEEP_S = 60.0
PAGE = 2_000
"""Recordings the sweep looks at in one transaction; each turn begins as many behind the newest of the last."""
TURN_S = 20.0
AT_ONCE = 500
CUSTODY = system("custody")
FIRST = RecordingId(0)


class LegNotOver(Exception):
    """The leg's hang-up has not been written yet; its file is measured against it in a moment."""

    retryable = True


class NotKept(Exception):
    """A recording could not be brought into the store after many tries; see the reason, then `callcenter jobs retry`.

    Its file stays in the spool.
    """

    retryable = False


@dataclass
class IntakeWork:
    """Handlers and the sweep. At most one recording a core is in memory."""

    database: Database
    ground: Ground
    _room: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(os.cpu_count() or 1))
    _looked_until: RecordingId = FIRST

    def handlers(self) -> Mapping[str, Handler]:
        """Kinds of job done here."""
        steps = {KEEP: self.keep, COPY: self.copy, CLEAR: self.clear}
        return {VERIFY: self.verify} | {kind: functools.partial(self._run, step) for kind, step in steps.items()}

    async def _run(self, step: Handler, job: Job) -> None:
        """A step, counted; one that waits for a person is put on record."""
        outcome = "failed"
        try:
            await step(job)
            outcome = "done"
        except PASSES as error:
            outcome = "away" if isinstance(error, AWAY) else outcome
            raise
        except Exception as error:
            if job.tries < MOST_TRIES and getattr(error, "retryable", True):
                raise
            outcome = "held"
            await self._put_on_record(job, error)
            raise NotKept(f"{type(error).__name__}: {error}") from error
        finally:
            metrics.RECORDING_INTAKE.labels(job.kind, outcome).inc()

    async def _put_on_record(self, job: Job, error: Exception) -> None:
        detail = {"reason": f"{type(error).__name__}: {error}"[:500]}
        async with self.database.transaction() as tx:
            await note(tx, Audited(CUSTODY, job.kind, f"recording:{_recording(job)}", False, detail))

    async def verify(self, job: Job) -> None:
        """`recording.verify`: length against the leg's answered seconds, format, checksum; repair if need be.

        Raises LegNotOver.
        """
        async with self.database.transaction() as tx:
            known = await store.recording_of(tx, _recording(job))
            leg = await answered_leg(tx, known.channel_id)
            if leg is None and known.channel_id in await open_channels(tx):
                raise LegNotOver(known.channel_id)
            found = await recordings.service.verify(tx, self.ground.spool, known.id, leg)
            await enqueue_keep(tx, found)
        metrics.RECORDINGS.labels(found.state).inc()

    async def keep(self, job: Job) -> None:
        """`recording.keep`. Raises what intake.put raises, and KeyNotProven."""
        id_ = _recording(job)
        async with self._room:
            found = await self._prepared(id_)
            if found is None:
                return
            recording, kept, key_id = found
            if kept.custody is Custody.PREPARED:
                await self._store(recording, kept, key_id)
        async with self.database.transaction() as tx:
            await enqueue_next(tx, self.ground, id_)

    async def _prepared(self, id_: RecordingId) -> tuple[Recording, Kept, str] | None:
        """The recording, its row with a name of its own, and the master key; None for one without audio."""
        async with self.database.transaction() as tx:
            recording = await store.recording_of(tx, id_)
            kept = await rows.kept(tx, id_)
            if kept is not None and kept.custody is not Custody.PREPARED:
                return recording, kept, ""
            if recording.state not in rows.WITH_AUDIO or recording.sha256 is None:
                return None
            # Nothing is sealed under a key that does not open what it sealed before.
            key_id = await require_proven(tx, self.ground)
            if kept is None:
                now = datetime.now(UTC)
                name = uuid.uuid4()
                kept = await rows.prepare(tx, id_, name, object_path(name, recorded_at(recording, now)), now)
        return recording, kept, key_id

    async def _store(self, recording: Recording, kept: Kept, key_id: str) -> None:
        path = self.ground.spool / recording.path
        try:
            found = await intake.put(self.ground, kept, path, key_id, recording.sha256 or "")
        except NameSpoilt as error:
            await self._rename(recording, kept, error)
            raise
        except Changed:
            await self._verify_again(recording)
            raise
        except AudioGone:
            # Another worker may have brought it in, or the watch have noted that there is none, since we looked.
            if await self._is_settled(recording.id):
                return
            raise
        await self._note_stored(kept, found)

    async def _note_stored(self, kept: Kept, found: Stored) -> None:
        async with self.database.transaction() as tx:
            at = datetime.now(UTC)
            if await rows.stored(tx, kept.recording_id, found.contents, found.sealed, at, name=kept.name):
                await note(
                    tx, Audited(CUSTODY, "recording.store", f"recording:{kept.recording_id}", True, _said(found))
                )
        if found.adopted:
            metrics.RECORDING_INTAKE.labels(KEEP, "adopted").inc()
        metrics.RECORDING_KEPT_S.labels(found.contents.codec).inc(found.contents.duration_s)

    async def _rename(self, recording: Recording, kept: Kept, error: NameSpoilt) -> None:
        """The spoilt object stays where it is, for the check of the store to list."""
        log.warning("a name in the store is spoilt", extra={"recording": recording.id, "why": str(error)})
        name = uuid.uuid4()
        async with self.database.transaction() as tx:
            await rows.rename(tx, kept, name, object_path(name, recorded_at(recording, kept.prepared_at)))

    async def _is_settled(self, id_: RecordingId) -> bool:
        async with self.database.transaction() as tx:
            kept = await rows.kept(tx, id_)
            state = (await store.recording_of(tx, id_)).state
        return state is State.MISSING or (kept is not None and kept.custody is not Custody.PREPARED)

    async def _verify_again(self, recording: Recording) -> None:
        log.warning("a recording changed after it was verified", extra={"recording": recording.id})
        async with self.database.transaction() as tx:
            leg = await answered_leg(tx, recording.channel_id)
            await recordings.service.verify_again(tx, self.ground.spool, recording.id, leg)

    async def copy(self, job: Job) -> None:
        """`recording.copy`. Raises NotAsStored, StoreAway."""
        id_ = _recording(job)
        kept = await self._kept(id_)
        if kept is None or not kept.readable:
            return
        if kept.copied_at is None and self.ground.copy is not None:
            async with self._room:
                await intake.copy(self.ground, kept)
        async with self.database.transaction() as tx:
            if self.ground.copy is not None:
                await rows.copied(tx, id_, datetime.now(UTC))
            await enqueue_next(tx, self.ground, id_)

    async def clear(self, job: Job) -> None:
        """`recording.clear`. Raises NotAsStored, SpoolChanged, StoreAway."""
        id_ = _recording(job)
        async with self.database.transaction() as tx:
            kept = await rows.kept(tx, id_)
            recording = await store.recording_of(tx, id_)
        if kept is None or not kept.readable or kept.spool_removed_at is not None:
            return
        if self.ground.copy is not None and kept.copied_at is None:
            async with self.database.transaction() as tx:
                await enqueue_next(tx, self.ground, id_)
            return
        async with self._room:
            await intake.clear(self.ground, kept, self.ground.spool / recording.path)
        async with self.database.transaction() as tx:
            await rows.spool_removed(tx, id_, datetime.now(UTC))

    async def _kept(self, id_: RecordingId) -> Kept | None:
        async with self.database.transaction() as tx:
            return await rows.kept(tx, id_)

    async def sweep(self) -> None:
        """Asks for what nobody has asked for: recordings from before there was a store, a copy that came later."""
        with_copy = self.ground.copy is not None
        async with self.database.transaction() as tx:
            if with_copy:
                await _enqueue(tx, COPY, await rows.uncopied(tx, AT_ONCE))
            await _enqueue(tx, CLEAR, await rows.in_spool(tx, AT_ONCE, with_copy=with_copy))
        metrics.RECORDINGS_TO_KEEP.set(await self._ask_for_unkept())

    async def _ask_for_unkept(self) -> int:
        waiting, until_s = 0, time.monotonic() + TURN_S
        while time.monotonic() < until_s:
            async with self.database.transaction() as tx:
                unkept, last = await rows.unkept(tx, self._looked_until, PAGE)
                await _enqueue(tx, KEEP, unkept)
            waiting += len(unkept)
            if last == self._looked_until:
                # The newest are looked at again: they may not have been verified yet.
                self._looked_until = RecordingId(max(0, last - PAGE))
                break
            self._looked_until = last
        return waiting


def _said(found: Stored) -> dict[str, str | int]:
    """What the audit keeps of a stored recording: enough to know it again."""
    inside, sealed = found.contents, found.sealed
    return {
        "codec": inside.codec,
        "frames": inside.frames,
        "samples_sha256": inside.samples_sha256 or "",
        "sealed_bytes": sealed.sealed_bytes,
        "sealed_sha256": sealed.sealed_sha256,
        "key": sealed.key.key_id,
    }


def recorded_at(recording: Recording, otherwise: datetime) -> datetime:
    """Which day's folder a recording lies in. PURE."""
    return recording.started_at or recording.ended_at or otherwise


async def enqueue_keep(tx: AsyncConnection, recording: Recording) -> None:
    """Once a recording: what was verified is to be kept, as far as there is a file."""
    if recording.state in rows.WITH_AUDIO and recording.sha256 is not None:
        await _enqueue(tx, KEEP, [recording.id])


async def enqueue_next(tx: AsyncConnection, ground: Ground, id_: RecordingId) -> None:
    """What a stored recording still needs."""
    kept = await rows.kept(tx, id_)
    if kept is None or not kept.readable or kept.spool_removed_at is not None:
        return
    await _enqueue(tx, COPY if ground.copy is not None and kept.copied_at is None else CLEAR, [id_])


async def _enqueue(tx: AsyncConnection, kind: str, ids: Sequence[RecordingId]) -> None:
    for id_ in ids:
        await jobs.enqueue(tx, kind, {"recording": id_}, key=f"{kind}:{id_}")


def _recording(job: Job) -> RecordingId:
    return RecordingId(int(str(job.payload["recording"])))


def register(worker: jobs.Worker, database: Database, ground: Ground) -> None:
    """The jobs and the sweep of this module."""
    work = IntakeWork(database, ground)
    worker.handle(work.handlers(), dict.fromkeys((KEEP, COPY, CLEAR), PATIENCE))
    worker.every(SWEEP_S, "recordings.unkept", work.sweep)
