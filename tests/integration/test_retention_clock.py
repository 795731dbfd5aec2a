"""Recordings under a clock that moves: due, recycled, thirty days, deleted with a certificate; nothing a day too early.

PostgreSQL runs under libfaketime and the second clock is a real SNTP server, so that both can be moved, and apart.
"""

import asyncio
import itertools
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from callcenter.custody import retention_check
from callcenter.custody.retention_work import ClocksDisagree, RetentionWork
from callcenter.db import Database
from callcenter.types import Actor, CallId, RecordingId, Role
from recordings.custody.custody import Custody, Kept
from recordings.custody.ground import Ground
from recordings.custody.objects import ObjectStore, StoreAway
from recordings.recording import CHINA
from recordings.retention import expiry, holds
from recordings.retention.rules import Basis, Rule
from recordings.retention.second_clock import ClockAway
from tests.support.custody import custody_for_tests
from tests.support.expiring import audited, custody_of, deletion, expiring, lies, ordered, run_deletions
from tests.support.moving_clock import MovingClock
from tests.support.tickets import rules
from ticketing import service

LEAP_DAY = datetime(2024, 2, 29, 4, tzinfo=UTC)
DAY = timedelta(days=1)
_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def well(clock: MovingClock) -> None:
    """Every test begins now, with a time server that is in order."""
    clock.move(timedelta())
    clock.server.silent = False


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return custody_for_tests(tmp_path / "spool")


@pytest.fixture
def work(clock: MovingClock, ground: Ground) -> RetentionWork:
    return RetentionWork(clock.app, ground, clock.server.clock())


def call() -> CallId:
    return CallId(f"a-1709180000.{next(_numbers)}")


async def made(clock: MovingClock, ground: Ground, at: datetime = LEAP_DAY, one: CallId | None = None) -> Kept:
    async with clock.app.transaction() as tx:
        return await expiring(tx, ground, one or call(), at)


async def custodies(clock: MovingClock, *kept: Kept) -> list[Custody]:
    return [await custody_of(clock.app, one.recording_id) for one in kept]


async def settle(db: Database) -> None:
    """What other tests left in the queue is none of ours."""
    async with db.transaction() as tx:
        await tx.execute(text("DELETE FROM pgqueuer"))


async def open_ticket(db: Database, one: CallId) -> None:
    agent = Actor("user", "agent", frozenset({Role.AGENT}))
    async with db.transaction() as tx:
        await service.open_draft(tx, actor=agent, now=datetime.now(UTC), rules=rules(), call_id=one)


async def call_of(db: Database, one: Kept) -> CallId:
    async with db.transaction() as tx:
        query = text("SELECT call_id FROM recording WHERE id = :id")
        return CallId((await tx.execute(query, {"id": one.recording_id})).scalar_one())


async def test_a_leap_days_recording_goes_by_rule_and_its_fellows_stay(
    clock: MovingClock, ground: Ground, work: RetentionWork
) -> None:
    goes, held, wanted_again, worked_on = [await made(clock, ground) for _ in range(4)]
    calls = {one.recording_id: await call_of(clock.app, one) for one in (goes, held, wanted_again, worked_on)}
    async with clock.app.transaction() as tx:
        await holds.place(tx, calls[held.recording_id], "行政复议期间须予以保全", "user:auditor")
    await open_ticket(clock.app, calls[worked_on.recording_id])
    everyone = (goes, held, wanted_again, worked_on)

    clock.move_to(datetime(2027, 2, 28, 23, 50, tzinfo=CHINA))
    await work.sweep()
    assert await custodies(clock, *everyone) == [Custody.STORED] * 4, "kept until 2027-03-01"

    clock.move_to(datetime(2027, 3, 1, 0, 10, tzinfo=CHINA))
    await work.sweep()
    r, s, d = Custody.RECYCLED, Custody.STORED, Custody.DELETED
    assert await custodies(clock, *everyone) == [r, s, r, s]

    clock.move_to(datetime(2027, 3, 15, tzinfo=CHINA))
    async with clock.app.transaction() as tx:
        placed = await holds.place(tx, wanted_again.recording_id, "当事人申请查阅这段录音", "user:admin")
    assert (placed.brought_back, placed.too_late) == ((wanted_again.recording_id,), ())

    clock.move_to(datetime(2027, 3, 30, 23, 50, tzinfo=CHINA))
    await work.sweep()
    assert goes.recording_id not in await ordered(clock.app), "thirty days are not over"

    clock.move_to(datetime(2027, 3, 31, 0, 11, tzinfo=CHINA))
    await work.sweep()
    assert set(await ordered(clock.app)) & {one.recording_id for one in everyone} == {goes.recording_id}
    assert await run_deletions(work, clock.app, goes.recording_id) == 1
    assert await custodies(clock, *everyone) == [d, s, s, s]
    assert await lies(ground, goes.path) == []
    assert len(await lies(ground, held.path)) == 4
    await the_proof(clock, goes)


