"""Faults for tests of a whole hotline: kill -9 and restart of any part, a gate that withholds answers, the proof after.

Nothing here sleeps for luck: everything waits for what must become true, with a deadline.
"""

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from sqlalchemy import text

from callcenter import invariants
from callcenter.app import load_rules
from callcenter.board import Board, BoardEvent
from callcenter.custody.opening import ground_of
from callcenter.stack.hotline import Api, Hotline
from callcenter.stack.process import run
from tests.support.eventually import eventually

LATER = timedelta(minutes=1)
"""The proof is made as of then, so that nothing is excused for being fresh."""
RECOVERED_WITHIN_S = 60.0


async def kill(hotline: Hotline, name: str) -> datetime:
    """kill -9 of one of our processes. Returns when."""
    await hotline.processes[name].kill9()
    return datetime.now(UTC)


async def restart(hotline: Hotline, name: str) -> None:
    """Start it again and wait until it can work."""
    began_s = time.time()
    await hotline.start_process(name)
    await hotline.until_ready(since=began_s)


async def rows(hotline: Hotline, query: str, **values: object) -> Sequence[Any]:
    """What the database says."""
    async with hotline.database.transaction() as tx:
        return (await tx.execute(text(query), values)).all()


async def until_rows(hotline: Hotline, query: str, within_s: float = 20.0, **values: object) -> Sequence[Any]:
    """The rows, as soon as there are any."""
    found: list[Any] = []

    async def there() -> bool:
        found[:] = await rows(hotline, query, **values)
        return bool(found)

    await eventually(there, f"{query} {values}", within_s)
    return found


async def until_caught_up(hotline: Hotline, since: datetime) -> Any:
    """The gap that began after `since`, once the listener has made up for it."""
    query = "SELECT * FROM listener_gap WHERE from_at >= :since AND until_at IS NOT NULL ORDER BY id"
    return (await until_rows(hotline, query, since=since))[0]


async def findings(hotline: Hotline) -> tuple[invariants.Finding, ...]:
    """What `callcenter verify` would find a minute from now if nothing more happened."""
    settings = hotline.stack.settings()
    rules = load_rules(settings.policy)
    now = datetime.now(UTC) + LATER
    custody = ground_of(settings)
    ground = invariants.Ground(rules, settings.spool_dir, settings.cel_file, settings.node, now, custody=custody)
    async with hotline.database.transaction() as tx:
        return await invariants.verify(tx, ground)


async def until_every_invariant_holds(hotline: Hotline) -> None:
    """Jobs are done and nothing is found wrong. Fails with what still is."""
    wrong: list[object] = ["not looked yet"]

    async def well() -> bool:
        waiting = await rows(hotline, "SELECT entrypoint, dedupe_key, status FROM pgqueuer")
        wrong[:] = [*waiting, *await findings(hotline)]
        return not wrong

    try:
        await eventually(well, "every invariant holds", RECOVERED_WITHIN_S)
    except AssertionError as error:
        raise AssertionError(f"{error}; left: {wrong}") from None


async def verified_by_hand(hotline: Hotline) -> str:
    """What an operator reads after `callcenter verify`. Raises StackFailed unless it ends well."""
    env = {"CALLCENTER_SETTINGS": str(hotline.stack.folder.settings_file)}
    return await run([sys.executable, "-m", "callcenter", "verify"], what="callcenter verify", env=env)


UNEXPECTED = ("could not be told", "was refused", "could not be read", "a command broke", "never retrieved")
"""What our processes log only when something broke that no fault explains."""


def broken_lines(hotline: Hotline) -> list[str]:
    """Such lines of every process's log."""
    logs = [process.log_file for process in hotline.processes.values()]
    lines = [line for log in logs for line in log.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if any(words in line for words in UNEXPECTED)]


class Gate:
    """A TCP relay in front of a server: passes everything on, until it is told to keep it.

    withhold_answers: requests reach the server, its answers stay here. swallow_requests: not even those.
    """

    def __init__(self, server: Callable[[], tuple[str, int]]) -> None:
        """server: where it listens, asked at each connection."""
        self.withhold_answers = False
        self.swallow_requests = False
        self.kept = 0
        """Pieces kept here so far: requests or answers."""
        self.port = 0
        self._where = server
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Listen on a port of the loopback: any at first, then always the same."""
        self._server = await asyncio.start_server(self._relay, "127.0.0.1", self.port)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def shut(self) -> None:
        """As a server that is down: connections are refused, those there are break."""
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _relay(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        # asyncio reports a serving task that was cancelled as an error of its own.
        with contextlib.suppress(OSError, asyncio.CancelledError):
            server, to_server = await asyncio.open_connection(*self._where())
            try:
                await asyncio.gather(
                    self._pump(client, to_server, lambda: self.swallow_requests),
                    self._pump(server, to_client, lambda: self.withhold_answers),
                )
            finally:
                to_server.transport.abort()
        to_client.transport.abort()
        self._tasks.discard(task)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, keeps: Callable[[], bool]) -> None:
        while data := await source.read(65_536):
            if keeps():
                self.kept += 1
                await asyncio.Event().wait()
            sink.write(data)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()


class LiveStream:
    """The live stream of a signed-in person, read from the moment it is open."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._seen: list[str] = []
        self._taken = 0
        self._news = asyncio.Condition()

    @asynccontextmanager
    async def open(self) -> AsyncIterator["LiveStream"]:
        """Follow until the block ends."""
        headers = {"Authorization": f"Bearer {self._api.token}"}
        url, patience = self._api.base + "/api/stream", aiohttp.ClientTimeout(total=None)
        async with self._api.session.get(url, headers=headers, timeout=patience) as stream:
            assert (await stream.content.readline()).startswith(b":"), "the stream says first that it is there"
            reading = asyncio.create_task(self._read(stream.content))
            try:
                yield self
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)

    async def _read(self, lines: aiohttp.StreamReader) -> None:
        async for raw in lines:
            if raw.startswith(b"event: "):
                async with self._news:
                    self._seen.append(raw.decode().removeprefix("event: ").strip())
                    self._news.notify_all()

    async def until(self, kind: str, within_s: float = 10.0) -> None:
        """The next event of this kind after the last one asked for."""
        try:
            async with asyncio.timeout(within_s), self._news:
                await self._news.wait_for(lambda: kind in self._seen[self._taken :])
        except TimeoutError:
            raise AssertionError(f"no {kind} on the live stream after {self._seen[self._taken :]}") from None
        self._taken += self._seen[self._taken :].index(kind) + 1

    async def until_it_moves(self, board_url: str) -> None:
        """The stream shows what is published on the board again."""
        board = Board(board_url)

        async def shown() -> bool:
            await board.publish((BoardEvent("probe", {}),))
            return "probe" in self._seen

        try:
            await eventually(shown, "the live stream goes on")
        finally:
            await board.close()
