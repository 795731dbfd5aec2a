"""Supervision of units (督办) and warning cards: what starts them, what they ask, how they end. PURE.

A trigger is data of the policy; `triggers_of` says which fire by a fact and what is known of the ticket then. One
supervision of a kind is open at a time; the system opens each kind once a round
with each unit that has the ticket.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ClassVar

from callcenter.types import Role, UnitId
from ticketing import facts
from ticketing.aftercare.confidentiality import TicketMarked
from ticketing.aftercare.matters import RepeatConfirmed
from ticketing.aftercare.rechecks import Found, LookedBack
from ticketing.clocks import DeadlineKind, deadline
from ticketing.commands import AnyDetail, Detail
from ticketing.dispatch.assists import AssistRefused, AssistSilent
from ticketing.dispatch.disputes import DisputeOpened
from ticketing.facts import Fact
from ticketing.policy import Policy
from ticketing.record import Context, Due, GuardFailed, Ticket
from ticketing.rules import Case
from ticketing.supervision.rules import Card, Form, On, SuperviseRules, Trigger
from ticketing.transition import REVIEWERS, UNIT_ROLES, By, Part, Transition
from ticketing.words import STATE_NAMES, Event, State

SUPERVISORS = frozenset({Role.SUPERVISOR})
RUNNING = (
    State.REGISTERED,
    State.AWAITING_APPROVAL,
    State.AWAITING_DISPATCH,
    State.DISPATCHED,
    State.SIGNED,
    State.HANDLING,
    State.AWAITING_UNIT_SIGNOFF,
    State.REPLIED,
    State.AWAITING_FEEDBACK_APPROVAL,
    State.SURVEYING,
    State.CLOSED,
)
"""States in which a ticket may be supervised; an archived one does not change any more."""
WITH_UNIT = frozenset(RUNNING[3:])
ENDED = (State.ANSWERED, State.REJECTED, State.REFERRED, State.WITHDRAWN, State.TERMINATED)
"""States in which nobody works on it any more; what supervised it ends with it."""


# ---- what people and the system ask --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Supervise:
    """trigger: a reason of the policy. unit: who has to answer, by default the lead. form None: the policy's first.

    delegated_to: the department in charge that leads it (GZ-071). joint: bodies that supervise together (MC-044).
    """

    event: ClassVar = Event.SUPERVISE
    trigger: str
    reason: str = ""
    unit: UnitId | None = None
    form: Form | None = None
    delegated_to: UnitId | None = None
    joint: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerSupervision:
    """What the unit did since; trigger names which supervision it answers."""

    event: ClassVar = Event.ANSWER_SUPERVISION
    trigger: str
    text: str


@dataclass(frozen=True, slots=True)
class EndSupervision:
    """result: what came of it. solved: whether what was supervised is done."""

    event: ClassVar = Event.END_SUPERVISION
    trigger: str
    result: str
    solved: bool = True


@dataclass(frozen=True, slots=True)
class Warn:
    """A warning card for the unit, by default the lead (LS-087)."""

    event: ClassVar = Event.WARN
    level: Card
    reason: str
    unit: UnitId | None = None


# ---- what becomes true ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SupervisionOpened(Fact):
    """automatic: by a rule, not by a person."""

    supervision_id: int
    trigger: str
    unit: UnitId | None
    automatic: bool


@dataclass(frozen=True, slots=True)
class SupervisionAnswered(Fact):
    trigger: str
    unit: UnitId | None


@dataclass(frozen=True, slots=True)
class SupervisionEnded(Fact):
    trigger: str
    solved: bool


@dataclass(frozen=True, slots=True)
class CardIssued(Fact):
    card_id: int
    level: Card
    unit: UnitId
    reason: str


@dataclass(frozen=True, slots=True)
class DeadlineNear(Fact):
    """A deadline comes near; told once for each."""

    deadline_id: int
    kind: DeadlineKind
    due_at: datetime
    unit: UnitId | None


@dataclass(frozen=True, slots=True)
class ExplanationMissed(Fact):
    """The written explanation of an overdue ticket was not given in its own time."""

    task_id: int
    unit: UnitId | None


# ---- which triggers fire -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known of a ticket when a fact is told.

    untouched: neither signed nor asked to be returned. units: how many work on it.
    counts: trigger code -> how often, for the two that count requests of the matter.
    unresolved: an earlier request of the matter is open or ended unsatisfied.
    """

    case: Case
    has_unit: bool = True
    untouched: bool = False
    units: int = 1
    rejections: int = 0
    extended: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)
    unresolved: bool = False


