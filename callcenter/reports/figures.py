"""Everything a report says, counted now and frozen: platform, units, scores, ranking, topics, cases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from ticketing.aftercare.confidentiality import PUBLIC
from ticketing.appraisal import reports_sql, reports_store
from ticketing.appraisal import sql as appraisal_sql
from ticketing.appraisal.figures import Figure, MetricSet
from ticketing.appraisal.reports import Collected, Frozen, RankLine, ReportKit, Section, UnitLine
from ticketing.appraisal.rules import AppraisalRules, ReportDefinition, ReportRules
from ticketing.appraisal.score import Score, composite, ranking, score
from ticketing.appraisal.terms import Every, OpenOverdue, Term
from ticketing.dispatch.units_tables import unit as unit_table
from ticketing.policy import Policy

APPRAISAL = "appraisal"
"""The template by which scores are collected and published."""
PREPARE = (
    "SET LOCAL statement_timeout = '300s'",
    # Long expressions over few rows a statement: compiling them costs more than it saves.
    "SET LOCAL jit = off",
)
"""Before figures are counted; a month of a busy city takes some seconds a statement."""


class NoReportsHere(Exception):
    """The regulation that runs here has no section `reports` or `appraisal`; add it to its policy file."""

    retryable = False
    sentence = "本地规定没有设置考核与通报。请联系管理员在政策文件中补充。"


@dataclass(frozen=True, slots=True)
class Ground:
    """The regulation, its metrics and templates."""

    policy: Policy
    kit: ReportKit

    @property
    def appraisal(self) -> AppraisalRules:
        """Raises NoReportsHere."""
        if self.policy.appraisal is None:
            raise NoReportsHere
        return self.policy.appraisal

    @property
    def reports(self) -> ReportRules:
        """Raises NoReportsHere."""
        if self.policy.reports is None:
            raise NoReportsHere
        return self.policy.reports

    @property
    def metrics(self) -> MetricSet:
        """The KPI set in use."""
        return self.kit.metrics(self.appraisal.metrics)

    def scope(self, term: Term, now: datetime, unit: str | None = None) -> appraisal_sql.Scope:
        """What a figure of that term counts."""
        objective = tuple(cause.code for cause in self.policy.survey.causes if cause.objective)
        return appraisal_sql.Scope(term, now, self.appraisal.attribution.open_overdue, objective, unit)


@dataclass(frozen=True, slots=True)
class Counted:
    """Figures and scores of a term."""

    platform: tuple[Figure, ...]
    platform_score: Score | None
    units: tuple[UnitLine, ...]


ADAPTER: TypeAdapter[Frozen] = TypeAdapter(Frozen)


def as_json(frozen: Frozen) -> Any:
    """The figures as they are stored."""
    return ADAPTER.dump_python(frozen, mode="json")


def of_json(data: Any) -> Frozen:
    """Stored figures as a value."""
    return ADAPTER.validate_python(data)


async def counted(
    tx: AsyncConnection, ground: Ground, term: Term, now: datetime, *, unit: str | None = None
) -> Counted:
    """Every figure of the term by unit, with scores. unit: only this unit's. Source: GZ-060, WX-032, MC-056."""
    for statement in PREPARE:
        await tx.execute(text(statement))
    appraisal = ground.appraisal
    found = await appraisal_sql.figures(tx, ground.metrics.metrics, ground.scope(term, now, unit))
    given = await reports_store.inputs(tx, _inputs_of(term))
    directory = await units(tx)
    named = [one for one in directory if one in found or one in given]
    lines = []
    for one in sorted({*named, *(key for key in found if key)}):
        if unit is not None and one != unit:
            continue
        name, kind = directory.get(one, (one, ""))
        figures = found.get(one, {})
        points = score(appraisal.units, one, figures, given.get(one, {}))
        group = appraisal.group_of(kind)
        lines.append(UnitLine(one, name, kind, group, tuple(figures.values()), points))
    whole = found[""]
    platform = score(appraisal.platform, "", whole, given.get("", {})) if appraisal.platform and unit is None else None
    return Counted(tuple(whole.values()), platform, tuple(lines))


def _inputs_of(term: Term) -> tuple[Term, ...]:
    """Points put in for the term itself, or for a part of it."""
    if term.every is Every.YEAR:
        return (*term.parts(Every.MONTH), *term.parts(Every.QUARTER), term)
    return (*term.parts(Every.MONTH), term) if term.every is Every.QUARTER else (term,)


