"""Speech models on disk: which there are, whether they are whole, and how one is installed.

A model is a folder that vosk loads. It is installed from a folder, a zip or a URL, checked before and after it is
unpacked, tried out in a process of its own, and only then moved to its place. Blocking; for the CLI and for threads.
"""

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException
from importlib.resources import files
from pathlib import Path, PurePosixPath
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from recordings.audio import sha256
from recordings.vosk_door import BrokenModel, NoModel, check_files

SUMS = "SHA256SUMS"
MAX_FILES = 10_000
MAX_BYTES = 4 << 30
"""Unpacked size: the large Mandarin model needs 2 GiB."""
MAX_DOWNLOAD_BYTES = 3 << 30
BLOCK_BYTES = 1 << 20
DOWNLOAD_TIMEOUT_S = 30.0
"""Without a byte for so long the download is given up."""
TRY_OUT_LIMIT_S = 120.0


class BadSource(Exception):
    """The model cannot be taken from there: not a model, damaged, too large, or not what its checksum says."""


@dataclass(frozen=True, slots=True)
class Published:
    """A model whose archive is known byte for byte."""

    url: str
    size_bytes: int
    sha256: str


KNOWN = {
    "vosk-model-small-cn-0.22": Published(
        "https://alphacephei.com/vosk/models/vosk-model-small-cn-0.22.zip",
        43_898_754,
        "3af8b0e7e0f835ae9d414ce5df580237a3cfb08d586c9fbbb0f7ff29ad5b14ba",
    )
}


@dataclass(frozen=True, slots=True)
class Installed:
    """A model on disk. `demo`: the one that comes with the program and has only heard synthetic speech."""

    name: str
    path: Path
    size_bytes: int
    demo: bool

    def __str__(self) -> str:
        only = "  (synthetic speech only: for demo and tests)" if self.demo else ""
        return f"{self.name}  {self.size_bytes / 1e6:.1f} MB  {self.path}{only}"


Progress = Callable[[int, int], None]
"""Called with (bytes so far, bytes in all or 0)."""


def demo_model() -> Path:
    """The folder of the demo model; synthetic speech only, for demo and tests."""
    return Path(str(files("recordings").joinpath("demo_model")))


def installed(folder: Path) -> tuple[Installed, ...]:
    """The demo model and every model in `folder`, by name. Folders without a whole model are left out."""
    found = [_installed(demo_model(), demo=True)]
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if not path.name.startswith(".") and _is_model(path):
            found.append(_installed(path, demo=False))
    return tuple(found)


def _installed(path: Path, *, demo: bool) -> Installed:
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return Installed(path.name, path, size, demo)


def _is_model(path: Path) -> bool:
    try:
        check_files(path)
    except NoModel:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Facts:
    """What a model's own files say. sample_rate_hz: it was trained for, None: not said; words: it knows, None: not
    listed; summed: its files can be checked against SHA256SUMS."""

    sample_rate_hz: int | None
    words: int | None
    whole_graph: bool
    summed: bool


def facts_of(path: Path) -> Facts:
    """Read from the model's configuration and word list. Blocking."""
    rate = re.search(r"--sample-frequency=(\d+)", _text_of(path / "conf" / "mfcc.conf"))
    listed = path / "graph" / "words.txt"
    return Facts(
        sample_rate_hz=int(rate[1]) if rate else None,
        words=_text_of(listed).count("\n") if listed.is_file() else None,
        whole_graph=(path / "graph" / "HCLG.fst").is_file(),
        summed=(path / SUMS).is_file(),
    )


def _text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def find(name: str, folder: Path) -> Path:
    """The folder of the model called `name`: `demo_model`, one in `folder`, or a path. Raises NoModel."""
    for model in installed(folder):
        if model.name == name:
            return model.path
    path = Path(name)
    check_files(path)
    return path


def verify(path: Path) -> None:
    """Raises NoModel when files are missing, BrokenModel when one was changed or vosk cannot load and use it."""
    check_files(path)
    _check_sums(path)
    _try_out(path)


def _check_sums(path: Path) -> None:
    sums = path / SUMS
    if not sums.is_file():
        return
    for line in sums.read_text(encoding="utf-8").splitlines():
        wanted, _, name = line.partition("  ")
        file = path / name
        if not file.is_file():
            raise NoModel(f"the speech model at {path} is incomplete: {name} is missing")
        if sha256(file) != wanted:
            raise BrokenModel(f"{file} is not the file that was installed; install the model again")


def _try_out(path: Path) -> None:
    # In a process of its own: Kaldi ends the process on some broken models.
    command = [sys.executable, "-m", "recordings.vosk_door", str(path.resolve())]
    root = Path(str(files("recordings"))).parent
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, timeout=TRY_OUT_LIMIT_S, check=False)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise BrokenModel(f"vosk did not load the model in {path} within {TRY_OUT_LIMIT_S:.0f} s") from error
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
        raise BrokenModel(f"vosk cannot use the model in {path}: {last[0][:200]}")


