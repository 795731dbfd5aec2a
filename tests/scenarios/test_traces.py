"""Calls as a real Asterisk told them (`record.py` made the files): which facts follow, and whether its log agrees.

`<story>.ami.txt`: the events of the manager interface. `<story>.cel.txt`: the channel event log of the same call.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callcenter import call_facts as facts
from callcenter import cel
from callcenter.call_events import CallEvent, LegGone, Place
from callcenter.call_facts import Fact
from callcenter.call_parse import Naming, parse_cel
from callcenter.call_state import Call, Stay
from callcenter.tracker import Tracker
from callcenter.types import Party
from tests.support.told import trace

HERE = Path(__file__).parent
NAMING = Naming()
NEAR = timedelta(milliseconds=50)
"""How far the two sources' times of one thing may be apart."""
SPY_NEAR = timedelta(milliseconds=200)
"""ChanSpy tells the manager only when it has found the channel; the log tells when it was started."""

STORIES: dict[str, list[str]] = {
    "citizen-hangs-up": [
        "CallStarted in 13900000001",
        "CallAnswered",
        "MenuStepTaken greeting 0",
        "MenuDone queue hotline",
        "CallQueued hotline",
        "-> queued",
        "-> ringing",
        "AgentRang 8001",
        "AgentAnswered 8001",
        "-> talking",
        "RecordingFinished citizen and mix",
        "RecordingFinished agent",
        "LegLeft agent 16",
        "CitizenLeft, 0 others",
        "CallEnded answered",
        "-> ended",
    ],
    "agent-hangs-up": [
        "CallStarted in 13900000002",
        "CallAnswered",
        "MenuStepTaken greeting 3",
        "MenuDone queue hotline 投诉",
        "CallQueued hotline",
        "-> queued",
        "-> ringing",
        "AgentRang 8001",
        "AgentAnswered 8001",
        "-> talking",
        "RecordingFinished agent",
        "RecordingFinished citizen and mix",
        "LegLeft agent 16",
        "CitizenLeft, 0 others",
        "CallEnded answered",
        "-> ended",
    ],
    "abandoned": [
        "CallStarted in 13900000003",
        "CallAnswered",
        "MenuStepTaken greeting 0",
        "MenuDone queue hotline",
        "CallQueued hotline",
        "-> queued",
        "RecordingFinished citizen and mix",
        "CitizenLeft, 0 others",
        "CallMissed abandoned",
        "CallEnded abandoned",
        "-> ended",
    ],
    "hung-up-in-menu": [
        "CallStarted in 13900000004",
        "CallAnswered",
        "MenuStepTaken greeting hangup",
        "MenuDone hangup",
        "RecordingFinished citizen and mix",
        "CitizenLeft, 0 others",
        "CallMissed ivr_drop",
        "CallEnded ivr_drop",
        "-> ended",
    ],
    "asked-for-call-back": [
        "CallStarted in 13900000005",
        "CallAnswered",
        "MenuStepTaken greeting *",
        "CallbackWanted surge",
        "MenuDone message",
        "RecordingFinished citizen and mix",
        "CitizenLeft, 0 others",
        "CallMissed surge asked",
        "CallEnded surge",
        "-> ended",
    ],
    "next-agent-answers": [
        "CallStarted in 13900000006",
        "CallAnswered",
        "MenuStepTaken greeting 0",
        "MenuDone queue hotline",
        "CallQueued hotline",
        "-> queued",
        "-> ringing",
        "AgentRang 8002",
        "AgentMissedRing 8002",
        "LegLeft agent 0 unanswered",
        "-> queued",
        "-> ringing",
        "AgentRang 8001",
        "AgentAnswered 8001",
        "-> talking",
        "RecordingFinished agent",
        "RecordingFinished citizen and mix",
        "LegLeft agent 16",
        "CitizenLeft, 0 others",
        "CallEnded answered",
        "-> ended",
    ],
    "three-party": [
        "CallStarted in 13900000007",
        "CallAnswered",
        "MenuStepTaken greeting 0",
        "MenuDone queue hotline",
        "CallQueued hotline",
        "-> queued",
        "-> ringing",
        "AgentRang 8001",
        "AgentAnswered 8001",
        "-> talking",
        "-> consulting",
        "LegJoined unit",
        "-> three_party",
        "-> with_unit",
        "RecordingFinished agent",
        "LegLeft agent 16",
        "-> alone",
        "CitizenStranded after a unit, 1 others",
        "RecordingFinished unit",
        "LegLeft unit 16",
        "RecordingFinished citizen and mix",
        "CitizenLeft, 0 others",
        "CallEnded answered",
        "-> ended",
    ],
    "unit-busy": [
        "CallStarted in 13900000008",
        "CallAnswered",
        "MenuStepTaken greeting 0",
        "MenuDone queue hotline",
        "CallQueued hotline",
        "-> queued",
        "-> ringing",
        "AgentRang 8001",
        "AgentAnswered 8001",
        "-> talking",
        "-> consulting",
        "LegLeft unit 17 unanswered",
        "-> talking",
        "RecordingFinished citizen and mix",
        "CitizenLeft, 1 others",
        "LegLeft tap 0",
        "RecordingFinished agent",
        "LegLeft agent 16",
        "CallEnded answered",
        "-> ended",
    ],
    "agent-vanishes": [
        "CallStarted in 13900000009",
        "CallAnswered",
        "MenuStepTaken greeting 0",
        "MenuDone queue hotline",
        "CallQueued hotline",
        "-> queued",
        "-> ringing",
        "AgentRang 8001",
        "AgentAnswered 8001",
        "-> talking",
        "-> consulting",
        "LegJoined unit",
        "RecordingFinished agent",
        "LegLeft agent 16",
        "-> on_hold",
        "CitizenStranded before a unit, 1 others",
        "RecordingFinished unit",
        "LegLeft unit 16",
        "CallQueued hotline",
        "-> queued",
        "-> ringing",
        "AgentRang 8002",
        "AgentAnswered 8002",
        "-> talking",
        "RecordingFinished agent",
        "RecordingFinished citizen and mix",
        "LegLeft agent 16",
        "CitizenLeft, 0 others",
        "CallEnded answered",
        "-> ended",
    ],
    "taken-back": [
        "CallStarted in 13900000001",
        "CallAnswered",
        "MenuStepTaken greeting 0",
        "MenuDone queue hotline",
        "CallQueued hotline",
        "-> queued",
        "-> ringing",
        "AgentRang 8001",
        "AgentAnswered 8001",
        "-> talking",
        "-> consulting",
        "-> talking",
        "RecordingFinished agent",
        "LegLeft agent 16",
        "RecordingFinished citizen and mix",
        "CitizenLeft, 1 others",
        "LegLeft tap 0",
        "RecordingFinished agent",
        "LegLeft agent 16",
        "CallEnded answered",
        "-> ended",
    ],
    "taken-back-in-vain": [
        "CallStarted in 13900000002",
        "CallAnswered",
        "MenuStepTaken greeting 0",
        "MenuDone queue hotline",
        "CallQueued hotline",
        "-> queued",
        "-> ringing",
        "AgentRang 8001",
        "AgentAnswered 8001",
        "-> talking",
        "-> consulting",
        "LegLeft agent 17 unanswered",
        "RecordingFinished agent",
        "LegLeft agent 16",
        "-> on_hold",
        "CitizenStranded before a unit, 0 others",
        "CallQueued hotline",
        "-> queued",
        "-> ringing",
        "AgentRang 8002",
        "AgentAnswered 8002",
        "-> talking",
        "RecordingFinished citizen and mix",
        "RecordingFinished agent",
        "LegLeft agent 16",
        "CitizenLeft, 0 others",
        "CallEnded answered",
        "-> ended",
    ],
    "supervisor-listens": [
        "CallStarted in 13900000010",
        "CallAnswered",
        "MenuStepTaken greeting 0",
        "MenuDone queue hotline",
        "CallQueued hotline",
        "-> queued",
        "-> ringing",
        "AgentRang 8001",
        "AgentAnswered 8001",
        "-> talking",
        "LegJoined supervisor",
        "LegLeft supervisor 16",
        "RecordingFinished agent",
        "LegLeft agent 16",
        "RecordingFinished citizen and mix",
        "CitizenLeft, 0 others",
        "CallEnded answered",
        "-> ended",
    ],
    "called-back": [
        "CallStarted callback",
        "-> ringing",
        "CallAnswered",
        "AgentAnswered 8001",
        "-> talking",
        "RecordingFinished agent",
        "RecordingFinished citizen and mix",
        "LegLeft agent 16",
        "CitizenLeft, 0 others",
        "CallEnded answered",
        "-> ended",
    ],
    "not-called-back": [
        "CallStarted callback",
        "-> ringing",
        "CitizenLeft, 1 others",
        "RecordingFinished agent",
        "LegLeft agent 17",
        "CallEnded unreached",
        "-> ended",
    ],
}  # fmt: skip
"""Story -> every fact in its order, as `line` writes it."""


