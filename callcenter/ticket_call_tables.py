"""The ledger of calls about tickets: who asked for which citizen to be called, and what came of it."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP

from callcenter.tables import metadata

ticket_call = Table(
    "ticket_call",
    metadata,
    Column("call_id", Text, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("ticket_id", Text, nullable=False),
    Column("round", Integer, nullable=False),
    Column("caller", BigInteger, ForeignKey("identity.id"), nullable=False),
    Column("purpose", Text, nullable=False),
    Column("over_reason", Text, nullable=False, server_default=text("''")),
    Column("actor", Text, nullable=False),
    Column("agent", Text),
    Column("unit", Text),
    Column("asked_at", TIMESTAMP(timezone=True), nullable=False),
    Column("state", Text, nullable=False, server_default=text("'calling'")),
    Column("ended_at", TIMESTAMP(timezone=True)),
    Column("noted_at", TIMESTAMP(timezone=True)),
    Column("noted_by", Text),
    CheckConstraint("state IN ('calling', 'reached', 'unreached', 'failed', 'unknown')", name="state_known"),
    CheckConstraint("(agent IS NULL) <> (unit IS NULL)", name="one_telephone"),
    CheckConstraint("(noted_at IS NULL) = (noted_by IS NULL)", name="noted_by_somebody"),
    Index("ticket_call_of_ticket", "ticket_id", "asked_at"),
    # One call to a citizen at a time, whoever asks.
    Index("ticket_call_one_at_a_time", "caller", unique=True, postgresql_where=text("state = 'calling'")),
)
"""call_id: preset, so the row is there before the call's own. agent: the extension that rings; unit: its telephone.

state unreached: they did not answer; failed: our own telephone was not taken; unknown: nobody knows whether anything
rang. noted_at: when the talk was written into the ticket as a contact.
"""
