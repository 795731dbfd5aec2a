"""Two writers at once on a real PostgreSQL never both win; random histories leave every stored promise kept."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.db import Database, DatabaseAway
from callcenter.types import Actor, IdentityId, Role, TicketId
from tests.support import knowledge, signatures
from tests.support.histories import DRAWN
from tests.support.history_moves import HOUSING, OTHER, Moves
from tests.support.regions import REGIONS, asked, contents, rules_of
from tests.support.signatures import HEAD, leader
from tests.support.tickets import (
    AGENT,
    DISPATCHER,
    MONDAY,
    REVIEWER,
    ROADS,
    SUPERVISOR,
    SYSTEM,
    WATER,
    WATER_MAN,
)
from ticketing import commands, service, store, tables
from ticketing.aftercare import repeats
from ticketing.aftercare.matters import Link
from ticketing.aftercare.merging import Merge
from ticketing.aftercare.tables import ticket_commitment
from ticketing.approvals.approvals import AskApproval, AskSignoff, DeclineApproval, SignApproval
from ticketing.approvals.rules import Rank
from ticketing.approvals.signing import Gate
from ticketing.approvals.supplement import AskSupplement, Supplement
from ticketing.approvals.termination import AskTermination, Judgement
from ticketing.checks import broken_invariants
from ticketing.commands import AnyDetail
from ticketing.dispatch.disputes import OpenDispute, RuleDispute
from ticketing.dispatch.returns import DeemSigned
from ticketing.dispatch.units_tables import unit, unit_person
from ticketing.record import GuardFailed, NotNow, NotYours, Refused, StaleTicket, Ticket, TicketNotFound
from ticketing.supervision.supervision import EndSupervision, Supervise
from ticketing.words import Flag, RatingSource, State

CALLER = IdentityId(4711)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
Step = tuple[AnyDetail, Actor]
CITIZEN_SELF = Actor("citizen", "citizen")
OTHER_DISPATCHER = Actor("user", "xiao-zhao", frozenset({Role.DISPATCHER}))
OTHER_HEAD = replace(HEAD, name="shui-wu-fu")
OTHER_MAN = replace(WATER_MAN, name="shui-wu-2")


async def opened(tx: AsyncConnection, region: str, at: datetime = MONDAY) -> Ticket:
    return (await service.open_draft(tx, actor=SYSTEM, now=at, rules=rules_of(region), requester=CALLER)).ticket


async def led(tx: AsyncConnection, region: str, steps: list[Step], at: datetime = MONDAY) -> Ticket:
    """A new ticket after these commands."""
    ticket = await opened(tx, region, at)
    for detail, actor in steps:
        done = await service.carry_out(tx, ticket.id, detail, actor=actor, now=at, rules=rules_of(region))
        ticket = done.ticket
    return ticket


def send(unit_id: Any = WATER) -> commands.Dispatch:
    return commands.Dispatch(unit_id, instruction="请尽快核实办理", basis="权责清单")


REGISTER: Step = (commands.Register(asked(), "站长同意登记"), AGENT)
KEY: Step = (commands.Register(asked(flags=frozenset({Flag.KEY})), "站长同意登记"), AGENT)
SEND: Step = (send(), DISPATCHER)
SIGN: Step = (commands.Sign(), WATER_MAN)
START: Step = (commands.Start(commands.Contact(MONDAY, "电话", "已受理"), "王局长", Rank.PRINCIPAL), HEAD)
REPLY: Step = (commands.Reply(contents()), WATER_MAN)
ASK_RETURN: Step = (commands.AskReturn("不属于本单位", "三定方案", "交通局", "转交通局", nothing_ours=True), WATER_MAN)
ASK_MORE: Step = (commands.AskExtension(2, "配件未到", MONDAY), WATER_MAN)
UNHAPPY: Step = (commands.Rate("不满意", RatingSource.CITIZEN), CITIZEN_SELF)
HAPPY: Step = (commands.Rate("满意", RatingSource.CITIZEN), CITIZEN_SELF)
CAUSE: Step = (commands.NoteCause("CONDITIONS", "受天气影响"), AGENT)
SEAL = SignApproval(seal="公章1号", reference="市热办〔2026〕1号")
PROMISED = contents(finished=False, stage_result="已立项", follow_up_plan="六月完工")
PROMISING: list[Step] = [(AskSignoff(PROMISED), WATER_MAN), (SEAL, HEAD)]
AT_DESK = [REGISTER]
HANDLING = [REGISTER, SEND, SIGN, START]
SURVEYING = [*HANDLING, REPLY]
CLOSED = [*SURVEYING, HAPPY]
AT_SIGNOFF: list[Step] = [*HANDLING, (AskSignoff(contents()), WATER_MAN)]
FEEDBACK: list[Step] = [
    *(KEY, (commands.Forward(), AGENT), (SignApproval(), signatures.CHIEF), SEND, SIGN, START),
    *((AskSignoff(contents()), WATER_MAN), (SignApproval(seal="公章1号"), HEAD)),
    (AskApproval(Gate.BEFORE_FEEDBACK), REVIEWER),
]
GANZHOU_LEADERS = [leader("ju-zhang-1", "区政务服务局"), leader("ju-zhang-2", "区政务服务局")]
OVERDUE = "OVERDUE"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two commands asked at once of a ticket that came this far.

    turns: one may lawfully follow on the other, so that both win when nobody says which version they looked at.
    """

    name: str
    region: str
    steps: list[Step]
    asks: list[Step]
    turns: bool = False
    later: timedelta = HOUR


