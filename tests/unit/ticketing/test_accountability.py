"""The ladder of accountability of each regulation: reasons, severities and recipients, order of steps, ends."""

from dataclasses import replace

import pytest

from callcenter.types import TicketId
from tests.support.regions import policy_of
from tests.support.tickets import MONDAY, WATER
from ticketing.record import GuardFailed
from ticketing.supervision.accountability import (
    AccountCase,
    Evidence,
    Subject,
    as_proposal,
    check_opening,
    conclude,
    regrade,
    take_step,
)
from ticketing.supervision.rules import AccountabilityRules, Finding


def rules(region: str) -> AccountabilityRules:
    found = policy_of(region).accountability
    assert found is not None
    return found


def case(region: str, reason: str, severity: str = "") -> AccountCase:
    grade = severity or rules(region).severities[0].code
    return AccountCase(1, region, 1, reason, grade, Subject(WATER), "推诿三个月", MONDAY, "user:du-ban")


REASONS = [
    ("ganzhou", "URGENT_DELAYED", "GZ-061"),
    ("ganzhou", "DUTY_NOT_KEPT", "GZ-062"),
    ("ganzhou", "SUPERVISED_SILENT", "GZ-063"),
    ("ganzhou", "FRAUD_OR_INACTION", "GZ-064"),
    ("weixi", "ACCIDENT", "WX-033"),
    ("weixi", "PUBLIC_OPINION", "WX-034"),
    ("weixi", "LEAK", "WX-035"),
    ("weixi", "RETURNED", "WX-036"),
    ("longsheng", "STAFF_MISCONDUCT", "LS-088"),
    ("longsheng", "UNIT_MISCONDUCT", "LS-089"),
    ("suqian", "UNCLEAR", "SQ-040"),
    ("suqian", "MISCONDUCT", "SQ-042"),
    ("mengcheng", "OVERDUE", "MC-045"),
    ("mengcheng", "FRAUD", "MC-046"),
    ("mengcheng", "PUBLIC_OPINION", "MC-047"),
    ("mengcheng", "POOR_QUALITY", "MC-061"),
]


@pytest.mark.clause("GZ-064", "WX-033", "WX-034", "WX-035", "SQ-042", "MC-046", "MC-047", "MC-061")
@pytest.mark.parametrize(("region", "reason", "clause"), REASONS)
def test_a_case_needs_a_reason_of_the_regulation(region: str, reason: str, clause: str) -> None:
    grade = rules(region).severities[0].code
    subject = Subject(person="王某") if reason == "STAFF_MISCONDUCT" else Subject(WATER)
    check_opening(rules(region), reason, grade, subject, "经过")
    found = rules(region).reason(reason)
    assert found is not None
    assert clause in found.basis.clauses
    with pytest.raises(GuardFailed, match="没有「NOT_LIKED」"):
        check_opening(rules(region), "NOT_LIKED", grade, Subject(WATER), "经过")
    with pytest.raises(GuardFailed, match="事实经过"):
        check_opening(rules(region), reason, grade, subject, " ")


@pytest.mark.clause("LS-088")
def test_the_hotlines_own_staff_may_be_held_to_account_too() -> None:
    check_opening(rules("longsheng"), "STAFF_MISCONDUCT", "MINOR", Subject(person="话务员甲"), "态度恶劣")
    with pytest.raises(GuardFailed, match="针对承办单位"):
        check_opening(rules("longsheng"), "UNIT_MISCONDUCT", "MINOR", Subject(person="话务员甲"), "推诿")
    with pytest.raises(GuardFailed, match="问责对象"):
        check_opening(rules("longsheng"), "STAFF_MISCONDUCT", "MINOR", Subject(), "推诿")


@pytest.mark.clause("LS-089")
def test_two_severities_go_to_two_recipients() -> None:
    there = rules("longsheng")
    minor = take_step(there, case("longsheng", "UNIT_MISCONDUCT", "MINOR"), "REPORT", "已报", "du-ban", MONDAY)
    assert minor.steps[-1].recipients == ("承办单位",)
    minor = take_step(there, minor, "PROPOSAL", "建议问责", "du-ban", MONDAY)
    with pytest.raises(GuardFailed, match="情节严重"):
        take_step(there, minor, "DISCIPLINE", "移送", "du-ban", MONDAY)
    severe = regrade(there, minor, "SEVERE")
    severe = take_step(there, severe, "DISCIPLINE", "移送", "du-ban", MONDAY)
    assert severe.steps[-1].recipients == ("纪检监察机关",)


