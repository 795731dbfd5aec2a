"""A ticket as a value, its running deadlines, and the ways a command can be refused. PURE."""

from dataclasses import dataclass
from datetime import datetime

from callcenter.types import Actor, CallId, IdentityId, TicketId, UnitId
from ticketing.clocks import Calendar, Deadline, DeadlineKind
from ticketing.policy import Basis, Case, Policy
from ticketing.words import EVENT_NAMES, STATE_NAMES, Event, RatingSource, State


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
        super().__init__(f"工单处于「{STATE_NAMES[state]}」,不能「{EVENT_NAMES[event]}」;现在可以:{can}。")


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
        super().__init__("工单刚刚被他人修改,本次操作没有保存。请刷新后再操作。")


class TicketNotFound(Refused):
    """There is no such ticket, or it is not for this person to see; both look the same on purpose."""

    def __init__(self) -> None:
        super().__init__("没有这张工单。请核对工单编号。")


@dataclass(frozen=True, slots=True)
class Due:
    """A stored deadline. met_at: done; ended_at: cancelled, or superseded by a later one. id None: not stored yet."""

    deadline: Deadline
    round: int
    id: int | None = None
    met_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def open(self) -> bool:
        """Neither done nor ended."""
        return self.met_at is None and self.ended_at is None


@dataclass(frozen=True, slots=True)
class Ticket:
    """One request of one citizen. version counts its events; round counts how often it was worked on.

    The fields after `round` belong to the current round where a new round clears them (lead_unit to cause_code).
    Times are aware UTC. extension_asked: units of the handling clock asked for, 0 when none is open.
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
    typed: frozenset[str] = frozenset()
    """Fields a person filled in; a suggestion does not silently replace these."""

    lead_unit: UnitId | None = None
    assist_units: tuple[UnitId, ...] = ()
    return_open: bool = False
    returns: int = 0
    extension_asked: int = 0
    extensions: int = 0
    extended: int = 0
    result: str = ""
    rating: str | None = None
    rating_source: RatingSource | None = None
    cause_code: str = ""
    explained: bool = False

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
        return Case(self.request_type, self.source, self.urgent)

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
