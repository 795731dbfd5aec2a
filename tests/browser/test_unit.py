"""A handling unit at work: the way of a ticket on a telephone, what stands in the way, drafts, files, its own pages."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, FilePayload, Page, expect
from sqlalchemy import insert, select

from callcenter.attachments.tables import attachment
from callcenter.board import BoardEvent
from callcenter.db import Database
from tests.support.attached import PDF, png
from tests.support.axe import grave_findings
from tests.support.browser import TELEPHONE, Chromium, console_folder
from tests.support.lives import ask, dispatched, handling, reply_contents
from tests.support.regions import rules_of
from tests.support.web import Web, serving, with_people
from ticketing import tables
from ticketing.dispatch.units_tables import unit_notice

LONG = "龙胜镇桂龙路与北门街交叉口自来水主管道破裂，路面积水三天无人处理，周边四百余户居民停水，希望尽快抢修并恢复供水"


async def open_ticket(desk: Chromium, web: Web, ticket: str, who: str = "unit", **more: Any) -> Page:
    page = await desk.page(await web.sign_in(who), f"/console/unit/tickets/{ticket}", **more)
    await expect(page.get_by_role("heading", level=1)).to_be_visible()
    return page


async def state_of(web: Web, ticket: str) -> str:
    return str((await web.get("reviewer", f"/api/tickets/{ticket}"))["state"])


async def test_a_ticket_is_signed_worked_on_and_answered_on_a_telephone(desk: Chromium, web: Web) -> None:
    ticket = (await dispatched(web, title=LONG))["id"]
    page = await desk.page(await web.sign_in("unit"), "/console/unit", size=TELEPHONE)
    await expect(page.get_by_role("tab", name="待签收")).to_have_attribute("aria-selected", "true")
    await page.get_by_role("button", name=f"签收 {ticket}").click()
    await expect(page.get_by_text("已签收").first).to_be_visible()
    await page.get_by_role("tab", name="办理中").click()
    await page.get_by_role("link", name=LONG).click()
    bar = page.get_by_role("navigation", name="现在可以做")
    await bar.get_by_role("button", name="开始办理").click()
    await page.get_by_role("dialog").get_by_role("button", name="开始办理").click()
    await bar.get_by_role("button", name="回复办理结果").click()
    form = page.get_by_role("dialog", name="回复办理结果")
    await expect(form.get_by_label("具体办理单位")).to_have_value("water")
    await expect(form.get_by_role("button", name="提交回复")).to_be_disabled()
    await form.get_by_label("办理情况", exact=True).fill("十一点管道修复，恢复供水，路面已清理。")
    await form.get_by_label("联系诉求人的时间").fill(_local(datetime.now(UTC) - timedelta(minutes=3)))
    scene = form.get_by_role("region", name="现场照片或录像")
    await scene.locator("input[type=file]").first.set_input_files(
        {"name": "修复后.png", "mimeType": "image/png", "buffer": png()}
    )
    await expect(scene.get_by_role("checkbox")).to_be_checked()
    await form.get_by_role("button", name="预览").click()
    await expect(page.get_by_role("dialog", name="诉求人将看到的内容")).to_contain_text("十一点管道修复")
    await page.get_by_role("dialog", name="诉求人将看到的内容").get_by_role("button", name="关闭此对话框").click()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await form.get_by_role("button", name="提交回复").click()
    await expect(page.get_by_text("已回复，工单现在是")).to_be_visible()
    assert await state_of(web, ticket) == "surveying"
    async with web.db.transaction() as tx:
        reply = (await tx.execute(select(tables.ticket_reply.c.contents))).scalar_one()
        file = (await tx.execute(select(attachment))).one()
    assert [(one["ref"], one["sha256"]) for one in reply["scene"]] == [(f"file:{file.id}", file.sha256)]
    assert (reply["handler"], reply["handling_unit"]) == ("unit", "water")


def _local(at: datetime) -> str:
    return (at + timedelta(hours=8)).strftime("%Y-%m-%dT%H:%M")


async def test_a_complaint_asks_for_its_case_and_words_not_sent_are_there_after_a_reload(
    desk: Chromium, web: Web
) -> None:
    page = await open_ticket(desk, web, (await handling(web, request_type="投诉"))["id"])
    form = page.get_by_role("dialog", name="回复办理结果")
    await page.get_by_role("button", name="回复办理结果").first.click()
    await form.get_by_text("立案编号、立案日期").click()
    await expect(form.get_by_role("textbox", name="立案编号")).to_be_visible()
    await form.get_by_text("阶段性结果，尚有后续事项").click()
    await expect(form.get_by_label("后续处理计划")).to_be_visible()
    for name in ("立案编号", "立案日期", "阶段性办理结果", "后续处理计划"):
        await expect(form.get_by_text("还缺：")).to_contain_text(name)
    await form.get_by_label("办理情况", exact=True).fill("刚写到一半")
    await expect(page.get_by_text("草稿已加密保存在本机")).to_be_visible()
    assert "刚写到一半" not in await page.evaluate("JSON.stringify(localStorage)")
    await page.reload()
    await page.get_by_role("button", name="回复办理结果").first.click()
    await expect(form.get_by_label("办理情况", exact=True)).to_have_value("刚写到一半")
    await expect(form.get_by_role("textbox", name="立案编号")).to_be_visible()
    await form.get_by_text("不属于执法立案事项").first.click()
    await expect(form.get_by_role("textbox", name="立案编号")).to_have_count(0)


async def test_what_speaks_against_a_return_is_shown_before_it_is_asked_for(desk: Chromium, web: Web) -> None:
    ticket = (await handling(web))["id"]
    page = await open_ticket(desk, web, ticket)
    await page.get_by_role("button", name="申请退单").click()
    form = page.get_by_role("dialog", name="申请退单")
    await expect(form.get_by_role("heading", name="不予退回的情形")).to_be_visible()
    await expect(form.get_by_text("已提出延期申请", exact=True)).to_be_visible()
    await form.get_by_label("退单理由").fill("属于交通运输局职责")
    await expect(form.get_by_role("button", name="申请退单")).to_be_disabled()
    await form.get_by_label("法律法规或政策依据").fill("三定方案第三条")
    await form.get_by_role("button", name="申请退单").click()
    await expect(page.get_by_text("已申请退单，等待派单员审核")).to_be_visible()
    assert (await web.get("dispatcher", f"/api/tickets/{ticket}"))["return_open"]
    await expect(page.get_by_text("暂时不能做")).to_be_visible()
    await page.get_by_text("暂时不能做").click()
    await expect(page.get_by_text("退单申请正在审核，不能回复。")).to_be_visible()


async def test_an_extension_says_how_much_until_when_and_who_agrees(desk: Chromium, web: Web) -> None:
    ticket = await handling(web)
    page = await open_ticket(desk, web, ticket["id"])
    await page.get_by_role("button", name="申请延期").click()
    form = page.get_by_role("dialog", name="申请延期")
    await expect(form.get_by_text("县热线工作站")).to_be_visible()
    await expect(form.get_by_text("延长后的办理期限")).to_be_visible()
    await form.get_by_label("理由").fill("需停水施工")
    await form.get_by_label("向诉求人说明情况的时间").fill(_local(datetime.now(UTC) - timedelta(minutes=3)))
    # Somebody else is first: the form says so, keeps what was typed, and goes on.
    await ask(web, "dispatcher", ticket, "assists", unit="roads", reason="配合围挡")
    await form.get_by_role("button", name="申请延期").click()
    await expect(form.get_by_text("您打开表单之后，他人对本工单做了以下操作")).to_be_visible()
    await expect(form.get_by_label("理由")).to_have_value("需停水施工")
    await form.get_by_role("button", name="申请延期").click()
    await expect(page.get_by_text("已申请延期，等待县热线工作站决定")).to_be_visible()
    assert (await web.get("dispatcher", f"/api/tickets/{ticket['id']}"))["extension_asked"] == 1


async def test_an_assisting_unit_signs_and_gives_its_opinion(desk: Chromium, web: Web) -> None:
    ticket = await ask(web, "dispatcher", await handling(web), "assists", unit="roads", reason="配合围挡")
    page = await desk.page(await web.sign_in("unit2"), "/console/unit", size=TELEPHONE)
    await expect(page.get_by_role("tab", name="协办")).to_have_attribute("aria-selected", "true")
    await page.get_by_role("link", name="桂龙路停水").click()
    bar = page.get_by_role("navigation", name="现在可以做")
    await bar.get_by_role("button", name="协办签收").click()
    await page.get_by_role("dialog").get_by_role("button", name="签收").click()
    await bar.get_by_role("button", name="协办反馈意见").click()
    await page.get_by_role("dialog").get_by_label("办理意见").fill("已安排围挡，可以施工。")
    await page.get_by_role("dialog").get_by_role("button", name="反馈意见").click()
    await expect(page.get_by_text("已反馈协办意见")).to_be_visible()
    told = (await web.get("dispatcher", f"/api/tickets/{ticket['id']}/assists"))["orders"]
    assert [one["opinion"] for one in told] == ["已安排围挡，可以施工。"]


async def test_the_principal_reads_the_result_and_signs_it(browser: Browser, db: Database, tmp_path: Path) -> None:
    """Where the regulation has the unit's head start the work and seal the result."""
    async with serving(db, tmp_path, shipped=rules_of("mengcheng"), page=console_folder()) as started:
        web = await with_people(started)
        desk = Chromium(browser, str(web.client.make_url("/")).rstrip("/"))
        ticket = await _waiting_for_the_seal(web)
        page = await desk.page(await web.sign_in("head"), "/console/unit", size=TELEPHONE)
        await expect(page.get_by_role("tab", name="待签批")).to_have_attribute("aria-selected", "true")
        await page.get_by_role("link", name="桂龙路停水").click()
        await expect(page.get_by_role("region", name="本单位拟回复的办理结果")).to_contain_text("管道已修复")
        await page.get_by_role("navigation", name="现在可以做").get_by_role("button", name="签字盖章").click()
        form = page.get_by_role("dialog", name="签字盖章")
        await form.get_by_label("印章").fill("水务局公章〔2026〕12号")
        assert await grave_findings(page) == []
        await form.get_by_role("button", name="同意").click()
        await expect(page.get_by_role("region", name="本单位拟回复的办理结果")).to_have_count(0)
        assert (await web.get("reviewer", f"/api/tickets/{ticket}"))["state"] == "replied"
        await desk.close_all()


