"""Calling a ticket's citizen: who may, when, how often, and what is left of a call that nobody knows the end of."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, text

from callcenter import commands, missed, outgoing, ticket_calls
from callcenter.commands import Result, State
from callcenter.custody import tickets_of_calls
from callcenter.db import Database
from callcenter.tables import audit, call, call_command, handling_unit
from callcenter.ticket_call_tables import ticket_call
from callcenter.types import AgentId, CallId, IdentityId
from callcenter.web.context import Context
from tests.support.lives import FIELDS, ask, handling, opened, registered, surveying
from tests.support.told import lost, with_call
from tests.support.web import PHONE, Answer, Web, serving, with_people

NOON = datetime.now(UTC).replace(hour=4, minute=0) + timedelta(days=1)
"""12:00 in China, after everything the test does."""
NIGHT = NOON.replace(hour=15)


def at(monkeypatch: pytest.MonkeyPatch, now: datetime) -> None:
    """It is this moment for whoever asks."""
    monkeypatch.setattr(Context, "now", property(lambda _: now))


@pytest.fixture
async def web(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(db, tmp_path) as one:
        yield await with_people(one)


def this_second() -> str:
    return datetime.now(UTC).replace(microsecond=0).isoformat()


async def call_citizen(
    web: Web, who: str, made: dict[str, Any], purpose: str = "facts", key: str = "", over_reason: str = "测试"
) -> Answer:
    """over_reason: given, the hour at which the test runs does not matter."""
    path, headers = f"/api/tickets/{made['id']}/call-citizen", {"Idempotency-Key": key} if key else {}
    return await web.ask(who, "POST", path, {"purpose": purpose, "over_reason": over_reason}, headers=headers)


async def rows(web: Web, who: str, made: dict[str, Any]) -> list[dict[str, Any]]:
    return list((await web.get(who, f"/api/tickets/{made['id']}/calls"))["rows"])


async def given_up(web: Web, answer: Answer, state: State) -> CallId:
    """The command ended so."""
    made = CallId(answer.body["call"])
    async with web.db.transaction() as tx:
        await commands.take(tx, "a")
        await commands.finish(tx, answer.body["command"], Result(state, "x", "您的话机没有接听"))
        await outgoing.given_up(tx, made, state, datetime.now(UTC))
    return made


async def test_what_goes_to_the_telephone_carries_no_number_and_is_asked_once(web: Web) -> None:
    made = await handling(web)
    first = await call_citizen(web, "unit", made, key="k1")
    again = await call_citizen(web, "unit", made, key="k1")
    assert (first.status, first.body) == (200, again.body)
    assert first.body["rings"] == "unit"
    async with web.db.transaction() as tx:
        (asked,) = (await tx.execute(select(call_command))).all()
        (looked,) = (await tx.execute(select(audit).where(audit.c.action == "ticket.call_citizen"))).all()
    assert (asked.kind, asked.args["unit"], PHONE in str(asked.args)) == ("call_back", "water", False)
    assert (looked.actor, looked.subject) == ("user:unit", f"ticket:{made['id']}")
    (row,) = await rows(web, "unit", made)
    assert (row["stage"], row["mine"], PHONE in str(row)) == ("ringing_you", True, False)
    assert (await call_citizen(web, "unit", await handling(web), key="k1")).code == "bad_idempotency_key"


async def test_of_many_who_ask_at_once_one_calls(web: Web) -> None:
    made = await handling(web)
    asked = await asyncio.gather(*(call_citizen(web, who, made) for who in ("unit", "supervisor", "agent", "agent2")))
    assert sorted(answer.status for answer in asked) == [200, 409, 409, 409]
    assert {answer.code for answer in asked if answer.status == 409} == {"CitizenOnTheLine"}


async def test_who_may_not_is_told_why(web: Web) -> None:
    made = await handling(web)
    for who, one, code in (
        ("agent", await opened(web), "NotNow"),
        ("reviewer", made, "no_extension"),
        ("unit2", made, "TicketNotFound"),
        ("unit", await handling(web, phone=None), "no_number"),
        ("supervisor", await registered(web), "NotNow"),
    ):
        assert (await call_citizen(web, who, one)).code == code, who
    async with web.db.transaction() as tx:
        await tx.execute(delete(handling_unit).where(handling_unit.c.id == "water"))
    assert (await call_citizen(web, "unit", made)).code == "no_unit_telephone"


@pytest.mark.clause("LS-029")
async def test_a_unit_does_not_call_whose_name_is_confidential_and_the_hotline_does(web: Web) -> None:
    made = await ask(web, "supervisor", await handling(web), "mark", reason="要求保密", confidential=True)
    refused = await call_citizen(web, "unit", made)
    assert (refused.status, "保密" in refused.body["detail"], bool(refused.body["basis"])) == (422, True, True)
    assert (await call_citizen(web, "supervisor", made)).status == 200


async def test_at_night_a_reason_is_needed_and_the_article_is_named(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    made, urgent = await handling(web), await registered(web, phone="13900139000", urgent=True)
    told = {"at": this_second(), "person": "水务值班室"}
    urgent = await ask(web, "dispatcher", urgent, "dispatch", lead="water", basis="职责清单", phone_notice=told)
    urgent = await ask(web, "unit", urgent, "sign", person="水务值班室")
    at(monkeypatch, NIGHT)
    refused = await call_citizen(web, "unit", made, over_reason="")
    assert (refused.status, "之间联系诉求人" in refused.body["detail"]) == (422, True)
    assert refused.body["basis"]
    assert (await web.get("unit", f"/api/tickets/{made['id']}/contact-budget"))["quiet_now"]
    assert (await call_citizen(web, "unit", made, over_reason="诉求人要求夜间联系")).status == 200
    assert (await web.get("unit", f"/api/tickets/{urgent['id']}/contact-budget"))["may_call"]
    assert (await call_citizen(web, "unit", urgent, over_reason="")).status == 200


async def test_nobody_is_asked_about_the_result_more_often_than_the_policy_says(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await surveying(web)
    for _ in range(3):
        talk = {"at": this_second(), "method": "电话", "told": "认可", "purpose": "follow_up", "over_reason": "约定"}
        made = await ask(web, "supervisor", made, "contact", **talk)
    at(monkeypatch, NOON)
    refused = await call_citizen(web, "supervisor", made, "follow_up", over_reason="")
    assert (refused.status, "已达3次" in refused.body["detail"], bool(refused.body["basis"])) == (422, True, True)
    assert (await call_citizen(web, "supervisor", made, "explain")).status == 200, "not a question about the result"


async def test_a_missed_call_is_not_called_back_meanwhile_nor_the_other_way_round(web: Web) -> None:
    made = await handling(web)
    assert (await call_citizen(web, "unit", made)).status == 200
    async with web.db.transaction() as tx:
        caller = IdentityId((await tx.execute(select(ticket_call.c.caller))).scalar_one())
        await missed.record(tx, lost(await with_call(tx, 1, caller)), caller)
        (row,) = await missed.open_rows(tx, after=None, limit=1)
    back = await web.ask("agent", "POST", f"/api/missed-calls/{row.id}/call-back", {})
    assert back.code == "CallBackRunning"
    async with web.db.transaction() as tx:
        await tx.execute(delete(ticket_call))
        await missed.take(tx, row.id, AgentId("8001"), CallId("a-1763800000.900000001"))
    assert (await call_citizen(web, "unit", made)).code == "CitizenOnTheLine"


async def test_who_waits_in_the_queue_is_not_called_about_a_ticket(web: Web) -> None:
    made = await handling(web)
    async with web.db.transaction() as tx:
        caller = (await tx.execute(text("SELECT id FROM identity"))).scalar_one()
        waiting = {"id": "a-1763800000.7", "node": "a", "caller": caller, "state": "queued"}
        await tx.execute(insert(call).values(**waiting, started_at=datetime.now(UTC)))
    assert (await call_citizen(web, "unit", made)).code == "CitizenOnTheLine"


async def test_a_call_nobody_knows_the_end_of_is_unknown_until_its_own_end_settles_it(web: Web) -> None:
    made = await handling(web)
    begun = await given_up(web, await call_citizen(web, "supervisor", made), State.UNKNOWN)
    (row,) = await rows(web, "supervisor", made)
    assert (row["stage"], row["sentence"]) == ("unknown", "您的话机没有接听")
    async with web.db.transaction() as tx:
        assert await ticket_calls.finish(tx, begun, "reached", datetime.now(UTC)) == made["id"]
        assert await ticket_calls.finish(tx, begun, "failed", datetime.now(UTC)) is None
    assert (await call_citizen(web, "supervisor", made)).code == "ContactNotNoted"
    assert (await call_citizen(web, "unit", made)).status == 200, "the hotline's talk is not the unit's to write down"


async def test_only_the_side_that_spoke_writes_the_contact_down_and_once(web: Web) -> None:
    made = await handling(web)
    begun = CallId((await call_citizen(web, "supervisor", made)).body["call"])
    async with web.db.transaction() as tx:
        await ticket_calls.finish(tx, begun, "reached", datetime.now(UTC))
    talk = {"at": this_second(), "method": "电话", "told": "已说明", "over_reason": "测试", "call": begun}
    path = f"/api/tickets/{made['id']}/contact"
    answers = [
        await web.ask(who, "POST", path, {**talk, "version": made["version"] + done})
        for who, done in (("unit", 0), ("supervisor", 0), ("supervisor", 1))
    ]
    assert [one.status for one in answers] == [409, 200, 409]
    assert answers[2].code == "call_noted"
    assert await rows(web, "unit", made) == [], "a unit sees its own calls only"
    assert [row["noted"] for row in await rows(web, "auditor", made)] == [True]


async def test_the_recordings_of_a_call_belong_to_its_ticket(web: Web) -> None:
    made = await handling(web, phone=FIELDS["phone"])
    begun = CallId((await call_citizen(web, "supervisor", made)).body["call"])
    async with web.db.transaction() as tx:
        row = {"id": begun, "node": "a", "direction": "outbound", "state": "ended"}
        await tx.execute(insert(call).values(**row, started_at=NOON, ended_at=NOON))
        assert await tickets_of_calls.open_tickets(tx, [begun]) == {begun: made["id"]}
        assert (await tx.execute(tickets_of_calls.tickets_of(begun))).scalars().all() == [made["id"]]
        assert await ticket_calls.calls_of(tx, made["id"]) == (begun,)
