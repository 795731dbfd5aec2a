"""The knowledge base in the browser: written, compared and passed, found, asked about, answered, kept right."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from callcenter.types import UnitId
from tests.support.browser import DESKTOP, TELEPHONE, Chromium, choose
from tests.support.eventually import eventually
from tests.support.hostile import DIRECTIONS, FORMULAS, LONG, MARK, MARKUP, TEMPLATES
from tests.support.lives import registered
from tests.support.web import Web
from ticketing.dispatch import units_store
from ticketing.dispatch.units import Unit

ITEMS = "/api/knowledge/items"
NAMES = {"water": "县自来水公司", "roads": "县住房和城乡建设局市政设施维护中心", "health": "县卫生健康局"}
TITLE = "城区供水管道爆裂停水抢修时限和应急送水办理流程（含沿街商户、学校和养老机构）"
LINES = ("接报后30分钟内到达现场。", "停水后一般四小时内抢修完毕。", "超过八小时的安排应急送水。")
OTHER_LINE = "停水后一般三小时内抢修完毕。"
PICTURES = os.environ.get("KNOWLEDGE_PICTURES", "")


@pytest.fixture
async def named(web: Web) -> Web:
    """The units as the directory calls them."""
    async with web.db.transaction() as tx:
        await units_store.seed(tx, [Unit(UnitId(unit), name) for unit, name in NAMES.items()], datetime.now(UTC))
    return web


def general(title: str = TITLE, text: str = "\n".join(LINES), **more: Any) -> dict[str, Any]:
    contents = {"template": "general", "text": text, **more.pop("contents", {})}
    return {"title": title, "keywords": ["供水", "抢修"], "contents": contents, "valid_from": "2026-01-01", **more}


async def step(web: Web, who: str, item: dict[str, Any], verb: str, **body: Any) -> dict[str, Any]:
    told: dict[str, Any] = await web.post(who, f"{ITEMS}/{item['id']}/{verb}", {"revision": item["revision"], **body})
    return told


async def submitted(web: Web, **more: Any) -> dict[str, Any]:
    item = await web.post("unit", ITEMS, {**general(**more), "accountable": "刘工"})
    return await step(web, "unit", item, "submit")


async def in_use(web: Web, **more: Any) -> dict[str, Any]:
    return await step(web, "reviewer", await submitted(web, **more), "approve")


async def page_of(desk: Chromium, web: Web, who: str, path: str = "", **more: Any) -> Page:
    return await desk.page(await web.sign_in(who), f"/console/knowledge{path}", **more)


async def pictured(page: Page, name: str) -> None:
    if PICTURES:
        await page.screenshot(path=f"{PICTURES}/{name}.png", full_page=True)


@pytest.mark.clause("LS-020", "LS-071", "LS-074")
async def test_an_item_is_written_compared_passed_found_corrected_and_answered(desk: Chromium, named: Web) -> None:
    unit = await page_of(desk, named, "unit", "/work")
    await write(unit)
    (row,) = (await named.get("reviewer", ITEMS, state="in_review"))["rows"]
    item = await step(named, "reviewer", row, "approve")
    await update(unit)
    reviewer = await page_of(desk, named, "reviewer", "/waiting")
    await compare(reviewer)
    await too_late(reviewer, named, item)
    again = await pass_now(reviewer, named, item)
    agent = await page_of(desk, named, "agent")
    await find_and_correct(agent)
    await answer(unit, named, again)
    await agent.reload()
    await expect(agent.get_by_text("从到达现场起算，已写入知识点。")).to_be_visible()


async def write(unit: Page) -> None:
    await unit.get_by_role("link", name="新建知识点").click()
    await unit.get_by_label("标题").fill(TITLE)
    await choose(unit, "类型", "办事服务事项")
    for label, said in (("受理单位", "县自来水公司营业厅"), ("地址", "桂龙路18号"), ("材料", "身份证")):
        await unit.get_by_label(label, exact=True).fill(said)
    await unit.get_by_role("button", name="保存并提交审核").click()
    await expect(unit.get_by_role("alert")).to_contain_text("负责的人员")
    await unit.get_by_label("单位负责人员").fill("刘工")
    await unit.get_by_role("button", name="保存并提交审核").click()
    # All that is missing is told at once; the draft is kept.
    await expect(unit.get_by_role("alert")).to_contain_text("联系方式、受理条件、流程、时限、审批标准")
    await expect(unit.get_by_label("联系方式")).to_have_attribute("aria-invalid", "true")
    for label in ("联系方式", "受理条件", "流程", "时限", "审批标准"):
        await unit.get_by_label(label, exact=True).fill(f"{label}：以公示为准")
    await unit.get_by_label("正文", exact=True).fill("\n".join(LINES))
    await unit.get_by_role("button", name="添加问答").click()
    await unit.get_by_label("问题（第 1 项）").fill("停水多久恢复？")
    await unit.get_by_label("答案（第 1 项）").fill("一般四小时。")
    await unit.get_by_role("button", name="保存并提交审核").click()
    await expect(unit.get_by_text("待审核").first).to_be_visible()


async def update(unit: Page) -> None:
    """What is in use stays in use until the new version has passed."""
    await unit.reload()
    await unit.get_by_role("link", name="更新知识点").click()
    await unit.get_by_label("正文", exact=True).fill(
        "\n".join((LINES[0], OTHER_LINE, LINES[2], "抢修电话公示在门口。"))
    )
    await choose(unit, "编写或更新原因", "政策调整")
    await unit.get_by_role("button", name="保存草稿").click()
    await expect(unit.get_by_text("草稿已保存")).to_be_visible()
    await unit.get_by_role("button", name="保存并提交审核").click()
    await expect(unit.get_by_text("第 4 版待审核，审核通过前仍使用第 3 版")).to_be_visible()


async def compare(reviewer: Page) -> None:
    await reviewer.get_by_role("link", name=TITLE).first.click()
    compared = reviewer.get_by_role("region", name="新旧对照")
    await expect(compared.get_by_text("删去 1 行，新增 2 行")).to_be_visible()
    await expect(compared.locator("del")).to_have_text(["四"])
    await expect(compared.locator("ins")).to_have_text(["三", "抢修电话公示在门口。"])
    await pictured(reviewer, "review-desktop")
    await reviewer.get_by_role("button", name="审核通过").click()
    await reviewer.get_by_label("说明（可不填）").fill("与公示一致")


async def too_late(reviewer: Page, web: Web, item: dict[str, Any]) -> None:
    """Somebody else was quicker: the words stay, and what is true now is decided over."""
    await web.post(
        "supervisor", f"{ITEMS}/{item['id']}/refuse", {"revision": item["revision"] + 2, "note": "请写明依据"}
    )
    dialog = reviewer.get_by_role("dialog")
    await dialog.get_by_role("button", name="审核通过").click()
    await expect(dialog.get_by_role("alert")).to_contain_text("现在编写中")
    await expect(dialog.get_by_label("说明（可不填）")).to_have_value("与公示一致")


async def pass_now(reviewer: Page, web: Web, item: dict[str, Any]) -> dict[str, Any]:
    again = await step(web, "unit", await web.get("unit", f"{ITEMS}/{item['id']}"), "submit")
    await reviewer.reload()
    await reviewer.get_by_role("button", name="审核通过").click()
    await reviewer.get_by_role("dialog").get_by_role("button", name="审核通过").click()
    await expect(reviewer.get_by_text("已审核通过并发布")).to_be_visible()
    kept = await web.get("agent", f"{ITEMS}/{again['id']}")
    assert (kept["live"], OTHER_LINE in kept["shown"]["text"]) == (4, True)
    return again


async def find_and_correct(agent: Page) -> None:
    await agent.get_by_label("词语或一句话，查标题、关键词和正文").fill("停水抢修要多久")
    await agent.keyboard.press("Enter")
    await expect(agent.locator("mark").filter(has_text="停水").first).to_be_visible()
    await agent.get_by_role("link", name=TITLE).first.click()
    await expect(agent.get_by_role("region", name="内容").get_by_text("县自来水公司营业厅")).to_be_visible()
    await agent.get_by_role("button", name="纠错").click()
    await agent.get_by_label("表述不清").check()
    await agent.get_by_label("问题所在，应当怎样改").fill("三小时从什么时候起算？")
    await agent.get_by_role("dialog").get_by_role("button", name="提交").click()
    await expect(agent.get_by_role("region", name="提问与纠错").get_by_text("三小时从什么时候起算？")).to_be_visible()
    assert await agent.get_by_role("button", name="撤下").count() == 0


async def answer(unit: Page, web: Web, item: dict[str, Any]) -> None:
    await unit.goto("/console/knowledge/questions")
    await unit.get_by_role("button", name="答复").click()
    await unit.get_by_role("textbox", name="答复").fill("从到达现场起算，已写入知识点。")
    await unit.get_by_role("dialog").get_by_role("button", name="答复").click()
    await expect(unit.get_by_text("没有符合条件的记录").first).to_be_visible()
    (asked,) = (await web.get("agent", "/api/knowledge/questions", answered="true", mine="true"))["rows"]
    assert (asked["answer"], asked["answer_item"]) == ("从到达现场起算，已写入知识点。", item["id"])


async def test_two_who_edit_lose_nothing_and_a_reload_brings_back_what_was_typed(desk: Chromium, named: Web) -> None:
    web = named
    item = await in_use(web)
    page = await page_of(desk, web, "unit", f"/items/{item['id']}/edit")
    await page.get_by_label("正文", exact=True).fill("我改的正文")
    await page.get_by_label("单位负责人员").fill("王工")
    sealed = "Object.keys(localStorage).some((key) => key.includes('knowledge:'))"
    await eventually(lambda: page.evaluate(sealed), "what was typed is kept")
    await page.reload()
    await expect(page.get_by_text("已恢复上次在本机填写")).to_be_visible()
    await expect(page.get_by_label("正文", exact=True)).to_have_value("我改的正文")
    theirs = await step(web, "head", item, "revise", draft=general(title="对方改的标题", text="对方的正文"))
    await page.get_by_role("button", name="保存草稿").click()
    merge = page.get_by_role("dialog", name="两人同时修改了同一内容")
    await expect(merge.get_by_text("对方的正文")).to_be_visible()
    await expect(merge.get_by_text("我改的正文")).to_be_visible()
    await merge.get_by_role("button", name="按所选保存").click()
    await expect(page.get_by_text("草稿已保存")).to_be_visible()
    kept = await web.get("unit", f"{ITEMS}/{item['id']}")
    assert (kept["version"], kept["accountable"]) == (theirs["version"] + 1, "王工")
    assert (kept["versions"][0]["title"], kept["versions"][0]["text"]) == ("对方改的标题", "我改的正文")
    await page.goto(f"/console/knowledge/items/{item['id']}")
    await page.get_by_role("button", name="撤下").click()
    await page.get_by_label("原因", exact=True).fill("已有新规定")
    await page.get_by_role("dialog").get_by_role("button", name="撤下").click()
    await expect(page.get_by_text("已撤下").first).to_be_visible()
    assert (await web.get("unit", f"{ITEMS}/{item['id']}"))["state"] == "withdrawn"


async def test_hostile_words_are_words_in_the_knowledge_base(desk: Chromium, named: Web) -> None:
    web = named
    title, text, asked = (
        MARKUP[2] + TEMPLATES[0],
        "\n".join((*MARKUP[:6], *TEMPLATES, *DIRECTIONS)),
        LONG[1] + MARKUP[0],
    )
    pairs = {
        "questions": [{"question": MARKUP[3], "answer": FORMULAS[0]}],
        "pictures": [{"reference": "javascript:window.__pwn=1", "caption": MARKUP[7]}],
    }
    item = await in_use(web, title=title, text=text, contents=pairs, keywords=["<b>供水</b>", "w" * 64], note=MARKUP[8])
    await web.post("agent", "/api/knowledge/questions", {"asked": asked, "item": item["id"], "defect": "wrong"})
    newer = general(title=LONG[0], text=text + MARKUP[9], note=MARKUP[10])
    await step(web, "unit", await step(web, "unit", item, "revise", draft=newer), "submit")
    for size in (DESKTOP, TELEPHONE):
        page = await page_of(desk, web, "reviewer", f"/items/{item['id']}/review", size=size)
        await expect(page.locator("ins").filter(has_text=MARKUP[9])).to_be_visible()
        for path in ("", "/questions", f"/items/{item['id']}"):
            await page.goto(f"/console/knowledge{path}")
            shown = asked if path == "/questions" else title
            await expect(page.get_by_text(shown).locator("visible=true").first).to_be_visible()
            assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (path, size)
        assert await page.get_by_role("link", name="javascript").count() == 0
        await page.goto("/console/knowledge?text=onerror")
        await expect(page.get_by_role("link", name=title).locator("visible=true").first).to_be_visible()
        assert await page.evaluate(f"window.{MARK}") is None


async def test_many_items_go_in_and_out_and_upkeep_is_counted(desk: Chromium, named: Web, tmp_path: Path) -> None:
    web = named
    page = await page_of(desk, web, "reviewer", "/files")
    good = {**general(), "unit": "water", "accountable": "刘工"}
    file = tmp_path / "items.jsonl"
    file.write_text(
        "\n".join(json.dumps(one, ensure_ascii=False) for one in (good, {**good, "unit": "nobody"})), "utf-8"
    )
    await page.get_by_label("文件").set_input_files(file)
    await page.get_by_text("已审核，导入后直接发布").click()
    await page.get_by_role("button", name="导入").click()
    await expect(page.get_by_role("row", name="2 没有「nobody」这家承办单位")).to_be_visible()
    assert (await web.get("reviewer", ITEMS))["rows"] == []
    file.write_text(json.dumps(good, ensure_ascii=False), "utf-8")
    await page.get_by_label("文件").set_input_files(file)
    await page.get_by_role("button", name="导入").click()
    await expect(page.get_by_text("已导入 1 条。")).to_be_visible()
    async with page.expect_download() as told:
        await page.get_by_role("button", name="导出").click()
    await (await told.value).save_as(tmp_path / "out.jsonl")
    taken = (tmp_path / "out.jsonl").read_text("utf-8")
    assert json.loads(taken)["title"] == TITLE
    (item,) = (await web.get("agent", ITEMS, in_force="true", template="general"))["rows"]
    ticket = await registered(web)
    await web.post("agent", f"{ITEMS}/{item['id']}/used", {"ticket": ticket["id"], "version": 1})
    await web.post("agent", "/api/knowledge/questions", {"asked": "停水多久恢复？", "unit": "water"})
    await page.goto(f"/console/knowledge/items/{item['id']}")
    await page.get_by_role("button", name="引用的工单").click()
    await expect(page.get_by_role("link", name=ticket["id"])).to_be_visible()
    await page.goto("/console/knowledge/upkeep")
    await page.get_by_label("至", exact=True).fill(f"{datetime.now(UTC) + timedelta(days=20):%Y-%m-%d}")
    await page.get_by_role("button", name="查询").click()
    await expect(page.get_by_role("row", name="县自来水公司 1 0 1 0 1 0%")).to_be_visible()
