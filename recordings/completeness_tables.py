"""Tables of completeness: the account of each leg, findings with their life, figures a day, times without recording."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from callcenter.types import Party
from recordings.accounting import Place
from recordings.recording import Problem
from recordings.storage import Level
from recordings.tables import metadata, one_of


def _at(name: str, *, nullable: bool = True) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


leg_account = Table(
    "leg_account",
    metadata,
    Column("channel_id", Text, primary_key=True),
    Column("call_id", Text, nullable=False),
    Column("party", Text, nullable=False),
    Column("day", Date, nullable=False, comment="Chinese day of the answer"),
    _at("answered_at", nullable=False),
    _at("ended_at", nullable=False),
    Column("answered_s", Double, nullable=False),
    Column("audio_s", Double, nullable=False),
    Column("gap_s", Double, nullable=False),
    Column("place", Text, nullable=False),
    _at("looked_at", nullable=False),
    one_of("party", Party),
    one_of("place", Place),
    CheckConstraint("answered_s >= 0 AND audio_s >= 0 AND gap_s >= 0", name="seconds_not_negative"),
    Index("leg_account_day", "day"),
    Index("leg_account_open", "channel_id", postgresql_where=text("place = 'spool'")),
)
"""Accounts of days that are not final yet; `recording_day` keeps their sums."""

recording_finding = Table(
    "recording_finding",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False, comment="channel id of the leg, or name of the file in the spool"),
    Column("is_file", Boolean, nullable=False),
    Column("call_id", Text),
    Column("party", Text),
    Column("path", Text, nullable=False, server_default=text("''")),
    Column("answered_s", Double),
    Column("audio_s", Double),
    _at("first_seen", nullable=False),
    _at("last_seen", nullable=False),
    _at("resolved_at"),
    Column("resolved_by", Text, comment="who closed it; empty: it went away by itself"),
    Column("note", Text, nullable=False, server_default=text("''")),
    one_of("kind", Problem),
    CheckConstraint("resolved_at IS NULL OR resolved_by IS NOT NULL", name="resolved_by_somebody"),
    Index("recording_finding_call", "call_id"),
)
_F = recording_finding.c
Index("recording_finding_open", _F.is_file, _F.subject, unique=True, postgresql_where=_F.resolved_at.is_(None))

recording_day = Table(
    "recording_day",
    metadata,
    Column("day", Date, primary_key=True),
    Column("legs", Integer, nullable=False),
    Column("answered_s", Double, nullable=False),
    Column("audio_s", Double, nullable=False),
    Column("gap_s", Double, nullable=False),
    Column("unaccounted_s", Double, nullable=False, comment="must be 0"),
    Column("gaps_by_cause", JSONB, nullable=False),
    Column("by_state", JSONB, nullable=False),
    Column("kept", Integer, nullable=False),
    Column("copied", Integer, nullable=False),
    Column("uncopied", Integer, nullable=False),
    Column("unstored", Integer, nullable=False),
    Column("oldest_unstored_s", Double, nullable=False),
    Column("stored_bytes", BigInteger, nullable=False),
    _at("computed_at", nullable=False),
    Column("final", Boolean, nullable=False, server_default=text("false")),
)

recording_pause = Table(
    "recording_pause",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("node", Text, nullable=False),
    _at("from_at", nullable=False),
    _at("until_at"),
    Column("used_share", Double, nullable=False, comment="of the spool's file system when it began"),
    CheckConstraint("until_at >= from_at", name="pause_in_order"),
)
Index(
    "recording_pause_open",
    recording_pause.c.node,
    unique=True,
    postgresql_where=recording_pause.c.until_at.is_(None),
)
"""When a node did not record new calls: for people, and for legs whose own word of it was lost."""

storage_place = Table(
    "storage_place",
    metadata,
    Column("node", Text, primary_key=True),
    Column("place", Text, primary_key=True, comment="spool, store, copy"),
    Column("total_bytes", BigInteger),
    Column("free_bytes", BigInteger),
    Column("used_share", Double),
    Column("days_left", Double, comment="until recording stops there; null: nothing grows, or nobody knows"),
    Column("level", Text, nullable=False),
    _at("since", nullable=False),
    Column("looked_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("error", Text, nullable=False, server_default=text("''")),
    one_of("level", Level),
)
"""What the disk watch of each node saw last; its level outlives a restart, so that hysteresis does too."""

_GUARD_DAY = """
CREATE OR REPLACE FUNCTION recording_day_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND NOT OLD.final THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'the figures of % are final; % is refused', OLD.day, TG_OP USING ERRCODE = 'restrict_violation';
END $$
"""

DDL: tuple[str, ...] = (
    _GUARD_DAY,
    "CREATE OR REPLACE TRIGGER recording_day_row_guard BEFORE UPDATE OR DELETE ON recording_day "
    "FOR EACH ROW EXECUTE FUNCTION recording_day_guard()",
    "ALTER TABLE recording_day ENABLE ALWAYS TRIGGER recording_day_row_guard",
)
"""Executed after the tables exist; safe to execute again."""
