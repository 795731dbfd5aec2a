"""Which reasons for supervision each regulation has, what sets them off, what a supervision asks and how it ends."""

from dataclasses import replace
from datetime import timedelta

import pytest

from callcenter.types import Actor, Role, TicketId, UnitId
from config.policy_loader import load_policies
from tests.support.regions import REGIONS, policy_of, rules_of
from tests.support.supervised import NUMBER, OTHERS, ticket_of
from tests.support.tickets import AGENT, MONDAY, ROADS_MAN, SUPERVISOR, SYSTEM, WATER, WATER_MAN, local
from ticketing import facts
from ticketing.aftercare.follow_rules import CheckKind
from ticketing.aftercare.matters import RepeatConfirmed
from ticketing.aftercare.rechecks import Found, LookedBack
from ticketing.clocks import DeadlineKind
from ticketing.commands import Command
from ticketing.dispatch.assists import AssistRefused
from ticketing.dispatch.disputes import DisputeOpened
from ticketing.facts import Fact
from ticketing.record import GuardFailed, NotYours, Ticket
from ticketing.rules import Case
from ticketing.supervision.rules import FORM_NAMES, Card, Form
from ticketing.supervision.supervision import (
    AnswerSupervision,
    EndSupervision,
    ExplanationMissed,
    Situation,
    Supervise,
    Warn,
    standing,
    triggers_of,
)
from ticketing.ticket import advance
from ticketing.words import Flag, State

HEAD = (TicketId(NUMBER), 1, MONDAY)
CASE = Case("投诉", "电话", urgent=False)


def passed(kind: DeadlineKind) -> Fact:
    return facts.DeadlinePassed(*HEAD, 1, kind, MONDAY, WATER)


DISPATCHED = facts.TicketDispatched(*HEAD, WATER, (), False, None, None)
LINKED = RepeatConfirmed(*HEAD, 1, TicketId("20260501000001"), 3, 1, (), "")
REJECTED = facts.ReplyRejected(*HEAD, WATER, "太笼统")
REFUSED = facts.ReturnRefused(*HEAD, WATER, "no_basis")
DISPUTE = DisputeOpened(*HEAD, "都说不归自己管", False)
UNTRUE = LookedBack(*HEAD, WATER, CheckKind.LOOK_BACK, Found.UNTRUE, "现场并未修复")
FINE = LookedBack(*HEAD, WATER, CheckKind.LOOK_BACK, Found.FINE, "已修复")
SAID_UNTRUE = facts.CauseNoted(*HEAD, WATER, "UNTRUE_REPLY", "根本没来人")
UNEXPLAINED = ExplanationMissed(*HEAD, 5, WATER)
OVERDUE, UNSIGNED = passed(DeadlineKind.HANDLE), passed(DeadlineKind.SIGN)
LAPSED, ASSIST_LATE = passed(DeadlineKind.RETURN), passed(DeadlineKind.ASSIST)
WILL_NOT = AssistRefused(*HEAD, OTHERS[0], "人手不足")
PLAIN = Situation(CASE)
TWO, THREE = replace(PLAIN, units=2), replace(PLAIN, units=3)
REPEATED = {"REPEATED": 3, "CONCENTRATED": 3}
CROWD = {"REPEATED": 1, "CONCENTRATED": 5}


def given(source: str = "电话", *flags: Flag) -> Situation:
    return Situation(Case("投诉", source, False, frozenset(flags)))


