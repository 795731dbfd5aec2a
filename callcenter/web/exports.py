"""Copies of recordings: asked for with a reason, numbers silent in them, marked with who asked, gone after a day."""

from datetime import datetime
from typing import Annotated

from aiohttp import web
from pydantic import Field

from callcenter import metrics
from callcenter.audit import Audited, note
from callcenter.custody import exports, playing
from callcenter.custody.exports import Export
from callcenter.custody.playbacks import Hearing
from callcenter.custody.playing import Piece, open_piece
from callcenter.types import RecordingId, Role
from callcenter.web.context import Context
from callcenter.web.listening import DISTRUST, REASON_LEAST, REASON_MOST, hearable, only_ids, opened, refuse, send
from callcenter.web.playback import NotPlayable, Played, in_thread
from callcenter.web.router import In, Out, Query, Routes
from recordings import transcripts
from recordings.listening.sounds import Sound, Wav
from recordings.store import NoRecording

api = Routes("exports", only_ids)
EXPORTERS = frozenset({Role.REVIEWER, Role.SUPERVISOR, Role.AUDITOR})
APPROVERS = frozenset({Role.REVIEWER, Role.SUPERVISOR})
EXPORTED, APPROVED = "recording.export", "recording.export_approve"


class ExportAsked(In):
    reason: Annotated[str, Field(min_length=REASON_LEAST, max_length=REASON_MOST, pattern=r"\S.*\S")]


class ExportQuery(Query):
    """waiting: those of others that wait for a second person, for reviewers and supervisors."""

    waiting: bool = False


class ExportRow(Out):
    """second_person: why another person has to approve; empty: nobody has to. muted: silent places."""

    id: int
    recording: int
    call: str
    actor: str
    reason: str
    made_at: datetime
    ends_at: datetime
    muted: int
    watermark: str
    second_person: str
    approved_by: str | None


class ExportPage(Out):
    rows: list[ExportRow]


@api.post("/api/recordings/{recording_id}/exports", EXPORTERS)
async def ask_export(ctx: Context, recording_id: int, body: ExportAsked) -> ExportRow:
    """申请导出录音：须说明理由；说出的号码静音，带有本次导出的水印，24 小时内由本人下载"""
    subject = f"recording:{recording_id}"
    try:
        made = await _make(ctx, RecordingId(recording_id), " ".join(body.reason.split()))
    except (NoRecording, NotPlayable, exports.NotTranscribed) as error:
        metrics.EXPORTS.labels("refused").inc()
        async with ctx.transaction() as tx:
            detail = {"why": type(error).__name__, "reason": body.reason}
            await note(tx, Audited(ctx.actor, EXPORTED, subject, ok=False, detail=detail))
        raise
    metrics.EXPORTS.labels("waits" if made.waits else "made").inc()
    return _row(made)


async def _make(ctx: Context, recording_id: RecordingId, reason: str) -> Export:
    now = ctx.now
    async with ctx.transaction() as tx:
        piece = await playing.piece_of(tx, recording_id)
        found = await hearable(tx, ctx, piece.recording.call_id)
        if found is None:
            raise NoRecording
    rate = await _rate(ctx, piece)
    async with ctx.transaction() as tx:
        pieces = await playing.pieces_of(tx, piece.recording.call_id)
        said = await transcripts.transcript_of(tx, piece.recording.call_id)
        silent = exports.silent_in(piece, pieces, said, rate)
        made = await exports.make(tx, found, piece, silent, ctx.actor, reason, now)
        detail: dict[str, str | int] = {
            "export": made.id,
            "call": made.call_id,
            "reason": reason,
            "second_person": made.second_person,
        }
        await note(tx, Audited(ctx.actor, EXPORTED, f"recording:{recording_id}", detail=detail))
    return made


async def _rate(ctx: Context, piece: Piece) -> int:
    """Frames a second; asked of the sound itself, so that what cannot be played is not exported either."""
    sound = await opened(
        ctx, f"recording:{piece.recording.id}", lambda: open_piece(ctx.services.custody, piece, DISTRUST)
    )
    await in_thread(sound.close)
    return sound.rate


@api.get("/api/exports", EXPORTERS)
async def list_exports(ctx: Context, query: ExportQuery) -> ExportPage:
    """本人的录音导出；审核员、督办员可查看等待批准的导出"""
    waiting = query.waiting and ctx.has(*APPROVERS)
    async with ctx.transaction() as tx:
        found = await exports.listed(tx, ctx.actor, ctx.now, waiting=waiting)
    return ExportPage(rows=[_row(one) for one in found])


@api.post("/api/exports/{export_id}/approve", APPROVERS)
async def approve_export(ctx: Context, export_id: int) -> ExportRow:
    """批准他人的录音导出；不能批准自己的申请"""
    async with ctx.transaction() as tx:
        done = await exports.approve(tx, export_id, ctx.actor, ctx.now)
        detail: dict[str, str | int] = {"recording": done.recording_id, "for": done.actor}
        await note(tx, Audited(ctx.actor, APPROVED, f"export:{done.id}", detail=detail))
    return _row(done)


@api.get("/api/exports/{export_id}/audio", EXPORTERS)
async def fetch_export(ctx: Context, export_id: int) -> web.StreamResponse:
    """下载本人申请的导出录音（WAV），支持 Range 分段；24 小时后失效"""
    subject = f"export:{export_id}"
    try:
        async with ctx.transaction() as tx:
            export = await exports.fetchable(tx, export_id, ctx.actor, ctx.now)
            piece = await playing.piece_of(tx, export.recording_id)
            if await hearable(tx, ctx, export.call_id) is None:
                raise exports.ExportUnknown
    except (exports.ExportUnknown, exports.ExportOver, exports.ExportWaits):
        await refuse(ctx, subject)
        raise
    sound = await opened(ctx, subject, lambda: _copy(ctx, piece, export))
    heard = Hearing(ctx.actor, subject, export.call_id, sound.rate, export.reason)
    name = f"{export.call_id}_export_{export.id}.wav"
    return await send(ctx, Played(Wav(sound), name, f"{piece.tag}-{export.id}", heard, [export.recording_id]))


def _copy(ctx: Context, piece: Piece, export: Export) -> Sound:
    sound = open_piece(ctx.services.custody, piece, DISTRUST)
    try:
        return exports.made_of(sound, export, exports.watermark_key(ctx.services.vault))
    except BaseException:
        sound.close()
        raise


def _row(one: Export) -> ExportRow:
    return ExportRow(
        id=one.id,
        recording=one.recording_id,
        call=one.call_id,
        actor=one.actor,
        reason=one.reason,
        made_at=one.made_at,
        ends_at=one.ends_at,
        muted=len(one.muted),
        watermark=one.watermark,
        second_person=one.second_person,
        approved_by=one.approved_by,
    )
