"""kill -9 in the middle of a call: of Asterisk, of the listener, of PostgreSQL, of Valkey, of the transcriber.

A whole hotline of real processes; after each fault every invariant of `callcenter verify` is kept.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from callcenter.call_state import Call
from callcenter.commands import Kind
from callcenter.stack.hotline import Api, ApiRefused
from callcenter.stack.phone import RING
from callcenter.stack.phone_call import PhoneCall
from callcenter.stack.phone_sound import Sound
from callcenter.types import CallId, Party
from tests.support.eventually import eventually
from tests.support.faults import (
    LiveStream,
    broken_lines,
    kill,
    restart,
    rows,
    until_caught_up,
    until_every_invariant_holds,
    until_rows,
    verified_by_hand,
)
from tests.support.story import FIRST, UNIT, Spoken, Story, story_for_tests
from tests.support.switchboard import SOON_S

pytestmark = pytest.mark.stack

PARTS = ("listen", "work", "serve")
"""Without the menu Asterisk goes straight to the queue."""
REPAIRED = "SELECT * FROM recording WHERE call_id = :id AND state = 'repaired'"
STEP_BYTES = 32 * 1024
"""Asterisk writes recordings in steps of this size; two seconds."""


@pytest.fixture(scope="module")
async def hotline() -> AsyncIterator[Story]:
    async with story_for_tests("faults", parts=PARTS) as running:
        yield running


@pytest.fixture
async def story(hotline: Story) -> AsyncIterator[Story]:
    """One agent on duty, nobody talks; afterwards all is quiet and every invariant holds."""
    await hotline.quiet()
    await hotline.on_duty(FIRST)
    yield hotline
    await hotline.quiet()
    await until_every_invariant_holds(hotline.hotline)


# ---- what people do ----------------------------------------------------------------------------------------------


async def three_party(story: Story) -> tuple[Spoken, PhoneCall]:
    """Citizen, agent and unit hear each other, and it is on record."""
    spoken = await story.talk(keys="")
    await story.done(Kind.CONSULT, spoken.call_id, unit=UNIT)
    unit = await story.unit.next_call(SOON_S)
    await story.done(Kind.MERGE, spoken.call_id)
    await spoken.citizen.until_hears(Sound.AGENT, Sound.UNIT, within_s=SOON_S)
    await until_rows(story.hotline, "SELECT id FROM call WHERE id = :id AND state = 'three_party'", id=spoken.call_id)
    return spoken, unit


async def all_on_disk(story: Story, call_id: CallId, legs: int) -> None:
    """Every leg's file has a first step of audio on the disk."""
    spool = story.hotline.stack.asterisk.spool

    def written() -> bool:
        files = [path for path in spool.glob(f"{call_id}_*.sln") if path.stat().st_size >= STEP_BYTES]
        return len(files) == legs

    await eventually(written, f"{legs} legs of {call_id} on the disk")


async def kill_asterisk(story: Story) -> datetime:
    """Dead, up again, telephones registered again, the listener has caught up. Returns when it died."""
    began = datetime.now(UTC)
    asterisk = story.hotline.stack.asterisk
    await asterisk.kill9()
    for phone in story.phones:
        for call in phone.calls:
            call.vanish()
    await asterisk.boot()
    for phone in (story.first, story.second, story.boss):
        await phone.register()
    await until_caught_up(story.hotline, began)
    return began


async def over(story: Story, call_id: CallId) -> Call:
    await until_rows(story.hotline, "SELECT id FROM call WHERE id = :id AND ended_at IS NOT NULL", id=call_id)
    return await story.call(call_id)


async def a_new_call_works(story: Story) -> None:
    await story.until_seen(FIRST, "idle")
    spoken = await story.talk(keys="")
    spoken.citizen.hang_up()
    assert (await over(story, spoken.call_id)).exit_reason == "answered"


async def ticket_of(story: Story, call_id: CallId) -> Any:
    [ticket] = await rows(story.hotline, "SELECT * FROM ticket WHERE call_id = :id", id=call_id)
    return ticket


def hang_up(*calls: PhoneCall) -> None:
    for call in calls:
        call.hang_up()


# ---- Asterisk ----------------------------------------------------------------------------------------------------


