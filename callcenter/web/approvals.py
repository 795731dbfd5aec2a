"""Signatures: what waits for me, sign, decline; asking for them; ending unreasonable matters; supplements."""

from typing import Annotated

from pydantic import Field

from callcenter import accounts
from callcenter.types import Role, TicketId, UnitId
from callcenter.web.approval_shapes import ApprovalList, Sheet, WaitingPage, approval_row, sheet_of, waiting_row
from callcenter.web.context import Context
from callcenter.web.router import In, Query, Routes
from callcenter.web.ticket_commands import may
from callcenter.web.ticket_fields import Fields, ReplyContents, Said, Short, Text
from callcenter.web.ticket_shapes import TicketNow, veil_of
from callcenter.web.ticket_work import Versioned, carry_out, changes_of, step, working
from ticketing import service
from ticketing.approvals import lists as approvals_lists
from ticketing.approvals.approvals import AskApproval, AskSignoff, DeclineApproval, SignApproval
from ticketing.approvals.signing import Gate
from ticketing.approvals.supplement import MAX_MISSING, AskSupplement, Supplement
from ticketing.approvals.termination import AskTermination, Judgement
from ticketing.dispatch import units_store
from ticketing.record import TicketNotFound
from ticketing.words import Event

api = Routes("approvals")
READERS = frozenset(Role) - {Role.ADMIN}
Ref = Annotated[tuple[Short, ...], Field(max_length=20)]


class PageQuery(Query):
    """after: `next` of the page before."""

    after: Annotated[int, Field(ge=0, lt=2**63)] = 0
    limit: Annotated[int, Field(ge=1, le=approvals_lists.MAX_PAGE)] = 50


class Asked(Versioned):
    """reason: needed for a report to the leaders, and where it is doubtful whether the request is taken in."""

    gate: Annotated[Gate, Field(strict=False)]
    reason: Text = ""


class Signed(Versioned):
    """signer: as which office, for a person who holds several. instruction: the leader's order, for the units.

    seal: number of the seal or e-seal. reference: the number an outside body gave.
    """

    signer: Short = ""
    opinion: Text = ""
    instruction: Text = ""
    seal: Short = ""
    reference: Short = ""
    attachments: Ref = ()


class Declined(Versioned):
    reason: Said
    signer: Short = ""


class SignoffAsked(Versioned):
    contents: ReplyContents


class Judged(In):
    ticket: Annotated[str, Field(pattern=r"^[0-9]{14}$")]
    reason: Said


class TerminationAsked(Versioned):
    """reason: what the citizen will be told. judgements: requests found unreasonable, this one among them."""

    reason: Said
    judgements: Annotated[tuple[Judged, ...], Field(min_length=1, max_length=50)]
    attachments: Ref = ()


class SupplementAsked(Versioned):
    missing: Annotated[str, Field(min_length=1, max_length=MAX_MISSING)]


class Supplemented(Versioned):
    """note: what the citizen said; needed when no field changes."""

    fields: Fields = Fields()
    note: Text = ""


@api.get("/api/approvals", frozenset({Role.LEADER, Role.UNIT_HEAD, Role.SUPERVISOR}))
async def waiting(ctx: Context, query: PageQuery) -> WaitingPage:
    """待我签批的事项，先提请的在前"""
    veil = veil_of(ctx.actor)
    async with ctx.transaction() as tx:
        rows = await approvals_lists.waiting_for(tx, ctx.actor, after=query.after, limit=query.limit)
    following = rows[-1].step_id if len(rows) == query.limit else None
    return WaitingPage(rows=[waiting_row(row, veil) for row in rows], next=following)


@api.get("/api/tickets/{ticket_id}/approvals", READERS)
async def of_ticket(ctx: Context, ticket_id: str) -> ApprovalList:
    """工单的全部签批：每一步由谁、何时、如何签"""
    veil = veil_of(ctx.actor)
    async with ctx.transaction() as tx:
        ticket = await service.get(tx, TicketId(ticket_id), ctx.actor)
        signed = await approvals_lists.of_ticket(tx, ticket.id)
    return ApprovalList(rows=[approval_row(one, veil, ticket) for one in signed])


