"""Playbacks: one row each, with the seconds that were really sent; an audit row when it begins and when it is over.

A player asks for many parts of one sound, some of them twice. Parts of one person and one sound that follow each
other within ten minutes are one playback; what counts as heard is the union of the frames that left this process.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import Double, cast, func, literal, select, text, update
from sqlalchemy.dialects.postgresql import INT8MULTIRANGE, Range
from sqlalchemy.dialects.postgresql.ranges import MultiRange
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import metrics
from callcenter.audit import Audited, note
from callcenter.custody.listening_tables import playback as table
from callcenter.db import Database
from callcenter.jobs import Worker
from callcenter.types import Actor, CallId

PLAYED = "recording.play"
HEARD = "recording.heard"
ONE_PLAYBACK = timedelta(minutes=10)
SWEEP_EVERY_S = 60
ENDED_AT_ONCE = 500
_C = table.c

Span = tuple[int, int]
"""First and past-the-end frame."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """What is played to whom. subject: `recording:ID`, `call:ID` or `export:ID`. rate: frames a second."""

    actor: Actor
    subject: str
    call_id: CallId
    rate: int
    reason: str = ""


@dataclass
class Progress:
    """What one request has sent and not yet written down; neighbouring frames are one span."""

    spans: list[Span] = field(default_factory=list)

    def sent(self, first: int, end: int) -> None:
        """These frames left."""
        if end <= first:
            return
        if self.spans and self.spans[-1][0] <= first <= self.spans[-1][1]:
            self.spans[-1] = (self.spans[-1][0], max(end, self.spans[-1][1]))
        else:
            self.spans.append((first, end))

    def taken(self) -> Sequence[Span]:
        """What was sent so far; it counts as written from now on."""
        taken, self.spans = self.spans, []
        return taken


async def begin(tx: AsyncConnection, hearing: Hearing, now: datetime) -> int:
    """The playback this part belongs to, begun (with its audit row) unless it goes on already; its id."""
    who = str(hearing.actor)
    # Two first parts at once are one playback.
    await tx.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:what, 0))"), {"what": f"{who} {hearing.subject}"}
    )
    mine = (_C.actor == who, _C.subject == hearing.subject, _C.ended_at.is_(None))
    row = (await tx.execute(select(_C.id, _C.last_at).where(*mine).with_for_update())).one_or_none()
    if row is not None and now - row.last_at <= ONE_PLAYBACK:
        await tx.execute(update(table).where(_C.id == row.id).values(parts=_C.parts + 1, last_at=_later(now)))
        return int(row.id)
    if row is not None:
        await _end(tx, row.id, now)
    values = {"subject": hearing.subject, "call_id": hearing.call_id, "actor": who, "reason": hearing.reason}
    times = {"began_at": now, "last_at": now, "parts": 1, "rate": hearing.rate}
    made = (await tx.execute(table.insert().values(**values, **times).returning(_C.id))).scalar_one()
    detail = {"call": hearing.call_id, "playback": made, "reason": hearing.reason}
    await note(tx, Audited(hearing.actor, PLAYED, hearing.subject, detail=detail))
    metrics.PLAYBACKS.labels(hearing.subject.partition(":")[0]).inc()
    return int(made)


async def heard(tx: AsyncConnection, playback: int, spans: Sequence[Span], now: datetime) -> None:
    """These frames were sent. One that was ended meanwhile (its listener was idle) is not opened again: a new row of
    the same person says what came later."""
    sent = cast(literal(MultiRange(Range(*span) for span in spans), INT8MULTIRANGE), INT8MULTIRANGE)
    values = {**_more(sent), "last_at": _later(now)}
    changed = update(table).where(_C.id == playback, _C.ended_at.is_(None)).values(**values).returning(_C.id)
    if (await tx.execute(changed)).one_or_none() is None:
        await _reopen(tx, playback, sent, now)


async def _reopen(tx: AsyncConnection, playback: int, sent: object, now: datetime) -> None:
    """A player that was silent for long and goes on in the same request."""
    names = ("subject", "call_id", "actor", "reason", "rate")
    old = (await tx.execute(select(*(_C[name] for name in names)).where(_C.id == playback))).one()
    actor = Actor(*old.actor.split(":", 1))
    again = await begin(tx, Hearing(actor, old.subject, CallId(old.call_id), old.rate, old.reason), now)
    await tx.execute(update(table).where(_C.id == again).values(**_more(sent)))


def _later(now: datetime) -> object:
    return func.greatest(_C.last_at, now)


def _more(sent: object) -> dict[str, object]:
    """The union with what was heard before, and how long it is."""
    together = _C.heard.op("+")(sent)
    part = func.unnest(together).column_valued("part")
    frames = select(func.coalesce(func.sum(func.upper(part) - func.lower(part)), 0)).scalar_subquery()
    return {"heard": together, "seconds_heard": cast(frames, Double) / _C.rate}


async def _end(tx: AsyncConnection, playback: int, now: datetime) -> None:
    done = update(table).where(_C.id == playback, _C.ended_at.is_(None)).values(ended_at=now)
    columns = (_C.actor, _C.subject, _C.call_id, _C.seconds_heard, _C.parts)
    row = (await tx.execute(done.returning(*columns))).one_or_none()
    if row is None:
        return
    detail = {"call": row.call_id, "playback": playback, "seconds": round(row.seconds_heard, 3), "parts": row.parts}
    await note(tx, Audited(Actor(*row.actor.split(":", 1)), HEARD, row.subject, detail=detail))
    metrics.HEARD_S.inc(row.seconds_heard)


async def end_idle(tx: AsyncConnection, now: datetime) -> int:
    """Ends playbacks of which nothing was asked for ten minutes; how many."""
    idle = select(_C.id).where(_C.ended_at.is_(None), _C.last_at < now - ONE_PLAYBACK)
    found = (await tx.execute(idle.order_by(_C.id).limit(ENDED_AT_ONCE).with_for_update(skip_locked=True))).scalars()
    ids = list(found)
    for one in ids:
        await _end(tx, one, now)
    return len(ids)


@dataclass(frozen=True, slots=True)
class PlaybackWork:
    """The sweep that ends playbacks."""

    database: Database

    async def sweep(self) -> None:
        """Every minute. Raises DatabaseAway."""
        more = True
        while more:
            async with self.database.transaction() as tx:
                more = await end_idle(tx, datetime.now(UTC)) == ENDED_AT_ONCE


def register(worker: Worker, database: Database) -> None:
    """Before the worker runs."""
    worker.every(SWEEP_EVERY_S, "playbacks.idle", PlaybackWork(database).sweep)
