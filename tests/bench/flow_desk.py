"""The agents' hands in the flow bench: each answered call is taken through consult, merge and leave.

They see what a screen sees (the board) and ask what the API asks: a command row, then its end.
"""

import asyncio
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

from callcenter import commands
from callcenter.board import Board
from callcenter.commands import Kind, State
from callcenter.db import Database
from callcenter.types import CallId, system

UNIT = "urban"
WITHIN_S = 20.0
STEPS: tuple[tuple[float, Kind, dict[str, Any]], ...] = (
    (1.0, Kind.CONSULT, {"unit": UNIT}),
    (1.0, Kind.MERGE, {}),
    (2.0, Kind.LEAVE, {}),
)
"""(seconds of talk before, what is asked, with what): four seconds from the agent's answer to the agent's leaving."""


@dataclass
class Desk:
    """`took_s`: from asking to the answer, by command; `refused`: how often each command ended otherwise than done."""

    database: Database
    board: Board
    node: str
    took_s: dict[Kind, list[float]] = field(default_factory=lambda: defaultdict(list))
    refused: Counter[str] = field(default_factory=Counter)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def run(self) -> None:
        """Take every answered call, until cancelled."""
        async for event in self.board.follow():
            if event.kind == "call.answered":
                task = asyncio.create_task(self._take(CallId(str(event.data["call"]))))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def settled(self) -> None:
        """Nobody is in the middle of a call."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def begin(self) -> None:
        """Forget what was measured."""
        self.took_s.clear()
        self.refused.clear()

    async def _take(self, call_id: CallId) -> None:
        for talk_s, kind, args in STEPS:
            await asyncio.sleep(talk_s)
            if not await self._do(call_id, kind, args):
                return

    async def _do(self, call_id: CallId, kind: Kind, args: dict[str, Any]) -> bool:
        began = time.monotonic()
        try:
            async with self.database.transaction() as tx:
                key, actor = f"bench:{kind}:{call_id}", system("bench")
                asked = await commands.ask(tx, kind, key=key, node=self.node, actor=actor, call_id=call_id, args=args)
            ended = await commands.wait(self.database, asked, within_s=WITHIN_S)
            why = ended.code if ended.state != State.DONE else ""
        except Exception as error:  # the bench counts what goes wrong under load, whatever it is
            why = type(error).__name__
        self.took_s[kind].append(time.monotonic() - began)
        if why:
            self.refused[f"{kind} {why}"] += 1
        return not why
