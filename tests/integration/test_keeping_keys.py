"""Nothing is sealed under a master key that is not proven: the canaries, and what is on record of them."""

import asyncio
import dataclasses
from pathlib import Path

import pytest

from callcenter import metrics
from callcenter.custody import keeping_keys
from callcenter.custody.keeping_keys import KeyWork
from callcenter.custody.opening import keys_of
from callcenter.db import Database
from callcenter.jobs import Worker
from recordings.custody import canary
from recordings.custody.canary import KeyNotProven, canary_path, canary_text
from recordings.custody.custody import Cipher
from recordings.custody.ground import Ground
from recordings.custody.keys import (
    FileKeys,
    KeysAway,
    KeyWrong,
    new_key,
    read_key_file,
    write_key_file,
)
from recordings.custody.sealed import SealedFile
from recordings.custody.sidecar import is_recording_path
from tests.support.custody import custody_for_tests
from tests.support.kept_rows import audited, keep, key_of, objects, prove, words_of
from tests.support.token_keys import TokenKeys


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    write_key_file(path, (new_key("rk-1"),))
    return path


@pytest.fixture
def ground(tmp_path: Path, key_file: Path) -> Ground:
    return custody_for_tests(tmp_path / "spool", keys=FileKeys.load(key_file))


def another(ground: Ground, *names: str) -> Ground:
    """The same stores with other secrets under these names: the key file was swapped."""
    return dataclasses.replace(ground, keys=FileKeys(tuple(new_key(name) for name in names)))


async def test_a_keys_first_use_leaves_a_canary_in_both_places(db: Database, ground: Ground) -> None:
    assert await prove(db, ground) == "rk-1"
    path = canary_path("rk-1")
    for store in (ground.store, ground.copy):
        assert store is not None
        content = await store.read(path)
        assert SealedFile(store.fetch(path), len(content), ground.keys).read() == canary_text("rk-1")
    before = await objects(ground.store)
    assert await prove(db, ground) == "rk-1"
    assert await objects(ground.store) == before


@pytest.mark.parametrize("recordings", [0, 2])
async def test_a_swapped_key_file_is_caught_before_anything_is_written(
    db: Database, ground: Ground, recordings: int
) -> None:
    await prove(db, ground)
    await keep(db, ground, recordings)
    before = await objects(ground.store), await objects(ground.copy)
    with pytest.raises(
        KeyNotProven, match=f"rk-1 does not open .* \\({recordings} recordings\\).*give a new key a name"
    ):
        await prove(db, another(ground, "rk-1"))
    assert (await objects(ground.store), await objects(ground.copy)) == before


async def test_a_swapped_key_file_is_caught_where_no_canary_is_left(db: Database, ground: Ground) -> None:
    await keep(db, ground, 1)
    with pytest.raises(KeyNotProven, match="it is another key"):
        await prove(db, another(ground, "rk-1"))
    assert not [path for path in await objects(ground.store) if not is_recording_path(path)]
    assert await prove(db, ground) == "rk-1"
    assert canary_path("rk-1") in await objects(ground.copy)


async def test_a_damaged_canary_is_mended_from_the_copy(db: Database, ground: Ground) -> None:
    await prove(db, ground)
    path = canary_path("rk-1")
    good = await ground.store.read(path)
    await ground.store.delete(path)
    for changed in (None, good[:-1] + bytes([good[-1] ^ 1]), good[:-20], good[:50], b"noise"):
        if changed is not None:
            await ground.store.replace(path, changed)
        assert await prove(db, ground) == "rk-1"
        content = await ground.store.read(path)
        assert SealedFile(ground.store.fetch(path), len(content), ground.keys).read() == canary_text("rk-1")


async def test_a_canary_damaged_everywhere_is_made_again_if_a_recording_proves_the_key(
    db: Database, ground: Ground
) -> None:
    await prove(db, ground)
    for store in (ground.store, ground.copy):
        assert store is not None
        await store.replace(canary_path("rk-1"), b"noise")
    with pytest.raises(KeyNotProven):
        await prove(db, ground)
    await keep(db, ground, 1)
    assert await prove(db, ground) == "rk-1"


