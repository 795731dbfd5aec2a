"""What the platform above is told: every step in order, and nothing is lost while it is away."""

import pytest
from aiohttp import web as http
from sqlalchemy import text

from callcenter import jobs, upstream_outbox
from callcenter.db import Database
from callcenter.sms.tables import sms_message
from callcenter.types import TicketId
from tests.support.eventually import eventually
from tests.support.lives import EXCEPTION, FIELDS, ask
from tests.support.upper import OURS, UpperPlatform
from tests.support.upstream import count, drained, handed, none_waits, now_of, to_handling, to_survey, waiting, working
from tests.support.web import Web

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
        await eventually(lambda: none_waits(web.db), "a message still waits")
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
        await eventually(lambda: none_waits(web.db), "a message still waits")
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
        await eventually(lambda: none_waits(web.db), "a message still waits")
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
