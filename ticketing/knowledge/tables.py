"""Tables of the knowledge base: items, every version of them, what was done to them, questions, and where they helped.

Versions, events and uses are append-only. When an item or a version was uploaded is the database's word: it is set
there and never changes (LS-052 lets a unit argue with it).
"""

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
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP, TSVECTOR

from ticketing.clocks import Clock
from ticketing.knowledge.contents import Template
from ticketing.knowledge.items import Act, ItemState
from ticketing.knowledge.rules import Defect, Trigger
from ticketing.tables import metadata


def _at(name: str, *, nullable: bool = True, by_database: bool = False) -> Column[object]:
    default = text("now()") if by_database else None
    return Column(name, TIMESTAMP(timezone=True), nullable=nullable, server_default=default)


def _text(name: str) -> Column[object]:
    return Column(name, Text, nullable=False, server_default=text("''"))


def _id() -> Column[int]:
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


def _item_id() -> Column[int]:
    return Column("item_id", BigInteger, ForeignKey("knowledge_item.id"), nullable=False)


def _listed(column: str, *values: str) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(str(value)) for value in values)})", name=f"{column}_known")


knowledge_item = Table(
    "knowledge_item",
    metadata,
    _id(),
    Column("unit", Text, nullable=False),
    _text("accountable"),
    Column("state", Text, nullable=False),
    Column("version", Integer, CheckConstraint("version >= 1"), nullable=False),
    Column("live", Integer),
    Column("revision", Integer, nullable=False, server_default=text("1")),
    Column("title", Text, nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("valid_until", Date),
    Column("verified_on", Date),
    Column("review_due_on", Date),
    _at("review_noticed_at"),
    _at("refused_at"),
    _at("refused_noticed_at"),
    Column("search", TSVECTOR),
    _at("uploaded_at", nullable=False, by_database=True),
    _at("updated_at", nullable=False, by_database=True),
    _listed("state", *ItemState),
    CheckConstraint("live <= version", name="live_is_a_version"),
    CheckConstraint("state <> 'published' OR live = version", name="published_is_live"),
    CheckConstraint("valid_until >= valid_from", name="valid_in_order"),
    Index(
        "knowledge_item_search",
        "search",
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
        postgresql_where=text("live IS NOT NULL"),
    ),
    Index("knowledge_item_by_unit", "unit", "id"),
    Index("knowledge_item_by_state", "state", "id"),
    Index(
        "knowledge_item_expiring",
        "valid_until",
        postgresql_where=text("state = 'published' AND valid_until IS NOT NULL"),
    ),
    Index(
        "knowledge_item_review",
        "review_due_on",
        postgresql_where=text("live IS NOT NULL AND review_noticed_at IS NULL"),
    ),
    Index(
        "knowledge_item_refused",
        "refused_at",
        postgresql_where=text("refused_at IS NOT NULL AND refused_noticed_at IS NULL"),
    ),
)

knowledge_version = Table(
    "knowledge_version",
    metadata,
    Column("item_id", BigInteger, ForeignKey("knowledge_item.id"), primary_key=True),
    Column("version", Integer, CheckConstraint("version >= 1"), primary_key=True),
    Column("template", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("keywords", ARRAY(Text), nullable=False),
    Column("contents", JSONB, nullable=False),
    Column("body", Text, nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("valid_until", Date),
    Column("trigger", Text, nullable=False),
    _text("note"),
    Column("author", Text, nullable=False),
    Column("author_unit", Text),
    _at("uploaded_at", nullable=False, by_database=True),
    _listed("template", *Template),
    _listed("trigger", *Trigger),
)

knowledge_event = Table(
    "knowledge_event",
    metadata,
    _id(),
    _item_id(),
    Column("version", Integer, nullable=False),
    Column("act", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("actor_unit", Text),
    _text("note"),
    _at("at", nullable=False),
    _listed("act", *Act),
    Index("knowledge_event_by_item", "item_id", "id"),
)

knowledge_question = Table(
    "knowledge_question",
    metadata,
    _id(),
    Column("unit", Text, nullable=False),
    Column("item_id", BigInteger, ForeignKey("knowledge_item.id")),
    Column("item_version", Integer),
    Column("defect", Text),
    Column("ticket_id", Text, ForeignKey("ticket.id")),
    Column("asked", Text, nullable=False),
    Column("asked_by", Text, nullable=False),
    _at("asked_at", nullable=False),
    _at("due_at", nullable=False),
    Column("rule", Text, nullable=False),
    Column("clock", Text, nullable=False),
    Column("amount", Integer, CheckConstraint("amount >= 1"), nullable=False),
    Column("policy_version", Text, nullable=False),
    Column("calendar_version", Text, nullable=False),
    Column("provisional", Boolean, nullable=False),
    Column("answer", Text),
    Column("answered_by", Text),
    _at("answered_at"),
    Column("answer_item", BigInteger, ForeignKey("knowledge_item.id")),
    _at("noticed_at"),
    _listed("defect", *Defect),
    _listed("clock", *Clock),
    CheckConstraint("defect IS NULL OR item_id IS NOT NULL", name="defect_of_an_item"),
    CheckConstraint("(answered_at IS NULL) = (answer IS NULL)", name="answered_when_answer"),
    Index("knowledge_question_open", "due_at", "id", postgresql_where=text("answered_at IS NULL")),
    Index("knowledge_question_by_unit", "unit", "id"),
    Index("knowledge_question_by_item", "item_id", "id", postgresql_where=text("item_id IS NOT NULL")),
)
"""Questions to units, and reports of what is wrong with an item (defect): one kind of task, one limit (LS-072)."""

knowledge_use = Table(
    "knowledge_use",
    metadata,
    _id(),
    Column("ticket_id", Text, ForeignKey("ticket.id"), nullable=False),
    _item_id(),
    Column("version", Integer, nullable=False),
    Column("how", Text, nullable=False),
    Column("actor", Text, nullable=False),
    _at("used_at", nullable=False),
    _listed("how", "answer", "linked"),
    UniqueConstraint("ticket_id", "item_id", "version", "how", name="knowledge_use_once"),
    Index("knowledge_use_by_item", "item_id", "id"),
)
"""Which version of which item an agent answered from."""


def _append_only(table: str) -> tuple[str, str]:
    refuse = f"EXECUTE FUNCTION ticketing_refuse('{table}')"
    return (
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW {refuse}",
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} FOR EACH STATEMENT {refuse}",
    )


DDL: tuple[str, ...] = (
    """
    CREATE FUNCTION knowledge_upload_time() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      NEW.uploaded_at := now();
      RETURN NEW;
    END $$
    """,
    """
    CREATE FUNCTION knowledge_item_keeps_its_rules() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF TG_OP = 'DELETE' THEN
        RAISE EXCEPTION 'knowledge %: items are never deleted', OLD.id USING ERRCODE = 'restrict_violation';
      END IF;
      IF NEW.uploaded_at IS DISTINCT FROM OLD.uploaded_at OR NEW.id <> OLD.id THEN
        RAISE EXCEPTION 'knowledge %: the upload time never changes', OLD.id USING ERRCODE = 'restrict_violation';
      END IF;
      IF NEW.version < OLD.version THEN
        RAISE EXCEPTION 'knowledge %: versions only rise', OLD.id USING ERRCODE = 'restrict_violation';
      END IF;
      RETURN NEW;
    END $$
    """,
    "CREATE TRIGGER knowledge_item_uploaded BEFORE INSERT ON knowledge_item "
    "FOR EACH ROW EXECUTE FUNCTION knowledge_upload_time()",
    "CREATE TRIGGER knowledge_version_uploaded BEFORE INSERT ON knowledge_version "
    "FOR EACH ROW EXECUTE FUNCTION knowledge_upload_time()",
    "CREATE TRIGGER knowledge_item_keeps_its_rules BEFORE UPDATE OR DELETE ON knowledge_item "
    "FOR EACH ROW EXECUTE FUNCTION knowledge_item_keeps_its_rules()",
    "CREATE TRIGGER knowledge_item_no_truncate BEFORE TRUNCATE ON knowledge_item FOR EACH STATEMENT "
    "EXECUTE FUNCTION ticketing_refuse('knowledge_item')",
    *_append_only("knowledge_version"),
    *_append_only("knowledge_event"),
    *_append_only("knowledge_use"),
)
