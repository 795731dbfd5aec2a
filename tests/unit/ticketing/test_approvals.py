"""Signatures before a dispatch, inside the unit, before an answer goes out: who, in which order, and no way around."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from callcenter.types import Actor, Role
from tests.support.signatures import (
    CHIEF,
    COUNTY_HEAD,
    HEAD,
    LINE_DEPUTY,
    OFFICE,
    SECTOR_DEPUTY,
    SEND,
    SYSTEM,
    do,
    handling,
    leader,
    registered,
    replied,
    rules,
    told_citizen,
)
from tests.support.tickets import (
    AGENT,
    DISPATCHER,
    MONDAY,
    REVIEWER,
    ROADS,
    SUPERVISOR,
    WATER,
    WATER_MAN,
    contents,
    local,
)
from ticketing import commands
from ticketing.approvals.approvals import (
    ApprovalAsked,
    ApprovalDeclined,
    ApprovalGranted,
    AskApproval,
    AskSignoff,
    DeclineApproval,
    SignApproval,
    gate_rule,
)
from ticketing.approvals.rules import Rank
from ticketing.approvals.signing import Gate
from ticketing.clocks import DeadlineKind
from ticketing.commands import Forward, Rework, Start
from ticketing.record import GuardFailed, NotYours, Ticket
from ticketing.words import Flag, State

DAY = timedelta(days=1)
KEY = frozenset({Flag.KEY})
WHO_SIGNS = [
    # request_no, source, round, who signs, the clause that says so
    (1, "县长热线电话", 1, None, ""),
    (1, "县长热线电话", 2, None, ""),
    pytest.param(2, "县长热线电话", 1, "县热线办负责人", "MC-017", marks=pytest.mark.clause("MC-017")),
    pytest.param(3, "县长热线电话", 1, "县政府办负责人", "MC-018", marks=pytest.mark.clause("MC-018")),
    pytest.param(4, "县长热线电话", 1, "县政府分管领导", "MC-019", marks=pytest.mark.clause("MC-019")),
    pytest.param(7, "县长热线电话", 1, "县政府分管领导", "MC-019", marks=pytest.mark.clause("MC-019")),
    pytest.param(1, "省长热线", 1, "县政府办负责人", "MC-018", marks=pytest.mark.clause("MC-018")),
    pytest.param(1, "人民网网友留言", 1, "县政府办负责人", "MC-018", marks=pytest.mark.clause("MC-018")),
    pytest.param(1, "市领导签批件", 1, "县政府办负责人", "MC-018", marks=pytest.mark.clause("MC-018")),
    pytest.param(1, "市长热线电子督办单", 2, "县政府分管领导", "MC-019", marks=pytest.mark.clause("MC-019")),
    pytest.param(1, "省长热线", 3, "县政府分管领导", "MC-019", marks=pytest.mark.clause("MC-019")),
    pytest.param(2, "省长热线", 1, "县政府办负责人", "MC-018", marks=pytest.mark.clause("MC-018")),
]


@pytest.mark.parametrize(("request_no", "source", "round_", "who", "clause"), WHO_SIGNS)
def test_who_signs_before_a_dispatch(request_no: int, source: str, round_: int, who: str | None, clause: str) -> None:
    ticket = registered(request_no=request_no, source=source, round=round_)
    after, told = do(ticket, Forward(), AGENT)
    if who is None:
        assert (after.state, after.signing) == (State.AWAITING_DISPATCH, None)
        return
    assert after.state is State.AWAITING_APPROVAL
    assert after.signing is not None
    assert [step.signer.name for step in after.signing.current] == [who]
    assert [fact.signers for fact in told if isinstance(fact, ApprovalAsked)] == [(who,)]
    rule = gate_rule(after, Gate.BEFORE_DISPATCH, rules().policies[-1])
    assert rule is not None
    assert clause in rule.basis.clauses


@pytest.mark.clause("MC-017", "MC-018", "MC-019")
@pytest.mark.parametrize("state", [State.REGISTERED, State.AWAITING_DISPATCH])
def test_no_dispatch_around_the_signatures(state: State) -> None:
    ticket = replace(registered(request_no=2), state=state)
    with pytest.raises(GuardFailed, match="县热线办负责人签批后才能派单") as refused:
        do(ticket, SEND, DISPATCHER)
    assert refused.value.article == "第十条(四)"


@pytest.mark.clause("MC-019")
def test_three_times_and_more_says_how_it_is_read() -> None:
    """第十条 leaves exactly three to the office's head; 第二十四条 has no other rule for three."""
    four = do(registered(request_no=4), Forward(), AGENT)[0]
    assert four.signing is not None
    assert "不含三次" in four.signing.reading
    with pytest.raises(GuardFailed, match="不含三次"):
        do(replace(registered(request_no=4)), SEND, DISPATCHER)
    rule = gate_rule(replace(four, round=3), Gate.BEFORE_FEEDBACK, rules().policies[-1])
    assert rule is not None
    assert "含三次" in rule.reading


