"""PURE: when it happened, as an interval, from words such as 昨天晚上八点, 上周五, 三天前, 已经半个月了.

Local time of the hotline is UTC+8 without summer time (the mainland has one time zone and keeps none). Nothing in
the future is suggested: who speaks of tomorrow does not say when it happened. Habits (每天晚上) are no time either.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from typing import Final

from ticketing.prefill.numerals import parse_number
from ticketing.prefill.talk import Conversation, Field, Suggestion, Topic

CHINA: Final = timezone(timedelta(hours=8))
_N = r"[0-9一二两三四五六七八九十百]{1,4}"
_PART = r"凌晨|清晨|清早|早晨|早上|上午|中午|下午|傍晚|晚上|夜里|半夜|深夜"
_CLOCK = rf"(?P<hour>{_N})点(?:(?P<half>半)|(?P<quarter>[一三])刻|(?P<minute>{_N})分?)?"
_DAY = (
    rf"(?P<near>大前天|前天|昨天|今天|昨晚|今晚|前晚|今早|昨夜)|(?P<week>上上个?|上个?|这个?|本)(?:周|星期|礼拜)(?P<weekday>[一二三四五六日天])"
    rf"|(?:周|星期|礼拜)(?P<lone>[一二三四五六日天])(?!到|至)|(?P<month>{_N})月(?P<mday>{_N})[号日]|(?P<ago>{_N})天(?:以?前)"
)
_MOMENT = re.compile(
    rf"(?<![每到至])(?:{_DAY})(?:的)?(?P<part>{_PART})?(?:的)?(?:大概|大约|差不多)?(?:{_CLOCK})?(?P<since>开始|起|以来)?"
)
_SPAN = re.compile(
    rf"(?P<whole>上个?(?:周|星期|礼拜)(?![一二三四五六日天末])|上个?月|这个月|去年|今年)"
    rf"|(?P<count>{_N}|半)个?多?(?P<unit>天|周|星期|礼拜|月|年|小时|钟头)(?:以?前|之前)"
    rf"|(?:已经|(?<!还)有|都|快|持续)(?P<lasting>{_N}|半)个?多?(?P<lunit>天|周|星期|礼拜|月|年|小时|钟头)(?:多|左右)?了?"
    r"|(?P<now>刚才|刚刚)"
)
# 「上周五我投诉过」 says when they called before, not when it happened.
_EARLIER_CALL = re.compile(r"[^\n]{0,4}(?:投诉|反映|打|报|找|举报|来|联系)(?:过|了)")
_OFFICE_HOURS = re.compile(r"[^\n]{0,4}(?:能不能|可不可以|上班|办理|开门|休息|放假)")
_HOURS: Final = {
    "凌晨": (0, 6), "清晨": (5, 8), "清早": (5, 8), "早晨": (6, 9), "早上": (6, 9), "上午": (8, 12), "中午": (11, 14),
    "下午": (12, 18), "傍晚": (17, 20), "晚上": (18, 24), "夜里": (20, 24), "半夜": (0, 4), "深夜": (22, 24),
}  # fmt: skip
_NEAR: Final = {"大前天": 3, "前天": 2, "前晚": 2, "昨天": 1, "昨晚": 1, "昨夜": 1, "今天": 0, "今晚": 0, "今早": 0}
_UNIT_DAYS: Final = {"天": 1, "周": 7, "星期": 7, "礼拜": 7, "月": 30, "年": 365}


@dataclass(frozen=True, slots=True)
class When:
    """An interval of local time, half open, and how well the words fix it."""

    start: datetime
    end: datetime
    strength: float
    rule: str


def suggest_times(talk: Conversation, heard_at: datetime) -> Iterator[Suggestion]:
    """The best-fixed time in the citizen's words. `heard_at`: aware."""
    now = heard_at.astimezone(CHINA)
    for start, end, when in _times(talk.text, now):
        if talk.is_dictated(start) or when.start > now or _OFFICE_HOURS.match(talk.text, end):
            continue
        strength = when.strength + (0.05 if Topic.TIME in talk.topics_at(start) else 0.0)
        if _EARLIER_CALL.match(talk.text, end):
            strength *= 0.4
        value = f"{when.start.isoformat(timespec='minutes')}/{when.end.isoformat(timespec='minutes')}"
        yield talk.suggest(Field.OCCURRED_AT, value, _display(when), ((start, end),), strength, when.rule)


def _times(text: str, now: datetime) -> Iterator[tuple[int, int, When]]:
    """Every time said, with its span."""
    for hit in _MOMENT.finditer(text):
        if when := _moment(hit, now):
            yield hit.start(), hit.end(), when
    for hit in _SPAN.finditer(text):
        if when := _span(hit, now):
            yield hit.start(), hit.end(), when


def _moment(hit: re.Match[str], now: datetime) -> When | None:
    """A day, perhaps with a part of the day and an hour."""
    day = _day(hit, now)
    if day is None:
        return None
    near = hit["near"] or ""
    part = hit["part"] or ("晚上" if near[-1:] in ("晚", "夜") else "早上" if near == "今早" else None)
    if hit["hour"] is not None:
        return _at_the_hour(hit, day, part)
    midnight = datetime.combine(day, time(), CHINA)
    if part is None:
        return _until_now(midnight, midnight + timedelta(days=1), now, 0.7, "time.day")
    first, last = _HOURS[part]
    span = (midnight + timedelta(hours=first), midnight + timedelta(hours=last))
    return _until_now(*span, now, 0.8, "time.part_of_day")


