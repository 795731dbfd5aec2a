"""Frozen figures as a paper: one function a section, in the order the template says."""

from collections.abc import Callable, Iterable

from callcenter.reports.paper import Block, Cell, Chart, Fields, Grid, Heading, Paper, Para
from ticketing.appraisal.figures import Figure, MetricSet, formula, percent, shown
from ticketing.appraisal.reports import (
    TOPIC_NAMES,
    Frozen,
    Section,
    Share,
    Template,
    TopicLine,
    UnitLine,
    crosses,
    kinds_of,
)
from ticketing.appraisal.rules import VARIANT_NAMES, HotRules, Variant
from ticketing.appraisal.score import Score
from ticketing.appraisal.words import POPULATION_NAMES
from ticketing.clocks import SHANGHAI
from ticketing.dispatch.units import KIND_NAMES, UnitKind
from ticketing.words import RatingSource

ALL_UNITS = "全部承办单位"
SOURCE_NAMES = {RatingSource.CITIZEN: "诉求人评价", RatingSource.MANUAL: "人工回访", RatingSource.DEFAULT: "逾期默认"}
CASE_NAMES = {"good": "优秀案例", "problem": "问题案例"}
NUMERALS = "一二三四五六七八九十"
PEOPLE_SEE = ("closed", "closure", "on_time_close", "on_time_sign", "solved", "satisfied_citizen", "satisfied_manual")
"""Which figures the table of units has beside its score: the ones bulletins are read for."""


class _Desk:
    """What every section is written from."""

    def __init__(self, figures: Frozen, metrics: MetricSet, hot: HotRules) -> None:
        self.figures, self.metrics, self.hot = figures, metrics, hot


def paper_of(figures: Frozen, template: Template, metrics: MetricSet, hot: HotRules) -> Paper:
    """The report. `figures` is already the variant that is wanted (see reports.public_view)."""
    desk = _Desk(figures, metrics, hot)
    blocks: list[Block] = []
    number = 0
    for one in template.sections:
        written = list(WRITERS[one.section](desk))
        if not written:
            continue
        blocks.append(Heading(f"{NUMERALS[number]}、{one.heading}" if number < len(NUMERALS) else one.heading))
        blocks += written
        number += 1
    made = figures.made_at.astimezone(SHANGHAI)
    public = figures.variant is Variant.PUBLIC
    sent = f"　报送：{'、'.join(figures.sent_to)}" if figures.sent_to else ""
    return Paper(
        title=f"{figures.title}（{figures.label}）",
        issuer=figures.region,
        number="",
        date=f"{made.year}年{made.month}月{made.day}日",
        mark="公开发布" if public else f"内部资料{sent}",
        blocks=tuple(blocks),
    )


def _overview(desk: _Desk) -> Iterable[Block]:
    now = desk.figures.overview
    change = f"，上期{now.before}件，环比{percent(now.received / now.before - 1)}" if now.before else ""
    yield Para(f"{desk.figures.label}共登记受理诉求{now.received}件{change}。")
    if not now.received:
        return
    yield Grid("诉求类型", ("类型", "件数", "占比"), _shares(now.by_type, now.received))
    yield _bars("诉求类型（件）", now.by_type)
    yield Grid("诉求来源", ("来源", "件数", "占比"), _shares(now.by_source, now.received))
    yield Grid("办理状态", ("状态", "件数", "占比"), _shares(now.by_state, now.received))
    if len(now.course) > 1:
        course = tuple(one.name for one in now.course)
        yield Chart("受理走势（件）", "line", course, tuple(float(one.count) for one in now.course))


def _shares(shares: tuple[Share, ...], whole: int) -> tuple[tuple[Cell, ...], ...]:
    return tuple((one.name, one.count, percent(one.count / whole)) for one in shares)


def _bars(title: str, shares: Iterable[Share]) -> Chart:
    known = tuple(shares)
    return Chart(title, "bars", tuple(one.name for one in known), tuple(float(one.count) for one in known))


