"""AudioSocket frames as Asterisk sends them, and audio that waits for the recogniser. PURE.

A frame is one byte type, two bytes length (big endian), payload. The first one carries the UUID of the stream.
Source: Asterisk res/res_audiosocket.c and the wiki page "AudioSocket".
"""

import struct
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

UUID_FRAME, DTMF_FRAME, HANGUP_FRAME, ERROR_FRAME = 0x01, 0x03, 0x00, 0xFF
RATES = {0x10: 8_000, 0x11: 12_000, 0x12: 16_000, 0x13: 24_000, 0x14: 32_000, 0x15: 44_100, 0x16: 48_000}
"""Sample rate by frame type (signed linear, 16 bit, little endian)."""

LAG_LIMIT_S = 5.0
"""Older audio than this is not worth showing: it is dropped."""


class BadFrame(Exception):
    """The peer does not speak AudioSocket; the connection is closed, the call goes on."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One AudioSocket frame."""

    kind: int
    payload: bytes


class FrameParser:
    """Cuts bytes into frames, however TCP delivered them."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that `data` completes. Raises BadFrame for an unknown type or an impossible length."""
        self._buffer += data
        done = 0
        try:
            while len(self._buffer) - done >= 3:
                kind, length = struct.unpack_from("!BH", self._buffer, done)
                _check(kind, length)
                if len(self._buffer) - done - 3 < length:
                    break
                payload = bytes(self._buffer[done + 3 : done + 3 + length])
                done += 3 + length
                yield Frame(kind, payload)
        finally:
            del self._buffer[:done]


def _check(kind: int, length: int) -> None:
    if kind in RATES:
        if length % 2:
            raise BadFrame(f"audio frame of {length} bytes: half a sample")
    elif kind == UUID_FRAME:
        if length != 16:
            raise BadFrame(f"UUID frame of {length} bytes")
    elif kind not in (DTMF_FRAME, HANGUP_FRAME, ERROR_FRAME):
        raise BadFrame(f"unknown frame type 0x{kind:02x}")


class Backlog:
    """Audio that waits for the recogniser, bounded: the oldest goes first, and its length is counted."""

    def __init__(self, limit_s: float = LAG_LIMIT_S) -> None:
        self.rate = 8_000
        self.dropped_s = 0.0
        self._limit_s = limit_s
        self._pieces: deque[bytes] = deque()
        self._bytes = 0
        self._lost_bytes = 0

    @property
    def seconds(self) -> float:
        """How much audio waits."""
        return self._bytes / (2 * self.rate)

    def put(self, samples: bytes) -> None:
        """Adds samples; beyond the limit the oldest are dropped."""
        self._pieces.append(samples)
        self._bytes += len(samples)
        while self.seconds > self._limit_s:
            oldest = self._pieces.popleft()
            self._bytes -= len(oldest)
            self._lost_bytes += len(oldest)
            self.dropped_s += len(oldest) / (2 * self.rate)

    def take(self) -> tuple[int, bytes]:
        """All that waits, as (bytes lost just before it, samples)."""
        lost, samples = self._lost_bytes, b"".join(self._pieces)
        self._pieces.clear()
        self._bytes = self._lost_bytes = 0
        return lost, samples
