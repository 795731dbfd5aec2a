"""Duty rosters and leader sessions: who should be there, who was, and what a leader settled at the telephone.

What really happened is written beside the plan and never changed. Source: GZ-059, GZ-062, SQ-025, MC-020, MC-021.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from sqlalchemy import insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import Actor, TicketId, UnitId
from ticketing.clocks import ONE_DAY, Calendar, local_day
from ticketing.commands import Dispatch
from ticketing.policy import Policy
from ticketing.record import GuardFailed, NotYours, Refused
from ticketing.supervision.roster_tables import duty_record, duty_shift, leader_session, leader_session_ticket
from ticketing.supervision.rules import RosterRules

MAX_PAGE = 200
LONGEST = timedelta(days=7)
"""A shift longer than a week is a slip of the pen."""


class ShiftNotFound(Refused):
    """There is no such shift, or it is not for this person to see."""

    def __init__(self) -> None:
        super().__init__("没有这个班次，或您无权查看。请核对编号。")


class SessionNotFound(Refused):
    """There is no such session."""

    def __init__(self) -> None:
        super().__init__("没有这次领导接听记录。请核对编号。")


class Kind(StrEnum):
    """Whose duty it is."""

    UNIT = "unit"
    HOTLINE = "hotline"
    LEADER = "leader"


class Noted(StrEnum):
    ON = "on"
    OFF = "off"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Duty:
    """One planned shift with what was noted of it."""

    id: int
    kind: Kind
    unit: UnitId | None
    name: str
    phone: str
    from_at: datetime
    until_at: datetime
    records: tuple["DutyRecord", ...] = ()


@dataclass(frozen=True, slots=True)
class DutyRecord:
    kind: Noted
    person: str
    at: datetime
    noted_by: str
    note: str


@dataclass(frozen=True, slots=True)
class Session:
    """unit None: leaders of the government."""

    id: int
    held_on: date
    leader: str
    title: str
    unit: UnitId | None
    note: str
    tickets: tuple["Settled", ...] = ()


@dataclass(frozen=True, slots=True)
class Settled:
    """One request answered in a session. how: assigned on the spot, or taken by the department that answered."""

    ticket_id: TicketId
    how: str
    unit: UnitId
    at: datetime
    by: str


def rules_of(policy: Policy, kind: Kind) -> RosterRules:
    """The policy's section. Raises GuardFailed where it has none, or not for this kind."""
    if policy.roster is None or kind.value not in policy.roster.kinds:
        raise GuardFailed("本地规定没有这种值班安排。如确需安排，请联系管理员在政策文件中设置。")
    return policy.roster


async def plan(
    tx: AsyncConnection,
    policy: Policy,
    kind: Kind,
    unit: UnitId | None,
    name: str,
    phone: str,
    from_at: datetime,
    until_at: datetime,
    *,
    actor: Actor,
) -> Duty:
    """A new shift. A unit plans its own; the hotline's people plan all. Raises GuardFailed, NotYours."""
    rules = rules_of(policy, kind)
    if actor.unit is not None and (kind is Kind.HOTLINE or unit != actor.unit):
        raise NotYours("只能安排本单位的值班。")
    if kind is Kind.UNIT and unit is None:
        raise GuardFailed.by("承办单位的值班须写明单位。", rules.basis)
    if kind is Kind.HOTLINE and unit is not None:
        raise GuardFailed.by("热线的值班不写承办单位。", rules.basis)
    if not name.strip():
        raise GuardFailed.by("请写明值班人员姓名。", rules.basis)
    if not from_at < until_at <= from_at + LONGEST:
        raise GuardFailed.by("值班起止时间不对：结束应晚于开始，一个班次最长七天。", rules.basis)
    values = {"unit": unit, "name": name.strip(), "phone": phone, "from_at": from_at, "until_at": until_at}
    row = insert(duty_shift).values(**values, kind=kind, noted_by=str(actor))
    made = (await tx.execute(row.returning(duty_shift.c.id))).scalar_one()
    return Duty(made, kind, unit, name.strip(), phone, from_at, until_at)


