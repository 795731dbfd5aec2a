"""The end of a recording: due, recycled, thirty days later deleted with a certificate. Never commits, asks no clock.

`now` everywhere is the moment both clocks have reached. What is decided here the triggers decide once more.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, and_, func, insert, or_, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import CallId, RecordingId
from recordings import store
from recordings.custody import rows
from recordings.custody.custody import Custody
from recordings.custody.tables import recording_object
from recordings.retention.certificates import Certificate
from recordings.retention.holds import holds_on
from recordings.retention.rules import (
    RECYCLED_FOR,
    Basis,
    Rule,
    Standing,
    later_day,
    local_day,
    longest,
)
from recordings.retention.tables import clock_witness, deletion_certificate, legal_hold, retention_basis
from recordings.tables import recording

_R, _O, _H, _B, _D = recording.c, recording_object.c, legal_hold.c, retention_basis.c, deletion_certificate.c


@dataclass(frozen=True, slots=True)
class Witness:
    """What the second clock said beside the database's own time."""

    noted_at: datetime
    second_at: datetime
    agreed: bool


@dataclass(frozen=True, slots=True)
class Due:
    """A recording whose time may be over."""

    id: RecordingId
    call_id: CallId
    not_before: date


@dataclass(frozen=True, slots=True)
class Begun:
    """A recording whose deletion has begun. copied: its second place has it too."""

    id: RecordingId
    path: str
    copied: bool


# ---- until when --------------------------------------------------------------------------------------------------


async def call_closed(tx: AsyncConnection, call_id: CallId, basis: Basis) -> None:
    """The ticket of a call was closed: its recordings are kept as its policy says. Never brings a date forward."""
    row = {
        "call_id": call_id,
        "called_at": basis.called_at,
        "closed_at": basis.counted_from,
        "years": basis.rule.years,
        "policy_id": basis.rule.policy_id,
        "policy_version": basis.rule.policy_version,
        "article": basis.rule.article,
        "not_before": basis.not_before,
    }
    await tx.execute(postgresql.insert(retention_basis).values(**row).on_conflict_do_nothing())
    await store.keep_until(tx, call_id, basis.not_before)


async def basis_of(tx: AsyncConnection, call_id: CallId, recorded_at: datetime) -> Basis:
    """The rule that counts for a recording of this call: the longest there is, else the floor itself."""
    found = [Basis(Rule(), recorded_at)]
    for row in await tx.execute(select(retention_basis).where(_B.call_id == call_id).order_by(_B.id)):
        rule = Rule(row.years, row.policy_id, row.policy_version, row.article)
        found.insert(-1, Basis(rule, row.called_at, row.closed_at))
    return longest(found)


async def created_at(tx: AsyncConnection, id_: RecordingId) -> datetime:
    """When its row was made. Raises NoRecording."""
    found: datetime | None = (await tx.execute(select(_R.created_at).where(_R.id == id_))).scalar_one_or_none()
    if found is None:
        raise store.NoRecording(f"no recording {id_}")
    return found


async def keep_longer(tx: AsyncConnection, id_: RecordingId, day: date) -> date:
    """Keeps one recording until a later day. Raises NoRecording, NeverEarlier."""
    row = (await tx.execute(select(_R.delete_not_before).where(_R.id == id_).with_for_update())).one_or_none()
    if row is None:
        raise store.NoRecording(f"no recording {id_}")
    later = later_day(row.delete_not_before, day)
    await tx.execute(update(recording).where(_R.id == id_).values(delete_not_before=later))
    return later


async def standing_of(tx: AsyncConnection, id_: RecordingId, open_ticket: str | None) -> Standing:
    """What decides about one recording. Raises NoRecording."""
    one = await store.recording_of(tx, id_)
    kept = await rows.kept(tx, id_)
    return Standing(
        one.delete_not_before,
        await holds_on(tx, id_, one.call_id),
        open_ticket,
        stored=kept is not None and kept.readable and kept.deletion_began_at is None,
        recycled_at=kept.recycled_at if kept else None,
    )


# ---- clocks ------------------------------------------------------------------------------------------------------


async def witness(tx: AsyncConnection, second_at: datetime, source: str) -> Witness:
    """Puts both clocks on record; whether they agree is the trigger's word."""
    row = insert(clock_witness).values(second_at=second_at, source=source)
    made = (await tx.execute(row.returning(clock_witness))).one()
    return Witness(made.noted_at, made.second_at, made.agreed)


