"""Tables beside a ticket's course: talks with the citizen, promises, matters, looks back, nuisance, copies, numbers."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

from ticketing.aftercare.abuse import AbuseStep
from ticketing.aftercare.contacts import Purpose, Reached
from ticketing.aftercare.follow_rules import CheckKind
from ticketing.aftercare.rechecks import Found
from ticketing.tables import _listed, metadata


def _id() -> Column[int]:
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


def _ticket_id() -> Column[str]:
    return Column("ticket_id", Text, ForeignKey("ticket.id"), nullable=False)


def _text(name: str) -> Column[object]:
    return Column(name, Text, nullable=False, server_default=text("''"))


def _at(name: str, *, nullable: bool = True) -> Column[object]:
    return Column(name, TIMESTAMP(timezone=True), nullable=nullable)


ticket_contact = Table(
    "ticket_contact",
    metadata,
    _id(),
    _ticket_id(),
    Column("round", Integer, nullable=False),
    Column("requester", BigInteger),
    Column("unit", Text),
    Column("actor", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("reached", Text, nullable=False),
    _at("at", nullable=False),
    *(_text(name) for name in ("method", "told", "over_reason")),
    _listed("purpose", *Purpose),
    _listed("reached", *Reached),
    Index("ticket_contact_by_ticket", "ticket_id", "round"),
    # The budget of a person: how often within a day.
    Index("ticket_contact_by_requester", "requester", "at", postgresql_where=text("requester IS NOT NULL")),
)
"""unit None: the hotline called."""

ticket_commitment = Table(
    "ticket_commitment",
    metadata,
    _id(),
    _ticket_id(),
    Column("round", Integer, nullable=False),
    Column("unit", Text),
    *(_text(name) for name in ("stage_result", "plan")),
    _at("made_at", nullable=False),
    _at("due_at", nullable=False),
    Column("state", Text, nullable=False, server_default=text("'open'")),
    _at("ended_at"),
    _text("result"),
    _at("told_at"),
    _listed("state", "open", "kept", "dropped"),
    Index("ticket_commitment_one_open", "ticket_id", unique=True, postgresql_where=text("state = 'open'")),
    Index("ticket_commitment_open", "due_at", "id", postgresql_where=text("state = 'open'")),
    Index("ticket_commitment_of_unit", "unit", "due_at", "id", postgresql_where=text("state = 'open'")),
)

matter = Table(
    "matter",
    metadata,
    _id(),
    Column("first_ticket", Text, ForeignKey("ticket.id"), nullable=False),
    _at("opened_at", nullable=False),
    Column("opened_by", Text, nullable=False),
)
"""One fact that was brought more than once."""

matter_member = Table(
    "matter_member",
    metadata,
    _id(),
    Column("matter_id", BigInteger, ForeignKey("matter.id"), nullable=False),
    _ticket_id(),
    Column("request_no", Integer, CheckConstraint("request_no >= 1"), nullable=False),
    Column("requester", BigInteger),
    Column("rules", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    _at("linked_at", nullable=False),
    Column("linked_by", Text, nullable=False),
    _at("ended_at"),
    Column("ended_by", Text),
    _text("why"),
    Index("matter_member_one", "ticket_id", unique=True, postgresql_where=text("ended_at IS NULL")),
    Index("matter_member_of", "matter_id", "id"),
)

ticket_check = Table(
    "ticket_check",
    metadata,
    _id(),
    _ticket_id(),
    Column("round", Integer, nullable=False),
    Column("unit", Text),
    Column("kind", Text, nullable=False),
    Column("found", Text, nullable=False),
    _text("note"),
    _at("at", nullable=False),
    Column("actor", Text, nullable=False),
    _listed("kind", *CheckKind),
    _listed("found", *Found),
    Index("ticket_check_by_ticket", "ticket_id", "id"),
    Index("ticket_check_by_unit", "unit", "at"),
)

ticket_abuse = Table(
    "ticket_abuse",
    metadata,
    _id(),
    _ticket_id(),
    Column("requester", BigInteger),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    _text("note"),
    Column("evidence", JSONB, nullable=False),
    _at("noted_at", nullable=False),
    Column("noted_by", Text, nullable=False),
    _at("confirmed_at"),
    Column("confirmed_by", Text),
    _text("confirmed_note"),
    _at("handed_at"),
    Column("handed_by", Text),
    *(_text(name) for name in ("authority", "receipt", "handed_note")),
    _listed("state", *AbuseStep),
    CheckConstraint("confirmed_by IS NULL OR confirmed_by <> noted_by", name="second_person_confirms"),
    CheckConstraint("handed_at IS NULL OR confirmed_at IS NOT NULL", name="confirmed_before_handing_over"),
    Index("ticket_abuse_by_ticket", "ticket_id", "id"),
    Index("ticket_abuse_by_requester", "requester", "id", postgresql_where=text("requester IS NOT NULL")),
)

ticket_release = Table(
    "ticket_release",
    metadata,
    _id(),
    _ticket_id(),
    Column("kind", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    _at("asked_at", nullable=False),
    Column("asked_by", Text, nullable=False),
    _at("approved_at"),
    Column("approved_by", Text),
    _text("note"),
    _at("used_at"),
    _listed("kind", "export", "copy"),
    CheckConstraint("approved_by IS NULL OR approved_by <> asked_by", name="second_person_approves"),
    CheckConstraint("used_at IS NULL OR approved_at IS NOT NULL", name="approved_before_use"),
    Index("ticket_release_by_ticket", "ticket_id", "id"),
    Index("ticket_release_waiting", "id", postgresql_where=text("approved_at IS NULL")),
)
"""A copy of something confidential: asked for by one person, approved by another, used once."""

archive_week = Table(
    "archive_week",
    metadata,
    Column("iso_year", Integer, primary_key=True),
    Column("iso_week", Integer, CheckConstraint("iso_week BETWEEN 1 AND 53"), primary_key=True),
    Column("begins_on", Date, nullable=False),
    Column("last", Integer, CheckConstraint("last >= 1"), nullable=False),
)
"""The last archive number given out in each ISO week; its row is locked until the archiving transaction ends."""
