"""The demonstration: one citizen's call, from the dial tone to the archive, with every step named.

Everything is real but the outside world: a SIP telephone speaks a synthesised complaint, another plays the agent's
headset, a third the handling unit, an SMS centre with a handset stands for the carrier. The agent, dispatcher, unit
and others work through the API, as the console does.
"""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from callcenter import invariants
from callcenter.archive import checking
from callcenter.custody.opening import ground_of
from callcenter.stack.clerks import Clerks, StepMissing
from callcenter.stack.hotline import Api, Hotline
from callcenter.stack.people import HANDLING_UNIT
from callcenter.stack.phone import Phone
from callcenter.stack.phone_call import PhoneCall
from callcenter.stack.phone_sound import speech
from ivr.prompts.maker import make
from ticketing.policy import Rules

CITIZEN = "13800138000"
SPOKEN = {
    "citizen": "您好我想反映一个问题。我要投诉{town}幸福小区路灯坏了。幸福小区路灯坏了已经三天了没有人管。"
    "天黑了看不见路老人摔倒了。希望城管局尽快处理。我姓王，就是这个号码。",
    "agent": "您好政务服务热线请问有什么可以帮您。好的我帮您记录一下。我马上给您登记。",
    "unit": "您好，昨天有人来修了。",
}
"""What is said, within the words the demo speech model knows. town: one of the region, if the model knows any."""
FINISH_WITHIN_S = 60.0


@dataclass
class Timeline:
    """Steps as they happen. `show` gets each line."""

    show: Callable[[str], None]
    began_s: float = field(default_factory=time.monotonic)
    steps: list[str] = field(default_factory=list)

    def step(self, what: str, **ids: object) -> None:
        """One step, with its time and ids."""
        told = "  ".join(f"{key}={value}" for key, value in ids.items() if str(value) not in ("", "None"))
        self.steps.append(what)
        self.show(f"{time.monotonic() - self.began_s:7.2f} s  {what}" + (f"   [{told}]" if told else ""))


