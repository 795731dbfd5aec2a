"""Lexicon, grammar and transition-ids as plain rows, before and after kaldifst."""

import math
from collections import defaultdict
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordings.modelmaker.graph import (
    PAUSE_PROBABILITY,
    WORD_COST,
    Arc,
    Machine,
    in_transitions,
    lexicon_text,
    read_machine,
    words_txt,
)
from recordings.modelmaker.language import BEGIN, END, Language, grammar_text, learn
from recordings.modelmaker.lexicon import PhoneTable, make_lexicon

SAID = [["停水", "了"], ["停电", "了"], ["停水", "了"], ["停水", "三天", "了"]]
WORDS = ("三天", "了", "停水", "停电", "你好")
IDS = {word: number for number, word in enumerate(WORDS, 1)}
GENERAL = {"你好": 50, "了": 900}


def arcs(text: str) -> dict[int, list[list[str]]]:
    """The arcs of OpenFst's text form by their source."""
    found: dict[int, list[list[str]]] = defaultdict(list)
    for row in text.splitlines():
        if len(parts := row.split()) > 2:
            found[int(parts[0])].append(parts[1:])
    return found


def test_words_have_ids_and_the_two_symbols_that_are_no_words() -> None:
    assert words_txt({"停水": 1, "了": 2}) == "<eps> 0\n停水 1\n了 2\n#0 3\n"


@pytest.mark.parametrize("history", [(), ("停水",), (BEGIN,), (BEGIN, "停水")])
def test_probabilities_after_a_history_add_up_to_one(history: tuple[str, ...]) -> None:
    language = learn(SAID, WORDS, GENERAL)
    assert sum(language.probability(word, history) for word in (*WORDS, END)) == pytest.approx(1, abs=0.08)


def test_what_was_said_is_likelier_than_what_was_not() -> None:
    language = learn(SAID, WORDS, GENERAL)
    assert language.probability("了", ("停水",)) > language.probability("你好", ("停水",)) > 0


@given(st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=5), min_size=1, max_size=20))
def test_every_sentence_has_a_way_through_the_grammar(said: list[list[str]]) -> None:
    text = grammar_text(learn(said, WORDS, GENERAL), IDS, back_off_id=99)
    after = arcs(text)
    finals = {int(parts[0]) for row in text.splitlines() if len(parts := row.split()) == 2}
    for sentence in said:
        states = closure({0}, after)
        for word in sentence:
            reached = {int(a[0]) for s in states for a in after[s] if a[1] == str(IDS[word])}
            states = closure(reached, after)
        assert states & finals


def closure(states: set[int], after: dict[int, list[list[str]]]) -> set[int]:
    """With all states that are reached by backing off."""
    while True:
        more = states | {int(a[0]) for s in states for a in after[s] if a[1] in ("0", "99")}
        if more == states:
            return states
        states = more


def test_grammar_costs_are_never_negative() -> None:
    text = grammar_text(learn(SAID, WORDS, GENERAL), IDS, back_off_id=99)
    assert all(float(row.split()[-1]) >= 0 for row in text.splitlines())


def test_language_without_general_words_knows_only_what_was_said() -> None:
    language: Language = learn(SAID, WORDS, {})
    assert language.probability("你好", ()) < 1e-6


def test_homophones_end_in_different_marks() -> None:
    lexicon = make_lexicon(["是", "事"])
    table = PhoneTable(lexicon.phones)
    after = arcs(lexicon_text(lexicon, table))
    one, two = (read(after, 1, word) for word in lexicon.word_ids.values())
    assert one[:-1] == two[:-1] == [str(table.ids["sh_B"]), str(table.ids["ir4_E"])]
    assert [int(way[-1]) - len(table.ids) - 1 for way in (one, two)] == [1, 2]