async def database_now(tx: AsyncConnection) -> datetime:
    """The database's time of this transaction."""
    return (await tx.execute(select(func.now()))).scalar_one()


async def allowed_now(tx: AsyncConnection) -> datetime | None:
    """The moment both clocks have reached, by the newest witness; None: none that counts."""
    return (await tx.execute(text("SELECT recording_allowed_now()"))).scalar_one()  # type: ignore[no-any-return]


# ---- due, recycled, deleted --------------------------------------------------------------------------------------


async def due(tx: AsyncConnection, today: date, *, after: int = 0, limit: int = 200) -> Sequence[Due]:
    """Stored recordings whose day has come and that nobody holds, by number. Open tickets are the hub's to know."""
    longer = select(_B.id).where(_B.call_id == _R.call_id, _B.not_before > today)
    wanted = (
        select(_R.id, _R.call_id, _R.delete_not_before)
        .join(recording_object, _O.recording_id == _R.id)
        .where(_O.custody == Custody.STORED, _R.delete_not_before <= today, _R.id > after)
        .where(~longer.exists(), ~_held(today).exists())
    )
    found = await tx.execute(wanted.order_by(_R.id).limit(limit))
    return tuple(Due(RecordingId(row.id), CallId(row.call_id), row.delete_not_before) for row in found)


def _held(today: date) -> Select[Any]:
    mine = or_(_H.recording_id == _R.id, _H.call_id == _R.call_id)
    return select(_H.id).where(mine, _H.released_at.is_(None), or_(_H.until_day.is_(None), _H.until_day >= today))


async def recycle(tx: AsyncConnection, ids: Sequence[RecordingId]) -> Sequence[RecordingId]:
    """Marks them recycled; those that were. The trigger refuses what is not due."""
    mine = update(recording_object).where(_O.recording_id.in_(ids), _O.custody == Custody.STORED)
    done = await tx.execute(mine.values(custody=Custody.RECYCLED).returning(_O.recording_id))
    return tuple(RecordingId(one) for one in done.scalars())


async def kept_again(tx: AsyncConnection, today: date) -> Sequence[RecordingId]:
    """Brings back recycled recordings whose day was put off since."""
    later = select(_R.id).where(_R.delete_not_before > today)
    mine = and_(_O.custody == Custody.RECYCLED, _O.deletion_began_at.is_(None), _O.recording_id.in_(later))
    back = update(recording_object).where(mine).values(custody=Custody.STORED, recycled_at=None)
    return tuple(RecordingId(one) for one in (await tx.execute(back.returning(_O.recording_id))).scalars())


async def recycled(tx: AsyncConnection, limit: int = 10_000) -> Sequence[tuple[RecordingId, datetime]]:
    """What is in recycle, and since when."""
    wanted = select(_O.recording_id, _O.recycled_at).where(_O.custody == Custody.RECYCLED)
    found = await tx.execute(wanted.order_by(_O.recycled_at).limit(limit))
    return tuple((RecordingId(row.recording_id), row.recycled_at) for row in found)


async def path_of(tx: AsyncConnection, id_: RecordingId) -> str | None:
    """Where its object lies, or lay."""
    return (await tx.execute(select(_O.path).where(_O.recording_id == id_))).scalar_one_or_none()


async def deletable(tx: AsyncConnection, now: datetime, *, limit: int = 1000) -> Sequence[RecordingId]:
    """Recordings recycled for thirty days that nobody holds, and those whose deletion was cut off."""
    over = and_(_O.recycled_at <= now - RECYCLED_FOR, ~_held(local_day(now)).exists())
    wanted = select(_O.recording_id).join(recording, _R.id == _O.recording_id).where(_O.custody == Custody.RECYCLED)
    wanted = wanted.where(or_(_O.deletion_began_at.is_not(None), over)).order_by(_O.recycled_at).limit(limit)
    return tuple(RecordingId(one) for one in (await tx.execute(wanted)).scalars())


async def begin_deletion(tx: AsyncConnection, id_: RecordingId, now: datetime) -> Begun | None:
    """Marks that its objects go now; None when it may not go (any more), or is gone. May be called again."""
    row = (await tx.execute(select(recording_object).where(_O.recording_id == id_).with_for_update())).one_or_none()
    if row is None or row.custody != Custody.RECYCLED:
        return None
    if row.deletion_began_at is None:
        if id_ not in await _still_deletable(tx, id_, now):
            return None
        await tx.execute(update(recording_object).where(_O.recording_id == id_).values(deletion_began_at=func.now()))
    return Begun(id_, row.path, row.copied_at is not None)


