"""AMI bytes to values and back, without a socket."""

import itertools
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.ami_wire import (
    ACTIONS,
    FIELDS,
    MAX_LINE_BYTES,
    MAX_MESSAGE_BYTES,
    AmiEvent,
    BadField,
    BadMessage,
    Framer,
    MissingHeader,
    encode_action,
    parse_headers,
)

NOW = datetime(2026, 11, 22, 16, 30, tzinfo=UTC)
BANNER = b"Asterisk Call Manager/11.0.0\r\n"

# As Asterisk 22.10.1 sent it to a user with channelvars = CALL_ID,LEG; the number replaced.
ENTER = (
    b"Event: BridgeEnter\r\nPrivilege: call,all\r\nTimestamp: 1795364880.581092\r\nSystemName: a\r\n"
    b"BridgeUniqueid: ea5334a2-156a-47e3-a500-f52373bcae7a\r\nBridgeNumChannels: 2\r\n"
    b"Channel: PJSIP/trunk-00000000\r\nCallerIDNum: 13800138000\r\nCallerIDName: <unknown>\r\nAccountCode: \r\n"
    b"Uniqueid: a-1795364878.0\r\nLinkedid: a-1795364878.0\r\n"
    b"ChanVariable: CALL_ID=a-1795364878.0\r\nChanVariable: LEG=citizen"
)
DIAL = (
    b"Event: DialBegin\r\nPrivilege: call,all\r\nChannel: PJSIP/trunk-00000000\r\n"
    b"ChanVariable: CALL_ID=a-1.0\r\nChanVariable: LEG=citizen\r\nDestChannel: PJSIP/8001-00000001\r\n"
    b"DestChanVariable: CALL_ID=a-1.0\r\nDestChanVariable: LEG=agent\r\nDialString: 8001"
)
ORIGINATED = (
    b"Event: OriginateResponse\r\nPrivilege: call,all\r\nTimestamp: 1795364911.932681\r\nActionID: o1\r\n"
    b"Response: Success\r\nChannel: Local/ue@lab-00000001;1\r\nReason: 4\r\nUniqueid: x-1\r\n"
    b"ChanVariable(Local/ue@lab-00000001;1): CALL_ID=a-1.0\r\nChanVariable(Local/ue@lab-00000001;1): LEG=unit"
)
RECORDED = (
    b"Event: UserEvent\r\nPrivilege: user,all\r\nChannel: PJSIP/trunk-00000000\r\nUniqueid: a-1.0\r\n"
    b"ChanVariable: CALL_ID=a-1.0\r\nUserEvent: RecordingDone\r\nCallId: a-1.0\r\nChannel: a-1.0\r\nFile: /a b.sln"
)


def parse(message: bytes) -> AmiEvent:
    return AmiEvent.received(message[7:].split(b"\r")[0].decode(), message, NOW)


# ---- events ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "key", "value"),
    [
        (ENTER, "Channel", "PJSIP/trunk-00000000"),
        (ENTER, "AccountCode", ""),
        (ENTER, "ChanVariable(CALL_ID)", "a-1795364878.0"),
        (ENTER, "ChanVariable(LEG)", "citizen"),
        (DIAL, "DestChanVariable(LEG)", "agent"),
        (DIAL, "DialString", "8001"),
        (ORIGINATED, "ChanVariable(LEG)", "unit"),
        (ORIGINATED, "Response", "Success"),
        (RECORDED, "UserEvent", "RecordingDone"),
        (RECORDED, "Channel", "a-1.0"),
        (RECORDED, "Uniqueid", "a-1.0"),
        (b"Event: X\r\nName: a: b:c", "Name", "a: b:c"),
        (b"Event: X\r\nName: ", "Name", ""),
        (ENTER, "Event", "BridgeEnter"),
        (b"Event: X\r\nName: \xe5\xbc\xa0\xe4\xb8\x89", "Name", "张三"),
        (b"Event: X\r\nName: \xe5\xbc", "Name", "\N{REPLACEMENT CHARACTER}"),
        (b"Event: X\r\nChanVariable: OTHER=1=2", "ChanVariable(OTHER)", "1=2"),
    ],
)
def test_header_has_the_value_asterisk_sent(message: bytes, key: str, value: str) -> None:
    event = parse(message)
    assert event.need(key) == value
    assert event.fields[key] == value
    assert (event.need(key), event.get(key)) == (value, value)