async def note(
    tx: AsyncConnection, shift_id: int, kind: Noted, person: str, text: str, *, actor: Actor, now: datetime
) -> Duty:
    """Who took the duty over or handed it on, and what happened; only while or after it runs.

    Raises ShiftNotFound, GuardFailed.
    """
    duty = await one(tx, shift_id, actor.unit)
    if not person.strip():
        raise GuardFailed("请写明人员姓名。")
    if kind is Noted.NOTE and not text.strip():
        raise GuardFailed("请写明值班情况。")
    if now < duty.from_at - timedelta(hours=1):
        raise GuardFailed("班次还没有开始，不能记录到岗。请在开始前一小时内或开始后记录。")
    row = {"shift_id": shift_id, "kind": kind, "person": person.strip(), "at": now, "note": text}
    await tx.execute(insert(duty_record).values(**row, noted_by=str(actor)))
    return await one(tx, shift_id, actor.unit)


async def one(tx: AsyncConnection, shift_id: int, scope: UnitId | None) -> Duty:
    """The shift with its records. Raises ShiftNotFound, also for another unit's."""
    c = duty_shift.c
    query = select(duty_shift).where(c.id == shift_id)
    row = (await tx.execute(query if scope is None else query.where(c.unit == scope))).mappings().one_or_none()
    if row is None:
        raise ShiftNotFound
    return (await _with_records(tx, [dict(row)]))[0]


async def on_duty(
    tx: AsyncConnection, at: datetime, *, scope: UnitId | None, unit: UnitId | None = None
) -> tuple[Duty, ...]:
    """Who was planned at that moment, and who really was there, the unit's own duty first: the evidence of GZ-062."""
    c = duty_shift.c
    query = select(duty_shift).where(c.from_at <= at, c.until_at > at)
    for one_unit in (scope, unit):
        if one_unit is not None:
            query = query.where(c.unit == one_unit)
    rows = (await tx.execute(query.order_by(c.kind.desc(), c.id).limit(MAX_PAGE))).mappings()
    return await _with_records(tx, [dict(row) for row in rows])


async def between(
    tx: AsyncConnection,
    since: datetime,
    until: datetime,
    *,
    scope: UnitId | None,
    unit: UnitId | None = None,
    after: int = 0,
    limit: int = 50,
) -> tuple[Duty, ...]:
    """Shifts that touch [since, until), by id, after id `after`; a unit sees its own and the hotline's."""
    c = duty_shift.c
    query = select(duty_shift).where(c.until_at > since, c.from_at < until, c.id > after)
    if scope is not None:
        query = query.where(or_(c.unit == scope, c.unit.is_(None)))
    if unit is not None:
        query = query.where(c.unit == unit)
    rows = (await tx.execute(query.order_by(c.id).limit(max(1, min(limit, MAX_PAGE))))).mappings()
    return await _with_records(tx, [dict(row) for row in rows])


async def _with_records(tx: AsyncConnection, rows: Collection[dict[str, object]]) -> tuple[Duty, ...]:
    c = duty_record.c
    ids = [row["id"] for row in rows]
    found = (await tx.execute(select(duty_record).where(c.shift_id.in_(ids)).order_by(c.id))).all() if ids else []
    noted: dict[object, list[DutyRecord]] = {}
    for row in found:
        noted.setdefault(row.shift_id, []).append(
            DutyRecord(Noted(row.kind), row.person, row.at, row.noted_by, row.note)
        )
    return tuple(_duty(row, tuple(noted.get(row["id"], ()))) for row in rows)


def _duty(row: dict[str, object], records: tuple[DutyRecord, ...]) -> Duty:
    values = {name: row[name] for name in ("id", "unit", "name", "phone", "from_at", "until_at")}
    return Duty(kind=Kind(str(row["kind"])), records=records, **values)  # type: ignore[arg-type]


# ---- leader sessions -----------------------------------------------------------------------------------------------


