"""The server, its disk, the receiver: lost while people work. What was acknowledged is in the backup."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial

import pytest
from sqlalchemy import text

from callcenter.backup.drill import RPO, last_drill
from callcenter.backup.programs import SLOT
from callcenter.backup.receiver import received, seal_the_rest
from callcenter.backup.restored import restored
from callcenter.db import Database, DatabaseAway
from callcenter.stack.process import Process
from tests.support.backups import Hotline, hotline_with_backups

ENOUGH = 150
TABLE = "CREATE TABLE acknowledged (n bigint PRIMARY KEY); GRANT ALL ON acknowledged TO callcenter_app"
SYNCHRONOUS = f"ALTER SYSTEM SET synchronous_standby_names = '{SLOT}'"


@pytest.fixture
async def hotline() -> AsyncIterator[Hotline]:
    async with hotline_with_backups("killed") as one:
        await one.as_owner(*TABLE.split("; "))
        await one.note("recording:1")
        await one.base()
        yield one


async def _receiver(one: Hotline) -> Process:
    """`callcenter backup wal`, as the operator runs it; PostgreSQL sends it the log."""
    argv = [sys.executable, "-m", "callcenter", "backup", "wal", "--tick", "0.1"]
    receiver = await one.stack.spawn("backup-wal", argv)
    await receiver.wait_ready(one.is_received)
    return receiver


class Writer:
    """One after the other, each in a transaction of its own, until the server is gone."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.acknowledged = 0

    async def run(self) -> None:
        while True:
            try:
                async with self._db.transaction() as tx:
                    await tx.execute(text("INSERT INTO acknowledged VALUES (:n)"), {"n": self.acknowledged + 1})
            except DatabaseAway:
                return
            self.acknowledged += 1

    async def until(self, count: int) -> None:
        async with asyncio.timeout(60):
            while self.acknowledged < count:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def _writing(one: Hotline) -> AsyncIterator[Writer]:
    writer = Writer(one.db)
    task = asyncio.create_task(writer.run())
    yield writer
    await task


async def _restored_rows(one: Hotline) -> int:
    """How many rows a restore brings back, without a hole between them."""
    seal_the_rest(one.settings.incoming_folder, one.folder, one.sealing)
    into = one.stack.folder.path / "restored"
    async with restored(one.folder, one.folder.newest(), one.sealing, into, flush=False) as cluster:
        database = Database(cluster.url("callcenter_app", "callcenter"), pool_size=1)
        async with database.transaction() as tx:
            count, newest = (await tx.execute(text("SELECT count(*), max(n) FROM acknowledged"))).one()
        await database.close()
    assert count == (newest or 0)
    return int(count)


async def test_server_disk_and_receiver_lost_at_once_lose_no_acknowledged_commit(hotline: Hotline) -> None:
    """synchronous_standby_names names the receiver: a commit is acknowledged when it lies flushed with it."""
    receiver = await _receiver(hotline)
    await hotline.as_owner(SYNCHRONOUS, "SELECT pg_reload_conf()")
    await receiver.wait_ready(partial(hotline.is_received, synchronous=True))
    async with _writing(hotline) as writer:
        await writer.until(ENOUGH)
        await receiver.kill9()
        await hotline.destroy()
    # One more may have been written and not acknowledged.
    assert await _restored_rows(hotline) in (writer.acknowledged, writer.acknowledged + 1)


async def test_a_live_database_that_is_gone_is_restored_within_the_promise(hotline: Hotline) -> None:
    """No synchronous commit; the receiver itself is killed once on the way and begins again."""
    receiver = await _receiver(hotline)
    async with _writing(hotline) as writer:
        await writer.until(ENOUGH)
        await receiver.kill9()
        await writer.until(2 * ENOUGH)
        again = await _receiver(hotline)
        await hotline.note("recording:2")
        await _complete(hotline)
        at_least = writer.acknowledged
        await writer.until(3 * ENOUGH)
        await hotline.destroy()
    await again.stop()
    report = await hotline.drill(sample=0)
    assert report.findings == []
    assert not report.live_answers
    assert report.rpo_s is not None
    assert report.rpo_s <= RPO.total_seconds()
    assert last_drill(hotline.folder) == report, "kept beside the backups, since there is no database to keep it"
    rows = await _restored_rows(hotline)
    assert at_least <= rows <= writer.acknowledged + 1


async def _complete(one: Hotline) -> None:
    """Until the receiver says that it has everything up to now."""
    async with asyncio.timeout(60):
        began = datetime.now(UTC)
        while not ((told := received(one.folder)) and told.complete_until and told.complete_until > began):
            await asyncio.sleep(0.05)
