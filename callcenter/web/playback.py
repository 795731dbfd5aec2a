"""A sound as a WAV over HTTP: any part of it by Range (RFC 9110), and every frame of it that was sent is written down.

The path comes from the database, never from a request. One open sound a request, one block on its way.
"""

import asyncio
import logging
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from aiohttp import web

from callcenter import metrics
from callcenter.audit import Audited, note
from callcenter.custody import playbacks, recheck_work
from callcenter.custody.playbacks import Hearing, Progress
from callcenter.custody.playing import Distrust
from callcenter.db import Database, DatabaseAway
from callcenter.types import RecordingId
from recordings.custody.objects import StoreAway
from recordings.listening.sounds import BROKEN, Wav

log = logging.getLogger(__name__)

BLOCK_BYTES = 64 * 1024
WRITTEN_DOWN_EVERY_S = 10.0
"""What was heard is written down so often while it plays; a process that dies loses no more."""
DAMAGED = "recording.damaged"
LONGEST_DIGITS = 18
_RANGE = re.compile(rf"bytes=([0-9]{{0,{LONGEST_DIGITS}}})-([0-9]{{0,{LONGEST_DIGITS}}})")
_T = TypeVar("_T")


class NotPlayable(Exception):
    """这段录音没有可播放的音频文件。请查看录音状态和缺失原因，或联系管理员。"""


class RangeNotThere(Exception):
    """所请求的片段超出录音长度。请从头播放。"""

    def __init__(self, size_bytes: int) -> None:
        self.size_bytes = size_bytes
        super().__init__(size_bytes)


@dataclass(frozen=True, slots=True)
class Played:
    """A sound for one request. name: of the file, ASCII. recordings: what it is made of."""

    wav: Wav
    name: str
    tag: str
    hearing: Hearing
    recordings: Sequence[RecordingId]


def part_of(asked: str, size_bytes: int) -> tuple[int, int] | None:
    """First and past-the-end byte a Range header asks for; None when it is none, or not one we serve, so: all.

    Raises RangeNotThere when it begins past the end.
    """
    found = _RANGE.fullmatch(asked.strip())
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:
        return (max(0, size_bytes - int(last)), size_bytes) if int(last) else _refuse(size_bytes)
    if last and int(last) < int(first):
        return None
    if int(first) >= size_bytes:
        return _refuse(size_bytes)
    return int(first), min(int(last) + 1, size_bytes) if last else size_bytes


def _refuse(size_bytes: int) -> tuple[int, int]:
    raise RangeNotThere(size_bytes)


def asked_part(request: web.Request, played: Played) -> tuple[int, int] | None:
    """The part that is asked for, unless the sound is no longer the one the player began with (If-Range).

    Raises RangeNotThere.
    """
    same = request.headers.get("If-Range", "")
    asked = request.headers.get("Range", "")
    return part_of(asked, played.wav.size_bytes) if not same or same == f'"{played.tag}"' else None


async def in_thread(work: Callable[[], _T]) -> _T:
    """Blocking work to its end: who is cancelled meanwhile waits for it, so that nothing is closed that is read."""
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


class Sending:
    """One answer: the part on its way, and what of it has left."""

    def __init__(self, database: Database, distrust: Distrust, played: Played, playback: int) -> None:
        self._database, self._distrust = database, distrust
        self._played, self._playback = played, playback
        self._progress = Progress()
        self._written_s = time.monotonic()

    async def send(self, request: web.Request, part: tuple[int, int] | None) -> web.StreamResponse:
        """What was sent is written down, however it ends."""
        response = self._response(part)
        try:
            await response.prepare(request)
            await self._blocks(request, response, part or (0, self._played.wav.size_bytes))
        except ConnectionError:
            # The listener stopped; what was sent was a playback all the same.
            return response
        except Exception:
            # Half an answer is on its way; nothing else may follow it on this connection.
            _break_off(request)
            raise
        finally:
            await asyncio.shield(self._write_down())
        return response

    def _response(self, part: tuple[int, int] | None) -> web.StreamResponse:
        wav = self._played.wav
        first, end = part or (0, wav.size_bytes)
        headers = {
            "Content-Type": "audio/wav",
            "Content-Disposition": f'attachment; filename="{self._played.name}"',
            "Accept-Ranges": "bytes",
            "ETag": f'"{self._played.tag}"',
        }
        response = web.StreamResponse(status=206 if part else 200, headers=headers)
        if part:
            response.headers["Content-Range"] = f"bytes {first}-{end - 1}/{wav.size_bytes}"
        response.content_length = end - first
        return response

    async def _blocks(self, request: web.Request, response: web.StreamResponse, part: tuple[int, int]) -> None:
        at, end = part
        while at < end:
            block = await self._block(request, at, min(BLOCK_BYTES, end - at))
            if not block:
                return
            # Counted first: a connection that breaks here may have carried it. The last block leaves when all of them
            # are written down, so that nobody has heard to the end what nobody knows of.
            self._progress.sent(*self._played.wav.frames_in(at, at + len(block)))
            at += len(block)
            if at >= end or time.monotonic() - self._written_s > WRITTEN_DOWN_EVERY_S:
                await self._write_down()
            await response.write(block)
        await response.write_eof()

    async def _block(self, request: web.Request, at: int, most: int) -> bytes:
        """Empty when the sound breaks: then the answer ends short of what it promised, so it is not taken for whole."""
        try:
            return await in_thread(lambda: self._played.wav.read(at, most))
        except (*BROKEN, StoreAway) as error:
            self._distrust.add(self._played.recordings)
            metrics.HEARING_BROKE.inc()
            hearing = self._played.hearing
            detail: dict[str, str | int] = {
                "call": hearing.call_id,
                "error": f"{type(error).__name__}: {error}"[:200],
                "at_byte": at,
            }
            log.warning("a sound broke while it played", extra={"subject": hearing.subject, **detail})
            async with self._database.transaction() as tx:
                await note(tx, Audited(hearing.actor, DAMAGED, hearing.subject, ok=False, detail=detail))
                await recheck_work.ask(tx, self._played.recordings)
            _break_off(request)
            return b""

    async def _write_down(self) -> None:
        """Raises DatabaseAway while it plays, which ends it: what cannot be written down is not played on."""
        spans = self._progress.taken()
        self._written_s = time.monotonic()
        if not spans:
            return
        now = datetime.now(UTC)
        try:
            async with self._database.transaction() as tx:
                await playbacks.heard(tx, self._playback, spans, now)
        except DatabaseAway:
            log.exception("what was heard is not written down", extra={"playback": self._playback, "frames": spans})
            raise


def _break_off(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.close()
