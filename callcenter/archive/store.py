"""Rows of the archive: packages and indexes, read and written, no decisions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Table, func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.archive.tables import archived_package, archived_recording, archived_week, archived_week_entry
from ticketing.aftercare.archive_numbers import Week

MAX_PAGE = 200
_P, _W = archived_package.c, archived_week.c


class NoPackage(LookupError):
    """没有这个档案包。请核对编号。"""


@dataclass(frozen=True, slots=True)
class PackageRow:
    """A ticket's package. source: `here` or `imported`. path: in the archive's folder."""

    id: int
    source: str
    iso_year: int
    iso_week: int
    path: str
    sha256: str
    size_bytes: int
    key: str
    made_at: datetime
    imported_at: datetime | None
    ticket_id: str
    round: int
    number: str | None
    archived_at: datetime
    files: int
    secret: bool
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WeekRow:
    """An index of a week; part: 0, or the number of the supplement."""

    id: int
    source: str
    iso_year: int
    iso_week: int
    path: str
    sha256: str
    size_bytes: int
    key: str
    made_at: datetime
    imported_at: datetime | None
    part: int
    packages: int
    last: int


_PACKAGE = tuple(_P[field.name] for field in fields(PackageRow))
_WEEK = tuple(_W[field.name] for field in fields(WeekRow))


async def keep_package(
    tx: AsyncConnection, values: Mapping[str, Any], recordings: Sequence[Mapping[str, Any]]
) -> int | None:
    """A new package and what it has a copy of; None when this very file, or this round from here, is known."""
    made = await tx.execute(upsert(archived_package).values(**values).on_conflict_do_nothing().returning(_P.id))
    id_: int | None = made.scalar_one_or_none()
    if id_ is not None and recordings:
        await tx.execute(insert(archived_recording), [{"package_id": id_, **one} for one in recordings])
    return id_


async def keep_week(tx: AsyncConnection, values: Mapping[str, Any], listed: Sequence[int]) -> int | None:
    """A new index and the packages from here it lists; None when it is known."""
    made = await tx.execute(upsert(archived_week).values(**values).on_conflict_do_nothing().returning(_W.id))
    id_: int | None = made.scalar_one_or_none()
    if id_ is not None and listed:
        await tx.execute(insert(archived_week_entry), [{"week_id": id_, "package_id": one} for one in listed])
    return id_


async def by_sha256(tx: AsyncConnection, table: Table, sha256: str) -> int | None:
    """The row of this very file."""
    found: int | None = (await tx.execute(select(table.c.id).where(table.c.sha256 == sha256))).scalar_one_or_none()
    return found


async def package_here(tx: AsyncConnection, ticket_id: str, round_: int) -> int | None:
    """The package made here of this round of a ticket."""
    mine = (_P.source == "here", _P.ticket_id == ticket_id, _P.round == round_)
    found: int | None = (await tx.execute(select(_P.id).where(*mine))).scalar_one_or_none()
    return found


async def package_of(tx: AsyncConnection, id_: int) -> PackageRow:
    """Raises NoPackage."""
    row = (await tx.execute(select(*_PACKAGE).where(_P.id == id_))).mappings().one_or_none()
    if row is None:
        raise NoPackage
    return PackageRow(**row)


async def week_of_id(tx: AsyncConnection, id_: int) -> WeekRow:
    """Raises NoPackage."""
    row = (await tx.execute(select(*_WEEK).where(_W.id == id_))).mappings().one_or_none()
    if row is None:
        raise NoPackage
    return WeekRow(**row)


async def packages(
    tx: AsyncConnection,
    *,
    week: Week | None = None,
    ticket: str = "",
    number: str = "",
    after: int = 0,
    limit: int = 50,
) -> tuple[PackageRow, ...]:
    """Packages above id `after`, oldest first; of a week, a ticket, a number where named."""
    query = select(*_PACKAGE).where(_P.id > after)
    if week is not None:
        query = query.where(_P.iso_year == week.iso_year, _P.iso_week == week.iso_week)
    if ticket:
        query = query.where(_P.ticket_id == ticket)
    if number:
        query = query.where(_P.number == number)
    return await _packages(tx, query.order_by(_P.id).limit(max(1, min(limit, MAX_PAGE))))


async def unlisted(tx: AsyncConnection, week: Week) -> tuple[PackageRow, ...]:
    """Packages made here of this week that no index lists yet."""
    mine = (_P.source == "here", _P.iso_year == week.iso_year, _P.iso_week == week.iso_week, ~_listed())
    return await _packages(tx, select(*_PACKAGE).where(*mine).order_by(_P.id))


async def weeks_to_list(tx: AsyncConnection, since: datetime, until: datetime) -> tuple[Week, ...]:
    """Weeks with packages made here between these moments that no index lists yet."""
    made = (_P.source == "here", _P.made_at >= since, _P.made_at < until, ~_listed())
    query = select(_P.iso_year, _P.iso_week).where(*made).distinct().order_by(_P.iso_year, _P.iso_week)
    return tuple(Week(*row) for row in await tx.execute(query))


def _listed() -> ColumnElement[bool]:
    entry = archived_week_entry
    return select(entry.c.package_id).where(entry.c.package_id == _P.id).exists()


async def ids_of(tx: AsyncConnection, paths: Sequence[str]) -> tuple[int, ...]:
    """The packages that lie there."""
    return tuple((await tx.execute(select(_P.id).where(_P.path.in_(paths)).order_by(_P.id))).scalars())


async def parts_of(tx: AsyncConnection, week: Week) -> int:
    """How many indexes of this week were made here."""
    mine = (_W.source == "here", _W.iso_year == week.iso_year, _W.iso_week == week.iso_week)
    return int((await tx.execute(select(func.count()).where(*mine))).scalar_one())


async def newest_week(tx: AsyncConnection) -> WeekRow | None:
    """The last index that was made here."""
    query = select(*_WEEK).where(_W.source == "here").order_by(_W.id.desc()).limit(1)
    row = (await tx.execute(query)).mappings().one_or_none()
    return WeekRow(**row) if row else None


async def weeks(
    tx: AsyncConnection, *, week: Week | None = None, after: int = 0, limit: int = 50
) -> tuple[WeekRow, ...]:
    """Indexes above id `after`, oldest first."""
    query = select(*_WEEK).where(_W.id > after)
    if week is not None:
        query = query.where(_W.iso_year == week.iso_year, _W.iso_week == week.iso_week)
    rows = (await tx.execute(query.order_by(_W.id).limit(max(1, min(limit, MAX_PAGE))))).mappings()
    return tuple(WeekRow(**row) for row in rows)


async def packages_with(tx: AsyncConnection, recording: UUID) -> tuple[str, ...]:
    """Paths of the packages that have a copy of this recording; for certificates of deletion."""
    query = select(_P.path).join(archived_recording, archived_recording.c.package_id == _P.id)
    return tuple((await tx.execute(query.where(archived_recording.c.name == recording).order_by(_P.id))).scalars())


async def _packages(tx: AsyncConnection, query: Select[Any]) -> tuple[PackageRow, ...]:
    return tuple(PackageRow(**row) for row in (await tx.execute(query)).mappings())
