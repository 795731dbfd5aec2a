"""Backups of a real PostgreSQL: what a restore brings back, what is refused, and that nobody can read them."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from callcenter.backup import base as bases
from callcenter.backup import keeping
from callcenter.backup.base import Sealing
from callcenter.backup.errors import BackupFailed, KeyMissing, LogMissing, Nothing, Tampered, WrongPlace
from callcenter.backup.folder import BackupFolder
from callcenter.backup.keeping import BackupWatch
from callcenter.backup.marks import parts
from callcenter.backup.restored import restored
from callcenter.backup.sealing import unseal
from callcenter.metrics import render
from recordings.custody.keys import FileKeys, new_key
from tests.support.backups import PLANTED, Hotline, files_under, hotline_with_backups

RECORDINGS = 5


@pytest.fixture(scope="module")
async def hotline() -> AsyncIterator[Hotline]:
    """A base backup, and after it a log of several segments; the receiver has ended."""
    async with hotline_with_backups() as one:
        await one.recordings(RECORDINGS)
        await one.base()
        async with one.receiving():
            async with asyncio.timeout(60):
                while not await one.is_received():
                    await asyncio.sleep(0.02)
            await one.ticket()
            for number in range(3):
                await one.note(f"recording:{number}")
                await one.as_owner("SELECT pg_switch_wal()")
            await one.note("recording:last")
            await _sealed(one)
        yield one


async def _sealed(one: Hotline) -> None:
    """Until the segments that were ended are whole in the backup."""
    async with asyncio.timeout(60):
        while len(list(one.folder.wal.glob("*.ccb"))) < 4:
            await asyncio.sleep(0.05)


async def test_a_drill_restores_everything_and_is_on_record(hotline: Hotline) -> None:
    report = await hotline.drill()
    assert report.findings == []
    assert (report.tickets, report.recordings) == (1, RECORDINGS)
    assert report.segments >= 2, "the base's own, and what came after it"
    assert report.rpo_s is not None
    assert report.rpo_s <= 300
    async with hotline.db.transaction() as tx:
        drills = (await tx.execute(text("SELECT base, ok, recordings FROM restore_drill"))).all()
        noted = (await tx.execute(text("SELECT subject, ok FROM audit WHERE action = 'backup.drill'"))).all()
    assert drills == [(report.base, True, RECORDINGS)]
    assert noted == [(f"base:{report.base}", True)]
    assert not list(hotline.settings.incoming_folder.parent.glob("restore-drill-*")), "the private cluster is removed"
    # The live server was not touched.
    assert hotline.stack.postgres.running


async def test_nobody_reads_a_backup_without_its_key(hotline: Hotline) -> None:
    files = files_under(hotline.folder.path)
    assert any(path.suffix == ".ccb" for path in files)
    words = [form for one in PLANTED for form in (one.encode(), one.encode("utf-16-le"))]
    read = [path.read_bytes() for path in files]
    assert not [word for word in words if any(word in data for data in read)]
    # With it they are there: the search could have found them.
    (name,) = {
        path.name.removesuffix(".ccb")
        for path in hotline.folder.wal.glob("*.ccb")
        if PLANTED[0].encode() in _contents(hotline, path)
    } or {""}
    assert name


def _contents(hotline: Hotline, path: Path) -> bytes:
    name = path.name.removesuffix(".ccb").removesuffix(".live")
    return b"".join(unseal(path, f"wal/{name}", hotline.sealing.keys))


def test_no_key_lies_with_the_backups(hotline: Hotline) -> None:
    told, wrong = keeping.keys_apart(hotline.settings, hotline.folder)
    assert wrong == []
    assert any("bk-1" in one for one in told)
    beside = hotline.folder.path / "recordings.key"
    settings = hotline.settings.model_copy(update={"recording_keys": beside.as_uri()})
    shutil.copy(hotline.stack.folder.path / "keys" / "recordings.key", beside)
    try:
        assert any(
            "recording keys lies in the backup folder" in one for one in keeping.keys_apart(settings, hotline.folder)[1]
        )
    finally:
        beside.unlink()


@pytest.fixture
def copy(hotline: Hotline, tmp_path: Path) -> BackupFolder:
    """The backups, to be spoilt."""
    shutil.copytree(hotline.folder.path, tmp_path / "backup")
    return BackupFolder(tmp_path / "backup")


async def _restore(folder: BackupFolder, sealing: Sealing, into: Path) -> None:
    async with restored(folder, folder.newest(), sealing, into, flush=False):
        pass


def _whole(folder: BackupFolder) -> list[Path]:
    return sorted(path for path in folder.wal.glob("*.ccb") if ".live" not in path.name)


def _flip(path: Path, where: float) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * where)] ^= 1
    path.write_bytes(data)


def _flip_base(folder: BackupFolder) -> None:
    _flip(folder.tar(folder.newest().stamp), 0.5)


def _cut_base(folder: BackupFolder) -> None:
    tar = folder.tar(folder.newest().stamp)
    tar.write_bytes(tar.read_bytes()[:-100])


def _flip_segment(folder: BackupFolder) -> None:
    _flip(_whole(folder)[1], 0.7)


def _swap_segments(folder: BackupFolder) -> None:
    one, two = _whole(folder)[1:3]
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)


def _lose_segment(folder: BackupFolder) -> None:
    _whole(folder)[1].unlink()


def _rename_base(folder: BackupFolder) -> None:
    base = folder.newest()
    other = base.model_copy(update={"stamp": "20300101T000000Z"})
    shutil.copytree(folder.base / base.stamp, folder.base / other.stamp)
    (folder.base / other.stamp / "base.json").write_text(other.model_dump_json())


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        (_flip_base, Tampered, "does not open"),
        (_cut_base, Tampered, "changed or cut"),
        (_rename_base, Tampered, "files were swapped"),
        (_flip_segment, Tampered, "does not open"),
        (_swap_segments, Tampered, "files were swapped"),
        (_lose_segment, LogMissing, "1 segments of the log are missing"),
    ],
)
async def test_a_spoilt_backup_is_refused(
    hotline: Hotline,
    copy: BackupFolder,
    tmp_path: Path,
    spoil: Callable[[BackupFolder], None],
    error: type[BackupFailed],
    words: str,
) -> None:
    spoil(copy)
    with pytest.raises(error, match=words):
        await _restore(copy, hotline.sealing, hotline.stack.folder.path / f"refused-{spoil.__name__}")


async def test_a_key_that_is_missing_is_named(hotline: Hotline, tmp_path: Path) -> None:
    other = Sealing(FileKeys((new_key("bk-2"),)))
    with pytest.raises(KeyMissing, match=r"was sealed under key bk-1.*it has bk-2.*CALLCENTER_BACKUP_KEYS"):
        await _restore(hotline.folder, other, tmp_path / "into")
    report = await replace(hotline, sealing=other).drill()
    assert not report.ok
    assert "bk-1" in report.findings[0]
    forged = Sealing(FileKeys((replace(new_key("bk-1")),)))
    with pytest.raises(Tampered, match="does not open with key bk-1"):
        await _restore(hotline.folder, forged, tmp_path / "into2")


async def test_a_restore_never_writes_over_anything(hotline: Hotline, tmp_path: Path) -> None:
    for place in (hotline.stack.postgres.data, hotline.stack.folder.path):
        with pytest.raises(WrongPlace, match="is not an empty folder"):
            await _restore(hotline.folder, hotline.sealing, place)
    assert hotline.stack.postgres.running


async def test_pruning_keeps_the_newest_and_the_log_it_needs(
    hotline: Hotline, copy: BackupFolder, tmp_path: Path
) -> None:
    # Of the log only what came before the only base, which was received because the slot was made first.
    assert copy.prune(1)[0] == []
    assert copy.prune(1) == ([], 0)
    await _restore(copy, hotline.sealing, tmp_path / "into")
    with pytest.raises(BackupFailed, match="at least one"):
        copy.prune(0)
    old = copy.newest()
    elsewhere = replace(hotline, folder=copy)
    newer = await elsewhere.base()
    gone, segments = copy.prune(1)
    assert gone == [old.stamp]
    assert segments > 0
    assert [one.stamp for one in copy.bases()] == [newer.stamp]
    assert all(one.number >= newer.first_segment for one in copy.segments(newer.segment_bytes))


async def test_a_folder_of_another_cluster_is_not_mixed_in(hotline: Hotline, tmp_path: Path) -> None:
    folder = BackupFolder(tmp_path / "backup")
    folder.belongs_to("7711136392814227283")
    with pytest.raises(BackupFailed, match="holds backups of cluster 7711136392814227283"):
        await asyncio.to_thread(bases.take, folder, hotline.server, hotline.sealing)
    with pytest.raises(Nothing, match="callcenter backup base"):
        folder.newest()


async def test_the_role_of_backups_reads_no_table(hotline: Hotline) -> None:
    with pytest.raises(BackupFailed, match="refuses"):
        hotline.server.told("SELECT content FROM ticket")


async def test_how_old_the_backups_are_is_told(hotline: Hotline) -> None:
    now = datetime.now(UTC)
    async with hotline.db.transaction() as tx:
        assert await parts(tx, now) == {}
    await BackupWatch(hotline.db, hotline.folder).look()
    async with hotline.db.transaction() as tx:
        assert (await parts(tx, now)).items() >= {"backup base": "ok", "backup wal": "ok"}.items()
    assert 'callcenter_backup_age_seconds{what="base"} ' in render().decode()


def _cli(hotline: Hotline, *words: str) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "CALLCENTER_SETTINGS": str(hotline.stack.folder.settings_file)}
    return _run([sys.executable, "-m", "callcenter", *words], env)


def _run(argv: list[str], env: dict[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(argv, env=env, capture_output=True, text=True, check=False)


async def test_an_operators_drill_says_what_it_found_and_ends_with_a_status(hotline: Hotline) -> None:
    # Somebody took an object out of the second place.
    assert hotline.custody.copy is not None
    (path, _), *_ = [one async for one in hotline.custody.copy.names()]
    data = await hotline.custody.copy.read(path)
    await hotline.custody.copy.delete(path)
    done = await asyncio.to_thread(_cli, hotline, "restore-drill", "--json", "--sample", "0")
    await hotline.custody.copy.put_new(path, data)
    assert done.returncode == 1, done.stderr
    said = json.loads(done.stdout)
    assert (said["ok"], said["tickets"]) == (False, 1)
    assert len(said["findings"]) == 1, said["findings"]
    (found,) = said["findings"]
    assert found.startswith("I6: ")
    assert path in found


async def test_a_restore_in_earnest_leaves_a_folder_a_server_starts_on(hotline: Hotline) -> None:
    into = hotline.stack.folder.path / "earnest"
    done = await asyncio.to_thread(_cli, hotline, "backup", "restore", "--into", str(into))
    assert done.returncode == 0, done.stderr
    assert str(into / "data") in done.stdout
    assert not (into / "data" / "recovery.signal").exists()
    control = hotline.server.binaries() / "pg_controldata"
    told = await asyncio.to_thread(_run, [str(control), str(into / "data")])
    assert "Database cluster state:               shut down\n" in told.stdout
    again = await asyncio.to_thread(_cli, hotline, "backup", "restore", "--into", str(into))
    assert again.returncode == 1
    assert "is not an empty folder" in again.stderr
