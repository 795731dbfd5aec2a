"""The unit directory and the dispatch catalogue: read by those who dispatch and by units, edited with an audit row."""

from dataclasses import replace
from datetime import date, datetime, time
from typing import Annotated, Any

from pydantic import AwareDatetime, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import units as hub
from callcenter.audit import Audited, note
from callcenter.types import Role, UnitId
from callcenter.web.context import Context
from callcenter.web.router import In, Out, Query, Routes
from callcenter.web.ticket_fields import Day, Name, Said, Short
from ticketing.clocks import OfficeHours
from ticketing.dispatch import catalogue_store, units_store
from ticketing.dispatch.catalogue import DutyOf, Entry
from ticketing.dispatch.catalogue_store import Line
from ticketing.dispatch.units import KIND_NAMES, POST_NAMES, Change, Person, Post, Unit, UnitKind
from ticketing.dispatch.units_store import Kept, PeopleChange

api = Routes("units")
EDITORS = frozenset({Role.ADMIN, Role.DISPATCHER})
UNITS = frozenset({Role.UNIT, Role.UNIT_HEAD})
READERS = EDITORS | UNITS | {Role.SUPERVISOR, Role.REVIEWER, Role.AUDITOR, Role.AGENT}
Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{1,30}$")]
Phone = Annotated[str, Field(pattern=r"^([0-9]{3,20})?$")]
Words = Annotated[tuple[Annotated[str, Field(min_length=1, max_length=40)], ...], Field(max_length=200)]
Clock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Span = Annotated[tuple[Clock, ...], Field(min_length=2, max_length=2)]


class UnitFields(In):
    """hours left out: around the clock. parent: the competent authority, or the unit it belongs to."""

    name: Annotated[str, Field(min_length=2, max_length=60)]
    kind: Annotated[UnitKind, Field(strict=False)]
    parent: Id | None = None
    functions: Words = ()
    territory: Words = ()
    industry: Words = ()
    administrative: bool = True
    active: bool = True
    phone: Phone = ""
    hours: Annotated[tuple[Span, ...], Field(max_length=4)] | None = None


class NewUnit(UnitFields):
    id: Id


class ChangedUnit(UnitFields):
    """version: the unit as it was seen."""

    version: Annotated[int, Field(ge=1, lt=2**31)]


class PersonFields(In):
    """login: their account, where they have one."""

    name: Annotated[str, Field(min_length=2, max_length=20)]
    phone: Phone = ""
    login: Annotated[str, Field(max_length=64)] = ""
    full_time: bool = True


class PeopleChanged(In):
    """Everybody who holds this post from now on. changed_on: the day the change took effect."""

    post: Annotated[Post, Field(strict=False)]
    people: Annotated[tuple[PersonFields, ...], Field(max_length=50)]
    changed_on: Day


class ChangeNoted(In):
    """A change the hotline heard of before the unit filed it."""

    post: Annotated[Post, Field(strict=False)]
    what: Said
    changed_on: Day


class EntryFields(In):
    """subject: code or name, or empty; keywords: words of the request."""

    subject: Short = ""
    keywords: Words = ()
    unit: Name
    basis: Annotated[str, Field(min_length=2, max_length=200)]
    duty_of: Annotated[DutyOf, Field(strict=False)] = DutyOf.SHARED
    active: bool = True
    seen_at: AwareDatetime | None = None
    """`updated_at` of the entry as it was seen; refused when somebody changed it since. Left out: not asked."""


class CatalogueQuery(Query):
    """all: those out of force too."""

    all: bool = False


class PersonRow(Out):
    """login: their account, shown to those who edit the directory and to their own unit."""

    name: str
    post: str
    post_name: str
    phone: str
    full_time: bool
    login: str


class UnitRow(Out):
    id: str
    name: str
    kind: str
    kind_name: str
    parent: str | None
    functions: list[str]
    territory: list[str]
    industry: list[str]
    administrative: bool
    active: bool
    phone: str
    hours: list[list[str]] | None
    open_now: bool
    handlers: int
    principal: str
    people: list[PersonRow]
    version: int


class UnitRows(Out):
    units: list[UnitRow]


class FilingRow(Out):
    """late: filed after its limit, or still not filed though due."""

    unit: str
    post: str
    post_name: str
    what: str
    changed_on: date
    due_at: datetime
    filed_at: datetime | None
    late: bool


class Filings(Out):
    filings: list[FilingRow]


class NoticeRow(Out):
    id: int
    kind: str
    ticket: str | None
    body: str
    made_at: datetime


class Notices(Out):
    notices: list[NoticeRow]
    next: int | None