@pytest.mark.clause("MC-019")
def test_a_new_round_needs_its_own_signatures() -> None:
    """Round 1 of a key item was signed by the office's head; round 2 goes to the deputy leader, not around."""
    ticket = replace(handling(source="省长热线"), state=State.CLOSED)
    assert ticket.cleared
    again = do(ticket, Rework("又停水了", not_done=True), REVIEWER)[0]
    assert (again.state, again.round, again.cleared) == (State.AWAITING_APPROVAL, 2, frozenset())
    assert again.signing is not None
    assert again.signing.current[0].signer.name == "县政府分管领导"


def test_a_request_linked_while_it_waits_for_dispatch_goes_to_the_signers() -> None:
    waits = do(registered(), Forward(), AGENT)[0]
    linked = replace(waits, request_no=2)
    edited = do(linked, commands.Edit(commands.Changes(place="城关镇东路"), "补全地点"), AGENT)[0]
    assert edited.state is State.AWAITING_APPROVAL


def test_waiting_for_a_signature_burns_no_units_time() -> None:
    """Registered Monday, signed Thursday: every limit of the unit counts from the dispatch on Thursday."""
    thursday = MONDAY + 3 * DAY
    asked = do(registered(request_no=2), Forward(), AGENT)[0]
    assert not [due for due in asked.dues if due.open], "nothing runs while it waits"
    signed = do(asked, SignApproval(opinion="同意分办"), OFFICE, thursday)[0]
    assert signed.state is State.AWAITING_DISPATCH
    sent = do(signed, SEND, DISPATCHER, thursday)[0]
    for kind in (DeadlineKind.HANDLE, DeadlineKind.RETURN, DeadlineKind.CONTACT):
        due = sent.due(kind)
        assert due is not None
        assert due.deadline.from_at == thursday
    handle = sent.due(DeadlineKind.HANDLE)
    assert handle is not None
    assert handle.deadline.due_at == local(2026, 6, 18, 23, 59, 59)


def test_the_dispatch_limit_starts_when_the_gate_is_passed() -> None:
    """甘州 sets a dispatch limit of its own; it does not run while the leaders read."""
    ticket = registered("ganzhou", flags=KEY)
    assert ticket.due(DeadlineKind.DISPATCH) is not None
    asked = do(ticket, Forward(), AGENT)[0]
    assert asked.due(DeadlineKind.DISPATCH) is None
    reviewed = do(asked, SignApproval(), leader("ju", "区政务服务局"))[0]
    passed = do(reviewed, SignApproval(), leader("qu", "区委区政府相关领导"), MONDAY + 2 * DAY)[0]
    due = passed.due(DeadlineKind.DISPATCH)
    assert due is not None
    assert due.deadline.from_at == MONDAY + 2 * DAY


@pytest.mark.clause("GZ-047")
def test_a_leaders_item_is_reviewed_by_the_bureau_then_read_by_the_leader_then_dispatched() -> None:
    asked = do(registered("ganzhou", flags=frozenset({Flag.LEADER})), Forward(), AGENT)[0]
    assert asked.signing is not None
    bureau, district = leader("ju", "区政务服务局"), leader("qu", "区委区政府相关领导")
    with pytest.raises(NotYours, match="现在由区政务服务局签批"):
        do(asked, SignApproval(), district)
    reviewed = do(asked, SignApproval(opinion="审核属实"), bureau)[0]
    assert reviewed.state is State.AWAITING_APPROVAL
    read = do(reviewed, SignApproval(instruction="请水务局三日内解决"), district)[0]
    assert (read.state, read.leader_instruction) == (State.AWAITING_DISPATCH, "区委区政府相关领导：请水务局三日内解决")
    sent = do(read, SEND, DISPATCHER)[0]
    assert sent.state is State.DISPATCHED


