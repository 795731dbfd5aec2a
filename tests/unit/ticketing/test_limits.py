"""The limits of a ticket as the machine starts them: chosen, statutory, by the clock, a unit's own."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callcenter.types import UnitId
from config.calendar_loader import load_calendar
from tests.support.signatures import do, new, rules
from tests.support.tickets import AGENT, DISPATCHER, MONDAY, WATER, WATER_MAN, local
from ticketing import commands
from ticketing.clocks import SHANGHAI, Clock, DeadlineKind, OfficeHours, Period, by_time, due_at, parse_period
from ticketing.commands import Changes
from ticketing.limits.calculator import in_effect
from ticketing.limits.limits import unit_limits
from ticketing.policy import Anchor, StatutoryLimit, handle_limit
from ticketing.record import GuardFailed, Ticket
from ticketing.rules import Basis, Case, LimitRule, When
from ticketing.words import Flag, State

clause = pytest.mark.clause
K = DeadlineKind
NATION = load_calendar()


def waiting(policy_id: str, request_type: str, at: datetime = MONDAY, **values: object) -> Ticket:
    ticket = new(policy_id, at, request_type=request_type, content="停水", registered_at=at, **values)
    return replace(ticket, state=State.AWAITING_DISPATCH)


def sent(ticket: Ticket, at: datetime = MONDAY, **more: object) -> Ticket:
    dispatch = commands.Dispatch(WATER, instruction="查明停水原因并答复", basis="权责清单", **more)  # type: ignore[arg-type]
    return do(ticket, dispatch, DISPATCHER, at)[0]


def due(ticket: Ticket, kind: DeadlineKind) -> str | None:
    found = ticket.due(kind)
    return None if found is None else f"{found.deadline.due_at.astimezone(SHANGHAI):%m-%d %H:%M:%S}"


@clause("GZ-024", "GZ-025")
def test_the_dispatcher_chooses_within_the_range_and_the_longest_holds_else() -> None:
    complaint = waiting("ganzhou", "投诉")
    assert due(sent(complaint), K.HANDLE) == "06-08 23:59:59"
    assert due(sent(complaint, chosen=parse_period("3wd")), K.HANDLE) == "06-04 23:59:59"
    for wrong in ("2wd", "6wd", "4h"):
        with pytest.raises(GuardFailed, match="只能在3至5个工作日之间选择"):
            sent(complaint, chosen=parse_period(wrong))


@pytest.mark.parametrize(
    ("policy_id", "request_type"), [("ganzhou", "求助"), ("mengcheng", "咨询"), ("suqian", "投诉")]
)
def test_where_the_text_leaves_no_choice_none_is_taken(policy_id: str, request_type: str) -> None:
    with pytest.raises(GuardFailed, match="没有给出可以选择的办理时限"):
        sent(waiting(policy_id, request_type), chosen=parse_period("1wd"))


@clause("GZ-027")
def test_an_extension_doubles_the_limit_that_was_chosen() -> None:
    ticket = do(sent(waiting("ganzhou", "投诉"), chosen=parse_period("4wd")), commands.Sign(), WATER_MAN)[0]
    last_day = local(2026, 6, 5, 10)
    with pytest.raises(GuardFailed, match="1至4个工作日"):
        do(ticket, commands.AskExtension(5, "管网复杂"), WATER_MAN, last_day)
    asked = do(ticket, commands.AskExtension(4, "管网复杂"), WATER_MAN, last_day)[0]
    assert due(do(asked, commands.GrantExtension(4), DISPATCHER, last_day)[0], K.HANDLE) == "06-11 23:59:59"


@clause("GZ-011", "WX-020", "LS-040", "MC-031")
@pytest.mark.parametrize("policy_id", ["ganzhou", "weixi", "longsheng", "suqian", "mengcheng"])
def test_a_limit_of_another_law_goes_before_all_and_cites_it(policy_id: str) -> None:
    ticket = waiting(policy_id, "投诉")
    law = StatutoryLimit(parse_period("30d"), "行政许可法第四十二条", "张主任")
    assert due(sent(ticket, statutory=law), K.HANDLE) == "07-01 23:59:59"
    with pytest.raises(GuardFailed, match="法律依据"):
        sent(ticket, statutory=replace(law, legal_basis=" "))
    if policy_id != "mengcheng":
        with pytest.raises(GuardFailed, match="批准人"):
            sent(ticket, statutory=replace(law, approver=""))
    with pytest.raises(GuardFailed, match="不能再自选"):
        sent(ticket, statutory=law, chosen=parse_period("3wd"))
    with pytest.raises(GuardFailed, match="以工作日、小时、分钟或天计算"):
        sent(ticket, statutory=replace(law, period=by_time(None)))


@clause("MC-031")
def test_a_statutory_limit_asks_for_progress_where_the_text_does() -> None:
    law = StatutoryLimit(parse_period("60d"), "行政复议法第六十二条", "张主任")
    assert due(sent(waiting("mengcheng", "投诉"), statutory=law), K.PROGRESS) == "06-15 23:59:59"
    assert due(sent(waiting("mengcheng", "投诉")), K.PROGRESS) is None
    assert due(sent(waiting("longsheng", "投诉"), statutory=law), K.PROGRESS) is None


@clause("MC-025", "MC-029", "MC-030")
def test_contact_and_handling_count_from_receipt() -> None:
    ticket = sent(waiting("mengcheng", "咨询"))
    assert (due(ticket, K.CONTACT), due(ticket, K.HANDLE)) == ("06-02 23:59:59", "06-04 23:59:59")
    assert due(ticket, K.SIGN) is None


@clause("SQ-015", "SQ-017")
def test_what_can_be_answered_directly_has_four_hours() -> None:
    assert due(sent(waiting("suqian", "咨询")), K.HANDLE) == "06-01 21:00:00"
    direct = waiting("suqian", "咨询", flags=frozenset({Flag.DIRECT_ANSWER}))
    assert due(sent(direct), K.HANDLE) == "06-01 13:00:00"


REGISTERED = [
    pytest.param(local(2026, 6, 1, 9), "求助", frozenset[Flag](), "06-01 23:59:59", marks=clause("WX-009")),
    pytest.param(local(2026, 6, 1, 7, 30), "求助", frozenset[Flag](), "06-01 10:00:00", marks=clause("WX-010")),
    (local(2026, 6, 5, 20), "求助", frozenset[Flag](), "06-08 10:00:00"),
    (local(2026, 6, 6, 11), "求助", frozenset[Flag](), "06-08 10:00:00"),
    pytest.param(local(2026, 6, 6, 11), "投诉", frozenset[Flag](), "06-06 11:30:00", marks=clause("WX-008")),
    pytest.param(
        local(2026, 6, 6, 11), "求助", frozenset({Flag.ENFORCEMENT}), "06-06 11:30:00", marks=clause("WX-008")
    ),
]


@pytest.mark.parametrize(("at", "request_type", "flags", "value"), REGISTERED)
def test_the_dispatch_limit_follows_office_hours(
    at: datetime, request_type: str, flags: frozenset[Flag], value: str
) -> None:
    fields = Changes(request_type=request_type, source="电话", content="停水", place="永春路", flags=flags)
    ticket = do(new("weixi", at), commands.Register(fields), AGENT, at)[0]
    assert due(ticket, K.DISPATCH) == value
    found = ticket.due(K.DISPATCH)
    assert found is not None
    stored = Period(found.deadline.amount, found.deadline.clock)
    assert due_at(found.deadline.from_at, stored, rules("weixi").calendar) == found.deadline.due_at


@clause("SQ-044")
def test_a_unit_may_bind_itself_to_less() -> None:
    policy = rules("suqian").policies[-1]
    stricter = LimitRule("own", When(units=frozenset({"water"})), parse_period("6h"), Anchor.DISPATCH, Basis())
    own = replace(policy, handle=replace(policy.handle, limits=(stricter, *policy.handle.limits)))
    for unit, period in (("water", "6h"), ("roads", "12h")):
        rule = handle_limit(own, Case("投诉", "电话", False, unit=unit), MONDAY, NATION)
        assert rule is not None
        assert str(rule.period) == period


@clause("GZ-061")
def test_an_urgent_class_without_a_number_changes_no_limit() -> None:
    policy = rules("ganzhou").policies[-1]
    plain, urgent = (unit_limits(policy, Case("投诉", "电话", flag), MONDAY, NATION) for flag in (False, True))
    assert plain == urgent
    assert "区领导阅批件" in policy.urgent.meaning


@clause("LS-037")
def test_a_public_emergency_is_urgent() -> None:
    ticket = replace(waiting("longsheng", "投诉", urgent=True))
    notice = commands.PhoneNotice(MONDAY, "水务值班室")
    assert due(sent(ticket, phone_notice=notice), K.HANDLE) == "06-02 09:00:00"
    assert rules("longsheng").policies[-1].urgent.meaning == "涉及公共突发事件的诉求"


def test_the_version_of_the_day_computes() -> None:
    old = rules("longsheng").policies[-1]
    new_one = replace(old, version=2, effective_from=local(2026, 7, 1).date())
    assert in_effect((old, new_one), local(2026, 6, 30, 23, 59)) is old
    assert in_effect((old, new_one), local(2026, 7, 1)) is new_one
    assert in_effect((old, new_one), None) is new_one
    assert in_effect((old, new_one), local(2020, 1, 1)) is old


BY_CLOCK = [
    ("10:00", local(2026, 6, 1, 7, 30), local(2026, 6, 1, 10)),
    ("10:00", local(2026, 6, 1, 10), local(2026, 6, 1, 10)),
    ("10:00", local(2026, 6, 1, 10, 0, 1), local(2026, 6, 2, 10)),
    ("10:00", local(2026, 6, 6, 7), local(2026, 6, 8, 10)),
    # 调休 Saturday 2024-10-12 is a working day.
    ("10:00", local(2024, 10, 11, 20), local(2024, 10, 12, 10)),
]


@clause("WX-010")
@pytest.mark.parametrize(("text", "start", "end"), BY_CLOCK)
def test_by_a_time_of_this_working_day_or_the_next(text: str, start: datetime, end: datetime) -> None:
    period = by_time(datetime.strptime(text, "%H:%M").time())
    assert (str(period), due_at(start, period, NATION)) == (text, end)


STARTS = st.datetimes(datetime(2023, 1, 1), datetime(2026, 6, 30)).map(lambda at: at.replace(tzinfo=SHANGHAI))
OFFICE = OfficeHours(((datetime(2026, 1, 1, 8, 30).time(), datetime(2026, 1, 1, 17, 30).time()),))


@given(STARTS, st.integers(1, 1_439), st.timedeltas(timedelta(0), timedelta(days=12)))
def test_a_time_of_the_clock_comes_on_a_working_day_and_in_order(
    start: datetime, minute: int, later: timedelta
) -> None:
    period = Period(minute, Clock.CLOCK_TIME)
    due_one, due_two = due_at(start, period, NATION), due_at(start + later, period, NATION)
    local_due = due_one.astimezone(SHANGHAI)
    assert start <= due_one <= due_two
    assert NATION.works(local_due.date())
    assert local_due.hour * 60 + local_due.minute == minute


@given(STARTS, st.integers(1, 20), st.integers(1, 20))
def test_working_days_may_be_counted_in_two_steps(start: datetime, first: int, second: int) -> None:
    half = due_at(start, Period(first, Clock.WORKING_DAY), NATION)
    assert due_at(half, Period(second, Clock.WORKING_DAY), NATION) == due_at(
        start, Period(first + second, Clock.WORKING_DAY), NATION
    )


@given(STARTS)
def test_an_open_office_is_open_on_a_working_day_within_its_hours(start: datetime) -> None:
    local_start = start.astimezone(SHANGHAI)
    inside = 510 <= local_start.hour * 60 + local_start.minute < 1_050
    assert OFFICE.open_at(start, NATION) == (inside and NATION.works(local_start.date()))
    opening = OFFICE.next_opening(start, NATION)
    assert opening >= start
    assert OFFICE.open_at(opening, NATION)


def test_a_dispatch_to_a_named_unit_asks_for_that_units_rule() -> None:
    assert sent(waiting("suqian", "投诉")).case.unit == UnitId("water")
