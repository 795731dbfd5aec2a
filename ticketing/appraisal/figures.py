"""Figures: numerators, denominators and exclusions as data, each figure with its formula and its numbers. PURE.

A rate never mixes where ratings come from: a metric over ratings names the one source it counts (citizen, manual,
default), and the loader refuses one that does not. Source: GZ-013; trap 15, 22, 31 for what is counted apart.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ticketing.appraisal.words import Moment, Population, Test, Value
from ticketing.words import RatingSource


class Better(StrEnum):
    """Which way is good."""

    HIGH = "high"
    LOW = "low"
    NEITHER = "neither"


@dataclass(frozen=True, slots=True)
class Exclusion:
    """What is taken out before counting, and the reason people read. The first that fits takes a row."""

    tests: tuple[Test, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure. counted None: a plain count of `among`; else the rate of `counted` within `among`.

    group: the indicator group (办理情况...). what, whole: numerator and denominator in words. rating_source: which
    ratings it reads, None when it reads none. decisive: rank by it first when a bulletin ranks units.
    """

    id: str
    name: str
    group: str
    population: Population
    moment: Moment
    among: tuple[Test, ...]
    counted: tuple[Test, ...] | None
    exclusions: tuple[Exclusion, ...]
    what: str
    whole: str
    better: Better
    rating_source: RatingSource | None = None
    note: str = ""

    @property
    def is_rate(self) -> bool:
        """Whether it has a denominator."""
        return self.counted is not None


@dataclass(frozen=True, slots=True)
class MetricSet:
    """A versioned set of metrics (config/metrics/<id>.yaml). digest: of the file's data."""

    id: str
    version: int
    title: str
    metrics: tuple[Metric, ...]
    digest: str

    @property
    def name(self) -> str:
        """`core@1`, written into every report."""
        return f"{self.id}@{self.version}"

    def metric(self, metric_id: str) -> Metric | None:
        """The metric of that id."""
        return next((metric for metric in self.metrics if metric.id == metric_id), None)


@dataclass(frozen=True, slots=True)
class Left:
    """How many were left out for this reason."""

    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class Figure:
    """One metric of one unit (`` for the whole platform) in one term. whole None: a plain count."""

    metric: str
    unit: str
    count: int
    whole: int | None
    left_out: tuple[Left, ...] = ()

    @property
    def rate(self) -> float | None:
        """0 to 1; None for a plain count, and where there is nothing to divide by."""
        return self.count / self.whole if self.whole else None

    @property
    def value(self) -> float | None:
        """The rate, or the count where it is one."""
        return float(self.count) if self.whole is None else self.rate


def formula(metric: Metric, figure: Figure) -> str:
    """The figure with the numbers it comes from, as it is printed beside it."""
    if figure.whole is None:
        return f"{metric.what} = {figure.count}"
    sum_ = f"{metric.what} {figure.count} ÷ {metric.whole} {figure.whole}"
    return f"{sum_} = {percent(figure.rate)}" if figure.whole else f"{sum_}，无数据不计算"


def percent(rate: float | None) -> str:
    """83.84%, or a dash where there is none."""
    return "—" if rate is None else f"{rate:.2%}"


def shown(figure: Figure) -> str:
    """The value alone."""
    return str(figure.count) if figure.whole is None else percent(figure.rate)


@dataclass
class _Tally:
    count: int = 0
    whole: int = 0
    left: dict[str, int] = field(default_factory=dict)


def evaluate(metric: Metric, rows: Iterable[tuple[str, Mapping[str, Value]]]) -> dict[str, Figure]:
    """The metric over rows of (unit, facts): by unit, and under `` for all together. What SQL must also say."""
    tallies: dict[str, _Tally] = {"": _Tally()}
    for unit, facts in rows:
        part = part_of(metric, facts)
        for tally in (tallies[""], *((tallies.setdefault(unit, _Tally()),) if unit else ())):
            if part is Part.COUNTED:
                tally.count += 1
            if part in (Part.COUNTED, Part.REST):
                tally.whole += 1
            elif part is Part.LEFT_OUT:
                reason = exclusion_of(metric, facts)
                tally.left[reason] = tally.left.get(reason, 0) + 1
    return {unit: _figure(metric, unit, tally) for unit, tally in tallies.items()}


def _figure(metric: Metric, unit: str, tally: _Tally) -> Figure:
    reasons = dict.fromkeys(exclusion.reason for exclusion in metric.exclusions)
    left = tuple(Left(reason, tally.left[reason]) for reason in reasons if tally.left.get(reason))
    return Figure(metric.id, unit, tally.count, tally.whole if metric.is_rate else None, left)


class Part(StrEnum):
    """Where a row stands in a figure; every row of the population is in exactly one."""

    COUNTED = "counted"
    REST = "rest"
    """In the denominator and not in the numerator."""
    LEFT_OUT = "left_out"
    OUTSIDE = "outside"


def part_of(metric: Metric, facts: Mapping[str, Value]) -> Part:
    """Where this row stands."""
    if not all(test.holds(facts) for test in metric.among):
        return Part.OUTSIDE
    if exclusion_of(metric, facts):
        return Part.LEFT_OUT
    counted = metric.counted or ()
    return Part.COUNTED if all(test.holds(facts) for test in counted) else Part.REST


def exclusion_of(metric: Metric, facts: Mapping[str, Value]) -> str:
    """The reason this row is left out, `` when it is not."""
    fits = (one for one in metric.exclusions if all(test.holds(facts) for test in one.tests))
    return next((one.reason for one in fits), "")
