"""What one IVR process costs a call, and how many calls a second go through it and a real Asterisk.

`python -m tests.bench.bench_ivr` prints a table. Two parts:
- loopback: AGI calls from this process (tests/support/agi_client.py) at given rates; the CPU is the IVR process's own.
- sipp: real calls on a private Asterisk: answer, recording on, a 0.2 s prompt, 0.1 s for a key, hang-up. `held` says
  that every call ended well without one SIP message sent twice. Left out when sipp is not installed.
"""

import asyncio
import csv
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from callcenter.stack.stack import Options, Stack
from callcenter.types import QueueName
from config.menu_loader import load_menus
from ivr.menu import Menu, MenuContext, QueueRules, Step, ToQueue, Turn
from ivr.prompts.voice import write_wav
from ivr.server import IvrServer
from ivr.session import IncomingCall
from tests.support.agi_client import TOKEN, Caller, call, environment
from tests.support.stack import new_folder

LOOPBACK_RATES = (50, 200, 500)
SIPP_RATES = (25, 100, 200)
SECONDS = 4
SCENARIO = Path(__file__).with_name("ivr_call.xml")
TICK_S = 1 / os.sysconf("SC_CLK_TCK")

SHORT = Menu(
    name="short",
    start="ask",
    steps={"ask": Step(say=("short",), silence=Turn.HANG_UP, keys={"0": ToQueue(QueueName("hotline"))}, wait_s=0.1)},
    queues={QueueName("hotline"): QueueRules()},
    callback_said="short",
    withheld_said="short",
    queue_tried=True,
)


def run(rates: tuple[int, ...] = LOOPBACK_RATES, seconds: int = SECONDS) -> dict[str, Any]:
    """Rows by part: {"loopback": [...], "sipp": [...]}; times in ms of CPU a call, rates in calls a second."""
    return asyncio.run(_run(rates, seconds))


async def _run(rates: tuple[int, ...], seconds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        prompts = Path(folder)
        for name in (*load_menus().prompts, "short"):
            write_wav(prompts / f"{name}.wav", np.full(1600, 1000, dtype=np.int16))
        async with _ivr_process("main", prompts, 0, TOKEN) as ivr:
            loopback = [await _loopback(ivr, rate, seconds) for rate in rates]
        sipp = await _sipp(prompts, seconds) if shutil.which("sipp") else []
    return {"loopback": loopback, "sipp": sipp}


# --- the IVR in a process of its own


class _Ivr:
    """The other end of the pipe to the IVR process."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self.port: int = pipe.recv()

    async def cpu_s(self) -> float:
        """CPU seconds used so far, user and system."""
        self._pipe.send("cpu")
        return float(await asyncio.to_thread(self._pipe.recv))

    async def stop(self) -> None:
        self._pipe.send("stop")


@asynccontextmanager
async def _ivr_process(menu: str, prompts: Path, port: int, token: str) -> AsyncIterator[_Ivr]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, menu, prompts, port, token))
    process.start()
    theirs.close()  # so that a child that dies is an EOFError here, not a wait for ever
    ivr = await asyncio.to_thread(_Ivr, ours)
    try:
        yield ivr
    finally:
        await ivr.stop()
        await asyncio.to_thread(process.join)


def _menus() -> dict[str, Menu]:
    return {"main": load_menus().by_script["ivr"], SHORT.name: SHORT}


def _serve(pipe: Connection, menu: str, prompts: Path, port: int, token: str) -> None:
    async def context_for(_: IncomingCall) -> MenuContext:
        return MenuContext(datetime.now(UTC), is_workday=True)

    async def serve() -> None:
        server = IvrServer("127.0.0.1", port, token, {"ivr": _menus()[menu]}, prompts, context_for)
        await server.start()
        pipe.send(server.port)
        while await asyncio.to_thread(pipe.recv) == "cpu":
            pipe.send(time.process_time())
        await server.stop()

    asyncio.run(serve())


# --- part one: AGI over loopback


async def _loopback(ivr: _Ivr, rate: int, seconds: int) -> dict[str, Any]:
    calls = rate * seconds
    head = environment()
    before_s, started = await ivr.cpu_s(), time.monotonic()
    tasks = []
    for number in range(calls):
        await asyncio.sleep(max(0.0, started + number / rate - time.monotonic()))
        tasks.append(asyncio.create_task(call(ivr.port, Caller(["3"]), head)))
    heard = await asyncio.gather(*tasks)
    wall_s = time.monotonic() - started
    cpu_s = await ivr.cpu_s() - before_s
    return {
        "rate": rate,
        "calls": calls,
        "ok": sum(one.variables.get("ROUTE") == "queue" for one in heard),
        "calls_per_s": round(calls / wall_s, 1),
        "commands_per_call": len(heard[0].commands),
        "ivr_cpu_ms_per_call": round(cpu_s / calls * 1000, 2),
    }


# --- part two: real calls


async def _sipp(prompts: Path, seconds: int) -> list[dict[str, Any]]:
    stack = Stack(new_folder("bench-ivr"), Options(prompts_dir=prompts), migrate=_nothing)
    stack.open()
    try:
        await stack.asterisk.boot()
        async with _ivr_process(SHORT.name, prompts, stack.ports.agi, stack.secrets.agi_token) as ivr:
            return [await _sipp_at(stack, ivr, rate, seconds) for rate in SIPP_RATES]
    finally:
        await stack.remove()


async def _nothing(_: str) -> None:
    """No database here, so nothing to migrate."""


async def _sipp_at(stack: Stack, ivr: _Ivr, rate: int, seconds: int) -> dict[str, Any]:
    calls = rate * seconds
    pid = stack.asterisk.pid
    assert pid is not None
    statistics = stack.folder.path / f"sipp-{rate}.csv"
    before_s, asterisk_before_s = await ivr.cpu_s(), _cpu_s(pid)
    command = [
        *("sipp", f"127.0.0.1:{stack.ports.sip}", "-sf", str(SCENARIO), "-s", stack.options.hotline_number),
        *("-i", "127.0.0.2", "-p", str(stack.ports.trunk_peer), "-r", str(rate), "-m", str(calls), "-l", "4000"),
        *("-nostdin", "-timeout", "60", "-trace_stat", "-stf", str(statistics)),
    ]
    quiet = asyncio.subprocess.DEVNULL
    sipp = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet, cwd=stack.folder.path)
    await sipp.wait()
    last = _last_row(statistics)
    ok, again = int(last["SuccessfulCall(C)"]), int(last["Retransmissions(C)"])
    return {
        "rate": rate,
        "calls": calls,
        "ok": ok,
        "sent_twice": again,
        "held": ok == calls and again == 0,
        "ivr_cpu_ms_per_call": round((await ivr.cpu_s() - before_s) / calls * 1000, 2),
        "asterisk_cpu_ms_per_call": round((_cpu_s(pid) - asterisk_before_s) / calls * 1000, 2),
    }


def _cpu_s(pid: int) -> float:
    """User and system seconds of a process (proc(5), stat fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def _last_row(file: Path) -> dict[str, str]:
    with file.open(newline="") as rows:
        return list(csv.DictReader(rows, delimiter=";"))[-1]


def main() -> None:
    """Print both tables."""
    for part, rows in run().items():
        sys.stdout.write(f"{part}\n")
        for row in rows:
            sys.stdout.write("  " + "  ".join(f"{key}={value}" for key, value in row.items()) + "\n")


if __name__ == "__main__":
    main()
