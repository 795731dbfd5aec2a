"""Calls told as tables of events: what became true, in which order, and who heard whom."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callcenter import call_events as ev
from callcenter import call_facts as facts
from callcenter.call_events import CallEvent, Place
from callcenter.call_facts import Fact, Situation
from callcenter.call_state import Call
from callcenter.calls import advance
from callcenter.tracker import Tracker
from callcenter.types import CallId, ChannelId, Party

ID = CallId("a-1763800000.1")
CITIZEN, AGENT, UNIT, SUP = ChannelId(ID), ChannelId("a-1763800000.2"), ChannelId(f"u-{ID}-1"), ChannelId(f"s-{ID}-1")
T0 = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)


def at(second: float) -> datetime:
    return T0 + timedelta(seconds=second)


def queue_call() -> list[CallEvent]:
    """A citizen rings, waits, and talks with agent 8001 in bridge B."""
    return [
        ev.LegSeen(ID, CITIZEN, at(0), "PJSIP/trunk-00000001", Party.CITIZEN, "13800138000"),
        ev.LegAnswered(ID, CITIZEN, at(0.1)),
        ev.MenuEnded(ID, CITIZEN, at(5), "queue", "hotline", "投诉"),
        ev.Queued(ID, CITIZEN, at(5.1), "hotline"),
        ev.LegSeen(ID, AGENT, at(6), "PJSIP/8001-00000002", Party.AGENT, "8001"),
        ev.AgentRinging(ID, AGENT, at(6), "8001"),
        ev.LegAnswered(ID, AGENT, at(8)),
        ev.QueueLeft(ID, CITIZEN, at(8), "hotline"),
        ev.AgentConnected(ID, AGENT, at(8), "8001"),
        ev.BridgeEntered(ID, CITIZEN, at(8.1), "B", Place.BRIDGE),
        ev.BridgeEntered(ID, AGENT, at(8.1), "B", Place.BRIDGE),
    ]


def consult() -> list[CallEvent]:
    """The agent consults the unit while the citizen hears music, then merges."""
    return [
        ev.BridgeLeft(ID, AGENT, at(20), "B"),
        ev.BridgeLeft(ID, CITIZEN, at(20), "B"),
        ev.BridgeEntered(ID, CITIZEN, at(20.01), "H", Place.HOLD),
        ev.BridgeEntered(ID, AGENT, at(20.02), "C", Place.CONFERENCE),
        ev.LegSeen(ID, UNIT, at(20.1), "PJSIP/unit-00000003", Party.UNIT, "unit"),
        ev.LegAnswered(ID, UNIT, at(25)),
        ev.BridgeEntered(ID, UNIT, at(25.1), "C", Place.CONFERENCE),
    ]


def merge() -> list[CallEvent]:
    return [
        ev.BridgeLeft(ID, CITIZEN, at(30), "H"),
        ev.BridgeEntered(ID, CITIZEN, at(30.05), "C", Place.CONFERENCE),
    ]


def hang_up(channel: ChannelId, second: float, *bridges: str) -> list[CallEvent]:
    left: list[CallEvent] = [ev.BridgeLeft(ID, channel, at(second), bridge) for bridge in bridges]
    return [*left, ev.LegGone(ID, channel, at(second + 0.01), 16)]


def tell(events: list[CallEvent]) -> tuple[Call, list[Fact]]:
    """Run events through a tracker; the call as it ends up and every fact in order."""
    tracker = Tracker()
    told: list[Fact] = []
    last: Call | None = None
    for event in events:
        change = tracker.take(event)
        if change:
            told.extend(change.facts)
            last = change.after
    assert last is not None
    return last, told


def kinds(told: list[Fact]) -> list[str]:
    return [type(fact).__name__ for fact in told]


def situations(told: list[Fact]) -> list[Situation]:
    return [fact.after for fact in told if isinstance(fact, facts.SituationChanged)]


def test_a_queue_call_is_told_in_order() -> None:
    call, told = tell([*queue_call(), *hang_up(CITIZEN, 60, "B"), *hang_up(AGENT, 60.2, "B")])
    assert kinds(told) == [
        "CallStarted", "CallAnswered", "MenuDone", "CallQueued", "SituationChanged", "SituationChanged", "AgentRang",
        "AgentAnswered", "SituationChanged", "CitizenLeft", "LegLeft", "CallEnded", "SituationChanged",
    ]  # fmt: skip
    assert situations(told) == [Situation.QUEUED, Situation.RINGING, Situation.TALKING, Situation.ENDED]
    assert (call.request_type, call.agent, call.exit_reason) == ("投诉", "8001", "answered")
    answered = next(fact for fact in told if isinstance(fact, facts.AgentAnswered))
    assert answered.wait_s == pytest.approx(2.9)


def test_a_three_party_call_shows_each_situation_once() -> None:
    events = [*queue_call(), *consult(), *merge(), *hang_up(AGENT, 40, "C"), *hang_up(UNIT, 50, "C")]
    _, told = tell(events)
    assert situations(told) == [
        Situation.QUEUED, Situation.RINGING, Situation.TALKING, Situation.CONSULTING, Situation.THREE_PARTY,
        Situation.WITH_UNIT, Situation.ALONE,
    ]  # fmt: skip
    stranded = [fact for fact in told if isinstance(fact, facts.CitizenStranded)]
    assert [fact.had_unit for fact in stranded] == [True]


def test_who_heard_whom_is_read_from_the_stays() -> None:
    call, _ = tell([*queue_call(), *consult(), *merge(), *hang_up(CITIZEN, 50, "C")])
    stays = {(s.party, s.bridge_id): (s.from_at, s.until_at) for s in call.stays}
    assert stays[Party.CITIZEN, "B"] == (at(8.1), at(20))
    assert stays[Party.CITIZEN, "H"] == (at(20.01), at(30))
    assert stays[Party.CITIZEN, "C"] == (at(30.05), at(50))
    assert stays[Party.UNIT, "C"] == (at(25.1), None)


def test_citizen_leaves_a_conference_and_the_others_are_named() -> None:
    _, told = tell([*queue_call(), *consult(), *merge(), *hang_up(CITIZEN, 50, "C")])
    left = next(fact for fact in told if isinstance(fact, facts.CitizenLeft))
    assert set(left.others) == {AGENT, UNIT}


def test_agent_vanishes_during_the_consult_and_the_citizen_is_not_lost() -> None:
    _, told = tell([*queue_call(), *consult(), *hang_up(AGENT, 27, "C")])
    stranded = [fact for fact in told if isinstance(fact, facts.CitizenStranded)]
    assert [(fact.had_unit, fact.others) for fact in stranded] == [(False, (UNIT,))]


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        (queue_call()[:1], "ivr_drop"),
        (queue_call()[:2], "ivr_drop"),
        (queue_call()[:4], "abandoned"),
        ([*queue_call()[:4], ev.CallbackAsked(ID, CITIZEN, at(7), "full")], "full"),
        ([*queue_call()[:2], ev.MenuEnded(ID, CITIZEN, at(5), "message")], "message"),
    ],
)
def test_a_call_that_reached_nobody_is_missed_once(events: list[CallEvent], reason: str) -> None:
    call, told = tell([*events, *hang_up(CITIZEN, 30), *hang_up(CITIZEN, 30)])
    assert [fact.reason for fact in told if isinstance(fact, facts.CallMissed)] == [reason]
    assert call.exit_reason == reason


def test_asterisk_was_killed_and_the_call_is_interrupted() -> None:
    call, told = tell([*queue_call(), ev.CallOver(ID, CITIZEN, at(33), "interrupted")])
    assert call.exit_reason == "interrupted"
    assert all(leg.ended_at == at(33) for leg in call.legs.values())
    assert kinds(told)[-2:] == ["CallEnded", "SituationChanged"]


def test_a_call_back_is_answered_when_the_citizen_answers() -> None:
    own = CallId("a-1763800000.912345678")
    agent, citizen = ChannelId(own), ChannelId("a-1763800000.7")
    _, told = tell(
        [
            ev.LegSeen(own, agent, at(0), "PJSIP/8001-00000002", Party.AGENT, "8001"),
            ev.LegAnswered(own, agent, at(2)),
            ev.LegSeen(own, citizen, at(2.1), "PJSIP/trunk-00000003", Party.CITIZEN, ""),
            ev.LegAnswered(own, citizen, at(6)),
            ev.BridgeEntered(own, citizen, at(6), "B", Place.BRIDGE),
            ev.BridgeEntered(own, agent, at(6), "B", Place.BRIDGE),
        ]
    )
    started = next(fact for fact in told if isinstance(fact, facts.CallStarted))
    assert started.direction == "callback"
    assert [fact.agent for fact in told if isinstance(fact, facts.AgentAnswered)] == ["8001"]


def test_an_agents_own_telephone_makes_no_call_of_ours() -> None:
    tracker = Tracker()
    other = CallId("a-1763800000.9")
    seen = ev.LegSeen(other, ChannelId("a-1763800000.10"), at(0), "PJSIP/8001-00000009", Party.AGENT, "8001")
    assert tracker.take(seen) is None


def test_a_recording_that_ends_after_the_hang_up_is_still_told() -> None:
    events = [*queue_call(), *hang_up(CITIZEN, 60, "B"), *hang_up(AGENT, 60.2, "B")]
    late = ev.RecordingEnded(ID, AGENT, at(60.3), Party.AGENT, "/spool/x.sln")
    _, told = tell([*events, late])
    assert isinstance(told[-1], facts.RecordingFinished)


WHOLE = [
    *queue_call(),
    *consult(),
    *merge(),
    *hang_up(AGENT, 40, "C"),
    *hang_up(CITIZEN, 50, "C"),
    *hang_up(UNIT, 51, "C"),
]


@st.composite
def jittered(draw: st.DrawFn) -> list[CallEvent]:
    """WHOLE with each event up to a second late and some doubled; each channel's own order is kept.

    Asterisk promises no order between channels; the first leg stays first, as nothing else can open a call.
    """
    clock: dict[ChannelId, datetime] = {}
    due: list[tuple[datetime, int, CallEvent]] = []
    for number, event in enumerate(WHOLE[1:]):
        late = event.at + timedelta(seconds=draw(st.floats(0, 1)))
        clock[event.channel_id] = max(clock.get(event.channel_id, late), late)
        due.extend([(clock[event.channel_id], number, event)] * draw(st.sampled_from([1, 1, 1, 2])))
    return [WHOLE[0], *(event for _, _, event in sorted(due, key=lambda row: row[:2]))]


@settings(max_examples=300, deadline=None)
@given(jittered())
def test_any_order_between_channels_ends_with_the_same_record(events: list[CallEvent]) -> None:
    call, told = tell(events)
    plain, _ = tell(list(WHOLE))
    assert call.ended_at is not None
    assert call.exit_reason == plain.exit_reason
    assert {k: (leg.party, leg.ended_at) for k, leg in call.legs.items()}.keys() <= plain.legs.keys()
    assert len([fact for fact in told if isinstance(fact, facts.CallStarted)]) == 1
    assert len([fact for fact in told if isinstance(fact, facts.CallEnded)]) == 1
    assert len([fact for fact in told if isinstance(fact, facts.AgentAnswered)]) == 1
    assert not [fact for fact in told if isinstance(fact, facts.CallMissed)]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(WHOLE), max_size=60))
def test_no_jumble_of_events_breaks_the_machine(events: list[CallEvent]) -> None:
    tracker = Tracker()
    ended = 0
    for event in events:
        change = tracker.take(event)
        if change:
            ended += sum(isinstance(fact, facts.CallEnded) for fact in change.facts)
    assert ended <= 1


def test_a_replay_of_everything_says_nothing_new() -> None:
    tracker = Tracker()
    for event in [*queue_call(), *consult(), *merge()]:
        tracker.take(event)
    repeated = [tracker.take(event) for event in [*queue_call(), *consult(), *merge()]]
    told = [fact for change in repeated if change for fact in change.facts]
    assert [kind for kind in kinds(told) if kind not in ("MenuDone", "SituationChanged")] == []
    assert tracker.calls[ID].situation == Situation.THREE_PARTY


def test_a_supervisor_who_listens_is_on_record() -> None:
    call, _ = tell(
        [
            *queue_call(),
            ev.LegSeen(ID, SUP, at(15), "PJSIP/8009-00000005", Party.SUPERVISOR, "8009"),
            ev.LegAnswered(ID, SUP, at(15.5)),
            ev.SpyStarted(ID, SUP, at(15.6), AGENT),
            ev.SpyEnded(ID, SUP, at(19)),
        ]
    )
    spying = [stay for stay in call.stays if stay.place == Place.SPY]
    assert [(stay.party, stay.from_at, stay.until_at) for stay in spying] == [(Party.SUPERVISOR, at(15.6), at(19))]


def test_who_presses_hold_is_on_record_and_stays_in_the_talk() -> None:
    call, told = tell([*queue_call(), ev.LegHeld(ID, AGENT, at(12)), ev.LegHeld(ID, AGENT, at(12)), *consult()])
    held = [(stay.party, stay.from_at, stay.until_at) for stay in call.stays if stay.place == Place.PHONE_HOLD]
    assert held == [(Party.AGENT, at(12), None)], "moved elsewhere, the telephone is on hold still"
    assert situations(told)[-2:] == [Situation.TALKING, Situation.CONSULTING]
    resumed, _ = advance(call, ev.LegResumed(ID, AGENT, at(26)))
    assert [stay.until_at for stay in resumed.stays if stay.place == Place.PHONE_HOLD] == [at(26)]
    stay = resumed.stay_of(AGENT)
    assert stay is not None
    assert stay.place == Place.CONFERENCE


def test_what_is_on_hold_when_the_telephone_is_gone_ends_with_it() -> None:
    call, _ = tell([*queue_call(), ev.LegHeld(ID, AGENT, at(12)), *hang_up(AGENT, 20, "B")])
    assert [stay.until_at for stay in call.stays if stay.place == Place.PHONE_HOLD] == [at(20.01)]
