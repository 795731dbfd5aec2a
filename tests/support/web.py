"""The API of a hotline on a test's own database, with a person of every role signed in."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp.test_utils import TestClient, TestServer
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection
from yarl import URL

from callcenter import accounts, flow_tickets
from callcenter.app import MADE_PROMPTS, notices, policy_page, regulations, shipped_rules
from callcenter.board import Board
from callcenter.calendars import CalendarKeeper, CalendarRefused
from callcenter.citizen.open311 import Keys as Open311Keys
from callcenter.db import Database
from callcenter.installation import Installation
from callcenter.reports.orders import ReportDesk
from callcenter.sms.hours import SendHours
from callcenter.softphones import Softphones
from callcenter.tables import call, handling_unit
from callcenter.types import AgentId, CallId, IdentityId, PhoneNumber, Role, UnitId
from callcenter.upstream import UpstreamLink
from callcenter.vault import Vault
from callcenter.web import live, passwords, server
from callcenter.web.context import Services
from callcenter.web.groups import GROUPS
from config.calendar_loader import load_calendar
from config.menu_loader import load_menus
from config.prefill_loader import load_prefill
from config.problems import ConfigWrong
from config.report_kit import load_kit
from config.sms_loader import load_sms
from recordings.custody.ground import Ground as Custody
from recordings.models import demo_model
from tests.support.custody import custody_for_tests
from tests.support.tickets import rules
from ticketing.appraisal.reports import ReportKit
from ticketing.clocks import Calendar
from ticketing.policy import Rules
from ticketing.prefill.data import Subject

PASSWORD = "Zhengfu-12345!"
NOBODY_THERE = "unix:///nonexistent/callcenter-tests/valkey.sock"
PHONE = "13800138000"
CALL_ID = CallId("a-1763800000.12")
ALL_DAY = SendHours(time.min, time.max, ZoneInfo("Asia/Shanghai"))
PEOPLE: Mapping[str, tuple[frozenset[Role], str | None, str | None]] = {
    "agent": (frozenset({Role.AGENT}), None, "8001"),
    "agent2": (frozenset({Role.AGENT}), None, "8002"),
    "dispatcher": (frozenset({Role.DISPATCHER}), None, None),
    "unit": (frozenset({Role.UNIT}), "water", None),
    "unit2": (frozenset({Role.UNIT}), "roads", None),
    "head": (frozenset({Role.UNIT_HEAD}), "water", None),
    "leader": (frozenset({Role.LEADER}), None, None),
    "reviewer": (frozenset({Role.REVIEWER}), None, None),
    "supervisor": (frozenset({Role.SUPERVISOR}), None, "8009"),
    "auditor": (frozenset({Role.AUDITOR}), None, None),
    "admin": (frozenset({Role.ADMIN}), None, None),
}
"""login -> roles, unit, extension."""


@dataclass(frozen=True)
class Answer:
    """What the API said."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw) if self.raw else None

    @property
    def code(self) -> str:
        """The problem's code, `` when it went well, or is told to a person as a page."""
        problem = self.status >= 400 and "problem+json" in self.headers.get("Content-Type", "")
        return str(self.body.get("title", "")) if problem else ""

    def anonymous(self) -> tuple[int, bytes]:
        """Without what names this very request."""
        return self.status, json.dumps({**self.body, "instance": ""}, ensure_ascii=False).encode()


