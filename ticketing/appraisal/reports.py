"""A report's frozen figures, its templates, and what the public may see of it. PURE.

Figures are frozen when a report is made and never change; both variants are written from the same frozen figures, the
public one through `public_view`, which leaves out everything that could name somebody. Source: LS-083, SQ-050.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from ticketing.appraisal.figures import Figure, MetricSet
from ticketing.appraisal.rules import HotRules, Variant
from ticketing.appraisal.score import Score
from ticketing.prefill.masks import mask_text


class Section(StrEnum):
    """What a template can show."""

    OVERVIEW = "overview"
    FIGURES = "figures"
    RANKING = "ranking"
    UNITS = "units"
    SCORES = "scores"
    TOPICS = "topics"
    UNIT_TOPICS = "unit_topics"
    ENTERPRISES = "enterprises"
    CASES = "cases"
    LEFT_OUT = "left_out"
    REMARKS = "remarks"
    NOTES = "notes"


class Format(StrEnum):
    DOCX = "docx"
    XLSX = "xlsx"
    PDF = "pdf"


@dataclass(frozen=True, slots=True)
class Shown:
    """One section of a template under its heading."""

    section: Section
    heading: str


@dataclass(frozen=True, slots=True)
class Template:
    """What is in a report (config/reports/<id>.yaml)."""

    id: str
    sections: tuple[Shown, ...]
    formats: tuple[Format, ...]


@dataclass(frozen=True, slots=True)
class ReportKit:
    """Metric sets by `core@1` and templates by id, as configured."""

    metric_sets: tuple[MetricSet, ...]
    templates: tuple[Template, ...]

    def metrics(self, name: str) -> MetricSet:
        """The set of that name. Raises KeyError; the loader has checked that policies name known ones."""
        found = {one.name: one for one in self.metric_sets}
        return found[name]

    def template(self, template_id: str) -> Template:
        """The template of that id. Raises KeyError."""
        return {one.id: one for one in self.templates}[template_id]


@dataclass(frozen=True, slots=True)
class Share:
    """How many of one kind."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Overview:
    """Requests registered in the term. before: in the term before it."""

    received: int
    before: int
    by_type: tuple[Share, ...]
    by_source: tuple[Share, ...]
    by_state: tuple[Share, ...]
    course: tuple[Share, ...]
    """By day, or by month of a long term."""


@dataclass(frozen=True, slots=True)
class UnitLine:
    """One unit's figures. group: where it is ranked, `` where all are ranked together."""

    unit: str
    name: str
    kind: str
    group: str
    figures: tuple[Figure, ...]
    score: Score | None


@dataclass(frozen=True, slots=True)
class RankLine:
    """A place in a group. place None: nothing to rank by."""

    group: str
    place: int | None
    unit: str
    value: float | None


@dataclass(frozen=True, slots=True)
class Collected:
    """A score collected in a part of the year."""

    term: str
    unit: str
    total: float | None


@dataclass(frozen=True, slots=True)
class TopicLine:
    """Requests of one subject (and place; `` for everywhere). callers: different people. units: different units.

    public_*: without confidential, secret and staff requests. terms: terms in a row, this one included, with enough.
    """

    subject: str
    place: str
    count: int
    before: int
    callers: int
    units: int
    still_open: int
    terms: int
    public_count: int
    public_before: int
    tracked: bool = False

    @property
    def growth(self) -> float | None:
        """Times the term before; None where there was none."""
        return self.count / self.before if self.before else None


@dataclass(frozen=True, slots=True)
class UnitTopic:
    """What one unit's requests are about most. repeated: those brought before."""

    unit: str
    subject: str
    count: int
    before: int
    repeated: int


@dataclass(frozen=True, slots=True)
class CaseLine:
    """A chosen case. kind: good or problem. public: decided to be public."""

    ticket: str
    title: str
    unit: str
    kind: str
    comment: str
    public: bool


@dataclass(frozen=True, slots=True)
class Frozen:
    """Everything a report says. term: its name; made_at: aware UTC; metrics: `core@1`."""

    definition: str
    template: str
    title: str
    term: str
    label: str
    region: str
    policy: str
    metrics: str
    attribution: str
    made_at: datetime
    sent_to: tuple[str, ...]
    hot: str
    overview: Overview
    platform: tuple[Figure, ...]
    platform_score: Score | None
    units: tuple[UnitLine, ...]
    ranked_by: str
    ranking: tuple[RankLine, ...]
    collected: tuple[Collected, ...]
    topics: tuple[TopicLine, ...]
    unit_topics: tuple[UnitTopic, ...]
    cases: tuple[CaseLine, ...]
    remarks: str
    variant: Variant = Variant.INTERNAL

    def name_of(self, unit: str) -> str:
        """A unit's name."""
        return next((one.name for one in self.units if one.unit == unit), unit)


class TopicKind(StrEnum):
    """热点、集中、持续 (SQ-026)."""

    HOT = "hot"
    CONCENTRATED = "concentrated"
    PERSISTENT = "persistent"


TOPIC_NAMES = {TopicKind.HOT: "热点", TopicKind.CONCENTRATED: "集中", TopicKind.PERSISTENT: "持续"}


def kinds_of(topic: TopicLine, rules: HotRules) -> tuple[TopicKind, ...]:
    """What a topic is: growing, brought by many people, or coming back term after term."""
    growing = topic.before == 0 or topic.count >= topic.before * rules.growth
    marks = (
        (TopicKind.HOT, topic.count >= rules.least and growing),
        (TopicKind.CONCENTRATED, topic.count >= rules.least and topic.callers >= rules.callers),
        (TopicKind.PERSISTENT, topic.terms >= rules.terms),
    )
    return tuple(kind for kind, holds in marks if holds)


def crosses(topic: TopicLine) -> bool:
    """Whether several units work on it: 跨部门、跨层级 (SQ-028)."""
    return topic.units > 1


def public_view(figures: Frozen, rules: HotRules) -> Frozen:
    """The same report for everybody: no ticket number, no place few people know, no case that was not decided public.

    What people wrote freely for readers inside (remarks) stays inside.
    """
    return replace(
        figures,
        variant=Variant.PUBLIC,
        topics=tuple(_public_topic(one, rules) for one in figures.topics if one.public_count >= rules.public_least),
        unit_topics=tuple(one for one in figures.unit_topics if one.count >= rules.public_least),
        cases=tuple(
            replace(one, ticket="", title=mask_text(one.title), comment=mask_text(one.comment))
            for one in figures.cases
            if one.public
        ),
        remarks="",
    )


def _public_topic(topic: TopicLine, rules: HotRules) -> TopicLine:
    known_by_many = topic.callers >= rules.callers
    return replace(
        topic,
        place=mask_text(topic.place) if known_by_many else "",
        count=topic.public_count,
        before=topic.public_before,
        tracked=False,
    )


def of_unit(figures: Sequence[UnitLine], unit: str) -> tuple[UnitLine, ...]:
    """The line of one unit alone."""
    return tuple(one for one in figures if one.unit == unit)
