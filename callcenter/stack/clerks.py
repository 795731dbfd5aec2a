"""The people of the demonstration at work: each does what waits for them, as the policy in use asks, through the API.

Nothing here knows a region: which signatures, contents and talks a ticket needs is read from the policy, what waits
for whom from the API.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from callcenter.stack.people import HANDLING_UNIT, Position
from callcenter.types import Role
from ticketing.aftercare.contacts import Purpose
from ticketing.approvals.signing import Gate
from ticketing.clocks import local_day
from ticketing.dispatch.rules import Missing
from ticketing.policy import Policy
from ticketing.rules import Case
from ticketing.words import FLAG_NAMES, REPLY_FIELD_NAMES, Flag, State

CHINA = ZoneInfo("Asia/Shanghai")
UNIT, HEAD = HANDLING_UNIT, f"{HANDLING_UNIT}-head"
TITLE = "幸福小区路灯损坏"
SAID = {"content": "幸福小区路灯坏了，已经三天没有人管。", "place": "幸福小区", "contact_name": "王先生"}
"""What the agent writes down where the machine suggested nothing."""
COMPLAINT = "投诉"
DUE_NAMES = {"sign": "签收", "contact": "联系诉求人", "handle": "办理", "return": "退单"}
SIGN_FOR = frozenset({Role.LEADER, Role.UNIT_HEAD, Role.SUPERVISOR})


class Desk(Protocol):
    """A signed-in person's way to the API."""

    async def get(self, path: str, **query: str | int) -> Any:
        """The answer's JSON."""

    async def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """The answer's JSON."""


class StepMissing(Exception):
    """A step of the demonstration did not happen."""


