"""`callcenter recordings decrypt` and `inspect`: with the key file and the file alone, one sentence a bad file."""

import io
import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from typer.testing import CliRunner

from callcenter.cli import app
from recordings.custody.custody import Cipher, Codec, WrappedKey
from recordings.custody.keys import FileKeys, MasterKey, new_key, write_key_file
from recordings.custody.leaving import NotOpened, decrypt, inspect
from recordings.custody.sealed import read_header, seal
from recordings.custody.sidecar import SidecarWrong, read_sidecar, sidecar

NAME = UUID("3f2b7c11-9a3e-4d61-8c52-6d6b5f0f6f0a")
OLD, NEW = new_key("rk-1"), new_key("rk-2")
PLAIN = b"fLaC" + bytes(range(256)) * 1000


def sealed_at(path: Path, key: MasterKey = OLD, codec: Codec = Codec.FLAC, name: UUID = NAME) -> Path:
    path.write_bytes(seal(io.BytesIO(PLAIN), name, codec, Cipher.AES_256_GCM, FileKeys((key,)))[0])
    return path


def rotated(path: Path, key: MasterKey = NEW, name: UUID = NAME) -> Path:
    """The file's key, wrapped by `key`, beside the file."""
    file_key = FileKeys((OLD,)).unwrap("rk-1", read_header(path.read_bytes()).key.wrapped)
    beside = path.with_name(path.name + ".key") / key.id
    beside.parent.mkdir(exist_ok=True)
    beside.write_bytes(sidecar(name, WrappedKey(key.id, FileKeys((key,)).wrap(key.id, file_key))))
    return beside


def run(*words: str | Path) -> tuple[int, str, str]:
    import_module("callcenter.cli.recordings")  # registers its commands
    told = CliRunner().invoke(app, ["recordings", *map(str, words)])
    return told.exit_code, told.stdout, told.stderr


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    write_key_file(tmp_path / "keys", (OLD,))
    return tmp_path / "keys"


@pytest.mark.parametrize(("codec", "ending"), [(Codec.FLAC, ".flac"), (Codec.OPUS, ".opus"), (Codec.RAW, ".bin")])
def test_a_file_is_opened_under_its_own_name(tmp_path: Path, keys: Path, codec: Codec, ending: str) -> None:
    file = sealed_at(tmp_path / "whatever.ccr", codec=codec)
    out = tmp_path / "out"
    target = out / f"{NAME}{ending}"
    assert run("decrypt", file, "--key", keys, "--out", out) == (0, f"{target}\n", "")
    assert target.read_bytes() == PLAIN
    assert target.stat().st_mode & 0o777 == 0o600
    assert list(out.iterdir()) == [target]


def test_bad_files_have_a_sentence_each_and_the_others_are_opened(tmp_path: Path, keys: Path) -> None:
    good = [sealed_at(tmp_path / f"good{n}.ccr", name=uuid4()) for n in (1, 2)]
    flipped, cut, other, noise = (sealed_at(tmp_path / f"{what}.ccr") for what in ("flip", "cut", "other", "noise"))
    content = bytearray(flipped.read_bytes())
    content[-70_000] ^= 1
    flipped.write_bytes(content)
    cut.write_bytes(cut.read_bytes()[:-5])
    sealed_at(other, new_key("rk-1"))
    unknown = sealed_at(tmp_path / "unknown.ccr", new_key("rk-9"))
    noise.write_bytes(b"noise")
    gone, out = tmp_path / "gone.ccr", tmp_path / "out"
    bad = [flipped, cut, other, unknown, noise, gone, tmp_path]
    code, told, wrong = run("decrypt", good[0], *bad, good[1], "--key", keys, "--out", out)
    assert (code, len(told.splitlines()), len(list(out.iterdir()))) == (1, 2, 2)
    lines = wrong.splitlines()
    assert [line.split(":")[0] for line in lines] == [str(path) for path in bad]
    said = (
        "chunk 2 does not open",
        "chunk 3 does not open",
        "master key rk-1 of the key file does not open it",
        "needs master key rk-9, which is not in the key file",
        "does not begin as a sealed recording does",
        "No such file",
        "Is a directory",
    )
    assert [part in line for part, line in zip(said, lines, strict=True)] == [True] * len(said), lines