MASTER = TicketId("20260601000001")
"""Opened before every pair's own ticket: what may be merged into."""


def by(detail: AnyDetail, *actors: Actor) -> list[Step]:
    """The same asked by each of these."""
    return [(detail, actor) for actor in actors]


def at_the_desk_and_the_unit() -> list[Pair]:
    """Who has it, and for how long."""
    refer, withdraw = commands.Refer("110", "请拨打110"), commands.Withdraw("不用了")
    grant, refuse = commands.GrantReturn(), commands.RefuseReturn("minor_flaw")
    more, less = commands.GrantExtension(2), commands.RefuseExtension("理由不足")
    ls, returning, asking = "longsheng", [*HANDLING, ASK_RETURN], [*HANDLING, ASK_MORE]
    missing: list[Step] = [REGISTER, (AskSupplement("请补充门牌号"), AGENT)]
    added: Step = (Supplement(note="桂龙路12号"), AGENT)
    return [
        Pair("dispatch twice", ls, AT_DESK, [SEND, (send(ROADS), OTHER_DISPATCHER)]),
        Pair("refer or dispatch", ls, AT_DESK, [(refer, AGENT), SEND]),
        Pair("merge or dispatch", ls, AT_DESK, [(Merge(MASTER, "同一事件"), DISPATCHER), (send(), OTHER_DISPATCHER)]),
        Pair("register or withdraw", ls, [], [REGISTER, (withdraw, DISPATCHER)], turns=True),
        Pair("supplement or withdraw", "suqian", missing, [added, (withdraw, DISPATCHER)], turns=True),
        Pair("sign for the unit twice", ls, [REGISTER, SEND], [SIGN, (commands.Sign(), OTHER_MAN)]),
        Pair("sign or lapse", "mengcheng", [REGISTER, SEND], [SIGN, (DeemSigned(), SYSTEM)], later=4 * DAY),
        Pair("grant or refuse a return", ls, returning, [(grant, DISPATCHER), (refuse, OTHER_DISPATCHER)]),
        Pair("reply or ask for a return", ls, HANDLING, [REPLY, (ASK_RETURN[0], OTHER_MAN)]),
        Pair("reply or grant the return", ls, returning, [REPLY, (grant, DISPATCHER)]),
        Pair("grant or refuse more time", ls, asking, [(more, DISPATCHER), (less, OTHER_DISPATCHER)]),
        Pair("grant more time twice", ls, asking, by(more, DISPATCHER, OTHER_DISPATCHER)),
        Pair("reply twice", ls, HANDLING, by(REPLY[0], WATER_MAN, OTHER_MAN)),
    ]


