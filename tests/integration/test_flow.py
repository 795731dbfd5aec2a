"""Recorded calls told to the story on a real PostgreSQL: the rows they leave and what screens show."""

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import Table, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import missed
from callcenter.agents import Desired
from callcenter.call_events import LegSeen
from callcenter.commands import Kind
from callcenter.db import Database
from callcenter.tables import agent, agent_event, call, call_command, call_event, leg, missed_call, talk
from callcenter.types import AgentId, CallId, Party, PhoneNumber
from tests.support.told import NINE, VAULT, lost, tell, trace, with_agents, with_call
from ticketing.tables import ticket

STORIES = (
    "abandoned",
    "agent-hangs-up",
    "agent-vanishes",
    "asked-for-call-back",
    "citizen-hangs-up",
    "hung-up-in-menu",
    "next-agent-answers",
    "supervisor-listens",
    "taken-back",
    "taken-back-in-vain",
    "three-party",
    "unit-busy",
)
NOT_COMPARED = frozenset({"id", "noted_at", "asked_at"})


async def rows(tx: AsyncConnection, table: Table) -> list[dict[str, Any]]:
    """The rows of a table in the order they were written, without what the database itself gives."""
    order = [column for column in (table.c.get("id"),) if column is not None and table is not call]
    found = await tx.execute(select(table).order_by(*order))
    return [{k: v for k, v in row._mapping.items() if k not in NOT_COMPARED or table is call} for row in found]


async def written(tx: AsyncConnection) -> dict[str, Any]:
    kept = {table.name: await rows(tx, table) for table in (call, call_event, missed_call, call_command)}
    for table, key in ((leg, "channel_id"), (talk, "from_at")):
        kept[table.name] = sorted(await rows(tx, table), key=lambda row, key=key: (row[key], row["channel_id"]))  # type: ignore[misc]
    return kept


@pytest.mark.parametrize("story", STORIES)
async def test_however_the_changes_come_in_batches_the_rows_are_the_same(
    db: Database, tx: AsyncConnection, story: str
) -> None:
    async with db.transaction() as known:
        for event in trace(story):
            if isinstance(event, LegSeen) and event.who.isdigit():
                await VAULT.identity_of(known, PhoneNumber(event.who))
    async with db.engine.connect() as other:
        one_by_one = await other.begin()
        await with_agents(other, "8001", "8002")
        told = await tell(other, story)
        singly = await written(other)
        await one_by_one.rollback()
    await with_agents(tx, "8001", "8002")
    at_once = await tell(tx, story, at_once=1000)
    assert await written(tx) == singly
    assert [event.kind for event in at_once] == [event.kind for event in told]


async def commands(tx: AsyncConnection) -> list[tuple[str, dict[str, Any]]]:
    query = select(call_command.c.kind, call_command.c.args).order_by(call_command.c.id)
    return [(row.kind, row.args) for row in await tx.execute(query)]


async def test_an_answered_call_opens_one_draft_for_its_caller_and_asks_for_the_tap(tx: AsyncConnection) -> None:
    await with_agents(tx, "8001")
    shown = await tell(tx, "agent-hangs-up")
    (draft,) = (await tx.execute(select(ticket))).all()
    record = (await tx.execute(select(call))).one()
    assert (draft.state, draft.call_id, draft.requester, draft.request_type) == (
        "draft", record.id, record.caller, "投诉",
    )  # fmt: skip
    assert await VAULT.number_of(tx, record.caller) == PhoneNumber("13900000002")
    assert await commands(tx) == [(Kind.TAP, {})]
    (popped,) = [event for event in shown if event.kind == "call.ringing"]
    assert (popped.audience, popped.data["caller"], popped.data["request_type"]) == ("8001", "139****0002", "投诉")


