"""What of a row is hashed, to the byte: whoever verifies with another program needs exactly this."""

import hashlib
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from callcenter import digests
from callcenter.audit_chain import FIRST, Algorithm, Follower, Row, canonical, linked
from callcenter.digests import DIGESTS

AT = datetime(2026, 11, 22, 8, 30, 0, 5, tzinfo=UTC)
ROW: Row = (7, AT, "user:wang", "recording.play", "recording:1", True, '{"秒": 3.50}')
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
ROWS: st.SearchStrategy[Row] = st.tuples(
    st.integers(1, 10**6),
    st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),
    TEXT,
    TEXT,
    TEXT,
    st.booleans(),
    TEXT,
)


def field(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(4, "big") + data


def test_the_bytes_of_a_row_are_these() -> None:
    micros = "1795336200000005"
    fields = ("7", micros, "user:wang", "recording.play", "recording:1", "t", '{"秒": 3.50}')
    assert canonical(ROW) == b"audit1" + b"".join(field(one) for one in fields)
    assert [*linked(FIRST, [ROW], DIGESTS["sha256"])] == [hashlib.sha256(bytes(32) + canonical(ROW)).digest()]


def test_the_same_moment_in_another_zone_has_the_same_bytes() -> None:
    there = AT.astimezone(timezone(timedelta(hours=8)))
    assert canonical((ROW[0], there, *ROW[2:])) == canonical(ROW)


@given(ROWS, ROWS)
def test_no_two_rows_have_the_same_bytes(one: Row, other: Row) -> None:
    assert (canonical(one) == canonical(other)) == (one == other)


def test_both_doors_to_sm3_give_the_standards_answer() -> None:
    """GB/T 32905-2016, A.1."""
    answer = "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"
    assert DIGESTS[Algorithm.SM3](b"abc").hex() == answer
    assert digests._sm3_of_cryptography(b"abc").hex() == answer


@given(st.lists(ROWS, min_size=1, max_size=12), st.data())
def test_any_change_of_any_row_is_found(rows: list[Row], data: st.DataObject) -> None:
    hashes = list(linked(FIRST, rows, DIGESTS["sha256"]))
    place = data.draw(st.integers(0, len(rows) - 1))
    changed = data.draw(ROWS.filter(lambda row: row != rows[place]))
    links = [(n + 1, row[0], made, "sha256", *row) for n, (row, made) in enumerate(zip(rows, hashes, strict=True))]
    assert Follower(DIGESTS).follow(links) == []
    links[place] = (*links[place][:4], *changed)
    assert len(Follower(DIGESTS).follow(links)) == 1
