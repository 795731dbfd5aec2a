"""Secrets: marks, publication, reveals for a purpose, copies that another person approved, the citizen's own view."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Annotated

from pydantic import Field

from callcenter.audit import Audited, note
from callcenter.citizen import progress
from callcenter.types import Role, TicketId
from callcenter.web import reveals
from callcenter.web.context import Context
from callcenter.web.problems import Problem
from callcenter.web.router import In, Out, Query, Routes
from callcenter.web.ticket_commands import may
from callcenter.web.ticket_fields import Said
from callcenter.web.ticket_shapes import DeadlineRow, TicketNow, Veil, veil_of
from callcenter.web.ticket_views import deadline_row
from callcenter.web.ticket_work import Versioned, carry_out
from ticketing import service, store
from ticketing.aftercare import releases
from ticketing.aftercare.confidentiality import DecidePublication, Mark, is_secret
from ticketing.aftercare.ticket_file import Section, TicketFile, ticket_file
from ticketing.clocks import SHANGHAI, DeadlineKind
from ticketing.dispatch.planning import DEADLINE_NAMES
from ticketing.words import Event, Flag

api = Routes("secrecy")
EXPORTERS = frozenset({Role.DISPATCHER, Role.REVIEWER, Role.SUPERVISOR, Role.AUDITOR})
APPROVERS = frozenset({Role.REVIEWER, Role.SUPERVISOR})
Number = Annotated[str, Field(pattern=r"^[0-9]{14}$")]
KEPT = {"open": "进行中", "met": "按期", "late": "逾期", "ended": "已终止"}


class Marked(Versioned):
    """Left out stays as it is. sensitivity: a class of the policy, empty for none."""

    reason: Said
    confidential: bool | None = None
    sensitivity: Annotated[str, Field(max_length=64)] | None = None
    add: Annotated[tuple[Annotated[Flag, Field(strict=False)], ...], Field(max_length=10)] = ()
    drop: Annotated[tuple[Annotated[Flag, Field(strict=False)], ...], Field(max_length=10)] = ()


class Publication(Versioned):
    """consent: the citizen agreed; suitable: nothing in it is unfit for the public."""

    publish: bool
    reason: Said
    consent: bool = False
    suitable: bool = False


class Reveal(In):
    """purpose: a code of the policy's list; reason: why just now, for those who read the audit later."""

    purpose: Annotated[str, Field(min_length=1, max_length=64)]
    reason: Annotated[str, Field(min_length=4, max_length=200, pattern=r"\S[\s\S]{2,}\S")]


class Revealed(Out):
    number: str
    name: str


class Asked(In):
    kind: releases.Kind
    purpose: Annotated[str, Field(min_length=4, max_length=500)]


class Approved(In):
    note: Annotated[str, Field(min_length=1, max_length=500)]


class ReleaseRow(Out):
    id: int
    ticket: str
    kind: str
    kind_name: str
    purpose: str
    asked_at: datetime
    asked_by: str
    approved_at: datetime | None
    approved_by: str | None
    used_at: datetime | None


class ReleaseQuery(Query):
    """after: the last id of the page before."""

    after: Annotated[int, Field(ge=0, lt=2**63)] = 0
    limit: Annotated[int, Field(ge=1, le=releases.MAX_PAGE)] = 50


class ReleasePage(Out):
    rows: list[ReleaseRow]


class SectionOut(Out):
    title: str
    columns: list[str]
    rows: list[list[str]]


class KindCount(Out):
    """A kind of material the policy wants kept, and how many of it there are; 0: kept on paper, or not at all."""

    kind: str
    count: int


class FileOut(Out):
    """number: the archive number. watermark: who printed it, and when."""

    ticket: str
    title: str
    number: str
    policy: str
    sections: list[SectionOut]
    kinds: list[KindCount]
    watermark: str


class ProgressAsked(In):
    """code: from the message that told the ticket's number."""

    ticket: Number
    code: Annotated[str, Field(pattern=r"^[0-9]{8}$")]


