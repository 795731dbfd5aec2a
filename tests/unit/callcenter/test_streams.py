"""The UUID of a live audio stream carries its call, and nobody else can make one."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.streams import call_of, stream_of
from callcenter.types import CallId

SECRET = b"shared by listener and speech"
CALLS = st.builds(
    "{}-{}.{}".format,
    st.just("a"),
    st.integers(min_value=100_000_000, max_value=999_999_999_999),
    st.integers(min_value=0, max_value=999_999_999),
).map(CallId)


@given(CALLS)
def test_a_stream_is_read_back_as_its_call(call_id: CallId) -> None:
    assert call_of(stream_of(call_id, SECRET), "a", SECRET) == call_id


@given(CALLS, st.integers(min_value=0, max_value=127))
def test_one_bit_more_or_less_is_nobodys_stream(call_id: CallId, bit: int) -> None:
    forged = UUID(int=stream_of(call_id, SECRET).int ^ (1 << bit))
    assert call_of(forged, "a", SECRET) is None


@given(st.uuids())
def test_a_stranger_opens_nothing(stream: UUID) -> None:
    assert call_of(stream, "a", SECRET) is None


@pytest.mark.parametrize(("node", "secret"), [("b", SECRET), ("a", b"another secret"), ("a", b"")])
def test_another_node_or_secret_knows_no_such_stream(node: str, secret: bytes) -> None:
    assert call_of(stream_of(CallId("a-1763800000.12"), SECRET), node, secret) is None


def test_the_same_call_has_one_stream() -> None:
    assert stream_of(CallId("a-1763800000.12"), SECRET) == stream_of(CallId("a-1763800000.12"), SECRET)
