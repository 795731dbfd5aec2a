"""Parts of a recording, as a Range header asks for them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.custody.playbacks import Progress
from callcenter.web.playback import RangeNotThere, part_of

CASES = [
    ("bytes=0-0", 100, (0, 1)),
    ("bytes=0-", 100, (0, 100)),
    ("bytes=99-", 100, (99, 100)),
    ("bytes=10-19", 100, (10, 20)),
    ("bytes=10-1000", 100, (10, 100)),
    ("bytes=-1", 100, (99, 100)),
    ("bytes=-1000", 100, (0, 100)),
    ("bytes=5-4", 100, None),
    ("bytes=-", 100, None),
    ("bytes=1-2,3-4", 100, None),
    ("items=1-2", 100, None),
    ("", 100, None),
    ("bytes=１-２", 100, None),
]


@pytest.mark.parametrize(("asked", "size", "part"), CASES)
def test_part_of_a_range(asked: str, size: int, part: tuple[int, int] | None) -> None:
    assert part_of(asked, size) == part


@pytest.mark.parametrize("asked", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_part_beyond_the_end_is_refused(asked: str) -> None:
    with pytest.raises(RangeNotThere):
        part_of(asked, 100)


@given(asked=st.text(alphabet="bytes=-0123456789, ", max_size=30), size=st.integers(1, 10**6))
def test_a_part_is_never_empty_nor_outside(asked: str, size: int) -> None:
    try:
        part = part_of(asked, size)
    except RangeNotThere:
        return
    assert part is None or 0 <= part[0] < part[1] <= size


@given(parts=st.lists(st.tuples(st.integers(0, 200), st.integers(0, 50)), max_size=20))
def test_every_frame_that_was_sent_is_told_once_or_more_and_no_other(parts: list[tuple[int, int]]) -> None:
    progress = Progress()
    sent: set[int] = set()
    for first, length in parts:
        progress.sent(first, first + length)
        sent |= set(range(first, first + length))
    told = progress.taken()
    assert {frame for first, end in told for frame in range(first, end)} == sent
    assert all(first < end for first, end in told)
    assert progress.taken() == []
