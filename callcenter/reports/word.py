"""A paper as docx. The only door to python-docx; text goes in as text, so that nothing in it is markup."""

from collections.abc import Mapping
from io import BytesIO

import docx
from docx.document import Document
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml.ns import qn
from docx.shared import Cm, Pt

from callcenter.reports.fonts import Font
from callcenter.reports.paper import Block, Chart, Fields, Grid, Heading, Paper, Para, Signs, clean, shown


def write(paper: Paper, font: Font, pictures: Mapping[Chart, bytes]) -> bytes:
    """The document. pictures: the chart of every Chart block."""
    document = docx.Document()
    _dress(document, font)
    _head(document, paper)
    for block in paper.blocks:
        _add(document, block, pictures)
    written = BytesIO()
    document.save(written)
    return written.getvalue()


def _dress(document: Document, font: Font) -> None:
    section = document.sections[0]
    section.page_width, section.page_height = Cm(21), Cm(29.7)
    for name in ("Normal", "Title", "Heading 1", "Heading 2"):
        style = document.styles[name]
        style.font.name = font.family
        fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
        fonts.set(qn("w:eastAsia"), font.family)
    document.styles["Normal"].font.size = Pt(10.5)


def _head(document: Document, paper: Paper) -> None:
    if paper.mark:
        document.add_paragraph(clean(paper.mark))
    title = document.add_paragraph(clean(paper.title), style="Title")
    title.alignment = WD_ALIGN_PARAGRAPH.CENTER
    line = "　".join(clean(part) for part in (paper.issuer, paper.number, paper.date) if part)
    if line:
        document.add_paragraph(line).alignment = WD_ALIGN_PARAGRAPH.CENTER
    document.core_properties.title = clean(paper.title)[:255]
    document.core_properties.author = clean(paper.issuer)[:255]
    document.core_properties.comments = ""


def _add(document: Document, block: Block, pictures: Mapping[Chart, bytes]) -> None:
    if isinstance(block, Heading):
        document.add_heading(clean(block.text), level=min(max(block.level, 1), 2))
    elif isinstance(block, Para):
        for line in clean(block.text).splitlines() or [""]:
            document.add_paragraph(line)
    elif isinstance(block, Chart):
        document.add_picture(BytesIO(pictures[block]), width=Cm(15.5))
    elif isinstance(block, Grid):
        _table(document, [block.head, *(tuple(shown(cell) for cell in row) for row in block.rows)])
    elif isinstance(block, Fields):
        _table(document, list(block.pairs), head=False)
    elif isinstance(block, Signs):
        _table(document, [(name, value or "\n\n") for name, value in block.lines], head=False)


def _table(document: Document, rows: list[tuple[str, ...]], *, head: bool = True) -> None:
    table = document.add_table(rows=0, cols=max(len(row) for row in rows), style="Table Grid")
    for number, row in enumerate(rows):
        cells = table.add_row().cells
        for cell, value in zip(cells, row, strict=False):
            cell.text = clean(value)
            if head and number == 0:
                for run in cell.paragraphs[0].runs:
                    run.bold = True
    document.add_paragraph()
