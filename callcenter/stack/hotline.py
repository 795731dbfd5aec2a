"""A whole hotline on one machine, for the demonstration and the tests: the stack, our processes, people, telephones.

    async with Hotline(folder) as hotline:
        agent = await hotline.sign_in("agent1")
        await agent.post("/api/desk/login")

The outside world (carrier, handsets) is played and speaks SIP, RTP and SMPP; everything else is the product itself.
"""

import asyncio
import secrets
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from callcenter import accounts, agents, heartbeat
from callcenter.db import Database
from callcenter.stack.people import PEOPLE, Position
from callcenter.stack.phone import Phone, answer
from callcenter.stack.phone_sound import SILENT, Voice
from callcenter.stack.process import Process
from callcenter.stack.stack import Options, Stack
from callcenter.types import AgentId
from callcenter.web import passwords

PROCESSES = ("listen", "ivr", "speech", "work", "serve")
UP_WITHIN_S = 60.0


class ApiRefused(Exception):
    """The API did not do it; `status`, and the problem's code and sentence."""

    def __init__(self, method: str, path: str, status: int, problem: Mapping[str, Any]) -> None:
        self.status, self.problem = status, problem
        told = f"{problem.get('title')}: {problem.get('detail')} {problem.get('errors', '')}"
        super().__init__(f"{method} {path}: {status} {told}")


@dataclass
class Api:
    """A signed-in client of the API."""

    session: aiohttp.ClientSession
    base: str
    token: str = field(repr=False, default="")

    async def get(self, path: str, **query: str | int) -> Any:
        """The answer's JSON. Raises ApiRefused."""
        return await self._ask("GET", path, params=query)

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The answer's JSON, None for 204. Raises ApiRefused."""
        return await self._ask("POST", path, json=dict(body or {}))

    async def bytes_of(self, path: str) -> bytes:
        """A download. Raises ApiRefused."""
        async with self.session.get(self.base + path, headers=self._headers()) as response:
            if response.status >= 400:
                raise ApiRefused("GET", path, response.status, await response.json(content_type=None))
            return await response.read()

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    async def _ask(self, method: str, path: str, **given: Any) -> Any:
        async with self.session.request(method, self.base + path, headers=self._headers(), **given) as response:
            if response.status == 204:
                return None
            told = await response.json(content_type=None)
            if response.status >= 400:
                raise ApiRefused(method, path, response.status, told)
            return told


class Hotline:
    """The stack in `folder` with every process of ours, and these people (by login)."""

    def __init__(
        self,
        folder: Path,
        options: Options | None = None,
        *,
        processes: tuple[str, ...] = PROCESSES,
        people: Mapping[str, Position] = PEOPLE,
    ) -> None:
        self.stack = Stack(folder, options or Options(sms_all_day=True, wrap_up_s=2.0))
        self.wanted = processes
        self.people = people
        self.processes: dict[str, Process] = {}
        self.passwords: dict[str, str] = {}
        self._closing = AsyncExitStack()

    async def __aenter__(self) -> "Hotline":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Everything up, people in the database, processes ready. Raises StackFailed, TimeoutError."""
        try:
            await self.stack.start()
            self.database = Database(self.stack.postgres.url())
            self._closing.push_async_callback(self.database.close)
            self.http = await self._closing.enter_async_context(aiohttp.ClientSession())
            await self._make_people()
            for name in self.wanted:
                await self.start_process(name)
            await self.until_ready()
        except BaseException:
            await self.stop()
            raise

    async def start_process(self, name: str) -> None:
        """Start (again) one of ours, by its command."""
        self.processes[name] = await self.stack.spawn(name, [sys.executable, "-m", "callcenter", name])

    async def until_ready(self, within_s: float = UP_WITHIN_S, *, since: float | None = None) -> None:
        """Every process beats; `since`: only beats after this moment (epoch) count. Raises TimeoutError."""
        since = since if since is not None else time.time() - heartbeat.STALE_S
        async with asyncio.timeout(within_s):
            while not await self._all_beat(since):
                dead = [name for name, process in self.processes.items() if not process.running]
                if dead:
                    log = self.stack.folder.path / "log" / f"{dead[0]}.log"
                    raise RuntimeError(f"process {dead[0]} ended: {log.read_text(encoding='utf-8')[-2000:]}")
                await asyncio.sleep(0.1)

    async def _all_beat(self, since: float) -> bool:
        now = datetime.now(UTC)
        async with self.database.transaction() as tx:
            ages = await heartbeat.ages(tx, now)
        node = self.stack.options.node
        return all(now.timestamp() - ages.get(f"{name}:{node}", 1e12) >= since for name in self.wanted)

    async def stop(self) -> None:
        """Everything down."""
        await self._closing.aclose()
        await self.stack.stop()

    async def leave_running(self) -> None:
        """Let go: everything runs on after this process has ended; `make stop` ends it."""
        await self._closing.aclose()
        # The played carrier is part of this process and ends with it; messages then wait in Kannel.
        await self.stack.handsets.stop()
        self.stack.stay()

    async def _make_people(self) -> None:
        async with self.database.transaction() as tx:
            for one in self.people.values():
                password = self.passwords[one.login] = "Aa1-" + secrets.token_urlsafe(12)
                encoded = await passwords.hash_of(password)
                await accounts.create(
                    tx,
                    one.login,
                    one.name,
                    encoded,
                    one.roles,
                    unit=one.unit,
                    extension=one.extension,
                    queues=one.queues,
                    titles=one.titles,
                )

    # ---- people and telephones -------------------------------------------------------------------------------

    @property
    def api_url(self) -> str:
        """Where the API is."""
        return f"http://127.0.0.1:{self.stack.ports.api}"

    async def sign_in(self, login: str) -> Api:
        """A client of the API as this person."""
        guest = Api(self.http, self.api_url)
        me = await guest.post("/api/login", {"login": login, "password": self.passwords[login], "bearer": True})
        return Api(self.http, self.api_url, me["token"])

    @property
    def sip(self) -> tuple[str, int]:
        """Where Asterisk takes SIP."""
        return "127.0.0.1", self.stack.ports.sip

    def agent_phone(self, extension: str, voice: Voice = SILENT, *, picks_up_after_s: float = 0.5) -> Phone:
        """An agent's softphone; registers when entered."""
        password = self.stack.secrets.agents[extension]
        return Phone(
            ("127.0.0.1", 0), self.sip, extension, password=password, voice=voice, answering=answer(picks_up_after_s)
        )

    def citizen_phone(self, number: str = "13800138000", voice: Voice = SILENT) -> Phone:
        """A citizen behind the carrier; call-backs come to `trunk_peer`, so only one such phone takes calls."""
        return Phone(("127.0.0.2", self.stack.ports.trunk_peer), self.sip, number, voice=voice, answering=answer(0.3))

    def caller_phone(self, number: str, voice: Voice = SILENT) -> Phone:
        """One of many citizens who only call."""
        return Phone(("127.0.0.2", 0), self.sip, number, voice=voice)

    def unit_phone(self, voice: Voice = SILENT, *, picks_up_after_s: float = 0.5) -> Phone:
        """The handling units' telephones, whatever number is dialled."""
        return Phone(
            ("127.0.0.3", self.stack.ports.unit_peer), self.sip, "600", voice=voice, answering=answer(picks_up_after_s)
        )

    async def until_agent(self, extension: str, observed: str, within_s: float = 20.0) -> None:
        """Asterisk shows this of the agent. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while True:
                async with self.database.transaction() as tx:
                    if (await agents.find(tx, AgentId(extension))).observed == observed:
                        return
                await asyncio.sleep(0.1)
