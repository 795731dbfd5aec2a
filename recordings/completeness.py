"""Every answered second of every leg is audio (kept, or in the spool) or a gap with a cause. Never commits.

`take_account` looks at legs that are over, notes what is missing as a gap, keeps the findings and writes the account
of each leg; `look_again` follows those whose only audio lies in the spool, until the store has it.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import CallId, ChannelId, Party
from recordings import audio, findings, store
from recordings.accounting import FileFinding, Heard, LegAccount, Place, account, day_of, whole_gap
from recordings.completeness_tables import leg_account, recording_pause
from recordings.custody.custody import Custody
from recordings.custody.tables import recording_object
from recordings.recording import SETTLED, AnsweredLeg, Gap, Kind, Missing, Problem, State, Unusable
from recordings.spool import QUIET_S, SpoolFile, looked, unclaimed
from recordings.storage import PAUSE_HOLDS_S
from recordings.tables import recording

_R, _O, _A = recording.c, recording_object.c, leg_account.c
KEPT = frozenset({Custody.STORED, Custody.RECYCLED, Custody.DELETED})
RINGS_S = 30.0
"""A call-back has its id before the agent's telephone rings."""


@dataclass(frozen=True, slots=True)
class _Row:
    """What the tables say of a leg's recording."""

    path: str
    state: State
    problem: Problem | None
    size_bytes: int | None
    duration_s: float | None
    kept_s: float | None
    """Length of the audio in the store; None while the spool has it."""


async def accounts_of(tx: AsyncConnection, spool: Path, legs: Sequence[AnsweredLeg]) -> tuple[LegAccount, ...]:
    """Each of these legs judged; changes nothing. At most a thousand at a time."""
    judged = {one.leg.channel_id: one for one in await _judged(tx, spool, legs)}
    # A file may have gone into the store, and out of the spool, since its row was read: the row says so by now.
    doubtful = [one.leg for one in judged.values() if one.problem or one.missing]
    judged |= {one.leg.channel_id: one for one in await _judged(tx, spool, doubtful)}
    return tuple(judged.values())


async def _judged(tx: AsyncConnection, spool: Path, legs: Sequence[AnsweredLeg]) -> list[LegAccount]:
    rows, gaps = await _rows(tx, legs), await _gaps(tx, legs)
    heard = await asyncio.to_thread(_heard_all, spool, [(leg, rows.get(leg.channel_id)) for leg in legs])
    return [account(leg, one, gaps.get(leg.channel_id, ())) for leg, one in zip(legs, heard, strict=True)]


async def _rows(tx: AsyncConnection, legs: Sequence[AnsweredLeg]) -> Mapping[ChannelId, _Row]:
    if not legs:
        return {}
    query = (
        select(recording, _O.custody, _O.frames, _O.sample_rate.label("kept_rate"))
        .outerjoin(recording_object, _O.recording_id == _R.id)
        .where(_R.channel_id.in_([leg.channel_id for leg in legs]), _R.kind == Kind.LEG)
    )
    return {ChannelId(row.channel_id): _row(row) for row in await tx.execute(query)}


def _row(row: Any) -> _Row:
    problem = Problem(row.problem) if row.problem else None
    kept_s = None
    if row.custody in KEPT:
        kept_s = row.frames / row.kept_rate if row.frames and row.kept_rate else 0.0
    return _Row(row.path, State(row.state), problem, row.size_bytes, row.duration_s, kept_s)


async def _gaps(tx: AsyncConnection, legs: Sequence[AnsweredLeg]) -> Mapping[ChannelId, list[Gap]]:
    found: dict[ChannelId, list[Gap]] = {}
    for gap in await store.gaps_of(tx, list({leg.call_id for leg in legs})):
        found.setdefault(gap.channel_id, []).append(gap)
    return found


def _heard_all(spool: Path, wanted: Sequence[tuple[AnsweredLeg, _Row | None]]) -> list[Heard]:
    return [_heard(spool, row) if row else Heard(Place.NOWHERE, 0.0, Problem.MISSING) for _, row in wanted]


