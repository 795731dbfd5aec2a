"""Words every package shares: ids, parties, phone numbers, actors.

Standard library only; every package may import this module, and the leaves import no other of ours.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

CallId = NewType("CallId", str)
"""One conversation: the citizen channel's Uniqueid at ingress, `<systemname>-<epoch>.<n>`."""
ChannelId = NewType("ChannelId", str)
"""One leg: Asterisk's Uniqueid."""
TicketId = NewType("TicketId", str)
UnitId = NewType("UnitId", str)
"""A handling unit (承办单位), for example `water`."""
UserId = NewType("UserId", int)
AgentId = NewType("AgentId", str)
"""An agent (话务员) by extension, for example `8001`."""
IdentityId = NewType("IdentityId", int)
"""Who the citizen is, as a key into the identity vault; the number itself stays there."""
QueueName = NewType("QueueName", str)
RecordingId = NewType("RecordingId", int)

CALL_ID_PATTERN = re.compile(r"[A-Za-z0-9]{1,16}-[0-9]{9,12}\.[0-9]{1,9}")
NUMBER_PATTERN = re.compile(r"[0-9]{3,20}")
COUNTRY_CODE = "86"


class Party(StrEnum):
    """Who is on a leg; the value of the channel variable LEG."""

    CITIZEN = "citizen"
    AGENT = "agent"
    UNIT = "unit"
    SUPERVISOR = "supervisor"
    TAP = "tap"


class Role(StrEnum):
    """What a signed-in person may do; one person may hold several."""

    AGENT = "agent"
    DISPATCHER = "dispatcher"
    UNIT = "unit"
    UNIT_HEAD = "unit_head"
    """The responsible person of a unit (主要负责人): signs for it."""
    LEADER = "leader"
    """Signs for the hotline office or the government, by the titles of the account."""
    REVIEWER = "reviewer"
    SUPERVISOR = "supervisor"
    AUDITOR = "auditor"
    ADMIN = "admin"


class BadCallId(ValueError):
    """The call id is not `<systemname>-<epoch>.<n>`; take it from the event or from `callcenter calls`."""


class BadNumber(ValueError):
    """A telephone number is 3 to 20 digits, without signs or spaces."""


def call_id(text: str) -> CallId:
    """`text` as a CallId. Raises BadCallId when it does not have the shape of one."""
    if not CALL_ID_PATTERN.fullmatch(text):
        raise BadCallId(f"not a call id: {text[:40]!r}")
    return CallId(text)


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """Digits of a telephone number. Prints masked (`138****1234`); `.digits` is the number itself.

    Raises BadNumber unless 3 to 20 ASCII digits.
    """

    digits: str

    def __post_init__(self) -> None:
        if not NUMBER_PATTERN.fullmatch(self.digits):
            raise BadNumber(f"not a telephone number ({len(self.digits)} characters)")

    @property
    def masked(self) -> str:
        """`138****1234`; numbers under 8 digits keep only their last two."""
        digits = self.digits
        if len(digits) < 8:
            return "*" * (len(digits) - 2) + digits[-2:]
        return digits[:3] + "*" * (len(digits) - 7) + digits[-4:]

    def __str__(self) -> str:
        return self.masked

    def __repr__(self) -> str:
        return f"PhoneNumber({self.masked})"


def national(told: str) -> PhoneNumber:
    """A number as this country dials it, without +86, 0086 or 86, so that one person is one number.

    Raises BadNumber for what is no number.
    """
    digits = told.strip()
    plus = digits.startswith(("+", "00"))
    digits = digits.removeprefix("+").removeprefix("00") if plus else digits
    bare = digits.removeprefix(COUNTRY_CODE)
    # 86 is also how some short codes begin: it is the country only before a mobile number or after a +.
    if bare != digits and (plus or (len(bare) == 11 and bare.startswith("1"))):
        digits = bare
    return PhoneNumber(digits)


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did something: a signed-in person, the citizen, or the system itself."""

    kind: str
    """`user`, `citizen`, `unit_platform` or `system`."""
    name: str
    """Login name, or the part of the system (`survey`, `reconciler`)."""
    roles: frozenset[Role] = frozenset()
    unit: UnitId | None = None
    titles: frozenset[str] = frozenset()
    """Offices a policy's signature steps name (县热线办负责人); only a leader holds any."""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


def system(part: str) -> Actor:
    """The system acting by itself; `part` says which rule or job."""
    return Actor("system", part)


CITIZEN = Actor("citizen", "citizen")
