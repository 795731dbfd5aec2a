"""What people and the system can ask of a ticket: one value a command, with all that belongs to it. PURE."""

from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime
from enum import Enum
from typing import ClassVar

from callcenter.types import Actor, IdentityId, TicketId, UnitId
from ticketing.clocks import Period
from ticketing.policy import StatutoryLimit
from ticketing.words import Event, RatingSource


@dataclass(frozen=True, slots=True)
class Changes:
    """New values of fields; None leaves a field as it is, an empty string clears it."""

    request_type: str | None = None
    source: str | None = None
    subject: str | None = None
    title: str | None = None
    content: str | None = None
    place: str | None = None
    occurred: str | None = None
    named_unit: str | None = None
    contact_name: str | None = None
    urgent: bool | None = None
    confidential: bool | None = None
    requester: IdentityId | None = None

    def given(self) -> dict[str, object]:
        """The fields to change, by name."""
        pairs = ((field.name, getattr(self, field.name)) for field in fields(self))
        return {name: value for name, value in pairs if value is not None}


@dataclass(frozen=True, slots=True)
class Edit:
    """reason: needed once the ticket has left the agent's desk. suggestions: ids of those being taken over."""

    event: ClassVar = Event.EDIT
    changes: Changes
    reason: str = ""
    suggestions: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Register:
    """intake_exception: why a request is taken in although this platform does not take requests from the public."""

    event: ClassVar = Event.REGISTER
    changes: Changes = Changes()
    intake_exception: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """Answered at once. knowledge: the item of the knowledge base it rests on, or earlier_ticket."""

    event: ClassVar = Event.ANSWER
    text: str
    knowledge: str = ""
    earlier_ticket: TicketId | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """不予受理. text: what the citizen was told. The rest as the policy's reason needs it."""

    event: ClassVar = Event.REJECT
    code: str
    text: str
    referred_to: str = ""
    earlier_ticket: TicketId | None = None
    verification: str = ""
    citation: str = ""


@dataclass(frozen=True, slots=True)
class Refer:
    """Led elsewhere: 110, another county, a court."""

    event: ClassVar = Event.REFER
    target: str
    text: str


@dataclass(frozen=True, slots=True)
class Forward:
    event: ClassVar = Event.FORWARD


@dataclass(frozen=True, slots=True)
class Withdraw:
    event: ClassVar = Event.WITHDRAW
    reason: str


@dataclass(frozen=True, slots=True)
class PhoneNotice:
    """An urgent dispatch told by telephone: when, and whom at the unit."""

    at: datetime
    person: str
    call_ref: str = ""


@dataclass(frozen=True, slots=True)
class Dispatch:
    """basis: the duty list or rule by which this unit is the right one."""

    event: ClassVar = Event.DISPATCH
    lead: UnitId
    assists: tuple[UnitId, ...] = ()
    instruction: str = ""
    basis: str = ""
    phone_notice: PhoneNotice | None = None
    statutory: StatutoryLimit | None = None


@dataclass(frozen=True, slots=True)
class AddAssist:
    event: ClassVar = Event.ADD_ASSIST
    unit: UnitId
    reason: str


@dataclass(frozen=True, slots=True)
class Sign:
    event: ClassVar = Event.SIGN
    person: str = ""


@dataclass(frozen=True, slots=True)
class Contact:
    """The unit's first contact with the citizen."""

    at: datetime
    method: str
    told: str


@dataclass(frozen=True, slots=True)
class Start:
    event: ClassVar = Event.START
    contact: Contact | None = None


@dataclass(frozen=True, slots=True)
class AskReturn:
    event: ClassVar = Event.ASK_RETURN
    reason: str
    legal_basis: str = ""
    proper_unit: str = ""


@dataclass(frozen=True, slots=True)
class GrantReturn:
    event: ClassVar = Event.GRANT_RETURN
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RefuseReturn:
    """code: one of the policy's cases in which a return is not granted."""

    event: ClassVar = Event.REFUSE_RETURN
    code: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AskExtension:
    """amount: in the unit of the handling limit (working days, or hours when urgent)."""

    event: ClassVar = Event.ASK_EXTENSION
    amount: int
    reason: str
    citizen_informed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class GrantExtension:
    event: ClassVar = Event.GRANT_EXTENSION
    amount: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RefuseExtension:
    event: ClassVar = Event.REFUSE_EXTENSION
    reason: str


