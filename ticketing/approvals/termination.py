"""The end of unreasonable repeated requests: judged by people, applied for, signed, cancelled above. PURE.

Source: MC-035. Who judges "unreasonable" is a person, whose reasons stay with the application; later requests on the
matter are answered by reference to the terminated ticket.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

from callcenter.types import Role, TicketId
from ticketing.approvals import approvals
from ticketing.approvals.approvals import SIGNED_IN, ApprovalAsked
from ticketing.approvals.signing import Gate
from ticketing.clocks import DeadlineKind
from ticketing.facts import Fact
from ticketing.record import Context, GuardFailed, Ticket
from ticketing.transition import NOBODY, UNIT_ROLES, Part, Transition
from ticketing.words import Event, State


@dataclass(frozen=True, slots=True)
class Judgement:
    """One request found unreasonable, and why."""

    ticket: TicketId
    reason: str


@dataclass(frozen=True, slots=True)
class AskTermination:
    """The unit's written application. reason: what the citizen will be told. judgements: this ticket among them."""

    event: ClassVar = Event.ASK_TERMINATION
    reason: str
    judgements: tuple[Judgement, ...]
    attachments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Terminate:
    event: ClassVar = Event.TERMINATE


@dataclass(frozen=True, slots=True)
class TicketTerminated(Fact):
    """reason: what the citizen is told."""

    reason: str


def application_founded(ticket: Ticket, detail: AskTermination, context: Context) -> None:
    """Enough requests on the matter were judged unreasonable, this one among them, each with its reason."""
    rules = context.policy.termination
    if rules is None:
        raise GuardFailed("本地规定没有终结办理。请按程序办理或不予受理。")
    basis, judged = rules.rule.basis, {one.ticket for one in detail.judgements}
    if ticket.approval == Gate.TERMINATION:
        raise GuardFailed.by("终结申请正在签批，请等待结果。", basis)
    if ticket.approval:
        raise GuardFailed.by("工单另有事项正在签批，请待其完成后再申请终结。", basis)
    if not detail.reason.strip() or any(not one.reason.strip() for one in detail.judgements):
        raise GuardFailed.by("申请终结须写明理由，并逐件写明认定为不合理诉求的依据。", basis)
    if len(judged) != len(detail.judgements) or ticket.id not in judged:
        raise GuardFailed.by("认定为不合理的诉求须包括本工单，每件只列一次。", basis)
    if len(judged) < rules.least or ticket.request_no < rules.least:
        raise GuardFailed.by(f"同一事项须有{rules.least}次及以上不合理诉求才能申请终结。", basis)


def _ask(ticket: Ticket, detail: AskTermination, context: Context) -> Ticket:
    rules = context.policy.termination
    assert rules is not None  # application_founded refused otherwise
    signing = approvals.asked_for(rules.rule, ticket, context, detail.reason)
    return replace(ticket, approval=str(Gate.TERMINATION), signing=signing)


def _terminate(ticket: Ticket, _: Terminate, context: Context) -> Ticket:
    """What was still being asked for, a return or an extension, has nothing left to be decided."""
    assert ticket.signing is not None  # signatures_complete refused otherwise
    ended = replace(ticket, result=ticket.signing.why, closed_at=context.now)
    return replace(ended, return_open=False, extension_asked=0)


def _asked(_: Ticket, after: Ticket, __: AskTermination, context: Context) -> tuple[Fact, ...]:
    assert after.signing is not None
    signers = tuple(step.signer.name for step in after.signing.current)
    return (ApprovalAsked(after.id, after.round, context.now, Gate.TERMINATION, signers),)


def _terminated(before: Ticket, after: Ticket, _: Terminate, context: Context) -> tuple[Fact, ...]:
    return (TicketTerminated(after.id, after.round, context.now, after.result),)


_OPEN = SIGNED_IN[Gate.TERMINATION]
_END = Transition(
    State.TERMINATED, NOBODY, (approvals.signatures_complete,), system=True, cancels=frozenset(DeadlineKind)
)
PART = Part(
    rows={
        **{
            (state, Event.ASK_TERMINATION): Transition(state, UNIT_ROLES, (application_founded,))
            for state in sorted(_OPEN)
        },
        **{(state, Event.TERMINATE): _END for state in sorted(_OPEN)},
        (State.TERMINATED, Event.ARCHIVE): Transition(State.ARCHIVED, frozenset({Role.SUPERVISOR}), system=True),
    },
    apply={Event.ASK_TERMINATION: _ask, Event.TERMINATE: _terminate},
    tell={Event.ASK_TERMINATION: _asked, Event.TERMINATE: _terminated},
)
