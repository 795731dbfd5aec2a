"""Completeness on a real PostgreSQL: every answered second is audio, kept or in the spool, or a gap with a cause."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.custody import legs as leg_rows
from callcenter.custody.completeness_work import TURN_S, WATCH_EVERY_S, CompletenessWork
from callcenter.db import Database
from callcenter.metrics import REGISTRY
from callcenter.tables import call as call_table
from callcenter.tables import leg as leg_table
from callcenter.types import CallId, ChannelId, Party, RecordingId
from recordings import completeness, days, findings, service, store
from recordings.accounting import Place, day_of
from recordings.completeness_tables import leg_account, recording_day, recording_finding, recording_pause
from recordings.custody.custody import Custody
from recordings.custody.tables import recording_object
from recordings.recording import AnsweredLeg, Cause, Kind, Problem, RecordingDone, State, name_of
from recordings.spool import QUIET_S, looked
from tests.support.custody import custody_for_tests
from tests.support.spoken import silence, tone, write_sln

CALL = CallId("a-1763800000.12")
CITIZEN, AGENT, UNIT = ChannelId("a-1763800000.12"), ChannelId("a-1763800003.14"), ChannelId(f"u-{CALL}-1")
START = datetime(2025, 11, 22, 8, 26, 40, tzinfo=UTC)
LATER = START + timedelta(hours=1)


def leg(channel: ChannelId = CITIZEN, party: Party = Party.CITIZEN, seconds: float = 10.0) -> AnsweredLeg:
    return AnsweredLeg(CALL, channel, party, START, START + timedelta(seconds=seconds))


def path_of(spool: Path, channel: ChannelId = CITIZEN, party: Party = Party.CITIZEN, kind: Kind = Kind.LEG) -> Path:
    return spool / name_of(CALL, party, channel, kind).name


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    folder = tmp_path / "spool"
    folder.mkdir()
    return folder


def written_at(path: Path, at: datetime) -> Path:
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path


async def finish(
    tx: AsyncConnection, spool: Path, samples: bytes, channel: ChannelId = CITIZEN, party: Party = Party.CITIZEN
) -> RecordingId:
    path = written_at(write_sln(path_of(spool, channel, party), samples), START)
    (id_,) = await service.finished(tx, RecordingDone(CALL, channel, party, str(path)), START)
    return id_


async def keep(tx: AsyncConnection, id_: RecordingId, frames: int) -> None:
    """As the intake leaves it: in the store."""
    name = uuid4()
    values: dict[str, Any] = {
        "codec": "flac", "cipher": "aes-256-gcm", "key_id": "k", "wrapped_key": b"w", "sealed_bytes": 1_000,
        "sealed_sha256": "0" * 64, "frames": frames, "sample_rate": 8_000, "channels": 1, "stored_at": START,
    }  # fmt: skip
    row = {"recording_id": id_, "name": name, "path": f"2025/11/22/{name}.ccr", "custody": Custody.STORED}
    await tx.execute(insert(recording_object).values(**row, **values))


# ---- what is missing ---------------------------------------------------------------------------------------------


async def test_the_monitor_accounts_for_every_answered_second(tx: AsyncConnection, spool: Path) -> None:
    id_ = await finish(tx, spool, tone(10))
    await service.verify(tx, spool, id_, leg())
    assert await completeness.monitor(tx, spool, [leg()], LATER) == ()
    legs = [leg(), leg(AGENT, Party.AGENT, 5), leg(UNIT, Party.UNIT, 0.5)]
    (found,) = await completeness.monitor(tx, spool, legs, LATER)
    assert (found.problem, found.leg, found.unaccounted_s) == (Problem.MISSING, legs[1], 5.0)
    assert "agent" in str(found)
    assert "0.0 s of audio for 5.0 answered s" in str(found)
    await completeness.account_for(tx, [found])
    assert await completeness.monitor(tx, spool, legs, LATER) == ()
    (gap,) = await store.gaps_of(tx, [CALL])
    assert (gap.channel_id, gap.seconds, gap.cause) == (AGENT, 5.0, Cause.FILE_MISSING)


@pytest.mark.parametrize(
    ("samples", "problem", "left_s"),
    [
        (tone(7), Problem.SHORT, 3.0),
        (silence(10), Problem.SILENT, 0.0),
        (tone(30), Problem.LONG, 0.0),
        (b"", Problem.EMPTY, 10.0),
    ],
)
async def test_the_monitor_sees_bad_audio_nobody_has_verified_yet(
    tx: AsyncConnection, spool: Path, samples: bytes, problem: Problem, left_s: float
) -> None:
    await finish(tx, spool, samples)
    (found,) = await completeness.monitor(tx, spool, [leg()], LATER)
    assert found.problem is problem
    assert found.unaccounted_s == pytest.approx(left_s)


async def test_the_monitor_sees_files_that_vanish_or_change_after_verification(
    tx: AsyncConnection, spool: Path
) -> None:
    id_ = await finish(tx, spool, tone(10))
    await service.verify(tx, spool, id_, leg())
    write_sln(path_of(spool), tone(9))
    (found,) = await completeness.monitor(tx, spool, [leg()], LATER)
    assert found.problem is Problem.UNREADABLE
    path_of(spool).unlink()
    (found,) = await completeness.monitor(tx, spool, [leg()], LATER)
    assert (found.problem, found.unaccounted_s) == (Problem.MISSING, 10.0)
    await completeness.account_for(tx, [found])
    assert await completeness.monitor(tx, spool, [leg()], LATER) == ()
    row = await store.recording_of(tx, id_)
    assert (row.state, row.problem) == (State.MISSING, Problem.MISSING)


async def test_a_recording_verified_before_its_leg_had_ended_is_still_found_short(
    tx: AsyncConnection, spool: Path
) -> None:
    id_ = await finish(tx, spool, tone(7))
    assert (await service.verify(tx, spool, id_, None)).state is State.VERIFIED
    found = await completeness.monitor(tx, spool, [leg()], LATER)
    assert [(one.problem, one.unaccounted_s) for one in found] == [(Problem.SHORT, 3.0)]
    await completeness.account_for(tx, found)
    row = await store.recording_of(tx, id_)
    assert (row.state, row.problem) == (State.SUSPECT, Problem.SHORT)
    assert await completeness.monitor(tx, spool, [leg()], LATER) == ()


@pytest.mark.parametrize(("samples", "problem"), [(silence(10), Problem.SILENT), (tone(30), Problem.LONG)])
async def test_a_problem_the_row_tells_is_not_listed_again(
    tx: AsyncConnection, spool: Path, samples: bytes, problem: Problem
) -> None:
    id_ = await finish(tx, spool, samples)
    await service.verify(tx, spool, id_, leg())
    assert await completeness.monitor(tx, spool, [leg()], LATER) == ()
    assert (await store.recording_of(tx, id_)).problem is problem


async def test_the_monitor_lists_orphans_and_foreign_files_but_not_live_ones(tx: AsyncConnection, spool: Path) -> None:
    written_at(write_sln(path_of(spool), tone(3)), START)
    written_at(write_sln(path_of(spool, AGENT, Party.AGENT), tone(3)), START)
    written_at(write_sln(path_of(spool, UNIT, Party.UNIT), tone(3)), LATER - timedelta(seconds=1))
    (spool / "notes.txt").write_text("what is this")
    (spool / "folder").mkdir()
    found = await completeness.monitor(tx, spool, [], LATER, alive={AGENT})
    assert [(one.problem, one.path) for one in found] == [
        (Problem.ORPHAN, path_of(spool).name),
        (Problem.FOREIGN, "folder"),
        (Problem.FOREIGN, "notes.txt"),
    ]
    assert str(found[2]) == "notes.txt: foreign file in the spool"


async def test_a_leg_that_has_just_ended_is_given_time(tx: AsyncConnection, spool: Path) -> None:
    assert await completeness.monitor(tx, spool, [leg()], leg().ended_at + timedelta(seconds=5)) == ()
    assert len(await completeness.monitor(tx, spool, [leg()], leg().ended_at + timedelta(seconds=10))) == 1


# ---- kept recordings ---------------------------------------------------------------------------------------------


def test_only_the_spool_has_what_is_merely_prepared() -> None:
    assert frozenset(Custody) - {Custody.PREPARED} == completeness.KEPT


async def test_a_kept_recording_accounts_for_its_leg_without_a_file(tx: AsyncConnection, spool: Path) -> None:
    id_ = await finish(tx, spool, tone(10))
    await service.verify(tx, spool, id_, leg())
    await keep(tx, id_, 80_000)
    path_of(spool).unlink()
    (found,) = await completeness.accounts_of(tx, spool, [leg()])
    assert (found.heard.place, found.audio_s, found.problem, found.missing) == (Place.KEPT, 10.0, None, None)


async def test_a_recording_whose_name_is_only_decided_needs_its_file(tx: AsyncConnection, spool: Path) -> None:
    id_ = await finish(tx, spool, tone(10))
    await service.verify(tx, spool, id_, leg())
    row = {"recording_id": id_, "name": uuid4(), "path": "2025/11/22/x.ccr", "custody": Custody.PREPARED}
    await tx.execute(insert(recording_object).values(**row))
    assert await completeness.monitor(tx, spool, [leg()], LATER) == ()
    path_of(spool).unlink()
    assert [one.problem for one in await completeness.monitor(tx, spool, [leg()], LATER)] == [Problem.MISSING]


async def test_a_file_that_goes_into_the_store_while_it_is_looked_for_is_not_missing(
    tx: AsyncConnection, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    id_ = await finish(tx, spool, tone(10))
    await service.verify(tx, spool, id_, leg())
    path_of(spool).unlink()
    first = completeness._judged

    async def stored_between(tx: AsyncConnection, spool: Path, legs: Any) -> Any:
        judged = await first(tx, spool, legs)
        if not (await tx.execute(select(recording_object.c.name))).all():
            await keep(tx, id_, 80_000)
        return judged

    monkeypatch.setattr(completeness, "_judged", stored_between)
    (found,) = await completeness.take_account(tx, spool, [leg()], LATER)
    assert (found.heard.place, found.missing) == (Place.KEPT, None)
    assert await store.gaps_of(tx, [CALL]) == ()


async def test_undecodable_bytes_that_are_kept_are_no_audio(tx: AsyncConnection, spool: Path) -> None:
    id_ = await finish(tx, spool, tone(10))
    await keep(tx, id_, 0)
    (found,) = await completeness.accounts_of(tx, spool, [leg()])
    assert found.missing is not None
    assert (found.problem, found.missing.unaccounted_s) == (Problem.UNREADABLE, 10.0)


# ---- not recorded ------------------------------------------------------------------------------------------------


async def paused(tx: AsyncConnection, from_s: float, until_s: float | None, node: str = "a") -> None:
    began = datetime.fromtimestamp(1_763_800_000, UTC)
    until = None if until_s is None else began + timedelta(seconds=until_s)
    row = {"node": node, "from_at": began + timedelta(seconds=from_s), "until_at": until, "used_share": 0.96}
    await tx.execute(insert(recording_pause).values(**row))


@pytest.mark.parametrize(
    ("from_s", "until_s", "node", "cause"),
    [
        (-600, None, "a", Cause.NOT_RECORDED),
        (-600, -30, "a", Cause.NOT_RECORDED),  # it holds a minute longer when nobody ends it
        (-600, -61, "a", Cause.FILE_MISSING),
        (600, None, "a", Cause.FILE_MISSING),
        (-600, None, "b", Cause.FILE_MISSING),
    ],
)
async def test_a_leg_without_a_trace_was_not_recorded_if_nothing_was_at_the_time(
    tx: AsyncConnection, spool: Path, from_s: float, until_s: float | None, node: str, cause: Cause
) -> None:
    await paused(tx, from_s, until_s, node)
    (found,) = await completeness.take_account(tx, spool, [leg()], LATER)
    (gap,) = await store.gaps_of(tx, [CALL])
    assert (gap.cause, gap.seconds) == (cause, 10.0)
    assert (found.problem is None) == (cause is Cause.NOT_RECORDED)
    assert len(await findings.listed(tx)) == (0 if cause is Cause.NOT_RECORDED else 1)


async def test_a_file_that_is_lost_is_lost_also_while_others_are_not_recorded(tx: AsyncConnection, spool: Path) -> None:
    await paused(tx, -600, None)
    await finish(tx, spool, tone(10))
    path_of(spool).unlink()
    await completeness.take_account(tx, spool, [leg()], LATER)
    assert [gap.cause for gap in await store.gaps_of(tx, [CALL])] == [Cause.FILE_MISSING]


# ---- findings ----------------------------------------------------------------------------------------------------


async def test_a_finding_lives_until_its_reason_goes_away(tx: AsyncConnection, spool: Path) -> None:
    (spool / "notes.txt").write_text("what is this")
    for minutes in (0, 1, 2):
        now = LATER + timedelta(minutes=minutes)
        await findings.see_files(tx, await completeness.strangers(tx, await looked(spool), now, ()), now)
    (found,) = await findings.listed(tx)
    assert (found.kind, found.subject, found.is_file) == (Problem.FOREIGN, "notes.txt", True)
    assert (found.first_seen, found.last_seen) == (LATER, LATER + timedelta(minutes=2))
    assert await findings.open_by_kind(tx) == {Problem.FOREIGN: 1}
    with pytest.raises(findings.StillThere):
        await findings.close(tx, found.id, "boss", "", LATER)
    await findings.see_files(tx, (), LATER)
    (gone,) = await findings.listed(tx, open_only=False)
    assert (gone.resolved_at, gone.resolved_by) == (LATER, findings.BY_ITSELF)
    assert await findings.listed(tx) == ()
    assert (spool / "notes.txt").read_text() == "what is this"


async def test_a_leg_that_a_person_has_looked_into_is_not_told_again(tx: AsyncConnection, spool: Path) -> None:
    id_ = await finish(tx, spool, silence(10))
    await service.verify(tx, spool, id_, leg())
    await completeness.take_account(tx, spool, [leg()], LATER)
    (found,) = await findings.listed(tx)
    assert (found.kind, found.call_id, found.party, found.answered_s) == (Problem.SILENT, CALL, Party.CITIZEN, 10.0)
    closed = await findings.close(tx, found.id, "boss", "市民没有说话", LATER)
    assert (closed.resolved_by, closed.note) == ("boss", "市民没有说话")
    assert await findings.close(tx, found.id, "other", "", LATER) == closed
    await completeness.look_again(tx, spool, [leg()], LATER)
    assert await findings.listed(tx) == ()
    with pytest.raises(findings.NoFinding):
        await findings.close(tx, 10**6, "boss", "", LATER)


# ---- the watch ---------------------------------------------------------------------------------------------------


@pytest.fixture
def watch(db: Database, spool: Path) -> CompletenessWork:
    return CompletenessWork(db, custody_for_tests(spool))


def ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


async def with_legs(db: Database, *legs: AnsweredLeg, over: bool = True, recorded: bool = True) -> None:
    async with db.transaction() as tx:
        started = legs[0].answered_at
        row = {"id": legs[0].call_id, "node": "a", "state": "ended", "started_at": started}
        await tx.execute(insert(call_table).values(**row, ended_at=legs[0].ended_at if over else None))
        for one in legs:
            own = {"channel_id": one.channel_id, "call_id": one.call_id, "party": one.party, "name": ""}
            times = {"created_at": one.answered_at, "answered_at": one.answered_at}
            ended = one.ended_at if over else None
            await tx.execute(insert(leg_table).values(**own, **times, ended_at=ended, recorded=recorded))


def lately(channel: ChannelId, party: Party, seconds: float = 10.0, over_s: float = 30.0) -> AnsweredLeg:
    ended = ago(over_s)
    return AnsweredLeg(CALL, channel, party, ended - timedelta(seconds=seconds), ended)


def number(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


async def test_the_watch_accounts_for_a_call_once_and_follows_it_into_the_store(
    db: Database, spool: Path, watch: CompletenessWork
) -> None:
    await with_legs(db, lately(CITIZEN, Party.CITIZEN), lately(AGENT, Party.AGENT))
    written_at(write_sln(path_of(spool), tone(10)), ago(30))
    await watch.watch()
    async with db.transaction() as tx:
        places = {row.channel_id: row.place for row in await tx.execute(select(leg_account))}
        assert places == {CITIZEN: Place.SPOOL, AGENT: Place.NOWHERE}
        assert [(one.kind, one.subject) for one in await findings.listed(tx)] == [(Problem.MISSING, AGENT)]
        assert await leg_rows.unaccounted_legs(tx, ago(0), 9) == ()
        (row,) = await store.recordings_of(tx, [CALL])
        assert row.state is State.VERIFIED
        await keep(tx, row.id, 80_000)
    path_of(spool).unlink()
    await watch.watch()
    async with db.transaction() as tx:
        assert await completeness.open_legs(tx, "", 9) == ()
        (gap,) = await store.gaps_of(tx, [CALL])
        assert (gap.channel_id, gap.cause) == (AGENT, Cause.FILE_MISSING)
    assert number("callcenter_recording_findings", kind="missing") == 1


async def test_a_file_that_vanishes_from_the_spool_is_found_at_the_next_turn(
    db: Database, spool: Path, watch: CompletenessWork
) -> None:
    await with_legs(db, lately(CITIZEN, Party.CITIZEN))
    written_at(write_sln(path_of(spool), tone(10)), ago(30))
    await watch.watch()
    path_of(spool).unlink()
    await watch.watch()
    async with db.transaction() as tx:
        assert [(one.kind, one.subject) for one in await findings.listed(tx)] == [(Problem.MISSING, CITIZEN)]
        assert [gap.cause for gap in await store.gaps_of(tx, [CALL])] == [Cause.FILE_MISSING]


async def test_a_call_that_goes_on_is_left_alone(db: Database, spool: Path, watch: CompletenessWork) -> None:
    await with_legs(db, lately(CITIZEN, Party.CITIZEN), over=False)
    written_at(write_sln(path_of(spool), tone(10)), ago(30))
    await watch.watch()
    async with db.transaction() as tx:
        assert await findings.listed(tx) == ()
        assert await store.recordings_of(tx, [CALL]) == ()


async def test_a_leg_that_left_a_call_that_goes_on_is_not_missing_when_nobody_told_of_its_file(
    db: Database, spool: Path, watch: CompletenessWork
) -> None:
    gone = lately(AGENT, Party.AGENT)
    await with_legs(db, gone)
    async with db.transaction() as tx:
        await tx.execute(update(call_table).values(ended_at=None))
    written_at(write_sln(path_of(spool, AGENT, Party.AGENT), tone(10)), ago(5))
    await watch.watch()
    async with db.transaction() as tx:
        assert await findings.listed(tx) == ()
        assert [row.state for row in await store.recordings_of(tx, [CALL])] == [State.VERIFIED]


def test_what_is_wrong_is_listed_within_a_minute() -> None:
    assert QUIET_S + WATCH_EVERY_S + TURN_S < 60


async def test_a_leg_whose_word_of_not_being_recorded_was_lost_says_so_later(
    db: Database, watch: CompletenessWork
) -> None:
    call_id = CallId(f"a-{int(ago(60).timestamp())}.7")
    own = lately(ChannelId(call_id), Party.CITIZEN)
    await with_legs(db, AnsweredLeg(call_id, own.channel_id, own.party, own.answered_at, own.ended_at))
    async with db.transaction() as tx:
        await tx.execute(insert(recording_pause).values(node="a", from_at=ago(600), used_share=0.96))
    await watch.watch()
    async with db.transaction() as tx:
        assert (await tx.execute(select(leg_table.c.recorded))).scalars().all() == [False]
        assert [gap.cause for gap in await store.gaps_of(tx, [call_id])] == [Cause.NOT_RECORDED]
        assert await findings.listed(tx) == ()


async def test_more_legs_than_a_page_all_get_their_account(
    db: Database, watch: CompletenessWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callcenter.custody.completeness_work.PAGE", 3)
    many = [lately(ChannelId(f"a-1763800000.{n}"), Party.AGENT, seconds=5) for n in range(100, 110)]
    await with_legs(db, *many)
    await watch.watch()
    async with db.transaction() as tx:
        assert len((await tx.execute(select(leg_account))).all()) == 10
        assert await findings.open_by_kind(tx) == {Problem.MISSING: 10}


async def test_the_watch_reads_an_index_as_short_as_the_backlog(tx: AsyncConnection) -> None:
    await tx.execute(text("SET LOCAL enable_seqscan = off"))
    query = select(leg_table.c.channel_id).where(*leg_rows._UNACCOUNTED, leg_table.c.ended_at <= LATER)
    compiled = query.compile(tx.engine.sync_engine, compile_kwargs={"literal_binds": True})
    plan = (await tx.execute(text(f"EXPLAIN {compiled}"))).scalars().all()
    assert any("leg_unaccounted" in line for line in plan), plan


# ---- the figures of a day ----------------------------------------------------------------------------------------


async def test_the_figures_of_a_day_add_up(tx: AsyncConnection, spool: Path) -> None:
    id_ = await finish(tx, spool, tone(10))
    await service.verify(tx, spool, id_, leg())
    await keep(tx, id_, 80_000)
    await paused(tx, -600, None)
    await completeness.take_account(tx, spool, [leg(), leg(AGENT, Party.AGENT, 5)], LATER)
    now = datetime.now(UTC)
    made = await days.compute(tx, day_of(START), LATER)
    assert (made.legs, made.answered_s, made.audio_s, made.gap_s, made.unaccounted_s) == (2, 15.0, 10.0, 5.0, 0.0)
    assert (made.gaps_by_cause, made.coverage, made.final) == ({"not_recorded": 5.0}, 1.0, False)
    today = await days.compute(tx, day_of(now), now)
    assert (today.by_state, today.kept, today.uncopied, today.stored_bytes) == ({"verified": 1}, 1, 1, 1_000)
    assert await days.between(tx, day_of(START), day_of(START)) == (made,)


async def test_a_leg_nobody_has_looked_at_in_time_is_unaccounted(db: Database) -> None:
    own = lately(CITIZEN, Party.CITIZEN, seconds=30, over_s=90)
    await with_legs(db, own)
    now = datetime.now(UTC)
    async with db.transaction() as tx:
        late_s = sum([await leg_rows.waiting_s(tx, day_of(now) - timedelta(days=back), now) for back in (0, 1)])
        assert late_s == pytest.approx(30)
        made = await days.compute(tx, day_of(now), now, 30.0)
        assert (made.unaccounted_s, made.coverage) == (30.0, 0.0)
        await tx.execute(update(leg_table).values(accounted=True))
        assert await leg_rows.waiting_s(tx, day_of(now), now) == 0.0


async def test_a_day_is_computed_again_for_a_week_and_then_final(tx: AsyncConnection, spool: Path) -> None:
    await completeness.take_account(tx, spool, [leg()], LATER)
    day = day_of(START)
    assert day in await days.due(tx, LATER)
    await days.compute(tx, day, LATER)
    for later, due, final in ((2, True, False), (7, True, False), (8, True, True), (9, False, True)):
        now = LATER + timedelta(days=later)
        assert (day in await days.due(tx, now)) is due
        assert (await days.compute(tx, day, now)).final is final
    late = AnsweredLeg(CALL, AGENT, Party.AGENT, START, START + timedelta(seconds=99))
    await completeness.take_account(tx, spool, [late], LATER)
    assert (await days.compute(tx, day, LATER + timedelta(days=9))).legs == 1
    await days.forget_accounts(tx, LATER + timedelta(days=10))
    assert (await tx.execute(select(leg_account))).all() == []
    for statement in ("UPDATE recording_day SET legs = 0", "DELETE FROM recording_day"):
        with pytest.raises(DBAPIError, match="final"):
            async with tx.begin_nested():
                await tx.execute(text(statement))


async def test_the_sweep_shows_today_and_yesterday(db: Database, watch: CompletenessWork) -> None:
    await with_legs(db, lately(CITIZEN, Party.CITIZEN))
    await watch.watch()
    await watch.sum_up()
    today, yesterday = (number("callcenter_recording_day", day=day, figure="legs") for day in ("today", "yesterday"))
    assert (today, yesterday) == (None, None)  # only what an alarm is made of
    assert number("callcenter_recording_day", day="yesterday", figure="coverage") == 1.0
    assert number("callcenter_recording_day", day="today", figure="unaccounted_s") == 0.0
    async with db.transaction() as tx:
        rows = (await tx.execute(select(recording_day))).all()
        assert sum(row.legs for row in rows) == 1
        assert (await tx.execute(select(recording_finding.c.kind))).scalars().all() == ["missing"]
