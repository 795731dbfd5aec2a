"""Records the traces beside this file anew: `python -m tests.scenarios.record`, about a minute.

Each story is a real call through the whole hotline. What Asterisk tells the listener is copied on its way (AMI, only
the events and headers that `call_parse` reads), and what it writes into its log of calls is kept as it is (CEL).
Every number in it is made up.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from callcenter import surge
from callcenter.agents import Desired
from callcenter.ami_wire import Framer
from callcenter.call_parse import WANTED
from callcenter.commands import Kind
from callcenter.stack.phone import BUSY, RING, answer
from callcenter.stack.phone_sound import Sound
from callcenter.types import CallId
from tests.support.eventually import eventually
from tests.support.story import BOSS, FIRST, PARTS, SECOND, TESTER, UNIT, Story, story_for_tests
from tests.support.switchboard import SOON_S

HERE = Path(__file__).parent
KEPT = frozenset(
    [
        "Event",
        "Timestamp",
        "Channel",
        "ChannelState",
        "CallerIDNum",
        "Context",
        "Exten",
        "Uniqueid",
        "Linkedid",
        "ChanVariable",
        "Cause",
        "Queue",
        "Interface",
        "RingTime",
        "DestUniqueid",
        "BridgeUniqueid",
        "BridgeTechnology",
        "UserEvent",
        "CallId",
        "Leg",
        "File",
        "Mix",
        "Menu",
        "Step",
        "Digits",
        "Outcome",
        "RequestType",
        "Reason",
        "Status",
        "SpyerUniqueid",
        "SpyerLinkedid",
        "SpyerChanVariable",
        "SpyeeUniqueid",
        "SpyeeLinkedid",
        "SpyeeChanVariable",
    ]
)


class Copy:
    """A door between the listener and Asterisk that keeps every message Asterisk sends."""

    def __init__(self, port: int) -> None:
        self._asterisk = port
        self.messages: list[bytes] = []

    @asynccontextmanager
    async def open(self) -> AsyncIterator[int]:
        """The port to connect to instead."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        async with server:
            yield int(server.sockets[0].getsockname()[1])

    async def _connected(self, listener: asyncio.StreamReader, to_listener: asyncio.StreamWriter) -> None:
        asterisk, to_asterisk = await asyncio.open_connection("127.0.0.1", self._asterisk)
        framer = Framer()

        def keep(data: bytes) -> None:
            self.messages.extend(framer.feed(data))

        await asyncio.gather(_pass(listener, to_asterisk, lambda _: None), _pass(asterisk, to_listener, keep))


async def _pass(source: asyncio.StreamReader, target: asyncio.StreamWriter, keep: Callable[[bytes], None]) -> None:
    with suppress(ConnectionError):
        while data := await source.read(65536):
            keep(data)
            target.write(data)
            await target.drain()
    target.close()


class Tape:
    """What Asterisk says and logs since `begin`."""

    def __init__(self, story: Story, copy: Copy) -> None:
        self._story, self._copy = story, copy
        self._cel = story.hotline.stack.asterisk.cel_file
        self.begin()

    def begin(self) -> None:
        """Forget what was before."""
        self._from = len(self._copy.messages), self._cel.stat().st_size if self._cel.exists() else 0

    async def until_logged(self, call_id: CallId) -> None:
        """Asterisk has written the end of the call into its log."""
        ended = f'"{call_id}","LINKEDID_END"'
        await eventually(lambda: ended in self._cel.read_text(encoding="utf-8"), f"the log ends {call_id}")

    def save(self, name: str, told: str) -> None:
        """Write both traces of a story."""
        first, offset = self._from
        events = [kept for message in self._copy.messages[first:] if (kept := wanted_part(message, self._spool))]
        (HERE / f"{name}.ami.txt").write_text(f"# {told}\n\n" + "\n\n".join(events) + "\n", encoding="utf-8")
        rows = self._cel.read_bytes()[offset:].decode()
        (HERE / f"{name}.cel.txt").write_text(rows, encoding="utf-8")

    @property
    def _spool(self) -> str:
        return str(self._story.hotline.stack.asterisk.spool)


def wanted_part(message: bytes, spool: str) -> str:
    """An event as Asterisk printed it, without the headers nobody reads; empty for other messages."""
    lines = message.decode().replace(spool, "/spool").split("\r\n")
    if not lines[0].startswith("Event: ") or lines[0].removeprefix("Event: ") not in WANTED:
        return ""
    return "\n".join(line for line in lines if line.partition(":")[0] in KEPT)


