"""PURE: hides long numbers where text is shown or audio is played: telephones, 身份证, bank cards, written or spoken.

From 11 digits on the first three and the last four stay (`138****8000`), from 7 to 10 the first two and the last two;
shorter numbers (house numbers, 12345, amounts) stay as they are. Only digits are replaced, each by one `*`, so the
text keeps its length and every span into it stays true. Dates with hyphens and amounts of money are not numbers of
a person; any other long digit run is hidden, because hiding too much costs a look and hiding too little a person.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from ticketing.prefill.numerals import DigitRun, digit_runs, id_number_ok, phone_in
from ticketing.prefill.words import Word

Kind = Literal["phone", "id_number", "bank_card", "number"]
SHORTEST: Final = 7
"""Digits from which a number is hidden: local telephone numbers have seven."""


@dataclass(frozen=True, slots=True)
class Sensitive:
    """A number that must not be shown. Its repr does not show it either: log it freely."""

    kind: Kind
    run: DigitRun

    def __repr__(self) -> str:
        return f"Sensitive({self.kind}, {self.run.start}..{self.run.end})"

    @property
    def hidden(self) -> tuple[int, ...]:
        """The positions in the text that are replaced."""
        first, last = kept(len(self.run.digits))
        return self.run.positions[first : len(self.run.positions) - last]


@dataclass(frozen=True, slots=True)
class MuteSpan:
    """Seconds of audio to silence, and what is said there."""

    start_s: float
    end_s: float
    kind: Kind


def kept(length: int) -> tuple[int, int]:
    """How many digits stay in front and at the end of a number of `length` digits."""
    return (3, 4) if length >= 11 else (2, 2)


def mask_digits(digits: str) -> str:
    """`13800138000` as `138****8000`. Fewer than seven digits stay."""
    if len(digits) < SHORTEST:
        return digits
    first, last = kept(len(digits))
    return digits[:first] + "*" * (len(digits) - first - last) + digits[-last:]


def find_sensitive(text: str) -> tuple[Sensitive, ...]:
    """Every number in `text` that mask_text hides, in order."""
    return tuple(
        Sensitive(_kind(run.digits), run)
        for run in digit_runs(text)
        if len(run.digits) >= SHORTEST and not _harmless(text, run)
    )


def mask_text(text: str) -> str:
    """`text` with its long numbers hidden; as long as before; masking twice changes nothing more."""
    chars = list(text)
    for found in find_sensitive(text):
        for position in found.hidden:
            chars[position] = "*"
    return "".join(chars)


def mask_words(words: Sequence[Word]) -> tuple[MuteSpan, ...]:
    """Where to silence the audio: every word that holds a hidden digit, neighbours joined into one span."""
    spans: list[MuteSpan] = []
    for found, indexes in _hidden_words(words):
        for index in indexes:
            word = words[index]
            if spans and spans[-1].kind == found.kind and index - 1 in indexes:
                spans[-1] = replace(spans[-1], end_s=max(spans[-1].end_s, word.end_s))
            else:
                spans.append(MuteSpan(word.start_s, word.end_s, found.kind))
    return tuple(spans)


def masked_words(words: Sequence[Word]) -> tuple[Word, ...]:
    """The words to show: same times and confidence, hidden digits as `*`. Numbers may run across words."""
    text = "".join(word.text + "\n" for word in words)
    shown = mask_text(text)
    at, out = 0, []
    for word in words:
        out.append(replace(word, text=shown[at : at + len(word.text)]))
        at += len(word.text) + 1
    return tuple(out)


def _hidden_words(words: Sequence[Word]) -> Iterator[tuple[Sensitive, tuple[int, ...]]]:
    """Each number to hide with the indexes of the words its hidden digits stand in."""
    owner = [index for index, word in enumerate(words) for _ in range(len(word.text) + 1)]
    for found in find_sensitive("".join(word.text + "\n" for word in words)):
        yield found, tuple(dict.fromkeys(owner[position] for position in found.hidden))


def _kind(digits: str) -> Kind:
    if phone_in(digits):
        return "phone"
    if id_number_ok(digits):
        return "id_number"
    return "bank_card" if 16 <= len(digits) <= 19 else "number"


_DATE = re.compile(r"(?:19|20)[0-9]{2}-(?:0?[1-9]|1[0-2])-(?:0?[1-9]|[12][0-9]|3[01])(?:\s+[0-2]?[0-9])?")
_MONEY = re.compile(r"\s*(?:多)?(?:元|块|万|亿|吨|公里|平方)")


def _harmless(text: str, run: DigitRun) -> bool:
    """A date such as 2026-11-22 (perhaps with its hour), or a written amount such as 3000000元."""
    said = text[run.start : run.end]
    if _DATE.fullmatch(said):
        return True
    return len(run.digits) < 11 and said.isascii() and said.isdecimal() and bool(_MONEY.match(text, run.end))
