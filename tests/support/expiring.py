"""Kept recordings whose time comes, and the retention work of a database whose clock can be moved."""

import hashlib
import io
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.custody.retention_work import DELETE_JOB, RetentionWork
from callcenter.db import Database
from callcenter.job import Job
from callcenter.tables import audit
from callcenter.types import CallId, ChannelId, Party, RecordingId
from recordings.custody import rows
from recordings.custody.custody import Codec, Contents, Custody, Kept, SealedObject, WrappedKey, key_path, object_path
from recordings.custody.ground import Ground
from recordings.custody.sealed import seal
from recordings.custody.sidecar import sidecar
from recordings.recording import name_of
from recordings.retention.rules import retention_floor
from recordings.tables import recording


async def expiring(tx: AsyncConnection, ground: Ground, call: CallId, at: datetime, *, copied: bool = True) -> Kept:
    """A recording made at `at`, sealed and stored in both places with a rotated key beside it; kept by the floor."""
    name = name_of(call, Party.CITIZEN, ChannelId(f"{call}"))
    values = {
        "call_id": call,
        "channel_id": name.channel_id,
        "kind": name.kind,
        "party": name.party,
        "path": name.name,
        "state": "verified",
        "started_at": at,
        "created_at": at,
        "delete_not_before": retention_floor(at),
    }
    id_ = RecordingId((await tx.execute(insert(recording).values(values).returning(recording.c.id))).scalar_one())
    one = await rows.prepare(tx, id_, uuid4(), object_path(uuid4(), at), at)
    plain = hashlib.shake_128(name.name.encode()).digest(70_000)
    sealed, key = seal(io.BytesIO(plain), one.name, Codec.RAW, ground.cipher, ground.keys)
    for place in (ground.store, ground.copy if copied else None):
        if place is not None:
            await place.put_new(one.path, sealed)
            await place.put_new(key_path(one.path, "old"), sidecar(one.name, WrappedKey("old", key.wrapped)))
    contents = Contents(Codec.RAW, 0, 0, 0, None, len(plain), b"")
    await rows.stored(tx, id_, contents, SealedObject(ground.cipher, key, len(sealed), _sha(sealed)), at)
    if copied:
        await rows.copied(tx, id_, at)
    return await _there(tx, id_)


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def _there(tx: AsyncConnection, id_: RecordingId) -> Kept:
    found = await rows.kept(tx, id_)
    assert found is not None
    return found


async def custody_of(db: Database, id_: RecordingId) -> Custody:
    """Where it stands now."""
    async with db.transaction() as tx:
        return (await _there(tx, id_)).custody


async def lies(ground: Ground, path: str) -> list[str]:
    """Everything of one recording in both stores: object, keys beside it, marks."""
    there: list[str] = []
    for place in (ground.store, ground.copy):
        if place is not None:
            there += [name async for name, _ in place.names() if name.startswith(path)]
    return there


async def ordered(db: Database) -> Sequence[RecordingId]:
    """Recordings whose deletion waits in the queue."""
    query = text("SELECT payload FROM pgqueuer WHERE entrypoint = :kind ORDER BY id")
    async with db.transaction() as tx:
        bodies = (await tx.execute(query, {"kind": DELETE_JOB})).scalars().all()
    return [RecordingId(int(str(deletion(body).payload["recording"]))) for body in bodies]


def deletion(body: bytes, tries: int = 1) -> Job:
    """A job as the worker gives it."""
    return Job(1, DELETE_JOB, "", body, tries)


async def run_deletions(work: RetentionWork, db: Database, *only: RecordingId) -> int:
    """What the worker would do: every waiting deletion once; a job that fails stays. Returns how many were done.

    only: these, for the same database may have been used with other stores before.
    """
    query = text("SELECT id, payload FROM pgqueuer WHERE entrypoint = :kind ORDER BY id")
    async with db.transaction() as tx:
        waiting = (await tx.execute(query, {"kind": DELETE_JOB})).all()
    mine = [row for row in waiting if not only or deletion(row.payload).payload["recording"] in only]
    for row in mine:
        await work.delete(deletion(row.payload))
        async with db.transaction() as tx:
            await tx.execute(text("DELETE FROM pgqueuer WHERE id = :id"), {"id": row.id})
    return len(mine)


async def audited(db: Database, action: str) -> Sequence[Any]:
    """Subject, ok and detail of every row of an action, in order."""
    async with db.transaction() as tx:
        query = select(audit.c.actor, audit.c.subject, audit.c.ok, audit.c.detail).where(audit.c.action == action)
        return (await tx.execute(query.order_by(audit.c.id))).all()
