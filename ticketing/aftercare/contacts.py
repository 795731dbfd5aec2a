"""Talks with the citizen: each is recorded, the first one in time, and nobody is asked too often. PURE.

Source: MC-025 (within a working day), GZ-049 (before the reply), LS-029 (a confidential citizen is contacted by the
hotline), MC-002 and MC-052 (the unit asks about its result too), default (budget and quiet hours).
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from callcenter.types import Role, UnitId
from ticketing.aftercare.reply_rules import ReachRules
from ticketing.clocks import SHANGHAI, DeadlineKind, is_late
from ticketing.commands import Start
from ticketing.effects import end_clocks
from ticketing.facts import Fact
from ticketing.record import Context, GuardFailed, Ticket
from ticketing.rules import Basis
from ticketing.transition import CALLERS_BACK, UNIT_ROLES, By, Part, Transition
from ticketing.words import Event, State

MIN_TRIES = 3
WITH_THE_UNIT = (State.DISPATCHED, State.SIGNED, State.HANDLING, State.AWAITING_UNIT_SIGNOFF)
AFTER_THE_REPLY = (State.REPLIED, State.AWAITING_FEEDBACK_APPROVAL, State.SURVEYING, State.CLOSED)
HOTLINE = frozenset(Role) - UNIT_ROLES


class Purpose(StrEnum):
    """What the citizen was called for."""

    FIRST = "first"
    FACTS = "facts"
    RESULT = "result"
    EXPLAIN = "explain"
    FOLLOW_UP = "follow_up"


PURPOSE_NAMES = {
    Purpose.FIRST: "告知受理情况",
    Purpose.FACTS: "核实情况",
    Purpose.RESULT: "告知办理结果",
    Purpose.EXPLAIN: "解释引导",
    Purpose.FOLLOW_UP: "回访",
}


class Reached(StrEnum):
    """Whether there was a talk."""

    SPOKEN = "spoken"
    NOT_REACHED = "not_reached"
    REFUSED = "refused"
    """They took the call and wanted none."""


@dataclass(frozen=True, slots=True)
class NoteContact:
    """A talk, or a try. told: what was said, or what happened. over_reason: why, outside the hours or the budget."""

    event: ClassVar = Event.NOTE_CONTACT
    at: datetime
    method: str
    told: str
    purpose: Purpose = Purpose.FIRST
    reached: Reached = Reached.SPOKEN
    over_reason: str = ""


@dataclass(frozen=True, slots=True)
class ContactNoted(Fact):
    """unit None: the hotline called."""

    unit: UnitId | None
    purpose: Purpose
    reached: Reached


def contact_told(ticket: Ticket, detail: NoteContact, context: Context) -> None:
    """When, how and what; neither in the future nor before the request."""
    if not detail.method.strip() or not detail.told.strip():
        raise GuardFailed.by("请填写联系方式和联系结果。", contact_basis(ticket, context))
    if is_late(context.now, detail.at) or is_late(detail.at, ticket.created_at):
        raise GuardFailed.by("联系时间须在工单建立之后、现在之前。请核对。", contact_basis(ticket, context))


def hotline_calls_the_confidential(ticket: Ticket, _: NoteContact, context: Context) -> None:
    """A unit does not call a citizen whose identity is confidential. Source: LS-029."""
    if ticket.confidential and not context.actor.roles & HOTLINE:
        raise GuardFailed.by(
            "诉求人信息保密，承办单位不直接联系。请通过热线平台转达，由热线记录联系情况。",
            contact_basis(ticket, context),
        )


def in_decent_hours(ticket: Ticket, detail: NoteContact, context: Context) -> None:
    """Outside the hours of the policy a call needs a reason; an urgent ticket is reason enough."""
    reach = context.policy.reach
    if reach is None or ticket.urgent or detail.over_reason.strip() or not quiet(reach, detail.at):
        return
    hours = f"{reach.opens:%H:%M}至{reach.closes:%H:%M}"
    raise GuardFailed.by(f"请在{hours}之间联系诉求人；确需在此之外联系的，请写明理由。", reach.basis)


def asked_after_the_reply(ticket: Ticket, detail: NoteContact, context: Context) -> None:
    if detail.purpose is Purpose.FOLLOW_UP and ticket.state not in AFTER_THE_REPLY:
        raise GuardFailed.by("工单还没有回复，不能记录回访。", contact_basis(ticket, context))


def contact_recorded(ticket: Ticket, detail: object, context: Context) -> None:
    """Before the reply somebody spoke with the citizen, or it is recorded that nobody could. Source: GZ-049."""
    answer = context.policy.answer
    if answer is None or answer.contact is None or ticket.confidential or ticket.contacted_at is not None:
        return
    if unreachable(ticket, context):
        return
    raise GuardFailed.by(
        f"回复前须与诉求人沟通并记录时间和结果。请先记录联系情况；联系不上的，至少记录{_tries(context)}次。",
        answer.contact,
    )


def unreachable(ticket: Ticket, context: Context) -> bool:
    """Whether it was tried often enough in this round."""
    return ticket.contact_tries >= _tries(context)


def quiet(reach: ReachRules, at: datetime) -> bool:
    """Whether people are left alone at that moment."""
    return not reach.opens <= at.astimezone(SHANGHAI).time() < reach.closes


def contact_basis(ticket: Ticket, context: Context) -> Basis:
    """The article that asks for the contact."""
    policy = context.policy
    rule = next((rule for rule in policy.contact if rule.when.fits(ticket.case)), None)
    if rule is not None:
        return rule.basis
    return policy.answer.contact if policy.answer and policy.answer.contact else policy.reply.basis


def _tries(context: Context) -> int:
    return context.policy.reach.tries if context.policy.reach else MIN_TRIES


def _noted(ticket: Ticket, detail: NoteContact, context: Context) -> Ticket:
    if detail.purpose is Purpose.FOLLOW_UP:
        by_unit = not context.actor.roles & HOTLINE
        return replace(ticket, followed_up_at=detail.at) if by_unit else ticket
    if detail.reached is Reached.SPOKEN:
        return _spoken(ticket, detail.at, context)
    tried = replace(ticket, contact_tries=ticket.contact_tries + 1)
    # The unit has done what it could; that the citizen does not answer is no delay of its own.
    return _met(tried, context) if unreachable(tried, context) else tried


def _started(ticket: Ticket, detail: Start, context: Context) -> Ticket:
    return _spoken(ticket, detail.contact.at, context) if detail.contact else ticket


def _spoken(ticket: Ticket, at: datetime, context: Context) -> Ticket:
    return _met(replace(ticket, contacted_at=at), context)


def _met(ticket: Ticket, context: Context) -> Ticket:
    return end_clocks(ticket, (DeadlineKind.CONTACT,), (), context.now)


def _tell(_: Ticket, after: Ticket, detail: NoteContact, context: Context) -> tuple[Fact, ...]:
    unit = None if context.actor.roles & HOTLINE else context.actor.unit
    return (ContactNoted(after.id, after.round, context.now, unit, detail.purpose, detail.reached),)


GUARDS = (contact_told, hotline_calls_the_confidential, asked_after_the_reply, in_decent_hours)
PART = Part(
    rows={
        (state, Event.NOTE_CONTACT): Transition(state, UNIT_ROLES | CALLERS_BACK, GUARDS, by=By.ANY_UNIT)
        for state in (*WITH_THE_UNIT, *AFTER_THE_REPLY)
    },
    apply={Event.NOTE_CONTACT: _noted, Event.START: _started},
    tell={Event.NOTE_CONTACT: _tell},
)
