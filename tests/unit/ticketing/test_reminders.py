"""When a deadline is reminded of, and when its cards come: each moment once, computed from the stored deadline."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.regions import REGIONS, policy_of, rules_of
from tests.support.supervised import ticket_of
from tests.support.tickets import MONDAY, local
from ticketing.clocks import Deadline, DeadlineKind, deadline, parse_period
from ticketing.record import Due
from ticketing.supervision.reminders import REMIND, planned, rungs, turn
from ticketing.supervision.rules import Card


def limit(region: str, period: str, at: datetime, kind: DeadlineKind = DeadlineKind.HANDLE) -> Deadline:
    rules, policy = rules_of(region), policy_of(region)
    return deadline("handle", kind, at, parse_period(period), rules.calendar, policy.name, policy.workdays)


@pytest.mark.clause("WX-028")
@pytest.mark.parametrize(
    ("region", "period", "at", "reminded"),
    [
        # one working day before the last: when the office opens on that day
        ("weixi", "3wd", local(2026, 6, 1, 15, 0), local(2026, 6, 3, 8, 30)),
        # over a weekend: Friday for a Monday
        ("weixi", "3wd", local(2026, 6, 3, 15, 0), local(2026, 6, 5, 8, 30)),
        # a limit of one day, too short for a day before: on the last day itself
        ("weixi", "1wd", local(2026, 6, 1, 15, 0), local(2026, 6, 2, 8, 30)),
        # hours: a quarter of the time before the end
        ("weixi", "24h", local(2026, 6, 1, 15, 0), local(2026, 6, 2, 9, 0)),
        ("suqian", "12h", local(2026, 6, 1, 8, 0), local(2026, 6, 1, 17, 0)),
        ("mengcheng", "10wd", local(2022, 9, 30, 9, 0), local(2022, 10, 18, 8, 0)),
    ],
)
def test_a_deadline_is_reminded_of_before_it_ends(region: str, period: str, at: datetime, reminded: datetime) -> None:
    first = rungs(policy_of(region), limit(region, period, at), rules_of(region).calendar)[0]
    assert (first.name, first.at) == (REMIND, reminded)


@pytest.mark.clause("LS-087")
def test_message_yellow_and_red_come_at_their_thresholds() -> None:
    """龙胜, 2 working days from a Monday morning: 80 % of the time, the end, two working days later."""
    handled = limit("longsheng", "2wd", local(2026, 6, 1, 9, 0))
    found = rungs(policy_of("longsheng"), handled, rules_of("longsheng").calendar)
    assert [one.name for one in found] == ["sms", "yellow", "red"]
    assert found[0].at == handled.from_at + (handled.due_at - handled.from_at) * 0.8
    assert [one.at for one in found[1:]] == [local(2026, 6, 3, 23, 59, 59), local(2026, 6, 5, 23, 59, 59)]
    assert rungs(policy_of("ganzhou"), handled, rules_of("ganzhou").calendar)[-1].name == REMIND


@pytest.mark.clause("LS-087")
@pytest.mark.parametrize(
    ("late", "card", "then"),
    [
        (timedelta(days=-2), None, "sms"),
        (timedelta(hours=-1), Card.SMS, "yellow"),
        (timedelta(hours=1), Card.YELLOW, "red"),
        (timedelta(days=9), Card.RED, None),
    ],
)
def test_after_a_standstill_only_the_gravest_card_comes(late: timedelta, card: Card | None, then: str | None) -> None:
    handled = limit("longsheng", "2wd", local(2026, 6, 1, 9, 0))
    now = turn(policy_of("longsheng"), handled, "sms", handled.due_at + late, rules_of("longsheng").calendar)
    assert (now.card, now.next.name if now.next else None, now.remind) == (card, then, False)


def test_nobody_is_reminded_of_what_is_overdue() -> None:
    handled = limit("weixi", "3wd", MONDAY)
    late = turn(policy_of("weixi"), handled, REMIND, handled.due_at + timedelta(hours=1), rules_of("weixi").calendar)
    assert (late.remind, late.card, late.next) == (False, None, None)


@pytest.mark.parametrize("region", REGIONS)
def test_new_deadlines_get_their_first_rung_and_stored_ones_keep_theirs(region: str) -> None:
    policy, calendar = policy_of(region), rules_of(region).calendar
    new, stored = Due(limit(region, "3wd", MONDAY), 1), Due(limit(region, "5wd", MONDAY), 1, id=4, rung="x")
    after = planned(ticket_of(region, dues=(new, stored)), policy, calendar)
    assert after.dues[1] == stored
    assert after.dues[0].rung == rungs(policy, new.deadline, calendar)[0].name
    plain = replace(policy, remind=None, cards=None)
    assert planned(ticket_of(region, dues=(new,)), plain, calendar).dues == (new,)


@given(
    st.sampled_from(REGIONS),
    st.datetimes(datetime(2023, 1, 1), datetime(2026, 9, 1)),
    st.sampled_from(["1wd", "2wd", "15wd", "30min", "4h", "24h", "6d"]),
)
def test_rungs_are_in_order_and_a_reminder_lies_inside_the_time(region: str, at: datetime, period: str) -> None:
    one = limit(region, period, at.replace(tzinfo=MONDAY.tzinfo))
    found = rungs(policy_of(region), one, rules_of(region).calendar)
    assert list(found) == sorted(found, key=lambda rung: rung.at)
    assert all(one.from_at < rung.at < one.due_at for rung in found if rung.name == REMIND)
