"""Lists as files: all pages with the same filters, named columns, nothing hidden comes out, every export on record."""

import csv
import io
import re
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from sqlalchemy import select

from callcenter.db import Database
from callcenter.tables import audit
from callcenter.web import list_export, list_files
from callcenter.web.groups import GROUPS
from callcenter.web.list_cells import fields_of, head_of
from callcenter.web.list_export import WITHHELD, listed
from callcenter.web.list_files import Format
from callcenter.web.router import Route
from tests.support.lives import ask, dispatched, opened, registered
from tests.support.web import PHONE, Answer, Web, serving, with_people

HOSTILE = ("=1+1", "+86", "-2", "@SUM(A1)", "\t=cmd", "＝1+1")
SCREENS = Path(__file__).parents[2] / "callcenter" / "console" / "src" / "screens"
SHEET = "xl/worksheets/sheet1.xml"


@pytest.fixture
async def web(db: Database, tmp_path: Path) -> AsyncIterator[Web]:
    async with serving(db, tmp_path) as one:
        yield await with_people(one)


async def exported(web: Web, who: str, path: str, format_: Format = Format.CSV, **query: Any) -> Answer:
    return await web.ask(who, "GET", path, headers={"Accept": format_}, params=query)


def table(answer: Answer) -> tuple[list[dict[str, str]], str]:
    """Rows by their heads, and the last line."""
    assert answer.status == 200, answer.raw.decode()
    lines = list(csv.reader(io.StringIO(answer.raw.decode("utf-8-sig"))))
    head, rows, empty, note = lines[0], lines[1:-2], lines[-2], lines[-1]
    assert empty == []
    return [dict(zip(head, row, strict=True)) for row in rows], note[0]


async def kept(web: Web, action: str) -> list[Any]:
    async with web.db.transaction() as tx:
        query = select(audit.c.actor, audit.c.subject, audit.c.detail).where(audit.c.action == action)
        return [tuple(row) for row in await tx.execute(query.order_by(audit.c.id))]


