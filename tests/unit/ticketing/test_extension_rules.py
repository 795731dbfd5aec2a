"""Extensions as the five regulations have them: windows, approvers, caps over all requests, counts, seals, dates."""

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from tests.support.dispatching import PLATFORM, order, registered, signed, step, take
from tests.support.regions import policy_of, rules_of
from tests.support.tickets import DISPATCHER, MONDAY, SYSTEM, WATER_MAN, local
from ticketing import commands, facts
from ticketing.clocks import DeadlineKind, Period, local_day, parse_period
from ticketing.dispatch.asking import WINDOW_NAMES, apply_span, new_deadline
from ticketing.policy import ApplyWindow
from ticketing.record import Context, GuardFailed, NotYours, Ticket

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


def due(ticket: Ticket) -> datetime:
    running = ticket.due(DeadlineKind.HANDLE)
    assert running is not None
    return running.deadline.due_at


def context(region: str, at: datetime = MONDAY) -> Context:
    return Context(WATER_MAN, policy_of(region), rules_of(region).calendar, at)


def ask(region: str, ticket: Ticket, amount: int, at: datetime, **values: object) -> Ticket:
    """Asks with all that is needed."""
    try:
        day = local_day(new_deadline(ticket, amount, context(region, at)).due_at)
    except (GuardFailed, ValueError):
        day = date(2026, 6, 30)
    given = {"citizen_informed_at": at, "signed_by": "张局长", "seal": "蒙供〔2026〕8号", "new_due": day, **values}
    detail = replace(commands.AskExtension(amount, "配件未到"), **given)  # type: ignore[arg-type]
    return take(region, ticket, detail, WATER_MAN, at)


def granted(region: str, ticket: Ticket, amount: int, at: datetime, given: int | None = None) -> Ticket:
    asked = ask(region, ticket, amount, at)
    return take(region, asked, commands.GrantExtension(given or amount), DISPATCHER, at)


def open_at(ticket: Ticket) -> datetime:
    """A moment in which every region takes a request: on the last working day."""
    return due(ticket) - 2 * HOUR


CAPS = [
    # region, type, one request at most, after it at most, due when all was granted
    pytest.param("ganzhou", "投诉", 5, 0, local(2026, 6, 15, 23, 59, 59), marks=pytest.mark.clause("GZ-027")),
    pytest.param("weixi", "咨询", 2, 0, local(2026, 6, 4, 23, 59, 59), marks=pytest.mark.clause("WX-017")),
    pytest.param("weixi", "求助", 2, 0, local(2026, 6, 8, 23, 59, 59), marks=pytest.mark.clause("WX-017")),
    pytest.param("weixi", "投诉", 10, 10, None, marks=pytest.mark.clause("WX-019")),
    pytest.param("longsheng", "投诉", 10, 0, None, marks=pytest.mark.clause("LS-042")),
    pytest.param("suqian", "投诉", 6, 0, local(2026, 6, 7, 23, 59, 59), marks=pytest.mark.clause("SQ-018")),
    pytest.param("mengcheng", "投诉", 5, 0, None, marks=pytest.mark.clause("MC-034")),
    pytest.param("mengcheng", "咨询", 12, 0, None, marks=pytest.mark.clause("MC-034")),
]


@pytest.mark.parametrize(("region", "kind", "most", "then", "ends"), CAPS)
def test_no_more_is_granted_than_the_cap_leaves(
    region: str, kind: str, most: int, then: int, ends: datetime | None
) -> None:
    ticket = signed(region, request_type=kind)
    at = open_at(ticket)
    with pytest.raises(GuardFailed, match=f"1至{most}"):
        ask(region, ticket, most + 1, at)
    longer = granted(region, ticket, most, at)
    if ends is not None:
        assert due(longer) == ends
    if then:
        assert ask(region, longer, then, open_at(longer)).extension_asked == then
    else:
        with pytest.raises(GuardFailed, match="已用满"):
            ask(region, longer, 1, open_at(longer))