async def the_proof(clock: MovingClock, gone: Kept) -> None:
    """Tombstone, certificate, audit: all of it, and `verify` agrees."""
    assert gone.sealed is not None
    async with clock.app.transaction() as tx:
        found = await expiry.certificate_of(tx, gone.recording_id)
        assert found is not None
        _, proof, sha256 = found
        assert (proof.sealed_sha256, proof.name) == (gone.sealed.sealed_sha256, gone.name)
        assert (proof.delete_not_before, proof.rule) == (date(2027, 3, 1), Rule())
        assert proof.sha256 == sha256
        assert abs(proof.deleted_at - proof.second_at) < timedelta(seconds=30)
        assert proof.deleted_at - proof.recycled_at >= timedelta(days=30)
        assert await retention_check.check(tx) == []
        key = text("SELECT wrapped_key FROM recording_object WHERE recording_id = :id")
        assert (await tx.execute(key, {"id": gone.recording_id})).scalar_one() is None
    rows = [row for row in await audited(clock.app, "recording.delete") if row.ok]
    assert (rows[-1].subject, rows[-1].detail["sha256"]) == (f"recording:{gone.recording_id}", sha256)


async def test_a_policy_that_says_more_years_keeps_longer_and_a_later_one_that_says_fewer_changes_nothing(
    clock: MovingClock, ground: Ground, work: RetentionWork
) -> None:
    one = await made(clock, ground)
    whose = await call_of(clock.app, one)
    closed = datetime(2024, 6, 1, 4, tzinfo=UTC)
    async with clock.app.transaction() as tx:
        await expiry.call_closed(tx, whose, Basis(Rule(5, "x", 1, "第十四条"), LEAP_DAY, closed))
        await expiry.call_closed(tx, whose, Basis(Rule(3, "x", 2, "第十四条"), LEAP_DAY, closed))
    clock.move_to(datetime(2029, 6, 1, 12, tzinfo=CHINA))
    await work.sweep()
    assert await custodies(clock, one) == [Custody.STORED]
    clock.move_to(datetime(2029, 6, 2, 12, tzinfo=CHINA))
    await work.sweep()
    assert await custodies(clock, one) == [Custody.RECYCLED]
    async with clock.app.transaction() as tx:
        counted = await expiry.basis_of(tx, whose, LEAP_DAY)
    assert (counted.rule.years, counted.rule.policy_version, counted.not_before) == (5, 1, date(2029, 6, 2))


async def test_a_database_ten_years_ahead_deletes_nothing(
    clock: MovingClock, ground: Ground, work: RetentionWork
) -> None:
    one = await made(clock, ground, datetime.now(UTC))
    await work.sweep()
    clock.move_database(timedelta(days=3_660))
    before = len(await audited(clock.app, "recording.clocks_disagree"))
    await work.sweep()
    await work.sweep()
    told = await audited(clock.app, "recording.clocks_disagree")
    assert len(told) == before + 1, "said once a day"
    assert not told[-1].ok
    assert await custodies(clock, one) == [Custody.STORED]
    for db in (clock.app, clock.owner):
        assert await refused(
            db, f"UPDATE recording_object SET custody = 'recycled' WHERE recording_id = {one.recording_id}"
        )


async def test_a_database_that_has_jumped_refuses_by_itself_without_any_sweep(
    clock: MovingClock, ground: Ground, work: RetentionWork
) -> None:
    """The newest witness is of the right time; the database alone has gone on."""
    one = await made(clock, ground, datetime(2025, 1, 1, 4, tzinfo=UTC))
    await work.sweep()
    clock.move_database(timedelta(days=3_660))
    assert await refused(clock.owner, recycling(one))
    clock.move(timedelta(days=3_660))
    async with clock.app.transaction() as tx:
        await expiry.witness(tx, clock.now, "ntp://test")
        await tx.execute(text(recycling(one)))
    assert await custodies(clock, one) == [Custody.RECYCLED], "with both clocks there, it may"


