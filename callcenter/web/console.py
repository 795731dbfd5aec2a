"""The browser console as files: built once (`make setup`), shipped in the package, served from here.

Every address under /console/ that is no file is the one page; files with a hash in their name never change. What the
browser reports against the content security policy is counted.
"""

import logging
from importlib.resources import files
from pathlib import Path

from aiohttp import web

from callcenter import metrics

log = logging.getLogger(__name__)

PAGE = "index.html"
FOREVER = "public, max-age=31536000, immutable"
MOST_REPORT_BYTES = 16 * 1024
NOT_BUILT = "控制台尚未构建：请在源码目录运行 make setup，或安装打包好的 callcenter。API 不受影响。"


def built(folder: Path | None = None) -> Path:
    """Where the built console lies: `folder`, else in the package."""
    return folder or Path(str(files("callcenter").joinpath("console", "dist")))


def add_to(app: web.Application, folder: Path) -> None:
    """Serve the console in `folder` under /console/; / leads there."""
    root = folder.resolve()

    async def page(request: web.Request) -> web.StreamResponse:
        found = _file(root, request.match_info["path"])
        if found is None:
            return _the_page(root)
        forever = request.match_info["path"].startswith("assets/")
        return web.FileResponse(found, headers={"Cache-Control": FOREVER if forever else "no-cache"})

    async def home(_: web.Request) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "/console/"})

    app.router.add_get("/", home)
    app.router.add_get("/console", home)
    app.router.add_get("/console/{path:.*}", page)
    app.router.add_post("/csp-reports", _report)


def _file(root: Path, path: str) -> Path | None:
    """The file a path names; None for one that is none, or lies elsewhere, or is no part of the page's own."""
    if not path or "\0" in path:
        return None
    found = (root / path).resolve()
    return found if found.is_relative_to(root) and found.is_file() and found.name != PAGE else None


def _the_page(root: Path) -> web.StreamResponse:
    page = root / PAGE
    if not page.is_file():
        return web.Response(status=503, text=NOT_BUILT)
    return web.FileResponse(page, headers={"Cache-Control": "no-cache"})


async def _report(request: web.Request) -> web.Response:
    """One violation as the browser saw it. Nobody is signed in here; it is counted, a part of it logged."""
    if request.content_length is not None and request.content_length > MOST_REPORT_BYTES:
        raise web.HTTPRequestEntityTooLarge(MOST_REPORT_BYTES, request.content_length)
    told = await request.content.read(MOST_REPORT_BYTES)
    metrics.CSP_VIOLATIONS.inc()
    log.warning("a page broke its content security policy", extra={"report": told[:1000].decode(errors="replace")})
    return web.Response(status=204)
