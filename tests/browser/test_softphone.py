"""The browser's telephone in real calls: SIP over WebSocket and DTLS-SRTP into a real Asterisk, and what it survives.

A citizen's telephone sends a tone; Chromium's microphone is a file with a sentence and another tone.
"""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from callcenter.agents import Desired
from callcenter.call_events import Place
from callcenter.stack.hotline import ApiRefused
from callcenter.stack.phone_call import PhoneCall
from callcenter.stack.phone_sound import Sound
from callcenter.types import CallId, Party
from tests.support.axe import grave_findings
from tests.support.browser import DESKTOP, TELEPHONE, Chromium
from tests.support.cable import Cable
from tests.support.eventually import eventually
from tests.support.softphone import COUNT_CONNECTIONS, SEAT, Seat, browsers, computer, opened, recorded, seat, was_said
from tests.support.story import FIRST, SECOND, UNIT, Story, story_for_tests
from tests.support.switchboard import SOON_S

pytestmark = pytest.mark.stack

CITIZEN, AGENT, MUSIC = Sound.CITIZEN, Sound.AGENT, Sound.MUSIC


@pytest.fixture(scope="module")
async def hotline_story() -> AsyncIterator[Story]:
    async with story_for_tests("softphone", softphones=frozenset({SEAT}), ring_s=8) as story:
        yield story


@pytest.fixture(scope="module")
async def speaking(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Browser]:
    async with browsers(tmp_path_factory.mktemp("voice")) as started:
        yield started


@pytest.fixture
async def story(hotline_story: Story) -> AsyncIterator[Story]:
    yield hotline_story
    await hotline_story.quiet()


@pytest.fixture
async def desk(speaking: Browser, story: Story) -> AsyncIterator[Chromium]:
    opened = Chromium(speaking, story.hotline.api_url)
    yield opened
    await opened.close_all()


async def answered(story: Story, at: Seat) -> tuple[PhoneCall, CallId]:
    """A citizen's call rings in the page, is answered there, and both hear each other."""
    await story.on_duty(SECOND)
    citizen, call_id = await story.dial()
    await at.shows("来电振铃")
    await at.page.keyboard.press("Alt+A")
    await at.shows("通话中")
    await both_hear(citizen, at)
    return citizen, call_id


async def both_hear(citizen: PhoneCall, at: Seat) -> None:
    await citizen.until_hears(AGENT, within_s=SOON_S)
    await at.hears_something()


async def test_a_call_in_the_page_is_heard_and_recorded_both_ways(story: Story, desk: Chromium) -> None:
    at = await seat(desk, story)
    await at.switched_on()
    citizen, call_id = await answered(story, at)
    for size in (TELEPHONE, DESKTOP):
        await at.page.set_viewport_size(size)
        assert await grave_findings(at.page) == []
        assert await at.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    await at.page.keyboard.press("Alt+M")
    await at.shows("已静音")
    await citizen.until_hears(Sound.SILENCE, within_s=SOON_S, for_s=0.5)
    await at.page.keyboard.press("Alt+M")
    await citizen.until_hears(AGENT, within_s=SOON_S)
    await at.page.keyboard.press("Alt+H")
    await at.shows("已保持")
    await citizen.until_hears(MUSIC, within_s=SOON_S)
    await at.page.keyboard.press("Alt+H")
    await at.shows("通话中")
    await both_hear(citizen, at)
    await at.button("拨号键盘").click()
    await at.page.get_by_role("button", name="7", exact=True).click()
    await expect(at.page.locator("output")).to_have_text("7")
    await eventually(lambda: 7 in citizen.keys_heard, "the key is heard by the citizen's telephone")
    await at.page.keyboard.press("Alt+X")
    call = await story.until_over(call_id)
    await at.shows("电话就绪")
    await story.until_wanted(SECOND, Desired.WRAP_UP)
    assert not [frame for frame in at.frames if citizen.caller in frame], "the citizen's number reaches the page"
    held = [(stay.party, stay.until_at is not None) for stay in call.stays if stay.place is Place.PHONE_HOLD]
    assert held == [(Party.AGENT, True)]
    files = await recorded(story, call)
    heard = {party: {AGENT, CITIZEN} & sounds for party, sounds in files.items()}
    assert heard == {Party.AGENT: {AGENT}, Party.CITIZEN: {CITIZEN}}
    await eventually(lambda: was_said(story, call_id), "the agent's sentence is in the transcript", within_s=40)


