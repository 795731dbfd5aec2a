"""What a search of the knowledge base found, and which of it is worth an agent's look while a citizen speaks. PURE."""

from collections.abc import Sequence
from dataclasses import dataclass

from ticketing.knowledge.contents import Template
from ticketing.knowledge.items import Item
from ticketing.prefill.words import Line, Quote, Utterance, in_order, join
from ticketing.search.text import spans

LISTENED = 160
"""Characters of what was said last that are looked at."""
LEAST_WORDS = 2
"""So many different words of an item must have been said before it is offered."""
MOST_OFFERS = 3
LONGEST_QUOTE = 60


@dataclass(frozen=True, slots=True)
class Hit:
    """One result. words: those of the question that it says. title_html, snippet_html: escaped, words in <em>.

    uses: tickets answered from it. not_yet: its validity begins later. stale: its review is overdue.
    """

    item: Item
    version: int
    template: Template
    words: tuple[str, ...]
    title_html: str
    snippet_html: str
    score: int
    expired: bool
    not_yet: bool
    stale: bool
    uses: int


@dataclass(frozen=True, slots=True)
class Offer:
    """An item that may answer what was just said; quote: the words it was found by, as they were said."""

    hit: Hit
    quote: Quote


def recent(utterances: Sequence[Utterance]) -> Line:
    """The last utterances, together at least LISTENED characters where so much was said."""
    kept: list[Utterance] = []
    length = 0
    for utterance in reversed(in_order(utterances)):
        if length >= LISTENED:
            break
        kept.append(utterance)
        length += sum(len(word.text) for word in utterance.words)
    return join(reversed(kept))


def offers(said: Line, asked: Sequence[str], hits: Sequence[Hit]) -> tuple[Offer, ...]:
    """The results worth showing, best first: in force, and saying enough of what was asked for."""
    enough = min(LEAST_WORDS, len(asked))
    worth = [hit for hit in hits if len(hit.words) >= enough and not hit.expired and not hit.not_yet]
    return tuple(Offer(hit, quote) for hit in worth[:MOST_OFFERS] if (quote := _quote(said, hit.words)) is not None)


def _quote(said: Line, words: Sequence[str]) -> Quote | None:
    """The stretch of speech around the last words found, within LONGEST_QUOTE characters."""
    places = spans(said.text, words)
    if not places:
        return None
    end = places[-1][1]
    start = next(begin for begin, _ in places if begin >= end - LONGEST_QUOTE or begin == places[-1][0])
    return said.quote(start, end)
