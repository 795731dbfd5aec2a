"""Signatures as the API answers them: what waits for a person, a ticket's chains, the sheet to be printed."""

from datetime import datetime

from sqlalchemy import RowMapping

from callcenter.web.approval_rows import ApprovalRow, StepRow
from callcenter.web.router import Out
from callcenter.web.ticket_shapes import Veil
from ticketing.approvals.lists import Signed, Waiting
from ticketing.approvals.signing import GATE_NAMES, Gate
from ticketing.record import Ticket
from ticketing.words import FLAG_NAMES

STEP_COLUMNS = ("signer", "kind", "state", "active", "signed_by", "signed_at", "seal", "reference")
STATE_NAMES = {"open": "签批中", "granted": "已同意", "declined": "不同意", "withdrawn": "已撤销"}


class ApprovalList(Out):
    rows: list[ApprovalRow]


class WaitingRow(Out):
    """version: give it when signing."""

    step: int
    approval: int
    ticket: str
    version: int
    title: str
    urgent: bool
    gate: str
    gate_name: str
    signer: str
    why: str
    basis: str
    reading: str
    document: str
    asked_at: datetime


class WaitingPage(Out):
    """next: give it back as `after`."""

    rows: list[WaitingRow]
    next: int | None


class Sheet(Out):
    """呈批件: one ticket, one sheet, with every opinion as it was written.

    result: what the unit answered in this round. unit_name: whose head signs. people: actor -> name, of who asked and
    signed.
    """

    document: str
    ticket: str
    title: str
    content: str
    place: str
    request_type: str
    source: str
    flags: list[str]
    request_no: int
    round: int
    registered_at: datetime | None
    result: str
    unit_name: str
    people: dict[str, str]
    approval: ApprovalRow


def waiting_row(one: Waiting, veil: Veil) -> WaitingRow:
    """A line of what waits."""
    return WaitingRow(
        step=one.step_id,
        approval=one.approval_id,
        ticket=one.ticket_id,
        version=one.version,
        title=veil.text(one.title),
        urgent=one.urgent,
        gate=one.gate,
        gate_name=GATE_NAMES[Gate(one.gate)],
        signer=one.signer,
        why=veil.text(one.why),
        basis=one.basis,
        reading=one.reading,
        document=one.document,
        asked_at=one.asked_at,
    )


def approval_row(signed: Signed, veil: Veil, ticket: Ticket) -> ApprovalRow:
    """A set of signatures as this viewer reads it."""
    head = signed.head
    return ApprovalRow(
        **{name: head[name] for name in ("id", "round", "gate", "state", "document", "basis", "reading", "seal")},
        **{name: head[name] for name in ("unit", "asked_by", "asked_at", "done_at")},
        gate_name=GATE_NAMES[Gate(head["gate"])],
        state_name=STATE_NAMES[head["state"]],
        why=veil.text(head["why"]),
        contents=veil.data(head["contents"], ticket),
        # Which requests were judged unreasonable: their ids are numbers of tickets, nobody's own.
        judgements=[{**one, "reason": veil.text(one["reason"])} for one in head["judgements"] or []],
        steps=[_step(row, veil) for row in signed.steps],
    )


def _step(row: RowMapping, veil: Veil) -> StepRow:
    return StepRow(
        order=row["step_order"],
        **{name: row[name] for name in STEP_COLUMNS},
        opinion=veil.text(row["opinion"]),
        instruction=veil.text(row["instruction"]),
        attachments=list(row["attachments"]),
    )


def sheet_of(signed: Signed, veil: Veil, ticket: Ticket, unit_name: str, people: dict[str, str]) -> Sheet:
    """The sheet as it is printed and filed. people: names by actor."""
    row = approval_row(signed, veil, ticket)
    return Sheet(
        document=row.document or row.gate_name,
        ticket=ticket.id,
        **{name: veil.text(getattr(ticket, name)) for name in ("title", "content", "place", "result")},
        request_type=ticket.request_type,
        source=ticket.source,
        flags=[FLAG_NAMES[flag] for flag in sorted(ticket.flags)],
        request_no=ticket.request_no,
        round=row.round,
        registered_at=ticket.registered_at,
        unit_name=unit_name,
        people=people,
        approval=row,
    )
