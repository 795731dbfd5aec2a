"""The agents' desks: log in to queues, ready, pause, wrap-up; and the ledger of missed calls."""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, Field

from callcenter import agents, commands, missed, vault
from callcenter.agents import Desired
from callcenter.types import QueueName, Role
from callcenter.web.context import Context
from callcenter.web.router import In, Out, Query, Routes

api = Routes("desk")
AGENTS = frozenset({Role.AGENT})
WATCHERS = frozenset({Role.AGENT, Role.SUPERVISOR, Role.ADMIN})


class Pause(In):
    reason: Annotated[str, Field(min_length=1, max_length=20)]


class AgentState(Out):
    """desired: what was asked for; observed: what Asterisk shows."""

    extension: str
    name: str
    queues: list[str]
    desired: str
    reason: str
    observed: str
    since: datetime
    wrap_up_until: datetime | None
    call: str | None


class AgentStates(Out):
    agents: list[AgentState]


class MissedRow(Out):
    id: int
    call: str
    caller: str
    queue: str
    reason: str
    asked: bool
    at: datetime
    due_at: datetime
    owner: str | None
    state: str
    attempts: int
    resolved_by: str | None
    resolved_at: datetime | None


class MissedPage(Out):
    """next_due_at and next_id: give them back as after_due_at and after_id for the next page."""

    rows: list[MissedRow]
    next_due_at: datetime | None
    next_id: int | None


class SettledQuery(Query):
    before_at: AwareDatetime | None = None
    before_id: Annotated[int, Field(ge=0, lt=2**63)] = 0
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class SettledPage(Out):
    """next_at and next_id: give them back as before_at and before_id for the next page."""

    rows: list[MissedRow]
    next_at: datetime | None
    next_id: int | None


class MissedQuery(Query):
    after_due_at: AwareDatetime | None = None
    after_id: Annotated[int, Field(ge=0, lt=2**63)] = 0
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class Started(Out):
    """command: its id; call: the call that is being made."""

    command: int
    call: str


@api.get("/api/agents", WATCHERS)
async def list_agents(ctx: Context) -> AgentStates:
    """全部坐席的状态"""
    async with ctx.transaction() as tx:
        return AgentStates(agents=[state_of(one) for one in await agents.all_agents(tx)])


@api.post("/api/desk/login", AGENTS)
async def desk_login(ctx: Context) -> AgentState:
    """签入：在本人有技能授权的队列中开始接听"""
    return await _wish(ctx, Desired.READY)


@api.post("/api/desk/logout", AGENTS)
async def desk_logout(ctx: Context) -> AgentState:
    """签出队列"""
    return await _wish(ctx, Desired.LOGGED_OUT)


@api.post("/api/desk/ready", AGENTS)
async def desk_ready(ctx: Context) -> AgentState:
    """示闲；整理中的话务员由此结束整理"""
    return await _wish(ctx, Desired.READY)


@api.post("/api/desk/pause", AGENTS)
async def desk_pause(ctx: Context, body: Pause) -> AgentState:
    """示忙，须选原因"""
    return await _wish(ctx, Desired.PAUSED, body.reason)


@api.get("/api/missed-calls", WATCHERS)
async def missed_calls(ctx: Context, query: MissedQuery) -> MissedPage:
    """漏接台账，按应回拨时间排列"""
    after = (query.after_due_at, query.after_id) if query.after_due_at else None
    async with ctx.transaction() as tx:
        rows = await missed.open_rows(tx, after=after, limit=query.limit)
        shown = [_row(row, await vault.masked_of(tx, row.caller)) for row in rows]
    last = rows[-1] if len(rows) == query.limit else None
    return MissedPage(rows=shown, next_due_at=last.due_at if last else None, next_id=last.id if last else None)


@api.get("/api/missed-calls/settled", WATCHERS)
async def settled_calls(ctx: Context, query: SettledQuery) -> SettledPage:
    """已处理的漏接：已回拨接通、市民再次来电已接通、多次未接通、号码未知，新的在前"""
    before = (query.before_at, query.before_id) if query.before_at else None
    async with ctx.transaction() as tx:
        rows = await missed.settled_rows(tx, before=before, limit=query.limit)
        shown = [_row(row, await vault.masked_of(tx, row.caller)) for row in rows]
    last = rows[-1] if len(rows) == query.limit else None
    return SettledPage(rows=shown, next_at=last.at if last else None, next_id=last.id if last else None)


@api.post("/api/missed-calls/{missed_id}/call-back", AGENTS)
async def call_back(ctx: Context, missed_id: int) -> Started:
    """回拨：先振铃本人话机，接听后接通市民；同一市民同时只有一次回拨"""
    call_id = missed.new_call_id(ctx.services.node, ctx.now)
    async with ctx.transaction() as tx:
        row = await missed.take(tx, missed_id, ctx.extension, call_id)
        if row.caller is None:
            raise missed.MissedCallSettled
        command = await commands.ask(
            tx,
            commands.Kind.CALL_BACK,
            key=f"call_back:{call_id}",
            node=ctx.services.node,
            actor=ctx.actor,
            call_id=call_id,
            args={"agent": ctx.extension, "caller": row.caller, "missed": missed_id},
        )
    return Started(command=command, call=call_id)


async def _wish(ctx: Context, desired: Desired, reason: str = "") -> AgentState:
    async with ctx.transaction() as tx:
        await agents.wish(tx, ctx.extension, desired, at=ctx.now, actor=ctx.actor, reason=reason)
        return state_of(await agents.find(tx, ctx.extension))


def state_of(one: agents.Agent) -> AgentState:
    """An agent as people see them."""
    return AgentState(
        extension=one.id,
        name=one.name,
        queues=[QueueName(queue) for queue in one.queues],
        desired=one.desired,
        reason=one.reason,
        observed=one.observed,
        since=one.since,
        wrap_up_until=one.wrap_up_until,
        call=one.call_id,
    )


def _row(row: missed.Missed, caller: str) -> MissedRow:
    return MissedRow(
        id=row.id,
        call=row.call_id,
        caller=caller,
        queue=row.queue,
        reason=row.reason,
        asked=row.asked,
        at=row.at,
        due_at=row.due_at,
        owner=row.owner,
        state=row.state,
        attempts=row.attempts,
        resolved_by=row.resolved_by,
        resolved_at=row.resolved_at,
    )
