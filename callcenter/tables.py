"""The hub's tables: people, calls, legs, who heard whom, missed calls, commands, the identity vault, audit.

Columns of time are timestamptz (UTC); `_s` are seconds. Tables that must not change have a trigger that says so.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

metadata = MetaData()


def _at(name: str, *, nullable: bool = True) -> Column[object]:
    return Column(name, TIMESTAMP(timezone=True), nullable=nullable)


def _now(name: str) -> Column[object]:
    return Column(name, TIMESTAMP(timezone=True), nullable=False, server_default=text("clock_timestamp()"))


def _one_of(column: str, *values: str) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


def _id() -> Column[int]:
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


identity = Table(
    "identity",
    metadata,
    _id(),
    Column("number_index", LargeBinary, nullable=False, unique=True),
    Column("number_sealed", LargeBinary, nullable=False),
    Column("masked", Text, nullable=False),
    _now("first_seen_at"),
)

user_account = Table(
    "user_account",
    metadata,
    _id(),
    Column("login", Text, nullable=False, unique=True),
    Column("display_name", Text, nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("roles", ARRAY(Text), nullable=False),
    Column("titles", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("unit", Text),
    Column("extension", Text, unique=True),
    Column("disabled", Boolean, nullable=False, server_default=text("false")),
    Column("must_change_password", Boolean, nullable=False, server_default=text("false")),
    Column("failed_logins", Integer, nullable=False, server_default=text("0")),
    _at("locked_until"),
    _now("created_at"),
    Column("version", Integer, nullable=False, server_default=text("1")),
)

user_session = Table(
    "user_session",
    metadata,
    Column("token_hash", LargeBinary, primary_key=True),
    Column("user_id", BigInteger, ForeignKey("user_account.id"), nullable=False, index=True),
    _now("created_at"),
    _now("seen_at"),
    _at("ends_at", nullable=False),
)

big_screen = Table(
    "big_screen",
    metadata,
    _id(),
    Column("name", Text, nullable=False),
    Column("key_hash", LargeBinary, nullable=False, unique=True),
    Column("created_by", Text, nullable=False),
    _at("created_at", nullable=False),
    _at("ends_at", nullable=False),
    _at("seen_at"),
    _at("revoked_at"),
    Column("revoked_by", Text),
)
"""A screen on a wall and the key it reads its figures with; it is nobody's session."""

handling_unit = Table(
    "handling_unit",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("emergency", Boolean, nullable=False, server_default=text("false")),
    Column("active", Boolean, nullable=False, server_default=text("true")),
)

calendar_file = Table(
    "calendar_file",
    metadata,
    Column("name", Text, CheckConstraint("name ~ '^[a-z][a-z0-9-]{1,31}$'", name="name_shape"), primary_key=True),
    Column("content", Text, nullable=False),
    _at("imported_at", nullable=False),
    Column("imported_by", Text, nullable=False),
)
"""Calendar files an operator brought in, laid over those that are shipped; the name is the file's, without .yaml."""

READS = ("identity.reveal", "ticket.reveal", "recording.play", "recording.export")
"""Deeds of the audit by which a person learns who somebody is, or hears them."""

