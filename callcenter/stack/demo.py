"""The demonstration: one citizen's call, from the dial tone to the archive, with every step named.

Everything is real but the outside world: a SIP telephone speaks a synthesised complaint, another plays the agent's
headset, a third the handling unit, an SMS centre with a handset stands for the carrier. The agent, dispatcher, unit
and others work through the API, as the console does.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp

from callcenter import invariants
from callcenter.stack.hotline import Api, Hotline
from callcenter.stack.phone import Phone
from callcenter.stack.phone_call import PhoneCall
from callcenter.stack.phone_sound import speech
from ivr.prompts.maker import make
from ticketing.clocks import local_day

CHINA = ZoneInfo("Asia/Shanghai")
CITIZEN = "13800138000"
SPOKEN = {
    "citizen": "您好我想反映一个问题。我要投诉龙胜镇幸福小区路灯坏了。幸福小区路灯坏了已经三天了没有人管。"
    "天黑了看不见路老人摔倒了。希望城管局尽快处理。我姓王，就是这个号码。",
    "agent": "您好政务服务热线请问有什么可以帮您。好的我帮您记录一下。我马上给您登记。",
    "unit": "您好，昨天有人来修了。",
}
"""What is said, within the words the demo speech model knows."""
UNIT = "urban"
FINISH_WITHIN_S = 60.0


class StepMissing(Exception):
    """A step of the demonstration did not happen in time."""


@dataclass
class Timeline:
    """Steps as they happen. `show` gets each line."""

    show: Callable[[str], None]
    began_s: float = field(default_factory=time.monotonic)
    steps: list[str] = field(default_factory=list)

    def step(self, what: str, **ids: object) -> None:
        """One step, with its time and ids."""
        told = "  ".join(f"{key}={value}" for key, value in ids.items() if value not in ("", None))
        self.steps.append(what)
        self.show(f"{time.monotonic() - self.began_s:7.2f} s  {what}" + (f"   [{told}]" if told else ""))


@dataclass
class Demo:
    """One run of the story on a hotline that is up."""

    hotline: Hotline
    timeline: Timeline
    rules: Any
    sounds: Path
    call_id: str = ""
    ticket: str = ""
    talk_from_s: float = 0.0

    async def run(self) -> None:
        """The whole story. Raises StepMissing, NotInTime, ApiRefused: what did not happen."""
        await asyncio.to_thread(make, SPOKEN, self.sounds)
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
        await self.agent.post(f"/api/calls/{self.call_id}/consult", {"unit": UNIT})
        await unit_phone.next_call(10)
        self.timeline.step("呼叫承办单位，市民听等待音乐，单位接听", unit=UNIT)
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
        took = await self.agent.post(take, {"version": story["version"]})
        self.timeline.step(
            "话务员采用转写建议", ticket=self.ticket, suggestions=len({one["field"] for one in open_ones})
        )
        await self._register(took["version"])
        await self._handle()

    async def _ticket_with_suggestions(self) -> str | None:
        story = await self.agent.get(f"/api/calls/{self.call_id}/transcript")
        rows = (await self.agent.get("/api/tickets"))["rows"]
        mine = next((row["id"] for row in rows if row["state"] == "draft"), None)
        if not story["lines"] or mine is None:
            return None
        ticket = await self.agent.get(f"/api/tickets/{mine}")
        return mine if any(one["state"] == "proposed" for one in ticket["suggestions"]) else None

    async def _register(self, version: int) -> None:
        fields = {"title": "幸福小区路灯损坏"}
        exception = "市12345热线授权本站直接登记（演示）"
        body = {"version": version, "fields": fields, "intake_exception": exception}
        done = await self.agent.post(f"/api/tickets/{self.ticket}/register", body)
        self.timeline.step("登记受理，受理短信发出", ticket=self.ticket, state=done["state_name"])
        await self.agent.post(f"/api/tickets/{self.ticket}/forward", {"version": done["version"]})
        self.timeline.step("提交派单")

    async def _handle(self) -> None:
        dispatcher, unit = await self.hotline.sign_in("dispatcher"), await self.hotline.sign_in(UNIT)
        await self._act(dispatcher, "dispatch", {"lead": UNIT, "basis": "权责清单：路灯维护"})
        due = await self._due(dispatcher)
        self.timeline.step("派单到主办单位", unit=UNIT, handle_due=due)
        await self._act(unit, "sign", {})
        self.timeline.step("单位签收")
        contact = {"at": _now(), "method": "电话", "told": "已与诉求人联系，明天安排检修"}
        await self._act(unit, "start", {"contact": contact})
        self.timeline.step("单位联系市民，开始办理")
        contents = {
            "handled_on": local_day(datetime.now(UTC)).isoformat(),
            "handling_unit": "县城市管理监督局",
            "handler": "张工",
            "situation": "已更换损坏路灯，现场照明恢复正常。",
            "citizen_contacted_at": _now(),
            "not_enforcement": True,
        }
        await self._act(unit, "reply", {"contents": contents})
        self.timeline.step("单位答复，进入回访")

    async def _act(self, who: Api, what: str, body: Mapping[str, Any]) -> None:
        story = await who.get(f"/api/tickets/{self.ticket}")
        await who.post(f"/api/tickets/{self.ticket}/{what}", {"version": story["version"], **body})

    async def _due(self, who: Api) -> str:
        story = await who.get(f"/api/tickets/{self.ticket}")
        due = next((one["due_at"] for one in story["deadlines"] if one["kind"] == "handle"), None)
        return datetime.fromisoformat(due).astimezone(CHINA).strftime("%Y-%m-%d %H:%M:%S") if due else ""

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
        self.timeline.step("评价计入，工单办结并归档", rating=story["rating"], source=story["rating_source"])
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
            self.rules, settings.spool_dir, settings.cel_file, settings.node, invariants.utc_now()
        )
        async with self.hotline.database.transaction() as tx:
            found = await invariants.verify(tx, ground)
        if found:
            raise StepMissing("; ".join(f"{one.invariant}: {one.sentence}" for one in found))
        self.timeline.step("核验：所有不变式成立", invariants=len(invariants.INVARIANTS))

    async def _until(self, what: str, ready: Callable[[], Any]) -> Any:
        """Ask until the answer is yes. Raises StepMissing after FINISH_WITHIN_S."""
        try:
            async with asyncio.timeout(FINISH_WITHIN_S):
                while not (answer := await ready()):
                    await asyncio.sleep(0.1)
                return answer
        except TimeoutError:
            raise StepMissing(f"not within {FINISH_WITHIN_S:.0f} s: {what}") from None


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


def _now() -> str:
    return datetime.now(UTC).isoformat()
