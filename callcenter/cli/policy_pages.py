"""`callcenter policy show|defaults|diff`: a regulation as it is in force here, as a page people read."""

from collections.abc import Callable, Iterable
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from callcenter.cli import fail
from callcenter.cli.policy import policy

if TYPE_CHECKING:
    from rich.table import Table

    from config.policy_page import Row

T = TypeVar("T")
Markdown = Annotated[bool, typer.Option("--markdown", help="a Markdown document instead of tables")]


@policy.command(name="show")
def show(policy_id: str, markdown: Markdown = False) -> None:
    """The policy as a Chinese page: rules, limits, who, source."""
    _print(f"{_title(policy_id)}（{policy_id}）", _rows(policy_id), markdown)


@policy.command(name="defaults")
def defaults(policy_id: str, markdown: Markdown = False) -> None:
    """Every point on which the regulation is silent and we had to decide."""
    ours = [row for row in _rows(policy_id) if row.ours]
    _print(f"{_title(policy_id)}未作规定、由本系统确定的事项（{len(ours)}项）", ours, markdown)


@policy.command(name="diff")
def diff(first: str, second: str, markdown: Markdown = False) -> None:
    """Two policies side by side; only what differs."""
    left, right = ({(row.section, row.name): row for row in _rows(one)} for one in (first, second))
    lines = []
    for section, name in dict.fromkeys((*left, *right)):
        old, new = left.get((section, name)), right.get((section, name))
        if old is None or new is None or old.value != new.value:
            lines.append((section, name, _said(old), _said(new)))
    _table(f"{first} 与 {second} 的差别", (first, second), lines, markdown)


def _said(row: "Row | None") -> str:
    return "—" if row is None else f"{row.value}（{row.source}）"


def _rows(policy_id: str) -> "tuple[Row, ...]":
    from config.policy_page import read, rows

    return _or_fail(lambda: rows(read(policy_id)))


def _title(policy_id: str) -> str:
    from config.policy_page import read

    return _or_fail(lambda: read(policy_id).policy.title)


def _or_fail(work: Callable[[], T]) -> T:
    from config.problems import ConfigWrong

    try:
        return work()
    except ConfigWrong as wrong:
        raise fail(str(wrong)) from None


def _print(title: str, rows: "Iterable[Row]", markdown: bool) -> None:
    lines = [(row.section, row.name, row.value, row.source) for row in rows]
    _table(title, ("内容", "依据"), lines, markdown)


def _table(title: str, columns: tuple[str, str], lines: list[tuple[str, str, str, str]], markdown: bool) -> None:
    if markdown:
        typer.echo(as_markdown(title, columns, lines))
        return
    from rich.console import Console

    console = Console()
    console.print(f"[bold]{title}[/bold]", highlight=False)
    for section, group in groupby(lines, key=lambda line: line[0]):
        console.print(_section(section, columns, list(group)))


def _section(section: str, columns: tuple[str, str], lines: list[tuple[str, str, str, str]]) -> "Table":
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(title=section, title_justify="left", box=box.SIMPLE, expand=False)
    for heading, share in (("事项", 3), (columns[0], 5), (columns[1], 4)):
        table.add_column(heading, ratio=share, overflow="fold")
    for _, name, value, source in lines:
        # Text: what a policy file says is never markup.
        table.add_row(Text(name), Text(value), Text(source))
    return table


def as_markdown(title: str, columns: tuple[str, str], lines: Iterable[tuple[str, str, str, str]]) -> str:
    """The same as a Markdown document, a table a section."""
    parts = [f"# {title}"]
    for section, group in groupby(lines, key=lambda line: line[0]):
        parts += ["", f"## {section}", "", f"| 事项 | {columns[0]} | {columns[1]} |", "|---|---|---|"]
        parts += [f"| {_cell(name)} | {_cell(value)} | {_cell(source)} |" for _, name, value, source in group]
    return "\n".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
