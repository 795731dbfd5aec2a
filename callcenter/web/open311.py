"""Open311 GeoReport v2 over HTTP, for programs of others. Source: wiki.open311.org/GeoReport_v2."""

import functools
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any

from aiohttp import web

from callcenter.audit import Audited, note
from callcenter.citizen import intake, open311
from callcenter.citizen.open311 import Shown, Wanted
from callcenter.types import Actor, PhoneNumber
from callcenter.web.citizen import LONGEST, MOBILE, written
from callcenter.web.context import Context
from callcenter.web.problems import problem_of
from callcenter.web.router import Routes
from callcenter.web.ticket_work import working
from ticketing.prefill.data import Subject

api = Routes("open311")
BASE = "/open311/v2"
TYPES = {"json": "application/json", "xml": "text/xml"}
POSTED = ("api_key", "service_code", "lat", "long", "address_string", "description", "first_name", "last_name", "phone")
MOST_IDS = 50


class Refused(Exception):
    """As GeoReport tells an error: a status, and a description for the person who runs the client."""

    def __init__(self, status: int, description: str) -> None:
        self.status, self.description = status, description
        super().__init__(description)


Handler = Callable[..., Awaitable[web.StreamResponse]]


def told(handler: Handler) -> Handler:
    """Errors in GeoReport's own form."""

    @functools.wraps(handler)
    async def answered(ctx: Context, **path: Any) -> web.StreamResponse:
        kind = path["form"] if path.get("form") in TYPES else "json"
        try:
            if path.get("form") not in TYPES:
                raise Refused(404, "the format is json or xml")
            return await handler(ctx, **path)
        except Refused as error:
            status, description = error.status, error.description
        except Exception as error:
            problem = problem_of(error)
            if problem is None:
                raise
            status, description = problem.status, problem.detail
        row: Shown = {"code": str(status), "description": description}
        return _answer(kind, "errors", "error", [row], status)

    return answered


def _answer(kind: str, root: str, item: str, rows: Sequence[Shown], status: int = 200) -> web.Response:
    body = open311.as_xml(root, item, rows) if kind == "xml" else json.dumps(rows, ensure_ascii=False).encode()
    return web.Response(body=body, status=status, content_type=TYPES[kind], charset="utf-8")


@api.get(f"{BASE}/discovery.{{form}}", None)
@told
async def discovery(ctx: Context, form: str) -> web.StreamResponse:
    """公开接口（Open311）：接口说明"""
    place = f"{ctx.request.scheme}://{ctx.request.host}{BASE}"
    row: Shown = {
        "changeset": "2026-11-23T00:00:00+08:00",
        "contact": "12345",
        "key_service": "向本地热线管理部门申请 api_key",
        "specification": "http://wiki.open311.org/GeoReport_v2",
        "url": place,
        "type": "production",
        "formats": "text/xml,application/json",
    }
    return _answer(form, "discovery", "endpoint", [row])


@api.get(f"{BASE}/services.{{form}}", None)
@told
async def services(ctx: Context, form: str) -> web.StreamResponse:
    """公开接口（Open311）：可以反映的事项"""
    groups = {one.code.split(".")[0]: one.parent for one in ctx.services.subjects}
    return _answer(form, "services", "service", [open311.service(one, groups) for one in ctx.services.subjects])


@api.get(f"{BASE}/services/{{code}}.{{form}}", None)
@told
async def definition(ctx: Context, code: str, form: str) -> web.StreamResponse:
    """公开接口（Open311）：一个事项要填什么；本系统没有附加项"""
    _subject(ctx, code)
    if form == "xml":
        return _answer(form, "service_definition", "service", [{"service_code": code, "attributes": ""}])
    return web.json_response({"service_code": code, "attributes": []})


def _subject(ctx: Context, code: str) -> Subject:
    found = next((one for one in ctx.services.subjects if one.code == code), None)
    if found is None:
        raise Refused(404, "service_code was not found: see services")
    return found


