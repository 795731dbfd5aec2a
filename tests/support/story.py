"""A whole hotline for tests: every process of ours, a tone a person, short prompts, a live board that is read.

Commands go in where the API puts them (wishes and command rows); what came of them is read from the tables and the
live board. Hold music is Sound.MUSIC, prompts are Sound.OTHER.
"""

import asyncio
import itertools
import tempfile
import wave
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import select, text

from callcenter import agents, call_store, commands, invariants, missed
from callcenter.agents import Agent, Desired
from callcenter.app import load_rules
from callcenter.board import Board, BoardAway, BoardEvent
from callcenter.call_state import Call
from callcenter.commands import Kind, Result
from callcenter.custody.opening import ground_of
from callcenter.stack.hotline import Hotline
from callcenter.stack.phone import RING, Phone, answer
from callcenter.stack.phone_call import PhoneCall
from callcenter.stack.phone_sound import RATE_HZ, Sound, Voice, tone
from callcenter.stack.stack import Options
from callcenter.tables import agent_event, call_event
from callcenter.types import Actor, AgentId, CallId, Role, national
from callcenter.vault import Vault
from config.menu_loader import load_menus
from tests.support.eventually import eventually
from tests.support.stack import new_folder
from tests.support.switchboard import SOON_S, hold_tone

FIRST, SECOND, BOSS = AgentId("8001"), AgentId("8002"), AgentId("8009")
TESTER = Actor("user", "tester", frozenset({Role.AGENT, Role.SUPERVISOR}))
WITHHELD = "anonymous"
"""What the trunk says of a caller who withholds the number (RFC 3323)."""
PARTS = ("listen", "ivr", "speech", "work", "serve")
RING_S = 2
"""How long the queue rings one agent here; 15 s in production."""
UNIT = "urban"
USUAL = Options()


@dataclass(frozen=True, slots=True)
class Spoken:
    """A citizen and an agent who hear each other."""

    call_id: CallId
    citizen: PhoneCall
    agent: PhoneCall