def models_of(row: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield row
    for field in row.model_fields.values():
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from models_of(kind)


def lists() -> list[Route]:
    return [route for group in GROUPS for route in group.routes if listed(route)]


def test_every_column_of_every_list_has_a_name_people_read() -> None:
    assert len(lists()) > 50
    nameless = {
        f"{model.__name__}.{name}: {route.path}"
        for route in lists()
        if (of := listed(route))
        for model in models_of(of.row)
        for name in fields_of(model)
        if not re.search("[\u4e00-\u9fff]", head_of(model, name) or "")
    }
    assert nameless == set()


def test_every_list_of_the_console_can_be_had_as_a_file() -> None:
    """Of a list whose address is put together when it is asked for, its own screen's test shows that it is one."""
    known, unable, wrong = {route.path for route in lists()}, [], []
    for path in SCREENS.rglob("*.vue"):
        source = path.read_text("utf-8")
        unable += [path.name] if source.count("<ServerTable") > source.count(":as-file=") else []
        wrong += [one for one in re.findall(r"as-?[fF]ile.*?path: '([^']+)'", source) if one not in known]
    assert (unable, wrong) == ([], [])


def test_of_every_list_that_is_paged_the_next_page_is_known() -> None:
    paged = [route for route in lists() if route.query is not None and "limit" in route.query.model_fields]
    assert len(paged) > 25
    assert [route.path for route in paged if (of := listed(route)) and not of.next] == []


async def test_all_pages_come_with_the_same_filter_and_it_is_on_record(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = [(await registered(web, title=f"第{n}件", content=f"第{n}盏路灯不亮"))["id"] for n in range(5)]
    await registered(web, request_type="投诉")
    monkeypatch.setattr(list_export, "_most_of", lambda _: {"limit": "2"})
    answer = await exported(web, "supervisor", "/api/tickets", type="求助")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert "%E5%B7%A5%E5%8D%95%E5%88%97%E8%A1%A8-" in answer.headers["Content-Disposition"]
    rows, note = table(answer)
    assert [row["工单编号"] for row in rows] == mine[::-1]
    assert re.fullmatch(r"2\d{3}-\d\d-\d\d \d\d:\d\d:\d\d", rows[0]["登记时间"])
    assert (rows[0]["状态"], rows[0]["突发"]) == ("已登记", "否")
    assert re.match(r"导出人：supervisor（supervisor）；时间：.*；共5行。$", note)
    filters = {"format": "csv", "type": "求助"}
    assert await kept(web, "list.export") == [("user:supervisor", "list:/api/tickets", filters)]
    assert await kept(web, "list.exported") == [
        ("user:supervisor", "list:/api/tickets", {**filters, "rows": 5, "cut": False})
    ]


async def test_what_is_hidden_on_the_screen_is_hidden_in_the_file(web: Web) -> None:
    told = f"请联系{PHONE}"
    await dispatched(web, title=told)
    [row] = table(await exported(web, "unit", "/api/tickets"))[0]
    assert row["标题"] == "请联系138****8000"
    assert table(await exported(web, "unit2", "/api/tickets"))[0] == []
    assert (await exported(web, "admin", "/api/tickets")).status == 403
    assert (await web.ask(None, "GET", "/api/tickets", headers={"Accept": Format.CSV})).status == 401


async def test_of_a_secret_ticket_nothing_it_says_gets_into_a_file(web: Web) -> None:
    secret = await registered(web, title="举报某人", content="举报某人收钱", confidential=True)
    for format_ in Format:
        answer = await exported(web, "supervisor", "/api/tickets", format_)
        assert "举报某人" not in whole(answer)
    [row] = table(await exported(web, "supervisor", "/api/tickets"))[0]
    assert (row["工单编号"], row["标题"], row["状态"]) == (secret["id"], WITHHELD, "已登记")


def whole(answer: Answer) -> str:
    """Everything a file says."""
    if answer.raw[:2] != b"PK":
        return answer.raw.decode()
    with zipfile.ZipFile(io.BytesIO(answer.raw)) as book:
        return "".join(book.read(name).decode() for name in book.namelist())


async def test_no_cell_becomes_a_formula(web: Web) -> None:
    for text in HOSTILE:
        await opened(web, title=text, content=text)
    rows, _ = table(await exported(web, "dispatcher", "/api/tickets"))
    assert {row["标题"] for row in rows} == {f"'{text}" for text in HOSTILE}
    answer = await exported(web, "dispatcher", "/api/tickets", Format.XLSX)
    assert (answer.headers["Content-Type"], answer.headers["X-List-Rows"]) == (Format.XLSX, "6")
    with zipfile.ZipFile(io.BytesIO(answer.raw)) as book:
        sheet = book.read(SHEET).decode()
        assert "<f>" not in sheet
        assert "quotePrefix" in book.read("xl/styles.xml").decode()
        assert "工单编号" in sheet
        assert "@SUM(A1)" in sheet
        assert "导出人：dispatcher（dispatcher）" in book.read("xl/worksheets/sheet2.xml").decode()


async def test_a_list_that_is_too_long_is_cut_and_says_so(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        await opened(web)
    for module in (list_export, list_files):
        monkeypatch.setattr(module, "MOST_ROWS", 2)
    rows, note = table(await exported(web, "supervisor", "/api/tickets"))
    assert len(rows) == 2
    assert note.endswith("共2行。已达上限2行，其余没有导出，请缩小范围后分次导出。")
    assert (await kept(web, "list.exported"))[0][2]["cut"] is True


async def test_what_is_no_list_or_wrongly_asked_or_asked_too_often_is_refused(
    web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await exported(web, "agent", "/api/me")).code == "no_list"
    assert (await exported(web, "agent", "/api/tickets", state="nothing")).status == 422
    assert await kept(web, "list.export") == []
    monkeypatch.setattr(list_export, "PER_HOUR", 1)
    assert (await exported(web, "agent", "/api/calls")).status == 200
    assert (await exported(web, "agent", "/api/calls")).code == "exports_spent"
    assert (await exported(web, "reviewer", "/api/calls")).status == 200


async def test_lists_of_every_shape_come_out(web: Web) -> None:
    """By two cursors, by the last id, without paging, with what is nested in a row."""
    ticket = await dispatched(web, confidential=True)
    await web.post("auditor", f"/api/tickets/{ticket['id']}/releases", {"kind": "export", "purpose": "依法调取"})
    for who, path, query in (
        ("supervisor", "/api/deadlines/near", {"hours": 1440, "kind": "sign"}),
        ("reviewer", "/api/releases", {}),
        ("dispatcher", "/api/unit-directory", {}),
        ("auditor", "/api/audit", {"action": "ticket.read"}),
        ("auditor", "/api/recordings/days", {"from": "2026-06-01", "to": "2026-06-30"}),
        ("admin", "/api/users", {"role": "agent"}),
        ("supervisor", "/api/listener-gaps", {}),
        ("supervisor", "/api/leader-sessions", {}),
        ("dispatcher", "/api/returns/repeated", {}),
        ("unit", "/api/commitments", {}),
        ("unit", "/api/rosters", {"since": "2026-06-01T00:00:00+08:00", "until": "2026-06-30T00:00:00+08:00"}),
    ):
        table(await exported(web, who, path, **query))
    [row] = table(await exported(web, "reviewer", "/api/releases"))[0]
    assert (row["工单编号"], row["用途"]) == (ticket["id"], WITHHELD)


# ---- what tickets can be listed by ------------------------------------------------------------------------------


async def ids(web: Web, who: str = "supervisor", **query: Any) -> list[str]:
    return [row["id"] for row in (await web.get(who, "/api/tickets", **query))["rows"]]


async def test_tickets_are_filtered_by_what_people_ask_for(web: Web) -> None:
    draft = (await opened(web))["id"]
    there = (await dispatched(web, subject="路灯"))["id"]
    gone = (await ask(web, "agent", await registered(web, request_type="投诉"), "withdraw", reason="市民撤回"))["id"]
    assert await ids(web, running="true") == [there, draft]
    assert await ids(web, running="false") == [gone]
    assert await ids(web, subject="路灯") == [there]
    [row] = (await web.get("supervisor", "/api/tickets", subject="路灯"))["rows"]
    assert (row["unit"], row["unit_name"], row["rating"]) == ("water", "water", None)
    at = row["registered_at"]
    assert await ids(web, registered_since=at) == [gone, there]
    assert await ids(web, registered_until=at) == []
    assert await ids(web, created_since=row["created_at"], created_until=at) == [there]
    assert await ids(web, overdue="true") == []
    assert await ids(web, due_before="2099-01-01T00:00:00+08:00") == [there]


async def test_only_who_speaks_with_citizens_lists_one_citizens_tickets(web: Web) -> None:
    mine = await opened(web)
    await opened(web, phone="13900139000")
    who = (await web.get("agent", f"/api/tickets/{mine['id']}"))["requester"]["identity"]
    assert await ids(web, "agent", identity=who) == [mine["id"]]
    assert await kept(web, "identity.tickets") == [("user:agent", f"identity:{who}", {})]
    for other in ("dispatcher", "unit", "leader", "auditor"):
        assert (await web.ask(other, "GET", "/api/tickets", params={"identity": who})).status == 403


async def test_every_order_pages_through_every_ticket_once(web: Web) -> None:
    made = [(await opened(web))["id"]]
    made += [(await dispatched(web, **fields))["id"] for fields in ({}, {"request_type": "咨询"}, {})]
    made += [(await opened(web))["id"]]
    await ask(web, "unit", await web.get("unit", f"/api/tickets/{made[1]}"), "sign")
    orders = {}
    for sort in ("newest", "due", "updated"):
        seen, after = [], ""
        for _ in range(9):
            page = await web.get("supervisor", "/api/tickets", sort=sort, after=after, limit=1)
            seen += page["rows"]
            after = page["next"]
            if after is None:
                break
        assert sorted(row["id"] for row in seen) == sorted(made), sort
        orders[sort] = seen
    dues = [row["handle_due_at"] for row in orders["due"]]
    assert dues[3:] == [None, None]
    assert dues[:3] == sorted(dues[:3])
    updates = [row["updated_at"] for row in orders["updated"]]
    assert updates == sorted(updates, reverse=True)
    assert orders["updated"][0]["id"] == made[1]
    assert (await web.ask("agent", "GET", "/api/tickets", params={"sort": "due", "text": "停水"})).code == "OnlyNewest"
