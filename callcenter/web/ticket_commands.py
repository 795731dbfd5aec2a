"""What people ask of a ticket, one endpoint a command of `ticketing.commands`; who may is read off its table.

Every body carries the version the person saw. The answer says where the ticket stands and what they may do next.
"""

from typing import Annotated

from pydantic import Field

from callcenter import flow_tickets
from callcenter.types import Role, TicketId
from callcenter.web.context import Context
from callcenter.web.router import In, Routes
from callcenter.web.ticket_fields import Fields, Moment, Name, ReplyContents, Said, Short, Text
from callcenter.web.ticket_shapes import TicketNow
from callcenter.web.ticket_views import now_of
from callcenter.web.ticket_work import Versioned, carry_out, changes_of, locked, step, working
from ticketing import commands, service
from ticketing.aftercare import followup
from ticketing.aftercare.sms_reply import Rating
from ticketing.approvals.rules import Rank
from ticketing.ticket import TRANSITIONS
from ticketing.words import Event

api = Routes("ticket-commands")


def may(*events: Event) -> frozenset[Role]:
    """The roles that may do this in some state; what the state and the unit allow is decided when it is asked."""
    return frozenset(role for (_, event), row in TRANSITIONS.items() if event in events for role in row.roles)


class Edited(Versioned):
    """reason: needed once the ticket is registered."""

    fields: Fields
    reason: Text = ""


class Registered(Versioned):
    """fields: last corrections. intake_exception: see the policy's `public_intake`."""

    fields: Fields = Fields()
    intake_exception: Text = ""


class Answered(Versioned):
    """knowledge, earlier_ticket: what the answer rests on, at least one of them. way: 处办方式, where listed."""

    text: Said
    knowledge: Short = ""
    earlier_ticket: Annotated[str, Field(pattern=r"^[0-9]{14}$")] | None = None
    way: Name | None = None


class Rejected(Versioned):
    """code: one of the policy's cases of 不予受理; the rest as that case needs it."""

    code: Name
    text: Said
    referred_to: Short = ""
    earlier_ticket: Annotated[str, Field(pattern=r"^[0-9]{14}$")] | None = None
    verification: Text = ""
    citation: Text = ""


class Referred(Versioned):
    target: Annotated[str, Field(min_length=1, max_length=500)]
    text: Said
    way: Name | None = None


class WithReason(Versioned):
    reason: Said


class Signed(Versioned):
    person: Short = ""


class FirstContact(In):
    at: Moment
    method: Short
    told: Text


class Started(Versioned):
    """led_by, rank: who leads the handling inside the unit, where the regulation says who must."""

    contact: FirstContact | None = None
    led_by: Short = ""
    rank: Annotated[Rank, Field(strict=False)] | None = None


class Granted(Versioned):
    reason: Text = ""


class Replied(Versioned):
    contents: ReplyContents


class ReplyRejected(Versioned):
    defect: Annotated[str, Field(min_length=1, max_length=500)]
    reason: Said


class CalledBack(Versioned):
    """rating null: they gave none or were not reached. service: how they were treated, where the policy asks."""

    rating: Rating | None = None
    service: Annotated[str, Field(max_length=64)] = ""
    note: Said


class CauseNoted(Versioned):
    """rating: what the citizen said when called; it stands beside the first rating."""

    code: Name
    note: Said
    rating: Annotated[str, Field(max_length=64)] = ""


class Closed(Versioned):
    """explanation, cause: needed when the rating does not close the ticket by itself.

    lawful: the reply is lawful and proper although the citizen is not satisfied; unrated: they gave no rating.
    """

    explanation: Text = ""
    cause: Annotated[str, Field(max_length=64)] = ""
    lawful: bool = False
    unrated: bool = False


class Reworked(Versioned):
    """mode: handle again, or only explain again. not_done, reasonable: what the person judged. untrue: the reply was
    not what happened."""

    reason: Said
    mode: Annotated[commands.ReworkMode, Field(strict=False)] = commands.ReworkMode.HANDLE
    not_done: bool = False
    reasonable: bool = False
    untrue: bool = False


# ---- at the desk --------------------------------------------------------------------------------------------------


@api.post("/api/tickets/{ticket_id}/edit", may(Event.EDIT))
async def edit(ctx: Context, ticket_id: str, body: Edited) -> TicketNow:
    """修改工单内容；登记之后修改须写明理由"""
    async with working(ctx) as work:
        changes = await changes_of(ctx.services.vault, work.tx, body.fields)
        return await step(ctx, work, ticket_id, body, commands.Edit(changes, body.reason))


@api.post("/api/tickets/{ticket_id}/register", may(Event.REGISTER))
async def register(ctx: Context, ticket_id: str, body: Registered) -> TicketNow:
    """登记受理，办理时限由此起算"""
    async with working(ctx) as work:
        changes = await changes_of(ctx.services.vault, work.tx, body.fields)
        detail = commands.Register(changes, body.intake_exception)
        return await step(ctx, work, ticket_id, body, detail)


@api.post("/api/tickets/{ticket_id}/answer", may(Event.ANSWER))
async def answer(ctx: Context, ticket_id: str, body: Answered) -> TicketNow:
    """直接答复，须注明依据"""
    earlier = TicketId(body.earlier_ticket) if body.earlier_ticket else None
    return await carry_out(ctx, ticket_id, body, commands.Answer(body.text, body.knowledge, earlier, body.way or ""))


