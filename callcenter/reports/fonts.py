"""The font Chinese is printed with: found at the start, checked, and missing loudly.

A document without a fitting font would show empty boxes and nobody would be told, so no report is made without one.
"""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from callcenter.reports.charts import covers, family_of

KNOWN = (
    "/usr/share/fonts/truetype/wqy/wqy-microhei.ttc",
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/opentype/noto/NotoSerifCJK-Regular.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/usr/share/fonts/truetype/droid/DroidSansFallbackFull.ttf",
)
"""Where distributions put fonts with Chinese."""
SAMPLE = "政务服务便民热线督办回访满意率"


class FontMissing(Exception):
    """No font with Chinese was found; install the package fonts-wqy-microhei, or name one in CALLCENTER_REPORT_FONT."""

    retryable = False


@dataclass(frozen=True, slots=True)
class Font:
    """family: as documents name it."""

    path: Path
    family: str

    def lacks(self, text: str) -> str:
        """The characters of `text` this font cannot show, each once."""
        wanted = {one for one in text if one.isprintable() and not one.isspace()}
        return "".join(sorted(one for one in wanted if not covers(self.path, one)))


def find(named: Path | None = None) -> Font:
    """The font at `named`, else the first that is installed and holds Chinese. Raises FontMissing."""
    places = iter([named]) if named is not None else _places()
    for path in places:
        if path.is_file() and all(covers(path, one) for one in SAMPLE):
            return Font(path, family_of(path))
    raise FontMissing(f"{named}: no font, or one without Chinese" if named else str(FontMissing.__doc__))


def _places() -> Iterator[Path]:
    yield from (Path(one) for one in KNOWN)
    try:
        told = subprocess.run(
            ["fc-list", ":lang=zh-cn", "--format", "%{file}\n"],  # noqa: S607 fontconfig, where it is installed
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return
    yield from sorted({Path(line) for line in told.stdout.splitlines() if line})
