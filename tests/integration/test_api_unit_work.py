"""A unit's work list and forms: what is to be done, in which order, what stands in the way, what a form needs."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from callcenter.db import Database
from tests.support.lives import ask, dispatched, handling, reply_contents
from tests.support.regions import rules_of
from tests.support.web import Web, serving, with_people
from ticketing import tables
from ticketing.clocks import SHANGHAI


@pytest.fixture
async def web(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(db, tmp_path) as one:
        yield await with_people(one)


@pytest.fixture
async def sealed(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    """Where the unit's principal starts the work and signs the result."""
    async with serving(db, tmp_path, shipped=rules_of("mengcheng")) as one:
        yield await with_people(one)


async def work(web: Web, who: str, tab: str, **query: Any) -> list[str]:
    return [row["id"] for row in (await web.get(who, "/api/unit-work", tab=tab, **query))["rows"]]


async def actions(web: Web, who: str, ticket: dict[str, Any]) -> dict[str, str]:
    told = await web.get(who, f"/api/tickets/{ticket['id']}/unit-actions")
    return {row["event"]: row["refused"] for row in told["rows"]}


async def test_each_ticket_lies_where_the_next_step_is(web: Web) -> None:
    new = await dispatched(web)
    assert await work(web, "unit", "to_sign") == [new["id"]]
    signed = await ask(web, "unit", new, "sign")
    started = await ask(web, "unit", signed, "start")
    assert (await work(web, "unit", "to_sign"), await work(web, "unit", "in_hand")) == ([], [new["id"]])
    replied = await ask(web, "unit", started, "reply", contents=reply_contents())
    assert (await work(web, "unit", "in_hand"), await work(web, "unit", "answered")) == ([], [new["id"]])
    assert await work(web, "unit2", "answered") == []
    assert replied["state"] == "surveying"


async def test_what_is_due_first_comes_first_page_by_page(web: Web) -> None:
    tickets = [await dispatched(web) for _ in range(5)]
    due = tables.ticket_deadline
    order = [3, 1, 4, 0, 2]
    async with web.db.transaction() as tx:
        for place, n in enumerate(order):
            at = datetime.now(UTC) + timedelta(hours=place)
            await tx.execute(update(due).where(due.c.ticket_id == tickets[n]["id"]).values(due_at=at))
    wanted = [tickets[n]["id"] for n in order]
    assert await work(web, "unit", "to_sign") == wanted
    seen: list[str] = []
    after = ""
    while True:
        page = await web.get("unit", "/api/unit-work", tab="to_sign", limit=2, after=after)
        seen += [row["id"] for row in page["rows"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert seen == wanted
    assert all(row["basis"] and row["due_name"] == "签收" for row in page["rows"])
    assert await work(web, "unit", "to_sign", text=wanted[2][-6:]) == [wanted[2]]


async def test_the_counts_are_the_lists_and_nobody_elses(web: Web) -> None:
    await dispatched(web)
    mine = await handling(web)
    await ask(web, "dispatcher", mine, "assists", unit="roads", reason="配合围挡")
    told = await web.get("unit", "/api/unit-work/counts")
    assert told["tabs"] == {tab: len(await work(web, "unit", tab)) for tab in told["tabs"]}
    assert (told["tabs"]["to_sign"], told["tabs"]["in_hand"]) == (1, 1)
    theirs = await web.get("unit2", "/api/unit-work/counts")
    assert {tab: n for tab, n in theirs["tabs"].items() if n} == {"assists": 1}
    assert await work(web, "unit2", "assists") == [mine["id"]]
    for tab in set(theirs["tabs"]) - {"assists"} | {"answered"}:
        assert await work(web, "unit2", tab) == [], tab


async def test_what_cannot_be_done_is_said_with_its_article_before_anybody_asks(web: Web) -> None:
    ticket = await handling(web)
    standing = await actions(web, "unit", ticket)
    assert standing["reply"] == standing["ask_return"] == standing["ask_extension"] == ""
    # What this regulation does not know, or this ticket has no use for, is not there at all.
    assert not {"ask_signoff", "note_outage", "hand_back", "report_progress", "keep_commitment"} & standing.keys()
    form = await web.get("unit", f"/api/tickets/{ticket['id']}/extension-form", amount=1)
    assert (form["refused"], form["clock"], form["approver"]) == ("", "个工作日", "县热线工作站")
    assert form["most"] >= 1
    assert [need["key"] for need in form["needs"]] == ["citizen_informed"]
    told_at = datetime.now(UTC).isoformat()
    asked = await ask(web, "unit", ticket, "extension", amount=1, reason="需停水施工", citizen_informed_at=told_at)
    standing = await actions(web, "unit", asked)
    assert "已提出延期申请" in standing["ask_return"]
    back = await web.get("unit", f"/api/tickets/{ticket['id']}/return-form")
    assert "已提出延期申请" in back["refused"]
    assert back["refused_article"]
    refused = await web.ask(
        "unit",
        "POST",
        f"/api/tickets/{ticket['id']}/return",
        {"version": asked["version"], "reason": "不属于本单位", "legal_basis": "三定方案"},
    )
    assert refused.body["detail"] == back["refused"]


async def test_a_complaint_s_form_asks_for_the_case_and_a_request_s_does_not(web: Web) -> None:
    plain = await web.get("unit", f"/api/tickets/{(await handling(web))['id']}/reply-form")
    assert plain["one_of"] == []
    complaint = await handling(web, request_type="投诉")
    form = await web.get("unit", f"/api/tickets/{complaint['id']}/reply-form")
    assert ["not_enforcement"] in form["one_of"][0]["groups"]
    assert form["one_of"][0]["article"]
    assert {one["key"] for one in form["fields"] if one["required"]} == {
        "handled_at",
        "handling_unit",
        "handler",
        "situation",
        "citizen_contacted_at",
    }
    assert all(one["article"] for one in form["fields"] if one["required"])
    assert form["today"] == datetime.now(SHANGHAI).date().isoformat()


async def test_where_the_principal_signs_the_clerk_asks_and_the_head_signs(sealed: Web) -> None:
    web = sealed
    source = {"source": rules_of("mengcheng").policies[-1].sources[0]}
    new = await _sent(web, **source)
    signed = await ask(web, "unit", new, "sign")
    clerk, head = await actions(web, "unit", signed), await actions(web, "head", signed)
    assert "主要负责人" in clerk["start"]
    assert head["start"] == ""
    told = await web.get("head", f"/api/tickets/{new['id']}/unit-actions")
    started = await ask(
        web,
        "head",
        signed,
        "start",
        led_by="李局长",
        rank=(told["leadership"] or {"ranks": [{"code": "staff"}]})["ranks"][0]["code"],
    )
    form = await web.get("unit", f"/api/tickets/{new['id']}/reply-form")
    assert form["signoff"]
    standing = await actions(web, "unit", started)
    assert "reply" not in standing
    assert standing["ask_signoff"] == ""
    waiting = await ask(web, "unit", started, "signoff", contents=reply_contents() | {"not_enforcement": False})
    assert await work(web, "head", "signoff") == [new["id"]]
    assert waiting["state"] == "awaiting_unit_signoff"


async def _sent(web: Web, **fields: Any) -> dict[str, Any]:
    told = await web.post(
        "agent", "/api/tickets", {"fields": {"request_type": "求助", "content": "桂龙路停水两天了。", **fields}}
    )
    registered = await ask(web, "agent", told, "register")
    sent: dict[str, Any] = await ask(
        web, "dispatcher", registered, "dispatch", lead="water", basis="职责清单", instruction="请尽快核实办理"
    )
    return sent
