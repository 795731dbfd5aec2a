"""What each command does to a call: read what the call is now, steer it through `control`.

What the call is comes from the listener's tracker, which runs in the same process.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from callcenter.agents import WRAP_UP
from callcenter.call_events import Place
from callcenter.call_facts import Situation
from callcenter.call_state import Call, Leg
from callcenter.commands import Command, Kind
from callcenter.control import CallLegs, Control
from callcenter.control_errors import EMERGENCY, ControlError, LegGone, NotBack, PbxRefused, UnitTarget
from callcenter.db import Database
from callcenter.streams import stream_of
from callcenter.tables import handling_unit
from callcenter.tracker import Tracker
from callcenter.types import AgentId, CallId, ChannelId, IdentityId, Party, PhoneNumber, QueueName, UnitId
from callcenter.units import with_telephone
from callcenter.vault import Vault

EVENT_WITHIN_S = 1.0
"""The event of a leg follows the answer of the action that caused it by milliseconds."""
REJOINABLE = frozenset({Situation.TALKING, Situation.CONSULTING, Situation.THREE_PARTY})


class NotPossible(ControlError):
    """当前通话状态不能执行此操作，请查看通话状态后再试。"""


class CallGone(NotPossible):
    """通话已结束，操作没有执行。"""


class NoUnitOnLine(NotPossible):
    """承办单位尚未接通，不能执行此操作；请先呼叫单位。"""


class AlreadyConsulting(NotPossible):
    """正在呼叫或已接通一个单位，请先合并、取消或请单位退出，再呼叫下一个。"""


class UnitUnknown(NotPossible):
    """单位通讯录中没有这个单位，或它已停用。"""


class NothingLeft(NotPossible):
    """没有可以接回的通话：通话已结束，或已转给其他话务员。"""


class NotSpying(NotPossible):
    """您没有在监听这通电话，请先开始监听。"""


@dataclass
class CallDeeds:
    """stream_secret: shared with the process that hears live audio."""

    database: Database
    control: Control
    tracker: Tracker
    vault: Vault
    stream_secret: bytes
    _legs_used: dict[CallId, int] = field(default_factory=lambda: defaultdict(int))

    async def do(self, command: Command) -> dict[str, Any]:
        """What is worth telling whoever asked. Raises ControlError, with a sentence for them."""
        return await DEEDS[command.kind](self, command)

    def is_over(self, call_id: CallId) -> bool:
        """Whether the call is gone; what was remembered of it goes too."""
        if call_id in self.tracker.calls:
            return False
        self._legs_used.pop(call_id, None)
        return True

    # ---- what a call is now ----------------------------------------------------------------------------------

    def _call(self, command: Command) -> Call:
        call = self.tracker.calls.get(command.call_id) if command.call_id else None
        if call is None:
            raise CallGone
        return call

    def _legs(self, call: Call) -> CallLegs:
        agents = call.legs_of(Party.AGENT)
        if call.citizen is None or not call.citizen.is_up or not agents:
            raise NotPossible
        # The newest: one that was taken back to another telephone leaves an old leg behind for a moment.
        agent = next((leg for leg in reversed(agents) if leg.who == call.agent and leg.answered_at), agents[-1])
        stay = call.stay_of(agent.channel_id)
        in_conference = stay is not None and stay.place == Place.CONFERENCE
        return CallLegs(call.id, call.citizen.channel_id, agent.channel_id, in_conference, call.recorded)

    def _next_leg(self, call: Call, prefix: str) -> int:
        seen = [int(key.rsplit("-", 1)[1]) for key in call.legs if key.startswith(f"{prefix}-{call.id}-")]
        number = max([self._legs_used[call.id], *seen]) + 1
        self._legs_used[call.id] = number
        return number

    # ---- deeds -----------------------------------------------------------------------------------------------

    async def consult(self, command: Command) -> dict[str, Any]:
        """Citizen on hold, unit dialled; when it is not reached the citizen is brought back to the agent."""
        call = self._call(command)
        if call.situation not in (Situation.TALKING, Situation.CONSULTING) or call.legs_of(Party.UNIT):
            raise AlreadyConsulting if call.legs_of(Party.UNIT) else NotPossible
        target = await self._target(str(command.args.get("unit", "")))
        legs = self._legs(call)
        result = await self.control.consult(legs, target.number, self._next_leg(call, "u"), target.over)
        if result.answered:
            # Who is told "done" may merge at once.
            await self._leg_when(call.id, result.unit, lambda leg: bool(leg.answered_at or leg.ended_at))
            return {"unit": target.id, "channel": result.unit}
        gone = await self._leg_when(call.id, result.unit, lambda leg: leg.ended_at is not None)
        with contextlib.suppress(ControlError):
            await self.control.retrieve(legs)
        failure = result.failure(gone.cause if gone else None)
        assert failure is not None
        raise failure

    async def cancel_consult(self, command: Command) -> dict[str, Any]:
        """Stop ringing or talking to the unit; the citizen comes back (a ringing consult does that itself)."""
        call = self._call(command)
        if call.situation != Situation.CONSULTING:
            raise NotPossible
        units = call.legs_of(Party.UNIT)
        for leg in units:
            await self.control.drop(leg.channel_id)
        if not any(leg.answered_at is None for leg in units):
            await self.control.retrieve(self._legs(call))
        return {}

    async def merge(self, command: Command) -> dict[str, Any]:
        """All three talk."""
        call = self._call(command)
        if not any(leg.answered_at for leg in call.legs_of(Party.UNIT)):
            raise NoUnitOnLine
        await self.control.merge(self._legs(call))
        return {}

    async def drop_unit(self, command: Command) -> dict[str, Any]:
        """The unit leaves; in a consult the citizen is brought back."""
        call = self._call(command)
        if not call.legs_of(Party.UNIT):
            raise NoUnitOnLine
        for leg in call.legs_of(Party.UNIT):
            await self.control.drop(leg.channel_id)
        if call.situation == Situation.CONSULTING:
            await self.control.retrieve(self._legs(call))
        return {}

    async def leave(self, command: Command) -> dict[str, Any]:
        """The agent leaves citizen and unit to themselves; only when those two already hear each other."""
        call = self._call(command)
        if call.situation != Situation.THREE_PARTY:
            raise NotPossible
        await self.control.leave(self._legs(call).agent)
        return {}

    async def hang_up(self, command: Command) -> dict[str, Any]:
        """The whole call ends."""
        call = self._call(command)
        for leg in [one for one in call.legs.values() if one.is_up and one.party != Party.TAP]:
            await self.control.hang_up(leg.channel_id)
        return {}

    async def end_others(self, command: Command) -> dict[str, Any]:
        """The citizen is gone; so are the legs they leave behind."""
        ended = [await self.control.hang_up(ChannelId(str(one))) for one in command.args["channels"]]
        return {"ended": sum(ended)}

    async def requeue(self, command: Command) -> dict[str, Any]:
        """The citizen goes back to the head of the queue; a unit left waiting is let go.

        The agent who was lost is paused first: the reconciler would do it too, but perhaps only after the queue has
        offered the citizen to the same silent telephone again.
        """
        queue, lost = str(command.args.get("queue", "")), str(command.args.get("agent", ""))
        if queue and lost:
            with contextlib.suppress(PbxRefused, LegGone):  # no member any more
                await self.control.queue_pause(QueueName(queue), AgentId(lost), paused=True, reason=WRAP_UP)
        for unit in command.args.get("units", []):
            await self.control.drop(ChannelId(str(unit)))
        await self.control.requeue(ChannelId(str(command.args["channel"])))
        return {}

    async def goodbye(self, command: Command) -> dict[str, Any]:
        """Closing words for a citizen who is alone."""
        await self.control.goodbye(ChannelId(str(command.args["channel"])))
        return {}

    async def set_aside(self, command: Command) -> dict[str, Any]:
        """The citizen hears music while the agent's page is gone; with a unit on the line they have somebody."""
        call = self._call(command)
        if call.agent == command.args["agent"] and call.situation == Situation.TALKING:
            await self.control.set_aside(self._legs(call))
        return {}

    async def rejoin(self, command: Command) -> dict[str, Any]:
        """The agent's telephone is rung again and goes on with the call; the leg it had before is ended after that.

        The others stay as they are; a citizen who would hear nothing meanwhile hears music. When the telephone does
        not answer, the dead leg is ended, and the story brings a citizen who is then alone to the next agent.
        """
        call, agent = self._call(command), AgentId(str(command.args["agent"]))
        old = [leg for leg in call.legs_of(Party.AGENT) if leg.who == agent]
        if call.agent != agent or not old or call.situation not in REJOINABLE or _rings(old):
            raise NothingLeft
        legs = self._legs(call)
        if call.situation == Situation.TALKING:
            await self.control.set_aside(legs)
        together = call.situation == Situation.THREE_PARTY
        number = self._next_leg(call, "r")
        back = await self.control.ring_back(call.id, agent, number, recorded=call.recorded)
        # Whoever hung up while it rang left this leg to nobody.
        with contextlib.suppress(LegGone):
            if back and not together and not self._units(call.id):
                await self.control.retrieve(legs)
        if back or not together:
            for leg in old:
                await self.control.hang_up(leg.channel_id)
        if not back:
            raise NotBack
        return {"leg": number}

    def _units(self, call_id: CallId) -> tuple[Leg, ...]:
        call = self.tracker.calls.get(call_id)
        return call.legs_of(Party.UNIT) if call else ()

    async def spy(self, command: Command) -> dict[str, Any]:
        """Listen first; whisper and barge change how the supervisor takes part."""
        call = self._call(command)
        supervisor = AgentId(str(command.args["supervisor"]))
        mine = [leg for leg in call.legs_of(Party.SUPERVISOR) if leg.who == supervisor]
        if command.kind == Kind.STOP_LISTENING:
            if not mine:
                raise NotSpying
            await self.control.stop(mine[0].channel_id)
            return {}
        legs = self._legs(call)
        channel = mine[0].channel_id if mine else None
        if channel is None:
            channel = await self.control.listen(call.id, supervisor, legs.agent, self._next_leg(call, "s"))
        elif command.kind == Kind.LISTEN:
            await self.control.listen_only(channel)
        if command.kind == Kind.WHISPER:
            await self.control.whisper(channel)
        elif command.kind == Kind.BARGE:
            await self.control.barge(channel, in_conference=legs.in_conference)
        return {"channel": channel}

    async def call_back(self, command: Command) -> dict[str, Any]:
        """Ring the agent or the unit, then the citizen; the number leaves the vault here and goes nowhere else."""
        call_id = self._call_id(command)
        async with self.database.transaction() as tx:
            number = await self.vault.number_of(tx, IdentityId(int(command.args["caller"])))
        if unit := str(command.args.get("unit", "")):
            await self.control.call_for_unit((await self._target(unit)).number, number, call_id)
        else:
            await self.control.call_back(AgentId(str(command.args["agent"])), number, call_id)
        return {"call": call_id}

    async def tap(self, command: Command) -> dict[str, Any]:
        """What the citizen says goes live to the transcriber; without one the call goes on untouched."""
        call = self._call(command)
        if call.citizen is None:
            raise CallGone
        await self.control.tap(call.id, call.citizen.channel_id, stream_of(call.id, self.stream_secret))
        return {}

    # ---- small tools -----------------------------------------------------------------------------------------

    def _call_id(self, command: Command) -> CallId:
        if command.call_id is None:
            raise CallGone
        return command.call_id

    async def _target(self, unit: str) -> UnitTarget:
        if unit in EMERGENCY:
            return EMERGENCY[unit]
        async with self.database.transaction() as tx:
            query = select(handling_unit).where(handling_unit.c.id == unit, with_telephone())
            row = (await tx.execute(query)).one_or_none()
        if row is None:
            raise UnitUnknown
        return UnitTarget(UnitId(row.id), row.name, PhoneNumber(row.number))

    async def _leg_when(self, call_id: CallId, unit: ChannelId, wanted: Callable[[Leg], bool]) -> Leg | None:
        """The leg, once its event has told so: an action's answer may overtake it. None: it was not told in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(EVENT_WITHIN_S):
                while (call := self.tracker.calls.get(call_id)) is not None:
                    leg = call.legs.get(unit)
                    if leg is not None and wanted(leg):
                        return leg
                    await asyncio.sleep(0.02)
        return None


def _rings(legs: Sequence[Leg]) -> bool:
    """Whether one of them is being rung: a second request of the same page."""
    return any(leg.answered_at is None for leg in legs)


Deed = Callable[[CallDeeds, Command], Awaitable[dict[str, Any]]]

DEEDS: Mapping[Kind, Deed] = {
    Kind.CONSULT: CallDeeds.consult,
    Kind.CANCEL_CONSULT: CallDeeds.cancel_consult,
    Kind.MERGE: CallDeeds.merge,
    Kind.DROP_UNIT: CallDeeds.drop_unit,
    Kind.LEAVE: CallDeeds.leave,
    Kind.HANG_UP: CallDeeds.hang_up,
    Kind.LISTEN: CallDeeds.spy,
    Kind.WHISPER: CallDeeds.spy,
    Kind.BARGE: CallDeeds.spy,
    Kind.STOP_LISTENING: CallDeeds.spy,
    Kind.CALL_BACK: CallDeeds.call_back,
    Kind.TAP: CallDeeds.tap,
    Kind.REQUEUE: CallDeeds.requeue,
    Kind.GOODBYE: CallDeeds.goodbye,
    Kind.END_OTHERS: CallDeeds.end_others,
    Kind.SET_ASIDE: CallDeeds.set_aside,
    Kind.REJOIN: CallDeeds.rejoin,
}
"""Command kind -> what is done."""
