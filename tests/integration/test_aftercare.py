"""After the reply, in a real PostgreSQL: matters, merging, promises, budgets, looks back, nuisance, archive numbers."""

import asyncio
from dataclasses import replace
from datetime import datetime

import pytest
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import flow_matters
from callcenter.db import Database
from callcenter.types import Actor, IdentityId, Role, TicketId
from tests.support.regions import CITIZEN_SELF, DAY, HOUR, MONDAY, WATER_HEAD, asked, contents, day, rules_of
from tests.support.tickets import AGENT, DISPATCHER, REVIEWER, ROADS, SUPERVISOR, SYSTEM, WATER, WATER_MAN
from ticketing import commands, service, store, tables
from ticketing.aftercare import commitment_rows, followup, releases, repeats, surveys
from ticketing.aftercare import tables as aftercare_tables
from ticketing.aftercare.abuse import AbuseStep, Evidence, EvidenceKind, NoteAbuse
from ticketing.aftercare.commitments import KeepCommitment
from ticketing.aftercare.confidentiality import Mark
from ticketing.aftercare.contacts import NoteContact, Purpose
from ticketing.aftercare.follow_rules import CheckKind, Closing
from ticketing.aftercare.merging import Merge
from ticketing.aftercare.rechecks import Found, LookBack
from ticketing.aftercare.survey_words import Barred
from ticketing.aftercare.ticket_file import package_is_whole, ticket_file
from ticketing.approvals.rules import Rank
from ticketing.commands import Changes, Detail
from ticketing.lists import Filter, find
from ticketing.record import GuardFailed, TicketNotFound
from ticketing.service import Outcome
from ticketing.words import Flag, RatingSource, State

ANNA, BELA = IdentityId(71), IdentityId(72)
SECOND_AGENT = Actor("user", "xiao-zhao", frozenset({Role.AGENT}))


async def act(
    tx: AsyncConnection, region: str, ticket_id: TicketId, detail: Detail, actor: Actor, at: datetime = MONDAY
) -> Outcome:
    return await service.carry_out(tx, ticket_id, detail, actor=actor, now=at, rules=rules_of(region))


async def registered(
    tx: AsyncConnection,
    region: str,
    at: datetime = MONDAY,
    requester: IdentityId | None = ANNA,
    fields: Changes | None = None,
) -> TicketId:
    draft = await service.open_draft(tx, actor=SYSTEM, now=at, rules=rules_of(region), requester=requester)
    await act(tx, region, draft.id, commands.Register(fields or asked(), "站长同意登记"), AGENT, at)
    return draft.id


async def handled(
    tx: AsyncConnection, region: str, at: datetime = MONDAY, fields: Changes | None = None, **more: object
) -> TicketId:
    """At the water unit, which has spoken with the citizen."""
    ticket_id = await registered(tx, region, at, fields=fields)
    sent = commands.Dispatch(WATER, basis="职责清单", instruction="请尽快办理", **more)  # type: ignore[arg-type]
    await act(tx, region, ticket_id, sent, DISPATCHER, at)
    await act(tx, region, ticket_id, commands.Sign(), WATER_MAN, at)
    contact = commands.Contact(at, "电话", "已告知受理情况")
    await act(tx, region, ticket_id, commands.Start(contact, "李局长", Rank.PRINCIPAL), WATER_HEAD, at)
    return ticket_id


async def closed(tx: AsyncConnection, region: str, at: datetime = MONDAY, rating: str = "满意") -> TicketId:
    ticket_id = await handled(tx, region, at)
    replied = await act(tx, region, ticket_id, commands.Reply(contents(at)), WATER_MAN, at)
    if replied.ticket.state is State.REPLIED:
        await act(tx, region, ticket_id, commands.BeginSurvey("审核通过"), REVIEWER, at)
    await act(tx, region, ticket_id, commands.Rate(rating, RatingSource.CITIZEN), CITIZEN_SELF, at)
    return ticket_id


# ---- matters ------------------------------------------------------------------------------------------------------