def signatures_disputes_and_the_end() -> list[Pair]:
    """Who decides, and how it ends."""
    close, again = commands.Close("已当面解释"), commands.Rework("再去看看")
    dispute, ruling = OpenDispute("职责不清"), RuleDispute(WATER, "由水务牵头", "纪要1号", (), ("编办",))
    watch, over, ls = Supervise(OVERDUE, "请尽快"), EndSupervision(OVERDUE, "已办"), "longsheng"
    called: Step = (commands.Rate("满意", RatingSource.MANUAL), REVIEWER)
    gone: list[Step] = [REGISTER, (commands.Withdraw("不用了"), AGENT)]
    to_leaders: list[Step] = [KEY, (commands.Forward(), AGENT)]
    seal: Step = (SignApproval(seal="公章1号"), HEAD)
    decline: Step = (DeclineApproval("请重新核实"), OTHER_HEAD)
    deputies = by(SignApproval(), signatures.SECTOR_DEPUTY, signatures.LINE_DEPUTY)
    desks, put_away = (DISPATCHER, OTHER_DISPATCHER), commands.Archive()
    return [
        Pair("rate twice", ls, SURVEYING, [UNHAPPY, called]),
        Pair("the same rating twice", ls, SURVEYING, [HAPPY, HAPPY]),
        Pair("close or rework", ls, [*SURVEYING, UNHAPPY, CAUSE], [(close, REVIEWER), (again, SUPERVISOR)], turns=True),
        Pair("archive or rework", ls, CLOSED, [(put_away, SYSTEM), (again, SUPERVISOR)], turns=True),
        Pair("archive twice", "ganzhou", gone, by(put_away, SYSTEM, SUPERVISOR)),
        Pair("two of one office sign", "ganzhou", to_leaders, by(SignApproval(), *GANZHOU_LEADERS)),
        Pair("two deputies sign side by side", "mengcheng", FEEDBACK, deputies, turns=True),
        Pair("seal or decline the result", "mengcheng", AT_SIGNOFF, [seal, decline]),
        Pair("open a dispute twice", ls, HANDLING, by(dispute, DISPATCHER, SYSTEM)),
        Pair("rule a dispute twice", ls, [*HANDLING, (dispute, DISPATCHER)], by(ruling, *desks)),
        Pair("supervise twice for one reason", ls, HANDLING, by(watch, SUPERVISOR, SYSTEM)),
        Pair("end a supervision twice", ls, [*HANDLING, (watch, SUPERVISOR)], by(over, SUPERVISOR, REVIEWER)),
    ]


PAIRS = [*at_the_desk_and_the_unit(), *signatures_disputes_and_the_end()]


async def at_once(
    db: Database, region: str, asks: list[tuple[TicketId, Step]], version: int | None, now: datetime
) -> list[Ticket | BaseException]:
    """Every command in a transaction of its own, all begun before any is asked."""
    ready = asyncio.Barrier(len(asks))

    async def ask(ticket_id: TicketId, detail: AnyDetail, actor: Actor) -> Ticket:
        async with db.transaction() as tx:
            await tx.execute(select(1))
            await ready.wait()
            done = await service.carry_out(
                tx, ticket_id, detail, actor=actor, now=now, rules=rules_of(region), expected_version=version
            )
            return done.ticket

    return await asyncio.gather(*(ask(one, *step) for one, step in asks), return_exceptions=True)


@pytest.mark.parametrize("named", [True, False], ids=["from the version they saw", "whatever it is now"])
@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
async def test_two_writers_never_both_win(db: Database, pair: Pair, named: bool) -> None:
    async with db.transaction() as tx:
        assert (await led(tx, pair.region, AT_DESK)).id == MASTER
        before = await led(tx, pair.region, pair.steps)
    version = before.version if named else None
    asks = [(before.id, step) for step in pair.asks]
    ended = await at_once(db, pair.region, asks, version, MONDAY + pair.later)
    won = [one for one in ended if isinstance(one, Ticket)]
    lost = [one for one in ended if not isinstance(one, Ticket)]
    assert len(won) == 1 or (pair.turns and not named and len(won) == 2)
    # Who waits too long for the row is told so, and nothing of theirs is kept.
    lost = [one for one in lost if not isinstance(one, DatabaseAway)]
    # A reply while its return is judged is refused for its own reason; once it is granted, the ticket is not theirs.
    judged = pair.name == "reply or grant the return"
    refusals = (StaleTicket, NotNow, GuardFailed, NotYours, *([TicketNotFound] if judged else []))
    assert [one for one in lost if not isinstance(one, refusals)] == []
    assert not named or judged or all(isinstance(one, StaleTicket) for one in lost)
    await _whole(db, pair.region, before, len(won))


