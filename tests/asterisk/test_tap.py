"""The live tap hears the citizen and nobody else, and whatever happens to it never touches the call."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

import numpy as np
import pytest

from callcenter.control_errors import TapFailed
from callcenter.stack.phone import answer
from callcenter.stack.phone_ear import Ear, Stretch
from callcenter.stack.phone_line import Address
from callcenter.stack.phone_sound import SILENT, Sound, alaw_encode
from callcenter.types import ChannelId
from recordings.audiosocket import HANGUP_FRAME, RATES, UUID_FRAME, FrameParser
from tests.support.eventually import eventually
from tests.support.switchboard import SOON_S, UNIT_NUMBER, Switchboard, Talk

pytestmark = pytest.mark.stack

Tell = Callable[[str], None]


class TapServer:
    """An AudioSocket server that only remembers: frames of 8 kHz signed linear, per stream."""

    def __init__(self) -> None:
        self.ears: dict[UUID, Ear] = {}
        self.closed: dict[UUID, float] = {}
        self._writers: list[asyncio.StreamWriter] = []

    @asynccontextmanager
    async def listening(self, address: Address) -> AsyncIterator["TapServer"]:
        server = await asyncio.start_server(self._serve, *address)
        async with server:
            yield self
            self.drop_all()

    def drop_all(self) -> None:
        """Close every stream, as a server that is killed."""
        for writer in self._writers:
            writer.close()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        parser, stream = FrameParser(), UUID(int=0)
        while data := await reader.read(4096):
            for frame in parser.feed(data):
                if frame.kind == UUID_FRAME:
                    stream = UUID(bytes=frame.payload)
                    self.ears[stream] = Ear()
                elif frame.kind in RATES:
                    self.ears[stream].add(time.monotonic(), alaw_encode(np.frombuffer(frame.payload, "<i2")))
                elif frame.kind == HANGUP_FRAME:
                    break
        self.closed[stream] = time.monotonic()
        writer.close()

    async def until_heard(self, stream: UUID, *sounds: Sound, for_s: float = 0.6) -> None:
        """Until the last `for_s` seconds of the stream held exactly these sounds."""
        began_s = time.monotonic()
        heard: list[Stretch] = []
        while time.monotonic() < began_s + SOON_S:
            await asyncio.sleep(0.05)
            now_s = time.monotonic() - 0.06
            if stream in self.ears and now_s - for_s >= began_s:
                heard = self.ears[stream].timeline(now_s - for_s, now_s)
                if [stretch.sounds for stretch in heard] == [frozenset(sounds)]:
                    return
        raise AssertionError(f"tap did not hear {sounds} but {', '.join(map(str, heard)) or 'nothing'}")


@pytest.fixture
async def taps(board: Switchboard) -> AsyncIterator[TapServer]:
    async with TapServer().listening(board.audiosocket) as server:
        yield server


async def tapped(board: Switchboard, taps: TapServer) -> tuple[Talk, UUID, ChannelId]:
    talk, stream = await board.talk(), uuid4()
    channel = await board.control.tap(talk.call_id, talk.legs.citizen, stream)
    await taps.until_heard(stream, Sound.CITIZEN)
    return talk, stream, channel


async def hear_each_other(talk: Talk) -> None:
    await talk.citizen.until_hears(Sound.AGENT, within_s=SOON_S)
    await talk.agent.until_hears(Sound.CITIZEN, within_s=SOON_S)


async def test_the_tap_hears_only_the_citizen_through_the_whole_call(board: Switchboard, taps: TapServer) -> None:
    board.unit.answering = answer(0.1)
    talk, stream, channel = await tapped(board, taps)
    assert channel == f"t-{talk.call_id}"
    await hear_each_other(talk)
    await board.control.consult(talk.legs, UNIT_NUMBER, 1)
    await talk.citizen.until_hears(Sound.MUSIC, within_s=SOON_S)
    await taps.until_heard(stream, Sound.CITIZEN)
    await board.control.merge(talk.legs)
    await talk.citizen.until_hears(Sound.AGENT, Sound.UNIT, within_s=SOON_S)
    await taps.until_heard(stream, Sound.CITIZEN)
    talk.citizen.say(SILENT)
    await taps.until_heard(stream, Sound.SILENCE)


async def test_a_citizen_who_hangs_up_while_tapped_is_gone_at_once(
    board: Switchboard, taps: TapServer, tell: Tell
) -> None:
    talk, stream, _ = await tapped(board, taps)
    began_s = time.monotonic()
    talk.citizen.hang_up()
    await talk.agent.until_ended(SOON_S)
    agent_s = time.monotonic() - began_s
    await board.events.until("Hangup", Uniqueid=talk.legs.citizen)
    citizen_s = time.monotonic() - began_s
    await board.events.until("Hangup", Uniqueid=f"t-{talk.call_id}")
    await eventually(lambda: stream in taps.closed, "the stream is closed")
    tell(
        f"hang-up while tapped: agent told after {1000 * agent_s:.0f} ms, Hangup event of the citizen "
        f"{1000 * citizen_s:.0f} ms, stream closed {1000 * (taps.closed[stream] - began_s):.0f} ms"
    )


async def test_a_tap_is_ended_and_the_call_goes_on(board: Switchboard, taps: TapServer) -> None:
    talk, _, channel = await tapped(board, taps)
    assert await board.control.untap(talk.call_id)
    await board.events.until("Hangup", Uniqueid=channel)
    assert not await board.control.untap(talk.call_id)
    await hear_each_other(talk)


async def test_a_tap_server_that_is_away_never_touches_the_call(board: Switchboard) -> None:
    talk = await board.talk()
    with pytest.raises(TapFailed) as failed:
        await board.control.tap(talk.call_id, talk.legs.citizen, uuid4())
    assert "通话和录音不受影响" in failed.value.sentence
    await hear_each_other(talk)


async def test_a_tap_server_that_dies_in_the_middle_never_touches_the_call(board: Switchboard, taps: TapServer) -> None:
    talk, _, channel = await tapped(board, taps)
    taps.drop_all()
    await board.events.until("Hangup", Uniqueid=channel)
    await hear_each_other(talk)
    again = uuid4()
    await board.control.tap(talk.call_id, talk.legs.citizen, again)
    await taps.until_heard(again, Sound.CITIZEN)


async def test_a_tap_of_a_citizen_who_left_ends_by_itself(board: Switchboard, taps: TapServer) -> None:
    talk, stream = await board.talk(), uuid4()
    talk.citizen.hang_up()
    await board.events.until("Hangup", Uniqueid=talk.legs.citizen)
    channel = await board.control.tap(talk.call_id, talk.legs.citizen, stream)
    await board.events.until("Hangup", Uniqueid=channel)
    assert taps.ears.get(stream, Ear()).frames == 0
