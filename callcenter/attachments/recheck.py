"""Files of tickets are read again, every byte in every place, at least once a quarter, like recordings.

What is missing or damaged in one place is put there again from the other; what both have lost is noted, shown by
`callcenter verify`, and tried again every day. Nothing is removed.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from callcenter.attachments import rows
from callcenter.attachments.cabinet import Cabinet, Laid, Look, NotKept
from callcenter.audit import Audited, note
from callcenter.db import Database
from callcenter.types import system
from recordings.custody import recheck
from recordings.custody.objects import StoreAway

log = logging.getLogger(__name__)

MOST_A_TURN = 50
"""At most 2 GB every two minutes, both places together; two million files in 80 days."""
TRY_AGAIN = timedelta(days=1)
WITNESSES = 10
CHECKER = system("recheck")
LOST = "damaged or missing in every place"


@dataclass
class AttachmentRecheck:
    """The sweep."""

    database: Database
    cabinet: Cabinet

    async def sweep(self) -> None:
        """This turn's share. A store that is away is left for the next turn. Raises DatabaseAway."""
        await self.turn(datetime.now(UTC))

    async def turn(self, now: datetime) -> int:
        """Looks at what is due; how many objects."""
        async with self.database.transaction() as tx:
            due = await rows.due(tx, now - recheck.AIM, now - TRY_AGAIN, MOST_A_TURN)
        for object_id, laid, copied in due:
            try:
                await self._one(object_id, laid, copied, now)
            except (StoreAway, NotKept) as error:
                log.warning("a store is away from the check of tickets' files", extra={"error": repr(error)})
                break
        return len(due)

    async def _one(self, object_id: int, laid: Laid, copied: bool, now: datetime) -> None:
        """One object, written down with what became of it. Raises StoreAway, NotKept."""
        look = await self.cabinet.look(laid, copied=copied)
        if look.broken and await self._place_lost(object_id, look):
            return
        await self.cabinet.mend(laid, look)
        async with self.database.transaction() as tx:
            await rows.checked(tx, object_id, now, "" if look.whole is not None else LOST)
            if look.broken:
                detail: dict[str, Any] = {"places": " ".join(place.url for place in look.broken)}
                mended = look.whole is not None
                await note(tx, Audited(CHECKER, "attachment.check", f"object:{laid.name}", ok=mended, detail=detail))

    async def _place_lost(self, object_id: int, look: Look) -> bool:
        """Whether a whole place is gone or not mounted: then nothing is filled unasked, and it stays due."""
        for place in look.broken:
            async with self.database.transaction() as tx:
                copied = place is self.cabinet.copy
                others = await rows.some_others(tx, object_id, WITNESSES, copied=copied)
            if await recheck.is_lost(place, others):
                log.error("a store of tickets' files is lost or not mounted", extra={"url": place.url})
                return True
        return False