async def _waiting_for_the_seal(web: Web) -> str:
    source = rules_of("mengcheng").policies[-1].sources[0]
    fields = {"request_type": "求助", "source": source, "content": "桂龙路停水两天了。"}
    made = await ask(web, "agent", await web.post("agent", "/api/tickets", {"fields": fields}), "register")
    order = {"lead": "water", "basis": "职责清单", "instruction": "请尽快核实办理"}
    signed = await ask(web, "unit", await ask(web, "dispatcher", made, "dispatch", **order), "sign")
    begun = await ask(web, "head", signed, "start", led_by="李局长", rank="principal")
    contents = reply_contents() | {"not_enforcement": False}
    return str((await ask(web, "unit", begun, "signoff", contents=contents))["id"])


async def test_a_file_that_may_not_come_in_is_said_so_and_the_rest_stays(desk: Chromium, web: Web) -> None:
    ticket = (await handling(web))["id"]
    page = await open_ticket(desk, web, ticket)
    files = page.get_by_role("region", name="附件", exact=True)
    two: list[FilePayload] = [
        {"name": "假.pdf", "mimeType": "application/pdf", "buffer": b"MZ not a pdf"},
        {"name": "说明.pdf", "mimeType": "application/pdf", "buffer": PDF},
    ]
    await files.locator("input[type=file]").first.set_input_files(two)
    await expect(files.get_by_text("不是可以上传的种类")).to_be_visible()
    await expect(files.get_by_role("link", name="说明.pdf")).to_be_visible()
    async with page.expect_download() as waiting:
        await files.get_by_role("link", name="说明.pdf").click()
    assert (await (await waiting.value).path()).read_bytes() == PDF
    await files.get_by_role("button", name="撤回 说明.pdf").click()
    await page.get_by_role("button", name="确定").click()
    await expect(files.get_by_role("link", name="说明.pdf")).to_have_count(0)


