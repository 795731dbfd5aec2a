"""Recordings of calls: which there are, how they sound, what was said in them. Every playback is kept."""

import asyncio
import os
from datetime import datetime, timedelta

from aiohttp import web
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.audit import Audited, note
from callcenter.tables import audit, call
from callcenter.types import CallId, Party, RecordingId, Role
from callcenter.web.context import Context
from callcenter.web.playback import BLOCK_BYTES, NotPlayable, RangeNotThere, Sound, open_sound, part_of
from callcenter.web.problems import NotFound, problem_of, respond
from callcenter.web.router import Out, Routes
from recordings import store, transcripts
from recordings.recording import Gap, Recording, State
from recordings.words import PARTY_NAMES, Line, LiveWords, Word
from ticketing.prefill.masks import mask_text, masked_words
from ticketing.prefill.words import Word as Masked

api = Routes("recordings")
LISTENERS = frozenset({Role.AGENT, Role.SUPERVISOR, Role.REVIEWER, Role.AUDITOR})
PLAYED = "recording.play"
ONE_PLAYBACK = timedelta(minutes=10)
"""A player asks for many parts of one file; within this time they are one playback."""
PLAYABLE = frozenset({State.COMPLETE, State.VERIFIED, State.REPAIRED, State.SUSPECT})


class RecordingRow(Out):
    """kind: leg (what one party said) or mix (both sides). state: expected, complete, verified, repaired, missing
    or suspect, then `problem` says what is wrong. delete_not_before: local date."""

    id: int
    party: str
    kind: str
    state: str
    problem: str | None
    playable: bool
    started_at: datetime | None
    ended_at: datetime | None
    duration_s: float | None
    size_bytes: int | None
    sha256: str | None
    delete_not_before: str


class GapRow(Out):
    """Answered time without audio, and why."""

    party: str
    from_at: datetime
    until_at: datetime
    seconds: float
    cause: str


class RecordingList(Out):
    recordings: list[RecordingRow]
    gaps: list[GapRow]


class WordRow(Out):
    """Seconds from the start of the call; confidence 0 to 1."""

    word: str
    start_s: float
    end_s: float
    confidence: float


class LineRow(Out):
    party: str
    party_name: str
    start_s: float
    end_s: float
    text: str
    confidence: float
    words: list[WordRow]


class UnreadRow(Out):
    party: str
    why: str


class TranscriptText(Out):
    """final False: what was heard live so far, in seconds of the live stream. Long numbers are starred."""

    final: bool
    model: str
    lines: list[LineRow]
    unread: list[UnreadRow]


@api.get("/api/calls/{call_id}/recordings", LISTENERS)
async def list_recordings(ctx: Context, call_id: str) -> RecordingList:
    """一通电话的录音与缺失时段"""
    async with ctx.transaction() as tx:
        await _known(tx, call_id)
        files = await store.recordings_of(tx, [CallId(call_id)])
        gaps = await store.gaps_of(tx, [CallId(call_id)])
    return RecordingList(recordings=[_recording(one) for one in files], gaps=[_gap(one) for one in gaps])


@api.get("/api/recordings/{recording_id}/audio", LISTENERS)
async def play(ctx: Context, recording_id: int) -> web.StreamResponse:
    """播放或下载录音（WAV），支持 Range 分段；每次播放都有记录"""
    now = ctx.now
    async with ctx.transaction() as tx:
        found = await store.recording_of(tx, RecordingId(recording_id))
    try:
        sound = await asyncio.to_thread(open_sound, ctx.services.spool, found.path)
    except NotPlayable:
        async with ctx.transaction() as tx:
            await note(tx, Audited(ctx.actor, PLAYED, f"recording:{recording_id}", ok=False))
        raise
    try:
        try:
            part = _part(ctx.request, found, sound.size_bytes)
        except RangeNotThere as error:
            return _beyond(ctx, error)
        async with ctx.transaction() as tx:
            await _note_playback(tx, ctx, found, now)
        return await _send(ctx.request, sound, found, part)
    finally:
        os.close(sound.fd)


@api.get("/api/calls/{call_id}/transcript", LISTENERS)
async def read_transcript(ctx: Context, call_id: str) -> TranscriptText:
    """通话转写，逐句逐词带时间；号码以星号遮蔽。通话中为实时转写"""
    async with ctx.transaction() as tx:
        await _known(tx, call_id)
        await note(tx, Audited(ctx.actor, "transcript.read", f"call:{call_id}"))
        kept = await transcripts.transcript_of(tx, CallId(call_id))
        live = () if kept else await transcripts.live_of(tx, CallId(call_id))
    if kept is None:
        return TranscriptText(final=False, model="", lines=[_live(one) for one in live if one.words], unread=[])
    unread = [UnreadRow(party=leg.party, why=leg.why) for leg in kept.unread]
    return TranscriptText(final=True, model=kept.model, lines=[_line(line) for line in kept.lines], unread=unread)


