"""The dispatcher's desk: a dispatch computed before it is sent, what units asked, what each form may offer."""

from dataclasses import asdict

from callcenter.types import Role, TicketId, UnitId
from callcenter.web.context import Context
from callcenter.web.dispatch_desk_shapes import (
    DispatchCounts,
    DispatchPlanned,
    DispatchRequestPage,
    PlanQuery,
    RequestQuery,
    TicketChoices,
)
from callcenter.web.dispatch_rows import asked_row, choices_of, plan_of
from callcenter.web.router import Routes
from callcenter.web.ticket_shapes import veil_of
from ticketing import commands, service
from ticketing.clocks import Clock, Period
from ticketing.dispatch import planning, requests
from ticketing.dispatch import rows as dispatch_rows
from ticketing.policy import StatutoryLimit
from ticketing.record import Context as Ground
from ticketing.record import Ticket

api = Routes("dispatch-desk")
DISPATCHERS = frozenset({Role.DISPATCHER, Role.SUPERVISOR})
READERS = frozenset(Role) - {Role.ADMIN}


@api.get("/api/tickets/{ticket_id}/dispatch-plan", DISPATCHERS)
async def dispatch_plan(ctx: Context, ticket_id: str, query: PlanQuery) -> DispatchPlanned:
    """派单前测算：签收、联系、办理等期限及其依据，计入哪些工作日，还须具备什么"""
    async with ctx.transaction() as tx:
        ticket = await service.get(tx, TicketId(ticket_id), ctx.actor)
        known = await dispatch_rows.known_of(tx, ticket, [UnitId(query.lead)] if query.lead else [])
    ground = _ground(ctx, ticket)
    planned = planning.plan(ticket, _as_it_stands(query), ground)
    return plan_of(planned, ticket, known, ground.policy, veil_of(ctx.actor))


@api.get("/api/dispatch-requests", DISPATCHERS)
async def list_requests(ctx: Context, query: RequestQuery) -> DispatchRequestPage:
    """承办单位提出、待热线决定的退单申请、延期申请和职责争议，先提出的在前"""
    veil = veil_of(ctx.actor)
    async with ctx.transaction() as tx:
        found = await requests.find(
            tx, requests.Asked(query.kind), actor=ctx.actor, text=query.text, after=query.after, limit=query.limit
        )
    rows = [asked_row(one, veil, _ground(ctx, one.ticket).policy) for one in found]
    return DispatchRequestPage(rows=rows, next=found[-1].id if len(found) == query.limit else None)


@api.get("/api/dispatch-counts", DISPATCHERS)
async def count_requests(ctx: Context) -> DispatchCounts:
    """派单台待办数量：待派单、待定退单、待定延期、待裁争议"""
    async with ctx.transaction() as tx:
        known = await requests.counts(tx, ctx.actor)
    return DispatchCounts(**asdict(known))


@api.get("/api/tickets/{ticket_id}/choices", READERS)
async def choices(ctx: Context, ticket_id: str) -> TicketChoices:
    """本工单各项操作可选的情形及依据：签批事项、争议协调、标记、顺延"""
    async with ctx.transaction() as tx:
        ticket = await service.get(tx, TicketId(ticket_id), ctx.actor)
    return choices_of(ticket, _ground(ctx, ticket).policy)


def _as_it_stands(query: PlanQuery) -> commands.Dispatch:
    statutory = None
    if query.statutory_amount is not None:
        statutory = StatutoryLimit(Period(query.statutory_amount, Clock(query.statutory_clock)), "", "")
    chosen = Period(query.chosen_limit_wd, Clock.WORKING_DAY) if query.chosen_limit_wd else None
    return commands.Dispatch(UnitId(query.lead), statutory=statutory, chosen=chosen)


def _ground(ctx: Context, ticket: Ticket) -> Ground:
    policy = ctx.services.rules.of(ticket.policy_id, ticket.policy_version)
    return Ground(ctx.actor, policy, ctx.services.rules.calendar, ctx.now)
