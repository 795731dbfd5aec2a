"""Dispatching: suggestions and the queue, dispatch, returns, extensions, two hops, disputes, assists.

What is asked of a ticket otherwise is in `ticket_commands`; who may is read off the table of transitions.
"""

from collections.abc import Iterable

from sqlalchemy import select

from callcenter.tables import handling_unit
from callcenter.types import Role, TicketId, UnitId
from callcenter.web.context import Context
from callcenter.web.dispatch_rows import queue_row
from callcenter.web.dispatch_shapes import (
    AssistAdded,
    Dispatched,
    DisputeOpened,
    DisputeRow,
    DisputeRuled,
    Disputes,
    ExtensionAsked,
    ExtensionGranted,
    ExtensionRoom,
    FindingRow,
    ForwardedDown,
    HandedBack,
    OpinionGiven,
    OrderRow,
    Orders,
    OutageNoted,
    Precheck,
    PrecheckQuery,
    Progress,
    RepeatedReturns,
    ReturnAsked,
    ReturnedTicket,
    ReturningUnit,
    ReturnRefused,
    ReturnsQuery,
    SignedAssist,
    SuggestionRow,
    Suggestions,
    WaitingQueue,
)
from callcenter.web.problems import Problem
from callcenter.web.router import Routes
from callcenter.web.ticket_commands import Granted, WithReason, may
from callcenter.web.ticket_shapes import TicketNow, veil_of
from callcenter.web.ticket_work import Work, carry_out, step, working
from ticketing import commands, service
from ticketing.clocks import Clock, DeadlineKind, Period, local_day
from ticketing.dispatch import (
    asking,
    assists,
    assists_rows,
    catalogue_store,
    disputes,
    disputes_rows,
    hops,
    requests,
    returns,
    returns_store,
)
from ticketing.dispatch import rows as dispatch_rows
from ticketing.dispatch.rules import DispatchRules
from ticketing.knowledge import service as knowledge_service
from ticketing.policy import Policy, StatutoryLimit
from ticketing.record import Context as Ground
from ticketing.record import GuardFailed, Ticket
from ticketing.words import CLOCK_NAMES, Event

api = Routes("dispatch")
DISPATCHERS = frozenset({Role.DISPATCHER, Role.SUPERVISOR})
READERS = frozenset({Role.DISPATCHER, Role.SUPERVISOR, Role.REVIEWER, Role.UNIT, Role.UNIT_HEAD, Role.AUDITOR})
NO_RULES = DispatchRules()


# ---- who should get it --------------------------------------------------------------------------------------------


@api.get("/api/tickets/{ticket_id}/dispatch-suggestions", DISPATCHERS)
async def dispatch_suggestions(ctx: Context, ticket_id: str) -> Suggestions:
    """派单建议：最多五家单位，附理由与依据；由派单员决定"""
    async with ctx.transaction() as tx:
        ticket = await service.get(tx, TicketId(ticket_id), ctx.actor)
        rules = _policy(ctx, ticket).dispatching or NO_RULES
        found = await catalogue_store.suggestions(tx, ticket, rules)
    rows = [
        SuggestionRow(unit=o.unit, name=o.name, score=o.score, reasons=list(o.reasons), basis=o.basis, via=o.via)
        for o in found
    ]
    return Suggestions(routing_basis=str(rules.routing_basis), suggestions=rows)


@api.get("/api/dispatch-queue", DISPATCHERS)
async def dispatch_queue(ctx: Context) -> WaitingQueue:
    """待派单队列：突发和规定第一时间转办的在前，其余按派单期限"""
    async with ctx.transaction() as tx:
        waiting = await returns_store.waiting(tx, ctx.services.rules)
        following = await requests.followers_of(tx, [one.ticket.id for one in waiting])
        total = (await requests.counts(tx, ctx.actor)).waiting
    veil = veil_of(ctx.actor)
    rows = [queue_row(one, veil, _policy(ctx, one.ticket), following.get(one.ticket.id, 0)) for one in waiting]
    return WaitingQueue(rows=rows, total=total)


# ---- dispatch -----------------------------------------------------------------------------------------------------


