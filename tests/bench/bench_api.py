"""How many ticket writes a second one API process takes on a real PostgreSQL, how long they wait, what they cost.

`python -m tests.bench.bench_api` prints a table. A client opens a ticket (all fields), registers it, has it
dispatched, and reads it: three writes (each its events, deadlines, facts and messages, committed) and one read. The
server is a process of its own; the clients and PostgreSQL share the machine's cores with it.
"""

import asyncio
import multiprocessing
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from callcenter import accounts
from callcenter.db import Database
from callcenter.migrations import upgrade
from tests.support.lives import EXCEPTION, FIELDS
from tests.support.stack import postgres_for_tests
from tests.support.web import serving, with_people

CLIENTS = (1, 8, 32)
SECONDS = 5.0
WRITES = ("open", "register", "dispatch")


def run(clients: tuple[int, ...] = CLIENTS, seconds: float = SECONDS) -> dict[str, Any]:
    """Rows by number of clients: writes/s, p50 and p99 in ms of each kind of request, server CPU ms a request."""
    return asyncio.run(_run(clients, seconds))


async def _run(clients: tuple[int, ...], seconds: float) -> dict[str, Any]:
    async with postgres_for_tests() as server:
        admin = await asyncpg.connect(server.admin_dsn)
        await admin.execute("CREATE DATABASE bench_api")
        await admin.close()
        database = Database(server.dsn("bench_api"))
        await upgrade(database)
        await database.close()
        async with _api(server.dsn("bench_api")) as api:
            await _load(api, 1, 1.0)
            return {"ticket_api": [await _load(api, number, seconds) for number in clients]}


class _Api:
    """The other end of the pipe to the API process."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self.port, self.tokens = pipe.recv()

    async def cpu_s(self) -> float:
        """CPU seconds used so far, user and system."""
        self._pipe.send("cpu")
        return float(await asyncio.to_thread(self._pipe.recv))

    async def stop(self) -> None:
        self._pipe.send("stop")


@asynccontextmanager
async def _api(dsn: str) -> AsyncIterator[_Api]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, dsn))
    process.start()
    theirs.close()  # so that a child that dies is an EOFError here, not a wait for ever
    api = await asyncio.to_thread(_Api, ours)
    try:
        yield api
    finally:
        await api.stop()
        await asyncio.to_thread(process.join)


def _serve(pipe: Connection, dsn: str) -> None:
    async def serve() -> None:
        database = Database(dsn, pool_size=16)
        with tempfile.TemporaryDirectory() as spool:
            async with serving(database, Path(spool)) as web:
                await with_people(web)
                async with database.transaction() as tx:
                    now = datetime.now(UTC)
                    tokens = {
                        who: await accounts.open_session(tx, web.ids[who], now) for who in ("agent", "dispatcher")
                    }
                pipe.send((web.client.port, tokens))
                while await asyncio.to_thread(pipe.recv) == "cpu":
                    pipe.send(time.process_time())
        await database.close()

    asyncio.run(serve())


async def _load(api: _Api, clients: int, seconds: float) -> dict[str, Any]:
    took: dict[str, list[float]] = {kind: [] for kind in (*WRITES, "read")}
    before_s, started = await api.cpu_s(), time.monotonic()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{api.port}", connector=aiohttp.TCPConnector(limit=0)) as http:
        await asyncio.gather(*(_client(http, api.tokens, took, started + seconds) for _ in range(clients)))
    wall_s, cpu_s = time.monotonic() - started, await api.cpu_s() - before_s
    writes = sum(len(took[kind]) for kind in WRITES)
    row: dict[str, Any] = {"clients": clients, "writes_per_s": round(writes / wall_s, 1)}
    row["server_cpu_ms_per_request"] = round(cpu_s / max(1, writes + len(took["read"])) * 1000, 2)
    for kind, times in took.items():
        row[f"{kind}_p50_ms"], row[f"{kind}_p99_ms"] = _at(times, 0.5), _at(times, 0.99)
    return row


def _at(times: list[float], share: float) -> float:
    ordered = sorted(times) or [0.0]
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 1)


async def _client(
    http: aiohttp.ClientSession, tokens: dict[str, str], took: dict[str, list[float]], until: float
) -> None:
    async def timed(kind: str, who: str, path: str, body: dict[str, Any] | None) -> dict[str, Any]:
        begun = time.monotonic()
        headers = {"Authorization": f"Bearer {tokens[who]}"}
        async with http.request("POST" if body else "GET", path, json=body, headers=headers) as response:
            told: dict[str, Any] = await response.json(content_type=None)
        if response.status != 200:
            raise RuntimeError(f"{kind}: {response.status} {told}")
        took[kind].append(time.monotonic() - begun)
        return told

    while time.monotonic() < until:
        ticket = await timed("open", "agent", "/api/tickets", {"fields": FIELDS})
        path = f"/api/tickets/{ticket['id']}"
        body = {"version": ticket["version"], "intake_exception": EXCEPTION}
        ticket = await timed("register", "agent", f"{path}/register", body)
        await timed("dispatch", "dispatcher", f"{path}/dispatch", {"version": ticket["version"], "lead": "water"})
        await timed("read", "agent", path, None)


def main() -> None:
    """Print the table."""
    rows = run()["ticket_api"]
    for name in rows[0]:
        print(f"{name:28}" + "".join(f"{row[name]:>12}" for row in rows))


if __name__ == "__main__":
    main()
