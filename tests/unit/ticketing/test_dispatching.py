"""Dispatching by the five regulations: leads, instructions, bases, handlers, the accused, townships, hops, assists."""

from dataclasses import replace
from datetime import timedelta

import pytest

from callcenter.types import UnitId
from tests.support.dispatching import (
    HOUSING,
    ROADS,
    TOWN,
    dispatched,
    order,
    person,
    registered,
    signed,
    take,
    unit,
)
from tests.support.regions import REGIONS, policy_of
from tests.support.tickets import AGENT, DISPATCHER, MONDAY, SUPERVISOR, WATER, WATER_MAN, local
from ticketing import commands
from ticketing.clocks import DeadlineKind
from ticketing.commands import AddAssist, Changes
from ticketing.dispatch.asking import way_of
from ticketing.dispatch.catalogue import DutyOf, Entry, goes_first, queue_key
from ticketing.dispatch.dispatching import Known, Ruling, basis_for, check, not_by_the_accused, warned
from ticketing.dispatch.rules import DispatchRules, Missing
from ticketing.dispatch.units import Post, Unit, UnitKind
from ticketing.record import GuardFailed, NotNow, NotYours
from ticketing.ticket import TRANSITIONS
from ticketing.transition import DISPATCHERS
from ticketing.words import Event, Flag, State

HOUR = timedelta(hours=1)
HANDLE, RETURN, SIGN, PROGRESS = DeadlineKind.HANDLE, DeadlineKind.RETURN, DeadlineKind.SIGN, DeadlineKind.PROGRESS


def rules(region: str) -> DispatchRules:
    found = policy_of(region).dispatching
    assert found is not None
    return found


def known(*units: Unit, **more: object) -> Known:
    return replace(Known({one.id: one for one in units}), **more)  # type: ignore[arg-type]


# ---- one lead ----------------------------------------------------------------------------------------------------


@pytest.mark.clause("GZ-033", "GZ-012", "GZ-017", "LS-079", "LS-080", "MC-024")
@pytest.mark.parametrize("region", REGIONS)
def test_a_dispatch_has_exactly_one_lead_and_every_unit_once(region: str) -> None:
    ticket = registered(region)
    for wrong in (order(UnitId("")), order(WATER, assists=(WATER,)), order(WATER, assists=(ROADS, ROADS))):
        with pytest.raises(GuardFailed):
            take(region, ticket, wrong, DISPATCHER, MONDAY)
    both = take(region, ticket, order(WATER, assists=(ROADS, HOUSING)), DISPATCHER, MONDAY)
    assert (both.lead_unit, both.assist_units) == (WATER, (ROADS, HOUSING))


@pytest.mark.clause("GZ-017", "LS-080", "SQ-039")
def test_only_the_hotline_names_the_lead_and_adds_assists() -> None:
    for (_, event), row in TRANSITIONS.items():
        if event in (Event.DISPATCH, Event.ADD_ASSIST):
            assert row.roles == DISPATCHERS
            assert not row.system
    with pytest.raises(NotYours):
        take("longsheng", signed("longsheng"), AddAssist(ROADS, "需要挖路"), WATER_MAN, MONDAY)
    assert take("longsheng", signed("longsheng"), AddAssist(ROADS, "需要挖路"), DISPATCHER, MONDAY).assist_units == (
        ROADS,
    )


@pytest.mark.clause("GZ-017", "LS-079")
def test_only_the_lead_replies() -> None:
    replies = {row.by.value for (_, event), row in TRANSITIONS.items() if event is Event.REPLY}
    assert replies == {"lead"}


# ---- instruction, basis, handlers --------------------------------------------------------------------------------


@pytest.mark.clause("MC-016")
def test_a_dispatch_says_what_is_to_be_done_where_the_regulation_asks_for_it() -> None:
    with pytest.raises(GuardFailed, match="具体办理要求") as refused:
        take("mengcheng", registered("mengcheng"), order(instruction=" "), DISPATCHER, MONDAY)
    assert refused.value.article == "第十条(三)"
    assert take("longsheng", registered("longsheng"), order(instruction=""), DISPATCHER, MONDAY).lead_unit == WATER


