"""What the database knows of looking again: who is due, what was found."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, ColumnElement, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import RecordingId
from recordings.custody import rows
from recordings.custody.custody import Custody, Kept
from recordings.custody.recheck import Place, Trouble
from recordings.custody.recheck_tables import recording_trouble
from recordings.custody.tables import recording_object

_C = recording_object.c
_T = recording_trouble.c
LOOKED: dict[Place, Column[Any]] = {Place.STORE: _C.checked_at, Place.COPY: _C.copy_checked_at}
_CAME: dict[Place, Column[Any]] = {Place.STORE: _C.stored_at, Place.COPY: _C.copied_at}


@dataclass(frozen=True, slots=True)
class InTrouble:
    """One row of `recording_trouble`."""

    recording_id: RecordingId
    path: str
    place: Place
    trouble: Trouble
    why: str
    found_at: datetime


def _there(place: Place) -> tuple[ColumnElement[bool], ...]:
    """What must lie in a place now: not what is being deleted."""
    readable = _C.custody.in_((Custody.STORED, Custody.RECYCLED))
    return readable, _C.deletion_began_at.is_(None), _CAME[place].is_not(None)


async def due(tx: AsyncConnection, place: Place, limit: int) -> Sequence[tuple[Kept, datetime]]:
    """Those that were not looked at for longest, and when they were; intake's own proof counts as a look."""
    since = func.coalesce(LOOKED[place], _CAME[place])
    query = select(_C.recording_id, since).where(*_there(place)).order_by(since).limit(limit)
    looked = {RecordingId(row[0]): row[1] for row in await tx.execute(query)}
    found = await rows.kept_of(tx, list(looked))
    return [(found[id_], at) for id_, at in looked.items()]


async def page(tx: AsyncConnection, place: Place, after: int, limit: int) -> Sequence[Kept]:
    """All of a place, by recording id."""
    query = select(_C.recording_id).where(*_there(place), _C.recording_id > after)
    ids = [RecordingId(one) for one in (await tx.execute(query.order_by(_C.recording_id).limit(limit))).scalars()]
    found = await rows.kept_of(tx, ids)
    return [found[id_] for id_ in ids]


async def count(tx: AsyncConnection, place: Place) -> int:
    """How many there must be."""
    return int(
        (await tx.execute(select(func.count()).select_from(recording_object).where(*_there(place)))).scalar_one()
    )


async def held(tx: AsyncConnection, kept: Kept, place: Place) -> bool:
    """Whether it must still be there; until the transaction ends no deletion begins."""
    query = select(_C.recording_id).where(_C.recording_id == kept.recording_id, *_there(place)).with_for_update()
    return (await tx.execute(query)).one_or_none() is not None


async def some_paths(tx: AsyncConnection, place: Place, but: RecordingId, limit: int) -> list[str]:
    """Paths of other recordings that must be there, the newest."""
    query = select(_C.path).where(*_there(place), _C.recording_id != but)
    return list((await tx.execute(query.order_by(_C.recording_id.desc()).limit(limit))).scalars())


async def known(tx: AsyncConnection, paths: Collection[str]) -> set[str]:
    """Which of these paths have a row that is not deleted."""
    query = select(_C.path).where(_C.path.in_(paths), _C.custody != Custody.DELETED)
    return set((await tx.execute(query)).scalars())


async def sound(tx: AsyncConnection, id_: RecordingId, place: Place, at: datetime) -> None:
    """It was looked at and is what was stored."""
    await looked(tx, id_, place, at)
    await tx.execute(delete(recording_trouble).where(_T.recording_id == id_, _T.place == place))


async def looked(tx: AsyncConnection, id_: RecordingId, place: Place, at: datetime) -> None:
    """It was looked at."""
    query = update(recording_object).where(_C.recording_id == id_, _C.custody != Custody.DELETED)
    await tx.execute(query.values({LOOKED[place].name: at}))


async def in_trouble(tx: AsyncConnection, id_: RecordingId, place: Place, trouble: Trouble, why: str) -> bool:
    """It could not be mended; False when that was known."""
    row = insert(recording_trouble).values(recording_id=id_, place=place, trouble=trouble, why=why)
    noted = await tx.execute(row.on_conflict_do_nothing().returning(_T.recording_id))
    return noted.one_or_none() is not None


async def troubled(tx: AsyncConnection, limit: int) -> Sequence[InTrouble]:
    """What is damaged or missing and could not be mended, oldest first. Deleted since: no longer."""
    query = (
        select(recording_trouble, _C.path)
        .join(recording_object, _C.recording_id == _T.recording_id)
        .where(_C.custody.in_((Custody.STORED, Custody.RECYCLED)))
        .order_by(_T.found_at, _T.recording_id)
        .limit(limit)
    )
    return [
        InTrouble(
            RecordingId(row.recording_id), row.path, Place(row.place), Trouble(row.trouble), row.why, row.found_at
        )
        for row in await tx.execute(query)
    ]


async def oldest(tx: AsyncConnection, place: Place) -> datetime | None:
    """When the one was looked at that was not looked at for longest; None: there is none."""
    found = await due(tx, place, 1)
    return found[0][1] if found else None


async def tried_before(tx: AsyncConnection, place: Place, before: datetime, limit: int) -> Sequence[Kept]:
    """Those in trouble that were last tried before a moment."""
    query = (
        select(_C.recording_id)
        .join(recording_trouble, _T.recording_id == _C.recording_id)
        .where(*_there(place), _T.place == place, func.coalesce(LOOKED[place], _CAME[place]) < before)
        .limit(limit)
    )
    ids = [RecordingId(one) for one in (await tx.execute(query)).scalars()]
    found = await rows.kept_of(tx, ids)
    return [found[id_] for id_ in ids]
