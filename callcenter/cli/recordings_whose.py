"""`callcenter recordings whose`: from which export a file or a piece of it comes."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from callcenter.cli import fail
from callcenter.cli.processes import settings_or_fail
from callcenter.cli.recordings import recordings_app

if TYPE_CHECKING:
    from callcenter.custody.exports import Export
    from callcenter.settings import Settings


@recordings_app.command()
def whose(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="any audio; a minute of it is enough")],
) -> None:
    """The export a file was made by: its number, who asked for it, when, why. Exit 1 when no mark of ours is found."""
    from callcenter.custody.exports import watermark_key
    from callcenter.vault import Vault, VaultKeyMalformed
    from recordings.audio import UnreadableAudio
    from recordings.listening.marked_files import whose as marked

    settings = settings_or_fail()
    try:
        found = marked(file, watermark_key(Vault(settings.vault_key.get_secret_value())))
    except (UnreadableAudio, VaultKeyMalformed) as error:
        raise fail(str(error) or type(error).__doc__ or "") from None
    if found is None:
        raise fail(
            f"{file}: no mark of this installation; a piece under half a minute, or played over a room, may lose it"
        )
    export = _export(settings, found.number)
    sure = f"the weakest of four peaks stands {found.sure:.1f} deviations out of the noise"
    if export is None:
        raise fail(f"{file}: marked as export {found.number} ({sure}), which this database does not know")
    typer.echo(f"export {export.id}, asked for by {export.actor} at {export.made_at:%Y-%m-%d %H:%M:%S} UTC")
    typer.echo(f"  of recording {export.recording_id}, call {export.call_id}")
    typer.echo(f"  reason: {export.reason}")
    if export.approved_by:
        typer.echo(f"  approved by {export.approved_by} ({export.second_person})")
    typer.echo(f"  {sure}")


def _export(settings: "Settings", number: int) -> "Export | None":
    from callcenter.custody import exports
    from callcenter.db import Database, DatabaseAway

    async def run() -> "Export | None":
        database = Database(settings.database_url)
        try:
            async with database.transaction() as tx:
                return await exports.one_of(tx, number)
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except DatabaseAway as error:
        raise fail(f"PostgreSQL does not answer: {error}") from None
