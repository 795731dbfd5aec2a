"""The guard: ends the services of a run folder when the process that started them is gone.

`python -m callcenter.stack.guard PIDS_FOLDER` with a pipe as standard input. The pipe closes when the owner dies,
however it dies; then every process with a pid file is ended. If the owner wrote `stay` before, the guard lets them
live and waits until the last one is gone, because it holds the locks of the run folder and of the port block.
"""

import contextlib
import signal
import sys
import time
from pathlib import Path

from callcenter.stack import pids

STAY = b"stay\n"


def main(folder: Path) -> None:
    """Wait for the owner's last word, then end the services or wait for their end."""
    # Ctrl-C in the owner's terminal is the owner's business; it then stops everything in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.stdin.buffer.read() == STAY:
        _wait_for_the_last(folder)
        return
    pids.end_all(folder)


def _wait_for_the_last(folder: Path) -> None:
    while any(pid.alive for path in folder.glob("*.pid") if (pid := pids.read(path))):
        time.sleep(0.5)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main(Path(sys.argv[1]))