@pytest.mark.clause("SQ-034", "SQ-036", "GZ-023")
async def test_a_confirmed_repeat_is_counted_and_says_which_rule_fired(tx: AsyncConnection) -> None:
    first = await closed(tx, "suqian")
    again = await registered(tx, "suqian", MONDAY + 20 * DAY, BELA)
    given = {"actor": AGENT, "now": MONDAY + 20 * DAY, "rules": rules_of("suqian"), "unit_kind": "department"}
    outcome = await repeats.confirm(tx, again, first, **given)  # type: ignore[arg-type]
    ticket = outcome.ticket
    assert (ticket.request_no, ticket.repeat_rule) == (2, "within_a_month")
    assert ticket.responsible == "承办单位主要负责人"
    third = await registered(tx, "suqian", MONDAY + 21 * DAY)
    more = await repeats.confirm(tx, third, again, **{**given, "now": MONDAY + 21 * DAY})  # type: ignore[arg-type]
    assert (more.ticket.request_no, more.ticket.matter) == (3, ticket.matter)
    assert ticket.matter is not None
    standing = await repeats.standing(tx, ticket.matter, actor=AGENT)
    assert standing is not None
    assert (standing.requests, standing.persons, standing.tickets) == (3, 2, (first, again, third))
    with pytest.raises(GuardFailed, match="须早于本工单"):
        await repeats.confirm(tx, first, third, **given)  # type: ignore[arg-type]


async def test_two_people_confirming_at_once_get_different_numbers(db: Database) -> None:
    async with db.transaction() as tx:
        first = await registered(tx, "mengcheng")
        others = [await registered(tx, "mengcheng", MONDAY + HOUR) for _ in range(2)]

    async def confirm(ticket_id: TicketId) -> int:
        async with db.transaction() as tx:
            outcome = await repeats.confirm(
                tx, ticket_id, first, actor=AGENT, now=MONDAY + HOUR, rules=rules_of("mengcheng")
            )
            return outcome.ticket.request_no

    assert sorted(await asyncio.gather(*(confirm(one) for one in others))) == [2, 3]


async def test_hints_are_the_citizens_own_and_alike_ones_at_the_same_place(tx: AsyncConnection) -> None:
    where = {"subject": "供水", "place": "桂龙路"}
    mine = await registered(tx, "suqian", fields=asked(**where))
    same_place = await registered(tx, "suqian", requester=BELA, fields=asked(**where))
    elsewhere = await registered(tx, "suqian", requester=BELA, fields=asked(subject="路灯", place="新华街"))
    ringing = await repeats.hints(tx, repeats.Asked(ANNA), MONDAY + DAY, actor=AGENT)
    assert [hint.id for hint in ringing] == [mine]
    typed = repeats.Asked(ANNA, "供水", "桂龙路", "桂龙路停水已经两天了")
    found = await repeats.hints(tx, typed, MONDAY + DAY, actor=AGENT)
    assert [(hint.id, hint.same_person) for hint in found] == [(mine, True), (same_place, False)]
    assert elsewhere not in [hint.id for hint in found]
    assert not await repeats.hints(tx, typed, MONDAY + 400 * DAY, actor=AGENT)


@pytest.mark.clause("LS-008", "GZ-023")
async def test_an_earlier_result_is_told_only_when_there_is_one(tx: AsyncConnection) -> None:
    open_one = await registered(tx, "longsheng")
    ticket_id = await registered(tx, "longsheng", MONDAY + HOUR)
    refusal = commands.Reject("REPEAT_ALREADY_CLOSED", "已告知", earlier_ticket=open_one)
    with pytest.raises(GuardFailed, match="尚未办结"):
        async with tx.begin_nested():
            await act(tx, "longsheng", ticket_id, refusal, AGENT, MONDAY + HOUR)
    done = replace(refusal, earlier_ticket=await closed(tx, "longsheng"))
    assert (await act(tx, "longsheng", ticket_id, done, AGENT, MONDAY + DAY)).ticket.state is State.REJECTED


# ---- merging ------------------------------------------------------------------------------------------------------


async def merged(tx: AsyncConnection, master: TicketId, requester: IdentityId) -> TicketId:
    child = await registered(tx, "suqian", MONDAY + HOUR, requester)
    await act(tx, "suqian", child, Merge(master, "同一停水事件"), DISPATCHER, MONDAY + HOUR)
    return child


@pytest.mark.clause("MC-013")
async def test_one_dispatch_answers_many_citizens_each_with_a_survey_of_their_own(tx: AsyncConnection) -> None:
    master = await handled(tx, "suqian")
    children = [await merged(tx, master, who) for who in (IdentityId(81), IdentityId(82))]
    assert await repeats.followers(tx, master) == tuple(children)
    await act(tx, "suqian", master, commands.Reply(contents()), WATER_MAN, MONDAY + 2 * HOUR)
    begun = await act(tx, "suqian", master, commands.BeginSurvey(), REVIEWER, MONDAY + 3 * HOUR)
    told = await flow_matters.follow(tx, rules_of("suqian"), begun.facts, MONDAY + 3 * HOUR)
    assert {fact.ticket_id for fact in told} == set(children)
    for child in children:
        ticket = await store.load(tx, child)
        assert (ticket.state, ticket.result) == (State.SURVEYING, begun.ticket.result)
        assert ticket.requester in (81, 82)
    surveys = (await tx.execute(select(tables.ticket_survey.c.requester))).scalars().all()
    assert sorted(who for who in surveys if who is not None) == [71, 81, 82]
    rows = (await tx.execute(select(tables.ticket_assignment.c.ticket_id))).scalars().all()
    assert rows == [master], "one dispatch"
    assert await flow_matters.follow(tx, rules_of("suqian"), begun.facts, MONDAY + 4 * HOUR) == ()


