"""The sweep for passed deadlines over a million open tickets: how long it takes, and how many rows it reads.

`python -m tests.bench deadlines`. A sweep that finds nothing, one that finds a full batch, and all that are late
told one after the other.
"""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import asyncpg

from callcenter.db import Database
from callcenter.migrations import upgrade
from tests.bench.bench_search import rows_read
from tests.support.many_tickets import Span, load, load_deadlines
from tests.support.stack import postgres_for_tests
from ticketing import service

OPEN = 1_000_000
LATE = 5_000
BATCH = 500


def run(deadlines: int = OPEN, late: int = LATE) -> dict[str, Any]:
    """Seconds and rows read of each kind of sweep; `claimed`: deadlines told, each once."""
    return asyncio.run(_run(deadlines, late))


async def _run(deadlines: int, late: int) -> dict[str, Any]:
    async with postgres_for_tests() as server:
        admin = await asyncpg.connect(server.admin_dsn)
        await admin.execute("CREATE DATABASE bench_deadlines")
        await admin.close()
        database = Database(server.dsn("bench_deadlines"))
        await upgrade(database)
        now = datetime.now(UTC)
        result: dict[str, Any] = {"deadlines": deadlines, "load_s": await _load(database, deadlines, late, now)}
        result["full_batch"] = await _sweep(database, now)
        began, claimed = time.perf_counter(), BATCH
        while (told := await _sweep(database, now))["claimed"]:
            claimed += told["claimed"]
        result["rest_s"], result["claimed"] = round(time.perf_counter() - began, 3), claimed
        result["nothing_due"] = await _sweep(database, now)
        await database.close()
        return result


async def _load(database: Database, deadlines: int, late: int, now: datetime) -> float:
    began = time.monotonic()
    connection = await asyncpg.connect(database.asyncpg_dsn)
    await connection.execute("SET synchronous_commit = off")
    span = Span.over_years(deadlines, 1)
    await load(connection, deadlines, span, pool=100, words=False)
    await load_deadlines(connection, deadlines, span, now, late)
    await connection.execute("VACUUM ANALYZE ticket_deadline", timeout=600)
    await connection.close()
    return round(time.monotonic() - began, 1)


async def _sweep(database: Database, now: datetime) -> dict[str, Any]:
    async with database.transaction() as tx:
        before = await rows_read(tx)
        began = time.perf_counter()
        claimed = await service.claim_due(tx, now, BATCH)
        took = time.perf_counter() - began
        rows = await rows_read(tx) - before
    return {"ms": round(took * 1000, 1), "rows_read": rows, "claimed": len(claimed)}


if __name__ == "__main__":
    print(run(20_000, 1_200))