TABLE = [
    # 甘州: ten of 第十一条(三)
    pytest.param("ganzhou", OVERDUE, PLAIN, {"OVERDUE"}, marks=pytest.mark.clause("GZ-038")),
    pytest.param(
        "ganzhou",
        LINKED,
        replace(PLAIN, counts=REPEATED, unresolved=True),
        {"REPEATED"},
        marks=pytest.mark.clause("GZ-039"),
    ),
    pytest.param(
        "ganzhou",
        LINKED,
        replace(PLAIN, counts=CROWD, unresolved=True),
        {"CONCENTRATED"},
        marks=pytest.mark.clause("GZ-039"),
    ),
    pytest.param("ganzhou", LINKED, replace(PLAIN, counts=REPEATED), set(), marks=pytest.mark.clause("GZ-039")),
    pytest.param("ganzhou", REFUSED, PLAIN, {"RETURN_REFUSED"}, marks=pytest.mark.clause("GZ-041")),
    pytest.param("ganzhou", UNSIGNED, PLAIN, {"UNSIGNED"}, marks=pytest.mark.clause("GZ-041")),
    pytest.param("ganzhou", LAPSED, replace(PLAIN, untouched=True), {"UNSIGNED"}, marks=pytest.mark.clause("GZ-041")),
    pytest.param("ganzhou", LAPSED, PLAIN, set(), marks=pytest.mark.clause("GZ-041")),
    pytest.param(
        "ganzhou",
        UNEXPLAINED,
        replace(PLAIN, extended=True),
        {"OVERDUE_EXTENDED"},
        marks=pytest.mark.clause("GZ-043"),
    ),
    pytest.param("ganzhou", UNEXPLAINED, PLAIN, set(), marks=pytest.mark.clause("GZ-043")),
    pytest.param("ganzhou", REFUSED, TWO, {"RETURN_REFUSED", "LEAD_REFUSES"}, marks=pytest.mark.clause("GZ-044")),
    pytest.param("ganzhou", UNSIGNED, TWO, {"UNSIGNED", "LEAD_REFUSES"}, marks=pytest.mark.clause("GZ-044")),
    pytest.param("ganzhou", ASSIST_LATE, TWO, {"ASSIST_SILENT"}, marks=pytest.mark.clause("GZ-044")),
    pytest.param("ganzhou", WILL_NOT, TWO, {"ASSIST_SILENT"}, marks=pytest.mark.clause("GZ-044")),
    pytest.param("ganzhou", REJECTED, replace(PLAIN, rejections=1), set(), marks=pytest.mark.clause("GZ-045")),
    pytest.param(
        "ganzhou", REJECTED, replace(PLAIN, rejections=2), {"REPLY_REJECTED_TWICE"}, marks=pytest.mark.clause("GZ-045")
    ),
    pytest.param("ganzhou", UNTRUE, PLAIN, {"UNTRUE_REPLY"}, marks=pytest.mark.clause("GZ-046")),
    pytest.param("ganzhou", SAID_UNTRUE, PLAIN, {"UNTRUE_REPLY"}, marks=pytest.mark.clause("GZ-046")),
    pytest.param("ganzhou", FINE, PLAIN, set(), marks=pytest.mark.clause("GZ-046")),
    # 维西: every ticket sent out is tracked
    pytest.param("weixi", OVERDUE, PLAIN, {"OVERDUE"}, marks=pytest.mark.clause("WX-027")),
    pytest.param("weixi", REFUSED, PLAIN, set()),
    # 龙胜
    pytest.param("longsheng", OVERDUE, PLAIN, {"OVERDUE"}, marks=pytest.mark.clause("LS-062")),
    pytest.param("longsheng", DISPATCHED, TWO, {"SEVERAL_UNITS"}, marks=pytest.mark.clause("LS-013")),
    pytest.param("longsheng", DISPATCHED, PLAIN, set(), marks=pytest.mark.clause("LS-013")),
    # 宿迁: five groups
    pytest.param(
        "suqian", REJECTED, replace(PLAIN, rejections=2), {"POOR_QUALITY"}, marks=pytest.mark.clause("SQ-033")
    ),
    pytest.param(
        "suqian", DISPATCHED, given("电话", Flag.MEDIA), {"ASSIGNED_OR_MEDIA"}, marks=pytest.mark.clause("SQ-033")
    ),
    pytest.param(
        "suqian", DISPATCHED, given("电话", Flag.LEADER), {"ASSIGNED_OR_MEDIA"}, marks=pytest.mark.clause("SQ-033")
    ),
    pytest.param("suqian", DISPATCHED, THREE, {"MANY_UNITS"}, marks=pytest.mark.clause("SQ-033")),
    pytest.param("suqian", DISPATCHED, TWO, set(), marks=pytest.mark.clause("SQ-033")),
    pytest.param("suqian", OVERDUE, PLAIN, {"UNSOLVED"}, marks=pytest.mark.clause("SQ-033")),
    pytest.param("suqian", UNTRUE, PLAIN, {"UNTRUE_REPLY"}, marks=pytest.mark.clause("SQ-037")),
    pytest.param("suqian", DISPUTE, PLAIN, {"DUTY_UNCLEAR"}, marks=pytest.mark.clause("SQ-039")),
    # 蒙城: eight
    *(
        pytest.param("mengcheng", DISPATCHED, given(source), {"KEY_CHANNEL"}, marks=pytest.mark.clause("MC-036"))
        for source in ("省长热线", "人民网网友留言", "市长热线电子督办单")
    ),
    pytest.param(
        "mengcheng", DISPATCHED, given("电话", Flag.LEADER), {"KEY_CHANNEL"}, marks=pytest.mark.clause("MC-036")
    ),
    pytest.param("mengcheng", DISPATCHED, PLAIN, set(), marks=pytest.mark.clause("MC-036")),
    pytest.param("mengcheng", OVERDUE, PLAIN, {"OVERDUE"}, marks=pytest.mark.clause("MC-037")),
    pytest.param("mengcheng", DISPUTE, PLAIN, {"DUTY_UNCLEAR"}, marks=pytest.mark.clause("MC-038")),
    pytest.param(
        "mengcheng", REJECTED, replace(PLAIN, rejections=1), {"REPLY_REJECTED"}, marks=pytest.mark.clause("MC-039")
    ),
    pytest.param("mengcheng", DISPATCHED, TWO, {"SEVERAL_UNITS"}, marks=pytest.mark.clause("MC-040")),
    pytest.param(
        "mengcheng", LINKED, replace(PLAIN, counts=REPEATED), {"REPEATED"}, marks=pytest.mark.clause("MC-041")
    ),
    pytest.param(
        "mengcheng", LINKED, replace(PLAIN, counts={"REPEATED": 2}), set(), marks=pytest.mark.clause("MC-041")
    ),
    pytest.param(
        "mengcheng", DISPATCHED, replace(PLAIN, counts=CROWD), {"CONCENTRATED"}, marks=pytest.mark.clause("MC-041")
    ),
    pytest.param("mengcheng", DISPATCHED, given("电话", Flag.MEDIA), {"MEDIA"}, marks=pytest.mark.clause("MC-042")),
]


