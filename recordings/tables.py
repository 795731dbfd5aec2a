"""Tables of recordings, gaps, transcripts and live words (SQLAlchemy Core); recordings.retention.triggers guards."""

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


def one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    """A CHECK that the column holds one of these words (or nothing)."""
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
    one_of("kind", Kind),
    one_of("party", Party),
    one_of("state", State),
    one_of("problem", Problem),
    CheckConstraint("path !~ '(^/|\\.\\.)'", name="path_inside_spool"),
    CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name="sha256_shape"),
    CheckConstraint("duration_s >= 0 AND size_bytes >= 0", name="sizes_not_negative"),
)
# Figures of a day; rows come in order of time, so the small index does.
Index("recording_created", recording.c.created_at, postgresql_using="brin")
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
    one_of("party", Party),
    one_of("cause", Cause),
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
    one_of("party", Party),
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
    one_of("party", Party),
)