@pytest.mark.clause("LS-026")
def test_a_dispatch_cites_the_duty_list_or_the_catalogue_does() -> None:
    ticket, detail = registered("longsheng"), order(HOUSING, basis="")
    bare = unit(HOUSING)
    with pytest.raises(GuardFailed, match="三定"):
        check(ticket, detail, known(bare), policy_of("longsheng"))
    entry = Entry("P-1", "", ("停水",), HOUSING, "县住建局三定方案")
    check(ticket, detail, known(bare, entries=(entry,)), policy_of("longsheng"))
    assert basis_for(detail, bare, known(bare, entries=(entry,))) == "派单目录P-1：县住建局三定方案"
    check(ticket, order(HOUSING), known(bare), policy_of("longsheng"))
    check(ticket, detail, known(bare), policy_of("weixi"))


@pytest.mark.clause("MC-003")
def test_a_unit_without_a_handler_gets_nothing_where_one_is_prescribed() -> None:
    empty = unit(people=(person("张局长", Post.PRINCIPAL),))
    with pytest.raises(GuardFailed, match="没有登记具办人员") as refused:
        check(registered("mengcheng"), order(), known(empty), policy_of("mengcheng"))
    assert refused.value.article == "第五条(二)"
    check(registered("mengcheng"), order(), known(unit()), policy_of("mengcheng"))


@pytest.mark.clause("GZ-014")
def test_elsewhere_a_unit_without_a_handler_is_a_warning() -> None:
    empty, detail = unit(people=()), order(WATER, assists=(ROADS,))
    check(registered("ganzhou"), detail, known(empty, unit(ROADS)), policy_of("ganzhou"))
    assert warned(detail, known(empty, unit(ROADS)), rules("ganzhou")) == (WATER,)
    assert warned(detail, known(empty), rules("mengcheng")) == ()
    assert rules("mengcheng").handlers is not None
    assert [rules(r).handlers.missing for r in REGIONS].count(Missing.BLOCK) == 1  # type: ignore[union-attr]


@pytest.mark.clause("MC-003", "GZ-018")
def test_a_unit_knows_its_principal_its_deputy_and_its_handlers() -> None:
    people = (person("张局长", Post.PRINCIPAL), person("李副局长", Post.DEPUTY), person("王五"), person("赵六"))
    whole = unit(people=people)
    assert whole.principal == "张局长"
    assert [one.name for one in whole.of(Post.DEPUTY)] == ["李副局长"]
    assert [one.name for one in whole.handlers] == ["王五", "赵六"]


def test_a_unit_that_is_closed_gets_nothing() -> None:
    with pytest.raises(GuardFailed, match="已停用"):
        check(registered("weixi"), order(), known(unit(active=False)), policy_of("weixi"))


# ---- the accused -------------------------------------------------------------------------------------------------


@pytest.mark.clause("LS-003")
def test_a_request_about_a_person_does_not_go_to_that_person() -> None:
    ticket = replace(registered("longsheng"), accused="窗口工作人员 王五", flags=frozenset({Flag.STAFF}))
    with pytest.raises(GuardFailed, match="不能派给被反映人") as refused:
        check(ticket, order(), known(unit()), policy_of("longsheng"))
    assert refused.value.article.startswith("第三条")
    check(ticket, order(), known(unit(people=(person("王五"), person("赵六")))), policy_of("longsheng"))
    with pytest.raises(GuardFailed, match="不能派给被反映人"):
        check(ticket, order(ROADS, assists=(WATER,)), known(unit(), unit(ROADS, people=())), policy_of("longsheng"))


