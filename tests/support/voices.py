"""What people say in the sweeps over all screens: as people do, as those who mean harm, or in one endless word."""

import itertools
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from tests.support.hostile import FORMULAS, TEXTS

SMALL = 20
"""Characters of the smallest field."""


class Voice(Protocol):
    """Words for a field. plain: what anybody would say there; most: characters the field takes."""

    def short(self, plain: str, most: int = 200) -> str: ...

    def line(self, plain: str, most: int = 200) -> str:
        """For a field that is a name: without tabs and line ends."""
        ...

    def long(self, plain: str) -> str: ...

    def each(self, plain: Iterable[str]) -> list[str]:
        """Words of their own each, such as what is said in a call."""
        ...


@dataclass(frozen=True)
class Plain:
    """As people do."""

    def short(self, plain: str, most: int = 200) -> str:
        assert len(plain) <= most
        return plain

    line = short

    def long(self, plain: str) -> str:
        return plain

    def each(self, plain: Iterable[str]) -> list[str]:
        return list(plain)


class Endless:
    """One word without a place to break, as long as the field takes."""

    def short(self, plain: str, most: int = 200) -> str:
        return (plain + "W" * most)[:most]

    line = short

    def long(self, plain: str) -> str:
        return plain + "W" * 500

    def each(self, plain: Iterable[str]) -> list[str]:
        return [self.long(one) for one in plain]


def _one_line(text: str) -> bool:
    """Whether it is fit for a name: no control characters, and not only spaces at its ends."""
    return text == text.strip() and not any(unicodedata.category(char) == "Cc" for char in text)


@dataclass(frozen=True)
class Hostile:
    """All TEXTS in a long field, as many as fit in a short one: a formula first, the rest in turn."""

    _formulas: Iterable[str] = field(default_factory=lambda: itertools.cycle(FORMULAS))
    _rest: list[str] = field(default_factory=lambda: [text for text in TEXTS if text not in FORMULAS])

    def short(self, plain: str, most: int = 200) -> str:
        return self._packed(most, plain, lambda text: True)

    def line(self, plain: str, most: int = 200) -> str:
        return self._packed(most, plain, _one_line)

    def long(self, plain: str) -> str:
        return "\n".join((plain, *TEXTS))

    def each(self, plain: Iterable[str]) -> list[str]:
        return [*plain, *TEXTS]

    def _packed(self, most: int, plain: str, fits: object) -> str:
        """As many as the field takes; every one comes up again only after all others had their turn."""
        assert callable(fits)
        first = next(one for one in self._formulas if len(one) <= most and fits(one)) if most > SMALL else ""
        said = [first] if first else []
        for text in tuple(self._rest):
            if fits(text) and len(" ".join((*said, text))) <= most:
                said.append(text)
                self._rest.remove(text)
                self._rest.append(text)
        return " ".join(said) or plain


_UNSEEN = re.compile(r"[\s\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]+")


def seen(text: str) -> str:
    """Without what has no shape on a screen: spaces, line ends, marks of direction."""
    return _UNSEEN.sub("", text)


def texts_in(shown: str) -> frozenset[str]:
    """Which of TEXTS stand in what a page shows."""
    there = seen(shown)
    return frozenset(text for text in TEXTS if seen(text) in there)