class ProgressOut(Out):
    """promised_at: when the result is due; provisional: it may still move."""

    ticket: str
    status: str
    unit: str
    next_step: str
    promised_at: datetime | None
    provisional: bool
    registered_at: datetime | None
    closed_at: datetime | None


@api.post("/api/tickets/{ticket_id}/mark", may(Event.FLAG))
async def mark(ctx: Context, ticket_id: str, body: Marked) -> TicketNow:
    """标记保密、涉密类别、重点、作风等；取消保密标记须由审核员或督办员操作"""
    detail = Mark(body.reason, body.confidential, body.sensitivity, frozenset(body.add), frozenset(body.drop))
    return await carry_out(ctx, ticket_id, body, detail)


@api.post("/api/tickets/{ticket_id}/publication", may(Event.DECIDE_PUBLICATION))
async def decide_publication(ctx: Context, ticket_id: str, body: Publication) -> TicketNow:
    """公开审核：须诉求人同意并适宜公开，默认不公开，涉密的不得公开"""
    detail = DecidePublication(body.publish, body.reason, body.consent, body.suitable)
    return await carry_out(ctx, ticket_id, body, detail)


@api.post("/api/tickets/{ticket_id}/reveal", reveals.LOOKERS)
async def reveal(ctx: Context, ticket_id: str, body: Reveal) -> Revealed:
    """查看诉求人的号码和姓名，须选定用途并写明理由，每次查看都有记录；信息保密的承办单位不能查看"""
    async with ctx.transaction() as tx:
        ticket = await service.get(tx, TicketId(ticket_id), ctx.actor)
        policy = ctx.services.rules.of(ticket.policy_id, ticket.policy_version)
        refused = reveals.refused(ticket, policy, ctx.actor, body.purpose)
        detail = {"purpose": body.purpose, "reason": body.reason}
        await note(tx, Audited(ctx.actor, "ticket.reveal", f"ticket:{ticket.id}", refused is None, detail))
        if refused is None:
            assert ticket.requester is not None
            said = f"{body.purpose}: {body.reason} ({ticket.id})"
            number = await ctx.services.vault.reveal(tx, ticket.requester, actor=ctx.actor, purpose=said)
    if refused is not None:
        raise refused
    return Revealed(number=number.digits, name=ticket.contact_name)


@api.post("/api/tickets/{ticket_id}/releases", EXPORTERS)
async def ask_release(ctx: Context, ticket_id: str, body: Asked) -> ReleaseRow:
    """申请导出或复制涉密、保密工单，由另一人批准后可用一次"""
    now = ctx.now
    async with ctx.transaction() as tx:
        ticket = await service.get(tx, TicketId(ticket_id), ctx.actor)
        made = await releases.ask(tx, ticket, body.kind, body.purpose, actor=ctx.actor, now=now)
        await note(tx, Audited(ctx.actor, "release.ask", f"ticket:{ticket.id}", detail={"purpose": body.purpose}))
    return _release(made, veil_of(ctx.actor))


@api.get("/api/releases", APPROVERS)
async def list_releases(ctx: Context, query: ReleaseQuery) -> ReleasePage:
    """等待批准的导出、复制申请"""
    async with ctx.transaction() as tx:
        found = await releases.waiting(tx, after=query.after, limit=query.limit)
    return ReleasePage(rows=[_release(one, veil_of(ctx.actor)) for one in found])


@api.post("/api/releases/{release_id}/approve", APPROVERS)
async def approve_release(ctx: Context, release_id: int, body: Approved) -> ReleaseRow:
    """批准导出或复制；不能批准自己的申请"""
    now = ctx.now
    async with ctx.transaction() as tx:
        done = await releases.approve(tx, release_id, body.note, actor=ctx.actor, now=now)
        await note(tx, Audited(ctx.actor, "release.approve", f"ticket:{done.ticket_id}", detail={"release": done.id}))
    return _release(done, veil_of(ctx.actor))


