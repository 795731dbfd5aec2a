"""Papers as files: which format is written by which door, and where files of a run are kept. Blocking."""

import hashlib
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from callcenter.reports import charts, pdf, sheets, word
from callcenter.reports.fonts import Font
from callcenter.reports.orders import path_of
from callcenter.reports.paper import Chart, Paper
from ticketing.appraisal.reports import Format
from ticketing.appraisal.rules import VARIANT_NAMES, Variant

log = logging.getLogger(__name__)

WRITERS = {Format.DOCX: word.write, Format.XLSX: sheets.write, Format.PDF: pdf.write}


def write(paper: Paper, format_: Format, font: Font) -> bytes:
    """The paper in that format. Characters the font does not have are told to the log: PDF would show boxes."""
    lacking = font.lacks(paper.text)
    if lacking:
        log.warning("the report font lacks characters", extra={"characters": lacking, "font": str(font.path)})
    drawn = {block: charts.draw(block, font.path) for block in paper.blocks if isinstance(block, Chart)}
    return WRITERS[format_](paper, font, drawn)


def keep(
    folder: Path, run_id: int, name: str, papers: Sequence[tuple[Variant, Paper]], formats: Sequence[Format], font: Font
) -> list[dict[str, Any]]:
    """Write every paper in every format below `folder`; returns the rows of report_file. Writing again replaces."""
    rows: list[dict[str, Any]] = []
    for variant, paper in papers:
        for format_ in formats:
            data = write(paper, format_, font)
            _replace(path_of(folder, run_id, variant, format_), data)
            shown = f"{name}-{VARIANT_NAMES[variant]}.{format_}"
            checksum = hashlib.sha256(data).hexdigest()
            row = {"variant": variant, "format": format_, "name": shown, "sha256": checksum, "size_bytes": len(data)}
            rows.append(row)
    return rows


def _replace(path: Path, data: bytes) -> None:
    """Whole or not at all, also when the machine stops."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.part")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
