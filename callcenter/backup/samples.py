"""The recordings' part of a drill: the store against its inventory, a random sample opened from the second place."""

import asyncio
import io
import json
from collections.abc import AsyncIterator

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.backup.base import inventory
from callcenter.backup.folder import BackupFolder
from callcenter.types import RecordingId
from recordings.custody import rows
from recordings.custody.codec import NotLike, measured
from recordings.custody.custody import Codec, Custody, Kept
from recordings.custody.ground import Ground
from recordings.custody.keys import KeyProvider, KeyUnknown, KeyWrong
from recordings.custody.objects import NotThere, StoreAway
from recordings.custody.sealed import Damaged, NotSealed, OtherFile
from recordings.custody.tables import recording_object

PAGE = 5_000
MOST = 50
"""Findings of one kind that are told."""
READABLE = (Custody.STORED, Custody.RECYCLED)
_C = recording_object.c


async def inventory_lines(tx: AsyncConnection) -> list[str]:
    """What the store holds, one JSON line an object: for the backup to keep beside the database."""
    return [
        json.dumps({"path": one.path, "bytes": one.sealed.sealed_bytes, "sha256": one.sealed.sealed_sha256})
        async for one in _every(tx)
        if one.sealed is not None
    ]


async def _every(tx: AsyncConnection) -> AsyncIterator[Kept]:
    after = RecordingId(0)
    while page := await rows.page(tx, after, PAGE, READABLE):
        for one in page:
            yield one
        after = page[-1].recording_id


async def store_findings(
    tx: AsyncConnection, custody: Ground, folder: BackupFolder, stamp: str, backup_keys: KeyProvider, sample: int
) -> tuple[int, list[str]]:
    """How many recordings were opened, and what is wrong. tx: of the restored database.

    That every object it knows lies in both places is an invariant's to say (I6); here the other way round, and a
    sample read to its end: in the second place, in the store what is not copied yet.
    """
    lines = await asyncio.to_thread(lambda: list(inventory(folder, stamp, backup_keys)))
    opened, damaged = await _sampled(tx, custody, sample)
    return opened, await _forgotten(tx, lines) + damaged


async def _forgotten(tx: AsyncConnection, lines: list[str]) -> list[str]:
    """Objects of the inventory that the restored database does not know: rows were lost."""
    paths = [str(json.loads(line)["path"]) for line in lines]
    wrong: list[str] = []
    for start in range(0, len(paths), PAGE):
        page = paths[start : start + PAGE]
        known = set((await tx.execute(select(_C.path).where(_C.path.in_(page)))).scalars())
        wrong += [
            f"{path} was in the store at the backup; the restored database has no row of it"
            for path in page
            if path not in known
        ]
    return wrong[:MOST]


async def _sampled(tx: AsyncConnection, custody: Ground, sample: int) -> tuple[int, list[str]]:
    query = select(_C.recording_id).where(_C.custody.in_(READABLE)).order_by(func.random()).limit(sample)
    ids = [RecordingId(one) for one in (await tx.execute(query)).scalars()]
    found = await rows.kept_of(tx, ids)
    wrong: list[str] = []
    for one in found.values():
        try:
            await asyncio.to_thread(_open, custody, one)
        except (StoreAway, NotThere, NotSealed, OtherFile, Damaged, NotLike, KeyUnknown, KeyWrong) as error:
            wrong.append(f"recording {one.recording_id} does not open: {type(error).__name__} {error}")
    return len(found) - len(wrong), wrong


def _open(custody: Ground, kept: Kept) -> None:
    """Reads it to its end: every chunk is authenticated, and the samples are those that were recorded. Blocking."""
    opened = custody.open(kept, from_copy=custody.copy is not None and kept.copied_at is not None)
    said = kept.contents
    if said is None or opened.size_bytes != said.plain_bytes:
        raise NotLike(f"{opened.size_bytes} bytes")
    if said.codec is Codec.RAW:
        while opened.read(1 << 20):
            pass
        return
    found = measured(io.BufferedReader(opened))
    if (found.frames, found.channels) != (said.frames, said.channels):
        raise NotLike(f"{found.frames} samples, not {said.frames}")
    # Of a lossy copy the samples are others; its length and every chunk were looked at.
    if said.codec is Codec.FLAC and found.samples_sha256 != said.samples_sha256:
        raise NotLike("other samples")
