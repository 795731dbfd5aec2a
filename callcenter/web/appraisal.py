"""Figures with their formulas, the tickets behind them, rankings and topics.

The hotline's own people see every unit; a unit sees its own figures, its own tickets and its own place.
"""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from callcenter.reports.figures import Ground, by_metric, counted, ranked, units
from callcenter.reports.orders import ReportDesk, ground_at
from callcenter.types import Role
from callcenter.web.context import Context
from callcenter.web.problems import NotAllowed, NotFound, Problem
from callcenter.web.router import Out, Query, Routes
from ticketing.appraisal import reports_sql
from ticketing.appraisal import sql as appraisal_sql
from ticketing.appraisal.figures import Figure, Metric, Part, formula, shown
from ticketing.appraisal.reports import TopicLine, crosses, kinds_of
from ticketing.appraisal.score import Score
from ticketing.appraisal.terms import parse_term

api = Routes("appraisal")
READERS = frozenset({Role.SUPERVISOR, Role.AUDITOR, Role.LEADER, Role.ADMIN})
UNIT_PEOPLE = frozenset({Role.UNIT, Role.UNIT_HEAD})
WRITERS = frozenset({Role.SUPERVISOR, Role.ADMIN})
TOPIC_READERS = READERS | {Role.REVIEWER}
"""Who follows events and chooses cases must see the topics."""
Fact = str | int | float | bool | None
"""What an audit row can hold."""
TermText = Annotated[str, Field(min_length=4, max_length=24)]


class TermQuery(Query):
    """term: 2026, 2026-Q3, 2026-10, 2026-W41, 2026-10-05 or 2026-10-05..2026-10-12."""

    term: TermText


class BehindQuery(TermQuery):
    """part: counted, rest (in the denominator only), left_out, outside. after: `next` of the page before."""

    part: Part = Part.COUNTED
    unit: Annotated[str, Field(max_length=64)] = ""
    after: Annotated[int, Field(ge=0, lt=2**63)] = 0
    limit: Annotated[int, Field(ge=1, le=appraisal_sql.MAX_PAGE)] = 50


class MetricRow(Out):
    """better: high, low, neither."""

    id: str
    name: str
    group: str
    population: str
    what: str
    whole: str
    rating_source: str | None
    left_out: list[str]
    better: str
    note: str


class MetricList(Out):
    """name: the versioned KPI set, core@1."""

    name: str
    title: str
    metrics: list[MetricRow]


class LeftRow(Out):
    reason: str
    count: int


class FigureRow(Out):
    """rate: 0 to 1, null for a plain count or where there is nothing to divide by."""

    metric: str
    name: str
    group: str
    count: int
    whole: int | None
    rate: float | None
    shown: str
    formula: str
    rating_source: str | None
    left_out: list[LeftRow]


class PointsRow(Out):
    code: str
    name: str
    group: str
    points: float | None
    most: float
    how: str


class UnitFigures(Out):
    unit: str
    name: str
    group: str
    total: float | None
    points: list[PointsRow]
    figures: list[FigureRow]


class TermFigures(Out):
    """platform: null for a unit's people."""

    term: str
    label: str
    as_of: datetime
    platform: list[FigureRow] | None
    platform_total: float | None
    units: list[UnitFigures]


class BehindRow(Out):
    """ticket: empty where the row is about knowledge. reason: why it is left out."""

    ticket: str
    unit: str
    unit_name: str
    reason: str


class BehindPage(Out):
    rows: list[BehindRow]
    next: int | None


class RankRow(Out):
    group: str
    place: int | None
    unit: str
    name: str
    value: float | None
    score: float | None


class Ranking(Out):
    """by: the metric units are ranked by."""

    term: str
    by: str
    rows: list[RankRow]


class TopicRow(Out):
    """kinds: hot, concentrated, persistent. crosses: several units work on it."""

    subject: str
    place: str
    count: int
    before: int
    growth: float | None
    kinds: list[str]
    callers: int
    units: int
    crosses: bool
    still_open: int
    terms: int
    tracked: bool


class UnitTopicRow(Out):
    unit: str
    unit_name: str
    subject: str
    count: int
    before: int
    repeated: int


class Topics(Out):
    """topics: null for a unit's people, who see what their own requests are about."""

    term: str
    topics: list[TopicRow] | None
    units: list[UnitTopicRow]


def desk_of(ctx: Context) -> ReportDesk:
    """Metrics and templates. Raises Problem where they are not set up."""
    desk = ctx.services.reports
    if desk is None:
        raise Problem(503, "no_reports", "考核与通报功能尚未启用，请联系管理员检查配置。")
    return desk


def ground_of(ctx: Context) -> Ground:
    """The regulation in effect with its metrics."""
    return ground_at(ctx.services.rules, desk_of(ctx).kit, ctx.now)


def scope_of(ctx: Context, readers: frozenset[Role] = READERS) -> str | None:
    """The unit a person's sight is limited to; None for who may see all. Raises NotAllowed for one without a unit."""
    if ctx.has(*readers):
        return None
    if ctx.actor.unit is None:
        raise NotAllowed
    return ctx.actor.unit


@api.get("/api/appraisal/metrics", READERS | UNIT_PEOPLE)
async def list_metrics(ctx: Context) -> MetricList:
    """指标集：各指标的分子、分母、不计入情形与版本"""
    known = ground_of(ctx).metrics
    return MetricList(name=known.name, title=known.title, metrics=[_metric(one) for one in known.metrics])