def signs_of(rules: SuperviseRules, fact: Fact, now: Situation) -> frozenset[On]:
    """What this fact may set off; counts and conditions aside."""
    match fact:
        case facts.DeadlinePassed(kind=DeadlineKind.HANDLE):
            return frozenset({On.OVERDUE})
        case facts.DeadlinePassed(kind=DeadlineKind.SIGN):
            return _refused(On.UNSIGNED, now)
        case facts.DeadlinePassed(kind=DeadlineKind.RETURN):
            # Neither signed nor asked to be returned while it could be: not taken (GZ-041).
            return _refused(On.UNSIGNED, now) if now.untouched else frozenset()
        case facts.DeadlinePassed(kind=DeadlineKind.ASSIST) | AssistSilent() | AssistRefused():
            return frozenset({On.ASSIST_SILENT})
        case DisputeOpened():
            return frozenset({On.DUTY_UNCLEAR})
        case LookedBack(found=Found.UNTRUE):
            return frozenset({On.UNTRUE_REPLY})
        case ExplanationMissed():
            return frozenset({On.OVERDUE_EXTENDED}) if now.extended else frozenset()
        case facts.ReturnRefused():
            return _refused(On.RETURN_REFUSED, now)
        case facts.ReplyRejected():
            return frozenset({On.REPLY_REJECTED})
        case facts.CauseNoted():
            return frozenset({On.UNTRUE_REPLY}) if fact.code in rules.untrue_causes else frozenset()
        case facts.TicketDispatched() | facts.TicketEdited() | facts.AssistAdded() | TicketMarked() | RepeatConfirmed():
            return frozenset({On.CASE, On.SEVERAL_UNITS, On.SAME_PERSON, On.PERSON_TIMES})
    return frozenset()


def _refused(on: On, now: Situation) -> frozenset[On]:
    return frozenset({on, On.LEAD_REFUSES}) if now.units > 1 else frozenset({on})


def triggers_of(rules: SuperviseRules | None, fact: Fact, now: Situation) -> tuple[Trigger, ...]:
    """The reasons for supervision this fact gives, in the policy's order; none where the policy has no supervision."""
    if rules is None:
        return ()
    signs = signs_of(rules, fact, now)
    return tuple(one for one in rules.triggers if one.on in signs and one.when.fits(now.case) and _holds(one, now))


def _holds(trigger: Trigger, now: Situation) -> bool:
    if trigger.unresolved and not now.unresolved:
        return False
    match trigger.on:
        case On.REPLY_REJECTED:
            return now.rejections >= trigger.at_least
        case On.SEVERAL_UNITS:
            return now.units >= max(2, trigger.at_least)
        case On.SAME_PERSON | On.PERSON_TIMES:
            return now.has_unit and now.counts.get(trigger.code, 1) >= trigger.at_least
        case On.CASE:
            return now.has_unit
    return True


def situation_of(ticket: Ticket, counts: Mapping[str, int], unresolved: bool) -> Situation:
    """What is known of the ticket as it stands."""
    return Situation(
        case=ticket.case,
        has_unit=ticket.lead_unit is not None,
        untouched=ticket.signed_at is None and not ticket.return_open,
        units=int(ticket.lead_unit is not None) + len(ticket.assist_units),
        rejections=ticket.rejections,
        extended=ticket.extensions_granted > 0,
        counts=counts,
        unresolved=unresolved,
    )


