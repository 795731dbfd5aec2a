"""The unit directory in the database: read, seeded from configuration, edited by people, with changes to be filed."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import Actor, UnitId
from ticketing.clocks import OfficeHours, at_local, local_day
from ticketing.dispatch import units_tables as t
from ticketing.dispatch.units import FILED_POSTS, Change, Person, Post, Unit, UnitKind, filing_due
from ticketing.policy import Policy, Rules
from ticketing.record import GuardFailed, Refused, StaleTicket


class UnitNotFound(Refused):
    """There is no such unit, or it is not this person's."""

    def __init__(self) -> None:
        super().__init__("没有这家承办单位。请从单位名录中选择。")


@dataclass(frozen=True, slots=True)
class Kept:
    """A unit as stored. version: give it back with the next change."""

    unit: Unit
    version: int


async def load(tx: AsyncConnection, ids: Collection[UnitId] | None = None) -> dict[UnitId, Kept]:
    """Units by id, inactive ones too; all of them when `ids` is None."""
    query = select(t.unit)
    people = select(t.unit_person).where(t.unit_person.c.until_at.is_(None)).order_by(t.unit_person.c.id)
    if ids is not None:
        query = query.where(t.unit.c.id.in_(ids))
        people = people.where(t.unit_person.c.unit.in_(ids))
    persons: dict[str, list[Person]] = {}
    for row in await tx.execute(people):
        persons.setdefault(row.unit, []).append(_person(row))
    rows = await tx.execute(query.order_by(t.unit.c.id))
    return {UnitId(row.id): Kept(_unit(row, tuple(persons.get(row.id, ()))), row.version) for row in rows}


async def one(tx: AsyncConnection, unit: UnitId) -> Kept:
    """Raises UnitNotFound."""
    found = (await load(tx, [unit])).get(unit)
    if found is None:
        raise UnitNotFound
    return found


async def seed(tx: AsyncConnection, units: Iterable[Unit], now: datetime) -> None:
    """Make the directory say what the configuration says; what people edited, and their people, stay."""
    known = await load(tx)
    listed = sorted(units, key=lambda unit: unit.parent is not None)
    for unit in listed:
        row = upsert(t.unit).values(id=unit.id, updated_at=now, **_row(unit))
        set_ = {**_row(unit), "updated_at": now}
        await tx.execute(
            row.on_conflict_do_update(index_elements=["id"], set_=set_, where=~t.unit.c.edited & _differs(unit))
        )
        if unit.id not in known and unit.people:
            await tx.execute(insert(t.unit_person), [_person_row(unit.id, person, now) for person in unit.people])
    gone = known.keys() - {unit.id for unit in listed}
    if gone:
        await tx.execute(update(t.unit).where(t.unit.c.id.in_(gone), ~t.unit.c.edited).values(active=False))


async def save(tx: AsyncConnection, unit: Unit, now: datetime, expected_version: int | None) -> Kept:
    """Store what people said of a unit. expected_version None: a new unit. Raises GuardFailed, StaleTicket."""
    if unit.parent is not None:
        await one(tx, unit.parent)
        if unit.parent == unit.id:
            raise GuardFailed("单位不能以自己为主管部门。请重新选择。")
    if unit.kind in (UnitKind.ENTERPRISE, UnitKind.SUBORDINATE) and unit.parent is None:
        raise GuardFailed("企事业单位和下属单位须填写主管部门或上级单位。")
    if expected_version is None:
        made = upsert(t.unit).values(id=unit.id, updated_at=now, edited=True, **_row(unit))
        done = await tx.execute(made.on_conflict_do_nothing().returning(t.unit.c.id))
        if done.scalar_one_or_none() is None:
            raise GuardFailed("已经有这个编号的单位。请换一个编号，或修改原单位。")
        return Kept(unit, 1)
    current = select(t.unit.c.version).where(t.unit.c.id == unit.id).with_for_update()
    version = (await tx.execute(current)).scalar_one_or_none()
    if version is None:
        raise UnitNotFound
    if version != expected_version:
        raise StaleTicket(expected_version, version)
    changed = update(t.unit).where(t.unit.c.id == unit.id)
    await tx.execute(changed.values(version=version + 1, edited=True, updated_at=now, **_row(unit)))
    return Kept(unit, version + 1)


@dataclass(frozen=True, slots=True)
class PeopleChange:
    """changed_on: the day somebody took up or left the post. filed: the unit tells us now, which is the filing."""

    post: Post
    people: tuple[Person, ...]
    changed_on: date
    filed: bool = True


