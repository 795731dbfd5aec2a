"""Ratings, extensions and cancelled numbers from the platform above; what is handed up, pushed and shared."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from callcenter import flow_tickets, flow_upstream
from callcenter.db import Database
from callcenter.reports import orders
from callcenter.reports.figures import as_json, freeze
from callcenter.sms.tables import sms_message
from callcenter.types import Actor, TicketId
from tests.support.appraisal import kit
from tests.support.lives import FIELDS, ask
from tests.support.signatures import COUNTY_HEAD, HEAD, OFFICE, SEND
from tests.support.tickets import DISPATCHER, SUPERVISOR, WATER, WATER_MAN
from tests.support.upper import UpperPlatform
from tests.support.upstream import both, count, drained, handed, now_of, to_handling, to_survey, waiting
from tests.support.web import Web
from ticketing import commands, service, tables, upstream
from ticketing.aftercare import followup, repeats
from ticketing.aftercare.survey_words import Tick
from ticketing.appraisal import reports_store
from ticketing.appraisal.terms import parse_term
from ticketing.approvals.approvals import SignApproval
from ticketing.approvals.rules import Rank
from ticketing.approvals.termination import AskTermination, Judgement
from ticketing.commands import Detail
from ticketing.supervision.supervision import Supervise
from ticketing.upstream_tables import upstream_ticket

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
