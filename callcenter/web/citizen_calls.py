"""Calling a ticket's citizen through the platform: a telephone of ours rings first, and nobody is shown the number."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import accounts, commands, outgoing, ticket_calls
from callcenter.audit import Audited, note
from callcenter.tables import call_command, handling_unit
from callcenter.ticket_call_work import METHOD
from callcenter.ticket_calls import Asked, TicketCall
from callcenter.types import AgentId, CallId, Role, TicketId, UnitId
from callcenter.units import with_telephone
from callcenter.web.context import Context
from callcenter.web.problems import Problem
from callcenter.web.router import In, Out, Routes
from callcenter.web.ticket_commands import may
from callcenter.web.ticket_fields import Short
from ticketing import service, store
from ticketing.aftercare import rows as aftercare_rows
from ticketing.aftercare.contacts import HOTLINE, PURPOSE_NAMES, NoteContact, Purpose
from ticketing.commands import Command
from ticketing.record import Context as Judged
from ticketing.record import Ticket
from ticketing.ticket import advance
from ticketing.words import Event

api = Routes("citizen-calls")
CALLERS = may(Event.NOTE_CONTACT)
READERS = CALLERS | {Role.DISPATCHER, Role.AUDITOR}


class CallWanted(In):
    """over_reason: needed outside the hours and beyond the budget of the policy."""

    purpose: Annotated[Purpose, Field(strict=False)]
    over_reason: Short = ""


class CallBegun(Out):
    """call: the call that is being made; rings: own or unit, whose telephone rings first."""

    call: str
    command: int
    rings: str


class TicketCallRow(Out):
    """stage: ringing_you, ringing_citizen, talking, reached, unreached, failed or unknown. sentence: why it failed.

    noted: the contact is written into the ticket; an answered call waits for it. mine: by the side that asks now.
    """

    call: str
    purpose: str
    purpose_name: str
    over_reason: str
    by: str
    unit: str | None
    stage: str
    sentence: str
    asked_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    talked_s: float
    noted: bool
    mine: bool


class TicketCallRows(Out):
    rows: list[TicketCallRow]


@api.post("/api/tickets/{ticket_id}/call-citizen", CALLERS)
async def call_citizen(ctx: Context, ticket_id: str, body: CallWanted) -> CallBegun:
    """呼叫诉求人：先振铃本人话机（承办单位振铃本单位电话），接听后接通诉求人，双方只见热线号码

    时段和次数按本地规定；同一诉求人同时只有一通。带 Idempotency-Key 头重复提交，只拨一次。
    """
    now, call_id = ctx.now, ticket_calls.new_call_id(ctx.services.node, ctx.now)
    async with ctx.transaction() as tx:
        if (before := await ticket_calls.known(tx, ctx.repeat_key)) is not None:
            return await _again(tx, before, ticket_id)
        ticket = await service.get(tx, TicketId(ticket_id), ctx.actor)
        await _allowed(tx, ctx, ticket, body, now)
        asked = await _asked(tx, ctx, ticket, body)
        await ticket_calls.begin(tx, asked, call_id, now)
        command = await _ring(tx, ctx, asked, call_id)
        detail: dict[str, str | int] = {"call": call_id, "purpose": body.purpose, "reason": body.over_reason}
        await note(tx, Audited(ctx.actor, "ticket.call_citizen", f"ticket:{ticket.id}", detail=detail))
        shown = await outgoing.shown(tx, call_id, now)
    await ctx.services.board.publish(shown)
    return CallBegun(call=call_id, command=command, rings="unit" if asked.unit else "own")


@api.get("/api/tickets/{ticket_id}/calls", READERS)
async def list_ticket_calls(ctx: Context, ticket_id: str) -> TicketCallRows:
    """为本工单拨打诉求人的记录，新的在前；承办单位只见本单位的"""
    unit = store.unit_scope(ctx.actor)
    async with ctx.transaction() as tx:
        ticket = await service.get(tx, TicketId(ticket_id), ctx.actor)
        found = await ticket_calls.of_ticket(tx, ticket.id, unit)
        names = await accounts.names_of(tx, {one.actor for one in found})
        why = await _sentences(tx, [one.call_id for one in found if one.state in ("failed", "unknown")])
    return TicketCallRows(rows=[_row(one, names, why, unit) for one in found])


async def _again(tx: AsyncConnection, before: Any, ticket_id: str) -> CallBegun:
    """The same request once more."""
    if before.ticket_id != ticket_id:
        raise Problem(422, "bad_idempotency_key", "这个 Idempotency-Key 已用于另一张工单。请换一个再提交。")
    query = select(call_command.c.id).where(call_command.c.key == _key(before.call_id))
    command = (await tx.execute(query)).scalar_one()
    return CallBegun(call=before.call_id, command=command, rings="unit" if before.unit else "own")


async def _allowed(tx: AsyncConnection, ctx: Context, ticket: Ticket, body: CallWanted, now: datetime) -> None:
    """Who could write this talk down may have it: the same rules, before the call instead of after it.

    Raises NotNow, NotYours, and GuardFailed with the article.
    """
    rules = ctx.services.rules
    policy = rules.of(ticket.policy_id, ticket.policy_version)
    talk = NoteContact(now, METHOD, METHOD, body.purpose, over_reason=body.over_reason)
    advance(ticket, Command(ctx.actor, talk), policy, rules.calendar, now)
    if body.purpose is Purpose.FOLLOW_UP:
        await aftercare_rows.keep_budget(tx, ticket, talk, Judged(ctx.actor, policy, rules.calendar, now))


async def _asked(tx: AsyncConnection, ctx: Context, ticket: Ticket, body: CallWanted) -> Asked:
    if ticket.requester is None:
        raise Problem(409, "no_number", "本工单没有登记诉求人的号码，不能拨打。请先在工单中补充联系电话。")
    agent: AgentId | None = None
    unit: UnitId | None = None
    if ctx.actor.roles & HOTLINE:
        agent = ctx.extension
    else:
        unit = await _unit_with_telephone(tx, ctx.actor.unit)
    return Asked(
        key=ctx.repeat_key,
        ticket_id=ticket.id,
        round=ticket.round,
        caller=ticket.requester,
        purpose=body.purpose,
        over_reason=body.over_reason,
        actor=str(ctx.actor),
        agent=agent,
        unit=unit,
    )


async def _unit_with_telephone(tx: AsyncConnection, unit: UnitId | None) -> UnitId:
    query = select(handling_unit.c.id).where(handling_unit.c.id == unit, with_telephone())
    found = (await tx.execute(query)).scalar_one_or_none()
    if found is None:
        raise Problem(409, "no_unit_telephone", "单位通讯录中没有本单位的电话，不能拨打。请联系热线管理员登记。")
    return UnitId(found)


async def _ring(tx: AsyncConnection, ctx: Context, asked: Asked, call_id: CallId) -> int:
    whose = {"unit": asked.unit} if asked.unit else {"agent": asked.agent}
    return await commands.ask(
        tx,
        commands.Kind.CALL_BACK,
        key=_key(call_id),
        node=ctx.services.node,
        actor=ctx.actor,
        call_id=call_id,
        args={**whose, "caller": asked.caller, "ticket": asked.ticket_id},
    )


def _key(call_id: str) -> str:
    return f"call_citizen:{call_id}"


async def _sentences(tx: AsyncConnection, calls: list[CallId]) -> dict[str, str]:
    """Call -> why its command was not done, in words for who asked."""
    keys = {_key(one): one for one in calls}
    query = select(call_command.c.key, call_command.c.result).where(call_command.c.key.in_(keys))
    return {keys[row.key]: str((row.result or {}).get("sentence", "")) for row in await tx.execute(query)}


def _row(one: TicketCall, names: dict[str, str], why: dict[str, str], unit: UnitId | None) -> TicketCallRow:
    return TicketCallRow(
        call=one.call_id,
        purpose=one.purpose,
        purpose_name=PURPOSE_NAMES[Purpose(one.purpose)],
        over_reason=one.over_reason,
        by=names.get(one.actor, one.actor),
        unit=one.unit,
        stage=one.stage,
        sentence=why.get(one.call_id, ""),
        asked_at=one.asked_at,
        answered_at=one.answered_at,
        ended_at=one.ended_at,
        talked_s=round(one.talked_s, 1),
        noted=one.noted_at is not None,
        mine=one.unit == unit,
    )
