"""A notice is imported while tickets run: kept, audited, told to processes; every running deadline is looked at."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import calendars
from callcenter.board import Board
from callcenter.calendars import CHANGED, CalendarKeeper, CalendarRefused, CalendarWork
from callcenter.db import Database, listen
from callcenter.job import Job
from callcenter.tables import calendar_file
from callcenter.types import Actor, Role, TicketId, UnitId
from tests.support.tickets import AGENT, DISPATCHER, SYSTEM, local
from tests.support.web import NOBODY_THERE, Web, serving, with_people
from ticketing import commands, service, tables
from ticketing.checks import broken_invariants
from ticketing.clocks import DeadlineKind
from ticketing.commands import Changes
from ticketing.policy import Rules

ADMIN = Actor("user", "admin", frozenset({Role.ADMIN}))
BEFORE = local(2027, 2, 1, 9)
NOTICE = """kind: year
year: 2027
source: 国务院办公厅关于2027年部分节假日安排的通知
holidays:
{holidays}
makeup_workdays: {{}}
"""


def notice(*days: str) -> str:
    return NOTICE.format(holidays="\n".join(f"  2027-{day}: 假" for day in days))


LATER = notice("02-04", "02-05", "02-08")


@pytest.fixture
async def web(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(db, tmp_path) as served:
        yield await with_people(served)


async def running(tx: AsyncConnection, rules: Rules, request_type: str = "求助") -> TicketId:
    """A ticket at a unit since Monday 2027-02-01."""
    ticket = (await service.open_draft(tx, actor=SYSTEM, now=BEFORE, rules=rules)).ticket
    fields = Changes(request_type=request_type, source="电话", content="停水")
    for detail, actor in (
        (commands.Register(fields, "例外"), AGENT),
        (commands.Dispatch(UnitId("water")), DISPATCHER),
    ):
        await service.carry_out(tx, ticket.id, detail, actor=actor, now=BEFORE, rules=rules)
    return ticket.id


def work(web: Web) -> CalendarWork:
    return CalendarWork(web.db, Board(NOBODY_THERE), web.ground, web.calendars)


async def import_notice(web: Web, content: str) -> Job:
    keeper = web.calendars
    async with web.db.transaction() as tx:
        kept = await calendars.keep(
            tx, "cn-2027", content, keeper.compose, actor=ADMIN, now=BEFORE, reason="国办发明电〔2026〕9号"
        )
    body = json.dumps({"version": kept.version, "reason": "国办发明电〔2026〕9号"}).encode()
    return Job(1, calendars.REVIEW_JOB, "key", body, 1)


async def test_running_deadlines_become_later_once_and_the_chain_holds(web: Web) -> None:
    async with web.db.transaction() as tx:
        ids = [await running(tx, web.ground.rules) for _ in range(3)]
    job = await import_notice(web, LATER)
    for _ in range(2):
        await work(web).review(job)
    async with web.db.transaction() as tx:
        for ticket_id in ids:
            ticket = await service.get(tx, ticket_id, SYSTEM)
            due = ticket.due(DeadlineKind.HANDLE)
            assert due is not None
            assert due.deadline.due_at == local(2027, 2, 9, 23, 59, 59)
            assert due.deadline.provisional, "the region's own notice for that year is still out"
        events = await tx.execute(
            select(func.count()).select_from(tables.ticket_event).where(tables.ticket_event.c.kind == "recalculate")
        )
        assert events.scalar_one() == 3, "one event a ticket, however often the job runs"
        assert await broken_invariants(tx, web.ground.rules) == ()


async def test_an_earlier_time_is_written_down_once_and_changes_no_due_time(web: Web) -> None:
    async with web.db.transaction() as tx:
        ticket_id = await running(tx, web.ground.rules, "投诉")
        before = (await service.get(tx, ticket_id, SYSTEM)).due(DeadlineKind.HANDLE)
    assert before is not None
    # The statute's days are provisional; a notice that gives fewer days off makes the limit end earlier.
    job = await import_notice(web, notice("10-01"))
    for _ in range(2):
        await work(web).review(job)
    async with web.db.transaction() as tx:
        ticket = await service.get(tx, ticket_id, SYSTEM)
        kept = ticket.due(DeadlineKind.HANDLE)
        query = select(tables.ticket_event.c.data).where(tables.ticket_event.c.kind == "recalculate")
        (data,) = (await tx.execute(query)).scalars()
        assert await broken_invariants(tx, web.ground.rules) == ()
    assert kept is not None
    assert kept.deadline.due_at == before.deadline.due_at
    assert data["moved"][0]["kind"] == "handle"
    assert not data["moved"][0].get("applied")


async def test_a_wrong_notice_is_refused_and_nothing_is_kept(web: Web) -> None:
    with pytest.raises(CalendarRefused, match="cn-2027"):
        await import_notice(web, LATER.replace("2027-02-04", "2026-02-04"))
    async with web.db.transaction() as tx:
        assert (await tx.execute(select(func.count()).select_from(calendar_file))).scalar_one() == 0


async def test_other_processes_hear_of_it_and_count_by_it(web: Web) -> None:
    other = CalendarKeeper(web.db, Rules(web.ground.rules.policies, web.ground.rules.calendar), web.calendars.compose)
    old = other.rules.calendar.version
    async with listen(web.db, CHANGED) as told:
        await import_notice(web, LATER)
        assert await told.get() != old
    await other.refresh()
    assert other.rules.calendar.version != old
    assert not other.rules.calendar.works(local(2027, 2, 4).date())


async def test_the_api_brings_a_notice_in_and_shows_the_year(web: Web) -> None:
    assert (await web.get("agent", "/api/calendars/2027"))["provisional"] is True
    body = {
        "kind": "year",
        "year": 2027,
        "source": "国务院办公厅关于2027年部分节假日安排的通知",
        "holidays": {"2027-02-04": "春节", "2027-02-05": "春节"},
        "makeup_workdays": {"2027-02-20": "春节"},
        "reason": "国办发明电〔2026〕9号",
    }
    assert (await web.ask("agent", "POST", "/api/calendars/cn-2027", body)).status == 403
    assert (await web.ask("admin", "POST", "/api/calendars/cn-2027", body)).status == 200
    year = await web.get("agent", "/api/calendars/2027")
    kinds = {day["date"]: day["kind"] for day in year["days"]}
    assert (kinds["2027-02-04"], kinds["2027-02-20"]) == ("holiday", "makeup_workday")
    assert [file["name"] for file in (await web.get("admin", "/api/calendars"))["rows"]] == ["cn-2027"]
    async with web.db.transaction() as tx:
        row = (await tx.execute(text("SELECT actor, detail FROM audit WHERE action = 'calendar.import'"))).one()
    assert row.actor == "user:admin"
    assert row.detail["reason"] == "国办发明电〔2026〕9号"


async def test_a_wrong_year_is_told_in_chinese_with_the_line(web: Web) -> None:
    body = {
        "kind": "year",
        "year": 2027,
        "source": "国务院办公厅的通知",
        "holidays": {"2026-02-04": "春节"},
        "makeup_workdays": {},
        "reason": "试一试",
    }
    answer = await web.ask("admin", "POST", "/api/calendars/cn-2027", body)
    assert answer.status == 422
    assert "没有保存" in answer.body["detail"]
    assert (await web.ask("agent", "GET", "/api/calendars/2090")).status == 404
    named = await web.ask("admin", "POST", "/api/calendars/2027", body)
    assert (named.status, named.body["title"]) == (422, "bad_name")


async def test_a_preview_says_what_would_change_and_saves_nothing(web: Web) -> None:
    async with web.db.transaction() as tx:
        for kind in ("求助", "投诉"):
            await running(tx, web.ground.rules, kind)
    body = {
        "kind": "year",
        "year": 2027,
        "source": "国务院办公厅关于2027年部分节假日安排的通知",
        "holidays": {"2027-02-04": "春节", "2027-02-05": "春节", "2027-02-08": "春节"},
        "makeup_workdays": {},
        "reason": "国办发明电〔2026〕9号",
    }
    version = (await web.get("agent", "/api/calendars/2027"))["version"]
    found = await web.post("admin", "/api/calendars/cn-2027/preview", body)
    changes = {one["date"]: (one["before"], one["after"]) for one in found["changes"]}
    assert changes["2027-02-04"] == ("workday", "holiday")
    assert changes["2027-10-01"] == ("holiday", "workday")
    assert (found["running"], found["looked"]) == (2, 2)
    assert found["later"] >= 1
    assert (await web.get("agent", "/api/calendars/2027"))["version"] == version
    wrong = await web.ask(
        "admin", "POST", "/api/calendars/cn-2027/preview", body | {"holidays": {"2026-02-04": "春节"}}
    )
    assert (wrong.status, wrong.code) == (422, "calendar_wrong")


async def test_the_review_is_followed_to_its_end(web: Web) -> None:
    async with web.db.transaction() as tx:
        await running(tx, web.ground.rules)
    job = await import_notice(web, LATER)
    await web.calendars.refresh()
    before = await web.get("admin", "/api/calendar-review")
    assert (before["waiting"], before["later"]) == (1, 0)
    await work(web).review(job)
    after = await web.get("admin", "/api/calendar-review")
    assert (after["waiting"], after["later"], after["kept"]) == (0, 1, 0)


async def test_every_file_in_force_is_shown_with_the_names_of_its_days(web: Web) -> None:
    await import_notice(web, LATER)
    shown = {one["name"]: one for one in (await web.get("admin", "/api/calendar-notices"))["rows"]}
    assert shown["cn-2026"]["makeup_workdays"]["2026-10-10"] == "国庆节"
    assert (shown["cn-2027"]["imported"], shown["cn-2027"]["holidays"]["2027-02-04"]) == (True, "假")
    assert (shown["cn-2028"]["provisional"], shown["cn-2028"]["holidays"]["2028-01-26"]) == (True, "春节")
    assert shown["gx-sanyuesan"]["kind"] == "overlay"