def test_variable_of_either_channel_is_found_by_its_name() -> None:
    event = parse(DIAL)
    assert (event.variable("LEG"), event.variable("LEG", "Dest")) == ("citizen", "agent")
    assert event.variable("NOT_SHOWN") == ""


def test_missing_header_is_told_from_an_empty_one() -> None:
    event = parse(ENTER)
    assert event.get("AccountCode", "x") == ""
    assert event.get("Nope", "x") == "x"
    with pytest.raises(MissingHeader, match="BridgeEnter has no header Nope"):
        event.need("Nope")


@pytest.mark.parametrize(
    ("stamp", "at"),
    [
        (b"1795364880.581092", datetime(2026, 11, 22, 16, 28, 0, 581092, tzinfo=UTC)),
        (b"", NOW),
        (b"soon", NOW),
        (b"nan", NOW),
        (b"1e300", NOW),
        (b"-1e17", NOW),
    ],
)
def test_event_happened_when_asterisk_says_or_else_when_it_came(stamp: bytes, at: datetime) -> None:
    event = parse(b"Event: X\r\nTimestamp: " + stamp)
    assert (event.at, event.received_at) == (at, NOW)


DOUBLED = [
    (b"Event: Hangup\r\nCallerIDName: a\r\nCause: 16\r\nCause: 17", "Cause"),
    (b"Event: Hangup\r\nCallerIDName: a\r\nChannel: b\r\nChannel: c", "Channel"),
    (b"Event: Hangup\r\nCallerIDName: a\r\nEvent: Newchannel", "Event"),
    (b"Event: DialBegin\r\nDestChanVariable: LEG=a\r\nDestChanVariable: LEG=b", "DestChanVariable(LEG)"),
    (b"Event: X\r\nTimestamp: 1\r\nTimestamp: 2", "Timestamp"),
]


@pytest.mark.parametrize(("message", "key"), DOUBLED)
def test_header_that_comes_twice_is_as_good_as_none(message: bytes, key: str) -> None:
    event = parse(message)
    for read in (event.need, event.fields.__getitem__):
        with pytest.raises(MissingHeader):
            read(key)
    assert event.get(key, "none") == event.fields.get(key, "none") == "none"
    assert key not in event.fields
    assert key not in dict(event.fields)
    with pytest.raises(BadMessage):
        parse_headers(message)


def test_time_or_variable_that_comes_twice_is_not_believed() -> None:
    assert parse(b"Event: X\r\nTimestamp: 1\r\nTimestamp: 2").at == NOW
    assert parse(b"Event: X\r\nChanVariable: LEG=agent\r\nChanVariable: LEG=citizen").variable("LEG") == ""


def test_fields_are_a_mapping_of_every_header() -> None:
    fields = parse(ENTER).fields
    assert dict(fields) == parse_headers(ENTER)
    assert len(fields) == len(list(fields)) == 14
    assert "Uniqueid" in fields
    assert "Nope" not in fields
    assert (fields["Event"], fields.get("Nope"), fields.get("Nope", "x")) == ("BridgeEnter", None, "x")
    with pytest.raises(MissingHeader):
        fields["Nope"]


@pytest.mark.parametrize(
    "message",
    [
        b"Event: Newchannel\r\nCallerIDName: a\r\nUniqueid: b-1.1\r\nUniqueid: a-1.0",
        b"Event: UserEvent\r\nName: a\r\nUserEvent: RecordingDone\r\nFile: /x\r\nUserEvent: MenuEnded",
        b"Event: UserEvent\r\nUserEvent: RecordingDone\r\nFile: /x\r\nFile: /y",
        b"Event: UserEvent\r\nUserEvent: RecordingDone\r\nFile: /x\r\nEvent: Hangup",
        b"Event: OriginateResponse\r\nReason: 4\r\nReason: 0",
    ],
)
def test_event_that_says_two_things_at_once_is_refused_at_the_door(message: bytes) -> None:
    with pytest.raises(BadMessage):
        parse(message)


def test_line_that_is_no_header_is_refused_with_all_fields() -> None:
    with pytest.raises(BadMessage, match="no header"):
        parse_headers(b"Event: Newchannel\r\nCallerIDName: a\r\nforged\r\nUniqueid: a-1.0")


