"""The worker's part: what was never confirmed on the public page does not stay."""

from dataclasses import dataclass
from datetime import UTC, datetime

from callcenter.citizen import intake
from callcenter.db import Database
from callcenter.jobs import Worker

EVERY_S = 3600


@dataclass(frozen=True, slots=True)
class Forgetting:
    """Once an hour."""

    database: Database

    async def sweep(self) -> None:
        """Remove requests kept a day. Raises DatabaseAway."""
        async with self.database.transaction() as tx:
            await intake.forget(tx, datetime.now(UTC))


def register(worker: Worker, database: Database) -> None:
    """Before the worker runs."""
    worker.every(EVERY_S, "web_requests.forget", Forgetting(database).sweep)
