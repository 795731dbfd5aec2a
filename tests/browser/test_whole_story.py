"""The whole way of one ticket in browsers: agent, dispatcher, unit, reviewer and auditor, each on their own computer.

A citizen's telephone speaks a complaint by SIP; the agent answers in Chromium and brings the unit in; what was said
becomes a ticket; it is dispatched, worked on (on a telephone's screen), reviewed, rated by SMS, closed and archived.
Nothing is done here but with mouse, keyboard and telephones.
"""

import asyncio
import io
import os
import wave
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.async_api import Browser, Page, expect

from callcenter import invariants
from callcenter.app import load_rules
from callcenter.custody.opening import ground_of
from callcenter.stack.demo import SPOKEN
from callcenter.stack.phone_call import PhoneCall
from callcenter.stack.phone_ear import listen
from callcenter.stack.phone_sound import Sound, speech
from callcenter.types import CallId, Party
from ivr.prompts.maker import make
from tests.support.browser import TELEPHONE, Chromium
from tests.support.eventually import eventually
from tests.support.softphone import SEAT, Seat, browsers, seat, was_said
from tests.support.story import SECOND, Story, story_for_tests
from tests.support.switchboard import SOON_S

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

REGION = "suqian"
"""A person of the hotline reviews every reply here (第十条), and nobody signs before."""
CITIZEN = "13800138000"
SPEECH_WITHIN_S = 60.0
TITLE = "幸福小区路灯损坏"
DONE = "已更换损坏路灯，现场照明恢复正常。"


@pytest.fixture(scope="module")
async def story() -> AsyncIterator[Story]:
    async with story_for_tests("whole", softphones=frozenset({SEAT}), ring_s=8, policy=REGION) as started:
        yield started


