"""A region's hotline on a test's own database, its people working through the API, on a clock the story tells.

office = await stack.enter_async_context(open_office(db, tmp_path, monkeypatch, "longsheng", MONDAY))
await office.call()
await office.do("agent", "register", fields=...)
refused = await office.refused("urban", "return", reason="不属本单位")
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy import text

from callcenter import accounts, flow_dispatch, flow_supervision, flow_tickets, units
from callcenter.db import Database
from callcenter.job import Handler, Job
from callcenter.sms import service as sms
from callcenter.sms.facts import SmsFact
from callcenter.sms.submit import Submitter
from callcenter.stack import clerks
from callcenter.types import AgentId, CallId, PhoneNumber, Role, TicketId, UnitId, system
from callcenter.web import context, server
from config.prefill_loader import load_prefill
from config.unit_loader import load_directory
from tests.support import web as web_support
from tests.support.regions import policy_of, rules_of
from tests.support.sms import ScriptedSender
from tests.support.web import ALL_DAY, CALL_ID, PHONE, Answer, Web, add_call, serving
from ticketing import checks, service, store
from ticketing.approvals.signing import SignerKind

TOLD_TIME: tuple[ModuleType, ...] = (
    context,
    server,
    flow_tickets,
    flow_supervision,
    flow_dispatch,
    web_support,
    clerks,
)
"""Where the clock is read while a story is told."""
DESK: Mapping[str, frozenset[Role]] = {
    "agent": frozenset({Role.AGENT}),
    "dispatcher": frozenset({Role.DISPATCHER}),
    "reviewer": frozenset({Role.REVIEWER}),
    "supervisor": frozenset({Role.SUPERVISOR}),
    "auditor": frozenset({Role.AUDITOR}),
    "admin": frozenset({Role.ADMIN}),
}
UNITS = ("urban", "police", "transport", "housing")
LAMP = {
    "content": "幸福小区路灯坏了已经三天了没有人管，希望尽快处理。",
    "place": "幸福小区",
    "contact_name": "王先生",
}
OURS = {"reason": "路灯由产权单位维护", "legal_basis": "三定方案第三条", "suggestion": "转产权单位办理"}
"""What a unit gives that wants to return the ticket, with all any region asks for but 蒙城's declaration."""
DONE_JOBS = frozenset({sms.SUBMIT_JOB, "ticket.archive"})


