"""AudioSocket frames however TCP cuts them, and the bounded backlog."""

import struct
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordings.audiosocket import Backlog, BadFrame, Frame, FrameParser


def frame(kind: int, payload: bytes = b"") -> bytes:
    return struct.pack("!BH", kind, len(payload)) + payload


STREAM = [
    Frame(0x01, UUID(int=7).bytes),
    Frame(0x10, bytes(range(256)) + bytes(64)),
    Frame(0x03, b"5"),
    Frame(0x10, b""),
    Frame(0x12, bytes(640)),
    Frame(0xFF, b"\x02"),
    Frame(0x00, b""),
]
WIRE = b"".join(frame(one.kind, one.payload) for one in STREAM)


@given(st.lists(st.integers(0, len(WIRE)), max_size=30))
def test_frames_are_the_same_wherever_the_bytes_are_cut(cuts: list[int]) -> None:
    parser, found = FrameParser(), []
    for start, end in pairwise([0, *sorted(cuts), len(WIRE)]):
        found += list(parser.feed(WIRE[start:end]))
    assert found == STREAM


@pytest.mark.parametrize(
    "data",
    [frame(0x01, bytes(15)), frame(0x10, b"abc"), frame(0x02), frame(0x47), b"GET / HTTP/1.1\r\n", b"\x16\x03\x01\x02"],
)
def test_what_is_not_audiosocket_is_refused(data: bytes) -> None:
    with pytest.raises(BadFrame):
        list(FrameParser().feed(data))


@given(st.binary(max_size=300))
def test_any_bytes_give_frames_or_bad_frame(data: bytes) -> None:
    try:
        for one in FrameParser().feed(data):
            assert len(one.payload) <= len(data)
    except BadFrame:
        pass


def test_the_backlog_drops_the_oldest_and_counts_it() -> None:
    backlog = Backlog(limit_s=1.0)
    for number in range(60):
        backlog.put(bytes([number]) * 320)
    assert backlog.seconds == 1.0
    assert backlog.dropped_s == pytest.approx(0.2)
    lost, samples = backlog.take()
    assert (lost, samples[0], samples[-1], len(samples)) == (10 * 320, 10, 59, 50 * 320)
    assert backlog.take() == (0, b"")


@given(st.lists(st.one_of(st.integers(0, 400), st.none()), max_size=60))
def test_every_byte_of_a_backlog_is_taken_or_counted_as_lost(steps: list[int | None]) -> None:
    backlog, put, out = Backlog(limit_s=0.1), 0, 0
    for step in [*steps, None]:
        if step is None:
            lost, samples = backlog.take()
            out += lost + len(samples)
        else:
            backlog.put(bytes(2 * step))
            put += 2 * step
    assert out == put
