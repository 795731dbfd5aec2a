"""The telephone in the page: its account, its connection to Asterisk, and a call it had before a reload or a crash."""

import asyncio
from datetime import datetime
from typing import Annotated, Any

from aiohttp import web
from pydantic import Field
from sqlalchemy import exists, select

from callcenter import accounts, commands
from callcenter.audit import Audited, note
from callcenter.board import BoardEvent
from callcenter.call_facts import Situation
from callcenter.commands import Kind, State
from callcenter.softphones import Line, NotASoftphone, Softphones, SoftphonesWrong
from callcenter.tables import call, identity, leg
from callcenter.types import AgentId, CallId, Party, Role
from callcenter.web.context import COOKIE, Context
from callcenter.web.origin import is_own_page
from callcenter.web.phone_relay import Relay, exchange, sip_socket
from callcenter.web.problems import Problem, problem_of
from callcenter.web.router import In, Out, Query, Routes

api = Routes("phone")
STAFF = frozenset({Role.AGENT, Role.SUPERVISOR, Role.REVIEWER})
SOCKET = "/api/phone/ws"
DOMAIN = "callcenter"
"""Of SIP addresses; Asterisk finds a telephone by its user part."""
GOES_ON = (Situation.TALKING, Situation.CONSULTING, Situation.THREE_PARTY)
RING_WITHIN_S = 30.0

BrowserName = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{8,64}$")]


class BrowserQuery(Query):
    """browser: a random name it gave itself; among its own tabs a browser sees to it that one has the telephone."""

    browser: BrowserName


class PhoneAccount(Out):
    """What a softphone registers with. elsewhere: another browser of this person holds the telephone now."""

    extension: str
    uri: str
    password: str
    socket: str
    elsewhere: bool


class OpenCall(Out):
    """caller: masked. situation: talking, consulting or three_party."""

    id: str
    caller: str
    situation: str
    answered_at: datetime


class OwnCall(Out):
    """softphone: whether this person's telephone is a browser; why: the sentence when it is not."""

    softphone: bool
    why: str
    call: OpenCall | None


class Rejoin(In):
    call: Annotated[str, Field(min_length=1, max_length=40)]


@api.get("/api/phone", STAFF)
async def account(ctx: Context, query: BrowserQuery) -> PhoneAccount:
    """本人浏览器电话的注册信息

    只答复本人分机。分机使用话机，或本系统没有启用浏览器电话时说明原因。
    """
    phones = _phones(ctx)
    password = await asyncio.to_thread(phones.password_of, ctx.extension)
    async with ctx.transaction() as tx:
        await note(tx, Audited(ctx.actor, "phone.account", f"agent:{ctx.extension}"))
    return PhoneAccount(
        extension=ctx.extension,
        uri=f"sip:{ctx.extension}@{DOMAIN}",
        password=password,
        socket=SOCKET,
        elsewhere=phones.held_by_other(ctx.extension, query.browser),
    )


@api.get(SOCKET, STAFF)
async def connect(ctx: Context, query: BrowserQuery) -> web.WebSocketResponse:
    """浏览器电话与电话系统之间的连接（SIP over WebSocket，子协议 sip）

    只接受本系统页面，登录失效时断开。同一分机后来的连接取代先前的连接，先前的以 4409 关闭。
    """
    phones, extension = _phones(ctx), ctx.extension
    # A WebSocket is not bound by the same-origin policy: any page in the world could open this one with our cookie.
    if not is_own_page(ctx.request, COOKIE):
        raise Problem(403, "foreign_origin", "请求来源不被信任，请从本系统页面重新操作。")
    await asyncio.to_thread(phones.password_of, extension)
    browser = sip_socket(ctx.request)
    async with exchange(phones.url) as asterisk:
        await browser.prepare(ctx.request)
        line = Line(query.browser)
        phones.hold(extension, line)
        # Pages at other processes of ours hear it from the board.
        taken = BoardEvent("phone.taken", {"browser": query.browser}, audience=extension)
        await ctx.services.board.publish((taken,))
        try:
            await Relay(browser, asterisk, line.taken, lambda: _still_allowed(ctx, extension)).run()
        finally:
            phones.let_go(extension, line)
    return browser


