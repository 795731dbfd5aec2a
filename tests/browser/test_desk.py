"""The agent's desk in a real browser: a ring, the words, the draft, how intake ends; with the keyboard alone too."""

import asyncio
import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.async_api import Page, expect
from sqlalchemy import select
from yarl import URL

from callcenter import agents, commands
from callcenter.agents import Desired
from callcenter.types import Actor, AgentId, CallId
from tests.support import desk as line
from tests.support.axe import grave_findings
from tests.support.browser import DESKTOP, TELEPHONE, Chromium
from tests.support.desk import CALL
from tests.support.knowledge import in_use
from tests.support.lives import EXCEPTION, FIELDS, opened, registered
from tests.support.web import Web
from ticketing import tables

SAID = "我要投诉龙胜镇桂龙路的路灯坏了三天了晚上一片漆黑"
HOSTILE = '<img src=x onerror="window.__owned=1"><script>window.__owned=1</script>\u202e路灯' + "长" * 300


async def story(web: Web, ticket: str) -> Any:
    return await web.get("agent", f"/api/tickets/{ticket}")


async def at_the_desk(desk: Chromium, web: Web, ticket: str = "", **more: Any) -> Page:
    """The agent's desk, its live stream open."""
    page = await desk.page(
        await web.sign_in("agent"), f"/console/desk{f'?ticket={ticket}' if ticket else ''}", **more
    )  # fmt: skip
    await expect(page.get_by_role("region", name="坐席状态")).to_be_visible()
    while not web.hub.viewers:
        await page.evaluate("new Promise(requestAnimationFrame)")
    return page


async def test_a_ring_shows_its_card_and_a_reload_finds_the_call_again(desk: Chromium, web: Web) -> None:
    earlier = await registered(web, title="桂龙路停水")
    page = await at_the_desk(desk, web)
    before = {"state_name": "已登记", "request_type": "求助", "opened_on": "2026-11-20"}
    caller = await line.ring(web)
    card = page.get_by_role("region", name="当前来电")
    line.tell(
        web, "call.ringing", agent="8001", identity=caller, caller="138****8000", queue="hotline", request_type="求助",
        recorded=False, earlier_calls=2,
        earlier_tickets=[{**before, "id": earlier["id"], "title": "桂龙路停水"}],
    )  # fmt: skip
    await expect(card).to_contain_text("138****8000")
    await expect(card).to_contain_text("未录音")
    await expect(card.get_by_role("link", name="桂龙路停水").first).to_have_attribute(
        "href", f"/console/tickets/{earlier['id']}"
    )
    ticket = await line.pick_up(web)
    line.tell(web, "call.answered", "", agent="8001", wait_s=3.0, ticket=ticket)
    await expect(page.get_by_role("region", name="工单", exact=True)).to_contain_text(ticket)
    await expect(card).to_contain_text("同一诉求人的相近诉求")
    await page.reload()
    await expect(card).to_contain_text("与市民通话中")
    await expect(page.get_by_role("region", name="工单", exact=True)).to_contain_text(ticket)
    await line.situation(web, "ended")
    async with web.db.transaction() as tx:
        await agents.wish(
            tx, AgentId("8001"), Desired.WRAP_UP, at=datetime.now(UTC), actor=Actor("system", "t"), wrap_up_s=300,
            call_id=CallId(CALL),
        )  # fmt: skip
    line.tell(web, "call.ended", "", exit_reason="normal")
    await expect(page.get_by_text("剩余")).to_be_visible()
    await page.get_by_role("button", name="结束整理").click()
    await expect(page.get_by_role("status").filter(has_text="示闲")).to_be_visible()
    async with web.db.transaction() as tx:
        assert (await agents.find(tx, AgentId("8001"))).desired is Desired.READY
    await web.post("supervisor", "/api/agents/8001/pause", {"reason": "离席未示忙"})
    line.tell(web, "agent.ordered", agent="8001", desired="paused", by="周班长", reason="离席未示忙")
    notice = page.get_by_role("alert").filter(has_text="周班长")
    await expect(notice).to_contain_text("将您置忙。 理由：离席未示忙。")
    await expect(page.get_by_role("status").filter(has_text="示忙")).to_be_visible()
    await notice.get_by_role("button", name="知道了").click()
    await expect(notice).to_have_count(0)