@dataclass
class Clerks:
    """Everybody who works on one ticket. tell: what happened, with what belongs to it."""

    policy: Policy
    people: Mapping[str, Position]
    sign_in: Callable[[str], Awaitable[Desk]]
    tell: Callable[..., None]
    ticket: str
    _desks: dict[str, Desk] = field(default_factory=dict)

    async def work(self) -> None:
        """From the draft to the question whether the citizen is satisfied. Raises StepMissing."""
        await self.register()
        await self.dispatch()
        await self.handle()
        await self.reply()
        await self.review()
        if (await self.story())["state"] != State.SURVEYING:
            raise StepMissing(f"the ticket stands at {(await self.story())['state_name']}, not at the survey")

    # ---- at the desk -----------------------------------------------------------------------------------------------

    async def register(self) -> None:
        """Taken in with what this policy wants to know, then to whoever dispatches or signs first."""
        upstream = self.policy.upstream
        exception = "" if upstream.public_intake else "上级热线授权本站直接登记（演示）"
        done = await self.act("agent1", "register", fields=await self._fields(), intake_exception=exception)
        why = {} if upstream.public_intake else {"直接登记须有理由": upstream.basis}
        self.tell("登记受理，受理短信发出", ticket=self.ticket, state=done["state_name"], **why)
        await self.act("agent1", "forward")
        self.tell("提交派单")
        await self.sign()

    async def _fields(self) -> dict[str, Any]:
        story, policy = await self.story("agent1"), self.policy
        fields: dict[str, Any] = {name: text for name, text in SAID.items() if not story[name]}
        fields["title"] = TITLE
        if not story["request_type"]:
            fields["request_type"] = policy.own_type(COMPLAINT) or policy.request_types[0]
        if policy.real_name is not None:
            self.tell("实名登记，身份另存并遮盖", 依据=policy.real_name.basis)
        if policy.requester_kinds:
            fields["requester_kind"] = policy.requester_kinds[0]
        if policy.grades:
            fields["grade"] = policy.grades[-1]
        flags = self._flags(self._case(story))
        if flags:
            fields["flags"] = sorted(flags)
            self.tell("热线标记" + "、".join(FLAG_NAMES[flag] for flag in flags))
        return fields

    def _flags(self, case: Case) -> frozenset[Flag]:
        """Marked as a key matter where only that shows who signs before a dispatch here."""
        approval, keyed = self.policy.approval, replace(case, flags=case.flags | {Flag.KEY})
        gate = Gate.BEFORE_DISPATCH
        asked = approval is not None and approval.rule(gate, keyed) and not approval.rule(gate, case)
        return keyed.flags if asked else frozenset()

    async def sign(self) -> None:
        """Everybody signs whose turn it is, until nothing of this ticket waits."""
        signers = [one.login for one in self.people.values() if one.roles & SIGN_FOR]
        while True:
            signed = [login for login in signers if await self._sign_as(login)]
            if not signed:
                return

    async def _sign_as(self, login: str) -> bool:
        rows = (await (await self.desk(login)).get("/api/approvals"))["rows"]
        row = next((row for row in rows if row["ticket"] == self.ticket), None)
        if row is None:
            return False
        said = {"signer": row["signer"], "opinion": "同意"}
        said |= {"seal": "单位印章1号"} if row["gate"] == Gate.SIGNOFF else {}
        said |= {"instruction": "请依职责尽快办理，并报结果。"} if row["gate"] == Gate.BEFORE_DISPATCH else {}
        await self.act(login, "approvals/sign", **said)
        self.tell(f"{row['gate_name']}：{row['signer']}同意", document=row["document"], 依据=row["basis"])
        return True

    # ---- dispatch --------------------------------------------------------------------------------------------------

    async def dispatch(self) -> None:
        """To the unit the suggestions name, with all that this policy asks of a dispatch."""
        dispatcher = await self.desk("dispatcher")
        found = await dispatcher.get(f"/api/tickets/{self.ticket}/dispatch-suggestions")
        mine = next((one for one in found["suggestions"] if one["unit"] == UNIT), None)
        if mine is None:
            raise StepMissing("the unit of the story is not among the suggestions")
        self.tell("派单建议：" + mine["name"], why="；".join(mine["reasons"]), 依据=found["routing_basis"])
        await self._handlers(dispatcher)
        story = await self.story("dispatcher")
        body: dict[str, Any] = {"lead": UNIT, "basis": mine["basis"] or "单位职责", "instruction": "请核实并修复路灯"}
        if story["urgent"] and self.policy.urgent.phone_notice:
            body["phone_notice"] = {"at": _now(), "person": "值班室"}
            self.tell("突发事项，先电话通知承办单位", 依据=self.policy.urgent.basis)
        await self.act("dispatcher", "dispatch", **body)
        self.tell("派单到主办单位", unit=UNIT, **await self._dues())

    async def _handlers(self, dispatcher: Desk) -> None:
        """Where a unit gets nothing before it has registered who works it, it does so."""
        rule = self.policy.dispatching.handlers if self.policy.dispatching else None
        if rule is None or rule.missing is not Missing.BLOCK:
            return
        units = (await dispatcher.get("/api/unit-directory"))["units"]
        if next(one["handlers"] for one in units if one["id"] == UNIT) < rule.least:
            people = [{"name": f"张工{number}"} for number in range(1, rule.least + 1)]
            body = {"post": "handler", "people": people, "changed_on": local_day(_at()).isoformat()}
            await (await self.desk(UNIT)).post(f"/api/unit-directory/{UNIT}/people", body)
            self.tell("承办单位登记具办人员", 依据=rule.basis)

    async def _dues(self) -> dict[str, str]:
        rows = (await self.story("dispatcher"))["deadlines"]
        running = [row for row in rows if row["state"] == "open" and row["kind"] in DUE_NAMES]
        return {DUE_NAMES[row["kind"]]: f"{_local(row['due_at'])}（{row['basis']}）" for row in running}

    # ---- the unit --------------------------------------------------------------------------------------------------

    async def handle(self) -> None:
        """Signed, given out inside the unit as the policy says, the citizen called; supervisions answered."""
        await self.act(UNIT, "sign", person="值班员")
        self.tell("单位签收", **await self._dues())
        contact = {"at": _now(), "method": "电话", "told": "已与诉求人联系，明天安排检修"}
        inside = self.policy.approval.inside_unit if self.policy.approval else None
        rule = inside.rule(self._case(await self.story())) if inside else None
        led = {"led_by": "王局长", "rank": rule.led_by} if rule else {}
        who = HEAD if inside is not None and inside.principal_signs else UNIT
        await self.act(who, "start", contact=contact, **led)
        why = {"依据": inside.signs_basis, "由": rule.label} if inside is not None and rule else {}
        self.tell("单位联系市民，开始办理", **why)
        await self._answer_supervisions()

    async def _answer_supervisions(self) -> None:
        unit, supervisor = await self.desk(UNIT), await self.desk("supervisor")
        for row in (await unit.get("/api/supervisions", running="true"))["rows"]:
            if row["ticket_id"] != self.ticket:
                continue
            path = f"/api/supervisions/{row['id']}"
            version = (await self.story())["version"]
            await unit.post(f"{path}/answer", {"version": version, "text": "已派人到现场更换。"})
            version = (await self.story())["version"]
            await supervisor.post(f"{path}/end", {"version": version, "result": "已反馈，督办结束。"})
            self.tell(f"{row['form_name']}：{row['label']}，单位反馈，督办结束", 依据=row["basis"])

    async def reply(self) -> None:
        """What this policy wants in a reply, signed and sealed first where it says so."""
        case = self._case(await self.story())
        contents, named = self._contents(case)
        approval = self.policy.approval
        signoff = approval.rule(Gate.SIGNOFF, case) if approval else None
        await self.act(UNIT, "signoff" if signoff else "reply", contents=contents)
        if signoff is not None:
            self.tell("单位提请主要负责人签字盖章", 依据=signoff.basis)
            await self.sign()
        self.tell("单位回复：" + "、".join(named), 依据=self.policy.reply.basis)

    def _contents(self, case: Case) -> tuple[dict[str, Any], list[str]]:
        """The fields the policy asks for and their names; the time handled is two fields of the form."""
        rules, answer = self.policy.reply, self.policy.answer
        known = self._known()
        wanted = [*rules.required]
        for kind in rules.by_type:
            groups = kind.one_of if case.request_type in kind.types else ()
            wanted += next((group for group in groups if set(group) <= known.keys()), ())
        if answer is not None and answer.told is not None:
            wanted += ["result_told_at", "result_told_by"]
        given = {key: value for name in wanted for key, value in known[name].items()}
        return given, [REPLY_FIELD_NAMES[name] for name in dict.fromkeys(wanted)]

    def _known(self) -> dict[str, dict[str, Any]]:
        now = _at().astimezone(CHINA)
        plain = {
            "handling_unit": "路灯维护班",
            "handler": "张工",
            "situation": "已更换损坏路灯，现场照明恢复正常。",
            "citizen_contacted_at": now.isoformat(),
            "not_enforcement": True,
            "result_told_at": now.isoformat(),
            "result_told_by": "电话",
        }
        told = {name: {name: value} for name, value in plain.items()}
        return told | {"handled_at": {"handled_on": now.date().isoformat(), "handled_hour": now.hour}}

    # ---- the hotline again -----------------------------------------------------------------------------------------

    async def review(self) -> None:
        """The unit's own question, the leaders' signatures, the hotline's review: whatever stands before the survey."""
        story = await self.story()
        if story["state"] == State.REPLIED:
            await self._unit_asks()
            approval = self.policy.approval
            gate = approval.rule(Gate.BEFORE_FEEDBACK, self._case(story)) if approval else None
            if gate is None:
                await self.act("reviewer", "review/begin-survey")
                self.tell("热线审核通过，开始回访", 依据=self.policy.survey.basis)
                return
            await self.act("reviewer", "approvals/ask", gate=gate.gate)
            self.tell("提请反馈前签批", 依据=gate.basis, 读法=gate.reading)
        await self.sign()
        self.tell("进入回访", 依据=self.policy.survey.basis)

    async def _unit_asks(self) -> None:
        follow = self.policy.follow
        if follow is None or follow.unit_asks is None:
            return
        budget = await (await self.desk(UNIT)).get(f"/api/tickets/{self.ticket}/contact-budget")
        over = "" if budget["may_call"] else "演示，不等到白天"
        said = {"at": _now(), "method": "电话", "told": "诉求人表示路灯已亮", "purpose": Purpose.FOLLOW_UP}
        await self.act(UNIT, "contact", **said, over_reason=over)
        self.tell("承办单位自行回访", 依据=follow.unit_asks_basis)

    # ---- tools -----------------------------------------------------------------------------------------------------

    async def desk(self, login: str) -> Desk:
        """This person, signed in once."""
        if login not in self._desks:
            self._desks[login] = await self.sign_in(login)
        return self._desks[login]

    async def story(self, login: str = "supervisor") -> Any:
        """The ticket as this person reads it."""
        return await (await self.desk(login)).get(f"/api/tickets/{self.ticket}")

    async def act(self, login: str, what: str, **body: Any) -> Any:
        """A command on the ticket as it stands."""
        version = (await self.story())["version"]
        return await (await self.desk(login)).post(f"/api/tickets/{self.ticket}/{what}", {"version": version, **body})

    def _case(self, story: Mapping[str, Any]) -> Case:
        """What the policy's conditions may ask about it."""
        flags = frozenset(Flag(flag) for flag in story["flags"])
        times = {"request_no": story["request_no"], "assignment_no": story["round"]}
        return Case(story["request_type"], story["source"], story["urgent"], flags, **times)


def _at() -> datetime:
    return datetime.now(UTC)


def _now() -> str:
    return _at().isoformat()


def _local(at: str) -> str:
    return datetime.fromisoformat(at).astimezone(CHINA).strftime("%m-%d %H:%M")