async def test_a_deletion_waits_while_the_clocks_disagree(
    clock: MovingClock, ground: Ground, work: RetentionWork
) -> None:
    one = await recycled(clock, ground, work)
    clock.server.shift += timedelta(minutes=6)
    async with clock.app.transaction() as tx:
        await expiry.begin_deletion(tx, one.recording_id, clock.now)
    with pytest.raises(ClocksDisagree):
        await work.delete(deletion(f'{{"recording": {one.recording_id}}}'.encode()))
    assert await custodies(clock, one) == [Custody.RECYCLED]
    clock.server.shift -= timedelta(minutes=6)
    clock.server.silent = True
    work.clock = clock.server.clock(timeout_s=0.1)
    work.__post_init__()
    with pytest.raises(ClockAway):
        await work.delete(deletion(f'{{"recording": {one.recording_id}}}'.encode()))
    await work.sweep()
    assert [row.ok for row in await audited(clock.app, "recording.clock_away")] == [False]
    clock.server.silent = False
    await work.delete(deletion(f'{{"recording": {one.recording_id}}}'.encode()))
    assert await custodies(clock, one) == [Custody.DELETED]


async def recycled(clock: MovingClock, ground: Ground, work: RetentionWork) -> Kept:
    """One whose thirty days have just ended; the clocks stand there, and a deletion is ordered."""
    await settle(clock.app)
    one = await made(clock, ground)
    clock.move_to(datetime(2027, 3, 2, 12, tzinfo=CHINA))
    await work.sweep()
    assert await custodies(clock, one) == [Custody.RECYCLED]
    clock.move_to(datetime(2027, 4, 2, 12, tzinfo=CHINA))
    await work.sweep()
    assert one.recording_id in await ordered(clock.app)
    return one


async def test_without_a_second_clock_nothing_expires_and_it_says_so(clock: MovingClock, ground: Ground) -> None:
    one = await made(clock, ground)
    clock.move(timedelta(days=3_660))
    work = RetentionWork(clock.app, ground, None)
    await work.sweep()
    await work.sweep()
    assert [row.ok for row in await audited(clock.app, "recording.expiry_off")] == [False]
    assert await custodies(clock, one) == [Custody.STORED]


class Killed(BaseException):
    """What kill -9 leaves: nothing of this process goes on."""


