"""A real Asterisk with telephones around it, call control, and a record of its events.

Asterisk alone: no database, no menu (the dialplan then goes straight to the queue). Hold music is the tone
Sound.MUSIC, so that a test can tell it from a person.
"""

import asyncio
import itertools
import time
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from callcenter.ami import AmiClient, AmiEvent
from callcenter.control import CallLegs, Control
from callcenter.stack.phone import RING, Answering, Phone, answer
from callcenter.stack.phone_call import PhoneCall
from callcenter.stack.phone_line import Address
from callcenter.stack.phone_sound import RATE_HZ, Sound, alaw_decode, tone
from callcenter.stack.stack import Stack
from callcenter.types import AgentId, CallId, ChannelId, PhoneNumber, QueueName
from tests.support.stack import new_folder

WANTED = frozenset({"Newchannel", "Hangup", "QueueCallerJoin", "AgentConnect", "UserEvent", "Hold", "QueueMemberPause"})
HOTLINE = QueueName("hotline")
AGENT, OTHER_AGENT, SUPERVISOR = AgentId("8001"), AgentId("8002"), AgentId("8003")
UNIT_NUMBER = PhoneNumber("5551234")
CITIZEN_NUMBER = "13800138000"
SOON_S = 15.0
"""How long any wait may last before the test gives up; nothing should take so long."""


