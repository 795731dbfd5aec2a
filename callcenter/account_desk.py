"""Accounts as an administrator keeps them: found, made, changed, locked out and let in again.

Nobody changes their own roles or state, and an administrator or an auditor is nothing else beside: who gives rights
away neither handles tickets nor checks who did (GB/T 22239-2019 8.1.4.2, separation of duties).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Row, Select, and_, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import agents
from callcenter.accounts import IDLE, end_sessions
from callcenter.agents import CHANGED, Desired
from callcenter.db import notify
from callcenter.tables import agent, user_account, user_session
from callcenter.types import Actor, AgentId, QueueName, Role, UnitId, UserId

UNIT_ROLES = frozenset({Role.UNIT, Role.UNIT_HEAD})
ALONE = frozenset({Role.ADMIN, Role.AUDITOR})
"""Roles nobody holds together with another."""


class AccountNotFound(LookupError):
    """没有这个账号。请从用户列表中选择。"""


class AccountChanged(Exception):
    """这个账号刚刚被他人修改，本次操作没有保存。请核对最新内容后再操作。"""


class AccountRefused(ValueError):
    """The account cannot be so; the sentence says why and what to do."""

    @property
    def sentence(self) -> str:
        return str(self)


class AccountState(StrEnum):
    """How an account stands, for filters and lists."""

    ACTIVE = "active"
    LOCKED = "locked"
    """Too many wrong passwords; ends by itself."""
    FIRST = "first"
    """Has not yet set a password of their own."""
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an account shall be. titles: offices a leader signs for; queues: those an agent's calls come from."""

    name: str
    roles: frozenset[Role]
    unit: UnitId | None = None
    titles: frozenset[str] = frozenset()
    extension: AgentId | None = None
    queues: tuple[QueueName, ...] = ()


@dataclass(frozen=True, slots=True)
class Account:
    """One account as the list shows it. sessions: open now; seen_at: last use, while a session of it is kept.

    observed: what Asterisk last showed of the telephone, `unknown` when it never did. version: give it back when
    changing it.
    """

    id: UserId
    login: str
    is_now: Wanted
    state: AccountState
    locked_until: datetime | None
    created_at: datetime
    version: int
    sessions: int
    seen_at: datetime | None
    observed: str


@dataclass(frozen=True, slots=True)
class Filter:
    """Which accounts. text: part of login, name or telephone; after: the last login of the page before."""

    text: str = ""
    role: Role | None = None
    unit: UnitId | None = None
    state: AccountState | None = None
    after: str = ""
    limit: int = 50


def refusal(wanted: Wanted) -> str:
    """Why there can be no such account, in Chinese; `` when there can. PURE."""
    roles = wanted.roles
    if not roles:
        return "请至少选择一个角色。"
    if roles & ALONE and len(roles) > 1:
        return "管理员和审计员须专职，不能同时担任其他角色（职责分离）。请为其他工作另建账号。"
    if bool(roles & UNIT_ROLES) != (wanted.unit is not None):
        return "承办人员和单位负责人须选择所属承办单位；其他角色不属于承办单位。"
    if wanted.titles and Role.LEADER not in roles:
        return "签批职务只能授予领导角色。请选择领导角色或清空职务。"
    if wanted.extension and roles & ALONE:
        return "管理员和审计员不使用热线分机。请清空分机号。"
    if wanted.queues and not (wanted.extension and Role.AGENT in roles):
        return "只有绑定了分机的话务员可以接听队列。请填写分机号，或清空队列。"
    return ""


async def page(tx: AsyncConnection, wanted: Filter, now: datetime) -> tuple[tuple[Account, ...], int]:
    """Accounts by login, one page and how many there are in all."""
    given = _given(wanted, now)
    total = (await tx.execute(select(func.count()).select_from(user_account).where(*given))).scalar_one()
    query = _accounts(now).where(*given, user_account.c.login > wanted.after)
    rows = await tx.execute(query.order_by(user_account.c.login).limit(wanted.limit))
    return tuple(_account(row, now) for row in rows), total


async def one(tx: AsyncConnection, who: UserId, now: datetime) -> Account:
    """Raises AccountNotFound."""
    row = (await tx.execute(_accounts(now).where(user_account.c.id == who))).one_or_none()
    if row is None:
        raise AccountNotFound
    return _account(row, now)