async def _whole(db: Database, region: str, before: Ticket, won: int) -> None:
    """One event for every accepted command, beside what the system did by itself; every promise is kept."""
    async with db.transaction() as tx:
        now = await store.load(tx, before.id)
        chain = [entry for entry, _, _ in await store.chain_of(tx, before.id)]
        assert [entry.seq for entry in chain] == list(range(1, now.version + 1))
        asked_for = [entry for entry in chain[before.version :] if entry.actor != "system:ticketing"]
        assert len(asked_for) == won
        assert await broken_invariants(tx, rules_of(region)) == ()
        running = select(func.count()).select_from(tables.ticket_assignment)
        leads = running.where(
            tables.ticket_assignment.c.ticket_id == before.id,
            tables.ticket_assignment.c.role == "lead",
            tables.ticket_assignment.c.ended_at.is_(None),
        )
        assert (await tx.execute(leads)).scalar_one() <= 1, "two units have it"


async def test_two_tickets_merged_into_each_other_do_not_both_wait(db: Database) -> None:
    async with db.transaction() as tx:
        one, other = [(await led(tx, "longsheng", AT_DESK)).id for _ in range(2)]
    asks = [(a, (Merge(b, "同一事件"), DISPATCHER)) for a, b in ((one, other), (other, one))]
    ended = await at_once(db, "longsheng", asks, None, MONDAY + HOUR)  # type: ignore[arg-type]
    assert [type(end) for end in ended].count(Ticket) == 1
    assert all(isinstance(end, Ticket | DatabaseAway | GuardFailed) for end in ended)
    async with db.transaction() as tx:
        states = [(await store.load(tx, ticket_id)).state for ticket_id in (one, other)]
    assert sorted(states) == [State.MERGED, State.REGISTERED]


async def test_what_is_refused_of_what_follows_leaves_nothing_behind(tx: AsyncConnection) -> None:
    """The head seals a result whose promised day has passed: the reply is refused, and so is the signature."""
    stage: dict[str, Any] = {
        "stage_result": "已立项",
        "follow_up_plan": "六月完工",
        "follow_up_by": MONDAY.date() + DAY,
    }
    ask: Step = (AskSignoff(contents(finished=False, **stage)), WATER_MAN)
    before = await led(tx, "mengcheng", [*HANDLING, ask])
    rules, late = rules_of("mengcheng"), MONDAY + 3 * DAY
    with pytest.raises(GuardFailed, match="今天之后"):
        await service.carry_out(tx, before.id, SignApproval(seal="公章1号"), actor=HEAD, now=late, rules=rules)
    assert await store.load(tx, before.id) == before
    assert len(await store.chain_of(tx, before.id)) == before.version


@pytest.mark.parametrize("so_far", [PROMISING, [ASK_RETURN]], ids=["something promised", "a return asked for"])
async def test_a_terminated_ticket_leaves_nothing_open_in_any_table(tx: AsyncConnection, so_far: list[Step]) -> None:
    rules, first = rules_of("mengcheng"), await led(tx, "mengcheng", AT_DESK)
    again = await led(tx, "mengcheng", AT_DESK)
    await repeats.confirm(tx, again.id, first.id, actor=AGENT, now=MONDAY, rules=rules)
    judged = tuple(Judgement(one, "已多次依法答复") for one in (first.id, again.id))
    steps: list[Step] = [
        *((commands.Forward(), AGENT), (SEAL, signatures.OFFICE), SEND, SIGN, START),
        *(*so_far, (AskTermination("已依法答复", judged), WATER_MAN)),
        *[(SEAL, one) for one in (HEAD, signatures.OFFICE, signatures.COUNTY_HEAD, SUPERVISOR)],
    ]
    for detail, actor in steps:
        done = await service.carry_out(tx, again.id, detail, actor=actor, now=MONDAY, rules=rules)
    assert done.ticket.state is State.TERMINATED
    for table, running in (
        (tables.ticket_return, "requested"),
        (tables.ticket_extension, "requested"),
        (tables.manual_task, "open"),
        (ticket_commitment, "open"),
    ):
        left = select(func.count()).where(table.c.ticket_id == again.id, table.c.state == running)
        assert (await tx.execute(left)).scalar_one() == 0, table.name


# ---- random histories ------------------------------------------------------------------------------------------------