# ---- the stories -------------------------------------------------------------------------------------------------


async def citizen_hangs_up(story: Story, _: Tape) -> CallId:
    talk = await story.talk()
    talk.citizen.hang_up()
    return talk.call_id


async def agent_hangs_up(story: Story, _: Tape) -> CallId:
    talk = await story.talk(keys="3")
    talk.agent.hang_up()
    return talk.call_id


async def abandoned(story: Story, _: Tape) -> CallId:
    await story.on_duty()
    citizen, call_id = await story.dial()
    await citizen.until_hears(Sound.MUSIC, within_s=SOON_S)
    citizen.hang_up()
    return call_id


async def hung_up_in_the_menu(story: Story, _: Tape) -> CallId:
    citizen, call_id = await story.dial(keys="")
    citizen.hang_up()
    return call_id


async def asked_for_a_call_back(story: Story, _: Tape) -> CallId:
    async with story.database.transaction() as tx:
        await surge.switch_on(tx, datetime.now(UTC) + timedelta(minutes=1), TESTER)
    citizen, call_id = await story.dial(keys="*")
    await citizen.until_ended(SOON_S)
    async with story.database.transaction() as tx:
        await surge.switch_off(tx, TESTER)
    return call_id


async def next_agent_answers(story: Story, _: Tape) -> CallId:
    story.first.answering = RING
    story.second.answering = RING
    await story.on_duty(FIRST, SECOND)
    _citizen, call_id = await story.dial()
    phones = {asyncio.ensure_future(phone.next_call(SOON_S)): phone for phone in (story.first, story.second)}
    done, others = await asyncio.wait(phones, return_when=asyncio.FIRST_COMPLETED)
    (rung,), (other,) = done, others
    await rung.result().until_ended(SOON_S)
    answers = await other
    answers.answer()
    await story.until_situation(call_id, "talking")
    answers.hang_up()
    return call_id


async def three_party(story: Story, _: Tape) -> CallId:
    talk = await story.talk()
    await story.done(Kind.CONSULT, talk.call_id, unit=UNIT)
    unit = await story.unit.next_call(SOON_S)
    await talk.citizen.until_hears(Sound.MUSIC, within_s=SOON_S)
    await story.done(Kind.MERGE, talk.call_id)
    await talk.citizen.until_hears(Sound.AGENT, Sound.UNIT, within_s=SOON_S)
    await story.done(Kind.LEAVE, talk.call_id)
    await talk.citizen.until_hears(Sound.UNIT, within_s=SOON_S)
    unit.hang_up()
    await talk.citizen.until_ended(SOON_S)
    return talk.call_id


async def unit_busy(story: Story, _: Tape) -> CallId:
    story.unit.answering = BUSY
    talk = await story.talk()
    await story.command(Kind.CONSULT, talk.call_id, unit=UNIT)
    await talk.citizen.until_hears(Sound.AGENT, within_s=SOON_S)
    talk.citizen.hang_up()
    return talk.call_id


async def agent_vanishes_in_a_consult(story: Story, _: Tape) -> CallId:
    talk = await story.talk()
    await story.done(Kind.CONSULT, talk.call_id, unit=UNIT)
    await story.wish(SECOND, Desired.READY)
    await story.until_seen(SECOND, "idle")
    talk.agent.hang_up()
    takes_over = await story.second.next_call(SOON_S)
    await talk.citizen.until_hears(Sound.SECOND, within_s=SOON_S)
    takes_over.hang_up()
    return talk.call_id


async def taken_back(story: Story, _: Tape) -> CallId:
    talk = await story.talk()
    await story.done(Kind.SET_ASIDE, talk.call_id, agent=FIRST)
    await talk.citizen.until_hears(Sound.MUSIC, within_s=SOON_S)
    await story.done(Kind.REJOIN, talk.call_id, agent=FIRST)
    again = await story.first.next_call(SOON_S)
    await talk.agent.until_ended(SOON_S)
    await again.until_hears(Sound.CITIZEN, within_s=SOON_S)
    await story.done(Kind.HANG_UP, talk.call_id)
    return talk.call_id


async def taken_back_in_vain(story: Story, _: Tape) -> CallId:
    talk = await story.talk()
    story.first.answering = BUSY
    await story.wish(SECOND, Desired.READY)
    await story.until_seen(SECOND, "idle")
    await story.command(Kind.REJOIN, talk.call_id, agent=FIRST)
    takes_over = await story.second.next_call(SOON_S)
    await talk.citizen.until_hears(Sound.SECOND, within_s=SOON_S)
    takes_over.hang_up()
    return talk.call_id


