"""A block of 1000 ports on loopback for one stack, so that two checkouts run at the same time.

Blocks start at 12000, 13000 ... 31000: below the range Linux hands out to clients (32768 and up). A block is claimed
by a lock on a file in the temp folder that lives as long as the stack, and by binding its service ports once.
"""

import contextlib
import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from callcenter.stack.errors import StackBusy

BLOCK = 1000
FIRST, LAST = 12000, 31000
LOOPBACK = "127.0.0.1"
TRUNK_PEER = "127.0.0.2"
"""Address of the carrier and so of every citizen."""
UNIT_PEER = "127.0.0.3"
"""Address of the exchange behind which the handling units' telephones are."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of one stack, all counted from the first of its block."""

    start: int

    @property
    def sip(self) -> int:
        return self.start

    @property
    def ami(self) -> int:
        return self.start + 1

    @property
    def http(self) -> int:
        """Asterisk's HTTP server, for softphones over WebSocket; closed unless asked for."""
        return self.start + 2

    @property
    def agi(self) -> int:
        return self.start + 3

    @property
    def audiosocket(self) -> int:
        return self.start + 4

    @property
    def kannel_admin(self) -> int:
        return self.start + 10

    @property
    def kannel_smsbox(self) -> int:
        """Between Kannel's two processes."""
        return self.start + 11

    @property
    def kannel_sendsms(self) -> int:
        return self.start + 12

    @property
    def smsc(self) -> int:
        """The carrier's SMS centre (SMPP), played by `callcenter.stack.handset`."""
        return self.start + 13

    @property
    def sms_callback(self) -> int:
        return self.start + 14

    @property
    def api(self) -> int:
        return self.start + 20

    @property
    def metrics(self) -> int:
        return self.start + 21

    @property
    def trunk_peer(self) -> int:
        """Where Asterisk dials citizens, on TRUNK_PEER."""
        return self.start + 30

    @property
    def unit_peer(self) -> int:
        """Where Asterisk dials handling units, on UNIT_PEER."""
        return self.start + 31

    @property
    def rtp(self) -> tuple[int, int]:
        """First and last UDP port of Asterisk's media, both included."""
        return self.start + 100, self.start + BLOCK - 1

    def services(self) -> Iterator[tuple[str, int]]:
        """(address, port) of everything that will listen, media aside."""
        names = "sip ami http agi audiosocket kannel_admin kannel_smsbox kannel_sendsms smsc sms_callback api metrics"
        for name in names.split():
            yield LOOPBACK, getattr(self, name)
        yield TRUNK_PEER, self.trunk_peer
        yield UNIT_PEER, self.unit_peer


@dataclass(frozen=True, slots=True)
class Claim:
    """A block of ports that is ours until `release`; the guard inherits `lock_fd` and keeps it after us."""

    ports: Ports
    lock_fd: int

    def release(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self.lock_fd)


def claim(preferred: int | None = None) -> Claim:
    """A free block, `preferred` (the start of a block) if it is free. Raises StackBusy when none is."""
    for start in candidates(preferred):
        lock_fd = _lock(start)
        if lock_fd is None:
            continue
        ports = Ports(start)
        if _free(ports):
            return Claim(ports, lock_fd)
        os.close(lock_fd)
    raise StackBusy(
        f"no free block of {BLOCK} ports between {FIRST} and {LAST + BLOCK - 1}: every one is locked by another "
        "stack or has a program on one of its ports; stop one with `make stop` in its checkout"
    )


def candidates(preferred: int | None) -> list[int]:
    """The blocks to try, in order; `preferred` first when it is the start of a block."""
    starts = list(range(FIRST, LAST + 1, BLOCK))
    return [preferred, *starts] if preferred in starts else starts


def _lock(start: int) -> int | None:
    path = Path(tempfile.gettempdir()) / f"callcenter-ports-{start}.lock"
    fd = _open(path)
    if fd is None:
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd


def _open(path: Path) -> int | None:
    """Open or create the lock file; a link or another user's unreadable file counts as taken."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    # Reading is enough to lock; creating in a sticky folder over another user's file is refused by Linux.
    for extra in (os.O_CREAT, 0):
        with contextlib.suppress(OSError):
            return os.open(path, flags | extra, 0o644)
    return None


def _free(ports: Ports) -> bool:
    """True when every service port can be bound for TCP and UDP."""
    for address, port in ports.services():
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(socket.AF_INET, kind) as probe:
                # As the servers do: a port in TIME_WAIT is free.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1 if kind == socket.SOCK_STREAM else 0)
                try:
                    probe.bind((address, port))
                except OSError:
                    return False
    return True
