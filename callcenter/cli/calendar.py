"""`callcenter calendar`: look at a year, seed one from the library, bring a notice in."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from callcenter.cli import app, fail
from callcenter.cli.processes import settings_or_fail

calendar_app = typer.Typer(no_args_is_help=True, help="The work calendar: years, 调休, regional days.")
app.add_typer(calendar_app, name="calendar")
MARKS = {"workday": "班", "rest": "休", "holiday": "假", "makeup_workday": "调"}
Reason = Annotated[str, typer.Option(help="the notice: title and number")]


@calendar_app.command(name="show")
def show(year: int, policy: Annotated[str, typer.Option(help="with the regional days of this policy")] = "") -> None:
    """Every month of a year as shipped: 班 worked, 休 weekend, 假 holiday, 调 worked weekend."""
    from config.calendar_loader import load_calendar
    from config.policy_loader import load_policies
    from config.problems import ConfigWrong
    from ticketing.clocks import CalendarEnds

    try:
        overlays = load_policies(policy)[-1].calendar.overlays if policy else ()
        calendar = load_calendar(overlays)
        for month in range(1, 13):
            first = date(year, month, 1)
            days = [first + timedelta(days=n) for n in range(31)]
            marks = "".join(MARKS[calendar.kind(day)] for day in days if day.month == month)
            typer.echo(f"{first:%Y-%m}  {marks}")
        whole = (date(year, 1, 1), date(year, 12, 31))
        unsure = "，放假安排尚未公布，按法定节假日推算" if calendar.is_provisional(*whole) else ""
        typer.echo(f"{calendar.working_days(*whole)}个工作日{unsure}")
    except ConfigWrong as wrong:
        raise fail(str(wrong)) from None
    except CalendarEnds as end:
        raise fail(f"{end}; bring the year in with: callcenter calendar import cn-{year}.yaml") from None


@calendar_app.command(name="seed")
def seed(year: int) -> None:
    """Print the file of a year as chinesecalendar knows it."""
    from ticketing.calendars import YearUnknown, as_yaml, seed_year

    try:
        typer.echo(as_yaml(seed_year(year)), nl=False)
    except YearUnknown as unknown:
        raise fail(f"{unknown}; write the file by hand from the State Council's notice") from None


@calendar_app.command(name="import")
def bring_in(file: Path, reason: Reason) -> None:
    """Lay a calendar file over the others; a job then looks at every running deadline."""
    from callcenter import calendars
    from callcenter.app import composer, load_rules
    from callcenter.db import Database, DatabaseAway
    from callcenter.types import Actor
    from config.problems import ConfigWrong

    settings = settings_or_fail()
    try:
        content = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise fail(f"{file} cannot be read: {error}") from None

    async def run() -> str:
        compose = composer(load_rules(settings.policy))
        actor, now = Actor("system", "operator"), datetime.now(UTC)
        database = Database(settings.database_url)
        try:
            async with database.transaction() as tx:
                kept = await calendars.keep(tx, file.stem, content, compose, actor=actor, now=now, reason=reason)
        finally:
            await database.close()
        return kept.version

    try:
        typer.echo(f"calendar {asyncio.run(run())} is in use; running deadlines are being looked at")
    except DatabaseAway as error:
        raise fail(f"PostgreSQL does not answer: {error}") from None
    except (ConfigWrong, calendars.CalendarRefused) as wrong:
        raise fail(str(wrong)) from None
