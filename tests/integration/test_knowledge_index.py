"""Twenty thousand items: the index finds them, and what a caller says brings the right ones to the agent's screen."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import cycle
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import ClauseElement, Executable, Select

from callcenter.board import Board, BoardEvent
from callcenter.db import Database
from callcenter.flow_knowledge import KnowledgeDesk, KnowledgeWork
from callcenter.flow_tickets import Ground
from callcenter.tables import audit, handling_unit
from callcenter.types import CallId, Party
from callcenter.vault import Vault
from config.sms_loader import load_sms
from tests.support.knowledge import OTHER_REVIEWER, draft, in_use, written
from tests.support.tickets import AGENT, MONDAY, WATER, rules
from tests.support.web import ALL_DAY
from ticketing.clocks import local_day
from ticketing.knowledge import bulk as knowledge_bulk
from ticketing.knowledge import questions as knowledge_questions
from ticketing.knowledge import search as knowledge_search
from ticketing.knowledge import store as knowledge_store
from ticketing.knowledge.bulk import Given
from ticketing.knowledge.items import ItemState
from ticketing.knowledge.tables import knowledge_question
from ticketing.prefill.words import Utterance, Word

TODAY = date(2026, 6, 1)
CALL = CallId("a-1763800000.12")
ITEMS = 20_000
NAMES = tuple(chr(0x4E00 + 7 * n) + chr(0x5E00 + 11 * n) for n in range(1_000))


class Explain(Executable, ClauseElement):
    """EXPLAIN of a statement with its parameters."""

    inherit_cache = False

    def __init__(self, statement: Select[Any]) -> None:
        self.statement = statement


@compiles(Explain, "postgresql")
def _explain(element: Explain, compiler: Any, **more: Any) -> str:
    return f"EXPLAIN {compiler.process(element.statement, **more)}"


async def test_the_index_finds_among_twenty_thousand(tx: AsyncConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    given = [
        Given(n + 1, WATER, "刘工", draft(f"{name}手续{n}", "请到窗口。", keywords=()))
        for n, name in zip(range(ITEMS), cycle(NAMES), strict=False)
    ]
    ids = await knowledge_bulk.add(tx, given, actor=OTHER_REVIEWER, now=MONDAY, rules=rules(), publish=True)
    assert len(set(ids)) == ITEMS
    await tx.execute(text("ANALYZE knowledge_item"))
    asked: list[Select[Any]] = []
    ranked = knowledge_search._ranked

    def kept(*of: Any) -> Select[Any]:
        asked.append(ranked(*of))
        return asked[-1]

    monkeypatch.setattr(knowledge_search, "_ranked", kept)
    page = await knowledge_search.search(tx, NAMES[7], AGENT, TODAY, limit=50)
    assert {hit.item.title[:2] for hit in page.hits} == {NAMES[7]}
    assert len(page.hits) == 20
    for statement in asked:
        plan = "\n".join((await tx.execute(Explain(statement.limit(51)))).scalars())
        assert "knowledge_item_search" in plan
        assert "Seq Scan on knowledge_item" not in plan


# ---- while a citizen speaks


class Screens(Board):
    """Keeps what screens are shown."""

    def __init__(self) -> None:
        self.shown: list[BoardEvent] = []

    async def publish(self, events: tuple[BoardEvent, ...]) -> None:
        self.shown += events


def said(*words: str) -> Utterance:
    return Utterance(Party.CITIZEN, tuple(Word(word, float(n), n + 1.0) for n, word in enumerate(words)))


def items_of(event: BoardEvent) -> list[Mapping[str, Any]]:
    items = event.data["items"]
    assert isinstance(items, list)
    return items  # type: ignore[return-value]


@pytest.mark.clause("GZ-021", "MC-014")
async def test_what_a_caller_says_brings_the_item_to_the_agent_once(db: Database) -> None:
    async with db.transaction() as tx:
        item = await in_use(tx, draft("停水抢修多久", "停水后一般四小时内抢修。"))
        await in_use(tx, draft("燃气安检", "每年一次。", keywords=()))
        await written(tx, draft("停水抢修草稿"))
    screens = Screens()
    desk = KnowledgeDesk(db, screens)
    call = [said("你好"), said("我", "想", "问", "停水", "以后", "多久", "抢修")]
    await desk.listen(CALL, "8001", call)
    (event,) = screens.shown
    assert (event.kind, event.audience, event.data["call"]) == ("knowledge.offered", "8001", CALL)
    (offered,) = items_of(event)
    assert (offered["id"], offered["version"]) == (item.id, 1)
    assert offered["title_html"] == "<em>停水抢修多久</em>"
    assert (offered["quote"], offered["start_s"], offered["end_s"]) == ("停水以后多久抢修", 3.0, 7.0)
    await desk.listen(CALL, "8001", [*call, said("喂")])
    assert len(screens.shown) == 1, "the same is not offered in the next breath"
    await desk.listen(CALL, "8001", [said("谢谢"), said("再见")])
    assert len(screens.shown) == 1


async def test_a_quote_hides_a_number(db: Database) -> None:
    async with db.transaction() as tx:
        await in_use(tx, draft())
    screens = Screens()
    await KnowledgeDesk(db, screens).listen(CALL, "8001", [said("停水", "13800138000", "抢修")])
    (offered,) = items_of(screens.shown[0])
    assert offered["quote"] == "停水138****8000抢修"


async def test_nothing_is_offered_and_nothing_breaks_when_postgresql_is_away() -> None:
    screens = Screens()
    away = Database("postgresql://nobody@/nothing?host=/nonexistent")
    await KnowledgeDesk(away, screens).listen(CALL, "8001", [said("停水", "抢修")])
    assert screens.shown == []
    await away.close()


# ---- the worker's sweep


@pytest.mark.clause("GZ-040")
async def test_the_sweep_expires_tells_and_moves_what_a_new_notice_moves(db: Database) -> None:
    now = datetime.now(UTC)
    ground = Ground(Vault("5a" * 32), rules(), load_sms().texts, ALL_DAY)
    async with db.transaction() as tx:
        await tx.execute(insert(handling_unit), [{"id": "water", "name": "自来水公司", "number": "07737512345"}])
        month_ago, yesterday = now - timedelta(days=30), local_day(now - timedelta(days=1))
        over = await in_use(tx, draft(valid_until=yesterday), now=month_ago)
        late = await knowledge_questions.ask(tx, "停水?", actor=AGENT, now=MONDAY, rules=rules(), unit=WATER)
        # As if this one had been counted before its notice came: due a year ago, by a calendar that is gone.
        early = await knowledge_questions.ask(tx, "电价?", actor=AGENT, now=now, rules=rules(), unit=WATER)
        long_ago = {"due_at": MONDAY - timedelta(days=365), "calendar_version": "gone"}
        await tx.execute(update(knowledge_question).where(knowledge_question.c.id == early.id).values(**long_ago))
    screens = Screens()
    work = KnowledgeWork(db, screens, ground)
    await work.sweep()
    assert {(e.data["what"], e.data["unit"], e.data["subject"]) for e in screens.shown} == {
        ("question", "water", late.id)
    }
    async with db.transaction() as tx:
        assert (await knowledge_store.load(tx, over.id, AGENT)).state is ItemState.EXPIRED
        stored = await knowledge_questions.get(tx, early.id, AGENT)
        assert stored.due_at == early.due_at
        moved = select(audit.c.subject).where(audit.c.action == "knowledge.recalculate")
        assert (await tx.execute(moved)).scalars().all() == [f"question:{early.id}"]
    await work.sweep()
    assert len(screens.shown) == 1, "told once"
