"""The life of a recording: finished, verified, recovered after a kill, accounted for. Never commits.

Every function may be called again for the same thing and then changes nothing more. Files are read in threads.
"""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import CallId, ChannelId, RecordingId
from recordings import audio, store
from recordings.recording import (
    SETTLED,
    AnsweredLeg,
    Gap,
    Kind,
    Problem,
    Recording,
    RecordingDone,
    Sound,
    SpoolName,
    State,
    Unusable,
    Verdict,
    ends_in_a_step,
    files_of,
    judge,
    last_heard_leg,
)
from recordings.spool import looked, unclaimed


@dataclass(frozen=True, slots=True)
class Recovered:
    """A file that was found without its RecordingDone and taken in."""

    id: RecordingId
    name: SpoolName
    state: State
    problem: Problem | None
    gap: Gap | None


@dataclass(frozen=True, slots=True)
class _Orphan:
    name: SpoolName
    last_write_at: datetime
    found: Sound | Unusable


async def expect(tx: AsyncConnection, name: SpoolName, at: datetime) -> None:
    """Notes that a file is being written, so that it is missed if it never comes. `at`: the answer of the leg."""
    await store.claim(tx, name, State.EXPECTED, at)


async def finished(tx: AsyncConnection, done: RecordingDone, at: datetime) -> tuple[RecordingId, ...]:
    """Takes in the files of a RecordingDone; the new ones, for which a verification is to be enqueued.

    at: when the event came (aware UTC). A repeated event answers (). Raises BadRecordingDone.
    """
    claimed = [await store.claim(tx, name, State.COMPLETE, at) for name in files_of(done)]
    return tuple(id_ for id_ in claimed if id_ is not None)


async def verify(tx: AsyncConnection, spool: Path, id_: RecordingId, answered: AnsweredLeg | None) -> Recording:
    """Looks at the file: length against the answered seconds, decodable, not silent, checksum; repairs its header.

    answered: the leg the file has to cover, None when unknown. A recording that is settled stays as it is.
    Raises NoRecording.
    """
    recording = await store.recording_of(tx, id_)
    return recording if recording.state in SETTLED else await verify_again(tx, spool, id_, answered)


async def verify_again(tx: AsyncConnection, spool: Path, id_: RecordingId, answered: AnsweredLeg | None) -> Recording:
    """The same for a recording whose file was written to since it was settled. Raises NoRecording."""
    recording = await store.recording_of(tx, id_)
    found = await asyncio.to_thread(audio.examine, spool / recording.path)
    await store.settle(tx, id_, _judged(recording.kind, found, answered), found, answered)
    return await store.recording_of(tx, id_)


def _judged(kind: Kind, found: Sound | Unusable, leg: AnsweredLeg | None, *, killed: bool = False) -> Verdict:
    verdict = judge(found, leg, killed=killed)
    # The mix tells of the same lost seconds as the leg's own file; one gap row is enough.
    return verdict if kind is Kind.LEG else replace(verdict, gap=None)


def last_written(spool: Path, call_id: CallId) -> datetime | None:
    """When Asterisk last wrote audio of this call, which it does every two seconds; None: it wrote none. Blocking."""
    times = [path.stat().st_mtime for path in spool.glob(f"{call_id}_*")]
    return datetime.fromtimestamp(max(times), UTC) if times else None


async def recover_orphans(
    tx: AsyncConnection,
    spool: Path,
    noticed_at: datetime,
    *,
    alive: Collection[ChannelId] = (),
    legs: Sequence[AnsweredLeg] = (),
) -> tuple[Recovered, ...]:
    """Takes in files that have no RecordingDone: Asterisk was killed, or nobody listened when it told.

    noticed_at: now, aware UTC. alive: channels Asterisk has now; their files are still being written, and so may be
    any other that was written to within QUIET_S. legs: those that are over, with the end the hub has given them:
    Asterisk closes a file before it tells of the hang-up, so nobody writes there any more. Headers are completed;
    what a kill has cost is a gap with cause `asterisk_killed`. Raises NoSpool.
    """
    over = {leg.channel_id for leg in legs}
    lost = await unclaimed(tx, await looked(spool), noticed_at.timestamp(), alive, over)
    orphans = [await asyncio.to_thread(_orphan, spool, name) for name in lost]
    killed = {orphan.name.channel_id for orphan in orphans if _looks_killed(orphan)}
    known = {leg.channel_id: leg for leg in legs}
    recovered = [await _recover(tx, orphan, known, orphan.name.channel_id in killed, noticed_at) for orphan in orphans]
    return tuple(one for one in recovered if one)


def _looks_killed(orphan: _Orphan) -> bool:
    # The mix is a WAV and tells by its header; the .sln of the same channel had the same end.
    found = orphan.found
    return (isinstance(found, Sound) and found.repaired) or ends_in_a_step(found.size_bytes)


async def _recover(
    tx: AsyncConnection,
    orphan: _Orphan,
    known: dict[ChannelId, AnsweredLeg],
    killed: bool,
    noticed_at: datetime,
) -> Recovered | None:
    leg = known.get(orphan.name.channel_id)
    if leg is None and killed:
        length_s = orphan.found.duration_s if isinstance(orphan.found, Sound) else 0.0
        leg = last_heard_leg(orphan.name, orphan.last_write_at, length_s)
    verdict = _judged(orphan.name.kind, orphan.found, leg, killed=killed)
    id_ = await store.claim(tx, orphan.name, State.COMPLETE, leg.ended_at if leg else noticed_at)
    if id_ is None:
        return None  # its RecordingDone came in the meantime, in another transaction
    await store.settle(tx, id_, verdict, orphan.found, leg)
    return Recovered(id_, orphan.name, verdict.state, verdict.problem, verdict.gap)


def _orphan(spool: Path, name: SpoolName) -> _Orphan:
    path = spool / name.name
    # Before the repair, which is a write too.
    last_write_at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    return _Orphan(name, last_write_at, audio.examine(path))
