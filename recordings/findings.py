"""Rows of `recording_finding`: what is wrong with recordings and with the spool, since when, until when."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import String, all_, any_, func, select, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import literal

from callcenter.types import CallId, Party
from recordings.accounting import FileFinding, LegAccount
from recordings.completeness_tables import recording_finding
from recordings.recording import Problem

_F = recording_finding.c
BY_ITSELF = "itself"
"""Who closed a finding whose reason went away."""
SEEN_EVERY = timedelta(minutes=1)
"""How exact `last_seen` is; a row is not rewritten at every look."""
MOST_FILES = 1_000
"""Files that belong to nobody and get a row; whoever unpacks an archive into the spool is told by the first ones."""


class NoFinding(LookupError):
    """There is no finding with this number."""


class StillThere(Exception):
    """The file is still in the spool; the finding ends by itself when it is gone."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One row. subject: channel id of the leg, or name of the file. Aware UTC."""

    id: int
    kind: Problem
    subject: str
    is_file: bool
    call_id: CallId | None
    party: Party | None
    path: str
    answered_s: float | None
    audio_s: float | None
    first_seen: datetime
    last_seen: datetime
    resolved_at: datetime | None
    resolved_by: str | None
    note: str


async def see_legs(tx: AsyncConnection, accounts: Sequence[LegAccount], now: datetime) -> None:
    """What was found about legs: a problem is kept open, one that is gone is closed."""
    wrong = [_leg_row(one, one.problem, now) for one in accounts if one.problem]
    known = await _seen_to(tx, wrong)
    await _keep(tx, [row for row in wrong if (row["subject"], row["kind"]) not in known])
    right = [one.leg.channel_id for one in accounts if not one.problem]
    own = ~_F.is_file & (_F.subject == any_(_texts(right)))
    await _close(tx, own, now)


async def _seen_to(tx: AsyncConnection, rows: Sequence[dict[str, Any]]) -> set[tuple[str, str]]:
    """(subject, kind) of these that a person has closed: what they know is not told them again."""
    subjects = _F.subject == any_(_texts([row["subject"] for row in rows]))
    closed = select(_F.subject, _F.kind).where(~_F.is_file, subjects, _F.resolved_by != BY_ITSELF)
    return {(row.subject, row.kind) for row in await tx.execute(closed)} if rows else set()


async def see_files(tx: AsyncConnection, found: Sequence[FileFinding], now: datetime) -> None:
    """Every file that belongs to nobody now; findings of others are closed."""
    listed = found[:MOST_FILES]
    await _keep(tx, [_file_row(one, now) for one in listed])
    names = [one.name for one in listed]
    await _close(tx, _F.is_file & (_F.subject != all_(_texts(names))), now)


async def _keep(tx: AsyncConnection, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    row = insert(recording_finding)
    new = {name: row.excluded[name] for name in ("kind", "last_seen", "answered_s", "audio_s", "path")}
    stale = (_F.last_seen <= row.excluded.last_seen - SEEN_EVERY) | (_F.kind != row.excluded.kind)
    statement = row.on_conflict_do_update(
        index_elements=[_F.is_file, _F.subject], index_where=_F.resolved_at.is_(None), set_=new, where=stale
    )
    await tx.execute(statement, rows)


async def _close(tx: AsyncConnection, which: Any, now: datetime) -> None:
    done = update(recording_finding).where(which, _F.resolved_at.is_(None))
    await tx.execute(done.values(resolved_at=now, resolved_by=BY_ITSELF))


def _texts(values: Collection[str]) -> Any:
    return literal(list(values), ARRAY(String))


def _leg_row(account: LegAccount, kind: Problem | None, now: datetime) -> dict[str, Any]:
    leg = account.leg
    return {
        "kind": kind,
        "subject": leg.channel_id,
        "is_file": False,
        "call_id": leg.call_id,
        "party": leg.party,
        "path": account.heard.path,
        "answered_s": leg.seconds,
        "audio_s": account.heard.seconds,
        "first_seen": now,
        "last_seen": now,
    }


def _file_row(file: FileFinding, now: datetime) -> dict[str, Any]:
    blank: dict[str, Any] = {"party": None, "answered_s": None, "audio_s": None}
    own = {"kind": file.problem, "subject": file.name, "is_file": True, "call_id": file.call_id, "path": file.name}
    return {**own, **blank, "first_seen": now, "last_seen": now}


async def listed(
    tx: AsyncConnection, *, open_only: bool = True, before: int | None = None, limit: int = 100
) -> tuple[Finding, ...]:
    """Findings, the newest first. before: the smallest id of the page before."""
    wanted = select(recording_finding).order_by(_F.id.desc()).limit(limit)
    if open_only:
        wanted = wanted.where(_F.resolved_at.is_(None))
    if before is not None:
        wanted = wanted.where(_F.id < before)
    return tuple(_finding(row) for row in await tx.execute(wanted))


async def open_by_kind(tx: AsyncConnection) -> dict[Problem, int]:
    """How many are open of each kind; kinds without any are absent."""
    counted = select(_F.kind, func.count()).where(_F.resolved_at.is_(None)).group_by(_F.kind)
    return {Problem(kind): count for kind, count in await tx.execute(counted)}


async def close(tx: AsyncConnection, id_: int, who: str, note: str, now: datetime) -> Finding:
    """A person has looked into what is wrong with a leg. Closing twice changes nothing. Raises NoFinding, StillThere.

    The gap and the recording's state stay as they are.
    """
    own = _F.id == id_
    row = (await tx.execute(select(recording_finding).where(own).with_for_update())).one_or_none()
    if row is None:
        raise NoFinding(id_)
    if row.resolved_at is not None:
        return _finding(row)
    if row.is_file:
        raise StillThere(row.subject)
    done = update(recording_finding).where(own).values(resolved_at=now, resolved_by=who, note=note)
    return _finding((await tx.execute(done.returning(*recording_finding.c))).one())


def _finding(row: Any) -> Finding:
    return Finding(
        id=row.id,
        kind=Problem(row.kind),
        subject=row.subject,
        is_file=row.is_file,
        call_id=CallId(row.call_id) if row.call_id else None,
        party=Party(row.party) if row.party else None,
        path=row.path,
        answered_s=row.answered_s,
        audio_s=row.audio_s,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        resolved_at=row.resolved_at,
        resolved_by=row.resolved_by,
        note=row.note,
    )
