"""Assisting units: their order is signed, their opinion given to the lead and the hotline; progress reports. PURE.

The citizen hears the lead's reply alone. Source: LS-019, LS-079, LS-080, GZ-012, GZ-017, GZ-044, MC-024, MC-031.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from callcenter.types import UnitId
from ticketing.clocks import DeadlineKind, deadline, is_late
from ticketing.dispatch.rules import OURS
from ticketing.facts import Fact
from ticketing.limits.limits import progress_rule
from ticketing.record import Context, Due, GuardFailed, Ticket
from ticketing.transition import UNITS, By, Part, Transition
from ticketing.words import Event, State

S, E, K = State, Event, DeadlineKind
AT_WORK = (S.DISPATCHED, S.SIGNED, S.HANDLING, S.AWAITING_UNIT_SIGNOFF)


@dataclass(frozen=True, slots=True)
class SignAssist:
    event: ClassVar = Event.SIGN_ASSIST
    person: str = ""


@dataclass(frozen=True, slots=True)
class GiveOpinion:
    """refused: the unit will not take part; `opinion` then says why."""

    event: ClassVar = Event.GIVE_OPINION
    opinion: str
    refused: bool = False


@dataclass(frozen=True, slots=True)
class ReportProgress:
    """How far the unit is, under a limit of another law."""

    event: ClassVar = Event.REPORT_PROGRESS
    progress: str


@dataclass(frozen=True, slots=True)
class AssistSigned(Fact):
    unit: UnitId


@dataclass(frozen=True, slots=True)
class OpinionGiven(Fact):
    """For the lead and the hotline, never for the citizen (LS-019)."""

    unit: UnitId
    lead: UnitId | None


@dataclass(frozen=True, slots=True)
class AssistRefused(Fact):
    """The unit will not take part (GZ-044: a reason to supervise)."""

    unit: UnitId
    reason: str


@dataclass(frozen=True, slots=True)
class AssistSilent(Fact):
    """The unit's opinion is overdue (GZ-044)."""

    unit: UnitId
    due_at: datetime


@dataclass(frozen=True, slots=True)
class ProgressReported(Fact):
    unit: UnitId | None
    progress: str


@dataclass(frozen=True, slots=True)
class Order:
    """An assisting unit's part of a ticket, as stored."""

    unit: UnitId
    due_at: datetime
    sent_at: datetime
    signed_at: datetime | None = None
    opinion_at: datetime | None = None
    opinion: str = ""
    refused: bool = False


def awaited(orders: Iterable[Order], now: datetime) -> tuple[UnitId, ...]:
    """Units whose opinion is neither in nor overdue: the lead waits for these before it replies."""
    return tuple(one.unit for one in orders if one.opinion_at is None and not is_late(one.due_at, now))


def opinion_said(_: Ticket, detail: GiveOpinion, context: Context) -> None:
    if not detail.opinion.strip():
        rules = context.policy.dispatching.assist if context.policy.dispatching else None
        what = "请说明不能配合办理的理由。" if detail.refused else "请填写办理意见，反馈给主办单位和热线。"
        raise GuardFailed.by(what, rules.basis if rules else OURS)


def assists(ticket: Ticket, _: object, context: Context) -> None:
    """Only an assisting unit signs and answers an assist order."""
    if context.actor.unit not in ticket.assist_units:
        raise GuardFailed("您的单位不是本工单的协办单位。")


def progress_said(ticket: Ticket, detail: ReportProgress, context: Context) -> None:
    """Under a limit of another law the unit reports how far it is. Source: MC-031 (动态反馈办理进展情况)."""
    if not any(due.deadline.kind is K.PROGRESS for due in ticket.dues):
        raise GuardFailed("本工单没有按其他法定时限办理，不需要反馈进度。")
    if not detail.progress.strip():
        raise GuardFailed.by("请填写办理进展情况。", context.policy.handle.progress_basis)


def with_progress(ticket: Ticket, context: Context) -> Ticket:
    """The next report on progress is due one interval from now (MC-031)."""
    policy, rule = context.policy, progress_rule(context.policy)
    if rule is None or rule.period is None:
        return ticket
    new = deadline(rule.rule_id, K.PROGRESS, context.now, rule.period, context.calendar, policy.name, policy.workdays)
    return replace(ticket, dues=(*ticket.dues, Due(new, ticket.round)))


def _report(ticket: Ticket, _: ReportProgress, context: Context) -> Ticket:
    met = tuple(
        replace(due, met_at=context.now) if due.open and due.deadline.kind is K.PROGRESS else due for due in ticket.dues
    )
    return with_progress(replace(ticket, dues=met), context)


def _told_signed(_: Ticket, after: Ticket, __: object, context: Context) -> tuple[Fact, ...]:
    unit = context.actor.unit
    return (AssistSigned(after.id, after.round, context.now, unit),) if unit else ()


def _told_opinion(_: Ticket, after: Ticket, detail: GiveOpinion, context: Context) -> tuple[Fact, ...]:
    unit = context.actor.unit
    if unit is None:
        return ()
    if detail.refused:
        return (AssistRefused(after.id, after.round, context.now, unit, detail.opinion),)
    return (OpinionGiven(after.id, after.round, context.now, unit, after.lead_unit),)


def _told_progress(_: Ticket, after: Ticket, detail: ReportProgress, context: Context) -> tuple[Fact, ...]:
    return (ProgressReported(after.id, after.round, context.now, after.lead_unit, detail.progress),)


def _rows(state: State) -> dict[tuple[State, Event], Transition]:
    return {
        (state, E.SIGN_ASSIST): Transition(state, UNITS, (assists,), by=By.ASSIST),
        (state, E.GIVE_OPINION): Transition(state, UNITS, (assists, opinion_said), by=By.ASSIST),
        (state, E.REPORT_PROGRESS): Transition(state, UNITS, (progress_said,)),
    }


PART = Part(
    rows={key: row for state in AT_WORK for key, row in _rows(state).items()},
    apply={E.REPORT_PROGRESS: _report},
    tell={E.SIGN_ASSIST: _told_signed, E.GIVE_OPINION: _told_opinion, E.REPORT_PROGRESS: _told_progress},
)
