"""Asterisk's side of FastAGI for tests and benches: connects, sends the environment, answers as res_agi.c does.

It stands for Asterisk and the caller's fingers; tests/asterisk proves the same with the real one.
"""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

CALL_ID = "a-1763800000.12"
TOKEN = "test-token-0123456789"

_EVENT = re.compile(r'EXEC UserEvent "([^,"]*),?(.*)"')
_VARIABLE = re.compile(r'SET VARIABLE (\w+) "(.*)"')
_STREAM = re.compile(r'STREAM FILE "(.*)" "(.*)" (\d+)')
SAMPLES = 16000
"""Length of every prompt, as far as this Asterisk is concerned."""


def environment(
    script: str = "ivr", token: str = TOKEN, call_id: str = CALL_ID, arguments: Iterable[str] = (), **more: str
) -> bytes:
    """The block Asterisk sends first. more: further keys without `agi_`."""
    values = {
        "network": "yes",
        "network_script": script,
        "request": f"agi://127.0.0.1:4573/{script}",
        "channel": "PJSIP/trunk-00000001",
        "language": "cn",
        "type": "PJSIP",
        "uniqueid": call_id,
        "version": "22.10.1",
        "callerid": "13800138000",
        "context": "from-trunk",
        "extension": "12345",
        **more,
        **{f"arg_{number}": value for number, value in enumerate([token, *arguments], start=1)},
    }
    return "".join(f"agi_{key}: {value}\n" for key, value in values.items()).encode() + b"\n"


@dataclass
class Caller:
    """What the caller does. keys: one a question: a digit, `timeout` or `hangup`.

    during: prompt -> key pressed (or `hangup`) while it plays, once.
    """

    keys: list[str] = field(default_factory=list)
    during: dict[str, str] = field(default_factory=dict)


@dataclass
class Heard:
    """What the server made of the call. events: (name, fields). played: (prompt, keys that may cut, offset)."""

    variables: dict[str, str] = field(default_factory=dict)
    set_order: list[str] = field(default_factory=list)
    events: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    played: list[tuple[str, str, int]] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    @property
    def prompts(self) -> list[str]:
        return [name for name, _, _ in self.played]

    def of(self, name: str) -> list[dict[str, str]]:
        """The fields of every event of that name."""
        return [fields for event, fields in self.events if event == name]


class AsteriskSide:
    """One call's answers. After a hang-up: HANGUP once, then 511 to all but EXEC and SET VARIABLE."""

    def __init__(self, caller: Caller) -> None:
        self.heard = Heard()
        self._caller = caller
        self._gone = False

    def reply(self, command: str) -> bytes:
        """The bytes Asterisk would send back."""
        self.heard.commands.append(command)
        if match := _EVENT.fullmatch(command):
            fields = dict(part.split(": ", 1) for part in match[2].split(","))
            self.heard.events.append((match[1], fields))
            return b"200 result=0\n"
        if match := _VARIABLE.fullmatch(command):
            self.heard.variables[match[1]] = match[2]
            self.heard.set_order.append(match[1])
            return b"200 result=1\n"
        if self._gone:
            return b"511 result=-1 Command Not Permitted on a dead channel or intercept routine\n"
        if match := _STREAM.fullmatch(command):
            return self._stream(match[1].rsplit("/", 1)[-1], match[2], int(match[3]))
        if command.startswith("WAIT FOR DIGIT "):
            return self._pressed(self._caller.keys.pop(0), "")
        return b"510 Invalid or unknown command\n"

    def _stream(self, prompt: str, keys: str, offset: int) -> bytes:
        self.heard.played.append((prompt, keys, offset))
        key = self._caller.during.get(prompt, "")
        if key and (key == "hangup" or key in keys):
            del self._caller.during[prompt]
            return self._pressed(key, f" endpos={SAMPLES // 2}")
        return f"200 result=0 endpos={SAMPLES}\n".encode()

    def _pressed(self, key: str, rest: str) -> bytes:
        if key == "hangup":
            self._gone = True
            return f"HANGUP\n200 result=-1{rest}\n".encode()
        return f"200 result={0 if key == 'timeout' else ord(key)}{rest}\n".encode()


async def call(port: int, caller: Caller, head: bytes | None = None, host: str = "127.0.0.1") -> Heard:
    """One whole call over TCP; returns when the server closes the connection."""
    reader, writer = await asyncio.open_connection(host, port)
    side = AsteriskSide(caller)
    try:
        writer.write(environment() if head is None else head)
        while line := await reader.readline():
            writer.write(side.reply(line.decode().rstrip("\n")))
    except ConnectionResetError:
        pass
    finally:
        writer.close()
    return side.heard


async def raw(port: int, data: bytes, *, end: bool = False) -> bytes:
    """Send `data` and return all the server sends until it closes. end: half-close after sending."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(data)
        if end:
            writer.write_eof()
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()
