"""`callcenter recordings findings`: what is wrong with recordings and with the spool."""

from typing import Annotated

import typer

from callcenter.cli.look import JsonOption, LimitOption, _show, _with_tx
from callcenter.cli.recordings import recordings_app


@recordings_app.command("findings")
def list_findings(
    limit: LimitOption = 100,
    every: Annotated[bool, typer.Option("--all", help="those that are over too")] = False,
    as_json: JsonOption = False,
) -> None:
    """Missing, short, silent, orphaned and foreign recordings, the newest first. Exit 1 when any is open."""
    from recordings import findings

    rows = _with_tx(lambda tx: findings.listed(tx, open_only=not every, limit=limit))
    shown = [
        {
            "id": one.id,
            "kind": one.kind.value,
            "call": one.call_id,
            "party": one.party,
            "file or channel": one.path or one.subject,
            "audio of answered s": None if one.answered_s is None else f"{one.audio_s:.1f} of {one.answered_s:.1f}",
            "since": f"{one.first_seen:%Y-%m-%d %H:%M:%S}Z",
            "over": None if one.resolved_at is None else f"{one.resolved_at:%Y-%m-%d %H:%M:%S}Z by {one.resolved_by}",
        }
        for one in rows
    ]
    _show(shown, as_json)
    if any(one.resolved_at is None for one in rows):
        raise typer.Exit(1)
