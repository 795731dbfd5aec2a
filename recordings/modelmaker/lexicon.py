"""How words sound: hanzi -> pinyin -> phones, and the numbers Kaldi knows the phones by.

A phone is an initial (`zh`) or a final with its tone (`uang1`); y and w are spelling, so 远 is one phone (`van3`).
Each phone has four forms by its place in the word, which share one pdf; silence is `SIL`, phone 1, pdf 0.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pypinyin import Style, lazy_pinyin, pinyin
from pypinyin.contrib.tone_convert import to_finals, to_initials

SILENCE = "SIL"
SILENCE_ID = 1
PLACES = {"B": "begin", "E": "end", "I": "internal", "S": "singleton"}
"""Form of a phone -> its kind in graph/phones/word_boundary.int."""
_SYLLABLE = re.compile("[a-zü]+[1-5]")
_SANDHI = {"一": ("yi2", "yi4"), "不": ("bu2",)}
"""Other tones of these two before certain tones; the dictionary has only their own."""
_MAX_READINGS = 3

Syllable = tuple[str, ...]
Pronunciation = tuple[Syllable, ...]


class NotASyllable(ValueError):
    """A reading is not pinyin with a tone number, so nothing can say it."""


def syllable_phones(syllable: str) -> Syllable:
    """`zhuang1` -> (`zh`, `uang1`), `yuan3` -> (`van3`,). Raises NotASyllable."""
    if not _SYLLABLE.fullmatch(syllable):
        raise NotASyllable(f"{syllable!r} is not pinyin with a tone number")
    sound, tone = syllable[:-1], syllable[-1]
    initial = str(to_initials(sound, strict=True))
    final = str(to_finals(sound, strict=True, v_to_u=False))
    if not final:
        raise NotASyllable(f"{syllable!r} has no final")
    # Three different vowels are written i: 西, 诗 and 丝.
    if final == "i" and initial in ("zh", "ch", "sh", "r"):
        final = "ir"
    elif final == "i" and initial in ("z", "c", "s"):
        final = "iz"
    return (initial, final + tone) if initial else (final + tone,)


def readings(word: str, *, sandhi: bool = True) -> list[str]:
    """The syllables of a word or sentence as a person reads it: pinyin with tone numbers, 5 for the neutral tone."""
    return lazy_pinyin(word, style=Style.TONE3, neutral_tone_with_five=True, v_to_u=False, tone_sandhi=sandhi)


def pronunciations(word: str) -> tuple[Pronunciation, ...]:
    """All ways the recogniser expects the word: with and without tone sandhi; of one character, its common readings.

    Empty for what has no reading.
    """
    if len(word) == 1:
        known = pinyin(word, style=Style.TONE3, heteronym=True, neutral_tone_with_five=True, v_to_u=False)[0]
        ways = [[one] for one in (*known[:_MAX_READINGS], *_SANDHI.get(word, ()))]
    else:
        ways = [readings(word), readings(word, sandhi=False)]
    found: dict[Pronunciation, None] = {}
    for way in ways:
        try:
            found[tuple(syllable_phones(syllable) for syllable in way)] = None
        except NotASyllable:
            continue
    return tuple(found)


def spelled(clauses: Sequence[Sequence[str]]) -> tuple[str, list[Syllable]]:
    """What espeak-ng is to read (pinyin, a comma between clauses), and the phones of its syllables in order.

    clauses: words, all in hanzi. Raises NotASyllable.
    """
    read = [[syllable for word in words for syllable in readings(word)] for words in clauses]
    text = ", ".join(" ".join(syllables) for syllables in read)
    return text, [syllable_phones(syllable) for syllables in read for syllable in syllables]


@dataclass(frozen=True, slots=True)
class Lexicon:
    """Words with their pronunciations, in the order of their ids in graph/words.txt (from 1)."""

    words: Mapping[str, tuple[Pronunciation, ...]]

    @property
    def word_ids(self) -> dict[str, int]:
        """Word -> id."""
        return {word: number for number, word in enumerate(self.words, 1)}

    @property
    def phones(self) -> tuple[str, ...]:
        """All phones but silence, sorted; the place in it plus one is the phone's pdf."""
        return tuple(sorted({phone for ways in self.words.values() for way in ways for s in way for phone in s}))


def make_lexicon(words: Iterable[str]) -> Lexicon:
    """Of the words that have a reading, sorted."""
    spoken = ((word, pronunciations(word)) for word in sorted(set(words)))
    return Lexicon({word: ways for word, ways in spoken if ways})


@dataclass(frozen=True, slots=True)
class PhoneTable:
    """The numbers of phones: pdfs (what the network tells apart) and phone ids (phones in their four forms)."""

    phones: tuple[str, ...]

    @property
    def pdf_ids(self) -> dict[str, int]:
        """Phone -> pdf; silence is 0."""
        return {SILENCE: 0} | {phone: number for number, phone in enumerate(self.phones, 1)}

    @property
    def ids(self) -> dict[str, int]:
        """Phone with its form (`uang1_E`) -> phone id from 1; silence has no form."""
        forms = [f"{phone}_{place}" for phone in self.phones for place in PLACES]
        return {SILENCE: SILENCE_ID} | {form: number for number, form in enumerate(forms, SILENCE_ID + 1)}

    @property
    def pdf_of_phone_id(self) -> tuple[int, ...]:
        """The pdf of phone id 1, 2, ..."""
        return (0, *(number for number, _ in enumerate(self.phones, 1) for _ in PLACES))

    def word_boundary(self) -> str:
        """graph/phones/word_boundary.int: without it vosk's times of words are wrong."""
        kinds = {form: "nonword" if form == SILENCE else PLACES[form[-1]] for form in self.ids}
        return "".join(f"{number} {kinds[form]}\n" for form, number in self.ids.items())


def in_places(pronunciation: Pronunciation) -> list[str]:
    """The phones of a word in the forms of their places: `w_B`, `o3_E`."""
    phones = [phone for syllable in pronunciation for phone in syllable]
    last = len(phones) - 1
    if last == 0:
        return [phones[0] + "_S"]
    return [f"{phone}_{'B' if i == 0 else 'E' if i == last else 'I'}" for i, phone in enumerate(phones)]
