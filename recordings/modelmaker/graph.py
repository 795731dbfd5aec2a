"""graph/HCLG.fst: lexicon and grammar composed, made deterministic and small, and spelled out in transition-ids.

The door of kaldifst, imported inside the functions; everything else is plain rows. Source: Kaldi's
src/fstext/determinize-star.h, src/hmm/hmm-utils.cc, and Povey et al., "Generating exact lattices in the WFST
framework" (2012) for the disambiguation symbols.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from recordings.modelmaker.lexicon import SILENCE, Lexicon, PhoneTable, in_places

BACK_OFF = "#0"
PAUSE_PROBABILITY = 0.25
"""Of a pause after a word, and before the first."""


WORD_COST = 1.0
"""Of every word: without it a drawn-out syllable is heard as two words."""


class Arc(NamedTuple):
    """From a state to a state, reading and writing a label (0: none), at a cost (-log probability)."""

    source: int
    target: int
    reads: int
    writes: int
    cost: float


@dataclass(slots=True)
class Machine:
    """A finite-state transducer as plain rows. `finals`: final state -> cost."""

    start: int
    states: int
    arcs: list[Arc] = field(default_factory=list)
    finals: dict[int, float] = field(default_factory=dict)


def words_txt(word_ids: Mapping[str, int]) -> str:
    """graph/words.txt: a word and its id a line, with the two symbols that are no words."""
    words = "".join(f"{word} {number}\n" for word, number in word_ids.items())
    return f"<eps> 0\n{words}{BACK_OFF} {back_off_word(word_ids)}\n"


def back_off_word(word_ids: Mapping[str, int]) -> int:
    """The id of #0, after all words."""
    return len(word_ids) + 1


def back_off_phone(table: PhoneTable) -> int:
    """The id of #0 among the phones, after all phones."""
    return len(table.ids) + 1


def _entries(lexicon: Lexicon, table: PhoneTable) -> Iterator[tuple[int, list[int]]]:
    """Word id and phone ids of each pronunciation; words that sound alike end in #1, #2, ..."""
    ids, word_ids = table.ids, lexicon.word_ids
    spelled = [
        (word_ids[word], tuple(ids[form] for form in in_places(way)))
        for word, ways in lexicon.words.items()
        for way in ways
    ]
    shared = Counter(phones for _, phones in spelled)
    used: Counter[tuple[int, ...]] = Counter()
    for word, phones in spelled:
        marks = []
        if shared[phones] > 1:
            used[phones] += 1
            marks = [back_off_phone(table) + used[phones]]
        yield word, [*phones, *marks]


def lexicon_text(lexicon: Lexicon, table: PhoneTable) -> str:
    """The lexicon in OpenFst's text form: reads phone ids, writes word ids; a pause may follow each word."""
    pause, no_pause = -math.log(PAUSE_PROBABILITY), -math.log(1 - PAUSE_PROBABILITY)
    between, pausing, free = 1, 2, 3
    rows = [
        f"0 {between} 0 0 {no_pause:.5f}",
        f"0 {pausing} 0 0 {pause:.5f}",
        f"{pausing} {between} {table.ids[SILENCE]} 0 0",
    ]
    for word, phones in _entries(lexicon, table):
        state, writes, cost = between, word, WORD_COST
        for phone in phones[:-1]:
            rows.append(f"{state} {free} {phone} {writes} {cost}")
            state, writes, cost, free = free, 0, 0.0, free + 1
        rows.append(f"{state} {between} {phones[-1]} {writes} {cost + no_pause:.5f}")
        rows.append(f"{state} {pausing} {phones[-1]} {writes} {cost + pause:.5f}")
    rows.append(f"{between} 0")
    return "\n".join(rows) + "\n"


