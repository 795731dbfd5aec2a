"""Rows of `recording_day`: the figures of a Chinese day, computed from the tables. Never commits."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from recordings.accounting import FINAL_AFTER, DayFigures, Place, bounds_of, day_of, is_final
from recordings.completeness_tables import leg_account, recording_day

_D = recording_day.c

_LEGS = text(
    """SELECT count(*) AS legs, coalesce(sum(answered_s), 0) AS answered_s, coalesce(sum(audio_s), 0) AS audio_s,
              coalesce(sum(gap_s), 0) AS gap_s,
              coalesce(sum(greatest(0, answered_s - audio_s - gap_s))
                       FILTER (WHERE answered_s - audio_s - gap_s > 1.0 + 0.01 * answered_s), 0) AS unaccounted_s
       FROM leg_account WHERE day = :day"""
)
# The tolerance of recordings.recording.tolerance_s: what is within it is no loss.
_CAUSES = text(
    """SELECT g.cause, sum(g.seconds) AS seconds
       FROM leg_account a JOIN recording_gap g ON g.call_id = a.call_id AND g.channel_id = a.channel_id
       WHERE a.day = :day AND a.gap_s > 0 GROUP BY g.cause"""
)
_STATES = text(
    """SELECT r.state, count(*) AS n, count(o.stored_at) FILTER (WHERE o.custody <> 'prepared') AS kept,
              count(o.copied_at) AS copied,
              count(*) FILTER (WHERE o.custody IN ('stored', 'recycled') AND o.copied_at IS NULL) AS uncopied,
              count(*) FILTER (WHERE r.size_bytes > 0 AND coalesce(o.custody, 'prepared') = 'prepared') AS unstored,
              min(r.created_at) FILTER (WHERE r.size_bytes > 0 AND coalesce(o.custody, 'prepared') = 'prepared')
                AS oldest,
              coalesce(sum(o.sealed_bytes), 0) AS bytes
       FROM recording r LEFT JOIN recording_object o ON o.recording_id = r.id
       WHERE r.created_at >= :begins AND r.created_at < :ends GROUP BY r.state"""
)


async def compute(tx: AsyncConnection, day: date, now: datetime, waiting_s: float = 0.0) -> DayFigures:
    """The figures of a day as they are now, written down unless they are final.

    waiting_s: answered seconds of legs of that day which nobody has looked at in time; they count as unaccounted.
    """
    known = await figures_of(tx, day)
    if known is not None and known.final:
        return known
    begins, ends = bounds_of(day)
    legs = (await tx.execute(_LEGS, {"day": day})).one()
    causes = (await tx.execute(_CAUSES, {"day": day})).all() if legs.gap_s else ()
    states = (await tx.execute(_STATES, {"begins": begins, "ends": ends})).all()
    oldest = min((row.oldest for row in states if row.oldest), default=None)
    figures = DayFigures(
        day=day,
        legs=legs.legs,
        answered_s=legs.answered_s + waiting_s,
        audio_s=legs.audio_s,
        gap_s=legs.gap_s,
        unaccounted_s=legs.unaccounted_s + waiting_s,
        gaps_by_cause={row.cause: row.seconds for row in causes},
        by_state={row.state: row.n for row in states},
        kept=sum(row.kept for row in states),
        copied=sum(row.copied for row in states),
        uncopied=sum(row.uncopied for row in states),
        unstored=sum(row.unstored for row in states),
        oldest_unstored_s=(now - oldest).total_seconds() if oldest else 0.0,
        stored_bytes=int(sum(row.bytes for row in states)),
        computed_at=now,
        final=is_final(day, now),
    )
    await _write(tx, figures)
    return figures


async def due(tx: AsyncConnection, now: datetime) -> list[date]:
    """Days whose figures are to be computed now: today and yesterday always, earlier ones once a day until final."""
    today = day_of(now)
    earliest = today - FINAL_AFTER - timedelta(days=1)
    known = {
        row.day: row for row in await tx.execute(select(_D.day, _D.computed_at, _D.final).where(_D.day >= earliest))
    }
    accounted = select(leg_account.c.day).distinct().where(leg_account.c.day >= earliest)
    with_legs = set((await tx.execute(accounted)).scalars())
    midnight = bounds_of(today)[0]
    days = {today, today - timedelta(days=1)}
    for day in {*known, *with_legs}:
        row = known.get(day)
        if row is None or (not row.final and row.computed_at < midnight):
            days.add(day)
    return sorted(days)


async def forget_accounts(tx: AsyncConnection, now: datetime) -> None:
    """Accounts of days that are final are summed up in their row; those still waiting for the store stay."""
    a = leg_account.c
    final = select(_D.day).where(_D.final, _D.day < day_of(now) - FINAL_AFTER)
    await tx.execute(delete(leg_account).where(a.day.in_(final), a.place != Place.SPOOL))


async def figures_of(tx: AsyncConnection, day: date) -> DayFigures | None:
    """The row of one day."""
    row = (await tx.execute(select(recording_day).where(_D.day == day))).one_or_none()
    return _figures(row) if row else None


async def between(tx: AsyncConnection, first: date, last: date) -> tuple[DayFigures, ...]:
    """The rows of these days, both included, the oldest first; a day without a row is absent."""
    wanted = select(recording_day).where(_D.day >= first, _D.day <= last).order_by(_D.day)
    return tuple(_figures(row) for row in await tx.execute(wanted))


async def stored_bytes(tx: AsyncConnection, now: datetime, days: int) -> Sequence[int]:
    """Bytes stored of each of the last `days` whole days that have a row, the oldest first."""
    today = day_of(now)
    wanted = select(_D.stored_bytes).where(_D.day < today, _D.day >= today - timedelta(days=days)).order_by(_D.day)
    return list((await tx.execute(wanted)).scalars())


async def _write(tx: AsyncConnection, figures: DayFigures) -> None:
    values: dict[str, Any] = {
        name: getattr(figures, name) for name in DayFigures.__dataclass_fields__ if name in recording_day.c
    }
    values |= {"gaps_by_cause": dict(figures.gaps_by_cause), "by_state": dict(figures.by_state)}
    row = insert(recording_day).values(**values)
    new = {name: row.excluded[name] for name in values if name != "day"}
    await tx.execute(row.on_conflict_do_update(index_elements=[_D.day], set_=new))


def _figures(row: Any) -> DayFigures:
    return DayFigures(**{name: getattr(row, name) for name in DayFigures.__dataclass_fields__})
