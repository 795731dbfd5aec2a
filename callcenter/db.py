"""The one door to PostgreSQL: engine, transaction, notifications.

Services take the connection and never commit; `Database.transaction()` does, at the edge of an event, a job or
a request. SQLAlchemy Core over asyncpg; a database that went away is told as `DatabaseAway`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

AWAY: tuple[type[BaseException], ...] = (
    ConnectionError,
    OSError,
    InterfaceError,
    OperationalError,
    # No connection of the pool came free in time.
    PoolTimeout,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.InterfaceError,
)
"""What a lost, starting or full server looks like from here; a whole transaction may be tried again."""


BROKEN_OFF = (ConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What asyncpg says when the server goes in the very moment of a statement, before it knows the connection closed."""

PASSING = ("08", "40", "53", "57", "58", "55P03")
"""SQLSTATEs, or their classes, of what passes by itself: a connection, a deadlock, connections or disk used up, a
shutdown, a statement or a lock that took too long, an I/O error (PostgreSQL manual, appendix A)."""


class DatabaseAway(Exception):
    """PostgreSQL does not answer. Nothing was saved. See that it runs and that CALLCENTER_DATABASE_URL is right."""

    retryable = True


class Database:
    """An engine and its transactions. `url`: postgresql://..., a socket folder as `?host=/folder`."""

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        self.url: URL = make_url(url).set(drivername="postgresql+asyncpg")
        self.engine: AsyncEngine = create_async_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=4,
            pool_timeout=10,
            connect_args={
                "timeout": 5,
                "command_timeout": 60,
                "server_settings": {
                    "application_name": "callcenter",
                    "statement_timeout": "30000",
                    "lock_timeout": "10000",
                    "idle_in_transaction_session_timeout": "60000",
                    "timezone": "UTC",
                },
            },
        )

        event.listen(self.engine.sync_engine, "checkout", _refuse_closed)
        self.ear = Ear(self.asyncpg_dsn)

    @property
    def asyncpg_dsn(self) -> str:
        """The address in the form asyncpg.connect() takes."""
        return self.url.set(drivername="postgresql").render_as_string(hide_password=False)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """One transaction: committed when the block ends, rolled back when it raises.

        Raises DatabaseAway when the server cannot be reached, was lost on the way or is too busy: the whole
        transaction may be tried again.
        """
        try:
            async with self.engine.begin() as connection:
                yield connection
        except AWAY as error:
            raise DatabaseAway(str(error)) from error
        except DBAPIError as error:
            if error.connection_invalidated or _passes(error.orig) or isinstance(_told_by_asyncpg(error), BROKEN_OFF):
                raise DatabaseAway(str(error)) from error
            raise
        except asyncpg.PostgresError as error:
            # Refused before there was a connection: SQLAlchemy does not wrap these.
            if _passes(error):
                raise DatabaseAway(str(error)) from error
            raise

    async def ping(self) -> None:
        """Raises DatabaseAway unless the server answers a query."""
        async with self.transaction() as tx:
            await tx.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Give every connection back."""
        self.ear.close()
        await self.engine.dispose()


def _told_by_asyncpg(error: DBAPIError) -> BaseException | None:
    return error.orig.__cause__ if error.orig is not None else None


def _refuse_closed(connection: Any, *_: object) -> None:
    # The server's end of a connection is seen as it happens; asking it each time would double the round trips.
    if connection.driver_connection.is_closed():
        raise DisconnectionError("the server closed this connection")


def _passes(error: BaseException | None) -> bool:
    return str(getattr(error, "sqlstate", None) or "").startswith(PASSING)


async def notify(tx: AsyncConnection, channel: str, payload: str) -> None:
    """Tell listeners of `channel`, once this transaction has committed. payload: at most 7,999 bytes."""
    await tx.execute(text("SELECT pg_notify(:channel, :payload)"), {"channel": channel, "payload": payload})


class Ear:
    """One connection that hears every channel this process listens on: a connection costs PostgreSQL a process."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._queues: dict[str, set[asyncio.Queue[str | None]]] = {}
        self._joining = asyncio.Lock()

    async def join(self, channel: str) -> "asyncio.Queue[str | None]":
        """What is told on `channel` from now on. Raises DatabaseAway."""
        async with self._joining:
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await self._open()
                if channel not in self._queues:
                    await self._connection.add_listener(channel, self._heard)
            except AWAY as error:
                raise DatabaseAway(str(error)) from error
            queue: asyncio.Queue[str | None] = asyncio.Queue(10_000)
            self._queues.setdefault(channel, set()).add(queue)
            return queue

    def leave(self, channel: str, queue: "asyncio.Queue[str | None]") -> None:
        """Hear no more; the connection stays for the next one."""
        self._queues.get(channel, set()).discard(queue)

    def close(self) -> None:
        """Every queue gets its None."""
        if self._connection is not None:
            self._connection.terminate()

    async def _open(self) -> "asyncpg.Connection[asyncpg.Record]":
        connection = await asyncpg.connect(self._dsn, timeout=5)
        connection.add_termination_listener(self._lost)
        return connection

    def _heard(self, _: object, __: int, channel: str, payload: object) -> None:
        for queue in self._queues.get(channel, ()):
            if not queue.full():
                queue.put_nowait(str(payload))

    def _lost(self, _: object) -> None:
        queues, self._queues = self._queues, {}
        for queue in (one for channel in queues.values() for one in channel):
            if not queue.full():
                queue.put_nowait(None)


@asynccontextmanager
async def listen(database: Database, channel: str) -> AsyncIterator["asyncio.Queue[str | None]"]:
    """Payloads told on `channel` from now on; None when the connection was lost (read the table, listen again)."""
    queue = await database.ear.join(channel)
    try:
        yield queue
    finally:
        database.ear.leave(channel, queue)
