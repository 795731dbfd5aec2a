"""Which Asterisk to run: the one on PATH when it is 20 or newer, else the private tree that set-up fetched.

The private tree is a folder of unpacked Debian packages. Its binary runs through the tree's own dynamic loader: no
chroot, no mounts, no root, and it sees the files of the host.
"""

import platform
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from callcenter.stack import paths
from callcenter.stack.errors import PartMissing

OLDEST = 20
"""First version whose AMI, queue and PJSIP options we use."""


@dataclass(frozen=True, slots=True)
class Program:
    """How to start an Asterisk and where its parts are."""

    argv: tuple[str, ...]
    modules: Path
    share: Path
    """Folder with `documentation` (some modules refuse to load without it)."""


def find() -> Program:
    """The Asterisk of this machine. Raises PartMissing when there is none."""
    return _on_path() or _private_tree() or _missing()


def _on_path() -> Program | None:
    binary = shutil.which("asterisk", path="/usr/local/sbin:/usr/sbin:/usr/local/bin:/usr/bin")
    if binary is None or _version((binary,)) < OLDEST:
        return None
    for library in (f"lib/{platform.machine()}-linux-gnu", "lib64", "lib"):
        modules = Path(binary).parent.parent / library / "asterisk" / "modules"
        if modules.is_dir():
            share = next(
                (
                    folder
                    for folder in (Path("/usr/share/asterisk"), Path("/var/lib/asterisk"))
                    if (folder / "documentation").is_dir()
                ),
                None,
            )
            return Program((binary,), modules, share) if share else None
    return None


def _private_tree() -> Program | None:
    tree = paths.cache_dir() / "asterisk-tree"
    triplet = f"{platform.machine()}-linux-gnu"
    loader = next(iter(sorted(tree.glob("usr/lib*/ld-linux-*.so.*"))), None)
    binary = tree / "usr/sbin/asterisk"
    if loader is None or not binary.is_file():
        return None
    argv = (str(loader), "--argv0", "asterisk", "--library-path", str(tree / "usr/lib" / triplet), str(binary))
    return Program(argv, tree / "usr/lib" / triplet / "asterisk/modules", tree / "usr/share/asterisk")


def _missing() -> Program:
    raise PartMissing(
        f"no Asterisk {OLDEST} or newer on PATH and no private one in {paths.cache_dir() / 'asterisk-tree'}; "
        "run `make setup`, which fetches it"
    )


def version_text(program: Program) -> str:
    """What `asterisk -V` prints. Raises PartMissing when the program does not run."""
    try:
        shown = _run_v(program.argv)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PartMissing(f"{program.argv[-1]} does not run: {error}") from None
    if not shown.startswith("Asterisk"):
        raise PartMissing(f"{program.argv[-1]} -V does not say that it is Asterisk")
    return shown.strip()


def _run_v(argv: tuple[str, ...]) -> str:
    return subprocess.run([*argv, "-V"], capture_output=True, text=True, timeout=10, check=False).stdout  # noqa: S603


def _version(argv: tuple[str, ...]) -> int:
    """Major version by `asterisk -V`, 0 when it does not say one."""
    try:
        shown = _run_v(argv)
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.match(r"Asterisk (?:certified/)?(\d+)\.", shown)
    return int(found[1]) if found else 0
