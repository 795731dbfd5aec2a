"""Whose leg it is, which call it belongs to, and that nothing a stranger sends becomes a call."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter import call_events as ev
from callcenter.ami_wire import parse_headers
from callcenter.call_events import Place
from callcenter.call_parse import (
    ORIGINATED_FROM,
    OWN_ID,
    READERS,
    CelRow,
    Naming,
    call_of,
    cel_call,
    is_originated,
    parse_ami,
    parse_cel,
    party_of,
    place_of,
)
from callcenter.types import CallId, ChannelId, Party

ID = CallId("a-1763800000.12")
CITIZEN, BOSS = ChannelId(ID), ChannelId(f"s-{ID}-1")
OWN = CallId(f"a-1763800000.{ORIGINATED_FROM}")
AT = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
NAMING = Naming()


@pytest.mark.parametrize(
    ("uniqueid", "name", "party", "who"),
    [
        (ID, "PJSIP/trunk-00000001", Party.CITIZEN, ""),
        (ID, "PJSIP/trunk-handset-00000001", Party.CITIZEN, ""),
        (f"r-{ID}-1", "PJSIP/8002-0000001a", Party.AGENT, "8002"),
        ("a-1763800000.13", "PJSIP/8001-00000002", Party.AGENT, "8001"),
        ("a-1763800000.13", "PJSIP/unit-00000002", Party.UNIT, ""),
        (f"u-{ID}-1", "PJSIP/unit-00000003", Party.UNIT, "unit"),
        (f"u-{ID}-1", "PJSIP/trunk-00000003", Party.UNIT, "trunk"),
        (f"s-{ID}-1", "PJSIP/8009-00000004", Party.SUPERVISOR, "8009"),
        (f"t-{ID}", "AudioSocket/127.0.0.1:12004-006b0323", Party.TAP, ""),
        ("a-1763800000.14", "AudioSocket/127.0.0.1:12004-006b0323", Party.TAP, ""),
        (OWN, "PJSIP/8001-00000002", Party.AGENT, "8001"),
    ],
)
def test_whose_leg_it_is(uniqueid: str, name: str, party: Party, who: str) -> None:
    assert party_of(uniqueid, name, NAMING) == (party, who)


@pytest.mark.parametrize(
    ("fields", "call"),
    [
        ({"ChanVariable(CALL_ID)": ID, "Linkedid": "a-1763800000.1", "Uniqueid": "a-1763800000.2"}, ID),
        ({"ChanVariable(CALL_ID)": "", "Linkedid": ID, "Uniqueid": "a-1763800000.13"}, ID),
        ({"Linkedid": f"u-{ID}-1", "Uniqueid": f"u-{ID}-1"}, ID),
        ({"Linkedid": f"t-{ID}", "Uniqueid": "a-1763800000.15"}, ID),
        ({"Uniqueid": f"s-{ID}-2"}, ID),
        ({"ChanVariable(CALL_ID)": "x; DROP TABLE call", "Linkedid": "", "Uniqueid": ""}, None),
        ({"Uniqueid": "a-1763800000.13"}, None),
        ({}, None),
    ],
)
def test_which_call_it_belongs_to(fields: dict[str, str], call: CallId | None) -> None:
    assert call_of(fields) == call


@pytest.mark.parametrize(
    ("technology", "place"),
    [
        ("holding_bridge", Place.HOLD),
        ("softmix", Place.CONFERENCE),
        ("simple_bridge", Place.BRIDGE),
        ("", Place.BRIDGE),
    ],
)
def test_a_bridges_technology_says_what_it_is(technology: str, place: Place) -> None:
    assert place_of(technology) == place


def test_only_ids_of_our_own_mark_a_call_we_placed() -> None:
    assert is_originated(OWN)
    assert not is_originated(ID)


def newchannel(**changed: str) -> ev.CallEvent | None:
    fields = {
        "Channel": "PJSIP/trunk-00000001", "CallerIDNum": "13800138000", "Context": "from-trunk", "Exten": "12345",
        "Uniqueid": ID, "Linkedid": ID,
    }  # fmt: skip
    return parse_ami("Newchannel", {**fields, **changed}, AT, NAMING)


def test_a_citizen_at_the_trunk_is_a_call() -> None:
    assert newchannel() == ev.LegSeen(ID, CITIZEN, AT, "PJSIP/trunk-00000001", Party.CITIZEN, "13800138000")


@pytest.mark.parametrize(
    "changed",
    [
        {"Context": "from-agent", "Channel": "PJSIP/8001-00000001"},
        {"Context": "from-unit", "Channel": "PJSIP/unit-00000001"},
        {"Context": "default"},
        {"Uniqueid": "12345", "Linkedid": "12345"},
        {"Uniqueid": "", "Linkedid": ""},
    ],
)
def test_what_does_not_come_in_at_the_trunk_opens_no_call(changed: dict[str, str]) -> None:
    assert newchannel(**changed) is None


@pytest.mark.parametrize("caller", ["13800138000;evil", "138 0013", "一二三", "'", "<b>"])
def test_a_caller_who_is_no_word_stays_unnamed(caller: str) -> None:
    seen = newchannel(CallerIDNum=caller)
    assert isinstance(seen, ev.LegSeen)
    assert seen.who == ""


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"ChannelState": "6"}, ev.LegAnswered),
        ({"ChannelState": "5"}, None),
        ({}, None),
    ],
)
def test_only_up_is_answered(fields: dict[str, str], expected: type[ev.CallEvent] | None) -> None:
    event = parse_ami("Newstate", {"Uniqueid": ID, "Linkedid": ID, **fields}, AT, NAMING)
    assert type(event) is (expected or type(None))


def test_the_tap_is_no_supervisor_who_listens() -> None:
    told = {"SpyeeUniqueid": ID, "SpyeeLinkedid": ID}
    tap = {"SpyerUniqueid": f"t-{ID}", "SpyerLinkedid": f"t-{ID}"}
    boss = {"SpyerUniqueid": f"s-{ID}-1", "SpyerLinkedid": f"s-{ID}-1"}
    assert parse_ami("ChanSpyStart", {**told, **tap}, AT, NAMING) is None
    assert isinstance(parse_ami("ChanSpyStart", {**told, **boss}, AT, NAMING), ev.SpyStarted)


@pytest.mark.parametrize(
    ("told", "caller"),
    [
        ("13800138000", "13800138000"),
        ("+8613800138000", "13800138000"),
        ("anonymous", ""),
        ("", ""),
        ("<unknown>", ""),
        ("8001x", ""),
    ],
)
def test_a_caller_is_a_number_or_nobody(told: str, caller: str) -> None:
    fields = {"Uniqueid": ID, "Linkedid": ID, "Channel": "PJSIP/trunk-00000001", "Context": "from-trunk"}
    seen = parse_ami("Newchannel", {**fields, "CallerIDNum": told}, AT, NAMING)
    assert seen == ev.LegSeen(ID, CITIZEN, AT, "PJSIP/trunk-00000001", Party.CITIZEN, caller)
    logged = parse_cel(row("CHAN_START", cid_num=told), NAMING)
    assert logged == seen


HELD = b"""\
Event: Hold
Privilege: call,all
Timestamp: 1795424370.572383
SystemName: a
Channel: PJSIP/8002-00000001
ChannelState: 6
ChannelStateDesc: Up
CallerIDNum: 8002
CallerIDName: 8002
ConnectedLineNum: 13900000001
ConnectedLineName: <unknown>
Language: zh
Context: from-agent
Exten: s
Priority: 1
Uniqueid: a-1795424365.1
Linkedid: a-1795424365.0
ChanVariable: CALL_ID=a-1795424365.0
ChanVariable: LEG=agent
MusicClass: default
"""
"""An agent pressed hold in the console; the Unhold after it is the same without MusicClass."""


@pytest.mark.parametrize(("name", "event"), [("Hold", ev.LegHeld), ("Unhold", ev.LegResumed)])
def test_the_hold_button_of_a_telephone_is_told(name: str, event: type[ev.CallEvent]) -> None:
    fields = parse_headers(HELD.strip().replace(b"\n", b"\r\n"))
    assert parse_ami(name, fields, AT, NAMING) == event(CallId("a-1795424365.0"), ChannelId("a-1795424365.1"), AT)


@pytest.mark.parametrize(
    "fields",
    [
        {"UserEvent": "RecordingDone", "CallId": "../../etc/passwd", "Leg": "citizen", "File": "/spool/x.sln"},
        {"UserEvent": "RecordingDone", "CallId": ID, "Leg": "nobody", "File": "/spool/x.sln"},
        {"UserEvent": "Unheard", "CallId": ID},
        {"UserEvent": "MenuEnded"},
    ],
)
def test_a_user_event_that_is_not_ours_says_nothing(fields: dict[str, str]) -> None:
    assert parse_ami("UserEvent", fields, AT, NAMING) is None


def row(eventtype: str, **changed: str) -> CelRow:
    fields = {
        "uniqueid": ID, "linkedid": ID, "channame": "PJSIP/trunk-00000001", "cid_num": "13800138000",
        "context": "from-trunk", "exten": "12345", "appname": "", "extra": "",
    }  # fmt: skip
    return CelRow(eventtype, AT, **{**fields, **changed})


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (row("APP_START", appname="Queue", userfield="hotline"), ev.Queued(ID, CITIZEN, AT, "hotline")),
        (row("APP_START", appname="AGI"), None),
        (row("APP_START", appname="ChanSpy", uniqueid=f"t-{ID}", linkedid=f"t-{ID}"), None),
        (row("APP_START", appname="ChanSpy", uniqueid=f"s-{ID}-1"), ev.SpyStarted(ID, BOSS, AT)),
        (row("HANGUP", extra='{"hangupcause":17}'), ev.LegGone(ID, CITIZEN, AT, 17)),
        (row("HANGUP", extra="not json"), ev.LegGone(ID, CITIZEN, AT, 0)),
        (row("HANGUP", extra="[1]"), ev.LegGone(ID, CITIZEN, AT, 0)),
        (row("LINKEDID_END"), ev.CallOver(ID, CITIZEN, AT)),
        (row("LINKEDID_END", linkedid=f"t-{ID}", uniqueid=f"t-{ID}"), None),
        (row("DTMF"), None),
        (row("ANSWER", uniqueid="x", linkedid="y"), None),
    ],
)
def test_a_row_of_the_log_is_one_event_or_none(read: CelRow, expected: ev.CallEvent | None) -> None:
    assert parse_cel(read, NAMING) == expected


@given(st.sampled_from(sorted([*READERS, *OWN_ID])), st.dictionaries(st.text(max_size=20), st.text(max_size=40)))
def test_no_headers_break_a_reader(name: str, fields: dict[str, str]) -> None:
    event = parse_ami(name, {"Linkedid": ID, "Uniqueid": ID, "CallId": ID, **fields}, AT, NAMING)
    assert event is None or event.at == AT


@given(st.text(max_size=20), st.text(max_size=60), st.text(max_size=60))
def test_no_row_breaks_the_reader(kind: str, uniqueid: str, extra: str) -> None:
    read = row(kind, uniqueid=uniqueid, extra=extra)
    assert cel_call(read) == ID
    event = parse_cel(read, NAMING)
    assert event is None or (event.call_id, event.at) == (ID, AT)
