"""The public pages against those who mean no good, and Open311 for the programs of others."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from sqlalchemy import func, select, update

from callcenter.citizen import intake
from callcenter.citizen.open311 import keys_of
from callcenter.citizen.rating_links import link_of
from callcenter.citizen.tables import web_request
from callcenter.db import Database
from callcenter.sms.tables import sms_message
from tests.support.lives import asked_by_message, registered, surveying
from tests.support.web import Answer, Web, serving, with_people
from ticketing import tables

KEY = "k" * 32
FORM = {
    "request_type": "求助",
    "title": "路灯坏了",
    "content": "三天没有亮",
    "place": "幸福小区",
    "phone": "13900139000",
}
POST = {
    "service_code": "01.02",
    "description": "路灯坏了\n请联系13900139000",
    "address_string": "幸福小区",
    "phone": "13900139000",
}


@pytest.fixture
async def web(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(db, tmp_path, open311=keys_of({"app": KEY})) as started:
        yield await with_people(started)


async def send(web: Web, path: str, key: str = "", origin: str = "", **fields: str) -> Answer:
    headers = {"Idempotency-Key": key} if key else {}
    headers |= {"Origin": origin} if origin else {}
    return await web.ask(None, "POST", path, data=fields, headers=headers)


async def begun(web: Web, **fields: str) -> tuple[str, str]:
    """Token and code of a request that was sent."""
    answer = await send(web, "/citizen/report", **{**FORM, **fields})
    assert answer.status == 200, answer.raw.decode()
    token = re.search(rb'name="token" value="([^"]+)"', answer.raw)
    async with web.db.transaction() as tx:
        body = (await tx.execute(select(sms_message.c.body).order_by(sms_message.c.id.desc()).limit(1))).scalar_one()
    code = re.search(r"\d{6}", body)
    assert token, answer.raw
    assert code, body
    return token[1].decode(), code[0]


async def count(web: Web, table: Any) -> int:
    async with web.db.transaction() as tx:
        return int((await tx.execute(select(func.count()).select_from(table))).scalar_one())


async def test_without_the_code_there_is_no_ticket(web: Web) -> None:
    token, code = await begun(web)
    wrong = f"{(int(code) + 1) % 10**6:06d}"
    for _ in range(intake.TRIES):
        assert (await send(web, "/citizen/confirm", token=token, code=wrong)).status == 422
    assert (await send(web, "/citizen/confirm", token=token, code=code)).status == 422, "tried too often"
    assert (await send(web, "/citizen/confirm", token="x" * 32, code=code)).status == 422
    assert await count(web, tables.ticket) == 0


async def test_sent_twice_there_is_still_one_ticket(web: Web) -> None:
    token, code = await begun(web)
    first = await send(web, "/citizen/confirm", token=token, code=code)
    second = await send(web, "/citizen/confirm", token=token, code=code)
    assert (first.status, second.raw) == (200, first.raw)
    assert await count(web, tables.ticket) == 1


async def test_a_code_that_is_too_old_is_none(web: Web) -> None:
    token, code = await begun(web)
    async with web.db.transaction() as tx:
        await tx.execute(update(web_request).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert (await send(web, "/citizen/confirm", token=token, code=code)).status == 422


async def test_nobody_is_flooded_with_codes(web: Web) -> None:
    for _ in range(intake.MOST_A_NUMBER):
        await begun(web)
    refused = await send(web, "/citizen/report", **FORM)
    assert (refused.status, "过于频繁" in refused.raw.decode()) == (429, True)
    assert await count(web, sms_message) == intake.MOST_A_NUMBER
    for number in range(intake.MOST_AN_ADDRESS - intake.MOST_A_NUMBER):
        await begun(web, phone=f"137{number:08d}")
    assert (await send(web, "/citizen/report", **{**FORM, "phone": "13612345678"})).status == 429


async def test_a_program_that_fills_every_field_sends_nothing(web: Web) -> None:
    answer = await send(web, "/citizen/report", **FORM, website="http://spam.example")
    assert answer.status == 200
    assert (await count(web, web_request), await count(web, sms_message)) == (0, 0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("request_type", "随便"),
        ("title", ""),
        ("title", "字" * 101),
        ("content", "字" * 4001),
        ("phone", "110"),
        ("phone", "１３９００１３９０００"),
        ("place", ""),
    ],
)
async def test_what_is_wrong_is_said_at_its_field_and_nothing_is_lost(web: Web, field: str, value: str) -> None:
    answer = await send(web, "/citizen/report", **{**FORM, field: value})
    html = answer.raw.decode()
    assert answer.status == 422
    assert f'href="#{field}"' in html
    assert "三天没有亮" in html or field == "content"


async def test_another_sites_form_is_refused(web: Web) -> None:
    answer = await send(web, "/citizen/report", origin="https://elsewhere.example", **FORM)
    assert answer.status == 403


async def test_what_was_not_confirmed_goes_after_a_day(web: Web) -> None:
    await begun(web)
    async with web.db.transaction() as tx:
        assert await intake.forget(tx, datetime.now(UTC)) == 0
        assert await intake.forget(tx, datetime.now(UTC) + intake.KEPT + timedelta(minutes=1)) == 1


@pytest.mark.parametrize(
    "change", [lambda s: s[:-1] + ("0" if s[-1] != "0" else "1"), lambda s: s.replace("-1-", "-2-")]
)
async def test_a_rating_link_that_is_not_ours_opens_nothing(web: Web, change: Any) -> None:
    ticket = await surveying(web)
    await asked_by_message(web, ticket)
    link = link_of(web.vault, ticket["id"], 1)
    assert (await web.ask(None, "GET", f"/citizen/rate/{link}")).status == 200
    assert (await web.ask(None, "GET", f"/citizen/rate/{change(link)}")).status == 404
    assert (await send(web, f"/citizen/rate/{change(link)}", rating="满意")).status == 404


async def test_open311_tells_what_can_be_reported(web: Web) -> None:
    rows = (await web.ask(None, "GET", "/open311/v2/services.json")).body
    [lights] = [row for row in rows if row["service_code"] == "01.02"]
    assert (lights["service_name"], lights["type"], lights["metadata"]) == ("路灯照明", "realtime", False)
    tree = ElementTree.fromstring((await web.ask(None, "GET", "/open311/v2/services.xml")).raw)
    assert [one.findtext("service_code") for one in tree] == [row["service_code"] for row in rows]


async def test_a_partner_posts_and_a_person_registers(web: Web) -> None:
    for key in ("", "wrong"):
        refused = await send(web, "/open311/v2/requests.json", **POST, api_key=key)
        assert (refused.status, refused.body[0]["code"]) == (403, "403")
    answer = await send(web, "/open311/v2/requests.json", "a1", **POST, api_key=KEY)
    again = await send(web, "/open311/v2/requests.json", "a1", **POST, api_key=KEY)
    assert (answer.status, again.body) == (201, answer.body)
    ticket = await web.get("agent", f"/api/tickets/{answer.body[0]['service_request_id']}")
    assert (ticket["state"], ticket["subject"], ticket["title"]) == ("draft", "01.02", "路灯坏了")


@pytest.mark.parametrize("lacking", ["service_code", "description", "address_string", "phone"])
async def test_a_post_that_lacks_something_says_what(web: Web, lacking: str) -> None:
    answer = await send(web, "/open311/v2/requests.xml", **{**POST, lacking: ""}, api_key=KEY)
    assert answer.status in (400, 404)
    assert lacking in (ElementTree.fromstring(answer.raw).findtext("error/description") or "")


async def test_only_what_was_approved_for_the_public_is_shown(web: Web) -> None:
    first = await surveying(web, content="请联系13900139000", title="停水")
    await asked_by_message(web, first)
    await send(web, f"/citizen/rate/{link_of(web.vault, first['id'], 1)}", rating="满意")
    first = await web.get("reviewer", f"/api/tickets/{first['id']}")
    await registered(web)
    assert (await web.ask(None, "GET", "/open311/v2/requests.json")).body == []
    body = {"version": first["version"], "publish": True, "reason": "适宜公开", "consent": True, "suitable": True}
    await web.post("reviewer", f"/api/tickets/{first['id']}/publication", body)
    [shown] = (await web.ask(None, "GET", "/open311/v2/requests.json?status=closed")).body
    assert shown["service_request_id"] == first["id"]
    assert "13900139000" not in shown["description"]
    assert not {"phone", "contact_name", "first_name"} & shown.keys()
    assert (await web.ask(None, "GET", "/open311/v2/requests.json?status=open")).body == []
    assert (await web.ask(None, "GET", f"/open311/v2/requests/{first['id']}.json")).body == [shown]
    assert (await web.ask(None, "GET", "/open311/v2/requests/20260101000000.json")).status == 404
    for wrong in ("status=x", "start_date=yesterday", "start_date=2026-01-01"):
        assert (await web.ask(None, "GET", f"/open311/v2/requests.json?{wrong}")).status == 400
