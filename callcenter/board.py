"""The live board: who rings, who talks, what was said just now, fanned out to every browser. The one door to Redis.

Nothing of record lives here: if Redis is wiped or away, calls and tickets go on, and viewers read the tables.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from redis.asyncio import Redis
from redis.exceptions import RedisError

CHANNEL = "callcenter:board"
MAX_BYTES = 64 * 1024
"""A longer event is not told: half of one could be read by nobody."""
AUDITORS = "auditors"
"""Not the form of an extension: supervisors hear it as well, as they hear everything."""
SUPERVISORS = "supervisors"
"""Only those who hear everything: supervisors and administrators."""

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]


@dataclass(frozen=True, slots=True)
class BoardEvent:
    """One thing for screens. `audience`: empty for all signed-in staff; AUDITORS, SUPERVISORS; else an extension."""

    kind: str
    data: Mapping[str, Json]
    audience: str = ""


class BoardAway(Exception):
    """Redis does not answer; the live board stands still until it is back. Calls and tickets are not affected."""


class Board:
    """Publishes and follows. `url`: redis://host:port/0 or unix:///path."""

    def __init__(self, url: str) -> None:
        self._commands = Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)
        # A blocking reader must have no read deadline: redis-py 8 would cut it after 5 s.
        self._followers = Redis.from_url(url, socket_timeout=None, socket_connect_timeout=2)
        self.dropped = 0

    async def publish(self, events: tuple[BoardEvent, ...]) -> None:
        """Tell every screen, best effort: a failure is counted in `dropped`, never raised."""
        told = [data for event in events if len(data := encode(event)) <= MAX_BYTES]
        self.dropped += len(events) - len(told)
        if not told:
            return
        try:
            async with self._commands.pipeline(transaction=False) as pipe:
                for data in told:
                    pipe.publish(CHANNEL, data)
                await pipe.execute()
        except (TimeoutError, RedisError, OSError):
            self.dropped += len(told)

    async def follow(self) -> AsyncIterator[BoardEvent]:
        """Events from now on. Raises BoardAway when the connection is lost; follow again."""
        subscription = self._followers.pubsub()
        try:
            await subscription.subscribe(CHANNEL)
            async for message in subscription.listen():
                event = decode(message["data"]) if message["type"] == "message" else None
                if event is not None:
                    yield event
        except (RedisError, OSError) as error:
            raise BoardAway(str(error)) from error
        finally:
            with suppress(RedisError, OSError):
                await subscription.aclose()  # type: ignore[no-untyped-call]

    async def ping(self) -> None:
        """Raises BoardAway unless Redis answers."""
        try:
            await self._commands.execute_command("PING")  # type: ignore[no-untyped-call]
        except (TimeoutError, RedisError, OSError) as error:
            raise BoardAway(str(error)) from error

    async def close(self) -> None:
        """Close both connections."""
        await self._commands.aclose()
        await self._followers.aclose()


def encode(event: BoardEvent) -> bytes:
    """The event as it goes over the wire: JSON, UTF-8."""
    return json.dumps(
        {"kind": event.kind, "audience": event.audience, "data": event.data}, ensure_ascii=False, default=_plain
    ).encode()


def decode(data: bytes) -> BoardEvent | None:
    """The event from its wire form; None for what is none, whoever published it."""
    try:
        value = json.loads(data)
    except ValueError:
        return None
    match value:
        case {"kind": str(kind), "data": dict(about), "audience": str(audience)}:
            return BoardEvent(kind, about, audience)
    return None


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
