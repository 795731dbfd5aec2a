"""Calling a ticket's citizen through the platform: real telephones, a tone each, and nobody shown a number.

A unit's telephone rings first, or the reviewer's own; what was heard is compared with what the tables say.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import select, text

from callcenter import cel
from callcenter.call_events import Place
from callcenter.call_parse import Naming, parse_cel
from callcenter.call_state import Call
from callcenter.stack.hotline import Api, ApiRefused
from callcenter.stack.phone import BUSY, Phone, answer
from callcenter.stack.phone_call import EndedBy, PhoneCall
from callcenter.stack.phone_sound import Sound
from callcenter.tracker import Tracker
from callcenter.types import CallId, Party
from tests.support.eventually import eventually
from tests.support.story import BOSS, UNIT, Story, story_for_tests
from tests.support.switchboard import SOON_S
from ticketing.aftercare.tables import ticket_contact
from ticketing.tables import ticket

pytestmark = pytest.mark.stack

NUMBER, HOTLINE_NUMBER = "13612340001", "12345"
FIELDS = {
    "request_type": "求助", "source": "网络", "content": "桂龙路停水两天了，希望尽快恢复供水。", "place": "桂龙路",
    "contact_name": "王先生",
}  # fmt: skip
ANY_HOUR = "测试在任何时刻运行"


@pytest.fixture(scope="module")
async def hotline_story() -> AsyncIterator[Story]:
    async with story_for_tests("call-citizen", parts=("listen", "work", "serve")) as story:
        yield story


@pytest.fixture
async def story(hotline_story: Story) -> AsyncIterator[Story]:
    """Nobody talks, before and after the test."""
    hotline_story.carrier.answering = answer(0.1)
    yield hotline_story
    await hotline_story.quiet()


async def dispatched(story: Story, number: str) -> dict[str, Any]:
    """A ticket in the hands of the unit, with a telephone number."""
    agent, dispatcher = await story.hotline.sign_in("agent1"), await story.hotline.sign_in("dispatcher")
    made = await agent.post("/api/tickets", {"fields": {**FIELDS, "phone": number}})
    path = f"/api/tickets/{made['id']}"
    exception = "来访群众当面提出，经站长同意登记"
    made = await agent.post(f"{path}/register", {"version": made["version"], "intake_exception": exception})
    sent: dict[str, Any] = await dispatcher.post(
        f"{path}/dispatch", {"version": made["version"], "lead": UNIT, "basis": "职责清单"}
    )
    return sent


async def call_citizen(who: Api, made: dict[str, Any], purpose: str = "first") -> CallId:
    body = {"purpose": purpose, "over_reason": ANY_HOUR}
    return CallId((await who.post(f"/api/tickets/{made['id']}/call-citizen", body))["call"])


async def hear_each_other(story: Story, staff: Phone, tone: Sound) -> tuple[PhoneCall, PhoneCall]:
    """Both directions, by their tones; each was shown the hotline's number."""
    ours, citizen = await staff.next_call(SOON_S), await story.carrier.next_call(SOON_S)
    await citizen.until_hears(tone, within_s=SOON_S, for_s=0.3)
    await ours.until_hears(Sound.CITIZEN, within_s=SOON_S, for_s=0.3)
    assert (ours.caller, citizen.caller) == (HOTLINE_NUMBER, HOTLINE_NUMBER)
    return ours, citizen


async def row_of(who: Api, made: dict[str, Any], call_id: CallId) -> dict[str, Any]:
    rows = (await who.get(f"/api/tickets/{made['id']}/calls"))["rows"]
    found: dict[str, Any] = next(row for row in rows if row["call"] == call_id)
    return found


def heard(call: Call) -> set[tuple[Party, Place]]:
    return {(stay.party, stay.place) for stay in call.stays}


async def contacts(story: Story, made: dict[str, Any]) -> list[tuple[Any, ...]]:
    table = ticket_contact.c
    query = select(table.unit, table.purpose, table.reached, table.told).where(table.ticket_id == made["id"])
    async with story.database.transaction() as tx:
        return [tuple(row) for row in await tx.execute(query.order_by(table.id))]


async def test_a_unit_speaks_with_its_citizen_and_never_learns_the_number(story: Story) -> None:
    made, unit = await dispatched(story, NUMBER), await story.hotline.sign_in("urban")
    said: list[bytes] = []
    line = story.unit._line
    taken = line.datagram_received

    def listening(data: bytes, sender: Any) -> None:
        said.append(data)
        taken(data, sender)

    line.datagram_received = listening  # type: ignore[method-assign, assignment]
    call_id = await call_citizen(unit, made)
    ours, citizen = await hear_each_other(story, story.unit, Sound.UNIT)
    assert (await row_of(unit, made, call_id))["stage"] == "talking"
    with pytest.raises(ApiRefused) as again:
        await call_citizen(unit, made)
    assert again.value.problem["title"] == "CitizenOnTheLine"
    ours.hang_up()
    assert await citizen.until_ended(SOON_S) is EndedBy.THEM
    call = await story.until_over(call_id)
    assert (call.direction, call.agent, call.exit_reason) == ("outbound", "", "answered")
    assert heard(call) == {(Party.UNIT, Place.BRIDGE), (Party.CITIZEN, Place.BRIDGE)}
    shown = [await row_of(unit, made, call_id), *story.screens.seen]
    assert NUMBER not in json.dumps([str(one) for one in shown])
    assert b"INVITE" in said[0]
    assert not [message for message in said if NUMBER.encode() in message]
    assert await story.leaked(NUMBER) == ["cel"]
    async with story.database.transaction() as tx:
        assert (await tx.execute(select(ticket.c.id).where(ticket.c.call_id == call_id))).all() == []