async def test_followers_of_a_master_that_ends_without_a_result_go_their_own_way(tx: AsyncConnection) -> None:
    master = await registered(tx, "suqian")
    child = await merged(tx, master, BELA)
    ended = await act(tx, "suqian", master, commands.Withdraw("误报"), AGENT, MONDAY + 2 * HOUR)
    await flow_matters.follow(tx, rules_of("suqian"), ended.facts, MONDAY + 2 * HOUR)
    ticket = await store.load(tx, child)
    assert (ticket.state, ticket.master) == (State.AWAITING_DISPATCH, None)


async def test_who_leads_others_follows_nobody_and_a_merged_ticket_leads_nobody(tx: AsyncConnection) -> None:
    master, other = await registered(tx, "suqian"), await registered(tx, "suqian")
    child = await merged(tx, master, BELA)
    for ticket_id, into, says in ((master, other, "已有并入的工单"), (other, child, "重新选择主工单")):
        with pytest.raises(GuardFailed, match=says):
            async with tx.begin_nested():
                await act(tx, "suqian", ticket_id, Merge(into, "同一事件"), DISPATCHER, MONDAY + HOUR)


# ---- contact, reply, promises -------------------------------------------------------------------------------------


@pytest.mark.clause("MC-025", "GZ-049")
async def test_every_talk_is_a_row_and_asking_has_a_budget(tx: AsyncConnection) -> None:
    ticket_id = await closed(tx, "suqian")
    table = aftercare_tables.ticket_contact
    (first,) = (await tx.execute(select(table).where(table.c.ticket_id == ticket_id))).all()
    assert (first.purpose, first.told, first.unit) == ("first", "已告知受理情况", WATER)
    ask = NoteContact(MONDAY + HOUR, "电话", "回访：满意", Purpose.FOLLOW_UP)
    for _ in range(3):
        await act(tx, "suqian", ticket_id, ask, AGENT, MONDAY + HOUR)
    with pytest.raises(GuardFailed, match="已达3次"):
        async with tx.begin_nested():
            await act(tx, "suqian", ticket_id, ask, AGENT, MONDAY + HOUR)
    other = await closed(tx, "suqian", MONDAY + 2 * HOUR)
    with pytest.raises(GuardFailed, match="改日联系"):
        async with tx.begin_nested():
            await act(tx, "suqian", other, replace(ask, at=MONDAY + 3 * HOUR), AGENT, MONDAY + 3 * HOUR)
    reasoned = replace(ask, over_reason="诉求人要求再次回电")
    assert (await act(tx, "suqian", ticket_id, reasoned, AGENT, MONDAY + HOUR)).ticket.state is State.CLOSED


@pytest.mark.clause("GZ-017")
async def test_the_lead_replies_when_the_opinions_are_in_or_overdue(tx: AsyncConnection) -> None:
    ticket_id = await handled(tx, "ganzhou", assists=(ROADS,))
    reply = commands.Reply(contents())
    with pytest.raises(GuardFailed, match="尚未反馈办理意见"):
        async with tx.begin_nested():
            await act(tx, "ganzhou", ticket_id, reply, WATER_MAN, MONDAY + HOUR)
    late = MONDAY + 5 * DAY
    assert (await act(tx, "ganzhou", ticket_id, reply, WATER_MAN, late)).ticket.state is State.REPLIED


