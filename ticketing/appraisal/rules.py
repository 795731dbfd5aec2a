"""What a regulation says about appraisal and reports: KPI set, attribution, score formulas, bulletins. PURE."""

from dataclasses import dataclass
from datetime import datetime, time
from enum import StrEnum

from ticketing.appraisal.score import Scheme
from ticketing.appraisal.terms import ONE_DAY, Every, OpenOverdue, Term, term_of
from ticketing.clocks import DAY_END, at_local, local_day
from ticketing.rules import Basis


@dataclass(frozen=True, slots=True)
class Attribution:
    """Which term work counts in, see appraisal_terms.counted_at."""

    open_overdue: OpenOverdue
    basis: Basis


@dataclass(frozen=True, slots=True)
class UnitGroup:
    """Units that are ranked among themselves. kinds: as the directory of units says what a unit is."""

    name: str
    kinds: frozenset[str]


@dataclass(frozen=True, slots=True)
class Composite:
    """The year's score is the mean of the scores collected in these parts of it (MC-057)."""

    of: Every
    basis: Basis


@dataclass(frozen=True, slots=True)
class AppraisalRules:
    """metrics: `core@1`, the versioned KPI set. groups: none means that all units are ranked together.

    rank_by: the metric a bulletin ranks by where it prints no scores. platform None: it is not scored.
    """

    metrics: str
    metrics_basis: Basis
    attribution: Attribution
    groups: tuple[UnitGroup, ...]
    groups_basis: Basis
    rank_by: str
    rank_basis: Basis
    units: Scheme
    platform: Scheme | None
    composite: Composite | None

    def group_of(self, kind: str) -> str:
        """The group a unit of this kind is ranked in; `` when the regulation has none for it."""
        return next((group.name for group in self.groups if kind in group.kinds), "")


class Variant(StrEnum):
    """Who reads it. A public one names nobody and nothing that is not decided to be public (SQ-050, LS-083)."""

    INTERNAL = "internal"
    PUBLIC = "public"


VARIANT_NAMES = {Variant.INTERNAL: "内部", Variant.PUBLIC: "公开"}


@dataclass(frozen=True, slots=True)
class ReportDefinition:
    """A bulletin. every None: made on demand only.

    template: which file of config/reports says what is in it. make_day, publish_day: days after the last day of the
    term, 1 is the day after it; make_time is local. sent_to: who gets it, as people call them.
    """

    id: str
    title: str
    template: str
    every: Every | None
    make_day: int
    make_time: time
    publish_day: int | None
    variants: tuple[Variant, ...]
    sent_to: tuple[str, ...]
    basis: Basis

    def make_at(self, term: Term) -> datetime:
        """The earliest moment it is made by itself, aware UTC."""
        return at_local(term.last + ONE_DAY * self.make_day, self.make_time)

    def publish_by(self, term: Term) -> datetime | None:
        """The last moment it may be published, where the regulation says (SQ-031, MC-057)."""
        day = self.publish_day
        return None if day is None else at_local(term.last + ONE_DAY * day, DAY_END)

    def last_term(self, now: datetime) -> Term | None:
        """The term of its grid that ended last before `now`."""
        return None if self.every is None else term_of(local_day(now), self.every).before


@dataclass(frozen=True, slots=True)
class HotRules:
    """What makes a topic (same subject and place) hot, concentrated or persistent (SQ-026, GZ-015, WX-005).

    least: requests in the term. callers: different people in it, from which it is concentrated. growth: times the
    term before. terms: how many terms in a row with at least `least` make it persistent. public_least: fewer requests
    than this are not shown to the public, for they could be recognised.
    """

    least: int
    callers: int
    growth: float
    terms: int
    public_least: int
    basis: Basis


@dataclass(frozen=True, slots=True)
class ReportRules:
    hot: HotRules
    definitions: tuple[ReportDefinition, ...]

    def definition(self, report_id: str) -> ReportDefinition | None:
        """The definition of that id."""
        return next((one for one in self.definitions if one.id == report_id), None)
