"""One child process of the stack: started with a log and a pid file, waited for until ready, ended by pid."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from callcenter.stack import pids
from callcenter.stack.errors import StackFailed

START_WITHIN_S = 60.0
POLL_S = 0.02
LOG_LINES_SHOWN = 15


class Process:
    """A service of the stack by name; may be started again after it ended or was killed."""

    def __init__(self, name: str, folder: Path, *, stop_signal: int = signal.SIGTERM) -> None:
        """`folder` is the run folder; the log is `log/<name>.log`, the pid file `pids/<name>.pid` in it."""
        self.name = name
        self.log_file = folder / "log" / f"{name}.log"
        self.pid_file = folder / "pids" / f"{name}.pid"
        self._stop_signal = stop_signal
        self._child: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it runs, else None."""
        pid = pids.read(self.pid_file)
        return pid.number if pid and pid.alive else None

    @property
    def running(self) -> bool:
        return self.pid is not None

    async def start(self, argv: list[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> None:
        """Start `argv`. Its output is appended to the log. Raises StackFailed when it runs already."""
        if self.running:
            raise StackFailed(f"{self.name} is running already (pid {self.pid})")
        with self.log_file.open("ab") as log:
            # An own session: Ctrl-C reaches the owner only, which then stops the services in order.
            self._child = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                start_new_session=True,
            )
        try:
            pids.write(self.pid_file, pids.of(self._child.pid, self._stop_signal))
        except ProcessLookupError:
            # It has died and been waited for already: `wait_ready` tells its last words.
            self.pid_file.unlink(missing_ok=True)

    async def wait_ready(self, ready: Callable[[], Awaitable[bool]], within_s: float = START_WITHIN_S) -> None:
        """Ask `ready` until it says True. Raises StackFailed when the process dies or the time is over."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        while not await ready():
            if not self.running:
                raise StackFailed(f"{self.name} died at its start; {self.last_words()}")
            if loop.time() > deadline:
                raise StackFailed(f"{self.name} was not ready after {within_s:.0f} s; {self.last_words()}")
            await asyncio.sleep(POLL_S)

    async def stop(self, within_s: float = 15.0) -> None:
        """Ask the process to end, kill it after `within_s`; a process that is gone already is fine."""
        if pid := pids.read(self.pid_file):
            await asyncio.to_thread(pids.end, pid, within_s)
        await self._reap()
        self.pid_file.unlink(missing_ok=True)

    async def kill9(self) -> None:
        """SIGKILL, as a crash would be: nothing is tidied up, the pid file stays."""
        pid = pids.read(self.pid_file)
        if pid is None or not pid.alive:
            raise StackFailed(f"{self.name} is not running")
        await asyncio.to_thread(pids.kill, pid)
        await self._reap()

    def last_words(self) -> str:
        """The log's place and last lines, for an error message."""
        try:
            lines = self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return f"no log at {self.log_file}"
        return f"{self.log_file} ends:\n  " + "\n  ".join(lines[-LOG_LINES_SHOWN:] or ["(empty)"])

    async def _reap(self) -> None:
        if self._child is not None:
            await self._child.wait()
            self._child = None


async def run(argv: list[str], *, what: str, env: Mapping[str, str] | None = None, text: str = "") -> str:
    """Run a short command to its end and return its output. Raises StackFailed with it unless it ends with 0."""
    child = await asyncio.create_subprocess_exec(
        *argv,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, **(env or {})},
    )
    output, _ = await child.communicate(text.encode())
    shown = output.decode("utf-8", "replace")
    if child.returncode:
        raise StackFailed(f"{what} failed with status {child.returncode}:\n{shown[-2000:]}")
    return shown


async def listens(host: str, port: int) -> bool:
    """True when something accepts TCP connections there."""
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True