async def test_after_a_reload_the_call_goes_on_and_is_taken_back(story: Story, desk: Chromium) -> None:
    at = await seat(desk, story)
    await at.switched_on()
    citizen, call_id = await answered(story, at)
    await at.page.reload()
    await citizen.until_hears(MUSIC, within_s=SOON_S)
    await taken_back(citizen, at)
    await story.screens.until("call.left", call_id, moved=True)
    assert (await story.agent(SECOND)).desired == Desired.READY
    assert await story.situations(call_id) == ["queued", "ringing", "talking", "consulting", "talking"]
    await at.button("挂断").click()
    await story.until_wanted(SECOND, Desired.WRAP_UP)
    # Nobody was left behind: the agent hung up, so the citizen goes to the next.
    await story.until_situation_again(call_id, "queued", datetime.min.replace(tzinfo=UTC))


async def taken_back(citizen: PhoneCall, at: Seat) -> None:
    await at.shows("通话仍在进行")
    await at.button("接回通话").click()
    await at.shows("通话中")
    await both_hear(citizen, at)


async def test_a_tab_that_crashed_in_a_three_party_call_comes_back_into_it(story: Story, desk: Chromium) -> None:
    context = await computer(desk, story)
    at = await opened(context, story)
    await at.switched_on()
    citizen, call_id = await answered(story, at)
    me = await story.hotline.sign_in("agent2")
    await me.post(f"/api/calls/{call_id}/consult", {"unit": UNIT})
    unit = await story.unit.next_call(SOON_S)
    await me.post(f"/api/calls/{call_id}/merge")
    await citizen.until_hears(AGENT, Sound.UNIT, within_s=SOON_S)
    await crashed(at)
    await citizen.until_hears(Sound.UNIT, within_s=SOON_S, for_s=0.5)
    again = await opened(context, story)
    await again.shows("通话仍在进行")
    await again.page.keyboard.press("Alt+A")
    await citizen.until_hears(AGENT, Sound.UNIT, within_s=SOON_S)
    await unit.until_hears(CITIZEN, AGENT, within_s=SOON_S)
    assert "consulting" not in (await story.situations(call_id))[4:]
    citizen.hang_up()
    await story.until_over(call_id)


async def crashed(at: Seat) -> None:
    """The tab dies without a word, as when it runs out of memory."""
    devtools = await at.page.context.new_cdp_session(at.page)
    async with at.page.expect_event("crash"):
        dying = asyncio.ensure_future(devtools.send("Page.crash"))
    dying.cancel()
    await asyncio.gather(dying, return_exceptions=True)
    await at.page.close()


async def test_who_does_not_come_back_costs_the_citizen_no_place_in_the_queue(story: Story, desk: Chromium) -> None:
    at = await seat(desk, story)
    await at.switched_on()
    citizen, call_id = await answered(story, at)
    await story.on_duty_too(FIRST)
    await at.page.close()
    await citizen.until_hears(MUSIC, within_s=SOON_S)
    me = await story.hotline.sign_in("agent2")
    with pytest.raises(ApiRefused) as refused:
        await me.post("/api/phone/rejoin", {"call": call_id})
    assert refused.value.problem["title"] == "NotBack"
    await story.first.next_call(SOON_S)
    await citizen.until_hears(AGENT, within_s=SOON_S)
    call = await story.call(call_id)
    assert call.agent == FIRST
    assert (await story.agent(SECOND)).desired in (Desired.WRAP_UP, Desired.READY)
    citizen.hang_up()
    await story.until_over(call_id)


async def test_asterisk_starts_anew_and_the_next_call_comes_in(story: Story, desk: Chromium) -> None:
    at = await seat(desk, story)
    await at.switched_on()
    asterisk = story.hotline.stack.asterisk
    await asterisk.stop()
    await at.shows("电话连接中断")
    await asterisk.boot()
    await at.shows("电话就绪")
    citizen, call_id = await answered(story, at)
    citizen.hang_up()
    await story.until_over(call_id)


async def test_a_network_cut_of_ten_seconds_costs_no_call(story: Story, speaking: Browser) -> None:
    async with Cable(story.hotline.stack.ports.api).laid() as cable:
        desk = Chromium(speaking, cable.url)
        at = await seat(desk, story)
        await at.switched_on()
        citizen, call_id = await answered(story, at)
        cable.cut()
        began = asyncio.get_running_loop().time()
        await at.shows("电话连接中断", within_s=10)
        await asyncio.sleep(max(0.0, began + 10 - asyncio.get_running_loop().time()))
        cable.mend()
        await at.shows("通话中", within_s=10)
        await both_hear(citizen, at)
        assert (await at.measured())["restarts"] == 1
        assert await story.situations(call_id) == ["queued", "ringing", "talking"]
        await at.page.keyboard.press("Alt+X")
        await story.until_wanted(SECOND, Desired.WRAP_UP)
        citizen.hang_up()
        await desk.close_all()


async def held(story: Story) -> bool:
    """Whether some browser holds the telephone, as another one is told."""
    me = await story.hotline.sign_in("agent2")
    return bool((await me.get("/api/phone", browser="another-browser"))["elsewhere"])


