"""Models are listed, verified, and installed from folders, zips and a real local web server."""

import hashlib
import shutil
import struct
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from recordings import models
from recordings.models import BadSource, demo_model, find, install, installed, verify
from recordings.vosk_door import BrokenModel, NoModel


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo model as a zip with one folder in it, as the published models are."""
    path = tmp_path_factory.mktemp("zips") / "small-model.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as zipped:
        for file in sorted(demo_model().rglob("*")):
            if file.is_file() and file.name != models.SUMS:
                zipped.write(file, Path("small-model") / file.relative_to(demo_model()))
    return path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Pages(BaseHTTPRequestHandler):
    """Serves one file; `/short.zip` breaks off in the middle."""

    def __init__(self, data: bytes, *args: object) -> None:
        self.data = data
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        if self.path.startswith("/none"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.data)))
        self.end_headers()
        self.wfile.write(self.data[: len(self.data) // 2] if self.path.startswith("/short") else self.data)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def site(archive: Path) -> Iterator[str]:
    """A web server that has the archive."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Pages, archive.read_bytes()))
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def empty(folder: Path) -> bool:
    return not folder.exists() or list(folder.iterdir()) == []


def test_the_demo_model_is_whole_small_and_says_what_it_is() -> None:
    verify(demo_model())
    (demo,) = installed(Path("/nonexistent"))
    assert (demo.name, demo.demo) == ("demo_model", True)
    assert demo.size_bytes <= 10_000_000
    assert "for demo and tests" in str(demo)
    assert "synthetic speech" in (demo.path / "README.md").read_text(encoding="utf-8")


def test_a_folder_is_installed_listed_found_and_verified(tmp_path: Path) -> None:
    progress: list[int] = []
    got = install(str(demo_model()), tmp_path, name="mine", progress=lambda done, _: progress.append(done))
    assert got.path == tmp_path / "mine"
    verify(got.path)
    assert [model.name for model in installed(tmp_path)] == ["demo_model", "mine"]
    assert find("mine", tmp_path) == find(str(got.path), Path("/nonexistent")) == got.path
    assert find("demo_model", tmp_path) == demo_model()
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_zip_is_installed_under_its_own_name(tmp_path: Path, archive: Path) -> None:
    assert install(str(archive), tmp_path, checksum=digest(archive).upper()).name == "small-model"


def test_a_url_is_installed_when_its_checksum_fits(tmp_path: Path, archive: Path, site: str) -> None:
    progress: list[int] = []
    url = f"{site}/small-model.zip"
    got = install(url, tmp_path, checksum=digest(archive), progress=lambda done, _: progress.append(done))
    verify(got.path)
    assert progress[-1] == archive.stat().st_size


@pytest.mark.parametrize(
    ("page", "checksum", "words"),
    [
        ("small-model.zip", None, "--sha256"),
        ("small-model.zip", "0" * 64, "its SHA-256 is"),
        ("none.zip", "0" * 64, "404"),
        ("short.zip", "0" * 64, "could not be downloaded|its SHA-256 is"),
        ("vosk-model-small-cn-0.22.zip", None, "bytes instead of 43898754"),
    ],
)
def test_a_url_that_is_not_the_model_leaves_nothing(
    tmp_path: Path, site: str, page: str, checksum: str | None, words: str
) -> None:
    with pytest.raises(BadSource, match=words):
        install(f"{site}/{page}", tmp_path, checksum=checksum)
    assert empty(tmp_path)


