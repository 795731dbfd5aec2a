"""What is hidden in text and in audio."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketing.prefill.masks import MuteSpan, find_sensitive, mask_digits, mask_text, mask_words, masked_words
from ticketing.prefill.words import Word


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("电话13800138000。", "电话138****8000。"),
        ("电话138 0013 8000", "电话138 **** 8000"),
        ("138-0013-8000", "138-****-8000"),
        ("幺三八零零一三八零零零", "幺三八****八零零零"),
        ("幺 三 八 零 零 一 三 八 零 零 零", "幺 三 八 * * * * 八 零 零 零"),
        ("身份证11010519491231002X", "身份证110***********002X"),
        ("一一零一零五一九四九一二三一零零二叉", "一一零***********零零二叉"),
        ("卡号6222021234567890123", "卡号622************0123"),
        ("座机7512345", "座机75***45"),
        ("座机0773-7512345", "座机077*-***2345"),
        ("１３８００１３８０００", "１３８****８０００"),
        ("幺三八零零\n一三八零零零", "幺三八**\n**八零零零"),
        ("打12345", "打12345"),
        ("三号楼二单元一零三室", "三号楼二单元一零三室"),
        ("2026-11-22 处理", "2026-11-22 处理"),
        ("2026-11-22 10:30", "2026-11-22 10:30"),
        ("欠3000000元", "欠3000000元"),
        ("桂C12345", "桂C12345"),
        ("", ""),
    ],
)
def test_long_numbers_are_hidden(text: str, masked: str) -> None:
    assert mask_text(text) == masked


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("13800138000", "phone"),
        ("11010519491231002X", "id_number"),
        ("6222021234567890123", "bank_card"),
        ("7512345", "number"),
    ],
)
def test_kind_of_number(text: str, kind: str) -> None:
    (found,) = find_sensitive(text)
    assert found.kind == kind
    assert text not in repr(found)


@given(st.text(st.sampled_from("0123456789零幺一二三X -电话，\n是要"), max_size=60))
def test_masking_keeps_length_and_is_idempotent(text: str) -> None:
    masked = mask_text(text)
    assert len(masked) == len(text)
    assert mask_text(masked) == masked
    assert all(new in (old, "*") for old, new in zip(text, masked, strict=True))


@given(st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True), st.sampled_from(["", " ", "-"]))
def test_no_mobile_number_survives_however_grouped(number: str, between: str) -> None:
    grouped = between.join((number[:3], number[3:7], number[7:]))
    spoken = grouped.translate(str.maketrans("0123456789", "零幺二三四五六七八九"))
    masked = between.join((number[:3], "****", number[7:]))
    assert mask_text(f"电话是{grouped}谢谢") == f"电话是{masked}谢谢"
    assert mask_text(f"电话是{spoken}谢谢").count("*") == 4


def words(*texts: str) -> list[Word]:
    return [Word(text, float(i), i + 0.5, 0.9) for i, text in enumerate(texts)]


def test_audio_is_silenced_where_the_hidden_digits_are() -> None:
    heard = words("电话", "是", "幺", "三", "八", "零", "零", "一", "三", "八", "零", "零", "零", "谢谢")
    assert mask_words(heard) == (MuteSpan(5.0, 8.5, "phone"),)
    assert "".join(word.text for word in masked_words(heard)) == "电话是幺三八****八零零零谢谢"


def test_a_word_that_holds_both_is_silenced_whole() -> None:
    assert mask_words(words("电话", "幺三八零", "零一三八", "零零零")) == (MuteSpan(1.0, 2.5, "phone"),)


def test_two_numbers_are_two_spans() -> None:
    spans = mask_words(words("幺三八零零一三八零零零", "和", "7512345", "都行"))
    assert [span.kind for span in spans] == ["phone", "number"]


def test_nothing_to_hide_gives_no_spans() -> None:
    assert mask_words(words("三", "号楼")) == ()
    assert mask_words([]) == ()


def test_digits_alone() -> None:
    assert mask_digits("13800138000") == "138****8000"
    assert mask_digits("12345") == "12345"
