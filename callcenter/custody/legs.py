"""Rows of `leg` as recordings are measured against them: who was answered, from when to when."""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Text, func, literal_column, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.tables import call as call_table
from callcenter.tables import leg as leg_table
from callcenter.types import CallId, ChannelId, Party
from recordings.accounting import bounds_of
from recordings.recording import AnsweredLeg

PAGE = 500
"""Legs asked for in one statement."""
LATE = timedelta(seconds=60)
"""A leg that was over so long ago and has no account counts as unaccounted."""
RECORDED = (Party.CITIZEN, Party.AGENT, Party.UNIT)
"""Legs whose voice is kept; a supervisor's is not (docs/decisions.md)."""
_L = leg_table.c
# Written out, not sent as values: PostgreSQL must see that the condition is the index's.
_PARTIES = [literal_column(f"'{party}'", Text) for party in RECORDED]
_OVER = (_L.answered_at.is_not(None), _L.ended_at.is_not(None), _L.party.in_(_PARTIES))
_UNACCOUNTED = (~_L.accounted, *_OVER)
"""The condition of the index `leg_unaccounted`."""


async def answered_leg(tx: AsyncConnection, channel_id: ChannelId) -> AnsweredLeg | None:
    """The leg of a channel, once it is over."""
    row = (await tx.execute(select(leg_table).where(_L.channel_id == channel_id))).one_or_none()
    if row is None or row.answered_at is None or row.ended_at is None:
        return None
    return AnsweredLeg(CallId(row.call_id), channel_id, Party(row.party), row.answered_at, row.ended_at)


async def unaccounted_legs(tx: AsyncConnection, before: datetime, limit: int) -> tuple[AnsweredLeg, ...]:
    """Legs that were over at `before` and have no account yet, the oldest first."""
    wanted = select(leg_table).where(*_UNACCOUNTED, _L.ended_at <= before)
    return _legs(await tx.execute(wanted.order_by(_L.ended_at, _L.channel_id).limit(limit)))


async def ended_legs(tx: AsyncConnection, channels: Collection[ChannelId]) -> tuple[AnsweredLeg, ...]:
    """Those of these channels that were answered and are over."""
    wanted, found = sorted(channels), list[AnsweredLeg]()
    for first in range(0, len(wanted), PAGE):
        own = _L.channel_id.in_(wanted[first : first + PAGE])
        found += _legs(await tx.execute(select(leg_table).where(own, *_OVER)))
    return tuple(found)


async def open_channels(tx: AsyncConnection) -> frozenset[ChannelId]:
    """Legs that are up, of calls that go on: their files are still being written."""
    joined = leg_table.join(call_table, call_table.c.id == _L.call_id)
    query = select(_L.channel_id).select_from(joined).where(call_table.c.ended_at.is_(None), _L.ended_at.is_(None))
    return frozenset(ChannelId(row) for row in (await tx.execute(query)).scalars())


async def waiting_s(tx: AsyncConnection, day: date, now: datetime) -> float:
    """Answered seconds of a day's legs that are over and should have an account by now."""
    begins, ends = bounds_of(day)
    seconds = func.sum(func.extract("epoch", _L.ended_at - _L.answered_at))
    own = (_L.ended_at <= now - LATE, _L.answered_at >= begins, _L.answered_at < ends)
    return float((await tx.execute(select(func.coalesce(seconds, 0.0)).where(*_UNACCOUNTED, *own))).scalar_one())


def _legs(rows: Any) -> tuple[AnsweredLeg, ...]:
    return tuple(
        AnsweredLeg(CallId(r.call_id), ChannelId(r.channel_id), Party(r.party), r.answered_at, r.ended_at) for r in rows
    )
