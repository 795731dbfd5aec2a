"""How full the disks of recordings are: levels with hysteresis, days left, size planning. PURE.

80 % warns; at 95 % calls are still answered and new ones are not recorded, so that those that are being recorded, and
what has to be written to find room, still have a twentieth of the disk. Nothing old is deleted to make room.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

WARN_AT, WARN_UNDER = 0.80, 0.78
FULL_AT, FULL_UNDER = 0.95, 0.93
"""A level is entered at the first share and left under the second, so that it does not flutter."""
GROWTH_DAYS = 14
PAUSE_HOLDS_S = 60
"""For so long after the watch last said so Asterisk does not record: six turns of the watch may be lost. When the
watch is dead, calls are recorded again and the disk decides."""


class Level(StrEnum):
    """How full a file system is."""

    OK = "ok"
    WARN = "warn"
    FULL = "full"
    UNKNOWN = "unknown"
    """It cannot be read; nothing is concluded from that, calls are recorded."""


@dataclass(frozen=True, slots=True)
class Room:
    """One file system. free_bytes: what this user may still write; device: equal for places that share it.

    free_inodes and inodes: 0 where the file system has no fixed number.
    """

    total_bytes: int
    free_bytes: int
    used_bytes: int
    device: int = 0
    inodes: int = 0
    free_inodes: int = 0

    @property
    def used_share(self) -> float:
        """As `df` counts: used of what can be used; of inodes when those are scarcer. 0 to 1."""
        usable = self.used_bytes + self.free_bytes
        bytes_share = self.used_bytes / usable if usable else 1.0
        inode_share = 1.0 - self.free_inodes / self.inodes if self.inodes else 0.0
        return max(bytes_share, inode_share)

    @property
    def until_full_bytes(self) -> int:
        """What may still be written before recording stops; never negative."""
        usable = self.used_bytes + self.free_bytes
        return max(0, int(FULL_AT * usable) - self.used_bytes)


def level_of(used_share: float | None, before: Level) -> Level:
    """The level now. used_share: None when the file system cannot be read."""
    if used_share is None:
        return Level.UNKNOWN
    if used_share >= FULL_AT or (before is Level.FULL and used_share >= FULL_UNDER):
        return Level.FULL
    if used_share >= WARN_AT or (before in (Level.WARN, Level.FULL) and used_share >= WARN_UNDER):
        return Level.WARN
    return Level.OK


def growth_a_day(bytes_by_day: Sequence[int]) -> float | None:
    """Mean bytes a day of the last GROWTH_DAYS whole days, the newest last; None before the first whole day."""
    last = bytes_by_day[-GROWTH_DAYS:]
    return sum(last) / len(last) if last else None


def days_left(room: Room, growth_bytes: float | None) -> float | None:
    """Days until recording stops at this growth; None when nothing grows there, or nobody knows yet."""
    if not growth_bytes or growth_bytes <= 0:
        return None
    return room.until_full_bytes / growth_bytes


def growth_of(places: Mapping[str, Room], growth_bytes: float | None) -> dict[str, float | None]:
    """Place -> bytes a day its file system grows by: once for each of store and copy that lies on it.

    The spool empties itself; it only grows when the store lies on the same disk.
    """
    if growth_bytes is None:
        return dict.fromkeys(places)
    filling = [room.device for name, room in places.items() if name in ("store", "copy")]
    return {name: growth_bytes * filling.count(room.device) or None for name, room in places.items()}


# ---- size planning -----------------------------------------------------------------------------------------------

CODECS = ("flac", "opus", "raw")
STORED_KIB_A_MIN: Mapping[str, float] = {"flac": 965.0, "opus": 463.0, "raw": 2813.0}
"""Sealed KiB a minute of conversation, all three files (citizen, agent, mix): spoken turns over A-law with a line
noise of -65 dBFS, 2026-11-22. FLAC: 615 on a line without any noise, 1,210 at -50 dBFS. raw: as Asterisk writes."""


def gb_a_year(hours_a_day: float, codec: str, *, days: int = 365) -> float:
    """GB (10^9 bytes) a year in one store for so many hours of conversation a day."""
    return hours_a_day * 60 * STORED_KIB_A_MIN[codec] * 1024 * days / 1e9
