"""Charts as PNG, and what a font can show. The only door to matplotlib, used without its global state."""

from functools import lru_cache
from io import BytesIO
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.ft2font import FT2Font

from callcenter.reports.paper import Chart, clean

MOST_BARS = 15
DPI = 160
INK, BAR = "#333333", "#3572b0"


@lru_cache(maxsize=8)
def _face(path: Path) -> FT2Font:
    return FT2Font(str(path))


def covers(path: Path, character: str) -> bool:
    """Whether the font at `path` can show this character; False when it is no font."""
    try:
        return _face(path).get_char_index(ord(character)) != 0
    except (RuntimeError, OSError):
        return False


def family_of(path: Path) -> str:
    """The font's family name."""
    return str(_face(path).family_name)


def draw(chart: Chart, font: Path) -> bytes:
    """The chart as PNG. Long labels are cut and only the first bars are shown; the table beside it has all."""
    face = FontProperties(fname=str(font))
    figure = Figure(figsize=(6.4, 3.2), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    labels = [_short(one) for one in chart.labels]
    if chart.kind == "bars":
        labels, values = labels[:MOST_BARS][::-1], list(chart.values[:MOST_BARS])[::-1]
        axes.barh(range(len(values)), values, color=BAR)
        axes.set_yticks(range(len(labels)), labels, fontproperties=face, fontsize=8)
    else:
        axes.plot(range(len(chart.values)), chart.values, color=BAR, marker="o", markersize=3)
        step = max(1, len(labels) // 8)
        axes.set_xticks(range(0, len(labels), step), labels[::step], fontproperties=face, fontsize=8)
        axes.set_ylim(bottom=0)
    # A label is text: a dollar sign in it is no formula.
    axes.set_title(_plain(chart.title), fontproperties=face, fontsize=10, color=INK, parse_math=False)
    for label in (*axes.get_yticklabels(), *axes.get_xticklabels()):
        label.set_parse_math(False)
        label.set_fontproperties(face)
        label.set_fontsize(8)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    written = BytesIO()
    figure.savefig(written, format="png")
    return written.getvalue()


def _plain(text: str) -> str:
    return " ".join(clean(text).split())


def _short(text: str) -> str:
    line = _plain(text)
    return line if len(line) <= 16 else line[:15] + "…"