async def test_a_whole_intake_by_keyboard_alone(desk: Chromium, web: Web) -> None:
    page = await at_the_desk(desk, web)
    keys = page.keyboard
    await keys.press("Alt+r")
    await expect(page.get_by_role("status").filter(has_text="示闲")).to_be_visible()
    ticket = await line.rings(web)
    line.tell(web, "call.answered", "", agent="8001", wait_s=3.0, ticket=ticket)
    await expect(page.get_by_role("region", name="工单", exact=True)).to_contain_text(ticket)
    await line.said(web, ticket, SAID)
    line.speak(web, 1, SAID, 1.0)
    await expect(page.get_by_role("log")).to_contain_text(SAID)
    await expect(page.get_by_role("list", name="诉求类型的建议")).to_contain_text("投诉")
    # The type came with the menu's key; the agent takes what was said instead, then goes from field to field.
    await keys.press("Alt+i")
    await keys.press("Alt+Enter")
    await expect(page.get_by_role("radio", name="投诉")).to_be_checked()
    await keys.press("Alt+n")
    await expect(page.get_by_role("textbox", name="诉求内容")).to_be_focused()
    await keys.insert_text("龙胜镇桂龙路路灯损坏三天，请尽快修复。")
    await expect(page.get_by_text("已保存")).to_be_visible()
    await keys.press("Alt+Backspace")
    await expect(page.get_by_role("list", name="诉求内容的建议")).to_have_count(0)
    await keys.press("Alt+Shift+Enter")
    await expect(page.get_by_role("list", name="事项分类的建议")).to_have_count(0)
    await keys.press("Control+Enter")
    await expect(page.get_by_label("直接受理的理由")).to_be_focused()
    await expect(page.get_by_role("dialog")).to_contain_text("前办结答复")
    await keys.insert_text(EXCEPTION)
    await keys.press("Control+Enter")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    now = await story(web, ticket)
    assert (now["state"], now["request_type"], now["subject"]) == ("registered", "投诉", "01.02")
    assert now["content"] == "龙胜镇桂龙路路灯损坏三天，请尽快修复。"
    assert {one["field"]: one["state"] for one in now["suggestions"]}["summary"] == "refused"
    # The first action is at hand again; the other ones are reached by Tab.
    for _ in range(12):
        await keys.press("Tab")
        if await page.evaluate("document.activeElement.textContent.trim()") == "提交派单":
            break
    await keys.press("Enter")
    await expect(page.get_by_role("dialog").get_by_role("button", name="提交派单")).to_be_focused()
    await keys.press("Enter")
    await expect(page.get_by_role("region", name="工单", exact=True)).to_contain_text("待派单")
    await keys.press("?")
    await expect(page.get_by_role("dialog", name="键盘快捷键")).to_contain_text("Alt+Shift+X")
    await keys.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)


async def test_the_first_load_of_the_desk_is_light(desk: Chromium, web: Web) -> None:
    page = await at_the_desk(desk, web)
    urls = await page.evaluate("performance.getEntriesByType('resource').map((one) => one.name)")
    sizes = {}
    for path in {URL(url).path for url in urls if "/console/" in url} | {"/console/desk"}:
        # Softphone and charts come by themselves afterwards; everything else stands between the agent and their desk.
        if not path.startswith(("/console/assets/sip", "/console/assets/echarts")):
            sizes[path] = len(gzip.compress((await web.ask(None, "GET", path)).raw, 9))
    assert sum(sizes.values()) <= 300 * 1024, sizes
    print(f"first load of the desk: {len(sizes)} files, {sum(sizes.values()) / 1024:.0f} KB gzip")


async def kept(page: Page) -> dict[str, str]:
    """What lies on this computer's disk."""
    found: dict[str, str] = json.loads(await page.evaluate("JSON.stringify({...localStorage})"))
    return {name: value for name, value in found.items() if name.startswith("cc-draft:")}


async def test_typed_words_survive_a_lost_network_and_a_crash(desk: Chromium, web: Web) -> None:
    ticket = (await opened(web))["id"]
    context = await desk.context(await web.sign_in("agent"))
    page = await context.new_page()
    await page.goto(f"/console/desk?ticket={ticket}")
    content = page.get_by_role("textbox", name="诉求内容")
    await expect(content).to_have_value(FIELDS["content"])
    await context.set_offline(True)
    await content.fill("断网时写下的话")
    await expect(page.get_by_text("未保存，将自动重试")).to_be_visible()
    [box] = (await kept(page)).values()
    assert "断网" not in box
    assert "断网" not in json.dumps(json.loads(box), ensure_ascii=False)
    # A crash: the page is gone without a word, and comes back when the network does.
    await page.close(run_before_unload=False)
    await context.set_offline(False)
    page = await context.new_page()
    await page.goto(f"/console/desk?ticket={ticket}")
    content = page.get_by_role("textbox", name="诉求内容")
    await expect(content).to_have_value("断网时写下的话")
    await expect(page.get_by_text("已保存 ")).to_be_visible()
    assert (await story(web, ticket))["content"] == "断网时写下的话"
    assert await kept(page) == {}
    # The server is away, then back, without anybody doing anything.
    await page.route("**/api/tickets/*/edit", lambda route: route.abort())
    await content.fill("服务器不在时写下的话")
    await expect(page.get_by_text("未保存，将自动重试")).to_be_visible()
    await page.unroute("**/api/tickets/*/edit")
    await expect(page.get_by_text("已保存 ")).to_be_visible()
    assert (await story(web, ticket))["content"] == "服务器不在时写下的话"
    # What one person left on a shared computer the next one neither sees nor can open.
    await page.route("**/api/tickets/*/edit", lambda route: route.abort())
    await content.fill("给下一个人的话")
    await expect(page.get_by_text("未保存，将自动重试")).to_be_visible()
    before = await kept(page)
    await context.add_cookies(
        [{"name": "callcenter_session", "value": await web.sign_in("agent2"), "url": desk.base, "sameSite": "Strict"}]
    )
    await page.reload()
    await expect(content).to_have_value("服务器不在时写下的话")
    assert await kept(page) == before


