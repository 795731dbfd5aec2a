"""`callcenter backup` and `callcenter restore-drill`: copies of PostgreSQL, its log, the proof that they restore."""

import asyncio
import json
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from callcenter.cli import app, fail
from callcenter.cli.processes import settings_or_fail

if TYPE_CHECKING:
    from callcenter.backup.base import Sealing
    from callcenter.backup.folder import BackupFolder, Base
    from callcenter.backup.programs import Server
    from callcenter.settings import Settings

backup_app = typer.Typer(no_args_is_help=True, help="Backups of PostgreSQL: base copies and the log, sealed.")
app.add_typer(backup_app, name="backup")
JsonOption = Annotated[bool, typer.Option("--json", help="JSON instead of sentences")]
IntoOption = Annotated[Path | None, typer.Option(help="an empty folder; default: a new one beside backup_incoming")]


def _folder(settings: "Settings") -> "BackupFolder":
    from callcenter.backup.folder import BackupFolder

    if settings.backup_dir is None:
        raise fail("CALLCENTER_BACKUP_DIR is not set; name a folder on another disk than PostgreSQL's")
    return BackupFolder(settings.backup_dir.absolute())


def _sealing(settings: "Settings") -> "Sealing":
    from callcenter.backup.base import Sealing
    from callcenter.custody.opening import keys_of
    from recordings.custody.custody import Cipher
    from recordings.custody.keys import KeyFileWrong

    if not settings.backup_keys:
        raise fail("CALLCENTER_BACKUP_KEYS is not set; name the key file of the backups as file:///folder/backup.key")
    try:
        return Sealing(keys_of(settings.backup_keys), Cipher(settings.recording_cipher))
    except KeyFileWrong as error:
        raise fail(f"the key of the backups cannot be read: {error}") from None


def _server(settings: "Settings") -> "Server":
    from callcenter.backup.programs import Server

    if settings.backup_database_url is None:
        raise fail("CALLCENTER_BACKUP_DATABASE_URL is not set; name the database by a role with REPLICATION")
    return Server.at(settings.backup_database_url.get_secret_value())


@backup_app.command()
def base() -> None:
    """One base backup: copied, sealed, read back and compared with PostgreSQL's manifest."""
    from callcenter.backup import base as backups
    from callcenter.backup import keeping
    from callcenter.backup.errors import BackupFailed
    from callcenter.db import DatabaseAway
    from callcenter.stack.errors import PartMissing

    settings = settings_or_fail()
    folder, sealing, server = _folder(settings), _sealing(settings), _server(settings)
    try:
        lines = asyncio.run(keeping.inventory_of(settings.database_url))
        taken = backups.take(folder, server, sealing, inventory=lines, other_keys=keeping.needed_beside(settings))
    except (BackupFailed, PartMissing, OSError) as error:
        raise fail(f"no backup was taken: {error}") from None
    except DatabaseAway as error:
        raise fail(f"no backup was taken, PostgreSQL does not answer: {error}") from None
    typer.echo(_line(taken))


@backup_app.command()
def wal(
    new_slot: Annotated[bool, typer.Option(help="forget the old replication slot, whose log is gone")] = False,
    tick: Annotated[float, typer.Option(min=0.05, max=60, help="seal what came every so many seconds")] = 0.5,
) -> None:
    """Receive the log of PostgreSQL as it is written, and seal it; until SIGTERM."""
    from callcenter import log
    from callcenter.backup.errors import BackupFailed
    from callcenter.backup.receiver import Receiver
    from callcenter.stack.errors import PartMissing

    settings = settings_or_fail()
    receiver = Receiver(_server(settings), _folder(settings), settings.incoming_folder, _sealing(settings), tick)
    log.set_up("backup-wal")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: receiver.stop.set())
    try:
        if new_slot:
            receiver.server.drop_slot()
        receiver.run()
    except (BackupFailed, PartMissing, OSError) as error:
        raise fail(f"the log is not received: {error}") from None


