"""Call control: what agents and supervisors do to a call, as AMI actions. Knows no database.

The landing places are in config/asterisk/extensions.conf. A consult: both legs of the queue's bridge leave it in one
Redirect (of one alone the other would be hung up), the citizen to hold music, the agent into conference
`c-<CALL_ID>`; then the unit is dialled into that conference. A merge brings the citizen there too. Nobody is hung up
by Asterisk when another leaves: that is for the story (callcenter.flow) to decide.

An Originate goes out at most once; when its outcome is unknown, `resolve_unknown` looks, nothing is repeated.
Every value that goes out has passed the checks of callcenter.control_wire.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from callcenter.ami import OriginateResult
from callcenter.control_errors import (
    ControlError,
    Exchange,
    LegGone,
    PbxAway,
    PbxRefused,
    StaffNotAnswering,
    TapFailed,
    UnitFailure,
    UnitPhoneNotAnswering,
    unit_failure,
)
from callcenter.control_wire import Asterisk, Dial, Field, Wire, checked, flag, leg_number, member, shown, staff
from callcenter.types import AgentId, CallId, ChannelId, Party, PhoneNumber, QueueName

RING_UNIT_S = 30.0
RING_STAFF_S = 20.0
RING_BACK_S = 8.0
"""How long an agent's telephone is rung that asked for its call back: it answers by itself."""
OPEN_TAP_S = 3.0
CALLED_BY = {Party.AGENT: "s", Party.UNIT: "unit"}
"""Whose telephone rings first -> the extension in context `callback` where its answer lands."""

_ENDPOINT = re.compile(r"[A-Za-z0-9_-]{1,40}")


class Spy(StrEnum):
    """How a supervisor takes part; the value is the extension in context `spy`."""

    LISTEN = "listen"
    WHISPER = "whisper"
    BARGE = "barge"


@dataclass(frozen=True, slots=True)
class CallLegs:
    """The legs of one call as they are now."""

    call_id: CallId
    citizen: ChannelId
    agent: ChannelId
    in_conference: bool = False
    """The agent is already in the conference: after an earlier consult."""
    recorded: bool = True
    """False: there was no room when the call began; whoever joins is told so and not recorded either."""


@dataclass(frozen=True, slots=True)
class ConsultResult:
    """How ringing a unit ended. reason: of OriginateResponse."""

    unit: ChannelId
    answered: bool
    reason: int

    def failure(self, cause: int | None) -> UnitFailure | None:
        """Why it was not reached, with the Q.850 cause of the leg's Hangup event; None when it answered."""
        return unit_failure(self.reason, cause)


@dataclass(frozen=True, slots=True)
class SeenChannel:
    """A channel that Asterisk has now."""

    channel_id: ChannelId
    name: str
    state: str
    """Up, Ring, Ringing, Down..."""
    application: str


