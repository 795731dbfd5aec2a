"""Tables of recordings, gaps, transcripts and live words (SQLAlchemy Core) and the triggers that guard them."""

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Computed,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

from callcenter.types import Party
from recordings.recording import Cause, Kind, Problem, State

metadata = MetaData()


def _one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


recording = Table(
    "recording",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("call_id", Text, nullable=False, index=True),
    Column("channel_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("party", Text, nullable=False),
    Column("path", Text, nullable=False, unique=True, comment="relative to the spool"),
    Column("state", Text, nullable=False),
    Column("started_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True)),
    Column("duration_s", Double),
    Column("size_bytes", BigInteger),
    Column("sha256", Text),
    Column("sample_rate", Integer),
    Column("problem", Text),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("delete_not_before", Date, nullable=False),
    UniqueConstraint("channel_id", "kind"),
    _one_of("kind", Kind),
    _one_of("party", Party),
    _one_of("state", State),
    _one_of("problem", Problem),
    CheckConstraint("path !~ '(^/|\\.\\.)'", name="path_inside_spool"),
    CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="sha256_shape"),
    CheckConstraint("duration_s >= 0 AND size_bytes >= 0", name="sizes_not_negative"),
)
Index(
    "recording_unsettled",
    recording.c.created_at,
    postgresql_where=recording.c.state.in_([State.EXPECTED, State.COMPLETE]),
)

recording_gap = Table(
    "recording_gap",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("call_id", Text, nullable=False, index=True),
    Column("channel_id", Text, nullable=False),
    Column("party", Text, nullable=False),
    Column("from_at", DateTime(timezone=True), nullable=False),
    Column("until_at", DateTime(timezone=True), nullable=False),
    Column("seconds", Double, Computed("extract(epoch FROM until_at - from_at)::double precision")),
    Column("cause", Text, nullable=False),
    Column("noted_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    UniqueConstraint("call_id", "channel_id", "cause", "from_at"),
    _one_of("party", Party),
    _one_of("cause", Cause),
    CheckConstraint("until_at > from_at", name="gap_has_length"),
)

transcript = Table(
    "transcript",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("call_id", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("state", Text, nullable=False, comment="partial: some legs could not be read"),
    Column("unread", JSONB, nullable=False, comment="[{party, channel_id, why}]"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    UniqueConstraint("call_id", "model"),
    CheckConstraint("state IN ('complete', 'partial', 'failed')", name="state_known"),
)

transcript_line = Table(
    "transcript_line",
    metadata,
    Column("transcript_id", ForeignKey("transcript.id", ondelete="CASCADE"), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("party", Text, nullable=False),
    Column("channel_id", Text, nullable=False),
    Column("start_s", Double, nullable=False, comment="on the call's clock"),
    Column("end_s", Double, nullable=False),
    Column("text", Text, nullable=False),
    Column("words", JSONB, nullable=False, comment="[{word, start_s, end_s, conf}]"),
    Column("confidence", Double, nullable=False),
    _one_of("party", Party),
)

live_word = Table(
    "live_word",
    metadata,
    Column("call_id", Text, primary_key=True),
    Column("stream_started_at", DateTime(timezone=True), primary_key=True),
    Column("seq", Integer, primary_key=True, comment="number of the utterance in the stream"),
    Column("party", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("start_s", Double, nullable=False, comment="from stream_started_at"),
    Column("end_s", Double, nullable=False),
    Column("conf", Double, nullable=False),
    Column("words", JSONB, nullable=False, comment="[{word, start_s, end_s, conf}]"),
    Column("final", Boolean, nullable=False),
    _one_of("party", Party),
)

_GUARD_RECORDING = """
CREATE OR REPLACE FUNCTION recording_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        RAISE EXCEPTION 'recordings are kept until delete_not_before; TRUNCATE is refused'
            USING ERRCODE = 'restrict_violation';
    END IF;
    IF TG_OP = 'DELETE' THEN
        IF OLD.delete_not_before > (now() AT TIME ZONE 'Asia/Shanghai')::date THEN
            RAISE EXCEPTION 'recording % is kept until %', OLD.id, OLD.delete_not_before
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN OLD;
    END IF;
    IF NEW.delete_not_before < OLD.delete_not_before THEN
        RAISE EXCEPTION 'recording % is kept until %; the date is never brought forward',
            OLD.id, OLD.delete_not_before USING ERRCODE = 'restrict_violation';
    END IF;
    IF (NEW.call_id, NEW.channel_id, NEW.kind, NEW.party, NEW.created_at)
        IS DISTINCT FROM (OLD.call_id, OLD.channel_id, OLD.kind, OLD.party, OLD.created_at) THEN
        RAISE EXCEPTION 'whose recording % is does not change', OLD.id USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$
"""

_GUARD_GAP = """
CREATE OR REPLACE FUNCTION recording_gap_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'recording_gap is append-only; % is refused', TG_OP USING ERRCODE = 'restrict_violation';
END $$
"""

DDL: tuple[str, ...] = (
    _GUARD_RECORDING,
    "CREATE OR REPLACE TRIGGER recording_row_guard BEFORE UPDATE OR DELETE ON recording "
    "FOR EACH ROW EXECUTE FUNCTION recording_guard()",
    "CREATE OR REPLACE TRIGGER recording_truncate_guard BEFORE TRUNCATE ON recording "
    "FOR EACH STATEMENT EXECUTE FUNCTION recording_guard()",
    _GUARD_GAP,
    "CREATE OR REPLACE TRIGGER recording_gap_row_guard BEFORE UPDATE OR DELETE ON recording_gap "
    "FOR EACH ROW EXECUTE FUNCTION recording_gap_guard()",
    "CREATE OR REPLACE TRIGGER recording_gap_truncate_guard BEFORE TRUNCATE ON recording_gap "
    "FOR EACH STATEMENT EXECUTE FUNCTION recording_gap_guard()",
)
"""Executed after the tables exist; safe to execute again."""
