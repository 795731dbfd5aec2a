"""What a channel did, read from AMI or CEL: the input of `callcenter.calls`. PURE."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from callcenter.types import CallId, ChannelId, Party


class Place(StrEnum):
    """What kind of bridge a leg is in."""

    BRIDGE = "bridge"
    CONFERENCE = "conference"
    HOLD = "hold"
    SPY = "spy"
    """No bridge: a supervisor who listens to a channel."""
    PHONE_HOLD = "phone_hold"
    """No bridge of its own: the telephone's hold button. Whoever shares the leg's bridge hears music."""


@dataclass(frozen=True, slots=True)
class CallEvent:
    """Something happened on a channel. at: aware UTC, Asterisk's own clock."""

    call_id: CallId
    channel_id: ChannelId
    at: datetime


@dataclass(frozen=True, slots=True)
class LegSeen(CallEvent):
    """A channel exists. `who`: extension or number it belongs to; for the citizen, the caller's digits."""

    name: str
    party: Party
    who: str = ""


@dataclass(frozen=True, slots=True)
class LegAnswered(CallEvent):
    """The channel is up."""


@dataclass(frozen=True, slots=True)
class LegGone(CallEvent):
    """The channel hung up. cause: Q.850 code."""

    cause: int = 0


@dataclass(frozen=True, slots=True)
class MenuStepped(CallEvent):
    """The caller moved in the IVR; `digits` is empty for silence."""

    menu: str
    step: str
    digits: str = ""


@dataclass(frozen=True, slots=True)
class MenuEnded(CallEvent):
    """The IVR is done. outcome: queue, message or hangup."""

    outcome: str
    queue: str = ""
    request_type: str = ""


@dataclass(frozen=True, slots=True)
class CallbackAsked(CallEvent):
    """The caller pressed the key for a call-back. reason: full, closed, timeout, surge."""

    reason: str


@dataclass(frozen=True, slots=True)
class Queued(CallEvent):
    """The citizen entered a queue."""

    queue: str


@dataclass(frozen=True, slots=True)
class QueueLeft(CallEvent):
    """The citizen left the queue; `abandoned` when by hanging up."""

    queue: str
    abandoned: bool = False


@dataclass(frozen=True, slots=True)
class AgentRinging(CallEvent):
    """The queue rings an agent; channel_id is the agent's leg."""

    agent: str


@dataclass(frozen=True, slots=True)
class AgentRingEnded(CallEvent):
    """The agent did not answer within the queue's time, or declined."""

    agent: str
    rang_s: float


@dataclass(frozen=True, slots=True)
class AgentConnected(CallEvent):
    """The agent answered; channel_id is the agent's leg."""

    agent: str


@dataclass(frozen=True, slots=True)
class BridgeEntered(CallEvent):
    """The leg is in a bridge."""

    bridge_id: str
    place: Place


@dataclass(frozen=True, slots=True)
class BridgeLeft(CallEvent):
    """The leg left a bridge."""

    bridge_id: str


@dataclass(frozen=True, slots=True)
class LegHeld(CallEvent):
    """Somebody pressed hold on the leg's telephone."""


@dataclass(frozen=True, slots=True)
class LegResumed(CallEvent):
    """And took the call up again."""


@dataclass(frozen=True, slots=True)
class SpyStarted(CallEvent):
    """A supervisor listens; channel_id is the supervisor's leg. The live tap is no person and is not told here."""

    spied: ChannelId | None = None
    """None when it is not told: CEL names only who listens; that is always to the agent's leg."""


@dataclass(frozen=True, slots=True)
class SpyEnded(CallEvent):
    """The supervisor stopped listening."""


@dataclass(frozen=True, slots=True)
class RecordingEnded(CallEvent):
    """Asterisk has closed the recording files of a leg. Paths as Asterisk knows them; `mix` may be empty."""

    party: Party
    file: str
    mix: str = ""


@dataclass(frozen=True, slots=True)
class LegUnrecorded(CallEvent):
    """The leg is not recorded: there is no room for recordings. Told before anybody speaks on it."""


@dataclass(frozen=True, slots=True)
class CallOver(CallEvent):
    """CEL's LINKEDID_END, or the call is in no snapshot any more. cause: `normal`, `interrupted`, `reconciled`."""

    cause: str = "normal"
