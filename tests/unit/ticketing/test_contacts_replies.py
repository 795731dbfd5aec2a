"""Talks with the citizen, what a reply must say by each regulation, its review, and what it leaves open."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from callcenter.types import Actor
from tests.support.regions import (
    DAY,
    HOUR,
    MONDAY,
    act,
    asked,
    contents,
    day,
    draft,
    handling,
    policy_of,
    registered,
    replied,
    with_unit,
)
from tests.support.tickets import AGENT, REVIEWER, ROADS, ROADS_MAN, SUPERVISOR, SYSTEM, WATER_MAN, local
from ticketing import commands, facts
from ticketing.aftercare.commitments import CommitmentKept, KeepCommitment
from ticketing.aftercare.contacts import NoteContact, Purpose, Reached
from ticketing.clocks import DeadlineKind
from ticketing.record import GuardFailed, NotYours, Ticket
from ticketing.words import Flag, State

CALLED = NoteContact(MONDAY + HOUR, "电话", "已告知受理情况和本单位联系方式")
MISSED = replace(CALLED, told="无人接听", reached=Reached.NOT_REACHED)


def note(region: str, ticket: Ticket, detail: NoteContact, actor: Actor = WATER_MAN) -> Ticket:
    return act(region, ticket, detail, actor, detail.at)[0]


def reply(region: str, ticket: Ticket, **values: Any) -> Ticket:
    return act(region, ticket, commands.Reply(contents(**values)), WATER_MAN)[0]


# ---- contact ------------------------------------------------------------------------------------------------------


@pytest.mark.clause("MC-025")
def test_the_first_talk_meets_the_contact_limit_and_silence_does_not() -> None:
    ticket = with_unit("mengcheng")
    assert ticket.due(DeadlineKind.CONTACT) is not None
    spoken = note("mengcheng", ticket, CALLED)
    assert spoken.due(DeadlineKind.CONTACT) is None
    assert spoken.contacted_at == CALLED.at
    tried = note("mengcheng", ticket, MISSED)
    assert tried.due(DeadlineKind.CONTACT) is not None
    assert tried.contact_tries == 1
    for hour in (2, 3):
        tried = note("mengcheng", tried, replace(MISSED, at=MONDAY + hour * HOUR))
    assert tried.due(DeadlineKind.CONTACT) is None, "tried often enough is no delay of the unit's"


@pytest.mark.parametrize(
    ("detail", "says"),
    [
        (replace(CALLED, told=" "), "联系结果"),
        (replace(CALLED, method=""), "联系方式"),
        (replace(CALLED, at=MONDAY + 2 * DAY), "现在之前"),
        (replace(CALLED, at=MONDAY - DAY), "建立之后"),
        (replace(CALLED, purpose=Purpose.FOLLOW_UP), "还没有回复"),
    ],
)
def test_a_talk_says_when_how_and_what(detail: NoteContact, says: str) -> None:
    with pytest.raises(GuardFailed, match=says):
        act("mengcheng", with_unit("mengcheng"), detail, WATER_MAN, MONDAY + HOUR)


@pytest.mark.clause("LS-029")
def test_a_confidential_citizen_is_contacted_by_the_hotline() -> None:
    ticket = with_unit("longsheng", asked(confidential=True))
    with pytest.raises(GuardFailed, match="通过热线平台转达"):
        note("longsheng", ticket, CALLED)
    assert note("longsheng", ticket, CALLED, AGENT).contacted_at == CALLED.at
    started = act("longsheng", ticket, commands.Start(), WATER_MAN)[0]
    assert reply("longsheng", started, citizen_contacted_at=None).state is State.REPLIED


@pytest.mark.clause("GZ-049")
@pytest.mark.parametrize("way", ["spoken", "unreachable", "confidential"])
def test_a_reply_rests_on_a_recorded_talk(way: str) -> None:
    ticket = handling("ganzhou", asked(confidential=way == "confidential"), talked=False)
    if way != "confidential":
        with pytest.raises(GuardFailed, match="沟通并记录") as refused:
            reply("ganzhou", ticket)
        assert refused.value.article == "第十二条"
    if way == "spoken":
        ticket = note("ganzhou", ticket, CALLED)
    for hour in (1, 2, 3) if way == "unreachable" else ():
        ticket = note("ganzhou", ticket, replace(MISSED, at=MONDAY + hour * HOUR))
    assert reply("ganzhou", ticket).state is State.REPLIED


def test_nobody_is_called_at_night_without_a_reason() -> None:
    ticket, late = with_unit("mengcheng"), local(2026, 6, 1, 22, 30)
    with pytest.raises(GuardFailed, match="08:30至20:30"):
        act("mengcheng", ticket, replace(CALLED, at=late), WATER_MAN, late)
    said = replace(CALLED, at=late, over_reason="诉求人约定今晚联系")
    assert act("mengcheng", ticket, said, WATER_MAN, late)[0].contacted_at == late


@pytest.mark.clause("MC-002", "MC-052")
def test_the_unit_asks_the_citizen_before_the_hotline_does() -> None:
    ticket = replied("mengcheng")
    with pytest.raises(GuardFailed, match="承办单位尚未记录") as refused:
        act("mengcheng", ticket, commands.BeginSurvey(), REVIEWER)
    assert "第二十五条" in refused.value.article
    followed = note("mengcheng", ticket, replace(CALLED, purpose=Purpose.FOLLOW_UP, told="诉求人认可"))
    assert followed.rating is None, "a unit never enters a citizen's rating"
    assert act("mengcheng", followed, commands.BeginSurvey(), REVIEWER)[0].state is State.SURVEYING


# ---- what a reply says --------------------------------------------------------------------------------------------


@pytest.mark.clause("GZ-017")
def test_only_the_lead_replies_for_all() -> None:
    ticket = replace(handling("ganzhou"), assist_units=(ROADS,))
    with pytest.raises(NotYours):
        act("ganzhou", ticket, commands.Reply(contents()), ROADS_MAN)
    assert reply("ganzhou", ticket).state is State.REPLIED


NEEDED = [
    ("longsheng", "unsolvable_now", {}, "向诉求人所作的解释", "LS-061"),
    ("longsheng", "untrue_no_evidence", {}, "核实情况", "LS-011"),
    ("ganzhou", "out_of_scope", {"explanation": "已解释"}, "向热线工作机构的说明", "GZ-028"),
    ("ganzhou", "gone", {}, "没有「gone」这种办理结论", ""),
]


@pytest.mark.clause("LS-061", "LS-011", "GZ-028")
@pytest.mark.parametrize(("region", "code", "given", "says", "clause"), NEEDED)
def test_each_outcome_asks_for_its_own_proof(
    region: str, code: str, given: dict[str, Any], says: str, clause: str
) -> None:
    with pytest.raises(GuardFailed, match=says) as refused:
        reply(region, handling(region), outcome=code, **given)
    if clause:
        outcome = policy_of(region).answer.outcome(code)  # type: ignore[union-attr]
        assert outcome is not None
        assert clause in outcome.basis.clauses
        assert refused.value.article == str(outcome.basis)


@pytest.mark.clause("LS-061")
def test_what_cannot_be_solved_now_is_explained_to_the_citizen() -> None:
    ticket = reply("longsheng", handling("longsheng"), outcome="unsolvable_now", explanation="管网改造明年完成")
    assert (ticket.state, ticket.outcome) == (State.REPLIED, "unsolvable_now")


@pytest.mark.clause("GZ-028")
def test_out_of_scope_waits_for_the_hotlines_review() -> None:
    said: dict[str, Any] = {"outcome": "out_of_scope", "explanation": "已解释", "statement": "属于诉讼事项"}
    ticket = replied("ganzhou", **said)
    with pytest.raises(GuardFailed, match="须由热线审核"):
        act("ganzhou", ticket, commands.BeginSurvey(), SYSTEM)
    refusal = commands.Reject("LEGAL_PROCEDURE", "请通过诉讼解决", "甘州区人民法院")
    concluded, _ = act("ganzhou", ticket, refusal, REVIEWER)
    assert concluded.state is State.REJECTED
    assert concluded.closed_at is not None


@pytest.mark.clause("LS-011")
def test_untrue_without_evidence_is_found_by_verification_and_never_at_the_desk() -> None:
    refusal = commands.Reject("UNTRUE_NO_EVIDENCE", "经核实不属实", verification="现场核实无此情况")
    with pytest.raises(GuardFailed, match="须经核实才能认定") as refused:
        act("longsheng", registered("longsheng"), refusal, AGENT)
    assert refused.value.article == "第四条(八)"
    solved = replied("longsheng")
    with pytest.raises(GuardFailed, match="不支持这种不予受理"):
        act("longsheng", solved, refusal, REVIEWER)
    found = replied("longsheng", outcome="untrue_no_evidence", verification="现场核实无此情况")
    assert act("longsheng", found, refusal, REVIEWER)[0].state is State.REJECTED


@pytest.mark.clause("GZ-051", "LS-054")
def test_the_citizen_learns_the_result_before_the_hotline() -> None:
    ticket = handling("ganzhou")
    for missing in ({"result_told_at": None}, {"result_told_by": ""}):
        with pytest.raises(GuardFailed, match="告知诉求人") as refused:
            reply("ganzhou", ticket, **missing)
        assert refused.value.article == "第十三条"
    gone = reply("ganzhou", ticket, result_told_at=None, unreachable_why="三次无人接听")
    assert gone.state is State.REPLIED
    with pytest.raises(GuardFailed, match="联系诉求人的时间"):
        reply("longsheng", handling("longsheng"), citizen_contacted_at=None)


@pytest.mark.clause("WX-029")
@pytest.mark.parametrize("field", ["handling_unit", "handler"])
def test_a_reply_names_unit_and_person(field: str) -> None:
    with pytest.raises(GuardFailed, match="回复还缺") as refused:
        reply("weixi", handling("weixi"), **{field: ""})
    assert "第十二条" in refused.value.article


@pytest.mark.clause("SQ-024")
def test_a_written_opinion_is_given_to_who_asked_for_one() -> None:
    ticket = handling("suqian", asked(flags=frozenset({Flag.WRITTEN_OPINION})))
    with pytest.raises(GuardFailed, match="书面办理意见") as refused:
        reply("suqian", ticket)
    assert refused.value.article == "第十条(五)"
    assert reply("suqian", ticket, opinion_document="opinion-1.pdf").state is State.REPLIED


@pytest.mark.clause("LS-060")
def test_photographs_and_films_of_the_place_go_with_the_reply() -> None:
    scene = (
        commands.Scene(commands.SceneKind.PHOTO, "1.jpg", MONDAY, "桂龙路"),
        commands.Scene(commands.SceneKind.VIDEO, "2.mp4"),
    )
    kept = commands.as_data(contents(scene=scene))
    assert [one["kind"] for one in kept["scene"]] == ["photo", "video"]  # type: ignore[index]
    assert reply("longsheng", handling("longsheng"), scene=scene).state is State.REPLIED


# ---- the review ---------------------------------------------------------------------------------------------------

DEFECTS = [
    ("suqian", "NOT_STANDARD", "SQ-019"),
    ("suqian", "NOT_SPECIFIC", "SQ-019"),
    ("suqian", "INCOMPLETE", "SQ-019"),
    ("longsheng", "OFF_POINT", "LS-057"),
    ("weixi", "VAGUE", "WX-030"),
    ("weixi", "OFF_POINT", "WX-030"),
    ("weixi", "EVASIVE", "WX-030"),
    ("ganzhou", "UNCLEAR", "GZ-050"),
    ("ganzhou", "UNLAWFUL", "GZ-050"),
    ("mengcheng", "POOR", "MC-039"),
]


@pytest.mark.clause("SQ-019", "LS-057", "WX-030", "GZ-050", "MC-039")
@pytest.mark.parametrize(("region", "code", "clause"), DEFECTS)
def test_a_reply_goes_back_for_a_defect_of_the_regulation(region: str, code: str, clause: str) -> None:
    ticket = replied(region)
    back, told = act(region, ticket, commands.RejectReply(code, "请补充"), REVIEWER)
    assert back.state is State.HANDLING
    assert clause in policy_of(region).answer.defect(code).basis.clauses  # type: ignore[union-attr]
    assert [(f.count, f.defect) for f in told if isinstance(f, facts.ReplyRejected)] == [(1, code)]
    with pytest.raises(GuardFailed, match="请选定退回的原因"):
        act(region, ticket, commands.RejectReply("不好", "请补充"), REVIEWER)


@pytest.mark.clause("SQ-019")
def test_a_rejected_reply_is_completed_inside_the_original_limit() -> None:
    ticket = handling("suqian")
    due = ticket.due(DeadlineKind.HANDLE)
    back = act("suqian", replied("suqian", at=MONDAY + HOUR), commands.RejectReply("INCOMPLETE", "补"), REVIEWER)[0]
    running = back.due(DeadlineKind.HANDLE)
    assert due is not None
    assert running is not None
    assert running.deadline == due.deadline


@pytest.mark.clause("GZ-045", "MC-039")
@pytest.mark.parametrize("region", ["ganzhou", "mengcheng"])
def test_rejections_in_a_row_are_counted_for_supervision(region: str) -> None:
    code = policy_of(region).answer.defects[0].code  # type: ignore[union-attr]
    ticket, counts = replied(region), []
    for _ in range(2):
        ticket, told = act(region, ticket, commands.RejectReply(code, "补充"), REVIEWER)
        counts += [fact.count for fact in told if isinstance(fact, facts.ReplyRejected)]
        ticket = replace(ticket, state=State.REPLIED)
    assert counts == [1, 2]
    sent_again = act(region, replace(ticket, state=State.CLOSED), commands.Rework("回头看"), SUPERVISOR)[0]
    assert sent_again.rejections == 0, "a new round begins at nought"


# ---- what a reply leaves open -------------------------------------------------------------------------------------


@pytest.mark.clause("LS-056")
def test_a_stage_result_is_a_promise_with_a_day_that_outlives_the_closing() -> None:
    part: dict[str, Any] = {
        "finished": False,
        "stage_result": "已临时供水",
        "follow_up_plan": "更换主管",
        "follow_up_by": day(20),
    }
    with pytest.raises(GuardFailed, match="后续处理计划"):
        reply("longsheng", handling("longsheng"), **{**part, "follow_up_plan": ""})
    ticket = replied("longsheng", **part)
    due = ticket.due(DeadlineKind.COMMITMENT)
    assert due is not None
    assert due.deadline.due_at.astimezone(MONDAY.tzinfo).date() == day(20)
    closed = replace(ticket, state=State.CLOSED, closed_at=MONDAY)
    with pytest.raises(GuardFailed, match="后续事项尚未办结"):
        act("longsheng", closed, commands.Archive(), SYSTEM)
    kept, told = act("longsheng", closed, KeepCommitment("主管已更换"), WATER_MAN, MONDAY + 3 * DAY)
    assert [f.on_time for f in told if isinstance(f, CommitmentKept)] == [True]
    assert act("longsheng", kept, commands.Archive(), SYSTEM)[0].state is State.ARCHIVED


@pytest.mark.parametrize("ahead", [0, -1, 1000])
def test_a_promise_names_a_day_to_come(ahead: int) -> None:
    part: dict[str, Any] = {
        "finished": False,
        "stage_result": "a",
        "follow_up_plan": "b",
        "follow_up_by": MONDAY.date() + timedelta(days=ahead),
    }
    with pytest.raises(GuardFailed, match="两年之内"):
        reply("longsheng", handling("longsheng"), **part)


@pytest.mark.clause("MC-013")
@pytest.mark.parametrize("region", ["ganzhou", "weixi", "longsheng", "suqian", "mengcheng"])
def test_every_request_is_a_ticket_of_its_own(region: str) -> None:
    one, two = draft(region), draft(region, "20260601000002")
    assert one.id != two.id
    assert one.state is two.state is State.DRAFT


@pytest.mark.clause("MC-012")
def test_a_refused_request_says_on_what_ground_and_where_to_turn() -> None:
    code = next(r.code for r in policy_of("mengcheng").rejects if "referred_to" in r.needs)
    ticket = registered("mengcheng")
    for refusal in (commands.Reject(code, ""), commands.Reject(code, "已告知")):
        with pytest.raises(GuardFailed, match=r"告知诉求人|应向哪里反映"):
            act("mengcheng", ticket, refusal, AGENT)
    refused = act("mengcheng", ticket, commands.Reject(code, "已告知依据", "县人民法院 0558-7620000"), AGENT)[0]
    assert (refused.state, refused.result) == (State.REJECTED, "已告知依据")


@pytest.mark.clause("GZ-021", "MC-014")
@pytest.mark.parametrize("region", ["ganzhou", "mengcheng"])
def test_a_question_is_answered_at_once_from_the_knowledge_base(region: str) -> None:
    ticket = registered(region, asked("咨询"))
    with pytest.raises(GuardFailed, match="知识点"):
        act(region, ticket, commands.Answer("可以办理"), AGENT)
    assert act(region, ticket, commands.Answer("可以办理", "12"), AGENT)[0].state is State.ANSWERED
