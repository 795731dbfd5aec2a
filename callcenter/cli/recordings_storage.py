"""`callcenter recordings storage` and `... plan`: how full the disks are, for how long they last, how large to buy."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from callcenter.cli import fail
from callcenter.cli.look import JsonOption, _show, _with_tx
from callcenter.cli.processes import settings_or_fail
from callcenter.cli.recordings import recordings_app

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

    from callcenter.custody.storage_rows import PlaceRow

GIB = 2**30


@recordings_app.command()
def storage(as_json: JsonOption = False) -> None:
    """Used, free, growth a day and days left of the spool, the store and its copy. Exit 1 when one is at 95 %."""
    from callcenter.custody import storage_rows
    from callcenter.custody.disk_watch import room_of
    from callcenter.custody.opening import CustodyNotSet, ground_of
    from recordings.custody.keys import KeyFileWrong
    from recordings.custody.objects import StoreWrong
    from recordings.storage import Level, growth_of, level_of

    try:
        places = storage_rows.places_of(ground_of(settings_or_fail()))
    except (CustodyNotSet, StoreWrong, KeyFileWrong) as error:
        raise fail(str(error) or str(type(error).__doc__)) from None
    rooms = {}
    for name, path in places.items():
        try:
            rooms[name] = room_of(path)
        except OSError as error:
            raise fail(f"{path}: {error.strerror}; see that the disk is mounted") from None

    async def known(tx: "AsyncConnection") -> "tuple[float | None, tuple[PlaceRow, ...]]":
        return await storage_rows.growth(tx, datetime.now(UTC)), await storage_rows.read(tx)

    growth, watched = _with_tx(known)
    left, growing = storage_rows.forecast(rooms, growth), growth_of(rooms, growth)
    # As the watch has it: at 94 % it depends on what was before.
    before = {row.place: row.level for row in watched}
    levels = {name: level_of(room.used_share, before.get(name, Level.OK)) for name, room in rooms.items()}
    rows: list[dict[str, Any]] = [
        {
            "place": name,
            "path": str(places[name]),
            "used": f"{room.used_share:.1%}",
            "free GiB": round(room.free_bytes / GIB, 1),
            "growth GiB a day": _or_unknown(growing[name], GIB),
            "days left": _or_unknown(left[name], 1),
            "level": levels[name].value,
        }
        for name, room in rooms.items()
    ]
    _show(rows, as_json)
    if Level.FULL in levels.values():
        raise typer.Exit(1)


def _or_unknown(value: float | None, unit: float) -> float | str:
    return "-" if value is None else round(value / unit, 2 if unit > 1 else 0)


@recordings_app.command()
def plan(
    hours_a_day: Annotated[float, typer.Option(min=0.01, max=100_000, help="hours of conversation a day, all lines")],
    days: Annotated[int, typer.Option(min=1, max=366, help="days a year with calls")] = 365,
    years: Annotated[float, typer.Option(min=1, max=100, help="how long recordings are kept")] = 3,
    as_json: JsonOption = False,
) -> None:
    """How large a store has to be: GB (10^9 bytes) a year for each codec, from measured sizes; a copy needs as much."""
    from recordings.storage import CODECS, FULL_AT, STORED_KIB_A_MIN, gb_a_year

    rows = []
    for codec in CODECS:
        a_year = gb_a_year(hours_a_day, codec, days=days)
        rows.append(
            {
                "codec": codec,
                "KiB a minute": STORED_KIB_A_MIN[codec],
                "GB a year": round(a_year, 1),
                "GB kept": round(a_year * years, 1),
                "disk to buy, GB": round(a_year * years / FULL_AT, 1),
            }
        )
    if as_json:
        typer.echo(json.dumps(rows))
        return
    _show(rows, as_json)
