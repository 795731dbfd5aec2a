"""Fills the configuration templates of config/asterisk and config/kannel.

Placeholders are `@{name}`, because `${...}` belongs to Asterisk's dialplan and `$name` to shells.
"""

import string
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from callcenter.stack import secrets
from callcenter.stack.errors import StackFailed


class Template(string.Template):
    """`string.Template` with `@{name}`; a lone `@` stays as it is."""

    delimiter = "@"
    pattern = r"""
    @(?:
      (?P<escaped>(?!))            |  # nothing is an escape
      (?P<named>(?!))              |  # only the braced form counts
      {(?P<braced>[a-z][a-z0-9_]*)} |
      (?P<invalid>(?!))
    )
    """  # type: ignore[assignment]


def render(text: str, values: Mapping[str, object], where: str = "template") -> str:
    """`text` with every placeholder filled. Raises StackFailed for one without a value; `where` names the file."""
    try:
        return Template(text).substitute(values)
    except KeyError as error:
        raise StackFailed(f"{where}: no value for @{{{error.args[0]}}}") from None


def templates(kind: str) -> list[Path]:
    """The template files of `asterisk` or `kannel`, by name."""
    return sorted(Path(str(item)) for item in files("config").joinpath(kind).iterdir() if item.name.endswith(".conf"))


def render_folder(kind: str, values: Mapping[str, object], target: Path) -> None:
    """Write every template of `kind` into `target`, mode 0600: the rendered files hold passwords."""
    for template in templates(kind):
        text = render(template.read_text(encoding="utf-8"), values, f"config/{kind}/{template.name}")
        secrets.write_private(target / template.name, text)
