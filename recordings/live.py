"""Live words: an AudioSocket server that hears each tapped call and tells its words while they are spoken.

Asterisk's AudioSocket channel connects and says a UUID, which has to be registered, then sends audio. Each stream
has one recogniser, pinned to one worker thread; when a worker cannot keep up, audio is dropped for the live display
only, and counted. Recordings are made by Asterisk and do not pass through here.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID, uuid4

from callcenter.types import CallId
from recordings.audiosocket import (
    ERROR_FRAME,
    HANGUP_FRAME,
    RATES,
    UUID_FRAME,
    Backlog,
    BadFrame,
    Frame,
    FrameParser,
)
from recordings.vosk_door import Model, Recogniser
from recordings.words import LiveWords, Word

__all__ = ["Decoder", "LiveStats", "LiveTap", "LiveWords"]

PIECE_S = 0.1
"""Audio decoded at once; more when the worker is behind."""
HELLO_LIMIT_S = 5.0
"""A connection that has not said its UUID by then is closed."""
MAX_CONNECTIONS = 1_000


@dataclass(frozen=True, slots=True)
class LiveStats:
    """Counters since the start, for /metrics."""

    streams: int
    """Streams that are open now."""
    opened: int
    refused: int
    """Connections without a registered UUID, or one that does not speak AudioSocket."""
    dropped_s: float
    """Seconds of audio that were left out of the live display."""
    failures: int
    """Times that telling or decoding words failed."""


class Decoder:
    """One stream's recogniser, with its clock. All methods run in the stream's one worker thread."""

    def __init__(self, model: Model, call_id: CallId, rate: int, started_at: datetime) -> None:
        self._model, self._call_id, self._rate, self._started_at = model, call_id, rate, started_at
        self._recogniser: Recogniser | None = None
        self._seq = 0
        self._shown: tuple[Word, ...] = ()
        self._heard_bytes = 0
        self._base_s = 0.0

    def feed(self, lost_bytes: int, samples: bytes) -> tuple[LiveWords, ...]:
        """Hears samples, before which `lost_bytes` were dropped; what changed, oldest first."""
        told: list[LiveWords] = []
        if lost_bytes:
            # A recogniser counts only what it hears: begin a new one, so that times stay true after the hole.
            told += self.finish()
            self._heard_bytes += lost_bytes
        if self._recogniser is None:
            self._recogniser = Recogniser(self._model, self._rate)
            self._base_s = self._heard_bytes / (2 * self._rate)
        step = int(self._rate * PIECE_S) * 2
        for start in range(0, len(samples), step):
            if self._recogniser.accept(samples[start : start + step]):
                told += self._ended(self._recogniser.result())
        self._heard_bytes += len(samples)
        return (*told, *self._so_far(self._recogniser.partial()))

    def finish(self) -> tuple[LiveWords, ...]:
        """The last words; the next `feed` begins a new utterance."""
        if self._recogniser is None:
            return ()
        words = self._recogniser.finish()
        self._recogniser = None
        return self._ended(words)

    def _so_far(self, words: tuple[Word, ...]) -> tuple[LiveWords, ...]:
        # A partial's confidence moves with every piece; only other words are news.
        if not words or [word.word for word in words] == [word.word for word in self._shown]:
            return ()
        self._shown = words
        return (self._told(words, final=False),)

    def _ended(self, words: tuple[Word, ...]) -> tuple[LiveWords, ...]:
        if not words and not self._shown:
            return ()
        # An empty final takes back what a partial showed.
        told = self._told(words, final=True)
        self._seq += 1
        self._shown = ()
        return (told,)

    def _told(self, words: tuple[Word, ...], *, final: bool) -> LiveWords:
        shifted = tuple(word.shifted(self._base_s) for word in words)
        return LiveWords(self._call_id, self._seq, shifted, final, self._started_at)


OnWords = Callable[[LiveWords], Awaitable[None]]
OnProblem = Callable[[str, BaseException], None]


@dataclass(slots=True)
class _Counts:
    opened: int = 0
    refused: int = 0
    failures: int = 0
    dropped_s: float = 0.0


@dataclass(slots=True)
class _Worker:
    """A thread that decodes the streams pinned to it, one piece after the other."""

    pool: ThreadPoolExecutor
    streams: int = 0


@dataclass(slots=True)
class LiveTap:
    """The server. `on_words` is awaited for every change, in order within a call.

    on_problem hears what went wrong for the log (a constant message, the exception); it must not raise.
    resolve: the call of a UUID that was not registered here but is proved by itself (None: it is not); for a tap
    that runs in another process than the call control.
    """

    host: str
    port: int
    model: Model
    on_words: OnWords
    on_problem: OnProblem | None = None
    resolve: Callable[[UUID], CallId | None] | None = None
    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    _known: dict[UUID, CallId] = field(default_factory=dict)
    _streams: "set[_Stream]" = field(default_factory=set)
    _threads: list[_Worker] = field(default_factory=list)
    _counts: _Counts = field(default_factory=_Counts)
    _server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listens. With port 0 the system chooses one; `port` then says which. Raises OSError when it is taken."""
        self._threads = [
            _Worker(ThreadPoolExecutor(1, thread_name_prefix=f"live-{number}")) for number in range(self.workers)
        ]
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Stream(self), self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self, deadline_s: float = 5.0) -> None:
        """Stops listening, lets every stream tell its last words, frees the threads."""
        if self._server is None:
            return
        self._server.close()
        ending = [stream.end() for stream in list(self._streams)]
        if ending:
            _, late = await asyncio.wait(ending, timeout=deadline_s)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for worker in self._threads:
            worker.pool.shutdown(wait=False, cancel_futures=True)
        self._server = None

    def register(self, call_id: CallId, key: UUID | None = None) -> UUID:
        """Lets one stream in for this call; put the answer into the Originate. Without `key` a random one is made."""
        key = key or uuid4()
        self._known[key] = call_id
        return key

    def forget(self, call_id: CallId) -> None:
        """The call is over: closes its stream and lets none in any more."""
        for key in [key for key, known in self._known.items() if known == call_id]:
            del self._known[key]
        for stream in [stream for stream in self._streams if stream.call_id == call_id]:
            stream.end()

    @property
    def stats(self) -> LiveStats:
        """Counters for /metrics."""
        counts, hearing = self._counts, [stream for stream in self._streams if stream.call_id]
        dropped_s = counts.dropped_s + sum(stream.backlog.dropped_s for stream in hearing)
        return LiveStats(len(hearing), counts.opened, counts.refused, dropped_s, counts.failures)

    def _call_of(self, key: UUID) -> CallId | None:
        """The call this UUID may open a stream for, now."""
        # pop: a registered UUID opens one stream, once; who has seen it cannot feed words into the call later.
        call_id = self._known.pop(key, None)
        if call_id is None and self.resolve:
            call_id = self.resolve(key)
        # A call has one tap at a time, however its UUID came here.
        return None if call_id in {stream.call_id for stream in self._streams} else call_id

    def _problem(self, message: str, error: BaseException) -> None:
        self._counts.failures += 1
        if self.on_problem:
            self.on_problem(message, error)


