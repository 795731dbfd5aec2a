"""Supervision, accountability and duty by API requests on a real PostgreSQL."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from callcenter.db import Database
from callcenter.types import UnitId
from tests.support.lives import ask, handling
from tests.support.web import Web, serving, with_people
from ticketing.dispatch import units_store
from ticketing.dispatch.units import Unit

NOW = datetime.now(UTC)
SPAN = {"since": (NOW - timedelta(days=1)).isoformat(), "until": (NOW + timedelta(days=1)).isoformat()}


@pytest.fixture
async def web(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(db, tmp_path) as one:
        ready = await with_people(one)
        async with ready.db.transaction() as tx:
            await units_store.seed(tx, [Unit(UnitId(name), name) for name in ("water", "roads", "health")], NOW)
        yield ready


async def test_a_unit_is_supervised_answers_and_it_ends(web: Web) -> None:
    ticket = await handling(web)
    after = await ask(web, "supervisor", ticket, "supervise", trigger="OTHER", reason="群众多次来电", form="phone")
    [row] = (await web.get("unit", "/api/supervisions", running="true"))["rows"]
    assert (row["form_name"], row["unit"], row["late"], row["automatic"]) == ("电话督办", "water", False, False)
    assert (await web.get("unit2", "/api/supervisions"))["rows"] == []
    gone = await web.ask("unit2", "GET", f"/api/supervisions/{row['id']}")
    missing = await web.ask("unit2", "GET", "/api/supervisions/999999")
    assert gone.anonymous() == missing.anonymous()
    assert gone.status == 404
    path = f"/api/supervisions/{row['id']}"
    told = await web.post("unit", f"{path}/answer", {"version": after["version"], "text": "已组织抢修"})
    assert told["supervision"]["answer"] == "已组织抢修"
    stale = await web.ask("supervisor", "POST", f"{path}/end", {"version": after["version"], "result": "已修复"})
    assert (stale.status, stale.code) == (409, "StaleTicket")
    await web.post("supervisor", f"{path}/notes", {"text": "现场查看，情况属实"})
    ended = await web.post("supervisor", f"{path}/end", {"version": after["version"] + 1, "result": "已修复"})
    assert ended["supervision"]["result"] == "已修复"
    assert [one["text"] for one in ended["notes"]] == ["现场查看，情况属实"]
    [count] = (await web.get("supervisor", "/api/supervisions/counts", **SPAN))["rows"]
    assert (count["unit"], count["supervised"], count["silent"]) == ("water", 1, 0)


async def test_a_dispatch_to_several_units_tells_the_version_after_its_supervision(web: Web) -> None:
    """What the system does by itself after a command belongs to the answer, or the next command would be stale."""
    ticket = await handling(web)
    after = await ask(web, "dispatcher", ticket, "assists", unit="roads", reason="道路开挖")
    [row] = (await web.get("supervisor", "/api/supervisions"))["rows"]
    assert (row["trigger"], row["automatic"]) == ("SEVERAL_UNITS", True)
    assert (await ask(web, "supervisor", after, "warn", level="yellow", reason="久拖不决"))["state"] == "handling"
    [card] = (await web.get("unit", "/api/cards"))["rows"]
    assert (card["level_name"], card["unit"]) == ("黄牌警告", "water")
    assert (await web.get("unit2", "/api/cards"))["rows"] == []


async def test_near_and_overdue_by_page(web: Web) -> None:
    await handling(web)
    near = await web.get("unit", "/api/deadlines/near", hours=1440)
    assert [row["kind"] for row in near["rows"]] == ["handle"]
    assert (await web.get("unit2", "/api/deadlines/near", hours=1440))["rows"] == []
    assert (await web.get("supervisor", "/api/deadlines/overdue"))["rows"] == []
    async with web.db.transaction() as tx:
        past = "from_at = now() - interval '9 days', due_at = now() - interval '1 day'"
        await tx.execute(text(f"UPDATE ticket_deadline SET {past}"))
    [row] = (await web.get("supervisor", "/api/deadlines/overdue"))["rows"]
    assert (row["unit"], row["explained"]) == ("water", False)


async def test_a_case_climbs_its_ladder_and_is_exported(web: Web) -> None:
    ticket = await handling(web)
    body = {"reason": "UNIT_MISCONDUCT", "severity": "MINOR", "unit": "water", "facts": "推诿扯皮"}
    case = await web.post("supervisor", "/api/accountability/cases", {**body, "tickets": [ticket["id"]]})
    assert (case["reason_label"], case["basis"]) == ("弄虚作假、敷衍塞责、推诿扯皮、违反工作纪律", "第二十四条(四)")
    path = f"/api/accountability/cases/{case['id']}"
    refused = await web.ask("supervisor", "POST", f"{path}/steps", {"rung": "PROPOSAL", "note": "建议"})
    assert (refused.status, refused.code) == (422, "GuardFailed")
    await web.post("supervisor", f"{path}/steps", {"rung": "REPORT", "note": "已报"})
    await web.post("supervisor", f"{path}/evidence", {"ticket": ticket["id"], "note": "补充"})
    proposal = await web.get("leader", f"{path}/proposal")
    assert proposal["altered"] == []
    assert len(proposal["proposal"]["evidence"]) == ticket["version"]
    await web.post("supervisor", f"{path}/severity", {"severity": "SEVERE"})
    done = await web.post("supervisor", f"{path}/outcome", {"outcome": "ACCOUNTABLE", "note": "查实"})
    assert done["severity_label"] == "情节严重"
    [row] = (await web.get("auditor", "/api/accountability/counts", **SPAN))["rows"]
    assert (row["unit"], row["cases"], row["held"]) == ("water", 1, 1)
    unknown = await web.ask("supervisor", "GET", "/api/accountability/cases/99999")
    assert (unknown.status, unknown.code) == (404, "CaseNotFound")
    assert (await web.ask("unit", "GET", path)).status == 403
    listed = await web.get("supervisor", "/api/accountability/findings", finding="overdue", **SPAN)
    assert (listed["rows"], listed["basis"]) == ([], "第十三条(一)")


async def test_who_is_on_duty_and_who_signed_in(web: Web) -> None:
    shift = {"kind": "unit", "unit": "water", "name": "李四", "phone": "13900139001"}
    times = {"from_at": (NOW - timedelta(hours=1)).isoformat(), "until_at": (NOW + timedelta(hours=8)).isoformat()}
    planned = await web.post("unit", "/api/rosters", {**shift, **times})
    other = await web.ask("unit2", "POST", "/api/rosters", {**shift, **times})
    assert (other.status, other.code) == (403, "NotYours")
    noted = await web.post("unit", f"/api/rosters/{planned['id']}/records", {"kind": "on", "person": "李四"})
    assert [one["kind"] for one in noted["records"]] == ["on"]
    [duty] = (await web.get("supervisor", "/api/rosters/on-duty", at=NOW.isoformat()))["rows"]
    assert duty["name"] == "李四"
    assert (await web.get("unit2", "/api/rosters/on-duty", at=NOW.isoformat()))["rows"] == []
    seen = await web.get("supervisor", "/api/logins")
    assert (seen["required"], seen["absent"]) == (False, [])
    assert {row["unit"] for row in seen["rows"]} == {"water", "roads"}
    held = {"held_on": NOW.date().isoformat(), "leader": "县长"}
    refused = await web.ask("supervisor", "POST", "/api/leader-sessions", held)
    assert (refused.status, refused.code) == (422, "GuardFailed")
