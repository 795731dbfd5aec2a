"""Fixtures every test may use: a fresh database copied from one migrated template."""

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


@pytest.fixture
async def db(postgres: PostgresForTests) -> AsyncIterator[Database]:
    """A database of this test's own, at the newest revision."""
    name = f"test_{os.getpid()}_{next(_names)}"
    await _admin(postgres, f"CREATE DATABASE {name} TEMPLATE {TEMPLATE}")
    database = Database(postgres.dsn(name))
    yield database
    await database.close()
    await _admin(postgres, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
async def tx(db: Database) -> AsyncIterator[AsyncConnection]:
    """One transaction on this test's database, rolled back at the end."""
    async with db.engine.connect() as connection:
        transaction = await connection.begin()
        yield connection
        if transaction.is_active:
            await transaction.rollback()


async def _admin(server: PostgresForTests, statement: str) -> None:
    connection = await asyncpg.connect(server.admin_dsn, timeout=10)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
