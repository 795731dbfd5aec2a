"""FastAGI, the server's side: Asterisk connects once a call and does what we tell it, line by line.

Written for the case that a caller put something into the text Asterisk sends us: the environment is read with
limits and refused at the first oddity, the token must be right, what we send is made of allow-listed names and
values without quoting characters. A refused connection costs the caller nothing: the dialplan goes on to the queue.

Source: https://docs.asterisk.org, "Asterisk Gateway Interface (AGI)"; replies as res_agi.c of Asterisk 22 writes them.
"""

import asyncio
import contextlib
import hmac
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address

logger = logging.getLogger(__name__)

MAX_ENVIRONMENT_BYTES = 16 * 1024
ENVIRONMENT_TIMEOUT_S = 5.0
# Longer than any menu: 2 questions, 5 times put, 60 s of prompt each. A session beyond it hangs.
SESSION_TIMEOUT_S = 900.0
MAX_SESSIONS = 1000
MAX_VALUE = 200
MAX_PATH = 500

SETTABLE = frozenset({"ROUTE", "QUEUE", "QUEUE_PRIO", "REQUEST_TYPE"})
"""Channel variables we may set; the dialplan reads no others from us."""
EXECUTABLE = frozenset({"UserEvent"})

_ENVIRONMENT_LINE = re.compile(r"(agi_[a-z0-9_]{1,40}):[ ]?(.*)")
_REPLY = re.compile(r"200 result=(-?[0-9]{1,10})?(?: \((.*)\))?(?: endpos=([0-9]{1,12}))?", re.DOTALL)
_DTMF = "0123456789*#ABCD"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_EVENT_VALUE = re.compile(r"[\w .:/*#+-]*")


class EnvironmentRefused(Exception):
    """The AGI environment is malformed, too long, too late or not authorised; the connection was closed."""


class CallerGone(Exception):
    """The caller hung up; only reports can still be sent."""


class LinkLost(Exception):
    """The AGI connection is closed or no longer speaks AGI; nothing more can be done for this call here."""


class CommandRefused(Exception):
    """Asterisk does not know the AGI command or its usage; menu and Asterisk version do not fit."""


class UnsafeValue(ValueError):
    """The value has characters or a length that may not go into an AGI command."""


@dataclass(frozen=True, slots=True)
class Environment:
    """What Asterisk says of the call. arguments: agi_arg_2 onwards; agi_arg_1 was the token."""

    script: str
    unique_id: str
    arguments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """`200 result=<result> (<data>) endpos=<endpos>`; data and endpos '' and 0 when absent."""

    result: int
    data: str = ""
    endpos: int = 0


@dataclass(frozen=True, slots=True)
class Played:
    """digit: the key that cut the prompt short, '' for none. endpos: samples played."""

    digit: str
    endpos: int


@dataclass(slots=True)
class Counts:
    """Connections so far. refused: wrong or over the limit. broken: the link was lost. failed: our own error."""

    accepted: int = 0
    refused: int = 0
    finished: int = 0
    broken: int = 0
    failed: int = 0


def parse_environment(head: bytes, token: str) -> Environment:
    """The environment block up to its empty line.

    Raises EnvironmentRefused on a line that is no `agi_key: value`, on a key that comes twice (an injected line
    would come first), and unless agi_arg_1 equals the token (compared in constant time).
    """
    values: dict[str, str] = {}
    for line in head.decode("utf-8", errors="replace").removesuffix("\n\n").split("\n"):
        match = _ENVIRONMENT_LINE.fullmatch(line)
        if match is None:
            raise EnvironmentRefused("a line is not `agi_key: value`")
        key, value = match.groups()
        if key in values:
            raise EnvironmentRefused("a key stands twice")
        values[key] = value
    if not hmac.compare_digest(values.get("agi_arg_1", "").encode(), token.encode()):
        raise EnvironmentRefused("the token is wrong")
    return Environment(
        script=values.get("agi_network_script", ""),
        unique_id=values.get("agi_uniqueid", ""),
        arguments=_arguments(values),
    )


def parse_reply(line: str) -> Reply:
    """A 200 line. A value in the brackets stays a value, whatever it looks like. Raises LinkLost otherwise."""
    match = _REPLY.fullmatch(line)
    if match is None:
        raise LinkLost("what came is not an AGI reply")
    result, data, endpos = match.groups()
    return Reply(int(result or 0), data or "", int(endpos or 0))


