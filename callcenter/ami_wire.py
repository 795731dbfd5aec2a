"""AMI on the wire, without a socket: cutting bytes into messages, reading events, checking what we send. PURE.

A message is lines `Key: value` ended by CRLF, and a blank line. Sources: Asterisk 22 manager.c; AMI v2
specification; ends of `\\r\\n\\n` are known from Asterisk issue 761.
"""

import functools
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

END = b"\r\n\r\n"
_ENDS = re.compile(rb"\r\n\r?\n[\r\n]*")
BANNER = b"Asterisk Call Manager/"
MAX_MESSAGE_BYTES = 256 * 1024
"""A longer message is no event: the biggest seen on Asterisk 22 has 1.5 KiB."""
MAX_LINE_BYTES = 900
"""Asterisk 22 cuts a line of an action at 1,024 bytes."""
MAX_FIELDS = 64
"""Asterisk 22 refuses an action of 128 headers."""


class BadField(ValueError):
    """An AMI action or field is not on our list or holds characters AMI must never carry; nothing was sent."""


class BadMessage(ValueError):
    """Asterisk sent something that is no AMI message; it is dropped and counted."""


class MissingHeader(KeyError):
    """An AMI event lacks a header this code relies on; the event is skipped and counted."""

    def __str__(self) -> str:
        return str(self.args[0])


class DoubledHeader(MissingHeader):
    """An AMI event has a header twice, as when somebody's name holds a line break; neither value is believed."""


# ---- reading ---------------------------------------------------------------------------------------------------


class Headers(Mapping[str, str]):
    """The headers of one event, each read out of the bytes when asked for; see AmiEvent.fields.

    What nobody reads is never parsed: one header costs 0.6 us, all 25 of an event 6 us, and a listener reads about
    five. A header that comes twice is as good as none: an attacker may have written either.
    """

    __slots__ = ("_all", "_raw")

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._all: dict[str, str] | None = None

    def __getitem__(self, key: str) -> str:
        value = find_header(self._raw, key)
        if value is None:
            raise MissingHeader(f"AMI event {_name_of(self._raw)} has no header {key}")
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._parsed())

    def __len__(self) -> int:
        return len(self._parsed())

    def _parsed(self) -> dict[str, str]:
        if self._all is None:
            pairs = header_pairs(self._raw)
            times = Counter(key for key, _ in pairs)
            self._all = {key: value for key, value in pairs if key and times[key] == 1}
        return self._all


class AmiEvent:
    """One event, or one item of a list reply. Header names are spelt as Asterisk spells them. Not to be changed.

    fields: every header once; a channel variable `ChanVariable: LEG=agent` is found under `ChanVariable(LEG)`.
    at: Asterisk's own clock (header Timestamp) where there is one, else received_at; both aware UTC.
    repr() shows no fields: they hold names and numbers. No dataclass, because fields and at are made when read.
    """

    __slots__ = ("_at", "_fields", "_raw", "name", "received_at")
    name: str
    received_at: datetime
    _raw: bytes
    _fields: Mapping[str, str] | None
    _at: datetime | None

    def __init__(self, name: str, fields: Mapping[str, str], at: datetime, received_at: datetime) -> None:
        self.name, self.received_at = name, received_at
        self._raw, self._fields, self._at = b"", fields, at

    @classmethod
    def received(cls, name: str, raw: bytes, received_at: datetime) -> "AmiEvent":
        """An event from its bytes, not looked into yet. Raises BadMessage when it names two channels as its own."""
        event = cls.__new__(cls)
        event.name, event.received_at = name, received_at
        event._raw, event._fields, event._at = raw, None, None
        if name in _PARSE_WHOLE:
            event._fields = parse_headers(raw)
        elif raw.count(b"\r\nUniqueid: ") > 1:
            raise BadMessage("a header comes twice")
        return event

    @property
    def fields(self) -> Mapping[str, str]:
        """All headers."""
        if self._fields is None:
            self._fields = Headers(self._raw)
        return self._fields

    @property
    def at(self) -> datetime:
        """When it happened."""
        if self._at is None:
            stamp = self.get("Timestamp")
            self._at = _instant(stamp, self.received_at) if stamp else self.received_at
        return self._at

    def need(self, key: str) -> str:
        """The header's value, which may be empty. Raises MissingHeader when there is none, or two."""
        if self._fields is None:
            value = find_header(self._raw, key)
            if value is not None:
                return value
        elif key in self._fields:
            return self._fields[key]
        raise MissingHeader(f"AMI event {self.name} has no header {key}")

    def get(self, key: str, default: str = "") -> str:
        """The header's value, or `default` when there is none, or two."""
        if self._fields is not None:
            return self._fields.get(key, default)
        try:
            value = find_header(self._raw, key)
        except DoubledHeader:
            return default
        return default if value is None else value

    def variable(self, name: str, side: str = "") -> str:
        """Channel variable `name` as `channelvars` of manager.conf shows it; empty when unset.

        side: "Dest" for the other channel of a Dial or Agent event.
        """
        return self.get(f"{side}ChanVariable({name})")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AmiEvent):
            return NotImplemented
        ours = (self.name, dict(self.fields), self.at, self.received_at)
        return ours == (other.name, dict(other.fields), other.at, other.received_at)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"AmiEvent({self.name} at {self.at:%H:%M:%S.%f})"


