"""The table of restore drills: what each restored, how much would have been lost, how long it took, what was wrong."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    Identity,
    Integer,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from callcenter.tables import append_only, metadata

restore_drill = Table(
    "restore_drill",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("at", TIMESTAMP(timezone=True), nullable=False, comment="when it began"),
    Column("base", Text, nullable=False, comment="stamp of the base backup; empty: there was none"),
    Column("ok", Boolean, nullable=False),
    Column("newest_live_at", TIMESTAMP(timezone=True), comment="newest moment known of the live database"),
    Column("newest_restored_at", TIMESTAMP(timezone=True), comment="newest commit in the restored one"),
    Column("rpo_s", Float, comment="seconds between the two: what would have been lost"),
    Column("answered_s", Float, comment="until the restored database answered"),
    Column("rto_s", Float, comment="until everything was checked"),
    Column("segments", Integer, nullable=False, server_default=text("0"), comment="of the log, replayed"),
    Column("recordings", Integer, nullable=False, server_default=text("0"), comment="opened from the store's copy"),
    Column("findings", JSONB, nullable=False, comment="sentences"),
    CheckConstraint("ok = (jsonb_array_length(findings) = 0)", name="ok_without_findings"),
)

DDL: tuple[str, ...] = append_only("restore_drill")
