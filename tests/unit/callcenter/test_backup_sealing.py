"""Sealed files of a backup and the names of the log: what comes out is what went in, or a refusal."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from callcenter.backup import wal
from callcenter.backup.errors import KeyMissing, Tampered
from callcenter.backup.receiver import OFFSET_BYTES, live_contents
from callcenter.backup.sealing import FRAME_BYTES, SealedDraft, Sealer, read_header, unseal
from recordings.custody.custody import Cipher
from recordings.custody.keys import FileKeys, new_key

KEYS = FileKeys((new_key("old"), new_key("bk-1")))
NAME = "base/20261122T120000Z/base.tar"
SEGMENT = "000000010000000000000003"


def _sealed(path: Path, *pieces: bytes, cipher: Cipher = Cipher.AES_256_GCM, packed: bool = True) -> Path:
    with SealedDraft(path, NAME, KEYS, cipher, packed=packed) as sealed:
        for piece in pieces:
            sealed.write(piece)
    return path


@pytest.mark.parametrize("cipher", list(Cipher))
@pytest.mark.parametrize("size", [0, 1, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, 3 * FRAME_BYTES])
def test_what_was_sealed_comes_out(tmp_path: Path, cipher: Cipher, size: int) -> None:
    for packed in (True, False):
        path = _sealed(tmp_path / "one", b"x" * size, cipher=cipher, packed=packed)
        pieces = list(unseal(path, NAME, KEYS))
        assert b"".join(pieces) == b"x" * size
        assert all(len(piece) <= FRAME_BYTES for piece in pieces), "zeros by the gigabyte do not fill the memory"
    assert read_header(path).key_id == "bk-1"


@example(b"\x00" * 6, 223, 1)  # the length of the last frame: all of it was there, and it was believed
@given(st.binary(min_size=1, max_size=400), st.integers(min_value=0), st.integers(min_value=1, max_value=255))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_changed_byte_is_believed(tmp_path: Path, data: bytes, where: int, by: int) -> None:
    path = _sealed(tmp_path / "one", data, packed=False)
    spoilt = bytearray(path.read_bytes())
    spoilt[where % len(spoilt)] ^= by
    path.write_bytes(spoilt)
    with pytest.raises((Tampered, KeyMissing)):
        list(unseal(path, NAME, KEYS))


@given(st.integers(min_value=0))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_cut_file_is_believed(tmp_path: Path, where: int) -> None:
    path = _sealed(tmp_path / "one", bytes(range(256)) * 20, packed=False)
    whole = path.read_bytes()
    path.write_bytes(whole[: where % len(whole)])
    with pytest.raises(Tampered):
        list(unseal(path, NAME, KEYS))


def test_a_file_cut_between_two_frames_is_not_believed(tmp_path: Path) -> None:
    path = _sealed(tmp_path / "one", b"a" * FRAME_BYTES, b"b" * 10, packed=False)
    path.write_bytes(path.read_bytes()[: -(4 + 16 + 10)])
    with pytest.raises(Tampered, match="changed or cut"):
        list(unseal(path, NAME, KEYS))


def test_a_draft_that_failed_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="full"), SealedDraft(tmp_path / "one", NAME, KEYS, Cipher.AES_256_GCM):
        raise OSError("the disk is full")
    assert list(tmp_path.iterdir()) == []


def _live(path: Path, *frames: tuple[int, bytes]) -> Path:
    with path.open("wb") as file:
        sealer = Sealer(file, f"wal/{SEGMENT}", KEYS, Cipher.AES_256_GCM, packed=False, open_end=True)
        for start, data in frames:
            sealer.add_frame(start.to_bytes(OFFSET_BYTES, "big") + data)
    return path


def test_a_live_segment_ends_where_the_machine_did(tmp_path: Path) -> None:
    path = _live(tmp_path / "live", (0, b"one"), (3, b"two"), (6, b"three"))
    whole = path.read_bytes()
    assert live_contents(path, SEGMENT, KEYS) == b"onetwothree"
    for torn in range(1, 4 + 16 + OFFSET_BYTES + len(b"three")):
        path.write_bytes(whole[:-torn])
        assert live_contents(path, SEGMENT, KEYS) == b"onetwo"
    changed = bytearray(whole)
    changed[len(whole) - 60] ^= 1
    path.write_bytes(changed)
    with pytest.raises(Tampered):
        live_contents(path, SEGMENT, KEYS)


@pytest.mark.parametrize("segment_bytes", [1 << 20, 1 << 24, 1 << 30])
@given(number=st.integers(min_value=0, max_value=1 << 33), timeline=st.integers(min_value=1, max_value=0xFFFFFFFF))
def test_a_segments_name_says_which_it_is(segment_bytes: int, number: int, timeline: int) -> None:
    one = wal.Segment(number, timeline)
    assert wal.Segment.parse(one.name(segment_bytes), segment_bytes) == one


def test_the_next_segment_after_the_last_of_a_high_part() -> None:
    """As PostgreSQL counts with segments of 16 MiB (XLogFileName in xlog_internal.h)."""
    last = wal.Segment.parse("0000000100000000000000FF", 1 << 24)
    assert last is not None
    assert wal.Segment(last.number + 1, 1).name(1 << 24) == "000000010000000100000000"
    assert wal.position("1/0") // (1 << 24) == last.number + 1
    assert wal.Segment.parse("00000002.history", 1 << 24) is None


@pytest.mark.parametrize(
    ("numbers", "first", "missing"),
    [
        ((), 5, ()),
        ((1, 2), 5, ()),
        ((5, 6, 7), 5, ()),
        ((6, 7), 5, (5,)),
        ((3, 5, 8), 5, (6, 7)),
    ],
)
def test_holes_in_the_log_are_seen(numbers: tuple[int, ...], first: int, missing: tuple[int, ...]) -> None:
    assert wal.holes(numbers, first) == missing
