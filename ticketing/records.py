"""The rows beside the main state: assignments, returns, extensions, replies, surveys, tasks, the archive package.

One function an event, called after the ticket itself was saved, in the same transaction. Some make facts.
"""

from collections.abc import Awaitable, Callable
from datetime import date, datetime
from typing import Any

from sqlalchemy import Table, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import TicketId, UnitId
from ticketing import facts, tables
from ticketing.aftercare import surveys
from ticketing.aftercare.archive_numbers import archive_number, week_of
from ticketing.aftercare.commitment_rows import drop_commitment, made
from ticketing.aftercare.tables import archive_week
from ticketing.clocks import Period, due_at, local_day
from ticketing.commands import (
    AddAssist,
    Answer,
    AnyDetail,
    Archive,
    AskExtension,
    AskReturn,
    Dispatch,
    GrantExtension,
    GrantReturn,
    NoteCause,
    Rate,
    RefuseExtension,
    RefuseReturn,
    Reject,
    RejectReply,
    Reply,
    Rework,
    as_data,
)
from ticketing.dispatch import assists_rows, catalogue_store
from ticketing.dispatch import rows as dispatch_rows
from ticketing.dispatch.assists import awaited
from ticketing.facts import Fact
from ticketing.record import Context, GuardFailed, Ticket
from ticketing.store import sha256
from ticketing.words import Event, RatingSource

Record = Callable[[AsyncConnection, Ticket, Ticket, Any, Context], Awaitable[tuple[Fact, ...]]]
"""(tx, ticket before, ticket after, command, context) -> the facts only rows can tell (a task's id)."""
SURVEY_TASKS = ("manual_call", "read_reply", "review")
HAS_RESULT = frozenset({"closed", "archived", "answered", "rejected", "referred", "terminated"})
"""States of a ticket that ended with something a citizen can be told."""


async def add_task(
    tx: AsyncConnection,
    ticket: Ticket,
    kind: str,
    due: datetime,
    context: Context,
    why: str,
    unit: UnitId | None = None,
) -> tuple[Fact, ...]:
    """A task for a person; at most one of a kind is open in a round, so a second asking makes no fact."""
    table = tables.manual_task
    row = upsert(table).values(
        ticket_id=ticket.id, round=ticket.round, kind=kind, unit=unit, why=why, created_at=context.now, due_at=due
    )
    made = await tx.execute(row.on_conflict_do_nothing().returning(table.c.id))
    task_id = made.scalar_one_or_none()
    if task_id is None:
        return ()
    return (facts.ManualTaskCreated(ticket.id, ticket.round, context.now, task_id, kind, due),)


def by(period: Period, context: Context) -> datetime:
    """When `period` from now has passed, by the policy's clocks."""
    return due_at(context.now, period, context.calendar, context.policy.workdays)


async def end_tasks(
    tx: AsyncConnection, ticket: Ticket, context: Context, kinds: tuple[str, ...], outcome: str
) -> None:
    """Open tasks of these kinds in this round are done."""
    table = tables.manual_task
    open_ones = (
        table.c.ticket_id == ticket.id,
        table.c.round == ticket.round,
        table.c.kind.in_(kinds),
        table.c.state == "open",
    )
    done = {"state": "done", "done_at": context.now, "done_by": str(context.actor), "outcome": outcome}
    await tx.execute(update(table).where(*open_ones).values(**done))


async def _dispatched(
    tx: AsyncConnection, before: Ticket, after: Ticket, detail: Dispatch, context: Context
) -> tuple[Fact, ...]:
    detail, told = await dispatch_rows.checked(tx, before, after, detail, context)
    common = {
        "ticket_id": after.id,
        "round": after.round,
        # What the leaders wrote when they signed goes out with the dispatch.
        "instruction": "\n".join(one for one in (after.leader_instruction, detail.instruction) if one),
        "on_spot_by": detail.on_spot_by,
        "basis": detail.basis,
        "phone_notice": as_data(detail.phone_notice),
        "statutory": as_data(detail.statutory),
        "dispatched_at": context.now,
    }
    units = [(detail.lead, "lead"), *((unit, "assist") for unit in detail.assists)]
    rows = [common | {"unit": unit, "role": role} for unit, role in units]
    await tx.execute(insert(tables.ticket_assignment), rows)
    await assists_rows.send(tx, after, detail.assists, detail.instruction, context)
    return told