@pytest.mark.clause("MC-005")
def test_a_leaders_instruction_marks_the_ticket_and_needs_no_second_round_of_signing() -> None:
    asked = do(registered(request_no=3), Forward(), AGENT)[0]
    signed, told = do(asked, SignApproval(instruction="请住建局牵头"), CHIEF)
    assert Flag.LEADER in signed.flags
    assert [fact.instruction for fact in told if isinstance(fact, ApprovalGranted)] == ["县政府办负责人：请住建局牵头"]
    assert do(signed, SEND, DISPATCHER)[0].state is State.DISPATCHED
    office = do(registered(request_no=2), Forward(), AGENT)[0]
    noted = do(office, SignApproval(instruction="请水务局办理"), OFFICE)[0]
    assert Flag.LEADER not in noted.flags, "the hotline's own office is no leader"


@pytest.mark.clause("MC-020")
def test_what_a_leader_assigns_on_the_spot_is_noted_where_leaders_answer_the_hotline() -> None:
    sent = do(registered(), replace(SEND, on_spot_by="李副县长"), DISPATCHER)[0]
    assert sent.state is State.DISPATCHED
    with pytest.raises(GuardFailed, match="没有领导接听当场分办"):
        do(registered("ganzhou"), replace(SEND, on_spot_by="李副县长"), DISPATCHER)


# ---- who may sign -------------------------------------------------------------------------------------------------


def test_a_leader_without_the_title_is_refused() -> None:
    asked = do(registered(request_no=2), Forward(), AGENT)[0]
    for other in (CHIEF, leader("nobody"), SUPERVISOR, replace(OFFICE, roles=frozenset({Role.SUPERVISOR}))):
        with pytest.raises(NotYours, match="县热线办负责人签批"):
            do(asked, SignApproval(), other)
    with pytest.raises(NotYours):
        do(asked, SignApproval(), AGENT)


def test_a_title_for_one_unit_signs_for_that_unit_alone() -> None:
    asked = do(replied(source="省长热线"), AskApproval(Gate.BEFORE_FEEDBACK), REVIEWER)[0]
    with pytest.raises(NotYours):
        do(asked, SignApproval(), leader("x", f"分管承办单位的副县长@{ROADS}"))
    signed = do(asked, SignApproval(), leader("y", f"分管承办单位的副县长@{WATER}"))[0]
    assert signed.signing is not None
    assert len(signed.signing.current) == 1


def test_who_asked_does_not_sign_and_nobody_signs_twice() -> None:
    both = leader("both", "分管承办单位的副县长", "分管热线工作的副县长")
    asked = do(replied(source="省长热线"), AskApproval(Gate.BEFORE_FEEDBACK), REVIEWER)[0]
    once = do(asked, SignApproval(signer="分管热线工作的副县长"), both)[0]
    with pytest.raises(GuardFailed, match="不能签两次"):
        do(once, SignApproval(), both)
    asker = Actor("user", "z", frozenset({Role.REVIEWER, Role.LEADER}), titles=frozenset({"分管承办单位的副县长"}))
    mine = do(replied(source="省长热线"), AskApproval(Gate.BEFORE_FEEDBACK), asker)[0]
    with pytest.raises(GuardFailed, match="提请签批的人不能自己签批"):
        do(mine, SignApproval(), asker)


def test_the_system_signs_nothing() -> None:
    asked = do(registered(request_no=2), Forward(), AGENT)[0]
    for detail in (SignApproval(), DeclineApproval("不行")):
        with pytest.raises(NotYours):
            do(asked, detail, SYSTEM)


def test_a_declined_dispatch_returns_to_the_desk_and_may_be_asked_again_or_rejected() -> None:
    asked = do(registered(request_no=2), Forward(), AGENT)[0]
    with pytest.raises(GuardFailed, match="须写明理由"):
        do(asked, DeclineApproval(" "), OFFICE)
    back, told = do(asked, DeclineApproval("上次已答复，请直接答复"), OFFICE)
    assert (back.state, back.approval, back.signing) == (State.REGISTERED, "", None)
    assert [fact.reason for fact in told if isinstance(fact, ApprovalDeclined)] == ["上次已答复，请直接答复"]
    assert do(back, commands.Answer("已于上月修复", "供水知识点"), AGENT)[0].state is State.ANSWERED
    assert do(back, Forward(), AGENT)[0].state is State.AWAITING_APPROVAL
    with pytest.raises(GuardFailed, match="签批后才能派单"):
        do(back, SEND, DISPATCHER)


