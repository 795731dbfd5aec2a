"""Talks with the citizen, what replies left open, looks back at closed tickets, and nuisance."""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, Field

from callcenter import ticket_calls
from callcenter.types import CallId, Role, TicketId
from callcenter.web.context import Context
from callcenter.web.problems import Problem
from callcenter.web.router import In, Out, Query, Routes
from callcenter.web.ticket_commands import may
from callcenter.web.ticket_fields import Moment, Said, Short, Text
from callcenter.web.ticket_shapes import TicketNow, veil_of
from callcenter.web.ticket_work import Versioned, Work, carry_out, locked, step, working
from ticketing import records, service, store
from ticketing.aftercare import commitment_rows, contacts
from ticketing.aftercare import rows as aftercare_rows
from ticketing.aftercare.abuse import AbuseStep, Evidence, EvidenceKind, NoteAbuse
from ticketing.aftercare.commitments import KeepCommitment
from ticketing.aftercare.follow_rules import CheckKind
from ticketing.aftercare.rechecks import Found, LookBack
from ticketing.record import Context as Judged
from ticketing.words import Event, State

api = Routes("contacts")
CALLERS = may(Event.NOTE_CONTACT)
LISTERS = frozenset({Role.DISPATCHER, Role.REVIEWER, Role.SUPERVISOR, Role.UNIT, Role.UNIT_HEAD, Role.AUDITOR})


class Contacted(Versioned):
    """over_reason: needed outside the hours and beyond the budget of the policy. call: the call it was, where the
    platform made it (GET calls of the ticket)."""

    at: Moment
    method: Annotated[str, Field(min_length=1, max_length=500)]
    told: Said
    purpose: Annotated[contacts.Purpose, Field(strict=False)] = contacts.Purpose.FIRST
    reached: Annotated[contacts.Reached, Field(strict=False)] = contacts.Reached.SPOKEN
    over_reason: Short = ""
    call: Annotated[str, Field(max_length=64)] = ""


class Budget(Out):
    """asked_ticket: how often this round's result was asked after; asked_person: the citizen, within a day, about
    anything. may_call: neither is spent and the hour is decent."""

    asked_ticket: int
    per_ticket: int | None
    asked_person: int
    per_person: int | None
    quiet_now: bool
    may_call: bool


class Kept(Versioned):
    result: Said
    told_at: Moment | None = None


class CommitmentQuery(Query):
    """after_due_at, after_id: `next_due_at` and `next_id` of the page before."""

    after_due_at: AwareDatetime | None = None
    after_id: Annotated[int, Field(ge=0, lt=2**63)] = 0
    limit: Annotated[int, Field(ge=1, le=commitment_rows.MAX_PAGE)] = 50


class CommitmentRow(Out):
    id: int
    ticket: str
    unit: str | None
    stage_result: str
    plan: str
    made_at: datetime
    due_at: datetime
    late: bool


class CommitmentPage(Out):
    rows: list[CommitmentRow]
    next_due_at: datetime | None
    next_id: int | None


class CheckOrdered(Versioned):
    kind: Annotated[CheckKind, Field(strict=False)]
    why: Said


class Checked(Versioned):
    kind: Annotated[CheckKind, Field(strict=False)]
    found: Annotated[Found, Field(strict=False)]
    note: Said


class EvidencePart(In):
    kind: Annotated[EvidenceKind, Field(strict=False)]
    ref: Annotated[str, Field(min_length=1, max_length=200)]


class Abused(Versioned):
    """step noted: kind and evidence; confirmed (by another person): record; handed_over: record, authority, receipt."""

    step: Annotated[AbuseStep, Field(strict=False)]
    note: Said
    kind: Annotated[str, Field(max_length=64)] = ""
    evidence: Annotated[tuple[EvidencePart, ...], Field(max_length=50)] = ()
    record: Annotated[int, Field(ge=1, lt=2**63)] | None = None
    authority: Short = ""
    receipt: Text = ""


@api.post("/api/tickets/{ticket_id}/contact", CALLERS)
async def note_contact(ctx: Context, ticket_id: str, body: Contacted) -> TicketNow:
    """记录与诉求人的联系：时间、方式、结果；未接通的也记"""
    detail = contacts.NoteContact(body.at, body.method, body.told, body.purpose, body.reached, body.over_reason)
    async with working(ctx) as work:
        told = await step(ctx, work, ticket_id, body, detail)
        if body.call:
            await _noted(ctx, work, TicketId(ticket_id), CallId(body.call))
    return told


