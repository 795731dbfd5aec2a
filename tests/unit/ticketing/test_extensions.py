"""The four ways in which regulations limit extensions, with numbers."""

import pytest

from tests.support.tickets import MONDAY, calendar, local, policy
from ticketing.clocks import Clock, Deadline, DeadlineKind, Period, deadline, parse_period
from ticketing.dispatch.extensions import Room, prolonged, room
from ticketing.policy import Basis, Cap, CapKind, ExtensionRule, When

WD, D = Clock.WORKING_DAY, Clock.CALENDAR_DAY


def rule(kind: CapKind, value: str = "", factor: int = 0, max_count: int | None = None) -> ExtensionRule:
    cap = Cap(kind, factor, parse_period(value) if value else None, max_count)
    return ExtensionRule(When(), cap, "热线", Basis())


TWICE = rule(CapKind.FACTOR, factor=1)
IN_ALL = rule(CapKind.TOTAL, "15wd")
STEPS = rule(CapKind.INCREMENT, "10wd", max_count=2)
DAYS = rule(CapKind.CALENDAR, "6d")
ROOMS = [
    # rule, the running limit, granted before, requests granted before, what is left
    (TWICE, "10wd", 0, 0, Room(10, WD)),
    (TWICE, "14wd", 4, 1, Room(6, WD)),
    (TWICE, "20wd", 10, 1, Room(0, WD)),
    (TWICE, "24h", 0, 0, Room(24, Clock.NATURAL_HOUR)),
    (IN_ALL, "10wd", 0, 0, Room(5, WD)),
    (IN_ALL, "13wd", 3, 1, Room(2, WD)),
    (IN_ALL, "24h", 0, 0, Room(0, Clock.NATURAL_HOUR)),
    (STEPS, "15wd", 0, 0, Room(10, WD)),
    (STEPS, "25wd", 10, 1, Room(10, WD)),
    (STEPS, "35wd", 20, 2, Room(0, WD)),
    (DAYS, "12h", 0, 0, Room(6, D)),
    (DAYS, "4d", 4, 1, Room(2, D)),
]


@pytest.mark.parametrize(("by", "running", "extended", "count", "left"), ROOMS)
def test_what_may_still_be_granted(by: ExtensionRule, running: str, extended: int, count: int, left: Room) -> None:
    assert room(by, limit(running), extended, count) == left


def limit(text: str) -> Deadline:
    period: Period = parse_period(text)
    return deadline("handle", DeadlineKind.HANDLE, MONDAY, period, calendar(), "p@1", policy().workdays)


def test_the_longer_limit_counts_from_where_the_limit_began() -> None:
    longer = prolonged(TWICE, limit("3wd"), 0, 2, calendar(), "p@1", policy().workdays)
    assert (longer.amount, longer.from_at, longer.due_at) == (5, MONDAY, local(2026, 6, 8, 23, 59, 59))


def test_calendar_days_come_after_the_due_time_and_add_up() -> None:
    short = limit("12h")
    once = prolonged(DAYS, short, 0, 4, calendar(), "p@1", policy().workdays)
    assert (once.from_at, once.due_at) == (short.due_at, local(2026, 6, 5, 23, 59, 59))
    twice = prolonged(DAYS, once, 4, 2, calendar(), "p@1", policy().workdays)
    assert (twice.from_at, twice.due_at) == (short.due_at, local(2026, 6, 7, 23, 59, 59))
