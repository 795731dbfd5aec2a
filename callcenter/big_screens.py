"""Screens on a wall: each has a key of its own that reads figures and nothing else.

A screen is nobody's session: people's end after 15 minutes without use (GB/T 22239-2019 8.1.4.1), a wall has nobody
who could sign in again. The key is 256 random bits, kept as SHA-256, ends after a year and can be taken back.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.accounts import fingerprint
from callcenter.tables import big_screen
from callcenter.types import Actor

LASTS = timedelta(days=366)
SEEN_EVERY = timedelta(minutes=1)
MOST = 100
"""Screens that are shown; a hotline has a handful."""

_S = big_screen.c


@dataclass(frozen=True, slots=True)
class Screen:
    """One screen. seen_at: when it last read its figures, to the minute."""

    id: int
    name: str
    created_by: str
    created_at: datetime
    ends_at: datetime
    seen_at: datetime | None


async def add(tx: AsyncConnection, name: str, actor: Actor, now: datetime) -> tuple[Screen, str]:
    """A new screen and its key, which is nowhere else."""
    key = secrets.token_urlsafe(32)
    row = {"name": name, "key_hash": fingerprint(key), "created_by": actor.name, "created_at": now}
    made = insert(big_screen).values(**row, ends_at=now + LASTS).returning(_S.id)
    screen_id = int((await tx.execute(made)).scalar_one())
    return Screen(screen_id, name, actor.name, now, now + LASTS, None), key


async def listed(tx: AsyncConnection, now: datetime) -> tuple[Screen, ...]:
    """Screens whose key is good, by name."""
    columns = (_S.id, _S.name, _S.created_by, _S.created_at, _S.ends_at, _S.seen_at)
    good = select(*columns).where(_S.revoked_at.is_(None), _S.ends_at > now).order_by(_S.name, _S.id).limit(MOST)
    return tuple(Screen(*row) for row in await tx.execute(good))


async def revoke(tx: AsyncConnection, screen_id: int, actor: Actor, now: datetime) -> bool:
    """Its key reads nothing any more. False: there is none such."""
    own = update(big_screen).where(_S.id == screen_id, _S.revoked_at.is_(None))
    done = await tx.execute(own.values(revoked_at=now, revoked_by=actor.name).returning(_S.id))
    return done.scalar_one_or_none() is not None


async def knows(tx: AsyncConnection, key: str, now: datetime) -> bool:
    """Whether this is the key of a screen; that it was seen is noted."""
    good = (_S.key_hash == fingerprint(key), _S.revoked_at.is_(None), _S.ends_at > now)
    found = (await tx.execute(select(_S.id, _S.seen_at).where(*good))).one_or_none()
    if found is None:
        return False
    if found.seen_at is None or now - found.seen_at > SEEN_EVERY:
        await tx.execute(update(big_screen).where(_S.id == found.id).values(seen_at=now))
    return True
