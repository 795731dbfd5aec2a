"""Tables of supervision: who was supervised for what and what came of it, reports on it, warning cards."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, BIGINT, TIMESTAMP

from ticketing.supervision.rules import Card, Form
from ticketing.tables import _at, _flag, _id, _listed, _text, metadata
from ticketing.triggers import append_only

supervision = Table(
    "ticket_supervision",
    metadata,
    _id(),
    # A supervision over a unit's knowledge items has no ticket, but says what it is about.
    Column("ticket_id", Text, ForeignKey("ticket.id")),
    _text("subject"),
    Column("round", Integer, nullable=False),
    Column("trigger", Text, nullable=False),
    _text("label"),
    _text("basis"),
    Column("form", Text, nullable=False),
    _flag("automatic"),
    Column("opened_by", Text, nullable=False),
    _at("opened_at", nullable=False),
    Column("unit", Text),
    _text("reason"),
    Column("delegated_to", Text),
    Column("joint", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    _at("answer_due_at"),
    _at("answered_at"),
    Column("answered_by", Text),
    _text("answer"),
    _at("ended_at"),
    Column("ended_by", Text),
    _text("result"),
    Column("solved", Boolean),
    _listed("form", *Form),
    Index(
        "ticket_supervision_one_open",
        "ticket_id",
        "trigger",
        unique=True,
        postgresql_where=text("ended_at IS NULL AND ticket_id IS NOT NULL"),
    ),
    # What the system opened by itself: once a round with each unit that has the ticket, or once for a subject.
    Index(
        "ticket_supervision_automatic",
        "ticket_id",
        "round",
        "trigger",
        postgresql_where=text("automatic AND ticket_id IS NOT NULL"),
    ),
    Index(
        "ticket_supervision_subject",
        "subject",
        "trigger",
        unique=True,
        postgresql_where=text("ticket_id IS NULL AND ended_at IS NULL"),
    ),
    Index("ticket_supervision_running", "id", postgresql_where=text("ended_at IS NULL")),
    Index("ticket_supervision_by_unit", "unit", "id"),
    Index("ticket_supervision_by_delegate", "delegated_to", "id", postgresql_where=text("delegated_to IS NOT NULL")),
    Index("ticket_supervision_opened", "opened_at", "id"),
)

supervision_note = Table(
    "supervision_note",
    metadata,
    _id(),
    Column("supervision_id", BIGINT, ForeignKey("ticket_supervision.id"), nullable=False, index=True),
    Column("at", TIMESTAMP(timezone=True), nullable=False),
    Column("by", Text, nullable=False),
    Column("unit", Text),
    Column("text", Text, nullable=False),
)
"""What the supervisors, or the department that leads, did and found; append-only."""

unit_card = Table(
    "unit_card",
    metadata,
    _id(),
    Column("ticket_id", Text, ForeignKey("ticket.id"), nullable=False),
    Column("round", Integer, nullable=False),
    Column("unit", Text, nullable=False),
    Column("level", Text, nullable=False),
    _text("reason"),
    _text("basis"),
    _flag("automatic"),
    Column("issued_by", Text, nullable=False),
    _at("issued_at", nullable=False),
    _listed("level", *Card),
    Index("unit_card_by_unit", "unit", "issued_at", "id"),
    Index("unit_card_issued", "issued_at", "id"),
)

DDL: tuple[str, ...] = (*append_only("supervision_note"), *append_only("unit_card"))