async def _assist_added(
    tx: AsyncConnection, _: Ticket, after: Ticket, detail: AddAssist, context: Context
) -> tuple[Fact, ...]:
    await dispatch_rows.check_assist(tx, after, detail.unit, context)
    row = {"unit": detail.unit, "role": "assist", "instruction": detail.reason, "dispatched_at": context.now}
    await tx.execute(insert(tables.ticket_assignment).values(ticket_id=after.id, round=after.round, **row))
    await assists_rows.send(tx, after, (detail.unit,), detail.reason, context)
    return ()


async def _signed(tx: AsyncConnection, _: Ticket, after: Ticket, __: Any, context: Context) -> tuple[Fact, ...]:
    await _stamp_lead(tx, after, signed_at=context.now)
    if after.lead_unit is not None and after.authority is None:
        await catalogue_store.learn(tx, after.subject, after.lead_unit, accepted=1)
    return ()


async def _stamp_lead(tx: AsyncConnection, ticket: Ticket, **values: datetime) -> None:
    table = tables.ticket_assignment
    lead = (table.c.ticket_id == ticket.id, table.c.role == "lead", table.c.ended_at.is_(None))
    await tx.execute(update(table).where(*lead).values(**values))


async def end_assignments(tx: AsyncConnection, ticket_id: TicketId, at: datetime) -> None:
    table = tables.ticket_assignment
    running = (table.c.ticket_id == ticket_id, table.c.ended_at.is_(None))
    await tx.execute(update(table).where(*running).values(ended_at=at))
    await assists_rows.end(tx, ticket_id, at)


async def _return_asked(
    tx: AsyncConnection, _: Ticket, after: Ticket, detail: AskReturn, context: Context
) -> tuple[Fact, ...]:
    row = {
        "reason": detail.reason,
        "legal_basis": detail.legal_basis,
        "proper_unit": detail.proper_unit,
        "suggestion": detail.suggestion,
    }
    asked = insert(tables.ticket_return).values(
        ticket_id=after.id, round=after.round, unit=after.lead_unit, state="requested", asked_at=context.now, **row
    )
    await tx.execute(asked)
    return ()


async def _return_granted(
    tx: AsyncConnection, before: Ticket, _: Ticket, detail: GrantReturn, context: Context
) -> tuple[Fact, ...]:
    await _decide(tx, tables.ticket_return, before, context, state="granted", decision_reason=detail.reason)
    await _decide(tx, tables.ticket_extension, before, context, state="moot")
    await end_assignments(tx, before.id, context.now)
    if before.lead_unit is not None:
        signed = -1 if before.signed_at is not None else 0
        await catalogue_store.learn(tx, before.subject, before.lead_unit, returned=1, accepted=signed)
    return ()


async def _return_refused(
    tx: AsyncConnection, before: Ticket, _: Ticket, detail: RefuseReturn, context: Context
) -> tuple[Fact, ...]:
    why = {"refusal_code": detail.code, "decision_reason": detail.reason}
    await _decide(tx, tables.ticket_return, before, context, state="refused", **why)
    if before.lead_unit is not None:
        await catalogue_store.learn(tx, before.subject, before.lead_unit, refused_returns=1)
    return ()


async def _decide(tx: AsyncConnection, table: Table, ticket: Ticket, context: Context, **values: Any) -> None:
    """The open request of this ticket gets its decision."""
    requested = (table.c.ticket_id == ticket.id, table.c.state == "requested")
    decided = {"decided_at": context.now, "decided_by": str(context.actor)}
    await tx.execute(update(table).where(*requested).values(**decided, **values))