@api.post("/api/tickets/{ticket_id}/dispatch", may(Event.DISPATCH))
async def dispatch(ctx: Context, ticket_id: str, body: Dispatched) -> TicketNow:
    """派单：一家主办，可有协办；突发类须先电话通知"""
    notice, other = body.phone_notice, body.statutory
    detail = commands.Dispatch(
        lead=UnitId(body.lead),
        assists=tuple(UnitId(unit) for unit in body.assists),
        instruction=body.instruction,
        basis=body.basis,
        phone_notice=commands.PhoneNotice(notice.at, notice.person, notice.call_ref) if notice else None,
        statutory=StatutoryLimit(Period(other.amount, other.clock), other.legal_basis, other.approver)
        if other
        else None,
        on_spot_by=body.on_spot_by,
        chosen=Period(body.chosen_limit_wd, Clock.WORKING_DAY) if body.chosen_limit_wd else None,
        reason=body.reason,
    )
    async with working(ctx) as work:
        await _check_units(work, (body.lead, *body.assists))
        return await step(ctx, work, ticket_id, body, detail)


@api.post("/api/tickets/{ticket_id}/forward-down", may(Event.FORWARD_DOWN))
async def forward_down(ctx: Context, ticket_id: str, body: ForwardedDown) -> TicketNow:
    """主管部门转派所属单位：办理时限连续计算，主管部门仍负责督办"""
    return await carry_out(ctx, ticket_id, body, hops.ForwardDown(UnitId(body.unit), body.instruction))


@api.post("/api/tickets/{ticket_id}/hand-back", may(Event.HAND_BACK))
async def hand_back(ctx: Context, ticket_id: str, body: HandedBack) -> TicketNow:
    """退回主管部门，由其决定是否向热线退单"""
    return await carry_out(ctx, ticket_id, body, hops.HandBack(body.reason, body.basis))


# ---- returns ------------------------------------------------------------------------------------------------------


@api.post("/api/tickets/{ticket_id}/return", may(Event.ASK_RETURN))
async def ask_return(ctx: Context, ticket_id: str, body: ReturnAsked) -> TicketNow:
    """申请退单，须在期限内说明理由和依据"""
    detail = commands.AskReturn(
        body.reason, body.legal_basis, body.proper_unit, suggestion=body.suggestion, nothing_ours=body.nothing_ours
    )
    return await carry_out(ctx, ticket_id, body, detail)


@api.get("/api/tickets/{ticket_id}/return/precheck", READERS)
async def precheck(ctx: Context, ticket_id: str, query: PrecheckQuery) -> Precheck:
    """退单预检：不予退回的各种情形，哪些已经符合及理由"""
    async with ctx.transaction() as tx:
        ticket = await service.get(tx, TicketId(ticket_id), ctx.actor)
        asked = await returns_store.asked(tx, ticket.id)
        uploaded = await knowledge_service.uploaded_at(tx, query.knowledge) if query.knowledge else None
    found = returns.precheck(ticket, asked, _policy(ctx, ticket), uploaded)
    window = ticket.due(DeadlineKind.RETURN)
    rows = [
        FindingRow(code=o.code, label=o.label, check=o.check, applies=o.applies, why=o.why, article=o.article)
        for o in found
    ]
    return Precheck(window_due_at=window.deadline.due_at if window else None, findings=rows)


@api.post("/api/tickets/{ticket_id}/return/outage", may(Event.NOTE_OUTAGE))
async def note_outage(ctx: Context, ticket_id: str, body: OutageNoted) -> TicketNow:
    """因断网等客观因素不能按时退单的，附证明顺延退单期限；办理时限不变"""
    return await carry_out(
        ctx, ticket_id, body, returns.NoteOutage(body.from_at, body.until_at, body.cause, body.evidence)
    )


@api.post("/api/tickets/{ticket_id}/return/grant", may(Event.GRANT_RETURN))
async def grant_return(ctx: Context, ticket_id: str, body: Granted) -> TicketNow:
    """同意退单，回到待派单"""
    return await carry_out(ctx, ticket_id, body, commands.GrantReturn(body.reason))


@api.post("/api/tickets/{ticket_id}/return/refuse", may(Event.REFUSE_RETURN))
async def refuse_return(ctx: Context, ticket_id: str, body: ReturnRefused) -> TicketNow:
    """不予退回，须选定情形"""
    return await carry_out(ctx, ticket_id, body, commands.RefuseReturn(body.code, body.reason))


