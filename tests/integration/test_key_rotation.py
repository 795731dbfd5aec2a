"""Rotation on real rows and stores: wrapped anew, killed and resumed; keys are retired when nothing needs them."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from callcenter.custody import keeping_keys
from callcenter.db import Database
from recordings.custody import rotation
from recordings.custody.canary import KeyNotProven
from recordings.custody.custody import key_path
from recordings.custody.ground import Ground
from recordings.custody.keys import (
    FileKeys,
    KeyFileWrong,
    Kind,
    change_key_file,
    new_key,
    read_key_file,
    write_key_file,
)
from recordings.custody.leaving import decrypt
from recordings.custody.objects import ObjectStore, StoreAway
from recordings.custody.sidecar import is_recording_path, sidecar
from recordings.custody.tables import recording_object
from tests.support.custody import custody_for_tests
from tests.support.kept_rows import WHO, add_key, audited, keep, key_of, objects, prepared, prove, row_of, words_of


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    write_key_file(path, (new_key("rk-1"),))
    return path


@pytest.fixture
def ground(tmp_path: Path, key_file: Path) -> Ground:
    return custody_for_tests(tmp_path / "spool", keys=FileKeys.load(key_file))


@pytest.mark.parametrize("kind", list(Kind))
async def test_rotation_wraps_anew_and_touches_no_audio(
    db: Database, ground: Ground, key_file: Path, tmp_path: Path, kind: Kind
) -> None:
    before = await keep(db, ground, 7)
    audio = await objects(ground.store)
    add_key(key_file, "rk-2", kind)
    turned = await keeping_keys.rotate(db, ground, WHO, batch=3)
    assert (turned.key_id, turned.done, turned.failed, turned.left) == ("rk-2", 7, (), ())
    for store in (ground.store, ground.copy):
        after = await objects(store)
        assert {path: after[path] for path in audio} == audio
        assert {key_path(one.path, "rk-2") for one in before} <= set(after)
    # The old key goes, and everything still opens: through the database, and without it.
    async with db.transaction() as tx:
        await rotation.require_unneeded(tx, "rk-1", 0.0)
    change_key_file(key_file, lambda keys: keys[1:])
    for number, one in enumerate(before, 1):
        now = await row_of(db, one)
        assert ground.open(now).read() == ground.open(now, from_copy=True).read() == words_of(number)
        assert ground.store.folder is not None
        opened = decrypt(ground.store.folder / one.path, ground.keys, tmp_path)
        assert opened.read_bytes() == words_of(number)
    assert sum(one.detail["recordings"] for one in await audited(db, "recording_key.rotate")) == 7


async def test_rotation_may_be_run_again_and_again(db: Database, ground: Ground, key_file: Path) -> None:
    await keep(db, ground, 2)
    add_key(key_file, "rk-2")
    await keeping_keys.rotate(db, ground, WHO)
    before = await objects(ground.store)
    assert (await keeping_keys.rotate(db, ground, WHO)).done == 0
    assert await objects(ground.store) == before
    assert len(await audited(db, "recording_key.rotate")) == 1


class Killed(BaseException):
    """The process is gone."""


async def test_rotation_killed_after_any_write_is_resumed(
    db: Database, ground: Ground, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two canaries and six keys are written: killed before each of the eight."""
    before = await keep(db, ground, 3)
    left, real = [0], ObjectStore.put_new

    async def put_new(self: ObjectStore, path: str, data: bytes) -> None:
        if not left[0]:
            raise Killed
        left[0] -= 1
        await real(self, path, data)

    async def opens() -> set[str]:
        now = [await row_of(db, one) for one in before]
        assert [ground.open(one).read() for one in now] == [words_of(number) for number in (1, 2, 3)]
        return {key_of(one).key_id for one in now}

    for writes in range(8):
        add_key(key_file, f"k-{writes}")
        left[0] = writes
        with monkeypatch.context() as patched:
            patched.setattr(ObjectStore, "put_new", put_new)
            with pytest.raises(Killed):
                await keeping_keys.rotate(db, ground, WHO, batch=2)
        await opens()
        assert (await keeping_keys.rotate(db, ground, WHO, batch=2)).left == ()
        assert await opens() == {f"k-{writes}"}


async def test_a_damaged_key_beside_a_file_is_replaced(db: Database, ground: Ground, key_file: Path) -> None:
    one, other = await keep(db, ground, 2)
    add_key(key_file, "rk-2")
    where = key_path(one.path, "rk-2")
    for content in (b"", b"noise", sidecar(other.name, key_of(other)), sidecar(one.name, key_of(one))):
        await ground.store.replace(where, content)
        async with db.transaction() as tx:
            await tx.execute(
                update(recording_object)
                .where(recording_object.c.recording_id == one.recording_id)
                .values(key_id="rk-1", wrapped_key=key_of(one).wrapped)
            )
        assert (await keeping_keys.rotate(db, ground, WHO)).done
        assert await ground.store.read(where) not in (content, b"")


