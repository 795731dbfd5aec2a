"""Parts of a recording, and files that are none of ours."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.web.playback import HEADER_BYTES, NotPlayable, RangeNotThere, open_sound, part_of, wav_header

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


@given(cuts=st.lists(st.integers(1, 500), min_size=1, max_size=40))
def test_any_way_of_reading_gives_the_same_wav(tmp_path_factory: pytest.TempPathFactory, cuts: list[int]) -> None:
    spool = tmp_path_factory.mktemp("spool")
    samples = bytes(range(250)) * 4
    (spool / "a.sln").write_bytes(samples)
    sound = open_sound(spool, "a.sln")
    try:
        heard = b""
        for cut in (*cuts, *[1_000] * 3):
            heard += sound.read(len(heard), min(cut, sound.size_bytes - len(heard)))
    finally:
        os.close(sound.fd)
    assert heard == wav_header(len(samples), 8_000, 1) + samples
    assert sound.size_bytes == HEADER_BYTES + len(samples)


@pytest.mark.parametrize("name", ["../secret.sln", "/etc/passwd", "sub/a.sln", "a\0.sln", "", ".", "..", "x" * 5_000])
def test_names_that_lead_elsewhere_open_nothing(tmp_path: Path, name: str) -> None:
    spool = tmp_path / "spool"
    (spool / "sub").mkdir(parents=True)
    for place in (tmp_path / "secret.sln", spool / "sub" / "a.sln"):
        place.write_bytes(b"secret" * 10)
    with pytest.raises(NotPlayable):
        open_sound(spool, name)


def test_a_refused_file_leaves_nothing_open(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"noise")
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with pytest.raises(NotPlayable):
            open_sound(tmp_path, "a.bin")
    assert len(os.listdir("/proc/self/fd")) == before
