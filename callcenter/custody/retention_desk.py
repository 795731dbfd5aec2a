"""What people do about keeping: look why, hold, release by two, bring back, keep longer; and every refusal on record.

The API and the command line are two doors to this desk. A refused attempt leaves an audit row of its own.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.audit import Audited, note
from callcenter.custody.tickets_of_calls import open_tickets
from callcenter.db import Database
from callcenter.tables import call
from callcenter.types import Actor, CallId, RecordingId, Role, TicketId
from recordings import store
from recordings.custody import rows
from recordings.custody.custody import Custody
from recordings.recording import Recording
from recordings.retention import expiry, holds
from recordings.retention.certificates import Certificate
from recordings.retention.rules import (
    RECYCLED_FOR,
    Basis,
    Hold,
    Keeper,
    NeverEarlier,
    Standing,
    kept_by,
    local_day,
)

KEEPERS = frozenset({Role.SUPERVISOR, Role.AUDITOR, Role.ADMIN})
"""Who may hold recordings; two of them, different persons, may release."""


class NoCall(LookupError):
    """没有这通电话，请核对编号。"""


class StillKept(Exception):
    """This recording may not go yet. sentence: Chinese; str(): English; both say until when and why."""

    def __init__(self, sentence: str, english: str) -> None:
        super().__init__(english)
        self.sentence = sentence


REFUSALS = (
    holds.NoHold,
    holds.HoldEnded,
    holds.ReasonTooShort,
    holds.NotShorter,
    holds.ReleaseAsked,
    holds.NothingAsked,
    holds.SamePerson,
    store.NoRecording,
    NeverEarlier,
    NoCall,
    StillKept,
)
"""What this desk refuses with; each is put on record."""


@dataclass(frozen=True, slots=True)
class Looked:
    """One recording and everything that keeps it at `now`, the database's time. keeper None: it may go."""

    recording: Recording
    custody: Custody | None
    basis: Basis
    standing: Standing
    now: datetime
    ticket: TicketId | None
    certificate: Certificate | None
    deletion_began_at: datetime | None

    @property
    def keeper(self) -> Keeper | None:
        return kept_by(self.standing, self.now)

    @property
    def standing_holds(self) -> tuple[Hold, ...]:
        """Those that keep it today."""
        return tuple(one for one in self.standing.holds if one.stands(local_day(self.now)))


@asynccontextmanager
async def attempt(
    database: Database, actor: Actor, action: str, subject: str, detail: Mapping[str, str | None] | None = None
) -> AsyncIterator[AsyncConnection]:
    """One deed and its audit row in one transaction; a refusal leaves a row of its own. Raises REFUSALS."""
    said = dict(detail or {})
    try:
        async with database.transaction() as tx:
            yield tx
            await note(tx, Audited(actor, action, subject, detail=said))
    except REFUSALS as error:
        async with database.transaction() as tx:
            why = str(error) or type(error).__name__
            await note(tx, Audited(actor, action, subject, False, {**said, "refused": why}))
        raise


async def look(tx: AsyncConnection, id_: RecordingId) -> Looked:
    """Why it is kept, until when, by which rule. Raises NoRecording."""
    one = await store.recording_of(tx, id_)
    kept = await rows.kept(tx, id_)
    found = await expiry.certificate_of(tx, id_)
    ticket = (await open_tickets(tx, {one.call_id})).get(one.call_id)
    recorded_at = one.started_at or await expiry.created_at(tx, id_)
    return Looked(
        recording=one,
        custody=kept.custody if kept else None,
        basis=await expiry.basis_of(tx, one.call_id, recorded_at),
        standing=await expiry.standing_of(tx, id_, ticket),
        now=await expiry.database_now(tx),
        ticket=ticket,
        certificate=found[1] if found else None,
        deletion_began_at=kept.deletion_began_at if kept else None,
    )


async def hold(
    database: Database, actor: Actor, subject: CallId | RecordingId, reason: str, until: date | None
) -> holds.Placed:
    """Holds a recording or a whole call; what is recycled comes back. Raises NoCall, NoRecording, ReasonTooShort."""
    detail = {"reason": reason, "until": until.isoformat() if until else None}
    async with attempt(database, actor, "recording.hold", _name(subject), detail) as tx:
        await _exists(tx, subject)
        return await holds.place(tx, subject, reason, str(actor), until)


async def restore(database: Database, actor: Actor, id_: RecordingId, reason: str, until: date | None) -> holds.Placed:
    """Brings a recycled recording back by holding it: without a hold its time would be over again at once.

    Raises NoRecording, ReasonTooShort, StillKept (its deletion has begun, or it was never recycled).
    """
    detail = {"reason": reason, "until": until.isoformat() if until else None}
    async with attempt(database, actor, "recording.restore", _name(id_), detail) as tx:
        await store.recording_of(tx, id_)
        placed = await holds.place(tx, id_, reason, str(actor), until)
        if id_ not in placed.brought_back:
            raise StillKept(
                f"录音 {id_} 不在回收期内，不能恢复：未回收的录音无须恢复，已删除的不能恢复。",
                f"recording {id_} is not in recycle: kept ones need no restore, deleted ones cannot be restored",
            )
        return placed


