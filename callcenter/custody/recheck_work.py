"""The rolling re-check of kept recordings: every byte in every place, at least once a quarter, a little at a time.

What is missing or damaged in one place is put there again from the other, once that is proved; what both have lost is
noted, shown by `callcenter verify`, and tried again every day. Nothing is removed.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import jobs, metrics
from callcenter.audit import Audited, note
from callcenter.db import Database
from callcenter.job import Job
from callcenter.types import RecordingId, system
from recordings.custody import recheck, recheck_rows, rows
from recordings.custody.custody import Kept
from recordings.custody.ground import Ground
from recordings.custody.objects import StoreAway
from recordings.custody.recheck import AIM, AT_LEAST_EVERY, Pace, Place, Trouble

log = logging.getLogger(__name__)
SWEEP_S = 60.0
RECHECK_JOB = "recording.recheck"
MOST_A_TURN = 500
BYTES_PER_S = 20 * 1024 * 1024
"""A fifth of an old hard disk; a quarter's 80 days at this pace read 138 TB."""
COUNT_EVERY_S = 3600.0
TRY_AGAIN = timedelta(days=1)
WITNESSES = 10
"""If none of so many others is there either, the whole store is lost, or not mounted."""
CHECKER = system("recheck")


@dataclass(frozen=True, slots=True)
class Found:
    """One object that was not what it must be. why: `` when it was mended."""

    recording_id: RecordingId
    path: str
    place: Place
    trouble: Trouble
    mended: bool
    why: str = ""

    def __str__(self) -> str:
        what = f"recording {self.recording_id} is {self.trouble} in the {self.place} ({self.path})"
        return f"{what}; mended from the {self.place.other}" if self.mended else f"{what}; not mended: {self.why}"


@dataclass(slots=True)
class Throttle:
    """Lets so many bytes a second pass."""

    bytes_per_s: float
    _until: float = 0.0

    async def __call__(self, size: int) -> None:
        now = time.monotonic()
        self._until = max(self._until, now) + size / self.bytes_per_s
        await asyncio.sleep(self._until - now)


@dataclass(slots=True)
class Share:
    """How much of a place is due now, so that all of it comes round in AIM, evenly."""

    count: int = 0
    _counted_at: float = -COUNT_EVERY_S
    _carried: float = 0.0
    _last: float | None = None

    def is_stale(self, now_s: float) -> bool:
        """Whether `count` should be read again."""
        return now_s - self._counted_at >= COUNT_EVERY_S

    def counted(self, count: int, now_s: float) -> None:
        """So many objects the place has."""
        self.count, self._counted_at = count, now_s

    def take(self, now_s: float) -> int:
        """Objects that became due since the last time. now_s: a clock that never goes back."""
        passed = now_s - self._last if self._last is not None else SWEEP_S
        self._last = now_s
        self._carried = min(self._carried + self.count * passed / AIM.total_seconds(), MOST_A_TURN)
        whole = int(self._carried)
        self._carried -= whole
        return whole


