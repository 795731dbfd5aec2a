"""The AMI client against a server that behaves: order, lists, replies, refusals, originates."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest

from callcenter.ami import (
    ActionRefused,
    ActionTimeout,
    AmiClient,
    AmiEvent,
    AmiUnavailable,
    BadField,
    LinkUp,
    OriginateResult,
)
from callcenter.ami_queue import Item
from callcenter.metrics import REGISTRY
from tests.support.fake_ami import Action, FakeAmi, error, event, listing, message, numbered, success

ORIGINATE = {"channel": "PJSIP/600@unit", "channel_id": "u-a-1.0-1", "context": "unit-leg"}


@pytest.fixture
async def fake() -> AsyncIterator[FakeAmi]:
    async with FakeAmi() as server:
        yield server


@pytest.fixture
async def client(fake: FakeAmi) -> AsyncIterator[AmiClient]:
    ami = AmiClient(
        host="127.0.0.1", port=fake.port, username="events", secret="s3cret", wanted=frozenset({"Newchannel", "Hangup"})
    )
    await ami.start()
    await ami.ready(10)
    yield ami
    await ami.close()


async def take(items: AsyncIterator[Item], count: int) -> list[Item]:
    async with asyncio.timeout(10):
        return [await anext(items) for _ in range(count)]


def counted(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"callcenter_ami_{name}", {"link": "events", **labels}) or 0.0


# ---- events ----------------------------------------------------------------------------------------------------


async def test_wanted_events_come_in_order_after_the_link_is_up(fake: FakeAmi, client: AmiClient) -> None:
    mixed = [numbered(200)[i] if i % 3 else event("VarSet", ("No", str(i))) for i in range(200)]
    await fake.send(b"".join(mixed))
    wanted = [str(i + 1) for i in range(200) if i % 3]
    up, *events = await take(client.events(), 1 + len(wanted))
    assert isinstance(up, LinkUp)
    assert up.since_lost_s is None
    assert [item.need("No") for item in events if isinstance(item, AmiEvent)] == wanted


@pytest.mark.parametrize("chunk_bytes", [1, 2, 3, 64])
async def test_name_cut_in_pieces_by_the_network_arrives_whole(
    fake: FakeAmi, client: AmiClient, chunk_bytes: int
) -> None:
    fake.chunk_bytes = chunk_bytes
    await fake.send(event("Newchannel", ("CallerIDName", "张三丰 📞")) + event("Hangup", ("Cause", "16")))
    _, first, second = await take(client.events(), 3)
    assert isinstance(first, AmiEvent)
    assert isinstance(second, AmiEvent)
    assert (first.need("CallerIDName"), second.need("Cause")) == ("张三丰 📞", "16")


async def test_event_with_a_smuggled_line_is_dropped_and_counted(fake: FakeAmi, client: AmiClient) -> None:
    before = counted("dropped_messages_total", reason="malformed")
    smuggled = event("Newchannel", ("CallerIDName", "x\r\nUniqueid: b-1.1"), ("Uniqueid", "a-1.0"))
    torn = b"ConnectedLineNum: 8001\r\nUniqueid: a-1.0\r\n\r\n"
    await fake.send(smuggled + torn + event("Hangup", ("Cause", "16")))
    _, only = await take(client.events(), 2)
    assert isinstance(only, AmiEvent)
    assert only.name == "Hangup"
    assert counted("dropped_messages_total", reason="malformed") == before + 2


async def test_reader_that_fails_on_an_event_reads_on_over_the_same_link(fake: FakeAmi, client: AmiClient) -> None:
    async def read_until(number: str) -> None:
        async for item in client.events():
            if isinstance(item, AmiEvent) and item.need("No") == number:
                raise RuntimeError("a bug in what an event runs")

    await fake.send(b"".join(numbered(3)))
    with pytest.raises(RuntimeError):
        await read_until("2")
    (third,) = await take(client.events(), 1)
    assert isinstance(third, AmiEvent)
    assert third.need("No") == "3"
    assert client.up
    assert fake.logins == 1


async def test_iteration_ends_with_the_client(fake: FakeAmi, client: AmiClient) -> None:
    items = client.events()
    await take(items, 1)
    await client.close()
    assert [type(item).__name__ async for item in items] == ["LinkLost"]
    with pytest.raises(AmiUnavailable, match="closed"):
        await client.action("Ping")


# ---- actions ---------------------------------------------------------------------------------------------------


async def test_reply_carries_asterisks_message_and_fields(fake: FakeAmi, client: AmiClient) -> None:
    fake.answers["CoreStatus"] = lambda action: message(
        ("Response", "Success"), ("ActionID", action.id), ("CoreCurrentCalls", "2")
    )
    reply = await client.action("CoreStatus")
    assert reply.response.ok
    assert reply.response.fields["CoreCurrentCalls"] == "2"
    assert reply.items == ()


async def test_reply_that_says_added_to_queue_is_a_whole_reply(fake: FakeAmi, client: AmiClient) -> None:
    fake.answers["QueueAdd"] = lambda action: success(action, "Added interface to queue")
    reply = await client.action("QueueAdd", [("Queue", "hotline"), ("Interface", "PJSIP/8001")])
    assert reply.response.message == "Added interface to queue"


async def test_list_comes_as_items_even_of_events_nobody_wants(fake: FakeAmi, client: AmiClient) -> None:
    fake.answers["CoreShowChannels"] = lambda action: listing(
        action,
        [message(("Event", "CoreShowChannel"), ("ActionID", action.id), ("Uniqueid", f"a-1.{n}")) for n in range(3)],
        "CoreShowChannelsComplete",
    )
    reply = await client.action("CoreShowChannels")
    assert [item.need("Uniqueid") for item in reply.items] == ["a-1.0", "a-1.1", "a-1.2"]


async def test_empty_list_is_a_reply_without_items(fake: FakeAmi, client: AmiClient) -> None:
    fake.answers["BridgeList"] = lambda action: listing(action, [], "BridgeListComplete")
    assert (await client.action("BridgeList")).items == ()


async def test_refusal_says_what_asterisk_said(fake: FakeAmi, client: AmiClient) -> None:
    fake.answers["Hangup"] = lambda action: error(action, "No such channel")
    with pytest.raises(ActionRefused, match="refused Hangup: No such channel") as refusal:
        await client.action("Hangup", [("Channel", "a-1.0")])
    assert refusal.value.message == "No such channel"


async def test_answer_after_the_deadline_is_unknown_and_counted_as_late(fake: FakeAmi, client: AmiClient) -> None:
    fake.answers["CoreStatus"] = lambda _: b""
    before = counted("dropped_messages_total", reason="late")
    with pytest.raises(ActionTimeout):
        await client.action("CoreStatus", timeout_s=0.01)
    await fake.send(success(await fake.seen("CoreStatus")) + numbered(1)[0])
    await take(client.events(), 2)
    assert counted("dropped_messages_total", reason="late") == before + 1


async def test_refused_field_never_reaches_the_wire(fake: FakeAmi, client: AmiClient) -> None:
    before = counted("refused_fields_total")
    evil = "PJSIP/8001-1\r\n\r\nAction: Originate\r\nChannel: PJSIP/13800138000@trunk"
    with pytest.raises(BadField):
        await client.action("Hangup", [("Channel", evil)])
    with pytest.raises(BadField):
        await client.action("Command", [("Command", "core stop now")])
    await client.action("Ping")
    assert [action.name for action in fake.actions][-1] == "Ping"
    assert {"Hangup", "Originate", "Command"}.isdisjoint(action.name for action in fake.actions)
    assert counted("refused_fields_total") == before + 2


async def test_every_action_has_a_random_id_of_its_own(fake: FakeAmi, client: AmiClient) -> None:
    for _ in range(5):
        await client.action("Ping")
    ids = [action.id for action in fake.actions]
    assert len(set(ids)) == len(ids)
    assert {uuid.UUID(one).version for one in ids} == {4}


async def test_answers_find_their_actions_in_any_order(fake: FakeAmi, client: AmiClient) -> None:
    fake.answers["QueueStatus"] = lambda _: b""
    asked = [asyncio.create_task(client.action("QueueStatus", [("Queue", f"q{n}")])) for n in range(3)]
    await fake.seen("QueueStatus", 3)
    await fake.send(b"".join(success(action, action.get("Queue")) for action in reversed(fake.named("QueueStatus"))))
    assert [(await task).response.message for task in asked] == ["q0", "q1", "q2"]


async def test_user_that_ami_cannot_carry_is_refused_at_once() -> None:
    with pytest.raises(BadField):
        AmiClient(host="127.0.0.1", port=1, username="a\r\nAction: x", secret="b")


# ---- originate -------------------------------------------------------------------------------------------------


def ended(action: Action, response: str, reason: str) -> bytes:
    return event("OriginateResponse", ("ActionID", action.id), ("Response", response), ("Reason", reason))


@pytest.mark.parametrize(
    ("response", "reason", "result"),
    [
        ("Success", "4", OriginateResult(True, 4, "u-a-1.0-1")),
        ("Failure", "3", OriginateResult(False, 3, "u-a-1.0-1")),
        ("Failure", "0", OriginateResult(False, 0, "u-a-1.0-1")),
        ("Failure", "", OriginateResult(False, 0, "u-a-1.0-1")),
    ],
)
@pytest.mark.parametrize("event_first", [False, True])
async def test_originate_waits_how_the_call_ended(
    fake: FakeAmi, client: AmiClient, response: str, reason: str, result: OriginateResult, event_first: bool
) -> None:
    def answer(action: Action) -> bytes:
        queued, end = success(action, "Originate successfully queued"), ended(action, response, reason)
        return end + queued if event_first else queued + end

    fake.answers["Originate"] = answer
    assert await client.originate(**ORIGINATE, variables=[("CALL_ID", "a-1.0"), ("LEG", "unit")]) == result  # type: ignore[arg-type]
    sent = fake.named("Originate")[0]
    assert sent.headers[2:] == [
        ("Channel", "PJSIP/600@unit"),
        ("ChannelId", "u-a-1.0-1"),
        ("Context", "unit-leg"),
        ("Exten", "s"),
        ("Priority", "1"),
        ("Timeout", "30000"),
        ("Variable", "CALL_ID=a-1.0"),
        ("Variable", "LEG=unit"),
        ("Async", "true"),
    ]


async def test_refused_originate_does_not_wait_for_an_end(fake: FakeAmi, client: AmiClient) -> None:
    fake.answers["Originate"] = lambda action: error(action, "Extension does not exist.")
    with pytest.raises(ActionRefused):
        await client.originate(**ORIGINATE)  # type: ignore[arg-type]


async def test_originate_without_an_end_is_unknown(
    fake: FakeAmi, client: AmiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callcenter.ami.ORIGINATE_MARGIN_S", 0.0)
    with pytest.raises(ActionTimeout):
        await client.originate(**ORIGINATE, ring_timeout_s=0.01)  # type: ignore[arg-type]
