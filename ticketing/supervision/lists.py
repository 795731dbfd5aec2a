"""Looking at supervision: what runs, who was warned, what is near its end or over it; counts for the triggers.

Every list goes page by page by its own order, and a person of a unit sees the unit's own, by the query itself.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Row, Select, and_, exists, func, or_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import Actor, TicketId, UnitId
from ticketing import store, tables
from ticketing.clocks import DeadlineKind
from ticketing.policy import Policy
from ticketing.record import Refused, Ticket
from ticketing.supervision.rules import Card, Form, On, Trigger
from ticketing.supervision.supervision import Situation, situation_of
from ticketing.supervision.tables import supervision, supervision_note, unit_card
from ticketing.words import State

MAX_PAGE = 200
_OVER = (State.CLOSED, State.ARCHIVED, State.ANSWERED, State.TERMINATED, State.WITHDRAWN, State.REJECTED)


class SupervisionNotFound(Refused):
    """There is no such supervision, or it is not for this person to see."""

    def __init__(self) -> None:
        super().__init__("没有这项督办，或您无权查看。请核对编号。")


@dataclass(frozen=True, slots=True)
class Supervision:
    """One supervision. ticket_id None: it is about `subject`, for example a knowledge item."""

    id: int
    ticket_id: TicketId | None
    subject: str
    round: int
    trigger: str
    label: str
    basis: str
    form: Form
    automatic: bool
    opened_by: str
    opened_at: datetime
    unit: UnitId | None
    reason: str
    delegated_to: UnitId | None
    joint: tuple[str, ...]
    answer_due_at: datetime | None
    answered_at: datetime | None
    answered_by: str | None
    answer: str
    ended_at: datetime | None
    ended_by: str | None
    result: str
    solved: bool | None


@dataclass(frozen=True, slots=True)
class Note:
    at: datetime
    by: str
    unit: UnitId | None
    text: str


@dataclass(frozen=True, slots=True)
class CardRow:
    id: int
    ticket_id: TicketId
    round: int
    unit: UnitId
    level: Card
    reason: str
    basis: str
    automatic: bool
    issued_by: str
    issued_at: datetime


@dataclass(frozen=True, slots=True)
class UnitCount:
    """How often a unit was supervised (silent: without an answer in time) or warned in a period."""

    unit: UnitId
    supervised: int
    silent: int
    sms: int
    yellow: int
    red: int


@dataclass(frozen=True, slots=True)
class Running:
    """A running deadline. explained: the unit has written why it is overdue."""

    id: int
    ticket_id: TicketId
    round: int
    kind: DeadlineKind
    unit: UnitId | None
    due_at: datetime
    provisional: bool
    reminded_at: datetime | None
    title: str
    state: State
    card: str
    supervising: tuple[str, ...]
    explained: bool
    explanation: str


# ---- what the triggers ask -----------------------------------------------------------------------------------------


async def situation(tx: AsyncConnection, ticket: Ticket, policy: Policy, now: datetime) -> Situation:
    """What is known of the ticket now; the counts are asked for only where it belongs to a matter."""
    rules = policy.supervise
    if rules is None or ticket.matter is None:
        return situation_of(ticket, {}, unresolved=False)
    wanted = [one for one in rules.triggers if one.on in (On.SAME_PERSON, On.PERSON_TIMES)]
    counts = {one.code: await _count(tx, ticket, one, now) for one in wanted}
    asks = any(one.unresolved for one in rules.triggers)
    return situation_of(ticket, counts, asks and await _unresolved(tx, ticket, policy.survey.closing))


async def _count(tx: AsyncConnection, ticket: Ticket, trigger: Trigger, now: datetime) -> int:
    c = tables.ticket.c
    wanted = [c.matter == ticket.matter, c.registered_at.is_not(None), c.state != State.WITHDRAWN]
    if trigger.on is On.SAME_PERSON:
        wanted.append(c.requester == ticket.requester)
    if trigger.window is not None:
        wanted.append(c.registered_at > now - timedelta(days=trigger.window.amount))
    return int((await tx.execute(select(func.count()).where(*wanted))).scalar_one())


async def _unresolved(tx: AsyncConnection, ticket: Ticket, closing: frozenset[str]) -> bool:
    c = tables.ticket.c
    bad_end = and_(c.rating.is_not(None), c.rating.not_in(sorted(closing)))
    running = c.state.not_in([*_OVER, State.MERGED, State.DRAFT, State.REFERRED])
    earlier = (c.matter == ticket.matter, c.id < ticket.id, or_(bad_end, running))
    return bool((await tx.execute(select(exists().where(*earlier)))).scalar_one())


async def was_opened(tx: AsyncConnection, ticket: Ticket, trigger: str) -> bool:
    """Whether the system supervised the ticket for that reason before in this round, with the unit that has it now.

    What was asked of a unit that gave the ticket back ended with it; the next unit answers for itself (MC-036).
    """
    c = supervision.c
    before = [c.ticket_id == ticket.id, c.round == ticket.round, c.trigger == trigger, c.automatic]
    if ticket.dispatched_at is not None:
        before.append(c.opened_at >= ticket.dispatched_at)
    return bool((await tx.execute(select(exists().where(*before)))).scalar_one())


async def open_triggers(tx: AsyncConnection, ticket: Ticket, unit: UnitId | None) -> tuple[str, ...]:
    """Reasons under which the ticket is supervised now; with `unit`, only what was asked of that unit."""
    c = supervision.c
    query = select(c.trigger).where(c.ticket_id == ticket.id, c.ended_at.is_(None)).order_by(c.id)
    return tuple((await tx.execute(query if unit is None else query.where(c.unit == unit))).scalars())


# ---- lists ---------------------------------------------------------------------------------------------------------


async def find(
    tx: AsyncConnection,
    *,
    actor: Actor,
    running: bool | None = None,
    unit: UnitId | None = None,
    ticket_id: TicketId | None = None,
    trigger: str = "",
    before: int | None = None,
    limit: int = 50,
) -> tuple[Supervision, ...]:
    """Supervisions, newest first, below id `before`; a unit sees those asked of it and those it leads."""
    c = supervision.c
    query = select(supervision)
    for scope in (store.unit_scope(actor), unit):
        if scope is not None:
            query = query.where(or_(c.unit == scope, c.delegated_to == scope))
    if running is not None:
        query = query.where(c.ended_at.is_(None) if running else c.ended_at.is_not(None))
    if ticket_id is not None:
        query = query.where(c.ticket_id == ticket_id)
    if trigger:
        query = query.where(c.trigger == trigger)
    if before is not None:
        query = query.where(c.id < before)
    rows = (await tx.execute(query.order_by(c.id.desc()).limit(_size(limit)))).all()
    return tuple(_supervision(row) for row in rows)


async def one(tx: AsyncConnection, supervision_id: int, actor: Actor) -> Supervision:
    """That supervision, if this person may see it. Raises SupervisionNotFound."""
    c, scope = supervision.c, store.unit_scope(actor)
    query = select(supervision).where(c.id == supervision_id)
    if scope is not None:
        query = query.where(or_(c.unit == scope, c.delegated_to == scope))
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        raise SupervisionNotFound
    return _supervision(row)


async def notes(tx: AsyncConnection, supervision_id: int) -> tuple[Note, ...]:
    """What was reported on it, in order."""
    c = supervision_note.c
    query = select(c.at, c.by, c.unit, c.text).where(c.supervision_id == supervision_id).order_by(c.id)
    return tuple(Note(*row) for row in (await tx.execute(query)).all())


async def cards(
    tx: AsyncConnection,
    *,
    actor: Actor,
    unit: UnitId | None = None,
    level: Card | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before: int | None = None,
    limit: int = 50,
) -> tuple[CardRow, ...]:
    """Warning cards, newest first, below id `before`; a unit sees its own."""
    c = unit_card.c
    given = [(c.unit == scope) for scope in (store.unit_scope(actor), unit) if scope is not None]
    given += [c.level == level] if level is not None else []
    given += [c.issued_at >= since] if since is not None else []
    given += [c.issued_at < until] if until is not None else []
    given += [c.id < before] if before is not None else []
    rows = (await tx.execute(select(unit_card).where(*given).order_by(c.id.desc()).limit(_size(limit)))).mappings()
    return tuple(CardRow(**{**row, "level": Card(row["level"])}) for row in rows)


async def counts(tx: AsyncConnection, *, actor: Actor, since: datetime, until: datetime) -> tuple[UnitCount, ...]:
    """Per unit and period, by unit. A supervision is silent once its answer is overdue, or it ended without one."""
    scope = store.unit_scope(actor)
    c, k = supervision.c, unit_card.c
    silent = and_(c.answered_at.is_(None), or_(c.ended_at.is_not(None), c.answer_due_at < until))
    supervised = select(c.unit, func.count(), func.count().filter(silent)).where(
        c.unit.is_not(None), c.opened_at >= since, c.opened_at < until, *([c.unit == scope] if scope else [])
    )
    warned = select(k.unit, *(func.count().filter(k.level == level) for level in Card)).where(
        k.issued_at >= since, k.issued_at < until, *([k.unit == scope] if scope else [])
    )
    one_side = {row[0]: (row[1], row[2]) for row in (await tx.execute(supervised.group_by(c.unit))).all()}
    other = {row[0]: tuple(row[1:]) for row in (await tx.execute(warned.group_by(k.unit))).all()}
    units = sorted(one_side.keys() | other.keys())
    return tuple(UnitCount(unit, *one_side.get(unit, (0, 0)), *other.get(unit, (0, 0, 0))) for unit in units)


async def near(
    tx: AsyncConnection,
    *,
    actor: Actor,
    now: datetime,
    until: datetime,
    after: tuple[datetime, int] | None = None,
    unit: UnitId | None = None,
    kinds: tuple[DeadlineKind, ...] = (DeadlineKind.HANDLE,),
    limit: int = 50,
) -> tuple[Running, ...]:
    """Running deadlines that end in (now, until], the most pressing first, after `(due_at, id)`. Source: WX-027."""
    c = tables.ticket_deadline.c
    query = _running(store.unit_scope(actor), unit, kinds).where(c.due_at >= now, c.due_at <= until)
    return await _page(tx, query, after, limit)


async def overdue(
    tx: AsyncConnection,
    *,
    actor: Actor,
    now: datetime,
    after: tuple[datetime, int] | None = None,
    unit: UnitId | None = None,
    kinds: tuple[DeadlineKind, ...] = (DeadlineKind.HANDLE,),
    limit: int = 50,
) -> tuple[Running, ...]:
    """Running deadlines that have passed, the longest overdue first, after `(due_at, id)`. Source: MC-045."""
    query = _running(store.unit_scope(actor), unit, kinds)
    return await _page(tx, query.where(tables.ticket_deadline.c.due_at < now), after, limit)


def _running(scope: UnitId | None, unit: UnitId | None, kinds: tuple[DeadlineKind, ...]) -> Select[tuple[object, ...]]:
    d, t, m = tables.ticket_deadline, tables.ticket, tables.manual_task
    said = and_(
        m.c.ticket_id == d.c.ticket_id, m.c.round == d.c.round, m.c.kind == "explain_overdue", m.c.state == "done"
    )
    written = select(m.c.outcome).where(said).order_by(m.c.id.desc()).limit(1).scalar_subquery()
    columns = (d.c.id, d.c.ticket_id, d.c.round, d.c.kind, d.c.unit, d.c.due_at, d.c.provisional, d.c.reminded_at)
    query = (
        select(*columns, t.c.title, t.c.state, t.c.card, t.c.supervising, written.label("explanation"))
        .select_from(d.join(t, t.c.id == d.c.ticket_id))
        .where(d.c.met_at.is_(None), d.c.ended_at.is_(None), d.c.kind.in_(kinds))
    )
    for one_unit in (scope, unit):
        if one_unit is not None:
            query = query.where(d.c.unit == one_unit)
    return query


async def _page(
    tx: AsyncConnection, query: Select[tuple[object, ...]], after: tuple[datetime, int] | None, limit: int
) -> tuple[Running, ...]:
    c = tables.ticket_deadline.c
    if after is not None:
        query = query.where(tuple_(c.due_at, c.id) > after)
    rows = (await tx.execute(query.order_by(c.due_at, c.id).limit(_size(limit)))).mappings()
    return tuple(
        Running(
            **{
                **row,
                "kind": DeadlineKind(row["kind"]),
                "state": State(row["state"]),
                "supervising": tuple(row["supervising"]),
                "explained": row["explanation"] is not None,
                "explanation": row["explanation"] or "",
            }
        )
        for row in rows
    )


def _size(limit: int) -> int:
    return max(1, min(limit, MAX_PAGE))


def _supervision(row: Row[tuple[object, ...]]) -> Supervision:
    values = {name: getattr(row, name) for name in Supervision.__dataclass_fields__}
    return Supervision(**{**values, "form": Form(values["form"]), "joint": tuple(values["joint"])})