async def drop_requests(tx: AsyncConnection, ticket: Ticket, context: Context) -> None:
    """A ticket that ended leaves no return and no extension to decide."""
    for table in (tables.ticket_return, tables.ticket_extension):
        await _decide(tx, table, ticket, context, state="moot")


async def _extension_asked(
    tx: AsyncConnection, _: Ticket, after: Ticket, detail: AskExtension, context: Context
) -> tuple[Fact, ...]:
    row = {
        "amount": detail.amount,
        "reason": detail.reason,
        "citizen_informed_at": detail.citizen_informed_at,
        "signed_by": detail.signed_by,
        "seal": detail.seal,
    }
    asked = insert(tables.ticket_extension).values(
        ticket_id=after.id, round=after.round, unit=after.lead_unit, state="requested", asked_at=context.now, **row
    )
    await tx.execute(asked)
    return ()


async def _extension_granted(
    tx: AsyncConnection, before: Ticket, _: Ticket, detail: GrantExtension, context: Context
) -> tuple[Fact, ...]:
    given = {"granted": detail.amount, "decision_reason": detail.reason}
    await _decide(tx, tables.ticket_extension, before, context, state="granted", **given)
    return ()


async def _extension_refused(
    tx: AsyncConnection, before: Ticket, _: Ticket, detail: RefuseExtension, context: Context
) -> tuple[Fact, ...]:
    await _decide(tx, tables.ticket_extension, before, context, state="refused", decision_reason=detail.reason)
    return ()


async def _replied(
    tx: AsyncConnection, before: Ticket, after: Ticket, detail: Reply, context: Context
) -> tuple[Fact, ...]:
    reply = insert(tables.ticket_reply).values(
        ticket_id=after.id,
        round=after.round,
        seq=after.version,
        unit=after.lead_unit,
        contents=as_data(detail.contents),
        replied_at=context.now,
    )
    await tx.execute(reply)
    await _stamp_lead(tx, after, replied_at=context.now)
    if before.extension_asked:
        await _decide(tx, tables.ticket_extension, before, context, state="moot")
    await made(tx, after, detail.contents.stage_result, detail.contents.follow_up_plan, context)
    follow = context.policy.follow
    if follow is None or follow.unit_asks is None or after.confidential:
        return ()
    why, due = "请回访诉求人对办理结果的意见，并记录回访情况", by(follow.unit_asks, context)
    return await add_task(tx, after, "unit_follow_up", due, context, why, unit=after.lead_unit)


async def _reply_rejected(
    tx: AsyncConnection, _: Ticket, after: Ticket, detail: RejectReply, context: Context
) -> tuple[Fact, ...]:
    table = tables.ticket_reply
    latest = select(table.c.id).where(table.c.ticket_id == after.id).order_by(table.c.seq.desc()).limit(1)
    rejected = {"rejected_at": context.now, "defect": f"{detail.defect}:{detail.reason}"}
    await tx.execute(update(table).where(table.c.id == latest.scalar_subquery()).values(**rejected))
    await drop_commitment(tx, after.id, context)
    await end_tasks(tx, after, context, ("unit_follow_up",), "回复已退回")
    return ()


async def _refused(
    tx: AsyncConnection, before: Ticket, after: Ticket, detail: Reject, context: Context
) -> tuple[Fact, ...]:
    """不予受理, at the desk or as the conclusion of a review."""
    if before.lead_unit is not None:
        await end_tasks(tx, after, context, ("unit_follow_up",), "不予受理")
        await drop_commitment(tx, after.id, context)
        await end_assignments(tx, after.id, context.now)
    return ()


