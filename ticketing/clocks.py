"""Time as the regulations count it: working days, natural hours and minutes, calendar days, times of the clock. PURE.

A working-day limit runs to 23:59:59 local time of day N; by default the day it starts is not counted
(LS-030: 自派单的下一工作日起计算). Hours and minutes run day and night from the start.
Every instant is aware UTC; days are local dates. China has had one time zone and no summer time since 1992,
so the offset is a constant and needs no zone files.
"""

import hashlib
from array import array
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from enum import StrEnum
from itertools import accumulate

SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")
DAY_END = time(23, 59, 59)
ONE_DAY = timedelta(days=1)


class CalendarEnds(Exception):
    """The work calendar does not reach this day; add the year to config/calendars and load it again."""

    def __init__(self, day: date) -> None:
        self.day = day
        super().__init__(f"the work calendar has no {day}")


class BadPeriod(ValueError):
    """A period is a whole number and a unit: `2wd` (working days), `24h`, `30min`, `10d` (calendar days)."""


class DayKind(StrEnum):
    """What a date is, as the yearly State Council notice says it."""

    WORKDAY = "workday"
    REST = "rest"
    HOLIDAY = "holiday"
    MAKEUP_WORKDAY = "makeup_workday"
    """调休: a Saturday or Sunday that is worked."""


KINDS = tuple(DayKind)
WORKED = frozenset({DayKind.WORKDAY, DayKind.MAKEUP_WORKDAY})


class Clock(StrEnum):
    """The kinds of time the regulations use; the value is the unit in a policy file."""

    WORKING_DAY = "wd"
    NATURAL_HOUR = "h"
    NATURAL_MINUTE = "min"
    CALENDAR_DAY = "d"
    CLOCK_TIME = "clock"
    """Not a length but a time of day (WX-009, WX-010), see `due_at`; in a policy file `by`."""


MINUTES_A_DAY = 24 * 60


class FirstDay(StrEnum):
    """Which day of a working-day limit is day 1."""

    NEXT_WORKING_DAY = "next_working_day"
    SAME_DAY = "same_day"


class DeadlineKind(StrEnum):
    """What must be done, or may still be done, until a deadline."""

    DISPATCH = "dispatch"
    SIGN = "sign"
    HANDLE = "handle"
    CONTACT = "contact"
    RETURN = "return"
    PROGRESS = "progress"
    ASSIST = "assist"
    SURVEY = "survey"
    COMMITMENT = "commitment"
    SUPERVISION = "supervision"
    SUPPLEMENT = "supplement"


@dataclass(frozen=True, slots=True)
class Period:
    """`amount` (1 to 3,660) of one clock's unit; prints as in a policy file.

    For CLOCK_TIME the amount is the minute of the day: 600 is 10:00, 1,440 the end of the day.
    """

    amount: int
    clock: Clock

    def __post_init__(self) -> None:
        if not 1 <= self.amount <= 3_660:
            raise BadPeriod(f"{self.amount} is not between 1 and 3660")
        if self.clock is Clock.CLOCK_TIME and self.amount > MINUTES_A_DAY:
            raise BadPeriod(f"minute {self.amount} is not within one day")

    def __str__(self) -> str:
        if self.clock is not Clock.CLOCK_TIME:
            return f"{self.amount}{self.clock}"
        return "end_of_day" if self.amount == MINUTES_A_DAY else f"{self.amount // 60:02d}:{self.amount % 60:02d}"


@dataclass(frozen=True, slots=True)
class WorkdayClock:
    """How this policy counts working days: which day is the first, and when the last one ends."""

    first: FirstDay = FirstDay.NEXT_WORKING_DAY
    ends_at: time = DAY_END


@dataclass(frozen=True, slots=True)
class Deadline:
    """When something is due, and all it takes to compute it again. Stored as a fact, never a running counter.

    from_at, due_at: aware UTC; due_at itself is still in time. provisional: the span touches days for which no
    notice has been published yet.
    """

    rule_id: str
    kind: DeadlineKind
    from_at: datetime
    due_at: datetime
    clock: Clock
    amount: int
    policy_version: str
    calendar_version: str
    provisional: bool


