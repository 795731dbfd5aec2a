"""The rows of signatures: where they are asked for, given and declined, and what the last one sets going. PURE.

A sign-off ends in the unit's reply, a feedback gate in the survey, under the same rules as without a gate.
"""

from dataclasses import replace
from typing import Any

from callcenter.types import Role
from ticketing import course, guards
from ticketing.approvals import approvals
from ticketing.approvals.approvals import (
    SIGNED_IN,
    ApprovalAsked,
    ApprovalDeclined,
    ApprovalGranted,
    ApprovalSigned,
    AskApproval,
    CompleteApproval,
    DeclineApproval,
    SignApproval,
)
from ticketing.approvals.signing import Gate
from ticketing.approvals.termination import Terminate
from ticketing.clocks import DeadlineKind
from ticketing.commands import AnyDetail, BeginSurvey, Detail, Reply
from ticketing.facts import Fact
from ticketing.policy import Anchor, Policy, SurveyAt
from ticketing.record import Context, Ticket
from ticketing.transition import DESK, DISPATCHERS, NOBODY, REVIEWERS, UNIT_ROLES, Apply, Part, Tell, Transition
from ticketing.words import Event, State

S, E, K = State, Event, DeadlineKind
SIGNERS = frozenset({Role.LEADER, Role.UNIT_HEAD, Role.SUPERVISOR})
_SIGN, _DECLINE = (approvals.signature_fits,), (approvals.decline_fits,)
_ASK = (approvals.approval_askable,)
_BESIDE = SIGNED_IN[Gate.REPORT] | SIGNED_IN[Gate.TERMINATION]
"""States in which signatures are collected while the work goes on."""
_REPLY = course.ROWS[S.HANDLING, E.REPLY]
_SURVEY = course.ROWS[S.REPLIED, E.BEGIN_SURVEY]
_REPLY_RULES = tuple(guard for guard in _REPLY.guards if guard is not approvals.no_signoff_asked)
_SURVEY_RULES = tuple(guard for guard in _SURVEY.guards if guard is not approvals.no_feedback_gate)
_BEFORE_DISPATCH = Transition(S.AWAITING_APPROVAL, DESK, _ASK, system=True, cancels=frozenset({K.DISPATCH}))

ROWS: dict[tuple[State, Event], Transition] = {
    (S.REGISTERED, E.ASK_APPROVAL): _BEFORE_DISPATCH,
    (S.AWAITING_DISPATCH, E.ASK_APPROVAL): _BEFORE_DISPATCH,
    (S.AWAITING_APPROVAL, E.SIGN_APPROVAL): Transition(S.AWAITING_APPROVAL, SIGNERS, _SIGN),
    (S.AWAITING_APPROVAL, E.DECLINE_APPROVAL): Transition(S.REGISTERED, SIGNERS, _DECLINE, anchor=Anchor.REGISTERED),
    (S.AWAITING_APPROVAL, E.COMPLETE_APPROVAL): Transition(
        S.AWAITING_DISPATCH, NOBODY, (approvals.signatures_complete,), system=True, anchor=Anchor.REGISTERED
    ),
    (S.AWAITING_APPROVAL, E.REJECT): Transition(
        S.REJECTED, frozenset({Role.SUPERVISOR}), (approvals.rejected_from_scope, guards.rejection_reasoned)
    ),
    (S.AWAITING_APPROVAL, E.WITHDRAW): course.ROWS[S.AWAITING_DISPATCH, E.WITHDRAW],
    (S.HANDLING, E.ASK_SIGNOFF): Transition(
        S.AWAITING_UNIT_SIGNOFF, UNIT_ROLES, (approvals.signoff_asked_here, *_REPLY_RULES)
    ),
    (S.AWAITING_UNIT_SIGNOFF, E.SIGN_APPROVAL): Transition(S.AWAITING_UNIT_SIGNOFF, SIGNERS, _SIGN),
    (S.AWAITING_UNIT_SIGNOFF, E.DECLINE_APPROVAL): Transition(S.HANDLING, SIGNERS, _DECLINE),
    (S.AWAITING_UNIT_SIGNOFF, E.REPLY): replace(
        _REPLY, roles=NOBODY, guards=(approvals.signatures_complete, *_REPLY_RULES), system=True
    ),
    (S.REPLIED, E.ASK_APPROVAL): Transition(S.AWAITING_FEEDBACK_APPROVAL, REVIEWERS | DISPATCHERS, _ASK, system=True),
    (S.AWAITING_FEEDBACK_APPROVAL, E.SIGN_APPROVAL): Transition(S.AWAITING_FEEDBACK_APPROVAL, SIGNERS, _SIGN),
    (S.AWAITING_FEEDBACK_APPROVAL, E.DECLINE_APPROVAL): replace(
        course.ROWS[S.REPLIED, E.REJECT_REPLY], roles=SIGNERS, guards=_DECLINE, resumes=frozenset()
    ),
    (S.AWAITING_FEEDBACK_APPROVAL, E.BEGIN_SURVEY): replace(
        _SURVEY, roles=NOBODY, guards=(approvals.signatures_complete, *_SURVEY_RULES), system=True
    ),
    **{
        (state, E.ASK_APPROVAL): Transition(state, UNIT_ROLES | DISPATCHERS | {Role.SUPERVISOR}, _ASK)
        for state in SIGNED_IN[Gate.REPORT]
    },
    **{
        (state, E.COMPLETE_APPROVAL): Transition(state, NOBODY, (approvals.signatures_complete,), system=True)
        for state in SIGNED_IN[Gate.REPORT]
    },
    # The platform above signs for itself where it has the last word (MC-035).
    **{(state, E.SIGN_APPROVAL): Transition(state, SIGNERS, _SIGN, system=True) for state in _BESIDE},
    **{(state, E.DECLINE_APPROVAL): Transition(state, SIGNERS, _DECLINE, system=True) for state in _BESIDE},
}

