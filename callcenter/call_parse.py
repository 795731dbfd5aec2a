"""AMI events and CEL rows -> call events. PURE: fields in, a `CallEvent` or None out.

Which leg is whose is read off names this system gave: preset channel ids (`r-`, `s-`, `t-`, `u-` + call id), the
endpoint in `PJSIP/<endpoint>-<hex>`, the trunk. Which call it belongs to: CALL_ID inherited by every leg, else
the preset id, else Linkedid, which for the citizen's leg is the call id itself.
Sources: Asterisk 22 AMI events; CEL specification (extra is JSON); TELEPHONY sequences in tests/scenarios.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from callcenter import call_events as ev
from callcenter.call_state import CALLBACK, IN, OUTBOUND
from callcenter.types import CALL_ID_PATTERN, BadNumber, CallId, ChannelId, Party, national

Fields = Mapping[str, str]

PRESET = re.compile(r"([rstu])-(" + CALL_ID_PATTERN.pattern + r")(?:-[0-9]+)?")
PRESET_PARTY = {"r": Party.AGENT, "u": Party.UNIT, "s": Party.SUPERVISOR, "t": Party.TAP}
CHANNEL_NAME = re.compile(r"(?:PJSIP)/([A-Za-z0-9_.-]+)-[0-9a-f]{8}")
OUTBOUND_FROM = 800_000_000
"""Numbers from here in a call id mark a call about a ticket, to its citizen; Asterisk's own counter stays far below."""
ORIGINATED_FROM = 900_000_000
"""Numbers from here mark a call-back of a missed call."""


@dataclass(frozen=True, slots=True)
class Naming:
    """Names this installation gave. Contexts and endpoints as in config/asterisk/."""

    trunk: str = "trunk"
    unit: str = "unit"
    inbound: str = "from-trunk"


def is_originated(call_id: CallId) -> bool:
    """Whether this system placed the call and chose its id."""
    return direction_of(call_id) != IN


def direction_of(call_id: CallId) -> str:
    """Who began the call: told by its id alone, so that every source of events says the same."""
    number = int(call_id.rsplit(".", 1)[1])
    if number >= ORIGINATED_FROM:
        return CALLBACK
    return OUTBOUND if number >= OUTBOUND_FROM else IN


def call_of(fields: Fields, prefix: str = "") -> CallId | None:
    """The call a channel belongs to; `prefix` is `Dest` for the second channel of an event."""
    for text in (variable(fields, "CALL_ID", prefix), fields.get(prefix + "Linkedid", "")):
        if CALL_ID_PATTERN.fullmatch(text):
            return CallId(text)
    preset = PRESET.fullmatch(fields.get(prefix + "Uniqueid", ""))
    if preset is None:
        preset = PRESET.fullmatch(fields.get(prefix + "Linkedid", ""))
    return CallId(preset[2]) if preset else None


def variable(fields: Fields, name: str, prefix: str = "") -> str:
    """A channel variable told by `channelvars`; empty when unset. `callcenter.ami_wire` names them so."""
    return fields.get(f"{prefix}ChanVariable({name})", "")


def party_of(uniqueid: str, channel_name: str, naming: Naming) -> tuple[Party, str]:
    """Whose leg a channel is, and the endpoint it rings."""
    preset = PRESET.fullmatch(uniqueid)
    name = CHANNEL_NAME.fullmatch(channel_name)
    endpoint = name[1] if name else ""
    if preset:
        return PRESET_PARTY[preset[1]], endpoint
    if channel_name.startswith("AudioSocket/"):
        return Party.TAP, ""
    # Several lines to the outside world are trunk, trunk-<name>...
    if endpoint == naming.trunk or endpoint.startswith(f"{naming.trunk}-"):
        return Party.CITIZEN, ""
    if endpoint == naming.unit:
        return Party.UNIT, ""
    return Party.AGENT, endpoint


def place_of(technology: str) -> ev.Place:
    """ConfBridge mixes (softmix), BridgeWait holds; two legs of a queue call share any other bridge."""
    return {"holding_bridge": ev.Place.HOLD, "softmix": ev.Place.CONFERENCE}.get(technology, ev.Place.BRIDGE)


def parse_ami(name: str, fields: Fields, at: datetime, naming: Naming) -> ev.CallEvent | None:
    """What an AMI event says of a call; None for one that says nothing new or names no call."""
    own = OWN_ID.get(name)
    if own is not None:
        return own(fields, at)
    reader = READERS.get(name)
    call_id = call_of(fields) if reader else None
    return reader(fields, call_id, at, naming) if reader and call_id else None


Reader = Callable[[Fields, CallId, datetime, Naming], ev.CallEvent | None]


def _channel(fields: Fields, prefix: str = "") -> ChannelId:
    return ChannelId(fields.get(prefix + "Uniqueid", ""))


