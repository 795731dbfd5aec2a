"""What a document says, free of any format: blocks of text, tables and charts, in order."""

import re
from dataclasses import dataclass

Cell = str | int | float | None

# What XML 1.0 cannot hold; people paste such characters.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def clean(text: str) -> str:
    """The text without characters no document format can hold."""
    return _UNWRITABLE.sub("", text)


@dataclass(frozen=True, slots=True)
class Heading:
    text: str
    level: int = 1


@dataclass(frozen=True, slots=True)
class Para:
    """A paragraph; line breaks are kept."""

    text: str


@dataclass(frozen=True, slots=True)
class Fields:
    """Names and values side by side, as on a form."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table. rows: as long as head. In a workbook it is a sheet called `name`."""

    name: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Chart:
    """bars: values by label; line: values in order. values: finite numbers."""

    title: str
    kind: str
    labels: tuple[str, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Signs:
    """Lines for signatures, opinions, seals: a name and what is filled in already, or nothing yet."""

    lines: tuple[tuple[str, str], ...]


Block = Heading | Para | Fields | Grid | Chart | Signs


@dataclass(frozen=True, slots=True)
class Paper:
    """One document. title, issuer, number, date: as printed at its head; mark: 内部资料 or the like."""

    title: str
    issuer: str
    number: str
    date: str
    mark: str
    blocks: tuple[Block, ...]

    @property
    def text(self) -> str:
        """All that it says, for checks of fonts and tests of secrecy."""
        parts = [self.title, self.issuer, self.number, self.date, self.mark]
        for block in self.blocks:
            parts += _words(block)
        return "\n".join(parts)


def _words(block: Block) -> list[str]:
    if isinstance(block, Heading | Para):
        return [block.text]
    if isinstance(block, Fields):
        return [word for pair in block.pairs for word in pair]
    if isinstance(block, Signs):
        return [word for line in block.lines for word in line]
    if isinstance(block, Chart):
        return [block.title, *block.labels]
    return [block.name, *block.head, *(shown(cell) for row in block.rows for cell in row)]


def shown(cell: Cell) -> str:
    """A cell as text; a dash where there is nothing."""
    if cell is None:
        return "—"
    return f"{cell:g}" if isinstance(cell, float) else str(cell)
