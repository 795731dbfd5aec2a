"""Figures in SQL: one scan a population, counted by unit in the database; and the tickets behind a figure.

Memory stays bounded however many tickets there are: only counts and pages of ids leave PostgreSQL, and a long term is
counted month by month. What is counted is what `ticketing.appraisal.figures.evaluate` says, over the same facts.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import TicketId
from ticketing.appraisal.figures import Figure, Left, Metric, Part
from ticketing.appraisal.populations import SELECTS
from ticketing.appraisal.terms import Every, OpenOverdue, Term
from ticketing.appraisal.words import Moment, Op, Population, Test

FOREVER = datetime(9999, 1, 1, tzinfo=UTC)
MAX_PAGE = 200
MONTH_OF_KEYS = 10**16
"""More than any key: ticket numbers have 14 digits."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What is counted: the term, as far as it has passed at `now` (aware UTC), by the policy's attribution.

    objective: cause codes beyond the unit. unit: only this unit's.
    """

    term: Term
    now: datetime
    open_overdue: OpenOverdue = OpenOverdue.THIS_TERM
    objective: tuple[str, ...] = ()
    unit: str | None = None

    @property
    def until(self) -> datetime:
        """The end of the term, or now while it runs."""
        return max(min(self.term.ends_at, self.now), self.term.starts_at)


@dataclass
class _Query:
    """A statement being written: values are bound, never spelled."""

    values: dict[str, Any] = field(default_factory=dict)

    def bind(self, value: Any) -> str:
        name = f"v{len(self.values)}"
        self.values[name] = value
        return f":{name}"

    def test(self, test: Test) -> str:
        """The predicate as SQL over the columns of a population."""
        column = f"f.{test.field}"
        if test.op is Op.IS:
            return column
        if test.op is Op.NOT:
            return f"NOT {column}"
        if test.op is Op.LEAST:
            return f"{column} >= {self.bind(int(test.values[0]))}"
        many = self.bind(list(test.values))
        if test.op is Op.HOLDS:
            return f"{column} && CAST({many} AS text[])"
        return f"{column} = ANY(CAST({many} AS text[]))"

    def all(self, tests: Iterable[Test]) -> str:
        """All of them; TRUE for none."""
        return " AND ".join(self.test(test) for test in tests) or "TRUE"

    def left_out(self, metric: Metric, index: int) -> str:
        """Whether exclusion `index` is the one that takes the row: those before it do not."""
        before = [f"NOT ({self.all(one.tests)})" for one in metric.exclusions[:index]]
        return " AND ".join([*before, f"({self.all(metric.exclusions[index].tests)})"])

    def whole(self, metric: Metric) -> str:
        """Whether the row is in the denominator."""
        not_out = [f"NOT ({self.all(one.tests)})" for one in metric.exclusions]
        return " AND ".join([self.all(metric.among), *not_out])


async def figures(tx: AsyncConnection, metrics: Sequence[Metric], scope: Scope) -> dict[str, dict[str, Figure]]:
    """Every metric by unit, and under `` for the platform: unit -> metric id -> figure.

    A unit without a row in any population has no entry. With scope.unit only that unit's rows are read.
    """
    counts: dict[tuple[str, str], list[int]] = {}
    for (population, moment), group in _grouped(metrics).items():
        for start, end in slices(scope):
            for unit, metric, row in await _count(tx, population, moment, group, scope, start, end):
                for key in {(unit, metric.id), ("", metric.id)}:
                    known = counts.setdefault(key, [0] * len(row))
                    counts[key] = [a + b for a, b in zip(known, row, strict=True)]
    found: dict[str, dict[str, Figure]] = {"": {}}
    for unit in {unit for unit, _ in counts} | {""}:
        found[unit] = {m.id: _figure(m, unit, counts.get((unit, m.id))) for m in metrics}
    return found


def _grouped(metrics: Sequence[Metric]) -> dict[tuple[Population, Moment], list[Metric]]:
    groups: dict[tuple[Population, Moment], list[Metric]] = defaultdict(list)
    for metric in metrics:
        groups[metric.population, metric.moment].append(metric)
    return groups


def slices(scope: Scope) -> Iterator[tuple[datetime, datetime]]:
    """The scope month by month: no statement counts more than a month."""
    if scope.term.every not in (Every.YEAR, Every.QUARTER, Every.SPAN):
        yield scope.term.starts_at, scope.until
        return
    start = scope.term.starts_at
    bounds = [one.ends_at for one in scope.term.parts(Every.MONTH)]
    for end in [*(bound for bound in bounds if bound < scope.until), scope.until]:
        if end > start:
            yield start, end
            start = end


async def _count(
    tx: AsyncConnection,
    population: Population,
    moment: Moment,
    metrics: Sequence[Metric],
    scope: Scope,
    start: datetime,
    end: datetime,
) -> list[tuple[str, Metric, list[int]]]:
    query, columns = _Query(), []
    for number, metric in enumerate(metrics):
        whole = query.whole(metric)
        columns.append(f"count(*) FILTER (WHERE {whole} AND {query.all(metric.counted or ())}) AS m{number}")
        columns.append(f"count(*) FILTER (WHERE {whole}) AS w{number}")
        among = query.all(metric.among)
        columns += [
            f"count(*) FILTER (WHERE {among} AND {query.left_out(metric, index)}) AS x{number}_{index}"
            for index in range(len(metric.exclusions))
        ]
    statement = f"SELECT f.unit, {', '.join(columns)} FROM {_once(population, moment)} f GROUP BY f.unit"  # noqa: S608
    rows = await tx.execute(text(statement), query.values | _bounds(scope, start, end))
    return [
        (row["unit"], metric, _numbers(dict(row), number, metric))
        for row in rows.mappings()
        for number, metric in enumerate(metrics)
    ]


def _once(population: Population, moment: Moment) -> str:
    """The rows with every fact worked out once: without the fence each test would ask its sub-queries again."""
    return f"({SELECTS[population, moment]} OFFSET 0)"


def _numbers(row: dict[str, Any], number: int, metric: Metric) -> list[int]:
    left = [row[f"x{number}_{index}"] for index in range(len(metric.exclusions))]
    return [row[f"m{number}"], row[f"w{number}"], *left]


def _figure(metric: Metric, unit: str, numbers: list[int] | None) -> Figure:
    count, whole, *left = numbers or [0, 0]
    by_reason: dict[str, int] = {}
    for exclusion, many in zip(metric.exclusions, left, strict=False):
        by_reason[exclusion.reason] = by_reason.get(exclusion.reason, 0) + many
    out = tuple(Left(reason, many) for reason, many in by_reason.items() if many)
    return Figure(metric.id, unit, count, whole if metric.is_rate else None, out)


def _bounds(scope: Scope, start: datetime, end: datetime) -> dict[str, Any]:
    return {
        "start": start,
        "end": end,
        "term_start": scope.term.starts_at,
        "term_end": scope.until,
        "now": scope.now,
        "this_term": scope.open_overdue is OpenOverdue.THIS_TERM,
        "objective": list(scope.objective),
        "unit": scope.unit,
    }


@dataclass(frozen=True, slots=True)
class Behind:
    """One row behind a figure. reason: why it is left out, `` when it is not. key: for the next page."""

    ticket_id: TicketId
    unit: str
    reason: str
    key: int


async def behind(
    tx: AsyncConnection, metric: Metric, part: Part, scope: Scope, *, after: int = 0, limit: int = 50
) -> tuple[Behind, ...]:
    """The tickets that make this part of a figure, month by month, in the order they were written.

    after: `key` of the last one of the page before. No page reads more than the months it takes to fill it.
    """
    found: list[Behind] = []
    first, key = divmod(after, MONTH_OF_KEYS)
    for index, (start, end) in enumerate(slices(scope)):
        if index < first or len(found) >= limit:
            continue
        rows = await _behind(tx, metric, part, _bounds(scope, start, end), key, limit - len(found))
        found += [replace(row, key=index * MONTH_OF_KEYS + row.key) for row in rows]
        key = 0
    return tuple(found)


async def _behind(
    tx: AsyncConnection, metric: Metric, part: Part, bounds: dict[str, Any], after: int, limit: int
) -> list[Behind]:
    query = _Query()
    whole = query.whole(metric)
    counted = query.all(metric.counted or ())
    conditions = {
        Part.COUNTED: f"{whole} AND {counted}",
        Part.REST: f"{whole} AND NOT ({counted})",
        Part.LEFT_OUT: f"{query.all(metric.among)} AND NOT ({whole})",
        Part.OUTSIDE: f"NOT ({query.all(metric.among)})",
    }
    reasons = [
        f"WHEN {query.left_out(metric, index)} THEN {query.bind(one.reason)}"
        for index, one in enumerate(metric.exclusions)
    ]
    reason = f"CASE {' '.join(reasons)} ELSE '' END" if reasons else "''"
    statement = (
        f"SELECT f.ticket_id, f.unit, {reason} AS reason, f.key "  # noqa: S608
        f"FROM {_once(metric.population, metric.moment)} f "
        f"WHERE {conditions[part]} AND f.key > {query.bind(after)} ORDER BY f.key LIMIT {query.bind(limit)}"
    )
    rows = await tx.execute(text(statement), query.values | bounds)
    return [Behind(TicketId(row.ticket_id), row.unit, row.reason, row.key) for row in rows]
