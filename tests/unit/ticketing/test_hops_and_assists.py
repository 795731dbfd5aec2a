"""Two hops through the competent authority, and the part of assisting units."""

from dataclasses import replace
from datetime import timedelta

import pytest

from callcenter.types import UnitId
from tests.support.dispatching import (
    HOUSING,
    HOUSING_MAN,
    ROADS,
    ROADS_MAN,
    back,
    order,
    registered,
    signed,
    step,
    take,
    unit,
)
from tests.support.regions import policy_of
from tests.support.tickets import DISPATCHER, MONDAY, WATER, WATER_MAN, local
from ticketing import commands
from ticketing.clocks import DeadlineKind, parse_period
from ticketing.dispatch.assists import (
    AssistRefused,
    GiveOpinion,
    OpinionGiven,
    Order,
    ReportProgress,
    SignAssist,
    awaited,
)
from ticketing.dispatch.dispatching import Known, check
from ticketing.dispatch.hops import ForwardDown, HandBack
from ticketing.dispatch.rules import DispatchRules
from ticketing.dispatch.units import Unit, UnitKind
from ticketing.policy import StatutoryLimit
from ticketing.record import GuardFailed, NotYours, Ticket
from ticketing.words import State

HOUR = timedelta(hours=1)
HANDLE, RETURN, SIGN, PROGRESS = DeadlineKind.HANDLE, DeadlineKind.RETURN, DeadlineKind.SIGN, DeadlineKind.PROGRESS


def rules(region: str) -> DispatchRules:
    found = policy_of(region).dispatching
    assert found is not None
    return found


def known(*units: Unit, **more: object) -> Known:
    return replace(Known({one.id: one for one in units}), **more)  # type: ignore[arg-type]


# ---- two hops (trap 10) ------------------------------------------------------------------------------------------

DOWN = ForwardDown(WATER, "请立即抢修并回复诉求人")


def to_housing(region: str = "longsheng") -> Ticket:
    ticket = take(region, registered(region), order(HOUSING), DISPATCHER, MONDAY)
    return take(region, ticket, commands.Sign(), HOUSING_MAN, MONDAY + HOUR)


@pytest.mark.clause("LS-090")
def test_a_company_gets_its_tickets_from_the_department_above_it() -> None:
    company = unit(WATER, UnitKind.ENTERPRISE, parent=HOUSING)
    with pytest.raises(GuardFailed, match="由其主管部门转派") as refused:
        check(registered("longsheng"), order(), known(company), policy_of("longsheng"))
    assert refused.value.article == "第二十五条(一)"
    check(registered("weixi"), order(), known(company), policy_of("weixi"))


@pytest.mark.clause("LS-090", "LS-022")
def test_one_handling_limit_runs_over_both_hops_and_the_department_stays_answerable() -> None:
    first = to_housing()
    second = take("longsheng", first, DOWN, HOUSING_MAN, MONDAY + 2 * HOUR)
    assert (second.state, second.lead_unit, second.authority) == (State.DISPATCHED, WATER, HOUSING)
    assert second.due(HANDLE) == first.due(HANDLE)
    assert second.due(RETURN) == first.due(RETURN)
    sign = second.due(SIGN)
    assert sign is not None
    assert sign.deadline.from_at == MONDAY + 2 * HOUR
    worked = take("longsheng", second, commands.Sign(), WATER_MAN, MONDAY + 3 * HOUR)
    assert (worked.due(HANDLE), worked.due(RETURN)) == (first.due(HANDLE), first.due(RETURN))


@pytest.mark.clause("LS-090")
def test_what_the_company_cannot_do_goes_one_hop_back_and_from_there_to_the_hotline() -> None:
    first = to_housing()
    second = take("longsheng", first, DOWN, HOUSING_MAN, MONDAY + 2 * HOUR)
    worked = take("longsheng", second, commands.Sign(), WATER_MAN, MONDAY + 3 * HOUR)
    with pytest.raises(GuardFailed, match="请先退回主管部门"):
        take("longsheng", worked, back(), WATER_MAN, MONDAY + 3 * HOUR)
    handed = take("longsheng", worked, HandBack("管网不在我司范围"), WATER_MAN, MONDAY + 4 * HOUR)
    assert (handed.state, handed.lead_unit, handed.authority) == (State.SIGNED, HOUSING, None)
    assert (handed.due(HANDLE), handed.due(RETURN), handed.due(SIGN)) == (first.due(HANDLE), first.due(RETURN), None)
    assert take("longsheng", handed, back(), HOUSING_MAN, MONDAY + 5 * HOUR).return_open
    with pytest.raises(GuardFailed, match="已超过申请退单的期限"):
        take("longsheng", handed, back(), HOUSING_MAN, local(2026, 6, 3, 0, 0))


