"""A unit's work list, and its forms: what can be done with a ticket now and what each command needs, from the policy.

The commands themselves are in `ticket_commands`, `dispatch`, `approvals` and `contacts`.
"""

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated

from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import Role, TicketId, UnitId
from callcenter.web.context import Context
from callcenter.web.router import Out, Query, Routes
from callcenter.web.ticket_shapes import veil_of
from callcenter.web.ticket_views import basis_of, offered, unit_names
from ticketing import service
from ticketing.aftercare.reply_form import reply_form
from ticketing.approvals.rules import RANK_NAMES
from ticketing.clocks import DeadlineKind, local_day
from ticketing.dispatch import asking, assists, assists_rows, unit_actions, units_store, worklist
from ticketing.dispatch.worklist import Job, Tab
from ticketing.record import Context as Ground
from ticketing.record import GuardFailed, Ticket
from ticketing.words import CLOCK_NAMES, EVENT_NAMES, FLAG_NAMES, STATE_NAMES, Event, Flag

api = Routes("unit-work")
UNITS = frozenset({Role.UNIT, Role.UNIT_HEAD})
READERS = UNITS | {Role.DISPATCHER, Role.SUPERVISOR, Role.REVIEWER, Role.AUDITOR}
DUE_NAMES = {
    DeadlineKind.SIGN: "签收",
    DeadlineKind.CONTACT: "联系诉求人",
    DeadlineKind.HANDLE: "办理",
    DeadlineKind.PROGRESS: "反馈进度",
    "assist": "反馈协办意见",
}


class WorkQuery(Query):
    """after: `next` of the page before. text: part of number, title, content or place."""

    tab: Tab
    text: Annotated[str, Field(max_length=64)] = ""
    after: Annotated[str, Field(pattern=r"^([0-9]{1,18}-[0-9]{14})?$")] = ""
    limit: Annotated[int, Field(ge=1, le=worklist.MAX_PAGE)] = 50


class WorkRow(Out):
    """due_name: what is to be done by due_at; basis: its article. lead: this unit answers for the ticket."""

    id: str
    version: int
    round: int
    state: str
    state_name: str
    request_type: str
    title: str
    place: str
    urgent: bool
    lead: bool
    lead_name: str
    due_at: datetime | None
    due_name: str
    basis: str
    provisional: bool
    rejections: int
    card: str
    supervised: int
    return_open: bool
    extension_asked: int


class WorkPage(Out):
    rows: list[WorkRow]
    next: str | None


class WorkCounts(Out):
    """tabs: by the name of the tab; the rest: what waits beside the tickets."""

    tabs: dict[str, int]
    notices: int
    coordination: int
    questions: int
    tasks: int
    supervisions: int
    commitments: int


class ActionRow(Out):
    """refused: why not now, `` when it can be done; article: of that rule."""

    event: str
    name: str
    refused: str
    article: str


class RankRow(Out):
    code: str
    name: str


class LeadershipRow(Out):
    """Who must lead the handling inside the unit, at least."""

    label: str
    ranks: list[RankRow]
    article: str


class UnitActions(Out):
    """version: of the ticket these were judged on. below: units of this one, to pass a ticket down to."""

    version: int
    rows: list[ActionRow]
    leadership: LeadershipRow | None
    below: list[RankRow]
    flags: list[str]


class FieldRow(Out):
    """kind: text, long, day, day_hour, moment, flag, files, scene or paper. most: characters. least: of a list."""

    key: str
    label: str
    kind: str
    required: bool
    article: str
    most: int
    least: int


class OneOfRow(Out):
    groups: list[list[str]]
    article: str


class OutcomeRow(Out):
    code: str
    label: str
    needs: list[str]
    reviewed: bool
    article: str


class HindranceRow(Out):
    sentence: str
    article: str


class ReplyFormOut(Out):
    """signoff: the article by which the unit's principal signs, `` where the clerk replies: which command to give.

    required fields always; `unfinished` when it is not the last word; of each `one_of` one group; what the chosen
    outcome needs. before: what must happen first. stage_refused: why the last word is asked for. contacted_at: when
    the citizen was spoken with; unit_name, today: to begin with.
    """

    version: int
    fields: list[FieldRow]
    unfinished: list[str]
    unfinished_article: str
    stage_refused: str
    follow_up_from: date
    follow_up_most_days: int
    one_of: list[OneOfRow]
    outcomes: list[OutcomeRow]
    signoff: str
    before: list[HindranceRow]
    contacted_at: datetime | None
    unit_name: str
    today: date
    earliest: date


class NeedRow(Out):
    key: str
    label: str


class ReturnForm(Out):
    """needs: of every group at least one. window_due_at null: the window does not run. refused: why not now."""

    needs: list[list[NeedRow]]
    article: str
    window_due_at: datetime | None
    refused: str
    refused_article: str


