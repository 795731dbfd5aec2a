"""The migrations lead exactly to the tables the code declares, and running them again changes nothing."""

from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import schema
from callcenter.db import Database
from callcenter.migrations import upgrade


def together() -> MetaData:
    """Every declared table in one MetaData, as the database has them."""
    whole = MetaData()
    for metadata in schema.METADATA:
        for table in metadata.sorted_tables:
            table.to_metadata(whole)
    return whole


def differences(connection: Connection) -> list[Any]:
    options = {"include_name": lambda name, kind, _: schema.is_ours(name, kind), "compare_server_default": True}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), together()))


async def test_migrated_database_is_what_the_code_declares(tx: AsyncConnection) -> None:
    assert await tx.run_sync(differences) == []


async def test_checks_and_triggers_are_there(tx: AsyncConnection) -> None:
    """What autogenerate does not compare: constraints by name, triggers of the append-only tables."""
    declared = {c.name for m in schema.METADATA for t in m.sorted_tables for c in t.constraints if c.name}
    found = set((await tx.execute(text("SELECT conname FROM pg_constraint"))).scalars())
    assert {str(name) for name in declared} - found == set()
    triggers = set((await tx.execute(text("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"))).scalars())
    assert {"audit_append_only", "audit_no_truncate", "call_event_append_only", "agent_event_append_only"} <= triggers


async def test_upgrading_again_changes_nothing(db: Database) -> None:
    await upgrade(db)
    async with db.transaction() as tx:
        assert await tx.run_sync(differences) == []


async def test_append_only_tables_refuse_their_owner(tx: AsyncConnection) -> None:
    await tx.execute(text("INSERT INTO audit (actor, action, subject, ok) VALUES ('user:a', 'x.y', 'z:1', true)"))
    for statement in ("UPDATE audit SET ok = false", "DELETE FROM audit", "TRUNCATE audit CASCADE"):
        with pytest.raises(DBAPIError, match="append-only"):
            async with tx.begin_nested():
                await tx.execute(text(statement))
