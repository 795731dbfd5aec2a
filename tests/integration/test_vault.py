"""The identity vault on a real PostgreSQL: a number is nowhere but sealed, and every look at it is on record."""

import json

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.tables import audit, identity
from callcenter.types import Actor, IdentityId, PhoneNumber
from callcenter.vault import IdentityUnknown, Vault, VaultKeyMalformed, VaultKeyWrong, masked_of
from tests.support.told import KEY, VAULT, tell, with_agents

NUMBER = PhoneNumber("13912345678")
ME = Actor("user", "wangmin")


async def dump(tx: AsyncConnection) -> str:
    """Every value of every column of every table, bytes in hex: what a stolen backup would show."""
    query = "SELECT quote_ident(table_name) FROM information_schema.tables WHERE table_schema = 'public'"
    tables = (await tx.execute(text(query))).scalars().all()
    assert len(tables) > 20
    found: list[str] = []
    for table in tables:
        shown = await tx.execute(text(f"SELECT row_to_json(t)::text FROM {table} t"))
        found.extend(shown.scalars())
    return "\n".join(found)


def leaks(shown: str, digits: str) -> bool:
    return digits in shown or digits.encode().hex() in shown


async def test_a_number_comes_back_as_it_went_in(tx: AsyncConnection) -> None:
    who = await VAULT.identity_of(tx, NUMBER)
    assert await VAULT.identity_of(tx, NUMBER) == who
    assert await VAULT.identity_of(tx, PhoneNumber("13912345679")) != who
    assert await VAULT.number_of(tx, who) == NUMBER
    assert await masked_of(tx, who) == "139****5678"
    assert await masked_of(tx, None) == ""


@pytest.mark.clause("GZ-020")
async def test_a_whole_call_leaves_its_number_nowhere_in_the_database(tx: AsyncConnection) -> None:
    await with_agents(tx, "8001")
    await tell(tx, "citizen-hangs-up")
    shown = await dump(tx)
    assert "139****0001" in shown
    assert not leaks(shown, "13900000001")
    (who,) = (await tx.execute(select(identity.c.id))).scalars()
    await VAULT.reveal(tx, who, actor=ME, purpose="核对来电号码")
    assert not leaks(await dump(tx), "13900000001")


async def test_the_same_number_is_sealed_differently_under_another_key(tx: AsyncConnection) -> None:
    other = Vault("a5" * 32)
    who, theirs = await VAULT.identity_of(tx, NUMBER), await other.identity_of(tx, NUMBER)
    assert who != theirs
    assert VAULT.index(NUMBER) != other.index(NUMBER)
    with pytest.raises(VaultKeyWrong):
        await other.number_of(tx, who)


async def test_two_equal_seals_are_never_made(tx: AsyncConnection) -> None:
    who = await VAULT.identity_of(tx, NUMBER)
    query = select(identity.c.number_sealed).where(identity.c.id == who)
    first = (await tx.execute(query)).scalar_one()
    await tx.execute(identity.delete())
    again = await VAULT.identity_of(tx, NUMBER)
    assert (await tx.execute(query.with_only_columns(identity.c.number_sealed).where(identity.c.id == who))).all() == []
    assert (await tx.execute(select(identity.c.number_sealed).where(identity.c.id == again))).scalar_one() != first


async def test_a_seal_moved_to_another_row_does_not_open(tx: AsyncConnection) -> None:
    who, other = await VAULT.identity_of(tx, NUMBER), await VAULT.identity_of(tx, PhoneNumber("13812345678"))
    sealed = select(identity.c.number_sealed).where(identity.c.id == other).scalar_subquery()
    await tx.execute(identity.update().where(identity.c.id == who).values(number_sealed=sealed))
    with pytest.raises(VaultKeyWrong):
        await VAULT.number_of(tx, who)


@pytest.mark.clause("GZ-020")
async def test_a_reveal_is_on_record_with_who_and_why(tx: AsyncConnection) -> None:
    who = await VAULT.identity_of(tx, NUMBER)
    assert await VAULT.reveal(tx, who, actor=ME, purpose="回访") == NUMBER
    (row,) = (await tx.execute(select(audit))).all()
    assert (row.actor, row.action, row.subject, row.ok) == ("user:wangmin", "identity.reveal", f"identity:{who}", True)
    assert row.detail == {"purpose": "回访"}
    assert NUMBER.digits not in json.dumps(row.detail)


async def test_a_reveal_that_cannot_be_recorded_does_not_happen(tx: AsyncConnection) -> None:
    with pytest.raises(IdentityUnknown):
        await VAULT.reveal(tx, IdentityId(404), actor=ME, purpose="回访")
    assert (await tx.execute(select(audit))).all() == []


@pytest.mark.parametrize("key", ["", "5a", KEY + "00", "z" * 64, KEY[:-1]])
def test_a_key_that_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(VaultKeyMalformed):
        Vault(key)
