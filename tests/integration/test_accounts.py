"""Accounts, sessions and locks on a real PostgreSQL; time is given."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import accounts, agents
from callcenter.accounts import IDLE, LOCK, LONGEST, WRONG_LIMIT
from callcenter.db import Database
from callcenter.tables import user_account, user_session
from callcenter.types import AgentId, Role, UnitId, UserId
from tests.support.told import NINE


async def somebody(tx: AsyncConnection, login: str = "wangmin") -> UserId:
    return await accounts.create(tx, login, "王敏", "hash", [Role.AGENT], extension=AgentId("8001"), queues=["hotline"])


async def test_who_signs_in_is_known_by_the_token_alone(tx: AsyncConnection) -> None:
    token = await accounts.open_session(tx, await somebody(tx), NINE)
    person = await accounts.person_of(tx, token, NINE)
    assert person is not None
    assert (person.login, person.name, person.extension) == ("wangmin", "王敏", AgentId("8001"))
    assert person.roles == {Role.AGENT}
    assert str(person.actor) == "user:wangmin"
    kept = (await tx.execute(select(user_session.c.token_hash))).scalar_one()
    assert bytes(kept) == accounts.fingerprint(token)
    assert token.encode() not in bytes(kept)


@pytest.mark.parametrize("token", ["", "x", "ö", "\udcff", "a" * 4000])
async def test_a_token_nobody_was_given_is_nobody(tx: AsyncConnection, token: str) -> None:
    await accounts.open_session(tx, await somebody(tx), NINE)
    assert await accounts.person_of(tx, token, NINE) is None


async def test_a_session_ends_when_it_is_not_used(tx: AsyncConnection) -> None:
    token = await accounts.open_session(tx, await somebody(tx), NINE)
    almost = NINE + IDLE - timedelta(seconds=1)
    assert await accounts.person_of(tx, token, almost) is not None
    assert await accounts.person_of(tx, token, almost + IDLE - timedelta(seconds=1)) is not None
    assert await accounts.person_of(tx, token, almost + 2 * IDLE) is None


async def test_a_look_keeps_no_session_alive(tx: AsyncConnection) -> None:
    token = await accounts.open_session(tx, await somebody(tx), NINE)
    almost = NINE + IDLE - timedelta(seconds=1)
    assert await accounts.person_of(tx, token, almost, used=False) is not None
    assert await accounts.person_of(tx, token, NINE + IDLE) is None


async def test_a_session_ends_after_twelve_hours_however_busy(tx: AsyncConnection) -> None:
    token = await accounts.open_session(tx, await somebody(tx), NINE)
    at = NINE
    while at + timedelta(minutes=10) < NINE + LONGEST:
        at += timedelta(minutes=10)
        assert await accounts.person_of(tx, token, at) is not None
    assert await accounts.person_of(tx, token, NINE + LONGEST) is None


async def locked_until(tx: AsyncConnection, who: UserId) -> object:
    return (await tx.execute(select(user_account.c.locked_until).where(user_account.c.id == who))).scalar_one()


async def test_five_wrong_passwords_lock_for_a_quarter_of_an_hour(tx: AsyncConnection) -> None:
    who = await somebody(tx)
    for _ in range(WRONG_LIMIT - 1):
        await accounts.wrong_password(tx, who, NINE)
    assert await locked_until(tx, who) is None
    await accounts.wrong_password(tx, who, NINE)
    assert await locked_until(tx, who) == NINE + LOCK
    known = await accounts.credentials(tx, "wangmin")
    assert known is not None
    assert known.locked_until == NINE + LOCK


async def test_a_right_password_forgets_the_wrong_ones(tx: AsyncConnection) -> None:
    who = await somebody(tx)
    for _ in range(WRONG_LIMIT - 1):
        await accounts.wrong_password(tx, who, NINE)
    await accounts.open_session(tx, who, NINE)
    for _ in range(WRONG_LIMIT - 1):
        await accounts.wrong_password(tx, who, NINE)
    assert await locked_until(tx, who) is None


async def test_guesses_at_once_are_counted_one_by_one(db: Database) -> None:
    async with db.transaction() as tx:
        who = await somebody(tx)

    async def guess() -> bool:
        async with db.transaction() as tx:
            known = await accounts.credentials(tx, "wangmin")
            assert known is not None
            if known.locked_until is not None:
                return False
            await accounts.wrong_password(tx, who, NINE)
            return True

    tried = await asyncio.gather(*(guess() for _ in range(10)))
    assert tried.count(True) == WRONG_LIMIT
    async with db.transaction() as tx:
        assert await locked_until(tx, who) == NINE + LOCK


async def test_a_new_password_ends_every_session(tx: AsyncConnection) -> None:
    who = await somebody(tx)
    tokens = [await accounts.open_session(tx, who, NINE) for _ in range(3)]
    await accounts.set_password(tx, who, "another hash")
    assert [await accounts.person_of(tx, token, NINE) for token in tokens] == [None, None, None]


async def test_a_disabled_account_is_nobody_from_that_moment(tx: AsyncConnection) -> None:
    who = await somebody(tx)
    token = await accounts.open_session(tx, who, NINE)
    await tx.execute(user_account.update().where(user_account.c.id == who).values(disabled=True))
    assert await accounts.person_of(tx, token, NINE) is None


async def test_signing_out_ends_this_session_only(tx: AsyncConnection) -> None:
    who = await somebody(tx)
    one, other = await accounts.open_session(tx, who, NINE), await accounts.open_session(tx, who, NINE)
    await accounts.close_session(tx, one)
    assert await accounts.person_of(tx, one, NINE) is None
    assert await accounts.person_of(tx, other, NINE) is not None


async def test_an_account_made_again_is_the_same_person_with_new_rights(tx: AsyncConnection) -> None:
    who = await somebody(tx)
    again = await accounts.create(
        tx, "wangmin", "王敏敏", "hash2", [Role.AGENT, Role.REVIEWER], unit=UnitId("water"),
        extension=AgentId("8001"), queues=["enterprise"],
    )  # fmt: skip
    assert again == who
    person = await accounts.person_of(tx, await accounts.open_session(tx, who, NINE), NINE)
    assert person is not None
    assert (person.name, person.unit) == ("王敏敏", UnitId("water"))
    assert person.roles == {Role.AGENT, Role.REVIEWER}
    agent = await agents.find(tx, AgentId("8001"))
    assert (agent.name, agent.queues) == ("王敏敏", ("enterprise",))