def _beyond(ctx: Context, error: RangeNotThere) -> web.Response:
    """416, with the length there is (RFC 9110 15.5.17)."""
    told = problem_of(error)
    assert told is not None
    answer = respond(told, ctx.request_id)
    answer.headers["Content-Range"] = f"bytes */{error.size_bytes}"
    return answer


async def _known(tx: AsyncConnection, call_id: str) -> None:
    if (await tx.execute(select(call.c.id).where(call.c.id == call_id))).one_or_none() is None:
        raise NotFound


async def _note_playback(tx: AsyncConnection, ctx: Context, found: Recording, now: datetime) -> None:
    """One audit row a playback, however many parts the player asks for, and whichever part it begins with."""
    subject, who = f"recording:{found.id}", str(ctx.actor)
    before = (audit.c.subject == subject, audit.c.action == PLAYED, audit.c.actor == who, audit.c.ok)
    last = (await tx.execute(select(func.max(audit.c.at)).where(*before))).scalar_one()
    if last is None or now - last > ONE_PLAYBACK:
        await note(tx, Audited(ctx.actor, PLAYED, subject, detail={"call": found.call_id}))


def _part(request: web.Request, found: Recording, size_bytes: int) -> tuple[int, int] | None:
    """The part that is asked for, unless the file is no longer the one the player began with (If-Range)."""
    same = request.headers.get("If-Range", "")
    asked = request.headers.get("Range", "")
    return part_of(asked, size_bytes) if not same or same == _tag(found) else None


def _tag(found: Recording) -> str:
    return f'"{found.sha256 or "unverified"}"'


async def _send(
    request: web.Request, sound: Sound, found: Recording, part: tuple[int, int] | None
) -> web.StreamResponse:
    first, end = part or (0, sound.size_bytes)
    response = web.StreamResponse(status=206 if part else 200, headers=_headers(found))
    if part:
        response.headers["Content-Range"] = f"bytes {first}-{end - 1}/{sound.size_bytes}"
    response.content_length = end - first
    await response.prepare(request)
    try:
        while first < end and (block := await asyncio.to_thread(sound.read, first, min(BLOCK_BYTES, end - first))):
            await response.write(block)
            first += len(block)
        await response.write_eof()
    except ConnectionError:
        # The listener stopped; what was sent was a playback all the same.
        return response
    return response


def _headers(found: Recording) -> dict[str, str]:
    party = found.party if found.kind == "leg" else "mix"
    return {
        "Content-Type": "audio/wav",
        "Content-Disposition": f'attachment; filename="{found.call_id}_{party}.wav"',
        "Accept-Ranges": "bytes",
        "ETag": _tag(found),
    }


def _recording(one: Recording) -> RecordingRow:
    return RecordingRow(
        id=one.id,
        party=one.party,
        kind=one.kind,
        state=one.state,
        problem=one.problem,
        playable=one.state in PLAYABLE,
        started_at=one.started_at,
        ended_at=one.ended_at,
        duration_s=one.duration_s,
        size_bytes=one.size_bytes,
        sha256=one.sha256,
        delete_not_before=one.delete_not_before.isoformat(),
    )


def _gap(one: Gap) -> GapRow:
    return GapRow(party=one.party, from_at=one.from_at, until_at=one.until_at, seconds=one.seconds, cause=one.cause)


def _line(line: Line) -> LineRow:
    return LineRow(
        party=line.party,
        party_name=PARTY_NAMES[line.party],
        start_s=line.start_s,
        end_s=line.end_s,
        text=mask_text(line.text),
        confidence=line.confidence,
        words=_words(line.words),
    )


def _live(said: LiveWords) -> LineRow:
    """Live words are the citizen's: the tap hears their channel."""
    return LineRow(
        party=Party.CITIZEN,
        party_name=PARTY_NAMES[Party.CITIZEN],
        start_s=said.words[0].start_s,
        end_s=said.words[-1].end_s,
        text=mask_text(said.text),
        confidence=sum(word.conf for word in said.words) / len(said.words),
        words=_words(said.words),
    )


def _words(words: tuple[Word, ...]) -> list[WordRow]:
    shown = masked_words([Masked(word.word, word.start_s, word.end_s, word.conf) for word in words])
    return [WordRow(word=one.text, start_s=one.start_s, end_s=one.end_s, confidence=one.conf) for one in shown]
