"""`callcenter recordings keys`: the master keys.

Keys and shares are never arguments, which every process of the machine could read: they stand in the key file, go to
standard output for paper, and come back by standard input.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from callcenter.cli import fail
from callcenter.cli.processes import settings_or_fail
from callcenter.cli.recordings import recordings_app
from callcenter.types import Actor

if TYPE_CHECKING:
    from callcenter.db import Database
    from callcenter.settings import Settings
    from recordings.custody.canary import Use
    from recordings.custody.keys import MasterKey
    from recordings.custody.shares import Share

keys_app = typer.Typer(no_args_is_help=True, help="Master keys: list, add, rotate, split, join, retire.")
recordings_app.add_typer(keys_app, name="keys")

OPERATOR = Actor("system", "operator")
KeyFile = Annotated[Path | None, typer.Option(metavar="KEYFILE", help="default: the one of the settings")]


def _run(work: "Callable[[Database], Awaitable[Any]]", settings: "Settings") -> Any:
    from callcenter.db import Database, DatabaseAway
    from recordings.custody.canary import KeyNotProven
    from recordings.custody.keys import KeyFileWrong, KeysAway
    from recordings.custody.objects import StoreAway, StoreWrong
    from recordings.custody.rotation import KeyNeeded

    async def run() -> Any:
        database = Database(settings.database_url)
        try:
            return await work(database)
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except DatabaseAway as error:
        raise fail(f"PostgreSQL does not answer: {error}") from None
    except (KeyNotProven, KeyFileWrong, KeysAway, StoreAway, StoreWrong, KeyNeeded) as error:
        raise fail(str(error)) from None


def _path(settings: "Settings") -> Path:
    from callcenter.custody.opening import key_file_of
    from recordings.custody.keys import KeyFileWrong

    try:
        return key_file_of(settings.recording_keys)
    except KeyFileWrong as error:
        raise fail(f"{error}; keys of a plug-in are made and removed with its own tools") from None


def _keys_in(path: Path) -> "tuple[MasterKey, ...]":
    from recordings.custody.keys import KeyFileWrong, read_key_file

    try:
        return read_key_file(path)
    except KeyFileWrong as error:
        raise fail(str(error)) from None


@keys_app.command(name="list")
def list_keys() -> None:
    """Every key and how many recordings need it; exit 1 when one that is needed is missing."""
    from callcenter.custody.opening import keys_of
    from recordings.custody import canary
    from recordings.custody.keys import KeyFileWrong

    settings = settings_or_fail()
    try:
        keys = keys_of(settings.recording_keys)
        active, held = keys.active, keys.key_ids()
    except KeyFileWrong as error:
        raise fail(str(error)) from None

    async def used(database: "Database") -> "tuple[Use, ...]":
        async with database.transaction() as tx:
            return await canary.uses(tx)

    counts = {use.key_id: use.recordings for use in _run(used, settings)}
    checks = _checks(settings.recording_keys)
    for key_id in sorted(held | counts.keys()):
        words = [f"{key_id:20} {counts.get(key_id, 0):9} recordings  {checks.get(key_id, '')}".rstrip()]
        words += ["active"] if key_id == active else []
        words += ["MISSING"] if key_id not in held else []
        words += ["can be retired"] if key_id in held and key_id != active and key_id not in counts else []
        typer.echo("  ".join(words))
    if counts.keys() - held:
        raise typer.Exit(1)


def _checks(where: str) -> dict[str, str]:
    """Kind and check digits of the keys of a key file; nothing of a plug-in's."""
    from callcenter.custody.opening import key_file_of

    if where.startswith("plugin:"):
        return {}
    return {key.id: f"{key.kind} check {key.check}" for key in _keys_in(key_file_of(where))}


@keys_app.command()
def new(
    key_id: Annotated[str, typer.Argument(metavar="ID", help="a name no key ever had, such as rk-2027")],
    sm4: Annotated[bool, typer.Option("--sm4", help="an SM4 key; default: AES-256")] = False,
) -> None:
    """Add a fresh key to the key file; it is the active one from now on. Then: split it, and rotate."""
    from callcenter.custody import keeping_keys
    from recordings.custody.keys import Kind

    settings = settings_or_fail()
    path, kind = _path(settings), Kind.SM4 if sm4 else Kind.AES_256
    made = _run(lambda database: keeping_keys.add_key(database, path, key_id, kind, OPERATOR), settings)
    typer.echo(f"master key {made.id} (check {made.check}) is active; now: keys split, then keys rotate")


