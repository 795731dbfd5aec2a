"""Two hops: a department passes a ticket down to a unit of its own and stays answerable; the unit hands it back. PURE.

One handling limit runs over both hops. What the lower unit cannot do goes one hop back, to the department, which may
return it to the hotline inside its own window. Source: LS-022, LS-090.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

from callcenter.types import UnitId
from ticketing.clocks import DeadlineKind
from ticketing.dispatch.rules import OURS
from ticketing.facts import Fact
from ticketing.policy import Anchor, Basis
from ticketing.record import Context, GuardFailed, Ticket
from ticketing.transition import UNITS, Part, Transition
from ticketing.words import Event, State

S, E = State, Event


@dataclass(frozen=True, slots=True)
class ForwardDown:
    """instruction: what the lower unit is to do."""

    event: ClassVar = Event.FORWARD_DOWN
    unit: UnitId
    instruction: str


@dataclass(frozen=True, slots=True)
class HandBack:
    """reason, basis: why it is not this unit's."""

    event: ClassVar = Event.HAND_BACK
    reason: str
    basis: str = ""


@dataclass(frozen=True, slots=True)
class ForwardedDown(Fact):
    authority: UnitId
    unit: UnitId


@dataclass(frozen=True, slots=True)
class HandedBack(Fact):
    authority: UnitId
    unit: UnitId
    reason: str


def may_forward(ticket: Ticket, detail: ForwardDown, context: Context) -> None:
    """Once, with an instruction, and nothing under review. Whether the unit is one of theirs, the directory says."""
    if ticket.authority is not None:
        raise GuardFailed("工单已由主管部门转派过一次，不能再往下转。请由本单位办理，或退回主管部门。")
    if ticket.return_open or ticket.extension_asked:
        raise GuardFailed("退单或延期申请正在审核，不能转派。请等待结果。")
    if not detail.unit.strip() or detail.unit == ticket.lead_unit or detail.unit in ticket.assist_units:
        raise GuardFailed.by("请选择一家下属单位；不能转给本单位或已经协办的单位。", _basis(context))
    if not detail.instruction.strip():
        raise GuardFailed.by("转派须写明具体办理要求。", _basis(context))


def may_hand_back(ticket: Ticket, detail: HandBack, context: Context) -> None:
    if ticket.authority is None:
        raise GuardFailed("工单不是由主管部门转派的。不属于本单位职责的，请申请退单。")
    if not detail.reason.strip():
        raise GuardFailed.by("退回主管部门须说明理由。", _basis(context))
    if ticket.extension_asked:
        raise GuardFailed("延期申请正在审核，不能退回主管部门。请等待结果。")


def only_one_hop(ticket: Ticket, _: object, context: Context) -> None:
    """What came through the department goes back to the department, not past it. Source: LS-090."""
    if ticket.authority is not None:
        raise GuardFailed.by("工单由主管部门转派，请先退回主管部门，由主管部门决定是否向热线退单。", _basis(context))


def _basis(context: Context) -> Basis:
    rules = context.policy.dispatching
    return (rules.two_hop if rules else None) or OURS


def _forward_down(ticket: Ticket, detail: ForwardDown, _: Context) -> Ticket:
    return replace(ticket, authority=ticket.lead_unit, lead_unit=detail.unit, signed_at=None)


def _hand_back(ticket: Ticket, _: HandBack, context: Context) -> Ticket:
    return replace(ticket, lead_unit=ticket.authority, authority=None, signed_at=context.now)


def _told_forward(_: Ticket, after: Ticket, detail: ForwardDown, context: Context) -> tuple[Fact, ...]:
    assert after.authority is not None
    return (ForwardedDown(after.id, after.round, context.now, after.authority, detail.unit),)


def _told_back(before: Ticket, after: Ticket, detail: HandBack, context: Context) -> tuple[Fact, ...]:
    assert after.lead_unit is not None
    assert before.lead_unit is not None
    return (HandedBack(after.id, after.round, context.now, after.lead_unit, before.lead_unit, detail.reason),)


# The handling limit and the department's window to return run on: start_clocks leaves open ones alone.
_DOWN = Transition(S.DISPATCHED, UNITS, (may_forward,), anchor=Anchor.DISPATCH)
_BACK = Transition(S.SIGNED, UNITS, (may_hand_back,), cancels=frozenset({DeadlineKind.SIGN}))

PART = Part(
    rows={
        **{(state, E.FORWARD_DOWN): _DOWN for state in (S.SIGNED, S.HANDLING)},
        **{(state, E.HAND_BACK): _BACK for state in (S.DISPATCHED, S.SIGNED, S.HANDLING)},
    },
    apply={E.FORWARD_DOWN: _forward_down, E.HAND_BACK: _hand_back},
    tell={E.FORWARD_DOWN: _told_forward, E.HAND_BACK: _told_back},
)
