"""The archive by the API: packages of tickets, indexes of weeks, and their files for who may take them out."""

import asyncio
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, BinaryIO

from aiohttp import web
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.archive import bags, store, tars
from callcenter.archive.press import week_text
from callcenter.archive.store import PackageRow, WeekRow
from callcenter.audit import Audited, note
from callcenter.types import Role, TicketId
from callcenter.web.context import Context
from callcenter.web.problems import Problem
from callcenter.web.router import Out, Query, Routes
from ticketing import service
from ticketing.aftercare import releases
from ticketing.aftercare.archive_numbers import Week
from ticketing.aftercare.confidentiality import is_secret
from ticketing.record import TicketNotFound

api = Routes("archive")
READERS = frozenset({Role.SUPERVISOR, Role.AUDITOR})
"""A package holds everything about a ticket, the leaders' and the auditors' papers too; a reviewer sees less of it."""
AUDITORS = frozenset({Role.AUDITOR})
Reason = Annotated[str, Field(min_length=4, max_length=200, pattern=r"\S[\s\S]{2,}\S", description="为何取用")]
WeekName = Annotated[str, Field(pattern=r"^[0-9]{4}-W(0[1-9]|[1-4][0-9]|5[0-3])$", description="如 2026-W24")]


class PackageQuery(Query):
    """after: `next` of the page before."""

    week: WeekName | None = None
    ticket: Annotated[str, Field(pattern=r"^[0-9]{14}$")] | None = None
    number: Annotated[str, Field(min_length=1, max_length=64)] | None = None
    after: Annotated[int, Field(ge=0, lt=2**63)] = 0
    limit: Annotated[int, Field(ge=1, le=store.MAX_PAGE)] = 50


class WeekQuery(Query):
    """after: `next` of the page before."""

    week: WeekName | None = None
    after: Annotated[int, Field(ge=0, lt=2**63)] = 0
    limit: Annotated[int, Field(ge=1, le=store.MAX_PAGE)] = 50


class Taken(Query):
    """Why the file is taken out, for those who read the audit."""

    reason: Reason


class PackageOut(Out):
    """source: here, or imported from another system. key: fingerprint of the key that signed it. about: its ticket in
    short, without the citizen."""

    id: int
    source: str
    ticket: str
    round: int
    number: str | None
    week: str
    archived_at: datetime
    made_at: datetime
    imported_at: datetime | None
    size_bytes: int
    sha256: str
    key: str
    files: int
    secret: bool
    about: dict[str, Any]


class PackagePage(Out):
    """next: give it back as `after`; null at the end."""

    rows: list[PackageOut]
    next: int | None


class WeekOut(Out):
    """part: 0 for the index of the week, else the number of a supplement. last: the last number of the week."""

    id: int
    source: str
    week: str
    part: int
    packages: int
    last: int
    made_at: datetime
    imported_at: datetime | None
    size_bytes: int
    sha256: str
    key: str


class WeekPage(Out):
    """next: give it back as `after`; null at the end."""

    rows: list[WeekOut]
    next: int | None


@api.get("/api/tickets/{ticket_id}/packages", READERS)
async def packages_of_ticket(ctx: Context, ticket_id: str) -> PackagePage:
    """一件工单的档案包，每轮办理一个"""
    async with ctx.transaction() as tx:
        found = await store.packages(tx, ticket=ticket_id, limit=store.MAX_PAGE)
        if not found:
            # Of a ticket that is only in the archive there are packages; of any other it must be known.
            await service.get(tx, TicketId(ticket_id), ctx.actor)
    return PackagePage(rows=[_package(one) for one in found], next=None)


@api.get("/api/archive/packages", READERS)
async def list_packages(ctx: Context, query: PackageQuery) -> PackagePage:
    """档案包清单，可按周、工单编号、档案编号查找"""
    wanted = {"ticket": query.ticket or "", "number": query.number or ""}
    async with ctx.transaction() as tx:
        found = await store.packages(tx, week=_week(query.week), after=query.after, limit=query.limit, **wanted)
    return PackagePage(rows=[_package(one) for one in found], next=found[-1].id if len(found) == query.limit else None)


@api.get("/api/archive/packages/{package_id}/file", READERS)
async def package_file(ctx: Context, package_id: int, query: Taken) -> web.StreamResponse:
    """取出一个档案包（须写明理由，留痕）；涉密、保密的须先经另一人批准"""
    now, refused = ctx.now, None
    async with ctx.transaction() as tx:
        row = await store.package_of(tx, package_id)
        if not await _allowed(tx, ctx, row, now):
            refused = _refusal(row)
            await _note(tx, ctx, "archive.take", f"package:{row.id}", query, ok=False)
    if refused is not None:
        raise refused
    return await _send(ctx, row, f"package:{row.id}", query)


