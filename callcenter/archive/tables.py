"""Tables of the archive: packages of tickets and indexes of weeks, made here or brought in. Rows are never changed."""

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
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, TIMESTAMP

from callcenter.tables import append_only, metadata


def _at(name: str, *, nullable: bool = True) -> Column[object]:
    return Column(name, TIMESTAMP(timezone=True), nullable=nullable)


def _common() -> tuple[Column[object] | CheckConstraint, ...]:
    """What a package and an index have in common: a signed file, its week, and how it came."""
    return (
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("source", Text, nullable=False),
        Column("iso_year", Integer, nullable=False),
        Column("iso_week", Integer, nullable=False),
        Column("path", Text, nullable=False, unique=True, comment="in the archive's folder"),
        Column("sha256", Text, nullable=False, unique=True),
        Column("size_bytes", BigInteger, nullable=False),
        Column("key", Text, nullable=False, comment="fingerprint of the key that signed it"),
        _at("made_at", nullable=False),
        _at("imported_at"),
        Column("imported_by", Text),
        CheckConstraint("source IN ('here', 'imported')", name="source_known"),
        CheckConstraint("(source = 'imported') = (imported_at IS NOT NULL)", name="imported_when"),
        CheckConstraint("path !~ '(^/|\\.\\.)'", name="path_inside_folder"),
        CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="sha256_shape"),
        CheckConstraint("iso_week BETWEEN 1 AND 53", name="week_known"),
    )


archived_package = Table(
    "archived_package",
    metadata,
    *_common(),
    # No foreign key: a package that was brought in is of a ticket this system never had.
    Column("ticket_id", Text, nullable=False),
    Column("round", Integer, nullable=False),
    Column("number", Text),
    _at("archived_at", nullable=False),
    Column("files", Integer, nullable=False),
    Column("last_hash", Text, nullable=False),
    Column("secret", Boolean, nullable=False),
    Column("document", JSONB, nullable=False, comment="what it is about; nothing of the citizen"),
    Index("archived_package_once", "ticket_id", "round", unique=True, postgresql_where=text("source = 'here'")),
    # What the next index may have to list is looked for among the newest.
    Index("archived_package_made", "made_at", postgresql_where=text("source = 'here'")),
    Index("archived_package_by_ticket", "ticket_id", "round"),
    Index("archived_package_by_number", "number"),
    Index("archived_package_by_week", "iso_year", "iso_week", "id"),
)

archived_recording = Table(
    "archived_recording",
    metadata,
    Column("package_id", BigInteger, ForeignKey("archived_package.id"), primary_key=True),
    Column("name", Uuid, primary_key=True),
    Column("sealed_bytes", BigInteger, nullable=False),
    Column("sealed_sha256", Text, nullable=False),
    Index("archived_recording_by_name", "name"),
)
"""Which package has a copy of which recording."""

archived_week = Table(
    "archived_week",
    metadata,
    *_common(),
    Column("part", Integer, CheckConstraint("part >= 0"), nullable=False),
    Column("packages", Integer, nullable=False),
    Column("last", Integer, nullable=False, comment="the last number given out in the week"),
    Index("archived_week_once", "iso_year", "iso_week", "part", unique=True, postgresql_where=text("source = 'here'")),
    Index("archived_week_by_week", "iso_year", "iso_week", "id"),
)
"""part: 0, or the number of the supplement."""

archived_week_entry = Table(
    "archived_week_entry",
    metadata,
    Column("week_id", BigInteger, ForeignKey("archived_week.id"), primary_key=True),
    Column("package_id", BigInteger, ForeignKey("archived_package.id"), primary_key=True),
    Index("archived_week_entry_of", "package_id"),
)
"""Which index lists which package made here."""

DDL: tuple[str, ...] = tuple(
    line
    for table in ("archived_package", "archived_recording", "archived_week", "archived_week_entry")
    for line in append_only(table)
)
