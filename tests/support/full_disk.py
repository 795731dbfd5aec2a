"""A small disk for the spool of a running stack, which a test fills and frees.

A memory file system where this user may mount one. Elsewhere the listener is started again with a reading of its own:
`python -m tests.support.full_disk` is `callcenter listen` whose watch reads the share from the file `share`.
"""

import asyncio
import functools
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from callcenter.custody.disk_watch import DiskWatch, room_of
from callcenter.stack.hotline import Hotline
from recordings.storage import Room

SIZE = 24 * 2**20
BALLAST = "ballast"
"""Not a name of ours: a recording would be taken into the store."""


class Mounted:
    """The spool is a disk of 24 MiB."""

    def __init__(self, spool: Path) -> None:
        self._ballast = spool / BALLAST

    def fill(self) -> None:
        """To 96 %."""
        with self._ballast.open("wb") as file:
            file.truncate(0)
            file.write(b"\x01" * int(SIZE * 0.96))

    def free(self) -> None:
        """As it was."""
        self._ballast.unlink()


class Told:
    """The watch is told a share."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.free()

    def fill(self) -> None:
        self._file.write_text("0.96")

    def free(self) -> None:
        self._file.write_text("0.10")


@asynccontextmanager
async def small_disk(hotline: Hotline) -> AsyncIterator[Mounted | Told]:
    """The disk under the spool of a hotline that runs and has not had a call yet."""
    spool = hotline.stack.asterisk.spool
    if os.geteuid() == 0:
        await _run("mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(spool))
        try:
            yield Mounted(spool)
        finally:
            await _run("umount", "-l", str(spool))
        return
    share = hotline.stack.folder.path / "share"
    told = Told(share)
    await hotline.processes["listen"].stop()
    command = [sys.executable, "-m", "tests.support.full_disk", str(share)]
    hotline.processes["listen"] = await hotline.stack.spawn("listen", command)
    await hotline.until_ready()
    yield told


async def _run(*command: str) -> None:
    await asyncio.to_thread(subprocess.run, command, check=True)


def _listen(share: Path) -> None:
    from callcenter import parts, settings

    def read(path: Path) -> Room:
        used = int(10_000 * float(share.read_text()))
        return Room(10_000, 10_000 - used, used, room_of(path).device)

    setattr(parts, "DiskWatch", functools.partial(DiskWatch, read=read))  # noqa: B010 - it is not parts' own name
    asyncio.run(parts.run(settings.load(), frozenset({parts.Part.LISTEN})))


if __name__ == "__main__":
    _listen(Path(sys.argv[1]))