@dataclass(slots=True)
class Recheck:
    """The sweep, and what `callcenter recordings recheck` does at once."""

    database: Database
    ground: Ground
    pace: Pace = field(default_factory=lambda: Throttle(BYTES_PER_S))
    _shares: dict[Place, Share] = field(default_factory=lambda: {place: Share() for place in Place})
    _lost: set[Place] = field(default_factory=set)

    @property
    def places(self) -> tuple[Place, ...]:
        """Those there are."""
        return tuple(Place) if self.ground.copy is not None else (Place.STORE,)

    async def sweep(self) -> None:
        """This turn's share of each place. A store that is away is left for the next turn. Raises DatabaseAway."""
        for place in self.places:
            try:
                await self._turn(place)
            except StoreAway as error:
                self._away(place, error)
        async with self.database.transaction() as tx:
            metrics.RECORDINGS_IN_TROUBLE.set(len(await recheck_rows.troubled(tx, MOST_A_TURN)))

    def _away(self, place: Place, error: StoreAway) -> None:
        metrics.RECORDING_CHECKS.labels(place, "away").inc()
        log.warning("a store is away from its check", extra={"place": place, "error": str(error)})

    async def _turn(self, place: Place) -> None:
        for kept in await self._due(place):
            trouble = await self._checked(kept, place)
            if trouble is not None:
                try:
                    await self.settle(kept, place, trouble)
                except StoreAway as error:
                    # Its turn comes again with the next sweep; the others need not wait for the other place.
                    self._away(place.other, error)

    async def _checked(self, kept: Kept, place: Place) -> Trouble | None:
        """What is to be settled here; None: it is sound, or the whole place is lost and is not to be filled unasked."""
        trouble = await self._look(kept, place)
        if trouble is None:
            await self._sound(kept, place)
        elif await self._whole_place_lost(kept, place, trouble):
            return None
        return trouble

    async def _due(self, place: Place) -> Sequence[Kept]:
        now, share = datetime.now(UTC), self._shares[place]
        async with self.database.transaction() as tx:
            if share.is_stale(time.monotonic()):
                share.counted(await recheck_rows.count(tx, place), time.monotonic())
            found = await recheck_rows.due(tx, place, MOST_A_TURN)
            again = await recheck_rows.tried_before(tx, place, now - TRY_AGAIN, MOST_A_TURN)
        if found:
            metrics.RECORDING_OLDEST_CHECK_S.labels(place).set((now - found[0][1]).total_seconds())
        whole = share.take(time.monotonic())
        due = [kept for n, (kept, since) in enumerate(found) if n < whole or since < now - AIM]
        return [*due, *(one for one in again if one not in due)]

    async def _look(self, kept: Kept, place: Place) -> Trouble | None:
        store = recheck.at(self.ground, place)
        assert store is not None
        return await recheck.look(store, kept, self.pace)

    async def _sound(self, kept: Kept, place: Place) -> None:
        async with self.database.transaction() as tx:
            await recheck_rows.sound(tx, kept.recording_id, place, datetime.now(UTC))
        metrics.RECORDING_CHECKS.labels(place, "sound").inc()
        if place in self._lost:
            self._lost.discard(place)
            metrics.STORE_LOST.labels(place).set(0)

    async def _whole_place_lost(self, kept: Kept, place: Place, trouble: Trouble) -> bool:
        if trouble is not Trouble.ABSENT:
            return False
        store = recheck.at(self.ground, place)
        assert store is not None
        async with self.database.transaction() as tx:
            others = await recheck_rows.some_paths(tx, place, kept.recording_id, WITNESSES)
        if not await recheck.is_lost(store, others):
            return False
        if place not in self._lost:
            self._lost.add(place)
            metrics.STORE_LOST.labels(place).set(1)
            log.error("a store of recordings is lost or not mounted", extra={"place": place, "url": store.url})
            async with self.database.transaction() as tx:
                await note(tx, Audited(CHECKER, "store.lost", f"store:{place}", ok=False, detail={"url": store.url}))
        return True

    async def one(self, job: Job) -> None:
        """`recording.recheck`: a recording that broke while it was heard is looked at in every place, and mended.

        Raises StoreAway to be tried again, DatabaseAway.
        """
        id_ = RecordingId(int(str(job.payload["recording"])))
        for place in self.places:
            async with self.database.transaction() as tx:
                kept = await rows.kept(tx, id_)
            if kept is None or kept.sealed is None or not kept.readable:
                return
            if place is Place.COPY and kept.copied_at is None:
                continue
            trouble = await self._checked(kept, place)
            if trouble is not None:
                await self.settle(kept, place, trouble)

    async def settle(self, kept: Kept, place: Place, trouble: Trouble) -> Found | None:
        """Mend it from the other place, or note that this cannot be; None: it is no longer to be there.

        Raises NotMended, StoreAway, DatabaseAway.
        """
        proof = await recheck.prove(self.ground, kept, place.other)
        async with self.database.transaction() as tx:
            # Held while it is written, so that what is being deleted does not come back.
            if not await recheck_rows.held(tx, kept, place):
                return None
            if proof.data is not None:
                await recheck.mend(self.ground, kept, place, proof.data)
                await recheck_rows.sound(tx, kept.recording_id, place, datetime.now(UTC))
                found = Found(kept.recording_id, kept.path, place, trouble, mended=True)
            else:
                await recheck_rows.looked(tx, kept.recording_id, place, datetime.now(UTC))
                found = Found(kept.recording_id, kept.path, place, trouble, mended=False, why=proof.why)
            await _note(tx, found)
        metrics.RECORDING_CHECKS.labels(place, "mended" if found.mended else "lost").inc()
        return found

    async def everything(self, place: Place, *, repair: bool, all_: bool = True) -> AsyncIterator[Found]:
        """Every object of a place (or what is due by age, and what is in trouble), told one by one.

        repair False: looks only, and changes nothing. Raises StoreAway, DatabaseAway.
        """
        async for kept in self._wanted(place, all_):
            trouble = await self._look(kept, place)
            if trouble is None:
                if repair:
                    await self._sound(kept, place)
            elif not repair:
                yield Found(kept.recording_id, kept.path, place, trouble, mended=False, why="not asked to")
            elif (found := await self.settle(kept, place, trouble)) is not None:
                yield found

    async def _wanted(self, place: Place, all_: bool) -> AsyncIterator[Kept]:
        if not all_:
            now = datetime.now(UTC)
            async with self.database.transaction() as tx:
                due = await recheck_rows.due(tx, place, 100_000)
                again = await recheck_rows.tried_before(tx, place, now, 100_000)
            for kept in [*(one for one, since in due if since < now - AIM), *again]:
                yield kept
            return
        after = 0
        while True:
            async with self.database.transaction() as tx:
                batch = await recheck_rows.page(tx, place, after, 200)
            for kept in batch:
                yield kept
            if not batch:
                return
            after = batch[-1].recording_id

    async def unknown(self, place: Place) -> AsyncIterator[str]:
        """Objects of a place that no row speaks of."""
        store = recheck.at(self.ground, place)
        assert store is not None

        async def known(paths: list[str]) -> set[str]:
            async with self.database.transaction() as tx:
                return await recheck_rows.known(tx, paths)

        async for name in recheck.unknown(store, known):
            yield name