@pytest.mark.clause("SQ-040", "SQ-041")
def test_interview_then_bulletin_then_special_report_then_discipline() -> None:
    there, one = rules("suqian"), case("suqian", "REFUSES")
    with pytest.raises(GuardFailed, match="请先「约谈」"):
        take_step(there, one, "SPECIAL_REPORT", "专报", "du-ban", MONDAY)
    for rung in ("INTERVIEW", "BULLETIN", "SPECIAL_REPORT"):
        one = take_step(there, one, rung, "情况", "du-ban", MONDAY)
    with pytest.raises(GuardFailed, match="已经进行过"):
        take_step(there, one, "INTERVIEW", "再约谈", "du-ban", MONDAY)
    with pytest.raises(GuardFailed, match="情节严重"):
        take_step(there, one, "DISCIPLINE", "推送", "du-ban", MONDAY)
    severe = take_step(there, case("suqian", "REFUSES", "SEVERE"), "DISCIPLINE", "推送", "du-ban", MONDAY)
    assert severe.steps[-1].recipients == ("作风建设监督部门", "纪检监察机关")


@pytest.mark.clause("SQ-043")
def test_a_fault_made_in_good_faith_is_tolerated_where_the_regulation_says_so() -> None:
    ended = conclude(rules("suqian"), case("suqian", "MISCONDUCT"), "FAULT_TOLERATED", "主动纠正", "du-ban", MONDAY)
    assert (ended.outcome, ended.ended_by) == ("FAULT_TOLERATED", "du-ban")
    with pytest.raises(GuardFailed, match="没有「FAULT_TOLERATED」"):
        conclude(rules("longsheng"), case("longsheng", "UNIT_MISCONDUCT"), "FAULT_TOLERATED", "x", "du-ban", MONDAY)
    with pytest.raises(GuardFailed, match="已经办结"):
        conclude(rules("suqian"), ended, "ACCOUNTABLE", "x", "du-ban", MONDAY)
    with pytest.raises(GuardFailed, match="已经办结"):
        take_step(rules("suqian"), ended, "INTERVIEW", "x", "du-ban", MONDAY)
    with pytest.raises(GuardFailed, match="已经办结"):
        regrade(rules("suqian"), ended, "SEVERE")


@pytest.mark.clause("GZ-066")
def test_the_proposal_names_who_why_and_what_shows_it() -> None:
    there = rules("ganzhou")
    one = take_step(there, case("ganzhou", "SUPERVISED_SILENT"), "INQUIRY", "核查属实", "du-ban", MONDAY)
    one = take_step(there, one, "PROPOSAL", "建议问责", "du-ban", MONDAY)
    told = as_proposal(there, one, (Evidence(TicketId("20260601000001"), 3, "ab" * 32),), "区水务局")
    assert told["recipients"] == ["区纪委监委", "组织人事部门"]
    assert told["reason"]["basis"] == "第二十条(三)"
    assert told["evidence"] == [{"ticket": "20260601000001", "event": 3, "sha256": "ab" * 32, "note": ""}]
    assert [step["label"] for step in told["steps"]] == ["核查情况", "提出问责建议"]
    assert told["subject"]["unit_name"] == "区水务局"


def test_a_step_needs_a_note_and_an_end_its_reason() -> None:
    there, one = rules("weixi"), case("weixi", "RETURNED")
    with pytest.raises(GuardFailed, match="写明这一步骤"):
        take_step(there, one, "RECTIFY", " ", "du-ban", MONDAY)
    with pytest.raises(GuardFailed, match="写明处理结果"):
        conclude(there, one, "RECTIFIED", "", "du-ban", MONDAY)
    with pytest.raises(GuardFailed, match="没有「JAIL」"):
        take_step(there, one, "JAIL", "x", "du-ban", MONDAY)
    with pytest.raises(GuardFailed, match="没有「GRAVE」"):
        regrade(there, replace(one), "GRAVE")


@pytest.mark.parametrize(
    ("region", "finding", "at_least"),
    [
        pytest.param("ganzhou", Finding.SUPERVISED_SILENT, 2, marks=pytest.mark.clause("GZ-063")),
        pytest.param("ganzhou", Finding.URGENT_OVERDUE, 1, marks=pytest.mark.clause("GZ-061")),
        pytest.param("ganzhou", Finding.REFUSED_RETURN, 1, marks=pytest.mark.clause("GZ-032")),
        pytest.param("weixi", Finding.RETURNED, 2, marks=pytest.mark.clause("WX-036")),
        pytest.param("mengcheng", Finding.OVERDUE, 1, marks=pytest.mark.clause("MC-045")),
        pytest.param("mengcheng", Finding.LOOKED_BACK, 1, marks=pytest.mark.clause("MC-049")),
    ],
)
def test_what_the_system_lists_by_itself(region: str, finding: Finding, at_least: int) -> None:
    [rule] = [one for one in rules(region).findings if one.finding is finding]
    assert rule.at_least == at_least
