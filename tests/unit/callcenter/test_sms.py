"""The contract of every SmsSender: each way a gateway can answer, or not, and what the sender makes of it.

The gateway is a plain socket that says recorded words, so that it can also fall silent or hang up. A new provider
adds itself to SENDERS and its own words to REPLIES.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import pytest

from callcenter.sms.kannel import KannelSender, receipts_url
from callcenter.sms.port import SmsRejected, SmsSender, SmsUnavailable, SmsUnknown, SubmitResult
from callcenter.types import PhoneNumber

TO = PhoneNumber("13800138000")
TEXT = "【12345热线】您反映的“幸福路路灯不亮”已办结，请回复数字评价：1满意 2基本满意 3不满意。" * 2
KEY = "survey:LS20261122-0007:1"


def kannel(url: str) -> KannelSender:
    told = receipts_url("http://127.0.0.1:9", "s3cret&=?")
    return KannelSender(url, "callcenter", "pa55word", told, connect_s=0.5, answer_s=1.0)


SENDERS: list[Callable[[str], SmsSender]] = [kannel]


@dataclass
class Gateway:
    """Takes connections, reads one request from each and answers `reply`; None: reads and hangs up."""

    reply: bytes | None
    silent: bool = False
    reads: bool = True
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    url: str = ""
    _leave: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        if self.reads:
            head = await reader.readuntil(b"\r\n\r\n")
            lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            self.requests.append(head + await reader.readexactly(int(lengths[0].split(b":")[1]) if lengths else 0))
        if self.silent:
            await self._leave.wait()
        elif self.reply is not None:
            writer.write(self.reply)
        writer.close()

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Gateway"]:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/cgi-bin/sendsms"
        try:
            yield self
        finally:
            self._leave.set()
            server.close()
            await server.wait_closed()


def http(status: str, body: str, extra: str = "") -> bytes:
    """As smsbox answers: HTTP/1.1, its Server header, text/html."""
    data = body.encode()
    head = f"HTTP/1.1 {status}\r\nServer: Kannel/1.4.5\r\nContent-Length: {len(data)}\r\nContent-type: text/html\r\n"
    return f"{head}{extra}\r\n".encode() + data


REPLIES: list[tuple[str, bytes | None, type[Exception] | None]] = [
    ("accepted", http("202 Accepted", "0: Accepted for delivery"), None),
    ("queued", http("202 Accepted", "3: Queued for later delivery"), None),
    ("accepted_with_its_words_cut_off", http("202 Accepted", "0: Accepted for delivery")[:-10], None),
    ("busy", http("503 Service Unavailable", "Temporal failure, try again later."), SmsUnavailable),
    ("wrong_password", http("403 Forbidden", "Authorization failed for sendsms"), SmsUnavailable),
    ("wrong_address", http("404 Not Found", "Unknown request."), SmsUnavailable),
    ("moved", http("302 Found", "", "Location: /cgi-bin/sendsms\r\n"), SmsUnavailable),
    ("bad_number", http("400 Bad Request", "Empty receiver number not allowed, rejected"), SmsRejected),
    ("not_routable", http("403 Forbidden", "Not routable. Do not try again."), SmsRejected),
    ("failed_half_way", http("500 Internal Server Error", "Sending failed."), SmsUnknown),
    ("a_proxy_gave_up", http("504 Gateway Timeout", "upstream timed out"), SmsUnknown),
    ("a_proxy_is_full", http("503 Service Unavailable", "no server available"), SmsUnknown),
    ("busy_with_its_words_cut_off", http("503 Service Unavailable", "Temporal failure, try")[:-21], SmsUnknown),
    ("not_http", b"220 mail.example.org ESMTP\r\n", SmsUnknown),
    ("half_an_answer", b"HTTP/1.1 20", SmsUnknown),
    ("hung_up", None, SmsUnknown),
]


@pytest.mark.parametrize("make", SENDERS)
@pytest.mark.parametrize(("reply", "error"), [case[1:] for case in REPLIES], ids=[case[0] for case in REPLIES])
async def test_each_answer_means_what_it_means_and_is_asked_for_once(
    make: Callable[[str], SmsSender], reply: bytes | None, error: type[Exception] | None
) -> None:
    async with Gateway(reply).open() as gateway:
        sender = make(gateway.url)
        try:
            if error is None:
                assert await sender.send(TO, TEXT, key=KEY) == SubmitResult()
            else:
                with pytest.raises(error):
                    await sender.send(TO, TEXT, key=KEY)
        finally:
            await sender.close()
    # Above all when it hung up: HTTP clients like to repeat a request that got no answer.
    assert (gateway.connections, len(gateway.requests)) == (1, 1)


@pytest.mark.parametrize("make", SENDERS)
async def test_silence_after_the_request_is_unknown(make: Callable[[str], SmsSender]) -> None:
    async with Gateway(None, silent=True).open() as gateway:
        sender = make(gateway.url)
        with pytest.raises(SmsUnknown):
            await sender.send(TO, TEXT, key=KEY)
        await sender.close()
    assert len(gateway.requests) == 1


@pytest.mark.parametrize("make", SENDERS)
async def test_a_connection_cut_before_anything_was_read_is_unknown(make: Callable[[str], SmsSender]) -> None:
    async with Gateway(None, reads=False).open() as gateway:
        sender = make(gateway.url)
        with pytest.raises(SmsUnknown):
            await sender.send(TO, TEXT, key=KEY)
        await sender.close()
    assert gateway.connections == 1


@pytest.mark.parametrize("make", SENDERS)
async def test_a_refused_connection_is_unavailable(make: Callable[[str], SmsSender]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: connections are refused
        sender = make(f"http://127.0.0.1:{taken.getsockname()[1]}/cgi-bin/sendsms")
        with pytest.raises(SmsUnavailable):
            await sender.send(TO, TEXT, key=KEY)
        await sender.close()


@pytest.mark.parametrize("make", SENDERS)
async def test_a_connection_that_does_not_come_up_is_unavailable(make: Callable[[str], SmsSender]) -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for other in (first, second):  # a full backlog: the next SYN is dropped
            other.setblocking(False)
            with suppress(BlockingIOError):
                other.connect(full.getsockname())
        sender = make(f"http://127.0.0.1:{full.getsockname()[1]}/cgi-bin/sendsms")
        with pytest.raises(SmsUnavailable):
            await sender.send(TO, TEXT, key=KEY)
        await sender.close()


@pytest.mark.parametrize("make", SENDERS)
@pytest.mark.parametrize("key", ["", "a b", "a\r\nX-Kannel-To: 10086", "a" * 81, "键"])
async def test_a_key_that_does_not_fit_is_refused_unsent(make: Callable[[str], SmsSender], key: str) -> None:
    async with Gateway(http("202 Accepted", "0: Accepted for delivery")).open() as gateway:
        sender = make(gateway.url)
        with pytest.raises(SmsRejected):
            await sender.send(TO, TEXT, key=key)
        await sender.close()
    assert gateway.connections == 0


async def test_kannel_is_told_everything_it_needs() -> None:
    async with Gateway(http("202 Accepted", "0: Accepted for delivery")).open() as gateway:
        sender = kannel(gateway.url)
        await sender.send(TO, TEXT, key=KEY)
        await sender.send(TO, TEXT, key=KEY)
        await sender.close()
    head, _, body = gateway.requests[0].partition(b"\r\n\r\n")
    lines = head.decode("ascii").split("\r\n")
    given = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    assert lines[0] == "POST /cgi-bin/sendsms HTTP/1.1"
    assert body.decode() == TEXT
    assert given["content-type"] == "text/plain; charset=UTF-8"
    assert (given["x-kannel-to"], given["x-kannel-coding"], given["x-kannel-dlr-mask"]) == (TO.digits, "2", "31")
    assert given["x-kannel-username"] == "callcenter"
    told = urlsplit(given["x-kannel-dlr-url"].replace("%d", "8").replace("%A", "ok"))
    assert told.path == "/kannel/dlr"
    assert parse_qs(told.query) == {"token": ["s3cret&=?"], "key": [KEY], "type": ["8"], "answer": ["ok"]}
    # One connection a message: a failure to connect then always means that nothing was written.
    assert gateway.connections == 2


def test_a_sender_does_not_print_its_secrets() -> None:
    printed = repr(kannel("http://127.0.0.1:9/x"))
    assert "pa55word" not in printed
    assert "s3cret" not in printed
