"""Text as the search sees it: tables of cases, and what must hold for any text at all."""

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketing.search.search import bucket_of, keys
from ticketing.search.text import marked, normal, snippet, spans, terms, token_set, tokens

HANZI = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), min_size=2, max_size=12)
MIXED = st.text(
    st.one_of(
        st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF),
        st.sampled_from("abcXYZ0123 ,。-％①Ａ\n"),
        st.characters(),
    ),
    max_size=60,
)
TOKENS = [
    ("停水", ["停水"]),
    ("停水两天", ["停水", "水两", "两天"]),
    ("停 水", []),
    ("水", []),
    ("停水，两天", ["停水", "两天"]),
    ("A4纸", ["a4"]),
    ("B超检查", ["b", "超检", "检查"]),
    ("12栋", ["12"]),
    ("ETC", ["etc"]),
    ("13800138000", ["138", "380", "800", "001", "013", "138", "380", "800", "000"]),
    ("ＡＴＭ机", ["atm"]),
    ("①号楼", ["1", "号楼"]),
    ("a_b", ["a", "b"]),
    ("〇二年", ["〇二", "二年"]),
    ("100%漏水", ["100", "漏水"]),
    ("", []),
]


@pytest.mark.parametrize(("text", "found"), TOKENS)
def test_tokens_of_a_text(text: str, found: list[str]) -> None:
    assert [token.text for token in tokens(normal(text))] == found


@given(MIXED)
def test_any_text_has_tokens_at_their_places(text: str) -> None:
    plain = normal(text)
    for token in tokens(plain):
        assert plain[token.at : token.at + len(token.text)] == token.text
        assert not any(char.isspace() for char in token.text)


@given(st.text(max_size=60))
def test_normal_spelling_is_final(text: str) -> None:
    assert normal(normal(text)) == normal(text)


@given(MIXED, HANZI, MIXED)
def test_every_two_characters_are_findable(before: str, words: str, after: str) -> None:
    every = token_set(before + words + after)
    for at in range(len(words) - 1):
        assert token_set(words[at : at + 2]) <= every
    assert token_set(words) <= every


@given(st.text("abc123", min_size=3, max_size=12), st.integers(0, 8), st.integers(3, 12))
def test_every_part_of_a_longer_number_is_findable(run: str, start: int, length: int) -> None:
    part = run[start : start + length]
    if len(part) >= 3:
        assert token_set(part) <= token_set(run)


def test_terms_are_parted_at_blanks() -> None:
    assert terms(" 停水  ＡＢ　停水 100% ") == ("停水", "ab", "100%")


# ---- marks


@pytest.mark.parametrize(
    ("text", "words", "places"),
    [
        ("停水停水", ["停水"], ((0, 4),)),
        ("停水了，还停水", ["停水"], ((0, 2), (5, 7))),
        ("医保报销", ["医保", "保报"], ((0, 3),)),
        ("ＡＴＭ机", ["atm"], ((0, 3),)),
        ("①②", ["12"], ((0, 2),)),
        ("停水", [""], ()),
        ("停水", ["电"], ()),
    ],
)
def test_where_words_stand(text: str, words: list[str], places: tuple[tuple[int, int], ...]) -> None:
    assert spans(text, words) == places


@given(MIXED, st.lists(st.text(min_size=1, max_size=3), max_size=3))
def test_a_marked_text_says_what_the_text_says_and_holds_no_foreign_tag(text: str, words: list[str]) -> None:
    shown = marked(text, [normal(word) for word in words])
    stripped = shown.replace("<em>", "").replace("</em>", "")
    assert "<" not in stripped
    assert html.unescape(stripped) == html.unescape(html.escape(text))


def test_a_snippet_shows_where_most_words_stand() -> None:
    text = "无关的话。" * 40 + "医保报销比例为七成。" + "别的事。" * 40
    shown = snippet(text, ["医保", "报销"], 60)
    assert "<em>医保报销</em>比例为七成" in shown
    assert shown.startswith("…")
    assert shown.endswith("…")
    assert snippet("短文", ["没有"], 60) == "短文"


# ---- the index of tickets


def test_half_months_follow_each_other_without_gaps() -> None:
    days = ["20251231", "20260101", "20260115", "20260116", "20260131", "20260201", "20260216"]
    buckets = [bucket_of(day + "000001") - bucket_of("20251231000001") for day in days]
    assert buckets == [0, 1, 1, 2, 2, 3, 4]


def test_a_token_has_another_number_in_another_half_month_and_a_unit_is_no_word() -> None:
    assert keys(1, ["停水"]) != keys(2, ["停水"])
    assert keys(1, ["water"]) != keys(1, [], ["water"])
    assert set(keys(1, ["停水"])) < set(keys(1, ["停水", "两天"], ["water"]))
    assert all(-(2**31) <= key < 2**31 for key in keys(7, ["停水", "两天"]))