class Control:
    """Steers the calls of one Asterisk node."""

    def __init__(
        self,
        asterisk: Asterisk,
        *,
        node: str,
        trunk_endpoint: str = "trunk",
        unit_endpoint: str = "unit",
        caller_number: PhoneNumber,
        audiosocket_address: tuple[str, int],
        ring_unit_s: float = RING_UNIT_S,
    ) -> None:
        """node: Asterisk's systemname; ids of another node are refused. caller_number: shown to whom we call.

        audiosocket_address: where the live transcription listens. ring_unit_s: how long a unit's telephone rings.
        Raises BadTarget for a bad node or endpoint.
        """
        self._ring_unit_s = ring_unit_s
        self._wire = Wire(asterisk, node, caller_number.digits)
        self._endpoints = {
            Exchange.TRUNK: checked(_ENDPOINT, trunk_endpoint, "trunk endpoint"),
            Exchange.UNIT: checked(_ENDPOINT, unit_endpoint, "unit endpoint"),
        }
        host, port = audiosocket_address
        self._audiosocket = checked(re.compile(r"[0-9.]{7,15}:[0-9]{1,5}"), f"{host}:{port}", "audiosocket")

    # --- consult, merge, leave

    async def consult(
        self, call: CallLegs, target: PhoneNumber, leg_no: int, over: Exchange = Exchange.UNIT
    ) -> ConsultResult:
        """Put the citizen on hold and ring `target` into a conference with the agent, until it answers or not.

        leg_no: 1, 2... of the call, never reused. When the Originate does not go out, the citizen is brought back.
        After an unanswered consult the citizen is still on hold: `retrieve` or another `ring_unit`.
        Raises LegGone (nothing changed), PbxAway, PbxRefused, OutcomeUnknown.
        """
        self._unit_channel(call.call_id, leg_no)
        await self.set_aside(call)
        try:
            return await self.ring_unit(call.call_id, target, leg_no, over, recorded=call.recorded)
        except (PbxAway, PbxRefused):
            with suppress(ControlError):  # the first error is the one to tell
                await self.retrieve(call)
            raise

    async def set_aside(self, call: CallLegs) -> None:
        """The citizen hears hold music, the agent is alone in the conference. Raises as `consult`."""
        fields = self._wire.move(call.citizen, "hold")
        if not call.in_conference:
            fields += [
                ("ExtraChannel", self._wire.channel(call.agent)),
                ("ExtraContext", "conf"),
                ("ExtraExten", "s"),
                ("ExtraPriority", "1"),
            ]
        await self._wire.act("Redirect", fields)

    async def ring_unit(
        self,
        call_id: CallId,
        target: PhoneNumber,
        leg_no: int,
        over: Exchange = Exchange.UNIT,
        *,
        recorded: bool = True,
    ) -> ConsultResult:
        """Ring one more party into the conference of the call; returns when it answered or failed.

        Cancelled by `drop` of `u-<call id>-<leg_no>`. Raises PbxAway, PbxRefused, OutcomeUnknown.
        """
        channel_id = self._unit_channel(call_id, leg_no)
        variables = [("CALL_ID", call_id), ("LEG", "unit"), ("RECORDED", "yes" if recorded else "no")]
        number = f"PJSIP/{target.digits}@{self._endpoints[over]}"
        result = await self._wire.dial(Dial(channel_id, number, self._ring_unit_s, variables, "unit-leg"))
        return ConsultResult(channel_id, result.answered, result.reason)

    async def cancel_consult(self, call: CallLegs, unit: ChannelId) -> None:
        """Stop ringing (or talking to) the unit and bring the citizen back. Raises LegGone: the citizen left."""
        await self.drop(unit)
        await self.retrieve(call)

    async def merge(self, call: CallLegs) -> None:
        """Bring the citizen from hold to the agent and the unit. Raises LegGone: the citizen left."""
        await self._wire.act("Redirect", self._wire.move(call.citizen, "conf-citizen"))

    async def retrieve(self, call: CallLegs) -> None:
        """Bring the citizen from hold back to the agent; the same move, there is just no unit."""
        await self.merge(call)

    async def leave(self, channel: ChannelId) -> bool:
        """The agent's own leg goes; those who are in the conference talk on. False: it was gone already."""
        return await self.hang_up(channel)

    async def drop(self, channel: ChannelId) -> bool:
        """Another party's leg goes, ringing or talking. False: it was gone already."""
        return await self.hang_up(channel)

    async def hang_up(self, channel: ChannelId) -> bool:
        """End one leg (Q.850 cause 16). False: it was gone already, which is what was wanted."""
        try:
            await self._wire.act("Hangup", [("Channel", self._wire.channel(channel)), ("Cause", "16")])
        except LegGone:
            return False
        return True

    async def requeue(self, citizen: ChannelId) -> None:
        """Back to the head of the queue the citizen came from. A leg still bridged to it is hung up by Asterisk."""
        await self._wire.act("Redirect", self._wire.move(citizen, "requeue"))

    async def ring_back(self, call_id: CallId, agent: AgentId, leg_no: int, *, recorded: bool = True) -> bool:
        """Ring the agent's telephone into the conference of their own call. False: it did not answer.

        leg_no: 1, 2... of the call, never reused. Raises PbxAway, PbxRefused, OutcomeUnknown.
        """
        channel_id = ChannelId(f"r-{self._wire.call(call_id)}-{leg_number(leg_no)}")
        variables = [("CALL_ID", call_id), ("LEG", "agent"), ("RECORDED", "yes" if recorded else "no")]
        result = await self._wire.dial(Dial(channel_id, staff(agent), RING_BACK_S, variables, "agent-back"))
        return result.answered

    async def goodbye(self, citizen: ChannelId) -> None:
        """The citizen hears the closing words and is hung up."""
        await self._wire.act("Redirect", self._wire.move(citizen, "goodbye"))

    # --- supervisor

    async def listen(self, call_id: CallId, supervisor: AgentId, spied: ChannelId, leg_no: int) -> ChannelId:
        """Ring the supervisor's telephone; from its answer on it hears both sides of the leg `spied`, unheard.

        spied: the agent's leg. The supervisor survives every move of it. Raises StaffNotAnswering, PbxAway...
        """
        channel_id = ChannelId(f"s-{self._wire.call(call_id)}-{leg_number(leg_no)}")
        variables = [("CALL_ID", call_id), ("LEG", "supervisor"), ("SPYCHAN", self._wire.channel(spied))]
        dial = Dial(channel_id, staff(supervisor), RING_STAFF_S, variables, "spy", Spy.LISTEN)
        result = await self._wire.dial(dial)
        if not result.answered:
            raise StaffNotAnswering(f"supervisor {supervisor}: reason {result.reason}")
        return channel_id

    async def listen_only(self, supervisor: ChannelId) -> None:
        """Back from whisper or barge to unheard listening."""
        await self._spy(supervisor, Spy.LISTEN)

    async def whisper(self, supervisor: ChannelId) -> None:
        """The supervisor is heard by the spied leg only."""
        await self._spy(supervisor, Spy.WHISPER)

    async def barge(self, supervisor: ChannelId, *, in_conference: bool) -> None:
        """The supervisor is heard by all. in_conference: the call has moved there after a consult."""
        if in_conference:
            # ChanSpy's barge reaches the two legs of a plain bridge; in a conference it would reach the agent alone.
            await self._wire.act("Redirect", self._wire.move(supervisor, "conf"))
        else:
            await self._spy(supervisor, Spy.BARGE)

    async def stop(self, supervisor: ChannelId) -> bool:
        """The supervisor's leg ends, the call goes on. False: it was gone already."""
        return await self.hang_up(supervisor)

    # --- call-back, live tap

    async def call_back(self, agent: AgentId, citizen: PhoneNumber, call_id: CallId) -> None:
        """Ring the agent; on the answer the dialplan dials the citizen. call_id: preset by the caller, used once.

        Whether the citizen answers is told by UserEvent CallbackDialled: Status as DIALSTATUS, ANSWER at once.
        Raises StaffNotAnswering, PbxAway...
        """
        result = await self._call_out(call_id, staff(agent), RING_STAFF_S, Party.AGENT, citizen)
        if not result.answered:
            raise StaffNotAnswering(f"agent {agent}: reason {result.reason}")

    async def call_for_unit(self, unit: PhoneNumber, citizen: PhoneNumber, call_id: CallId) -> None:
        """The same for a handling unit: its telephone rings first. Neither side is shown the other's number.

        Raises UnitPhoneNotAnswering, PbxAway...
        """
        line = f"PJSIP/{unit.digits}@{self._endpoints[Exchange.UNIT]}"
        result = await self._call_out(call_id, line, self._ring_unit_s, Party.UNIT, citizen)
        if not result.answered:
            raise UnitPhoneNotAnswering(f"reason {result.reason}")

    async def _call_out(
        self, call_id: CallId, line: str, ring_s: float, leg: Party, citizen: PhoneNumber
    ) -> OriginateResult:
        """Ring `line`; its answer lands where the dialplan dials the citizen."""
        channel_id = ChannelId(self._wire.call(call_id))
        variables = [("CALL_ID", call_id), ("LEG", leg.value), ("CITIZEN", citizen.digits)]
        return await self._wire.dial(Dial(channel_id, line, ring_s, variables, "callback", CALLED_BY[leg]))

    async def tap(self, call_id: CallId, citizen: ChannelId, stream: UUID) -> ChannelId:
        """Send what the citizen says, live, to the AudioSocket server. stream: registered there before.

        Raises TapFailed when the server is away: the call itself is never touched.
        """
        channel_id = ChannelId(f"t-{self._wire.call(call_id)}")
        stream_to = f"AudioSocket/{self._audiosocket}/{stream}"
        spy = {"application": "ChanSpy", "data": f"{self._wire.channel(citizen)},uqoES"}
        variables = [("CALL_ID", call_id), ("LEG", "tap")]
        result = await self._wire.dial(Dial(channel_id, stream_to, OPEN_TAP_S, variables, **spy))
        if not result.answered:
            raise TapFailed(f"AudioSocket {self._audiosocket}: reason {result.reason}")
        return channel_id

    async def untap(self, call_id: CallId) -> bool:
        """End the live tap. False: there was none."""
        return await self.hang_up(ChannelId(f"t-{self._wire.call(call_id)}"))

    # --- queue members

    async def queue_add(
        self, queue: QueueName, agent: AgentId, name: str, *, paused: bool = False, reason: str = ""
    ) -> bool:
        """Make the agent a member of the queue. False: was one already (its pause is then as it was)."""
        fields = [*member(queue, agent), ("MemberName", shown(name)), ("Paused", flag(paused))]
        fields += [("Reason", shown(reason))] if reason else []
        return await self._queue("QueueAdd", fields, unchanged="Already there")

    async def queue_remove(self, queue: QueueName, agent: AgentId) -> bool:
        """Take the agent out of the queue; a call it has goes on. False: was no member."""
        return await self._queue("QueueRemove", member(queue, agent), unchanged="Not there")

    async def queue_pause(self, queue: QueueName, agent: AgentId, *, paused: bool, reason: str = "") -> None:
        """Pause or unpause the agent in one queue. Raises PbxRefused when it is no member."""
        fields = [*member(queue, agent), ("Paused", flag(paused))]
        await self._wire.act("QueuePause", fields + ([("Reason", shown(reason))] if reason else []))

    # --- after an unknown outcome

    async def resolve_unknown(self, channel_id: ChannelId) -> SeenChannel | None:
        """Whether a leg exists now. None: it does not (any more). Raises PbxAway, OutcomeUnknown: ask again later."""
        wanted = self._wire.channel(channel_id)
        for item in (await self._wire.act("CoreShowChannels", [])).items:
            if item.get("Uniqueid") == wanted:
                return SeenChannel(
                    channel_id, item.get("Channel"), item.get("ChannelStateDesc"), item.get("Application")
                )
        return None

    async def _queue(self, name: str, fields: Sequence[Field], unchanged: str) -> bool:
        try:
            await self._wire.act(name, fields)
        except PbxRefused as error:
            if unchanged in str(error):
                return False
            raise
        return True

    async def _spy(self, supervisor: ChannelId, mode: Spy) -> None:
        await self._wire.act("Redirect", self._wire.move(supervisor, "spy", mode))

    def _unit_channel(self, call_id: CallId, leg_no: int) -> ChannelId:
        return ChannelId(f"u-{self._wire.call(call_id)}-{leg_number(leg_no)}")
