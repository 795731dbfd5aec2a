"""Agents: what they want to be (PostgreSQL), what Asterisk says they are, and what repairs the difference.

Wrap-up is a state of ours, shown to app_queue as a pause with reason ACW; app_queue's own wrapuptime is not used.
A pause or an added queue counts when Asterisk's next status shows it, not when the action was answered.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.db import notify
from callcenter.tables import agent, agent_event
from callcenter.types import Actor, AgentId, CallId, QueueName

CHANGED = "agent_changed"
"""The NOTIFY channel the reconciler listens on."""
WRAP_UP = "ACW"
NO_ANSWER = "未应答"
"""Set by the system when an offered call was not answered, so that the next caller does not ring in vain."""
FORCED = "班长置忙"
"""Set by a supervisor; why is in the audit."""
PAUSE_REASONS = ("小休", "用餐", "培训", "会议", "设备故障")


class Desired(StrEnum):
    """What an agent wants to be."""

    LOGGED_OUT = "logged_out"
    READY = "ready"
    PAUSED = "paused"
    WRAP_UP = "wrap_up"


class AgentUnknown(LookupError):
    """没有这个坐席分机，请核对分机号或联系管理员开通。"""


class PauseReasonUnknown(ValueError):
    """示忙原因不在列表中，请从：小休、用餐、培训、会议、设备故障 中选择。"""


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent as wanted. wrap_up_until: when wrap-up ends by itself."""

    id: AgentId
    name: str
    queues: tuple[QueueName, ...]
    desired: Desired
    reason: str
    since: datetime
    wrap_up_until: datetime | None
    call_id: CallId | None
    observed: str


@dataclass(frozen=True, slots=True)
class MemberSeen:
    """A queue member as QueueStatus shows it."""

    queue: str
    agent: str
    paused: bool
    reason: str


@dataclass(frozen=True, slots=True)
class Repair:
    """One queue action that brings Asterisk to what is wanted. action: add, remove, pause, unpause."""

    action: str
    queue: str
    agent: str
    reason: str = ""


def repairs(wanted: Sequence[Agent], seen: Iterable[MemberSeen], queues: frozenset[str]) -> tuple[Repair, ...]:
    """The least set of actions that turns `seen` into `wanted`. PURE.

    Members nobody knows are removed from our queues; queues Asterisk does not have are left out.
    """
    target = {(q, a.id): a for a in wanted if a.desired != Desired.LOGGED_OUT for q in a.queues if q in queues}
    found = {(m.queue, m.agent): m for m in seen if m.queue in queues}
    todo = [Repair("remove", queue, who) for queue, who in sorted(found.keys() - target.keys())]
    for key in sorted(target):
        todo.extend(_member_repairs(key[0], target[key], found.get((key[0], key[1]))))
    return tuple(todo)


def _member_repairs(queue: str, who: Agent, seen: MemberSeen | None) -> tuple[Repair, ...]:
    paused, reason = _as_pause(who)
    if seen is None:
        added = Repair("add", queue, who.id, reason if paused else "")
        return (added,)
    if paused and (not seen.paused or seen.reason != reason):
        return (Repair("pause", queue, who.id, reason),)
    if not paused and seen.paused:
        return (Repair("unpause", queue, who.id),)
    return ()


def _as_pause(who: Agent) -> tuple[bool, str]:
    if who.desired == Desired.WRAP_UP:
        return True, WRAP_UP
    return who.desired == Desired.PAUSED, who.reason


