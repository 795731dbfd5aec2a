"""The job that sends a message, at most once.

`submitting` is committed before the first byte goes to the gateway. Whatever interrupts the send after that (a
killed process, a lost database, a cut connection) leaves a message that may have gone out: it becomes `unknown`
and is never sent again. Only a gateway that for sure took nothing puts it back into the queue.
"""

import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.jobs import Job, RetryPolicy
from callcenter.sms import service
from callcenter.sms.facts import SmsFact
from callcenter.sms.hours import SendHours
from callcenter.sms.message import Event, Purpose, State
from callcenter.sms.port import SmsRejected, SmsSender, SmsUnavailable, SubmitResult
from callcenter.types import IdentityId, PhoneNumber

_log = logging.getLogger(__name__)

Transaction = Callable[[], AbstractAsyncContextManager[AsyncConnection]]
Tell = Callable[[AsyncConnection, tuple[SmsFact, ...]], Awaitable[None]]
"""Given the facts inside the transaction that made them; what it writes is committed with them."""

SUBMIT_RETRIES = RetryPolicy(max_tries=200, first_s=5, longest_s=300)
"""A gateway may be away for 16 hours; a message that must not wait so long has `expires_at`."""


@dataclass(frozen=True, slots=True)
class Submitter:
    """Handler of `service.SUBMIT_JOB`. now: the clock (aware UTC)."""

    transaction: Transaction
    sender: SmsSender
    number_of: service.NumberOf
    hours: SendHours
    tell: Tell
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    async def __call__(self, job: Job) -> None:
        """Send the message of the job. Raises SmsUnavailable, after putting it back, to be tried again."""
        key = str(job.payload["key"])
        taken = await self._take(key, job.id)
        if taken is None:
            return
        number, body = taken
        try:
            result = await self.sender.send(number, body, key=key)
        except SmsUnavailable:
            await self._record(key, Event.NOT_SENT)
            raise
        except SmsRejected as error:
            await self._record(key, Event.REFUSED, reason=str(error)[:200])
        except Exception as error:
            # SmsUnknown, and anything a gateway was not meant to raise: it may have gone out.
            _log.warning("sms outcome unknown", extra={"key": key, "error": repr(error)})
            await self._record(key, Event.LOST, reason=str(error)[:200])
        else:
            await self._record(key, Event.ACCEPTED, result=result)

    async def _take(self, key: str, job_id: int) -> tuple[PhoneNumber, str] | None:
        """Commit that we are about to send; the number and text, or None when there is nothing to send."""
        async with self.transaction() as tx:
            message = await service.locked(tx, key)
            if message is None:
                return None
            if message.state == State.SUBMITTING:
                # An earlier run began to send and did not live to say how it went.
                await self.tell(tx, await service.record(tx, message, Event.LOST, self.now()))
                return None
            if message.state != State.QUEUED or await self._not_now(tx, message, job_id):
                return None
            number = await self._number(tx, message)
            if number is None:
                return None
            await service.record(tx, message, Event.SUBMIT, self.now())
            return number, str(message.body)

    async def _not_now(self, tx: AsyncConnection, message: service.Message, job_id: int) -> bool:
        """True when the message is suppressed, or put off because the hours are over (a backlog at night)."""
        now, purpose = self.now(), Purpose(message.purpose)
        if message.expires_at is not None and message.expires_at <= now:
            await self._suppress(tx, message, "expired")
            return True
        if await service.is_stopped(tx, IdentityId(message.identity_id), purpose):
            await self._suppress(tx, message, "stopped")
            return True
        at = service.may_leave_at(purpose, now, self.hours)
        if at > now:
            await service.put_off(tx, message.key, at, job_id=job_id)
            return True
        return False

    async def _number(self, tx: AsyncConnection, message: service.Message) -> PhoneNumber | None:
        try:
            return await self.number_of(tx, IdentityId(message.identity_id))
        except LookupError:
            # Forgotten on request: there is nobody to send to.
            await self._suppress(tx, message, "no_number")
            return None

    async def _suppress(self, tx: AsyncConnection, message: service.Message, reason: str) -> None:
        await self.tell(tx, await service.record(tx, message, Event.SUPPRESS, self.now(), reason=reason))

    async def _record(
        self, key: str, event: Event, *, reason: str | None = None, result: SubmitResult | None = None
    ) -> None:
        async with self.transaction() as tx:
            message = await service.locked(tx, key)
            if message is not None:
                gateway_id = result.gateway_id if result else None
                facts = await service.record(tx, message, event, self.now(), reason=reason, gateway_id=gateway_id)
                if facts:
                    await self.tell(tx, facts)
