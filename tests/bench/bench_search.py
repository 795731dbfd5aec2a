"""Lists and searches over a long history of tickets: load, size, how long they take and how many rows they read.

`python -m tests.bench search`. Ten million synthetic tickets of ten years are loaded by COPY into a private PostgreSQL
(some 14 GB of disk, and twenty minutes on two cores), with every index; then each kind of question is
asked many times through `ticketing.lists.find`, as the API does.
"""

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import cycle
from typing import Any

import asyncpg
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.db import Database
from callcenter.migrations import upgrade
from callcenter.types import Actor, Role, TicketId, UnitId
from tests.bench.machine import CannotRun
from tests.support.knowledge import OTHER_REVIEWER, draft
from tests.support.many_tickets import PROBLEMS, SAYINGS, UNITS, Span, load, rare_words, sayings
from tests.support.stack import OURS, postgres_for_tests
from tests.support.tickets import MONDAY, WATER, rules
from ticketing.knowledge import bulk as knowledge_bulk
from ticketing.knowledge import search as knowledge_search
from ticketing.knowledge.bulk import Given
from ticketing.lists import Filter, find
from ticketing.words import State

TICKETS = 10_000_000
ITEMS = 20_000
ASKED = 60
AGENT = Actor("user", "bench", frozenset({Role.AGENT}))
KEPT_INDEXES = frozenset({"ticket_pkey", "ticket_words_pkey"})
BYTES_A_TICKET = 1_500


@dataclass(frozen=True, slots=True)
class Question:
    """One kind of question: who asks, and for what, with another word each time."""

    name: str
    actor: Actor
    filters: Callable[[Span, int], Iterator[Filter]]
    after: bool = False


def _same(one: Filter) -> Callable[[Span, int], Iterator[Filter]]:
    return lambda *_: cycle([one])


def _words(*words: str) -> Callable[[Span, int], Iterator[Filter]]:
    return lambda *_: (Filter(text=word) for word in cycle(words))


def _unit(number: int) -> Actor:
    return Actor("user", "bench", frozenset({Role.UNIT}), UnitId(UNITS[number]))


QUESTIONS: tuple[Question, ...] = (
    Question("list, newest", AGENT, _same(Filter())),
    Question("list, from the middle", AGENT, _same(Filter()), after=True),
    Question("list, one state", AGENT, _same(Filter(states=(State.HANDLING,)))),
    Question("list, one unit's", _unit(7), _same(Filter())),
    Question("search, common word", AGENT, _words(*PROBLEMS[:10])),
    Question("search, common word, from the middle", AGENT, _words(*PROBLEMS[:10]), after=True),
    Question("search, every ticket says it", AGENT, _words("希望", "反映多次")),
    Question("search, rare word", AGENT, lambda *_: (Filter(text=word) for word in rare_words(ASKED))),
    Question("search, two words", AGENT, lambda *_: (Filter(text=f"{one.place[:3]} {one.title}") for one in sayings())),
    Question("search, word nobody says", AGENT, _words("鳄鱼", "火星", "恐龙蛋")),
    Question("search, common word, one unit's", _unit(7), _words(*PROBLEMS[:10])),
    Question("search, rare word, one unit's", _unit(7), lambda *_: (Filter(text=word) for word in rare_words(ASKED))),
    Question("search, end of a number", AGENT, _words("000017", "000123")),
    Question("ticket by its number", AGENT, lambda span, n: (Filter(text=span.id_of(i * 131 % n)) for i in range(n))),
)


def run(tickets: int = TICKETS, items: int = ITEMS, asked: int = ASKED) -> dict[str, Any]:
    """`load`: seconds and bytes; `questions` and `knowledge`: p50 and p99 in ms, rows read for one question."""
    return asyncio.run(_run(tickets, items, asked))


async def _run(tickets: int, items: int, asked: int) -> dict[str, Any]:
    async with postgres_for_tests() as server:
        await _room(server.admin_dsn, tickets)
        database = Database(server.dsn("bench_search"))
        await upgrade(database)
        span = Span.over_years(tickets)
        result: dict[str, Any] = {"tickets": tickets, "load": await _load(database, tickets, span)}
        result["questions"] = [await _ask(database, one, span, tickets, asked) for one in QUESTIONS]
        result["knowledge"] = await _knowledge(database, items, asked)
        await database.close()
        return result


async def _room(admin_dsn: str, tickets: int) -> None:
    free = shutil.disk_usage(OURS.parents[1]).free
    if free < tickets * BYTES_A_TICKET * 1.2:
        raise CannotRun(f"{tickets:,} tickets need {tickets * BYTES_A_TICKET * 1.2 / 2**30:.0f} GiB of free disk")
    admin = await asyncpg.connect(admin_dsn)
    await admin.execute("CREATE DATABASE bench_search")
    await admin.close()


