"""Reports to the leaders beside the handling, matters raised to a higher level, doubt about what is taken in."""

from dataclasses import replace

import pytest

from tests.support.signatures import SEND, do, handling, leader, registered, replied, told_citizen
from tests.support.tickets import AGENT, DISPATCHER, MONDAY, REVIEWER, SUPERVISOR, WATER_MAN
from ticketing import commands
from ticketing.approvals.approvals import AskApproval, SignApproval
from ticketing.approvals.signing import Gate, Step
from ticketing.clocks import DeadlineKind
from ticketing.commands import Forward, Start
from ticketing.record import GuardFailed, NotNow, NotYours
from ticketing.words import Flag, State


@pytest.mark.clause("GZ-036")
def test_a_long_unsolved_matter_is_reported_beside_the_handling() -> None:
    ticket = do(registered("ganzhou"), SEND, DISPATCHER)[0]
    ticket = do(do(ticket, commands.Sign(), WATER_MAN)[0], Start(), WATER_MAN)[0]
    handle = ticket.due(DeadlineKind.HANDLE)
    with pytest.raises(GuardFailed, match="须写明情况"):
        do(ticket, AskApproval(Gate.REPORT), WATER_MAN)
    asked = do(ticket, AskApproval(Gate.REPORT, "管网改造资金久拖不决"), WATER_MAN)[0]
    assert (asked.state, asked.due(DeadlineKind.HANDLE)) == (State.HANDLING, handle)
    read = do(asked, SignApproval(instruction="列入督查"), leader("qu", "区委区政府分管领导"))[0]
    assert (read.state, read.approval) == (State.HANDLING, "")
    assert Flag.LEADER in read.flags
    with pytest.raises(GuardFailed, match="本轮已经完成"):
        do(read, AskApproval(Gate.REPORT, "再报"), WATER_MAN)


@pytest.mark.clause("LS-015")
def test_a_matter_raised_to_a_higher_level_stays_open_until_it_is_solved() -> None:
    raised = replace(handling(), policy_id="longsheng", cleared=frozenset({"approval.report[0]"}))
    unfinished = replace(told_citizen(MONDAY), finished=False, stage_result="已立项", follow_up_plan="年内完工")
    with pytest.raises(GuardFailed, match="办到问题解决为止"):
        do(raised, commands.Reply(unfinished), WATER_MAN)
    asked = do(replace(raised, cleared=frozenset()), AskApproval(Gate.REPORT, "跨三个部门"), DISPATCHER)[0]
    assert asked.signing is not None
    assert [step.signer.name for step in asked.signing.steps] == ["县热线工作站负责人", "县政府分管领导"]


@pytest.mark.clause("SQ-011")
def test_where_the_first_receiver_cannot_tell_a_supervisor_decides() -> None:
    ticket = registered("suqian")
    with pytest.raises(GuardFailed, match="报上级认定"):
        do(ticket, commands.Reject("UNDETERMINED", "不属于受理范围"), AGENT)
    asked = do(ticket, AskApproval(Gate.SCOPE, "涉及中央驻宿单位，无法认定"), AGENT)[0]
    assert asked.state is State.AWAITING_APPROVAL
    with pytest.raises(NotYours):
        do(asked, SignApproval(), AGENT)
    assert do(asked, SignApproval(opinion="属于受理范围"), SUPERVISOR)[0].state is State.AWAITING_DISPATCH
    refused = do(asked, commands.Reject("UNDETERMINED", "已向您说明不属于受理范围"), SUPERVISOR)[0]
    assert (refused.state, refused.approval) == (State.REJECTED, "")


def test_only_doubt_about_the_scope_ends_in_a_rejection_while_signing() -> None:
    asked = do(registered(request_no=2), Forward(), AGENT)[0]
    with pytest.raises(GuardFailed, match="正在签批"):
        do(asked, commands.Reject("IN_PETITION", "已在信访"), SUPERVISOR)
    with pytest.raises(NotNow):
        do(asked, SEND, DISPATCHER)
    gone = do(asked, commands.Withdraw("诉求人撤回"), AGENT)[0]
    assert (gone.state, gone.approval, gone.signing) == (State.WITHDRAWN, "", None)


def test_steps_hold_their_order() -> None:
    asked = do(replied(source="省长热线"), AskApproval(Gate.BEFORE_FEEDBACK), REVIEWER)[0]
    assert asked.signing is not None
    assert [step.order for step in asked.signing.steps] == [1, 1, 2]
    assert all(isinstance(step, Step) for step in asked.signing.current)


def test_other_regions_have_no_gates() -> None:
    assert do(registered("weixi", request_no=5), Forward(), AGENT)[0].state is State.AWAITING_DISPATCH
