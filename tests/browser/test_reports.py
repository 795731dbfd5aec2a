"""Reports: figures with what is behind them, ranking, topics, cases, and bulletins that are made and downloaded."""

import asyncio
import hashlib
import json
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import select, text

from callcenter.job import Job
from callcenter.reports import orders
from callcenter.reports.work import ReportWork
from callcenter.tables import audit
from callcenter.types import TicketId
from tests.support.appraisal import HOUR, answered, finished, kit, sent
from tests.support.browser import Chromium, choose
from tests.support.hostile import DIRECTIONS, FORMULAS, LONG, MARKUP, TEMPLATES
from tests.support.tickets import ROADS, WATER, local, rules
from tests.support.web import Web
from ticketing.dispatch import units_store
from ticketing.dispatch.units import Unit

TERM = "2026-06"
BAD = [MARKUP[0], MARKUP[2], TEMPLATES[0], FORMULAS[0], DIRECTIONS[0], LONG[1][:90]]
NAMES = {
    WATER: "县自来水公司",
    ROADS: "县住房和城乡建设局市政设施维护中心<img src=x onerror=window.__pwn=1>",
    "health": "县卫生健康局",
}


@pytest.fixture
async def june(web: Web) -> tuple[Web, list[TicketId]]:
    """Seven tickets of the water company in June, six of them in time; one of the roads, forgotten; May had two."""
    start = local(2026, 6, 1, 9)
    async with web.db.transaction() as tx:
        await units_store.seed(tx, [Unit(unit, name) for unit, name in NAMES.items()], start)  # type: ignore[arg-type]
        for n in range(2):
            early = await sent(tx, local(2026, 5, 11, 9, n), caller=n + 1, subject="供水", place="桂龙路")
            await answered(tx, early, local(2026, 5, 11, 12, n))
            await finished(tx, early, local(2026, 5, 11, 13, n))
        made = []
        for n in range(6):
            at = start + timedelta(days=n)
            one = await sent(tx, at, caller=n + 1, subject="供水", place="桂龙路", title=f"桂龙路第{n + 1}次停水")
            await answered(tx, one, at + HOUR)
            await finished(tx, one, at + 2 * HOUR, rating="不满意" if n == 0 else "满意")
            made.append(one)
        made.append(await sent(tx, start, caller=9, subject="供水", place="桂龙路"))
        made.append(await sent(tx, start, ROADS, caller=8, subject="坑洼", place="兴龙路"))
    return web, made


async def part(desk: Chromium, web: Web, who: str, name: str) -> Page:
    return await desk.page(await web.sign_in(who), f"/console/reports?part={name}&term={TERM}")


async def test_a_figure_is_read_with_its_formula_and_the_tickets_behind_it(
    desk: Chromium, june: tuple[Web, list[TicketId]]
) -> None:
    web, tickets = june
    told = await web.get("supervisor", "/api/appraisal/figures", term=TERM)
    figure = next(one for one in told["platform"] if one["metric"] == "on_time_close")
    assert (figure["count"], figure["whole"]) == (6, 8)
    page = await part(desk, web, "supervisor", "figures")
    row = page.get_by_role("row", name="按时办结率")
    await expect(row).to_contain_text(figure["formula"])
    await expect(row.get_by_role("cell")).to_have_text(["6", "8", figure["shown"]])
    empty = page.get_by_role("row", name="满意率（人工回访） 人工回访满意")
    await expect(empty).to_contain_text("—")
    await expect(empty).to_contain_text("分母为 0，不计算")
    await page.get_by_role("link", name="按时办结率").click()
    await expect(page.get_by_role("heading", name="按时办结率", level=1)).to_be_visible()
    course = (await web.get("supervisor", "/api/appraisal/figures/on_time_close/course", term=TERM))["rows"]
    assert [(one["term"], one["count"], one["whole"]) for one in course][-2:] == [("2026-05", 2, 2), (TERM, 6, 8)]
    await expect(page.get_by_role("img", name="按时办结率历期走势图").locator("svg")).to_be_visible()
    terms = page.get_by_role("table", name="历期对比")
    await expect(terms.get_by_role("row", name="2026年5月").get_by_role("cell")).to_have_text(["2", "2", "100.00%"])
    await expect(page.get_by_role("table", name="各承办单位").get_by_role("row", name=NAMES[ROADS])).to_contain_text(
        "0.00%"
    )
    behind = page.get_by_role("region", name="指标背后的工单")
    await expect(behind.get_by_role("link", name=tickets[0], exact=True)).to_be_visible()
    await expect(behind.get_by_role("link", name=tickets[6], exact=True)).to_have_count(0)
    await page.get_by_text("只在分母（未达到）").click()
    await expect(behind.get_by_role("link", name=tickets[7], exact=True)).to_be_visible()
    await behind.get_by_role("link", name=tickets[6], exact=True).click()
    await expect(page.get_by_role("heading", name=tickets[6], level=1)).to_be_visible()


