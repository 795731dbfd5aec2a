"""Who hears whom, proved by a tone per party, in every turn a call with a handling unit can take.

Real Asterisk, real RTP; the telephones stand for the outside world. `until_hears` means exactly these sounds.
"""

import asyncio
import itertools
from collections.abc import Callable

import pytest

from callcenter.control import CallLegs, ConsultResult
from callcenter.control_errors import (
    EMERGENCY,
    ConsultCancelled,
    LegGone,
    StaffNotAnswering,
    UnitBusy,
    UnitDeclined,
    UnitFailure,
    UnitNoAnswer,
    UnitNumberWrong,
)
from callcenter.stack.phone import AWAY, BUSY, DEAD, DECLINE, RING, Answering, answer
from callcenter.stack.phone_call import EndedBy, PhoneCall
from callcenter.stack.phone_sound import Sound
from callcenter.types import CallId, ChannelId, PhoneNumber
from tests.support.switchboard import (
    AGENT,
    CITIZEN_NUMBER,
    HOTLINE,
    OTHER_AGENT,
    SOON_S,
    SUPERVISOR,
    UNIT_NUMBER,
    Switchboard,
    Talk,
)

pytestmark = pytest.mark.stack

CITIZEN, AGENT_TONE, UNIT, MUSIC = Sound.CITIZEN, Sound.AGENT, Sound.UNIT, Sound.MUSIC
SUPERVISOR_TONE, SILENCE = Sound.SUPERVISOR, Sound.SILENCE
Tell = Callable[[str], None]


async def hears(call: PhoneCall, *sounds: Sound, for_s: float = 0.3) -> None:
    await call.until_hears(*sounds, within_s=SOON_S, for_s=for_s)


async def three_hear_each_other(talk: Talk, unit: PhoneCall) -> None:
    await hears(talk.citizen, AGENT_TONE, UNIT)
    await hears(talk.agent, CITIZEN, UNIT)
    await hears(unit, CITIZEN, AGENT_TONE)


def in_conference(talk: Talk) -> CallLegs:
    return CallLegs(talk.call_id, talk.legs.citizen, talk.legs.agent, in_conference=True)


async def consulted(board: Switchboard) -> tuple[Talk, PhoneCall, ChannelId]:
    """Citizen on hold music; agent and unit hear each other."""
    board.unit.answering = answer(0.1)
    talk = await board.talk()
    result = await board.control.consult(talk.legs, UNIT_NUMBER, 1)
    assert (result.answered, result.failure(None)) == (True, None)
    unit = await board.unit.next_call(SOON_S)
    await hears(talk.agent, UNIT)
    await hears(unit, AGENT_TONE)
    return talk, unit, result.unit


async def merged(board: Switchboard) -> tuple[Talk, PhoneCall, ChannelId]:
    """All three hear each other."""
    talk, unit, unit_channel = await consulted(board)
    await board.control.merge(talk.legs)
    await three_hear_each_other(talk, unit)
    return talk, unit, unit_channel


async def test_a_queue_call_lets_citizen_and_agent_hear_each_other(board: Switchboard) -> None:
    talk = await board.talk()
    await hears(talk.citizen, AGENT_TONE)
    await hears(talk.agent, CITIZEN)
    talk.citizen.hang_up()
    assert await talk.agent.until_ended(SOON_S) is EndedBy.THEM


async def test_the_citizen_waits_with_music_until_an_agent_is_free(board: Switchboard) -> None:
    first = await board.talk()
    waiting = await board.carrier.call("12345")
    await hears(waiting, MUSIC)
    first.citizen.hang_up()
    await board.agent.next_call(SOON_S)
    await hears(waiting, AGENT_TONE)


async def test_during_a_consult_the_citizen_hears_only_music(board: Switchboard) -> None:
    talk, unit, _ = await consulted(board)
    await asyncio.gather(
        hears(talk.citizen, MUSIC, for_s=1.0),
        hears(talk.agent, UNIT, for_s=1.0),
        hears(unit, AGENT_TONE, for_s=1.0),
    )


@pytest.mark.clause("MC-015")
async def test_a_merge_lets_all_three_hear_each_other_and_the_citizen_loses_no_time(
    board: Switchboard, tell: Tell
) -> None:
    talk, unit, unit_channel = await merged(board)
    await board.control.leave(talk.legs.agent)
    await hears(talk.citizen, UNIT)
    tell(f"citizen's longest RTP gap, queue to unit alone: {1000 * talk.citizen.longest_gap_s():.0f} ms")
    tell("citizen heard: " + ", ".join(map(str, talk.citizen.timeline())))
    await board.control.drop(unit_channel)
    assert await unit.until_ended(SOON_S) is EndedBy.THEM
    await hears(talk.citizen, MUSIC)


