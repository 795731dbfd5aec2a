"""What the numbers were taken on and with, and who used the processor meanwhile (proc(5))."""

import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from callcenter.stack import asterisk_program, paths
from callcenter.stack.errors import StackFailed

LIBRARIES = ("panoramisk", "sqlalchemy", "asyncpg", "aiohttp", "pgqueuer", "redis", "pydantic", "vosk", "numpy")
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class CannotRun(Exception):
    """A bench lacks something on this machine; the message says what, and how to get it."""


def described() -> dict[str, str]:
    """The machine: processor, cores, memory, kernel; the date (UTC); load is of the minute before."""
    cores = len(os.sched_getaffinity(0))
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cpu": _first("/proc/cpuinfo", "model name") or platform.processor() or platform.machine(),
        "cores": str(cores),
        "memory": f"{int(_first('/proc/meminfo', 'MemTotal').split()[0]) / 2**20:.1f} GiB",
        "kernel": platform.release(),
        "load": f"{os.getloadavg()[0]:.2f}",
    }


def versions() -> dict[str, str]:
    """Python, the services, the libraries that carry the weight."""
    return {
        "Python": platform.python_version(),
        "Asterisk": _asterisk(),
        "PostgreSQL": _postgres(),
        **{name: version(name) for name in LIBRARIES},
        "callcenter": version("callcenter"),
    }


def _asterisk() -> str:
    try:
        return asterisk_program.version_text(asterisk_program.find()).removeprefix("Asterisk ")
    except StackFailed:
        return "absent"


def _postgres() -> str:
    try:
        return _says(str(paths.postgres_bin() / "postgres"), "--version").rpartition(" ")[2]
    except (OSError, StackFailed):
        return "absent"


def _says(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, timeout=10, check=False).stdout.strip()


def _first(file: str, key: str) -> str:
    with Path(file).open(encoding="utf-8") as lines:
        return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")


# --- who used the processor


def cpu_s(pid: int) -> float:
    """User and system seconds of a process and of its children that have ended (fields 14 to 17 of stat)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rsplit(")", 1)[1].split()
    except OSError:
        return 0.0
    return sum(int(field) for field in fields[11:15]) * TICK_S


def family_cpu_s(pid: int) -> float:
    """The same of a process and of every living child, as PostgreSQL needs: a connection is a child."""
    return cpu_s(pid) + sum(cpu_s(child) for child in _children(pid))


def _children(pid: int) -> Iterable[int]:
    try:
        told = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    except OSError:
        return []
    return [int(child) for child in told.split()]


def main() -> None:
    for name, value in {**described(), **versions()}.items():
        sys.stdout.write(f"{name:<12}{value}\n")


if __name__ == "__main__":
    main()
