"""Supervision by the API: what runs, what is near or over, warning cards; opening, answering, ending."""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.audit import Audited, note
from callcenter.types import Role, TicketId, UnitId
from callcenter.web.context import Context
from callcenter.web.router import In, Out, Query, Routes
from callcenter.web.ticket_commands import may
from callcenter.web.ticket_fields import Name, Said, Version
from callcenter.web.ticket_shapes import TicketNow, Veil, veil_of
from callcenter.web.ticket_work import Versioned, carry_out
from ticketing.clocks import DeadlineKind
from ticketing.record import GuardFailed
from ticketing.supervision import knowledge as supervision_knowledge
from ticketing.supervision import lists as supervision_lists
from ticketing.supervision.lists import MAX_PAGE, Running, Supervision
from ticketing.supervision.rules import CARD_NAMES, FORM_NAMES, Card, Form
from ticketing.supervision.supervision import AnswerSupervision, EndSupervision, Supervise, Warn
from ticketing.words import STATE_NAMES, Event

api = Routes("supervision")
LOOKERS = frozenset(
    {Role.DISPATCHER, Role.REVIEWER, Role.SUPERVISOR, Role.AUDITOR, Role.UNIT, Role.UNIT_HEAD, Role.LEADER}
)
DOERS = frozenset({Role.SUPERVISOR, Role.REVIEWER, Role.UNIT, Role.UNIT_HEAD})
Limit = Annotated[int, Field(ge=1, le=MAX_PAGE)]
Id = Annotated[int, Field(ge=1, lt=2**63)]


class SupervisionQuery(Query):
    """before: `next` of the page before."""

    running: bool | None = None
    ticket: Annotated[str, Field(pattern=r"^[0-9]{14}$")] | None = None
    unit: Name | None = None
    trigger: Annotated[str, Field(max_length=40)] = ""
    before: Id | None = None
    limit: Limit = 50


class SupervisionRow(Out):
    """ticket null: it is about `subject`, a knowledge item."""

    id: int
    ticket_id: str | None
    subject: str
    round: int
    trigger: str
    label: str
    basis: str
    form: str
    form_name: str
    automatic: bool
    opened_by: str
    opened_at: datetime
    unit: str | None
    reason: str
    delegated_to: str | None
    joint: list[str]
    answer_due_at: datetime | None
    late: bool
    answered_at: datetime | None
    answered_by: str | None
    answer: str
    ended_at: datetime | None
    ended_by: str | None
    result: str
    solved: bool | None


class SupervisionPage(Out):
    rows: list[SupervisionRow]
    next: int | None


class NoteRow(Out):
    at: datetime
    by: str
    unit: str | None
    text: str


class SupervisionStory(Out):
    supervision: SupervisionRow
    notes: list[NoteRow]


class Supervised(Versioned):
    """trigger: a reason of the policy, see /api/policy. unit: by default the lead; joint: bodies of the policy."""

    trigger: Annotated[str, Field(min_length=1, max_length=40)]
    reason: Said
    unit: Name | None = None
    form: Annotated[Form, Field(strict=False)] | None = None
    delegated_to: Name | None = None
    joint: Annotated[tuple[Name, ...], Field(max_length=10, strict=False)] = ()


class Answered(In):
    """version: of the ticket; absent for a supervision without one."""

    version: Version | None = None
    text: Said


class Ended(In):
    version: Version | None = None
    result: Said
    solved: bool = True


class Reported(In):
    text: Said


class Warned(Versioned):
    level: Annotated[Card, Field(strict=False)]
    reason: Said
    unit: Name | None = None


class DeadlineQuery(Query):
    """after_due_at, after_id: `next_due_at` and `next_id` of the page before. hours: how near is near."""

    kind: Annotated[DeadlineKind, Field(strict=False)] = DeadlineKind.HANDLE
    unit: Name | None = None
    hours: Annotated[int, Field(ge=1, le=24 * 60)] = 48
    after_due_at: AwareDatetime | None = None
    after_id: Annotated[int, Field(ge=0, lt=2**63)] = 0
    limit: Limit = 50


class RunningRow(Out):
    """explained: the unit has written why it is late."""

    id: int
    ticket_id: str
    round: int
    kind: str
    unit: str | None
    due_at: datetime
    provisional: bool
    reminded_at: datetime | None
    title: str
    state: str
    state_name: str
    card: str
    supervising: list[str]
    explained: bool
    explanation: str


class RunningPage(Out):
    rows: list[RunningRow]
    next_due_at: datetime | None
    next_id: int | None


