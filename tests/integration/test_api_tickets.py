"""A ticket's life by API requests on a real PostgreSQL, and who may not touch it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from callcenter.db import Database
from callcenter.sms.tables import sms_message
from callcenter.tables import audit
from callcenter.types import TicketId
from callcenter.web.groups import GROUPS
from tests.support import knowledge
from tests.support.lives import (
    EXCEPTION,
    FIELDS,
    ask,
    dispatched,
    handling,
    opened,
    registered,
    reply_contents,
    surveying,
)
from tests.support.tickets import rules
from tests.support.web import PHONE, Web, serving, with_people
from ticketing import checks, tables
from ticketing.aftercare import followup
from ticketing.aftercare.survey_words import Refused, Submitting
from ticketing.prefill import suggestions
from ticketing.prefill.draft import Field, Suggestion

UNKNOWN = "20990101000001"


@pytest.fixture
async def web(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(db, tmp_path) as one:
        yield await with_people(one)


async def story(web: Web, who: str, ticket: dict[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = await web.get(who, f"/api/tickets/{ticket['id']}")
    return told


async def refused_by_gateway(web: Web, ticket: dict[str, Any]) -> None:
    """The survey's message could not be sent, so a person has to call."""
    now = datetime.now(UTC)
    async with web.db.transaction() as tx:
        survey = tables.ticket_survey
        survey_id = (await tx.execute(select(survey.c.id).where(survey.c.ticket_id == ticket["id"]))).scalar_one()
        await followup.tell(tx, survey_id, [Submitting(now), Refused(now)], rules=rules())


async def test_a_ticket_lives_from_a_web_form_to_the_archive(web: Web) -> None:
    draft = await opened(web)
    assert draft["state"] == "draft"
    assert {"event": "register", "name": "登记受理"} in draft["allowed"]
    after = await ask(web, "agent", draft, "register", intake_exception=EXCEPTION)
    after = await ask(web, "agent", after, "forward")
    after = await ask(web, "dispatcher", after, "dispatch", lead="water", assists=["roads"], instruction="请速办")
    after = await ask(web, "unit", after, "sign", person="水务值班室")
    after = await ask(web, "unit", after, "start")
    after = await ask(web, "unit2", after, "assist/opinion", opinion="不影响道路通行。")
    told = await story(web, "unit", after)
    assert [due["kind"] for due in told["deadlines"] if due["state"] == "open"] == ["handle", "supervision", "return"]
    assert all(due["basis"] and due["rule"] for due in told["deadlines"])
    assert next(due["basis"] for due in told["deadlines"] if due["kind"] == "handle").startswith("第")
    after = await ask(web, "unit", after, "reply", contents=reply_contents())
    assert (after["state"], after["state_name"]) == ("surveying", "回访中")
    await refused_by_gateway(web, after)
    [call] = (await web.get("reviewer", "/api/tasks", kind="manual_call"))["rows"]
    assert call["ticket"] == draft["id"]
    after = await ask(web, "reviewer", after, "survey/called", rating="满意", note="已恢复供水，群众满意。")
    assert after["state"] == "closed"
    assert (await web.get("reviewer", "/api/tasks"))["rows"] == []
    after = await ask(web, "supervisor", after, "archive")
    assert after["state"] == "archived"
    left = {"rework", "look_back", "flag", "decide_publication"}
    assert {one["event"] for one in after["allowed"]} == left, "only what hides it, or opens a new round"
    told = await story(web, "supervisor", after)
    happened = [event["event"] for event in told["events"]]
    assert happened[-1] == "archive"
    assert happened.count("close") == 1
    assert {message["purpose"] for message in told["messages"]} == {"info", "survey"}
    async with web.db.transaction() as tx:
        assert await checks.broken_invariants(tx, rules()) == ()