@api.get("/api/returns/repeated", DISPATCHERS | {Role.AUDITOR})
async def repeated_returns(ctx: Context, query: ReturnsQuery) -> RepeatedReturns:
    """反复退回的单位与工单"""
    rules = ctx.services.rules.at(ctx.now).dispatching or NO_RULES
    least = rules.returns_listed_from
    async with ctx.transaction() as tx:
        units = [
            ReturningUnit(unit=unit, granted=given, refused=no, inaction=await dispatch_rows.inaction_of(tx, unit))
            for unit, given, no in await dispatch_rows.returns_by_unit(tx, least)
        ]
        after = TicketId(query.after) or None
        tickets = await dispatch_rows.returned_tickets(tx, least, after, query.limit)
    rows = [ReturnedTicket(ticket=ticket, returns=n, units=list(by)) for ticket, n, by in tickets]
    more = rows[-1].ticket if len(rows) == query.limit else None
    return RepeatedReturns(least=least, article=str(rules.returns_listed_basis), units=units, tickets=rows, next=more)


# ---- extensions ---------------------------------------------------------------------------------------------------


@api.get("/api/tickets/{ticket_id}/extension-room", READERS)
async def extension_room(ctx: Context, ticket_id: str) -> ExtensionRoom:
    """还能延期多久、何时可申请、由谁同意、须附什么"""
    async with ctx.transaction() as tx:
        ticket = await service.get(tx, TicketId(ticket_id), ctx.actor)
    policy = _policy(ctx, ticket)
    ground = Ground(ctx.actor, policy, ctx.services.rules.calendar, ctx.now)
    left, rule = asking.room_of(ticket, ground), asking.extension_rule(ticket, ground)
    running = ticket.due(DeadlineKind.HANDLE)
    if running is None:
        raise GuardFailed.by("本工单没有办理时限，不需要延期。", policy.extension.basis)
    opens, closes = asking.apply_span(running.deadline, policy.extension.window, ground.calendar)
    most = asking.new_deadline(ticket, left.most, ground) if left.most else None
    over, more = policy.extension.over, policy.extension.over_needs
    return ExtensionRoom(
        most=left.most,
        unit=CLOCK_NAMES[left.clock],
        opens_at=opens,
        closes_at=closes,
        reading=asking.WINDOW_NAMES[policy.extension.window],
        approver=rule.approver,
        needs=sorted(policy.extension.needs),
        more_needs_over=f"总时长超过{over}：{'、'.join(sorted(more))}" if over else "",
        new_due_if_most=local_day(most.due_at) if most else None,
        article=str(rule.basis),
    )


@api.post("/api/tickets/{ticket_id}/extension", may(Event.ASK_EXTENSION))
async def ask_extension(ctx: Context, ticket_id: str, body: ExtensionAsked) -> TicketNow:
    """申请延期"""
    detail = commands.AskExtension(
        body.amount, body.reason, body.citizen_informed_at, body.signed_by, body.seal, body.new_due
    )
    return await carry_out(ctx, ticket_id, body, detail)


@api.post("/api/tickets/{ticket_id}/extension/grant", may(Event.GRANT_EXTENSION))
async def grant_extension(ctx: Context, ticket_id: str, body: ExtensionGranted) -> TicketNow:
    """同意延期，可以少于申请的时长"""
    return await carry_out(ctx, ticket_id, body, commands.GrantExtension(body.amount, body.reason))


@api.post("/api/tickets/{ticket_id}/extension/refuse", may(Event.REFUSE_EXTENSION))
async def refuse_extension(ctx: Context, ticket_id: str, body: WithReason) -> TicketNow:
    """不予延期，须写明理由"""
    return await carry_out(ctx, ticket_id, body, commands.RefuseExtension(body.reason))


# ---- disputes -----------------------------------------------------------------------------------------------------


@api.post("/api/tickets/{ticket_id}/dispute", may(Event.OPEN_DISPUTE))
async def open_dispute(ctx: Context, ticket_id: str, body: DisputeOpened) -> TicketNow:
    """提请职责争议协调"""
    units = tuple(UnitId(unit) for unit in body.units)
    return await carry_out(ctx, ticket_id, body, disputes.OpenDispute(body.reason, units))


