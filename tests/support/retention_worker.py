"""One worker process of retention: the product's own sweep and deletions, and ways to be killed.

`python -m tests.support.retention_worker '<Expirer as JSON>'`. It sweeps all the time instead of every hour.
"""

import asyncio
import sys

from callcenter.custody.retention_work import DELETE_JOB, RetentionWork
from callcenter.db import Database
from callcenter.jobs import Worker
from recordings.retention.second_clock import SntpClock
from tests.support.intake_worker import AT_ONCE, Child


class Expirer(Child):
    """port: of the time server on the loopback."""

    port: int


async def serve(told: Expirer) -> None:
    """Works until killed."""
    db = Database(told.dsn)
    work = RetentionWork(db, told.ground(), SntpClock("127.0.0.1", told.port, pause_s=0.0))
    policies = {DELETE_JOB: AT_ONCE}
    worker = Worker(db.asyncpg_dsn, work.handlers(), concurrency=8, lease_s=told.lease_s, policies=policies)
    worker.every(0.5, "recordings.expire", work.sweep)
    await worker.run()


if __name__ == "__main__":
    asyncio.run(serve(Expirer.model_validate_json(sys.argv[1])))