async def test_a_recording_whose_key_is_lost_is_named_and_the_others_are_done(
    db: Database, ground: Ground, key_file: Path
) -> None:
    lost = (await keep(db, ground, 1))[0]
    add_key(key_file, "rk-2")
    await keep(db, ground, 2, first=2)
    add_key(key_file, "rk-3")
    change_key_file(key_file, lambda keys: keys[1:])
    turned = await keeping_keys.rotate(db, ground, WHO)
    assert turned.done == 2
    assert turned.failed == (f"recording {lost.recording_id} ({lost.name}): master key rk-1 is not here",)
    assert [(use.key_id, use.recordings) for use in turned.left] == [("rk-1", 1)]
    assert [one.ok for one in await audited(db, "recording_key.rotate")] == [True, False]


async def test_rotation_to_a_key_that_is_not_what_it_was_changes_nothing(
    db: Database, ground: Ground, key_file: Path
) -> None:
    await keep(db, ground, 1)
    add_key(key_file, "rk-2")
    await prove(db, ground)
    first = read_key_file(key_file)[0]
    write_key_file(key_file, (first, new_key("rk-2")))
    before = await objects(ground.store)
    with pytest.raises(KeyNotProven, match="rk-2 does not open"):
        await keeping_keys.rotate(db, ground, WHO)
    assert await objects(ground.store) == before
    assert [(one.subject, one.ok) for one in await audited(db, "recording_key.rotate")] == [("key:rk-2", False)]


async def test_rotation_stops_while_the_copy_is_away(
    db: Database, ground: Ground, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one,) = await keep(db, ground, 1)
    add_key(key_file, "rk-2")
    await prove(db, ground)

    async def away(*_: Any) -> None:
        raise StoreAway("the other room is dark")

    assert ground.copy is not None
    with monkeypatch.context() as patched:
        patched.setattr(ground.copy, "put_new", away)
        with pytest.raises(StoreAway):
            await keeping_keys.rotate(db, ground, WHO)
    assert key_of(await row_of(db, one)).key_id == "rk-1"
    assert (await keeping_keys.rotate(db, ground, WHO)).done == 1


async def test_the_keys_of_an_object_are_copied_to_a_store_that_lost_them(
    db: Database, ground: Ground, key_file: Path
) -> None:
    one, other = await keep(db, ground, 2)
    add_key(key_file, "rk-2")
    await keeping_keys.rotate(db, ground, WHO)
    assert ground.copy is not None
    before = await objects(ground.copy)
    for path in await rotation.sidecars(ground.copy, one.path):
        await ground.copy.delete(path)
    assert await rotation.copy_keys(ground.store, ground.copy, one.path) == 1
    assert await rotation.copy_keys(ground.store, ground.copy, one.path) == 0
    assert await objects(ground.copy) == before
    assert sorted(path for path in before if is_recording_path(path)) == sorted([one.path, other.path])


async def test_a_key_is_retired_only_when_nothing_needs_it(db: Database, ground: Ground, key_file: Path) -> None:
    await keep(db, ground, 2)
    with pytest.raises(KeyFileWrong, match="named rk-1 already"):
        await keeping_keys.add_key(db, key_file, "rk-1", Kind.AES_256, WHO)
    made = await keeping_keys.add_key(db, key_file, "rk-2", Kind.SM4, WHO)
    assert (ground.keys.active, read_key_file(key_file)[-1]) == ("rk-2", made)
    with pytest.raises(rotation.KeyNeeded, match="2 recordings need master key rk-1"):
        await keeping_keys.retire(db, key_file, "rk-1", WHO)
    await keeping_keys.rotate(db, ground, WHO)
    for name, why in (("rk-2", "recordings need|active"), ("rk-9", "not in")):
        with pytest.raises((KeyFileWrong, rotation.KeyNeeded), match=why):
            await keeping_keys.retire(db, key_file, name, WHO)
    await keeping_keys.retire(db, key_file, "rk-1", WHO)
    assert ground.keys.key_ids() == {"rk-2"}
    told = await audited(db, "recording_key.retire")
    assert [(one.subject, one.ok) for one in told] == [
        ("key:rk-1", False),
        ("key:rk-2", False),
        ("key:rk-9", False),
        ("key:rk-1", True),
    ]
    assert made.secret.hex() not in str(await audited(db, "recording_key.new"))


async def test_a_key_is_not_retired_under_a_recording_that_is_being_sealed(
    db: Database, ground: Ground, key_file: Path
) -> None:
    async with db.transaction() as tx:
        await prepared(tx, 1, datetime.now(UTC) - timedelta(seconds=30))
    add_key(key_file, "rk-2")
    with pytest.raises(rotation.KeyNeeded, match="1 recordings have been on their way"):
        await keeping_keys.retire(db, key_file, "rk-1", WHO)
    ago = datetime.now(UTC).timestamp() - 3600
    os.utime(key_file, (ago, ago))
    await keeping_keys.retire(db, key_file, "rk-1", WHO)