class AmountQuery(Query):
    """amount: how much would be asked for, in the unit of the answer; left out: the least."""

    amount: Annotated[int, Field(ge=1, le=3_660)] = 1


class ExtensionForm(Out):
    """most: how much more, in `clock`. needs, new_due: of the amount asked about. refused: why not now."""

    most: int
    clock: str
    running_due_at: datetime | None
    approver: str
    reading: str
    opens_at: datetime | None
    closes_at: datetime | None
    amount: int
    new_due: date | None
    needs: list[NeedRow]
    article: str
    refused: str
    refused_article: str


# ---- the list ------------------------------------------------------------------------------------------------------


@api.get("/api/unit-work", UNITS)
async def list_work(ctx: Context, query: WorkQuery) -> WorkPage:
    """本单位的工单，按要办的事项分类，最紧的在前"""
    async with ctx.transaction() as tx:
        found, following = await worklist.find(
            tx, query.tab, actor=ctx.actor, now=ctx.now, text=query.text, after=query.after, limit=query.limit
        )
        names = await unit_names(tx, {one.lead_unit for one in found if one.lead_unit})
    return WorkPage(rows=[_work_row(ctx, one, names) for one in found], next=following)


@api.get("/api/unit-work/counts", UNITS)
async def count_work(ctx: Context) -> WorkCounts:
    """本单位各类待办的数量"""
    async with ctx.transaction() as tx:
        tabs = await worklist.counts(tx, actor=ctx.actor, now=ctx.now)
        around = await worklist.around(tx, actor=ctx.actor)
    return WorkCounts(tabs={str(tab): number for tab, number in tabs.items()}, **asdict(around))


def _work_row(ctx: Context, one: Job, names: dict[str, str]) -> WorkRow:
    veil = veil_of(ctx.actor)
    policy = ctx.services.rules.of(one.policy_id, one.policy_version)
    same = ("id", "version", "round", "state", "request_type", "urgent", "due_at", "provisional", "rejections", "card")
    return WorkRow(
        **{name: getattr(one, name) for name in (*same, "return_open", "extension_asked")},
        state_name=STATE_NAMES[one.state],
        title=veil.text(one.title or one.content[:60]),
        place=veil.text(one.place),
        lead=one.lead_unit == ctx.actor.unit,
        lead_name=names.get(one.lead_unit or "", one.lead_unit or ""),
        due_name=DUE_NAMES.get(one.due_kind, ""),
        basis=basis_of(policy, one.rule),
        supervised=len(one.supervising),
    )


# ---- what can be done, and what it needs ---------------------------------------------------------------------------


@api.get("/api/tickets/{ticket_id}/unit-actions", UNITS)
async def unit_work_actions(ctx: Context, ticket_id: str) -> UnitActions:
    """承办单位现在能对工单做什么；暂时不能的，先说明原因和依据"""
    async with ctx.transaction() as tx:
        ticket = await service.get(tx, TicketId(ticket_id), ctx.actor)
        below = await _below(tx, ctx.actor.unit)
        given = await _given(tx, ticket, ctx.actor.unit)
    ground = _ground(ctx, ticket)
    may = set(offered(ticket, ctx.actor)) - given - ({Event.FORWARD_DOWN} if not below else set())
    found = [unit_actions.standing(ticket, event, ground) for event in unit_actions.PROBES if event in may]
    leads = unit_actions.leadership(ticket, ground)
    return UnitActions(
        version=ticket.version,
        rows=[
            ActionRow(event=one.event, name=EVENT_NAMES[one.event], refused=one.refused, article=one.article)
            for one in found
            if one is not None
        ],
        leadership=LeadershipRow(
            label=leads.label, ranks=[RankRow(code=r, name=RANK_NAMES[r]) for r in leads.ranks], article=leads.article
        )
        if leads
        else None,
        below=[RankRow(code=unit, name=name) for unit, name in below],
        flags=[FLAG_NAMES[Flag(flag)] for flag in sorted(ticket.flags)],
    )


async def _given(tx: AsyncConnection, ticket: Ticket, unit: UnitId | None) -> set[Event]:
    """What this unit was asked as an assist and has done."""
    mine = next((one for one in await assists_rows.orders_of(tx, ticket) if one.unit == unit), None)
    done = {Event.SIGN_ASSIST: mine and mine.signed_at, Event.GIVE_OPINION: mine and mine.opinion_at}
    return {event for event, at in done.items() if at}


async def _below(tx: AsyncConnection, unit: UnitId | None) -> list[tuple[str, str]]:
    kept = (await units_store.load(tx)).values()
    return [(one.unit.id, one.unit.name) for one in kept if unit and one.unit.parent == unit and one.unit.active]


