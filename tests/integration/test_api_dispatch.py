"""The unit directory, suggestions, returns, extensions, disputes and assists through the API; notices and messages."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from callcenter import flow_dispatch
from callcenter.db import Database
from callcenter.sms.tables import sms_message
from callcenter.tables import audit, handling_unit
from callcenter.types import TicketId, UnitId
from tests.support import knowledge
from tests.support.county import with_directory
from tests.support.lives import FIELDS, ask, registered
from tests.support.tickets import rules
from tests.support.web import ALL_DAY, Web, serving, with_people
from ticketing.dispatch.dispatching import DutyPersonNeeded
from ticketing.dispatch.units_tables import unit_notice

SUBJECT = "04.01"


@pytest.fixture
async def web(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(db, tmp_path) as one:
        yield await with_directory(await with_people(one))


async def test_suggestions_name_the_units_with_reasons_basis_and_the_department_in_between(web: Web) -> None:
    ticket = await registered(web, subject=SUBJECT)
    told = await web.get("dispatcher", f"/api/tickets/{ticket['id']}/dispatch-suggestions")
    best = told["suggestions"][0]
    assert (best["unit"], best["basis"]) == ("housing", "县住房和城乡建设局三定方案：供水行业管理")
    assert any("派单目录P-WATER" in reason for reason in best["reasons"])
    assert {one["unit"]: one["via"] for one in told["suggestions"]}["water"] == "housing"
    assert told["routing_basis"] == "第九条"
    assert (await web.ask("unit", "GET", f"/api/tickets/{ticket['id']}/dispatch-suggestions")).status == 403
    queue = (await web.get("dispatcher", "/api/dispatch-queue"))["rows"]
    assert [one["id"] for one in queue] == [ticket["id"]]


async def test_two_hops_by_requests(web: Web) -> None:
    ticket = await registered(web, subject=SUBJECT)
    straight = await web.ask(
        "dispatcher", "POST", f"/api/tickets/{ticket['id']}/dispatch", {"version": ticket["version"], "lead": "water"}
    )
    assert (straight.status, "由其主管部门转派" in straight.body["detail"]) == (422, True)
    assert "县住房和城乡建设局" in straight.body["detail"]
    unknown = await web.ask(
        "dispatcher", "POST", f"/api/tickets/{ticket['id']}/dispatch", {"version": ticket["version"], "lead": "nobody"}
    )
    assert unknown.status == 422
    await ask(web, "dispatcher", ticket, "dispatch", lead="housing")
    seen = await web.ask("unit", "GET", f"/api/tickets/{ticket['id']}")
    assert seen.anonymous() == (await web.ask("unit", "GET", "/api/tickets/20990101000001")).anonymous()


async def test_a_return_is_prechecked_asked_and_refused_with_its_case(web: Web) -> None:
    ticket = await registered(web, subject="")
    after = await ask(web, "dispatcher", ticket, "dispatch", lead="roads", basis="公路法", assists=["health"])
    early = await web.get("unit2", f"/api/tickets/{ticket['id']}/return/precheck")
    assert early["window_due_at"] is None
    after = await ask(web, "unit2", after, "sign")
    async with web.db.transaction() as tx:
        later = (await knowledge.in_use(tx)).id
    path = f"/api/tickets/{ticket['id']}/return/precheck"
    told = await web.get("unit2", path, knowledge=later)
    assert (await web.ask("unit2", "GET", path, params={"knowledge": "999999"})).status == 404
    found = {one["code"]: one for one in told["findings"]}
    assert (found["kb_cannot_answer"]["applies"], found["minor_flaw"]["applies"]) == (True, None)
    assert found["kb_cannot_answer"]["article"] == "第十二条(三)6"
    body = {"reason": "不归我管", "legal_basis": "三定方案", "suggestion": "派给城管"}
    after = await ask(web, "unit2", after, "return", **body)
    after = await ask(web, "dispatcher", after, "return/refuse", code="minor_flaw")
    after = await ask(web, "unit2", after, "return", **body)
    after = await ask(web, "dispatcher", after, "return/grant")
    assert after["state"] == "awaiting_dispatch"
    listed = await web.get("supervisor", "/api/returns/repeated")
    assert [(one["unit"], one["granted"], one["refused"]) for one in listed["units"]] == [("roads", 1, 1)]
    assert [one["ticket"] for one in listed["tickets"]] == [ticket["id"]]


async def test_the_room_of_an_extension_is_shown_before_it_is_asked_for(web: Web) -> None:
    ticket = await registered(web, subject="")
    after = await ask(web, "dispatcher", ticket, "dispatch", lead="roads", basis="公路法")
    after = await ask(web, "unit2", after, "sign")
    room = await web.get("unit2", f"/api/tickets/{ticket['id']}/extension-room")
    assert (room["most"], room["unit"], room["approver"], room["reading"]) == (
        3,
        "个工作日",
        "县热线工作站",
        "到期前均可申请",
    )
    assert room["needs"] == ["citizen_informed"]
    now = datetime.now(UTC).isoformat()
    after = await ask(web, "unit2", after, "extension", amount=3, reason="配件未到", citizen_informed_at=now)
    after = await ask(web, "dispatcher", after, "extension/grant", amount=2)
    assert (await web.get("unit2", f"/api/tickets/{ticket['id']}/extension-room"))["most"] == 1


@pytest.mark.clause("LS-081", "LS-082")
async def test_a_dispute_is_opened_ruled_and_kept_with_its_minutes(web: Web) -> None:
    ticket = await registered(web, subject="")
    after = await ask(web, "dispatcher", ticket, "dispatch", lead="roads", basis="公路法")
    after = await ask(web, "dispatcher", after, "dispute", reason="两家都说不管", units=["roads", "urban"])
    ruling = {"lead": "roads", "reason": "由其办理", "minutes": "纪要5号", "participants": ["县委编办", "县司法局"]}
    after = await ask(web, "dispatcher", after, "dispute/rule", **ruling)
    [kept] = (await web.get("unit2", f"/api/tickets/{ticket['id']}/disputes"))["disputes"]
    assert (kept["minutes"], kept["participants"], kept["units"]) == (
        "纪要5号",
        ["县委编办", "县司法局"],
        ["roads", "urban"],
    )
    assert (await web.ask("unit", "GET", f"/api/tickets/{ticket['id']}/disputes")).status == 404


@pytest.mark.clause("LS-019")
async def test_an_opinion_is_for_the_lead_and_the_hotline_and_not_for_the_citizen(web: Web) -> None:
    ticket = await registered(web, subject="")
    after = await ask(web, "dispatcher", ticket, "dispatch", lead="roads", basis="公路法", assists=["water"])
    after = await ask(web, "unit2", after, "sign")
    after = await ask(web, "unit", after, "assist/sign")
    after = await ask(web, "unit", after, "assist/opinion", opinion="水管不在开挖范围")
    for who in ("unit2", "dispatcher"):
        told = await web.get(who, f"/api/tickets/{ticket['id']}/assists")
        assert [one["opinion"] for one in told["orders"]] == ["水管不在开挖范围"]
        assert told["awaited"] == []
    async with web.db.transaction() as tx:
        bodies = (await tx.execute(select(sms_message.c.body))).scalars().all()
    assert not [body for body in bodies if "开挖" in body]


# ---- the directory -----------------------------------------------------------------------------------------------

NEW = {"id": "parks", "name": "县园林所", "kind": "subordinate", "parent": "urban", "phone": "0773751234"}


async def test_the_directory_is_edited_with_a_version_and_an_audit_row(web: Web) -> None:
    made = await web.post("dispatcher", "/api/unit-directory", NEW)
    assert (made["version"], made["kind_name"], made["handlers"]) == (1, "下属单位", 0)
    fields = {key: value for key, value in NEW.items() if key != "id"}
    path = "/api/unit-directory/parks"
    changed = await web.post("admin", path, {**fields, "functions": ["绿化"], "version": 1})
    assert (changed["version"], changed["functions"]) == (2, ["绿化"])
    assert (await web.ask("admin", "POST", path, {**fields, "version": 1})).status == 409
    assert (await web.ask("unit", "POST", path, {**fields, "version": 2})).status == 403
    async with web.db.transaction() as tx:
        rows = await tx.execute(select(audit.c.action).where(audit.c.subject == "unit:parks").order_by(audit.c.id))
        assert list(rows.scalars()) == ["unit.add", "unit.change"]
        number = select(handling_unit.c.number).where(handling_unit.c.id == "parks")
        assert (await tx.execute(number)).scalar_one() == "0773751234"


async def test_a_unit_without_a_telephone_gets_tickets_and_is_not_brought_into_calls(web: Web) -> None:
    await web.post("dispatcher", "/api/unit-directory", NEW | {"phone": ""})
    ticket = await ask(web, "dispatcher", await registered(web, subject=""), "dispatch", lead="parks", basis="清单")
    assert ticket["state"] == "dispatched"
    assert "parks" not in {one["id"] for one in (await web.get("agent", "/api/units"))["units"]}


@pytest.mark.clause("LS-016", "MC-003", "GZ-014")
async def test_a_unit_files_its_own_people_and_nobody_elses(web: Web) -> None:
    today = datetime.now(UTC).date()
    people = {"post": "handler", "people": [{"name": "新经办"}], "changed_on": (today - timedelta(days=20)).isoformat()}
    told = await web.post("unit", "/api/unit-directory/water/people", people)
    assert (told["handlers"], [one["name"] for one in told["people"]]) == (1, ["新经办"])
    [filed] = (await web.get("unit", "/api/unit-filings"))["filings"]
    assert (filed["unit"], filed["late"], filed["post_name"]) == ("water", True, "具办人员")
    foreign = await web.ask("unit", "POST", "/api/unit-directory/roads/people", people)
    unknown = await web.ask("unit", "POST", "/api/unit-directory/nowhere/people", people)
    assert (foreign.status, foreign.anonymous()) == (404, unknown.anonymous())
    listed = {one["id"] for one in (await web.get("unit", "/api/unit-directory"))["units"]}
    assert listed == {"water"}


async def test_the_catalogue_is_read_and_edited(web: Web) -> None:
    body = {"subject": "03.05", "keywords": ["广告牌"], "unit": "urban", "basis": "广告法", "duty_of": "department"}
    await web.post("dispatcher", "/api/dispatch-catalogue/P-AD", body)
    found = {one["code"]: one for one in (await web.get("dispatcher", "/api/dispatch-catalogue"))["entries"]}
    assert found["P-AD"]["basis"] == "广告法"
    assert (
        await web.ask("dispatcher", "POST", "/api/dispatch-catalogue/P-X", {**body, "unit": "nobody"})
    ).status == 404


# ---- who is told at once -----------------------------------------------------------------------------------------


@pytest.mark.clause("LS-078")
async def test_the_units_of_a_linkage_topic_are_told_as_soon_as_it_is_registered(web: Web) -> None:
    ticket = await registered(web, content=FIELDS["content"])
    [notice] = (await web.get("unit", "/api/unit-notices"))["notices"]
    assert (notice["kind"], notice["ticket"], "停水停电" in notice["body"]) == ("linkage", ticket["id"], True)
    await web.post("unit", f"/api/unit-notices/{notice['id']}/seen")
    assert (await web.get("unit", "/api/unit-notices"))["notices"] == []
    async with web.db.transaction() as tx:
        told = set((await tx.execute(select(unit_notice.c.unit))).scalars())
    assert told == {"water", "power", "housing"}


@pytest.mark.clause("SQ-025", "MC-021")
async def test_the_person_on_duty_gets_a_message_at_once_and_only_one(web: Web) -> None:
    ticket = await registered(web, subject="")
    now = datetime.now(UTC)
    needed = DutyPersonNeeded(TicketId(ticket["id"]), 1, now, UnitId("housing"), True)
    async with web.db.transaction() as tx:
        told = flow_dispatch.Told(tx, rules(), now, web.vault, ALL_DAY)
        await flow_dispatch.tell(told, [needed, needed])
        query = select(sms_message.c.purpose, sms_message.c.body).where(sms_message.c.key.startswith("off-hours:"))
        [(purpose, body)] = (await tx.execute(query)).all()
        kept = (await tx.execute(select(unit_notice).where(unit_notice.c.kind == "off_hours"))).one()
    assert (purpose, ticket["id"] in body, "停水" in body) == ("duty", True, False)
    assert (kept.unit, kept.person, kept.phone) == ("housing", "值班老赵", "13900139000")