def _heard(spool: Path, row: _Row) -> Heard:
    """What there is of a leg; a file that changed since it was measured is unreadable. Blocking."""
    known, path = row.state in SETTLED, spool / row.path
    if row.kept_s is not None:
        problem = row.problem or (None if row.kept_s else Problem.UNREADABLE)
        return Heard(Place.KEPT, row.kept_s, problem, row.path, known)
    if known and row.size_bytes and row.duration_s is not None:
        if not path.is_file():
            return Heard(Place.NOWHERE, 0.0, Problem.MISSING, row.path)
        if path.stat().st_size != row.size_bytes:
            return Heard(Place.SPOOL, 0.0, Problem.UNREADABLE, row.path)
        return Heard(Place.SPOOL, row.duration_s, row.problem, row.path, known)
    found = audio.examine(path, repair=False)
    if isinstance(found, Unusable):
        place = Place.NOWHERE if found.problem is Problem.MISSING else Place.SPOOL
        return Heard(place, 0.0, found.problem, row.path, known and found.problem is row.problem)
    problem = Problem.SILENT if found.silent else None
    return Heard(Place.SPOOL, found.duration_s, problem, row.path, known and problem is row.problem)


# ---- accounts that are kept --------------------------------------------------------------------------------------


async def take_account(
    tx: AsyncConnection, spool: Path, legs: Sequence[AnsweredLeg], now: datetime
) -> tuple[LegAccount, ...]:
    """Looks at these legs, which are over, and writes what was found: gaps, findings, accounts. At most a thousand."""
    accounts = await _explained(tx, await accounts_of(tx, spool, legs))
    await account_for(tx, [one.missing for one in accounts if one.missing])
    await findings.see_legs(tx, accounts, now)
    await _write(tx, accounts, now)
    return accounts


async def look_again(
    tx: AsyncConnection, spool: Path, legs: Sequence[AnsweredLeg], now: datetime
) -> tuple[LegAccount, ...]:
    """The same for legs that have an account and whose audio was only in the spool; returns what has changed."""
    rows = await _rows(tx, legs)
    unsettled = {
        leg.channel_id for leg in legs if (row := rows.get(leg.channel_id)) and not _is_worth_a_look(spool, row)
    }
    accounts = await accounts_of(tx, spool, [leg for leg in legs if leg.channel_id not in unsettled])
    await account_for(tx, [one.missing for one in accounts if one.missing])
    await findings.see_legs(tx, accounts, now)
    changed = tuple(one for one in accounts if one.missing or one.heard.place is not Place.SPOOL)
    await _write(tx, changed, now)
    return changed


def _is_worth_a_look(spool: Path, row: _Row) -> bool:
    # Measured once already; until it is verified its file need not be read again at every turn.
    return row.kept_s is not None or row.state in SETTLED or not (spool / row.path).is_file()


async def open_legs(tx: AsyncConnection, after: str, limit: int) -> tuple[AnsweredLeg, ...]:
    """Legs whose audio only the spool has, by channel id after `after`."""
    wanted = select(leg_account).where(_A.place == Place.SPOOL, _A.channel_id > after).order_by(_A.channel_id)
    return tuple(
        AnsweredLeg(CallId(r.call_id), ChannelId(r.channel_id), Party(r.party), r.answered_at, r.ended_at)
        for r in await tx.execute(wanted.limit(limit))
    )


async def _explained(tx: AsyncConnection, accounts: Sequence[LegAccount]) -> tuple[LegAccount, ...]:
    """Legs without any trace that were answered while nothing was recorded: not lost but 未录音."""
    traceless = [one for one in accounts if one.missing and one.problem is Problem.MISSING and not one.heard.path]
    if not traceless:
        return tuple(accounts)
    first_s = min(_began_s(one.leg) for one in traceless)
    pauses = await _pauses(tx, datetime.fromtimestamp(first_s - PAUSE_HOLDS_S, UTC))
    paused = {one.leg.channel_id: one for one in traceless if _in_pause(one.leg, pauses)}
    gaps = [whole_gap(one.leg) for one in paused.values()]
    await store.note_gaps(tx, gaps)
    again = {gap.channel_id: account(paused[gap.channel_id].leg, paused[gap.channel_id].heard, [gap]) for gap in gaps}
    return tuple(again.get(one.leg.channel_id, one) for one in accounts)