@pytest.mark.parametrize(("region", "fact", "now", "fires"), TABLE)
def test_a_fact_sets_off_what_the_regulation_names(region: str, fact: Fact, now: Situation, fires: set[str]) -> None:
    assert {one.code for one in triggers_of(policy_of(region).supervise, fact, now)} == fires


@pytest.mark.clause("MC-039", "GZ-045")
def test_one_rejection_is_enough_in_one_region_and_two_in_another() -> None:
    """Trap: 甘州 needs two in a row, 蒙城 one."""
    once = replace(PLAIN, rejections=1)
    fired = {region for region in REGIONS if triggers_of(policy_of(region).supervise, REJECTED, once)}
    assert fired == {"mengcheng"}


@pytest.mark.clause("MC-041")
def test_three_times_counts_three_here_though_the_approval_reads_it_as_four() -> None:
    """Trap 28: 3次以上 of 第二十一条 includes three; 三次以上 of 第十条 must not."""
    policy = policy_of("mengcheng")
    assert policy.supervise is not None
    repeated = policy.supervise.trigger("REPEATED")
    assert repeated is not None
    assert repeated.at_least == 3
    assert policy.approval is not None


@pytest.mark.parametrize(
    ("region", "code"),
    [
        pytest.param("ganzhou", "MISCONDUCT", marks=pytest.mark.clause("GZ-042")),
        pytest.param("ganzhou", "OTHER", marks=pytest.mark.clause("GZ-072")),
        pytest.param("suqian", "LIVELIHOOD", marks=pytest.mark.clause("SQ-033")),
        pytest.param("suqian", "ABLE_NOT_DONE", marks=pytest.mark.clause("SQ-038")),
        pytest.param("mengcheng", "EMERGING", marks=pytest.mark.clause("MC-041")),
        pytest.param("mengcheng", "OTHER", marks=pytest.mark.clause("MC-063")),
    ],
)
def test_a_person_supervises_with_a_reason_code_and_says_why(region: str, code: str) -> None:
    ticket = ticket_of(region)
    with pytest.raises(GuardFailed, match="督办理由"):
        step(region, ticket, Supervise(code))
    after, _ = step(region, ticket, Supervise(code, "群众反映强烈"))
    assert after.supervising == {code}


