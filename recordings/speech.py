"""From files to transcripts: one file, or all legs of a call in parallel on all cores."""

import asyncio
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from callcenter.types import ChannelId, Party
from recordings.audio import Source, UnreadableAudio, opened
from recordings.vosk_door import Model, Recogniser
from recordings.words import Line, Transcript, UnreadLeg, Word, joined, ordered

PIECE_S = 0.25
"""Audio handed to vosk at once: end-of-speech is only noticed between pieces."""
BEHIND_CALLS = 10
"""The nice value of threads that transcribe finished calls."""


@dataclass(frozen=True, slots=True)
class LegAudio:
    """One leg's audio; `offset_s` is when it starts on the call's clock (answer of the call = 0)."""

    party: Party
    channel_id: ChannelId
    source: Source
    offset_s: float = 0.0


class WordJson(BaseModel):
    """One word of `callcenter transcribe --json`; times in seconds from the start of the file."""

    model_config = ConfigDict(frozen=True, strict=True)
    word: str
    start_s: float
    end_s: float
    conf: float


class TranscriptJson(BaseModel):
    """One line of `callcenter transcribe --json`."""

    model_config = ConfigDict(frozen=True, strict=True)
    file: str
    text: str
    words: tuple[WordJson, ...]


def transcript_json(path: Path, words: Sequence[Word]) -> TranscriptJson:
    """The answer for one file; `.model_dump_json()` is its line. `text` has no spaces between Chinese words."""
    return TranscriptJson(
        file=str(path),
        text=joined(words),
        words=tuple(WordJson(word=w.word, start_s=w.start_s, end_s=w.end_s, conf=w.conf) for w in words),
    )


def utterances(source: Source, model: Model) -> Iterator[tuple[Word, ...]]:
    """The words of a file or of kept audio, one tuple for what was said between two pauses. Blocking.

    Raises UnreadableAudio (EmptyAudio) for what is not audio, and what opening and reading kept audio raises.
    """
    with opened(source) as stream:
        recogniser = Recogniser(model, stream.sample_rate)
        step = int(stream.sample_rate * PIECE_S) * 2
        for block in stream.blocks:
            for start in range(0, len(block), step):
                if recogniser.accept(block[start : start + step]) and (words := recogniser.result()):
                    yield words
        if words := recogniser.finish():
            yield words


def transcribe_file(path: Path, model: Model) -> tuple[Word, ...]:
    """All words of a file of any audio format, with times from its start. Blocking; call it in a thread.

    Raises UnreadableAudio (EmptyAudio) for a file that is not audio.
    """
    return tuple(word for words in utterances(path, model) for word in words)


async def transcribe_call(legs: Sequence[LegAudio], model: Model) -> Transcript:
    """What everybody said, in order, on the call's clock; legs are decoded in parallel, one thread a core.

    A leg that cannot be read does not stop the others: it is named in `unread`. What a store raises, stops it all.
    """
    loop = asyncio.get_running_loop()
    heard = await asyncio.gather(*(loop.run_in_executor(_workers(), _leg_lines, leg, model) for leg in legs))
    lines = ordered(line for found in heard if not isinstance(found, UnreadLeg) for line in found)
    unread = tuple(found for found in heard if isinstance(found, UnreadLeg))
    return Transcript(model.name, lines, unread)


def _leg_lines(leg: LegAudio, model: Model) -> tuple[Line, ...] | UnreadLeg:
    try:
        return tuple(
            Line(leg.party, leg.channel_id, tuple(word.shifted(leg.offset_s) for word in words))
            for words in utterances(leg.source, model)
        )
    except UnreadableAudio as error:
        return UnreadLeg(leg.party, leg.channel_id, error.why)


@cache
def _workers() -> ThreadPoolExecutor:
    # Process-wide, so that several calls at once still use one thread a core.
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="transcribe", initializer=_step_back)


def _step_back() -> None:
    # Calls that are going on come first; Linux keeps this value by thread (setpriority(2), notes).
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BEHIND_CALLS)
