"""The index of a week: every number that was given out, and the file it is in. Source: GZ-054 (以周为单位编号归档)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import PurePosixPath
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.archive import store
from callcenter.archive.checking import WEEK_FORMAT, gaps, week_name
from callcenter.archive.press import week_text
from callcenter.archive.store import PackageRow
from ticketing import tables
from ticketing.aftercare.archive_numbers import Week, archive_number
from ticketing.aftercare.tables import archive_week
from ticketing.clocks import at_local
from ticketing.policy import Rules

CLOSES_AT = time(0, 30)
"""Of Monday: half an hour after the week's last archiving can have begun, which is over within a minute."""


class NumberingBroken(Exception):
    """The numbers of a week are not 1 to the last, each once: rows of the archive are missing or were put in."""

    retryable = False


@dataclass(frozen=True, slots=True)
class Index:
    """What the index of a week will say. part: 0, or the number of the supplement."""

    week: Week
    part: int
    document: bytes

    @property
    def name(self) -> str:
        return week_name(week_text(self.week), self.part)


def closes_at(week: Week) -> datetime:
    """When the index of this week may be made, aware UTC."""
    return at_local(week.begins_on + timedelta(days=7), CLOSES_AT)


async def compose(tx: AsyncConnection, rules: Rules, week: Week) -> Index | None:
    """The week's index, or the next supplement to it; None when everything is listed. Raises NumberingBroken."""
    part = await store.parts_of(tx, week)
    fresh = await store.unlisted(tx, week)
    if part and not fresh:
        return None
    last, archived = await _last(tx, week), await _archived(tx, week)
    seqs = _seqs(rules, week, last)
    if part == 0:
        wrong = gaps([_seq(one["number"], seqs) for one in archived if one["number"]], last)
        if wrong:
            raise NumberingBroken(f"{week_text(week)}: {wrong}")
    made = {(one.ticket_id, one.round): one for one in fresh}
    entries = [_entry(one, made.get((one["ticket_id"], one["round"])), seqs) for one in archived]
    before = await store.newest_week(tx)
    said = {
        "format": WEEK_FORMAT,
        "week": week_text(week),
        "part": part,
        "last": last,
        "previous": {"name": PurePosixPath(before.path).stem, "sha256": before.sha256} if before else None,
        "packages": [one for one in entries if part == 0 or one["file"]],
    }
    return Index(week, part, (json.dumps(said, ensure_ascii=False, sort_keys=True, indent=1) + "\n").encode())


async def _last(tx: AsyncConnection, week: Week) -> int:
    mine = (archive_week.c.iso_year == week.iso_year, archive_week.c.iso_week == week.iso_week)
    return (await tx.execute(select(archive_week.c.last).where(*mine))).scalar_one_or_none() or 0


async def _archived(tx: AsyncConnection, week: Week) -> Sequence[Any]:
    table = tables.ticket_archive.c
    begins = at_local(week.begins_on, time.min)
    mine = (table.archived_at >= begins, table.archived_at < begins + timedelta(days=7))
    query = select(table.ticket_id, table.round, table.number).where(*mine)
    return (await tx.execute(query.order_by(table.archived_at, table.ticket_id, table.round))).mappings().all()


def _seqs(rules: Rules, week: Week, last: int) -> dict[str, int]:
    """Every number the policies in use could have given out in this week, and its place."""
    kinds = {one.numbering for one in rules.policies if one.numbering}
    return {archive_number(kind, week, seq): seq for kind in kinds for seq in range(1, last + 1)}


def _seq(number: str, seqs: dict[str, int]) -> int:
    # A number nobody could have given out is reported as one beyond the last.
    return seqs.get(number, 10**9)


def _entry(row: Any, made: PackageRow | None, seqs: dict[str, int]) -> dict[str, Any]:
    return {
        "seq": seqs.get(row["number"]) if row["number"] else None,
        "number": row["number"],
        "ticket": row["ticket_id"],
        "round": row["round"],
        "file": PurePosixPath(made.path).name if made else None,
        "sha256": made.sha256 if made else None,
        "size_bytes": made.size_bytes if made else None,
    }
