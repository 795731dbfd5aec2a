"""Who listened to what, how much of it, and which copies were made."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Double,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE, TIMESTAMP

from callcenter.tables import metadata


def _at(name: str, *, nullable: bool = True) -> Column[object]:
    return Column(name, TIMESTAMP(timezone=True), nullable=nullable)


playback = Table(
    "playback",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("subject", Text, nullable=False, comment="recording:ID, call:ID (both sides) or export:ID"),
    Column("call_id", Text, nullable=False, index=True),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=text("''")),
    _at("began_at", nullable=False),
    _at("last_at", nullable=False),
    Column("parts", Integer, nullable=False, server_default=text("0")),
    Column("rate", Integer, nullable=False),
    Column("heard", INT8MULTIRANGE, nullable=False, server_default=text("'{}'"), comment="frames that were sent"),
    Column("seconds_heard", Double, nullable=False, server_default=text("0")),
    _at("ended_at"),
    CheckConstraint("rate > 0 AND parts >= 0 AND seconds_heard >= 0", name="playback_sane"),
    Index("playback_open", "actor", "subject", unique=True, postgresql_where=text("ended_at IS NULL")),
    Index("playback_idle", "last_at", postgresql_where=text("ended_at IS NULL")),
    Index("playback_actor", "actor", "began_at"),
)
"""One row a playback, however many parts the player asked for."""

recording_export = Table(
    "recording_export",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("recording_id", BigInteger, nullable=False, index=True),
    Column("call_id", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    _at("made_at", nullable=False),
    _at("ends_at", nullable=False),
    Column("muted", INT8MULTIRANGE, nullable=False, comment="frames that are silent: long numbers were said there"),
    Column("watermark", Text, nullable=False),
    Column("second_person", Text, nullable=False, comment="why another must approve; empty: nobody has to"),
    Column("approved_by", Text),
    _at("approved_at"),
    CheckConstraint("watermark IN ('inaudible', 'audible')", name="watermark_known"),
    CheckConstraint("approved_by <> actor", name="export_second_person"),
    CheckConstraint("(approved_by IS NULL) = (approved_at IS NULL)", name="export_approved_whole"),
    CheckConstraint("ends_at > made_at", name="export_ends"),
    Index("recording_export_actor", "actor", "made_at"),
    Index("recording_export_waiting", "id", postgresql_where=text("second_person <> '' AND approved_by IS NULL")),
)
"""Copies; the id is the number in the watermark."""

_GUARD = """
CREATE OR REPLACE FUNCTION listening_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP IN ('DELETE', 'TRUNCATE') THEN
        RAISE EXCEPTION '% tells who heard what; % is refused', TG_TABLE_NAME, TG_OP
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_TABLE_NAME = 'playback' THEN
        IF OLD.ended_at IS NOT NULL OR NOT (NEW.heard @> OLD.heard) OR NEW.parts < OLD.parts
            OR (NEW.subject, NEW.call_id, NEW.actor, NEW.reason, NEW.began_at, NEW.rate)
                IS DISTINCT FROM (OLD.subject, OLD.call_id, OLD.actor, OLD.reason, OLD.began_at, OLD.rate) THEN
            RAISE EXCEPTION 'what playback % told does not change', OLD.id USING ERRCODE = 'restrict_violation';
        END IF;
    ELSIF OLD.approved_by IS NOT NULL
        OR (NEW.recording_id, NEW.call_id, NEW.actor, NEW.reason, NEW.made_at, NEW.ends_at, NEW.muted, NEW.watermark,
            NEW.second_person)
            IS DISTINCT FROM (OLD.recording_id, OLD.call_id, OLD.actor, OLD.reason, OLD.made_at, OLD.ends_at,
            OLD.muted, OLD.watermark, OLD.second_person) THEN
        RAISE EXCEPTION 'what export % is does not change', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$
"""


def _guarded(table: str) -> tuple[str, ...]:
    return (
        f"CREATE TRIGGER {table}_guard BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION listening_guard()",
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION listening_guard()",
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_guard, ENABLE ALWAYS TRIGGER {table}_no_truncate",
    )


DDL: tuple[str, ...] = (_GUARD, *_guarded("playback"), *_guarded("recording_export"))
