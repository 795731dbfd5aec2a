"""Dispatching in a real PostgreSQL: two hops, lapse by the sweep, disputes, assists, two writers."""

import asyncio
from datetime import date, datetime

import pytest
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.db import Database
from callcenter.types import Actor, Role, TicketId, UnitId
from tests.support.dispatching import HOUSING, HOUSING_MAN, ROADS, TOWN, back, order
from tests.support.dispatching import person as human
from tests.support.regions import rules_of
from tests.support.seeded_units import (
    ADMIN,
    HOUR,
    SUBJECT,
    TRANSPORT,
    TRANSPORT_MAN,
    act,
    registered,
    seeded,
)
from tests.support.tickets import DISPATCHER, MONDAY, WATER, WATER_MAN, local
from ticketing import commands, facts, service, store, tables
from ticketing.clocks import DeadlineKind
from ticketing.dispatch import assists_rows, catalogue_store, disputes_rows, returns_store, units_store
from ticketing.dispatch import rows as dispatch_rows
from ticketing.dispatch.assists import AssistSilent, GiveOpinion, SignAssist, awaited
from ticketing.dispatch.dispatching import DutyPersonNeeded, UnitHasNoHandler
from ticketing.dispatch.disputes import DisputeOpened, OpenDispute, RuleDispute
from ticketing.dispatch.hops import ForwardDown, HandBack
from ticketing.dispatch.returns import NoteOutage
from ticketing.dispatch.units import Post
from ticketing.dispatch.units_store import PeopleChange
from ticketing.record import GuardFailed, StaleTicket, TicketNotFound
from ticketing.words import Flag, State


async def parts(tx: AsyncConnection, ticket_id: TicketId) -> list[tuple[str, str, bool]]:
    """(unit, role, still running) of every assignment."""
    part = tables.ticket_assignment.c
    rows = await tx.execute(
        select(part.unit, part.role, part.ended_at).where(part.ticket_id == ticket_id).order_by(part.id)
    )
    return [(unit, role, ended is None) for unit, role, ended in rows]


async def change(tx: AsyncConnection, post: Post, on: date, now: datetime, region: str = "longsheng") -> object:
    people = (human("新来的", post),)
    given = PeopleChange(post, people, on)
    return await units_store.change_people(tx, HOUSING, given, actor=HOUSING_MAN, now=now, rules=rules_of(region))


# ---- dispatch by the directory -----------------------------------------------------------------------------------


@pytest.mark.clause("MC-003", "GZ-014")
async def test_a_unit_without_a_handler_is_blocked_or_told_of(tx: AsyncConnection) -> None:
    await seeded(tx, "mengcheng")
    ticket = await registered(tx, "mengcheng", content="路灯不亮", subject="")
    with pytest.raises(GuardFailed, match="没有登记具办人员"):
        await act(tx, ticket.id, order(HOUSING), DISPATCHER, region="mengcheng")
    await change(tx, Post.HANDLER, date(2026, 6, 1), MONDAY, "mengcheng")
    done = await act(tx, ticket.id, order(HOUSING), DISPATCHER, region="mengcheng")
    assert not [fact for fact in done.facts if isinstance(fact, UnitHasNoHandler)]
    warned = await registered(tx, "ganzhou", content="路灯不亮", subject="")
    done = await act(tx, warned.id, order(UnitId("market")), DISPATCHER, region="ganzhou")
    assert [fact.unit for fact in done.facts if isinstance(fact, UnitHasNoHandler)] == ["market"]


@pytest.mark.clause("LS-026", "LS-023")
async def test_the_catalogue_gives_the_basis_and_guards_the_township(tx: AsyncConnection) -> None:
    await seeded(tx)
    ticket = await registered(tx)
    with pytest.raises(GuardFailed, match="属于部门职责"):
        await act(tx, ticket.id, order(TOWN), DISPATCHER)
    await act(tx, ticket.id, order(HOUSING, basis=""), DISPATCHER)
    part = tables.ticket_assignment.c
    basis = (await tx.execute(select(part.basis).where(part.ticket_id == ticket.id))).scalar_one()
    assert basis.startswith("派单目录P-WATER")
    other = await registered(tx, content="想反映一件事", subject="")
    with pytest.raises(GuardFailed, match="三定"):
        await act(tx, other.id, order(TOWN, basis=""), DISPATCHER)
    reasoned = order(TOWN, reason="村民自建供水站，属地管理")
    third = await registered(tx)
    assert (await act(tx, third.id, reasoned, DISPATCHER)).ticket.lead_unit == TOWN


