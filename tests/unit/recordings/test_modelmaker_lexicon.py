"""Hanzi become phones, and phones become the numbers Kaldi knows them by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recordings.modelmaker.lexicon import (
    Lexicon,
    NotASyllable,
    PhoneTable,
    in_places,
    make_lexicon,
    pronunciations,
    spelled,
    syllable_phones,
)


@pytest.mark.parametrize(
    ("syllable", "phones"),
    [
        ("ma1", ("m", "a1")),
        ("zhuang1", ("zh", "uang1")),
        ("yi2", ("i2",)),
        ("wu3", ("u3",)),
        ("yuan3", ("van3",)),
        ("lü4", ("l", "v4")),
        ("ju2", ("j", "v2")),
        ("xi1", ("x", "i1")),
        ("shi1", ("sh", "ir1")),
        ("ri4", ("r", "ir4")),
        ("si1", ("s", "iz1")),
        ("er2", ("er2",)),
        ("liu2", ("l", "iou2")),
        ("wei4", ("uei4",)),
        ("dong1", ("d", "ong1")),
        ("le5", ("l", "e5")),
    ],
)
def test_syllable_has_its_phones(syllable: str, phones: tuple[str, ...]) -> None:
    assert syllable_phones(syllable) == phones


@pytest.mark.parametrize("syllable", ["", "ma", "ma6", "n2", "Ma1", "水", "ma1 ", "1"])
def test_what_cannot_be_said_is_refused(syllable: str) -> None:
    with pytest.raises(NotASyllable):
        syllable_phones(syllable)


@pytest.mark.parametrize(
    ("word", "ways"),
    [
        ("停水", {(("t", "ing2"), ("sh", "uei3"))}),
        ("不", {(("b", "u4"),), (("b", "u2"),)}),
        ("一", {(("i1",),), (("i2",),), (("i4",),)}),
        ("你好", {(("n", "i3"), ("h", "ao3")), (("n", "i2"), ("h", "ao3"))}),
        ("abc", set()),
        ("嗯", set()),
    ],
)
def test_word_has_all_its_ways(word: str, ways: set[object]) -> None:
    assert set(pronunciations(word)) >= ways
    assert bool(pronunciations(word)) == bool(ways)


def test_character_with_several_readings_has_them() -> None:
    assert {(("x", "ing2"),), (("h", "ang2"),)} <= set(pronunciations("行"))


def test_text_is_spelled_with_a_pause_between_clauses() -> None:
    text, phones = spelled([["你好"], ["停水", "了"]])
    assert text == "ni2 hao3, ting2 shui3 le5"
    assert phones == [("n", "i2"), ("h", "ao3"), ("t", "ing2"), ("sh", "uei3"), ("l", "e5")]


def test_lexicon_leaves_out_what_has_no_reading() -> None:
    lexicon = make_lexicon(["水", "停水", "x", "停水"])
    assert lexicon.word_ids == {"停水": 1, "水": 2}
    assert lexicon.phones == ("ing2", "sh", "t", "uei3")


@pytest.mark.parametrize(
    ("word", "forms"),
    [("水", ["sh_B", "uei3_E"]), ("停水", ["t_B", "ing2_I", "sh_I", "uei3_E"]), ("二", ["er4_S"])],
)
def test_phones_know_their_place_in_the_word(word: str, forms: list[str]) -> None:
    assert in_places(pronunciations(word)[0]) == forms


def test_phone_numbers_and_pdfs() -> None:
    table = PhoneTable(("a1", "m"))
    assert table.pdf_ids == {"SIL": 0, "a1": 1, "m": 2}
    assert table.ids == {"SIL": 1, "a1_B": 2, "a1_E": 3, "a1_I": 4, "a1_S": 5, "m_B": 6, "m_E": 7, "m_I": 8, "m_S": 9}
    assert table.pdf_of_phone_id == (0, 1, 1, 1, 1, 2, 2, 2, 2)
    assert table.word_boundary().splitlines()[:5] == ["1 nonword", "2 begin", "3 end", "4 internal", "5 singleton"]


@given(st.lists(st.text("的一是不了人我在有他这中大来上个国水电路灯", min_size=1, max_size=4)))
def test_every_phone_of_a_word_has_a_number(words: list[str]) -> None:
    lexicon: Lexicon = make_lexicon(words)
    ids = PhoneTable(lexicon.phones).ids
    assert all(form in ids for ways in lexicon.words.values() for way in ways for form in in_places(way))
