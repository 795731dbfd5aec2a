"""The world outside the hotline in the flow bench: citizens, agents' telephones and a unit's, all played by sipp.

sipp sends audio cheaply and receives none of it; what arrives is in the recordings. The agents' telephones register
by our own code first (Debian's sipp knows no digest), from the address that sipp takes over then.
"""

import asyncio
import csv
import json
import os
from asyncio.subprocess import DEVNULL, Process
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from callcenter.stack.phone import Phone
from callcenter.stack.phone_sound import alaw_encode
from callcenter.stack.ports import LOOPBACK, TRUNK_PEER, UNIT_PEER
from callcenter.stack.secrets import Secrets, write_private
from callcenter.stack.stack import Stack
from tests.bench.machine import cpu_s
from tests.support.spoken import ANSWER, COMPLAINT, silence, spoken

HERE = Path(__file__).parent
REGISTERED_S = 3600


def more_agents(folder: Path, count: int) -> tuple[str, ...]:
    """Secrets for a new stack in `folder` that has so many agents' telephones; their extensions."""
    made = Secrets()
    agents = {str(8001 + number): password for number, password in enumerate(_passwords(made, count))}
    folder.mkdir(mode=0o700, parents=True)
    write_private(folder / "secrets.json", json.dumps(asdict(made) | {"agents": agents}))
    return tuple(agents)


def _passwords(made: Secrets, count: int) -> list[str]:
    known = list(made.agents.values())
    while len(known) < count:
        known += Secrets().agents.values()
    return known[:count]


@dataclass(frozen=True, slots=True)
class Citizens:
    """How the citizens' telephones saw it."""

    ok: int
    failed: int
    sent_twice: int


class Outside:
    """Telephones around one stack."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._running: list[Process] = []
        self._folder = stack.folder.path / "sipp"

    async def start(self, agents: tuple[str, ...]) -> None:
        """Agents registered, everybody's telephone ready. Raises RegistrationRefused."""
        self._folder.mkdir()
        said = spoken(COMPLAINT) + silence(1) + spoken(ANSWER) + silence(0.5)
        (self._folder / "voice.al").write_bytes(alaw_encode(np.frombuffer(said, "<i2")))
        ports = self._stack.ports
        desks = (LOOPBACK, ports.start + 40)
        for agent in agents:
            await _register(desks, (LOOPBACK, ports.sip), agent, self._stack.secrets.agents[agent])
        await self._sipp("flow_answer.xml", *desks, 34_000)
        await self._sipp("flow_answer.xml", UNIT_PEER, ports.unit_peer, 40_000)

    async def citizens(self, rate: float, calls: int, talk_s: float) -> Citizens:
        """`calls` citizens at `rate` a second, each on the line for `talk_s` from the answer; returns at the end."""
        ports = self._stack.ports
        statistics = self._folder / f"citizens-{rate}.csv"
        load = [f"{LOOPBACK}:{ports.sip}", "-s", self._stack.options.hotline_number, "-r", str(rate), "-m", str(calls)]
        load += ["-d", str(int(talk_s * 1000)), "-timeout", "180", "-trace_stat", "-stf", str(statistics)]
        sipp = await self._sipp("flow_citizen.xml", TRUNK_PEER, ports.trunk_peer, 46_000, *load)
        await sipp.wait()
        self._running.remove(sipp)
        with statistics.open(newline="") as rows:
            last = list(csv.DictReader(rows, delimiter=";"))[-1]
        return Citizens(*(int(last[f"{name}(C)"]) for name in ("SuccessfulCall", "FailedCall", "Retransmissions")))

    def cpu_s(self) -> float:
        """What playing them, and this process, has cost so far; a sipp that has ended counts as ours."""
        return cpu_s(os.getpid()) + sum(cpu_s(sipp.pid) for sipp in self._running)

    async def stop(self) -> None:
        """Everybody gone."""
        for sipp in self._running:
            with suppress(ProcessLookupError):
                sipp.kill()
            await sipp.wait()
        self._running.clear()

    async def _sipp(self, scenario: str, address: str, port: int, media_port: int, *more: str) -> Process:
        own = ("-i", address, "-p", str(port), "-mi", address, "-mp", str(media_port), "-nostdin")
        command = ("sipp", *more, "-sf", str(HERE / scenario), *own, "-trace_err")
        sipp = await asyncio.create_subprocess_exec(*command, stdout=DEVNULL, stderr=DEVNULL, cwd=self._folder)
        self._running.append(sipp)
        return sipp


async def _register(own: tuple[str, int], server: tuple[str, int], extension: str, password: str) -> None:
    phone = _Registered(own, server, extension, password=password)
    await phone.start()
    await phone.leave()


class _Registered(Phone):
    """A telephone that registers for long and leaves its address to another program, still registered."""

    async def register(self, *, expires_s: int = REGISTERED_S, within_s: float = 5) -> None:
        await super().register(expires_s=expires_s, within_s=within_s)

    async def leave(self) -> None:
        assert self._registrar is not None
        self._registrar.cancel()
        await asyncio.gather(self._registrar, return_exceptions=True)
        self._line.close()
        await asyncio.sleep(0)  # the transport gives its port back in the next turn of the loop
