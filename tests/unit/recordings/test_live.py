"""The live tap over real TCP: words while they are spoken, and every way a peer can misbehave."""

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import pairwise
from uuid import UUID, uuid4

import pytest

from callcenter.types import CallId
from recordings import live
from recordings.live import Decoder, LiveTap, LiveWords
from recordings.models import demo_model
from recordings.vosk_door import load
from recordings.words import joined
from tests.support.eventually import eventually
from tests.support.spoken import ANSWER, COMPLAINT, QUESTION, silence, spoken

CALL = CallId("a-1763800000.12")
DEADLINE_S = 20.0
HANGUP = b"\0\0\0"


class Listener:
    """Collects what the tap tells; `until` waits for it with a deadline."""

    def __init__(self) -> None:
        self.words: list[LiveWords] = []
        self.problems: list[str] = []
        self._news = asyncio.Condition()

    async def hear(self, words: LiveWords) -> None:
        async with self._news:
            self.words.append(words)
            self._news.notify_all()

    def problem(self, message: str, error: BaseException) -> None:
        self.problems.append(message)

    async def until(self, wanted: Callable[[], bool]) -> None:
        async with asyncio.timeout(DEADLINE_S), self._news:
            await self._news.wait_for(wanted)

    def finals(self, call: CallId = CALL) -> list[str]:
        return [words.text for words in self.words if words.final and words.call_id == call]


@asynccontextmanager
async def tap_for(on_words: Callable[[LiveWords], Awaitable[None]], listener: Listener) -> AsyncIterator[LiveTap]:
    tap = LiveTap("127.0.0.1", 0, load(demo_model()), on_words, listener.problem)
    await tap.start()
    try:
        yield tap
    finally:
        await tap.close()


@pytest.fixture
async def listener() -> Listener:
    return Listener()


@pytest.fixture
async def tap(listener: Listener) -> AsyncIterator[LiveTap]:
    async with tap_for(listener.hear, listener) as tap:
        yield tap


def hello(key: UUID) -> bytes:
    return struct.pack("!BH", 1, 16) + key.bytes


def frames(samples: bytes, kind: int = 0x10) -> bytes:
    size = 320 if kind == 0x10 else 640
    pieces = (samples[start : start + size] for start in range(0, len(samples), size))
    return b"".join(struct.pack("!BH", kind, len(piece)) + piece for piece in pieces)


