"""The menus on a real Asterisk with a real telephone: what a citizen hears, presses and reaches.

Each prompt is a tone of its own, so that the test hears which one was played; one test uses the made voice.
"""

import asyncio
import itertools
import wave
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from callcenter.ami import AmiClient, AmiEvent
from callcenter.stack.phone import Phone
from callcenter.stack.phone_call import CallState, PhoneCall
from callcenter.stack.phone_sound import RATE_HZ, Sound, alaw_decode, tone
from callcenter.stack.stack import Options, Stack
from callcenter.types import QueueName
from config.menu_loader import load_menus
from ivr.menu import MenuContext
from ivr.prompts.maker import make
from ivr.server import IvrServer
from ivr.session import IncomingCall
from tests.support.stack import new_folder
from tests.support.switchboard import SOON_S, Events, hold_tone

pytestmark = pytest.mark.stack

USUAL = MenuContext(datetime.fromisoformat("2026-01-05T10:00:00+08:00"), is_workday=True)
HOLIDAY = replace(USUAL, is_workday=False)
SURGE = replace(USUAL, surge=True)
FULL = replace(USUAL, full=frozenset({QueueName("hotline")}))

GREETING, QUESTION, BRANCH, LAST_WORDS = Sound.UNIT, Sound.SUPERVISOR, Sound.SECOND, Sound.AGENT
"""Which tone a prompt is; hold music is Sound.MUSIC."""
TONES = {"greeting": GREETING, "keys": QUESTION, "callback-taken": LAST_WORDS, "call-again": LAST_WORDS}
GREETING_S, PROMPT_S = 1.0, 0.5
MENUS = load_menus()


class Desk:
    """Asterisk, the menus in this process, the events, and the carrier's telephone."""

    def __init__(self, stack: Stack, events: Events, carrier: Phone, prompts: Path) -> None:
        self.stack, self.events, self.carrier, self.prompts = stack, events, carrier, prompts
        self._callers = itertools.count(13_700_000_001)

    @asynccontextmanager
    async def menus(self, context: MenuContext, token: str | None = None) -> AsyncIterator[IvrServer]:
        """The menu server, answering every call with this context."""

        async def context_for(_: IncomingCall) -> MenuContext:
            return context

        token = token or self.stack.secrets.agi_token
        port = self.stack.ports.agi
        server = IvrServer("127.0.0.1", port, token, MENUS.by_script, self.prompts, context_for)
        await server.start()
        try:
            yield server
        finally:
            await server.stop()

    async def dial(self) -> tuple[PhoneCall, str]:
        """A new citizen's answered call, and its call id."""
        number = str(next(self._callers))
        phone = await self.carrier.call("12345", caller=number)
        await phone.until_answered(SOON_S)
        channel = await self.events.until("Newchannel", CallerIDNum=number)
        return phone, channel.need("Uniqueid")

    async def told(self, kind: str, call_id: str) -> AmiEvent:
        return await self.events.until("UserEvent", UserEvent=kind, CallId=call_id)

    def steps(self, call_id: str) -> list[tuple[str, str]]:
        return [
            (event.need("Step"), event.get("Digits"))
            for event in self.events.seen
            if event.get("UserEvent") == "MenuStep" and event.get("CallId") == call_id
        ]