async def test_the_agent_leaves_and_citizen_and_unit_talk_on(board: Switchboard) -> None:
    talk, unit, _ = await merged(board)
    talk.agent.hang_up()
    await hears(talk.citizen, UNIT, for_s=0.6)
    await hears(unit, CITIZEN, for_s=0.6)


async def test_the_unit_leaves_and_citizen_and_agent_talk_on(board: Switchboard) -> None:
    talk, unit, _ = await merged(board)
    unit.hang_up()
    await hears(talk.citizen, AGENT_TONE, for_s=0.6)
    await hears(talk.agent, CITIZEN, for_s=0.6)


async def test_the_citizen_leaves_and_nobody_brings_them_back(board: Switchboard) -> None:
    talk, unit, unit_channel = await merged(board)
    talk.citizen.hang_up()
    await hears(talk.agent, UNIT)
    await hears(unit, AGENT_TONE)
    with pytest.raises(LegGone):
        await board.control.merge(talk.legs)
    assert await board.control.drop(unit_channel)
    await unit.until_ended(SOON_S)
    await board.events.until("Hangup", Uniqueid=unit_channel)
    assert not await board.control.drop(unit_channel)


async def test_the_citizen_hangs_up_on_hold(board: Switchboard) -> None:
    talk, _, _ = await consulted(board)
    talk.citizen.hang_up()
    await board.events.until("Hangup", Uniqueid=talk.legs.citizen)
    await hears(talk.agent, UNIT)
    with pytest.raises(LegGone):
        await board.control.retrieve(talk.legs)


FAILURES = [
    pytest.param(BUSY, UnitBusy, id="busy"),
    pytest.param(DECLINE, UnitDeclined, id="declined"),
    pytest.param(RING, UnitNoAnswer, id="rings-and-rings"),
    pytest.param(AWAY, UnitNoAnswer, id="away"),
    pytest.param(DEAD, UnitNoAnswer, id="dead-telephone"),
    pytest.param(Answering(404, "Not Found"), UnitNumberWrong, id="wrong-number"),
]


@pytest.mark.parametrize(("behaviour", "failure"), FAILURES)
async def test_a_unit_that_is_not_reached_says_why_and_the_citizen_comes_back(
    board: Switchboard, behaviour: Answering, failure: type[UnitFailure]
) -> None:
    board.unit.answering = behaviour
    talk = await board.talk()
    result = await board.control.consult(talk.legs, UNIT_NUMBER, 1)
    assert not result.answered
    assert type(result.failure(await board.cause(result.unit))) is failure
    await hears(talk.citizen, MUSIC)
    await board.control.retrieve(talk.legs)
    await hears(talk.citizen, AGENT_TONE)
    await hears(talk.agent, CITIZEN)


async def test_a_ringing_consult_is_taken_back(board: Switchboard) -> None:
    talk = await board.talk()
    consult = asyncio.create_task(board.control.consult(talk.legs, UNIT_NUMBER, 1))
    unit = await board.unit.next_call(SOON_S)
    await board.control.cancel_consult(talk.legs, ChannelId(f"u-{talk.call_id}-1"))
    assert await unit.until_ended(SOON_S) is EndedBy.CANCELLED
    result = await consult
    assert isinstance(result.failure(await board.cause(result.unit)), ConsultCancelled)
    await hears(talk.citizen, AGENT_TONE)
    await hears(talk.agent, CITIZEN)


async def test_after_one_unit_another_is_consulted_in_the_same_conference(board: Switchboard) -> None:
    board.unit.answering_for[UNIT_NUMBER.digits] = BUSY
    board.unit.answering_for["5555678"] = answer(0.1)
    talk = await board.talk()
    first = await board.control.consult(talk.legs, UNIT_NUMBER, 1)
    await board.control.retrieve(talk.legs)
    await hears(talk.citizen, AGENT_TONE)
    second: ConsultResult = await board.control.consult(in_conference(talk), PhoneNumber("5555678"), 2)
    assert (first.answered, second.answered) == (False, True)
    await hears(talk.citizen, MUSIC)
    await hears(talk.agent, UNIT)
    await board.control.merge(talk.legs)
    await hears(talk.citizen, AGENT_TONE, UNIT)