@pytest.fixture(scope="module")
async def speaking(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    async with browsers(tmp_path_factory.mktemp("voice")) as started:
        yield started


@pytest.fixture
async def desk(speaking: Browser, story: Story) -> AsyncIterator[Chromium]:
    opened = Chromium(speaking, story.hotline.api_url)
    yield opened
    await opened.close_all()


@dataclass
class Way:
    """One ticket, and everybody's own browser."""

    story: Story
    desk: Chromium
    ticket: str = ""

    async def page(self, login: str, path: str, **more: Any) -> Page:
        """A person's own computer."""
        return await self.desk.page((await self.story.hotline.sign_in(login)).token, path, **more)

    async def told(self) -> Any:
        """The ticket as the supervisor reads it."""
        supervisor = await self.story.hotline.sign_in("supervisor")
        return await supervisor.get(f"/api/tickets/{self.ticket}")

    async def until(self, state: str) -> None:
        async def reached() -> bool:
            return bool((await self.told())["state"] == state)

        await eventually(reached, f"the ticket is {state}", within_s=SPEECH_WITHIN_S)


async def look(page: Page, name: str) -> None:
    """A picture for the README, when SCREENSHOTS names a folder."""
    if folder := os.environ.get("SCREENSHOTS"):
        await page.screenshot(path=Path(folder) / f"{name}.png", animations="disabled")


async def test_a_call_becomes_an_archived_ticket_in_browsers_alone(
    story: Story, desk: Chromium, tmp_path: Path
) -> None:
    words = {"citizen": SPOKEN["citizen"].format(town="")}
    await asyncio.to_thread(make, words, tmp_path)
    way = Way(story, desk)
    at = await seat(desk, story, path="/console/desk")
    call_id = await telephones(way, at, tmp_path / "citizen.wav")
    await takes_down(way, at.page)
    await dispatches(way)
    await works_on(way)
    await reviews(way)
    await rates(way)
    await looks_back(way, call_id)
    await nothing_is_broken(story)


# ---- the call --------------------------------------------------------------------------------------------------------


async def telephones(way: Way, at: Seat, complaint: Path) -> CallId:
    """Citizen, agent and unit talk; the agent leaves, the two go on; both directions are in Asterisk's files."""
    story, page = way.story, at.page
    await at.switched_on()
    await page.keyboard.press("Alt+R")
    await story.until_seen(SECOND, "idle")
    citizen, call_id = await story.dial(caller=CITIZEN)
    card = page.get_by_role("region", name="当前来电")
    await expect(card).to_contain_text("138****8000")
    await page.keyboard.press("Alt+A")
    await expect(card).to_contain_text("与市民通话中")
    await citizen.until_hears(Sound.AGENT, within_s=SOON_S)
    await at.hears_something()
    citizen.say(speech(complaint))
    await expect(page.get_by_role("log")).to_contain_text("路灯", timeout=SPEECH_WITHIN_S * 1000)
    await citizen.until_said()
    await three_parties(way, page, citizen)
    citizen.hang_up()
    await story.until_over(call_id)
    await eventually(
        lambda: was_said(story, call_id), "the agent's sentence is in the transcript", within_s=SPEECH_WITHIN_S
    )
    return call_id


async def three_parties(way: Way, page: Page, citizen: PhoneCall) -> None:
    card = page.get_by_role("region", name="当前来电")
    await page.keyboard.press("Alt+C")
    await page.get_by_role("combobox", name="输入单位名称").fill("城市管理")
    await expect(page.get_by_role("option", selected=True)).to_contain_text("城市管理")
    await page.keyboard.press("Enter")
    await way.story.unit.next_call(SOON_S)
    await expect(card).to_contain_text("单位已接通")
    await expect(card.get_by_role("button", name="合并三方")).to_be_enabled()
    await page.keyboard.press("Alt+J")
    await expect(card.get_by_role("button", name="请单位退出")).to_be_enabled()
    await citizen.until_hears(Sound.UNIT, Sound.AGENT, within_s=SOON_S)
    await page.keyboard.press("Alt+L")
    await expect(card).to_contain_text("您已退出")
    await citizen.until_hears(Sound.UNIT, within_s=SOON_S)


# ---- the ticket ------------------------------------------------------------------------------------------------------


async def takes_down(way: Way, page: Page) -> None:
    """What was heard is taken, named and handed on, at the desk, by keyboard."""
    pane = page.get_by_role("region", name="工单", exact=True)
    await expect(page.get_by_role("list", name="诉求类型的建议")).to_contain_text("投诉", timeout=60_000)
    await expect(page.get_by_role("list", name="地点的建议")).to_contain_text("幸福小区")
    await look(page, "desk")
    await page.keyboard.press("Alt+Shift+Enter")
    await expect(page.get_by_role("radio", name="投诉")).to_be_checked()
    await page.get_by_role("textbox", name="标题").fill(TITLE)
    await page.get_by_role("textbox", name="诉求内容").fill("幸福小区路灯坏了，已经三天没有人管。")
    way.ticket = (await pane.get_by_role("link").first.inner_text()).strip()
    await page.keyboard.press("Control+Enter")
    await page.get_by_role("dialog").get_by_role("button", name="登记受理").click()
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await pane.get_by_role("button", name="提交派单").click()
    await page.get_by_role("dialog").get_by_role("button", name="提交派单").click()
    await way.until("awaiting_dispatch")


async def dispatches(way: Way) -> None:
    page = await way.page("dispatcher", f"/console/dispatch?ticket={way.ticket}")
    await page.get_by_role("button", name="选为主办：市城市管理局").click()
    await page.get_by_label("办理要求").fill("请核实并修复路灯")
    await look(page, "dispatch")
    await page.get_by_role("button", name="派单", exact=True).click()
    await way.until("dispatched")


async def works_on(way: Way) -> None:
    """Signed, begun and answered on a telephone's screen."""
    page = await way.page("urban", "/console/unit", size=TELEPHONE)
    await page.get_by_role("button", name=f"签收 {way.ticket}").click()
    await expect(page.get_by_text("已签收").first).to_be_visible()
    await page.goto(f"/console/unit/tickets/{way.ticket}")
    bar = page.get_by_role("navigation", name="现在可以做")
    await bar.get_by_role("button", name="开始办理").click()
    await page.get_by_role("dialog").get_by_role("button", name="开始办理").click()
    await bar.get_by_role("button", name="回复办理结果").click()
    form = page.get_by_role("dialog", name="回复办理结果")
    await form.get_by_label("办理情况", exact=True).fill(DONE)
    moment = datetime.now(UTC) - timedelta(minutes=1) + timedelta(hours=8)
    await form.get_by_label("联系诉求人的时间").fill(moment.strftime("%Y-%m-%dT%H:%M"))
    await look(page, "unit")
    await form.get_by_role("button", name="提交回复").click()
    await way.until("replied")


async def reviews(way: Way) -> None:
    page = await way.page("reviewer", "/console/review")
    await page.get_by_role("region", name="答复审核").get_by_role("button", name=TITLE).click()
    pane = page.get_by_role("region", name="办理", exact=True)
    await expect(pane.get_by_role("region", name="办理答复")).to_contain_text(DONE)
    await look(page, "review")
    await pane.get_by_role("button", name="审核通过，开始回访").click()
    await way.until("surveying")


async def rates(way: Way) -> None:
    """The citizen reads their messages and answers the last one."""
    handsets = way.story.hotline.stack.handsets
    text = await handsets.next_text(CITIZEN)
    while "评价" not in text.text:
        text = await handsets.next_text(CITIZEN)

    async def delivered() -> bool:
        return any(one["purpose"] == "survey" and one["state"] == "delivered" for one in (await way.told())["messages"])

    await eventually(delivered, "the survey's message is delivered")
    await handsets.send(CITIZEN, "1")
    await way.until("archived")


async def looks_back(way: Way, call_id: CallId) -> None:
    """The auditor finds the whole story on one page and hears the call."""
    page = await way.page("auditor", f"/console/tickets/{way.ticket}")
    await expect(page.get_by_role("group", name="状态和标记")).to_contain_text("已归档")
    course = page.get_by_role("region", name="全部经过")
    for step in ("登记", "派单", "签收", "回复", "评价", "归档"):
        await expect(course).to_contain_text(step)
    await expect(page.get_by_role("button", name="播放", exact=True)).to_be_visible()
    await look(page, "ticket")
    told = await way.told()
    assert (told["rating"], told["rating_source"]) == ("满意", "citizen")
    assert await kept(way.story, call_id) == {
        Party.CITIZEN: {Sound.CITIZEN},
        Party.AGENT: {Sound.AGENT},
        Party.UNIT: {Sound.UNIT},
    }


async def kept(story: Story, call_id: CallId) -> dict[Party, set[Sound]]:
    """Whose tones are on each leg's recording, as it lies in the store and is played: nobody else's."""
    supervisor = await story.hotline.sign_in("supervisor")
    rows = (await supervisor.get(f"/api/calls/{call_id}/recordings"))["recordings"]
    heard: dict[Party, set[Sound]] = {}
    for row in rows:
        if row["kind"] == "leg":
            with wave.open(io.BytesIO(await supervisor.bytes_of(f"/api/recordings/{row['id']}/audio"))) as file:
                samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            sounds = {one for at in range(0, len(samples) - 800, 800) for one in listen(samples[at : at + 800])}
            heard[Party(row["party"])] = sounds & {Sound.CITIZEN, Sound.AGENT, Sound.UNIT}
    return heard


async def nothing_is_broken(story: Story) -> None:
    """Every invariant holds of what these people and machines left behind."""
    settings = story.hotline.stack.settings()
    where = (settings.spool_dir, settings.cel_file, settings.node)
    ground = invariants.Ground(load_rules(REGION), *where, invariants.utc_now(), custody=ground_of(settings))
    async with story.database.transaction() as tx:
        assert await invariants.verify(tx, ground) == ()
