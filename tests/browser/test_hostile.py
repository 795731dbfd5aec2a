"""Sixty hostile texts in everything people, machines and other systems say: text on every screen, print and file."""

import csv
import io
import json
import re
import zipfile
from collections.abc import AsyncIterator
from typing import Any
from xml.etree import ElementTree

import pytest
from playwright.async_api import Page, expect
from pypdf import PdfReader

from callcenter.board import BoardEvent
from callcenter.types import TicketId
from callcenter.web.list_files import Format
from tests.conftest import Stock
from tests.support import desk as line
from tests.support.browser import TELEPHONE, Chromium
from tests.support.everywhere import PARTNER, standing
from tests.support.hostile import TEXTS
from tests.support.screens import AREAS, SOME_MASKED, View
from tests.support.stack import PostgresForTests
from tests.support.sweeps import SIZES, Sweep, Watched, pictured
from tests.support.voices import Hostile, seen, texts_in
from tests.support.world import World

ALL = "\n".join(TEXTS)
BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
UNTYPABLE = "input[type=checkbox], input[type=radio], input[type=file], input[type=date], input[type=range]"


@pytest.fixture(scope="module")
async def world(
    postgres: PostgresForTests, stock: Stock, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[World]:
    """A hotline where everybody means harm."""
    async with standing(postgres, stock, tmp_path_factory.mktemp("spool"), Hostile()) as one:
        yield one


@pytest.fixture
async def desk(browser: object, world: World) -> AsyncIterator[Chromium]:
    """A broken content security policy, an error and a dialog fail the test when it is over."""
    opened = Chromium(browser, str(world.web.client.make_url("/")).rstrip("/"))  # type: ignore[arg-type]
    yield opened
    await opened.close_all()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("area", AREAS)
async def test_hostile_texts_are_text_on_every_screen(desk: Chromium, world: World, area: str, size: str) -> None:
    sweep, found, read = Sweep(desk, world), dict[str, Any](), frozenset[str]()
    for number, view in enumerate(AREAS[area]):
        watched = await sweep.open(view, size)
        await pictured(watched, f"hostile-{area}-{number:02}-{view.name}-{size}")
        there = texts_in(await sweep.shown(watched))
        read |= there
        wrong = await sweep.harmed(watched)
        if len(there) < view.texts:
            wrong.append(f"{len(there)} of {view.texts} texts, not {[one[:20] for one in set(TEXTS) - there][:9]}")
        if wrong:
            found[f"{view.who} {view.address(world)}"] = wrong
    assert found == {}
    assert len(read) == len(TEXTS) or area == "office"


# ---- typed ---------------------------------------------------------------------------------------------------------

FORMS = (
    View("", "agent", "/desk?ticket={draft}"),
    View("", "agent", "/knowledge"),
    View("", "supervisor", "/tickets"),
    View("", "dispatcher", "/dispatch?ticket={waiting}"),
    View("", "unit", "/unit/tickets/{ticket}", ("main button:has-text('回复办理结果')",)),
    View("", "unit", "/knowledge/new"),
    View("", "reviewer", "/review?tab=unsatisfied&open={unsatisfied}-0"),
    View("", "admin", "/admin/sms", ("button:has-text('试写')",)),
    View("", "admin", "/admin/users/new"),
    View("", "admin", "/admin/units?unit=water"),
)


async def type_everything(page: Page) -> None:
    """Every text into some field, one field after another."""
    boxes = page.locator("input:visible:enabled, textarea:visible:enabled").and_(page.locator(f":not({UNTYPABLE})"))
    for number, text in enumerate(TEXTS):
        # A page that filters as one types may have fewer of them by now.
        box = boxes.nth(number % await boxes.count())
        if await box.is_editable():
            await box.fill(text.replace("\r\n", " "))


@pytest.mark.parametrize("view", FORMS, ids=lambda view: view.name)
async def test_hostile_texts_can_be_typed_into_any_field(desk: Chromium, world: World, view: View) -> None:
    sweep = Sweep(desk, world)
    watched = await sweep.open(view, "telephone")
    await type_everything(watched.page)
    await watched.settled()
    assert await sweep.harmed(watched) == []
    assert texts_in(await sweep.shown(watched))


# ---- told live -----------------------------------------------------------------------------------------------------


async def test_hostile_words_come_live(desk: Chromium, world: World) -> None:
    sweep, web = Sweep(desk, world), world.web
    watched = await sweep.open(View("", "agent", "/desk?ticket={draft}"), "telephone")
    while not web.hub.viewers:
        await watched.page.evaluate("new Promise(requestAnimationFrame)")
    for number, text in enumerate(TEXTS):
        line.speak(web, number + 1, text, 3.0 * number, final=number < len(TEXTS) - 1)
    item = {"id": 1, "version": 1, "title": ALL, "quote": ALL, "start_s": 1.0, "end_s": 2.0}
    line.tell(web, "knowledge.offered", items=[{**item, "title_html": _escaped(ALL), "snippet_html": _escaped(ALL)}])
    line.tell(web, "call.ringing", agent="8001", identity=1, caller=ALL, queue=ALL, request_type=ALL, recorded=True,
              earlier_calls=1, earlier_tickets=[{"id": world.ids["ticket"], "title": ALL, "state_name": ALL,
                                                 "request_type": ALL, "opened_on": "2026-11-20"}])  # fmt: skip
    await expect(watched.page.get_by_role("log")).to_contain_text("全家都没水")
    await watched.settled()
    assert await sweep.harmed(watched) == []
    assert len(texts_in(await watched.page.get_by_role("log").inner_text())) == len(TEXTS)
    board = await sweep.open(View("", "supervisor", "/wallboard"), "telephone")
    web.hub.hand_out(BoardEvent("call.queued", {"call": ALL, "caller": ALL, "queue": ALL}))
    web.hub.hand_out(BoardEvent("agent.observed", {"agent": ALL, "name": ALL}))
    await board.settled()
    assert await sweep.harmed(board) == []


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


# ---- on paper and in files -----------------------------------------------------------------------------------------


async def test_hostile_texts_are_text_on_paper(desk: Chromium, world: World) -> None:
    sweep = Sweep(desk, world)
    view = next(one for one in AREAS["tickets"] if one.route.endswith("/print"))
    watched = await sweep.open(view, "desktop")
    await watched.page.emulate_media(media="print")
    assert await sweep.harmed(watched) == []
    printed = "".join(page.extract_text() for page in PdfReader(io.BytesIO(await watched.page.pdf())).pages)
    # A PDF keeps no joined pictures and writes right-to-left runs in the order they are drawn.
    assert len(texts_in(printed)) >= 50
    for form in ("docx", "pdf"):
        path = f"/api/tickets/{world.ids['ticket']}/file/paper?format={form}"
        answer = await world.web.ask("supervisor", "POST", path)
        assert answer.status == 200, answer.raw[:300]
        if form == "docx":
            _only_text(answer.raw, "word/document.xml")


def _only_text(raw: bytes, part: str) -> None:
    """A Word file whose document is well formed and runs nothing."""
    with zipfile.ZipFile(io.BytesIO(raw)) as book:
        ElementTree.fromstring(book.read(part))
        assert not [name for name in book.namelist() if "vba" in name or "embeddings" in name]
        text = "".join(ElementTree.fromstring(book.read(part)).itertext())
    assert len(texts_in(text)) >= 55, set(TEXTS) - texts_in(text)


LISTS = (
    ("supervisor", "/api/tickets"),
    ("supervisor", "/api/supervisions"),
    ("supervisor", "/api/cards"),
    ("supervisor", "/api/accountability/cases"),
    ("supervisor", "/api/calls"),
    ("supervisor", "/api/listener-gaps"),
    ("auditor", "/api/holds"),
    ("auditor", "/api/audit"),
    ("admin", "/api/users"),
    ("dispatcher", "/api/unit-directory"),
    ("dispatcher", "/api/dispatch-requests?kind=return"),
    ("dispatcher", "/api/dispatch-requests?kind=dispute"),
    ("reviewer", "/api/commitments"),
    ("unit", "/api/knowledge/questions"),
    ("unit", "/api/knowledge/items"),
    ("supervisor", "/api/reports/events"),
    ("supervisor", "/api/reports/cases?term={month}"),
)


async def test_no_cell_of_a_list_becomes_a_formula(world: World) -> None:
    month = (await world.web.get("supervisor", f"/api/reports/runs/{world.ids['run']}"))["term"]
    told = ""
    for who, path in LISTS:
        path = path.format(month=month)
        raw = await _asked(world, who, path, Format.CSV)
        for row in csv.reader(io.StringIO(raw.decode("utf-8-sig"))):
            assert [cell for cell in row if cell.startswith(BEGINS_A_FORMULA) and not _a_number(cell)] == [], path
        told += raw.decode()
        _no_formula(await _asked(world, who, path, Format.XLSX), path)
    assert len(texts_in(told.replace('""', '"'))) == len(TEXTS)


async def _asked(world: World, who: str, path: str, kind: Format) -> bytes:
    answer = await world.web.ask(who, "GET", path, headers={"Accept": kind})
    assert answer.status == 200, (path, answer.raw[:300].decode())
    return answer.raw


def _a_number(cell: str) -> bool:
    return re.fullmatch(r"[+-]?[0-9.]+%?", cell) is not None


def _no_formula(raw: bytes, what: str) -> None:
    with zipfile.ZipFile(io.BytesIO(raw)) as book:
        for name in book.namelist():
            if name.endswith((".xml", ".rels")):
                ElementTree.fromstring(book.read(name))
            if name.startswith("xl/worksheets/"):
                assert b"<f" not in book.read(name).replace(b"<family", b""), what
                assert b"<hyperlink" not in book.read(name), what


async def test_the_files_of_a_report_are_text(world: World) -> None:
    run = await world.web.get("supervisor", f"/api/reports/runs/{world.ids['run']}")
    assert run["files"]
    for file in run["files"]:
        raw = (await world.web.ask("supervisor", "GET", f"/api/reports/files/{file['id']}")).raw
        if file["format"] == "xlsx":
            _no_formula(raw, file["name"])
        elif file["format"] == "csv":
            for row in csv.reader(io.StringIO(raw.decode("utf-8-sig"))):
                assert [cell for cell in row if cell.startswith(BEGINS_A_FORMULA) and not _a_number(cell)] == []
        elif file["format"] == "docx":
            with zipfile.ZipFile(io.BytesIO(raw)) as book:
                ElementTree.fromstring(book.read("word/document.xml"))
        elif file["format"] == "html":
            assert b"<script" not in raw.lower()


# ---- citizens and other programs -----------------------------------------------------------------------------------


async def test_what_a_citizen_typed_comes_back_as_text(desk: Chromium, world: World) -> None:
    context = await desk.context(size=TELEPHONE)
    watched = Watched(await context.new_page())
    page = watched.page
    await page.goto("/citizen/report")
    await page.get_by_label("具体情况和您的要求").fill(ALL)
    fields = page.locator("input[type=text]:visible, input:not([type]):visible")
    for number in range(await fields.count()):
        await fields.nth(number).fill(TEXTS[number])
    await page.get_by_role("button", name="提交并获取短信验证码").click()
    await expect(page.get_by_role("alert")).to_be_visible()
    sweep = Sweep(desk, world)
    assert await sweep.harmed(watched) == []
    assert len(texts_in(await sweep.shown(watched))) == len(TEXTS)
    ticket = world.ids["surveyed"]
    await page.goto("/citizen/progress")
    await page.get_by_label("工单编号").fill(ticket)
    await page.get_by_label("查询码").fill(world.web.vault.citizen_code(TicketId(ticket)))
    await page.get_by_role("button", name="查询").click()
    await expect(page.get_by_text("承办单位回复办理结果")).to_be_visible()
    assert await sweep.harmed(watched) == []


async def test_another_program_is_told_text(world: World) -> None:
    sent = {"service_code": "01.02", "description": ALL, "address_string": TEXTS[0], "phone": "13900139000"}
    answer = await world.web.ask(None, "POST", "/open311/v2/requests.json", data={**sent, "api_key": PARTNER})
    assert answer.status == 201, answer.raw.decode()
    made = await world.web.get("agent", f"/api/tickets/{answer.body[0]['service_request_id']}")
    assert texts_in(made["content"]) == frozenset(TEXTS)
    as_json = await world.web.ask(None, "GET", "/open311/v2/requests.json")
    as_xml = await world.web.ask(None, "GET", "/open311/v2/requests.xml")
    [published] = json.loads(as_json.raw)
    [same] = ElementTree.fromstring(as_xml.raw)
    assert seen(same.findtext("description") or "") == seen(published["description"])
    assert len(texts_in(published["description"])) >= SOME_MASKED
    for one in (as_json, as_xml):
        assert one.headers["X-Content-Type-Options"] == "nosniff"
        assert "html" not in one.headers["Content-Type"]