class _Stream(asyncio.Protocol):
    """One connection: parses frames into the backlog; one task takes them out, decodes, and tells words."""

    def __init__(self, tap: LiveTap) -> None:
        self.call_id: CallId | None = None
        self.backlog = Backlog()
        self._tap = tap
        self._parser = FrameParser()
        self._wake = asyncio.Event()
        self._ended = False
        self._task: asyncio.Task[None] | None = None
        self._started_at: datetime | None = None
        self._transport: asyncio.Transport | None = None
        self._hello: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if len(self._tap._streams) >= MAX_CONNECTIONS:
            self._refuse()
            return
        self._tap._streams.add(self)
        self._hello = asyncio.get_running_loop().call_later(HELLO_LIMIT_S, self._refuse)

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        try:
            for frame in self._parser.feed(data):
                if self._transport.is_closing():
                    return
                self._hear(frame)
        except BadFrame as error:
            self._tap._problem("live audio: the peer does not speak AudioSocket", error)
            self._refuse()

    def connection_lost(self, error: Exception | None) -> None:
        self.end()
        if self._task is None:
            self._tap._streams.discard(self)

    def end(self) -> asyncio.Future[None]:
        """No more audio is wanted; the answer is done when the last words have been told."""
        self._ended = True
        if self._hello:
            self._hello.cancel()
        if self._transport:
            self._transport.abort()
        self._wake.set()
        if self._task:
            return self._task
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def _refuse(self) -> None:
        self._tap._counts.refused += 1
        self.end()

    def _hear(self, frame: Frame) -> None:
        if self.call_id is None:
            self._greet(frame)
        elif frame.kind in RATES:
            self._hear_audio(frame)
        elif frame.kind == UUID_FRAME:
            raise BadFrame("a second UUID")
        elif frame.kind in (HANGUP_FRAME, ERROR_FRAME):
            self.end()

    def _greet(self, frame: Frame) -> None:
        call_id = self._tap._call_of(UUID(bytes=frame.payload)) if frame.kind == UUID_FRAME else None
        if call_id is None:
            self._refuse()
            return
        if self._hello:
            self._hello.cancel()
        self.call_id = call_id
        self._tap._counts.opened += 1
        self._task = asyncio.create_task(self._run(call_id), name=f"live-{call_id}")

    def _hear_audio(self, frame: Frame) -> None:
        if self._started_at is None:
            self._started_at = datetime.now(UTC)
            self.backlog.rate = RATES[frame.kind]
        elif RATES[frame.kind] != self.backlog.rate:
            raise BadFrame("the sample rate changed within a stream")
        self.backlog.put(frame.payload)
        if self.backlog.seconds >= PIECE_S:
            self._wake.set()

    async def _run(self, call_id: CallId) -> None:
        worker = min(self._tap._threads, key=lambda worker: worker.streams)
        worker.streams += 1
        try:
            await self._decode(call_id, worker.pool)
        except Exception as error:
            self._tap._problem("live audio: decoding stopped for this call", error)
        finally:
            worker.streams -= 1
            self._tap._counts.dropped_s += self.backlog.dropped_s
            self._tap._streams.discard(self)
            self.end()

    async def _decode(self, call_id: CallId, pool: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        decoder: Decoder | None = None
        while not self._ended or self.backlog.seconds:
            await self._wake.wait()
            if not self._ended:
                self._wake.clear()
            lost, samples = self.backlog.take()
            if self._started_at is None or not samples:
                continue
            decoder = decoder or Decoder(self._tap.model, call_id, self.backlog.rate, self._started_at)
            await self._tell(await loop.run_in_executor(pool, decoder.feed, lost, samples))
        if decoder:
            await self._tell(await loop.run_in_executor(pool, decoder.finish))

    async def _tell(self, news: tuple[LiveWords, ...]) -> None:
        for words in news:
            try:
                await self._tap.on_words(words)
            except Exception as error:
                self._tap._problem("live words could not be passed on", error)
