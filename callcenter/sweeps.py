"""Work done again and again for the whole centre (deadlines, leftovers), by one process at a time. EDGE.

Each sweep has a session advisory lock in PostgreSQL. Whoever holds it runs the sweep; the lock goes with the
connection, so that another process takes over within one period after the first has died.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import asyncpg

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sweep:
    """`run` is called every `every_s` seconds, never beside itself; an error is logged and the next turn comes."""

    every_s: float
    name: str
    run: Callable[[], Awaitable[None]]


class Sweeps:
    """The sweeps of one process. told(name, took_s, well): after each turn that was ours."""

    def __init__(self, dsn: str, told: Callable[[str, float, bool], None]) -> None:
        self._leader = _Leader(dsn)
        self._told = told
        self._sweeps: list[Sweep] = []

    def add(self, sweep: Sweep) -> None:
        """Before `run`."""
        self._sweeps.append(sweep)

    async def run(self, stopping: asyncio.Event) -> None:
        """Until `stopping`, or cancelled; a turn that is cancelled is one that is done again."""
        try:
            async with asyncio.TaskGroup() as group:
                for sweep in self._sweeps:
                    group.create_task(self._repeat(sweep, stopping))
        finally:
            self._leader.close()

    async def _repeat(self, sweep: Sweep, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            began = time.monotonic()
            try:
                if await self._leader.leads(sweep.name):
                    await sweep.run()
                    self._told(sweep.name, time.monotonic() - began, True)
            except Exception as error:
                self._told(sweep.name, time.monotonic() - began, False)
                _log.warning("sweep failed", extra={"sweep": sweep.name, "error": repr(error)})
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), max(0.0, sweep.every_s - (time.monotonic() - began)))


class _Leader:
    """Which sweeps are ours: advisory locks on one connection, which must be direct, not through a pooler."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._link: asyncpg.Connection[asyncpg.Record] | None = None
        self._ours: set[str] = set()
        self._turn = asyncio.Lock()

    async def leads(self, name: str) -> bool:
        """Whether this process runs the sweep now. Raises OSError or asyncpg's errors when it cannot be asked."""
        async with self._turn:
            try:
                return await self._ask(name)
            except BaseException:
                self.close()
                raise

    async def _ask(self, name: str) -> bool:
        if self._link is None or self._link.is_closed():
            self._ours.clear()
            self._link = await asyncpg.connect(self._dsn, timeout=10, command_timeout=10)
        if name in self._ours:
            # The lock lives as long as the session: ask whether that still stands.
            await self._link.execute("SELECT 1")
        elif await self._link.fetchval("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", f"sweep {name}"):
            self._ours.add(name)
        return name in self._ours

    def close(self) -> None:
        """Give every lock back."""
        link, self._link = self._link, None
        self._ours.clear()
        if link is not None:
            link.terminate()
