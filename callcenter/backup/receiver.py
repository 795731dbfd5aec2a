"""`callcenter backup wal`: the log of PostgreSQL, received as it is written and sealed at once.

pg_receivewal streams into the incoming folder, flushing what it receives. Every `tick_s` what has come since is sealed
as one more frame of the segment's live file in the backup folder; a segment that is whole is packed and sealed
whole, and leaves the incoming folder. So the backup lacks at most what was committed in the last tick. Where
synchronous_standby_names names SLOT, PostgreSQL acknowledges a commit only when it lies flushed in the incoming folder:
then nothing acknowledged is lost as long as one of the two folders survives.
"""

import contextlib
import fcntl
import logging
import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from callcenter.backup import wal
from callcenter.backup.base import Sealing
from callcenter.backup.errors import BackupFailed
from callcenter.backup.folder import BackupFolder, write_whole
from callcenter.backup.programs import SLOT, Server
from callcenter.backup.sealing import SealedDraft, Sealer, sync_folder, unseal
from callcenter.stack import pids
from recordings.custody.keys import KeyProvider

log = logging.getLogger(__name__)

TICK_S = 0.5
TOLD_EVERY_S = 2.0
AGAIN_S = 1.0
PARTIAL = ".partial"
LOST = ("has been invalidated", "can no longer", "has already been removed")
"""What PostgreSQL says when the receiver was away for longer than max_slot_wal_keep_size."""


class Received(BaseModel):
    """`wal.json`: how far the log has come, written every few seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    at: AwareDatetime
    connected: bool
    complete_until: AwareDatetime | None
    """Up to this moment everything PostgreSQL sent is sealed."""
    segment: str
    trouble: str


class Sealed:
    """What of the incoming folder lies sealed in the backup folder; `catch_up` seals the rest. One at a time."""

    def __init__(self, incoming: Path, folder: BackupFolder, sealing: Sealing) -> None:
        self._incoming, self._folder, self._sealing = incoming, folder, sealing
        self._live: _Live | None = None
        self._looked = False
        self.segment = ""

    def catch_up(self) -> None:
        """Seal all that has come since. Blocking. Raises OSError, KeyMissing."""
        for path in sorted(self._incoming.iterdir()):
            if wal.NAME.fullmatch(path.name) or wal.HISTORY.fullmatch(path.name):
                self._keep_whole(path)
        partial = sorted(self._incoming.glob(f"*{PARTIAL}"), key=lambda path: path.stat().st_mtime_ns)
        # More than one: a timeline ended in its middle, and nothing comes to its last segment any more.
        for path in partial[-1:] if self._looked else partial:
            self._keep_live(path)
        self._looked = True

    def close(self) -> None:
        """Give the open file back."""
        if self._live is not None:
            self._live.file.close()
            self._live = None

    def _keep_whole(self, path: Path) -> None:
        name = path.name
        target = self._folder.segment(name)
        keys, cipher = self._sealing.keys, self._sealing.cipher
        with path.open("rb") as file, SealedDraft(target, f"wal/{name}", keys, cipher) as sealed:
            while piece := file.read(1 << 20):
                sealed.write(piece)
        if self._live is not None and self._live.name == name:
            self.close()
        self._folder.live(name).unlink(missing_ok=True)
        path.unlink()
        self.segment = name

    def _keep_live(self, path: Path) -> None:
        name = path.name.removesuffix(PARTIAL)
        if not wal.NAME.fullmatch(name):
            return
        if self._live is None or self._live.name != name:
            self.close()
            self._live = self._begun(name)
        live = self._live
        try:
            self._add(live, path)
        except FileNotFoundError:
            # It became whole this moment; the next look takes it.
            return
        if live.draft and live.until >= live.at_least:
            live.draft.replace(self._folder.live(name))
            sync_folder(self._folder.wal)
            live.draft = None

    def _add(self, live: "_Live", path: Path) -> None:
        """Frames of all that came since, durable."""
        before = live.until
        while new := _written(path, live.until):
            live.sealer.add_frame(live.until.to_bytes(OFFSET_BYTES, "big") + new)
            live.until += len(new)
        if live.until > before:
            live.file.flush()
            os.fsync(live.file.fileno())
            self.segment = live.name

    def _begun(self, name: str) -> "_Live":
        """A live file from the segment's beginning: what an earlier process sealed is sealed again in one frame."""
        there = self._folder.live(name)
        keys, cipher = self._sealing.keys, self._sealing.cipher
        at_least = len(live_contents(there, name, keys)) if there.exists() else 0
        draft = there.with_suffix(".making")
        file = draft.open("wb")
        sealer = Sealer(file, f"wal/{name}", keys, cipher, packed=False, open_end=True)
        return _Live(name, file, sealer, draft, at_least)


@dataclass
class _Live:
    """The segment that is being written. until: how many of its bytes are sealed. draft: not at its place yet,

    because what lies there holds `at_least` so many bytes already.
    """

    name: str
    file: BinaryIO
    sealer: Sealer
    draft: Path | None
    at_least: int
    until: int = 0


FRAME_DATA = 1 << 19
"""Read at once from the incoming segment."""
OFFSET_BYTES = 8


def _written(path: Path, start: int) -> bytes:
    """What was written of the incoming segment from `start` on; at most one frame's worth."""
    with path.open("rb") as file:
        file.seek(start)
        data = file.read(FRAME_DATA)
    return data[: wal.end_of(data)]


