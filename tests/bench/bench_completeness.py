"""What the watch over recordings costs: a day of 100,000 calls (300,000 legs) behind it, a few new ones before it.

`python -m tests.bench completeness`. The legs, their accounts and their kept recordings are loaded into a private
PostgreSQL (half a minute); then whole turns of the sweep are timed, and the figures of the day.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import text

from callcenter.custody.completeness_work import CompletenessWork
from callcenter.db import Database
from callcenter.migrations import upgrade
from recordings import days
from recordings.accounting import day_of
from tests.support.custody import custody_for_tests
from tests.support.stack import postgres_for_tests

CALLS = 100_000
_TIMES = """(SELECT n, now() - interval '24 hours' + n * interval '86400 s' / {calls} AS c
             FROM generate_series(1, {calls}) n) q"""
_CALL = "'a-' || (1763800000 + n) || '.' || n"
_FILL = (
    f"""INSERT INTO call (id, node, state, started_at, ended_at)
        SELECT {_CALL}, 'a', 'ended', c, c + interval '180 s' FROM {{times}}""",
    *(
        line.replace("PARTY", party)
        for party in ("citizen", "agent", "unit")
        for line in (
            f"""INSERT INTO leg (channel_id, call_id, party, name, created_at, answered_at, ended_at, accounted)
                SELECT 'PARTY-' || n, {_CALL}, 'PARTY', '', c, c, c + interval '180 s', true FROM {{times}}""",
            f"""INSERT INTO leg_account (channel_id, call_id, party, day, answered_at, ended_at, answered_s, audio_s,
                                        gap_s, place, looked_at)
                SELECT 'PARTY-' || n, {_CALL}, 'PARTY', (c AT TIME ZONE 'Asia/Shanghai')::date, c,
                       c + interval '180 s', 180, 180, 0, 'kept', now() FROM {{times}}""",
            f"""INSERT INTO recording (call_id, channel_id, kind, party, path, state, duration_s, size_bytes,
                                      created_at, delete_not_before)
                SELECT {_CALL}, 'PARTY-' || n, 'leg', 'PARTY', 'PARTY-' || n || '.sln', 'verified', 180, 2880000, c,
                       '2029-01-01' FROM {{times}}""",
        )
    ),
)
_KEPT = """INSERT INTO recording_object (recording_id, name, path, custody, codec, cipher, key_id, wrapped_key,
               sealed_bytes, sealed_sha256, frames, sample_rate, channels, stored_at, copied_at)
           SELECT id, gen_random_uuid(), 'p' || id, 'stored', 'flac', 'aes-256-gcm', 'k', 'w', 900000, repeat('0', 64),
               1440000, 8000, 1, created_at, created_at
           FROM recording WHERE id BETWEEN :first AND :first + 9999"""
"""By slices: a trigger guards each row, and a statement has its time."""
_NEW = """UPDATE leg SET accounted = false
          WHERE channel_id IN (SELECT channel_id FROM leg ORDER BY ended_at DESC LIMIT :many)"""


def run(calls: int = CALLS) -> dict[str, Any]:
    """Milliseconds a turn: with nothing new, with what 20 s bring, after an outage; and of the figures of a day."""
    return asyncio.run(_run(calls))


async def _run(calls: int) -> dict[str, Any]:
    async with postgres_for_tests() as server:
        connection = await asyncpg.connect(server.admin_dsn)
        await connection.execute("CREATE DATABASE bench")
        await connection.close()
        database = Database(server.dsn("bench"))
        try:
            await upgrade(database)
            await _fill(database, calls)
            with tempfile.TemporaryDirectory() as folder:
                return await _measured(database, Path(folder) / "spool", calls)
        finally:
            await database.close()


async def _fill(database: Database, calls: int) -> None:
    times = _TIMES.format(calls=calls)
    async with database.transaction() as tx:
        for line in _FILL:
            await tx.execute(text(line.format(times=times)))
    for first in range(1, 3 * calls + 1, 10_000):
        async with database.transaction() as tx:
            await tx.execute(text(_KEPT), {"first": first})
    async with database.engine.connect() as connection:
        whole = await connection.execution_options(isolation_level="AUTOCOMMIT")
        await whole.execute(text("VACUUM ANALYZE"))


async def _measured(database: Database, spool: Path, calls: int) -> dict[str, Any]:
    work = CompletenessWork(database, custody_for_tests(spool))
    await work.watch()
    result: dict[str, Any] = {"legs": 3 * calls, "nothing_new_ms": await _ms(work.watch())}
    for name, many in (("twenty_seconds", max(1, 3 * calls // 4320)), ("backlog", 3 * calls // 32)):
        async with database.transaction() as tx:
            await tx.execute(text(_NEW), {"many": many})
        result |= {f"{name}_legs": many, f"{name}_ms": await _ms(work.watch())}
    now = datetime.now(UTC)
    took: list[float] = []
    for back in (0, 1):
        async with database.transaction() as tx:
            took.append(await _ms(days.compute(tx, day_of(now) - timedelta(days=back), now)))
    return result | {"figures_ms": max(took)}


async def _ms(work: Awaitable[object]) -> float:
    began = time.perf_counter()
    await work
    return round((time.perf_counter() - began) * 1000, 1)


if __name__ == "__main__":
    print(run(10_000))
