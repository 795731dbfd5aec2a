"""What happens to a call: an event in, the call after it and the facts that follow out. PURE.

The same machine reads AMI events (hints, at once) and CEL rows (the record, after a gap): `advance` accepts
either, in any order between channels, and twice; what it already knows yields no fact.

Sources: Asterisk 22 AMI events reference; CEL specification; order across channels is not promised by either.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
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
    LegHeld,
    LegResumed,
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
from callcenter.call_state import IN, Call, Leg, Stay
from callcenter.types import ChannelId, Party

_A, _U = Party.AGENT, Party.UNIT


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
    own = (s for s in call.stays if s.channel_id == event.channel_id and s.is_bridge)
    been_in_a_bridge = any(s.from_at >= event.at for s in own)
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
    # Who pressed hold stays so wherever they are moved.
    stays = tuple(s if s.place == Place.PHONE_HOLD else _closed(s, event.channel_id, event.at) for s in call.stays)
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
    agents = [x.channel_id for x in call.legs.values() if x.party == _A and x.created_at <= event.at]
    return _begun(call, event, f"spy-{event.spied or (agents[-1] if agents else '')}", Place.SPY)


def _spy_ended(call: Call, event: SpyEnded) -> tuple[Call, tuple[Fact, ...]]:
    return _over(call, event, Place.SPY)


def _leg_held(call: Call, event: LegHeld) -> tuple[Call, tuple[Fact, ...]]:
    return _begun(call, event, f"held-{event.channel_id}", Place.PHONE_HOLD)


def _leg_resumed(call: Call, event: LegResumed) -> tuple[Call, tuple[Fact, ...]]:
    return _over(call, event, Place.PHONE_HOLD)


def _begun(call: Call, event: CallEvent, name: str, place: Place) -> tuple[Call, tuple[Fact, ...]]:
    """Something a leg does beside the bridge it is in."""
    leg = call.legs.get(event.channel_id)
    if leg is None or leg.ended_at is not None or _is_known(call, name, event):
        return call, ()
    return replace(call, stays=(*call.stays, Stay(name, place, event.channel_id, leg.party, event.at))), ()


def _over(call: Call, event: CallEvent, place: Place) -> tuple[Call, tuple[Fact, ...]]:
    stays = (_closed(s, event.channel_id, event.at, s.bridge_id) if s.place == place else s for s in call.stays)
    return replace(call, stays=tuple(stays)), ()


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
    LegHeld: _leg_held,
    LegResumed: _leg_resumed,
    SpyStarted: _spy_started,
    SpyEnded: _spy_ended,
    RecordingEnded: _recording_ended,
    LegUnrecorded: _leg_unrecorded,
    CallOver: _call_over,
}
"""Event -> step; an event without a step changes nothing."""
