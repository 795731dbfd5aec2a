"""The public calculator: what each of the five texts gives a case, and what it says of a wrong one."""

from datetime import datetime, timedelta
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.calendar_loader import load_calendar
from config.policy_loader import load_policies
from ticketing.clocks import SHANGHAI, Calendar
from ticketing.limits.cases import NAMES, answer
from ticketing.policy import Policy

clause = pytest.mark.clause
MAX = {"granted": "max"}


@cache
def _region(policy_id: str) -> tuple[tuple[Policy, ...], Calendar]:
    policies = load_policies(policy_id)
    return policies, load_calendar(policies[-1].calendar.overlays)


def calculated(policy_id: str, **case: object) -> dict[str, Any]:
    return answer({"id": "1", **case}, 1, *_region(policy_id))


def at(text: str) -> str:
    """`2023-04-28 15:00` as the calculator writes times."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).isoformat()


def end(day: str) -> str:
    return at(f"{day} 23:59:59")


FRIDAY = at("2023-04-28 15:00")
"""The 五一 holiday follows; Saturday 05-06 is worked."""
NIGHT = at("2023-04-29 23:50")
BEFORE_NATIONAL_DAY = at("2022-09-30 10:00")

# policy, type, when dispatched, the rest, key, value
WORKED = [
    # 龙胜: day 1 is the working day after the dispatch (trap 1).
    pytest.param("longsheng", "咨询", FRIDAY, {}, "handle_due", end("2023-05-05"), marks=clause("LS-030", "LS-031")),
    pytest.param("longsheng", "求助", FRIDAY, {}, "handle_due", end("2023-05-06"), marks=clause("LS-032")),
    pytest.param("longsheng", "建议", FRIDAY, {}, "handle_due", end("2023-05-09"), marks=clause("LS-033")),
    pytest.param("longsheng", "投诉", FRIDAY, {}, "handle_due", end("2023-05-16"), marks=clause("LS-034")),
    pytest.param("longsheng", "举报", FRIDAY, {}, "handle_due", end("2023-05-16"), marks=clause("LS-035")),
    pytest.param("longsheng", "表扬", FRIDAY, {}, "handle_due", None, id="praise-has-no-limit"),
    # 三月三 shifts the national count (2023-05-06).
    pytest.param("longsheng", "投诉", at("2023-04-20 10:00"), {}, "handle_due", end("2023-05-09")),
    # A source and a type: the shorter of both (trap 3); urgent goes before.
    pytest.param(
        *("longsheng", "投诉", FRIDAY, {"source": "主席信箱"}, "handle_due", end("2023-05-06")), marks=clause("LS-036")
    ),
    ("longsheng", "咨询", FRIDAY, {"source": "主席信箱"}, "handle_due", end("2023-05-05")),
    pytest.param(
        *("longsheng", "投诉", NIGHT, {"source": "主席信箱", "urgent": True}, "handle_due", at("2023-04-30 23:50")),
        marks=clause("LS-039"),
    ),
    # Urgent is natural time from the dispatch, at night and on a holiday (trap 2).
    pytest.param(
        "longsheng", "举报", NIGHT, {"urgent": True}, "sign_due", at("2023-04-30 00:20"), marks=clause("LS-038")
    ),
    # No ordinary sign limit in the text: ours is one working day (trap 4).
    ("longsheng", "举报", FRIDAY, {}, "sign_due", end("2023-05-04")),
    pytest.param(
        *("longsheng", "举报", FRIDAY, {"signed_at": at("2023-05-04 09:00")}, "return_due", end("2023-05-05")),
        marks=clause("LS-043"),
    ),
    pytest.param(
        *("longsheng", "举报", NIGHT, {"urgent": True, "signed_at": NIGHT}, "return_due", at("2023-04-30 00:20")),
        marks=clause("LS-044"),
    ),
    ("longsheng", "举报", FRIDAY, {}, "return_due", None),
    pytest.param(
        "longsheng", "咨询", FRIDAY, {"extension": MAX}, "extended_due", end("2023-05-08"), marks=clause("LS-042")
    ),
    ("longsheng", "举报", NIGHT, {"urgent": True, "extension": MAX}, "extended_due", at("2023-05-01 23:50")),
    ("longsheng", "表扬", FRIDAY, {"extension": MAX}, "extended_due", None),
    ("longsheng", "咨询", FRIDAY, {}, "contact_due", None),
    # 甘州: 1-3 and 3-5 working days; none for 求助, which is ours (traps 11, 12).
    pytest.param("ganzhou", "咨询", FRIDAY, {}, "handle_due", end("2023-05-06"), marks=clause("GZ-024")),
    ("ganzhou", "建议", FRIDAY, {"chosen_limit_wd": 1}, "handle_due", end("2023-05-04")),
    pytest.param("ganzhou", "举报", FRIDAY, {}, "handle_due", end("2023-05-09"), marks=clause("GZ-025")),
    ("ganzhou", "投诉", FRIDAY, {"chosen_limit_wd": 4}, "handle_due", end("2023-05-08")),
    ("ganzhou", "求助", FRIDAY, {}, "handle_due", end("2023-05-09")),
    # 一倍 of the limit that was granted, not of the longest.
    pytest.param(
        *("ganzhou", "投诉", FRIDAY, {"chosen_limit_wd": 4, "extension": MAX}, "extended_due", end("2023-05-12")),
        marks=clause("GZ-027"),
    ),
    pytest.param("ganzhou", "投诉", FRIDAY, {}, "return_due", end("2023-05-04"), marks=clause("GZ-029")),
    # An outage moves the return alone, by one day (trap 14).
    pytest.param("ganzhou", "投诉", FRIDAY, {"outage_wd": 1}, "return_due", end("2023-05-05"), marks=clause("GZ-030")),
    ("ganzhou", "投诉", FRIDAY, {"outage_wd": 3}, "return_due", end("2023-05-05")),
    ("ganzhou", "投诉", FRIDAY, {"outage_wd": 3}, "handle_due", end("2023-05-09")),
    ("longsheng", "投诉", FRIDAY, {"outage_wd": 1, "signed_at": FRIDAY}, "return_due", end("2023-05-04")),
    ("ganzhou", "投诉", FRIDAY, {}, "sign_due", None),
    # 维西 (traps 17 to 21). Sign 2 h by the clock; return 24 h from signing.
    pytest.param("weixi", "咨询", FRIDAY, {}, "sign_due", at("2023-04-28 17:00"), marks=clause("WX-011")),
    pytest.param(
        "weixi", "咨询", FRIDAY, {"signed_at": FRIDAY}, "return_due", at("2023-04-29 15:00"), marks=clause("WX-012")
    ),
    ("weixi", "咨询", FRIDAY, {}, "return_due", None),
    pytest.param("weixi", "咨询", FRIDAY, {}, "handle_due", end("2023-05-04"), marks=clause("WX-014")),
    pytest.param("weixi", "求助", FRIDAY, {}, "handle_due", end("2023-05-06"), marks=clause("WX-015")),
    ("weixi", "建议", FRIDAY, {}, "handle_due", end("2023-05-06")),
    pytest.param("weixi", "投诉", FRIDAY, {}, "handle_due", end("2023-05-23"), marks=clause("WX-018")),
    pytest.param(
        "weixi", "咨询", FRIDAY, {"extension": MAX}, "extended_due", end("2023-05-06"), marks=clause("WX-017")
    ),
    ("weixi", "求助", FRIDAY, {"extension": MAX}, "extended_due", end("2023-05-09")),
    pytest.param(
        "weixi", "举报", FRIDAY, {"extension": MAX}, "extended_due", end("2023-06-20"), marks=clause("WX-019")
    ),
    # 宿迁 (traps 23, 24, 26): hours by day and night, then calendar days after the due time.
    pytest.param("suqian", "投诉", NIGHT, {}, "sign_due", at("2023-04-30 00:50"), marks=clause("SQ-016")),
    pytest.param("suqian", "投诉", NIGHT, {}, "handle_due", at("2023-04-30 11:50"), marks=clause("SQ-017")),
    pytest.param(
        "suqian", "咨询", NIGHT, {"direct_answer": True}, "handle_due", at("2023-04-30 03:50"), marks=clause("SQ-015")
    ),
    pytest.param("suqian", "投诉", NIGHT, {}, "return_due", at("2023-04-30 11:50"), marks=clause("SQ-020")),
    pytest.param(
        "suqian", "投诉", NIGHT, {"extension": MAX}, "extended_due", end("2023-05-06"), marks=clause("SQ-018")
    ),
    # 蒙城: from receipt, which is the dispatch; 15 working days in all (traps 29, 30).
    pytest.param("mengcheng", "投诉", BEFORE_NATIONAL_DAY, {}, "handle_due", end("2022-10-19"), marks=clause("MC-030")),
    pytest.param("mengcheng", "咨询", BEFORE_NATIONAL_DAY, {}, "handle_due", end("2022-10-10"), marks=clause("MC-029")),
    pytest.param(
        *("mengcheng", "投诉", BEFORE_NATIONAL_DAY, {"extension": MAX}, "extended_due", end("2022-10-26")),
        marks=clause("MC-034"),
    ),
    ("mengcheng", "咨询", BEFORE_NATIONAL_DAY, {"extension": MAX}, "extended_due", end("2022-10-26")),
    pytest.param(
        "mengcheng", "求助", BEFORE_NATIONAL_DAY, {}, "contact_due", end("2022-10-08"), marks=clause("MC-025")
    ),
    pytest.param("mengcheng", "求助", BEFORE_NATIONAL_DAY, {}, "return_due", end("2022-10-08"), marks=clause("MC-026")),
    ("mengcheng", "求助", BEFORE_NATIONAL_DAY, {}, "sign_due", None),
]


@pytest.mark.parametrize(("policy_id", "request_type", "dispatched_at", "more", "key", "value"), WORKED)
def test_the_text_gives_the_case_this_time(
    policy_id: str, request_type: str, dispatched_at: str, more: dict[str, object], key: str, value: str | None
) -> None:
    told = calculated(policy_id, type=request_type, dispatched_at=dispatched_at, **more)
    assert told[key] == value, told
    assert (key in told["basis"]) == (value is not None)


DISPATCHES = [
    # 维西: in office hours the same day, else by 10:00 of this working day or the next (trap 17).
    pytest.param("weixi", "求助", "2024-10-14 09:00", end("2024-10-14"), marks=clause("WX-009")),
    ("weixi", "求助", "2024-10-12 11:00", end("2024-10-12")),
    pytest.param("weixi", "求助", "2024-10-14 07:30", at("2024-10-14 10:00"), marks=clause("WX-010")),
    ("weixi", "咨询", "2024-10-18 20:00", at("2024-10-21 10:00")),
    ("weixi", "咨询", "2024-10-11 20:00", at("2024-10-12 10:00")),
    ("weixi", "咨询", "2024-10-01 11:00", at("2024-10-08 10:00")),
    # Complaints and reports go first, by day and night; the 30 minutes are ours.
    pytest.param("weixi", "举报", "2024-10-18 23:50", at("2024-10-19 00:20"), marks=clause("WX-008")),
    ("longsheng", "求助", "2024-10-18 23:00", at("2024-10-19 01:00")),
    pytest.param("ganzhou", "求助", "2024-10-18 23:00", at("2024-10-19 01:00"), marks=clause("GZ-022")),
    ("suqian", "求助", "2024-10-18 23:00", None),
    ("mengcheng", "求助", "2024-10-18 23:00", None),
]


@pytest.mark.parametrize(("policy_id", "request_type", "registered_at", "value"), DISPATCHES)
def test_a_request_is_dispatched_by(policy_id: str, request_type: str, registered_at: str, value: str | None) -> None:
    told = calculated(policy_id, type=request_type, registered_at=at(registered_at))
    assert told["dispatch_due"] == value
    assert told["handle_due"] is None, "the limit of the unit begins with the dispatch"


SILENCE = [
    pytest.param("longsheng", at("2023-05-06 10:00"), "满意", ["LS-065"], marks=clause("LS-065")),
    pytest.param("weixi", at("2023-05-06 10:00"), "基本满意", ["WX-023"], marks=clause("WX-023")),
    pytest.param("ganzhou", None, None, None),
    pytest.param("suqian", None, None, None, marks=clause("SQ-021")),
    pytest.param("mengcheng", None, None, None, marks=clause("MC-053")),
]


@pytest.mark.parametrize(("policy_id", "when", "rating", "basis"), SILENCE)
def test_silence_after_delivery_is_the_policys_rating_or_none(
    policy_id: str, when: str | None, rating: str | None, basis: list[str] | None
) -> None:
    told = calculated(policy_id, type="咨询", sms_delivered_at=at("2023-05-05 10:00"))
    assert (told["survey_default_at"], told["default_rating"]) == (when, rating)
    assert told["basis"].get("default_rating") == basis


@clause("LS-066")
def test_an_undelivered_message_is_no_rating() -> None:
    told = calculated("longsheng", type="咨询", dispatched_at=FRIDAY)
    assert (told["survey_default_at"], told["default_rating"]) == (None, None)


def test_a_value_of_ours_says_default() -> None:
    told = calculated("ganzhou", type="求助", registered_at=FRIDAY, dispatched_at=FRIDAY, outage_wd=1)
    assert told["basis"] == {
        "dispatch_due": ["GZ-022", "default"],
        "return_due": ["GZ-029", "GZ-030", "default"],
        "handle_due": ["default"],
    }
    assert calculated("weixi", type="咨询", sms_delivered_at=FRIDAY)["basis"]["survey_default_at"] == [
        "WX-023",
        "default",
    ]


PROVISIONAL = [
    ("longsheng", "咨询", "2026-12-20 10:00", False),
    ("longsheng", "投诉", "2026-12-20 10:00", True),
    ("mengcheng", "投诉", "2027-03-01 10:00", True),
    ("suqian", "投诉", "2027-03-01 10:00", False),
]


@pytest.mark.parametrize(("policy_id", "request_type", "dispatched_at", "provisional"), PROVISIONAL)
def test_a_time_that_touches_an_unannounced_year_is_provisional(
    policy_id: str, request_type: str, dispatched_at: str, provisional: bool
) -> None:
    told = calculated(policy_id, type=request_type, dispatched_at=at(dispatched_at))
    assert told["provisional"] is provisional


def test_what_is_not_known_is_null_for_what_depends_on_it() -> None:
    told = calculated("weixi", registered_at=at("2024-10-12 11:00"), dispatched_at=at("2024-10-12 12:00"))
    assert told["sign_due"] == at("2024-10-12 14:00"), "the same for every type"
    assert (told["dispatch_due"], told["handle_due"]) == (None, None)
    assert calculated("suqian", dispatched_at=NIGHT)["handle_due"] == at("2023-04-30 11:50")
    assert {name: calculated("longsheng", type="咨询")[name] for name in NAMES} == dict.fromkeys(NAMES)


def test_null_is_absent_and_the_telephone_is_the_first_source() -> None:
    bare = calculated("mengcheng", type="投诉", dispatched_at=FRIDAY)
    nulls = {"source": None, "urgent": None, "extension": None, "outage_wd": None, "chosen_limit_wd": None}
    assert calculated("mengcheng", type="投诉", dispatched_at=FRIDAY, **nulls) == bare
    assert calculated("mengcheng", type="投诉", dispatched_at=FRIDAY, source="电话") == bare


WRONG: list[tuple[str, dict[str, object], str]] = [
    ("ganzhou", {"type": "表扬"}, "本地规定没有这一诉求类型"),
    ("longsheng", {"type": "抱怨"}, "没有这种诉求类型"),
    ("longsheng", {"type": ["咨询"]}, "type 应为文字"),
    ("ganzhou", {"source": "主席信箱"}, "没有这一来源"),
    ("longsheng", {"urgent": "yes"}, "urgent 应为 true 或 false"),
    ("longsheng", {"dispatched_at": "2023-04-28"}, "dispatched_at 不是时间"),
    ("longsheng", {"dispatched_at": 1682665200}, "dispatched_at 不是时间"),
    ("longsheng", {"dispatched_at": "2023-02-30T10:00:00+08:00"}, "没有这个时间"),
    ("longsheng", {"dispatched_at": "2023-04-28T15:00:00"}, "没有写时区"),
    ("longsheng", {"dispatched_at": "9999-12-31T23:59:59-08:00", "urgent": True}, "工作日历只有"),
    ("longsheng", {"type": "咨询", "dispatched_at": "1999-04-28T15:00:00+08:00"}, "工作日历只有2022年"),
    ("longsheng", {"dispatched_at": FRIDAY, "signed_at": at("2023-04-28 14:59")}, "签收时间 signed_at 早于 派单时间"),
    ("longsheng", {"registered_at": NIGHT, "sms_delivered_at": FRIDAY}, "短信送达时间 sms_delivered_at 早于"),
    ("longsheng", {"extension": "max"}, "extension 只能写成"),
    ("longsheng", {"extension": {"granted": "5wd"}}, "extension 只能写成"),
    ("longsheng", {"extension": {"granted": "max", "days": 1}}, "extension 只能写成"),
    ("ganzhou", {"outage_wd": -1}, "outage_wd 应为0至366的整数"),
    ("ganzhou", {"outage_wd": True}, "outage_wd 应为0至366的整数"),
    ("ganzhou", {"type": "投诉", "chosen_limit_wd": 2, "dispatched_at": FRIDAY}, "只能在3至5个工作日之间选择"),
    ("ganzhou", {"type": "投诉", "chosen_limit_wd": 6, "dispatched_at": FRIDAY}, "只能在3至5个工作日之间选择"),
    ("ganzhou", {"type": "求助", "chosen_limit_wd": 4, "dispatched_at": FRIDAY}, "没有给出可以选择的办理时限"),
    ("longsheng", {"type": "咨询", "chosen_limit_wd": 1, "dispatched_at": FRIDAY}, "没有给出可以选择的办理时限"),
    ("longsheng", {"grade": "特急"}, "没有这一紧急程度"),
    ("longsheng", {"weather": "fine"}, "没有「weather」这一项"),
    ("longsheng", {"id": 1.5}, "id 应为字符串"),
]


@pytest.mark.parametrize(("policy_id", "case", "says"), WRONG)
def test_a_wrong_case_is_answered_with_a_sentence(policy_id: str, case: dict[str, object], says: str) -> None:
    told = calculated(policy_id, **case)
    assert told.keys() == {"id", "error"}
    assert says in told["error"]
    assert told["error"].endswith("。")


def test_a_case_that_is_no_object_is_counted() -> None:
    told = answer("咨询", 3, *_region("longsheng"))
    assert (told["id"], str(told["error"])[:7]) == (None, "第3项不是对象")


MOMENTS = st.datetimes(datetime(2023, 1, 1), datetime(2026, 6, 30))
REGIONS = st.sampled_from(["ganzhou", "weixi", "longsheng", "suqian", "mengcheng"])
KNOWN = st.fixed_dictionaries(
    {"type": st.sampled_from(["咨询", "求助", "投诉", "举报", "建议"])},
    optional={
        "urgent": st.booleans(),
        "direct_answer": st.booleans(),
        "outage_wd": st.integers(0, 3),
        "extension": st.just(MAX),
    },
)


def _all_at(moment: datetime, known: dict[str, object], policy_id: str) -> dict[str, Any]:
    when = moment.replace(tzinfo=SHANGHAI).isoformat(timespec="seconds")
    moments = dict.fromkeys(("registered_at", "dispatched_at", "signed_at", "sms_delivered_at"), when)
    return calculated(policy_id, **known, **moments)


@given(REGIONS, KNOWN, MOMENTS, st.timedeltas(timedelta(0), timedelta(days=40)))
def test_what_begins_later_is_never_due_earlier(
    policy_id: str, known: dict[str, object], moment: datetime, later: timedelta
) -> None:
    first, second = _all_at(moment, known, policy_id), _all_at(moment + later, known, policy_id)
    for name in NAMES:
        assert first[name] is None or second[name] is None or first[name] <= second[name], name


@given(REGIONS, KNOWN, MOMENTS)
def test_nothing_is_due_before_it_begins_nor_a_working_day_limit_on_a_rest_day(
    policy_id: str, known: dict[str, object], moment: datetime
) -> None:
    told, (_, calendar) = _all_at(moment, known, policy_id), _region(policy_id)
    counted = {"longsheng": ("return_due",), "ganzhou": ("handle_due", "return_due"), "mengcheng": ("handle_due",)}
    for name in NAMES:
        if told[name] is not None:
            due = datetime.fromisoformat(told[name])
            assert due >= moment.replace(tzinfo=SHANGHAI, microsecond=0)
            if name in counted.get(policy_id, ()) and not known.get("urgent"):
                assert calendar.works(due.date())
    if told["extended_due"] is not None:
        assert told["extended_due"] > told["handle_due"]
