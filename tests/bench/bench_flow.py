"""Whole three-party calls a second on this machine, with everything written: real Asterisk, every process of ours.

`python -m tests.bench.bench_flow` prints a table. A citizen speaks, hears the menu, waits, talks with an agent, who
consults a unit, merges and leaves; citizen and unit talk on until the citizen hangs up: about nine seconds. The rate
goes up until calls fail, rows are missing or late, or one command in twenty takes more than half a second. Two parts:
- plain: telephony, rows, recordings verified; no live words and no transcripts.
- speech: with the live tap and the final transcript of every leg.
The telephones (sipp) run on the same cores; what they cost is a column.
"""

import asyncio
import math
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import func, insert, select

from callcenter import agents, invariants
from callcenter.app import load_rules
from callcenter.board import Board
from callcenter.commands import Kind
from callcenter.custody.opening import ground_of
from callcenter.stack.hotline import Hotline
from callcenter.stack.stack import Options
from callcenter.tables import agent
from callcenter.types import AgentId, QueueName, system
from config.menu_loader import load_menus
from ivr.prompts.voice import write_wav
from tests.bench import flow_rows
from tests.bench.flow_desk import Desk
from tests.bench.flow_outside import Outside, more_agents
from tests.bench.machine import CannotRun, cpu_s, family_cpu_s
from tests.support.stack import new_folder

PLAIN_RATES = (1, 2, 4, 6, 8, 10)
SPEECH_RATES = (0.5, 1, 1.5, 2)
SECONDS = 20
TALK_S = 9.5
"""Of the citizen, from the answer: menu 2.5 s, queue, 4 s until the agent leaves, the rest with the unit."""
AGENTS_PER_RATE = 12
"""An agent is taken for about six seconds a call: ringing, four of talk, one of wrap-up and its end."""
SLOW_S = 0.5
QUEUE = QueueName("hotline")
DRAIN_S = 60.0
KEEPS_UP_S = 10.0
"""After the last hang-up everything must be written within this time, or work piles up at this rate."""
PLAIN_JOBS = ("recording.verify",)
SPEECH_JOBS = ("recording.verify", "call.transcribe")


def run(
    plain: Sequence[float] = PLAIN_RATES, speech: Sequence[float] = SPEECH_RATES, seconds: int = SECONDS
) -> dict[str, Any]:
    """Rows by part: {"plain": [...], "speech": [...]}. Raises CannotRun without sipp."""
    if shutil.which("sipp") is None:
        raise CannotRun("sipp plays the telephones and is not installed: apt install sip-tester")
    return {
        "plain": asyncio.run(_ramp(plain, seconds, speech=False)) if plain else [],
        "speech": asyncio.run(_ramp(speech, seconds, speech=True)) if speech else [],
    }


async def _ramp(rates: Sequence[float], seconds: int, *, speech: bool) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    async with _hotline(math.ceil(max(rates) * AGENTS_PER_RATE), speech=speech) as bench:
        for rate in rates:
            rows.append(await bench.at(rate, max(2, round(rate * seconds))))
            if not rows[-1]["held"]:
                break
    return rows


@asynccontextmanager
async def _hotline(agent_count: int, *, speech: bool) -> AsyncIterator["_Bench"]:
    """Everything up, agents ready; short prompts, so that a call is about people and not about listening."""
    os.environ["CALLCENTER_LIVE_WORDS"] = os.environ["CALLCENTER_TRANSCRIPTS"] = str(speech).lower()
    processes = ("listen", "ivr", "work", *(("speech",) if speech else ()))
    async with AsyncExitStack() as closing:
        prompts = Path(closing.enter_context(tempfile.TemporaryDirectory()))
        for name in load_menus().prompts:
            write_wav(prompts / f"{name}.wav", np.full(1600, 1000, dtype=np.int16))
        folder = new_folder("bench-flow")
        extensions = more_agents(folder, agent_count)
        hotline = Hotline(folder, Options(prompts_dir=prompts, wrap_up_s=1.0), processes=processes)
        closing.push_async_callback(hotline.stack.remove)
        await hotline.start()
        closing.push_async_callback(hotline.stop)
        outside = Outside(hotline.stack)
        closing.push_async_callback(outside.stop)
        await outside.start(extensions)
        await _sign_in(hotline, extensions)
        board = Board(hotline.stack.valkey.url)
        closing.push_async_callback(board.close)
        desk = Desk(hotline.database, board, hotline.stack.options.node)
        following = asyncio.create_task(desk.run())
        closing.callback(following.cancel)
        yield _Bench(hotline, outside, desk, SPEECH_JOBS if speech else PLAIN_JOBS)


