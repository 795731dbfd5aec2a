"""What agents wish, kept in PostgreSQL: states, wrap-up, drift."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import agents
from callcenter.agents import NO_ANSWER, PAUSE_REASONS, AgentUnknown, Desired, PauseReasonUnknown, Repair
from callcenter.db import Database, listen
from callcenter.tables import agent_event
from callcenter.types import Actor, AgentId, CallId, QueueName
from tests.support.told import NINE, tell, with_agents, with_call

WHO, OTHER = AgentId("8001"), AgentId("8002")
ME = Actor("user", "wangmin")


@pytest.fixture
async def staffed(tx: AsyncConnection) -> AsyncConnection:
    await with_agents(tx, WHO, OTHER)
    return tx


async def wish(tx: AsyncConnection, desired: Desired, reason: str = "", at: datetime = NINE) -> None:
    await agents.wish(tx, WHO, desired, at=at, actor=ME, reason=reason)


async def story(tx: AsyncConnection) -> list[tuple[str, str, str]]:
    query = select(agent_event).where(agent_event.c.agent_id == WHO).order_by(agent_event.c.id)
    return [(row.kind, row.reason, row.actor) for row in await tx.execute(query)]


async def test_every_wish_is_kept_with_who_made_it(staffed: AsyncConnection) -> None:
    await wish(staffed, Desired.READY)
    await wish(staffed, Desired.PAUSED, "用餐", NINE + timedelta(minutes=1))
    one = await agents.find(staffed, WHO)
    assert (one.desired, one.reason, one.since) == (Desired.PAUSED, "用餐", NINE + timedelta(minutes=1))
    assert await story(staffed) == [("ready", "", "user:wangmin"), ("paused", "用餐", "user:wangmin")]
    assert (await agents.find(staffed, OTHER)).desired == Desired.LOGGED_OUT


@pytest.mark.parametrize("reason", [*PAUSE_REASONS, NO_ANSWER])
async def test_a_reason_from_the_list_is_taken(staffed: AsyncConnection, reason: str) -> None:
    await wish(staffed, Desired.PAUSED, reason)
    assert (await agents.find(staffed, WHO)).reason == reason


@pytest.mark.parametrize("reason", ["", "吃饭", "ACW", "用餐 "])
async def test_a_pause_without_a_known_reason_is_refused(staffed: AsyncConnection, reason: str) -> None:
    with pytest.raises(PauseReasonUnknown):
        await wish(staffed, Desired.PAUSED, reason)
    assert await story(staffed) == []


async def test_an_unknown_extension_is_refused(staffed: AsyncConnection) -> None:
    with pytest.raises(AgentUnknown):
        await agents.wish(staffed, AgentId("8099"), Desired.READY, at=NINE, actor=ME)
    with pytest.raises(AgentUnknown):
        await agents.find(staffed, AgentId("8099"))


async def test_new_queues_come_with_the_wish(staffed: AsyncConnection) -> None:
    queues = [QueueName("hotline"), QueueName("enterprise")]
    await agents.wish(staffed, WHO, Desired.READY, at=NINE, actor=ME, queues=queues)
    assert (await agents.find(staffed, WHO)).queues == tuple(queues)


@pytest.mark.parametrize(
    ("before", "reason", "wraps_up"),
    [(Desired.READY, "", True), (Desired.PAUSED, "会议", False), (Desired.LOGGED_OUT, "", False)],
)
async def test_only_who_is_ready_goes_to_wrap_up(
    staffed: AsyncConnection, before: Desired, reason: str, wraps_up: bool
) -> None:
    await wish(staffed, before, reason)
    call_id = await with_call(staffed, 1)
    assert await agents.wrap_up(staffed, WHO, call_id, at=NINE, wrap_up_s=30) == wraps_up
    one = await agents.find(staffed, WHO)
    assert one.desired == (Desired.WRAP_UP if wraps_up else before)
    assert one.wrap_up_until == (NINE + timedelta(seconds=30) if wraps_up else None)
    assert one.call_id == (call_id if wraps_up else None)


async def test_wrap_up_ends_by_itself_when_its_time_is_over_and_not_before(staffed: AsyncConnection) -> None:
    await wish(staffed, Desired.READY)
    await agents.wrap_up(staffed, WHO, CallId("a-1763800000.1"), at=NINE, wrap_up_s=30)
    assert await agents.end_wrap_ups(staffed, NINE + timedelta(seconds=29.9)) == ()
    assert await agents.end_wrap_ups(staffed, NINE + timedelta(seconds=30)) == (WHO,)
    assert await agents.end_wrap_ups(staffed, NINE + timedelta(seconds=31)) == ()
    one = await agents.find(staffed, WHO)
    assert (one.desired, one.wrap_up_until, one.call_id) == (Desired.READY, None, None)
    assert [kind for kind, _, _ in await story(staffed)] == ["ready", "wrap_up", "ready"]


async def test_what_asterisk_shows_is_news_once(staffed: AsyncConnection) -> None:
    assert [await agents.observe(staffed, WHO, word, NINE) for word in ("idle", "idle", "in_call")] == [
        True, False, True,
    ]  # fmt: skip
    assert (await agents.find(staffed, WHO)).observed == "in_call"


async def test_a_repair_is_noted_as_the_reconcilers(staffed: AsyncConnection) -> None:
    await agents.drift_noted(staffed, Repair("pause", "hotline", WHO, "用餐"), NINE)
    assert await story(staffed) == [("repaired", "pause hotline 用餐", "system:reconciler")]


async def test_what_happened_to_an_agent_cannot_be_changed(db: Database) -> None:
    async with db.transaction() as tx:
        await with_agents(tx, WHO)
        await wish(tx, Desired.READY)
    for change in (agent_event.delete(), agent_event.update().values(kind="paused")):
        with pytest.raises(DBAPIError, match="append-only"):
            async with db.transaction() as tx:
                await tx.execute(change)


async def test_the_reconciler_hears_of_a_wish_when_it_is_committed(db: Database) -> None:
    async with db.transaction() as tx:
        await with_agents(tx, WHO)
    async with listen(db, agents.CHANGED) as told:
        async with db.transaction() as tx:
            await wish(tx, Desired.READY, at=datetime.now(UTC))
            assert told.empty()
        assert await told.get() == WHO


async def test_an_unanswered_ring_in_a_real_trace_pauses_that_agent(staffed: AsyncConnection) -> None:
    for who in (WHO, OTHER):
        await agents.wish(staffed, who, Desired.READY, at=NINE, actor=ME)
    await tell(staffed, "next-agent-answers")
    paused, wrapping_up = await agents.find(staffed, OTHER), await agents.find(staffed, WHO)
    assert (paused.desired, paused.reason) == (Desired.PAUSED, NO_ANSWER)
    assert wrapping_up.desired == Desired.WRAP_UP
