"""AMI: Asterisk's events in order, and actions through one choke point, over a link that notices its own death.

The client reconnects for ever, waits until Asterisk has loaded its modules, and shows every gap as LinkLost and
LinkUp on the one queue of events; whoever reads it then takes a `callcenter.snapshot`. Nothing is ever sent
twice. panoramisk is the library underneath, in `callcenter.ami_link`.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from callcenter import metrics
from callcenter.ami_link import AmiResponse, Link, LinkSettings, Reply, Sent, SentOriginate
from callcenter.ami_queue import (
    ActionRefused,
    ActionTimeout,
    AmiError,
    AmiUnavailable,
    EventQueue,
    LinkLost,
    LinkUp,
    LoginRefused,
    OutcomeUnknown,
)
from callcenter.ami_wire import AmiEvent, BadField, MissingHeader

__all__ = [
    "ActionRefused",
    "ActionTimeout",
    "AmiClient",
    "AmiError",
    "AmiEvent",
    "AmiResponse",
    "AmiUnavailable",
    "BadField",
    "LinkLost",
    "LinkUp",
    "LoginRefused",
    "MissingHeader",
    "OriginateResult",
    "OutcomeUnknown",
    "Reply",
]

log = logging.getLogger(__name__)

PROBES = ("QueueSummary", "ConfbridgeListRooms")
"""Asterisk 22 accepts a login 0.13 s before its modules are loaded; these are UNKNOWN until they are."""
UNKNOWN = "Invalid/unknown command"
PROBE_PAUSE_S = 0.05
CONNECT_TIMEOUT_S = 5.0
BOOT_TIMEOUT_S = 60.0
ORIGINATE_MARGIN_S = 10.0
"""OriginateResponse comes at most this long after the ringing time is over; later counts as unknown."""
RETRY_S = (0.2, 5.0)
"""Shortest and longest pause before the next connect; in between it grows and is random, so that the processes
of a centre do not come back all at once."""


@dataclass(frozen=True, slots=True)
class OriginateResult:
    """How an Originate ended.

    reason: Asterisk's number: 4 answered, 3 not answered in time, 5 busy, 0 much else, a busy SIP phone among it;
    the true cause is in the Hangup event of channel_id.
    """

    answered: bool
    reason: int
    channel_id: str


class AmiClient:
    """One AMI user's link, kept up. Start it, then read events() in one task and call action() from any."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        username: str,
        secret: str,
        wanted: frozenset[str] = frozenset(),
        queue_size: int = 20_000,
        ping_interval_s: float = 4.0,
    ) -> None:
        """wanted: names of the events that come out of events(); all others are never parsed.

        queue_size: events waiting for the reader before the link is given up as one that events got lost on.
        ping_interval_s: a dead peer is noticed within twice this. Raises BadField for a user or secret that AMI
        cannot carry.
        """
        names = {f"Event: {name}".encode(): name for name in wanted}
        self._settings = LinkSettings(host, port, username, secret, names, ping_interval_s)
        self._settings.check()
        self._queue = EventQueue(queue_size)
        self._link: Link | None = None
        self._failure = AmiUnavailable("the AMI client has not been started")
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._lost_at_s: float | None = None
        self._tries = 0

    @property
    def up(self) -> bool:
        """Is there a link that actions can go over?"""
        return self._link is not None

    async def start(self) -> None:
        """Begin to connect, in the background; see ready()."""
        if self._task is None:
            metrics.AMI_QUEUE_DEPTH.labels(self._settings.username).set_function(lambda: len(self._queue))
            self._failure = AmiUnavailable("the AMI client is connecting")
            self._task = asyncio.create_task(self._keep_connected(), name=f"ami-{self._settings.username}")

    async def ready(self, timeout_s: float) -> None:
        """Returns once the link is up. Raises LoginRefused at the first refusal, AmiUnavailable after timeout_s."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self.up and not isinstance(self._failure, LoginRefused):
                    await self._news.wait()
        self._link_or_raise()

    async def close(self) -> None:
        """End the link and the iteration of events(); actions still waiting raise LinkLost."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self._failure = AmiUnavailable("the AMI client is closed")
        self._queue.close()

    def events(self) -> AsyncIterator[AmiEvent | LinkUp | LinkLost]:
        """Wanted events in Asterisk's order, and the gaps between them, until close(). One reader at a time."""
        return self._queue.items()

    async def action(self, name: str, fields: Sequence[tuple[str, str]] = (), *, timeout_s: float = 5) -> Reply:
        """Ask Asterisk once. fields: in order; a key may repeat (Variable).

        Raises BadField (nothing sent), AmiUnavailable (nothing sent), ActionRefused, and ActionTimeout or LinkLost
        when nobody knows whether it happened.
        """
        sent = self._checked(name, fields)
        return await self._measured(self._link_or_raise(), sent, timeout_s)

    async def originate(
        self,
        *,
        channel: str,
        channel_id: str,
        context: str = "",
        exten: str = "s",
        application: str = "",
        data: str = "",
        caller_id: str = "",
        variables: Sequence[tuple[str, str]] = (),
        ring_timeout_s: float = 30,
        timeout_s: float = 5,
    ) -> OriginateResult:
        """Dial `channel` under the preset channel_id, into context/exten or application(data), and wait how it ends.

        Raises as action(); after LinkLost or ActionTimeout the call may exist: look for channel_id, do not repeat.
        """
        place = [("Application", application), ("Data", data)]
        if context:
            place = [("Context", context), ("Exten", exten), ("Priority", "1")]
        fields = [("Channel", channel), ("ChannelId", channel_id), *place]
        fields += [("CallerID", caller_id), ("Timeout", str(round(ring_timeout_s * 1000)))]
        fields += [("Variable", f"{key}={value}") for key, value in variables]
        sent = self._checked("Originate", [(key, value) for key, value in fields if value])
        assert isinstance(sent, SentOriginate)
        link = self._link_or_raise()
        await self._measured(link, sent, timeout_s)
        event: AmiEvent = await link.wait(sent, sent.outcome, ring_timeout_s + ORIGINATE_MARGIN_S)
        reason = event.get("Reason")
        return OriginateResult(event.get("Response") == "Success", int(reason) if reason.isdecimal() else 0, channel_id)

    # ---- actions -----------------------------------------------------------------------------------------------

    def _checked(self, name: str, fields: Sequence[tuple[str, str]]) -> Sent:
        try:
            return SentOriginate(fields) if name == "Originate" else Sent(name, fields)
        except BadField:
            metrics.AMI_REFUSED_FIELDS.labels(self._settings.username).inc()
            raise

    def _link_or_raise(self) -> Link:
        if self._link is None:
            raise type(self._failure)(*self._failure.args)
        return self._link

    async def _measured(self, link: Link, sent: Sent, timeout_s: float) -> Reply:
        started_s, outcome = time.monotonic(), "lost"
        try:
            reply = await link.ask(sent, timeout_s)
            outcome = "ok"
        except ActionRefused:
            outcome = "refused"
            raise
        except ActionTimeout:
            outcome = "timeout"
            raise
        finally:
            metrics.AMI_ACTION_S.labels(sent.name, outcome).observe(time.monotonic() - started_s)
        return reply

    # ---- events ------------------------------------------------------------------------------------------------

    def _take(self, events: list[AmiEvent], messages: int) -> None:
        user, fitting = self._settings.username, self._queue.put(events)
        metrics.AMI_MESSAGES.labels(user).inc(messages)
        if events:
            metrics.AMI_EVENTS.labels(user).inc(fitting)
            lag = events[-1].received_at - events[-1].at
            metrics.AMI_LAG_S.labels(user).observe(max(0.0, lag.total_seconds()))
        if fitting < len(events):
            metrics.AMI_DROPPED.labels(user, "overflow").inc(len(events) - fitting)
            assert self._link is not None  # an open link passes events
            self._link.drop("listener too slow")

    # ---- the link ----------------------------------------------------------------------------------------------

    async def _keep_connected(self) -> None:
        while True:
            try:
                await self._one_link()
            except (AmiError, OSError) as error:
                self._failed(error)
            except Exception as error:
                log.exception("AMI link failed in a way nobody thought of; trying again")
                self._failed(error)
            await self._queue.until_half_empty()
            shortest_s, longest_s = RETRY_S
            ceiling_s = min(longest_s, shortest_s * 2 ** min(self._tries, 10))
            await asyncio.sleep(random.uniform(shortest_s, ceiling_s))  # noqa: S311  jitter, no secret

    async def _one_link(self) -> None:
        link = Link(self._settings, self._take)
        self._tries += 1
        try:
            await self._connect(link)
            self._opened(link)
            await link.ended
        finally:
            link.drop("closed by us")
            if self._link is link:
                self._closed(link.protocol.cause)

    async def _connect(self, link: Link) -> None:
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                await link.connect()
                answer = await link.login_reply
        except TimeoutError:
            where = f"{self._settings.host}:{self._settings.port}"
            raise AmiUnavailable(f"no AMI answer from {where} in {CONNECT_TIMEOUT_S:g} s") from None
        if not link.authenticated:
            raise LoginRefused(f"Asterisk refused AMI user {self._settings.username}: {answer.get('Message')}")
        await self._until_booted(link)

    async def _until_booted(self, link: Link) -> None:
        deadline_s = time.monotonic() + BOOT_TIMEOUT_S
        for probe in PROBES:
            while not await _is_known(link, probe):
                if time.monotonic() > deadline_s:
                    raise AmiUnavailable(f"Asterisk does not know {probe}; is the module in modules.conf?")
                await asyncio.sleep(PROBE_PAUSE_S)

    def _opened(self, link: Link) -> None:
        since_lost_s = None if self._lost_at_s is None else time.monotonic() - self._lost_at_s
        self._queue.mark(LinkUp(datetime.now(UTC), since_lost_s))
        link.open = True
        self._link, self._tries = link, 0
        metrics.AMI_LINK_UP.labels(self._settings.username).set(1)
        if since_lost_s is not None:
            metrics.AMI_GAP_S.labels(self._settings.username).observe(since_lost_s)
        log.info("AMI link up", extra={"link": self._settings.username, "since_lost_s": since_lost_s})
        self._tell()

    def _closed(self, cause: str) -> None:
        self._link = None
        self._failure = AmiUnavailable(f"AMI link lost: {cause}")
        if self._queue.mark(LinkLost(datetime.now(UTC), cause)):
            self._lost_at_s = time.monotonic()
        metrics.AMI_LINK_UP.labels(self._settings.username).set(0)
        metrics.AMI_GAPS.labels(self._settings.username).inc()
        log.warning("AMI link lost", extra={"link": self._settings.username, "cause": cause})

    def _failed(self, error: Exception) -> None:
        if isinstance(error, LoginRefused):
            metrics.AMI_LOGINS_REFUSED.labels(self._settings.username).inc()
        failure = error if isinstance(error, AmiUnavailable) else AmiUnavailable(f"no AMI link: {error}")
        if str(failure) != str(self._failure):
            log.error("AMI not reachable; trying again", extra={"cause": str(failure)})
        self._failure = failure
        self._tell()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


async def _is_known(link: Link, probe: str) -> bool:
    try:
        await link.ask(Sent(probe), CONNECT_TIMEOUT_S)
    except ActionRefused as refused:
        return UNKNOWN not in refused.message
    return True
