"""People who sign in: accounts, sessions, locks. Tokens are 256 random bits, kept only as SHA-256.

Five wrong passwords lock an account for 15 minutes; a session ends 15 minutes after its last use and 12 hours after
sign-in (GB/T 22239-2019 8.1.4.1).
"""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.tables import agent, user_account, user_session
from callcenter.types import Actor, AgentId, Role, UnitId, UserId

IDLE = timedelta(minutes=15)
LONGEST = timedelta(hours=12)
WRONG_LIMIT = 5
LOCK = timedelta(minutes=15)
SEEN_EVERY = timedelta(seconds=30)
"""`seen_at` is written no more often than this."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who is signed in."""

    id: UserId
    login: str
    name: str
    roles: frozenset[Role]
    unit: UnitId | None
    extension: AgentId | None
    must_change_password: bool = False
    titles: frozenset[str] = frozenset()
    """Offices this person signs for; only a leader's count."""

    @property
    def actor(self) -> Actor:
        """As the one who does things."""
        titles = self.titles if Role.LEADER in self.roles else frozenset()
        return Actor("user", self.login, self.roles, self.unit, titles)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What sign-in needs to know of an account."""

    id: UserId
    password_hash: str
    disabled: bool
    locked_until: datetime | None


def fingerprint(token: str) -> bytes:
    """What is stored of a token."""
    # A header may hold bytes that are no text; they are a wrong token, not an error.
    return hashlib.sha256(token.encode(errors="surrogateescape")).digest()


async def credentials(tx: AsyncConnection, login: str) -> Credentials | None:
    """The account of a login name, or None. Locks the row: parallel guesses are counted one by one."""
    query = select(user_account).where(user_account.c.login == login).with_for_update()
    row = (await tx.execute(query)).one_or_none()
    return Credentials(UserId(row.id), row.password_hash, row.disabled, row.locked_until) if row else None


async def wrong_password(tx: AsyncConnection, who: UserId, now: datetime) -> None:
    """Count one; the fifth locks."""
    count = (
        update(user_account)
        .where(user_account.c.id == who)
        .values(failed_logins=user_account.c.failed_logins + 1)
        .returning(user_account.c.failed_logins)
    )
    if (await tx.execute(count)).scalar_one() >= WRONG_LIMIT:
        locked = update(user_account).where(user_account.c.id == who)
        await tx.execute(locked.values(failed_logins=0, locked_until=now + LOCK))


async def open_session(tx: AsyncConnection, who: UserId, now: datetime) -> str:
    """A new session; returns the token, which is nowhere else."""
    token = secrets.token_urlsafe(32)
    await tx.execute(update(user_account).where(user_account.c.id == who).values(failed_logins=0, locked_until=None))
    row = {
        "token_hash": fingerprint(token),
        "user_id": who,
        "ends_at": now + LONGEST,
        "created_at": now,
        "seen_at": now,
    }
    await tx.execute(insert(user_session).values(**row))
    return token


async def person_of(tx: AsyncConnection, token: str, now: datetime, *, used: bool = True) -> Person | None:
    """Who holds a token; None when it is unknown, idle too long, over, or its account disabled.

    used False: only a look, which keeps no session alive.
    """
    joined = user_session.join(user_account, user_account.c.id == user_session.c.user_id)
    query = (
        select(user_account, user_session.c.seen_at)
        .select_from(joined)
        .where(
            user_session.c.token_hash == fingerprint(token),
            user_session.c.ends_at > now,
            user_session.c.seen_at > now - IDLE,
            user_account.c.disabled.is_(False),
        )
    )
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        return None
    if used and now - row.seen_at > SEEN_EVERY:
        seen = update(user_session).where(user_session.c.token_hash == fingerprint(token))
        await tx.execute(seen.values(seen_at=now))
    return Person(
        id=UserId(row.id),
        login=row.login,
        name=row.display_name,
        roles=frozenset(Role(role) for role in row.roles),
        unit=UnitId(row.unit) if row.unit else None,
        extension=AgentId(row.extension) if row.extension else None,
        must_change_password=row.must_change_password,
        titles=frozenset(row.titles),
    )


async def names_of(tx: AsyncConnection, actors: Iterable[str]) -> dict[str, str]:
    """The names of those of these actors (`user:<login>`) that are people with an account."""
    logins = {actor.removeprefix("user:") for actor in actors if actor.startswith("user:")}
    query = select(user_account.c.login, user_account.c.display_name).where(user_account.c.login.in_(logins))
    return {f"user:{login}": name for login, name in await tx.execute(query)}


async def close_session(tx: AsyncConnection, token: str) -> None:
    """Sign out."""
    await tx.execute(delete(user_session).where(user_session.c.token_hash == fingerprint(token)))


async def set_password(tx: AsyncConnection, who: UserId, password_hash: str, *, once: bool = False) -> None:
    """A new password; every session of the account ends. once: somebody else knows it, and it must be changed first."""
    changed = update(user_account).where(user_account.c.id == who)
    await tx.execute(changed.values(password_hash=password_hash, must_change_password=once))
    await end_sessions(tx, who)


async def end_sessions(tx: AsyncConnection, who: UserId) -> int:
    """Every session of the account ends now; how many there were."""
    ended = delete(user_session).where(user_session.c.user_id == who).returning(user_session.c.user_id)
    return len((await tx.execute(ended)).all())


async def create(
    tx: AsyncConnection,
    login: str,
    name: str,
    password_hash: str,
    roles: Iterable[Role],
    *,
    unit: UnitId | None = None,
    extension: AgentId | None = None,
    queues: Iterable[str] = (),
    titles: Iterable[str] = (),
) -> UserId:
    """A new account, and its agent row when it has an extension; an existing login keeps its id and is updated.

    titles: offices a leader signs for, as the policy's signature steps name them; `title@unit` for one unit only.
    """
    values = {
        "login": login,
        "display_name": name,
        "password_hash": password_hash,
        "roles": sorted(roles),
        "titles": sorted(titles),
        "unit": unit,
        "extension": extension,
    }
    made = insert(user_account).values(**values)
    new = {k: made.excluded[k] for k in values} | {"version": user_account.c.version + 1}
    made = made.on_conflict_do_update(index_elements=["login"], set_=new)
    who = UserId((await tx.execute(made.returning(user_account.c.id))).scalar_one())
    if extension is not None:
        row = insert(agent).values(id=extension, user_id=who, name=name, queues=list(queues))
        await tx.execute(
            row.on_conflict_do_update(
                index_elements=["id"], set_={"user_id": who, "name": name, "queues": row.excluded.queues}
            )
        )
    return who