def standing(ticket: Ticket, *, reminded: bool) -> str:
    """none, reminder, sms, yellow, red or supervised: the gravest that holds."""
    if ticket.supervising:
        return "supervised"
    return ticket.card or ("reminder" if reminded else "none")


# ---- guards --------------------------------------------------------------------------------------------------------


def rule_id(trigger: str) -> str:
    """How the deadline of a supervision's answer names its rule."""
    return f"supervise.{trigger}"


def _rules(context: Context) -> SuperviseRules:
    rules = context.policy.supervise
    if rules is None:
        raise GuardFailed("本地规定没有督办。如确需督办，请联系管理员在政策文件中设置。")
    return rules


def supervision_fits(ticket: Ticket, detail: Supervise, context: Context) -> None:
    """A reason and a form of the policy, for a unit of this ticket, and not twice at once."""
    rules = _rules(context)
    trigger = rules.trigger(detail.trigger)
    if trigger is None:
        known = "、".join(f"{one.code}({one.label})" for one in rules.triggers)
        raise GuardFailed.by(f"没有「{detail.trigger}」这项督办事由。请从下列事由中选择：{known}。", rules.basis)
    if detail.trigger in ticket.supervising:
        raise GuardFailed.by(f"「{trigger.label}」已在督办中。请先结束原督办，或在原督办中补充。", trigger.basis)
    if detail.form is not None and detail.form not in rules.forms:
        raise GuardFailed.by("本地规定没有这种督办形式。请从规定的形式中选择。", rules.forms_basis)
    if context.actor.kind == "user" and not detail.reason.strip():
        raise GuardFailed.by("请写明督办理由和要求。", trigger.basis)
    if detail.unit is not None and detail.unit not in units_of(ticket):
        raise GuardFailed.by("被督办的单位没有承办这张工单。请选择主办、协办或主管单位。", rules.basis)


def others_fit(_: Ticket, detail: Supervise, context: Context) -> None:
    """Delegated or joint supervision only where the policy has it."""
    rules = _rules(context)
    if detail.delegated_to is not None and not rules.delegate:
        raise GuardFailed.by("本地规定没有由主管部门牵头督办。请由热线机构直接督办。", rules.delegate_basis)
    for body in detail.joint:
        if body not in rules.joint:
            known = "、".join(rules.joint) or "无"
            raise GuardFailed.by(f"「{body}」不是联合督办的单位。可联合的单位：{known}。", rules.joint_basis)


def supervision_is_open(ticket: Ticket, detail: AnswerSupervision | EndSupervision, context: Context) -> None:
    """There is such a supervision, and something to say about it."""
    if detail.trigger not in ticket.supervising:
        raise GuardFailed.by("这项督办已经结束，或没有开始。请刷新后核对。", _rules(context).basis)
    said = detail.text if isinstance(detail, AnswerSupervision) else detail.result
    if not said.strip():
        what = "督办办理情况" if isinstance(detail, AnswerSupervision) else "督办结果"
        raise GuardFailed.by(f"请写明{what}。", _rules(context).basis)


def card_fits(ticket: Ticket, detail: Warn, context: Context) -> None:
    """A level of the policy, for a unit of this ticket, with a reason."""
    rules = context.policy.cards
    if rules is None:
        raise GuardFailed("本地规定没有预警和警告牌。请改用督办。")
    if detail.level not in {rule.level for rule in rules.levels}:
        raise GuardFailed.by("本地规定没有这一级警告。请从规定的级别中选择。", rules.basis)
    if not detail.reason.strip():
        raise GuardFailed.by("请写明预警或警告的原因。", rules.basis)
    if (detail.unit or ticket.lead_unit) not in units_of(ticket):
        raise GuardFailed.by("被警告的单位没有承办这张工单。请选择主办、协办或主管单位。", rules.basis)


def nothing_supervised(ticket: Ticket, _: object, context: Context) -> None:
    """A ticket is not put away while somebody still owes an answer about it."""
    if ticket.supervising:
        raise GuardFailed.by("督办尚未结束，暂不归档。请先结束督办。", _rules(context).basis)