async def test_an_unsatisfied_citizen_leads_to_a_new_round(web: Web) -> None:
    after = await surveying(web)
    await refused_by_gateway(web, after)
    after = await ask(web, "agent", after, "survey/called", rating="不满意", note="水又停了。")
    refused = await web.ask("reviewer", "POST", f"/api/tickets/{after['id']}/close", {"version": after["version"]})
    assert (refused.status, refused.code) == (422, "GuardFailed")
    assert refused.body["basis"].startswith("第")
    after = await ask(web, "reviewer", after, "cause", code="NOT_DONE", note="只修了一半。")
    after = await ask(web, "reviewer", after, "rework", reason="请彻底修复。")
    assert (after["state"], after["round"]) == ("awaiting_dispatch", 2)


@pytest.mark.parametrize(
    ("what", "body", "state"),
    [
        ("answer", {"text": "供水已于十时恢复。", "knowledge": "1"}, "answered"),
        ("reject", {"code": "NO_SUBSTANCE", "text": "已向您说明。"}, "rejected"),
        ("refer", {"target": "110", "text": "请拨打110。"}, "referred"),
        ("withdraw", {"reason": "重复登记"}, "withdrawn"),
        ("forward", {}, "awaiting_dispatch"),
        ("edit", {"fields": {"place": "桂龙路12号"}, "reason": "补充地址"}, "registered"),
    ],
)
async def test_the_desk_settles_a_registered_ticket(web: Web, what: str, body: dict[str, Any], state: str) -> None:
    async with web.db.transaction() as tx:
        assert (await knowledge.in_use(tx)).id == 1
    assert (await ask(web, "agent", await registered(web), what, **body))["state"] == state


async def test_a_return_and_an_extension_are_asked_for_and_decided(web: Web) -> None:
    after = await ask(web, "unit", await dispatched(web), "sign")
    after = await ask(web, "unit", after, "return", reason="不属本单位", legal_basis="三定方案", proper_unit="住建局")
    after = await ask(web, "dispatcher", after, "return/refuse", code="no_basis", reason="依据不足")
    after = await ask(web, "dispatcher", after, "assists", unit="health", reason="水质检测")
    when = datetime.now(UTC).isoformat()
    after = await ask(web, "unit", after, "extension", amount=1, reason="管材未到", citizen_informed_at=when)
    assert (await story(web, "dispatcher", after))["extension_asked"] == 1
    after = await ask(web, "dispatcher", after, "extension/grant", amount=1)
    due = [row for row in (await story(web, "unit", after))["deadlines"] if row["kind"] == "handle"]
    assert [row["state"] for row in due] == ["ended", "open"]
    after = await ask(web, "unit", after, "extension", amount=1, reason="仍未到", citizen_informed_at=when)
    after = await ask(web, "dispatcher", after, "extension/refuse", reason="请先临时供水")
    assert after["state"] == "signed"


async def test_a_granted_return_takes_the_ticket_out_of_the_units_sight(web: Web) -> None:
    after = await ask(web, "unit", await dispatched(web), "sign")
    after = await ask(web, "unit", after, "return", reason="不属本单位", legal_basis="三定方案")
    await ask(web, "dispatcher", after, "return/grant")
    assert (await web.ask("unit", "GET", f"/api/tickets/{after['id']}")).status == 404


async def test_a_reply_the_citizen_is_asked_about_cannot_be_sent_back(web: Web) -> None:
    """龙胜 asks the citizen at once; where a review comes first, a reply can be sent back."""
    after = await surveying(web)
    answer = await web.ask(
        "reviewer",
        "POST",
        f"/api/tickets/{after['id']}/review/reject-reply",
        {"version": after["version"], "defect": "INCOMPLETE", "reason": "没有写明时间"},
    )
    assert (answer.status, answer.code) == (409, "NotNow")
    assert "回访中" in answer.body["detail"]


async def test_two_writers_and_one_wins(web: Web) -> None:
    ticket = await registered(web)
    path, body = f"/api/tickets/{ticket['id']}/dispatch", {"version": ticket["version"]}
    answers = await asyncio.gather(
        web.ask("dispatcher", "POST", path, {**body, "lead": "water"}),
        web.ask("dispatcher", "POST", path, {**body, "lead": "roads"}),
    )
    assert sorted(answer.status for answer in answers) == [200, 409]
    [lost] = [answer for answer in answers if answer.status == 409]
    assert lost.code == "StaleTicket"
    assert "刷新" in lost.body["detail"]