def read_machine(rows: Iterable[str], phones: int) -> Machine:
    """From OpenFst's text form, start state first. Labels above `phones` (#0, #1, ...) have done their work: 0."""
    machine: Machine | None = None
    for row in rows:
        parts = row.split()
        machine = machine or Machine(int(parts[0]), 0)
        if len(parts) <= 2:
            machine.finals[int(parts[0])] = float(parts[1]) if len(parts) == 2 else 0.0
            machine.states = max(machine.states, int(parts[0]) + 1)
            continue
        source, target, reads, writes = (int(part) for part in parts[:4])
        cost = float(parts[4]) if len(parts) > 4 else 0.0
        machine.arcs.append(Arc(source, target, reads if reads <= phones else 0, writes, cost))
        machine.states = max(machine.states, source + 1, target + 1)
    return machine or Machine(0, 1)


def in_transitions(machine: Machine) -> Machine:
    """The same, reading transition-ids: phone p is read as 2p, once, then 2p - 1 as long as it lasts.

    This is Kaldi's "reordered" form, which vosk takes for granted: the loop is on the state a phone has reached.
    A state that is reached by several phones gets one more state for each, with an empty arc to it.
    """
    entered: defaultdict[int, set[int]] = defaultdict(set)
    entered[machine.start].add(0)
    for arc in machine.arcs:
        entered[arc.target].add(arc.reads)
    spelled = Machine(machine.start, machine.states, finals=dict(machine.finals))
    by_phone: dict[tuple[int, int], int] = {}
    for arc in machine.arcs:
        if arc.reads == 0:
            spelled.arcs.append(arc)
            continue
        way_in = (arc.target, arc.reads)
        if way_in not in by_phone:
            by_phone[way_in] = _loop(spelled, *way_in, alone=len(entered[arc.target]) == 1)
        spelled.arcs.append(Arc(arc.source, by_phone[way_in], 2 * arc.reads, arc.writes, arc.cost))
    return spelled


def _loop(machine: Machine, target: int, phone: int, *, alone: bool) -> int:
    """The state in which `phone` lasts before `target`; adds it where target is not reached by this phone alone."""
    state = target
    if not alone:
        state = machine.states
        machine.states += 1
        machine.arcs.append(Arc(state, target, 0, 0, 0.0))
    machine.arcs.append(Arc(state, state, 2 * phone - 1, 0, 0.0))
    return state


def write_graph(path: Path, lexicon: Lexicon, table: PhoneTable, grammar: str) -> int:
    """Writes HCLG.fst, which vosk reads as it is; answers how many states it has.

    grammar: of `language.grammar_text`, with the words of this lexicon.
    """
    machine = in_transitions(read_machine(_composed(lexicon, table, grammar), len(table.ids)))
    _const_fst(machine).write(str(path))
    return machine.states


def _composed(lexicon: Lexicon, table: PhoneTable, grammar: str) -> list[str]:
    """Lexicon and grammar as one deterministic, minimal machine: rows of OpenFst's text form."""
    import kaldifst

    words = kaldifst.compile(lexicon_text(lexicon, table), keep_state_numbering=True)
    # #0 passes through the lexicon, so that backing off stays visible to determinization
    kaldifst.add_self_loops(words, [back_off_phone(table)], [back_off_word(lexicon.word_ids)])
    kaldifst.arcsort(words, "olabel")
    sentences = kaldifst.compile(grammar)
    kaldifst.arcsort(sentences, "ilabel")
    both = kaldifst.StdVectorFst(kaldifst.compose(words, sentences))
    kaldifst.determinize_star(both, use_log=True)
    kaldifst.minimize_encoded(both)
    text: str = both.to_str(show_weight_one=True)
    return text.splitlines()


def _const_fst(machine: Machine) -> Any:
    import kaldifst

    fst = kaldifst.StdVectorFst()
    for _ in range(machine.states):
        fst.add_state()
    fst.start = machine.start
    for state, cost in machine.finals.items():
        fst.set_final(state=state, weight=cost)
    for arc in machine.arcs:
        fst.add_arc(state=arc.source, arc=kaldifst.StdArc(arc.reads, arc.writes, arc.cost, arc.target))
    kaldifst.arcsort(fst, "ilabel")
    return kaldifst.StdConstFst(fst)