_USER_EVENT = "UserEvent"
_PARSE_WHOLE = frozenset({_USER_EVENT, "OriginateResponse"})
"""Few, and not plain: the dialplan's own fields of a UserEvent replace the channel's of the same name, and
OriginateResponse spells `ChanVariable(<channel>): LEG=unit`."""


def find_header(raw: bytes, key: str) -> str | None:
    """One header of a plain event's bytes, or None. Raises DoubledHeader."""
    start = _start_of(key)
    found = raw.find(start)
    if found < 0:
        return _name_of(raw) if key == "Event" else None
    begin = found + len(start)
    if raw.find(start, begin) >= 0 or key == "Event":
        raise DoubledHeader(f"AMI event {_name_of(raw)} has the header {key} twice")
    end = raw.find(b"\r", begin)
    return (raw[begin:end] if end >= 0 else raw[begin:]).decode("utf-8", "replace")


@functools.cache
def _start_of(key: str) -> bytes:
    """What comes before a header's value; keys are words of this code, so the cache stays small."""
    variable = re.fullmatch(r"(\w*ChanVariable)\((\w+)\)", key)
    return "\r\n{}: {}=".format(*variable.groups()).encode() if variable else f"\r\n{key}: ".encode()


def _name_of(raw: bytes) -> str:
    return raw[7:].partition(b"\r")[0].decode("utf-8", "replace")


class Framer:
    """Bytes in, whole messages out, wherever the network cut them; the banner line comes first, once.

    Only whole messages are ever decoded, so a character cut in two by TCP arrives whole.
    """

    def __init__(self) -> None:
        self.version: str | None = None
        self._tail = b""

    def feed(self, data: bytes) -> list[bytes]:
        """The messages completed by `data`, without their ends. Raises BadMessage; the link is then useless."""
        data = self._tail + data if self._tail else data.lstrip(b"\r\n")  # the rest of an end cut in two
        if self.version is None:
            data = self._without_banner(data)
        messages = _ENDS.split(data)
        self._tail = messages.pop()
        if len(self._tail) > MAX_MESSAGE_BYTES:
            raise BadMessage(f"a message of more than {MAX_MESSAGE_BYTES} bytes without an end")
        return messages

    def _without_banner(self, data: bytes) -> bytes:
        line, end, rest = data.partition(b"\r\n")
        if not BANNER.startswith(line[: len(BANNER)]):
            raise BadMessage("the other side is not an Asterisk Manager Interface")
        if not end:
            return data
        self.version = line[len(BANNER) :].decode("ascii", "replace")
        return rest


