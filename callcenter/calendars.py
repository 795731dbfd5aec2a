"""The work calendar of a running hotline: what is shipped, what an operator imported, and who is told. EDGE.

An import is a row, an audit entry and a job in one transaction; the job looks at every running deadline. Processes
hear of it through LISTEN and count by the new calendar from then on.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import flow_tickets, jobs
from callcenter.audit import Audited, note
from callcenter.board import Board
from callcenter.db import Database, DatabaseAway, listen, notify
from callcenter.jobs import Job
from callcenter.tables import calendar_file
from callcenter.types import Actor, TicketId, system
from ticketing.clocks import Calendar
from ticketing.limits import calendar_changes
from ticketing.policy import Rules

log = logging.getLogger(__name__)

CHANGED = "calendar_changed"
REVIEW_JOB = "calendar.review"
BATCH = 200


class CalendarRefused(Exception):
    """The calendar file is wrong; mend every line that is named, then import it again."""


Compose = Callable[[Mapping[str, str]], Calendar]
"""Imported texts by name -> the calendar in use with them. Raises CalendarRefused when one is wrong."""


@dataclass(frozen=True, slots=True)
class Imported:
    """A calendar file in the database. name: of the file, without .yaml."""

    name: str
    content: str
    imported_at: datetime
    imported_by: str


async def imported(tx: AsyncConnection) -> tuple[Imported, ...]:
    """Every imported file, by name."""
    rows = await tx.execute(select(calendar_file).order_by(calendar_file.c.name))
    return tuple(Imported(row.name, row.content, row.imported_at, row.imported_by) for row in rows)


async def texts(tx: AsyncConnection) -> dict[str, str]:
    """Every imported text by name, as the composition wants them."""
    return {one.name: one.content for one in await imported(tx)}


async def keep(
    tx: AsyncConnection, name: str, content: str, compose: Compose, *, actor: Actor, now: datetime, reason: str
) -> Calendar:
    """Lay this file over the others from now on. reason: the notice, by name and number.

    Raises CalendarRefused when the calendar with it is wrong; nothing is kept then.
    """
    calendar = compose(await texts(tx) | {name: content})
    row = {"name": name, "content": content, "imported_at": now, "imported_by": str(actor)}
    change = insert(calendar_file).values(**row)
    await tx.execute(change.on_conflict_do_update(index_elements=["name"], set_=row))
    detail = {"version": calendar.version, "reason": reason}
    await note(tx, Audited(actor, "calendar.import", f"calendar:{name}", detail=detail))
    payload = {"version": calendar.version, "reason": reason}
    await jobs.enqueue(tx, REVIEW_JOB, payload, key=f"{REVIEW_JOB}:{calendar.version}")
    await notify(tx, CHANGED, calendar.version)
    return calendar


@dataclass
class CalendarKeeper:
    """One process's: keeps `rules.calendar` what the database says."""

    database: Database
    rules: Rules
    compose: Compose

    async def refresh(self) -> None:
        """Read and compose; a calendar that is wrong leaves the old one in use and is logged."""
        async with self.database.transaction() as tx:
            found = await texts(tx)
        calendar = await asyncio.to_thread(self.compose, found)
        if calendar != self.rules.calendar:
            log.info("the work calendar changed", extra={"calendar": calendar.version})
            self.rules.calendar = calendar

    async def run(self) -> None:
        """Until cancelled: refresh at every import, and after each loss of the database."""
        while True:
            try:
                async with listen(self.database, CHANGED) as told:
                    await self._try_refresh()
                    while await told.get() is not None:
                        await self._try_refresh()
            except DatabaseAway:
                pass
            await asyncio.sleep(0.5)

    async def _try_refresh(self) -> None:
        try:
            await self.refresh()
        except DatabaseAway:
            raise
        except Exception:
            log.exception("the work calendar could not be read; the one in use stays")


@dataclass
class CalendarWork:
    """The worker's part: running deadlines under a new calendar."""

    database: Database
    board: Board
    ground: flow_tickets.Ground
    keeper: CalendarKeeper

    async def review(self, job: Job) -> None:
        """`calendar.review`: every ticket once, a transaction each; goes on where it stopped when run again."""
        await self.keeper.refresh()
        rules, reason = self.ground.rules, str(job.payload["reason"])
        last = TicketId("")
        while True:
            async with self.database.transaction() as tx:
                batch = await calendar_changes.outdated(tx, rules.calendar.version, last, BATCH)
            if not batch:
                return
            for ticket_id in batch:
                await self._one(ticket_id, rules, reason)
            last = batch[-1]

    async def _one(self, ticket_id: TicketId, rules: Rules, reason: str) -> None:
        now = datetime.now(UTC)
        async with self.database.transaction() as tx:
            reviewed = await calendar_changes.review(
                tx, ticket_id, actor=system("calendar"), now=now, rules=rules, reason=reason
            )
            shown = await flow_tickets.tell(tx, self.ground, reviewed.facts, now)
        await self.board.publish(shown)
