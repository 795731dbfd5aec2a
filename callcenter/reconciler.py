"""Keeps app_queue's members equal to what agents want to be, and writes down what Asterisk shows.

Runs beside the listener: when an agent's wish or call changes, when the link is back, when a wrap-up ends, and every
few seconds. A repair counts when the next status shows it, so there is a look after each repair; every repair that no
wish explains is a drift, counted and written.
"""

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from callcenter import agents, metrics
from callcenter.agents import Agent, Desired, MemberSeen, Repair
from callcenter.ami import AmiClient, AmiError, AmiEvent
from callcenter.board import Board, BoardEvent
from callcenter.control import Control
from callcenter.control_errors import ControlError
from callcenter.db import Database, DatabaseAway, listen
from callcenter.snapshot import SeenQueue, seen_queues
from callcenter.types import AgentId, QueueName

log = logging.getLogger(__name__)

EVERY_S = 5.0
REST_S = 0.2
"""Between two looks, however many agents change: one look asks Asterisk for every member."""
CALM_S = 1.0
"""Calls come and go; what they change is looked at no more often than this."""
SHOWN_BY = frozenset({"AgentCalled", "AgentConnect", "AgentRingNoAnswer"})
"""AMI events after which an agent looks different. The end of a call is a wish of its own (wrap-up)."""

OBSERVED = ("unknown", "idle", "in_use", "busy", "invalid", "unavailable", "ringing", "in_use", "on_hold")
"""Asterisk's device states (AST_DEVICE_*, 0 to 8) as one word for people."""


@dataclass
class Reconciler:
    """One node's. `client` asks (events user), `control` acts."""

    database: Database
    client: AmiClient
    control: Control
    board: Board
    _wanted: dict[AgentId, datetime] = field(default_factory=dict)
    """Since when each agent wants what they want, as of the last look."""
    _next_at: datetime | None = None
    """When the next wrap-up ends."""
    _soon: asyncio.Event = field(default_factory=asyncio.Event)
    _calm: asyncio.TimerHandle | None = None

    def wake(self) -> None:
        """Look now rather than in a few seconds."""
        self._soon.set()

    def on_event(self, event: AmiEvent) -> None:
        """A call changes what an agent looks like: look within CALM_S."""
        if event.name in SHOWN_BY and self._calm is None:
            self._calm = asyncio.get_running_loop().call_later(CALM_S, self._calmly)

    def _calmly(self) -> None:
        self._calm = None
        self._soon.set()

    async def run(self) -> None:
        """Until cancelled."""
        wishes = asyncio.create_task(self._hear_wishes())
        try:
            repaired = False
            while True:
                with contextlib.suppress(DatabaseAway, AmiError):
                    todo = await self.reconcile()
                    # Once: a repair that does not hold is no reason to ask without end.
                    if todo and not repaired:
                        self._soon.set()
                    repaired = bool(todo)
                await asyncio.sleep(REST_S)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._pause_s()):
                        await self._soon.wait()
                self._soon.clear()
        finally:
            wishes.cancel()

    def _pause_s(self) -> float:
        if self._next_at is None:
            return EVERY_S
        return min(EVERY_S, max(0.05, (self._next_at - datetime.now(UTC)).total_seconds()))

    async def _hear_wishes(self) -> None:
        while True:
            with contextlib.suppress(DatabaseAway):
                async with listen(self.database, agents.CHANGED) as told:
                    self._soon.set()
                    while await told.get() is not None:
                        self._soon.set()
            await asyncio.sleep(0.5)

    async def reconcile(self) -> tuple[Repair, ...]:
        """One look: end wrap-ups that are over, repair members, write what is observed. Returns the repairs."""
        if not self.client.up:
            return ()
        now = datetime.now(UTC)
        async with self.database.transaction() as tx:
            await agents.end_wrap_ups(tx, now)
            wanted = await agents.all_agents(tx)
        before, self._wanted = self._wanted, {agent.id: agent.since for agent in wanted}
        wished = {agent.id for agent in wanted if before.get(agent.id, agent.since) != agent.since}
        self._next_at = min((agent.wrap_up_until for agent in wanted if agent.wrap_up_until), default=None)
        queues = seen_queues((await self.client.action("QueueStatus")).items)
        todo = agents.repairs(wanted, members_of(queues), frozenset(queue.name for queue in queues))
        for repair in todo:
            try:
                await self._apply(repair, wanted)
            except ControlError as error:
                # One agent who cannot be put right must not stand in the way of the others.
                log.warning("an agent was not put right", extra={"repair": str(repair), "why": repr(error)})
        await self._write(wanted, queues, [r for r in todo if r.agent not in wished], now)
        return todo

    async def _apply(self, repair: Repair, wanted: Sequence[Agent]) -> None:
        queue, who = QueueName(repair.queue), AgentId(repair.agent)
        metrics.AGENT_REPAIRS.labels(repair.action).inc()
        if repair.action == "remove":
            await self.control.queue_remove(queue, who)
        elif repair.action == "add":
            agent = next(a for a in wanted if a.id == who)
            paused = agent.desired != Desired.READY
            await self.control.queue_add(queue, who, agent.name, paused=paused, reason=repair.reason)
        else:
            await self.control.queue_pause(queue, who, paused=repair.action == "pause", reason=repair.reason)

    async def _write(
        self, wanted: Sequence[Agent], queues: Sequence[SeenQueue], drifts: Sequence[Repair], now: datetime
    ) -> None:
        shown: list[BoardEvent] = []
        async with self.database.transaction() as tx:
            known = {agent.id for agent in wanted}
            for drift in drifts:
                if drift.agent in known:
                    await agents.drift_noted(tx, drift, now)
            for agent in wanted:
                observed = observed_of(agent.id, queues)
                if observed != agent.observed and await agents.observe(tx, agent.id, observed, now):
                    data = {"agent": agent.id, "observed": observed, "desired": str(agent.desired)}
                    shown.append(BoardEvent("agent.observed", {**data, "at": now.isoformat()}))
        await self.board.publish(tuple(shown))


def members_of(queues: Sequence[SeenQueue]) -> tuple[MemberSeen, ...]:
    """Queue members as the pure diff wants them."""
    return tuple(
        MemberSeen(queue.name, member.interface.removeprefix("PJSIP/"), member.paused, member.paused_reason)
        for queue in queues
        for member in queue.members
    )


def observed_of(who: AgentId, queues: Sequence[SeenQueue]) -> str:
    """What Asterisk shows of an agent, as one word; `not_a_member` when no queue has them."""
    for queue in queues:
        for member in queue.members:
            if member.interface == f"PJSIP/{who}":
                return "in_call" if member.in_call else OBSERVED[member.status % len(OBSERVED)]
    return "not_a_member"
