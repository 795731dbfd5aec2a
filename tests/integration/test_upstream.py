"""The platform above and this one, both ways, on a real PostgreSQL with a real worker and real HTTP."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web as http
from sqlalchemy import func, select, text

from callcenter import flow_tickets, flow_upstream, jobs, upstream_outbox
from callcenter.db import Database
from callcenter.job import RetryPolicy
from callcenter.reports import orders
from callcenter.reports.figures import as_json, freeze
from callcenter.sms.tables import sms_message
from callcenter.tables import audit, identity
from callcenter.types import Actor, TicketId
from callcenter.upstream import UpstreamLink, forget_nonces
from callcenter.upstream_client import UpstreamClient
from callcenter.upstream_tables import upstream_nonce
from config.calendar_loader import load_calendar
from config.policy_loader import load_policies
from tests.support.appraisal import kit
from tests.support.eventually import eventually
from tests.support.lives import EXCEPTION, FIELDS, ask, reply_contents
from tests.support.signatures import COUNTY_HEAD, HEAD, OFFICE, SEND
from tests.support.tickets import DISPATCHER, SUPERVISOR, WATER, WATER_MAN
from tests.support.upper import OURS, SECRET, THEIRS, UpperPlatform, upper_platform
from tests.support.web import PHONE, Web, serving, with_people
from ticketing import commands, service, tables, upstream
from ticketing.aftercare import followup, repeats
from ticketing.aftercare.survey_words import Tick
from ticketing.appraisal import reports_store
from ticketing.appraisal.terms import parse_term
from ticketing.approvals.approvals import SignApproval
from ticketing.approvals.rules import Rank
from ticketing.approvals.termination import AskTermination, Judgement
from ticketing.commands import Detail
from ticketing.policy import Rules
from ticketing.supervision.supervision import Supervise
from ticketing.upstream_tables import upstream_ticket

AT_ONCE = RetryPolicy(max_tries=1_000, first_s=0.02, longest_s=0.05)
TICKET: dict[str, Any] = {
    "source": "市12345热线转派",
    "request_type": "求助",
    "content": "龙胜镇桂龙路停水两天了，希望尽快恢复供水。",
    "place": "桂龙路",
    "contact_name": "王先生",
    "phone": PHONE,
}


@cache
def shipped(policy_id: str) -> Rules:
    policies = load_policies(policy_id)
    return Rules(policies, load_calendar(policies[-1].calendar.overlays))


@asynccontextmanager
async def both(db: Database, spool: Path, policy_id: str = "longsheng") -> AsyncIterator[tuple[Web, UpperPlatform]]:
    """The platform, and a hotline that is connected to it; its worker runs when a test starts it."""
    async with upper_platform() as platform:
        link = UpstreamLink(THEIRS, OURS, SECRET.encode(), platform.url)
        async with serving(db, spool, shipped=shipped(policy_id), upstream=link) as web:
            platform.hotline = str(web.client.make_url("")).rstrip("/")
            yield await with_people(web), platform


@pytest.fixture
async def pair(db: Database, tmp_path: Path) -> AsyncIterator[tuple[Web, UpperPlatform]]:
    async with both(db, tmp_path) as one:
        yield one


@asynccontextmanager
async def working(db: Database, platform: UpperPlatform) -> AsyncIterator[None]:
    """A worker that sends."""
    client = UpstreamClient(UpstreamLink(THEIRS, OURS, SECRET.encode(), platform.url))
    sender = upstream_outbox.Sender(db.transaction, client.send, OURS)
    kind = upstream_outbox.SEND_JOB
    worker = jobs.Worker(db.asyncpg_dsn, {kind: sender}, policies={kind: AT_ONCE})
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        worker.stop()
        await asyncio.wait_for(task, 30)
        await client.close()


async def waiting(db: Database) -> int:
    async with db.transaction() as tx:
        return int(
            (await tx.execute(text("SELECT count(*) FROM upstream_message WHERE state = 'waiting'"))).scalar_one()
        )


async def drained(db: Database, platform: UpperPlatform) -> None:
    """Every message goes out, as a worker would send it; the worker itself runs where something goes wrong."""
    client = UpstreamClient(UpstreamLink(THEIRS, OURS, SECRET.encode(), platform.url))
    sender = upstream_outbox.Sender(db.transaction, client.send, OURS)
    async with db.transaction() as tx:
        queued = (
            await tx.execute(text("SELECT id FROM upstream_message WHERE state = 'waiting' ORDER BY id"))
        ).scalars()
    for message in queued.all():
        await sender(jobs.Job(message, upstream_outbox.SEND_JOB, "", b'{"message": %d}' % message, 1))
    await client.close()


async def _none_waits(db: Database) -> bool:
    return await waiting(db) == 0


async def count(db: Database, table: Any, *where: Any) -> int:
    async with db.transaction() as tx:
        return int((await tx.execute(select(func.count()).select_from(table).where(*where))).scalar_one())


async def now_of(web: Web, ticket_id: str) -> dict[str, Any]:
    told: dict[str, Any] = await web.get("supervisor", f"/api/tickets/{ticket_id}")
    return told


async def handed(platform: UpperPlatform, external_id: str = "市2026-0001", **fields: Any) -> dict[str, Any]:
    said = await platform.hand_down(external_id, **{**TICKET, **fields})
    assert said.status == 200, said.body
    told: dict[str, Any] = said.body
    return told


async def to_handling(web: Web, ticket_id: str) -> dict[str, Any]:
    now = await ask(web, "dispatcher", await now_of(web, ticket_id), "dispatch", lead="water", basis="职责清单")
    return await ask(web, "unit", await ask(web, "unit", now, "sign", person="水务值班室"), "start")


async def to_survey(web: Web, ticket_id: str) -> dict[str, Any]:
    now = await to_handling(web, ticket_id)
    return await ask(web, "unit", now, "reply", contents=reply_contents())


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
    assert (urge["reason"], urge["actor"]) == ("市热线:请尽快办理", f"unit_platform:{THEIRS}")


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


# ---- up: what the platform is told ----------------------------------------------------------------------------------


@pytest.mark.clause("LS-018", "LS-054", "LS-064", "WX-004")
async def test_the_platform_hears_of_every_step_and_of_the_result(pair: tuple[Web, UpperPlatform]) -> None:
    web, platform = pair
    told = await handed(platform)
    await to_survey(web, told["ticket"])
    await drained(web.db, platform)
    assert platform.kinds() == ["accepted", "dispatched", "signed", "replied", "result"]
    assert platform.wrong == []
    result = platform.last("result")
    assert (result["external_id"], result["ticket"], result["system"]) == ("市2026-0001", told["ticket"], OURS)
    assert result["data"]["contents"]["situation"] == "管道已修复，十一点恢复供水。"
    assert result["data"]["survey"] == "platform"
    assert platform.last("dispatched")["data"]["lead"] == "water"
    asked = await platform.look("市2026-0001")
    assert asked.body["feedback"] == "given"


@pytest.mark.clause("LS-019")
async def test_an_assisting_units_opinion_goes_to_the_platform_and_not_to_the_citizen(
    pair: tuple[Web, UpperPlatform],
) -> None:
    web, platform = pair
    told = await handed(platform)
    now = await now_of(web, told["ticket"])
    now = await ask(web, "dispatcher", now, "dispatch", lead="water", assists=["roads"], basis="职责清单")
    now = await ask(web, "unit2", now, "assist/sign")
    await ask(web, "unit2", now, "assist/opinion", opinion="路面已具备开挖条件。")
    await drained(web.db, platform)
    assert platform.last("opinion")["data"]["opinion"] == "路面已具备开挖条件。"
    assert await count(web.db, sms_message, sms_message.c.body.contains("开挖")) == 0


async def test_a_refused_ticket_is_told_with_its_reason_and_basis(pair: tuple[Web, UpperPlatform]) -> None:
    web, platform = pair
    told = await handed(platform)
    now = await now_of(web, told["ticket"])
    await ask(web, "agent", now, "reject", code="IN_PETITION", text="已进入信访渠道，请按信访程序办理。")
    await drained(web.db, platform)
    rejected = platform.last("rejected")["data"]
    assert (rejected["code"], rejected["label"], rejected["basis"]) == ("IN_PETITION", "已进入信访渠道", "第四条(四)")


async def test_our_own_tickets_are_nobodys_business_up_there(pair: tuple[Web, UpperPlatform]) -> None:
    web, _ = pair
    draft = await web.post("agent", "/api/tickets", {"fields": FIELDS})
    await ask(web, "agent", draft, "register", intake_exception=EXCEPTION)
    assert await waiting(web.db) == 0


async def test_nothing_is_lost_while_the_platform_is_away(pair: tuple[Web, UpperPlatform]) -> None:
    web, platform = pair
    platform.away = True
    first = await handed(platform)
    await handed(platform, "市2026-0002")
    async with working(web.db, platform):
        await to_survey(web, first["ticket"])
        await eventually(lambda: _tried(web.db), "the platform was never tried")
        assert platform.events == {}
        assert await waiting(web.db) == 6
        platform.away = False
        await eventually(lambda: _none_waits(web.db), "a message still waits")
    assert platform.kinds("市2026-0001") == ["accepted", "dispatched", "signed", "replied", "result"]
    assert platform.kinds("市2026-0002") == ["accepted"]


async def _tried(db: Database) -> bool:
    async with db.transaction() as tx:
        return bool((await tx.execute(text("SELECT max(tries) > 1 FROM upstream_message"))).scalar_one())


def broken(_: str) -> http.Response:
    return http.Response(status=500, text="<html>oops</html>")


def friendly(_: str) -> http.Response:
    return http.Response(status=200, text="<html>登录</html>", content_type="text/html")


async def test_only_a_receipt_that_names_the_message_counts(pair: tuple[Web, UpperPlatform]) -> None:
    """The platform kept the message each time: it came again, and counts once."""
    web, platform = pair
    platform.script = [broken, friendly]
    await handed(platform)
    async with working(web.db, platform):
        await eventually(lambda: _none_waits(web.db), "a message still waits")
    assert platform.kinds() == ["accepted"]
    assert list(platform.times.values()) == [3]


async def test_a_message_the_platform_refuses_waits_for_a_person_and_the_rest_goes_on(
    pair: tuple[Web, UpperPlatform],
) -> None:
    web, platform = pair
    platform.script = [lambda _: http.json_response({"error": "编号不存在"}, status=422)]
    told = await handed(platform)
    async with working(web.db, platform):
        await eventually(lambda: _held(web.db), "the refused message is not held")
        await to_handling(web, told["ticket"])
        await eventually(lambda: _none_waits(web.db), "a message still waits")
        assert platform.kinds() == ["accepted", "dispatched", "signed"]
        async with web.db.transaction() as tx:
            refused = (await upstream_outbox.messages_of(tx, TicketId(told["ticket"])))[0]
            assert (refused.state, "编号不存在" in refused.answer) == ("refused", True)
            assert await jobs.retry_held(tx, [one.id for one in await jobs.held_jobs(tx)]) == 1
        await eventually(lambda: _all_sent(web.db), "the mended message was not sent")


async def _held(db: Database) -> bool:
    async with db.transaction() as tx:
        return bool(await jobs.held_jobs(tx))


async def _all_sent(db: Database) -> bool:
    async with db.transaction() as tx:
        query = text("SELECT bool_and(state = 'sent') FROM upstream_message")
        return bool((await tx.execute(query)).scalar_one())


# ---- down: ratings --------------------------------------------------------------------------------------------------


@pytest.mark.clause("LS-064", "LS-065")
async def test_the_citizens_rating_comes_from_the_platform_and_closes_the_ticket(
    pair: tuple[Web, UpperPlatform],
) -> None:
    web, platform = pair
    told = await handed(platform)
    await to_survey(web, told["ticket"])
    assert await count(web.db, sms_message, sms_message.c.purpose == "survey") == 0, "the platform asks, not we"
    rating = {"key": "r1", "rating": "满意", "comment": "很快", "round": 1}
    said = await platform.tell("市2026-0001", "ratings", rating)
    assert (said.status, said.body["state"]) == (200, "closed")
    story = await now_of(web, told["ticket"])
    assert (story["rating"], story["rating_source"]) == ("满意", "citizen")
    again = await platform.tell("市2026-0001", "ratings", rating)
    assert (again.status, again.body["repeated"]) == (200, True)
    other = await platform.tell("市2026-0001", "ratings", rating | {"key": "r2", "rating": "不满意"})
    assert other.status == 409
    await drained(web.db, platform)
    assert platform.last("closed")["data"]["rating_source"] == "citizen"


@pytest.mark.clause("LS-067")
async def test_an_unsatisfied_rating_from_the_platform_asks_for_a_review_and_a_call(
    pair: tuple[Web, UpperPlatform],
) -> None:
    web, platform = pair
    told = await handed(platform)
    await to_survey(web, told["ticket"])
    said = await platform.tell("市2026-0001", "ratings", {"key": "r1", "rating": "不满意"})
    assert (said.status, said.body["state"]) == (200, "surveying")
    tasks = (await web.get("reviewer", "/api/tasks"))["rows"]
    assert {task["kind"] for task in tasks} >= {"manual_call", "review"}


@pytest.mark.clause("LS-065")
async def test_whose_rating_it_is_stays_as_the_platform_says(pair: tuple[Web, UpperPlatform]) -> None:
    web, platform = pair
    delivered = (datetime.now(UTC) - timedelta(hours=25)).isoformat()
    for number, source in enumerate(("citizen", "default", "manual")):
        external = f"市2026-000{number}"
        told = await handed(platform, external, phone=f"1380013800{number}")
        await to_survey(web, told["ticket"])
        rating = {"key": "r1", "rating": "满意", "source": source, "delivered_at": delivered}
        said = await platform.tell(external, "ratings", rating)
        assert said.status == 200, said.body
        assert (await now_of(web, told["ticket"]))["rating_source"] == source


@pytest.mark.clause("LS-065", "LS-066")
async def test_silence_counts_only_after_the_platform_has_proven_its_message_arrived(
    pair: tuple[Web, UpperPlatform],
) -> None:
    web, platform = pair
    told = await handed(platform)
    await to_survey(web, told["ticket"])
    rating = {"key": "r1", "rating": "满意", "source": "default"}
    refused = await platform.tell("市2026-0001", "ratings", rating)
    assert (refused.status, refused.body["basis"]) == (422, "第十三条(二)")
    early = {**rating, "delivered_at": datetime.now(UTC).isoformat()}
    assert (await platform.tell("市2026-0001", "ratings", early)).status == 422
    said = await platform.tell(
        "市2026-0001", "survey-receipts", {"key": "d1", "delivered": True, "at": datetime.now(UTC).isoformat()}
    )
    assert said.status == 200
    await _a_day_later(web, told["ticket"])
    story = await now_of(web, told["ticket"])
    assert (story["state"], story["rating"], story["rating_source"]) == ("closed", "满意", "default")


@pytest.mark.clause("LS-066")
async def test_a_message_of_the_platform_that_did_not_arrive_asks_for_a_call(pair: tuple[Web, UpperPlatform]) -> None:
    web, platform = pair
    told = await handed(platform)
    await to_survey(web, told["ticket"])
    receipt = {"key": "d1", "delivered": False, "at": datetime.now(UTC).isoformat()}
    assert (await platform.tell("市2026-0001", "survey-receipts", receipt)).status == 200
    await _a_day_later(web, told["ticket"])
    story = await now_of(web, told["ticket"])
    assert (story["state"], story["rating"]) == ("surveying", None)
    [task] = (await web.get("reviewer", "/api/tasks", kind="manual_call"))["rows"]
    assert task["ticket"] == told["ticket"]


async def _a_day_later(web: Web, ticket_id: str) -> None:
    survey, later = tables.ticket_survey, datetime.now(UTC) + timedelta(hours=25)
    async with web.db.transaction() as tx:
        survey_id = (await tx.execute(select(survey.c.id).where(survey.c.ticket_id == ticket_id))).scalar_one()
        await followup.tell(tx, survey_id, [Tick(later)], rules=web.ground.rules)


async def test_a_rating_of_an_earlier_round_does_not_rate_this_one(pair: tuple[Web, UpperPlatform]) -> None:
    web, platform = pair
    told = await handed(platform)
    await to_survey(web, told["ticket"])
    said = await platform.tell("市2026-0001", "ratings", {"key": "r1", "rating": "满意", "round": 2})
    assert (said.status, "第2轮" in said.body["detail"]) == (422, True)


async def test_there_is_nothing_to_rate_before_the_reply(pair: tuple[Web, UpperPlatform]) -> None:
    _, platform = pair
    await handed(platform)
    assert (await platform.tell("市2026-0001", "ratings", {"key": "r1", "rating": "满意"})).status == 409


# ---- extensions, cancellation, referral, supervision, figures ------------------------------------------------------


async def _extension_asked(web: Web, platform: UpperPlatform) -> tuple[str, int]:
    told = await handed(platform, source="州12345热线派发", request_type="投诉", place="")
    now = await to_handling(web, told["ticket"])
    informed = datetime.now(UTC).isoformat()
    await ask(web, "unit", now, "extension", amount=5, reason="管网改造需要时间", citizen_informed_at=informed)
    await drained(web.db, platform)
    asked = platform.last("extension_requested")["data"]
    assert (asked["amount"], asked["clock"], asked["decided_by"]) == (5, "wd", "platform")
    return told["ticket"], asked["extension"]


@pytest.mark.clause("WX-016")
async def test_the_platform_that_accepted_the_request_decides_on_its_extension(db: Database, tmp_path: Path) -> None:
    async with both(db, tmp_path, "weixi") as (web, platform):
        ticket_id, extension = await _extension_asked(web, platform)
        now = await now_of(web, ticket_id)
        body = {"version": now["version"], "amount": 5, "reason": ""}
        own = await web.ask("dispatcher", "POST", f"/api/tickets/{ticket_id}/extension/grant", body)
        assert (own.status, own.body["basis"]) == (422, "第八条")
        path = f"/upstream/v1/extensions/{extension}/decision"
        for repeated in (False, True):
            said = await platform.say("POST", path, {"granted": True, "amount": 3, "by": "州热线值班长"})
            assert (said.status, said.body["repeated"]) == (200, repeated), said.body
        assert (await platform.say("POST", path, {"granted": False, "reason": "不同意"})).status == 409
        await drained(db, platform)
        assert "extension_granted" in platform.kinds()
        due = [one for one in (await now_of(web, ticket_id))["deadlines"] if one["kind"] == "handle"]
        assert len(due) == 2, "the old limit is kept beside the new one"


@pytest.mark.clause("WX-016")
async def test_the_platform_refuses_an_extension_with_a_reason(db: Database, tmp_path: Path) -> None:
    async with both(db, tmp_path, "weixi") as (web, platform):
        ticket_id, extension = await _extension_asked(web, platform)
        path = f"/upstream/v1/extensions/{extension}/decision"
        assert (await platform.say("POST", path, {"granted": False})).status == 422
        assert (await platform.say("POST", path, {"granted": True, "amount": 99})).status == 422
        assert (await platform.say("POST", path, {"granted": False, "reason": "理由不充分"})).status == 200
        assert (await now_of(web, ticket_id))["extension_asked"] == 0


@pytest.mark.clause("GZ-010")
async def test_what_belongs_to_the_city_is_handed_up_with_the_matter_and_without_the_person(
    db: Database, tmp_path: Path
) -> None:
    async with both(db, tmp_path, "ganzhou") as (web, platform):
        draft = await web.post("agent", "/api/tickets", {"fields": {**FIELDS, "place": ""}})
        now = await ask(web, "agent", draft, "register")
        await ask(web, "agent", now, "refer", target="张掖市12345", text="属市直部门职责，已为您转交市热线。")
        await drained(db, platform)
        referred = platform.last("referred")
        assert (referred["external_id"], referred["data"]["content"]) == (None, FIELDS["content"])
        assert "王先生" not in str(referred)
        other = await ask(web, "agent", await web.post("agent", "/api/tickets", {"fields": FIELDS}), "register")
        await ask(web, "agent", other, "refer", target="110", text="请拨打110。")
        assert await waiting(db) == 0


async def act(web: Web, ticket_id: str, detail: Detail, actor: Actor) -> None:
    """One command by a person who has no login here, told as the API tells it."""
    now = datetime.now(UTC)
    async with web.db.transaction() as tx:
        rules = web.ground.rules
        done = await service.carry_out(tx, TicketId(ticket_id), detail, actor=actor, now=now, rules=rules)
        await flow_tickets.tell(tx, web.ground, done.facts, now)


@asynccontextmanager
async def to_be_cancelled(db: Database, spool: Path) -> AsyncIterator[tuple[Web, UpperPlatform, str]]:
    """A second unreasonable request, whose termination everybody down here has signed."""
    async with both(db, spool, "mengcheng") as (web, platform):
        fields = {"source": "市长热线电话", "request_type": "投诉", "place": ""}
        first = await handed(platform, "市2026-0001", **fields)
        ticket_id = (await handed(platform, "市2026-0002", **fields))["ticket"]
        await act(web, ticket_id, SEND, DISPATCHER)
        await act(web, ticket_id, commands.Sign(), WATER_MAN)
        await act(web, ticket_id, commands.Start(led_by="王局长", rank=Rank.PRINCIPAL), HEAD)
        async with db.transaction() as tx:
            earlier, now = TicketId(first["ticket"]), datetime.now(UTC)
            await repeats.confirm(
                tx, TicketId(ticket_id), earlier, actor=DISPATCHER, now=now, rules=web.ground.rules, reason="同一事项"
            )
        reasons = tuple(Judgement(TicketId(one), "诉求无法律依据") for one in (first["ticket"], ticket_id))
        await act(web, ticket_id, AskTermination("多次解释，诉求无法律依据", reasons), WATER_MAN)
        for signer in (HEAD, OFFICE, COUNTY_HEAD):
            await drained(db, platform)
            assert "termination_requested" not in platform.kinds(), f"{signer} has not signed yet"
            await act(web, ticket_id, SignApproval(), signer)
        await drained(db, platform)
        yield web, platform, ticket_id


@pytest.mark.clause("MC-035")
async def test_a_termination_stands_when_the_mayors_hotline_has_cancelled_the_number(
    db: Database, tmp_path: Path
) -> None:
    async with to_be_cancelled(db, tmp_path) as (web, platform, ticket_id):
        asked = platform.last("termination_requested")
        assert (asked["external_id"], asked["data"]["request_no"]) == ("市2026-0002", 2)
        assert asked["data"]["signed"] == ["承办单位主要负责人", "县热线办负责人", "县政府主要领导"]
        assert (await now_of(web, ticket_id))["state"] == "handling"
        cancellation = {"ticket": ticket_id, "cancelled": True}
        assert (await platform.say("POST", "/upstream/v1/cancellations", cancellation)).status == 422
        for repeated in (False, True):
            said = await platform.say("POST", "/upstream/v1/cancellations", cancellation | {"reference": "市销2026-7"})
            assert (said.status, said.body["repeated"]) == (200, repeated), said.body
        assert (await now_of(web, ticket_id))["state"] == "terminated"
        await drained(db, platform)
        assert platform.kinds("市2026-0002")[-1] == "terminated"


@pytest.mark.clause("MC-035")
async def test_a_termination_the_mayors_hotline_does_not_want_goes_on(db: Database, tmp_path: Path) -> None:
    async with to_be_cancelled(db, tmp_path) as (web, platform, ticket_id):
        refusal = {"ticket": ticket_id, "cancelled": False, "reason": "请再次核实"}
        assert (await platform.say("POST", "/upstream/v1/cancellations", refusal)).status == 200
        story = await now_of(web, ticket_id)
        assert story["state"] == "handling"


@pytest.mark.clause("GZ-037")
async def test_a_supervised_ticket_is_pushed(db: Database, tmp_path: Path) -> None:
    async with both(db, tmp_path, "ganzhou") as (web, platform):
        draft = await web.post("agent", "/api/tickets", {"fields": {**FIELDS, "place": ""}})
        now = await ask(web, "agent", draft, "register")
        await ask(web, "dispatcher", now, "dispatch", lead="water", basis="职责清单")
        trigger = web.ground.rules.policies[-1].supervise.triggers[0].code  # type: ignore[union-attr]
        await act(web, draft["id"], Supervise(trigger, reason="拖延不办", unit=WATER), SUPERVISOR)
        await drained(db, platform)
        pushed = platform.last("supervised")
        assert (pushed["ticket"], pushed["data"]["unit"]) == (draft["id"], "water")


@pytest.mark.clause("GZ-037")
async def test_a_published_bulletin_is_pushed(db: Database, tmp_path: Path) -> None:
    async with both(db, tmp_path, "ganzhou") as (web, platform):
        now, rules = datetime.now(UTC), web.ground.rules
        ground = orders.ground_at(rules, kit(), now)
        definition = orders.definition_of(ground.policy, "monthly")
        term = parse_term("2026-10")
        async with db.transaction() as tx:
            run = await reports_store.ask(tx, "monthly", term, actor=SUPERVISOR, now=now, publish_by=None)
            assert run is not None
            frozen = as_json(await freeze(tx, ground, definition, term, now, remarks="内部意见"))
            await reports_store.freeze(tx, run.id, frozen, policy="p", metrics="m", now=now, files=[])
            published = await reports_store.publish(tx, run.id, actor=SUPERVISOR, now=now)
            await flow_upstream.bulletin(tx, rules, published, now, connected=True)
        await drained(db, platform)
        pushed = platform.last("bulletin")
        assert (pushed["ticket"], pushed["data"]["term"]) == (None, "2026-10")
        assert "内部意见" not in str(pushed)


@pytest.mark.clause("GZ-007", "GZ-070", "SQ-002")
@pytest.mark.parametrize(("policy_id", "source"), [("ganzhou", "市12345热线转派"), ("suqian", "省12345在线")])
async def test_figures_are_shared_as_counts_by_day(db: Database, tmp_path: Path, policy_id: str, source: str) -> None:
    async with both(db, tmp_path, policy_id) as (_, platform):
        told = await handed(platform, source=source, place="")
        day = datetime.strptime(told["ticket"][:8], "%Y%m%d").replace(tzinfo=UTC).date()
        said = await platform.say("GET", f"/upstream/v1/figures?first={day}&last={day}")
        assert (said.body["by_type"], said.body["by_source"]) == ({"求助": 1}, {source: 1})
        assert said.body["by_rating"] == {}
        later = day + timedelta(days=1)
        said = await platform.say("GET", f"/upstream/v1/figures?first={later}&last={later}")
        assert said.body["by_type"] == {}
        assert (await platform.say("GET", f"/upstream/v1/figures?first={later}&last={day}")).status == 422


async def test_figures_are_not_shared_where_the_regulation_says_nothing_of_it(pair: tuple[Web, UpperPlatform]) -> None:
    _, platform = pair
    assert (await platform.say("GET", "/upstream/v1/figures?first=2026-01-01&last=2026-01-02")).status == 404


async def test_a_new_round_owes_the_platform_a_new_answer(pair: tuple[Web, UpperPlatform]) -> None:
    web, platform = pair
    told = await handed(platform)
    await to_survey(web, told["ticket"])
    async with web.db.transaction() as tx:
        await upstream.owed(tx, TicketId(told["ticket"]))
        row = (await tx.execute(select(upstream_ticket))).one()
    assert (row.feedback, row.feedback_at) == ("owed", None)