async def _load(database: Database, tickets: int, span: Span) -> dict[str, Any]:
    connection = await asyncpg.connect(database.asyncpg_dsn)
    for setting in ("synchronous_commit = off", "maintenance_work_mem = '1GB'", "max_parallel_maintenance_workers = 1"):
        await connection.execute(f"SET {setting}")
    made = await _drop_indexes(connection)
    began = time.monotonic()
    await load(connection, tickets, span, min(SAYINGS, tickets))
    result: dict[str, Any] = {"copy_s": round(time.monotonic() - began, 1)}
    for name, definition in made.items():
        began = time.monotonic()
        await connection.execute(definition, timeout=7_200)
        result[f"{name}_s"] = round(time.monotonic() - began, 1)
    await connection.execute("VACUUM ANALYZE ticket, ticket_words", timeout=7_200)
    sizes = {
        "ticket_bytes": "pg_table_size('ticket')",
        "ticket_index_bytes": "pg_indexes_size('ticket')",
        "words_bytes": "pg_table_size('ticket_words')",
        "words_index_bytes": "pg_relation_size('ticket_words_by_word')",
    }
    for name, size in sizes.items():
        result[name] = await connection.fetchval(f"SELECT {size}")
    await connection.close()
    return result


async def _drop_indexes(connection: "asyncpg.Connection[Any]") -> dict[str, str]:
    """Indexes are quicker made at the end. Name -> how to make it."""
    rows = await connection.fetch(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename IN ('ticket', 'ticket_words')"
    )
    made = {row["indexname"]: row["indexdef"] for row in rows if row["indexname"] not in KEPT_INDEXES}
    keys = await connection.fetch(
        "SELECT conname FROM pg_constraint WHERE contype = 'u' AND conrelid = 'ticket'::regclass"
    )
    for key in keys:
        await connection.execute(f"ALTER TABLE ticket DROP CONSTRAINT {key['conname']}")
    for name in made.keys() - {key["conname"] for key in keys}:
        await connection.execute(f"DROP INDEX {name}")
    return made


async def _ask(database: Database, one: Question, span: Span, tickets: int, asked: int) -> dict[str, Any]:
    """Every question once untimed, so that plans and pages are warm, as they are in a hotline's day."""
    after = TicketId(span.id_of(tickets // 2)) if one.after else None
    took: list[float] = []
    found = rows = 0
    for wanted in _first(one.filters(span, tickets), asked):
        for timed in (False, True):
            async with database.transaction() as tx:
                before = await rows_read(tx)
                began = time.perf_counter()
                page = await find(tx, wanted, actor=one.actor, after=after)
                if timed:
                    took.append(time.perf_counter() - began)
                    found += len(page.tickets)
                    rows = max(rows, await rows_read(tx) - before)
    row = {"name": one.name, "p50_ms": _at(took, 0.5), "p99_ms": _at(took, 0.99), "slowest_rows_read": rows}
    return row | {"found": round(found / len(took), 1)}


def _first(filters: Iterator[Filter], count: int) -> Iterator[Filter]:
    return (wanted for wanted, _ in zip(filters, range(count), strict=False))


async def rows_read(tx: AsyncConnection) -> int:
    """Rows this connection has fetched and not yet reported, by index or by reading a table through."""
    query = "SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables"
    return int((await tx.execute(text(query))).scalar_one() or 0)


async def _knowledge(database: Database, items: int, asked: int) -> dict[str, Any]:
    given = [
        Given(n + 1, WATER, "刘工", draft(f"{one.title}办理须知{n}", one.content * 3, keywords=(one.title[:2],)))
        for n, one in zip(range(items), cycle(sayings(min(items, 4_000))), strict=False)
    ]
    began = time.monotonic()
    async with database.transaction() as tx:
        await knowledge_bulk.add(tx, given, actor=OTHER_REVIEWER, now=MONDAY, rules=rules(), publish=True)
    loaded_s = time.monotonic() - began
    async with database.engine.connect() as connection:
        await (await connection.execution_options(isolation_level="AUTOCOMMIT")).execute(
            text("VACUUM ANALYZE knowledge_item")
        )
    took: dict[str, list[float]] = {"word": [], "question": []}
    for number, problem in zip(range(asked), cycle(PROBLEMS), strict=False):
        for kind, said in (("word", problem[:2]), ("question", f"我想问一下{problem}要怎么办，找谁处理?")):
            async with database.transaction() as tx:
                began = time.perf_counter()
                await knowledge_search.search(tx, said, AGENT, date(2026, 6, 1))
                if number:
                    took[kind].append(time.perf_counter() - began)
    times = {
        f"{kind}_{share}_ms": _at(many, p) for kind, many in took.items() for share, p in (("p50", 0.5), ("p99", 0.99))
    }
    return {"items": items, "import_s": round(loaded_s, 1), **times}


def _at(times: list[float], share: float) -> float:
    ordered = sorted(times) or [0.0]
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 1)


if __name__ == "__main__":
    print(run(200_000, 2_000, 20))