@api.get(f"{BASE}/requests.{{form}}", None)
@told
async def list_requests(ctx: Context, form: str) -> web.StreamResponse:
    """公开接口（Open311）：已审核公开的诉求"""
    asked = ctx.request.query
    wanted = Wanted(
        ids=tuple(one for one in asked.get("service_request_id", "").split(",") if one)[:MOST_IDS],
        service_code=asked.get("service_code", "")[:20],
        since=_time(asked.get("start_date", "")),
        until=_time(asked.get("end_date", "")),
        status=_status(asked.get("status", "")),
    )
    async with ctx.transaction() as tx:
        rows = await open311.requests(tx, wanted, ctx.services.subjects)
    return _answer(form, "service_requests", "request", rows)


@api.get(f"{BASE}/requests/{{request_id}}.{{form}}", None)
@told
async def one_request(ctx: Context, request_id: str, form: str) -> web.StreamResponse:
    """公开接口（Open311）：一件已审核公开的诉求"""
    async with ctx.transaction() as tx:
        rows = await open311.requests(tx, Wanted(ids=(request_id,)), ctx.services.subjects)
    if not rows:
        raise Refused(404, "service_request_id was not found, or is not public")
    return _answer(form, "service_requests", "request", rows)


def _time(text: str) -> datetime | None:
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Refused(400, f"not a time of ISO 8601: {text[:40]}") from None
    if found.tzinfo is None:
        raise Refused(400, "times need a zone, as in 2026-11-23T00:00:00Z")
    return found


def _status(text: str) -> str:
    if text not in ("", open311.OPEN, open311.CLOSED):
        raise Refused(400, "status is open or closed")
    return text


@api.post(f"{BASE}/requests.{{form}}", None)
@told
async def post_request(ctx: Context, form: str) -> web.StreamResponse:
    """公开接口（Open311）：合作方凭 api_key 提交诉求，得到登记中的草稿"""
    given = await written(ctx, dict.fromkeys(POSTED, 0))
    partner = ctx.services.open311.holder(given["api_key"])
    if partner is None:
        async with ctx.transaction() as tx:
            await note(tx, Audited(Actor("citizen", "open311"), "open311.post", "open311", ok=False))
        raise Refused(403, "api_key is missing or wrong")
    subject = _subject(ctx, given["service_code"])
    if not MOBILE.fullmatch(given["phone"]):
        raise Refused(400, "phone is needed: 11 digits of a mobile number, for the result and the survey")
    said = _said(ctx, given, subject)
    async with working(ctx) as work:
        who = await ctx.services.vault.identity_of(work.tx, PhoneNumber(given["phone"]))
        key = f"open311:{partner}:{ctx.request.headers.get('Idempotency-Key', '')[:64] or ctx.request_id}"
        made = await intake.make_ticket(work.tx, work.ground, who, said, key, work.now)
        await note(work.tx, Audited(Actor("citizen", f"open311:{partner}"), "open311.post", f"ticket:{made.ticket}"))
        await work.tell(made.facts)
    row: Shown = {"service_request_id": made.ticket, "service_notice": "话务员审核登记后办理", "account_id": ""}
    return _answer(form, "service_requests", "request", [row], 201)


def _said(ctx: Context, given: dict[str, str], subject: Subject) -> intake.Written:
    """What GeoReport's fields are in a ticket. Raises Refused."""
    if not given["description"]:
        raise Refused(400, "description is needed")
    if len(given["description"]) > LONGEST["content"]:
        raise Refused(400, f"description is longer than {LONGEST['content']} characters")
    point = f"（纬度 {given['lat'][:20]}，经度 {given['long'][:20]}）" if given["lat"] and given["long"] else ""
    place = f"{given['address_string'][:150]}{point}"
    if not place:
        raise Refused(400, "address_string, or lat and long, is needed")
    types = ctx.services.rules.at(ctx.now).request_types
    return intake.Written(
        request_type=subject.leans if subject.leans in types else types[0],
        subject=subject.code,
        title=given["description"].splitlines()[0][: LONGEST["title"]],
        content=given["description"],
        place=place,
        contact_name=f"{given['last_name']}{given['first_name']}"[: LONGEST["contact_name"]],
    )
