"""`callcenter reports`: which there are, and one made now into a file."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from callcenter.cli import app, fail
from callcenter.cli.processes import settings_or_fail

if TYPE_CHECKING:
    from ticketing.appraisal.reports import Format, ReportKit
    from ticketing.policy import Rules

reports = typer.Typer(no_args_is_help=True, help="Bulletins, special reports, appraisal results.")
app.add_typer(reports, name="reports")


@reports.command(name="list")
def list_reports() -> None:
    """The reports of the regulation that runs here."""
    from callcenter.app import load_rules
    from config.problems import ConfigWrong

    try:
        rules = load_rules(settings_or_fail().policy)
    except ConfigWrong as wrong:
        raise fail(str(wrong)) from None
    known = rules.at(datetime.now(UTC)).reports
    for one in known.definitions if known else ():
        variants = ", ".join(one.variants)
        typer.echo(f"{one.id:18} {one.every or 'on demand':10} {variants:18} {one.title}  ({one.basis})")


@reports.command()
def make(
    report: Annotated[str, typer.Argument(help="its id, see `callcenter reports list`")],
    period: Annotated[str, typer.Option(help="2026, 2026-Q3, 2026-10, 2026-W41, 2026-10-05 or day..day")],
    out: Annotated[Path, typer.Option(help="a file that ends in .docx, .xlsx or .pdf")],
    public: Annotated[bool, typer.Option("--public", help="the version for everybody")] = False,
) -> None:
    """Count the figures now and write one report into a file. Leaves no run behind."""
    from callcenter.app import load_report_kit, load_rules
    from callcenter.db import DatabaseAway
    from callcenter.reports.figures import NoReportsHere
    from callcenter.reports.fonts import FontMissing
    from callcenter.reports.orders import ReportUnknown
    from config.problems import ConfigWrong
    from ticketing.appraisal.reports import Format
    from ticketing.appraisal.terms import BadTerm

    kind = out.suffix.removeprefix(".").lower()
    if kind not in tuple(Format):
        raise fail(f"{out}: name a file that ends in .docx, .xlsx or .pdf")
    try:
        rules = load_rules(settings_or_fail().policy)
        data = asyncio.run(_make(rules, load_report_kit(rules), report, period, Format(kind), public))
    except (ConfigWrong, BadTerm, FontMissing, NoReportsHere) as error:
        raise fail(str(error) or str(type(error).__doc__)) from None
    except ReportUnknown:
        raise fail(f"{report}: the regulation here has no such report; see `callcenter reports list`") from None
    except DatabaseAway as error:
        raise fail(f"PostgreSQL does not answer: {error}; see CALLCENTER_DATABASE_URL") from None
    try:
        out.write_bytes(data)
    except OSError as error:
        raise fail(f"cannot write {out}: {error.strerror}; choose a folder you may write to") from None
    typer.echo(f"{out} ({len(data)} bytes)")


async def _make(rules: "Rules", kit: "ReportKit", report: str, period: str, format_: "Format", public: bool) -> bytes:
    from callcenter.db import Database
    from callcenter.reports import fonts, orders, work
    from ticketing.appraisal.rules import Variant
    from ticketing.appraisal.terms import parse_term

    settings, now = settings_or_fail(), datetime.now(UTC)
    ground = orders.ground_at(rules, kit, now)
    definition = orders.definition_of(ground.policy, report)
    variant = Variant.PUBLIC if public else Variant.INTERNAL
    font = fonts.find(settings.report_font)
    database = Database(settings.database_url)
    try:
        async with database.transaction() as tx:
            return await work.write_once(tx, ground, definition, parse_term(period), variant, format_, font, now)
    finally:
        await database.close()