@pytest.mark.clause("LS-003")
async def test_the_accused_neither_gets_signs_nor_sees_it(tx: AsyncConnection) -> None:
    await seeded(tx)
    people = (human("王五", login=HOUSING_MAN.name), human("赵六", login="zhao-liu"))
    given = PeopleChange(Post.HANDLER, people, date(2026, 6, 1))
    await units_store.change_people(tx, HOUSING, given, actor=ADMIN, now=MONDAY, rules=rules_of("longsheng"))
    ticket = await registered(tx, accused="住建窗口的王五", flags=frozenset({Flag.STAFF}))
    await act(tx, ticket.id, order(HOUSING), DISPATCHER)
    colleague = Actor("user", "zhao-liu", frozenset({Role.UNIT}), HOUSING)
    for attempt in (service.get(tx, ticket.id, HOUSING_MAN), act(tx, ticket.id, commands.Sign(), HOUSING_MAN)):
        with pytest.raises(TicketNotFound):
            await attempt
    assert (await act(tx, ticket.id, commands.Sign(), colleague)).ticket.state is State.SIGNED
    only = PeopleChange(Post.HANDLER, people[:1], date(2026, 6, 1))
    await units_store.change_people(tx, HOUSING, only, actor=ADMIN, now=MONDAY, rules=rules_of("longsheng"))
    again = await registered(tx, accused="王五")
    with pytest.raises(GuardFailed, match="不能派给被反映人"):
        await act(tx, again.id, order(HOUSING), DISPATCHER)


@pytest.mark.clause("SQ-025")
async def test_outside_office_hours_the_person_on_duty_is_asked_for(tx: AsyncConnection) -> None:
    await seeded(tx, "suqian")
    for at, needed in ((local(2026, 6, 6, 10, 0), ["transport"]), (local(2026, 6, 1, 10, 0), [])):
        ticket = await registered(tx, "suqian", at)
        done = await act(tx, ticket.id, order(TRANSPORT), DISPATCHER, at, "suqian")
        assert [fact.unit for fact in done.facts if isinstance(fact, DutyPersonNeeded)] == needed


# ---- two hops ----------------------------------------------------------------------------------------------------


@pytest.mark.clause("LS-090", "LS-022")
async def test_a_company_works_a_ticket_its_department_passed_down_and_hands_it_back(tx: AsyncConnection) -> None:
    await seeded(tx)
    ticket = await registered(tx)
    with pytest.raises(GuardFailed, match="由其主管部门转派"):
        await act(tx, ticket.id, order(WATER), DISPATCHER)
    await act(tx, ticket.id, order(HOUSING), DISPATCHER)
    await act(tx, ticket.id, commands.Sign(), HOUSING_MAN, MONDAY + HOUR)
    with pytest.raises(GuardFailed, match="不是您单位的下属"):
        await act(tx, ticket.id, ForwardDown(TRANSPORT, "请办理"), HOUSING_MAN, MONDAY + HOUR)
    with pytest.raises(TicketNotFound):
        await service.get(tx, ticket.id, WATER_MAN)
    await act(tx, ticket.id, ForwardDown(WATER, "请抢修"), HOUSING_MAN, MONDAY + HOUR)
    assert await parts(tx, ticket.id) == [("housing", "authority", True), ("water", "lead", True)]
    assert (await service.get(tx, ticket.id, HOUSING_MAN)).authority == HOUSING
    await act(tx, ticket.id, commands.Sign(), WATER_MAN, MONDAY + 2 * HOUR)
    handed = await act(tx, ticket.id, HandBack("管网不归我司"), WATER_MAN, MONDAY + 3 * HOUR)
    assert (handed.ticket.lead_unit, handed.ticket.state) == (HOUSING, State.SIGNED)
    assert await parts(tx, ticket.id) == [("housing", "lead", True), ("water", "lead", False)]
    await act(tx, ticket.id, back(), HOUSING_MAN, MONDAY + 4 * HOUR)
    gone = await act(tx, ticket.id, commands.GrantReturn(), DISPATCHER, MONDAY + 5 * HOUR)
    assert (gone.ticket.state, gone.ticket.authority, gone.ticket.returns) == (State.AWAITING_DISPATCH, None, 1)