async def test_meetings_notices_duty_and_people_are_the_unit_s_own(
    desk: Chromium, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = await handling(web)

    async def at_once(events: tuple[BoardEvent, ...]) -> None:
        for one in events:
            web.hub.hand_out(one)

    monkeypatch.setattr(web.hub.board, "publish", at_once)
    page = await desk.page(await web.sign_in("unit"), "/console/unit?tab=notices")
    await expect(page.get_by_text("没有待答复的会议通知")).to_be_visible()
    while not web.hub.viewers:
        await page.evaluate("new Promise(requestAnimationFrame)")
    at = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    call = {"kind": "meeting", "agenda": "研究停水原因", "place": "县政府三楼会议室", "at": at, "units": ["water"]}
    await web.post("dispatcher", f"/api/tickets/{ticket['id']}/coordination", call)
    await web.post("admin", "/api/unit-directory", {"id": "water", "name": "水务局", "kind": "department"})
    async with web.db.transaction() as tx:
        row = {
            "unit": "water",
            "kind": "off_hours",
            "key": "t1",
            "body": "非工作时间派单，请及时签收",
            "made_at": datetime.now(UTC),
        }
        await tx.execute(insert(unit_notice).values(**row))
    await page.get_by_role("button", name="答复").click()
    form = page.get_by_role("dialog", name="协调会议")
    await form.get_by_label("参加人员").fill("李局长\n王工")
    await form.get_by_label("办理意见").fill("同意会商方案")
    await form.get_by_role("button", name="答复").click()
    await expect(page.get_by_text("没有待答复的会议通知")).to_be_visible()
    [told] = (await web.get("dispatcher", f"/api/tickets/{ticket['id']}/coordination"))["rows"]
    assert told["units"][0]["attendees"] == ["李局长", "王工"]
    await page.get_by_role("button", name="已阅 1").click()
    await expect(page.get_by_text("没有未读的通知")).to_be_visible()
