"""Scores: points from figures and from what people put in, by a formula that is data; and the ranking. PURE.

Units are compared only by rates and counts of their own work; shares of request types are never compared, for the mix
differs wildly from place to place. Source: GZ-060, WX-032, LS-085, MC-056, SQ-030.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from ticketing.appraisal.figures import Figure, percent
from ticketing.rules import Basis


class Way(StrEnum):
    """How an item gives points."""

    RATE = "rate"
    """points times the rate; all of them from `target` on."""
    DEDUCT = "deduct"
    """starts with points, loses `each` for every one counted, never below 0."""
    BONUS = "bonus"
    """`each` for every one counted, up to points; on top of the others."""
    INPUT = "input"
    """what people put in, 0 to points: 制度建设, 拨测. `mean`: of all put in for the term; else the last one counts."""


@dataclass(frozen=True, slots=True)
class ScoreItem:
    """points: what it gives at most. target: the rate that gives all of them (WX-032, SQ-030 name no number: ours)."""

    code: str
    name: str
    group: str
    way: Way
    points: float
    metric: str = ""
    each: float = 0.0
    target: float = 1.0
    mean: bool = False


@dataclass(frozen=True, slots=True)
class Scheme:
    """A hundred-point score. scale: the most a total can be."""

    scale: float
    items: tuple[ScoreItem, ...]
    basis: Basis


@dataclass(frozen=True, slots=True)
class Points:
    """What one item gave, and how. points None: nothing to go by; such an item is left out of the total."""

    code: str
    name: str
    group: str
    points: float | None
    most: float
    how: str


@dataclass(frozen=True, slots=True)
class Score:
    """The score of one unit (`` for the platform). total None: no item had anything to go by."""

    unit: str
    total: float | None
    points: tuple[Points, ...]

    def of_group(self, group: str) -> float | None:
        """Points of one indicator group together; None when none of its items had anything to go by."""
        known = [one.points for one in self.points if one.group == group and one.points is not None]
        return round(sum(known), 4) if known else None


def score(scheme: Scheme, unit: str, figures: Mapping[str, Figure], inputs: Mapping[str, Sequence[float]]) -> Score:
    """The points of a unit. figures: metric id -> its figure; inputs: item code -> what was put in, oldest first.

    Items without anything to go by are left out and the others stand for the whole scale, so that a unit is not
    punished for what did not happen to it. The total lies in 0..scale.
    """
    points = tuple(_points(item, figures, inputs) for item in scheme.items)
    judged = [(item, one.points) for item, one in zip(scheme.items, points, strict=True) if one.points is not None]
    base = [(item.points, got) for item, got in judged if item.way is not Way.BONUS]
    most = sum(full for full, _ in base)
    if not most:
        return Score(unit, None, points)
    extra = sum(got for item, got in judged if item.way is Way.BONUS)
    total = sum(got for _, got in base) * scheme.scale / most + extra
    return Score(unit, round(min(max(total, 0.0), scheme.scale), 2), points)


def _points(item: ScoreItem, figures: Mapping[str, Figure], inputs: Mapping[str, Sequence[float]]) -> Points:
    if item.way is Way.INPUT:
        got, how = _put_in(item, inputs.get(item.code, ()))
    else:
        figure = figures.get(item.metric)
        value = figure.value if figure is not None else None
        got, how = (None, "无数据，不计分") if value is None else _from_figure(item, value)
    return Points(item.code, item.name, item.group, None if got is None else round(got, 4), item.points, how)


def _put_in(item: ScoreItem, values: Sequence[float]) -> tuple[float | None, str]:
    if not values:
        return None, "未录入，不计分"
    value = sum(values) / len(values) if item.mean else values[-1]
    got = min(max(value, 0.0), item.points)
    return got, f"录入{len(values)}次，取{'平均' if item.mean else '最近一次'}：{got:g}分"


def _from_figure(item: ScoreItem, value: float) -> tuple[float, str]:
    if item.way is Way.RATE:
        got = item.points * min(value / item.target, 1.0)
        return got, f"{percent(value)} ÷ 目标{percent(item.target)}（最高1）× {item.points:g}分 = {got:.2f}分"
    if item.way is Way.DEDUCT:
        lost = min(item.each * value, item.points)
        return item.points - lost, f"{item.points:g}分 − {value:g}次 × {item.each:g}分（最多扣{item.points:g}分）"
    got = min(item.each * value, item.points)
    return got, f"{value:g}次 × {item.each:g}分（最多加{item.points:g}分）= {got:g}分"


@dataclass(frozen=True, slots=True)
class Ranked:
    """A place in a group; equal values share a place and the next one is skipped. value None: nothing to rank by."""

    place: int | None
    unit: str
    value: float | None


def ranking(values: Mapping[str, float | None]) -> tuple[Ranked, ...]:
    """Highest first, by name where equal; those without a value stand at the end without a place."""
    known = sorted(((unit, value) for unit, value in values.items() if value is not None), key=lambda p: (-p[1], p[0]))
    placed = [Ranked(1 + sum(other > value for _, other in known), unit, value) for unit, value in known]
    return (*placed, *(Ranked(None, unit, None) for unit in sorted(values) if values[unit] is None))


def composite(collected: Sequence[float | None]) -> float | None:
    """The mean of what was collected in the parts of a year; None when nothing was. Source: MC-057."""
    known = [one for one in collected if one is not None]
    return round(sum(known) / len(known), 2) if known else None