@api.post("/api/tickets/{ticket_id}/reject", may(Event.REJECT))
async def reject(ctx: Context, ticket_id: str, body: Rejected) -> TicketNow:
    """不予受理，须选定情形并写明告知内容"""
    earlier = TicketId(body.earlier_ticket) if body.earlier_ticket else None
    detail = commands.Reject(body.code, body.text, body.referred_to, earlier, body.verification, body.citation)
    return await carry_out(ctx, ticket_id, body, detail)


@api.post("/api/tickets/{ticket_id}/refer", may(Event.REFER))
async def refer(ctx: Context, ticket_id: str, body: Referred) -> TicketNow:
    """引导转接：110、其他县市、法院等"""
    return await carry_out(ctx, ticket_id, body, commands.Refer(body.target, body.text, body.way or ""))


@api.post("/api/tickets/{ticket_id}/forward", may(Event.FORWARD))
async def forward(ctx: Context, ticket_id: str, body: Versioned) -> TicketNow:
    """提交派单"""
    return await carry_out(ctx, ticket_id, body, commands.Forward())


@api.post("/api/tickets/{ticket_id}/withdraw", may(Event.WITHDRAW))
async def withdraw(ctx: Context, ticket_id: str, body: WithReason) -> TicketNow:
    """撤回，须写明理由"""
    return await carry_out(ctx, ticket_id, body, commands.Withdraw(body.reason))


# ---- the unit -----------------------------------------------------------------------------------------------------


@api.post("/api/tickets/{ticket_id}/sign", may(Event.SIGN))
async def sign(ctx: Context, ticket_id: str, body: Signed) -> TicketNow:
    """签收"""
    return await carry_out(ctx, ticket_id, body, commands.Sign(body.person))


@api.post("/api/tickets/{ticket_id}/start", may(Event.START))
async def start(ctx: Context, ticket_id: str, body: Started) -> TicketNow:
    """开始办理，可记下与诉求人的首次联系"""
    first = body.contact
    contact = commands.Contact(first.at, first.method, first.told) if first else None
    return await carry_out(ctx, ticket_id, body, commands.Start(contact, body.led_by, body.rank))


@api.post("/api/tickets/{ticket_id}/reply", may(Event.REPLY))
async def reply(ctx: Context, ticket_id: str, body: Replied) -> TicketNow:
    """回复办理结果"""
    return await carry_out(ctx, ticket_id, body, commands.Reply(body.contents.contents()))


# ---- review, survey, end ------------------------------------------------------------------------------------------


@api.post("/api/tickets/{ticket_id}/review/reject-reply", may(Event.REJECT_REPLY))
async def reject_reply(ctx: Context, ticket_id: str, body: ReplyRejected) -> TicketNow:
    """审核不通过，退回重新回复；办理时限不重新起算"""
    return await carry_out(ctx, ticket_id, body, commands.RejectReply(body.defect, body.reason))


@api.post("/api/tickets/{ticket_id}/review/begin-survey", may(Event.BEGIN_SURVEY))
async def begin_survey(ctx: Context, ticket_id: str, body: Granted) -> TicketNow:
    """审核通过，开始回访"""
    return await carry_out(ctx, ticket_id, body, commands.BeginSurvey(body.reason))


@api.post("/api/tickets/{ticket_id}/survey/called", may(Event.RATE))
async def survey_called(ctx: Context, ticket_id: str, body: CalledBack) -> TicketNow:
    """填写人工回访结果；市民本人的短信评价不能由他人填写"""
    async with working(ctx) as work:
        await locked(ctx, work, ticket_id, body.version)
        followed = await followup.called(
            work.tx,
            TicketId(ticket_id),
            body.rating,
            note=body.note,
            actor=ctx.actor,
            now=work.now,
            rules=work.rules,
            service=body.service,
        )
        await work.tell(followed.facts)
        return now_of(await service.get(work.tx, TicketId(ticket_id), ctx.actor), ctx.actor)


@api.post("/api/tickets/{ticket_id}/cause", may(Event.NOTE_CAUSE))
async def note_cause(ctx: Context, ticket_id: str, body: CauseNoted) -> TicketNow:
    """记录不满意的原因"""
    return await carry_out(ctx, ticket_id, body, commands.NoteCause(body.code, body.note, body.rating))


@api.post("/api/tickets/{ticket_id}/close", may(Event.CLOSE))
async def close(ctx: Context, ticket_id: str, body: Closed) -> TicketNow:
    """办结；评价不满意的，须有客观原因并写明向诉求人所作的解释"""
    detail = commands.Close(body.explanation, body.cause, body.lawful, body.unrated)
    return await carry_out(ctx, ticket_id, body, detail)


@api.post("/api/tickets/{ticket_id}/rework", may(Event.REWORK))
async def rework(ctx: Context, ticket_id: str, body: Reworked) -> TicketNow:
    """重新交办，开始新的一轮；回复不实的一并认定，原回复保留"""
    detail = commands.Rework(body.reason, body.mode, body.not_done, body.reasonable, body.untrue)
    return await carry_out(ctx, ticket_id, body, detail)


@api.post("/api/tickets/{ticket_id}/archive", may(Event.ARCHIVE))
async def archive(ctx: Context, ticket_id: str, body: Versioned) -> TicketNow:
    """归档：连同录音与转写的校验值一起封存，此后不再改变"""
    async with working(ctx) as work:
        ticket = await locked(ctx, work, ticket_id, body.version)
        materials = await flow_tickets.materials_of(work.tx, ticket)
        return await step(ctx, work, ticket_id, body, commands.Archive(materials))