async def test_asterisk_is_killed_in_a_three_party_call(story: Story) -> None:
    spoken, _ = await three_party(story)
    await all_on_disk(story, spoken.call_id, legs=3)
    killed_at = await kill_asterisk(story)

    call = await over(story, spoken.call_id)
    assert call.exit_reason == "interrupted"
    assert not [leg for leg in call.legs.values() if leg.is_up]
    assert not [stay for stay in call.stays if stay.until_at is None]
    gap = await until_caught_up(story.hotline, killed_at)
    assert gap.cause
    assert call.ended_at == gap.from_at, "it ended when Asterisk died, not when it was back"

    files = await until_rows(story.hotline, REPAIRED, id=spoken.call_id)
    assert {(file.party, file.kind) for file in files} == {
        (Party.CITIZEN, "leg"),
        (Party.CITIZEN, "mix"),
        (Party.AGENT, "leg"),
        (Party.UNIT, "leg"),
    }
    lost = await rows(story.hotline, "SELECT * FROM recording_gap WHERE call_id = :id", id=spoken.call_id)
    assert {row.cause for row in lost} == {"asterisk_killed"}
    assert len({row.channel_id for row in lost}) == 3

    assert (await ticket_of(story, spoken.call_id)).state == "draft"
    await a_new_call_works(story)


async def test_asterisk_is_killed_while_a_citizen_waits(story: Story) -> None:
    await story.on_duty()
    _, call_id = await story.dial(keys="")
    await until_rows(story.hotline, "SELECT id FROM call WHERE id = :id AND state = 'queued'", id=call_id)
    await kill_asterisk(story)
    assert (await over(story, call_id)).exit_reason == "interrupted"
    row = await story.ledger(call_id)
    assert (row.state, row.reason, row.queue) == ("open", "interrupted", "hotline")
    assert row.caller is not None
    await story.on_duty(FIRST)
    await a_new_call_works(story)


# ---- the listener ------------------------------------------------------------------------------------------------


async def test_the_listener_is_killed_in_talk_and_the_call_ends_without_it(story: Story) -> None:
    spoken = await story.talk(keys="")
    died_at = await kill(story.hotline, "listen")
    await spoken.citizen.until_hears(Sound.AGENT, within_s=SOON_S)
    spoken.citizen.hang_up()
    await spoken.agent.until_ended(SOON_S)
    await restart(story.hotline, "listen")

    call = await over(story, spoken.call_id)
    assert (call.exit_reason, call.agent) == ("answered", FIRST)
    assert {leg.party for leg in call.legs.values()} >= {Party.CITIZEN, Party.AGENT}
    assert all(stay.until_at and stay.until_at <= call.ended_at for stay in call.stays if call.ended_at)
    assert (await ticket_of(story, spoken.call_id)).state == "draft"
    gap = (await rows(story.hotline, "SELECT * FROM listener_gap ORDER BY id DESC LIMIT 1"))[0]
    assert (gap.cause, gap.from_at <= died_at) == ("the listener was not running", True)


async def test_a_whole_conversation_while_the_listener_is_away_is_on_record(story: Story) -> None:
    await story.on_duty()
    citizen, call_id = await story.dial(keys="")
    await until_rows(story.hotline, "SELECT id FROM call WHERE id = :id AND state = 'queued'", id=call_id)
    await kill(story.hotline, "listen")
    await story.hotline.stack.asterisk.cli(f"queue add member PJSIP/{FIRST} to hotline")
    agent = await story.first.next_call(SOON_S)
    await citizen.until_hears(Sound.AGENT, within_s=SOON_S)
    hang_up(citizen)
    await agent.until_ended(SOON_S)
    await restart(story.hotline, "listen")

    call = await over(story, call_id)
    assert (call.exit_reason, call.agent) == ("answered", FIRST)
    assert call.agent_answered_at
    assert {stay.party for stay in call.stays} == {Party.CITIZEN, Party.AGENT}
    assert (await ticket_of(story, call_id)).state == "draft"
    assert await story.ledger(call_id) is None


async def test_a_consult_that_was_under_way_is_unknown_and_the_unit_rings_once(story: Story) -> None:
    spoken = await story.talk(keys="")
    story.unit.answering = RING
    command = await story.ask(Kind.CONSULT, spoken.call_id, unit=UNIT)
    ringing = await story.unit.next_call(SOON_S)
    await kill(story.hotline, "listen")
    await restart(story.hotline, "listen")

    result = await story.command_end(command)
    assert (result.state, result.code) == ("unknown", "restarted")
    ringing.answer()
    await spoken.agent.until_hears(Sound.UNIT, within_s=SOON_S)
    await story.done(Kind.MERGE, spoken.call_id)
    await spoken.citizen.until_hears(Sound.AGENT, Sound.UNIT, within_s=SOON_S)
    assert story.unit.incoming.empty(), "the unit was rung once"
    hang_up(spoken.citizen)
    call = await over(story, spoken.call_id)
    assert len([leg for leg in call.legs.values() if leg.party == Party.UNIT]) == 1


