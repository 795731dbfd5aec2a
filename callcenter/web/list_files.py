"""A list as a file for spreadsheet programs, page after page. Nothing in it is a formula (CWE-1236)."""

import asyncio
import csv
import io
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from aiohttp import web

from callcenter.web.context import Context
from callcenter.web.list_cells import Cell
from ticketing.clocks import SHANGHAI

MOST_ROWS = 50_000
BLOCK_BYTES = 64 * 1024
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


class Format(StrEnum):
    """What a list can be had as."""

    CSV = "text/csv"
    XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


@dataclass
class Progress:
    """What of an export has been written so far. cut: there was more than the limit."""

    rows: int = 0
    cut: bool = False


async def write_csv(
    ctx: Context, title: str, heads: list[Cell], pages: AsyncIterator[list[list[Cell]]], done: Progress
) -> web.StreamResponse:
    response = web.StreamResponse(headers=_headers(ctx, title, Format.CSV))
    response.content_type, response.charset = "text/csv", "utf-8"
    await response.prepare(ctx.request)
    try:
        # With a byte order mark, by which spreadsheet programs know UTF-8.
        await response.write(("\ufeff" + _csv([heads])).encode())
        async for page in pages:
            await response.write(_csv(page).encode())
        await response.write(_csv([[], [note_of(ctx, done)]]).encode())
    except ConnectionError:
        return response
    except Exception:
        # Half a file is on its way; it must not look whole.
        if ctx.request.transport is not None:
            ctx.request.transport.close()
        raise
    return response


async def write_xlsx(
    ctx: Context, title: str, heads: list[Cell], pages: AsyncIterator[list[list[Cell]]], done: Progress
) -> web.StreamResponse:
    # Only when it is asked for: the library that writes workbooks is large.
    from callcenter.reports.sheets import RowBook

    with tempfile.NamedTemporaryFile(suffix=".xlsx") as file:
        book = await asyncio.to_thread(RowBook, file.name, "列表", heads)
        async for page in pages:
            await asyncio.to_thread(book.add, page)
        await asyncio.to_thread(book.close, note_of(ctx, done))
        response = web.StreamResponse(headers=_headers(ctx, title, Format.XLSX))
        response.content_type = Format.XLSX
        response.headers["X-List-Rows"] = str(done.rows)
        await response.prepare(ctx.request)
        with suppress(ConnectionError):
            while block := await asyncio.to_thread(file.read, BLOCK_BYTES):
                await response.write(block)
    return response


def _headers(ctx: Context, title: str, format_: Format) -> dict[str, str]:
    name = f"{title}-{ctx.now.astimezone(SHANGHAI):%Y%m%d-%H%M}.{format_.name.lower()}"
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}", "X-List-Most": str(MOST_ROWS)}


def note_of(ctx: Context, done: Progress) -> str:
    """The last line of every file: who took it, when, how much of it."""
    who = f"{ctx.person.name}（{ctx.person.login}）"
    told = f"导出人：{who}；时间：{ctx.now.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}；共{done.rows}行。"
    return told + (f"已达上限{MOST_ROWS}行，其余没有导出，请缩小范围后分次导出。" if done.cut else "")


def _csv(lines: Sequence[Sequence[Cell]]) -> str:
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerows([[_harmless(cell) for cell in line] for line in lines])
    return written.getvalue()


def _harmless(cell: Cell) -> Cell:
    """As text, also for a spreadsheet program: what begins like a formula gets a quote before it."""
    if not isinstance(cell, str):
        return cell
    text = cell.replace("\0", "")
    return f"'{text}" if text.startswith(_FORMULA) else text
