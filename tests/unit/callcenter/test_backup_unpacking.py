"""What a backup's tar may lay out: folders and plain files inside one folder."""

import io
import tarfile
from pathlib import Path

import pytest

from callcenter.backup.errors import Tampered
from callcenter.backup.restored import _unpack


def packed(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> io.BytesIO:
    one = tarfile.TarInfo(name)
    one.type, one.linkname, one.size, one.mode = kind, link, 4 if kind == tarfile.REGTYPE else 0, 0o777
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w|") as tar:
        tar.addfile(one, io.BytesIO(b"page"))
    made.seek(0)
    return made


@pytest.mark.parametrize("name", ["PG_VERSION", "base/1/1259", "./global/pg_control"])
def test_a_file_lies_where_it_lay_and_is_its_owners_alone(tmp_path: Path, name: str) -> None:
    with tarfile.open(fileobj=packed(name), mode="r|") as members:
        _unpack(members, tmp_path)
    assert (tmp_path / name).read_bytes() == b"page"
    assert (tmp_path / name).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "tar",
    [
        packed("../outside"),
        packed("base/../../outside"),
        packed("/etc/outside"),
        packed("pg_wal", tarfile.SYMTYPE, "/tmp"),
        packed("base/1", tarfile.LNKTYPE, "../outside"),
        packed("base/fifo", tarfile.FIFOTYPE),
        packed("base/device", tarfile.CHRTYPE),
    ],
)
def test_nothing_leads_out_of_the_folder(tmp_path: Path, tar: io.BytesIO) -> None:
    inside = tmp_path / "data"
    inside.mkdir()
    with tarfile.open(fileobj=tar, mode="r|") as members, pytest.raises(Tampered, match="no file of a cluster"):
        _unpack(members, inside)
    assert [one.name for one in tmp_path.rglob("*")] == ["data"]
