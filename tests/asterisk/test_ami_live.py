"""The AMI client against a real Asterisk: what a snapshot sees, and Asterisk killed, stopped and started again."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable

import pytest

from callcenter.ami import ActionRefused, AmiClient, AmiEvent, LinkLost, LinkUp, LoginRefused, OutcomeUnknown
from callcenter.ami_queue import Item
from callcenter.snapshot import snapshot
from callcenter.stack.phone import RING, Phone, answer
from callcenter.stack.stack import Stack
from callcenter.types import ChannelId, Party
from tests.support.eventually import eventually
from tests.support.stack import new_folder
from tests.support.switchboard import AGENT, HOTLINE, SOON_S, UNIT_NUMBER, Switchboard

pytestmark = pytest.mark.stack

WANTED = frozenset({"Newchannel", "Hangup", "UserEvent"})
Tell = Callable[[str], None]


async def following(items: AsyncIterator[Item], kind: type[AmiEvent] | type[LinkUp] | type[LinkLost]) -> Item:
    """The next item of that kind."""
    async with asyncio.timeout(60):
        async for item in items:
            if isinstance(item, kind):
                return item
    raise AssertionError("the client was closed")


@pytest.fixture
async def alone() -> AsyncIterator[Stack]:
    """Asterisk alone, of this test's own: it may be killed."""

    async def no_database(_: str) -> None:
        return None

    stack = Stack(new_folder("ami"), migrate=no_database)
    stack.open()
    try:
        await stack.asterisk.boot()
        yield stack
    finally:
        await stack.remove()


@pytest.fixture
async def events(alone: Stack) -> AsyncIterator[AmiClient]:
    client = AmiClient(
        host="127.0.0.1",
        port=alone.ports.ami,
        username="events",
        secret=alone.secrets.ami_events,
        wanted=WANTED,
        ping_interval_s=0.5,
    )
    await client.start()
    await client.ready(10)
    yield client
    await client.close()


@pytest.fixture
async def actions(alone: Stack) -> AsyncIterator[AmiClient]:
    client = AmiClient(
        host="127.0.0.1",
        port=alone.ports.ami,
        username="actions",
        secret=alone.secrets.ami_actions,
        ping_interval_s=0.5,
    )
    await client.start()
    await client.ready(10)
    yield client
    await client.close()


async def test_snapshot_sees_a_consultation_as_it_is(board: Switchboard) -> None:
    board.unit.answering = answer(0.1)
    talk = await board.talk()
    result = await board.control.consult(talk.legs, UNIT_NUMBER, 1)
    await board.unit.next_call(SOON_S)

    # The unit's telephone has answered; the dialplan brings its leg into the conference a moment later.
    async def unit_is_in() -> bool:
        return any(len(one.members) == 2 for one in (await snapshot(board.actions)).conferences)

    await eventually(unit_is_in, "the unit is in the conference")
    seen = await snapshot(board.actions)

    legs = {channel.channel_id: channel for channel in seen.channels}
    assert {channel.call_id for channel in legs.values()} == {talk.call_id}
    assert legs[talk.legs.citizen].leg == Party.CITIZEN
    assert legs[talk.legs.citizen].application == "BridgeWait"
    assert legs[talk.legs.agent].leg == Party.AGENT
    assert legs[result.unit].leg == Party.UNIT
    assert {channel.state for channel in legs.values()} == {"Up"}
    (conference,) = seen.conferences
    assert conference.name == f"c-{talk.call_id}"
    assert {member.channel_id for member in conference.members} == {talk.legs.agent, result.unit}
    queue = next(queue for queue in seen.queues if queue.name == HOTLINE)
    (member,) = queue.members
    assert (member.interface, member.in_call, member.paused) == (f"PJSIP/{AGENT}", True, False)


async def test_caller_in_the_queue_is_in_the_snapshot(board: Switchboard) -> None:
    board.agent.answering = RING
    try:
        citizen = await board.carrier.call("12345", caller="13900000099")
        joined = await board.events.until("QueueCallerJoin", CallerIDNum="13900000099")
        seen = await snapshot(board.actions)
        queue = next(queue for queue in seen.queues if queue.name == HOTLINE)
        assert [(caller.channel_id, caller.position) for caller in queue.callers] == [(joined.need("Uniqueid"), 1)]
        citizen.hang_up()
    finally:
        board.agent.answering = answer(0.1)


