"""Signatures in a real PostgreSQL: three gates of one ticket, two signers at once, a termination, who waits."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.db import Database
from callcenter.types import Actor, IdentityId, Role, TicketId
from tests.support.signatures import (
    CHIEF,
    COUNTY_HEAD,
    HEAD,
    LINE_DEPUTY,
    OFFICE,
    REQUEST,
    SECTOR_DEPUTY,
    SEND,
    leader,
    rules,
    told_citizen,
)
from tests.support.tickets import AGENT, DISPATCHER, MONDAY, REVIEWER, ROADS, SUPERVISOR, SYSTEM, WATER_MAN
from ticketing import commands, service, store, tables
from ticketing.approvals import lists as approvals_lists
from ticketing.approvals.approvals import AskApproval, AskSignoff, DeclineApproval, SignApproval
from ticketing.approvals.rows import terminated_of
from ticketing.approvals.rules import Rank
from ticketing.approvals.signing import Gate
from ticketing.approvals.supplement import AskSupplement, Supplement
from ticketing.approvals.termination import AskTermination, Judgement
from ticketing.checks import broken_invariants
from ticketing.clocks import DeadlineKind
from ticketing.commands import Detail
from ticketing.record import GuardFailed, NotNow, NotYours, StaleTicket, Ticket, TicketNotFound
from ticketing.words import Flag, State

DAY = timedelta(days=1)
KEY = replace(REQUEST, source="省长热线")


async def act(
    tx: AsyncConnection,
    ticket_id: TicketId,
    detail: Detail,
    actor: Actor,
    at: datetime = MONDAY,
    version: int | None = None,
) -> Ticket:
    outcome = await service.carry_out(
        tx, ticket_id, detail, actor=actor, now=at, rules=rules(), expected_version=version
    )
    return outcome.ticket


async def linking(tx: AsyncConnection, draft: Ticket, **linked: Any) -> None:
    """The draft, brought before: written as an event like every change of a ticket."""
    after = replace(draft, version=draft.version + 1, **linked)
    await store.save(tx, draft, after, SYSTEM, commands.Edit(commands.Changes(title="供水压力不足")))


async def registered(tx: AsyncConnection, fields: commands.Changes = REQUEST, **linked: Any) -> TicketId:
    """linked: matter and request_no, as a confirmed link of repeats sets them."""
    opened = await service.open_draft(
        tx, actor=SYSTEM, now=MONDAY, rules=rules(), requester=IdentityId(4711), source=fields.source
    )
    await linking(tx, opened.ticket, **linked)
    await act(tx, opened.id, commands.Register(fields), AGENT)
    return opened.id


async def handled(tx: AsyncConnection, ticket_id: TicketId, at: datetime = MONDAY) -> TicketId:
    await act(tx, ticket_id, SEND, DISPATCHER, at)
    await act(tx, ticket_id, commands.Sign(), WATER_MAN, at)
    await act(tx, ticket_id, commands.Start(led_by="王局长", rank=Rank.PRINCIPAL), HEAD, at)
    return ticket_id


async def signed_rows(tx: AsyncConnection, ticket_id: TicketId) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """(gate, state, [(signer, who signed)])."""
    found = await approvals_lists.of_ticket(tx, ticket_id)
    return [
        (one.head["gate"], one.head["state"], [(row["signer"], row["signed_by"]) for row in one.steps]) for one in found
    ]


@pytest.mark.clause("MC-018", "MC-028", "MC-050", "MC-051")
async def test_a_key_ticket_goes_through_all_three_gates(tx: AsyncConnection) -> None:
    ticket_id = await registered(tx, KEY)
    waits = await act(tx, ticket_id, commands.Forward(), AGENT)
    assert waits.state is State.AWAITING_APPROVAL
    mine = await approvals_lists.waiting_for(tx, CHIEF)
    assert [(one.ticket_id, one.signer, one.version) for one in mine] == [(ticket_id, "县政府办负责人", waits.version)]
    thursday = MONDAY + 3 * DAY
    passed = await act(tx, ticket_id, SignApproval(instruction="请住建局牵头，周五前报结果"), CHIEF, thursday)
    assert passed.state is State.AWAITING_DISPATCH
    await handled(tx, ticket_id, thursday)
    assigned = (await tx.execute(select(tables.ticket_assignment.c.instruction))).scalar_one()
    assert assigned.startswith("县政府办负责人：请住建局牵头，周五前报结果\n")
    at_unit = await service.get(tx, ticket_id, WATER_MAN)
    handle = at_unit.due(DeadlineKind.HANDLE)
    assert handle is not None
    assert handle.deadline.from_at == thursday, "no unit's time was burnt while the leader read"
    await act(tx, ticket_id, AskSignoff(told_citizen(thursday)), WATER_MAN, thursday)
    waiting = [one.gate for one in await approvals_lists.waiting_for(tx, HEAD)]
    assert waiting == ["signoff"]
    assert await approvals_lists.waiting_for(tx, replace(HEAD, unit=ROADS)) == ()
    replied = await act(tx, ticket_id, SignApproval(seal="蒙水印字1号"), HEAD, thursday)
    assert (replied.state, replied.replied_at) == (State.REPLIED, thursday)
    with pytest.raises(GuardFailed, match="签批后才能反馈"):
        await act(tx, ticket_id, commands.BeginSurvey("审核通过"), REVIEWER, thursday)
    await act(tx, ticket_id, AskApproval(Gate.BEFORE_FEEDBACK), REVIEWER, thursday)
    for deputy in (LINE_DEPUTY, SECTOR_DEPUTY):
        assert await approvals_lists.waiting_for(tx, COUNTY_HEAD) == ()
        await act(tx, ticket_id, SignApproval(), deputy, thursday)
        assert await approvals_lists.waiting_for(tx, deputy) == ()
    done = await act(tx, ticket_id, SignApproval(), COUNTY_HEAD, thursday)
    assert (done.state, done.approval) == (State.SURVEYING, "")
    rows = await signed_rows(tx, ticket_id)
    assert [(gate, state) for gate, state, _ in rows] == [
        ("before_dispatch", "granted"),
        ("signoff", "granted"),
        ("before_feedback", "granted"),
    ]
    assert rows[2][2] == [
        ("分管承办单位的副县长", str(SECTOR_DEPUTY)),
        ("分管热线工作的副县长", str(LINE_DEPUTY)),
        ("县长", str(COUNTY_HEAD)),
    ]
    chain = await store.chain_of(tx, ticket_id)
    assert store.broken_link(chain) is None
    kinds = [str(entry.kind) for entry, _, __ in chain]
    assert kinds.count("sign_approval") == 5
    assert kinds.count("complete_approval") == 1
    assert await broken_invariants(tx, rules()) == ()


async def test_the_running_signatures_survive_the_round_to_the_database(tx: AsyncConnection) -> None:
    ticket_id = await handled(tx, await registered(tx))
    asked = await act(tx, ticket_id, AskSignoff(told_citizen(MONDAY)), WATER_MAN)
    assert (await store.load(tx, ticket_id)).signing == asked.signing


async def test_two_signers_at_once_never_both_advance(db: Database) -> None:
    """Both saw the same version: one signs, the other is told to look again, and signs then."""
    async with db.transaction() as tx:
        ticket_id = await registered(tx, KEY)
        await act(tx, ticket_id, commands.Forward(), AGENT)
        await act(tx, ticket_id, SignApproval(), CHIEF)
        await handled(tx, ticket_id)
        await act(tx, ticket_id, AskSignoff(told_citizen(MONDAY)), WATER_MAN)
        await act(tx, ticket_id, SignApproval(seal="1号"), HEAD)
        asked = await act(tx, ticket_id, AskApproval(Gate.BEFORE_FEEDBACK), REVIEWER)

    async def sign(actor: Actor) -> str:
        try:
            async with db.transaction() as tx:
                await act(tx, ticket_id, SignApproval(), actor, version=asked.version)
        except StaleTicket:
            return "stale"
        return "signed"

    assert sorted(await asyncio.gather(sign(LINE_DEPUTY), sign(SECTOR_DEPUTY))) == ["signed", "stale"]
    async with db.transaction() as tx:
        ticket = await service.get(tx, ticket_id, REVIEWER)
        assert ticket.version == asked.version + 1
        assert ticket.signing is not None
        assert len(ticket.signing.current) == 1


async def test_the_same_signer_twice_at_once_signs_once(db: Database) -> None:
    async with db.transaction() as tx:
        ticket_id = await registered(tx, REQUEST, matter=5, request_no=2)
        await act(tx, ticket_id, commands.Forward(), AGENT)

    async def sign() -> bool:
        try:
            async with db.transaction() as tx:
                await act(tx, ticket_id, SignApproval(), OFFICE)
        except NotNow:
            return False
        return True

    assert sorted(await asyncio.gather(sign(), sign(), sign())) == [False, False, True]


async def test_who_forwarded_it_asked_for_the_signatures_and_does_not_sign(tx: AsyncConnection) -> None:
    """The system asks in the agent's name; an agent who is also that leader cannot sign what they sent up."""
    both = Actor("user", "both", frozenset({Role.AGENT, Role.LEADER}), titles=frozenset({"县热线办负责人"}))
    ticket_id = await registered(tx, REQUEST, matter=5, request_no=2)
    await act(tx, ticket_id, commands.Forward(), both)
    assert await approvals_lists.waiting_for(tx, both) == ()
    with pytest.raises(GuardFailed, match="提请签批的人不能自己签批"):
        await act(tx, ticket_id, SignApproval(), both)
    assert len(await approvals_lists.waiting_for(tx, OFFICE)) == 1


