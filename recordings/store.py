"""Rows of `recording` and `recording_gap`: read and written, no decisions."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, Select, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import CallId, ChannelId, Party, RecordingId
from recordings import tables
from recordings.recording import (
    SETTLED,
    AnsweredLeg,
    Cause,
    Gap,
    Kind,
    Problem,
    Recording,
    Sound,
    SpoolName,
    State,
    Unusable,
    Verdict,
)
from recordings.retention.rules import retention_floor

_R = tables.recording.c
_G = tables.recording_gap.c


class NoRecording(LookupError):
    """There is no recording with this number; see `callcenter calls`."""


async def claim(tx: AsyncConnection, name: SpoolName, state: State, recorded_at: datetime) -> RecordingId | None:
    """The id of the file's row, which is made or moved on from `expected`; None when it was claimed before."""
    row = insert(tables.recording).values(
        call_id=name.call_id,
        channel_id=name.channel_id,
        kind=name.kind,
        party=name.party,
        path=name.name,
        state=state,
        delete_not_before=retention_floor(recorded_at),
    )
    statement = row.on_conflict_do_update(
        index_elements=[_R.channel_id, _R.kind],
        set_={
            "state": row.excluded.state,
            "path": row.excluded.path,
            "delete_not_before": func.greatest(_R.delete_not_before, row.excluded.delete_not_before),
        },
        where=(_R.state == State.EXPECTED) & (row.excluded.state != State.EXPECTED) & (_R.call_id == name.call_id),
    ).returning(_R.id)
    found = (await tx.execute(statement)).scalar_one_or_none()
    return None if found is None else RecordingId(found)


async def settle(
    tx: AsyncConnection, id_: RecordingId, verdict: Verdict, found: Sound | Unusable, leg: AnsweredLeg | None
) -> None:
    """Writes what was found about a file and what to think of it, and its gap."""
    sound = found if isinstance(found, Sound) else None
    values: dict[str, Any] = {
        "state": verdict.state,
        "problem": verdict.problem,
        "size_bytes": found.size_bytes,
        "sha256": found.sha256,
        "duration_s": sound.duration_s if sound else 0.0,
        "sample_rate": sound.sample_rate if sound else None,
    }
    if leg:
        floor = retention_floor(leg.ended_at)
        values |= {"started_at": leg.answered_at, "ended_at": leg.ended_at}
        values["delete_not_before"] = func.greatest(_R.delete_not_before, floor)
    await tx.execute(update(tables.recording).where(_R.id == id_).values(**values))
    if verdict.gap:
        await note_gaps(tx, [verdict.gap])


async def note_gaps(tx: AsyncConnection, gaps: Iterable[Gap]) -> None:
    """Writes gaps; one that is already noted (same channel, cause and start) stays as it was."""
    for gap in gaps:
        row = insert(tables.recording_gap).values(
            call_id=gap.call_id,
            channel_id=gap.channel_id,
            party=gap.party,
            from_at=gap.from_at,
            until_at=gap.until_at,
            cause=gap.cause,
        )
        await tx.execute(row.on_conflict_do_nothing())


async def note_problem(tx: AsyncConnection, channel_id: ChannelId, problem: Problem) -> None:
    """What is wrong with the recording of a leg, found after it was settled; one not settled yet is left alone."""
    state = State.MISSING if problem in (Problem.MISSING, Problem.EMPTY) else State.SUSPECT
    own = (_R.channel_id == channel_id) & (_R.kind == Kind.LEG) & _R.state.in_(SETTLED)
    await tx.execute(update(tables.recording).where(own).values(state=state, problem=problem))


async def keep_until(tx: AsyncConnection, call_id: CallId, floor: date) -> None:
    """Keeps every recording of the call at least until `floor`; a later date that stands already is kept."""
    kept = func.greatest(_R.delete_not_before, floor)
    await tx.execute(update(tables.recording).where(_R.call_id == call_id).values(delete_not_before=kept))


async def recording_of(tx: AsyncConnection, id_: RecordingId) -> Recording:
    """One recording. Raises NoRecording."""
    row = (await tx.execute(select(tables.recording).where(_R.id == id_))).one_or_none()
    if row is None:
        raise NoRecording(f"no recording {id_}")
    return _recording(row)


async def recordings_of(tx: AsyncConnection, call_ids: Sequence[CallId]) -> tuple[Recording, ...]:
    """All recordings of these calls, oldest first."""
    return await _recordings(tx, select(tables.recording).where(_R.call_id.in_(call_ids)).order_by(_R.id))


async def unsettled(tx: AsyncConnection, limit: int = 100) -> tuple[Recording, ...]:
    """Finished recordings nobody has verified yet, oldest first."""
    wanted = select(tables.recording).where(_R.state == State.COMPLETE).order_by(_R.created_at).limit(limit)
    return await _recordings(tx, wanted)


async def claimed_paths(tx: AsyncConnection, paths: Sequence[str]) -> frozenset[str]:
    """Which of these files have a row that is past `expected`."""
    wanted = select(_R.path).where(_R.path.in_(paths), _R.state != State.EXPECTED)
    return frozenset((await tx.execute(wanted)).scalars())


async def gaps_of(tx: AsyncConnection, call_ids: Sequence[CallId]) -> tuple[Gap, ...]:
    """All gaps of these calls, oldest first."""
    wanted = select(tables.recording_gap).where(_G.call_id.in_(call_ids)).order_by(_G.from_at, _G.id)
    return tuple(
        Gap(row.call_id, row.channel_id, Party(row.party), row.from_at, row.until_at, Cause(row.cause))
        for row in await tx.execute(wanted)
    )


async def _recordings(tx: AsyncConnection, wanted: Select[Any]) -> tuple[Recording, ...]:
    return tuple(_recording(row) for row in await tx.execute(wanted))


def _recording(row: Row[Any]) -> Recording:
    return Recording(
        id=RecordingId(row.id),
        call_id=CallId(row.call_id),
        channel_id=ChannelId(row.channel_id),
        party=Party(row.party),
        kind=Kind(row.kind),
        path=row.path,
        state=State(row.state),
        started_at=row.started_at,
        ended_at=row.ended_at,
        duration_s=row.duration_s,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        sample_rate=row.sample_rate,
        problem=Problem(row.problem) if row.problem else None,
        delete_not_before=row.delete_not_before,
    )
