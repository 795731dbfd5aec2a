"""Lists of calls by filter, what a call became, the ledger's settled part, what a supervisor may choose from."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.db import Database
from callcenter.tables import call
from callcenter.web import calls
from callcenter.web.calls import CallQuery
from tests.support import busy_exchange as busy
from tests.support.lives import opened
from tests.support.web import Web, serving, with_people

TEN = datetime(2026, 11, 20, 2, tzinfo=UTC)


@pytest.fixture
async def web(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(db, tmp_path) as one:
        yield await with_people(one)


async def with_calls(web: Web) -> None:
    """1: answered; 2: abandoned, in another queue; 3: goes on; 4: a call-back; 77: three parties, one not recorded."""
    async with web.db.transaction() as tx:
        who = await busy.caller(tx, web.vault)
        met = {"agent_id": "8001", "agent_answered_at": TEN + timedelta(seconds=20)}
        over = {"state": "ended", "ended_at": TEN + timedelta(seconds=90)}
        rows = [
            busy.call_row(1, who, TEN, **met, **over, exit_reason="answered"),
            busy.call_row(2, who, TEN + timedelta(hours=1), queue="enterprise", **over, exit_reason="abandoned"),
            busy.call_row(3, who, TEN + timedelta(hours=2), state="talking", **{**met, "agent_id": "8002"}),
            busy.call_row(4, who, TEN + timedelta(days=1), direction="callback", **met, **over),
        ]
        await tx.execute(insert(call), rows)
        await busy.with_three_party(tx, web.vault, "a-1763800000.77", TEN + timedelta(days=2))


FILTERS: tuple[tuple[dict[str, str], list[int]], ...] = (
    ({}, [77, 4, 3, 2, 1]),
    ({"since": (TEN + timedelta(hours=1)).isoformat(), "until": (TEN + timedelta(hours=2)).isoformat()}, [2]),
    ({"queue": "enterprise"}, [2]),
    ({"agent": "8002"}, [3]),
    ({"direction": "callback"}, [4]),
    ({"missed": "true"}, [2]),
    ({"missed": "false", "agent": "8001"}, [77, 4, 1]),
    ({"recorded": "false"}, [77]),
    ({"open": "true"}, [3]),
    ({"recorded": "true", "open": "false"}, [4, 2, 1]),
)


async def test_calls_are_found(web: Web) -> None:
    await with_calls(web)
    for asked, numbers in FILTERS:
        page = await web.get("auditor", "/api/calls", **asked)
        assert [int(row["id"].rpartition(".")[2]) for row in page["rows"]] == numbers, asked


async def test_every_filter_has_an_index(tx: AsyncConnection) -> None:
    many = """INSERT INTO call (id, node, state, queue, agent_id, agent_answered_at, started_at, ended_at)
              SELECT 'a-1700000000.' || n, 'a', 'ended', 'q' || n % 50, n % 200,
                     CASE WHEN n % 90 > 0 THEN at END, at, at
              FROM (SELECT n, CAST(:now AS timestamptz) - n * interval '1 min' AS at
                    FROM generate_series(1, 40000) n) AS past"""
    await tx.execute(text(many), {"now": TEN})
    await tx.execute(text("ANALYZE call, leg"))
    newest = (call.c.started_at.desc(), call.c.id.desc())
    slow = []
    for asked in ({}, {"agent": "7"}, {"queue": "q7"}, {"missed": True}, {"recorded": False}, {"since": TEN}):
        query = calls._CALLS.where(*calls._asked(CallQuery.model_validate(asked))).order_by(*newest).limit(50)
        plan = text(f"EXPLAIN {query.compile(tx.engine, compile_kwargs={'literal_binds': True})}")
        lines = [str(row[0]) for row in await tx.execute(plan)]
        slow += [(asked, line) for line in lines if "Seq Scan on call" in line]
    assert slow == []


async def test_a_call_tells_its_ticket_to_who_may_see_that(web: Web) -> None:
    await with_calls(web)
    ticket = (await opened(web, title="停水"))["id"]
    async with web.db.transaction() as tx:
        await tx.execute(text("SET LOCAL session_replication_role = replica"))
        own = {"call": "a-1763800000.1", "id": ticket}
        await tx.execute(text("UPDATE ticket SET call_id = :call WHERE id = :id"), own)

    async def told(who: str) -> Any:
        story = await web.get(who, "/api/calls/a-1763800000.1")
        return story["ticket"], story["ticket_title"]

    assert await told("agent") == (ticket, "停水")
    assert await told("admin") == (None, "")
    async with web.db.transaction() as tx:
        await tx.execute(text("SET LOCAL session_replication_role = replica"))
        await tx.execute(text("UPDATE ticket SET flags = '{staff}', state = 'handling' WHERE id = :id"), {"id": ticket})
    assert await told("agent") == (None, "")


async def test_settled_missed_calls_come_newest_first_page_by_page(web: Web) -> None:
    async with web.db.transaction() as tx:
        for number, state in enumerate(("open", "recovered", "superseded", "no_number"), 1):
            at = TEN + timedelta(minutes=number)
            await busy.with_missed(tx, web.vault, f"a-1763800001.{number}", at, state=state)
    first = await web.get("agent", "/api/missed-calls/settled", limit=2)
    cursor = {"before_at": first["next_at"], "before_id": first["next_id"]}
    rest = await web.get("supervisor", "/api/missed-calls/settled", limit=2, **cursor)
    found = [row["state"] for page in (first, rest) for row in page["rows"]]
    assert found == ["no_number", "superseded", "recovered"]
    assert rest["next_at"] is None


async def test_a_supervisor_is_told_what_the_regulation_offers(web: Web) -> None:
    words = await web.get("leader", "/api/supervision-words")
    assert "OTHER" in {one["code"] for one in words["triggers"]}
    assert [one["code"] for one in words["cards"]] == ["sms", "yellow", "red"]
    assert [one for one in words["ladder"] if not one["basis"]] == []
    assert {one["code"] for one in words["outcomes"]} >= {"ACCOUNTABLE"}