async def test_a_report_is_made_downloaded_and_published(desk: Chromium, june: tuple[Web, list[TicketId]]) -> None:
    web, _ = june
    page = await part(desk, web, "supervisor", "made")
    card = page.get_by_role("listitem").filter(has_text="12345热线专报")
    await card.get_by_role("button", name="立即生成").click()
    form = page.get_by_role("dialog")
    await choose(page, "选择周期", "2026年6月")
    await form.get_by_label("分析与建议").fill("供水问题集中 " + BAD[0])
    await form.get_by_role("button", name="立即生成").click()
    await expect(page.get_by_text("正在后台统计并写出文件")).to_be_visible()
    (asked,) = (await web.get("supervisor", "/api/reports"))["rows"]
    assert (asked["definition"], asked["term"], asked["state"]) == ("monthly", TERM, "asked")
    await fail(web, "FontMissing: ")
    await expect(page.get_by_role("alert")).to_contain_text("没有可用的中文字体")
    await page.get_by_role("button", name="再生成一版").click()
    await choose(page, "选择周期", "2026年6月")
    await page.get_by_role("dialog").get_by_role("button", name="立即生成").click()
    await expect(page.get_by_text("第 2 版")).to_be_visible()
    await expect(page.get_by_text("正在后台统计并写出文件")).to_be_visible()
    await make(web, asked["id"] + 1)
    inner, public = page.get_by_role("region", name="内部版"), page.get_by_role("region", name="公开版")
    await expect(inner.get_by_role("button")).to_have_count(3)
    run = await web.get("supervisor", f"/api/reports/runs/{asked['id'] + 1}")
    file = next(one for one in run["files"] if (one["variant"], one["format"]) == ("public", "pdf"))
    async with page.expect_download() as waiting:
        await public.get_by_role("button", name=f"下载 {file['name']}").click()
    data = await asyncio.to_thread(Path(await (await waiting.value).path()).read_bytes)
    assert (data[:4], hashlib.sha256(data).hexdigest()) == (b"%PDF", file["sha256"])
    assert (await waiting.value).suggested_filename == file["name"]
    await page.get_by_role("button", name="登记已发布").click()
    await page.get_by_role("dialog").get_by_role("button", name="确定").click()
    await expect(page.get_by_text("已发布", exact=True)).to_be_visible()
    async with web.db.transaction() as tx:
        rows = (
            await tx.execute(select(audit.c.action).where(audit.c.action.like("report.%")).order_by(audit.c.id))
        ).all()
    assert [row.action for row in rows] == ["report.make", "report.make", "report.download", "report.publish"]


async def make(web: Web, run: int) -> None:
    """What the worker does."""
    work = ReportWork(web.db, rules(), kit(), web.spool / "reports")
    await work.make(Job(1, orders.MAKE_JOB, "k", json.dumps({"run": run}).encode(), 1))


async def fail(web: Web, reason: str) -> None:
    """The job has failed for good, as the worker leaves it."""
    kind, _, message = reason.partition(": ")
    async with web.db.transaction() as tx:
        await tx.execute(text("UPDATE pgqueuer SET status = 'failed' WHERE entrypoint = 'report.make'"))
        log = """INSERT INTO pgqueuer_log (job_id, status, entrypoint, priority, traceback)
            SELECT id, 'failed', entrypoint, priority, CAST(:told AS jsonb) FROM pgqueuer WHERE status = 'failed'"""
        told = {"exception_type": kind, "exception_message": message, "timestamp": "", "traceback": "", "job_id": 1}
        await tx.execute(text(log), {"told": json.dumps(told)})


