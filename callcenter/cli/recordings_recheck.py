"""`callcenter recordings recheck`: read kept recordings again, every byte, and mend one place from the other."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from callcenter.cli import fail
from callcenter.cli.custody import custody_or_fail
from callcenter.cli.processes import settings_or_fail
from callcenter.cli.recordings import recordings_app

if TYPE_CHECKING:
    from callcenter.custody.recheck_work import Recheck

AllOption = Annotated[bool, typer.Option("--all", help="every recording; default: those due by age, and in trouble")]
RepairOption = Annotated[bool, typer.Option("--repair/--no-repair", help="mend from the other place, or only look")]


@recordings_app.command()
def recheck(all_: AllOption = False, repair: RepairOption = True) -> None:
    """Compare every byte with what was stored, in the store and in the copy; with --all, refill a lost store.

    Prints what is missing or damaged, what was mended, and objects that no row knows (they are never removed).
    Exit 1 when something could not be mended.
    """
    from callcenter.custody.recheck_work import Recheck
    from callcenter.db import Database, DatabaseAway
    from recordings.custody.objects import StoreAway
    from recordings.custody.recheck import NotMended, at_once

    settings = settings_or_fail()
    custody = custody_or_fail(settings)

    async def run() -> int:
        database = Database(settings.database_url)
        try:
            return await _run(Recheck(database, custody, at_once), all_, repair)
        finally:
            await database.close()

    try:
        left = asyncio.run(run())
    except DatabaseAway as error:
        raise fail(f"PostgreSQL does not answer: {error}") from None
    except (StoreAway, NotMended) as error:
        raise fail(f"the check stopped: {error}; run it again when the store is back") from None
    if left:
        raise typer.Exit(1)


async def _run(checking: "Recheck", all_: bool, repair: bool) -> int:
    from recordings.custody import recheck as check

    left = 0
    if checking.ground.copy is None:
        typer.echo("there is no second place (CALLCENTER_COPY_URL): nothing can be mended")
    for place in checking.places:
        store = check.at(checking.ground, place)
        assert store is not None
        if repair and not await check.keeps_what_it_has(store):
            raise fail(f"{store.url} writes over an object that is there already; it is not fit to keep records")
        mended = lost = 0
        async for found in checking.everything(place, repair=repair, all_=all_):
            typer.echo(str(found))
            mended, lost = mended + found.mended, lost + (not found.mended)
        strangers = 0
        if all_:
            async for name in checking.unknown(place):
                typer.echo(f"{name} in the {place} belongs to no recording; left as it is")
                strangers += 1
        typer.echo(f"{place}: {mended} mended, {lost} not whole, {strangers} unknown")
        left += lost
    return left
