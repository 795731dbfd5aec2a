"""Tables of signatures: what was asked for, step by step who signed, when, with which opinion and seal."""

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Identity, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

from ticketing.approvals.signing import Gate, SignerKind, StepState
from ticketing.tables import _listed, metadata

STATES = ("open", "granted", "declined", "withdrawn")


def _id() -> Column[int]:
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


def _text(name: str) -> Column[object]:
    return Column(name, Text, nullable=False, server_default=text("''"))


def _at(name: str, *, nullable: bool = True) -> Column[object]:
    return Column(name, TIMESTAMP(timezone=True), nullable=nullable)


approval = Table(
    "approval",
    metadata,
    _id(),
    Column("ticket_id", Text, ForeignKey("ticket.id"), nullable=False),
    Column("round", Integer, nullable=False),
    Column("gate", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'open'")),
    Column("rule", Text, nullable=False),
    *(_text(name) for name in ("basis", "reading", "document", "why")),
    Column("seal", Boolean, nullable=False, server_default=text("false")),
    Column("unit", Text),
    Column("asked_by", Text, nullable=False),
    Column("contents", JSONB),
    Column("judgements", JSONB),
    _at("asked_at", nullable=False),
    _at("done_at"),
    _listed("gate", *Gate),
    _listed("state", *STATES),
    Index("approval_one_open", "ticket_id", unique=True, postgresql_where=text("state = 'open'")),
    Index("approval_by_ticket", "ticket_id", "id"),
)
"""judgements: at a termination, which requests were judged unreasonable and why."""

approval_step = Table(
    "approval_step",
    metadata,
    _id(),
    Column("approval_id", BigInteger, ForeignKey("approval.id"), nullable=False),
    Column("step_order", Integer, nullable=False),
    Column("signer", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("unit", Text),
    Column("state", Text, nullable=False, server_default=text("'open'")),
    Column("active", Boolean, nullable=False, server_default=text("false")),
    Column("signed_by", Text),
    _at("signed_at"),
    *(_text(name) for name in ("opinion", "instruction", "seal", "reference")),
    Column("attachments", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    _listed("kind", *SignerKind),
    _listed("state", *StepState),
    Index("approval_step_by_approval", "approval_id", "step_order"),
    # What waits for a title, for a unit's head, for a supervisor: each list reads only its own open steps.
    Index("approval_step_waiting", "kind", "signer", "id", postgresql_where=text("active")),
    Index("approval_step_waiting_unit", "unit", "id", postgresql_where=text("active")),
)
"""active: the step can be signed now."""
