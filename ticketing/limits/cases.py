"""The calculator's cases as JSON: read one, answer it, or say in a sentence what is wrong with it. PURE.

In: {"id", "type", "source"?, "urgent"?, "direct_answer"?, "registered_at", "dispatched_at"?, "signed_at"?,
"sms_delivered_at"?, "extension"?: {"granted": "max"}, "outage_wd"?, "chosen_limit_wd"?, "grade"? where the policy
grades severity}; null counts as absent.
Out: {"id", "dispatch_due", ..., "default_rating", "provisional", "basis": {name: [clause ids or "default"]}}.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from typing import Final

from ticketing.clocks import SHANGHAI, Calendar, CalendarEnds, Clock, Period
from ticketing.limits.calculator import Moments, Times, basis_names, in_effect, times
from ticketing.limits.limits import BadChoice
from ticketing.policy import Policy

NAMES: Final = (
    "dispatch_due",
    "sign_due",
    "contact_due",
    "return_due",
    "handle_due",
    "extended_due",
    "survey_default_at",
)
TYPES: Final = ("咨询", "求助", "投诉", "举报", "建议", "表扬")
"""Request types as the five texts share them, see `Policy.own_type`."""
TELEPHONE: Final = "电话"
MOMENTS: Final = {
    "registered_at": "登记时间 registered_at",
    "dispatched_at": "派单时间 dispatched_at",
    "signed_at": "签收时间 signed_at",
    "sms_delivered_at": "短信送达时间 sms_delivered_at",
}
"""In the order in which they happen."""
KEYS: Final = frozenset(
    {"id", "type", "source", "grade", "urgent", "direct_answer", "extension", "outage_wd", "chosen_limit_wd", *MOMENTS}
)
_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?(Z|[+-][0-9]{2}:[0-9]{2})?"
)
MOST_DAYS: Final = 366
SHOWN: Final = 30

Json = dict[str, object]


class CaseWrong(ValueError):
    """This case cannot be computed; the sentence says which entry and what to write."""


def answer(case: object, number: int, policies: tuple[Policy, ...], calendar: Calendar) -> Json:
    """One case's answer, or its error. number: its place in the list, from 1. policies: every version, oldest first."""
    case_id = case.get("id") if isinstance(case, dict) else None
    try:
        given = _entries(case, number)
        started = _time(given, "registered_at") or _time(given, "dispatched_at")
        policy = in_effect(policies, started)
        return _told(given.get("id"), times(policy, _moments(given, policy), calendar))
    except (CaseWrong, BadChoice) as wrong:
        return {"id": case_id, "error": str(wrong)}
    except (CalendarEnds, OverflowError):
        first, last = calendar.first.year, calendar.last.year
        sentence = f"工作日历只有{first}年至{last}年。请核对时间；确需计算的，先在 config/calendars 补充那一年。"
        return {"id": case_id, "error": sentence}


def _entries(case: object, number: int) -> Json:
    if not isinstance(case, dict):
        raise CaseWrong(f'第{number}项不是对象。请写成 {{"id": ..., "type": ...}} 的形式。')
    unknown = sorted(case.keys() - KEYS)
    if unknown:
        named = "、".join(_short(name) for name in unknown)
        raise CaseWrong(f"没有「{named}」这一项。请核对拼写；可用的有：{'、'.join(sorted(KEYS))}。")
    case_id = case.get("id")
    if case_id is not None and (isinstance(case_id, bool) or not isinstance(case_id, str | int)):
        raise CaseWrong("id 应为字符串。")
    return {key: value for key, value in case.items() if value is not None}


