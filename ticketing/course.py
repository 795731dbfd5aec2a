"""The course every ticket takes: from draft to archive, with its returns, extensions, reply and survey. PURE.

Source: GZ-008 (一号对外、集中受理、按责分办、限时办结), LS-017 (签收、办理、催办、反馈).
"""

from callcenter.types import Role
from ticketing import contents, guards
from ticketing.aftercare import closing, commitments, contacts, matters, reviews
from ticketing.approvals import approvals, supplement
from ticketing.clocks import DeadlineKind
from ticketing.commands import AnyDetail, BeginSurvey, Close, Detail, NoteCause, Rate, Reply
from ticketing.dispatch import asking, disputes, hops
from ticketing.effects import APPLY
from ticketing.policy import Anchor, Policy, SurveyAt
from ticketing.record import Ticket
from ticketing.supervision import supervision
from ticketing.telling import TELL
from ticketing.transition import (
    CALLERS_BACK,
    DESK,
    DISPATCHERS,
    NOBODY,
    REVIEWERS,
    UNIT_CLOCKS,
    UNIT_ROLES,
    UNITS,
    Part,
    Transition,
)
from ticketing.words import Event, State

S, E, K = State, Event, DeadlineKind
_DISPATCH_DONE = frozenset({K.DISPATCH})
_EDIT = (guards.edit_fits_state, guards.fields_known)
_REJECT = Transition(
    S.REJECTED,
    DESK | {Role.SUPERVISOR},
    (reviews.verified_first, guards.rejection_reasoned, supplement.supplement_asked_first, supplement.decided_above),
    meets=_DISPATCH_DONE,
)
_ANSWER = Transition(S.ANSWERED, DESK, (guards.answer_grounded, asking.way_known), meets=_DISPATCH_DONE)
_REFER = Transition(S.REFERRED, DESK, (guards.referral_named, asking.way_known), meets=_DISPATCH_DONE)
_WITHDRAW = Transition(S.WITHDRAWN, DESK, (guards.reason_given,), cancels=_DISPATCH_DONE)
_DISPATCH = Transition(
    S.DISPATCHED,
    DISPATCHERS,
    (
        guards.one_lead,
        guards.unit_told_by_phone,
        guards.statute_cited,
        guards.choice_fits,
        asking.instruction_given,
        disputes.settled,
        matters.not_dispatched_again,
        *approvals.DISPATCH_RULES,
    ),
    anchor=Anchor.DISPATCH,
    meets=_DISPATCH_DONE,
)
_GRANT_RETURN = Transition(
    S.AWAITING_DISPATCH, DISPATCHERS, (asking.return_is_open,), anchor=Anchor.REGISTERED, cancels=UNIT_CLOCKS
)
_REWORK = Transition(
    S.AWAITING_DISPATCH, REVIEWERS, (closing.reworkable,), anchor=Anchor.REGISTERED, cancels=frozenset(K)
)
_REPLY_GUARDS = (
    guards.no_request_open,
    contents.reply_is_complete,
    contents.times_are_past,
    reviews.outcome_complete,
    contacts.contact_recorded,
    reviews.result_told,
    reviews.opinion_given,
    reviews.signed_in_person,
    commitments.day_is_ahead,
)
_ARCHIVE = Transition(
    S.ARCHIVED,
    frozenset({Role.SUPERVISOR}),
    (commitments.nothing_promised, supervision.nothing_supervised),
    system=True,
)


def _staying(state: State, event: Event) -> Transition:
    """Requests that run beside the main state and leave it as it is."""
    rows = {
        E.ADD_ASSIST: Transition(state, DISPATCHERS, (guards.assist_is_new, guards.reason_given)),
        E.ASK_RETURN: Transition(state, UNITS, (hops.only_one_hop, disputes.not_ruled, asking.return_allowed)),
        E.REFUSE_RETURN: Transition(state, DISPATCHERS, (asking.return_is_open, asking.return_refusal_cited)),
        E.ASK_EXTENSION: Transition(state, UNITS, (asking.extension_allowed,)),
        E.GRANT_EXTENSION: Transition(
            state, DISPATCHERS, (asking.approver_decides, asking.extension_grantable), system=True
        ),
        E.REFUSE_EXTENSION: Transition(
            state, DISPATCHERS, (asking.approver_decides, asking.extension_is_open, guards.reason_given), system=True
        ),
    }
    return rows[event]


