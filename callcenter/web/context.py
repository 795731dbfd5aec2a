"""What a handler gets: the services, who asks, and a transaction when it wants one."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import flow_tickets
from callcenter.accounts import Person
from callcenter.board import Board
from callcenter.calendars import CalendarKeeper
from callcenter.citizen.open311 import Keys as Open311Keys
from callcenter.db import Database
from callcenter.installation import Installation
from callcenter.policy_pages import PolicyPage
from callcenter.reports.orders import ReportDesk
from callcenter.softphones import Softphones
from callcenter.types import Actor, AgentId, Role
from callcenter.upstream import UpstreamLink
from callcenter.vault import Vault
from callcenter.web.problems import NotSignedIn, Problem
from recordings.custody.ground import Ground as Custody
from ticketing.policy import Rules
from ticketing.prefill.data import Subject

COOKIE = "callcenter_session"


def token_of(request: web.Request) -> str:
    """The session token of a request: a program's bearer token, else a browser's cookie, else ``."""
    scheme, _, value = request.headers.get("Authorization", "").partition(" ")
    return value if scheme == "Bearer" else request.cookies.get(COOKIE, "")


def _no_other(_: str) -> Rules | None:
    return None


def _no_page(_: str) -> PolicyPage | None:
    return None


@dataclass(frozen=True, slots=True)
class Services:
    """Given once by `app`. rules: the regulation that runs here; regulation: another one by its id, None for none."""

    database: Database
    board: Board
    vault: Vault
    rules: Rules
    calendars: CalendarKeeper
    ground: flow_tickets.Ground
    node: str
    spool: Path
    version: str
    custody: Custody
    archive: Path | None = None
    """Where packages of the archive are kept."""
    upstream: UpstreamLink | None = None
    """The platform above, where one is connected."""
    regulation: Callable[[str], Rules | None] = _no_other
    pages: Callable[[str], PolicyPage | None] = _no_page
    """A regulation as people read it; blocking the first time."""
    regulations: tuple[str, ...] = ()
    """Ids of all there are."""
    reports: ReportDesk | None = None
    """Metrics, report templates and where reports are kept."""
    installation: Installation = field(default_factory=Installation)
    """Menus, prompts, speech models: what an administrator looks at."""
    open311: Open311Keys = field(default_factory=lambda: Open311Keys({}))
    """Partners who may post requests."""
    softphones: Softphones | None = None
    """Telephones in browsers, where there are some."""
    subjects: tuple[Subject, ...] = ()
    """What requests may be about, in the order of their codes."""


@dataclass(frozen=True, slots=True)
class Context:
    """One request. `request` is for streams and downloads only."""

    services: Services
    request: web.Request
    request_id: str
    signed_in: Person | None

    @property
    def token(self) -> str:
        """What who asks has shown, or ``."""
        return token_of(self.request)

    @property
    def person(self) -> Person:
        """Who asks. Raises NotSignedIn."""
        if self.signed_in is None:
            raise NotSignedIn
        return self.signed_in

    @property
    def actor(self) -> Actor:
        """Who asks, as the one who does things."""
        return self.person.actor

    @property
    def extension(self) -> AgentId:
        """The telephone of who asks. Raises Problem when they have none."""
        if self.person.extension is None:
            raise Problem(409, "no_extension", "您的账号没有绑定分机，请联系管理员绑定后再使用电话功能。")
        return self.person.extension

    @property
    def repeat_key(self) -> str:
        """What makes a repeated request the same one: its Idempotency-Key header for this person, else its own id."""
        given = self.request.headers.get("Idempotency-Key", "")
        if not (given.isascii() and given.isprintable() and len(given) <= 64):
            raise Problem(422, "bad_idempotency_key", "Idempotency-Key 应为不超过 64 个的可见英文字符。")
        return f"{self.person.login}:{given or self.request_id}"

    def has(self, *roles: Role) -> bool:
        """Whether who asks has one of these roles."""
        return bool(self.person.roles & frozenset(roles))

    @property
    def now(self) -> datetime:
        """This moment, aware UTC; read here and handed on."""
        return datetime.now(UTC)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Committed when the block ends, rolled back when it raises."""
        async with self.services.database.transaction() as tx:
            yield tx