class CardQuery(Query):
    unit: Name | None = None
    level: Literal["sms", "yellow", "red"] | None = None
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    before: Id | None = None
    limit: Limit = 50


class CardOut(Out):
    id: int
    ticket_id: str
    round: int
    unit: str
    level: str
    level_name: str
    reason: str
    basis: str
    automatic: bool
    issued_by: str
    issued_at: datetime


class CardPage(Out):
    rows: list[CardOut]
    next: int | None


class Span(Query):
    since: AwareDatetime
    until: AwareDatetime


class CountRow(Out):
    unit: str
    supervised: int
    silent: int
    sms: int
    yellow: int
    red: int


class Counts(Out):
    rows: list[CountRow]


@api.get("/api/supervisions", LOOKERS)
async def list_supervisions(ctx: Context, query: SupervisionQuery) -> SupervisionPage:
    """督办列表，最新的在前；承办单位只见本单位的和由其牵头的"""
    async with ctx.transaction() as tx:
        found = await supervision_lists.find(
            tx,
            actor=ctx.actor,
            running=query.running,
            unit=UnitId(query.unit) if query.unit else None,
            ticket_id=TicketId(query.ticket) if query.ticket else None,
            trigger=query.trigger,
            before=query.before,
            limit=query.limit,
        )
    rows = [_row(one, ctx) for one in found]
    return SupervisionPage(rows=rows, next=found[-1].id if len(found) == query.limit else None)


@api.get("/api/supervisions/counts", LOOKERS)
async def count_supervisions(ctx: Context, query: Span) -> Counts:
    """各单位在一段时间内被督办、未反馈和被预警、黄牌、红牌的次数"""
    async with ctx.transaction() as tx:
        found = await supervision_lists.counts(tx, actor=ctx.actor, since=query.since, until=query.until)
    return Counts(rows=[CountRow(**asdict(one)) for one in found])


@api.get("/api/supervisions/{supervision_id}", LOOKERS)
async def supervision_story(ctx: Context, supervision_id: int) -> SupervisionStory:
    """一项督办和其间的督办情况记录"""
    async with ctx.transaction() as tx:
        return await _story(ctx, tx, supervision_id)


@api.post("/api/tickets/{ticket_id}/supervise", may(Event.SUPERVISE))
async def supervise(ctx: Context, ticket_id: str, body: Supervised) -> TicketNow:
    """督办：写明事由、形式和要求；可由主管部门牵头或联合督办"""
    detail = Supervise(
        body.trigger,
        body.reason,
        UnitId(body.unit) if body.unit else None,
        body.form,
        UnitId(body.delegated_to) if body.delegated_to else None,
        tuple(body.joint),
    )
    return await carry_out(ctx, ticket_id, body, detail)


@api.post("/api/supervisions/{supervision_id}/answer", may(Event.ANSWER_SUPERVISION))
async def answer_supervision(ctx: Context, supervision_id: int, body: Answered) -> SupervisionStory:
    """被督办单位反馈办理情况"""
    async with ctx.transaction() as tx:
        found = await supervision_lists.one(tx, supervision_id, ctx.actor)
        if found.ticket_id is None:
            await supervision_knowledge.answer(tx, supervision_id, body.text, actor=ctx.actor, now=ctx.now)
    if found.ticket_id is not None:
        await carry_out(ctx, found.ticket_id, _versioned(body.version), AnswerSupervision(found.trigger, body.text))
    async with ctx.transaction() as tx:
        return await _story(ctx, tx, supervision_id)


@api.post("/api/supervisions/{supervision_id}/end", may(Event.END_SUPERVISION))
async def end_supervision(ctx: Context, supervision_id: int, body: Ended) -> SupervisionStory:
    """督办结束，写明结果"""
    async with ctx.transaction() as tx:
        found = await supervision_lists.one(tx, supervision_id, ctx.actor)
        if found.ticket_id is None:
            await supervision_knowledge.end(tx, supervision_id, body.result, body.solved, actor=ctx.actor, now=ctx.now)
    if found.ticket_id is not None:
        detail = EndSupervision(found.trigger, body.result, body.solved)
        await carry_out(ctx, found.ticket_id, _versioned(body.version), detail)
    async with ctx.transaction() as tx:
        return await _story(ctx, tx, supervision_id)


