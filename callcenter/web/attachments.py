"""Files of tickets: given piece by piece, kept sealed, read by who may see the ticket, every reading on record.

What comes out is a download and nothing else: the browser is told not to guess what it is, not to show it as a page,
and not to run anything of it. The original is kept byte for byte, with place and time a camera wrote into it: it is
evidence. There is no preview made from it.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated
from urllib.parse import quote

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.attachments import intake, rows
from callcenter.attachments.cabinet import AttachmentDamaged, Cabinet
from callcenter.attachments.intake import AttachmentUnknown
from callcenter.attachments.kinds import ENDINGS, KINDS, clean_name, kind_of
from callcenter.attachments.words import (
    MOST_FILE_BYTES,
    MOST_NOTE,
    MOST_OF_TICKET,
    PURPOSE_NAMES,
    Attachment,
    Given,
    Purpose,
)
from callcenter.audit import Audited, note
from callcenter.types import Actor, Role, TicketId
from callcenter.web.context import Context
from callcenter.web.problems import Problem
from callcenter.web.router import Out, Query, Routes
from callcenter.web.ticket_shapes import NEEDS_CITIZEN
from recordings.custody.objects import StoreAway
from ticketing import service, store
from ticketing.aftercare.confidentiality import masks_citizen
from ticketing.record import GuardFailed, Ticket

api = Routes("attachments")
READERS = frozenset(Role) - {Role.ADMIN}
GIVERS = READERS - {Role.AUDITOR}
UNITS = frozenset({Role.UNIT, Role.UNIT_HEAD})
READ = "attachment.read"
PIECE_BYTES = 64 * 1024
HEADS_BYTES = 64 * 1024
"""What a form's own lines may take beside the file."""
PIECE_WITHIN_S, ALL_WITHIN_S = 20.0, 600.0
"""A telephone at the edge of the network sends a photograph in minutes; one that sends nothing holds no place."""
PLACES = 8
"""Files in memory at once in a process: of each at most three times its size."""
PLACE_WITHIN_S = 15.0
_places = asyncio.Semaphore(PLACES)
BROKEN_FORM = (ValueError, AssertionError, RuntimeError, HttpProcessingError, web.RequestPayloadError)
"""What aiohttp says of a form that is none, or that ends too early."""
DOWNLOAD_POLICY = "sandbox; default-src 'none'; frame-ancestors 'none'"


class GivenQuery(Query):
    """note: what is to be seen. size: of the file as the sender has it; one that was cut on its way is refused."""

    purpose: Purpose
    size: Annotated[int, Field(ge=0, lt=2**53)] | None = None
    note: Annotated[str, Field(max_length=MOST_NOTE)] = ""


class AttachmentRow(Out):
    """ref: how a reply or a request names it. shown: a browser can draw it. removable: by who asks, now."""

    id: int
    ref: str
    name: str
    kind: str
    kind_name: str
    shown: bool
    size_bytes: int
    sha256: str
    purpose: str
    purpose_name: str
    note: str
    round: int
    added_at: datetime
    added_by: str
    added_unit: str | None
    removable: bool


class PurposeRow(Out):
    code: str
    name: str


class AttachmentList(Out):
    """may_add: now. endings, most_bytes, most: what may be given. purposes: by who asks, for what."""

    rows: list[AttachmentRow]
    may_add: bool
    endings: list[str]
    most_bytes: int
    most: int
    purposes: list[PurposeRow]


@api.get("/api/tickets/{ticket_id}/attachments", READERS)
async def list_attachments(ctx: Context, ticket_id: str) -> AttachmentList:
    """工单的附件，以及还可以上传什么；信息保密的工单，承办单位看不到诉求人提供的材料"""
    async with ctx.transaction() as tx:
        ticket = await service.get(tx, TicketId(ticket_id), ctx.actor)
        found = await rows.of_ticket(tx, ticket.id, citizens=_sees_citizens(ctx, ticket))
        named = {one.id for one in found if _mine(one, ctx.actor) and await rows.is_named(tx, one)}
    open_ = ticket.state not in intake.SETTLED
    return AttachmentList(
        rows=[_row(one, removable=open_ and _mine(one, ctx.actor) and one.id not in named) for one in found],
        may_add=open_ and ctx.has(*GIVERS),
        endings=list(ENDINGS),
        most_bytes=MOST_FILE_BYTES,
        most=MOST_OF_TICKET,
        purposes=[PurposeRow(code=one, name=PURPOSE_NAMES[one]) for one in _purposes(ctx.actor)],
    )


