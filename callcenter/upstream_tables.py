"""Tables of the link to the platform above: what is to be told, in order, and which requests were seen."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Identity, Index, Integer, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from callcenter.tables import metadata

upstream_message = Table(
    "upstream_message",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("ticket_id", Text, nullable=False),
    Column("external_id", Text),
    Column("round", Integer, nullable=False),
    Column("data", JSONB, nullable=False),
    Column("at", TIMESTAMP(timezone=True), nullable=False),
    Column("state", Text, nullable=False, server_default=text("'waiting'")),
    Column("tries", Integer, nullable=False, server_default=text("0")),
    Column("settled_at", TIMESTAMP(timezone=True)),
    Column("answer", Text, nullable=False, server_default=text("''")),
    CheckConstraint("state IN ('waiting', 'sent', 'refused')", name="state_known"),
    CheckConstraint("(state = 'waiting') = (settled_at IS NULL)", name="settled_when"),
    Index("upstream_message_waiting", "ticket_id", "id", postgresql_where=text("state = 'waiting'")),
    Index("upstream_message_by_ticket", "ticket_id", "id"),
)
"""key: names the message for good; the other side keeps it once, however often it comes."""

upstream_nonce = Table(
    "upstream_nonce",
    metadata,
    Column("nonce", Text, primary_key=True),
    Column("seen_at", TIMESTAMP(timezone=True), nullable=False),
    Index("upstream_nonce_seen", "seen_at"),
)
