"""How units are scored, the points people put in, a figure over its last terms, and all figures as one table.

A unit's people read the rules and their own figures; who put in which points is read by the hotline's own people.
"""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import text

from callcenter.audit import Audited, note
from callcenter.reports.figures import PREPARE, Ground, attribution_sentence, units
from callcenter.web.appraisal import (
    READERS,
    UNIT_PEOPLE,
    WRITERS,
    Fact,
    FigureRow,
    TermQuery,
    TermText,
    figure_row,
    ground_of,
    read_figures,
    scope_of,
)
from callcenter.web.context import Context
from callcenter.web.problems import NotFound, Problem
from callcenter.web.router import In, Out, Routes
from callcenter.web.ticket_fields import Said
from ticketing.appraisal import reports_store
from ticketing.appraisal import sql as appraisal_sql
from ticketing.appraisal.figures import Figure
from ticketing.appraisal.score import Scheme, ScoreItem, Way
from ticketing.appraisal.terms import Term, parse_term

api = Routes("appraisal")
MOST_TERMS = 24


class CourseQuery(TermQuery):
    """The term and those before it, `terms` together; unit: empty for the platform."""

    unit: Annotated[str, Field(max_length=64)] = ""
    terms: Annotated[int, Field(ge=2, le=MOST_TERMS)] = 6


class CoursePoint(FigureRow):
    """A figure of one term."""

    term: str
    label: str


class Course(Out):
    """Oldest first."""

    rows: list[CoursePoint]


class FigureLine(FigureRow):
    """unit: empty for the platform."""

    unit: str
    unit_name: str
    score: float | None


class FigureTable(Out):
    rows: list[FigureLine]


class ScoreItemRow(Out):
    """way: rate, deduct, bonus, input. target: the rate that gives all points. mean: of all put in, else the last."""

    code: str
    name: str
    group: str
    way: str
    points: float
    metric: str
    each: float
    target: float
    mean: bool


class SchemeRow(Out):
    scale: float
    basis: str
    items: list[ScoreItemRow]


class ScoreRules(Out):
    """platform: null where it is not scored. rank_by: a metric."""

    metrics: str
    rank_by: str
    rank_name: str
    attribution: str
    groups: list[str]
    units: SchemeRow
    platform: SchemeRow | None
    hot: str


class InputQuery(TermQuery):
    """before: `next` of the page before."""

    before: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    limit: Annotated[int, Field(ge=1, le=reports_store.MAX_PAGE)] = 50


class InputIn(In):
    """unit: empty for the platform. item: a code of the policy's score that is put in. note: what was looked at."""

    term: TermText
    unit: Annotated[str, Field(max_length=64)] = ""
    item: Annotated[str, Field(max_length=40)]
    value: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]
    note: Said


class InputRow(Out):
    """unit: empty for the platform."""

    id: int
    unit: str
    unit_name: str
    item: str
    item_name: str
    value: float
    most: float | None
    note: str
    by: str
    at: datetime


class InputPage(Out):
    rows: list[InputRow]
    next: int | None


@api.get("/api/appraisal/rules", READERS | UNIT_PEOPLE)
async def read_rules(ctx: Context) -> ScoreRules:
    """本地考核办法：计分项目、目标值、排名依据和工单归属周期"""
    ground = ground_of(ctx)
    rules, hot = ground.appraisal, ground.reports.hot
    by = ground.metrics.metric(rules.rank_by)
    return ScoreRules(
        metrics=ground.metrics.name,
        rank_by=rules.rank_by,
        rank_name=by.name if by else rules.rank_by,
        attribution=attribution_sentence(rules),
        groups=[group.name for group in rules.groups],
        units=_scheme(rules.units),
        platform=_scheme(rules.platform) if rules.platform else None,
        hot=f"同一事项本期不少于{hot.least}件且达到上期{hot.growth:g}倍的为热点；不少于{hot.least}件且有{hot.callers}人以上"
        f"反映的为集中；连续{hot.terms}期、每期不少于{hot.least}件的为持续。",
    )


