"""One AMI link: panoramisk from connect to loss, with its defects replaced.

The only door to panoramisk. panoramisk connects, logs in, keeps the waiting actions and runs the ping timer; the
subclasses here replace what its 1.4 does wrongly: it decodes bytes wherever TCP cut them, writes any line break
it is given, sends old actions again after a reconnect, lets futures wait for ever, drops the link when a handler
fails, and never looks for a missing pong. `callcenter.ami` is what the rest of the product uses.
"""

import asyncio
import logging
import socket
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from panoramisk import Manager
from panoramisk.actions import Action
from panoramisk.ami_protocol import AMIProtocol
from panoramisk.message import Message

from callcenter import metrics
from callcenter.ami_queue import ActionRefused, ActionTimeout, AmiUnavailable, LinkLost
from callcenter.ami_wire import (
    ACTIONS,
    LOGIN,
    AmiEvent,
    BadMessage,
    Framer,
    encode_action,
    parse_headers,
)

log = logging.getLogger(__name__)

_NOTHING: Mapping[bytes, str] = {}


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """Where to connect and as whom; wanted: names of the events passed on, by their first line (`Event: Hangup`)."""

    host: str
    port: int
    username: str
    secret: str = field(repr=False)
    wanted: Mapping[bytes, str]
    ping_interval_s: float

    def check(self) -> None:
        """Raises BadField when user or secret could not be written to AMI."""
        encode_action("Login", "-", [("Username", self.username), ("Secret", self.secret)], LOGIN)