class Mortal(ObjectStore):
    """A store whose process is killed before its n-th step."""

    left = 1_000

    def _step(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise Killed

    async def put_new(self, path: str, data: bytes) -> None:
        self._step()
        await super().put_new(path, data)

    async def delete(self, path: str) -> None:
        self._step()
        await super().delete(path)

    async def size_of(self, path: str) -> int | None:
        self._step()
        return await super().size_of(path)


async def test_a_deletion_killed_at_any_step_is_finished_later(
    clock: MovingClock, ground: Ground, work: RetentionWork
) -> None:
    """Before, between and after the steps in both stores, the certificate among them."""
    one = await recycled(clock, ground, work)
    store = Mortal(ground.store.url)
    copy = Mortal(ground.copy.url) if ground.copy else None
    assert copy is not None
    mortal = RetentionWork(clock.app, Ground(ground.spool, store, copy, ground.keys), clock.server.clock())
    job = deletion(f'{{"recording": {one.recording_id}}}'.encode())
    deaths = 0
    for steps in itertools.count():
        copy.left, store.left = steps, max(0, steps - 6)
        try:
            await mortal.delete(job)
        except Killed:
            deaths += 1
            continue
        break
    assert deaths >= 6
    assert await custodies(clock, one) == [Custody.DELETED]
    assert await lies(ground, one.path) == [], "no object, no key, no mark"
    async with clock.app.transaction() as tx:
        assert await retention_check.check(tx) == []
    assert (
        len(
            [
                row
                for row in await audited(clock.app, "recording.delete")
                if row.subject.endswith(f":{one.recording_id}")
            ]
        )
        == 1
    )


async def test_a_store_that_is_away_is_not_taken_for_an_empty_one(
    clock: MovingClock, ground: Ground, work: RetentionWork, tmp_path: Path
) -> None:
    """An unmounted folder looks as if everything were deleted already."""
    one = await recycled(clock, ground, work)
    assert ground.store.folder is not None
    away = tmp_path / "unmounted"
    ground.store.folder.rename(away)
    ground.store.folder.mkdir()
    job = deletion(f'{{"recording": {one.recording_id}}}'.encode())
    with pytest.raises(StoreAway, match="is it the right store, and mounted"):
        await work.delete(job)
    assert await custodies(clock, one) == [Custody.RECYCLED]
    assert [row.ok for row in await audited(clock.app, "recording.delete")][-1] is False
    ground.store.folder.rmdir()
    away.rename(ground.store.folder)
    await work.delete(job)
    assert await custodies(clock, one) == [Custody.DELETED]
    assert await lies(ground, one.path) == []


async def test_a_hold_that_comes_when_the_deletion_has_begun_says_so(
    clock: MovingClock, ground: Ground, work: RetentionWork
) -> None:
    one = await recycled(clock, ground, work)
    async with clock.app.transaction() as tx:
        await expiry.begin_deletion(tx, one.recording_id, clock.now)
    async with clock.app.transaction() as tx:
        placed = await holds.place(tx, one.recording_id, "这是来不及的一项保全", "user:auditor")
    assert (placed.brought_back, placed.too_late) == ((), (one.recording_id,))
    bring_back = f"UPDATE recording_object SET custody = 'stored' WHERE recording_id = {one.recording_id}"
    assert await refused(clock.owner, bring_back)


async def test_a_hold_between_order_and_deletion_wins(clock: MovingClock, ground: Ground, work: RetentionWork) -> None:
    one = await recycled(clock, ground, work)
    async with clock.app.transaction() as tx:
        await holds.place(tx, one.recording_id, "这是来得及的一项保全", "user:auditor")
    await work.delete(deletion(f'{{"recording": {one.recording_id}}}'.encode()))
    assert await custodies(clock, one) == [Custody.STORED]
    assert len(await lies(ground, one.path)) == 4


def recycling(one: Kept) -> str:
    return f"UPDATE recording_object SET custody = 'recycled' WHERE recording_id = {one.recording_id}"


async def refused(db: Database, statement: str) -> bool:
    """Whether a guard refuses it, in a transaction of its own."""
    try:
        async with db.transaction() as tx:
            await tx.execute(text(statement))
    except DBAPIError as error:
        return getattr(error.orig, "sqlstate", None) == "23001"
    return False


async def begun(clock: MovingClock, ground: Ground, work: RetentionWork) -> RecordingId:
    """One whose deletion has begun and that has no certificate yet."""
    one = await recycled(clock, ground, work)
    async with clock.app.transaction() as tx:
        assert await expiry.begin_deletion(tx, one.recording_id, clock.now) is not None
    return one.recording_id


async def test_there_is_no_deletion_without_a_certificate_and_no_certificate_without_a_deletion(
    clock: MovingClock, ground: Ground, work: RetentionWork
) -> None:
    id_ = await begun(clock, ground, work)
    gone = f"UPDATE recording_object SET custody = 'deleted', wrapped_key = NULL WHERE recording_id = {id_}"
    proof = f"""INSERT INTO deletion_certificate (recording_id, call_id, name, sealed_sha256, sealed_bytes, recorded_at,
        counted_from, years, policy_id, policy_version, article, delete_not_before, recycled_at, deleted_at, second_at,
        deleted_by, sha256) SELECT r.id, r.call_id, o.name, o.sealed_sha256, o.sealed_bytes, now(), now(), 3, '', 0, '',
        r.delete_not_before, o.recycled_at, now(), now(), 'x', repeat('0', 64)
        FROM recording r JOIN recording_object o ON o.recording_id = r.id WHERE r.id = {id_}"""
    for db in (clock.app, clock.owner):
        assert await refused(db, gone)
        assert await refused(db, proof), "at the end of the transaction"
        assert await refused(db, proof.replace("o.sealed_sha256, o.sealed_bytes", "repeat('1', 64), 1"))


async def test_a_hold_placed_while_the_sweep_goes_by_is_seen(
    clock: MovingClock, ground: Ground, work: RetentionWork
) -> None:
    """The sweep waits for the row, then meets the hold; whichever commits first, a held recording is kept."""
    one = await made(clock, ground)
    clock.move_to(datetime(2027, 3, 2, 12, tzinfo=CHINA))
    await work.sweep()
    async with clock.app.transaction() as tx:
        await tx.execute(
            text(f"UPDATE recording_object SET custody = 'stored' WHERE recording_id = {one.recording_id}")
        )
    async with clock.app.transaction() as holding:
        await holds.place(holding, one.recording_id, "与清理同时办理的一项保全", "user:auditor")
        sweeping = asyncio.create_task(refused(clock.app, recycling(one)))
        waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%recycled%'"
        async with asyncio.timeout(10):
            while not await count(clock.owner, waits):
                await asyncio.sleep(0.01)
    assert await sweeping
    assert await custodies(clock, one) == [Custody.STORED]


async def count(db: Database, query: str) -> int:
    async with db.transaction() as tx:
        return int((await tx.execute(text(query))).scalar_one())
