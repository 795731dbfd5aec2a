"""One call of the test phone: the SIP dialog, its media, and conditions to wait for."""

import asyncio
import secrets
import time
from enum import StrEnum
from typing import Protocol

from callcenter.stack.phone_dialog import Dialog, reply
from callcenter.stack.phone_ear import WINDOW_S, Ear, Stretch
from callcenter.stack.phone_line import Address, OnResponse
from callcenter.stack.phone_rtp import RtpStream
from callcenter.stack.phone_sip import (
    BadSip,
    Request,
    Response,
    Sdp,
    parse_sdp,
    render_sdp,
    tag_of,
    user_of,
)
from callcenter.stack.phone_sound import Sound, Voice


class NotInTime(AssertionError):
    """What was waited for did not happen in time; the message says what happened instead."""


class CallRefused(Exception):
    """The other side did not take the call, or not what was asked in it; `status` is its SIP answer."""

    def __init__(self, what: str, status: int) -> None:
        super().__init__(f"{what}: {status}")
        self.status = status


class CallState(StrEnum):
    """Where the call stands."""

    CALLING = "calling"
    RINGING = "ringing"
    UP = "up"
    ENDED = "ended"


class EndedBy(StrEnum):
    """Who or what ended it."""

    US = "us"
    THEM = "them"
    REFUSED = "refused"
    CANCELLED = "cancelled"


class Line(Protocol):
    """What a call needs of its phone."""

    address: Address

    def request(self, request: Request, on_response: OnResponse) -> Request: ...
    def send_ack(self, request: Request) -> None: ...
    def cancel(self, invite: Request) -> None: ...
    def respond(self, request: Request, response: Response, to: Address) -> None: ...


