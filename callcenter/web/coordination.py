"""Coordination meetings and site visits: units are called together, and say who comes and what they will do."""

from datetime import datetime
from typing import Annotated

from pydantic import Field
from sqlalchemy import select

from callcenter.audit import Audited, note
from callcenter.board import BoardEvent, Json
from callcenter.tables import handling_unit
from callcenter.types import Role, TicketId, UnitId
from callcenter.web.context import Context
from callcenter.web.problems import Problem
from callcenter.web.router import In, Out, Routes
from callcenter.web.ticket_fields import Moment, Name, Said
from callcenter.web.ticket_work import working
from callcenter.web.tickets import READERS
from ticketing.dispatch import coordination
from ticketing.dispatch.coordination import KIND_NAMES, Answered, Called, Kind, Notice
from ticketing.record import NotYours

api = Routes("coordination")
CALLERS = frozenset({Role.DISPATCHER, Role.REVIEWER, Role.SUPERVISOR})
CALLED = frozenset({Role.UNIT, Role.UNIT_HEAD})
Line = Annotated[str, Field(min_length=1, max_length=200)]


class NoticeIn(In):
    """units: ids of /api/units; any unit may be called, whether it works on the ticket or not."""

    kind: Annotated[Kind, Field(strict=False)]
    agenda: Said
    place: Annotated[str, Field(min_length=1, max_length=500)]
    at: Moment
    units: Annotated[tuple[Name, ...], Field(min_length=1, max_length=50)]


class AnswerIn(In):
    """materials: what the unit brings, by name or reference."""

    attendees: Annotated[tuple[Line, ...], Field(min_length=1, max_length=20)]
    opinion: Said
    materials: Annotated[tuple[Line, ...], Field(max_length=20)] = ()


class AnswerRow(Out):
    unit: str
    attendees: list[str]
    materials: list[str]
    opinion: str
    answered_at: datetime | None


class NoticeRow(Out):
    id: int
    kind: str
    kind_name: str
    agenda: str
    place: str
    at: datetime
    called_by: str
    units: list[AnswerRow]


class NoticeList(Out):
    rows: list[NoticeRow]


class NoticeNow(Out):
    id: int


@api.post("/api/tickets/{ticket_id}/coordination", CALLERS)
async def call(ctx: Context, ticket_id: str, body: NoticeIn) -> NoticeNow:
    """召集协调会议或现场踏勘，通知有关单位"""
    notice = Notice(body.kind, body.agenda, body.place, body.at, tuple(UnitId(one) for one in body.units))
    async with working(ctx) as work:
        known = select(handling_unit.c.id).where(handling_unit.c.id.in_(body.units), handling_unit.c.active)
        missing = sorted(set(body.units) - set((await work.tx.execute(known)).scalars()))
        if missing:
            raise Problem(
                422, "unit_unknown", f"没有这家承办单位，或已停用：{'、'.join(missing)}。请从单位名录中选择。"
            )
        number = await coordination.call(work.tx, TicketId(ticket_id), notice, actor=ctx.actor, now=work.now)
        await note(work.tx, Audited(ctx.actor, "coordination.call", f"ticket:{ticket_id}", detail={"id": number}))
        for unit in body.units:
            data: dict[str, Json] = {
                "id": number,
                "ticket": ticket_id,
                "unit": unit,
                "kind_name": KIND_NAMES[body.kind],
            }
            work.shown.append(BoardEvent("coordination.called", data | {"at": body.at.isoformat()}))
    return NoticeNow(id=number)


@api.get("/api/tickets/{ticket_id}/coordination", READERS)
async def of_ticket(ctx: Context, ticket_id: str) -> NoticeList:
    """工单的协调会议与现场踏勘，以及各单位的答复"""
    async with ctx.transaction() as tx:
        called = await coordination.of_ticket(tx, TicketId(ticket_id), actor=ctx.actor)
    return NoticeList(rows=[_row(one) for one in called])


@api.get("/api/coordination", CALLED)
async def waiting(ctx: Context) -> NoticeList:
    """本单位尚未答复的协调会议与现场踏勘通知，近的在前"""
    if ctx.actor.unit is None:
        raise NotYours("您的账号没有所属单位。请联系管理员设置。")
    async with ctx.transaction() as tx:
        called = await coordination.waiting_for(tx, ctx.actor.unit)
    return NoticeList(rows=[_row(one) for one in called])


@api.post("/api/coordination/{notice_id}/answer", CALLED)
async def answer(ctx: Context, notice_id: int, body: AnswerIn) -> None:
    """答复协调会议或现场踏勘通知：参加人员、提供的资料、办理意见"""
    given = Answered(ctx.actor.unit or UnitId(""), body.attendees, body.materials, body.opinion, None)
    async with working(ctx) as work:
        ticket_id = await coordination.answer(work.tx, notice_id, given, actor=ctx.actor, now=work.now)
        await note(work.tx, Audited(ctx.actor, "coordination.answer", f"ticket:{ticket_id}", detail={"id": notice_id}))
        data: dict[str, Json] = {"id": notice_id, "ticket": ticket_id, "unit": given.unit}
        work.shown.append(BoardEvent("coordination.answered", data))


def _row(one: Called) -> NoticeRow:
    return NoticeRow(
        id=one.id,
        kind=one.kind,
        kind_name=KIND_NAMES[one.kind],
        agenda=one.agenda,
        place=one.place,
        at=one.at,
        called_by=one.called_by,
        units=[
            AnswerRow(
                unit=said.unit,
                attendees=list(said.attendees),
                materials=list(said.materials),
                opinion=said.opinion,
                answered_at=said.answered_at,
            )
            for said in one.units
        ],
    )