async def test_refused_action_says_why_and_changes_nothing(board: Switchboard) -> None:
    with pytest.raises(ActionRefused, match="No such channel"):
        await board.actions.action("Hangup", [("Channel", "a-1.0")])


async def test_wrong_secret_is_refused_by_asterisk(alone: Stack) -> None:
    client = AmiClient(host="127.0.0.1", port=alone.ports.ami, username="events", secret="not it")
    await client.start()
    try:
        with pytest.raises(LoginRefused, match="Authentication failed"):
            await client.ready(10)
    finally:
        await client.close()


async def test_killed_asterisk_makes_a_pending_originate_unknown_and_never_dials_again(
    alone: Stack, events: AmiClient, actions: AmiClient, tell: Tell
) -> None:
    items = events.events()
    unit = Phone(("127.0.0.3", alone.ports.unit_peer), ("127.0.0.1", alone.ports.sip), UNIT_NUMBER.digits)
    unit.answering = RING
    async with unit:
        pending = asyncio.create_task(
            actions.originate(
                channel=f"PJSIP/{UNIT_NUMBER.digits}@unit",
                channel_id="u-a-1763800000.1-1",
                context="unit-leg",
                variables=[("CALL_ID", "a-1763800000.1"), ("LEG", "unit")],
            )
        )
        await unit.next_call(SOON_S)
        during = await snapshot(events)
        assert during.channel(ChannelId("u-a-1763800000.1-1")) is not None

        await alone.asterisk.kill9()
        with pytest.raises(OutcomeUnknown):
            await pending
        assert isinstance(await following(items, LinkLost), LinkLost)
        await alone.asterisk.boot()

        up = await following(items, LinkUp)
        assert isinstance(up, LinkUp)
        assert up.since_lost_s is not None
        # Right after LinkUp every module answers, so the first snapshot is whole.
        after = await snapshot(events)
        assert (after.channels, after.conferences) == ((), ())
        assert {queue.name for queue in after.queues} >= {HOTLINE}
        await actions.ready(30)
        await actions.action("CoreShowChannels")
        assert unit.incoming.empty()
        assert (await snapshot(events)).channels == ()
        tell(f"Asterisk killed and started again: events were away for {up.since_lost_s:.1f} s")


async def test_orderly_stop_is_a_gap_too(alone: Stack, events: AmiClient) -> None:
    items = events.events()
    await following(items, LinkUp)
    await alone.asterisk.stop()
    lost = await following(items, LinkLost)
    assert isinstance(lost, LinkLost)
    assert "closed" in lost.cause or "broke" in lost.cause
    await alone.asterisk.boot()
    await following(items, LinkUp)


async def test_frozen_asterisk_is_noticed_by_its_missing_pong(alone: Stack, events: AmiClient, tell: Tell) -> None:
    items = events.events()
    await following(items, LinkUp)
    pid = alone.asterisk.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        lost = await following(items, LinkLost)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert isinstance(lost, LinkLost)
    assert lost.cause.startswith("no pong")
    up = await following(items, LinkUp)
    assert isinstance(up, LinkUp)
    tell(f"Asterisk frozen: {lost.cause}; events were away for {up.since_lost_s:.1f} s")


async def test_events_of_a_call_come_in_order_with_asterisks_own_time(
    alone: Stack, events: AmiClient, actions: AmiClient
) -> None:
    items = events.events()
    await following(items, LinkUp)
    with pytest.raises(ActionRefused):
        await actions.action("Hangup", [("Channel", "a-1763800000.9")])
    result = await actions.originate(
        channel="Local/none@from-agent", channel_id="x-1763800000.1", context="goodbye", ring_timeout_s=5
    )
    assert not result.answered
    seen: list[AmiEvent] = []
    while not seen or (seen[-1].name, seen[-1].get("Uniqueid")) != ("Hangup", "x-1763800000.1"):
        item = await following(items, AmiEvent)
        assert isinstance(item, AmiEvent)
        seen.append(item)
    ours = [event.name for event in seen if event.get("Uniqueid") == "x-1763800000.1"]
    assert ours == ["Newchannel", "Hangup"]
    assert [event.at for event in seen] == sorted(event.at for event in seen)
    assert all(event.get("Timestamp") for event in seen)
