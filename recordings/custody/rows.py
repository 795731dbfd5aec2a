"""Rows of `recording_object`: read and written, no decisions. Steps go forward only; a repeated one changes nothing."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, Update, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import RecordingId
from recordings.custody.custody import Cipher, Codec, Contents, Custody, Kept, SealedObject, WrappedKey
from recordings.custody.tables import recording_object
from recordings.recording import State
from recordings.tables import recording

WITH_AUDIO = frozenset({State.VERIFIED, State.REPAIRED, State.SUSPECT})
"""Recordings in these states have a file; also one that nobody can decode is kept."""
AT_ONCE = 5_000
"""Ids asked for in one statement; PostgreSQL takes 32,767 values."""
_C, _R = recording_object.c, recording.c


async def kept(tx: AsyncConnection, id_: RecordingId) -> Kept | None:
    """The row of a recording; None for one that was never prepared."""
    row = (await tx.execute(select(recording_object).where(_C.recording_id == id_))).one_or_none()
    return None if row is None else _kept(row)


async def kept_of(tx: AsyncConnection, ids: Collection[RecordingId]) -> dict[RecordingId, Kept]:
    """The rows of these recordings; one that was never prepared is absent."""
    wanted, found = list(ids), dict[RecordingId, Kept]()
    for first in range(0, len(wanted), AT_ONCE):
        own = _C.recording_id.in_(wanted[first : first + AT_ONCE])
        found |= {one.recording_id: one for one in await _all(tx, select(recording_object).where(own))}
    return found


async def named(tx: AsyncConnection, name: UUID) -> Kept | None:
    """The row of the object called `name`."""
    row = (await tx.execute(select(recording_object).where(_C.name == name))).one_or_none()
    return None if row is None else _kept(row)


async def page(
    tx: AsyncConnection, after: RecordingId, limit: int, custody: Collection[Custody] = tuple(Custody)
) -> Sequence[Kept]:
    """The next rows by recording id, after `after` (0: from the beginning)."""
    wanted = select(recording_object).where(_C.recording_id > after, _C.custody.in_(custody))
    return await _all(tx, wanted.order_by(_C.recording_id).limit(limit))


async def prepare(tx: AsyncConnection, id_: RecordingId, name: UUID, path: str, at: datetime) -> Kept:
    """The row of a recording, made with this name and path when there is none; one that is there keeps its own."""
    row = insert(recording_object).values(
        recording_id=id_, name=name, path=path, custody=Custody.PREPARED, prepared_at=at
    )
    await tx.execute(row.on_conflict_do_nothing(index_elements=[_C.recording_id]))
    query = select(recording_object).where(_C.recording_id == id_)
    return _kept((await tx.execute(query)).one())


async def rename(tx: AsyncConnection, kept: Kept, name: UUID, path: str) -> bool:
    """Gives up the name of a recording that is not stored yet; False when it was stored or renamed meanwhile."""
    own = _own(kept.recording_id).where(_C.custody == Custody.PREPARED, _C.name == kept.name)
    return await _changed(tx, own.values(name=name, path=path))


async def stored(
    tx: AsyncConnection,
    id_: RecordingId,
    contents: Contents,
    sealed: SealedObject,
    at: datetime,
    *,
    name: UUID | None = None,
) -> bool:
    """It is in the store and was proved; False when it was stored before (what was written then stays).

    name: under which it was stored; False also when the recording has another name by now.
    """
    values = {
        "custody": Custody.STORED,
        "codec": contents.codec,
        "frames": contents.frames,
        "sample_rate": contents.sample_rate,
        "channels": contents.channels,
        "samples_sha256": contents.samples_sha256,
        "plain_bytes": contents.plain_bytes,
        "peaks": contents.peaks,
        "cipher": sealed.cipher,
        "key_id": sealed.key.key_id,
        "wrapped_key": sealed.key.wrapped,
        "sealed_bytes": sealed.sealed_bytes,
        "sealed_sha256": sealed.sealed_sha256,
        "stored_at": at,
    }
    own = _own(id_).where(_C.custody == Custody.PREPARED)
    return await _changed(tx, (own if name is None else own.where(_C.name == name)).values(**values))


async def copied(tx: AsyncConnection, id_: RecordingId, at: datetime) -> bool:
    """It is in the second place too, with the same bytes."""
    return await _changed(tx, _own(id_).where(_C.copied_at.is_(None)).values(copied_at=at))


async def spool_removed(tx: AsyncConnection, id_: RecordingId, at: datetime) -> bool:
    """Its file has left the spool."""
    return await _changed(tx, _own(id_).where(_C.spool_removed_at.is_(None)).values(spool_removed_at=at))


async def unkept(tx: AsyncConnection, after: RecordingId, limit: int) -> tuple[Sequence[RecordingId], RecordingId]:
    """Verified recordings with a file that the store has not got, among the next `limit` after `after`.

    Also the last id that was looked at; `after` itself when there is none.
    """
    page_ = select(_R.id, _R.state, _R.sha256).where(_R.id > after).order_by(_R.id).limit(limit).subquery()
    joined = page_.outerjoin(recording_object, _C.recording_id == page_.c.id)
    query = select(page_.c.id, page_.c.state, page_.c.sha256, _C.custody).select_from(joined).order_by(page_.c.id)
    rows = (await tx.execute(query)).all()
    waiting = [r.id for r in rows if r.custody in (None, Custody.PREPARED) and r.state in WITH_AUDIO and r.sha256]
    return waiting, RecordingId(rows[-1].id) if rows else after


async def uncopied(tx: AsyncConnection, limit: int) -> Sequence[RecordingId]:
    """Stored recordings that have no copy, the oldest first."""
    return await _ids(tx, _C.copied_at.is_(None), limit)


async def in_spool(tx: AsyncConnection, limit: int, *, with_copy: bool) -> Sequence[RecordingId]:
    """Stored recordings, with a copy if need be, whose file may leave the spool, the oldest first."""
    ready = _C.spool_removed_at.is_(None)
    return await _ids(tx, ready & _C.copied_at.is_not(None) if with_copy else ready, limit)


async def _ids(tx: AsyncConnection, wanted: ColumnElement[bool], limit: int) -> Sequence[RecordingId]:
    readable = _C.custody.in_([Custody.STORED, Custody.RECYCLED])
    query = select(_C.recording_id).where(wanted, readable).order_by(_C.stored_at).limit(limit)
    return [RecordingId(one) for one in (await tx.execute(query)).scalars()]


def _own(id_: RecordingId) -> Update:
    return update(recording_object).where(_C.recording_id == id_)


async def _changed(tx: AsyncConnection, statement: Update) -> bool:
    return (await tx.execute(statement.returning(_C.recording_id))).one_or_none() is not None


async def _all(tx: AsyncConnection, wanted: Select[Any]) -> Sequence[Kept]:
    return tuple(_kept(row) for row in await tx.execute(wanted))


def _kept(row: Row[Any]) -> Kept:
    return Kept(
        recording_id=RecordingId(row.recording_id),
        name=row.name,
        path=row.path,
        custody=Custody(row.custody),
        contents=_contents(row),
        sealed=_sealed(row),
        prepared_at=row.prepared_at,
        stored_at=row.stored_at,
        copied_at=row.copied_at,
        spool_removed_at=row.spool_removed_at,
        recycled_at=row.recycled_at,
        deleted_at=row.deleted_at,
        deletion_began_at=row.deletion_began_at,
    )


def _contents(row: Row[Any]) -> Contents | None:
    if row.codec is None:
        return None
    return Contents(
        codec=Codec(row.codec),
        frames=row.frames or 0,
        sample_rate=row.sample_rate or 0,
        channels=row.channels or 0,
        samples_sha256=row.samples_sha256,
        plain_bytes=row.plain_bytes or 0,
        peaks=bytes(row.peaks or b""),
    )


def _sealed(row: Row[Any]) -> SealedObject | None:
    # A deleted one has no key any more: there is nothing to open.
    if row.sealed_sha256 is None or row.wrapped_key is None:
        return None
    # A deleted recording's key is gone too.
    key = WrappedKey(row.key_id, bytes(row.wrapped_key or b""))
    return SealedObject(Cipher(row.cipher), key, row.sealed_bytes, row.sealed_sha256)