class PhoneCall:
    """One call, ours or theirs. Times are monotonic seconds."""

    def __init__(self, line: Line, dialog: Dialog, stream: RtpStream, *, number: str, caller: str) -> None:
        self.number = number
        """The other side: the number called, or the caller's number as it was shown to us."""
        self.caller = caller
        """The number shown as the caller's, whoever called."""
        self.state = CallState.CALLING
        self.status: int | None = None
        """The final SIP answer of the INVITE."""
        self.ended_by: EndedBy | None = None
        self.dialled = ""
        """An incoming call: the number they dialled."""
        self.answered_at_s: float | None = None
        self.ended_at_s: float | None = None
        self.reinvites = 0
        self._line, self._dialog, self._stream = line, dialog, stream
        self._invite: Request | None = None
        self._invited_from: Address = ("", 0)
        self._tag = tag_of(dialog.local) or secrets.token_hex(4)
        self._sdp_version, self._direction = 0, "sendrecv"
        self._ringing, self._answered, self._ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    # --- what a person does with a telephone

    def answer(self) -> None:
        """Pick up a ringing call; nothing happens when it does not ring any more."""
        if self.state is CallState.RINGING and self._invite:
            self._reply(200, "OK", self.offer())
            self._up(200)

    def decline(self, status: int = 603, reason: str = "Decline") -> None:
        """Refuse a ringing call: 603 declined, 486 busy, 480 away, 404 no such number."""
        if self.state is CallState.RINGING and self._invite:
            self._reply(status, reason)
            self._end(EndedBy.US, status)

    def hang_up(self) -> None:
        """End the call in whatever state it is."""
        if self.state is CallState.UP:
            self._line.request(self._dialog.request("BYE"), lambda _: None)
            self._end(EndedBy.US)
        elif self.state is CallState.RINGING and self.dialled:
            self.decline(480, "Temporarily Unavailable")
        elif self.state is not CallState.ENDED and self._invite:
            self._line.cancel(self._invite)
            self._end(EndedBy.US)

    def say(self, voice: Voice) -> None:
        """From now on send this voice."""
        self._stream.say(voice)

    async def until_said(self) -> None:
        """Until the voice has been said once to its end, or the call ended."""
        await self._stream.until_said()

    async def press(self, digits: str, press_ms: int = 100) -> None:
        """Press keys; returns when they have been sent."""
        self._stream.press(digits, press_ms)
        await self._stream.until_pressed()

    async def hold(self, within_s: float = 5) -> None:
        """Put the other side on hold by re-INVITE (sendonly). Raises CallRefused, NotInTime."""
        await self._reinvite("sendonly", within_s)
        self._stream.muted = True

    async def resume(self, within_s: float = 5) -> None:
        """Take the other side back. Raises CallRefused, NotInTime."""
        await self._reinvite("sendrecv", within_s)
        self._stream.muted = False

    def mute(self, muted: bool = True) -> None:
        """Send no audio at all, as a telephone with a cut microphone lead."""
        self._stream.muted = muted

    def vanish(self) -> None:
        """The telephone loses power: no BYE, no more packets."""
        self._end(EndedBy.US)

    # --- what it heard

    @property
    def ear(self) -> Ear:
        """Everything received."""
        return self._stream.ear

    @property
    def keys_heard(self) -> list[int]:
        """RFC 4733 event codes received, one per packet."""
        return list(self._stream.keys_heard)

    def heard(self, start_s: float, end_s: float) -> dict[Sound, float]:
        """Share of 100 ms windows in [start_s, end_s] that held each sound."""
        return self.ear.heard(start_s, end_s)

    def timeline(self, start_s: float | None = None, end_s: float | None = None) -> list[Stretch]:
        """What was heard, as stretches; from the first frame to the newest unless told."""
        start = self.ear.first_s if start_s is None else start_s
        end = self.ear.last_s if end_s is None else end_s
        return [] if start is None or end is None else self.ear.timeline(start, end)

    def longest_gap_s(self) -> float:
        """The longest pause between two received frames, first to newest."""
        first, last = self.ear.first_s, self.ear.last_s
        return 0.0 if first is None or last is None else self.ear.longest_gap_s(first, last + 1e-6)

    # --- conditions

    async def until_ringing(self, within_s: float) -> None:
        """Until the other side rings (180 or 183) or answered. Raises NotInTime."""
        await self._until(self._ringing, within_s, "ringing")

    async def until_answered(self, within_s: float) -> None:
        """Until it is up. Raises CallRefused when it ended instead, NotInTime."""
        await self._until(self._answered, within_s, "answered")
        if self.answered_at_s is None:
            raise CallRefused(f"call to {self.number} {self.ended_by}", self.status or 0)

    async def until_ended(self, within_s: float) -> EndedBy:
        """Until it has ended; says by whom. Raises NotInTime."""
        await self._until(self._ended, within_s, "ended")
        assert self.ended_by is not None
        return self.ended_by

    async def until_hears(self, *sounds: Sound, within_s: float, for_s: float = 0.3, exactly: bool = True) -> float:
        """Until the last `for_s` seconds held exactly these sounds (or at least, `exactly=False`).

        Only what arrives after this call counts. Returns when that stretch began (monotonic).
        Raises NotInTime with the timeline of what was heard instead.
        """
        began_s = time.monotonic()
        wanted = frozenset(sounds)
        windows = max(1, round(for_s / WINDOW_S))
        while True:
            # 40 ms: two frames of jitter between a packet's arrival and its reading.
            start_s = time.monotonic() - 0.04 - windows * WINDOW_S
            if start_s >= began_s:
                held = [heard for _, heard in self.ear.windows(start_s, start_s + windows * WINDOW_S)]
                if all(heard == wanted if exactly else heard >= wanted for heard in held):
                    return start_s
            if time.monotonic() - began_s > within_s:
                raise NotInTime(self._instead(wanted, began_s, within_s))
            await asyncio.sleep(0.04)

    def _instead(self, wanted: frozenset[Sound], began_s: float, within_s: float) -> str:
        heard = ", ".join(map(str, self.ear.timeline(began_s, time.monotonic())))
        return f"did not hear {'+'.join(sorted(wanted))} in {within_s} s ({self.state}); heard {heard or 'nothing'}"

    async def _until(self, event: asyncio.Event, within_s: float, what: str) -> None:
        try:
            async with asyncio.timeout(within_s):
                await event.wait()
        except TimeoutError:
            raise NotInTime(f"call with {self.number} not {what} in {within_s} s: {self.state}") from None

    # --- SIP, called by the phone

    def invite(self, request: Request, on_response: OnResponse) -> None:
        """Send the INVITE of an outgoing call."""
        self._invite = self._line.request(request, on_response)

    def take_answer(self, response: Response) -> None:
        """An answer to our INVITE (the phone handles challenges)."""
        self._dialog.learn(response)
        if response.status < 200:
            self._hear_early(response)
        elif response.status < 300:
            self._line.send_ack(self._dialog.request("ACK", number=self._dialog.cseq))
            self._take_media(response.body)
            if self.state is CallState.ENDED:  # answered while our CANCEL was on its way
                self._line.request(self._dialog.request("BYE"), lambda _: None)
            else:
                self._up(response.status)
        else:
            self._end(EndedBy.REFUSED, response.status)

    def _hear_early(self, response: Response) -> None:
        if response.status > 100 and self.state is CallState.CALLING:
            self.state = CallState.RINGING
            self._ringing.set()
        if response.body:
            self._take_media(response.body)

    def take_invite(self, request: Request, sender: Address, *, ring: bool) -> None:
        """A first INVITE; `ring` answers 180."""
        self._invite, self._invited_from = request, sender
        self.dialled = user_of(request.uri) or "-"
        self.state = CallState.RINGING
        self._take_media(request.body)
        if ring:
            self._reply(180, "Ringing")

    def take_request(self, request: Request, sender: Address) -> None:
        """A request inside this call."""
        if request.method == "BYE":
            self._line.respond(request, self._plain(request), sender)
            self._end(EndedBy.THEM)
        elif request.method == "CANCEL":
            self._line.respond(request, self._plain(request), sender)
            if self.state is CallState.RINGING:
                self._reply(487, "Request Terminated")
                self._end(EndedBy.CANCELLED, 487)
        elif request.method == "INVITE" and self.state is CallState.UP:
            self.reinvites += 1
            self._renegotiate(request, sender)
        elif request.method == "UPDATE" and request.body:
            self._renegotiate(request, sender)
        elif request.method not in ("ACK", "INVITE"):
            self._line.respond(request, self._plain(request), sender)

    def _renegotiate(self, request: Request, sender: Address) -> None:
        if request.body:
            self._take_media(request.body)
        body = self.offer()
        answer = reply(request, 200, "OK", tag=self._tag, contact=self._dialog.contact, body=body)
        self._line.respond(request, answer, sender)

    def _plain(self, request: Request) -> Response:
        return reply(request, 200, "OK", tag=self._tag, contact=self._dialog.contact)

    def _reply(self, status: int, reason: str, body: str = "") -> None:
        assert self._invite is not None
        answer = reply(self._invite, status, reason, tag=self._tag, contact=self._dialog.contact, body=body)
        self._line.respond(self._invite, answer, self._invited_from)

    async def _reinvite(self, direction: str, within_s: float) -> None:
        if self.state is not CallState.UP:
            raise CallRefused("the call is not up", self.status or 0)
        answered: asyncio.Future[Response] = asyncio.get_running_loop().create_future()

        def take(response: Response) -> None:
            if 200 <= response.status < 300:
                self._line.send_ack(self._dialog.request("ACK", number=number))
                self._take_media(response.body)
            if response.status >= 200 and not answered.done():
                answered.set_result(response)

        request = self._dialog.request("INVITE", self.offer(direction))
        number = self._dialog.cseq
        self._line.request(request, take)
        try:
            async with asyncio.timeout(within_s):
                response = await answered
        except TimeoutError:
            raise NotInTime(f"no answer to a re-INVITE ({direction}) in {within_s} s") from None
        if response.status >= 300:
            raise CallRefused(f"re-INVITE {direction} refused", response.status)
        self._direction = direction

    def offer(self, direction: str | None = None) -> str:
        """Our next SDP; without a direction the one in force."""
        self._sdp_version += 1
        sdp = Sdp(self._line.address[0], self._stream.port, direction or self._direction)
        return render_sdp(sdp, self._sdp_version)

    def _take_media(self, body: str) -> None:
        try:
            sdp = parse_sdp(body)
        except BadSip:  # no SDP, or one we cannot use: media stays as it was
            return
        self._stream.peer = (sdp.host, sdp.port)

    def _up(self, status: int) -> None:
        if self.state is CallState.UP:
            return
        self.state, self.status, self.answered_at_s = CallState.UP, status, time.monotonic()
        self._ringing.set()
        self._answered.set()
        self._stream.start()

    def _end(self, by: EndedBy, status: int | None = None) -> None:
        if self.state is CallState.ENDED:
            return
        self.state, self.ended_by, self.ended_at_s = CallState.ENDED, by, time.monotonic()
        self.status = status if status is not None else self.status
        for event in (self._ringing, self._answered, self._ended):
            event.set()
        self._stream.close()
