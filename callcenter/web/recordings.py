"""Recordings of calls: which there are, how they sound, what was said in them. Every playback is kept."""

import hashlib
from datetime import datetime
from typing import Annotated, Literal

from aiohttp import web
from pydantic import Field

from callcenter.audit import Audited, note
from callcenter.custody import playing
from callcenter.custody.playbacks import Hearing
from callcenter.custody.playing import Piece, legs_of, open_call, open_piece
from callcenter.types import CallId, Party, RecordingId
from callcenter.web.context import Context
from callcenter.web.listening import (
    DISTRUST,
    LISTENERS,
    Asked,
    hearable,
    only_ids,
    opened,
    reason_of,
    refuse,
    send,
)
from callcenter.web.playback import Played, in_thread
from callcenter.web.problems import NotFound
from callcenter.web.router import Out, Query, Routes
from recordings import store, transcripts
from recordings.listening.peaks import drawn, peaks_of
from recordings.listening.sounds import Sound, Wav
from recordings.recording import Gap, Kind
from recordings.store import NoRecording
from recordings.words import PARTY_NAMES, Line, LiveWords, Word
from ticketing.prefill.masks import mask_text, masked_words
from ticketing.prefill.words import Word as Masked

api = Routes("recordings", only_ids)


class RecordingRow(Out):
    """kind: leg (what one party said) or mix (both sides). state: expected, complete, verified, repaired, missing
    or suspect, then `problem` says what is wrong. custody: prepared, stored, recycled or deleted, null while it is only
    in the spool. offset_s: its place on the call's clock, as the words of the transcript are. delete_not_before: local
    date."""

    id: int
    party: str
    kind: str
    state: str
    problem: str | None
    custody: str | None
    playable: bool
    started_at: datetime | None
    ended_at: datetime | None
    offset_s: float
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
    """begins_s: where the sound of the whole call begins on its clock, 0 or before."""

    recordings: list[RecordingRow]
    gaps: list[GapRow]
    begins_s: float


class PeakQuery(Query):
    buckets: Annotated[int, Field(ge=10, le=20_000)] = 1_000


class Peaks(Out):
    """values: loudest sample of each step, 0 to 255."""

    step_s: float
    offset_s: float
    values: list[int]


class CallAsked(Asked):
    """view: stereo is the citizen on the left, agent and units on the right."""

    view: Literal["stereo"] = "stereo"


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
        if await hearable(tx, ctx, call_id) is None:
            raise NotFound
        pieces = await playing.pieces_of(tx, CallId(call_id))
        gaps = await store.gaps_of(tx, [CallId(call_id)])
    return RecordingList(
        recordings=[_recording(one) for one in pieces],
        gaps=[_gap(one) for one in gaps],
        begins_s=playing.begins_s(pieces),
    )


@api.get("/api/recordings/{recording_id}/audio", LISTENERS)
async def play(ctx: Context, recording_id: int, query: Asked) -> web.StreamResponse:
    """播放或下载录音（WAV），支持 Range 分段；每次播放都有记录，规定须说明理由的请填写理由"""
    subject = f"recording:{recording_id}"
    piece, reason = await _allowed(ctx, RecordingId(recording_id), query)
    sound = await opened(ctx, subject, lambda: open_piece(ctx.services.custody, piece, DISTRUST))
    one = piece.recording
    name = f"{one.call_id}_{one.party if one.kind is Kind.LEG else 'mix'}.wav"
    return await send(ctx, _played(ctx, sound, name, subject, reason, [piece], piece.tag))


@api.get("/api/calls/{call_id}/audio", LISTENERS)
async def play_call(ctx: Context, call_id: str, query: CallAsked) -> web.StreamResponse:
    """播放整通电话：左声道为市民，右声道为话务员和承办单位；支持 Range 分段，每次播放都有记录"""
    subject = f"call:{call_id}"
    async with ctx.transaction() as tx:
        found = await hearable(tx, ctx, call_id)
        pieces = await playing.pieces_of(tx, found.call_id) if found else ()
    if found is None:
        await refuse(ctx, subject)
        raise NotFound
    reason = reason_of(ctx, query, found)
    sound = await opened(ctx, subject, lambda: open_call(ctx.services.custody, pieces, DISTRUST))
    legs = legs_of(pieces)
    parts = ";".join(f"{one.recording.id} {one.tag} {one.offset_s}" for one in legs)
    tag = hashlib.sha256(parts.encode()).hexdigest()
    return await send(ctx, _played(ctx, sound, f"{call_id}_stereo.wav", subject, reason, legs, tag))


@api.get("/api/recordings/{recording_id}/peaks", LISTENERS)
async def read_peaks(ctx: Context, recording_id: int, query: PeakQuery) -> Peaks:
    """录音的波形轮廓，供播放条显示"""
    subject = f"recording:{recording_id}"
    piece, _ = await _allowed(ctx, RecordingId(recording_id), None)
    outline = piece.kept.contents.peaks if piece.kept and piece.kept.readable and piece.kept.contents else b""
    if not outline:
        sound = await opened(ctx, subject, lambda: open_piece(ctx.services.custody, piece, DISTRUST))
        try:
            outline = await in_thread(lambda: peaks_of(sound))
        finally:
            await in_thread(sound.close)
    step_s, values = drawn(outline, query.buckets)
    return Peaks(step_s=step_s, offset_s=piece.offset_s, values=list(values))


async def _allowed(ctx: Context, recording_id: RecordingId, asked: Asked | None) -> tuple[Piece, str]:
    """The recording and why it is heard; asked None: it is only looked at. Raises NoRecording for foreign ones too."""
    try:
        async with ctx.transaction() as tx:
            piece = await playing.piece_of(tx, recording_id)
            found = await hearable(tx, ctx, piece.recording.call_id)
            if found is None:
                raise NoRecording
    except NoRecording:
        await refuse(ctx, f"recording:{recording_id}")
        raise
    return piece, "" if asked is None else reason_of(ctx, asked, found)


def _played(
    ctx: Context, sound: Sound, name: str, subject: str, reason: str, pieces: tuple[Piece, ...] | list[Piece], tag: str
) -> Played:
    heard = Hearing(ctx.actor, subject, pieces[0].recording.call_id, sound.rate, reason)
    return Played(Wav(sound), name, tag, heard, [one.recording.id for one in pieces])


@api.get("/api/calls/{call_id}/transcript", LISTENERS)
async def read_transcript(ctx: Context, call_id: str) -> TranscriptText:
    """通话转写，逐句逐词带时间；号码以星号遮蔽。通话中为实时转写"""
    async with ctx.transaction() as tx:
        if await hearable(tx, ctx, call_id) is None:
            raise NotFound
        await note(tx, Audited(ctx.actor, "transcript.read", f"call:{call_id}"))
        kept = await transcripts.transcript_of(tx, CallId(call_id))
        live = () if kept else await transcripts.live_of(tx, CallId(call_id))
    if kept is None:
        return TranscriptText(final=False, model="", lines=[_live(one) for one in live if one.words], unread=[])
    unread = [UnreadRow(party=leg.party, why=leg.why) for leg in kept.unread]
    return TranscriptText(final=True, model=kept.model, lines=[_line(line) for line in kept.lines], unread=unread)


def _recording(piece: Piece) -> RecordingRow:
    one = piece.recording
    return RecordingRow(
        id=one.id,
        party=one.party,
        kind=one.kind,
        state=one.state,
        problem=one.problem,
        custody=piece.kept.custody if piece.kept else None,
        playable=piece.playable,
        started_at=one.started_at,
        ended_at=one.ended_at,
        offset_s=piece.offset_s,
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