def _newchannel(fields: Fields, call_id: CallId, at: datetime, naming: Naming) -> ev.CallEvent | None:
    uniqueid, name = fields.get("Uniqueid", ""), fields.get("Channel", "")
    party, who = party_of(uniqueid, name, naming)
    if party == Party.CITIZEN:
        inbound = fields.get("Context") == naming.inbound
        who = _caller(fields.get("CallerIDNum", "")) if inbound else fields.get("Exten", "")
    if not _is_legitimate(uniqueid, call_id, party, fields.get("Context", ""), naming):
        return None
    return ev.LegSeen(call_id, ChannelId(uniqueid), at, name, party, who if who.isascii() and who.isalnum() else "")


def _caller(told: str) -> str:
    """The caller's digits; empty for whoever withholds them: the trunk then says `anonymous` (RFC 3323, 4.1.1.3)."""
    try:
        return national(told).digits
    except BadNumber:
        return ""


def _is_legitimate(uniqueid: str, call_id: CallId, party: Party, context: str, naming: Naming) -> bool:
    """A first leg is a citizen at the trunk's context or a call this system placed; anything else belongs to none."""
    if uniqueid != call_id:
        return True
    return is_originated(call_id) or (party == Party.CITIZEN and context == naming.inbound)


def _newstate(fields: Fields, call_id: CallId, at: datetime, _: Naming) -> ev.CallEvent | None:
    return ev.LegAnswered(call_id, _channel(fields), at) if fields.get("ChannelState") == "6" else None


def _hangup(fields: Fields, call_id: CallId, at: datetime, _: Naming) -> ev.CallEvent | None:
    return ev.LegGone(call_id, _channel(fields), at, _int(fields.get("Cause", "0")))


def _caller_join(fields: Fields, call_id: CallId, at: datetime, _: Naming) -> ev.CallEvent | None:
    return ev.Queued(call_id, _channel(fields), at, fields.get("Queue", ""))


def _caller_leave(fields: Fields, call_id: CallId, at: datetime, _: Naming) -> ev.CallEvent | None:
    return ev.QueueLeft(call_id, _channel(fields), at, fields.get("Queue", ""))


def _caller_abandon(fields: Fields, call_id: CallId, at: datetime, _: Naming) -> ev.CallEvent | None:
    return ev.QueueLeft(call_id, _channel(fields), at, fields.get("Queue", ""), abandoned=True)


def _agent_called(fields: Fields, call_id: CallId, at: datetime, _: Naming) -> ev.CallEvent | None:
    return ev.AgentRinging(call_id, _channel(fields, "Dest"), at, _agent(fields))


def _ring_no_answer(fields: Fields, call_id: CallId, at: datetime, _: Naming) -> ev.CallEvent | None:
    rang_s = _int(fields.get("RingTime", "0")) / 1000
    return ev.AgentRingEnded(call_id, _channel(fields, "Dest"), at, _agent(fields), rang_s)


def _agent_connect(fields: Fields, call_id: CallId, at: datetime, _: Naming) -> ev.CallEvent | None:
    return ev.AgentConnected(call_id, _channel(fields, "Dest"), at, _agent(fields))


def _agent(fields: Fields) -> str:
    return fields.get("Interface", "").removeprefix("PJSIP/")


def _bridge_enter(fields: Fields, call_id: CallId, at: datetime, _: Naming) -> ev.CallEvent | None:
    place = place_of(fields.get("BridgeTechnology", ""))
    return ev.BridgeEntered(call_id, _channel(fields), at, fields.get("BridgeUniqueid", ""), place)


def _bridge_leave(fields: Fields, call_id: CallId, at: datetime, _: Naming) -> ev.CallEvent | None:
    return ev.BridgeLeft(call_id, _channel(fields), at, fields.get("BridgeUniqueid", ""))


def _spy_start(fields: Fields, at: datetime) -> ev.CallEvent | None:
    call_id = call_of(fields, "Spyer") or call_of(fields, "Spyee")
    spyer = _channel(fields, "Spyer")
    if call_id is None or not spyer.startswith("s-"):
        return None
    return ev.SpyStarted(call_id, spyer, at, _channel(fields, "Spyee"))


def _spy_stop(fields: Fields, at: datetime) -> ev.CallEvent | None:
    call_id = call_of(fields, "Spyer")
    return ev.SpyEnded(call_id, _channel(fields, "Spyer"), at) if call_id else None


def _user_event(fields: Fields, at: datetime) -> ev.CallEvent | None:
    told = fields.get("CallId", "")
    if not CALL_ID_PATTERN.fullmatch(told):
        return None
    call_id, channel_id = CallId(told), ChannelId(fields.get("Channel", "") or fields.get("Uniqueid", ""))
    match fields.get("UserEvent"):
        case "MenuStep":
            steps = (fields.get("Menu", ""), fields.get("Step", ""), fields.get("Digits", ""))
            return ev.MenuStepped(call_id, channel_id, at, *steps)
        case "MenuEnded":
            outcome = (fields.get("Outcome", ""), fields.get("Queue", ""), fields.get("RequestType", ""))
            return ev.MenuEnded(call_id, channel_id, at, *outcome)
        case "CallbackAsked":
            return ev.CallbackAsked(call_id, channel_id, at, fields.get("Reason", ""))
        case "NotRecorded":
            return ev.LegUnrecorded(call_id, channel_id, at)
        case "RecordingDone":
            return _recording_done(fields, call_id, channel_id, at)
    return None