async def test_a_repeated_opening_makes_one_ticket(web: Web) -> None:
    headers = {"Idempotency-Key": "form-77"}
    first, again = [
        await web.ask("agent", "POST", "/api/tickets", {"fields": FIELDS}, headers=headers) for _ in range(2)
    ]
    assert first.body["id"] == again.body["id"]
    other = await web.ask("agent2", "POST", "/api/tickets", {"fields": FIELDS}, headers=headers)
    assert other.body["id"] != first.body["id"]


async def test_a_unit_that_is_not_on_the_list_gets_no_ticket(web: Web) -> None:
    ticket = await registered(web)
    body = {"version": ticket["version"], "lead": "water", "assists": ["nobody"]}
    answer = await web.ask("dispatcher", "POST", f"/api/tickets/{ticket['id']}/dispatch", body)
    assert (answer.status, answer.code) == (422, "unit_unknown")
    assert "nobody" in answer.body["detail"]


async def test_lists_are_paged_and_filtered(web: Web) -> None:
    mine = [await dispatched(web) for _ in range(3)]
    other = await registered(web, content="路灯坏了100%", place="新华街", request_type="投诉")
    seen: list[str] = []
    after = ""
    while True:
        page = await web.get("agent", "/api/tickets", limit=2, after=after)
        seen += [row["id"] for row in page["rows"]]
        if page["next"] is None:
            break
        after = page["next"]
    assert seen == [other["id"], *(one["id"] for one in reversed(mine))]

    async def found(**query: Any) -> list[str]:
        return [row["id"] for row in (await web.get("agent", "/api/tickets", **query))["rows"]]

    assert await found(state="registered") == [other["id"]]
    assert await found(type="投诉") == [other["id"]]
    assert await found(text="100%") == [other["id"]]
    refused = await web.ask("agent", "GET", "/api/tickets", params={"text": "%"})
    assert (refused.status, refused.code) == (422, "TooShort")
    assert "两个" in refused.body["detail"]
    assert await found(text="新华") == [other["id"]]
    assert await found(unit="roads") == []
    assert len(await found(unit="water", text="停水")) == 3
    soon = (datetime.now(UTC) + timedelta(days=60)).isoformat()
    assert len(await found(due_before=soon)) == 3


async def test_a_unit_sees_only_its_own_tickets(web: Web) -> None:
    own, other = await dispatched(web), await dispatched(web, unit="roads")
    assert [row["id"] for row in (await web.get("unit", "/api/tickets"))["rows"]] == [own["id"]]
    assert [row["id"] for row in (await web.get("unit", "/api/tickets", unit="roads"))["rows"]] == []
    assert (await web.ask("unit", "GET", f"/api/tickets/{other['id']}")).status == 404


TICKET_ROUTES = [
    (route.method, route.path)
    for group in GROUPS
    for route in group.routes
    if "{ticket_id}" in route.path and route.roles and "unit" in route.roles
]
BODIES: dict[str, dict[str, Any]] = {
    "reply": {"contents": {}},
    "forward-down": {"unit": "water", "instruction": "请办理"},
    "hand-back": {"reason": "不属本单位"},
    "outage": {
        "from_at": "2026-06-01T10:00:00+08:00",
        "until_at": "2026-06-01T11:00:00+08:00",
        "cause": "断网",
        "evidence": "故障单",
    },
    "opinion": {"opinion": "同意"},
    "progress": {"progress": "正在办理"},
    "return": {"reason": "不属本单位"},
    "extension": {"amount": 1, "reason": "管材未到"},
    "contact": {"at": "2026-06-01T10:00:00+08:00", "method": "电话", "told": "已告知"},
    "call-citizen": {"purpose": "first"},
    "keep": {"result": "已全部修复"},
    "reveal": {"purpose": "contact", "reason": "告知受理情况"},
    "ask": {"gate": "report", "reason": "请领导协调"},
    "signoff": {"contents": {}},
    "termination": {"reason": "诉求不合理", "judgements": [{"ticket": UNKNOWN, "reason": "无依据"}]},
}
VERSIONLESS = ("reveal", "call-citizen", "attachments")
QUERIES = {"attachments": {"purpose": "scene"}}


