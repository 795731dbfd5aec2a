"""OpenAPI 3.1 written from the routes; pydantic's JSON Schema is the dialect OpenAPI 3.1 uses."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from callcenter.web.list_export import listed
from callcenter.web.router import Route

AS_FILE = (
    "以 Accept: text/csv 或 application/vnd.openxmlformats-officedocument.spreadsheetml.sheet 请求，"
    "得到同样条件下全部各页的表格文件，每次导出留痕。"
)
REF = "#/components/schemas/{model}"

PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "中文：哪里有问题，怎么办"},
        "instance": {"type": "string"},
        "basis": {"type": "string", "description": "依据的条款"},
        "errors": {"type": "array", "items": {"type": "object"}},
    },
}


def document(routes: Sequence[Route], version: str) -> dict[str, Any]:
    """The whole description, ready to be sent as JSON."""
    models = [(m, "validation") for r in routes for m in (r.query, r.body) if m is not None]
    models += [(r.answer, "serialization") for r in routes if r.answer is not None]
    unique: Any = list(dict.fromkeys(models))
    names, definitions = models_json_schema(unique, ref_template=REF)
    paths: dict[str, Any] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, names, definitions["$defs"])
    return {
        "openapi": "3.1.0",
        "info": {"title": "12345 政务服务便民热线", "version": version},
        "paths": paths,
        "components": {
            "schemas": {**definitions.get("$defs", {}), "Problem": PROBLEM},
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": "callcenter_session"},
                "bearer": {"type": "http", "scheme": "bearer"},
                "signature": {"type": "apiKey", "in": "header", "name": "X-Hotline-Signature"},
            },
        },
    }


def _operation(route: Route, names: Any, shapes: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"{route.tag}_{route.handler.__name__}",
        "tags": [route.tag],
        "summary": route.summary,
        "parameters": [*_path_parameters(route), *_query_parameters(route, names, shapes)],
        "responses": {str(route.status): _answer(route, names), "default": _problem()},
        "security": _security(route),
    }
    told = (route.description, AS_FILE if listed(route) else "")
    if any(told):
        operation["description"] = "\n\n".join(filter(None, told))
    if route.roles:
        operation["x-roles"] = sorted(route.roles)
    if route.body is not None:
        schema = names[(route.body, "validation")]
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    return operation


def _security(route: Route) -> list[dict[str, Any]]:
    if route.door is not None and route.roles is None:
        return [{"signature": []}]
    return [] if route.roles is None else [{"session": []}, {"bearer": []}]


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    kinds = {str: {"type": "string"}, int: {"type": "integer", "minimum": 0}}
    return [
        {"name": name, "in": "path", "required": True, "schema": kinds[kind]} for name, kind in route.path_types.items()
    ]


def _query_parameters(route: Route, names: Any, shapes: dict[str, Any]) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    # Its shape among all the others: alone it would name its parts as if no two parts had the same name.
    schema = shapes[names[(route.query, "validation")]["$ref"].rpartition("/")[2]]
    required = set(schema.get("required", ()))
    return [
        {"name": name, "in": "query", "required": name in required, "schema": part}
        for name, part in schema.get("properties", {}).items()
    ]


def _answer(route: Route, names: Any) -> dict[str, Any]:
    if route.status == 204:
        return {"description": "已完成"}
    model: type[BaseModel] | None = route.answer
    if model is None:
        return {"description": "内容流"}
    schema = names[(model, "serialization")]
    return {"description": "成功", "content": {"application/json": {"schema": schema}}}


def _problem() -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": "没有完成", "content": {"application/problem+json": {"schema": schema}}}
