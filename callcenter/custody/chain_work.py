"""Sealing the audit: every second, by one process, rows that have no link yet get one, and the end is anchored.

Who writes the audit waits for nobody: rows are linked after they are committed, in the order they are seen.
"""

import asyncio
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import metrics
from callcenter.audit_chain import FIRST, LATE, Algorithm, Row, linked
from callcenter.custody.anchors import AnchorsAway, Places, Tip, append, put_object
from callcenter.custody.chain_tables import audit_link
from callcenter.db import Database
from callcenter.digests import DIGESTS
from recordings.custody.objects import StoreAway

log = logging.getLogger(__name__)
BATCH = 5_000
"""Rows a transaction links: some 0.3 s."""
LOOK_BACK = 100_000
"""A process that begins looks so many ids behind the newest link for rows whose transaction was open then."""
SURE_S = 10.0
"""A number taken from the sequence is seen in its transaction's id at once; this is for the moment in between."""
_LOCK = text("SELECT pg_advisory_xact_lock(hashtextextended('audit chain', 0))")
_SNAPSHOT = text(
    "SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint,"
    " (SELECT coalesce(max(id), 0) FROM audit) FROM pg_current_snapshot() s"
)
REACHED = "audit:anchored"
"""Row of `mark`: seq of the last anchor in the folder; /readyz looks at it."""
_REACHED = text(
    "INSERT INTO mark (name, value) VALUES (:name, :seq)"
    " ON CONFLICT (name) DO UPDATE SET value = excluded.value, at = clock_timestamp()"
)
_STATE = text(
    "SELECT EXISTS (SELECT FROM (SELECT id, at FROM audit ORDER BY id DESC LIMIT 10000) a"
    "   WHERE at < clock_timestamp() - CAST(:late AS interval)"
    "   AND NOT EXISTS (SELECT FROM audit_link WHERE audit_id = a.id)),"
    " EXISTS (SELECT FROM audit_link WHERE seq > coalesce(m.value, 0)::bigint"
    "   AND linked_at < clock_timestamp() - CAST(:late AS interval)),"
    " m.value FROM (SELECT) nothing LEFT JOIN mark m ON m.name = :name"
)
_UNLINKED = text(
    "SELECT a.id, a.at, a.actor, a.action, a.subject, a.ok, a.detail::text FROM audit a"
    " WHERE a.id > :above AND NOT EXISTS (SELECT FROM audit_link l WHERE l.audit_id = a.id)"
    " ORDER BY a.id LIMIT :most"
)


@dataclass(slots=True)
class Floor:
    """Up to which id every row is linked, or will never exist. All ids up to `id` were taken before `xmax`."""

    linked: int = -1
    """-1: not known yet."""
    _id: int = 0
    _xmax: int = 0
    _since: float = 0.0

    def above(self, newest_linked: int) -> int:
        """Where to look from."""
        if self.linked < 0:
            self.linked = max(0, newest_linked - LOOK_BACK)
        return self.linked

    def seen(self, xmin: int, xmax: int, newest: int, now_s: float) -> None:
        """After a round that left nothing unlinked, with what it saw. now_s: a clock that never goes back."""
        if self._xmax and xmin >= self._xmax and now_s - self._since >= SURE_S:
            self.linked, self._xmax = max(self.linked, self._id), 0
        if not self._xmax:
            self._id, self._xmax, self._since = newest, xmax, now_s


