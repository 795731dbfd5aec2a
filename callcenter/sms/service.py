"""The record of messages: queued, receipts joined, replies stored. Takes the caller's transaction, never commits.

Each function returns the facts its change made; asking twice changes nothing and returns none.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import jobs
from callcenter.sms.facts import (
    MessageRef,
    ReplyReceived,
    SmsDelivered,
    SmsFact,
    SmsOutcomeUnknown,
    SmsSubmitted,
    SmsUndelivered,
)
from callcenter.sms.hours import SendHours, next_send_time
from callcenter.sms.message import FINAL, RECEIPTS, Event, Purpose, State, advance
from callcenter.sms.port import KEY_PATTERN
from callcenter.sms.tables import sms_inbound, sms_message, sms_receipt, sms_stop
from callcenter.types import IdentityId, PhoneNumber, TicketId

SUBMIT_JOB = "sms.submit"
LONGEST_SUBMIT = timedelta(minutes=3)
"""No submit that still lives is older: the gateway's time limits end it well before."""

IdentityOf = Callable[[AsyncConnection, PhoneNumber], Awaitable[IdentityId]]
NumberOf = Callable[[AsyncConnection, IdentityId], Awaitable[PhoneNumber]]
InboundState = Literal["counted", "stored", "person", "stop", "unmatched"]
Message = Row[Any]
"""A row of sms_message, locked."""


class BadMessageKey(ValueError):
    """A message key is 1 to 80 of letters, digits and ._:- ; it stands in URLs and in the gateway's logs."""


@dataclass(frozen=True, slots=True)
class NewMessage:
    """What to send. key: one message ever; expires_at: aware, not sent from then on."""

    key: str
    identity: IdentityId
    purpose: Purpose
    body: str
    ticket: TicketId | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Queued:
    """sends_at: when it may leave (aware UTC); None: the citizen wants no messages, or it was queued before."""

    state: State
    sends_at: datetime | None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the gateway says became of a message. dlr_type: 1, 2, 4, 8 or 16; answer: the carrier's words."""

    key: str
    dlr_type: int
    answer: str | None = None


@dataclass(frozen=True, slots=True)
class InboundSms:
    """A message from a citizen. gateway_id: the gateway's own name for it; sent_at: its clock, as it said it."""

    sender: PhoneNumber
    to_number: str
    body: str
    gateway_id: str | None = None
    sent_at: str | None = None


async def queue_message(tx: AsyncConnection, message: NewMessage, *, now: datetime, hours: SendHours) -> Queued:
    """Record the message and the job that sends it, inside `hours` (an ack at once). Raises BadMessageKey.

    The same key again changes nothing. Someone who asked for no more messages gets only acks; the message is
    then recorded as suppressed.
    """
    if not KEY_PATTERN.fullmatch(message.key):
        raise BadMessageKey(repr(message.key[:80]))
    stopped = await is_stopped(tx, message.identity, message.purpose)
    row = await tx.execute(_new_row(message, now, State.SUPPRESSED if stopped else State.QUEUED))
    state = row.scalar_one_or_none()
    if state is None:
        known = await tx.execute(select(sms_message.c.state).where(sms_message.c.key == message.key))
        return Queued(State(known.scalar_one()), None)
    if stopped:
        return Queued(State.SUPPRESSED, None)
    sends_at = may_leave_at(message.purpose, now, hours)
    await jobs.enqueue(tx, SUBMIT_JOB, {"key": message.key}, key=f"{SUBMIT_JOB}:{message.key}", run_at=sends_at)
    return Queued(State.QUEUED, sends_at)


async def put_off(tx: AsyncConnection, key: str, at: datetime, *, job_id: int) -> None:
    """Send message `key` at `at` instead; job_id: the job that found it too early, whose own key is still taken."""
    await jobs.enqueue(tx, SUBMIT_JOB, {"key": key}, key=f"{SUBMIT_JOB}:{key}:after:{job_id}", run_at=at)


def may_leave_at(purpose: Purpose, now: datetime, hours: SendHours) -> datetime:
    """An ack answers someone who just wrote, somebody on duty is told at once; everything else keeps the hours."""
    return now if purpose in (Purpose.ACK, Purpose.DUTY) else next_send_time(now, hours)


async def is_stopped(tx: AsyncConnection, identity: IdentityId, purpose: Purpose) -> bool:
    """Whether this person asked for no more messages of this kind."""
    if purpose in (Purpose.ACK, Purpose.DUTY):
        return False
    found = await tx.execute(select(sms_stop.c.since).where(sms_stop.c.identity_id == identity))
    return found.scalar_one_or_none() is not None


async def stop(tx: AsyncConnection, identity: IdentityId, *, now: datetime) -> None:
    """This person wants no more messages; what is queued is suppressed when its turn comes."""
    await tx.execute(insert(sms_stop).values(identity_id=identity, since=now).on_conflict_do_nothing())


async def allow_again(tx: AsyncConnection, identity: IdentityId) -> None:
    """This person wants messages again (asked for on the telephone)."""
    await tx.execute(sms_stop.delete().where(sms_stop.c.identity_id == identity))


