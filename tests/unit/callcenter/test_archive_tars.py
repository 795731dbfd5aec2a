"""A package's file: the same for the same folder, and unpacked only when it is a plain tar of plain files."""

import io
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.archive import bags, tars
from callcenter.archive.bags import BagWrong
from callcenter.archive.tars import Limits, PackageUnsafe
from callcenter.signing import Signer


def bag(at: Path, name: str = "20260610000001-r1") -> Path:
    folder = at / name
    (folder / "data" / "calls").mkdir(parents=True)
    (folder / "data" / "a.json").write_text("{}")
    (folder / "data" / "calls" / "b.json").write_text("[]")
    return folder


def test_equal_folders_are_equal_files_and_come_back_equal(tmp_path: Path) -> None:
    one, two = bag(tmp_path / "1"), bag(tmp_path / "2")
    os.utime(two / "data" / "a.json", (1, 1))
    (two / "data" / "a.json").chmod(0o644)
    for folder in (one, two):
        tars.pack(folder, folder.with_suffix(".tar"))
    assert one.with_suffix(".tar").read_bytes() == two.with_suffix(".tar").read_bytes()
    assert list(one.parent.iterdir()) != [], "no draft is left"
    assert not [path for path in one.parent.iterdir() if path.name.startswith(".")]
    back = tars.unpack(one.with_suffix(".tar"), tmp_path / "back")
    assert {str(p.relative_to(back)): p.read_text() for p in back.rglob("*.json")} == {
        "data/a.json": "{}",
        "data/calls/b.json": "[]",
    }


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.size = kind, link, size
    return made


HOSTILE: dict[str, list[tarfile.TarInfo]] = {
    "up": [member("a/../../x")],
    "absolute": [member("/etc/x")],
    "no folder": [member("x")],
    "two folders": [member("a/x"), member("b/x")],
    "symlink": [member("a/x", tarfile.SYMTYPE, "/etc/passwd")],
    "hard link": [member("a/x"), member("a/y", tarfile.LNKTYPE, "a/x")],
    "device": [member("a/x", tarfile.CHRTYPE)],
    "block device": [member("a/x", tarfile.BLKTYPE)],
    "pipe": [member("a/x", tarfile.FIFOTYPE)],
    "sparse": [member("a/x", tarfile.GNUTYPE_SPARSE)],
    "hidden": [member("a/.x")],
    "twice": [member("a/x"), member("a/x")],
    "file and folder": [member("a/x"), member("a/x/y")],
    "turned": [member("a/x\u202e.json")],
    "line end": [member("a/x\ny")],
    "backslash": [member("a\\x/y")],
    "deep": [member("/".join("a" * 20))],
    "nothing": [],
    "only folders": [member("a", tarfile.DIRTYPE)],
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=list(HOSTILE))
def test_a_hostile_tar_is_refused_and_nothing_is_written_outside(
    tmp_path: Path, members: list[tarfile.TarInfo]
) -> None:
    path, into = tmp_path / "p.tar", tmp_path / "into"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for one in members:
            tar.addfile(one)
    into.mkdir()
    with pytest.raises(PackageUnsafe):
        tars.unpack(path, into)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["into", "p.tar"]
    assert not [one for one in into.rglob("*") if one.is_symlink()]


def _claims(data: bytes) -> bytes:
    """The header says there is a gigabyte; the file is as small as before."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        tar.addfile(member("a/x", size=0))
    head = bytearray(made.getvalue())
    head[124:136] = b"%011o\0" % 1024**3
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head[:512])
    return bytes(head)


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[:700],
    "claims a gigabyte": _claims,
    "not a tar": lambda data: b"x" * 2048,
    "empty": lambda data: b"",
}


@pytest.mark.parametrize("change", BROKEN.values(), ids=list(BROKEN))
def test_a_broken_tar_is_refused(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    folder = bag(tmp_path)
    (folder / "data" / "a.json").write_text("x" * 3000)
    path = tmp_path / "p.tar"
    tars.pack(folder, path)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(PackageUnsafe):
        tars.unpack(path, tmp_path / "into")


def test_a_compressed_tar_a_link_and_a_folder_are_no_package(tmp_path: Path) -> None:
    folder = bag(tmp_path)
    with tarfile.open(tmp_path / "p.tar", "w:gz") as tar:
        tar.add(folder, folder.name)
    tars.pack(folder, tmp_path / "real.tar")
    (tmp_path / "link.tar").symlink_to(tmp_path / "real.tar")
    os.mkfifo(tmp_path / "pipe.tar")
    for name in ("p.tar", "link.tar", "pipe.tar", folder.name, "absent.tar"):
        with pytest.raises(PackageUnsafe):
            tars.unpack(tmp_path / name, tmp_path / "into")


LIMITS = (Limits(files=1), Limits(file_bytes=1), Limits(total_bytes=100))


@pytest.mark.parametrize("limits", LIMITS)
def test_more_than_a_package_may_hold_is_refused_before_it_is_written(tmp_path: Path, limits: Limits) -> None:
    folder = bag(tmp_path)
    tars.pack(folder, tmp_path / "p.tar")
    with pytest.raises(PackageUnsafe):
        tars.unpack(tmp_path / "p.tar", tmp_path / "into", limits)
    assert not (tmp_path / "into").exists()


def test_an_unpacked_bag_with_a_link_in_it_is_refused(tmp_path: Path) -> None:
    folder = bag(tmp_path)
    tars.in_bag(folder)
    (folder / "data" / "c.json").symlink_to("/etc/hostname")
    with pytest.raises(PackageUnsafe):
        tars.in_bag(folder)


@given(st.text(max_size=40))
def test_a_safe_name_leads_nowhere_else(name: str) -> None:
    if tars.SAFE_NAME.fullmatch(name):
        assert ".." not in name.split("/")
        assert not name.startswith(("/", "."))
        assert name.isascii()
        assert name.isprintable()


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return Signer.make(tmp_path_factory.mktemp("keys") / "signing.pem")


def test_what_stands_in_bag_info_is_one_printable_line(tmp_path: Path, signer: Signer) -> None:
    folder = bag(tmp_path)
    bags.close_bag(folder, {"Source-Organization": "热线\r\nPayload-Oxum: 0.0\u202e\u2028x"}, signer)
    info = bags.check_bag(folder)
    assert info == {"Source-Organization": "热线Payload-Oxum: 0.0x", "Payload-Oxum": "4.2"}


def test_openssl_accepts_the_signature(tmp_path: Path, signer: Signer) -> None:
    folder = bag(tmp_path)
    bags.close_bag(folder, {"External-Identifier": "1"}, signer)
    asked = ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", bags.PUBLIC_KEY, "-rawin"]
    asked += ["-in", bags.TAG_MANIFEST, "-sigfile", bags.SIGNATURE]
    assert subprocess.run(asked, cwd=folder, capture_output=True, check=False).returncode == 0


def test_a_payload_that_is_not_plain_files_is_never_signed(tmp_path: Path, signer: Signer) -> None:
    folder = bag(tmp_path)
    (folder / "data" / "c.json").symlink_to("/etc/hostname")
    with pytest.raises(BagWrong, match=r"data/c\.json"):
        bags.close_bag(folder, {}, signer)