class Screens:
    """Every event of the live board, in order."""

    def __init__(self, url: str) -> None:
        self.seen: list[BoardEvent] = []
        self._board = Board(url)
        self._news = asyncio.Condition()
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while True:
            with suppress(BoardAway):
                async for event in self._board.follow():
                    async with self._news:
                        self.seen.append(event)
                        self._news.notify_all()
            await asyncio.sleep(0.1)

    async def until(self, kind: str, call_id: str = "", within_s: float = SOON_S, **data: object) -> BoardEvent:
        """The first event of that kind about that call with this data, past or future."""

        def fits(event: BoardEvent) -> bool:
            about = not call_id or event.data.get("call") == call_id
            return event.kind == kind and about and all(event.data.get(k) == v for k, v in data.items())

        with suppress(TimeoutError):
            async with asyncio.timeout(within_s), self._news:
                await self._news.wait_for(lambda: any(map(fits, self.seen)))
        found = next(filter(fits, self.seen), None)
        last = [(event.kind, dict(event.data)) for event in self.seen[-12:]]
        assert found is not None, f"no screen showed {kind} {call_id} {data}; the last were {last}"
        return found

    def of(self, kind: str, call_id: str) -> list[BoardEvent]:
        """What was shown of a call so far."""
        return [event for event in self.seen if event.kind == kind and event.data.get("call") == call_id]

    async def close(self) -> None:
        """Stop reading."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._board.close()


class Story:
    """The hotline, its people's telephones, and what a test asks of them."""

    def __init__(self, hotline: Hotline) -> None:
        self.hotline = hotline
        self.database = hotline.database
        self.carrier = hotline.citizen_phone("13800138000", tone(Sound.CITIZEN))
        self.unit = hotline.unit_phone(tone(Sound.UNIT), picks_up_after_s=0.1)
        self.first = hotline.agent_phone(FIRST, tone(Sound.AGENT), picks_up_after_s=0.1)
        self.second = hotline.agent_phone(SECOND, tone(Sound.SECOND), picks_up_after_s=0.1)
        self.boss = hotline.agent_phone(BOSS, tone(Sound.SUPERVISOR), picks_up_after_s=0.1)
        played = (self.carrier, self.unit, self.first, self.second, self.boss)
        # A telephone that is a browser is not played.
        self.phones = tuple(phone for phone in played if phone.user not in hotline.stack.options.softphones)
        self.vault = Vault(hotline.stack.secrets.vault_key)
        self._callers = itertools.count(13_900_000_001)
        self._keys = itertools.count(1)

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Story"]:
        """Telephones on, board followed."""
        async with AsyncExitStack() as exits:
            for phone in self.phones:
                await exits.enter_async_context(phone)
            self.screens = Screens(self.hotline.stack.valkey.url)
            exits.push_async_callback(self.screens.close)
            yield self

    # ---- agents ------------------------------------------------------------------------------------------------

    async def wish(self, who: AgentId, desired: Desired, reason: str = "") -> None:
        async with self.database.transaction() as tx:
            await agents.wish(tx, who, desired, at=datetime.now(UTC), actor=TESTER, reason=reason)

    async def on_duty(self, *wanted: AgentId) -> None:
        """These agents are ready and free in Asterisk, the others are signed out."""
        for who in (FIRST, SECOND):
            await self.wish(who, Desired.READY if who in wanted else Desired.LOGGED_OUT)
        for who in (FIRST, SECOND):
            await self.until_seen(who, "idle" if who in wanted else "not_a_member")

    async def on_duty_too(self, who: AgentId) -> None:
        """One more agent."""
        await self.wish(who, Desired.READY)
        await self.until_seen(who, "idle")

    async def until_seen(self, who: AgentId, observed: str) -> None:
        async def seen() -> bool:
            return (await self.agent(who)).observed == observed

        await eventually(seen, f"{who} is seen as {observed}")

    async def until_wanted(self, who: AgentId, desired: Desired) -> Agent:
        async def so() -> bool:
            return (await self.agent(who)).desired == desired

        await eventually(so, f"{who} becomes {desired}")
        return await self.agent(who)

    async def agent(self, who: AgentId) -> Agent:
        async with self.database.transaction() as tx:
            return await agents.find(tx, who)

    async def agent_story(self, who: AgentId, since: datetime) -> list[tuple[str, str]]:
        """(kind, reason) of what happened to an agent."""
        query = select(agent_event).where(agent_event.c.agent_id == who, agent_event.c.at >= since)
        async with self.database.transaction() as tx:
            return [(row.kind, row.reason) for row in await tx.execute(query.order_by(agent_event.c.id))]

    async def members(self, queue: str = "hotline") -> str:
        """What Asterisk's console says of a queue."""
        return await self.hotline.stack.asterisk.cli(f"queue show {queue}")

    # ---- calls -------------------------------------------------------------------------------------------------

    async def dial(self, keys: str = "0", caller: str = "", voice: Voice | None = None) -> tuple[PhoneCall, CallId]:
        """A citizen calls and presses these keys; returns once the call is on record."""
        number = caller or str(next(self._callers))
        began = datetime.now(UTC)
        phone = await self.carrier.call("12345", caller=number, voice=voice)
        await phone.until_answered(SOON_S)
        if keys:
            await phone.press(keys)
        return phone, await self.call_of(number, began)

    async def call_of(self, number: str, since: datetime) -> CallId:
        """The call of that number, or of nobody knows whom, once it is on record."""
        masked = None if number == WITHHELD else national(number).masked
        found: list[CallId] = []

        async def known() -> bool:
            query = (
                "SELECT c.id FROM call c LEFT JOIN identity i ON i.id = c.caller"
                " WHERE i.masked IS NOT DISTINCT FROM CAST(:m AS text) AND c.started_at >= :s"
            )
            async with self.database.transaction() as tx:
                found.extend((await tx.execute(text(query), {"m": masked, "s": since})).scalars())
            return bool(found)

        await eventually(known, "the call is on record")
        return found[0]

    async def talk(
        self, phone: Phone | None = None, keys: str = "0", caller: str = "", sound: Sound = Sound.CITIZEN
    ) -> Spoken:
        """A citizen calls, an agent answers, both hear each other, and it is on record."""
        phone = phone or self.first
        citizen, call_id = await self.dial(keys, caller, tone(sound))
        agent = await phone.next_call(SOON_S)
        await self.until_situation(call_id, "talking")
        await citizen.until_hears(Sound.AGENT if phone is self.first else Sound.SECOND, within_s=SOON_S)
        await agent.until_hears(sound, within_s=SOON_S)
        return Spoken(call_id, citizen, agent)

    async def until_situation(self, call_id: CallId, situation: str) -> None:
        await self.screens.until("call.situation", call_id, after=situation)

    async def until_situation_again(self, call_id: CallId, situation: str, since: datetime) -> None:
        """As until_situation, after a moment."""

        def fits(event: BoardEvent) -> bool:
            return event.data["after"] == situation and str(event.data["at"]) >= since.isoformat()

        await eventually(
            lambda: any(map(fits, self.screens.of("call.situation", call_id))), f"{call_id} is {situation} again"
        )

    async def until_over(self, call_id: CallId) -> Call:
        """The call as it ended up."""
        await self.screens.until("call.ended", call_id)
        return await self.call(call_id)

    async def call(self, call_id: CallId) -> Call:
        async with self.database.transaction() as tx:
            return (await call_store.load(tx, [call_id]))[call_id]

    async def facts(self, call_id: CallId) -> list[tuple[str, dict[str, Any]]]:
        """(kind, data) of every fact told of a call, in order."""
        query = select(call_event.c.kind, call_event.c.data).where(call_event.c.call_id == call_id)
        async with self.database.transaction() as tx:
            return [(row.kind, row.data) for row in await tx.execute(query.order_by(call_event.c.id))]

    async def situations(self, call_id: CallId) -> list[str]:
        return [data["after"] for kind, data in await self.facts(call_id) if kind == "SituationChanged"]

    async def command(self, kind: Kind, call_id: CallId, **args: Any) -> Result:
        """Ask for a command as the API does, and wait for its end."""
        return await self.command_end(await self.ask(kind, call_id, **args))

    async def ask(self, kind: Kind, call_id: CallId, **args: Any) -> int:
        key, node = f"test:{next(self._keys)}", call_id.partition("-")[0]
        async with self.database.transaction() as tx:
            return await commands.ask(tx, kind, key=key, node=node, actor=TESTER, call_id=call_id, args=args)

    async def command_end(self, command: int) -> Result:
        return await commands.wait(self.database, command, within_s=SOON_S)

    async def done(self, kind: Kind, call_id: CallId, **args: Any) -> dict[str, Any]:
        """The same, and it must have been done."""
        result = await self.command(kind, call_id, **args)
        assert result.state == commands.State.DONE, f"{kind}: {result}"
        return result.data or {}

    async def call_back(self, row: int, who: AgentId) -> tuple[CallId, int]:
        """An agent takes a row of the ledger and calls back, as the API does it. The call, the command."""
        call_id = missed.new_call_id(self.hotline.stack.options.node, datetime.now(UTC))
        async with self.database.transaction() as tx:
            taken = await missed.take(tx, row, who, call_id)
            args = {"agent": who, "caller": taken.caller, "missed": row}
            command = await commands.ask(
                tx, Kind.CALL_BACK, key=f"call_back:{call_id}", node=call_id.partition("-")[0], actor=TESTER,
                call_id=call_id, args=args,
            )  # fmt: skip
        return call_id, command

    async def findings(self) -> list[str]:
        """What `callcenter verify` finds wrong; nothing is good."""
        stack = self.hotline.stack
        rules = load_rules(stack.options.policy)
        ground = invariants.Ground(
            rules,
            stack.asterisk.spool,
            stack.asterisk.cel_file,
            stack.options.node,
            datetime.now(UTC),
            custody=ground_of(stack.settings()),
        )
        async with self.database.transaction() as tx:
            return [f"{one.invariant}: {one.sentence}" for one in await invariants.verify(tx, ground)]

    async def leaked(self, digits: str) -> list[str]:
        """Tables that hold these digits in clear: as text anywhere in a row, or as bytes."""
        tables = "SELECT quote_ident(table_name) FROM information_schema.tables WHERE table_schema = 'public'"
        held = "SELECT count(*) FROM {} t WHERE row_to_json(t)::text LIKE ANY(ARRAY[:clear, :hex])"
        values = {"clear": f"%{digits}%", "hex": f"%{digits.encode().hex()}%"}
        async with self.database.transaction() as tx:
            names = (await tx.execute(text(tables))).scalars().all()
            return [name for name in names if (await tx.execute(text(held.format(name)), values)).scalar_one()]

    async def ledger(self, call_id: CallId) -> Any:
        """The row of a missed call, or None."""
        async with self.database.transaction() as tx:
            query = text("SELECT * FROM missed_call WHERE call_id = :id")
            return (await tx.execute(query, {"id": call_id})).one_or_none()

    # ---- between tests -----------------------------------------------------------------------------------------

    async def quiet(self) -> None:
        """Nobody talks, nobody rings; calls that a test left are over and on record."""
        self.first.answering = self.second.answering = self.boss.answering = answer(0.1)
        self.unit.answering, self.carrier.answering = answer(0.1), RING

        async def silent() -> bool:
            for phone in self.phones:
                for call in phone.calls:
                    call.hang_up()
            async with self.database.transaction() as tx:
                open_calls = await tx.execute(text("SELECT count(*) FROM call WHERE ended_at IS NULL"))
            shown = await self.hotline.stack.asterisk.cli("core show channels concise")
            return not shown.strip() and not open_calls.scalar_one()

        await eventually(silent, "everybody has hung up")
        for phone in self.phones:
            while not phone.incoming.empty():
                phone.incoming.get_nowait()


