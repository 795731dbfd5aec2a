"""The job queue on a real PostgreSQL: nothing lost, nothing run twice at a time, whoever dies."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy import text

from callcenter import jobs
from callcenter.db import Database
from callcenter.jobs import Handler, Job, Outcome, RetryPolicy, Run, Worker
from tests.support.eventually import eventually

ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = RetryPolicy(max_tries=3, first_s=0.01, longest_s=0.02)


class Wrong(Exception):
    """Never gets better."""

    retryable = False


class Away(Exception):
    """Gets better."""

    retryable = True


async def put(db: Database, kind: str, key: str, run_at: datetime | None = None, **payload: Any) -> bool:
    async with db.transaction() as tx:
        return await jobs.enqueue(tx, kind, payload, key=key, run_at=run_at)


async def count(db: Database, where: str = "true") -> int:
    async with db.transaction() as tx:
        return int((await tx.execute(text(f"SELECT count(*) FROM pgqueuer WHERE {where}"))).scalar_one())


@asynccontextmanager
async def working(db: Database, handlers: Mapping[str, Handler], **options: Any) -> AsyncIterator[Worker]:
    worker = Worker(db.asyncpg_dsn, handlers, **options)
    task = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await asyncio.wait_for(task, 30)


async def test_a_rolled_back_job_never_was(db: Database) -> None:
    async with db.engine.connect() as tx:
        transaction = await tx.begin()
        # The very first statement of the transaction: the driver must be in it already.
        assert await jobs.enqueue(tx, "note", {}, key="a")
        await transaction.rollback()
    assert await count(db) == 0


async def test_a_committed_job_is_there_once_per_key(db: Database) -> None:
    assert [await put(db, "note", "a"), await put(db, "note", "a"), await put(db, "note", "b")] == [True, False, True]
    assert await count(db) == 2


async def test_a_handler_gets_what_was_enqueued(db: Database) -> None:
    class Wanted(BaseModel):
        ticket: str
        parts: list[int]

    got: list[tuple[Wanted, Job]] = []

    async def note(job: Job) -> None:
        got.append((job.parse(Wanted), job))

    async with db.transaction() as tx:
        await jobs.enqueue(tx, "note", Wanted(ticket="路灯", parts=[1, 2]), key="a")
    async with working(db, {"note": note}):
        await eventually(lambda: bool(got), "the job runs")
        await eventually(lambda: _empty(db), "the job is done")
    wanted, job = got[0]
    assert wanted == Wanted(ticket="路灯", parts=[1, 2])
    assert (job.kind, job.key, job.tries) == ("note", "a", 1)
    assert job.payload == {"ticket": "路灯", "parts": [1, 2]}


async def _empty(db: Database) -> bool:
    return await count(db) == 0


async def test_a_key_is_taken_while_its_job_runs_or_is_held_and_free_when_done(db: Database) -> None:
    began, end = asyncio.Event(), asyncio.Event()
    seen: list[Run] = []

    async def note(job: Job) -> None:
        began.set()
        await end.wait()

    async def broken(job: Job) -> None:
        raise Wrong

    await put(db, "note", "runs")
    await put(db, "broken", "held")
    async with working(db, {"note": note, "broken": broken}, on_run=seen.append):
        await asyncio.wait_for(began.wait(), 20)
        assert not await put(db, "note", "runs")
        await eventually(lambda: _is_held(db, 1), "the broken job is held")
        assert not await put(db, "broken", "held")
        end.set()
        await eventually(lambda: _no_row(db, "runs"), "the job is done")
        assert await put(db, "note", "runs")


async def _is_held(db: Database, how_many: int) -> bool:
    return await count(db, "status = 'failed'") == how_many


async def _no_row(db: Database, key: str) -> bool:
    return await count(db, f"dedupe_key = '{key}'") == 0


async def test_a_job_for_later_does_not_run_before(db: Database) -> None:
    ran: list[str] = []
    late: list[bool] = []
    at = datetime.now(UTC) + timedelta(seconds=1)

    async def note(job: Job) -> None:
        async with db.transaction() as tx:
            late.append((await tx.execute(text("SELECT now() >= :at"), {"at": at})).scalar_one())
        ran.append(job.key)

    await put(db, "note", "later", run_at=at)
    await put(db, "note", "now")
    async with working(db, {"note": note}):
        await eventually(lambda: len(ran) == 2, "both ran")
    assert ran == ["now", "later"]
    assert late[1]


async def test_a_time_without_a_zone_is_refused(tx: Any) -> None:
    with pytest.raises(ValueError, match="time zone"):
        await jobs.enqueue(tx, "note", {}, key="a", run_at=datetime(2026, 1, 1))


@pytest.mark.parametrize(
    ("error", "tries", "held"),
    [(Away("gone"), 2, False), (KeyError("bug"), 2, False), (Wrong("no"), 1, True), (Away("gone"), 99, True)],
    ids=["retryable", "unmarked", "not_retryable", "too_often"],
)
async def test_the_error_decides_whether_a_job_is_tried_again(
    db: Database, error: Exception, tries: int, held: bool
) -> None:
    """The handler fails `tries` times, then is well."""
    seen: list[int] = []
    runs: list[Run] = []

    async def shaky(job: Job) -> None:
        seen.append(job.tries)
        if len(seen) <= tries:
            raise error

    await put(db, "shaky", "a")
    async with working(db, {"shaky": shaky}, policies={"shaky": AT_ONCE}, on_run=runs.append):
        await eventually(lambda: bool(runs) and runs[-1].outcome in (Outcome.DONE, Outcome.HELD), "it ends")
        await eventually(lambda: _is_held(db, int(held)), "it is held, or not")
    async with db.transaction() as tx:
        waiting = await jobs.held_jobs(tx)
    if not held:
        assert seen == [1, 2, 3]
        assert waiting == []
        return
    assert len(seen) == min(tries, AT_ONCE.max_tries)
    assert [(each.kind, each.key, each.tries) for each in waiting] == [("shaky", "a", len(seen))]
    assert waiting[0].reason == f"{type(error).__name__}: {error}"


async def test_a_held_job_does_not_hold_up_the_others_and_runs_again_when_told(db: Database) -> None:
    mended = False
    done: list[str] = []

    async def note(job: Job) -> None:
        if job.key == "poison" and not mended:
            raise Wrong
        done.append(job.key)

    await put(db, "note", "poison")
    for number in range(20):
        await put(db, "note", f"n{number}")
    async with working(db, {"note": note}, concurrency=1):
        await eventually(lambda: len(done) == 20, "all others ran")
        async with db.transaction() as tx:
            sizes = await jobs.queue_sizes(tx)
            assert [(size.kind, size.state, size.count) for size in sizes if size.state == "failed"] == [
                ("note", "failed", 1)
            ]
            mended = True
            assert await jobs.retry_held(tx, [held.id for held in await jobs.held_jobs(tx)]) == 1
        await eventually(lambda: done[-1] == "poison", "the mended job runs")


async def test_two_workers_share_the_jobs_and_run_each_once(db: Database) -> None:
    ran: dict[str, list[str]] = {"one": [], "two": []}

    def handler(who: str) -> Handler:
        async def note(job: Job) -> None:
            ran[who].append(job.key)
            # Until the other has had a turn, so that neither drains the queue alone.
            await eventually(lambda: all(ran.values()), "both had a turn")

        return note

    keys = [f"n{number}" for number in range(100)]
    async with db.transaction() as tx:
        for key in keys:
            await jobs.enqueue(tx, "note", {}, key=key)
    async with (
        working(db, {"note": handler("one")}, concurrency=4),
        working(db, {"note": handler("two")}, concurrency=4),
    ):
        await eventually(lambda: _empty(db), "all are done")
    assert sorted(ran["one"] + ran["two"]) == sorted(keys)


async def test_one_at_a_time_means_one_at_a_time(db: Database) -> None:
    now = most = done = 0

    async def note(job: Job) -> None:
        nonlocal now, most, done
        now += 1
        most = max(most, now)
        for _ in range(20):
            await asyncio.sleep(0)
        now -= 1
        done += 1

    for number in range(10):
        await put(db, "note", f"n{number}")
    async with working(db, {"note": note}, concurrency=1):
        await eventually(lambda: done == 10, "all ran")
    assert most == 1


async def test_the_job_of_a_killed_worker_is_run_by_another(db: Database) -> None:
    async with db.transaction() as tx:
        await tx.execute(text("CREATE TABLE taken_job (key text, who text)"))
    await put(db, "slow", "a")
    dsn = db.url.render_as_string(hide_password=False)
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.hanging_worker", dsn, cwd=ROOT, env={**os.environ, "PYTHONPATH": "."}
    )
    try:
        await eventually(lambda: _taken(db), "the other process took the job", 60)
    finally:
        child.kill()
        await child.wait()
    ran: list[int] = []

    async def slow(job: Job) -> None:
        ran.append(job.tries)

    async with working(db, {"slow": slow}, lease_s=2):
        await eventually(lambda: ran == [1], "the job runs here", 60)
        await eventually(lambda: _empty(db), "and is done")


async def _taken(db: Database) -> bool:
    async with db.transaction() as tx:
        return bool((await tx.execute(text("SELECT count(*) FROM taken_job"))).scalar_one())


async def test_a_job_that_kills_its_workers_is_held(db: Database) -> None:
    async def never(job: Job) -> None:
        raise AssertionError("must not run a fourth time")

    await put(db, "note", "a")
    # What three workers that died while running it leave behind.
    async with db.transaction() as tx:
        await tx.execute(
            text("""INSERT INTO pgqueuer_log (job_id, status, entrypoint, priority)
                    SELECT id, 'picked', entrypoint, priority FROM pgqueuer, generate_series(1, 3)""")
        )
    async with working(db, {"note": never}):
        await eventually(lambda: _is_held(db, 1), "it is held")
    async with db.transaction() as tx:
        [held] = await jobs.held_jobs(tx)
    assert held.reason == "JobKillsWorkers: 3 workers died while running it"


async def test_a_long_job_stays_with_its_living_worker(db: Database) -> None:
    lease_s = 1.0
    ran: list[str] = []
    end = asyncio.Event()

    def handler(who: str) -> Handler:
        async def long(job: Job) -> None:
            ran.append(who)
            await end.wait()

        return long

    async def beats_for_three_leases() -> bool:
        return await count(db, "heartbeat > created + interval '3 seconds'") == 1

    await put(db, "long", "a")
    async with (
        working(db, {"long": handler("one")}, lease_s=lease_s),
        working(db, {"long": handler("two")}, lease_s=lease_s),
    ):
        await eventually(beats_for_three_leases, "the job outlives three leases")
        end.set()
        await eventually(lambda: _empty(db), "it is done")
    assert len(ran) == 1


async def test_stop_waits_for_the_running_job(db: Database) -> None:
    began, end = asyncio.Event(), asyncio.Event()
    runs: list[Run] = []

    async def note(job: Job) -> None:
        began.set()
        await end.wait()

    await put(db, "note", "a")
    async with working(db, {"note": note}, on_run=runs.append) as worker:
        await asyncio.wait_for(began.wait(), 20)
        worker.stop()
        end.set()
    assert [run.outcome for run in runs] == [Outcome.DONE]
    assert await count(db) == 0


@pytest.mark.parametrize("how", ["grace_over", "cancelled"])
async def test_a_job_cut_off_by_the_end_of_its_worker_is_back_in_the_queue(db: Database, how: str) -> None:
    began = asyncio.Event()

    async def forever(job: Job) -> None:
        began.set()
        await asyncio.Event().wait()

    await put(db, "note", "a")
    worker = Worker(db.asyncpg_dsn, {"note": forever}, grace_s=0.05)
    task = asyncio.create_task(worker.run())
    await asyncio.wait_for(began.wait(), 20)
    if how == "cancelled":
        task.cancel()
    else:
        worker.stop()
    await asyncio.wait({task}, timeout=30)
    assert task.done()
    assert await count(db, "status = 'queued'") == 1

    done: list[int] = []

    async def note(job: Job) -> None:
        done.append(job.tries)

    async with working(db, {"note": note}):
        await eventually(lambda: done == [2], "the next worker runs it")


async def test_a_worker_outlives_its_connections(db: Database) -> None:
    ran: list[str] = []

    async def note(job: Job) -> None:
        ran.append(job.key)

    await put(db, "note", "before")
    async with working(db, {"note": note}, lease_s=2):
        await eventually(lambda: ran == ["before"], "it works")
        async with db.transaction() as tx:
            await tx.execute(
                text("""SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                        WHERE datname = current_database() AND pid <> pg_backend_pid()""")
            )
        await put(db, "note", "after")
        await eventually(lambda: "after" in ran, "it works again", 60)


async def test_a_worker_without_tables_says_what_to_do(db: Database) -> None:
    async with db.transaction() as tx:
        await tx.execute(text("DROP TABLE pgqueuer_log"))
    with pytest.raises(jobs.JobsNotInstalled, match="callcenter migrate"):
        await asyncio.wait_for(Worker(db.asyncpg_dsn, {}).run(), 30)


async def test_a_sweep_runs_in_one_worker_until_that_one_ends(db: Database) -> None:
    turns: list[str] = []

    def sweep(who: str) -> Any:
        async def run() -> None:
            turns.append(who)
            if len(turns) == 2:
                raise Away("one bad turn")

        return run

    one, two = (Worker(db.asyncpg_dsn, {}) for _ in range(2))
    one.every(0.05, "deadlines", sweep("one"))
    two.every(0.05, "deadlines", sweep("two"))
    first = asyncio.create_task(one.run())
    await eventually(lambda: bool(turns), "the first sweeps")
    second = asyncio.create_task(two.run())
    try:
        await eventually(lambda: len(turns) >= 10, "it goes on after a bad turn")
        assert set(turns) == {"one"}
        one.stop()
        await asyncio.wait_for(first, 30)
        await eventually(lambda: turns[-1] == "two", "the second takes over")
    finally:
        two.stop()
        await asyncio.wait_for(second, 30)


def test_the_environment_cannot_rename_the_tables() -> None:
    code = "from callcenter import jobs; print(*jobs.DDL, sep='\\n')"
    common = {"cwd": ROOT, "check": True, "capture_output": True, "text": True}
    renaming = {"CHANNEL": "other", "PGQUEUER_PREFIX": "x_", "QUEUE_TABLE": "y", "PGQUEUER_SCHEMA": "z"}
    plain = subprocess.run([sys.executable, "-c", code], env={**os.environ}, **common)  # type: ignore[call-overload]
    changed = subprocess.run([sys.executable, "-c", code], env={**os.environ, **renaming}, **common)  # type: ignore[call-overload]
    assert plain.stdout == changed.stdout
    assert "CREATE TABLE pgqueuer (" in plain.stdout
