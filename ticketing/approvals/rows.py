"""The rows of signatures and terminations, written in the step that caused them."""

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import TicketId
from ticketing import records, tables
from ticketing.aftercare import surveys
from ticketing.aftercare.commitment_rows import drop_commitment
from ticketing.aftercare.tables import matter_member
from ticketing.approvals import store as approvals_store
from ticketing.approvals.approvals import AskApproval, AskSignoff, DeclineApproval, SignApproval, gate_rule
from ticketing.approvals.rules import GateRule
from ticketing.approvals.signing import Approval, Gate, Step, StepState
from ticketing.approvals.tables import approval
from ticketing.approvals.termination import AskTermination, Terminate
from ticketing.clocks import Clock, Period
from ticketing.commands import RejectReply, as_data
from ticketing.facts import Fact
from ticketing.record import Context, GuardFailed, Ticket
from ticketing.records import Record
from ticketing.words import EVENT_NAMES, Event, State

LAPSED = Period(1, Clock.WORKING_DAY)
"""How long the hotline has to decide after the citizen's time is over."""


async def supplement_lapsed(tx: AsyncConnection, ticket: Ticket, context: Context) -> tuple[Fact, ...]:
    """The citizen added nothing in time: a person decides what becomes of the request."""
    why = "诉求人未在期限内补充，请电话联系或决定不予受理"
    return await records.add_task(tx, ticket, "supplement", records.by(LAPSED, context), context, why)


async def withdraw_left(tx: AsyncConnection, before: Ticket, after: Ticket, event: Event, context: Context) -> None:
    """Signatures a step made pointless (the ticket was answered, withdrawn, replied to) wait no more."""
    if before.state is State.AWAITING_SUPPLEMENT and after.state is not before.state:
        await records.end_tasks(tx, after, context, ("supplement",), EVENT_NAMES[event])
    if not before.approval or before.approval == after.approval or event is Event.DECLINE_APPROVAL:
        return
    left = await approvals_store.open_id(tx, after.id)
    if left is not None:
        await approvals_store.end(tx, left, "withdrawn", context.now)


async def _asked(
    tx: AsyncConnection, before: Ticket, after: Ticket, detail: AskApproval | AskSignoff, context: Context
) -> tuple[Fact, ...]:
    gate = Gate(after.approval)
    rule = gate_rule(before, gate, context.policy)
    assert rule is not None
    assert after.signing is not None
    if rule.one_per_matter:
        await _one_report(tx, after, rule)
    await approvals_store.add(tx, after.id, after.round, await _by_whom(tx, after), context.now, document=rule.document)
    return ()


async def _one_report(tx: AsyncConnection, ticket: Ticket, rule: GateRule) -> None:
    """One matter, one report: no second sheet of a matter lies with the leaders. Source: GZ-047."""
    if ticket.matter is None:
        return
    query = (
        select(approval.c.ticket_id)
        .join(tables.ticket, tables.ticket.c.id == approval.c.ticket_id)
        .where(tables.ticket.c.matter == ticket.matter, approval.c.ticket_id != ticket.id)
        .where(approval.c.state == "open", approval.c.rule == rule.rule_id)
        .limit(1)
    )
    other = (await tx.execute(query)).scalar_one_or_none()
    if other is not None:
        raise GuardFailed.by(f"一事一报：同一事项的工单{other}正在呈报领导，请待其批示后再报。", rule.basis)


async def _by_whom(tx: AsyncConnection, ticket: Ticket) -> Approval:
    """The set with the person who brought it about as the one who asked, also where the system asked for them."""
    assert ticket.signing is not None
    if not ticket.signing.asked_by.startswith("system:"):
        return ticket.signing
    event = tables.ticket_event
    people = (event.c.ticket_id == ticket.id, event.c.actor.like("user:%"))
    latest = select(event.c.actor).where(*people).order_by(event.c.seq.desc()).limit(1)
    person = (await tx.execute(latest)).scalar_one_or_none()
    values = {name: getattr(ticket.signing, name) for name in Approval.__slots__}
    return Approval(**values | {"asked_by": person or ticket.signing.asked_by})


