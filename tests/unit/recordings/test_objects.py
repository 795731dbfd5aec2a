"""Every store keeps the same promises: a folder, memory, and S3 by its real protocol."""

import asyncio
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from recordings.custody.objects import AlreadyThere, NotThere, ObjectStore, StoreAway, StoreWrong
from tests.support.s3 import S3, s3_server

PATH = "2026/11/22/5f/5f0c.ccr"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with s3_server() as server:
        yield server


@pytest.fixture(params=["folder", "memory", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    if request.param == "folder":
        return ObjectStore((tmp_path / "store").as_uri())
    if request.param == "memory":
        return ObjectStore("memory://")
    s3: S3 = request.getfixturevalue("s3")
    # A prefix of its own: each test begins with an empty store.
    return ObjectStore(f"{s3.url}/{tmp_path.name}", s3.options)


async def test_an_object_is_written_once(store: ObjectStore) -> None:
    await store.put_new(PATH, b"first")
    with pytest.raises(AlreadyThere):
        await store.put_new(PATH, b"second")
    assert await store.read(PATH) == b"first"
    await store.flush(PATH)


async def test_of_many_writers_one_wins(store: ObjectStore) -> None:
    wrote = await asyncio.gather(*(store.put_new(PATH, b"%d" % n) for n in range(8)), return_exceptions=True)
    winners = [n for n, error in enumerate(wrote) if error is None]
    assert len(winners) == 1
    assert {type(error) for error in wrote if error is not None} == {AlreadyThere}
    assert await store.read(PATH) == b"%d" % winners[0]


async def test_parts_are_read_and_nothing_past_the_end(store: ObjectStore) -> None:
    await store.put_new(PATH, b"0123456789")
    fetch = store.fetch(PATH)
    parts = [await asyncio.to_thread(fetch, *part) for part in ((0, 3), (8, 5), (10, 4), (99, 1), (4, 0))]
    assert parts == [b"012", b"89", b"", b"", b""]


async def test_a_repair_writes_over(store: ObjectStore) -> None:
    await store.put_new(PATH, b"damaged")
    await store.replace(PATH, b"whole")
    assert await store.read(PATH) == b"whole"
    assert await store.size_of(PATH) == 5


async def test_what_is_not_there_is_told(store: ObjectStore) -> None:
    assert await store.size_of(PATH) is None
    with pytest.raises(NotThere):
        await store.read(PATH)
    with pytest.raises(NotThere):
        await asyncio.to_thread(store.fetch(PATH), 0, 1)
    await store.delete(PATH)


async def test_names_are_listed_by_whole_parts_of_the_path(store: ObjectStore) -> None:
    for path in ("a/1", "a/2", "ab/3"):
        await store.put_new(path, path.encode())
    assert sorted([one async for one in store.names()]) == [("a/1", 3), ("a/2", 3), ("ab/3", 4)]
    assert sorted([name async for name, _ in store.names("a")]) == ["a/1", "a/2"]
    await store.delete("a/1")
    assert [name async for name, _ in store.names("a")] == ["a/2"]


async def test_a_server_that_is_down_is_away_for_every_verb() -> None:
    with s3_server() as server:
        store = ObjectStore(server.url, server.options)
        await store.put_new(PATH, b"kept")
        server.stop()
        async with asyncio.timeout(60):
            for verb in (store.put_new(PATH, b""), store.replace(PATH, b""), store.read(PATH), store.size_of(PATH)):
                with pytest.raises(StoreAway):
                    await verb
            with pytest.raises(StoreAway):
                await store.delete(PATH)
            with pytest.raises(StoreAway):
                [one async for one in store.names()]
            with pytest.raises(StoreAway):
                await asyncio.to_thread(store.fetch(PATH), 0, 1)


async def test_a_server_that_never_answers_is_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        options = {"endpoint": f"http://127.0.0.1:{silent.getsockname()[1]}", "access_key_id": "a"}
        store = ObjectStore("s3://kept-recordings", {**options, "secret_access_key": "b", "region": "us-east-1"})
        async with asyncio.timeout(60):
            with pytest.raises(StoreAway):
                await store.put_new(PATH, b"kept")


async def test_what_lies_in_a_folder_is_its_owners_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o000)
    try:
        (tmp_path / "store").mkdir(mode=0o777)
        store = ObjectStore((tmp_path / "store").as_uri())
        await store.put_new(PATH, b"first")
        await store.replace("2026/11/22/6a/6a00.ccr", b"second")
    finally:
        os.umask(before)
    modes = {path.is_dir(): stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "store").rglob("*")}
    assert modes == {True: 0o700, False: 0o600}
    assert stat.S_IMODE((tmp_path / "store").stat().st_mode) == 0o700


async def test_a_folder_that_cannot_be_written_is_away(tmp_path: Path) -> None:
    store = ObjectStore((tmp_path / "store").as_uri())
    (tmp_path / "store" / "2026").write_text("in the way")
    with pytest.raises(StoreAway):
        await store.put_new(PATH, b"kept")


@pytest.mark.parametrize("url", ["/folder", "file://host/folder", "s3:///prefix", "https://x/y", ""])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(StoreWrong):
        ObjectStore(url)
