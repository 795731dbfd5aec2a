"""The disk of recordings is full (fault 25): calls are answered, nothing is recorded, everybody is told 未录音."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select, text

from callcenter.commands import Kind
from callcenter.stack.phone import answer
from callcenter.stack.phone_sound import Sound, alaw_decode, tone
from callcenter.types import CallId, Party
from recordings.recording import Cause
from recordings.store import gaps_of, recordings_of
from tests.support.eventually import eventually
from tests.support.full_disk import Mounted, Told, small_disk
from tests.support.spoken import write_wav
from tests.support.story import FIRST, UNIT, Story, story_for_tests
from tests.support.switchboard import SOON_S
from ticketing.tables import ticket

pytestmark = pytest.mark.stack

NOTICE = Sound.SUPERVISOR
"""What the prompts 未录音 sound like here; every other prompt is a noise."""
TURN_S = 25.0
"""The watch of the disks comes every ten seconds, on a quiet machine."""


@pytest.fixture
async def story() -> AsyncIterator[Story]:
    async with story_for_tests("full-disk") as running:
        voice = tone(NOTICE)
        frames = b"".join(voice.frame(number) for number in range(50))
        samples = alaw_decode(frames).astype("<i2").tobytes()
        for name in ("unrecorded", "greeting-unrecorded"):
            write_wav(Path(running.hotline.stack.prompts_dir) / f"{name}.wav", samples)
        yield running


async def spool_of(story: Story, call_id: CallId) -> list[str]:
    return sorted(path.name for path in story.hotline.stack.asterisk.spool.glob(f"{call_id}_*"))


async def test_calls_are_answered_and_everybody_is_told_while_nothing_is_recorded(story: Story) -> None:
    async with small_disk(story.hotline) as disk:
        await story.on_duty(FIRST)
        disk.fill()
        told = await story.screens.until("storage.level", within_s=TURN_S, place="spool", level="full")
        assert (told.data["recording"], told.audience) == (False, "supervisors")
        await unrecorded_call(story)
        await unrecorded_call_back(story)
        await next_call_is_recorded(story, disk)
        assert story.hotline.stack.asterisk.warnings() == []


async def unrecorded_call(story: Story) -> None:
    citizen = await story.carrier.call("12345", caller="13712340009")
    await citizen.until_answered(SOON_S)
    await citizen.until_hears(NOTICE, within_s=SOON_S, for_s=0.5)
    await citizen.press("0")
    agent = await story.first.next_call(SOON_S)
    await agent.until_hears(NOTICE, within_s=SOON_S, for_s=0.5)
    await citizen.until_hears(Sound.AGENT, within_s=SOON_S)
    await agent.until_hears(Sound.CITIZEN, within_s=SOON_S)
    card = await story.screens.until("call.ringing")
    assert card.data["recorded"] is False
    call_id = CallId(str(card.data["call"]))
    await story.ask(Kind.CONSULT, call_id, unit=UNIT)
    unit = await story.unit.next_call(SOON_S)
    await unit.until_hears(NOTICE, within_s=SOON_S, for_s=0.5)
    await unit.until_hears(Sound.AGENT, within_s=SOON_S)
    shown = await (await story.hotline.sign_in("agent1")).get(f"/api/calls/{call_id}")
    assert shown["call"]["recorded"] is False
    assert await spool_of(story, call_id) == []
    citizen.hang_up()
    call = await story.until_over(call_id)
    async with story.database.transaction() as tx:
        gaps = await gaps_of(tx, [call_id])
        assert await recordings_of(tx, [call_id]) == ()
        drafts = select(ticket.c.state).where(ticket.c.call_id == call_id)
        assert (await tx.execute(drafts)).scalars().all() == ["draft"]
    assert {(gap.party, gap.cause, gap.from_at, gap.until_at) for gap in gaps} == {
        (leg.party, Cause.NOT_RECORDED, leg.answered_at, leg.ended_at)
        for leg in call.legs.values()
        if leg.party in (Party.CITIZEN, Party.AGENT, Party.UNIT)
    }
    assert len(gaps) == 3
    assert [kind for kind, _ in await story.facts(call_id)].count("RecordingWithheld") == 3
    assert await story.findings() == []


async def unrecorded_call_back(story: Story) -> None:
    await story.quiet()
    await story.on_duty()
    waiting, lost = await story.dial()
    await waiting.until_hears(Sound.MUSIC, within_s=SOON_S)
    waiting.hang_up()
    await story.until_over(lost)
    story.carrier.answering = answer(0.1)
    call_id, _ = await story.call_back((await story.ledger(lost)).id, FIRST)
    agent = await story.first.next_call(SOON_S)
    await agent.until_hears(NOTICE, within_s=SOON_S, for_s=0.5)
    citizen = await story.carrier.next_call(SOON_S)
    await citizen.until_hears(NOTICE, within_s=SOON_S, for_s=0.5)
    await citizen.until_hears(Sound.AGENT, within_s=SOON_S)
    citizen.hang_up()
    assert not (await story.until_over(call_id)).recorded
    async with story.database.transaction() as tx:
        assert {gap.party for gap in await gaps_of(tx, [call_id])} == {Party.CITIZEN, Party.AGENT}
    assert await spool_of(story, call_id) == []


async def next_call_is_recorded(story: Story, disk: Mounted | Told) -> None:
    await story.quiet()
    disk.free()
    await story.screens.until("storage.level", within_s=TURN_S, place="spool", recording=True)
    await story.on_duty(FIRST)
    talk = await story.talk()
    assert (await story.call(talk.call_id)).recorded
    assert len(await spool_of(story, talk.call_id)) == 3
    talk.citizen.hang_up()
    await story.until_over(talk.call_id)

    async def taken_in() -> bool:
        async with story.database.transaction() as tx:
            return {row.state for row in await recordings_of(tx, [talk.call_id])} == {"verified"}

    await eventually(taken_in, "the recordings are verified")
    async with story.database.transaction() as tx:
        assert await gaps_of(tx, [talk.call_id]) == ()
        (pause,) = (await tx.execute(text("SELECT from_at, until_at FROM recording_pause"))).all()
        assert pause.until_at > pause.from_at