@cache
def ami(story: str) -> tuple[CallEvent, ...]:
    """The story's call events, by way of the product's own parsers."""
    return tuple(trace(story))


@cache
def log(story: str) -> tuple[CallEvent, ...]:
    """The same call out of Asterisk's log."""
    piece = cel.read(HERE / f"{story}.cel.txt", 0)
    assert piece.rows
    assert piece.bad_lines == 0
    return tuple(event for row in piece.rows if (event := parse_cel(row, NAMING)) is not None)


@dataclass
class Told:
    call: Call
    facts: list[Fact]

    @property
    def kinds(self) -> list[str]:
        return [type(fact).__name__ for fact in self.facts]


def tell(events: Iterable[CallEvent]) -> Told:
    tracker = Tracker()
    told: list[Fact] = []
    last: Call | None = None
    for event in events:
        change = tracker.take(event)
        if change is not None:
            told.extend(change.facts)
            last = change.after
    assert last is not None
    return Told(last, told)


def line(fact: Fact) -> str:
    """A fact as a line of the tables above."""
    match fact:
        case facts.CallStarted():
            return f"CallStarted {fact.direction} {fact.caller}".strip()
        case facts.MenuStepTaken():
            return f"MenuStepTaken {fact.step} {fact.digits}"
        case facts.MenuDone():
            return f"MenuDone {fact.outcome} {fact.queue} {fact.request_type}".rstrip()
        case facts.CallQueued():
            return f"CallQueued {fact.queue}"
        case facts.CallbackWanted():
            return f"CallbackWanted {fact.reason}"
        case facts.AgentRang() | facts.AgentAnswered() | facts.AgentMissedRing():
            return f"{type(fact).__name__} {fact.agent}"
        case facts.SituationChanged():
            return f"-> {fact.after}"
        case facts.LegJoined():
            return f"LegJoined {fact.party}"
        case facts.LegLeft():
            return f"LegLeft {fact.party} {fact.cause}{'' if fact.answered else ' unanswered'}"
        case facts.CitizenLeft():
            return f"CitizenLeft, {len(fact.others)} others"
        case facts.CitizenStranded():
            return f"CitizenStranded {'after' if fact.had_unit else 'before'} a unit, {len(fact.others)} others"
        case facts.RecordingFinished():
            return f"RecordingFinished {fact.party}{' and mix' if fact.mix else ''}"
        case facts.CallMissed():
            return f"CallMissed {fact.reason}{' asked' if fact.asked else ''}"
        case facts.CallEnded():
            return f"CallEnded {fact.exit_reason}"
    return type(fact).__name__


