"""What an accepted command changes: the ticket's values, its deadlines, and the facts it makes true. PURE."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from ticketing.aftercare.closing import closing_of, is_exempt
from ticketing.aftercare.commitments import promised
from ticketing.aftercare.follow_rules import Closing
from ticketing.aftercare.reviews import outcome_of
from ticketing.clocks import DeadlineKind, deadline
from ticketing.commands import (
    AddAssist,
    Answer,
    AskExtension,
    Close,
    Dispatch,
    Edit,
    GrantExtension,
    NoteCause,
    Rate,
    Refer,
    Register,
    Reject,
    RejectReply,
    Reply,
    Rework,
    ReworkMode,
)
from ticketing.dispatch.asking import new_deadline
from ticketing.limits.limits import dispatch_limit, progress_rule, unit_limits
from ticketing.policy import Anchor, LimitRule, Policy, When, statutory_rule
from ticketing.record import Context, Due, Ticket
from ticketing.words import Event, Flag, State

TITLE_LENGTH = 30


def _edit(ticket: Ticket, detail: Edit | Register, context: Context) -> Ticket:
    given = detail.changes.given()
    changed = replace(ticket, **given, typed=ticket.typed | given.keys())  # type: ignore[arg-type]
    return changed if ticket.state is State.DRAFT else keyed(changed, context)


def keyed(ticket: Ticket, context: Context) -> Ticket:
    """What comes by a key channel is 重点交办 (MC-018)."""
    return _flagged(ticket, Flag.KEY) if ticket.source in context.policy.key_sources else ticket


def _flagged(ticket: Ticket, flag: Flag) -> Ticket:
    return replace(ticket, flags=ticket.flags | {flag})


def _register(ticket: Ticket, detail: Register, context: Context) -> Ticket:
    filled = keyed(_edit(ticket, detail, context), context)
    title = filled.title.strip() or " ".join(filled.content.split())[:TITLE_LENGTH]
    return replace(filled, title=title, registered_at=context.now)


def _answer(ticket: Ticket, detail: Answer, context: Context) -> Ticket:
    return replace(ticket, result=detail.text, closed_at=context.now)


def _reject(ticket: Ticket, detail: Reject, context: Context) -> Ticket:
    """A secret stays one in the record of its rejection (GZ-005)."""
    reason = context.policy.reject_reason(detail.code)
    closed = replace(ticket, result=detail.text, closed_at=context.now)
    return _flagged(closed, Flag.SENSITIVE) if reason is not None and reason.sensitive else closed


def _refer(ticket: Ticket, detail: Refer, context: Context) -> Ticket:
    return replace(ticket, result=f"{detail.target}：{detail.text}", closed_at=context.now)


def _dispatch(ticket: Ticket, detail: Dispatch, context: Context) -> Ticket:
    return replace(ticket, lead_unit=detail.lead, assist_units=detail.assists, dispatched_at=context.now)


def _add_assist(ticket: Ticket, detail: AddAssist, _: Context) -> Ticket:
    return replace(ticket, assist_units=(*ticket.assist_units, detail.unit))


def _sign(ticket: Ticket, _: object, context: Context) -> Ticket:
    return replace(ticket, signed_at=context.now)


def _ask_return(ticket: Ticket, _: object, __: Context) -> Ticket:
    return replace(ticket, return_open=True)


def _grant_return(ticket: Ticket, _: object, __: Context) -> Ticket:
    """The unit is out; the next one starts with clocks of its own, extensions and all."""
    return replace(
        ticket,
        return_open=False,
        returns=ticket.returns + 1,
        lead_unit=None,
        authority=None,
        assist_units=(),
        card="",
        extended=0,
        extensions=0,
        extensions_granted=0,
        extension_asked=0,
        dispatched_at=None,
        signed_at=None,
        contacted_at=None,
        contact_tries=0,
        followed_up_at=None,
        outcome="",
        rejections=0,
    )


def _refuse_return(ticket: Ticket, _: object, __: Context) -> Ticket:
    return replace(ticket, return_open=False)


def _ask_extension(ticket: Ticket, detail: AskExtension, _: Context) -> Ticket:
    return replace(ticket, extension_asked=detail.amount, extensions=ticket.extensions + 1)


def _grant_extension(ticket: Ticket, detail: GrantExtension, context: Context) -> Ticket:
    """The handling limit counts again from where it began, with the longer amount; the old one stays on record."""
    running = ticket.due(DeadlineKind.HANDLE)
    assert running is not None  # extension_grantable refused otherwise
    new = new_deadline(ticket, detail.amount, context)
    dues = tuple(replace(due, ended_at=context.now) if due is running else due for due in ticket.dues)
    return replace(
        ticket,
        extension_asked=0,
        extensions_granted=ticket.extensions_granted + 1,
        extended=ticket.extended + detail.amount,
        dues=(*dues, Due(new, ticket.round)),
    )


def _refuse_extension(ticket: Ticket, _: object, __: Context) -> Ticket:
    return replace(ticket, extension_asked=0)


def _reply(ticket: Ticket, detail: Reply, context: Context) -> Ticket:
    """A reply answers an extension request that was still open: it is no longer needed."""
    said = outcome_of(detail.contents)
    done = replace(ticket, result=detail.contents.situation, replied_at=context.now, extension_asked=0, outcome=said)
    return promised(done, detail, context)


def _reject_reply(ticket: Ticket, _: RejectReply, __: Context) -> Ticket:
    """In a row: a new round and a new unit begin at nought."""
    return replace(ticket, rejections=ticket.rejections + 1, outcome="")


def _rate(ticket: Ticket, detail: Rate, _: Context) -> Ticket:
    return replace(ticket, rating=detail.rating, rating_source=detail.source, service_rating=detail.service)


def _note_cause(ticket: Ticket, detail: NoteCause, _: Context) -> Ticket:
    return replace(ticket, cause_code=detail.code, call_rating=detail.rating)


def _close(ticket: Ticket, detail: Close, context: Context) -> Ticket:
    why = closing_of(ticket, detail, context.policy)
    by_rating = why in (Closing.RATED, Closing.DEFAULT, Closing.CALLED)
    return replace(
        ticket,
        closed_at=context.now,
        explained=not by_rating,
        closing=why,
        exempt=is_exempt(ticket, why, context.policy),
        cause_code=ticket.cause_code or (detail.cause if not by_rating else ""),
    )


def _rework(ticket: Ticket, detail: Rework, __: Context) -> Ticket:
    """A new round with clocks of its own; the old one stays on record in its rows."""
    cleared = _grant_return(ticket, None, __)
    return replace(
        cleared,
        round=ticket.round + 1,
        returns=0,
        rating=None,
        rating_source=None,
        cause_code="",
        explained=False,
        service_rating="",
        call_rating="",
        closing="",
        exempt=False,
        rework_mode=detail.mode,
        publication="",
        replied_at=None,
        closed_at=None,
        archived_at=None,
        cleared=frozenset(),
        leader_instruction="",
    )


def _archive(ticket: Ticket, _: object, context: Context) -> Ticket:
    return replace(ticket, archived_at=context.now)


def _withdraw(ticket: Ticket, _: object, context: Context) -> Ticket:
    return replace(ticket, closed_at=context.now)


APPLY: dict[Event, Callable[[Ticket, Any, Context], Ticket]] = {
    Event.EDIT: _edit,
    Event.REGISTER: _register,
    Event.ANSWER: _answer,
    Event.REJECT: _reject,
    Event.REFER: _refer,
    Event.WITHDRAW: _withdraw,
    Event.DISPATCH: _dispatch,
    Event.ADD_ASSIST: _add_assist,
    Event.SIGN: _sign,
    Event.ASK_RETURN: _ask_return,
    Event.GRANT_RETURN: _grant_return,
    Event.REFUSE_RETURN: _refuse_return,
    Event.ASK_EXTENSION: _ask_extension,
    Event.GRANT_EXTENSION: _grant_extension,
    Event.REFUSE_EXTENSION: _refuse_extension,
    Event.REPLY: _reply,
    Event.REJECT_REPLY: _reject_reply,
    Event.RATE: _rate,
    Event.NOTE_CAUSE: _note_cause,
    Event.CLOSE: _close,
    Event.REWORK: _rework,
    Event.ARCHIVE: _archive,
}
"""Events that are not here change the state alone."""


def end_clocks(
    ticket: Ticket, met: Collection[DeadlineKind], cancelled: Collection[DeadlineKind], at: datetime
) -> Ticket:
    """Open deadlines of these kinds are met, or cancelled, at that moment."""

    def ended(due: Due) -> Due:
        if due.open and due.deadline.kind in met:
            return replace(due, met_at=at)
        return replace(due, ended_at=at) if due.open and due.deadline.kind in cancelled else due

    return replace(ticket, dues=tuple(ended(due) for due in ticket.dues))


def resume_clocks(ticket: Ticket, kinds: Collection[DeadlineKind]) -> Ticket:
    """The last met deadline of these kinds runs on as if it had not been met: a rejected reply restarts no clock."""
    for kind in kinds:
        met = [due for due in ticket.dues if due.deadline.kind is kind and due.met_at is not None]
        if met:
            dues = tuple(replace(due, met_at=None) if due is met[-1] else due for due in ticket.dues)
            ticket = replace(ticket, dues=dues)
    return ticket


def start_clocks(ticket: Ticket, anchor: Anchor, detail: object, context: Context) -> Ticket:
    """Start every limit whose rule counts from this moment."""
    for kind, rule in limit_rules(ticket, anchor, detail, context).items():
        if rule is None or rule.period is None or rule.start is not anchor or ticket.due(kind) is not None:
            continue
        policy = context.policy
        new = deadline(rule.rule_id, kind, context.now, rule.period, context.calendar, policy.name, policy.workdays)
        ticket = replace(ticket, dues=(*ticket.dues, Due(new, ticket.round)))
    return ticket


def limit_rules(
    ticket: Ticket, anchor: Anchor, detail: object, context: Context
) -> Mapping[DeadlineKind, LimitRule | None]:
    """The limits that matter from this moment on, by kind; None where the regulation sets none. Raises BadChoice."""
    policy, case, now, calendar = context.policy, ticket.case, context.now, context.calendar
    if anchor is Anchor.REGISTERED:
        return {DeadlineKind.DISPATCH: dispatch_limit(policy, case, now, calendar)}
    if not isinstance(detail, Dispatch):
        return unit_limits(policy, case, now, calendar)
    if detail.statutory is None:
        rules = dict(unit_limits(policy, case, now, calendar, detail.chosen))
        return rules | _explaining(ticket, policy)
    rules = unit_limits(policy, case, now, calendar)
    statutory = statutory_rule(detail.statutory, policy.handle.statutory_basis)
    return {**rules, DeadlineKind.HANDLE: statutory, DeadlineKind.PROGRESS: progress_rule(policy)}


def _explaining(ticket: Ticket, policy: Policy) -> dict[DeadlineKind, LimitRule | None]:
    """A round that only explains again has a limit of its own. Source: WX-025."""
    follow = policy.follow
    if ticket.rework_mode != ReworkMode.EXPLAIN or follow is None or follow.explain is None:
        return {}
    rule = LimitRule("follow.explain", When(), follow.explain, Anchor.DISPATCH, follow.explain_basis)
    return {DeadlineKind.HANDLE: rule}


def start_survey_clock(ticket: Ticket, delivered_at: datetime, context: Context) -> Ticket:
    """Silence counts from delivery to the end of the policy's window."""
    policy = context.policy
    new = deadline(
        "survey.window",
        DeadlineKind.SURVEY,
        delivered_at,
        policy.survey.window,
        context.calendar,
        policy.name,
        policy.workdays,
    )
    return replace(ticket, dues=(*ticket.dues, Due(new, ticket.round)))
