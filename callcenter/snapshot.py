"""What is true in Asterisk at this moment, asked after a gap in the events.

Only values go out; comparing them with what was known before is the reader's work. Take it while reading the
queue, right after LinkUp: whatever happens meanwhile waits on the queue and is applied afterwards.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from callcenter import metrics
from callcenter.ami import ActionRefused, AmiClient, AmiEvent, MissingHeader
from callcenter.types import CALL_ID_PATTERN, CallId, ChannelId, Party

log = logging.getLogger(__name__)

_NONE = ("No active conferences", "No Conference by that name")


@dataclass(frozen=True, slots=True)
class SeenChannel:
    """One channel. call_id and leg: None when the dialplan set none (yet). state: Asterisk's word (Up, Ringing)."""

    channel_id: ChannelId
    name: str
    linkedid: str
    call_id: CallId | None
    leg: Party | None
    state: str
    application: str
    application_data: str
    bridge_id: str
    """Empty while in no bridge."""


@dataclass(frozen=True, slots=True)
class SeenConferenceMember:
    """One channel in a conference."""

    channel_id: ChannelId
    name: str
    muted: bool


@dataclass(frozen=True, slots=True)
class SeenConference:
    """One running ConfBridge."""

    name: str
    members: tuple[SeenConferenceMember, ...]


@dataclass(frozen=True, slots=True)
class SeenMember:
    """One agent in one queue. status: Asterisk's device state number, 1 free, 2 in use, 3 busy, 5 unavailable,
    6 ringing."""

    interface: str
    name: str
    status: int
    paused: bool
    paused_reason: str
    in_call: bool


@dataclass(frozen=True, slots=True)
class SeenCaller:
    """One caller waiting in a queue; position counts from 1."""

    channel_id: ChannelId
    channel: str
    position: int
    wait_s: int
    priority: int


@dataclass(frozen=True, slots=True)
class SeenQueue:
    """One queue with its members, and its waiting callers by position."""

    name: str
    members: tuple[SeenMember, ...]
    callers: tuple[SeenCaller, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All of it. taken_at: aware UTC, when the first question left."""

    taken_at: datetime
    channels: tuple[SeenChannel, ...]
    conferences: tuple[SeenConference, ...]
    queues: tuple[SeenQueue, ...]

    def channel(self, channel_id: ChannelId) -> SeenChannel | None:
        """The channel of this id, or None when there is none (any more)."""
        return next((channel for channel in self.channels if channel.channel_id == channel_id), None)


async def snapshot(client: AmiClient, *, timeout_s: float = 5) -> Snapshot:
    """Ask for channels, conferences and queues. Raises as AmiClient.action.

    An item that lacks what it must have is left out and counted: one strange caller must not hide all the others.
    """
    taken_at = datetime.now(UTC)
    channels = (await client.action("CoreShowChannels", timeout_s=timeout_s)).items
    rooms = _readable(lambda room: room.need("Conference"), await _items(client, "ConfbridgeListRooms", (), timeout_s))
    conferences = [
        seen_conference(name, await _items(client, "ConfbridgeList", [("Conference", name)], timeout_s))
        for name in rooms
    ]
    queues = (await client.action("QueueStatus", timeout_s=timeout_s)).items
    return Snapshot(taken_at, _readable(seen_channel, channels), tuple(conferences), seen_queues(queues))


T = TypeVar("T")


def _readable(read: Callable[[AmiEvent], T], items: Iterable[AmiEvent]) -> tuple[T, ...]:
    seen: list[T] = []
    for item in items:
        try:
            seen.append(read(item))
        except MissingHeader as error:
            metrics.AMI_DROPPED.labels("snapshot", "malformed").inc()
            log.warning("item of an AMI list left out", extra={"reason": str(error)})
    return tuple(seen)


async def _items(
    client: AmiClient, action: str, fields: Sequence[tuple[str, str]], timeout_s: float
) -> tuple[AmiEvent, ...]:
    try:
        return (await client.action(action, fields, timeout_s=timeout_s)).items
    except ActionRefused as refused:
        # Asterisk answers "none" with an error; a conference may also end between the two questions.
        if refused.message.startswith(_NONE):
            return ()
        raise


def seen_channel(item: AmiEvent) -> SeenChannel:
    """One CoreShowChannel item. Raises MissingHeader."""
    call_id, leg = item.variable("CALL_ID"), item.variable("LEG")
    return SeenChannel(
        channel_id=ChannelId(item.need("Uniqueid")),
        name=item.need("Channel"),
        linkedid=item.need("Linkedid"),
        call_id=CallId(call_id) if CALL_ID_PATTERN.fullmatch(call_id) else None,
        leg=Party(leg) if leg in set(Party) else None,
        state=item.need("ChannelStateDesc"),
        application=item.get("Application"),
        application_data=item.get("ApplicationData"),
        bridge_id=item.get("BridgeId"),
    )


def seen_conference(name: str, items: Iterable[AmiEvent]) -> SeenConference:
    """The ConfbridgeList items of one conference."""
    return SeenConference(name, _readable(_seen_conference_member, items))


def _seen_conference_member(item: AmiEvent) -> SeenConferenceMember:
    return SeenConferenceMember(ChannelId(item.need("Uniqueid")), item.need("Channel"), item.get("Muted") == "Yes")


def seen_queues(items: Sequence[AmiEvent]) -> tuple[SeenQueue, ...]:
    """The QueueStatus items of every queue."""
    names = [item.get("Queue") for item in items if item.name == "QueueParams"]
    return tuple(_seen_queue(name, [item for item in items if item.get("Queue") == name]) for name in names)


def _seen_queue(name: str, items: Sequence[AmiEvent]) -> SeenQueue:
    callers = _readable(_seen_caller, (item for item in items if item.name == "QueueEntry"))
    return SeenQueue(
        name,
        members=_readable(_seen_member, (item for item in items if item.name == "QueueMember")),
        callers=tuple(sorted(callers, key=lambda caller: caller.position)),
    )


def _seen_member(item: AmiEvent) -> SeenMember:
    return SeenMember(
        interface=item.need("Location"),
        name=item.need("Name"),
        status=_number(item, "Status"),
        paused=item.need("Paused") == "1",
        paused_reason=item.get("PausedReason"),
        in_call=item.get("InCall") == "1",
    )


def _seen_caller(item: AmiEvent) -> SeenCaller:
    return SeenCaller(
        channel_id=ChannelId(item.need("Uniqueid")),
        channel=item.need("Channel"),
        position=_number(item, "Position"),
        wait_s=_number(item, "Wait"),
        priority=_number(item, "Priority"),
    )


def _number(item: AmiEvent, key: str) -> int:
    text = item.need(key)
    return int(text) if text.isascii() and text.isdigit() else 0
