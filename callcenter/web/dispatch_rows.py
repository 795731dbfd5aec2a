"""Rows of the dispatcher's lists: what waits for a dispatch, and what units asked, as people read them."""

from callcenter.web.dispatch_desk_shapes import (
    CodedChoice,
    DispatchPlanned,
    DispatchRequest,
    DisputeRuleShown,
    FlagChoice,
    GateChoice,
    LimitChoice,
    OutageRule,
    PlannedDay,
    PlannedLimit,
    PlannedSigners,
    StatutoryRule,
    TicketChoices,
)
from callcenter.web.dispatch_shapes import QueueRow
from callcenter.web.ticket_shapes import Veil
from callcenter.web.ticket_views import basis_of
from ticketing.approvals.approvals import REASONED, askable
from ticketing.approvals.rules import GateRule
from ticketing.approvals.signing import GATE_NAMES
from ticketing.clocks import Clock
from ticketing.dispatch.dispatching import Known
from ticketing.dispatch.planning import DEADLINE_NAMES, Plan, Planned
from ticketing.dispatch.requests import Request
from ticketing.dispatch.returns_store import Waiting
from ticketing.dispatch.rules import DispatchRules, DisputeRules
from ticketing.policy import CapKind, Policy
from ticketing.record import Ticket
from ticketing.rules import Basis, LimitRule
from ticketing.words import CLOCK_NAMES, FLAG_NAMES, STATE_NAMES


def queue_row(one: Waiting, veil: Veil, policy: Policy, same_event: int) -> QueueRow:
    """A line of the queue. same_event: how many tickets follow this one."""
    ticket = one.ticket
    return QueueRow(
        id=ticket.id,
        title=veil.text(ticket.title),
        request_type=ticket.request_type,
        subject=veil.text(ticket.subject),
        place=veil.text(ticket.place),
        source=ticket.source,
        state_name=STATE_NAMES[ticket.state],
        urgent=ticket.urgent,
        first=one.first,
        registered_at=ticket.registered_at,
        due_at=one.due_at,
        provisional=one.provisional,
        basis=basis_of(policy, one.rule),
        flags=[FLAG_NAMES[flag] for flag in sorted(ticket.flags)],
        request_no=ticket.request_no,
        same_event=same_event,
        returns=ticket.returns,
        round=ticket.round,
        dispute_open=ticket.dispute_open,
    )


def plan_of(planned: Plan, ticket: Ticket, known: Known, policy: Policy, veil: Veil) -> DispatchPlanned:
    """A dispatch as the dispatcher sees it before sending."""
    rules, signed = policy.dispatching or DispatchRules(), planned.first
    on_spot = policy.approval.on_spot if policy.approval else None
    phone = str(policy.urgent.basis) if ticket.urgent and policy.urgent.phone_notice else ""
    handle = policy.handle
    return DispatchPlanned(
        limits=[_limit(one) for one in planned.limits],
        choice=_choice(planned.choice),
        first_signed=PlannedSigners(chain=_chain(signed), basis=str(signed.basis), reading=signed.reading)
        if signed
        else None,
        instruction=_article(rules.instruction),
        duty_basis=_article(rules.duty_basis),
        phone_notice=phone,
        on_spot=_article(on_spot),
        lead_basis=str(policy.lead.basis),
        statutory=StatutoryRule(needs=sorted(handle.statutory_needs), basis=str(handle.statutory_basis)),
        returned_by=sorted(known.returned_by),
        ruled_lead=known.ruling.lead if known.ruling else None,
        leader_instruction=veil.text(ticket.leader_instruction),
    )


def _limit(one: Planned) -> PlannedLimit:
    rule, due = one.rule, one.deadline
    assert rule.period is not None  # limits without a length are not planned
    return PlannedLimit(
        kind=one.kind,
        name=DEADLINE_NAMES[one.kind],
        amount=rule.period.amount,
        clock=rule.period.clock,
        unit=CLOCK_NAMES.get(rule.period.clock, ""),
        basis=str(rule.basis),
        due_at=due.due_at if due else None,
        provisional=due.provisional if due else False,
        days=[PlannedDay(day=day.day, counted=day.counted, kind=day.kind) for day in one.days],
    )


