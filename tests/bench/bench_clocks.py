"""How fast deadlines are computed: a million of each clock, a million as stored facts, the calculator's cases.

`run()` -> numbers. `deadline_s`: a million limits of ten working days, each with all that is stored of it.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from config.calendar_loader import load_calendar
from config.policy_loader import load_policies
from ticketing.clocks import Calendar, Clock, DeadlineKind, Period, deadline, due_at
from ticketing.limits.cases import answer

COUNT = 1_000_000
CASES = 20_000
SPREAD = timedelta(minutes=7)
"""From one start to the next; a million of them would run for 13 years, so they go round within 10,000."""


def run() -> dict[str, float]:
    """Seconds for a million: `<clock>_s` for the due time alone, `deadline_s` for the whole value; `load_s` once.

    cases_per_s: of the calculator.
    """
    began = time.perf_counter()
    calendar = load_calendar(["gx-sanyuesan"])
    result = {"load_s": time.perf_counter() - began}
    starts = [datetime(2026, 1, 5, tzinfo=UTC) + SPREAD * n for n in range(10_000)]
    for clock in Clock:
        result[f"{clock}_s"] = _seconds(starts, _due(Period(10, clock), calendar))
    result["deadline_s"] = _seconds(starts, _whole(Period(10, Clock.WORKING_DAY), calendar))
    result["cases_per_s"] = _cases_per_s(calendar)
    return {name: round(seconds, 3) for name, seconds in result.items()}


def _cases_per_s(calendar: Calendar) -> float:
    """Whole cases of the public calculator a second: every time of a complaint that was extended and surveyed."""
    policies = load_policies("longsheng")
    moments = ("registered_at", "dispatched_at", "signed_at", "sms_delivered_at")
    began = time.perf_counter()
    for n in range(CASES):
        at = (datetime(2026, 1, 5, tzinfo=UTC) + SPREAD * (n % 10_000)).isoformat()
        case = {"id": str(n), "type": "投诉", "extension": {"granted": "max"}, **dict.fromkeys(moments, at)}
        answer(case, n, policies, calendar)
    return CASES / (time.perf_counter() - began)


def _due(period: Period, calendar: Calendar) -> Callable[[datetime], object]:
    return lambda start: due_at(start, period, calendar)


def _whole(period: Period, calendar: Calendar) -> Callable[[datetime], object]:
    return lambda start: deadline("handle", DeadlineKind.HANDLE, start, period, calendar, "bench@1")


def _seconds(starts: list[datetime], compute: Callable[[datetime], object]) -> float:
    began = time.perf_counter()
    for _ in range(COUNT // len(starts)):
        for start in starts:
            compute(start)
    return time.perf_counter() - began


if __name__ == "__main__":
    print(run())