@dataclass
class Demo:
    """One run of the story on a hotline that is up."""

    hotline: Hotline
    timeline: Timeline
    rules: Rules
    sounds: Path
    town: str = ""
    call_id: str = ""
    ticket: str = ""
    talk_from_s: float = 0.0

    async def run(self) -> None:
        """The whole story. Raises StepMissing, NotInTime, ApiRefused: what did not happen."""
        said = {who: words.format(town=self.town) for who, words in SPOKEN.items()}
        await asyncio.to_thread(make, said, self.sounds)
        async with AsyncExitStack() as stack:
            self.agent = await self.hotline.sign_in("agent1")
            agent_phone = await stack.enter_async_context(
                self.hotline.agent_phone("8001", speech(self.sounds / "agent.wav"))
            )
            await self.agent.post("/api/desk/login")
            await self.hotline.until_agent("8001", "idle")
            self.timeline.step("话务员签入，话机就绪", agent="8001")
            watching = asyncio.create_task(self._watch())
            stack.callback(watching.cancel)
            citizen_phone = await stack.enter_async_context(self.hotline.citizen_phone(CITIZEN))
            unit_phone = await stack.enter_async_context(self.hotline.unit_phone(speech(self.sounds / "unit.wav")))
            await self._talk(citizen_phone, agent_phone, unit_phone)
        await self._ticket()
        await self._survey()
        await self._proofs()

    # ---- the call ------------------------------------------------------------------------------------------------

    async def _talk(self, citizen_phone: Phone, agent_phone: Phone, unit_phone: Phone) -> None:
        complaint = speech(self.sounds / "citizen.wav")
        citizen = await citizen_phone.call("12345")
        await citizen.until_answered(10)
        self.timeline.step("市民拨打 12345，Asterisk 应答，播放问候与录音告知", caller="138****8000")
        agent = await agent_phone.next_call(40)
        await agent.until_answered(10)
        self.timeline.step("市民未按键，进入队列，话务员接听")
        self.talk_from_s = citizen.ear.last_s or 0.0
        citizen.say(complaint)
        await self._until_call()
        await citizen.until_said()
        self.timeline.step("市民说完诉求，实时转写已显示", call=self.call_id)
        await self._three_parties(unit_phone)
        agent.hang_up()
        await self._until_situation("with_unit")
        self.timeline.step("话务员退出，市民与单位继续通话")
        await self._end(citizen)

    async def _three_parties(self, unit_phone: Phone) -> None:
        await self.agent.post(f"/api/calls/{self.call_id}/consult", {"unit": HANDLING_UNIT})
        await unit_phone.next_call(10)
        self.timeline.step("呼叫承办单位，市民听等待音乐，单位接听", unit=HANDLING_UNIT)
        await self.agent.post(f"/api/calls/{self.call_id}/merge")
        await self._until_situation("three_party")
        self.timeline.step("合并为三方通话")
        await asyncio.sleep(2.0)

    async def _end(self, citizen: PhoneCall) -> None:
        await asyncio.sleep(1.0)
        gap_ms = citizen.ear.longest_gap_s(self.talk_from_s, citizen.ear.last_s or 0.0) * 1000
        citizen.hang_up()
        await self._until_situation("ended")
        self.timeline.step("市民挂机，通话结束，各方都已挂断", longest_rtp_gap=f"{gap_ms:.0f} ms")

    async def _until_call(self) -> None:
        async def found() -> str | None:
            rows = (await self.agent.get("/api/calls", open="true"))["rows"]
            return next((row["id"] for row in rows if row["agent"] == "8001"), None)

        self.call_id = str(await self._until("the call is on the board", found))

    async def _until_situation(self, situation: str) -> None:
        async def reached() -> bool:
            story = await self.agent.get(f"/api/calls/{self.call_id}")
            return bool(story["call"]["state"] == situation)

        await self._until(f"the call is {situation}", reached)

    async def _watch(self) -> None:
        """The agent's live stream: screen-pop and words, as a browser gets them."""
        shown_s = 0.0
        with suppress(aiohttp.ClientError):
            async for kind, data in events(self.agent):
                if kind == "call.ringing":
                    self.timeline.step("弹屏", caller=data["caller"], earlier_tickets=len(data["earlier_tickets"]))
                elif kind == "words.live" and (data["final"] or time.monotonic() - shown_s > 1.0):
                    shown_s = time.monotonic()
                    mark = "转写" if data["final"] else "  …"
                    self.timeline.show(f"            {mark} {data['text']}")

    # ---- the ticket ----------------------------------------------------------------------------------------------

    async def _ticket(self) -> None:
        self.ticket = str(await self._until("the ticket's transcript is read", self._ticket_with_suggestions))
        story = await self.agent.get(f"/api/tickets/{self.ticket}")
        open_ones = [one for one in story["suggestions"] if one["state"] == "proposed"]
        for one in open_ones:
            said, sure = f"「{one['quote'][:24]}」", f"{one['confidence']:.2f}"
            self.timeline.show(f"            建议 {one['field']}: {one['display'][:40]}  {said} {sure}")
        take = f"/api/tickets/{self.ticket}/suggestions/take"
        await self.agent.post(take, {"version": story["version"]})
        self.timeline.step(
            "话务员采用转写建议", ticket=self.ticket, suggestions=len({one["field"] for one in open_ones})
        )
        policy = self.rules.policies[-1]
        self.timeline.step("依据：" + policy.title, policy=policy.name)
        await Clerks(policy, self.hotline.people, self.hotline.sign_in, self.timeline.step, self.ticket).work()

    async def _ticket_with_suggestions(self) -> str | None:
        story = await self.agent.get(f"/api/calls/{self.call_id}/transcript")
        rows = (await self.agent.get("/api/tickets"))["rows"]
        mine = next((row["id"] for row in rows if row["state"] == "draft"), None)
        if not story["lines"] or mine is None:
            return None
        ticket = await self.agent.get(f"/api/tickets/{mine}")
        return mine if any(one["state"] == "proposed" for one in ticket["suggestions"]) else None

    # ---- the survey ----------------------------------------------------------------------------------------------

    async def _survey(self) -> None:
        handsets = self.hotline.stack.handsets
        async with asyncio.timeout(FINISH_WITHIN_S):
            text = await handsets.next_text(CITIZEN)
            while "评价" not in text.text:
                self.timeline.step("市民收到短信", text=text.text[:34] + "…")
                text = await handsets.next_text(CITIZEN)
        self.timeline.step("市民收到回访短信", text=text.text[:34] + "…")
        await self._until_delivered()
        await handsets.send(CITIZEN, "1")
        self.timeline.step("市民回复「1」")
        await self._until_state("archived")
        story = await self.agent.get(f"/api/tickets/{self.ticket}")
        auditor = await self.hotline.sign_in("auditor")
        number = (await auditor.post(f"/api/tickets/{self.ticket}/file"))["number"]
        rating = {"rating": story["rating"], "source": story["rating_source"]}
        self.timeline.step("评价计入，工单办结并归档", **rating, 归档编号=number)
        if (story["rating"], story["rating_source"]) != ("满意", "citizen"):
            raise StepMissing(f"the rating is {story['rating']} by {story['rating_source']}")

    async def _until_delivered(self) -> None:
        async def delivered() -> bool:
            story = await self.agent.get(f"/api/tickets/{self.ticket}")
            return any(one["purpose"] == "survey" and one["state"] == "delivered" for one in story["messages"])

        await self._until("the survey's message is delivered", delivered)

    async def _until_state(self, state: str) -> None:
        async def reached() -> bool:
            return bool((await self.agent.get(f"/api/tickets/{self.ticket}"))["state"] == state)

        await self._until(f"the ticket is {state}", reached)

    # ---- proofs --------------------------------------------------------------------------------------------------

    async def _proofs(self) -> None:
        supervisor = await self.hotline.sign_in("supervisor")
        listed = (await supervisor.get(f"/api/calls/{self.call_id}/recordings"))["recordings"]
        mix = next(one for one in listed if one["kind"] == "mix")
        audio = await supervisor.bytes_of(f"/api/recordings/{mix['id']}/audio")
        if audio[:4] != b"RIFF" or len(audio) < 16_000:
            raise StepMissing("the recording does not play")
        self.timeline.step("录音可播放", seconds=mix["duration_s"], files=len(listed), sha256=str(mix["sha256"])[:12])
        settings = self.hotline.stack.settings()
        ground = invariants.Ground(
            self.rules,
            settings.spool_dir,
            settings.cel_file,
            settings.node,
            invariants.utc_now(),
            custody=ground_of(settings),
        )
        async with self.hotline.database.transaction() as tx:
            found = await invariants.verify(tx, ground)
        if found:
            raise StepMissing("; ".join(f"{one.invariant}: {one.sentence}" for one in found))
        self.timeline.step("核验：所有不变式成立", invariants=len(invariants.INVARIANTS))
        await self._package(settings.archive_folder, settings.signing_key)

    async def _package(self, folder: Path, key: Path | None) -> None:
        """The ticket's package, checked as a stranger would: by the file and the public key alone."""
        auditor = await self.hotline.sign_in("auditor")

        async def made() -> bool:
            return bool((await auditor.get(f"/api/tickets/{self.ticket}/packages"))["rows"])

        await self._until("the package of the archive is made", made)
        path, held = await asyncio.to_thread(_verified, folder, self.ticket, key)
        self.timeline.step("档案包已生成，离线核验通过（BagIt、签名、事件链、录音）", path=path, files=held.files)

    async def _until(self, what: str, ready: Callable[[], Any]) -> Any:
        """Ask until the answer is yes. Raises StepMissing after FINISH_WITHIN_S."""
        try:
            async with asyncio.timeout(FINISH_WITHIN_S):
                while not (answer := await ready()):
                    await asyncio.sleep(0.1)
                return answer
        except TimeoutError:
            raise StepMissing(f"not within {FINISH_WITHIN_S:.0f} s: {what}") from None


def _verified(folder: Path, ticket: str, key: Path | None) -> tuple[Path, checking.Verified]:
    """The package of a ticket that was archived once, and what its check found. Blocking."""
    [path] = folder.glob(f"*/*/{ticket}-r*.tar")
    trusted = [key.with_name(key.name + ".pub").read_bytes()] if key else []
    return path, checking.verify(path, trusted=trusted)


async def events(api: Api) -> Any:
    """The live stream of a signed-in person, event by event."""
    headers = {"Authorization": f"Bearer {api.token}"}
    async with api.session.get(api.base + "/api/stream", headers=headers, timeout=aiohttp.ClientTimeout()) as stream:
        kind = ""
        async for raw in stream.content:
            line = raw.decode().rstrip("\n")
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield kind, json.loads(line.removeprefix("data: "))
