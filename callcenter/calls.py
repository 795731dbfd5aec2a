"""A call as a value: legs, who shares a bridge with whom, and the facts that follow from events. PURE.

The same machine reads AMI events (hints, at once) and CEL rows (the record, after a gap): `advance` accepts
either, in any order between channels, and twice; what it already knows yields no fact. What is going on
(`Situation`) is never stored as a flag of its own but read off who is where, so that a lost event heals itself.

Sources: Asterisk 22 AMI events reference; CEL specification; order across channels is not promised by either.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from callcenter.call_events import (
    AgentConnected,
    AgentRingEnded,
    AgentRinging,
    BridgeEntered,
    BridgeLeft,
    CallbackAsked,
    CallEvent,
    CallOver,
    LegAnswered,
    LegGone,
    LegSeen,
    LegUnrecorded,
    MenuEnded,
    MenuStepped,
    Place,
    Queued,
    QueueLeft,
    RecordingEnded,
    SpyEnded,
    SpyStarted,
)
from callcenter.call_facts import (
    AgentAnswered,
    AgentMissedRing,
    AgentRang,
    CallAnswered,
    CallbackWanted,
    CallEnded,
    CallMissed,
    CallQueued,
    CallStarted,
    CitizenLeft,
    CitizenStranded,
    Fact,
    LegJoined,
    LegLeft,
    MenuDone,
    MenuStepTaken,
    RecordingFinished,
    RecordingWithheld,
    Situation,
    SituationChanged,
)
from callcenter.types import CallId, ChannelId, Party

IN, CALLBACK, OUTBOUND = "in", "callback", "outbound"
"""Who began a call: the citizen; us, for one we missed; us, about a ticket."""
_C, _A, _U = Party.CITIZEN, Party.AGENT, Party.UNIT
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
    """A leg's time in a bridge: the raw material of who heard whom, when."""

    bridge_id: str
    place: Place
    channel_id: ChannelId
    party: Party
    from_at: datetime
    until_at: datetime | None = None


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
        """Where a leg is now."""
        return next((s for s in reversed(self.stays) if s.channel_id == channel_id and s.until_at is None), None)

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


def begin(event: LegSeen, direction: str = "in") -> tuple[Call, tuple[Fact, ...]]:
    """A new call from its first leg."""
    caller = event.who if event.party == Party.CITIZEN else ""
    call, facts = advance(Call(event.call_id, event.at, direction), event)
    return call, (CallStarted(event.call_id, event.at, caller, direction), *facts)


def advance(call: Call, event: CallEvent) -> tuple[Call, tuple[Fact, ...]]:
    """The call after an event, and what became true. A repeated or late event returns the call and no facts."""
    if call.ended_at is not None and not isinstance(event, RecordingEnded):
        return call, ()
    step = STEPS.get(type(event))
    if step is None:
        return call, ()
    call, facts = step(call, event)
    after = call.situation
    if after in (call.shown, Situation.MOVING):
        return call, facts
    changed = SituationChanged(call.id, event.at, call.shown, after)
    call = replace(call, shown=after)
    return call, (*facts, changed, *_stranded(call, event.at))


def _with_leg(call: Call, leg: Leg) -> Call:
    return replace(call, legs={**call.legs, leg.channel_id: leg})


def _leg_seen(call: Call, event: LegSeen) -> tuple[Call, tuple[Fact, ...]]:
    if event.channel_id in call.legs:
        return call, ()
    if event.party == _A:
        call = replace(call, agent_ringing_at=call.agent_ringing_at or event.at)
    return _with_leg(call, Leg(event.channel_id, event.name, event.party, event.who, event.at)), ()


def _leg_answered(call: Call, event: LegAnswered) -> tuple[Call, tuple[Fact, ...]]:
    leg = call.legs.get(event.channel_id)
    if leg is None or leg.answered_at is not None:
        return call, ()
    call = _with_leg(call, replace(leg, answered_at=event.at))
    if leg.party == Party.CITIZEN:
        return _citizen_answered(replace(call, answered_at=event.at), event)
    if leg.party in (Party.UNIT, Party.SUPERVISOR):
        return call, (LegJoined(call.id, event.at, leg.channel_id, leg.party, leg.who),)
    return call, ()


