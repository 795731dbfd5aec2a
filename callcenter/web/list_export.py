"""Every list of the API as a file: the same address with another Accept gives all its pages, with the same filters.

A list is a GET whose answer holds rows and, where there are more, says how to ask on. What is written is what the API
answers: hidden and masked as on the screen; of secret tickets the words stay out, since a copy of those needs a second
person. One page at a time is in memory. Nothing in a file is a formula (CWE-1236).
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, get_args, get_origin

from aiohttp import web
from pydantic import BaseModel
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.audit import Audited, note
from callcenter.tables import audit
from callcenter.web.context import Context
from callcenter.web.list_cells import Cell, cell_of, fields_of, head_of
from callcenter.web.list_files import MOST_ROWS, Format, Progress, write_csv, write_xlsx
from callcenter.web.problems import Problem
from callcenter.web.router import Route, arguments_of, asked_of
from ticketing.aftercare.confidentiality import GUARDED
from ticketing.prefill.masks import mask_text
from ticketing.tables import ticket

PER_HOUR = 30
AT_ONCE = 2
"""Exports of one person within an hour; of everybody in this process at the same time."""
BEGUN, ENDED = "list.export", "list.exported"
ROWS = ("rows", "tickets", "units", "entries", "filings", "notices", "agents", "gaps")
"""Where an answer holds its rows."""
LAST_ID = "rows.id"
TICKET_KEYS = ("ticket", "ticket_id")
OPEN_FIELDS = frozenset(
    {"id", "ticket", "ticket_id", "state", "state_name", "request_type", "unit", "unit_name", "kind", "kind_name"}
) | {"level", "level_name", "gate", "gate_name", "card", "rating", "trigger", "form_name", "basis", "actor"}
"""Words of a secret ticket's row that say nothing of its matter; other words stay out of a file."""
WITHHELD = "（保密，须经批准导出）"
_BUSY = asyncio.Semaphore(AT_ONCE)


@dataclass(frozen=True, slots=True)
class Listed:
    """A route that is a list. rows: where its rows are; next: field of the answer -> parameter; fields: its columns."""

    rows: str
    row: type[BaseModel]
    next: Mapping[str, str]
    fields: tuple[str, ...]


def listed(route: Route) -> Listed | None:
    """The list a route is, or None."""
    if route.method != "GET" or route.answer is None:
        return None
    for name in ROWS:
        found = route.answer.model_fields.get(name)
        row = _row_of(found.annotation) if found is not None else None
        if row is not None:
            return Listed(name, row, _cursor_of(route), fields_of(row))
    return None


def _row_of(annotation: Any) -> type[BaseModel] | None:
    if get_origin(annotation) is not list:
        return None
    [row] = get_args(annotation)
    return row if isinstance(row, type) and issubclass(row, BaseModel) else None


def _cursor_of(route: Route) -> Mapping[str, str]:
    """Field of the answer -> parameter of the question after it: `next` -> `after`, `next_id` -> `before_id`."""
    asked = route.query.model_fields if route.query else {}
    assert route.answer is not None
    told = [name for name in route.answer.model_fields if name == "next" or name.startswith("next_")]
    for way in ("after", "before"):
        names = {name: way + name.removeprefix("next") for name in told}
        if names and all(name in asked for name in names.values()):
            return names
    # Older lists are asked on by the last id they gave.
    return {LAST_ID: "after"} if "after" in asked and "limit" in asked else {}


def wanted(request: web.Request) -> Format | None:
    """The kind of file that is asked for."""
    asked = request.headers.get("Accept", "")
    return next((one for one in Format if one in asked), None)


async def send(route: Route, ctx: Context, format_: Format) -> web.StreamResponse:
    """The whole list as a file. Raises Problem when it is none, or too much is asked for; what the list raises."""
    of = listed(route)
    if of is None:
        raise Problem(406, "no_list", "此地址不是列表，不能导出为表格。")
    if _BUSY.locked():
        raise Problem(429, "exports_busy", "正在进行的导出较多，请稍候一分钟再试。")
    async with _BUSY:
        arguments = await arguments_of(route, ctx, ctx.request, without_query=True)
        asked = {name: text for name, text in asked_of(ctx.request).items() if name not in {*of.next.values(), "limit"}}
        pages = _pages(route, of, ctx, arguments, asked)
        # The first page before the first byte, so that a wrong filter is told as one.
        first: Sequence[BaseModel] = await anext(pages, ())
        await _begin(ctx, route, asked, format_)
        writing = write_csv if format_ is Format.CSV else write_xlsx
        heads: list[Cell] = [head_of(of.row, name) or name for name in of.fields]
        title = route.summary.partition("，")[0].partition("；")[0] or "列表"
        progress = Progress()
        # Who has the end of the file finds its end on record: aiohttp ends the answer after this has returned.
        try:
            return await writing(ctx, title, heads, _cells(ctx, of, first, pages, progress), progress)
        finally:
            await asyncio.shield(_end(ctx, route, asked, format_, progress))


