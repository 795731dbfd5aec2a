"""Kannel as the gateway: one HTTP request to smsbox's sendsms per message. EDGE.

Kannel 1.4 user guide, "Using the HTTP interface to send SMS messages"; its words from gw/smsbox.c of 1.4.5.
"""

from dataclasses import dataclass, field
from urllib.parse import quote, urlencode

import aiohttp

from callcenter.sms.port import KEY_PATTERN, SmsRejected, SmsUnavailable, SmsUnknown, SubmitResult
from callcenter.types import PhoneNumber

EVERY_RECEIPT = 31
"""1 delivered + 2 failed + 4 waiting + 8 taken by the carrier + 16 refused by it."""
UCS2 = 2

# Connecting may take so long, the answer so long after it; `service.LONGEST_SUBMIT` is well above their sum.
CONNECT_S = 5.0
ANSWER_S = 30.0
WHOLE_S = 60.0
MOST_ANSWER_BYTES = 2048

# smsbox says these when bearerbox refused the message or we are not let in: nothing was taken.
_BUSY = "Temporal failure"
_NOT_LET_IN = "Authorization failed"


@dataclass(slots=True)
class KannelSender:
    """SmsSender over Kannel. url: smsbox's sendsms; receipts_url: where our intake takes receipts, with its token."""

    url: str
    user: str
    password: str = field(repr=False)
    receipts_url: str = field(repr=False)
    connect_s: float = CONNECT_S
    answer_s: float = ANSWER_S
    _session: aiohttp.ClientSession | None = field(default=None, init=False, repr=False)

    async def send(self, to: PhoneNumber, text: str, *, key: str) -> SubmitResult:
        """See SmsSender. A refused or timed-out connection is SmsUnavailable; after it, silence is SmsUnknown."""
        if not KEY_PATTERN.fullmatch(key):
            raise SmsRejected(f"bad message key {key[:80]!r}")
        # POST, never GET: aiohttp sends a GET again by itself when the server closes the connection without an
        # answer, and the citizen would get the message twice.
        request = self._open().post(self.url, data=text.encode(), headers=self._headers(to, key), allow_redirects=False)
        try:
            async with request as response:
                return _result(response.status, await _said(response))
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise SmsUnavailable(f"no connection to the SMS gateway: {error}") from error
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise SmsUnknown(f"no answer from the SMS gateway: {error!r}") from error

    async def close(self) -> None:
        """Give sockets back."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            # A connection that was kept may be closed by Kannel just as we write: a new one each time, so that
            # failing to connect always means that nothing was written.
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(force_close=True, limit=20),
                timeout=aiohttp.ClientTimeout(total=WHOLE_S, connect=self.connect_s, sock_read=self.answer_s),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            )
        return self._session

    def _headers(self, to: PhoneNumber, key: str) -> dict[str, str]:
        return {
            "Content-Type": "text/plain; charset=UTF-8",
            "X-Kannel-Username": self.user,
            "X-Kannel-Password": self.password,
            "X-Kannel-To": to.digits,
            "X-Kannel-Coding": str(UCS2),
            "X-Kannel-DLR-Mask": str(EVERY_RECEIPT),
            "X-Kannel-DLR-Url": f"{self.receipts_url}&key={quote(key, safe='')}&type=%d&answer=%A",
        }


def receipts_url(base: str, token: str) -> str:
    """Where Kannel shall report, for `KannelSender`. base: `http://127.0.0.1:<port>`."""
    return f"{base}/kannel/dlr?{urlencode({'token': token})}"


async def _said(response: aiohttp.ClientResponse) -> str:
    """The gateway's words; empty when they were cut off, for the status alone then decides."""
    try:
        return (await response.content.read(MOST_ANSWER_BYTES)).decode("utf-8", "replace").strip()
    except (aiohttp.ClientError, OSError, TimeoutError):
        return ""


def _result(status: int, said: str) -> SubmitResult:
    """What a status and its words mean; only what for sure did not go out is tried again."""
    told = f"HTTP {status} {said[:120]}".strip()
    if status in (200, 202):
        return SubmitResult()
    if status == 503 and said.startswith(_BUSY):
        raise SmsUnavailable(told)
    if status in (401, 404, 407) or (status == 403 and said.startswith(_NOT_LET_IN)) or 300 <= status < 400:
        # Wrong password or address: for an operator to mend, and then every message goes out.
        raise SmsUnavailable(f"{told}; see CALLCENTER_KANNEL_URL, _USER and _PASSWORD")
    if 400 <= status < 500:
        raise SmsRejected(told)
    raise SmsUnknown(told)
