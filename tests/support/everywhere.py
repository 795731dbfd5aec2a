"""One hotline with something on every screen, said in a given voice: what the sweeps over all screens look at."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import insert, text, update

from callcenter import heartbeat
from callcenter.archive.tables import archived_package
from callcenter.citizen.open311 import keys_of
from callcenter.db import Database
from callcenter.job import Job
from callcenter.reports import orders
from callcenter.reports.work import ReportWork
from callcenter.sms.message import Purpose
from callcenter.sms.tables import sms_message
from callcenter.tables import agent, listener_gap
from callcenter.types import CallId, Party, UnitId
from recordings import days, findings
from recordings.accounting import FileFinding
from recordings.recording import Problem
from tests.support import busy_exchange as busy
from tests.support.appraisal import kit
from tests.support.attached import PDF, given, png
from tests.support.browser import console_folder
from tests.support.dispatching import person
from tests.support.everywhere_tickets import at_dispatch, late, under_review
from tests.support.lives import EXCEPTION
from tests.support.stack import PostgresForTests
from tests.support.voices import Voice
from tests.support.web import CALL_ID, PEOPLE, Web, add_call, serving, with_people
from tests.support.whole_ticket import LINES, SECONDS, heard_call
from tests.support.world import NAMES, STORY, TITLES, UNITS, World
from ticketing import service
from ticketing.dispatch import units_store
from ticketing.dispatch.units import Post
from ticketing.dispatch.units_store import PeopleChange
from ticketing.dispatch.units_tables import unit_notice

PARTNER = "k" * 32
"""The key of a program that may send requests."""


class Stock(Protocol):
    """Where databases nobody has used come from."""

    async def take(self) -> str: ...

    def give_back(self, name: str) -> None: ...


@asynccontextmanager
async def standing(server: PostgresForTests, stock: Stock, folder: Path, say: Voice) -> AsyncIterator[World]:
    """All of it on a database of its own, for all tests of a file."""
    name = await stock.take()
    database = Database(server.dsn(name))
    partners = keys_of({"app": PARTNER})
    async with serving(database, folder, page=console_folder(), open311=partners) as web:
        yield await everywhere(await with_people(web), say)
    await database.close()
    stock.give_back(name)


async def everywhere(web: Web, say: Voice) -> World:
    """All of it."""
    world = World(web, say)
    await people_and_units(world)
    await whole(world)
    await at_dispatch(world)
    await under_review(world)
    await late(world)
    await exchange(world)
    await knowledge(world)
    await keeping(world)
    await reported(world)
    return world


async def people_and_units(world: World) -> None:
    """Everybody and every unit is called something; somebody is on duty; there is a catalogue and a calendar."""
    web, say = world.web, world.say
    now = datetime.now(UTC)
    for login in PEOPLE:
        seen = await web.get("admin", f"/api/users/{web.ids[login]}")
        body = {one: seen[one] for one in ("roles", "unit", "titles", "extension", "queues", "version")}
        body |= {"name": say.line(NAMES.get(login, login), 40)}
        if "agent" not in seen["roles"]:
            body |= {"queues": []}
        if login == "leader":
            body |= {"titles": [*TITLES, say.line("县政府分管热线工作的领导", 80)]}
        await world.post("admin", f"users/{seen['id']}", body)
    for unit, name in UNITS.items():
        about = {"functions": [say.line("供水抢修", 40)], "territory": [say.line("龙胜镇", 40)]}
        await world.post(
            "admin",
            "unit-directory",
            {
                "id": unit,
                "name": say.line(name, 60),
                "kind": "department",
                "phone": "07737512345",
                "active": True,
                **about,
            },
        )
    staff = [{"name": say.line("王小明", 20), "phone": "13900139000"}]
    change = {"post": "liaison", "people": staff, "changed_on": now.date().isoformat()}
    await world.post("admin", "unit-directory/water/people", change)
    async with web.db.transaction() as tx:
        duty = PeopleChange(Post.DUTY, (person(say.line("值班老赵", 20), Post.DUTY, "13900139000"),), now.date())
        await units_store.change_people(tx, UnitId("water"), duty, actor=STORY, now=now, rules=web.ground.rules)
    entry = {"subject": say.line("停水", 200), "keywords": [say.line("停水", 40)], "unit": "water"}
    await world.post("dispatcher", "dispatch-catalogue/P-OWN", {**entry, "basis": say.line("三定方案", 200)})
    overlay = {"kind": "overlay", "title": say.line("三月三", 80), "source": say.line("自治区人民政府公告", 200)}
    days_off = {f"{now.year}-04-02": say.line("三月三", 40)}
    notice = {**overlay, "years": [now.year], "holidays": days_off, "makeup_workdays": {}, "reason": say.long("桂政发")}
    await world.post("admin", "calendars/cn-gx", notice)


async def whole(world: World) -> None:
    """The ticket of a recorded and transcribed call, with everything that may be on its page."""
    web, say = world.web, world.say
    async with web.db.transaction() as tx:
        caller = await add_call(tx, web.vault, CALL_ID)
        now, rules = datetime.now(UTC), web.ground.rules
        drafted = await service.open_draft(
            tx, actor=STORY, now=now, rules=rules, call_id=CallId(CALL_ID), requester=caller
        )
    words = say.each([one[3] for one in LINES])
    step = (SECONDS - 1) / len(words)
    parties = (Party.AGENT, Party.CITIZEN, Party.CITIZEN, Party.UNIT)
    said = ((parties[n % 4], n * step, (n + 1) * step, one) for n, one in enumerate(words))
    await heard_call(web, said=tuple(said))
    ticket = world.ids["ticket"] = str(drafted.id)
    given_ = world.fields(subject="供水", source="电话")
    given_.pop("phone")
    await world.tell("agent", ticket, "edit", fields=given_, reason=say.long("补全诉求"))
    await world.tell("agent", ticket, "register", intake_exception=say.long(EXCEPTION))
    order = {"lead": "water", "assists": ["roads"], "basis": say.short("职责清单", 500)}
    await world.tell("dispatcher", ticket, "dispatch", **order, instruction=say.long("请核实办理"))
    await world.tell("unit", ticket, "sign", person=say.short("水务值班室", 500))
    await world.tell("unit", ticket, "start")
    await worked_on(world, ticket, caller)


async def worked_on(world: World, ticket: str, caller: int) -> None:
    """Files, talks, opinions, signatures, meetings, supervision, messages out."""
    web, say = world.web, world.say
    now = datetime.now(UTC)
    for data, name in ((png(), "现场.png"), (PDF, "说明.pdf")):
        await given(web, "unit", ticket, data, say.line(name.partition(".")[0], 100) + name[-4:])
    talked = {"at": now.isoformat(), "method": say.short("电话", 500), "told": say.long("已告知抢修进度")}
    talked["over_reason"] = say.short("诉求人约定此时联系", 500)  # whatever the hour
    await world.tell("unit", ticket, "contact", **talked)
    await world.tell("unit2", ticket, "assist/sign", person=say.short("李工", 500))
    await world.tell("unit2", ticket, "assist/opinion", opinion=say.long("路面由我局恢复"))
    await world.tell("unit", ticket, "approvals/ask", gate="report", reason=say.long("涉及产权移交，需县政府协调"))
    await world.tell("dispatcher", ticket, "mark", reason=say.long("媒体来问"), add=["media"])
    at = (now + timedelta(days=2)).isoformat()
    meeting = {"kind": "meeting", "agenda": say.long("研究停水原因"), "place": say.short("县政府三楼会议室", 500)}
    await world.post("dispatcher", f"tickets/{ticket}/coordination", {**meeting, "at": at, "units": ["water", "roads"]})
    await world.post("supervisor", f"tickets/{ticket}/urge", {"reason": say.short("市民多次来电催问", 500)})
    await world.tell("supervisor", ticket, "supervise", trigger="OTHER", reason=say.long("停水户数多"), form="written")
    await world.tell("supervisor", ticket, "warn", level="yellow", reason=say.long("久拖不决"))
    async with web.db.transaction() as tx:
        rows = [
            {
                "key": f"{key}:{ticket}",
                "identity_id": caller,
                "purpose": Purpose.INFO,
                "ticket_id": ticket,
                "body": body,
            }
            | {"state": state, "created_at": now, "submitted_at": now, "final_at": now, "reason": reason}
            for key, state, body, reason in (
                ("told", "delivered", say.long(f"您反映的事项已受理，工单编号{ticket}。"), ""),
                ("survey", "undelivered", say.long("您对办理结果是否满意？"), say.short("carrier: no route")),
            )
        ]
        await tx.execute(insert(sms_message), rows)
        told = {"unit": "water", "kind": "off_hours", "key": "t1", "made_at": now}
        await tx.execute(insert(unit_notice).values(**told, body=say.long("非工作时间派单，请及时签收")))


async def exchange(world: World) -> None:
    """Agents and their states, waiting citizens, calls of the day, missed ones, faults of recordings."""
    web, say = world.web, world.say
    now = datetime.now(UTC)
    midnight = now.astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
    async with web.db.transaction() as tx:
        extensions = await busy.with_agents(tx, 12, now)
        for extension in extensions:
            named = {"name": say.line("张话务员", 40), "reason": say.line("用餐", 20)}
            await tx.execute(update(agent).where(agent.c.id == extension).values(**named))
        await busy.with_waiting(tx, web.vault, 4, now)
        await busy.with_talks(tx, web.vault, extensions[:5], now)
        await busy.with_morning(tx, web.vault, midnight, range(2))
        await busy.with_three_party(tx, web.vault, "a-1763800000.700", now - timedelta(minutes=10))
        await busy.with_missed(tx, web.vault, "a-1763800000.800", now - timedelta(minutes=40), asked=True)
        gap = {"node": "a", "from_at": now, "until_at": now, "cause": say.short("restart")}
        await tx.execute(insert(listener_gap).values(**gap))
        await findings.see_files(tx, [FileFinding(Problem.FOREIGN, say.line("notes.txt", 120))], now)
        await days.compute(tx, now.date(), now)
        await heartbeat._write(tx, "work:a", now)
        job = "(priority, entrypoint, payload, execute_after, dedupe_key, headers, status)"
        held = "(0, 'sms.submit', '{}', now(), 'sms.submit:17', '{}', 'failed')"
        await tx.execute(text(f"INSERT INTO pgqueuer {job} VALUES {held}"))
    await world.post("admin", "big-screens", {"name": say.line("一楼大厅", 60)})


async def knowledge(world: World) -> None:
    """An item in use, one to be looked through, a question."""
    say = world.say
    for name, title in (("item", "停水抢修多久"), ("submitted", "阶梯水价怎么算")):
        contents: dict[str, Any] = {"template": "general", "text": say.long("停水后一般四小时内抢修。")}
        contents |= {"questions": [{"question": say.long("欠费会停水吗？"), "answer": say.long("书面催告后可以。")}]}
        contents |= {"pictures": [{"reference": say.line("图1", 500), "caption": say.short("抢修流程", 500)}]}
        item = {"title": say.short(title, 200), "keywords": [say.short("供水", 64)], "contents": contents}
        item |= {"valid_from": "2020-01-01", "accountable": say.line("刘工", 64), "note": say.short("例行", 500)}
        made = await world.post("unit", "knowledge/items", item)
        world.ids[name] = str(made["id"])
        sent = await world.post("unit", f"knowledge/items/{made['id']}/submit", {"revision": made["revision"]})
    made = await world.web.get("unit", f"/api/knowledge/items/{world.ids['item']}")
    passed = {"revision": made["revision"], "note": say.short("可以", 500)}
    await world.post("reviewer", f"knowledge/items/{world.ids['item']}/approve", passed)
    question = {"asked": say.long("夜间停水找谁？"), "item": int(world.ids["item"]), "defect": "missing"}
    world.ids["question"] = str((await world.post("agent", "knowledge/questions", question))["id"])
    assert sent["id"]


async def keeping(world: World) -> None:
    """A call that must be kept, and somebody who wants it freed."""
    say = world.say
    kept = {"call_id": CALL_ID, "reason": say.short("涉及行政诉讼，须保留证据", 1000)}
    await world.post("supervisor", "holds", kept)
    [hold] = (await world.web.get("supervisor", "/api/holds"))["rows"]
    freed = {"reason": say.short("诉讼已经结束，不再需要保留", 1000)}
    await world.post("supervisor", f"holds/{hold['id']}/release", freed)


async def reported(world: World) -> None:
    """Followed events, chosen cases, what people add to the figures, a report that was made with its files."""
    web, say = world.web, world.say
    today = datetime.now(UTC).date()
    event = {"subject": "供水", "place": say.line("桂龙路", 200), "title": say.short("桂龙路停水", 100)}
    await world.post("supervisor", "reports/events", {**event, "note": say.short("持续关注", 2000)})
    term = f"{today:%Y-%m}"
    case = {"term": term, "ticket": world.ids["ticket"], "kind": "problem", "comment": say.long("部门之间推诿")}
    await world.post("supervisor", "reports/cases", case)
    added = {"term": f"{today:%Y}", "unit": "water", "item": "reporting", "value": 9, "note": say.long("按时报送")}
    await world.post("supervisor", "appraisal/inputs", added)
    asked = {"definition": "monthly", "term": term, "remarks": say.long("供水问题集中，建议更换老旧管道。")}
    run = await world.post("supervisor", "reports", asked)
    world.ids["run"] = str(run["id"])
    work = ReportWork(web.db, web.ground.rules, kit(), web.spool / "reports")
    await work.make(Job(1, orders.MAKE_JOB, "k", json.dumps({"run": run["id"]}).encode(), 1))
    async with web.db.transaction() as tx:
        week = today.isocalendar()
        row = {"source": "here", "iso_year": week.year, "iso_week": week.week, "size_bytes": 40_960, "key": "ab" * 8}
        row |= {"path": "a/1.tar", "sha256": "cd" * 32, "made_at": datetime.now(UTC), "archived_at": datetime.now(UTC)}
        row |= {"ticket_id": world.ids["ticket"], "round": 1, "number": "LS-1", "files": 3, "last_hash": "ef" * 32}
        about = {"request_type": "咨询", "subject": say.line("供水", 200), "unit": "water"}
        await tx.execute(insert(archived_package).values(**row, secret=False, document=about))
