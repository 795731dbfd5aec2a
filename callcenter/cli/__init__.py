"""The command line. Each command imports what it needs when it runs, so that `--help` is quick.

Errors an operator can mend are one clear English sentence on standard error and exit status 1.
"""

import sys

import typer

app = typer.Typer(
    name="callcenter",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The backend of a 12345 government hotline: call, ticket, SMS rating, recording.",
)


def fail(message: str) -> typer.Exit:
    """Say what is wrong and what to do; `raise fail(...)`."""
    sys.stderr.write(message.rstrip() + "\n")
    return typer.Exit(1)


def main() -> None:
    """Entry point; also the script `callcenter`."""
    from callcenter.cli import (  # noqa: F401 - they register commands
        archive,
        backup,
        calendar,
        coverage,
        look,
        openapi,
        policy_clocks,
        policy_pages,
        processes,
        recordings,
        recordings_findings,
        recordings_keys,
        recordings_recheck,
        recordings_retention,
        recordings_storage,
        recordings_whose,
        reports,
        show,
        speech_tools,
        survey,
    )

    app()
