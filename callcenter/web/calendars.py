"""The work calendar: what each day of a year is, and the yearly notice brought in by an administrator."""

import asyncio
import json
import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Annotated, Literal

from pydantic import Field

from callcenter import calendars
from callcenter.calendars import CalendarRefused
from callcenter.installation import Notice as Shown
from callcenter.types import Role
from callcenter.web.context import Context
from callcenter.web.problems import NotFound, Problem
from callcenter.web.router import In, Out, Routes
from callcenter.web.ticket_fields import Said
from ticketing.clocks import Calendar, CalendarEnds, DayKind
from ticketing.limits import calendar_changes
from ticketing.policy import Rules

api = Routes("calendars")
EVERYBODY = frozenset(Role)
KEEPERS = frozenset({Role.ADMIN})
Feast = Annotated[str, Field(min_length=1, max_length=40)]
Days = Annotated[dict[date, Feast], Field(max_length=120, strict=False)]
NAME = re.compile(r"cn-20[0-9]{2}|[a-z]{2}-[a-z0-9-]{1,20}")


class Day(Out):
    """kind: workday, rest, holiday or makeup_workday (调休)."""

    date: date
    kind: DayKind


class Year(Out):
    """provisional: the notice for this year (or the region's own) is not in yet."""

    year: int
    version: str
    provisional: bool
    working_days: int
    days: list[Day]


class CalendarFile(Out):
    name: str
    content: str
    imported_at: datetime
    imported_by: str


class CalendarFiles(Out):
    rows: list[CalendarFile]


class Notice(In):
    """The yearly notice (`kind: year`, name cn-<year>) or a region's own days (`kind: overlay`).

    years: of an overlay, those whose regional notice is in it. reason: the notice's title and number.
    """

    kind: Literal["year", "overlay"]
    year: Annotated[int, Field(ge=2000, le=2100)] | None = None
    title: Annotated[str, Field(min_length=1, max_length=80)] = "地方节假日"
    source: Annotated[str, Field(min_length=4, max_length=200)]
    years: Annotated[list[int], Field(max_length=80)] = Field(default_factory=list)
    holidays: Days
    makeup_workdays: Days
    reason: Said


class Kept(Out):
    """version: of the calendar in use from now on. A job looks at running deadlines, one event for each that moves."""

    version: str


class NoticeShown(Out):
    """A calendar file in force, as it would be sent back. imported: by an administrator, else it came with the program.

    provisional: there is no notice for this year yet; its days are the statute's.
    """

    name: str
    kind: Literal["year", "overlay"]
    year: int | None
    title: str
    source: str
    years: list[int]
    holidays: dict[date, str]
    makeup_workdays: dict[date, str]
    imported: bool
    provisional: bool


class NoticesShown(Out):
    """Every file in force: years first."""

    rows: list[NoticeShown]


class DayChange(Out):
    date: date
    before: DayKind
    after: DayKind


class CalendarPreview(Out):
    """What saving would change. running: tickets with deadlines that count working days; looked: those computed for
    this preview; later: would end later; earlier: would end earlier, and stay as they were promised."""

    version: str
    changes: list[DayChange]
    working_days: int
    running: int
    looked: int
    later: int
    earlier: int


class CalendarReview(Out):
    """How far the review of running tickets is. later: got a later time; kept: an earlier one was only noted."""

    version: str
    waiting: int
    later: int
    kept: int


@api.get("/api/calendar-notices", KEEPERS)
async def notices(ctx: Context) -> NoticesShown:
    """生效的放假安排：随系统提供的、导入的，以及尚未公布、按法定节假日推算的年份"""
    async with ctx.transaction() as tx:
        texts = await calendars.texts(tx)
    found = await asyncio.to_thread(ctx.services.installation.notices, texts)
    return NoticesShown(rows=[_notice(one) for one in found])


@api.post("/api/calendars/{name}/preview", KEEPERS)
async def preview(ctx: Context, name: str, body: Notice) -> CalendarPreview:
    """预览：这份放假安排会改变哪些日子、影响多少在办工单；不保存"""
    _check_name(name)
    rules, keeper = ctx.services.rules, ctx.services.calendars
    async with ctx.transaction() as tx:
        texts = await calendars.texts(tx)
    try:
        calendar = await asyncio.to_thread(keeper.compose, texts | {name: as_yaml(body)})
    except CalendarRefused as refused:
        raise _wrong(refused) from None
    async with ctx.transaction() as tx:
        found = await calendar_changes.forecast(tx, Rules(rules.policies, calendar))
    years = [body.year] if body.year is not None else body.years
    return CalendarPreview(
        version=calendar.version,
        changes=_changes(rules.calendar, calendar),
        working_days=sum(calendar.working_days(date(year, 1, 1), date(year, 12, 31)) for year in years),
        running=found.running,
        looked=found.looked,
        later=found.later,
        earlier=found.earlier,
    )


