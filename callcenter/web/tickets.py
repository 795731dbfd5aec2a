"""Tickets: lists, one ticket with all that belongs to it, new ones, urging, and the machine's suggestions.

What is asked of a ticket (register, dispatch, sign...) is in `ticket_commands`.
"""

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, Field
from sqlalchemy import select

from callcenter.audit import Audited, note
from callcenter.board import BoardEvent
from callcenter.tables import handling_unit
from callcenter.types import CallId, IdentityId, Role, TicketId, UnitId
from callcenter.web.context import Context
from callcenter.web.problems import NotAllowed, Problem
from callcenter.web.router import In, Query, Routes
from callcenter.web.ticket_fields import Fields
from callcenter.web.ticket_shapes import (
    NEEDS_CITIZEN,
    Choice,
    ListChoices,
    TicketNow,
    TicketPage,
    TicketStory,
    veil_of,
)
from callcenter.web.ticket_views import now_of, row_of, story_of, unit_names
from callcenter.web.ticket_work import Versioned, changes_of, locked, working
from ticketing import lists, service
from ticketing.aftercare import matters
from ticketing.commands import Edit
from ticketing.prefill import suggestions
from ticketing.prefill.masks import mask_text
from ticketing.prefill.numerals import digit
from ticketing.words import OVER, STATE_NAMES, State

api = Routes("tickets")
READERS = frozenset(Role) - {Role.ADMIN}
DESK = frozenset({Role.AGENT, Role.DISPATCHER})
URGERS = frozenset({Role.AGENT, Role.DISPATCHER, Role.REVIEWER, Role.SUPERVISOR})
WITH_A_UNIT = frozenset({State.DISPATCHED, State.SIGNED, State.HANDLING})
SuggestionId = Annotated[int, Field(ge=1, lt=2**63)]


class TicketQuery(Query):
    """after: `next` of the page before, with the same sort. text: part of number, title, content or place.

    running: not over yet. overdue: its handling limit runs and has passed. ..._since is included, ..._until is not.
    identity: one citizen's tickets, for who speaks with citizens; kept in the audit.
    """

    state: State | None = None
    running: bool | None = None
    unit: Annotated[str, Field(max_length=64)] = ""
    type: Annotated[str, Field(max_length=64)] = ""
    subject: Annotated[str, Field(max_length=100)] = ""
    rating: Annotated[str, Field(max_length=20)] = ""
    urgent: bool | None = None
    overdue: Annotated[bool, Field(description="仅看已逾期的")] = False
    due_before: AwareDatetime | None = None
    created_since: AwareDatetime | None = None
    created_until: AwareDatetime | None = None
    registered_since: AwareDatetime | None = None
    registered_until: AwareDatetime | None = None
    closed_since: AwareDatetime | None = None
    closed_until: AwareDatetime | None = None
    identity: Annotated[int, Field(ge=0, lt=2**63)] = 0
    call: Annotated[str, Field(max_length=64)] = ""
    text: Annotated[str, Field(max_length=64)] = ""
    sort: lists.Sort = lists.Sort.NEWEST
    after: Annotated[str, Field(pattern=r"^([0-9]{14}|[0-9]{1,17}-[0-9]{1,18})?$")] = ""
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
    """工单列表，可按多项条件筛选，按新旧、期限或最近更新排列；承办单位只见本单位的工单"""
    veil = veil_of(ctx.actor)
    if veil.masked and sum(digit(char) is not None for char in query.text) > 1:
        raise Problem(422, "number_searched", "检索词中不能含有号码。请改用文字检索，或按工单编号直接打开。")
    if query.identity and not ctx.has(*NEEDS_CITIZEN):
        raise NotAllowed
    wanted, after = _filter(query, ctx.now), query.after or None
    async with ctx.transaction() as tx:
        if query.identity and not after:
            await note(tx, Audited(ctx.actor, "identity.tickets", f"identity:{query.identity}"))
        page = await lists.find(tx, wanted, actor=ctx.actor, sort=query.sort, limit=query.limit, after=after)
        names = await unit_names(tx, {one.lead_unit for one in page.tickets if one.lead_unit})
    return TicketPage(rows=[row_of(one, veil, names) for one in page.tickets], next=page.after)


@api.get("/api/ticket-choices", READERS)
async def list_choices(ctx: Context) -> ListChoices:
    """工单列表的筛选条件：状态、诉求类型、评价、承办单位"""
    policy = ctx.services.rules.at(ctx.now)
    query = select(handling_unit.c.id, handling_unit.c.name).where(~handling_unit.c.emergency)
    async with ctx.transaction() as tx:
        units = [] if veil_of(ctx.actor).unit else (await tx.execute(query.order_by(handling_unit.c.name))).all()
    return ListChoices(
        states=[Choice(code=state, name=name) for state, name in STATE_NAMES.items()],
        types=list(policy.request_types),
        ratings=list(policy.survey.levels),
        units=[Choice(code=row.id, name=row.name) for row in units],
    )


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
        return await story_of(tx, ticket, ctx.actor, ctx.services, now)


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


def _filter(query: TicketQuery, now: datetime) -> lists.Filter:
    return lists.Filter(
        states=_states(query),
        unit=UnitId(query.unit) if query.unit else None,
        request_type=query.type,
        subject=query.subject,
        rating=query.rating,
        urgent=query.urgent,
        due_before=query.due_before,
        overdue_at=now if query.overdue else None,
        created=lists.Range(query.created_since, query.created_until),
        registered=lists.Range(query.registered_since, query.registered_until),
        closed=lists.Range(query.closed_since, query.closed_until),
        requester=IdentityId(query.identity) if query.identity else None,
        call_id=CallId(query.call) if query.call else None,
        text=query.text,
    )


def _states(query: TicketQuery) -> tuple[State, ...]:
    if query.state is not None:
        return (query.state,)
    return () if query.running is None else tuple(state for state in State if (state in OVER) is not query.running)
