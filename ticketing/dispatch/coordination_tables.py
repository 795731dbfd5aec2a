"""Tables of coordination meetings and site visits: the notice, and what each unit answered."""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Identity, Index, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP

from ticketing.tables import metadata

coordination = Table(
    "coordination",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("ticket_id", Text, ForeignKey("ticket.id"), nullable=False),
    Column("kind", Text, nullable=False),
    Column("agenda", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("at", TIMESTAMP(timezone=True), nullable=False),
    Column("called_by", Text, nullable=False),
    Column("called_at", TIMESTAMP(timezone=True), nullable=False),
    CheckConstraint("kind IN ('meeting', 'site')", name="kind_known"),
    Index("coordination_by_ticket", "ticket_id", "id"),
)

coordination_unit = Table(
    "coordination_unit",
    metadata,
    Column("coordination_id", BigInteger, ForeignKey("coordination.id"), primary_key=True),
    Column("unit", Text, primary_key=True),
    Column("attendees", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("materials", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("opinion", Text, nullable=False, server_default=text("''")),
    Column("answered_by", Text),
    Column("answered_at", TIMESTAMP(timezone=True)),
    CheckConstraint("(answered_at IS NULL) = (answered_by IS NULL)", name="answered_by_somebody"),
    # What a unit still has to answer.
    Index("coordination_unit_open", "unit", "coordination_id", postgresql_where=text("answered_at IS NULL")),
)