async def test_an_emergency_number_goes_out_over_the_carrier(board: Switchboard) -> None:
    police = EMERGENCY["110"]
    board.carrier.answering_for["110"] = answer(0.1)
    board.carrier.voice_for["110"] = board.unit.voice
    talk = await board.talk()
    result = await board.control.consult(talk.legs, police.number, 1, police.over)
    called = await board.carrier.next_call(SOON_S)
    assert (result.answered, called.dialled, called.caller) == (True, "110", "12345")
    await board.control.merge(talk.legs)
    await three_hear_each_other(talk, called)


async def test_a_consult_on_a_call_that_ended_changes_nothing(board: Switchboard) -> None:
    talk = await board.talk()
    talk.citizen.hang_up()
    await board.events.until("Hangup", Uniqueid=talk.legs.citizen)
    with pytest.raises(LegGone) as gone:
        await board.control.consult(talk.legs, UNIT_NUMBER, 1)
    assert "挂断" in gone.value.sentence


async def test_the_agent_vanishes_during_a_consult_and_the_citizen_talks_to_the_unit(board: Switchboard) -> None:
    talk, unit, _ = await consulted(board)
    talk.agent.vanish()
    await hears(unit, SILENCE)
    assert await board.control.hang_up(talk.legs.agent)
    await hears(talk.citizen, MUSIC)
    await board.control.merge(talk.legs)
    await hears(talk.citizen, UNIT)
    await hears(unit, CITIZEN)


async def test_the_agent_vanishes_during_a_consult_and_another_agent_takes_over(board: Switchboard) -> None:
    talk, unit, unit_channel = await consulted(board)
    await board.control.queue_add(HOTLINE, OTHER_AGENT, "话务员二号")
    talk.agent.hang_up()
    await board.control.queue_remove(HOTLINE, AGENT)
    await hears(talk.citizen, MUSIC)
    await board.control.drop(unit_channel)
    await board.control.requeue(talk.legs.citizen)
    other = await board.other_agent.next_call(SOON_S)
    await hears(talk.citizen, Sound.SECOND)
    await hears(other, CITIZEN)
    assert unit.ended_by is EndedBy.THEM


async def test_a_supervisor_listens_whispers_and_barges_in(board: Switchboard) -> None:
    talk = await board.talk()
    channel = await board.control.listen(talk.call_id, SUPERVISOR, talk.legs.agent, 1)
    boss = await board.supervisor.next_call(SOON_S)
    await hears(boss, CITIZEN, AGENT_TONE)
    await hears(talk.citizen, AGENT_TONE, for_s=0.6)
    await hears(talk.agent, CITIZEN, for_s=0.6)
    await board.control.whisper(channel)
    await hears(talk.agent, CITIZEN, SUPERVISOR_TONE)
    await hears(talk.citizen, AGENT_TONE, for_s=0.6)
    await board.control.barge(channel, in_conference=False)
    await hears(talk.citizen, AGENT_TONE, SUPERVISOR_TONE)
    await hears(talk.agent, CITIZEN, SUPERVISOR_TONE)
    await board.control.listen_only(channel)
    await hears(talk.citizen, AGENT_TONE, for_s=0.6)
    assert await board.control.stop(channel)
    await boss.until_ended(SOON_S)
    await hears(talk.citizen, AGENT_TONE)


async def test_a_supervisor_stays_through_consult_and_merge_and_joins_the_conference(board: Switchboard) -> None:
    board.unit.answering = answer(0.1)
    talk = await board.talk()
    channel = await board.control.listen(talk.call_id, SUPERVISOR, talk.legs.agent, 1)
    boss = await board.supervisor.next_call(SOON_S)
    await board.control.consult(talk.legs, UNIT_NUMBER, 1)
    unit = await board.unit.next_call(SOON_S)
    await hears(boss, AGENT_TONE, UNIT)
    await board.control.merge(talk.legs)
    await hears(boss, CITIZEN, AGENT_TONE, UNIT)
    await three_hear_each_other(talk, unit)
    await board.control.whisper(channel)
    await hears(talk.agent, CITIZEN, UNIT, SUPERVISOR_TONE)
    await hears(unit, CITIZEN, AGENT_TONE, for_s=0.6)
    await board.control.barge(channel, in_conference=True)
    await hears(talk.citizen, AGENT_TONE, UNIT, SUPERVISOR_TONE)
    await hears(unit, CITIZEN, AGENT_TONE, SUPERVISOR_TONE)
    await hears(boss, CITIZEN, AGENT_TONE, UNIT)
    await board.control.listen_only(channel)
    await hears(talk.citizen, AGENT_TONE, UNIT)
    await hears(boss, CITIZEN, AGENT_TONE, UNIT)


