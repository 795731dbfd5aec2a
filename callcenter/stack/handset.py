"""The outside world of SMS, played: a carrier's SMS centre (SMPP 3.4) with the citizens' handsets behind it.

Kannel binds to it as it would to a real carrier. A test or the demo reads what a handset received, answers from it,
and decides which handsets are out of reach.
"""

import asyncio
import contextlib
import itertools
from collections import defaultdict
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime

from callcenter.stack import smpp
from callcenter.stack.ports import LOOPBACK
from callcenter.stack.smpp import Command, Status

AGAIN_S, TRIES = 0.5, 20
"""A carrier offers again what the gateway cannot take yet: Kannel refuses while it is still reading its store."""
PASSING = frozenset({Status.QUEUE_FULL, Status.THROTTLED, Status.NOT_NOW})


class NoText(Exception):
    """No text reached this handset within the time given; the message says what reached the centre instead."""


class NotBound(Exception):
    """No SMS gateway is connected to the centre, so a handset's text has nowhere to go."""


@dataclass(frozen=True, slots=True)
class Text:
    """One whole text message, put together from its parts."""

    sender: str
    to: str
    text: str
    parts: int = 1


@dataclass
class _Connection:
    writer: asyncio.StreamWriter
    sequence: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    waiting: dict[int, asyncio.Future[smpp.Unit]] = field(default_factory=dict)


