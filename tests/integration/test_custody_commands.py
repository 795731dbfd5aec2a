"""`callcenter verify` and `callcenter recordings recheck`, as an operator runs them."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from importlib import import_module
from pathlib import Path

import pytest
from typer.testing import CliRunner

from callcenter.audit import Audited, note
from callcenter.audit_chain import Algorithm
from callcenter.cli import app
from callcenter.custody import anchors
from callcenter.custody.chain_work import ChainWork
from callcenter.db import Database
from callcenter.signing import Signer
from callcenter.types import system
from recordings.custody.ground import Ground
from recordings.custody.keys import FileKeys, new_key, write_key_file
from tests.support.cli_settings import command_environment
from tests.support.custody import custody_for_tests
from tests.support.kept_rows import keep, objects

Command = Callable[..., Awaitable[tuple[int, str]]]


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    write_key_file(tmp_path / "keys", (new_key("rk-1"),))
    Signer.make(tmp_path / "signing.pem")
    return custody_for_tests(tmp_path / "spool", keys=FileKeys.load(tmp_path / "keys"))


@pytest.fixture
def command(db: Database, ground: Ground, tmp_path: Path) -> Command:
    """`callcenter ...` on this test's database and stores; returns exit code and what was said."""
    for name in ("look", "recordings_recheck"):
        import_module(f"callcenter.cli.{name}")
    assert ground.copy is not None
    (tmp_path / "cel.csv").touch()
    environment = command_environment(
        db,
        tmp_path,
        store_url=ground.store.url,
        copy_url=ground.copy.url,
        recording_keys=(tmp_path / "keys").as_uri(),
        signing_key=str(tmp_path / "signing.pem"),
        anchor_dir=str(tmp_path / "anchors"),
        spool_dir=str(ground.spool),
        cel_file=str(tmp_path / "cel.csv"),
    )

    async def run(*words: str) -> tuple[int, str]:
        told = await asyncio.to_thread(CliRunner().invoke, app, list(words), env=environment)
        return told.exit_code, told.output

    return run


async def test_a_lost_store_is_refilled_by_command(db: Database, ground: Ground, command: Command) -> None:
    await keep(db, ground, 3)
    before = await objects(ground.store)
    assert ground.store.folder is not None
    shutil.rmtree(ground.store.folder)
    code, told = await command("recordings", "recheck", "--all", "--no-repair")
    assert (code, told.count("is absent in the store")) == (1, 3)
    assert "not copied" not in told
    code, told = await command("recordings", "recheck", "--all")
    assert (code, told.count("was not copied yet")) == (1, 3)
    async with db.transaction() as tx:
        await tx.exec_driver_sql("UPDATE recording_object SET copied_at = now()")
    code, told = await command("recordings", "recheck", "--all")
    assert (code, told.count("mended from the copy")) == (0, 3), told
    assert await objects(ground.store) == before


async def test_the_audits_chain_is_verified_by_command(
    db: Database, ground: Ground, command: Command, tmp_path: Path
) -> None:
    places = anchors.places(tmp_path / "anchors", ground.copy, tmp_path / "signing.pem")
    work = ChainWork(db, Algorithm.SHA256, places)
    for number in range(3):
        async with db.transaction() as tx:
            await note(tx, Audited(system("test"), "recording.play", f"recording:{number}"))
        await work.seal()
    code, told = await command("verify")
    assert (code, "I13  holds" in told) == (0, True), told
    async with db.transaction() as tx:
        await tx.exec_driver_sql("ALTER TABLE audit DISABLE TRIGGER ALL")
        await tx.exec_driver_sql("UPDATE audit SET subject = 'recording:9' WHERE id = 2")
        await tx.exec_driver_sql("ALTER TABLE audit ENABLE TRIGGER ALL")
    code, told = await command("verify")
    assert (code, "I13  BROKEN" in told, "audit row 2 " in told) == (1, True, True), told
