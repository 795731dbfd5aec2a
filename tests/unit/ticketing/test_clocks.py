"""Time as regulations count it: worked dates of the texts, and what holds for every calendar."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.calendar_loader import load_calendar
from tests.support.tickets import local
from ticketing.clocks import (
    DAY_END,
    SHANGHAI,
    BadPeriod,
    Calendar,
    CalendarEnds,
    Clock,
    DayKind,
    DeadlineKind,
    FirstDay,
    OfficeHours,
    Period,
    WorkdayClock,
    build_calendar,
    by_clock_time,
    deadline,
    due_at,
    end_of_day,
    is_late,
    local_day,
    parse_period,
)

NATION = load_calendar()
GUANGXI = load_calendar(["gx-sanyuesan"])

WORKED_DATES = [
    ("龙胜 咨询 over 五一", GUANGXI, local(2023, 4, 28, 15), "2wd", local(2023, 5, 5, 23, 59, 59)),
    ("龙胜 投诉, Saturday 05-06 works", GUANGXI, local(2023, 4, 28, 15), "10wd", local(2023, 5, 16, 23, 59, 59)),
    ("龙胜 urgent sign at night on a holiday", GUANGXI, local(2023, 4, 29, 23, 50), "30min", local(2023, 4, 30, 0, 20)),
    ("龙胜 urgent close", GUANGXI, local(2023, 4, 29, 23, 50), "24h", local(2023, 4, 30, 23, 50)),
    ("蒙城 10 wd over 国庆, two 调休 days", NATION, local(2022, 9, 30, 9), "10wd", local(2022, 10, 19, 23, 59, 59)),
    ("蒙城 cap 15 wd", NATION, local(2022, 9, 30, 9), "15wd", local(2022, 10, 26, 23, 59, 59)),
    ("三月三, the nation", NATION, local(2023, 4, 20, 9), "10wd", local(2023, 5, 6, 23, 59, 59)),
    ("三月三, 广西: two more days off", GUANGXI, local(2023, 4, 20, 9), "10wd", local(2023, 5, 9, 23, 59, 59)),
    ("calendar days ignore the feast", NATION, local(2023, 4, 28, 15), "10d", local(2023, 5, 8, 23, 59, 59)),
    ("dispatched on a Sunday", NATION, local(2026, 6, 7, 10), "1wd", local(2026, 6, 8, 23, 59, 59)),
    ("just before midnight", NATION, local(2026, 6, 8, 23, 59, 59), "1wd", local(2026, 6, 9, 23, 59, 59)),
]  # fmt: skip


@pytest.mark.parametrize(("case", "calendar", "start", "period", "due"), WORKED_DATES)
def test_worked_dates_of_the_regulations(
    case: str, calendar: Calendar, start: datetime, period: str, due: datetime
) -> None:
    assert due_at(start, parse_period(period), calendar) == due, case


def test_due_times_are_aware_utc() -> None:
    assert due_at(local(2026, 6, 1, 9), parse_period("1wd"), NATION) == datetime(2026, 6, 2, 15, 59, 59, tzinfo=UTC)
    assert due_at(local(2026, 6, 1, 9), parse_period("2h"), NATION).tzinfo is UTC


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        due_at(datetime(2026, 6, 1, 9), parse_period("1wd"), NATION)


@pytest.mark.parametrize(
    ("start", "due"),
    [
        (local(2024, 10, 12, 7, 30), local(2024, 10, 12, 10)),  # a 调休 Saturday, before ten
        (local(2024, 10, 11, 20), local(2024, 10, 12, 10)),  # the evening before it
        (local(2024, 10, 18, 20), local(2024, 10, 21, 10)),  # a Friday evening
        (local(2024, 10, 14, 10), local(2024, 10, 14, 10)),  # ten sharp
        (local(2024, 10, 14, 10, 0, 1), local(2024, 10, 15, 10)),
    ],
)
def test_by_ten_of_this_or_the_next_working_day(start: datetime, due: datetime) -> None:
    assert by_clock_time(start, time(10), NATION) == due


def test_same_day_dispatch_on_a_makeup_saturday() -> None:
    assert end_of_day(local(2024, 10, 12, 11)) == local(2024, 10, 12, 23, 59, 59)
    assert NATION.kind(date(2024, 10, 12)) is DayKind.MAKEUP_WORKDAY


@pytest.mark.parametrize(
    ("start", "first", "due"),
    [
        (local(2026, 6, 1, 9), FirstDay.NEXT_WORKING_DAY, date(2026, 6, 3)),
        (local(2026, 6, 1, 9), FirstDay.SAME_DAY, date(2026, 6, 2)),
        (local(2026, 6, 6, 9), FirstDay.SAME_DAY, date(2026, 6, 9)),  # a Saturday is not day 1
        (local(2026, 6, 6, 9), FirstDay.NEXT_WORKING_DAY, date(2026, 6, 9)),
    ],
)
def test_which_day_is_day_one(start: datetime, first: FirstDay, due: date) -> None:
    rule = WorkdayClock(first, time(17, 30))
    assert due_at(start, Period(2, Clock.WORKING_DAY), NATION, rule).astimezone(SHANGHAI) == local(
        due.year, due.month, due.day, 17, 30
    )


@pytest.mark.parametrize("text", ["", "wd", "2", "0wd", "3661d", "2 wd", "2w", "-1d", "1.5h", "二wd", "²wd", "99999h"])
def test_a_bad_period_is_refused(text: str) -> None:
    with pytest.raises(BadPeriod):
        parse_period(text)


@pytest.mark.parametrize("text", ["2wd", "24h", "30min", "10d", "3660d"])
def test_a_period_prints_as_it_was_written(text: str) -> None:
    assert str(parse_period(text)) == text


def test_the_last_second_is_in_time_and_the_next_is_late() -> None:
    due = due_at(local(2026, 6, 1, 9), parse_period("1wd"), NATION)
    assert not is_late(due, due)
    assert not is_late(due, due + timedelta(milliseconds=700))
    assert is_late(due, due + timedelta(seconds=1))


def test_a_deadline_says_when_it_rests_on_an_unannounced_year() -> None:
    def provisional(start: datetime, text: str) -> bool:
        new = deadline("r", DeadlineKind.HANDLE, start, parse_period(text), GUANGXI, "p@1")
        return new.provisional

    assert not provisional(local(2026, 12, 7, 9), "10wd")
    assert provisional(local(2026, 12, 20, 9), "15wd")
    assert provisional(local(2027, 3, 1, 9), "1wd")
    assert not provisional(local(2027, 3, 1, 9), "24h"), "hours run through feasts; no notice moves them"
    # Next year's notice has moved days as early as 29 December.
    assert provisional(local(2026, 12, 28, 9), "1wd")


def test_an_unannounced_year_rests_on_statutory_feasts_only() -> None:
    off = [day for day in (date(2027, 2, 1) + timedelta(days=n) for n in range(14)) if not NATION.works(day)]
    # 除夕 Fri 02-05 to 初三 Mon 02-08; the weekends; no 调休 is guessed.
    assert off == [date(2027, 2, day) for day in (5, 6, 7, 8, 13, 14)]


def test_the_calendar_says_where_it_ends() -> None:
    with pytest.raises(CalendarEnds):
        due_at(local(2035, 12, 30, 9), parse_period("10wd"), NATION)
    with pytest.raises(CalendarEnds):
        NATION.works(date(2021, 12, 31))


def test_a_calendar_with_a_gap_is_refused() -> None:
    with pytest.raises(ValueError, match="gap"):
        build_calendar({date(2026, 1, 1): DayKind.HOLIDAY, date(2026, 1, 3): DayKind.REST})


def test_another_calendar_has_another_version() -> None:
    assert NATION.version != GUANGXI.version
    assert load_calendar() == NATION


HOURS = OfficeHours(((time(8, 30), time(12)), (time(14, 30), time(17, 30))))


@pytest.mark.parametrize(
    ("at", "opens"),
    [
        (local(2026, 6, 1, 8, 29, 59), local(2026, 6, 1, 8, 30)),
        (local(2026, 6, 1, 8, 30), local(2026, 6, 1, 8, 30)),
        (local(2026, 6, 1, 12), local(2026, 6, 1, 14, 30)),
        (local(2026, 6, 5, 17, 30), local(2026, 6, 8, 8, 30)),
        (local(2026, 9, 20, 9), local(2026, 9, 20, 9)),  # a 调休 Sunday
        (local(2026, 10, 1, 9), local(2026, 10, 8, 8, 30)),
    ],
)
def test_when_the_office_opens(at: datetime, opens: datetime) -> None:
    assert HOURS.next_opening(at, NATION) == opens
    assert HOURS.open_at(opens, NATION)


moments = st.datetimes(datetime(2022, 1, 2), datetime(2034, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))
counts = st.integers(1, 60)


@given(moments, counts)
def test_a_working_day_limit_ends_at_the_end_of_a_working_day(start: datetime, count: int) -> None:
    due = due_at(start, Period(count, Clock.WORKING_DAY), GUANGXI).astimezone(SHANGHAI)
    assert GUANGXI.works(due.date())
    assert due.time() == DAY_END
    assert GUANGXI.working_days(local_day(start) + timedelta(days=1), due.date()) == count


@given(moments, counts, st.timedeltas(timedelta(0), timedelta(days=40)), st.sampled_from(Clock))
def test_a_later_start_is_never_due_earlier(start: datetime, count: int, later: timedelta, clock: Clock) -> None:
    period = Period(count, clock)
    assert due_at(start, period, GUANGXI) <= due_at(start + later, period, GUANGXI)


@given(moments, counts, st.sampled_from(Clock))
def test_a_longer_limit_is_due_later(start: datetime, count: int, clock: Clock) -> None:
    assert due_at(start, Period(count, clock), GUANGXI) < due_at(start, Period(count + 1, clock), GUANGXI)


@given(moments, counts)
def test_prefix_sums_count_as_a_walk_does(start: datetime, count: int) -> None:
    day, left = local_day(start), count
    while left:
        day += timedelta(days=1)
        left -= GUANGXI.works(day)
    assert GUANGXI.working_day_after(local_day(start), count) == day