def install(
    source: str, into: Path, *, checksum: str | None = None, name: str | None = None, progress: Progress | None = None
) -> Installed:
    """Installs a model from a folder, a zip, a URL or a known name into `into`; answers what was installed.

    checksum: SHA-256 of the zip; obligatory for a URL that is not in KNOWN. name: of the folder, else the source's.
    Raises BadSource, NoModel, BrokenModel; then nothing is left behind. FileExistsError: the name is taken.
    """
    into.mkdir(parents=True, exist_ok=True)
    known = KNOWN.get(source)
    source = known.url if known else source
    target = into / _safe_name(name or PurePosixPath(urlsplit(source).path.rstrip("/")).name.removesuffix(".zip"))
    if target.exists():
        raise FileExistsError(f"{target} exists already; remove it first, or give another name")
    with tempfile.TemporaryDirectory(prefix=".installing-", dir=into) as temporary:
        work = Path(temporary)
        model = _fetched(source, work, checksum, progress)
        _write_sums(model)
        verify(model)
        model.rename(target)
    return _installed(target, demo=False)


def _safe_name(name: str) -> str:
    if not name or name.startswith(".") or "/" in name or "\\" in name or len(name) > 100:
        raise BadSource(f"{name!r} cannot be the name of a model's folder; give one with --name")
    return name


def _fetched(source: str, work: Path, checksum: str | None, progress: Progress | None) -> Path:
    """The model's folder below `work`, wherever it came from."""
    if urlsplit(source).scheme in ("http", "https"):
        archive = work / "model.zip"
        _download(source, archive, _published(source, checksum), progress)
        return _unpacked(archive, work / "unpacked")
    path = Path(source)
    if path.is_dir():
        return _copied(path, work / "copied")
    if not path.is_file():
        raise BadSource(f"{source}: there is no such folder, zip file or known model ({', '.join(KNOWN)})")
    if checksum and sha256(path) != checksum.lower():
        raise BadSource(f"{source}: its SHA-256 is not {checksum}")
    return _unpacked(path, work / "unpacked")


def _copied(path: Path, to: Path) -> Path:
    check_files(path)
    listed = [file for file in path.rglob("*") if file.is_file()]
    if len(listed) > MAX_FILES or sum(file.stat().st_size for file in listed) > MAX_BYTES:
        raise BadSource(f"{path} is too large to be a speech model")
    shutil.copytree(path, to, ignore=shutil.ignore_patterns(SUMS))
    return to


def _published(url: str, checksum: str | None) -> Published:
    for known in KNOWN.values():
        if known.url == url or PurePosixPath(urlsplit(url).path).name == PurePosixPath(known.url).name:
            return Published(url, known.size_bytes, (checksum or known.sha256).lower())
    if not checksum:
        raise BadSource(f"{url}: nothing says what its checksum should be; give it with --sha256")
    return Published(url, 0, checksum.lower())


def _download(url: str, to: Path, expected: Published, progress: Progress | None) -> None:
    digest, received = hashlib.sha256(), 0
    limit = expected.size_bytes or MAX_DOWNLOAD_BYTES
    try:
        # The scheme was checked: http or https.
        with urlopen(Request(url), timeout=DOWNLOAD_TIMEOUT_S) as answer, to.open("wb") as file:  # noqa: S310
            while block := answer.read(BLOCK_BYTES):
                received += len(block)
                if received > limit:
                    raise BadSource(f"{url} is larger than {limit} bytes; it is not the model that was meant")
                digest.update(block)
                file.write(block)
                if progress:
                    progress(received, expected.size_bytes)
    except (URLError, HTTPException, OSError) as error:
        raise BadSource(f"{url} could not be downloaded: {error}") from error
    if expected.size_bytes and received != expected.size_bytes:
        raise BadSource(f"{url} gave {received} bytes instead of {expected.size_bytes}; try again")
    if digest.hexdigest() != expected.sha256:
        raise BadSource(f"{url}: its SHA-256 is {digest.hexdigest()}, expected {expected.sha256}")


def _unpacked(archive: Path, to: Path) -> Path:
    """The model's folder inside the unpacked zip, which may be the top or the only folder in it."""
    try:
        with zipfile.ZipFile(archive) as zipped:
            _check_members(zipped)
            _extract(zipped, to)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError) as error:
        raise BadSource(f"{archive.name} is not a whole zip file: {error}") from error
    inside = [path for path in to.iterdir() if path.is_dir()]
    top = to if _is_model(to) or len(inside) != 1 else inside[0]
    check_files(top)
    return top


def _check_members(zipped: zipfile.ZipFile) -> None:
    members = zipped.infolist()
    if len(members) > MAX_FILES or sum(member.file_size for member in members) > MAX_BYTES:
        raise BadSource(f"the zip unpacks to more than {MAX_FILES} files or {MAX_BYTES >> 30} GiB")
    for member in members:
        path = PurePosixPath(member.filename)
        kind = member.external_attr >> 28
        outside = path.is_absolute() or ".." in path.parts or "\\" in member.filename or ":" in member.filename
        # 0xA: symbolic link; flag bit 0: encrypted
        if outside or kind == 0xA or member.flag_bits & 1:
            raise BadSource(f"the zip holds {member.filename[:100]!r}, which a model never does; it is not unpacked")


def _extract(zipped: zipfile.ZipFile, to: Path) -> None:
    to.mkdir()
    for member in zipped.infolist():
        path = to / member.filename
        if member.is_dir():
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        # zipfile never gives more than the declared size, which was added up before, and checks the CRC.
        with zipped.open(member) as source, path.open("xb") as file:
            shutil.copyfileobj(source, file, BLOCK_BYTES)


def _write_sums(model: Path) -> None:
    names = sorted(path.relative_to(model).as_posix() for path in model.rglob("*") if path.is_file())
    lines = [f"{sha256(model / name)}  {name}\n" for name in names if name != SUMS]
    (model / SUMS).write_text("".join(lines), encoding="utf-8")
