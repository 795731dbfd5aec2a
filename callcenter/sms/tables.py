"""Tables of short messages. No number is in them: who a message is for is a key into the identity vault."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import TIMESTAMP

from callcenter.sms.message import Purpose, State

metadata = MetaData()

INBOUND_STATES = ("new", "counted", "stored", "person", "stop", "unmatched")


def _at(name: str) -> Column[object]:
    return Column(name, TIMESTAMP(timezone=True))


def _needed_at(name: str) -> Column[object]:
    return Column(name, TIMESTAMP(timezone=True), nullable=False)


def _one_of(column: str, values: tuple[str, ...]) -> CheckConstraint:
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")


sms_message = Table(
    "sms_message",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("identity_id", BigInteger, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("ticket_id", Text),
    Column("body", Text, nullable=False),
    Column("state", Text, nullable=False, server_default=State.QUEUED.value),
    Column("submit_attempts", SmallInteger, nullable=False, server_default="0"),
    # How often the gateway turned us away before anything was handed over; these are not attempts.
    Column("turned_away", Integer, nullable=False, server_default="0"),
    Column("reason", Text),
    Column("gateway_id", Text),
    _at("expires_at"),
    _needed_at("created_at"),
    _at("submitting_at"),
    _at("submitted_at"),
    _at("final_at"),
    _one_of("purpose", tuple(Purpose)),
    _one_of("state", tuple(State)),
    CheckConstraint("submit_attempts BETWEEN 0 AND 1", name="submitted_at_most_once"),
    CheckConstraint("state <> 'submitting' OR submit_attempts = 1", name="submitting_is_an_attempt"),
    Index("sms_message_submitting", "submitting_at", postgresql_where=text("state = 'submitting'")),
    Index("sms_message_ticket", "ticket_id", postgresql_where=text("ticket_id IS NOT NULL")),
    Index("sms_message_identity", "identity_id", "created_at"),
)

sms_receipt = Table(
    "sms_receipt",
    metadata,
    Column("message_key", Text, ForeignKey("sms_message.key"), primary_key=True),
    Column("dlr_type", SmallInteger, primary_key=True),
    _needed_at("at"),
    Column("answer", Text),
)

sms_inbound = Table(
    "sms_inbound",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    # The gateway's own id of the message, or a hash of it: the same message twice is one row.
    Column("gateway_key", Text, nullable=False, unique=True),
    Column("identity_id", BigInteger, nullable=False),
    Column("to_number", Text, nullable=False),
    Column("body", Text, nullable=False),
    _needed_at("received_at"),
    Column("state", Text, nullable=False, server_default="new"),
    Column("survey_id", BigInteger),
    _one_of("state", INBOUND_STATES),
    Index("sms_inbound_identity", "identity_id", "received_at"),
    Index("sms_inbound_person", "received_at", postgresql_where=text("state IN ('new', 'person')")),
)

sms_stop = Table(
    "sms_stop",
    metadata,
    Column("identity_id", BigInteger, primary_key=True, autoincrement=False),
    _needed_at("since"),
)

DDL: tuple[str, ...] = (
    """
    CREATE FUNCTION sms_message_never_again() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF OLD.state NOT IN ('queued', 'submitting') AND NEW.state IN ('queued', 'submitting') THEN
            RAISE EXCEPTION 'message % is %: it is never sent again', OLD.key, OLD.state
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END $$""",
    """
    CREATE TRIGGER sms_message_never_again BEFORE UPDATE OF state ON sms_message
        FOR EACH ROW EXECUTE FUNCTION sms_message_never_again()""",
)
"""The database itself refuses to send a message again whose outcome is known or unknown."""