async def hold(
    tx: AsyncConnection,
    policy: Policy,
    held_on: date,
    leader: str,
    title: str,
    unit: UnitId | None,
    text: str,
    *,
    actor: Actor,
    now: datetime,
) -> Session:
    """A leader answered, or answers, the telephone on that day. Raises GuardFailed."""
    if policy.roster is None or policy.roster.leader_session_weeks is None:
        rules_of(policy, Kind.LEADER)
    if not leader.strip():
        raise GuardFailed("请写明接听的领导姓名。")
    if held_on > local_day(now):
        raise GuardFailed("接听日期还没有到。计划请用值班安排登记，接听后再记录。")
    values = {"held_on": held_on, "leader": leader.strip(), "title": title, "unit": unit, "note": text}
    row = insert(leader_session).values(**values, noted_at=now, noted_by=str(actor))
    made = (await tx.execute(row.returning(leader_session.c.id))).scalar_one()
    return await session(tx, made)


async def session(tx: AsyncConnection, session_id: int) -> Session:
    """The session with what was settled in it. Raises SessionNotFound."""
    row = (await tx.execute(select(leader_session).where(leader_session.c.id == session_id))).one_or_none()
    if row is None:
        raise SessionNotFound
    c = leader_session_ticket.c
    found = (await tx.execute(select(leader_session_ticket).where(c.session_id == session_id).order_by(c.id))).all()
    tickets = tuple(Settled(TicketId(one.ticket_id), one.how, UnitId(one.unit), one.at, one.by) for one in found)
    return Session(row.id, row.held_on, row.leader, row.title, row.unit, row.note, tickets)


async def sessions(tx: AsyncConnection, *, before: int | None = None, limit: int = 50) -> tuple[Session, ...]:
    """Sessions without their tickets, newest first, below id `before`."""
    c = leader_session.c
    query = select(leader_session).order_by(c.id.desc()).limit(max(1, min(limit, MAX_PAGE)))
    rows = (await tx.execute(query if before is None else query.where(c.id < before))).all()
    return tuple(Session(row.id, row.held_on, row.leader, row.title, row.unit, row.note) for row in rows)


def on_the_spot(held: Session, unit: UnitId | None, instruction: str = "") -> tuple[str, Dispatch]:
    """How a request answered in this session is dispatched: a leader assigns it at once (当场分办), a department takes
    what it answered itself (自行领办). Raises GuardFailed."""
    if held.unit is not None:
        if unit is not None and unit != held.unit:
            raise GuardFailed("部门接听的诉求由该部门自行领办，不能分给其他单位。")
        said = instruction or "接听的诉求由本部门自行领办"
        return "taken", Dispatch(held.unit, instruction=said, basis=f"{held.leader}接听，自行领办")
    if unit is None:
        raise GuardFailed("请写明当场分办的承办单位。")
    said = instruction or "按接听领导当场交办的要求办理"
    return "assigned", Dispatch(unit, instruction=said, basis=f"{held.leader}接听，当场分办")


async def settle(
    tx: AsyncConnection, session_id: int, ticket_id: TicketId, how: str, unit: UnitId, *, actor: Actor, now: datetime
) -> None:
    """Write down what became of a request answered in a session, with the dispatch itself."""
    row = {"session_id": session_id, "ticket_id": ticket_id, "how": how, "unit": unit, "at": now, "by": str(actor)}
    await tx.execute(insert(leader_session_ticket).values(**row))


async def weeks_without(tx: AsyncConnection, rules: RosterRules, first: date, last: date) -> tuple[date, ...]:
    """Mondays of the periods in [first, last] in which no leader answered the telephone (原则上每周一次)."""
    if rules.leader_session_weeks is None:
        return ()
    step = ONE_DAY * 7 * rules.leader_session_weeks
    c = leader_session.c
    query = select(c.held_on).where(c.held_on >= first, c.held_on <= last + step, c.unit.is_(None))
    held = set((await tx.execute(query)).scalars())
    monday, missing = first - ONE_DAY * first.weekday(), []
    while monday <= last:
        if not any(monday <= day < monday + step for day in held):
            missing.append(monday)
        monday += step
    return tuple(missing)


def login_day(day: date, calendar: Calendar) -> bool:
    """Whether units have to sign in on that day: every working day (MC-023)."""
    return calendar.works(day)
