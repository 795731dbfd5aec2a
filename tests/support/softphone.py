"""A person at the console with the browser as telephone: a Chromium with a recorded voice as its microphone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from playwright.async_api import Page, expect

from callcenter.call_state import Call
from callcenter.stack.phone_ear import listen
from callcenter.stack.phone_sound import RATE_HZ, Sound, alaw_decode, tone
from callcenter.types import CallId, Party
from tests.support.browser import Chromium, chromium
from tests.support.spoken import ANSWER, silence, spoken, write_wav
from tests.support.story import Story
from tests.support.switchboard import SOON_S

SEAT = "8002"
"""The extension of agent2, a browser here."""
# Browsers make a telephone's sound clear and even; a tone would not survive that.
WITHOUT_PROCESSING = """
if (location.protocol === 'http:') localStorage['phone.devices'] ??= '{"processing": false}';
"""
COUNT_CONNECTIONS = """
window.__connections = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...given) { super(...given); window.__connections.push(this); }
  async createOffer(options) {
    if (options?.iceRestart) window.__restarts = (window.__restarts ?? 0) + 1;
    return await super.createOffer(options);
  }
};
"""
MEASURE = """async () => {
  const report = [...(await window.__connections.at(-1).getStats()).values()];
  const heard = report.find((one) => one.type === 'inbound-rtp' && one.kind === 'audio');
  const codec = report.find((one) => one.id === heard?.codecId);
  return {packets: heard?.packetsReceived ?? 0, energy: heard?.totalAudioEnergy ?? 0, codec: codec?.mimeType ?? '',
          restarts: window.__restarts ?? 0};
}"""


def voice(folder: Path) -> Path:
    """What the microphone hears, over and over: a sentence, then the agent's tone for three seconds."""
    samples = alaw_decode(tone(Sound.AGENT).alaw)
    hummed = samples.tobytes() * (3 * RATE_HZ // len(samples))
    return write_wav(folder / "voice.wav", spoken(ANSWER) + silence(0.2) + hummed)


@dataclass
class Seat:
    """One page of a person who telephones with it."""

    page: Page
    story: Story
    frames: list[str] = field(default_factory=list)
    """Everything that came to the page over WebSockets: SIP."""

    @property
    def bar(self) -> Any:
        return self.page.get_by_role("group", name="电话", exact=True)

    def button(self, name: str) -> Any:
        return self.bar.get_by_role("button", name=name)

    async def shows(self, words: str, within_s: float = SOON_S) -> None:
        """The state of the telephone, in words."""
        await expect(self.bar).to_contain_text(words, timeout=within_s * 1000)

    async def switched_on(self) -> None:
        """The first time here a person switches it on; later pages do it by themselves."""
        await self.button("启用电话").click()
        await self.shows("电话就绪")

    async def measured(self) -> dict[str, Any]:
        """Of the newest connection: packets and energy received, codec, how often the way of the sound was renewed."""
        found: dict[str, Any] = await self.page.evaluate(MEASURE)
        return found

    async def hears_something(self) -> None:
        """More packets with more energy in them come in."""
        before = await self.measured()
        for _ in range(100):
            await asyncio.sleep(0.05)
            now = await self.measured()
            if now["packets"] > before["packets"] + 10 and now["energy"] > before["energy"]:
                assert now["codec"] == "audio/PCMA"
                return
        raise AssertionError(f"the browser hears nothing: {before} {now}")


@asynccontextmanager
async def browsers(folder: Path) -> AsyncIterator[Any]:
    """A Chromium whose microphone hears `voice`."""
    microphone = f"--use-file-for-fake-audio-capture={voice(folder)}"
    # A name that is not this machine's own: there a browser gives no page a microphone without TLS.
    async with chromium(microphone, "--host-resolver-rules=MAP hotline.test 127.0.0.1") as started:
        yield started


async def seat(desk: Chromium, story: Story, login: str = "agent2", path: str = "/console/tickets") -> Seat:
    """A person's own computer with the console open."""
    context = await computer(desk, story, login)
    return await opened(context, story, path)


async def computer(desk: Chromium, story: Story, login: str = "agent2") -> Any:
    """Where a person is signed in; nothing is open yet."""
    me = await story.hotline.sign_in(login)
    context = await desk.context(me.token)
    await context.add_init_script(WITHOUT_PROCESSING)
    await context.add_init_script(COUNT_CONNECTIONS)
    return context


async def opened(context: Any, story: Story, path: str = "/console/tickets") -> Seat:
    """One more tab of the same computer."""
    page = await context.new_page()
    # Leaving in a call is asked after; here it is always meant.
    page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
    made = Seat(page, story)
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: made.frames.append(str(frame))))
    await page.goto(path)
    return made


async def recorded(story: Story, call: Call) -> dict[Party, set[Sound]]:
    """What is on the file of each leg, by Asterisk."""
    found: dict[Party, set[Sound]] = {}
    for leg in call.legs.values():
        path = story.hotline.stack.asterisk.spool / f"{call.id}_{leg.party}_{leg.channel_id}.sln"
        if path.exists():
            samples = np.fromfile(path, "<i2")
            windows = [listen(samples[at : at + 800]) for at in range(0, len(samples) - 800, 800)]
            found.setdefault(leg.party, set()).update(*windows)
    return found


async def was_said(story: Story, call_id: CallId) -> bool:
    """Whether the agent's sentence is in the transcript that is made of the files."""
    me = await story.hotline.sign_in("agent2")
    lines = (await me.get(f"/api/calls/{call_id}/transcript"))["lines"]
    return any(line["party"] == Party.AGENT and "记录" in line["text"] for line in lines)
