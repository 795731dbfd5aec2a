"""What a supervisor does to an agent who has forgotten themselves: pause, log out. With a reason, and audited."""

from typing import Annotated

from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import agents
from callcenter.agents import Desired
from callcenter.audit import Audited, note
from callcenter.board import BoardEvent
from callcenter.types import AgentId, Role
from callcenter.web.context import Context
from callcenter.web.problems import NotFound, Problem
from callcenter.web.router import In, Routes

api = Routes("agent-orders")
SUPERVISORS = frozenset({Role.SUPERVISOR})


class Ordered(In):
    """reason: told to the agent and kept in the audit."""

    reason: Annotated[str, Field(min_length=2, max_length=200, pattern=r"\S\s*\S")]


@api.post("/api/agents/{extension}/pause", SUPERVISORS)
async def pause_agent(ctx: Context, extension: str, body: Ordered) -> None:
    """班长将坐席置忙：不再分配来电，正在进行的通话不受影响；坐席可自行示闲"""
    await _order(ctx, AgentId(extension), Desired.PAUSED, body.reason)


@api.post("/api/agents/{extension}/logout", SUPERVISORS)
async def log_agent_out(ctx: Context, extension: str, body: Ordered) -> None:
    """班长将坐席签出队列：用于忘记签出的坐席，正在进行的通话不受影响"""
    await _order(ctx, AgentId(extension), Desired.LOGGED_OUT, body.reason)


async def _order(ctx: Context, who: AgentId, desired: Desired, reason: str) -> None:
    async with ctx.transaction() as tx:
        await _logged_in(tx, who)
        forced = agents.FORCED if desired == Desired.PAUSED else ""
        await agents.wish(tx, who, desired, at=ctx.now, actor=ctx.actor, reason=forced)
        await note(tx, Audited(ctx.actor, f"agent.{desired}", f"agent:{who}", detail={"reason": reason}))
    told = {"agent": who, "desired": str(desired), "by": ctx.person.name, "reason": reason, "at": ctx.now.isoformat()}
    await ctx.services.board.publish((BoardEvent("agent.ordered", told, audience=who),))


async def _logged_in(tx: AsyncConnection, who: AgentId) -> None:
    try:
        found = await agents.find(tx, who)
    except agents.AgentUnknown:
        raise NotFound from None
    if found.desired == Desired.LOGGED_OUT:
        raise Problem(409, "agent_logged_out", "该坐席已经签出，无需操作。请刷新后查看。")
