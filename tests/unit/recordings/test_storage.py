"""Levels of a disk, days left, size planning."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordings import storage
from recordings.storage import Level, Room, days_left, gb_a_year, growth_a_day, growth_of, level_of

GB = 10**9


def room(used: int, total: int = 100 * GB, device: int = 1) -> Room:
    return Room(total, total - used, used, device)


@pytest.mark.parametrize(
    ("share", "before", "after"),
    [
        (0.10, Level.OK, Level.OK),
        (0.799, Level.OK, Level.OK),
        (0.80, Level.OK, Level.WARN),
        (0.79, Level.WARN, Level.WARN),
        (0.779, Level.WARN, Level.OK),
        (0.949, Level.WARN, Level.WARN),
        (0.95, Level.WARN, Level.FULL),
        (0.95, Level.OK, Level.FULL),
        (0.94, Level.FULL, Level.FULL),
        (0.93, Level.FULL, Level.FULL),
        (0.929, Level.FULL, Level.WARN),
        (0.10, Level.FULL, Level.OK),
        (1.00, Level.UNKNOWN, Level.FULL),
        (0.94, Level.UNKNOWN, Level.WARN),
        (None, Level.FULL, Level.UNKNOWN),
        (None, Level.OK, Level.UNKNOWN),
    ],
)
def test_a_level_is_entered_at_one_share_and_left_under_another(
    share: float | None, before: Level, after: Level
) -> None:
    assert level_of(share, before) is after


@given(st.floats(0, 1), st.sampled_from(Level))
def test_a_level_is_stable(share: float, before: Level) -> None:
    level = level_of(share, before)
    assert level_of(share, level) is level


def test_blocks_kept_for_root_are_not_free_and_scarce_inodes_count() -> None:
    # 100 blocks, 5 of them root's: 76 of 95 used is 80 %.
    assert Room(100, 19, 76).used_share == pytest.approx(0.8)
    assert Room(100, 90, 10, inodes=1000, free_inodes=40).used_share == pytest.approx(0.96)
    assert Room(100, 90, 10, inodes=0, free_inodes=0).used_share == pytest.approx(0.1)
    assert Room(0, 0, 0).used_share == 1.0


def test_days_left_are_counted_until_recording_stops() -> None:
    assert days_left(room(75 * GB), 2 * GB) == pytest.approx(10)
    assert days_left(room(99 * GB), 2 * GB) == 0
    assert days_left(room(75 * GB), None) is None
    assert days_left(room(75 * GB), 0) is None


def test_growth_is_the_mean_of_the_last_fourteen_whole_days() -> None:
    assert growth_a_day([]) is None
    assert growth_a_day([4, 8]) == 6
    assert growth_a_day([1_000] * 9 + [10] * 14) == 10


def test_a_disk_that_holds_store_and_copy_grows_twice_and_the_spool_alone_not_at_all() -> None:
    one, two, three = room(0, device=1), room(0, device=2), room(0, device=3)
    apart = {"spool": one, "store": two, "copy": three}
    assert growth_of(apart, 5.0) == {"spool": None, "store": 5.0, "copy": 5.0}
    assert growth_of({"spool": one, "store": one, "copy": one}, 5.0) == {"spool": 10.0, "store": 10.0, "copy": 10.0}
    assert growth_of({"spool": one}, 5.0) == {"spool": None}
    assert growth_of(apart, None) == {"spool": None, "store": None, "copy": None}


def test_a_plan_is_linear_and_every_codec_has_a_measured_size() -> None:
    assert set(storage.STORED_KIB_A_MIN) == set(storage.CODECS)
    assert storage.STORED_KIB_A_MIN["raw"] == pytest.approx(3 * 8_000 * 2 * 60 / 1024, abs=2)
    for codec in storage.CODECS:
        assert gb_a_year(16, codec) == pytest.approx(2 * gb_a_year(8, codec))
    assert gb_a_year(1, "raw") == pytest.approx(60 * 2813 * 1024 * 365 / 1e9)
    assert gb_a_year(8, "opus") < gb_a_year(8, "flac") < gb_a_year(8, "raw")
