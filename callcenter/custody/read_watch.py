"""Who sees or hears more than the work asks for: an alarm within a minute, for auditors and supervisors."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import metrics
from callcenter.audit import Audited, note
from callcenter.board import AUDITORS, Board, BoardEvent
from callcenter.db import Database
from callcenter.tables import READS, audit
from callcenter.types import system
from ticketing.clocks import SHANGHAI

HOUR = timedelta(hours=1)
MOST = 30
"""Identities and recordings one person opens in an hour; a reviewer who hears calls out gets to some ten."""
MOST_AT_NIGHT = 10
"""The night shift answers calls; it has little reason to look numbers up or to hear old calls."""
NIGHT_FROM, NIGHT_UNTIL = time(22), time(6)
"""Local."""
ALARM = "alarm.many_reads"
WATCH = system("read watch")


@dataclass(frozen=True, slots=True)
class ReadWatch:
    """Looks at the last hour of the audit."""

    database: Database
    board: Board

    async def sweep(self) -> None:
        """One alarm a person and hour. Raises DatabaseAway."""
        async with self.database.transaction() as tx:
            now: datetime = (await tx.execute(select(func.clock_timestamp()))).scalar_one()
            told = [await _alarm(tx, who, times, now) for who, times in await too_many(tx, now)]
        await self.board.publish(tuple(told))


async def too_many(tx: AsyncConnection, now: datetime) -> list[tuple[str, int]]:
    """Who opened more than they may in the hour before `now`, how many, and was not yet reported in this hour."""
    since = now - HOUR
    reported = select(audit.c.subject).where(audit.c.action == ALARM, audit.c.at > since)
    times = func.count(audit.c.id)
    query = (
        select(audit.c.actor, times)
        .where(audit.c.action.in_(READS), audit.c.at > since, audit.c.at <= now, audit.c.ok)
        .where(audit.c.actor.not_in(reported))
        .group_by(audit.c.actor)
        .having(times > (MOST_AT_NIGHT if is_night(now) else MOST))
        .order_by(audit.c.actor)
    )
    return [(row[0], row[1]) for row in (await tx.execute(query)).all()]


def is_night(now: datetime) -> bool:
    """Whether it is night in China."""
    local = now.astimezone(SHANGHAI).time()
    return local >= NIGHT_FROM or local < NIGHT_UNTIL


async def _alarm(tx: AsyncConnection, who: str, times: int, now: datetime) -> BoardEvent:
    detail = {"times": times, "night": is_night(now)}
    await note(tx, Audited(WATCH, ALARM, who, detail=detail))
    metrics.MANY_READS.inc()
    return BoardEvent(ALARM, {"who": who, "times": times, "at": now.isoformat()}, audience=AUDITORS)
