"""Backup and restore of a database of many tickets and many recordings: how long, how large, how much would be lost.

`python -m tests.bench restore`. A base backup while the log is received, then writes go on and the server is killed and
its disk deleted, with and without synchronous commit; a drill restores it with every invariant. Also what the
receiver costs a writer.
"""

import asyncio
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import asyncpg
from sqlalchemy import text

from callcenter import heartbeat
from callcenter.backup.programs import SLOT
from callcenter.db import DatabaseAway
from callcenter.stack import postgres
from tests.support.backups import Hotline, hotline_with_backups
from tests.support.many_tickets import Span, load
from ticketing import store

TICKETS, RECORDINGS = 100_000, 1_000
WRITE_S = 5.0
EVENTS = 5
BATCH = 5_000
EVENT_COLUMNS = (
    "ticket_id", "seq", "round", "kind", "from_state", "to_state", "actor", "actor_unit", "at", "reason", "data",
    "prev_hash", "hash",
)  # fmt: skip
TABLE = "CREATE TABLE acknowledged (n bigint PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp())"


def run(tickets: int = TICKETS, recordings: int = RECORDINGS, write_s: float = WRITE_S) -> dict[str, Any]:
    """Seconds, bytes, commits a second without and with the receiver, drills after the loss of the live database."""
    return asyncio.run(_run(tickets, recordings, write_s))


async def _run(tickets: int, recordings: int, write_s: float) -> dict[str, Any]:
    async with hotline_with_backups("bench-restore", flush=True) as one:
        result: dict[str, Any] = {"tickets": tickets, "recordings": recordings}
        await _fill(one, tickets, recordings)
        await one.as_owner(TABLE, "GRANT ALL ON acknowledged TO callcenter_app", "CHECKPOINT")
        result["commits_per_s_alone"] = (await _write(one, write_s))[0]
        base = await one.base()
        result["base"] = {"s": base.took_s, "bytes": base.plain_bytes, "sealed_bytes": base.sealed_bytes}
        beating = asyncio.create_task(heartbeat.beat(one.db, "bench", lambda: True))
        async with one.receiving(tick_s=0.5):
            await _received(one, synchronous=False)
            result["commits_per_s_received"] = (await _write(one, write_s))[0]
            result["drill"] = _told(await one.drill(sample=100, flush=True))
            await one.as_owner(f"ALTER SYSTEM SET synchronous_standby_names = '{SLOT}'", "SELECT pg_reload_conf()")
            await _received(one, synchronous=True)
            result["commits_per_s_synchronous"] = (await _write(one, write_s))[0]
            await one.as_owner("ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")
            await _received(one, synchronous=False)
            writing = asyncio.create_task(_write(one, 3600.0))
            await asyncio.sleep(write_s)
            await one.destroy()
            acknowledged = (await writing)[1]
        beating.cancel()
        report = await one.drill(sample=0, flush=True)
        result["live_gone"] = _told(report) | {"acknowledged": acknowledged}
        return result


async def _fill(one: Hotline, tickets: int, recordings: int) -> None:
    owner = await asyncpg.connect(one.stack.postgres.url(role=postgres.OWNER))
    await load(owner, tickets, Span.over_years(tickets, 1), pool=min(tickets, 4_000))
    await owner.execute("SET session_replication_role = replica")
    rows = await owner.fetch("SELECT id, state, created_at FROM ticket")
    for first in range(0, len(rows), BATCH):
        events: list[tuple[object, ...]] = []
        newest: list[tuple[str, str]] = []
        for row in rows[first : first + BATCH]:
            events += _history(row["id"], row["state"], row["created_at"])
            newest.append((row["id"], str(events[-1][-1])))
        await owner.copy_records_to_table("ticket_event", records=events, columns=EVENT_COLUMNS)
        await owner.executemany("UPDATE ticket SET last_hash = $2 WHERE id = $1", newest)
    await owner.execute("SET session_replication_role = origin")
    await owner.execute("VACUUM ANALYZE ticket, ticket_event", timeout=600)
    await owner.close()
    await one.recordings(recordings, seconds=60.0)


def _history(id_: str, state: str, at: datetime) -> Iterator[tuple[object, ...]]:
    """As many chained events as `many_tickets` says a ticket has; none of them is of a real person."""
    previous = store.NO_HASH
    for seq in range(1, EVENTS + 1):
        entry = {
            "ticket_id": id_,
            "seq": seq,
            "round": 1,
            "kind": "open" if seq == 1 else "edit",
            "from_state": None if seq == 1 else state,
            "to_state": state,
            "actor": "system:bench",
            "actor_unit": None,
            "at": at,
            "reason": "",
            "data": {},
        }
        chained = store.sha256([previous, entry])
        yield (*(value if name != "data" else "{}" for name, value in entry.items()), previous, chained)
        previous = chained


async def _received(one: Hotline, *, synchronous: bool) -> None:
    while not await one.is_received(synchronous=synchronous):
        await asyncio.sleep(0.05)


async def _write(one: Hotline, seconds: float) -> tuple[float, int]:
    """Commits a second, one after the other, and the newest number that was acknowledged."""
    async with one.db.transaction() as tx:
        number = int((await tx.execute(text("SELECT coalesce(max(n), 0) FROM acknowledged"))).scalar_one())
    began, start = time.monotonic(), number
    while time.monotonic() < began + seconds:
        try:
            async with one.db.transaction() as tx:
                await tx.execute(text("INSERT INTO acknowledged (n) VALUES (:n)"), {"n": number + 1})
        except DatabaseAway:
            break
        number += 1
    return round((number - start) / (time.monotonic() - began), 1), number


def _told(report: Any) -> dict[str, Any]:
    names = ("files_s", "answered_s", "rto_s", "rpo_s", "segments", "tickets", "recordings")
    return {name: getattr(report, name) for name in names} | {"findings": len(report.findings)}


if __name__ == "__main__":
    print(run(2_000, 20, 2.0))