APPLY: dict[Event, Apply] = {
    E.ASK_APPROVAL: approvals.ask,
    E.ASK_SIGNOFF: approvals.ask_signoff,
    E.SIGN_APPROVAL: approvals.sign,
    E.DECLINE_APPROVAL: approvals.decline,
    E.COMPLETE_APPROVAL: approvals.complete,
}


def _head(ticket: Ticket, context: Context) -> dict[str, Any]:
    return {"ticket_id": ticket.id, "round": ticket.round, "at": context.now}


def _asked(_: Ticket, after: Ticket, __: object, context: Context) -> tuple[Fact, ...]:
    assert after.signing is not None
    signers = tuple(step.signer.name for step in after.signing.current)
    return (ApprovalAsked(**_head(after, context), gate=after.signing.gate, signers=signers),)


def _signed(before: Ticket, after: Ticket, detail: SignApproval, context: Context) -> tuple[Fact, ...]:
    assert before.signing is not None
    assert after.signing is not None
    step = before.signing.step_for(context.actor, detail.signer)
    signer, last = step.signer.name if step else "", after.signing.complete
    return (ApprovalSigned(**_head(after, context), gate=after.signing.gate, signer=signer, complete=last),)


def _declined(before: Ticket, after: Ticket, detail: DeclineApproval, context: Context) -> tuple[Fact, ...]:
    assert before.signing is not None
    step = before.signing.step_for(context.actor, detail.signer)
    signer = step.signer.name if step else ""
    return (ApprovalDeclined(**_head(after, context), gate=before.signing.gate, signer=signer, reason=detail.reason),)


def _granted(before: Ticket, after: Ticket, _: object, context: Context) -> tuple[Fact, ...]:
    gate = Gate(before.approval)
    return (ApprovalGranted(**_head(after, context), gate=gate, instruction=after.leader_instruction),)


TELL: dict[Event, Tell] = {
    E.ASK_APPROVAL: _asked,
    E.ASK_SIGNOFF: _asked,
    E.SIGN_APPROVAL: _signed,
    E.DECLINE_APPROVAL: _declined,
    E.COMPLETE_APPROVAL: _granted,
}


def _after_the_last(ticket: Ticket, done: AnyDetail, _: Policy) -> Detail | None:
    """The last signature sets going what waited for it."""
    signing = ticket.signing
    if not isinstance(done, SignApproval) or signing is None or not signing.complete:
        return None
    match signing.gate:
        case Gate.SIGNOFF:
            assert signing.contents is not None
            return Reply(signing.contents)
        case Gate.BEFORE_FEEDBACK:
            return BeginSurvey()
        case Gate.TERMINATION:
            return Terminate()
        case _:
            return CompleteApproval()


def _before_dispatch(ticket: Ticket, _: AnyDetail, policy: Policy) -> Detail | None:
    """What waits for a dispatcher and needs signatures goes to the signers first, however it came there."""
    waits = ticket.state is State.AWAITING_DISPATCH
    needed = waits and approvals.missing_before_dispatch(ticket, policy) is not None
    return AskApproval(Gate.BEFORE_DISPATCH) if needed else None


def _before_feedback(ticket: Ticket, done: AnyDetail, policy: Policy) -> Detail | None:
    """Where the citizen is asked as soon as the unit replied, the leaders are asked first."""
    at_once = isinstance(done, Reply) and policy.survey.at is SurveyAt.REPLY_SUBMITTED
    if not at_once or ticket.state is not State.REPLIED:
        return None
    return AskApproval(Gate.BEFORE_FEEDBACK) if approvals.gate_rule(ticket, Gate.BEFORE_FEEDBACK, policy) else None


PART = Part(ROWS, APPLY, TELL, (_after_the_last, _before_dispatch, _before_feedback))
