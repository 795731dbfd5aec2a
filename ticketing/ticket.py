"""A ticket's life: one table of transitions, one function that takes a step. PURE.

The table is joined from the parts of all ideas; `python -m ticketing.diagram` draws it.
"""

from dataclasses import replace
from datetime import datetime

from callcenter.types import Actor, CallId, IdentityId, Role, TicketId, UnitId
from ticketing import course, guards
from ticketing.aftercare import abuse, commitments, confidentiality, contacts, matters, merging, rechecks
from ticketing.approvals import approvals, supplement, termination
from ticketing.approvals import course as approvals_course
from ticketing.clocks import Calendar
from ticketing.commands import AnyDetail, Command, Detail, SurveyDelivered
from ticketing.dispatch import assists, disputes, hops, returns
from ticketing.effects import end_clocks, resume_clocks, start_clocks, start_survey_clock
from ticketing.facts import Fact, TicketOpened
from ticketing.limits import recalculation
from ticketing.policy import Policy
from ticketing.record import Context, NotNow, NotYours, Ticket
from ticketing.supervision import supervision
from ticketing.transition import ROLE_NAMES, UNIT_ROLES, By, Part, Transition, joined
from ticketing.words import EVENT_NAMES, Event, State

PARTS: tuple[Part, ...] = (
    approvals_course.PART,
    termination.PART,
    supplement.PART,
    course.PART,
    recalculation.PART,
    supervision.PART,
    contacts.PART,
    commitments.PART,
    matters.PART,
    merging.PART,
    rechecks.PART,
    confidentiality.PART,
    abuse.PART,
    returns.PART,
    hops.PART,
    disputes.PART,
    assists.PART,
)
"""Every idea's rows. The order decides which follow-up the system takes first."""
TRANSITIONS: dict[tuple[State, Event], Transition] = joined(*(part.rows for part in PARTS))
APPLY = joined(*(part.apply for part in PARTS))
TELL = joined(*(part.tell for part in PARTS))


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
    after = _clocks(approvals.settled(moved), transition, detail, context)
    tell = TELL.get(detail.event)
    return after, tell(ticket, after, detail, context) if tell else ()


def follows(ticket: Ticket, done: AnyDetail, policy: Policy) -> Detail | None:
    """What the system does by itself right after this command; the first part that has an answer decides."""
    answers = (follow(ticket, done, policy) for part in PARTS for follow in part.follows)
    return next((detail for detail in answers if detail is not None), None)


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
    if held - UNIT_ROLES:
        return True
    # A unit acts on its own tickets; a person who also holds another fitting role acts by that one.
    return bool(held) and actor.unit is not None and actor.unit in _acting_units(ticket, transition)


def _acting_units(ticket: Ticket, transition: Transition) -> tuple[UnitId | None, ...]:
    match transition.by:
        case By.LEAD:
            return (ticket.lead_unit,)
        case By.ASSIST:
            return ticket.assist_units
        case By.AUTHORITY:
            return (ticket.authority,)
        case By.ANY_UNIT:
            return (ticket.lead_unit, ticket.authority, *ticket.assist_units)


def _permit(ticket: Ticket, event: Event, transition: Transition, actor: Actor) -> None:
    if not _may(ticket, transition, actor):
        who = "、".join(ROLE_NAMES[role] for role in Role if role in transition.roles) or "系统"
        raise NotYours(f"「{EVENT_NAMES[event]}」只能由{who}操作。请交给有此权限的人员。")
