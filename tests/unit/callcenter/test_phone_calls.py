"""Two test phones call each other over UDP on loopback: the phone against itself, no Asterisk."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from callcenter.stack.phone import AWAY, BUSY, DEAD, DECLINE, RING, Answering, Phone, answer
from callcenter.stack.phone_call import CallRefused, CallState, EndedBy, NotInTime, PhoneCall
from callcenter.stack.phone_sound import FRAME_SAMPLES, Sound, Voice, tone

Pair = tuple[Phone, Phone]


@pytest.fixture
async def phones() -> AsyncIterator[Pair]:
    """A unit's telephone that rings, and a citizen's that dials it."""
    async with (
        Phone(("127.0.0.3", 0), ("127.0.0.2", 9), "600", voice=tone(Sound.UNIT)) as unit,
        Phone(("127.0.0.2", 0), unit.address, "13800138000", voice=tone(Sound.CITIZEN)) as citizen,
    ):
        # Requests inside the call go to the other phone, as they would through a proxy.
        unit._line.server = citizen.address
        yield citizen, unit


async def _connected(phones: Pair) -> tuple[PhoneCall, PhoneCall]:
    citizen, unit = phones
    unit.answering = answer(0)
    ours = await citizen.call("600")
    await ours.until_answered(5)
    return ours, await unit.next_call(5)


async def test_a_call_rings_is_answered_and_both_hear_each_other(phones: Pair) -> None:
    citizen, unit = phones
    ours = await citizen.call("600", caller="13900000001")
    await ours.until_ringing(5)
    theirs = await unit.next_call(5)
    assert (theirs.number, theirs.dialled, theirs.state) == ("13900000001", "600", CallState.RINGING)
    theirs.answer()
    await ours.until_answered(5)
    await ours.until_hears(Sound.UNIT, within_s=5)
    await theirs.until_hears(Sound.CITIZEN, within_s=5)
    assert Sound.CITIZEN not in ours.heard(ours.answered_at_s or 0, ours.ear.last_s or 0)


async def test_hanging_up_ends_both_sides(phones: Pair) -> None:
    ours, theirs = await _connected(phones)
    theirs.hang_up()
    assert await ours.until_ended(5) is EndedBy.THEM
    assert theirs.ended_by is EndedBy.US


@pytest.mark.parametrize(("behaviour", "status"), [(BUSY, 486), (DECLINE, 603), (AWAY, 480)])
async def test_a_refused_call_says_why(phones: Pair, behaviour: Answering, status: int) -> None:
    citizen, unit = phones
    unit.answering_for["601"] = behaviour
    call = await citizen.call("601")
    with pytest.raises(CallRefused) as refused:
        await call.until_answered(5)
    assert refused.value.status == status
    assert call.ended_by is EndedBy.REFUSED


async def test_a_ringing_call_can_be_taken_back(phones: Pair) -> None:
    citizen, unit = phones
    unit.answering = RING
    ours = await citizen.call("600")
    theirs = await unit.next_call(5)
    await ours.until_ringing(5)
    ours.hang_up()
    assert await theirs.until_ended(5) is EndedBy.CANCELLED


async def test_a_dead_telephone_does_not_even_ring(phones: Pair) -> None:
    citizen, unit = phones
    unit.answering = DEAD
    ours = await citizen.call("600")
    await unit.next_call(5)
    with pytest.raises(NotInTime):
        await ours.until_ringing(0.3)


async def test_pressed_keys_arrive_as_events(phones: Pair) -> None:
    ours, theirs = await _connected(phones)
    await theirs.until_hears(Sound.CITIZEN, within_s=5)
    await ours.press("1#")
    await theirs.until_hears(Sound.CITIZEN, within_s=5)
    assert sorted(set(theirs.keys_heard)) == [1, 11]


async def test_hold_and_resume_renegotiate_the_same_call(phones: Pair) -> None:
    ours, theirs = await _connected(phones)
    await theirs.until_hears(Sound.CITIZEN, within_s=5)
    await ours.hold()
    await theirs.until_hears(Sound.NO_RTP, within_s=5)
    await ours.resume()
    await theirs.until_hears(Sound.CITIZEN, within_s=5)
    assert theirs.reinvites == 2


async def test_a_spoken_clip_is_said_once_and_then_silence_follows(phones: Pair) -> None:
    ours, theirs = await _connected(phones)
    ours.say(Voice(tone(Sound.SECOND).alaw[: 25 * FRAME_SAMPLES], loop=False))
    await theirs.until_hears(Sound.SECOND, within_s=5)
    async with asyncio.timeout(5):
        await ours.until_said()
    await theirs.until_hears(Sound.SILENCE, within_s=5)


async def test_what_was_not_heard_in_time_says_what_was_heard(phones: Pair) -> None:
    ours, _ = await _connected(phones)
    await ours.until_hears(Sound.UNIT, within_s=5)
    with pytest.raises(NotInTime, match=r"did not hear agent in 0\.5 s \(up\); heard .*unit"):
        await ours.until_hears(Sound.AGENT, within_s=0.5)


async def test_no_call_in_time_is_said_so(phones: Pair) -> None:
    with pytest.raises(NotInTime, match="no call for 600"):
        await phones[1].next_call(0.05)


async def test_a_stopped_phone_hangs_up_and_frees_its_port() -> None:
    unit = Phone(("127.0.0.3", 0), ("127.0.0.2", 9), "600", answering=answer(0))
    await unit.start()
    async with Phone(("127.0.0.2", 0), unit.address, "13800138000") as citizen:
        unit._line.server = citizen.address
        ours = await citizen.call("600")
        await ours.until_answered(5)
        address = unit.address
        await unit.stop()
        assert await ours.until_ended(5) is EndedBy.THEM
    async with Phone(address, address, "600"):
        pass
