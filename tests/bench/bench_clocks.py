"""How fast deadlines are computed: a million of each clock, and a million as stored facts. `run()` -> numbers."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from config.calendar_loader import load_calendar
from ticketing.clocks import Calendar, Clock, DeadlineKind, Period, deadline, due_at

COUNT = 1_000_000
SPREAD = timedelta(minutes=7)
"""From one start to the next; a million of them would run for 13 years, so they go round within 10,000."""


def run() -> dict[str, float]:
    """Seconds for a million: `<clock>_s` for the due time alone, `deadline_s` for the whole value; `load_s` once."""
    began = time.perf_counter()
    calendar = load_calendar(["gx-sanyuesan"])
    result = {"load_s": time.perf_counter() - began}
    starts = [datetime(2026, 1, 5, tzinfo=UTC) + SPREAD * n for n in range(10_000)]
    for clock in Clock:
        result[f"{clock}_s"] = _seconds(starts, _due(Period(10, clock), calendar))
    result["deadline_s"] = _seconds(starts, _whole(Period(10, Clock.WORKING_DAY), calendar))
    return {name: round(seconds, 3) for name, seconds in result.items()}


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