async def connected(tap: LiveTap, first: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", tap.port)
    writer.write(first)
    await writer.drain()
    return reader, writer


async def closed_by_the_tap(reader: asyncio.StreamReader) -> bool:
    async with asyncio.timeout(DEADLINE_S):
        try:
            return await reader.read() == b""
        except ConnectionResetError:
            return True


async def until(wanted: Callable[[], bool]) -> None:
    await eventually(wanted, "the tap's counters", DEADLINE_S)


async def test_words_appear_before_the_sentence_ends(tap: LiveTap, listener: Listener) -> None:
    before = datetime.now(UTC)
    _, writer = await connected(tap, hello(tap.register(CALL)))
    writer.write(frames(spoken(COMPLAINT)))
    await listener.until(lambda: any(not words.final and len(words.text) > 4 for words in listener.words))
    assert not listener.finals()
    writer.write(frames(silence(1.5)) + HANGUP)
    await listener.until(lambda: bool(listener.finals()))
    final = listener.words[-1]
    assert (final.text, final.seq, final.call_id) == (COMPLAINT, 0, CALL)
    assert before <= final.stream_started_at <= datetime.now(UTC)
    assert [word.start_s for word in final.words] == sorted(word.start_s for word in final.words)
    writer.close()


async def test_a_hangup_in_the_middle_still_tells_the_last_words(tap: LiveTap, listener: Listener) -> None:
    _, writer = await connected(tap, hello(tap.register(CALL)))
    writer.write(frames(silence(0.3) + spoken(QUESTION)) + HANGUP)
    await listener.until(lambda: listener.finals() == [QUESTION])
    await until(lambda: tap.stats.streams == 0)
    writer.close()


async def test_a_reset_in_the_middle_still_tells_the_last_words(tap: LiveTap, listener: Listener) -> None:
    _, writer = await connected(tap, hello(tap.register(CALL)))
    writer.write(frames(spoken(QUESTION)))
    await listener.until(lambda: bool(listener.words))
    writer.transport.abort()
    await listener.until(lambda: len(listener.finals()) == 1)
    assert listener.words[-1].final
    await until(lambda: tap.stats.streams == 0)


async def test_wide_band_audio_is_heard(tap: LiveTap, listener: Listener) -> None:
    _, writer = await connected(tap, hello(tap.register(CALL)))
    writer.write(frames(spoken(ANSWER, rate=16_000), kind=0x12) + HANGUP)
    await listener.until(lambda: listener.finals() == [ANSWER])
    writer.close()


async def test_calls_at_once_do_not_mix(tap: LiveTap, listener: Listener) -> None:
    said = {CallId(f"a-1763800000.{n}"): text for n, text in enumerate([COMPLAINT, QUESTION, ANSWER])}
    for call, text in said.items():
        _, writer = await connected(tap, hello(tap.register(call)) + frames(spoken(text)) + HANGUP)
        writer.close()
    await listener.until(lambda: all(listener.finals(call) == [text] for call, text in said.items()))
    assert tap.stats.opened == 3


NOBODY = UUID(int=7)
"""A stream that was never registered; the same in every run, so that tests keep their names."""


@pytest.mark.parametrize(
    "first",
    [
        hello(NOBODY),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        frames(silence(0.1)),
        HANGUP,
        struct.pack("!BH", 1, 4) + b"abcd",
    ],
)
async def test_who_is_not_registered_is_refused(tap: LiveTap, listener: Listener, first: bytes) -> None:
    tap.register(CALL)
    reader, _ = await connected(tap, first)
    assert await closed_by_the_tap(reader)
    assert (tap.stats.refused, tap.stats.streams, listener.words) == (1, 0, [])


async def test_a_uuid_opens_one_stream_only(tap: LiveTap) -> None:
    key = tap.register(CALL)
    _, first = await connected(tap, hello(key))
    await until(lambda: tap.stats.streams == 1)
    reader, _ = await connected(tap, hello(key))
    assert await closed_by_the_tap(reader)
    assert tap.stats.streams == 1
    first.write(HANGUP)
    await until(lambda: tap.stats.streams == 0)
    reader, _ = await connected(tap, hello(key))
    assert await closed_by_the_tap(reader)
    assert tap.stats.opened == 1
    first.close()


async def test_a_uuid_that_proves_its_call_is_let_in_once_at_a_time(listener: Listener) -> None:
    proved = uuid4()
    tap = LiveTap(
        "127.0.0.1", 0, load(demo_model()), listener.hear, resolve=lambda key: CALL if key == proved else None
    )
    await tap.start()
    try:
        _, first = await connected(tap, hello(proved) + frames(spoken(ANSWER)))
        await until(lambda: tap.stats.streams == 1)
        reader, _ = await connected(tap, hello(proved))
        assert await closed_by_the_tap(reader)
        reader, _ = await connected(tap, hello(NOBODY))
        assert await closed_by_the_tap(reader)
        first.write(HANGUP)
        await until(lambda: tap.stats.streams == 0)
        # the tap of a call may be opened again, for example after the server was restarted
        _, again = await connected(tap, hello(proved) + frames(spoken(QUESTION)) + HANGUP)
        await listener.until(lambda: listener.finals() == [ANSWER, QUESTION])
        assert (tap.stats.opened, tap.stats.refused) == (2, 2)
        first.close()
        again.close()
    finally:
        await tap.close()


async def test_a_forgotten_call_lets_nobody_in_and_ends_its_stream(tap: LiveTap) -> None:
    late = tap.register(CALL)
    reader, _ = await connected(tap, hello(tap.register(CALL)))
    await until(lambda: tap.stats.streams == 1)
    tap.forget(CALL)
    assert await closed_by_the_tap(reader)
    reader, _ = await connected(tap, hello(late))
    assert await closed_by_the_tap(reader)


async def test_a_silent_peer_is_sent_away(tap: LiveTap, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "HELLO_LIMIT_S", 0.05)
    reader, _ = await connected(tap, b"\x01")
    assert await closed_by_the_tap(reader)
    assert tap.stats.refused == 1


@pytest.mark.parametrize(
    "then",
    [struct.pack("!BH", 0x10, 3) + b"abc", struct.pack("!BH", 0x77, 0), hello(NOBODY), frames(silence(0.1), 0x12)],
)
async def test_a_wrong_frame_ends_the_stream_but_keeps_its_words(tap: LiveTap, listener: Listener, then: bytes) -> None:
    reader, _ = await connected(tap, hello(tap.register(CALL)) + frames(spoken(ANSWER)) + then)
    assert await closed_by_the_tap(reader)
    await listener.until(lambda: listener.finals() == [ANSWER])
    assert listener.problems == ["live audio: the peer does not speak AudioSocket"]


async def test_an_exception_of_the_listener_does_not_end_the_stream(listener: Listener) -> None:
    async def hear(words: LiveWords) -> None:
        await listener.hear(words)
        raise RuntimeError("the screen is gone")

    async with tap_for(hear, listener) as tap:
        _, writer = await connected(tap, hello(tap.register(CALL)) + frames(spoken(QUESTION)) + HANGUP)
        await listener.until(lambda: listener.finals() == [QUESTION])
        await until(lambda: tap.stats.streams == 0)
        assert tap.stats.failures == len(listener.words) == len(listener.problems)
        writer.close()


async def test_a_slow_listener_loses_live_words_and_they_are_counted(listener: Listener) -> None:
    go_on = asyncio.Event()

    async def hear(words: LiveWords) -> None:
        await listener.hear(words)
        await go_on.wait()

    async with tap_for(hear, listener) as tap:
        _, writer = await connected(tap, hello(tap.register(CALL)) + frames(spoken(COMPLAINT)))
        await listener.until(lambda: bool(listener.words))
        sentence = spoken(QUESTION)
        writer.write(frames(silence(60.0) + sentence + silence(4.0 - len(sentence) / 16_000)))
        await until(lambda: tap.stats.dropped_s > 50)
        go_on.set()
        writer.write(HANGUP)
        await listener.until(lambda: QUESTION in listener.finals())
        # after the hole, times are still those of the stream
        final = next(words for words in listener.words if words.text == QUESTION and words.final)
        assert final.words[0].start_s == pytest.approx(60 + len(spoken(COMPLAINT)) / 16_000, abs=0.5)
        writer.close()


async def test_closing_tells_the_last_words_and_lets_nobody_in(listener: Listener) -> None:
    async with tap_for(listener.hear, listener) as tap:
        _, writer = await connected(tap, hello(tap.register(CALL)) + frames(spoken(ANSWER)))
        await listener.until(lambda: bool(listener.words))
        await tap.close()
        assert listener.words[-1].final
        assert tap.stats.streams == 0
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", tap.port)
        writer.close()


async def test_closing_does_not_wait_for_a_listener_that_hangs(listener: Listener) -> None:
    async def hear(words: LiveWords) -> None:
        await listener.hear(words)
        await asyncio.Event().wait()

    async with tap_for(hear, listener) as tap:
        _, writer = await connected(tap, hello(tap.register(CALL)) + frames(spoken(ANSWER)))
        await listener.until(lambda: bool(listener.words))
        await tap.close(deadline_s=0.05)
        assert tap.stats.streams == 0
        writer.close()


def test_an_utterance_is_numbered_and_a_partial_is_told_only_when_it_changed() -> None:
    decoder = Decoder(load(demo_model()), CALL, 8_000, datetime(2026, 11, 22, tzinfo=UTC))
    told = [*decoder.feed(0, spoken(QUESTION) + silence(1.5)), *decoder.feed(0, silence(1.0))]
    for start in range(0, len(spoken(COMPLAINT)), 1_600):
        told += decoder.feed(0, spoken(COMPLAINT)[start : start + 1_600])
    told += decoder.finish()
    assert [(words.seq, words.text) for words in told if words.final] == [(0, QUESTION), (1, COMPLAINT)]
    shown = [[word.word for word in words.words] for words in told if not words.final]
    assert len(shown) > 1
    assert all(a != b for a, b in pairwise(shown))
    assert joined(told[-1].words) == COMPLAINT
    assert decoder.finish() == ()
