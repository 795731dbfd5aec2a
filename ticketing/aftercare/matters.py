"""One matter brought again: a person confirms that two requests are the same fact; the policy says what follows. PURE.

Source: LS-008, GZ-023, SQ-034 to SQ-036, MC-017 to MC-019 (they count requests).
"""

import re
from dataclasses import dataclass, replace
from typing import ClassVar

from callcenter.types import TicketId
from ticketing.aftercare.repeat_rules import Then
from ticketing.commands import Answer, Dispatch, Forward
from ticketing.facts import Fact
from ticketing.record import Context, GuardFailed, Ticket
from ticketing.transition import CALLERS_BACK, DESK, REVIEWERS, Part, Transition
from ticketing.words import Event, State

ALIKE = 0.5
"""From this likeness on two texts are shown as perhaps the same."""
OPEN_STATES = tuple(
    state
    for state in State
    if state
    not in {
        *(State.CLOSED, State.ARCHIVED, State.ANSWERED, State.REJECTED, State.REFERRED, State.WITHDRAWN),
        *(State.TERMINATED, State.MERGED),
    }
)
LINKABLE = tuple(state for state in OPEN_STATES if state is not State.SURVEYING)
URGEABLE = tuple(state for state in OPEN_STATES if state is not State.DRAFT)
_NOISE = re.compile(r"[\s,.，。、;；:：!！?？()（）「」“”]+")


@dataclass(frozen=True, slots=True)
class Link:
    """This request is the same fact as `earlier`. The rest is filled by ticketing.aftercare.repeats, never by a person.

    request_no: how often the matter was brought, this one included; persons: by how many people. rules: codes of the
    policy's rules that fired.
    """

    event: ClassVar = Event.LINK
    earlier: TicketId
    matter: int
    request_no: int
    persons: int
    rules: tuple[str, ...] = ()
    responsible: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Unlink:
    event: ClassVar = Event.UNLINK
    reason: str


@dataclass(frozen=True, slots=True)
class Urge:
    """催办: the citizen asks where it stands; the same ticket, no new one."""

    event: ClassVar = Event.URGE
    reason: str


@dataclass(frozen=True, slots=True)
class RepeatConfirmed(Fact):
    """request_no, persons: as in Link. rules: codes that fired. responsible: who must handle it in person, or ``."""

    matter: int
    earlier: TicketId
    request_no: int
    persons: int
    rules: tuple[str, ...]
    responsible: str


@dataclass(frozen=True, slots=True)
class RepeatWithdrawn(Fact):
    matter: int


@dataclass(frozen=True, slots=True)
class TicketUrged(Fact):
    reason: str


def link_is_new(ticket: Ticket, detail: Link, context: Context) -> None:
    """A person confirms it, once, and of another ticket."""
    if context.actor.kind != "user":
        raise GuardFailed("是否同一诉求须由人员确认。")
    if ticket.matter is not None:
        raise GuardFailed("本工单已经关联到一项重复诉求。关联有误的，请先取消关联。")
    if detail.earlier == ticket.id:
        raise GuardFailed("不能与本工单自身关联。请填写原工单编号。")


def link_is_there(ticket: Ticket, detail: Unlink, _: Context) -> None:
    if ticket.matter is None:
        raise GuardFailed("本工单没有关联重复诉求。")
    if not detail.reason.strip():
        raise GuardFailed("取消关联须写明理由。")


def not_dispatched_again(ticket: Ticket, detail: Dispatch | Forward, context: Context) -> None:
    """What was lawfully closed is answered with its result, or not accepted. Source: GZ-023, LS-008."""
    rules = context.policy.repeat
    rule = rules.rule(ticket.repeat_rule) if rules else None
    # A later round was ordered by a reviewer, who saw what is new in it.
    if rule is None or ticket.round > 1:
        return
    if rule.then is Then.INFORM:
        raise GuardFailed.by(
            "同一事实和理由已依法办结，不再派单。请告知原办理结果（直接答复，注明原工单编号）。", rule.basis
        )
    if rule.then is Then.NOT_ACCEPTED:
        raise GuardFailed.by("同一事实和理由已依法依规办结，不予受理。有新的事实的，请先取消关联。", rule.basis)


def urged_with_reason(_: Ticket, detail: Urge, __: Context) -> None:
    if not detail.reason.strip():
        raise GuardFailed("催办须写明诉求人的来电情况。")


def answered_with(detail: Answer) -> TicketId | None:
    """The earlier ticket whose result the citizen is told."""
    return detail.earlier_ticket


def likeness(one: str, other: str) -> float:
    """How much two texts say the same: shared pairs of characters, 0 to 1 (Dice)."""
    first, second = _pairs(one), _pairs(other)
    if not first or not second:
        return 0.0
    return 2 * len(first & second) / (len(first) + len(second))


def _pairs(text: str) -> frozenset[str]:
    bare = _NOISE.sub("", text)
    return frozenset(bare[at : at + 2] for at in range(len(bare) - 1))


def _linked(ticket: Ticket, detail: Link, _: Context) -> Ticket:
    return replace(
        ticket,
        matter=detail.matter,
        request_no=detail.request_no,
        repeat_rule=detail.rules[0] if detail.rules else "",
        responsible=detail.responsible,
    )


def _unlinked(ticket: Ticket, _: Unlink, __: Context) -> Ticket:
    return replace(ticket, matter=None, request_no=1, repeat_rule="", responsible="")


def _tell_link(_: Ticket, after: Ticket, detail: Link, context: Context) -> tuple[Fact, ...]:
    counts = (detail.matter, detail.earlier, detail.request_no, detail.persons, detail.rules, detail.responsible)
    return (RepeatConfirmed(after.id, after.round, context.now, *counts),)


def _tell_unlink(before: Ticket, after: Ticket, _: Unlink, context: Context) -> tuple[Fact, ...]:
    return (RepeatWithdrawn(after.id, after.round, context.now, before.matter or 0),)


def _tell_urge(_: Ticket, after: Ticket, detail: Urge, context: Context) -> tuple[Fact, ...]:
    return (TicketUrged(after.id, after.round, context.now, detail.reason),)


PART = Part(
    rows={
        **{(s, Event.LINK): Transition(s, DESK | REVIEWERS, (link_is_new,)) for s in LINKABLE},
        **{(s, Event.UNLINK): Transition(s, DESK | REVIEWERS, (link_is_there,)) for s in LINKABLE},
        **{(s, Event.URGE): Transition(s, DESK | CALLERS_BACK, (urged_with_reason,), system=True) for s in URGEABLE},
    },
    apply={Event.LINK: _linked, Event.UNLINK: _unlinked},
    tell={Event.LINK: _tell_link, Event.UNLINK: _tell_unlink, Event.URGE: _tell_urge},
)
