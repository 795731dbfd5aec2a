"""PURE: the values the prefill works with: places, subject categories, handling units, and how names sound.

Built by the loader from data files; nothing here belongs to one region.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import time
from typing import Generic, Literal, TypeVar

from callcenter.types import PhoneNumber, UnitId

PlaceKind = Literal["county", "town", "village", "road", "estate", "spot"]
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class Place:
    """A place of the gazetteer. `path` goes from the county down to its own name."""

    path: tuple[str, ...]
    kind: PlaceKind
    aliases: tuple[str, ...] = ()
    syllables: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """(name, its toneless pinyin) for the names that may be found by sound."""

    @property
    def name(self) -> str:
        return self.path[-1]


@dataclass(frozen=True, slots=True)
class Subject:
    """A second-level category, code AA.BB. `leans`: the request type it usually is when the citizen does not say."""

    code: str
    name: str
    parent: str
    keywords: tuple[str, ...]
    leans: str | None = None


@dataclass(frozen=True, slots=True)
class Hazard:
    """Why a request may be 突发: one of `any_of` was said, or one word of each group of `all_of`."""

    name: str
    any_of: tuple[str, ...] = ()
    all_of: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Unit:
    """A handling unit. `duty` holds the hours of a working day, local time; None means around the clock."""

    id: UnitId
    name: str
    aliases: tuple[str, ...]
    duties: tuple[str, ...]
    phone: PhoneNumber
    duty: tuple[tuple[time, time], ...] | None = None


@dataclass(frozen=True, slots=True)
class Hit(Generic[V]):
    """text[start:end] is one of the phrases of `value`."""

    start: int
    end: int
    value: V


@dataclass(frozen=True, slots=True)
class Lexicon(Generic[V]):
    """Phrases and what they stand for; found by longest match from left to right, hits do not overlap."""

    phrases: Mapping[str, V]
    lengths: Mapping[str, tuple[int, ...]] = field(repr=False)
    """By first character: the lengths of its phrases, longest first."""

    @classmethod
    def of(cls, phrases: Iterable[tuple[str, V]]) -> "Lexicon[V]":
        """From (phrase, value) pairs; the first of two equal phrases wins."""
        kept: dict[str, V] = {}
        lengths: dict[str, set[int]] = {}
        for phrase, value in phrases:
            if phrase:
                kept.setdefault(phrase, value)
                lengths.setdefault(phrase[0], set()).add(len(phrase))
        return cls(kept, {first: tuple(sorted(some, reverse=True)) for first, some in lengths.items()})

    def find(self, text: str) -> Iterator[Hit[V]]:
        """Every hit in `text`, in order."""
        at = 0
        while at < len(text):
            hit = self.match(text, at)
            if hit is None:
                at += 1
            else:
                yield hit
                at = hit.end

    def match(self, text: str, at: int) -> Hit[V] | None:
        """The longest phrase that begins at `at`."""
        for length in self.lengths.get(text[at], ()):
            value = self.phrases.get(text[at : at + length])
            if value is not None:
                return Hit(at, at + length, value)
        return None


@dataclass(frozen=True, slots=True)
class PrefillData:
    """Everything regional the prefill needs. `sounds`: character -> its toneless readings."""

    county: str
    places: tuple[Place, ...]
    subjects: tuple[Subject, ...]
    hazards: tuple[Hazard, ...]
    units: tuple[Unit, ...]
    sounds: Mapping[str, frozenset[str]] = field(default_factory=dict, repr=False)
    place_words: Lexicon[Place] = field(init=False, repr=False)
    subject_words: Lexicon[tuple[Subject, ...]] = field(init=False, repr=False)
    unit_words: Lexicon[Unit] = field(init=False, repr=False)
    duty_words: Lexicon[tuple[Unit, ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        named = [(name, p) for p in self.places for name in (p.name, *p.aliases)]
        object.__setattr__(self, "place_words", Lexicon.of(named))
        object.__setattr__(self, "subject_words", _shared((w, s) for s in self.subjects for w in s.keywords))
        called = [(name, u) for u in self.units for name in (u.name, *u.aliases)]
        object.__setattr__(self, "unit_words", Lexicon.of(called))
        object.__setattr__(self, "duty_words", _shared((w, u) for u in self.units for w in u.duties))

    def unit(self, unit_id: UnitId) -> Unit | None:
        return next((unit for unit in self.units if unit.id == unit_id), None)

    def subject(self, code: str) -> Subject | None:
        return next((subject for subject in self.subjects if subject.code == code), None)


def _shared(pairs: Iterable[tuple[str, V]]) -> Lexicon[tuple[V, ...]]:
    """A lexicon in which one phrase may stand for several values."""
    grouped: dict[str, list[V]] = {}
    for phrase, value in pairs:
        grouped.setdefault(phrase, []).append(value)
    return Lexicon.of((phrase, tuple(values)) for phrase, values in grouped.items())
