"""SIP transactions over one UDP socket: retransmit, recognise repeats, acknowledge refusals.

Source: RFC 3261 17 (T1 = 500 ms, T2 = 4 s). A repeated request gets its old answer again.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field

from callcenter.stack.phone_sip import (
    BadSip,
    Message,
    Request,
    Response,
    branch,
    cseq,
    header,
    parse,
    render,
    with_header,
)

Address = tuple[str, int]
OnResponse = Callable[[Response], None]
OnRequest = Callable[[Request, Address], None]

T1_S = 0.5
T2_S = 4.0
_GIVE_UP_S = 16.0
_REMEMBER_S = 32.0


@dataclass(slots=True)
class _Sent:
    """A request that waits for its final response, or a 2xx that waits for its ACK."""

    data: bytes
    to: Address
    gap_s: float = T1_S
    left_s: float = _GIVE_UP_S
    timer: asyncio.TimerHandle | None = None

    def stop(self) -> None:
        if self.timer:
            self.timer.cancel()


@dataclass(slots=True)
class _Client:
    request: Request
    sent: _Sent
    on_response: OnResponse
    finished: bool = False


@dataclass(slots=True)
class _Tables:
    clients: dict[tuple[str, str], _Client] = field(default_factory=dict)
    answered: dict[tuple[str, str], bytes] = field(default_factory=dict)
    unacknowledged: dict[str, _Sent] = field(default_factory=dict)


class SipLine(asyncio.DatagramProtocol):
    """One UDP address that speaks SIP."""

    def __init__(self, server: Address, on_request: OnRequest) -> None:
        self.server = server
        self._on_request = on_request
        self._tables = _Tables()
        self._transport: asyncio.DatagramTransport | None = None
        self._timers: set[asyncio.TimerHandle] = set()
        self.address: Address = ("", 0)
        self.bad_datagrams = 0

    async def open(self, address: Address) -> None:
        """Bind; port 0 takes a free one. Raises OSError when the address is taken."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=address)
        host, port = self._transport.get_extra_info("sockname")[:2]
        self.address = (host, port)

    def close(self) -> None:
        """Stop every timer and give the port back."""
        for client in self._tables.clients.values():
            client.sent.stop()
        for sent in self._tables.unacknowledged.values():
            sent.stop()
        for timer in self._timers:
            timer.cancel()
        if self._transport:
            self._transport.close()

    def request(self, request: Request, on_response: OnResponse) -> Request:
        """Send a request as a new transaction; returns it with its Via. No answer in 16 s comes as a 408."""
        request = with_header(request, "via", self._via(f"z9hG4bK{secrets.token_hex(8)}"))
        sent = _Sent(render(request), self.server)
        self._tables.clients[branch(request), request.method] = _Client(request, sent, on_response)
        self._repeat(sent, lambda: self._timed_out(request))
        return request

    def send_ack(self, request: Request) -> None:
        """The ACK of a 2xx: its own transaction, never answered."""
        self._write(render(with_header(request, "via", self._via(f"z9hG4bK{secrets.token_hex(8)}"))), self.server)

    def cancel(self, invite: Request) -> None:
        """Take back an INVITE that has no final response; same branch (RFC 3261 9.1)."""
        kept = ("via", "from", "to", "call-id", "max-forwards")
        headers = tuple(pair for pair in invite.headers if pair[0] in kept)
        number, _ = cseq(invite)
        cancel = Request("CANCEL", invite.uri, (*headers, ("cseq", f"{number} CANCEL")))
        sent = _Sent(render(cancel), self.server)
        self._tables.clients[branch(cancel), "CANCEL"] = _Client(cancel, sent, lambda _: None)
        self._repeat(sent, lambda: None)

    def respond(self, request: Request, response: Response, to: Address) -> None:
        """Answer a request; a 2xx to an INVITE is repeated until its ACK comes."""
        data = render(response)
        key = (branch(request), request.method)
        self._tables.answered[key] = data
        self._later(_REMEMBER_S, lambda: self._tables.answered.pop(key, None))
        if request.method == "INVITE" and 200 <= response.status < 300:
            sent = _Sent(data, to)
            self._tables.unacknowledged[header(request, "call-id")] = sent
            self._repeat(sent, lambda: None)
        else:
            self._write(data, to)

    # asyncio.DatagramProtocol

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if len(data) < 8:  # a keep-alive of CRLFs (RFC 5626)
            return
        try:
            self._dispatch(parse(data), addr)
        except BadSip:
            self.bad_datagrams += 1

    def error_received(self, exc: Exception) -> None:
        """ICMP unreachable while the server is away: the retransmission goes on."""

    # ---

    def _dispatch(self, message: Message, addr: Address) -> None:
        if isinstance(message, Response):
            self._take_response(message)
            return
        if message.method == "ACK":
            waiting = self._tables.unacknowledged.pop(header(message, "call-id"), None)
            if waiting:
                waiting.stop()
        old = self._tables.answered.get((branch(message), message.method))
        if old is not None:
            self._write(old, addr)
        else:
            self._on_request(message, addr)

    def _take_response(self, response: Response) -> None:
        key = (branch(response), cseq(response)[1])
        client = self._tables.clients.get(key)
        if client is None:
            return
        if response.status >= 200 or client.request.method == "INVITE":
            client.sent.stop()
        if response.status >= 300 and client.request.method == "INVITE":
            self._acknowledge_refusal(client.request, response)
        if response.status >= 200:
            repeated, client.finished = client.finished, True
            if not repeated:
                self._later(_REMEMBER_S, lambda: self._tables.clients.pop(key, None))
            elif response.status >= 300:
                return
        client.on_response(response)

    def _acknowledge_refusal(self, invite: Request, response: Response) -> None:
        number, _ = cseq(invite)
        headers = (
            ("via", header(invite, "via")),
            ("max-forwards", "70"),
            ("from", header(invite, "from")),
            ("to", header(response, "to")),
            ("call-id", header(invite, "call-id")),
            ("cseq", f"{number} ACK"),
        )
        self._write(render(Request("ACK", invite.uri, headers)), self.server)

    def _timed_out(self, request: Request) -> None:
        client = self._tables.clients.pop((branch(request), request.method), None)
        if client and not client.finished:
            client.on_response(Response(408, "Request Timeout", request.headers))

    def _repeat(self, sent: _Sent, on_give_up: Callable[[], None]) -> None:
        """Send now, and again after 0.5, 1, 2, 4, 4... s until stopped or 16 s have gone."""
        self._write(sent.data, sent.to)

        def again() -> None:
            sent.left_s -= sent.gap_s
            if sent.left_s <= 0:
                on_give_up()
                return
            sent.gap_s = min(2 * sent.gap_s, T2_S)
            self._repeat(sent, on_give_up)

        sent.timer = asyncio.get_running_loop().call_later(sent.gap_s, again)

    def _later(self, delay_s: float, act: Callable[[], object]) -> None:
        timer: asyncio.TimerHandle

        def run() -> None:
            self._timers.discard(timer)
            act()

        timer = asyncio.get_running_loop().call_later(delay_s, run)
        self._timers.add(timer)

    def _via(self, branch_id: str) -> str:
        host, port = self.address
        return f"SIP/2.0/UDP {host}:{port};branch={branch_id};rport"

    def _write(self, data: bytes, to: Address) -> None:
        if self._transport and not self._transport.is_closing():
            self._transport.sendto(data, to)
