"""The citizens' pages in a browser that runs no script: a request, its progress, a rating; read by a screen reader."""

import re
from typing import Any

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import select

from callcenter.sms.tables import sms_message
from callcenter.types import PhoneNumber
from tests.support.axe import grave_findings
from tests.support.browser import DESKTOP, TELEPHONE, Chromium
from tests.support.lives import asked_by_message, surveying
from tests.support.web import PHONE, Web
from ticketing import store, tables

HOSTILE = "<script>window.__pwn=1</script><img src=x onerror=alert(1)> =HYPERLINK(1) \u202eabc 王大爷"


async def fill(page: Page, **more: str) -> None:
    await page.get_by_label("求助").check()
    await page.get_by_label("用一句话说明").fill(more.get("title", "幸福小区路灯坏了"))
    await page.get_by_label("具体情况和您的要求").fill("已经三天没有亮，老人夜里摔倒了。")
    await page.get_by_label("发生地点").fill("龙胜镇幸福小区")
    await page.get_by_label("手机号码").fill(more.get("phone", PHONE))


async def code_sent(web: Web) -> str:
    """The newest code, as the telephone shows it."""
    async with web.db.transaction() as tx:
        query = select(sms_message.c.body).where(sms_message.c.purpose == "ack").order_by(sms_message.c.id.desc())
        body = str((await tx.execute(query.limit(1))).scalar_one())
    found = re.search(r"验证码为(\d{6})", body)
    assert found, body
    return found[1]


async def test_a_request_becomes_a_draft_when_its_telephone_is_proved(desk: Chromium, web: Web) -> None:
    page = await desk.page(path="/citizen/", java_script_enabled=False)
    await page.get_by_role("main").get_by_role("link", name="我要反映").click()
    await page.get_by_role("button", name="提交并获取短信验证码").click()
    await expect(page.get_by_role("alert")).to_contain_text("请填写 11 位手机号码")
    await fill(page, title=HOSTILE)
    await page.get_by_role("button", name="提交并获取短信验证码").click()
    await expect(page.get_by_text("验证码已发送到 138****8000")).to_be_visible()
    code = await code_sent(web)
    await page.get_by_label("6 位验证码").fill("000000" if code != "000000" else "000001")
    await page.get_by_role("button", name="确认提交").click()
    await expect(page.get_by_role("alert")).to_contain_text("验证码不正确")
    await page.get_by_label("6 位验证码").fill(code)
    await page.get_by_role("button", name="确认提交").click()
    await expect(page.get_by_role("heading", name="诉求已提交")).to_be_visible()
    number, secret = await page.locator("dd.big").all_inner_texts()
    async with web.db.transaction() as tx:
        ticket = await store.load(tx, number)  # type: ignore[arg-type]
        who = await web.vault.identity_of(tx, PhoneNumber(PHONE))
    assert (ticket.state, ticket.source, ticket.request_type, ticket.requester) == ("draft", "网络", "求助", who)
    assert ticket.title.startswith("<script>"), "kept as written, shown as text"
    await page.get_by_role("navigation").get_by_role("link", name="查询进度").click()
    await page.get_by_label("工单编号").fill(number)
    await page.get_by_label("查询码").fill(secret)
    await page.get_by_role("button", name="查询").click()
    await expect(page.get_by_text("话务员正在登记").first).to_be_visible()


async def test_a_rating_on_the_page_counts_once(desk: Chromium, web: Web) -> None:
    ticket = await surveying(web)
    await asked_by_message(web, ticket)
    page = await desk.page(path="/citizen/progress", java_script_enabled=False)
    await page.get_by_label("工单编号").fill(ticket["id"])
    await page.get_by_label("查询码").fill(web.vault.citizen_code(ticket["id"]))
    await page.get_by_role("button", name="查询").click()
    for step in ("热线受理登记", "交承办单位办理", "承办单位签收", "承办单位回复办理结果"):
        await expect(page.get_by_text(step)).to_be_visible()
    await page.get_by_role("link", name="评价办理结果").click()
    rating = page.url
    await page.get_by_role("button", name="提交评价").click()
    await expect(page.get_by_role("alert")).to_contain_text("请选择是否满意")
    await page.get_by_label("不满意").check()
    await page.get_by_label("想说的话").fill(HOSTILE)
    await page.get_by_role("button", name="提交评价").click()
    await expect(page.get_by_text("您的评价已计入：不满意")).to_be_visible()
    await page.goto(rating)
    await expect(page.get_by_text("这次办理的评价已计入：不满意")).to_be_visible()
    async with web.db.transaction() as tx:
        row = (await tx.execute(select(tables.ticket.c.rating, tables.ticket.c.rating_source))).one()
    assert tuple(row) == ("不满意", "citizen")


@pytest.mark.parametrize("size", [DESKTOP, TELEPHONE], ids=["desktop", "telephone"])
async def test_every_page_is_open_to_everybody(desk: Chromium, web: Web, size: Any) -> None:
    ticket = await surveying(web)
    await asked_by_message(web, ticket)
    page = await desk.page(path="/citizen/", size=size)
    assert await grave_findings(page) == []
    await page.goto("/citizen/report")
    await page.get_by_role("button", name="提交并获取短信验证码").click()
    assert await grave_findings(page) == []
    await fill(page)
    await page.get_by_role("button", name="提交并获取短信验证码").click()
    assert await grave_findings(page) == []
    await page.goto("/citizen/progress")
    await page.get_by_label("工单编号").fill(ticket["id"])
    await page.get_by_label("查询码").fill(web.vault.citizen_code(ticket["id"]))
    await page.get_by_role("button", name="查询").click()
    assert await grave_findings(page) == []
    await page.get_by_role("link", name="评价办理结果").click()
    assert await grave_findings(page) == []
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
