"""The rows of supervision and of warning cards, written with the step that made them true."""

from sqlalchemy import ColumnElement, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from ticketing import tables
from ticketing.facts import Fact
from ticketing.record import Context, Due, GuardFailed, Ticket
from ticketing.records import Record
from ticketing.supervision import supervision as acts
from ticketing.supervision.tables import supervision, unit_card
from ticketing.words import Event


def open_one(ticket: Ticket, trigger: str) -> ColumnElement[bool]:
    """The condition of the ticket's running supervision for that reason; there is at most one."""
    c = supervision.c
    return (c.ticket_id == ticket.id) & (c.trigger == trigger) & c.ended_at.is_(None)


def _answer_by(ticket: Ticket, trigger: str) -> Due | None:
    named = acts.rule_id(trigger)
    return next((due for due in ticket.dues if due.open and due.deadline.rule_id == named), None)


async def _supervised(
    tx: AsyncConnection, _: Ticket, after: Ticket, detail: acts.Supervise, context: Context
) -> tuple[Fact, ...]:
    rules = context.policy.supervise
    trigger = rules.trigger(detail.trigger) if rules else None
    assert rules is not None  # supervision_fits refused otherwise
    assert trigger is not None
    unit, due = detail.unit or after.lead_unit, _answer_by(after, detail.trigger)
    automatic = context.actor.kind == "system"
    row = insert(supervision).values(
        ticket_id=after.id,
        round=after.round,
        trigger=trigger.code,
        label=trigger.label,
        basis=str(trigger.basis),
        form=detail.form or rules.forms[0],
        automatic=automatic,
        opened_by=str(context.actor),
        opened_at=context.now,
        unit=unit,
        reason=detail.reason,
        delegated_to=detail.delegated_to,
        joint=list(detail.joint),
        answer_due_at=due.deadline.due_at if due else None,
    )
    made = (await tx.execute(row.returning(supervision.c.id))).scalar_one()
    if due is not None:
        # The limit is the asked unit's, which need not be the lead.
        deadlines = tables.ticket_deadline
        await tx.execute(update(deadlines).where(deadlines.c.id == due.id).values(unit=unit))
    return (acts.SupervisionOpened(after.id, after.round, context.now, made, trigger.code, unit, automatic),)


async def _answered(
    tx: AsyncConnection, _: Ticket, after: Ticket, detail: acts.AnswerSupervision, context: Context
) -> tuple[Fact, ...]:
    """Only the unit that was asked answers; a later answer adds to the first, whose time counts."""
    query = select(supervision).where(open_one(after, detail.trigger)).with_for_update()
    row = (await tx.execute(query)).one()
    if row.unit is not None and context.actor.unit != row.unit:
        raise GuardFailed("这项督办不是要求本单位反馈的。请由被督办的单位反馈。")
    told = "\n".join(part for part in (row.answer, detail.text) if part)
    first = {} if row.answered_at else {"answered_at": context.now, "answered_by": str(context.actor)}
    await tx.execute(update(supervision).where(supervision.c.id == row.id).values(answer=told, **first))
    return (acts.SupervisionAnswered(after.id, after.round, context.now, detail.trigger, row.unit),)


async def _ended(
    tx: AsyncConnection, _: Ticket, after: Ticket, detail: acts.EndSupervision, context: Context
) -> tuple[Fact, ...]:
    ended = {"ended_at": context.now, "ended_by": str(context.actor), "result": detail.result, "solved": detail.solved}
    await tx.execute(update(supervision).where(open_one(after, detail.trigger)).values(**ended))
    return ()


async def _warned(
    tx: AsyncConnection, _: Ticket, after: Ticket, detail: acts.Warn, context: Context
) -> tuple[Fact, ...]:
    rules = context.policy.cards
    unit = detail.unit or after.lead_unit
    assert rules is not None  # card_fits refused otherwise
    assert unit is not None
    rule = next(rule for rule in rules.levels if rule.level is detail.level)
    row = insert(unit_card).values(
        ticket_id=after.id,
        round=after.round,
        unit=unit,
        level=detail.level,
        reason=detail.reason,
        basis=str(rule.basis),
        automatic=context.actor.kind == "system",
        issued_by=str(context.actor),
        issued_at=context.now,
    )
    card_id = (await tx.execute(row.returning(unit_card.c.id))).scalar_one()
    return (acts.CardIssued(after.id, after.round, context.now, card_id, detail.level, unit, detail.reason),)


RECORD: dict[Event, Record] = {
    Event.SUPERVISE: _supervised,
    Event.ANSWER_SUPERVISION: _answered,
    Event.END_SUPERVISION: _ended,
    Event.WARN: _warned,
}
