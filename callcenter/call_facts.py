"""What became true of a call: the output of `callcenter.calls`, told once each. PURE."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from callcenter.types import CallId, ChannelId, Party


class Situation(StrEnum):
    """What is going on, as an agent would say it."""

    IN_MENU = "in_menu"
    QUEUED = "queued"
    RINGING = "ringing"
    TALKING = "talking"
    CONSULTING = "consulting"
    THREE_PARTY = "three_party"
    WITH_UNIT = "with_unit"
    ON_HOLD = "on_hold"
    ALONE = "alone"
    MOVING = "moving"
    """Between two bridges, for some milliseconds; never shown."""
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Fact:
    """Something became true of a call; past tense, told once."""

    call_id: CallId
    at: datetime


@dataclass(frozen=True, slots=True)
class CallStarted(Fact):
    """A citizen's call reached us. caller: digits, empty when withheld."""

    caller: str
    direction: str


@dataclass(frozen=True, slots=True)
class CallAnswered(Fact):
    """Asterisk answered the citizen."""


@dataclass(frozen=True, slots=True)
class MenuStepTaken(Fact):
    menu: str
    step: str
    digits: str


@dataclass(frozen=True, slots=True)
class MenuDone(Fact):
    outcome: str
    queue: str
    request_type: str


@dataclass(frozen=True, slots=True)
class CallbackWanted(Fact):
    reason: str


@dataclass(frozen=True, slots=True)
class CallQueued(Fact):
    queue: str


@dataclass(frozen=True, slots=True)
class AgentRang(Fact):
    agent: str


@dataclass(frozen=True, slots=True)
class AgentMissedRing(Fact):
    agent: str
    rang_s: float


@dataclass(frozen=True, slots=True)
class AgentAnswered(Fact):
    """The citizen reached a person. wait_s: from queue entry to the agent's answer."""

    agent: str
    channel_id: ChannelId
    wait_s: float


@dataclass(frozen=True, slots=True)
class SituationChanged(Fact):
    before: Situation
    after: Situation


@dataclass(frozen=True, slots=True)
class LegJoined(Fact):
    """A unit's or supervisor's leg answered, or is back."""

    channel_id: ChannelId
    party: Party
    who: str


@dataclass(frozen=True, slots=True)
class LegLeft(Fact):
    """A leg other than the citizen's hung up. answered: whether it ever was up."""

    channel_id: ChannelId
    party: Party
    who: str
    cause: int
    answered: bool


@dataclass(frozen=True, slots=True)
class CitizenLeft(Fact):
    """The citizen hung up. others: legs of agents and units still up, which nobody else will end."""

    others: tuple[ChannelId, ...]


@dataclass(frozen=True, slots=True)
class CitizenStranded(Fact):
    """The citizen is on hold or alone and nobody is left who would come back."""

    channel_id: ChannelId
    others: tuple[ChannelId, ...]
    had_unit: bool
    """True when they had been talking to somebody to the end: say goodbye. False: back to the queue."""


@dataclass(frozen=True, slots=True)
class RecordingFinished(Fact):
    channel_id: ChannelId
    party: Party
    file: str
    mix: str


@dataclass(frozen=True, slots=True)
class RecordingWithheld(Fact):
    """A leg is not recorded (未录音), for want of room."""

    channel_id: ChannelId
    party: Party


@dataclass(frozen=True, slots=True)
class CallMissed(Fact):
    """Nobody spoke to the citizen. reason: abandoned, ivr_drop, full, closed, timeout, surge, interrupted."""

    queue: str
    reason: str
    asked: bool


@dataclass(frozen=True, slots=True)
class CallEnded(Fact):
    exit_reason: str
