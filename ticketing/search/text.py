"""Text as the search sees it: spelling, the tokens of an index, and where a found word stands. PURE.

Chinese is written without blanks, and most of its words have two characters. So every two neighbouring characters are
one token: a word of two is found by one lookup, a longer one by the tokens it is made of. Letters and digits are
taken three at a time; a run of one or two is one token by itself.
"""

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_HANZI = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_RUNS = re.compile(rf"[{_HANZI}]+|(?:(?![{_HANZI}_])\w)+")
_FIRST_HANZI = re.compile(rf"[{_HANZI}]")
_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
SHORT_RUN = 2
"""Letters and digits up to this length are one token."""


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring characters of one kind. start: index into the normal text."""

    text: str
    start: int
    hanzi: bool


@dataclass(frozen=True, slots=True)
class Token:
    """at: index into the normal text of its first character."""

    text: str
    at: int


def normal(text: str) -> str:
    """One spelling: compatibility forms folded (ＡＴＭ, ①), ASCII letters small. Doing it twice changes nothing more.

    PostgreSQL gives the same for `lower(normalize(text, NFKC) COLLATE "C")`.
    """
    return unicodedata.normalize("NFKC", text).translate(_LOWER)


def runs(normal_text: str) -> Iterator[Run]:
    """Stretches of Chinese, and of letters and digits, in order; all else parts them."""
    for found in _RUNS.finditer(normal_text):
        text = found.group()
        yield Run(text, found.start(), bool(_FIRST_HANZI.match(text)))


def tokens(normal_text: str) -> Iterator[Token]:
    """The tokens of a text, in order. A single Chinese character between others has none."""
    for run in runs(normal_text):
        yield from run_tokens(run)


def run_tokens(run: Run) -> Iterator[Token]:
    """The tokens of one run."""
    width = 2 if run.hanzi else 3
    if not run.hanzi and len(run.text) <= SHORT_RUN:
        yield Token(run.text, run.start)
        return
    for offset in range(len(run.text) - width + 1):
        yield Token(run.text[offset : offset + width], run.start + offset)


def token_set(*texts: str) -> frozenset[str]:
    """Every token of these texts; the texts need not be normal."""
    return frozenset(token.text for text in texts for token in tokens(normal(text)))


def terms(text: str) -> tuple[str, ...]:
    """What a person asked for, parted at blanks: each must be found. Normal, without doubles, in order."""
    return tuple(dict.fromkeys(normal(text).split()))


# ---- showing where it was found


@dataclass(frozen=True, slots=True)
class _Folded:
    """The normal text, and for each of its characters the index of the character it came from."""

    text: str
    owner: tuple[int, ...]


def _folded(text: str) -> _Folded:
    parts: list[str] = []
    owner: list[int] = []
    for index, char in enumerate(text):
        folded = normal(char)
        parts.append(folded)
        owner.extend([index] * len(folded))
    return _Folded("".join(parts), tuple(owner))


def spans(text: str, words: Iterable[str]) -> tuple[tuple[int, int], ...]:
    """Where these words (normal) stand in `text`: [start, end) in order, overlapping and touching ones joined."""
    folded = _folded(text)
    found: list[tuple[int, int]] = []
    for word in {word for word in words if word}:
        at = folded.text.find(word)
        while at >= 0:
            found.append((folded.owner[at], folded.owner[at + len(word) - 1] + 1))
            at = folded.text.find(word, at + 1)
    joined: list[tuple[int, int]] = []
    for start, end in sorted(found):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return tuple(joined)


def marked(text: str, words: Iterable[str]) -> str:
    """`text` as HTML: everything escaped, found words in <em>. Nothing of the text itself can become a tag."""
    out: list[str] = []
    at = 0
    for start, end in spans(text, words):
        out += [html.escape(text[at:start]), "<em>", html.escape(text[start:end]), "</em>"]
        at = end
    return "".join([*out, html.escape(text[at:])])


def snippet(text: str, words: Sequence[str], length: int = 120) -> str:
    """The `length` characters of `text` that hold the most found words, marked as `marked` does; … where cut."""
    places = spans(text, words)
    start = _best_window(places, length) if places else 0
    start = max(0, min(start, len(text) - length))
    end = min(len(text), start + length)
    inside = marked(" ".join(text[start:end].split()), words)
    return ("…" if start > 0 else "") + inside + ("…" if end < len(text) else "")


def _best_window(places: Sequence[tuple[int, int]], length: int) -> int:
    """Where to begin so that most found characters are shown, with a little of what stands before."""

    def shown(start: int) -> int:
        return sum(end - begin for begin, end in places if start <= begin and end <= start + length)

    starts = [max(0, begin - length // 6) for begin, _ in places[:50]]
    return max(starts, key=lambda start: (shown(start), -start))
