"""Damage in one place is mended from the other, and what both have lost is said; nothing is ever removed."""

import asyncio
import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from callcenter.custody import recheck_work
from callcenter.custody.recheck_work import RECHECK_JOB, Found, Recheck, Share
from callcenter.db import Database
from callcenter.job import Job
from recordings.audio import sha256
from recordings.custody import intake, recheck, recheck_rows, rows
from recordings.custody.codec import measured
from recordings.custody.custody import Kept
from recordings.custody.ground import Ground
from recordings.custody.keys import FileKeys, new_key
from recordings.custody.objects import ObjectStore, StoreAway
from recordings.custody.recheck import AIM, Place, Trouble, at_once
from recordings.custody.sealed import OtherFile
from tests.support.custody import custody_for_tests
from tests.support.kept_rows import audited, objects, prepared, row_of
from tests.support.s3 import s3_server
from tests.support.spoken import tone, write_sln


@dataclass
class House:
    """Some kept recordings, in the store and in the copy, and ways to spoil them."""

    db: Database
    ground: Ground
    kept: list[Kept]

    @property
    def check(self) -> Recheck:
        return Recheck(self.db, self.ground, at_once)

    def file(self, number: int, place: Place = Place.STORE) -> Path:
        store = recheck.at(self.ground, place)
        assert store is not None
        assert store.folder is not None
        return store.folder / self.kept[number].path

    async def age(self, days: float = 81) -> None:
        """As if nobody had looked for so long."""
        async with self.db.transaction() as tx:
            at = datetime.now(UTC) - timedelta(days=days)
            for place in Place:
                for one in self.kept:
                    await recheck_rows.looked(tx, one.recording_id, place, at)

    async def all(self, *, repair: bool = True) -> list[Found]:
        places = self.check.places
        return [
            found for place in places for found in [one async for one in self.check.everything(place, repair=repair)]
        ]

    async def contents(self) -> tuple[dict[str, bytes], dict[str, bytes]]:
        return await objects(self.ground.store), await objects(self.ground.copy)

    async def verified(self) -> list[str]:
        async with self.db.transaction() as tx:
            return await recheck_work.lost(tx, datetime.now(UTC))


async def keep(db: Database, ground: Ground, number: int, *, copied: bool = True) -> Kept:
    """A tone of some length, as intake keeps it."""
    async with db.transaction() as tx:
        one = await prepared(tx, number)
    path = write_sln(ground.spool / f"{number}.sln", tone(0.5 + number / 10))
    stored = await intake.put(ground, one, path, "test-1", sha256(path))
    async with db.transaction() as tx:
        await rows.stored(tx, one.recording_id, stored.contents, stored.sealed, datetime.now(UTC), name=one.name)
    one = await row_of(db, one)
    if ground.copy is not None and copied:
        await intake.copy(ground, one)
        async with db.transaction() as tx:
            await rows.copied(tx, one.recording_id, datetime.now(UTC))
    return await row_of(db, one)


@pytest.fixture
async def house(db: Database, tmp_path: Path) -> House:
    ground = custody_for_tests(tmp_path / "spool", keys=FileKeys((new_key("test-1"),)))
    return House(db, ground, [await keep(db, ground, n) for n in range(3)])


def flip(file: Path) -> None:
    """One bit of one byte, somewhere in the sound."""
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def grow(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"x")


def swap(file: Path) -> None:
    """Another valid recording under this path."""
    other = next(one for one in file.parents[4].rglob("*.ccr") if one != file)
    file.write_bytes(other.read_bytes())


SPOILT: tuple[tuple[Callable[[Path], Any], Trouble], ...] = (
    (flip, Trouble.DAMAGED),
    (cut, Trouble.DAMAGED),
    (grow, Trouble.DAMAGED),
    (swap, Trouble.DAMAGED),
    (Path.unlink, Trouble.ABSENT),
)


@pytest.mark.parametrize("place", Place)
async def test_whatever_is_spoilt_in_one_place_is_mended_from_the_other(house: House, place: Place) -> None:
    sound = await house.contents()
    for spoil, trouble in SPOILT:
        spoil(house.file(1, place))
        (looked,) = await house.all(repair=False)
        assert (looked.place, looked.trouble, looked.mended) == (place, trouble, False)
        (found,) = await house.all()
        assert (found.recording_id, found.mended) == (house.kept[1].recording_id, True)
        assert await house.contents() == sound
        assert await house.all() == []
    told = await audited(house.db, "recording.repaired")
    assert [(row.ok, row.detail["place"], row.detail["trouble"]) for row in told] == [
        (True, place, trouble) for _, trouble in SPOILT
    ]
    assert await house.verified() == []


