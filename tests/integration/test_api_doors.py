"""Who gets in, with what, and how every refusal looks: roles, sessions, origins, hostile input, a database away."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from sqlalchemy import select, update

from callcenter.board import BoardEvent
from callcenter.db import Database
from callcenter.stack.stack import Stack
from callcenter.tables import audit, user_account, user_session
from callcenter.web.groups import GROUPS
from callcenter.web.problems import CONTENT_TYPE
from callcenter.web.router import MAX_BODY_BYTES, Route
from tests.support.doors import ANYBODY, MATRIX
from tests.support.lives import FIELDS, opened
from tests.support.stack import new_folder
from tests.support.web import PASSWORD, PEOPLE, PHONE, Answer, Web, serving, with_call, with_people

ROUTES = [route for group in GROUPS for route in group.routes]
"""(method, path) -> who may, written down once more by hand: an endpoint without a row here is a failure."""


@pytest.fixture
async def web(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(db, tmp_path) as one:
        yield await with_people(one)


def concrete(route: Route) -> str:
    """The path with ids that do not exist."""
    path = route.path
    for name, kind in route.path_types.items():
        path = path.replace(f"{{{name}}}", "999999" if kind is int else "nope")
    return path


def is_problem(answer: Answer) -> bool:
    """The one shape every refusal has."""
    told = answer.body
    return (
        answer.headers["Content-Type"].startswith(CONTENT_TYPE)
        and {"type", "title", "status", "detail", "instance"} <= set(told)
        and told["status"] == answer.status
        and any("\u4e00" <= char <= "\u9fff" for char in told["detail"])
        and answer.headers["X-Request-Id"] == told["instance"]
    )


async def test_the_description_is_valid_openapi(web: Web) -> None:
    described = (await web.ask(None, "GET", "/openapi.json")).body
    assert described["openapi"] == "3.1.0"
    OpenAPIV31SpecValidator(described).validate()
    there = {(method.upper(), path) for path, row in described["paths"].items() for method in row}
    assert there == {(route.method, route.path) for route in ROUTES}
    assert all(route.summary for route in ROUTES)


def test_every_endpoint_has_a_row_in_the_matrix() -> None:
    assert {(route.method, route.path) for route in ROUTES} == set(MATRIX)


async def test_only_these_roles_get_in(web: Web) -> None:
    wrong = [row for route in ROUTES for row in [await _knock(web, route)] if row]
    assert wrong == []


async def _knock(web: Web, route: Route) -> str:
    """What is wrong at this door, `` when each role is let in or kept out as the matrix says."""
    wanted = MATRIX[route.method, route.path]
    stranger = await door(web, None, route)
    if wanted is ANYBODY:
        return "" if stranger.code != "not_signed_in" else f"{route.path}: is not open"
    if (stranger.status, stranger.code) != (401, "not_signed_in") or not is_problem(stranger):
        return f"{route.path}: a stranger gets {stranger.status}"
    for login, (roles, _, __) in PEOPLE.items():
        web.tokens.pop(login, None)
        answer = await door(web, login, route)
        let_in = answer.code not in ("not_allowed", "not_signed_in", "NotYours")
        if let_in != bool(roles & wanted) or (answer.status >= 400 and not is_problem(answer)):
            return f"{route.method} {route.path}: {login} gets {answer.status} {answer.code}"
    return ""


async def door(web: Web, who: str | None, route: Route) -> Answer:
    """The answer; of a stream, that it begins."""
    if route.path != "/api/stream" or who is None:
        return await web.ask(who, route.method, concrete(route), None if route.method == "GET" else {})
    headers = {"Authorization": f"Bearer {await web.sign_in(who)}"}
    async with web.client.get(route.path, headers=headers) as response:
        begun = b"" if response.status != 200 else await response.content.readline()
        return Answer(response.status, response.headers, begun if response.status == 200 else await response.read())


# ---- sessions -----------------------------------------------------------------------------------------------------


async def login(web: Web, who: str, password: str, **more: Any) -> Answer:
    return await web.ask(None, "POST", "/api/login", {"login": who, "password": password, **more})


async def test_a_browser_gets_a_cookie_and_a_program_a_token(web: Web) -> None:
    browser = await login(web, "agent", PASSWORD)
    cookie = browser.headers["Set-Cookie"]
    assert browser.body["token"] is None
    assert all(part in cookie for part in ("HttpOnly", "SameSite=Strict", "Path=/"))
    assert "Secure" not in cookie
    behind_tls = await web.ask(
        None,
        "POST",
        "/api/login",
        {"login": "agent", "password": PASSWORD},
        headers={"X-Forwarded-Proto": "https", "Origin": str(web.client.make_url("/")).rstrip("/")},
    )
    assert "Secure" in behind_tls.headers["Set-Cookie"]
    web.client.session.cookie_jar.clear()
    program = await login(web, "agent", PASSWORD, bearer=True)
    assert "Set-Cookie" not in program.headers
    web.tokens["agent"] = program.body["token"]
    assert (await web.get("agent", "/api/me"))["login"] == "agent"


async def test_five_wrong_passwords_lock_and_every_refusal_looks_the_same(web: Web) -> None:
    wrong = [await login(web, "agent", f"Wrong-{n}-password") for n in range(5)]
    right = await login(web, "agent", PASSWORD)
    unknown = await login(web, "nobody", PASSWORD)
    async with web.db.transaction() as tx:
        await tx.execute(update(user_account).where(user_account.c.login == "reviewer").values(disabled=True))
    disabled = await login(web, "reviewer", PASSWORD)
    assert {answer.anonymous() for answer in (*wrong, right, unknown, disabled)} == {right.anonymous()}
    assert right.status == 401
    async with web.db.transaction() as tx:
        over = datetime.now(UTC) - timedelta(seconds=1)
        await tx.execute(update(user_account).where(user_account.c.login == "agent").values(locked_until=over))
        rows = select(audit.c.ok).where(audit.c.action == "session.login").order_by(audit.c.id)
        assert list((await tx.execute(rows)).scalars()) == [False] * 8
    assert (await login(web, "agent", PASSWORD)).status == 200


async def test_guessing_in_parallel_is_counted_one_by_one(web: Web) -> None:
    await asyncio.gather(*(login(web, "agent", f"Wrong-{n}-password") for n in range(8)))
    assert (await login(web, "agent", PASSWORD)).status == 401


SESSIONS = [
    (timedelta(minutes=1), timedelta(minutes=1), 200),
    (timedelta(hours=11, minutes=59), timedelta(minutes=14), 200),
    (timedelta(hours=1), timedelta(minutes=15, seconds=1), 401),
    (timedelta(hours=12, seconds=1), timedelta(seconds=1), 401),
]
"""Signed in so long ago, last seen so long ago -> status."""


async def test_a_session_ends_when_idle_and_after_twelve_hours(web: Web) -> None:
    for signed_in, seen, status in SESSIONS:
        now = datetime.now(UTC)
        web.tokens["agent"] = await web.sign_in("agent", now - signed_in)
        async with web.db.transaction() as tx:
            await tx.execute(update(user_session).values(seen_at=now - seen))
        assert (await web.ask("agent", "GET", "/api/me")).status == status, (signed_in, seen)


async def test_signing_out_and_a_disabled_account_end_the_session(web: Web) -> None:
    await web.post("agent", "/api/logout")
    assert (await web.ask("agent", "GET", "/api/me")).status == 401
    await web.get("reviewer", "/api/me")
    async with web.db.transaction() as tx:
        await tx.execute(update(user_account).where(user_account.c.login == "reviewer").values(disabled=True))
    assert (await web.ask("reviewer", "GET", "/api/me")).status == 401


async def test_a_changed_password_ends_every_session(web: Web) -> None:
    await web.get("agent", "/api/me")
    weak = await web.ask("agent", "POST", "/api/me/password", {"old": PASSWORD, "new": "agent12345"})
    assert (weak.status, weak.code) == (422, "PasswordWeak")
    wrong = await web.ask("agent", "POST", "/api/me/password", {"old": "x", "new": "Xin-Mima-2026"})
    assert (wrong.status, wrong.code) == (401, "wrong_password")
    await web.post("agent", "/api/me/password", {"old": PASSWORD, "new": "Xin-Mima-2026"})
    assert (await web.ask("agent", "GET", "/api/me")).status == 401
    assert (await login(web, "agent", "Xin-Mima-2026")).status == 200


async def test_a_stolen_session_is_no_place_to_guess_the_password(web: Web) -> None:
    for _ in range(5):
        await web.ask("agent", "POST", "/api/me/password", {"old": "x", "new": "Xin-Mima-2026"})
    right = await web.ask("agent", "POST", "/api/me/password", {"old": PASSWORD, "new": "Xin-Mima-2026"})
    assert right.status == 401


async def test_a_first_password_opens_only_its_own_change(web: Web) -> None:
    async with web.db.transaction() as tx:
        await tx.execute(update(user_account).values(must_change_password=True))
    assert (await web.get("agent", "/api/me"))["must_change_password"]
    refused = await web.ask("agent", "GET", "/api/tickets")
    assert (refused.status, refused.code) == (403, "change_password")


ORIGINS = [("own", 204), (None, 403), ("https://evil.example", 403), ("null", 403), ("http://[", 403)]


async def test_a_cookie_works_only_from_our_own_pages(web: Web) -> None:
    own = str(web.client.make_url("/")).rstrip("/")
    for origin, status in ORIGINS:
        headers = {"Cookie": f"callcenter_session={await web.sign_in('agent')}"}
        if origin is not None:
            headers["Origin"] = own if origin == "own" else origin
        assert (await web.ask(None, "GET", "/api/me", headers=headers)).status == 200
        assert (await web.ask(None, "POST", "/api/logout", headers=headers)).status == status, origin


async def test_another_page_cannot_sign_a_person_in(web: Web) -> None:
    body = {"login": "agent", "password": PASSWORD}
    answer = await web.ask(None, "POST", "/api/login", body, headers={"Origin": "https://evil.example"})
    assert (answer.status, answer.code) == (403, "foreign_origin")


# ---- hostile input ------------------------------------------------------------------------------------------------

RAW = [
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b"[" * 100_000,
    b'{"fields":' * 5_000,
    b'{"fields": {"content": "\xff\xfe"}}',
    b'{"fields": {"content": "\\ud800"}}',
    b'{"fields": {"content": "a\\u0000b"}}',
    b'{"fields": {"content": 5}}',
    b'{"fields": {"urgent": "yes"}}',
    b'{"fields": {"phone": "+86 138"}}',
    b'{"fields": {"requester": 1}}',
    b'{"fields": {}, "version": 1}',
    b'{"fields": {}, "' + b"x" * 50_000 + b'": 1}',
    b'{"fields": {' + b",".join(b'"k%d": 1' % n for n in range(5_000)) + b"}}",
]


async def test_hostile_bodies_are_told_so(web: Web) -> None:
    headers = {"Content-Type": "application/json"}
    for raw in RAW:
        answer = await web.ask("agent", "POST", "/api/tickets", headers=headers, data=raw)
        assert answer.status in (400, 422), (raw[:100], answer.raw[:300])
        assert is_problem(answer)
        assert len(answer.raw) < 20_000


async def test_every_wrong_field_is_told_in_chinese(web: Web) -> None:
    body = {"version": 0, "lead": "", "assists": ["x"] * 21, "basis": 5, "more": 1}
    answer = await web.ask("dispatcher", "POST", "/api/tickets/20260101000001/dispatch", body)
    told = {row["field"]: row["problem"] for row in answer.body["errors"]}
    assert told == {
        "version": "不能小于 1",
        "lead": "至少 1 字",
        "assists": "最多 20 项",
        "basis": "应为文字",
        "more": "没有这一项",
    }


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_that_is_too_big_is_refused(web: Web, chunked: bool) -> None:
    raw = b'{"fields": {"content": "' + b"x" * MAX_BODY_BYTES + b'"}}'

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(raw), 65_536):
            yield raw[start : start + 65_536]

    answer = await web.ask("agent", "POST", "/api/tickets", data=pieces() if chunked else raw)
    assert answer.status == 413
    assert is_problem(answer)


PATHS = [
    "/api/tickets/%00",
    "/api/tickets/%ff",
    "/api/tickets/..%2f..%2fetc",
    "/api/tickets/" + "9" * 500,
    "/api/calls/%00",
    "/api/calls/x/recordings",
    "/api/recordings/-1/audio",
    "/api/recordings/99999999999999999999999/audio",
    "/api/recordings/%2e%2e/audio",
    "/api/recordings/１/audio",
    "/api/nothing-here",
    "/../etc/passwd",
]


async def test_strange_paths_lead_nowhere(web: Web) -> None:
    for path in PATHS:
        answer = await web.ask("supervisor", "GET", path)
        assert answer.status == 404, path
        assert is_problem(answer)


QUESTIONS: list[tuple[str, dict[str, str]]] = [
    ("/api/tickets", {"text": "\x00"}),
    ("/api/tickets", {"after": "1' OR '1'='1"}),
    ("/api/tickets", {"due_before": "2026-01-01T00:00:00"}),
    ("/api/tickets", {"limit": "100000"}),
    ("/api/tickets", {"state": "no such state"}),
    ("/api/tickets", {"other": "1"}),
    ("/api/tasks", {"after_due_at": "now"}),
    ("/api/tasks", {"after_due_at": "2026-01-01T00:00:00Z", "after_id": "9" * 30}),
    ("/api/missed-calls", {"after_due_at": "2026-01-01T00:00:00"}),
    ("/api/missed-calls", {"after_id": "9" * 30}),
    ("/api/calls", {"before": "\x00"}),
]


async def test_strange_questions_are_told_so(web: Web) -> None:
    for path, query in QUESTIONS:
        answer = await web.ask("supervisor", "GET", path, params=query)
        assert answer.status == 422, (path, query, answer.raw)
        assert is_problem(answer)


TEXTS = [
    "<script>window.__pwn = 1</script>",
    "'; DROP TABLE ticket; --",
    "%' OR 1=1 --",
    "=cmd|' /C calc'!A0",
    "{{7*7}} ${7*7}",
    "\u202e右至左\u200b零宽",
    "行一\r\nSet-Cookie: a=b",
    "\\u0000 是文字",
    "👩‍🌾𠮷𪚥",
]


async def test_hostile_texts_come_back_as_text(web: Web) -> None:
    for text in TEXTS:
        ticket = await opened(web, content=text, title=text)
        answer = await web.ask("agent", "GET", f"/api/tickets/{ticket['id']}")
        assert (answer.body["content"], answer.body["title"]) == (text, text)
        assert answer.headers["Content-Type"].startswith("application/json")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Server"] == "callcenter"
        found = await web.get("agent", "/api/tickets", text=text.replace("\r\n", "")[:20])
        assert len(found["rows"]) == (0 if "\n" in text else 1)


async def test_headers_that_are_no_text_are_no_error(web: Web) -> None:
    """Bytes that are not UTF-8, sent raw as no decent client would."""
    for header in ("Authorization", "Idempotency-Key", "Cookie"):
        assert await _raw_status(web, header) in (400, 401, 422), header


async def _raw_status(web: Web, header: str) -> int:
    server = web.client.server
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    token = (await web.sign_in("agent")).encode()
    lines = {
        b"Host": b"127.0.0.1",
        b"Authorization": b"Bearer " + token,
        b"Content-Type": b"application/json",
        b"Content-Length": b"14",
        b"Connection": b"close",
    }
    name = header.encode()
    lines[name] = b"Bearer \xff\xfe" if header == "Authorization" else b"callcenter_session=\xff\xfe"
    if header == "Cookie":
        del lines[b"Authorization"]
        lines[b"Origin"] = b"http://127.0.0.1"
    writer.write(b"POST /api/tickets HTTP/1.1\r\n")
    writer.writelines(b"%s: %s\r\n" % pair for pair in lines.items())
    writer.write(b"\r\n" + b'{"fields": {}}')
    status = int((await reader.read()).split(b" ")[1])
    writer.close()
    return status


async def test_a_method_that_is_none_is_told_so(web: Web) -> None:
    answer = await web.ask("agent", "DELETE", "/api/tickets")
    assert answer.status == 405
    assert is_problem(answer)


# ---- people -------------------------------------------------------------------------------------------------------


async def test_a_number_is_revealed_for_a_purpose_and_the_look_is_kept(web: Web) -> None:
    identity = await with_call(web)
    path = f"/api/identities/{identity}/reveal"
    for purpose in ("", "abc", "    "):
        assert (await web.ask("agent", "POST", path, {"purpose": purpose})).status == 422
    answer = await web.ask("agent", "POST", path, {"purpose": "回拨核实地址"})
    assert answer.body == {"number": PHONE}
    assert (await web.ask("agent", "POST", "/api/identities/77777/reveal", {"purpose": "回拨核实"})).status == 404
    async with web.db.transaction() as tx:
        rows = select(audit.c.actor, audit.c.subject, audit.c.ok, audit.c.detail).where(
            audit.c.action == "identity.reveal"
        )
        assert [tuple(row) for row in (await tx.execute(rows.order_by(audit.c.id))).all()] == [
            ("user:agent", f"identity:{identity}", True, {"purpose": "回拨核实地址"}),
            ("user:agent", "identity:77777", False, {"purpose": "回拨核实"}),
        ]


async def test_lists_never_show_a_number(web: Web) -> None:
    await with_call(web)
    await opened(web)
    for path in ("/api/calls", "/api/tickets", "/api/tasks", "/api/missed-calls", "/api/agents"):
        assert PHONE not in (await web.ask("supervisor" if path != "/api/tasks" else "agent", "GET", path)).raw.decode()


# ---- streams, and parts that are away -----------------------------------------------------------------------------


async def test_a_screen_pop_reaches_only_its_agent(db: Database, tmp_path: Path) -> None:
    stack = Stack(new_folder("valkey"))
    stack.open()
    await stack.valkey.boot()
    try:
        async with serving(db, tmp_path, stack.valkey.url) as web:
            await with_people(web)
            following = asyncio.create_task(web.hub.run())
            try:
                await _screen_pops(web)
            finally:
                following.cancel()
    finally:
        await stack.remove()


async def _screen_pops(web: Web) -> None:
    viewers = {login: await _viewer(web, login) for login in ("agent", "agent2", "unit", "unit2", "supervisor")}
    pop = BoardEvent("call.ringing", {"call": "a-1763800000.12"}, audience="8001")
    dispatched = BoardEvent("ticket.changed", {"ticket": "1", "unit": "water"})
    called = BoardEvent("coordination.called", {"ticket": "1", "unit": "roads"})
    last = BoardEvent("ticket.changed", {"ticket": "end", "unit": "roads"})
    other = BoardEvent("ticket.changed", {"ticket": "end", "unit": "water"})
    async with asyncio.timeout(20):
        while len(web.hub.viewers) != len(viewers):
            await asyncio.sleep(0.01)
        # Following begins some time after the subscription was asked for; a first event of every kind shows it is on.
        probe = BoardEvent("ticket.changed", {"ticket": "probe", "unit": "water"})
        heard = asyncio.create_task(_until(viewers["unit"], "probe"))
        while not heard.done():
            await web.hub.board.publish((probe,))
            await asyncio.wait([heard], timeout=0.1)
        await web.hub.board.publish((pop, dispatched, called, last, other))
        seen = {login: await _until(response, "end") for login, response in viewers.items() if login != "unit"}
        seen["unit"] = await _until(viewers["unit"], "end")
    assert {login for login, kinds in seen.items() if "call.ringing" in kinds} == {"agent", "supervisor"}
    assert seen["unit2"] == ["coordination.called", "ticket.changed"]
    assert set(seen["unit"]) == {"ticket.changed"}
    for response in viewers.values():
        response.close()


async def _viewer(web: Web, who: str) -> Any:
    headers = {"Authorization": f"Bearer {await web.sign_in(who)}"}
    response = await web.client.get("/api/stream", headers=headers)
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-store"
    return response


async def _until(response: Any, ticket: str) -> list[str]:
    """Kinds of the events up to the one of this ticket, without probes."""
    kinds: list[str] = []
    kind = ""
    while True:
        line = (await response.content.readline()).decode().rstrip("\n")
        assert not response.content.at_eof() or line
        if line.startswith("event: "):
            kind = line.removeprefix("event: ")
        elif line.startswith("data: "):
            data = json.loads(line.removeprefix("data: "))
            if data.get("ticket") != "probe" and kind != "lagged":
                kinds.append(kind)
            if data.get("ticket") == ticket:
                return kinds


async def test_a_stream_ends_with_its_session(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callcenter.web.live.CHECK_S", 0.0)
    token = web.tokens["agent"] = await web.sign_in("agent")
    async with web.client.get("/api/stream", headers={"Authorization": f"Bearer {token}"}) as response:
        assert await response.content.readline() == b": connected\n"
        await web.post("agent", "/api/logout")
        web.hub.hand_out(BoardEvent("agent.state", {}))
        async with asyncio.timeout(20):
            rest = await response.content.read()
    assert b"event: agent.state" not in rest or rest.count(b"event:") == 1


async def test_a_database_that_is_away_is_told_and_nothing_is_lost_in_silence(tmp_path: Path) -> None:
    away = Database("postgresql://nobody@/nothing?host=/nonexistent/callcenter-tests")
    try:
        async with serving(away, tmp_path) as web:
            web.tokens["agent"] = "any"
            answer = await web.ask("agent", "POST", "/api/tickets", {"fields": FIELDS})
            assert (answer.status, answer.code) == (503, "DatabaseAway")
            assert "没有保存" in answer.body["detail"]
            assert is_problem(answer)
            ready = await web.ask(None, "GET", "/readyz")
            assert ready.status == 503
            assert not ready.body["ready"]
            assert (await web.ask(None, "GET", "/livez")).status == 200
    finally:
        await away.close()


async def test_ready_says_which_part_is_away(web: Web) -> None:
    told = (await web.ask(None, "GET", "/readyz")).body
    assert told["ready"]
    assert told["parts"]["database"] == "ok"
    assert "Redis" in told["parts"]["board"]
