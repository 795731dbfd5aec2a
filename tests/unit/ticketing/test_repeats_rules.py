"""One matter brought again: which rule fires, what follows, likeness, merging, urging. Pure parts."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from callcenter.types import TicketId
from tests.support.regions import (
    DAY,
    HOUR,
    MONDAY,
    act,
    asked,
    contents,
    handling,
    policy_of,
    registered,
    replied,
    with_unit,
)
from tests.support.tickets import AGENT, DISPATCHER, REVIEWER, SYSTEM, WATER, WATER_MAN, local
from ticketing import commands
from ticketing.aftercare.matters import ALIKE, Link, RepeatConfirmed, TicketUrged, Unlink, Urge, likeness
from ticketing.aftercare.merging import Merge, TicketMerged, Unmerge, can_lead
from ticketing.aftercare.repeat_rules import Past, Then, fired, months_after
from ticketing.clocks import DeadlineKind
from ticketing.record import GuardFailed, NotYours, Ticket
from ticketing.words import State

FIRST = TicketId("20260501000007")


def past(*, closed: bool, first: datetime, replied_at: datetime | None = None) -> Past:
    return Past(closed, first, replied_at)


MAY = local(2026, 5, 10, 9, 0)
FIRES = [
    ("longsheng", past(closed=True, first=MAY, replied_at=MAY), MONDAY, ["closed_before"]),
    ("longsheng", past(closed=False, first=MAY), MONDAY, []),
    ("ganzhou", past(closed=True, first=MAY, replied_at=MAY), MONDAY, ["told_the_result"]),
    ("suqian", past(closed=True, first=MAY, replied_at=MAY), local(2026, 6, 10, 23, 59), ["within_a_month"]),
    ("suqian", past(closed=True, first=MAY, replied_at=MAY), local(2026, 6, 11, 0, 0), []),
    ("suqian", past(closed=False, first=MAY), MAY + timedelta(days=6), []),
    ("suqian", past(closed=False, first=MAY), MAY + timedelta(days=6, seconds=1), ["unsolved_six_days"]),
    ("suqian", past(closed=True, first=MAY - 90 * DAY, replied_at=MAY), MAY + DAY, ["within_a_month"]),
    ("mengcheng", past(closed=False, first=MAY), MAY + HOUR, ["brought_again"]),
    ("mengcheng", past(closed=True, first=MAY, replied_at=MAY), MONDAY, ["brought_again"]),
    ("weixi", past(closed=True, first=MAY, replied_at=MAY), MONDAY, []),
]


@pytest.mark.clause("LS-008", "GZ-023", "SQ-034", "SQ-035")
@pytest.mark.parametrize(("region", "before", "now", "codes"), FIRES)
def test_which_rule_makes_it_a_repeat(region: str, before: Past, now: datetime, codes: list[str]) -> None:
    told = fired(policy_of(region).repeat, before, "投诉", now)
    assert [rule.code for rule in told] == codes
    assert all(rule.basis.clauses for rule in told)


@pytest.mark.clause("SQ-034")
@pytest.mark.parametrize(
    ("reply", "last"),
    [((2026, 1, 31), (2026, 2, 28)), ((2024, 1, 31), (2024, 2, 29)), ((2026, 12, 15), (2027, 1, 15))],
)
def test_a_month_is_a_calendar_month(reply: tuple[int, int, int], last: tuple[int, int, int]) -> None:
    assert months_after(local(*reply, 10, 0), 1) == local(*last, 23, 59, 59)


@pytest.mark.clause("SQ-036")
@pytest.mark.parametrize(
    ("kind", "person"),
    [("department", "承办单位主要负责人"), ("township", "县（区）分管领导"), ("", "承办单位主要负责人")],
)
def test_who_follows_a_repeat_in_person(kind: str, person: str) -> None:
    rules = policy_of("suqian").repeat
    assert rules is not None
    assert {rule.person(kind) for rule in rules.rules} == {person}


def linked(region: str, ticket: Ticket, rule: str, responsible: str = "", number: int = 2) -> Ticket:
    detail = Link(FIRST, 7, number, 1, (rule,), responsible)
    return act(region, ticket, detail, AGENT)[0]


def test_a_person_confirms_a_repeat_once_and_may_take_it_back() -> None:
    ticket, detail = registered("mengcheng"), Link(FIRST, 7, 3, 2, ("brought_again",))
    with pytest.raises(NotYours):
        act("mengcheng", ticket, detail, SYSTEM)
    after, told = act("mengcheng", ticket, detail, AGENT)
    assert (after.request_no, after.matter, after.case.request_no) == (3, 7, 3)
    assert isinstance(told[0], RepeatConfirmed)
    assert told[0].persons == 2
    with pytest.raises(GuardFailed, match="已经关联"):
        act("mengcheng", after, detail, AGENT)
    undone = act("mengcheng", after, Unlink("不是同一处"), AGENT)[0]
    assert (undone.request_no, undone.matter, undone.repeat_rule) == (1, None, "")


@pytest.mark.clause("GZ-023", "LS-008")
@pytest.mark.parametrize(
    ("region", "rule", "then", "says"),
    [
        ("ganzhou", "told_the_result", Then.INFORM, "告知原办理结果"),
        ("longsheng", "closed_before", Then.NOT_ACCEPTED, "不予受理"),
    ],
)
def test_a_repeat_of_what_is_lawfully_done_is_not_dispatched_again(
    region: str, rule: str, then: Then, says: str
) -> None:
    ticket = linked(region, registered(region), rule)
    found = policy_of(region).repeat.rule(rule)  # type: ignore[union-attr]
    assert found is not None
    assert found.then is then
    for detail, actor in ((commands.Dispatch(WATER), DISPATCHER), (commands.Forward(), AGENT)):
        with pytest.raises(GuardFailed, match=says) as refused:
            act(region, ticket, detail, actor)
        assert refused.value.article == str(found.basis)
    told = commands.Answer("原工单已于五月办结：已更换水管。", earlier_ticket=FIRST)
    assert act(region, ticket, told, AGENT)[0].state is State.ANSWERED
    free = act(region, ticket, Unlink("有新的事实"), AGENT)[0]
    assert act(region, free, commands.Forward(), AGENT)[0].state is State.AWAITING_DISPATCH


@pytest.mark.clause("LS-008")
def test_the_reject_code_of_a_repeat_names_the_closed_ticket() -> None:
    ticket = linked("longsheng", registered("longsheng"), "closed_before")
    with pytest.raises(GuardFailed, match="原工单编号"):
        act("longsheng", ticket, commands.Reject("REPEAT_ALREADY_CLOSED", "已告知"), AGENT)
    refusal = commands.Reject("REPEAT_ALREADY_CLOSED", "已告知", earlier_ticket=FIRST)
    assert act("longsheng", ticket, refusal, AGENT)[0].state is State.REJECTED


@pytest.mark.clause("SQ-036")
def test_a_repeat_is_replied_to_under_the_name_of_who_follows_it_in_person() -> None:
    ticket = replace(handling("suqian"), matter=7, repeat_rule="within_a_month", responsible="承办单位主要负责人")
    said = commands.Reply(contents())
    with pytest.raises(GuardFailed, match="直接跟进办理") as refused:
        act("suqian", ticket, said, WATER_MAN)
    assert "第十九条" in refused.value.article
    signed = commands.Reply(contents(signed_by="李局长"))
    assert act("suqian", ticket, signed, WATER_MAN)[0].state is State.REPLIED


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("桂龙路停水两天了，希望尽快恢复供水。", "桂龙路停水已经两天，请尽快恢复供水!", True),
        ("桂龙路停水两天了", "龙胜镇路灯不亮", False),
        ("", "龙胜镇路灯不亮", False),
    ],
)
def test_texts_are_alike_by_what_they_say(one: str, other: str, alike: bool) -> None:
    assert (likeness(one, other) >= ALIKE) is alike
    assert likeness(one, other) == likeness(other, one)


# ---- merging and urging -------------------------------------------------------------------------------------------


@pytest.mark.clause("MC-013")
@pytest.mark.parametrize("region", ["mengcheng", "suqian"])
def test_a_merged_ticket_waits_keeps_its_citizen_and_can_be_freed(region: str) -> None:
    ticket = registered(region)
    merged, told = act(region, ticket, Merge(FIRST, "同一管线停水"), DISPATCHER)
    assert (merged.state, merged.master, merged.requester) == (State.MERGED, FIRST, ticket.requester)
    assert isinstance(told[0], TicketMerged)
    assert merged.due(DeadlineKind.DISPATCH) is None
    free = act(region, merged, Unmerge("不是同一处"), DISPATCHER, MONDAY + HOUR)[0]
    assert (free.state, free.master) == (State.AWAITING_DISPATCH, None)


@pytest.mark.clause("MC-013")
def test_each_merged_citizen_gets_an_answer_and_a_survey_of_their_own() -> None:
    merged = act("mengcheng", registered("mengcheng"), Merge(FIRST, "同一管线停水"), DISPATCHER)[0]
    with pytest.raises(GuardFailed, match="还没有办理结果"):
        act("mengcheng", merged, commands.BeginSurvey(), SYSTEM)
    asked_now, told = act("mengcheng", merged, commands.BeginSurvey(result="已恢复供水"), SYSTEM, MONDAY + DAY)
    assert (asked_now.state, asked_now.result, asked_now.replied_at) == (State.SURVEYING, "已恢复供水", MONDAY + DAY)
    assert [type(fact).__name__ for fact in told] == ["SurveyBegun"]


@pytest.mark.parametrize("state", [State.REPLIED, State.SURVEYING, State.CLOSED, State.MERGED, State.DRAFT])
def test_a_master_has_its_result_still_to_come(state: State) -> None:
    child = registered("suqian")
    with pytest.raises(GuardFailed, match="尚未回复"):
        can_lead(replace(child, state=state), child)
    can_lead(with_unit("suqian"), child)


def test_nothing_follows_itself_and_merging_says_why() -> None:
    ticket = registered("suqian")
    for detail, says in ((Merge(ticket.id, "x"), "自身"), (Merge(FIRST, " "), "理由")):
        with pytest.raises(GuardFailed, match=says):
            act("suqian", ticket, detail, DISPATCHER)


def test_urging_is_a_line_on_the_ticket_and_no_new_one() -> None:
    ticket = handling("longsheng", asked())
    urged, told = act("longsheng", ticket, Urge("群众第二次来电"), AGENT)
    assert replace(urged, version=ticket.version, updated_at=ticket.updated_at) == ticket
    assert isinstance(told[0], TicketUrged)
    with pytest.raises(GuardFailed):
        act("longsheng", replied("longsheng"), Urge(" "), REVIEWER)
