"""Legal holds: placed by one person, ended early by two. Rows are read and written here; nothing is committed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, Select, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import CallId, RecordingId
from recordings.custody.custody import Custody
from recordings.custody.tables import recording_object
from recordings.retention.rules import SHORTEST_REASON, Hold
from recordings.retention.tables import hold_release, legal_hold
from recordings.tables import recording

_H, _R, _C, _O = legal_hold.c, hold_release.c, recording.c, recording_object.c


class NoHold(LookupError):
    """没有这项保全，请核对编号。"""


class HoldEnded(Exception):
    """这项保全已经解除，不能再变更。"""


class ReasonTooShort(ValueError):
    """请写明理由，不少于 10 个字。"""


class NotShorter(ValueError):
    """申请的截止日期不早于现有的截止日期，无须解除。如需延长，请另行保全。"""


class ReleaseAsked(Exception):
    """这项保全已有一项待审批的解除申请，请先审批。"""


class NothingAsked(LookupError):
    """这项保全没有待审批的解除申请。"""


class SamePerson(Exception):
    """解除保全须由申请人以外的另一人审批，本人不能审批自己的申请。"""


@dataclass(frozen=True, slots=True)
class Release:
    """A wish to end or shorten a hold. until: its new last day; None: at once. granted None: not decided yet."""

    id: int
    hold_id: int
    until: date | None
    reason: str
    asked_by: str
    asked_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    granted: bool | None


@dataclass(frozen=True, slots=True)
class Placed:
    """brought_back: recycled recordings that are kept again. too_late: those whose deletion had begun."""

    hold: Hold
    brought_back: tuple[RecordingId, ...]
    too_late: tuple[RecordingId, ...]


async def place(
    tx: AsyncConnection,
    subject: CallId | RecordingId,
    reason: str,
    by: str,
    until: date | None = None,
) -> Placed:
    """Holds one recording (by number), or all of a call, those to come included. Raises ReasonTooShort.

    Waits for whoever is just recycling or deleting one of them, and brings back what is recycled.
    """
    whole = isinstance(subject, str)
    row = {
        "reason": _reason(reason),
        "placed_by": by,
        "until_day": until,
        "call_id" if whole else "recording_id": subject,
    }
    hold = _hold((await tx.execute(insert(legal_hold).values(**row).returning(legal_hold))).one())
    whose = _C.call_id == subject if whole else _C.id == subject
    own = select(_C.id).where(whose)
    # Every row is locked, recycled or not: a sweep that goes by in this moment sees the hold, or is seen here.
    locked = select(_O.recording_id, _O.custody, _O.deletion_began_at).where(_O.recording_id.in_(own))
    rows = (await tx.execute(locked.order_by(_O.recording_id).with_for_update())).all()
    recycled = [one for one in rows if one.custody == Custody.RECYCLED]
    back = [one.recording_id for one in recycled if one.deletion_began_at is None]
    if back:
        await tx.execute(
            update(recording_object).where(_O.recording_id.in_(back)).values(custody=Custody.STORED, recycled_at=None)
        )
    late = tuple(one.recording_id for one in recycled if one.deletion_began_at is not None)
    return Placed(hold, tuple(back), late)


async def ask_release(tx: AsyncConnection, hold_id: int, reason: str, by: str, until: date | None = None) -> Release:
    """The first person asks to end a hold (until None) or to let it end earlier.

    Raises NoHold, HoldEnded, ReasonTooShort, NotShorter, ReleaseAsked.
    """
    hold = await _locked(tx, hold_id)
    if not hold.shortened_by(until):
        raise NotShorter
    if await _open(tx, hold_id) is not None:
        raise ReleaseAsked
    row = {"hold_id": hold_id, "until_day": until, "reason": _reason(reason), "asked_by": by}
    return _release((await tx.execute(insert(hold_release).values(**row).returning(hold_release))).one())


async def decide_release(tx: AsyncConnection, hold_id: int, by: str, *, granted: bool) -> Release:
    """The second person grants or refuses it; granted, the hold ends now or on the earlier day.

    Raises NoHold, HoldEnded, NothingAsked, SamePerson.
    """
    await _locked(tx, hold_id)
    asked = await _open(tx, hold_id)
    if asked is None:
        raise NothingAsked
    if asked.asked_by.strip().lower() == by.strip().lower():
        raise SamePerson
    decided = update(hold_release).where(_R.id == asked.id).values(decided_by=by, granted=granted)
    done = _release((await tx.execute(decided.returning(hold_release))).one())
    if granted:
        ended = {"released_at": func.now()} if asked.until is None else {"until_day": asked.until}
        await tx.execute(update(legal_hold).where(_H.id == hold_id).values(**ended))
    return done


async def hold_of(tx: AsyncConnection, hold_id: int) -> Hold:
    """One hold. Raises NoHold."""
    row = (await tx.execute(select(legal_hold).where(_H.id == hold_id))).one_or_none()
    if row is None:
        raise NoHold
    return _hold(row)


async def holds(tx: AsyncConnection, *, standing: bool = True, after: int = 0, limit: int = 100) -> Sequence[Hold]:
    """Holds by number. standing: only those that were not released (one whose last day is over among them)."""
    wanted = select(legal_hold).where(_H.id > after).order_by(_H.id).limit(limit)
    return await _holds(tx, wanted.where(_H.released_at.is_(None)) if standing else wanted)


async def holds_on(tx: AsyncConnection, recording_id: RecordingId, call_id: CallId) -> Sequence[Hold]:
    """Every hold, ended ones too, on this recording or its call."""
    wanted = select(legal_hold).where(or_(_H.recording_id == recording_id, _H.call_id == call_id))
    return await _holds(tx, wanted.order_by(_H.id))


async def releases_of(tx: AsyncConnection, hold_ids: Sequence[int]) -> Sequence[Release]:
    """What was asked and decided about these holds, oldest first."""
    wanted = select(hold_release).where(_R.hold_id.in_(hold_ids)).order_by(_R.id)
    return tuple(_release(row) for row in await tx.execute(wanted))


def _reason(text: str) -> str:
    reason = " ".join(text.split())
    if len(reason) < SHORTEST_REASON:
        raise ReasonTooShort
    return reason


async def _locked(tx: AsyncConnection, hold_id: int) -> Hold:
    row = (await tx.execute(select(legal_hold).where(_H.id == hold_id).with_for_update())).one_or_none()
    if row is None:
        raise NoHold
    if row.released_at is not None:
        raise HoldEnded
    return _hold(row)


async def _open(tx: AsyncConnection, hold_id: int) -> Release | None:
    wanted = select(hold_release).where(_R.hold_id == hold_id, _R.decided_at.is_(None))
    row = (await tx.execute(wanted)).one_or_none()
    return None if row is None else _release(row)


async def _holds(tx: AsyncConnection, wanted: Select[Any]) -> Sequence[Hold]:
    return tuple(_hold(row) for row in await tx.execute(wanted))


def _hold(row: Row[Any]) -> Hold:
    return Hold(
        id=row.id,
        call_id=CallId(row.call_id) if row.call_id else None,
        recording_id=RecordingId(row.recording_id) if row.recording_id else None,
        reason=row.reason,
        placed_by=row.placed_by,
        placed_at=row.placed_at,
        until=row.until_day,
        released_at=row.released_at,
    )


def _release(row: Row[Any]) -> Release:
    return Release(
        id=row.id,
        hold_id=row.hold_id,
        until=row.until_day,
        reason=row.reason,
        asked_by=row.asked_by,
        asked_at=row.asked_at,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        granted=row.granted,
    )
