"""The account of a leg and the bounds of a Chinese day."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.types import CallId, ChannelId, Party
from recordings.accounting import DayFigures, Heard, Place, account, bounds_of, day_of, explained_s, is_final, whole_gap
from recordings.recording import AnsweredLeg, Cause, Gap, Problem, tolerance_s

CALL, CHANNEL = CallId("a-1763800000.12"), ChannelId("a-1763800000.12")
START = datetime(2025, 11, 22, 8, 26, 40, tzinfo=UTC)
LEG = AnsweredLeg(CALL, CHANNEL, Party.CITIZEN, START, START + timedelta(seconds=100))


def gap(from_s: float, until_s: float, cause: Cause = Cause.CUT_SHORT) -> Gap:
    at = START + timedelta(seconds=from_s), START + timedelta(seconds=until_s)
    return Gap(CALL, CHANNEL, Party.CITIZEN, *at, cause)


@pytest.mark.parametrize(
    ("heard", "gaps", "problem", "missing_s"),
    [
        (Heard(Place.KEPT, 100.0), [], None, None),
        (Heard(Place.SPOOL, 98.1), [], None, None),
        (Heard(Place.SPOOL, 97.9), [], Problem.SHORT, 2.1),
        (Heard(Place.SPOOL, 60.0), [gap(60, 100)], None, None),
        (Heard(Place.SPOOL, 60.0), [gap(80, 100)], Problem.SHORT, 20.0),
        (Heard(Place.SPOOL, 103.0), [], Problem.LONG, 0.0),
        (Heard(Place.SPOOL, 103.0, Problem.LONG, known=True), [], Problem.LONG, None),
        (Heard(Place.SPOOL, 100.0, Problem.SILENT), [], Problem.SILENT, 0.0),
        (Heard(Place.KEPT, 100.0, Problem.SILENT, known=True), [], Problem.SILENT, None),
        (Heard(Place.NOWHERE, 0.0, Problem.MISSING), [], Problem.MISSING, 100.0),
        (Heard(Place.NOWHERE, 0.0, Problem.MISSING), [gap(0, 100)], Problem.MISSING, None),
        (Heard(Place.NOWHERE, 0.0, Problem.MISSING), [whole_gap(LEG)], None, None),
        # Told not to be recorded, and yet there was a file that is gone: somebody has to look.
        (Heard(Place.NOWHERE, 0.0, Problem.EMPTY), [whole_gap(LEG)], Problem.EMPTY, None),
    ],
)
def test_a_leg_is_audio_and_gaps_or_something_is_missing(
    heard: Heard, gaps: list[Gap], problem: Problem | None, missing_s: float | None
) -> None:
    found = account(LEG, heard, gaps)
    assert found.problem is problem
    assert (found.missing.unaccounted_s if found.missing else None) == pytest.approx(missing_s)


GAPS = st.lists(st.tuples(st.floats(-50, 150), st.floats(0.1, 80)), max_size=5)


@given(st.floats(0, 150), GAPS)
def test_audio_gaps_and_what_is_missing_cover_the_leg_within_the_tolerance(audio_s: float, spans: list[Any]) -> None:
    gaps = [gap(start, start + length) for start, length in spans]
    found = account(LEG, Heard(Place.SPOOL, audio_s), gaps)
    assert 0 <= explained_s(LEG, gaps) <= LEG.seconds + 1e-6
    assert found.audio_s + found.all_gap_s >= LEG.seconds - tolerance_s(LEG.seconds) - 1e-3
    assert found.audio_s <= LEG.seconds


def test_a_day_is_a_chinese_one() -> None:
    assert day_of(datetime(2026, 12, 31, 15, 59, 59, tzinfo=UTC)) == date(2026, 12, 31)
    assert day_of(datetime(2026, 12, 31, 16, 0, tzinfo=UTC)) == date(2027, 1, 1)
    begins, ends = bounds_of(date(2024, 2, 29))
    assert (begins.astimezone(UTC), ends - begins) == (datetime(2024, 2, 28, 16, tzinfo=UTC), timedelta(days=1))


def test_a_day_is_final_after_a_week() -> None:
    last = datetime(2026, 11, 29, 16, tzinfo=UTC)  # midnight of the 30th in China
    assert not is_final(date(2026, 11, 22), last - timedelta(seconds=1))
    assert is_final(date(2026, 11, 22), last)


def test_a_day_without_calls_is_complete() -> None:
    assert DayFigures(date(2026, 11, 22)).coverage == 1.0
    assert DayFigures(date(2026, 11, 22), answered_s=200, unaccounted_s=50).coverage == 0.75