@api.get("/api/appraisal/figures", READERS | UNIT_PEOPLE)
async def read_figures(ctx: Context, query: TermQuery) -> TermFigures:
    """某一周期的指标与得分，逐项列出计算式；承办单位只见本单位"""
    term, ground, unit, now = parse_term(query.term), ground_of(ctx), scope_of(ctx), ctx.now
    async with ctx.transaction() as tx:
        found = await counted(tx, ground, term, now, unit=unit)
    lines = [
        UnitFigures(
            unit=line.unit,
            name=line.name,
            group=line.group,
            total=line.score.total if line.score else None,
            points=_points(line.score),
            figures=_figures(ground, line.figures),
        )
        for line in found.units
    ]
    return TermFigures(
        term=term.name,
        label=term.label,
        as_of=min(now, term.ends_at),
        platform=None if unit is not None else _figures(ground, found.platform),
        platform_total=found.platform_score.total if found.platform_score else None,
        units=lines,
    )


@api.get("/api/appraisal/figures/{metric}/tickets", READERS | UNIT_PEOPLE)
async def read_behind(ctx: Context, metric: str, query: BehindQuery) -> BehindPage:
    """指标背后的工单编号：计入、未达到、不计入（含原因）；承办单位只见本单位"""
    ground = ground_of(ctx)
    known = ground.metrics.metric(metric)
    if known is None:
        raise NotFound
    unit = scope_of(ctx) or query.unit or None
    scope = ground.scope(parse_term(query.term), ctx.now, unit)
    async with ctx.transaction() as tx:
        rows = await appraisal_sql.behind(tx, known, query.part, scope, after=query.after, limit=query.limit)
        names = await units(tx)
    shown_rows = [
        BehindRow(ticket=row.ticket_id, unit=row.unit, unit_name=_name(names, row.unit), reason=row.reason)
        for row in rows
    ]
    return BehindPage(rows=shown_rows, next=rows[-1].key if len(rows) == query.limit else None)


@api.get("/api/appraisal/ranking", READERS | UNIT_PEOPLE)
async def read_ranking(ctx: Context, query: TermQuery) -> Ranking:
    """承办单位办理情况排名，分组排列；承办单位只见本单位的名次"""
    term, ground, unit = parse_term(query.term), ground_of(ctx), scope_of(ctx)
    async with ctx.transaction() as tx:
        found = await counted(tx, ground, term, ctx.now)
    by = ground.appraisal.rank_by
    known = {line.unit: line for line in found.units}
    rows = [
        RankRow(
            group=one.group,
            place=one.place,
            unit=one.unit,
            name=known[one.unit].name,
            value=one.value,
            score=score.total if (score := known[one.unit].score) else None,
        )
        for one in ranked(ground, found.units, by_metric(found.units, by))
        if unit is None or one.unit == unit
    ]
    return Ranking(term=term.name, by=by, rows=rows)


@api.get("/api/appraisal/topics", TOPIC_READERS | UNIT_PEOPLE)
async def read_topics(ctx: Context, query: TermQuery) -> Topics:
    """热点、集中与持续性诉求及各单位诉求构成；承办单位只见本单位的诉求构成"""
    term, ground, unit = parse_term(query.term), ground_of(ctx), scope_of(ctx, TOPIC_READERS)
    until = ground.scope(term, ctx.now).until
    hot = ground.reports.hot
    async with ctx.transaction() as tx:
        found = () if unit is not None else await reports_sql.topics(tx, term, until, hot)
        own, names = await reports_sql.unit_topics(tx, term, until, unit), await units(tx)
    return Topics(
        term=term.name,
        topics=None if unit is not None else [_topic(ground, one) for one in found],
        units=[
            UnitTopicRow(
                unit=one.unit,
                unit_name=_name(names, one.unit),
                subject=one.subject,
                count=one.count,
                before=one.before,
                repeated=one.repeated,
            )
            for one in own
        ],
    )


def _name(names: dict[str, tuple[str, str]], unit: str) -> str:
    return names.get(unit, (unit, ""))[0]


def _topic(ground: Ground, one: TopicLine) -> TopicRow:
    return TopicRow(
        subject=one.subject,
        place=one.place,
        count=one.count,
        before=one.before,
        growth=one.growth,
        kinds=list(kinds_of(one, ground.reports.hot)),
        callers=one.callers,
        units=one.units,
        crosses=crosses(one),
        still_open=one.still_open,
        terms=one.terms,
        tracked=one.tracked,
    )


def _metric(one: Metric) -> MetricRow:
    return MetricRow(
        id=one.id,
        name=one.name,
        group=one.group,
        population=one.population,
        what=one.what,
        whole=one.whole,
        rating_source=one.rating_source,
        left_out=list(dict.fromkeys(exclusion.reason for exclusion in one.exclusions)),
        better=one.better,
        note=one.note,
    )


def _figures(ground: Ground, figures: tuple[Figure, ...]) -> list[FigureRow]:
    metrics = ground.metrics
    return [figure_row(metric, figure) for figure in figures if (metric := metrics.metric(figure.metric)) is not None]


def figure_row(metric: Metric, figure: Figure) -> FigureRow:
    """A figure with its formula."""
    return FigureRow(
        metric=metric.id,
        name=metric.name,
        group=metric.group,
        count=figure.count,
        whole=figure.whole,
        rate=figure.rate,
        shown=shown(figure),
        formula=formula(metric, figure),
        rating_source=metric.rating_source,
        left_out=[LeftRow(reason=left.reason, count=left.count) for left in figure.left_out],
    )


def _points(score: Score | None) -> list[PointsRow]:
    return [
        PointsRow(code=one.code, name=one.name, group=one.group, points=one.points, most=one.most, how=one.how)
        for one in (score.points if score else ())
    ]
