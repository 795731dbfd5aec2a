"""The door to ntplib: a clock that is not ours, asked by SNTP (RFC 4330; RFC 5905 for the packet). Blocking.

What it says does not come from this machine's wall clock: the round trip is measured on the monotonic clock, and the
request carries random bits instead of our time, which the answer must repeat.
"""

import math
import secrets
import socket
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol
from urllib.parse import urlsplit

import ntplib

PORT = 123
NO_WARNING_OR_LEAP_SECOND = (0, 1, 2)
"""Leap indicators of a clock that is synchronized; 3 is the alarm (RFC 4330 section 4)."""
SERVER = 4
LONGEST_ROOT_S = 1.0
"""Root delay and dispersion of a usable server (RFC 4330 section 5, check 5)."""
LONGEST_TRIP_S = 1.0
SAMPLES_AGREE_S = 1.0
ERA_S = 2**32
"""Seconds of one NTP era; era 1 begins 2036-02-07. A first bit of 0 means era 1 (RFC 4330 section 3)."""
PACKET_BYTES = 48
EPOCH = datetime(1900, 1, 1, tzinfo=UTC)


class ClockAway(Exception):
    """The second clock does not answer, or is not synchronized; nothing is deleted until it is back."""

    retryable = True


class ClockWrong(ValueError):
    """CALLCENTER_SECOND_CLOCK is not ntp://host or ntp://host:port."""


class SecondClock(Protocol):
    """A clock other than the database's. Blocking; call it in a thread."""

    @property
    def source(self) -> str:
        """Where it is, for the record."""

    def now(self) -> datetime:
        """Aware UTC. Raises ClockAway."""


@dataclass(frozen=True, slots=True)
class _Sample:
    """at: the server's time when the answer came, at monotonic `heard_s`; trip_s: how uncertain that is."""

    at: datetime
    heard_s: float
    trip_s: float


@dataclass(frozen=True, slots=True)
class SntpClock:
    """An NTP server. samples: how many answers must agree; pause_s: between them, for servers limit their clients."""

    host: str
    port: int = PORT
    samples: int = 3
    pause_s: float = 2.0
    timeout_s: float = 3.0

    @property
    def source(self) -> str:
        return f"ntp://{self.host}:{self.port}"

    def now(self) -> datetime:
        """The server's time, from the answer with the shortest way. Raises ClockAway."""
        heard = [self._sample()]
        while len(heard) < self.samples:
            time.sleep(self.pause_s)
            heard.append(self._sample())
        last = time.monotonic()
        said = [one.at + timedelta(seconds=last - one.heard_s) for one in heard]
        if (max(said) - min(said)).total_seconds() > SAMPLES_AGREE_S:
            raise ClockAway(f"{self.source}: its answers contradict each other")
        best = min(heard, key=lambda one: one.trip_s)
        return best.at + timedelta(seconds=time.monotonic() - best.heard_s)

    def _sample(self) -> _Sample:
        # Random bits, not our time: only who saw this request can answer it, and nothing of us is told.
        ours = secrets.token_bytes(8)
        question = ntplib.NTPPacket(version=4, mode=3).to_data()[: PACKET_BYTES - 8] + ours
        try:
            family, kind, _, _, address = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_DGRAM)[0]
            with socket.socket(family, kind) as link:
                link.settimeout(self.timeout_s)
                link.connect(address)
                asked_s = time.monotonic()
                link.send(question)
                answer = link.recv(512)
                heard_s = time.monotonic()
        except OSError as error:
            raise ClockAway(f"{self.source}: {error}") from error
        trip_s = heard_s - asked_s
        if trip_s > LONGEST_TRIP_S:
            raise ClockAway(f"{self.source}: its answer took {trip_s:.1f} s")
        try:
            at = time_told(answer, ours)
        except ClockAway as error:
            raise ClockAway(f"{self.source}: {error}") from None
        return _Sample(at + timedelta(seconds=trip_s / 2), heard_s, trip_s)


def time_told(answer: bytes, asked_with: bytes) -> datetime:
    """The transmit time of an answer that passes every check of RFC 4330 section 5. Raises ClockAway."""
    packet = ntplib.NTPPacket()
    try:
        packet.from_data(answer)
    except ntplib.NTPException:
        raise ClockAway("its answer is shorter than an NTP packet") from None
    if answer[24:32] != asked_with:
        raise ClockAway("it answered something we did not ask")
    if packet.mode != SERVER or packet.version not in (3, 4):
        raise ClockAway(f"not a server's answer (mode {packet.mode}, version {packet.version})")
    if packet.stratum == 0:
        code = answer[12:16].decode("ascii", "replace")
        raise ClockAway(f"it does not want to be asked ({code!r})")
    if packet.stratum > 15 or packet.leap not in NO_WARNING_OR_LEAP_SECOND:
        raise ClockAway(f"it is not synchronized (stratum {packet.stratum}, leap indicator {packet.leap})")
    if packet.root_delay >= LONGEST_ROOT_S or packet.root_dispersion >= LONGEST_ROOT_S:
        raise ClockAway("it has not heard of its own source for too long")
    if not any(answer[40:48]):
        raise ClockAway("it tells no time")
    seconds = int.from_bytes(answer[40:44], "big")
    fraction = int.from_bytes(answer[44:48], "big")
    era = 0 if seconds >= ERA_S // 2 else 1
    return EPOCH + timedelta(seconds=seconds + era * ERA_S, microseconds=math.floor(fraction * 1_000_000 / ERA_S))


@dataclass(slots=True)
class Remembered:
    """Another clock, asked anew every `fresh_s`; between, the monotonic clock goes on from what it said.

    For work that needs the time thousands of times: servers refuse who asks so often.
    """

    clock: SecondClock
    fresh_s: float = 900.0
    _said: tuple[datetime, float] | None = field(default=None, init=False)

    @property
    def source(self) -> str:
        return self.clock.source

    def now(self) -> datetime:
        """Aware UTC. Raises ClockAway."""
        if self._said is None or time.monotonic() - self._said[1] > self.fresh_s:
            at = self.clock.now()
            self._said = (at, time.monotonic())
        return self._said[0] + timedelta(seconds=time.monotonic() - self._said[1])

    def forget(self) -> None:
        """Ask anew the next time."""
        self._said = None


def second_clock(url: str) -> SecondClock | None:
    """The clock a setting names; None for an empty one. Raises ClockWrong."""
    if not url:
        return None
    parts = urlsplit(url)
    try:
        port = parts.port or PORT
    except ValueError:
        raise ClockWrong(url) from None
    if parts.scheme != "ntp" or not parts.hostname or parts.path or parts.query or parts.username:
        raise ClockWrong(url)
    local = parts.hostname in ("127.0.0.1", "::1", "localhost")
    return SntpClock(parts.hostname, port, pause_s=0.0 if local else 2.0)