@asynccontextmanager
async def story_for_tests(
    name: str,
    *,
    parts: tuple[str, ...] = PARTS,
    softphones: frozenset[str] = frozenset(),
    ring_s: int = RING_S,
    policy: str = USUAL.policy,
) -> AsyncIterator[Story]:
    """A hotline of this module's own, stopped and removed at the end. softphones: extensions that are browsers."""
    with tempfile.TemporaryDirectory() as folder:
        write_prompts(Path(folder))
        options = Options(
            prompts_dir=Path(folder),
            sms_all_day=True,
            wrap_up_s=1.0,
            softphones=softphones,
            handset=bool(softphones),
            policy=policy,
        )
        hotline = Hotline(new_folder(name), options, processes=parts)
        try:
            await hotline.start()
            await shorten(hotline, ring_s)
            async with Story(hotline).open() as story:
                yield story
        finally:
            await hotline.stop()
            await hotline.stack.remove()


async def shorten(hotline: Hotline, ring_s: int = RING_S) -> None:
    """This Asterisk plays a tone as hold music and rings an agent for two seconds, not fifteen."""
    asterisk = hotline.stack.asterisk
    hold_tone(asterisk.home / "music" / "hold.wav")
    queues = asterisk.home / "etc" / "queues.conf"
    queues.write_text(
        queues.read_text(encoding="utf-8").replace("timeout = 15", f"timeout = {ring_s}"), encoding="utf-8"
    )
    for command in ("moh reload", "queue reload parameters"):
        await asterisk.cli(command)


def write_prompts(folder: Path) -> None:
    """Every prompt of the menus is a short noise: the greeting is heard to its end, so it must be quick."""
    samples = (np.random.default_rng(1).normal(0, 800, RATE_HZ // 5)).astype("<i2").tobytes()
    for name in [*load_menus().prompts, "goodbye"]:
        with wave.open(str(folder / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            file.writeframes(samples)