async def supervisor_listens(story: Story, _: Tape) -> CallId:
    talk = await story.talk()
    await story.done(Kind.LISTEN, talk.call_id, supervisor=BOSS)
    boss = await story.boss.next_call(SOON_S)
    await boss.until_hears(Sound.AGENT, Sound.CITIZEN, within_s=SOON_S)
    await story.done(Kind.BARGE, talk.call_id, supervisor=BOSS)
    await talk.citizen.until_hears(Sound.AGENT, Sound.SUPERVISOR, within_s=SOON_S)
    await story.done(Kind.STOP_LISTENING, talk.call_id, supervisor=BOSS)
    await boss.until_ended(SOON_S)
    talk.citizen.hang_up()
    return talk.call_id


async def called_back(story: Story, tape: Tape) -> CallId:
    story.carrier.answering = answer(0.1)
    call_id = await _call_back(story, tape)
    agent = await story.first.next_call(SOON_S)
    await agent.until_hears(Sound.CITIZEN, within_s=SOON_S)
    agent.hang_up()
    return call_id


async def not_called_back(story: Story, tape: Tape) -> CallId:
    story.carrier.answering = BUSY
    call_id = await _call_back(story, tape)
    agent = await story.first.next_call(SOON_S)
    await agent.until_ended(SOON_S)
    return call_id


async def _call_back(story: Story, tape: Tape) -> CallId:
    await story.on_duty()
    citizen, missed = await story.dial()
    await citizen.until_hears(Sound.MUSIC, within_s=SOON_S)
    citizen.hang_up()
    await story.until_over(missed)
    await tape.until_logged(missed)
    tape.begin()
    row = await story.ledger(missed)
    call_id, _ = await story.call_back(row.id, FIRST)
    return call_id


STORIES: dict[str, tuple[str, Callable[[Story, Tape], Awaitable[CallId]]]] = {
    "citizen-hangs-up": ("Key 0, an agent answers, the citizen hangs up.", citizen_hangs_up),
    "agent-hangs-up": ("Key 3 (a complaint), an agent answers and hangs up.", agent_hangs_up),
    "abandoned": ("Nobody is signed in; the citizen hangs up in the queue.", abandoned),
    "hung-up-in-menu": ("The citizen hangs up while the greeting is played.", hung_up_in_the_menu),
    "asked-for-call-back": (
        "The surge switch is on; the citizen presses * and is promised a call.",
        asked_for_a_call_back,
    ),
    "next-agent-answers": ("One agent does not answer, the other does.", next_agent_answers),
    "three-party": ("Consult, merge, the agent leaves, the unit leaves, goodbye.", three_party),
    "unit-busy": ("The unit is busy, the citizen comes back to the agent.", unit_busy),
    "agent-vanishes": (
        "The agent is gone in a consult; back to the queue, another agent.",
        agent_vanishes_in_a_consult,
    ),
    "taken-back": (
        "The agent's page is gone, the citizen hears music; the agent's telephone takes the call back.",
        taken_back,
    ),
    "taken-back-in-vain": (
        "The telephone that is to take the call back is busy; back to the queue, another agent.",
        taken_back_in_vain,
    ),
    "supervisor-listens": ("A supervisor listens, barges in and stops.", supervisor_listens),
    "called-back": ("An agent calls a citizen back, who answers.", called_back),
    "not-called-back": ("An agent calls a citizen back, who is busy.", not_called_back),
}


async def record(names: set[str]) -> None:
    """These stories, or all of them."""
    others = tuple(part for part in PARTS if part != "listen")
    async with story_for_tests("record", parts=others) as story:
        copy = Copy(story.hotline.stack.ports.ami)
        async with copy.open() as port:
            os.environ["CALLCENTER_AMI_PORT"] = str(port)
            await story.hotline.start_process("listen")
            for name, (told, tell) in STORIES.items():
                if names and name not in names:
                    continue
                await story.on_duty(FIRST)
                tape = Tape(story, copy)
                call_id = await tell(story, tape)
                await story.until_over(call_id)
                await tape.until_logged(call_id)
                await story.quiet()
                tape.save(name, told)
                print(name, call_id, flush=True)


if __name__ == "__main__":
    asyncio.run(record(set(sys.argv[1:])))
