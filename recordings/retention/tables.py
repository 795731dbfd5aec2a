"""Tables of retention: why a call's recordings are kept, holds, what the second clock said, certificates."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)

from recordings.retention.rules import FLOOR_YEARS, SHORTEST_REASON
from recordings.tables import metadata, recording


def _id() -> Column[int]:
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


def _at(name: str) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=False)


def _now(name: str) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=False, server_default=func.now())


retention_basis = Table(
    "retention_basis",
    metadata,
    _id(),
    Column("call_id", Text, nullable=False),
    _at("called_at"),
    _at("closed_at"),
    Column("years", Integer, nullable=False),
    Column("policy_id", Text, nullable=False),
    Column("policy_version", Integer, nullable=False),
    Column("article", Text, nullable=False),
    Column("not_before", Date, nullable=False),
    _now("noted_at"),
    UniqueConstraint("call_id", "closed_at", "policy_id", "policy_version", "years"),
    CheckConstraint(f"years >= {FLOOR_YEARS}", name="years_at_least_floor"),
)
"""What a ticket's policy asked for when it closed; append-only."""

legal_hold = Table(
    "legal_hold",
    metadata,
    _id(),
    Column("call_id", Text, index=True),
    Column("recording_id", ForeignKey(recording.c.id), index=True),
    Column("reason", Text, nullable=False),
    Column("placed_by", Text, nullable=False),
    _now("placed_at"),
    Column("until_day", Date, comment="its last Chinese day; null: no cap"),
    Column("released_at", DateTime(timezone=True)),
    CheckConstraint("(call_id IS NULL) <> (recording_id IS NULL)", name="one_subject"),
    CheckConstraint(f"length(reason) >= {SHORTEST_REASON}", name="reason_given"),
)

hold_release = Table(
    "hold_release",
    metadata,
    _id(),
    Column("hold_id", ForeignKey(legal_hold.c.id), nullable=False, index=True),
    Column("until_day", Date, comment="the earlier last day that is asked for; null: release at once"),
    Column("reason", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    _now("asked_at"),
    Column("decided_by", Text),
    Column("decided_at", DateTime(timezone=True)),
    Column("granted", Boolean),
    CheckConstraint("lower(decided_by) <> lower(asked_by)", name="two_persons"),
    CheckConstraint(
        "(decided_by IS NULL) = (decided_at IS NULL) AND (decided_by IS NULL) = (granted IS NULL)",
        name="decided_is_whole",
    ),
    CheckConstraint(f"length(reason) >= {SHORTEST_REASON}", name="reason_given"),
    Index("hold_release_one_open", "hold_id", unique=True, postgresql_where=text("decided_at IS NULL")),
)
"""A wish to end or shorten a hold, and what a second person decided."""

clock_witness = Table(
    "clock_witness",
    metadata,
    _id(),
    _now("noted_at"),
    _at("second_at"),
    Column("source", Text, nullable=False),
    Column("agreed", Boolean, nullable=False, server_default=text("false"), comment="set by the trigger"),
)
"""What the second clock said beside the database's own time; append-only."""

deletion_certificate = Table(
    "deletion_certificate",
    metadata,
    _id(),
    Column("recording_id", ForeignKey(recording.c.id), nullable=False, unique=True),
    Column("call_id", Text, nullable=False, index=True),
    Column("name", Uuid, nullable=False, unique=True),
    Column("sealed_sha256", Text, nullable=False),
    Column("sealed_bytes", BigInteger, nullable=False),
    Column("samples_sha256", Text),
    _at("recorded_at"),
    _at("counted_from"),
    Column("years", Integer, nullable=False),
    Column("policy_id", Text, nullable=False),
    Column("policy_version", Integer, nullable=False),
    Column("article", Text, nullable=False),
    Column("delete_not_before", Date, nullable=False),
    _at("recycled_at"),
    _at("deleted_at"),
    _at("second_at"),
    Column("deleted_by", Text, nullable=False),
    Column("sha256", Text, nullable=False, unique=True),
    CheckConstraint("sha256 ~ '^[0-9a-f]{64}$' AND sealed_sha256 ~ '^[0-9a-f]{64}$'", name="sha256_shape"),
)

Index("recording_delete_not_before", recording.c.delete_not_before)
