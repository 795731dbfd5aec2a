"""Look at what happened: calls, tickets, and whether every invariant holds."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from callcenter.cli import app, fail
from callcenter.cli.custody import anchors_or_fail, custody_or_fail
from callcenter.cli.processes import settings_or_fail

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncConnection

JsonOption = Annotated[bool, typer.Option("--json", help="JSON lines instead of a table")]
AllHashesOption = Annotated[bool, typer.Option("--all-hashes", help="read every kept recording, not a sample")]
LimitOption = Annotated[int, typer.Option(help="how many, the newest first")]


def _with_tx(work: "Callable[[AsyncConnection], Awaitable[Any]]") -> Any:
    from callcenter.db import Database, DatabaseAway

    async def run() -> Any:
        database = Database(settings_or_fail().database_url)
        try:
            async with database.transaction() as tx:
                return await work(tx)
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except DatabaseAway as error:
        raise fail(f"PostgreSQL does not answer: {error}") from None


def _show(rows: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        for row in rows:
            typer.echo(json.dumps(row, ensure_ascii=False, default=str))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*(rows[0].keys() if rows else ("nothing",)))
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    Console().print(table)


CALLS = """SELECT c.id, c.state, i.masked AS caller, c.queue, c.agent_id AS agent, c.started_at, c.exit_reason,
                  t.id AS ticket
           FROM call c LEFT JOIN identity i ON i.id = c.caller LEFT JOIN ticket t ON t.call_id = c.id
           ORDER BY c.started_at DESC LIMIT :limit"""
TICKETS = """SELECT id, state, request_type, title, lead_unit, rating, rating_source, created_at
             FROM ticket ORDER BY id DESC LIMIT :limit"""


async def _select(tx: "AsyncConnection", query: str, limit: int) -> list[dict[str, Any]]:
    from sqlalchemy import text

    return [dict(row) for row in (await tx.execute(text(query), {"limit": limit})).mappings()]


@app.command()
def calls(limit: LimitOption = 20, as_json: JsonOption = False) -> None:
    """The newest calls; numbers are masked."""
    _show(_with_tx(lambda tx: _select(tx, CALLS, limit)), as_json)


@app.command()
def tickets(limit: LimitOption = 20, as_json: JsonOption = False) -> None:
    """The newest tickets."""
    _show(_with_tx(lambda tx: _select(tx, TICKETS, limit)), as_json)


@app.command()
def verify(as_json: JsonOption = False, all_hashes: AllHashesOption = False) -> None:
    """Check every invariant on the database, Asterisk's log and the recordings. Exit 1 when one does not hold."""
    from callcenter import invariants
    from callcenter.app import load_rules

    settings = settings_or_fail()
    custody = custody_or_fail(settings)
    places = anchors_or_fail(settings, custody)
    rules = load_rules(settings.policy)
    now = invariants.utc_now()
    ground = invariants.Ground(
        rules, settings.spool_dir, settings.cel_file, settings.node, now, places, custody, all_hashes
    )
    found = _with_tx(lambda tx: invariants.verify(tx, ground))
    for name, (what, _) in invariants.INVARIANTS.items():
        wrong = [one.sentence for one in found if one.invariant == name]
        if as_json:
            typer.echo(json.dumps({"invariant": name, "what": what, "holds": not wrong, "found": wrong}))
        else:
            typer.echo(f"{name:4} {'holds' if not wrong else 'BROKEN'}  {what}")
            for sentence in wrong:
                typer.echo(f"       {sentence}")
    if settings.anchor_dir is None and not as_json:
        typer.echo("note: CALLCENTER_ANCHOR_DIR is not set; a cut or rewritten audit shows in the hourly anchors only")
    if places.signer is None and not as_json:
        typer.echo("note: CALLCENTER_SIGNING_KEY is not set; anchors are not signed and could be forged")
    if found:
        raise typer.Exit(1)


jobs_app = typer.Typer(no_args_is_help=True, help="Jobs that wait for a person.")
app.add_typer(jobs_app, name="jobs")


@jobs_app.command()
def held() -> None:
    """Jobs that failed for good, with the reason."""
    from callcenter import jobs

    for one in _with_tx(lambda tx: jobs.held_jobs(tx)):
        typer.echo(str(one))


@jobs_app.command()
def retry(ids: list[int]) -> None:
    """Give held jobs back to the queue."""
    from callcenter import jobs

    typer.echo(f"{_with_tx(lambda tx: jobs.retry_held(tx, ids))} given back")