async def test_what_waits_is_paged_by_key(tx: AsyncConnection) -> None:
    ids = [await registered(tx, REQUEST, matter=n, request_no=2) for n in range(1, 4)]
    for ticket_id in ids:
        await act(tx, ticket_id, commands.Forward(), AGENT)
    first = await approvals_lists.waiting_for(tx, OFFICE, limit=2)
    rest = await approvals_lists.waiting_for(tx, OFFICE, after=first[-1].step_id, limit=2)
    assert [one.ticket_id for one in (*first, *rest)] == ids
    assert await approvals_lists.waiting_for(tx, leader("other", "县政府办负责人")) == ()
    assert await approvals_lists.waiting_for(tx, replace(OFFICE, roles=frozenset({Role.AUDITOR}))) == ()


async def test_a_declined_step_ends_the_set_and_the_ticket_may_be_asked_for_again(tx: AsyncConnection) -> None:
    ticket_id = await registered(tx, REQUEST, matter=5, request_no=2)
    await act(tx, ticket_id, commands.Forward(), AGENT)
    await act(tx, ticket_id, DeclineApproval("上次已答复"), OFFICE)
    assert (await signed_rows(tx, ticket_id))[0][:2] == ("before_dispatch", "declined")
    assert await approvals_lists.waiting_for(tx, OFFICE) == ()
    await act(tx, ticket_id, commands.Forward(), AGENT)
    await act(tx, ticket_id, commands.Withdraw("诉求人撤回"), AGENT)
    assert [state for _, state, __ in await signed_rows(tx, ticket_id)] == ["declined", "withdrawn"]
    assert await approvals_lists.waiting_for(tx, OFFICE) == ()


