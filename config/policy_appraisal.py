"""The sections `appraisal` and `reports` of a policy file: KPI set, attribution, score formulas, bulletins."""

from collections.abc import Callable
from datetime import time
from typing import Annotated, Self

from pydantic import Field, model_validator

from config.policy_base import Cited, Lax, Strict, TimeText
from ticketing.appraisal.rules import (
    AppraisalRules,
    Attribution,
    Composite,
    HotRules,
    ReportDefinition,
    ReportRules,
    UnitGroup,
    Variant,
)
from ticketing.appraisal.score import Scheme, ScoreItem, Way
from ticketing.appraisal.terms import Every, OpenOverdue
from ticketing.dispatch.units import UnitKind
from ticketing.rules import Basis

Cite = Callable[[list[str]], Basis]
Number = Annotated[float, Lax, Field(ge=0, le=1000, allow_inf_nan=False)]


class AttributionPart(Strict):
    open_overdue: Annotated[OpenOverdue, Lax]
    basis: Cited


class GroupPart(Strict):
    name: str = Field(min_length=1)
    kinds: list[Annotated[UnitKind, Lax]] = Field(min_length=1)


class GroupsPart(Strict):
    values: list[GroupPart] = Field(min_length=1)
    basis: Cited


class RankPart(Strict):
    by: str
    basis: Cited


class ItemPart(Strict):
    """way rate: points and metric, target where not all tickets are asked for. deduct, bonus: points, metric, each.
    input: points."""

    code: str = Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")
    name: str = Field(min_length=1)
    group: str = Field(min_length=1)
    way: Annotated[Way, Lax]
    points: Number = Field(gt=0)
    metric: str = ""
    each: Number = 0.0
    target: Annotated[float, Lax, Field(gt=0, le=1)] = 1.0
    mean: bool = False

    @model_validator(mode="after")
    def _has_what_its_way_needs(self) -> Self:
        if (self.way is Way.INPUT) == bool(self.metric):
            raise ValueError("write metric, except with way input, which has none")
        if (self.way in (Way.DEDUCT, Way.BONUS)) != bool(self.each):
            raise ValueError("write each (points for one) with way deduct or bonus, and only there")
        return self


class SchemePart(Strict):
    scale: Number = Field(gt=0)
    items: list[ItemPart] = Field(min_length=1)
    basis: Cited

    @model_validator(mode="after")
    def _adds_up(self) -> Self:
        codes = [item.code for item in self.items]
        if len(set(codes)) != len(codes):
            raise ValueError("a code stands twice among items")
        full = sum(item.points for item in self.items if item.way is not Way.BONUS)
        if abs(full - self.scale) > 1e-6:
            raise ValueError(f"the points of all items but bonuses make {full:g}; they must make scale, {self.scale:g}")
        return self


class CompositePart(Strict):
    of: Annotated[Every, Lax]
    basis: Cited


class AppraisalPart(Strict):
    """metrics: `core@1`, a set of config/metrics."""

    metrics: str = Field(pattern=r"^[a-z][a-z0-9-]{1,31}@[1-9][0-9]{0,3}$")
    metrics_basis: Cited
    attribution: AttributionPart
    groups: GroupsPart | None = None
    rank: RankPart
    units: SchemePart
    platform: SchemePart | None = None
    composite: CompositePart | None = None


class MakePart(Strict):
    """day: days after the last day of the term, 1 is the next day; at: local time."""

    day: int = Field(default=1, ge=1, le=366)
    at: TimeText = time(7, 0)


class DefinitionPart(Strict):
    id: str = Field(pattern=r"^[a-z][a-z0-9-]{1,39}$")
    title: str = Field(min_length=2, max_length=60)
    template: str
    every: Annotated[Every, Lax] | None = None
    make: MakePart = MakePart()
    publish_day: int | None = Field(default=None, ge=1, le=366)
    variants: list[Annotated[Variant, Lax]] = Field(min_length=1)
    sent_to: list[str] = Field(default_factory=list)
    basis: Cited

    @model_validator(mode="after")
    def _can_be_made_by_itself(self) -> Self:
        if self.every is Every.SPAN:
            raise ValueError("every: a span has no grid; leave every out for a report made on demand")
        return self


class HotPart(Strict):
    least: int = Field(ge=2, le=1000)
    callers: int = Field(ge=1, le=1000)
    growth: Number = Field(ge=1)
    terms: int = Field(ge=2, le=12)
    public_least: int = Field(ge=3, le=1000)
    basis: Cited


class ReportsPart(Strict):
    hot: HotPart
    definitions: list[DefinitionPart] = Field(min_length=1)

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Self:
        ids = [one.id for one in self.definitions]
        if len(set(ids)) != len(ids):
            raise ValueError("an id stands twice among definitions")
        return self


def appraisal_rules(part: AppraisalPart | None, cite: Cite) -> AppraisalRules | None:
    """The section as a value."""
    if part is None:
        return None
    groups, composite = part.groups, part.composite
    return AppraisalRules(
        metrics=part.metrics,
        metrics_basis=cite(part.metrics_basis),
        attribution=Attribution(part.attribution.open_overdue, cite(part.attribution.basis)),
        groups=tuple(UnitGroup(g.name, frozenset(g.kinds)) for g in (groups.values if groups else ())),
        groups_basis=cite(groups.basis) if groups else Basis(),
        rank_by=part.rank.by,
        rank_basis=cite(part.rank.basis),
        units=_scheme(part.units, cite),
        platform=_scheme(part.platform, cite) if part.platform else None,
        composite=Composite(composite.of, cite(composite.basis)) if composite else None,
    )


def _scheme(part: SchemePart, cite: Cite) -> Scheme:
    items = tuple(
        ScoreItem(i.code, i.name, i.group, i.way, i.points, i.metric, i.each, i.target, i.mean) for i in part.items
    )
    return Scheme(part.scale, items, cite(part.basis))


def report_rules(part: ReportsPart | None, cite: Cite) -> ReportRules | None:
    """The section as a value."""
    if part is None:
        return None
    hot = part.hot
    definitions = tuple(
        ReportDefinition(
            id=one.id,
            title=one.title,
            template=one.template,
            every=one.every,
            make_day=one.make.day,
            make_time=one.make.at,
            publish_day=one.publish_day,
            variants=tuple(one.variants),
            sent_to=tuple(one.sent_to),
            basis=cite(one.basis),
        )
        for one in part.definitions
    )
    rules = HotRules(hot.least, hot.callers, hot.growth, hot.terms, hot.public_least, cite(hot.basis))
    return ReportRules(rules, definitions)
