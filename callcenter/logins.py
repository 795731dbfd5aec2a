"""Who signed in: units whose people did not on a working day, taken from the record of sign-ins (MC-023)."""

from dataclasses import dataclass
from datetime import date, datetime, time

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.tables import audit, user_account
from callcenter.types import UnitId
from ticketing.clocks import ONE_DAY, at_local

SIGNED_IN = "session.login"


@dataclass(frozen=True, slots=True)
class UnitLogins:
    """How often a unit's people signed in on that day; first_at None: nobody did. people: accounts it has."""

    unit: UnitId
    people: int
    times: int
    first_at: datetime | None


async def of_day(tx: AsyncConnection, day: date, scope: UnitId | None = None) -> tuple[UnitLogins, ...]:
    """Every unit that has an account, by unit. day: local date."""
    since, until = at_local(day, time.min), at_local(day + ONE_DAY, time.min)
    signed = audit.c.actor == func.concat("user:", user_account.c.login)
    that_day = (audit.c.action == SIGNED_IN, audit.c.ok, audit.c.at >= since, audit.c.at < until)
    joined = user_account.outerjoin(audit, signed & that_day[0] & that_day[1] & that_day[2] & that_day[3])
    people = func.count(user_account.c.id.distinct())
    query = (
        select(user_account.c.unit, people, func.count(audit.c.id), func.min(audit.c.at))
        .select_from(joined)
        .where(user_account.c.unit.is_not(None), user_account.c.disabled.is_(False))
        .group_by(user_account.c.unit)
        .order_by(user_account.c.unit)
    )
    if scope is not None:
        query = query.where(user_account.c.unit == scope)
    return tuple(UnitLogins(UnitId(row[0]), *row[1:]) for row in (await tx.execute(query)).all())