def _figures(desk: _Desk) -> Iterable[Block]:
    rows: list[tuple[Cell, ...]] = []
    for figure in desk.figures.platform:
        metric = desk.metrics.metric(figure.metric)
        if metric is None:
            continue
        source = SOURCE_NAMES[metric.rating_source] if metric.rating_source else ""
        left = sum(one.count for one in figure.left_out)
        rows.append((metric.group, metric.name, shown(figure), formula(metric, figure), source, left, metric.note))
    yield Grid("主要指标", ("类别", "指标", "数值", "计算式", "评价来源", "不计入", "说明"), tuple(rows))


def _ranking(desk: _Desk) -> Iterable[Block]:
    metric = desk.metrics.metric(desk.figures.ranked_by)
    if metric is None:
        return
    known = {(line.unit): line for line in desk.figures.units}
    for group in dict.fromkeys(line.group for line in desk.figures.ranking):
        name = group or (ALL_UNITS if len({line.group for line in desk.figures.ranking}) == 1 else "其他单位")
        rows: list[tuple[Cell, ...]] = []
        for line in desk.figures.ranking:
            if line.group != group:
                continue
            figure = _of(known[line.unit], metric.id) if line.unit in known else None
            sum_ = formula(metric, figure) if figure else ""
            rows.append((line.place, desk.figures.name_of(line.unit), percent(line.value), sum_))
        yield Grid(f"{name}排名", ("名次", "单位", metric.name, "计算式"), tuple(rows))


def _of(line: UnitLine, metric: str) -> Figure | None:
    return next((figure for figure in line.figures if figure.metric == metric), None)


def _units(desk: _Desk) -> Iterable[Block]:
    metrics = [known for name in PEOPLE_SEE if (known := desk.metrics.metric(name))]
    rows = []
    for line in desk.figures.units:
        own = [_of(line, metric.id) for metric in metrics]
        rows.append((line.name, *(shown(figure) if figure else None for figure in own)))
    if rows:
        yield Grid("承办单位", ("单位", *(metric.name for metric in metrics)), tuple(rows))


def _scores(desk: _Desk) -> Iterable[Block]:
    figures = desk.figures
    places = {line.unit: line for line in figures.ranking}
    for group in dict.fromkeys(line.group for line in figures.ranking):
        name = group or (ALL_UNITS if len({line.group for line in figures.ranking}) == 1 else "其他单位")
        ranked = [line for line in figures.ranking if line.group == group]
        rows: list[tuple[Cell, ...]] = [(one.place, figures.name_of(one.unit), one.value) for one in ranked]
        yield Grid(f"{name}得分", ("名次", "单位", "得分"), tuple(rows))
        known = [(figures.name_of(one.unit), one.value) for one in ranked if one.value is not None]
        if known:
            yield Chart(f"{name}得分", "bars", tuple(n for n, _ in known), tuple(v for _, v in known))
    if figures.collected:
        terms = tuple(dict.fromkeys(one.term for one in figures.collected))
        totals = {(one.unit, one.term): one.total for one in figures.collected}
        rows = [
            (
                line.name,
                *(totals.get((line.unit, term)) for term in terms),
                places[line.unit].value if line.unit in places else None,
            )
            for line in figures.units
        ]
        yield Grid("各期归集", ("单位", *terms, "综合得分"), tuple(rows))
    if figures.platform_score is not None:
        yield _sheet("12345热线平台得分", [("12345热线平台", figures.platform_score)])
    yield _sheet("评分明细", [(line.name, line.score) for line in figures.units if line.score])


def _sheet(name: str, scores: Iterable[tuple[str, Score]]) -> Grid:
    rows = [(who, one.group, one.name, one.points, one.most, one.how) for who, score in scores for one in score.points]
    return Grid(name, ("单位", "类别", "项目", "得分", "满分", "计算式"), tuple(rows))


def _topics(desk: _Desk) -> Iterable[Block]:
    topics = desk.figures.topics
    yield Para(f"{desk.figures.hot}。")
    if not topics:
        yield Para("本期没有达到标准的热点、集中或持续性诉求。")
        return
    rows = tuple(_topic(desk, one) for one in topics)
    yield Grid("热点诉求", ("事项", "地点", "件数", "上期", "增长", "类别", "连续期数", "涉及单位数"), rows)
    yield _bars("热点诉求（件）", [Share(" ".join((one.subject, one.place)).strip(), one.count) for one in topics])


