"""Kept recordings without an intake: a row, and a sealed object of known bytes in the store and the copy."""

import hashlib
import io
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.db import Database
from callcenter.tables import audit
from callcenter.types import Actor, RecordingId
from recordings.custody import rows
from recordings.custody.canary import require_proven
from recordings.custody.custody import Codec, Contents, Kept, SealedObject, WrappedKey, object_path
from recordings.custody.ground import Ground
from recordings.custody.keys import Kind, change_key_file, new_key
from recordings.custody.objects import ObjectStore
from recordings.custody.sealed import seal
from recordings.tables import recording

AT = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)


def words_of(number: int) -> bytes:
    """What recording `number` holds."""
    return hashlib.shake_128(str(number).encode()).digest(1000 + number)


async def prepared(tx: AsyncConnection, number: int, at: datetime = AT) -> Kept:
    """A recording whose name is decided; nothing is in the store."""
    values = {
        "call_id": f"a-1795000000.{number}",
        "channel_id": f"a-1795000000.{number}",
        "kind": "leg",
        "party": "citizen",
        "path": f"{number}.sln",
        "state": "verified",
        "delete_not_before": date(2029, 11, 23),
    }
    made = (await tx.execute(insert(recording).values(values).returning(recording.c.id))).scalar_one()
    name = uuid4()
    return await rows.prepare(tx, RecordingId(made), name, object_path(name, at), at)


async def kept_recording(tx: AsyncConnection, ground: Ground, number: int) -> Kept:
    """A stored one, sealed under the active key."""
    one = await prepared(tx, number)
    plain = words_of(number)
    sealed, key = seal(io.BytesIO(plain), one.name, Codec.RAW, ground.cipher, ground.keys)
    for place in (ground.store, ground.copy):
        if place is not None:
            await place.put_new(one.path, sealed)
    contents = Contents(Codec.RAW, 0, 0, 0, None, len(plain), b"")
    digest = hashlib.sha256(sealed).hexdigest()
    await rows.stored(tx, one.recording_id, contents, SealedObject(ground.cipher, key, len(sealed), digest), AT)
    found = await rows.kept(tx, one.recording_id)
    assert found is not None
    return found


WHO = Actor("user", "security1")


async def keep(db: Database, ground: Ground, count: int, first: int = 1) -> list[Kept]:
    """So many recordings, numbered from `first`."""
    async with db.transaction() as tx:
        return [await kept_recording(tx, ground, number) for number in range(first, first + count)]


async def prove(db: Database, ground: Ground) -> str:
    """The active key, proven."""
    async with db.transaction() as tx:
        return await require_proven(tx, ground)


async def audited(db: Database, action: str) -> Sequence[Any]:
    """Subject, ok and detail of every audit row of an action, in order."""
    async with db.transaction() as tx:
        query = select(audit.c.subject, audit.c.ok, audit.c.detail).where(audit.c.action == action)
        return (await tx.execute(query.order_by(audit.c.id))).all()


async def row_of(db: Database, one: Kept) -> Kept:
    """As the database has it now."""
    async with db.transaction() as tx:
        found = await rows.kept(tx, one.recording_id)
    assert found is not None
    return found


def key_of(one: Kept) -> WrappedKey:
    """Its wrapped key."""
    assert one.sealed is not None
    return one.sealed.key


async def objects(store: ObjectStore | None) -> dict[str, bytes]:
    """Everything in a store."""
    assert store is not None
    return {path: await store.read(path) async for path, _ in store.names()}


def add_key(key_file: Path, name: str, kind: Kind = Kind.AES_256) -> None:
    """A fresh key at the end of the file, by hand."""
    change_key_file(key_file, lambda keys: (*keys, new_key(name, kind)))
