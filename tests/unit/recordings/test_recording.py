"""The rules of recordings: names, verdicts, gaps."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.types import CallId, ChannelId, Party
from recordings.recording import (
    AnsweredLeg,
    BadRecordingDone,
    Cause,
    ForeignFile,
    Gap,
    Kind,
    Problem,
    RecordingDone,
    Sound,
    State,
    Unusable,
    files_of,
    judge,
    last_heard_leg,
    name_of,
    parse_name,
    unaccounted_s,
)

CALL = CallId("a-1763800000.12")
CHANNEL = ChannelId("a-1763800000.12")
NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)


def leg(seconds: float = 60.0) -> AnsweredLeg:
    return AnsweredLeg(CALL, CHANNEL, Party.CITIZEN, NOON, NOON + timedelta(seconds=seconds))


def sound(seconds: float = 60.0, peak: float = 0.5, repaired: bool = False) -> Sound:
    return Sound(seconds, 8_000, peak, int(seconds * 16_000), "0" * 64, repaired)


@pytest.mark.parametrize(
    ("found", "answered", "killed", "state", "problem", "gap_s"),
    [
        (sound(60), leg(60), False, State.VERIFIED, None, None),
        (sound(58.5), leg(60), False, State.VERIFIED, None, None),
        (sound(58.0), leg(60), False, State.SUSPECT, Problem.SHORT, 2.0),
        (sound(0.5), leg(1), False, State.VERIFIED, None, None),
        (sound(7200), leg(60), False, State.SUSPECT, Problem.LONG, None),
        (sound(60, peak=0.0), leg(60), False, State.SUSPECT, Problem.SILENT, None),
        (sound(60, repaired=True), leg(60), False, State.REPAIRED, None, None),
        (sound(59.5), leg(60), True, State.REPAIRED, None, 0.5),
        (sound(60), leg(60), True, State.REPAIRED, None, None),
        (sound(58, peak=0.0), leg(60), True, State.REPAIRED, Problem.SILENT, 2.0),
        (sound(60), None, False, State.VERIFIED, None, None),
        (Unusable(Problem.MISSING), leg(60), False, State.MISSING, Problem.MISSING, 60.0),
        (Unusable(Problem.EMPTY), leg(60), False, State.MISSING, Problem.EMPTY, 60.0),
        (Unusable(Problem.EMPTY), None, False, State.MISSING, Problem.EMPTY, None),
        (Unusable(Problem.UNREADABLE, 9), leg(60), False, State.SUSPECT, Problem.UNREADABLE, 60.0),
        (Unusable(Problem.MISSING), leg(0), False, State.MISSING, Problem.MISSING, None),
    ],
)
def test_a_file_is_judged_against_the_answered_seconds(
    found: Sound | Unusable,
    answered: AnsweredLeg | None,
    killed: bool,
    state: State,
    problem: Problem | None,
    gap_s: float | None,
) -> None:
    verdict = judge(found, answered, killed=killed)
    assert (verdict.state, verdict.problem) == (state, problem)
    assert (verdict.gap.seconds if verdict.gap else None) == gap_s


@pytest.mark.parametrize(
    ("found", "killed", "cause"),
    [
        (sound(50), True, Cause.ASTERISK_KILLED),
        (sound(50), False, Cause.CUT_SHORT),
        (Unusable(Problem.EMPTY), True, Cause.ASTERISK_KILLED),
        (Unusable(Problem.EMPTY), False, Cause.FILE_EMPTY),
        (Unusable(Problem.MISSING), False, Cause.FILE_MISSING),
        (Unusable(Problem.UNREADABLE), False, Cause.FILE_UNREADABLE),
    ],
)
def test_a_gap_ends_with_the_leg_and_names_its_cause(found: Sound | Unusable, killed: bool, cause: Cause) -> None:
    gap = judge(found, leg(60), killed=killed).gap
    assert gap is not None
    assert gap.cause is cause
    assert gap.until_at == leg(60).ended_at


@pytest.mark.parametrize(
    ("name", "party", "channel", "kind"),
    [
        ("a-1763800000.12_citizen_a-1763800000.12.sln", Party.CITIZEN, "a-1763800000.12", Kind.LEG),
        ("/x/a-1763800000.12_agent_a-1763800001.13.sln", Party.AGENT, "a-1763800001.13", Kind.LEG),
        ("a-1763800000.12_unit_u-a-1763800000.12-1.sln", Party.UNIT, "u-a-1763800000.12-1", Kind.LEG),
        ("a-1763800000.12_mix_a-1763800000.12.wav", Party.CITIZEN, "a-1763800000.12", Kind.MIX),
    ],
)
def test_a_file_name_tells_call_party_and_channel(name: str, party: Party, channel: str, kind: Kind) -> None:
    found = parse_name(name)
    assert (found.call_id, found.party, found.channel_id, found.kind) == (CALL, party, channel, kind)
    assert name_of(CALL, party, ChannelId(channel), kind) == found


@pytest.mark.parametrize(
    "name",
    [
        "",
        "notes.txt",
        "a-1763800000.12_citizen_.sln",
        "a-1763800000.12_citizen_x.wav",
        "a-1763800000.12_mix_x.sln",
        "a-1763800000.12_tap_x.sln",
        "a-1763800000.12_citizen_x.sln.tmp",
        "a-1763800000.12_citizen_..%2fx.sln",
        "a-1763800000.12_citizen_x.sln\n",
        "../a-1763800000.12_citizen_x.sln/..",
    ],
)
def test_other_names_are_foreign(name: str) -> None:
    with pytest.raises(ForeignFile):
        parse_name(name)


@given(st.text())
def test_any_text_is_a_plain_name_of_ours_or_foreign(text: str) -> None:
    try:
        found = parse_name(text)
    except ForeignFile:
        return
    assert "/" not in found.name


LEG_FILE = "/spool/a-1763800000.12_citizen_a-1763800000.12.sln"
MIX_FILE = "/spool/a-1763800000.12_mix_a-1763800000.12.wav"


def test_recording_done_names_the_leg_and_the_mix() -> None:
    names = files_of(RecordingDone(CALL, CHANNEL, Party.CITIZEN, LEG_FILE, MIX_FILE))
    assert [(name.kind, name.name) for name in names] == [
        (Kind.LEG, "a-1763800000.12_citizen_a-1763800000.12.sln"),
        (Kind.MIX, "a-1763800000.12_mix_a-1763800000.12.wav"),
    ]


@pytest.mark.parametrize(
    "done",
    [
        RecordingDone(CallId("a-1763800000.99"), CHANNEL, Party.CITIZEN, LEG_FILE),
        RecordingDone(CALL, ChannelId("a-1763800000.99"), Party.CITIZEN, LEG_FILE),
        RecordingDone(CALL, CHANNEL, Party.AGENT, LEG_FILE),
        RecordingDone(CALL, CHANNEL, Party.CITIZEN, "/etc/passwd"),
        RecordingDone(CALL, CHANNEL, Party.CITIZEN, ""),
        RecordingDone(CALL, CHANNEL, Party.CITIZEN, MIX_FILE),
        RecordingDone(CALL, CHANNEL, Party.CITIZEN, LEG_FILE, LEG_FILE),
        RecordingDone(CALL, CHANNEL, Party.CITIZEN, LEG_FILE, "a-1763800000.99_mix_a-1763800000.12.wav"),
    ],
)
def test_an_event_that_names_another_calls_file_is_refused(done: RecordingDone) -> None:
    with pytest.raises(BadRecordingDone):
        files_of(done)


def gap(from_s: float, until_s: float) -> Gap:
    return Gap(
        CALL,
        CHANNEL,
        Party.CITIZEN,
        NOON + timedelta(seconds=from_s),
        NOON + timedelta(seconds=until_s),
        Cause.ASTERISK_KILLED,
    )


@pytest.mark.parametrize(
    ("audio_s", "gaps", "left_s"),
    [
        (60, [], 0),
        (58.6, [], 0),
        (50, [], 10),
        (0, [], 60),
        (50, [gap(50, 60)], 0),
        (50, [gap(50, 60), gap(50, 60)], 0),
        (40, [gap(50, 60), gap(55, 58)], 10),
        (50, [gap(100, 200)], 10),
        (40, [gap(-100, 10)], 10),
    ],
)
def test_answered_seconds_are_audio_or_a_noted_gap(audio_s: float, gaps: list[Gap], left_s: float) -> None:
    assert unaccounted_s(leg(60), audio_s, gaps) == left_s


@given(
    st.floats(0, 1e5),
    st.lists(st.tuples(st.floats(-100, 200), st.floats(0.001, 100)), max_size=6),
)
def test_gaps_only_ever_explain_what_they_cover(audio_s: float, spans: list[tuple[float, float]]) -> None:
    gaps = [gap(start, start + length) for start, length in spans]
    left_s = unaccounted_s(leg(60), audio_s, gaps)
    assert 0 <= left_s <= max(0.0, 60 - audio_s) + 1e-6
    assert left_s <= unaccounted_s(leg(60), audio_s, [])
    covered_s = sum(one.seconds for one in gaps)
    assert unaccounted_s(leg(60), audio_s, []) - left_s <= covered_s + 1.6 + 1e-6


def test_a_forgotten_calls_file_ends_one_lost_step_after_its_last_write() -> None:
    name = name_of(CALL, Party.CITIZEN, CHANNEL)
    found = judge(sound(6.144), last_heard_leg(name, NOON, 6.144), killed=True)
    assert found.gap is not None
    assert found.gap.from_at == NOON
    assert found.gap.seconds == pytest.approx(2.048)
