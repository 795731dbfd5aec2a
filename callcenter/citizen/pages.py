"""Pages as HTML: every value is escaped by the template engine. The one door to jinja2."""

from datetime import datetime
from functools import cache
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

ZONE = ZoneInfo("Asia/Shanghai")
HEADERS = {
    # The form posts to ourselves; with no-referrer the browser would send `Origin: null` (Fetch, 3.2).
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@cache
def _engine() -> Environment:
    folder = str(files("callcenter").joinpath("citizen", "templates"))
    engine = Environment(loader=FileSystemLoader(folder), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    engine.filters["moment"] = moment
    engine.filters["day"] = day
    return engine


def moment(at: datetime | None) -> str:
    """2026年11月23日 10:15, local."""
    return f"{day(at)} {at.astimezone(ZONE):%H:%M}" if at else ""


def day(at: datetime | None) -> str:
    """2026年11月23日, local."""
    local = at.astimezone(ZONE) if at else None
    return f"{local.year}年{local.month}月{local.day}日" if local else ""


def page(name: str, *, status: int = 200, **values: object) -> web.Response:
    """The template `name` filled in. Values are shown as text, whatever they hold."""
    html = _engine().get_template(f"{name}.html").render(**values)
    return web.Response(text=html, status=status, content_type="text/html", headers=HEADERS)


def style() -> web.FileResponse:
    """The one style sheet."""
    folder = Path(str(files("callcenter").joinpath("citizen", "templates")))
    return web.FileResponse(folder / "style.css", headers={"Cache-Control": "public, max-age=3600"})
