"""The ledger of missed calls (漏接回拨): nobody who rang and reached no person is forgotten.

A row has an owner and a due time, is settled by a later answered call of the same caller, and is called back by
one attempt at a time: the unique index on `caller where state = 'calling'` refuses a second.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import ticket_calls
from callcenter.call_facts import CallMissed
from callcenter.call_parse import ORIGINATED_FROM
from callcenter.tables import missed_call
from callcenter.types import AgentId, CallId, IdentityId

DUE = timedelta(minutes=30)
MAX_ATTEMPTS = 3
OPEN = ("open", "calling")


class MissedCallSettled(Exception):
    """这条漏接已处理（已接通、已回拨或号码未知），无需再次回拨。"""


class CallBackRunning(Exception):
    """这位来电人正在被回拨中，请等待结果，不要重复拨打。"""


@dataclass(frozen=True, slots=True)
class Missed:
    """One row of the ledger."""

    id: int
    call_id: CallId
    caller: IdentityId | None
    queue: str
    reason: str
    asked: bool
    at: datetime
    due_at: datetime
    owner: str | None
    state: str
    attempts: int
    resolved_by: CallId | None
    resolved_at: datetime | None


def new_call_id(node: str, now: datetime) -> CallId:
    """An id for a call this system places; see call_parse.is_originated."""
    number = ORIGINATED_FROM + secrets.randbelow(99_999_999)
    return CallId(f"{node}-{int(now.timestamp())}.{number}")


async def record(tx: AsyncConnection, fact: CallMissed, caller: IdentityId | None) -> None:
    """Enter a missed call; a second telling of the same call changes nothing."""
    row = insert(missed_call).values(
        call_id=fact.call_id,
        caller=caller,
        queue=fact.queue,
        reason=fact.reason,
        asked=fact.asked,
        at=fact.at,
        due_at=fact.at + DUE,
        state="open" if caller is not None else "no_number",
    )
    await tx.execute(row.on_conflict_do_nothing(index_elements=["call_id"]))


async def settle(tx: AsyncConnection, caller: IdentityId, by: CallId, at: datetime) -> int:
    """The caller was answered in call `by`: every earlier open row of theirs is superseded. Returns how many."""
    done = (
        update(missed_call)
        .where(missed_call.c.caller == caller, missed_call.c.state == "open", missed_call.c.at <= at)
        .values(state="superseded", resolved_by=by, resolved_at=at)
    )
    return int((await tx.execute(done)).rowcount)


async def take(tx: AsyncConnection, missed_id: int, who: AgentId, calling_as: CallId) -> Missed:
    """Start one attempt as call `calling_as`. Raises MissedCallSettled, CallBackRunning."""
    query = select(missed_call).where(missed_call.c.id == missed_id).with_for_update()
    row = (await tx.execute(query)).one_or_none()
    if row is None or row.state not in OPEN:
        raise MissedCallSettled
    if row.state == "calling":
        raise CallBackRunning
    if row.caller is not None:
        await ticket_calls.hold_line(tx, IdentityId(row.caller))
        if await ticket_calls.is_calling(tx, IdentityId(row.caller)):
            raise CallBackRunning
    taken = {"state": "calling", "owner": who, "attempts": row.attempts + 1, "calling_as": calling_as}
    try:
        async with tx.begin_nested():
            await tx.execute(update(missed_call).where(missed_call.c.id == missed_id).values(**taken))
    except IntegrityError:
        raise CallBackRunning from None
    return _missed(row)


async def called_by(tx: AsyncConnection, calling_as: CallId) -> IdentityId | None:
    """Whom the attempt `calling_as` calls; None: it is no attempt of the ledger."""
    who = (await tx.execute(select(missed_call.c.caller).where(missed_call.c.calling_as == calling_as))).scalar()
    return IdentityId(who) if who is not None else None


async def finish(tx: AsyncConnection, calling_as: CallId, *, reached: bool, at: datetime) -> bool:
    """The attempt is over: recovered, open for another, or unreachable after MAX_ATTEMPTS. False: no such attempt.

    An attempt that was given up as lost and reached the citizen after all is recovered too.
    """
    ours = missed_call.c.calling_as == calling_as
    running = missed_call.c.state.in_(("calling", "open", "unreachable") if reached else ("calling",))
    query = select(missed_call.c.attempts).where(ours, running)
    attempts = (await tx.execute(query.with_for_update())).scalar_one_or_none()
    if attempts is None:
        return False
    state = "recovered" if reached else ("open" if attempts < MAX_ATTEMPTS else "unreachable")
    values: dict[str, Any] = {"state": state}
    if state != "open":
        values |= {"resolved_by": calling_as, "resolved_at": at}
    await tx.execute(update(missed_call).where(ours).values(**values))
    return True


async def open_rows(tx: AsyncConnection, *, after: tuple[datetime, int] | None, limit: int) -> tuple[Missed, ...]:
    """Open rows by due time, keyset-paged: `after` is (due_at, id) of the last row seen."""
    query = select(missed_call).where(missed_call.c.state.in_(OPEN))
    if after is not None:
        due_at, row_id = after
        query = query.where(
            (missed_call.c.due_at > due_at) | ((missed_call.c.due_at == due_at) & (missed_call.c.id > row_id))
        )
    rows = await tx.execute(query.order_by(missed_call.c.due_at, missed_call.c.id).limit(limit))
    return tuple(_missed(row) for row in rows)


async def settled_rows(tx: AsyncConnection, *, before: tuple[datetime, int] | None, limit: int) -> tuple[Missed, ...]:
    """Rows nobody has to act on any more, the last missed first: `before` is (at, id) of the last row seen."""
    query = select(missed_call).where(missed_call.c.state.not_in(OPEN))
    if before is not None:
        query = query.where(tuple_(missed_call.c.at, missed_call.c.id) < tuple_(*before))
    rows = await tx.execute(query.order_by(missed_call.c.at.desc(), missed_call.c.id.desc()).limit(limit))
    return tuple(_missed(row) for row in rows)


def _missed(row: Any) -> Missed:
    return Missed(
        id=row.id,
        call_id=CallId(row.call_id),
        caller=IdentityId(row.caller) if row.caller is not None else None,
        queue=row.queue,
        reason=row.reason,
        asked=row.asked,
        at=row.at,
        due_at=row.due_at,
        owner=row.owner,
        state=row.state,
        attempts=row.attempts,
        resolved_by=CallId(row.resolved_by) if row.resolved_by else None,
        resolved_at=row.resolved_at,
    )