@pytest.mark.clause("LS-003")
def test_the_accused_neither_signs_nor_works_it() -> None:
    ticket = replace(registered("longsheng"), accused="王五")
    with pytest.raises(GuardFailed, match="您是本工单的被反映人"):
        not_by_the_accused(ticket, frozenset({"王 五"}), policy_of("longsheng"))
    not_by_the_accused(ticket, frozenset({"赵六", "五"}), policy_of("longsheng"))


# ---- townships, returns, rulings ---------------------------------------------------------------------------------

DUTY = Entry("P-WATER", "04.01", ("停水",), HOUSING, "县住建局三定方案", DutyOf.DEPARTMENT)


@pytest.mark.parametrize("region", REGIONS)
def test_a_departments_duty_goes_to_a_township_only_with_a_written_reason(region: str) -> None:
    ticket, town = registered(region), unit(TOWN, UnitKind.TOWNSHIP)
    for entries in ((DUTY,), (replace(DUTY, keywords=("停电",)), DUTY)):
        with pytest.raises(GuardFailed, match="属于部门职责"):
            check(ticket, order(TOWN), known(town, entries=entries), policy_of(region))
    check(ticket, order(TOWN, reason="村内自建水站，属地管理"), known(town, entries=(DUTY,)), policy_of(region))
    shared = replace(DUTY, duty_of=DutyOf.SHARED)
    check(ticket, order(TOWN), known(town, entries=(shared,)), policy_of(region))
    check(ticket, order(HOUSING), known(unit(HOUSING), entries=(DUTY,)), policy_of(region))


def test_a_unit_gets_back_what_it_returned_only_with_a_reason() -> None:
    before = known(unit(), returned_by=frozenset({WATER}))
    with pytest.raises(GuardFailed, match="已退回过本工单"):
        check(registered("weixi"), order(), before, policy_of("weixi"))
    check(registered("weixi"), order(reason="经核实确属其职责"), before, policy_of("weixi"))
    ruled = replace(before, ruling=Ruling(WATER, ()))
    check(registered("weixi"), order(), ruled, policy_of("weixi"))


@pytest.mark.clause("LS-081", "SQ-039")
def test_after_a_ruling_it_goes_where_the_ruling_says() -> None:
    with pytest.raises(GuardFailed, match="须按裁定派单"):
        check(registered("suqian"), order(), known(unit(), ruling=Ruling(ROADS, ())), policy_of("suqian"))


# ---- priority, ways, round the clock ------------------------------------------------------------------------------


@pytest.mark.clause("WX-008")
def test_enforcement_cases_complaints_and_urgent_tickets_go_first() -> None:
    plain = registered("weixi", request_type="求助")
    complaint, urgent = registered("weixi", request_type="投诉"), registered("weixi", request_type="求助", urgent=True)
    case = replace(plain, flags=frozenset({Flag.ENFORCEMENT}))
    weixi = rules("weixi")
    assert [goes_first(one, weixi) for one in (plain, complaint, urgent, case)] == [False, True, True, True]
    order_of = sorted((plain, complaint, urgent), key=lambda one: queue_key(one, MONDAY, weixi))
    assert order_of == [urgent, complaint, plain]
    assert not goes_first(registered("longsheng", request_type="投诉"), rules("longsheng"))


@pytest.mark.clause("SQ-014")
def test_how_a_request_was_dealt_with_is_one_of_the_ways() -> None:
    ticket = registered("suqian")
    assert way_of(commands.Answer("可以网上办理", "KB-1")) == "直接解答"
    assert way_of(commands.Dispatch(WATER)) == "工单流转"
    three = commands.Answer("已与单位三方通话答复", "KB-1", way="三方通话")
    assert take("suqian", ticket, three, AGENT, MONDAY).state is State.ANSWERED
    for way in ("专席窗口联动", "专项服务通道"):
        refer = commands.Refer("政务服务窗口", "已转接", way=way)
        assert take("suqian", ticket, refer, AGENT, MONDAY).state is State.REFERRED
    with pytest.raises(GuardFailed, match="处办方式"):
        take("suqian", ticket, replace(three, way="飞鸽传书"), AGENT, MONDAY)