async def make(
    tx: AsyncConnection, login: str, wanted: Wanted, password_hash: str, *, actor: Actor, now: datetime
) -> UserId:
    """A new account, whose first password must be changed. Raises AccountRefused."""
    await _check(tx, wanted, None)
    values = {"login": login, "password_hash": password_hash, "must_change_password": True, **_columns(wanted)}
    made = insert(user_account).values(**values).on_conflict_do_nothing(index_elements=["login"])
    who = (await tx.execute(made.returning(user_account.c.id))).scalar_one_or_none()
    if who is None:
        raise AccountRefused(f"用户名“{login}”已经有人使用，用户名不重复使用。请换一个。")
    await _give_phone(tx, UserId(who), wanted, None, actor=actor, now=now)
    return UserId(who)


async def change(
    tx: AsyncConnection, who: UserId, wanted: Wanted, version: int, *, actor: Actor, now: datetime
) -> tuple[Wanted, Wanted]:
    """An account shall be `wanted`; returns what it was and what it is. Raises the errors above."""
    before = await _locked(tx, who, now, version)
    if _is_own(before, actor) and before.is_now.roles != wanted.roles:
        raise AccountRefused("不能修改自己的角色。请由另一位管理员操作。")
    await _check(tx, wanted, who)
    if Role.ADMIN in before.is_now.roles and Role.ADMIN not in wanted.roles:
        await _another_admin(tx, who)
    row = update(user_account).where(user_account.c.id == who)
    await tx.execute(row.values(version=version + 1, **_columns(wanted)))
    await _give_phone(tx, who, wanted, before.is_now.extension, actor=actor, now=now)
    return before.is_now, wanted


async def disable(tx: AsyncConnection, who: UserId, version: int, *, actor: Actor, now: datetime) -> Account:
    """Nobody gets in with it any more: sessions end, the telephone leaves its queues."""
    before = await _locked(tx, who, now, version)
    if _is_own(before, actor):
        raise AccountRefused("不能停用自己的账号。请由另一位管理员操作。")
    if Role.ADMIN in before.is_now.roles:
        await _another_admin(tx, who)
    await _set(tx, who, version, disabled=True)
    await end_sessions(tx, who)
    if before.is_now.extension is not None:
        await _off_the_phone(tx, before.is_now.extension, actor, now)
    return await one(tx, who, now)


async def enable(tx: AsyncConnection, who: UserId, version: int, now: datetime) -> Account:
    """It may be signed in with again."""
    await _locked(tx, who, now, version)
    await _set(tx, who, version, disabled=False)
    return await one(tx, who, now)


async def unlock(tx: AsyncConnection, who: UserId, now: datetime) -> Account:
    """The lock after wrong passwords ends before its time."""
    await _locked(tx, who, now)
    await tx.execute(update(user_account).where(user_account.c.id == who).values(failed_logins=0, locked_until=None))
    return await one(tx, who, now)


async def _locked(tx: AsyncConnection, who: UserId, now: datetime, version: int | None = None) -> Account:
    """The account, its row locked. Raises AccountNotFound, AccountChanged."""
    # The administrators with it, in one order: two who disable each other at the same moment go one by one.
    both = or_(user_account.c.id == who, user_account.c.roles.contains([Role.ADMIN]))
    await tx.execute(select(user_account.c.id).where(both).order_by(user_account.c.id).with_for_update())
    found = await one(tx, who, now)
    if version is not None and found.version != version:
        raise AccountChanged
    return found


async def _set(tx: AsyncConnection, who: UserId, version: int, **values: bool) -> None:
    await tx.execute(update(user_account).where(user_account.c.id == who).values(version=version + 1, **values))


async def _another_admin(tx: AsyncConnection, who: UserId) -> None:
    """Raises AccountRefused when this is the last administrator who can sign in."""
    able = (user_account.c.roles.contains([Role.ADMIN]), user_account.c.disabled.is_(False))
    query = select(user_account.c.id).where(*able)
    if set((await tx.execute(query)).scalars()) <= {who}:
        raise AccountRefused("这是最后一位可以登录的管理员，不能停用或取消其管理员角色。请先增加另一位管理员。")


async def _check(tx: AsyncConnection, wanted: Wanted, who: UserId | None) -> None:
    if said := refusal(wanted):
        raise AccountRefused(said)
    if wanted.extension is None:
        return
    query = select(user_account.c.id, user_account.c.login).where(user_account.c.extension == wanted.extension)
    holder = (await tx.execute(query)).one_or_none()
    if holder is not None and holder.id != who:
        raise AccountRefused(f"分机 {wanted.extension} 已绑定给用户“{holder.login}”。请先解除，或换一个分机。")


