"""The story of supervision: which facts bring it by the policy, whom its messages reach, what ends with a ticket.

Called where facts of tickets are told, inside their transaction. The system supervises once for a reason, in a round,
with the unit that has the ticket.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.board import Board, BoardEvent
from callcenter.db import Database
from callcenter.sms import service as sms
from callcenter.sms.hours import SendHours
from callcenter.sms.message import Purpose
from callcenter.types import NUMBER_PATTERN, PhoneNumber, UnitId, system
from callcenter.vault import Vault
from ticketing import facts, service, store
from ticketing.clocks import SHANGHAI
from ticketing.dispatch import units_store
from ticketing.dispatch.units import Post
from ticketing.facts import Fact
from ticketing.knowledge.items import KnowledgeOverdue
from ticketing.policy import Rules
from ticketing.supervision import knowledge as supervision_knowledge
from ticketing.supervision import lists as supervision_lists
from ticketing.supervision import reminders_sweep
from ticketing.supervision.rules import CARD_NAMES
from ticketing.supervision.supervision import (
    CardIssued,
    DeadlineNear,
    EndSupervision,
    Supervise,
    SupervisionOpened,
    signs_of,
    situation_of,
    triggers_of,
)
from ticketing.ticket import TRANSITIONS
from ticketing.words import Event

SUPERVISION = system("supervision")
MOST_BATCHES = 40
"""Batches of 500 one turn of the sweep takes; what is left waits for the next."""


@dataclass(frozen=True, slots=True)
class Told:
    """One telling of facts: where it writes, by which rules, when; how messages go out."""

    tx: AsyncConnection
    rules: Rules
    now: datetime
    vault: Vault
    hours: SendHours


async def tell(told: Told, facts_told: Iterable[Fact]) -> tuple[Fact, ...]:
    """What supervision does about these facts, in order: new facts, to be told in turn."""
    return tuple([made for fact in facts_told for made in await follow(told, fact)])


async def follow(told: Told, fact: Fact) -> tuple[Fact, ...]:
    """What supervision does about one fact: new facts, to be told in turn."""
    if isinstance(fact, facts.TicketClosed | facts.ReturnGranted):
        return await _end(told, fact)
    if isinstance(fact, DeadlineNear | CardIssued | SupervisionOpened):
        await _message(told, fact)
        return ()
    return await _supervise(told, fact)


async def _supervise(told: Told, fact: Fact) -> tuple[Fact, ...]:
    ticket = await store.load(told.tx, fact.ticket_id)
    policy = told.rules.of(ticket.policy_id, ticket.policy_version)
    if policy.supervise is None or (ticket.state, Event.SUPERVISE) not in TRANSITIONS:
        return ()
    now = situation_of(ticket, {}, unresolved=False)
    if not signs_of(policy.supervise, fact, now):
        return ()
    now = await supervision_lists.situation(told.tx, ticket, policy, told.now)
    made: list[Fact] = []
    for trigger in triggers_of(policy.supervise, fact, now):
        if trigger.code in ticket.supervising or await supervision_lists.was_opened(told.tx, ticket, trigger.code):
            continue
        # Of one assisting unit's silence it answers itself; that several units work on it is the lead's to answer.
        unit = None if isinstance(fact, facts.AssistAdded) else getattr(fact, "unit", None)
        asked = Supervise(trigger.code, trigger.label, unit=unit if unit in ticket.assist_units else None)
        outcome = await service.step(told.tx, ticket, asked, actor=SUPERVISION, now=told.now, rules=told.rules)
        ticket = outcome.ticket
        made += outcome.facts
    return tuple(made)


async def _end(told: Told, fact: facts.TicketClosed | facts.ReturnGranted) -> tuple[Fact, ...]:
    """A closed ticket is not supervised any more, and a unit that gave it back is not asked any more."""
    ticket = await store.load(told.tx, fact.ticket_id)
    if not ticket.supervising or (ticket.state, Event.END_SUPERVISION) not in TRANSITIONS:
        return ()
    left = fact.unit if isinstance(fact, facts.ReturnGranted) else None
    over = await supervision_lists.open_triggers(told.tx, ticket, left)
    why = "工单已退回，原承办单位的督办结束" if left else "工单已办结，督办结束"
    made: list[Fact] = []
    for code in over:
        ended = EndSupervision(code, why, solved=left is None)
        outcome = await service.step(told.tx, ticket, ended, actor=SUPERVISION, now=told.now, rules=told.rules)
        ticket = outcome.ticket
        made += outcome.facts
    return tuple(made)


# ---- messages ------------------------------------------------------------------------------------------------------


async def _message(told: Told, fact: DeadlineNear | CardIssued | SupervisionOpened) -> None:
    """One short message to the unit's contact, where there is a mobile number; at most one for each fact."""
    if fact.unit is None:
        return
    number = await _mobile(told.tx, fact.unit)
    if number is None:
        return
    identity = await told.vault.identity_of(told.tx, number)
    message = sms.NewMessage(_key(fact), identity, Purpose.INFO, _body(fact), fact.ticket_id)
    await sms.queue_message(told.tx, message, now=told.now, hours=told.hours)


