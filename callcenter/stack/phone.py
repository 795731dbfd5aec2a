"""A telephone for tests, the demo and benches: asyncio, UDP, PCMA, no real sound card.

It stands for the outside world: the carrier's citizens (127.0.0.2), the handsets of handling units (127.0.0.3)
and agents' softphones (registered by digest). Each party sends its own tone, so that a test can prove who heard
whom. One Phone is one address with many calls:

    async with Phone(("127.0.0.2", 5080), server, "13800138000", voice=tone(Sound.CITIZEN)) as carrier:
        call = await carrier.call("12345")
        await call.until_hears(Sound.AGENT, within_s=5)
"""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self

from callcenter.stack.phone_call import (
    CallState,
    NotInTime,
    PhoneCall,
)
from callcenter.stack.phone_dialog import Dialog, caller_number, reply
from callcenter.stack.phone_line import Address, SipLine
from callcenter.stack.phone_rtp import RtpStream
from callcenter.stack.phone_sip import (
    Headers,
    Login,
    Request,
    Response,
    cseq,
    digest_answer,
    header,
    tag_of,
    with_header,
)
from callcenter.stack.phone_sip import contact_uri as _contact_uri
from callcenter.stack.phone_sound import SILENT, Voice

REGISTER_EVERY_S = 60


