"""From the spool into the store on a real PostgreSQL: every kind of file and of trouble, and transcripts after it."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import insert, text

import recordings.service
from callcenter import jobs
from callcenter.board import Board
from callcenter.custody import kept_check
from callcenter.custody.intake_work import IntakeWork
from callcenter.db import Database
from callcenter.job import Job, RetryPolicy
from callcenter.metrics import REGISTRY
from callcenter.tables import call as call_table
from callcenter.tables import leg as leg_table
from callcenter.types import CallId, ChannelId, Party, RecordingId
from callcenter.vault import Vault
from callcenter.work import CallWork
from config.prefill_loader import load_prefill
from recordings import store, transcripts
from recordings.custody import rows
from recordings.custody.canary import KeyNotProven, require_proven
from recordings.custody.custody import Codec, Custody, Kept
from recordings.custody.ground import Ground
from recordings.custody.keys import FileKeys, new_key
from recordings.custody.objects import ObjectStore, StoreAway
from recordings.custody.sealed import Damaged
from recordings.models import demo_model
from recordings.recording import Kind, RecordingDone, State, name_of
from recordings.vosk_door import load
from tests.support.custody import custody_for_tests
from tests.support.eventually import eventually
from tests.support.spoken import ANSWER, COMPLAINT, cut_by_kill, silence, spoken, write_sln, write_wav

CALL = CallId("a-1763800000.12")
CITIZEN, AGENT = ChannelId(CALL), ChannelId("a-1763800003.14")
START = datetime(2025, 11, 22, 8, 26, 40, tzinfo=UTC)
AT_ONCE = RetryPolicy(max_tries=1_000_000, first_s=0.01, longest_s=0.1)


@dataclass
class House:
    """A database, a spool with its stores, and the work."""

    db: Database
    ground: Ground

    @property
    def work(self) -> IntakeWork:
        return IntakeWork(self.db, self.ground)

    async def leg(self, channel: ChannelId, party: Party, seconds: float, after_s: float = 0.0) -> None:
        """A leg that was answered and is over."""
        began = START + timedelta(seconds=after_s)
        values = {"channel_id": channel, "call_id": CALL, "party": party, "name": "PJSIP/x-1", "created_at": began}
        async with self.db.transaction() as tx:
            ended = began + timedelta(seconds=seconds)
            await tx.execute(insert(leg_table).values(**values, answered_at=began, ended_at=ended))

    async def call(self, seconds: float) -> None:
        """The call, over."""
        async with self.db.transaction() as tx:
            await tx.execute(
                insert(call_table).values(
                    id=CALL, node="a", state="ended", started_at=START, answered_at=START,
                    ended_at=START + timedelta(seconds=seconds),
                )
            )  # fmt: skip

    def path(self, channel: ChannelId = CITIZEN, party: Party = Party.CITIZEN, kind: Kind = Kind.LEG) -> Path:
        return self.ground.spool / name_of(CALL, party, channel, kind).name

    async def done(
        self, channel: ChannelId = CITIZEN, party: Party = Party.CITIZEN, *, mix: bool = False
    ) -> list[RecordingId]:
        """RecordingDone, as the story takes it."""
        file = str(self.path(channel, party))
        told = RecordingDone(CALL, channel, party, file, str(self.path(kind=Kind.MIX)) if mix else "")
        async with self.db.transaction() as tx:
            ids = await recordings.service.finished(tx, told, START)
            for id_ in ids:
                await jobs.enqueue(tx, "recording.verify", {"recording": id_}, key=f"verify:{id_}")
        return list(ids)

    @asynccontextmanager
    async def working(self, work: IntakeWork | None = None) -> AsyncIterator[None]:
        handlers = (work or self.work).handlers()
        policies = dict.fromkeys(handlers, AT_ONCE)
        worker = jobs.Worker(self.db.asyncpg_dsn, handlers, policies=policies, lease_s=1)
        task = asyncio.create_task(worker.run())
        try:
            yield
        finally:
            worker.stop()
            await asyncio.wait_for(task, 30)

    async def drained(self, work: IntakeWork | None = None) -> None:
        """Works until no job waits or runs; held ones may be left."""

        async def idle() -> bool:
            return not [one for one in await self.queue() if one[1] != "failed"]

        async with self.working(work):
            await eventually(idle, "every job is done or held", 300)

    async def queue(self) -> list[tuple[str, str]]:
        async with self.db.transaction() as tx:
            return [(one.kind, one.state) for one in await jobs.queue_sizes(tx)]

    async def state(self, id_: RecordingId) -> tuple[State, Kept | None]:
        async with self.db.transaction() as tx:
            return (await store.recording_of(tx, id_)).state, await rows.kept(tx, id_)

    async def findings(self, *, every: bool = True) -> list[str]:
        async with self.db.transaction() as tx:
            return await kept_check.check(tx, self.ground.spool, self.ground, START, every=every)


@pytest.fixture
def house(db: Database, tmp_path: Path) -> House:
    return House(db, custody_for_tests(tmp_path / "spool"))


def exists(path: Path) -> bool:
    return path.exists()


def object_of(place: ObjectStore | None, kept: Kept | None) -> Path:
    assert place is not None
    assert place.folder is not None
    assert kept is not None
    return place.folder / kept.path


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


async def test_a_recording_goes_from_the_spool_into_both_stores(house: House) -> None:
    write_sln(house.path(), spoken(COMPLAINT))
    write_wav(house.path(kind=Kind.MIX), spoken(COMPLAINT))
    ids = await house.done(mix=True)
    await house.drained()
    assert await house.queue() == []
    for id_ in ids:
        state, kept = await house.state(id_)
        assert state is State.VERIFIED
        assert kept
        assert kept.custody is Custody.STORED
        assert kept.copied_at
        assert kept.spool_removed_at
        assert re.match(r"20\d\d/\d\d/\d\d/[0-9a-f]{2}/[0-9a-f-]{36}\.ccr$", kept.path)
        assert CALL not in kept.path
    assert not any(house.ground.spool.iterdir())
    assert await house.findings() == []
    async with house.db.transaction() as tx:
        told = await tx.execute(text("SELECT subject, detail->>'samples_sha256' FROM audit ORDER BY id"))
        kept_rows = await rows.kept_of(tx, ids)
        said = {f"recording:{i}": k.contents.samples_sha256 for i, k in kept_rows.items() if k.contents}
        assert dict(list(told)) == said


def long_talk(seconds: int) -> bytes:
    return np.resize(np.frombuffer(spoken(COMPLAINT) + silence(1), "<i2"), seconds * 8_000).tobytes()


BROKEN = {
    "truncated": (State.SUSPECT, Codec.FLAC, 1),
    "corrupt": (State.SUSPECT, Codec.RAW, 1),
    "two hours": (State.VERIFIED, Codec.FLAC, 0),
    "silent": (State.SUSPECT, Codec.FLAC, 0),
    "left by a kill": (State.REPAIRED, Codec.FLAC, 0),
    "zero length": (State.MISSING, None, 1),
    "header only": (State.MISSING, None, 1),
    "never written": (State.MISSING, None, 1),
}
"""Fault 26. File -> what it is found to be, how it is kept, gaps. Gaps are of the leg's own file."""


