"""What the worker does with jobs about calls: the transcript, from audio in the spool or in the store.

A handler may run twice (at least once is what a job queue gives); it leaves the same rows behind.
"""

import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import speech
from callcenter.board import Board, BoardEvent
from callcenter.call_state import Call
from callcenter.call_store import load
from callcenter.db import Database
from callcenter.jobs import Job
from callcenter.tables import call as call_table
from callcenter.types import CallId, IdentityId, Party, RecordingId
from callcenter.vault import Vault
from recordings import store, transcripts
from recordings.audio import Source
from recordings.custody import rows
from recordings.custody.custody import Kept
from recordings.custody.ground import Ground as Custody
from recordings.recording import SETTLED, Kind, Recording
from recordings.speech import LegAudio, transcribe_call
from recordings.vosk_door import Model
from ticketing.prefill.draft import PrefillData

log = logging.getLogger(__name__)

LISTENED = (Party.CITIZEN, Party.AGENT, Party.UNIT)
FOUND_WITHIN = timedelta(seconds=60)
"""The watch comes every 20 s; a file it has not found by then is a gap."""


class FilesNotReady(Exception):
    """The recordings of the call are not all verified yet; the transcript waits for them."""

    retryable = True


class AudioMoved(Exception):
    """Audio went from the spool into the store while the call was being transcribed; it is there the next time."""

    retryable = True


@dataclass
class CallWork:
    """Handler about calls. `model` None: no speech model here, transcripts are not made."""

    database: Database
    board: Board
    vault: Vault
    data: PrefillData
    custody: Custody
    model: Model | None

    async def transcribe(self, job: Job) -> None:
        """`call.transcribe`: words of every leg on the call's clock, then suggestions from the whole text.

        Raises FilesNotReady while a leg's file is awaited or still being verified; AudioMoved.
        """
        call_id = CallId(str(job.payload["call"]))
        async with self.database.transaction() as tx:
            call = (await load(tx, [call_id])).get(call_id)
            files = await store.recordings_of(tx, [call_id])
            kept = await rows.kept_of(tx, [file.id for file in files])
        if call is None or self.model is None:
            return
        # An object that did not open the last time may be whole in the other place.
        from_copy = job.tries % 2 == 0
        sources = {f.id: source_of(self.custody, f, kept.get(f.id), from_copy=from_copy) for f in files}
        audio = leg_audio(call, files, sources, datetime.now(UTC))
        if not audio:
            log.warning("nothing to transcribe: no leg of the call has audio", extra={"call": call_id})
            return
        transcript = await transcribe_call(audio, self.model)
        async with self.database.transaction() as tx:
            if transcript.unread and _in_store(kept) != _in_store(await rows.kept_of(tx, [file.id for file in files])):
                raise AudioMoved(call_id)
            await transcripts.save(tx, call_id, transcript)
            caller = await _caller(tx, call_id)
            said = speech.utterances_of(transcript.lines)
            ticket = await speech.suggest(tx, self.vault, self.data, call_id, caller, said, call.started_at)
        done = BoardEvent("call.transcribed", {"call": call_id, "ticket": ticket or "", "lines": len(transcript.lines)})
        await self.board.publish((done,))


def source_of(custody: Custody, file: Recording, kept: Kept | None, *, from_copy: bool = False) -> Source:
    """Where the audio of a recording is: the store, once it is there, else the spool."""
    if kept is None or not kept.readable:
        return custody.spool / file.path
    return lambda: io.BufferedReader(custody.open(kept, from_copy=from_copy and custody.copy is not None))


def leg_audio(
    call: Call, files: Sequence[Recording], sources: Mapping[RecordingId, Source], now: datetime
) -> tuple[LegAudio, ...]:
    """The legs to transcribe, each with its place on the call's clock. Raises FilesNotReady. PURE.

    A leg without a file is waited for: when nobody heard of the file, the watch finds it. In the end it goes without.
    """
    start = call.answered_at or call.started_at
    patient = call.ended_at is None or now - call.ended_at < FOUND_WITHIN
    audio: list[LegAudio] = []
    for leg in call.legs.values():
        if leg.answered_at is None or leg.party not in LISTENED or not leg.recorded:
            continue
        own = [f for f in files if f.channel_id == leg.channel_id and f.kind == Kind.LEG]
        if any(f.state not in SETTLED for f in own) or (patient and not own):
            raise FilesNotReady(call.id)
        offset_s = (leg.answered_at - start).total_seconds()
        audio.extend(LegAudio(leg.party, leg.channel_id, sources[f.id], offset_s) for f in own if f.duration_s)
    return tuple(audio)


def _in_store(kept: Mapping[RecordingId, Kept]) -> frozenset[RecordingId]:
    return frozenset(id_ for id_, one in kept.items() if one.readable)


async def _caller(tx: AsyncConnection, call_id: CallId) -> IdentityId | None:
    who = (await tx.execute(select(call_table.c.caller).where(call_table.c.id == call_id))).scalar_one_or_none()
    return IdentityId(who) if who is not None else None