def test_a_known_model_is_checked_by_size_and_sum(
    tmp_path: Path, archive: Path, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = models.Published(f"{site}/known.zip", archive.stat().st_size, digest(archive))
    monkeypatch.setitem(models.KNOWN, "known", known)
    assert install("known", tmp_path).path == tmp_path / "known"
    smaller = models.Published(f"{site}/known.zip", 1_000, digest(archive))
    monkeypatch.setitem(models.KNOWN, "known", smaller)
    with pytest.raises(BadSource, match="larger than 1000 bytes"):
        install("known", tmp_path, name="again")


def test_the_official_small_model_is_known_byte_for_byte() -> None:
    known = models.KNOWN["vosk-model-small-cn-0.22"]
    assert known.size_bytes == 43_898_754
    assert known.sha256 == "3af8b0e7e0f835ae9d414ce5df580237a3cfb08d586c9fbbb0f7ff29ad5b14ba"


def test_nobody_answers_at_the_url(tmp_path: Path) -> None:
    with pytest.raises(BadSource, match="could not be downloaded"):
        install("http://127.0.0.1:9/model.zip", tmp_path, checksum="0" * 64)


def evil(path: Path, name: str, mode: int = 0o100644) -> Path:
    with zipfile.ZipFile(path, "w") as zipped:
        member = zipfile.ZipInfo(name)
        member.external_attr = mode << 16
        zipped.writestr(member, "x")
    return path


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("../outside.txt", 0o100644),
        ("model/../../outside.txt", 0o100644),
        ("/tmp/outside.txt", 0o100644),
        ("model\\..\\outside.txt", 0o100644),
        ("c:/outside.txt", 0o100644),
        ("model/link", 0o120777),
    ],
)
def test_a_zip_that_would_write_elsewhere_is_not_unpacked(tmp_path: Path, name: str, mode: int) -> None:
    with pytest.raises(BadSource, match="not unpacked"):
        install(str(evil(tmp_path / "evil.zip", name, mode)), tmp_path / "models")
    assert empty(tmp_path / "models")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil.zip", "models"]


def test_a_zip_that_says_it_is_larger_than_any_model_is_not_unpacked(tmp_path: Path) -> None:
    path = evil(tmp_path / "bomb.zip", "model/a")
    data = bytearray(path.read_bytes())
    central = data.rindex(b"PK\x01\x02")
    data[central + 24 : central + 28] = struct.pack("<I", 0xFFFFFFFE)
    double = data[central : data.rindex(b"PK\x05\x06")]
    end = bytearray(data[data.rindex(b"PK\x05\x06") :])
    end[8:12] = struct.pack("<HH", 2, 2)
    end[12:16] = struct.pack("<I", 2 * len(double))
    path.write_bytes(data[:central] + double + double + end)
    with pytest.raises(BadSource, match="more than 10000 files or 4 GiB"):
        install(str(path), tmp_path / "models")


def test_a_damaged_zip_is_refused(tmp_path: Path, archive: Path) -> None:
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 0xFF
    broken = tmp_path / "broken.zip"
    broken.write_bytes(data)
    with pytest.raises(BadSource, match="not a whole zip file"):
        install(str(broken), tmp_path / "models")
    broken.write_bytes(data[: len(data) // 2])
    with pytest.raises(BadSource, match="not a whole zip file"):
        install(str(broken), tmp_path / "models")
    assert empty(tmp_path / "models")


def test_a_zip_or_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoModel):
        install(str(evil(tmp_path / "other.zip", "folder/readme.txt")), tmp_path / "models")
    with pytest.raises(NoModel):
        install(str(tmp_path), tmp_path / "models")
    with pytest.raises(BadSource, match="no such folder"):
        install(str(tmp_path / "nothing"), tmp_path / "models")
    assert empty(tmp_path / "models")


@pytest.mark.parametrize("name", ["../x", ".hidden", "a/b", "a\\b", "x" * 101])
def test_a_name_that_is_a_path_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadSource, match="--name"):
        install(str(demo_model()), tmp_path, name=name)


def test_a_name_that_is_taken_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(FileExistsError, match="exists already"):
        install(str(demo_model()), tmp_path, name="mine")


def test_a_changed_or_lost_file_is_noticed(tmp_path: Path) -> None:
    path = install(str(demo_model()), tmp_path, name="mine").path
    with (path / "graph/words.txt").open("a") as file:
        file.write("多 1\n")
    with pytest.raises(BrokenModel, match=r"words\.txt is not the file"):
        verify(path)
    (path / "graph/phones/word_boundary.int").unlink()
    with pytest.raises(NoModel, match="word_boundary"):
        verify(path)


def test_a_model_that_vosk_cannot_use_is_not_installed(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(demo_model(), broken)
    (broken / "graph/HCLG.fst").write_bytes(b"no graph")
    with pytest.raises(BrokenModel, match="vosk cannot use the model"):
        install(str(broken), tmp_path / "models", name="mine")
    assert empty(tmp_path / "models")