async def change_people(
    tx: AsyncConnection, unit: UnitId, change: PeopleChange, *, actor: Actor, now: datetime, rules: Rules
) -> Change | None:
    """Those who hold this post from now on. Where changes are filed, returns the filing, late or in time (LS-016)."""
    kept = await one(tx, unit)
    policy = rules.at(now)
    if change.changed_on > local_day(now):
        raise GuardFailed("调整日期晚于今天。请核对。")
    if any(person.post is not change.post for person in change.people):
        raise GuardFailed("人员的岗位与所改岗位不一致。请核对。")
    _keep_a_handler(kept.unit, change, policy)
    current = (t.unit_person.c.unit == unit, t.unit_person.c.post == change.post, t.unit_person.c.until_at.is_(None))
    await tx.execute(update(t.unit_person).where(*current).values(until_at=now))
    if change.people:
        await tx.execute(insert(t.unit_person), [_person_row(unit, person, now) for person in change.people])
    return await _filed(tx, unit, change, actor, now, rules)


def _keep_a_handler(unit: Unit, change: PeopleChange, policy: Policy) -> None:
    """A unit with handlers does not end without any (MC-003)."""
    dispatching = policy.dispatching
    rule = dispatching.handlers if dispatching else None
    if rule and change.post is Post.HANDLER and unit.handlers and len(change.people) < rule.least:
        raise GuardFailed.by(f"承办单位须配备至少{rule.least}名具办人员。请先登记接替的人员。", rule.basis)


async def note_change(
    tx: AsyncConnection,
    unit: UnitId,
    post: Post,
    what: str,
    changed_on: date,
    *,
    actor: Actor,
    now: datetime,
    rules: Rules,
) -> Change:
    """The hotline knows of a change which the unit has not filed: it is reminded, then flagged (LS-016)."""
    await one(tx, unit)
    noted = await _filed(tx, unit, PeopleChange(post, (), changed_on, filed=False), actor, now, rules, what)
    if noted is None:
        raise GuardFailed("本地规定没有人员变动备案的要求，或该岗位不须备案。请直接修改人员。")
    return noted


async def _filed(
    tx: AsyncConnection, unit: UnitId, change: PeopleChange, actor: Actor, now: datetime, rules: Rules, what: str = ""
) -> Change | None:
    policy = rules.at(now)
    filing = policy.dispatching.filing if policy.dispatching else None
    if filing is None or change.post not in FILED_POSTS:
        return None
    open_ones = select(t.unit_change).where(
        t.unit_change.c.unit == unit, t.unit_change.c.post == change.post, t.unit_change.c.filed_at.is_(None)
    )
    noted = (await tx.execute(open_ones.order_by(t.unit_change.c.id).limit(1).with_for_update())).one_or_none()
    if noted is not None and change.filed:
        mine = t.unit_change.c.id == noted.id
        await tx.execute(update(t.unit_change).where(mine).values(filed_at=now))
        return Change(unit, change.post, noted.what, noted.changed_on, noted.due_at, now)
    begins = at_local(change.changed_on, time(9))
    due = filing_due(begins, filing.limit, rules.calendar, policy.workdays)
    told = what or "、".join(person.name for person in change.people) or "暂缺"
    remind = filing_due(begins, filing.remind, rules.calendar, policy.workdays)
    row = insert(t.unit_change).values(
        unit=unit,
        post=change.post,
        what=told,
        changed_on=change.changed_on,
        due_at=due,
        remind_at=remind,
        filed_at=now if change.filed else None,
        noted_by=str(actor),
    )
    await tx.execute(row)
    return Change(unit, change.post, told, change.changed_on, due, now if change.filed else None)


@dataclass(frozen=True, slots=True)
class FilingDue:
    """A change of people is not filed. overdue: its limit has passed."""

    at: datetime

    unit: UnitId
    post: Post
    what: str
    due_at: datetime
    overdue: bool


async def sweep_filings(tx: AsyncConnection, now: datetime, limit: int = 200) -> tuple[FilingDue, ...]:
    """Changes to remind of, and those overdue, each told once (LS-016)."""
    table, told = t.unit_change, []
    for mark, when in (("overdue_told_at", table.c.due_at), ("reminded_at", table.c.remind_at)):
        query = select(table).where(table.c.filed_at.is_(None), table.c[mark].is_(None), when < now)
        rows = (await tx.execute(query.order_by(table.c.id).limit(limit).with_for_update(skip_locked=True))).all()
        for row in rows:
            done = {"reminded_at": now} if mark == "reminded_at" else {"reminded_at": now, "overdue_told_at": now}
            await tx.execute(update(table).where(table.c.id == row.id).values(**done))
            overdue = row.due_at < now
            told.append(FilingDue(now, UnitId(row.unit), Post(row.post), row.what, row.due_at, overdue))
    return tuple(told)


