"""Whether a request comes from a page of ours: what keeps other people's pages from using a person's cookie."""

from urllib.parse import urlsplit

from aiohttp import web


def is_own_page(request: web.Request, cookie: str) -> bool:
    """By Origin, which a browser sends with every change and every WebSocket; programs send none, and no cookie."""
    origin = request.headers.get("Origin")
    if origin is None:
        by_token = request.headers.get("Authorization", "").startswith("Bearer ")
        return cookie not in request.cookies or by_token
    return _same_host(origin, request.host)


def _same_host(origin: str, host: str) -> bool:
    try:
        return urlsplit(origin).netloc == host
    except ValueError:
        return False
