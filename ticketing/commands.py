"""What people and the system can ask of a ticket: one value a command, with all that belongs to it. PURE."""

from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime
from enum import Enum, StrEnum
from typing import ClassVar, Protocol

from callcenter.types import Actor, IdentityId, TicketId, UnitId
from ticketing.approvals.rules import Rank
from ticketing.clocks import Period
from ticketing.policy import StatutoryLimit
from ticketing.words import Event, Flag, RatingSource


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
    requester_kind: str | None = None
    grade: str | None = None
    accused: str | None = None
    flags: frozenset[Flag] | None = None

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
    """Answered at once. knowledge: the item of the knowledge base it rests on, or earlier_ticket.

    way: how it was dealt with, where the policy lists the ways (直接解答, 三方通话).
    """

    event: ClassVar = Event.ANSWER
    text: str
    knowledge: str = ""
    earlier_ticket: TicketId | None = None
    way: str = ""


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
    """Led elsewhere: 110, another county, a court, a specialist's desk. way: as in Answer."""

    event: ClassVar = Event.REFER
    target: str
    text: str
    way: str = ""


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
    """basis: the duty list or rule by which this unit is the right one.

    reason: why a department's duty goes to a township, or a unit gets back what it returned.
    chosen: the handling limit, where the regulation leaves the dispatcher a choice (GZ-024).
    """

    event: ClassVar = Event.DISPATCH
    lead: UnitId
    assists: tuple[UnitId, ...] = ()
    instruction: str = ""
    basis: str = ""
    phone_notice: PhoneNotice | None = None
    statutory: StatutoryLimit | None = None
    chosen: Period | None = None
    reason: str = ""
    on_spot_by: str = ""
    """The leader who answered the hotline and assigned it on the spot (当场分办), or the unit that took it over."""


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
    """led_by, rank: who leads the handling inside the unit, and how high they stand."""

    event: ClassVar = Event.START
    contact: Contact | None = None
    led_by: str = ""
    rank: Rank | None = None


@dataclass(frozen=True, slots=True)
class AskReturn:
    """suggestion: how the matter should be handled instead; proper_unit: by whom.

    nothing_ours: the unit states that no part of the matter is its duty.
    """

    event: ClassVar = Event.ASK_RETURN
    reason: str
    legal_basis: str = ""
    proper_unit: str = ""
    suggestion: str = ""
    nothing_ours: bool = False


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
    """amount: in the unit of `dispatch.extensions.room`. signed_by, seal: the principal's name, the seal's number."""

    event: ClassVar = Event.ASK_EXTENSION
    amount: int
    reason: str
    citizen_informed_at: datetime | None = None
    signed_by: str = ""
    seal: str = ""
    new_due: date | None = None


@dataclass(frozen=True, slots=True)
class GrantExtension:
    event: ClassVar = Event.GRANT_EXTENSION
    amount: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RefuseExtension:
    event: ClassVar = Event.REFUSE_EXTENSION
    reason: str


class SceneKind(StrEnum):
    """What was taken at the place (LS-060)."""

    PHOTO = "photo"
    VIDEO = "video"


@dataclass(frozen=True, slots=True)
class Scene:
    """A photograph or film of the place. ref: where it is kept; sha256: of the file, hex."""

    kind: SceneKind
    ref: str
    taken_at: datetime | None = None
    place: str = ""
    sha256: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a unit's reply says. Which fields are required, the policy says; hours are local, 0 to 23.

    outcome: a code of the policy's `outcomes`. explanation: what the citizen was told why; statement: the same to the
    hotline. signed_by: the person who answers for the reply. opinion_document: the written opinion the citizen asked
    for. result_told_at, result_told_by: when and how the citizen learnt the result. unreachable_why: why nobody
    could speak with them. follow_up_by: when the rest will be done, for a reply that is not the last word.
    """

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
    scene: tuple[Scene, ...] = ()
    outcome: str = ""
    explanation: str = ""
    statement: str = ""
    verification: str = ""
    signed_by: str = ""
    opinion_document: str = ""
    result_told_at: datetime | None = None
    result_told_by: str = ""
    unreachable_why: str = ""
    follow_up_by: date | None = None


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
    """result: for a merged ticket, what its master's unit answered."""

    event: ClassVar = Event.BEGIN_SURVEY
    reason: str = ""
    result: str = ""


@dataclass(frozen=True, slots=True)
class SurveyDelivered:
    """The survey's message reached the citizen's telephone at `at`; from then on silence counts."""

    event: ClassVar = Event.SURVEY_DELIVERED
    at: datetime


@dataclass(frozen=True, slots=True)
class Rate:
    """delivered_at: when the survey's message was delivered; without it silence is no rating.

    service: how the citizen was treated, where the policy asks for both.
    """

    event: ClassVar = Event.RATE
    rating: str
    source: RatingSource
    comment: str = ""
    delivered_at: datetime | None = None
    service: str = ""


@dataclass(frozen=True, slots=True)
class NoteCause:
    """What the person who called the citizen back learnt. rating: what the citizen said then, if anything."""

    event: ClassVar = Event.NOTE_CAUSE
    code: str
    note: str
    rating: str = ""


@dataclass(frozen=True, slots=True)
class Close:
    """explanation: needed when the rating does not close the ticket by itself.

    lawful: the reviewer finds the reply lawful and proper although the citizen is not satisfied. unrated: the citizen
    was called and gave no rating.
    """

    event: ClassVar = Event.CLOSE
    explanation: str = ""
    cause: str = ""
    lawful: bool = False
    unrated: bool = False


class ReworkMode(StrEnum):
    """What the next round is for."""

    HANDLE = "handle"
    EXPLAIN = "explain"


@dataclass(frozen=True, slots=True)
class Rework:
    """not_done: the unit had to act and did not. reasonable: the request is. mode: handle it again, or explain again.

    untrue: the reply was not what happened; it is marked so and kept.
    """

    event: ClassVar = Event.REWORK
    reason: str
    mode: ReworkMode = ReworkMode.HANDLE
    not_done: bool = False
    reasonable: bool = False
    untrue: bool = False


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


class Detail(Protocol):
    """What somebody asks of a ticket: a frozen dataclass that names its event. The table says who may."""

    @property
    def event(self) -> Event:
        """The row of the table."""
        ...


AnyDetail = Detail


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
    if isinstance(value, frozenset):
        return sorted(str(item) for item in value)
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
