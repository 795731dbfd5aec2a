"""What every sound over the API has in common: who may, why they listen, what is audited, and how it is sent."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar
from urllib.parse import unquote

from aiohttp import web
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.audit import Audited, note
from callcenter.custody import hearing, playbacks, recheck_work
from callcenter.custody.hearing import Heard, Listener
from callcenter.custody.playbacks import PLAYED
from callcenter.custody.playing import Distrust
from callcenter.types import CALL_ID_PATTERN, RecordingId, Role
from callcenter.web.context import Context
from callcenter.web.playback import NotPlayable, Played, RangeNotThere, Sending, asked_part, in_thread
from callcenter.web.problems import NotFound, Problem, problem_of, respond
from callcenter.web.router import MAX_PATH_PART, Query
from recordings.custody.objects import StoreAway
from recordings.listening.sounds import NoSound, Sound

LISTENERS = frozenset({Role.AGENT, Role.SUPERVISOR, Role.REVIEWER, Role.AUDITOR, Role.UNIT, Role.UNIT_HEAD})
"""Who may ask; `callcenter.custody.hearing` says for which calls."""
DISTRUST = Distrust()
"""What broke in this process."""
REASON_LEAST, REASON_MOST = 4, 200
REASON_HEADER = "X-Reason"
_T = TypeVar("_T", bound=Sound)


class Asked(Query):
    """reason: why, where the policy asks; in the header X-Reason too, percent-encoded UTF-8."""

    reason: Annotated[str, Field(max_length=REASON_MOST)] = ""


async def only_ids(ctx: Context) -> None:
    """The door: an id that is none is answered like one that does not exist, and the attempt is kept."""
    shown = ctx.request.match_info
    recording, call = shown.get("recording_id"), shown.get("call_id")
    if recording is not None and not (recording.isascii() and recording.isdigit() and len(recording) < 19):
        await refuse(ctx, f"recording:{_printable(recording)}")
        raise NotFound
    if call is not None and not CALL_ID_PATTERN.fullmatch(call):
        await refuse(ctx, f"call:{_printable(call)}")
        raise NotFound


def _printable(text: str) -> str:
    """As the audit can hold it: PostgreSQL takes no NUL and no half characters."""
    return text[:MAX_PATH_PART].encode("unicode_escape").decode("ascii")[:MAX_PATH_PART]


async def refuse(ctx: Context, subject: str) -> None:
    """Somebody asked to hear what is not there or not for them."""
    async with ctx.transaction() as tx:
        await note(tx, Audited(ctx.actor, PLAYED, subject, ok=False))


async def hearable(tx: AsyncConnection, ctx: Context, call_id: str) -> Heard | None:
    """The call, if who asks may hear it."""
    return await hearing.hearable(tx, call_id, Listener(ctx.actor, ctx.person.extension), ctx.services.rules)


def reason_of(ctx: Context, asked: Asked, found: Heard) -> str:
    """Why they listen. Raises Problem where the policy asks and nothing, or nothing that says anything, is given."""
    given = asked.reason or _decoded(ctx.request.headers.get(REASON_HEADER, ""))
    reason = " ".join(given.split())[:REASON_MOST]
    if found.asks_why(ctx.actor) and len(reason) < REASON_LEAST:
        raise Problem(
            422,
            "reason_needed",
            f"收听这段录音须说明理由（至少{REASON_LEAST}个字）。请填写理由后再播放。",
            basis="、".join(dict.fromkeys(article for one in found.rules for article in one.reason_basis.articles)),
        )
    return reason


def _decoded(text: str) -> str:
    with contextlib.suppress(UnicodeDecodeError):
        found = unquote(text, errors="strict")
        return found if found.isprintable() else ""
    return ""


async def opened(ctx: Context, subject: str, work: Callable[[], _T]) -> _T:
    """The sound, opened in a thread. Raises NotPlayable, and Problem while the stores are away."""
    try:
        return await in_thread(work)
    except NoSound:
        await refuse(ctx, subject)
        raise NotPlayable from None
    except StoreAway:
        await refuse(ctx, subject)
        raise Problem(503, "store_away", "录音存储暂时不可用，请稍后再试；如持续出现请联系管理员。") from None
    finally:
        await _have_looked_at(ctx, DISTRUST.taken())


async def _have_looked_at(ctx: Context, unopened: Sequence[RecordingId]) -> None:
    if unopened:
        async with ctx.transaction() as tx:
            await recheck_work.ask(tx, unopened)


async def send(ctx: Context, played: Played) -> web.StreamResponse:
    """The part of the sound that is asked for; the sound is closed in any case."""
    try:
        try:
            part = asked_part(ctx.request, played)
        except RangeNotThere as error:
            return _beyond(ctx, error)
        async with ctx.transaction() as tx:
            playback = await playbacks.begin(tx, played.hearing, ctx.now)
        return await Sending(ctx.services.database, DISTRUST, played, playback).send(ctx.request, part)
    finally:
        await in_thread(played.wav.sound.close)


def _beyond(ctx: Context, error: RangeNotThere) -> web.Response:
    """416, with the length there is (RFC 9110 15.5.17)."""
    told = problem_of(error)
    assert told is not None
    answer = respond(told, ctx.request_id)
    answer.headers["Content-Range"] = f"bytes */{error.size_bytes}"
    return answer