@dataclass
class Web:
    """`ask` as a person, or as nobody."""

    db: Database
    vault: Vault
    ground: flow_tickets.Ground
    spool: Path
    client: "TestClient[Any, Any]"
    hub: live.LiveHub
    calendars: CalendarKeeper
    custody: Custody
    ids: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    async def sign_in(self, login: str, at: datetime | None = None) -> str:
        """A session's token, without the password's cost. at: when they signed in."""
        async with self.db.transaction() as tx:
            return await accounts.open_session(tx, self.ids[login], at or datetime.now(UTC))

    async def ask(
        self,
        who: str | None,
        method: str,
        path: str | URL,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Answer:
        """One request. body: anything JSON; `data=` in `more` for raw bytes."""
        shown = dict(headers or {})
        if who is not None:
            if who not in self.tokens:
                self.tokens[who] = await self.sign_in(who)
            shown["Authorization"] = f"Bearer {self.tokens[who]}"
        if body is not None:
            more["json"] = body
        async with self.client.request(method, path, headers=shown, **more) as response:
            return Answer(response.status, response.headers, await response.read())

    async def get(self, who: str, path: str, **query: Any) -> Any:
        """The answer's JSON; fails unless it is a 2xx."""
        return _well(await self.ask(who, "GET", path, params=query))

    async def post(self, who: str, path: str, body: Any = None) -> Any:
        return _well(await self.ask(who, "POST", path, body if body is not None else {}))


def _well(answer: Answer) -> Any:
    assert answer.status < 300, (answer.status, answer.raw.decode())
    return answer.body


@asynccontextmanager
async def serving(
    db: Database,
    spool: Path,
    board_url: str = NOBODY_THERE,
    *,
    shipped: Rules | None = None,
    upstream: UpstreamLink | None = None,
    page: Path | None = None,
    softphones: Softphones | None = None,
    open311: Open311Keys | None = None,
) -> AsyncIterator[Web]:
    """The application on a free port of the loopback. shipped: of another region; upstream: a platform above.

    page: the built console, default: the one set-up built; open311: partners who may post.
    """
    vault, board = Vault("5a" * 32), Board(board_url)
    custody = custody_for_tests(spool)
    # Its own: an imported notice replaces the calendar for all who hold these rules.
    here = Rules((shipped or rules()).policies, (shipped or rules()).calendar)
    ground = flow_tickets.Ground(vault, here, load_sms().texts, ALL_DAY, upstream is not None)
    services = Services(
        database=db,
        board=board,
        vault=vault,
        rules=here,
        ground=ground,
        calendars=CalendarKeeper(db, here, _compose),
        node="a",
        spool=spool,
        version="test",
        custody=custody,
        archive=spool / "archive",
        regulation=shipped_rules,
        pages=policy_page,
        regulations=regulations(),
        upstream=upstream,
        softphones=softphones,
        reports=ReportDesk(_kit(), spool / "reports"),
        open311=open311 or Open311Keys({}),
        subjects=_subjects(),
        installation=_installation(),
    )
    app = server.build(services, GROUPS, page)
    hub = app[live.HUB] = live.LiveHub(board)
    try:
        async with TestClient(TestServer(app)) as client:
            yield Web(db, vault, ground, spool, client, hub, services.calendars, custody)
    finally:
        await board.close()


def _compose(imported: Mapping[str, str]) -> Calendar:
    try:
        return load_calendar(rules().policies[-1].calendar.overlays, imported=imported)
    except ConfigWrong as wrong:
        raise CalendarRefused(str(wrong)) from None


@cache
def _subjects() -> tuple[Subject, ...]:
    return load_prefill("longsheng").subjects


@cache
def _installation() -> Installation:
    menus, folder = load_menus(), demo_model().parent
    return Installation(
        menus.by_script, menus.prompts, MADE_PROMPTS, demo_model(), folder, live_words=True, notices=notices
    )


@cache
def _kit() -> ReportKit:
    return load_kit()


@cache
def _encoded() -> str:
    """Hashing is slow on purpose; one hash does for all."""
    return passwords.HASHER.hash(PASSWORD)


async def with_people(web: Web) -> Web:
    """A person of every role, and the units they belong to."""
    encoded = _encoded()
    async with web.db.transaction() as tx:
        rows = [{"id": unit, "name": unit, "number": "07737512345"} for unit in ("water", "roads", "health")]
        await tx.execute(insert(handling_unit), rows)
        for login, (roles, unit, extension) in PEOPLE.items():
            web.ids[login] = await accounts.create(
                tx,
                login,
                login,
                encoded,
                roles,
                unit=UnitId(unit) if unit else None,
                extension=AgentId(extension) if extension else None,
                queues=("hotline",) if extension else (),
            )
    return web


async def with_call(web: Web, call_id: str = CALL_ID) -> IdentityId:
    """A call that has ended, of PHONE; returns who called."""
    async with web.db.transaction() as tx:
        return await add_call(tx, web.vault, call_id)


async def add_call(tx: AsyncConnection, vault: Vault, call_id: str) -> IdentityId:
    """A row of `call` and its caller."""
    caller = await vault.identity_of(tx, PhoneNumber(PHONE))
    now = datetime.now(UTC)
    row = {"id": call_id, "node": "a", "caller": caller, "state": "ended", "agent_id": "8001"}
    await tx.execute(insert(call).values(**row, started_at=now, ended_at=now))
    return caller
