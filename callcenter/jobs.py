"""Durable jobs: enqueued in the caller's transaction, run by workers, held for a person when they fail for good.

EDGE, and the only door to pgqueuer (1.6). What is promised:

- `enqueue` writes a row in the caller's transaction: rolled back with it, visible to workers when it commits.
- A key names one effect. While a job with that key waits, runs or is held, enqueueing it again does nothing.
- A job runs at least once; handlers are idempotent or, like an SMS submit, keep their own at-most-once record.
- A worker that dies loses its lease after `lease_s` without a heartbeat and another worker takes the job.
- Whether a failed job is tried again is decided here and nowhere else, by the error's `retryable`.
"""

import asyncio
import functools
import json
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import asyncpg
from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver
from pgqueuer.adapters.persistence import qb, queries, schema_ddl
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain import models
from pgqueuer.domain.errors import FailingListenerError, RetryRequested
from pgqueuer.domain.schema.declaration import target
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.domain.types import Channel
from pydantic import BaseModel, JsonValue
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.job import (
    Handler,
    HeldJob,
    Job,
    JobKillsWorkers,
    JobsNotInstalled,
    Outcome,
    QueueSize,
    RetryPolicy,
    Run,
)
from callcenter.sweeps import Sweep, Sweeps

__all__ = [
    "DDL",
    "TABLE_NAMES",
    "Handler",
    "HeldJob",
    "Job",
    "JobKillsWorkers",
    "JobsNotInstalled",
    "Outcome",
    "QueueSize",
    "RetryPolicy",
    "Run",
    "Worker",
    "enqueue",
    "held_jobs",
    "queue_sizes",
    "retry_held",
]

_log = logging.getLogger(__name__)

# Every name is spelled out: DBSettings would otherwise take them from environment variables, some of
# them as common as CHANNEL or FUNCTION, and this process would look for its jobs in another table.
_NAMES = DBSettings(
    prefix="",
    db_schema=None,
    channel=Channel("ch_pgqueuer"),
    function="fn_pgqueuer_changed",
    statistics_table="pgqueuer_statistics",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    trigger="tg_pgqueuer_changed",
    schedules_table="pgqueuer_schedules",
    durability=Durability.durable,
)

TABLE_NAMES: frozenset[str] = frozenset({"pgqueuer", "pgqueuer_log", "pgqueuer_statistics", "pgqueuer_schedules"})
"""Tables of pgqueuer, not of our metadata: `include_name` of the migrations leaves them alone."""


def _ddl() -> tuple[str, ...]:
    schema = target(_NAMES)
    return (
        *(schema_ddl.render_enum(each, _NAMES) for each in schema.enums),
        *(schema_ddl.render_table(each, _NAMES) for each in schema.tables),
        *(schema_ddl.render_index(each, _NAMES) for each in schema.indexes),
        *(schema_ddl.render_function(each, _NAMES) for each in schema.functions),
        *(schema_ddl.render_trigger(each, _NAMES) for each in schema.triggers),
        # pgqueuer's own index forgets the key of a held job; the same effect could then be queued
        # beside it, and giving the held one back to the queue would fail.
        "CREATE UNIQUE INDEX pgqueuer_key_once ON pgqueuer (dedupe_key) WHERE dedupe_key IS NOT NULL",
    )


DDL: tuple[str, ...] = _ddl()
"""One statement each, in order; run them with `exec_driver_sql`. Shaped by the pgqueuer that is installed."""

POLL_S = 2.0
"""So often an idle worker looks for itself; it is told of new jobs only, not of retries and of lost leases."""
RECONNECT_S = 1.0
MAX_DEATHS = 3
"""So often may a job take its worker down with it before it is held."""
LOG_DAYS = 30

# ON CONFLICT without a target: both unique indexes count, whichever a concurrent insert meets first.
_ENQUEUE = text("""
    WITH added AS (
        INSERT INTO pgqueuer (priority, entrypoint, payload, execute_after, dedupe_key, headers, status)
        VALUES (0, :kind, :body, coalesce(CAST(:run_at AS timestamptz), now()), CAST(:key AS text),
                jsonb_build_object('key', CAST(:key AS text)), 'queued')
        ON CONFLICT DO NOTHING
        RETURNING id, entrypoint, priority)
    INSERT INTO pgqueuer_log (job_id, status, entrypoint, priority)
    SELECT id, 'queued', entrypoint, priority FROM added
    RETURNING job_id""")

_HELD = text("""
    SELECT id, entrypoint, dedupe_key, attempts + 1 AS tries, updated,
           coalesce((SELECT traceback->>'exception_type' || ': ' || (traceback->>'exception_message')
                     FROM pgqueuer_log WHERE job_id = pgqueuer.id AND status = 'failed'
                     ORDER BY id DESC LIMIT 1), '') AS reason
    FROM pgqueuer WHERE status = 'failed' ORDER BY id LIMIT :most""")