def _topic(desk: _Desk, one: TopicLine) -> tuple[Cell, ...]:
    growth = f"{one.growth:.1f}倍" if one.growth is not None else "新增"
    kinds = [TOPIC_NAMES[kind] for kind in kinds_of(one, desk.hot)]
    kinds += ["跨部门"] if crosses(one) else []
    kinds += ["跟踪中"] if one.tracked else []
    return (one.subject, one.place or "不限", one.count, one.before, growth, "、".join(kinds), one.terms, one.units)


def _unit_topics(desk: _Desk) -> Iterable[Block]:
    rows = tuple(
        (desk.figures.name_of(one.unit), one.subject, one.count, one.before, one.repeated)
        for one in desk.figures.unit_topics
    )
    if rows:
        yield Grid("单位诉求构成", ("单位", "事项", "件数", "上期", "重复提出"), rows)


def _enterprises(desk: _Desk) -> Iterable[Block]:
    """Source: LS-093, for the departments in charge of enterprises that serve the public."""
    own = [line for line in desk.figures.units if line.kind == UnitKind.ENTERPRISE]
    metrics = [known for name in PEOPLE_SEE if (known := desk.metrics.metric(name))]
    rows = []
    for line in own:
        for metric in metrics:
            figure = _of(line, metric.id)
            if figure is not None:
                rows.append((line.name, metric.name, shown(figure), formula(metric, figure)))
    name = KIND_NAMES[UnitKind.ENTERPRISE]
    yield Grid(name, ("单位", "指标", "数值", "计算式"), tuple(rows)) if rows else Para(f"本期没有{name}承办的工单。")


def _cases(desk: _Desk) -> Iterable[Block]:
    for kind, name in CASE_NAMES.items():
        for number, one in enumerate((case for case in desk.figures.cases if case.kind == kind), 1):
            yield Heading(f"{name}{number}", 2)
            unit = desk.figures.name_of(one.unit)
            pairs = (("工单", one.ticket), ("事项", one.title), ("承办单位", unit), ("评析", one.comment))
            yield Fields(tuple(pair for pair in pairs if pair[1]))


def _left_out(desk: _Desk) -> Iterable[Block]:
    rows: list[tuple[Cell, ...]] = []
    for figure in desk.figures.platform:
        metric = desk.metrics.metric(figure.metric)
        if metric is not None:
            scope = POPULATION_NAMES[metric.population]
            rows += [(metric.name, scope, one.reason, one.count) for one in figure.left_out]
    yield Grid("不计入情况", ("指标", "范围", "原因", "件数"), tuple(rows)) if rows else Para("本期没有不计入的事项。")


def _remarks(desk: _Desk) -> Iterable[Block]:
    if desk.figures.variant is Variant.PUBLIC:
        return
    yield Para(desk.figures.remarks or "（由编制人员填写）")


def _notes(desk: _Desk) -> Iterable[Block]:
    figures = desk.figures
    made = figures.made_at.astimezone(SHANGHAI)
    yield Para(f"数据截至{made:%Y-%m-%d %H:%M}。{figures.attribution}")
    yield Para(
        "满意率按评价来源分别计算：诉求人评价、人工回访、逾期默认三者互不合并。不同类型诉求的占比不作单位间比较。"
    )
    yield Para(f"依据：{figures.policy}；指标集：{figures.metrics}；{VARIANT_NAMES[figures.variant]}版。")


WRITERS: dict[Section, Callable[[_Desk], Iterable[Block]]] = {
    Section.OVERVIEW: _overview,
    Section.FIGURES: _figures,
    Section.RANKING: _ranking,
    Section.UNITS: _units,
    Section.SCORES: _scores,
    Section.TOPICS: _topics,
    Section.UNIT_TOPICS: _unit_topics,
    Section.ENTERPRISES: _enterprises,
    Section.CASES: _cases,
    Section.LEFT_OUT: _left_out,
    Section.REMARKS: _remarks,
    Section.NOTES: _notes,
}
