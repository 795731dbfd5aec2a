"""What a page of a ticket needs beside the ticket: names, words, limits of earlier rounds, what may be revealed."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from callcenter.db import Database
from tests.integration.test_api_tickets import refused_by_gateway
from tests.support.lives import ask, dispatched, handling, surveying
from tests.support.web import Web, serving, with_people


@pytest.fixture
async def web(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(db, tmp_path) as one:
        yield await with_people(one)


async def story(web: Web, who: str, ticket: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = await web.get(who, f"/api/tickets/{ticket['id']}")
    return told


async def test_units_and_people_are_called_by_their_names(web: Web) -> None:
    ticket = await dispatched(web)
    told = await story(web, "supervisor", ticket)
    assert told["names"] == {"unit:water": "water", "user:agent": "agent", "user:dispatcher": "dispatcher"}
    [sent] = [one for one in told["events"] if one["event"] == "dispatch"]
    assert sent["said"] == [{"label": "主办单位", "text": "water"}, {"label": "依据", "text": "职责清单"}]


async def test_what_a_unit_may_not_see_is_not_told_in_words_either(web: Web) -> None:
    ticket = await dispatched(web, content="请联系13800138000", confidential=True)
    told = await story(web, "unit", ticket)
    words = str([one["said"] for one in told["events"]])
    for hidden in ("13800138000", "王先生", "联系人"):
        assert hidden not in words
    assert "138****8000" in words


async def test_who_may_look_at_the_number_is_told_for_what(web: Web) -> None:
    ticket = await handling(web)
    purposes = [one["code"] for one in (await story(web, "reviewer", ticket))["reveal"]]
    assert purposes
    assert [one["code"] for one in (await story(web, "unit", ticket))["reveal"]] == purposes
    for who in ("dispatcher", "leader", "auditor"):
        assert (await story(web, who, ticket))["reveal"] == [], who
    secret = await dispatched(web, confidential=True)
    assert (await story(web, "unit", secret))["reveal"] == []
    body = {"purpose": purposes[0], "reason": "核实停水范围"}
    answer = await web.ask("unit", "POST", f"/api/tickets/{secret['id']}/reveal", body)
    assert answer.status == 422


async def test_the_limits_of_earlier_rounds_stay_to_be_seen(web: Web) -> None:
    ticket = await surveying(web)
    told = await story(web, "reviewer", ticket)
    assert told["earlier_deadlines"] == []
    assert {one["round"] for one in told["deadlines"]} == {1}
    await refused_by_gateway(web, ticket)
    again = await ask(web, "agent", ticket, "survey/called", rating="不满意", note="水又停了。")
    again = await ask(web, "reviewer", again, "cause", code="NOT_DONE", note="只修了一半。")
    again = await ask(web, "reviewer", again, "rework", reason="请彻底修复。")
    told = await story(web, "reviewer", again)
    assert told["round"] == 2
    assert {one["round"] for one in told["deadlines"]} <= {2}
    assert {(one["round"], one["kind"]) for one in told["earlier_deadlines"]} >= {(1, "handle"), (1, "sign")}


async def test_what_lists_can_be_filtered_by(web: Web) -> None:
    told = await web.get("supervisor", "/api/ticket-choices")
    assert {"code": "handling", "name": "办理中"} in told["states"]
    assert "求助" in told["types"]
    assert "不满意" in told["ratings"]
    assert {one["code"] for one in told["units"]} == {"water", "roads", "health"}
    assert (await web.get("unit", "/api/ticket-choices"))["units"] == []