def _citizen_answered(call: Call, event: LegAnswered) -> tuple[Call, tuple[Fact, ...]]:
    facts: tuple[Fact, ...] = (CallAnswered(call.id, event.at),)
    agents = call.legs_of(_A)
    if call.direction == "in" or not agents:
        return call, facts
    # A call-back: the agent is there first, so the citizen's answer is when they meet.
    agent = agents[0]
    call = replace(call, agent=agent.who, agent_answered_at=event.at)
    return call, (*facts, AgentAnswered(call.id, event.at, agent.who, agent.channel_id, 0.0))


def _leg_gone(call: Call, event: LegGone) -> tuple[Call, tuple[Fact, ...]]:
    leg = call.legs.get(event.channel_id)
    if leg is None or leg.ended_at is not None:
        return call, ()
    call = _with_leg(call, replace(leg, ended_at=event.at, cause=event.cause))
    call = replace(call, stays=tuple(_closed(s, event.channel_id, event.at) for s in call.stays))
    if leg.party == Party.CITIZEN:
        others = tuple(x.channel_id for p in (_A, _U) for x in call.legs_of(p))
        facts: tuple[Fact, ...] = (CitizenLeft(call.id, event.at, others),)
    else:
        answered = leg.answered_at is not None
        facts = (LegLeft(call.id, event.at, leg.channel_id, leg.party, leg.who, event.cause, answered),)
    people = [x for x in call.legs.values() if x.is_up and x.party != Party.TAP]
    if not people:
        call, ended = _end(call, event.at, "normal")
        facts = (*facts, *ended)
    return call, facts


def _closed(stay: Stay, channel_id: ChannelId, at: datetime, bridge_id: str | None = None) -> Stay:
    if stay.channel_id != channel_id or stay.until_at is not None or bridge_id not in (None, stay.bridge_id):
        return stay
    # A replayed old leave must not end a later stay in the same bridge.
    if bridge_id is not None and at < stay.from_at:
        return stay
    return replace(stay, until_at=max(at, stay.from_at))


def _menu_stepped(call: Call, event: MenuStepped) -> tuple[Call, tuple[Fact, ...]]:
    call = replace(call, menu_outcome="")
    return call, (MenuStepTaken(call.id, event.at, event.menu, event.step, event.digits),)


def _menu_ended(call: Call, event: MenuEnded) -> tuple[Call, tuple[Fact, ...]]:
    call = replace(call, menu_outcome=event.outcome, request_type=event.request_type or call.request_type)
    return call, (MenuDone(call.id, event.at, event.outcome, event.queue, event.request_type),)


def _callback_asked(call: Call, event: CallbackAsked) -> tuple[Call, tuple[Fact, ...]]:
    if call.callback_asked:
        return call, ()
    return replace(call, callback_asked=event.reason), (CallbackWanted(call.id, event.at, event.reason),)


def _queued(call: Call, event: Queued) -> tuple[Call, tuple[Fact, ...]]:
    if call.in_queue and event.queue in (call.queue, ""):
        return call, ()
    # CEL tells of the same entry again, some milliseconds off.
    since = call.waiting_since
    been_in_a_bridge = any(s.channel_id == event.channel_id and s.from_at >= event.at for s in call.stays)
    if since and (been_in_a_bridge or event.at <= max(since, call.agent_answered_at or since)):
        return call, ()
    first = call.queued_at or event.at
    call = replace(call, queue=event.queue, queued_at=first, waiting_since=event.at, in_queue=True)
    return call, (CallQueued(call.id, event.at, event.queue),)


def _queue_left(call: Call, event: QueueLeft) -> tuple[Call, tuple[Fact, ...]]:
    # Until the menu says more, where the citizen goes from here is not known: often they have hung up.
    return replace(call, in_queue=False, menu_outcome=call.menu_outcome or "queue"), ()