@pytest.mark.clause("LS-056")
async def test_open_promises_are_listed_after_closing_and_hold_the_archive_back(tx: AsyncConnection) -> None:
    ticket_id = await handled(tx, "longsheng")
    part = contents(finished=False, stage_result="临时供水", follow_up_plan="更换主管", follow_up_by=day(10))
    await act(tx, "longsheng", ticket_id, commands.Reply(part), WATER_MAN, MONDAY)
    await act(tx, "longsheng", ticket_id, commands.Rate("满意", RatingSource.CITIZEN), CITIZEN_SELF, MONDAY)
    (promise,) = await commitment_rows.open_promises(tx, unit=WATER)
    assert (promise.ticket_id, promise.plan) == (ticket_id, "更换主管")
    assert await commitment_rows.open_promises(tx, unit=ROADS) == ()
    kept = await act(tx, "longsheng", ticket_id, KeepCommitment("主管已换"), WATER_MAN, MONDAY + DAY)
    assert kept.ticket.state is State.CLOSED
    assert await commitment_rows.open_promises(tx, unit=None) == ()
    assert (await act(tx, "longsheng", ticket_id, commands.Archive(), SYSTEM, MONDAY + DAY)).ticket.archived_at


@pytest.mark.clause("SQ-021", "MC-053")
async def test_a_call_without_a_rating_closes_unrated_where_the_policy_says_so(tx: AsyncConnection) -> None:
    draft = await handled(tx, "suqian")
    await act(tx, "suqian", draft, commands.Reply(contents()), WATER_MAN)
    await act(tx, "suqian", draft, commands.BeginSurvey(), REVIEWER)
    kept = await surveys.of_round(tx, draft, 1)
    assert kept is not None
    await followup.tell(tx, kept.id, [Barred(MONDAY)], rules=rules_of("suqian"))
    await followup.called(tx, draft, None, note="三次无人接听", actor=AGENT, now=MONDAY, rules=rules_of("suqian"))
    ticket = await store.load(tx, draft)
    assert (ticket.state, ticket.closing, ticket.rating) == (State.CLOSED, Closing.UNRATED, None)


# ---- reopening, archive -------------------------------------------------------------------------------------------


@pytest.mark.clause("SQ-037", "GZ-046", "MC-049")
async def test_a_false_reply_found_after_archiving_is_marked_kept_and_worked_on_again(tx: AsyncConnection) -> None:
    ticket_id = await closed(tx, "suqian")
    await act(tx, "suqian", ticket_id, commands.Archive(), SYSTEM, MONDAY + HOUR)
    look = LookBack(CheckKind.RECHECK, Found.UNTRUE, "现场未修复")
    await act(tx, "suqian", ticket_id, look, SUPERVISOR, MONDAY + DAY)
    order = commands.Rework("经复核回复不实", untrue=True)
    again = (await act(tx, "suqian", ticket_id, order, SUPERVISOR, MONDAY + DAY)).ticket
    assert (again.round, again.state) == (2, State.AWAITING_DISPATCH)
    (reply,) = (await tx.execute(select(tables.ticket_reply))).all()
    assert (reply.untrue_why, reply.contents["situation"]) == ("经复核回复不实", "管道已修复，恢复供水。")
    (check,) = (await tx.execute(select(aftercare_tables.ticket_check))).all()
    assert (check.found, check.unit) == ("untrue", WATER)
    assert await package_is_whole(tx, ticket_id, 1), "the first package stays what it was"


@pytest.mark.clause("GZ-054", "GZ-053", "GZ-020", "GZ-055", "GZ-056")
async def test_archive_numbers_have_no_gap_whatever_fails_or_comes_at_once(db: Database) -> None:
    async with db.transaction() as tx:
        ids = [await registered(tx, "ganzhou") for _ in range(6)]
        for one in ids:
            await act(tx, "ganzhou", one, commands.Withdraw("测试"), AGENT)

    async def archive(ticket_id: TicketId, *, fail: bool = False) -> None:
        async with db.transaction() as tx:
            await act(tx, "ganzhou", ticket_id, commands.Archive(), SYSTEM, MONDAY + HOUR)
            if fail:
                raise RuntimeError("the worker dies here")

    with pytest.raises(RuntimeError):
        await archive(ids[0], fail=True)
    await asyncio.gather(*(archive(one) for one in ids))
    async with db.transaction() as tx:
        numbers = (await tx.execute(select(tables.ticket_archive.c.number))).scalars().all()
        assert sorted(numbers) == [f"GZ-2026W23-{seq:05d}" for seq in range(1, 7)]
        assert all([await package_is_whole(tx, one, 1) for one in ids])
        policy = rules_of("ganzhou").policies[-1]
        made = await ticket_file(tx, await store.load(tx, ids[0]), policy)
    assert made.number in numbers
    assert [section.title for section in made.sections] == ["工单", "承办单位回复", "联系诉求人", "办理过程"]
    assert [kind for kind, _ in made.kinds] == list(policy.archive.package)