class Events:
    """Every event of the session, in order; a test waits for the first that fits."""

    def __init__(self, client: AmiClient) -> None:
        self.client = client
        self.seen: list[AmiEvent] = []
        self._news = asyncio.Condition()
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for item in self.client.events():
            if isinstance(item, AmiEvent):
                async with self._news:
                    self.seen.append(item)
                    self._news.notify_all()

    async def until(self, name: str, within_s: float = SOON_S, **fields: str) -> AmiEvent:
        """The first event of that name whose headers have these values, past or future."""
        return await self.until_like(
            lambda event: event.name == name and all(event.get(k) == v for k, v in fields.items()),
            f"{name} {fields}",
            within_s,
        )

    async def until_like(self, fits: Callable[[AmiEvent], bool], what: str, within_s: float = SOON_S) -> AmiEvent:
        """The first event that fits."""
        deadline = asyncio.get_running_loop().time() + within_s
        position = 0
        async with self._news:
            while True:
                for event in self.seen[position:]:
                    if fits(event):
                        return event
                position = len(self.seen)
                left_s = deadline - asyncio.get_running_loop().time()
                try:
                    async with asyncio.timeout(left_s):
                        await self._news.wait()
                except TimeoutError:
                    names = [event.name for event in self.seen[-20:]]
                    raise AssertionError(f"no event {what}; the last were {names}") from None

    async def close(self) -> None:
        """Stop reading."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


@dataclass(frozen=True, slots=True)
class Talk:
    """A citizen and an agent who hear each other over the queue."""

    citizen: PhoneCall
    agent: PhoneCall
    legs: CallLegs

    @property
    def call_id(self) -> CallId:
        return self.legs.call_id


class Switchboard:
    """Asterisk and everybody who telephones."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.server: Address = ("127.0.0.1", stack.ports.sip)
        self.audiosocket: Address = ("127.0.0.1", stack.ports.audiosocket)
        self.actions = self._client("actions", stack.secrets.ami_actions, frozenset())
        self.control = Control(
            self.actions,
            node=stack.options.node,
            caller_number=PhoneNumber(stack.options.hotline_number),
            audiosocket_address=self.audiosocket,
            ring_unit_s=1.5,
        )
        ports = stack.ports
        self.carrier = Phone(("127.0.0.2", ports.trunk_peer), self.server, CITIZEN_NUMBER, voice=tone(Sound.CITIZEN))
        self.unit = Phone(("127.0.0.3", ports.unit_peer), self.server, UNIT_NUMBER.digits, voice=tone(Sound.UNIT))
        self.agent = self._staff(AGENT, Sound.AGENT, answer(0.1))
        self.other_agent = self._staff(OTHER_AGENT, Sound.SECOND, answer(0.1))
        self.supervisor = self._staff(SUPERVISOR, Sound.SUPERVISOR, answer(0.1))
        self.phones = (self.carrier, self.unit, self.agent, self.other_agent, self.supervisor)
        self._citizens = itertools.count(13_900_000_001)

    def _staff(self, extension: AgentId, sound: Sound, answering: Answering) -> Phone:
        password = self.stack.secrets.agents[extension]
        return Phone(
            ("127.0.0.1", 0), self.server, extension, password=password, voice=tone(sound), answering=answering
        )

    def _client(self, user: str, secret: str, wanted: frozenset[str]) -> AmiClient:
        return AmiClient(host="127.0.0.1", port=self.stack.ports.ami, username=user, secret=secret, wanted=wanted)

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Switchboard"]:
        """Log in, register, and close all of it at the end."""
        listener = self._client("events", self.stack.secrets.ami_events, WANTED)
        async with AsyncExitStack() as exits:
            for client in (self.actions, listener):
                await client.start()
                exits.push_async_callback(client.close)
                await client.ready(10)
            self.events = Events(listener)
            exits.push_async_callback(self.events.close)
            for phone in self.phones:
                await exits.enter_async_context(phone)
            yield self

    async def ready_for_a_call(self) -> None:
        """As at the start of a day: nobody talks, one agent is signed in, the unit's telephone rings."""
        self.unit.answering, self.carrier.answering = RING, RING
        for phone in self.phones:
            phone.answering_for.clear()
        await self.control.queue_add(HOTLINE, AGENT, "话务员一号")
        await self.control.queue_remove(HOTLINE, OTHER_AGENT)

    async def everybody_hangs_up(self) -> None:
        """End what a test left; returns when Asterisk has no channel any more."""
        deadline_s = time.monotonic() + SOON_S
        while channels := await self.channels():
            for phone in self.phones:
                for call in phone.calls:
                    call.hang_up()
            for channel_id in channels:
                with suppress(ValueError):  # a leg between two names is gone at the next look
                    await self.control.hang_up(channel_id)
            assert time.monotonic() < deadline_s, f"channels that do not end: {channels}"
        for phone in self.phones:
            while not phone.incoming.empty():
                phone.incoming.get_nowait()

    async def channels(self) -> list[ChannelId]:
        """The Uniqueids of all channels."""
        reply = await self.actions.action("CoreShowChannels")
        return [ChannelId(item.need("Uniqueid")) for item in reply.items]

    async def talk(self) -> Talk:
        """A new citizen calls, the agent answers, both hear each other."""
        citizen = await self.carrier.call("12345", caller=str(next(self._citizens)))
        await citizen.until_answered(SOON_S)
        agent = await self.agent.next_call(SOON_S)
        connected = await self.events.until("AgentConnect", CallerIDNum=citizen.caller)
        call_id = CallId(connected.need("Uniqueid"))
        await citizen.until_hears(Sound.AGENT, within_s=SOON_S)
        await agent.until_hears(Sound.CITIZEN, within_s=SOON_S)
        return Talk(citizen, agent, CallLegs(call_id, ChannelId(call_id), ChannelId(connected.need("DestUniqueid"))))

    async def cause(self, channel_id: ChannelId) -> int:
        """The Q.850 cause of a leg's end."""
        return int((await self.events.until("Hangup", Uniqueid=channel_id)).need("Cause"))


@asynccontextmanager
async def switchboard_for_tests(name: str = "switchboard") -> AsyncIterator[Switchboard]:
    """A private Asterisk of this test's own, stopped and removed at the end."""
    stack = Stack(new_folder(name), migrate=_nothing)
    stack.open()
    try:
        hold_tone(stack.asterisk.home / "music" / "hold.wav")
        await stack.asterisk.boot()
        async with Switchboard(stack).open() as board:
            yield board
    finally:
        await stack.remove()


async def _nothing(_: str) -> None:
    """No database here, so nothing to migrate."""


def hold_tone(path: Path) -> None:
    """One second of the hold tone as wav, which loops without a click."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(alaw_decode(tone(Sound.MUSIC).alaw).tobytes())