def write_tones(folder: Path) -> None:
    """A tone for each prompt; 0.1 s of silence at both ends keeps two prompts apart."""
    for name in MENUS.prompts:
        sound = alaw_decode(tone(TONES.get(name, BRANCH)).alaw)
        length_s = GREETING_S if name == "greeting" else PROMPT_S
        with wave.open(str(folder / f"{name}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            file.writeframes(sound[: int(length_s * RATE_HZ)].tobytes())


@pytest.fixture(scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    prompts = tmp_path_factory.mktemp("prompts")
    write_tones(prompts)
    stack = Stack(new_folder("ivr"), Options(prompts_dir=prompts), migrate=_nothing)
    stack.open()
    try:
        hold_tone(stack.asterisk.home / "music" / "hold.wav")
        await stack.asterisk.boot()
        async with AsyncExitStack() as exits:
            wanted = frozenset({"Newchannel", "UserEvent", "QueueCallerJoin", "Hangup"})
            listener = AmiClient(
                host="127.0.0.1",
                port=stack.ports.ami,
                username="events",
                secret=stack.secrets.ami_events,
                wanted=wanted,
            )
            await listener.start()
            exits.push_async_callback(listener.close)
            await listener.ready(10)
            events = Events(listener)
            exits.push_async_callback(events.close)
            carrier = Phone(("127.0.0.2", stack.ports.trunk_peer), ("127.0.0.1", stack.ports.sip), "13800138000")
            await exits.enter_async_context(carrier)
            yield Desk(stack, events, carrier, prompts)
    finally:
        await stack.remove()


async def _nothing(_: str) -> None:
    """No database here, so nothing to migrate."""


async def in_queue(desk: Desk, phone: PhoneCall, call_id: str, queue: str = "hotline") -> None:
    """The caller waits in that queue and hears its music."""
    joined = await desk.events.until("QueueCallerJoin", Uniqueid=call_id)
    assert joined.need("Queue") == queue
    await phone.until_hears(Sound.MUSIC, within_s=SOON_S)


async def test_silence_reaches_the_queue(desk: Desk) -> None:
    async with desk.menus(USUAL):
        phone, call_id = await desk.dial()
        await phone.until_hears(GREETING, within_s=SOON_S)
        await phone.until_hears(QUESTION, within_s=SOON_S)
        await in_queue(desk, phone, call_id)
        ended = await desk.told("MenuEnded", call_id)
        phone.hang_up()
    assert (ended.need("Outcome"), ended.need("Queue"), ended.get("RequestType")) == ("queue", "hotline", "")
    assert desk.steps(call_id) == [("greeting", "timeout")]


@pytest.mark.parametrize(
    ("context", "keys", "queue", "request_type"),
    [
        (USUAL, "3", "hotline", "投诉"),
        (USUAL, "0", "hotline", ""),
        (USUAL, "#1", "hotline", "咨询"),
        (USUAL, "7", "enterprise", ""),
        (HOLIDAY, "70", "hotline", ""),
        (SURGE, "8", "emergency", ""),
        (FULL, "60", "hotline", "表扬"),
    ],
)
async def test_keys_reach_the_queue(desk: Desk, context: MenuContext, keys: str, queue: str, request_type: str) -> None:
    async with desk.menus(context):
        phone, call_id = await desk.dial()
        for key, heard in zip(keys, (QUESTION, BRANCH if len(keys) > 1 else QUESTION), strict=False):
            await phone.until_hears(heard, within_s=SOON_S)
            await phone.press(key)
        await in_queue(desk, phone, call_id, queue)
        ended = await desk.told("MenuEnded", call_id)
        phone.hang_up()
    assert ended.get("RequestType") == request_type
    assert [digit for _, digit in desk.steps(call_id)] == list(keys)


async def test_emergency_callers_stand_in_front(desk: Desk) -> None:
    async with desk.menus(SURGE):
        phone, call_id = await desk.dial()
        await phone.press("8")
        await in_queue(desk, phone, call_id, "emergency")
        shown = await desk.stack.asterisk.cli("queue show emergency")
        phone.hang_up()
    assert "prio: 10" in shown


async def test_key_in_the_greeting_counts_and_the_recording_notice_is_heard_whole(desk: Desk) -> None:
    async with desk.menus(USUAL):
        phone, call_id = await desk.dial()
        await phone.until_hears(GREETING, within_s=SOON_S)
        await phone.press("2")
        await in_queue(desk, phone, call_id)
        phone.hang_up()
    answered = phone.answered_at_s
    assert answered is not None
    windows = phone.heard(answered, answered + GREETING_S + 2.0)
    # cut short it would be half as long; the question would be heard if the key were lost
    assert windows[GREETING] * (GREETING_S + 2.0) >= 0.7 * GREETING_S
    assert QUESTION not in windows
    assert desk.steps(call_id) == [("greeting", "2")]


async def test_caller_hangs_up_in_the_menu_and_it_is_reported(desk: Desk) -> None:
    async with desk.menus(USUAL) as server:
        phone, call_id = await desk.dial()
        await phone.until_hears(QUESTION, within_s=SOON_S)
        phone.hang_up()
        ended = await desk.told("MenuEnded", call_id)
        assert ended.need("Outcome") == "hangup"
        assert desk.steps(call_id) == [("greeting", "hangup")]
        await desk.events.until("Hangup", Uniqueid=call_id)
        assert server.counts.failed == 0


async def test_closed_enterprise_desk_takes_a_call_back(desk: Desk) -> None:
    async with desk.menus(HOLIDAY):
        phone, call_id = await desk.dial()
        await phone.press("7")
        await phone.until_hears(BRANCH, within_s=SOON_S)
        await phone.press("1")
        asked = await desk.told("CallbackAsked", call_id)
        await phone.until_hears(LAST_WORDS, within_s=SOON_S)
        await phone.until_ended(SOON_S)
    assert asked.need("Reason") == "closed"
    assert (await desk.told("MenuEnded", call_id)).need("Outcome") == "message"


@pytest.mark.parametrize(("key", "reason"), [("1", "timeout"), ("", None)])
async def test_who_waited_too_long_is_offered_a_call_back(desk: Desk, key: str, reason: str | None) -> None:
    await desk.stack.asterisk.cli("dialplan set global QUEUE_PATIENCE_S 1")
    try:
        async with desk.menus(USUAL):
            phone, call_id = await desk.dial()
            await phone.press("0")
            await in_queue(desk, phone, call_id)
            await phone.until_hears(BRANCH, within_s=SOON_S)
            if key:
                await phone.press(key)
            await phone.until_hears(LAST_WORDS, within_s=SOON_S)
            await phone.until_ended(SOON_S)
            await desk.told("MenuStep", call_id)
    finally:
        await desk.stack.asterisk.cli("dialplan set global QUEUE_PATIENCE_S 600")
    asked = [event for event in desk.events.seen if event.get("UserEvent") == "CallbackAsked"]
    mine = [event.need("Reason") for event in asked if event.need("CallId") == call_id]
    assert mine == ([reason] if reason else [])
    assert desk.steps(call_id) == [("greeting", "0"), ("busy", key or "timeout")]


async def test_menu_away_leads_straight_to_the_queue(desk: Desk) -> None:
    phone, call_id = await desk.dial()
    await in_queue(desk, phone, call_id)
    phone.hang_up()
    assert desk.steps(call_id) == []


async def test_wrong_token_leads_straight_to_the_queue(desk: Desk) -> None:
    async with desk.menus(USUAL, token="another-token-0123456789") as server:
        phone, call_id = await desk.dial()
        await in_queue(desk, phone, call_id)
        phone.hang_up()
        assert server.counts.refused == 1
    assert desk.steps(call_id) == []


async def test_menu_stopped_in_the_middle_leads_to_the_queue(desk: Desk) -> None:
    async with desk.menus(USUAL) as server:
        phone, call_id = await desk.dial()
        await phone.until_hears(GREETING, within_s=SOON_S)
        await server.stop()
        await in_queue(desk, phone, call_id)
        phone.hang_up()


async def test_ten_callers_at_once_each_reach_what_they_pressed(desk: Desk) -> None:
    async def one(key: str) -> str:
        phone, call_id = await desk.dial()
        await phone.press(key)
        ended = await desk.told("MenuEnded", call_id)
        phone.hang_up()
        return ended.get("RequestType")

    async with desk.menus(USUAL):
        got = await asyncio.gather(*(one(key) for key in "1234561234"))
    assert got == ["咨询", "求助", "投诉", "举报", "建议", "表扬", "咨询", "求助", "投诉", "举报"]


async def test_made_prompts_are_heard_as_speech(desk: Desk, tmp_path: Path) -> None:
    await asyncio.to_thread(make, MENUS.prompts, tmp_path)
    desk.prompts, tones = tmp_path, desk.prompts
    try:
        async with desk.menus(USUAL):
            phone, call_id = await desk.dial()
            await phone.until_hears(Sound.OTHER, within_s=SOON_S)
            await phone.press("0")
            await in_queue(desk, phone, call_id)
            phone.hang_up()
    finally:
        desk.prompts = tones
    assert phone.state is CallState.ENDED
    assert desk.steps(call_id) == [("greeting", "0")]
