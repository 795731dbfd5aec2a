"""Which facts an accepted command makes true. PURE."""

from collections.abc import Callable
from typing import Any

from callcenter.types import UnitId
from ticketing import facts
from ticketing.clocks import DeadlineKind, is_late
from ticketing.commands import (
    AddAssist,
    Answer,
    AskExtension,
    AskReturn,
    Edit,
    NoteCause,
    Rate,
    Refer,
    RefuseExtension,
    RefuseReturn,
    Reject,
    RejectReply,
    Reply,
    Rework,
    Withdraw,
)
from ticketing.facts import Fact
from ticketing.record import Context, Due, Ticket
from ticketing.words import Event

NO_UNIT = UnitId("")


def _head(ticket: Ticket, context: Context) -> dict[str, Any]:
    return {"ticket_id": ticket.id, "round": ticket.round, "at": context.now}


def _edited(before: Ticket, after: Ticket, detail: Edit, context: Context) -> tuple[Fact, ...]:
    return (facts.TicketEdited(**_head(after, context), fields=tuple(detail.changes.given())),)


def _registered(_: Ticket, after: Ticket, __: object, context: Context) -> tuple[Fact, ...]:
    head = _head(after, context)
    return (facts.TicketRegistered(**head, request_type=after.request_type, urgent=after.urgent),)


def _answered(_: Ticket, after: Ticket, detail: Answer, context: Context) -> tuple[Fact, ...]:
    return (facts.TicketAnswered(**_head(after, context), text=detail.text),)


def _rejected(_: Ticket, after: Ticket, detail: Reject, context: Context) -> tuple[Fact, ...]:
    return (facts.TicketRejected(**_head(after, context), code=detail.code, text=detail.text),)


def _referred(_: Ticket, after: Ticket, detail: Refer, context: Context) -> tuple[Fact, ...]:
    return (facts.TicketReferred(**_head(after, context), target=detail.target),)


def _forwarded(_: Ticket, after: Ticket, __: object, context: Context) -> tuple[Fact, ...]:
    return (facts.TicketForwarded(**_head(after, context)),)


def _withdrawn(_: Ticket, after: Ticket, detail: Withdraw, context: Context) -> tuple[Fact, ...]:
    return (facts.TicketWithdrawn(**_head(after, context), reason=detail.reason),)


def _dispatched(_: Ticket, after: Ticket, __: object, context: Context) -> tuple[Fact, ...]:
    sign, handle = after.due(DeadlineKind.SIGN), after.due(DeadlineKind.HANDLE)
    return (
        facts.TicketDispatched(
            **_head(after, context),
            lead=after.lead_unit or NO_UNIT,
            assists=after.assist_units,
            urgent=after.urgent,
            sign_due_at=sign.deadline.due_at if sign else None,
            handle_due_at=handle.deadline.due_at if handle else None,
        ),
    )


def _assist_added(_: Ticket, after: Ticket, detail: AddAssist, context: Context) -> tuple[Fact, ...]:
    return (facts.AssistAdded(**_head(after, context), unit=detail.unit),)


def _signed(_: Ticket, after: Ticket, __: object, context: Context) -> tuple[Fact, ...]:
    return (facts.TicketSigned(**_head(after, context), unit=after.lead_unit or NO_UNIT),)


def _started(_: Ticket, after: Ticket, __: object, context: Context) -> tuple[Fact, ...]:
    return (facts.HandlingStarted(**_head(after, context), unit=after.lead_unit or NO_UNIT),)


def _return_asked(_: Ticket, after: Ticket, detail: AskReturn, context: Context) -> tuple[Fact, ...]:
    return (facts.ReturnAsked(**_head(after, context), unit=after.lead_unit or NO_UNIT, reason=detail.reason),)


def _return_granted(before: Ticket, after: Ticket, _: object, context: Context) -> tuple[Fact, ...]:
    return (facts.ReturnGranted(**_head(after, context), unit=before.lead_unit or NO_UNIT),)


def _return_refused(_: Ticket, after: Ticket, detail: RefuseReturn, context: Context) -> tuple[Fact, ...]:
    return (facts.ReturnRefused(**_head(after, context), unit=after.lead_unit or NO_UNIT, code=detail.code),)


def _extension_asked(_: Ticket, after: Ticket, detail: AskExtension, context: Context) -> tuple[Fact, ...]:
    return (facts.ExtensionAsked(**_head(after, context), unit=after.lead_unit or NO_UNIT, amount=detail.amount),)


