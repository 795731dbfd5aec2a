"""One signed request to the platform above for each message. EDGE.

A message counts as taken when the answer is a 2xx that names it: a proxy's friendly page is no receipt.
"""

import json
import secrets
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp

from callcenter.upstream import UpstreamLink
from callcenter.upstream_wire import Spoken, headers

CONNECT_S = 5.0
WHOLE_S = 30.0
MOST_ANSWER_BYTES = 16 * 1024
REFUSED = frozenset({400, 409, 410, 413, 415, 422})
"""The platform has understood and does not want it; asking again changes nothing."""


class UpstreamAway(Exception):
    """The platform above does not answer, or not as agreed; the message waits and is sent again."""

    retryable = True


class UpstreamRefused(Exception):
    """The platform above refuses this message; see its answer, mend the cause, then `callcenter jobs retry`."""

    retryable = False


@dataclass(slots=True)
class UpstreamClient:
    """Sends messages. link.url: the address messages are posted to."""

    link: UpstreamLink
    connect_s: float = CONNECT_S
    whole_s: float = WHOLE_S
    _session: aiohttp.ClientSession | None = field(default=None, init=False, repr=False)

    async def send(self, key: str, body: bytes) -> str:
        """Post one message; returns what the platform answered. Raises UpstreamAway, UpstreamRefused."""
        address = urlsplit(self.link.url)
        target = (address.path or "/") + (f"?{address.query}" if address.query else "")
        signed = headers(
            Spoken("POST", target, body),
            system=self.link.ours,
            secret=self.link.secret,
            at_s=int(time.time()),
            nonce=secrets.token_urlsafe(24),
        )
        kind = {"Content-Type": "application/json", "Idempotency-Key": key}
        try:
            request = self._open().post(self.link.url, data=body, headers=signed | kind, allow_redirects=False)
            async with request as response:
                said = (await response.content.read(MOST_ANSWER_BYTES)).decode("utf-8", "replace")
                return _taken(response.status, said, key)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise UpstreamAway(f"no answer from the platform above: {error!r}") from error

    async def close(self) -> None:
        """Give sockets back."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self.whole_s, connect=self.connect_s),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        return self._session


def _taken(status: int, said: str, key: str) -> str:
    told = f"HTTP {status} {_readable(said)[:300]}".strip()
    if status in REFUSED:
        raise UpstreamRefused(told)
    if not 200 <= status < 300 or _named(said) != key:
        raise UpstreamAway(told)
    return told


def _named(said: str) -> str:
    answer = _json(said)
    return str(answer.get("event_id", "")) if isinstance(answer, dict) else ""


def _readable(said: str) -> str:
    """JSON with its Chinese spelled out, for the person who looks."""
    answer = _json(said)
    return said if answer is None else json.dumps(answer, ensure_ascii=False)


def _json(said: str) -> object:
    try:
        return json.loads(said)
    except ValueError:
        return None