FORMS = {
    "ganzhou": {"电话督办", "书面督办", "暗访督办", "会议督办", "领导批示督办"},
    "weixi": {"电话督办", "书面督办"},
    "longsheng": {"电话督办", "短信督办", "书面督办", "网络督办", "现场督办"},
    "mengcheng": {"电话督办", "书面督办", "网络督办", "现场督办"},
}


@pytest.mark.clause("GZ-035", "WX-028", "LS-062", "MC-043")
@pytest.mark.parametrize("region", FORMS)
def test_only_the_forms_the_regulation_names(region: str) -> None:
    rules = policy_of(region).supervise
    assert rules is not None
    assert {FORM_NAMES[form] for form in rules.forms} == FORMS[region]
    for form in set(Form) - set(rules.forms):
        with pytest.raises(GuardFailed, match="没有这种督办形式") as refused:
            step(region, ticket_of(region), Supervise("OTHER", "久拖不决", form=form))
        assert refused.value.article == str(rules.forms_basis)
    for form in rules.forms:
        step(region, ticket_of(region), Supervise("OTHER", "久拖不决", form=form))


def step(
    region: str, ticket: Ticket, detail: object, actor: Actor = SUPERVISOR, at: object = MONDAY
) -> tuple[Ticket, tuple[Fact, ...]]:
    rules = rules_of(region)
    return advance(ticket, Command(actor, detail), rules.policies[-1], rules.calendar, at)  # type: ignore[arg-type]


def test_a_supervised_unit_has_to_answer_within_the_limit() -> None:
    """Three working days from a Monday morning end on Thursday; the answer meets the limit, ending it frees it."""
    after, _ = step("ganzhou", ticket_of("ganzhou"), Supervise("OTHER", "久拖不决"))
    due = after.due(DeadlineKind.SUPERVISION)
    assert due is not None
    assert due.deadline.due_at == local(2026, 6, 4, 23, 59, 59)
    assert standing(after, reminded=True) == "supervised"
    answered, _ = step("ganzhou", after, AnswerSupervision("OTHER", "已组织抢修"), WATER_MAN)
    assert answered.due(DeadlineKind.SUPERVISION) is None
    assert answered.supervising == {"OTHER"}
    ended, told = step("ganzhou", answered, EndSupervision("OTHER", "已修复"))
    assert (ended.supervising, ended.supervisions, type(told[0]).__name__) == (frozenset(), 1, "SupervisionEnded")


def test_a_ticket_without_a_unit_is_supervised_but_nobody_owes_an_answer() -> None:
    waiting = ticket_of("mengcheng", state=State.AWAITING_DISPATCH, lead_unit=None)
    after, _ = step("mengcheng", waiting, Supervise("DUTY_UNCLEAR", "职责不清"), SYSTEM)
    assert after.supervising == {"DUTY_UNCLEAR"}
    assert after.due(DeadlineKind.SUPERVISION) is None


