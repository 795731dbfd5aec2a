"""The story of dispatches: who is told at once (linkage, the person on duty), what is filed late, who keeps silent.

Called where facts of tickets are told, inside their transaction. Messages name the ticket's number and nothing else.
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
from callcenter.types import NUMBER_PATTERN, PhoneNumber, TicketId
from callcenter.vault import Vault
from ticketing import facts, store
from ticketing.clocks import SHANGHAI
from ticketing.dispatch import assists_rows, units_store
from ticketing.dispatch.assists import AssistSilent
from ticketing.dispatch.catalogue import told_at_once
from ticketing.dispatch.dispatching import DutyPersonNeeded
from ticketing.dispatch.units import POST_NAMES, Person, Post, Unit
from ticketing.dispatch.units_store import FilingDue
from ticketing.facts import Fact
from ticketing.policy import Rules
from ticketing.supervision import roster


@dataclass(frozen=True, slots=True)
class Told:
    """One telling: where it writes, by which rules, when; how messages go out."""

    tx: AsyncConnection
    rules: Rules
    now: datetime
    vault: Vault
    hours: SendHours


async def tell(told: Told, facts_told: Iterable[Fact]) -> None:
    """Notices and messages to units that follow from these facts."""
    for fact in facts_told:
        if isinstance(fact, facts.TicketRegistered):
            await _linked(told, fact)
        elif isinstance(fact, DutyPersonNeeded):
            await _duty_person(told, fact)
        elif isinstance(fact, AssistSilent):
            await _silent(told, fact)


async def _linked(told: Told, fact: facts.TicketRegistered) -> None:
    """Every unit of the topic is told as soon as the request is registered. Source: LS-078."""
    ticket = await store.load(told.tx, fact.ticket_id)
    rules = told.rules.of(ticket.policy_id, ticket.policy_version).dispatching
    for topic, units in told_at_once(ticket, rules) if rules is not None else ():
        known = await units_store.load(told.tx, units)
        for unit in (one.unit for one in known.values() if one.unit.active):
            body = f"接诉即办：工单{ticket.id}涉及{topic}，请做好联动准备。"
            key = f"linkage:{ticket.id}:{unit.id}"
            person = _contact(unit)
            await _notice(told, unit, "linkage", key, body, ticket.id, person)


async def _duty_person(told: Told, fact: DutyPersonNeeded) -> None:
    """Outside office hours the person on duty hears of the ticket, at any hour. Source: SQ-025."""
    kept = (await units_store.load(told.tx, [fact.unit])).get(fact.unit)
    if kept is None:
        return
    shifts = await roster.on_duty(told.tx, told.now, scope=None, unit=fact.unit)
    planned = next((Person(one.name, Post.DUTY, one.phone) for one in shifts), None)
    person = planned or kept.unit.on_duty or _contact(kept.unit)
    what = "突发类工单" if fact.urgent else "工单"
    body = f"非工作时间派来{what}{fact.ticket_id}，请值班人员登录系统签收处置。"
    key = f"off-hours:{fact.ticket_id}:{fact.round}:{fact.unit}"
    await _notice(told, kept.unit, "off_hours", key, body, fact.ticket_id, person)


async def _silent(told: Told, fact: AssistSilent) -> None:
    kept = (await units_store.load(told.tx, [fact.unit])).get(fact.unit)
    if kept is not None:
        body = f"工单{fact.ticket_id}的协办意见已经逾期，请立即反馈主办单位。"
        key = f"opinion:{fact.ticket_id}:{fact.round}:{fact.unit}"
        await _notice(told, kept.unit, "opinion_overdue", key, body, fact.ticket_id, None)


async def filing_due(told: Told, due: FilingDue) -> None:
    """The unit is reminded to file a change of people; afterwards it is told that this is overdue. Source: LS-016."""
    kept = await units_store.one(told.tx, due.unit)
    by = due.due_at.astimezone(SHANGHAI).strftime("%Y年%m月%d日")
    state = "已经逾期，请立即报备" if due.overdue else f"请于{by}前报备"
    body = f"贵单位{POST_NAMES[due.post]}变动（{due.what}）尚未备案，{state}。"
    kind = "filing_overdue" if due.overdue else "filing_due"
    key = f"{kind}:{due.unit}:{due.post}:{due.due_at:%Y%m%d%H%M%S}"
    await _notice(told, kept.unit, kind, key, body, None, None)


def _contact(unit: Unit) -> Person | None:
    """Whom to write to: the liaison, else a handler."""
    return next(iter((*unit.of(Post.LIAISON), *unit.handlers)), None)


async def _notice(
    told: Told, unit: Unit, kind: str, key: str, body: str, ticket: TicketId | None, person: Person | None
) -> None:
    """A notice in the unit's list, made once, and a message to the person where they have a mobile number."""
    who = {"person": person.name, "phone": person.phone} if person else {}
    fresh = await units_store.notify(told.tx, unit.id, kind, key, body, told.now, ticket_id=ticket, **who)
    number = _mobile(person)
    if not fresh or number is None:
        return
    identity = await told.vault.identity_of(told.tx, number)
    message = sms.NewMessage(key, identity, Purpose.DUTY, f"【12345热线】{body}", ticket)
    await sms.queue_message(told.tx, message, now=told.now, hours=told.hours)


def _mobile(person: Person | None) -> PhoneNumber | None:
    """A landline reads no messages."""
    phone = person.phone if person else ""
    mobile = len(phone) == 11 and phone.startswith("1") and NUMBER_PATTERN.fullmatch(phone)
    return PhoneNumber(phone) if mobile else None


# ---- sweeps ------------------------------------------------------------------------------------------------------


Tell = Callable[[AsyncConnection, Iterable[Fact], datetime], Awaitable[tuple[BoardEvent, ...]]]
"""Tells facts of tickets; returns what screens see after the commit."""


@dataclass
class DispatchWork:
    """The worker's part."""

    database: Database
    board: Board
    rules: Rules
    vault: Vault
    hours: SendHours
    tell: Tell

    async def sweep(self) -> None:
        """Sweep: opinions that are overdue, changes of people that are not filed."""
        now = datetime.now(UTC)
        async with self.database.transaction() as tx:
            told = Told(tx, self.rules, now, self.vault, self.hours)
            for due in await units_store.sweep_filings(tx, now):
                await filing_due(told, due)
            shown = await self.tell(tx, await assists_rows.sweep(tx, now), now)
        await self.board.publish(shown)
