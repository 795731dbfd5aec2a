"""A dispatch computed before it is sent: the same limits as run after, the days that count, what may be chosen."""

import pytest

from tests.support.dispatching import order, registered, take
from tests.support.regions import policy_of, rules_of
from tests.support.tickets import DISPATCHER, MONDAY, WATER, local
from ticketing.clocks import Clock, DeadlineKind, Period
from ticketing.commands import Dispatch
from ticketing.dispatch.planning import Planned, plan
from ticketing.policy import StatutoryLimit
from ticketing.record import Context, GuardFailed, Ticket


def limits(region: str, ticket: Ticket) -> tuple[Planned, ...]:
    """What an ordinary dispatch of it would start now."""
    context = Context(DISPATCHER, policy_of(region), rules_of(region).calendar, ticket.updated_at)
    return plan(ticket, order(), context).limits


@pytest.mark.parametrize("region", ["longsheng", "ganzhou", "weixi", "suqian"])
def test_what_is_shown_before_is_what_runs_after(region: str) -> None:
    ticket = registered(region)
    shown = {one.kind: one.deadline for one in limits(region, ticket) if one.deadline is not None}
    sent = take(region, ticket, order(), DISPATCHER, MONDAY)
    assert shown == {due.deadline.kind: due.deadline for due in sent.dues if due.open}


def test_the_days_of_a_holiday_and_its_makeup_days_are_told_apart() -> None:
    before_national_day = local(2025, 9, 29, 10, 0)
    ticket = registered("longsheng", before_national_day)
    [handle] = [one for one in limits("longsheng", ticket) if one.kind is DeadlineKind.HANDLE]
    days = {day.day.strftime("%m-%d"): (day.counted, day.kind) for day in handle.days}
    assert days["10-01"] == (False, "holiday")
    assert days["10-11"] == (True, "makeup_workday")
    assert days["10-12"] == (False, "rest")
    assert sum(counted for counted, _ in days.values()) == 10
    assert "09-29" not in days, "the day it starts is not counted"


def test_another_laws_limit_goes_before_and_a_wrong_choice_is_refused_with_its_article() -> None:
    ticket = registered("ganzhou", request_type="咨询")
    context = Context(DISPATCHER, policy_of("ganzhou"), rules_of("ganzhou").calendar, MONDAY)
    choice = plan(ticket, order(), context).choice
    assert choice is not None
    assert (str(choice.least), str(choice.period)) == ("1wd", "3wd")
    statutory = StatutoryLimit(Period(30, Clock.CALENDAR_DAY), "", "")
    by_law = plan(ticket, Dispatch(WATER, statutory=statutory), context).limits
    assert [str(one.rule.period) for one in by_law if one.kind is DeadlineKind.HANDLE] == ["30d"]
    with pytest.raises(GuardFailed, match="1至3个工作日"):
        plan(ticket, Dispatch(WATER, chosen=Period(4, Clock.WORKING_DAY)), context)


def test_signatures_that_are_missing_are_named() -> None:
    ticket = registered("mengcheng", source="省长热线")
    context = Context(DISPATCHER, policy_of("mengcheng"), rules_of("mengcheng").calendar, MONDAY)
    first = plan(ticket, order(), context).first
    assert first is not None
    assert [[signer.name for signer in group] for group in first.chain] == [["县政府办负责人"]]