def _extension_granted(_: Ticket, after: Ticket, __: object, context: Context) -> tuple[Fact, ...]:
    running = after.due(DeadlineKind.HANDLE)
    assert running is not None
    unit = after.lead_unit or NO_UNIT
    return (facts.ExtensionGranted(**_head(after, context), unit=unit, due_at=running.deadline.due_at),)


def _extension_refused(_: Ticket, after: Ticket, detail: RefuseExtension, context: Context) -> tuple[Fact, ...]:
    return (facts.ExtensionRefused(**_head(after, context), unit=after.lead_unit or NO_UNIT, reason=detail.reason),)


def _replied(before: Ticket, after: Ticket, detail: Reply, context: Context) -> tuple[Fact, ...]:
    running = before.due(DeadlineKind.HANDLE)
    return (
        facts.TicketReplied(
            **_head(after, context),
            unit=after.lead_unit or NO_UNIT,
            situation=detail.contents.situation,
            on_time=_in_time(running, context),
        ),
    )


def _in_time(due: Due | None, context: Context) -> bool:
    return due is None or not is_late(due.deadline.due_at, context.now)


def _reply_rejected(_: Ticket, after: Ticket, detail: RejectReply, context: Context) -> tuple[Fact, ...]:
    unit = after.lead_unit or NO_UNIT
    told: dict[str, Any] = {"reason": detail.reason, "count": after.rejections, "defect": detail.defect}
    return (facts.ReplyRejected(**_head(after, context), unit=unit, **told),)


def _survey_begun(_: Ticket, after: Ticket, __: object, context: Context) -> tuple[Fact, ...]:
    return (facts.SurveyBegun(**_head(after, context)),)


def _survey_reached(_: Ticket, after: Ticket, __: object, context: Context) -> tuple[Fact, ...]:
    window = after.due(DeadlineKind.SURVEY)
    assert window is not None
    return (facts.SurveyReached(**_head(after, context), expires_at=window.deadline.due_at),)


def _rated(_: Ticket, after: Ticket, detail: Rate, context: Context) -> tuple[Fact, ...]:
    return (facts.TicketRated(**_head(after, context), rating=detail.rating, source=detail.source),)


def _cause_noted(_: Ticket, after: Ticket, detail: NoteCause, context: Context) -> tuple[Fact, ...]:
    return (facts.CauseNoted(**_head(after, context), unit=after.lead_unit, code=detail.code, note=detail.note),)


def _closed(_: Ticket, after: Ticket, __: object, context: Context) -> tuple[Fact, ...]:
    head = _head(after, context)
    why: dict[str, Any] = {"explained": after.explained, "closing": after.closing, "exempt": after.exempt}
    return (facts.TicketClosed(**head, rating=after.rating, source=after.rating_source, **why),)


def _reworked(before: Ticket, after: Ticket, detail: Rework, context: Context) -> tuple[Fact, ...]:
    head = _head(after, context)
    return (facts.ReworkOrdered(**head, unit=before.lead_unit, reason=detail.reason, untrue=detail.untrue),)


def _archived(_: Ticket, after: Ticket, __: object, context: Context) -> tuple[Fact, ...]:
    return (facts.TicketArchived(**_head(after, context), closed_at=after.closed_at),)


TELL: dict[Event, Callable[[Ticket, Ticket, Any, Context], tuple[Fact, ...]]] = {
    Event.EDIT: _edited,
    Event.REGISTER: _registered,
    Event.ANSWER: _answered,
    Event.REJECT: _rejected,
    Event.REFER: _referred,
    Event.FORWARD: _forwarded,
    Event.WITHDRAW: _withdrawn,
    Event.DISPATCH: _dispatched,
    Event.ADD_ASSIST: _assist_added,
    Event.SIGN: _signed,
    Event.START: _started,
    Event.ASK_RETURN: _return_asked,
    Event.GRANT_RETURN: _return_granted,
    Event.REFUSE_RETURN: _return_refused,
    Event.ASK_EXTENSION: _extension_asked,
    Event.GRANT_EXTENSION: _extension_granted,
    Event.REFUSE_EXTENSION: _extension_refused,
    Event.REPLY: _replied,
    Event.REJECT_REPLY: _reply_rejected,
    Event.BEGIN_SURVEY: _survey_begun,
    Event.SURVEY_DELIVERED: _survey_reached,
    Event.RATE: _rated,
    Event.NOTE_CAUSE: _cause_noted,
    Event.CLOSE: _closed,
    Event.REWORK: _reworked,
    Event.ARCHIVE: _archived,
}