@api.post("/api/tickets/{ticket_id}/file", EXPORTERS)
async def export_file(ctx: Context, ticket_id: str) -> FileOut:
    """可打印的工单档案；涉密、保密的须先经另一人批准，每次导出都有记录"""
    now = ctx.now
    async with ctx.transaction() as tx:
        ticket = await service.get(tx, TicketId(ticket_id), ctx.actor)
        policy = ctx.services.rules.of(ticket.policy_id, ticket.policy_version)
        allowed = not is_secret(ticket) or await releases.use(tx, ticket, "export", actor=ctx.actor, now=now)
        await note(tx, Audited(ctx.actor, "ticket.export", f"ticket:{ticket.id}", bool(allowed)))
        made = await ticket_file(tx, ticket, policy) if allowed else None
        dues = (*await store.earlier_dues(tx, ticket), *ticket.dues)
    if made is None:
        raise Problem(403, "release_needed", "涉密、保密的工单未经批准不得导出。请先申请，由另一人批准。")
    limits = _limits([deadline_row(due, policy, now) for due in dues])
    whole = replace(made, sections=(*made.sections, limits))
    moment = f"{now.astimezone(SHANGHAI):%Y-%m-%d %H:%M:%S}"
    return _file(whole, veil_of(ctx.actor), f"{ctx.person.name}（{ctx.person.login}）{moment}")


def _limits(rows: Sequence[DeadlineRow]) -> Section:
    """Every limit, and the article it rests on."""
    columns = ("轮次", "事项", "起算时间", "期限", "完成时间", "情况", "依据", "规定")
    return Section("时限与依据", columns, tuple(_limit(row) for row in rows))


def _limit(row: DeadlineRow) -> tuple[str, ...]:
    met = _moment(row.met_at or row.ended_at)
    times = (_moment(row.from_at), _moment(row.due_at), met)
    return (str(row.round), DEADLINE_NAMES[DeadlineKind(row.kind)], *times, KEPT[row.state], row.basis, row.policy)


def _moment(at: datetime | None) -> str:
    return f"{at.astimezone(SHANGHAI):%Y-%m-%d %H:%M}" if at else ""


def _file(made: TicketFile, veil: Veil, watermark: str) -> FileOut:
    sections = [
        SectionOut(
            title=section.title,
            columns=list(section.columns),
            rows=[[veil.text(cell) for cell in row] for row in section.rows],
        )
        for section in made.sections
    ]
    return FileOut(
        ticket=made.ticket,
        title=veil.text(made.title),
        number=made.number,
        policy=made.policy,
        sections=sections,
        kinds=[KindCount(kind=kind, count=count) for kind, count in made.kinds],
        watermark=watermark,
    )


def _release(one: releases.Release, veil: Veil) -> ReleaseRow:
    return ReleaseRow(
        id=one.id,
        ticket=one.ticket_id,
        kind=one.kind,
        kind_name=releases.KIND_NAMES[one.kind],
        purpose=veil.text(one.purpose),
        asked_at=one.asked_at,
        asked_by=one.asked_by,
        approved_at=one.approved_at,
        approved_by=one.approved_by,
        used_at=one.used_at,
    )


@api.post("/api/progress", None)
async def read_progress(ctx: Context, body: ProgressAsked) -> ProgressOut:
    """诉求人凭工单编号和查询码查看办理进度

    编号不存在、查询码不符、尝试过多，答复相同；不显示任何人的身份。
    """
    async with ctx.transaction() as tx:
        found = await progress.read(tx, ctx.services.vault, body.ticket, body.code, ctx.now)
    if found is None:
        raise Problem(404, "no_such_ticket", "工单编号或查询码不正确，或尝试次数过多。请稍后再试，或拨打12345查询。")
    seen = found.progress
    return ProgressOut(
        ticket=seen.number,
        status=seen.status,
        unit=seen.unit,
        next_step=seen.next_step,
        promised_at=seen.promised_at,
        provisional=seen.provisional,
        registered_at=seen.registered_at,
        closed_at=seen.closed_at,
    )
