"""`callcenter survey parse`: how a citizen's reply would be read."""

import json
import sys

import typer

from callcenter.cli import app

survey = typer.Typer(no_args_is_help=True, help="What a reply to a survey means.")
app.add_typer(survey, name="survey")


@survey.command()
def parse() -> None:
    """Read texts, one a line, from standard input; write one JSON line each."""
    from ticketing.aftercare.sms_reply import parse as parse_reply

    sys.stdin.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    for line in sys.stdin:
        reply = parse_reply(line.rstrip("\r\n"))
        told = {"text": reply.text, "rating": reply.rating, "route": reply.route, "comment": reply.comment}
        sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
