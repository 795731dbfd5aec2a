"""The end of unreasonable repeated requests, and asking a citizen to add to one."""

from dataclasses import replace
from typing import Any

import pytest

from callcenter.types import TicketId
from tests.support.signatures import COUNTY_HEAD, HEAD, OFFICE, do, handling, registered, told_citizen
from tests.support.tickets import AGENT, MONDAY, ROADS_MAN, SUPERVISOR, SYSTEM, WATER_MAN, local
from ticketing import commands
from ticketing.approvals.approvals import AskSignoff, DeclineApproval, SignApproval
from ticketing.approvals.supplement import AskSupplement, Supplement, SupplementAsked
from ticketing.approvals.termination import AskTermination, Judgement, Terminate, TicketTerminated
from ticketing.clocks import DeadlineKind
from ticketing.commands import Changes, Reject
from ticketing.record import GuardFailed, NotNow, NotYours, Ticket
from ticketing.words import Flag, State

OWN, EARLIER = TicketId("20260601000001"), TicketId("20260501000009")
JUDGED = (Judgement(EARLIER, "要求赔偿无依据"), Judgement(OWN, "同一要求，已两次依法答复"))
APPLICATION = AskTermination("诉求无法律政策依据，已两次书面答复", JUDGED)


def again(**values: Any) -> Ticket:
    return handling(request_no=2, matter=4, **values)


@pytest.mark.clause("MC-035")
@pytest.mark.parametrize(
    ("request_no", "application", "why"),
    [
        (1, APPLICATION, "2次及以上不合理诉求"),
        (2, replace(APPLICATION, judgements=JUDGED[1:]), "2次及以上不合理诉求"),
        (2, replace(APPLICATION, judgements=(JUDGED[0], replace(JUDGED[0], reason="又一次"))), "每件只列一次"),
        (
            2,
            replace(APPLICATION, judgements=(JUDGED[0], replace(JUDGED[0], ticket=TicketId("2" * 14)))),
            "须包括本工单",
        ),
        (2, replace(APPLICATION, judgements=(JUDGED[0], replace(JUDGED[1], reason=" "))), "逐件写明"),
        (2, replace(APPLICATION, reason=""), "须写明理由"),
    ],
)
def test_what_an_application_to_terminate_must_hold(request_no: int, application: AskTermination, why: str) -> None:
    with pytest.raises(GuardFailed, match=why) as refused:
        do(replace(again(), request_no=request_no), application, WATER_MAN)
    assert refused.value.article == "第二十条"


@pytest.mark.clause("MC-035")
def test_four_sign_in_order_the_last_outside_with_its_number_and_the_citizen_is_told_why() -> None:
    handle = again().due(DeadlineKind.HANDLE)
    ticket = do(again(), APPLICATION, WATER_MAN)[0]
    assert (ticket.state, ticket.due(DeadlineKind.HANDLE)) == (State.HANDLING, handle), "the work goes on meanwhile"
    for turn, (actor, later) in enumerate([(HEAD, OFFICE), (OFFICE, COUNTY_HEAD), (COUNTY_HEAD, SUPERVISOR)], 1):
        with pytest.raises((NotYours, GuardFailed)):
            do(ticket, SignApproval(reference="亳12345销〔2026〕3号"), later)
        ticket = do(ticket, SignApproval(opinion="同意"), actor)[0]
        assert ticket.state is State.HANDLING, turn
    with pytest.raises(GuardFailed, match="文号或销号编号"):
        do(ticket, SignApproval(), SUPERVISOR)
    ended, told = do(ticket, SignApproval(reference="亳12345销〔2026〕3号"), SUPERVISOR)
    assert (ended.state, ended.result, ended.closed_at) == (State.TERMINATED, APPLICATION.reason, MONDAY)
    assert not [due for due in ended.dues if due.open]
    assert [fact.reason for fact in told if isinstance(fact, TicketTerminated)] == [APPLICATION.reason]
    assert do(ended, commands.Archive(), SYSTEM)[0].state is State.ARCHIVED


