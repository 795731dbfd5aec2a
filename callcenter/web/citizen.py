"""The citizens' pages: plain HTML forms, no script, nobody signs in. What they do is in `callcenter.citizen`."""

import functools
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.citizen import intake, progress, rating
from callcenter.citizen.pages import page, style
from callcenter.citizen.rating_links import link_of
from callcenter.types import PhoneNumber
from callcenter.web.context import Context
from callcenter.web.problems import Problem, problem_of
from callcenter.web.router import Routes
from callcenter.web.ticket_work import working
from ticketing.aftercare.sms_reply import RATINGS
from ticketing.record import Ticket

log = logging.getLogger(__name__)
api = Routes("citizen")
Handler = Callable[[Context], Awaitable[web.StreamResponse]]

MOBILE = re.compile(r"1[3-9][0-9]{9}")
LONGEST = {"request_type": 20, "title": 100, "content": 4000, "place": 200, "occurred": 200, "contact_name": 50}
NEEDED = {
    "request_type": "请选择诉求类型",
    "title": "请用一句话说明是什么事",
    "content": "请写明具体情况和您的要求",
    "place": "请填写发生地点",
}
WRITTEN = (*LONGEST, "phone", "confidential")
STEPS = (
    ("registered_at", "热线受理登记"),
    ("dispatched_at", "交承办单位办理"),
    ("signed_at", "承办单位签收"),
    ("replied_at", "承办单位回复办理结果"),
    ("closed_at", "办结"),
)


def html(handler: Handler) -> Handler:
    """Errors as pages too: a citizen is not shown JSON."""

    @functools.wraps(handler)
    async def answered(ctx: Context) -> web.StreamResponse:
        try:
            return await handler(ctx)
        except web.HTTPException:
            raise
        except Exception as error:
            problem = problem_of(error)
            if problem is None:
                log.exception("a citizen's page broke", extra={"request_id": ctx.request_id})
                problem = Problem(500, "broken", f"系统出错，操作可能没有完成。请拨打12345，报编号{ctx.request_id}。")
            return show(ctx, "problem", status=problem.status, heading="没有完成", text=problem.detail)

    return answered


def show(ctx: Context, name: str, *, status: int = 200, **values: object) -> web.Response:
    """A page of this region."""
    return page(name, status=status, region=ctx.services.rules.at(ctx.now).region, **values)


async def written(ctx: Context, longest: Mapping[str, int]) -> dict[str, str]:
    """What the form holds: text, without control characters, cut at nothing: too long is an error of the field."""
    form = await ctx.request.post()
    texts = {name: form.get(name, "") for name in longest}
    plain = {name: value if isinstance(value, str) else "" for name, value in texts.items()}
    return {name: _clean(value) for name, value in plain.items()}


def _clean(text: str) -> str:
    kept = (char for char in text.replace("\r\n", "\n") if char in "\n\t" or char.isprintable() or ord(char) > 0x7F)
    return "".join(char for char in kept if not "\ud800" <= char <= "\udfff" and char != "\0").strip()


def address_of(request: web.Request) -> str:
    """Where the request came from. Behind a proxy on this machine: what the proxy says."""
    peer = request.remote or ""
    try:
        trusted = ip_address(peer).is_loopback
    except ValueError:
        trusted = False
    told = request.headers.get("X-Forwarded-For", "").rsplit(",", 1)[-1].strip()
    return told[:64] if trusted and told else peer


@api.get("/citizen/style.css", None)
async def style_sheet(ctx: Context) -> web.StreamResponse:
    """市民页面的样式"""
    return style()


@api.get("/citizen/", None)
@html
async def home(ctx: Context) -> web.StreamResponse:
    """市民页面：首页"""
    return show(ctx, "home")


@api.get("/citizen/report", None)
@html
async def blank_report(ctx: Context) -> web.StreamResponse:
    """市民页面：填写诉求"""
    return _report(ctx, dict.fromkeys(WRITTEN, ""), {})


def _report(ctx: Context, values: Mapping[str, str], errors: Mapping[str, str]) -> web.Response:
    types = ctx.services.rules.at(ctx.now).request_types
    return show(ctx, "report", status=422 if errors else 200, values=values, errors=errors, types=types)


def wrong_fields(values: Mapping[str, str], types: tuple[str, ...]) -> dict[str, str]:
    """Field -> what is wrong with it and what to do, in the order of the form. PURE."""
    errors = {}
    for name, most in LONGEST.items():
        if name in NEEDED and not values[name]:
            errors[name] = NEEDED[name]
        elif len(values[name]) > most:
            errors[name] = f"内容过长，最多 {most} 字，请精简"
    if values["request_type"] and values["request_type"] not in types:
        errors["request_type"] = NEEDED["request_type"]
    if not MOBILE.fullmatch(values["phone"].replace(" ", "").replace("-", "")):
        errors["phone"] = "请填写 11 位手机号码，用于接收验证码；没有手机的请拨打12345"
    return errors


@api.post("/citizen/report", None)
@html
async def report(ctx: Context) -> web.StreamResponse:
    """市民页面：提交诉求，发送验证码"""
    values = await written(ctx, dict.fromkeys((*WRITTEN, "website"), 0))
    errors = wrong_fields(values, tuple(ctx.services.rules.at(ctx.now).request_types))
    if errors:
        return _report(ctx, values, errors)
    if values["website"]:
        # Only programs see that field. They are told what a person would be told, and nothing is kept or sent.
        return show(ctx, "confirm", token="x" * 32, masked="***", errors={})
    phone = PhoneNumber(values["phone"].replace(" ", "").replace("-", ""))
    said = intake.Written(**{name: values[name] for name in LONGEST}, confidential=values["confidential"] == "yes")
    async with ctx.transaction() as tx:
        token = await intake.begin(tx, ctx.services.ground, phone, said, address=address_of(ctx.request), now=ctx.now)
    return show(ctx, "confirm", token=token, masked=phone.masked, errors={})