def _agent_ringing(call: Call, event: AgentRinging) -> tuple[Call, tuple[Fact, ...]]:
    leg = call.legs.get(event.channel_id) or Leg(event.channel_id, "", Party.AGENT, event.agent, event.at)
    call = _with_leg(call, replace(leg, party=Party.AGENT, who=event.agent))
    call = replace(call, agent_ringing_at=call.agent_ringing_at or event.at)
    return call, () if leg.answered_at else (AgentRang(call.id, event.at, event.agent),)


def _agent_ring_ended(call: Call, event: AgentRingEnded) -> tuple[Call, tuple[Fact, ...]]:
    return call, (AgentMissedRing(call.id, event.at, event.agent, event.rang_s),)


def _agent_connected(call: Call, event: AgentConnected) -> tuple[Call, tuple[Fact, ...]]:
    leg = call.legs.get(event.channel_id) or Leg(event.channel_id, "", Party.AGENT, event.agent, event.at)
    if call.agent == event.agent and leg.who == event.agent and leg.channel_id in call.legs and not call.in_queue:
        return call, ()
    answered_at = leg.answered_at or event.at
    call = _with_leg(call, replace(leg, party=Party.AGENT, who=event.agent, answered_at=answered_at))
    first = call.agent_answered_at or event.at
    call = replace(call, agent=event.agent, agent_answered_at=first, in_queue=False)
    wait_s = max(0.0, (event.at - (call.waiting_since or call.started_at)).total_seconds())
    return call, (AgentAnswered(call.id, event.at, event.agent, event.channel_id, wait_s),)


def _is_known(call: Call, bridge_id: str, event: CallEvent) -> bool:
    """Whether the leg's entry is on record; the other source's time of it is some milliseconds off."""
    own = (s for s in call.stays if s.bridge_id == bridge_id and s.channel_id == event.channel_id)
    return any(s.until_at is None or s.from_at == event.at or s.until_at > event.at for s in own)


def _bridge_entered(call: Call, event: BridgeEntered) -> tuple[Call, tuple[Fact, ...]]:
    leg = call.legs.get(event.channel_id)
    if leg is None or leg.ended_at is not None or _is_known(call, event.bridge_id, event):
        return call, ()
    stays = tuple(_closed(s, event.channel_id, event.at) for s in call.stays)
    entered = Stay(event.bridge_id, event.place, event.channel_id, leg.party, event.at)
    return _met(replace(call, stays=(*stays, entered)), event)


def _met(call: Call, event: BridgeEntered) -> tuple[Call, tuple[Fact, ...]]:
    """An agent who shares a bridge with the citizen has answered: CEL has no other word for it."""
    here = {s.channel_id for s in call.stays if s.bridge_id == event.bridge_id and s.until_at is None}
    agent = next((leg for leg in call.legs_of(_A) if leg.channel_id in here), None)
    if agent is None or call.citizen is None or call.citizen.channel_id not in here:
        return call, ()
    if agent.who == call.agent and not call.in_queue:
        return call, ()
    return _agent_connected(call, AgentConnected(call.id, agent.channel_id, event.at, agent.who))


def _bridge_left(call: Call, event: BridgeLeft) -> tuple[Call, tuple[Fact, ...]]:
    stays = tuple(_closed(s, event.channel_id, event.at, event.bridge_id) for s in call.stays)
    return replace(call, stays=stays), ()


def _spy_started(call: Call, event: SpyStarted) -> tuple[Call, tuple[Fact, ...]]:
    leg = call.legs.get(event.channel_id)
    agents = [x.channel_id for x in call.legs.values() if x.party == _A and x.created_at <= event.at]
    spied = event.spied or (agents[-1] if agents else "")
    if leg is None or leg.ended_at is not None or _is_known(call, f"spy-{spied}", event):
        return call, ()
    stay = Stay(f"spy-{spied}", Place.SPY, event.channel_id, leg.party, event.at)
    return replace(call, stays=(*call.stays, stay)), ()


