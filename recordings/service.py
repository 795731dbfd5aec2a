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
    ForeignFile,
    Gap,
    Kind,
    Missing,
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
    parse_name,
    retention_floor,
    tolerance_s,
    unaccounted_s,
)

QUIET_S = 10.0
"""A file is looked at only when nothing was written to it for so long: Asterisk writes every two seconds."""


class NoSpool(Exception):
    """The folder of the recordings is not there; see that the disk is mounted and CALLCENTER_SPOOL is right."""


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
    if recording.state in SETTLED:
        return recording
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
    lost = await _unclaimed(tx, spool, noticed_at, alive, {leg.channel_id for leg in legs})
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


async def _unclaimed(
    tx: AsyncConnection,
    spool: Path,
    now: datetime,
    alive: Collection[ChannelId],
    over: Collection[ChannelId] = (),
) -> list[SpoolName]:
    files = await asyncio.to_thread(_files, spool)
    claimed = await store.claimed_paths(tx, list(files))
    free = [name for path, name in files.items() if name and path not in claimed and name.channel_id not in alive]
    return [name for name in free if name.channel_id in over or _is_quiet(spool / name.name, now)]


def _is_quiet(path: Path, now: datetime) -> bool:
    return path.is_file() and now.timestamp() - path.stat().st_mtime >= QUIET_S


def _files(spool: Path) -> dict[str, SpoolName | None]:
    """Every entry of the spool by name; None for what is not ours. Raises NoSpool."""
    try:
        entries = sorted(path.name for path in spool.iterdir())
    except OSError as error:
        raise NoSpool(f"the recording spool {spool} cannot be read: {error.strerror}") from error
    return {entry: _parsed(entry) for entry in entries}


def _parsed(entry: str) -> SpoolName | None:
    try:
        return parse_name(entry)
    except ForeignFile:
        return None


async def monitor(
    tx: AsyncConnection,
    spool: Path,
    legs: Sequence[AnsweredLeg],
    now: datetime,
    *,
    alive: Collection[ChannelId] = (),
) -> tuple[Missing, ...]:
    """Compares every answered second of every leg with audio and noted gaps; what cannot be accounted for.

    Also lists files in the spool that nobody has claimed (orphan) or that are not ours (foreign). Legs that ended
    within QUIET_S are left for the next run. Changes nothing; `account_for` notes what was found about legs, which is
    then not listed again.
    """
    calls = list({leg.call_id for leg in legs})
    rows = {(row.channel_id, row.kind): row for row in await store.recordings_of(tx, calls)}
    gaps = await store.gaps_of(tx, calls)
    ended = [leg for leg in legs if (now - leg.ended_at).total_seconds() >= QUIET_S]
    findings: list[Missing] = []
    for leg in ended:
        own = [gap for gap in gaps if gap.channel_id == leg.channel_id]
        finding = await asyncio.to_thread(_check_leg, spool, leg, rows.get((leg.channel_id, Kind.LEG)), own)
        if finding:
            findings.append(finding)
    return (*findings, *await _strangers(tx, spool, now, alive))


def _check_leg(spool: Path, leg: AnsweredLeg, row: Recording | None, gaps: Sequence[Gap]) -> Missing | None:
    path = row.path if row else ""
    problem, audio_s = _heard(spool, row) if row else (Problem.MISSING, 0.0)
    left_s = unaccounted_s(leg, audio_s, gaps)
    if left_s:
        return Missing(problem or Problem.SHORT, path, leg, audio_s, left_s)
    if problem is None and audio_s - leg.seconds > tolerance_s(leg.seconds):
        problem = Problem.LONG
    # What its row says already is on somebody's list; a gap explains the rest.
    known = row is not None and row.state in SETTLED and row.problem is problem
    if problem in (Problem.SILENT, Problem.LONG) and not known:
        return Missing(problem, path, leg, audio_s, 0.0)
    return None


def _heard(spool: Path, row: Recording) -> tuple[Problem | None, float]:
    """What is wrong with a leg's audio and how long it is; a file that changed since it was measured is unreadable."""
    path = spool / row.path
    if row.state in SETTLED and row.size_bytes and row.duration_s is not None:
        if not path.is_file():
            return Problem.MISSING, 0.0
        if path.stat().st_size != row.size_bytes:
            return Problem.UNREADABLE, 0.0
        return row.problem, row.duration_s
    found = audio.examine(path, repair=False)
    if isinstance(found, Unusable):
        return found.problem, 0.0
    return (Problem.SILENT if found.silent else None), found.duration_s


async def _strangers(
    tx: AsyncConnection, spool: Path, now: datetime, alive: Collection[ChannelId]
) -> tuple[Missing, ...]:
    orphans = await _unclaimed(tx, spool, now, alive)
    foreign = [entry for entry, name in (await asyncio.to_thread(_files, spool)).items() if name is None]
    return (
        *(Missing(Problem.ORPHAN, name.name, None, 0.0, 0.0) for name in orphans),
        *(Missing(Problem.FOREIGN, entry, None, 0.0, 0.0) for entry in foreign),
    )


async def account_for(tx: AsyncConnection, missing: Sequence[Missing]) -> None:
    """Notes what the monitor found: the gap, so that each answered second has audio or a cause, and the problem."""
    await store.note_gaps(tx, [finding.gap for finding in missing if finding.gap])
    for finding in missing:
        if finding.leg:
            await store.note_problem(tx, finding.leg.channel_id, finding.problem)


async def call_closed(tx: AsyncConnection, call_id: CallId, called_at: datetime, closed_at: datetime) -> None:
    """The ticket of a call was closed: its recordings are kept from the later of both. Never brings a date forward."""
    await store.keep_until(tx, call_id, retention_floor(called_at, closed_at))
