"""The AMI client against a server that breaks, falls silent, refuses or drops it."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from callcenter.ami import (
    AmiClient,
    AmiEvent,
    AmiUnavailable,
    LinkLost,
    LinkUp,
    LoginRefused,
    OutcomeUnknown,
)
from callcenter.ami_link import Link, LinkSettings, Sent
from callcenter.ami_queue import Item
from callcenter.metrics import REGISTRY
from tests.support.fake_ami import FakeAmi, error, event, in_a_thread, numbered

Make = Callable[..., AmiClient]


@pytest.fixture
async def fake() -> AsyncIterator[FakeAmi]:
    async with FakeAmi() as server:
        yield server


@pytest.fixture
async def make(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    monkeypatch.setattr("callcenter.ami.RETRY_S", (0.001, 0.01))
    made: list[AmiClient] = []

    def client(fake: FakeAmi, **settings: Any) -> AmiClient:
        given = {"username": "events", "secret": "s3cret", "wanted": frozenset({"Newchannel"}), **settings}
        made.append(AmiClient(host="127.0.0.1", port=fake.port, **given))
        return made[-1]

    yield client
    for ami in made:
        await ami.close()


async def take(items: AsyncIterator[Item], count: int) -> list[Item]:
    async with asyncio.timeout(30):
        return [await anext(items) for _ in range(count)]


async def until(items: AsyncIterator[Item], kind: type) -> list[Item]:
    """Items up to and with the first of that kind."""
    taken = await take(items, 1)
    while not isinstance(taken[-1], kind):
        taken += await take(items, 1)
    return taken


def counted(name: str, user: str = "events") -> float:
    return REGISTRY.get_sample_value(f"callcenter_ami_{name}", {"link": user}) or 0.0


# ---- a link that is lost ---------------------------------------------------------------------------------------


async def test_killed_and_restarted_asterisk_is_a_gap_of_known_length(fake: FakeAmi, make: Make) -> None:
    client = make(fake)
    await client.start()
    items = client.events()
    await take(items, 1)
    await fake.send(b"".join(numbered(2)))
    await take(items, 2)
    await fake.stop()
    (lost,) = await take(items, 1)
    assert isinstance(lost, LinkLost)
    assert not client.up
    await fake.listen()
    (up,) = await take(items, 1)
    assert isinstance(up, LinkUp)
    assert up.since_lost_s is not None
    await fake.send(numbered(1)[0])
    assert [type(item) for item in await take(items, 1)] == [AmiEvent]


async def test_event_cut_in_the_middle_is_not_delivered(fake: FakeAmi, make: Make) -> None:
    client = make(fake)
    await client.start()
    items = client.events()
    await take(items, 1)
    await fake.send(numbered(1)[0] + event("Newchannel", ("No", "2"))[:-2])
    await take(items, 1)
    fake.cut()
    assert [type(item) for item in await take(items, 2)] == [LinkLost, LinkUp]


async def test_originate_pending_on_a_lost_link_is_unknown_and_never_sent_again(fake: FakeAmi, make: Make) -> None:
    client = make(fake)
    await client.start()
    await client.ready(10)
    pending = asyncio.create_task(
        client.originate(channel="PJSIP/600@unit", channel_id="u-a-1.0-1", context="unit-leg")
    )
    await fake.seen("Originate")
    fake.cut()
    with pytest.raises(LinkLost) as lost:
        await pending
    assert isinstance(lost.value, OutcomeUnknown)
    assert not lost.value.retryable
    await fake.until(lambda server: server.logins == 2)
    await client.ready(10)
    await client.action("CoreStatus")
    assert len(fake.named("Originate")) == 1


async def test_unanswered_action_on_a_lost_link_is_unknown_and_never_sent_again(fake: FakeAmi, make: Make) -> None:
    client = make(fake)
    await client.start()
    await client.ready(10)
    fake.answers["Hangup"] = lambda _: b""
    pending = asyncio.create_task(client.action("Hangup", [("Channel", "a-1.0")]))
    await fake.seen("Hangup")
    fake.cut()
    with pytest.raises(LinkLost):
        await pending
    await fake.until(lambda server: server.logins == 2)
    await client.ready(10)
    await client.action("CoreStatus")
    assert len(fake.named("Hangup")) == 1


async def test_action_while_down_fails_at_once_and_is_not_kept(fake: FakeAmi, make: Make) -> None:
    client = make(fake)
    await client.start()
    items = client.events()
    await take(items, 1)
    await fake.stop()
    await take(items, 1)
    with pytest.raises(AmiUnavailable) as failure:
        await client.action("Hangup", [("Channel", "a-1.0")])
    assert failure.value.retryable
    await fake.listen()
    await take(items, 1)
    await client.action("CoreStatus")
    assert fake.named("Hangup") == []


async def test_client_that_was_never_started_says_so(fake: FakeAmi, make: Make) -> None:
    with pytest.raises(AmiUnavailable, match="not been started"):
        await make(fake).action("Ping")


async def test_nothing_listening_is_told_to_who_waits(fake: FakeAmi, make: Make) -> None:
    await fake.stop()
    client = make(fake)
    await client.start()
    with pytest.raises(AmiUnavailable, match="no AMI link"):
        await client.ready(0.2)


async def test_other_protocol_on_the_port_is_named(fake: FakeAmi, make: Make) -> None:
    fake.banner = b"SSH-2.0-OpenSSH_9.2\r\n"
    client = make(fake)
    await client.start()
    with pytest.raises(AmiUnavailable, match="not an Asterisk Manager Interface"):
        await client.ready(0.5)


async def test_half_sent_banner_and_silence_is_no_link(
    fake: FakeAmi, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callcenter.ami.CONNECT_TIMEOUT_S", 0.05)
    fake.banner, fake.silent = b"Asterisk Call", True
    client = make(fake)
    await client.start()
    with pytest.raises(AmiUnavailable, match="no AMI answer from"):
        await client.ready(0.5)


# ---- login and boot --------------------------------------------------------------------------------------------


async def test_wrong_password_is_said_at_once_counted_and_tried_again(fake: FakeAmi, make: Make) -> None:
    client = make(fake, username="wrong", secret="guess")
    await client.start()
    with pytest.raises(LoginRefused, match="refused AMI user wrong: Authentication failed"):
        await client.ready(10)
    with pytest.raises(LoginRefused):
        await client.action("Ping")
    await fake.seen("Login", 3)
    assert counted("logins_refused_total", "wrong") >= 2
    fake.username, fake.secret = "wrong", "guess"
    await fake.until(lambda server: server.logins == 1)
    async with asyncio.timeout(10):
        assert isinstance(await anext(client.events()), LinkUp)


async def test_link_is_up_only_when_asterisk_has_its_modules(fake: FakeAmi, make: Make) -> None:
    fake.answers["QueueSummary"] = lambda action: error(
        action, "Invalid/unknown command: QueueSummary. Use Action: ListCommands to show available commands."
    )
    client = make(fake)
    await client.start()
    await fake.seen("QueueSummary", 2)
    await fake.send(numbered(1)[0])
    assert not client.up
    del fake.answers["QueueSummary"]
    await client.ready(10)
    await fake.send(event("Newchannel", ("No", "after")))
    up, first = await take(client.events(), 2)
    assert isinstance(up, LinkUp)
    assert isinstance(first, AmiEvent)
    assert first.need("No") == "after"


# ---- silence and slowness --------------------------------------------------------------------------------------


async def test_silent_peer_is_dropped_by_the_watchdog(fake: FakeAmi, make: Make) -> None:
    client = make(fake, ping_interval_s=0.05)
    await client.start()
    items = client.events()
    await take(items, 1)
    await fake.seen("Ping", 3)
    fake.silent = True
    (lost,) = await take(items, 1)
    assert isinstance(lost, LinkLost)
    assert lost.cause.startswith("no pong for")
    fake.silent = False
    assert [type(item) for item in await take(items, 1)] == [LinkUp]


async def test_reader_that_is_too_slow_loses_the_link_but_no_event_silently(fake: FakeAmi, make: Make) -> None:
    client = make(fake, queue_size=11)
    await client.start()
    await client.ready(10)
    items = client.events()
    await take(items, 1)
    await fake.send(b"".join(numbered(50)))
    await fake.until(lambda server: server.connections == 0)
    with pytest.raises(AmiUnavailable, match="listener too slow"):
        await client.ready(0.1)  # there is no use in a new link before the reader has caught up
    before_the_gap = await until(items, LinkLost)
    numbers = [item.need("No") for item in before_the_gap if isinstance(item, AmiEvent)]
    assert numbers == [str(number) for number in range(1, 12)]
    lost = before_the_gap[-1]
    assert isinstance(lost, LinkLost)
    assert lost.cause == "listener too slow"
    assert [type(item) for item in await take(items, 1)] == [LinkUp]
    await fake.send(event("Newchannel", ("No", "next")))
    assert [item.need("No") for item in await take(items, 1) if isinstance(item, AmiEvent)] == ["next"]


async def test_event_loop_that_stood_still_is_dropped_by_asterisk_and_comes_back(make: Make) -> None:
    fake = FakeAmi(write_timeout_s=0.2)
    flood = b"".join(numbered(60_000))
    with in_a_thread(fake) as server:
        client = make(fake, queue_size=200_000)
        await client.start()
        items = client.events()
        await take(items, 1)
        asyncio.run_coroutine_threadsafe(fake.send(flood), server)
        # This very call stands still, as a blocking handler would, until the server has given up on us.
        assert fake.dropped_a_reader.wait(30)
        got = await until(items, LinkLost)
        numbers = [int(item.need("No")) for item in got if isinstance(item, AmiEvent)]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) < 60_000
        assert [type(item) for item in await take(items, 1)] == [LinkUp]
        await client.close()


async def test_failure_while_taking_events_is_a_gap_and_not_a_silent_loss(
    fake: FakeAmi, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make(fake)
    await client.start()
    items = client.events()
    await take(items, 1)
    with monkeypatch.context() as patch:
        patch.setattr(client._queue, "put", lambda _: 1 // 0)
        await fake.send(numbered(1)[0])
        (lost,) = await take(items, 1)
    assert isinstance(lost, LinkLost)
    assert lost.cause == "event handler failed"
    assert [type(item) for item in await take(items, 1)] == [LinkUp]


# ---- the watchdog's decisions, by its clock --------------------------------------------------------------------


class Clock:
    """The part of an event loop the watchdog uses."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def time(self) -> float:
        return self.now_s

    def call_later(self, *_: object) -> SimpleNamespace:
        return SimpleNamespace(cancel=lambda: None)


