"""Duty by the API: rosters, who was really there, who signed in, leader sessions and what they settled."""

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated

from pydantic import AwareDatetime, Field

from callcenter import logins
from callcenter.audit import Audited, note
from callcenter.types import Role, TicketId, UnitId
from callcenter.web.context import Context
from callcenter.web.router import In, Out, Query, Routes
from callcenter.web.ticket_commands import may
from callcenter.web.ticket_fields import Day, Moment, Name, Said, Short
from callcenter.web.ticket_shapes import TicketNow
from callcenter.web.ticket_work import Versioned, step, working
from ticketing import store
from ticketing.clocks import local_day
from ticketing.dispatch import units_store
from ticketing.policy import Policy
from ticketing.record import GuardFailed
from ticketing.supervision import roster
from ticketing.supervision.roster import Duty, Kind, Noted, Session
from ticketing.words import Event

api = Routes("rosters")
SEERS = frozenset(
    {Role.AGENT, Role.DISPATCHER, Role.REVIEWER, Role.SUPERVISOR, Role.AUDITOR, Role.UNIT, Role.UNIT_HEAD, Role.LEADER}
)
PLANNERS = frozenset({Role.SUPERVISOR, Role.DISPATCHER, Role.UNIT, Role.UNIT_HEAD})
WATCHERS = frozenset({Role.SUPERVISOR, Role.DISPATCHER, Role.AUDITOR, Role.LEADER, Role.UNIT, Role.UNIT_HEAD})
Phone = Annotated[str, Field(pattern=r"^([0-9]{3,20})?$")]


class Planned(In):
    """kind: unit, hotline or leader. unit: whose duty it is; null for the hotline."""

    kind: Annotated[Kind, Field(strict=False)]
    unit: Name | None = None
    name: Name
    phone: Phone = ""
    from_at: Moment
    until_at: Moment


class DutyNoted(In):
    """kind: on (taken over), off (handed on), note (what happened)."""

    kind: Annotated[Noted, Field(strict=False)]
    person: Name
    text: Short = ""


class RosterQuery(Query):
    since: AwareDatetime
    until: AwareDatetime
    unit: Name | None = None
    after: Annotated[int, Field(ge=0, lt=2**63)] = 0
    limit: Annotated[int, Field(ge=1, le=roster.MAX_PAGE)] = 50


class AtQuery(Query):
    at: AwareDatetime
    unit: Name | None = None


class RecordRow(Out):
    kind: str
    person: str
    at: datetime
    noted_by: str
    note: str


class DutyRow(Out):
    id: int
    kind: str
    unit: str | None
    name: str
    phone: str
    from_at: datetime
    until_at: datetime
    records: list[RecordRow]


class Roster(Out):
    rows: list[DutyRow]
    next: int | None


class LoginQuery(Query):
    day: date | None = None


class LoginRow(Out):
    unit: str
    people: int
    times: int
    first_at: datetime | None


class Logins(Out):
    """required: whether units had to sign in on that day. absent: those that did not though they had to."""

    day: date
    required: bool
    basis: str
    rows: list[LoginRow]
    absent: list[str]


class SessionHeld(In):
    """unit: a department that answered by itself; null: a leader of the government."""

    held_on: Day
    leader: Name
    title: Short = ""
    unit: Name | None = None
    note: Short = ""


class OnTheSpot(Versioned):
    """unit: to whom the leader assigns it; left out for a department that takes it itself."""

    ticket: Annotated[str, Field(pattern=r"^[0-9]{14}$")]
    unit: Name | None = None
    instruction: Said | None = None


class SettledRow(Out):
    ticket_id: str
    how: str
    unit: str
    at: datetime
    by: str


class SessionRow(Out):
    id: int
    held_on: date
    leader: str
    title: str
    unit: str | None
    note: str
    tickets: list[SettledRow]


class SessionQuery(Query):
    before: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    limit: Annotated[int, Field(ge=1, le=roster.MAX_PAGE)] = 50


class Sessions(Out):
    rows: list[SessionRow]
    next: int | None


class WeeksQuery(Query):
    first: date
    last: date


class Weeks(Out):
    """mondays: of the periods without a session."""

    mondays: list[date]
    basis: str


@api.post("/api/rosters", PLANNERS)
async def plan(ctx: Context, body: Planned) -> DutyRow:
    """安排值班；承办单位只能安排本单位的"""
    unit = UnitId(body.unit) if body.unit else None
    async with ctx.transaction() as tx:
        if unit is not None:
            await units_store.one(tx, unit)
        made = await roster.plan(
            tx, _policy(ctx), body.kind, unit, body.name, body.phone, body.from_at, body.until_at, actor=ctx.actor
        )
        await note(tx, Audited(ctx.actor, "roster.plan", f"shift:{made.id}"))
    return _duty(made)