async def wish(
    tx: AsyncConnection,
    who: AgentId,
    desired: Desired,
    *,
    at: datetime,
    actor: Actor,
    reason: str = "",
    queues: Sequence[QueueName] | None = None,
    wrap_up_s: float | None = None,
    call_id: CallId | None = None,
) -> None:
    """An agent shall be `desired`; the reconciler is told at commit. Raises AgentUnknown, PauseReasonUnknown."""
    if desired == Desired.PAUSED and reason not in (*PAUSE_REASONS, NO_ANSWER, FORCED):
        raise PauseReasonUnknown(reason)
    until = at + timedelta(seconds=wrap_up_s) if wrap_up_s is not None and desired == Desired.WRAP_UP else None
    values: dict[str, Any] = {"desired": desired, "reason": reason, "since": at, "wrap_up_until": until}
    values["call_id"] = call_id
    if queues is not None:
        values["queues"] = list(queues)
    changed = await tx.execute(update(agent).where(agent.c.id == who).values(**values).returning(agent.c.id))
    if changed.scalar_one_or_none() is None:
        raise AgentUnknown(who)
    await _note(tx, who, str(desired), at, actor, reason=reason, call_id=call_id)
    await notify(tx, CHANGED, who)


async def wrap_up(tx: AsyncConnection, who: AgentId, call_id: CallId, *, at: datetime, wrap_up_s: float) -> bool:
    """After a call: wrap-up for `wrap_up_s`, unless the agent asked for a pause or logged out meanwhile."""
    state = (await tx.execute(select(agent.c.desired).where(agent.c.id == who))).scalar_one_or_none()
    if state != Desired.READY:
        return False
    actor = Actor("system", "wrap_up")
    await wish(tx, who, Desired.WRAP_UP, at=at, actor=actor, wrap_up_s=wrap_up_s, call_id=call_id)
    return True


async def end_wrap_ups(tx: AsyncConnection, now: datetime) -> tuple[AgentId, ...]:
    """Agents whose wrap-up time is over become ready; returns them."""
    due = select(agent.c.id).where(agent.c.desired == Desired.WRAP_UP, agent.c.wrap_up_until <= now)
    over = [AgentId(who) for who in (await tx.execute(due.with_for_update(skip_locked=True))).scalars()]
    for who in over:
        await wish(tx, who, Desired.READY, at=now, actor=Actor("system", "wrap_up"))
    return tuple(over)


async def observe(tx: AsyncConnection, who: AgentId, observed: str, at: datetime) -> bool:
    """Write what Asterisk shows; True when it is news."""
    changed = (
        update(agent)
        .where(agent.c.id == who, agent.c.observed != observed)
        .values(observed=observed, observed_at=at)
        .returning(agent.c.id)
    )
    return (await tx.execute(changed)).scalar_one_or_none() is not None


async def all_agents(tx: AsyncConnection) -> tuple[Agent, ...]:
    """Every agent, by extension."""
    return tuple(_agent(row) for row in await tx.execute(select(agent).order_by(agent.c.id)))


async def find(tx: AsyncConnection, who: AgentId) -> Agent:
    """One agent. Raises AgentUnknown."""
    row = (await tx.execute(select(agent).where(agent.c.id == who))).one_or_none()
    if row is None:
        raise AgentUnknown(who)
    return _agent(row)


async def drift_noted(tx: AsyncConnection, repair: Repair, at: datetime) -> None:
    """One row for a repair the reconciler made, so that drift can be counted and explained."""
    reason = f"{repair.action} {repair.queue} {repair.reason}".strip()
    await _note(tx, AgentId(repair.agent), "repaired", at, Actor("system", "reconciler"), reason=reason)


async def _note(
    tx: AsyncConnection,
    who: AgentId,
    kind: str,
    at: datetime,
    actor: Actor,
    *,
    reason: str = "",
    call_id: CallId | None = None,
) -> None:
    row = {"agent_id": who, "at": at, "kind": kind, "reason": reason, "actor": str(actor), "call_id": call_id}
    await tx.execute(insert(agent_event).values(**row))


def _agent(row: Any) -> Agent:
    return Agent(
        id=AgentId(row.id),
        name=row.name,
        queues=tuple(QueueName(q) for q in row.queues),
        desired=Desired(row.desired),
        reason=row.reason,
        since=row.since,
        wrap_up_until=row.wrap_up_until,
        call_id=CallId(row.call_id) if row.call_id else None,
        observed=row.observed,
    )