async def test_a_declined_feedback_marks_the_reply_and_asks_for_a_new_one(tx: AsyncConnection) -> None:
    ticket_id = await registered(tx, KEY)
    await act(tx, ticket_id, commands.Forward(), AGENT)
    await act(tx, ticket_id, SignApproval(), CHIEF)
    await handled(tx, ticket_id)
    await act(tx, ticket_id, AskSignoff(told_citizen(MONDAY)), WATER_MAN)
    await act(tx, ticket_id, SignApproval(seal="1号"), HEAD)
    await act(tx, ticket_id, AskApproval(Gate.BEFORE_FEEDBACK), REVIEWER)
    back = await act(tx, ticket_id, DeclineApproval("与政策不符"), LINE_DEPUTY)
    assert back.state is State.HANDLING
    reply = (await tx.execute(select(tables.ticket_reply))).mappings().one()
    assert reply["rejected_at"] == MONDAY
    assert "与政策不符" in reply["defect"]


@pytest.mark.clause("MC-035")
async def test_a_matter_is_terminated_with_all_signatures_and_known_afterwards(tx: AsyncConnection) -> None:
    earlier = await registered(tx, REQUEST, matter=9, request_no=1)
    stranger = await registered(tx, REQUEST, matter=8, request_no=1)
    ticket_id = await registered(tx, REQUEST, matter=9, request_no=2)
    await act(tx, ticket_id, commands.Forward(), AGENT)
    await act(tx, ticket_id, SignApproval(), OFFICE)
    await handled(tx, ticket_id)
    mine = Judgement(ticket_id, "两次依法答复后仍提同一要求")
    wrong = AskTermination("无依据", (Judgement(stranger, "无依据"), mine))
    kept_so_far = await tx.begin_nested()
    with pytest.raises(GuardFailed, match="不属于同一事项"):
        await act(tx, ticket_id, wrong, WATER_MAN)
    await kept_so_far.rollback()
    application = AskTermination("诉求无法律政策依据", (Judgement(earlier, "要求赔偿无依据"), mine))
    await act(tx, ticket_id, application, WATER_MAN)
    for actor in (HEAD, OFFICE, COUNTY_HEAD):
        assert await terminated_of(tx, 9) is None
        await act(tx, ticket_id, SignApproval(opinion="同意终结"), actor)
    assert [one.signer for one in await approvals_lists.waiting_for(tx, SUPERVISOR)] == ["市长热线办公室"]
    ended = await act(tx, ticket_id, SignApproval(reference="亳热销〔2026〕3号"), SUPERVISOR)
    assert (ended.state, ended.result) == (State.TERMINATED, "诉求无法律政策依据")
    assert await terminated_of(tx, 9) == ticket_id
    assert await terminated_of(tx, 8) is None
    kept = (await approvals_lists.of_ticket(tx, ticket_id))[-1]
    assert [one["ticket"] for one in kept.head["judgements"]] == [earlier, ticket_id]
    assert kept.steps[-1]["reference"] == "亳热销〔2026〕3号"
    later = await registered(tx, REQUEST, matter=9, request_no=3)
    answer = commands.Answer("该事项已依法终结办理。", earlier_ticket=await terminated_of(tx, 9))
    assert (await act(tx, later, answer, AGENT)).state is State.ANSWERED