async def test_what_broke_while_it_was_heard_is_mended_at_once(house: House) -> None:
    sound = await house.contents()
    flip(house.file(1))
    work = house.check
    job = Job(1, RECHECK_JOB, "", f'{{"recording": {house.kept[1].recording_id}}}'.encode(), 1)
    await work.one(job)
    assert await house.contents() == sound
    assert [row.ok for row in await audited(house.db, "recording.repaired")] == [True]
    await work.one(job)
    assert len(await audited(house.db, "recording.repaired")) == 1, "whole now"


async def test_a_swapped_file_is_never_played_as_the_one_asked_for(house: House) -> None:
    swap(house.file(1))
    with pytest.raises(OtherFile):
        await asyncio.to_thread(house.ground.open, house.kept[1])


async def test_the_sweep_looks_at_what_is_due_and_mends_it(house: House) -> None:
    await house.age()
    flip(house.file(0))
    house.file(2, Place.COPY).unlink()
    await house.check.sweep()
    assert len(await audited(house.db, "recording.repaired")) == 2
    async with house.db.transaction() as tx:
        oldest = [await recheck_rows.oldest(tx, place) for place in Place]
    assert all(at is not None and at > datetime.now(UTC) - timedelta(minutes=5) for at in oldest)


async def test_what_was_looked_at_lately_is_not_read_again(house: House) -> None:
    flip(house.file(0))
    await house.check.sweep()
    assert await audited(house.db, "recording.repaired") == []


async def test_what_both_have_lost_is_said_once_and_never_removed(house: House) -> None:
    flip(house.file(0))
    cut(house.file(0, Place.COPY))
    spoilt = await house.contents()
    found = await house.all()
    assert [(one.place, one.mended) for one in found] == [(Place.STORE, False), (Place.COPY, False)]
    await house.all()
    assert await house.contents() == spoilt
    assert len(await audited(house.db, "recording.lost")) == 2
    told = await house.verified()
    assert len(told) == 2
    assert all(f"recording {house.kept[0].recording_id} is damaged" in one for one in told)


async def test_what_comes_back_from_a_backup_is_found_the_next_day(house: House) -> None:
    sound = house.file(0).read_bytes()
    for place in Place:
        house.file(0, place).unlink()
    await house.all()
    assert len(await house.verified()) == 2
    house.file(0).write_bytes(sound)
    await house.age(days=1.1)
    await house.check.sweep()
    await house.check.sweep()
    assert await house.verified() == []
    assert house.file(0, Place.COPY).read_bytes() == sound


async def test_without_a_copy_damage_is_reported(db: Database, tmp_path: Path) -> None:
    ground = custody_for_tests(tmp_path / "spool", copy=False)
    house = House(db, ground, [await keep(db, ground, 1)])
    flip(house.file(0))
    (found,) = await house.all()
    assert (found.mended, found.why) == (False, "there is no second place")


async def test_a_copy_that_was_not_made_yet_is_not_missed(house: House) -> None:
    house.kept.append(await keep(house.db, house.ground, 9, copied=False))
    assert await house.all() == []
    flip(house.file(3))
    (found,) = await house.all()
    assert found.why == "it was not copied yet"


async def test_a_copy_that_does_not_open_is_not_trusted(house: House) -> None:
    """Whoever changed the copy changed its checksum in the database, too."""
    flip(house.file(0, Place.COPY))
    house.file(0).unlink()
    data = house.file(0, Place.COPY).read_bytes()
    async with house.db.transaction() as tx:
        await tx.execute(text("ALTER TABLE recording_object DISABLE TRIGGER USER"))
        query = "UPDATE recording_object SET sealed_sha256 = encode(sha256(:data), 'hex') WHERE recording_id = :id"
        await tx.execute(text(query), {"data": data, "id": house.kept[0].recording_id})
        await tx.execute(text("ALTER TABLE recording_object ENABLE TRIGGER USER"))
    (found,) = await house.all()
    assert "does not open" in found.why


async def test_a_lost_store_is_said_by_the_sweep_and_refilled_on_demand(house: House) -> None:
    """An unmounted disk looks like this: its empty mount point is not filled by itself."""
    sound = await house.contents()
    store = house.ground.store.folder
    assert store is not None
    shutil.rmtree(store)
    await house.age()
    checking = house.check
    await checking.sweep()
    await checking.sweep()
    assert [row.subject for row in await audited(house.db, "store.lost")] == ["store:store"]
    assert not list(store.rglob("*.ccr"))
    found = await house.all()
    assert [(one.trouble, one.mended) for one in found] == [(Trouble.ABSENT, True)] * 3
    assert await house.contents() == sound


async def test_a_recording_met_missing_does_not_fill_an_empty_mount_point(house: House) -> None:
    store = house.ground.store.folder
    assert store is not None
    shutil.rmtree(store)
    await house.check.one(Job(1, RECHECK_JOB, "", f'{{"recording": {house.kept[1].recording_id}}}'.encode(), 1))
    assert [row.subject for row in await audited(house.db, "store.lost")] == ["store:store"]
    assert not list(store.rglob("*.ccr"))


