"""Small papers as files to print, sign and keep: what the API gives as data, set as docx or PDF.

Who may, what is masked and what is written down is decided by the endpoint that gives the same as data.
"""

import asyncio
from typing import Annotated, Any, Literal
from urllib.parse import quote

from aiohttp import web
from pydantic import Field

from callcenter.audit import Audited, note
from callcenter.reports import papers
from callcenter.reports.orders import CONTENT_TYPES
from callcenter.reports.paper import Paper
from callcenter.types import Role, TicketId, UnitId
from callcenter.web import accountability, approvals, secrecy, supervision
from callcenter.web.appraisal import desk_of
from callcenter.web.approval_rows import StepRow
from callcenter.web.context import Context
from callcenter.web.problems import NotFound
from callcenter.web.router import Query, Routes
from callcenter.web.ticket_shapes import veil_of
from ticketing import service
from ticketing.aftercare.ticket_file import last_reply
from ticketing.appraisal.reports import Format
from ticketing.clocks import SHANGHAI, local_day
from ticketing.dispatch import units_store

api = Routes("papers")
OPINION_READERS = frozenset({Role.UNIT, Role.UNIT_HEAD, Role.DISPATCHER, Role.REVIEWER, Role.SUPERVISOR})


class Wanted(Query):
    """format: docx to be filled in further, pdf to be printed."""

    format: Annotated[Literal["docx", "pdf"], Field(description="docx 或 pdf")] = "docx"


@api.get("/api/approvals/{approval_id}/paper", approvals.READERS)
async def approval_sheet(ctx: Context, approval_id: int, query: Wanted) -> web.StreamResponse:
    """呈批件（签批单）的文件，已签的意见在内"""
    sheet = await approvals.sheet(ctx, approval_id)
    asked = sheet.approval
    course = f"{_at(sheet.registered_at)}登记，第{sheet.request_no}次诉求，第{sheet.round}轮办理。"
    paper = papers.ApprovalSheet(
        number=f"{sheet.ticket}-{asked.id}",
        issuer=_issuer(ctx),
        day=local_day(ctx.now),
        ticket=sheet.ticket,
        title=sheet.title,
        matter="\n".join(part for part in (sheet.place, sheet.content) if part),
        course=course,
        proposal="\n".join(part for part in (asked.why, f"依据：{asked.basis}", asked.reading) if part),
        opinions=tuple(_opinion(step, sheet.people) for step in asked.steps),
    )
    return await _file(ctx, papers.approval_sheet(paper), f"approval:{approval_id}", query)


@api.get("/api/supervisions/{supervision_id}/paper", supervision.LOOKERS)
async def supervision_notice(ctx: Context, supervision_id: int, query: Wanted) -> web.StreamResponse:
    """督办通知书的文件"""
    row = (await supervision.supervision_story(ctx, supervision_id)).supervision
    unit = await _unit_name(ctx, row.unit or "")
    paper = papers.SupervisionNotice(
        number=f"督{row.id}",
        issuer=_issuer(ctx),
        day=local_day(row.opened_at),
        unit=unit,
        ticket=row.ticket_id or "",
        title=row.label,
        reason=row.reason,
        form=row.form_name,
        demand="请在反馈期限内办理，并书面反馈办理情况。",
        answer_by=_at(row.answer_due_at),
        basis=row.basis,
        joint=tuple(row.joint),
    )
    return await _file(ctx, papers.supervision_notice(paper), f"supervision:{supervision_id}", query)


@api.get("/api/tickets/{ticket_id}/opinion/paper", OPINION_READERS)
async def handling_opinion(ctx: Context, ticket_id: str, query: Wanted) -> web.StreamResponse:
    """书面办理意见的文件：承办单位最近一次有效回复"""
    veil = veil_of(ctx.actor)
    async with ctx.transaction() as tx:
        ticket = await service.get(tx, TicketId(ticket_id), ctx.actor)
        reply = await last_reply(tx, ticket.id)
    if reply is None:
        raise NotFound
    paper = papers.HandlingOpinion(
        number=ticket.id,
        unit=await _unit_name(ctx, reply.unit),
        day=local_day(reply.replied_at),
        ticket=ticket.id,
        title=veil.text(ticket.title),
        facts=veil.text(reply.situation),
        law=veil.text(reply.law),
        opinion=veil.text(reply.plan or ticket.result),
        handler=reply.handler,
        signed_by=reply.signed_by,
    )
    return await _file(ctx, papers.handling_opinion(paper), f"ticket:{ticket.id}", query)