@pytest.mark.clause("LS-022")
@pytest.mark.parametrize(
    ("detail", "says"),
    [
        (replace(DOWN, unit=HOUSING), "下属单位"),
        (replace(DOWN, unit=UnitId(" ")), "下属单位"),
        (replace(DOWN, instruction=""), "具体办理要求"),
    ],
)
def test_passing_down_needs_another_unit_and_an_instruction(detail: ForwardDown, says: str) -> None:
    with pytest.raises(GuardFailed, match=says):
        take("longsheng", to_housing(), detail, HOUSING_MAN, MONDAY + HOUR)


def test_a_ticket_is_passed_down_once_by_its_own_unit_with_nothing_under_review() -> None:
    second = take("longsheng", to_housing(), DOWN, HOUSING_MAN, MONDAY + HOUR)
    third = take("longsheng", second, commands.Sign(), WATER_MAN, MONDAY + HOUR)
    with pytest.raises(GuardFailed, match="转派过一次"):
        take("longsheng", third, replace(DOWN, unit=ROADS), WATER_MAN, MONDAY + HOUR)
    with pytest.raises(NotYours):
        take("longsheng", to_housing(), DOWN, ROADS_MAN, MONDAY + HOUR)
    with pytest.raises(GuardFailed, match="正在审核"):
        take("longsheng", replace(to_housing(), return_open=True), DOWN, HOUSING_MAN, MONDAY + HOUR)
    with pytest.raises(GuardFailed, match="不是由主管部门转派"):
        take("longsheng", to_housing(), HandBack("不归我管"), HOUSING_MAN, MONDAY + HOUR)


# ---- assists -----------------------------------------------------------------------------------------------------


def with_assist(region: str = "longsheng") -> Ticket:
    ticket = take(region, registered(region), order(WATER, assists=(ROADS,)), DISPATCHER, MONDAY)
    return take(region, ticket, commands.Sign(), WATER_MAN, MONDAY)


@pytest.mark.clause("LS-019", "GZ-012", "MC-024")
def test_an_assist_signs_and_gives_its_opinion_to_the_lead_and_the_hotline() -> None:
    after, _ = step("longsheng", with_assist(), SignAssist(), ROADS_MAN, MONDAY + HOUR)
    _, told = step("longsheng", after, GiveOpinion("路面可以开挖"), ROADS_MAN, MONDAY + 2 * HOUR)
    assert [(type(fact), fact.unit, fact.lead) for fact in told if isinstance(fact, OpinionGiven)] == [
        (OpinionGiven, ROADS, WATER)
    ]
    with pytest.raises(NotYours):
        take("longsheng", after, GiveOpinion("我也说说"), WATER_MAN, MONDAY + HOUR)
    with pytest.raises(GuardFailed, match="反馈给主办单位和热线"):
        take("longsheng", after, GiveOpinion(" "), ROADS_MAN, MONDAY + HOUR)


@pytest.mark.clause("GZ-044")
def test_an_assist_that_will_not_take_part_is_a_fact_to_supervise() -> None:
    _, told = step("ganzhou", with_assist("ganzhou"), GiveOpinion("与我单位无关", refused=True), ROADS_MAN, MONDAY)
    assert [fact.unit for fact in told if isinstance(fact, AssistRefused)] == [ROADS]


@pytest.mark.clause("MC-024", "LS-019")
def test_the_lead_waits_for_opinions_that_are_neither_in_nor_overdue() -> None:
    due = MONDAY + 2 * HOUR
    waiting = Order(ROADS, due, MONDAY)
    done = Order(HOUSING, due, MONDAY, opinion_at=MONDAY + HOUR, opinion="同意")
    assert awaited((waiting, done), due) == (ROADS,)
    assert awaited((waiting, done), due + timedelta(seconds=1)) == ()
    assert rules("longsheng").assist is not None


@pytest.mark.clause("MC-031")
def test_under_another_laws_limit_the_unit_reports_how_far_it_is() -> None:
    statutory = StatutoryLimit(parse_period("60wd"), "行政处罚法第六十条", "县热线办")
    ticket = take("mengcheng", registered("mengcheng"), order(statutory=statutory), DISPATCHER, MONDAY)
    first = ticket.due(PROGRESS)
    assert first is not None
    assert first.deadline.due_at == local(2026, 6, 15, 23, 59, 59)
    worked = take("mengcheng", ticket, commands.Sign(), WATER_MAN, MONDAY)
    later = local(2026, 6, 12, 10, 0)
    with pytest.raises(GuardFailed, match="办理进展"):
        take("mengcheng", worked, ReportProgress(" "), WATER_MAN, later)
    told = take("mengcheng", worked, ReportProgress("已立案，正在调查取证"), WATER_MAN, later)
    again = told.due(PROGRESS)
    assert again is not None
    assert (again.deadline.from_at, again.deadline.amount) == (later, 10)
    assert told.due(HANDLE) == worked.due(HANDLE)
    with pytest.raises(GuardFailed, match="不需要反馈进度"):
        take("mengcheng", signed("mengcheng"), ReportProgress("在办"), WATER_MAN, MONDAY)