@api.get("/api/phone/call", STAFF)
async def own_call(ctx: Context) -> OwnCall:
    """本人正在进行的通话：页面重新打开后据此接回"""
    why = await _why_not(ctx)
    row = await _own_call(ctx)
    if row is None:
        return OwnCall(softphone=not why, why=why, call=None)
    found = OpenCall(id=row.id, caller=row.masked or "", situation=row.state, answered_at=row.answered_at)
    return OwnCall(softphone=not why, why=why, call=found)


@api.post("/api/phone/left", STAFF)
async def left(ctx: Context) -> None:
    """页面正在离开而通话仍在：市民改听等待音乐，直到接回"""
    row = await _own_call(ctx)
    if row is not None:
        await _ask(ctx, Kind.SET_ASIDE, row.id)


@api.post("/api/phone/rejoin", STAFF)
async def rejoin(ctx: Context, body: Rejoin) -> None:
    """接回本人的通话：本人电话再次振铃（页面自动接听），接通后结束原来的连接"""
    row = await _own_call(ctx)
    if row is None or row.id != body.call:
        raise Problem(409, "NothingLeft", "没有可以接回的通话：通话已结束，或已转给其他话务员。")
    result = await commands.wait(ctx.services.database, await _ask(ctx, Kind.REJOIN, row.id), within_s=RING_WITHIN_S)
    if result.state != State.DONE:
        raise Problem(409 if result.state == State.FAILED else 504, result.code, result.sentence)


def _phones(ctx: Context) -> Softphones:
    """Raises Problem when this installation has no telephones in browsers, or the person has none at all."""
    assert ctx.extension
    if ctx.services.softphones is None:
        raise Problem(409, "no_softphones", "本系统没有启用浏览器电话，请使用话机。需要启用请联系管理员。")
    return ctx.services.softphones


async def _why_not(ctx: Context) -> str:
    """Why this person's telephone is no browser, as a sentence; `` when it is one."""
    try:
        await asyncio.to_thread(_phones(ctx).password_of, ctx.extension)
    except (Problem, NotASoftphone, SoftphonesWrong) as error:
        problem = problem_of(error)
        return problem.detail if problem else ""
    return ""


async def _own_call(ctx: Context) -> Any:
    """The person's open call whose leg of theirs is up; None without one."""
    own = (leg.c.call_id == call.c.id) & (leg.c.party == Party.AGENT) & (leg.c.who == ctx.extension)
    up = exists().where(own, leg.c.answered_at.is_not(None), leg.c.ended_at.is_(None))
    answered_at = call.c.agent_answered_at.label("answered_at")
    query = (
        select(call.c.id, call.c.state, identity.c.masked, answered_at)
        .outerjoin(identity, identity.c.id == call.c.caller)
        .where(call.c.agent_id == ctx.extension, call.c.ended_at.is_(None), call.c.state.in_(GOES_ON), up)
        .order_by(call.c.started_at.desc())
        .limit(1)
    )
    async with ctx.transaction() as tx:
        return (await tx.execute(query)).one_or_none()


async def _ask(ctx: Context, kind: Kind, call_id: str) -> int:
    node = call_id.partition("-")[0]
    async with ctx.transaction() as tx:
        command = await commands.ask(
            tx,
            kind,
            key=f"{kind}:{ctx.repeat_key}",
            node=node,
            actor=ctx.actor,
            call_id=CallId(call_id),
            args={"agent": ctx.extension},
        )
        await note(tx, Audited(ctx.actor, f"call.{kind}", f"call:{call_id}", detail={"command": command}))
    return command


async def _still_allowed(ctx: Context, extension: AgentId) -> bool:
    async with ctx.transaction() as tx:
        person = await accounts.person_of(tx, ctx.token, ctx.now, used=False)
    return person is not None and person.extension == extension and bool(person.roles & STAFF)