@pytest.mark.parametrize(
    ("tick_after_s", "heard_before_s", "answered", "dropped", "pings"),
    [
        (4.0, 0.1, True, False, 2),  # all is well
        (4.0, 5.0, False, True, 1),  # no pong, not a byte
        (4.0, 0.1, False, False, 1),  # no pong, but events keep coming
        (30.0, 30.0, False, False, 1),  # this process slept: the answer may still be in the socket
        (30.0, 30.0, True, False, 2),
    ],
)
async def test_watchdog_tells_a_dead_peer_from_our_own_sleep(
    tick_after_s: float, heard_before_s: float, answered: bool, dropped: bool, pings: int
) -> None:
    clock = Clock()
    sent: list[Sent] = []
    causes: list[str] = []
    link = Link(LinkSettings("127.0.0.1", 1, "events", "x", {}, 4.0), lambda _events, _messages: None)
    link.loop = clock
    link.protocol = SimpleNamespace(heard_at_s=clock.now_s, send=sent.append, drop=causes.append)
    link._ticked_at_s = clock.now_s
    link.ping()
    ping = sent[0]
    assert uuid.UUID(ping.id).version == 4
    if answered:
        ping.future.set_result([])
    clock.now_s += tick_after_s
    link.protocol.heard_at_s = clock.now_s - heard_before_s
    link.ping()
    assert (bool(causes), len(sent)) == (dropped, pings)