def quoted(value: str, limit: int = MAX_VALUE) -> str:
    """`value` as one AGI word. Raises UnsafeValue on quotes, backslashes, control characters and over-length."""
    if len(value) > limit or any(char in '"\\' or not char.isprintable() for char in value):
        raise UnsafeValue("an AGI value may not hold quotes, backslashes or line breaks")
    return f'"{value}"'


class AgiSession:
    """One call's AGI conversation: one command at a time, each awaited to its reply.

    Every method raises LinkLost; those that need a live caller raise CallerGone.
    """

    def __init__(self, environment: Environment, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.environment = environment
        self._reader = reader
        self._writer = writer
        self._hung_up = False
        self._waiting = False

    async def answer(self) -> None:
        """Answer the channel; nothing happens when it is up already. Raises CallerGone."""
        await self._live("ANSWER")

    async def stream_file(self, path: str, keys: str = "", offset: int = 0) -> Played:
        """Play the sound file (no extension) from sample `offset`; the `keys` cut it short. Raises CallerGone."""
        reply = await self._live(f"STREAM FILE {quoted(path, MAX_PATH)} {quoted(keys)} {int(offset)}")
        return Played(_key(reply), reply.endpos)

    async def get_digit(self, wait_s: float) -> str:
        """The next key, '' after `wait_s` seconds without one. Raises CallerGone."""
        reply = await self._live(f"WAIT FOR DIGIT {int(wait_s * 1000)}")
        return _key(reply)

    async def set_variable(self, name: str, value: str) -> None:
        """Set a channel variable of SETTABLE; works after a hang-up too."""
        if name not in SETTABLE:
            raise UnsafeValue(f"the variable {name} is not for us to set")
        await self._command(f"SET VARIABLE {name} {quoted(value)}")

    async def user_event(self, name: str, fields: Mapping[str, str]) -> None:
        """Send an AMI UserEvent; works after a hang-up too. Values: letters, digits, blank, _ and .:/*#+-"""
        words = [name]
        for key, value in fields.items():
            if not _NAME.fullmatch(key) or not _EVENT_VALUE.fullmatch(value):
                raise UnsafeValue(f"the event field {key[:40]} may not go into a UserEvent")
            words.append(f"{key}: {value}")
        if not _NAME.fullmatch(name):
            raise UnsafeValue("an event name is letters, digits, - and _")
        await self.exec("UserEvent", ",".join(words))

    async def exec(self, application: str, arguments: str) -> None:
        """Run a dialplan application of EXECUTABLE; works after a hang-up too."""
        if application not in EXECUTABLE:
            raise UnsafeValue(f"the application {application} is not for us to run")
        if "${" in arguments or "$[" in arguments:
            raise UnsafeValue("arguments may not hold dialplan expressions")
        # the length limit is per value; a UserEvent carries several
        for part in arguments.split(","):
            quoted(part)
        await self._command(f'EXEC {application} "{arguments}"')

    async def _live(self, command: str) -> Reply:
        if self._hung_up:
            raise CallerGone
        reply = await self._command(command)
        # -1 is hang-up or a failed channel; either way there is nobody to play to.
        if reply.result == -1:
            self._hung_up = True
            raise CallerGone
        return reply

    async def _command(self, line: str) -> Reply:
        # After a cancelled command its reply is still to come and would be taken for the next one's.
        if self._waiting:
            raise LinkLost("a reply is outstanding")
        self._waiting = True
        try:
            self._writer.write(line.encode() + b"\n")
            await self._writer.drain()
            reply = await self._reply()
        except (ConnectionError, ValueError) as error:
            raise LinkLost(str(error)) from error
        except (CommandRefused, CallerGone):
            self._waiting = False
            raise
        self._waiting = False
        return reply

    async def _reply(self) -> Reply:
        while True:
            line = await self._line()
            if line == "HANGUP":
                # Sent once, between a command and its reply or on its own; it answers nothing.
                self._hung_up = True
            elif line.startswith("520-"):
                await self._usage()
                raise CommandRefused("wrong usage of an AGI command")
            elif line.startswith(("510", "520")):
                raise CommandRefused("unknown AGI command")
            elif line.startswith("511"):
                self._hung_up = True
                raise CallerGone
            elif not line.startswith("100 "):
                return parse_reply(line)

    async def _usage(self) -> None:
        for _ in range(100):
            if (await self._line()).startswith("520 "):
                return
        raise LinkLost("a usage text without end")

    async def _line(self) -> str:
        line = await self._reader.readline()
        if not line.endswith(b"\n"):
            raise LinkLost("the connection was closed")
        return line.decode("utf-8", errors="replace").rstrip("\r\n")


Script = Callable[[AgiSession], Awaitable[None]]


class FastAgiServer:
    """Listens on a loopback address and runs one script of `scripts` for each authorised connection.

    start() raises ValueError when `host` is not loopback (AGI has no encryption) or `token` is shorter than 16.
    """

    def __init__(
        self,
        host: str,
        port: int,
        token: str,
        scripts: Mapping[str, Script],
        *,
        max_sessions: int = MAX_SESSIONS,
        environment_timeout_s: float = ENVIRONMENT_TIMEOUT_S,
        session_timeout_s: float = SESSION_TIMEOUT_S,
    ) -> None:
        self.counts = Counts()
        self._host, self._port, self._token, self._scripts = host, port, token, scripts
        self._max_sessions = max_sessions
        self._environment_timeout_s = environment_timeout_s
        self._session_timeout_s = session_timeout_s
        self._server: asyncio.Server | None = None
        self._sessions: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """The port listened on, also when 0 was asked for."""
        return int(self._server.sockets[0].getsockname()[1]) if self._server else self._port

    @property
    def sessions(self) -> int:
        """Connections open now."""
        return len(self._sessions)

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        if not ip_address(self._host).is_loopback:
            raise ValueError(f"{self._host}: the AGI server listens on a loopback address only, e.g. 127.0.0.1")
        if len(self._token) < 16:
            raise ValueError("the AGI token is shorter than 16 characters; generate a longer one")
        self._server = await asyncio.start_server(
            self._connected, self._host, self._port, limit=MAX_ENVIRONMENT_BYTES, backlog=512
        )

    async def stop(self) -> None:
        """Listen no longer and end every session; their callers go on to the queue."""
        if self._server is None:
            return
        self._server.close()
        for task in self._sessions:
            task.cancel()
        await asyncio.gather(*self._sessions, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._sessions) >= self._max_sessions:
            self.counts.refused += 1
            writer.transport.abort()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._sessions.add(task)
        task.add_done_callback(self._sessions.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(self._session_timeout_s):
                await self._run(reader, writer)
            self.counts.finished += 1
        except EnvironmentRefused as refused:
            self.counts.refused += 1
            logger.warning("AGI connection refused", extra={"reason": str(refused)})
        except (LinkLost, TimeoutError) as lost:
            self.counts.broken += 1
            logger.warning("AGI session lost", extra={"reason": str(lost) or "session too long"})
        except Exception:
            # One call's error must not touch the others; its caller goes on to the queue.
            self.counts.failed += 1
            logger.exception("AGI session failed")
        except asyncio.CancelledError:
            # close() would wait for a peer that does not read
            writer.transport.abort()
            raise
        finally:
            writer.close()

    async def _run(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        environment = parse_environment(await self._head(reader), self._token)
        script = self._scripts.get(environment.script)
        if script is None:
            raise EnvironmentRefused("no such script")
        self.counts.accepted += 1
        with contextlib.suppress(CallerGone):
            await script(AgiSession(environment, reader, writer))

    async def _head(self, reader: asyncio.StreamReader) -> bytes:
        try:
            async with asyncio.timeout(self._environment_timeout_s):
                return await reader.readuntil(b"\n\n")
        except TimeoutError:
            raise EnvironmentRefused("the environment came too slowly") from None
        except asyncio.LimitOverrunError:
            raise EnvironmentRefused("the environment is too long") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            raise EnvironmentRefused("the connection was closed before its environment ended") from None


def _key(reply: Reply) -> str:
    """The DTMF key a reply names by its ASCII code, '' for 0. Raises LinkLost on any other number."""
    key = chr(reply.result) if 0 < reply.result < 128 else ""
    if reply.result and (not key or key not in _DTMF):
        raise LinkLost("what came is not a key")
    return key


def _arguments(values: Mapping[str, str]) -> tuple[str, ...]:
    found = []
    number = 2
    while (value := values.get(f"agi_arg_{number}")) is not None:
        found.append(value)
        number += 1
    return tuple(found)