LEFT: Sequence[tuple[str, str, list[str]]] = (
    ("three-party", "goodbye after a unit", [Kind.TAP, Kind.GOODBYE]),
    ("agent-vanishes", "back to the queue, and a second tap is not asked for", [Kind.TAP, Kind.REQUEUE]),
    ("unit-busy", "the agent's leg in the conference is ended", [Kind.TAP, Kind.END_OTHERS]),
    ("citizen-hangs-up", "the queue's bridge ends by itself", [Kind.TAP]),
    ("abandoned", "nobody to end", []),
    ("taken-back", "the end of the leg that was left behind strands nobody", [Kind.TAP, Kind.END_OTHERS]),
    ("taken-back-in-vain", "back to the queue", [Kind.TAP, Kind.REQUEUE]),
)


@pytest.mark.parametrize(("story", "why", "asked"), LEFT, ids=[story for story, _, _ in LEFT])
async def test_what_is_asked_of_asterisk_when_somebody_leaves(
    tx: AsyncConnection, story: str, why: str, asked: list[str]
) -> None:
    await with_agents(tx, "8001", "8002")
    await tell(tx, story)
    assert [kind for kind, _ in await commands(tx)] == asked, why


@pytest.mark.parametrize("story", ["taken-back", "taken-back-in-vain"])
async def test_after_work_begins_when_the_agents_last_leg_has_ended(tx: AsyncConnection, story: str) -> None:
    await with_agents(tx, "8001", "8002")
    await tx.execute(update(agent).values(desired=Desired.READY))
    shown = await tell(tx, story)
    legs = (await tx.execute(select(leg).where(leg.c.party == Party.AGENT, leg.c.who == "8001"))).all()
    assert len(legs) == 2
    noted = select(agent_event.c.at).where(agent_event.c.agent_id == "8001", agent_event.c.kind == Desired.WRAP_UP)
    assert (await tx.execute(noted)).scalars().all() == [max(one.ended_at for one in legs)]
    left = [event.data["moved"] for event in shown if event.kind == "call.left" and event.data["party"] == "agent"]
    assert left[:2] == [True, False]


async def test_a_promised_call_back_is_in_the_ledger_as_promised(tx: AsyncConnection) -> None:
    await tell(tx, "asked-for-call-back")
    (row,) = await missed.open_rows(tx, after=None, limit=10)
    assert (row.reason, row.asked, row.state) == ("surge", True, "open")


async def test_a_call_back_carries_its_citizen_and_settles_all_their_rows(tx: AsyncConnection) -> None:
    await with_agents(tx, "8001")
    own = CallId(trace("called-back")[0].call_id)
    who = await VAULT.identity_of(tx, PhoneNumber("13900000011"))
    for number in (1, 2):
        await missed.record(tx, lost(await with_call(tx, number, who)), who)
    first, second = await missed.open_rows(tx, after=None, limit=10)
    await missed.take(tx, first.id, AgentId("8001"), own)
    await tell(tx, "called-back")
    query = select(missed_call.c.state, missed_call.c.resolved_by).order_by(missed_call.c.id)
    assert [tuple(row) for row in await tx.execute(query)] == [("recovered", own), ("superseded", own)]
    assert second.at == NINE
    assert (await tx.execute(select(call.c.caller).where(call.c.id == own))).scalar_one() == who
    assert (await tx.execute(select(ticket.c.requester).where(ticket.c.call_id == own))).scalar_one() == who


async def test_a_call_back_to_a_busy_citizen_stays_open(tx: AsyncConnection) -> None:
    await with_agents(tx, "8001")
    own = CallId(trace("not-called-back")[0].call_id)
    who = await VAULT.identity_of(tx, PhoneNumber("13900000012"))
    await missed.record(tx, lost(await with_call(tx, 1, who)), who)
    (row,) = await missed.open_rows(tx, after=None, limit=10)
    await missed.take(tx, row.id, AgentId("8001"), own)
    await tell(tx, "not-called-back")
    (row,) = await missed.open_rows(tx, after=None, limit=10)
    assert (row.state, row.attempts) == ("open", 1)
    assert (await tx.execute(select(ticket.c.id))).all() == []
    assert (await tx.execute(select(agent.c.desired))).scalar_one() == "logged_out"
