"""Speech over a real call: live words while the citizen speaks, files that are whole, a transcript, a killed Asterisk.

Real Asterisk, real RTP, real Vosk (demo model, synthetic speech).
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.control_errors import TapFailed
from callcenter.stack.phone_sound import SILENT, Sound, Voice, alaw_encode
from callcenter.types import ChannelId, Party, call_id
from recordings import completeness, service, store
from recordings.live import LiveTap, LiveWords
from recordings.models import demo_model
from recordings.recording import AnsweredLeg, Cause, Kind, RecordingDone, State, name_of
from recordings.speech import LegAudio, transcribe_call
from recordings.vosk_door import load
from tests.support.eventually import eventually
from tests.support.spoken import ANSWER, COMPLAINT, heard, spoken
from tests.support.switchboard import SOON_S, Switchboard, Talk, switchboard_for_tests

pytestmark = pytest.mark.stack


def voice(text: str) -> Voice:
    return Voice(alaw_encode(np.frombuffer(spoken(text), "<i2").astype(np.int16)), loop=False)


class Words:
    """What the tap told."""

    def __init__(self) -> None:
        self.told: list[LiveWords] = []
        self.problems: list[str] = []

    async def hear(self, words: LiveWords) -> None:
        self.told.append(words)

    def problem(self, message: str, error: BaseException) -> None:
        self.problems.append(f"{message}: {error!r}")

    @property
    def partials(self) -> list[str]:
        return [words.text for words in self.told if not words.final]

    @property
    def finals(self) -> list[str]:
        return [words.text for words in self.told if words.final]


@asynccontextmanager
async def tapped(board: Switchboard, words: Words) -> AsyncIterator[tuple[Talk, LiveTap]]:
    """A talk with nobody speaking, whose citizen is heard by a live tap."""
    host, port = board.audiosocket
    tap = LiveTap(host, port, load(demo_model()), words.hear, words.problem)
    await tap.start()
    try:
        talk = await board.talk()
        talk.citizen.say(SILENT)
        talk.agent.say(SILENT)
        await board.control.tap(talk.call_id, talk.legs.citizen, tap.register(talk.call_id))
        yield talk, tap
        assert words.problems == []
    finally:
        await tap.close()


async def recording_done(board: Switchboard, channel: ChannelId) -> RecordingDone:
    event = await board.events.until("UserEvent", UserEvent="RecordingDone", Channel=channel)
    party = Party(event.need("Leg"))
    return RecordingDone(call_id(event.need("CallId")), channel, party, event.need("File"), event.get("Mix") or "")


async def test_the_citizens_words_appear_while_they_are_spoken(board: Switchboard, tell: Callable[[str], None]) -> None:
    words = Words()
    async with tapped(board, words) as (talk, tap):
        started = asyncio.get_running_loop().time()
        talk.citizen.say(voice(COMPLAINT))
        talk.agent.say(voice(ANSWER))
        await eventually(lambda: len(words.partials) > 0, "the first word")
        first_s = asyncio.get_running_loop().time() - started
        assert not words.finals
        await eventually(lambda: len(words.finals) > 0, "the end of the sentence")
        assert heard(COMPLAINT, words.finals[0])
        whole_s = asyncio.get_running_loop().time() - started
        assert ANSWER not in "".join(words.partials)
        assert tap.stats.dropped_s == 0
    spoken_s = len(spoken(COMPLAINT)) / 16_000
    tell(f"live words: first after {first_s:.2f} s of speech, whole sentence {whole_s - spoken_s:.2f} s after its end")


async def test_a_hangup_while_tapped_keeps_the_words_and_ends_everything(board: Switchboard) -> None:
    words = Words()
    async with tapped(board, words) as (talk, tap):
        talk.citizen.say(voice(COMPLAINT))
        await eventually(lambda: len(words.partials) > 0, "the first word")
        talk.citizen.hang_up()
        await eventually(lambda: len(words.finals) == 1, "the last words")
        assert words.finals[0]
        await recording_done(board, talk.legs.citizen)
        await eventually(lambda: tap.stats.streams == 0, "the end of the stream")

        async def quiet() -> bool:
            return not await board.channels()

        await eventually(quiet, "no channel left, the tap's included")


async def test_a_call_goes_on_when_the_live_server_dies_or_is_away(board: Switchboard) -> None:
    async with tapped(board, Words()) as (talk, tap):
        await eventually(lambda: tap.stats.streams == 1, "the stream")
        await tap.close()
        with pytest.raises(TapFailed):
            await board.control.tap(talk.call_id, talk.legs.citizen, tap.register(talk.call_id))
        talk.citizen.say(board.carrier.voice)
        talk.agent.say(board.agent.voice)
        await talk.citizen.until_hears(Sound.AGENT, within_s=SOON_S)
        await talk.agent.until_hears(Sound.CITIZEN, within_s=SOON_S)


async def test_the_files_of_a_call_are_whole_and_become_its_transcript(board: Switchboard, tx: AsyncConnection) -> None:
    answered_at = datetime.now(UTC)
    talk = await board.talk()
    talk.citizen.say(voice(COMPLAINT))
    talk.agent.say(SILENT)
    await talk.citizen.until_said()
    talk.agent.say(voice(ANSWER))
    await talk.agent.until_said()
    talk.citizen.hang_up()
    spool = Path(board.stack.asterisk.spool)
    rows = []
    for channel in (talk.legs.citizen, talk.legs.agent):
        done = await recording_done(board, channel)
        ended_at = datetime.now(UTC)
        leg = AnsweredLeg(talk.call_id, channel, done.party, answered_at, ended_at)
        for id_ in await service.finished(tx, done, ended_at):
            # the agent answered a moment later than the citizen; the tolerance is for milliseconds, not for that
            known = leg if done.party is Party.CITIZEN else None
            rows.append(await service.verify(tx, spool, id_, known))
    assert [(row.party, row.kind, row.state) for row in rows] == [
        (Party.CITIZEN, Kind.LEG, State.VERIFIED),
        (Party.CITIZEN, Kind.MIX, State.VERIFIED),
        (Party.AGENT, Kind.LEG, State.VERIFIED),
    ]
    legs = [LegAudio(row.party, row.channel_id, spool / row.path) for row in rows if row.kind is Kind.LEG]
    transcript = await transcribe_call(legs, load(demo_model()))
    # both began with the tone of their telephone, in which the model may hear a stray word
    assert heard(COMPLAINT, transcript.text)
    assert heard(ANSWER, transcript.text)


async def test_after_kill_9_the_files_are_repaired_and_the_loss_is_a_gap(tx: AsyncConnection) -> None:
    async with switchboard_for_tests("killed") as board:
        await board.ready_for_a_call()
        answered_at = datetime.now(UTC)
        talk = await board.talk()
        spool = Path(board.stack.asterisk.spool)
        mix = spool / name_of(talk.call_id, Party.CITIZEN, talk.legs.citizen, Kind.MIX).name
        await eventually(lambda: mix.exists() and mix.stat().st_size >= 2 * 32_768, "two steps of audio")
        await board.stack.asterisk.kill9()
        killed_at = datetime.now(UTC)
        legs = [
            AnsweredLeg(talk.call_id, talk.legs.citizen, Party.CITIZEN, answered_at, killed_at),
            AnsweredLeg(talk.call_id, talk.legs.agent, Party.AGENT, answered_at, killed_at),
        ]
        assert mix.read_bytes()[40:44] == bytes(4)
        found = await service.recover_orphans(tx, spool, killed_at, legs=legs)
        assert {(one.name.party, one.name.kind, one.state) for one in found} == {
            (Party.CITIZEN, Kind.LEG, State.REPAIRED),
            (Party.CITIZEN, Kind.MIX, State.REPAIRED),
            (Party.AGENT, Kind.LEG, State.REPAIRED),
        }
        assert all(one.state is State.REPAIRED for one in await store.recordings_of(tx, [talk.call_id]))
        gaps = await store.gaps_of(tx, [talk.call_id])
        # A kill right after a flush loses nothing of that leg; 16,000 bytes are a second.
        heard_s = {
            leg.party: (spool / name_of(leg.call_id, leg.party, leg.channel_id).name).stat().st_size / 16_000
            for leg in legs
        }
        short = {leg.party for leg in legs if heard_s[leg.party] < leg.seconds}
        assert {(gap.party, gap.cause) for gap in gaps} == {(party, Cause.ASTERISK_KILLED) for party in short}
        later = killed_at + timedelta(minutes=1)
        assert await completeness.monitor(tx, spool, legs, later) == ()
