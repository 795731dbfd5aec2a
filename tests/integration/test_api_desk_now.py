"""What the agent's desk finds again after a reload, and what intake chooses from."""

from base64 import b64decode
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from callcenter import agents
from callcenter.agents import Desired
from callcenter.commands import Kind
from callcenter.db import Database
from callcenter.tables import agent, audit, call, call_command, leg, user_account
from callcenter.types import Actor, AgentId, CallId, IdentityId, Role, TicketId
from tests.support.desk import CALL, ring, rings, said
from tests.support.lives import EXCEPTION, ask, opened, registered
from tests.support.web import Web, serving, with_people
from ticketing.lists import earlier_tickets

NOBODY = Actor("system", "test")


@pytest.fixture
async def web(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(db, tmp_path) as one:
        yield await with_people(one)


async def test_a_reloaded_desk_finds_its_ringing_call_and_who_called_before(web: Web) -> None:
    earlier = await registered(web)
    secret = await ask(web, "agent", await opened(web, flags=["staff"]), "register", intake_exception=EXCEPTION)
    await ask(web, "agent", secret, "forward")
    await ring(web)
    now = await web.get("agent", "/api/desk")
    shown = now["call"]
    assert (shown["id"], shown["state"], shown["caller"], shown["ticket"]) == (CALL, "ringing", "138****8000", None)
    assert [(one["id"], one["state_name"]) for one in shown["earlier_tickets"]] == [(earlier["id"], "已登记")]
    assert now["pauses"] == list(agents.PAUSE_REASONS)
    assert (await web.get("agent2", "/api/desk"))["call"] is None
    hints = (await web.get("agent", "/api/repeats", identity=shown["identity"]))["rows"]
    assert [one["id"] for one in hints if one["same_person"]] == [earlier["id"]]


async def test_in_the_call_it_knows_the_draft_and_whom_it_is_bringing_in(web: Web) -> None:
    ticket = await rings(web)
    async with web.db.transaction() as tx:
        row = {"key": "c", "node": "a", "call_id": CALL, "kind": Kind.CONSULT, "args": {"unit": "water"}, "actor": "x"}
        await tx.execute(insert(call_command).values(**row))
    shown = (await web.get("agent", "/api/desk"))["call"]
    assert (shown["state"], shown["ticket"], shown["unit"]) == ("talking", ticket, "")
    async with web.db.transaction() as tx:
        unit = {"channel_id": "u-1", "call_id": CALL, "party": "unit", "name": "PJSIP/unit-1"}
        await tx.execute(insert(leg).values(**unit, created_at=datetime.now(UTC)))
    shown = (await web.get("agent", "/api/desk"))["call"]
    assert (shown["unit"], shown["unit_name"]) == ("water", "water")


async def test_a_wrapped_up_call_stays_on_the_desk_and_its_draft_afterwards(web: Web) -> None:
    ticket = await rings(web)
    now, mine = datetime.now(UTC), AgentId("8001")
    async with web.db.transaction() as tx:
        await tx.execute(update(call).values(state="ended", ended_at=now))
        await tx.execute(update(leg).values(ended_at=now))
        await agents.wish(
            tx, mine, Desired.WRAP_UP, at=now, actor=NOBODY, wrap_up_s=30, call_id=CallId(CALL)
        )  # fmt: skip
    found = await web.get("agent", "/api/desk")
    assert (found["call"]["id"], found["call"]["state"], found["call"]["ticket"]) == (CALL, "ended", ticket)
    assert datetime.fromisoformat(found["agent"]["wrap_up_until"]) == now + timedelta(seconds=30)
    await web.post("agent", "/api/desk/ready")
    own = await opened(web)
    found = await web.get("agent", "/api/desk")
    assert found["call"] is None
    assert [one["id"] for one in found["drafts"]] == [own["id"], ticket]
    assert (await web.get("agent2", "/api/desk"))["drafts"] == []


async def test_somebody_without_a_telephone_still_sees_their_drafts(web: Web) -> None:
    async with web.db.transaction() as tx:
        await tx.execute(update(agent).values(user_id=None))
    own = await opened(web)
    async with web.db.transaction() as tx:
        await tx.execute(update(user_account).where(user_account.c.login == "agent").values(extension=None))
    found = await web.get("agent", "/api/desk")
    assert (found["agent"], [one["id"] for one in found["drafts"]]) == (None, [own["id"]])


async def test_the_lists_of_intake_come_with_their_articles(web: Web) -> None:
    lists = await web.get("dispatcher", "/api/intake-options")
    assert {"求助", "投诉"} <= set(lists["request_types"])
    assert {"code": "01.02", "name": "路灯照明", "group": "城乡建设"} in lists["subjects"]
    assert lists["exception"].startswith("第"), "longsheng does not take requests from the public"
    assert all(row["basis"] for row in lists["rejects"])
    again = await web.get("agent", "/api/intake-options", policy=lists["policy"])
    assert again == lists
    unknown = await web.ask("agent", "GET", "/api/intake-options?policy=longsheng@99")
    assert unknown.status == 404


async def test_what_is_promised_is_later_than_every_step_before_it(web: Web) -> None:
    asked = {"request_type": "求助", "source": "电话"}
    rows = (await web.post("agent", "/api/intake-dues", asked))["rows"]
    due = {row["kind"]: row for row in rows}
    assert due["handle"]["basis"].startswith("第")
    moments = [datetime.fromisoformat(row["due_at"]) for row in rows]
    assert min(moments) > datetime.now(UTC)
    assert due["handle"]["due_at"] == max(row["due_at"] for row in rows)
    urgent = (await web.post("agent", "/api/intake-dues", {**asked, "urgent": True}))["rows"]
    assert next(row["due_at"] for row in urgent if row["kind"] == "handle") < due["handle"]["due_at"]
    assert (await web.post("agent", "/api/intake-dues", {}))["rows"] == [], "nothing is promised before it has a type"


async def test_suggestions_are_read_by_the_calls_own_agent_without_a_line_each_time(web: Web) -> None:
    ticket = await rings(web)
    await said(web, ticket, "龙胜镇桂龙路停水两天了")
    for who, lines in (("agent", 0), ("agent2", 1)):
        told: dict[str, Any] = await web.get(who, f"/api/tickets/{ticket}/suggestions")
        assert {"content", "summary"} & {one["field"] for one in told["suggestions"]}
        async with web.db.transaction() as tx:
            read = select(func.count()).where(audit.c.action == "suggestions.read")
            assert (await tx.execute(read)).scalar_one() == lines, who


async def test_a_draft_key_is_a_persons_own_and_stays_the_same(web: Web) -> None:
    keys = [(await web.get(who, "/api/draft-key"))["key"] for who in ("agent", "agent", "agent2")]
    assert keys[0] == keys[1] != keys[2]
    assert len(b64decode(keys[0])) == 32


async def test_a_card_names_its_agent_and_hides_what_is_about_staff(web: Web) -> None:
    staff = await ask(web, "agent", await opened(web, flags=["staff"]), "register", intake_exception=EXCEPTION)
    await ask(web, "agent", staff, "forward")
    await ring(web)
    async with web.db.transaction() as tx:
        caller = IdentityId((await tx.execute(select(call.c.caller))).scalar_one())
        seen = [one.id for one in await earlier_tickets(tx, caller, Actor("user", "8001", frozenset({Role.AGENT})))]
        assert TicketId(staff["id"]) not in seen