_GIVE_BACK = text("""
    WITH back AS (
        UPDATE pgqueuer
        SET status = 'queued', execute_after = now(), updated = now(), attempts = 0, queue_manager_id = NULL
        WHERE id = ANY(:ids) AND status = 'failed' RETURNING id, entrypoint, priority)
    INSERT INTO pgqueuer_log (job_id, status, entrypoint, priority)
    SELECT id, 'queued', entrypoint, priority FROM back RETURNING job_id""")

_SIZES = text("""
    SELECT entrypoint, status::text AS state, count(*) AS jobs,
           extract(epoch FROM now() - min(execute_after))::float8 AS late_s
    FROM pgqueuer GROUP BY entrypoint, status ORDER BY entrypoint, status""")

# Picks since the row was last put into the queue; all but the present one ended without a word.
_PICKS = """
    SELECT count(*) FROM pgqueuer_log WHERE job_id = $1 AND status = 'picked' AND id > coalesce(
        (SELECT max(id) FROM pgqueuer_log WHERE job_id = $1 AND status = 'queued'), 0)"""

_TRIM_LOG = """
    DELETE FROM pgqueuer_log old WHERE created < now() - make_interval(days => $1)
    AND NOT EXISTS (SELECT FROM pgqueuer WHERE pgqueuer.id = old.job_id)"""


async def enqueue(
    tx: AsyncConnection,
    kind: str,
    payload: Mapping[str, JsonValue] | BaseModel,
    *,
    key: str,
    run_at: datetime | None = None,
) -> bool:
    """Write a job in the caller's transaction; False when one with `key` waits, runs or is held already.

    run_at: aware; not before then (default: when the transaction commits). `key` names the effect, for example
    `sms.submit:17`, and is free again once the job is done. Waits for another transaction that is just
    enqueueing the same key.
    """
    if run_at is not None and run_at.tzinfo is None:
        raise ValueError("run_at needs a time zone")
    body = payload.model_dump_json() if isinstance(payload, BaseModel) else json.dumps(payload)
    row = await tx.execute(_ENQUEUE, {"kind": kind, "body": body.encode(), "key": key, "run_at": run_at})
    return row.first() is not None


async def held_jobs(tx: AsyncConnection, most: int = 100) -> list[HeldJob]:
    """Jobs that wait for a person, oldest first."""
    rows = await tx.execute(_HELD, {"most": most})
    return [HeldJob(*row) for row in rows.all()]


async def retry_held(tx: AsyncConnection, ids: Sequence[int]) -> int:
    """Give held jobs back to the queue with all their tries; how many there were."""
    return len((await tx.execute(_GIVE_BACK, {"ids": list(ids)})).all())


async def queue_sizes(tx: AsyncConnection) -> list[QueueSize]:
    """How much lies in the queue, for metrics and the console."""
    return [QueueSize(*row) for row in (await tx.execute(_SIZES)).all()]


class _Manager(QueueManager):
    """QueueManager that may run with any number of jobs at a time; its `run` refuses fewer than two batches."""

    at_a_time: int = 1

    async def fetch_jobs(
        self, batch_size: int, global_concurrency_limit: int | None, heartbeat_timeout: timedelta
    ) -> AsyncGenerator[models.Job, None]:
        async for job in super().fetch_jobs(batch_size, self.at_a_time, heartbeat_timeout):
            yield job


