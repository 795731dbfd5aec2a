"""docs/recording-format.md, read as a stranger would: its example, and the reader printed in it, on our files."""

import base64
import hashlib
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher as Primitive
from cryptography.hazmat.primitives.ciphers import algorithms, modes

from recordings.custody.custody import Cipher, Codec
from recordings.custody.keys import FileKeys, MasterKey, read_key_file, write_key_file
from recordings.custody.sealed import seal

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "recording-format.md").read_text(encoding="utf-8")
Reader = Callable[[bytes, str], bytes]


def block(kind: str) -> str:
    found = re.search(rf"^```{kind}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    assert found, f"the page has no block {kind}"
    return found[1]


def value(what: str) -> str:
    found = re.search(rf"^\| {re.escape(what)} \| `?([^`|]+?)`? ?(?:\(|\|)", PAGE, re.MULTILINE)
    assert found, f"the page has no row {what}"
    return found[1]


@pytest.fixture(scope="module")
def reader() -> Reader:
    """The page's own code; it imports nothing of ours."""
    names: dict[str, Reader] = {}
    source = block("python")
    assert "recordings" not in source
    exec(source, names)
    return names["contents"]


@pytest.fixture
def keys(tmp_path: Path) -> tuple[MasterKey, ...]:
    path = tmp_path / "keys"
    path.write_text(block("keys"), encoding="ascii")
    path.chmod(0o600)
    return read_key_file(path)


def test_the_examples_file_opens_to_its_text(reader: Reader) -> None:
    sealed = bytes.fromhex(block("ccr"))
    assert reader(sealed, block("keys")).decode() == "12345 热线"


def test_every_step_of_the_example_is_so(keys: tuple[MasterKey, ...]) -> None:
    sealed = bytes.fromhex(block("ccr"))
    length = int(value("H"))
    header = json.loads(sealed[12 : 12 + length])
    assert int.from_bytes(sealed[8:12], "little") == length
    assert sealed[12 : 12 + length].decode() == value("header")
    assert hashlib.sha256(sealed[: 12 + length]).hexdigest() == value("bound")
    assert base64.b64decode(header["wrapped_key"]).hex() == value("wrapped key")
    unwrapped = FileKeys(keys).unwrap("rk-doc", bytes.fromhex(value("wrapped key")))
    assert unwrapped.hex() == value("file's key, unwrapped by rk-doc")
    assert base64.b64decode(header["nonce_prefix"]).hex() + "0000000001" == value("nonce of chunk 0, the last")
    assert bytes.fromhex(value("contents")) == "12345 热线".encode()


def test_the_example_beside_the_file_has_the_same_key(keys: tuple[MasterKey, ...]) -> None:
    beside = json.loads(block("sidecar"))
    wrapped = base64.b64decode(beside["wrapped_key"])
    assert beside["name"] in block("ccr") or beside["name"] in value("header")
    opening = Primitive(algorithms.SM4(keys[0].secret), modes.GCM(wrapped[:12], wrapped[-16:])).decryptor()
    opening.authenticate_additional_data(b"sm-doc")
    key = opening.update(wrapped[12:-16]) + opening.finalize()
    assert key.hex() == value("file's key, unwrapped by rk-doc")
    assert FileKeys(keys).unwrap("sm-doc", wrapped) == key


@pytest.mark.parametrize("cipher", list(Cipher))
@pytest.mark.parametrize("active", [0, 1])
@pytest.mark.parametrize("size", [0, 65_536, 200_000])
def test_the_pages_reader_opens_what_we_seal(
    reader: Reader, keys: tuple[MasterKey, ...], tmp_path: Path, cipher: Cipher, active: int, size: int
) -> None:
    plain = hashlib.shake_128(b"page").digest(size)
    sealed, _ = seal(io.BytesIO(plain), uuid4(), Codec.RAW, cipher, FileKeys(keys), key_id=keys[active].id)
    path = tmp_path / "written"
    write_key_file(path, keys)
    assert reader(sealed, path.read_text()) == plain
    head = 12 + int.from_bytes(sealed[8:12], "little")
    for cut in (sealed[:-1], sealed[:head], *([sealed[: head + 65_552]] if size > 65_536 else [])):
        with pytest.raises((InvalidTag, AssertionError, ValueError)):
            reader(cut, path.read_text())
