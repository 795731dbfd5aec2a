"""The links of the audit's chain, in an append-only table of their own: writers of the audit wait for nobody."""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, LargeBinary, Table, Text, text
from sqlalchemy.dialects.postgresql import TIMESTAMP

from callcenter.tables import metadata

audit_link = Table(
    "audit_link",
    metadata,
    Column(
        "seq", BigInteger, CheckConstraint("seq > 0", name="audit_link_from_one"), primary_key=True, autoincrement=False
    ),
    Column("audit_id", BigInteger, ForeignKey("audit.id"), nullable=False, unique=True),
    Column("hash", LargeBinary, nullable=False),
    Column("digest", Text, nullable=False),
    Column("linked_at", TIMESTAMP(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    CheckConstraint("digest IN ('sha256', 'sm3')", name="audit_link_digest_known"),
    CheckConstraint("octet_length(hash) = 32", name="audit_link_hash_whole"),
)