class Worker:
    """Runs jobs of the kinds it has handlers for, and the sweeps, until `stop`.

    dsn: `postgresql://...`, a direct connection (LISTEN and advisory locks do not pass a transaction pooler).
    concurrency: jobs at a time in this process. lease_s: a job whose worker has not been heard of for so long
    is run by another; beats go out at half of it, so only a blocked event loop can lose a live job.
    grace_s: `stop` waits so long for running jobs, then cancels them and puts them back.
    on_run: told of every run, for metrics; must not raise.

    A handler's error decides by its attribute `retryable`: False holds the job at once, True or no such
    attribute tries again by the policy of its kind, and holds it after the last try.
    """

    def __init__(
        self,
        dsn: str,
        handlers: Mapping[str, Handler],
        *,
        concurrency: int = 8,
        policies: Mapping[str, RetryPolicy] | None = None,
        lease_s: float = 30.0,
        grace_s: float = 20.0,
        on_run: Callable[[Run], None] = lambda run: None,
    ) -> None:
        self._dsn = dsn.replace("postgresql+asyncpg://", "postgresql://", 1)
        self._handlers = dict(handlers)
        self._concurrency = concurrency
        self._policies = dict(policies or {})
        self._lease = timedelta(seconds=lease_s)
        self._grace_s = grace_s
        self._on_run = on_run
        self._running: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._sweeps = Sweeps(self._dsn, self._swept)

    def every(self, seconds: float, name: str, run: Callable[[], Awaitable[None]]) -> None:
        """Call `run` every so many seconds, in one worker of all. See callcenter.sweeps."""
        self._sweeps.add(Sweep(seconds, name, run))

    def handle(self, handlers: Mapping[str, Handler], policies: Mapping[str, RetryPolicy] | None = None) -> None:
        """More kinds of jobs, before `run`: a part of the product brings its own, with how they are tried again."""
        self._handlers.update(handlers)
        self._policies.update(policies or {})

    def stop(self) -> None:
        """Take no new job; `run` returns when the running ones are done, or put back after `grace_s`."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until `stop`. A lost database is waited for. Raises JobsNotInstalled."""
        sweeping = asyncio.create_task(self._sweeps.run(self._stopping))
        try:
            while not self._stopping.is_set():
                try:
                    await self._serve()
                except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, FailingListenerError) as error:
                    _log.warning("job worker lost the database", extra={"error": repr(error)})
                    await self._pause(RECONNECT_S)
        finally:
            sweeping.cancel()
            await asyncio.gather(sweeping, return_exceptions=True)

    async def _serve(self) -> None:
        # One connection listens, the rest carry picks, beats and results.
        pool = await asyncpg.create_pool(self._dsn, min_size=1, max_size=4, command_timeout=30, timeout=10)
        try:
            manager = self._manager(pool)
            serving = asyncio.create_task(self._run_manager(manager, pool))
            stop = asyncio.create_task(self._stopping.wait())
            try:
                await asyncio.wait({serving, stop}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                stop.cancel()
                await self._wind_down(manager, serving)
            await serving
        finally:
            await _close(pool)

    def _manager(self, pool: "asyncpg.Pool[asyncpg.Record]") -> _Manager:
        store = queries.Queries(
            AsyncpgPoolDriver(pool),
            qbe=qb.QueryBuilderEnvironment(_NAMES),
            qbq=qb.QueryQueueBuilder(_NAMES),
            qbs=qb.QuerySchedulerBuilder(_NAMES),
        )
        manager = _Manager(store, channel=_NAMES.channel)
        manager.at_a_time = self._concurrency
        # A full worker with a backlog asks again so often; the end of a job wakes it anyway.
        manager.min_dequeue_poll_interval = timedelta(seconds=0.25)
        for kind in self._handlers:
            run = functools.partial(self._execute, pool)
            manager.entrypoint(kind, on_failure="hold", accepts_context=False)(run)
        return manager

    async def _run_manager(self, manager: _Manager, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
        try:
            await manager.verify_structure()
        except RuntimeError as error:
            raise JobsNotInstalled(f"{error}; run `callcenter migrate`") from error
        await pool.execute(_TRIM_LOG, LOG_DAYS)
        await manager.run(
            dequeue_timeout=timedelta(seconds=min(POLL_S, self._lease.total_seconds() / 2)),
            batch_size=max(1, self._concurrency // 2),
            shutdown_on_listener_failure=True,
            heartbeat_timeout=self._lease,
            log_aggregation_interval=timedelta(0),
        )

    async def _wind_down(self, manager: _Manager, serving: asyncio.Task[None]) -> None:
        manager.shutdown.set()
        await asyncio.wait({serving}, timeout=self._grace_s if self._stopping.is_set() else 0)
        # Not `serving`: cancelling pgqueuer's own tasks would write the jobs off as canceled and delete them.
        for task in list(self._running):
            task.cancel()
        await asyncio.wait({serving})

    async def _execute(self, pool: "asyncpg.Pool[asyncpg.Record]", row: models.Job) -> None:
        job = _job_of(row)
        began = time.monotonic()
        try:
            picks = await pool.fetchval(_PICKS, job.id)
            if picks > MAX_DEATHS:
                raise JobKillsWorkers(f"{picks - 1} workers died while running it")
            await self._call(job)
        except asyncio.CancelledError:
            self._tell(job.kind, Outcome.RELEASED, began)
            raise RetryRequested(reason="the worker stopped") from None
        except Exception as error:
            pause_s = self._pause_after(job, error)
            self._tell(job.kind, Outcome.HELD if pause_s is None else Outcome.RETRIED, began)
            if pause_s is None:
                raise
            raise RetryRequested(timedelta(seconds=pause_s), f"{type(error).__name__}: {error}") from error
        self._tell(job.kind, Outcome.DONE, began)

    async def _call(self, job: Job) -> None:
        """The handler in a task of its own, which `stop` can cancel without touching pgqueuer's."""
        task = asyncio.ensure_future(self._handlers[job.kind](job))
        self._running.add(task)
        try:
            await task
        finally:
            self._running.discard(task)

    def _pause_after(self, job: Job, error: Exception) -> float | None:
        """Seconds until the next try, or None: a person has to look. The one place that decides."""
        policy = self._policies.get(job.kind, RetryPolicy())
        if not getattr(error, "retryable", True) or job.tries >= policy.max_tries:
            return None
        return policy.pause_s(job.tries)

    def _tell(self, kind: str, outcome: Outcome, began: float) -> None:
        self._on_run(Run(kind, outcome, time.monotonic() - began))

    def _swept(self, name: str, took_s: float, well: bool) -> None:
        self._on_run(Run(name, Outcome.SWEPT if well else Outcome.SWEEP_FAILED, took_s))

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), timeout=max(0.0, seconds))


def _job_of(row: models.Job) -> Job:
    key = (row.headers or {}).get("key")
    return Job(int(row.id), str(row.entrypoint), str(key or ""), row.payload or b"{}", row.attempts + 1)


async def _close(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    try:
        await asyncio.wait_for(pool.close(), timeout=5)
    except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        pool.terminate()
