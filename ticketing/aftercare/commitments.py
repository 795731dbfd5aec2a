"""What a reply leaves open is a promise with a day: kept by the unit, listed until it is, also after closing. PURE.

Source: LS-056 (stage result and follow-up plan).
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from callcenter.types import UnitId
from ticketing.clocks import Clock, DeadlineKind, Period, deadline, local_day
from ticketing.commands import Reply
from ticketing.facts import Fact
from ticketing.record import Context, Due, GuardFailed, Ticket
from ticketing.transition import UNIT_ROLES, Part, Transition
from ticketing.words import Event, State

LONGEST_DAYS = 730
DEFAULT = Period(30, Clock.CALENDAR_DAY)
RULE = "answer.commitment"


@dataclass(frozen=True, slots=True)
class KeepCommitment:
    """result: what was done in the end; told_at: when the citizen learnt it."""

    event: ClassVar = Event.KEEP_COMMITMENT
    result: str
    told_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CommitmentKept(Fact):
    unit: UnitId | None
    on_time: bool


def day_is_ahead(ticket: Ticket, detail: Reply, context: Context) -> None:
    """The day promised lies in the future, and a finished matter promises nothing."""
    promised = detail.contents.follow_up_by
    if promised is None:
        return
    basis = context.policy.reply.unfinished_basis
    if detail.contents.finished:
        raise GuardFailed.by("事项已处理完毕，不需要填写后续事项完成日期。", basis)
    days = (promised - local_day(context.now)).days
    if not 1 <= days <= LONGEST_DAYS:
        raise GuardFailed.by("后续事项完成日期须在今天之后、两年之内。", basis)


def promised(ticket: Ticket, detail: Reply, context: Context) -> Ticket:
    """The ticket with the deadline of what its reply left open."""
    if detail.contents.finished:
        return ticket
    policy, by = context.policy, detail.contents.follow_up_by
    period = policy.answer.commitment if policy.answer else DEFAULT
    if by is not None:
        period = Period((by - local_day(context.now)).days, Clock.CALENDAR_DAY)
    new = deadline(RULE, DeadlineKind.COMMITMENT, context.now, period, context.calendar, policy.name, policy.workdays)
    return replace(ticket, dues=(*ticket.dues, Due(new, ticket.round)))


def commitment_is_open(ticket: Ticket, detail: KeepCommitment, context: Context) -> None:
    if ticket.due(DeadlineKind.COMMITMENT) is None:
        raise GuardFailed.by("本工单没有未完成的后续事项。", context.policy.reply.unfinished_basis)
    if not detail.result.strip():
        raise GuardFailed.by("请写明后续事项的办理结果。", context.policy.reply.unfinished_basis)


def nothing_promised(ticket: Ticket, _: object, context: Context) -> None:
    """A ticket is not put away while something is promised."""
    if ticket.due(DeadlineKind.COMMITMENT) is not None:
        raise GuardFailed.by("后续事项尚未办结，暂不归档。", context.policy.reply.unfinished_basis)


def _tell(before: Ticket, after: Ticket, _: KeepCommitment, context: Context) -> tuple[Fact, ...]:
    due = before.due(DeadlineKind.COMMITMENT)
    on_time = due is None or context.now <= due.deadline.due_at
    return (CommitmentKept(after.id, after.round, context.now, after.lead_unit, on_time),)


PART = Part(
    rows={
        (state, Event.KEEP_COMMITMENT): Transition(
            state, UNIT_ROLES, (commitment_is_open,), meets=frozenset({DeadlineKind.COMMITMENT})
        )
        for state in (State.REPLIED, State.AWAITING_FEEDBACK_APPROVAL, State.SURVEYING, State.CLOSED)
    },
    tell={Event.KEEP_COMMITMENT: _tell},
)
