"""Fixtures every test may use: a fresh database copied from one migrated template."""

import asyncio
import gc
import itertools
import os
from collections.abc import AsyncIterator

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.db import Database
from callcenter.migrations import upgrade
from tests.support.stack import PostgresForTests, postgres_for_tests

TEMPLATE = "callcenter_template"
_names = itertools.count(1)


@pytest.fixture(scope="session")
async def postgres() -> AsyncIterator[PostgresForTests]:
    """One private PostgreSQL for the session, with a migrated template database in it."""
    async with postgres_for_tests() as server:
        await _admin(server, f"CREATE DATABASE {TEMPLATE}")
        template = Database(server.dsn(TEMPLATE))
        await upgrade(template)
        await template.close()
        yield server


class Stock:
    """Copies of the template: the next test's is made while this test runs, and a used one goes while the next runs."""

    def __init__(self, server: PostgresForTests) -> None:
        self._server = server
        self._next: asyncio.Task[str] | None = None
        self._going: set[asyncio.Task[None]] = set()

    async def take(self) -> str:
        """A database nobody has used."""
        name = await (self._next or self._begin())
        self._next = self._begin()
        return name

    def give_back(self, name: str) -> None:
        going = asyncio.ensure_future(_admin(self._server, f"DROP DATABASE {name} WITH (FORCE)"))
        self._going.add(going)
        going.add_done_callback(self._going.discard)

    async def close(self) -> None:
        """Wait for what is under way; errors of it are errors of the run."""
        if self._next is not None:
            await self._next
        await asyncio.gather(*self._going)

    def _begin(self) -> "asyncio.Task[str]":
        return asyncio.ensure_future(self._copy(f"test_{os.getpid()}_{next(_names)}"))

    async def _copy(self, name: str) -> str:
        await _admin(self._server, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
        return name


@pytest.fixture(scope="session")
async def stock(postgres: PostgresForTests) -> AsyncIterator[Stock]:
    kept = Stock(postgres)
    yield kept
    await kept.close()


@pytest.fixture
async def db(postgres: PostgresForTests, stock: Stock) -> AsyncIterator[Database]:
    """A database of this test's own, at the newest revision."""
    name = await stock.take()
    database = Database(postgres.dsn(name))
    yield database
    await database.close()
    stock.give_back(name)


@pytest.fixture
async def tx(db: Database) -> AsyncIterator[AsyncConnection]:
    """One transaction on this test's database, rolled back at the end."""
    async with db.engine.connect() as connection:
        transaction = await connection.begin()
        yield connection
        if transaction.is_active:
            await transaction.rollback()


async def _admin(server: PostgresForTests, statement: str) -> None:
    connection = await asyncpg.connect(server.admin_dsn, timeout=60)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def pytest_collection_finish() -> None:
    """Eight thousand collected tests live to the end; looking through them at each full collection takes minutes."""
    gc.collect()
    gc.freeze()
