"""One worker process of the intake: the product's own handlers, on a folder of its own, and ways to be killed.

`python -m tests.support.intake_worker '<Child as JSON>'`. Imports little: it is started again after each kill.
"""

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

from pydantic import BaseModel

from callcenter.custody.intake_work import IntakeWork
from callcenter.db import Database
from callcenter.job import RetryPolicy
from callcenter.jobs import Worker
from recordings.custody import intake
from recordings.custody.custody import Codec
from recordings.custody.ground import Ground
from recordings.custody.keys import FileKeys, new_key, write_key_file
from recordings.custody.objects import ObjectStore

AT_ONCE = RetryPolicy(max_tries=1_000_000, first_s=0.05, longest_s=1.0)


class Child(BaseModel):
    """What a worker process is told. die: chance to be killed at each step that leaves something behind."""

    dsn: str
    folder: str
    codec: str = "flac"
    copy_too: bool = True
    concurrency: int = 4
    lease_s: float = 0.8
    die: float = 0.0
    seed: int = 0

    def ground(self) -> Ground:
        """Spool, stores and keys of the folder."""
        folder = Path(self.folder)
        chance = random.Random(self.seed)
        store, copy = (_Dying((folder / name).as_uri(), self.die, chance) for name in ("store", "store-copy"))
        keys = FileKeys.load(folder / "keys")
        return Ground(folder / "spool", store, copy if self.copy_too else None, keys, Codec(self.codec))


def prepare(folder: Path) -> None:
    """The folders and the master key."""
    (folder / "spool").mkdir(parents=True, exist_ok=True)
    if not (folder / "keys").exists():
        write_key_file(folder / "keys", (new_key("run-1"),))


class _Dying(ObjectStore):
    """A store whose process may be killed right before and right after it writes and reads."""

    def __init__(self, url: str, die: float, chance: random.Random) -> None:
        super().__init__(url)
        self._die, self._chance = die, chance

    def _step(self) -> None:
        if self._chance.random() < self._die:
            os.kill(os.getpid(), signal.SIGKILL)

    async def put_new(self, path: str, data: bytes) -> None:
        self._step()
        await super().put_new(path, data)
        self._step()

    async def read(self, path: str) -> bytes:
        data = await super().read(path)
        self._step()
        return data


async def serve(child: Child) -> None:
    """Works until killed."""
    db = Database(child.dsn)
    ground = child.ground()
    if child.die:
        _die_around_removals(random.Random(child.seed + 1), child.die)
    own = IntakeWork(db, ground).handlers()
    policies = dict.fromkeys(own, AT_ONCE)
    await Worker(db.asyncpg_dsn, own, concurrency=child.concurrency, lease_s=child.lease_s, policies=policies).run()


def _die_around_removals(chance: random.Random, die: float) -> None:
    flush = intake.flush_folder

    def dying(folder: Path) -> None:
        # Called after the file has left the spool, before anybody has written that down.
        if chance.random() < die:
            os.kill(os.getpid(), signal.SIGKILL)
        flush(folder)

    intake.flush_folder = dying


if __name__ == "__main__":
    asyncio.run(serve(Child.model_validate_json(sys.argv[1])))
