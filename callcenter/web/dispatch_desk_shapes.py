"""What the dispatcher's desk asks and is answered: a dispatch before it is sent, open requests, what may be chosen."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field

from callcenter.web.router import Out, Query


class PlanQuery(Query):
    """The dispatch as it stands on the screen; nothing is checked but the limits."""

    lead: Annotated[str, Field(max_length=64)] = ""
    chosen_limit_wd: Annotated[int, Field(ge=1, le=366)] | None = None
    statutory_amount: Annotated[int, Field(ge=1, le=3_660)] | None = None
    statutory_clock: Literal["wd", "h", "min", "d"] = "wd"


class PlannedDay(Out):
    """counted: one of the working days. kind: workday, rest, holiday, makeup_workday (调休上班)."""

    day: date
    counted: bool
    kind: str


class PlannedLimit(Out):
    """due_at null: it begins when the unit signs. days: those of a limit in working days, up to two months."""

    kind: str
    name: str
    amount: int
    clock: str
    unit: str
    basis: str
    due_at: datetime | None
    provisional: bool
    days: list[PlannedDay]


class LimitChoice(Out):
    """The handling limits the regulation leaves open, in working days; the longest holds if none is chosen."""

    least: int
    most: int
    basis: str


class StatutoryRule(Out):
    """What a limit of another law needs besides its length."""

    needs: list[str]
    basis: str


class PlannedSigners(Out):
    """Who signs before it may be dispatched. chain: one after the other, an inner list side by side."""

    chain: list[list[str]]
    basis: str
    reading: str


class DispatchPlanned(Out):
    """A text that is not empty is the article that asks for it: an instruction, the duty list, a telephone call first.

    on_spot: leaders who answer the hotline assign on the spot. returned_by: units that gave it back; sending it there
    again needs a reason. ruled_lead: the unit a ruling named.
    """

    limits: list[PlannedLimit]
    choice: LimitChoice | None
    first_signed: PlannedSigners | None
    instruction: str
    duty_basis: str
    phone_notice: str
    on_spot: str
    lead_basis: str
    statutory: StatutoryRule
    returned_by: list[str]
    ruled_lead: str | None
    leader_instruction: str


class RequestQuery(Query):
    """kind: what is asked. after: `next` of the page before."""

    kind: Literal["return", "extension", "dispute"]
    text: Annotated[str, Field(max_length=64)] = ""
    after: Annotated[int, Field(ge=0, lt=2**63)] = 0
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class DispatchRequest(Out):
    """One open request. decided_above: the platform that took the ticket in decides (WX-016).

    amount, unit_of_amount: of an extension. units: between which the duty is disputed. due_at: of the handling.
    """

    id: int
    ticket: str
    title: str
    urgent: bool
    state_name: str
    unit: str | None
    unit_name: str
    reason: str
    asked_at: datetime
    due_at: datetime | None
    provisional: bool
    decided_above: bool
    legal_basis: str
    proper_unit: str
    suggestion: str
    amount: int | None
    unit_of_amount: str
    citizen_informed_at: datetime | None
    signed_by: str
    seal: str
    decider: str
    units: list[str]


class DispatchRequestPage(Out):
    """next: give it back as `after`."""

    rows: list[DispatchRequest]
    next: int | None


class DispatchCounts(Out):
    """How many wait: for a dispatch, and for a decision of each kind."""

    waiting: int
    returns: int
    extensions: int
    disputes: int


class CodedChoice(Out):
    code: str
    label: str
    basis: str


class GateChoice(Out):
    """A set of signatures that can be asked for now. reason: it must be given."""

    gate: Literal["before_dispatch", "before_feedback", "report", "scope"]
    name: str
    chain: list[list[str]]
    document: str
    basis: str
    reading: str
    reason: bool


class DisputeRuleShown(Out):
    """minutes: the ruling needs its minutes."""

    decider: str
    bodies: list[str]
    minutes: bool
    basis: str
    ruling_basis: str


class FlagChoice(Out):
    flag: str
    name: str
    set: bool


class OutageRule(Out):
    """By how much the return window grows, once."""

    add: str
    basis: str


class TicketChoices(Out):
    """What the forms offer on this ticket, by its own policy. sensitivity: the class it has now, or ``."""

    gates: list[GateChoice]
    dispute: DisputeRuleShown | None
    flags: list[FlagChoice]
    sensitivities: list[CodedChoice]
    sensitivity: str
    outage: OutageRule | None
