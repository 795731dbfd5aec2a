"""What is said on a hotline: sentences of `corpus/` with slots, filled at random. Same seed, same sentences."""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files

SPOKEN_FILES = ("citizen.txt", "agent.txt", "unit.txt")
FREE_FILE = "free.txt"
SCRIPT_FILE = "script.txt"
PAUSE = "，"
"""Between two clauses of one utterance."""
SHORT = 8
"""Characters: a shorter utterance is often followed by another without waiting for an answer."""
LONG = 22
"""Characters: nothing is added to a longer one."""
_SLOT = re.compile(r"\{(\w+)\}")
_DIGITS = "零幺二三四五六七八九"

Slots = Mapping[str, Sequence[str]]


class UnknownSlot(Exception):
    """A sentence of the corpus names a slot that has no words; correct the corpus."""


def _digits(rng: random.Random, count: int) -> str:
    # 1 is said 幺 in a number, by some 一.
    return "".join("一" if d == "幺" and rng.random() < 0.25 else d for d in rng.choices(_DIGITS, k=count))


def _mobile(rng: random.Random) -> str:
    """A made-up mobile number, in one breath or as 3-4-4."""
    number = rng.choice("幺幺一") + rng.choice("三五七八九") + _digits(rng, 9)
    return PAUSE.join((number[:3], number[3:7], number[7:])) if rng.random() < 0.5 else number


def _identity(rng: random.Random) -> str:
    """Eighteen digits of a made-up identity number, as 6-8-4."""
    last = _digits(rng, 3) + (rng.choice(_DIGITS) if rng.random() < 0.8 else "叉")
    return PAUSE.join((_digits(rng, 6), _digits(rng, 8), last))


MADE_UP: Mapping[str, Callable[[random.Random], str]] = {
    "mobile": _mobile,
    "identity": _identity,
    "digits": lambda rng: _digits(rng, rng.randint(4, 8)),
}


@dataclass(frozen=True, slots=True)
class Corpus:
    """Sentences with slots, and what may stand in them."""

    templates: tuple[str, ...]
    slots: Slots

    def __post_init__(self) -> None:
        """Raises UnknownSlot."""
        for template in self.templates:
            for slot in _SLOT.findall(template):
                if slot not in MADE_UP and not self.slots.get(slot):
                    raise UnknownSlot(f"no words for the slot {{{slot}}} of: {template}")

    @property
    def slot_words(self) -> tuple[str, ...]:
        """What is one word to the language model: slot fillers of two to five characters."""
        return tuple(sorted({w for words in self.slots.values() for w in words if 1 < len(w) <= 5}))

    def sample(self, rng: random.Random) -> str:
        """One utterance, its clauses parted by PAUSE."""
        said = self._one(rng)
        while len(said) < LONG and rng.random() < (0.55 if len(said) < SHORT else 0.12):
            # A greeting runs into what follows as often as not.
            said += ("" if len(said) < 4 and rng.random() < 0.5 else PAUSE) + self._one(rng)
        return said

    def _one(self, rng: random.Random) -> str:
        weights = [1 + 2 * template.count("{") for template in self.templates]
        return fill(rng.choices(self.templates, weights)[0], self.slots, rng)


def fill(template: str, slots: Slots, rng: random.Random) -> str:
    """The template with each slot replaced by one of its words. Raises UnknownSlot."""

    def word(match: re.Match[str]) -> str:
        slot = match[1]
        if slot in MADE_UP:
            return MADE_UP[slot](rng)
        if not slots.get(slot):
            raise UnknownSlot(f"no words for the slot {{{slot}}} of: {template}")
        return rng.choice(slots[slot])

    return _SLOT.sub(word, template)


def lines(name: str) -> tuple[str, ...]:
    """The lines of a file of `corpus/`, without comments and empty ones."""
    text = files("recordings.modelmaker").joinpath("corpus", name).read_text(encoding="utf-8")
    return tuple(line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#"))


def load_corpus(names: Slots) -> Corpus:
    """The whole corpus; `names` (of `names.read_names`) add to the slots of corpus/slots.txt."""
    slots = {slot: tuple(words.split()) for slot, _, words in (line.partition(":") for line in lines("slots.txt"))}
    for slot, words in names.items():
        slots[slot] = tuple(dict.fromkeys((*slots.get(slot, ()), *words)))
    return Corpus(tuple(line for name in SPOKEN_FILES for line in lines(name)), slots)


def sentences(corpus: Corpus, count: int, seed: int, without: frozenset[str] = frozenset()) -> list[str]:
    """`count` utterances, with repetitions as often as people repeat them. None has the text of one in `without`."""
    rng = random.Random(seed)  # noqa: S311 - repeatable, nothing secret
    said: list[str] = []
    while len(said) < count:
        one = corpus.sample(rng)
        if one.replace(PAUSE, "") not in without:
            said.append(one)
    return said


def script(corpus: Corpus, seed: int) -> list[str]:
    """The lines of a demonstration call, which are held out of all training."""
    rng = random.Random(seed)  # noqa: S311 - repeatable, nothing secret
    return [fill(line, corpus.slots, rng) for line in lines(SCRIPT_FILE)]
