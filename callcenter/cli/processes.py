"""Run the product: each process alone or all in one, migrate, check the configuration, make accounts."""

import asyncio
import getpass
import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from callcenter.cli import app, fail
from callcenter.types import Role

if TYPE_CHECKING:
    from callcenter.parts import Part
    from callcenter.settings import Settings


def settings_or_fail() -> "Settings":
    """Settings of this process; ends with a clear sentence when they are wrong."""
    from callcenter.settings import SettingsWrong, load

    try:
        return load()
    except SettingsWrong as error:
        raise fail(str(error)) from None


def _run(parts: "frozenset[Part]") -> None:
    from callcenter import log
    from callcenter.custody.opening import CustodyNotSet
    from callcenter.parts import run
    from callcenter.reports.fonts import FontMissing
    from callcenter.signing import SigningKeyWrong
    from callcenter.vault import VaultKeyMalformed
    from config.problems import ConfigWrong
    from ivr.server import PromptsMissing
    from recordings.custody.keys import KeyFileWrong
    from recordings.custody.objects import StoreWrong
    from recordings.vosk_door import BrokenModel, NoModel

    settings = settings_or_fail()
    log.set_up("+".join(sorted(parts)))
    try:
        asyncio.run(run(settings, parts))
    except (ConfigWrong, PromptsMissing, NoModel, BrokenModel, FontMissing) as error:
        raise fail(str(error)) from None
    except (KeyFileWrong, SigningKeyWrong) as error:
        raise fail(str(error)) from None
    except CustodyNotSet:
        raise fail("CALLCENTER_STORE_URL and CALLCENTER_RECORDING_KEYS must be set; see docs/recordings.md") from None
    except StoreWrong as error:
        raise fail(f"{error}: a store is file:///folder, memory:// or s3://bucket/prefix") from None
    except VaultKeyMalformed:
        raise fail("CALLCENTER_VAULT_KEY must be 64 hex digits; make one with: openssl rand -hex 32") from None
    except OSError as error:
        raise fail(f"cannot start: {error}; see that the port is free and the folder writable") from None


@app.command()
def serve() -> None:
    """The API and the live stream."""
    from callcenter.parts import Part

    _run(frozenset({Part.SERVE}))


@app.command()
def listen() -> None:
    """The AMI listener of this node: calls, commands to calls, queue members."""
    from callcenter.parts import Part

    _run(frozenset({Part.LISTEN}))


@app.command()
def ivr() -> None:
    """The FastAGI server with the menus."""
    from callcenter.parts import Part

    _run(frozenset({Part.IVR}))


@app.command()
def speech() -> None:
    """Live words: hears tapped calls and shows what is said."""
    from callcenter.parts import Part

    _run(frozenset({Part.SPEECH}))


@app.command()
def work() -> None:
    """Jobs: SMS, receipts and replies, recordings, transcripts, due times."""
    from callcenter.parts import Part

    _run(frozenset({Part.WORK}))


@app.command(name="all")
def everything() -> None:
    """Every process in one, for a small hotline."""
    from callcenter.parts import Part

    _run(frozenset(Part))


@app.command()
def migrate() -> None:
    """Bring the database to the newest shape. Safe to run again."""
    from callcenter.db import Database, DatabaseAway
    from callcenter.migrations import upgrade

    async def run() -> None:
        database = Database(os.environ.get("CALLCENTER_OWNER_DATABASE_URL") or settings_or_fail().database_url)
        try:
            await upgrade(database)
        finally:
            await database.close()

    try:
        asyncio.run(run())
    except DatabaseAway as error:
        raise fail(f"PostgreSQL does not answer: {error}; see CALLCENTER_DATABASE_URL") from None


@app.command(name="check-config")
def check_config() -> None:
    """Read every configuration file and report all that is wrong at once: file, key, what to write."""
    from config.check import every_problem
    from config.policy_loader import policy_ids

    problems = every_problem()
    if problems:
        raise fail("\n".join(str(problem) for problem in problems))
    typer.echo(f"configuration is right: policies {', '.join(policy_ids())}")


@app.command(name="create-user")
def create_user(
    login: str,
    name: str,
    role: Annotated[list[str], typer.Option(help=", ".join(Role))],
    unit: Annotated[str, typer.Option(help="handling unit, for role unit")] = "",
    extension: Annotated[str, typer.Option(help="telephone, for role agent or supervisor")] = "",
    queue: Annotated[list[str], typer.Option(help="queues this agent may serve")] = [],  # noqa: B006
    title: Annotated[list[str], typer.Option(help="office a leader signs for; title@unit: for one unit only")] = [],  # noqa: B006
) -> None:
    """Make an account or change one; the password is read from the terminal or from standard input."""
    from callcenter import accounts
    from callcenter.db import Database, DatabaseAway
    from callcenter.types import AgentId, UnitId
    from callcenter.web import passwords

    unknown = sorted(set(role) - {one.value for one in Role})
    if unknown:
        raise fail(f"no such role: {', '.join(unknown)}; choose from {', '.join(Role)}")
    if title and Role.LEADER not in role:
        raise fail("a title is for a leader; add --role leader, or leave --title out")
    password = getpass.getpass("password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")

    async def run() -> None:
        passwords.check_strength(password, login)
        encoded = await passwords.hash_of(password)
        database = Database(settings_or_fail().database_url)
        try:
            async with database.transaction() as tx:
                await accounts.create(
                    tx,
                    login,
                    name,
                    encoded,
                    [Role(one) for one in role],
                    unit=UnitId(unit) if unit else None,
                    extension=AgentId(extension) if extension else None,
                    queues=queue,
                    titles=title,
                )
        finally:
            await database.close()

    try:
        asyncio.run(run())
    except passwords.PasswordWeak:
        raise fail("a password has 10 characters or more of 3 kinds (A a 1 #) and does not hold the login") from None
    except DatabaseAway as error:
        raise fail(f"PostgreSQL does not answer: {error}") from None