class RegistrationRefused(Exception):
    """The server does not take this account; check user and password in its pjsip.conf. `status` is its answer."""

    def __init__(self, user: str, status: int) -> None:
        super().__init__(f"{user}: {status}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Answering:
    """What the phone does with an incoming call. status None: ring until the test answers it."""

    status: int | None
    """200 answer, 486 busy, 603 decline, 480 away; 0: silent, not even a 180."""
    reason: str = ""
    after_s: float = 0.0


RING = Answering(None)
BUSY = Answering(486, "Busy Here")
DECLINE = Answering(603, "Decline")
AWAY = Answering(480, "Temporarily Unavailable")
DEAD = Answering(0)


def answer(after_s: float = 0.2) -> Answering:
    """Pick up by itself after ringing so long."""
    return Answering(200, "OK", after_s)


class Phone:
    """One SIP address: makes and takes calls, registers when it has a password."""

    def __init__(
        self,
        address: Address,
        server: Address,
        user: str,
        *,
        password: str | None = None,
        voice: Voice = SILENT,
        answering: Answering = RING,
    ) -> None:
        """address: own ip and port (0 = any); server: where requests go; user: digits shown as caller.

        voice: what every call says unless told otherwise.
        """
        self.user, self.voice, self.answering = user, voice, answering
        self.answering_for: dict[str, Answering] = {}
        """Another behaviour for one dialled number; a unit's gateway serves many."""
        self.voice_for: dict[str, Voice] = {}
        self.calls: list[PhoneCall] = []
        """The calls that have not ended (and the last that have)."""
        self._login = Login(user, password) if password else None
        self._address, self._server = address, server
        self._line = SipLine(server, self._take_request)
        self._by_id: dict[str, PhoneCall] = {}
        self.incoming: asyncio.Queue[PhoneCall] = asyncio.Queue()
        """Incoming calls that nobody has taken with next_call yet."""
        self._registrar: asyncio.Task[None] | None = None
        self._timers: set[asyncio.TimerHandle] = set()
        self._register_id, self._register_cseq = secrets.token_hex(8), 0

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Bind and, with a password, register. Raises OSError, RegistrationRefused."""
        await self._line.open(self._address)
        if self._login:
            try:
                await self.register()
            except BaseException:
                self._line.close()
                raise
            self._registrar = asyncio.create_task(self._stay_registered(), name=f"register {self.user}")

    async def stop(self) -> None:
        """Hang up every call, unregister, give the ports back."""
        if self._registrar:
            self._registrar.cancel()
            await asyncio.gather(self._registrar, return_exceptions=True)
        for timer in self._timers:
            timer.cancel()
        for call in self.calls:
            call.hang_up()
        if self._login:
            with suppress(RegistrationRefused, NotInTime):  # the server is away: nothing to unregister from
                await self.register(expires_s=0, within_s=1)
        self._line.close()

    @property
    def address(self) -> Address:
        """Own ip and port."""
        return self._line.address

    async def call(self, number: str, *, caller: str | None = None, voice: Voice | None = None) -> PhoneCall:
        """Dial; returns at once, with the INVITE sent. `caller` is shown as the calling number."""
        stream = RtpStream(self.address[0], voice or self.voice)
        uri = f"sip:{number}@{self._server[0]}:{self._server[1]}"
        dialog = Dialog(
            call_id=secrets.token_hex(12),
            local=f"<sip:{caller or self.user}@{self.address[0]}>;tag={secrets.token_hex(4)}",
            remote=f"<{uri}>",
            target=uri,
            contact=self._contact(),
        )
        call = PhoneCall(self._line, dialog, stream, number=number, caller=caller or self.user)
        self._remember(dialog.call_id, call)
        first = dialog.request("INVITE", call.offer())
        challenged = False

        def take(response: Response) -> None:
            nonlocal challenged
            if response.status in (401, 407) and self._login and not challenged:
                challenged = True
                again = dialog.request("INVITE", first.body)
                call.invite(self._authorized(again, response), take)
            else:
                call.take_answer(response)

        call.invite(first, take)
        return call

    async def next_call(self, within_s: float) -> PhoneCall:
        """The next incoming call, in whatever state it is by now. Raises NotInTime."""
        try:
            async with asyncio.timeout(within_s):
                return await self.incoming.get()
        except TimeoutError:
            raise NotInTime(f"no call for {self.user} in {within_s} s") from None

    async def register(self, *, expires_s: int = 300, within_s: float = 5) -> None:
        """Register (or, with 0, unregister) by digest. Raises RegistrationRefused, NotInTime."""
        answered: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        challenged = False

        def take(response: Response) -> None:
            nonlocal challenged
            if response.status == 401 and self._login and not challenged:
                challenged = True
                self._line.request(self._authorized(self._registration(expires_s), response), take)
            elif response.status >= 200 and not answered.done():
                answered.set_result(response)

        self._line.request(self._registration(expires_s), take)
        try:
            async with asyncio.timeout(within_s):
                response = await answered
        except TimeoutError:
            raise NotInTime(f"{self.user}: the registrar did not answer in {within_s} s") from None
        if response.status >= 300:
            raise RegistrationRefused(self.user, response.status)

    async def _stay_registered(self) -> None:
        while True:
            await asyncio.sleep(REGISTER_EVERY_S)
            try:
                await self.register()
            except (RegistrationRefused, NotInTime):  # the server restarts: try again next time
                continue

    def _registration(self, expires_s: int) -> Request:
        self._register_cseq += 1
        server = f"{self._server[0]}:{self._server[1]}"
        headers: Headers = (
            ("max-forwards", "70"),
            ("from", f"<sip:{self.user}@{server}>;tag={secrets.token_hex(4)}"),
            ("to", f"<sip:{self.user}@{server}>"),
            ("call-id", self._register_id),
            ("cseq", f"{self._register_cseq} REGISTER"),
            ("contact", self._contact()),
            ("expires", str(expires_s)),
        )
        return Request("REGISTER", f"sip:{server}", headers)

    def _authorized(self, request: Request, challenge: Response) -> Request:
        assert self._login is not None
        proxy = challenge.status == 407
        given = header(challenge, "proxy-authenticate" if proxy else "www-authenticate")
        answered = digest_answer(given, self._login, request.method, request.uri, secrets.token_hex(8))
        return with_header(request, "proxy-authorization" if proxy else "authorization", answered)

    def _contact(self) -> str:
        return f"<sip:{self.user}@{self.address[0]}:{self.address[1]}>"

    # --- requests from the other side

    def _take_request(self, request: Request, sender: Address) -> None:
        call = self._by_id.get(header(request, "call-id"))
        if call is not None:
            call.take_request(request, sender)
        elif request.method == "INVITE" and not tag_of(header(request, "to")):
            self._ring(request, sender)
        elif request.method == "OPTIONS":
            self._refuse(request, sender, 200, "OK")
        elif request.method != "ACK":
            self._refuse(request, sender, 481, "Call/Transaction Does Not Exist")

    def _refuse(self, request: Request, sender: Address, status: int, reason: str) -> None:
        answered = reply(request, status, reason, tag=secrets.token_hex(4), contact=self._contact())
        self._line.respond(request, answered, sender)

    def _ring(self, request: Request, sender: Address) -> None:
        dialled = request.uri.partition(":")[2].partition("@")[0]
        behaviour = self.answering_for.get(dialled, self.answering)
        stream = RtpStream(self.address[0], self.voice_for.get(dialled, self.voice))
        number, _ = cseq(request)
        dialog = Dialog(
            call_id=header(request, "call-id"),
            local=f"{header(request, 'to')};tag={secrets.token_hex(4)}",
            remote=header(request, "from"),
            target=_contact_uri(request),
            contact=self._contact(),
            cseq=number + 100,
        )
        shown = caller_number(request)
        call = PhoneCall(self._line, dialog, stream, number=shown, caller=shown)
        self._remember(dialog.call_id, call)
        call.take_invite(request, sender, ring=behaviour.status != 0)
        self.incoming.put_nowait(call)
        self._behave(call, behaviour)

    def _behave(self, call: PhoneCall, behaviour: Answering) -> None:
        if behaviour.status == 200:
            self._later(behaviour.after_s, call.answer)
        elif behaviour.status:
            status, reason = behaviour.status, behaviour.reason
            self._later(behaviour.after_s, lambda: call.decline(status, reason))

    def _later(self, delay_s: float, act: Callable[[], None]) -> None:
        self._timers = {timer for timer in self._timers if timer.when() > asyncio.get_running_loop().time()}
        self._timers.add(asyncio.get_running_loop().call_later(delay_s, act))

    def _remember(self, call_id: str, call: PhoneCall) -> None:
        self.calls = [known for known in self.calls if known.state is not CallState.ENDED]
        self._by_id = {key: known for key, known in self._by_id.items() if known.state is not CallState.ENDED}
        self._by_id[call_id] = call
        self.calls.append(call)
