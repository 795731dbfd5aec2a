"""The rows beside a ticket's course: talks, promises, matters, merging, looks back, nuisance.

What only rows can tell (another ticket's state, a budget spent, a second person) is refused here; the step is undone.
"""

from datetime import datetime, timedelta

from sqlalchemy import func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import IdentityId, TicketId
from ticketing import records, store
from ticketing.aftercare import merging, tables
from ticketing.aftercare.abuse import AbuseStep, NoteAbuse
from ticketing.aftercare.commitments import KeepCommitment
from ticketing.aftercare.contacts import HOTLINE, NoteContact, Purpose, Reached
from ticketing.aftercare.matters import Link, Unlink
from ticketing.aftercare.rechecks import LookBack
from ticketing.commands import Start, as_data
from ticketing.facts import Fact
from ticketing.record import Context, GuardFailed, Ticket
from ticketing.records import Record
from ticketing.tables import ticket as ticket_table
from ticketing.tables import ticket_survey
from ticketing.words import Event, State

DAY = timedelta(days=1)


async def _contact_noted(
    tx: AsyncConnection, _: Ticket, after: Ticket, detail: NoteContact, context: Context
) -> tuple[Fact, ...]:
    if detail.purpose is Purpose.FOLLOW_UP:
        await keep_budget(tx, after, detail, context)
    await _add_contact(tx, after, detail, context)
    if detail.purpose is Purpose.FOLLOW_UP and after.followed_up_at is not None:
        await records.end_tasks(tx, after, context, ("unit_follow_up",), detail.told)
    return ()


async def _add_contact(tx: AsyncConnection, ticket: Ticket, detail: NoteContact, context: Context) -> None:
    by_hotline = bool(context.actor.roles & HOTLINE)
    row = insert(tables.ticket_contact).values(
        ticket_id=ticket.id,
        round=ticket.round,
        requester=ticket.requester,
        unit=None if by_hotline else context.actor.unit,
        actor=str(context.actor),
        purpose=detail.purpose,
        reached=detail.reached,
        at=detail.at,
        method=detail.method,
        told=detail.told,
        over_reason=detail.over_reason,
    )
    await tx.execute(row)


async def keep_budget(tx: AsyncConnection, ticket: Ticket, detail: NoteContact, context: Context) -> None:
    """Asked too often, about this ticket or within a day: only with a reason. Source: default (回访扰民).

    Raises GuardFailed with the article.
    """
    reach = context.policy.reach
    if reach is None or detail.over_reason.strip():
        return
    if await asked_about(tx, ticket.id, ticket.round) >= reach.per_ticket:
        raise GuardFailed.by(f"本工单本轮回访已达{reach.per_ticket}次。确需再次回访的，请写明理由。", reach.basis)
    if ticket.requester is not None and await asked_person(tx, ticket.requester, detail.at) >= reach.per_person:
        raise GuardFailed.by(
            f"该诉求人一日之内已被回访{reach.per_person}次。请改日联系；确需当日联系的，请写明理由。", reach.basis
        )


async def asked_about(tx: AsyncConnection, ticket_id: TicketId, round_: int) -> int:
    """How often the citizen was asked about this round's result: by call of unit or hotline, and by message."""
    table = tables.ticket_contact
    calls = select(func.count()).where(
        table.c.ticket_id == ticket_id,
        table.c.round == round_,
        table.c.purpose == Purpose.FOLLOW_UP,
        table.c.reached != Reached.NOT_REACHED,
    )
    sent = select(func.count()).where(
        ticket_survey.c.ticket_id == ticket_id,
        ticket_survey.c.round == round_,
        ticket_survey.c.delivered_at.is_not(None),
    )
    return int((await tx.execute(calls)).scalar_one()) + int((await tx.execute(sent)).scalar_one())


async def asked_person(tx: AsyncConnection, requester: IdentityId, now: datetime) -> int:
    """How often this citizen was asked about anything within the last day, calls and messages together."""
    table = tables.ticket_contact
    calls = select(func.count()).where(
        table.c.requester == requester,
        table.c.at > now - DAY,
        table.c.purpose == Purpose.FOLLOW_UP,
        table.c.reached != Reached.NOT_REACHED,
    )
    sent = select(func.count()).where(ticket_survey.c.requester == requester, ticket_survey.c.delivered_at > now - DAY)
    return int((await tx.execute(calls)).scalar_one()) + int((await tx.execute(sent)).scalar_one())


async def _started(tx: AsyncConnection, _: Ticket, after: Ticket, detail: Start, context: Context) -> tuple[Fact, ...]:
    if detail.contact is not None:
        first = NoteContact(detail.contact.at, detail.contact.method, detail.contact.told)
        await _add_contact(tx, after, first, context)
    return ()