class NoticeQuery(Query):
    after: Annotated[int, Field(ge=0, lt=2**63)] = 0


class EntryRow(Out):
    code: str
    subject: str
    keywords: list[str]
    unit: str
    basis: str
    duty_of: str
    active: bool
    updated_at: datetime


class Catalogue(Out):
    entries: list[EntryRow]


@api.get("/api/unit-directory", READERS)
async def directory(ctx: Context) -> UnitRows:
    """承办单位名录：性质、主管部门、职责、属地、负责人、具办人员、电话与办公时间；承办单位只见本单位和下属单位"""
    async with ctx.transaction() as tx:
        kept = await units_store.load(tx)
    scope = ctx.actor.unit if _is_unit(ctx) else None
    shown = [one for one in kept.values() if scope is None or scope in (one.unit.id, one.unit.parent)]
    return UnitRows(units=[_row(ctx, one) for one in shown])


@api.post("/api/unit-directory", EDITORS)
async def add_unit(ctx: Context, body: NewUnit) -> UnitRow:
    """新增承办单位"""
    async with ctx.transaction() as tx:
        kept = await units_store.save(tx, _unit(body, UnitId(body.id)), ctx.now, None)
        await _audited(ctx, tx, "unit.add", kept)
    return _row(ctx, kept)


@api.post("/api/unit-directory/{unit}", EDITORS)
async def change_unit(ctx: Context, unit: str, body: ChangedUnit) -> UnitRow:
    """修改承办单位"""
    async with ctx.transaction() as tx:
        before = await units_store.one(tx, UnitId(unit))
        saved = await units_store.save(tx, _unit(body, UnitId(unit)), ctx.now, body.version)
        kept = Kept(replace(saved.unit, people=before.unit.people), saved.version)
        await _audited(ctx, tx, "unit.change", kept)
    return _row(ctx, kept)


@api.post("/api/unit-directory/{unit}/people", EDITORS | UNITS)
async def change_people(ctx: Context, unit: str, body: PeopleChanged) -> UnitRow:
    """变更负责人、联络员、具办人员或值班联系人；须备案的变更按规定期限计算"""
    _own(ctx, unit)
    people = tuple(Person(p.name, body.post, p.phone, p.login, p.full_time) for p in body.people)
    async with ctx.transaction() as tx:
        change = PeopleChange(body.post, people, body.changed_on)
        filed = await units_store.change_people(
            tx, UnitId(unit), change, actor=ctx.actor, now=ctx.now, rules=ctx.services.rules
        )
        kept = await units_store.one(tx, UnitId(unit))
        late = filed.late(ctx.now) if filed else False
        await _audited(ctx, tx, "unit.people", kept, post=str(body.post), late=late)
    return _row(ctx, kept)


@api.post("/api/unit-directory/{unit}/changes", EDITORS)
async def note_change(ctx: Context, unit: str, body: ChangeNoted) -> FilingRow:
    """记录已知但尚未备案的人员变动，到期前提醒，逾期标记"""
    async with ctx.transaction() as tx:
        noted = await units_store.note_change(
            tx,
            UnitId(unit),
            body.post,
            body.what,
            body.changed_on,
            actor=ctx.actor,
            now=ctx.now,
            rules=ctx.services.rules,
        )
        await note(tx, Audited(ctx.actor, "unit.change_noted", f"unit:{unit}", detail={"post": str(body.post)}))
    return _filing(noted, ctx.now)


@api.get("/api/unit-filings", EDITORS | UNITS | {Role.SUPERVISOR})
async def filings(ctx: Context) -> Filings:
    """人员变动备案情况，未备案的在前"""
    scope = ctx.actor.unit if _is_unit(ctx) else None
    async with ctx.transaction() as tx:
        found = await units_store.changes_of(tx, scope)
    return Filings(filings=[_filing(one, ctx.now) for one in found])


@api.get("/api/unit-notices", UNITS)
async def notices(ctx: Context, query: NoticeQuery) -> Notices:
    """本单位未读的通知：非工作时间派单、联动、备案、协办逾期"""
    async with ctx.transaction() as tx:
        found = await units_store.notices(tx, _mine(ctx), query.after)
    rows = [
        NoticeRow(id=one["id"], kind=one["kind"], ticket=one["ticket_id"], body=one["body"], made_at=one["made_at"])
        for one in found
    ]
    return Notices(notices=rows, next=rows[-1].id if len(rows) == units_store.MOST_NOTICES else None)


