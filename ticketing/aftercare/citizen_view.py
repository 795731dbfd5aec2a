"""What a citizen sees of their own request: where it stands, with whom, what comes next, by when. No identity. PURE.

Source: MC-064 (过程公开透明), balanced against the clauses on secrets: only who holds number and code sees it.
"""

from dataclasses import dataclass
from datetime import datetime

from ticketing.aftercare.confidentiality import GUARDED
from ticketing.clocks import DeadlineKind
from ticketing.record import Ticket
from ticketing.words import STATE_NAMES, State

NEXT_STEPS: dict[State, str] = {
    State.DRAFT: "话务员正在登记",
    State.REGISTERED: "等待派给承办单位",
    State.AWAITING_SUPPLEMENT: "等待您补充情况，请拨打12345",
    State.AWAITING_APPROVAL: "正在报请签批",
    State.AWAITING_DISPATCH: "等待派给承办单位",
    State.DISPATCHED: "等待承办单位签收",
    State.SIGNED: "承办单位将与您联系",
    State.HANDLING: "承办单位正在办理",
    State.AWAITING_UNIT_SIGNOFF: "承办单位负责人正在审签办理结果",
    State.REPLIED: "热线正在审核办理结果",
    State.AWAITING_FEEDBACK_APPROVAL: "办理结果正在报请签批",
    State.SURVEYING: "请对办理结果作出评价",
    State.MERGED: "与同一事项的其他诉求一并办理，结果会单独告知您",
}
ENDED = "没有后续步骤；对结果有异议的，请拨打12345"
UNNAMED = frozenset({State.DRAFT, State.REGISTERED, State.AWAITING_APPROVAL, State.AWAITING_DISPATCH})
PROMISES = {
    State.DISPATCHED: DeadlineKind.HANDLE,
    State.SIGNED: DeadlineKind.HANDLE,
    State.HANDLING: DeadlineKind.HANDLE,
    State.AWAITING_UNIT_SIGNOFF: DeadlineKind.HANDLE,
    State.CLOSED: DeadlineKind.COMMITMENT,
    State.SURVEYING: DeadlineKind.COMMITMENT,
}


@dataclass(frozen=True, slots=True)
class Progress:
    """unit: its name, `` while there is none or where it must not be told. promised_at: aware UTC; provisional: the
    holidays it crosses are not announced yet."""

    number: str
    status: str
    unit: str
    next_step: str
    promised_at: datetime | None
    provisional: bool
    registered_at: datetime | None
    closed_at: datetime | None


def progress_of(ticket: Ticket, unit_name: str) -> Progress:
    """The ticket as its citizen sees it."""
    kind = PROMISES.get(ticket.state)
    due = ticket.due(kind) if kind is not None else None
    hidden = ticket.state in UNNAMED or bool(ticket.flags & GUARDED)
    return Progress(
        number=ticket.id,
        status=STATE_NAMES[ticket.state],
        unit="" if hidden else unit_name,
        next_step=NEXT_STEPS.get(ticket.state, ENDED),
        promised_at=due.deadline.due_at if due else None,
        provisional=bool(due and due.deadline.provisional),
        registered_at=ticket.registered_at,
        closed_at=ticket.closed_at,
    )
