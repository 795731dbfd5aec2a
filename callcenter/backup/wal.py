"""Names of the segments of PostgreSQL's log, and whether a row of them has a hole. PURE.

A name is 24 hex digits: timeline, high and low part of the segment's number (PostgreSQL manual, 28.6 and
xlog_internal.h). A timeline's history is `<timeline>.history`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

NAME = re.compile(r"(?P<timeline>[0-9A-F]{8})(?P<high>[0-9A-F]{8})(?P<low>[0-9A-F]{8})")
HISTORY = re.compile(r"[0-9A-F]{8}\.history")
PAGE_BYTES = 8192


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """One segment. number: counted from 0 through the whole life of the cluster, across timelines."""

    number: int
    timeline: int

    @classmethod
    def parse(cls, name: str, segment_bytes: int) -> "Segment | None":
        """The segment of this name; None for another file."""
        found = NAME.fullmatch(name)
        if not found:
            return None
        number = int(found["high"], 16) * _per_high(segment_bytes) + int(found["low"], 16)
        return cls(number, int(found["timeline"], 16))

    def name(self, segment_bytes: int) -> str:
        """As the file is called."""
        high, low = divmod(self.number, _per_high(segment_bytes))
        return f"{self.timeline:08X}{high:08X}{low:08X}"


def _per_high(segment_bytes: int) -> int:
    return (1 << 32) // segment_bytes


def position(lsn: str) -> int:
    """Bytes since the cluster's beginning; lsn: `0/1EAB3F0`."""
    high, _, low = lsn.partition("/")
    return (int(high, 16) << 32) + int(low, 16)


def holes(numbers: Iterable[int], first: int) -> tuple[int, ...]:
    """Which numbers are missing from `first` to the greatest; empty when none is, or when none has come yet."""
    have = {number for number in numbers if number >= first}
    return tuple(number for number in range(first, max(have, default=first - 1)) if number not in have)


def end_of(page_run: bytes) -> int:
    """How much of this stretch of a segment was written: every page that was has a header, the rest is zeros."""
    return len(page_run.rstrip(b"\0"))
