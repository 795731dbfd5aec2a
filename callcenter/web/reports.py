"""Bulletins and reports: which there are, made now, published, downloaded; chosen cases and followed events."""

import asyncio
from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import quote

from aiohttp import web
from pydantic import Field

from callcenter import flow_upstream
from callcenter.audit import Audited, note
from callcenter.reports import orders
from callcenter.reports.figures import units
from callcenter.types import Role, TicketId
from callcenter.web.appraisal import READERS, WRITERS, Fact, TermText, desk_of, ground_of
from callcenter.web.context import Context
from callcenter.web.problems import NotFound
from callcenter.web.router import In, Out, Query, Routes
from callcenter.web.ticket_fields import Said
from ticketing.aftercare.confidentiality import PUBLIC
from ticketing.appraisal import reports_sql, reports_store
from ticketing.appraisal.reports_store import ReportFile, Run
from ticketing.appraisal.terms import parse_term
from ticketing.prefill.masks import mask_text

api = Routes("reports")
CHOOSERS = frozenset({Role.SUPERVISOR, Role.REVIEWER})


class DefinitionRow(Out):
    """every: null for one made on demand only."""

    id: str
    title: str
    every: str | None
    variants: list[str]
    formats: list[str]
    sent_to: list[str]
    basis: str


class DefinitionList(Out):
    rows: list[DefinitionRow]


class RunQuery(Query):
    """before: `next` of the page before."""

    definition: Annotated[str, Field(max_length=40)] = ""
    before: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    limit: Annotated[int, Field(ge=1, le=reports_store.MAX_PAGE)] = 50


class FileRow(Out):
    id: int
    variant: str
    format: str
    name: str
    size_bytes: int
    sha256: str


class RunRow(Out):
    """state: asked (being made), made, published. digest: of the frozen figures. late: publishing is overdue.

    problem: why it could not be made, `` while all is well.
    """

    id: int
    definition: str
    title: str
    term: str
    revision: int
    state: str
    asked_by: str
    asked_at: datetime
    made_at: datetime | None
    metrics: str | None
    policy: str | None
    digest: str | None
    publish_by: datetime | None
    late: bool
    published_at: datetime | None
    published_by: str | None
    remarks: str
    problem: str
    files: list[FileRow]


class RunPage(Out):
    rows: list[RunRow]
    next: int | None


class MakeIn(In):
    """remarks: analysis and advice by people, printed in the internal version only."""

    definition: Annotated[str, Field(max_length=40)]
    term: TermText
    remarks: Annotated[str, Field(max_length=5_000)] = ""


class CaseIn(In):
    term: TermText
    ticket: Annotated[str, Field(max_length=14)]
    kind: Literal["good", "problem"]
    comment: Said


class ChosenQuery(Query):
    term: TermText


class ChosenCase(Out):
    """public: goes into the public edition as well. kind: good, problem."""

    id: int
    ticket: str
    title: str
    unit: str
    unit_name: str
    kind: str
    comment: str
    public: bool
    by: str
    at: datetime


class ChosenList(Out):
    rows: list[ChosenCase]


class TopicIn(In):
    """place: empty for everywhere."""

    subject: Annotated[str, Field(min_length=1, max_length=100)]
    place: Annotated[str, Field(max_length=200)] = ""
    title: Annotated[str, Field(min_length=2, max_length=100)]
    note: Annotated[str, Field(max_length=2_000)] = ""


class TopicMade(Out):
    id: int


class TrackedRow(Out):
    """Tickets of the event since a month before it was followed."""

    id: int
    subject: str
    place: str
    title: str
    note: str
    opened_at: datetime
    tickets: int
    still_open: int
    last_week: int


class TrackedList(Out):
    rows: list[TrackedRow]


