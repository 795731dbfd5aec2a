"""Tables of files kept with tickets: what lies sealed in the store, and which ticket it belongs to.

One sealed object serves every ticket the same bytes were given to. A row of `attachment` is part of its ticket's
archive (see `ticketing.records.package_tables`), so it holds only what a checksum can be made of.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP

from callcenter.attachments.kinds import KINDS
from callcenter.attachments.words import Place, Purpose
from ticketing.tables import metadata


def _at(name: str, *, nullable: bool = True) -> Column[object]:
    return Column(name, TIMESTAMP(timezone=True), nullable=nullable)


def _one_of(column: str, *values: str) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


attachment_object = Table(
    "attachment_object",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Uuid, nullable=False, unique=True),
    Column("path", Text, nullable=False, unique=True, comment="in the store and in its copy"),
    Column("place", Text, nullable=False),
    Column("sha256", Text, nullable=False, comment="of the file as it came"),
    Column("plain_bytes", BigInteger, nullable=False),
    Column("cipher", Text),
    Column("key_id", Text),
    Column("wrapped_key", LargeBinary),
    Column("sealed_bytes", BigInteger),
    Column("sealed_sha256", Text),
    _at("prepared_at", nullable=False),
    _at("stored_at"),
    _at("copied_at"),
    _at("gone_at"),
    _at("checked_at"),
    Column("trouble", Text, nullable=False, server_default=text("''"), comment="why no place could mend it"),
    _one_of("place", *Place),
    CheckConstraint("sha256 ~ '^[0-9a-f]{64}$' AND plain_bytes > 0", name="file_described"),
    CheckConstraint(
        "place <> 'stored' OR (cipher IS NOT NULL AND wrapped_key IS NOT NULL AND sealed_bytes > 0"
        " AND sealed_sha256 ~ '^[0-9a-f]{64}$' AND stored_at IS NOT NULL)",
        name="stored_is_described",
    ),
    # The same bytes lie there once.
    Index("attachment_object_once", "sha256", unique=True, postgresql_where=text("place = 'stored'")),
    Index("attachment_object_unsettled", "id", postgresql_where=text("place IN ('prepared', 'leaving')")),
    Index("attachment_object_due", text("coalesce(checked_at, stored_at)"), postgresql_where=text("place = 'stored'")),
    Index("attachment_object_in_trouble", "id", postgresql_where=text("trouble <> ''")),
    Index("attachment_object_uncopied", "id", postgresql_where=text("place = 'stored' AND copied_at IS NULL")),
)

attachment = Table(
    "attachment",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("ticket_id", Text, ForeignKey("ticket.id"), nullable=False),
    Column("round", Integer, nullable=False),
    Column("object_id", BigInteger, ForeignKey("attachment_object.id"), nullable=False, index=True),
    Column("purpose", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("note", Text, nullable=False, server_default=text("''")),
    _at("added_at", nullable=False),
    Column("added_by", Text, nullable=False),
    Column("added_unit", Text),
    _at("removed_at"),
    Column("removed_by", Text),
    _one_of("purpose", *Purpose),
    _one_of("kind", *KINDS),
    CheckConstraint("(removed_at IS NULL) = (removed_by IS NULL)", name="removed_by_somebody"),
    Index("attachment_of_ticket", "ticket_id", "id"),
    # The same file given twice, for the same, is one.
    Index(
        "attachment_once",
        "ticket_id",
        "purpose",
        "sha256",
        unique=True,
        postgresql_where=text("removed_at IS NULL"),
    ),
)
