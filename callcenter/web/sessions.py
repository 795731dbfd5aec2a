"""Sign in, sign out, who am I, own password."""

from typing import Annotated

from aiohttp import web
from pydantic import Field

from callcenter import accounts
from callcenter.audit import Audited, note
from callcenter.types import Actor, Role
from callcenter.web import passwords
from callcenter.web.context import COOKIE, Context
from callcenter.web.problems import Problem
from callcenter.web.router import In, Out, Routes

api = Routes("session")
EVERYONE = frozenset(Role)


class SignIn(In):
    """bearer: the token is wanted in the answer (programs); browsers get it as a cookie only."""

    login: Annotated[str, Field(min_length=1, max_length=64)]
    password: Annotated[str, Field(min_length=1, max_length=200)]
    bearer: bool = False


class Me(Out):
    login: str
    name: str
    roles: list[str]
    titles: list[str]
    unit: str | None
    extension: str | None
    must_change_password: bool
    token: str | None = None


class NewPassword(In):
    old: Annotated[str, Field(min_length=1, max_length=200)]
    new: Annotated[str, Field(min_length=1, max_length=200)]


@api.post("/api/login", None)
async def login(ctx: Context, body: SignIn) -> web.Response:
    """登录

    用户名与密码不符、账号停用或锁定，答复相同，不透露账号是否存在。
    """
    async with ctx.transaction() as tx:
        known = await accounts.credentials(tx, body.login)
        right = await passwords.matches(known.password_hash if known else None, body.password)
        locked = known is not None and known.locked_until is not None and known.locked_until > ctx.now
        actor = Actor("user", body.login if known else "unknown")
        token = ""
        if known is not None and right and not known.disabled and not locked:
            token = await accounts.open_session(tx, known.id, ctx.now)
        elif known is not None and not locked:
            await accounts.wrong_password(tx, known.id, ctx.now)
        await note(tx, Audited(actor, "session.login", f"user:{known.id if known else 0}", ok=bool(token)))
        person = await accounts.person_of(tx, token, ctx.now) if token else None
    if person is None:
        sentence = "用户名或密码不正确，或账号已停用、锁定。连续输错 5 次将锁定 15 分钟，请核对后重试。"
        raise Problem(401, "sign_in_refused", sentence)
    answer = web.json_response(text=_me(person, token if body.bearer else None).model_dump_json())
    if not body.bearer:
        # Behind a proxy that ends TLS the request itself is plain; a client that claims TLS only hurts itself.
        secure = ctx.request.secure or ctx.request.headers.get("X-Forwarded-Proto") == "https"
        answer.set_cookie(COOKIE, token, httponly=True, samesite="Strict", secure=secure, path="/")
    return answer


@api.post("/api/logout", EVERYONE)
async def logout(ctx: Context) -> None:
    """退出登录"""
    async with ctx.transaction() as tx:
        await accounts.close_session(tx, ctx.token)
        await note(tx, Audited(ctx.actor, "session.logout", f"user:{ctx.person.id}"))


@api.get("/api/me", EVERYONE)
async def me(ctx: Context) -> Me:
    """当前登录人"""
    return _me(ctx.person, None)


@api.post("/api/me/password", EVERYONE)
async def change_password(ctx: Context, body: NewPassword) -> None:
    """修改密码，所有会话随即退出"""
    passwords.check_strength(body.new, ctx.person.login)
    new_hash = await passwords.hash_of(body.new)
    async with ctx.transaction() as tx:
        known = await accounts.credentials(tx, ctx.person.login)
        right = await passwords.matches(known.password_hash if known else None, body.old)
        # A stolen session must not be a place to guess the password without end.
        locked = known is not None and known.locked_until is not None and known.locked_until > ctx.now
        right = right and not locked
        if right:
            await accounts.set_password(tx, ctx.person.id, new_hash)
        elif known is not None and not locked:
            await accounts.wrong_password(tx, known.id, ctx.now)
        await note(tx, Audited(ctx.actor, "session.password", f"user:{ctx.person.id}", ok=right))
    if not right:
        raise Problem(401, "wrong_password", "原密码不正确，密码没有修改；连续输错 5 次将锁定 15 分钟。")


def _me(person: accounts.Person, token: str | None) -> Me:
    return Me(
        login=person.login,
        name=person.name,
        roles=sorted(person.roles),
        titles=sorted(person.titles),
        unit=person.unit,
        extension=person.extension,
        must_change_password=person.must_change_password,
        token=token,
    )
