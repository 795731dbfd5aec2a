"""The platform above, as its own people would build it from docs/upstream-api.md: it shares no code with the product.

It takes our messages on a port of the loopback, checks their signatures, keeps each once, and can be made to be away,
to be broken, to refuse, or to lose its receipts. `say` speaks to the product, signed.
"""

import hashlib
import hmac
import json
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from aiohttp import ClientSession, web

SECRET = "u" * 40
THEIRS, OURS = "shi-12345", "xian-12345"


def signed(
    method: str,
    target: str,
    body: bytes,
    *,
    system: str = THEIRS,
    secret: str = SECRET,
    at: int | None = None,
    nonce: str | None = None,
) -> dict[str, str]:
    """The four headers of docs/upstream-api.md, section 2."""
    at, nonce = int(time.time()) if at is None else at, nonce or secrets.token_hex(16)
    lines = ["v1", method, target, system, str(at), nonce, hashlib.sha256(body).hexdigest()]
    mac = hmac.new(secret.encode(), "\n".join(lines).encode(), hashlib.sha256).hexdigest()
    return {
        "X-Hotline-System": system,
        "X-Hotline-Timestamp": str(at),
        "X-Hotline-Nonce": nonce,
        "X-Hotline-Signature": f"v1={mac}",
    }


@dataclass
class Said:
    """What the product answered."""

    status: int
    body: Any


@dataclass
class UpperPlatform:
    """hotline: the product's base address. script: what to do with the next messages, one entry each."""

    hotline: str = ""
    url: str = ""
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    """event_id -> the message, in the order of their first arrival."""
    times: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    """Messages that were not the hotline's."""
    script: list[Callable[[str], web.Response]] = field(default_factory=list)
    away: bool = False
    _seen: set[str] = field(default_factory=set)

    def kinds(self, external_id: str | None = None) -> list[str]:
        """Kinds of the messages, in the order of their first arrival."""
        mine = (e for e in self.events.values() if external_id is None or e["external_id"] == external_id)
        return [event["kind"] for event in mine]

    def last(self, kind: str) -> dict[str, Any]:
        """The newest message of a kind."""
        return next(event for event in reversed(self.events.values()) if event["kind"] == kind)

    async def say(self, method: str, path: str, body: Any = None, **forged: Any) -> Said:
        """A signed request to the product. forged: what to sign otherwise; sent: what goes out in place of the body."""
        raw = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
        sent = forged.pop("sent", raw)
        headers = {**signed(method, path, raw, **forged), "Content-Type": "application/json"}
        async with (
            ClientSession() as session,
            session.request(method, self.hotline + path, data=sent, headers=headers) as answer,
        ):
            return Said(answer.status, json.loads(await answer.read() or b"null"))

    async def hand_down(self, external_id: str, **fields: Any) -> Said:
        """Hand a ticket down."""
        return await self.say("POST", "/upstream/v1/tickets", {"external_id": external_id, **fields})

    async def tell(self, external_id: str, what: str, body: Mapping[str, Any]) -> Said:
        """Say something about a ticket."""
        return await self.say("POST", f"/upstream/v1/tickets/{quote(external_id)}/{what}", body)

    async def look(self, external_id: str) -> Said:
        """How far a ticket is."""
        return await self.say("GET", f"/upstream/v1/tickets/{quote(external_id)}")

    async def take(self, request: web.Request) -> web.Response:
        """A message of the hotline's."""
        raw = await request.read()
        given = request.headers
        expected = signed(
            "POST",
            request.raw_path,
            raw,
            system=OURS,
            at=int(given.get("X-Hotline-Timestamp", "0")),
            nonce=given.get("X-Hotline-Nonce", ""),
        )
        if any(given.get(name) != value for name, value in expected.items()) or given["X-Hotline-Nonce"] in self._seen:
            self.wrong.append(raw.decode())
            return web.json_response({"error": "signature"}, status=401)
        self._seen.add(given["X-Hotline-Nonce"])
        event = json.loads(raw)
        assert given["Idempotency-Key"] == event["event_id"]
        if self.away:
            return web.Response(status=503)
        if self.script:
            return self.script.pop(0)(self.keep(event))
        return web.json_response({"event_id": self.keep(event)})

    def keep(self, event: dict[str, Any]) -> str:
        """Keep it once, however often it comes."""
        key = str(event["event_id"])
        assert self.events.setdefault(key, event) == event, "the same key with other contents"
        self.times[key] += 1
        return key


@asynccontextmanager
async def upper_platform(hotline: str = "") -> AsyncIterator[UpperPlatform]:
    """A platform that listens on the loopback."""
    platform = UpperPlatform(hotline)
    app = web.Application()
    app.router.add_post("/xian/messages", platform.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    try:
        await site.start()
        host, port = runner.addresses[0][:2]
        platform.url = f"http://{host}:{port}/xian/messages?from=xian"
        yield platform
    finally:
        await runner.cleanup()
