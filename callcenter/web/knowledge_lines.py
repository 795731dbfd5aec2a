"""Many items at once, as JSON lines: one item a line, in and out in the same shape."""

import json
from collections.abc import AsyncIterator
from dataclasses import asdict

from aiohttp import web
from pydantic import ValidationError

from callcenter.audit import Audited, note
from callcenter.types import UnitId
from callcenter.web.context import Context
from callcenter.web.knowledge import AUTHORS, active_units, draft_of
from callcenter.web.knowledge_shapes import Imported, LineWrong, NewItem
from callcenter.web.problems import Problem, invalid
from callcenter.web.router import Query, Routes
from ticketing.knowledge import bulk as knowledge_bulk
from ticketing.knowledge.bulk import Given, WrongLine
from ticketing.knowledge.items import READERS, Draft, Item, rules_of

api = Routes("knowledge")
MOST_LINES = 20_000
MOST_BYTES = 64 * 1024 * 1024
LONGEST_LINE = 256 * 1024
MOST_TOLD = 100
"""Wrong lines that are listed; the rest are like them."""


class ImportQuery(Query):
    """publish: in use at once, for a person of the hotline who has reviewed them; else drafts."""

    publish: bool = False


class ExportQuery(Query):
    unit: str = ""


@api.post("/api/knowledge/import", AUTHORS)
async def import_lines(ctx: Context, query: ImportQuery) -> Imported:
    """批量导入知识点（JSON Lines，每行一条）；有一行不对则全部不导入，并逐行说明

    正文为 application/x-ndjson，每行与新建知识点的内容相同；最多 20000 行、64 MiB。
    """
    now, rules = ctx.now, ctx.services.rules
    given, wrong = await _read(ctx)
    async with ctx.transaction() as tx:
        known = await active_units(tx)
        ours = rules_of(rules.at(now))
        wrong += knowledge_bulk.wrong_lines(given, known, ctx.actor, ours, now, publish=query.publish)
        if wrong:
            told = sorted(wrong, key=lambda one: one.line)[:MOST_TOLD]
            return Imported(ids=[], wrong=[LineWrong(line=one.line, problem=one.sentence) for one in told])
        ids = await knowledge_bulk.add(tx, given, actor=ctx.actor, now=now, rules=rules, publish=query.publish)
        await note(tx, Audited(ctx.actor, "knowledge.import", "knowledge:many", detail={"items": len(ids)}))
    return Imported(ids=list(ids), wrong=[])


@api.get("/api/knowledge/export", READERS)
async def export_lines(ctx: Context, query: ExportQuery) -> web.StreamResponse:
    """导出现行知识点（JSON Lines），与导入的格式相同"""
    unit = UnitId(query.unit) if query.unit else None
    response = web.StreamResponse(
        headers={
            "Content-Type": "application/x-ndjson; charset=utf-8",
            "Content-Disposition": 'attachment; filename="knowledge.jsonl"',
        }
    )
    async with ctx.transaction() as tx:
        await note(tx, Audited(ctx.actor, "knowledge.export", f"knowledge:{query.unit or 'all'}"))
        await response.prepare(ctx.request)
        async for item, draft in knowledge_bulk.exported(tx, ctx.actor, unit):
            await response.write(line_of(item, draft))
    await response.write_eof()
    return response


def line_of(item: Item, draft: Draft) -> bytes:
    """One item as an import takes it."""
    contents = {name: value for name, value in asdict(draft.contents).items() if value not in (None, "", (), [])}
    line = {
        "unit": item.unit,
        "accountable": item.accountable,
        "title": draft.title,
        "keywords": draft.keywords,
        "contents": contents,
        "valid_from": draft.valid_from.isoformat(),
        "valid_until": draft.valid_until.isoformat() if draft.valid_until else None,
        "trigger": draft.trigger,
        "note": draft.note,
    }
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"


async def _read(ctx: Context) -> tuple[list[Given], list[WrongLine]]:
    """Every line as a draft, or why it is none. Raises Problem when there are too many."""
    given: list[Given] = []
    wrong: list[WrongLine] = []
    number = 0
    async for raw in _lines(ctx.request):
        number += 1
        if not raw.strip():
            continue
        if number > MOST_LINES:
            raise Problem(413, "too_many_lines", f"一次最多导入 {MOST_LINES} 行，请分几次导入。")
        one = _line(ctx, number, raw)
        if isinstance(one, Given):
            given.append(one)
        else:
            wrong.append(one)
    if not given and not wrong:
        raise Problem(422, "no_lines", "没有内容。请每行写一条知识点（JSON）。")
    return given, wrong


async def _lines(request: web.Request) -> AsyncIterator[bytes]:
    """The body line by line, never more than one line and one chunk in memory."""
    rest, total = b"", 0
    async for chunk in request.content.iter_chunked(64 * 1024):
        total += len(chunk)
        if total > MOST_BYTES:
            raise Problem(413, "too_large", "文件超过 64 MiB，请分几次导入。")
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line
        if len(rest) > LONGEST_LINE:
            raise Problem(413, "line_too_long", "有一行超过 256 KiB，请精简。")
    if rest:
        yield rest


def _line(ctx: Context, number: int, raw: bytes) -> Given | WrongLine:
    if b"\\u0000" in raw:
        return WrongLine(number, "文字中有无法保存的字符（NUL）。请删去乱码。")
    try:
        read = NewItem.model_validate_json(raw.removeprefix(b"\xef\xbb\xbf"))
        unit = read.unit or (ctx.actor.unit or "")
        return Given(number, UnitId(unit), read.accountable, draft_of(read))
    except ValidationError as error:
        problem = invalid(error)
        fields = "；".join(f"{row['field'] or '(整体)'}{row['problem']}" for row in problem.errors)
        return WrongLine(number, fields or problem.detail)
    except Problem as problem:
        return WrongLine(number, problem.detail)