@pytest.mark.clause("GZ-009", "GZ-010", "SQ-012")
@pytest.mark.parametrize("region", ["ganzhou", "suqian"])
def test_emergency_lines_utilities_and_other_counties_are_targets_of_a_recorded_referral(region: str) -> None:
    listed = rules(region).referrals
    assert listed is not None
    assert {"110", "119", "120"} <= set(listed.values)
    for target in listed.values:
        referred = take(region, registered(region), commands.Refer(target, "已引导拨打"), AGENT, MONDAY)
        assert (referred.state, target in referred.result) == (State.REFERRED, True)


@pytest.mark.clause("GZ-006", "LS-025", "MC-021")
@pytest.mark.parametrize("region", REGIONS)
@pytest.mark.parametrize("at", [local(2026, 10, 1, 3, 0), local(2026, 6, 7, 23, 59), local(2026, 2, 17, 12, 0)])
def test_requests_are_registered_and_dispatched_at_any_hour_of_any_day(region: str, at: object) -> None:
    assert dispatched(region, at).state is State.DISPATCHED  # type: ignore[arg-type]


@pytest.mark.clause("LS-027", "LS-037")
def test_an_urgent_dispatch_has_its_telephone_notice_with_person_and_time() -> None:
    ticket = registered("longsheng", urgent=True)
    for notice in (None, commands.PhoneNotice(MONDAY, " "), commands.PhoneNotice(MONDAY + HOUR, "值班室")):
        with pytest.raises(GuardFailed, match="电话通知"):
            take("longsheng", ticket, order(phone_notice=notice), DISPATCHER, MONDAY)
    told = order(phone_notice=commands.PhoneNotice(MONDAY, "值班室老李"))
    assert take("longsheng", ticket, told, DISPATCHER, MONDAY).state is State.DISPATCHED


@pytest.mark.clause("LS-038", "LS-039", "LS-037")
def test_an_urgent_ticket_is_signed_in_half_an_hour_and_closed_in_a_day_by_night_too() -> None:
    at = local(2023, 4, 29, 23, 50)
    ticket = dispatched("longsheng", at, order(phone_notice=commands.PhoneNotice(at, "值班室")), urgent=True)
    sign, handle = ticket.due(SIGN), ticket.due(HANDLE)
    assert sign is not None
    assert handle is not None
    assert sign.deadline.due_at == local(2023, 4, 30, 0, 20)
    assert handle.deadline.due_at == local(2023, 4, 30, 23, 50)


@pytest.mark.clause("WX-003", "WX-007")
def test_tickets_handed_down_by_the_province_are_dispatched_like_any_other() -> None:
    ticket = dispatched("weixi", source="省12345热线派发")
    assert (ticket.source, ticket.lead_unit) == ("省12345热线派发", WATER)


@pytest.mark.clause("GZ-022", "GZ-008")
def test_what_is_not_answered_goes_to_a_unit_with_a_limit_and_comes_back_with_an_answer() -> None:
    ticket = registered("ganzhou")
    assert ticket.due(DeadlineKind.DISPATCH) is not None
    assert {Event.ANSWER, Event.DISPATCH, Event.REJECT, Event.REFER} <= {
        event for state, event in TRANSITIONS if state is State.REGISTERED
    }
    assert dispatched("ganzhou").due(HANDLE) is not None
    with pytest.raises(NotNow):
        take("ganzhou", ticket, commands.Close(), SUPERVISOR, MONDAY)


def test_the_changes_a_request_about_staff_needs_can_be_registered() -> None:
    named = registered("longsheng", accused="王五", flags=frozenset({Flag.STAFF}))
    assert (named.accused, Flag.STAFF in named.flags) == ("王五", True)
    assert Changes(accused="王五").given() == {"accused": "王五"}