async def test_keys_wrapped_anew_come_back_with_the_object(house: House) -> None:
    beside = f"{house.kept[0].path}.key/test-2"
    for store in (house.ground.store, house.ground.copy):
        assert store is not None
        await store.put_new(beside, b"a key")
    house.file(0).unlink()
    await house.ground.store.delete(beside)
    await house.all()
    assert await house.ground.store.read(beside) == b"a key"


async def test_what_is_being_deleted_does_not_come_back(house: House) -> None:
    house.file(0).unlink()
    async with house.db.transaction() as tx:
        await tx.execute(text("ALTER TABLE recording_object DISABLE TRIGGER USER"))
        query = """UPDATE recording_object SET custody = 'recycled', recycled_at = now(), deletion_began_at = now()
                   WHERE recording_id = :id"""
        await tx.execute(text(query), {"id": house.kept[0].recording_id})
        await tx.execute(text("ALTER TABLE recording_object ENABLE TRIGGER USER"))
    assert await house.check.settle(house.kept[0], Place.STORE, Trouble.ABSENT) is None
    assert await house.all() == []
    assert not house.file(0).exists()


async def test_objects_nobody_knows_are_listed_and_left(house: House) -> None:
    for store in (house.ground.store, house.ground.copy):
        assert store is not None
        await store.put_new("2026/11/22/00/foreign.ccr", b"?")
        await store.put_new("2026/11/22/00/foreign.ccr.key/k", b"?")
        await store.put_new("anchors/2026/11/22/7.json", b"{}")
        await store.put_new("canary/x.ccr", b"?")
    found = sorted([one async for one in house.check.unknown(Place.COPY)])
    assert found == ["2026/11/22/00/foreign.ccr", "2026/11/22/00/foreign.ccr.key/k"]
    assert len(await objects(house.ground.copy)) == 3 + 4


async def test_a_copy_on_s3_mends_and_is_mended(db: Database, tmp_path: Path) -> None:
    with s3_server() as server:
        local = custody_for_tests(tmp_path / "spool", keys=FileKeys((new_key("test-1"),)))
        ground = replace(local, copy=ObjectStore(server.url, server.options))
        assert ground.copy is not None
        assert await recheck.keeps_what_it_has(ground.copy)
        house = House(db, ground, [await keep(db, ground, n) for n in range(2)])
        house.file(0).unlink()
        await ground.copy.replace(house.kept[1].path, b"short")
        found = await house.all()
        assert [(one.place, one.trouble, one.mended) for one in found] == [
            (Place.STORE, Trouble.ABSENT, True),
            (Place.COPY, Trouble.DAMAGED, True),
        ]
        for one in house.kept:
            opened = await asyncio.to_thread(ground.open, one, from_copy=True)
            heard = await asyncio.to_thread(measured, io.BufferedReader(opened))
            assert one.contents is not None
            assert heard.samples_sha256 == one.contents.samples_sha256


async def test_a_store_that_writes_over_is_not_fit(tmp_path: Path) -> None:
    class Careless(ObjectStore):
        async def put_new(self, path: str, data: bytes) -> None:
            await self.replace(path, data)

    store = Careless((tmp_path / "store").as_uri())
    assert not await recheck.keeps_what_it_has(store)
    assert await objects(store) == {}


class Away(ObjectStore):
    """Answers nothing."""

    def fetch(self, path: str) -> Any:
        def part(start: int, length: int) -> bytes:
            raise StoreAway("gone")

        return part

    async def read(self, path: str) -> bytes:
        raise StoreAway("gone")


async def test_a_store_that_is_away_is_not_taken_for_lost(house: House, tmp_path: Path) -> None:
    await house.age()
    sound, flipped = house.ground, house.file(0)
    flip(flipped)
    house.ground = replace(sound, copy=Away(sound.copy.url if sound.copy else ""))
    await house.check.sweep()
    assert await audited(house.db, "recording.lost") == await audited(house.db, "store.lost") == []
    house.ground = sound
    await house.check.sweep()
    assert len(await audited(house.db, "recording.repaired")) == 1


def test_all_of_a_place_comes_round_evenly() -> None:
    """A turn a minute: in eighty days, each object once, whatever their number."""
    for count in (3, 1_000, 1_000_000):
        share = Share()
        share.counted(count, 0.0)
        minutes = 60 * 24 * 10
        taken = [share.take(60.0 * n) for n in range(minutes)]
        assert sum(taken) == pytest.approx(count * timedelta(days=10) / AIM, abs=1)
        assert max(taken) - min(taken) <= 1


def test_a_worker_that_slept_does_not_choke() -> None:
    share = Share()
    share.counted(10_000_000, 0.0)
    share.take(0.0)
    assert share.take(86_400.0) == recheck_work.MOST_A_TURN
