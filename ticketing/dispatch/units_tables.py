"""Tables of the unit directory: units, their people, changes to be filed, rosters, notices; the dispatch catalogue."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

from ticketing.dispatch.units import Post, UnitKind
from ticketing.tables import metadata


def _at(name: str, *, nullable: bool = True) -> Column[object]:
    return Column(name, TIMESTAMP(timezone=True), nullable=nullable)


def _text(name: str) -> Column[object]:
    return Column(name, Text, nullable=False, server_default=text("''"))


def _words(name: str) -> Column[object]:
    return Column(name, ARRAY(Text), nullable=False, server_default=text("'{}'"))


def _flag(name: str, value: str) -> Column[object]:
    return Column(name, Boolean, nullable=False, server_default=text(value))


def _id() -> Column[int]:
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


def _unit(*, nullable: bool = False) -> Column[str]:
    return Column("unit", Text, ForeignKey("unit.id"), nullable=nullable)


def _listed(column: str, *values: str) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


unit = Table(
    "unit",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("parent", Text, ForeignKey("unit.id")),
    _words("functions"),
    _words("territory"),
    _words("industry"),
    _flag("administrative", "true"),
    _flag("active", "true"),
    _text("phone"),
    Column("hours", JSONB(none_as_null=True)),
    Column("version", Integer, nullable=False, server_default=text("1")),
    _flag("edited", "false"),
    _at("updated_at", nullable=False),
    _listed("kind", *UnitKind),
    Index("unit_by_parent", "parent", postgresql_where=text("parent IS NOT NULL")),
)
"""edited: by a person; the configuration no longer overwrites it."""

unit_person = Table(
    "unit_person",
    metadata,
    _id(),
    _unit(),
    Column("post", Text, nullable=False),
    Column("name", Text, nullable=False),
    _text("phone"),
    _text("login"),
    _flag("full_time", "true"),
    _at("from_at", nullable=False),
    _at("until_at"),
    _listed("post", *Post),
    Index("unit_person_now", "unit", postgresql_where=text("until_at IS NULL")),
    Index("unit_person_by_login", "login", postgresql_where=text("until_at IS NULL AND login <> ''")),
)

unit_change = Table(
    "unit_change",
    metadata,
    _id(),
    _unit(),
    Column("post", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("changed_on", Date, nullable=False),
    _at("due_at", nullable=False),
    _at("remind_at", nullable=False),
    _at("reminded_at"),
    _at("overdue_told_at"),
    _at("filed_at"),
    Column("noted_by", Text, nullable=False),
    _listed("post", *Post),
    Index("unit_change_open", "remind_at", postgresql_where=text("filed_at IS NULL")),
    Index("unit_change_by_unit", "unit", "id"),
)

unit_shift = Table(
    "unit_shift",
    metadata,
    _id(),
    _unit(nullable=True),
    Column("name", Text, nullable=False),
    _text("phone"),
    _at("from_at", nullable=False),
    _at("until_at", nullable=False),
    _flag("leader_session", "false"),
    Column("noted_by", Text, nullable=False),
    CheckConstraint("until_at > from_at", name="shift_ends_later"),
    Index("unit_shift_until", "until_at"),
    Index("unit_shift_by_unit", "unit", "until_at"),
)
"""Who is planned to be on duty; unit null: the hotline's own people, or leaders (see ticketing.supervision.roster)."""

unit_notice = Table(
    "unit_notice",
    metadata,
    _id(),
    _unit(),
    Column("ticket_id", Text, ForeignKey("ticket.id")),
    Column("key", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    _text("person"),
    _text("phone"),
    Column("body", Text, nullable=False),
    _at("made_at", nullable=False),
    _at("seen_at"),
    Column("seen_by", Text),
    _listed("kind", "off_hours", "linkage", "filing_due", "filing_overdue", "opinion_overdue"),
    Index("unit_notice_unseen", "unit", "id", postgresql_where=text("seen_at IS NULL")),
    Index("unit_notice_by_ticket", "ticket_id", postgresql_where=text("ticket_id IS NOT NULL")),
)

dispatch_catalogue = Table(
    "dispatch_catalogue",
    metadata,
    _id(),
    Column("code", Text, nullable=False, unique=True),
    _text("subject"),
    _words("keywords"),
    _unit(),
    Column("basis", Text, nullable=False),
    Column("duty_of", Text, nullable=False),
    _flag("active", "true"),
    _flag("edited", "false"),
    _at("updated_at", nullable=False),
    _listed("duty_of", "department", "township", "shared"),
    Index("dispatch_catalogue_by_unit", "unit"),
)

dispatch_experience = Table(
    "dispatch_experience",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("unit", Text, primary_key=True),
    *(
        Column(name, Integer, nullable=False, server_default=text("0"))
        for name in ("accepted", "returned", "refused_returns", "ruled")
    ),
    UniqueConstraint("unit", "subject", name="dispatch_experience_by_unit"),
)
"""What became of dispatches: how often a unit kept, returned, had to keep, or was ruled to have such a subject."""