async def test_another_units_ticket_looks_like_none(web: Web) -> None:
    others = await dispatched(web, unit="roads")
    for method, path in TICKET_ROUTES:
        last = path.rsplit("/", 1)[-1]
        seen = {} if last in VERSIONLESS else {"version": others["version"]}
        asked = None if method == "GET" else QUERIES.get(last)
        body = None if method == "GET" else {**seen, **BODIES.get(last, {})}
        real, unknown = [
            await web.ask("unit", method, path.replace("{ticket_id}", one), body, params=asked)
            for one in (others["id"], UNKNOWN)
        ]
        assert real.status == 404, path
        assert real.anonymous() == unknown.anonymous(), path
        assert set(real.headers) == set(unknown.headers), path


async def test_a_unit_never_learns_who_the_citizen_is(web: Web) -> None:
    content = "我的电话是13800138000，也可以打一三九一二三四五六七八。"
    ticket = await dispatched(web, content=content, confidential=True)
    raw = await web.ask("unit", "GET", f"/api/tickets/{ticket['id']}")
    listed = await web.ask("unit", "GET", "/api/tickets")
    for text in (raw.raw.decode(), listed.raw.decode()):
        for hidden in (PHONE, "一三九一二三四五六七八", "王先生", "138****8000 "):
            assert hidden not in text
    told = raw.body
    assert (told["requester"], told["call"], told["contact_name"]) == (None, None, "")
    assert (told["suggestions"], told["messages"]) == ([], [])
    assert all("requester" not in str(event["data"]) for event in told["events"])
    seen = await story(web, "agent", ticket)
    assert seen["content"] == content
    assert seen["requester"]["masked"] == "138****8000"
    assert PHONE not in str(seen["messages"])
    assert ticket["id"] not in seen["content"]


async def test_a_masked_number_cannot_be_found_by_searching(web: Web) -> None:
    await dispatched(web, content="请打13800138000。")
    for text in ("13800138000", "800138", "13", "一三"):
        answer = await web.ask("unit", "GET", "/api/tickets", params={"text": text})
        assert (answer.status, answer.code) == (422, "number_searched")
    assert (await web.ask("agent", "GET", "/api/tickets", params={"text": "13800138000"})).status == 200


async def test_reading_a_ticket_is_kept(web: Web) -> None:
    ticket = await registered(web)
    await story(web, "auditor", ticket)
    async with web.db.transaction() as tx:
        read = select(audit.c.actor).where(audit.c.action == "ticket.read", audit.c.subject == f"ticket:{ticket['id']}")
        assert list((await tx.execute(read)).scalars()) == ["user:auditor"]


async def test_an_urged_unit_sees_by_whom_and_why(web: Web) -> None:
    ticket = await dispatched(web)
    await web.post("supervisor", f"/api/tickets/{ticket['id']}/urge", {"reason": "群众再次来电催促"})
    [urge] = (await story(web, "unit", ticket))["urges"]
    assert (urge["actor"], urge["reason"]) == ("user:supervisor", "群众再次来电催促")
    early = await registered(web)
    answer = await web.ask("agent", "POST", f"/api/tickets/{early['id']}/urge", {"reason": "催办"})
    assert (answer.status, answer.code) == (409, "nobody_to_urge")


async def suggest(web: Web, ticket: dict[str, Any], *found: tuple[Field, str]) -> list[int]:
    made = [
        Suggestion(
            field=name, value=value, display=value, quote=value, start_s=1.0, end_s=2.0, confidence=0.9, rule="test"
        )
        for name, value in found
    ]
    async with web.db.transaction() as tx:
        now = datetime.now(UTC)

        async def identity_of(number: Any) -> Any:
            return await web.vault.identity_of(tx, number)

        await suggestions.propose(tx, TicketId(ticket["id"]), made, now=now, identity_of=identity_of)
    return [row["id"] for row in (await story(web, "agent", ticket))["suggestions"] if row["state"] == "proposed"]


