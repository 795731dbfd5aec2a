"""Pid files that cannot hit the wrong process: a pid counts only together with its start time.

Standard library only: the guard process imports this and nothing else of ours.
Source: proc(5), /proc/<pid>/stat, field 22 (starttime).
"""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Pid:
    """One running process and the signal that asks it to end in order."""

    number: int
    started: str
    """Clock ticks since boot, as /proc writes it; a reused pid has another."""
    stop_signal: int = signal.SIGTERM

    @property
    def alive(self) -> bool:
        """True while this very process runs; a zombie is not alive."""
        state, started = _stat(self.number)
        return started == self.started and state != "Z"

    def send(self, number: int) -> None:
        """Send a signal; a process that is already gone is fine."""
        if self.alive:
            try:
                os.kill(self.number, number)
            except ProcessLookupError:
                return


def of(number: int, stop_signal: int = signal.SIGTERM) -> Pid:
    """The Pid of a process that runs now. Raises ProcessLookupError when there is none."""
    _, started = _stat(number)
    if not started:
        raise ProcessLookupError(number)
    return Pid(number, started, stop_signal)


def write(path: Path, pid: Pid) -> None:
    """Keep `pid` in `path`, replacing what was there in one step."""
    draft = path.with_suffix(".new")
    draft.write_text(f"{pid.number} {pid.started} {int(pid.stop_signal)}\n", encoding="ascii")
    draft.replace(path)


def read(path: Path) -> Pid | None:
    """The Pid in `path`; None when the file is missing or torn."""
    try:
        number, started, stop_signal = path.read_text(encoding="ascii").split()
        return Pid(int(number), started, int(stop_signal))
    except (OSError, ValueError):
        return None


def end_all(folder: Path, patience_s: float = 10.0) -> list[str]:
    """End every process that has a pid file in `folder`: stop signal, then SIGKILL after `patience_s`.

    The newest is asked first, so that users of a service go before the service. Returns the names that had to be
    killed and removes the pid files.
    """
    files = sorted(folder.glob("*.pid"), key=lambda path: path.stat().st_mtime, reverse=True)
    killed = [path.stem for path in files if (pid := read(path)) and not end(pid, patience_s)]
    for path in files:
        path.unlink(missing_ok=True)
    return killed


def end(pid: Pid, patience_s: float) -> bool:
    """Ask `pid` to end and wait; SIGKILL after `patience_s`. True when it went by itself."""
    pid.send(pid.stop_signal)
    deadline = time.monotonic() + patience_s
    while pid.alive and time.monotonic() < deadline:
        time.sleep(0.02)
    by_itself = not pid.alive
    kill(pid)
    return by_itself


def kill(pid: Pid) -> None:
    """SIGKILL, and wait until the process is gone."""
    pid.send(signal.SIGKILL)
    while pid.alive:
        time.sleep(0.02)


def _stat(number: int) -> tuple[str, str]:
    """(state, starttime) of a process, ("", "") when there is none."""
    try:
        text = Path(f"/proc/{number}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "", ""
    # The command name stands in parentheses and may hold spaces and parentheses itself.
    fields = text.rpartition(")")[2].split()
    return fields[0], fields[19]