async def ask_release(database: Database, actor: Actor, id_: int, reason: str, until: date | None) -> holds.Release:
    """The first of two persons. Raises what holds.ask_release raises."""
    detail = {"reason": reason, "until": until.isoformat() if until else None}
    async with attempt(database, actor, "hold.ask_release", f"hold:{id_}", detail) as tx:
        return await holds.ask_release(tx, id_, reason, str(actor), until)


async def decide_release(database: Database, actor: Actor, id_: int, *, granted: bool) -> holds.Release:
    """The second of two persons. Raises what holds.decide_release raises."""
    action = "hold.grant_release" if granted else "hold.refuse_release"
    async with attempt(database, actor, action, f"hold:{id_}") as tx:
        return await holds.decide_release(tx, id_, str(actor), granted=granted)


async def keep_longer(database: Database, actor: Actor, id_: RecordingId, day: date) -> date:
    """Puts the day off; it is never brought forward. Raises NoRecording, NeverEarlier."""
    async with attempt(database, actor, "recording.keep_until", _name(id_), {"day": day.isoformat()}) as tx:
        return await expiry.keep_longer(tx, id_, day)


async def recycle(database: Database, actor: Actor, id_: RecordingId) -> None:
    """A person asks for what the sweep would do, no earlier. Raises NoRecording, StillKept."""
    async with attempt(database, actor, "recording.recycle", _name(id_)) as tx:
        found = await look(tx, id_)
        if found.keeper is not None:
            raise StillKept(*why(found))
        allowed = await expiry.allowed_now(tx)
        if allowed is None:
            raise StillKept(
                f"录音 {id_} 不能删除：第二时钟未确认当前日期，在两个时钟一致之前，任何录音都不删除。",
                f"recording {id_} stays: no second clock confirms the date; see CALLCENTER_SECOND_CLOCK",
            )
        found = replace(found, now=allowed)
        if found.keeper is not None:
            raise StillKept(*why(found))
        await expiry.recycle(tx, [id_])


def why(one: Looked) -> tuple[str, str]:
    """What keeps it, until when and why: Chinese, English."""
    number, day = one.recording.id, one.standing.not_before
    if one.keeper is Keeper.DATE:
        rule = one.basis.rule
        basis = f"{rule.article}，" if rule.article else ""
        counted = f"{basis}自通话与办结中较晚者起满 {rule.years} 年零 1 天"
        return (
            f"录音 {number} 须保存，{day} 之前任何人不能删除（{counted}）。",
            f"recording {number} is kept until {day}: {rule.years} years and a day from the later of call and close",
        )
    if one.keeper is Keeper.HOLD:
        held = one.standing_holds[0]
        end = f"至 {held.until}" if held.until else "无期限"
        until = f"until {held.until}" if held.until else "without a cap"
        return (
            f"录音 {number} 已保全（保全 {held.id}，{end}，理由：{held.reason}），解除须两人办理，此前不能删除。",
            f"recording {number} is held {until} by hold {held.id}: {held.reason}",
        )
    if one.keeper is Keeper.TICKET:
        return (
            f"录音 {number} 所属工单 {one.ticket} 尚未归档，归档之前不能删除。",
            f"recording {number} is kept until ticket {one.ticket} is archived",
        )
    if one.keeper is Keeper.RECYCLE and one.standing.recycled_at:
        end_day = local_day(one.standing.recycled_at + RECYCLED_FOR)
        return (
            f"录音 {number} 在回收期内，{end_day} 之前仍可恢复，不能删除。",
            f"recording {number} is in recycle until {end_day}",
        )
    if one.keeper is Keeper.NOT_KEPT:
        return f"录音 {number} 没有可删除的存档。", f"recording {number} has nothing in the store"
    return f"录音 {number} 已到期，可以删除。", f"the time of recording {number} is over"


def _name(subject: CallId | RecordingId) -> str:
    return f"call:{subject}" if isinstance(subject, str) else f"recording:{subject}"


async def _exists(tx: AsyncConnection, subject: CallId | RecordingId) -> None:
    if not isinstance(subject, str):
        await store.recording_of(tx, subject)
        return
    known = (await tx.execute(select(call.c.id).where(call.c.id == subject))).one_or_none()
    # The row of a call that came from a package of the archive may be missing; its recordings are there.
    if known is None and not await store.recordings_of(tx, [subject]):
        raise NoCall