@api.post("/api/tickets/{ticket_id}/attachments", GIVERS)
async def give_attachment(ctx: Context, ticket_id: str, query: GivenQuery) -> AttachmentRow:
    """上传一个附件（multipart/form-data，字段名 file），最大 20 MB；同一文件重复上传只保存一份"""
    if query.purpose not in _purposes(ctx.actor):
        raise GuardFailed("诉求人提供的材料由热线登记，请选择其他用途。")
    async with ctx.transaction() as tx:
        # Before anything is read: nobody sends twenty megabytes to be told that there is no such ticket.
        await intake.room_for_more(tx, await intake.ticket_for(tx, TicketId(ticket_id), ctx.actor))
    async with _place():
        given = await _received(ctx.request, query)
        added = await _kept(ctx, TicketId(ticket_id), given)
    return _row(added, removable=_mine(added, ctx.actor))


@api.get("/api/attachments/{attachment_id}", READERS)
async def read_attachment(ctx: Context, attachment_id: int) -> web.StreamResponse:
    """下载附件原件，每次下载都有记录"""
    async with ctx.transaction() as tx:
        found = await _readable(ctx, await rows.one(tx, attachment_id, ctx.actor), tx)
    async with _place():
        try:
            data = await intake.bytes_of(ctx.services.database, _cabinet(ctx), found)
        except StoreAway:
            raise _store_away() from None
        except AttachmentDamaged:
            await _written_down(ctx, found, ok=False)
            raise
        # Written down first: what cannot be is not given out.
        await _written_down(ctx, found, ok=True)
        return web.Response(body=data, headers=_headers(found))


@api.post("/api/attachments/{attachment_id}/remove", GIVERS)
async def remove_attachment(ctx: Context, attachment_id: int) -> None:
    """撤回自己上传的附件；已写进回复或申请的随工单保存，不能撤回"""
    async with ctx.transaction() as tx:
        await intake.take_out(tx, attachment_id, actor=ctx.actor, now=ctx.now)


# ---- what comes in -------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _place() -> AsyncIterator[None]:
    try:
        await asyncio.wait_for(_places.acquire(), PLACE_WITHIN_S)
    except TimeoutError:
        raise Problem(503, "busy", "正在传送附件的人较多，本次没有保存。请稍候重试。") from None
    try:
        yield
    finally:
        _places.release()


async def _received(request: web.Request, query: GivenQuery) -> Given:
    """The file, whole, and what it is. Raises Problem, WrongFile."""
    if request.content_type != "multipart/form-data":
        raise Problem(415, "not_multipart", "请以 multipart/form-data 上传，字段名为 file。")
    if (request.content_length or 0) > MOST_FILE_BYTES + HEADS_BYTES:
        raise _too_large()
    try:
        async with asyncio.timeout(ALL_WITHIN_S):
            name, data = await _file_of(request)
    except TimeoutError:
        raise Problem(408, "too_slow", "网络太慢，附件没有传完。请在网络好的地方重试，或压缩后上传。") from None
    except BROKEN_FORM:
        raise Problem(400, "bad_multipart", "上传的内容不完整。请重新上传。") from None
    if query.size is not None and query.size != len(data):
        raise Problem(400, "cut_off", "文件没有传完整，没有保存。请重新上传。")
    cleaned = clean_name(name)
    kind = await asyncio.to_thread(kind_of, data, cleaned)
    checksum = await asyncio.to_thread(lambda: hashlib.sha256(data).hexdigest())
    return Given(cleaned, kind.code, checksum, data, query.purpose, " ".join(query.note.split()))