async def _begin(ctx: Context, route: Route, asked: Mapping[str, str], format_: Format) -> None:
    """Written down before a byte leaves. Raises Problem beyond the number of an hour."""
    async with ctx.transaction() as tx:
        mine = (audit.c.actor == str(ctx.actor), audit.c.action == BEGUN, audit.c.at > ctx.now - timedelta(hours=1))
        if int((await tx.execute(select(func.count()).where(*mine))).scalar_one()) >= PER_HOUR:
            raise Problem(429, "exports_spent", f"一小时内最多导出{PER_HOUR}次，请稍后再试。")
        await note(tx, Audited(ctx.actor, BEGUN, f"list:{route.path}", detail=_detail(ctx, asked, format_)))


async def _end(ctx: Context, route: Route, asked: Mapping[str, str], format_: Format, done: Progress) -> None:
    """How much of it there was, also when the connection broke."""
    detail = _detail(ctx, asked, format_) | {"rows": done.rows, "cut": done.cut}
    async with ctx.transaction() as tx:
        await note(tx, Audited(ctx.actor, ENDED, f"list:{route.path}", detail=detail))


def _detail(ctx: Context, asked: Mapping[str, str], format_: Format) -> dict[str, str | int | float | bool | None]:
    # Words may hold a citizen's number.
    told = {name: mask_text(text) if name == "text" else text for name, text in asked.items()}
    return {"format": format_.name.lower(), **told, **{f"/{k}": v for k, v in ctx.request.match_info.items()}}


# ---- rows ----------------------------------------------------------------------------------------------------------


async def _pages(
    route: Route, of: Listed, ctx: Context, arguments: Mapping[str, Any], asked: Mapping[str, str]
) -> AsyncIterator[Sequence[BaseModel]]:
    """Page after page, as large as the list gives them."""
    most, place, before = _most_of(route), dict[str, str](), dict[str, str]()
    while True:
        answer = await route.handler(ctx, **arguments, **_question(route, {**asked, **most, **place}))
        rows = getattr(answer, of.rows)
        yield rows
        full = bool(rows) and len(rows) == int(most.get("limit", 0))
        before, place = place, {"after": str(rows[-1].id)} if full and LAST_ID in of.next else _following(of, answer)
        if not place or place == before:
            return


def _question(route: Route, asked: Mapping[str, str]) -> dict[str, Any]:
    return {"query": route.query.model_validate(asked)} if route.query is not None else {}


def _most_of(route: Route) -> dict[str, str]:
    """The largest page the list gives."""
    limit = route.query.model_fields.get("limit") if route.query else None
    most = next((one.le for one in limit.metadata if hasattr(one, "le")), None) if limit else None
    return {"limit": str(most)} if most is not None else {}


def _following(of: Listed, answer: BaseModel) -> dict[str, str]:
    found = {ask: getattr(answer, field) for field, ask in of.next.items() if field != LAST_ID}
    if any(value is None for value in found.values()):
        return {}
    return {ask: value.isoformat() if isinstance(value, datetime) else str(value) for ask, value in found.items()}


async def _cells(
    ctx: Context,
    of: Listed,
    first: Sequence[BaseModel],
    pages: AsyncIterator[Sequence[BaseModel]],
    progress: Progress,
) -> AsyncIterator[list[list[Cell]]]:
    """Page after page as cells, up to the limit."""
    page: Sequence[BaseModel] | None = first
    while page is not None:
        kept = page[: MOST_ROWS - progress.rows]
        secret = await _secret_of(ctx, kept)
        yield [_line(of, row, secret) for row in kept]
        progress.rows += len(kept)
        rest, page = len(page) - len(kept), await anext(pages, None)
        if progress.rows >= MOST_ROWS:
            progress.cut = bool(rest or page)
            return


def _line(of: Listed, row: BaseModel, secret: frozenset[str]) -> list[Cell]:
    hidden = _ticket_of(row) in secret
    values = ((name, getattr(row, name)) for name in of.fields)
    return [WITHHELD if hidden and _says(name, value) else cell_of(name, value) for name, value in values]


def _says(name: str, value: object) -> bool:
    """Whether this is words that may tell what a secret ticket is about."""
    words = isinstance(value, str | dict | list | BaseModel) and not isinstance(value, Enum)
    return bool(value) and words and name not in OPEN_FIELDS


def _ticket_of(row: BaseModel) -> str:
    """The number of the ticket a row is about, or ``."""
    for name in (*TICKET_KEYS, "id"):
        value = getattr(row, name, None)
        if isinstance(value, str) and len(value) == 14 and value.isdigit():
            return value
    return ""


async def _secret_of(ctx: Context, rows: Sequence[BaseModel]) -> frozenset[str]:
    """Which of these rows' tickets are secret."""
    ids = {found for row in rows if (found := _ticket_of(row))}
    if not ids:
        return frozenset()
    async with ctx.transaction() as tx:
        return await secret_among(tx, ids)


async def secret_among(tx: AsyncConnection, ids: set[str]) -> frozenset[str]:
    """Those of these tickets that `confidentiality.is_secret` holds of."""
    marked = ticket.c.confidential | (ticket.c.sensitivity != "") | ticket.c.flags.overlap(sorted(GUARDED))
    return frozenset((await tx.execute(select(ticket.c.id).where(ticket.c.id.in_(ids), marked))).scalars())