@backup_app.command(name="list")
def list_(as_json: JsonOption = False) -> None:
    """The verified base backups, how far the log has come, the last drill."""
    from callcenter.backup import keeping
    from callcenter.backup.errors import BackupFailed

    folder = _folder(settings_or_fail())
    try:
        bases = folder.bases()
    except BackupFailed as error:
        raise fail(str(error)) from None
    if as_json:
        typer.echo(json.dumps([one.model_dump(mode="json") for one in bases], ensure_ascii=False))
        return
    for one in bases:
        typer.echo(_line(one))
    for sentence in keeping.told(folder):
        typer.echo(sentence)


def _line(one: "Base") -> str:
    plain, sealed = one.plain_bytes / 2**20, one.sealed_bytes / 2**20
    return (
        f"{one.stamp}  PostgreSQL {one.major}  {plain:,.0f} MiB, sealed {sealed:,.0f} MiB, {one.took_s} s"
        f"  from {one.start_lsn}  {one.objects} recordings in the inventory  key {one.backup_key}"
    )


@backup_app.command()
def prune(keep: Annotated[int, typer.Option(min=1, help="so many of the newest verified bases stay")]) -> None:
    """Remove older bases, and the log that no base needs any more."""
    from callcenter.backup.errors import BackupFailed

    try:
        gone, segments = _folder(settings_or_fail()).prune(keep)
    except (BackupFailed, OSError) as error:
        raise fail(str(error)) from None
    typer.echo(f"removed {len(gone)} base backups ({', '.join(gone) or 'none'}) and {segments} segments of the log")


@backup_app.command()
def keys() -> None:
    """Which keys a restore needs, where they are now, and that none lies with the backups. Exit 1 when one does."""
    from callcenter.backup import keeping

    settings = settings_or_fail()
    sentences, wrong = keeping.keys_apart(settings, _folder(settings))
    for sentence in (*sentences, *(f"WRONG  {one}" for one in wrong)):
        typer.echo(sentence)
    if wrong:
        raise typer.Exit(1)


@backup_app.command()
def restore(into: Annotated[Path, typer.Option(help="an empty folder on the new server")]) -> None:
    """Restore the newest state into an empty folder, for a server to be started on. Touches nothing else."""
    from callcenter.backup.errors import BackupFailed
    from callcenter.backup.receiver import seal_the_rest
    from callcenter.backup.restored import restored
    from callcenter.stack.errors import StackFailed

    settings = settings_or_fail()
    folder, sealing = _folder(settings), _sealing(settings)

    async def run() -> str:
        seal_the_rest(settings.incoming_folder, folder, sealing)
        async with restored(folder, folder.newest(), sealing, into, writable=True) as cluster:
            return f"{cluster.segments} segments of the log replayed in {cluster.answered_s:.0f} s"

    try:
        done = asyncio.run(run())
    except (BackupFailed, StackFailed, OSError) as error:
        raise fail(f"not restored: {error}") from None
    typer.echo(
        f"{done}. The data is in {into.absolute() / 'data'}: move it to its place, give it to PostgreSQL's user, see "
        "to postgresql.conf and pg_hba.conf in it, start the server, then: callcenter verify"
    )


@app.command(name="restore-drill")
def restore_drill(
    sample: Annotated[int, typer.Option(min=0, help="so many random recordings are opened")] = 100,
    into: IntoOption = None,
    as_json: JsonOption = False,
) -> None:
    """Restore the newest backup into an empty private cluster and check everything. Exit 1 when something is wrong."""
    from callcenter.backup import drill, keeping

    settings = settings_or_fail()
    folder, sealing = _folder(settings), _sealing(settings)
    tell = (lambda _: None) if as_json else typer.echo
    report = asyncio.run(keeping.drilled(settings, folder, sealing, into, sample, tell))
    if as_json:
        typer.echo(json.dumps({"ok": report.ok, **report.model_dump(mode="json")}, ensure_ascii=False))
    else:
        for sentence in drill.sentences(report):
            typer.echo(sentence)
    if not report.ok:
        raise typer.Exit(1)