async def _noted(ctx: Context, work: Work, ticket: TicketId, call: CallId) -> None:
    """The talk of a call is written down, once, and by the side that had it."""
    made = await ticket_calls.find(work.tx, call)
    own = made is not None and made.unit == store.unit_scope(ctx.actor)
    if not own or not await ticket_calls.noted(work.tx, call, ticket, str(ctx.actor), work.now):
        raise Problem(409, "call_noted", "这通电话的联系结果已经记录，或不属于本工单。请刷新后查看。")


@api.get("/api/tickets/{ticket_id}/contact-budget", CALLERS)
async def contact_budget(ctx: Context, ticket_id: str) -> Budget:
    """现在是否适合回访诉求人：本工单和此人各已回访几次，是否在安静时段"""
    now = ctx.now
    async with ctx.transaction() as tx:
        ticket = await service.get(tx, TicketId(ticket_id), ctx.actor)
        asked = await aftercare_rows.asked_about(tx, ticket.id, ticket.round)
        person = await aftercare_rows.asked_person(tx, ticket.requester, now) if ticket.requester is not None else 0
    reach = ctx.services.rules.of(ticket.policy_id, ticket.policy_version).reach
    quiet = reach is not None and not ticket.urgent and contacts.quiet(reach, now)
    spent = reach is not None and (asked >= reach.per_ticket or person >= reach.per_person)
    return Budget(
        asked_ticket=asked,
        per_ticket=reach.per_ticket if reach else None,
        asked_person=person,
        per_person=reach.per_person if reach else None,
        quiet_now=quiet,
        may_call=not quiet and not spent,
    )


@api.post("/api/tickets/{ticket_id}/commitment/keep", may(Event.KEEP_COMMITMENT))
async def keep_commitment(ctx: Context, ticket_id: str, body: Kept) -> TicketNow:
    """后续事项办结，写明结果"""
    return await carry_out(ctx, ticket_id, body, KeepCommitment(body.result, body.told_at))


@api.get("/api/commitments", LISTERS)
async def list_commitments(ctx: Context, query: CommitmentQuery) -> CommitmentPage:
    """未办结的后续事项，按期限排列；工单办结后仍在此列出，承办单位只见本单位的"""
    veil, now = veil_of(ctx.actor), ctx.now
    after = (query.after_due_at, query.after_id) if query.after_due_at else None
    async with ctx.transaction() as tx:
        unit = store.unit_scope(ctx.actor)
        found = await commitment_rows.open_promises(tx, unit=unit, after=after, limit=query.limit)
    last = found[-1] if len(found) == query.limit else None
    rows = [
        CommitmentRow(
            id=one.id,
            ticket=one.ticket_id,
            unit=one.unit,
            stage_result=veil.text(one.stage_result),
            plan=veil.text(one.plan),
            made_at=one.made_at,
            due_at=one.due_at,
            late=now > one.due_at,
        )
        for one in found
    ]
    return CommitmentPage(rows=rows, next_due_at=last.due_at if last else None, next_id=last.id if last else None)


@api.post("/api/tickets/{ticket_id}/checks/order", may(Event.LOOK_BACK))
async def order_check(ctx: Context, ticket_id: str, body: CheckOrdered) -> None:
    """交办复核或回头看，成为一项待办任务"""
    async with working(ctx) as work:
        ticket = await locked(ctx, work, ticket_id, body.version)
        policy = work.rules.of(ticket.policy_id, ticket.policy_version)
        check = policy.follow.check(body.kind) if policy.follow else None
        if check is None or ticket.state not in (State.CLOSED, State.ARCHIVED):
            raise Problem(409, "no_such_check", "本地规定没有这种核查，或工单尚未办结。")
        judged = Judged(ctx.actor, policy, work.rules.calendar, work.now)
        due = records.by(check.limit, judged)
        await work.tell(await records.add_task(work.tx, ticket, body.kind, due, judged, body.why))


@api.post("/api/tickets/{ticket_id}/checks", may(Event.LOOK_BACK))
async def look_back(ctx: Context, ticket_id: str, body: Checked) -> TicketNow:
    """填写复核或回头看的结果；发现问题的另行重新交办"""
    return await carry_out(ctx, ticket_id, body, LookBack(body.kind, body.found, body.note))


@api.post("/api/tickets/{ticket_id}/abuse", may(Event.NOTE_ABUSE))
async def note_abuse(ctx: Context, ticket_id: str, body: Abused) -> TicketNow:
    """记录滋扰行为并附证据，经另一人复核后移交有关部门；系统不会自动拦截任何来电"""
    evidence = tuple(Evidence(one.kind, one.ref) for one in body.evidence)
    detail = NoteAbuse(body.step, body.note, body.kind, evidence, body.record, body.authority, body.receipt)
    return await carry_out(ctx, ticket_id, body, detail)
