"""Spoken digits, cardinals, and the identifiers made of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ticketing.prefill.numerals import (
    digit_runs,
    find_numbers,
    find_plates,
    id_number_ok,
    parse_number,
    phone_in,
)

ID_OK = "11010519491231002X"
"""The example of GB 11643."""


@pytest.mark.parametrize(
    ("text", "runs"),
    [
        ("幺三八 零零一三 八零零零", ["13800138000"]),
        ("我的电话是一三八零零一三八零零零", ["13800138000"]),
        ("138-0013-8000", ["13800138000"]),
        ("１３８００１３８０００", ["13800138000"]),
        ("幺三八嗯零零一三然后八零零零", ["13800138000"]),
        ("幺三八\n零零一三\n八零零零", ["13800138000"]),
        ("要三八零零一三八零零零", ["13800138000"]),
        ("幺三八零要三四五六七八", ["13801345678"]),
        ("我要投诉三号楼", ["3"]),
        ("我要三个", ["3"]),
        ("一一零五一九 四九一二三一零零二X", ["11051949123100" + "2"]),
        ("没有数字", []),
        ("十五", ["5"]),
    ],
)
def test_digits_said_one_by_one(text: str, runs: list[str]) -> None:
    assert [run.digits for run in digit_runs(text)] == runs


def test_check_character_of_an_id_number_is_a_digit_only_in_its_place() -> None:
    spoken = "一一零一零五一九四九一二三一零零二叉"
    assert digit_runs(spoken)[0].digits == ID_OK
    assert digit_runs("一二三X")[0].digits == "123"


@given(st.lists(st.sampled_from("0123456789"), min_size=1, max_size=30).map("".join))
def test_spoken_digits_read_as_written(digits: str) -> None:
    spoken = digits.translate(str.maketrans("0123456789", "零幺二三四五六七八九"))
    for text in (spoken, " ".join(spoken), f"是{spoken}吗"):
        assert digit_runs(text)[0].digits == digits


@given(st.text(max_size=60))
def test_runs_lie_in_the_text_and_do_not_overlap(text: str) -> None:
    last = 0
    for run in digit_runs(text):
        assert last <= run.start < run.end <= len(text)
        assert len(run.positions) == len(run.digits)
        last = run.end


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("零", 0),
        ("五", 5),
        ("两", 2),
        ("十", 10),
        ("十五", 15),
        ("二十", 20),
        ("三十六", 36),
        ("一百二十", 120),
        ("一百零三", 103),
        ("一百二", 120),
        ("两千三", 2300),
        ("一千零五十", 1050),
        ("一万二", 12000),
        ("一万二千", 12000),
        ("一万零二", 10002),
        ("十二万", 120000),
        ("三亿五千万", 350000000),
        ("36", 36),
        ("3万", 30000),
        ("二零二三", None),
        ("十十", None),
        ("几", None),
        ("", None),
        ("万", None),
        ("百五", None),
        ("亿" * 5000, None),
    ],
)
def test_cardinals(text: str, value: int | None) -> None:
    assert parse_number(text) == value


def chinese(number: int) -> str:
    """A number below ten thousand as it is said."""
    out, zero = "", False
    for place, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
        digit = number // place % 10
        if digit:
            out += ("零" if zero and out else "") + "零一二三四五六七八九"[digit] + name
            zero = False
        else:
            zero = True
    return out or "零"


@given(st.integers(0, 9999), st.integers(1, 9999))
def test_every_number_said_in_full_is_read(low: int, high: int) -> None:
    assert parse_number(chinese(low)) == low
    tail = f"零{chinese(low)}" if 0 < low < 1000 else chinese(low) if low else ""
    assert parse_number(f"{chinese(high)}万{tail}") == high * 10_000 + low


@given(st.text("零一二两十百千万亿0123456789几", max_size=12))
def test_parse_number_never_raises(text: str) -> None:
    value = parse_number(text)
    assert value is None or value >= 0


def test_numbers_have_their_spans() -> None:
    text = "三号楼二十一单元两万元"
    assert [(text[n.start : n.end], n.value) for n in find_numbers(text)] == [
        ("三", 3),
        ("二十一", 21),
        ("两万", 20000),
    ]


@pytest.mark.parametrize(
    ("digits", "number"),
    [
        ("13800138000", "13800138000"),
        ("8613800138000", "13800138000"),
        ("008613800138000", "13800138000"),
        ("07737512345", "07737512345"),
        ("01065123456", "01065123456"),
        ("4001234567", "4001234567"),
        ("12345", None),
        ("12800138000", None),
        ("1380013800", None),
        ("138001380001", None),
    ],
)
def test_telephone_numbers(digits: str, number: str | None) -> None:
    assert phone_in(digits) == number


@pytest.mark.parametrize(
    ("digits", "good"),
    [
        (ID_OK, True),
        ("110105194912310020", False),
        ("11010519491331002X", False),
        ("01010519491231002X", False),
        ("11010519491231002", False),
        ("440524188001010014", True),
    ],
)
def test_id_number_checks(digits: str, good: bool) -> None:
    assert id_number_ok(digits) is good


@given(st.integers(0, 16), st.integers(1, 9))
def test_one_wrong_digit_never_passes(place: int, shift: int) -> None:
    wrong = str((int(ID_OK[place]) + shift) % 10)
    assert not id_number_ok(ID_OK[:place] + wrong + ID_OK[place + 1 :])


@pytest.mark.parametrize(
    ("text", "plates"),
    [
        ("车牌号是桂C12345", ["桂C12345"]),
        ("桂 c 一二三四五", ["桂C12345"]),
        ("桂C·A1234", ["桂CA1234"]),
        ("桂CD12345 停在门口", ["桂CD12345"]),
        ("桂C1234", []),
        ("桂花苑", []),
    ],
)
def test_plates(text: str, plates: list[str]) -> None:
    assert [plate.plate for plate in find_plates(text)] == plates
