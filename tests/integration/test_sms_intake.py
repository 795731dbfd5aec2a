"""Callbacks of the gateway over real HTTP, into a real PostgreSQL."""

import asyncio
import logging
import socket
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.db import Database
from callcenter.sms.facts import ReplyReceived, SmsFact
from callcenter.sms.intake import MOST_AT_ONCE, Intake
from tests.support.eventually import eventually
from tests.support.sms import CITIZEN, Desk

TOKEN = "callback-t0ken"


@dataclass
class Door:
    """The intake, served, with what it counted and told."""

    desk: Desk
    port: int
    counted: Counter[str] = field(default_factory=Counter)
    told: list[SmsFact] = field(default_factory=list)
    broken: bool = False
    closed: asyncio.Event | None = None

    async def tell(self, tx: AsyncConnection, facts: tuple[SmsFact, ...]) -> None:
        if self.broken:
            raise RuntimeError("the flow has a bug")
        if self.closed is not None:
            await self.closed.wait()
        self.told += facts

    async def get(self, path: str, local: str = "127.0.0.1", **query: Any) -> int:
        """The status; the body must be empty, for a gateway may send it to the citizen."""
        connector = aiohttp.TCPConnector(local_addr=(local, 0))
        async with aiohttp.ClientSession(connector=connector) as session:
            url = f"http://127.0.0.1:{self.port}/kannel/{path}?{urlencode({'token': TOKEN} | query)}"
            async with session.get(url) as response:
                assert await response.read() == b""
                return response.status

    async def mo(self, body: str, **changed: Any) -> int:
        query = {"from": CITIZEN.digits, "to": "12345", "text": body, "charset": "UTF-8", "ts": "1", "id": "m1"}
        return await self.get("mo", **(query | changed))


@pytest.fixture
async def door(db: Database) -> AsyncIterator[Door]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    desk = Desk(db)
    door = Door(desk, port)
    count = door.counted.update
    intake = Intake(TOKEN, db.transaction, desk.vault.identity_of, door.tell, lambda outcome: count([outcome]))
    async with intake.serving(port):
        yield door


async def stored(db: Database) -> list[str]:
    async with db.transaction() as tx:
        return list((await tx.execute(text("SELECT body FROM sms_inbound ORDER BY id"))).scalars())


async def test_a_reply_is_committed_when_the_gateway_hears_200(door: Door, db: Database) -> None:
    assert await door.mo("不满意，路灯还是不亮") == 200
    assert await stored(db) == ["不满意，路灯还是不亮"]
    [fact] = door.told
    assert isinstance(fact, ReplyReceived)
    assert fact.identity == await door.desk.who()


async def test_a_repeated_callback_is_one_reply(door: Door, db: Database) -> None:
    assert [await door.mo("1"), await door.mo("1"), await door.mo("1", id="m2")] == [200, 200, 200]
    assert await stored(db) == ["1", "1"]
    assert door.counted == {"message": 2, "message_again": 1}


async def test_one_person_writes_from_one_number_however_it_is_written(door: Door) -> None:
    for number, sender in enumerate(("13800138000", "+8613800138000", "008613800138000")):
        assert await door.mo("1", id=f"m{number}", **{"from": sender}) == 200
    assert len({fact.identity for fact in door.told if isinstance(fact, ReplyReceived)}) == 1


async def test_what_the_flow_cannot_take_is_not_stored_and_comes_again(door: Door, db: Database) -> None:
    door.broken = True
    assert await door.mo("1") == 503
    assert await stored(db) == []
    door.broken = False
    assert await door.mo("1") == 200
    assert await stored(db) == ["1"]


async def test_receipts_reach_their_message(door: Door) -> None:
    await door.desk.queue()
    await door.desk.submit()
    statuses = [await door.get("dlr", key="s:1", type=told, answer="ok") for told in ("8", "1", "1")]
    assert statuses == [200, 200, 200]
    assert [type(fact).__name__ for fact in door.told] == ["SmsDelivered"]
    assert await door.get("dlr", key="s:never", type="1") == 200
    assert door.counted["receipt_unmatched"] == 1


@pytest.mark.parametrize(
    ("path", "query", "why"),
    [
        ("mo", {"from": "CMCC", "text": "1"}, "not a telephone number"),
        ("mo", {"text": "1"}, "not a telephone number"),
        ("mo", {"from": "13800138000"}, "without a text"),
        ("mo", {"from": "13800138000", "text": b"\xff\xff", "charset": "UTF-8"}, "not UTF-8"),
        ("dlr", {"key": "s:1"}, "type ''"),
        ("dlr", {"key": "s:1", "type": "99"}, "type '99'"),
        ("dlr", {"key": "s:1", "type": "1 OR 1=1"}, "says nothing"),
        ("dlr", {"key": "'; DROP TABLE sms_message; --", "type": "1"}, "message key"),
    ],
)
async def test_a_useless_callback_is_counted_told_and_not_asked_for_again(
    door: Door, db: Database, caplog: pytest.LogCaptureFixture, path: str, query: dict[str, Any], why: str
) -> None:
    with caplog.at_level(logging.WARNING, "callcenter.sms.intake"):
        assert await door.get(path, **query) == 202
    assert door.counted == {"useless": 1}
    assert why in str(vars(caplog.records[-1])["why"])
    assert await stored(db) == []


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", "ｃａｌｌｂａｃｋ"])
async def test_only_the_token_opens(door: Door, db: Database, token: str) -> None:
    assert await door.mo("1", token=token) == 403
    assert await stored(db) == []


async def test_only_this_host_may_call(door: Door, db: Database) -> None:
    assert await door.mo("1", local="127.0.0.2") == 403
    assert await stored(db) == []


async def test_a_number_that_writes_too_much_waits_and_others_do_not(door: Door) -> None:
    statuses = [await door.mo("1", id=f"m{number}") for number in range(25)]
    assert statuses == [200] * 20 + [429] * 5
    assert await door.mo("1", id="other", **{"from": "13900139000"}) == 200


async def test_when_all_hands_are_full_the_gateway_is_asked_to_come_again(door: Door, db: Database) -> None:
    door.closed = asyncio.Event()
    numbers = [f"139{number:08d}" for number in range(MOST_AT_ONCE + 5)]
    asked = [asyncio.create_task(door.mo("1", id=number, **{"from": number})) for number in numbers]
    await eventually(lambda: door.counted["busy"] == 5, "all hands are full")
    door.closed.set()
    assert Counter(await asyncio.gather(*asked)) == {200: MOST_AT_ONCE, 503: 5}
    assert len(await stored(db)) == MOST_AT_ONCE


async def test_a_long_reply_is_kept_and_a_huge_one_is_refused(door: Door, db: Database) -> None:
    assert await door.mo("路" * 1900) == 200
    assert await stored(db) == ["路" * 1900]
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{door.port}/kannel/mo?token={TOKEN}&from=13800138000&text={'a' * 70_000}"
        async with session.get(url) as response:
            assert response.status == 400
    assert await door.mo("1", id="m2") == 200


async def test_text_that_postgresql_cannot_hold_is_kept_without_it(door: Door, db: Database) -> None:
    assert await door.mo("1\x00") == 200
    assert await stored(db) == ["1"]


async def test_neither_number_text_nor_token_is_logged(door: Door, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        for number in range(21):
            await door.mo("我的秘密", id=f"m{number}")
    said = " ".join(str(vars(record)) for record in caplog.records)
    assert "writes too much" in said
    for secret in (CITIZEN.digits, "我的秘密", TOKEN):
        assert secret not in said