@api.post("/api/supervisions/{supervision_id}/notes", DOERS)
async def report_on_supervision(ctx: Context, supervision_id: int, body: Reported) -> SupervisionStory:
    """记录督办情况：督办人员，或牵头的主管部门"""
    async with ctx.transaction() as tx:
        await supervision_knowledge.report(tx, supervision_id, body.text, actor=ctx.actor, now=ctx.now)
        await note(tx, Audited(ctx.actor, "supervision.note", f"supervision:{supervision_id}"))
        return await _story(ctx, tx, supervision_id)


@api.post("/api/tickets/{ticket_id}/warn", may(Event.WARN))
async def warn(ctx: Context, ticket_id: str, body: Warned) -> TicketNow:
    """发出短信预警、黄牌或红牌警告，写明原因"""
    unit = UnitId(body.unit) if body.unit else None
    return await carry_out(ctx, ticket_id, body, Warn(body.level, body.reason, unit))


@api.get("/api/deadlines/near", LOOKERS)
async def list_near(ctx: Context, query: DeadlineQuery) -> RunningPage:
    """即将到期的工单，最紧的在前；承办单位只见本单位的"""
    now = ctx.now
    async with ctx.transaction() as tx:
        found = await supervision_lists.near(
            tx,
            actor=ctx.actor,
            now=now,
            until=now + timedelta(hours=query.hours),
            after=_after(query),
            unit=UnitId(query.unit) if query.unit else None,
            kinds=(query.kind,),
            limit=query.limit,
        )
    return _page(found, query.limit, veil_of(ctx.actor))


@api.get("/api/deadlines/overdue", LOOKERS)
async def list_overdue(ctx: Context, query: DeadlineQuery) -> RunningPage:
    """已经逾期的工单，逾期最久的在前，含逾期情况说明；承办单位只见本单位的"""
    async with ctx.transaction() as tx:
        found = await supervision_lists.overdue(
            tx,
            actor=ctx.actor,
            now=ctx.now,
            after=_after(query),
            unit=UnitId(query.unit) if query.unit else None,
            kinds=(query.kind,),
            limit=query.limit,
        )
    return _page(found, query.limit, veil_of(ctx.actor))


@api.get("/api/cards", LOOKERS)
async def list_cards(ctx: Context, query: CardQuery) -> CardPage:
    """预警和警告牌，最新的在前；承办单位只见本单位的"""
    async with ctx.transaction() as tx:
        found = await supervision_lists.cards(
            tx,
            actor=ctx.actor,
            unit=UnitId(query.unit) if query.unit else None,
            level=Card(query.level) if query.level else None,
            since=query.since,
            until=query.until,
            before=query.before,
            limit=query.limit,
        )
    veil = veil_of(ctx.actor)
    rows = [
        CardOut(**{**asdict(one), "reason": veil.text(one.reason)}, level_name=CARD_NAMES[one.level]) for one in found
    ]
    return CardPage(rows=rows, next=found[-1].id if len(found) == query.limit else None)


def _versioned(version: int | None) -> Versioned:
    if version is None:
        raise GuardFailed("请给出工单的版本号（version）,以免覆盖他人的修改。")
    return Versioned(version=version)


def _after(query: DeadlineQuery) -> tuple[datetime, int] | None:
    return (query.after_due_at, query.after_id) if query.after_due_at else None


def _page(found: tuple[Running, ...], limit: int, veil: Veil) -> RunningPage:
    last = found[-1] if len(found) == limit else None
    rows = [
        RunningRow(
            **{**asdict(one), "title": veil.text(one.title), "explanation": veil.text(one.explanation)},
            state_name=STATE_NAMES[one.state],
        )
        for one in found
    ]
    return RunningPage(rows=rows, next_due_at=last.due_at if last else None, next_id=last.id if last else None)


def _row(one: Supervision, ctx: Context) -> SupervisionRow:
    veil = veil_of(ctx.actor)
    texts = {name: veil.text(getattr(one, name)) for name in ("reason", "answer", "result")}
    by = one.answered_at or one.ended_at or ctx.now
    late = one.answer_due_at is not None and by > one.answer_due_at
    return SupervisionRow(**{**asdict(one), **texts}, form_name=FORM_NAMES[one.form], late=late)


async def _story(ctx: Context, tx: AsyncConnection, supervision_id: int) -> SupervisionStory:
    found = await supervision_lists.one(tx, supervision_id, ctx.actor)
    veil = veil_of(ctx.actor)
    told = await supervision_lists.notes(tx, supervision_id)
    notes = [NoteRow(at=one.at, by=one.by, unit=one.unit, text=veil.text(one.text)) for one in told]
    return SupervisionStory(supervision=_row(found, ctx), notes=notes)
