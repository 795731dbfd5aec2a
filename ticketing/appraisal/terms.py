"""Terms of appraisal and reporting: days, weeks, months, quarters, years, spans; and which term a piece of work is in.

PURE. A term's bounds are local midnights as aware UTC, the end not included.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from ticketing.clocks import at_local, is_late, local_day

ONE_DAY = timedelta(days=1)
LONGEST_SPAN_DAYS = 366


class BadTerm(ValueError):
    """No term: write 2026, 2026-Q3, 2026-10, 2026-W41, 2026-10-05, or 2026-10-05..2026-10-12 (at most a year)."""

    sentence = "周期写法不正确。请写 2026（年）、2026-Q3（季）、2026-10（月）、2026-W41（周）或 2026-10-05（日）。"


class Every(StrEnum):
    """How long a term is. SPAN: any days from one to another, made on demand."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"
    SPAN = "span"


@dataclass(frozen=True, slots=True)
class Term:
    """Local days from `first` to `last`, both included."""

    every: Every
    first: date
    last: date

    @property
    def name(self) -> str:
        """As it is written in addresses and keys; `parse_term` reads it back."""
        first = self.first
        year, week, _ = first.isocalendar()
        names = {
            Every.DAY: first.isoformat(),
            Every.WEEK: f"{year}-W{week:02d}",
            Every.MONTH: f"{first:%Y-%m}",
            Every.QUARTER: f"{first.year}-Q{(first.month + 2) // 3}",
            Every.YEAR: str(first.year),
            Every.SPAN: f"{first.isoformat()}..{self.last.isoformat()}",
        }
        return names[self.every]

    @property
    def label(self) -> str:
        """As people read it."""
        first, last = self.first, self.last
        year, week, _ = first.isocalendar()
        labels = {
            Every.DAY: f"{first.year}年{first.month}月{first.day}日",
            Every.WEEK: f"{year}年第{week}周（{first.month}月{first.day}日至{last.month}月{last.day}日）",
            Every.MONTH: f"{first.year}年{first.month}月",
            Every.QUARTER: f"{first.year}年第{(first.month + 2) // 3}季度",
            Every.YEAR: f"{first.year}年度",
            Every.SPAN: f"{first.year}年{first.month}月{first.day}日至{last.year}年{last.month}月{last.day}日",
        }
        return labels[self.every]

    @property
    def starts_at(self) -> datetime:
        """The first moment, aware UTC."""
        return at_local(self.first, time.min)

    @property
    def ends_at(self) -> datetime:
        """The first moment after it, aware UTC."""
        return at_local(self.last + ONE_DAY, time.min)

    def holds(self, at: datetime) -> bool:
        """Whether that moment lies in it."""
        return self.starts_at <= at < self.ends_at

    @property
    def before(self) -> "Term":
        """The term just before it; of a span, as many days before it."""
        if self.every is Every.SPAN:
            days = (self.last - self.first).days + 1
            return Term(Every.SPAN, self.first - ONE_DAY * days, self.first - ONE_DAY)
        return term_of(self.first - ONE_DAY, self.every)

    @property
    def after(self) -> "Term":
        """The term just after it."""
        if self.every is Every.SPAN:
            days = (self.last - self.first).days + 1
            return Term(Every.SPAN, self.last + ONE_DAY, self.last + ONE_DAY * days)
        return term_of(self.last + ONE_DAY, self.every)

    def parts(self, every: Every) -> tuple["Term", ...]:
        """The terms of that length that begin in it: the four quarters of a year."""
        found: list[Term] = []
        one = term_of(self.first, every)
        while one.first <= self.last:
            if one.first >= self.first:
                found.append(one)
            one = one.after
        return tuple(found)


def term_of(day: date, every: Every) -> Term:
    """The term that holds this local day. Raises ValueError for SPAN, which has no grid."""
    if every is Every.DAY:
        return Term(every, day, day)
    if every is Every.WEEK:
        monday = day - ONE_DAY * day.weekday()
        return Term(every, monday, monday + ONE_DAY * 6)
    if every is Every.MONTH:
        return Term(every, day.replace(day=1), _month_end(day.year, day.month))
    if every is Every.QUARTER:
        month = 3 * ((day.month - 1) // 3) + 1
        return Term(every, date(day.year, month, 1), _month_end(day.year, month + 2))
    if every is Every.YEAR:
        return Term(every, date(day.year, 1, 1), date(day.year, 12, 31))
    raise ValueError("a span has no grid")


def _month_end(year: int, month: int) -> date:
    return (date(year, month, 28) + ONE_DAY * 4).replace(day=1) - ONE_DAY


_SHAPES: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Term]], ...] = (
    (re.compile(r"(\d{4})"), lambda m: term_of(date(int(m[1]), 1, 1), Every.YEAR)),
    (re.compile(r"(\d{4})-Q([1-4])"), lambda m: term_of(date(int(m[1]), 3 * int(m[2]), 1), Every.QUARTER)),
    (re.compile(r"(\d{4})-(\d{2})"), lambda m: term_of(date(int(m[1]), int(m[2]), 1), Every.MONTH)),
    (
        re.compile(r"(\d{4})-W(\d{2})"),
        lambda m: term_of(date.fromisocalendar(int(m[1]), int(m[2]), 1), Every.WEEK),
    ),
    (re.compile(r"\d{4}-\d{2}-\d{2}"), lambda m: term_of(date.fromisoformat(m[0]), Every.DAY)),
    (
        re.compile(r"(\d{4}-\d{2}-\d{2})\.\.(\d{4}-\d{2}-\d{2})"),
        lambda m: Term(Every.SPAN, date.fromisoformat(m[1]), date.fromisoformat(m[2])),
    ),
)


def parse_term(text: str) -> Term:
    """The term written so. Raises BadTerm; years are 2000 to 2100."""
    for shape, make in _SHAPES:
        found = shape.fullmatch(text) if text.isascii() else None
        if found is None:
            continue
        try:
            term = make(found)
        except ValueError:
            break
        days = (term.last - term.first).days + 1
        if 2000 <= term.first.year <= 2100 and 0 < days <= LONGEST_SPAN_DAYS:
            return term
    raise BadTerm(BadTerm.__doc__)


class OpenOverdue(StrEnum):
    """What becomes of work that is open and over its limit when a term ends (LS-086 is silent)."""

    THIS_TERM = "this_term"
    """It counts in the term in which its limit ended, as overdue, and not again when it is finished later."""
    NEXT_TERM = "next_term"
    """It counts in the term in which it is finished, as all other open work does."""


def counted_at(
    finished_at: datetime | None,
    due_at: datetime | None,
    met_at: datetime | None,
    every: Every,
    open_overdue: OpenOverdue = OpenOverdue.THIS_TERM,
) -> datetime | None:
    """The one moment that puts a piece of work into a term of that length; None while nothing puts it into one.

    Finished in a term: counted there. Open at its end and not due yet, or answered within its limit: counted where it
    is finished. Open at its end and over its limit: counted there as overdue, by its due time. So every piece of work
    is in at most one term, and in exactly one once it is finished. Whole terms have ended when this is asked.
    Source: LS-086 and trap 8.
    """
    if open_overdue is OpenOverdue.THIS_TERM and due_at is not None and (met_at is None or is_late(due_at, met_at)):
        end = term_of(local_day(due_at), every).ends_at
        if finished_at is None or finished_at >= end:
            return due_at
    return finished_at
