"""What Kannel's callbacks say, byte for byte."""

from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.sms.charset import BadText, fields, text_of


@given(st.dictionaries(st.text("abcdefgh", min_size=1), st.binary()))
def test_a_query_is_read_as_it_was_written(values: dict[str, bytes]) -> None:
    query = "&".join(f"{name}={quote_from_bytes(value)}" for name, value in values.items())
    assert fields(query) == values


@given(st.text())
def test_no_query_breaks_the_reader(query: str) -> None:
    fields(query)


def test_of_a_name_given_twice_the_first_counts() -> None:
    assert fields("token=a&token=b&text=1+2%2B3&x") == {"token": b"a", "text": b"1 2+3", "x": b""}


@pytest.mark.parametrize(
    ("raw", "charset", "text"),
    [
        ("不满意，路灯还是不亮".encode(), "UTF-8", "不满意，路灯还是不亮"),
        ("不满意".encode("utf-16-be"), "UTF-16BE", "不满意"),
        (b"caf\xe9", "WINDOWS-1252", "café"),
        (b"1", "", "1"),
        (b"1", "GSM", "1"),
        (b"", "UTF-8", ""),
    ],
)
def test_a_text_is_read_in_its_alphabet(raw: bytes, charset: str, text: str) -> None:
    assert text_of(raw, charset) == text


@pytest.mark.parametrize(("raw", "charset"), [(b"\xff\xfe", "UTF-8"), (b"\x4e", "UTF-16BE"), (b"\x81", "windows-1252")])
def test_a_text_that_is_not_in_its_alphabet_is_told(raw: bytes, charset: str) -> None:
    with pytest.raises(BadText, match="not"):
        text_of(raw, charset)
