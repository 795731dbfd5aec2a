"""One recording on its way from the spool into the stores: adopted, refused, proved, and never removed too early."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import pytest

from callcenter.types import RecordingId
from recordings.audio import sha256
from recordings.custody import intake, objects
from recordings.custody.codec import measured
from recordings.custody.custody import Cipher, Codec, Custody, Kept, object_path
from recordings.custody.ground import Ground
from recordings.custody.intake import (
    AudioGone,
    Changed,
    NameSpoilt,
    NotAsStored,
    OtherThere,
    SpoolChanged,
    Stored,
)
from recordings.custody.objects import StoreAway
from recordings.custody.sealed import seal
from tests.support.custody import custody_for_tests
from tests.support.spoken import COMPLAINT, silence, spoken, tone, write_sln, write_wav

AT = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[3]


def prepared() -> Kept:
    name = uuid4()
    path = object_path(name, AT)
    return Kept(RecordingId(1), name, path, Custody.PREPARED, None, None, AT, None, None, None, None, None)


def exists(path: Path) -> bool:
    return path.exists()


def read(path: Path) -> bytes:
    return path.read_bytes()


def remove(path: Path) -> None:
    path.unlink()


def link(path: Path, target: Path) -> None:
    path.symlink_to(target)


def stored(kept: Kept, found: Stored) -> Kept:
    return replace(kept, custody=Custody.STORED, contents=found.contents, sealed=found.sealed, stored_at=AT)


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    return custody_for_tests(tmp_path / "spool")


@pytest.fixture
def path(ground: Ground) -> Path:
    return write_sln(ground.spool / "a.sln", spoken(COMPLAINT) + silence(1))


async def put(ground: Ground, kept: Kept, path: Path) -> Stored:
    return await intake.put(ground, kept, path, ground.keys.active, sha256(path))


def folder_of(store: objects.ObjectStore | None) -> Path:
    assert store is not None
    assert store.folder is not None
    return store.folder


@pytest.mark.parametrize("cipher", list(Cipher))
@pytest.mark.parametrize("codec", [Codec.FLAC, Codec.OPUS])
async def test_a_recording_is_stored_copied_and_leaves_the_spool(tmp_path: Path, codec: Codec, cipher: Cipher) -> None:
    ground = custody_for_tests(tmp_path / "spool", codec=codec)
    if cipher is Cipher.SM4_GCM:
        ground = replace(ground, cipher=cipher)
    samples = spoken(COMPLAINT)
    path = write_wav(ground.spool / "a.wav", samples)
    kept = prepared()
    found = await put(ground, kept, path)
    assert not found.adopted
    assert found.sealed.cipher is cipher
    kept = stored(kept, found)
    await intake.copy(ground, kept)
    assert await intake.clear(ground, kept, path)
    assert not exists(path)
    assert not await intake.clear(ground, kept, path)
    for from_copy in (False, True):
        heard = measured(BytesIO(ground.open(kept, from_copy=from_copy).readall()))
        assert heard.frames == len(samples) // 2
        assert codec is Codec.OPUS or heard.samples_sha256 == found.contents.samples_sha256


async def test_nothing_but_sealed_audio_is_ever_written(ground: Ground, path: Path) -> None:
    """No piece of the plain or of the compressed audio, and no other file, in the stores or beside the spool."""
    whole = read(path)
    kept = prepared()
    await intake.copy(ground, stored(kept, await put(ground, kept, path)))
    written = [one for one in ground.spool.parent.rglob("*") if one.is_file() and one != path]
    assert sorted(one.suffix for one in written) == [".ccr", ".ccr"]
    for one in written:
        data = one.read_bytes()
        assert not any(whole[start : start + 16] in data for start in range(0, len(whole), 4_096))
        assert b"fLaC" not in data


async def test_what_was_put_before_a_kill_is_adopted(ground: Ground, path: Path) -> None:
    kept = prepared()
    before = await put(ground, kept, path)
    again = await put(replace(ground, codec=Codec.OPUS), kept, path)
    assert again == replace(before, adopted=True)


async def test_another_recording_under_its_name_is_never_written_over(ground: Ground, path: Path) -> None:
    kept = prepared()
    await put(ground, kept, write_sln(ground.spool / "b.sln", tone(3)))
    there = folder_of(ground.store) / kept.path
    was = there.read_bytes()
    with pytest.raises(OtherThere):
        await put(ground, kept, path)
    sealed, _ = seal(BytesIO(b"another"), uuid4(), Codec.RAW, ground.cipher, ground.keys)
    there.write_bytes(sealed)
    with pytest.raises(OtherThere):
        await put(ground, kept, path)
    assert was != sealed == there.read_bytes()
    assert exists(path)


@pytest.mark.parametrize("spoilt", [b"", b"\x89CCR1\r\n\x1a", None])
async def test_a_name_whose_writer_was_cut_off_is_given_up(ground: Ground, path: Path, spoilt: bytes | None) -> None:
    kept = prepared()
    await put(ground, kept, path)
    there = folder_of(ground.store) / kept.path
    there.write_bytes(there.read_bytes()[:-100] if spoilt is None else spoilt)
    with pytest.raises(NameSpoilt):
        await put(ground, kept, path)


async def test_a_file_that_is_not_what_was_verified_is_not_stored(ground: Ground, path: Path, tmp_path: Path) -> None:
    kept, verified = prepared(), sha256(path)
    with path.open("ab") as file:
        file.write(bytes(2))
    with pytest.raises(Changed):
        await intake.put(ground, kept, path, ground.keys.active, verified)
    remove(path)
    with pytest.raises(AudioGone):
        await intake.put(ground, kept, path, ground.keys.active, verified)
    link(path, write_sln(tmp_path / "secret", tone(1)))
    with pytest.raises(AudioGone):
        await intake.put(ground, kept, path, ground.keys.active, verified)
    assert [one async for one in ground.store.names()] == []


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


SPOILERS: dict[str, Callable[[Path, Path], object]] = {
    "flipped byte in the store": lambda store, copy: flip(store),
    "truncated in the store": lambda store, copy: store.write_bytes(store.read_bytes()[:-1]),
    "gone from the store": lambda store, copy: store.unlink(),
    "gone from the copy": lambda store, copy: copy.unlink(),
    "truncated in the copy": lambda store, copy: copy.write_bytes(copy.read_bytes()[:-1]),
}


@pytest.mark.parametrize("what", SPOILERS)
async def test_the_file_stays_in_the_spool_unless_both_places_have_it(ground: Ground, path: Path, what: str) -> None:
    kept = prepared()
    kept = stored(kept, await put(ground, kept, path))
    await intake.copy(ground, kept)
    SPOILERS[what](folder_of(ground.store) / kept.path, folder_of(ground.copy) / kept.path)
    with pytest.raises(NotAsStored):
        await intake.clear(ground, kept, path)
    assert exists(path)


@pytest.mark.parametrize("samples", [b"\x01\x02" * 500, None])
async def test_a_file_that_was_written_to_since_is_not_removed(
    ground: Ground, path: Path, samples: bytes | None
) -> None:
    """Also one that nobody could decode, and that was kept as it came."""
    if samples is None:
        path = ground.spool / "a.wav"
        path.write_bytes(b"RIFFxxxxWAVE not audio at all")
    kept = prepared()
    kept = stored(kept, await put(ground, kept, path))
    await intake.copy(ground, kept)
    with path.open("ab") as file:
        file.write(samples or b"more")
    with pytest.raises(SpoolChanged):
        await intake.clear(ground, kept, path)
    assert exists(path)


async def test_a_damaged_copy_is_replaced_by_the_proven_object(ground: Ground, path: Path) -> None:
    kept = prepared()
    kept = stored(kept, await put(ground, kept, path))
    copy, store = (folder_of(place) / kept.path for place in (ground.copy, ground.store))
    copy.parent.mkdir(parents=True)
    copy.write_bytes(store.read_bytes()[:50])
    await intake.copy(ground, kept)
    assert copy.read_bytes() == store.read_bytes()
    await intake.copy(ground, kept)
    flip(store)
    copy.unlink()
    with pytest.raises(NotAsStored):
        await intake.copy(ground, kept)
    assert not copy.exists()


@contextmanager
def failing_fsync(monkeypatch: pytest.MonkeyPatch, inside: Path) -> Iterator[None]:
    """The disk says EIO when a file below `inside` is flushed."""
    real = os.fsync

    def fsync(fd: int) -> None:
        if Path(f"/proc/self/fd/{fd}").resolve().is_relative_to(inside):
            raise OSError(5, "Input/output error")
        real(fd)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        yield


async def test_a_disk_that_cannot_flush_has_not_stored_anything(
    ground: Ground, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault 15: the bytes may be in the page cache and nowhere else; they are taken back and written anew."""
    kept = prepared()
    with failing_fsync(monkeypatch, folder_of(ground.store)):
        with pytest.raises(StoreAway, match="Input/output"):
            await put(ground, kept, path)
        assert [one async for one in ground.store.names()] == []
    found = await put(ground, kept, path)
    assert not found.adopted
    with failing_fsync(monkeypatch, folder_of(ground.store)), pytest.raises(StoreAway):
        await put(ground, kept, path)
    with failing_fsync(monkeypatch, folder_of(ground.copy)), pytest.raises(StoreAway):
        await intake.copy(ground, stored(kept, found))
    assert exists(path)


FULL_DISK = """
import asyncio, resource, sys
from pathlib import Path
from recordings.custody.objects import ObjectStore, StoreAway

async def main():
    store = ObjectStore(Path(sys.argv[1]).as_uri())
    # What a process may write to one file: the nearest to a full disk that needs no disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    try:
        await store.put_new("2026/a.ccr", bytes(100_000))
    except StoreAway as error:
        print("away", [one async for one in store.names()])
    await store.put_new("2026/a.ccr", bytes(10_000))
    print(await store.size_of("2026/a.ccr"))

asyncio.run(main())
"""


def test_a_disk_that_is_full_keeps_no_half_object(tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-c", FULL_DISK, tmp_path / "store"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert said.stdout.split("\n")[:2] == ["away []", "10000"]
