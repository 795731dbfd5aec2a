"""Tables of tickets: the ticket, its events, deadlines, rounds of work, suggestions, surveys, tasks, archive.

timestamptz (UTC) everywhere. What must not change has a trigger that says so; what belongs together is checked
when the transaction commits: a ticket at version n has exactly its event n, leading to its state.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP

from ticketing.aftercare.survey_words import CallCause, SurveyState
from ticketing.clocks import Clock, DeadlineKind
from ticketing.triggers import DDL as DDL
from ticketing.words import Event, RatingSource, State

metadata = MetaData()


def _at(name: str, *, nullable: bool = True) -> Column[object]:
    return Column(name, TIMESTAMP(timezone=True), nullable=nullable)


def _text(name: str) -> Column[object]:
    return Column(name, Text, nullable=False, server_default=text("''"))


def _flag(name: str) -> Column[object]:
    return Column(name, Boolean, nullable=False, server_default=text("false"))


def _count(name: str, start: int = 0) -> Column[object]:
    return Column(name, Integer, nullable=False, server_default=text(str(start)))


def _listed(column: str, *values: str) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


def _id() -> Column[int]:
    return Column("id", BigInteger, Identity(always=True), primary_key=True)


def _ticket_id(*, primary_key: bool = False) -> Column[str]:
    return Column("ticket_id", Text, ForeignKey("ticket.id"), nullable=False, primary_key=primary_key)


ticket_counter = Table(
    "ticket_counter",
    metadata,
    Column("day", Date, primary_key=True),
    Column("last", Integer, CheckConstraint("last BETWEEN 1 AND 999999"), nullable=False),
)
"""The last number given out on each local day."""

ticket_policy = Table(
    "ticket_policy",
    metadata,
    Column("policy_id", Text, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("digest", Text, nullable=False),
    _at("first_used_at", nullable=False),
)
"""Policy versions in use, so that a file changed without a new version is noticed."""

ticket = Table(
    "ticket",
    metadata,
    Column("id", Text, CheckConstraint("id ~ '^[0-9]{14}$'", name="id_shape"), primary_key=True),
    Column("open_key", Text, unique=True),
    Column("state", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("round", Integer, nullable=False),
    Column("policy_id", Text, nullable=False),
    Column("policy_version", Integer, nullable=False),
    *(_text(name) for name in ("request_type", "source", "subject", "title", "content", "place")),
    *(_text(name) for name in ("occurred", "named_unit", "contact_name", "requester_kind", "accused", "grade")),
    _flag("urgent"),
    _flag("confidential"),
    Column("requester", BigInteger),
    Column("call_id", Text),
    Column("typed", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("flags", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("supervising", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    _count("supervisions"),
    _text("card"),
    _count("request_no", 1),
    Column("matter", BigInteger),
    Column("master", Text, ForeignKey("ticket.id")),
    Column("authority", Text),
    Column("lead_unit", Text),
    Column("assist_units", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    _text("approval"),
    _text("leader_instruction"),
    Column("cleared", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    _count("supplements"),
    *(_flag(name) for name in ("dispute_open", "ruled", "return_open")),
    *(
        _count(name)
        for name in ("rejections", "returns", "extension_asked", "extensions", "extended", "extensions_granted")
    ),
    _text("result"),
    Column("rating", Text),
    Column("rating_source", Text),
    _text("cause_code"),
    _flag("explained"),
    _at("contacted_at"),
    _count("contact_tries"),
    _at("followed_up_at"),
    *(_text(name) for name in ("outcome", "service_rating", "call_rating", "closing", "rework_mode")),
    *(_text(name) for name in ("repeat_rule", "responsible", "sensitivity", "publication")),
    _flag("exempt"),
    _text("last_hash"),
    _at("created_at", nullable=False),
    _at("updated_at", nullable=False),
    *(_at(f"{done}_at") for done in ("registered", "dispatched", "signed", "replied", "closed", "archived")),
    _listed("state", *State),
    _listed("rating_source", *RatingSource),
    CheckConstraint("(rating IS NULL) = (rating_source IS NULL)", name="rating_has_source"),
    # Lists go by id, newest first; each filter people use most has its own order.
    Index("ticket_by_state", "state", "id"),
    Index("ticket_by_lead", "lead_unit", "id"),
    Index("ticket_by_authority", "authority", "id", postgresql_where=text("authority IS NOT NULL")),
    Index("ticket_by_assist", "assist_units", postgresql_using="gin"),
    Index("ticket_by_type", "request_type", "id"),
    Index("ticket_by_call", "call_id"),
    Index("ticket_by_requester", "requester", "id"),
    Index("ticket_by_subject_place", "subject", "place", "id", postgresql_where=text("place <> ''")),
    Index("ticket_by_matter", "matter", "id", postgresql_where=text("matter IS NOT NULL")),
    Index("ticket_by_master", "master", "id", postgresql_where=text("master IS NOT NULL")),
    Index("ticket_by_subject", "subject", "id", postgresql_where=text("subject <> ''")),
    Index("ticket_by_rating", "rating", "id", postgresql_where=text("rating IS NOT NULL")),
    Index("ticket_by_update", "updated_at", "id"),
    Index("ticket_public", "created_at", postgresql_where=text("publication = 'public'")),
)

ticket_event = Table(
    "ticket_event",
    metadata,
    _id(),
    _ticket_id(),
    Column("seq", Integer, nullable=False),
    Column("round", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("from_state", Text),
    Column("to_state", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("actor_unit", Text),
    _at("at", nullable=False),
    _text("reason"),
    Column("data", JSONB, nullable=False),
    Column("prev_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
    UniqueConstraint("ticket_id", "seq", name="ticket_event_once"),
    _listed("kind", *Event),
    _listed("to_state", *State),
    CheckConstraint("seq >= 1", name="seq_from_one"),
)

ticket_deadline = Table(
    "ticket_deadline",
    metadata,
    _id(),
    _ticket_id(),
    Column("round", Integer, nullable=False),
    Column("unit", Text),
    Column("rule", Text, nullable=False),
    Column("kind", Text, nullable=False),
    _at("from_at", nullable=False),
    _at("due_at", nullable=False),
    Column("clock", Text, nullable=False),
    Column("amount", Integer, nullable=False),
    Column("policy_version", Text, nullable=False),
    Column("calendar_version", Text, nullable=False),
    _flag("provisional"),
    _at("met_at"),
    _at("ended_at"),
    _at("noticed_at"),
    _text("rung"),
    _at("rung_at"),
    _at("reminded_at"),
    Column("looked_at_by", Text, comment="calendar version a kept deadline was last compared with"),
    _listed("kind", *DeadlineKind),
    _listed("clock", *Clock),
    CheckConstraint("due_at > from_at", name="due_after_start"),
    Index("ticket_deadline_by_ticket", "ticket_id", "round"),
    # The sweep reads only what is open and not yet told.
    Index(
        "ticket_deadline_open",
        "due_at",
        postgresql_where=text("met_at IS NULL AND ended_at IS NULL AND noticed_at IS NULL"),
    ),
    # Reminders and cards: the next rung of every running deadline that has one.
    Index(
        "ticket_deadline_rung",
        "rung_at",
        "id",
        postgresql_where=text("met_at IS NULL AND ended_at IS NULL AND rung_at IS NOT NULL"),
    ),
    # Near and overdue lists page by due time; a unit's by its own.
    Index("ticket_deadline_running", "due_at", "id", postgresql_where=text("met_at IS NULL AND ended_at IS NULL")),
    Index(
        "ticket_deadline_running_of_unit",
        "unit",
        "due_at",
        "id",
        postgresql_where=text("met_at IS NULL AND ended_at IS NULL"),
    ),
)

ticket_assignment = Table(
    "ticket_assignment",
    metadata,
    _id(),
    _ticket_id(),
    Column("round", Integer, nullable=False),
    Column("unit", Text, nullable=False),
    Column("role", Text, nullable=False),
    _text("instruction"),
    _text("basis"),
    _text("on_spot_by"),
    Column("phone_notice", JSONB),
    Column("statutory", JSONB),
    _at("dispatched_at", nullable=False),
    _at("signed_at"),
    _at("replied_at"),
    _at("ended_at"),
    _listed("role", "lead", "assist", "authority"),
    Index("ticket_assignment_by_ticket", "ticket_id", "round"),
    Index(
        "ticket_assignment_one_lead",
        "ticket_id",
        unique=True,
        postgresql_where=text("role = 'lead' AND ended_at IS NULL"),
    ),
)

ticket_return = Table(
    "ticket_return",
    metadata,
    _id(),
    _ticket_id(),
    Column("round", Integer, nullable=False),
    Column("unit", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    _text("legal_basis"),
    _text("proper_unit"),
    _text("suggestion"),
    _at("asked_at", nullable=False),
    _at("decided_at"),
    Column("decided_by", Text),
    Column("refusal_code", Text),
    _text("decision_reason"),
    _listed("state", "requested", "granted", "refused", "handed_back", "moot"),
    Index("ticket_return_by_unit", "unit", "state"),
    Index("ticket_return_one_open", "ticket_id", unique=True, postgresql_where=text("state = 'requested'")),
)

ticket_extension = Table(
    "ticket_extension",
    metadata,
    _id(),
    _ticket_id(),
    Column("round", Integer, nullable=False),
    Column("unit", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("amount", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    _at("citizen_informed_at"),
    _text("signed_by"),
    _text("seal"),
    _at("asked_at", nullable=False),
    Column("granted", Integer),
    _at("decided_at"),
    Column("decided_by", Text),
    _text("decision_reason"),
    _listed("state", "requested", "granted", "refused", "moot"),
    Index("ticket_extension_one_open", "ticket_id", unique=True, postgresql_where=text("state = 'requested'")),
)

ticket_reply = Table(
    "ticket_reply",
    metadata,
    _id(),
    _ticket_id(),
    Column("round", Integer, nullable=False),
    Column("seq", Integer, nullable=False),
    Column("unit", Text, nullable=False),
    Column("contents", JSONB, nullable=False),
    _at("replied_at", nullable=False),
    _at("rejected_at"),
    Column("defect", Text),
    _at("untrue_at"),
    _text("untrue_why"),
    UniqueConstraint("ticket_id", "seq", name="ticket_reply_once"),
)

ticket_suggestion = Table(
    "ticket_suggestion",
    metadata,
    _id(),
    _ticket_id(),
    Column("field", Text, nullable=False),
    Column("value", Text, nullable=False),
    Column("display", Text, nullable=False),
    _text("quote"),
    Column("start_s", Float),
    Column("end_s", Float),
    Column("confidence", Float, CheckConstraint("confidence BETWEEN 0 AND 1"), nullable=False),
    Column("rule", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'proposed'")),
    _at("created_at", nullable=False),
    _at("decided_at"),
    Column("decided_by", Text),
    _listed("state", "proposed", "taken", "refused", "superseded"),
    Index("ticket_suggestion_by_ticket", "ticket_id", "field"),
)

ticket_survey = Table(
    "ticket_survey",
    metadata,
    _id(),
    _ticket_id(),
    Column("round", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("requester", BigInteger),
    Column("channel", Text, nullable=False, server_default=text("'sms'")),
    _text("extension"),
    _flag("holds_number"),
    Column("window_s", Integer, CheckConstraint("window_s > 0"), nullable=False),
    Column("no_reply", Text),
    _at("opened_at", nullable=False),
    _at("submitting_at"),
    _at("delivered_at"),
    _at("expires_at"),
    Column("rating", Text),
    Column("rating_source", Text),
    _at("rated_at"),
    Column("comment", Text),
    Column("cause", Text),
    Column("reply_keys", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    UniqueConstraint("ticket_id", "round", name="ticket_survey_once_a_round"),
    _listed("state", *SurveyState),
    _listed("rating_source", *RatingSource),
    _listed("cause", *CallCause),
    CheckConstraint("(rating IS NULL) = (rated_at IS NULL)", name="rated_when_rating"),
    # Which surveys an SMS from this person may answer, and which may have to wait.
    Index("ticket_survey_by_requester", "requester", "opened_at"),
    Index("ticket_survey_one_holds", "requester", "extension", unique=True, postgresql_where=text("holds_number")),
    Index("ticket_survey_running", "expires_at", postgresql_where=text("expires_at IS NOT NULL")),
)

manual_task = Table(
    "manual_task",
    metadata,
    _id(),
    _ticket_id(),
    Column("round", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=text("'open'")),
    Column("unit", Text),
    Column("owner", Text),
    _text("why"),
    _at("created_at", nullable=False),
    _at("due_at", nullable=False),
    _at("done_at"),
    Column("done_by", Text),
    _text("outcome"),
    _at("missed_at"),
    _listed(
        "kind",
        *("review", "manual_call", "read_reply", "explain_overdue", "supplement"),
        *("unit_follow_up", "recheck", "look_back"),
    ),
    _listed("state", "open", "done", "cancelled"),
    Index("manual_task_one_open", "ticket_id", "round", "kind", unique=True, postgresql_where=text("state = 'open'")),
    Index("manual_task_open", "due_at", postgresql_where=text("state = 'open'")),
    Index(
        "manual_task_unexplained",
        "due_at",
        postgresql_where=text("state = 'open' AND kind = 'explain_overdue' AND missed_at IS NULL"),
    ),
)

ticket_archive = Table(
    "ticket_archive",
    metadata,
    _ticket_id(primary_key=True),
    Column("round", Integer, primary_key=True, server_default=text("1")),
    Column("number", Text, unique=True),
    _at("archived_at", nullable=False),
    Column("manifest", JSONB, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("events", Integer, nullable=False),
    Column("last_hash", Text, nullable=False),
    Column("recordings_keep_until", Date, nullable=False),
)
