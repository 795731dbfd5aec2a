"""Which words follow which: a trigram model with absolute discounting, as the text of a finite-state grammar. PURE.

Sentences of templates are far surer of themselves than callers are, so every history also gives some of its mass away
(`FLOOR`), and all frequent words of the language have a share of the unigrams (`GENERAL_SHARE`).
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

ORDER = 3
DISCOUNT = 0.7
FLOOR = 0.1
GENERAL_SHARE = 0.15
GENERAL_POWER = 0.7
"""Flattens the frequencies of general words: they come from newspapers."""
MIN_TRIGRAMS = 2
LEAST = 1e-7
BEGIN, END = "<s>", "</s>"

History = tuple[str, ...]


@dataclass(slots=True)
class Language:
    """after[history][word] is a probability; of words not in it, back_off[history] times that of a shorter history."""

    after: dict[History, dict[str, float]] = field(default_factory=dict)
    back_off: dict[History, float] = field(default_factory=dict)

    def probability(self, word: str, history: History) -> float:
        """Of `word` after `history`, the shortest one `()` knows every word."""
        while history not in self.after:
            history = history[1:]
        if word in self.after[history]:
            return self.after[history][word]
        return self.back_off[history] * self.probability(word, history[1:])


def learn(sentences: Iterable[Sequence[str]], words: Sequence[str], general: Mapping[str, int]) -> Language:
    """From sentences of `words`. general: frequencies of words in the language at large."""
    counts = _counted(sentences)
    language = Language()
    language.after[()] = _unigrams(counts[0][()], words, general)
    for size in range(1, ORDER):
        for history, follow in counts[size].items():
            least = MIN_TRIGRAMS if size == ORDER - 1 else 1
            kept = {word: count for word, count in follow.items() if count >= least}
            if kept and history[1:] in language.after:
                _add(language, history, kept, follow.total())
    return language


def _counted(sentences: Iterable[Sequence[str]]) -> list[dict[History, Counter[str]]]:
    counts: list[dict[History, Counter[str]]] = [{(): Counter()}, *({} for _ in range(1, ORDER))]
    for sentence in sentences:
        said = [BEGIN, *sentence, END]
        for at in range(1, len(said)):
            for size in range(min(ORDER, at + 1)):
                history = tuple(said[at - size : at])
                counts[size].setdefault(history, Counter())[said[at]] += 1
    return counts


def _unigrams(counts: Counter[str], words: Sequence[str], general: Mapping[str, int]) -> dict[str, float]:
    total = counts.total()
    total_general = sum(count**GENERAL_POWER for count in general.values())
    flat = {word: count**GENERAL_POWER / total_general for word, count in general.items()}
    share = GENERAL_SHARE if general else 0.0
    mixed = {w: (1 - share) * counts[w] / total + share * flat.get(w, 0.0) for w in (*words, END)}
    return {word: max(p, LEAST) for word, p in mixed.items()}


def _add(language: Language, history: History, kept: Mapping[str, int], total: int) -> None:
    discounted = {word: max(count - DISCOUNT, 0.0) for word, count in kept.items()}
    back = FLOOR + (1 - FLOOR) * (1 - sum(discounted.values()) / total)
    language.back_off[history] = back
    language.after[history] = {
        word: (1 - FLOOR) * count / total + back * language.probability(word, history[1:])
        for word, count in discounted.items()
    }


def grammar_text(language: Language, word_ids: Mapping[str, int], back_off_id: int) -> str:
    """The grammar in OpenFst's text form; the back-off arcs read the word `back_off_id` (#0) and write nothing."""
    histories = sorted(language.after, key=lambda history: (len(history), history))
    states = {history: number for number, history in enumerate(histories, 1)}
    start = (BEGIN,) if (BEGIN,) in states else ()
    rows = [f"0 {states[start]} 0 0 0"]
    for history in histories:
        for word, probability in sorted(language.after[history].items()):
            cost = f"{-math.log(probability):.5f}"
            if word == END:
                rows.append(f"{states[history]} {cost}")
            else:
                target = _known((*history, word)[1 - ORDER :], states)
                rows.append(f"{states[history]} {states[target]} {word_ids[word]} {word_ids[word]} {cost}")
        if history:
            cost = f"{-math.log(max(language.back_off[history], LEAST)):.5f}"
            rows.append(f"{states[history]} {states[_known(history[1:], states)]} {back_off_id} 0 {cost}")
    return "\n".join(rows) + "\n"


def _known(history: History, states: Mapping[History, int]) -> History:
    while history not in states:
        history = history[1:]
    return history