async def test_the_citizen_leaves_three_while_the_listener_is_away_and_the_others_are_let_go(story: Story) -> None:
    spoken, unit = await three_party(story)
    await kill(story.hotline, "listen")
    hang_up(spoken.citizen)
    await spoken.agent.until_hears(Sound.UNIT, within_s=SOON_S)
    await restart(story.hotline, "listen")
    await unit.until_ended(SOON_S)
    await spoken.agent.until_ended(SOON_S)
    assert (await over(story, spoken.call_id)).exit_reason == "answered"


# ---- PostgreSQL --------------------------------------------------------------------------------------------------


async def test_postgresql_is_killed_in_talk_and_nothing_is_lost(story: Story) -> None:
    agent: Api = await story.hotline.sign_in("agent1")
    spoken = await story.talk(keys="")
    postgres = story.hotline.stack.postgres
    await postgres.kill9()
    await spoken.citizen.until_hears(Sound.AGENT, within_s=SOON_S)
    with pytest.raises(ApiRefused) as refused:
        await agent.get("/api/calls")
    assert refused.value.status == 503
    hang_up(spoken.citizen)
    await spoken.agent.until_ended(SOON_S)
    # The next citizen is served all the same: Asterisk asks nobody.
    second = await story.carrier.call("12345", caller="13700000001")
    answered = await story.first.next_call(SOON_S)
    await second.until_hears(Sound.AGENT, within_s=SOON_S)
    hang_up(second)
    await answered.until_ended(SOON_S)
    await postgres.boot()

    assert (await over(story, spoken.call_id)).exit_reason == "answered"
    [row] = await until_rows(
        story.hotline,
        "SELECT c.* FROM call c JOIN identity i ON i.id = c.caller WHERE i.masked = '137****0001'",
    )
    call = await over(story, row.id)
    assert (call.exit_reason, call.agent) == ("answered", FIRST)
    for one in (spoken.call_id, call.id):
        assert (await ticket_of(story, one)).state == "draft"
    assert (await agent.get("/api/calls"))["rows"]


# ---- Valkey ------------------------------------------------------------------------------------------------------


async def test_valkey_is_killed_and_only_the_screens_notice(story: Story) -> None:
    valkey = story.hotline.stack.valkey
    async with LiveStream(await story.hotline.sign_in("supervisor")).open() as screen:
        spoken = await story.talk(keys="")
        await screen.until("call.answered")
        await valkey.kill9()
        await screen.until("lagged")
        hang_up(spoken.citizen)
        assert (await over(story, spoken.call_id)).exit_reason == "answered"
        assert (await ticket_of(story, spoken.call_id)).state == "draft"
        await valkey.boot()
        await screen.until_it_moves(valkey.url)
        citizen, _ = await story.dial(keys="")
        await screen.until("call.answered")
        hang_up(citizen)


# ---- everything --------------------------------------------------------------------------------------------------


async def test_the_power_fails_in_a_three_party_call(story: Story) -> None:
    spoken, _ = await three_party(story)
    await all_on_disk(story, spoken.call_id, legs=3)
    stack = story.hotline.stack
    services = (stack.asterisk, stack.postgres, stack.valkey)
    await asyncio.gather(*(part.kill9() for part in (*services, *story.hotline.processes.values())))
    failed_at = datetime.now(UTC)
    for phone in story.phones:
        for call in phone.calls:
            call.vanish()
    await asyncio.gather(*(part.boot() for part in services))
    for name in PARTS:
        await story.hotline.start_process(name)
    for phone in (story.first, story.second, story.boss):
        await phone.register()

    ended = await over(story, spoken.call_id)
    assert (ended.exit_reason, ended.agent) == ("interrupted", FIRST)
    assert ended.ended_at
    assert ended.ended_at <= failed_at, "it ended when the power failed, not when it was back"
    files = await until_rows(story.hotline, REPAIRED, id=spoken.call_id)
    assert len(files) == 4
    assert (await ticket_of(story, spoken.call_id)).state == "draft"
    await a_new_call_works(story)


# ---- the proof ---------------------------------------------------------------------------------------------------


async def test_the_operators_verify_finds_every_invariant_kept(story: Story) -> None:
    await until_every_invariant_holds(story.hotline)
    told = await verified_by_hand(story.hotline)
    assert "BROKEN" not in told
    assert told.count("holds") >= 8
    assert broken_lines(story.hotline) == []
