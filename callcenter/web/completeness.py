"""Whether recordings are complete: what is wrong with them, and the figures of each day."""

import asyncio
from datetime import date, datetime, timedelta
from typing import Annotated
from urllib.parse import quote

from aiohttp import web
from pydantic import Field

from callcenter.audit import Audited, note
from callcenter.reports.orders import CONTENT_TYPES
from callcenter.reports.paper import Grid, Paper, Para
from callcenter.types import Role
from callcenter.web.context import Context
from callcenter.web.problems import NotFound, Problem
from callcenter.web.router import In, Out, Query, Routes
from recordings import days, findings
from recordings.accounting import DayFigures
from recordings.findings import Finding
from recordings.recording import Cause, State
from recordings.recording import Problem as Wrong
from ticketing.appraisal.reports import Format

api = Routes("completeness")
READERS = frozenset({Role.SUPERVISOR, Role.AUDITOR, Role.ADMIN})
CLOSERS = frozenset({Role.SUPERVISOR})
FIGURES = frozenset({Role.SUPERVISOR, Role.AUDITOR})
LONGEST = timedelta(days=366)

KIND_NAMES = {
    Wrong.MISSING: "没有录音文件",
    Wrong.EMPTY: "录音文件为空",
    Wrong.UNREADABLE: "录音无法解码或已被改动",
    Wrong.SHORT: "录音比通话短",
    Wrong.LONG: "录音比通话长",
    Wrong.SILENT: "录音全程无声",
    Wrong.ORPHAN: "录音无人认领",
    Wrong.FOREIGN: "录音目录中的外来文件",
}
WHAT_TO_DO = {
    Wrong.MISSING: "通话时段已登记为缺口。请查看当时的磁盘与 Asterisk 日志；在别处找到原文件的，交管理员保存并写明。",
    Wrong.EMPTY: "通话时段已登记为缺口。请检查录音磁盘是否写满、Asterisk 当时是否重启。",
    Wrong.UNREADABLE: "请勿删除，原样保留备查；请管理员检查磁盘，并核对是否有人改动过文件。",
    Wrong.SHORT: "缺少的时段已登记为缺口。请检查当时网络丢包与 Asterisk 是否重启。",
    Wrong.LONG: "请收听核对通话起止时间，确认没有录入其他通话。",
    Wrong.SILENT: "请收听并核对转写：确属无人说话的，写明情况后关闭；否则检查话机与线路。",
    Wrong.ORPHAN: "系统正在认领；若十分钟后仍在列表中，请管理员检查录音服务（work 进程）是否运行。",
    Wrong.FOREIGN: "不是本系统的文件，系统不会删除它。请管理员查明来源后移出录音目录。",
}
CAUSE_NAMES = {
    Cause.ASTERISK_KILLED: "Asterisk 中断",
    Cause.FILE_MISSING: "文件缺失",
    Cause.FILE_EMPTY: "文件为空",
    Cause.FILE_UNREADABLE: "文件无法解码",
    Cause.CUT_SHORT: "录音不足",
    Cause.NOT_RECORDED: "未录音（磁盘已满）",
}
STATE_NAMES = {
    State.EXPECTED: "等待文件",
    State.COMPLETE: "待校验",
    State.VERIFIED: "已校验",
    State.REPAIRED: "已修复",
    State.MISSING: "缺失",
    State.SUSPECT: "存疑",
}


class FindingRow(Out):
    """subject: a channel for what is wrong with a leg, a file's name for a file. since: first seen."""

    id: int
    kind: str
    kind_name: str
    subject: str
    is_file: bool
    call: str | None
    party: str | None
    file: str
    answered_s: float | None
    audio_s: float | None
    since: datetime
    last_seen: datetime
    resolved_at: datetime | None
    resolved_by: str | None
    note: str
    what_to_do: str


class FindingPage(Out):
    """next: give it back as `before` for the next page. open: how many there are of each kind."""

    rows: list[FindingRow]
    next: int | None
    open: dict[str, int]


class FindingQuery(Query):
    """all: those that are over too."""

    all: bool = False
    before: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class CloseIn(In):
    """note: what was found when it was looked into."""

    note: Annotated[str, Field(min_length=2, max_length=1_000)]


class DayRow(Out):
    """coverage: 0 to 1. unaccounted_s must be 0. final: late facts change nothing any more."""

    day: date
    legs: int
    answered_s: float
    audio_s: float
    gap_s: float
    unaccounted_s: float
    coverage: float
    gaps_by_cause: dict[str, float]
    by_state: dict[str, int]
    kept: int
    copied: int
    uncopied: int
    unstored: int
    oldest_unstored_s: float
    stored_bytes: int
    computed_at: datetime
    final: bool


class DayList(Out):
    rows: list[DayRow]


class DayQuery(Query):
    """Chinese days, both included; at most a year."""

    from_: Annotated[date, Field(alias="from")]
    to: date


class TermWrong(Problem):
    """The days asked for cannot be told."""

    def __init__(self) -> None:
        super().__init__(422, "term_wrong", "起止日期不正确：开始不能晚于结束，且最多查询一年。")


@api.get("/api/recordings/findings", READERS)
async def list_findings(ctx: Context, query: FindingQuery) -> FindingPage:
    """录音缺失、过短、无声、无人认领和外来文件，新的在前，并说明如何处理"""
    async with ctx.transaction() as tx:
        rows = await findings.listed(tx, open_only=not query.all, before=query.before, limit=query.limit)
        counted = await findings.open_by_kind(tx)
    following = rows[-1].id if len(rows) == query.limit else None
    return FindingPage(rows=[_finding(one) for one in rows], next=following, open=dict(counted))


