"""What the demo model's maker lets people say: the corpus is whole, repeatable, and names no region itself."""

import random
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordings.modelmaker.names import NoNames, read_names
from recordings.modelmaker.sentences import (
    FREE_FILE,
    PAUSE,
    SCRIPT_FILE,
    SPOKEN_FILES,
    Corpus,
    UnknownSlot,
    fill,
    lines,
    load_corpus,
    script,
    sentences,
)

CONFIG = Path(__file__).parents[3] / "config"
SLOTS = {"town": ["甲镇"], "trouble": ["停水", "停电"]}


@pytest.fixture(scope="module")
def names() -> dict[str, tuple[str, ...]]:
    return read_names(CONFIG)


@pytest.fixture(scope="module")
def corpus(names: dict[str, tuple[str, ...]]) -> Corpus:
    return load_corpus(names)


def test_slots_are_filled() -> None:
    said = {fill("{town}{trouble}了", SLOTS, random.Random(seed)) for seed in range(20)}
    assert said == {"甲镇停水了", "甲镇停电了"}


def test_sentence_with_an_unknown_slot_is_refused() -> None:
    with pytest.raises(UnknownSlot, match="place"):
        fill("{place}停水", SLOTS, random.Random(1))
    with pytest.raises(UnknownSlot, match=r"\{place\}停水"):
        Corpus(("你好", "{place}停水"), SLOTS)


@pytest.mark.parametrize(("slot", "digits"), [("mobile", 11), ("identity", 18)])
@given(seed=st.integers())
def test_made_up_numbers_have_all_their_digits(slot: str, digits: int, seed: int) -> None:
    said = fill(f"{{{slot}}}", {}, random.Random(seed)).replace(PAUSE, "")
    assert len(said) == digits
    assert set(said) <= set("零幺一二三四五六七八九叉")


def test_every_sentence_of_the_corpus_can_be_said(corpus: Corpus) -> None:
    for line in (*corpus.templates, *lines(SCRIPT_FILE), *lines(FREE_FILE)):
        said = fill(line, corpus.slots, random.Random(1)).replace(PAUSE, "")
        assert said
        assert all("\u4e00" <= character <= "\u9fff" for character in said), said


def test_no_sentence_stands_twice_in_the_corpus(corpus: Corpus) -> None:
    everything = (*corpus.templates, *lines(FREE_FILE))
    assert len(everything) == len(set(everything))


def test_no_region_is_named_in_the_corpus(names: dict[str, tuple[str, ...]]) -> None:
    folder = files("recordings.modelmaker").joinpath("corpus")
    everything = "".join(folder.joinpath(name).read_text("utf-8") for name in (*SPOKEN_FILES, FREE_FILE, SCRIPT_FILE))
    assert [name for slot in ("county", "town", "place") for name in names[slot] if name in everything] == []


def test_same_seed_gives_the_same_sentences(corpus: Corpus) -> None:
    assert sentences(corpus, 50, seed=3) == sentences(corpus, 50, seed=3) != sentences(corpus, 50, seed=4)
    assert script(corpus, seed=3) == script(corpus, seed=3)


def test_held_out_sentences_are_not_drawn() -> None:
    corpus = Corpus(("停水了", "停电了"), {})
    said = sentences(corpus, 200, seed=1, without=frozenset({"停水了"}))
    assert len(said) == 200
    assert "停水了" not in said
    assert "停电了" in said


def test_names_come_from_the_gazetteers_and_unit_lists(names: dict[str, tuple[str, ...]]) -> None:
    assert "龙脊镇" in names["town"]
    assert {"金江村", "龙脊镇金江村"} <= set(names["place"])
    assert "龙胜各族自治县" in names["county"]
    assert "供电公司" in names["unit"]
    assert all(name.isalpha() for all_of_them in names.values() for name in all_of_them)


def test_folder_without_a_gazetteer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NoNames, match="gazetteer"):
        read_names(tmp_path)
