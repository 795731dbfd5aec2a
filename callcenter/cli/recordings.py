"""`callcenter recordings`: what an operator does with kept recordings. Other modules `recordings_*` add commands.

`decrypt` and `inspect` need no database and no settings: recordings outlive the product.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from callcenter.cli import app, fail

recordings_app = typer.Typer(no_args_is_help=True, help="Kept recordings: keys, decrypting, checking, holding.")
app.add_typer(recordings_app, name="recordings")

Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="sealed recordings (.ccr)")]


@recordings_app.command()
def decrypt(
    files: Files,
    key: Annotated[Path, typer.Option(metavar="KEYFILE", help="the file of master keys")],
    wrapped: Annotated[
        Path | None,
        typer.Option(metavar="SIDECAR", help="the file's key as a rotation left it, if not beside the file"),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="DIR", help="where the opened recordings go")] = Path(),
) -> None:
    """Open sealed recordings with the key file alone; exit 1 when one does not open, the others do."""
    from recordings.custody.keys import FileKeys, KeyFileWrong
    from recordings.custody.leaving import NotOpened
    from recordings.custody.leaving import decrypt as open_one

    if wrapped and len(files) != 1:
        raise fail("--wrapped is the key of one file; give that one FILE only")
    try:
        keys = FileKeys.load(key)
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
    except KeyFileWrong as error:
        raise fail(str(error)) from None
    except OSError as error:
        raise fail(f"{out}: {error.strerror}") from None
    bad = 0
    for file in files:
        try:
            typer.echo(open_one(file, keys, out, wrapped))
        except NotOpened as error:
            sys.stderr.write(f"{error}\n")
            bad += 1
    if bad:
        raise typer.Exit(1)


@recordings_app.command()
def inspect(files: Files) -> None:
    """What sealed recordings say of themselves, without any key: name, codec, length, which master key they need."""
    from recordings.custody.leaving import NotOpened
    from recordings.custody.leaving import inspect as look_at

    bad = 0
    for file in files:
        try:
            found = look_at(file)
        except NotOpened as error:
            sys.stderr.write(f"{error}\n")
            bad += 1
            continue
        head = found.header
        typer.echo(f"{file}: recording {head.name}")
        typer.echo(f"  {head.codec}, {found.plain_bytes} bytes inside, {found.sealed_bytes} sealed")
        typer.echo(f"  {head.cipher}, {head.chunks(found.sealed_bytes)} chunks of {head.chunk_bytes} bytes")
        beside = f", or beside it {', '.join(found.beside)}" if found.beside else ""
        typer.echo(f"  needs master key {head.key.key_id}{beside}")
    if bad:
        raise typer.Exit(1)
