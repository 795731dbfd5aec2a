"""What Asterisk leaves in the spool: one file a leg, whole when RecordingDone says so, usable after a kill."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from callcenter.stack.phone import answer
from callcenter.stack.phone_ear import listen
from callcenter.stack.phone_sound import RATE_HZ, Sound
from callcenter.types import ChannelId, Party
from recordings.audio import Pcm, pcm_of, repair_header
from recordings.recording import RecordingDone, parse_name
from tests.support.eventually import eventually
from tests.support.switchboard import AGENT, HOTLINE, SOON_S, UNIT_NUMBER, Switchboard, Talk, switchboard_for_tests

pytestmark = pytest.mark.stack

WINDOW = RATE_HZ // 10
STDIO_STEP_BYTES = 32 * 1024
"""Asterisk writes recordings through a buffer of this size; so much may be lost when it is killed."""


def sounds_in(path: Path) -> set[Sound]:
    """Every tone that fills some 100 ms of the file; edges between two sounds are left out."""
    pcm = layout(path)
    samples = np.frombuffer(path.read_bytes()[pcm.offset :][: pcm.size_bytes], "<i2")
    heard = [listen(samples[at : at + WINDOW]) for at in range(0, len(samples) - WINDOW + 1, WINDOW)]
    steady = [now for before, now in pairwise(heard) if before == now]
    return {sound for window in steady for sound in window} - {Sound.SILENCE}


def layout(path: Path) -> Pcm:
    pcm = pcm_of(path)
    assert pcm is not None
    return pcm


async def recorded(board: Switchboard, channel: ChannelId) -> tuple[RecordingDone, dict[str, int]]:
    """RecordingDone of a leg, with the size of each of its files the moment the event came."""
    event = await board.events.until("UserEvent", UserEvent="RecordingDone", Channel=channel)
    done = RecordingDone(
        call_id=parse_name(Path(event.need("File")).name).call_id,
        channel_id=ChannelId(event.need("Channel")),
        party=Party(event.need("Leg")),
        file=event.need("File"),
        mix=event.need("Mix"),
    )
    assert event.need("CallId") == done.call_id
    return done, sizes_of(done)


def sizes_of(done: RecordingDone) -> dict[str, int]:
    """Bytes of each file of a leg, by path."""
    return {path: Path(path).stat().st_size for path in (done.file, done.mix) if path}


async def in_three(board: Switchboard) -> tuple[Talk, ChannelId]:
    board.unit.answering = answer(0.1)
    talk = await board.talk()
    result = await board.control.consult(talk.legs, UNIT_NUMBER, 1)
    await talk.citizen.until_hears(Sound.MUSIC, within_s=SOON_S)
    await board.control.merge(talk.legs)
    await talk.citizen.until_hears(Sound.AGENT, Sound.UNIT, within_s=SOON_S)
    return talk, result.unit


async def test_each_leg_has_a_file_of_its_own_voice_named_by_the_contract(board: Switchboard) -> None:
    talk, unit = await in_three(board)
    legs = {
        Party.CITIZEN: (talk.legs.citizen, Sound.CITIZEN),
        Party.AGENT: (talk.legs.agent, Sound.AGENT),
        Party.UNIT: (unit, Sound.UNIT),
    }
    await board.everybody_hangs_up()
    for party, (channel, voice) in legs.items():
        done, _ = await recorded(board, channel)
        name = f"{talk.call_id}_{party}_{channel}.sln"
        assert (done.call_id, done.party, done.channel_id) == (talk.call_id, party, channel)
        assert done.file == str(board.stack.asterisk.spool / name)
        assert sounds_in(Path(done.file)) == {voice}


async def test_the_mix_of_the_citizens_leg_holds_everything_the_citizen_said_and_heard(board: Switchboard) -> None:
    talk, _ = await in_three(board)
    talk.citizen.hang_up()
    done, _ = await recorded(board, talk.legs.citizen)
    assert done.mix == str(board.stack.asterisk.spool / f"{talk.call_id}_mix_{talk.call_id}.wav")
    assert {Sound.CITIZEN, Sound.AGENT, Sound.UNIT, Sound.MUSIC} <= sounds_in(Path(done.mix))
    assert not layout(Path(done.mix)).header_lies


async def test_files_are_whole_the_moment_recording_done_is_told(board: Switchboard) -> None:
    talk = await board.talk()
    talk.citizen.hang_up()
    told = [await recorded(board, channel) for channel in (talk.legs.citizen, talk.legs.agent)]
    await board.everybody_hangs_up()
    for done, sizes in told:
        assert min(sizes.values()) > 0
        assert sizes_of(done) == sizes
        assert not layout(Path(done.file)).header_lies


async def test_a_call_nobody_answered_is_recorded_too(board: Switchboard) -> None:
    await board.control.queue_remove(HOTLINE, AGENT)
    waiting = await board.carrier.call("12345")
    await waiting.until_hears(Sound.MUSIC, within_s=SOON_S)
    joined = await board.events.until("QueueCallerJoin", CallerIDNum=waiting.caller)
    waiting.hang_up()
    done, _ = await recorded(board, ChannelId(joined.need("Uniqueid")))
    assert sounds_in(Path(done.mix)) >= {Sound.CITIZEN}


async def test_a_killed_asterisk_leaves_files_that_can_be_used() -> None:
    async with switchboard_for_tests("killed") as board:
        await board.ready_for_a_call()
        talk = await board.talk()
        spool = board.stack.asterisk.spool
        sln = spool / f"{talk.call_id}_citizen_{talk.call_id}.sln"
        mix = spool / f"{talk.call_id}_mix_{talk.call_id}.wav"
        await eventually(
            lambda: min(sln.stat().st_size, mix.stat().st_size) >= 2 * STDIO_STEP_BYTES, "four seconds on the disk"
        )
        await board.stack.asterisk.kill9()
        assert layout(mix).header_lies
        assert repair_header(mix)
        assert not layout(mix).header_lies
        assert not repair_header(mix)
        assert {Sound.CITIZEN, Sound.AGENT} <= sounds_in(mix)
        assert sounds_in(sln) == {Sound.CITIZEN}
        # The other leg's writer was as far, give or take one step of its buffer.
        assert abs(layout(mix).size_bytes - sln.stat().st_size) <= STDIO_STEP_BYTES
