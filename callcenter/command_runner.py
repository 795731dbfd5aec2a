"""Carries out commands on this node's calls: one at a time a call, each at most once.

Runs in the listener's process, does each through `call_deeds`, writes how it ended. A process that died in the middle
leaves `running` rows: those are looked into and end `unknown` or done.
"""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import commands, metrics, outgoing
from callcenter.call_deeds import CallDeeds
from callcenter.commands import Command, Kind, Result, State
from callcenter.control_errors import ControlError, OutcomeUnknown, PbxAway
from callcenter.db import Database, DatabaseAway, listen

log = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0
TRY_AGAIN_S = 0.5
AT_ONCE = frozenset({Kind.CANCEL_CONSULT, Kind.HANG_UP, Kind.END_OTHERS, Kind.REJOIN})
OF_THE_STORY = frozenset({Kind.END_OTHERS, Kind.REQUEUE, Kind.GOODBYE})
"""Asked for by what happened, not by a person who reads how it went."""


@dataclass
class CommandRunner:
    """node: whose commands these are."""

    database: Database
    deeds: CallDeeds
    node: str
    _turns: dict[str, asyncio.Lock] = field(default_factory=lambda: defaultdict(asyncio.Lock))
    _running: set[asyncio.Task[None]] = field(default_factory=set)
    _mine: set[int] = field(default_factory=set)
    """Commands this process has in hand; any other that runs on this node was left over."""

    async def run(self) -> None:
        """Carry out commands until cancelled; goes on when PostgreSQL comes back."""
        while True:
            try:
                async with listen(self.database, commands.ASKED) as told:
                    while True:
                        # Each time: what was taken in a commit that was never confirmed is nobody's, and such a commit
                        # may come through a moment after its connection broke.
                        await self._look_into_left_over()
                        await self._take_all()
                        with contextlib.suppress(TimeoutError):
                            async with asyncio.timeout(LOOK_EVERY_S):
                                if await told.get() is None:
                                    break
            except DatabaseAway:
                await asyncio.sleep(0.5)

    async def _take_all(self) -> None:
        async with self.database.transaction() as tx:
            taken = await commands.take(tx, self.node)
        self._start(taken)

    def _start(self, taken: Sequence[Command]) -> None:
        for command in taken:
            self._mine.add(command.id)
            task = asyncio.create_task(self._in_turn(command))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _in_turn(self, command: Command) -> None:
        # Cancelling must not wait for the ringing it cancels, nor an agent who comes back for a unit that rings.
        if command.kind in AT_ONCE or command.call_id is None:
            await self._carry_out(command)
            return
        lock = self._turns[command.call_id]
        async with lock:
            await self._carry_out(command)
        if self.deeds.is_over(command.call_id) and not lock.locked():
            self._turns.pop(command.call_id, None)

    async def _carry_out(self, command: Command) -> None:
        result = await self._result(command)
        metrics.COMMANDS.labels(command.kind, result.state).inc()
        while True:
            try:
                async with self.database.transaction() as tx:
                    await self._finish(tx, command, result)
            except DatabaseAway:
                await asyncio.sleep(0.5)
            else:
                self._mine.discard(command.id)
                return

    async def _finish(self, tx: AsyncConnection, command: Command, result: Result) -> None:
        await commands.finish(tx, command.id, result)
        if command.kind == Kind.CALL_BACK and result.state != State.DONE and command.call_id is not None:
            await outgoing.given_up(tx, command.call_id, result.state, datetime.now(UTC))

    async def _result(self, command: Command) -> Result:
        if _is_stale(command):
            return Result(State.FAILED, "stale", "操作等待过久，已放弃执行，请查看通话状态后再试。")
        try:
            data = await self._done(command)
        except OutcomeUnknown as error:
            return Result(State.UNKNOWN, "OutcomeUnknown", error.sentence)
        except ControlError as error:
            log.info("a command was not carried out", extra={"command": command.id, "why": repr(error)})
            return Result(State.FAILED, type(error).__name__, error.sentence)
        except Exception:
            log.exception("a command broke", extra={"command": command.id, "kind": command.kind})
            return Result(State.UNKNOWN, "broken", "系统内部错误，操作结果未知，请查看通话状态。")
        return Result(State.DONE, data=data)

    async def _done(self, command: Command) -> dict[str, Any]:
        """The deed. What the story asked for nobody asks for again: it is tried until it goes out or is stale."""
        while True:
            try:
                return await self.deeds.do(command)
            except PbxAway:
                if command.kind not in OF_THE_STORY or _is_stale(command):
                    raise
                await asyncio.sleep(TRY_AGAIN_S)

    async def _look_into_left_over(self) -> None:
        """Commands of a dead process: nobody knows whether they happened, and they are not repeated."""
        # As it was before the question: a command that ends meanwhile is not left over.
        mine = frozenset(self._mine)
        async with self.database.transaction() as tx:
            left = [one for one in await commands.left_running(tx, self.node) if one.id not in mine]
            for command in left:
                if command.kind != Kind.END_OTHERS:
                    sentence = "执行过程中系统重启，操作结果未知，请查看通话状态，不要直接重复。"
                    await self._finish(tx, command, Result(State.UNKNOWN, "restarted", sentence))
        # A leg that is gone cannot be ended twice.
        self._start([one for one in left if one.kind == Kind.END_OTHERS])


def _is_stale(command: Command) -> bool:
    """Whether the call has moved on since; legs that nobody else will end are ended however late."""
    waited_s = (datetime.now(UTC) - command.asked_at).total_seconds()
    return command.kind != Kind.END_OTHERS and waited_s > commands.STALE_S