@api.get("/api/archive/weeks", READERS)
async def list_weeks(ctx: Context, query: WeekQuery) -> WeekPage:
    """各周的归档目录及其补充目录"""
    async with ctx.transaction() as tx:
        found = await store.weeks(tx, week=_week(query.week), after=query.after, limit=query.limit)
    return WeekPage(rows=[_index(one) for one in found], next=found[-1].id if len(found) == query.limit else None)


@api.get("/api/archive/weeks/{index_id}/file", AUDITORS)
async def week_file(ctx: Context, index_id: int, query: Taken) -> web.StreamResponse:
    """取出一周的归档目录（须写明理由，留痕）"""
    async with ctx.transaction() as tx:
        row = await store.week_of_id(tx, index_id)
    return await _send(ctx, row, f"archive_week:{row.id}", query)


async def _allowed(tx: AsyncConnection, ctx: Context, row: PackageRow, now: datetime) -> bool:
    """A secret leaves with another person's approval, which is spent; one that was brought in, by the server only."""
    if row.source != "here":
        return not row.secret
    try:
        ticket = await service.get(tx, TicketId(row.ticket_id), ctx.actor)
    except TicketNotFound:
        return not row.secret
    if not row.secret and not is_secret(ticket):
        return True
    return await releases.use(tx, ticket, "export", actor=ctx.actor, now=now) is not None


def _refusal(row: PackageRow) -> Problem:
    if row.source == "here":
        return Problem(403, "release_needed", "涉密、保密的档案包未经批准不得取出。请先申请，由另一人批准。")
    return Problem(403, "secret_imported", "导入的涉密档案包不能在此取出，请由管理员在服务器上按规定办理。")


async def _send(ctx: Context, row: PackageRow | WeekRow, subject: str, query: Taken) -> web.StreamResponse:
    """The file as it was made, compared with its checksum before the first byte leaves."""
    folder = ctx.services.archive
    try:
        file = await asyncio.to_thread(_opened, folder, row) if folder else None
    except tars.PackageUnsafe:
        file = None
    async with ctx.transaction() as tx:
        await _note(tx, ctx, "archive.take", subject, query, ok=file is not None)
    if file is None:
        raise Problem(409, "package_damaged", "档案包文件缺失或与登记的校验值不符，未取出。请联系管理员从备份恢复。")
    with file:
        response = web.StreamResponse(headers=_headers(row))
        response.content_length = row.size_bytes
        await response.prepare(ctx.request)
        try:
            while block := await asyncio.to_thread(file.read, bags.BLOCK_BYTES):
                await response.write(block)
            await response.write_eof()
        except ConnectionError:
            # Who took it went away; that it was taken is written down.
            return response
    return response


def _opened(folder: Path, row: PackageRow | WeekRow) -> BinaryIO:
    """The file, open, from its beginning; what was hashed is what is sent. Blocking. Raises PackageUnsafe."""
    path = folder.resolve() / row.path
    if Path(os.path.realpath(path)) != path:
        raise tars.PackageUnsafe(row.path)
    with tars.opened(path) as found:
        file = os.fdopen(os.dup(found.fileno()), "rb")
    if bags.sha256_of_file(file) != row.sha256:
        file.close()
        raise tars.PackageUnsafe(row.path)
    file.seek(0)
    return file


def _headers(row: PackageRow | WeekRow) -> Mapping[str, str]:
    name = PurePosixPath(row.path).name
    return {
        "Content-Type": "application/x-tar",
        "Content-Disposition": f'attachment; filename="{name}"',
        "ETag": f'"{row.sha256}"',
        "Cache-Control": "no-store",
    }


async def _note(tx: AsyncConnection, ctx: Context, action: str, subject: str, query: Taken, *, ok: bool) -> None:
    await note(tx, Audited(ctx.actor, action, subject, ok, {"reason": query.reason}))


def _week(text: str | None) -> Week | None:
    return Week(int(text[:4]), int(text[6:])) if text else None


def _package(row: PackageRow) -> PackageOut:
    return PackageOut(
        id=row.id,
        source=row.source,
        ticket=row.ticket_id,
        round=row.round,
        number=row.number,
        week=week_text(Week(row.iso_year, row.iso_week)),
        archived_at=row.archived_at,
        made_at=row.made_at,
        imported_at=row.imported_at,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        key=row.key,
        files=row.files,
        secret=row.secret,
        about=dict(row.document),
    )


def _index(row: WeekRow) -> WeekOut:
    return WeekOut(
        id=row.id,
        source=row.source,
        week=week_text(Week(row.iso_year, row.iso_week)),
        part=row.part,
        packages=row.packages,
        last=row.last,
        made_at=row.made_at,
        imported_at=row.imported_at,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        key=row.key,
    )
