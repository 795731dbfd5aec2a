"""One matter brought again, and many tickets about one event: hints, confirmation, merging."""

from typing import Annotated

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import IdentityId, Role, TicketId
from callcenter.web.context import Context
from callcenter.web.problems import NotFound
from callcenter.web.router import Out, Query, Routes
from callcenter.web.ticket_commands import may
from callcenter.web.ticket_fields import Said, Text
from callcenter.web.ticket_shapes import TicketNow, veil_of
from callcenter.web.ticket_views import now_of
from callcenter.web.ticket_work import Versioned, carry_out, step, working
from ticketing import service, store
from ticketing.aftercare import repeats
from ticketing.aftercare.matters import Unlink
from ticketing.aftercare.merging import Merge, Unmerge
from ticketing.dispatch import units_tables
from ticketing.words import Event

api = Routes("matters")
DESK = frozenset({Role.AGENT, Role.DISPATCHER, Role.REVIEWER, Role.SUPERVISOR})
Number = Annotated[str, Field(pattern=r"^[0-9]{14}$")]


class RepeatQuery(Query):
    """ticket: what it says is compared. Without one: the citizen's key and what is known while the telephone rings."""

    ticket: Annotated[str, Field(pattern=r"^([0-9]{14})?$")] = ""
    identity: Annotated[int, Field(ge=0, lt=2**63)] = 0
    subject: Annotated[str, Field(max_length=200)] = ""
    place: Annotated[str, Field(max_length=200)] = ""
    text: Annotated[str, Field(max_length=200)] = ""


class HintRow(Out):
    """alike: 0 to 1; same_person: by the same citizen. A hint decides nothing."""

    id: str
    state: str
    state_name: str
    request_type: str
    subject: str
    title: str
    place: str
    opened_on: str
    same_person: bool
    alike: float
    matter: int | None


class Hints(Out):
    rows: list[HintRow]


class Linked(Versioned):
    """earlier: the ticket this one repeats."""

    earlier: Number
    reason: Text = ""


class WithReason(Versioned):
    reason: Said


class Merged(Versioned):
    master: Number
    reason: Said


class MatterOut(Out):
    matter: int
    tickets: list[str]
    requests: int
    persons: int


class Followers(Out):
    """Tickets merged into this one that still wait for its result."""

    tickets: list[str]


@api.get("/api/repeats", DESK)
async def list_hints(ctx: Context, query: RepeatQuery) -> Hints:
    """疑似重复的诉求：同一人、同一地点同一事项、文字相近；来电振铃时即可查看，是否重复由人确认"""
    veil, now = veil_of(ctx.actor), ctx.now
    async with ctx.transaction() as tx:
        asked = repeats.Asked(
            IdentityId(query.identity) if query.identity else None, query.subject, query.place, query.text
        )
        if query.ticket:
            ticket = await service.get(tx, TicketId(query.ticket), ctx.actor)
            asked = repeats.Asked(ticket.requester, ticket.subject, ticket.place, ticket.content, ticket.id)
        found = await repeats.hints(tx, asked, now, actor=ctx.actor)
    rows = [
        HintRow(
            id=one.id,
            state=one.state,
            state_name=one.state_name,
            request_type=one.request_type,
            subject=veil.text(one.subject),
            title=veil.text(one.title),
            place=veil.text(one.place),
            opened_on=one.opened_on,
            same_person=one.same_person,
            alike=one.alike,
            matter=one.matter,
        )
        for one in found
    ]
    return Hints(rows=rows)


@api.post("/api/tickets/{ticket_id}/repeat", may(Event.LINK))
async def link(ctx: Context, ticket_id: str, body: Linked) -> TicketNow:
    """确认与以前的工单是同一诉求，按本地规定计数并说明适用哪一条"""
    async with working(ctx) as work:
        earlier = await service.get(work.tx, TicketId(body.earlier), ctx.actor)
        outcome = await repeats.confirm(
            work.tx,
            TicketId(ticket_id),
            earlier.id,
            actor=ctx.actor,
            now=work.now,
            rules=work.rules,
            reason=body.reason,
            unit_kind=await _unit_kind(work.tx, earlier.lead_unit),
            expected_version=body.version,
        )
        await work.tell(outcome.facts)
    return now_of(outcome.ticket, ctx.actor)


@api.post("/api/tickets/{ticket_id}/repeat/undo", may(Event.UNLINK))
async def unlink(ctx: Context, ticket_id: str, body: WithReason) -> TicketNow:
    """取消重复诉求关联，须写明理由"""
    return await carry_out(ctx, ticket_id, body, Unlink(body.reason))


@api.get("/api/matters/{matter_id}", DESK | {Role.AUDITOR})
async def read_matter(ctx: Context, matter_id: int) -> MatterOut:
    """一项重复诉求：有哪些工单，共反映几次、几人"""
    async with ctx.transaction() as tx:
        known = await repeats.standing(tx, matter_id, actor=ctx.actor)
    if known is None:
        raise NotFound
    return MatterOut(matter=known.matter, tickets=list(known.tickets), requests=known.requests, persons=known.persons)


@api.post("/api/tickets/{ticket_id}/merge", may(Event.MERGE))
async def merge(ctx: Context, ticket_id: str, body: Merged) -> TicketNow:
    """并单：本工单随主工单办理，一次派单，各诉求人分别得到反馈"""
    async with working(ctx) as work:
        # The master first: whoever gives its result to its followers locks in this order too.
        await store.load(work.tx, TicketId(body.master), lock=True, unit=store.unit_scope(ctx.actor), viewer=ctx.actor)
        return await step(ctx, work, ticket_id, body, Merge(TicketId(body.master), body.reason))


@api.post("/api/tickets/{ticket_id}/merge/undo", may(Event.UNMERGE))
async def unmerge(ctx: Context, ticket_id: str, body: WithReason) -> TicketNow:
    """取消并单，本工单重新待派"""
    return await carry_out(ctx, ticket_id, body, Unmerge(body.reason))


@api.get("/api/tickets/{ticket_id}/merged", DESK)
async def list_followers(ctx: Context, ticket_id: str) -> Followers:
    """并入本工单、等待其结果的工单"""
    async with ctx.transaction() as tx:
        ticket = await service.get(tx, TicketId(ticket_id), ctx.actor)
        return Followers(tickets=list(await repeats.followers(tx, ticket.id)))


async def _unit_kind(tx: AsyncConnection, unit: str | None) -> str:
    """What kind of unit it is, `` when it is not in the directory."""
    table = units_tables.unit
    found = await tx.execute(select(table.c.kind).where(table.c.id == unit))
    return str(found.scalar_one_or_none() or "")
