"""A ticket's life: one table of transitions, one function that takes a step. PURE.

`python -m ticketing.diagram` draws the table.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from callcenter.types import Actor, CallId, IdentityId, Role, TicketId
from ticketing import contents, guards
from ticketing.clocks import Calendar, DeadlineKind
from ticketing.commands import AnyDetail, BeginSurvey, Close, Command, Detail, Rate, Reply, SurveyDelivered
from ticketing.effects import APPLY, end_clocks, resume_clocks, start_clocks, start_survey_clock
from ticketing.facts import Fact, TicketOpened
from ticketing.policy import Anchor, Policy, SurveyAt
from ticketing.record import Context, NotNow, NotYours, Ticket
from ticketing.telling import told
from ticketing.words import EVENT_NAMES, Event, State

Guard = Callable[[Ticket, Any, Context], None]
DESK = frozenset({Role.AGENT, Role.DISPATCHER})
DISPATCHERS = frozenset({Role.DISPATCHER})
UNITS = frozenset({Role.UNIT})
REVIEWERS = frozenset({Role.REVIEWER, Role.SUPERVISOR})
CALLERS_BACK = frozenset({Role.AGENT, Role.REVIEWER, Role.SUPERVISOR})
NOBODY: frozenset[Role] = frozenset()
ROLE_NAMES = {
    Role.AGENT: "话务员",
    Role.DISPATCHER: "派单员",
    Role.UNIT: "主办单位",
    Role.REVIEWER: "审核员",
    Role.SUPERVISOR: "督办员",
    Role.AUDITOR: "审计员",
    Role.ADMIN: "管理员",
}
UNIT_CLOCKS = frozenset({DeadlineKind.SIGN, DeadlineKind.HANDLE, DeadlineKind.RETURN})


@dataclass(frozen=True, slots=True)
class Transition:
    """One row of the table: what comes next, who may, which rules, and what it does to the clocks.

    anchor: limits counting from this moment start. system: whether the system (or the platform above) may do it too.
    """

    next: State
    roles: frozenset[Role]
    guards: tuple[Guard, ...] = ()
    system: bool = False
    anchor: Anchor | None = None
    meets: frozenset[DeadlineKind] = frozenset()
    cancels: frozenset[DeadlineKind] = frozenset()
    resumes: frozenset[DeadlineKind] = frozenset()


S, E, K = State, Event, DeadlineKind
_DISPATCH_DONE = frozenset({K.DISPATCH})
_EDIT = (guards.edit_fits_state, guards.fields_known)
_REJECT = Transition(S.REJECTED, DESK, (guards.rejection_reasoned,), meets=_DISPATCH_DONE)
_ANSWER = Transition(S.ANSWERED, DESK, (guards.answer_grounded,), meets=_DISPATCH_DONE)
_REFER = Transition(S.REFERRED, DESK, (guards.referral_named,), meets=_DISPATCH_DONE)
_WITHDRAW = Transition(S.WITHDRAWN, DESK, (guards.reason_given,), cancels=_DISPATCH_DONE)
_DISPATCH = Transition(
    S.DISPATCHED,
    DISPATCHERS,
    (guards.one_lead, guards.unit_told_by_phone, guards.statute_cited),
    anchor=Anchor.DISPATCH,
    meets=_DISPATCH_DONE,
)
_GRANT_RETURN = Transition(
    S.AWAITING_DISPATCH, DISPATCHERS, (guards.return_is_open,), anchor=Anchor.REGISTERED, cancels=UNIT_CLOCKS
)
_REWORK = Transition(
    S.AWAITING_DISPATCH, REVIEWERS, (guards.reworkable,), anchor=Anchor.REGISTERED, cancels=frozenset(K)
)
_ARCHIVE = Transition(S.ARCHIVED, frozenset({Role.SUPERVISOR}), system=True)


def _staying(state: State, event: Event) -> Transition:
    """Requests that run beside the main state and leave it as it is."""
    rows = {
        E.ADD_ASSIST: Transition(state, DISPATCHERS, (guards.assist_is_new, guards.reason_given)),
        E.ASK_RETURN: Transition(state, UNITS, (guards.return_allowed,)),
        E.REFUSE_RETURN: Transition(state, DISPATCHERS, (guards.return_is_open, guards.return_refusal_cited)),
        E.ASK_EXTENSION: Transition(state, UNITS, (guards.extension_allowed,)),
        E.GRANT_EXTENSION: Transition(state, DISPATCHERS, (guards.extension_grantable,)),
        E.REFUSE_EXTENSION: Transition(state, DISPATCHERS, (guards.extension_is_open, guards.reason_given)),
    }
    return rows[event]


TRANSITIONS: dict[tuple[State, Event], Transition] = {
    (S.DRAFT, E.EDIT): Transition(S.DRAFT, DESK, _EDIT),
    (S.DRAFT, E.REGISTER): Transition(
        S.REGISTERED,
        DESK,
        (guards.fields_known, guards.registrable, guards.intake_open),
        system=True,
        anchor=Anchor.REGISTERED,
    ),
    (S.DRAFT, E.WITHDRAW): _WITHDRAW,
    (S.REGISTERED, E.EDIT): Transition(S.REGISTERED, DESK, _EDIT),
    (S.REGISTERED, E.ANSWER): _ANSWER,
    (S.REGISTERED, E.REJECT): _REJECT,
    (S.REGISTERED, E.REFER): _REFER,
    (S.REGISTERED, E.FORWARD): Transition(S.AWAITING_DISPATCH, DESK, system=True),
    (S.REGISTERED, E.DISPATCH): _DISPATCH,
    (S.REGISTERED, E.WITHDRAW): _WITHDRAW,
    (S.AWAITING_DISPATCH, E.EDIT): Transition(S.AWAITING_DISPATCH, DESK, _EDIT),
    (S.AWAITING_DISPATCH, E.ANSWER): _ANSWER,
    (S.AWAITING_DISPATCH, E.REJECT): _REJECT,
    (S.AWAITING_DISPATCH, E.REFER): _REFER,
    (S.AWAITING_DISPATCH, E.DISPATCH): _DISPATCH,
    (S.AWAITING_DISPATCH, E.WITHDRAW): _WITHDRAW,
    (S.DISPATCHED, E.EDIT): Transition(S.DISPATCHED, DISPATCHERS, _EDIT),
    (S.DISPATCHED, E.ADD_ASSIST): _staying(S.DISPATCHED, E.ADD_ASSIST),
    (S.DISPATCHED, E.SIGN): Transition(S.SIGNED, UNITS, anchor=Anchor.SIGN, meets=frozenset({K.SIGN})),
    (S.SIGNED, E.EDIT): Transition(S.SIGNED, DISPATCHERS, _EDIT),
    (S.SIGNED, E.START): Transition(S.HANDLING, UNITS),
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
        (guards.no_request_open, contents.reply_is_complete, contents.times_are_past),
        meets=frozenset({K.HANDLE}),
        cancels=frozenset({K.RETURN}),
    ),
    (S.REPLIED, E.REJECT_REPLY): Transition(
        S.HANDLING, REVIEWERS | DISPATCHERS, (guards.reason_given,), resumes=frozenset({K.HANDLE})
    ),
    (S.REPLIED, E.BEGIN_SURVEY): Transition(S.SURVEYING, REVIEWERS, (guards.survey_not_begun,), system=True),
    (S.SURVEYING, E.SURVEY_DELIVERED): Transition(S.SURVEYING, NOBODY, (guards.delivery_is_past,), system=True),
    (S.SURVEYING, E.RATE): Transition(
        S.SURVEYING, CALLERS_BACK, (guards.rater_is_fit, guards.rating_counts), system=True, meets=frozenset({K.SURVEY})
    ),
    (S.SURVEYING, E.NOTE_CAUSE): Transition(S.SURVEYING, CALLERS_BACK, (guards.cause_known,)),
    (S.SURVEYING, E.CLOSE): Transition(
        S.CLOSED, REVIEWERS, (guards.closable,), system=True, cancels=frozenset({K.SURVEY})
    ),
    (S.SURVEYING, E.REWORK): _REWORK,
    (S.CLOSED, E.REWORK): _REWORK,
    (S.CLOSED, E.ARCHIVE): _ARCHIVE,
    (S.ANSWERED, E.ARCHIVE): _ARCHIVE,
    (S.REJECTED, E.ARCHIVE): _ARCHIVE,
    (S.REFERRED, E.ARCHIVE): _ARCHIVE,
    (S.WITHDRAWN, E.ARCHIVE): _ARCHIVE,
}


def opened(
    ticket_id: TicketId,
    policy: Policy,
    now: datetime,
    *,
    source: str,
    request_type: str = "",
    call_id: CallId | None = None,
    requester: IdentityId | None = None,
) -> tuple[Ticket, TicketOpened]:
    """A new draft under this policy version."""
    ticket = Ticket(
        id=ticket_id,
        policy_id=policy.id,
        policy_version=policy.version,
        created_at=now,
        updated_at=now,
        source=source,
        request_type=request_type,
        call_id=call_id,
        requester=requester,
    )
    return ticket, TicketOpened(ticket_id, 1, now, call_id)


def advance(
    ticket: Ticket, command: Command, policy: Policy, calendar: Calendar, now: datetime
) -> tuple[Ticket, tuple[Fact, ...]]:
    """The ticket after this command, and what became true by it.

    Raises NotNow, NotYours or GuardFailed, each with a sentence; CalendarEnds when a limit outruns the calendar.
    """
    detail = command.detail
    transition = TRANSITIONS.get((ticket.state, detail.event))
    if transition is None:
        raise NotNow(ticket.state, detail.event, allowed(ticket, command.actor))
    context = Context(command.actor, policy, calendar, now)
    _permit(ticket, detail.event, transition, command.actor)
    for guard in (guards.readable, *transition.guards):
        guard(ticket, detail, context)
    apply = APPLY.get(detail.event)
    changed = apply(ticket, detail, context) if apply else ticket
    moved = replace(changed, state=transition.next, version=ticket.version + 1, updated_at=now)
    after = _clocks(moved, transition, detail, context)
    return after, told(ticket, after, detail, context)


def follows(ticket: Ticket, done: AnyDetail, policy: Policy) -> Detail | None:
    """What the system does by itself right after this command: ask the citizen, or close on a satisfied rating."""
    if isinstance(done, Reply) and policy.survey.at is SurveyAt.REPLY_SUBMITTED:
        return BeginSurvey()
    if isinstance(done, Rate) and ticket.rating in policy.survey.closing:
        return Close()
    return None


def allowed(ticket: Ticket, actor: Actor) -> tuple[Event, ...]:
    """What this person may do to the ticket as it stands, guards aside; for buttons and for refusals."""
    return tuple(
        event
        for (state, event), transition in TRANSITIONS.items()
        if state is ticket.state and _may(ticket, transition, actor)
    )


def _clocks(ticket: Ticket, transition: Transition, detail: AnyDetail, context: Context) -> Ticket:
    timed = resume_clocks(ticket, transition.resumes)
    timed = end_clocks(timed, transition.meets, transition.cancels, context.now)
    if isinstance(detail, SurveyDelivered):
        return start_survey_clock(timed, detail.at, context)
    return start_clocks(timed, transition.anchor, detail, context) if transition.anchor else timed


def _may(ticket: Ticket, transition: Transition, actor: Actor) -> bool:
    if actor.kind != "user":
        return transition.system
    held = actor.roles & transition.roles
    # A unit acts on its own tickets; a person who also holds another fitting role acts by that one.
    return bool(held - UNITS) or (bool(held) and actor.unit is not None and actor.unit == ticket.lead_unit)


def _permit(ticket: Ticket, event: Event, transition: Transition, actor: Actor) -> None:
    if not _may(ticket, transition, actor):
        who = "、".join(ROLE_NAMES[role] for role in Role if role in transition.roles) or "系统"
        raise NotYours(f"「{EVENT_NAMES[event]}」只能由{who}操作。请交给有此权限的人员。")