@pytest.mark.parametrize(
    ("detail", "says"),
    [
        (Supervise("NOPE", "理由"), "没有「NOPE」"),
        (Supervise("OTHER", "理由", unit=UnitId("forest")), "没有承办"),
        (Supervise("OTHER", "理由", joint=("县委",)), "不是联合督办的单位"),
        (AnswerSupervision("OTHER", "已办"), "已经结束"),
        (EndSupervision("OTHER", "已办"), "已经结束"),
        (Warn(Card.RED, "逾期"), "没有预警和警告牌"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(detail: object, says: str) -> None:
    actor = WATER_MAN if isinstance(detail, AnswerSupervision) else SUPERVISOR
    with pytest.raises(GuardFailed, match=says):
        step("ganzhou", ticket_of("ganzhou"), detail, actor)


def test_the_same_reason_is_not_opened_twice_at_once() -> None:
    after, _ = step("ganzhou", ticket_of("ganzhou"), Supervise("OTHER", "久拖不决"))
    with pytest.raises(GuardFailed, match="已在督办中"):
        step("ganzhou", after, Supervise("OTHER", "再次"))


@pytest.mark.parametrize("actor", [AGENT, WATER_MAN, ROADS_MAN, Actor("user", "x", frozenset({Role.DISPATCHER}))])
def test_only_a_supervisor_supervises(actor: Actor) -> None:
    with pytest.raises(NotYours):
        step("ganzhou", ticket_of("ganzhou"), Supervise("OTHER", "久拖不决"), actor)


@pytest.mark.clause("GZ-071")
def test_the_department_in_charge_may_lead_where_the_regulation_says_so() -> None:
    asked = Supervise("OTHER", "热点难点", delegated_to=UnitId("housing"))
    step("ganzhou", ticket_of("ganzhou"), asked)
    with pytest.raises(GuardFailed, match="没有由主管部门牵头督办"):
        step("weixi", ticket_of("weixi"), asked)


@pytest.mark.clause("MC-044")
def test_bodies_supervise_together_where_the_regulation_names_them() -> None:
    asked = Supervise("OTHER", "多次交办", joint=("县绩效评价中心", "县效能办"))
    step("mengcheng", ticket_of("mengcheng"), asked)
    with pytest.raises(GuardFailed, match="不是联合督办的单位"):
        step("ganzhou", ticket_of("ganzhou"), asked)


@pytest.mark.clause("LS-087")
def test_cards_of_three_levels_and_the_gravest_stays() -> None:
    after, _ = step("longsheng", ticket_of("longsheng"), Warn(Card.YELLOW, "逾期一天"))
    assert standing(after, reminded=False) == "yellow"
    after, _ = step("longsheng", after, Warn(Card.SMS, "提醒"))
    assert after.card == "yellow"
    after, _ = step("longsheng", after, Warn(Card.RED, "逾期三天"))
    assert standing(after, reminded=False) == "red"
    with pytest.raises(GuardFailed, match="原因"):
        step("longsheng", after, Warn(Card.RED, " "))


def test_a_policy_without_the_section_supervises_nobody() -> None:
    policy = replace(load_policies("ganzhou")[-1], supervise=None)
    assert triggers_of(policy.supervise, OVERDUE, PLAIN) == ()
    rules = rules_of("ganzhou")
    with pytest.raises(GuardFailed, match="没有督办"):
        advance(ticket_of("ganzhou"), Command(SUPERVISOR, Supervise("OTHER", "x")), policy, rules.calendar, MONDAY)


def test_an_answer_after_the_limit_is_still_taken() -> None:
    after, _ = step("ganzhou", ticket_of("ganzhou"), Supervise("OTHER", "久拖不决"))
    late, _ = step("ganzhou", after, AnswerSupervision("OTHER", "已办"), WATER_MAN, MONDAY + timedelta(days=9))
    assert late.due(DeadlineKind.SUPERVISION) is None