def write_broken(what: str, leg: Path, mix: Path) -> float:
    """Both files of the citizen's channel; how many seconds the leg was answered."""
    talk = long_talk(20)
    match what:
        case "truncated":
            write_sln(leg, talk[: len(talk) // 2 - 1])
            mix.write_bytes(write_wav(mix, talk).read_bytes()[: len(talk) // 2])
        case "corrupt":
            mix.write_bytes(b"RIFF\xff\xff\xff\xffWAVEfmt " + bytes(range(256)) * 40)
        case "two hours":
            write_sln(leg, long_talk(7_200))
            return 7_200.0
        case "silent":
            write_sln(leg, silence(20))
            write_wav(mix, silence(20))
        case "left by a kill":
            write_sln(leg, talk[: len(talk) // 32_768 * 32_768])
            return (cut_by_kill(write_wav(mix, talk)).stat().st_size - 44) / 16_000
        case "zero length":
            write_sln(leg, b"")
            write_sln(mix, b"")
        case "header only":
            write_sln(leg, b"")
            write_wav(mix, b"")
    return 20.0


@pytest.mark.parametrize("what", BROKEN)
async def test_every_broken_file_ends_stored_or_missing_and_no_worker_loops(house: House, what: str) -> None:
    foreign = house.ground.spool / "notes.txt"
    write_sln(foreign, b"whose is this")
    seconds = write_broken(what, house.path(), house.path(kind=Kind.MIX))
    await house.call(seconds)
    await house.leg(CITIZEN, Party.CITIZEN, seconds)
    *_, last = await house.done(mix=what != "two hours")
    await house.drained()
    assert await house.queue() == []
    wanted, codec, gaps = BROKEN[what]
    state, kept = await house.state(last)
    assert state is wanted
    assert (kept.contents.codec if kept and kept.contents else None) is codec
    # Nothing is removed that is not in the store; an empty file stays.
    left = codec is None and what != "never written"
    assert [path.name for path in (house.path(), house.path(kind=Kind.MIX), foreign) if exists(path)] == (
        [house.path().name, house.path(kind=Kind.MIX).name, foreign.name] if left else [foreign.name]
    )
    async with house.db.transaction() as tx:
        assert len(await store.gaps_of(tx, [CALL])) == gaps
    assert await house.findings() == []


class AwayStore(ObjectStore):
    """A store that refuses so many writes."""

    refusals = 0

    async def put_new(self, path: str, data: bytes) -> None:
        if self.refusals > 0:
            type(self).refusals -= 1
            raise StoreAway("the disk is full")
        await super().put_new(path, data)


def counted(step: str, outcome: str) -> float:
    return REGISTRY.get_sample_value("callcenter_recording_intake_total", {"step": step, "outcome": outcome}) or 0.0


@pytest.mark.parametrize("away", ["store", "copy"])
async def test_while_a_store_is_away_recordings_wait_in_the_spool(
    house: House, monkeypatch: pytest.MonkeyPatch, away: str
) -> None:
    write_sln(house.path(), spoken(COMPLAINT))
    async with house.db.transaction() as tx:
        # The canary is there from the worker's start.
        await require_proven(tx, house.ground)
    place = house.ground.store if away == "store" else house.ground.copy
    assert place
    monkeypatch.setattr(AwayStore, "refusals", 12)
    lost = AwayStore(place.url)
    ground = replace(house.ground, store=lost) if away == "store" else replace(house.ground, copy=lost)
    step = "recording.keep" if away == "store" else "recording.copy"
    before = counted(step, "away")
    (id_,) = await house.done()
    async with house.working(IntakeWork(house.db, ground)):
        await eventually(lambda: AwayStore.refusals < 5, "it is tried again and again")
        assert exists(house.path())
        await eventually(lambda: not exists(house.path()), "it is stored when the store is back")
        await eventually(lambda: _settled(house), "every job is done")
    assert counted(step, "away") - before == 12
    _, kept = await house.state(id_)
    assert kept
    assert kept.custody is Custody.STORED
    assert await house.findings() == []


async def _settled(house: House) -> bool:
    return await house.queue() == []


async def test_nothing_is_sealed_under_a_key_that_is_another(house: House) -> None:
    """The key file was swapped for one with the same names (threat T26)."""
    async with house.db.transaction() as tx:
        await require_proven(tx, house.ground)
    write_sln(house.path(), spoken(COMPLAINT))
    (id_,) = await house.done()
    await verified(house)
    wrong = IntakeWork(house.db, replace(house.ground, keys=FileKeys((new_key("test-1"),))))
    with pytest.raises(KeyNotProven):
        await wrong.handlers()["recording.keep"](job("recording.keep", id_, tries=99))
    assert (await house.state(id_))[1] is None
    await house.drained()
    assert not exists(house.path())


def job(kind: str, id_: RecordingId, tries: int = 1) -> Job:
    return Job(1, kind, f"{kind}:{id_}", f'{{"recording": {id_}}}'.encode(), tries)


async def verified(house: House) -> list[RecordingId]:
    """Runs the verifications that wait, by hand; nothing is kept yet."""
    async with house.db.transaction() as tx:
        found = await tx.execute(text("SELECT id FROM recording WHERE state = 'complete' ORDER BY id"))
        ids = [RecordingId(one) for one in found.scalars()]
        await tx.execute(text("DELETE FROM pgqueuer WHERE entrypoint = 'recording.verify'"))
    for id_ in ids:
        await house.work.verify(job("recording.verify", id_))
    return ids


async def test_a_file_that_grew_after_it_was_verified_is_stored_as_it_is(house: House) -> None:
    """The event of its end was late or wrong: what came afterwards is kept too."""
    whole = spoken(COMPLAINT)
    write_sln(house.path(), whole[: len(whole) // 2])
    (id_,) = await house.done()
    await verified(house)
    write_sln(house.path(), whole)
    await house.drained()
    _, kept = await house.state(id_)
    assert kept
    assert kept.contents
    assert kept.contents.frames == len(whole) // 2
    async with house.db.transaction() as tx:
        assert (await store.recording_of(tx, id_)).size_bytes == len(whole)
    assert not exists(house.path())


async def test_a_file_that_is_written_to_after_it_was_stored_stays_and_is_on_record(house: House) -> None:
    write_sln(house.path(), spoken(COMPLAINT))
    (id_,) = await house.done()
    await verified(house)
    await house.work.keep(job("recording.keep", id_))
    await house.work.copy(job("recording.copy", id_))
    with house.path().open("ab") as file:
        file.write(bytes(2))
    await house.drained()
    assert await house.queue() == [("recording.clear", "failed")]
    assert exists(house.path())
    async with house.db.transaction() as tx:
        told = await tx.execute(text("SELECT action, subject, detail->>'reason' FROM audit WHERE NOT ok"))
        assert list(told) == [("recording.clear", f"recording:{id_}", f"SpoolChanged: {house.path().name}")]


async def test_a_name_that_a_killed_writer_spoilt_is_given_up_for_another(house: House) -> None:
    write_sln(house.path(), spoken(COMPLAINT))
    (id_,) = await house.done()
    await verified(house)
    await spoil(house, id_, b"\x89CCR1\r\n\x1a and then the power went")
    _, before = await house.state(id_)
    await house.drained()
    _, kept = await house.state(id_)
    assert kept
    assert before
    assert kept.custody is Custody.STORED
    assert kept.name != before.name
    assert exists(object_of(house.ground.store, before))
    assert not exists(house.path())


async def spoil(house: House, id_: RecordingId, data: bytes) -> None:
    """Its name is decided, and something lies under it."""
    work = house.work
    found = await work._prepared(id_)
    assert found
    await house.ground.store.put_new(found[1].path, data)


async def test_another_recording_under_its_name_waits_for_a_person(house: House) -> None:
    write_sln(house.path(), spoken(COMPLAINT))
    write_sln(house.path(AGENT, Party.AGENT), spoken(ANSWER))
    (one,) = await house.done()
    (other,) = await house.done(AGENT, Party.AGENT)
    await verified(house)
    await house.work.keep(job("recording.keep", one))
    _, kept = await house.state(one)
    await spoil(house, other, await asyncio.to_thread(object_of(house.ground.store, kept).read_bytes))
    await house.drained()
    assert await house.queue() == [("recording.keep", "failed")]
    assert exists(house.path(AGENT, Party.AGENT))
    async with house.db.transaction() as tx:
        (held,) = await jobs.held_jobs(tx)
    assert held.reason.startswith("NotKept: OtherThere: ")


async def test_recordings_from_before_there_was_a_store_are_brought_in_by_the_sweep(house: House) -> None:
    write_sln(house.path(), spoken(COMPLAINT))
    (id_,) = await house.done()
    await verified(house)
    alone = House(house.db, replace(house.ground, copy=None))
    async with house.db.transaction() as tx:
        await tx.execute(text("DELETE FROM pgqueuer"))
    work = alone.work
    await work.sweep()
    await work.sweep()
    assert await house.queue() == [("recording.keep", "queued")]
    await alone.drained()
    _, kept = await house.state(id_)
    assert kept
    assert kept.spool_removed_at
    assert kept.copied_at is None
    # A second place is set up later.
    await house.work.sweep()
    await house.drained()
    _, kept = await house.state(id_)
    assert kept
    assert kept.copied_at
    assert await house.findings() == []


async def test_verify_finds_what_the_store_has_not(house: House) -> None:
    paths = [(CITIZEN, Party.CITIZEN), (AGENT, Party.AGENT)]
    ids: list[RecordingId] = []
    for channel, party in paths:
        write_sln(house.path(channel, party), spoken(COMPLAINT))
        ids += await house.done(channel, party)
    await house.drained()
    (_, one), (_, two) = [await house.state(id_) for id_ in ids]
    flip(object_of(house.ground.store, one))
    assert [told.partition(":")[0] for told in await house.findings()] == [f"recording {ids[0]} is not what was stored"]
    os.truncate(object_of(house.ground.copy, two), 100)
    object_of(house.ground.store, two).unlink()
    told = " ".join(await house.findings(every=False))
    assert f"recording {ids[1]} has no bytes in {house.ground.store.url}" in told
    assert f"recording {ids[1]} has 100 bytes in" in told
    write_sln(house.ground.spool / "x", b"")
    async with house.db.transaction() as tx:
        await tx.execute(text("INSERT INTO recording (call_id, channel_id, kind, party, path, state, sha256,"
                              " delete_not_before) VALUES ('a-1763800000.99', 'a-1763800000.99', 'leg', 'agent',"
                              f" 'gone.sln', 'suspect', '{'0' * 64}', '2999-01-01')"))  # fmt: skip
    assert "recording gone.sln is gone before its time" in await house.findings()


# ---- transcripts -------------------------------------------------------------------------------------------------


async def talk(house: House) -> CallWork:
    """A call of two legs, verified; nothing of it is in the store."""
    speech_s = len(spoken(COMPLAINT)) / 16_000
    await house.call(2 * speech_s + 4)
    await house.leg(CITIZEN, Party.CITIZEN, speech_s)
    await house.leg(AGENT, Party.AGENT, speech_s + 3, after_s=1.0)
    write_sln(house.path(), spoken(COMPLAINT))
    write_sln(house.path(AGENT, Party.AGENT), silence(speech_s + 1) + spoken(ANSWER))
    await house.done()
    await house.done(AGENT, Party.AGENT)
    await verified(house)
    board = Board("unix:///nonexistent/valkey.sock")
    return CallWork(house.db, board, Vault("00" * 32), load_prefill("longsheng"), house.ground, load(demo_model()))


def transcribing(tries: int = 1) -> Job:
    return Job(1, "call.transcribe", "t", f'{{"call": "{CALL}"}}'.encode(), tries)


async def words(house: House) -> str:
    async with house.db.transaction() as tx:
        found = await transcripts.transcript_of(tx, CALL)
    assert found
    assert found.unread == ()
    return found.text


SAID = f"市民：{COMPLAINT}\n话务员：{ANSWER}"


@pytest.mark.parametrize("codec", [Codec.FLAC, Codec.OPUS])
async def test_a_call_is_transcribed_from_the_spool_and_from_the_store_alike(
    db: Database, tmp_path: Path, codec: Codec
) -> None:
    house = House(db, custody_for_tests(tmp_path / "spool", codec=codec))
    calls = await talk(house)
    await calls.transcribe(transcribing())
    assert await words(house) == SAID
    await house.drained()
    assert not any(house.ground.spool.iterdir())
    async with db.transaction() as tx:
        await tx.execute(text("DELETE FROM transcript_line"))
        await tx.execute(text("DELETE FROM transcript"))
    await calls.transcribe(transcribing())
    assert await words(house) == SAID


async def test_a_leg_that_moves_into_the_store_meanwhile_is_heard_there(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = await talk(house)
    real = rows.kept_of
    moved = False

    async def kept_of(tx: object, ids: object) -> object:
        """The rows as they were; right after they were read the file moves."""
        nonlocal moved
        found = await real(tx, ids)  # type: ignore[arg-type]
        if not moved:
            moved = True
            await house.drained()
        return found

    monkeypatch.setattr(rows, "kept_of", kept_of)
    with pytest.raises(Exception, match=CALL) as raised:
        await calls.transcribe(transcribing())
    assert getattr(raised.value, "retryable", False)
    await calls.transcribe(transcribing(tries=2))
    assert await words(house) == SAID


async def test_a_damaged_object_is_heard_from_the_copy_the_next_time(house: House) -> None:
    calls = await talk(house)
    await house.drained()
    async with house.db.transaction() as tx:
        ids = [one.id for one in await store.recordings_of(tx, [CALL])]
    for id_ in ids:
        flip(object_of(house.ground.store, (await house.state(id_))[1]))
    with pytest.raises(Damaged):
        await calls.transcribe(transcribing())
    await calls.transcribe(transcribing(tries=2))
    assert await words(house) == SAID
