"""Seeking in an hour of a sealed recording over HTTP, by a program and by ffmpeg; memory while all of it is streamed.

`python -m tests.bench playback`. The recording is kept as intake keeps it; the API is a process of its own on a
private PostgreSQL. A seek is a request with a Range at a place nobody asked for before, until its first 64 KiB are
there; ffmpeg (`-ss` in the middle, one second) is a player that is started for it; Chromium, where there is one, is a
person who clicks into the middle: from setting `currentTime` of a real <audio> until it has sound there to play.
"""

import asyncio
import ctypes
import hashlib
import json
import multiprocessing
import random
import re
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import numpy as np
from sqlalchemy import insert

from callcenter import accounts
from callcenter.db import Database
from callcenter.migrations import upgrade
from callcenter.types import CallId, ChannelId, Party, RecordingId
from callcenter.web.context import COOKIE
from recordings import tables
from recordings.custody import rows
from recordings.custody.custody import Codec
from recordings.recording import Kind, State, name_of
from tests.bench import browser
from tests.support.listening import RATE, keep, speech
from tests.support.stack import postgres_for_tests
from tests.support.web import CALL_ID, serving, with_call, with_people

SECONDS = 3_600
SEEKS = 300
FFMPEG_SEEKS = 10
FIRST_BYTES = 64 * 1024
KINDS = ("spool", "flac", "opus")


def run(seconds: int = SECONDS, seeks: int = SEEKS, ffmpeg_seeks: int = FFMPEG_SEEKS) -> dict[str, Any]:
    """By kind (plain file in the spool, sealed FLAC, sealed Opus): ms of a seek, ffmpeg's ms, MiB grown, times real
    time of a full stream."""
    return asyncio.run(_run(seconds, seeks, ffmpeg_seeks))


async def _run(seconds: int, seeks: int, ffmpeg_seeks: int) -> dict[str, Any]:
    async with postgres_for_tests() as server:
        admin = await asyncpg.connect(server.admin_dsn)
        await admin.execute("CREATE DATABASE bench_playback")
        await admin.close()
        database = Database(server.dsn("bench_playback"))
        await upgrade(database)
        await database.close()
        async with _api(server.dsn("bench_playback"), seconds) as (port, token, ids, pid):
            alone = [await _timed("ffmpeg", "-version") for _ in range(ffmpeg_seeks)]
            result: dict[str, Any] = {"seconds": seconds, "ffmpeg_alone_p50_ms": _at(alone, 0.5)}
            for kind in KINDS:
                url = f"http://127.0.0.1:{port}/api/recordings/{ids[kind]}/audio"
                result[kind] = await _measure(url, token, seconds, seeks, ffmpeg_seeks, pid)
            return result