async def _signed(
    tx: AsyncConnection, before: Ticket, after: Ticket, detail: SignApproval, context: Context
) -> tuple[Fact, ...]:
    assert after.signing is not None
    said = {
        "opinion": detail.opinion,
        "instruction": detail.instruction,
        "seal": detail.seal,
        "reference": detail.reference,
        "attachments": list(detail.attachments),
    }
    approval_id = await _open(tx, after)
    done = _done(before, after.signing)
    await approvals_store.mark(tx, approval_id, after.signing, done, signed_at=context.now, **said)
    if after.signing.complete:
        await approvals_store.end(tx, approval_id, "granted", context.now)
    return ()


def _done(before: Ticket, now_signed: Approval) -> Step:
    was = before.signing.steps if before.signing else ()
    return next(step for step in now_signed.steps if step not in was)


async def _open(tx: AsyncConnection, ticket: Ticket) -> int:
    approval_id = await approvals_store.open_id(tx, ticket.id)
    assert approval_id is not None
    return approval_id


async def _declined(
    tx: AsyncConnection, before: Ticket, after: Ticket, detail: DeclineApproval, context: Context
) -> tuple[Fact, ...]:
    assert before.signing is not None
    step = before.signing.step_for(context.actor, detail.signer)
    assert step is not None
    approval_id = await _open(tx, after)
    marked = before.signing.marked(step, StepState.DECLINED, str(context.actor))
    done = _done(before, marked)
    await approvals_store.mark(tx, approval_id, marked, done, signed_at=context.now, opinion=detail.reason)
    await approvals_store.end(tx, approval_id, "declined", context.now)
    if before.signing.gate is not Gate.BEFORE_FEEDBACK:
        return ()
    rejected = RejectReply("反馈签批不同意", detail.reason)
    return await records.RECORD[Event.REJECT_REPLY](tx, before, after, rejected, context)


async def _termination_asked(
    tx: AsyncConnection, before: Ticket, after: Ticket, detail: AskTermination, context: Context
) -> tuple[Fact, ...]:
    """The judged requests are all of this matter; the application keeps them with their reasons."""
    rules = context.policy.termination
    assert rules is not None
    assert after.signing is not None
    others = {one.ticket for one in detail.judgements} - {after.id}
    table = tables.ticket
    # The first request of a matter does not name it; it is one of its members.
    of_matter = (matter_member.c.matter_id == after.matter, matter_member.c.ended_at.is_(None))
    member = table.c.id.in_(select(matter_member.c.ticket_id).where(*of_matter))
    same = select(table.c.id).where(table.c.id.in_(others), member | (table.c.matter == after.matter))
    strangers = sorted(others - set((await tx.execute(same)).scalars()))
    if strangers:
        raise GuardFailed.by(
            f"工单{'、'.join(strangers)}不属于同一事项，不能作为终结依据。请先关联。", rules.rule.basis
        )
    await approvals_store.add(
        tx,
        after.id,
        after.round,
        after.signing,
        context.now,
        document=rules.rule.document,
        judgements=as_data(detail.judgements),
    )
    return ()


async def _terminated(
    tx: AsyncConnection, before: Ticket, after: Ticket, _: Terminate, context: Context
) -> tuple[Fact, ...]:
    await records.end_tasks(tx, after, context, (*records.SURVEY_TASKS, "unit_follow_up"), "已终结销号")
    await records.drop_requests(tx, before, context)
    await drop_commitment(tx, after.id, context)
    await records.end_assignments(tx, after.id, context.now)
    return await surveys.settle(tx, after, context.now) if before.state is State.SURVEYING else ()


async def terminated_of(tx: AsyncConnection, matter: int) -> TicketId | None:
    """The ticket with which this matter was terminated: a later request is answered by reference to it (MC-035)."""
    table = tables.ticket
    ended: tuple[ColumnElement[bool], ...] = (table.c.matter == matter, _was_terminated())
    found = (
        await tx.execute(select(table.c.id).where(*ended).order_by(table.c.id.desc()).limit(1))
    ).scalar_one_or_none()
    return TicketId(found) if found else None


def _was_terminated() -> ColumnElement[bool]:
    """Terminated, also when it was archived since."""
    gone = (approval.c.ticket_id == tables.ticket.c.id, approval.c.gate == Gate.TERMINATION)
    return select(approval.c.id).where(*gone, approval.c.state == "granted").exists()


RECORD: dict[Event, Record] = {
    Event.ASK_APPROVAL: _asked,
    Event.ASK_SIGNOFF: _asked,
    Event.SIGN_APPROVAL: _signed,
    Event.DECLINE_APPROVAL: _declined,
    Event.ASK_TERMINATION: _termination_asked,
    Event.TERMINATE: _terminated,
}
