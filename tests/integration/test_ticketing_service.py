"""Tickets in a real PostgreSQL: a whole life, two writers, what the database refuses, lists and sweeps."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.db import Database
from callcenter.types import Actor, CallId, IdentityId, TicketId
from tests.support import knowledge
from tests.support.tickets import (
    AGENT,
    AUDITOR,
    DISPATCHER,
    FIELDS,
    MONDAY,
    REVIEWER,
    ROADS,
    ROADS_MAN,
    SUPERVISOR,
    SYSTEM,
    WATER,
    WATER_MAN,
    contents,
    local,
    policy,
    rules,
)
from ticketing import commands, facts, service, store, tables
from ticketing.checks import broken_invariants
from ticketing.clocks import DeadlineKind
from ticketing.commands import Changes, Detail
from ticketing.lists import Filter, earlier_tickets, find, history
from ticketing.policy import Rules
from ticketing.record import GuardFailed, NotYours, StaleTicket, Ticket, TicketNotFound
from ticketing.service import Outcome
from ticketing.words import State

CALLER = IdentityId(4711)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
REASON = "来电人直接拨打"


async def opened(tx: AsyncConnection, at: datetime = MONDAY, **values: object) -> Ticket:
    given = {"actor": SYSTEM, "now": at, "rules": rules(), "requester": CALLER, **values}
    return (await service.open_draft(tx, **given)).ticket  # type: ignore[arg-type]


async def act(tx: AsyncConnection, ticket_id: TicketId, detail: Detail, actor: Actor, at: datetime = MONDAY) -> Outcome:
    return await service.carry_out(tx, ticket_id, detail, actor=actor, now=at, rules=rules())


async def at_unit(tx: AsyncConnection, at: datetime = MONDAY, fields: Changes = FIELDS) -> TicketId:
    """A ticket the water unit is handling."""
    ticket = await opened(tx, at)
    await act(tx, ticket.id, commands.Register(fields, REASON), AGENT, at)
    notice = commands.PhoneNotice(at, "值班室") if fields.urgent else None
    await act(tx, ticket.id, commands.Dispatch(WATER, phone_notice=notice), DISPATCHER, at)
    await act(tx, ticket.id, commands.Sign(), WATER_MAN, at)
    await act(tx, ticket.id, commands.Start(), WATER_MAN, at)
    return ticket.id


async def test_a_draft_opens_once_for_a_call(tx: AsyncConnection) -> None:
    call = CallId("a-1763800000.12")
    first = await service.open_draft(tx, actor=SYSTEM, now=MONDAY, rules=rules(), call_id=call, request_type="投诉")
    again = await service.open_draft(tx, actor=SYSTEM, now=MONDAY + HOUR, rules=rules(), call_id=call)
    assert first.id == again.id == "20260601000001"
    assert (len(first.facts), again.facts) == (1, ())
    assert (first.ticket.source, first.ticket.request_type, first.ticket.typed) == ("电话", "投诉", frozenset())
    assert await store.load(tx, first.id) == first.ticket


async def test_a_menu_key_the_policy_does_not_know_is_left_to_the_agent(tx: AsyncConnection) -> None:
    assert (await opened(tx, request_type="点歌")).request_type == ""


async def test_numbers_run_by_local_day(tx: AsyncConnection) -> None:
    moments = [local(2026, 6, 1, 23, 59), local(2026, 6, 2, 0, 1), local(2026, 6, 1, 23, 59, 30)]
    ids = [(await opened(tx, at)).id for at in moments]
    assert ids == ["20260601000001", "20260602000001", "20260601000002"]


async def test_numbers_are_given_once_to_many_writers(db: Database) -> None:
    async def one() -> TicketId:
        async with db.transaction() as tx:
            return (await opened(tx)).id

    ids = await asyncio.gather(*(one() for _ in range(20)))
    assert sorted(ids) == [f"20260601{n:06d}" for n in range(1, 21)]


async def test_two_events_of_one_call_open_one_ticket(db: Database) -> None:
    async def one() -> TicketId:
        async with db.transaction() as tx:
            return (await opened(tx, call_id=CallId("a-1763800000.13"))).id

    assert len(set(await asyncio.gather(*(one() for _ in range(8))))) == 1


async def test_a_change_survives_the_round_to_the_database(tx: AsyncConnection) -> None:
    ticket_id = await at_unit(tx)
    asked = await act(tx, ticket_id, commands.AskExtension(2, "配件未到", MONDAY), WATER_MAN)
    loaded = await store.load(tx, ticket_id)
    assert replace(loaded, dues=()) == replace(asked.ticket, dues=())
    assert set(loaded.dues) == set(asked.ticket.dues)


async def test_every_step_is_one_event_in_an_unbroken_chain(tx: AsyncConnection) -> None:
    ticket_id = await at_unit(tx)
    chain = await store.chain_of(tx, ticket_id)
    assert [entry.kind for entry, _, __ in chain] == ["open", "register", "dispatch", "sign", "start"]
    assert [entry.seq for entry, _, __ in chain] == [1, 2, 3, 4, 5]
    assert store.broken_link(chain) is None
    forged = (replace(chain[2][0], actor="user:nobody"), *chain[2][1:])
    assert store.broken_link((*chain[:2], forged, *chain[3:])) == 3
    assert store.broken_link((*chain[:2], *chain[3:])) == 3


async def test_an_edit_keeps_what_stood_before(tx: AsyncConnection) -> None:
    ticket = await opened(tx, request_type="咨询")
    await act(tx, ticket.id, commands.Edit(Changes(request_type="投诉", place="桂龙路")), AGENT)
    last = (await history(tx, ticket.id, AGENT))[-1]
    assert last.data == {
        "changes": {"request_type": "投诉", "place": "桂龙路"},
        "before": {"request_type": "咨询"},
    }
    assert (last.event_name, last.state_name, last.actor) == ("修改", "登记中", "user:xiao-li")


async def test_of_two_writers_one_wins_and_the_other_is_told(db: Database) -> None:
    async with db.transaction() as tx:
        ticket = await opened(tx)

    async def edit(place: str) -> str:
        try:
            async with db.transaction() as tx:
                detail = commands.Edit(Changes(place=place))
                await service.carry_out(
                    tx, ticket.id, detail, actor=AGENT, now=MONDAY, rules=rules(), expected_version=1
                )
                return place
        except StaleTicket as stale:
            return f"stale {stale.expected} {stale.actual}"

    results = await asyncio.gather(*(edit(f"{n}号") for n in range(5)))
    assert results.count("stale 1 2") == 4
    async with db.transaction() as tx:
        kept = await store.load(tx, ticket.id)
        assert kept.place in results
        assert kept.version == 2
        assert len(await store.chain_of(tx, ticket.id)) == 2


async def test_a_refused_command_leaves_no_trace(tx: AsyncConnection) -> None:
    ticket = await opened(tx)
    with pytest.raises(GuardFailed):
        await act(tx, ticket.id, commands.Register(FIELDS), AGENT)
    assert await store.load(tx, ticket.id) == ticket
    assert len(await store.chain_of(tx, ticket.id)) == 1


FORBIDDEN = [
    "UPDATE ticket_event SET actor = 'nobody'",
    "DELETE FROM ticket_event",
    "TRUNCATE ticket_event",
    "DELETE FROM ticket",
    "TRUNCATE ticket CASCADE",
    "UPDATE ticket SET title = 'x'",
    "UPDATE ticket SET version = version + 2",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
async def test_the_database_refuses_to_rewrite_history(tx: AsyncConnection, statement: str) -> None:
    await opened(tx)
    await tx.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    with pytest.raises(DBAPIError, match=r"append-only|never deleted|next version"):
        await tx.execute(text(statement))


async def test_a_change_without_its_event_does_not_commit(db: Database) -> None:
    async with db.transaction() as tx:
        await opened(tx)
    with pytest.raises(DBAPIError, match="its event is missing"):
        async with db.transaction() as tx:
            await tx.execute(text("UPDATE ticket SET version = version + 1, state = 'closed'"))


async def test_a_policy_changed_under_its_version_is_noticed(tx: AsyncConnection) -> None:
    await opened(tx)
    other = Rules((replace(policy(), digest="0" * 64),), rules().calendar)
    with pytest.raises(store.PolicyChanged, match="longsheng@1"):
        await service.open_draft(tx, actor=SYSTEM, now=MONDAY, rules=other)


async def test_a_ticket_keeps_the_version_it_was_opened_under(tx: AsyncConnection) -> None:
    ticket = await opened(tx)
    newer = replace(policy(), version=2, request_types=("咨询",), digest="1" * 64)
    both = Rules((policy(), newer), rules().calendar)
    detail = commands.Register(FIELDS, REASON)
    done = await service.carry_out(tx, ticket.id, detail, actor=AGENT, now=MONDAY + DAY, rules=both)
    assert done.ticket.request_type == "求助", "version 2 knows no 求助, version 1 does"
    assert done.ticket.dues[0].deadline.policy_version == "longsheng@1"


# ---- a unit's sight ------------------------------------------------------------------------------------------------


async def test_a_unit_sees_its_own_tickets_and_no_others(tx: AsyncConnection) -> None:
    ticket_id = await at_unit(tx)
    assert (await service.get(tx, ticket_id, WATER_MAN)).id == ticket_id
    for look in (service.get(tx, ticket_id, ROADS_MAN), service.get(tx, TicketId("20260601999999"), ROADS_MAN)):
        with pytest.raises(TicketNotFound) as told:
            await look
        assert told.value.sentence == "没有这张工单，或者您现在不能查看它。请核对工单编号。"
    with pytest.raises(TicketNotFound):
        await act(tx, ticket_id, commands.Sign(), ROADS_MAN)
    with pytest.raises(TicketNotFound):
        await history(tx, ticket_id, ROADS_MAN)
    assert [len((await find(tx, Filter(), actor=who)).tickets) for who in (WATER_MAN, ROADS_MAN, AUDITOR)] == [1, 0, 1]
    await act(tx, ticket_id, commands.AddAssist(ROADS, "需要开挖"), DISPATCHER)
    assert (await service.get(tx, ticket_id, ROADS_MAN)).assist_units == (ROADS,)
    nobody = replace(WATER_MAN, unit=None)
    with pytest.raises(NotYours):
        await find(tx, Filter(), actor=nobody)


async def test_a_returned_ticket_is_out_of_the_units_sight(tx: AsyncConnection) -> None:
    ticket_id = await at_unit(tx)
    await act(tx, ticket_id, commands.AskReturn("不是我们", "三定方案"), WATER_MAN)
    await act(tx, ticket_id, commands.GrantReturn("确属路政"), DISPATCHER, MONDAY + HOUR)
    with pytest.raises(TicketNotFound):
        await service.get(tx, ticket_id, WATER_MAN)
    await act(tx, ticket_id, commands.Dispatch(ROADS), DISPATCHER, MONDAY + HOUR)
    asked = (await tx.execute(select(tables.ticket_return))).one()
    assert (asked.unit, asked.state, asked.decided_by) == ("water", "granted", "user:lao-wang")
    work = (await tx.execute(select(tables.ticket_assignment).order_by(tables.ticket_assignment.c.id))).all()
    assert [(row.unit, row.ended_at is None) for row in work] == [("water", False), ("roads", True)]


async def test_an_extension_supersedes_the_deadline_and_both_stay_on_record(tx: AsyncConnection) -> None:
    ticket_id = await at_unit(tx)
    await act(tx, ticket_id, commands.AskExtension(2, "配件未到", MONDAY), WATER_MAN)
    await act(tx, ticket_id, commands.GrantExtension(2), DISPATCHER, MONDAY + HOUR)
    row = tables.ticket_deadline
    query = select(row.c.amount, row.c.ended_at).where(row.c.kind == "handle").order_by(row.c.id)
    assert [(r.amount, r.ended_at is None) for r in (await tx.execute(query)).all()] == [(3, False), (5, True)]
    asked = (await tx.execute(select(tables.ticket_extension))).one()
    assert (asked.state, asked.granted) == ("granted", 2)


# ---- lists ---------------------------------------------------------------------------------------------------------


async def test_pages_follow_each_other_without_gap_or_repeat(tx: AsyncConnection) -> None:
    everything = [(await opened(tx, MONDAY + n * DAY)).id for n in range(7)]
    seen: list[TicketId] = []
    page = await find(tx, Filter(), actor=AGENT, limit=3)
    while True:
        seen += [ticket.id for ticket in page.tickets]
        await opened(tx, MONDAY + 30 * DAY)  # newer ones do not shift the pages
        if page.after is None:
            break
        page = await find(tx, Filter(), actor=AGENT, limit=3, after=page.after)
    assert seen == everything[::-1]


async def test_filters_find_what_they_name(tx: AsyncConnection) -> None:
    leak = await at_unit(tx, fields=replace(FIELDS, content="水管100%漏水_严重", request_type="投诉", urgent=True))
    other = await opened(tx, call_id=CallId("a-1763800000.14"), requester=None)

    async def ids(wanted: Filter) -> list[TicketId]:
        return [ticket.id for ticket in (await find(tx, wanted, actor=AGENT)).tickets]

    assert await ids(Filter(states=(State.DRAFT,))) == [other.id]
    assert await ids(Filter(unit=WATER)) == [leak]
    assert await ids(Filter(request_type="投诉", urgent=True)) == [leak]
    assert await ids(Filter(requester=CALLER)) == [leak]
    assert await ids(Filter(call_id=CallId("a-1763800000.14"))) == [other.id]
    assert await ids(Filter(text="漏水")) == [leak]
    assert await ids(Filter(text="100%漏")) == [leak]
    assert await ids(Filter(text="100_漏")) == [], "% and _ are letters, not wildcards"
    assert await ids(Filter(text=leak[-6:])) == [leak]
    assert await ids(Filter(due_before=MONDAY + 25 * HOUR)) == [leak]
    assert await ids(Filter(due_before=MONDAY + 23 * HOUR)) == []


async def test_a_list_shows_the_deadline_in_force_once(tx: AsyncConnection) -> None:
    ticket_id = await at_unit(tx)
    await act(tx, ticket_id, commands.AskExtension(2, "配件未到", MONDAY), WATER_MAN)
    await act(tx, ticket_id, commands.GrantExtension(2), DISPATCHER)
    (line,) = (await find(tx, Filter(), actor=AGENT)).tickets
    assert line.handle_due_at == local(2026, 6, 8, 23, 59, 59)
    assert not line.provisional


async def test_the_ringing_screen_shows_earlier_tickets_but_no_drafts(tx: AsyncConnection) -> None:
    ticket_id = await at_unit(tx)
    await opened(tx)
    (earlier,) = await earlier_tickets(tx, CALLER, AGENT)
    assert (earlier.id, earlier.state_name, earlier.opened_on) == (ticket_id, "办理中", "2026-06-01")


# ---- deadlines -----------------------------------------------------------------------------------------------------


async def test_a_passed_deadline_is_told_once_and_asks_for_an_explanation(tx: AsyncConnection) -> None:
    ticket_id = await at_unit(tx)
    due = local(2026, 6, 4, 23, 59, 59)
    assert await service.claim_due(tx, local(2026, 6, 2, 12)) == ()
    (window,) = await service.claim_due(tx, due)
    assert window.kind is DeadlineKind.RETURN
    assert await service.claim_due(tx, due + timedelta(milliseconds=900)) == (), "that second is still in time"
    (late,) = await service.claim_due(tx, due + timedelta(seconds=1))
    assert (late.kind, late.due_at, late.unit) == (DeadlineKind.HANDLE, due, WATER)
    assert await service.claim_due(tx, due + DAY) == ()
    said = await service.deadline_passed(tx, late, now=due + timedelta(seconds=1), rules=rules())
    again = await service.deadline_passed(tx, late, now=due + timedelta(seconds=2), rules=rules())
    (task,) = said.facts
    assert isinstance(task, facts.ManualTaskCreated)
    assert (task.kind, task.ticket_id, again.facts) == ("explain_overdue", ticket_id, ())
    ignored = await service.deadline_passed(tx, window, now=due, rules=rules())
    assert ignored.facts == ()


async def test_two_sweeps_share_the_work(db: Database) -> None:
    async with db.transaction() as tx:
        for _ in range(6):
            await at_unit(tx)
    late = local(2026, 6, 30, 9)

    async def sweep() -> list[int]:
        async with db.transaction() as tx:
            return [fact.deadline_id for fact in await service.claim_due(tx, late, limit=8)]

    taken = [deadline for part in await asyncio.gather(*(sweep() for _ in range(4))) for deadline in part]
    async with db.transaction() as tx:
        taken += [fact.deadline_id for fact in await service.claim_due(tx, late)]
        total = (await tx.execute(select(func.count()).where(tables.ticket_deadline.c.met_at.is_(None)))).scalar_one()
    assert len(taken) == len(set(taken)) == total == 12, "the handling limit and the return window of each"


# ---- the end -------------------------------------------------------------------------------------------------------


@pytest.mark.clause("LS-069")
async def test_a_direct_answer_is_archived_with_its_package(tx: AsyncConnection) -> None:
    ticket = await opened(tx, local(2024, 2, 29, 9))
    now = local(2024, 2, 29, 10)
    await act(tx, ticket.id, commands.Register(FIELDS, REASON), AGENT, now)
    item = await knowledge.in_use(tx, now=now)
    await act(tx, ticket.id, commands.Answer("抢修中，今晚恢复", str(item.id)), AGENT, now)
    sound = commands.Material("recording", "rec:12", "ab" * 32)
    done = await act(tx, ticket.id, commands.Archive((sound,)), SYSTEM, now + DAY)
    packed = done.facts[-1]
    assert isinstance(packed, facts.ArchivePacked)
    assert packed.recordings_keep_until.isoformat() == "2027-03-01", "three years after a leap day, never a day early"
    row = (await tx.execute(select(tables.ticket_archive))).one()
    assert row.manifest["materials"] == [{"kind": "recording", "ref": "rec:12", "sha256": "ab" * 32}]
    assert {part["name"]: part["rows"] for part in row.manifest["parts"]}["ticket_event"] == 4
    assert (row.sha256, row.events) == (store.sha256(row.manifest), 4)
    assert await broken_invariants(tx, rules()) == ()


async def test_nothing_changes_once_archived(tx: AsyncConnection) -> None:
    ticket = await opened(tx)
    await act(tx, ticket.id, commands.Withdraw("打错了"), AGENT)
    await act(tx, ticket.id, commands.Archive(), SYSTEM)
    with pytest.raises(DBAPIError, match="archived, nothing may change"):
        await tx.execute(update(tables.ticket).values(version=tables.ticket.c.version + 1, content="别的"))


async def test_a_reworked_ticket_has_a_second_round_with_clocks_and_rows_of_its_own(tx: AsyncConnection) -> None:
    ticket_id = await at_unit(tx)
    await act(tx, ticket_id, commands.Reply(contents()), WATER_MAN, MONDAY + HOUR)
    close = commands.Close("多次联系不上", "UNREACHABLE")
    await act(tx, ticket_id, close, REVIEWER, MONDAY + 2 * HOUR)
    again = await act(tx, ticket_id, commands.Rework("回头看发现未恢复"), SUPERVISOR, MONDAY + 3 * DAY)
    assert (again.ticket.round, again.ticket.state) == (2, State.AWAITING_DISPATCH)
    sent = await act(tx, ticket_id, commands.Dispatch(WATER), DISPATCHER, MONDAY + 3 * DAY)
    assert {due.round for due in sent.ticket.dues if due.open} == {2}
    loaded = await store.load(tx, ticket_id)
    assert {due.deadline.kind for due in loaded.dues} == {DeadlineKind.DISPATCH, DeadlineKind.SIGN, DeadlineKind.HANDLE}
    rounds = (await tx.execute(select(tables.ticket_assignment.c.round))).scalars().all()
    assert sorted(rounds) == [1, 2]


async def test_the_verifier_names_what_was_tampered_with(db: Database) -> None:
    async with db.transaction() as tx:
        ticket_id = await at_unit(tx)
    async with db.transaction() as tx:
        await tx.execute(text("SET LOCAL session_replication_role = replica"))
        await tx.execute(text("UPDATE ticket_event SET actor = 'user:ghost' WHERE seq = 3"))
        await tx.execute(text("UPDATE ticket_event SET to_state = 'closed' WHERE seq = 4"))
        await tx.execute(text("UPDATE ticket_deadline SET due_at = due_at + interval '1 day' WHERE kind = 'handle'"))
    async with db.transaction() as tx:
        broken = await broken_invariants(tx, rules())
    assert {(b.invariant, b.ticket_id) for b in broken} == {(i, ticket_id) for i in ("I5", "I7", "I9")}
    assert any("breaks at event 3" in b.seen for b in broken)
