"""The dispatcher's desk through the API: a dispatch computed before it is sent, open requests, what forms offer."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from callcenter.db import Database
from tests.support.lives import ask, dispatched, registered
from tests.support.regions import rules_of
from tests.support.web import Web, serving, with_people

RETURN = {"reason": "不归我管", "legal_basis": "三定方案", "suggestion": "派给城管", "proper_unit": "城管局"}


@pytest.fixture
async def web(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(db, tmp_path) as one:
        yield await with_people(one)


async def plan(web: Web, ticket: dict[str, Any], **query: Any) -> dict[str, Any]:
    told: dict[str, Any] = await web.get("dispatcher", f"/api/tickets/{ticket['id']}/dispatch-plan", **query)
    return told


async def test_the_limits_shown_before_sending_are_those_that_run_after(web: Web) -> None:
    ticket = await registered(web)
    told = await plan(web, ticket, lead="water")
    before = {one["kind"]: one for one in told["limits"]}
    assert (before["handle"]["amount"], before["handle"]["unit"], before["handle"]["basis"]) == (
        3,
        "个工作日",
        "第十二条(二)2",
    )
    assert sum(day["counted"] for day in before["handle"]["days"]) == 3
    assert before["return"]["due_at"] is None, "it begins with the signing"
    await ask(web, "dispatcher", ticket, "dispatch", lead="water", basis="职责清单")
    story = await web.get("dispatcher", f"/api/tickets/{ticket['id']}")
    running = {one["kind"]: one["due_at"] for one in story["deadlines"] if one["state"] == "open"}
    assert running["handle"] == before["handle"]["due_at"]
    assert running["sign"] == before["sign"]["due_at"]


async def test_what_a_dispatch_still_needs_is_said_with_its_article(web: Web) -> None:
    ticket = await registered(web, urgent=True)
    told = await plan(web, ticket)
    assert (told["phone_notice"], told["duty_basis"], told["instruction"]) == (
        "第十一条(三)、第十二条(二)7",
        "第十一条(三)",
        "",
    )
    assert told["statutory"] == {"needs": ["approver", "legal_basis"], "basis": "第十二条(二)8"}
    other = await plan(web, ticket, statutory_amount=30, statutory_clock="wd")
    [handle] = [one for one in other["limits"] if one["kind"] == "handle"]
    assert (handle["amount"], handle["basis"]) == (30, "第十二条(二)8")
    refused = await web.ask(
        "dispatcher", "GET", f"/api/tickets/{ticket['id']}/dispatch-plan", params={"chosen_limit_wd": "2"}
    )
    assert (refused.status, "自选时限" in refused.body["detail"]) == (422, True)


@pytest.mark.clause("GZ-024")
async def test_where_the_regulation_leaves_a_choice_it_is_offered(db: Database, tmp_path: Path) -> None:
    async with serving(db, tmp_path, shipped=rules_of("ganzhou")) as one:
        web = await with_people(one)
        ticket = await registered(web, request_type="咨询", source="电话", requester_kind="个人")
        told = await plan(web, ticket)
        assert told["choice"] == {"least": 1, "most": 3, "basis": "第十一条(二)(1)"}
        [shorter] = [one for one in (await plan(web, ticket, chosen_limit_wd=1))["limits"] if one["kind"] == "handle"]
        assert shorter["amount"] == 1


async def test_what_units_asked_waits_in_the_order_it_was_asked(web: Web) -> None:
    first = await dispatched(web, unit="roads")
    first = await ask(web, "unit2", await ask(web, "unit2", first, "sign"), "return", **RETURN)
    second = await dispatched(web, unit="roads", content="桂龙路路灯不亮")
    second = await ask(web, "unit2", second, "sign")
    informed = datetime.now(UTC).isoformat()
    await ask(web, "unit2", second, "extension", amount=2, reason="配件未到", citizen_informed_at=informed)
    third = await dispatched(web, unit="roads", content="公路护栏损坏")
    await ask(web, "dispatcher", third, "dispute", reason="两家都说不管", units=["roads", "water"])
    assert await web.get("dispatcher", "/api/dispatch-counts") == {
        "waiting": 0,
        "returns": 1,
        "extensions": 1,
        "disputes": 1,
    }
    [back] = (await web.get("supervisor", "/api/dispatch-requests", kind="return"))["rows"]
    assert (back["ticket"], back["reason"], back["legal_basis"], back["unit"]) == (
        first["id"],
        "不归我管",
        "三定方案",
        "roads",
    )
    [longer] = (await web.get("dispatcher", "/api/dispatch-requests", kind="extension"))["rows"]
    assert (longer["amount"], longer["unit_of_amount"], longer["decided_above"]) == (2, "个工作日", False)
    [dispute] = (await web.get("dispatcher", "/api/dispatch-requests", kind="dispute"))["rows"]
    assert (dispute["ticket"], dispute["decider"], dispute["units"]) == (
        third["id"],
        "县12345热线联席会议",
        ["roads", "water"],
    )
    page = await web.get("dispatcher", "/api/dispatch-requests", kind="return", limit=1)
    assert page["next"] == back["id"]
    after = await web.get("dispatcher", "/api/dispatch-requests", kind="return", after=page["next"])
    assert after == {"rows": [], "next": None}
    assert (await web.get("dispatcher", "/api/dispatch-requests", kind="return", text="100%"))["rows"] == []
    await ask(web, "dispatcher", first, "return/grant")
    assert (await web.get("dispatcher", "/api/dispatch-counts"))["returns"] == 0


async def test_the_queue_says_what_is_repeated_merged_and_sent_back(web: Web) -> None:
    master = await registered(web)
    second = await registered(web, phone="13900139111")
    await ask(web, "dispatcher", second, "merge", master=master["id"], reason="同一处停水")
    again = await registered(web)
    await ask(web, "agent", again, "repeat", earlier=master["id"], reason="同一人同一事")
    queue = await web.get("dispatcher", "/api/dispatch-queue")
    rows = {one["id"]: one for one in queue["rows"]}
    assert queue["total"] == 2
    assert (rows[master["id"]]["same_event"], rows[again["id"]]["request_no"]) == (1, 2)
    assert rows[master["id"]]["basis"] == "本系统默认"
    offered = {one["event"] for one in (await web.get("agent", f"/api/tickets/{again['id']}"))["allowed"]}
    assert "unlink" in offered
    assert "link" not in offered


async def test_forms_offer_what_the_tickets_own_policy_has(web: Web) -> None:
    ticket = await dispatched(web)
    told = await web.get("dispatcher", f"/api/tickets/{ticket['id']}/choices")
    [gate] = told["gates"]
    assert (gate["gate"], gate["chain"], gate["document"], gate["reason"]) == (
        "report",
        [["县热线工作站负责人"], ["县政府分管领导"]],
        "提级办理呈批单",
        True,
    )
    assert (told["dispute"]["decider"], told["dispute"]["minutes"]) == ("县12345热线联席会议", True)
    assert told["outage"] is None
    await ask(web, "dispatcher", ticket, "approvals/ask", gate="report", reason="跨部门，请提级")
    assert (await web.get("dispatcher", f"/api/tickets/{ticket['id']}/choices"))["gates"] == []
