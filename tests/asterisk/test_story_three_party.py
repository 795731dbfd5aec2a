"""Citizen, agent, handling unit and supervisor in one call, steered by the API and written down as it was heard.

Every party has a tone; what a telephone heard is compared with what the tables say.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import pytest

from callcenter.agents import Desired
from callcenter.call_events import Place
from callcenter.call_state import Call, Stay
from callcenter.commands import Kind, State
from callcenter.control_errors import ConsultCancelled, UnitBusy, UnitDeclined, UnitFailure, UnitNoAnswer
from callcenter.stack.hotline import Api, ApiRefused
from callcenter.stack.phone import AWAY, BUSY, DECLINE, RING, Answering, answer
from callcenter.stack.phone_call import EndedBy, PhoneCall
from callcenter.stack.phone_sound import Sound
from callcenter.types import CallId, Party
from tests.support.eventually import eventually
from tests.support.story import BOSS, FIRST, SECOND, UNIT, Spoken, Story, story_for_tests
from tests.support.switchboard import SOON_S

pytestmark = pytest.mark.stack

CITIZEN, AGENT, UNIT_TONE, MUSIC, SUPERVISOR = Sound.CITIZEN, Sound.AGENT, Sound.UNIT, Sound.MUSIC, Sound.SUPERVISOR
HEARD_WITHIN_S = 0.2
"""How far what was heard may be from what is written: a window of the ear is 0.1 s, and RTP is on its way."""


@pytest.fixture(scope="module")
async def hotline_story() -> AsyncIterator[Story]:
    async with story_for_tests("story-three") as story:
        yield story


@pytest.fixture
async def story(hotline_story: Story) -> AsyncIterator[Story]:
    """One agent is ready and nobody talks, before and after the test."""
    await hotline_story.on_duty(FIRST)
    yield hotline_story
    await hotline_story.quiet()


@pytest.fixture(scope="module")
async def agent(hotline_story: Story) -> Api:
    return await hotline_story.hotline.sign_in("agent1")


async def hears(call: PhoneCall, *sounds: Sound, for_s: float = 0.3) -> None:
    await call.until_hears(*sounds, within_s=SOON_S, for_s=for_s)


async def consulted(story: Story, agent: Api) -> tuple[Spoken, PhoneCall]:
    """The citizen hears music; agent and unit hear each other."""
    talk = await story.talk()
    told = await agent.post(f"/api/calls/{talk.call_id}/consult", {"unit": UNIT})
    assert told["data"]["unit"] == UNIT
    unit = await story.unit.next_call(SOON_S)
    await hears(talk.agent, UNIT_TONE)
    await hears(unit, AGENT)
    await hears(talk.citizen, MUSIC)
    return talk, unit


async def merged(story: Story, agent: Api) -> tuple[Spoken, PhoneCall]:
    """All three hear each other."""
    talk, unit = await consulted(story, agent)
    await agent.post(f"/api/calls/{talk.call_id}/merge")
    await hears(talk.citizen, AGENT, UNIT_TONE)
    await hears(talk.agent, CITIZEN, UNIT_TONE)
    await hears(unit, CITIZEN, AGENT)
    return talk, unit


async def test_what_is_written_of_a_three_party_call_is_what_was_heard(story: Story, agent: Api) -> None:
    talk, unit = await merged(story, agent)
    await agent.post(f"/api/calls/{talk.call_id}/leave")
    await hears(talk.citizen, UNIT_TONE)
    await hears(unit, CITIZEN)
    unit.hang_up()
    assert await talk.citizen.until_ended(SOON_S) is EndedBy.THEM
    call = await story.until_over(talk.call_id)
    assert await story.situations(talk.call_id) == [
        "queued", "ringing", "talking", "consulting", "three_party", "with_unit", "alone", "ended",
    ]  # fmt: skip
    in_queue, on_hold, in_conference = stays_of(call, Party.CITIZEN)
    with_agent, consulting = stays_of(call, Party.AGENT)
    (of_unit,) = stays_of(call, Party.UNIT)
    assert [in_queue.place, on_hold.place, in_conference.place] == [Place.BRIDGE, Place.HOLD, Place.CONFERENCE]
    assert with_agent.bridge_id == in_queue.bridge_id
    assert consulting.bridge_id == of_unit.bridge_id == in_conference.bridge_id
    citizen_heard(talk.citizen, AGENT, both(in_queue, with_agent), both(in_conference, consulting))
    citizen_heard(talk.citizen, UNIT_TONE, both(in_conference, of_unit))
    # In the queue, and alone in the conference at the end, there is music too.
    between = middle(in_queue), middle(in_conference)
    citizen_heard(talk.citizen, MUSIC, (on_hold.from_at, ended(on_hold)), within=between)


Span = tuple[datetime, datetime]
ALWAYS: Span = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


def stays_of(call: Call, party: Party) -> list[Stay]:
    return sorted((stay for stay in call.stays if stay.party == party), key=lambda stay: stay.from_at)


def ended(stay: Stay) -> datetime:
    assert stay.until_at is not None
    return stay.until_at


def both(one: Stay, other: Stay) -> Span:
    """While both were there."""
    return max(one.from_at, other.from_at), min(ended(one), ended(other))


def middle(stay: Stay) -> datetime:
    return stay.from_at + (ended(stay) - stay.from_at) / 2


def citizen_heard(phone: PhoneCall, sound: Sound, *written: Span, within: Span = ALWAYS) -> None:
    """The stretches in which the telephone heard `sound` are those written, both ends within HEARD_WITHIN_S."""
    to_epoch_s = time.time() - time.monotonic()
    heard: list[list[float]] = []
    for stretch in phone.timeline():
        start_s, end_s = stretch.start_s + to_epoch_s, stretch.end_s + to_epoch_s
        inside = within[0] < datetime.fromtimestamp(start_s, UTC) < within[1]
        if sound not in stretch.sounds or not inside:
            continue
        if heard and start_s - heard[-1][1] < HEARD_WITHIN_S:
            heard[-1][1] = end_s
        else:
            heard.append([start_s, end_s])
    assert len(heard) == len(written), f"{sound}: heard {heard}, written {written}, all of it {phone.timeline()}"
    for (start_s, end_s), (from_at, until_at) in zip(heard, written, strict=True):
        assert abs(start_s - from_at.timestamp()) <= HEARD_WITHIN_S, f"{sound} began {start_s}, written {from_at}"
        assert abs(end_s - until_at.timestamp()) <= HEARD_WITHIN_S, f"{sound} ended {end_s}, written {until_at}"


UNREACHED = [
    pytest.param(BUSY, UnitBusy, "占线", id="busy"),
    pytest.param(AWAY, UnitNoAnswer, "无人接听", id="no-answer"),
    pytest.param(DECLINE, UnitDeclined, "拒接", id="declined"),
]


@pytest.mark.parametrize(("behaviour", "failure", "words"), UNREACHED)
async def test_a_unit_that_is_not_reached_is_told_in_chinese_and_the_citizen_is_back(
    story: Story, agent: Api, behaviour: Answering, failure: type[UnitFailure], words: str
) -> None:
    story.unit.answering = behaviour
    talk = await story.talk()
    with pytest.raises(ApiRefused) as refused:
        await agent.post(f"/api/calls/{talk.call_id}/consult", {"unit": UNIT})
    assert refused.value.status == 409
    assert refused.value.problem["title"] == failure.__name__
    assert words in refused.value.problem["detail"]
    await hears(talk.citizen, AGENT)
    await hears(talk.agent, CITIZEN)
    assert (await story.situations(talk.call_id))[-2:] == ["consulting", "talking"]


async def test_after_a_busy_unit_another_is_brought_in(story: Story, agent: Api) -> None:
    story.unit.answering_for["604"] = BUSY
    talk = await story.talk()
    with pytest.raises(ApiRefused):
        await agent.post(f"/api/calls/{talk.call_id}/consult", {"unit": UNIT})
    await hears(talk.citizen, AGENT)
    await agent.post(f"/api/calls/{talk.call_id}/consult", {"unit": "water"})
    await agent.post(f"/api/calls/{talk.call_id}/merge")
    await hears(talk.citizen, AGENT, UNIT_TONE)
    legs = [leg.channel_id for leg in (await story.call(talk.call_id)).legs_of(Party.UNIT)]
    assert legs == [f"u-{talk.call_id}-2"]
    story.unit.answering_for.clear()


async def test_a_ringing_consult_is_taken_back(story: Story, agent: Api) -> None:
    story.unit.answering = RING
    talk = await story.talk()
    command = await story.ask(Kind.CONSULT, talk.call_id, unit=UNIT)
    unit = await story.unit.next_call(SOON_S)
    await hears(talk.citizen, MUSIC)
    await agent.post(f"/api/calls/{talk.call_id}/cancel-consult")
    assert await unit.until_ended(SOON_S) is EndedBy.CANCELLED
    result = await story.command_end(command)
    assert (result.state, result.code) == (State.FAILED, ConsultCancelled.__name__)
    await hears(talk.citizen, AGENT)
    await hears(talk.agent, CITIZEN)


async def test_the_unit_is_let_go_and_the_two_talk_on(story: Story, agent: Api) -> None:
    talk, unit = await merged(story, agent)
    await agent.post(f"/api/calls/{talk.call_id}/drop-unit")
    assert await unit.until_ended(SOON_S) is EndedBy.THEM
    await hears(talk.citizen, AGENT, for_s=0.6)
    await hears(talk.agent, CITIZEN, for_s=0.6)
    assert (await story.situations(talk.call_id))[-2:] == ["three_party", "talking"]


async def test_an_agent_lost_in_a_consult_costs_the_citizen_no_place_in_the_queue(story: Story, agent: Api) -> None:
    talk, unit = await consulted(story, agent)
    behind, _ = await story.dial()
    await hears(behind, MUSIC)
    began = datetime.now(UTC)
    talk.agent.hang_up()
    assert await unit.until_ended(SOON_S) is EndedBy.THEM
    await story.wish(FIRST, Desired.LOGGED_OUT)
    await story.until_situation_again(talk.call_id, "queued", began)
    await story.wish(SECOND, Desired.READY)
    other = await story.second.next_call(SOON_S)
    await hears(talk.citizen, Sound.SECOND)
    await hears(other, CITIZEN)
    await hears(behind, MUSIC)
    call = await story.call(talk.call_id)
    assert call.agent == SECOND
    assert (await story.situations(talk.call_id))[-4:] == ["on_hold", "queued", "ringing", "talking"]


Leaving = Callable[[Story, Api, Spoken, PhoneCall], Awaitable[None]]


async def citizen_leaves(_: Story, __: Api, talk: Spoken, ___: PhoneCall) -> None:
    talk.citizen.hang_up()


async def agent_then_unit_leave(story: Story, _: Api, talk: Spoken, unit: PhoneCall) -> None:
    talk.agent.hang_up()
    await story.until_situation(talk.call_id, "with_unit")
    unit.hang_up()


async def unit_then_agent_leave(story: Story, _: Api, talk: Spoken, unit: PhoneCall) -> None:
    unit.hang_up()
    await hears(talk.citizen, AGENT)
    talk.agent.hang_up()


async def agent_ends_the_call(_: Story, agent: Api, talk: Spoken, __: PhoneCall) -> None:
    await agent.post(f"/api/calls/{talk.call_id}/hang-up")


LEAVINGS = [citizen_leaves, agent_then_unit_leave, unit_then_agent_leave, agent_ends_the_call]


@pytest.mark.parametrize("leave", LEAVINGS, ids=lambda leave: leave.__name__)
async def test_whoever_leaves_first_no_leg_is_left_behind(story: Story, agent: Api, leave: Leaving) -> None:
    talk, unit = await merged(story, agent)
    await leave(story, agent, talk, unit)
    for phone in (talk.citizen, talk.agent, unit):
        await phone.until_ended(SOON_S)
    call = await story.until_over(talk.call_id)
    assert call.exit_reason == "answered"
    assert all(leg.ended_at for leg in call.legs.values())
    assert not (await story.hotline.stack.asterisk.cli("core show channels concise")).strip()


async def test_the_citizen_hangs_up_on_hold_and_the_others_are_let_go(story: Story, agent: Api) -> None:
    talk, unit = await consulted(story, agent)
    talk.citizen.hang_up()
    for phone in (talk.agent, unit):
        assert await phone.until_ended(SOON_S) is EndedBy.THEM
    await story.until_over(talk.call_id)


async def test_a_supervisor_listens_whispers_barges_in_and_it_is_on_record(story: Story, agent: Api) -> None:
    talk = await story.talk()
    supervisor = await story.hotline.sign_in("supervisor")
    path = f"/api/calls/{talk.call_id}"
    await supervisor.post(f"{path}/listen")
    boss = await story.boss.next_call(SOON_S)
    await hears(boss, CITIZEN, AGENT)
    await hears(talk.citizen, AGENT)
    await hears(talk.agent, CITIZEN)
    await supervisor.post(f"{path}/whisper")
    await hears(talk.agent, CITIZEN, SUPERVISOR)
    await hears(talk.citizen, AGENT)
    await supervisor.post(f"{path}/barge")
    await hears(talk.citizen, AGENT, SUPERVISOR)
    await supervisor.post(f"{path}/stop-listening")
    assert await boss.until_ended(SOON_S) is EndedBy.THEM
    await hears(talk.citizen, AGENT)
    with pytest.raises(ApiRefused) as refused:
        await supervisor.post(f"{path}/stop-listening")
    assert refused.value.problem["title"] == "NotSpying"
    talk.citizen.hang_up()
    call = await story.until_over(talk.call_id)
    spying = [stay for stay in call.stays if stay.place is Place.SPY]
    (agents_leg,) = [leg.channel_id for leg in call.legs.values() if leg.party == Party.AGENT]
    assert {(stay.party, stay.bridge_id) for stay in spying} == {(Party.SUPERVISOR, f"spy-{agents_leg}")}
    assert [leg.who for leg in call.legs.values() if leg.party == Party.SUPERVISOR] == [BOSS]
    assert all(ended(stay) <= call.ended_at for stay in spying if call.ended_at)


async def test_only_the_agent_of_the_call_steers_it(story: Story, agent: Api) -> None:
    talk = await story.talk()
    other = await story.hotline.sign_in("agent2")
    with pytest.raises(ApiRefused) as refused:
        await other.post(f"/api/calls/{talk.call_id}/hang-up")
    assert refused.value.status == 403
    with pytest.raises(ApiRefused) as impossible:
        await agent.post(f"/api/calls/{talk.call_id}/merge")
    assert (impossible.value.status, impossible.value.problem["title"]) == (409, "NoUnitOnLine")
    await hears(talk.citizen, AGENT)
    talk.citizen.hang_up()
    await story.until_over(talk.call_id)
    with pytest.raises(ApiRefused) as gone:
        await agent.post(f"/api/calls/{talk.call_id}/consult", {"unit": UNIT})
    assert (gone.value.status, gone.value.problem["title"]) == (409, "CallGone")


async def test_a_call_that_never_was_is_not_found(story: Story, agent: Api) -> None:
    with pytest.raises(ApiRefused) as refused:
        await agent.post(f"/api/calls/{CallId('a-1763800000.1')}/consult", {"unit": UNIT})
    assert refused.value.status == 404
    assert story.unit.incoming.empty()
    assert story.unit.answering == answer(0.1)


async def test_after_all_this_every_invariant_holds(story: Story) -> None:
    async def kept() -> bool:
        return await story.findings() == []

    await eventually(kept, "callcenter verify finds nothing")
    assert story.hotline.stack.asterisk.warnings() == []