@api.post("/api/recordings/findings/{finding_id}/close", CLOSERS)
async def close_finding(ctx: Context, finding_id: int, body: CloseIn) -> FindingRow:
    """查明后关闭一条录音问题，写明情况；缺口与录音状态不变，文件问题在文件移走后自动结束"""
    subject = f"recording_finding:{finding_id}"
    try:
        async with ctx.transaction() as tx:
            closed = await findings.close(tx, finding_id, ctx.person.login, body.note, ctx.now)
            await note(tx, Audited(ctx.actor, "recording.finding_closed", subject, detail={"note": body.note}))
    except findings.NoFinding:
        await _refused(ctx, subject, "unknown")
        raise NotFound from None
    except findings.StillThere:
        await _refused(ctx, subject, "still_there")
        sentence = "文件仍在录音目录中，移出后本条自动结束。"
        raise Problem(409, "still_there", sentence) from None
    return _finding(closed)


async def _refused(ctx: Context, subject: str, why: str) -> None:
    async with ctx.transaction() as tx:
        await note(tx, Audited(ctx.actor, "recording.finding_closed", subject, ok=False, detail={"why": why}))


@api.get("/api/recordings/days", FIGURES)
async def list_days(ctx: Context, query: DayQuery) -> DayList:
    """录音完整性日报：应录秒数、已录、各类缺口、未说明秒数、入库与副本"""
    return DayList(rows=[_day(one) for one in await _days(ctx, query)])


@api.get("/api/recordings/days.xlsx", FIGURES)
async def days_workbook(ctx: Context, query: DayQuery) -> web.Response:
    """录音完整性日报（Excel）"""
    paper = day_paper(await _days(ctx, query), query.from_, query.to)
    data = await asyncio.to_thread(_written, ctx, paper)
    async with ctx.transaction() as tx:
        term = {"from": query.from_.isoformat(), "to": query.to.isoformat()}
        await note(tx, Audited(ctx.actor, "recording.days_download", "recording_day", detail=term))
    name = quote(f"录音完整性日报-{query.from_:%Y%m%d}-{query.to:%Y%m%d}.xlsx")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    return web.Response(body=data, content_type=CONTENT_TYPES[Format.XLSX], headers=headers)


async def _days(ctx: Context, query: DayQuery) -> tuple[DayFigures, ...]:
    if query.from_ > query.to or query.to - query.from_ > LONGEST:
        raise TermWrong
    async with ctx.transaction() as tx:
        return await days.between(tx, query.from_, query.to)


def day_paper(rows: tuple[DayFigures, ...], first: date, last: date) -> Paper:
    """The daily report as a workbook: one row a day. PURE."""
    head = (
        *("日期", "通话方数", "应录秒数", "已录秒数", "缺口秒数", "未说明秒数", "完整率"),
        *(f"缺口：{name}" for name in CAUSE_NAMES.values()),
        *(f"录音：{name}" for name in STATE_NAMES.values()),
        *("已入库", "已有副本", "缺副本", "未入库", "最久未入库秒数", "入库字节", "是否定稿"),
    )
    table = tuple(
        (
            *(one.day.isoformat(), one.legs, round(one.answered_s, 1), round(one.audio_s, 1), round(one.gap_s, 1)),
            *(round(one.unaccounted_s, 1), round(one.coverage, 6)),
            *(round(one.gaps_by_cause.get(cause, 0.0), 1) for cause in CAUSE_NAMES),
            *(one.by_state.get(state, 0) for state in STATE_NAMES),
            *(one.kept, one.copied, one.uncopied, one.unstored, round(one.oldest_unstored_s), one.stored_bytes),
            "是" if one.final else "否",
        )
        for one in rows
    )
    told = "未说明秒数应为 0。完整率＝（已录＋有原因的缺口）÷应录。七天内补到的事实会更新，之后定稿。"
    term = f"{first.isoformat()} 至 {last.isoformat()}"
    return Paper("录音完整性日报", "", "", term, "内部资料", (Para(told), Grid("日报", head, table)))


def _written(ctx: Context, paper: Paper) -> bytes:
    # Only when it is asked for: the libraries that write documents are large.
    from callcenter.reports import fonts, sheets

    desk = ctx.services.reports
    return sheets.write(paper, fonts.find(desk.font if desk else None), {})


def _finding(one: Finding) -> FindingRow:
    return FindingRow(
        id=one.id,
        kind=one.kind,
        kind_name=KIND_NAMES[one.kind],
        subject=one.subject,
        is_file=one.is_file,
        call=one.call_id,
        party=one.party,
        file=one.path,
        answered_s=one.answered_s,
        audio_s=one.audio_s,
        since=one.first_seen,
        last_seen=one.last_seen,
        resolved_at=one.resolved_at,
        resolved_by=one.resolved_by,
        note=one.note,
        what_to_do=WHAT_TO_DO[one.kind],
    )


def _day(one: DayFigures) -> DayRow:
    assert one.computed_at is not None
    own = {name: getattr(one, name) for name in DayRow.model_fields if name not in ("gaps_by_cause", "by_state")}
    return DayRow(**own, gaps_by_cause=dict(one.gaps_by_cause), by_state=dict(one.by_state))
