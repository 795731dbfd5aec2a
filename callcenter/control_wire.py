"""The choke point of call control: every id checked, every AMI failure translated for the agent."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from callcenter import ami
from callcenter.ami import OriginateResult, Reply
from callcenter.control_errors import BadTarget, ControlError, OutcomeUnknown, PbxAway, PbxRefused, refusal
from callcenter.types import AgentId, CallId, ChannelId, QueueName

Field = tuple[str, str]

_NODE = re.compile(r"[A-Za-z0-9]{1,16}")
_QUEUE = re.compile(r"[a-z0-9]{1,32}")
_AGENT = re.compile(r"[0-9]{3,8}")
_LONGEST = 60


class Asterisk(Protocol):
    """The part of callcenter.ami.AmiClient that control uses."""

    async def action(self, name: str, fields: Sequence[Field] = (), *, timeout_s: float = 5) -> Reply: ...

    async def originate(
        self,
        *,
        channel: str,
        channel_id: str,
        context: str = "",
        exten: str = "s",
        application: str = "",
        data: str = "",
        caller_id: str = "",
        variables: Sequence[Field] = (),
        ring_timeout_s: float = 30,
        timeout_s: float = 5,
    ) -> OriginateResult: ...


@dataclass(frozen=True, slots=True)
class Dial:
    """One Originate: who is rung under which preset id, and where the answered leg lands."""

    channel_id: ChannelId
    channel: str
    ring_timeout_s: float
    variables: Sequence[Field]
    context: str = ""
    exten: str = "s"
    application: str = ""
    data: str = ""


class Wire:
    """Actions on one Asterisk node. Raises BadTarget before anything is sent that does not fit this node."""

    def __init__(self, asterisk: Asterisk, node: str, caller_id: str) -> None:
        self._ami, self._caller_id = asterisk, caller_id
        own = rf"{checked(_NODE, node, 'node')}-[0-9]{{9,12}}\.[0-9]{{1,9}}"
        self._call_id = re.compile(own)
        self._channel_id = re.compile(rf"{own}|[rsu]-{own}-[0-9]{{1,4}}|t-{own}")

    def call(self, call_id: CallId) -> CallId:
        """The call id, when it is one of this node."""
        return CallId(checked(self._call_id, call_id, "call id of this node"))

    def channel(self, channel: ChannelId) -> str:
        """The channel id, when it is one of this node."""
        return checked(self._channel_id, channel, "channel id of this node")

    def move(self, channel: ChannelId, context: str, exten: str = "s") -> list[Field]:
        """The fields of a Redirect."""
        return [
            ("Channel", self.channel(channel)),
            ("Context", context),
            ("Exten", exten),
            ("Priority", "1"),
        ]

    async def act(self, name: str, fields: Sequence[Field]) -> Reply:
        """One action. Raises LegGone, PbxAway, PbxRefused, OutcomeUnknown, BadTarget."""
        try:
            return await self._ami.action(name, fields)
        except (ami.AmiError, ami.BadField) as error:
            raise _translated(error, None) from error

    async def dial(self, dial: Dial) -> OriginateResult:
        """One Originate, sent at most once; returns how the ringing ended. Raises as `act`."""
        try:
            return await self._ami.originate(
                channel=dial.channel,
                channel_id=self.channel(dial.channel_id),
                context=dial.context,
                exten=dial.exten,
                application=dial.application,
                data=dial.data,
                caller_id=self._caller_id,
                variables=dial.variables,
                ring_timeout_s=dial.ring_timeout_s,
            )
        except (ami.AmiError, ami.BadField) as error:
            raise _translated(error, dial.channel_id) from error


def _translated(error: Exception, channel_id: ChannelId | None) -> ControlError:
    if isinstance(error, ami.AmiUnavailable):
        return PbxAway(str(error))
    if isinstance(error, ami.OutcomeUnknown):
        return OutcomeUnknown(str(error), channel_id)
    if isinstance(error, ami.ActionRefused):
        return refusal(error.message)
    return BadTarget(str(error)) if isinstance(error, ami.BadField) else PbxRefused(str(error))


def checked(pattern: re.Pattern[str], value: str, what: str) -> str:
    """`value`, when all of it fits `pattern`. Raises BadTarget."""
    if not pattern.fullmatch(value):
        raise BadTarget(f"not a {what}: {value[:40]!a}")
    return value


def staff(agent: AgentId) -> str:
    """The dial string of an agent's or supervisor's telephone."""
    return f"PJSIP/{checked(_AGENT, agent, 'extension')}"


def member(queue: QueueName, agent: AgentId) -> list[Field]:
    """The fields that name a queue member."""
    return [("Queue", checked(_QUEUE, queue, "queue")), ("Interface", staff(agent))]


def leg_number(leg_no: int) -> int:
    """1..9999."""
    if not 1 <= leg_no <= 9999:
        raise BadTarget(f"leg number {leg_no}")
    return leg_no


def shown(text: str) -> str:
    """A name or reason as people see it: 1 to 60 printable characters."""
    if not text.isprintable() or not 1 <= len(text) <= _LONGEST:
        raise BadTarget(f"a name or reason of {len(text)} characters, 1 to {_LONGEST} printable ones go")
    return text


def flag(value: bool) -> str:
    """A yes or no of AMI."""
    return "true" if value else "false"