def _recording_done(fields: Fields, call_id: CallId, channel_id: ChannelId, at: datetime) -> ev.CallEvent | None:
    try:
        party = Party(fields.get("Leg", ""))
    except ValueError:
        return None
    return ev.RecordingEnded(call_id, channel_id, at, party, fields.get("File", ""), fields.get("Mix", ""))


def _int(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0


def _held(fields: Fields, call_id: CallId, at: datetime, _: Naming) -> ev.CallEvent | None:
    return ev.LegHeld(call_id, _channel(fields), at)


def _resumed(fields: Fields, call_id: CallId, at: datetime, _: Naming) -> ev.CallEvent | None:
    return ev.LegResumed(call_id, _channel(fields), at)


READERS: Mapping[str, Reader] = {
    "Newchannel": _newchannel,
    "Newstate": _newstate,
    "Hangup": _hangup,
    "QueueCallerJoin": _caller_join,
    "QueueCallerLeave": _caller_leave,
    "QueueCallerAbandon": _caller_abandon,
    "AgentCalled": _agent_called,
    "AgentRingNoAnswer": _ring_no_answer,
    "AgentConnect": _agent_connect,
    "BridgeEnter": _bridge_enter,
    "BridgeLeave": _bridge_leave,
    "Hold": _held,
    "Unhold": _resumed,
}
"""AMI event name -> reader."""

OWN_ID: Mapping[str, Callable[[Fields, datetime], ev.CallEvent | None]] = {
    "ChanSpyStart": _spy_start,
    "ChanSpyStop": _spy_stop,
    "UserEvent": _user_event,
}
"""Events that name their call in fields of their own."""

WANTED: frozenset[str] = frozenset(READERS) | frozenset(OWN_ID)
"""The events a listener subscribes to for calls."""


@dataclass(frozen=True, slots=True)
class CelRow:
    """One row of Asterisk's channel event log, from the file or the table. at: aware UTC."""

    eventtype: str
    at: datetime
    uniqueid: str
    linkedid: str
    channame: str
    cid_num: str
    context: str
    exten: str
    appname: str
    extra: str
    userfield: str = ""


def cel_call(row: CelRow) -> CallId | None:
    """The call a CEL row belongs to: by Linkedid, or by the preset id of an originated leg."""
    fields = {"Uniqueid": row.uniqueid, "Linkedid": row.linkedid}
    return call_of(fields)


def parse_cel(row: CelRow, naming: Naming) -> ev.CallEvent | None:
    """What a CEL row says of a call; None for rows that say nothing of it.

    CEL knows no keys pressed and no queue's answer: who answered is read off the bridges (`callcenter.calls`).
    """
    call_id = cel_call(row)
    if call_id is None:
        return None
    channel_id = ChannelId(row.uniqueid)
    extra = _extra(row.extra)
    match row.eventtype:
        case "CHAN_START":
            fields = {
                "Uniqueid": row.uniqueid, "Channel": row.channame, "CallerIDNum": row.cid_num,
                "Context": row.context, "Exten": row.exten,
            }  # fmt: skip
            return _newchannel(fields, call_id, row.at, naming)
        case "ANSWER":
            return ev.LegAnswered(call_id, channel_id, row.at)
        case "APP_START" if row.appname == "Queue":
            return ev.Queued(call_id, channel_id, row.at, row.userfield or "")
        case "APP_START" if row.appname == "ChanSpy" and channel_id.startswith("s-"):
            return ev.SpyStarted(call_id, channel_id, row.at)
        case "APP_END" if row.appname == "ChanSpy":
            return ev.SpyEnded(call_id, channel_id, row.at)
        case "BRIDGE_ENTER":
            place = place_of(extra.get("bridge_technology", ""))
            return ev.BridgeEntered(call_id, channel_id, row.at, extra.get("bridge_id", ""), place)
        case "BRIDGE_EXIT":
            return ev.BridgeLeft(call_id, channel_id, row.at, extra.get("bridge_id", ""))
        case "HANGUP":
            return ev.LegGone(call_id, channel_id, row.at, _int(extra.get("hangupcause", "0")))
        case "CHAN_END":
            return ev.LegGone(call_id, channel_id, row.at)
        case "LINKEDID_END" if row.linkedid == call_id:
            return ev.CallOver(call_id, channel_id, row.at)
    return None


def _extra(text: str) -> Mapping[str, str]:
    try:
        value = json.loads(text) if text else {}
    except ValueError:
        return {}
    return {str(k): str(v) for k, v in value.items()} if isinstance(value, dict) else {}
