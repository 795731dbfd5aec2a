"""One person is one number, whoever tells it."""

import pytest

from callcenter.types import BadNumber, national


@pytest.mark.parametrize(
    ("told", "digits"),
    [
        ("13800138000", "13800138000"),
        ("+8613800138000", "13800138000"),
        ("8613800138000", "13800138000"),
        ("008613800138000", "13800138000"),
        ("+85291234567", "85291234567"),
        ("861234", "861234"),
        ("10086", "10086"),
        (" 13800138000 ", "13800138000"),
    ],
)
def test_one_person_is_one_number(told: str, digits: str) -> None:
    assert national(told).digits == digits


@pytest.mark.parametrize("told", ["", "CMCC", "+", "12", "1380013800x", "1" * 21])
def test_what_is_no_number_is_refused(told: str) -> None:
    with pytest.raises(BadNumber):
        national(told)