async def _give_phone(
    tx: AsyncConnection, who: UserId, wanted: Wanted, before: AgentId | None, *, actor: Actor, now: datetime
) -> None:
    """The telephone and its queues. One given up leaves its queues and belongs to nobody."""
    if before is not None and before != wanted.extension:
        await _off_the_phone(tx, before, actor, now)
        await tx.execute(update(agent).where(agent.c.id == before).values(user_id=None))
    if wanted.extension is None:
        return
    row = insert(agent).values(id=wanted.extension, user_id=who, name=wanted.name, queues=list(wanted.queues))
    new = {name: row.excluded[name] for name in ("user_id", "name", "queues")}
    await tx.execute(row.on_conflict_do_update(index_elements=["id"], set_=new))
    await notify(tx, CHANGED, wanted.extension)


async def _off_the_phone(tx: AsyncConnection, extension: AgentId, actor: Actor, now: datetime) -> None:
    desired = (await tx.execute(select(agent.c.desired).where(agent.c.id == extension))).scalar_one_or_none()
    if desired not in (None, Desired.LOGGED_OUT):
        await agents.wish(tx, extension, Desired.LOGGED_OUT, at=now, actor=actor)


def _is_own(account: Account, actor: Actor) -> bool:
    return account.login == actor.name


def _columns(wanted: Wanted) -> Mapping[str, object]:
    return {
        "display_name": wanted.name,
        "roles": sorted(wanted.roles),
        "titles": sorted(wanted.titles),
        "unit": wanted.unit,
        "extension": wanted.extension,
    }


def _given(wanted: Filter, now: datetime) -> list[ColumnElement[bool]]:
    a, given = user_account.c, list[ColumnElement[bool]]()
    if wanted.text:
        columns = (a.login, a.display_name, a.extension)
        given.append(or_(*(column.icontains(wanted.text, autoescape=True) for column in columns)))
    if wanted.role is not None:
        given.append(a.roles.contains([wanted.role]))
    if wanted.unit is not None:
        given.append(a.unit == wanted.unit)
    if wanted.state is not None:
        given.append(_state_is(wanted.state, now))
    return given


def _state_is(state: AccountState, now: datetime) -> ColumnElement[bool]:
    a = user_account.c
    locked = func.coalesce(a.locked_until > now, False)
    match state:
        case AccountState.DISABLED:
            return a.disabled.is_(True)
        case AccountState.LOCKED:
            return and_(~a.disabled, locked)
        case AccountState.FIRST:
            return and_(~a.disabled, ~locked, a.must_change_password)
        case AccountState.ACTIVE:
            return and_(~a.disabled, ~locked, ~a.must_change_password)


def _accounts(now: datetime) -> "Select[tuple[object, ...]]":
    s = user_session.c
    mine = s.user_id == user_account.c.id
    alive = select(func.count()).where(mine, s.ends_at > now, s.seen_at > now - IDLE).scalar_subquery()
    seen = select(func.max(s.seen_at)).where(mine).scalar_subquery()
    return select(
        user_account, alive.label("sessions"), seen.label("last_seen_at"), agent.c.queues, agent.c.observed
    ).select_from(user_account.outerjoin(agent, agent.c.id == user_account.c.extension))


def _account(row: Row[tuple[object, ...]], now: datetime) -> Account:
    is_now = Wanted(
        name=row.display_name,
        roles=frozenset(Role(role) for role in row.roles),
        unit=UnitId(row.unit) if row.unit else None,
        titles=frozenset(row.titles),
        extension=AgentId(row.extension) if row.extension else None,
        queues=tuple(QueueName(queue) for queue in row.queues or ()),
    )
    return Account(
        id=UserId(row.id),
        login=row.login,
        is_now=is_now,
        state=_state(row, now),
        locked_until=row.locked_until,
        created_at=row.created_at,
        version=row.version,
        sessions=row.sessions,
        seen_at=row.last_seen_at,
        observed=row.observed or "",
    )


def _state(row: Row[tuple[object, ...]], now: datetime) -> AccountState:
    if row.disabled:
        return AccountState.DISABLED
    if row.locked_until is not None and row.locked_until > now:
        return AccountState.LOCKED
    return AccountState.FIRST if row.must_change_password else AccountState.ACTIVE


def differences(before: Wanted, after: Wanted) -> dict[str, str]:
    """What changed, `old -> new` by field, for the audit. PURE."""
    told = {}
    for field in ("name", "roles", "unit", "titles", "extension", "queues"):
        old, new = _said(getattr(before, field)), _said(getattr(after, field))
        if old != new:
            told[field] = f"{old or '-'} -> {new or '-'}"
    return told


def _said(value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return ",".join(sorted(map(str, value))) if isinstance(value, Collection) else str(value)