@api.get("/api/approvals/{approval_id}/sheet", READERS)
async def sheet(ctx: Context, approval_id: int) -> Sheet:
    """呈批件（签批单）的全部内容，用于打印归档"""
    veil = veil_of(ctx.actor)
    async with ctx.transaction() as tx:
        signed = await approvals_lists.one(tx, approval_id)
        if signed is None:
            raise TicketNotFound
        ticket = await service.get(tx, TicketId(signed.head["ticket_id"]), ctx.actor)
        signers = [step["signed_by"] for step in signed.steps if step["signed_by"]]
        people = await accounts.names_of(tx, (signed.head["asked_by"], *signers))
        unit = UnitId(signed.head["unit"] or "")
        known = await units_store.load(tx, [unit])
    unit_name = known[unit].unit.name if unit in known else unit
    return sheet_of(signed, veil, ticket, unit_name, people)


@api.post("/api/tickets/{ticket_id}/approvals/ask", may(Event.ASK_APPROVAL))
async def ask(ctx: Context, ticket_id: str, body: Asked) -> TicketNow:
    """提请签批：派单前、反馈前、呈报领导或受理认定"""
    return await carry_out(ctx, ticket_id, body, AskApproval(body.gate, body.reason))


@api.post("/api/tickets/{ticket_id}/approvals/sign", may(Event.SIGN_APPROVAL))
async def sign(ctx: Context, ticket_id: str, body: Signed) -> TicketNow:
    """签批同意，可写批示；单位签批须填印章编号"""
    detail = SignApproval(body.signer, body.opinion, body.instruction, body.seal, body.reference, body.attachments)
    return await carry_out(ctx, ticket_id, body, detail)


@api.post("/api/tickets/{ticket_id}/approvals/decline", may(Event.DECLINE_APPROVAL))
async def decline(ctx: Context, ticket_id: str, body: Declined) -> TicketNow:
    """签批不同意，须写明理由"""
    return await carry_out(ctx, ticket_id, body, DeclineApproval(body.reason, body.signer))


@api.post("/api/tickets/{ticket_id}/signoff", may(Event.ASK_SIGNOFF))
async def ask_signoff(ctx: Context, ticket_id: str, body: SignoffAsked) -> TicketNow:
    """办理结果提请单位主要负责人签字盖章，签后即回复"""
    return await carry_out(ctx, ticket_id, body, AskSignoff(body.contents.contents()))


@api.post("/api/tickets/{ticket_id}/termination", may(Event.ASK_TERMINATION))
async def ask_termination(ctx: Context, ticket_id: str, body: TerminationAsked) -> TicketNow:
    """申请终结办理，逐件写明认定为不合理诉求的依据"""
    judged = tuple(Judgement(TicketId(one.ticket), one.reason) for one in body.judgements)
    return await carry_out(ctx, ticket_id, body, AskTermination(body.reason, judged, body.attachments))


@api.post("/api/tickets/{ticket_id}/supplement/ask", may(Event.ASK_SUPPLEMENT))
async def ask_supplement(ctx: Context, ticket_id: str, body: SupplementAsked) -> TicketNow:
    """请诉求人补充，短信告知需要补充的内容"""
    return await carry_out(ctx, ticket_id, body, AskSupplement(body.missing))


@api.post("/api/tickets/{ticket_id}/supplement", may(Event.SUPPLEMENT))
async def supplement(ctx: Context, ticket_id: str, body: Supplemented) -> TicketNow:
    """记录诉求人补充的内容，工单回到已登记"""
    async with working(ctx) as work:
        changes = await changes_of(ctx.services.vault, work.tx, body.fields)
        return await step(ctx, work, ticket_id, body, Supplement(changes, body.note))
