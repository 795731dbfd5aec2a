"""Where the gateway calls us back: receipts (/kannel/dlr) and messages from citizens (/kannel/mo). EDGE.

Kannel offers a callback again until it gets 200 or 202 (gw/smsbox.c, url_result_thread; http-request-retry), so:

- 200: committed. Nothing that got a 200 is lost.
- 202: understood and useless (no number, no text, a type we do not know); counted and logged, not to be repeated.
- 403: not from this host or a wrong token. 429: this number writes too much. 503: too busy, or no database.

No answer has a body: a gateway set up carelessly would send it to the citizen.
"""

import asyncio
import hmac
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

from aiohttp import web

from callcenter.sms import service
from callcenter.sms.charset import BadText, fields, text_of
from callcenter.sms.message import RECEIPTS
from callcenter.sms.port import KEY_PATTERN
from callcenter.sms.rate import RateLimit
from callcenter.sms.submit import Tell, Transaction
from callcenter.types import BadNumber, national

_log = logging.getLogger(__name__)

MOST_BYTES = 64 * 1024
MOST_AT_ONCE = 64
"""Callbacks taken in at a time; more get 503 and come again."""
HANDS = 8
"""Of these so many have a database connection, which are shared with everybody else."""
MOST_TEXT = 2000
LOOPBACK = frozenset({"127.0.0.1", "::1"})

Answer = Callable[[dict[str, bytes]], Awaitable[str]]


class _Useless(Exception):
    """The callback can never be stored; the message says why."""


class _TooMany(Exception):
    """One number sends more than people do."""


@dataclass(slots=True)
class Intake:
    """Takes callbacks. token: what Kannel must show; count: told the outcome of each, for metrics.

    tell: given the facts inside the transaction that stored them.
    """

    token: str = field(repr=False)
    transaction: Transaction
    identity_of: service.IdentityOf
    tell: Tell
    count: Callable[[str], None] = lambda outcome: None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    rate: RateLimit = field(default_factory=lambda: RateLimit(per_minute=20, burst=20, most_keys=10_000))
    _in_work: int = field(default=0, init=False)
    _hands: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(HANDS), init=False)

    @asynccontextmanager
    async def serving(self, port: int) -> AsyncIterator[None]:
        """Take callbacks on this port of 127.0.0.1 for as long as the block lasts. Raises OSError: port taken."""
        app = web.Application(client_max_size=MOST_BYTES)
        app.router.add_get("/kannel/dlr", self._receipts)
        app.router.add_get("/kannel/mo", self._messages)
        # The access log would hold numbers, texts and the token.
        runner = web.AppRunner(app, access_log=None, max_line_size=MOST_BYTES, shutdown_timeout=5)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            yield
        finally:
            await runner.cleanup()

    async def _receipts(self, request: web.Request) -> web.Response:
        return await self._answer(request, self._receipt)

    async def _messages(self, request: web.Request) -> web.Response:
        return await self._answer(request, self._message)

    async def _answer(self, request: web.Request, take: Answer) -> web.Response:
        given = fields(request.rel_url.raw_query_string)
        if request.remote not in LOOPBACK or not hmac.compare_digest(given.get("token", b""), self.token.encode()):
            return self._told(403, "refused", "callback from elsewhere or with a wrong token")
        if self._in_work >= MOST_AT_ONCE:
            return self._told(503, "busy", "too many callbacks at a time")
        self._in_work += 1
        try:
            async with self._hands:
                return self._told(200, await take(given))
        except (_Useless, BadText, BadNumber) as error:
            return self._told(202, "useless", str(error))
        except _TooMany as error:
            return self._told(429, "too_many", str(error))
        except asyncio.CancelledError:
            raise
        except Exception as error:
            # Whatever it was, nothing is committed: the gateway keeps it and comes again.
            return self._told(503, "failed", repr(error))
        finally:
            self._in_work -= 1

    async def _receipt(self, given: dict[str, bytes]) -> str:
        receipt = _receipt_of(given)
        async with self.transaction() as tx:
            if await service.locked(tx, receipt.key) is None:
                return "receipt_unmatched"
            await self.tell(tx, await service.on_receipt(tx, receipt, now=self.now()))
        return "receipt"

    async def _message(self, given: dict[str, bytes]) -> str:
        message = _message_of(given)
        if not self.rate.allow(message.sender.digits, time.monotonic()):
            raise _TooMany(f"{message.sender.masked} writes too much")
        async with self.transaction() as tx:
            facts = await service.on_inbound(tx, message, now=self.now(), identity_of=self.identity_of)
            await self.tell(tx, facts)
        return "message" if facts else "message_again"

    def _told(self, status: int, outcome: str, why: str = "") -> web.Response:
        self.count(outcome)
        if why:
            _log.warning("sms callback not stored", extra={"status": status, "outcome": outcome, "why": why})
        return web.Response(status=status, content_type="text/plain")


def _receipt_of(given: dict[str, bytes]) -> service.Receipt:
    key = given.get("key", b"").decode("ascii", "replace")
    told = given.get("type", b"").decode("ascii", "replace")
    if not KEY_PATTERN.fullmatch(key):
        raise _Useless("receipt without a message key of ours")
    if told not in {str(kind) for kind in RECEIPTS}:
        raise _Useless(f"receipt of type {told[:10]!r} says nothing we know")
    answer = given.get("answer", b"").decode("utf-8", "replace")[:200].replace("\x00", "")
    return service.Receipt(key, int(told), answer or None)


def _message_of(given: dict[str, bytes]) -> service.InboundSms:
    sender = national(given.get("from", b"").decode("ascii", "replace"))
    if "text" not in given:
        raise _Useless("message without a text")
    body = text_of(given["text"], given.get("charset", b"").decode("ascii", "replace"))
    return service.InboundSms(
        sender,
        to_number=given.get("to", b"").decode("ascii", "replace")[:40],
        # PostgreSQL has no U+0000 in text.
        body=body[:MOST_TEXT].replace("\x00", ""),
        gateway_id=given.get("id", b"").decode("ascii", "replace")[:100].replace("\x00", "") or None,
        sent_at=given.get("ts", b"").decode("ascii", "replace")[:40] or None,
    )