async def _measure(url: str, token: str, seconds: int, seeks: int, ffmpeg_seeks: int, pid: int) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"}
    clicks = await _clicks(url, token, seconds, seeks // 5)
    async with aiohttp.ClientSession(headers=headers) as http:
        await _seek(http, url, 0)
        chance = random.Random(1)
        last = seconds * RATE * 2 - FIRST_BYTES
        took = [await _seek(http, url, chance.randrange(44, last)) for _ in range(seeks)]
        players = [await _ffmpeg(url, token, seconds * (n + 1) / (ffmpeg_seeks + 1)) for n in range(ffmpeg_seeks)]
        before = _memory_mib(pid)
        began, most = time.monotonic(), before
        async with http.get(url) as response:
            async for _ in response.content.iter_chunked(1 << 20):
                most = max(most, _memory_mib(pid))
        stream_s = time.monotonic() - began
    return {
        "seek_p50_ms": _at(took, 0.5),
        "seek_p99_ms": _at(took, 0.99),
        "browser_p50_ms": _at(clicks, 0.5),
        "browser_p99_ms": _at(clicks, 0.99),
        "ffmpeg_p50_ms": _at(players, 0.5),
        "ffmpeg_p99_ms": _at(players, 0.99),
        "memory_before_mib": round(before, 1),
        "memory_grown_mib": round(most - before, 1),
        "stream_times_real_time": round(seconds / stream_s),
    }


async def _seek(http: aiohttp.ClientSession, url: str, at: int) -> float:
    """Seconds until the first 64 KiB from `at` are there; the rest of the hour is asked for and not waited for."""
    began = time.monotonic()
    async with http.get(url, headers={"Range": f"bytes={at}-"}) as response:
        await response.content.readexactly(FIRST_BYTES)
        took_s = time.monotonic() - began
        assert response.status == 206
        response.close()
    return took_s


CLICK = """
const sound = new Audio({url}); sound.preload = 'metadata';
await new Promise((good, bad) => {{ sound.onloadedmetadata = good; sound.onerror = () => bad(sound.error.message); }});
const took = [];
for (const at of {places}) {{
    const began = performance.now();
    const there = new Promise(good => sound.addEventListener('seeked', good, {{once: true}}));
    sound.currentTime = at; await there;
    while (sound.readyState < 3) await new Promise(good => setTimeout(good, 1));
    took.push((performance.now() - began) / 1000);
}}
return [sound.duration, took];
"""


async def _clicks(url: str, token: str, seconds: int, count: int) -> list[float]:
    """Seconds from each click to sound, in a real browser; none where there is no Chromium."""
    chromium = browser.program()
    if chromium is None:
        return []
    chance = random.Random(2)
    places = [chance.uniform(0, seconds - 2) for _ in range(count)]
    async with browser.page(chromium) as page:
        origin = url.partition("/api/")[0]
        await page.say("Network.setCookie", name=COOKIE, value=token, url=origin)
        await page.say("Page.navigate", url=f"{origin}/livez")
        async with asyncio.timeout(30):
            while await page.run("return location.pathname + document.readyState") != "/livezcomplete":
                await asyncio.sleep(0.05)
        duration, took = await page.run(CLICK.format(url=json.dumps(url), places=json.dumps(places)))
    assert abs(duration - seconds) < 1, f"the browser thinks it lasts {duration} s"
    return [float(one) for one in took]


async def _ffmpeg(url: str, token: str, at_s: float) -> float:
    """Wall seconds of a player that starts, opens, seeks, and hears one second."""
    command = ["ffmpeg", "-nostdin", "-v", "error", "-headers", f"Authorization: Bearer {token}\r\n"]
    command += ["-ss", f"{at_s:.3f}", "-t", "1", "-i", url, "-f", "s16le", "pipe:1"]
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    heard, _ = await process.communicate()
    took_s = time.monotonic() - began
    assert len(heard) == 2 * RATE, f"ffmpeg heard {len(heard)} bytes"
    return took_s


async def _timed(*argv: str) -> float:
    """Wall seconds of a program that does nothing else."""
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(*argv, stdout=asyncio.subprocess.DEVNULL)
    await process.wait()
    return time.monotonic() - began


def _memory_mib(pid: int) -> float:
    """Resident memory of a process."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def _at(times: list[float], share: float) -> float:
    ordered = sorted(times) or [0.0]
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 1)


@asynccontextmanager
async def _api(dsn: str, seconds: int) -> AsyncIterator[tuple[int, str, dict[str, int], int]]:
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs, dsn, seconds))
    process.start()
    theirs.close()  # so that a child that dies is an EOFError here, not a wait for ever
    told = await asyncio.to_thread(ours.recv)
    try:
        yield *told, process.pid
    finally:
        ours.send("stop")
        await asyncio.to_thread(process.join)


def _serve(pipe: Connection, dsn: str, seconds: int) -> None:
    async def serve() -> None:
        database = Database(dsn, pool_size=16)
        with tempfile.TemporaryDirectory() as folder:
            async with serving(database, Path(folder) / "spool") as web:
                await with_call(await with_people(web))
                said = np.resize(speech(300.0), seconds * RATE).tobytes()
                ids = {kind: await _recorded(web, kind, n, said) for n, kind in enumerate(KINDS)}
                del said
                # What making the hour took is given back, so that it hides nothing of what streaming takes.
                ctypes.CDLL("libc.so.6").malloc_trim(0)
                async with database.transaction() as tx:
                    token = await accounts.open_session(tx, web.ids["agent"], datetime.now(UTC))
                pipe.send((web.client.port, token, ids))
                await asyncio.to_thread(pipe.recv)
        await database.close()

    asyncio.run(serve())


async def _recorded(web: Any, kind: str, number: int, said: bytes) -> int:
    """The hour in the spool, or in the store in the codec `kind`; the id of its recording."""
    channel = ChannelId(f"a-1763800000.{12 + number}")
    name = name_of(CallId(CALL_ID), Party.CITIZEN, channel).name
    path = web.spool / name
    await asyncio.to_thread(path.write_bytes, said)
    row = {"call_id": CALL_ID, "channel_id": channel, "kind": Kind.LEG, "party": Party.CITIZEN, "path": name}
    more = {"state": State.VERIFIED, "sha256": hashlib.sha256(said).hexdigest(), "duration_s": len(said) / 2 / RATE}
    async with web.db.transaction() as tx:
        values = {**row, **more, "delete_not_before": datetime.now(UTC).date()}
        made = insert(tables.recording).values(**values).returning(tables.recording.c.id)
        recording = int((await tx.execute(made)).scalar_one())
    if kind == "spool":
        return recording
    kept = await keep(replace(web.custody, codec=Codec(kind)), path, recording)
    assert kept.contents is not None
    assert kept.sealed is not None
    async with web.db.transaction() as tx:
        await rows.prepare(tx, RecordingId(recording), kept.name, kept.path, kept.prepared_at)
        await rows.stored(tx, RecordingId(recording), kept.contents, kept.sealed, kept.prepared_at)
    await asyncio.to_thread(path.unlink)
    return recording


if __name__ == "__main__":
    print(run(600, 50, 3))