audit = Table(
    "audit",
    metadata,
    _id(),
    _now("at"),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("ok", Boolean, nullable=False),
    Column("detail", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    # Who saw or heard what, asked by an auditor: newest first, by subject, person, kind of deed, or time.
    Index("audit_subject", "subject", "at"),
    Index("audit_actor", "actor", "at"),
    Index("audit_action", "action", "at"),
    Index("audit_at", "at"),
    Index("audit_reads", "at", "actor", postgresql_where=text(f"action IN {READS}")),
    # The daily look at who signed in.
    Index("audit_sign_in", "at", "actor", postgresql_where=text("action = 'session.login'")),
)

agent = Table(
    "agent",
    metadata,
    Column("id", Text, primary_key=True),
    Column("user_id", BigInteger, ForeignKey("user_account.id"), unique=True),
    Column("name", Text, nullable=False),
    Column("queues", ARRAY(Text), nullable=False),
    Column("desired", Text, nullable=False, server_default=text("'logged_out'")),
    Column("reason", Text, nullable=False, server_default=text("''")),
    _now("since"),
    _at("wrap_up_until"),
    Column("call_id", Text),
    Column("observed", Text, nullable=False, server_default=text("'unknown'")),
    _at("observed_at"),
    CheckConstraint("desired IN ('logged_out', 'ready', 'paused', 'wrap_up')", name="desired_known"),
)

agent_event = Table(
    "agent_event",
    metadata,
    _id(),
    Column("agent_id", Text, ForeignKey("agent.id"), nullable=False),
    _at("at", nullable=False),
    Column("kind", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=text("''")),
    Column("call_id", Text),
    Column("actor", Text, nullable=False),
    Index("agent_event_agent", "agent_id", "id"),
)

call = Table(
    "call",
    metadata,
    Column("id", Text, primary_key=True),
    Column("node", Text, nullable=False),
    Column("direction", Text, nullable=False, server_default=text("'in'")),
    Column("caller", BigInteger, ForeignKey("identity.id")),
    Column("state", Text, nullable=False),
    Column("queue", Text),
    Column("request_type", Text),
    Column("agent_id", Text),
    _at("started_at", nullable=False),
    _at("answered_at"),
    _at("queued_at"),
    _at("agent_ringing_at"),
    _at("agent_answered_at"),
    _at("wrap_up_ended_at"),
    _at("ended_at"),
    Column("exit_reason", Text),
    Column("story", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    _one_of("direction", "in", "callback", "outbound"),
    Index("call_started", "started_at", "id"),
    Index("call_open", "id", postgresql_where=text("ended_at IS NULL")),
    Index("call_caller", "caller", "started_at"),
    # Lists by agent and by queue, and who reached nobody, newest first.
    Index("call_agent", "agent_id", "started_at", "id"),
    Index("call_queue", "queue", "started_at", "id"),
    Index(
        "call_missed",
        "started_at",
        "id",
        postgresql_where=text("direction = 'in' AND agent_answered_at IS NULL AND ended_at IS NOT NULL"),
    ),
)

leg = Table(
    "leg",
    metadata,
    Column("channel_id", Text, primary_key=True),
    Column("call_id", Text, ForeignKey("call.id"), nullable=False, index=True),
    Column("party", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("who", Text, nullable=False, server_default=text("''")),
    _at("created_at", nullable=False),
    _at("answered_at"),
    _at("ended_at"),
    Column("cause", Integer),
    Column("recorded", Boolean, nullable=False, server_default=text("true"), comment="false: there was no room for it"),
    Column(
        "accounted", Boolean, nullable=False, server_default=text("false"), comment="its seconds are in leg_account"
    ),
    _one_of("party", "citizen", "agent", "unit", "supervisor", "tap"),
    Index("leg_withheld", "call_id", postgresql_where=text("NOT recorded")),
    # What the watch of recordings has not looked at yet: a handful of rows, however many legs there are.
    Index(
        "leg_unaccounted",
        "ended_at",
        "channel_id",
        postgresql_where=text(
            "NOT accounted AND answered_at IS NOT NULL AND ended_at IS NOT NULL"
            " AND party IN ('citizen', 'agent', 'unit')"
        ),
    ),
)

talk = Table(
    "talk",
    metadata,
    _id(),
    Column("call_id", Text, ForeignKey("call.id"), nullable=False, index=True),
    Column("bridge_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("channel_id", Text, nullable=False),
    Column("party", Text, nullable=False),
    _at("from_at", nullable=False),
    _at("until_at"),
    UniqueConstraint("bridge_id", "channel_id", "from_at", name="talk_once"),
    _one_of("kind", "bridge", "conference", "hold", "spy", "phone_hold"),
)

call_event = Table(
    "call_event",
    metadata,
    _id(),
    Column("call_id", Text, ForeignKey("call.id"), nullable=False),
    _at("at", nullable=False),
    _now("noted_at"),
    Column("kind", Text, nullable=False),
    Column("data", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Index("call_event_call", "call_id", "id"),
)

missed_call = Table(
    "missed_call",
    metadata,
    _id(),
    Column("call_id", Text, ForeignKey("call.id"), nullable=False, unique=True),
    Column("caller", BigInteger, ForeignKey("identity.id")),
    Column("queue", Text, nullable=False, server_default=text("''")),
    Column("reason", Text, nullable=False),
    Column("asked", Boolean, nullable=False, server_default=text("false")),
    _at("at", nullable=False),
    _at("due_at", nullable=False),
    Column("owner", Text),
    Column("state", Text, nullable=False, server_default=text("'open'")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("calling_as", Text, unique=True),
    Column("resolved_by", Text),
    _at("resolved_at"),
    _one_of("state", "open", "calling", "recovered", "superseded", "unreachable", "no_number"),
    Index("missed_call_due", "due_at", "id", postgresql_where=text("state IN ('open', 'calling')")),
    # The ledger of a day, and what has been settled, newest first.
    Index("missed_call_at", "at", "id"),
    Index(
        "missed_call_one_attempt",
        "caller",
        unique=True,
        postgresql_where=text("state = 'calling'"),
    ),
)

call_command = Table(
    "call_command",
    metadata,
    _id(),
    Column("key", Text, nullable=False, unique=True),
    Column("node", Text, nullable=False),
    Column("call_id", Text),
    Column("kind", Text, nullable=False),
    Column("args", JSONB, nullable=False),
    Column("actor", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'asked'")),
    Column("result", JSONB),
    _now("asked_at"),
    _at("started_at"),
    _at("done_at"),
    _one_of("state", "asked", "running", "done", "failed", "unknown"),
    Index("call_command_open", "id", postgresql_where=text("state IN ('asked', 'running')")),
)

listener_gap = Table(
    "listener_gap",
    metadata,
    _id(),
    Column("node", Text, nullable=False),
    _at("from_at", nullable=False),
    _at("until_at"),
    Column("cause", Text, nullable=False),
)

cel = Table(
    "cel",
    metadata,
    _id(),
    Column("eventtype", Text),
    Column("eventtime", TIMESTAMP(timezone=True)),
    Column("cid_name", Text),
    Column("cid_num", Text),
    Column("cid_ani", Text),
    Column("cid_rdnis", Text),
    Column("cid_dnid", Text),
    Column("exten", Text),
    Column("context", Text),
    Column("channame", Text),
    Column("appname", Text),
    Column("amaflags", Integer),
    Column("accountcode", Text),
    Column("peeraccount", Text),
    Column("uniqueid", Text),
    Column("linkedid", Text),
    Column("userfield", Text),
    Column("peer", Text),
    Column("userdeftype", Text),
    Column("extra", Text),
    Index("cel_linkedid", "linkedid", "id"),
    Index("cel_time", "eventtime"),
)

mark = Table(
    "mark",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Float, nullable=False),
    _now("at"),
)
"""Places reached by readers of a stream (`cel:<node>` -> byte offset)."""

APPEND_ONLY = ("audit", "audit_link", "agent_event", "call_event")

REFUSE_CHANGE = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END $$
"""


def append_only(table: str) -> tuple[str, ...]:
    """Statements that make PostgreSQL refuse UPDATE, DELETE and TRUNCATE of `table`, its owner's included."""
    return (
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        f"CREATE TRIGGER {table}_no_truncate BEFORE TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()",
        # ALWAYS: session_replication_role = replica does not get past them.
        f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_append_only, ENABLE ALWAYS TRIGGER {table}_no_truncate",
    )


DDL: tuple[str, ...] = (REFUSE_CHANGE, *(line for table in APPEND_ONLY for line in append_only(table)))
