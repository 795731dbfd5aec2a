"""The agent's desk as it stands: what a page needs to go on after a reload, in one answer."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, exists, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import agents, commands, vault
from callcenter.control_errors import EMERGENCY
from callcenter.tables import call, call_command, handling_unit, leg
from callcenter.types import Actor, AgentId, CallId, IdentityId, Party, Role
from callcenter.web.context import Context
from callcenter.web.desk import AgentState, state_of
from callcenter.web.router import Out, Routes
from ticketing import service, store, tables
from ticketing.clocks import local_day
from ticketing.words import Event, State

api = Routes("desk")
AGENTS = frozenset({Role.AGENT})
MOST_CALLS = 100
DRAFTS, DRAFTS_WITHIN = 20, timedelta(days=7)
_ticket, _event = tables.ticket, tables.ticket_event


@dataclass(frozen=True, slots=True)
class _Unit:
    """Whom an agent brings in, and whether they have answered."""

    id: str = ""
    name: str = ""
    answered: bool = False


_NO_UNIT = _Unit()


class EarlierRow(Out):
    """opened_on: local date."""

    id: str
    state: str
    state_name: str
    request_type: str
    title: str
    opened_on: str


class DeskCall(Out):
    """identity: for /api/repeats. state: a situation, or ended. unit: id and name of whom the agent brings in.

    recorded: false when there was no room (未录音). earlier_calls: at most 100 are counted.
    """

    id: str
    direction: str
    state: str
    caller: str
    identity: int | None
    queue: str | None
    request_type: str | None
    recorded: bool
    rang_at: datetime | None
    answered_at: datetime | None
    ended_at: datetime | None
    unit: str
    unit_name: str
    unit_answered: bool
    ticket: str | None
    earlier_calls: int
    earlier_tickets: list[EarlierRow]


class DraftRow(Out):
    """A ticket this agent has begun and not registered."""

    id: str
    title: str
    content: str
    call: str | None
    created_at: datetime
    updated_at: datetime


class DeskNow(Out):
    """agent: null for somebody without a telephone. pauses: the reasons there are. call: open, or wrapped up now."""

    agent: AgentState | None
    pauses: list[str]
    call: DeskCall | None
    drafts: list[DraftRow]


@api.get("/api/desk", AGENTS)
async def read_desk(ctx: Context) -> DeskNow:
    """坐席工作台现状：本人状态、正在进行或整理的来电及其工单、未登记的草稿；刷新页面后由此接续"""
    now, extension = ctx.now, ctx.person.extension
    async with ctx.transaction() as tx:
        agent = await agents.find(tx, extension) if extension is not None else None
        current = await _current(tx, agent)
        shown = await _call(tx, current, ctx.actor) if current is not None else None
        drafts = await _drafts(tx, ctx.actor, extension, now)
    return DeskNow(
        agent=state_of(agent) if agent else None, pauses=list(agents.PAUSE_REASONS), call=shown, drafts=drafts
    )


async def _current(tx: AsyncConnection, agent: agents.Agent | None) -> Any:
    """The call on this desk: where the agent's leg is up, else the one being wrapped up, else one they still own."""
    if agent is None:
        return None
    mine = exists().where(
        leg.c.call_id == call.c.id,
        leg.c.party == Party.AGENT,
        leg.c.who == agent.id,
        leg.c.ended_at.is_(None),
    )
    newest = call.c.started_at.desc()
    for wanted in (
        and_(call.c.ended_at.is_(None), mine),
        call.c.id == agent.call_id if agent.call_id else None,
        and_(call.c.ended_at.is_(None), call.c.agent_id == agent.id),
    ):
        if wanted is not None:
            row = (await tx.execute(select(call).where(wanted).order_by(newest).limit(1))).one_or_none()
            if row is not None:
                return row
    return None


