"""The text of FastAGI: environments, replies and quoted words, good, odd and hostile."""

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ivr.fastagi import EnvironmentRefused, LinkLost, Reply, UnsafeValue, parse_environment, parse_reply, quoted
from tests.support.agi_client import CALL_ID, TOKEN, environment

# --- the environment


def test_environment_is_read() -> None:
    read = parse_environment(environment(arguments=["FULL", "more"]), TOKEN)
    assert (read.script, read.unique_id, read.arguments) == ("ivr", CALL_ID, ("FULL", "more"))


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (b"", "not `agi_key"),
        (b"\n\n", "not `agi_key"),
        (b"\xff\xfe\n\n", "not `agi_key"),
        (b"GET / HTTP/1.1\nHost: x\n\n", "not `agi_key"),
        (environment(callerid="1\nForged: yes"), "not `agi_key"),
        (environment(callerid="1\nagi_forged"), "not `agi_key"),
        (environment(callerid="1\n\nagi_forged: x"), "not `agi_key"),
        (environment(callerid="1\nagi_uniqueid: b-1763800000.1"), "twice"),
        (environment(callerid="1\nagi_arg_1: guess"), "twice"),
        (environment(token=""), "token"),
        (environment(token=TOKEN + "x"), "token"),
        (environment(token=TOKEN[:-1]), "token"),
        (environment(token="令牌"), "token"),
        (b"agi_network: yes\n\n", "token"),
    ],
)
def test_environment_with_an_oddity_is_refused(head: bytes, why: str) -> None:
    with pytest.raises(EnvironmentRefused, match=why):
        parse_environment(head, TOKEN)


def test_repeated_token_is_refused_even_when_right() -> None:
    with pytest.raises(EnvironmentRefused, match="twice"):
        parse_environment(environment(callerid=f"1\nagi_arg_1: {TOKEN}"), TOKEN)


def test_bytes_that_are_no_utf8_do_not_break_the_environment() -> None:
    head = environment().replace(b"13800138000", b"\xff\xfe\xe5\xbc")
    assert parse_environment(head, TOKEN).unique_id == CALL_ID


def test_caller_text_that_looks_like_a_reply_is_a_value() -> None:
    assert parse_environment(environment(callerid="200 result=1 (hangup)"), TOKEN).unique_id == CALL_ID


@given(st.binary(max_size=600))
def test_any_bytes_are_read_or_refused(head: bytes) -> None:
    with pytest.raises(EnvironmentRefused):
        parse_environment(head, TOKEN)


@given(st.text(alphabet=st.characters(exclude_characters="\n"), max_size=80))
def test_any_one_line_value_is_read(value: str) -> None:
    try:
        head = environment(callerid=value)
    except UnicodeEncodeError:
        return
    assert parse_environment(head, TOKEN).script == "ivr"


# --- replies and quoting


@pytest.mark.parametrize(
    ("line", "reply"),
    [
        ("200 result=0", Reply(0)),
        ("200 result=-1", Reply(-1)),
        ("200 result=49 endpos=8000", Reply(49, "", 8000)),
        ("200 result=1 (hangup)", Reply(1, "hangup")),
        ("200 result=1 (200 result=1 (hangup))", Reply(1, "200 result=1 (hangup)")),
        ("200 result=1 (HANGUP)", Reply(1, "HANGUP")),
        ("200 result=0 (timeout)", Reply(0, "timeout")),
        ("200 result= (timeout)", Reply(0, "timeout")),
        ("200 result=0 () endpos=3", Reply(0, "", 3)),
    ],
)
def test_reply_is_read(line: str, reply: Reply) -> None:
    assert parse_reply(line) == reply


@given(st.text(max_size=80))
@example("200 result=" + "9" * 5000)
@example("200 result=٣")
def test_any_reply_is_read_or_the_link_is_lost(line: str) -> None:
    with suppress(LinkLost):
        assert isinstance(parse_reply(line).result, int)


@pytest.mark.parametrize("value", ['a"b', "a\\", "a\nb", "a\rb", "a\0b", "a\u2028b", "\x7f", "x" * 201])
def test_value_that_could_leave_its_quotes_is_refused(value: str) -> None:
    with pytest.raises(UnsafeValue):
        quoted(value)


@given(st.text(max_size=250))
def test_quoted_value_is_one_word_on_one_line(value: str) -> None:
    try:
        word = quoted(value)
    except UnsafeValue:
        return
    assert word[1:-1] == value
    assert not set(value) & set('"\\\r\n\0')
    assert len(word.splitlines()) <= 1
