"""PURE: the words of a survey: its states, what happens to it, what follows."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NewType

from callcenter.types import PhoneNumber, TicketId
from ticketing.aftercare.sms_reply import Rating, Reply
from ticketing.words import RatingSource

SurveyId = NewType("SurveyId", str)
UNSATISFIED: Final[Rating] = "不满意"


class SurveyState(StrEnum):
    """Where a survey stands."""

    WAITING = "waiting"
    """Another survey of the same number is open."""
    QUEUED = "queued"
    SUBMITTING = "submitting"
    SUBMITTED = "submitted"
    UNKNOWN = "unknown"
    """The gateway's answer was lost: perhaps sent. Never sent again."""
    REJECTED = "rejected"
    """The gateway refused it for good; a person calls."""
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    ANSWERED = "answered"
    EXPIRED_DEFAULT = "expired_default"
    MANUAL = "manual"
    """A person calls, or reads the reply."""
    DONE = "done"


class CallCause(StrEnum):
    """Why a person must call the citizen."""

    REJECTED = "rejected"
    NO_RECEIPT = "no_receipt"
    UNDELIVERED = "undelivered"
    SILENT = "silent"
    """Delivered and unanswered, where the policy knows no default."""
    UNCLEAR = "unclear"
    STOPPED = "stopped"
    UNSATISFIED = "unsatisfied"


class Receipt(StrEnum):
    """What a delivery report says."""

    DELIVERED = "delivered"
    FAILED = "failed"
    ON_ITS_WAY = "on_its_way"


class Kept(StrEnum):
    """What became of a reply; every reply is kept."""

    COUNTED = "counted"
    UNCLEAR = "unclear"
    STOP = "stop"
    EMPTY = "empty"
    NOT_FIRST = "not_first"
    """An answer counts already; this one is shown beside it."""
    UNMATCHED = "unmatched"
    """After the window, or before the question: belongs to no open survey."""


@dataclass(frozen=True, slots=True)
class AskingRules:
    """window: natural time for an answer. no_reply: the rating of silence, None when silence means nothing."""

    window: timedelta
    no_reply: Rating | None


@dataclass(frozen=True, slots=True)
class Survey:
    """One question to one citizen about one round of a ticket. Times are aware UTC.

    extension: digits behind the access number that name this survey; empty when the gateway cannot extend.
    holds_number: no other survey may be sent to the number (and extension) meanwhile.
    """

    id: SurveyId
    ticket: TicketId
    number: PhoneNumber
    opened_at: datetime
    rules: AskingRules
    extension: str = ""
    state: SurveyState = SurveyState.QUEUED
    holds_number: bool = False
    submitting_at: datetime | None = None
    delivered_at: datetime | None = None
    rating: Rating | None = None
    source: RatingSource | None = None
    comment: str | None = None
    cause: CallCause | None = None
    reply_keys: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Freed:
    """The survey before this one let go of the number."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Barred:
    """The number has asked for no more messages."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Submitting:
    """The worker is about to write to the gateway. It writes only if a SubmitOnce comes back."""

    at: datetime


@dataclass(frozen=True, slots=True)
class NotSent:
    """It is certain that nothing left: refused before the first byte, the gateway was not reached."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Accepted:
    """The gateway took the message; perhaps found out later, by query."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Refused:
    """The gateway refused the message for good."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Lost:
    """A time-out or a crash between write and answer."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Reported:
    """A delivery report; may come before the gateway's answer."""

    at: datetime
    receipt: Receipt


@dataclass(frozen=True, slots=True)
class Replied:
    """An MO matched to this survey. at: when it reached us. key: unique for one MO (gateway id)."""

    at: datetime
    key: str
    reply: Reply


@dataclass(frozen=True, slots=True)
class Tick:
    """The sweep looks."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Called:
    """The manual call is done. rating: what the citizen said, None when they said none or were not reached."""

    at: datetime
    rating: Rating | None


@dataclass(frozen=True, slots=True)
class Settled:
    """The ticket needs this survey no more."""

    at: datetime


SurveyEvent = (
    Freed | Barred | Submitting | NotSent | Accepted | Refused | Lost | Reported | Replied | Tick | Called | Settled
)


@dataclass(frozen=True, slots=True)
class SurveyQueued:
    """Enqueue the sending."""


@dataclass(frozen=True, slots=True)
class SubmitOnce:
    """Write the message to the gateway now. Comes once for each Submitting that is allowed."""


@dataclass(frozen=True, slots=True)
class SurveyReached:
    """Delivered; without an answer it ends at `ends_at`."""

    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Rated:
    """The survey's rating. Comes at most once in a survey's life."""

    rating: Rating
    source: RatingSource
    comment: str | None = None


@dataclass(frozen=True, slots=True)
class ReviewNeeded:
    """不满意: the hotline reviews the result (LS-067)."""


@dataclass(frozen=True, slots=True)
class CallNeeded:
    """A person calls. text: the reply they should read first."""

    cause: CallCause
    text: str = ""


@dataclass(frozen=True, slots=True)
class CallNotNeeded:
    """The answer came after all; withdraw the task."""


@dataclass(frozen=True, slots=True)
class ReplyKept:
    """Store the reply with what became of it."""

    key: str
    kept: Kept


@dataclass(frozen=True, slots=True)
class NumberBarred:
    """Send this number nothing more."""

    number: PhoneNumber


@dataclass(frozen=True, slots=True)
class NumberFreed:
    """The next waiting survey of the number may go (`next_waiting`)."""

    number: PhoneNumber
    extension: str


SurveyFact = (
    SurveyQueued
    | SubmitOnce
    | SurveyReached
    | Rated
    | ReviewNeeded
    | CallNeeded
    | CallNotNeeded
    | ReplyKept
    | NumberBarred
    | NumberFreed
)
Outcome = tuple[Survey, tuple[SurveyFact, ...]]
