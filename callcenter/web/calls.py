"""Calls: what is going on, what happened, and everything an agent or supervisor can do to one."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, Field
from sqlalchemy import ColumnElement, and_, exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import commands
from callcenter.audit import Audited, note
from callcenter.commands import Kind, State
from callcenter.control_errors import EMERGENCY
from callcenter.tables import agent, call, call_event, handling_unit, identity, leg, listener_gap, talk
from callcenter.types import CALL_ID_PATTERN, CallId, Party, Role
from callcenter.units import with_telephone
from callcenter.web.context import Context
from callcenter.web.problems import NotAllowed, NotFound, Problem
from callcenter.web.router import In, Out, Query, Routes
from callcenter.web.ticket_shapes import veil_of
from ticketing import store
from ticketing import tables as tickets

api = Routes("calls")
AGENTS = frozenset({Role.AGENT})
SUPERVISORS = frozenset({Role.SUPERVISOR})
READERS = frozenset({Role.AGENT, Role.SUPERVISOR, Role.REVIEWER, Role.AUDITOR, Role.ADMIN})
_IS_UNIT = and_(leg.c.party == Party.UNIT, leg.c.who == handling_unit.c.id)
_LEGS = select(leg, handling_unit.c.name.label("unit_name")).select_from(leg.outerjoin(handling_unit, _IS_UNIT))
_WITHHELD = exists().where(leg.c.call_id == call.c.id, leg.c.recorded.is_(False))
_CALLS = (
    select(call, identity.c.masked, agent.c.name.label("agent_name"), (~_WITHHELD).label("recorded"))
    .outerjoin(identity, identity.c.id == call.c.caller)
    .outerjoin(agent, agent.c.id == call.c.agent_id)
)
RESULT_WITHIN_S = 45.0
"""A consult rings for 30 s; its answer comes within this time."""


class CallRow(Out):
    """recorded: false when there was no room for recordings (未录音); the gaps say so leg by leg."""

    id: str
    direction: str
    caller: str
    state: str
    queue: str | None
    request_type: str | None
    agent: str | None
    agent_name: str
    started_at: datetime
    queued_at: datetime | None
    agent_answered_at: datetime | None
    ended_at: datetime | None
    exit_reason: str | None
    recorded: bool


class CallPage(Out):
    """next: give it back as `before` for the next page."""

    rows: list[CallRow]
    next: str | None


class CallQuery(Query):
    """since, until: when it began, until not included. missed: nobody spoke to the citizen. recorded false: 未录音."""

    open: bool | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    queue: Annotated[str, Field(max_length=40)] = ""
    agent: Annotated[str, Field(max_length=20)] = ""
    direction: Annotated[str, Field(max_length=10)] = ""
    missed: bool | None = None
    recorded: bool | None = None
    before: Annotated[str, Field(max_length=40)] = ""
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class LegRow(Out):
    """who: extension of an agent, id of a unit or number of an emergency service; name: what that is called."""

    channel: str
    party: str
    who: str
    name: str
    created_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    cause: int | None
    recorded: bool


class TalkRow(Out):
    """A leg's time in a bridge; legs with the same bridge heard each other, except in kind hold (music).

    Beside bridges: spy, a supervisor listens; phone_hold, the leg's own telephone holds, the others hear music.
    """

    bridge: str
    kind: str
    party: str
    channel: str
    from_at: datetime
    until_at: datetime | None


class EventRow(Out):
    at: datetime
    kind: str
    data: dict[str, Any]


class CallStory(Out):
    """ticket: what it became, for who may see that; ticket_title: its title."""

    ticket: str | None
    ticket_title: str
    call: CallRow
    legs: list[LegRow]
    talks: list[TalkRow]
    events: list[EventRow]


class Consult(In):
    """unit: an id of GET /api/units, emergency numbers included."""

    unit: Annotated[str, Field(min_length=1, max_length=64)]


class CommandEnd(Out):
    """state: done, failed or unknown; sentence says what to do."""

    command: int
    state: str
    code: str
    sentence: str
    data: dict[str, Any]


class UnitRow(Out):
    id: str
    name: str
    emergency: bool


class Units(Out):
    units: list[UnitRow]


@api.get("/api/calls", READERS)
async def list_calls(ctx: Context, query: CallQuery) -> CallPage:
    """通话列表，新的在前"""
    newest_first = (call.c.started_at.desc(), call.c.id.desc())
    rows_wanted = _CALLS.where(*_asked(query)).order_by(*newest_first).limit(query.limit)
    async with ctx.transaction() as tx:
        if query.before:
            last = (await tx.execute(select(call.c.started_at).where(call.c.id == query.before))).scalar_one_or_none()
            if last is None:
                raise NotFound
            older = (call.c.started_at < last) | ((call.c.started_at == last) & (call.c.id < query.before))
            rows_wanted = rows_wanted.where(older)
        rows = (await tx.execute(rows_wanted)).all()
        shown = [_call_row(row) for row in rows]
    return CallPage(rows=shown, next=shown[-1].id if len(shown) == query.limit else None)


@api.get("/api/calls/{call_id}", READERS)
async def read_call(ctx: Context, call_id: str) -> CallStory:
    """一通电话的全部经过：各方、谁与谁通话、事件"""
    async with ctx.transaction() as tx:
        row = (await tx.execute(_CALLS.where(call.c.id == call_id))).one_or_none()
        if row is None:
            raise NotFound
        legs = (await tx.execute(_LEGS.where(leg.c.call_id == call_id).order_by(leg.c.created_at))).all()
        talks = (await tx.execute(select(talk).where(talk.c.call_id == call_id).order_by(talk.c.from_at))).all()
        events = (
            await tx.execute(select(call_event).where(call_event.c.call_id == call_id).order_by(call_event.c.id))
        ).all()
        await note(tx, Audited(ctx.actor, "call.read", f"call:{call_id}"))
        ticket, title = await _ticket_of(ctx, tx, call_id)
        return CallStory(
            ticket=ticket,
            ticket_title=title,
            call=_call_row(row),
            legs=[_leg_row(one) for one in legs],
            talks=[_talk_row(one) for one in talks],
            events=[EventRow(at=one.at, kind=one.kind, data=one.data) for one in events],
        )


def _asked(query: CallQuery) -> list[ColumnElement[bool]]:
    """The conditions of a list; each has an index that gives the newest first."""
    c = call.c
    wanted = [c.started_at >= query.since] if query.since else []
    wanted += [c.started_at < query.until] if query.until else []
    wanted += [c.queue == query.queue] if query.queue else []
    wanted += [c.agent_id == query.agent] if query.agent else []
    wanted += [c.direction == query.direction] if query.direction else []
    if query.open is not None:
        wanted.append(c.ended_at.is_(None) if query.open else c.ended_at.is_not(None))
    if query.missed is not None:
        unmet = (c.direction == "in") & c.agent_answered_at.is_(None) & c.ended_at.is_not(None)
        wanted.append(unmet if query.missed else ~unmet)
    if query.recorded is not None:
        # As a set of calls: few are withheld, and they have an index of their own.
        withheld = c.id.in_(select(leg.c.call_id).where(~leg.c.recorded))
        wanted.append(~withheld if query.recorded else withheld)
    return wanted


@api.get("/api/units", READERS | {Role.DISPATCHER})
async def list_units(ctx: Context) -> Units:
    """可呼入三方通话的承办单位与应急号码"""
    async with ctx.transaction() as tx:
        rows = (await tx.execute(select(handling_unit).where(with_telephone()).order_by(handling_unit.c.id))).all()
    presets = [UnitRow(id=key, name=target.name, emergency=True) for key, target in EMERGENCY.items()]
    return Units(units=[*presets, *(UnitRow(id=row.id, name=row.name, emergency=row.emergency) for row in rows)])


@api.post("/api/calls/{call_id}/consult", AGENTS)
async def consult(ctx: Context, call_id: str, body: Consult) -> CommandEnd:
    """呼叫承办单位：市民听等待音乐，单位接通后先与话务员通话"""
    return await _agent_command(ctx, call_id, Kind.CONSULT, {"unit": body.unit})


@api.post("/api/calls/{call_id}/cancel-consult", AGENTS)
async def cancel_consult(ctx: Context, call_id: str) -> CommandEnd:
    """取消呼叫单位，接回市民"""
    return await _agent_command(ctx, call_id, Kind.CANCEL_CONSULT)


@api.post("/api/calls/{call_id}/merge", AGENTS)
async def merge(ctx: Context, call_id: str) -> CommandEnd:
    """合并为三方通话"""
    return await _agent_command(ctx, call_id, Kind.MERGE)


@api.post("/api/calls/{call_id}/drop-unit", AGENTS)
async def drop_unit(ctx: Context, call_id: str) -> CommandEnd:
    """请单位退出，话务员与市民继续"""
    return await _agent_command(ctx, call_id, Kind.DROP_UNIT)


@api.post("/api/calls/{call_id}/leave", AGENTS)
async def leave(ctx: Context, call_id: str) -> CommandEnd:
    """话务员退出，市民与单位继续"""
    return await _agent_command(ctx, call_id, Kind.LEAVE)


@api.post("/api/calls/{call_id}/hang-up", AGENTS)
async def hang_up(ctx: Context, call_id: str) -> CommandEnd:
    """结束通话，各方都挂断"""
    return await _agent_command(ctx, call_id, Kind.HANG_UP)


@api.post("/api/calls/{call_id}/listen", SUPERVISORS)
async def listen(ctx: Context, call_id: str) -> CommandEnd:
    """监听：班长话机振铃，接听后听到双方，双方听不到班长"""
    return await _supervisor_command(ctx, call_id, Kind.LISTEN)


@api.post("/api/calls/{call_id}/whisper", SUPERVISORS)
async def whisper(ctx: Context, call_id: str) -> CommandEnd:
    """密语：只有话务员听到班长"""
    return await _supervisor_command(ctx, call_id, Kind.WHISPER)


@api.post("/api/calls/{call_id}/barge", SUPERVISORS)
async def barge(ctx: Context, call_id: str) -> CommandEnd:
    """强插：各方都听到班长"""
    return await _supervisor_command(ctx, call_id, Kind.BARGE)


@api.post("/api/calls/{call_id}/stop-listening", SUPERVISORS)
async def stop_listening(ctx: Context, call_id: str) -> CommandEnd:
    """结束监听"""
    return await _supervisor_command(ctx, call_id, Kind.STOP_LISTENING)


class Gap(Out):
    node: str
    from_at: datetime
    until_at: datetime | None
    cause: str


class Gaps(Out):
    gaps: list[Gap]


@api.get("/api/listener-gaps", SUPERVISORS | {Role.AUDITOR, Role.ADMIN})
async def gaps(ctx: Context) -> Gaps:
    """事件监听中断记录（已由话单补齐），新的在前，最多 200 条"""
    async with ctx.transaction() as tx:
        rows = (await tx.execute(select(listener_gap).order_by(listener_gap.c.id.desc()).limit(200))).all()
    return Gaps(gaps=[Gap(node=r.node, from_at=r.from_at, until_at=r.until_at, cause=r.cause) for r in rows])


async def _agent_command(ctx: Context, call_id: str, kind: Kind, args: dict[str, Any] | None = None) -> CommandEnd:
    """Only the agent of the call steers it; a supervisor has commands of their own."""
    async with ctx.transaction() as tx:
        row = (await tx.execute(select(call.c.agent_id, call.c.ended_at).where(call.c.id == call_id))).one_or_none()
    if row is None:
        raise NotFound
    if row.agent_id != ctx.extension:
        raise NotAllowed
    if row.ended_at is not None:
        raise Problem(409, "CallGone", "通话已结束，操作没有执行。")
    return await _command(ctx, call_id, kind, args or {})


async def _supervisor_command(ctx: Context, call_id: str, kind: Kind) -> CommandEnd:
    return await _command(ctx, call_id, kind, {"supervisor": ctx.extension})


async def _command(ctx: Context, call_id: str, kind: Kind, args: dict[str, Any]) -> CommandEnd:
    if not CALL_ID_PATTERN.fullmatch(call_id):
        raise NotFound
    node = call_id.partition("-")[0]
    async with ctx.transaction() as tx:
        command = await commands.ask(
            tx, kind, key=ctx.repeat_key, node=node, actor=ctx.actor, call_id=CallId(call_id), args=args
        )
        await note(tx, Audited(ctx.actor, f"call.{kind}", f"call:{call_id}", detail={"command": command}))
    result = await commands.wait(ctx.services.database, command, within_s=RESULT_WITHIN_S)
    if result.state != State.DONE:
        raise Problem(409 if result.state == State.FAILED else 504, result.code, result.sentence)
    return CommandEnd(
        command=command, state=result.state, code=result.code, sentence=result.sentence, data=result.data or {}
    )


async def _ticket_of(ctx: Context, tx: AsyncConnection, call_id: str) -> tuple[str | None, str]:
    """Number and title of the ticket a call became, where this person may see it."""
    if ctx.person.roles <= {Role.ADMIN}:
        return None, ""
    c = tickets.ticket.c
    found = await tx.execute(select(c.id, c.title).where(c.call_id == call_id, store.open_to(ctx.actor)))
    row = found.first()
    return (row.id, veil_of(ctx.actor).text(row.title)) if row else (None, "")


def _call_row(row: Any) -> CallRow:
    return CallRow(
        id=row.id,
        direction=row.direction,
        caller=row.masked or "",
        state=row.state,
        queue=row.queue,
        request_type=row.request_type,
        agent=row.agent_id,
        agent_name=row.agent_name or "",
        started_at=row.started_at,
        queued_at=row.queued_at,
        agent_answered_at=row.agent_answered_at,
        ended_at=row.ended_at,
        exit_reason=row.exit_reason,
        recorded=row.recorded,
    )


def _leg_row(row: Any) -> LegRow:
    return LegRow(
        channel=row.channel_id,
        party=row.party,
        who=row.who,
        name=row.unit_name or (EMERGENCY[row.who].name if row.who in EMERGENCY else row.who),
        created_at=row.created_at,
        answered_at=row.answered_at,
        ended_at=row.ended_at,
        cause=row.cause,
        recorded=row.recorded,
    )


def _talk_row(row: Any) -> TalkRow:
    return TalkRow(
        bridge=row.bridge_id,
        kind=row.kind,
        party=row.party,
        channel=row.channel_id,
        from_at=row.from_at,
        until_at=row.until_at,
    )