async def _sign_in(hotline: Hotline, extensions: Sequence[str]) -> None:
    """Every agent wishes to be ready, and Asterisk shows it."""
    async with hotline.database.transaction() as tx:
        known = set((await tx.execute(select(agent.c.id))).scalars())
        new = [{"id": one, "name": one, "queues": [QUEUE]} for one in extensions if one not in known]
        if new:
            await tx.execute(insert(agent), new)
        for one in extensions:
            ready, now = agents.Desired.READY, datetime.now(UTC)
            await agents.wish(tx, AgentId(one), ready, at=now, actor=system("bench"), queues=[QUEUE])
    idle = select(func.count()).where(agent.c.observed == "idle", agent.c.id.in_(extensions))
    async with asyncio.timeout(60):
        while True:
            async with hotline.database.transaction() as tx:
                if (await tx.execute(idle)).scalar_one() == len(extensions):
                    return
            await asyncio.sleep(0.2)


@dataclass
class _Bench:
    """One running hotline to be loaded at one rate after another."""

    hotline: Hotline
    outside: Outside
    desk: Desk
    jobs: tuple[str, ...]

    async def at(self, rate: float, calls: int) -> dict[str, Any]:
        """One row: so many calls at this rate, until every row of theirs is there."""
        self.desk.begin()
        since, began, before = datetime.now(UTC), time.monotonic(), self._cpu_s()
        citizens = await self.outside.citizens(rate, calls, TALK_S)
        wall_s, during = time.monotonic() - began, self._cpu_s()
        await self.desk.settled()
        drained_s = await flow_rows.until_quiet(self.hotline.database, self.jobs, DRAIN_S)
        after = self._cpu_s()
        rows = await flow_rows.found(self.hotline.database, since)
        took_s = {kind: sorted(took) for kind, took in self.desk.took_s.items()}
        slow_s = max((_percentile(took, 0.95) for took in took_s.values()), default=math.inf)
        complete = citizens.ok == rows["complete"] == calls
        return {
            "rate": rate,
            "calls": calls,
            "ok": citizens.ok,
            "sent_twice": citizens.sent_twice,
            **rows,
            "refused": dict(self.desk.refused),
            "held": complete and slow_s <= SLOW_S and drained_s <= KEEPS_UP_S,
            **{f"{kind}_ms": _p50_p95_ms(took_s.get(kind, [])) for kind in (Kind.CONSULT, Kind.MERGE, Kind.LEAVE)},
            "lag_p99_ms": await flow_rows.lag_p99_ms(self.hotline.database, since),
            "cores_used": round(sum(during[one] - before[one] for one in before) / wall_s, 2),
            "drained_s": drained_s,
            "cpu_ms_per_call": {one: round((after[one] - before[one]) / calls * 1000, 1) for one in before},
            "broken_invariants": await self._findings(),
        }

    def _cpu_s(self) -> dict[str, float]:
        stack = self.hotline.stack
        ours = {name: cpu_s(process.pid or 0) for name, process in self.hotline.processes.items()}
        return {
            "asterisk": cpu_s(stack.asterisk.pid or 0),
            **ours,
            "postgres": family_cpu_s(stack.postgres.pid or 0),
            "valkey": cpu_s(stack.valkey.pid or 0),
            "outside": self.outside.cpu_s(),
        }

    async def _findings(self) -> list[str]:
        stack, now = self.hotline.stack, datetime.now(UTC)
        rules = load_rules(stack.options.policy)
        custody = ground_of(stack.settings())
        ground = invariants.Ground(
            rules, stack.asterisk.spool, stack.asterisk.cel_file, stack.options.node, now, custody=custody
        )
        async with self.hotline.database.transaction() as tx:
            return [f"{one.invariant} {one.sentence}" for one in await invariants.verify(tx, ground)][:5]


def _p50_p95_ms(ordered: Sequence[float]) -> list[float]:
    return [round(_percentile(ordered, share) * 1000, 1) for share in (0.5, 0.95)]


def _percentile(ordered: Sequence[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else math.nan


def table(result: dict[str, Any]) -> str:
    """The result for people."""
    lines: list[str] = []
    for part, rows in result.items():
        lines.append(part)
        for row in rows:
            lines.append("  " + "  ".join(f"{key}={value}" for key, value in row.items()))
    return "\n".join(lines)


def main() -> None:
    """Both tables; with arguments, the rates of the plain part only."""
    rates = [float(one) for one in sys.argv[1:]]
    with suppress(KeyboardInterrupt):
        sys.stdout.write(table(run(rates, (), 10) if rates else run()) + "\n")


if __name__ == "__main__":
    main()
