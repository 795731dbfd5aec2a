"""Reveals, copies, the citizen's own view, repeats, merging and contacts through the API."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from callcenter.db import Database
from callcenter.sms.tables import sms_message
from callcenter.tables import audit
from callcenter.types import TicketId
from tests.support.lives import ask, dispatched, handling, registered, reply_contents, surveying
from tests.support.web import PHONE, Web, serving, with_people
from ticketing import store

WHY = {"purpose": "contact", "reason": "联系诉求人核实停水地点"}


@pytest.fixture
async def web(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(db, tmp_path) as one:
        yield await with_people(one)


async def looks(web: Web, ticket: dict[str, Any], action: str) -> list[Any]:
    async with web.db.transaction() as tx:
        query = select(audit).where(audit.c.subject == f"ticket:{ticket['id']}", audit.c.action == action)
        return list((await tx.execute(query.order_by(audit.c.id))).all())


async def refused(web: Web, who: str, ticket: dict[str, Any], what: str, **body: Any) -> str:
    answer = await web.ask(who, "POST", f"/api/tickets/{ticket['id']}/{what}", body)
    assert answer.status >= 400, answer.raw
    return f"{answer.status} {answer.body['detail']}"


@pytest.mark.clause("WX-013", "GZ-065", "MC-048")
async def test_every_look_at_a_complainants_identity_leaves_a_row(web: Web) -> None:
    ticket = await dispatched(web, request_type="投诉")
    for who in ("unit", "dispatcher", "auditor"):
        seen = await web.get(who, f"/api/tickets/{ticket['id']}")
        assert (seen["contact_name"], seen["requester"]) == ("", None), who
        assert "王先生" not in str(seen), who
    shown = await web.post("unit", f"/api/tickets/{ticket['id']}/reveal", WHY)
    assert shown == {"number": PHONE, "name": "王先生"}
    (row,) = await looks(web, ticket, "ticket.reveal")
    assert (row.actor, row.ok, row.detail) == ("user:unit", True, WHY)
    async with web.db.transaction() as tx:
        seen_rows = (
            (await tx.execute(select(audit.c.detail).where(audit.c.action == "identity.reveal"))).scalars().all()
        )
    assert seen_rows == [{"purpose": f"contact: {WHY['reason']} ({ticket['id']})"}]


@pytest.mark.clause("LS-029")
async def test_a_refused_look_leaves_a_row_too_and_a_confidential_citizen_is_not_shown_to_units(web: Web) -> None:
    ticket = await dispatched(web, confidential=True)
    assert "承办单位不能查看" in await refused(web, "unit", ticket, "reveal", **WHY)
    assert "选定查看用途" in await refused(web, "agent", ticket, "reveal", purpose="curious", reason="随便看看")
    assert [row.ok for row in await looks(web, ticket, "ticket.reveal")] == [False, False]
    assert (await web.post("agent", f"/api/tickets/{ticket['id']}/reveal", WHY))["number"] == PHONE


@pytest.mark.clause("GZ-019", "GZ-020")
async def test_a_confidential_file_is_exported_only_with_another_persons_approval(web: Web) -> None:
    plain, secret = await registered(web), await registered(web, confidential=True)
    made = await web.post("reviewer", f"/api/tickets/{plain['id']}/file")
    assert made["watermark"].startswith("reviewer（reviewer）")
    assert "未经批准不得导出" in await refused(web, "reviewer", secret, "file")
    release = await web.post(
        "reviewer", f"/api/tickets/{secret['id']}/releases", {"kind": "export", "purpose": "纪委调阅"}
    )
    own = await web.ask("reviewer", "POST", f"/api/releases/{release['id']}/approve", {"note": "同意"})
    assert own.status == 422
    assert [row["id"] for row in (await web.get("supervisor", "/api/releases"))["rows"]] == [release["id"]]
    await web.post("supervisor", f"/api/releases/{release['id']}/approve", {"note": "同意"})
    assert (await web.post("reviewer", f"/api/tickets/{secret['id']}/file"))["ticket"] == secret["id"]
    assert "未经批准" in await refused(web, "reviewer", secret, "file")
    assert [row.ok for row in await looks(web, secret, "ticket.export")] == [False, True, False]


@pytest.mark.clause("MC-064")
async def test_a_citizen_follows_the_request_with_number_and_code(web: Web) -> None:
    ticket = await dispatched(web)
    code = web.vault.citizen_code(TicketId(ticket["id"]))
    async with web.db.transaction() as tx:
        body = (
            await tx.execute(select(sms_message.c.body).where(sms_message.c.ticket_id == ticket["id"]))
        ).scalar_one()
    assert code in body
    seen = (await web.ask(None, "POST", "/api/progress", {"ticket": ticket["id"], "code": code})).body
    assert (seen["status"], seen["unit"], seen["next_step"]) == ("已派单（待签收）", "water", "等待承办单位签收")
    assert seen["promised_at"] is not None
    assert "王先生" not in str(seen)
    assert PHONE not in str(seen)
    wrong = {"ticket": ticket["id"], "code": f"{(int(code) + 1) % 10**8:08d}"}
    unknown = {"ticket": "20990101000001", "code": code}
    answers = [await web.ask(None, "POST", "/api/progress", body) for body in (wrong, unknown)]
    assert answers[0].anonymous() == answers[1].anonymous()
    for _ in range(9):
        await web.ask(None, "POST", "/api/progress", wrong)
    late = await web.ask(None, "POST", "/api/progress", {"ticket": ticket["id"], "code": code})
    assert late.status == 404, "the right code does not open what was tried too often"


async def test_a_repeat_is_hinted_at_confirmed_and_taken_back(web: Web) -> None:
    first, again = await registered(web), await registered(web)
    (hint,) = (await web.get("agent", "/api/repeats", ticket=again["id"]))["rows"]
    assert (hint["id"], hint["same_person"], hint["alike"]) == (first["id"], True, 1.0)
    linked = await ask(web, "agent", again, "repeat", earlier=first["id"])
    async with web.db.transaction() as tx:
        ticket = await store.load(tx, TicketId(again["id"]))
    matter = await web.get("agent", f"/api/matters/{ticket.matter}")
    assert (matter["requests"], matter["persons"], matter["tickets"]) == (2, 1, [first["id"], again["id"]])
    await ask(web, "agent", linked, "repeat/undo", reason="不是同一处")
    assert (await web.get("agent", f"/api/matters/{ticket.matter}"))["requests"] == 1


@pytest.mark.clause("MC-013")
async def test_merged_tickets_are_answered_with_the_masters_result(web: Web) -> None:
    master, child = await handling(web), await registered(web, phone="13900139000")
    waits = await ask(web, "dispatcher", child, "merge", master=master["id"], reason="同一管线停水")
    assert waits["state"] == "merged"
    assert (await web.get("agent", f"/api/tickets/{master['id']}/merged"))["tickets"] == [child["id"]]
    assert (await ask(web, "unit", master, "reply", contents=reply_contents()))["state"] == "surveying"
    seen = await web.get("agent", f"/api/tickets/{child['id']}")
    assert (seen["state"], seen["result"]) == ("surveying", reply_contents()["situation"])
    async with web.db.transaction() as tx:
        asked = select(func.count()).where(sms_message.c.ticket_id == child["id"], sms_message.c.purpose == "survey")
        assert (await tx.execute(asked)).scalar_one() == 1


async def test_a_talk_is_recorded_and_the_budget_told(web: Web) -> None:
    ticket = await surveying(web)
    noon = datetime.now(UTC).replace(microsecond=0).isoformat()
    talk = {"at": noon, "method": "电话", "told": "诉求人认可", "purpose": "follow_up", "over_reason": "约定时间"}
    await ask(web, "reviewer", ticket, "contact", **talk)
    budget = await web.get("reviewer", f"/api/tickets/{ticket['id']}/contact-budget")
    assert (budget["asked_ticket"], budget["per_ticket"], budget["asked_person"]) == (1, 3, 1)


@pytest.mark.clause("LS-056")
async def test_a_promise_stays_listed_until_the_unit_keeps_it(web: Web) -> None:
    part = {**reply_contents(), "finished": False, "stage_result": "临时供水", "follow_up_plan": "更换主管"}
    ticket = await ask(web, "unit", await handling(web), "reply", contents=part)
    (row,) = (await web.get("unit", "/api/commitments"))["rows"]
    assert (row["ticket"], row["plan"], row["late"]) == (ticket["id"], "更换主管", False)
    assert (await web.get("unit2", "/api/commitments"))["rows"] == []
    await ask(web, "unit", ticket, "commitment/keep", result="主管已更换")
    assert (await web.get("supervisor", "/api/commitments"))["rows"] == []


@pytest.mark.clause("GZ-053")
@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("reject", {"code": "NO_SUBSTANCE", "text": "已说明"}),
        ("refer", {"target": "110", "text": "请拨打110"}),
        ("withdraw", {"reason": "重复登记"}),
    ],
)
async def test_whatever_ends_at_the_desk_is_queued_for_the_archive(web: Web, what: str, body: dict[str, Any]) -> None:
    ticket = await ask(web, "agent", await registered(web), what, **body)
    async with web.db.transaction() as tx:
        found = await tx.exec_driver_sql(
            "SELECT count(*) FROM pgqueuer WHERE entrypoint = 'ticket.archive' AND payload::text <> ''"
        )
        assert found.scalar_one() == 1, ticket["state"]
