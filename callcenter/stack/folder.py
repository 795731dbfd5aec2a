"""The run folder of one stack: its layout, its lock, short socket paths, and the remains of a crash."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from callcenter.stack import pids
from callcenter.stack.errors import StackBusy, StackFailed

# Read as their own by the dialplan, by the services' files or by a database URL.
FORBIDDEN = frozenset(" \t\n,;(){}[]<>$&|\"'`\\#%?*!")
LONGEST_SOCKET_PATH = 100
"""Linux allows 107 bytes for a unix socket's path (unix(7)); the longest name we add is `/.s.PGSQL.5432`."""


class RunFolder:
    """`log/`, `pids/`, `sockets/` and every service's data under one folder; one stack at a time lives in it."""

    def __init__(self, path: Path) -> None:
        """Raises StackFailed when the path holds a character that one of the services cannot have in a path."""
        self.path = path.absolute()
        if bad := FORBIDDEN & set(str(self.path)):
            shown = " ".join(sorted(bad)).strip() or "space"
            raise StackFailed(f"{self.path}: a run folder's path must not hold {shown}; move the checkout")
        self.pids = self.path / "pids"
        self._link = self.path / "sockets-link"
        self.lock_fd = -1

    @property
    def settings_file(self) -> Path:
        return self.path / "settings.env"

    @property
    def secrets_file(self) -> Path:
        return self.path / "secrets.json"

    @property
    def ports_file(self) -> Path:
        """Which block this stack had last, so that its addresses stay the same."""
        return self.path / "ports"

    def open(self) -> None:
        """Make the folder, take its lock, end what a crashed owner left running. Raises StackBusy."""
        for folder in (self.path, self.path / "log", self.pids, self.path / "sockets"):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.lock_fd = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self.lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.close()
            raise StackBusy(f"a stack lives in {self.path} already; stop it first with `make stop`") from None
        pids.end_all(self.pids)

    def close(self) -> None:
        """Give the lock back; a guard that inherited it may hold it on."""
        if self.lock_fd >= 0:
            os.close(self.lock_fd)
            self.lock_fd = -1

    def sockets(self) -> Path:
        """The folder for unix sockets by a path short enough for them."""
        real = self.path / "sockets"
        if len(os.fsencode(real / ".s.PGSQL.5432")) <= LONGEST_SOCKET_PATH:
            return real
        if self._link.is_symlink() and (kept := self._link.readlink()).is_symlink():
            return kept
        # A folder of our own (0700, fresh name) around the link: nobody can put another link in its place.
        short = Path(tempfile.mkdtemp(prefix="callcenter-")) / "s"
        short.symlink_to(real)
        self._link.unlink(missing_ok=True)
        self._link.symlink_to(short)
        return short

    def remove(self) -> None:
        """Delete everything; for tests, whose runs leave nothing behind."""
        if self._link.is_symlink():
            with contextlib.suppress(OSError):
                shutil.rmtree(self._link.readlink().parent)
        shutil.rmtree(self.path, ignore_errors=True)