async def ask(tx: AsyncConnection, recordings: Sequence[RecordingId]) -> None:
    """Have these looked at now: somebody met them missing or damaged. One job each, however often it is met."""
    for one in recordings:
        await jobs.enqueue(tx, RECHECK_JOB, {"recording": one}, key=f"{RECHECK_JOB}:{one}")


async def _note(tx: AsyncConnection, found: Found) -> None:
    detail = {"place": str(found.place), "trouble": str(found.trouble), "why": found.why}
    subject = f"recording:{found.recording_id}"
    if found.mended:
        await note(tx, Audited(CHECKER, "recording.repaired", subject, detail=detail))
    elif await recheck_rows.in_trouble(tx, found.recording_id, found.place, found.trouble, found.why):
        await note(tx, Audited(CHECKER, "recording.lost", subject, ok=False, detail=detail))


async def lost(tx: AsyncConnection, now: datetime) -> list[str]:
    """For `callcenter verify`: what is damaged and could not be mended, and what was not looked at in time."""
    wrong = [
        f"recording {one.recording_id} is {one.trouble} in the {one.place} since {one.found_at:%Y-%m-%d}"
        f" ({one.path}): {one.why}"
        for one in await recheck_rows.troubled(tx, MOST_A_TURN)
    ]
    for place in Place:
        since = await recheck_rows.oldest(tx, place)
        if since is not None and since < now - AT_LEAST_EVERY:
            wrong.append(
                f"the {place} has recordings that nobody looked at since {since:%Y-%m-%d}; see that a worker runs"
            )
    return wrong