@api.post("/citizen/confirm", None)
@html
async def confirm(ctx: Context) -> web.StreamResponse:
    """市民页面：填写验证码，诉求提交给热线"""
    values = await written(ctx, {"token": 0, "code": 0, "masked": 0})
    async with working(ctx) as work:
        made = await intake.confirm(work.tx, ctx.services.ground, values["token"], values["code"], work.now)
        if made is not None:
            await work.tell(made.facts)
    if made is None:
        errors = {"code": str(intake.WrongCode.__doc__)}
        return show(ctx, "confirm", status=422, token=values["token"][:64], masked=values["masked"][:20], errors=errors)
    return show(ctx, "received", ticket=made.ticket, code=ctx.services.vault.citizen_code(made.ticket))


@api.get("/citizen/progress", None)
@html
async def ask_progress(ctx: Context) -> web.StreamResponse:
    """市民页面：查询进度"""
    return show(ctx, "ask_progress", values={"ticket": ""}, errors={})


@api.post("/citizen/progress", None)
@html
async def show_progress(ctx: Context) -> web.StreamResponse:
    """市民页面：办理进度"""
    values = await written(ctx, {"ticket": 0, "code": 0})
    number = values["ticket"] if re.fullmatch(r"[0-9]{14}", values["ticket"]) else ""
    seen: progress.Seen | None = None
    link = ""
    if number:
        async with ctx.transaction() as tx:
            seen = await progress.read(tx, ctx.services.vault, number, values["code"], ctx.now)
            if seen is not None:
                link = await _rate_link(ctx, tx, seen.ticket)
    if seen is None:
        errors = {"ticket": "工单编号或查询码不正确，或尝试次数过多。请核对短信，或拨打12345查询"}
        return show(ctx, "ask_progress", status=404, values={"ticket": values["ticket"][:20]}, errors=errors)
    return show(ctx, "progress", seen=seen.progress, steps=steps_of(seen.ticket), rate_link=link)


async def _rate_link(ctx: Context, tx: AsyncConnection, ticket: Ticket) -> str:
    link = link_of(ctx.services.vault, ticket.id, ticket.round)
    found = await rating.asked(tx, ctx.services.vault, link)
    return link if found is not None and found.open else ""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the way a request went."""

    at: datetime
    words: str


def steps_of(ticket: Ticket) -> list[Step]:
    """What has happened, oldest first, in plain words; of the present round. PURE."""
    happened = ((getattr(ticket, name), words) for name, words in STEPS)
    return sorted((Step(at, words) for at, words in happened if at is not None), key=lambda step: step.at)


@api.get("/citizen/rate/{link}", None)
async def ask_rating(ctx: Context, link: str) -> web.StreamResponse:
    """市民页面：评价办理结果"""
    return await html(functools.partial(_ask_rating, link=link))(ctx)


@api.post("/citizen/rate/{link}", None)
async def rate(ctx: Context, link: str) -> web.StreamResponse:
    """市民页面：提交评价，最先收到的一次有效"""
    return await html(functools.partial(_rate, link=link))(ctx)


async def _ask_rating(ctx: Context, link: str) -> web.StreamResponse:
    async with ctx.transaction() as tx:
        found = await rating.asked(tx, ctx.services.vault, link)
    return _rating_page(ctx, found, {"rating": "", "comment": ""}, {})


def _rating_page(
    ctx: Context, found: rating.Asked | None, values: Mapping[str, str], errors: Mapping[str, str]
) -> web.Response:
    if found is None:
        text = "链接不完整或已失效。请重新打开短信中的链接，或拨打12345。"
        return show(ctx, "problem", status=404, heading="无法评价", text=text)
    if found.rating is not None:
        return show(ctx, "rated", heading="已经评价", text=f"这次办理的评价已计入：{found.rating}。")
    if not found.open:
        return show(ctx, "rated", heading="现在不能评价", text="这次办理的评价尚未开始或已经结束。")
    # Of a confidential request not even the title is shown to who holds the link.
    title = "您反映的事项" if found.ticket.confidential else found.ticket.title
    return show(
        ctx, "rate", status=422 if errors else 200, ticket=found.ticket, title=title, ratings=RATINGS, values=values,
        errors=errors,
    )  # fmt: skip


async def _rate(ctx: Context, link: str) -> web.StreamResponse:
    values = await written(ctx, {"rating": 0, "comment": 0})
    chosen = next((one for one in RATINGS if one == values["rating"]), None)
    async with working(ctx) as work:
        if chosen is None or len(values["comment"]) > rating.MOST_COMMENT:
            found = await rating.asked(work.tx, ctx.services.vault, link)
            wrong = {"rating": "请选择是否满意"} if chosen is None else {"comment": "最多 500 字，请精简"}
            return _rating_page(ctx, found, values, wrong)
        counted, facts = await rating.give(work.tx, work.ground, link, chosen, values["comment"], work.now)
        await work.tell(facts)
        found = None if counted else await rating.asked(work.tx, ctx.services.vault, link)
    if not counted:
        return _rating_page(ctx, found, values, {})
    return show(ctx, "rated", heading="感谢您的评价", text=f"您的评价已计入：{chosen}。")
