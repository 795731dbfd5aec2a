"""The administrator's pages: accounts, units, the work calendar, menus, templates, models, the system."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest
from playwright.async_api import FilePayload, Page, expect
from sqlalchemy import select, text

from callcenter import heartbeat
from callcenter.tables import audit, user_account
from tests.support.axe import grave_findings
from tests.support.browser import Chromium
from tests.support.seeded_units import seeded
from tests.support.web import Web

YEAR = datetime.now(UTC).year + 1


@pytest.fixture
async def office(web: Web) -> Web:
    """With the region's units, and processes that have said something."""
    async with web.db.transaction() as tx:
        await seeded(tx)
        await heartbeat._write(tx, "work:a", datetime.now(UTC))
        await tx.execute(
            text(
                "INSERT INTO pgqueuer (priority, entrypoint, payload, execute_after, dedupe_key, headers, status)"
                " VALUES (0, 'sms.submit', '{}', now(), 'sms.submit:17', '{}', 'failed')"
            )
        )
    return web


async def opened(desk: Chromium, web: Web, path: str, **more: Any) -> Page:
    return await desk.page(await web.sign_in("admin"), f"/console/admin/{path}", **more)


async def reason(page: Page, why: str) -> None:
    """Answer the question why."""
    box = page.get_by_role("dialog")
    await box.get_by_role("textbox").fill(why)
    await box.get_by_role("button", name="确定").click()


async def test_an_account_from_its_first_password_to_its_end(desk: Chromium, office: Web) -> None:
    page = await opened(desk, office, "users")
    await page.get_by_role("button", name="新增用户").click()
    await page.get_by_label("用户名", exact=True).fill("chenjie")
    await page.get_by_label("姓名", exact=True).fill("<b>陈洁</b>")
    await page.get_by_text("话务员", exact=True).click()
    await page.get_by_label("分机").fill("8010")
    await page.get_by_text("热线 hotline").click()
    await page.get_by_role("button", name="保存").click()
    once = page.get_by_role("dialog", name="一次性密码")
    password = await once.locator("output").inner_text()
    await once.get_by_role("button", name="已告知，关闭").click()
    await expect(page.get_by_role("heading", name="chenjie <b>陈洁</b>")).to_be_visible()

    new = await desk.page(path="/console/sign-in")
    await new.get_by_label("用户名").fill("chenjie")
    await new.get_by_label("密码", exact=True).fill(password)
    await new.get_by_role("button", name="登录").click()
    await expect(new.get_by_role("heading", name="设置新密码")).to_be_visible()

    await page.get_by_role("button", name="停用账号").click()
    await reason(page, "调离岗位")
    await expect(page.get_by_text("已停用")).to_be_visible()
    async with office.db.transaction() as tx:
        row = (await tx.execute(select(user_account).where(user_account.c.login == "chenjie"))).one()
        told = (await tx.execute(select(audit.c.detail).where(audit.c.action == "user.disable"))).scalar_one()
    assert (row.disabled, row.extension, told["reason"]) == (True, "8010", "调离岗位")


async def test_two_administrators_change_one_account_and_nothing_is_lost(desk: Chromium, office: Web) -> None:
    page = await opened(desk, office, f"users/{office.ids['agent2']}")
    await page.get_by_label("姓名").fill("李强")
    seen = await office.get("admin", f"/api/users/{office.ids['agent2']}")
    body = {name: seen[name] for name in ("name", "roles", "extension", "version")}
    await office.post("admin", f"/api/users/{seen['id']}", body | {"name": "李刚", "queues": ["enterprise"]})
    await page.get_by_role("button", name="保存").click()
    merge = page.get_by_role("dialog")
    await expect(merge.get_by_text("李刚")).to_be_visible()
    await merge.get_by_role("radio", name="我填写的 李强").check()
    await merge.get_by_role("button", name="按所选保存").click()
    await expect(page.get_by_text("账号已保存")).to_be_visible()
    now = await office.get("admin", f"/api/users/{seen['id']}")
    assert (now["name"], now["queues"], now["version"]) == ("李强", ["enterprise"], 3)


async def test_a_unit_its_people_and_the_catalogue_are_kept(desk: Chromium, office: Web) -> None:
    page = await opened(desk, office, "units")
    await page.get_by_label("名称、职责、属地、负责人、电话").fill("自来水")
    await page.get_by_role("link", name="县自来水公司").click()
    await page.get_by_label("联系电话").fill("07737516666")
    await page.get_by_label("办公时间", exact=True).fill("08:30-12:00\n14:30-17:30")
    await page.get_by_role("button", name="保存").click()
    await expect(page.get_by_text("单位已保存")).to_be_visible()
    await page.get_by_role("button", name="变更 联络员").click()
    people = page.get_by_role("dialog")
    await people.get_by_label("姓名").fill("王小明")
    await people.get_by_label("电话").fill("13900139000")
    await people.get_by_role("button", name="保存").click()
    await expect(page.get_by_text("王小明")).to_be_visible()
    rows = (await office.get("admin", "/api/unit-directory"))["units"]
    unit = next(one for one in rows if one["id"] == "water")
    assert (unit["phone"], unit["hours"]) == ("07737516666", [["08:30", "12:00"], ["14:30", "17:30"]])
    assert [one["name"] for one in unit["people"] if one["post"] == "liaison"] == ["王小明"]

    await page.get_by_role("link", name="派单目录").click()
    await page.get_by_role("button", name="P-WATER").click()
    line = next(
        one for one in (await office.get("admin", "/api/dispatch-catalogue"))["entries"] if one["code"] == "P-WATER"
    )
    mine = {name: line[name] for name in ("subject", "unit", "basis", "duty_of")}
    await office.post("dispatcher", "/api/dispatch-catalogue/P-WATER", mine | {"keywords": ["停水", "爆管"]})
    await page.get_by_label("关键词", exact=True).fill("停水\n水表")
    await page.get_by_role("dialog").get_by_role("button", name="保存").click()
    await expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("爆管")
    await page.get_by_role("button", name="仍按我填写的保存").click()
    await expect(page.get_by_role("dialog")).to_be_hidden()
    entries = {
        one["code"]: one["keywords"] for one in (await office.get("admin", "/api/dispatch-catalogue"))["entries"]
    }
    assert entries["P-WATER"] == ["停水", "水表"]


