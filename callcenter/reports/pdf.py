"""A paper as PDF through Typst: our template and a JSON of values, in a folder of its own. The only door to typst."""

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typst

from callcenter.reports.fonts import Font
from callcenter.reports.paper import Block, Chart, Fields, Grid, Heading, Paper, Para, clean, shown

WIDEST = 6


def write(paper: Paper, font: Font, pictures: Mapping[Chart, bytes]) -> bytes:
    """The document. pictures: the chart of every Chart block. Only `font` is used, so every machine prints the same."""
    with TemporaryDirectory(prefix="callcenter-report-") as name:
        folder = Path(name)
        charts = {chart: f"chart-{number}.png" for number, chart in enumerate(pictures)}
        for chart, file in charts.items():
            (folder / file).write_bytes(pictures[chart])
        values = {
            "title": clean(paper.title),
            "issuer": clean(paper.issuer),
            "line": "　".join(clean(part) for part in (paper.issuer, paper.number, paper.date) if part),
            "mark": clean(paper.mark),
            "font": font.family,
            "blocks": [_value(block, charts) for block in paper.blocks],
        }
        (folder / "data.json").write_text(json.dumps(values, ensure_ascii=False), encoding="utf-8")
        template = folder / "paper.typ"
        template.write_text(files("callcenter.reports").joinpath("paper.typ").read_text("utf-8"), encoding="utf-8")
        written = typst.compile(
            str(template), root=name, font_paths=[str(font.path.parent)], ignore_system_fonts=True, format="pdf"
        )
    assert isinstance(written, bytes)
    return written


def _value(block: Block, charts: Mapping[Chart, str]) -> dict[str, Any]:
    if isinstance(block, Heading):
        return {"kind": "heading", "level": block.level, "text": clean(block.text)}
    if isinstance(block, Para):
        return {"kind": "para", "lines": clean(block.text).splitlines() or [""]}
    if isinstance(block, Chart):
        return {"kind": "chart", "file": charts[block]}
    if isinstance(block, Grid):
        rows = [[clean(shown(cell)) for cell in row] for row in block.rows]
        return {"kind": "grid", "head": [clean(one) for one in block.head], "rows": rows, "widths": _widths(block)}
    kind, pairs = ("fields", block.pairs) if isinstance(block, Fields) else ("signs", block.lines)
    return {"kind": kind, "rows": [[clean(name), clean(value)] for name, value in pairs]}


def _widths(grid: Grid) -> list[int]:
    """Parts of the line a column gets, by its longest text."""
    longest = [len(name) for name in grid.head]
    for row in grid.rows:
        longest = [max(known, len(shown(cell))) for known, cell in zip(longest, row, strict=True)]
    return [min(max(length // 4, 1), WIDEST) for length in longest]
