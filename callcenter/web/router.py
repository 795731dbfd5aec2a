"""A typed router: the handler's signature says what comes in and what goes out, and OpenAPI is written from it.

A handler takes the `Context`, then path parameters by name (str or int), then optionally `query` and `body`, both
pydantic models. It returns a pydantic model, None (204), or a ready aiohttp response (audio, streams).
"""

import inspect
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, get_type_hints

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from callcenter.types import Role
from callcenter.web.problems import NotFound, Problem

MAX_BODY_BYTES = 1024 * 1024
MAX_PATH_PART = 100
PATH_PART = re.compile(r"\{([a-z_]+)\}")
NUL_IN_JSON = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")

Handler = Callable[..., Awaitable[Any]]
Door = Callable[[Any], Awaitable[None]]
"""Looks at the request, given its Context, before anything of it is read: who a program is, what an address holds."""


class In(BaseModel):
    """What a client sends: strict, nothing extra."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, str_max_length=20_000)


class Query(BaseModel):
    """What stands in the address; text is turned into numbers and dates."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_max_length=200)


class Out(BaseModel):
    """What the API answers."""

    model_config = ConfigDict(frozen=True)


@dataclass(frozen=True, slots=True)
class Route:
    """One endpoint as its signature tells it. roles: any of these; None: without signing in."""

    method: str
    path: str
    handler: Handler
    roles: frozenset[Role] | None
    tag: str
    summary: str
    description: str
    path_types: dict[str, type]
    query: type[BaseModel] | None
    body: type[BaseModel] | None
    answer: type[BaseModel] | None
    status: int
    door: Door | None = None


@dataclass
class Routes:
    """Endpoints of one subject. `tag` groups them in OpenAPI."""

    tag: str
    door: Door | None = None
    routes: list[Route] = field(default_factory=list)

    def get(self, path: str, roles: frozenset[Role] | None) -> Callable[[Handler], Handler]:
        """Register a reader."""
        return self._add("GET", path, roles)

    def post(self, path: str, roles: frozenset[Role] | None) -> Callable[[Handler], Handler]:
        """Register something that changes."""
        return self._add("POST", path, roles)

    def _add(self, method: str, path: str, roles: frozenset[Role] | None) -> Callable[[Handler], Handler]:
        def register(handler: Handler) -> Handler:
            route = read_signature(method, path, handler, roles, self.tag)
            self.routes.append(replace(route, door=self.door))
            return handler

        return register


def read_signature(method: str, path: str, handler: Handler, roles: frozenset[Role] | None, tag: str) -> Route:
    """The route of a handler. Raises TypeError when path and signature do not agree."""
    hints = get_type_hints(handler)
    answer = hints.pop("return", type(None))
    names = PATH_PART.findall(path)
    path_types = {name: hints[name] for name in names if name in hints}
    if set(path_types) != set(names) or any(kind not in (str, int) for kind in path_types.values()):
        raise TypeError(f"{method} {path}: each path parameter is an argument of type str or int")
    summary, _, rest = inspect.cleandoc(handler.__doc__ or "").partition("\n")
    model = answer if isinstance(answer, type) and issubclass(answer, BaseModel) else None
    return Route(
        method=method,
        path=path,
        handler=handler,
        roles=roles,
        tag=tag,
        summary=summary,
        description=rest.strip(),
        path_types=path_types,
        query=hints.get("query"),
        body=hints.get("body"),
        answer=model,
        status=204 if answer is type(None) else 200,
    )


async def call(route: Route, context: Any, request: web.Request) -> web.StreamResponse:
    """Read the request as the signature says, run the handler, write its answer."""
    answer = await route.handler(context, **await arguments_of(route, context, request))
    if isinstance(answer, web.StreamResponse):
        return answer
    if answer is None:
        return web.Response(status=204)
    return web.Response(body=answer.model_dump_json().encode(), content_type="application/json")


async def arguments_of(
    route: Route, context: Any, request: web.Request, *, without_query: bool = False
) -> dict[str, Any]:
    """What the handler is given besides the context, once the door is passed."""
    if route.door is not None:
        await route.door(context)
    arguments: dict[str, Any] = {name: _path_value(request, name, kind) for name, kind in route.path_types.items()}
    if route.query is not None and not without_query:
        arguments["query"] = route.query.model_validate(asked_of(request))
    if route.body is not None:
        arguments["body"] = route.body.model_validate_json(await _read(request))
    return arguments


def _path_value(request: web.Request, name: str, kind: type) -> str | int:
    text = request.match_info[name]
    if kind is str:
        if not text.isprintable() or len(text) > MAX_PATH_PART:
            raise NotFound
        return text
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise NotFound
    return int(text)


def asked_of(request: web.Request) -> dict[str, str]:
    """What stands behind the question mark. Raises Problem for what no table can hold."""
    asked = dict(request.query)
    if any("\0" in text for text in asked.values()):
        raise unstorable()
    return asked


async def _read(request: web.Request) -> bytes:
    if request.content_length is not None and request.content_length > MAX_BODY_BYTES:
        raise Problem(413, "too_large", "提交的内容过大，请精简或改用附件上传。")
    raw = await request.read()
    # PostgreSQL holds every character but this one.
    if NUL_IN_JSON.search(raw):
        raise unstorable()
    return raw or b"{}"


def unstorable() -> Problem:
    """Text with a NUL in it, which no table can hold."""
    return Problem(422, "unstorable", "文字中有无法保存的字符（NUL）。请删去乱码后重新提交。")