async def assists_heard(tx: AsyncConnection, ticket: Ticket, detail: AnyDetail, context: Context) -> None:
    """The lead replies for all: the opinions of those that assist are in, or overdue. Source: GZ-017, LS-080, MC-024.

    A reply the system sends when the last signature is there was checked when the signatures were asked for.
    """
    if detail.event not in (Event.REPLY, Event.ASK_SIGNOFF) or context.actor.kind != "user":
        return
    silent = awaited(await assists_rows.orders_of(tx, ticket), context.now)
    if silent:
        names = "、".join(silent)
        raise GuardFailed.by(
            f"协办单位{names}尚未反馈办理意见，期限也未到。请汇总其意见后统一回复。", context.policy.lead.basis
        )


async def earlier_is_done(tx: AsyncConnection, ticket: Ticket, detail: AnyDetail) -> None:
    """A result is told, or a repeat refused, only by a ticket that has a result. Source: LS-008, GZ-023."""
    earlier = detail.earlier_ticket if isinstance(detail, Answer | Reject) else None
    if earlier is None:
        return
    table = tables.ticket
    state = (await tx.execute(select(table.c.state).where(table.c.id == earlier))).scalar_one_or_none()
    if state not in HAS_RESULT or earlier == ticket.id:
        raise GuardFailed("所引用的原工单不存在或尚未办结。请核对原工单编号。")


async def _survey_begun(tx: AsyncConnection, _: Ticket, after: Ticket, __: Any, context: Context) -> tuple[Fact, ...]:
    """One survey a round; a citizen nobody can write to is called."""
    begun = await surveys.begin(tx, after, context.policy, context.now)
    if after.requester is not None:
        return begun
    why = "没有可发送回访短信的号码"
    return begun + await add_task(
        tx, after, "manual_call", by(context.policy.survey.manual_call, context), context, why
    )


async def _rated(tx: AsyncConnection, _: Ticket, after: Ticket, detail: Rate, context: Context) -> tuple[Fact, ...]:
    """An unsatisfied citizen is called and the result reviewed (LS-067); any other rating ends open calls."""
    rules = context.policy.survey
    await surveys.note_rating(tx, after, detail.comment, context.now)
    await end_tasks(tx, after, context, ("read_reply", "manual_call"), f"评价：{detail.rating}")
    if detail.rating in rules.closing:
        return ()
    told: tuple[Fact, ...] = ()
    if detail.source is not RatingSource.MANUAL:
        why = f"诉求人评价{detail.rating}，请回访了解原因"
        told += await add_task(tx, after, "manual_call", by(rules.manual_call, context), context, why)
    why = f"诉求人评价{detail.rating}，请审核办理结果"
    return told + await add_task(tx, after, "review", by(rules.review, context), context, why)


async def _cause_noted(
    tx: AsyncConnection, _: Ticket, after: Ticket, detail: NoteCause, context: Context
) -> tuple[Fact, ...]:
    await end_tasks(tx, after, context, ("manual_call",), f"{detail.code}:{detail.note}")
    return await surveys.settle(tx, after, context.now)


async def _closed(tx: AsyncConnection, _: Ticket, after: Ticket, __: Any, context: Context) -> tuple[Fact, ...]:
    await end_tasks(tx, after, context, (*SURVEY_TASKS, "unit_follow_up"), "已办结")
    await end_assignments(tx, after.id, context.now)
    return await surveys.settle(tx, after, context.now)


async def _reworked(
    tx: AsyncConnection, before: Ticket, _: Ticket, detail: Rework, context: Context
) -> tuple[Fact, ...]:
    await end_tasks(tx, before, context, (*SURVEY_TASKS, "unit_follow_up"), "已重新交办")
    await drop_commitment(tx, before.id, context)
    if detail.untrue:
        await _mark_untrue(tx, before, detail, context)
    await end_assignments(tx, before.id, context.now)
    return await surveys.settle(tx, before, context.now)


async def _mark_untrue(tx: AsyncConnection, ticket: Ticket, detail: Rework, context: Context) -> None:
    """The reply stays, marked as not what happened. Source: GZ-046, SQ-037."""
    table = tables.ticket_reply
    latest = select(table.c.id).where(table.c.ticket_id == ticket.id).order_by(table.c.seq.desc()).limit(1)
    untrue = {"untrue_at": context.now, "untrue_why": detail.reason}
    await tx.execute(update(table).where(table.c.id == latest.scalar_subquery()).values(**untrue))