async def _file_of(request: web.Request) -> tuple[str, bytes]:
    reader = await request.multipart()
    part = await asyncio.wait_for(reader.next(), PIECE_WITHIN_S)
    if not isinstance(part, BodyPartReader) or part.name != "file" or not part.filename:
        raise ValueError("the first part is not a file")
    data = bytearray()
    while piece := await asyncio.wait_for(part.read_chunk(PIECE_BYTES), PIECE_WITHIN_S):
        data += piece
        if len(data) > MOST_FILE_BYTES:
            raise _too_large()
    return part.filename, bytes(data)


def _too_large() -> Problem:
    most = MOST_FILE_BYTES // 1024 // 1024
    return Problem(413, "too_large", f"文件超过 {most} MB。请压缩图片、剪短录像，或分成几个文件上传。")


async def _kept(ctx: Context, ticket_id: TicketId, given: Given) -> Attachment:
    try:
        # A telephone that hangs up meanwhile leaves nothing half done that the sweep would have to find.
        return await asyncio.shield(
            intake.take_in(ctx.services.database, _cabinet(ctx), ticket_id, given, actor=ctx.actor, now=ctx.now)
        )
    except StoreAway:
        raise _store_away() from None


def _store_away() -> Problem:
    return Problem(503, "store_away", "附件存储暂时不可用，本次操作没有完成。请稍候重试；如持续出现请联系管理员。")


def _cabinet(ctx: Context) -> Cabinet:
    return Cabinet(ctx.services.custody, ctx.services.vault)


# ---- what goes out -------------------------------------------------------------------------------------------------


async def _readable(ctx: Context, found: Attachment | None, tx: AsyncConnection) -> Attachment:
    """Raises AttachmentUnknown for what is not there, not theirs, or the citizen's where that is hidden."""
    if found is None:
        raise AttachmentUnknown
    if found.purpose is Purpose.CITIZEN:
        ticket = await store.load(tx, found.ticket_id)
        if not _sees_citizens(ctx, ticket):
            raise AttachmentUnknown
    return found


async def _written_down(ctx: Context, found: Attachment, *, ok: bool) -> None:
    detail = {"ticket": found.ticket_id, "sha256": found.sha256}
    async with ctx.transaction() as tx:
        await note(tx, Audited(ctx.actor, READ, f"attachment:{found.id}", ok, detail))


def _headers(found: Attachment) -> dict[str, str]:
    # What an old program makes of it, and what every other one does (RFC 6266).
    plain = f"file-{found.id}.{found.name.rpartition('.')[2]}"
    return {
        "Content-Type": KINDS[found.kind].media_type,
        "Content-Disposition": f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(found.name)}",
        "Content-Security-Policy": DOWNLOAD_POLICY,
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Cache-Control": "no-store",
    }


def _sees_citizens(ctx: Context, ticket: Ticket) -> bool:
    """As with the citizen's name: not for a unit where they are confidential, and where the regulation hides them."""
    policy = ctx.services.rules.of(ticket.policy_id, ticket.policy_version)
    if masks_citizen(ticket, policy) and not ctx.actor.roles & NEEDS_CITIZEN:
        return False
    return store.unit_scope(ctx.actor) is None or not ticket.confidential


def _purposes(actor: Actor) -> tuple[Purpose, ...]:
    """A unit gives nothing in the citizen's name."""
    of_unit = not actor.roles - UNITS
    return tuple(one for one in Purpose if not (of_unit and one is Purpose.CITIZEN))


def _mine(one: Attachment, actor: Actor) -> bool:
    return one.added_by == str(actor)


def _row(one: Attachment, *, removable: bool) -> AttachmentRow:
    kind = KINDS[one.kind]
    same = ("id", "ref", "name", "kind", "size_bytes", "sha256", "note", "round", "added_at", "added_by", "added_unit")
    return AttachmentRow(
        **{name: getattr(one, name) for name in same},
        kind_name=kind.name,
        shown=kind.shown,
        purpose=one.purpose,
        purpose_name=PURPOSE_NAMES[one.purpose],
        removable=removable,
    )
