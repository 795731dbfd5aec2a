"""Accounts of those who work here, kept by an administrator: made, changed, disabled, let in again; all audited."""

from datetime import datetime
from typing import Annotated

from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import account_desk, accounts
from callcenter.account_desk import Account, AccountState, Filter, Wanted
from callcenter.audit import Audited, note
from callcenter.types import AgentId, QueueName, Role, UnitId, UserId
from callcenter.web import passwords
from callcenter.web.context import Context
from callcenter.web.problems import Problem
from callcenter.web.router import In, Out, Query, Routes
from callcenter.web.ticket_fields import Said
from ticketing.approvals.offices import offices_of
from ticketing.dispatch import units_store

api = Routes("users")
KEEPERS = frozenset({Role.ADMIN})
Login = Annotated[str, Field(pattern=r"^[a-z][a-z0-9._-]{1,31}$")]
PersonName = Annotated[str, Field(min_length=2, max_length=40, pattern=r"^\S(.*\S)?$")]
Extension = Annotated[str, Field(pattern=r"^[0-9]{2,8}$")]
Version = Annotated[int, Field(ge=1, lt=2**31)]
OneRole = Annotated[Role, Field(strict=False)]


class UserFields(In):
    """titles: offices a leader signs for, `title@unit` for one unit only; queues: those an agent is skilled for."""

    name: PersonName
    roles: Annotated[tuple[OneRole, ...], Field(max_length=len(Role))]
    unit: Annotated[str, Field(max_length=31)] | None = None
    titles: Annotated[tuple[Annotated[str, Field(min_length=2, max_length=80)], ...], Field(max_length=20)] = ()
    extension: Extension | None = None
    queues: Annotated[tuple[Annotated[str, Field(pattern=r"^[a-z0-9]{1,40}$")], ...], Field(max_length=40)] = ()


class NewUser(UserFields):
    login: Login


class ChangedUser(UserFields):
    """version: the account as it was seen."""

    version: Version


class UserSwitched(In):
    """version: the account as it was seen. reason: for those who read the audit later."""

    version: Version
    reason: Said


class UserReason(In):
    reason: Said


class UsersQuery(Query):
    """after: `next` of the page before."""

    text: Annotated[str, Field(max_length=40)] = ""
    role: Role | None = None
    unit: Annotated[str, Field(max_length=31)] = ""
    state: AccountState | None = None
    after: Annotated[str, Field(max_length=64)] = ""
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class UserRow(Out):
    """state: active, first (has not set their own password), locked, disabled. sessions: open now.

    phone: what Asterisk last showed of the telephone. own: who asks. version: give it back when changing.
    """

    id: int
    login: str
    name: str
    roles: list[str]
    unit: str | None
    titles: list[str]
    extension: str | None
    queues: list[str]
    state: str
    locked_until: datetime | None
    created_at: datetime
    seen_at: datetime | None
    sessions: int
    phone: str
    own: bool
    version: int


class UserPage(Out):
    rows: list[UserRow]
    next: str | None
    total: int


class MadeUser(Out):
    """password: told this once; it must be changed at the first sign-in."""

    user: UserRow
    password: str


class UnitChoice(Out):
    id: str
    name: str


class UserChoices(Out):
    """What an account can be given. titles: offices the regulation in use asks to sign. alone: held with no other."""

    roles: list[str]
    alone: list[str]
    unit_roles: list[str]
    units: list[UnitChoice]
    titles: list[str]
    queues: list[str]


@api.get("/api/users", KEEPERS)
async def list_users(ctx: Context, query: UsersQuery) -> UserPage:
    """用户列表，按用户名排列，可按角色、单位、状态和文字筛选"""
    wanted = Filter(
        query.text.strip(),
        query.role,
        UnitId(query.unit) if query.unit else None,
        query.state,
        query.after,
        query.limit,
    )
    async with ctx.transaction() as tx:
        found, total = await account_desk.page(tx, wanted, ctx.now)
    rows = [_row(ctx, one) for one in found]
    return UserPage(rows=rows, next=rows[-1].login if len(rows) == query.limit else None, total=total)


@api.get("/api/user-choices", KEEPERS)
async def choices(ctx: Context) -> UserChoices:
    """可授予的角色、承办单位、签批职务和队列"""
    async with ctx.transaction() as tx:
        kept = await units_store.load(tx)
    units = [UnitChoice(id=one.unit.id, name=one.unit.name) for one in kept.values() if one.unit.active]
    queues = sorted({queue for menu in ctx.services.installation.menus.values() for queue in menu.queues})
    return UserChoices(
        roles=list(Role),
        alone=sorted(account_desk.ALONE),
        unit_roles=sorted(account_desk.UNIT_ROLES),
        units=units,
        titles=list(offices_of(ctx.services.rules.policies[-1])),
        queues=queues,
    )


@api.get("/api/users/{user_id}", KEEPERS)
async def read_user(ctx: Context, user_id: int) -> UserRow:
    """一个用户"""
    async with ctx.transaction() as tx:
        return _row(ctx, await account_desk.one(tx, UserId(user_id), ctx.now))


