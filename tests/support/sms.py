"""A desk for SMS tests: a real database, a vault, a clock that can be set, and a sender that does as it is told."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.db import Database
from callcenter.jobs import Job
from callcenter.sms import service
from callcenter.sms.facts import SmsFact
from callcenter.sms.hours import SendHours
from callcenter.sms.message import Purpose
from callcenter.sms.port import SmsSender, SubmitResult
from callcenter.sms.submit import Submitter
from callcenter.sms.tables import sms_message
from callcenter.types import IdentityId, PhoneNumber, TicketId
from callcenter.vault import Vault

CITIZEN = PhoneNumber("13800138000")
HOURS = SendHours(time(8), time(20), ZoneInfo("Asia/Shanghai"))
NOON = datetime(2026, 11, 22, 4, 0, tzinfo=UTC)
"""12:00 in Shanghai."""
NIGHT = datetime(2026, 11, 22, 19, 0, tzinfo=UTC)
"""03:00 of the next day in Shanghai."""
MORNING = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
"""08:00 of the next day in Shanghai."""


@dataclass
class ScriptedSender:
    """An SmsSender that does the next thing of its script, and takes every message after that."""

    script: list[Exception | Callable[[], Awaitable[None]]] = field(default_factory=list)
    sent: list[tuple[str, str]] = field(default_factory=list)
    """(number, key) of every send that began."""

    async def send(self, to: PhoneNumber, text: str, *, key: str) -> SubmitResult:
        self.sent.append((to.digits, key))
        if self.script:
            step = self.script.pop(0)
            if isinstance(step, Exception):
                raise step
            await step()
        return SubmitResult(f"gw-{len(self.sent)}")

    async def close(self) -> None:
        return None


@dataclass
class Desk:
    """What the hub does around the SMS service, with the facts it was told."""

    db: Database
    vault: Vault = field(default_factory=lambda: Vault("5a" * 32))
    sender: SmsSender = field(default_factory=ScriptedSender)
    now: datetime = NOON
    facts: list[SmsFact] = field(default_factory=list)

    async def tell(self, tx: AsyncConnection, facts: tuple[SmsFact, ...]) -> None:
        self.facts += facts

    @property
    def submitter(self) -> Submitter:
        return Submitter(self.db.transaction, self.sender, self.vault.number_of, HOURS, self.tell, now=lambda: self.now)

    async def who(self, number: PhoneNumber = CITIZEN) -> IdentityId:
        async with self.db.transaction() as tx:
            return await self.vault.identity_of(tx, number)

    async def queue(
        self, key: str = "s:1", purpose: Purpose = Purpose.SURVEY, expires_at: datetime | None = None
    ) -> service.Queued:
        who = await self.who()
        message = service.NewMessage(key, who, purpose, "请回复评价", TicketId("T1"), expires_at)
        async with self.db.transaction() as tx:
            return await service.queue_message(tx, message, now=self.now, hours=HOURS)

    async def submit(self, key: str = "s:1", job_id: int = 1) -> None:
        """Run the submit job once, as a worker would."""
        body = f'{{"key": "{key}"}}'.encode()
        await self.submitter(Job(job_id, service.SUBMIT_JOB, f"sms.submit:{key}", body, 1))

    async def receipt(self, dlr_type: int, key: str = "s:1") -> tuple[SmsFact, ...]:
        async with self.db.transaction() as tx:
            return await service.on_receipt(tx, service.Receipt(key, dlr_type), now=self.now)

    async def inbound(self, body: str, gateway_id: str | None = None, sent_at: str = "1") -> tuple[SmsFact, ...]:
        message = service.InboundSms(CITIZEN, "12345", body, gateway_id, sent_at)
        async with self.db.transaction() as tx:
            return await service.on_inbound(tx, message, now=self.now, identity_of=self.vault.identity_of)

    async def row(self, key: str = "s:1") -> service.Message:
        async with self.db.transaction() as tx:
            return (await tx.execute(select(sms_message).where(sms_message.c.key == key))).one()