@api.get("/api/calendar-review", KEEPERS)
async def review(ctx: Context) -> CalendarReview:
    """当前日历下在办工单时限的复核进度：待复核、顺延、维持原承诺"""
    version = ctx.services.rules.calendar.version
    async with ctx.transaction() as tx:
        found = await calendar_changes.course(tx, version)
    return CalendarReview(version=version, waiting=found.waiting, later=found.later, kept=found.kept)


@api.get("/api/calendars", KEEPERS)
async def imported(ctx: Context) -> CalendarFiles:
    """已导入的放假安排"""
    async with ctx.transaction() as tx:
        found = await calendars.imported(tx)
    rows = [
        CalendarFile(name=f.name, content=f.content, imported_at=f.imported_at, imported_by=f.imported_by)
        for f in found
    ]
    return CalendarFiles(rows=rows)


@api.get("/api/calendars/{year}", EVERYBODY)
async def one_year(ctx: Context, year: int) -> Year:
    """某年每一天是工作日、休息日、节假日还是调休上班"""
    try:
        return _year(ctx.services.rules.calendar, year)
    except (CalendarEnds, ValueError):
        raise NotFound from None


@api.post("/api/calendars/{name}", KEEPERS)
async def bring_in(ctx: Context, name: str, body: Notice) -> Kept:
    """导入或修改放假安排；在办工单的时限随后逐件重算，只会顺延，不会无声缩短"""
    _check_name(name)
    keeper = ctx.services.calendars
    try:
        async with ctx.transaction() as tx:
            kept = await calendars.keep(
                tx, name, as_yaml(body), keeper.compose, actor=ctx.actor, now=ctx.now, reason=body.reason
            )
    except CalendarRefused as refused:
        raise _wrong(refused) from None
    await keeper.refresh()
    return Kept(version=kept.version)


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise Problem(422, "bad_name", "名称应为 cn-年份（全国）或 地区代码-名称（地方），如 cn-2027、gx-sanyuesan。")


def _wrong(refused: CalendarRefused) -> Problem:
    return Problem(422, "calendar_wrong", f"放假安排有误，没有保存：{refused}")


def _changes(before: Calendar, after: Calendar) -> list[DayChange]:
    """Days both know that become another kind. PURE."""
    first, last = max(before.first, after.first), min(before.last, after.last)
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    kinds = ((day, before.kind(day), after.kind(day)) for day in days)
    return [DayChange(date=day, before=old, after=new) for day, old, new in kinds if old != new]


def _notice(one: Shown) -> NoticeShown:
    return NoticeShown(
        name=one.name,
        kind="overlay" if one.year is None else "year",
        year=one.year,
        title=one.title,
        source=one.source,
        years=list(one.years),
        holidays=dict(one.holidays),
        makeup_workdays=dict(one.makeup_workdays),
        imported=one.imported,
        provisional=one.provisional,
    )


def _year(calendar: Calendar, year: int) -> Year:
    first, last = date(year, 1, 1), date(year, 12, 31)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return Year(
        year=year,
        version=calendar.version,
        provisional=calendar.is_provisional(first, last),
        working_days=calendar.working_days(first, last),
        days=[Day(date=day, kind=calendar.kind(day)) for day in days],
    )


def as_yaml(notice: Notice) -> str:
    """The notice as the text of a calendar file."""
    head = [f"kind: {notice.kind}", f"source: {_quoted(notice.source)}"]
    if notice.kind == "year":
        head.append(f"year: {notice.year}")
    else:
        head += [f"name: {_quoted(notice.title)}", f"years: {json.dumps(sorted(notice.years))}"]
    return "\n".join(
        [*head, *_days("holidays", notice.holidays), *_days("makeup_workdays", notice.makeup_workdays), ""]
    )


def _days(key: str, days: Mapping[date, str]) -> list[str]:
    if not days:
        return [f"{key}: {{}}"]
    return [f"{key}:", *(f"  {day}: {_quoted(name)}" for day, name in sorted(days.items()))]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
