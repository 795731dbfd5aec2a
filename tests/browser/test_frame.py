"""The frame of the console: who gets in, who sees what, a session that ends, a page that is no page."""

import asyncio

import pytest
from playwright.async_api import Route, expect
from yarl import URL

from tests.support.browser import TELEPHONE, Chromium
from tests.support.web import PASSWORD, Web


async def test_who_signs_in_comes_to_their_own_first_screen(desk: Chromium, web: Web) -> None:
    page = await desk.page(path="/")
    await expect(page).to_have_url(f"{desk.base}/console/sign-in")
    await page.get_by_label("用户名").fill("auditor")
    await page.get_by_label("密码", exact=True).fill("wrong")
    await page.get_by_role("button", name="登录").click()
    await expect(page.get_by_role("alert")).to_contain_text("用户名或密码不正确")
    await page.get_by_label("密码", exact=True).fill(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="工单查询")).to_be_visible()
    assert await page.title() == "工单查询 · 12345 政务服务便民热线"


async def test_an_ended_session_is_taken_up_again_where_it_was(desk: Chromium, web: Web) -> None:
    page = await desk.page(await web.sign_in("auditor"), "/console/tickets")
    await expect(page.get_by_role("heading", name="工单查询")).to_be_visible()
    await page.context.clear_cookies()
    await page.get_by_label("编号、标题、内容或地点").fill("路灯")
    await page.get_by_role("button", name="查询", exact=True).click()
    await expect(page.get_by_text("登录已过期")).to_be_visible()
    await page.get_by_label("密码", exact=True).fill(PASSWORD)
    await page.get_by_label("密码", exact=True).press("Enter")
    await expect(page.get_by_text("登录已过期")).to_be_hidden()
    await expect(page.get_by_label("编号、标题、内容或地点")).to_have_value("路灯")
    await expect(page.get_by_role("alert")).to_have_count(0)


async def test_an_address_that_is_none_is_said_to_be_none(desk: Chromium, web: Web) -> None:
    page = await desk.page(await web.sign_in("auditor"), "/console/nothing")
    await expect(page.get_by_role("heading", name="没有这个页面")).to_be_visible()


@pytest.mark.parametrize("path", ["../web/server.py", "..%2fweb%2fserver.py", "%2e%2e/settings.py", "/etc/passwd"])
async def test_no_file_outside_the_console_is_served(web: Web, path: str) -> None:
    answer = await web.ask(None, "GET", URL(f"/console/{path}", encoded=True))
    assert b"<!doctype html>" in answer.raw or answer.status == 404


async def test_on_a_telephone_the_menu_folds_away(desk: Chromium, web: Web) -> None:
    page = await desk.page(await web.sign_in("auditor"), "/console/tickets", size=TELEPHONE)
    await expect(page.get_by_role("navigation")).to_be_hidden()
    await page.get_by_role("button", name="打开菜单").click()
    await expect(page.get_by_role("navigation")).to_be_visible()
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


async def test_a_menu_opened_before_the_first_screen_has_come_stays_open(desk: Chromium, web: Web) -> None:
    arrived = asyncio.Event()

    async def slowly(route: Route) -> None:
        await arrived.wait()
        await route.continue_()

    page = await desk.page(await web.sign_in("auditor"), "/console/nothing", size=TELEPHONE)
    await expect(page.get_by_role("heading", name="没有这个页面")).to_be_visible()
    await page.route("**/TicketList-*.js", slowly)
    await page.goto(page.url.replace("nothing", "tickets"), wait_until="commit")
    menu = page.get_by_role("navigation", name="主导航")
    await page.get_by_role("button", name="打开菜单").click()
    await expect(menu).to_be_visible()
    arrived.set()
    await expect(page.get_by_role("heading", name="工单查询")).to_be_visible()
    await menu.get_by_role("link").first.click()
    await expect(menu).to_be_hidden()
