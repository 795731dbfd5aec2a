"""A paper as a workbook: one sheet of text, one a table. The only door to xlsxwriter.

No cell is ever a formula or a link: every text is written as a string, also one that begins with = + - or @, and such
a cell keeps its quote so that editing it does not turn it into one (CWE-1236).
"""

import re
from collections.abc import Mapping, Sequence
from io import BytesIO

import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from callcenter.reports.fonts import Font
from callcenter.reports.paper import Cell, Chart, Fields, Grid, Heading, Paper, Para, Signs, clean

LONGEST = 32_000
"""Characters a cell holds; Excel's limit is 32,767."""
_NOT_IN_NAMES = re.compile(r"[\[\]:*?/\\']")
OPTIONS = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}


def write(paper: Paper, font: Font, pictures: Mapping[Chart, bytes]) -> bytes:
    """The workbook. pictures: the chart of every Chart block."""
    written = BytesIO()
    with xlsxwriter.Workbook(written, OPTIONS) as book:
        face = {"font_name": font.family, "font_size": 10, "text_wrap": True, "valign": "top"}
        quoted = book.add_format({**face, "quote_prefix": True})
        plain, bold = book.add_format(face), book.add_format({**face, "bold": True, "bottom": 1})
        pen = _Pen(plain, bold, quoted)
        names: set[str] = set()
        first = book.add_worksheet(_name("说明", names))
        first.set_column(0, 0, 30)
        first.set_column(1, 1, 80)
        row = _cover(first, paper, pen)
        for block in paper.blocks:
            if isinstance(block, Grid):
                _table(book.add_worksheet(_name(block.name, names)), block, pen)
            elif isinstance(block, Chart):
                first.insert_image(
                    row, 0, "chart.png", {"image_data": BytesIO(pictures[block]), "x_scale": 0.6, "y_scale": 0.6}
                )
                row += 17
            else:
                row = _words(first, row, block, pen)
    return written.getvalue()


class RowBook:
    """A workbook of one long table, row after row, with hardly any of it in memory. Blocking."""

    def __init__(self, path: str, name: str, heads: Sequence[Cell]) -> None:
        """path: where it is written. heads: one a column."""
        self._book = xlsxwriter.Workbook(path, {**OPTIONS, "in_memory": False, "constant_memory": True})
        face = {"text_wrap": True, "valign": "top"}
        quoted = self._book.add_format({**face, "quote_prefix": True})
        self._pen = _Pen(self._book.add_format(face), self._book.add_format({"bold": True, "bottom": 1}), quoted)
        self._sheet = self._book.add_worksheet(name)
        self._sheet.freeze_panes(1, 0)
        self._sheet.set_column(0, max(0, len(heads) - 1), 18)
        for column, head in enumerate(heads):
            self._pen.put(self._sheet, 0, column, head, bold=True)
        self._rows = 1

    def add(self, rows: Sequence[Sequence[Cell]]) -> None:
        """More rows, below those there are."""
        for cells in rows:
            for column, cell in enumerate(cells):
                self._pen.put(self._sheet, self._rows, column, cell)
            self._rows += 1

    def close(self, told: str) -> None:
        """The file is whole; `told` stands on a sheet of its own and under every printed page."""
        self._sheet.set_footer(f"&L{told[:200].replace('&', '&&')}&R&P/&N")
        about = self._book.add_worksheet("说明")
        about.set_column(0, 0, 80)
        self._pen.put(about, 0, 0, told)
        self._book.close()


class _Pen:
    """Writes one cell as what it is."""

    def __init__(self, plain: Format, bold: Format, quoted: Format) -> None:
        self.plain, self.bold, self.quoted = plain, bold, quoted

    def put(self, sheet: Worksheet, row: int, column: int, cell: Cell, *, bold: bool = False) -> None:
        face = self.bold if bold else self.plain
        if cell is None:
            sheet.write_blank(row, column, None, face)
        elif isinstance(cell, str):
            text = clean(cell)[:LONGEST]
            sheet.write_string(row, column, text, self.quoted if text.startswith(("=", "+", "-", "@")) else face)
        else:
            sheet.write_number(row, column, cell, face)


def _cover(sheet: Worksheet, paper: Paper, pen: _Pen) -> int:
    pairs = (
        ("标题", paper.title),
        ("编制", paper.issuer),
        ("编号", paper.number),
        ("日期", paper.date),
        ("密级", paper.mark),
    )
    row = 0
    for name, value in pairs:
        if value:
            pen.put(sheet, row, 0, name, bold=True)
            pen.put(sheet, row, 1, value)
            row += 1
    return row + 1


def _words(sheet: Worksheet, row: int, block: Heading | Para | Fields | Signs, pen: _Pen) -> int:
    if isinstance(block, Heading):
        pen.put(sheet, row, 0, block.text, bold=True)
        return row + 1
    if isinstance(block, Para):
        pen.put(sheet, row, 1, block.text)
        return row + 1
    for name, value in block.pairs if isinstance(block, Fields) else block.lines:
        pen.put(sheet, row, 0, name)
        pen.put(sheet, row, 1, value)
        row += 1
    return row


def _table(sheet: Worksheet, grid: Grid, pen: _Pen) -> None:
    sheet.freeze_panes(1, 0)
    for column, name in enumerate(grid.head):
        pen.put(sheet, 0, column, name, bold=True)
        sheet.set_column(column, column, 40 if name in ("计算式", "原因", "说明") else 16)
    for row, cells in enumerate(grid.rows, 1):
        for column, cell in enumerate(cells):
            pen.put(sheet, row, column, cell)


def _name(wanted: str, taken: set[str]) -> str:
    """A sheet's name: at most 31 characters, none of those Excel refuses, once in a workbook."""
    base = _NOT_IN_NAMES.sub("", clean(wanted))[:28].strip() or "表"
    name, number = base, 2
    while name.lower() in taken:
        name, number = f"{base}{number}", number + 1
    taken.add(name.lower())
    return name