async def test_one_tab_holds_the_telephone_and_hands_it_over(story: Story, desk: Chromium) -> None:
    context = await computer(desk, story)
    first = await opened(context, story)
    await first.switched_on()
    second = await opened(context, story)
    await second.shows("另一个页面中使用")
    citizen, call_id = await answered(story, first)
    await second.button("在此页使用").click()
    await second.shows("请等通话结束后再切换")
    await both_hear(citizen, first)
    citizen.hang_up()
    await story.until_over(call_id)
    opened_as: list[str] = []
    second.page.on("request", lambda request: opened_as.append(request.url) if "/api/phone?" in request.url else None)
    await second.button("在此页使用").click()
    await second.shows("电话就绪")
    await first.shows("电话在别处")
    assert len(opened_as) == 1, "a line that is opened twice rings twice"
    await second.page.close()
    await first.shows("电话就绪")
    await eventually(lambda: held(story), "the server knows that the first one has it")
    elsewhere = await seat(desk, story)
    await elsewhere.button("启用电话").click()
    await elsewhere.shows("另一台电脑")
    await elsewhere.button("在此页使用").click()
    await elsewhere.shows("电话就绪")
    await first.shows("本页不再接收来电")


async def test_the_devices_are_chosen_and_the_microphone_is_seen(story: Story, desk: Chromium) -> None:
    at = await seat(desk, story)
    await at.switched_on()
    await at.button("声音设备").click()
    dialog = at.page.get_by_role("dialog", name="声音设备")
    level = dialog.get_by_role("meter")
    await eventually(lambda: loud(level), "the meter moves with the microphone")
    await dialog.get_by_label("麦克风", exact=True).select_option(index=1)
    await eventually(lambda: loud(level), "the other microphone is heard too")
    assert await grave_findings(at.page) == []
    await at.page.reload()
    await at.shows("电话就绪")
    await at.button("声音设备").click()
    await expect(dialog.get_by_label("麦克风", exact=True)).not_to_have_value("")


async def loud(level: Any) -> bool:
    return float(await level.evaluate("(one) => one.value")) > 0.2


REFUSALS = [
    ("NotAllowedError", "没有获得授权"),
    ("NotFoundError", "没有找到麦克风"),
    ("NotReadableError", "被其他程序占用"),
]


async def test_without_a_microphone_it_is_said_what_to_do(story: Story, desk: Chromium) -> None:
    for name, words in REFUSALS:
        context = await computer(desk, story)
        refuse = f"navigator.mediaDevices.getUserMedia = async () => {{ throw new DOMException('no', '{name}') }}"
        await context.add_init_script(f"if (navigator.mediaDevices) {refuse}")
        at = await opened(context, story)
        await at.button("启用电话").click()
        await at.shows(words)
    far = Chromium(desk.browser, f"http://hotline.test:{story.hotline.stack.ports.api}")
    at = await seat(far, story)
    await at.button("启用电话").click()
    await at.shows("请改用 https 地址")
    await far.close_all()


async def test_a_call_in_two_browsers(story: Story, desk: Chromium) -> None:
    at = await seat(desk, story)
    await at.switched_on()
    await story.on_duty(SECOND)
    began = datetime.now(UTC)
    street = await desk.context()
    await street.add_init_script(COUNT_CONNECTIONS)
    citizen = Seat(await street.new_page(), story)
    await citizen.page.goto("/console/handset")
    await citizen.page.get_by_role("button", name="拨打 12345").click()
    await expect(citizen.page.get_by_role("status")).to_contain_text("已接通")
    await citizen.page.get_by_role("button", name="0", exact=True).click()
    await at.shows("来电振铃")
    await at.page.keyboard.press("Alt+A")
    await at.shows("通话中")
    await at.hears_something()
    await citizen.hears_something()
    call_id = await story.call_of("13900139000", began)
    await story.until_situation(call_id, "talking")
    call = await story.call(call_id)
    assert (call.agent, call.direction, call.queue) == (SECOND, "in", "hotline")
    assert await grave_findings(citizen.page) == []
    await citizen.page.get_by_role("button", name="挂断").click()
    await story.until_over(call.id)
    await expect(citizen.page.get_by_role("status")).to_contain_text("通话已结束")


async def test_who_has_a_desk_telephone_is_told_so(story: Story, desk: Chromium) -> None:
    at = await seat(desk, story, "agent1")
    await at.shows("话机 8001")
    await expect(at.button("启用电话")).to_have_count(0)


async def test_after_all_this_every_invariant_holds(story: Story) -> None:
    async def kept() -> bool:
        return await story.findings() == []

    await eventually(kept, "callcenter verify finds nothing")
