"""Tickets of the platform above come down once, signed, whatever is repeated or forged."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from callcenter.db import Database
from callcenter.tables import audit, identity
from callcenter.types import TicketId
from callcenter.upstream import forget_nonces
from callcenter.upstream_tables import upstream_nonce
from tests.support.upper import THEIRS, UpperPlatform, upper_platform
from tests.support.upstream import TICKET, both, count, drained, handed, now_of, to_handling, to_survey
from tests.support.web import PHONE, Web, serving
from ticketing import tables, upstream

# ---- down: tickets ------------------------------------------------------------------------------------------------


@pytest.mark.clause("LS-001", "LS-014")
async def test_a_ticket_of_the_platform_is_registered_and_waits_for_a_dispatcher(
    pair: tuple[Web, UpperPlatform],
) -> None:
    web, platform = pair
    told = await handed(platform, urgent=False, feedback_due_at="2027-01-01T10:00:00+08:00")
    assert (told["created"], told["state"]) == (True, "awaiting_dispatch")
    story = await now_of(web, told["ticket"])
    assert (story["source"], story["request_type"], story["contact_name"]) == ("市12345热线转派", "求助", "王先生")
    assert story["events"][0]["actor"] == f"unit_platform:{THEIRS}"
    asked = await platform.look("市2026-0001")
    assert (asked.body["ticket"], asked.body["feedback"]) == (told["ticket"], "owed")
    assert asked.body["feedback_due_at"] == "2027-01-01T02:00:00Z"


async def test_the_requesters_number_goes_into_the_vault_and_nowhere_else(pair: tuple[Web, UpperPlatform]) -> None:
    web, platform = pair
    told = await handed(platform)
    story = await now_of(web, told["ticket"])
    assert story["requester"]["masked"] == "138****8000"
    assert await count(web.db, identity) == 1
    await to_survey(web, told["ticket"])
    await drained(web.db, platform)
    assert PHONE not in str(list(platform.events.values()))
    async with web.db.transaction() as tx:
        for table in ("ticket", "ticket_event", "upstream_ticket", "upstream_item", "upstream_message", "audit"):
            rows = (
                await tx.execute(text(f"SELECT count(*) FROM {table} t WHERE t::text LIKE '%{PHONE}%'"))
            ).scalar_one()
            assert rows == 0, table


async def test_a_repeated_message_creates_one_ticket(pair: tuple[Web, UpperPlatform]) -> None:
    web, platform = pair
    said = await asyncio.gather(*(platform.hand_down("市2026-0001", **TICKET) for _ in range(5)))
    assert [one.status for one in said] == [200] * 5
    assert len({one.body["ticket"] for one in said}) == 1
    assert sum(one.body["created"] for one in said) == 1
    assert await count(web.db, tables.ticket) == 1
    other = await platform.hand_down("市2026-0001", **{**TICKET, "content": "另一件事"})
    assert (other.status, other.body["title"]) == (409, "Contradicted")
    other = await platform.hand_down("市2026-0001", **{**TICKET, "phone": "13900139000"})
    assert other.status == 409


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"source": "电话"}, "不是上级平台转派的来源"),
    ({"request_type": "闲聊"}, "不在本地规定之内"),
    ({"content": ""}, "content"),
    ({"external_id": "a/b"}, "external_id"),
    ({"phone": "138-0013"}, "phone"),
    ({"flags": ["royal"]}, "flags"),
    ({"nickname": "x"}, "nickname"),
]


async def test_what_cannot_be_taken_is_told_in_chinese_and_leaves_nothing(pair: tuple[Web, UpperPlatform]) -> None:
    web, platform = pair
    for changed, told in WRONG:
        said = await platform.hand_down(**{"external_id": "市2026-0001", **TICKET, **changed})
        assert (said.status, told in said.body["detail"]) == (422, True), said.body
    assert await count(web.db, tables.ticket) == 0


@pytest.mark.parametrize(
    ("policy_id", "sources"),
    [
        pytest.param("weixi", ["州12345热线派发", "省12345热线派发"], marks=pytest.mark.clause("WX-003", "WX-007")),
        pytest.param(
            "suqian",
            ["国务院“互联网+督查”", "国家政务服务平台", "国家“互联网+监管”", "省12345在线"],
            marks=pytest.mark.clause("SQ-002", "SQ-003"),
        ),
        pytest.param("suqian", ["政风热线", "政务服务“好差评”"], marks=pytest.mark.clause("SQ-004")),
        pytest.param("mengcheng", ["市长热线电话", "人民网网友留言", "省长留言"], marks=pytest.mark.clause("MC-001")),
    ],
)
async def test_every_source_from_above_has_its_own_number_and_a_duty_to_report_back(
    db: Database, tmp_path: Path, policy_id: str, sources: list[str]
) -> None:
    async with both(db, tmp_path, policy_id) as (_, platform):
        for number, source in enumerate(sources):
            external = f"外{number}"
            told = await handed(
                platform, external, source=source, place="", feedback_due_at="2027-01-01T10:00:00+08:00"
            )
            async with db.transaction() as tx:
                link = await upstream.link_of(tx, TicketId(told["ticket"]))
            assert link is not None
            assert (link.external_id, link.source, link.feedback) == (external, source, "owed")
            assert link.feedback_due_at == datetime(2027, 1, 1, 2, tzinfo=UTC)


async def test_attachments_are_kept_by_name_and_checksum(pair: tuple[Web, UpperPlatform]) -> None:
    _, platform = pair
    one = {"key": "f1", "name": "停水通知.jpg", "sha256": "a" * 64, "size_bytes": 12}
    await handed(platform, attachments=[one])
    for repeated in (False, True):
        said = await platform.tell("市2026-0001", "attachments", {"attachments": [one | {"key": "f2"}]})
        assert (said.status, said.body["repeated"]) == (200, repeated)
    asked = await platform.look("市2026-0001")
    assert asked.body["attachments"] == 2
    changed = await platform.tell("市2026-0001", "attachments", {"attachments": [one | {"name": "别的.jpg"}]})
    assert changed.status == 409


async def test_an_urge_is_noted_on_the_ticket_once(pair: tuple[Web, UpperPlatform]) -> None:
    web, platform = pair
    told = await handed(platform)
    await to_handling(web, told["ticket"])
    for repeated in (False, True):
        said = await platform.tell("市2026-0001", "urges", {"key": "u1", "text": "请尽快办理", "by": "市热线"})
        assert (said.status, said.body["repeated"]) == (200, repeated)
    [urge] = (await now_of(web, told["ticket"]))["urges"]
    assert (urge["reason"], urge["actor"]) == ("市热线：请尽快办理", f"unit_platform:{THEIRS}")


# ---- the door -----------------------------------------------------------------------------------------------------

FORGERIES: dict[str, Callable[[], dict[str, Any]]] = {
    "signature": lambda: {"secret": "x" * 40},
    "system": lambda: {"system": "somebody"},
    "clock": lambda: {"at": int(time.time()) - 400},
    "headers": lambda: {"nonce": "short"},
}


async def test_a_forged_request_is_refused_and_written_down(pair: tuple[Web, UpperPlatform]) -> None:
    web, platform = pair
    for forged in FORGERIES.values():
        said = await platform.say("POST", "/upstream/v1/tickets", {"external_id": "1", **TICKET}, **forged())
        assert said.status == 401
        assert said.body["detail"].startswith("请求未被接受：")
    async with web.db.transaction() as tx:
        rows = (await tx.execute(select(audit).where(audit.c.action == "upstream.refused").order_by(audit.c.id))).all()
    assert [row.detail["why"] for row in rows] == list(FORGERIES)
    assert {(row.ok, row.detail["path"]) for row in rows} == {(False, "/upstream/v1/tickets")}
    assert await count(web.db, tables.ticket) == 0


async def test_a_body_that_was_changed_on_its_way_is_refused(pair: tuple[Web, UpperPlatform]) -> None:
    _, platform = pair
    said = await platform.say(
        "POST", "/upstream/v1/tickets", {"external_id": "1", **TICKET}, sent=b'{"external_id": "2"}'
    )
    assert said.status == 401


async def test_a_replayed_request_is_refused_and_written_down(pair: tuple[Web, UpperPlatform]) -> None:
    web, platform = pair
    body = {"external_id": "1", **TICKET}
    nonce = "n" * 32
    assert (await platform.say("POST", "/upstream/v1/tickets", body, nonce=nonce)).status == 200
    again = await platform.say("POST", "/upstream/v1/tickets", body, nonce=nonce)
    assert (again.status, "随机串" in again.body["detail"]) == (401, True)
    assert await count(web.db, audit, audit.c.action == "upstream.refused") == 1
    assert await count(web.db, tables.ticket) == 1


async def test_a_flood_of_forgeries_does_not_fill_the_record(pair: tuple[Web, UpperPlatform]) -> None:
    web, platform = pair
    said = [await platform.say("GET", "/upstream/v1/tickets/1", secret="x" * 40) for _ in range(70)]
    assert {one.status for one in said} == {401, 429}
    assert await count(web.db, audit, audit.c.action == "upstream.refused") < 65
    assert (await platform.hand_down("1", **TICKET)).status == 200


async def test_where_no_platform_is_connected_there_is_no_door(db: Database, tmp_path: Path) -> None:
    async with serving(db, tmp_path) as web, upper_platform(str(web.client.make_url("")).rstrip("/")) as platform:
        assert (await platform.hand_down("1", **TICKET)).status == 404


async def test_an_unknown_number_is_not_found(pair: tuple[Web, UpperPlatform]) -> None:
    _, platform = pair
    assert (await platform.say("GET", "/upstream/v1/tickets/nothing")).status == 404
    assert (await platform.tell("nothing", "urges", {"key": "u1", "text": "请尽快办理"})).status == 404
    assert (
        await platform.say("POST", "/upstream/v1/extensions/7/decision", {"granted": True, "amount": 1})
    ).status == 404
    gone = {"ticket": "20990101000001", "cancelled": True, "reference": "1"}
    assert (await platform.say("POST", "/upstream/v1/cancellations", gone)).status == 404


async def test_old_nonces_are_forgotten(pair: tuple[Web, UpperPlatform]) -> None:
    web, platform = pair
    await handed(platform)
    async with web.db.transaction() as tx:
        await tx.execute(text("UPDATE upstream_nonce SET seen_at = seen_at - interval '1 hour'"))
    await platform.say("GET", "/upstream/v1/tickets/1")
    await forget_nonces(web.db)
    assert await count(web.db, upstream_nonce) == 1
