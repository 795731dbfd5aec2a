"""Tickets: lists, one ticket with all that belongs to it, new ones, urging, and the machine's suggestions.

What is asked of a ticket (register, dispatch, sign...) is in `ticket_commands`.
"""

from typing import Annotated

from pydantic import AwareDatetime, Field

from callcenter.audit import Audited, note
from callcenter.board import BoardEvent
from callcenter.types import CallId, Role, TicketId, UnitId
from callcenter.web.context import Context
from callcenter.web.problems import Problem
from callcenter.web.router import In, Query, Routes
from callcenter.web.ticket_fields import Fields
from callcenter.web.ticket_shapes import TicketNow, TicketPage, TicketStory, veil_of
from callcenter.web.ticket_views import now_of, row_of, story_of
from callcenter.web.ticket_work import Versioned, changes_of, locked, working
from ticketing import lists, service
from ticketing.aftercare import matters
from ticketing.commands import Edit
from ticketing.prefill import suggestions
from ticketing.prefill.masks import mask_text
from ticketing.prefill.numerals import digit
from ticketing.words import State

api = Routes("tickets")
READERS = frozenset(Role) - {Role.ADMIN}
DESK = frozenset({Role.AGENT, Role.DISPATCHER})
URGERS = frozenset({Role.AGENT, Role.DISPATCHER, Role.REVIEWER, Role.SUPERVISOR})
WITH_A_UNIT = frozenset({State.DISPATCHED, State.SIGNED, State.HANDLING})
SuggestionId = Annotated[int, Field(ge=1, lt=2**63)]


class TicketQuery(Query):
    """after: `next` of the page before. text: part of number, title, content or place."""

    state: State | None = None
    unit: Annotated[str, Field(max_length=64)] = ""
    type: Annotated[str, Field(max_length=64)] = ""
    urgent: bool | None = None
    due_before: AwareDatetime | None = None
    call: Annotated[str, Field(max_length=64)] = ""
    text: Annotated[str, Field(max_length=64)] = ""
    after: Annotated[str, Field(pattern=r"^([0-9]{14})?$")] = ""
    limit: Annotated[int, Field(ge=1, le=lists.MAX_PAGE)] = 50


class NewTicket(In):
    """A request that did not come by a call of this system: a letter, a visit, a web form."""

    fields: Fields


class Urge(In):
    reason: Annotated[str, Field(min_length=2, max_length=500)]


class Take(Versioned):
    """ids: at most one a field; left out: the surest of every field nobody has typed in.

    replace_typed: also where a person has typed something.
    """

    ids: Annotated[tuple[SuggestionId, ...], Field(min_length=1, max_length=50)] | None = None
    replace_typed: bool = False


class Refuse(In):
    ids: Annotated[tuple[SuggestionId, ...], Field(min_length=1, max_length=50)]


@api.get("/api/tickets", READERS)
async def list_tickets(ctx: Context, query: TicketQuery) -> TicketPage:
    """工单列表，新的在前；承办单位只见本单位的工单"""
    veil = veil_of(ctx.actor)
    if veil.masked and sum(digit(char) is not None for char in query.text) > 1:
        raise Problem(422, "number_searched", "检索词中不能含有号码。请改用文字检索，或按工单编号直接打开。")
    async with ctx.transaction() as tx:
        page = await lists.find(
            tx, _filter(query), actor=ctx.actor, limit=query.limit, after=TicketId(query.after) or None
        )
    return TicketPage(rows=[row_of(one, veil) for one in page.tickets], next=page.after)


@api.post("/api/tickets", DESK)
async def open_ticket(ctx: Context, body: NewTicket) -> TicketNow:
    """新建工单（来信、来访、网络等非来电渠道），得到登记中的草稿

    带 Idempotency-Key 头重复提交，只建一张工单。
    """
    async with working(ctx) as work:
        opened = await service.open_draft(
            work.tx, actor=ctx.actor, now=work.now, rules=work.rules, key=f"api:{ctx.repeat_key}"
        )
        ticket, facts = opened.ticket, opened.facts
        if facts and not body.fields.empty:
            edit = Edit(await changes_of(ctx.services.vault, work.tx, body.fields))
            edited = await service.carry_out(work.tx, ticket.id, edit, actor=ctx.actor, now=work.now, rules=work.rules)
            ticket, facts = edited.ticket, facts + edited.facts
        await work.tell(facts)
    return now_of(ticket, ctx.actor)


@api.get("/api/tickets/{ticket_id}", READERS)
async def read_ticket(ctx: Context, ticket_id: str) -> TicketStory:
    """一张工单的全部：内容、时限及依据、经过、建议、承办、短信，以及现在可以做什么"""
    now = ctx.now
    async with ctx.transaction() as tx:
        ticket = await service.get(tx, TicketId(ticket_id), ctx.actor)
        await note(tx, Audited(ctx.actor, "ticket.read", f"ticket:{ticket.id}"))
        return await story_of(tx, ticket, ctx.actor, ctx.services.rules, now)


@api.post("/api/tickets/{ticket_id}/urge", URGERS)
async def urge(ctx: Context, ticket_id: str, body: Urge) -> None:
    """催办：提醒承办单位，记入工单"""
    async with working(ctx) as work:
        ticket = await service.get(work.tx, TicketId(ticket_id), ctx.actor)
        if ticket.state not in WITH_A_UNIT:
            raise Problem(409, "nobody_to_urge", "工单现在不在承办单位手中，不需要催办。")
        urging = matters.Urge(body.reason)
        urged = await service.carry_out(work.tx, ticket.id, urging, actor=ctx.actor, now=work.now, rules=work.rules)
        await work.tell(urged.facts)
        data = {"ticket": ticket.id, "unit": ticket.lead_unit, "reason": mask_text(body.reason)}
        work.shown.append(BoardEvent("ticket.urged", {**data, "at": work.now.isoformat()}))


@api.post("/api/tickets/{ticket_id}/suggestions/take", DESK)
async def take_suggestions(ctx: Context, ticket_id: str, body: Take) -> TicketNow:
    """采用通话转写得出的建议；人工填写过的内容不会被悄悄覆盖"""
    async with working(ctx) as work:
        ticket = await locked(ctx, work, ticket_id, body.version)
        ids = body.ids if body.ids is not None else await suggestions.surest(work.tx, ticket.id)
        outcome = await suggestions.take(
            work.tx,
            ticket.id,
            ids,
            actor=ctx.actor,
            now=work.now,
            rules=work.rules,
            expected_version=body.version,
            replace_typed=body.replace_typed,
        )
        await work.tell(outcome.facts)
    return now_of(outcome.ticket, ctx.actor)


@api.post("/api/tickets/{ticket_id}/suggestions/refuse", DESK)
async def refuse_suggestions(ctx: Context, ticket_id: str, body: Refuse) -> None:
    """不采用这些建议，不再提出"""
    async with ctx.transaction() as tx:
        await suggestions.refuse(tx, TicketId(ticket_id), body.ids, actor=ctx.actor, now=ctx.now)


def _filter(query: TicketQuery) -> lists.Filter:
    return lists.Filter(
        states=(query.state,) if query.state else (),
        unit=UnitId(query.unit) if query.unit else None,
        request_type=query.type,
        urgent=query.urgent,
        due_before=query.due_before,
        call_id=CallId(query.call) if query.call else None,
        text=query.text,
    )
