"""A unit's work: its tickets by what is to be done with them, the most pressing first, and how many of each.

By the query itself a unit sees its own alone: as lead, as assist, or as the department above. Page by due time.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, and_, case, func, literal, or_, select, true, tuple_
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.selectable import LateralFromClause

from callcenter.types import Actor, TicketId, UnitId
from ticketing import store, tables
from ticketing.aftercare.tables import ticket_commitment
from ticketing.clocks import DeadlineKind
from ticketing.dispatch.coordination_tables import coordination_unit
from ticketing.dispatch.disputes_tables import assist_order
from ticketing.dispatch.units_tables import unit_notice
from ticketing.knowledge.tables import knowledge_question
from ticketing.record import NotYours
from ticketing.supervision.tables import supervision
from ticketing.words import State

MAX_PAGE = 100
ZERO = datetime(1970, 1, 1, tzinfo=UTC)
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
"""Sorts what has no limit behind all that has one."""
_t, _d = tables.ticket.c, tables.ticket_deadline.c
IN_WORK = (State.SIGNED, State.HANDLING)
WITH_US = (State.DISPATCHED, *IN_WORK, State.AWAITING_UNIT_SIGNOFF)
ANSWERED = (State.REPLIED, State.AWAITING_FEEDBACK_APPROVAL, State.SURVEYING)


class Tab(StrEnum):
    """What is to be done."""

    TO_SIGN = "to_sign"
    IN_HAND = "in_hand"
    REJECTED = "rejected"
    """The reply came back; the old limit runs on."""
    ASSISTS = "assists"
    SIGNOFF = "signoff"
    """The unit's principal has to sign and seal the result."""
    OVERDUE = "overdue"
    SUPERVISED = "supervised"
    PASSED_DOWN = "passed_down"
    """With a unit of ours, and we stay answerable."""
    ANSWERED = "answered"
    """Replied; the hotline looks at it or asks the citizen."""


COUNTED = tuple(tab for tab in Tab if tab is not Tab.ANSWERED)


@dataclass(frozen=True, slots=True)
class Job:
    """One line. due_at: the next limit that runs for this unit, of kind due_kind; None: none does."""

    id: TicketId
    version: int
    round: int
    state: State
    request_type: str
    title: str
    place: str
    content: str
    urgent: bool
    lead_unit: UnitId | None
    due_at: datetime | None
    due_kind: str
    rule: str
    provisional: bool
    rejections: int
    card: str
    supervising: tuple[str, ...]
    return_open: bool
    extension_asked: int
    policy_id: str
    policy_version: int


@dataclass(frozen=True, slots=True)
class Around:
    """What waits for a unit beside its tickets."""

    notices: int
    coordination: int
    questions: int
    tasks: int
    supervisions: int
    commitments: int


def unit_of(actor: Actor) -> UnitId:
    """Whose work it is. Raises NotYours for a person without a unit."""
    if actor.unit is None:
        raise NotYours("您的账号没有所属单位。请联系管理员设置。")
    return actor.unit


async def find(
    tx: AsyncConnection, tab: Tab, *, actor: Actor, now: datetime, text: str = "", after: str = "", limit: int = 50
) -> tuple[tuple[Job, ...], str | None]:
    """A page, the most pressing first, and where the next one begins. after: as it was answered, `<µs>-<id>`."""
    unit, size = unit_of(actor), max(1, min(limit, MAX_PAGE))
    due = _next_due(tab, unit)
    at = func.coalesce(due.c.due_at, literal(NEVER, TIMESTAMP(timezone=True)))
    columns = [_t[name] for name in _PLAIN]
    query = (
        select(*columns, due.c.due_at, due.c.due_kind, due.c.rule, due.c.provisional)
        .select_from(tables.ticket.outerjoin(due, true()))
        .where(*_of(tab, unit, now), store.open_to(actor))
    )
    if text:
        said = (_t[name].contains(text, autoescape=True) for name in ("id", "title", "content", "place"))
        query = query.where(or_(*said))
    if after:
        micros, _, number = after.partition("-")
        query = query.where(tuple_(at, _t.id) > tuple_(ZERO + timedelta(microseconds=int(micros)), number))
    rows = (await tx.execute(query.order_by(at, _t.id).limit(size + 1))).mappings().all()
    found = tuple(_job(row) for row in rows[:size])
    return found, _mark(found[-1]) if len(rows) > size else None


async def counts(tx: AsyncConnection, *, actor: Actor, now: datetime) -> dict[Tab, int]:
    """How many of each, in one look at the unit's open tickets."""
    unit = unit_of(actor)
    each = [func.count().filter(and_(*_of(tab, unit, now))) for tab in COUNTED]
    ours = (store.visible_to(unit), _t.state.in_(WITH_US), store.open_to(actor))
    row = (await tx.execute(select(*each).select_from(tables.ticket).where(*ours))).one()
    return dict(zip(COUNTED, row, strict=True))


