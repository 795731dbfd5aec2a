"""The ledger of missed calls on a real PostgreSQL: nobody is forgotten, nobody is called twice at once."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import missed
from callcenter.call_parse import is_originated
from callcenter.db import Database
from callcenter.missed import DUE, MAX_ATTEMPTS, CallBackRunning, Missed, MissedCallSettled
from callcenter.tables import missed_call
from callcenter.types import AgentId, CallId, IdentityId
from tests.support.told import NINE, caller, lost, with_call

FIRST, SECOND = AgentId("8001"), AgentId("8002")
LATER = NINE + timedelta(hours=1)


def own(number: int) -> CallId:
    return CallId(f"a-1763800000.{900_000_000 + number}")


async def missed_row(tx: AsyncConnection, number: int, who: IdentityId | None, minutes: int = 0) -> int:
    """A row of the ledger; its id."""
    call_id = await with_call(tx, number, who)
    await missed.record(tx, lost(call_id, NINE + timedelta(minutes=minutes)), who)
    query = select(missed_call.c.id).where(missed_call.c.call_id == call_id)
    return int((await tx.execute(query)).scalar_one())


async def state(tx: AsyncConnection, row: int) -> tuple[str, int, str | None]:
    query = select(missed_call.c.state, missed_call.c.attempts, missed_call.c.resolved_by)
    found = (await tx.execute(query.where(missed_call.c.id == row))).one()
    return found.state, found.attempts, found.resolved_by


async def test_a_missed_call_told_twice_is_one_row_due_in_half_an_hour(tx: AsyncConnection) -> None:
    who = await caller(tx)
    call_id = await with_call(tx, 1, who)
    for _ in range(2):
        await missed.record(tx, lost(call_id), who)
    (row,) = await missed.open_rows(tx, after=None, limit=10)
    assert (row.call_id, row.caller, row.state, row.due_at) == (call_id, who, "open", NINE + DUE)


async def test_a_caller_without_a_number_is_kept_but_cannot_be_called_back(tx: AsyncConnection) -> None:
    row = await missed_row(tx, 1, None)
    assert await state(tx, row) == ("no_number", 0, None)
    assert await missed.open_rows(tx, after=None, limit=10) == ()
    with pytest.raises(MissedCallSettled):
        await missed.take(tx, row, FIRST, own(1))


async def test_a_later_answered_call_settles_every_open_row_of_that_caller_only(tx: AsyncConnection) -> None:
    who, other = await caller(tx), await caller(tx, "13812345678")
    rows = [await missed_row(tx, number, who) for number in (1, 2)]
    of_other, to_come = await missed_row(tx, 3, other), await missed_row(tx, 4, who, minutes=90)
    answered = await with_call(tx, 9, who)
    assert await missed.settle(tx, who, answered, LATER) == 2
    assert [await state(tx, row) for row in rows] == [("superseded", 0, answered)] * 2
    assert [(await state(tx, row))[0] for row in (of_other, to_come)] == ["open", "open"]
    with pytest.raises(MissedCallSettled):
        await missed.take(tx, rows[0], FIRST, own(1))


async def test_a_call_back_that_reached_the_citizen_settles_its_row(tx: AsyncConnection) -> None:
    row = await missed_row(tx, 1, await caller(tx))
    taken = await missed.take(tx, row, FIRST, own(1))
    assert (taken.id, taken.caller, taken.queue) == (row, await caller(tx), "hotline")
    assert await missed.called_by(tx, own(1)) == await caller(tx)
    assert await missed.finish(tx, own(1), reached=True, at=LATER)
    assert await state(tx, row) == ("recovered", 1, own(1))
    with pytest.raises(MissedCallSettled):
        await missed.take(tx, row, FIRST, own(2))


async def test_after_three_attempts_in_vain_the_caller_is_unreachable(tx: AsyncConnection) -> None:
    row = await missed_row(tx, 1, await caller(tx))
    seen = []
    for attempt in range(1, MAX_ATTEMPTS + 1):
        await missed.take(tx, row, FIRST, own(attempt))
        assert await missed.finish(tx, own(attempt), reached=False, at=LATER)
        seen.append((await state(tx, row))[:2])
    assert seen == [("open", 1), ("open", 2), ("unreachable", 3)]
    with pytest.raises(MissedCallSettled):
        await missed.take(tx, row, FIRST, own(9))


async def test_an_attempt_nobody_knows_or_that_is_over_changes_nothing(tx: AsyncConnection) -> None:
    row = await missed_row(tx, 1, await caller(tx))
    assert not await missed.finish(tx, own(1), reached=True, at=LATER)
    await missed.take(tx, row, FIRST, own(1))
    assert await missed.finish(tx, own(1), reached=True, at=LATER)
    assert not await missed.finish(tx, own(1), reached=False, at=LATER)
    assert await state(tx, row) == ("recovered", 1, own(1))


async def test_an_attempt_given_up_as_lost_that_reached_the_citizen_after_all_counts(tx: AsyncConnection) -> None:
    row = await missed_row(tx, 1, await caller(tx))
    await missed.take(tx, row, FIRST, own(1))
    await missed.finish(tx, own(1), reached=False, at=LATER)
    assert await missed.finish(tx, own(1), reached=True, at=LATER)
    assert await state(tx, row) == ("recovered", 1, own(1))


async def attempt(db: Database, row: int, who: AgentId, number: int) -> Missed | type[Exception]:
    try:
        async with db.transaction() as tx:
            return await missed.take(tx, row, who, own(number))
    except (CallBackRunning, MissedCallSettled) as error:
        return type(error)


async def test_two_agents_at_once_make_one_call_back(db: Database) -> None:
    async with db.transaction() as tx:
        row = await missed_row(tx, 1, await caller(tx))
    ends = await asyncio.gather(*(attempt(db, row, who, n) for n, who in enumerate((FIRST, SECOND) * 4, start=1)))
    assert [type(end) for end in ends].count(Missed) == 1
    assert ends.count(CallBackRunning) == 7
    async with db.transaction() as tx:
        assert (await state(tx, row))[:2] == ("calling", 1)


async def test_two_rows_of_one_citizen_are_not_called_back_at_once(db: Database) -> None:
    async with db.transaction() as tx:
        rows = [await missed_row(tx, number, await caller(tx)) for number in (1, 2)]
        of_other = await missed_row(tx, 3, await caller(tx, "13812345678"))
    ends = await asyncio.gather(*(attempt(db, row, FIRST, n) for n, row in enumerate(rows, start=1)))
    assert [type(end) for end in ends].count(Missed) == 1
    assert ends.count(CallBackRunning) == 1
    assert isinstance(await attempt(db, of_other, SECOND, 3), Missed)
    async with db.transaction() as tx:
        assert sorted([(await state(tx, row))[:2] for row in rows]) == [("calling", 1), ("open", 0)]


async def test_pages_show_every_row_once_by_due_time_while_rows_come_and_go(tx: AsyncConnection) -> None:
    who = [await caller(tx, f"1391234{number:04}") for number in range(7)]
    minutes = [5, 1, 5, 3, 1, 5, 2]
    rows = [await missed_row(tx, number, who[number], minutes[number]) for number in range(7)]
    seen: list[Missed] = []
    while page := await missed.open_rows(tx, after=(seen[-1].due_at, seen[-1].id) if seen else None, limit=2):
        seen += page
        if len(seen) == 2:
            await missed.settle(tx, who[1], await with_call(tx, 99), LATER)
    assert [row.id for row in seen] == [rows[number] for number in (1, 4, 6, 3, 0, 2, 5)]


def test_an_id_for_a_call_of_our_own_is_known_as_such() -> None:
    ids = {missed.new_call_id("a", NINE) for _ in range(200)}
    assert len(ids) == 200
    assert all(is_originated(call_id) and call_id.startswith("a-1795338000.") for call_id in ids)