@api.get("/api/rosters", SEERS)
async def list_rosters(ctx: Context, query: RosterQuery) -> Roster:
    """一段时间的值班安排和到岗记录"""
    async with ctx.transaction() as tx:
        found = await roster.between(
            tx,
            query.since,
            query.until,
            scope=store.unit_scope(ctx.actor),
            unit=UnitId(query.unit) if query.unit else None,
            after=query.after,
            limit=query.limit,
        )
    return Roster(rows=[_duty(one) for one in found], next=found[-1].id if len(found) == query.limit else None)


@api.get("/api/rosters/on-duty", SEERS)
async def on_duty(ctx: Context, query: AtQuery) -> Roster:
    """某一时刻谁在值班，谁实际到岗，可作追责依据"""
    async with ctx.transaction() as tx:
        unit = UnitId(query.unit) if query.unit else None
        found = await roster.on_duty(tx, query.at, scope=store.unit_scope(ctx.actor), unit=unit)
    return Roster(rows=[_duty(one) for one in found], next=None)


@api.post("/api/rosters/{shift_id}/records", PLANNERS | {Role.AGENT})
async def note_duty(ctx: Context, shift_id: int, body: DutyNoted) -> DutyRow:
    """记录接班、交班和值班情况，记录后不能修改"""
    async with ctx.transaction() as tx:
        made = await roster.note(tx, shift_id, body.kind, body.person, body.text, actor=ctx.actor, now=ctx.now)
    return _duty(made)


@api.get("/api/logins", WATCHERS)
async def list_logins(ctx: Context, query: LoginQuery) -> Logins:
    """各单位当日登录情况，列出工作日未登录的单位"""
    policy, day = _policy(ctx), query.day or local_day(ctx.now)
    rules = policy.roster
    required = rules is not None and rules.daily_login and roster.login_day(day, ctx.services.rules.calendar)
    async with ctx.transaction() as tx:
        found = await logins.of_day(tx, day, store.unit_scope(ctx.actor))
    absent = [one.unit for one in found if required and not one.times]
    basis = str(rules.login_basis) if rules and rules.daily_login else ""
    rows = [LoginRow(**asdict(one)) for one in found]
    return Logins(day=day, required=required, basis=basis, rows=rows, absent=absent)


@api.post("/api/leader-sessions", PLANNERS)
async def hold_session(ctx: Context, body: SessionHeld) -> SessionRow:
    """登记领导或部门接听热线"""
    unit = UnitId(body.unit) if body.unit else None
    async with ctx.transaction() as tx:
        held = await roster.hold(
            tx,
            _policy(ctx),
            body.held_on,
            body.leader,
            body.title,
            unit,
            body.note,
            actor=ctx.actor,
            now=ctx.now,
        )
        await note(tx, Audited(ctx.actor, "session.hold", f"leader-session:{held.id}"))
    return _session(held)


@api.get("/api/leader-sessions", SEERS)
async def list_sessions(ctx: Context, query: SessionQuery) -> Sessions:
    """领导接听热线记录，最新的在前"""
    async with ctx.transaction() as tx:
        found = await roster.sessions(tx, before=query.before, limit=query.limit)
    return Sessions(rows=[_session(one) for one in found], next=found[-1].id if len(found) == query.limit else None)


@api.get("/api/leader-sessions/missing", SEERS)
async def missing_sessions(ctx: Context, query: WeeksQuery) -> Weeks:
    """没有开展领导接听的周期"""
    rules = roster.rules_of(_policy(ctx), Kind.LEADER)
    if not query.first <= query.last or (query.last - query.first).days > 3660:
        raise GuardFailed("起止日期不对：结束不应早于开始，最长十年。")
    async with ctx.transaction() as tx:
        found = await roster.weeks_without(tx, rules, query.first, query.last)
    return Weeks(mondays=list(found), basis=str(rules.session_basis))


@api.get("/api/leader-sessions/{session_id}", SEERS)
async def session_story(ctx: Context, session_id: int) -> SessionRow:
    """一次领导接听及其当场分办、自行领办的诉求"""
    async with ctx.transaction() as tx:
        return _session(await roster.session(tx, session_id))


@api.post("/api/leader-sessions/{session_id}/tickets", may(Event.DISPATCH))
async def settle_on_the_spot(ctx: Context, session_id: int, body: OnTheSpot) -> TicketNow:
    """领导接听的诉求当场分办，部门接听的自行领办"""
    async with working(ctx) as work:
        held = await roster.session(work.tx, session_id)
        how, sent = roster.on_the_spot(held, UnitId(body.unit) if body.unit else None, body.instruction or "")
        after = await step(ctx, work, body.ticket, body, sent)
        await roster.settle(work.tx, session_id, TicketId(body.ticket), how, sent.lead, actor=ctx.actor, now=work.now)
    return after


def _policy(ctx: Context) -> Policy:
    return ctx.services.rules.at(ctx.now)


def _duty(duty: Duty) -> DutyRow:
    return DutyRow(**asdict(duty))


def _session(held: Session) -> SessionRow:
    return SessionRow(**asdict(held))