async def around(tx: AsyncConnection, *, actor: Actor) -> Around:
    """How much waits beside the tickets."""
    unit, task, k = unit_of(actor), tables.manual_task.c, supervision.c
    asked = (
        (unit_notice, (unit_notice.c.unit == unit, unit_notice.c.seen_at.is_(None))),
        (coordination_unit, (coordination_unit.c.unit == unit, coordination_unit.c.answered_at.is_(None))),
        (knowledge_question, (knowledge_question.c.unit == unit, knowledge_question.c.answered_at.is_(None))),
        (tables.manual_task, (task.unit == unit, task.state == "open")),
        (supervision, (k.unit == unit, k.ended_at.is_(None), k.answered_at.is_(None))),
        (ticket_commitment, (ticket_commitment.c.unit == unit, ticket_commitment.c.state == "open")),
    )
    numbers = [select(func.count()).select_from(table).where(*own).scalar_subquery() for table, own in asked]
    return Around(*(await tx.execute(select(*numbers))).one())


_PLAIN = tuple(name for name in Job.__dataclass_fields__ if name not in ("due_at", "due_kind", "rule", "provisional"))


def _of(tab: Tab, unit: UnitId, now: datetime) -> tuple[ColumnElement[bool], ...]:
    """The conditions of a tab."""
    lead = _t.lead_unit == unit
    match tab:
        case Tab.TO_SIGN:
            return (lead, _t.state == State.DISPATCHED)
        case Tab.IN_HAND:
            return (lead, _t.state.in_(IN_WORK), _t.rejections == 0)
        case Tab.REJECTED:
            return (lead, _t.state.in_(IN_WORK), _t.rejections > 0)
        case Tab.ASSISTS:
            return (_t.assist_units.contains([unit]), _t.state.in_(WITH_US), _asked_of(unit).exists())
        case Tab.SIGNOFF:
            return (lead, _t.state == State.AWAITING_UNIT_SIGNOFF)
        case Tab.PASSED_DOWN:
            return (_t.authority == unit, _t.state.in_(WITH_US))
        case Tab.ANSWERED:
            return (or_(lead, _t.authority == unit), _t.state.in_(ANSWERED))
        case Tab.SUPERVISED:
            return (or_(lead, _t.authority == unit), _t.state.in_(WITH_US), func.cardinality(_t.supervising) > 0)
        case Tab.OVERDUE:
            late = select(_d.id).where(*_running(), _d.kind == DeadlineKind.HANDLE, _d.due_at < now)
            return (or_(lead, _t.authority == unit), _t.state.in_(WITH_US), late.exists())


def _asked_of(unit: UnitId) -> Select[Any]:
    own = assist_order.c
    asked = (own.ticket_id == _t.id, own.unit == unit, own.ended_at.is_(None), own.opinion_at.is_(None))
    return select(own.due_at, literal("assist").label("due_kind")).where(*asked)


def _running() -> tuple[ColumnElement[bool], ...]:
    return (_d.ticket_id == _t.id, _d.met_at.is_(None), _d.ended_at.is_(None))


def _next_due(tab: Tab, unit: UnitId) -> LateralFromClause:
    """The limit that counts on this tab: the order's for an assist, the signature's before it is signed, else the
    nearest of what the unit itself must keep."""
    if tab is Tab.ASSISTS:
        mine = _asked_of(unit).add_columns(literal("").label("rule"), literal(False).label("provisional"))
        return mine.limit(1).lateral("due")
    ours = (DeadlineKind.CONTACT, DeadlineKind.HANDLE, DeadlineKind.PROGRESS)
    only = {Tab.TO_SIGN: (DeadlineKind.SIGN, DeadlineKind.HANDLE), Tab.OVERDUE: (DeadlineKind.HANDLE,)}
    columns = (_d.due_at, _d.kind.label("due_kind"), _d.rule, _d.provisional)
    # The signature's first where there is one: that is what is to be done.
    order = (case((_d.kind == DeadlineKind.SIGN, 0), else_=1), _d.due_at)
    return (
        select(*columns).where(*_running(), _d.kind.in_(only.get(tab, ours))).order_by(*order).limit(1).lateral("due")
    )


def _job(row: RowMapping) -> Job:
    values = dict(row) | {"state": State(row["state"]), "supervising": tuple(row["supervising"])}
    values |= {name: row[name] or "" for name in ("due_kind", "rule")} | {"provisional": bool(row["provisional"])}
    return Job(**values)


def _mark(last: Job) -> str:
    return f"{((last.due_at or NEVER) - ZERO) // timedelta(microseconds=1)}-{last.id}"
