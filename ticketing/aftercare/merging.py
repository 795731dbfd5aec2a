"""并单: many citizens' tickets about one event follow one master; one dispatch, every citizen gets an answer. PURE.

Nothing is deleted (MC-013: each request keeps its own ticket): a merged ticket waits, takes the master's result when
there is one, and then goes on by itself, with its own survey and its own rating. Source: MC-013, 国办函〔2025〕66号.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

from callcenter.types import TicketId
from ticketing.clocks import DeadlineKind
from ticketing.commands import BeginSurvey
from ticketing.facts import Fact
from ticketing.policy import Anchor
from ticketing.record import Context, GuardFailed, Ticket
from ticketing.transition import DISPATCHERS, NOBODY, REVIEWERS, Part, Transition
from ticketing.words import Event, State

WHO = DISPATCHERS | REVIEWERS
MERGEABLE = (State.REGISTERED, State.AWAITING_APPROVAL, State.AWAITING_DISPATCH)
CAN_LEAD = frozenset(
    {
        *(State.REGISTERED, State.AWAITING_APPROVAL, State.AWAITING_DISPATCH, State.AWAITING_SUPPLEMENT),
        *(State.DISPATCHED, State.SIGNED, State.HANDLING, State.AWAITING_UNIT_SIGNOFF),
    }
)
"""States of a master whose result is still to come."""


@dataclass(frozen=True, slots=True)
class Merge:
    event: ClassVar = Event.MERGE
    master: TicketId
    reason: str


@dataclass(frozen=True, slots=True)
class Unmerge:
    event: ClassVar = Event.UNMERGE
    reason: str


@dataclass(frozen=True, slots=True)
class TicketMerged(Fact):
    master: TicketId


@dataclass(frozen=True, slots=True)
class TicketUnmerged(Fact):
    """It goes its own way again and waits for a dispatcher."""

    master: TicketId | None


def mergeable(ticket: Ticket, detail: Merge, _: Context) -> None:
    """Into another ticket, with a reason; what the master must be is checked where it can be read."""
    if detail.master == ticket.id:
        raise GuardFailed("不能并入本工单自身。请填写主工单编号。")
    if not detail.reason.strip():
        raise GuardFailed("并单须写明理由。")


def can_lead(master: Ticket, child: Ticket) -> None:
    """Raises GuardFailed when this ticket cannot be the master of that one."""
    if master.state not in CAN_LEAD or master.master is not None:
        raise GuardFailed("主工单须尚未回复，并且没有并入其他工单。请重新选择主工单。")
    if (master.policy_id, master.policy_version) != (child.policy_id, child.policy_version):
        raise GuardFailed("两张工单适用的规定版本不同，不能并单。")


def reason_given(_: Ticket, detail: Unmerge, __: Context) -> None:
    if not detail.reason.strip():
        raise GuardFailed("取消并单须写明理由。")


def answered(_: Ticket, detail: BeginSurvey, __: Context) -> None:
    if not detail.result.strip():
        raise GuardFailed("主工单还没有办理结果。")


def _merged(ticket: Ticket, detail: Merge, _: Context) -> Ticket:
    return replace(ticket, master=detail.master)


def _unmerged(ticket: Ticket, _: Unmerge, __: Context) -> Ticket:
    return replace(ticket, master=None)


def _tell_merge(_: Ticket, after: Ticket, detail: Merge, context: Context) -> tuple[Fact, ...]:
    return (TicketMerged(after.id, after.round, context.now, detail.master),)


def _tell_unmerge(before: Ticket, after: Ticket, _: Unmerge, context: Context) -> tuple[Fact, ...]:
    return (TicketUnmerged(after.id, after.round, context.now, before.master),)


def fed_back(ticket: Ticket, detail: BeginSurvey, context: Context) -> Ticket:
    """A merged ticket with its master's result; any other as it is."""
    if ticket.state is not State.MERGED:
        return ticket
    return replace(ticket, result=detail.result, replied_at=context.now)


PART = Part(
    rows={
        **{
            (state, Event.MERGE): Transition(
                State.MERGED, WHO, (mergeable,), cancels=frozenset({DeadlineKind.DISPATCH, DeadlineKind.PROGRESS})
            )
            for state in MERGEABLE
        },
        (State.MERGED, Event.UNMERGE): Transition(
            State.AWAITING_DISPATCH, WHO, (reason_given,), system=True, anchor=Anchor.REGISTERED
        ),
        (State.MERGED, Event.BEGIN_SURVEY): Transition(State.SURVEYING, NOBODY, (answered,), system=True),
    },
    apply={Event.MERGE: _merged, Event.UNMERGE: _unmerged, Event.BEGIN_SURVEY: fed_back},
    tell={Event.MERGE: _tell_merge, Event.UNMERGE: _tell_unmerge},
)
