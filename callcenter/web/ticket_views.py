"""Tickets put into the shapes people see: read from the tables, hidden where the viewer's veil says so."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import accounts, vault
from callcenter.sms.tables import sms_inbound, sms_message
from callcenter.tables import handling_unit
from callcenter.types import Actor, TicketId
from callcenter.web import reveals
from callcenter.web.approval_shapes import approval_row
from callcenter.web.context import Services
from callcenter.web.event_words import Told, said_of, units_in
from callcenter.web.ticket_shapes import (
    NEEDS_CITIZEN,
    AllowedRow,
    AssignmentRow,
    DeadlineRow,
    MessageRow,
    Requester,
    RevealPurpose,
    Said,
    SuggestionRow,
    TicketEventRow,
    TicketNow,
    TicketRow,
    TicketStory,
    UrgeRow,
    Veil,
    veil_of,
)
from ticketing import lists, store, tables
from ticketing.aftercare.confidentiality import masks_citizen
from ticketing.approvals import lists as approvals_lists
from ticketing.policy import Policy
from ticketing.prefill import suggestions
from ticketing.prefill.masks import mask_text
from ticketing.record import Due, Ticket
from ticketing.supervision import supervision
from ticketing.ticket import allowed
from ticketing.words import EVENT_NAMES, STATE_NAMES, Event


def row_of(one: lists.Summary, veil: Veil, names: Mapping[str, str]) -> TicketRow:
    """A line of a list as this viewer reads it. names: of units, by their ids."""
    return TicketRow(
        id=one.id,
        state=one.state,
        state_name=STATE_NAMES[one.state],
        version=one.version,
        round=one.round,
        request_type=one.request_type,
        subject=veil.text(one.subject),
        title=veil.text(one.title),
        place=veil.text(one.place),
        urgent=one.urgent,
        unit=one.lead_unit,
        unit_name=names.get(one.lead_unit or "", one.lead_unit or ""),
        rating=one.rating,
        created_at=one.created_at,
        updated_at=one.updated_at,
        registered_at=one.registered_at,
        dispatched_at=one.dispatched_at,
        closed_at=one.closed_at,
        handle_due_at=one.handle_due_at,
        provisional=one.provisional,
    )


async def unit_names(tx: AsyncConnection, units: Collection[str]) -> dict[str, str]:
    """What these units are called, by their ids; one that is not known is left out."""
    if not units:
        return {}
    query = select(handling_unit.c.id, handling_unit.c.name).where(handling_unit.c.id.in_(units))
    return {row.id: row.name for row in await tx.execute(query)}


def now_of(ticket: Ticket, actor: Actor) -> TicketNow:
    """Where the ticket stands, for this person."""
    return TicketNow(**_standing(ticket, actor))


def _standing(ticket: Ticket, actor: Actor) -> dict[str, Any]:
    return {
        "id": ticket.id,
        "state": ticket.state,
        "state_name": STATE_NAMES[ticket.state],
        "version": ticket.version,
        "round": ticket.round,
        "allowed": [AllowedRow(event=event, name=EVENT_NAMES[event]) for event in offered(ticket, actor)],
    }


def offered(ticket: Ticket, actor: Actor) -> tuple[Event, ...]:
    """What this person may do now; requests that are not open cannot be decided."""
    closed_doors = {
        *(() if ticket.return_open else (Event.GRANT_RETURN, Event.REFUSE_RETURN)),
        *(() if ticket.extension_asked else (Event.GRANT_EXTENSION, Event.REFUSE_EXTENSION)),
        *(() if _my_turn(ticket, actor) else (Event.SIGN_APPROVAL, Event.DECLINE_APPROVAL)),
        *((Event.OPEN_DISPUTE,) if ticket.dispute_open or ticket.ruled else ()),
        *(() if ticket.dispute_open else (Event.RULE_DISPUTE,)),
        Event.UNLINK if ticket.matter is None else Event.LINK,
    }
    return tuple(event for event in allowed(ticket, actor) if event not in closed_doors)


def _my_turn(ticket: Ticket, actor: Actor) -> bool:
    return ticket.signing is not None and ticket.signing.step_for(actor) is not None


async def story_of(tx: AsyncConnection, ticket: Ticket, actor: Actor, known: Services, now: datetime) -> TicketStory:
    """The ticket with all this person may see of it."""
    policy = known.rules.of(ticket.policy_id, ticket.policy_version)
    veil = veil_of(actor, nameless=masks_citizen(ticket, policy) and not actor.roles & NEEDS_CITIZEN)
    own = () if veil.unit else await suggestions.of_ticket(tx, ticket.id)
    history = await lists.history(tx, ticket.id, actor)
    assignments = await _assignments(tx, ticket.id, veil)
    approvals = [approval_row(one, veil, ticket) for one in await approvals_lists.of_ticket(tx, ticket.id)]
    people = {entry.actor for entry in history} | {step.signed_by or "" for one in approvals for step in one.steps}
    units = _units_of(ticket) | {one.unit for one in assignments}
    units |= {unit for entry in history for unit in units_in(entry.data)}
    names = await _names(tx, units, people)
    names |= {f"subject:{one.code}": f"{one.parent}/{one.name}" for one in known.subjects if one.code == ticket.subject}
    return TicketStory(
        **_standing(ticket, actor),
        **_texts(ticket, veil),
        **_times(ticket),
        policy=policy.name,
        policy_title=policy.title,
        request_type=ticket.request_type,
        source=ticket.source,
        urgent=ticket.urgent,
        confidential=ticket.confidential,
        requester=None if veil.unit or veil.nameless else await _requester(tx, ticket),
        call=None if veil.unit else ticket.call_id,
        typed=sorted(ticket.typed),
        lead_unit=ticket.lead_unit,
        assist_units=list(ticket.assist_units),
        return_open=ticket.return_open,
        extension_asked=ticket.extension_asked,
        rating=ticket.rating,
        rating_source=ticket.rating_source,
        cause=ticket.cause_code,
        deadlines=[deadline_row(due, policy, now) for due in ticket.dues],
        events=[_event(entry, veil, ticket, Told(entry.event, policy, names)) for entry in history],
        suggestions=[suggestion_of(one) for one in own],
        assignments=assignments,
        messages=[] if veil.unit else await _messages(tx, ticket),
        urges=await _urges(tx, ticket.id, veil),
        approvals=approvals,
        request_no=ticket.request_no,
        flags=sorted(ticket.flags),
        leader_instruction=veil.text(ticket.leader_instruction),
        sensitivity=_class_of(ticket, policy),
        card=ticket.card,
        supervising=sorted(ticket.supervising),
        master=ticket.master,
        matter=None if veil.unit else ticket.matter,
        names=names,
        earlier_deadlines=[deadline_row(due, policy, now) for due in await store.earlier_dues(tx, ticket)],
        reveal=[
            RevealPurpose(code=code, label=label)
            for code, label in reveals.open_purposes(ticket, policy, actor).items()
        ],
    )


def _units_of(ticket: Ticket) -> set[str]:
    return {unit for unit in (ticket.lead_unit, ticket.authority, *ticket.assist_units) if unit}


def _class_of(ticket: Ticket, policy: Policy) -> str:
    """What its class of secrets is called, `` for none."""
    known = {one.code: one.label for one in policy.secrecy.classes} if policy.secrecy else {}
    return known.get(ticket.sensitivity, ticket.sensitivity)


async def _names(tx: AsyncConnection, units: set[str], actors: set[str]) -> dict[str, str]:
    """What these units and people are called, by `unit:id` and `user:login`."""
    people = await accounts.names_of(tx, actors)
    return people | {f"unit:{unit}": name for unit, name in (await unit_names(tx, units)).items()}


def _texts(ticket: Ticket, veil: Veil) -> dict[str, str]:
    names = ("subject", "title", "content", "place", "occurred", "named_unit", "contact_name", "result")
    shown = {name: veil.text(getattr(ticket, name)) for name in names}
    hidden = veil.nameless or (veil.unit and ticket.confidential)
    return shown | {"contact_name": ""} if hidden else shown


def _times(ticket: Ticket) -> dict[str, datetime | None]:
    steps = ("created", "updated", "registered", "dispatched", "signed", "replied", "closed", "archived")
    return {f"{step}_at": getattr(ticket, f"{step}_at") for step in steps}


async def _requester(tx: AsyncConnection, ticket: Ticket) -> Requester | None:
    if ticket.requester is None:
        return None
    return Requester(identity=ticket.requester, masked=await vault.masked_of(tx, ticket.requester))


def deadline_row(due: Due, policy: Policy, now: datetime) -> DeadlineRow:
    """A limit as people read it at this moment, with its article."""
    stored = due.deadline
    ended = due.met_at or due.ended_at or now
    state = "met" if due.met_at else "ended" if due.ended_at else "open"
    return DeadlineRow(
        kind=stored.kind,
        rule=stored.rule_id,
        basis=basis_of(policy, stored.rule_id),
        amount=stored.amount,
        clock=stored.clock,
        from_at=stored.from_at,
        due_at=stored.due_at,
        met_at=due.met_at,
        ended_at=due.ended_at,
        state="late" if state != "ended" and ended > stored.due_at else state,
        provisional=stored.provisional,
        policy=stored.policy_version,
        round=due.round,
    )


def basis_of(policy: Policy, rule_id: str) -> str:
    """The article a limit rests on, or `` for a rule this policy does not have."""
    limits = (*policy.dispatch, *policy.sign, *policy.contact, *policy.handle.limits, *policy.returns.windows)
    others = {"survey.window": policy.survey.basis, "handle.statutory_override": policy.handle.statutory_basis}
    others |= {"supplement.limit": policy.supplement.basis} if policy.supplement else {}
    supervised = policy.supervise.triggers if policy.supervise else ()
    others |= {supervision.rule_id(trigger.code): trigger.basis for trigger in supervised}
    known = {rule.rule_id: rule.basis for rule in limits} | others
    return str(known.get(rule_id, ""))


def _event(entry: lists.Entry, veil: Veil, ticket: Ticket, told: Told) -> TicketEventRow:
    data = veil.data(entry.data, ticket)
    return TicketEventRow(
        seq=entry.seq,
        round=entry.round,
        event=entry.event,
        name=entry.event_name,
        state=entry.to_state,
        state_name=entry.state_name,
        actor=entry.actor,
        at=entry.at,
        reason=veil.text(entry.reason),
        data=data,
        said=[Said(label=label, text=text) for label, text in said_of(data, told)],
    )


def suggestion_of(kept: suggestions.Kept) -> SuggestionRow:
    """A suggestion beside its field; the words it rests on are starred where they hold numbers."""
    return SuggestionRow(
        id=kept.id,
        field=kept.field,
        display=kept.display,
        quote=mask_text(kept.quote),
        start_s=kept.start_s,
        end_s=kept.end_s,
        confidence=kept.confidence,
        state=kept.state,
    )


async def _assignments(tx: AsyncConnection, ticket_id: TicketId, veil: Veil) -> list[AssignmentRow]:
    table = tables.ticket_assignment
    names = tuple(AssignmentRow.model_fields)
    query = select(*(table.c[name] for name in names)).where(table.c.ticket_id == ticket_id).order_by(table.c.id)
    rows = (await tx.execute(query)).mappings()
    return [AssignmentRow(**{**row, "instruction": veil.text(row["instruction"])}) for row in rows]


async def _messages(tx: AsyncConnection, ticket: Ticket) -> list[MessageRow]:
    """Messages sent about the ticket and answers to its surveys, in order; numbers in them are starred for all."""
    sent = (await tx.execute(select(sms_message).where(sms_message.c.ticket_id == ticket.id))).all()
    survey = tables.ticket_survey
    mine = select(survey.c.id).where(survey.c.ticket_id == ticket.id)
    answers = select(sms_inbound).where(
        sms_inbound.c.identity_id == ticket.requester, sms_inbound.c.survey_id.in_(mine)
    )
    rows = [
        *(_sent(row, ticket.id) for row in sent),
        *(_answered(row, ticket.id) for row in (await tx.execute(answers)).all()),
    ]
    return sorted(rows, key=lambda row: row.at)


def _sent(row: Any, ticket_id: TicketId) -> MessageRow:
    return MessageRow(
        purpose=row.purpose,
        state=row.state,
        body=_starred(row.body, ticket_id),
        at=row.created_at,
        sent_at=row.submitted_at,
        final_at=row.final_at,
        reason=row.reason or "",
    )


def _answered(row: Any, ticket_id: TicketId) -> MessageRow:
    return MessageRow(
        purpose="reply",
        state=row.state,
        body=_starred(row.body, ticket_id),
        at=row.received_at,
        sent_at=None,
        final_at=None,
        reason="",
    )


def _starred(body: str, ticket_id: TicketId) -> str:
    """Long numbers starred, all but the ticket's own."""
    return ticket_id.join(mask_text(part) for part in body.split(ticket_id))


async def _urges(tx: AsyncConnection, ticket_id: TicketId, veil: Veil) -> list[UrgeRow]:
    table = tables.ticket_event
    query = select(table.c.at, table.c.actor, table.c.reason).where(
        table.c.ticket_id == ticket_id, table.c.kind == Event.URGE
    )
    rows = (await tx.execute(query.order_by(table.c.seq))).all()
    return [UrgeRow(at=row.at, actor=row.actor, reason=veil.text(row.reason)) for row in rows]
