"""Corners random histories led to: each was once a ticket that got stuck, or lost or doubled something."""

from dataclasses import replace
from datetime import timedelta

import pytest

from callcenter.types import TicketId
from tests.support import signatures
from tests.support.dispatching import HOUSING, HOUSING_MAN, back, registered, signed, take
from tests.support.regions import REGIONS, policy_of
from tests.support.tickets import (
    AGENT,
    DISPATCHER,
    MONDAY,
    REVIEWER,
    SUPERVISOR,
    SYSTEM,
    WATER,
    WATER_MAN,
    do,
    draft,
    rated,
)
from ticketing import commands
from ticketing.approvals.approvals import AskApproval, SignApproval
from ticketing.approvals.signing import Gate, StepState
from ticketing.approvals.termination import AskTermination, Judgement, Terminate
from ticketing.commands import AnyDetail, Changes
from ticketing.dispatch.disputes import RuleDispute
from ticketing.dispatch.hops import ForwardDown, HandBack
from ticketing.record import GuardFailed, Ticket
from ticketing.supervision.supervision import EndSupervision, Supervise
from ticketing.ticket import follows
from ticketing.words import Flag, State

DAY = timedelta(days=1)
ENDS: list[AnyDetail] = [
    commands.Answer("办事大厅周一至周五开放", "KB-1"),
    commands.Refer("110", "请拨打110"),
    commands.Withdraw("诉求人要求撤回"),
    commands.Reject("IN_PETITION", "已告知", referred_to="信访局"),
]


def supervised(region: str) -> Ticket:
    code = policy_of(region).supervise.triggers[-1].code  # type: ignore[union-attr]
    return take(region, registered(region), Supervise(code, "请尽快办理"), SUPERVISOR, MONDAY)


@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("end", ENDS, ids=lambda end: str(end.event))
def test_what_supervised_a_ticket_ends_with_it_so_that_it_can_be_put_away(region: str, end: AnyDetail) -> None:
    ended = take(region, supervised(region), end, AGENT, MONDAY)
    over = follows(ended, end, policy_of(region))
    assert isinstance(over, EndSupervision)
    free = take(region, ended, over, SYSTEM, MONDAY)
    assert follows(free, over, policy_of(region)) is None
    assert take(region, free, commands.Archive(), SYSTEM, MONDAY + DAY).state is State.ARCHIVED


def test_a_draft_that_was_never_registered_is_not_worked_on_by_way_of_the_archive() -> None:
    gone, _ = do(draft(), commands.Withdraw("打错了"), AGENT)
    kept, _ = do(gone, commands.Archive(), SYSTEM)
    with pytest.raises(GuardFailed, match="未经登记受理"):
        do(kept, commands.Rework("再看看"), REVIEWER)


def test_a_delivery_told_after_the_rating_starts_no_window() -> None:
    with pytest.raises(GuardFailed, match="评价已经记录"):
        do(rated("不满意"), commands.SurveyDelivered(MONDAY + timedelta(hours=1)), SYSTEM, MONDAY + DAY)


def test_the_department_above_does_not_assist_itself() -> None:
    down = take("longsheng", signed("longsheng"), ForwardDown(HOUSING, "三日内办结"), WATER_MAN, MONDAY)
    with pytest.raises(GuardFailed, match="主管单位"):
        take("longsheng", down, commands.AddAssist(WATER, "一起"), DISPATCHER, MONDAY)
    up = take("longsheng", down, HandBack("不是我们的"), HOUSING_MAN, MONDAY)
    assert (up.lead_unit, up.assist_units) == (WATER, ())


def terminating() -> Ticket:
    ticket = signatures.handling(request_no=2)
    judged = tuple(Judgement(one, "已多次依法答复") for one in (ticket.id, TicketId("20260501000007")))
    return signatures.do(ticket, AskTermination("已依法答复", judged), WATER_MAN)[0]


def test_a_report_does_not_push_a_termination_out() -> None:
    with pytest.raises(GuardFailed, match="「终结办理」正在签批"):
        signatures.do(terminating(), AskApproval(Gate.REPORT, "情况复杂"), DISPATCHER)


def test_a_terminated_ticket_has_nothing_left_to_decide() -> None:
    ticket = replace(terminating(), return_open=True, extension_asked=2)
    assert ticket.signing is not None
    steps = tuple(replace(step, state=StepState.SIGNED, signed_by="user:x") for step in ticket.signing.steps)
    ended, _ = signatures.do(replace(ticket, signing=replace(ticket.signing, steps=steps)), Terminate(), SYSTEM)
    assert (ended.state, ended.return_open, ended.extension_asked) == (State.TERMINATED, False, 0)


def test_a_second_return_opens_a_dispute_also_when_leaders_sign_before_it_goes_out_again() -> None:
    ticket, send = signatures.registered(), signatures.SEND
    for last in (False, True):
        ticket = signatures.do(ticket, send, DISPATCHER)[0]
        if last:
            key = commands.Edit(Changes(flags=frozenset({Flag.KEY})), "领导关注")
            ticket = signatures.do(ticket, key, DISPATCHER)[0]
        ticket = signatures.do(ticket, back(proper_unit="交通局"), WATER_MAN)[0]
        ticket = signatures.do(ticket, commands.GrantReturn(), DISPATCHER)[0]
    assert (ticket.state, ticket.returns, ticket.dispute_open) == (State.AWAITING_APPROVAL, 2, False)
    signed_off, _ = signatures.do(ticket, SignApproval(), signatures.CHIEF)
    assert (signed_off.state, signed_off.dispute_open) == (State.AWAITING_DISPATCH, True)
    with pytest.raises(GuardFailed, match="正在协调"):
        signatures.do(signed_off, send, DISPATCHER)
    ruling = RuleDispute(WATER, "由水务牵头", "纪要1号", (), ("县热线办",))
    assert signatures.do(signatures.do(signed_off, ruling, DISPATCHER)[0], send, DISPATCHER)[0].lead_unit == WATER