async def _archived(
    tx: AsyncConnection, _: Ticket, after: Ticket, detail: Archive, context: Context
) -> tuple[Fact, ...]:
    """The package: a checksum of every part, and of the list itself. Source: LS-068, LS-069."""
    parts = [await _part(tx, table, after.id) for table in package_tables()]
    number = await _number(tx, context)
    last = (await tx.execute(select(tables.ticket).where(tables.ticket.c.id == after.id))).mappings().one()
    manifest = {
        "ticket": after.id,
        "policy": context.policy.name,
        "round": after.round,
        "number": number,
        "kinds": list(context.policy.archive.package),
        "parts": [{"name": "ticket", "rows": 1, "sha256": sha256(dict(last))}, *parts],
        "materials": as_data(detail.materials),
    }
    later = max(after.created_at, after.closed_at or after.created_at)
    keep_until = years_after(local_day(later), context.policy.archive.recording_years)
    checksum = sha256(manifest)
    row = insert(tables.ticket_archive).values(
        ticket_id=after.id,
        round=after.round,
        number=number,
        archived_at=context.now,
        manifest=manifest,
        sha256=checksum,
        events=after.version,
        last_hash=last["last_hash"],
        recordings_keep_until=keep_until,
    )
    await tx.execute(row)
    return (facts.ArchivePacked(after.id, after.round, context.now, checksum, keep_until),)


async def _number(tx: AsyncConnection, context: Context) -> str | None:
    """The next number of this week: none is skipped, for an archiving that fails gives its number back. GZ-054."""
    rule = context.policy.numbering
    if rule is None:
        return None
    week, table = week_of(context.now), archive_week
    given = upsert(table).values(iso_year=week.iso_year, iso_week=week.iso_week, begins_on=week.begins_on, last=1)
    taken = given.on_conflict_do_update(
        index_elements=[table.c.iso_year, table.c.iso_week], set_={"last": table.c.last + 1}
    )
    seq = (await tx.execute(taken.returning(table.c.last))).scalar_one()
    return archive_number(rule, week, seq)


def package_tables() -> tuple[Table, ...]:
    """Every table with rows of a ticket, whichever idea keeps it, in a fixed order."""
    mine = [table for table in tables.metadata.sorted_tables if "ticket_id" in table.c and "id" in table.c]
    return tuple(sorted(mine, key=lambda table: table.name))


async def _part(tx: AsyncConnection, table: Table, ticket_id: TicketId) -> dict[str, Any]:
    rows = (await tx.execute(select(table).where(table.c.ticket_id == ticket_id).order_by(table.c.id))).mappings()
    values = [dict(row) for row in rows]
    return {"name": table.name, "rows": len(values), "sha256": sha256(values)}


def years_after(day: date, years: int) -> date:
    """The same day `years` later; 29 February becomes 1 March, never a day too early."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


RECORD: dict[Event, Record] = {
    Event.DISPATCH: _dispatched,
    Event.ADD_ASSIST: _assist_added,
    Event.SIGN: _signed,
    Event.DEEM_SIGNED: _signed,
    Event.ASK_RETURN: _return_asked,
    Event.GRANT_RETURN: _return_granted,
    Event.REFUSE_RETURN: _return_refused,
    Event.ASK_EXTENSION: _extension_asked,
    Event.GRANT_EXTENSION: _extension_granted,
    Event.REFUSE_EXTENSION: _extension_refused,
    Event.REPLY: _replied,
    Event.REJECT: _refused,
    Event.REJECT_REPLY: _reply_rejected,
    Event.BEGIN_SURVEY: _survey_begun,
    Event.RATE: _rated,
    Event.NOTE_CAUSE: _cause_noted,
    Event.CLOSE: _closed,
    Event.REWORK: _reworked,
    Event.ARCHIVE: _archived,
}