async def on_receipt(tx: AsyncConnection, receipt: Receipt, *, now: datetime) -> tuple[SmsFact, ...]:
    """Join a receipt to its message. Late, repeated, out of order, before the submit's answer: all the same.

    A receipt for a message we do not know returns no facts. Raises KeyError for a dlr_type that is none.
    """
    event = RECEIPTS[receipt.dlr_type]
    message = await locked(tx, receipt.key)
    if message is None:
        return ()
    values = {"message_key": receipt.key, "dlr_type": receipt.dlr_type, "at": now, "answer": receipt.answer}
    await tx.execute(insert(sms_receipt).values(values).on_conflict_do_nothing())
    return await record(tx, message, event, now)


async def on_inbound(
    tx: AsyncConnection, message: InboundSms, *, now: datetime, identity_of: IdentityOf
) -> tuple[SmsFact, ...]:
    """Store a message from a citizen, once. `settle` says later what became of it."""
    identity = await identity_of(tx, message.sender)
    row = await tx.execute(
        insert(sms_inbound)
        .values(
            gateway_key=_gateway_key(message, identity),
            identity_id=identity,
            to_number=message.to_number,
            body=message.body,
            received_at=now,
        )
        .on_conflict_do_nothing()
        .returning(sms_inbound.c.id)
    )
    inbound_id = row.scalar_one_or_none()
    if inbound_id is None:
        return ()
    return (ReplyReceived(inbound_id, identity, message.to_number, message.body, now),)


async def settle(tx: AsyncConnection, inbound_id: int, state: InboundState, *, survey_id: int | None = None) -> None:
    """What became of a reply: counted, stored beside one that counted, for a person, stop, or nobody's."""
    values = {"state": state, "survey_id": survey_id}
    await tx.execute(update(sms_inbound).where(sms_inbound.c.id == inbound_id).values(values))


async def give_up_lost(tx: AsyncConnection, *, now: datetime) -> tuple[SmsFact, ...]:
    """Messages whose submit began and was never heard of again become unknown. For a sweep."""
    query = (
        select(sms_message)
        .where(sms_message.c.state == State.SUBMITTING, sms_message.c.submitting_at < now - LONGEST_SUBMIT)
        .with_for_update(skip_locked=True)
    )
    facts: list[SmsFact] = []
    for message in (await tx.execute(query)).all():
        facts += await record(tx, message, Event.LOST, now)
    return tuple(facts)


async def locked(tx: AsyncConnection, key: str) -> Message | None:
    """The message, locked until the transaction ends."""
    return (await tx.execute(select(sms_message).where(sms_message.c.key == key).with_for_update())).one_or_none()


async def record(
    tx: AsyncConnection,
    message: Message,
    event: Event,
    now: datetime,
    *,
    reason: str | None = None,
    gateway_id: str | None = None,
) -> tuple[SmsFact, ...]:
    """Write what the event makes of a locked message; the fact it is, if it changed anything."""
    before = State(message.state)
    after = advance(before, event)
    if after is before:
        return ()
    values: dict[str, object] = {"state": after}
    if after is State.SUBMITTING:
        values |= {"submit_attempts": 1, "submitting_at": now}
    elif after is State.QUEUED:
        values |= {"submit_attempts": 0, "turned_away": message.turned_away + 1}
    elif after is State.SUBMITTED:
        values |= {"submitted_at": now}
    if after in FINAL:
        values |= {"final_at": now}
    values |= {name: value for name, value in (("reason", reason), ("gateway_id", gateway_id)) if value}
    await tx.execute(update(sms_message).where(sms_message.c.id == message.id).values(values))
    return _facts(_ref(message), after, now, reason)


def _facts(ref: MessageRef, state: State, now: datetime, reason: str | None) -> tuple[SmsFact, ...]:
    match state:
        case State.SUBMITTED:
            return (SmsSubmitted(ref, now),)
        case State.DELIVERED:
            return (SmsDelivered(ref, now),)
        case State.UNDELIVERED:
            return (SmsUndelivered(ref, now, "failed"),)
        case State.REJECTED:
            return (SmsUndelivered(ref, now, "rejected"),)
        case State.SUPPRESSED:
            return (SmsUndelivered(ref, now, reason or "stopped"),)
        case State.UNKNOWN:
            return (SmsOutcomeUnknown(ref, now),)
        case State.QUEUED | State.SUBMITTING:
            return ()


def _ref(message: Message) -> MessageRef:
    ticket = TicketId(message.ticket_id) if message.ticket_id is not None else None
    return MessageRef(message.key, Purpose(message.purpose), ticket, IdentityId(message.identity_id))


def _new_row(message: NewMessage, now: datetime, state: State) -> Any:
    return (
        insert(sms_message)
        .values(
            key=message.key,
            identity_id=message.identity,
            purpose=message.purpose,
            ticket_id=message.ticket,
            body=message.body,
            expires_at=message.expires_at,
            created_at=now,
            state=state,
            reason="stopped" if state is State.SUPPRESSED else None,
            final_at=now if state is State.SUPPRESSED else None,
        )
        .on_conflict_do_nothing()
        .returning(sms_message.c.state)
    )


def _gateway_key(message: InboundSms, identity: IdentityId) -> str:
    """The gateway's id; without one a hash of who wrote what to whom when, so that a repeated callback is one row."""
    if message.gateway_id:
        return f"id:{message.gateway_id}"
    # The identity, not the number: a hash of a number can be turned back by trying all numbers.
    told = "\x1f".join((str(identity), message.to_number, message.sent_at or "", message.body))
    return "sha256:" + hashlib.sha256(told.encode()).hexdigest()