@pytest.mark.clause("MC-034", "LS-042", "GZ-027", "SQ-018")
@pytest.mark.parametrize(("region", "parts"), [("mengcheng", (2, 3)), ("longsheng", (4, 6)), ("suqian", (4, 2))])
def test_several_extensions_count_together(region: str, parts: tuple[int, int]) -> None:
    ticket = signed(region)
    once = granted(region, ticket, parts[0], open_at(ticket))
    twice = granted(region, once, parts[1], open_at(once))
    assert due(twice) == due(granted(region, ticket, sum(parts), open_at(ticket)))
    with pytest.raises(GuardFailed, match="已用满"):
        ask(region, twice, 1, open_at(twice))


@pytest.mark.clause("WX-019")
def test_a_complaint_is_extended_twice_and_never_a_third_time() -> None:
    ticket = signed("weixi")
    for _ in range(2):
        ticket = granted("weixi", ticket, 10, open_at(ticket))
    with pytest.raises(GuardFailed, match="已用满"):
        ask("weixi", ticket, 1, open_at(ticket))


@pytest.mark.clause("GZ-027")
def test_once_as_long_again_means_the_limit_that_was_chosen() -> None:
    """Trap 11."""
    chosen = order(chosen=Period(3, parse_period("3wd").clock))
    ticket = take("ganzhou", registered("ganzhou"), chosen, DISPATCHER, MONDAY)
    ticket = take("ganzhou", ticket, commands.Sign(), WATER_MAN, MONDAY)
    with pytest.raises(GuardFailed, match="1至3"):
        ask("ganzhou", ticket, 4, open_at(ticket))


# ---- when (trap 13) ----------------------------------------------------------------------------------------------


@pytest.mark.clause("GZ-026")
def test_both_readings_of_one_working_day_before_due_meet_at_the_last_working_day() -> None:
    ticket = signed("ganzhou")
    running = ticket.due(DeadlineKind.HANDLE)
    assert running is not None
    calendar = rules_of("ganzhou").calendar
    opens, closes = apply_span(running.deadline, ApplyWindow.OPENS_1WD_BEFORE_DUE, calendar)
    assert (opens, closes) == (local(2026, 6, 8, 0, 0), local(2026, 6, 8, 23, 59, 59))
    at_once, ends = apply_span(running.deadline, ApplyWindow.CLOSES_1WD_BEFORE_DUE, calendar)
    assert (at_once, ends) == (None, local(2026, 6, 7, 23, 59, 59))
    assert apply_span(running.deadline, ApplyWindow.BEFORE_DUE, calendar) == (None, due(ticket))


@pytest.mark.clause("GZ-026")
def test_the_reading_in_force_is_kept_and_shown() -> None:
    ticket = signed("ganzhou")
    with pytest.raises(GuardFailed, match="只在到期前最后1个工作日内申请") as refused:
        ask("ganzhou", ticket, 1, local(2026, 6, 7, 23, 59, 59))
    assert refused.value.article == "第十一条(二)(2)"
    assert ask("ganzhou", ticket, 1, local(2026, 6, 8, 0, 0)).extension_asked == 1
    assert set(WINDOW_NAMES) == set(ApplyWindow)


@pytest.mark.clause("LS-041", "SQ-018", "MC-032", "GZ-026")
@pytest.mark.parametrize("region", ["ganzhou", "weixi", "longsheng", "suqian", "mengcheng"])
def test_an_extension_is_asked_for_before_the_limit_has_passed(region: str) -> None:
    ticket = signed(region)
    assert ask(region, ticket, 1, due(ticket)).extension_asked == 1
    with pytest.raises(GuardFailed, match="到期前申请"):
        ask(region, ticket, 1, due(ticket) + SECOND)


# ---- what it needs -----------------------------------------------------------------------------------------------

NEEDS = [
    pytest.param("longsheng", 1, {"citizen_informed_at": None}, "向诉求人说明", marks=pytest.mark.clause("LS-041")),
    pytest.param(
        "longsheng", 1, {"citizen_informed_at": MONDAY + 9 * HOUR}, "晚于现在", marks=pytest.mark.clause("LS-041")
    ),
    pytest.param("longsheng", 1, {"reason": " "}, "说明理由", marks=pytest.mark.clause("LS-041")),
    pytest.param("mengcheng", 1, {"new_due": None}, "明确新的办理期限", marks=pytest.mark.clause("MC-032")),
    pytest.param("mengcheng", 1, {"new_due": date(2026, 6, 30)}, "应为2026-06-16", marks=pytest.mark.clause("MC-032")),
    pytest.param("mengcheng", 1, {"reason": ""}, "说明理由", marks=pytest.mark.clause("MC-032")),
    pytest.param("mengcheng", 1, {"signed_by": ""}, "主要负责人签字", marks=pytest.mark.clause("MC-033")),
    pytest.param("mengcheng", 1, {"seal": " "}, "盖章", marks=pytest.mark.clause("MC-033")),
]


