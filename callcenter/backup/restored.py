"""A private cluster made of a base backup and all of its log: files in an empty folder, a socket there, no TCP.

Nothing of the backup decides how it runs: configuration, access rules and the restore command are ours, and what
ALTER SYSTEM had left is set aside. PostgreSQL asks for each segment by a pipe; one that does not open ends the recovery
with an error instead of quietly ending the log there.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from callcenter.backup import wal
from callcenter.backup.base import Sealing, opened
from callcenter.backup.errors import LogMissing, Tampered, WrongPlace
from callcenter.backup.feeder import Feeder
from callcenter.backup.folder import BackupFolder, Base
from callcenter.backup.programs import binaries_of
from callcenter.stack.errors import StackFailed
from callcenter.stack.folder import RunFolder
from callcenter.stack.postgres import PORT, Runner, runner_of
from callcenter.stack.process import Process

ANSWERS_WITHIN_S = 6 * 3600.0
"""A long log takes long; who watches sees how far it is in the server's log."""
ALTERED = "postgresql.auto.conf"
"""What ALTER SYSTEM had set."""
OURS = ("standby.signal", "recovery.signal", "postmaster.pid", "postmaster.opts")
"""Files of the copy that would say how the server runs, or that it runs."""


@dataclass(frozen=True, slots=True)
class Restored:
    """A restored cluster that answers. seconds from the beginning: files laid out and checked, first answer."""

    folder: RunFolder
    sockets: Path
    files_s: float
    answered_s: float
    segments: int
    """Of the log, that were replayed from the backup."""
    live_bytes: int
    """Of the segment that was being written when the log ended."""

    def url(self, role: str, database: str) -> str:
        """`postgresql://...` for callcenter.db: no password, the folder is ours alone."""
        return f"postgresql://{quote(role)}@/{quote(database)}?host={quote(str(self.sockets))}&port={PORT}"


@asynccontextmanager
async def restored(
    folder: BackupFolder, base: Base, sealing: Sealing, into: Path, *, writable: bool = False, flush: bool = True
) -> AsyncIterator[Restored]:
    """The newest state that the backup has, running in `into` until the block ends; the files stay.

    writable: for a restore in earnest; a drill only reads. flush False: nothing need survive a power cut.
    Raises BackupFailed, StackFailed, PartMissing.
    """
    began = time.monotonic()
    at = _empty(into)
    binaries = binaries_of(base.major)
    _enough_room(into, base)
    missing = wal.holes((one.number for one in _everything(folder, base)), base.last_segment)
    if missing:
        raise LogMissing(f"{len(missing)} segments of the log are missing, the first is {_named(base, missing[0])}")
    at.open()
    try:
        data = at.path / "data"
        await asyncio.to_thread(_lay_out, folder, base, sealing, data, binaries)
        files_s = time.monotonic() - began
        runner = runner_of(binaries)
        feeder = Feeder(folder, base, sealing.keys, at.path, runner)
        _configure(at, data, feeder, runner, writable=writable, flush=flush)
        # What is thrown away need not be shut down in order.
        process = Process("postgres", at.path, stop_signal=signal.SIGINT if writable else signal.SIGQUIT)
        argv = [*runner.words, str(binaries / "postgres"), "-D", str(data), "-c", f"config_file={_conf(at)}"]
        guard = _guard(at)
        try:
            async with feeder.answering():
                await process.start(argv)
                await _recovered(process, at, binaries, feeder)
            # Recovery done, nothing is asked any more.
            yield Restored(at, at.sockets(), files_s, time.monotonic() - began, len(feeder.given), feeder.live_bytes)
        finally:
            await process.stop()
            assert guard.stdin is not None
            guard.stdin.close()
            await asyncio.to_thread(guard.wait)
    finally:
        at.close()


def _empty(into: Path) -> RunFolder:
    """Raises WrongPlace unless nothing is there."""
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise WrongPlace(f"{into} is not an empty folder; a restore never writes over anything")
    try:
        return RunFolder(into)
    except StackFailed as error:
        raise WrongPlace(str(error)) from None


def _enough_room(into: Path, base: Base) -> None:
    beside = next(parent for parent in (into, *into.parents) if parent.exists())
    # The copy, and a few segments of the log on their way.
    wanted, free = base.plain_bytes + 20 * base.segment_bytes, shutil.disk_usage(beside).free
    if free < wanted:
        raise WrongPlace(f"{into} needs {wanted >> 20:,} MiB, {free >> 20:,} are free; name another place by --into")


