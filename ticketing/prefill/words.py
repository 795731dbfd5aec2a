"""PURE: the recogniser's words, and text that remembers which words it came from."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from callcenter.types import Party


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a transcript. Seconds from the start of the recording; conf 0..1."""

    text: str
    start_s: float
    end_s: float
    conf: float = 1.0


@dataclass(frozen=True, slots=True)
class Utterance:
    """What one party said without a break."""

    speaker: Party
    words: tuple[Word, ...]

    @property
    def start_s(self) -> float:
        return self.words[0].start_s if self.words else 0.0


@dataclass(frozen=True, slots=True)
class Quote:
    """Words as they were said: joined without blanks, with their seconds and mean confidence."""

    text: str
    start_s: float
    end_s: float
    conf: float


@dataclass(frozen=True, slots=True)
class Line:
    """Utterances as one text: words joined without blanks, a line break between utterances.

    `owner[i]` is the index into `words` of the word character i belongs to, -1 for a line break.
    """

    text: str
    words: tuple[Word, ...]
    owner: tuple[int, ...]

    def quote(self, start: int, end: int) -> Quote:
        """The whole words that cover text[start:end]; the span must hold at least one character of a word."""
        touched = sorted({index for index in self.owner[start:end] if index >= 0})
        words = [self.words[index] for index in touched]
        conf = sum(min(1.0, max(0.0, word.conf)) for word in words) / len(words)
        return Quote("".join(word.text for word in words), words[0].start_s, words[-1].end_s, conf)

    def line_span(self, at: int) -> tuple[int, int]:
        """Where the utterance that holds character `at` begins and ends."""
        start = self.text.rfind("\n", 0, at) + 1
        end = self.text.find("\n", at)
        return start, len(self.text) if end < 0 else end


def join(utterances: Iterable[Utterance]) -> Line:
    """One Line of all words of `utterances`, in the order given. Blanks inside words are dropped."""
    text: list[str] = []
    owner: list[int] = []
    words: list[Word] = []
    for utterance in utterances:
        if text:
            text.append("\n")
            owner.append(-1)
        for word in utterance.words:
            said = "".join(word.text.split())
            if said:
                text.append(said)
                owner.extend([len(words)] * len(said))
                words.append(Word(said, word.start_s, word.end_s, word.conf))
    return Line("".join(text), tuple(words), tuple(owner))


def in_order(utterances: Sequence[Utterance]) -> tuple[Utterance, ...]:
    """Utterances that hold words, by the time they began; two legs are transcribed apart."""
    return tuple(sorted((u for u in utterances if any(w.text.strip() for w in u.words)), key=lambda u: u.start_s))
