"""Tickets found by words: what is found and by whom, what the index keeps, and that it is the index that finds."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest
from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import ClauseElement, Executable, Select

from callcenter.db import Database
from callcenter.types import Actor, CallId, Role, TicketId, UnitId
from tests.support.many_tickets import Span, load, rare_words
from tests.support.tickets import AGENT, DISPATCHER, FIELDS, MONDAY, ROADS_MAN, WATER, WATER_MAN, rules
from ticketing import commands, service
from ticketing.commands import Changes
from ticketing.lists import Filter, find
from ticketing.search import search
from ticketing.search.search import TooShort
from ticketing.search.tables import ticket_words

_calls = iter(range(100_000))


class Explain(Executable, ClauseElement):
    """EXPLAIN of a statement with its parameters."""

    inherit_cache = False

    def __init__(self, statement: Select[Any]) -> None:
        self.statement = statement


@compiles(Explain, "postgresql")
def _explain(element: Explain, compiler: Any, **more: Any) -> str:
    return f"EXPLAIN {compiler.process(element.statement, **more)}"


async def registered(tx: AsyncConnection, content: str, at: datetime = MONDAY, **fields: Any) -> TicketId:
    call_id = CallId(f"a-1763800000.{next(_calls) + 1}")
    ticket = await service.open_draft(tx, actor=AGENT, now=at, rules=rules(), call_id=call_id)
    given = replace(FIELDS, content=content, **fields)
    done = await service.register(
        tx, ticket.id, fields=given, actor=AGENT, now=at, rules=rules(), intake_exception="经站长同意"
    )
    return done.id


async def at_water(tx: AsyncConnection, content: str, at: datetime = MONDAY) -> TicketId:
    ticket_id = await registered(tx, content, at)
    dispatch = commands.Dispatch(WATER)
    await service.carry_out(tx, ticket_id, dispatch, actor=DISPATCHER, now=at, rules=rules())
    return ticket_id


async def found(tx: AsyncConnection, words: str, actor: Actor = AGENT, **more: Any) -> list[TicketId]:
    return [ticket.id for ticket in (await find(tx, Filter(text=words), actor=actor, **more)).tickets]


SAID = "龙胜镇桂龙路停水两天了,ATM机旁100%漏水，请打13800138000。"
FOUND_BY = ["停水", "停水两天", "两天了", "漏水 桂龙", "ＡＴＭ", "atm机", "100%", "138001", "8000", "桂龙路 停水"]
NOT_BY = ["停电", "停水三天", "水两 停电", "桂龙街", "100_", "1390", "天停水"]


async def test_what_finds_a_ticket_and_what_does_not(tx: AsyncConnection) -> None:
    mine = await registered(tx, SAID)
    await registered(tx, "路灯坏了", place="新华街")
    for words in FOUND_BY:
        assert await found(tx, words) == [mine], words
    for words in NOT_BY:
        assert await found(tx, words) == [], words


@pytest.mark.parametrize("words", ["水", "%", "?!", "。", "水 路"])
async def test_a_word_without_a_token_is_told_to_be_too_short(tx: AsyncConnection, words: str) -> None:
    with pytest.raises(TooShort, match="两个"):
        await found(tx, words)


async def test_a_number_finds_its_ticket_by_its_beginning_and_its_end(tx: AsyncConnection) -> None:
    mine = await registered(tx, SAID)
    other = await registered(tx, "路灯坏了", MONDAY + timedelta(days=40))
    assert await found(tx, mine) == [mine]
    assert await found(tx, mine[:8]) == [mine]
    assert await found(tx, other[:6] + "0") == []
    assert set(await found(tx, mine[-6:])) == {mine, other}, "the first of their days"


async def test_a_unit_finds_only_its_own_tickets(tx: AsyncConnection) -> None:
    mine = await at_water(tx, SAID)
    await registered(tx, SAID)
    assert await found(tx, "停水", WATER_MAN) == [mine]
    assert await found(tx, "停水", ROADS_MAN) == []
    assert await found(tx, mine, ROADS_MAN) == []
    two = await find(tx, Filter(text="停水", unit=WATER), actor=AGENT)
    assert [ticket.id for ticket in two.tickets] == [mine]


async def test_a_unit_that_joins_later_finds_it_too(tx: AsyncConnection) -> None:
    mine = await at_water(tx, SAID)
    assist = commands.AddAssist(UnitId("roads"), "需要开挖路面")
    await service.carry_out(tx, mine, commands.Sign(), actor=WATER_MAN, now=MONDAY, rules=rules())
    await service.carry_out(tx, mine, assist, actor=DISPATCHER, now=MONDAY, rules=rules())
    assert await found(tx, "停水", ROADS_MAN) == [mine]


async def test_an_edited_ticket_is_found_by_its_new_words_only(tx: AsyncConnection) -> None:
    mine = await registered(tx, SAID)
    edit = commands.Edit(Changes(title="燃气", content="燃气灶打不着火"), "登记有误")
    await service.carry_out(tx, mine, edit, actor=AGENT, now=MONDAY, rules=rules())
    assert await found(tx, "燃气") == [mine]
    assert await found(tx, "漏水") == []


async def test_a_step_that_changes_no_word_leaves_the_index_alone(tx: AsyncConnection) -> None:
    mine = await at_water(tx, SAID)
    written = (await tx.execute(text("SELECT ctid FROM ticket_words"))).scalar_one()
    for detail in (commands.Sign(), commands.Start()):
        await service.carry_out(tx, mine, detail, actor=WATER_MAN, now=MONDAY, rules=rules())
    assert (await tx.execute(text("SELECT ctid FROM ticket_words"))).scalar_one() == written


async def test_a_draft_without_words_has_no_row(tx: AsyncConnection) -> None:
    await service.open_draft(tx, actor=AGENT, now=MONDAY, rules=rules(), key="k")
    assert (await tx.execute(select(ticket_words))).all() == []


async def test_two_words_that_share_a_number_show_nothing_wrong(tx: AsyncConnection) -> None:
    """32 bits are few: the ticket itself is read again before it is shown."""
    mine = await registered(tx, SAID)
    other = await registered(tx, "路灯坏了", place="新华街")
    same = (await tx.execute(select(ticket_words.c.words).where(ticket_words.c.ticket_id == mine))).scalar_one()
    await tx.execute(update(ticket_words).where(ticket_words.c.ticket_id == other).values(words=same))
    assert await found(tx, "停水") == [mine]


async def test_pages_run_over_months_newest_first(tx: AsyncConnection) -> None:
    mine = [await registered(tx, SAID, MONDAY + timedelta(days=23 * n)) for n in range(8)]
    seen: list[TicketId] = []
    after: str | None = None
    while True:
        page = await find(tx, Filter(text="停水"), actor=AGENT, limit=3, after=after)
        seen += [ticket.id for ticket in page.tickets]
        after = page.after
        if after is None:
            break
    assert seen == mine[::-1]


async def test_nobody_without_a_place_finds_anything(tx: AsyncConnection) -> None:
    nobody = Actor("user", "x", frozenset({Role.ADMIN}))
    with pytest.raises(Exception, match="不能查看工单"):
        await found(tx, "停水", nobody)


@pytest.fixture
async def many(db: Database) -> Span:
    """20,000 tickets over ten years."""
    span = Span.over_years(20_000)
    connection = await asyncpg.connect(db.asyncpg_dsn)
    await load(connection, 20_000, span, pool=4_000)
    await connection.execute("ANALYZE ticket, ticket_words")
    await connection.close()
    return span


async def test_the_index_finds_and_a_common_word_costs_one_look(many: Span, db: Database, monkeypatch: Any) -> None:
    looked: list[Select[Any]] = []
    look = search._look

    def kept(*given: Any) -> Select[Any]:
        looked.append(look(*given))
        return looked[-1]

    monkeypatch.setattr(search, "_look", kept)
    async with db.transaction() as tx:
        page = await find(tx, Filter(text="停水"), actor=AGENT, limit=10)
        assert len(page.tickets) == 10
        assert [one.id for one in page.tickets] == sorted((one.id for one in page.tickets), reverse=True)
        assert len(looked) <= 2, "the newest half-months fill the page"
        (rare,) = rare_words(1, 4_000)
        page = await find(tx, Filter(text=rare), actor=AGENT)
        assert len(page.tickets) == 5
        assert len(looked) <= 7, "ten years are 241 half-months"
        await tx.execute(text("SET LOCAL enable_seqscan = off"))
        for statement in looked:
            plan = "\n".join((await tx.execute(Explain(statement.limit(250)))).scalars())
            assert "ticket_words_by_word" in plan


async def test_a_search_leaves_the_transactions_settings_as_they_were(tx: AsyncConnection) -> None:
    shown = [text(f"SHOW {name}") for name in search.BY_INDEX]
    before = [(await tx.execute(one)).scalar_one() for one in shown]
    await registered(tx, SAID)
    assert len(await found(tx, "停水")) == 1
    assert [(await tx.execute(one)).scalar_one() for one in shown] == before