async def _pauses(tx: AsyncConnection, since: datetime) -> list[tuple[str, float, float]]:
    """(node, from, until) in epoch seconds of the pauses that reached after `since`."""
    p = recording_pause.c
    query = select(p.node, p.from_at, p.until_at).where(p.until_at.is_(None) | (p.until_at >= since))
    return [
        (row.node, row.from_at.timestamp(), row.until_at.timestamp() if row.until_at else float("inf"))
        for row in await tx.execute(query)
    ]


def _in_pause(leg: AnsweredLeg, pauses: Sequence[tuple[str, float, float]]) -> bool:
    # The first leg decided for the whole call: when it began, or, called back, within the agent's ringing.
    node, began_s, answered_s = leg.call_id.partition("-")[0], _began_s(leg), leg.answered_at.timestamp()
    return any(
        node == where and begins - RINGS_S <= began_s <= ends + PAUSE_HOLDS_S and begins <= answered_s
        for where, begins, ends in pauses
    )


def _began_s(leg: AnsweredLeg) -> float:
    """When the call began: its id says so, in epoch seconds."""
    return float(leg.call_id.partition("-")[2])


async def account_for(tx: AsyncConnection, missing: Sequence[Missing]) -> None:
    """Notes what is missing: the gap, so that each answered second has audio or a cause, and the problem."""
    await store.note_gaps(tx, [finding.gap for finding in missing if finding.gap])
    for finding in missing:
        if finding.leg:
            await store.note_problem(tx, finding.leg.channel_id, finding.problem)


async def _write(tx: AsyncConnection, accounts: Sequence[LegAccount], now: datetime) -> None:
    if not accounts:
        return
    row = insert(leg_account)
    new = {name: row.excluded[name] for name in ("audio_s", "gap_s", "place", "looked_at")}
    statement = row.on_conflict_do_update(index_elements=[_A.channel_id], set_=new)
    await tx.execute(statement, [_account_row(one, now) for one in accounts])


def _account_row(one: LegAccount, now: datetime) -> dict[str, Any]:
    leg = one.leg
    return {
        "channel_id": leg.channel_id,
        "call_id": leg.call_id,
        "party": leg.party,
        "day": day_of(leg.answered_at),
        "answered_at": leg.answered_at,
        "ended_at": leg.ended_at,
        "answered_s": leg.seconds,
        "audio_s": one.audio_s,
        "gap_s": one.all_gap_s,
        "place": one.heard.place,
        "looked_at": now,
    }


# ---- files that belong to nobody ---------------------------------------------------------------------------------


async def strangers(
    tx: AsyncConnection, files: Mapping[str, SpoolFile], now: datetime, alive: Collection[ChannelId]
) -> tuple[FileFinding, ...]:
    """Files nobody has claimed (orphan) and such that are not ours (foreign); nothing is ever done to them."""
    orphans = await unclaimed(tx, files, now.timestamp(), alive)
    return (
        *(FileFinding(Problem.ORPHAN, one.name, one.call_id) for one in orphans),
        *(FileFinding(Problem.FOREIGN, entry) for entry, file in files.items() if file.name is None),
    )


async def monitor(
    tx: AsyncConnection,
    spool: Path,
    legs: Sequence[AnsweredLeg],
    now: datetime,
    *,
    alive: Collection[ChannelId] = (),
) -> tuple[Missing, ...]:
    """What cannot be accounted for, of these legs and of the spool; changes nothing. Raises NoSpool.

    Legs that ended within QUIET_S are left for the next run. What `account_for` has noted is not listed again.
    """
    ended = [leg for leg in legs if (now - leg.ended_at).total_seconds() >= QUIET_S]
    missing = [one.missing for one in await accounts_of(tx, spool, ended) if one.missing]
    lost = await strangers(tx, await looked(spool), now, alive)
    return (*missing, *(Missing(one.problem, one.name, None, 0.0, 0.0) for one in lost))