def _at_the_hour(hit: re.Match[str], day: date, part: str | None) -> When | None:
    """昨天晚上八点: the hour, an hour long; with minutes, a quarter of an hour."""
    hour = parse_number(hit["hour"])
    if hour is None or hour > 24:
        return None
    minute = 30 if hit["half"] else {"一": 15, "三": 45}.get(hit["quarter"] or "", 0)
    if hit["minute"]:
        minute = parse_number(hit["minute"]) or 0
    if part in ("下午", "傍晚", "晚上", "夜里", "深夜", "中午") and hour < 12 and not (part == "中午" and hour > 9):
        hour += 12
    if part == "半夜" and 9 <= hour < 12:
        hour += 12
    if minute > 59:
        return None
    # 晚上十二点 and 半夜十二点 are the midnight that ends the day.
    late = part in ("晚上", "夜里", "半夜", "深夜") and hour == 12
    hour = 24 if late else 0 if part == "凌晨" and hour == 12 else hour
    start = datetime.combine(day, time(), CHINA) + timedelta(hours=hour, minutes=minute)
    return When(start, start + timedelta(minutes=15 if minute else 60), 0.88 if part else 0.6, "time.hour")


def _day(hit: re.Match[str], now: datetime) -> date | None:
    """The day the words name; a lone weekday is the last one gone, or today."""
    today = now.date()
    monday = today - timedelta(days=today.weekday())
    if hit["near"]:
        return today - timedelta(days=_NEAR[hit["near"]])
    if hit["week"]:
        weeks = 2 if hit["week"].startswith("上上") else 1 if hit["week"].startswith("上") else 0
        return monday + timedelta(days=_weekday(hit["weekday"]) - 7 * weeks)
    if hit["lone"]:
        return today - timedelta(days=(today.weekday() - _weekday(hit["lone"])) % 7)
    if hit["ago"]:
        days = parse_number(hit["ago"])
        return None if days is None or days > 3650 else today - timedelta(days=days)
    return _calendar_day(parse_number(hit["month"]), parse_number(hit["mday"]), today)


def _calendar_day(month: int | None, day: int | None, today: date) -> date | None:
    """三月五号: this year's, or last year's when this year's is still to come."""
    for year in (today.year, today.year - 1):
        try:
            found = date(year, month or 0, day or 0)
        except ValueError:
            continue
        if found <= today:
            return found
    return None


def _weekday(name: str) -> int:
    return "一二三四五六日".index("日" if name == "天" else name)


def _span(hit: re.Match[str], now: datetime) -> When | None:
    """上周, 三天前, 已经半个月了, 刚才."""
    if hit["now"]:
        return When(now - timedelta(hours=1), now, 0.5, "time.just_now")
    if hit["whole"]:
        start, end = _whole(hit["whole"], now)
        return _until_now(start, end, now, 0.5, "time.period")
    unit = hit["unit"] or hit["lunit"]
    said = hit["count"] or hit["lasting"]
    count = 0.5 if said == "半" else parse_number(said)
    if count is None or count > 1000:
        return None
    hours = 1.0 if unit in ("小时", "钟头") else 24.0 * _UNIT_DAYS[unit]
    begun = now - timedelta(hours=hours * count)
    if unit not in ("小时", "钟头"):
        begun = datetime.combine(begun.date(), time(), CHINA)
    if hit["lasting"]:
        return When(begun, now, 0.6, "time.lasting")
    length = timedelta(hours=1) if unit in ("小时", "钟头") else timedelta(days=1)
    return _until_now(begun, begun + length, now, 0.65, "time.ago")


def _whole(name: str, now: datetime) -> tuple[datetime, datetime]:
    """A calendar week, month or year."""
    midnight = datetime.combine(now.date(), time(), CHINA)
    month = midnight.replace(day=1)
    if name in ("去年", "今年"):
        year = now.year - (name == "去年")
        return datetime(year, 1, 1, tzinfo=CHINA), datetime(year + 1, 1, 1, tzinfo=CHINA)
    if name == "这个月":
        return month, midnight + timedelta(days=1)
    if name.endswith("月"):
        return (month - timedelta(days=1)).replace(day=1), month
    monday = midnight - timedelta(days=midnight.weekday())
    return monday - timedelta(days=7), monday


def _until_now(start: datetime, end: datetime, now: datetime, strength: float, rule: str) -> When:
    """An interval that does not reach past the call."""
    return When(start, max(start, min(end, now)), strength, rule)


def _display(when: When) -> str:
    """`2026年11月21日 20:00—21:00`, for the agent."""
    start, end = when.start, when.end
    days = f"{start.year}年{start.month}月{start.day}日"
    if (end - start).total_seconds() % 86400 == 0 and start.time() == time():
        last = end - timedelta(days=1)
        return days if last <= start else f"{days}—{last.year}年{last.month}月{last.day}日"
    if end.date() == start.date():
        return f"{days} {start:%H:%M}—{end:%H:%M}"
    return f"{days} {start:%H:%M}—{end.year}年{end.month}月{end.day}日 {end:%H:%M}"
