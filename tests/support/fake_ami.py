"""An Asterisk Manager Interface for tests: speaks the real protocol over TCP, and misbehaves on request.

It stands for the outside world only: banner, Login, replies, lists and events are bytes as Asterisk 22 sends
them. It can cut what it sends at any byte, refuse the login, fall silent, close in the middle of a message, and
drop a reader that does not read, as Asterisk does after `writetimeout`.
"""

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

END = b"\r\n\r\n"
BANNER = b"Asterisk Call Manager/11.0.0\r\n"


@dataclass
class Action:
    """One action as it arrived: headers in order, and its bytes without the end."""

    raw: bytes
    headers: list[tuple[str, str]]

    @property
    def name(self) -> str:
        return self.get("Action")

    @property
    def id(self) -> str:
        return self.get("ActionID")

    def get(self, key: str) -> str:
        return next((value for name, value in self.headers if name == key), "")


def message(*headers: tuple[str, str]) -> bytes:
    """One AMI message with its end."""
    return b"".join(f"{key}: {value}\r\n".encode() for key, value in headers) + b"\r\n"


def event(name: str, *headers: tuple[str, str]) -> bytes:
    """One event as timestampevents=yes sends it."""
    start = (("Event", name), ("Privilege", "call,all"), ("Timestamp", "1795364880.581092"))
    return message(*start, *headers)


def success(action: Action, text: str = "") -> bytes:
    return message(("Response", "Success"), ("ActionID", action.id), ("Message", text))


def error(action: Action, text: str) -> bytes:
    return message(("Response", "Error"), ("ActionID", action.id), ("Message", text))


def listing(action: Action, items: Iterable[bytes], complete: str) -> bytes:
    """A list reply. items: messages made by `event`-like bytes that already carry the ActionID."""
    start = message(
        ("Response", "Success"), ("ActionID", action.id), ("EventList", "start"), ("Message", "list will follow")
    )
    end = message(("Event", complete), ("ActionID", action.id), ("EventList", "Complete"), ("ListItems", "0"))
    return start + b"".join(items) + end


Answer = Callable[[Action], bytes]


@dataclass
class FakeAmi:
    """`async with FakeAmi() as fake:` listens on a free loopback port. Change its fields at any time."""

    username: str = "events"
    secret: str = "s3cret"
    answers: dict[str, Answer] = field(default_factory=dict)
    """Action name -> its reply; without one, Login, Ping and everything else succeed."""
    silent: bool = False
    """Takes everything, answers nothing."""
    chunk_bytes: int = 0
    """Send in pieces of so many bytes, each in its own TCP segment; 0: as it comes."""
    banner: bytes = BANNER
    write_timeout_s: float = 5.0
    """A reader that takes nothing for so long is dropped, as manager.conf's writetimeout."""
    port: int = 0
    actions: list[Action] = field(default_factory=list)
    received: bytes = b""
    logins: int = 0
    dropped_a_reader: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._news = asyncio.Condition()
        self._writers: list[asyncio.StreamWriter] = []
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "FakeAmi":
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def listen(self) -> None:
        """Start, or start again on the same port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """As a killed Asterisk: the port is closed and every connection broken."""
        if self._server is not None:
            self._server.close()
            self.cut()
            await self._server.wait_closed()
            self._server = None

    def cut(self) -> None:
        """Break every connection at once."""
        for writer in self._writers:
            writer.transport.abort()

    async def send(self, data: bytes) -> None:
        """Bytes to every connected client. A client that does not read is dropped after write_timeout_s."""
        for writer in list(self._writers):
            await self._write(writer, data)

    async def until(self, condition: "Callable[[FakeAmi], bool]", timeout_s: float = 10) -> None:
        """Wait until `condition(fake)` holds. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s), self._news:
            await self._news.wait_for(lambda: condition(self))

    async def seen(self, name: str, count: int = 1) -> Action:
        """The count-th action of that name, waiting for it if need be."""
        await self.until(lambda fake: len(fake.named(name)) >= count)
        return self.named(name)[count - 1]

    @property
    def connections(self) -> int:
        return len(self._writers)

    def named(self, name: str) -> list[Action]:
        return [action for action in self.actions if action.name == name]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        try:
            await self._write(writer, self.banner)
            while True:
                raw = await reader.readuntil(END)
                await self._take(raw, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.remove(writer)
            writer.close()
            await self._tell()

    async def _take(self, raw: bytes, writer: asyncio.StreamWriter) -> None:
        lines = raw[: -len(END)].decode().split("\r\n")
        action = Action(raw[: -len(END)], [tuple(line.split(": ", 1)) for line in lines])  # type: ignore[misc]
        self.received += raw
        self.actions.append(action)
        if not self.silent:
            await self._write(writer, self._answer(action))
        await self._tell()

    def _answer(self, action: Action) -> bytes:
        if action.name in self.answers:
            return self.answers[action.name](action)
        if action.name == "Login":
            if (action.get("Username"), action.get("Secret")) != (self.username, self.secret):
                return error(action, "Authentication failed")
            self.logins += 1
            return success(action, "Authentication accepted")
        if action.name == "Ping":
            return message(("Response", "Success"), ("ActionID", action.id), ("Ping", "Pong"))
        return success(action)

    async def _write(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        size = self.chunk_bytes or max(1, len(data))
        try:
            for start in range(0, len(data), size):
                writer.write(data[start : start + size])
                async with asyncio.timeout(self.write_timeout_s):
                    await writer.drain()
                if self.chunk_bytes:
                    await asyncio.sleep(0)  # the client's turn: it must see each piece by itself
        except TimeoutError:
            writer.transport.abort()
            self.dropped_a_reader.set()

    async def _tell(self) -> None:
        async with self._news:
            self._news.notify_all()


@contextmanager
def in_a_thread(fake: FakeAmi) -> Iterator[asyncio.AbstractEventLoop]:
    """Run `fake` in a loop of its own, so that it goes on while the test's loop is blocked. Yields that loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="fake-ami", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(fake.listen(), loop).result(10)
        yield loop
    finally:
        asyncio.run_coroutine_threadsafe(fake.stop(), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def numbered(count: int, name: str = "Newchannel") -> list[bytes]:
    """`count` events of one name whose header No counts from 1."""
    return [event(name, ("No", str(number))) for number in range(1, count + 1)]