def _choice(rule: LimitRule | None) -> LimitChoice | None:
    if rule is None or rule.least is None or rule.period is None:
        return None
    return LimitChoice(least=rule.least.amount, most=rule.period.amount, basis=str(rule.basis))


def _chain(rule: GateRule) -> list[list[str]]:
    return [[signer.name for signer in group] for group in rule.chain]


def _article(basis: Basis | None) -> str:
    return "" if basis is None else str(basis)


def asked_row(one: Request, veil: Veil, policy: Policy) -> DispatchRequest:
    """An open request of a unit."""
    ticket, said = one.ticket, one.said
    above = policy.dispatching.upstream_extension if policy.dispatching else None
    texts = {name: veil.text(said.get(name) or "") for name in ("legal_basis", "proper_unit", "suggestion")}
    return DispatchRequest(
        id=one.id,
        ticket=ticket.id,
        title=veil.text(ticket.title),
        urgent=ticket.urgent,
        state_name=STATE_NAMES[ticket.state],
        unit=one.unit,
        unit_name=one.unit_name,
        reason=veil.text(one.reason),
        asked_at=one.asked_at,
        due_at=one.due_at,
        provisional=one.provisional,
        decided_above="amount" in said and above is not None and ticket.source in above.sources,
        **texts,
        amount=said.get("amount"),
        unit_of_amount=_unit_of(one, policy) if "amount" in said else "",
        citizen_informed_at=said.get("citizen_informed_at"),
        **{name: said.get(name) or "" for name in ("signed_by", "seal", "decider")},
        units=list(said.get("units") or ()),
    )


def _unit_of(one: Request, policy: Policy) -> str:
    """In what an extension of this ticket is counted: calendar days, or the clock of its own limit."""
    rule = policy.extension.rule(one.ticket.case)
    calendar_days = rule is not None and rule.cap.kind is CapKind.CALENDAR
    clock = Clock.CALENDAR_DAY if calendar_days else one.clock
    return CLOCK_NAMES.get(clock, "") if clock else ""


# ---- what the forms offer -----------------------------------------------------------------------------------------


def choices_of(ticket: Ticket, policy: Policy) -> TicketChoices:
    """What may be chosen on this ticket, by its own policy."""
    rules = policy.dispatching.dispute if policy.dispatching else None
    grace, secrecy = policy.returns.grace, policy.secrecy
    classes = secrecy.classes if secrecy else ()
    classes_basis = str(secrecy.classes_basis) if secrecy else ""
    return TicketChoices(
        gates=[_gate(rule) for rule in askable(ticket, policy)],
        dispute=_dispute(rules) if rules else None,
        flags=[FlagChoice(flag=flag, name=name, set=flag in ticket.flags) for flag, name in FLAG_NAMES.items()],
        sensitivities=[CodedChoice(code=one.code, label=one.label, basis=classes_basis) for one in classes],
        sensitivity=ticket.sensitivity,
        outage=OutageRule(add=f"{grace.add.amount}{CLOCK_NAMES[grace.add.clock]}", basis=str(grace.basis))
        if grace
        else None,
    )


def _gate(rule: GateRule) -> GateChoice:
    return GateChoice.model_validate(
        {
            "gate": str(rule.gate),
            "name": GATE_NAMES[rule.gate],
            "chain": _chain(rule),
            "document": rule.document,
            "basis": str(rule.basis),
            "reading": rule.reading,
            "reason": rule.gate in REASONED,
        }
    )


def _dispute(rules: DisputeRules) -> DisputeRuleShown:
    return DisputeRuleShown(
        decider=rules.decider,
        bodies=list(rules.bodies),
        minutes=rules.minutes,
        basis=str(rules.basis),
        ruling_basis=str(rules.ruling_basis),
    )