def _moments(given: Json, policy: Policy) -> Moments:
    at = {name: _time(given, name) for name in MOMENTS}
    _in_order(at)
    days = _days(given, "chosen_limit_wd", least=1)
    return Moments(
        request_type=_type(given, policy),
        source=_source(given, policy),
        grade=_grade(given, policy),
        urgent=_flag(given, "urgent"),
        direct_answer=_flag(given, "direct_answer"),
        registered_at=at["registered_at"],
        dispatched_at=at["dispatched_at"],
        signed_at=at["signed_at"],
        delivered_at=at["sms_delivered_at"],
        extended=_extended(given),
        outage_days=_days(given, "outage_wd", least=0) or 0,
        chosen=None if days is None else Period(days, Clock.WORKING_DAY),
    )


def _in_order(at: Mapping[str, datetime | None]) -> None:
    known = [(MOMENTS[name], moment) for name, moment in at.items() if moment is not None]
    for (earlier, before), (later, after) in pairwise(known):
        if after < before:
            raise CaseWrong(f"{later} 早于 {earlier}。请核对这两个时间。")


def _time(given: Json, name: str) -> datetime | None:
    if name not in given:
        return None
    text = given[name]
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        raise CaseWrong(f"{MOMENTS[name]} 不是时间。请写成 2023-04-28T15:00:00+08:00 的形式。")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise CaseWrong(f"{MOMENTS[name]} 没有这个时间：{text}。请核对日期和钟点。") from None
    if moment.tzinfo is None:
        raise CaseWrong(f"{MOMENTS[name]} 没有写时区。请在末尾加上 +08:00。")
    return moment


def _type(given: Json, policy: Policy) -> str | None:
    named = _text(given, "type")
    if named is None:
        return None
    own = policy.own_type(named)
    if own is not None:
        return own
    what = "本地规定没有这一诉求类型" if named in TYPES else "没有这种诉求类型"
    raise CaseWrong(f"{what}：「{_short(named)}」。可用的有：{'、'.join(policy.request_types)}。")


def _source(given: Json, policy: Policy) -> str:
    """A policy's own name of the source; 电话 is the first of its list, and what is not said came by telephone."""
    named = _text(given, "source")
    if named is None or (named == TELEPHONE and TELEPHONE not in policy.sources):
        return policy.sources[0]
    if named not in policy.sources:
        raise CaseWrong(f"本地规定没有这一来源：「{_short(named)}」。可用的有：{'、'.join(policy.sources)}。")
    return named


def _grade(given: Json, policy: Policy) -> str | None:
    named = _text(given, "grade")
    if named is not None and named not in policy.grades:
        known = f"可用的有：{'、'.join(policy.grades)}" if policy.grades else "请不要填写"
        raise CaseWrong(f"本地规定没有这一紧急程度：「{_short(named)}」。{known}。")
    return named


def _text(given: Json, name: str) -> str | None:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise CaseWrong(f"{name} 应为文字。")
    return value


def _flag(given: Json, name: str) -> bool:
    value = given.get(name, False)
    if not isinstance(value, bool):
        raise CaseWrong(f"{name} 应为 true 或 false。")
    return value


def _days(given: Json, name: str, *, least: int) -> int | None:
    value = given.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MOST_DAYS:
        raise CaseWrong(f"{name} 应为{least}至{MOST_DAYS}的整数，单位是工作日。")
    return value


def _extended(given: Json) -> bool:
    value = given.get("extension")
    if value is None:
        return False
    if not isinstance(value, dict) or value.keys() - {"granted"} or value.get("granted") not in (None, "max"):
        raise CaseWrong('extension 只能写成 {"granted": "max"}，表示按规定最长延期。')
    return value.get("granted") == "max"


def _told(case_id: object, found: Times) -> Json:
    told: Json = {"id": case_id}
    for name in NAMES:
        time = found.by_name.get(name)
        told[name] = time.at.astimezone(SHANGHAI).isoformat(timespec="seconds") if time else None
    basis: dict[str, list[str]] = {
        name: list(basis_names(found.by_name[name].basis)) for name in NAMES if name in found.by_name
    }
    if found.default_rating is not None:
        basis["default_rating"] = list(basis_names(found.rating_basis))
    return told | {"default_rating": found.default_rating, "provisional": found.provisional, "basis": basis}


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