@dataclass(frozen=True, slots=True)
class Contents:
    """What a unit's reply says. Which fields are required, the policy says; hours are local, 0 to 23."""

    handled_on: date | None = None
    handled_hour: int | None = None
    handling_unit: str = ""
    handler: str = ""
    situation: str = ""
    citizen_contacted_at: datetime | None = None
    finished: bool = True
    stage_result: str = ""
    follow_up_plan: str = ""
    case_file: str = ""
    case_number: str = ""
    case_filed_on: date | None = None
    not_filed_reason: str = ""
    not_filed_law: str = ""
    not_enforcement: bool = False
    attachments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reply:
    event: ClassVar = Event.REPLY
    contents: Contents


@dataclass(frozen=True, slots=True)
class RejectReply:
    event: ClassVar = Event.REJECT_REPLY
    defect: str
    reason: str


@dataclass(frozen=True, slots=True)
class BeginSurvey:
    event: ClassVar = Event.BEGIN_SURVEY
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SurveyDelivered:
    """The survey's message reached the citizen's telephone at `at`; from then on silence counts."""

    event: ClassVar = Event.SURVEY_DELIVERED
    at: datetime


@dataclass(frozen=True, slots=True)
class Rate:
    """delivered_at: when the survey's message was delivered; without it silence is no rating."""

    event: ClassVar = Event.RATE
    rating: str
    source: RatingSource
    comment: str = ""
    delivered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NoteCause:
    """What the person who called the citizen back learnt."""

    event: ClassVar = Event.NOTE_CAUSE
    code: str
    note: str


@dataclass(frozen=True, slots=True)
class Close:
    """explanation: needed when the rating does not close the ticket by itself."""

    event: ClassVar = Event.CLOSE
    explanation: str = ""
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Rework:
    event: ClassVar = Event.REWORK
    reason: str


@dataclass(frozen=True, slots=True)
class Material:
    """Something kept with the ticket but stored elsewhere: a recording, a transcript, an attachment."""

    kind: str
    ref: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Archive:
    event: ClassVar = Event.ARCHIVE
    materials: tuple[Material, ...] = ()


Detail = (
    Edit
    | Register
    | Answer
    | Reject
    | Refer
    | Forward
    | Withdraw
    | Dispatch
    | AddAssist
    | Sign
    | Start
    | AskReturn
    | GrantReturn
    | RefuseReturn
    | AskExtension
    | GrantExtension
    | RefuseExtension
    | Reply
    | RejectReply
    | BeginSurvey
    | NoteCause
    | Close
    | Rework
    | Archive
)


"""What a person, or the system in their place, may ask."""

SurveyDetail = SurveyDelivered | Rate
"""What only a survey's own course brings about, see ticketing.followup."""

AnyDetail = Detail | SurveyDetail


@dataclass(frozen=True, slots=True)
class Command:
    """Somebody asks something of a ticket."""

    actor: Actor
    detail: AnyDetail


def as_data(value: object) -> object:
    """A command or a part of one as plain JSON: empty values left out, times and periods as text."""
    if isinstance(value, Changes):
        return {name: as_data(item) for name, item in value.given().items()}
    if is_dataclass(value) and not isinstance(value, type | Period):
        pairs = ((field.name, as_data(getattr(value, field.name))) for field in fields(value))
        return {name: item for name, item in pairs if item not in (None, "", [], {})}
    if isinstance(value, tuple):
        return [as_data(item) for item in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Enum | Period):
        return str(value)
    return value


def texts(value: object) -> list[str]:
    """Every string inside a command."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, tuple):
        return [text for item in value for text in texts(item)]
    if is_dataclass(value) and not isinstance(value, type):
        return [text for field in fields(value) for text in texts(getattr(value, field.name))]
    return []
