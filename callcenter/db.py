"""The one door to PostgreSQL: engine, transaction, notifications.

Services take the connection and never commit; `Database.transaction()` does, at the edge of an event, a job or
a request. SQLAlchemy Core over asyncpg; a database that went away is told as `DatabaseAway`.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from sqlalchemy import text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

AWAY: tuple[type[BaseException], ...] = (
    ConnectionError,
    OSError,
    InterfaceError,
    OperationalError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.InterfaceError,
)
"""What a lost, starting or full server looks like from here; a whole transaction may be tried again."""


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
            pool_pre_ping=True,
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

    @property
    def asyncpg_dsn(self) -> str:
        """The address in the form asyncpg.connect() takes."""
        return self.url.set(drivername="postgresql").render_as_string(hide_password=False)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """One transaction: committed when the block ends, rolled back when it raises.

        Raises DatabaseAway when the server cannot be reached or was lost on the way.
        """
        try:
            async with self.engine.begin() as connection:
                yield connection
        except AWAY as error:
            raise DatabaseAway(str(error)) from error
        except DBAPIError as error:
            if error.connection_invalidated:
                raise DatabaseAway(str(error)) from error
            raise

    async def ping(self) -> None:
        """Raises DatabaseAway unless the server answers a query."""
        async with self.transaction() as tx:
            await tx.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Give every connection back."""
        await self.engine.dispose()


async def notify(tx: AsyncConnection, channel: str, payload: str) -> None:
    """Tell listeners of `channel`, once this transaction has committed. payload: at most 7,999 bytes."""
    await tx.execute(text("SELECT pg_notify(:channel, :payload)"), {"channel": channel, "payload": payload})


@asynccontextmanager
async def listen(database: Database, channel: str) -> AsyncIterator["asyncio.Queue[str | None]"]:
    """Payloads told on `channel` from now on; None when the connection was lost (read the table, listen again)."""
    queue: asyncio.Queue[str | None] = asyncio.Queue(10_000)

    def heard(_: object, __: int, ___: str, payload: object) -> None:
        if not queue.full():
            queue.put_nowait(str(payload))

    def lost(_: object) -> None:
        if not queue.full():
            queue.put_nowait(None)

    try:
        connection = await asyncpg.connect(database.asyncpg_dsn, timeout=5)
    except AWAY as error:
        raise DatabaseAway(str(error)) from error
    try:
        connection.add_termination_listener(lost)
        await connection.add_listener(channel, heard)
        yield queue
    finally:
        connection.terminate()