async def test_a_unit_sees_only_its_own(desk: Chromium, june: tuple[Web, list[TicketId]]) -> None:
    web, tickets = june
    page = await part(desk, web, "unit", "figures")
    links = page.get_by_role("navigation", name="统计报告各部分").get_by_role("link")
    await expect(links).to_have_text(["考核指标", "单位排名", "热点诉求"])
    row = page.get_by_role("row", name="按时办结率")
    await expect(row).to_contain_text("6 ÷ 应办结件数 7")
    await expect(page.get_by_role("region", name="县自来水公司考核得分", exact=True)).to_be_visible()
    await page.get_by_role("link", name="单位排名").click()
    await expect(page.get_by_role("table").get_by_role("row")).to_have_count(2)
    await expect(page.get_by_role("table")).to_contain_text("县自来水公司")
    await page.get_by_role("link", name="热点诉求").click()
    await expect(page.get_by_role("table", name="各单位诉求构成")).to_contain_text("供水")
    await expect(page.get_by_text("坑洼")).to_have_count(0)
    other = {"term": TERM, "unit": "roads"}
    course = (await web.get("unit", "/api/appraisal/figures/on_time_close/course", **other))["rows"]
    assert (course[-1]["count"], course[-1]["whole"]) == (6, 7)
    assert {one["unit"] for one in (await web.get("unit", "/api/appraisal/table", term=TERM))["rows"]} == {"water"}
    # An address of another unit shows the own figures all the same.
    await page.goto(f"/console/reports/figures/dispatched?term={TERM}&unit=roads")
    await expect(page.get_by_role("link", name=tickets[0])).to_be_visible()
    await expect(page.get_by_role("link", name=tickets[7])).to_have_count(0)


async def test_a_reviewer_follows_events_and_chooses_cases(desk: Chromium, june: tuple[Web, list[TicketId]]) -> None:
    web, tickets = june
    page = await part(desk, web, "reviewer", "topics")
    topic = page.get_by_role("table", name="热点、集中和持续性诉求").get_by_role("row", name="供水 · 桂龙路")
    await expect(topic).to_contain_text("热点")
    await topic.get_by_role("button", name="跟踪：供水 · 桂龙路").click()
    form = page.get_by_role("dialog")
    await form.get_by_label("事件名称").fill("桂龙路停水")
    await form.get_by_role("button", name="跟踪").click()
    await expect(topic).to_contain_text("跟踪中")
    for n, bad in enumerate(BAD):
        body = {"subject": f"事项{n}", "place": bad[:200], "title": bad[:100], "note": bad}
        await web.post("reviewer", "/api/reports/events", body)
    await page.get_by_role("region", name="热点诉求", exact=True).get_by_role("button", name="刷新").click()
    await page.reload()
    events = page.get_by_role("region", name="正在跟踪的事件")
    await expect(events.get_by_role("listitem")).to_have_count(1 + len(BAD))
    for bad in BAD:
        await expect(events.get_by_text(bad[:100].strip(), exact=True).first).to_be_visible()
    assert await page.evaluate("window.__pwn") is None
    await events.get_by_role("button", name="结束跟踪：桂龙路停水").click()
    await page.get_by_role("dialog").get_by_role("button", name="确定").click()
    await expect(events.get_by_role("listitem")).to_have_count(len(BAD))
    await page.goto(f"/console/tickets/{tickets[1]}")
    await page.get_by_role("link", name="选为典型案例").click()
    form = page.get_by_role("dialog")
    await form.get_by_role("combobox", name="选择周期").click(force=True)
    await page.get_by_role("option", name="2026年6月").click()
    await form.get_by_text("问题案例").click()
    await form.get_by_label("评语").fill("反复停水 " + BAD[1])
    await form.get_by_role("button", name="选入2026年6月").click()
    row = page.get_by_role("row", name=tickets[1])
    await expect(row).to_contain_text("反复停水 " + BAD[1])
    (case,) = (await web.get("reviewer", "/api/reports/cases", term=TERM))["rows"]
    assert (case["kind"], case["ticket"], case["public"]) == ("problem", tickets[1], False)
    await row.get_by_role("button", name="撤下").click()
    await page.get_by_role("dialog").get_by_role("button", name="确定").click()
    await expect(row).to_have_count(0)
    assert (await web.get("reviewer", "/api/reports/cases", term=TERM))["rows"] == []


async def test_points_are_put_in_and_count(desk: Chromium, june: tuple[Web, list[TicketId]]) -> None:
    web, _ = june
    page = await part(desk, web, "supervisor", "inputs")
    await page.get_by_role("button", name="录入得分").click()
    form = page.get_by_role("dialog")
    await choose(page, "承办单位", "县自来水公司")
    await form.get_by_label("得分（0 至 10）").fill("7.5")
    await form.get_by_label("评分依据").fill("制度健全，缺一份台账")
    await form.get_by_role("button", name="录入得分").click()
    await expect(page.get_by_role("row", name="县自来水公司")).to_contain_text("7.5 / 10 分")
    ranks = await web.get("unit", "/api/appraisal/figures", term=TERM)
    assert next(one["points"] for one in ranks["units"][0]["points"] if one["code"] == "institution") == 7.5
