"""A ticket as a value, its running deadlines, and the ways a command can be refused. PURE."""

from dataclasses import dataclass
from datetime import datetime

from callcenter.types import Actor, CallId, IdentityId, TicketId, UnitId
from ticketing.approvals.signing import Approval
from ticketing.clocks import Calendar, Deadline, DeadlineKind
from ticketing.policy import Basis, Case, Policy
from ticketing.words import EVENT_NAMES, STATE_NAMES, Event, Flag, RatingSource, State


class Refused(Exception):
    """The command was not carried out and nothing changed; `sentence` tells the person why and what to do."""

    def __init__(self, sentence: str, article: str = "") -> None:
        self.sentence = sentence
        self.article = article
        super().__init__(f"{sentence}({article})" if article else sentence)


class NotNow(Refused):
    """The ticket's state does not allow this; the sentence lists what it does allow."""

    def __init__(self, state: State, event: Event, allowed: tuple[Event, ...]) -> None:
        self.state, self.event = state, event
        can = "、".join(EVENT_NAMES[other] for other in allowed) or "不能再做任何操作"
        super().__init__(f"工单处于「{STATE_NAMES[state]}」，不能「{EVENT_NAMES[event]}」；现在可以：{can}。")


class NotYours(Refused):
    """This person may not do this to this ticket; the sentence says who may."""


class GuardFailed(Refused):
    """A rule is not kept; the sentence says which and what to fill in, `article` where it stands."""

    @classmethod
    def by(cls, sentence: str, basis: Basis) -> "GuardFailed":
        """The refusal with the articles of the rule that asks for it."""
        return cls(sentence, str(basis))


class StaleTicket(Refused):
    """Somebody else changed the ticket meanwhile; read it again, then decide again."""

    def __init__(self, expected: int, actual: int) -> None:
        self.expected, self.actual = expected, actual
        super().__init__("工单刚刚被他人修改，本次操作没有保存。请刷新后再操作。")


class TicketNotFound(Refused):
    """There is no such ticket, or it is not for this person to see; both look the same on purpose."""

    def __init__(self) -> None:
        super().__init__("没有这张工单，或者您现在不能查看它。请核对工单编号。")


@dataclass(frozen=True, slots=True)
class Due:
    """A stored deadline. met_at: done; ended_at: cancelled, or superseded by a later one. id None: not stored yet."""

    deadline: Deadline
    round: int
    id: int | None = None
    met_at: datetime | None = None
    ended_at: datetime | None = None
    rung: str = ""
    """What a sweep does next for it, see ticketing.supervision.reminders; rung_at: when."""
    rung_at: datetime | None = None

    @property
    def open(self) -> bool:
        """Neither done nor ended."""
        return self.met_at is None and self.ended_at is None


@dataclass(frozen=True, slots=True)
class Ticket:
    """One request of one citizen. version counts its events; round counts how often it was worked on.

    The fields after `round` belong to the current round where a new round clears them (lead_unit to cause_code).
    Times are aware UTC. extensions counts requests, extensions_granted those granted, extended what they
    gave together, in the unit of `dispatch.extensions.room`; extension_asked: what is asked for, 0 when nothing.
    """

    id: TicketId
    policy_id: str
    policy_version: int
    created_at: datetime
    updated_at: datetime
    state: State = State.DRAFT
    version: int = 1
    round: int = 1

    request_type: str = ""
    source: str = ""
    subject: str = ""
    title: str = ""
    content: str = ""
    place: str = ""
    occurred: str = ""
    named_unit: str = ""
    contact_name: str = ""
    urgent: bool = False
    confidential: bool = False
    requester: IdentityId | None = None
    call_id: CallId | None = None
    requester_kind: str = ""
    grade: str = ""
    """Severity, of the policy's own grades, where it has any."""
    accused: str = ""
    """Whom the request complains of; such a person never works on it."""
    flags: frozenset[Flag] = frozenset()
    request_no: int = 1
    """How often this matter was brought, this request included (a person confirms the link)."""
    matter: int | None = None
    master: TicketId | None = None
    """The ticket this one was merged into, or is answered with."""
    typed: frozenset[str] = frozenset()
    """Fields a person filled in; a suggestion does not silently replace these."""

    authority: UnitId | None = None
    """In a dispatch of two hops, the department that passed the ticket on and stays answerable."""
    lead_unit: UnitId | None = None
    assist_units: tuple[UnitId, ...] = ()
    approval: str = ""
    """The gate whose signatures are being collected, see ticketing.approvals.signing.Gate; `` when none is."""
    signing: Approval | None = None
    """The same with its steps."""
    cleared: frozenset[str] = frozenset()
    """Rules of gates whose signatures are complete in this round."""
    leader_instruction: str = ""
    """What the leaders wrote when they signed; it goes out with the dispatch."""
    supplements: int = 0
    """How often the citizen was asked to add to the request."""
    dispute_open: bool = False
    ruled: bool = False
    """A joint meeting decided whose duty it is; nothing is returned after that."""
    rejections: int = 0
    """Replies rejected in a row in this round."""
    supervising: frozenset[str] = frozenset()
    """Reasons under which it is being supervised."""
    supervisions: int = 0
    card: str = ""
    """The gravest warning of this round: sms, yellow, red."""
    return_open: bool = False
    returns: int = 0
    extension_asked: int = 0
    extensions: int = 0
    extensions_granted: int = 0
    extended: int = 0
    result: str = ""
    rating: str | None = None
    rating_source: RatingSource | None = None
    cause_code: str = ""
    explained: bool = False

    contacted_at: datetime | None = None
    """When the citizen was last spoken with in this round."""
    contact_tries: int = 0
    """How often they could not be reached in this round."""
    followed_up_at: datetime | None = None
    """When the unit asked the citizen about its result, in this round."""
    outcome: str = ""
    """What the reply of this round says came of it: a code of the policy's `outcomes`."""
    service_rating: str = ""
    call_rating: str = ""
    """What the citizen said when called after a rating; it stands beside the rating and never replaces it."""
    closing: str = ""
    """Why it could be closed: a word of ticketing.aftercare.follow_rules.Closing."""
    exempt: bool = False
    """Left out of the satisfaction rate, or counted apart from it."""
    rework_mode: str = ""
    """What a later round is for: handle, or explain."""
    repeat_rule: str = ""
    """The policy's rule by which this request repeats an earlier one, as a person confirmed it."""
    responsible: str = ""
    """Who answers for it in person, where a rule says so (单位主要负责人)."""
    sensitivity: str = ""
    publication: str = ""

    registered_at: datetime | None = None
    dispatched_at: datetime | None = None
    signed_at: datetime | None = None
    replied_at: datetime | None = None
    closed_at: datetime | None = None
    archived_at: datetime | None = None
    dues: tuple[Due, ...] = ()
    """Deadlines of the current round."""

    @property
    def case(self) -> Case:
        """What a rule may ask about this ticket."""
        return Case(
            request_type=self.request_type,
            source=self.source,
            urgent=self.urgent,
            flags=self.flags,
            request_no=self.request_no,
            assignment_no=self.round,
            unit=self.lead_unit or "",
            grade=self.grade,
        )

    def due(self, kind: DeadlineKind) -> Due | None:
        """The open deadline of that kind."""
        return next((due for due in self.dues if due.deadline.kind is kind and due.open), None)


@dataclass(frozen=True, slots=True)
class Context:
    """Who acts, under which rules, and when (aware UTC)."""

    actor: Actor
    policy: Policy
    calendar: Calendar
    now: datetime