@api.post("/api/tickets/{ticket_id}/dispute/rule", may(Event.RULE_DISPUTE))
async def rule_dispute(ctx: Context, ticket_id: str, body: DisputeRuled) -> TicketNow:
    """记录职责裁定：主办、协办、参加单位和会议纪要；此后不得退回，也不再申诉"""
    helped = tuple(UnitId(unit) for unit in body.assists)
    detail = disputes.RuleDispute(UnitId(body.lead), body.reason, body.minutes, helped, body.participants)
    async with working(ctx) as work:
        await _check_units(work, (body.lead, *body.assists))
        return await step(ctx, work, ticket_id, body, detail)


@api.get("/api/tickets/{ticket_id}/disputes", READERS)
async def list_disputes(ctx: Context, ticket_id: str) -> Disputes:
    """本工单的职责争议与裁定"""
    async with ctx.transaction() as tx:
        ticket = await service.get(tx, TicketId(ticket_id), ctx.actor)
        found = await disputes_rows.disputes_of(tx, ticket.id)
    return Disputes(disputes=[DisputeRow.model_validate(one) for one in found])


# ---- assists ------------------------------------------------------------------------------------------------------


@api.post("/api/tickets/{ticket_id}/assists", may(Event.ADD_ASSIST))
async def add_assist(ctx: Context, ticket_id: str, body: AssistAdded) -> TicketNow:
    """增加协办单位"""
    async with working(ctx) as work:
        await _check_units(work, (body.unit,))
        return await step(ctx, work, ticket_id, body, commands.AddAssist(UnitId(body.unit), body.reason))


@api.get("/api/tickets/{ticket_id}/assists", READERS)
async def list_assists(ctx: Context, ticket_id: str) -> Orders:
    """协办单位及其意见；只供主办、协办单位和热线查看，不对诉求人"""
    async with ctx.transaction() as tx:
        ticket = await service.get(tx, TicketId(ticket_id), ctx.actor)
        orders = await assists_rows.orders_of(tx, ticket)
    veil = veil_of(ctx.actor)
    rows = [
        OrderRow(
            unit=one.unit,
            sent_at=one.sent_at,
            due_at=one.due_at,
            signed_at=one.signed_at,
            opinion_at=one.opinion_at,
            opinion=veil.text(one.opinion),
            refused=one.refused,
        )
        for one in orders
    ]
    return Orders(orders=rows, awaited=list(assists.awaited(orders, ctx.now)))


@api.post("/api/tickets/{ticket_id}/assist/sign", may(Event.SIGN_ASSIST))
async def sign_assist(ctx: Context, ticket_id: str, body: SignedAssist) -> TicketNow:
    """协办签收"""
    return await carry_out(ctx, ticket_id, body, assists.SignAssist(body.person))


@api.post("/api/tickets/{ticket_id}/assist/opinion", may(Event.GIVE_OPINION))
async def give_opinion(ctx: Context, ticket_id: str, body: OpinionGiven) -> TicketNow:
    """协办反馈意见，给主办单位和热线；不能配合的须说明理由"""
    return await carry_out(ctx, ticket_id, body, assists.GiveOpinion(body.opinion, body.refused))


@api.post("/api/tickets/{ticket_id}/progress", may(Event.REPORT_PROGRESS))
async def report_progress(ctx: Context, ticket_id: str, body: Progress) -> TicketNow:
    """按其他法定时限办理的，动态反馈办理进展"""
    return await carry_out(ctx, ticket_id, body, assists.ReportProgress(body.progress))


def _policy(ctx: Context, ticket: Ticket) -> Policy:
    return ctx.services.rules.of(ticket.policy_id, ticket.policy_version)


async def _check_units(work: Work, units: Iterable[str]) -> None:
    """Raises Problem naming the units that are not on the list."""
    wanted = set(units)
    known = select(handling_unit.c.id).where(handling_unit.c.id.in_(wanted), handling_unit.c.active)
    missing = sorted(wanted - set((await work.tx.execute(known)).scalars()))
    if missing:
        raise Problem(422, "unit_unknown", f"没有这家承办单位，或已停用：{'、'.join(missing)}。请从单位名录中选择。")
