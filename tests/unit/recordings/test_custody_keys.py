"""Master keys: the port's contract, run on the key file and on a provider of another make; and the key file itself."""

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.custody.opening import key_file_of, keys_of
from recordings.custody.keys import (
    FileKeys,
    KeyFileWrong,
    KeyProvider,
    KeyUnknown,
    KeyWrong,
    Kind,
    MasterKey,
    change_key_file,
    new_key,
    read_key_file,
    write_key_file,
)
from tests.support.token_keys import TokenKeys

PROVIDERS: dict[str, Callable[[], KeyProvider]] = {
    "key file, AES": lambda: FileKeys((new_key("old"), new_key("new"))),
    "key file, SM4": lambda: FileKeys((new_key("old", Kind.SM4), new_key("new", Kind.SM4))),
    "plug-in": lambda: keys_of("plugin:tests.support.token_keys:make"),
}
EACH = pytest.mark.parametrize("provider", [pytest.param(make, id=name) for name, make in PROVIDERS.items()])


# ---- the contract of every provider ------------------------------------------------------------------------------


@EACH
@pytest.mark.parametrize("size", [16, 32])
def test_what_is_wrapped_unwraps_under_the_same_key_only(provider: Callable[[], KeyProvider], size: int) -> None:
    keys = provider()
    file_key = os.urandom(size)
    for key_id in keys.key_ids():
        wrapped = keys.wrap(key_id, file_key)
        assert file_key not in wrapped
        assert keys.unwrap(key_id, wrapped) == file_key
        for other in keys.key_ids() - {key_id}:
            with pytest.raises(KeyWrong):
                keys.unwrap(other, wrapped)


@EACH
def test_the_active_key_is_one_of_them(provider: Callable[[], KeyProvider]) -> None:
    keys = provider()
    assert keys.active in keys.key_ids()


@EACH
def test_an_unknown_key_is_named(provider: Callable[[], KeyProvider]) -> None:
    keys = provider()
    with pytest.raises(KeyUnknown, match="nobody"):
        keys.wrap("nobody", bytes(32))
    with pytest.raises(KeyUnknown, match="nobody"):
        keys.unwrap("nobody", bytes(40))


@EACH
def test_a_changed_wrapping_does_not_unwrap(provider: Callable[[], KeyProvider]) -> None:
    keys = provider()
    wrapped = keys.wrap(keys.active, bytes(32))
    for place in range(len(wrapped)):
        with pytest.raises(KeyWrong):
            keys.unwrap(keys.active, wrapped[:place] + bytes([wrapped[place] ^ 1]) + wrapped[place + 1 :])
    for cut in (b"", wrapped[:1], wrapped[:-1], wrapped + b"x"):
        with pytest.raises(KeyWrong):
            keys.unwrap(keys.active, cut)


@EACH
def test_a_provider_of_other_secrets_under_the_same_names_unwraps_nothing(provider: Callable[[], KeyProvider]) -> None:
    mine, other = provider(), provider()
    with pytest.raises(KeyWrong):
        other.unwrap(mine.active, mine.wrap(mine.active, bytes(32)))


# ---- plug-ins ----------------------------------------------------------------------------------------------------

WRONG_PLUGINS = {
    "plugin:no_such_module_here:make": "module 'no_such_module_here' cannot be imported",
    "plugin:tests.support.token_keys:nothing": "has no 'nothing'",
    "plugin:tests.support.token_keys": "has no ''",
    "plugin:": "module '' cannot be imported",
    "plugin:tests.support.token_keys:unplugged": "does not start .the token is not in its slot",
    "plugin:tests.support.token_keys:half": "has no unwrap",
    "vault://somewhere": "neither file:///path nor plugin:module:factory",
    "file://host/keys": "neither file:///path nor plugin:module:factory",
    "": "neither file:///path nor plugin:module:factory",
}


@pytest.mark.parametrize("where", WRONG_PLUGINS)
def test_a_provider_that_cannot_be_had_is_a_clear_sentence(where: str) -> None:
    with pytest.raises(KeyFileWrong, match=WRONG_PLUGINS[where]):
        keys_of(where)


def test_a_plug_in_gives_no_secret_away() -> None:
    provider = keys_of("plugin:tests.support.token_keys:make")
    assert isinstance(provider, TokenKeys)
    assert not [name for name in dir(provider) if "secret" in name and not name.startswith("_")]


# ---- the key file ------------------------------------------------------------------------------------------------


def test_a_key_file_reads_back_with_the_last_key_active(tmp_path: Path) -> None:
    keys = (new_key("rk-1"), new_key("sm", Kind.SM4), new_key("rk-2"))
    write_key_file(tmp_path / "keys", keys)
    assert read_key_file(tmp_path / "keys") == keys
    assert FileKeys.load(tmp_path / "keys").active == "rk-2"
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [tmp_path / "keys"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o610])
def test_a_key_file_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    write_key_file(tmp_path / "keys", (new_key("a"),))
    (tmp_path / "keys").chmod(mode)
    with pytest.raises(KeyFileWrong, match="chmod 600"):
        FileKeys.load(tmp_path / "keys")


