"""The telephone in the page: who gets which account, who may connect, what passes, when it ends, what is taken back."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer
from sqlalchemy import insert, select, update

from callcenter import accounts
from callcenter.commands import Kind
from callcenter.db import Database
from callcenter.softphones import HANDSET, Softphones
from callcenter.tables import audit, call, call_command, leg
from callcenter.types import CallId, Party
from callcenter.web import phone_relay
from callcenter.web.context import COOKIE
from tests.support.eventually import eventually
from tests.support.web import CALL_ID, Web, add_call, serving, with_people

PASSWORDS = {"8001": "secret-of-8001", "8009": "secret-of-8009"}
ONE, OTHER = "browser-one", "browser-two"


@dataclass
class Exchange:
    """What stands where Asterisk's WebSocket is: says back what it hears."""

    url: str = ""
    heard: list[Any] = field(default_factory=list)
    sockets: list[web.WebSocketResponse] = field(default_factory=list)

    async def take(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("sip",))
        await socket.prepare(request)
        self.sockets.append(socket)
        async for message in socket:
            self.heard.append(message.data)
            if message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
            else:
                await socket.send_bytes(message.data)
        return socket


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    made = Exchange()
    app = web.Application()
    app.router.add_get("/ws", made.take)
    async with TestServer(app) as server:
        made.url = str(server.make_url("/ws")).replace("http", "ws")
        yield made


@pytest.fixture
def softphones(exchange: Exchange, tmp_path: Path) -> Softphones:
    kept = tmp_path / "softphones.json"
    kept.write_text(json.dumps(PASSWORDS))
    kept.chmod(0o600)
    return Softphones(exchange.url, kept)


@pytest.fixture
async def desk(db: Database, tmp_path: Path, softphones: Softphones) -> AsyncIterator[Web]:
    async with serving(db, tmp_path, softphones=softphones) as started:
        yield await with_people(started)