def units_of(ticket: Ticket) -> tuple[UnitId, ...]:
    """Every unit that has to do with it now."""
    return tuple(unit for unit in (ticket.lead_unit, ticket.authority, *ticket.assist_units) if unit)


# ---- effects -------------------------------------------------------------------------------------------------------


def _supervise(ticket: Ticket, detail: Supervise, context: Context) -> Ticket:
    """A supervised unit has to answer within the policy's limit; where nobody has the ticket yet, nobody has to."""
    rules, policy = _rules(context), context.policy
    changed = replace(ticket, supervising=ticket.supervising | {detail.trigger}, supervisions=ticket.supervisions + 1)
    if (detail.unit or ticket.lead_unit) is None:
        return changed
    answer_by = deadline(
        rule_id(detail.trigger),
        DeadlineKind.SUPERVISION,
        context.now,
        rules.feedback,
        context.calendar,
        policy.name,
        policy.workdays,
    )
    return replace(changed, dues=(*changed.dues, Due(answer_by, ticket.round)))


def _answer(ticket: Ticket, detail: AnswerSupervision, context: Context) -> Ticket:
    dues = (replace(due, met_at=context.now) if _asks(due, detail.trigger) else due for due in ticket.dues)
    return replace(ticket, dues=tuple(dues))


def _end(ticket: Ticket, detail: EndSupervision, context: Context) -> Ticket:
    dues = (replace(due, ended_at=context.now) if _asks(due, detail.trigger) else due for due in ticket.dues)
    return replace(ticket, dues=tuple(dues), supervising=ticket.supervising - {detail.trigger})


def _asks(due: Due, trigger: str) -> bool:
    return due.open and due.deadline.rule_id == rule_id(trigger)


def _warn(ticket: Ticket, detail: Warn, _: Context) -> Ticket:
    levels = list(Card)
    now = levels.index(Card(ticket.card)) if ticket.card else -1
    return ticket if levels.index(detail.level) <= now else replace(ticket, card=detail.level.value)


def _ended(before: Ticket, after: Ticket, detail: EndSupervision, context: Context) -> tuple[Fact, ...]:
    return (SupervisionEnded(after.id, after.round, context.now, detail.trigger, detail.solved),)


def _staying(state: State) -> dict[tuple[State, Event], Transition]:
    """Supervision runs beside the main state and leaves it as it is."""
    opened = Transition(state, SUPERVISORS, (supervision_fits, others_fit), system=True)
    ended = Transition(state, REVIEWERS, (supervision_is_open,), system=True)
    rows = {(state, Event.SUPERVISE): opened, (state, Event.END_SUPERVISION): ended}
    if state not in WITH_UNIT:
        return rows
    answered = Transition(state, UNIT_ROLES, (supervision_is_open,), by=By.ANY_UNIT)
    warned = Transition(state, SUPERVISORS, (card_fits,), system=True)
    return rows | {(state, Event.ANSWER_SUPERVISION): answered, (state, Event.WARN): warned}


def _after_the_end(ticket: Ticket, _: AnyDetail, __: Policy) -> Detail | None:
    """Without this a supervised ticket that was answered, refused or withdrawn could never be put away."""
    if ticket.state not in ENDED or not ticket.supervising:
        return None
    why = f"工单{STATE_NAMES[ticket.state]}，督办随之结束"
    return EndSupervision(min(ticket.supervising), why, solved=ticket.state is State.ANSWERED)


PART = Part(
    rows={
        **{key: row for state in RUNNING for key, row in _staying(state).items()},
        **{(state, Event.END_SUPERVISION): _staying(state)[state, Event.END_SUPERVISION] for state in ENDED},
    },
    apply={
        Event.SUPERVISE: _supervise,
        Event.ANSWER_SUPERVISION: _answer,
        Event.END_SUPERVISION: _end,
        Event.WARN: _warn,
    },
    tell={Event.END_SUPERVISION: _ended},
    follows=(_after_the_end,),
)