# ---- returns -----------------------------------------------------------------------------------------------------


@pytest.mark.clause("MC-027")
async def test_the_sweep_signs_what_was_not_returned_in_time_and_only_that(tx: AsyncConnection) -> None:
    region, friday = "mengcheng", local(2026, 6, 5, 15, 0)
    silent, asked = [await registered(tx, region, friday) for _ in range(2)]
    for ticket in (silent, asked):
        await act(tx, ticket.id, order(WATER), DISPATCHER, friday, region)
    await act(tx, asked.id, back(), WATER_MAN, friday + HOUR, region)
    after = local(2026, 6, 9, 0, 0, 1)
    for fact in await service.claim_due(tx, after):
        if fact.kind is DeadlineKind.RETURN:
            await service.deadline_passed(tx, fact, now=after, rules=rules_of(region))
    states = [(await store.load(tx, one.id)).state for one in (silent, asked)]
    assert states == [State.SIGNED, State.DISPATCHED]
    chain = await store.chain_of(tx, silent.id)
    assert (chain[-1][0].kind, chain[-1][0].actor) == ("deem_signed", "system:ticketing")
    with pytest.raises(GuardFailed, match="视同已接收"):
        await act(tx, silent.id, back(), WATER_MAN, after, region)
    refused = await act(tx, asked.id, commands.RefuseReturn("own_duty", "属你单位职责"), DISPATCHER, after, region)
    assert refused.ticket.state is State.SIGNED


@pytest.mark.clause("GZ-030")
async def test_the_longer_window_is_a_deadline_of_its_own(tx: AsyncConnection) -> None:
    region, friday = "ganzhou", local(2026, 6, 5, 15, 0)
    ticket = await registered(tx, region, friday)
    await act(tx, ticket.id, order(WATER), DISPATCHER, friday, region)
    outage = NoteOutage(friday, friday + 3 * HOUR, "外网断网", "故障单11号")
    await act(tx, ticket.id, outage, WATER_MAN, friday + 4 * HOUR, region)
    stored = await store.load(tx, ticket.id)
    windows = [due for due in stored.dues if due.deadline.kind is DeadlineKind.RETURN]
    assert [(due.deadline.rule_id, due.open) for due in windows] == [
        ("return.windows[0]", False),
        ("return.grace", True),
    ]


@pytest.mark.clause("GZ-032", "WX-036")
async def test_returns_are_counted_by_unit_and_by_ticket_and_teach_the_suggestions(tx: AsyncConnection) -> None:
    region = "weixi"
    await seeded(tx, region)
    transport_twice = [await registered(tx, region), await registered(tx, region)]
    for ticket in transport_twice:
        await act(tx, ticket.id, order(TRANSPORT), DISPATCHER, region=region)
        await act(tx, ticket.id, commands.Sign(), TRANSPORT_MAN, region=region)
        await act(tx, ticket.id, back(), TRANSPORT_MAN, region=region)
    await act(tx, transport_twice[0].id, commands.GrantReturn(), DISPATCHER, region=region)
    refusal = commands.RefuseReturn("own_duty", "属于其职责")
    await act(tx, transport_twice[1].id, refusal, DISPATCHER, region=region)
    assert await dispatch_rows.returns_by_unit(tx, 2) == [(TRANSPORT, 1, 1)]
    assert await dispatch_rows.returned_tickets(tx, 2) == []
    with pytest.raises(GuardFailed, match="已退回过本工单"):
        await act(tx, transport_twice[0].id, order(TRANSPORT), DISPATCHER, region=region)
    await act(tx, transport_twice[0].id, order(HOUSING), DISPATCHER, region=region)
    await act(tx, transport_twice[0].id, commands.Sign(), HOUSING_MAN, region=region)
    await act(tx, transport_twice[0].id, back(), HOUSING_MAN, region=region)
    found = await dispatch_rows.returned_tickets(tx, 2)
    assert [(one, n, set(units)) for one, n, units in found] == [(transport_twice[0].id, 2, {TRANSPORT, HOUSING})]
    seen = (await catalogue_store.experience(tx, SUBJECT))[TRANSPORT]
    assert (seen.accepted, seen.returned, seen.refused_returns) == (1, 1, 1)