def test_event_read_header_by_header_equals_one_made_of_its_fields() -> None:
    event = parse(ENTER)
    assert event == AmiEvent("BridgeEnter", parse_headers(ENTER), event.at, NOW)
    assert event != AmiEvent("BridgeLeave", parse_headers(ENTER), event.at, NOW)
    assert event != "BridgeEnter"


def test_printed_event_shows_nobodys_number() -> None:
    assert repr(parse(ENTER)) == "AmiEvent(BridgeEnter at 16:28:00.581092)"


# ---- framing ---------------------------------------------------------------------------------------------------

MESSAGES = [ENTER, b"Event: X\r\nName: \xe5\xbc\xa0\xe4\xb8\x89\xe4\xb8\xb0 \xf0\x9f\x93\x9e", DIAL]
STREAM = BANNER + b"".join(message + b"\r\n\r\n" for message in MESSAGES)


def test_stream_cut_at_every_byte_gives_the_same_messages() -> None:
    for cut in range(len(STREAM) + 1):
        framer = Framer()
        assert framer.feed(STREAM[:cut]) + framer.feed(STREAM[cut:]) == MESSAGES, cut
        assert framer.version == "11.0.0"


def test_stream_byte_by_byte_gives_the_same_messages() -> None:
    framer = Framer()
    assert [message for byte in STREAM for message in framer.feed(bytes([byte]))] == MESSAGES


@given(
    ends=st.lists(st.sampled_from([b"\r\n\r\n", b"\r\n\n", b"\r\n\r\n\r\n"]), min_size=3, max_size=3),
    cuts=st.lists(st.integers(0, len(STREAM)), max_size=12),
)
def test_odd_message_ends_are_ends_wherever_they_are_cut(ends: list[bytes], cuts: list[int]) -> None:
    stream = BANNER + b"".join(message + end for message, end in zip(MESSAGES, ends, strict=True))
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    framer = Framer()
    messages = [m for a, b in itertools.pairwise(edges) for m in framer.feed(stream[a:b])]
    assert messages == MESSAGES