@pytest.mark.parametrize(("region", "amount", "left_out", "says"), NEEDS)
def test_a_request_brings_what_the_regulation_asks_for(
    region: str, amount: int, left_out: dict[str, object], says: str
) -> None:
    with pytest.raises(GuardFailed, match=says):
        ask(region, signed(region), amount, MONDAY + HOUR, **left_out)


@pytest.mark.clause("MC-033")
def test_up_to_ten_working_days_in_all_need_no_seal_and_eleven_do() -> None:
    """Trap 30: two thresholds on one clock."""
    ticket, bare = signed("mengcheng", request_type="咨询"), {"signed_by": "", "seal": ""}
    assert ask("mengcheng", ticket, 7, MONDAY, **bare).extension_asked == 7
    with pytest.raises(GuardFailed, match=r"超过10wd.*签字和单位盖章") as refused:
        ask("mengcheng", ticket, 8, MONDAY, **bare)
    assert refused.value.article == "第十九条"
    longer = granted("mengcheng", ticket, 7, MONDAY)
    with pytest.raises(GuardFailed, match="签字"):
        ask("mengcheng", longer, 1, MONDAY, **bare)


@pytest.mark.clause("LS-041")
def test_a_confidential_citizen_is_not_informed_first() -> None:
    hidden = replace(signed("longsheng"), confidential=True)
    assert ask("longsheng", hidden, 1, MONDAY, citizen_informed_at=None).extension_asked == 1


# ---- who decides (trap 19) ---------------------------------------------------------------------------------------


@pytest.mark.clause("WX-016")
def test_an_extension_of_a_ticket_from_above_waits_for_the_platform_that_accepted_it() -> None:
    ticket = signed("weixi", source="省12345热线派发")
    asked = ask("weixi", ticket, 10, MONDAY)
    for decision in (commands.GrantExtension(10), commands.RefuseExtension("不同意")):
        with pytest.raises(GuardFailed, match="须经受理的上级热线同意"):
            take("weixi", asked, decision, DISPATCHER, MONDAY)
        with pytest.raises(GuardFailed):
            take("weixi", asked, decision, SYSTEM, MONDAY)
        assert take("weixi", asked, decision, PLATFORM, MONDAY).extension_asked == 0
    assert asked.extension_asked == 10


@pytest.mark.clause("WX-016", "GZ-026", "LS-041", "MC-032")
@pytest.mark.parametrize("region", ["ganzhou", "weixi", "longsheng", "suqian", "mengcheng"])
def test_an_extension_of_our_own_ticket_is_ours_to_decide(region: str) -> None:
    ticket = signed(region)
    asked = ask(region, ticket, 1, open_at(ticket))
    with pytest.raises(GuardFailed, match="由本地热线决定"):
        take(region, asked, commands.GrantExtension(1), PLATFORM, open_at(ticket))
    with pytest.raises(NotYours):
        take(region, asked, commands.GrantExtension(1), WATER_MAN, open_at(ticket))
    after, told = step(region, asked, commands.GrantExtension(1), DISPATCHER, open_at(ticket))
    assert [fact.due_at for fact in told if isinstance(fact, facts.ExtensionGranted)] == [due(after)]


def test_less_may_be_granted_than_was_asked_for_and_never_more() -> None:
    asked = ask("longsheng", signed("longsheng"), 5, MONDAY)
    with pytest.raises(GuardFailed, match="不能超过申请的5"):
        take("longsheng", asked, commands.GrantExtension(6), DISPATCHER, MONDAY)
    after = take("longsheng", asked, commands.GrantExtension(2), DISPATCHER, MONDAY)
    assert (after.extended, after.extensions, after.extensions_granted) == (2, 1, 1)
    old = [one for one in after.dues if one.deadline.kind is DeadlineKind.HANDLE]
    assert [one.ended_at is not None for one in old] == [True, False]
