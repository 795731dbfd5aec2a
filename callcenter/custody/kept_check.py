"""What `callcenter verify` asks of recordings: in the spool as verified, or in the store as proved.

Sizes of all objects in both places, and the hash of some: the rolling check reads every byte once a quarter. What was
deleted is asked about in callcenter.custody.retention_check.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import RecordingId
from recordings import audio
from recordings.custody import rows
from recordings.custody.custody import Custody, Kept
from recordings.custody.ground import Ground
from recordings.custody.objects import NotThere, ObjectStore, StoreAway
from recordings.retention.rules import local_day

READABLE = (Custody.STORED, Custody.RECYCLED)
PAGE = 2_000
DAYS_HELD = 8
"""Listings of days that are remembered: recordings lie by day, and come in nearly the order of days."""
SAMPLE = 50
_UNKEPT = text("""
    SELECT r.id, r.path, r.sha256 FROM recording r
    WHERE r.state IN ('verified', 'repaired', 'suspect') AND r.sha256 IS NOT NULL AND r.delete_not_before > :today
    AND NOT EXISTS (SELECT FROM recording_object o WHERE o.recording_id = r.id AND o.custody <> 'prepared')
    ORDER BY r.id""")
_SAMPLE = text("""
    SELECT recording_id FROM recording_object WHERE custody IN ('stored', 'recycled')
    ORDER BY md5(name::text || :today) LIMIT :most""")


async def check(tx: AsyncConnection, spool: Path, custody: Ground | None, now: datetime, *, every: bool) -> list[str]:
    """One sentence a finding. every: the hash of every object, not of a sample; takes as long as reading the store."""
    # The stores may be asked for longer than a transaction may be idle.
    await tx.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    wrong = await _in_spool(tx, spool, now)
    if custody is None:
        return wrong
    try:
        for place in (custody.store, custody.copy):
            if place is not None:
                wrong += await _sizes(tx, place, copied=place is custody.copy)
        wrong += await _hashes(tx, custody.store, now, every)
    except StoreAway as error:
        wrong.append(f"the store does not answer, so recordings could not be checked: {error}")
    return wrong


async def _in_spool(tx: AsyncConnection, spool: Path, now: datetime) -> list[str]:
    """What only the spool has."""
    wrong: dict[RecordingId, str] = {}
    for id_, path, checksum in await tx.execute(_UNKEPT, {"today": local_day(now)}):
        if found := await asyncio.to_thread(_file_wrong, spool / path, checksum):
            wrong[RecordingId(id_)] = f"recording {path} {found}"
    # It may have gone into the store, and out of the spool, while we looked.
    kept = await rows.kept_of(tx, list(wrong))
    return [told for id_, told in wrong.items() if not (id_ in kept and kept[id_].readable)]


def _file_wrong(file: Path, checksum: str) -> str:
    try:
        return "" if audio.sha256(file) == checksum else "is not what was verified"
    except OSError:
        return "is gone before its time"


async def _sizes(tx: AsyncConnection, place: ObjectStore, *, copied: bool) -> list[str]:
    wrong: list[str] = []
    listed: OrderedDict[str, Mapping[str, int]] = OrderedDict()
    after = RecordingId(0)
    while page := await rows.page(tx, after, PAGE, READABLE):
        after = page[-1].recording_id
        for kept in page:
            if copied and kept.copied_at is None:
                continue
            there = await _listed(place, str(Path(kept.path).parent.parent), listed)
            if kept.sealed and there.get(kept.path) != kept.sealed.sealed_bytes:
                wrong += await _size_wrong(tx, place, kept)
    return wrong


async def _listed(place: ObjectStore, day: str, known: "OrderedDict[str, Mapping[str, int]]") -> Mapping[str, int]:
    if day not in known:
        known[day] = {path: size async for path, size in place.names(day)}
        if len(known) > DAYS_HELD:
            known.popitem(last=False)
    return known[day]


async def _size_wrong(tx: AsyncConnection, place: ObjectStore, before: Kept) -> Sequence[str]:
    """Asked again: it may be newer than the listing, or deleted by rule since."""
    kept = await rows.kept(tx, before.recording_id)
    if kept is None or not kept.readable or kept.sealed is None:
        return ()
    size, due = await place.size_of(kept.path), kept.sealed.sealed_bytes
    if size == due:
        return ()
    return [f"recording {kept.recording_id} has {size or 'no'} bytes in {place.url}, not {due}: {kept.path}"]


async def _hashes(tx: AsyncConnection, place: ObjectStore, now: datetime, every: bool) -> list[str]:
    wrong: list[str] = []
    if not every:
        found = await tx.execute(_SAMPLE, {"today": str(local_day(now)), "most": SAMPLE})
        kept = await rows.kept_of(tx, [RecordingId(one) for one in found.scalars()])
        return [told for one in kept.values() if (told := await _hash_wrong(place, one))]
    after = RecordingId(0)
    while page := await rows.page(tx, after, PAGE, READABLE):
        after = page[-1].recording_id
        wrong += [told for one in page if (told := await _hash_wrong(place, one))]
    return wrong


async def _hash_wrong(place: ObjectStore, kept: Kept) -> str:
    try:
        data = await place.read(kept.path)
    except NotThere:
        return ""  # its size was found wrong already
    if kept.sealed and hashlib.sha256(data).hexdigest() == kept.sealed.sealed_sha256:
        return ""
    return f"recording {kept.recording_id} is not what was stored: {kept.path}"
