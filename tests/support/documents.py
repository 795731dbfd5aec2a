"""Documents opened again, as their readers see them."""

import zipfile
from io import BytesIO
from xml.etree import ElementTree

import docx
import pypdf

from ticketing.appraisal.reports import Format


def text_of(data: bytes, format_: Format) -> str:
    """Everything a reader of the file sees."""
    if format_ is Format.PDF:
        return "\n".join(page.extract_text() for page in pypdf.PdfReader(BytesIO(data)).pages)
    if format_ is Format.DOCX:
        document = docx.Document(BytesIO(data))
        cells = (cell.text for table in document.tables for row in table.rows for cell in row.cells)
        return "\n".join([*(one.text for one in document.paragraphs), *cells])
    with zipfile.ZipFile(BytesIO(data)) as book:
        root = ElementTree.fromstring(book.read("xl/sharedStrings.xml"))
        return "\n".join("".join(item.itertext()) for item in root)