async def test_two_people_on_one_ticket_get_a_merge_view_and_nobody_loses_a_word(desk: Chromium, web: Web) -> None:
    made = await opened(web)
    page = await at_the_desk(desk, web, made["id"])
    await expect(page.get_by_role("textbox", name="诉求内容")).to_have_value(FIELDS["content"])
    other = {"version": made["version"], "fields": {"content": "别人写的内容", "place": "桂龙路12号"}}
    await web.post("dispatcher", f"/api/tickets/{made['id']}/edit", other)
    # Only one side changed the title: it is combined without a question; the content both changed is asked about.
    await page.get_by_role("textbox", name="标题").fill("我写的标题")
    await expect(page.get_by_role("textbox", name="地点")).to_have_value("桂龙路12号")
    await expect(page.get_by_text("已保存 ")).to_be_visible()
    now = await story(web, made["id"])
    assert (now["title"], now["content"], now["place"]) == ("我写的标题", "别人写的内容", "桂龙路12号")
    other = {"version": now["version"], "fields": {"content": "别人又写的", "occurred": "昨晚"}}
    await web.post("dispatcher", f"/api/tickets/{made['id']}/edit", other)
    await page.get_by_role("textbox", name="诉求内容").fill("我写的内容")
    dialog = page.get_by_role("dialog", name="两人同时修改了同一内容")
    await expect(dialog).to_contain_text("别人又写的")
    await expect(dialog).to_contain_text("双方都改过")
    assert await grave_findings(page) == []
    await dialog.get_by_role("radio", name="另写").first.check()
    await dialog.get_by_label("诉求内容 另写").fill("两人商量后的内容")
    await dialog.get_by_role("button", name="按所选保存").click()
    await expect(dialog).to_be_hidden()
    await expect(page.get_by_text("已保存 ")).to_be_visible()
    now = await story(web, made["id"])
    assert (now["content"], now["occurred"], now["title"]) == ("两人商量后的内容", "昨晚", "我写的标题")


async def test_a_suggestion_never_replaces_what_was_typed_unless_asked(desk: Chromium, web: Web) -> None:
    ticket = await line.rings(web)
    page = await at_the_desk(desk, web, ticket)
    place = page.get_by_role("textbox", name="地点")
    await place.fill("我听到的地点")
    await expect(page.get_by_text("已保存 ")).to_be_visible()
    await line.said(web, ticket, SAID)
    line.speak(web, 1, SAID, 1.0)
    beside = page.get_by_role("list", name="地点的建议")
    await expect(beside).to_contain_text("龙胜镇")
    await place.press("Alt+Enter")
    await page.get_by_role("button", name="全部采用建议").click()
    await expect(page.get_by_role("radio", name="投诉")).to_be_checked()
    await expect(place).to_have_value("我听到的地点")
    await beside.get_by_title("在转写中查看").first.click()
    await expect(page.get_by_role("log").locator(".shown")).to_contain_text("桂龙路")
    await beside.get_by_role("button", name="替换").first.click()
    await expect(place).to_have_value("龙胜各族自治县/龙胜镇")