@dataclass(frozen=True, slots=True)
class Calendar:
    """The kind of every date from `first` on; counts by prefix sums, so a question costs the same for any span.

    Build with `build_calendar`. Two calendars are equal when their versions are: the version is a digest of the days.
    """

    version: str
    first: date = field(compare=False)
    kinds: bytes = field(compare=False, repr=False)
    worked_before: "array[int]" = field(compare=False, repr=False)
    """How many working days lie before day i."""
    worked_days: "array[int]" = field(compare=False, repr=False)
    """Proleptic ordinals of the working days, ascending."""
    provisional_before: "array[int]" = field(compare=False, repr=False)

    @property
    def last(self) -> date:
        """The last date this calendar knows."""
        return self.first + ONE_DAY * (len(self.kinds) - 1)

    def kind(self, day: date) -> DayKind:
        """Raises CalendarEnds outside the calendar."""
        return KINDS[self.kinds[self._index(day)]]

    def works(self, day: date) -> bool:
        """Whether `day` is worked: Monday to Friday less the holidays, and 调休 weekends."""
        return self.kind(day) in WORKED

    def working_day_after(self, day: date, count: int) -> date:
        """The `count`-th (from 1) working day after `day`, which itself is not counted."""
        nth = self.worked_before[self._index(day) + 1] + count - 1
        if nth >= len(self.worked_days):
            raise CalendarEnds(self.last + ONE_DAY)
        return date.fromordinal(self.worked_days[nth])

    def working_days(self, first: date, last: date) -> int:
        """How many working days lie in [first, last]; 0 when last is before first."""
        if last < first:
            return 0
        return self.worked_before[self._index(last) + 1] - self.worked_before[self._index(first)]

    def is_provisional(self, first: date, last: date) -> bool:
        """Whether a day in [first, last] still awaits its notice."""
        return self.provisional_before[self._index(last) + 1] > self.provisional_before[self._index(first)]

    def _index(self, day: date) -> int:
        index = day.toordinal() - self.first.toordinal()
        if not 0 <= index < len(self.kinds):
            raise CalendarEnds(day)
        return index


def build_calendar(kinds: Mapping[date, DayKind], provisional: Collection[date] = frozenset()) -> Calendar:
    """A calendar of consecutive dates. provisional: those whose kind was computed, not announced.

    Raises ValueError when `kinds` is empty or has a gap.
    """
    days = sorted(kinds)
    if not days or days[-1].toordinal() - days[0].toordinal() + 1 != len(days):
        raise ValueError("a calendar needs one kind for every date, without a gap")
    unsure = frozenset(provisional)
    worked = [kinds[day] in WORKED for day in days]
    codes = bytes(KINDS.index(kinds[day]) for day in days)
    flags = bytes(day in unsure for day in days)
    return Calendar(
        version=f"{days[0].year}-{days[-1].year}-{_digest(days[0], codes, flags)}",
        first=days[0],
        kinds=codes,
        worked_before=array("l", accumulate(worked, initial=0)),
        worked_days=array("l", (day.toordinal() for day, works in zip(days, worked, strict=True) if works)),
        provisional_before=array("l", accumulate(flags, initial=0)),
    )


def _digest(first: date, codes: bytes, flags: bytes) -> str:
    return hashlib.sha256(first.isoformat().encode() + codes + flags).hexdigest()[:12]


LENGTHS = frozenset(Clock) - {Clock.CLOCK_TIME}
COUNTS_WORKING_DAYS = frozenset({Clock.WORKING_DAY, Clock.CLOCK_TIME})
"""The clocks whose answer depends on which days are worked."""


def by_time(at: time | None) -> Period:
    """The limit `by` that time of this working day or the next; None: by the end of the day it begins on."""
    return Period(MINUTES_A_DAY if at is None else at.hour * 60 + at.minute, Clock.CLOCK_TIME)


def parse_period(text: str) -> Period:
    """`2wd`, `24h`, `30min`, `10d` as a Period. Raises BadPeriod."""
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = text[len(number) :]
    if not number.isascii() or not number.isdecimal() or len(number) > 4 or unit not in LENGTHS:
        raise BadPeriod(f"{text[:20]!r}: write a number and wd, h, min or d, for example 2wd")
    return Period(int(number), Clock(unit))


def local_day(at: datetime) -> date:
    """The date on the wall when it is `at`. Raises ValueError for a naive time."""
    if at.tzinfo is None:
        raise ValueError("a time without a zone; give aware UTC")
    return at.astimezone(SHANGHAI).date()