@pytest.mark.clause("GZ-032")
async def test_a_return_without_a_basis_refused_counts_as_inaction(tx: AsyncConnection) -> None:
    region = "ganzhou"
    ticket = await registered(tx, region)
    await act(tx, ticket.id, order(WATER), DISPATCHER, region=region)
    await act(tx, ticket.id, back(), WATER_MAN, region=region)
    await act(tx, ticket.id, commands.RefuseReturn("no_basis", "所列文件与职责无关"), DISPATCHER, region=region)
    assert await dispatch_rows.inaction_of(tx, WATER) == 1
    assert await dispatch_rows.inaction_of(tx, ROADS) == 0


@pytest.mark.clause("LS-081", "LS-082", "LS-047", "GZ-034", "SQ-039")
async def test_two_returns_open_a_dispute_and_the_ruling_binds(tx: AsyncConnection) -> None:
    await seeded(tx)
    ticket = await registered(tx)
    for unit, man in ((HOUSING, HOUSING_MAN), (TRANSPORT, TRANSPORT_MAN)):
        await act(tx, ticket.id, order(unit), DISPATCHER)
        await act(tx, ticket.id, commands.Sign(), man)
        await act(tx, ticket.id, back(), man)
        last = await act(tx, ticket.id, commands.GrantReturn(), DISPATCHER)
    assert [fact.by_returns for fact in last.facts if isinstance(fact, DisputeOpened)] == [True]
    with pytest.raises(GuardFailed, match="正在协调"):
        await act(tx, ticket.id, order(HOUSING), DISPATCHER)
    ruling = RuleDispute(HOUSING, "供水行业由住建局主管", "纪要3号", (TRANSPORT,), ("县委编办", "县司法局"))
    await act(tx, ticket.id, ruling, DISPATCHER)
    with pytest.raises(GuardFailed, match="须按裁定派单"):
        await act(tx, ticket.id, order(TRANSPORT, reason="还是派它"), DISPATCHER)
    await act(tx, ticket.id, order(HOUSING, assists=(TRANSPORT,)), DISPATCHER)
    await act(tx, ticket.id, commands.Sign(), HOUSING_MAN)
    with pytest.raises(GuardFailed, match="不得退回"):
        await act(tx, ticket.id, back(), HOUSING_MAN)
    kept = (await disputes_rows.disputes_of(tx, ticket.id))[0]
    assert (kept["decider"], kept["minutes"], kept["participants"]) == (
        "县12345热线联席会议",
        "纪要3号",
        ["县委编办", "县司法局"],
    )
    assert (await catalogue_store.experience(tx, SUBJECT))[HOUSING].ruled == 1
    rules = rules_of("longsheng").policies[-1].dispatching
    assert rules is not None
    best = (await catalogue_store.suggestions(tx, await registered(tx), rules))[0]
    assert (best.unit, any("职责裁定" in reason for reason in best.reasons)) == (HOUSING, True)


async def test_the_reviewer_sees_the_request_under_review(tx: AsyncConnection) -> None:
    ticket = await registered(tx)
    await act(tx, ticket.id, order(WATER), DISPATCHER)
    await act(tx, ticket.id, commands.Sign(), WATER_MAN)
    await act(tx, ticket.id, back(), WATER_MAN)
    asked = await returns_store.asked(tx, ticket.id)
    assert asked is not None
    assert (asked.legal_basis, asked.suggestion) == ("三定方案第三条", "转交通局")
    await act(tx, ticket.id, OpenDispute("两家都说不管"), DISPATCHER)
    ruling = RuleDispute(WATER, "由其办理", "纪要4号", (), ("县委编办",))
    await act(tx, ticket.id, ruling, DISPATCHER)
    refused = (await tx.execute(select(tables.ticket_return.c.state, tables.ticket_return.c.refusal_code))).one()
    assert tuple(refused) == ("refused", "duty_fixed")
    assert await returns_store.asked(tx, ticket.id) is None


