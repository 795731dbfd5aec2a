"""A private PostgreSQL whose clock can be moved while it runs, and a time server (SNTP) that goes with it or lies.

The server runs under libfaketime (Debian's package of that name; `make setup` installs it), which reads the shift from
a file at every look at the clock. The time server is the outside world, so the test plays it.
"""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from callcenter.db import Database
from callcenter.stack import postgres
from callcenter.stack.bootstrap import FAKE_CLOCK
from callcenter.stack.stack import Stack, migrate_product
from recordings.retention.second_clock import SntpClock
from tests.support.stack import new_folder

NTP_EPOCH = datetime(1900, 1, 1, tzinfo=UTC)
LEAP_ALARM = 3


@dataclass
class TimeServer(asyncio.DatagramProtocol):
    """Answers SNTP requests with the real time and `shift`; the rest is what may be wrong with a server."""

    shift: timedelta = timedelta()
    silent: bool = False
    stratum: int = 2
    leap: int = 0
    mode: int = 4
    root_delay_s: float = 0.01
    root_dispersion_s: float = 0.01
    forged: bool = False
    """Answers something nobody asked."""
    scatter: timedelta = timedelta()
    """Every answer is so much later than the one before."""
    code: bytes = b"\x7f\x00\x00\x01"
    asked: int = 0
    port: int = 0
    _transport: asyncio.DatagramTransport | None = field(default=None, init=False)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)
        self.port = transport.get_extra_info("sockname")[1]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.asked += 1
        if self.silent or len(data) < 48 or self._transport is None:
            return
        self._transport.sendto(self.answer(data), addr)

    def answer(self, request: bytes) -> bytes:
        """The packet for one request, as RFC 4330 lays it out."""
        now = ntp_time(self.now())
        origin = bytes(8) if self.forged else request[40:48]
        first = self.leap << 6 | 4 << 3 | self.mode
        head = struct.pack("!BBbb", first, self.stratum, 6, -20)
        root = struct.pack("!II", int(self.root_delay_s * 65536), int(self.root_dispersion_s * 65536))
        return head + root + self.code + now + origin + now + now

    def now(self) -> datetime:
        """What it says the time is."""
        return datetime.now(UTC) + self.shift + self.asked * self.scatter

    def clock(self, **more: float) -> SntpClock:
        """A client of this server that does not wait."""
        return SntpClock("127.0.0.1", self.port, pause_s=0.0, timeout_s=more.get("timeout_s", 3.0))

    @property
    def url(self) -> str:
        """As CALLCENTER_SECOND_CLOCK has it."""
        return f"ntp://127.0.0.1:{self.port}"


def ntp_time(at: datetime) -> bytes:
    """64 bits: seconds since 1900, modulo 2^32 (era 1 begins in 2036), and their fraction."""
    since = at - NTP_EPOCH
    seconds = since // timedelta(seconds=1)
    fraction = (since - timedelta(seconds=seconds)) / timedelta(seconds=1)
    return struct.pack("!II", seconds % 2**32, int(fraction * 2**32))


@asynccontextmanager
async def time_server() -> AsyncIterator[TimeServer]:
    """On a free port of the loopback."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(TimeServer, local_addr=("127.0.0.1", 0))
    try:
        yield server
    finally:
        transport.close()


def fake_clock_library() -> str:
    """libfaketime's file; fails when the package is missing, for then nothing here is proved."""
    found = sorted(FAKE_CLOCK[1].glob(FAKE_CLOCK[2]))
    assert found, f"{FAKE_CLOCK[0]} is not installed; run `make setup`"
    return str(found[0])


@dataclass
class MovingClock:
    """owner, app: the same database as its owner, and as the application with the least rights."""

    stack: Stack
    owner: Database
    app: Database
    server: TimeServer
    _file: Path

    def move(self, shift: timedelta) -> None:
        """Both clocks, so much away from the real time (forward or back)."""
        self.move_database(shift)
        self.server.shift = shift

    def move_to(self, at: datetime) -> None:
        """Both clocks go on from this moment."""
        self.move(at - datetime.now(UTC))

    def move_database(self, shift: timedelta) -> None:
        """PostgreSQL's clock alone."""
        _write_shift(self._file, shift)

    @property
    def now(self) -> datetime:
        """What the time server says."""
        return self.server.now()

    @property
    def settings_url(self) -> str:
        """CALLCENTER_DATABASE_URL of the application's role."""
        return self.stack.postgres.url(role=postgres.APP)


def _write_shift(file: Path, shift: timedelta) -> None:
    draft = file.with_suffix(".new")
    draft.write_text(f"{shift.total_seconds():+.6f}\n", encoding="ascii")
    draft.chmod(0o644)
    draft.replace(file)


@asynccontextmanager
async def moving_clock() -> AsyncIterator[MovingClock]:
    """A migrated database with its roles, under a clock of its own; stopped and removed at the end."""
    stack = Stack(new_folder("clock"))
    stack.open()
    file = stack.folder.path / "clock-shift"
    _write_shift(file, timedelta())
    stack.postgres.env.update(
        LD_PRELOAD=fake_clock_library(),
        FAKETIME_TIMESTAMP_FILE=str(file),
        FAKETIME_NO_CACHE="1",
        # Timers go on as they are, and files keep their times.
        DONT_FAKE_MONOTONIC="1",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
        NO_FAKE_STAT="1",
    )
    try:
        await stack.postgres.boot()
        await migrate_product(stack.postgres.url(role=postgres.OWNER))
        assert await stack.postgres.grant()
        owner = Database(stack.postgres.url(role=postgres.OWNER))
        app = Database(stack.postgres.url())
        try:
            async with time_server() as server:
                yield MovingClock(stack, owner, app, server, file)
        finally:
            await app.close()
            await owner.close()
    finally:
        await stack.remove()