class Handsets:
    """All citizens' handsets. `received` grows in the order texts became whole.

    Sets of numbers steer what the network does: `undeliverable` (receipt UNDELIV), `rejected` (submit refused),
    `unconfirmed` (no receipt ever), `held` (receipt kept until `release`), `unanswered` (the submit itself gets no
    answer).
    """

    def __init__(self, port: int, password: str, *, user: str = "callcenter", host: str = LOOPBACK) -> None:
        self.received: list[Text] = []
        self.undeliverable: set[str] = set()
        self.rejected: set[str] = set()
        self.unconfirmed: set[str] = set()
        self.held: set[str] = set()
        self.unanswered: set[str] = set()
        self.submits: list[smpp.ShortMessage] = []
        """Every submit_sm that arrived, refused ones included, to count attempts."""
        self._asked_address = (host, port)
        self._credentials = (user, password)
        self._server: asyncio.Server | None = None
        self._bound: _Connection | None = None
        self._news = asyncio.Condition()
        self._parts: dict[tuple[str, str, int], dict[int, str]] = defaultdict(dict)
        self._held: dict[str, list[tuple[smpp.ShortMessage, str, bool]]] = defaultdict(list)
        self._taken: dict[str, int] = defaultdict(int)
        self._message_ids = itertools.count(1)
        self._references = itertools.count(1)
        self._connections: list[_Connection] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "Handsets":
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen for the gateway."""
        self._server = await asyncio.start_server(self._serve, *self._asked_address)

    async def stop(self) -> None:
        """Cut every gateway off and stop listening."""
        if self._server is not None:
            self._server.close()
        # Cut, not cancelled: the serving tasks then end as they do when a gateway goes away.
        for connection in list(self._connections):
            connection.writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._server = None

    @property
    def address(self) -> tuple[str, int]:
        """Where the centre listens, once started."""
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        return host, port

    async def bound(self, within_s: float = 15.0) -> None:
        """Wait until a gateway is connected. Raises NotBound."""
        try:
            async with asyncio.timeout(within_s), self._news:
                await self._news.wait_for(lambda: self._bound is not None)
        except TimeoutError:
            raise NotBound(f"no SMS gateway connected within {within_s:.0f} s") from None

    async def next_text(self, number: str, within_s: float = 15.0) -> Text:
        """The first text to `number` that was not returned before; waits for it. Raises NoText."""
        try:
            async with asyncio.timeout(within_s), self._news:
                await self._news.wait_for(lambda: len(self.texts_to(number)) > self._taken[number])
        except TimeoutError:
            others = sorted({text.to for text in self.received})
            raise NoText(f"nothing new for {number} within {within_s:.0f} s; texts went to {others}") from None
        self._taken[number] += 1
        return self.texts_to(number)[self._taken[number] - 1]

    def texts_to(self, number: str) -> list[Text]:
        """All texts the handset `number` has received."""
        return [text for text in self.received if text.to == number]

    async def send(self, number: str, text: str, to: str = "12345") -> None:
        """The citizen at `number` sends a text; returns when the gateway took all of it. Raises NotBound."""
        for esm_class, data in smpp.split(text, next(self._references)):
            await self._deliver(smpp.ShortMessage(number, to, data, smpp.UCS2, esm_class))

    async def release(self, number: str) -> None:
        """Send the receipts that were held back for this number."""
        self.held.discard(number)
        for message, message_id, reached in self._held.pop(number, []):
            await self._receipt(message, message_id, reached)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        connection = _Connection(writer)
        self._connections.append(connection)
        try:
            while True:
                header = await reader.readexactly(smpp.HEADER.size)
                rest = await reader.readexactly(smpp.length_of(header) - len(header))
                await self._take(connection, smpp.decode(header + rest))
        except (asyncio.IncompleteReadError, ConnectionError, smpp.BadUnit):
            return
        finally:
            self._tasks.discard(task)
            await self._lost(connection)

    async def _take(self, connection: _Connection, unit: smpp.Unit) -> None:
        if unit.command & smpp.RESPONSE:
            if waiting := connection.waiting.pop(unit.sequence, None):
                waiting.set_result(unit)
        elif unit.command in smpp.BINDS:
            await self._bind(connection, unit)
        elif unit.command == Command.ENQUIRE_LINK:
            _send(connection, unit.answer())
        elif unit.command == Command.SUBMIT_SM and connection is self._bound:
            await self._submit(connection, unit)
        elif unit.command == Command.UNBIND:
            _send(connection, unit.answer())
            connection.writer.close()
        else:
            _send(connection, unit.answer(status=Status.INVALID_COMMAND))

    async def _bind(self, connection: _Connection, unit: smpp.Unit) -> None:
        if smpp.bind_credentials(unit.body) != self._credentials:
            _send(connection, unit.answer(status=Status.WRONG_PASSWORD))
            return
        _send(connection, unit.answer(b"carrier\0"))
        async with self._news:
            self._bound = connection
            self._news.notify_all()

    async def _submit(self, connection: _Connection, unit: smpp.Unit) -> None:
        message = smpp.short_message(unit.body)
        self.submits.append(message)
        if message.destination in self.unanswered:
            return
        if message.destination in self.rejected:
            _send(connection, unit.answer(status=Status.SUBMIT_FAILED))
            return
        message_id = f"m{next(self._message_ids)}"
        _send(connection, unit.answer(message_id.encode() + b"\0"))
        reached = message.destination not in self.undeliverable
        if reached:
            await self._receive(message)
        if not message.receipt_wanted or message.destination in self.unconfirmed:
            return
        if message.destination in self.held:
            self._held[message.destination].append((message, message_id, reached))
            return
        self._in_background(self._receipt(message, message_id, reached))

    async def _receive(self, message: smpp.ShortMessage) -> None:
        part = smpp.part_of(message)
        key = (message.source, message.destination, part.reference)
        self._parts[key][part.number] = part.text
        if len(self._parts[key]) < part.total:
            return
        parts = self._parts.pop(key)
        whole = "".join(parts[number] for number in sorted(parts))
        async with self._news:
            self.received.append(Text(message.source, message.destination, whole, part.total))
            self._news.notify_all()

    async def _receipt(self, message: smpp.ShortMessage, message_id: str, reached: bool) -> None:
        """Tell the gateway what became of a text (SMPP 3.4, appendix B)."""
        now = datetime.now(UTC).strftime("%y%m%d%H%M")
        state, error = ("DELIVRD", "000") if reached else ("UNDELIV", "001")
        text = (
            f"id:{message_id} sub:001 dlvrd:{int(reached):03d} submit date:{now} done date:{now} "
            f"stat:{state} err:{error} text:"
        )
        receipt = smpp.ShortMessage(
            message.destination, message.source, text.encode("ascii"), coding=0, esm_class=smpp.IS_RECEIPT
        )
        with contextlib.suppress(NotBound):
            await self._deliver(receipt)

    async def _deliver(self, message: smpp.ShortMessage) -> None:
        """Send a deliver_sm until the gateway takes it. Raises NotBound when the gateway is away or refuses."""
        for _ in range(TRIES):
            status = await self._offer(message)
            if status not in PASSING:
                break
            await asyncio.sleep(AGAIN_S)
        if status != Status.OK:
            raise NotBound(f"the SMS gateway refused a deliver_sm with status {status:#x}")

    async def _offer(self, message: smpp.ShortMessage) -> int:
        """One deliver_sm; what the gateway says to it."""
        connection = self._bound
        if connection is None:
            raise NotBound("no SMS gateway is connected to the centre")
        unit = smpp.Unit(Command.DELIVER_SM, next(connection.sequence), message.encode())
        answer: asyncio.Future[smpp.Unit] = asyncio.get_running_loop().create_future()
        connection.waiting[unit.sequence] = answer
        _send(connection, unit)
        try:
            return (await asyncio.wait_for(answer, 15)).status
        except TimeoutError:
            raise NotBound("the SMS gateway did not answer a deliver_sm") from None

    def _in_background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _lost(self, connection: _Connection) -> None:
        self._connections.remove(connection)
        connection.writer.close()
        for waiting in connection.waiting.values():
            if not waiting.done():
                waiting.set_exception(NotBound("the SMS gateway went away"))
        if self._bound is connection:
            self._bound = None


def _send(connection: _Connection, unit: smpp.Unit) -> None:
    # Small units to a local reader: the buffer is bounded by what Kannel has in flight (its window is 10).
    connection.writer.write(unit.encode())