@pytest.mark.parametrize("story", STORIES)
def test_a_trace_is_told_as_these_facts_in_this_order(story: str) -> None:
    assert [line(fact) for fact in tell(ami(story)).facts] == STORIES[story]


@pytest.mark.parametrize("story", STORIES)
def test_a_trace_heard_twice_says_nothing_new(story: str) -> None:
    once, twice = tell(ami(story)), tell([*ami(story), *ami(story)])
    told_again = Counter(twice.kinds) - Counter(once.kinds)
    # A recording that is told again is taken in again, which changes nothing (recordings.service.finished).
    assert set(told_again) <= {"RecordingFinished"}
    assert twice.call == once.call


# ---- the log is the record -----------------------------------------------------------------------------------------

TIMES = ("started_at", "answered_at", "queued_at", "agent_ringing_at", "agent_answered_at", "ended_at")
NOT_IN_THE_LOG = {"asked-for-call-back": "ivr_drop"}
"""Asterisk's log knows no keys: such a call is missed all the same, only not as one who was promised a call."""


@pytest.mark.parametrize("story", STORIES)
def test_the_log_alone_ends_with_the_same_record(story: str) -> None:
    heard, read = tell(ami(story)), tell(log(story))
    same_record(heard.call, read.call, NOT_IN_THE_LOG.get(story, heard.call.exit_reason))
    for kind in ("CallStarted", "CallAnswered", "CallQueued", "AgentAnswered", "CitizenStranded", "CallMissed"):
        assert read.kinds.count(kind) == heard.kinds.count(kind), kind