async def test_a_missing_key_says_which_and_how_many_recordings_need_it(
    db: Database, ground: Ground, key_file: Path
) -> None:
    await keep(db, ground, 3)
    write_key_file(key_file, (new_key("rk-2"),))
    async with db.transaction() as tx:
        (wrong,) = await canary.check(tx, ground)
    assert (wrong.key_id, str(wrong)[:60]) == ("rk-1", "master key rk-1 is not here and 3 recordings need it; bring ")


async def test_without_a_copy_the_store_alone_proves(db: Database, tmp_path: Path) -> None:
    alone = custody_for_tests(tmp_path / "spool", copy=False, cipher=Cipher.SM4_GCM)
    assert await prove(db, alone) == "test-1"
    with pytest.raises(KeyNotProven):
        await prove(db, another(alone, "test-1"))


async def test_two_workers_at_a_keys_first_use_make_one_canary(db: Database, ground: Ground) -> None:
    assert await asyncio.gather(*(prove(db, ground) for _ in range(6))) == ["rk-1"] * 6
    assert list(await objects(ground.store)) == [canary_path("rk-1")]


async def test_two_keys_of_one_name_at_first_use_are_caught(db: Database, ground: Ground) -> None:
    told = await asyncio.gather(*(prove(db, one) for one in (ground, another(ground, "rk-1"))), return_exceptions=True)
    assert len([one for one in told if isinstance(one, KeyNotProven)]) == 1


async def test_the_check_is_on_record_counted_and_heals(db: Database, ground: Ground, key_file: Path) -> None:
    now = [0.0]
    work = KeyWork(db, ground, clock=lambda: now[0])
    await keep(db, ground, 2)
    await work.sweep()
    await work.sweep()
    assert [(one.subject, one.ok) for one in await audited(db, "recording_key.prove")] == [("key:rk-1", True)]
    right = read_key_file(key_file)
    write_key_file(key_file, (new_key("rk-1"),))
    now[0] += 86_401
    await work.sweep()
    assert metrics.RECORDING_KEYS_WRONG._value.get() == 1
    now[0] += 600
    await work.sweep()
    last = (await audited(db, "recording_key.prove"))[1:]
    assert [(one.subject, one.ok) for one in last] == [("key:rk-1", False)]
    assert "2 recordings" in last[0].detail["reason"]
    write_key_file(key_file, right)
    now[0] += 600
    await work.sweep()
    assert metrics.RECORDING_KEYS_WRONG._value.get() == 0
    assert [one.ok for one in await audited(db, "recording_key.prove")] == [True, False, True]


async def test_a_token_keeps_recordings_too_and_is_waited_for(db: Database, tmp_path: Path) -> None:
    keys = keys_of("plugin:tests.support.token_keys:make")
    assert isinstance(keys, TokenKeys)
    ground = custody_for_tests(tmp_path / "spool", keys=keys)
    assert await prove(db, ground) == "hsm-2"
    (one,) = await keep(db, ground, 1)
    assert ground.open(one).read() == words_of(1)
    keys.token.slot_full = False
    with pytest.raises(KeysAway, match="does not answer"):
        await prove(db, ground)
    keys.token.slot_full = True
    with pytest.raises(KeyWrong):
        ground.keys.unwrap("hsm-1", key_of(one).wrapped)


async def test_a_worker_proves_the_keys_at_its_start_and_starts_without_a_database_too(
    db: Database, ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(db.asyncpg_dsn, {})
    await keeping_keys.register(worker, db, ground)
    assert canary_path("rk-1") in await objects(ground.store)
    assert [one.ok for one in await audited(db, "recording_key.prove")] == [True]
    away = Database("postgresql://nobody@127.0.0.1:1/none")
    await keeping_keys.register(worker, away, ground)
    await away.close()
    assert "the master keys could not be proven yet" in caplog.messages