@api.get("/api/accountability/cases/{case_id}/paper", accountability.SEERS)
async def accountability_proposal(ctx: Context, case_id: int, query: Wanted) -> web.StreamResponse:
    """追责问责建议书的文件"""
    told = (await accountability.case_proposal(ctx, case_id)).proposal
    subject, reason, evidence = told["subject"], told["reason"], told["evidence"]
    paper = papers.AccountabilityProposal(
        number=f"责{case_id}",
        issuer=_issuer(ctx),
        day=local_day(ctx.now),
        unit=subject["unit_name"] or subject["unit"] or "热线工作人员",
        circumstances=told["facts"],
        counts=((f"{reason['label']}：列入证据的记录", len(evidence)), ("已采取的步骤", len(told["steps"]))),
        tickets=tuple(dict.fromkeys(str(one["ticket"]) for one in evidence)),
        proposal="、".join(part for part in (told["severity"], told["outcome"]["label"]) if part),
        addressee="、".join(told["recipients"]),
        basis=reason["basis"],
    )
    return await _file(ctx, papers.accountability_proposal(paper), f"case:{case_id}", query)


@api.post("/api/tickets/{ticket_id}/file/paper", secrecy.EXPORTERS)
async def ticket_file(ctx: Context, ticket_id: str, query: Wanted) -> web.StreamResponse:
    """可打印的工单档案文件；涉密、保密的须先经另一人批准"""
    made = await secrecy.export_file(ctx, ticket_id)
    sections = tuple(
        papers.Section(one.title, tuple(one.columns), tuple(tuple(row) for row in one.rows)) for one in made.sections
    )
    paper = papers.TicketFile(
        ticket=made.ticket,
        issuer=_issuer(ctx),
        day=local_day(ctx.now),
        title=made.title,
        policy=made.policy,
        sections=sections,
        kinds=tuple((one.kind, one.count) for one in made.kinds),
        watermark=made.watermark,
        archive=made.number,
    )
    return await _file(ctx, papers.ticket_file(paper), f"ticket:{made.ticket}", query)


async def _file(ctx: Context, paper: Paper, subject: str, query: Wanted) -> web.Response:
    data = await asyncio.to_thread(_written, paper, Format(query.format), desk_of(ctx).font)
    async with ctx.transaction() as tx:
        detail: dict[str, Any] = {"paper": paper.title, "format": query.format}
        await note(tx, Audited(ctx.actor, "paper.download", subject, detail=detail))
    name = quote(f"{paper.title}-{paper.number.rpartition('：')[2]}.{query.format}")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    return web.Response(body=data, content_type=CONTENT_TYPES[Format(query.format)], headers=headers)


def _written(paper: Paper, format_: Format, named: Any) -> bytes:
    # Only when a paper is asked for: the libraries that write documents are large.
    from callcenter.reports import fonts, writing

    return writing.write(paper, format_, fonts.find(named))


def _issuer(ctx: Context) -> str:
    return f"{ctx.services.rules.at(ctx.now).region}12345政务服务便民热线"


async def _unit_name(ctx: Context, unit: str) -> str:
    async with ctx.transaction() as tx:
        known = await units_store.load(tx, [UnitId(unit)])
    return known[UnitId(unit)].unit.name if UnitId(unit) in known else unit


def _opinion(step: StepRow, people: dict[str, str]) -> papers.Opinion:
    signed_by = step.signed_by or ""
    said = "\n".join(part for part in (step.opinion, step.instruction) if part)
    on = local_day(step.signed_at) if step.signed_at else None
    return papers.Opinion(step.signer, said or ("同意" if step.signed_at else ""), people.get(signed_by, signed_by), on)


def _at(at: Any) -> str:
    return at.astimezone(SHANGHAI).strftime("%Y-%m-%d %H:%M") if at else ""