def read(after: dict[int, list[list[str]]], state: int, word: int) -> list[str]:
    """What is read on the way of a word from `state` and back."""
    arc = next(a for a in after[state] if a[2] == str(word))
    way = [arc[1]]
    while int(arc[0]) != state:
        arc = next(a for a in after[int(arc[0])])
        way.append(arc[1])
    return way


@pytest.mark.parametrize("word", ["停水", "二"])
def test_every_word_costs_once(word: str) -> None:
    after = arcs(lexicon_text(lexicon := make_lexicon([word]), PhoneTable(lexicon.phones)))
    state, cost = 1, 0.0
    while state != 1 or not cost:
        arc = after[state][0]
        state, cost = int(arc[0]), cost + float(arc[3])
    assert cost == pytest.approx(WORD_COST - math.log(1 - PAUSE_PROBABILITY), abs=1e-4)


def test_marks_are_no_longer_read_from_the_composed_machine() -> None:
    machine = read_machine(["3 0 2 7 0.5", "0 1 9 0", "1 0.25", "0"], phones=8)
    assert machine.start == 3
    assert machine.states == 4
    assert machine.arcs == [Arc(3, 0, 2, 7, 0.5), Arc(0, 1, 0, 0, 0.0)]
    assert machine.finals == {1: 0.25, 0: 0.0}


def test_phone_is_entered_once_and_then_lasts() -> None:
    spelled = in_transitions(Machine(0, 2, [Arc(0, 1, 3, 5, 0.5)], {1: 0.0}))
    assert set(spelled.arcs) == {Arc(0, 1, 6, 5, 0.5), Arc(1, 1, 5, 0, 0.0)}
    assert spelled.finals == {1: 0.0}


def test_state_entered_by_two_phones_has_a_state_for_each() -> None:
    spelled = in_transitions(Machine(0, 2, [Arc(0, 1, 1, 0, 0.0), Arc(0, 1, 2, 0, 0.0)], {1: 0.0}))
    assert spelled.states == 4
    loops = {arc.source: arc.reads for arc in spelled.arcs if arc.source == arc.target}
    assert sorted(loops.values()) == [1, 3]
    assert 1 not in loops


def test_state_also_entered_silently_has_no_loop_of_its_own() -> None:
    spelled = in_transitions(Machine(0, 3, [Arc(0, 2, 1, 0, 0.0), Arc(1, 2, 0, 4, 0.0), Arc(0, 1, 2, 0, 0.0)]))
    assert not [arc for arc in spelled.arcs if arc.source == arc.target == 2]


chains = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=12
)


@given(chains, st.data())
def test_spelled_out_machine_reads_the_same_phones(rows: list[tuple[int, int, int, int]], data: st.DataObject) -> None:
    machine = Machine(0, 5, [Arc(*row, 0.0) for row in rows], {4: 0.0})
    spelled = in_transitions(machine)
    lasting = data.draw(st.integers(1, 3))
    for phones in walks(machine):
        frames = [id for p in phones for id in [2 * p] + [2 * p - 1] * (lasting - 1)]
        assert accepts(spelled, frames)


def walks(machine: Machine, length: int = 4) -> Iterator[tuple[int, ...]]:
    """The phones read on the ways from the start, of at most `length` arcs."""
    ways: list[tuple[int, tuple[int, ...]]] = [(machine.start, ())]
    for _ in range(length):
        ways = [(a.target, (*p, a.reads) if a.reads else p) for s, p in ways for a in machine.arcs if a.source == s]
        yield from {phones for _, phones in ways}


def accepts(machine: Machine, frames: list[int]) -> bool:
    """Whether the machine can read the frames from its start."""
    states = _silently(machine, {machine.start})
    for frame in frames:
        states = _silently(machine, {a.target for a in machine.arcs if a.source in states and a.reads == frame})
    return bool(states)


def _silently(machine: Machine, states: set[int]) -> set[int]:
    while True:
        more = states | {a.target for a in machine.arcs if a.source in states and a.reads == 0}
        if more == states:
            return states
        states = more