def _spy_ended(call: Call, event: SpyEnded) -> tuple[Call, tuple[Fact, ...]]:
    spying = (s for s in call.stays if s.place == Place.SPY)
    ended = {s: _closed(s, event.channel_id, event.at, s.bridge_id) for s in spying}
    return replace(call, stays=tuple(ended.get(s, s) for s in call.stays)), ()


def _recording_ended(call: Call, event: RecordingEnded) -> tuple[Call, tuple[Fact, ...]]:
    done = RecordingFinished(call.id, event.at, event.channel_id, event.party, event.file, event.mix)
    return call, (done,)


def _leg_unrecorded(call: Call, event: LegUnrecorded) -> tuple[Call, tuple[Fact, ...]]:
    leg = call.legs.get(event.channel_id)
    if leg is None or not leg.recorded:
        return call, ()
    withheld = RecordingWithheld(call.id, event.at, leg.channel_id, leg.party)
    return _with_leg(call, replace(leg, recorded=False)), (withheld,)


def _call_over(call: Call, event: CallOver) -> tuple[Call, tuple[Fact, ...]]:
    stays = tuple(s if s.until_at else replace(s, until_at=max(event.at, s.from_at)) for s in call.stays)
    return _end(replace(call, stays=stays), event.at, event.cause)


def _end(call: Call, at: datetime, cause: str) -> tuple[Call, tuple[Fact, ...]]:
    reason = exit_reason(call) if cause == "normal" else cause
    # The tap's own hang-up comes some milliseconds after the last person's.
    legs = {key: leg if leg.ended_at else replace(leg, ended_at=at) for key, leg in call.legs.items()}
    call = replace(call, legs=legs, ended_at=at, exit_reason=reason, in_queue=False)
    facts: tuple[Fact, ...] = (CallEnded(call.id, at, reason),)
    if call.agent_answered_at is None and call.direction == "in":
        missed = CallMissed(call.id, at, call.queue, reason, asked=bool(call.callback_asked))
        facts = (missed, *facts)
    return call, facts


def exit_reason(call: Call) -> str:
    """Why the call ended as it did, for reports; see CallMissed for those that reached nobody."""
    if call.reached:
        return "answered"
    if call.direction != IN:
        return "unreached"
    if call.callback_asked:
        return call.callback_asked
    if call.queued_at is not None:
        return "abandoned"
    return "message" if call.menu_outcome == "message" else "ivr_drop"


def _stranded(call: Call, at: datetime) -> tuple[Fact, ...]:
    """Nobody leaves a citizen alone by chance: no agent is left who would come back."""
    citizen = call.citizen
    if citizen is None or not citizen.is_up or call.agent_answered_at is None or call.legs_of(_A):
        return ()
    if call.shown not in (Situation.ALONE, Situation.ON_HOLD):
        return ()
    units = tuple(leg.channel_id for leg in call.legs_of(_U))
    return (CitizenStranded(call.id, at, citizen.channel_id, units, had_unit=call.shown == Situation.ALONE),)


STEPS: Mapping[type[CallEvent], Callable[..., tuple[Call, tuple[Fact, ...]]]] = {
    LegSeen: _leg_seen,
    LegAnswered: _leg_answered,
    LegGone: _leg_gone,
    MenuStepped: _menu_stepped,
    MenuEnded: _menu_ended,
    CallbackAsked: _callback_asked,
    Queued: _queued,
    QueueLeft: _queue_left,
    AgentRinging: _agent_ringing,
    AgentRingEnded: _agent_ring_ended,
    AgentConnected: _agent_connected,
    BridgeEntered: _bridge_entered,
    BridgeLeft: _bridge_left,
    SpyStarted: _spy_started,
    SpyEnded: _spy_ended,
    RecordingEnded: _recording_ended,
    LegUnrecorded: _leg_unrecorded,
    CallOver: _call_over,
}
"""Event -> step; an event without a step changes nothing."""