async def units(tx: AsyncConnection) -> dict[str, tuple[str, str]]:
    """Name and kind of every unit of the directory."""
    columns = unit_table.c
    rows = await tx.execute(select(columns.id, columns.name, columns.kind).order_by(columns.id))
    return {row.id: (row.name, row.kind) for row in rows}


def ranked(ground: Ground, lines: Sequence[UnitLine], values: Mapping[str, float | None]) -> tuple[RankLine, ...]:
    """Places within each group of units. Source: GZ-057, MC-058."""
    groups = [group.name for group in ground.appraisal.groups] or [""]
    if groups != [""] and any(not line.group for line in lines):
        groups.append("")
    return tuple(
        RankLine(group, one.place, one.unit, one.value)
        for group in groups
        for one in ranking({line.unit: values.get(line.unit) for line in lines if line.group == group})
    )


def by_metric(lines: Sequence[UnitLine], metric: str) -> dict[str, float | None]:
    """unit -> its rate of that metric."""
    return {line.unit: next((f.rate for f in line.figures if f.metric == metric), None) for line in lines}


async def freeze(
    tx: AsyncConnection, ground: Ground, definition: ReportDefinition, term: Term, now: datetime, remarks: str = ""
) -> Frozen:
    """The figures of one report as of `now`."""
    count = await counted(tx, ground, term, now)
    until = ground.scope(term, now).until
    collected: tuple[Collected, ...] = ()
    is_score = definition.template == APPRAISAL
    values = by_metric(count.units, ground.appraisal.rank_by)
    ranked_by = ground.appraisal.rank_by
    if is_score:
        collected = await _collected(tx, ground, term, now)
        values = _totals(count.units, collected)
        ranked_by = "score"
    rules = ground.reports.hot
    wanted = {one.section for one in ground.kit.template(definition.template).sections}
    return Frozen(
        definition=definition.id,
        template=definition.template,
        title=definition.title,
        term=term.name,
        label=term.label,
        region=ground.policy.region,
        policy=ground.policy.name,
        metrics=ground.metrics.name,
        attribution=attribution_sentence(ground.appraisal),
        made_at=now,
        sent_to=definition.sent_to,
        hot=f"同一事项本期不少于{rules.least}件列为热点；不少于{rules.callers}人反映列为集中；连续{rules.terms}期列为持续",
        overview=await reports_sql.overview(tx, term, until),
        platform=count.platform,
        platform_score=count.platform_score if is_score else None,
        units=count.units if is_score else tuple(replace(line, score=None) for line in count.units),
        ranked_by=ranked_by,
        ranking=ranked(ground, count.units, values),
        collected=collected,
        topics=await reports_sql.topics(tx, term, until, rules) if Section.TOPICS in wanted else (),
        unit_topics=await reports_sql.unit_topics(tx, term, until) if Section.UNIT_TOPICS in wanted else (),
        cases=await reports_sql.cases(tx, term, PUBLIC) if Section.CASES in wanted else (),
        remarks=remarks,
    )


def attribution_sentence(rules: AppraisalRules) -> str:
    """How work is put into terms, as a report prints it. Source: LS-086."""
    open_overdue = (
        "期末已超过工作时限仍未办结的工单计入本期并按逾期统计，以后办结不再重复计入"
        if rules.attribution.open_overdue is OpenOverdue.THIS_TERM
        else "期末未办结的工单均计入办结当期"
    )
    return f"考核期内办结的工单计入本期；期末未到工作时限且未办结的工单计入下期；{open_overdue}。"


async def _collected(tx: AsyncConnection, ground: Ground, term: Term, now: datetime) -> tuple[Collected, ...]:
    """The scores of the parts of a year: those frozen when the part ended, else counted now. Source: MC-057."""
    rules = ground.appraisal.composite
    if rules is None or term.every is not Every.YEAR:
        return ()
    kept = tuple(one.id for one in ground.reports.definitions if one.template == APPRAISAL and one.every is rules.of)
    found: list[Collected] = []
    for part in term.parts(rules.of):
        if part.starts_at >= now:
            continue
        data = await reports_store.last_figures(tx, kept, part) if kept else None
        lines = of_json(data).units if data is not None else (await counted(tx, ground, part, now)).units
        found += [Collected(part.name, line.unit, line.score.total if line.score else None) for line in lines]
    return tuple(found)


def _totals(lines: Sequence[UnitLine], collected: Sequence[Collected]) -> dict[str, float | None]:
    """The score each unit is ranked by: the mean of what was collected, else the term's own."""
    own = {line.unit: line.score.total if line.score else None for line in lines}
    if not collected:
        return own
    return {unit: composite([one.total for one in collected if one.unit == unit]) for unit in own}