HEX = "ab" * 32
WRONG_FILES = {
    "": "at least one key",
    "# nothing\n\n": "at least one key",
    f"a aes-256 {HEX}\na aes-256 {HEX}\n": "each name once",
    f"a aes-256 {HEX}0\n": "line 1: not a whole number",
    f"a aes-256 {HEX}00\n": "key a: aes-256 has 32 bytes, not 33",
    f"a sm4 {HEX}\n": "key a: sm4 has 16 bytes, not 32",
    f"a aes-128 {HEX}\n": "line 1: not `<key id>",
    f"../a aes-256 {HEX}\n": "line 1: not `<key id>",
    f"a aes-256 {HEX.upper()}\n": "line 1: not `<key id>",
    f"# fine\n{HEX}\n": "line 2: not `<key id>",
    f"钥匙 aes-256 {HEX}\n": "not a key file",
    "#" * 70_000: "not a key file",
}


@pytest.mark.parametrize("content", [pytest.param(text, id=why) for text, why in WRONG_FILES.items()])
def test_a_damaged_key_file_is_refused_and_never_quoted(tmp_path: Path, content: str) -> None:
    path = tmp_path / "keys"
    path.write_text(content, encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(KeyFileWrong, match=WRONG_FILES[content]) as refused:
        FileKeys.load(path)
    assert str(path) in str(refused.value)
    assert HEX[:8] not in repr(refused.value)


@given(st.binary(max_size=200))
def test_no_bytes_are_a_key_file_by_chance(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "noise"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(KeyFileWrong):
        read_key_file(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyFileWrong, match="No such file"):
        FileKeys.load(tmp_path / "none")
    with pytest.raises(KeyFileWrong, match="directory"):
        FileKeys.load(tmp_path)


def test_a_link_to_the_key_file_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    write_key_file(real, (new_key("a"),))
    link.symlink_to(real)
    change_key_file(link, lambda keys: (*keys, new_key("b")))
    assert link.is_symlink()
    assert FileKeys.load(real).active == "b"
    real.chmod(0o644)
    with pytest.raises(KeyFileWrong, match="chmod 600"):
        FileKeys.load(link)


def test_a_setting_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "with space"
    write_key_file(path, (new_key("a"),))
    assert key_file_of(path.as_uri()) == path
    assert keys_of(path.as_uri()).active == "a"


def test_a_file_that_is_replaced_counts_at_once(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    write_key_file(path, (new_key("a"),))
    keys = FileKeys.load(path)
    wrapped = keys.wrap("a", bytes(32))
    change_key_file(path, lambda held: (*held, new_key("b")))
    assert (keys.active, keys.key_ids()) == ("b", frozenset("ab"))
    assert keys.unwrap("a", wrapped) == bytes(32)


def test_a_file_that_goes_wrong_or_away_leaves_the_keys(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "keys"
    write_key_file(path, (new_key("a"),))
    keys = FileKeys.load(path)
    path.write_text("a aes-256 00ff\n")
    with caplog.at_level(logging.WARNING):
        assert keys.active == "a"
        assert keys.active == "a"
    assert [record.message for record in caplog.records] == ["key file is wrong; the keys stay as they were"]
    assert "00ff" not in str(caplog.records[0].__dict__)
    path.unlink()
    assert keys.unwrap("a", keys.wrap("a", bytes(32))) == bytes(32)


def test_a_change_that_fails_leaves_the_file(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    write_key_file(path, (new_key("a"),))
    before = path.read_bytes()
    with pytest.raises(KeyFileWrong, match="each name once"):
        change_key_file(path, lambda keys: (*keys, *keys))
    with pytest.raises(KeyFileWrong, match="no such file"):
        change_key_file(tmp_path / "none", lambda keys: keys)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["", "a b", "../a", "a\n", "x" * 65, ".a", "钥"])
def test_a_key_cannot_have_every_name(name: str) -> None:
    with pytest.raises(KeyFileWrong, match="no name for a key"):
        new_key(name)


def test_nothing_prints_a_secret() -> None:
    key = new_key("a")
    shown = f"{key} {key!r} {FileKeys((key,))} {FileKeys((key,))!r} {vars(FileKeys((key,)))}"
    assert key.secret.hex() not in shown
    assert repr(key.secret) not in shown


# ---- known answers -----------------------------------------------------------------------------------------------


def test_aes_keys_wrap_as_the_standard_does() -> None:
    """RFC 3394, 4.6: 256 bits of key data with a 256-bit key."""
    keys = FileKeys((MasterKey("k", Kind.AES_256, bytes(range(32))),))
    data = bytes.fromhex("00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f")
    assert keys.wrap("k", data).hex() == (
        "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21"
    )


def test_what_an_sm4_key_wrapped_long_ago_still_unwraps() -> None:
    """As in docs/recording-format.md, whose reader is written from the standard."""
    keys = FileKeys((MasterKey("sm-doc", Kind.SM4, bytes(range(0x40, 0x50))),))
    wrapped = bytes.fromhex(
        "101112131415161718191a1bb2d0e07fa9bc025bdcd866396a53fc8381d80bf9d357429863cc4555ce6785fabb1af85a"
        "68d53f5ed3beadebdb74fb95"
    )
    assert keys.unwrap("sm-doc", wrapped) == bytes(range(0xA0, 0xC0))


def test_the_standards_module_path_is_importable() -> None:
    """The plug-in of these tests is loaded by name, as an operator's is: nothing here has put it there by hand."""
    assert keys_of("plugin:tests.support.token_keys:make").active == "hsm-2"
    assert "tests.support.token_keys" in sys.modules
