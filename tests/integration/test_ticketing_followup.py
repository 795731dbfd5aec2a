"""Follow-up in a real PostgreSQL: from the reply to the rating, by SMS, by silence, by call; and suggestions."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.db import Database
from callcenter.types import Actor, IdentityId, PhoneNumber, TicketId
from tests.support.tickets import (
    AGENT,
    DISPATCHER,
    FIELDS,
    MONDAY,
    REVIEWER,
    SYSTEM,
    WATER,
    WATER_MAN,
    contents,
    rules,
)
from ticketing import commands, facts, service, store, tables
from ticketing.aftercare import followup
from ticketing.aftercare.followup import Followed
from ticketing.aftercare.sms_reply import Rating
from ticketing.aftercare.survey_words import Accepted, Barred, Kept, Receipt, Refused, Reported, Submitting, SurveyEvent
from ticketing.checks import broken_invariants
from ticketing.commands import Changes, Detail
from ticketing.facts import Fact
from ticketing.prefill import suggestions
from ticketing.prefill.draft import Field, Suggestion
from ticketing.record import GuardFailed, NotNow, NotYours, Ticket
from ticketing.words import Event, RatingSource, State

CALLER = IdentityId(5)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
REPLIED = MONDAY + HOUR
SENT = REPLIED + timedelta(minutes=1)
DELIVERED = REPLIED + timedelta(minutes=2)
TO = "12345"


async def act(tx: AsyncConnection, ticket_id: TicketId, detail: Detail, actor: Actor, at: datetime) -> service.Outcome:
    return await service.carry_out(tx, ticket_id, detail, actor=actor, now=at, rules=rules())


async def asked(
    tx: AsyncConnection, requester: IdentityId | None = CALLER, at: datetime = MONDAY
) -> tuple[TicketId, tuple[Fact, ...]]:
    """A ticket the unit has just replied to, and what the reply made true."""
    opened = await service.open_draft(tx, actor=SYSTEM, now=at, rules=rules(), requester=requester)
    await act(tx, opened.id, commands.Register(FIELDS, "例外"), AGENT, at)
    await act(tx, opened.id, commands.Dispatch(WATER), DISPATCHER, at)
    await act(tx, opened.id, commands.Sign(), WATER_MAN, at)
    await act(tx, opened.id, commands.Start(), WATER_MAN, at)
    done = await act(tx, opened.id, commands.Reply(contents(at)), WATER_MAN, at + HOUR)
    return opened.id, done.facts


def survey_of(told: Sequence[Fact]) -> int:
    (due,) = (fact for fact in told if isinstance(fact, facts.SurveyDue))
    return due.survey_id


async def tell(tx: AsyncConnection, survey_id: int, *events: SurveyEvent) -> Followed:
    return await followup.tell(tx, survey_id, events, rules=rules())


async def delivered(tx: AsyncConnection) -> tuple[TicketId, int]:
    ticket_id, told = await asked(tx)
    survey_id = survey_of(told)
    await tell(tx, survey_id, Submitting(SENT), Accepted(SENT), Reported(DELIVERED, Receipt.DELIVERED))
    return ticket_id, survey_id


async def say(tx: AsyncConnection, body: str, at: datetime = DELIVERED + HOUR, key: str = "mo-1") -> Followed:
    return await followup.replied(tx, CALLER, TO, body, key=key, at=at, rules=rules())


async def ticket(tx: AsyncConnection, ticket_id: TicketId) -> Ticket:
    return await store.load(tx, ticket_id)


async def tasks(tx: AsyncConnection, state: str = "open") -> set[str]:
    table = tables.manual_task
    return set((await tx.execute(select(table.c.kind).where(table.c.state == state))).scalars())


async def test_a_reply_asks_the_citizen_at_once(tx: AsyncConnection) -> None:
    ticket_id, told = await asked(tx)
    assert [type(fact) for fact in told] == [facts.TicketReplied, facts.SurveyBegun, facts.SurveyDue]
    assert (await ticket(tx, ticket_id)).state is State.SURVEYING


async def test_an_answer_of_1_closes_the_ticket_which_is_archived(db: Database) -> None:
    async with db.transaction() as tx:
        ticket_id, _ = await delivered(tx)
    async with db.transaction() as tx:
        said = await say(tx, " １ 修得快")
    assert said.kept is Kept.COUNTED
    assert [type(fact) for fact in said.facts] == [facts.TicketRated, facts.TicketClosed]
    async with db.transaction() as tx:
        await act(tx, ticket_id, commands.Archive(), SYSTEM, MONDAY + DAY)
    async with db.transaction() as tx:
        done = await ticket(tx, ticket_id)
        chain = await store.chain_of(tx, ticket_id)
        assert (done.state, done.rating, done.rating_source) == (State.ARCHIVED, "满意", RatingSource.CITIZEN)
        kinds = " ".join(entry.kind for entry, _, __ in chain)
        assert kinds == "open register dispatch sign start reply begin_survey survey_delivered rate close archive"
        assert chain[8][0].actor == "citizen:citizen"
        assert await broken_invariants(tx, rules()) == ()


async def test_the_same_message_twice_counts_once_and_the_first_answer_stays(tx: AsyncConnection) -> None:
    ticket_id, survey_id = await delivered(tx)
    first = await say(tx, "1")
    again = await say(tx, "1")
    other = await say(tx, "3", key="mo-2")
    assert first.survey_id == again.survey_id == other.survey_id == survey_id
    assert (again.facts, again.kept) == ((), None)
    assert (other.facts, other.kept) == ((), Kept.NOT_FIRST)
    assert (await ticket(tx, ticket_id)).rating == "满意"


async def test_receipts_told_twice_change_nothing(tx: AsyncConnection) -> None:
    ticket_id, survey_id = await delivered(tx)
    version = (await ticket(tx, ticket_id)).version
    again = await tell(tx, survey_id, Accepted(SENT), Reported(DELIVERED + HOUR, Receipt.DELIVERED))
    assert again.facts == ()
    assert (await ticket(tx, ticket_id)).version == version


async def test_silence_after_delivery_is_the_default_rating_marked_as_such(tx: AsyncConnection) -> None:
    ticket_id, _ = await delivered(tx)
    assert await followup.sweep(tx, DELIVERED + DAY - timedelta(seconds=1), rules=rules()) == ()
    told = await followup.sweep(tx, DELIVERED + DAY, rules=rules())
    assert [type(fact) for fact in told] == [facts.TicketRated, facts.TicketClosed]
    done = await ticket(tx, ticket_id)
    assert (done.rating, done.rating_source, done.state) == ("满意", RatingSource.DEFAULT, State.CLOSED)
    assert await followup.sweep(tx, DELIVERED + 2 * DAY, rules=rules()) == ()


async def test_an_answer_after_the_window_does_not_change_the_default_even_before_the_sweep(
    tx: AsyncConnection,
) -> None:
    ticket_id, _ = await delivered(tx)
    late = await say(tx, "3", DELIVERED + DAY)
    assert late.kept is Kept.UNMATCHED
    assert (await ticket(tx, ticket_id)).rating_source is RatingSource.DEFAULT


@pytest.mark.parametrize(
    "events",
    [
        [Submitting(SENT), Refused(SENT)],
        [Submitting(SENT), Accepted(SENT), Reported(DELIVERED, Receipt.FAILED)],
        [Submitting(SENT), Accepted(SENT)],
        [Barred(SENT)],
    ],
    ids=["refused by the gateway", "not delivered", "no receipt", "wants no messages"],
)
async def test_what_did_not_arrive_is_never_silence_but_a_call(tx: AsyncConnection, events: list[SurveyEvent]) -> None:
    ticket_id, told = await asked(tx)
    await tell(tx, survey_of(told), *events)
    await followup.sweep(tx, DELIVERED + 2 * DAY, rules=rules())
    assert (await ticket(tx, ticket_id)).rating is None
    assert await tasks(tx) == {"manual_call"}
    said = await followup.called(
        tx, ticket_id, "基本满意", note="本人接听", actor=AGENT, now=MONDAY + 4 * DAY, rules=rules()
    )
    assert [type(fact) for fact in said.facts] == [facts.TicketRated, facts.TicketClosed]
    done = await ticket(tx, ticket_id)
    assert (done.rating, done.rating_source) == ("基本满意", RatingSource.MANUAL)
    assert await tasks(tx) == set()


async def test_a_citizen_without_a_number_is_asked_by_nobody_but_a_person(tx: AsyncConnection) -> None:
    ticket_id, told = await asked(tx, requester=None)
    assert [type(fact) for fact in told] == [facts.TicketReplied, facts.SurveyBegun, facts.ManualTaskCreated]
    assert await followup.sweep(tx, MONDAY + 9 * DAY, rules=rules()) == ()
    await followup.called(tx, ticket_id, None, note="没有号码", actor=AGENT, now=MONDAY + DAY, rules=rules())
    assert (await ticket(tx, ticket_id)).state is State.SURVEYING
    closing = commands.Close("没有联系方式，已公示结果", "UNREACHABLE")
    assert (await act(tx, ticket_id, closing, REVIEWER, MONDAY + DAY)).ticket.state is State.CLOSED


async def test_an_unclear_answer_goes_to_a_person_and_silence_does_not_follow(tx: AsyncConnection) -> None:
    ticket_id, _ = await delivered(tx)
    said = await say(tx, "还行吧")
    assert said.kept is Kept.UNCLEAR
    assert await tasks(tx) == {"read_reply"}
    await followup.sweep(tx, DELIVERED + 3 * DAY, rules=rules())
    assert (await ticket(tx, ticket_id)).rating is None


async def test_stop_is_told_to_the_hub(tx: AsyncConnection) -> None:
    await delivered(tx)
    said = await say(tx, "退订")
    (barred,) = (fact for fact in said.facts if isinstance(fact, facts.CitizenBarred))
    assert barred.requester == CALLER


async def test_an_unsatisfied_citizen_is_called_reviewed_and_the_work_done_again(tx: AsyncConnection) -> None:
    ticket_id, _ = await delivered(tx)
    said = await say(tx, "3 水还是没来")
    assert [type(fact) for fact in said.facts] == [
        facts.TicketRated,
        facts.ManualTaskCreated,
        facts.ManualTaskCreated,
    ]
    assert await tasks(tx) == {"manual_call", "review"}
    noted = await act(tx, ticket_id, commands.NoteCause("NOT_DONE", "三楼以上无水"), AGENT, MONDAY + DAY)
    assert isinstance(noted.facts[0], facts.CauseNoted)
    assert await tasks(tx) == {"review"}
    again = await act(tx, ticket_id, commands.Rework("请解决三楼以上水压"), REVIEWER, MONDAY + DAY)
    assert (again.ticket.round, await tasks(tx)) == (2, set())
    for detail, actor in (
        (commands.Dispatch(WATER), DISPATCHER),
        (commands.Sign(), WATER_MAN),
        (commands.Start(), WATER_MAN),
    ):
        await act(tx, ticket_id, detail, actor, MONDAY + DAY)
    second = await act(tx, ticket_id, commands.Reply(contents(MONDAY + DAY)), WATER_MAN, MONDAY + DAY)
    survey_id = survey_of(second.facts)
    at = MONDAY + DAY + HOUR
    await tell(tx, survey_id, Submitting(at), Accepted(at), Reported(at, Receipt.DELIVERED))
    assert (await say(tx, "满意", at + HOUR, key="mo-2")).survey_id == survey_id
    rows = (await tx.execute(select(tables.ticket_survey).order_by(tables.ticket_survey.c.round))).all()
    assert [(row.round, row.rating, row.comment) for row in rows] == [(1, "不满意", "水还是没来"), (2, "满意", None)]


async def test_an_answer_a_receipt_a_sweep_and_a_reviewer_at_once_leave_one_ending(db: Database) -> None:
    for round_ in range(6):
        at = MONDAY + 7 * DAY * round_
        async with db.transaction() as tx:
            ticket_id, told = await asked(tx, at=at)
            survey_id = survey_of(told)
            sent = at + HOUR
            await tell(tx, survey_id, Submitting(sent), Accepted(sent), Reported(sent, Receipt.DELIVERED))

        async def answer(body: str, sent: datetime = sent) -> None:
            async with db.transaction() as tx:
                await say(tx, body, sent + HOUR, key=f"{sent}{body}")

        async def receipt(survey_id: int = survey_id, sent: datetime = sent) -> None:
            async with db.transaction() as tx:
                await tell(tx, survey_id, Reported(sent, Receipt.DELIVERED))

        async def sweep(sent: datetime = sent) -> None:
            async with db.transaction() as tx:
                await followup.sweep(tx, sent + DAY, rules=rules())

        async def reviewer(ticket_id: TicketId = ticket_id, sent: datetime = sent) -> None:
            async with db.transaction() as tx:
                with suppress(GuardFailed, NotNow):
                    await act(tx, ticket_id, commands.Close("联系不上", "UNREACHABLE"), REVIEWER, sent + HOUR)

        await asyncio.gather(answer("1"), reviewer(), sweep(), receipt(), answer("2"))
        async with db.transaction() as tx:
            chain = await store.chain_of(tx, ticket_id)
            assert (await ticket(tx, ticket_id)).state is State.CLOSED
            assert [entry.kind for entry, _, __ in chain].count(Event.CLOSE) == 1
            assert [entry.kind for entry, _, __ in chain].count(Event.RATE) <= 1
            assert await broken_invariants(tx, rules()) == ()


async def test_two_surveys_of_one_citizen_go_one_after_the_other(tx: AsyncConnection) -> None:
    first, told = await asked(tx)
    second, waiting = await asked(tx)
    assert not any(isinstance(fact, facts.SurveyDue) for fact in waiting)
    await tell(tx, survey_of(told), Submitting(SENT), Accepted(SENT), Reported(DELIVERED, Receipt.DELIVERED))
    said = await say(tx, "1")
    (due,) = (fact for fact in said.facts if isinstance(fact, facts.SurveyDue))
    assert (due.ticket_id, (await ticket(tx, first)).state) == (second, State.CLOSED)
    assert (await ticket(tx, second)).state is State.SURVEYING


async def test_a_message_that_answers_nothing_changes_nothing(tx: AsyncConnection) -> None:
    said = await say(tx, "1")
    assert (said.survey_id, said.facts, said.kept) == (None, (), None)


async def test_a_person_does_not_rate_while_the_citizen_may_still_answer(tx: AsyncConnection) -> None:
    ticket_id, _ = await delivered(tx)
    call = {"note": "打过电话", "now": DELIVERED + HOUR, "rules": rules()}
    rating: Rating = "满意"
    with pytest.raises(GuardFailed, match="仍在等待答复"):
        await followup.called(tx, ticket_id, rating, actor=AGENT, **call)  # type: ignore[arg-type]
    with pytest.raises(NotYours):
        await followup.called(tx, ticket_id, rating, actor=WATER_MAN, **call)  # type: ignore[arg-type]


async def test_the_database_keeps_a_counted_rating(tx: AsyncConnection) -> None:
    await delivered(tx)
    await say(tx, "3")
    await tx.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    for statement in (
        "UPDATE ticket_survey SET rating = '满意'",
        "UPDATE ticket_survey SET rating = NULL, rated_at = NULL",
        "DELETE FROM ticket_survey",
    ):
        async with tx.begin_nested() as inner:
            with pytest.raises(DBAPIError, match="a rating once counted stays"):
                await tx.execute(text(statement))
            await inner.rollback()


# ---- suggestions ---------------------------------------------------------------------------------------------------


def suggestion(field: Field, value: str, confidence: float = 0.8, shown: str = "") -> Suggestion:
    return Suggestion(field, value, shown or f"[{value[-4:]}]", "原话", 1.0, 2.5, confidence, "test.rule")


async def vault(number: PhoneNumber) -> IdentityId:
    return IdentityId(int(number.digits[-4:]))


async def proposed(tx: AsyncConnection, *given: Suggestion, at: datetime = MONDAY) -> TicketId:
    opened = await service.open_draft(tx, actor=SYSTEM, now=at, rules=rules(), key="call:x")
    await suggestions.propose(tx, opened.id, given, now=at, identity_of=vault)
    return opened.id


async def test_suggestions_change_nothing_until_they_are_taken(tx: AsyncConnection) -> None:
    ticket_id = await proposed(
        tx,
        suggestion(Field.REQUEST_TYPE, "求助"),
        suggestion(Field.SUMMARY, "桂龙路停水两天"),
        suggestion(Field.URGENCY, "突发"),
        suggestion(Field.CONTACT_PHONE, "13800001234"),
        suggestion(Field.UNIT, "water", shown="龙胜自来水公司"),
    )
    assert (await ticket(tx, ticket_id)).request_type == ""
    everything = await suggestions.surest(tx, ticket_id)
    taken = await suggestions.take(tx, ticket_id, everything, actor=AGENT, now=MONDAY, rules=rules())
    filled = taken.ticket
    assert (filled.request_type, filled.content, filled.urgent) == ("求助", "桂龙路停水两天", True)
    assert filled.requester == 1234
    assert filled.named_unit == "龙胜自来水公司", "in words, as people type it"
    assert filled.version == 2, "one press, one event"
    assert {kept.state for kept in await suggestions.of_ticket(tx, ticket_id)} == {"taken"}


async def test_a_telephone_number_is_nowhere_in_the_rows(tx: AsyncConnection) -> None:
    ticket_id = await proposed(tx, suggestion(Field.CONTACT_PHONE, "13800001234"))
    await suggestions.take(
        tx, ticket_id, await suggestions.surest(tx, ticket_id), actor=AGENT, now=MONDAY, rules=rules()
    )
    for table in tables.metadata.sorted_tables:
        rows = (await tx.execute(text(f"SELECT t::text FROM {table.name} t"))).scalars().all()
        assert not any("13800001234" in row for row in rows), table.name


async def test_what_a_person_typed_is_not_replaced_unless_they_wish_it(tx: AsyncConnection) -> None:
    ticket_id = await proposed(tx, suggestion(Field.PLACE, "桂龙路"))
    await act(tx, ticket_id, commands.Edit(Changes(place="桂龙路12号")), AGENT, MONDAY)
    assert await suggestions.surest(tx, ticket_id) == ()
    (kept,) = await suggestions.of_ticket(tx, ticket_id)
    with pytest.raises(suggestions.FieldTyped, match="地点已由人工填写"):
        await suggestions.take(tx, ticket_id, [kept.id], actor=AGENT, now=MONDAY, rules=rules())
    assert (await ticket(tx, ticket_id)).place == "桂龙路12号"
    wished = await suggestions.take(
        tx, ticket_id, [kept.id], actor=AGENT, now=MONDAY, rules=rules(), replace_typed=True
    )
    assert wished.ticket.place == "桂龙路"


async def test_newer_suggestions_take_the_place_of_older_ones_but_refused_ones_stay_away(tx: AsyncConnection) -> None:
    ticket_id = await proposed(tx, suggestion(Field.PLACE, "桂龙路"), suggestion(Field.SUBJECT, "0101"))
    wrong, _ = await suggestions.of_ticket(tx, ticket_id)
    assert wrong.field is Field.PLACE
    await suggestions.refuse(tx, ticket_id, [wrong.id], actor=AGENT, now=MONDAY)
    newer = [suggestion(Field.PLACE, "桂龙路"), suggestion(Field.PLACE, "盛园路", 0.6)]
    assert await suggestions.propose(tx, ticket_id, newer, now=MONDAY, identity_of=vault) == 1
    states = [(kept.field, kept.value, kept.state) for kept in await suggestions.of_ticket(tx, ticket_id)]
    assert states == [(Field.PLACE, "桂龙路", "refused"), (Field.PLACE, "盛园路", "proposed")]
    with pytest.raises(GuardFailed, match="已被处理"):
        await suggestions.take(tx, ticket_id, [wrong.id], actor=AGENT, now=MONDAY, rules=rules())


async def test_two_suggestions_for_one_field_or_one_that_is_only_shown_are_refused(tx: AsyncConnection) -> None:
    ticket_id = await proposed(tx, suggestion(Field.PLACE, "桂龙路"), suggestion(Field.PLACE, "盛园路"))
    both = [kept.id for kept in await suggestions.of_ticket(tx, ticket_id)]
    with pytest.raises(GuardFailed, match="地点只能采用一条"):
        await suggestions.take(tx, ticket_id, both, actor=AGENT, now=MONDAY, rules=rules())
    other = [suggestion(Field.PLATE, "桂C12345")]
    await suggestions.propose(tx, ticket_id, other, now=MONDAY, identity_of=vault)
    (plate,) = [kept for kept in await suggestions.of_ticket(tx, ticket_id) if kept.state == "proposed"]
    with pytest.raises(GuardFailed, match="仅供参考"):
        await suggestions.take(tx, ticket_id, [plate.id], actor=AGENT, now=MONDAY, rules=rules())
