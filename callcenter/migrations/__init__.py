"""The database's shape over time: alembic revisions, and `upgrade()` which brings a database to the newest.

A revision never changes once released; tests compare the newest with the tables the code declares.
"""

from importlib.resources import as_file, files
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from callcenter.db import Database


def config_for(connection: Connection, folder: str) -> Config:
    """An alembic Config that works on an open connection; nothing is read from an ini file."""
    config = Config()
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


async def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the database to `revision`. One migrator at a time; running it again changes nothing."""
    with as_file(files(__package__)) as folder:

        def run(connection: Connection, *_: Any) -> None:
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(12345)")
            command.upgrade(config_for(connection, str(folder)), revision)

        async with database.transaction() as tx:
            await tx.run_sync(run)
