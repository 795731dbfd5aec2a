"""The life of a message as a machine: at most once, whatever order the news comes in."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.sms.message import FINAL, RECEIPTS, TRANSITIONS, Event, State, advance
from callcenter.sms.rate import RateLimit

OUT = set(State) - {State.QUEUED, State.SUBMITTING}


@given(st.lists(st.sampled_from(list(Event))))
def test_what_may_have_gone_out_is_never_sent_again(events: list[Event]) -> None:
    state, was_out = State.QUEUED, False
    for event in events:
        state = advance(state, event)
        was_out = was_out or state in OUT
        assert not (was_out and state in (State.QUEUED, State.SUBMITTING))


@given(st.lists(st.sampled_from(list(Event))))
def test_the_first_final_news_counts(events: list[Event]) -> None:
    state, final = State.QUEUED, None
    for event in events:
        state = advance(state, event)
        final = final or (state if state in FINAL else None)
        assert final is None or state is final


@given(st.sampled_from(list(State)), st.sampled_from(list(Event)))
def test_a_repeated_event_changes_nothing(state: State, event: Event) -> None:
    once = advance(state, event)
    assert advance(once, event) is once


@pytest.mark.parametrize(
    ("news", "ends"),
    [
        ([Event.SUBMIT, Event.ACCEPTED, Event.TOLD_WAITING, Event.TOLD_DELIVERED], State.DELIVERED),
        ([Event.SUBMIT, Event.TOLD_DELIVERED, Event.TOLD_WAITING, Event.ACCEPTED], State.DELIVERED),
        ([Event.SUBMIT, Event.LOST, Event.TOLD_DELIVERED], State.DELIVERED),
        ([Event.SUBMIT, Event.LOST, Event.ACCEPTED], State.SUBMITTED),
        ([Event.SUBMIT, Event.LOST, Event.NOT_SENT], State.UNKNOWN),
        ([Event.SUBMIT, Event.NOT_SENT, Event.SUBMIT, Event.ACCEPTED], State.SUBMITTED),
        ([Event.SUBMIT, Event.NOT_SENT, Event.TOLD_DELIVERED, Event.SUBMIT], State.DELIVERED),
        ([Event.SUBMIT, Event.ACCEPTED, Event.TOLD_FAILED, Event.TOLD_DELIVERED], State.UNDELIVERED),
        ([Event.SUBMIT, Event.ACCEPTED, Event.TOLD_REFUSED], State.REJECTED),
        ([Event.SUBMIT, Event.REFUSED], State.REJECTED),
        ([Event.SUPPRESS, Event.SUBMIT], State.SUPPRESSED),
    ],
)
def test_news_in_this_order_ends_there(news: list[Event], ends: State) -> None:
    state = State.QUEUED
    for event in news:
        state = advance(state, event)
    assert state is ends


def test_every_receipt_of_kannel_is_known_and_heard_by_every_open_state() -> None:
    assert set(RECEIPTS) == {1, 2, 4, 8, 16}
    for state in set(State) - FINAL:
        for event in RECEIPTS.values():
            assert (state, event) in TRANSITIONS or advance(state, event) is State.SUBMITTED


def test_the_picture_in_the_docstring_names_every_state() -> None:
    source = Path("callcenter/sms/message.py").read_text(encoding="utf-8")
    picture = source.split('"""')[1]
    assert set(re.findall(r"[a-z]+", picture)) >= {state.value for state in State}


def test_a_number_may_send_a_burst_and_then_its_rate() -> None:
    limit = RateLimit(per_minute=6, burst=3, most_keys=10)
    assert [limit.allow("a", 0.0) for _ in range(4)] == [True, True, True, False]
    assert limit.allow("b", 0.0)
    assert not limit.allow("a", 9.0)
    assert limit.allow("a", 10.0)
    assert not limit.allow("a", 10.0)


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0, 10)), max_size=200))
def test_the_limit_remembers_a_bounded_number_of_senders(sends: list[tuple[int, float]]) -> None:
    limit = RateLimit(per_minute=60, burst=2, most_keys=5)
    now_s, allowed = 0.0, 0
    for sender, pause_s in sends:
        now_s += pause_s
        allowed += limit.allow(str(sender), now_s) if sender < 5 else 0
        assert len(limit) <= 5
    assert allowed <= 5 * (2 + now_s)
