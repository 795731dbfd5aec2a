"""Tables of what came from the platform above: its tickets by its own numbers, and all it said about them later."""

from sqlalchemy import CheckConstraint, Column, ForeignKey, Index, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from ticketing.tables import metadata


def _at(name: str, *, nullable: bool = True) -> Column[object]:
    return Column(name, TIMESTAMP(timezone=True), nullable=nullable)


upstream_ticket = Table(
    "upstream_ticket",
    metadata,
    Column("system", Text, primary_key=True),
    Column("external_id", Text, primary_key=True),
    Column("ticket_id", Text, ForeignKey("ticket.id"), nullable=False, unique=True),
    Column("source", Text, nullable=False),
    Column("digest", Text, nullable=False),
    _at("received_at", nullable=False),
    _at("feedback_due_at"),
    Column("feedback", Text, nullable=False, server_default=text("'owed'")),
    _at("feedback_at"),
    CheckConstraint("feedback IN ('owed', 'given')", name="feedback_known"),
    CheckConstraint("(feedback = 'given') = (feedback_at IS NOT NULL)", name="given_when"),
    # What is still owed to the platform, the most pressing first.
    Index("upstream_ticket_owed", "feedback_due_at", postgresql_where=text("feedback = 'owed'")),
)
"""external_id: the platform's number. digest: of what it sent, so that a repetition is told from a contradiction."""

upstream_item = Table(
    "upstream_item",
    metadata,
    Column("ticket_id", Text, ForeignKey("ticket.id"), primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("body", JSONB, nullable=False),
    _at("received_at", nullable=False),
    CheckConstraint("kind IN ('rating', 'receipt', 'urge', 'attachment', 'decision')", name="kind_known"),
)
"""What the platform said about a ticket later; key: the platform's own, so that it counts once."""
