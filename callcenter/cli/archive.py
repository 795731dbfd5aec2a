"""`callcenter archive`: check packages without anything else, read them, bring them into another system.

`verify`, `show`, `play` and `files` need no database and no settings: archives outlive the product.
"""

import asyncio
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from callcenter.cli import app, fail

if TYPE_CHECKING:
    from callcenter.archive.importing import Importer
    from callcenter.archive.reading import Reader
    from recordings.custody.sealed import SealedFile

archive_app = typer.Typer(no_args_is_help=True, help="Packages of archived tickets: check, read, bring in.")
app.add_typer(archive_app, name="archive")

Paths = Annotated[
    list[Path], typer.Argument(metavar="PATH...", help="packages (.tar), unpacked bags, or folders of them")
]
One = Annotated[Path, typer.Argument(metavar="PACKAGE", help="a package (.tar)")]
Keys = Annotated[list[Path], typer.Option(metavar="PEM", help="public key that must have signed; may be given again")]


@archive_app.command()
def verify(paths: Paths, key: Keys = []) -> None:  # noqa: B006
    """Check bags, signatures, chains, recordings and a week's numbers, offline. Exit 1 if one does not hold."""
    from callcenter.archive.looking import Look

    wrong = 0
    for found in Look([_pem(one) for one in key]).at(paths):
        (sys.stdout if found.holds else sys.stderr).write(found.sentence + "\n")
        wrong += not found.holds
    if wrong:
        raise typer.Exit(1)


@archive_app.command()
def show(package: One) -> None:
    """What a package holds: its files, and the ticket's course. Nothing is checked; `verify` does that."""
    with _opened(package) as reader:
        paper = json.loads(reader.read("archive.json" if "archive.json" in reader.names else "week.json"))
        for name in ("ticket_id", "round", "number", "week", "archived_at", "last"):
            if name in paper:
                typer.echo(f"{name:12} {paper[name]}")
        for line in reader.read("events.jsonl").split(b"\n")[:-1] if "events.jsonl" in reader.names else ():
            event = json.loads(line)
            typer.echo(f"  {event['seq']:4} {event['at']} {event['kind']:20} {event['actor']}")
        for name in sorted(reader.names):
            typer.echo(f"  {name}")


@archive_app.command()
def play(
    package: One,
    recording: Annotated[str, typer.Argument(help="its UUID, as `show` lists it; `all` for every one")],
    key: Annotated[Path, typer.Option(metavar="KEYFILE", help="the file of master keys")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="where the opened recordings go")] = Path(),
) -> None:
    """Take recordings out of a package, opened with the key file alone."""
    from recordings.custody.keys import FileKeys, KeyFileWrong, KeyUnknown, KeyWrong
    from recordings.custody.leaving import ENDINGS
    from recordings.custody.sealed import Damaged, NotSealed, OtherFile

    try:
        keys = FileKeys.load(key)
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _opened(package) as reader:
            for name in reader.recordings if recording == "all" else (UUID(recording),):
                sealed = reader.recording(name, keys)
                typer.echo(_heard(sealed, out / f"{name}{ENDINGS[sealed.head.codec]}"))
    except (KeyFileWrong, Damaged, NotSealed, OtherFile) as error:
        raise fail(str(error)) from None
    except KeyUnknown as error:
        raise fail(f"needs master key {error}, which is not in {key}") from None
    except KeyWrong as error:
        raise fail(f"master key {error} of {key} does not open it: another key, or it is damaged") from None
    except ValueError:
        raise fail(f"{recording!r} is not the name of a recording; `callcenter archive show` lists them") from None
    except OSError as error:
        raise fail(f"{error.filename}: {error.strerror}") from None


@archive_app.command()
def files(
    package: One,
    vault_key: Annotated[Path, typer.Option(metavar="FILE", help="a file with the vault's key, 64 hex digits")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="where the opened files go")] = Path(),
) -> None:
    """Take the ticket's attachments out of a package, opened with the vault's key alone."""
    from callcenter.archive.checking import PackageWrong, attachment_paper
    from callcenter.attachments.cabinet import keys_of
    from callcenter.attachments.kinds import WrongFile, clean_name
    from callcenter.vault import Vault, VaultKeyMalformed
    from recordings.custody.keys import KeyUnknown, KeyWrong
    from recordings.custody.sealed import Damaged, NotSealed, OtherFile

    try:
        keys = keys_of(Vault(vault_key.read_text("ascii").strip()))
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _opened(package) as reader:
            for name in reader.attachments:
                for one in attachment_paper(reader.read(f"attachments/{name}.json")).files:
                    # Whoever made the package chose the name.
                    typer.echo(_heard(reader.attachment(name, keys), out / f"{one.id}-{clean_name(one.name)}"))
    except (VaultKeyMalformed, UnicodeDecodeError):
        raise fail(f"{vault_key} does not hold 64 hex digits") from None
    except (KeyUnknown, KeyWrong):
        raise fail(f"the key of {vault_key} does not open it: another key, or it is damaged") from None
    except (Damaged, NotSealed, OtherFile, PackageWrong) as error:
        raise fail(str(error)) from None
    except (WrongFile, ValueError):
        raise fail(f"{package} names its attachments as no package of ours does") from None
    except OSError as error:
        raise fail(f"{error.filename}: {error.strerror}") from None


