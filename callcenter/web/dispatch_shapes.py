"""What the API takes and answers about dispatching: bodies of requests, rows of lists."""

from datetime import date, datetime
from typing import Annotated

from pydantic import Field

from callcenter.web.router import In, Out, Query
from callcenter.web.ticket_fields import Amount, Day, Moment, Name, Said, Short, Text
from callcenter.web.ticket_work import Versioned
from ticketing.clocks import Clock


class PhoneNotice(In):
    """The telephone call that told the unit of an urgent ticket."""

    at: Moment
    person: Short
    call_ref: Short = ""


class Statutory(In):
    """A limit of another law: amount of clock units, its law, who approved it."""

    amount: Amount
    clock: Clock
    legal_basis: Said
    approver: Annotated[str, Field(min_length=1, max_length=500)]


class Dispatched(Versioned):
    """lead, assists: ids of /api/units. chosen_limit_wd: the handling limit where the regulation leaves a choice.

    on_spot_by: the leader who answered the hotline and assigned it on the spot. reason: why a department's duty goes
    to a township, or a unit gets back what it returned.
    """

    lead: Name
    assists: Annotated[tuple[Name, ...], Field(max_length=20)] = ()
    instruction: Text = ""
    basis: Short = ""
    reason: Text = ""
    phone_notice: PhoneNotice | None = None
    statutory: Statutory | None = None
    on_spot_by: Short = ""
    chosen_limit_wd: Annotated[int, Field(ge=1, le=366)] | None = None


class AssistAdded(Versioned):
    unit: Name
    reason: Said


class OpinionGiven(Versioned):
    """refused: the unit will not take part; opinion then says why."""

    opinion: Said
    refused: bool = False


class SignedAssist(Versioned):
    person: Short = ""


class Progress(Versioned):
    progress: Said


class ForwardedDown(Versioned):
    """unit: one of this unit's own."""

    unit: Name
    instruction: Said


class HandedBack(Versioned):
    reason: Said
    basis: Text = ""


class ReturnAsked(Versioned):
    """nothing_ours: no part of the matter is this unit's duty."""

    reason: Said
    legal_basis: Text = ""
    proper_unit: Short = ""
    suggestion: Text = ""
    nothing_ours: bool = False


class ReturnRefused(Versioned):
    """code: one of the policy's cases in which nothing is returned."""

    code: Annotated[str, Field(max_length=64)] = ""
    reason: Text = ""


class OutageNoted(Versioned):
    """What kept the unit from returning in time, and what proves it."""

    from_at: Moment
    until_at: Moment
    cause: Said
    evidence: Said


class ExtensionAsked(Versioned):
    """amount: in the unit of `extension-room`. new_due: the day it will be done, where the regulation asks for it."""

    amount: Amount
    reason: Said
    citizen_informed_at: Moment | None = None
    signed_by: Short = ""
    seal: Short = ""
    new_due: Day | None = None


class ExtensionGranted(Versioned):
    amount: Amount
    reason: Text = ""


class DisputeOpened(Versioned):
    reason: Said
    units: Annotated[tuple[Name, ...], Field(max_length=20)] = ()


class DisputeRuled(Versioned):
    """minutes: number or file of the minutes; participants: who decided, by office."""

    lead: Name
    assists: Annotated[tuple[Name, ...], Field(max_length=20)] = ()
    reason: Said
    minutes: Short = ""
    participants: Annotated[tuple[Short, ...], Field(max_length=30)] = ()


class SuggestionRow(Out):
    """via: the department it is dispatched to first. basis: goes into the dispatch when nothing else is given."""

    unit: str
    name: str
    score: int
    reasons: list[str]
    basis: str
    via: str | None


class Suggestions(Out):
    routing_basis: str
    suggestions: list[SuggestionRow]


class PrecheckQuery(Query):
    """knowledge: the item that would answer the request; its time of upload is the database's."""

    knowledge: Annotated[int, Field(ge=1, lt=2**63)] | None = None


class FindingRow(Out):
    """applies null: a person has to judge."""

    code: str
    label: str
    check: str
    applies: bool | None
    why: str
    article: str


class Precheck(Out):
    """due_at: until when a return may be asked for; null: the window does not run."""

    window_due_at: datetime | None
    findings: list[FindingRow]


class ExtensionRoom(Out):
    """most: how much more, in `unit`; 0: nothing. opens_at null: at once. reading: how 到期前 is read here."""

    most: int
    unit: str
    opens_at: datetime | None
    closes_at: datetime
    reading: str
    approver: str
    needs: list[str]
    more_needs_over: str
    new_due_if_most: date | None
    article: str


class OrderRow(Out):
    unit: str
    sent_at: datetime
    due_at: datetime
    signed_at: datetime | None
    opinion_at: datetime | None
    opinion: str
    refused: bool


class Orders(Out):
    """awaited: units whose opinion is neither in nor overdue."""

    orders: list[OrderRow]
    awaited: list[str]


class DisputeRow(Out):
    reason: str
    units: list[str]
    decider: str
    opened_at: datetime
    opened_by: str
    lead: str | None
    assists: list[str]
    participants: list[str]
    minutes: str
    ruling: str
    ruled_at: datetime | None


class Disputes(Out):
    disputes: list[DisputeRow]


class QueueRow(Out):
    """first: goes before all others (urgent, or as the policy says). basis: the article of the dispatch limit.

    request_no: how often the matter was brought; same_event: tickets that follow this one; returns: how often units
    gave it back; dispute_open: nothing is dispatched before the ruling.
    """

    id: str
    title: str
    request_type: str
    subject: str
    place: str
    source: str
    state_name: str
    urgent: bool
    first: bool
    registered_at: datetime | None
    due_at: datetime | None
    provisional: bool
    basis: str
    flags: list[str]
    request_no: int
    same_event: int
    returns: int
    round: int
    dispute_open: bool


class WaitingQueue(Out):
    """total: how many wait; more than `rows` when the list is cut at its 500 most pressing."""

    rows: list[QueueRow]
    total: int


class ReturningUnit(Out):
    """inaction: returns refused for want of a basis or against the unit's duty."""

    unit: str
    granted: int
    refused: int
    inaction: int


class ReturnedTicket(Out):
    ticket: str
    returns: int
    units: list[str]


class RepeatedReturns(Out):
    least: int
    article: str
    units: list[ReturningUnit]
    tickets: list[ReturnedTicket]
    next: str | None


class ReturnsQuery(Query):
    after: Annotated[str, Field(pattern=r"^([0-9]{14})?$")] = ""
    limit: Annotated[int, Field(ge=1, le=200)] = 50