@api.post("/api/users", KEEPERS)
async def add_user(ctx: Context, body: NewUser) -> MadeUser:
    """新增用户；一次性密码只显示这一次，首次登录须修改"""
    password = passwords.one_time(body.login)
    encoded = await passwords.hash_of(password)
    wanted = _wanted(body)
    async with ctx.transaction() as tx:
        await _known_unit(tx, wanted)
        who = await account_desk.make(tx, body.login, wanted, encoded, actor=ctx.actor, now=ctx.now)
        given = account_desk.differences(Wanted("", frozenset()), wanted)
        await note(tx, Audited(ctx.actor, "user.add", f"user:{who}", detail={"login": body.login, **given}))
        made = await account_desk.one(tx, who, ctx.now)
    return MadeUser(user=_row(ctx, made), password=password)


@api.post("/api/users/{user_id}", KEEPERS)
async def change_user(ctx: Context, user_id: int, body: ChangedUser) -> UserRow:
    """修改姓名、角色、单位、签批职务、分机和队列；不能修改自己的角色，最后一位管理员不能被取消"""
    who, wanted = UserId(user_id), _wanted(body)
    async with ctx.transaction() as tx:
        was = await account_desk.one(tx, who, ctx.now)
        if wanted.unit != was.is_now.unit:
            await _known_unit(tx, wanted)
        before, after = await account_desk.change(tx, who, wanted, body.version, actor=ctx.actor, now=ctx.now)
        told = account_desk.differences(before, after)
        await note(tx, Audited(ctx.actor, "user.change", f"user:{who}", detail={"login": was.login, **told}))
        return _row(ctx, await account_desk.one(tx, who, ctx.now))


@api.post("/api/users/{user_id}/disable", KEEPERS)
async def disable_user(ctx: Context, user_id: int, body: UserSwitched) -> UserRow:
    """停用账号：会话立即结束，分机退出队列；账号和记录保留"""
    async with ctx.transaction() as tx:
        done = await account_desk.disable(tx, UserId(user_id), body.version, actor=ctx.actor, now=ctx.now)
        await _noted(ctx, tx, "user.disable", done, body.reason)
    return _row(ctx, done)


@api.post("/api/users/{user_id}/enable", KEEPERS)
async def enable_user(ctx: Context, user_id: int, body: UserSwitched) -> UserRow:
    """重新启用账号"""
    async with ctx.transaction() as tx:
        done = await account_desk.enable(tx, UserId(user_id), body.version, ctx.now)
        await _noted(ctx, tx, "user.enable", done, body.reason)
    return _row(ctx, done)


@api.post("/api/users/{user_id}/reset-password", KEEPERS)
async def reset_password(ctx: Context, user_id: int, body: UserReason) -> MadeUser:
    """重置密码：原密码作废，会话结束，锁定解除；新的一次性密码只显示这一次"""
    who = UserId(user_id)
    if who == ctx.person.id:
        raise Problem(409, "own_password", "自己的密码请在右上角“修改密码”中修改。")
    async with ctx.transaction() as tx:
        known = await account_desk.one(tx, who, ctx.now)
    password = passwords.one_time(known.login)
    encoded = await passwords.hash_of(password)
    async with ctx.transaction() as tx:
        await account_desk.unlock(tx, who, ctx.now)
        await accounts.set_password(tx, who, encoded, once=True)
        done = await account_desk.one(tx, who, ctx.now)
        await _noted(ctx, tx, "user.reset_password", done, body.reason)
    return MadeUser(user=_row(ctx, done), password=password)


@api.post("/api/users/{user_id}/end-sessions", KEEPERS)
async def end_sessions(ctx: Context, user_id: int, body: UserReason) -> UserRow:
    """结束该用户的全部登录会话"""
    async with ctx.transaction() as tx:
        await account_desk.one(tx, UserId(user_id), ctx.now)
        await accounts.end_sessions(tx, UserId(user_id))
        done = await account_desk.one(tx, UserId(user_id), ctx.now)
        await _noted(ctx, tx, "user.end_sessions", done, body.reason)
    return _row(ctx, done)


@api.post("/api/users/{user_id}/unlock", KEEPERS)
async def unlock_user(ctx: Context, user_id: int, body: UserReason) -> UserRow:
    """解除因连续输错密码造成的锁定"""
    async with ctx.transaction() as tx:
        done = await account_desk.unlock(tx, UserId(user_id), ctx.now)
        await _noted(ctx, tx, "user.unlock", done, body.reason)
    return _row(ctx, done)


async def _noted(ctx: Context, tx: AsyncConnection, action: str, account: Account, reason: str) -> None:
    detail = {"login": account.login, "reason": reason}
    await note(tx, Audited(ctx.actor, action, f"user:{account.id}", detail=detail))


async def _known_unit(tx: AsyncConnection, wanted: Wanted) -> None:
    """Raises UnitNotFound."""
    if wanted.unit is not None:
        await units_store.one(tx, wanted.unit)


def _wanted(body: UserFields) -> Wanted:
    return Wanted(
        name=body.name,
        roles=frozenset(body.roles),
        unit=UnitId(body.unit) if body.unit else None,
        titles=frozenset(body.titles),
        extension=AgentId(body.extension) if body.extension else None,
        queues=tuple(QueueName(queue) for queue in dict.fromkeys(body.queues)),
    )


def _row(ctx: Context, one: Account) -> UserRow:
    has = one.is_now
    return UserRow(
        id=one.id,
        login=one.login,
        name=has.name,
        roles=sorted(has.roles),
        unit=has.unit,
        titles=sorted(has.titles),
        extension=has.extension,
        queues=list(has.queues),
        state=one.state,
        locked_until=one.locked_until,
        created_at=one.created_at,
        seen_at=one.seen_at,
        sessions=one.sessions,
        phone=one.observed,
        own=one.id == ctx.person.id,
        version=one.version,
    )
