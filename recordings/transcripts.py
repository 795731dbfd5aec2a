"""Transcripts and live words in PostgreSQL. Never commits; saving again replaces, so a job may run twice."""

from typing import Any

from sqlalchemy import delete, func, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import CallId, ChannelId, Party
from recordings import tables
from recordings.words import Line, LiveWords, Transcript, UnreadLeg, Word

_T, _L, _W = tables.transcript.c, tables.transcript_line.c, tables.live_word.c


async def save(tx: AsyncConnection, call_id: CallId, transcript: Transcript) -> None:
    """Writes the transcript of a call; one per call and model, the newest wins."""
    unread = [{"party": leg.party, "channel_id": leg.channel_id, "why": leg.why} for leg in transcript.unread]
    values = {"state": _state(transcript), "unread": unread}
    row = upsert(tables.transcript).values(call_id=call_id, model=transcript.model, **values)
    statement = row.on_conflict_do_update(
        index_elements=[_T.call_id, _T.model], set_={**values, "created_at": func.now()}
    ).returning(_T.id)
    id_ = (await tx.execute(statement)).scalar_one()
    await tx.execute(delete(tables.transcript_line).where(_L.transcript_id == id_))
    if transcript.lines:
        lines = [_line_row(id_, seq, line) for seq, line in enumerate(transcript.lines)]
        await tx.execute(insert(tables.transcript_line), lines)


def _state(transcript: Transcript) -> str:
    if not transcript.unread:
        return "complete"
    return "partial" if transcript.lines else "failed"


def _line_row(transcript_id: int, seq: int, line: Line) -> dict[str, Any]:
    return {
        "transcript_id": transcript_id,
        "seq": seq,
        "party": line.party,
        "channel_id": line.channel_id,
        "start_s": line.start_s,
        "end_s": line.end_s,
        "text": line.text,
        "words": [_word_json(word) for word in line.words],
        "confidence": line.confidence,
    }


async def transcript_of(tx: AsyncConnection, call_id: CallId, model: str | None = None) -> Transcript | None:
    """The call's transcript, the newest when no model is named; None when there is none yet."""
    wanted = select(tables.transcript).where(_T.call_id == call_id).order_by(_T.created_at.desc(), _T.id.desc())
    if model is not None:
        wanted = wanted.where(_T.model == model)
    head = (await tx.execute(wanted.limit(1))).one_or_none()
    if head is None:
        return None
    rows = await tx.execute(select(tables.transcript_line).where(_L.transcript_id == head.id).order_by(_L.seq))
    lines = tuple(
        Line(Party(row.party), ChannelId(row.channel_id), tuple(Word(**word) for word in row.words)) for row in rows
    )
    unread = tuple(UnreadLeg(Party(leg["party"]), ChannelId(leg["channel_id"]), leg["why"]) for leg in head.unread)
    return Transcript(head.model, lines, unread)


async def note_live(tx: AsyncConnection, words: LiveWords, party: Party = Party.CITIZEN) -> None:
    """Keeps live words for a screen that opens later; a newer version of an utterance replaces the older.

    A final is never replaced; one without words takes back what a partial showed.
    """
    at_utterance = {"call_id": words.call_id, "stream_started_at": words.stream_started_at, "seq": words.seq}
    if not words.words:
        clauses = [tables.live_word.c[key] == value for key, value in at_utterance.items()]
        await tx.execute(delete(tables.live_word).where(*clauses, ~_W.final))
        return
    values = {
        "party": party,
        "text": words.text,
        "start_s": words.words[0].start_s,
        "end_s": words.words[-1].end_s,
        "conf": sum(word.conf for word in words.words) / len(words.words),
        "words": [_word_json(word) for word in words.words],
        "final": words.final,
    }
    row = upsert(tables.live_word).values(**at_utterance, **values)
    keys = [_W.call_id, _W.stream_started_at, _W.seq]
    await tx.execute(row.on_conflict_do_update(index_elements=keys, set_=values, where=~_W.final))


async def live_of(tx: AsyncConnection, call_id: CallId) -> tuple[LiveWords, ...]:
    """What was heard live in a call so far, in order."""
    wanted = select(tables.live_word).where(_W.call_id == call_id).order_by(_W.stream_started_at, _W.seq)
    return tuple(
        LiveWords(
            CallId(row.call_id), row.seq, tuple(Word(**word) for word in row.words), row.final, row.stream_started_at
        )
        for row in await tx.execute(wanted)
    )


def _word_json(word: Word) -> dict[str, str | float]:
    return {"word": word.word, "start_s": word.start_s, "end_s": word.end_s, "conf": word.conf}