@keys_app.command()
def rotate(batch: Annotated[int, typer.Option(min=1, max=10_000, help="recordings a transaction")] = 200) -> None:
    """Wrap the key of every recording with the active master key; audio is not rewritten. May be run again."""
    from callcenter.custody import keeping_keys
    from callcenter.custody.opening import CustodyNotSet, ground_of
    from recordings.custody.keys import KeyFileWrong

    settings = settings_or_fail()
    try:
        ground = ground_of(settings)
    except (KeyFileWrong, CustodyNotSet, ValueError) as error:
        raise fail(str(error) or str(CustodyNotSet.__doc__)) from None
    turned = _run(lambda database: keeping_keys.rotate(database, ground, OPERATOR, batch=batch), settings)
    typer.echo(f"{turned.done} recordings are under master key {turned.key_id} now")
    for sentence in turned.failed:
        sys.stderr.write(f"{sentence}\n")
    for use in turned.left:
        typer.echo(f"{use.recordings} recordings still need master key {use.key_id}; run it again")
    if turned.left:
        raise typer.Exit(1)
    typer.echo("no recording needs an older key; `keys list` shows which can be retired")


@keys_app.command()
def retire(key_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Take a key out of the key file; refused while a recording needs it."""
    from callcenter.custody import keeping_keys

    settings = settings_or_fail()
    path = _path(settings)
    _run(lambda database: keeping_keys.retire(database, path, key_id, OPERATOR), settings)
    typer.echo(f"master key {key_id} is out of {path}; keep its shares while a backup from before the rotation is kept")


@keys_app.command()
def split(
    key: KeyFile = None,
    key_id: Annotated[str, typer.Option("--id", help="which key; default: the active one")] = "",
    shares: Annotated[int, typer.Option(help="how many custodians")] = 3,
    needed: Annotated[int, typer.Option(help="how many of them restore the key")] = 2,
    everything: Annotated[bool, typer.Option("--all", help="every key of the file, one set each")] = False,
) -> None:
    """Print shares of a master key, one line each, for paper: some of them restore it, one alone tells nothing."""
    from recordings.custody import shares as sharing

    keys = _keys_in(key or _path(settings_or_fail()))
    chosen = keys if everything else tuple(one for one in keys if one.id == (key_id or keys[-1].id))
    if not chosen:
        raise fail(f"there is no master key {key_id} in the key file")
    try:
        for one in chosen:
            for share in sharing.split(one, shares, needed):
                typer.echo(share.line())
    except sharing.SharesWrong as error:
        raise fail(str(error)) from None
    sys.stderr.write("Give every line to another person; keep none of this on the machine.\n")


@keys_app.command()
def join(out: Annotated[Path, typer.Option(metavar="KEYFILE", help="a new file; nothing is written over")]) -> None:
    """Write a key file back from shares, read from standard input, one a line, in the order of the keys' age."""
    from recordings.custody import shares as sharing
    from recordings.custody.keys import KeyFileWrong, write_key_file

    if out.exists():
        raise fail(f"{out} is there already; join into a new file, then compare with `keys list`")
    if sys.stdin.isatty():
        sys.stderr.write("One share a line; an empty line ends.\n")
    sets: dict[str, list[Share]] = {}
    try:
        for number, line in enumerate(iter(sys.stdin.readline, ""), 1):
            if not line.strip():
                break
            share = _share(number, line)
            sets.setdefault(share.key_id, []).append(share)
        keys = tuple(sharing.join(shares) for shares in sets.values())
        write_key_file(out, keys)
    except (sharing.SharesWrong, KeyFileWrong) as error:
        raise fail(str(error)) from None
    for one in keys:
        typer.echo(f"master key {one.id} (check {one.check}) is in {out}")


def _share(number: int, line: str) -> "Share":
    from recordings.custody import shares as sharing

    try:
        return sharing.read_share(line)
    except sharing.SharesWrong as error:
        raise fail(f"line {number}: {error}") from None