@dataclass(frozen=True, slots=True)
class AmiResponse:
    """Asterisk's answer to an action; fields as AmiEvent.fields."""

    ok: bool
    message: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer, and for a list action its items without the closing ...Complete."""

    response: AmiResponse
    items: tuple[AmiEvent, ...] = ()


class Sent(Action):  # type: ignore[misc]  # panoramisk has no types
    """One action on its way. Its future gets the response, or [response, items..., Complete]."""

    def __init__(
        self,
        name: str,
        fields: Sequence[tuple[str, str]] = (),
        allowed: Mapping[str, frozenset[str]] = ACTIONS,
    ) -> None:
        action_id = str(uuid.uuid4())
        wire = encode_action(name, action_id, fields, allowed)
        super().__init__({"Action": name, "ActionID": action_id})
        self.name = name
        self.wire = wire

    def add_message(self, message: Any) -> bool:
        """Take one message that carries our ActionID. True when it was the last.

        panoramisk guesses from the answer's text whether a list follows, and waits for ever after QueueAdd.
        """
        self.responses.append(message)
        listed = message.get("EventList", "").lower()
        if listed == "start" or ("Event" in message and listed not in ("complete", "cancelled")):
            return False
        if not self.future.done():
            self.future.set_result(self.responses)
        return True

    def fail(self, error: Exception) -> None:
        """No answer will come."""
        fail_quietly(self.future, error)


class SentOriginate(Sent):
    """An Originate waits twice: for "queued", and for the OriginateResponse that says how it ended."""

    def __init__(self, fields: Sequence[tuple[str, str]]) -> None:
        super().__init__("Originate", fields)
        self.outcome: asyncio.Future[AmiEvent] = asyncio.get_running_loop().create_future()

    def add_message(self, message: Any) -> bool:
        """As Sent.add_message; the OriginateResponse is an Event with a Response header, and may come first."""
        if message.get("Event") != "OriginateResponse":
            super().add_message(message)
            return bool(not message.success or self.outcome.done())
        if not self.outcome.done():
            self.outcome.set_result(message.parsed)
        return bool(self.future.done())

    def fail(self, error: Exception) -> None:
        """No answer will come, neither of the two."""
        super().fail(error)
        fail_quietly(self.outcome, error)


def fail_quietly(future: "asyncio.Future[Any]", error: Exception) -> None:
    """Fail a future which perhaps nobody awaits: asyncio would complain about that when it is collected."""
    if not future.done():
        future.set_exception(error)
        future.exception()


class LinkProtocol(AMIProtocol):  # type: ignore[misc]
    """Bytes to messages; only events somebody wants, and answers somebody waits for, are parsed at all."""

    responses: dict[str, Sent]

    def __init__(self, link: "Link") -> None:
        self.link = link
        self.framer = Framer()
        self.cause = ""
        self.heard_at_s = link.loop.time()

    def connection_made(self, transport: Any) -> None:
        """asyncio: the TCP connection is there."""
        super().connection_made(transport)
        _notice_a_cut_cable(transport.get_extra_info("socket"))

    def data_received(self, data: bytes) -> None:
        """asyncio: bytes, cut anywhere."""
        self.heard_at_s = self.link.loop.time()
        try:
            messages = self.framer.feed(data)
        except BadMessage as error:
            self.drop(str(error))
            return
        received_at = datetime.now(UTC)
        wanted = self.link.settings.wanted if self.link.open else _NOTHING
        events: list[AmiEvent] = []
        waiting, received = self.responses, AmiEvent.received
        for message in messages:
            try:
                name = wanted.get(message.partition(b"\r")[0])
                if name is not None:
                    events.append(received(name, message, received_at))
                elif message[:7] != b"Event: ":
                    self._take_rare(message, received_at)
                    continue
                if waiting and b"\r\nActionID: " in message:
                    self._take_rare(message, received_at)
            except BadMessage as error:
                self.link.count_dropped("malformed")
                log.warning("AMI message dropped", extra={"reason": str(error), "size_bytes": len(message)})
        self._pass_on(events, len(messages))

    def _take_rare(self, message: bytes, received_at: datetime) -> None:
        """An answer, an item of a list, or what has no business here."""
        fields = parse_headers(message)
        if "Event" not in fields and "Response" not in fields:
            raise BadMessage("neither event nor response")
        if not self._answer(fields, received_at) and "Event" not in fields:
            self.link.count_dropped("late")

    def _pass_on(self, events: list[AmiEvent], messages: int) -> None:
        try:
            self.link.on_events(events, messages)
        except Exception:
            # What the failing handler took of these is not known: show a gap rather than lose events unseen.
            log.exception("AMI event handler failed")
            self.link.count_dropped("handler")
            self.drop("event handler failed")

    def _answer(self, fields: Mapping[str, str], received_at: datetime) -> bool:
        """Hand a response or a list item to the action that waits for it. False when none does."""
        if fields.get("ActionID") not in self.responses:
            return False
        message = Message(fields)
        message.parsed = AmiEvent(fields.get("Event", ""), fields, received_at, received_at)
        self.handle_message(message)
        return True

    def send(self, data: Any, as_list: bool = False) -> Any:
        """Write one action and return its future. panoramisk's own Login comes as a dict, checked like all."""
        sent = data if isinstance(data, Sent) else _login(data)
        if self.closed:
            raise AmiUnavailable(f"no AMI link: {self.cause}")
        self.responses[sent.id] = sent
        self.transport.write(sent.wire)
        return sent.future

    def forget(self, sent: Sent) -> None:
        """Nobody waits any more; an answer that still comes is counted as late."""
        self.responses.pop(sent.id, None)

    def close(self) -> None:
        """Fail what waits; panoramisk would keep it and send it again over the next link."""
        waiting = list(self.responses.values())
        self.responses.clear()
        super().close()
        for sent in waiting:
            sent.fail(LinkLost(datetime.now(UTC), self.cause))

    def drop(self, cause: str) -> None:
        """End the link now, whatever is still buffered."""
        self.cause = self.cause or cause
        self.close()
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the TCP connection is gone."""
        self.cause = self.cause or (f"connection broke: {exc}" if exc else "Asterisk closed the connection")
        self.close()
        self.link.end(self.cause)


def _login(data: Mapping[str, str]) -> Sent:
    return Sent("Login", [(key, value) for key, value in data.items() if key != "Action"], LOGIN)


def _notice_a_cut_cable(sock: socket.socket) -> None:
    # Plain TCP did not notice a cut cable in 45 s; keepalive 5/2/3 did in 9.3 s, the user timeout in 10.0 s.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        ("TCP_KEEPIDLE", 5),
        ("TCP_KEEPINTVL", 2),
        ("TCP_KEEPCNT", 3),
        ("TCP_USER_TIMEOUT", 10_000),
    ):
        if hasattr(socket, option):  # Linux has all four
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


class Link(Manager):  # type: ignore[misc]
    """One TCP link from connect to loss. It never reconnects: AmiClient makes a new one.

    open: set by the owner; from then on on_events gets the wanted events of each read, in order, and the number of
    messages they were picked from. ended: resolves to the cause of the loss.
    """

    def __init__(self, settings: LinkSettings, on_events: Callable[[list[AmiEvent], int], None]) -> None:
        super().__init__(
            host=settings.host,
            port=settings.port,
            username=settings.username,
            secret=settings.secret,
            loop=asyncio.get_running_loop(),
            protocol_factory=lambda: LinkProtocol(self),
            log=log,
        )
        self.settings = settings
        self.on_events = on_events
        self.open = False
        self._dropped = False
        self.login_reply: asyncio.Future[AmiEvent] = self.loop.create_future()
        self.ended: asyncio.Future[str] = self.loop.create_future()
        self.ping_delay = self.ping_interval = settings.ping_interval_s  # panoramisk rounds to whole seconds
        self._ping: Sent | None = None
        self._pinged_at_s = self._ticked_at_s = self.loop.time()

    def connection_made(self, f: Any) -> None:
        """panoramisk's callback of connect(): log in. A failed connect is told to whoever awaits connect()."""
        if f.cancelled() or f.exception():
            return
        transport, protocol = f.result()
        if self._dropped or protocol.closed:
            transport.abort()
            return
        super().connection_made(f)
        self.pinger.cancel()  # before the login no ping is answered

    def login(self, future: Any) -> bool:
        """panoramisk's callback of Login; starts the ping timer."""
        if future.cancelled() or future.exception() or self.login_reply.done():
            return False
        (message,) = future.result()
        self.authenticated = bool(message.success)
        self._ticked_at_s = self.loop.time()
        self.pinger = self.loop.call_later(self.ping_delay, self.ping)
        self.login_reply.set_result(message.parsed)
        return self.authenticated

    def ping(self) -> None:
        """panoramisk's timer, as a watchdog: no pong, and not one byte, for a whole interval ends the link."""
        now_s = self.loop.time()
        stood_still = now_s - self._ticked_at_s > 2 * self.ping_interval
        self._ticked_at_s = now_s
        self.pinger = self.loop.call_later(self.ping_interval, self.ping)
        unanswered = self._ping is not None and not self._ping.future.done()
        if stood_still:
            # This process slept, and the answer may be in the socket: judge one interval later.
            metrics.AMI_STALLS.labels(self.settings.username).inc()
            log.warning("event loop stood still between two AMI pings")
        elif unanswered and self._silent(now_s):
            self.protocol.drop(f"no pong for {now_s - self._pinged_at_s:.1f} s")
            return
        if not unanswered:
            self._ping, self._pinged_at_s = Sent("Ping"), now_s
            self.protocol.send(self._ping)

    def _silent(self, now_s: float) -> bool:
        # Events that keep coming excuse a late pong, which waits behind them, but not for ever.
        quiet = now_s - self.protocol.heard_at_s >= self.ping_interval
        return bool(quiet or now_s - self._pinged_at_s >= 5 * self.ping_interval)

    def end(self, cause: str) -> None:
        """The connection is gone."""
        if self.pinger:
            self.pinger.cancel()
        fail_quietly(self.login_reply, LinkLost(datetime.now(UTC), cause))
        if not self.ended.done():
            self.ended.set_result(cause)

    def drop(self, cause: str) -> None:
        """End the link on purpose, at any moment of its life."""
        self._dropped = True
        if self.protocol is not None:
            self.protocol.drop(cause)

    def count_dropped(self, reason: str) -> None:
        """A message was not passed on."""
        metrics.AMI_DROPPED.labels(self.settings.username, reason).inc()

    async def ask(self, sent: Sent, timeout_s: float) -> Reply:
        """Send and wait. Raises ActionRefused, ActionTimeout, LinkLost, AmiUnavailable."""
        first, *rest = [message.parsed for message in await self.wait(sent, self.protocol.send(sent), timeout_s)]
        response = AmiResponse(first.get("Response") in ("Success", "Goodbye"), first.get("Message"), first.fields)
        if not response.ok:
            raise ActionRefused(sent.name, response.message)
        return Reply(response, tuple(rest[:-1]))

    async def wait(self, sent: Sent, future: "asyncio.Future[Any]", timeout_s: float) -> Any:
        """The future's result. Raises ActionTimeout, LinkLost."""
        try:
            async with asyncio.timeout(timeout_s):
                return await future
        except TimeoutError:
            raise ActionTimeout(f"no answer to {sent.name} in {timeout_s:g} s") from None
        finally:
            if not future.done() or future.cancelled():
                self.protocol.forget(sent)
