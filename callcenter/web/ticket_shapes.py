"""What people see of tickets: the shapes of answers, and what is hidden from whom.

Numbers inside texts are masked for everybody who does not take or judge requests; people of handling units never
see who the citizen is, nor what the machine heard (leaks came from units that passed a screen on).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from callcenter.types import Actor, Role
from callcenter.web.approval_rows import ApprovalRow
from callcenter.web.router import Out
from ticketing import store
from ticketing.prefill.masks import mask_text
from ticketing.record import Ticket

SEES_NUMBERS = frozenset({Role.AGENT, Role.DISPATCHER, Role.REVIEWER, Role.SUPERVISOR})
NEEDS_CITIZEN = frozenset({Role.AGENT, Role.REVIEWER, Role.SUPERVISOR})
"""Who speaks with citizens; of a complaint nobody else sees the name, unless they reveal it for a purpose."""
NOT_TEXT = frozenset({"earlier_ticket", "policy", "at", "case_filed_on", "handled_on", "delivered_at"}) | {
    "citizen_contacted_at",
    "citizen_informed_at",
    "materials",
}
"""Keys of event data whose values are ids and times, which look like numbers and are none of a person's."""
CITIZENS_OWN = frozenset({"requester", "call_id", "call_ref", "materials"})


@dataclass(frozen=True, slots=True)
class Veil:
    """What is hidden from one viewer. unit: sees as a handling unit does. masked: long numbers in texts are starred.

    nameless: of this ticket not even the citizen's name (WX-013, GZ-065, MC-048).
    """

    unit: bool
    masked: bool
    nameless: bool = False

    def text(self, text: str) -> str:
        """The text as this viewer reads it."""
        return mask_text(text) if self.masked else text

    def data(self, value: Any, ticket: Ticket) -> Any:
        """Open data of an event as this viewer reads it."""
        if isinstance(value, dict):
            hidden = self._hidden(ticket)
            kept = {key: item for key, item in value.items() if key not in hidden}
            return {key: item if key in NOT_TEXT else self.data(item, ticket) for key, item in kept.items()}
        if isinstance(value, list):
            return [self.data(item, ticket) for item in value]
        return self.text(value) if isinstance(value, str) else value

    def _hidden(self, ticket: Ticket) -> frozenset[str]:
        if not self.unit:
            return CITIZENS_OWN | {"contact_name"} if self.nameless else frozenset()
        return CITIZENS_OWN | {"contact_name"} if ticket.confidential or self.nameless else CITIZENS_OWN


def veil_of(actor: Actor, *, nameless: bool = False) -> Veil:
    """What is hidden from this person. Raises NotYours for one who sees no tickets at all."""
    return Veil(store.unit_scope(actor) is not None, not actor.roles & SEES_NUMBERS, nameless)


class TicketRow(Out):
    """One line of a list. unit: its id; handle_due_at: the open handling limit."""

    id: str
    state: str
    state_name: str
    version: int
    round: int
    request_type: str
    subject: str
    title: str
    place: str
    urgent: bool
    unit: str | None
    unit_name: str
    rating: str | None
    created_at: datetime
    updated_at: datetime
    registered_at: datetime | None
    dispatched_at: datetime | None
    closed_at: datetime | None
    handle_due_at: datetime | None
    provisional: bool


class TicketPage(Out):
    """next: give it back as `after` for the next page."""

    rows: list[TicketRow]
    next: str | None


class Choice(Out):
    code: str
    name: str


class ListChoices(Out):
    """What a list of tickets can be filtered by. units: none for who sees only one unit's."""

    states: list[Choice]
    types: list[str]
    ratings: list[str]
    units: list[Choice]


class AllowedRow(Out):
    event: str
    name: str


class TicketNow(Out):
    """Where a ticket stands after a command; give `version` with the next one."""

    id: str
    state: str
    state_name: str
    version: int
    round: int
    allowed: list[AllowedRow]


class RevealPurpose(Out):
    code: str
    label: str


class DeadlineRow(Out):
    """rule: its place in the policy file; basis: its article; state: open, met, late or ended.

    provisional: the year's holidays are not announced yet, so it may still move.
    """

    kind: str
    rule: str
    basis: str
    amount: int
    clock: str
    from_at: datetime
    due_at: datetime
    met_at: datetime | None
    ended_at: datetime | None
    state: str
    provisional: bool
    policy: str
    round: int


class Said(Out):
    label: str
    text: str


class TicketEventRow(Out):
    """said: what `data` says, as people read it."""

    seq: int
    round: int
    event: str
    name: str
    state: str
    state_name: str
    actor: str
    at: datetime
    reason: str
    data: dict[str, Any]
    said: list[Said]


class SuggestionRow(Out):
    """quote: the words it rests on, from start_s to end_s of the call. display: masked where it is a number."""

    id: int
    field: str
    display: str
    quote: str
    start_s: float | None
    end_s: float | None
    confidence: float
    state: str


class AssignmentRow(Out):
    round: int
    unit: str
    role: str
    instruction: str
    basis: str
    dispatched_at: datetime
    signed_at: datetime | None
    replied_at: datetime | None
    ended_at: datetime | None


class MessageRow(Out):
    """A short message to the citizen, or their answer (purpose reply)."""

    purpose: str
    state: str
    body: str
    at: datetime
    sent_at: datetime | None
    final_at: datetime | None
    reason: str


class UrgeRow(Out):
    at: datetime
    actor: str
    reason: str


class Requester(Out):
    """identity: to be given to /api/identities/{id}/reveal."""

    identity: int
    masked: str


class TicketStory(TicketNow):
    """A ticket with all that belongs to it.

    deadlines: of this round; earlier_deadlines: of the rounds before. names: what the units, people and the subject in
    it are called, by `unit:id`, `user:login` and `subject:code`. master: the ticket it is merged into; matter: what it
    repeats, to be given to /api/matters. reveal: for what who asks may look at the citizen's number now.
    """

    policy: str
    policy_title: str
    created_at: datetime
    updated_at: datetime
    request_type: str
    source: str
    subject: str
    title: str
    content: str
    place: str
    occurred: str
    named_unit: str
    contact_name: str
    urgent: bool
    confidential: bool
    requester: Requester | None
    call: str | None
    typed: list[str]
    lead_unit: str | None
    assist_units: list[str]
    return_open: bool
    extension_asked: int
    result: str
    rating: str | None
    rating_source: str | None
    cause: str
    registered_at: datetime | None
    dispatched_at: datetime | None
    signed_at: datetime | None
    replied_at: datetime | None
    closed_at: datetime | None
    archived_at: datetime | None
    deadlines: list[DeadlineRow]
    events: list[TicketEventRow]
    suggestions: list[SuggestionRow]
    assignments: list[AssignmentRow]
    messages: list[MessageRow]
    urges: list[UrgeRow]
    approvals: list[ApprovalRow]
    request_no: int
    flags: list[str]
    leader_instruction: str
    sensitivity: str
    card: str
    supervising: list[str]
    master: str | None
    matter: int | None
    names: dict[str, str]
    earlier_deadlines: list[DeadlineRow]
    reveal: list[RevealPurpose]
