"""Intake in worker processes that are killed anywhere: afterwards every recording is in both stores, whole."""

from pathlib import Path

import pytest

from callcenter import jobs
from callcenter.db import Database
from tests.support.intake_run import Centre, announce, made, unproved
from tests.support.intake_worker import Child, prepare

COUNT, KILLS = 40, 8


@pytest.mark.parametrize("codec", ["flac"])
async def test_workers_killed_anywhere_lose_nothing(db: Database, tmp_path: Path, codec: str) -> None:
    prepare(tmp_path)
    child = Child(dsn=db.asyncpg_dsn, folder=str(tmp_path), codec=codec, die=0.01)
    ground = child.ground()
    files = list(made(ground.spool, COUNT, scale=0.2))
    await announce(db, ground.spool, files)
    centre = Centre(db, child)
    await centre.work(COUNT, KILLS)
    # A quick machine may be through with the rest before its next death; what counts is that nothing is lost.
    assert 1 <= centre.kills <= KILLS
    assert await unproved(db, ground, files) == []
    async with db.transaction() as tx:
        assert await jobs.held_jobs(tx) == []
    assert list(ground.spool.iterdir()) == []
