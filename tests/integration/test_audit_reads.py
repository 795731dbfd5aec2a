"""Who saw or heard what is answered at once, and who sees too much is reported, once an hour."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from sqlalchemy import text

from callcenter.audit_chain import Algorithm
from callcenter.board import AUDITORS, Board, BoardEvent
from callcenter.custody import chain_work, read_watch
from callcenter.custody.anchors import Places
from callcenter.custody.chain_work import ChainWork
from callcenter.custody.read_watch import MOST, MOST_AT_NIGHT, ReadWatch, too_many
from callcenter.db import Database
from tests.support.web import Web, serving, with_people


@pytest.fixture
async def web(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(db, tmp_path) as one:
        yield await with_people(one)


@dataclass
class Screen:
    """Stands where Redis would: keeps what was told."""

    told: list[BoardEvent] = field(default_factory=list)

    async def publish(self, events: tuple[BoardEvent, ...]) -> None:
        self.told += events


async def reads(db: Database, who: str, times: int, action: str = "recording.play", at: str = "now()") -> None:
    async with db.transaction() as tx:
        await tx.execute(
            text(
                f"""INSERT INTO audit (at, actor, action, subject, ok)
                    SELECT {at}, :who, :action, 'recording:' || n, true
                    FROM generate_series(1, CAST(:times AS int)) n"""
            ),
            {"who": who, "action": action, "times": times},
        )


async def alarms(db: Database) -> list[tuple[str, int]]:
    async with db.transaction() as tx:
        query = f"SELECT subject, (detail->>'times')::int FROM audit WHERE action = '{read_watch.ALARM}' ORDER BY id"
        return [(row[0], row[1]) for row in await tx.execute(text(query))]


async def test_who_opens_too_much_in_an_hour_is_reported_once(db: Database) -> None:
    screen = Screen()
    watch = ReadWatch(db, cast(Board, screen))
    await reads(db, "user:li", 1, "identity.reveal")
    await watch.sweep()
    assert await alarms(db) == []
    await reads(db, "user:wang", MOST)
    await reads(db, "user:wang", 1, "ticket.reveal")
    await reads(db, "user:zhao", MOST + 5, at="now() - interval '61 minutes'")
    await watch.sweep()
    await watch.sweep()
    assert await alarms(db) == [("user:wang", MOST + 1)]
    assert [(one.kind, one.audience, one.data["who"]) for one in screen.told] == [
        (read_watch.ALARM, AUDITORS, "user:wang")
    ]


@pytest.mark.parametrize(("local_hour", "alarm"), [(23, True), (3, True), (12, False)])
async def test_at_night_a_few_are_too_many(db: Database, local_hour: int, alarm: bool) -> None:
    now = datetime(2026, 11, 22, (local_hour - 8) % 24, 30, tzinfo=UTC)
    await reads(db, "user:wang", MOST_AT_NIGHT + 1, at=f"'{now.isoformat()}'::timestamptz - interval '5 minutes'")
    async with db.transaction() as tx:
        assert bool(await too_many(tx, now)) is alarm


async def test_an_auditor_asks_who_heard_a_recording(web: Web) -> None:
    await reads(web.db, "user:wang", 5)
    await reads(web.db, "user:li", 3, "recording.export")
    who = await web.get("auditor", "/api/audit", subject="recording:2")
    assert [(row["actor"], row["action"]) for row in who["rows"]] == [
        ("user:li", "recording.export"),
        ("user:wang", "recording.play"),
    ]
    asked = await web.get("auditor", "/api/audit", action="audit.read")
    assert asked["rows"][0]["detail"] == {"subject": "recording:2", "limit": "50"}


async def test_the_audit_is_read_page_by_page(web: Web) -> None:
    await reads(web.db, "user:wang", 5)
    first = await web.get("auditor", "/api/audit", actor="user:wang", limit=3)
    second = await web.get("auditor", "/api/audit", actor="user:wang", limit=3, before=first["next"])
    assert [len(first["rows"]), len(second["rows"]), second["next"]] == [3, 2, None]
    ids = [row["id"] for row in (*first["rows"], *second["rows"])]
    assert ids == sorted(set(ids), reverse=True)
    wrong = await web.ask("auditor", "GET", "/api/audit", params={"before": "1;DROP"})
    assert wrong.status == 422
    none = await web.get("auditor", "/api/audit", actor="user:wang", until="2026-01-01T00:00:00Z")
    assert none["rows"] == []


async def test_ready_says_what_is_wrong_with_the_chain(web: Web, tmp_path: Path) -> None:
    async def told() -> str:
        return str((await web.ask(None, "GET", "/readyz")).body["parts"]["audit"])

    assert "CALLCENTER_ANCHOR_DIR" in await told()
    await reads(web.db, "user:wang", 1)
    await ChainWork(web.db, Algorithm.SHA256, Places(tmp_path / "anchors")).seal()
    assert await told() == "ok"
    await reads(web.db, "user:wang", 1, at="now() - interval '2 minutes'")
    assert "not linked" in await told()
    async with web.db.transaction() as tx:
        assert await chain_work.tip_of(tx) is not None