_VARIABLE = re.compile(r"(?m)^(\w*ChanVariable)(?:\([^)\r\n]*\))?: (\w+)=")


def parse_headers(message: bytes) -> dict[str, str]:
    """Every header of one message, once. Bytes that are not UTF-8 become U+FFFD.

    Raises BadMessage for a line that is no header, or a header that comes twice: both are what a line break
    smuggled into somebody's name looks like. Only channel variables come more than once by design.
    """
    fields: dict[str, str] = {}
    seen: set[str] = set()
    for key, value in header_pairs(message):
        if not key or key in seen:
            raise BadMessage("a header comes twice" if key else "a line is no header")
        fields[key] = value
        seen.add(key)
        if key == _USER_EVENT:
            # What follows are the dialplan's own fields; RecordingDone's Channel, say, replaces the snapshot's.
            seen = {"Event", _USER_EVENT}
    return fields


def header_pairs(message: bytes) -> list[tuple[str, str]]:
    """The lines as (key, value), variables under their own names; the key is empty for a line that is no header."""
    text = _VARIABLE.sub(r"\1(\2): ", message.decode("utf-8", "replace"))
    split = (line.partition(": ") for line in text.split("\r\n"))
    return [(key if colon else "", value) for key, colon, value in split]


def _instant(stamp: str, otherwise: datetime) -> datetime:
    try:
        seconds = float(stamp)
        return datetime.fromtimestamp(seconds, UTC) if math.isfinite(seconds) else otherwise
    except (ValueError, OverflowError, OSError):
        return otherwise


# ---- writing ---------------------------------------------------------------------------------------------------

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9-]*")
_NO_FIELDS: frozenset[str] = frozenset()
_CONFERENCE_MEMBER = frozenset({"Conference", "Channel"})
_MEMBER = frozenset({"Queue", "Interface"})
ACTIONS: Mapping[str, frozenset[str]] = {
    "BridgeInfo": frozenset({"BridgeUniqueid"}),
    "BridgeList": _NO_FIELDS,
    "ConfbridgeKick": _CONFERENCE_MEMBER,
    "ConfbridgeList": frozenset({"Conference"}),
    "ConfbridgeListRooms": _NO_FIELDS,
    "ConfbridgeMute": _CONFERENCE_MEMBER,
    "ConfbridgeUnmute": _CONFERENCE_MEMBER,
    "CoreShowChannels": _NO_FIELDS,
    "CoreStatus": _NO_FIELDS,
    "DeviceStateList": _NO_FIELDS,
    "Hangup": frozenset({"Channel", "Cause"}),
    "Originate": frozenset({"Channel", "ChannelId", "OtherChannelId", "CallerID", "Timeout", "Async", "Variable"})
    | {"Context", "Exten", "Priority", "Application", "Data"},
    "Ping": _NO_FIELDS,
    "QueueAdd": _MEMBER | {"MemberName", "StateInterface", "Penalty", "Paused", "Reason"},
    "QueuePause": _MEMBER | {"Paused", "Reason"},
    "QueuePenalty": _MEMBER | {"Penalty"},
    "QueueRemove": _MEMBER,
    "QueueStatus": frozenset({"Queue", "Member"}),
    "QueueSummary": frozenset({"Queue"}),
    "Redirect": frozenset({"Channel", "Context", "Exten", "Priority"})
    | {"ExtraChannel", "ExtraContext", "ExtraExten", "ExtraPriority"},
    "Setvar": frozenset({"Variable", "Value"}),  # no Channel: a global one
}
"""All this product ever asks of Asterisk, with the fields it may name; nothing else leaves the process."""
LOGIN: Mapping[str, frozenset[str]] = {"Login": frozenset({"Username", "Secret", "Events"})}

_CHANNEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9@._:;/+-]{0,149}")  # a leading / makes Hangup take a pattern
_PLACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9*#+._-]{0,79}")
_NUMBER = re.compile(r"[0-9]{1,7}")
_ENDPOINT = re.compile(r"(PJSIP|Local)/[A-Za-z0-9@._/-]{1,80}")
FIELDS: Mapping[str, re.Pattern[str]] = {
    **dict.fromkeys(("Channel", "ExtraChannel"), _CHANNEL),
    **dict.fromkeys(("Context", "ExtraContext", "Exten", "ExtraExten"), _PLACE),
    **dict.fromkeys(("ChannelId", "OtherChannelId", "Conference", "Queue", "BridgeUniqueid"), _PLACE),
    **dict.fromkeys(("Priority", "ExtraPriority", "Timeout", "Cause", "Penalty"), _NUMBER),
    **dict.fromkeys(("Interface", "StateInterface", "Member"), _ENDPOINT),
    "Application": re.compile(r"ChanSpy"),
    "Async": re.compile(r"true"),  # without it one Originate holds up every other action of the session
    "CallerID": re.compile(r"[0-9*#+]{1,20}"),
    "Data": re.compile(r"[A-Za-z0-9@._:;/=,+-]{1,200}"),
    "Paused": re.compile(r"true|false"),
    # A comma begins another variable; the rest would be evaluated by the dialplan.
    "Variable": re.compile(r"_{0,2}[A-Z][A-Z0-9_]{0,39}=[^,\"'`\\$(){}\[\]]*"),
}
"""The shape of a field's value, whichever action it is in; what is not named here may be any printable text."""
_OF_ONE: Mapping[tuple[str, str], re.Pattern[str]] = {
    # The one global variable this product sets: until when (epoch seconds) calls are not recorded.
    ("Setvar", "Variable"): re.compile(r"NO_RECORDING_UNTIL"),
    ("Setvar", "Value"): re.compile(r"[0-9]{1,11}"),
}
"""The shape in one action, where it is narrower than in others."""
_ORIGINATE_CHANNEL = re.compile(r"(PJSIP|Local|AudioSocket)/.+")
_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})


def encode_action(
    name: str,
    action_id: str,
    fields: Sequence[tuple[str, str]],
    allowed: Mapping[str, frozenset[str]] = ACTIONS,
) -> bytes:
    """The bytes of one action, which hold exactly one blank line, their last.

    Raises BadField for anything that is not on `allowed` or does not have the shape FIELDS gives it.
    """
    if name not in allowed:
        raise BadField(f"AMI action {name!a:.60} is not one this product uses")
    if len(fields) > MAX_FIELDS:
        raise BadField(f"AMI action {name} has {len(fields)} fields, at most {MAX_FIELDS} go out")
    lines = [f"Action: {name}", f"ActionID: {action_id}"]
    lines.extend(_line(name, key, value, allowed[name]) for key, value in _with_async(name, fields))
    return "\r\n".join(lines).encode() + END


def _with_async(name: str, fields: Sequence[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    yield from fields
    if name == "Originate" and all(key != "Async" for key, _ in fields):
        yield "Async", "true"


def _line(action: str, key: str, value: str, allowed: frozenset[str]) -> str:
    if not _KEY.fullmatch(key) or key not in allowed:
        raise BadField(f"AMI action {action} has no field {key!a:.60}")
    # The value itself may be somebody's name or number: no error ever repeats it.
    if any(unicodedata.category(character) in _UNPRINTABLE for character in value):
        raise BadField(f"AMI field {key} of {action} holds a line break or another control character")
    line = f"{key}: {value}"
    if len(line.encode()) > MAX_LINE_BYTES:
        raise BadField(f"AMI field {key} of {action} is longer than {MAX_LINE_BYTES} bytes")
    shape = _OF_ONE.get((action, key)) or FIELDS.get(key)
    if shape is not None and not shape.fullmatch(value):
        raise BadField(f"AMI field {key} of {action} does not have the shape it must have: {shape.pattern}")
    if action == "Originate" and key == "Channel" and not _ORIGINATE_CHANNEL.fullmatch(value):
        raise BadField("Originate dials PJSIP, Local or AudioSocket, nothing else")
    return line
