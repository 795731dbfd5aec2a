"""The watch over recordings: every 20 s what nobody has accounted for, every five minutes the figures of the days.

The watch never reads a day of legs again: a leg without account stands in the index `leg_unaccounted`, one whose audio
is only in the spool in `leg_account_open`; both are as short as the backlog, however many legs a day has.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

import recordings.service
from callcenter import jobs, metrics
from callcenter.custody.intake_work import enqueue_keep
from callcenter.custody.legs import PAGE, ended_legs, open_channels, unaccounted_legs, waiting_s
from callcenter.db import Database
from callcenter.jobs import Job
from callcenter.tables import leg as leg_table
from recordings import completeness, days, findings, store
from recordings.accounting import DayFigures, LegAccount, Place, day_of
from recordings.custody.ground import Ground as Custody
from recordings.recording import Problem
from recordings.spool import QUIET_S, SpoolFile, looked, unclaimed

log = logging.getLogger(__name__)

WATCH_EVERY_S, DAYS_EVERY_S = 20.0, 300.0
TURN_S = 12.0
"""A turn ends after so long, and the next one goes on where it stopped: the watch of the spool must not wait."""
_L = leg_table.c


@dataclass
class CompletenessWork:
    """Sweeps and the job `recordings.watch`."""

    database: Database
    custody: Custody
    _told: frozenset[str] = frozenset()
    """What the last turn found: it is logged once, not at every turn."""
    _again_after: str = ""
    """Where the look at legs in the spool goes on, a channel id."""

    def handlers(self) -> Mapping[str, jobs.Handler]:
        """Kinds of job done here."""
        return {"recordings.watch": self.watch_now}

    async def watch_now(self, _: Job) -> None:
        """`recordings.watch`: the sweep at once, after a gap in which nobody heard what was told of files."""
        await self.watch()

    async def watch(self) -> None:
        """Sweep: files without an event are taken in, legs that are over get their account, findings are kept."""
        now, until_s = datetime.now(UTC), time.monotonic() + TURN_S
        files = await self._take_in(now)
        found = await self._account(now, until_s)
        found += await self._look_again(now, until_s)
        async with self.database.transaction() as tx:
            lost = await completeness.strangers(tx, await looked(self.custody.spool), now, await open_channels(tx))
            await findings.see_files(tx, lost, now)
            by_kind = await findings.open_by_kind(tx)
        for kind in Problem:
            metrics.RECORDING_FINDINGS.labels(kind).set(by_kind.get(kind, 0))
        metrics.SPOOL_OLDEST_S.set(_oldest_s(files, now))
        self._tell([*(str(one.missing) for one in found if one.missing), *(f"{o.name}: {o.problem}" for o in lost)])

    async def _take_in(self, now: datetime) -> Mapping[str, SpoolFile]:
        """Files nobody told of: Asterisk was killed, or nobody listened. Raises NoSpool."""
        files = await looked(self.custody.spool)
        async with self.database.transaction() as tx:
            alive = await open_channels(tx)
            legs = await ended_legs(tx, {f.name.channel_id for f in files.values() if f.name} - alive)
            if await unclaimed(tx, files, now.timestamp(), alive, {leg.channel_id for leg in legs}):
                taken = await recordings.service.recover_orphans(tx, self.custody.spool, now, alive=alive, legs=legs)
                for one in taken:
                    await enqueue_keep(tx, await store.recording_of(tx, one.id))
        return files

    async def _account(self, now: datetime, until_s: float) -> list[LegAccount]:
        found: list[LegAccount] = []
        while time.monotonic() < until_s:
            async with self.database.transaction() as tx:
                legs = await unaccounted_legs(tx, now - timedelta(seconds=QUIET_S), PAGE)
                accounts = await completeness.take_account(tx, self.custody.spool, legs, now)
                await _mark(tx, accounts)
            found += [one for one in accounts if one.missing]
            if len(legs) < PAGE:
                break
        return found

    async def _look_again(self, now: datetime, until_s: float) -> list[LegAccount]:
        found: list[LegAccount] = []
        while time.monotonic() < until_s:
            async with self.database.transaction() as tx:
                legs = await completeness.open_legs(tx, self._again_after, PAGE)
                changed = await completeness.look_again(tx, self.custody.spool, legs, now)
            found += [one for one in changed if one.missing]
            self._again_after = legs[-1].channel_id if len(legs) == PAGE else ""
            if not self._again_after:
                break
        return found

    def _tell(self, sentences: Sequence[str]) -> None:
        found = frozenset(sentences)
        for one in sorted(found - self._told):
            log.warning("recording incomplete", extra={"finding": one})
        self._told = found

    async def sum_up(self) -> None:
        """Sweep: figures of today and yesterday, and once a day of the days before, until they are final."""
        now = datetime.now(UTC)
        async with self.database.transaction() as tx:
            due = await days.due(tx, now)
        shown: dict[str, DayFigures] = {}
        names = {day_of(now): "today", day_of(now) - timedelta(days=1): "yesterday"}
        for day in due:
            async with self.database.transaction() as tx:
                figures = await days.compute(tx, day, now, await waiting_s(tx, day, now))
            if day in names:
                shown[names[day]] = figures
        async with self.database.transaction() as tx:
            await days.forget_accounts(tx, now)
        for name, figures in shown.items():
            _show(name, figures)


SHOWN = (
    *("coverage", "answered_s", "audio_s", "gap_s", "unaccounted_s", "kept", "copied", "uncopied", "unstored"),
    *("oldest_unstored_s", "stored_bytes"),
)


def _show(day: str, figures: DayFigures) -> None:
    for name in SHOWN:
        metrics.RECORDING_DAY.labels(day, name).set(getattr(figures, name))


async def _mark(tx: AsyncConnection, accounts: Sequence[LegAccount]) -> None:
    """These legs have an account; such without room for a recording say so too, if their own word was lost."""
    if not accounts:
        return
    ids = [one.leg.channel_id for one in accounts]
    await tx.execute(update(leg_table).where(_L.channel_id.in_(ids)).values(accounted=True))
    withheld = [one.leg.channel_id for one in accounts if one.heard.place is Place.NOWHERE and not one.problem]
    if withheld:
        await tx.execute(update(leg_table).where(_L.channel_id.in_(withheld), _L.recorded).values(recorded=False))


def _oldest_s(files: Mapping[str, SpoolFile], now: datetime) -> float:
    ours = [file.written_at_s for file in files.values() if file.name]
    return max(0.0, now.timestamp() - min(ours)) if ours else 0.0


def register(worker: jobs.Worker, work: CompletenessWork) -> None:
    """The sweeps and jobs of this module."""
    worker.handle(work.handlers())
    worker.every(WATCH_EVERY_S, "recordings.watch", work.watch)
    worker.every(DAYS_EVERY_S, "recordings.days", work.sum_up)