async def test_a_year_is_brought_in_and_a_weekend_exchanged_by_a_click(desk: Chromium, office: Web) -> None:
    page = await opened(desk, office, "calendars")
    weekend = next(date(YEAR, 3, day) for day in range(1, 8) if date(YEAR, 3, day).weekday() == 6)
    notice = {
        "kind": "year",
        "year": YEAR,
        "source": f"国务院办公厅关于{YEAR}年部分节假日安排的通知",
        "holidays": {f"{YEAR}-01-01": "元旦"},
        "makeup_workdays": {},
        "reason": "国办发明电〔2026〕9号",
    }
    upload: FilePayload = {
        "name": "notice.json",
        "mimeType": "application/json",
        "buffer": json.dumps(notice).encode(),
    }
    await page.get_by_label("导入放假安排").set_input_files(upload)
    await expect(page.get_by_role("heading", name=f"{YEAR} 年")).to_be_visible()
    day = page.get_by_role("button", name=f"3月{weekend.day}日")
    await day.click()
    await expect(day).to_have_accessible_name(f"3月{weekend.day}日 节假日 元旦")
    await page.keyboard.press("Enter")
    await expect(day).to_have_accessible_name(f"3月{weekend.day}日 调休上班 元旦")
    assert await grave_findings(page) == []
    await page.get_by_role("button", name="预览变化").click()
    box = page.get_by_role("dialog")
    await expect(box.get_by_text(f"{weekend} 周末休息 → 调休上班")).to_be_visible()
    await expect(box.get_by_label("修改依据")).to_have_value("国办发明电〔2026〕9号")
    await box.get_by_role("button", name="保存并生效").click()
    await expect(box).to_be_hidden()
    await expect(page.get_by_role("row", name=f"cn-{YEAR}")).to_contain_text("已导入")
    kinds = {one["date"]: one["kind"] for one in (await office.get("agent", f"/api/calendars/{YEAR}"))["days"]}
    assert (kinds[str(weekend)], kinds[f"{YEAR}-01-01"]) == ("makeup_workday", "holiday")


async def test_a_caller_is_played_through_the_menu_by_keyboard(desk: Chromium, office: Web) -> None:
    page = await desk.page(await office.sign_in("supervisor"), "/console/admin")
    await expect(page).to_have_url(f"{desk.base}/console/admin/filings")
    await page.get_by_role("link", name="电话菜单").click()
    await page.get_by_text("指定时间").click()
    await page.get_by_role("button", name="今天 23:00").click()
    await page.get_by_role("button", name="拨打 12345").click()
    heard = page.get_by_role("log")
    await expect(heard).to_contain_text("您好，12345政务服务便民热线")
    await page.get_by_role("button", name="按 7").focus()
    await page.keyboard.press("7")
    await expect(heard).to_contain_text("企业专席现在不在服务时间")
    await page.keyboard.press("0")
    await expect(page.get_by_role("status")).to_contain_text("进入队列：热线 hotline")
    await page.get_by_role("button", name="排队超时").click()
    await expect(heard).to_contain_text("话务员全部正忙")
    await page.get_by_role("button", name="不按键").click()
    await expect(heard).to_contain_text("请您稍后再拨12345")
    box = page.get_by_role("button", name="enterprise-closed").first
    await box.focus()
    await page.keyboard.press("Enter")
    await expect(box).to_have_attribute("aria-pressed", "true")
    await page.get_by_text("来电不显示号码", exact=True).click()
    await page.get_by_role("button", name="重拨").click()
    for key in "71":
        await page.get_by_role("button", name=f"按 {key}").click()
    await expect(heard).to_contain_text("没有显示号码，我们无法给您回电")
    await expect(page.get_by_role("status")).to_contain_text("进入队列：热线 hotline")


async def test_a_draft_of_a_message_is_checked_and_a_held_job_tried_again(desk: Chromium, office: Web) -> None:
    page = await opened(desk, office, "sms")
    await page.get_by_role("button", name="试写 满意度评价").click()
    await page.get_by_label("试写 满意度评价").fill("请回复数字评价：1满意。")
    await expect(page.get_by_role("alert")).to_contain_text("缺少字段 {ticket}")
    await page.get_by_label("试写 满意度评价").fill("工单{ticket}：1满意<script>。")
    await expect(page.get_by_text("【12345热线】工单20261123000017：1满意<script>。")).to_be_visible()
    await page.get_by_role("link", name="系统状态").click()
    await page.get_by_role("button", name="重试 发送短信").click()
    await expect(page.get_by_text("没有。", exact=True)).to_be_visible()
    assert (await office.get("admin", "/api/system"))["held"] == []
