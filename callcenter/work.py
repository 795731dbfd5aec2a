"""What the worker does with jobs about calls: verify recordings, make the transcript, account for every second.

Handlers may run twice (at least once is what a job queue gives); each leaves the same rows behind.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

import recordings.service
from callcenter import metrics, speech
from callcenter.board import Board, BoardEvent
from callcenter.call_store import load
from callcenter.calls import Call
from callcenter.db import Database
from callcenter.jobs import Job
from callcenter.tables import call as call_table
from callcenter.tables import leg as leg_table
from callcenter.types import CallId, ChannelId, IdentityId, Party, RecordingId
from callcenter.vault import Vault
from recordings import store, transcripts
from recordings.recording import SETTLED, AnsweredLeg, Kind, Recording
from recordings.speech import LegAudio, transcribe_call
from recordings.vosk_door import Model
from ticketing.prefill.draft import PrefillData

log = logging.getLogger(__name__)

LISTENED = (Party.CITIZEN, Party.AGENT, Party.UNIT)
LOOK_BACK = timedelta(hours=24)
FOUND_WITHIN = timedelta(seconds=60)
"""The watch comes every 20 s; a file it has not found by then is a gap."""
RECORDED = (Party.CITIZEN, Party.AGENT, Party.UNIT)
"""Legs whose voice is kept; a supervisor's is not (docs/decisions.md)."""


class FilesNotReady(Exception):
    """The recordings of the call are not all verified yet; the transcript waits for them."""

    retryable = True


class LegNotOver(Exception):
    """The leg's hang-up has not been written yet; its file is measured against it in a moment."""

    retryable = True


@dataclass
class CallWork:
    """Handlers about calls. `model` None: no speech model here, transcripts are not made."""

    database: Database
    board: Board
    vault: Vault
    data: PrefillData
    spool: Path
    model: Model | None
    _told: frozenset[str] = frozenset()
    """What the last watch found: it is logged once, not at every turn."""

    async def verify_recording(self, job: Job) -> None:
        """`recording.verify`: length against the leg's answered seconds, format, checksum; repair if need be."""
        recording_id = RecordingId(int(str(job.payload["recording"])))
        async with self.database.transaction() as tx:
            known = await store.recording_of(tx, recording_id)
            leg = await answered_leg(tx, known.channel_id)
            if leg is None and known.channel_id in await open_channels(tx):
                raise LegNotOver(known.channel_id)
            found = await recordings.service.verify(tx, self.spool, recording_id, leg)
        metrics.RECORDINGS.labels(found.state).inc()

    async def transcribe(self, job: Job) -> None:
        """`call.transcribe`: words of every leg on the call's clock, then suggestions from the whole text.

        Raises FilesNotReady while a leg's file is awaited or still being verified.
        """
        call_id = CallId(str(job.payload["call"]))
        async with self.database.transaction() as tx:
            call = (await load(tx, [call_id])).get(call_id)
            files = await store.recordings_of(tx, [call_id])
        if call is None or self.model is None:
            return
        audio = leg_audio(call, files, self.spool, datetime.now(UTC))
        if not audio:
            log.warning("nothing to transcribe: no leg of the call has audio", extra={"call": call_id})
            return
        transcript = await transcribe_call(audio, self.model)
        async with self.database.transaction() as tx:
            await transcripts.save(tx, call_id, transcript)
            caller = await _caller(tx, call_id)
            said = speech.utterances_of(transcript.lines)
            ticket = await speech.suggest(tx, self.vault, self.data, call_id, caller, said, call.started_at)
        done = BoardEvent("call.transcribed", {"call": call_id, "ticket": ticket or "", "lines": len(transcript.lines)})
        await self.board.publish((done,))

    async def watch_now(self, _: Job) -> None:
        """`recordings.watch`: the sweep at once, after a gap in which nobody heard what was told of files."""
        await self.watch_recordings()

    async def watch_recordings(self) -> None:
        """Sweep: files without an event are taken in, and answered seconds without audio get a gap with its cause."""
        now = datetime.now(UTC)
        async with self.database.transaction() as tx:
            alive = await open_channels(tx)
            legs = await answered_legs(tx, now - LOOK_BACK)
            await recordings.service.recover_orphans(tx, self.spool, now, alive=alive, legs=legs)
            missing = await recordings.service.monitor(tx, self.spool, legs, now, alive=alive)
            await recordings.service.account_for(tx, missing)
        metrics.RECORDINGS_MISSING.set(len(missing))
        found = frozenset(str(one) for one in missing)
        for one in sorted(found - self._told):
            log.warning("recording incomplete", extra={"finding": one})
        self._told = found


def leg_audio(call: Call, files: Sequence[Recording], spool: Path, now: datetime) -> tuple[LegAudio, ...]:
    """The legs to transcribe, each with its place on the call's clock. Raises FilesNotReady. PURE.

    A leg without a file is waited for: when nobody heard of the file, the watch finds it. In the end it goes without.
    """
    start = call.answered_at or call.started_at
    patient = call.ended_at is None or now - call.ended_at < FOUND_WITHIN
    audio: list[LegAudio] = []
    for leg in call.legs.values():
        if leg.answered_at is None or leg.party not in LISTENED:
            continue
        own = [f for f in files if f.channel_id == leg.channel_id and f.kind == Kind.LEG]
        if any(f.state not in SETTLED for f in own) or (patient and not own):
            raise FilesNotReady(call.id)
        offset_s = (leg.answered_at - start).total_seconds()
        audio.extend(LegAudio(leg.party, leg.channel_id, spool / f.path, offset_s) for f in own if f.duration_s)
    return tuple(audio)


async def answered_leg(tx: AsyncConnection, channel_id: ChannelId) -> AnsweredLeg | None:
    """The leg of a channel, once it is over."""
    row = (await tx.execute(select(leg_table).where(leg_table.c.channel_id == channel_id))).one_or_none()
    if row is None or row.answered_at is None or row.ended_at is None:
        return None
    return AnsweredLeg(CallId(row.call_id), channel_id, Party(row.party), row.answered_at, row.ended_at)


async def answered_legs(tx: AsyncConnection, since: datetime) -> tuple[AnsweredLeg, ...]:
    """Every leg that was answered and is over, of the parties that are recorded, by end time since `since`."""
    query = select(leg_table).where(
        leg_table.c.ended_at >= since, leg_table.c.answered_at.is_not(None), leg_table.c.party.in_(RECORDED)
    )
    return tuple(
        AnsweredLeg(CallId(r.call_id), ChannelId(r.channel_id), Party(r.party), r.answered_at, r.ended_at)
        for r in await tx.execute(query)
    )


async def open_channels(tx: AsyncConnection) -> frozenset[ChannelId]:
    """Channels of calls that go on: their files are still being written."""
    joined = leg_table.join(call_table, call_table.c.id == leg_table.c.call_id)
    query = select(leg_table.c.channel_id).select_from(joined).where(call_table.c.ended_at.is_(None))
    return frozenset(ChannelId(row) for row in (await tx.execute(query)).scalars())


async def _caller(tx: AsyncConnection, call_id: CallId) -> IdentityId | None:
    who = (await tx.execute(select(call_table.c.caller).where(call_table.c.id == call_id))).scalar_one_or_none()
    return IdentityId(who) if who is not None else None
