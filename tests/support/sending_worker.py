"""A worker process that sends queued messages through the gateway at the URL given: to be killed in the middle."""

import asyncio
import sys

from callcenter.db import Database
from callcenter.jobs import Worker
from callcenter.sms.kannel import KannelSender
from callcenter.sms.service import SUBMIT_JOB
from tests.support.sms import Desk


async def main(dsn: str, url: str) -> None:
    """Until killed."""
    db = Database(dsn)
    desk = Desk(db, sender=KannelSender(url, "callcenter", "pa55word", "http://127.0.0.1:9/kannel/dlr?token=x"))
    await Worker(db.asyncpg_dsn, {SUBMIT_JOB: desk.submitter}, lease_s=2).run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
