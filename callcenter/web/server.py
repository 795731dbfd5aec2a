"""Puts the API together: routes, sign-in, headers, problems, OpenAPI, health, the live stream."""

import asyncio
import functools
import json
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from aiohttp import web

from callcenter import accounts, metrics
from callcenter.accounts import Person
from callcenter.web import console, list_export, problems
from callcenter.web.context import COOKIE, Context, Services, token_of
from callcenter.web.openapi import document
from callcenter.web.origin import is_own_page
from callcenter.web.problems import NotAllowed, NotSignedIn, Problem
from callcenter.web.router import MAX_BODY_BYTES, Route, Routes, call

log = logging.getLogger(__name__)

SERVICES = web.AppKey("services", Services)
REQUEST_ID = web.RequestKey("request_id", str)
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "object-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; report-uri /csp-reports"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Cache-Control": "no-store",
    "Server": "callcenter",
}
AUTOMATIC = "X-Automatic"
"""Sent with what a page asks by itself, without its person having done anything."""
WITHOUT_OWN_PASSWORD = frozenset({"/api/me", "/api/me/password", "/api/logout"})
"""What is open to a person who must first set their own password."""


def build(services: Services, groups: Sequence[Routes], page: Path | None = None) -> web.Application:
    """The application. groups: the endpoints of each subject; page: the built console, default: the package's."""
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[_guard])
    app.on_response_prepare.append(_headers)
    app[SERVICES] = services
    routes = [route for group in groups for route in group.routes]
    for route in routes:
        app.router.add_route(route.method, route.path, _endpoint(route))
    # Some 0.2 s of work that most processes are never asked for.
    described = functools.cache(lambda: json.dumps(document(routes, services.version)))

    async def openapi(_: web.Request) -> web.Response:
        return web.json_response(text=await asyncio.to_thread(described))

    app.router.add_get("/openapi.json", openapi)
    app.router.add_get("/metrics", _metrics)
    console.add_to(app, console.built(page))
    return app


def _endpoint(route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        services = request.app[SERVICES]
        _check_origin(request)
        person = await _person(request, services) if route.roles is not None else None
        if route.roles is not None:
            _check(request, route, person)
        context = Context(services, request, request[REQUEST_ID], person)
        as_file = list_export.wanted(request) if route.method == "GET" and route.answer is not None else None
        if as_file is not None:
            return await list_export.send(route, context, as_file)
        return await call(route, context, request)

    return handle


async def _person(request: web.Request, services: Services) -> Person | None:
    token = token_of(request)
    if not token:
        return None
    # A page that reads by itself must not keep somebody signed in who has gone home (GB/T 22239-2019 8.1.4.1).
    by_hand = AUTOMATIC not in request.headers
    async with services.database.transaction() as tx:
        return await accounts.person_of(tx, token, datetime.now(UTC), used=by_hand)


def _check(request: web.Request, route: Route, person: Person | None) -> None:
    if person is None:
        raise NotSignedIn
    if person.must_change_password and route.path not in WITHOUT_OWN_PASSWORD:
        raise Problem(403, "change_password", "首次登录请先设置自己的密码，设置后即可使用。")
    if route.roles and not person.roles & route.roles:
        raise NotAllowed


def _check_origin(request: web.Request) -> None:
    """A browser sends Origin with every change; one from elsewhere is somebody else's page (CSRF)."""
    if request.method == "GET":
        return
    if not is_own_page(request, COOKIE):
        raise Problem(403, "foreign_origin", "请求来源不被信任，请从本系统页面重新操作。")


@web.middleware
async def _guard(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    request[REQUEST_ID] = uuid4().hex
    try:
        response = await handler(request)
    except web.HTTPException as error:
        response = _of_http(error, request[REQUEST_ID])
    except Exception as error:
        response = _of_exception(error, request)
    metrics.HTTP_REQUESTS.labels(request.method, response.status // 100).inc()
    return response


async def _headers(request: web.Request, response: web.StreamResponse) -> None:
    """Headers of every answer, streams included."""
    response.headers.update({k: v for k, v in HEADERS.items() if k not in response.headers or k == "Server"})
    response.headers["X-Request-Id"] = request[REQUEST_ID]


def _of_http(error: web.HTTPException, request_id: str) -> web.Response:
    if error.status == 404:
        return problems.respond(problems.NotFound(), request_id)
    sentences = {405: "此地址不支持该操作方式。", 413: "提交的内容过大，请精简或改用附件上传。"}
    detail = sentences.get(error.status, "请求不正确，请检查后重试。")
    return problems.respond(Problem(error.status, f"http_{error.status}", detail), request_id)


def _of_exception(error: Exception, request: web.Request) -> web.Response:
    problem = problems.problem_of(error)
    if problem is None:
        log.exception("a request broke", extra={"request_id": request[REQUEST_ID], "path": request.path})
        problem = Problem(500, "broken", f"系统内部错误，操作可能没有完成。请把编号 {request[REQUEST_ID]} 告诉管理员。")
    return problems.respond(problem, request[REQUEST_ID])


async def _metrics(_: web.Request) -> web.Response:
    return web.Response(body=metrics.render(), headers={"Content-Type": metrics.CONTENT_TYPE})
