"""Recognised words and how they are put together: lines, transcripts, readable text. PURE."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from callcenter.types import CallId, ChannelId, Party

PARTY_NAMES = {
    Party.CITIZEN: "市民",
    Party.AGENT: "话务员",
    Party.UNIT: "承办单位",
    Party.SUPERVISOR: "班长",
    Party.TAP: "监听",
}


@dataclass(frozen=True, slots=True)
class Word:
    """One recognised word; times in seconds from the start of its audio, `conf` 0 to 1."""

    word: str
    start_s: float
    end_s: float
    conf: float

    def shifted(self, by_s: float) -> "Word":
        """The same word on a clock that started `by_s` seconds earlier."""
        return Word(self.word, round(self.start_s + by_s, 3), round(self.end_s + by_s, 3), self.conf)


@dataclass(frozen=True, slots=True)
class Line:
    """What one party said between two pauses, on the call's clock. `words` is never empty."""

    party: Party
    channel_id: ChannelId
    words: tuple[Word, ...]

    @property
    def start_s(self) -> float:
        """When the first word starts."""
        return self.words[0].start_s

    @property
    def end_s(self) -> float:
        """When the last word ends."""
        return self.words[-1].end_s

    @property
    def text(self) -> str:
        """The words as a person reads them."""
        return joined(self.words)

    @property
    def confidence(self) -> float:
        """Mean confidence of the words."""
        return sum(word.conf for word in self.words) / len(self.words)


@dataclass(frozen=True, slots=True)
class UnreadLeg:
    """A leg whose audio could not be transcribed, and why."""

    party: Party
    channel_id: ChannelId
    why: str


@dataclass(frozen=True, slots=True)
class Transcript:
    """Everything that was said in a call, in order; `model` names the model that heard it."""

    model: str
    lines: tuple[Line, ...]
    unread: tuple[UnreadLeg, ...] = ()

    @property
    def text(self) -> str:
        """One line a turn, with the speaker's name in Chinese."""
        return "\n".join(f"{PARTY_NAMES[line.party]}：{line.text}" for line in self.lines)


@dataclass(frozen=True, slots=True)
class LiveWords:
    """Words of one utterance. A later one with the same `seq` replaces it, until `final`.

    Times of the words count from `stream_started_at` (aware UTC), the first audio of the tap. A word with `conf` 0
    is so new that its times are still rough.
    """

    call_id: CallId
    seq: int
    words: tuple[Word, ...]
    final: bool
    stream_started_at: datetime

    @property
    def text(self) -> str:
        """The words as a person reads them."""
        return joined(self.words)


def ordered(lines: Iterable[Line]) -> tuple[Line, ...]:
    """Lines by start time; two that start together keep a stable order by end and channel."""
    return tuple(sorted(lines, key=lambda line: (line.start_s, line.end_s, line.channel_id)))


def joined(words: Iterable[Word]) -> str:
    """Words as Chinese text: no spaces between Chinese words, one space around Latin words and numbers.

    Kaldi separates all words by spaces; in Chinese they only hinder reading and searching.
    """
    text = ""
    for word in words:
        if text and word.word and (_is_latin(text[-1]) or _is_latin(word.word[0])):
            text += " "
        text += word.word
    return text


def _is_latin(char: str) -> bool:
    # Latin letters with accents count too; the CJK blocks begin far above U+2E80.
    return char.isalnum() and char < "\u2e80"