# ---- inside the unit ----------------------------------------------------------------------------------------------


def at_unit(**values: object) -> Ticket:
    ticket = do(registered(**values), Forward(), AGENT)[0]  # type: ignore[arg-type]
    while ticket.signing is not None:
        signer = ticket.signing.current[0].signer.name
        ticket = do(ticket, SignApproval(), leader(f"{signer}-1", signer))[0]
    sent = do(ticket, SEND, DISPATCHER)[0]
    return do(sent, commands.Sign(), WATER_MAN)[0]


@pytest.mark.clause("MC-028")
def test_the_principal_signs_before_the_work_is_given_out() -> None:
    with pytest.raises(GuardFailed, match="主要负责人签批后分办"):
        do(at_unit(), Start(led_by="李副局长", rank=Rank.DEPUTY), WATER_MAN)
    with pytest.raises(NotYours):
        do(at_unit(), Start(led_by="李副局长", rank=Rank.DEPUTY), replace(HEAD, unit=ROADS))


LED = [
    # round, source, who leads, whether that is high enough
    (1, "县长热线电话", Rank.DEPUTY, True),
    (1, "县长热线电话", Rank.PRINCIPAL, True),
    (1, "县长热线电话", Rank.STAFF, False),
    (2, "县长热线电话", Rank.PRINCIPAL, True),
    (2, "县长热线电话", Rank.DEPUTY, False),
    (3, "县长热线电话", Rank.DEPUTY, False),
    (1, "省长热线", Rank.DEPUTY, False),
    (1, "省长热线", Rank.PRINCIPAL, True),
]


@pytest.mark.clause("MC-028")
@pytest.mark.parametrize(("round_", "source", "rank", "enough"), LED)
def test_who_leads_inside_the_unit(round_: int, source: str, rank: Rank, enough: bool) -> None:
    ticket = at_unit(source=source, round=round_)
    if enough:
        assert do(ticket, Start(led_by="某某", rank=rank), HEAD)[0].state is State.HANDLING
        return
    with pytest.raises(GuardFailed, match="应由"):
        do(ticket, Start(led_by="某某", rank=rank), HEAD)
    with pytest.raises(GuardFailed, match="请填写牵头办理人"):
        do(ticket, Start(), HEAD)


@pytest.mark.clause("MC-050")
def test_a_result_goes_out_only_signed_and_sealed_by_the_principal() -> None:
    ticket = handling()
    with pytest.raises(GuardFailed, match="须经单位主要负责人签字盖章"):
        do(ticket, commands.Reply(told_citizen(MONDAY)), WATER_MAN)
    asked = do(ticket, AskSignoff(told_citizen(MONDAY)), WATER_MAN, MONDAY + DAY)[0]
    assert asked.state is State.AWAITING_UNIT_SIGNOFF
    assert asked.due(DeadlineKind.HANDLE) is not None, "the limit runs until the hotline has the reply"
    with pytest.raises(GuardFailed, match="印章"):
        do(asked, SignApproval(), HEAD)
    with pytest.raises(NotYours):
        do(asked, SignApproval(seal="1号"), replace(HEAD, unit=ROADS))
    later = MONDAY + 2 * DAY
    done, told = do(asked, SignApproval(seal="蒙水印字1号"), HEAD, later)
    assert (done.state, done.replied_at, done.result) == (State.REPLIED, later, "管道已修复，十一点恢复供水。")
    met = next(due for due in done.dues if due.deadline.kind is DeadlineKind.HANDLE)
    assert met.met_at == later
    assert "TicketReplied" in [type(fact).__name__ for fact in told]


def test_a_sign_off_needs_the_whole_reply_and_a_refusal_gives_it_back() -> None:
    ticket = handling()
    with pytest.raises(GuardFailed, match="还缺"):
        do(ticket, AskSignoff(replace(told_citizen(MONDAY), situation="")), WATER_MAN)
    asked = do(ticket, AskSignoff(told_citizen(MONDAY)), WATER_MAN)[0]
    back = do(asked, DeclineApproval("现场照片不清"), HEAD)[0]
    assert (back.state, back.signing) == (State.HANDLING, None)
    assert back.due(DeadlineKind.HANDLE) == ticket.due(DeadlineKind.HANDLE)
    assert do(back, AskSignoff(told_citizen(MONDAY)), WATER_MAN)[0].state is State.AWAITING_UNIT_SIGNOFF