@api.post("/api/unit-notices/{notice}/seen", UNITS)
async def notice_seen(ctx: Context, notice: int) -> None:
    """通知已阅"""
    async with ctx.transaction() as tx:
        await units_store.seen(tx, _mine(ctx), notice, ctx.actor, ctx.now)


@api.get("/api/dispatch-catalogue", READERS)
async def catalogue(ctx: Context, query: CatalogueQuery) -> Catalogue:
    """派单目录：事项、依据、承办单位、职责归属"""
    async with ctx.transaction() as tx:
        found = await catalogue_store.lines(tx, all_of_them=query.all)
    return Catalogue(entries=[_entry(one) for one in found])


@api.post("/api/dispatch-catalogue/{code}", EDITORS)
async def change_entry(ctx: Context, code: str, body: EntryFields) -> EntryRow:
    """新增或修改派单目录的一条"""
    entry = Entry(code, body.subject, body.keywords, UnitId(body.unit), body.basis, body.duty_of)
    async with ctx.transaction() as tx:
        now = ctx.now
        await catalogue_store.save(tx, entry, now, active=body.active, seen_at=body.seen_at)
        detail: dict[str, str | int | float | bool | None] = {"unit": body.unit, "active": body.active}
        await note(tx, Audited(ctx.actor, "catalogue.change", f"catalogue:{code}", detail=detail))
    return _entry(Line(entry, body.active, now))


def _is_unit(ctx: Context) -> bool:
    return not ctx.actor.roles - UNITS


def _mine(ctx: Context) -> UnitId:
    if ctx.actor.unit is None:
        raise units_store.UnitNotFound
    return ctx.actor.unit


def _own(ctx: Context, unit: str) -> None:
    """A unit changes its own people; another's and an unknown one look the same."""
    if not ctx.has(*EDITORS) and ctx.actor.unit != unit:
        raise units_store.UnitNotFound


async def _audited(ctx: Context, tx: AsyncConnection, action: str, kept: Kept, **more: str | bool) -> None:
    await hub.list_for_calls(tx, kept.unit)
    detail: dict[str, str | int | float | bool | None] = {"version": kept.version, **more}
    await note(tx, Audited(ctx.actor, action, f"unit:{kept.unit.id}", detail=detail))


def _unit(body: UnitFields, unit: UnitId) -> Unit:
    hours = None
    if body.hours is not None:
        hours = OfficeHours(tuple((time.fromisoformat(a), time.fromisoformat(b)) for a, b in body.hours))
    return Unit(
        id=unit,
        name=body.name,
        kind=body.kind,
        parent=UnitId(body.parent) if body.parent else None,
        functions=body.functions,
        territory=body.territory,
        industry=body.industry,
        administrative=body.administrative,
        active=body.active,
        phone=body.phone,
        hours=hours,
    )


def _row(ctx: Context, kept: Kept) -> UnitRow:
    unit = kept.unit
    hours = None if unit.hours is None else [[f"{a:%H:%M}", f"{b:%H:%M}"] for a, b in unit.hours.spans]
    plain: dict[str, Any] = {name: list(getattr(unit, name)) for name in ("functions", "territory", "industry")}
    return UnitRow(
        id=unit.id,
        name=unit.name,
        kind=unit.kind,
        kind_name=KIND_NAMES[unit.kind],
        parent=unit.parent,
        administrative=unit.administrative,
        active=unit.active,
        phone=unit.phone,
        hours=hours,
        open_now=unit.open_at(ctx.now, ctx.services.rules.calendar),
        handlers=len(unit.handlers),
        principal=unit.principal,
        people=[_person(one, logins=ctx.has(*EDITORS) or ctx.actor.unit == unit.id) for one in unit.people],
        version=kept.version,
        **plain,
    )


def _person(one: Person, *, logins: bool) -> PersonRow:
    return PersonRow(
        name=one.name,
        post=one.post,
        post_name=POST_NAMES[one.post],
        phone=one.phone,
        full_time=one.full_time,
        login=one.login if logins else "",
    )


def _filing(one: Change, now: datetime) -> FilingRow:
    return FilingRow(
        unit=one.unit,
        post=one.post,
        post_name=POST_NAMES[one.post],
        what=one.what,
        changed_on=one.changed_on,
        due_at=one.due_at,
        filed_at=one.filed_at,
        late=one.late(now),
    )


def _entry(line: Line) -> EntryRow:
    one = line.entry
    return EntryRow(
        code=one.code,
        subject=one.subject,
        keywords=list(one.keywords),
        unit=one.unit,
        basis=one.basis,
        duty_of=one.duty_of,
        active=line.active,
        updated_at=line.updated_at,
    )
