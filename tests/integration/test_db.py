"""The door to PostgreSQL: connections that the server closed, and one ear for every listener of a process."""

import asyncio
from contextlib import suppress

from sqlalchemy import text

from callcenter.commands import Kind, Result, State, ask, finish, take, wait
from callcenter.db import Database, DatabaseAway, listen, notify
from callcenter.types import system
from tests.support.eventually import eventually

OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
SOON_S = 10.0


async def close_others(db: Database) -> None:
    """The server ends every other connection to this database, as a restart would."""
    async with db.transaction() as tx:
        ended = list((await tx.execute(text(f"SELECT pid, pg_terminate_backend(pid) {OTHERS}"))).scalars())

    async def gone() -> bool:
        # The news that a connection was closed may be on its way still.
        with suppress(DatabaseAway):
            async with db.transaction() as tx:
                left = text(f"SELECT count(*) {OTHERS} AND pid = ANY(:ended)")
                return not (await tx.execute(left, {"ended": ended})).scalar_one()
        return False

    await eventually(gone, "the other connections have ended")


async def heard(told: "asyncio.Queue[str | None]") -> str | None:
    async with asyncio.timeout(SOON_S):
        return await told.get()


async def test_connections_the_server_closed_are_not_used(db: Database) -> None:
    await asyncio.gather(*(db.ping() for _ in range(5)))
    await close_others(db)
    await asyncio.gather(*(db.ping() for _ in range(5)))


async def test_listeners_share_one_connection_and_each_hears_its_channel(db: Database) -> None:
    async with listen(db, "one") as first, listen(db, "one") as second, listen(db, "two") as other:
        async with db.transaction() as tx:
            listening = f"SELECT count(*) {OTHERS} AND query LIKE 'LISTEN%'"
            assert (await tx.execute(text(listening))).scalar_one() == 1
            await notify(tx, "one", "a")
            await notify(tx, "two", "b")
        assert [await heard(told) for told in (first, second, other)] == ["a", "a", "b"]


async def test_a_lost_connection_is_told_and_the_next_listener_hears_again(db: Database) -> None:
    async with listen(db, "one") as told:
        await close_others(db)
        assert await heard(told) is None
    async with listen(db, "one") as told:
        async with db.transaction() as tx:
            await notify(tx, "one", "again")
        assert await heard(told) == "again"


async def test_whoever_waits_for_a_command_hears_its_end_after_the_connection_was_lost(db: Database) -> None:
    async with db.transaction() as tx:
        command = await ask(tx, Kind.MERGE, key="k", node="a", actor=system("test"))
    waiting = asyncio.create_task(wait(db, command, within_s=SOON_S))

    async def listens() -> bool:
        async with db.transaction() as tx:
            query = f"SELECT count(*) {OTHERS} AND query LIKE 'LISTEN%'"
            return bool((await tx.execute(text(query))).scalar_one())

    await eventually(listens, "the asker listens")
    await close_others(db)
    async with db.transaction() as tx:
        await take(tx, "a")
        await finish(tx, command, Result(State.DONE))
    assert (await waiting).state == State.DONE