@pytest.mark.clause("MC-035")
def test_a_declined_application_leaves_the_ticket_as_it_was() -> None:
    asked = do(again(), APPLICATION, WATER_MAN)[0]
    signed = do(asked, SignApproval(), HEAD)[0]
    back = do(signed, DeclineApproval("诉求有一定道理，继续办理"), OFFICE)[0]
    assert (back.state, back.approval, back.signing) == (State.HANDLING, "", None)


def test_nobody_terminates_alone() -> None:
    for actor in (SUPERVISOR, SYSTEM, WATER_MAN):
        with pytest.raises((NotYours, GuardFailed)):
            do(again(), Terminate(), actor)
    with pytest.raises(NotYours):
        do(again(), APPLICATION, ROADS_MAN)
    with pytest.raises(GuardFailed, match="没有终结办理"):
        do(replace(again(), policy_id="weixi"), APPLICATION, WATER_MAN)


def test_leaving_for_the_end_withdraws_the_application() -> None:
    ticket = do(again(), APPLICATION, WATER_MAN)[0]
    asked = do(ticket, AskSignoff(told_citizen(MONDAY)), WATER_MAN)[0]
    assert (asked.state, asked.approval) == (State.AWAITING_UNIT_SIGNOFF, "signoff")


# ---- supplements --------------------------------------------------------------------------------------------------

VAGUE = Reject("NOT_SPECIFIC", "内容不具体，无法办理", verification="电话核实，诉求人未说明地点")


@pytest.mark.clause("SQ-009")
def test_what_is_not_specific_is_first_asked_to_be_completed() -> None:
    ticket = registered("suqian")
    with pytest.raises(GuardFailed, match="应先请诉求人补充") as refused:
        do(ticket, VAGUE, AGENT)
    assert refused.value.article == "第七条(四)"
    asked, told = do(ticket, AskSupplement("请补充小区名称和楼栋"), AGENT)
    assert [fact.missing for fact in told if isinstance(fact, SupplementAsked)] == ["请补充小区名称和楼栋"]
    assert asked.state is State.AWAITING_SUPPLEMENT
    due = asked.due(DeadlineKind.SUPPLEMENT)
    assert due is not None
    assert due.deadline.due_at == local(2026, 6, 4, 23, 59, 59)
    with pytest.raises(GuardFailed, match="期限还没有到"):
        do(asked, VAGUE, AGENT)
    assert do(asked, VAGUE, AGENT, local(2026, 6, 5, 9))[0].state is State.REJECTED


@pytest.mark.clause("SQ-009")
@pytest.mark.parametrize(
    ("code", "needs"), [("ABUSE", {}), ("NO_LEGAL_BASIS", {}), ("NOT_SPECIFIC", {"supplements": 1})]
)
def test_the_cases_of_the_fourth_item_are_rejected(code: str, needs: dict[str, int]) -> None:
    ticket = replace(registered("suqian"), **needs)  # type: ignore[arg-type]
    assert do(ticket, replace(VAGUE, code=code), AGENT)[0].state is State.REJECTED


def test_a_supplemented_request_goes_on_from_registration() -> None:
    asked = do(registered("suqian"), AskSupplement("请补充地点"), AGENT)[0]
    with pytest.raises(NotNow):
        do(asked, commands.Forward(), AGENT)
    with pytest.raises(GuardFailed, match="请填写诉求人补充的内容"):
        do(asked, Supplement(), AGENT)
    back = do(asked, Supplement(Changes(place="幸福小区3栋")), AGENT)[0]
    assert (back.state, back.place, back.supplements) == (State.REGISTERED, "幸福小区3栋", 1)
    assert back.due(DeadlineKind.SUPPLEMENT) is None
    assert do(back, commands.Forward(), AGENT)[0].state is State.AWAITING_DISPATCH
    assert do(back, VAGUE, AGENT)[0].state is State.REJECTED, "it was asked, and stayed vague"


def test_a_supplement_that_names_a_key_channel_makes_the_ticket_a_key_one() -> None:
    asked = do(registered("mengcheng"), AskSupplement("请补充来源"), AGENT)[0]
    assert Flag.KEY not in asked.flags
    assert Flag.KEY in do(asked, Supplement(Changes(source="省长热线")), AGENT)[0].flags
