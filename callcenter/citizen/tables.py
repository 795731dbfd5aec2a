"""Requests from the public page that wait for the code sent to their telephone."""

from sqlalchemy import Column, DateTime, ForeignKey, Index, Integer, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from callcenter.tables import identity, metadata

web_request = Table(
    "web_request",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True, comment="SHA-256 of the token in the person's form"),
    Column("identity_id", ForeignKey(identity.c.id), nullable=False),
    Column("fields", JSONB, nullable=False, comment="what was written, checked; emptied when the ticket is made"),
    Column("code_hash", LargeBinary, nullable=False, comment="HMAC of token and code"),
    Column("from_hash", LargeBinary, nullable=False, comment="HMAC of the address it came from"),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("ticket_id", Text, comment="the ticket it became"),
    Index("web_request_person", "identity_id", "created_at"),
    Index("web_request_from", "from_hash", "created_at"),
    Index("web_request_age", "created_at"),
    comment="requests from the public page; unconfirmed ones go after a day",
)
