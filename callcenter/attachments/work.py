"""What the worker does for files of tickets: the second copy, and removing what no ticket took or needs."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.attachments import rows
from callcenter.attachments.cabinet import AttachmentDamaged, Cabinet, NotKept, missing
from callcenter.attachments.recheck import AttachmentRecheck
from callcenter.db import Database
from callcenter.jobs import Worker
from recordings.custody.ground import Ground
from recordings.custody.objects import StoreAway

log = logging.getLogger(__name__)

EVERY_S = 120
IDLE = timedelta(hours=1)
"""Longer than any upload may take; what is younger may still be on its way."""
AT_ONCE = 200


@dataclass
class AttachmentWork:
    """The sweep."""

    database: Database
    cabinet: Cabinet

    async def sweep(self) -> None:
        """May be killed anywhere and done again. Raises StoreAway, DatabaseAway: the next turn comes."""
        now = datetime.now(UTC)
        await self.tidy(now)
        await self.copy(now)

    async def tidy(self, now: datetime, idle: timedelta = IDLE) -> int:
        """Removes objects of no ticket; how many."""
        async with self.database.transaction() as tx:
            leaving = await rows.unneeded(tx, now - idle, AT_ONCE)
        for object_id, path in leaving:
            await self.cabinet.remove(path)
            async with self.database.transaction() as tx:
                await rows.gone(tx, object_id, now)
        return len(leaving)

    async def copy(self, now: datetime) -> int:
        """Brings to the second place what it has not; how many."""
        if self.cabinet.copy is None:
            return 0
        async with self.database.transaction() as tx:
            waiting = await rows.uncopied(tx, AT_ONCE)
        done = 0
        for object_id, laid in waiting:
            try:
                await self.cabinet.put_copy(laid)
            except (AttachmentDamaged, NotKept) as error:
                log.error("a file of a ticket has no second copy", extra={"object": str(laid.name), "why": repr(error)})
                continue
            async with self.database.transaction() as tx:
                await rows.copied(tx, object_id, now)
            done += 1
        return done


def register(worker: Worker, database: Database, cabinet: Cabinet) -> None:
    """The sweeps, each in one worker of all."""
    worker.every(EVERY_S, "attachments.tidy", AttachmentWork(database, cabinet).sweep)
    worker.every(EVERY_S, "attachments.recheck", AttachmentRecheck(database, cabinet).sweep)


async def check(tx: AsyncConnection, ground: Ground) -> Sequence[str]:
    """For `callcenter verify`: every file of a ticket lies in both stores at its size, and was whole when last read.

    A sentence a finding.
    """
    wrong = [f"attachment object {name} is {why}" for name, why in await rows.troubled(tx, AT_ONCE)]
    try:
        for place in (ground.store, ground.copy):
            after = 0
            while place and (found := await rows.page(tx, after, AT_ONCE, copied=place is ground.copy)):
                wrong += await missing(place, [laid for _, laid in found])
                after = found[-1][0]
    except StoreAway as error:
        wrong.append(f"the store does not answer, so files of tickets could not be checked: {error}")
    return wrong