ROWS: dict[tuple[State, Event], Transition] = {
    # By the system too: a citizen fills in their own draft on the public page.
    (S.DRAFT, E.EDIT): Transition(S.DRAFT, DESK, _EDIT, system=True),
    (S.DRAFT, E.REGISTER): Transition(
        S.REGISTERED,
        DESK,
        (guards.fields_known, guards.registrable, guards.named, guards.intake_open),
        system=True,
        anchor=Anchor.REGISTERED,
    ),
    (S.DRAFT, E.WITHDRAW): _WITHDRAW,
    (S.REGISTERED, E.EDIT): Transition(S.REGISTERED, DESK, _EDIT),
    (S.REGISTERED, E.ANSWER): _ANSWER,
    (S.REGISTERED, E.REJECT): _REJECT,
    (S.REGISTERED, E.REFER): _REFER,
    (S.REGISTERED, E.FORWARD): Transition(S.AWAITING_DISPATCH, DESK, (matters.not_dispatched_again,), system=True),
    (S.REGISTERED, E.DISPATCH): _DISPATCH,
    (S.REGISTERED, E.WITHDRAW): _WITHDRAW,
    (S.AWAITING_DISPATCH, E.EDIT): Transition(S.AWAITING_DISPATCH, DESK, _EDIT),
    (S.AWAITING_DISPATCH, E.ANSWER): _ANSWER,
    (S.AWAITING_DISPATCH, E.REJECT): _REJECT,
    (S.AWAITING_DISPATCH, E.REFER): _REFER,
    (S.AWAITING_DISPATCH, E.DISPATCH): _DISPATCH,
    (S.AWAITING_DISPATCH, E.WITHDRAW): _WITHDRAW,
    (S.DISPATCHED, E.EDIT): Transition(S.DISPATCHED, DISPATCHERS, _EDIT),
    **{(S.DISPATCHED, event): _staying(S.DISPATCHED, event) for event in (E.ADD_ASSIST, E.ASK_RETURN, E.REFUSE_RETURN)},
    (S.DISPATCHED, E.GRANT_RETURN): _GRANT_RETURN,
    (S.DISPATCHED, E.SIGN): Transition(S.SIGNED, UNITS, anchor=Anchor.SIGN, meets=frozenset({K.SIGN})),
    (S.SIGNED, E.EDIT): Transition(S.SIGNED, DISPATCHERS, _EDIT),
    (S.SIGNED, E.START): Transition(S.HANDLING, UNIT_ROLES, (approvals.led_inside_unit,)),
    **{(S.SIGNED, event): _staying(S.SIGNED, event) for event in (E.ADD_ASSIST, E.ASK_RETURN, E.REFUSE_RETURN)},
    **{(S.SIGNED, e): _staying(S.SIGNED, e) for e in (E.ASK_EXTENSION, E.GRANT_EXTENSION, E.REFUSE_EXTENSION)},
    (S.SIGNED, E.GRANT_RETURN): _GRANT_RETURN,
    (S.HANDLING, E.EDIT): Transition(S.HANDLING, DISPATCHERS, _EDIT),
    **{(S.HANDLING, event): _staying(S.HANDLING, event) for event in (E.ADD_ASSIST, E.ASK_RETURN, E.REFUSE_RETURN)},
    **{(S.HANDLING, e): _staying(S.HANDLING, e) for e in (E.ASK_EXTENSION, E.GRANT_EXTENSION, E.REFUSE_EXTENSION)},
    (S.HANDLING, E.GRANT_RETURN): _GRANT_RETURN,
    (S.HANDLING, E.REPLY): Transition(
        S.REPLIED,
        UNITS,
        (approvals.no_signoff_asked, approvals.solved_when_raised, *_REPLY_GUARDS),
        meets=frozenset({K.HANDLE}),
        cancels=frozenset({K.RETURN, K.PROGRESS}),
    ),
    (S.REPLIED, E.REJECT_REPLY): Transition(
        S.HANDLING,
        REVIEWERS | DISPATCHERS,
        (reviews.defect_known, guards.reason_given),
        cancels=frozenset({K.COMMITMENT}),
        resumes=frozenset({K.HANDLE}),
    ),
    (S.REPLIED, E.REJECT): Transition(
        S.REJECTED,
        REVIEWERS | DISPATCHERS,
        (reviews.conclusion_follows, guards.rejection_reasoned),
        cancels=frozenset(K),
    ),
    (S.REPLIED, E.BEGIN_SURVEY): Transition(
        S.SURVEYING,
        REVIEWERS,
        (approvals.no_feedback_gate, guards.survey_not_begun, reviews.review_done, closing.unit_asked_first),
        system=True,
    ),
    (S.SURVEYING, E.SURVEY_DELIVERED): Transition(S.SURVEYING, NOBODY, (guards.delivery_is_past,), system=True),
    (S.SURVEYING, E.RATE): Transition(
        S.SURVEYING,
        CALLERS_BACK,
        (guards.rater_is_fit, guards.rating_counts, closing.service_rated),
        system=True,
        meets=frozenset({K.SURVEY}),
    ),
    (S.SURVEYING, E.NOTE_CAUSE): Transition(S.SURVEYING, CALLERS_BACK, (closing.cause_known,)),
    (S.SURVEYING, E.CLOSE): Transition(
        S.CLOSED, REVIEWERS, (closing.closable,), system=True, cancels=frozenset({K.SURVEY, K.CONTACT})
    ),
    (S.SURVEYING, E.REWORK): _REWORK,
    (S.CLOSED, E.REWORK): _REWORK,
    # What was found after archiving opens a new round; the first package stays as it is.
    (S.ARCHIVED, E.REWORK): _REWORK,
    (S.CLOSED, E.ARCHIVE): _ARCHIVE,
    (S.ANSWERED, E.ARCHIVE): _ARCHIVE,
    (S.REJECTED, E.ARCHIVE): _ARCHIVE,
    (S.REFERRED, E.ARCHIVE): _ARCHIVE,
    (S.WITHDRAWN, E.ARCHIVE): _ARCHIVE,
}


def _ask(ticket: Ticket, done: AnyDetail, policy: Policy) -> Detail | None:
    """The citizen is asked as soon as the unit replied, where the policy says so."""
    at_once = isinstance(done, Reply) and policy.survey.at is SurveyAt.REPLY_SUBMITTED
    if not at_once or ticket.state is not State.REPLIED or reviews.waits_for_review(ticket, policy):
        return None
    return BeginSurvey()


def _close(ticket: Ticket, done: AnyDetail, policy: Policy) -> Detail | None:
    """A rating that closes a ticket does so at once, and so does what the citizen says in the call."""
    if isinstance(done, Rate):
        return Close() if closing.satisfied(ticket, policy) else None
    return Close() if isinstance(done, NoteCause) and closing.settled_by_call(ticket, policy) else None


PART = Part(ROWS, APPLY, TELL, (_ask, _close))