async def test_a_unit_is_brought_in_and_the_buttons_follow_the_situation(desk: Chromium, web: Web) -> None:
    await line.rings(web)
    page = await at_the_desk(desk, web)
    card = page.get_by_role("region", name="当前来电")
    await expect(card.get_by_role("button", name="合并三方")).to_be_disabled()
    await page.keyboard.press("Alt+c")
    await page.get_by_role("combobox", name="输入单位名称").fill("wat")
    await expect(page.get_by_role("option", selected=True)).to_have_text("water")
    await page.keyboard.press("Enter")
    await expect(card.get_by_role("button", name="取消呼叫")).to_be_enabled()
    await _ends(web, "consult", commands.State.FAILED, "承办单位电话占线。")
    await expect(card.get_by_role("alert")).to_contain_text("占线")
    await page.keyboard.press("Alt+Shift+Digit1")
    await _ends(web, "consult", commands.State.DONE, "")
    await expect(card).to_contain_text("单位已接通")
    await line.situation(web, "three_party")
    line.tell(web, "call.situation", "", before="consulting", after="three_party")
    await expect(card.get_by_role("button", name="请单位退出")).to_be_enabled()
    await expect(card.get_by_role("button", name="呼叫单位")).to_be_disabled()
    await page.keyboard.press("Alt+l")
    await _ends(web, "leave", commands.State.DONE, "")
    await expect(card).to_contain_text("您已退出")


async def _ends(web: Web, kind: str, state: commands.State, sentence: str) -> None:
    """The exchange carries a command out: as soon as it has been asked for."""
    for _ in range(200):
        async with web.db.transaction() as tx:
            taken = await commands.take(tx, "a")
            for one in taken:
                assert one.kind == kind
                await commands.finish(tx, one.id, commands.Result(state, "x", sentence))
        if taken:
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"{kind} was not asked for")


async def test_a_letter_is_answered_from_the_knowledge_base(desk: Chromium, web: Web) -> None:
    async with web.db.transaction() as tx:
        await in_use(tx)
    page = await at_the_desk(desk, web)
    await page.get_by_role("combobox", name="来源渠道").click()
    await page.get_by_role("option", name="网络").click()
    await page.get_by_role("button", name="新建工单").click()
    await page.get_by_text("咨询", exact=True).click()
    await page.get_by_role("textbox", name="诉求内容").fill("公积金怎么提取")
    await page.get_by_label("登记号码").fill("138 0013 8000")
    await page.get_by_label("登记号码").press("Enter")
    await expect(page.get_by_text("138****8000")).to_be_visible()
    async with web.db.transaction() as tx:
        title = (await tx.execute(select(tables.metadata.tables["knowledge_item"].c.title))).scalar_one()
    await page.get_by_label("检索知识库").fill(title)
    await page.get_by_label("检索知识库").press("Enter")
    await page.get_by_role("button", name=title).click()
    await page.get_by_role("button", name="引用到答复").click()
    await expect(page.get_by_role("button", name="已引用")).to_be_disabled()
    await page.get_by_role("button", name="登记受理").click()
    await page.get_by_label("直接受理的理由").fill(EXCEPTION)
    await page.get_by_role("dialog").get_by_role("button", name="登记受理").click()
    await page.get_by_role("button", name="直接答复").click()
    await expect(page.get_by_role("dialog").get_by_role("radio").first).to_be_checked()
    await page.get_by_role("dialog").get_by_role("button", name="答复并办结").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    [row] = (await web.get("agent", "/api/tickets"))["rows"]
    assert row["state"] == "answered"


@pytest.mark.parametrize("size", [DESKTOP, TELEPHONE], ids=["desktop", "telephone"])
async def test_a_full_desk_is_open_to_everybody_and_shows_hostile_text_as_text(
    desk: Chromium, web: Web, size: Any
) -> None:
    await registered(web, title="桂龙路停水" * 8)
    ticket = await line.rings(web)
    page = await at_the_desk(desk, web, ticket, size=size)
    await line.said(web, ticket, SAID)
    line.speak(web, 1, SAID, 1.0)
    line.speak(web, 2, HOSTILE, 9.0)
    line.speak(web, 3, "还有", 20.0, final=False)
    item = {"id": 1, "version": 1, "title": HOSTILE, "quote": HOSTILE, "start_s": 1.0, "end_s": 2.0}
    line.tell(
        web, "knowledge.offered",
        items=[{**item, "title_html": "&lt;b&gt;<em>路灯</em>&amp;", "snippet_html": HOSTILE.replace("<", "&lt;")}],
    )  # fmt: skip
    await page.get_by_role("textbox", name="诉求内容").fill(HOSTILE)
    await page.get_by_role("textbox", name="标题").fill(HOSTILE[:500])
    await expect(page.get_by_role("log")).to_contain_text("<script>window.__owned=1</script>")
    await expect(page.get_by_role("button", name="<b>路灯&")).to_be_visible()
    await expect(page.get_by_role("list", name="地点的建议")).to_contain_text("龙胜镇")
    await expect(page.get_by_text("已保存 ")).to_be_visible()
    assert await page.evaluate("window.__owned === undefined")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await page.evaluate(
        "document.querySelector('main').scrollWidth <= document.querySelector('main').clientWidth"
    )
    assert await grave_findings(page) == []