@api.get("/api/reports/definitions", READERS)
async def list_definitions(ctx: Context) -> DefinitionList:
    """本地规定的通报、专报与考核结果"""
    ground = ground_of(ctx)
    rows = [
        DefinitionRow(
            id=one.id,
            title=one.title,
            every=one.every,
            variants=list(one.variants),
            formats=list(ground.kit.template(one.template).formats),
            sent_to=list(one.sent_to),
            basis=str(one.basis),
        )
        for one in ground.reports.definitions
    ]
    return DefinitionList(rows=rows)


@api.get("/api/reports", READERS)
async def list_runs(ctx: Context, query: RunQuery) -> RunPage:
    """已生成的报告，新的在前"""
    async with ctx.transaction() as tx:
        found = await reports_store.runs(tx, definition=query.definition, before=query.before, limit=query.limit)
        failed = await orders.failures(tx, found)
    rows = [_run(ctx, one, (), failed.get(one.id, "")) for one in found]
    return RunPage(rows=rows, next=found[-1].id if len(found) == query.limit else None)


@api.post("/api/reports", WRITERS)
async def make_now(ctx: Context, body: MakeIn) -> RunRow:
    """立即生成一份报告（后台生成，完成后可下载）；再次生成为新的版次"""
    ground, term, now = ground_of(ctx), parse_term(body.term), ctx.now
    definition = orders.definition_of(ground.policy, body.definition)
    async with ctx.transaction() as tx:
        run = await orders.order(tx, definition, term, actor=ctx.actor, now=now, remarks=body.remarks)
        assert run is not None  # only the sweep asks for the first alone
        detail: dict[str, Fact] = {"definition": definition.id, "term": term.name, "revision": run.revision}
        await note(tx, Audited(ctx.actor, "report.make", f"report:{run.id}", detail=detail))
    return _run(ctx, run, ())


@api.get("/api/reports/runs/{run_id}", READERS)
async def read_run(ctx: Context, run_id: int) -> RunRow:
    """一份报告及其文件"""
    async with ctx.transaction() as tx:
        run = await reports_store.run_of(tx, run_id)
        files = await reports_store.files_of(tx, run_id)
        failed = await orders.failures(tx, (run,))
    return _run(ctx, run, files, failed.get(run.id, ""))


@api.post("/api/reports/runs/{run_id}/publish", WRITERS)
async def publish(ctx: Context, run_id: int) -> RunRow:
    """登记报告已发布"""
    async with ctx.transaction() as tx:
        run = await reports_store.publish(tx, run_id, actor=ctx.actor, now=ctx.now)
        files = await reports_store.files_of(tx, run_id)
        await note(tx, Audited(ctx.actor, "report.publish", f"report:{run_id}"))
        services = ctx.services
        await flow_upstream.bulletin(tx, services.rules, run, ctx.now, connected=services.ground.upstream)
    return _run(ctx, run, files)


@api.get("/api/reports/files/{file_id}", READERS)
async def download(ctx: Context, file_id: int) -> web.StreamResponse:
    """下载报告文件；每次下载都有记录"""
    desk = desk_of(ctx)
    async with ctx.transaction() as tx:
        file = await reports_store.file_of(tx, file_id)
    data = await asyncio.to_thread(orders.read, desk.folder, file)
    async with ctx.transaction() as tx:
        detail: dict[str, Fact] = {
            "report": file.run_id,
            "variant": file.variant,
            "format": file.format,
            "sha256": file.sha256,
        }
        await note(tx, Audited(ctx.actor, "report.download", f"report_file:{file_id}", detail=detail))
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(file.name)}", "ETag": f'"{file.sha256}"'}
    return web.Response(body=data, content_type=orders.CONTENT_TYPES[file.format], headers=headers)


@api.post("/api/reports/cases", CHOOSERS)
async def choose_case(ctx: Context, body: CaseIn) -> None:
    """选为本期优秀案例或问题案例；公开版只载已审核同意公开的工单"""
    async with ctx.transaction() as tx:
        term, ticket = parse_term(body.term), TicketId(body.ticket)
        await reports_sql.choose_case(tx, term, ticket, body.kind, body.comment, ctx.actor, ctx.now)
        await note(tx, Audited(ctx.actor, "report.case", f"ticket:{body.ticket}", detail={"term": term.name}))


