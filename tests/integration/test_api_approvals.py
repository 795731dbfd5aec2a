"""Signatures through the API: what waits for me, sign, decline, a ticket's chain, the sheet; titles of accounts."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from callcenter import accounts
from callcenter.db import Database
from callcenter.sms.tables import sms_message
from callcenter.types import Role, UnitId
from tests.support.signatures import rules
from tests.support.tickets import local
from tests.support.web import PHONE, Web, serving, with_people
from ticketing.clocks import SHANGHAI

KEY = {
    "request_type": "投诉",
    "source": "省长热线",
    "content": "小区供水压力不足，多次反映没有解决。",
    "place": "城关镇",
    "phone": PHONE,
}
LEADERS = {
    "chief": "县政府办负责人",
    "sector": "分管承办单位的副县长@water",
    "line": "分管热线工作的副县长",
    "county": "县长",
    "roads-deputy": "分管承办单位的副县长@roads",
}


@pytest.fixture
async def web(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(db, tmp_path, shipped=rules()) as one:
        await with_people(one)
        async with db.transaction() as tx:
            for login, title in LEADERS.items():
                one.ids[login] = await accounts.create(tx, login, login, "x", [Role.LEADER], titles=[title])
            one.ids["head"] = await accounts.create(
                tx, "head", "head", "x", [Role.UNIT_HEAD], unit=UnitId("water"), titles=["县长"]
            )
        yield one


async def do(web: Web, who: str, ticket: dict[str, Any], path: str, **body: Any) -> dict[str, Any]:
    told: dict[str, Any] = await web.post(
        who, f"/api/tickets/{ticket['id']}/{path}", {"version": ticket["version"], **body}
    )
    return told


async def forwarded(web: Web) -> dict[str, Any]:
    ticket = await web.post("agent", "/api/tickets", {"fields": KEY})
    ticket = await do(web, "agent", ticket, "register")
    return await do(web, "agent", ticket, "forward")


async def test_titles_count_for_leaders_only(web: Web) -> None:
    assert (await web.get("chief", "/api/me"))["titles"] == ["县政府办负责人"]
    async with web.db.transaction() as tx:
        head = await accounts.person_of(tx, await web.sign_in("head"), local(2026, 6, 1).now(SHANGHAI))
    assert head is not None
    assert head.actor.titles == frozenset(), "a title on a unit's account signs nothing"


async def test_a_leader_signs_what_waits_and_others_are_refused(web: Web) -> None:
    ticket = await forwarded(web)
    assert ticket["state"] == "awaiting_approval"
    page = await web.get("chief", "/api/approvals")
    assert [(row["ticket"], row["gate_name"], row["version"]) for row in page["rows"]] == [
        (ticket["id"], "派单前签批", ticket["version"])
    ]
    assert page["rows"][0]["basis"] == "第十条(四)"
    assert (await web.get("county", "/api/approvals"))["rows"] == []
    refused = await web.ask(
        "county", "POST", f"/api/tickets/{ticket['id']}/approvals/sign", {"version": ticket["version"]}
    )
    assert refused.status == 403
    assert "县政府办负责人签批" in refused.body["detail"]
    stale = await web.ask("chief", "POST", f"/api/tickets/{ticket['id']}/approvals/sign", {"version": 1})
    assert stale.status == 409
    signed = await do(web, "chief", ticket, "approvals/sign", instruction="请水务局牵头")
    assert signed["state"] == "awaiting_dispatch"
    assert (await web.get("chief", "/api/approvals"))["rows"] == []


async def test_buttons_show_whose_turn_it_is(web: Web) -> None:
    ticket = await forwarded(web)

    async def offered(who: str) -> set[str]:
        story = await web.get(who, f"/api/tickets/{ticket['id']}")
        return {row["event"] for row in story["allowed"]}

    assert {"sign_approval", "decline_approval"} <= await offered("chief")
    assert not {"sign_approval", "decline_approval"} & await offered("county")


async def test_the_whole_chain_stands_on_the_ticket_and_on_its_sheet(web: Web) -> None:
    ticket = await forwarded(web)
    back = await do(web, "chief", ticket, "approvals/decline", reason="先电话核实地点")
    assert back["state"] == "registered"
    again = await do(web, "agent", back, "forward")
    ticket = await do(web, "chief", again, "approvals/sign", opinion="同意转办", instruction="请水务局三日内报结果")
    ticket = await do(
        web, "dispatcher", ticket, "dispatch", lead="water", instruction="查明原因", on_spot_by="李副县长"
    )
    rows = (await web.get("unit", f"/api/tickets/{ticket['id']}/approvals"))["rows"]
    assert [(row["state_name"], row["steps"][0]["signed_by"]) for row in rows] == [
        ("不同意", "user:chief"),
        ("已同意", "user:chief"),
    ]
    assert rows[1]["steps"][0]["instruction"] == "请水务局三日内报结果"
    story = await web.get("unit", f"/api/tickets/{ticket['id']}")
    assert story["approvals"] == rows
    assert story["assignments"][0]["instruction"] == "县政府办负责人：请水务局三日内报结果\n查明原因"
    sheet = await web.get("leader", f"/api/approvals/{rows[1]['id']}/sheet")
    assert (sheet["ticket"], sheet["source"], sheet["flags"]) == (ticket["id"], "省长热线", ["重点交办", "领导批示"])
    assert sheet["approval"]["steps"][0]["opinion"] == "同意转办"
    foreign = await web.ask("unit2", "GET", f"/api/approvals/{rows[1]['id']}/sheet")
    unknown = await web.ask("unit2", "GET", "/api/approvals/999999/sheet")
    assert foreign.anonymous() == unknown.anonymous()
    assert foreign.status == 404


async def test_sign_off_and_feedback_through_the_api(web: Web) -> None:
    ticket = await do(web, "chief", await forwarded(web), "approvals/sign")
    ticket = await do(web, "dispatcher", ticket, "dispatch", lead="water", instruction="查明原因")
    ticket = await do(web, "unit", ticket, "sign")
    ticket = await do(web, "head", ticket, "start", led_by="王局长", rank="principal")
    now = local(2026, 6, 1).now(SHANGHAI)
    said = {
        "handled_on": now.date().isoformat(),
        "handled_hour": now.hour,
        "handling_unit": "水务局抢修班",
        "handler": "张师傅",
        "situation": "已更换加压泵。",
        "citizen_contacted_at": now.isoformat(),
        "result_told_at": now.isoformat(),
        "result_told_by": "电话",
    }
    ticket = await do(web, "unit", ticket, "signoff", contents=said)
    assert ticket["state"] == "awaiting_unit_signoff"
    ticket = await do(web, "head", ticket, "approvals/sign", seal="蒙水印字1号")
    assert ticket["state"] == "replied"
    ticket = await do(web, "reviewer", ticket, "approvals/ask", gate="before_feedback")
    assert (await web.get("roads-deputy", "/api/approvals"))["rows"] == [], "a deputy of other units"
    for who in ("sector", "line", "county"):
        assert len((await web.get(who, "/api/approvals"))["rows"]) == 1
        ticket = await do(web, who, ticket, "approvals/sign")
    assert ticket["state"] == "surveying"


async def test_the_citizen_is_told_what_a_request_lacks(web: Web) -> None:
    ticket = await web.post("agent", "/api/tickets", {"fields": KEY})
    ticket = await do(web, "agent", ticket, "register")
    ticket = await do(web, "agent", ticket, "supplement/ask", missing="请补充小区名称和楼栋号")
    assert ticket["state"] == "awaiting_supplement"
    async with web.db.transaction() as tx:
        bodies = (await tx.execute(select(sms_message.c.body).where(sms_message.c.key.like("supplement:%")))).scalars()
        assert ["请补充小区名称和楼栋号" in body for body in bodies] == [True]
    ticket = await do(web, "agent", ticket, "supplement", fields={"place": "幸福小区3栋"})
    assert ticket["state"] == "registered"