async def changes_of(tx: AsyncConnection, unit: UnitId | None = None, limit: int = 200) -> tuple[Change, ...]:
    """Filings, those still open first."""
    query = select(t.unit_change).order_by(t.unit_change.c.filed_at.isnot(None), t.unit_change.c.id.desc())
    if unit is not None:
        query = query.where(t.unit_change.c.unit == unit)
    return tuple(
        Change(UnitId(row.unit), Post(row.post), row.what, row.changed_on, row.due_at, row.filed_at)
        for row in await tx.execute(query.limit(limit))
    )


async def notify(tx: AsyncConnection, unit: UnitId, kind: str, key: str, body: str, now: datetime, **more: Any) -> bool:
    """A notice for a unit; False when it was made before. more: ticket_id, person, phone."""
    row = upsert(t.unit_notice).values(unit=unit, kind=kind, key=key, body=body, made_at=now, **more)
    made = await tx.execute(row.on_conflict_do_nothing(index_elements=["key"]).returning(t.unit_notice.c.id))
    return made.scalar_one_or_none() is not None


MOST_NOTICES = 100


async def notices(
    tx: AsyncConnection, unit: UnitId, after: int = 0, limit: int = MOST_NOTICES
) -> list[Mapping[str, Any]]:
    """What a unit has not seen yet, oldest first."""
    table = t.unit_notice
    query = select(table).where(table.c.unit == unit, table.c.seen_at.is_(None), table.c.id > after)
    return [dict(row) for row in (await tx.execute(query.order_by(table.c.id).limit(limit))).mappings()]


async def seen(tx: AsyncConnection, unit: UnitId, notice: int, actor: Actor, now: datetime) -> bool:
    """The unit has seen it; False for a notice that is not its own."""
    table = t.unit_notice
    mine = update(table).where(table.c.id == notice, table.c.unit == unit, table.c.seen_at.is_(None))
    done = await tx.execute(mine.values(seen_at=now, seen_by=str(actor)).returning(table.c.id))
    return done.scalar_one_or_none() is not None


async def person_of(tx: AsyncConnection, login: str) -> frozenset[str]:
    """The names under which an account stands in the directory."""
    query = select(t.unit_person.c.name).where(t.unit_person.c.login == login, t.unit_person.c.until_at.is_(None))
    return frozenset((await tx.execute(query)).scalars())


def _differs(unit: Unit) -> Any:
    row, condition = _row(unit), None
    for name, value in row.items():
        one_differs = t.unit.c[name].is_distinct_from(value)
        condition = one_differs if condition is None else condition | one_differs
    return condition


def _row(unit: Unit) -> dict[str, Any]:
    spans = None if unit.hours is None else [[str(a)[:5], str(b)[:5]] for a, b in unit.hours.spans]
    words = {name: list(getattr(unit, name)) for name in ("functions", "territory", "industry")}
    plain = {name: getattr(unit, name) for name in ("name", "parent", "administrative", "active", "phone")}
    return {**plain, **words, "kind": str(unit.kind), "hours": spans}


def _person_row(unit: UnitId, person: Person, now: datetime) -> dict[str, Any]:
    named = {"name": person.name, "phone": person.phone, "login": person.login, "full_time": person.full_time}
    return {"unit": unit, "post": str(person.post), "from_at": now, **named}


def _unit(row: Row[Any], people: tuple[Person, ...]) -> Unit:
    spans = None if row.hours is None else tuple((time.fromisoformat(a), time.fromisoformat(b)) for a, b in row.hours)
    return Unit(
        id=UnitId(row.id),
        name=row.name,
        kind=UnitKind(row.kind),
        parent=UnitId(row.parent) if row.parent else None,
        functions=tuple(row.functions),
        territory=tuple(row.territory),
        industry=tuple(row.industry),
        administrative=row.administrative,
        active=row.active,
        phone=row.phone,
        hours=OfficeHours(spans) if spans else None,
        people=people,
    )


def _person(row: Row[Any]) -> Person:
    return Person(row.name, Post(row.post), row.phone, row.login, row.full_time)
