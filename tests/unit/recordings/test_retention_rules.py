"""Until when recordings are kept: leap days, midnights, longer policies, holds; never a day too early."""

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.types import CallId, RecordingId
from recordings.recording import CHINA
from recordings.retention.certificates import Certificate
from recordings.retention.rules import (
    FLOOR_YEARS,
    Basis,
    Hold,
    Keeper,
    NeverEarlier,
    Rule,
    Standing,
    TooShort,
    allowed_at,
    kept_by,
    later_day,
    local_day,
    longest,
    retention_floor,
)

NOON = datetime(2026, 11, 22, 4, tzinfo=UTC)


@pytest.mark.clause("LS-069")
@pytest.mark.parametrize(
    ("recorded", "closed", "years", "floor"),
    [
        # The leap day itself, and its neighbours: all are a full three years and a day.
        (datetime(2024, 2, 29, 4, tzinfo=UTC), None, 3, date(2027, 3, 1)),
        (datetime(2024, 2, 28, 4, tzinfo=UTC), None, 3, date(2027, 3, 1)),
        (datetime(2024, 3, 1, 4, tzinfo=UTC), None, 3, date(2027, 3, 2)),
        (datetime(2023, 2, 28, 4, tzinfo=UTC), None, 3, date(2026, 3, 1)),
        (datetime(2025, 2, 28, 4, tzinfo=UTC), None, 3, date(2028, 2, 29)),
        (datetime(2024, 2, 29, 4, tzinfo=UTC), None, 4, date(2028, 3, 1)),
        (datetime(2024, 2, 29, 4, tzinfo=UTC), None, 5, date(2029, 3, 1)),
        (datetime(2025, 3, 1, 4, tzinfo=UTC), None, 3, date(2028, 3, 2)),
        # The last second of a Chinese day, and the first of the next.
        (datetime(2025, 12, 31, 15, 59, 59, tzinfo=UTC), None, 3, date(2029, 1, 1)),
        (datetime(2025, 12, 31, 16, 0, tzinfo=UTC), None, 3, date(2029, 1, 2)),
        (datetime(2024, 2, 28, 16, 0, tzinfo=UTC), None, 3, date(2027, 3, 1)),
        (datetime(2024, 2, 29, 15, 59, 59, tzinfo=UTC), None, 3, date(2027, 3, 1)),
        (datetime(2024, 2, 29, 16, 0, tzinfo=UTC), None, 3, date(2027, 3, 2)),
        # The later of call and close.
        (datetime(2025, 3, 1, 4, tzinfo=UTC), datetime(2025, 5, 1, 4, tzinfo=UTC), 3, date(2028, 5, 2)),
        (datetime(2025, 5, 1, 4, tzinfo=UTC), datetime(2025, 3, 1, 4, tzinfo=UTC), 3, date(2028, 5, 2)),
        (datetime(2023, 12, 1, 4, tzinfo=UTC), datetime(2024, 2, 29, 4, tzinfo=UTC), 3, date(2027, 3, 1)),
        (datetime(2025, 3, 1, 4, tzinfo=UTC), None, 30, date(2055, 3, 2)),
    ],
)
def test_recordings_are_kept_the_years_and_a_day(
    recorded: datetime, closed: datetime | None, years: int, floor: date
) -> None:
    assert retention_floor(recorded, closed, years) == floor


MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC))
YEARS = st.integers(FLOOR_YEARS, 100)