@archive_app.command(name="import")
def bring_in(
    paths: Paths,
    into: Annotated[str, typer.Option(metavar="URL", help="the database, if not that of the settings")] = "",
    folder: Annotated[Path | None, typer.Option(help="the archive's folder, if not that of the settings")] = None,
    key: Keys = [],  # noqa: B006
    trust_new_key: Annotated[
        bool, typer.Option("--trust-new-key", help="take packages of any key; it is recorded")
    ] = False,
) -> None:
    """Bring packages in, verified first; a second time changes nothing. Exit 1 if one is refused."""
    from callcenter.archive.looking import packages_at

    files = [one for path in paths for one in packages_at(path)]
    refused = asyncio.run(_bring_in(files, into, folder, [_pem(one) for one in key], trust_new_key))
    if refused or not files:
        raise fail(f"{refused} of {len(files)} packages were refused; nothing of those was taken")


async def _bring_in(files: list[Path], into: str, folder: Path | None, trusted: list[bytes], trust_new: bool) -> int:
    from callcenter.archive.importing import Importer
    from callcenter.cli.processes import settings_or_fail
    from callcenter.db import Database, DatabaseAway
    from callcenter.types import system

    settings = None if into and folder else settings_or_fail()
    database = Database(into or (settings.database_url if settings else ""))
    where = folder or (settings.archive_folder if settings else Path())
    try:
        importer = Importer(database, where, trusted, trust_new, system("archive-import"))
        return sum([not await _one_in(importer, path) for path in files])
    except DatabaseAway as error:
        raise fail(f"PostgreSQL does not answer: {error}") from None
    finally:
        await database.close()


async def _one_in(importer: "Importer", path: Path) -> bool:
    from callcenter.archive.bags import BagWrong
    from callcenter.archive.checking import PackageWrong
    from callcenter.archive.importing import KeyNotTrusted, PackageConflict
    from callcenter.archive.tars import PackageUnsafe

    try:
        done = await importer.take(path, datetime.now(UTC))
    except KeyNotTrusted as error:
        sys.stderr.write(f"{path}: refused: {error}; give its public key with --key, or --trust-new-key\n")
        return False
    except (PackageUnsafe, BagWrong, PackageWrong, PackageConflict) as error:
        sys.stderr.write(f"{path}: refused: {error}\n")
        return False
    except OSError as error:
        sys.stderr.write(f"{path}: {error.strerror}\n")
        return False
    typer.echo(f"{path}: {'imported' if done.new else 'was here already'} as {done.name}")
    return True


@archive_app.command(name="list")
def list_packages(
    week: Annotated[str, typer.Option(help="2026-W24; default: all")] = "",
    ticket: Annotated[str, typer.Option(help="of one ticket")] = "",
    number: Annotated[str, typer.Option(help="by archive number")] = "",
    after: Annotated[int, typer.Option(help="above this id")] = 0,
    limit: Annotated[int, typer.Option(help="how many")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines instead of a table")] = False,
) -> None:
    """Packages in this system's archive, made here and brought in."""
    from callcenter.archive import store
    from callcenter.archive.checking import WEEK
    from callcenter.archive.importing import week_from
    from callcenter.cli.look import _show, _with_tx

    if week and not WEEK.fullmatch(week):
        raise fail(f"{week!r} is not a week; write it as 2026-W24")
    wanted = week_from(week) if week else None

    async def rows(tx: Any) -> list[dict[str, Any]]:
        found = await store.packages(tx, week=wanted, ticket=ticket, number=number, after=after, limit=limit)
        names = ("id", "source", "number", "ticket_id", "round", "archived_at", "size_bytes", "path")
        return [{name: getattr(one, name) for name in names} for one in found]

    _show(_with_tx(rows), as_json)


def _heard(sealed: "SealedFile", target: Path) -> Path:
    """The contents at `target` (0600), whole or not at all. Raises Damaged, FileExistsError."""
    with os.fdopen(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        try:
            while piece := sealed.read(sealed.head.chunk_bytes):
                file.write(piece)
        except BaseException:
            target.unlink()
            raise
    return target


def _opened(package: Path) -> "Reader":
    from callcenter.archive.reading import Reader
    from callcenter.archive.tars import PackageUnsafe

    try:
        return Reader(package)
    except PackageUnsafe as error:
        raise fail(f"{package}: {error}") from None


def _pem(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise fail(f"{path}: {error.strerror}") from None