async def test_a_supervisor_whose_telephone_is_not_answered_is_told_so(board: Switchboard) -> None:
    talk = await board.talk()
    board.supervisor.answering = BUSY
    try:
        with pytest.raises(StaffNotAnswering):
            await board.control.listen(talk.call_id, SUPERVISOR, talk.legs.agent, 1)
    finally:
        board.supervisor.answering = answer(0.1)
    await hears(talk.citizen, AGENT_TONE)


async def test_the_agents_telephone_holds_and_takes_back_by_re_invite(board: Switchboard) -> None:
    talk = await board.talk()
    await talk.agent.hold()
    await hears(talk.citizen, MUSIC)
    await board.events.until("Hold", Uniqueid=talk.legs.agent)
    await talk.agent.resume()
    await hears(talk.citizen, AGENT_TONE)
    await hears(talk.agent, CITIZEN)


async def test_the_citizen_hears_the_goodbye_and_is_hung_up(board: Switchboard) -> None:
    talk, unit, _ = await merged(board)
    await board.control.goodbye(talk.legs.citizen)
    assert await talk.citizen.until_ended(SOON_S) is EndedBy.THEM
    await hears(unit, AGENT_TONE)


_callback_ids = itertools.count(900_000_001)


async def called_back(board: Switchboard) -> Talk:
    """An agent calls a citizen back; both hear each other."""
    board.carrier.answering = answer(0.1)
    call_id = CallId(f"a-1763800000.{next(_callback_ids)}")
    await board.control.call_back(AGENT, PhoneNumber(CITIZEN_NUMBER), call_id)
    agent = await board.agent.next_call(SOON_S)
    citizen = await board.carrier.next_call(SOON_S)
    assert (citizen.dialled, citizen.caller) == (CITIZEN_NUMBER, "12345")
    answered = await board.events.until("UserEvent", UserEvent="CallbackDialled", CallId=call_id)
    assert answered.get("Status") == "ANSWER"
    await hears(agent, CITIZEN)
    await hears(citizen, AGENT_TONE)
    leg = ChannelId(answered.need("Uniqueid"))
    assert answered.variable("LEG") == "citizen"
    return Talk(citizen, agent, CallLegs(call_id, leg, ChannelId(call_id)))


async def test_an_agent_calls_a_citizen_back(board: Switchboard) -> None:
    talk = await called_back(board)
    talk.citizen.hang_up()
    assert await talk.agent.until_ended(SOON_S) is EndedBy.THEM


async def test_a_unit_joins_a_call_back(board: Switchboard) -> None:
    board.unit.answering = answer(0.1)
    talk = await called_back(board)
    await board.control.consult(talk.legs, UNIT_NUMBER, 1)
    unit = await board.unit.next_call(SOON_S)
    await hears(talk.citizen, MUSIC)
    await hears(talk.agent, UNIT)
    await board.control.merge(talk.legs)
    await three_hear_each_other(talk, unit)


async def test_a_citizen_who_is_busy_ends_the_call_back(board: Switchboard) -> None:
    board.carrier.answering = BUSY
    call_id = CallId(f"a-1763800000.{next(_callback_ids)}")
    await board.control.call_back(AGENT, PhoneNumber(CITIZEN_NUMBER), call_id)
    agent = await board.agent.next_call(SOON_S)
    dialled = await board.events.until("UserEvent", UserEvent="CallbackDialled", CallId=call_id)
    assert dialled.get("Status") == "BUSY"
    assert await agent.until_ended(SOON_S) is EndedBy.THEM


async def test_a_leg_that_may_exist_is_looked_up(board: Switchboard) -> None:
    talk = await board.talk()
    seen = await board.control.resolve_unknown(talk.legs.citizen)
    assert seen is not None
    assert (seen.state, seen.application, seen.name[:12]) == ("Up", "Queue", "PJSIP/trunk-")
    assert await board.control.resolve_unknown(ChannelId(f"u-{talk.call_id}-1")) is None


async def test_a_paused_agent_gets_no_call(board: Switchboard) -> None:
    assert not await board.control.queue_add(HOTLINE, AGENT, "话务员一号")
    await board.control.queue_pause(HOTLINE, AGENT, paused=True, reason="小休")
    paused = await board.events.until("QueueMemberPause", Interface="PJSIP/8001", Paused="1")
    assert paused.get("PausedReason") == "小休"
    waiting = await board.carrier.call("12345")
    await hears(waiting, MUSIC, for_s=1.0)
    await board.control.queue_pause(HOTLINE, AGENT, paused=False)
    await hears(waiting, AGENT_TONE)
    assert await board.control.queue_remove(HOTLINE, AGENT)
    assert not await board.control.queue_remove(HOTLINE, AGENT)