async def _call(tx: AsyncConnection, row: Any, actor: Actor) -> DeskCall:
    caller = IdentityId(row.caller) if row.caller is not None else None
    unit = await _unit_of(tx, CallId(row.id)) if row.ended_at is None else _NO_UNIT
    ticket = await store.find_by_key(tx, f"call:{row.id}")
    withheld = select(leg.c.channel_id).where(leg.c.call_id == row.id, leg.c.recorded.is_(False)).limit(1)
    return DeskCall(
        id=row.id,
        direction=row.direction,
        state=row.state,
        caller=await vault.masked_of(tx, caller),
        identity=caller,
        queue=row.queue,
        request_type=row.request_type,
        recorded=(await tx.execute(withheld)).first() is None,
        rang_at=row.agent_ringing_at,
        answered_at=row.agent_answered_at,
        ended_at=row.ended_at,
        unit=unit.id,
        unit_name=unit.name,
        unit_answered=unit.answered,
        ticket=ticket.id if ticket else None,
        earlier_calls=await _earlier_calls(tx, caller, row.id),
        earlier_tickets=await _earlier_tickets(tx, caller, actor),
    )


async def _unit_of(tx: AsyncConnection, call_id: CallId) -> _Unit:
    """Whom the last consult of this call rings or has reached. A leg itself knows no unit."""
    up = select(leg.c.answered_at).where(
        leg.c.call_id == call_id, leg.c.party == Party.UNIT, leg.c.ended_at.is_(None)
    )  # fmt: skip
    asked = select(call_command.c.args).where(
        call_command.c.call_id == call_id, call_command.c.kind == commands.Kind.CONSULT
    )
    args = (await tx.execute(asked.order_by(call_command.c.id.desc()).limit(1))).scalar_one_or_none()
    standing = (await tx.execute(up.order_by(leg.c.created_at.desc()).limit(1))).one_or_none()
    if args is None or standing is None:
        return _NO_UNIT
    unit = str(args.get("unit", ""))
    name = EMERGENCY[unit].name if unit in EMERGENCY else None
    if name is None:
        query = select(handling_unit.c.name).where(handling_unit.c.id == unit)
        name = (await tx.execute(query)).scalar_one_or_none()
    return _Unit(unit, name or unit, standing.answered_at is not None)


async def _earlier_calls(tx: AsyncConnection, caller: IdentityId | None, this: str) -> int:
    if caller is None:
        return 0
    query = select(call.c.id).where(call.c.caller == caller, call.c.id != this).limit(MOST_CALLS)
    return len((await tx.execute(query)).all())


async def _earlier_tickets(tx: AsyncConnection, caller: IdentityId | None, actor: Actor) -> list[EarlierRow]:
    if caller is None:
        return []
    return [EarlierRow(**asdict(one)) for one in await service.earlier_tickets(tx, caller, actor)]


async def _drafts(tx: AsyncConnection, actor: Actor, extension: AgentId | None, now: datetime) -> list[DraftRow]:
    """Tickets still in intake of this agent's calls, and those they opened themselves, the newest first."""
    rows = (await tx.execute(_drafts_of(actor, extension, now))).all()
    return [DraftRow(**{name: getattr(row, name) for name in DraftRow.model_fields}) for row in rows]


def _drafts_of(actor: Actor, extension: AgentId | None, now: datetime) -> Select[Any]:
    opened = exists().where(
        _event.c.ticket_id == _ticket.c.id, _event.c.kind == Event.OPEN, _event.c.actor == str(actor)
    )
    heard = exists().where(call.c.id == _ticket.c.call_id, call.c.agent_id == extension)
    names = ("id", "title", "content", "created_at", "updated_at")
    return (
        select(*(_ticket.c[name] for name in names), _ticket.c.call_id.label("call"))
        .where(
            _ticket.c.state == State.DRAFT,
            _ticket.c.id >= f"{local_day(now - DRAFTS_WITHIN):%Y%m%d}000000",
            or_(opened, heard) if extension is not None else opened,
        )
        .order_by(_ticket.c.id.desc())
        .limit(DRAFTS)
    )