@dataclass
class Clock:
    """The time of a story; it stands still until it is moved on."""

    at: datetime

    def stand_in(self) -> type[datetime]:
        """`datetime` whose `now` is this clock's."""

        class Told(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
                return self.at.astimezone(tz)

        return Told


@dataclass
class Office:
    """The people of one hotline, and one ticket they work on. Whoever acts is a login."""

    web: Web
    region: str
    clock: Clock
    sender: ScriptedSender = field(default_factory=ScriptedSender)
    ticket: str = ""
    _inbound: "count[int]" = field(default_factory=lambda: count(1))

    # ---- time ------------------------------------------------------------------------------------------------------

    def to(self, at: datetime) -> None:
        """It is now `at`; everybody signs in anew."""
        assert at >= self.clock.at, "a story goes forward"
        self.clock.at = at
        self.web.tokens.clear()

    def later(self, **amount: float) -> None:
        """So much later."""
        self.to(self.clock.at + timedelta(**amount))

    @property
    def now(self) -> str:
        return self.clock.at.isoformat()

    # ---- what people do --------------------------------------------------------------------------------------------

    async def call(self) -> None:
        """A citizen's call opens the draft, as the hub does when an agent answers."""
        async with self.web.db.transaction() as tx:
            caller = await add_call(tx, self.web.vault, CALL_ID)
            rules = self.web.ground.rules
            drafted = await service.open_draft(
                tx, actor=system("story"), now=self.clock.at, rules=rules, call_id=CallId(CALL_ID), requester=caller
            )
        self.ticket = drafted.id

    async def story(self, who: str = "supervisor") -> dict[str, Any]:
        """The ticket as this person reads it."""
        told: dict[str, Any] = await self.web.get(who, f"/api/tickets/{self.ticket}")
        return told

    async def ask(self, who: str, what: str, **body: Any) -> Answer:
        """A command on the ticket as it stands."""
        async with self.web.db.transaction() as tx:
            version = (await store.load(tx, TicketId(self.ticket))).version
        body["version"] = version
        return await self.web.ask(who, "POST", f"/api/tickets/{self.ticket}/{what}", body)

    async def do(self, who: str, what: str, **body: Any) -> str:
        """A command that goes well; the state's name afterwards."""
        answer = await self.ask(who, what, **body)
        assert answer.status == 200, (what, answer.raw.decode())
        return str(answer.body["state_name"])

    async def refused(self, who: str, what: str, **body: Any) -> str:
        """A command that a rule forbids; the article."""
        answer = await self.ask(who, what, **body)
        assert answer.status in (403, 409, 422), (answer.status, answer.raw.decode())
        return str(answer.body.get("basis", answer.code))

    async def sign_all(self, *who: str, **body: Any) -> list[str]:
        """These sign in turn what waits for them; whose signature each was."""
        signed = []
        for login in who:
            [row] = (await self.web.get(login, "/api/approvals"))["rows"]
            assert row["ticket"] == self.ticket
            signed.append(row["signer"])
            await self.do(login, "approvals/sign", **body)
        return signed

    async def due(self, kind: str) -> datetime:
        """Until when; the open deadline of that kind."""
        rows = (await self.story())["deadlines"]
        [due] = [row["due_at"] for row in rows if row["kind"] == kind and row["met_at"] is row["ended_at"] is None]
        return datetime.fromisoformat(due).astimezone(self.clock.at.tzinfo)

    async def supervised(self) -> list[str]:
        """The reasons under which the ticket is supervised now, oldest first."""
        rows = (await self.web.get("supervisor", "/api/supervisions", running="true"))["rows"]
        return [row["trigger"] for row in reversed(rows)]

    async def answer_supervisions(self) -> list[str]:
        """Every supervised unit answers and the supervisor ends it; the forms."""
        rows = (await self.web.get("supervisor", "/api/supervisions", running="true"))["rows"]
        for row in reversed(rows):
            path, words = f"/api/supervisions/{row['id']}", {"text": "已落实整改"}
            await self.web.post(row["unit"], f"{path}/answer", {**words, "version": (await self.story())["version"]})
            over = {"result": "已反馈，督办结束", "version": (await self.story())["version"]}
            await self.web.post("supervisor", f"{path}/end", over)
        return [row["form_name"] for row in reversed(rows)]

    async def chain(self) -> list[str]:
        """Every event: its name and who did it."""
        rows = (await self.story("auditor"))["events"]
        return [f"{row['name']} {row['actor'].split(':')[1]}" for row in rows]

    async def broken(self) -> tuple[checks.Broken, ...]:
        """Promises of the stored tickets that are not kept."""
        async with self.web.db.transaction() as tx:
            return await checks.broken_invariants(tx, self.web.ground.rules)

    # ---- what the system does by itself ----------------------------------------------------------------------------

    @property
    def _work(self) -> flow_tickets.TicketWork:
        return flow_tickets.TicketWork(self.web.db, self.web.hub.board, self.web.ground)

    async def _tell_sms(self, tx: Any, facts: tuple[SmsFact, ...]) -> None:
        await flow_tickets.tell_sms(tx, self.web.ground, facts)

    async def run_jobs(self) -> list[str]:
        """The worker's queue until it is empty; the kinds that ran."""
        submit = Submitter(
            self.web.db.transaction,
            self.sender,
            self.web.vault.number_of,
            ALL_DAY,
            self._tell_sms,
            now=lambda: self.clock.at,
        )
        handlers: Mapping[str, Handler] = {sms.SUBMIT_JOB: submit, **self._work.handlers()}
        ran = []
        while jobs := await self._take_jobs():
            for job in jobs:
                await handlers[job.kind](job)
                ran.append(job.kind)
        return ran

    async def _take_jobs(self) -> list[Job]:
        taken = text(
            "DELETE FROM pgqueuer WHERE entrypoint = ANY(:kinds) RETURNING id, entrypoint, dedupe_key, payload"
        )
        async with self.web.db.transaction() as tx:
            rows = (await tx.execute(taken, {"kinds": list(DONE_JOBS)})).all()
        return [Job(row.id, row.entrypoint, row.dedupe_key, bytes(row.payload), 1) for row in sorted(rows)]

    async def deliver_survey(self) -> None:
        """Messages go out; the survey's newest is on the citizen's telephone."""
        await self.run_jobs()
        key = [key for _, key in self.sender.sent if key.startswith(flow_tickets.SURVEY_KEY)][-1]
        async with self.web.db.transaction() as tx:
            await self._tell_sms(tx, await sms.on_receipt(tx, sms.Receipt(key, 1), now=self.clock.at))

    async def citizen_writes(self, body: str) -> None:
        """A message from the citizen's telephone."""
        said = sms.InboundSms(PhoneNumber(PHONE), "12345", body, f"mo-{next(self._inbound)}")
        async with self.web.db.transaction() as tx:
            identity_of = self.web.vault.identity_of
            await self._tell_sms(tx, await sms.on_inbound(tx, said, now=self.clock.at, identity_of=identity_of))

    async def sweep(self) -> None:
        """Everything the worker looks for by the clock."""
        work, ground = self._work, self.web.ground
        await work.sweep_deadlines()
        await work.sweep_surveys()

        async def tell(tx: Any, told: Any, now: datetime) -> Any:
            return await flow_tickets.tell(tx, ground, told, now)

        board = self.web.hub.board
        watch = flow_supervision.SupervisionWork(self.web.db, board, ground.rules, tell)
        await watch.sweep_rungs()
        await watch.sweep_explanations()
        await flow_dispatch.DispatchWork(self.web.db, board, ground.rules, ground.vault, ALL_DAY, tell).sweep()


Opening = Callable[[str, datetime], Awaitable[Office]]


@asynccontextmanager
async def open_office(
    db: Database, spool: Path, monkeypatch: pytest.MonkeyPatch, region: str, at: datetime
) -> AsyncIterator[Office]:
    """The hotline of this region at this moment: its units, a person of every role, the signers of its policy."""
    clock = Clock(at)
    for module in TOLD_TIME:
        monkeypatch.setattr(module, "datetime", clock.stand_in())
    async with serving(db, spool, shipped=rules_of(region)) as one:
        office = Office(one, region, clock)
        await _with_people(office)
        yield office


async def _with_people(office: Office) -> None:
    web, region = office.web, office.region
    directory = load_directory(region, policy_of(region))
    async with web.db.transaction() as tx:
        await units.keep(tx, load_prefill(region).units)
        await units.seed(tx, directory.units, directory.entries, office.clock.at)
        for login, roles in DESK.items():
            extension = AgentId("8001") if login == "agent" else None
            web.ids[login] = await accounts.create(tx, login, login, "x", roles, extension=extension)
        for unit in UNITS:
            web.ids[unit] = await accounts.create(tx, unit, unit, "x", [Role.UNIT], unit=UnitId(unit))
            head = f"{unit}-head"
            web.ids[head] = await accounts.create(tx, head, head, "x", [Role.UNIT_HEAD], unit=UnitId(unit))
        for title in titles_of(region):
            web.ids[title] = await accounts.create(tx, title, title, "x", [Role.LEADER], titles=[title])


@pytest.fixture
async def opening(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Opening]:
    """Opens the hotline of a region at a moment, with a call that has just been answered."""
    async with AsyncExitStack() as stack:

        async def at(region: str, now: datetime) -> Office:
            office = await stack.enter_async_context(open_office(db, tmp_path, monkeypatch, region, now))
            await office.call()
            return office

        yield at


def answered(office: Office, **values: Any) -> dict[str, Any]:
    """A reply with all that any of the five asks for, but what a complaint's reply must say of its case."""
    now = office.clock.at
    return {
        "handled_on": now.date().isoformat(),
        "handled_hour": now.hour,
        "handling_unit": "市政路灯所",
        "handler": "张工",
        "situation": "已更换损坏的路灯，夜间照明恢复。",
        "citizen_contacted_at": office.now,
        "result_told_at": office.now,
        "result_told_by": "电话",
        **values,
    }


def contact(office: Office) -> dict[str, Any]:
    """The first talk, now."""
    return {"at": office.now, "method": "电话", "told": "已告知由我单位办理"}


async def archived(office: Office) -> dict[str, Any]:
    """The worker has put the ticket away, whole; its file."""
    assert "ticket.archive" in await office.run_jobs()
    assert (await office.story())["state_name"] == "已归档"
    assert await office.broken() == ()
    file: dict[str, Any] = await office.web.post("auditor", f"/api/tickets/{office.ticket}/file")
    return file


def titles_of(region: str) -> Sequence[str]:
    """Every office this region's policy asks to sign, once; the login of who holds it."""
    policy = policy_of(region)
    rules = [*(policy.approval.gates if policy.approval else ())]
    rules += [policy.termination.rule] if policy.termination else []
    signers = [signer for rule in rules for group in rule.chain for signer in group]
    held = (SignerKind.TITLE, SignerKind.OFFICE)
    return tuple(dict.fromkeys(signer.name for signer in signers if signer.kind in held))


def table(told: str) -> list[str]:
    """A chain of events as it is written in a test, one a line."""
    return told.split("\n")[1:-1]