@api.get("/api/tickets/{ticket_id}/reply-form", READERS)
async def read_reply_form(ctx: Context, ticket_id: str) -> ReplyFormOut:
    """本工单的回复需要填写什么：各项要求和依据，随本地规定而定"""
    async with ctx.transaction() as tx:
        ticket = await service.get(tx, TicketId(ticket_id), ctx.actor)
        silent = assists.awaited(await assists_rows.orders_of(tx, ticket), ctx.now)
        names = await unit_names(tx, {*silent, *([ticket.lead_unit] if ticket.lead_unit else [])})
    ground = _ground(ctx, ticket)
    form = reply_form(ticket, ground)
    before = [HindranceRow(sentence=one.sentence, article=one.article) for one in form.before]
    if silent:
        waiting = "、".join(names.get(unit, unit) for unit in silent)
        before.append(HindranceRow(sentence=f"协办单位尚未反馈意见：{waiting}。请待其反馈或逾期后再回复。", article=""))
    long = frozenset({"long"})
    return ReplyFormOut(
        version=ticket.version,
        fields=[FieldRow(**asdict(one), most=20_000 if one.kind in long else 500) for one in form.fields],
        unfinished=list(form.unfinished),
        unfinished_article=form.unfinished_article,
        stage_refused=form.stage_refused,
        follow_up_from=local_day(ctx.now),
        follow_up_most_days=form.follow_up_most_days,
        one_of=[OneOfRow(groups=[list(group) for group in one.groups], article=one.article) for one in form.one_of],
        outcomes=[OutcomeRow(**{**asdict(one), "needs": list(one.needs)}) for one in form.outcomes],
        signoff=form.signoff,
        before=before,
        contacted_at=ticket.contacted_at,
        unit_name=names.get(ticket.lead_unit or "", ""),
        today=local_day(ctx.now),
        earliest=local_day(ticket.created_at),
    )


@api.get("/api/tickets/{ticket_id}/return-form", READERS)
async def read_return_form(ctx: Context, ticket_id: str) -> ReturnForm:
    """申请退单需要说明什么、期限到何时、现在能否申请；不予退回的情形见退单预检"""
    async with ctx.transaction() as tx:
        ticket = await service.get(tx, TicketId(ticket_id), ctx.actor)
    ground = _ground(ctx, ticket)
    window, stands = ticket.due(DeadlineKind.RETURN), unit_actions.standing(ticket, Event.ASK_RETURN, ground)
    groups = unit_actions.return_needs(ground)
    return ReturnForm(
        needs=[[NeedRow(key=need, label=asking.NEED_NAMES[need]) for need in group] for group in groups],
        article=str(ground.policy.returns.basis),
        window_due_at=window.deadline.due_at if window else None,
        refused=stands.refused if stands else "工单现在不能申请退单。",
        refused_article=stands.article if stands else "",
    )


@api.get("/api/tickets/{ticket_id}/extension-form", READERS)
async def read_extension_form(ctx: Context, ticket_id: str, query: AmountQuery) -> ExtensionForm:
    """申请延期需要什么：还能延多久、由谁同意、延长后的期限、须附的签字盖章"""
    async with ctx.transaction() as tx:
        ticket = await service.get(tx, TicketId(ticket_id), ctx.actor)
    ground = _ground(ctx, ticket)
    stands = unit_actions.standing(ticket, Event.ASK_EXTENSION, ground)
    running = ticket.due(DeadlineKind.HANDLE)
    rules = ground.policy.extension
    opens, closes = asking.apply_span(running.deadline, rules.window, ground.calendar) if running else (None, None)
    most, clock, approver, article = _room(ticket, ground)
    amount = min(query.amount, most or 1)
    asked = unit_actions.extension_needed(ticket, amount, ground) if most else None
    return ExtensionForm(
        most=most,
        clock=clock,
        running_due_at=running.deadline.due_at if running else None,
        approver=approver,
        reading=asking.WINDOW_NAMES[rules.window],
        opens_at=opens,
        closes_at=closes,
        amount=amount,
        new_due=local_day(asked.new_due.due_at) if asked else None,
        needs=[NeedRow(key=one, label=unit_actions.EXTENSION_NEED_NAMES[one]) for one in asked.needs] if asked else [],
        article=article,
        refused=stands.refused if stands else "工单现在不能申请延期。",
        refused_article=stands.article if stands else "",
    )


def _room(ticket: Ticket, ground: Ground) -> tuple[int, str, str, str]:
    """How much, in what, by whom, by which article; nothing where there is no room."""
    try:
        left, rule = asking.room_of(ticket, ground), asking.extension_rule(ticket, ground)
    except GuardFailed as refused:
        return 0, "", "", refused.article
    return left.most, CLOCK_NAMES[left.clock], rule.approver, str(rule.basis)


def _ground(ctx: Context, ticket: Ticket) -> Ground:
    rules = ctx.services.rules
    return Ground(ctx.actor, rules.of(ticket.policy_id, ticket.policy_version), rules.calendar, ctx.now)
