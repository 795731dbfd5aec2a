"""Tables of accountability: cases, what shows them, the steps taken; evidence and steps are append-only."""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import ARRAY

from ticketing.tables import _at, _id, _text, _ticket_id, metadata
from ticketing.triggers import append_only


def _case_id() -> Column[int]:
    return Column("case_id", BigInteger, ForeignKey("accountability_case.id"), nullable=False)


accountability_case = Table(
    "accountability_case",
    metadata,
    _id(),
    Column("version", Integer, nullable=False, server_default=text("1")),
    Column("policy_id", Text, nullable=False),
    Column("policy_version", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("severity", Text, nullable=False),
    Column("unit", Text),
    _text("person"),
    Column("facts", Text, nullable=False),
    _at("opened_at", nullable=False),
    Column("opened_by", Text, nullable=False),
    _text("outcome"),
    _text("outcome_note"),
    _at("ended_at"),
    Column("ended_by", Text),
    Index("accountability_case_by_unit", "unit", "id"),
    Index("accountability_case_open", "id", postgresql_where=text("ended_at IS NULL")),
    Index("accountability_case_opened", "opened_at", "id"),
)

accountability_evidence = Table(
    "accountability_evidence",
    metadata,
    _id(),
    _case_id(),
    _ticket_id(),
    Column("seq", Integer, nullable=False),
    Column("hash", Text, nullable=False),
    _text("note"),
    _at("added_at", nullable=False),
    Column("added_by", Text, nullable=False),
    UniqueConstraint("case_id", "ticket_id", "seq", name="accountability_evidence_once"),
    Index("accountability_evidence_by_ticket", "ticket_id"),
)

accountability_step = Table(
    "accountability_step",
    metadata,
    _id(),
    _case_id(),
    Column("rung", Text, nullable=False),
    _at("at", nullable=False),
    Column("by", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("recipients", ARRAY(Text), nullable=False),
    UniqueConstraint("case_id", "rung", name="accountability_step_once"),
)

DDL: tuple[str, ...] = (*append_only("accountability_evidence"), *append_only("accountability_step"))