# ---- assists -----------------------------------------------------------------------------------------------------


@pytest.mark.clause("LS-019", "LS-080", "GZ-012", "GZ-044", "MC-024")
async def test_assist_orders_are_sent_signed_answered_and_missed_when_silent(tx: AsyncConnection) -> None:
    roads_man = Actor("user", "lu-zheng", frozenset({Role.UNIT}), ROADS)
    ticket = await registered(tx)
    await act(tx, ticket.id, order(WATER, assists=(ROADS,)), DISPATCHER)
    await act(tx, ticket.id, commands.Sign(), WATER_MAN)
    await act(tx, ticket.id, commands.AddAssist(HOUSING, "需要协调物业"), DISPATCHER)
    await act(tx, ticket.id, SignAssist(), roads_man)
    await act(tx, ticket.id, GiveOpinion("路面可以开挖"), roads_man, MONDAY + HOUR)
    current = await store.load(tx, ticket.id)
    orders = await assists_rows.orders_of(tx, current)
    assert [(one.unit, one.signed_at, one.opinion) for one in orders] == [
        (ROADS, MONDAY, "路面可以开挖"),
        (HOUSING, None, ""),
    ]
    assert awaited(orders, MONDAY + HOUR) == (HOUSING,)
    late = local(2026, 6, 5, 0, 0)
    silent = await assists_rows.sweep(tx, late)
    assert [(type(fact), fact.unit) for fact in silent] == [(AssistSilent, HOUSING)]
    assert await assists_rows.sweep(tx, late) == ()
    assert awaited(orders, late) == ()
    assert "路面可以开挖" not in current.result


# ---- the queue, and two dispatchers at once ----------------------------------------------------------------------


@pytest.mark.clause("WX-008", "LS-026")
async def test_the_dispatchers_queue_puts_first_what_goes_first(tx: AsyncConnection) -> None:
    region = "weixi"
    plain = await registered(tx, region, request_type="求助")
    complaint = await registered(tx, region, MONDAY + HOUR)
    urgent = await registered(tx, region, MONDAY + 2 * HOUR, request_type="求助", urgent=True)
    waiting = await returns_store.waiting(tx, rules_of(region))
    assert [one.ticket.id for one in waiting] == [urgent.id, complaint.id, plain.id]
    assert [one.first for one in waiting] == [True, True, False]
    assert all(one.due_at is not None for one in waiting)


async def test_two_dispatchers_at_once_never_both_dispatch(db: Database) -> None:
    async with db.transaction() as tx:
        ticket = await registered(tx)

    async def one(unit: UnitId) -> UnitId | None:
        try:
            async with db.transaction() as tx:
                done = await service.carry_out(
                    tx,
                    ticket.id,
                    order(unit),
                    actor=DISPATCHER,
                    now=MONDAY,
                    rules=rules_of("longsheng"),
                    expected_version=ticket.version,
                )
        except StaleTicket:
            return None
        return done.ticket.lead_unit

    won = [unit for unit in await asyncio.gather(*(one(UnitId(f"unit-{n}")) for n in range(6))) if unit]
    assert len(won) == 1
    async with db.transaction() as tx:
        assert await parts(tx, ticket.id) == [(won[0], "lead", True)]
        assert (await store.load(tx, ticket.id)).lead_unit == won[0]


async def test_the_database_holds_one_lead_even_when_asked_directly(tx: AsyncConnection) -> None:
    ticket = await registered(tx)
    await act(tx, ticket.id, order(WATER), DISPATCHER)
    row = {"ticket_id": ticket.id, "round": 1, "unit": "roads", "role": "lead", "dispatched_at": MONDAY}
    with pytest.raises(IntegrityError):
        await tx.execute(tables.ticket_assignment.insert().values(**row))


def test_facts_of_dispatches_are_of_tickets() -> None:
    assert all(issubclass(kind, facts.Fact) for kind in (DutyPersonNeeded, UnitHasNoHandler, DisputeOpened))
