"""Tables of disputes about whose duty a ticket is, and of assist orders."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from ticketing.tables import metadata


def _at(name: str, *, nullable: bool = True) -> Column[object]:
    return Column(name, TIMESTAMP(timezone=True), nullable=nullable)


def _words(name: str) -> Column[object]:
    return Column(name, ARRAY(Text), nullable=False, server_default=text("'{}'"))


ticket_dispute = Table(
    "ticket_dispute",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("ticket_id", Text, ForeignKey("ticket.id"), nullable=False),
    Column("round", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    _words("units"),
    Column("decider", Text, nullable=False),
    _at("opened_at", nullable=False),
    Column("opened_by", Text, nullable=False),
    Column("lead", Text),
    _words("assists"),
    _words("participants"),
    Column("minutes", Text, nullable=False, server_default=text("''")),
    Column("ruling", Text, nullable=False, server_default=text("''")),
    _at("ruled_at"),
    Column("ruled_by", Text),
    CheckConstraint("(ruled_at IS NULL) = (lead IS NULL)", name="ruling_names_lead"),
    Index("ticket_dispute_by_ticket", "ticket_id", "id"),
    Index("ticket_dispute_one_open", "ticket_id", unique=True, postgresql_where=text("ruled_at IS NULL")),
)

assist_order = Table(
    "assist_order",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("ticket_id", Text, ForeignKey("ticket.id"), nullable=False),
    Column("round", Integer, nullable=False),
    Column("unit", Text, nullable=False),
    Column("request", Text, nullable=False, server_default=text("''")),
    _at("sent_at", nullable=False),
    _at("due_at", nullable=False),
    _at("signed_at"),
    _at("opinion_at"),
    Column("opinion", Text, nullable=False, server_default=text("''")),
    Column("refused", Boolean, nullable=False, server_default=text("false")),
    _at("silence_told_at"),
    _at("ended_at"),
    Index("assist_order_by_ticket", "ticket_id", "round"),
    Index(
        "assist_order_one",
        "ticket_id",
        "unit",
        unique=True,
        postgresql_where=text("ended_at IS NULL"),
    ),
    Index(
        "assist_order_waiting",
        "due_at",
        postgresql_where=text("opinion_at IS NULL AND ended_at IS NULL AND silence_told_at IS NULL"),
    ),
)
