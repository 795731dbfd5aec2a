"""Coordination meetings and site visits through the API."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from callcenter.board import BoardEvent
from callcenter.db import Database
from tests.support.lives import dispatched
from tests.support.web import Web, serving, with_people


@pytest.fixture
async def web(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(db, tmp_path) as one:
        yield await with_people(one)


def notice(**changed: Any) -> dict[str, Any]:
    at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    plain = {"kind": "meeting", "agenda": "管网改造由谁牵头", "place": "县政务中心三楼", "at": at}
    return {**plain, "units": ["water", "roads"], **changed}


def told_at_once(web: Web, monkeypatch: pytest.MonkeyPatch) -> list[BoardEvent]:
    """What the live stream is given, as it is given."""
    shown: list[BoardEvent] = []

    async def publish(events: tuple[BoardEvent, ...]) -> None:
        shown.extend(events)

    monkeypatch.setattr(web.hub.board, "publish", publish)
    return shown


@pytest.mark.clause("LS-021")
async def test_units_are_called_and_say_who_comes_what_they_bring_and_what_they_will_do(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket, shown = await dispatched(web), told_at_once(web, monkeypatch)
    number = (await web.post("dispatcher", f"/api/tickets/{ticket['id']}/coordination", notice()))["id"]
    assert [(one.kind, one.data["ticket"], one.data["unit"]) for one in shown] == [
        ("coordination.called", ticket["id"], unit) for unit in ("water", "roads")
    ]
    [called] = (await web.get("unit2", "/api/coordination"))["rows"]
    assert (called["id"], called["kind_name"], called["place"]) == (number, "协调会议", "县政务中心三楼")
    assert [one["unit"] for one in called["units"]] == ["roads"], "a unit that only came to help sees its own line"
    said = {"attendees": ["路政股陈股长"], "materials": ["管线图.pdf"], "opinion": "配合开挖，两日内恢复路面。"}
    await web.ask("unit2", "POST", f"/api/coordination/{number}/answer", said)
    assert (shown[-1].kind, shown[-1].data["unit"]) == ("coordination.answered", "roads")
    assert (await web.get("unit2", "/api/coordination"))["rows"] == []
    [row] = (await web.get("supervisor", f"/api/tickets/{ticket['id']}/coordination"))["rows"]
    answers = {one["unit"]: one for one in row["units"]}
    assert {key: answers["roads"][key] for key in said} == said
    assert answers["roads"]["answered_at"]
    assert answers["water"]["answered_at"] is None


@pytest.mark.clause("LS-021")
async def test_a_site_visit_is_answered_by_those_who_were_called_and_by_nobody_else(web: Web) -> None:
    ticket = await dispatched(web)
    body = notice(kind="site", units=["water"])
    number = (await web.post("supervisor", f"/api/tickets/{ticket['id']}/coordination", body))["id"]
    said = {"attendees": ["张师傅"], "opinion": "当场核实"}
    foreign = await web.ask("unit2", "POST", f"/api/coordination/{number}/answer", said)
    unknown = await web.ask("unit2", "POST", "/api/coordination/999999/answer", said)
    assert foreign.anonymous() == unknown.anonymous()
    assert foreign.status == 404
    nothing = await web.ask("unit", "POST", f"/api/coordination/{number}/answer", {**said, "opinion": " "})
    assert (nothing.status, "办理意见" in nothing.body["detail"]) == (422, True)
    assert (await web.ask("unit2", "GET", f"/api/tickets/{ticket['id']}/coordination")).status == 404


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"units": ["water", "water"]}, "只选一次"),
        ({"units": ["nobody"]}, "没有这家承办单位"),
        ({"agenda": " "}, "议题和地点"),
        ({"at": "2026-01-01T08:00:00+08:00"}, "晚于现在"),
    ],
)
async def test_a_notice_that_lacks_something_is_told_what(web: Web, changed: dict[str, Any], told: str) -> None:
    ticket = await dispatched(web)
    refused = await web.ask("dispatcher", "POST", f"/api/tickets/{ticket['id']}/coordination", notice(**changed))
    assert (refused.status, told in refused.body["detail"]) == (422, True)
