"""A worker process that takes jobs of kind `slow`, notes each in `taken_job` and never ends it: to be killed."""

import asyncio
import sys

from sqlalchemy import text

from callcenter.db import Database
from callcenter.jobs import Job, Worker


async def main(dsn: str) -> None:
    """Until killed."""
    database = Database(dsn)

    async def hang(job: Job) -> None:
        async with database.transaction() as tx:
            await tx.execute(text("INSERT INTO taken_job (key, who) VALUES (:key, 'killed')"), {"key": job.key})
        await asyncio.Event().wait()

    await Worker(database.asyncpg_dsn, {"slow": hang}, lease_s=2).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