@pytest.mark.parametrize("first", [b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 400 Bad", b"asterisk call manager/1\r\n"])
def test_other_protocol_on_the_port_is_refused(first: bytes) -> None:
    with pytest.raises(BadMessage, match="not an Asterisk"):
        Framer().feed(first)


def test_message_without_an_end_is_given_up() -> None:
    framer = Framer()
    framer.feed(BANNER)
    with pytest.raises(BadMessage, match="without an end"):
        framer.feed(b"Event: X\r\n" + b"A" * MAX_MESSAGE_BYTES)


# ---- actions ---------------------------------------------------------------------------------------------------


def test_action_goes_out_in_the_order_given_with_one_blank_line() -> None:
    fields = [("Channel", "PJSIP/600@unit"), ("Variable", "CALL_ID=a-1.0"), ("Variable", "LEG=unit")]
    assert encode_action("Originate", "id-1", fields) == (
        b"Action: Originate\r\nActionID: id-1\r\nChannel: PJSIP/600@unit\r\n"
        b"Variable: CALL_ID=a-1.0\r\nVariable: LEG=unit\r\nAsync: true\r\n\r\n"
    )


ALLOWED = [
    ("Originate", "Channel", "AudioSocket/127.0.0.1:12004/0b8ff4c6-38f3-4d6f-9d6e-4b1f1f3a8c11"),
    ("Originate", "Data", "PJSIP/trunk-00000000,qoES"),
    ("Originate", "Variable", "__CALL_ID=a-1795364878.0"),
    ("Originate", "CallerID", "12345"),
    ("Redirect", "Channel", "PJSIP/trunk-00000000"),
    ("Redirect", "ExtraChannel", "a-1795364878.1"),
    ("Redirect", "Exten", "s"),
    ("Hangup", "Channel", "u-a-1795364878.0-1"),
    ("Hangup", "Channel", "Local/s@hold-00000001;2"),
    ("QueueAdd", "Interface", "PJSIP/8001"),
    ("QueueAdd", "MemberName", "张三"),
    ("QueuePause", "Reason", "小休, 10 分钟"),
    ("Setvar", "Variable", "NO_RECORDING_UNTIL"),
    ("Setvar", "Value", "1763800060"),
]
REFUSED = [
    ("Command", "Command", "core stop now"),
    ("Login", "Username", "events"),
    ("Hangup", "Secret", "x"),
    ("Hangup", "channel", "PJSIP/8001-00000001"),
    ("Hangup", "Channel\r\nAction", "x"),
    ("Hangup", "Channel", "/^PJSIP/"),
    ("Hangup", "Channel", "PJSIP/8001-1\r\n\r\nAction: Originate"),
    ("Hangup", "Channel", ""),
    ("Redirect", "Channel", "PJSIP/8001-1&PJSIP/8002-1"),
    ("Redirect", "Context", "${SHELL(id)}"),
    ("Redirect", "Priority", "n"),
    ("Originate", "Channel", "DAHDI/1"),
    ("Originate", "Channel", "a-1795364878.0"),
    ("Originate", "Application", "System"),
    ("Originate", "Async", "false"),
    ("Originate", "CallerID", '"x" <12345>'),
    ("Originate", "Data", "PJSIP/1,${SHELL(id)}"),
    ("Originate", "Variable", "CITIZEN=138,SPYCHAN=PJSIP/8001-1"),
    ("Originate", "Variable", "X=${SHELL(id)}"),
    ("Originate", "Variable", "SHELL(id)=x"),
    ("QueueAdd", "Interface", "SIP/8001"),
    ("QueuePause", "Paused", "yes"),
    ("Setvar", "Variable", "AGI_TOKEN"),
    ("Setvar", "Variable", "NO_RECORDING_UNTIL=1"),
    ("Setvar", "Value", "${SHELL(id)}"),
    ("Setvar", "Channel", "PJSIP/8001-00000001"),
    ("QueuePause", "Reason", "a\nb"),
    ("QueuePause", "Reason", "a\0b"),
    ("QueuePause", "Reason", "a\u2028b"),
    ("QueuePause", "Reason", "a\ud800b"),
    ("QueuePause", "Reason", "长" * 300),
]


@pytest.mark.parametrize(("action", "key", "value"), ALLOWED)
def test_field_the_product_uses_goes_out(action: str, key: str, value: str) -> None:
    assert f"\r\n{key}: {value}\r\n".encode() in encode_action(action, "id", [(key, value)])


@pytest.mark.parametrize(("action", "key", "value"), REFUSED)
def test_field_outside_the_list_or_shape_is_refused(action: str, key: str, value: str) -> None:
    with pytest.raises(BadField):
        encode_action(action, "id", [(key, value)])


def test_refusal_does_not_repeat_the_value() -> None:
    with pytest.raises(BadField) as refusal:
        encode_action("QueuePause", "id", [("Reason", "13800138000\n")])
    assert "138" not in str(refusal.value)


def test_action_of_very_many_fields_is_refused() -> None:
    with pytest.raises(BadField, match="at most"):
        encode_action("Originate", "id", [("Variable", "A=1")] * 200)


@given(
    action=st.sampled_from(sorted(ACTIONS)),
    key=st.one_of(st.text(max_size=12), st.sampled_from(sorted({key for keys in ACTIONS.values() for key in keys}))),
    value=st.one_of(
        st.text(max_size=1200),
        st.text(alphabet="a1,;\r\n\0\u2028\u0085:/${} ", max_size=40),
        st.sampled_from(["PJSIP/8001", "true", "1", "A=b", "x\r\n\r\nAction: Ping\r\n"]),
    ),
)
def test_whatever_goes_out_is_one_action_of_allowed_keys(action: str, key: str, value: str) -> None:
    try:
        wire = encode_action(action, "id", [(key, value)])
    except BadField:
        return
    assert wire.endswith(b"\r\n\r\n")
    assert wire.count(b"\r\n\r\n") == 1
    lines = wire[:-4].split(b"\r\n")
    keys = [line.split(b": ", 1)[0].decode() for line in lines]
    assert keys[:2] == ["Action", "ActionID"]
    assert set(keys[2:]) <= ACTIONS[action]
    assert all(len(line) <= MAX_LINE_BYTES and not set(line) & set(b"\r\n\0") for line in lines)


def test_every_field_with_a_shape_belongs_to_some_action() -> None:
    assert set(FIELDS) <= {key for keys in ACTIONS.values() for key in keys}