def _key(fact: DeadlineNear | CardIssued | SupervisionOpened) -> str:
    match fact:
        case DeadlineNear():
            return f"near:{fact.deadline_id}"
        case CardIssued():
            return f"card:{fact.card_id}"
        case SupervisionOpened():
            return f"supervised:{fact.supervision_id}"


def _body(fact: DeadlineNear | CardIssued | SupervisionOpened) -> str:
    """Only the number of the ticket: what it says is read in the system."""
    match fact:
        case DeadlineNear():
            by = fact.due_at.astimezone(SHANGHAI).strftime("%m月%d日%H时%M分")
            return f"【12345热线】工单{fact.ticket_id}须在{by}前办理，请登录系统处理。"
        case CardIssued():
            return f"【12345热线】工单{fact.ticket_id}已对贵单位{CARD_NAMES[fact.level]}，请登录系统处理。"
        case SupervisionOpened():
            return f"【12345热线】工单{fact.ticket_id}已列入督办，请登录系统反馈办理情况。"


async def _mobile(tx: AsyncConnection, unit: UnitId) -> PhoneNumber | None:
    """The liaison's mobile number, else a handler's; a landline reads no messages."""
    kept = (await units_store.load(tx, [unit])).get(unit)
    if kept is None:
        return None
    people = (*kept.unit.of(Post.LIAISON), *kept.unit.handlers)
    mobile = (one.phone for one in people if len(one.phone) == 11 and one.phone.startswith("1"))
    found = next((phone for phone in mobile if NUMBER_PATTERN.fullmatch(phone)), None)
    return PhoneNumber(found) if found else None


# ---- sweeps --------------------------------------------------------------------------------------------------------


Tell = Callable[[AsyncConnection, Iterable[Fact], datetime], Awaitable[tuple[BoardEvent, ...]]]
"""Tells facts of tickets; returns what screens see after the commit."""


@dataclass
class SupervisionWork:
    """The worker's part."""

    database: Database
    board: Board
    rules: Rules
    tell: Tell

    async def sweep_rungs(self) -> None:
        """Sweep: reminders and cards that are due, batch by batch, each in a transaction of its own."""
        for _ in range(MOST_BATCHES):
            now = datetime.now(UTC)
            async with self.database.transaction() as tx:
                swept = await reminders_sweep.sweep(tx, now, rules=self.rules)
                shown = await self.tell(tx, swept.facts, now)
            await self.board.publish(shown)
            if swept.taken < reminders_sweep.BATCH:
                return

    async def sweep_explanations(self) -> None:
        """Sweep: written explanations that did not come in their own time."""
        now = datetime.now(UTC)
        async with self.database.transaction() as tx:
            missed = await reminders_sweep.miss_explanations(tx, now)
            shown = await self.tell(tx, missed, now)
        await self.board.publish(shown)


async def neglected(tx: AsyncConnection, found: Iterable[KnowledgeOverdue], rules: Rules, now: datetime) -> None:
    """A unit that did not keep its knowledge is supervised where the policy says so (GZ-040)."""
    for one in found:
        await supervision_knowledge.supervise(tx, one, rules.at(now), now, rules.calendar)