async def _kept(
    tx: AsyncConnection, _: Ticket, after: Ticket, detail: KeepCommitment, context: Context
) -> tuple[Fact, ...]:
    table = tables.ticket_commitment
    kept = {"state": "kept", "ended_at": context.now, "result": detail.result, "told_at": detail.told_at}
    await tx.execute(update(table).where(table.c.ticket_id == after.id, table.c.state == "open").values(**kept))
    return ()


async def _linked(tx: AsyncConnection, _: Ticket, after: Ticket, detail: Link, context: Context) -> tuple[Fact, ...]:
    row = insert(tables.matter_member).values(
        matter_id=detail.matter,
        ticket_id=after.id,
        request_no=detail.request_no,
        requester=after.requester,
        rules=list(detail.rules),
        linked_at=context.now,
        linked_by=str(context.actor),
        why=detail.reason,
    )
    await tx.execute(row)
    return ()


async def _unlinked(
    tx: AsyncConnection, _: Ticket, after: Ticket, detail: Unlink, context: Context
) -> tuple[Fact, ...]:
    table = tables.matter_member
    ended = {"ended_at": context.now, "ended_by": str(context.actor), "why": detail.reason}
    await tx.execute(update(table).where(table.c.ticket_id == after.id, table.c.ended_at.is_(None)).values(**ended))
    return ()


async def _merged(
    tx: AsyncConnection, _: Ticket, after: Ticket, detail: merging.Merge, context: Context
) -> tuple[Fact, ...]:
    """The master must still have its result before it, and who leads others follows nobody."""
    merging.can_lead(await store.load(tx, detail.master, lock=True), after)
    following = select(func.count()).where(ticket_table.c.master == after.id, ticket_table.c.state == State.MERGED)
    if (await tx.execute(following)).scalar_one():
        raise GuardFailed("本工单下已有并入的工单，不能再并入其他工单。请先取消其并单。")
    return ()


async def _looked_back(
    tx: AsyncConnection, _: Ticket, after: Ticket, detail: LookBack, context: Context
) -> tuple[Fact, ...]:
    row = insert(tables.ticket_check).values(
        ticket_id=after.id,
        round=after.round,
        unit=after.lead_unit,
        kind=detail.kind,
        found=detail.found,
        note=detail.note,
        at=context.now,
        actor=str(context.actor),
    )
    await tx.execute(row)
    await records.end_tasks(tx, after, context, (detail.kind,), f"{detail.found}:{detail.note}")
    return ()


async def _abuse_noted(
    tx: AsyncConnection, _: Ticket, after: Ticket, detail: NoteAbuse, context: Context
) -> tuple[Fact, ...]:
    if detail.step is AbuseStep.NOTED:
        row = insert(tables.ticket_abuse).values(
            ticket_id=after.id,
            requester=after.requester,
            kind=detail.kind,
            state=AbuseStep.NOTED,
            note=detail.note,
            evidence=as_data(detail.evidence),
            noted_at=context.now,
            noted_by=str(context.actor),
        )
        await tx.execute(row)
        return ()
    await _next_abuse_step(tx, after, detail, context)
    return ()


async def _next_abuse_step(tx: AsyncConnection, ticket: Ticket, detail: NoteAbuse, context: Context) -> None:
    """Confirmed by another person than the one who noted it; handed over only then."""
    table, who = tables.ticket_abuse, str(context.actor)
    mine = (table.c.id == detail.record, table.c.ticket_id == ticket.id)
    row = (await tx.execute(select(table).where(*mine).with_for_update())).one_or_none()
    if row is None:
        raise GuardFailed("没有这条滋扰记录。请核对。")
    if detail.step is AbuseStep.CONFIRMED:
        if row.state != AbuseStep.NOTED:
            raise GuardFailed("这条滋扰记录已经复核。")
        if row.noted_by == who:
            raise GuardFailed("滋扰记录须由另一人复核，不能由记录人本人复核。")
        values = {"confirmed_at": context.now, "confirmed_by": who, "confirmed_note": detail.note}
    else:
        if row.state != AbuseStep.CONFIRMED:
            raise GuardFailed("移交前须先经另一人复核，且同一记录只移交一次。")
        values = {"handed_at": context.now, "handed_by": who, "handed_note": detail.note}
        values |= {"authority": detail.authority, "receipt": detail.receipt}
    await tx.execute(update(table).where(*mine).values(state=detail.step, **values))


async def lock_matter(tx: AsyncConnection, ticket_id: TicketId) -> None:
    """Until the transaction ends nobody else counts requests against this ticket."""
    await tx.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"matter:{ticket_id}"})


RECORD: dict[Event, Record] = {
    Event.NOTE_CONTACT: _contact_noted,
    Event.START: _started,
    Event.KEEP_COMMITMENT: _kept,
    Event.LINK: _linked,
    Event.UNLINK: _unlinked,
    Event.MERGE: _merged,
    Event.LOOK_BACK: _looked_back,
    Event.NOTE_ABUSE: _abuse_noted,
}