async def test_suggestions_are_taken_or_refused_and_never_overwrite_in_silence(web: Web) -> None:
    ticket = await web.post("agent", "/api/tickets", {"fields": {"place": "桂龙路"}})
    await suggest(web, ticket, (Field.PLACE, "新华街"), (Field.SUMMARY, "停水两天"))
    after = await ask(web, "agent", ticket, "suggestions/take")
    told = await story(web, "agent", after)
    assert (told["place"], told["content"]) == ("桂龙路", "停水两天")
    place = [row["id"] for row in told["suggestions"] if row["state"] == "proposed"]
    path, body = f"/api/tickets/{ticket['id']}/suggestions/take", {"version": after["version"], "ids": place}
    typed = await web.ask("agent", "POST", path, body)
    assert (typed.status, typed.code) == (422, "FieldTyped")
    assert "替换" in typed.body["detail"]
    await web.post("agent", path, {**body, "replace_typed": True})
    fresh = await suggest(web, ticket, (Field.OCCURRED_AT, "昨天"))
    await web.post("agent", f"/api/tickets/{ticket['id']}/suggestions/refuse", {"ids": fresh})
    states = {row["field"]: row["state"] for row in (await story(web, "agent", ticket))["suggestions"]}
    assert states == {Field.PLACE: "taken", Field.SUMMARY: "taken", Field.OCCURRED_AT: "refused"}


async def test_a_late_unit_explains_and_only_the_unit_can(web: Web) -> None:
    ticket = await handling(web)
    row = {"kind": "explain_overdue", "unit": "water", "why": "逾期未办结", "round": 1}
    async with web.db.transaction() as tx:
        task = tables.manual_task
        now = datetime.now(UTC)
        times = {"created_at": now - timedelta(hours=2), "due_at": now - timedelta(hours=1)}
        made = task.insert().values(ticket_id=ticket["id"], **row, **times).returning(task.c.id)
        task_id = (await tx.execute(made)).scalar_one()
    assert (await web.get("unit2", "/api/tasks"))["rows"] == []
    [seen] = (await web.get("unit", "/api/tasks"))["rows"]
    assert (seen["id"], seen["late"], seen["kind_name"]) == (task_id, True, "逾期情况说明")
    path, body = f"/api/tasks/{task_id}/done", {"outcome": "主管道爆裂，材料运输受阻。"}
    stranger = await web.ask("unit2", "POST", path, body)
    assert stranger.anonymous() == (await web.ask("unit2", "POST", "/api/tasks/999999/done", body)).anonymous()
    assert (await web.ask("supervisor", "POST", path, body)).code == "NotYours"
    assert (await web.post("unit", path, body))["state"] == "done"
    assert (await web.ask("unit", "POST", path, body)).status == 409


async def test_a_call_task_ends_only_by_its_result(web: Web) -> None:
    ticket = await surveying(web)
    await refused_by_gateway(web, ticket)
    [task] = (await web.get("agent", "/api/tasks"))["rows"]
    answer = await web.ask("agent", "POST", f"/api/tasks/{task['id']}/done", {"outcome": "好了"})
    assert (answer.status, answer.code) == (422, "GuardFailed")


async def test_tasks_are_paged_by_due_time(web: Web) -> None:
    tickets = [await surveying(web, phone=f"1380013800{n}") for n in range(3)]
    for ticket in tickets:
        await refused_by_gateway(web, ticket)
    first = await web.get("agent", "/api/tasks", limit=2)
    rest = await web.get("agent", "/api/tasks", after_due_at=first["next_due_at"], after_id=first["next_id"])
    rows = first["rows"] + rest["rows"]
    assert sorted(row["ticket"] for row in rows) == [ticket["id"] for ticket in tickets]
    assert rest["next_id"] is None


async def test_screens_that_are_away_change_nothing(web: Web) -> None:
    """The board of this test is a dead address: tickets are stored all the same."""
    ticket = await registered(web)
    async with web.db.transaction() as tx:
        queued = select(func.count()).where(sms_message.c.ticket_id == ticket["id"])
        assert (await tx.execute(queued)).scalar_one() == 1
