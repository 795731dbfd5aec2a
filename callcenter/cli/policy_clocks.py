"""`callcenter policy clocks`: the public calculator; needs no settings, no database and nothing running."""

import json
import sys
from typing import Annotated, NoReturn

import typer

from callcenter.cli.policy import policy


@policy.command()
def clocks(
    policy_id: Annotated[
        str, typer.Option("--policy", metavar="ID", help="the regulation, as its file in config/policies is named")
    ],
) -> None:
    """Compute every deadline of the cases on standard input (a JSON list); write a JSON list.

    Exit status 1 when a case could not be computed (its answer says why), 2 when the input is no list.
    """
    from config.calendar_loader import load_calendar
    from config.policy_loader import load_policies
    from config.problems import ConfigWrong
    from ticketing.limits.cases import answer

    try:
        policies = load_policies(policy_id)
        calendar = load_calendar(policies[-1].calendar.overlays)
    except ConfigWrong as wrong:
        _stop(str(wrong))
    answers = [answer(case, number, policies, calendar) for number, case in enumerate(_cases(), 1)]
    _write(answers)
    if any("error" in one for one in answers):
        raise typer.Exit(1)


def _cases() -> list[object]:
    try:
        cases = json.loads(sys.stdin.buffer.read().decode("utf-8-sig"))
    except UnicodeDecodeError:
        _stop("standard input is not UTF-8; save the cases as UTF-8")
    except RecursionError:
        _stop("standard input is nested too deeply; write a list of cases")
    except ValueError as error:
        _stop(f"standard input is not JSON: {error}; write a list of cases")
    if not isinstance(cases, list):
        _stop("standard input is not a list; put the cases into [ ]")
    return cases


def _write(answers: list[dict[str, object]]) -> None:
    text = ",\n ".join(json.dumps(one, ensure_ascii=False) for one in answers)
    # A lone surrogate in an id cannot be UTF-8; as \udXXX it is the same JSON string.
    sys.stdout.buffer.write(f"[{text}]\n".encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()


def _stop(message: str) -> NoReturn:
    sys.stderr.write(message.rstrip() + "\n")
    raise typer.Exit(2)