@api.get("/api/appraisal/figures/{metric}/course", READERS | UNIT_PEOPLE)
async def read_course(ctx: Context, metric: str, query: CourseQuery) -> Course:
    """一项指标最近若干期的数值；承办单位只见本单位"""
    ground, unit = ground_of(ctx), scope_of(ctx) or query.unit or None
    known = ground.metrics.metric(metric)
    if known is None:
        raise NotFound
    rows: list[CoursePoint] = []
    async with ctx.transaction() as tx:
        for statement in PREPARE:
            await tx.execute(text(statement))
        for term in _terms(parse_term(query.term), query.terms):
            found = await appraisal_sql.figures(tx, (known,), ground.scope(term, ctx.now, unit))
            # A unit without a row in the term has no entry; its figure is the empty one.
            none = Figure(known.id, unit or "", 0, 0 if known.is_rate else None)
            figure = found.get(unit or "", {}).get(known.id, none)
            rows.append(CoursePoint(term=term.name, label=term.label, **_plain(figure_row(known, figure))))
    return Course(rows=rows)


@api.get("/api/appraisal/table", READERS | UNIT_PEOPLE)
async def read_table(ctx: Context, query: TermQuery) -> FigureTable:
    """全部指标明细表：平台和各承办单位逐项；承办单位只见本单位"""
    found = await read_figures(ctx, query)
    rows = [
        FigureLine(unit="", unit_name="全平台", score=found.platform_total, **_plain(one))
        for one in found.platform or ()
    ]
    for line in found.units:
        rows += [
            FigureLine(unit=line.unit, unit_name=line.name, score=line.total, **_plain(one)) for one in line.figures
        ]
    return FigureTable(rows=rows)


@api.get("/api/appraisal/inputs", READERS)
async def list_inputs(ctx: Context, query: InputQuery) -> InputPage:
    """某一周期已录入的考核得分，新的在前"""
    ground = ground_of(ctx)
    async with ctx.transaction() as tx:
        term, names = parse_term(query.term), await units(tx)
        found = await reports_store.given(tx, term, before=query.before, limit=query.limit)
    rows = []
    for one in found:
        item = _item(ground, one.unit, one.item)
        rows.append(
            InputRow(
                id=one.id,
                unit=one.unit,
                unit_name=names.get(one.unit, (one.unit, ""))[0] if one.unit else "全平台",
                item=one.item,
                item_name=item.name if item else one.item,
                value=one.value,
                most=item.points if item else None,
                note=one.note,
                by=one.by,
                at=one.at,
            )
        )
    return InputPage(rows=rows, next=found[-1].id if len(found) == query.limit else None)


@api.post("/api/appraisal/inputs", WRITERS)
async def put_in(ctx: Context, body: InputIn) -> None:
    """录入考核得分（制度建设、拨测等不能由工单算出的项目），每次录入都有记录"""
    term, ground, now = parse_term(body.term), ground_of(ctx), ctx.now
    _check_item(ground, body, term)
    async with ctx.transaction() as tx:
        if body.unit and body.unit not in await units(tx):
            raise NotFound
        await reports_store.put_in(tx, term, body.unit, body.item, body.value, body.note, actor=ctx.actor, now=now)
        detail: dict[str, Fact] = {"unit": body.unit, "item": body.item, "value": body.value}
        await note(tx, Audited(ctx.actor, "appraisal.input", f"term:{term.name}", detail=detail))


def _check_item(ground: Ground, body: InputIn, term: Term) -> None:
    scheme = ground.appraisal.units if body.unit else ground.appraisal.platform
    asked = {item.code: item for item in (scheme.items if scheme else ()) if item.way is Way.INPUT}
    item = asked.get(body.item)
    if item is None:
        names = "、".join(asked) or "（无）"
        raise Problem(422, "unknown_item", f"本地考核没有这一录入项目。可录入：{names}。")
    if body.value > item.points:
        raise Problem(422, "too_many_points", f"{item.name}满分{item.points:g}分，请核对（周期{term.label}）。")


def _terms(term: Term, many: int) -> list[Term]:
    """`many` terms up to this one, oldest first; none before the calendar of computers begins."""
    found = [term]
    while len(found) < many and found[0].first.year > 1:
        found.insert(0, found[0].before)
    return found


def _item(ground: Ground, unit: str, code: str) -> ScoreItem | None:
    scheme = ground.appraisal.units if unit else ground.appraisal.platform
    return next((one for one in (scheme.items if scheme else ()) if one.code == code), None)


def _plain(row: FigureRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in FigureRow.model_fields}


def _scheme(scheme: Scheme) -> SchemeRow:
    items = [
        ScoreItemRow(
            code=one.code,
            name=one.name,
            group=one.group,
            way=one.way,
            points=one.points,
            metric=one.metric,
            each=one.each,
            target=one.target,
            mean=one.mean,
        )
        for one in scheme.items
    ]
    return SchemeRow(scale=scheme.scale, basis=str(scheme.basis), items=items)