@dataclass(slots=True)
class ChainWork:
    """algorithm: H of new links. places: where anchors go."""

    database: Database
    algorithm: Algorithm
    places: Places
    floor: Floor = field(default_factory=Floor)
    _tip: Tip | None = None

    async def seal(self) -> None:
        """Link what has no link, then write where the chain ends. Raises DatabaseAway, AnchorsAway."""
        while await self._link() == BATCH:
            pass
        if self._tip is not None:
            metrics.AUDIT_LINKS.set(self._tip.seq)
            await self._anchor(self._tip)

    async def keep_object(self) -> None:
        """An anchor in the object store, hourly and at the end. Raises DatabaseAway, StoreAway."""
        if self.places.store is None:
            return
        async with self.database.transaction() as tx:
            tip = await tip_of(tx)
        if tip is None:
            return
        try:
            if await put_object(self.places, tip):
                metrics.AUDIT_ANCHORS.labels("object", "written").inc()
        except StoreAway:
            metrics.AUDIT_ANCHORS.labels("object", "failed").inc()
            raise

    async def _link(self) -> int:
        async with self.database.transaction() as tx:
            await tx.execute(_LOCK)
            xmin, xmax, newest = (await tx.execute(_SNAPSHOT)).one()
            tip = await tip_of(tx)
            newest_linked = await _newest_linked(tx) if self.floor.linked < 0 else 0
            asked = {"above": self.floor.above(newest_linked), "most": BATCH}
            rows: list[Row] = [tuple(row) for row in await tx.execute(_UNLINKED, asked)]
            if rows:
                links = await asyncio.to_thread(lambda: list(self._links(tip, rows)))
                await tx.execute(insert(audit_link), links)
                tip = await tip_of(tx)
        self._tip = tip
        if len(rows) < BATCH:
            self.floor.seen(xmin, xmax, newest, time.monotonic())
        return len(rows)

    def _links(self, tip: Tip | None, rows: list[Row]) -> Iterator[dict[str, object]]:
        seq, previous = (tip.seq, tip.hash) if tip else (0, FIRST)
        hashes = linked(previous, rows, DIGESTS[self.algorithm])
        for number, (row, made) in enumerate(zip(rows, hashes, strict=True), seq + 1):
            yield {"seq": number, "audit_id": row[0], "hash": made, "digest": self.algorithm}

    async def _anchor(self, tip: Tip) -> None:
        if self.places.folder is None:
            return
        try:
            before = await asyncio.to_thread(append, self.places, tip)
        except AnchorsAway as error:
            metrics.AUDIT_ANCHORS.labels("file", "failed").inc()
            log.error("the audit's anchor cannot be written", extra={"error": str(error)})
            return
        metrics.AUDIT_ANCHORED.set(max(before, tip.seq))
        if before < tip.seq:
            metrics.AUDIT_ANCHORS.labels("file", "written").inc()
            async with self.database.transaction() as tx:
                await tx.execute(_REACHED, {"name": REACHED, "seq": tip.seq})
        elif before > tip.seq:
            metrics.AUDIT_ANCHORS.labels("file", "ahead").inc()
            log.error("the audit's chain is shorter than its anchor", extra={"links": tip.seq, "anchored": before})


async def tip_of(tx: AsyncConnection) -> Tip | None:
    """The newest link; None: nothing is linked yet."""
    link = audit_link.c
    newest = select(link.seq, link.hash, link.digest, link.linked_at).order_by(link.seq.desc()).limit(1)
    row = (await tx.execute(newest)).one_or_none()
    return Tip(row.seq, bytes(row.hash), Algorithm(row.digest), row.linked_at) if row else None


async def _newest_linked(tx: AsyncConnection) -> int:
    query = text("SELECT coalesce(max(audit_id), 0) FROM audit_link")
    return int((await tx.execute(query)).scalar_one())


class Standing(StrEnum):
    """How sealing and anchoring stand, in a word."""

    OK = "ok"
    UNLINKED = "unlinked"
    NO_ANCHOR = "no_anchor"
    LATE = "late"


SAID = {
    Standing.OK: "ok",
    Standing.UNLINKED: "rows of the audit are not linked for more than a minute; see that a worker runs",
    Standing.NO_ANCHOR: "the audit has no anchor in a second place; set CALLCENTER_ANCHOR_DIR",
    Standing.LATE: "the audit's anchors are more than a minute behind; see to CALLCENTER_ANCHOR_DIR",
}


async def standing(tx: AsyncConnection) -> Standing:
    """Whether rows are linked and anchored in time."""
    unlinked, late, anchored = (await tx.execute(_STATE, {"name": REACHED, "late": LATE})).one()
    if unlinked:
        return Standing.UNLINKED
    if anchored is None:
        return Standing.NO_ANCHOR
    return Standing.LATE if late else Standing.OK


async def state(tx: AsyncConnection) -> str:
    """`ok`, or what is wrong with sealing and anchoring, for /readyz."""
    return SAID[await standing(tx)]