async def test_an_answered_call_waits_for_its_contact_and_is_heard_by_who_may_read_the_ticket(story: Story) -> None:
    made, unit = await dispatched(story, "13612340002"), await story.hotline.sign_in("urban")
    call_id = await call_citizen(unit, made)
    ours, _ = await hear_each_other(story, story.unit, Sound.UNIT)
    ours.hang_up()
    await story.until_over(call_id)
    with pytest.raises(ApiRefused) as again:
        await call_citizen(unit, made)
    assert again.value.problem["title"] == "ContactNotNoted"
    row = await row_of(unit, made, call_id)
    assert (row["stage"], row["noted"]) == ("reached", False)
    contact = {"at": row["answered_at"], "method": "电话（平台外呼）", "told": "已告知受理", "call": call_id}
    body = {**contact, "version": made["version"], "over_reason": ANY_HOUR}
    await unit.post(f"/api/tickets/{made['id']}/contact", body)
    assert (await row_of(unit, made, call_id))["noted"]
    assert await contacts(story, made) == [(UNIT, "first", "spoken", "已告知受理")]
    reviewer = await story.hotline.sign_in("reviewer")

    async def recorded() -> bool:
        files = (await reviewer.get(f"/api/calls/{call_id}/recordings"))["recordings"]
        return {"citizen", "unit"} <= {one["party"] for one in files}

    await eventually(recorded, "both legs are on tape")


async def test_a_citizen_who_is_busy_is_a_try_on_the_ticket_without_anybody_writing_it_down(story: Story) -> None:
    made, boss = await dispatched(story, "13612340003"), await story.hotline.sign_in("supervisor")
    story.carrier.answering = BUSY
    call_id = await call_citizen(boss, made)
    ours = await story.boss.next_call(SOON_S)
    await ours.until_ended(SOON_S)
    call = await story.until_over(call_id)
    assert (call.direction, call.agent_answered_at, call.exit_reason) == ("outbound", None, "unreached")

    async def noted() -> bool:
        return bool(await contacts(story, made))

    await eventually(noted, "the try is on the ticket")
    ((unit, purpose, reached, told),) = await contacts(story, made)
    assert (unit, purpose, reached) == (None, "first", "not_reached")
    assert "占线" in told
    assert (await row_of(boss, made, call_id))["stage"] == "unreached"


async def test_whose_own_telephone_is_not_taken_has_called_nobody(story: Story) -> None:
    made, boss = await dispatched(story, "13612340004"), await story.hotline.sign_in("supervisor")
    story.boss.answering = BUSY
    call_id = await call_citizen(boss, made)

    async def failed() -> bool:
        return bool((await row_of(boss, made, call_id))["sentence"])

    await eventually(failed, "the row says why")
    row = await row_of(boss, made, call_id)
    assert (row["stage"], "您的话机没有接听" in row["sentence"]) == ("failed", True)
    assert story.carrier.incoming.empty()
    assert await contacts(story, made) == []


def by_the_log(story: Story, call_id: CallId) -> Call:
    """The call as Asterisk's own log tells it, which is all there is after a gap."""
    tracker, ended = Tracker(), []
    for row in cel.read(story.hotline.stack.asterisk.cel_file, 0).rows:
        event = parse_cel(row, Naming())
        if event is not None and event.call_id == call_id and (change := tracker.take(event)):
            ended.append(change.after)
    return ended[-1]


async def test_staff_call_and_asterisks_log_alone_tells_the_same(story: Story) -> None:
    made, boss = await dispatched(story, "13612340005"), await story.hotline.sign_in("supervisor")
    call_id = await call_citizen(boss, made)
    ours, citizen = await hear_each_other(story, story.boss, Sound.SUPERVISOR)
    citizen.hang_up()
    await ours.until_ended(SOON_S)
    call = await story.until_over(call_id)
    assert (call.direction, call.agent, call.exit_reason) == ("outbound", BOSS, "answered")
    assert heard(call) == {(Party.AGENT, Place.BRIDGE), (Party.CITIZEN, Place.BRIDGE)}
    async with story.database.transaction() as tx:
        made_here = text("SELECT call_id FROM ticket_call JOIN call ON call.id = call_id")
        calls = [CallId(one) for one in (await tx.execute(made_here)).scalars()]
    for one in calls:
        live, logged = await story.call(one), by_the_log(story, one)
        told = [(it.direction, it.agent, it.exit_reason, it.reached, heard(it)) for it in (live, logged)]
        assert told[0] == told[1], one

    async def kept() -> bool:
        return await story.findings() == []

    await eventually(kept, "callcenter verify finds nothing")