@pytest.mark.clause("LS-068")
async def test_every_table_with_rows_of_a_ticket_is_in_its_package(tx: AsyncConnection) -> None:
    ticket_id = await closed(tx, "longsheng")
    await act(tx, "longsheng", ticket_id, commands.Archive(), SYSTEM, MONDAY + HOUR)
    row = (await tx.execute(select(tables.ticket_archive))).one()
    held = {part["name"]: part["rows"] for part in row.manifest["parts"]}
    assert {"ticket", "ticket_event", "ticket_reply", "ticket_contact", "approval"} <= held.keys()
    assert (held["ticket_reply"], held["ticket_contact"]) == (1, 1)
    assert row.manifest["kinds"] == ["工单", "电话记录", "交办回复", "会议材料", "领导批示件"]


# ---- secrets, nuisance --------------------------------------------------------------------------------------------


@pytest.mark.clause("GZ-005", "WX-031")
async def test_tickets_about_staff_are_not_in_an_agents_list_nor_found_by_number(tx: AsyncConnection) -> None:
    ticket_id = await handled(tx, "longsheng", fields=asked("投诉"))
    mark = Mark("反映工作人员作风", add=frozenset({Flag.STAFF}))
    await act(tx, "longsheng", ticket_id, mark, REVIEWER)
    for who, seen in ((AGENT, False), (DISPATCHER, True), (REVIEWER, True), (WATER_MAN, True)):
        page = await find(tx, Filter(), actor=who)
        assert ([one.id for one in page.tickets] == [ticket_id]) is seen, who
    with pytest.raises(TicketNotFound):
        await service.get(tx, ticket_id, AGENT)
    assert (await service.get(tx, ticket_id, SUPERVISOR)).flags == {Flag.STAFF}


@pytest.mark.clause("GZ-019", "MC-062")
async def test_a_copy_of_something_secret_needs_a_second_person_and_is_used_once(tx: AsyncConnection) -> None:
    ticket = await store.load(tx, await registered(tx, "ganzhou", fields=asked(confidential=True)))
    assert await releases.use(tx, ticket, "export", actor=REVIEWER, now=MONDAY) is None
    asked_for = await releases.ask(tx, ticket, "export", "纪委调阅", actor=REVIEWER, now=MONDAY)
    assert await releases.waiting(tx) == (asked_for,)
    with pytest.raises(GuardFailed, match="另一人批准"):
        await releases.approve(tx, asked_for.id, "同意", actor=REVIEWER, now=MONDAY)
    assert await releases.use(tx, ticket, "export", actor=REVIEWER, now=MONDAY) is None
    await releases.approve(tx, asked_for.id, "同意", actor=SUPERVISOR, now=MONDAY)
    assert await releases.use(tx, ticket, "export", actor=SUPERVISOR, now=MONDAY) is None, "it is not theirs"
    assert await releases.use(tx, ticket, "export", actor=REVIEWER, now=MONDAY) is not None
    assert await releases.use(tx, ticket, "export", actor=REVIEWER, now=MONDAY) is None


@pytest.mark.clause("MC-022")
async def test_nuisance_is_confirmed_by_another_person_before_it_is_handed_over(tx: AsyncConnection) -> None:
    ticket_id = await registered(tx, "mengcheng")
    noted = NoteAbuse(AbuseStep.NOTED, "辱骂", "insulting", (Evidence(EvidenceKind.RECORDING, "rec/1.sln"),))
    await act(tx, "mengcheng", ticket_id, noted, AGENT)
    table = aftercare_tables.ticket_abuse
    record = (await tx.execute(select(table.c.id))).scalar_one()
    confirm = NoteAbuse(AbuseStep.CONFIRMED, "录音属实", record=record)
    hand = NoteAbuse(AbuseStep.HANDED_OVER, "已移交", record=record, authority="公安机关", receipt="回执12号")
    for detail, who, says in ((confirm, AGENT, "另一人复核"), (hand, SUPERVISOR, "先经另一人复核")):
        with pytest.raises(GuardFailed, match=says):
            async with tx.begin_nested():
                await act(tx, "mengcheng", ticket_id, detail, who)
    await act(tx, "mengcheng", ticket_id, confirm, SECOND_AGENT)
    await act(tx, "mengcheng", ticket_id, hand, SUPERVISOR)
    row = (await tx.execute(select(table))).one()
    assert (row.state, row.authority, row.receipt) == ("handed_over", "公安机关", "回执12号")
    with pytest.raises(DBAPIError, match="second_person_confirms"):
        async with tx.begin_nested():
            await tx.execute(table.update().values(confirmed_by=row.noted_by))
