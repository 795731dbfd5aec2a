"""A call that is not recorded for want of room: what is told of it, and the gaps it leaves."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from callcenter import call_events as ev
from callcenter.call_events import CallEvent
from callcenter.call_facts import RecordingWithheld
from callcenter.call_parse import Naming, parse_ami
from callcenter.call_state import Call, Leg
from callcenter.call_store import Step
from callcenter.calls import advance, begin
from callcenter.custody.unrecorded import withheld_by
from callcenter.types import CallId, ChannelId, Party
from recordings.recording import Cause

ID = CallId("a-1763800000.1")
CITIZEN, AGENT = ChannelId(ID), ChannelId("a-1763800000.2")
T0 = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def at(second: float) -> datetime:
    return T0 + timedelta(seconds=second)


def call(*events: CallEvent) -> tuple[Call, list[object]]:
    """The call after its citizen's answer and these events, and the facts of them."""
    now, _ = begin(ev.LegSeen(ID, CITIZEN, at(0), "PJSIP/trunk-00000001", Party.CITIZEN))
    told: list[object] = []
    for event in (ev.LegAnswered(ID, CITIZEN, at(1)), *events):
        now, facts = advance(now, event)
        told.extend(facts)
    return now, told


def test_the_dialplans_word_is_read() -> None:
    fields = {"UserEvent": "NotRecorded", "CallId": ID, "Leg": "citizen", "Channel": CITIZEN}
    assert parse_ami("UserEvent", fields, at(1), Naming()) == ev.LegUnrecorded(ID, CITIZEN, at(1))


def test_a_leg_is_withheld_once_and_the_call_with_it() -> None:
    word = ev.LegUnrecorded(ID, CITIZEN, at(1))
    after, told = call(word, word)
    assert [fact for fact in told if isinstance(fact, RecordingWithheld)] == [
        RecordingWithheld(ID, at(1), CITIZEN, Party.CITIZEN)
    ]
    assert not after.recorded
    assert call()[0].recorded


def test_a_word_about_a_leg_nobody_has_seen_changes_nothing() -> None:
    after, told = call(ev.LegUnrecorded(ID, AGENT, at(1)))
    assert after.recorded
    assert not [fact for fact in told if isinstance(fact, RecordingWithheld)]


ENDED = Leg(CITIZEN, "", Party.CITIZEN, "", at(0), at(1), at(9), recorded=False)
UP = replace(ENDED, ended_at=None)


@pytest.mark.parametrize(
    ("before", "after", "gap"),
    [
        (UP, ENDED, True),
        (None, ENDED, True),
        (replace(ENDED, recorded=True), ENDED, True),
        (ENDED, ENDED, False),
        (UP, UP, False),
        (replace(UP, recorded=True), replace(ENDED, recorded=True), False),
        (replace(UP, answered_at=None), replace(ENDED, answered_at=None), False),
        (UP, replace(ENDED, ended_at=at(1)), False),
    ],
)
def test_its_whole_answered_time_is_a_gap_when_it_ends(before: Leg | None, after: Leg, gap: bool) -> None:
    was = None if before is None else Call(ID, at(0), legs={CITIZEN: before})
    gaps = list(withheld_by(Step(was, Call(ID, at(0), legs={CITIZEN: after}))))
    assert [(one.from_at, one.until_at, one.cause) for one in gaps] == (
        [(at(1), at(9), Cause.NOT_RECORDED)] if gap else []
    )
