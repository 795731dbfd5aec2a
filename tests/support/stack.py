"""Private services for tests: a whole stack, or PostgreSQL alone, in a run folder of this test process's own."""

import atexit
import itertools
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from callcenter.stack import postgres
from callcenter.stack.stack import Options, Stack

ROOT = Path(__file__).resolve().parents[2]
OURS = ROOT / ".run" / f"test-{os.getpid()}"
_numbers = itertools.count(1)


@atexit.register
def _tidy() -> None:
    """Every stack removes its own folder; what is not empty is kept to be looked at."""
    with suppress(OSError):
        OURS.rmdir()


def new_folder(name: str = "stack") -> Path:
    """A run folder nobody else uses: `.run/test-<pid>/<name>-<n>`."""
    return OURS / f"{name}-{next(_numbers)}"


# A database per test is made and dropped some eight hundred times; this server is killed in no test and outlives none.
# Tests of durability bring a server of their own, with the settings a hotline runs with.
FORGETFUL = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
}


MEMORY, IN_MEMORY = Path("/dev/shm"), "callcenter-test-"
ROOM_BYTES = 3 * 2**30
"""Enough for every worker's databases; the log of one grows to max_wal_size."""


@dataclass(frozen=True, slots=True)
class PostgresForTests:
    """A private PostgreSQL; every address is of the role that owns it."""

    _server: postgres.Postgres

    def dsn(self, database: str) -> str:
        """`postgresql://...` of a database by name, as CALLCENTER_DATABASE_URL has it."""
        return self._server.url(database, postgres.OWNER)

    @property
    def admin_dsn(self) -> str:
        """Of the maintenance database, to create and drop others from."""
        return self.dsn("postgres")


@asynccontextmanager
async def postgres_for_tests() -> AsyncIterator[PostgresForTests]:
    """PostgreSQL alone, without the tables; stopped and removed at the end."""
    stack = Stack(new_folder("postgres"))
    stack.open()
    stack.postgres.settings |= FORGETFUL
    with _in_memory() as folder:
        if folder is not None:
            stack.postgres.data = folder / "postgres"
        try:
            await stack.postgres.boot()
            yield PostgresForTests(stack.postgres)
        finally:
            await stack.remove()


@contextmanager
def _in_memory() -> Iterator[Path | None]:
    """A folder in memory, where a database is copied ten times as fast as on a disk; None where there is no room."""
    if not MEMORY.is_dir() or shutil.disk_usage(MEMORY).free < ROOM_BYTES:
        yield None
        return
    for left in MEMORY.glob(f"{IN_MEMORY}*"):
        # Of a run that was killed.
        if not Path("/proc", left.name.removeprefix(IN_MEMORY).partition("-")[0]).exists():
            shutil.rmtree(left, ignore_errors=True)
    folder = MEMORY / f"{IN_MEMORY}{os.getpid()}-{next(_numbers)}"
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def stack_for_tests(options: Options | None = None) -> AsyncIterator[Stack]:
    """A whole stack; stopped and removed at the end."""
    stack = Stack(new_folder(), options)
    await stack.start()
    try:
        yield stack
    finally:
        await stack.remove()
