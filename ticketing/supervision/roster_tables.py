"""Tables of duty: who should be there, who was, leader sessions and what was settled in them."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Date, ForeignKey, Index, Table, Text, UniqueConstraint

from ticketing.tables import _at, _id, _listed, _text, _ticket_id, metadata
from ticketing.triggers import append_only

duty_shift = Table(
    "duty_shift",
    metadata,
    _id(),
    Column("kind", Text, nullable=False),
    Column("unit", Text),
    Column("name", Text, nullable=False),
    _text("phone"),
    _at("from_at", nullable=False),
    _at("until_at", nullable=False),
    Column("noted_by", Text, nullable=False),
    _listed("kind", "unit", "hotline", "leader"),
    CheckConstraint("until_at > from_at", name="shift_ends_later"),
    CheckConstraint("kind <> 'unit' OR unit IS NOT NULL", name="shift_has_unit"),
    Index("duty_shift_by_unit", "unit", "until_at"),
    Index("duty_shift_until", "until_at", "id"),
)
"""unit: whose duty it is; null for the hotline's own people and the government's leaders."""

duty_record = Table(
    "duty_record",
    metadata,
    _id(),
    Column("shift_id", BigInteger, ForeignKey("duty_shift.id"), nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("person", Text, nullable=False),
    _at("at", nullable=False),
    Column("noted_by", Text, nullable=False),
    _text("note"),
    _listed("kind", "on", "off", "note"),
)
"""on: somebody took the duty over; off: handed it on; note: what happened. Append-only."""

leader_session = Table(
    "leader_session",
    metadata,
    _id(),
    Column("held_on", Date, nullable=False),
    Column("leader", Text, nullable=False),
    _text("title"),
    # A department that answers the telephone itself; null: the government's leaders.
    Column("unit", Text),
    _text("note"),
    _at("noted_at", nullable=False),
    Column("noted_by", Text, nullable=False),
    Index("leader_session_by_day", "held_on", "id"),
)

leader_session_ticket = Table(
    "leader_session_ticket",
    metadata,
    _id(),
    Column("session_id", BigInteger, ForeignKey("leader_session.id"), nullable=False),
    _ticket_id(),
    Column("how", Text, nullable=False),
    Column("unit", Text, nullable=False),
    _at("at", nullable=False),
    Column("by", Text, nullable=False),
    UniqueConstraint("ticket_id", name="leader_session_ticket_once"),
    _listed("how", "assigned", "taken"),
    Index("leader_session_ticket_by_session", "session_id", "id"),
)

DDL: tuple[str, ...] = (*append_only("duty_record"), *append_only("leader_session_ticket"))