@asynccontextmanager
async def connected(
    desk: Web, who: str = "agent", browser: str = ONE, *, origin: str | None = "", **more: Any
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """A page's connection. origin: default its own; None: none is sent."""
    token = desk.tokens.setdefault(who, await desk.sign_in(who))
    own = str(desk.client.make_url("/")).rstrip("/")
    headers = {"Cookie": f"{COOKIE}={token}", **({} if origin is None else {"Origin": origin or own})}
    url = desk.client.make_url(f"/api/phone/ws?browser={browser}")
    asked_for = {"protocols": ("sip",), **more}
    async with aiohttp.ClientSession() as session, session.ws_connect(url, headers=headers, **asked_for) as socket:
        yield socket


async def closing(socket: aiohttp.ClientWebSocketResponse) -> int | None:
    """The code it is closed with."""
    async with asyncio.timeout(5):
        async for _ in socket:
            pass
    return socket.close_code


async def test_everybody_gets_their_own_account_and_it_is_on_record(desk: Web) -> None:
    for who, extension in (("agent", "8001"), ("supervisor", "8009")):
        answer = await desk.ask(who, "GET", f"/api/phone?browser={ONE}")
        assert answer.body["password"] == PASSWORDS[extension]
        assert answer.body["uri"] == f"sip:{extension}@callcenter"
        assert answer.headers["Cache-Control"] == "no-store"
    async with desk.db.transaction() as tx:
        rows = await tx.execute(select(audit.c.actor, audit.c.subject).where(audit.c.action == "phone.account"))
        assert {tuple(row) for row in rows} == {("user:agent", "agent:8001"), ("user:supervisor", "agent:8009")}


async def test_who_has_none_reads_why(desk: Web, softphones: Softphones, db: Database, tmp_path: Path) -> None:
    told = await desk.get("agent2", "/api/phone/call")
    assert (told["softphone"], told["call"]) == (False, None)
    assert "话机" in told["why"]
    refused = await desk.ask("agent2", "GET", f"/api/phone?browser={ONE}")
    assert (refused.status, refused.code) == (409, "NotASoftphone")
    assert (await desk.ask("reviewer", "GET", f"/api/phone?browser={ONE}")).code == "no_extension"
    softphones.secrets.chmod(0o644)
    broken = await desk.ask("agent", "GET", f"/api/phone?browser={ONE}")
    assert (broken.status, broken.code) == (503, "SoftphonesWrong")
    assert PASSWORDS["8001"].encode() not in broken.raw


async def test_an_installation_without_softphones_says_so(db: Database, tmp_path: Path) -> None:
    async with serving(db, tmp_path) as started:
        plain = await with_people(started)
        assert (await plain.ask("agent", "GET", f"/api/phone?browser={ONE}")).code == "no_softphones"
        assert "没有启用浏览器电话" in (await plain.get("agent", "/api/phone/call"))["why"]


async def test_what_is_said_passes_as_it_is_and_a_sign_of_life_is_answered(desk: Web, exchange: Exchange) -> None:
    message = "REGISTER sip:callcenter SIP/2.0\r\nX: 市民 ‮\r\n\r\n"
    async with connected(desk) as socket:
        assert socket.protocol == "sip"
        await socket.send_str(message)
        assert await socket.receive_str(timeout=5) == message
        await socket.send_bytes(bytes(range(256)))
        assert await socket.receive_bytes(timeout=5) == bytes(range(256))
        await socket.send_str("\r\n\r\n")
        assert await socket.receive_str(timeout=5) == "\r\n"
    assert exchange.heard == [message, bytes(range(256))]
    await eventually(lambda: exchange.sockets[0].closed, "Asterisk's side is closed with the page's")


REFUSED = [
    pytest.param({"origin": "https://elsewhere.example"}, 403, id="another page"),
    pytest.param({"origin": None}, 403, id="a cookie without a page"),
    pytest.param({"protocols": ()}, 426, id="not SIP"),
    pytest.param({"who": "dispatcher"}, 403, id="another role"),
    pytest.param({"who": "agent2"}, 409, id="a desk telephone"),
    pytest.param({"browser": "x"}, 422, id="no name"),
]


@pytest.mark.parametrize(("given", "status"), REFUSED)
async def test_who_is_not_let_in(desk: Web, exchange: Exchange, given: dict[str, Any], status: int) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with connected(desk, **given):
            pass
    assert refused.value.status == status
    assert not exchange.sockets


async def test_a_stranger_is_not_let_in(desk: Web, exchange: Exchange) -> None:
    desk.tokens["agent"] = "A" * 43
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with connected(desk):
            pass
    assert refused.value.status == 401
    assert not exchange.sockets


async def test_it_ends_with_the_session(desk: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(phone_relay, "CHECK_S", 0.05)
    async with connected(desk) as socket:
        await socket.send_str("still here")
        assert await socket.receive_str(timeout=5) == "still here"
        async with desk.db.transaction() as tx:
            await accounts.close_session(tx, desk.tokens["agent"])
        assert await closing(socket) == phone_relay.SIGNED_OUT


async def test_another_browser_takes_it_and_the_first_is_told(desk: Web) -> None:
    async with connected(desk) as first:
        assert (await desk.get("agent", "/api/phone", browser=ONE))["elsewhere"] is False
        assert (await desk.get("agent", "/api/phone", browser=OTHER))["elsewhere"] is True
        async with connected(desk, browser=OTHER) as second, connected(desk, "supervisor") as neighbour:
            assert await closing(first) == phone_relay.TAKEN
            for socket in (second, neighbour):
                await socket.send_str("mine")
                assert await socket.receive_str(timeout=5) == "mine"
            assert (await desk.get("agent", "/api/phone", browser=OTHER))["elsewhere"] is False
    await eventually(lambda: nobody_has_it(desk), "the telephone is free again")


async def nobody_has_it(desk: Web) -> bool:
    return not (await desk.get("agent", "/api/phone", browser=ONE))["elsewhere"]


async def test_asterisk_away_is_said_and_gone_is_told(
    desk: Web, exchange: Exchange, softphones: Softphones, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(desk) as socket:
        await exchange.sockets[0].close()
        assert await closing(socket) == phone_relay.EXCHANGE_GONE
    object.__setattr__(softphones, "url", "ws://127.0.0.1:9/ws")
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with connected(desk):
            pass
    assert refused.value.status == 503


async def test_a_flood_and_a_giant_are_cut_off(desk: Web, exchange: Exchange) -> None:
    async with connected(desk) as socket:
        for _ in range(phone_relay.MOST_MESSAGES + 1):
            await socket.send_str("x")
        assert await closing(socket) == phone_relay.TOO_MUCH
    assert len(exchange.heard) == phone_relay.MOST_MESSAGES
    async with connected(desk) as socket:
        await socket.send_str("x" * (phone_relay.MOST_BYTES + 1))
        assert await closing(socket) == aiohttp.WSCloseCode.MESSAGE_TOO_BIG
    assert len(exchange.heard) == phone_relay.MOST_MESSAGES


# ---- a citizen's telephone in demonstrations ----------------------------------------------------------------------


async def test_nobody_plays_a_citizen_where_no_demonstration_runs(desk: Web, exchange: Exchange) -> None:
    assert (await desk.ask(None, "GET", "/api/handset")).code == "not_found"
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with played(desk):
            pass
    assert refused.value.status == 404
    assert not exchange.sockets


async def test_a_demonstrations_page_plays_a_citizen_without_signing_in(
    desk: Web, exchange: Exchange, softphones: Softphones
) -> None:
    object.__setattr__(softphones, "handset", True)
    softphones.secrets.write_text(json.dumps({**PASSWORDS, HANDSET: "secret-of-the-street"}))
    told = (await desk.ask(None, "GET", "/api/handset")).body
    assert (told["uri"], told["password"]) == ("sip:trunk-handset@callcenter", "secret-of-the-street")
    async with played(desk) as socket:
        await socket.send_str("INVITE")
        assert await socket.receive_str(timeout=5) == "INVITE"
        assert softphones.handsets == 1
    await eventually(lambda: softphones.handsets == 0, "the page is gone")
    for origin in ("https://elsewhere.example", None):
        with pytest.raises(aiohttp.WSServerHandshakeError):
            async with played(desk, origin):
                pass


@asynccontextmanager
async def played(desk: Web, origin: str | None = "") -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    own = str(desk.client.make_url("/")).rstrip("/")
    headers = {} if origin is None else {"Origin": origin or own}
    url = desk.client.make_url("/api/handset/ws")
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, headers=headers, protocols=("sip",)) as socket,
    ):
        yield socket


# ---- a call that goes on ------------------------------------------------------------------------------------------


async def with_open_call(desk: Web, agent: str = "8001") -> None:
    """The agent and a citizen are talking."""
    now = datetime.now(UTC)
    async with desk.db.transaction() as tx:
        await add_call(tx, desk.vault, CALL_ID)
        talking = {"state": "talking", "agent_id": agent, "ended_at": None, "agent_answered_at": now}
        await tx.execute(update(call).where(call.c.id == CALL_ID).values(**talking))
        legs = [(CALL_ID, Party.CITIZEN, ""), ("a-1763800000.13", Party.AGENT, agent)]
        for channel, party, who in legs:
            row = {"channel_id": channel, "call_id": CALL_ID, "party": party, "who": who, "name": "PJSIP/x"}
            await tx.execute(insert(leg).values(**row, created_at=now, answered_at=now, recorded=True))


async def asked(desk: Web) -> list[tuple[str, Any, str]]:
    async with desk.db.transaction() as tx:
        rows = await tx.execute(select(call_command.c.kind, call_command.c.args, call_command.c.call_id))
        return [tuple(row) for row in rows]


async def test_a_call_without_its_page_is_shown_masked_and_its_citizen_set_aside(desk: Web) -> None:
    await with_open_call(desk)
    shown = (await desk.get("agent", "/api/phone/call"))["call"]
    assert (shown["id"], shown["caller"], shown["situation"]) == (CALL_ID, "138****8000", "talking")
    assert (await desk.get("agent2", "/api/phone/call"))["call"] is None
    for who in ("agent2", "supervisor", "agent"):
        assert (await desk.ask(who, "POST", "/api/phone/left", {})).status == 204
    assert await asked(desk) == [(Kind.SET_ASIDE, {"agent": "8001"}, CALL_ID)]


Change = Callable[[Any], Any]
OVER: list[Any] = [
    pytest.param({"state": "with_unit"}, {}, id="the agent had left it"),
    pytest.param({"agent_id": "8002"}, {}, id="the next agent has it"),
    pytest.param({"ended_at": datetime.now(UTC)}, {}, id="it is over"),
    pytest.param({}, {"ended_at": datetime.now(UTC)}, id="the leg is gone"),
]


@pytest.mark.parametrize(("of_call", "of_leg"), OVER)
async def test_what_is_over_is_not_taken_back(desk: Web, of_call: dict[str, Any], of_leg: dict[str, Any]) -> None:
    await with_open_call(desk)
    async with desk.db.transaction() as tx:
        if of_call:
            await tx.execute(update(call).where(call.c.id == CALL_ID).values(**of_call))
        if of_leg:
            await tx.execute(update(leg).where(leg.c.party == Party.AGENT).values(**of_leg))
    assert (await desk.get("agent", "/api/phone/call"))["call"] is None
    refused = await desk.ask("agent", "POST", "/api/phone/rejoin", {"call": CALL_ID})
    assert (refused.status, refused.code) == (409, "NothingLeft")
    assert await asked(desk) == []


async def test_only_the_call_that_was_shown_is_taken_back(desk: Web) -> None:
    await with_open_call(desk)
    refused = await desk.ask("agent", "POST", "/api/phone/rejoin", {"call": CallId("a-1763800000.99")})
    assert (refused.status, refused.code) == (409, "NothingLeft")
