"""Returns as the five regulations have them: windows, needs, lapse, outage, refusal cases, and what forbids them."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from tests.support.dispatching import PLATFORM, back, dispatched, order, registered, signed, step, take
from tests.support.regions import policy_of
from tests.support.tickets import DISPATCHER, MONDAY, SYSTEM, WATER, WATER_MAN, local
from ticketing import commands
from ticketing.clocks import DeadlineKind
from ticketing.dispatch import returns
from ticketing.dispatch.disputes import DisputeOpened, OpenDispute, RuleDispute
from ticketing.dispatch.returns import DeemedSigned, DeemSigned, NoteOutage, precheck
from ticketing.policy import Check
from ticketing.record import GuardFailed, NotNow, NotYours, Ticket
from ticketing.ticket import TRANSITIONS, follows
from ticketing.words import Event, State

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)
RETURN, HANDLE = DeadlineKind.RETURN, DeadlineKind.HANDLE
FRIDAY = local(2026, 6, 5, 15, 0)


def window(ticket: Ticket) -> datetime:
    due = ticket.due(RETURN)
    assert due is not None
    return due.deadline.due_at


WINDOWS = [
    # region, urgent, asked from which state, the window's end when dispatched and signed on a Friday at 15:00
    pytest.param("ganzhou", False, "dispatched", local(2026, 6, 8, 23, 59, 59), marks=pytest.mark.clause("GZ-029")),
    pytest.param("weixi", False, "signed", local(2026, 6, 6, 15, 0), marks=pytest.mark.clause("WX-012")),
    pytest.param("longsheng", False, "signed", local(2026, 6, 8, 23, 59, 59), marks=pytest.mark.clause("LS-043")),
    pytest.param("longsheng", True, "signed", local(2026, 6, 5, 15, 30), marks=pytest.mark.clause("LS-044", "LS-037")),
    pytest.param("suqian", False, "dispatched", local(2026, 6, 6, 3, 0), marks=pytest.mark.clause("SQ-020")),
    pytest.param("mengcheng", False, "dispatched", local(2026, 6, 8, 23, 59, 59), marks=pytest.mark.clause("MC-026")),
]


@pytest.mark.parametrize(("region", "urgent", "from_state", "ends"), WINDOWS)
def test_a_return_is_asked_for_inside_its_window_and_not_a_second_later(
    region: str, urgent: bool, from_state: str, ends: datetime
) -> None:
    notice = commands.PhoneNotice(FRIDAY, "值班室") if urgent else None
    ticket = dispatched(region, FRIDAY, order(phone_notice=notice), urgent=urgent)
    if from_state == "signed":
        with pytest.raises(GuardFailed, match="请先签收"):
            take(region, ticket, back(), WATER_MAN, FRIDAY)
        ticket = take(region, ticket, commands.Sign(), WATER_MAN, FRIDAY)
    assert window(ticket) == ends
    assert take(region, ticket, back(), WATER_MAN, ends).return_open
    with pytest.raises(GuardFailed, match="已超过申请退单的期限") as refused:
        take(region, ticket, back(), WATER_MAN, ends + SECOND)
    assert refused.value.article.startswith("第")


NEEDS = [
    # region, what is left out, what the refusal names
    pytest.param("ganzhou", {"legal_basis": ""}, "法律法规或政策依据", marks=pytest.mark.clause("GZ-031")),
    pytest.param("ganzhou", {"suggestion": " "}, "办理建议", marks=pytest.mark.clause("GZ-031")),
    pytest.param("longsheng", {"legal_basis": ""}, "法律法规或政策依据", marks=pytest.mark.clause("LS-045", "LS-048")),
    pytest.param("longsheng", {"reason": ""}, "理由", marks=pytest.mark.clause("LS-045")),
    pytest.param("suqian", {"suggestion": ""}, "办理建议", marks=pytest.mark.clause("SQ-020")),
    pytest.param("mengcheng", {"legal_basis": ""}, "归属单位", marks=pytest.mark.clause("MC-026")),
    pytest.param("mengcheng", {"nothing_ours": False}, "均不属于本单位职责", marks=pytest.mark.clause("MC-024")),
    pytest.param("weixi", {"reason": ""}, "理由", marks=pytest.mark.clause("WX-012")),
]


@pytest.mark.parametrize(("region", "left_out", "says"), NEEDS)
def test_a_return_brings_what_the_regulation_asks_for(region: str, left_out: dict[str, object], says: str) -> None:
    ticket = signed(region)
    with pytest.raises(GuardFailed, match=says):
        take(region, ticket, back(**left_out), WATER_MAN, MONDAY)


@pytest.mark.clause("MC-026")
def test_naming_the_proper_unit_stands_for_the_legal_basis() -> None:
    named = back(legal_basis="", proper_unit="县交通运输局")
    assert take("mengcheng", dispatched("mengcheng"), named, WATER_MAN, MONDAY).return_open


# ---- lapse (trap 29) ---------------------------------------------------------------------------------------------


@pytest.mark.clause("MC-027")
def test_an_unreturned_ticket_is_signed_by_the_system_when_the_window_has_passed() -> None:
    ticket = dispatched("mengcheng", FRIDAY)
    end = window(ticket)
    with pytest.raises(GuardFailed, match="期限未满"):
        take("mengcheng", ticket, DeemSigned(), SYSTEM, end)
    after, told = step("mengcheng", ticket, DeemSigned(), SYSTEM, end + SECOND)
    assert (after.state, after.signed_at, after.due(DeadlineKind.SIGN)) == (State.SIGNED, end + SECOND, None)
    assert [type(fact) for fact in told] == [DeemedSigned]
    with pytest.raises(GuardFailed, match="视同已接收"):
        take("mengcheng", after, back(), WATER_MAN, end + HOUR)
    with pytest.raises(NotYours):
        take("mengcheng", ticket, DeemSigned(), WATER_MAN, end + SECOND)


@pytest.mark.clause("MC-027")
def test_a_return_refused_after_the_window_leaves_the_ticket_signed() -> None:
    asked = take("mengcheng", dispatched("mengcheng", FRIDAY), back(), WATER_MAN, FRIDAY)
    late = window(asked) + HOUR
    assert returns.lapsed(asked, RETURN, 0, policy_of("mengcheng")) is None
    refusal = commands.RefuseReturn("own_duty", "属于你单位职责")
    refused = take("mengcheng", asked, refusal, DISPATCHER, late)
    assert follows(refused, refusal, policy_of("mengcheng")) == DeemSigned()


@pytest.mark.parametrize("region", ["ganzhou", "weixi", "longsheng", "suqian"])
def test_elsewhere_silence_signs_nothing(region: str) -> None:
    ticket = dispatched(region, FRIDAY)
    with pytest.raises(GuardFailed, match="没有逾期视同签收"):
        take(region, ticket, DeemSigned(), SYSTEM, FRIDAY + timedelta(days=9))


# ---- outage (trap 14) --------------------------------------------------------------------------------------------

OUTAGE = NoteOutage(FRIDAY + HOUR, FRIDAY + 5 * HOUR, "外网断网", "运营商故障单 20260605-11")


@pytest.mark.clause("GZ-030")
def test_an_outage_gives_one_more_working_day_for_the_return_and_none_for_the_handling() -> None:
    ticket = dispatched("ganzhou", FRIDAY)
    handle = ticket.due(HANDLE)
    longer = take("ganzhou", ticket, OUTAGE, WATER_MAN, FRIDAY + 6 * HOUR)
    assert window(longer) == local(2026, 6, 9, 23, 59, 59)
    assert longer.due(HANDLE) == handle
    assert take("ganzhou", longer, back(), WATER_MAN, window(longer)).return_open
    with pytest.raises(GuardFailed, match="只能顺延1次"):
        take("ganzhou", longer, OUTAGE, WATER_MAN, FRIDAY + 7 * HOUR)


@pytest.mark.clause("GZ-030")
@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"cause": " "}, "客观原因"),
        ({"evidence": ""}, "证明材料"),
        ({"until_at": FRIDAY}, "起止时间"),
        ({"from_at": FRIDAY - 9 * HOUR, "until_at": FRIDAY - HOUR}, "不在本工单的退单期限之内"),
    ],
)
def test_an_outage_needs_a_cause_evidence_and_the_window(changed: dict[str, object], says: str) -> None:
    noted = replace(OUTAGE, **changed)  # type: ignore[arg-type]
    with pytest.raises(GuardFailed, match=says):
        take("ganzhou", dispatched("ganzhou", FRIDAY), noted, WATER_MAN, FRIDAY + 6 * HOUR)


def test_the_outage_may_be_noted_when_the_line_is_back_but_not_after_the_longer_window() -> None:
    ticket = dispatched("ganzhou", FRIDAY)
    assert window(take("ganzhou", ticket, OUTAGE, WATER_MAN, window(ticket) + HOUR)) > window(ticket)
    with pytest.raises(GuardFailed, match="也已经过去"):
        take("ganzhou", ticket, OUTAGE, WATER_MAN, window(ticket) + timedelta(days=2))


@pytest.mark.parametrize("region", ["weixi", "longsheng", "suqian", "mengcheng"])
def test_elsewhere_an_outage_extends_nothing(region: str) -> None:
    with pytest.raises(GuardFailed, match="没有因网络"):
        take(region, signed(region, FRIDAY), OUTAGE, WATER_MAN, FRIDAY + 6 * HOUR)


# ---- what forbids a return (traps 5, 6) --------------------------------------------------------------------------

ASKS = commands.AskExtension(1, "配件未到", MONDAY)


@pytest.mark.clause("LS-053")
def test_after_an_extension_was_asked_for_nothing_is_returned_whatever_became_of_it() -> None:
    asked = take("longsheng", signed("longsheng"), ASKS, WATER_MAN, MONDAY)
    refused = take("longsheng", asked, commands.RefuseExtension("理由不足"), DISPATCHER, MONDAY)
    granted = take("longsheng", asked, commands.GrantExtension(1), DISPATCHER, MONDAY)
    for ticket in (asked, refused, granted):
        with pytest.raises(GuardFailed, match="已提出延期申请"):
            take("longsheng", ticket, back(), WATER_MAN, MONDAY)


@pytest.mark.clause("LS-053")
def test_there_is_no_way_for_a_unit_to_take_its_extension_request_back() -> None:
    units = {event for (_, event), row in TRANSITIONS.items() if any(role.value == "unit" for role in row.roles)}
    assert Event.REFUSE_EXTENSION not in units
    assert not {event for event in Event if "withdraw" in event.value and "extension" in event.value}


SEVEN = ("duty_fixed", "no_basis", "minor_flaw", "workable_facts", "clue_given", "kb_cannot_answer")
FOUND = [
    # code, the ticket, the request, knowledge uploaded, whether it applies
    pytest.param("no_basis", {}, back(legal_basis=""), None, True, marks=pytest.mark.clause("LS-048")),
    pytest.param("no_basis", {}, back(), None, False, marks=pytest.mark.clause("LS-048")),
    pytest.param("extension_requested", {"extensions": 1}, back(), None, True, marks=pytest.mark.clause("LS-053")),
    pytest.param("extension_requested", {}, back(), None, False, marks=pytest.mark.clause("LS-053")),
    pytest.param("duty_fixed", {"ruled": True}, back(), None, True, marks=pytest.mark.clause("LS-047")),
    pytest.param("duty_fixed", {}, back(), None, None, marks=pytest.mark.clause("LS-047")),
    pytest.param("kb_cannot_answer", {}, back(), MONDAY + HOUR, True, marks=pytest.mark.clause("LS-052")),
    pytest.param("kb_cannot_answer", {}, back(), MONDAY - HOUR, None, marks=pytest.mark.clause("LS-052")),
    pytest.param("minor_flaw", {}, back(), None, None, marks=pytest.mark.clause("LS-049")),
    pytest.param("workable_facts", {}, back(), None, None, marks=pytest.mark.clause("LS-050")),
    pytest.param("clue_given", {}, back(), None, None, marks=pytest.mark.clause("LS-051")),
]


@pytest.mark.parametrize(("code", "changed", "asked", "uploaded", "applies"), FOUND)
def test_the_seven_cases_are_looked_at_and_four_of_them_by_the_system(
    code: str, changed: dict[str, object], asked: commands.AskReturn, uploaded: datetime | None, applies: bool | None
) -> None:
    ticket = replace(signed("longsheng"), **changed)  # type: ignore[arg-type]
    found = {one.code: one for one in precheck(ticket, asked, policy_of("longsheng"), uploaded)}
    assert set(found) == {*SEVEN, "extension_requested"}
    assert found[code].applies is applies
    assert found[code].why
    assert sum(one.check is not Check.HUMAN for one in found.values()) == 4


@pytest.mark.clause("LS-046")
@pytest.mark.parametrize("code", [*SEVEN, "extension_requested"])
def test_a_refused_return_goes_back_to_the_same_unit_and_no_clock_starts_again(code: str) -> None:
    before = signed("longsheng")
    asked = take("longsheng", before, back(), WATER_MAN, MONDAY + HOUR)
    refused = take("longsheng", asked, commands.RefuseReturn(code), DISPATCHER, MONDAY + 2 * HOUR)
    assert (refused.lead_unit, refused.state, refused.return_open) == (WATER, State.SIGNED, False)
    assert refused.dues == before.dues
    with pytest.raises(GuardFailed, match="须选定一种情形"):
        take("longsheng", asked, commands.RefuseReturn("weather"), DISPATCHER, MONDAY)


# ---- granted: a fresh start for the next unit (trap 26), disputes -------------------------------------------------


@pytest.mark.clause("SQ-020")
def test_the_next_unit_gets_clocks_of_its_own() -> None:
    asked_at, granted_at, again_at = MONDAY + 11 * HOUR, MONDAY + 12 * HOUR, MONDAY + 13 * HOUR
    asked = take("suqian", dispatched("suqian"), back(), WATER_MAN, asked_at)
    returned = take("suqian", asked, commands.GrantReturn(), DISPATCHER, granted_at)
    assert (returned.state, returned.returns, returned.lead_unit, returned.due(HANDLE)) == (
        State.AWAITING_DISPATCH,
        1,
        None,
        None,
    )
    again = take("suqian", returned, order(WATER), DISPATCHER, again_at)
    due = again.due(HANDLE)
    assert due is not None
    assert (due.deadline.from_at, window(again)) == (again_at, again_at + 12 * HOUR)


@pytest.mark.clause("SQ-039", "GZ-034", "LS-081", "MC-038")
@pytest.mark.parametrize("region", ["ganzhou", "longsheng", "suqian", "mengcheng", "weixi"])
def test_the_second_return_opens_a_dispute_by_itself_and_nothing_is_dispatched_meanwhile(region: str) -> None:
    asked = replace(signed(region), returns=1, return_open=True)
    grant = commands.GrantReturn()
    returned = take(region, asked, grant, DISPATCHER, MONDAY)
    opens = follows(returned, grant, policy_of(region))
    assert isinstance(opens, OpenDispute)
    disputed, told = step(region, returned, opens, SYSTEM, MONDAY)
    assert [fact.by_returns for fact in told if isinstance(fact, DisputeOpened)] == [True]
    with pytest.raises(GuardFailed, match="职责争议正在协调"):
        take(region, disputed, order(), DISPATCHER, MONDAY)
    assert follows(take(region, replace(asked, returns=0), grant, DISPATCHER, MONDAY), grant, policy_of(region)) is None


RULING = RuleDispute(WATER, "供水由你单位负责", "联席会议纪要〔2026〕3号", participants=("县委编办", "县司法局"))


@pytest.mark.clause("LS-082", "LS-047")
def test_after_the_ruling_nothing_is_returned_and_nothing_appealed() -> None:
    disputed = take(
        "longsheng",
        take("longsheng", signed("longsheng"), back(), WATER_MAN, MONDAY),
        OpenDispute("两家都说不管"),
        DISPATCHER,
        MONDAY,
    )
    ruled = take("longsheng", disputed, RULING, DISPATCHER, MONDAY)
    assert (ruled.ruled, ruled.dispute_open, ruled.return_open) == (True, False, False)
    with pytest.raises(GuardFailed, match="不得退回，也不再进行申诉") as refused:
        take("longsheng", ruled, back(), WATER_MAN, MONDAY)
    assert refused.value.article == "第十九条"
    with pytest.raises(GuardFailed, match="不再进行申诉"):
        take("longsheng", ruled, OpenDispute("仍不同意"), DISPATCHER, MONDAY)


@pytest.mark.clause("LS-081", "GZ-034")
@pytest.mark.parametrize(
    ("region", "changed", "says"),
    [
        ("longsheng", {"minutes": ""}, "会议纪要"),
        ("longsheng", {"participants": ()}, "参加单位"),
        ("longsheng", {"reason": ""}, "裁定意见"),
        ("ganzhou", {"minutes": " "}, "会议纪要或书面意见"),
        ("longsheng", {"lead": "roads"}, "请先同意退单"),
        ("longsheng", {"assists": (WATER,)}, "重复"),
    ],
)
def test_a_ruling_names_lead_participants_and_minutes(region: str, changed: dict[str, object], says: str) -> None:
    disputed = take(region, signed(region), OpenDispute("职责交叉"), DISPATCHER, MONDAY)
    with pytest.raises(GuardFailed, match=says):
        take(region, disputed, replace(RULING, **changed), DISPATCHER, MONDAY)  # type: ignore[arg-type]


@pytest.mark.clause("SQ-039")
def test_the_hotline_names_the_lead_after_its_own_coordination_without_minutes() -> None:
    disputed = take("suqian", signed("suqian"), OpenDispute("管理盲区"), DISPATCHER, MONDAY)
    assert take("suqian", disputed, replace(RULING, minutes=""), DISPATCHER, MONDAY).ruled


def test_a_unit_neither_opens_nor_rules_a_dispute_and_the_platform_above_grants_no_return() -> None:
    with pytest.raises(NotYours):
        take("longsheng", signed("longsheng"), OpenDispute("x"), WATER_MAN, MONDAY)
    with pytest.raises(NotYours):
        take("longsheng", replace(signed("longsheng"), return_open=True), commands.GrantReturn(), PLATFORM, MONDAY)
    with pytest.raises(NotNow):
        take("longsheng", registered("longsheng"), back(), WATER_MAN, MONDAY)
