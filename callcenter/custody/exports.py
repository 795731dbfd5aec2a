"""Copies of recordings: a row each, with who, why, what is silent in it, and until when it can be fetched.

A copy is never a file here: it is made anew, muted and marked, whenever the one who asked for it fetches it.
Source: GZ-055.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, func, select, update
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.dialects.postgresql.ranges import MultiRange
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.custody import muting
from callcenter.custody.hearing import Heard
from callcenter.custody.listening_tables import recording_export as table
from callcenter.custody.playing import Piece, legs_of
from callcenter.types import Actor, CallId, RecordingId
from callcenter.vault import Vault
from recordings.listening.sounds import MarkedSound, MutedSound, Sound, TonedSound
from recordings.listening.watermark import Mark
from recordings.recording import Kind, Problem
from recordings.words import Transcript
from ticketing.aftercare.hearing_rules import Watermark

LASTS = timedelta(hours=24)
DAY = timedelta(hours=24)
MOST_LISTED = 200
SECRET, MANY = "工单涉密或保密", "一日内导出次数较多"
_C = table.c


class NotTranscribed(Exception):
    """这段录音还没有完整的转写，无法确认其中哪里说出了号码，暂不能导出。请等转写完成后再试，或联系管理员。"""


class ExportUnknown(LookupError):
    """没有找到这次导出，或您无权查看。请核对编号。"""


class ExportOver(Exception):
    """这次导出已超过24小时，不能再下载。如仍需要请重新申请。"""


class ExportWaits(Exception):
    """这次导出须经另一人批准后才能下载。请联系审核员或督办员批准。"""


class ExportNotYours(Exception):
    """不能批准自己申请的导出。请由另一人批准。"""


class ExportSettled(Exception):
    """这次导出已经批准，或不需要批准。"""


@dataclass(frozen=True, slots=True)
class Export:
    """second_person: why another has to approve it, `` when nobody has to. muted: frames that are silent."""

    id: int
    recording_id: RecordingId
    call_id: CallId
    actor: str
    reason: str
    made_at: datetime
    ends_at: datetime
    muted: tuple[tuple[int, int], ...]
    watermark: Watermark
    second_person: str
    approved_by: str | None

    @property
    def waits(self) -> bool:
        """Whether somebody still has to approve it."""
        return bool(self.second_person) and self.approved_by is None


async def make(
    tx: AsyncConnection,
    found: Heard,
    piece: Piece,
    muted: Sequence[tuple[int, int]],
    actor: Actor,
    reason: str,
    now: datetime,
) -> Export:
    """A copy is asked for."""
    limits = [one.second_person_over for one in found.rules if one.second_person_over is not None]
    many = bool(limits) and await _made_since(tx, actor, now - DAY) >= min(limits)
    audible = any(one.watermark is Watermark.AUDIBLE for one in found.rules)
    values = {
        "recording_id": piece.recording.id,
        "call_id": piece.recording.call_id,
        "actor": str(actor),
        "reason": reason,
        "made_at": now,
        "ends_at": now + LASTS,
        "muted": MultiRange(Range(*span) for span in muted),
        "watermark": Watermark.AUDIBLE if audible else Watermark.INAUDIBLE,
        "second_person": SECRET if found.secret else MANY if many else "",
    }
    return _export((await tx.execute(table.insert().values(**values).returning(*_C))).one())


async def _made_since(tx: AsyncConnection, actor: Actor, since: datetime) -> int:
    mine = select(func.count()).where(_C.actor == str(actor), _C.made_at > since)
    return int((await tx.execute(mine)).scalar_one())


def silent_in(
    piece: Piece, pieces: Sequence[Piece], transcript: Transcript | None, rate: int
) -> tuple[tuple[int, int], ...]:
    """The frames of a recording where long numbers are said. pieces: all of its call. PURE. Raises NotTranscribed."""
    wanted = [piece] if piece.recording.kind is Kind.LEG else [one for one in legs_of(pieces) if one.playable]
    if transcript is None or not wanted:
        raise NotTranscribed
    unread = {leg.channel_id for leg in transcript.unread}
    said = muting.words_of(transcript, [one.recording.channel_id for one in wanted])
    for one, words in zip(wanted, said, strict=True):
        # No words of a leg that is not silent: nobody listened to it, or it came too late for the transcript.
        if one.recording.channel_id in unread or not (words or one.recording.problem is Problem.SILENT):
            raise NotTranscribed
    spans = [span for words in said for span in muting.spoken_numbers(words)]
    return muting.frames(spans, piece.offset_s, rate)


async def fetchable(tx: AsyncConnection, export_id: int, actor: Actor, now: datetime) -> Export:
    """The copy, for the one who asked for it. Raises ExportUnknown, ExportOver, ExportWaits."""
    found = await one_of(tx, export_id)
    if found is None or found.actor != str(actor):
        raise ExportUnknown
    if now >= found.ends_at:
        raise ExportOver
    if found.waits:
        raise ExportWaits
    return found


async def one_of(tx: AsyncConnection, export_id: int, *, lock: bool = False) -> Export | None:
    """The copy of this number, whoever asked for it."""
    query = select(table).where(_C.id == export_id)
    row = (await tx.execute(query.with_for_update() if lock else query)).one_or_none()
    return None if row is None else _export(row)


async def listed(tx: AsyncConnection, actor: Actor, now: datetime, *, waiting: bool) -> tuple[Export, ...]:
    """This person's own copies; waiting: those of others that wait for a second person. The newest first."""
    query: Select[Any] = select(table).order_by(_C.id.desc()).limit(MOST_LISTED)
    if waiting:
        query = query.where(_C.second_person != "", _C.approved_by.is_(None), _C.actor != str(actor), _C.ends_at > now)
    else:
        query = query.where(_C.actor == str(actor))
    return tuple(_export(row) for row in await tx.execute(query))


async def approve(tx: AsyncConnection, export_id: int, actor: Actor, now: datetime) -> Export:
    """A second person agrees. Raises ExportUnknown, ExportOver, ExportNotYours, ExportSettled."""
    found = await one_of(tx, export_id, lock=True)
    if found is None:
        raise ExportUnknown
    if found.actor == str(actor):
        raise ExportNotYours
    if now >= found.ends_at:
        raise ExportOver
    if not found.waits:
        raise ExportSettled
    done = update(table).where(_C.id == export_id).values(approved_by=str(actor), approved_at=now).returning(*_C)
    return _export((await tx.execute(done)).one())


def made_of(sound: Sound, export: Export, key: bytes) -> Sound:
    """The sound of a copy: numbers silent, the person's number under it. Raises NoSound."""
    marked = MarkedSound(MutedSound(sound, export.muted), Mark(key, export.id % (1 << 32)))
    return TonedSound(marked) if export.watermark is Watermark.AUDIBLE else marked


def watermark_key(vault: Vault) -> bytes:
    """What copies of this installation are marked under."""
    return vault.derived(b"watermark")


def _export(row: Row[Any]) -> Export:
    return Export(
        id=row.id,
        recording_id=RecordingId(row.recording_id),
        call_id=CallId(row.call_id),
        actor=row.actor,
        reason=row.reason,
        made_at=row.made_at,
        ends_at=row.ends_at,
        muted=tuple((span.lower, span.upper) for span in row.muted),
        watermark=Watermark(row.watermark),
        second_person=row.second_person,
        approved_by=row.approved_by,
    )
