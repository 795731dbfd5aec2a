"""What became true of a ticket, told once each, past tense. The hub turns facts into messages and jobs. PURE."""

from dataclasses import dataclass
from datetime import date, datetime

from callcenter.types import CallId, IdentityId, TicketId, UnitId
from ticketing.clocks import DeadlineKind
from ticketing.words import RatingSource


@dataclass(frozen=True, slots=True)
class Fact:
    """Something became true of a ticket."""

    ticket_id: TicketId
    round: int
    at: datetime


@dataclass(frozen=True, slots=True)
class TicketOpened(Fact):
    call_id: CallId | None


@dataclass(frozen=True, slots=True)
class TicketEdited(Fact):
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TicketRegistered(Fact):
    request_type: str
    urgent: bool


@dataclass(frozen=True, slots=True)
class TicketAnswered(Fact):
    text: str


@dataclass(frozen=True, slots=True)
class TicketRejected(Fact):
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class TicketReferred(Fact):
    target: str


@dataclass(frozen=True, slots=True)
class TicketForwarded(Fact):
    """It waits for a dispatcher."""


@dataclass(frozen=True, slots=True)
class TicketWithdrawn(Fact):
    reason: str


@dataclass(frozen=True, slots=True)
class TicketDispatched(Fact):
    """Limits are None where the regulation sets none."""

    lead: UnitId
    assists: tuple[UnitId, ...]
    urgent: bool
    sign_due_at: datetime | None
    handle_due_at: datetime | None


@dataclass(frozen=True, slots=True)
class AssistAdded(Fact):
    unit: UnitId


@dataclass(frozen=True, slots=True)
class TicketSigned(Fact):
    unit: UnitId


@dataclass(frozen=True, slots=True)
class HandlingStarted(Fact):
    unit: UnitId


@dataclass(frozen=True, slots=True)
class ReturnAsked(Fact):
    unit: UnitId
    reason: str


@dataclass(frozen=True, slots=True)
class ReturnGranted(Fact):
    """The ticket left this unit and waits for a dispatcher."""

    unit: UnitId


@dataclass(frozen=True, slots=True)
class ReturnRefused(Fact):
    unit: UnitId
    code: str


@dataclass(frozen=True, slots=True)
class ExtensionAsked(Fact):
    unit: UnitId
    amount: int


@dataclass(frozen=True, slots=True)
class ExtensionGranted(Fact):
    unit: UnitId
    due_at: datetime


@dataclass(frozen=True, slots=True)
class ExtensionRefused(Fact):
    unit: UnitId
    reason: str


@dataclass(frozen=True, slots=True)
class TicketReplied(Fact):
    unit: UnitId
    situation: str
    on_time: bool


@dataclass(frozen=True, slots=True)
class ReplyRejected(Fact):
    """count: how often in a row in this round, this one included. defect: its code in the policy (GZ-045, MC-039)."""

    unit: UnitId
    reason: str
    count: int = 1
    defect: str = ""


@dataclass(frozen=True, slots=True)
class SurveyBegun(Fact):
    """The citizen is to be asked; SurveyDue follows when their number is free for it."""


@dataclass(frozen=True, slots=True)
class SurveyDue(Fact):
    """Send the survey's message now, once. `round` is the survey's, also when an older ticket's made room for it."""

    survey_id: int
    requester: IdentityId


@dataclass(frozen=True, slots=True)
class CitizenBarred(Fact):
    """The citizen wants no more messages."""

    requester: IdentityId


@dataclass(frozen=True, slots=True)
class SurveyReached(Fact):
    """The survey's message was delivered. expires_at: when silence becomes the default rating."""

    expires_at: datetime


@dataclass(frozen=True, slots=True)
class TicketRated(Fact):
    rating: str
    source: RatingSource


@dataclass(frozen=True, slots=True)
class CauseNoted(Fact):
    """Why the citizen is not satisfied is known and goes to the unit."""

    unit: UnitId | None
    code: str
    note: str


@dataclass(frozen=True, slots=True)
class TicketClosed(Fact):
    """explained: closed by a reviewer with an explanation, not by the rating. closing, exempt: as on the ticket."""

    rating: str | None
    source: RatingSource | None
    explained: bool
    closing: str = ""
    exempt: bool = False


@dataclass(frozen=True, slots=True)
class ReworkOrdered(Fact):
    """`round` is the new one. untrue: the reply before it was found not to be what happened."""

    unit: UnitId | None
    reason: str
    untrue: bool = False


@dataclass(frozen=True, slots=True)
class TicketArchived(Fact):
    """It is complete and will not change; see ArchivePacked for what was kept."""

    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class ArchivePacked(Fact):
    """The package is stored. recordings_keep_until: local date before which its recordings must not be deleted."""

    sha256: str
    recordings_keep_until: date


@dataclass(frozen=True, slots=True)
class ManualTaskCreated(Fact):
    task_id: int
    kind: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class DeadlinePassed(Fact):
    deadline_id: int
    kind: DeadlineKind
    due_at: datetime
    unit: UnitId | None
