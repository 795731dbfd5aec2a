"""Recordings in a real PostgreSQL: taken in once, verified, recovered after a kill, accounted for, kept."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import CallId, ChannelId, Party, RecordingId
from recordings import completeness, service, store
from recordings.audio import sha256
from recordings.recording import (
    AnsweredLeg,
    BadRecordingDone,
    Cause,
    Kind,
    Problem,
    RecordingDone,
    State,
    name_of,
)
from recordings.retention import expiry
from recordings.retention.rules import Basis, Rule
from recordings.spool import NoSpool
from tests.support.spoken import COMPLAINT, cut_by_kill, silence, spoken, tone, write_sln, write_wav

CALL = CallId("a-1763800000.12")
CITIZEN, AGENT, UNIT = ChannelId("a-1763800000.12"), ChannelId("a-1763800003.14"), ChannelId(f"u-{CALL}-1")
START = datetime(2025, 11, 22, 8, 26, 40, tzinfo=UTC)
LATER = START + timedelta(hours=1)


def leg(channel: ChannelId = CITIZEN, party: Party = Party.CITIZEN, seconds: float = 10.0) -> AnsweredLeg:
    return AnsweredLeg(CALL, channel, party, START, START + timedelta(seconds=seconds))


def path_of(spool: Path, channel: ChannelId = CITIZEN, party: Party = Party.CITIZEN, kind: Kind = Kind.LEG) -> Path:
    return spool / name_of(CALL, party, channel, kind).name


def done(spool: Path, *, mix: bool = False) -> RecordingDone:
    mix_path = str(path_of(spool, kind=Kind.MIX)) if mix else ""
    return RecordingDone(CALL, CITIZEN, Party.CITIZEN, str(path_of(spool)), mix_path)


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    folder = tmp_path / "spool"
    folder.mkdir()
    return folder


def written_at(path: Path, at: datetime) -> Path:
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path


async def finish(tx: AsyncConnection, spool: Path, samples: bytes) -> RecordingId:
    written_at(write_sln(path_of(spool), samples), START)
    (id_,) = await service.finished(tx, done(spool), START)
    return id_


async def test_a_finished_recording_is_taken_in_once(tx: AsyncConnection, spool: Path) -> None:
    write_sln(path_of(spool), tone(10))
    write_wav(path_of(spool, kind=Kind.MIX), tone(10))
    ids = await service.finished(tx, done(spool, mix=True), START)
    assert len(ids) == 2
    assert await service.finished(tx, done(spool, mix=True), START + timedelta(days=9)) == ()
    rows = await store.recordings_of(tx, [CALL])
    assert [(row.kind, row.party, row.state, row.path) for row in rows] == [
        (Kind.LEG, Party.CITIZEN, State.COMPLETE, path_of(spool).name),
        (Kind.MIX, Party.CITIZEN, State.COMPLETE, path_of(spool, kind=Kind.MIX).name),
    ]
    assert rows == await store.unsettled(tx)
    assert {row.delete_not_before for row in rows} == {date(2028, 11, 23)}


async def test_an_expected_recording_becomes_complete(tx: AsyncConnection, spool: Path) -> None:
    name = name_of(CALL, Party.CITIZEN, CITIZEN)
    await service.expect(tx, name, START)
    await service.expect(tx, name, START)
    assert [row.state for row in await store.recordings_of(tx, [CALL])] == [State.EXPECTED]
    (id_,) = await service.finished(tx, done(spool), START)
    await service.expect(tx, name, START)
    assert (await store.recording_of(tx, id_)).state is State.COMPLETE


async def test_an_event_for_another_calls_channel_changes_nothing(tx: AsyncConnection, spool: Path) -> None:
    await service.finished(tx, done(spool), START)
    other = CallId("a-1763800000.99")
    forged = RecordingDone(other, CITIZEN, Party.CITIZEN, f"/x/{other}_citizen_{CITIZEN}.sln")
    assert await service.finished(tx, forged, START) == ()
    assert [row.call_id for row in await store.recordings_of(tx, [CALL, other])] == [CALL]
    with pytest.raises(BadRecordingDone):
        await service.finished(tx, RecordingDone(CALL, CITIZEN, Party.CITIZEN, "/etc/passwd"), START)


async def test_a_good_recording_is_verified_with_length_and_checksum(tx: AsyncConnection, spool: Path) -> None:
    id_ = await finish(tx, spool, tone(10))
    row = await service.verify(tx, spool, id_, leg())
    assert (row.state, row.problem, row.duration_s, row.sample_rate) == (State.VERIFIED, None, 10.0, 8_000)
    assert row.sha256 == sha256(path_of(spool))
    assert (row.started_at, row.ended_at, row.size_bytes) == (START, leg().ended_at, 160_000)
    path_of(spool).unlink()
    assert await service.verify(tx, spool, id_, leg()) == row


@pytest.mark.parametrize(
    ("samples", "state", "problem", "gap_s"),
    [
        (tone(7), State.SUSPECT, Problem.SHORT, 3.0),
        (tone(20), State.SUSPECT, Problem.LONG, None),
        (silence(10), State.SUSPECT, Problem.SILENT, None),
        (b"", State.MISSING, Problem.EMPTY, 10.0),
        (None, State.MISSING, Problem.MISSING, 10.0),
    ],
)
async def test_a_bad_recording_is_told_and_its_lost_seconds_are_a_gap(
    tx: AsyncConnection, spool: Path, samples: bytes | None, state: State, problem: Problem, gap_s: float | None
) -> None:
    id_ = await finish(tx, spool, samples or b"")
    if samples is None:
        path_of(spool).unlink()
    row = await service.verify(tx, spool, id_, leg())
    assert (row.state, row.problem) == (state, problem)
    gaps = await store.gaps_of(tx, [CALL])
    assert [gap.seconds for gap in gaps] == ([] if gap_s is None else [pytest.approx(gap_s)])


async def test_no_recording_has_that_number(tx: AsyncConnection, spool: Path) -> None:
    with pytest.raises(store.NoRecording):
        await service.verify(tx, spool, RecordingId(404), None)


def killed_call(spool: Path, at: datetime) -> None:
    """What kill -9 leaves of a call 7.3 s after its answer: whole 32 KiB steps, a WAV header without lengths."""
    samples = spoken(COMPLAINT) + tone(10)
    for channel, party in ((CITIZEN, Party.CITIZEN), (AGENT, Party.AGENT)):
        written_at(write_sln(path_of(spool, channel, party), samples[: 3 * 32_768]), at)
    wav = write_wav(path_of(spool, kind=Kind.MIX), samples[: int(7.3 * 16_000)])
    written_at(cut_by_kill(wav), at)


async def test_after_a_kill_the_files_are_repaired_and_the_lost_seconds_are_a_gap(
    tx: AsyncConnection, spool: Path
) -> None:
    killed_at = START + timedelta(seconds=7.3)
    killed_call(spool, killed_at)
    legs = [
        AnsweredLeg(CALL, CITIZEN, Party.CITIZEN, START, killed_at),
        AnsweredLeg(CALL, AGENT, Party.AGENT, START, killed_at),
    ]
    found = await service.recover_orphans(tx, spool, killed_at + timedelta(minutes=1), legs=legs)
    assert {(one.name.party, one.name.kind, one.state) for one in found} == {
        (Party.CITIZEN, Kind.LEG, State.REPAIRED),
        (Party.CITIZEN, Kind.MIX, State.REPAIRED),
        (Party.AGENT, Kind.LEG, State.REPAIRED),
    }
    gaps = await store.gaps_of(tx, [CALL])
    assert {(gap.channel_id, gap.cause) for gap in gaps} == {
        (CITIZEN, Cause.ASTERISK_KILLED),
        (AGENT, Cause.ASTERISK_KILLED),
    }
    assert len(gaps) == 2
    assert all(gap.seconds == pytest.approx(7.3 - 6.144) and gap.until_at == killed_at for gap in gaps)
    assert await service.recover_orphans(tx, spool, LATER, legs=legs) == ()
    assert await completeness.monitor(tx, spool, legs, LATER) == ()


async def test_a_killed_call_nobody_remembers_loses_at_most_one_step(tx: AsyncConnection, spool: Path) -> None:
    killed_call(spool, START)
    await service.recover_orphans(tx, spool, LATER)
    gaps = await store.gaps_of(tx, [CALL])
    assert [(gap.cause, gap.from_at) for gap in gaps] == [(Cause.ASTERISK_KILLED, START)] * 2
    assert all(gap.seconds == pytest.approx(2.048) for gap in gaps)


async def test_a_call_killed_before_the_first_step_is_one_whole_gap(tx: AsyncConnection, spool: Path) -> None:
    written_at(write_sln(path_of(spool), b""), START)
    (found,) = await service.recover_orphans(tx, spool, LATER, legs=[leg(seconds=1.5)])
    assert (found.state, found.problem) == (State.MISSING, Problem.EMPTY)
    assert found.gap is not None
    assert (found.gap.cause, found.gap.seconds) == (Cause.ASTERISK_KILLED, 1.5)
    assert await completeness.monitor(tx, spool, [leg(seconds=1.5)], LATER) == ()


async def test_a_file_whose_event_was_lost_is_taken_in_without_a_gap(tx: AsyncConnection, spool: Path) -> None:
    written_at(write_sln(path_of(spool), tone(10)), START)
    (found,) = await service.recover_orphans(tx, spool, LATER, legs=[leg()])
    assert (found.state, found.gap) == (State.VERIFIED, None)


async def test_files_that_are_still_written_are_left_alone(tx: AsyncConnection, spool: Path) -> None:
    now = START + timedelta(seconds=30)
    written_at(write_sln(path_of(spool), tone(4)), now - timedelta(seconds=20))
    written_at(write_sln(path_of(spool, AGENT, Party.AGENT), tone(4)), now - timedelta(seconds=2))
    assert await service.recover_orphans(tx, spool, now, alive={CITIZEN}) == ()
    # both are over, however fresh their files are
    over = [leg(), leg(AGENT, Party.AGENT)]
    found = await service.recover_orphans(tx, spool, now, legs=over)
    assert {one.name.channel_id for one in found} == {CITIZEN, AGENT}


async def test_a_spool_that_is_not_mounted_is_said(tx: AsyncConnection, tmp_path: Path) -> None:
    with pytest.raises(NoSpool, match="cannot be read"):
        await service.recover_orphans(tx, tmp_path / "none", LATER)


async def refused(tx: AsyncConnection, statement: str) -> bool:
    """Whether the trigger (and nothing else) refuses the statement."""
    try:
        async with tx.begin_nested():
            await tx.execute(text(statement))
    except DBAPIError as error:
        return getattr(error.orig, "sqlstate", None) == "23001"
    return False


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM recording",
        "TRUNCATE recording CASCADE",
        "UPDATE recording SET delete_not_before = '2026-01-01'",
        "UPDATE recording SET call_id = 'a-1763800000.99'",
        "UPDATE recording SET kind = 'mix'",
        "DELETE FROM recording_gap",
        "UPDATE recording_gap SET cause = 'not_recorded'",
        "TRUNCATE recording_gap",
    ],
)
async def test_the_database_refuses_to_lose_a_recording(tx: AsyncConnection, spool: Path, statement: str) -> None:
    at = datetime.now(UTC)
    (id_,) = await service.finished(tx, done(spool), at)
    await service.verify(tx, spool, id_, leg())
    assert await refused(tx, statement)
    assert len(await store.recordings_of(tx, [CALL])) == 1
    assert len(await store.gaps_of(tx, [CALL])) == 1


async def test_the_row_of_a_recording_stays_when_its_time_is_over(tx: AsyncConnection, spool: Path) -> None:
    await service.finished(tx, done(spool), datetime(2020, 2, 29, tzinfo=UTC))
    assert await refused(tx, "DELETE FROM recording")
    assert len(await store.recordings_of(tx, [CALL])) == 1


async def test_a_ticket_that_closes_late_keeps_its_recordings_longer(tx: AsyncConnection, spool: Path) -> None:
    (id_,) = await service.finished(tx, done(spool), START)
    await expiry.call_closed(tx, CALL, Basis(Rule(), START, datetime(2026, 3, 1, 4, tzinfo=UTC)))
    assert (await store.recording_of(tx, id_)).delete_not_before == date(2029, 3, 2)
    await expiry.call_closed(tx, CALL, Basis(Rule(), START, START))
    assert (await store.recording_of(tx, id_)).delete_not_before == date(2029, 3, 2)
    await expiry.call_closed(tx, CALL, Basis(Rule(10, "x", 1), START, START))
    assert (await store.recording_of(tx, id_)).delete_not_before == date(2035, 11, 23)