def at_local(day: date, clock_time: time) -> datetime:
    """That local time of that day as aware UTC."""
    return datetime.combine(day, clock_time, SHANGHAI).astimezone(UTC)


def due_at(from_at: datetime, period: Period, calendar: Calendar, workdays: WorkdayClock | None = None) -> datetime:
    """The last moment that is still in time, aware UTC.

    from_at: aware. Working days and calendar days end at the end of day N; hours and minutes to the second.
    A time of the clock is that time of this working day if still to come, else of the next; or the end of this day.
    Raises CalendarEnds when the calendar does not reach that far.
    """
    if period.clock is Clock.NATURAL_HOUR:
        return (from_at + timedelta(hours=period.amount)).astimezone(UTC)
    if period.clock is Clock.NATURAL_MINUTE:
        return (from_at + timedelta(minutes=period.amount)).astimezone(UTC)
    if period.clock is Clock.CLOCK_TIME:
        return _by_time(from_at, period.amount, calendar)
    start = local_day(from_at)
    if period.clock is Clock.CALENDAR_DAY:
        return at_local(start + ONE_DAY * period.amount, DAY_END)
    rule = workdays or WorkdayClock()
    before = start - ONE_DAY if rule.first is FirstDay.SAME_DAY else start
    return at_local(calendar.working_day_after(before, period.amount), rule.ends_at)


def _by_time(at: datetime, minute: int, calendar: Calendar) -> datetime:
    if minute == MINUTES_A_DAY:
        return end_of_day(at)
    return by_clock_time(at, time(minute // 60, minute % 60), calendar)


def deadline(
    rule_id: str,
    kind: DeadlineKind,
    from_at: datetime,
    period: Period,
    calendar: Calendar,
    policy_version: str,
    workdays: WorkdayClock | None = None,
) -> Deadline:
    """The deadline of one rule from one moment on. Raises CalendarEnds."""
    due = due_at(from_at, period, calendar, workdays)
    counts_days = period.clock in COUNTS_WORKING_DAYS
    return Deadline(
        rule_id=rule_id,
        kind=kind,
        from_at=from_at.astimezone(UTC),
        due_at=due,
        clock=period.clock,
        amount=period.amount,
        policy_version=policy_version,
        calendar_version=calendar.version,
        provisional=counts_days and calendar.is_provisional(local_day(from_at), local_day(due)),
    )


def is_late(due: datetime, at: datetime) -> bool:
    """Whether `at` is after `due`, to the second: 23:59:59.7 of the last day is still in time."""
    return at.replace(microsecond=0) > due.replace(microsecond=0)


def by_clock_time(at: datetime, clock_time: time, calendar: Calendar) -> datetime:
    """`clock_time` of this working day if it is still to come, else of the next one.

    Source: WX-010, off-hours receipt is dispatched by 10:00 of the working day.
    """
    day = local_day(at)
    if calendar.works(day) and at <= at_local(day, clock_time):
        return at_local(day, clock_time)
    return at_local(calendar.working_day_after(day, 1), clock_time)


def end_of_day(at: datetime) -> datetime:
    """23:59:59 of the local day of `at` (WX-009: dispatched the same day)."""
    return at_local(local_day(at), DAY_END)


@dataclass(frozen=True, slots=True)
class OfficeHours:
    """The spans of a working day in which the office is open, local time, ascending; the end is not included."""

    spans: tuple[tuple[time, time], ...]

    def open_at(self, at: datetime, calendar: Calendar) -> bool:
        """Whether the office is open at that moment. Raises CalendarEnds."""
        if not calendar.works(local_day(at)):
            return False
        now = at.astimezone(SHANGHAI).time()
        return any(opens <= now < closes for opens, closes in self.spans)

    def next_opening(self, at: datetime, calendar: Calendar) -> datetime:
        """`at` itself when open, else the next opening, aware UTC. Raises CalendarEnds."""
        if self.open_at(at, calendar):
            return at.astimezone(UTC)
        day = local_day(at)
        if calendar.works(day):
            for opens, _ in self.spans:
                if at <= at_local(day, opens):
                    return at_local(day, opens)
        return at_local(calendar.working_day_after(day, 1), self.spans[0][0])