async def _still_deletable(tx: AsyncConnection, id_: RecordingId, now: datetime) -> Sequence[RecordingId]:
    # A statement of its own: it sees a hold that was placed while the row was waited for.
    today = local_day(now)
    mine = and_(_O.recording_id == id_, _O.recycled_at <= now - RECYCLED_FOR, _R.delete_not_before <= today)
    wanted = select(_O.recording_id).join(recording, _R.id == _O.recording_id).where(mine, ~_held(today).exists())
    return tuple(RecordingId(one) for one in (await tx.execute(wanted)).scalars())


async def finish_deletion(tx: AsyncConnection, id_: RecordingId, second_at: datetime, by: str) -> Certificate | None:
    """Its objects are gone: certificate and DELETED, the key dropped. None when it is deleted already."""
    row = (await tx.execute(select(recording_object).where(_O.recording_id == id_).with_for_update())).one()
    if row.custody == Custody.DELETED:
        return None
    one = (await tx.execute(select(recording).where(_R.id == id_))).one()
    basis = await basis_of(tx, CallId(one.call_id), one.started_at or one.created_at)
    certificate = Certificate(
        recording_id=id_,
        call_id=CallId(one.call_id),
        name=row.name,
        sealed_sha256=row.sealed_sha256,
        sealed_bytes=row.sealed_bytes,
        samples_sha256=row.samples_sha256,
        recorded_at=one.started_at or one.created_at,
        counted_from=basis.counted_from,
        rule=basis.rule,
        delete_not_before=one.delete_not_before,
        recycled_at=row.recycled_at,
        deleted_at=await database_now(tx),
        second_at=second_at,
        deleted_by=by,
    )
    await tx.execute(insert(deletion_certificate).values(**_columns(certificate)))
    gone = {"custody": Custody.DELETED, "wrapped_key": None, "deleted_at": certificate.deleted_at}
    await tx.execute(update(recording_object).where(_O.recording_id == id_).values(**gone))
    return certificate


# ---- certificates ------------------------------------------------------------------------------------------------


async def certificates(
    tx: AsyncConnection, *, after: int = 0, limit: int = 100
) -> Sequence[tuple[int, Certificate, str]]:
    """Number, certificate and the checksum that stands with it, by number."""
    wanted = select(deletion_certificate).where(_D.id > after).order_by(_D.id).limit(limit)
    return tuple((row.id, _certificate(row), row.sha256) for row in await tx.execute(wanted))


async def certificate_of(tx: AsyncConnection, id_: RecordingId) -> tuple[int, Certificate, str] | None:
    """The certificate of one recording; None while it is not deleted."""
    row = (await tx.execute(select(deletion_certificate).where(_D.recording_id == id_))).one_or_none()
    return None if row is None else (row.id, _certificate(row), row.sha256)


def _columns(one: Certificate) -> dict[str, object]:
    return {
        "recording_id": one.recording_id,
        "call_id": one.call_id,
        "name": one.name,
        "sealed_sha256": one.sealed_sha256,
        "sealed_bytes": one.sealed_bytes,
        "samples_sha256": one.samples_sha256,
        "recorded_at": one.recorded_at,
        "counted_from": one.counted_from,
        "years": one.rule.years,
        "policy_id": one.rule.policy_id,
        "policy_version": one.rule.policy_version,
        "article": one.rule.article,
        "delete_not_before": one.delete_not_before,
        "recycled_at": one.recycled_at,
        "deleted_at": one.deleted_at,
        "second_at": one.second_at,
        "deleted_by": one.deleted_by,
        "sha256": one.sha256,
    }


def _certificate(row: Row[Any]) -> Certificate:
    return Certificate(
        recording_id=RecordingId(row.recording_id),
        call_id=CallId(row.call_id),
        name=UUID(str(row.name)),
        sealed_sha256=row.sealed_sha256,
        sealed_bytes=row.sealed_bytes,
        samples_sha256=row.samples_sha256,
        recorded_at=row.recorded_at,
        counted_from=row.counted_from,
        rule=Rule(row.years, row.policy_id, row.policy_version, row.article),
        delete_not_before=row.delete_not_before,
        recycled_at=row.recycled_at,
        deleted_at=row.deleted_at,
        second_at=row.second_at,
        deleted_by=row.deleted_by,
    )
