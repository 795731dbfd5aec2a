"""A call as a value: its legs, and who is with whom. PURE.

What is going on (`Situation`) is never stored as a flag of its own but read off who is where, so that a lost event
heals itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from callcenter.call_events import Place
from callcenter.call_facts import Situation
from callcenter.types import CallId, ChannelId, Party

IN, CALLBACK, OUTBOUND = "in", "callback", "outbound"
"""Who began a call: the citizen; us, for one we missed; us, about a ticket."""
_C, _A, _U = Party.CITIZEN, Party.AGENT, Party.UNIT
BESIDE = frozenset({Place.SPY, Place.PHONE_HOLD})
"""What a leg does beside the bridge it is in."""
TOGETHER: Mapping[frozenset[Party], Situation] = {
    frozenset({_C, _A}): Situation.TALKING,
    frozenset({_C, _A, _U}): Situation.THREE_PARTY,
    frozenset({_C, _U}): Situation.WITH_UNIT,
    frozenset({_C}): Situation.ALONE,
}
"""Who shares the citizen's bridge -> the situation; a citizen in a holding bridge is looked at first."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One channel of the call."""

    channel_id: ChannelId
    name: str
    party: Party
    who: str
    created_at: datetime
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    cause: int | None = None
    recorded: bool = True
    """False: the dialplan said that it is not, for want of room."""

    @property
    def is_up(self) -> bool:
        return self.ended_at is None


@dataclass(frozen=True, slots=True)
class Stay:
    """A leg's time in a bridge, or at something beside it: the raw material of who heard whom, when."""

    bridge_id: str
    place: Place
    channel_id: ChannelId
    party: Party
    from_at: datetime
    until_at: datetime | None = None

    @property
    def is_bridge(self) -> bool:
        return self.place not in BESIDE


@dataclass(frozen=True, slots=True)
class Call:
    """Everything known of one conversation. Times aware UTC; None: has not happened."""

    id: CallId
    started_at: datetime
    direction: str = "in"
    queue: str = ""
    request_type: str = ""
    agent: str = ""
    legs: Mapping[ChannelId, Leg] = field(default_factory=dict)
    stays: tuple[Stay, ...] = ()
    answered_at: datetime | None = None
    queued_at: datetime | None = None
    waiting_since: datetime | None = None
    """The newest entry into a queue; queued_at is the first."""
    in_queue: bool = False
    agent_ringing_at: datetime | None = None
    agent_answered_at: datetime | None = None
    callback_asked: str = ""
    menu_outcome: str = ""
    ended_at: datetime | None = None
    exit_reason: str = ""
    shown: Situation = Situation.IN_MENU
    """The last situation told; MOVING is never told."""

    def legs_of(self, party: Party) -> tuple[Leg, ...]:
        """Legs of a party that are up, oldest first."""
        return tuple(leg for leg in self.legs.values() if leg.party == party and leg.is_up)

    @property
    def citizen(self) -> Leg | None:
        """The citizen's leg, up or ended."""
        return next((leg for leg in self.legs.values() if leg.party == Party.CITIZEN), None)

    @property
    def recorded(self) -> bool:
        """Whether this conversation is recorded; decided for all legs when the first one is answered."""
        return all(leg.recorded for leg in self.legs.values())

    @property
    def reached(self) -> bool:
        """Whether a person spoke with the citizen: an agent, or a unit that called about its ticket."""
        return self.agent_answered_at is not None or (self.direction == OUTBOUND and self.answered_at is not None)

    def stay_of(self, channel_id: ChannelId) -> Stay | None:
        """The bridge a leg is in now."""
        own = (s for s in reversed(self.stays) if s.channel_id == channel_id and s.is_bridge)
        return next((s for s in own if s.until_at is None), None)

    @property
    def situation(self) -> Situation:
        """Read off who is where; see TOGETHER."""
        return _situation(self)


def _situation(call: Call) -> Situation:
    if call.ended_at is not None:
        return Situation.ENDED
    citizen = call.citizen
    stay = call.stay_of(citizen.channel_id) if citizen else None
    if stay is None:
        return Situation.MOVING if call.agent_answered_at and not call.in_queue else _waiting(call)
    if stay.place == Place.HOLD:
        return Situation.CONSULTING if call.legs_of(Party.AGENT) else Situation.ON_HOLD
    here = frozenset(s.party for s in call.stays if s.bridge_id == stay.bridge_id and s.until_at is None)
    situation = TOGETHER.get(here & {_C, _A, _U}, Situation.ALONE)
    # The legs of a bridge leave it one by one, and the agent may reach the conference after the citizen.
    if situation == Situation.ALONE and (stay.place == Place.BRIDGE or call.legs_of(_A)):
        return Situation.MOVING
    return situation


def _waiting(call: Call) -> Situation:
    if call.legs_of(Party.AGENT) or call.direction == OUTBOUND:
        return Situation.RINGING
    if call.in_queue:
        return Situation.QUEUED
    return Situation.MOVING if call.queued_at and call.menu_outcome == "queue" else Situation.IN_MENU