def test_nothing_is_written_over_and_no_half_file_stays(tmp_path: Path, keys: Path) -> None:
    file, out = sealed_at(tmp_path / "a.ccr"), tmp_path / "out"
    out.mkdir()
    (out / f"{NAME}.flac.part").write_text("left by a run that was killed")
    assert run("decrypt", file, "--key", keys, "--out", out)[0] == 0
    code, _, wrong = run("decrypt", file, "--key", keys, "--out", out)
    assert (code, "is there already" in wrong) == (1, True)
    assert [one.name for one in out.iterdir()] == [f"{NAME}.flac"]


def test_a_key_beside_the_file_is_found(tmp_path: Path) -> None:
    file, keys = sealed_at(tmp_path / "a.ccr"), FileKeys((NEW,))
    with pytest.raises(NotOpened, match="needs master key rk-1"):
        decrypt(file, keys, tmp_path)
    beside = rotated(file)
    (beside.parent / "noise").write_text("noise")
    (beside.parent / "folder").mkdir()
    rotated(file, new_key("rk-3"))
    assert inspect(file).beside == ("rk-2", "rk-3")
    assert decrypt(file, keys, tmp_path).read_bytes() == PLAIN


def test_a_key_may_be_named(tmp_path: Path) -> None:
    file = sealed_at(tmp_path / "a.ccr")
    beside = rotated(file).rename(tmp_path / "elsewhere")
    write_key_file(tmp_path / "new", (NEW,))
    assert run("decrypt", file, "--key", tmp_path / "new", "--wrapped", beside, "--out", tmp_path)[0] == 0
    two = run("decrypt", file, file, "--key", tmp_path / "new", "--wrapped", beside)
    assert (two[0], "one FILE only" in two[2]) == (1, True)


@pytest.mark.parametrize("content", [b"", b"noise", b"\xff\xfe", b"x" * 10_000])
def test_a_named_key_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    file, beside = sealed_at(tmp_path / "a.ccr"), tmp_path / "beside"
    beside.write_bytes(content)
    with pytest.raises(NotOpened, match="not a wrapped key"):
        decrypt(file, FileKeys((OLD,)), tmp_path, beside)
    with pytest.raises(NotOpened, match="cannot be read"):
        decrypt(file, FileKeys((OLD,)), tmp_path, tmp_path / "none")


def test_the_key_of_another_recording_is_refused() -> None:
    content = sidecar(NAME, WrappedKey("rk-2", b"x"))
    assert read_sidecar(content, NAME) == WrappedKey("rk-2", b"x")
    with pytest.raises(SidecarWrong, match="of recording 3f2b7c11"):
        read_sidecar(content, uuid4())
    for field, value in (("key_id", "../x"), ("wrapped_key", "?"), ("more", "x")):
        with pytest.raises(SidecarWrong):
            read_sidecar(json.dumps({**json.loads(content), field: value}).encode(), NAME)


def test_inspect_needs_no_key(tmp_path: Path) -> None:
    file, noise = sealed_at(tmp_path / "a.ccr"), tmp_path / "noise"
    rotated(file)
    noise.write_bytes(b"noise")
    code, told, wrong = run("inspect", noise, file)
    assert code == 1
    assert "noise: the file does not begin" in wrong
    assert f"recording {NAME}" in told
    assert f"flac, {len(PLAIN)} bytes inside, {file.stat().st_size} sealed" in told
    assert "aes-256-gcm, 4 chunks of 65536 bytes" in told
    assert "needs master key rk-1, or beside it rk-2" in told


def test_a_key_file_others_may_read_opens_nothing(tmp_path: Path, keys: Path) -> None:
    keys.chmod(0o644)
    code, told, wrong = run("decrypt", sealed_at(tmp_path / "a.ccr"), "--key", keys, "--out", tmp_path)
    assert (code, told, "chmod 600" in wrong) == (1, "", True)


ALONE = """
import sys
from callcenter.cli import app
import callcenter.cli.recordings
try:
    app(sys.argv[1:])
except SystemExit as end:
    foreign = {"sqlalchemy", "asyncpg", "obstore", "redis", "pydantic_settings", "callcenter.settings"}
    loaded = foreign & set(sys.modules)
    sys.exit(f"loaded {loaded}" if loaded else end.code)
"""


def test_it_needs_no_database_no_store_and_no_settings(tmp_path: Path, keys: Path) -> None:
    file = sealed_at(tmp_path / "a.ccr")
    words = ["recordings", "decrypt", str(file), "--key", str(keys), "--out", str(tmp_path)]
    # Nothing of the environment but where our code is.
    alone = {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", ALONE, *words], check=True, capture_output=True, env=alone, timeout=60)
    assert (tmp_path / f"{NAME}.flac").read_bytes() == PLAIN