HISTORIES, LENGTH = 200, 14
STEPS = (timedelta(minutes=10), HOUR, timedelta(hours=6))


async def with_units(tx: AsyncConnection) -> None:
    """Three units with a handler each; housing is below water."""
    for name, parent in ((WATER, None), (ROADS, None), (HOUSING, WATER)):
        await tx.execute(insert(unit).values(id=name, name=name, kind="department", parent=parent, updated_at=MONDAY))
        row = {"unit": name, "post": "handler", "name": "张三", "phone": "13900139000", "from_at": MONDAY}
        await tx.execute(insert(unit_person).values(**row))


def told_apart(detail: AnyDetail, earlier: TicketId, item: int) -> AnyDetail:
    """The same with a ticket and an item of knowledge that exist."""
    match detail:
        case commands.Answer():
            return replace(detail, knowledge=str(item))
        case commands.Reject():
            return replace(detail, earlier_ticket=earlier)
        case Merge():
            return replace(detail, master=earlier)
        case AskTermination():
            kept = (earlier if one.ticket == OTHER else one.ticket for one in detail.judgements)
            return replace(detail, judgements=tuple(Judgement(one, "已多次依法答复") for one in kept))
    return detail


@dataclass
class Life:
    """One stored ticket, and who asks what of it."""

    tx: AsyncConnection
    moves: Moves
    ticket: Ticket
    earlier: TicketId
    item: int

    async def step(self, chance: Random, now: datetime) -> None:
        """One command: carried out as it is drawn, or refused and nothing changed."""
        detail, actor = self.moves.next_step(chance, self.ticket, self.ticket.state, now)
        asked_for = told_apart(detail, self.earlier, self.item)
        before = self.ticket
        refusal = await self._refused(asked_for, actor, now)
        if refusal is not None:
            assert not isinstance(refusal, NotNow) or detail.event not in DRAWN[before.state]
            assert await store.load(self.tx, before.id) == before, "a refused command left something behind"
            return
        await self._follow(before, asked_for, actor)

    async def _refused(self, detail: AnyDetail, actor: Actor, now: datetime) -> Refused | None:
        try:
            await self._ask(detail, actor, now)
        except Refused as refused:
            return refused
        return None

    async def _ask(self, detail: AnyDetail, actor: Actor, now: datetime) -> None:
        rules, ticket = rules_of(self.moves.region), self.ticket
        common: dict[str, Any] = {"actor": actor, "now": now, "rules": rules, "expected_version": ticket.version}
        ask: Callable[..., Awaitable[Any]] = service.carry_out
        if isinstance(detail, Link):
            ask = repeats.confirm
        await ask(self.tx, ticket.id, self.earlier if isinstance(detail, Link) else detail, **common)
        self.ticket = await store.load(self.tx, ticket.id)

    async def _follow(self, before: Ticket, detail: AnyDetail, actor: Actor) -> None:
        chain = [entry for entry, _, _ in await store.chain_of(self.tx, before.id)][before.version :]
        assert [chain[0].kind, chain[0].actor] == [detail.event, str(actor)]
        assert all(entry.actor == "system:ticketing" for entry in chain[1:])
        states = [entry.to_state for entry in chain]
        assert states[0] == DRAWN[before.state][detail.event]
        assert all(DRAWN[old][entry.kind] == entry.to_state for old, entry in zip(states, chain[1:], strict=False))
        assert (self.ticket.version, self.ticket.state) == (chain[-1].seq, states[-1])


@pytest.mark.parametrize("region", REGIONS)
async def test_random_histories_keep_every_stored_promise(tx: AsyncConnection, region: str) -> None:
    await with_units(tx)
    item = await knowledge.in_use(tx, now=MONDAY)
    moves, seen = Moves(region), set[str]()
    for number in range(HISTORIES // len(REGIONS)):
        chance, now = Random(f"stored {region} {number}"), MONDAY
        earlier = await led(tx, region, AT_DESK)
        life = Life(tx, moves, await opened(tx, region), earlier.id, item.id)
        for _ in range(LENGTH):
            now += chance.choice(STEPS)
            await life.step(chance, now)
            seen.add(life.ticket.state)
    assert await broken_invariants(tx, rules_of(region)) == ()
    assert {"dispatched", "handling", "surveying"} <= seen, "the histories go far enough"