def test_where_no_sign_off_is_asked_the_unit_replies_itself() -> None:
    ticket = replace(handling(), policy_id="ganzhou")
    with pytest.raises(GuardFailed, match="不需要单位签批"):
        do(ticket, AskSignoff(told_citizen(MONDAY)), WATER_MAN)


# ---- before the answer goes out -----------------------------------------------------------------------------------

FEEDBACK = [(1, "县长热线电话", False), (2, "县长热线电话", False), (3, "县长热线电话", True), (1, "省长热线", True)]


@pytest.mark.clause("MC-051")
@pytest.mark.parametrize(("round_", "source", "needed"), FEEDBACK)
def test_which_results_the_leaders_sign_before_feedback(round_: int, source: str, needed: bool) -> None:
    ticket = replied(source=source, round=round_)
    if not needed:
        assert do(ticket, commands.BeginSurvey("审核通过"), REVIEWER)[0].state is State.SURVEYING
        return
    for actor in (REVIEWER, SYSTEM):
        with pytest.raises(GuardFailed, match="签批后才能反馈"):
            do(ticket, commands.BeginSurvey(), actor)
    assert do(ticket, AskApproval(Gate.BEFORE_FEEDBACK), REVIEWER)[0].state is State.AWAITING_FEEDBACK_APPROVAL


@pytest.mark.clause("MC-051")
@pytest.mark.parametrize("order", [(SECTOR_DEPUTY, LINE_DEPUTY), (LINE_DEPUTY, SECTOR_DEPUTY)])
def test_the_two_deputies_sign_in_any_order_and_the_county_head_after_both(order: tuple[Actor, Actor]) -> None:
    asked = do(replied(source="省长热线"), AskApproval(Gate.BEFORE_FEEDBACK), REVIEWER)[0]
    for deputy in order:
        with pytest.raises(NotYours, match="现在由"):
            do(asked, SignApproval(), COUNTY_HEAD)
        asked = do(asked, SignApproval(), deputy)[0]
        assert asked.state is State.AWAITING_FEEDBACK_APPROVAL
    out, told = do(asked, SignApproval(opinion="同意反馈"), COUNTY_HEAD)
    assert out.state is State.SURVEYING
    assert "SurveyBegun" in [type(fact).__name__ for fact in told]


@pytest.mark.parametrize(
    ("declined_at", "due"),
    [
        (MONDAY + timedelta(hours=3), local(2026, 6, 15, 23, 59, 59)),
        (MONDAY + DAY, local(2026, 6, 16, 23, 59, 59)),
        (MONDAY + 4 * DAY, local(2026, 6, 22, 23, 59, 59)),
        # Friday to Sunday: no working day more was spent.
        (MONDAY + 6 * DAY, local(2026, 6, 22, 23, 59, 59)),
    ],
)
def test_a_declined_feedback_is_a_rejected_reply_whose_limit_runs_on_without_the_wait(
    declined_at: datetime, due: datetime
) -> None:
    """Received 1 June, ten working days (19 June is 端午): the days the leaders read are not the unit's."""
    ticket = replied(source="省长热线")
    asked = do(ticket, AskApproval(Gate.BEFORE_FEEDBACK), REVIEWER)[0]
    back = do(asked, DeclineApproval("答复与政策不符，请重办"), LINE_DEPUTY, declined_at)[0]
    assert (back.state, back.rejections) == (State.HANDLING, 1)
    running = back.due(DeadlineKind.HANDLE)
    assert running is not None
    assert running.deadline.due_at == due
    assert running.deadline.from_at == MONDAY, "it is the same limit, not a new one"


def test_where_the_citizen_is_asked_at_once_the_leaders_are_asked_first() -> None:
    """The automatic survey after a reply does not go around the gate."""
    from ticketing.approvals.course import PART
    from ticketing.policy import SurveyAt

    policy = rules().policies[-1]
    at_once = replace(policy, survey=replace(policy.survey, at=SurveyAt.REPLY_SUBMITTED))
    ticket = replied(source="省长热线")
    done = commands.Reply(contents())
    answers = [follow(ticket, done, at_once) for follow in PART.follows]
    assert AskApproval(Gate.BEFORE_FEEDBACK) in answers
