"""Accountability and duty in a real PostgreSQL: findings, cases with evidence nobody can change, rosters, logins."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import logins
from callcenter.db import Database
from callcenter.tables import audit, user_account
from callcenter.types import TicketId
from tests.support.regions import policy_of, rules_of
from tests.support.supervised import act, dispatched, forced, overdue, with_units
from tests.support.tickets import DISPATCHER, MONDAY, REVIEWER, ROADS, ROADS_MAN, SUPERVISOR, WATER, WATER_MAN, local
from ticketing import tables
from ticketing.aftercare.follow_rules import CheckKind
from ticketing.aftercare.rechecks import Found, LookBack
from ticketing.record import GuardFailed, NotYours
from ticketing.supervision import accountability_findings, accountability_store, roster
from ticketing.supervision.accountability import Subject
from ticketing.supervision.accountability_store import CaseNotFound
from ticketing.supervision.accountability_tables import accountability_evidence
from ticketing.supervision.roster import Kind, Noted, ShiftNotFound
from ticketing.supervision.rules import Finding
from ticketing.supervision.supervision import EndSupervision, Supervise
from ticketing.words import Flag

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


async def listed(
    region: str, tx: AsyncConnection, finding: Finding, now: datetime, **more: Any
) -> list[tuple[str, str | None, int]]:
    rules = policy_of(region).accountability
    assert rules is not None
    rule = next(one for one in rules.findings if one.finding is finding)
    given: dict[str, Any] = {"since": MONDAY - DAY, "until": now + DAY, "scope": None, **more}
    found = await accountability_findings.find(tx, rule, now=now, **given)
    return [(one.ticket_id, one.unit, one.times) for one in found]


@pytest.mark.clause("GZ-063")
async def test_important_tickets_supervised_twice_without_an_answer_are_listed(tx: AsyncConnection) -> None:
    await with_units(tx)
    important, ordinary = await dispatched("ganzhou", tx), await dispatched("ganzhou", tx)
    await forced(tx, important.id, flags=[Flag.LEADER])
    for ticket in (important, ordinary):
        await act("ganzhou", tx, ticket.id, Supervise("MISCONDUCT", "推诿"), SUPERVISOR)
        await act("ganzhou", tx, ticket.id, EndSupervision("MISCONDUCT", "未反馈", solved=False), SUPERVISOR)
        assert await listed("ganzhou", tx, Finding.SUPERVISED_SILENT, MONDAY + HOUR) == []
    for ticket in (important, ordinary):
        await act("ganzhou", tx, ticket.id, Supervise("OTHER", "再次督办"), SUPERVISOR)
    late = MONDAY + 10 * DAY
    assert await listed("ganzhou", tx, Finding.SUPERVISED_SILENT, late) == [(important.id, WATER, 2)]
    assert await listed("ganzhou", tx, Finding.SUPERVISED_SILENT, late, scope=ROADS) == []


@pytest.mark.clause("GZ-061", "MC-045")
async def test_overdue_tickets_are_listed_and_urgent_ones_apart(tx: AsyncConnection) -> None:
    await with_units(tx)
    urgent, ordinary = await dispatched("ganzhou", tx), await dispatched("ganzhou", tx)
    await forced(tx, urgent.id, urgent=True)
    late = MONDAY + 40 * DAY
    await overdue("ganzhou", tx, late)
    assert await listed("ganzhou", tx, Finding.URGENT_OVERDUE, late) == [(urgent.id, WATER, 1)]
    both = await listed("mengcheng", tx, Finding.OVERDUE, late)
    assert [row[0] for row in both] == [urgent.id, ordinary.id]
    first = await listed("mengcheng", tx, Finding.OVERDUE, late, limit=1)
    assert await listed("mengcheng", tx, Finding.OVERDUE, late, after=TicketId(first[0][0])) == both[1:]


@pytest.mark.clause("WX-036", "GZ-032")
async def test_returns_are_counted_for_each_ticket_and_unit(tx: AsyncConnection) -> None:
    await with_units(tx)
    ticket = await dispatched("weixi", tx)
    rows = [("granted", WATER, "no_duty"), ("refused", ROADS, "no_basis")]
    for state, unit, code in rows:
        row = {"ticket_id": ticket.id, "round": 1, "unit": unit, "state": state, "reason": "不归我管"}
        decided = {"asked_at": MONDAY, "decided_at": MONDAY, "decided_by": "x", "refusal_code": code}
        await tx.execute(insert(tables.ticket_return).values(**row, **decided))
    assert [(row[0], row[2]) for row in await listed("weixi", tx, Finding.RETURNED, MONDAY)] == [(ticket.id, 2)]
    assert await listed("ganzhou", tx, Finding.REFUSED_RETURN, MONDAY) == [(ticket.id, ROADS, 1)]
    assert await listed("ganzhou", tx, Finding.REFUSED_RETURN, MONDAY, scope=WATER) == []


@pytest.mark.clause("MC-049")
async def test_a_look_back_that_found_something_is_listed_and_one_that_found_nothing_is_not(
    tx: AsyncConnection,
) -> None:
    await with_units(tx)
    bad, good = await dispatched("ganzhou", tx), await dispatched("ganzhou", tx)
    for ticket, found in ((bad, Found.NOT_DONE), (good, Found.FINE)):
        await forced(tx, ticket.id, state="closed", policy_id="mengcheng")
        look = LookBack(CheckKind.LOOK_BACK, found, "现场查看")
        await act("mengcheng", tx, ticket.id, look, REVIEWER)
    assert [row[0] for row in await listed("mengcheng", tx, Finding.LOOKED_BACK, MONDAY)] == [bad.id]


async def opened(tx: AsyncConnection, *tickets: TicketId) -> int:
    made = await accountability_store.open_case(
        tx,
        policy_of("suqian"),
        reason="REFUSES",
        severity="ORDINARY",
        subject=Subject(WATER),
        facts="三次拒不办理",
        tickets=tickets,
        actor=SUPERVISOR,
        now=MONDAY,
    )
    return made.id


@pytest.mark.clause("GZ-064", "SQ-040")
async def test_a_case_holds_its_tickets_events_by_hash(tx: AsyncConnection) -> None:
    await with_units(tx)
    ticket = await dispatched("ganzhou", tx)
    case_id = await opened(tx, ticket.id)
    evidence = await accountability_store.evidence_of(tx, case_id)
    assert [one.seq for one in evidence] == list(range(1, ticket.version + 1))
    assert await accountability_store.altered(tx, evidence) == ()
    await tx.execute(text("SET LOCAL session_replication_role = replica"))
    event = tables.ticket_event
    forged = update(event).where(event.c.ticket_id == ticket.id, event.c.seq == 2).values(actor="user:nobody")
    await tx.execute(forged)
    broken = await accountability_store.altered(tx, evidence)
    assert broken[0].seq == 2
    note = {"policy": policy_of("suqian"), "actor": SUPERVISOR, "now": MONDAY}
    after = await accountability_store.step(tx, case_id, "INTERVIEW", "已约谈主要负责人", (), **note)  # type: ignore[arg-type]
    assert [step.rung for step in (await accountability_store.load(tx, case_id)).steps] == ["INTERVIEW"]
    assert after.steps[-1].recipients == ("责任单位",)
    with pytest.raises(CaseNotFound):
        await accountability_store.load(tx, case_id, scope=ROADS)
    ended = await accountability_store.conclude(tx, case_id, "FAULT_TOLERATED", "主动纠正", **note)  # type: ignore[arg-type]
    assert ended.outcome == "FAULT_TOLERATED"
    [count] = await accountability_store.counts(
        tx, scope=None, since=MONDAY - DAY, until=MONDAY + DAY, nothing=frozenset({"NOT_ESTABLISHED"})
    )
    assert (count.unit, count.reason, count.cases, count.held) == (WATER, "REFUSES", 1, 1)


async def test_evidence_is_never_changed(db: Database) -> None:
    async with db.transaction() as tx:
        await with_units(tx)
        ticket = await dispatched("ganzhou", tx)
        await opened(tx, ticket.id)
    with pytest.raises(DBAPIError, match="append-only"):
        async with db.transaction() as tx:
            await tx.execute(update(accountability_evidence).values(hash="0" * 64))


# ---- duty ----------------------------------------------------------------------------------------------------------


async def shift(tx: AsyncConnection, kind: Kind = Kind.UNIT, **more: Any) -> int:
    given = {"unit": WATER, "name": "李四", "phone": "13900139001", "actor": WATER_MAN, **more}
    at, actor, unit = MONDAY + 9 * HOUR, given.pop("actor"), given.pop("unit")
    region = "ganzhou" if kind is Kind.HOTLINE else "mengcheng"
    made = await roster.plan(
        tx, policy_of(region), kind, unit, given["name"], given["phone"], at, at + 14 * HOUR, actor=actor
    )
    return made.id


@pytest.mark.clause("GZ-062", "SQ-025", "MC-021", "GZ-059")
async def test_who_should_be_and_who_really_was_on_duty(tx: AsyncConnection) -> None:
    await with_units(tx)
    shift_id = await shift(tx)
    await shift(tx, Kind.HOTLINE, unit=None, actor=SUPERVISOR, name="值班长")
    await shift(tx, Kind.LEADER, unit=WATER, actor=WATER_MAN, name="分管局长")
    with pytest.raises(GuardFailed, match="班次还没有开始"):
        await roster.note(tx, shift_id, Noted.ON, "李四", "", actor=WATER_MAN, now=MONDAY)
    at = MONDAY + 10 * HOUR
    await roster.note(tx, shift_id, Noted.ON, "李四", "", actor=WATER_MAN, now=at)
    await roster.note(tx, shift_id, Noted.NOTE, "李四", "爆管，已派抢修", actor=WATER_MAN, now=at + HOUR)
    [mine, led] = await roster.on_duty(tx, at, scope=WATER)
    assert (mine.name, [record.kind for record in mine.records]) == ("李四", ["on", "note"])
    assert led.kind is Kind.LEADER
    everybody = await roster.on_duty(tx, at, scope=None)
    assert {one.kind for one in everybody} == set(Kind)
    assert await roster.on_duty(tx, at + 20 * HOUR, scope=None) == ()
    assert await roster.on_duty(tx, at, scope=ROADS) == ()
    with pytest.raises(ShiftNotFound):
        await roster.one(tx, shift_id, ROADS)
    with pytest.raises(NotYours):
        await shift(tx, actor=ROADS_MAN)
    with pytest.raises(GuardFailed, match="没有这种值班安排"):
        roster.rules_of(policy_of("weixi"), Kind.UNIT)


@pytest.mark.clause("MC-023")
async def test_units_that_did_not_sign_in_on_a_working_day(tx: AsyncConnection) -> None:
    people = [("a", WATER), ("b", WATER), ("c", ROADS), ("d", None)]
    for login, unit in people:
        await tx.execute(
            insert(user_account).values(login=login, display_name=login, password_hash="x", roles=["unit"], unit=unit)
        )
    at = local(2026, 6, 1, 8, 30)
    rows = [
        {"at": at, "actor": "user:a", "action": "session.login", "subject": "user:1", "ok": True},
        {"at": at + HOUR, "actor": "user:b", "action": "session.login", "subject": "user:2", "ok": True},
        {"at": at, "actor": "user:c", "action": "session.login", "subject": "user:3", "ok": False},
        {"at": at - DAY, "actor": "user:c", "action": "session.login", "subject": "user:3", "ok": True},
    ]
    await tx.execute(insert(audit), rows)
    found = await logins.of_day(tx, local(2026, 6, 1).date())
    assert [(one.unit, one.people, one.times, one.first_at) for one in found] == [
        (ROADS, 1, 0, None),
        (WATER, 2, 2, at),
    ]
    assert await logins.of_day(tx, local(2026, 6, 1).date(), ROADS) == found[:1]
    calendar = rules_of("mengcheng").calendar
    assert roster.login_day(local(2026, 6, 1).date(), calendar)
    assert not roster.login_day(local(2026, 6, 6).date(), calendar)
    assert not roster.login_day(local(2026, 10, 1).date(), calendar)


@pytest.mark.clause("MC-020")
async def test_leader_sessions_assign_on_the_spot_and_weeks_without_one_are_named(tx: AsyncConnection) -> None:
    await with_units(tx)
    policy, ticket = policy_of("mengcheng"), await dispatched("ganzhou", tx)
    day = MONDAY.date()
    leader = await roster.hold(tx, policy, day, "县长", "县长接听日", None, "", actor=SUPERVISOR, now=MONDAY)
    how, sent = roster.on_the_spot(leader, ROADS)
    assert (how, sent.lead) == ("assigned", ROADS)
    assert "当场分办" in sent.basis
    with pytest.raises(GuardFailed, match="当场分办的承办单位"):
        roster.on_the_spot(leader, None)
    department = await roster.hold(tx, policy, day, "局长", "", WATER, "", actor=DISPATCHER, now=MONDAY)
    assert roster.on_the_spot(department, None)[0] == "taken"
    assert roster.on_the_spot(department, None)[1].lead == WATER
    with pytest.raises(GuardFailed, match="自行领办"):
        roster.on_the_spot(department, ROADS)
    await roster.settle(tx, leader.id, ticket.id, how, sent.lead, actor=DISPATCHER, now=MONDAY)
    assert [one.unit for one in (await roster.session(tx, leader.id)).tickets] == [ROADS]
    with pytest.raises(GuardFailed, match="还没有到"):
        await roster.hold(tx, policy, day + DAY, "县长", "", None, "", actor=SUPERVISOR, now=MONDAY)
    assert policy.roster is not None
    missing = await roster.weeks_without(tx, policy.roster, day - 14 * DAY, day)
    assert missing == (day - 14 * DAY, day - 7 * DAY)
    with pytest.raises(GuardFailed, match="没有这种值班安排"):
        await roster.hold(tx, policy_of("longsheng"), day, "县长", "", None, "", actor=SUPERVISOR, now=MONDAY)


async def test_a_session_that_is_not_there(tx: AsyncConnection) -> None:
    with pytest.raises(roster.SessionNotFound):
        await roster.session(tx, 999)
