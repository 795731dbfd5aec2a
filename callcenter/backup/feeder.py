"""Gives PostgreSQL the segments of its log as it asks for them, opened from the backup.

restore_command writes the name and the place into one pipe and waits for a status at the other: no program is started
for each segment, and no key is on a command line. 0: it is there; 1: the backup has none of this name, which ends the
log; 250: it does not open, and PostgreSQL gives up (a status above 125 does that: manual, restore_command).
"""

import asyncio
import os
import shlex
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from callcenter.backup import wal
from callcenter.backup.errors import BackupFailed
from callcenter.backup.folder import BackupFolder, Base
from callcenter.backup.receiver import live_contents
from callcenter.backup.sealing import unseal
from callcenter.stack.postgres import Runner
from recordings.custody.keys import KeyProvider

GIVEN, NONE, REFUSED = 0, 1, 250


class Feeder:
    """Answers in the event loop, opens segments in a thread."""

    def __init__(self, folder: BackupFolder, base: Base, keys: KeyProvider, at: Path, runner: Runner) -> None:
        self._folder, self._base, self._keys, self._runner = folder, base, keys, runner
        self._data = at / "data"
        self._asked, self._answers = at / "asked", at / "answers"
        for pipe in (self._asked, self._answers):
            os.mkfifo(pipe, 0o600)
        self.given: set[str] = set()
        """Whole segments."""
        self.live_bytes = 0
        self.refused: BackupFailed | None = None
        """Why a segment could not be given."""

    @property
    def command(self) -> str:
        """restore_command."""
        asked, answers = shlex.quote(str(self._asked)), shlex.quote(str(self._answers))
        return f'echo "%f %p" > {asked} && read -r status < {answers} && exit "$status"'

    @asynccontextmanager
    async def answering(self) -> AsyncIterator[None]:
        """Answers until the block ends."""
        # Opened for both, so that neither end waits for the other, and none is closed in between.
        how = os.O_RDWR | os.O_CLOEXEC | os.O_NONBLOCK
        asked, answers = os.open(self._asked, how), os.open(self._answers, how)
        task = asyncio.create_task(self._answer(asked, answers))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            os.close(asked)
            os.close(answers)

    async def _answer(self, asked: int, answers: int) -> None:
        ready, waiting = asyncio.Event(), b""
        asyncio.get_running_loop().add_reader(asked, ready.set)
        try:
            while await ready.wait():
                ready.clear()
                with suppress(BlockingIOError):
                    waiting += os.read(asked, 4096)
                *lines, waiting = waiting.split(b"\n")
                for line in lines:
                    status = await asyncio.to_thread(self._give, line.decode("ascii", "replace"))
                    os.write(answers, f"{status}\n".encode())
        finally:
            asyncio.get_running_loop().remove_reader(asked)

    def _give(self, line: str) -> int:
        name, _, place = line.partition(" ")
        if not (wal.NAME.fullmatch(name) or wal.HISTORY.fullmatch(name)):
            return NONE
        target = self._data / place
        try:
            if self._folder.segment(name).exists():
                with target.open("wb") as file:
                    for piece in unseal(self._folder.segment(name), f"wal/{name}", self._keys):
                        file.write(piece)
                self.given.add(name)
            elif self._folder.live(name).exists():
                written = live_contents(self._folder.live(name), name, self._keys)
                self.live_bytes = len(written)
                with target.open("wb") as file:
                    file.write(written)
                    file.truncate(self._base.segment_bytes)
            else:
                return NONE
        except BackupFailed as error:
            self.refused = error
            return REFUSED
        except OSError as error:
            self.refused = BackupFailed(f"segment {name} of the log cannot be laid out: {error}")
            return REFUSED
        self._runner.own(target)
        return GIVEN