def _everything(folder: BackupFolder, base: Base) -> dict[wal.Segment, Path]:
    whole, live = folder.segments(base.segment_bytes), folder.live_segments(base.segment_bytes)
    newest = max((one.number for one in whole), default=base.last_segment - 1)
    return whole | {one: path for one, path in live.items() if one.number > newest}


def _named(base: Base, number: int) -> str:
    return wal.Segment(number, base.timeline).name(base.segment_bytes)


def _lay_out(folder: BackupFolder, base: Base, sealing: Sealing, data: Path, binaries: Path) -> None:
    """The files of the base in `data`, checked by pg_verifybackup. Blocking."""
    data.mkdir(mode=0o700)
    tar = folder.tar(base.stamp)
    try:
        with opened(tar, base.stamp, sealing.keys) as members:
            _unpack(members, data)
    except (tarfile.TarError, EOFError) as error:
        raise Tampered(f"{tar}: {error}") from None
    argv = [str(binaries / "pg_verifybackup"), "--quiet", str(data)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})  # noqa: S603
    if done.returncode:
        raise Tampered(f"pg_verifybackup refuses {tar}: {(done.stderr or done.stdout).strip()[-800:]}")
    with contextlib.suppress(FileNotFoundError):
        (data / ALTERED).rename(data.with_name(f"{ALTERED}.of-the-backup"))
    for name in OURS:
        (data / name).unlink(missing_ok=True)
    (data / "recovery.signal").touch()


def _unpack(members: tarfile.TarFile, data: Path) -> None:
    """Folders and plain files inside `data`, and nothing else a tar could hold: no link, no device, no way out."""
    for member in members:
        name = PurePosixPath(member.name)
        if name.is_absolute() or ".." in name.parts or not (member.isdir() or member.isfile()):
            raise Tampered(f"{member.name!r} is no file of a cluster; the backup was not made by this program")
        path = data / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if member.isdir():
            path.mkdir(mode=0o700, exist_ok=True)
            continue
        source = members.extractfile(member)
        assert source is not None
        path.touch(mode=0o600, exist_ok=False)
        with path.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)


def _conf(at: RunFolder) -> Path:
    return at.path / "postgresql.conf"


def _configure(at: RunFolder, data: Path, feeder: Feeder, runner: Runner, *, writable: bool, flush: bool) -> None:
    rules, sockets = at.path / "pg_hba.conf", at.sockets()
    # The folder is 0700: whoever reaches the socket may read the files anyway.
    rules.write_text("local all all trust\n", encoding="ascii")
    settings = {
        "hba_file": rules,
        "ident_file": rules.with_name("pg_ident.conf"),
        "listen_addresses": "",
        "port": PORT,
        "unix_socket_directories": sockets,
        "unix_socket_permissions": "0700",
        "restore_command": feeder.command,
        # Without it a server with more connections than ours would have to be matched.
        "hot_standby": "off",
        "archive_mode": "off",
        "fsync": "on" if flush else "off",
        "default_transaction_read_only": "off" if writable else "on",
        "log_min_messages": "warning",
        "log_min_error_statement": "panic",
        "timezone": "UTC",
    }
    (at.path / "pg_ident.conf").touch()
    quoted = (f"{name} = '{str(value).replace(chr(39), chr(39) * 2)}'\n" for name, value in settings.items())
    _conf(at).write_text("".join(quoted), encoding="utf-8")
    if runner.owner is not None:
        for path in (at.path, sockets, *at.path.iterdir(), *data.rglob("*")):
            runner.own(path)


async def _recovered(process: Process, at: RunFolder, binaries: Path, feeder: Feeder) -> None:
    """Wait until it answers. Raises what the feeder could not give, or StackFailed."""
    isready = [str(binaries / "pg_isready"), "-q", "-h", str(at.sockets()), "-p", str(PORT)]

    async def answers() -> bool:
        child = await asyncio.create_subprocess_exec(*isready)
        return await child.wait() == 0

    try:
        await process.wait_ready(answers, ANSWERS_WITHIN_S)
    except StackFailed:
        if feeder.refused is not None:
            raise feeder.refused from None
        raise
    if feeder.refused is not None:
        raise feeder.refused


def _guard(at: RunFolder) -> "subprocess.Popen[bytes]":
    """Ends the server when this process is gone, however it goes."""
    return subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "callcenter.stack.guard", str(at.pids)],
        stdin=subprocess.PIPE,
        start_new_session=True,
        pass_fds=(at.lock_fd,),
    )
