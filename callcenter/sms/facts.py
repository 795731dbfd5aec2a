"""PURE: what happened to messages, in past tense; the hub's flow makes survey events and tasks of it."""

from dataclasses import dataclass
from datetime import datetime

from callcenter.sms.message import Purpose
from callcenter.types import IdentityId, TicketId


@dataclass(frozen=True, slots=True)
class MessageRef:
    """Which message: our key, why it was sent, for which ticket, to whom."""

    key: str
    purpose: Purpose
    ticket: TicketId | None
    identity: IdentityId


@dataclass(frozen=True, slots=True)
class SmsSubmitted:
    """The gateway took it."""

    message: MessageRef
    at: datetime


@dataclass(frozen=True, slots=True)
class SmsDelivered:
    """It is on the phone."""

    message: MessageRef
    at: datetime


@dataclass(frozen=True, slots=True)
class SmsUndelivered:
    """It will not arrive. reason: `failed`, `rejected`, `stopped`, `expired` or `no_number`."""

    message: MessageRef
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class SmsOutcomeUnknown:
    """It may have gone out, nobody knows; it is not sent again. A receipt may still make it one of the others."""

    message: MessageRef
    at: datetime


@dataclass(frozen=True, slots=True)
class ReplyReceived:
    """The citizen wrote. Not read yet: what it means is for `ticketing.aftercare.sms_reply` and the flow."""

    inbound_id: int
    identity: IdentityId
    to_number: str
    body: str
    at: datetime


SmsFact = SmsSubmitted | SmsDelivered | SmsUndelivered | SmsOutcomeUnknown | ReplyReceived
