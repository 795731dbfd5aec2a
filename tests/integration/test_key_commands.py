"""`callcenter recordings keys ...`, as an operator runs it."""

import asyncio
from collections.abc import Awaitable, Callable
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

from callcenter.cli import app
from callcenter.db import Database
from recordings.custody.ground import Ground
from recordings.custody.keys import (
    FileKeys,
    Kind,
    new_key,
    read_key_file,
    write_key_file,
)
from tests.support.cli_settings import command_environment
from tests.support.custody import custody_for_tests
from tests.support.kept_rows import add_key, keep, key_of, row_of, words_of

Command = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    write_key_file(path, (new_key("rk-1"),))
    return path


@pytest.fixture
def ground(tmp_path: Path, key_file: Path) -> Ground:
    return custody_for_tests(tmp_path / "spool", keys=FileKeys.load(key_file))


@pytest.fixture
async def command(db: Database, ground: Ground, key_file: Path, tmp_path: Path) -> Command:
    """`callcenter recordings keys ...` on this test's database and stores; returns exit code and what was said."""
    import_module("callcenter.cli.recordings_keys")  # registers its commands
    assert ground.copy is not None
    places = {"store_url": ground.store.url, "copy_url": ground.copy.url, "recording_keys": key_file.as_uri()}
    environment = command_environment(db, tmp_path, **places)

    async def run(*words: str, stdin: str = "") -> tuple[int, str]:
        line = ["recordings", "keys", *words]
        told = await asyncio.to_thread(CliRunner().invoke, app, line, input=stdin, env=environment)
        return told.exit_code, told.output

    return run


async def test_a_year_of_keys_by_command(db: Database, ground: Ground, key_file: Path, command: Command) -> None:
    before = await keep(db, ground, 3)
    code, told = await command("new", "rk-2")
    made = read_key_file(key_file)[-1]
    assert (code, told.split(";")[0]) == (0, f"master key rk-2 (check {made.check}) is active")
    assert made.secret.hex() not in told
    code, told = await command("list")
    assert (code, told.count("active")) == (0, 1)
    assert f"rk-1{' ' * 16} {3:9} recordings" in told
    assert "can be retired" not in told
    assert (await command("retire", "rk-1"))[0] == 1
    code, told = await command("rotate", "--batch", "2")
    assert (code, told.splitlines()[0]) == (0, "3 recordings are under master key rk-2 now")
    assert "rk-1" in next(line for line in (await command("list"))[1].splitlines() if "can be retired" in line)
    assert (await command("retire", "rk-1"))[0] == 0
    for number, one in enumerate(before, 1):
        assert ground.open(await row_of(db, one)).read() == words_of(number)


async def test_the_key_file_is_lost_and_two_custodians_bring_it_back(
    db: Database, ground: Ground, key_file: Path, command: Command, tmp_path: Path
) -> None:
    (one,) = await keep(db, ground, 1)
    add_key(key_file, "rk-2", Kind.SM4)
    code, paper = await command("split", "--all")
    shares = [line for line in paper.splitlines() if " share " in line]
    assert (code, len(shares)) == (0, 6)
    keys = read_key_file(key_file)
    await asyncio.to_thread(key_file.unlink)
    back = tmp_path / "back"
    for lost in range(3):
        left = [line for number, line in enumerate(shares) if number % 3 != lost]
        assert (await command("join", "--out", str(back), stdin="\n".join(left) + "\n"))[0] == 0
        assert read_key_file(back) == keys
        assert (await command("join", "--out", str(back), stdin="\n".join(left)))[0] == 1, "never written over"
        assert FileKeys.load(back).unwrap("rk-1", key_of(one).wrapped)
        await asyncio.to_thread(back.unlink)
    code, told = await command("join", "--out", str(back), stdin=shares[0] + "\n")
    assert (code, "2 different shares restore it" in told, await asyncio.to_thread(back.exists)) == (1, True, False)
    code, told = await command("join", "--out", str(back), stdin=shares[0] + "\n" + shares[1][:-4] + "\n")
    assert (code, "line 2: " in told, await asyncio.to_thread(back.exists)) == (1, True, False)


async def test_list_says_what_is_missing(db: Database, ground: Ground, key_file: Path, command: Command) -> None:
    await keep(db, ground, 2)
    write_key_file(key_file, (new_key("rk-2"),))
    code, told = await command("list")
    assert code == 1
    assert "MISSING" in next(line for line in told.splitlines() if line.startswith("rk-1"))
