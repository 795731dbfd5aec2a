"""Intake: from a file of the spool to a sealed object in two stores, proved; and the ciphers alone.

`python -m tests.bench intake`. The product's own jobs on a private PostgreSQL, with fsync, in this one process; CPU
is this process's, so "times real time" is of one core. PostgreSQL's own CPU is not in it.
"""

import asyncio
import io
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import text

from callcenter.custody.intake_work import IntakeWork
from callcenter.db import Database
from callcenter.jobs import Worker
from callcenter.stack import postgres
from callcenter.stack.stack import Stack, migrate_product
from recordings.custody.custody import Cipher, Codec
from recordings.custody.ground import Ground
from recordings.custody.keys import FileKeys, Kind, new_key
from recordings.custody.sealed import SealedFile, seal
from tests.support.custody import custody_for_tests
from tests.support.intake_run import announce, made
from tests.support.stack import new_folder

MIB = 1 << 20


def run(recordings: int = 300, cipher_mib: int = 64) -> dict[str, Any]:
    """Times real time and MB/s for each codec; MB/s of each cipher."""
    ciphers = {str(cipher): _cipher(cipher, cipher_mib) for cipher in Cipher}
    return {"recordings": recordings, "ciphers": ciphers, "codecs": asyncio.run(_codecs(recordings))}


def _cipher(cipher: Cipher, mib: int) -> dict[str, float]:
    kind = Kind.SM4 if cipher is Cipher.SM4_GCM else Kind.AES_256
    keys, plain = FileKeys((new_key("bench", kind),)), os.urandom(mib * MIB)
    began = time.process_time()
    data, _ = seal(io.BytesIO(plain), uuid4(), Codec.RAW, cipher, keys)
    sealed = time.process_time()
    file = io.BufferedReader(SealedFile(lambda at, size: data[at : at + size], len(data), keys), 1 << 16)
    while file.read(1 << 16):
        pass
    opened = time.process_time()
    return {
        "seal_mb_s": round(mib * 1.048576 / (sealed - began)),
        "open_mb_s": round(mib * 1.048576 / (opened - sealed)),
    }


async def _codecs(recordings: int) -> dict[str, Any]:
    stack = Stack(new_folder("bench-intake"))
    stack.open()
    try:
        await stack.postgres.boot()
        found: dict[str, Any] = {}
        for codec, count in ((Codec.FLAC, recordings), (Codec.OPUS, max(3, recordings // 10))):
            admin = Database(stack.postgres.url("postgres", postgres.OWNER))
            async with admin.engine.connect() as connection:
                alone = await connection.execution_options(isolation_level="AUTOCOMMIT")
                await alone.execute(text(f"CREATE DATABASE bench_{codec}"))
            await admin.close()
            url = stack.postgres.url(f"bench_{codec}", postgres.OWNER)
            await migrate_product(url)
            found[str(codec)] = await _codec(Database(url), codec, count)
        return found
    finally:
        await stack.remove()


async def _codec(db: Database, codec: Codec, count: int) -> dict[str, float]:
    folder = Path(tempfile.mkdtemp(prefix="callcenter-intake-"))
    try:
        ground = custody_for_tests(folder / "spool", codec=codec)
        files = list(made(ground.spool, count))
        audio_s = sum(file.seconds for file in files)
        await announce(db, ground.spool, files)
        wall, cpu = time.monotonic(), time.process_time()
        await _work(db, ground, count)
        wall, cpu = time.monotonic() - wall, time.process_time() - cpu
        stored = sum(path.stat().st_size for path in (folder / "store").rglob("*.ccr"))
        return {
            "recordings": count,
            "audio_h": round(audio_s / 3600, 2),
            "wall_s": round(wall, 1),
            "cpu_s": round(cpu, 1),
            "times_real_time_a_core": round(audio_s / cpu),
            "times_real_time": round(audio_s / wall),
            "spool_mb_s_a_core": round(audio_s * 16_000 / 1e6 / cpu, 1),
            "kib_a_minute": round(stored / 1024 / (audio_s / 60)),
        }
    finally:
        await db.close()
        shutil.rmtree(folder)


async def _work(db: Database, ground: Ground, count: int) -> None:
    worker = Worker(db.asyncpg_dsn, IntakeWork(db, ground).handlers())
    working = asyncio.ensure_future(worker.run())
    query = text("SELECT count(*) FROM recording_object WHERE spool_removed_at IS NOT NULL")
    cleared = 0
    while cleared < count and not working.done():
        await asyncio.sleep(0.1)
        async with db.transaction() as tx:
            cleared = int((await tx.execute(query)).scalar_one())
    worker.stop()
    await working
