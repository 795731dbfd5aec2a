"""The regulations on a screen: read with their articles, compared, and put to work on a case."""

from playwright.async_api import expect

from tests.support.browser import Chromium, choose
from tests.support.web import Web


async def test_a_value_leads_to_the_words_of_its_article(desk: Chromium, web: Web) -> None:
    page = await desk.page(await web.sign_in("unit"), "/console/policy")
    row = page.get_by_role("row").filter(has_text="不属于本县行政管辖范围")
    await row.get_by_text("第四条(一)").first.click()
    await expect(row.get_by_text("不属于我县行政管辖范围的事项")).to_be_visible()
    await page.get_by_text("只看本系统自行确定的").click()
    await expect(row).to_have_count(0)
    shown = await page.locator("tbody tr").count()
    assert await page.locator("tbody tr").filter(has_text="本系统默认").count() == shown > 10


async def test_two_regulations_differ_where_they_do(desk: Chromium, web: Web) -> None:
    page = await desk.page(await web.sign_in("leader"), "/console/policy")
    await page.get_by_role("tab", name="对照").click()
    await choose(page, "与哪部规定对照", "蒙城")
    await expect(page.get_by_text("项不同")).to_be_visible()
    row = page.get_by_role("row").filter(has_text="办法 · 地区")
    await expect(row).to_contain_text("龙胜")
    await expect(row).to_contain_text("蒙城")


async def test_a_case_is_computed_with_its_articles(desk: Chromium, web: Web) -> None:
    page = await desk.page(await web.sign_in("agent"), "/console/policy")
    await page.get_by_role("tab", name="时限计算").click()
    await choose(page, "诉求类型", "投诉")
    for label, at in (("登记时间", "2026-11-23 10:00:00"), ("派单时间", "2026-11-23 11:00:00")):
        await page.get_by_role("combobox", name=label).fill(at)
        await page.keyboard.press("Enter")
    await page.get_by_role("button", name="计算").click()
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="办理", exact=True))
    await expect(row).to_contain_text("2026/12/07 23:59")
    await expect(row).to_contain_text("第十二条(二)4")