@pytest.mark.clause("GZ-047")
async def test_one_matter_one_report(tx: AsyncConnection) -> None:
    """While a matter's sheet is with the leaders, a second ticket of the matter cannot send another."""
    region = rules("ganzhou")

    async def reported(source: str) -> TicketId:
        opened = await service.open_draft(tx, actor=SYSTEM, now=MONDAY, rules=region, source=source)
        await linking(tx, opened.ticket, matter=3, flags=frozenset({Flag.LEADER}))
        fields = commands.Register(replace(REQUEST, source=source))
        await service.carry_out(tx, opened.id, fields, actor=AGENT, now=MONDAY, rules=region)
        await service.carry_out(tx, opened.id, commands.Forward(), actor=AGENT, now=MONDAY, rules=region)
        return opened.id

    first = await reported("电话")
    with pytest.raises(GuardFailed, match="一事一报") as refused:
        await reported("网络")
    assert first in refused.value.sentence


@pytest.mark.clause("SQ-009")
async def test_a_supplement_nobody_gives_becomes_a_persons_task(tx: AsyncConnection) -> None:
    ticket_id = await registered(tx)
    await act(tx, ticket_id, AskSupplement("请补充小区名称"), AGENT)
    late = MONDAY + 7 * DAY
    passed = [fact for fact in await service.claim_due(tx, late) if fact.kind is DeadlineKind.SUPPLEMENT]
    assert len(passed) == 1
    await service.deadline_passed(tx, passed[0], now=late, rules=rules())
    task = tables.manual_task
    query = select(task.c.kind, task.c.state)
    assert (await tx.execute(query)).all() == [("supplement", "open")]
    await act(tx, ticket_id, Supplement(note="多次联系无人接听，按现有内容办理"), AGENT, late)
    assert (await tx.execute(query)).all() == [("supplement", "done")]


async def test_a_stranger_signs_nothing_they_cannot_see(tx: AsyncConnection) -> None:
    ticket_id = await handled(tx, await registered(tx))
    await act(tx, ticket_id, AskSignoff(told_citizen(MONDAY)), WATER_MAN)
    with pytest.raises(TicketNotFound):
        await act(tx, ticket_id, SignApproval(seal="1号"), replace(HEAD, unit=ROADS))
    with pytest.raises(NotYours):
        await act(tx, ticket_id, SignApproval(seal="1号"), OFFICE)


@pytest.mark.clause("MC-020")
async def test_what_a_leader_assigned_on_the_spot_stands_on_the_assignment(tx: AsyncConnection) -> None:
    ticket_id = await registered(tx)
    await act(tx, ticket_id, replace(SEND, on_spot_by="李副县长"), DISPATCHER)
    assert (await tx.execute(select(tables.ticket_assignment.c.on_spot_by))).scalar_one() == "李副县长"
    last = (await store.chain_of(tx, ticket_id))[-1][0]
    assert last.data["on_spot_by"] == "李副县长"