@api.get("/api/reports/cases", READERS | CHOOSERS)
async def list_cases(ctx: Context, query: ChosenQuery) -> ChosenList:
    """某一周期已选的优秀案例和问题案例"""
    term = parse_term(query.term)
    async with ctx.transaction() as tx:
        lines, chosen = await reports_sql.cases(tx, term, PUBLIC), await reports_sql.chosen(tx, term)
        names = await units(tx)
    rows = []
    for line in lines:
        number, by, at = chosen[line.ticket]
        rows.append(
            ChosenCase(
                id=number,
                ticket=line.ticket,
                title=mask_text(line.title),
                unit=line.unit,
                unit_name=names.get(line.unit, (line.unit, ""))[0],
                kind=line.kind,
                comment=line.comment,
                public=line.public,
                by=by,
                at=at,
            )
        )
    return ChosenList(rows=rows)


@api.post("/api/reports/cases/{case_id}/drop", CHOOSERS)
async def drop_case(ctx: Context, case_id: int) -> None:
    """撤下选错的案例；已生成的报告不变"""
    async with ctx.transaction() as tx:
        dropped = await reports_sql.drop_case(tx, case_id)
        if dropped is None:
            raise NotFound
        ticket, term = dropped
        detail: dict[str, Fact] = {"term": term, "dropped": True}
        await note(tx, Audited(ctx.actor, "report.case", f"ticket:{ticket}", detail=detail))


@api.get("/api/reports/events", READERS | CHOOSERS)
async def list_events(ctx: Context) -> TrackedList:
    """正在跟踪的热点事件及其工单数"""
    async with ctx.transaction() as tx:
        found = await reports_sql.tracked_topics(tx, ctx.now)
    names = ("id", "subject", "place", "title", "note", "opened_at", "still_open", "last_week")
    return TrackedList(rows=[TrackedRow(tickets=one["many"], **{name: one[name] for name in names}) for one in found])


@api.post("/api/reports/events", CHOOSERS)
async def track_event(ctx: Context, body: TopicIn) -> TopicMade:
    """跟踪一个热点、集中或持续性事件"""
    async with ctx.transaction() as tx:
        made = await reports_sql.track(tx, body.subject, body.place, body.title, body.note, ctx.actor, ctx.now)
        await note(tx, Audited(ctx.actor, "event.track", f"event:{made}"))
    return TopicMade(id=made)


@api.post("/api/reports/events/{event_id}/close", CHOOSERS)
async def close_event(ctx: Context, event_id: int) -> None:
    """结束对一个事件的跟踪"""
    async with ctx.transaction() as tx:
        if not await reports_sql.untrack(tx, event_id, ctx.actor, ctx.now):
            raise NotFound
        await note(tx, Audited(ctx.actor, "event.close", f"event:{event_id}"))


def _run(ctx: Context, run: Run, files: tuple[ReportFile, ...], problem: str = "") -> RunRow:
    reports = ctx.services.rules.at(ctx.now).reports
    definition = reports.definition(run.definition) if reports else None
    done = run.published_at or ctx.now
    return RunRow(
        id=run.id,
        definition=run.definition,
        title=definition.title if definition else run.definition,
        term=run.term,
        revision=run.revision,
        state=run.state,
        asked_by=run.asked_by,
        asked_at=run.asked_at,
        made_at=run.made_at,
        metrics=run.metrics,
        policy=run.policy,
        digest=run.digest,
        publish_by=run.publish_by,
        late=run.publish_by is not None and done > run.publish_by,
        published_at=run.published_at,
        published_by=run.published_by,
        remarks=run.remarks,
        problem=problem,
        files=[
            FileRow(
                id=one.id,
                variant=one.variant,
                format=one.format,
                name=one.name,
                size_bytes=one.size_bytes,
                sha256=one.sha256,
            )
            for one in files
        ],
    )
