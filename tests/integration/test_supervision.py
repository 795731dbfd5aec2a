"""Supervision in a real PostgreSQL: opened by facts, once; reminders and cards by one sweep; who sees what."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.db import Database
from callcenter.sms.tables import sms_message
from callcenter.types import IdentityId, Role
from callcenter.web.ticket_commands import may
from tests.support.regions import policy_of, rules_of
from tests.support.supervised import FIELDS, act, dispatched, forced, open_of, overdue, tell, with_units
from tests.support.tickets import (
    AGENT,
    DISPATCHER,
    MONDAY,
    REVIEWER,
    ROADS,
    ROADS_MAN,
    SUPERVISOR,
    WATER,
    WATER_MAN,
    local,
)
from ticketing import commands, service, store, tables, tasks
from ticketing.clocks import DeadlineKind
from ticketing.facts import DeadlinePassed, Fact, TicketDispatched
from ticketing.knowledge.items import KnowledgeOverdue, OverdueKind
from ticketing.record import GuardFailed, Ticket
from ticketing.supervision import knowledge as supervision_knowledge
from ticketing.supervision import lists as supervision_lists
from ticketing.supervision import reminders_sweep
from ticketing.supervision.lists import SupervisionNotFound
from ticketing.supervision.rules import Card
from ticketing.supervision.supervision import (
    AnswerSupervision,
    CardIssued,
    DeadlineNear,
    EndSupervision,
    Supervise,
    Warn,
    triggers_of,
)
from ticketing.supervision.tables import unit_card
from ticketing.words import Event, Flag

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.clause("GZ-038", "MC-037", "WX-027", "LS-062")
@pytest.mark.parametrize("region", ["ganzhou", "weixi", "longsheng", "mengcheng"])
async def test_an_overdue_ticket_is_supervised_once_by_the_system(tx: AsyncConnection, region: str) -> None:
    await with_units(tx)
    ticket = await dispatched(region, tx)
    late = MONDAY + 40 * DAY
    await overdue(region, tx, late)
    assert (await open_of(tx, ticket.id)).get("OVERDUE") == WATER
    after = await store.load(tx, ticket.id)
    assert "OVERDUE" in after.supervising
    again = await tell(region, tx, await overdue(region, tx, late + HOUR), late + HOUR)
    assert again == ()
    assert (await store.load(tx, ticket.id)).version == after.version


async def test_it_is_not_opened_again_in_the_round_in_which_it_was_ended(tx: AsyncConnection) -> None:
    await with_units(tx)
    ticket = await dispatched("ganzhou", tx)

    passed = DeadlinePassed(ticket.id, 1, MONDAY, 1, DeadlineKind.HANDLE, MONDAY, WATER)
    assert len(await tell("ganzhou", tx, [passed], MONDAY)) == 1
    await act("ganzhou", tx, ticket.id, EndSupervision("OVERDUE", "已约谈"), SUPERVISOR)
    assert await tell("ganzhou", tx, [passed], MONDAY + HOUR) == ()


@pytest.mark.clause("MC-036", "MC-040", "MC-042")
async def test_a_key_channel_of_several_units_is_supervised_when_it_is_dispatched(tx: AsyncConnection) -> None:
    await with_units(tx)

    ticket = await dispatched("ganzhou", tx)
    # The approvals of 蒙城 stand before its dispatch; the fact is the same.
    changed = {"policy_id": "mengcheng", "source": "省长热线", "flags": [Flag.MEDIA], "assist_units": [ROADS]}
    await forced(tx, ticket.id, **changed)
    fact = TicketDispatched(ticket.id, 1, MONDAY, WATER, (ROADS,), False, None, None)
    await tell("mengcheng", tx, [fact], MONDAY)
    assert set(await open_of(tx, ticket.id)) == {"KEY_CHANNEL", "SEVERAL_UNITS", "MEDIA"}


@pytest.mark.clause("MC-041", "GZ-039")
@pytest.mark.parametrize(
    ("mine", "others", "days_ago", "fires"),
    [
        (2, 0, 10, {"REPEATED"}),
        (1, 0, 10, set()),
        (2, 0, 200, set()),
        (0, 4, 10, {"CONCENTRATED"}),
        (1, 3, 10, {"CONCENTRATED"}),
        (0, 3, 10, set()),
    ],
)
async def test_repeats_are_counted_by_the_matter_in_its_window(
    tx: AsyncConnection, mine: int, others: int, days_ago: int, fires: set[str]
) -> None:
    """The ticket itself is one of them: three by the citizen, or five person-times by anybody."""
    await with_units(tx)
    for number in range(mine + others):
        who = IdentityId(4711 if number < mine else 5000)
        await one_of_the_matter(tx, MONDAY - days_ago * DAY + number * HOUR, who)
    ticket = await one_of_the_matter(tx, MONDAY, IdentityId(4711))
    fact = TicketDispatched(ticket.id, 1, MONDAY, WATER, (), False, None, None)
    now = await supervision_lists.situation(tx, ticket, policy_of("mengcheng"), MONDAY)

    assert {one.code for one in triggers_of(policy_of("mengcheng").supervise, fact, now)} == fires
    # 甘州 asks besides that the earlier ones were not reasonably handled; these are still open.
    there = await supervision_lists.situation(tx, ticket, policy_of("ganzhou"), MONDAY)
    assert {one.code for one in triggers_of(policy_of("ganzhou").supervise, fact, there)} == fires


async def one_of_the_matter(tx: AsyncConnection, at: datetime, who: IdentityId) -> Ticket:
    opened = await service.open_draft(tx, actor=AGENT, now=at, rules=rules_of("ganzhou"), requester=who)
    await act("ganzhou", tx, opened.id, commands.Register(FIELDS, "站长同意登记"), AGENT, at)
    await act(
        "ganzhou", tx, opened.id, commands.Dispatch(WATER, instruction="请尽快办理", basis="职责清单"), DISPATCHER, at
    )
    await forced(tx, opened.id, matter=77)
    return await store.load(tx, opened.id)


@pytest.mark.clause("GZ-043")
async def test_an_extended_ticket_without_explanation_is_supervised_again(tx: AsyncConnection) -> None:
    await with_units(tx)
    ticket = await dispatched("ganzhou", tx)
    await act("ganzhou", tx, ticket.id, commands.Sign(), WATER_MAN)
    await forced(tx, ticket.id, extensions_granted=1)
    late = local(2026, 6, 9, 8, 0)
    await overdue("ganzhou", tx, late)
    assert "OVERDUE_EXTENDED" not in await open_of(tx, ticket.id)
    assert await reminders_sweep.miss_explanations(tx, late) == ()
    much_later = late + 3 * DAY
    missed = await reminders_sweep.miss_explanations(tx, much_later)
    await tell("ganzhou", tx, missed, much_later)
    assert "OVERDUE_EXTENDED" in await open_of(tx, ticket.id)
    assert await reminders_sweep.miss_explanations(tx, much_later) == ()


async def test_the_asked_unit_answers_and_the_supervisor_ends_it(tx: AsyncConnection) -> None:
    await with_units(tx)
    ticket = await dispatched("ganzhou", tx, assists=(ROADS,))
    asked = Supervise("MISCONDUCT", "推诿扯皮", unit=ROADS)
    await act("ganzhou", tx, ticket.id, asked, SUPERVISOR)
    with pytest.raises(GuardFailed, match="不是要求本单位"):
        await act("ganzhou", tx, ticket.id, AnswerSupervision("MISCONDUCT", "已办"), WATER_MAN)
    assert await supervision_lists.find(tx, actor=WATER_MAN) == ()
    await act("ganzhou", tx, ticket.id, AnswerSupervision("MISCONDUCT", "已到现场"), ROADS_MAN, MONDAY + HOUR)
    await act("ganzhou", tx, ticket.id, AnswerSupervision("MISCONDUCT", "已修复"), ROADS_MAN, MONDAY + 2 * HOUR)
    [seen] = await supervision_lists.find(tx, actor=ROADS_MAN, running=True)
    assert (seen.answered_at, seen.answer) == (MONDAY + HOUR, "已到现场\n已修复")
    assert seen.basis == "第十一条(三)(5)"
    await act("ganzhou", tx, ticket.id, EndSupervision("MISCONDUCT", "整改到位"), REVIEWER, MONDAY + DAY)
    assert await supervision_lists.find(tx, actor=SUPERVISOR, running=True) == ()
    with pytest.raises(SupervisionNotFound):
        await supervision_lists.one(tx, seen.id, WATER_MAN)
    count = await supervision_lists.counts(tx, actor=SUPERVISOR, since=MONDAY - DAY, until=MONDAY + DAY)
    assert [(one.unit, one.supervised, one.silent) for one in count] == [(ROADS, 1, 0)]


@pytest.mark.clause("GZ-040")
async def test_neglected_knowledge_is_supervised_without_a_ticket(tx: AsyncConnection) -> None:
    await with_units(tx)
    late = KnowledgeOverdue(OverdueKind.REVIEW, WATER, 12, "公积金提取", MONDAY, MONDAY)
    calendar = rules_of("ganzhou").calendar
    made = await supervision_knowledge.supervise(tx, late, policy_of("ganzhou"), MONDAY, calendar)
    assert made is not None
    assert await supervision_knowledge.supervise(tx, late, policy_of("ganzhou"), MONDAY, calendar) is None
    assert await supervision_knowledge.supervise(tx, late, policy_of("weixi"), MONDAY, calendar) is None
    answered = await supervision_knowledge.answer(tx, made, "已更新", actor=WATER_MAN, now=MONDAY)
    assert (answered.subject, answered.answer_due_at) == ("review:12", local(2026, 6, 4, 23, 59, 59))
    ended = await supervision_knowledge.end(tx, made, "已核对", solved=True, actor=SUPERVISOR, now=MONDAY)
    assert ended.ended_at == MONDAY
    assert await supervision_knowledge.supervise(tx, late, policy_of("ganzhou"), MONDAY, calendar) is not None


async def test_a_unit_that_gave_the_ticket_back_is_asked_no_more(tx: AsyncConnection) -> None:
    await with_units(tx)
    ticket = await dispatched("ganzhou", tx)
    await act("ganzhou", tx, ticket.id, commands.Sign(), WATER_MAN)
    await act("ganzhou", tx, ticket.id, Supervise("OTHER", "久拖"), SUPERVISOR)
    asked = commands.AskReturn("不属本单位", legal_basis="三定方案", suggestion="转住建局办理")
    await act("ganzhou", tx, ticket.id, asked, WATER_MAN)
    after = await act("ganzhou", tx, ticket.id, commands.GrantReturn("同意"), DISPATCHER)
    assert (after.supervising, await open_of(tx, ticket.id)) == (frozenset(), {})


# ---- reminders and cards -------------------------------------------------------------------------------------------


@pytest.mark.clause("WX-028")
async def test_a_deadline_is_reminded_of_once_with_one_message(tx: AsyncConnection) -> None:
    await with_units(tx)
    ticket = await dispatched("weixi", tx)
    due = ticket.due(DeadlineKind.HANDLE)
    assert due is not None
    assert due.rung_at is not None
    before = (await reminders_sweep.sweep(tx, MONDAY + HOUR, rules=rules_of("weixi"))).facts
    assert [one for one in before if isinstance(one, DeadlineNear) and one.kind is DeadlineKind.HANDLE] == []
    at = due.rung_at
    swept = await reminders_sweep.sweep(tx, at, rules=rules_of("weixi"))
    near = [one for one in swept.facts if isinstance(one, DeadlineNear) and one.kind is DeadlineKind.HANDLE]
    assert [(one.unit, one.due_at) for one in near] == [(WATER, due.deadline.due_at)]
    await tell("weixi", tx, near, at)
    await tell("weixi", tx, near, at)
    messages = select(func.count()).where(sms_message.c.key == f"near:{near[0].deadline_id}")
    assert (await tx.execute(messages)).scalar_one() == 1
    assert (await reminders_sweep.sweep(tx, at + HOUR, rules=rules_of("weixi"))).facts == ()


@pytest.mark.clause("LS-087")
async def test_message_yellow_and_red_card_in_turn_and_counted(tx: AsyncConnection) -> None:
    await with_units(tx)
    ticket = await dispatched("longsheng", tx)
    due = ticket.due(DeadlineKind.HANDLE)
    assert due is not None
    levels: list[Card] = []
    for at in (due.deadline.due_at - HOUR, due.deadline.due_at + HOUR, due.deadline.due_at + 5 * DAY):
        swept = await reminders_sweep.sweep(tx, at, rules=rules_of("longsheng"))
        levels += [one.level for one in swept.facts if isinstance(one, CardIssued)]
        assert (await reminders_sweep.sweep(tx, at, rules=rules_of("longsheng"))).facts == ()
    assert levels == [Card.SMS, Card.YELLOW, Card.RED]
    assert (await store.load(tx, ticket.id)).card == "red"
    [count] = await supervision_lists.counts(tx, actor=SUPERVISOR, since=MONDAY, until=due.deadline.due_at + 9 * DAY)
    assert (count.unit, count.sms, count.yellow, count.red) == (WATER, 1, 1, 1)
    assert len(await supervision_lists.cards(tx, actor=WATER_MAN)) == 3
    assert await supervision_lists.cards(tx, actor=ROADS_MAN) == ()


async def many(tx: AsyncConnection, count: int, due_every: int) -> set[int]:
    """`count` running deadlines of one ticket each, of which every `due_every`-th has a rung that is due."""
    t, d = tables.ticket, tables.ticket_deadline
    await tx.execute(text("SET LOCAL session_replication_role = replica"))
    rows = [
        {
            "id": f"20260501{n:06d}",
            "state": "handling",
            "version": 3,
            "round": 1,
            "policy_id": "weixi",
            "policy_version": 1,
            "lead_unit": WATER,
            "created_at": MONDAY,
            "updated_at": MONDAY,
        }
        for n in range(1, count + 1)
    ]
    await tx.execute(insert(t), rows)
    await tx.execute(text("SET LOCAL session_replication_role = origin"))
    deadlines = [
        {
            "ticket_id": row["id"],
            "round": 1,
            "unit": WATER,
            "rule": "handle.limits[3]",
            "kind": "handle",
            "from_at": MONDAY,
            "due_at": MONDAY + 12 * DAY,
            "clock": "wd",
            "amount": 9,
            "policy_version": "weixi@1",
            "calendar_version": "x",
            "rung": "remind",
            "rung_at": MONDAY + (DAY if n % due_every == 0 else 9 * DAY),
        }
        for n, row in enumerate(rows, 1)
    ]
    await tx.execute(insert(d), deadlines)
    due = select(d.c.id).where(d.c.rung_at <= MONDAY + 2 * DAY)
    return set((await tx.execute(due)).scalars())


async def test_two_workers_find_exactly_the_due_ones_of_five_thousand_once(db: Database) -> None:
    async with db.transaction() as tx:
        due = await many(tx, 5_000, 10)
    assert len(due) == 500
    at = MONDAY + 2 * DAY
    # The reminder's own moment lies before `at` for these; what is not due yet is not touched.
    async with db.transaction() as tx:
        deadline = tables.ticket_deadline
        await tx.execute(update(deadline).values(due_at=local(2026, 6, 4, 23, 59, 59)))

    async def worker() -> list[Fact]:
        told: list[Fact] = []
        while True:
            async with db.transaction() as tx:
                swept = await reminders_sweep.sweep(tx, at, rules=rules_of("weixi"), limit=100)
            told += swept.facts
            if not swept.taken:
                return told

    first, second = await asyncio.gather(worker(), worker())
    told = [one.deadline_id for one in (*first, *second) if isinstance(one, DeadlineNear)]
    assert len(told) == len(set(told)) == 500
    assert set(told) == due
    async with db.transaction() as tx:
        assert (await reminders_sweep.sweep(tx, at, rules=rules_of("weixi"))).taken == 0
        plan = await tx.execute(
            text(
                "EXPLAIN SELECT id FROM ticket_deadline WHERE rung_at <= now() - interval '900 days' "
                "AND met_at IS NULL AND ended_at IS NULL ORDER BY rung_at, id LIMIT 500"
            )
        )
        assert "ticket_deadline_rung" in "\n".join(plan.scalars())


@pytest.mark.clause("WX-027", "MC-045")
async def test_near_and_overdue_lists_page_by_due_time_within_the_unit(tx: AsyncConnection) -> None:
    await with_units(tx)
    tickets = [await dispatched("longsheng", tx, MONDAY + n * DAY) for n in range(3)]
    late = MONDAY + 60 * DAY
    seen: list[str] = []
    after = None
    while page := await supervision_lists.overdue(tx, actor=WATER_MAN, now=late, after=after, limit=2):
        seen += [one.ticket_id for one in page]
        after = (page[-1].due_at, page[-1].id)
    assert seen == [ticket.id for ticket in tickets]
    assert await supervision_lists.overdue(tx, actor=ROADS_MAN, now=late) == ()
    near = await supervision_lists.near(tx, actor=SUPERVISOR, now=MONDAY, until=late)
    assert [one.ticket_id for one in near] == seen
    assert await supervision_lists.near(tx, actor=SUPERVISOR, now=MONDAY, until=MONDAY + DAY) == ()


@pytest.mark.clause("LS-063", "GZ-043")
async def test_a_written_explanation_is_seen_in_the_overdue_list(tx: AsyncConnection) -> None:

    await with_units(tx)
    ticket = await dispatched("longsheng", tx)
    late = MONDAY + 40 * DAY
    await overdue("longsheng", tx, late)
    [before] = await supervision_lists.overdue(tx, actor=SUPERVISOR, now=late)
    assert (before.explained, before.explanation, before.supervising) == (False, "", ("OVERDUE",))
    [task] = await tasks.find(tx, actor=WATER_MAN, kind="explain_overdue", ticket_id=ticket.id)
    await tasks.finish(tx, task.id, "材料未到，已催供货", actor=WATER_MAN, now=late)
    [after] = await supervision_lists.overdue(tx, actor=SUPERVISOR, now=late)
    assert (after.explained, after.explanation) == (True, "材料未到，已催供货")


async def test_cards_and_reports_are_never_changed(db: Database) -> None:

    async with db.transaction() as tx:
        await with_units(tx)
        ticket = await dispatched("longsheng", tx)
        await act("longsheng", tx, ticket.id, flow_card(), SUPERVISOR)
    with pytest.raises(DBAPIError, match="append-only"):
        async with db.transaction() as tx:
            await tx.execute(update(unit_card).values(level="sms"))


def flow_card() -> Any:

    return Warn(Card.YELLOW, "久拖不决")


def test_roles_of_the_door() -> None:
    """Supervisors open; units only answer."""

    assert may(Event.SUPERVISE) == {Role.SUPERVISOR}
    assert may(Event.ANSWER_SUPERVISION) == {Role.UNIT, Role.UNIT_HEAD}