def live_contents(path: Path, name: str, keys: KeyProvider) -> bytes:
    """What is sealed of a segment that was being written, from its beginning. Raises Tampered, KeyMissing."""
    data = bytearray()
    for frame in unseal(path, f"wal/{name}", keys):
        start = int.from_bytes(frame[:OFFSET_BYTES], "big")
        data[start:] = frame[OFFSET_BYTES:]
    return bytes(data)


@dataclass
class Receiver:
    """Runs pg_receivewal and seals, until `stop` is set; a server that went away is waited for."""

    server: Server
    folder: BackupFolder
    incoming: Path
    sealing: Sealing
    tick_s: float = TICK_S
    stop: threading.Event = field(default_factory=threading.Event)
    trouble: str = ""
    _complete_until: datetime | None = None
    _told_at: float = 0.0

    def run(self) -> None:
        """Blocking. Raises BackupFailed when the folder is another cluster's, is taken, or the log has a hole."""
        self.folder.make()
        self.incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._pids.mkdir(mode=0o700, exist_ok=True)
        with only_one(self.incoming), contextlib.closing(Sealed(self.incoming, self.folder, self.sealing)) as sealed:
            # The one of a receiver that was killed has the slot.
            pids.end_all(self._pids)
            while not self.stop.is_set():
                try:
                    self._stream(sealed)
                except BackupFailed as error:
                    self._trouble(str(error))
                self._seal(sealed, connected=False)
                self.stop.wait(AGAIN_S)
            self._tell(sealed, connected=False, now=True)

    @property
    def _pids(self) -> Path:
        return self.incoming / "pids"

    def _stream(self, sealed: Sealed) -> None:
        """One connection of pg_receivewal, to its end."""
        self.folder.belongs_to(self.server.system())
        if self.server.keep_slot():
            log.warning("a new replication slot: the log is kept from now on; take a base backup", extra={"slot": SLOT})
        argv = [
            str(self.server.binaries() / "pg_receivewal"),
            f"--directory={self.incoming}",
            f"--slot={SLOT}",
            "--synchronous",
            "--no-loop",
            "--no-password",
        ]
        with tempfile.TemporaryFile() as said:
            child = subprocess.Popen(argv, env=self.server.whole_env, stdout=said, stderr=said)  # noqa: S603
            pids.write(self._pids / "pg_receivewal.pid", pids.of(child.pid))
            try:
                self.trouble = ""
                while child.poll() is None and not self.stop.is_set():
                    self._seal(sealed, connected=True)
                    self.stop.wait(self.tick_s)
            finally:
                child.terminate()
                child.wait()
            said.seek(0)
            words = said.read().decode("utf-8", "replace").strip()[-500:]
        if not self.stop.is_set():
            self._trouble(_explained(words))

    def _seal(self, sealed: Sealed, *, connected: bool) -> None:
        """One look; a disk that fails is told and tried again."""
        asked_at = datetime.now(UTC)
        try:
            sealed.catch_up()
        except (OSError, BackupFailed) as error:
            sealed.close()
            self._trouble(f"the log cannot be sealed: {error}")
            return
        if connected:
            self._complete_until = asked_at
        self._tell(sealed, connected=connected)

    def _tell(self, sealed: Sealed, *, connected: bool, now: bool = False) -> None:
        if not now and time.monotonic() < self._told_at + TOLD_EVERY_S:
            return
        self._told_at = time.monotonic()
        told = Received(
            at=datetime.now(UTC),
            connected=connected,
            complete_until=self._complete_until,
            segment=sealed.segment,
            trouble=self.trouble,
        )
        with contextlib.suppress(OSError):
            write_whole(self.folder.path / "wal.json", told.model_dump_json(indent=1) + "\n")

    def _trouble(self, words: str) -> None:
        if words != self.trouble:
            log.warning("the log of PostgreSQL is not received", extra={"why": words})
        self.trouble = words


def _explained(words: str) -> str:
    if any(one in words for one in LOST):
        return (
            f"{words}\nThe receiver was away for too long: a piece of the log is gone. Run `callcenter backup wal "
            "--new-slot` and take a base backup at once; what was committed in between is only in the live database"
        )
    return words or "pg_receivewal ended"


def received(folder: BackupFolder) -> Received | None:
    """How far the log has come; None when no receiver ever ran."""
    try:
        return Received.model_validate_json((folder.path / "wal.json").read_bytes())
    except (OSError, ValidationError):
        return None


@contextmanager
def only_one(incoming: Path) -> Iterator[None]:
    """The lock of the incoming folder. Raises BackupFailed when another receiver has it."""
    fd = os.open(incoming / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BackupFailed(f"another `callcenter backup wal` receives into {incoming}") from None
        yield
    finally:
        os.close(fd)


def seal_the_rest(incoming: Path, folder: BackupFolder, sealing: Sealing) -> None:
    """Before a restore: what a receiver that is gone had received and not sealed yet; nothing while one runs."""
    if not incoming.is_dir():
        return
    with (
        contextlib.suppress(BackupFailed),
        only_one(incoming),
        contextlib.closing(Sealed(incoming, folder, sealing)) as sealed,
    ):
        sealed.catch_up()