def years_later(day: date, years: int) -> date:
    """The anniversary, counted in days of the calendar: of 29 February the first of March where there is none."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


@given(MOMENTS, YEARS)
def test_it_is_never_earlier_than_the_full_years(recorded: datetime, years: int) -> None:
    day = local_day(recorded)
    floor = retention_floor(recorded, None, years)
    assert floor >= years_later(day, years)
    assert (floor - day).days >= 365 * years + 1
    assert floor <= years_later(day, years) + timedelta(days=1), "and no longer than the rule says"


@given(MOMENTS, MOMENTS, YEARS, YEARS)
def test_later_calls_and_longer_policies_never_go_earlier(one: datetime, other: datetime, few: int, many: int) -> None:
    few, many = sorted((few, many))
    early, late = sorted((one, other))
    assert retention_floor(early, None, few) <= retention_floor(late, None, few)
    assert retention_floor(early, None, few) <= retention_floor(early, None, many)
    assert retention_floor(one, other, few) == retention_floor(late, None, few)


@given(st.lists(st.tuples(MOMENTS, MOMENTS, YEARS), min_size=1, max_size=6))
def test_the_longest_rule_wins(told: list[tuple[datetime, datetime, int]]) -> None:
    bases = [Basis(Rule(years), called, closed) for called, closed, years in told]
    assert longest(bases).not_before == max(basis.not_before for basis in bases)


@pytest.mark.parametrize("years", [2, 0, -3])
def test_no_policy_says_less_than_three_years(years: int) -> None:
    with pytest.raises(TooShort):
        Rule(years)
    with pytest.raises(TooShort):
        retention_floor(NOON, None, years)


@given(st.dates(date(2000, 1, 1), date(2090, 1, 1)), st.dates(date(2000, 1, 1), date(2090, 1, 1)))
def test_the_day_only_moves_on(standing: date, wanted: date) -> None:
    if wanted < standing:
        with pytest.raises(NeverEarlier, match=str(standing)):
            later_day(standing, wanted)
    else:
        assert later_day(standing, wanted) == wanted


@pytest.mark.parametrize(
    ("apart", "both"),
    [
        (timedelta(), NOON),
        (timedelta(minutes=5), NOON),
        (timedelta(minutes=-4), NOON - timedelta(minutes=4)),
        (timedelta(minutes=5, microseconds=1), None),
        (timedelta(days=3_652), None),
        (timedelta(days=-1), None),
    ],
)
def test_only_what_both_clocks_have_reached_counts(apart: timedelta, both: datetime | None) -> None:
    assert allowed_at(NOON, NOON + apart) == both


def hold(until: date | None = None, released: datetime | None = None) -> Hold:
    return Hold(1, CallId("a-1763800000.1"), None, "行政复议期间须予以保全", "user:a", NOON, until, released)


TODAY = local_day(NOON)
PAST, COMING = TODAY - timedelta(days=1), TODAY + timedelta(days=1)


@pytest.mark.parametrize(
    ("standing", "keeper"),
    [
        (Standing(COMING, (), None, stored=True), Keeper.DATE),
        (Standing(COMING, (hold(),), "20261122000001", stored=True), Keeper.DATE),
        (Standing(TODAY, (), None, stored=True), None),
        (Standing(PAST, (hold(),), None, stored=True), Keeper.HOLD),
        (Standing(PAST, (hold(TODAY),), None, stored=True), Keeper.HOLD),
        (Standing(PAST, (hold(PAST),), None, stored=True), None),
        (Standing(PAST, (hold(released=NOON),), None, stored=True), None),
        (Standing(PAST, (hold(PAST), hold(COMING)), None, stored=True), Keeper.HOLD),
        (Standing(PAST, (), "20261122000001", stored=True), Keeper.TICKET),
        (Standing(PAST, (), None, True, NOON - timedelta(days=29, hours=23)), Keeper.RECYCLE),
        (Standing(PAST, (hold(),), None, True, NOON - timedelta(days=31)), Keeper.HOLD),
        (Standing(PAST, (), None, True, NOON - timedelta(days=30)), None),
        (Standing(PAST, (), None, stored=False), Keeper.NOT_KEPT),
    ],
)
def test_what_keeps_a_recording(standing: Standing, keeper: Keeper | None) -> None:
    assert kept_by(standing, NOON) is keeper


@pytest.mark.parametrize(
    ("until", "wish", "shorter"),
    [
        (None, None, True),
        (None, COMING, True),
        (COMING, None, True),
        (COMING, TODAY, True),
        (TODAY, TODAY, False),
        (TODAY, COMING, False),
    ],
)
def test_whatever_ends_a_hold_earlier_shortens_it(until: date | None, wish: date | None, shorter: bool) -> None:
    assert hold(until).shortened_by(wish) is shorter


CERTIFICATE = Certificate(
    recording_id=RecordingId(7),
    call_id=CallId("a-1763800000.1"),
    name=UUID("5f0c0b6e-0000-4000-8000-000000000001"),
    sealed_sha256="a" * 64,
    sealed_bytes=70_123,
    samples_sha256=None,
    recorded_at=datetime(2024, 2, 29, 12, tzinfo=CHINA),
    counted_from=datetime(2024, 2, 29, 12, tzinfo=CHINA),
    rule=Rule(3, "x", 2, "第十四条"),
    delete_not_before=date(2027, 3, 1),
    recycled_at=datetime(2027, 3, 1, 0, 10, tzinfo=CHINA),
    deleted_at=datetime(2027, 3, 31, 0, 11, tzinfo=CHINA),
    second_at=datetime(2027, 3, 31, 0, 11, 1, tzinfo=CHINA),
    deleted_by="system:retention",
)


def test_a_certificates_checksum_can_be_computed_by_anybody() -> None:
    """What is written here is the format: it must not change."""
    assert CERTIFICATE.canonical().decode() == (
        'deletion1{"article":"第十四条","call_id":"a-1763800000.1","counted_from":"2024-02-29T04:00:00.000000Z",'
        '"delete_not_before":"2027-03-01","deleted_at":"2027-03-30T16:11:00.000000Z","deleted_by":"system:retention",'
        '"name":"5f0c0b6e-0000-4000-8000-000000000001","policy_id":"x","policy_version":2,'
        '"recorded_at":"2024-02-29T04:00:00.000000Z","recording_id":7,"recycled_at":"2027-02-28T16:10:00.000000Z",'
        f'"samples_sha256":null,"sealed_bytes":70123,"sealed_sha256":"{"a" * 64}",'
        '"second_at":"2027-03-30T16:11:01.000000Z","years":3}'
    )
    assert CERTIFICATE.sha256 == "b88b0bbe6055c09b688f2b57d38c283ac136e15eb868a89b4467bf4699b0d326"