def same_record(heard: Call, read: Call, exit_reason: str) -> None:
    """Who answered, when, who heard whom and how it ended."""
    assert (read.id, read.direction, read.queue, read.agent) == (heard.id, heard.direction, heard.queue, heard.agent)
    assert read.exit_reason == exit_reason
    for name in TIMES:
        near(getattr(heard, name), getattr(read, name), name)
    assert {key: (leg.party, leg.who) for key, leg in read.legs.items()} == {
        key: (leg.party, leg.who) for key, leg in heard.legs.items()
    }
    for key, leg in heard.legs.items():
        near(leg.answered_at, read.legs[key].answered_at, f"answer of {key}")
        near(leg.ended_at, read.legs[key].ended_at, f"end of {key}")
    ours, theirs = by_leg(heard), by_leg(read)
    assert [where(stay) for stay in theirs] == [where(stay) for stay in ours]
    for one, other in zip(ours, theirs, strict=True):
        within = SPY_NEAR if one.place is Place.SPY else NEAR
        near(one.from_at, other.from_at, f"{one.party} in {one.place}", within)
        near(one.until_at, other.until_at, f"{one.party} out of {one.place}", within)


def near(one: datetime | None, other: datetime | None, what: str, within: timedelta = NEAR) -> None:
    assert (one is None) == (other is None), f"{what}: {one} and {other}"
    if one is not None and other is not None:
        assert abs(one - other) <= within, f"{what}: {one} and {other}"


def by_leg(call: Call) -> list[Stay]:
    return sorted(call.stays, key=lambda stay: (stay.channel_id, stay.from_at))


def where(stay: Stay) -> tuple[str, str, Place, Party]:
    return stay.channel_id, stay.bridge_id, stay.place, stay.party


ONCE = ("CallStarted", "CallAnswered", "CallQueued", "AgentAnswered", "CitizenStranded", "CallMissed", "CallEnded")


@settings(max_examples=300, deadline=None)
@given(story=st.sampled_from(sorted(STORIES.keys() - NOT_IN_THE_LOG)), cut=st.floats(0, 1), gap=st.floats(0, 1))
def test_a_gap_anywhere_is_closed_from_the_log(story: str, cut: float, gap: float) -> None:
    """The listener misses a stretch of events, reads the log from its beginning, and hears the rest."""
    events = ami(story)
    first = round(cut * len(events))
    last = first + round(gap * (len(events) - first))
    back_at = events[last].at if last < len(events) else datetime.max.replace(tzinfo=UTC)
    filled = tell([*events[:first], *(e for e in log(story) if e.at < back_at), *events[last:]])
    heard = tell(events)
    same_record(heard.call, filled.call, heard.call.exit_reason)
    assert {kind: filled.kinds.count(kind) for kind in ONCE} == {kind: heard.kinds.count(kind) for kind in ONCE}


@pytest.mark.parametrize("story", STORIES)
def test_every_leg_of_a_trace_ends_and_every_stay_with_it(story: str) -> None:
    call = tell(ami(story)).call
    assert {event.channel_id for event in ami(story) if isinstance(event, LegGone)} >= set(call.legs) - {f"t-{call.id}"}
    assert all(leg.ended_at is not None for leg in call.legs.values())
    assert all(stay.until_at is not None and stay.until_at >= stay.from_at for stay in call.stays)
