"""Meetings and site visits about a hard matter: who is called, who came, with what, and what each unit will do.

Beside the ticket's course: nothing waits for them and no clock runs. Takes the caller's transaction.
Source: LS-021 (疑难复杂事项协调会议通知或现场踏勘通知).
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import Actor, TicketId, UnitId
from ticketing import store
from ticketing.dispatch.coordination_tables import coordination, coordination_unit
from ticketing.record import GuardFailed, NotYours, TicketNotFound
from ticketing.words import State

ENDED = frozenset({State.DRAFT, State.ARCHIVED, State.TERMINATED, State.WITHDRAWN, State.MERGED})


class Kind(StrEnum):
    MEETING = "meeting"
    SITE = "site"


KIND_NAMES: dict[Kind, str] = {Kind.MEETING: "协调会议", Kind.SITE: "现场踏勘"}


@dataclass(frozen=True, slots=True)
class Notice:
    """agenda: what is to be settled. at: when it takes place, aware UTC."""

    kind: Kind
    agenda: str
    place: str
    at: datetime
    units: tuple[UnitId, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """A unit's answer; answered_at None: it has not answered yet. materials: references of what it brought."""

    unit: UnitId
    attendees: tuple[str, ...]
    materials: tuple[str, ...]
    opinion: str
    answered_at: datetime | None


@dataclass(frozen=True, slots=True)
class Called:
    """A notice with its answers, as far as this person may see them."""

    id: int
    kind: Kind
    agenda: str
    place: str
    at: datetime
    called_by: str
    units: tuple[Answered, ...]


async def call(tx: AsyncConnection, ticket_id: TicketId, notice: Notice, *, actor: Actor, now: datetime) -> int:
    """Call the units together. Raises TicketNotFound, GuardFailed."""
    ticket = await store.load(tx, ticket_id, lock=True, unit=store.unit_scope(actor), viewer=actor)
    if ticket.state in ENDED:
        raise GuardFailed("工单没有在办理，不需要召集协调会议或现场踏勘。")
    if not notice.units or len(set(notice.units)) != len(notice.units):
        raise GuardFailed("请选择参加的单位，每家只选一次。")
    if not notice.agenda.strip() or not notice.place.strip():
        raise GuardFailed("请写明议题和地点。")
    if notice.at <= now:
        raise GuardFailed("时间须晚于现在。")
    values = {"kind": notice.kind, "agenda": notice.agenda, "place": notice.place, "at": notice.at}
    row = insert(coordination).values(ticket_id=ticket.id, **values, called_by=str(actor), called_at=now)
    number = int((await tx.execute(row.returning(coordination.c.id))).scalar_one())
    await tx.execute(insert(coordination_unit), [{"coordination_id": number, "unit": unit} for unit in notice.units])
    return number


async def answer(tx: AsyncConnection, number: int, given: Answered, *, actor: Actor, now: datetime) -> TicketId:
    """A unit says who comes or came, what it brings and what it will do; it may correct that later.

    Raises TicketNotFound for a notice that is not there or not for this unit, GuardFailed.
    """
    if actor.unit is None or actor.unit != given.unit:
        raise NotYours("只有受邀单位可以答复。请用本单位账号操作。")
    if not given.attendees or not given.opinion.strip():
        raise GuardFailed("请填写参加人员，并写明办理意见。")
    table = coordination_unit
    own = (table.c.coordination_id == number, table.c.unit == given.unit)
    said = {"attendees": list(given.attendees), "materials": list(given.materials), "opinion": given.opinion}
    done = update(table).where(*own).values(**said, answered_by=str(actor), answered_at=now)
    if (await tx.execute(done.returning(table.c.unit))).one_or_none() is None:
        raise TicketNotFound
    of = select(coordination.c.ticket_id).where(coordination.c.id == number)
    return TicketId((await tx.execute(of)).scalar_one())


async def of_ticket(tx: AsyncConnection, ticket_id: TicketId, *, actor: Actor) -> tuple[Called, ...]:
    """The notices of a ticket, the oldest first. Raises TicketNotFound."""
    await store.load(tx, ticket_id, unit=store.unit_scope(actor), viewer=actor)
    return await _called(tx, coordination.c.ticket_id == ticket_id)


async def waiting_for(tx: AsyncConnection, unit: UnitId) -> tuple[Called, ...]:
    """What a unit is called to and has not answered, its own line alone, the next first."""
    own = (coordination_unit.c.unit == unit, coordination_unit.c.answered_at.is_(None))
    mine = select(coordination_unit.c.coordination_id).where(*own)
    called = await _called(tx, coordination.c.id.in_(mine), unit)
    return tuple(sorted(called, key=lambda one: one.at))


async def _called(tx: AsyncConnection, which: object, unit: UnitId | None = None) -> tuple[Called, ...]:
    query = select(coordination).where(which).order_by(coordination.c.id)  # type: ignore[arg-type]
    rows = (await tx.execute(query)).all()
    answers = select(coordination_unit).where(coordination_unit.c.coordination_id.in_([row.id for row in rows]))
    if unit is not None:
        answers = answers.where(coordination_unit.c.unit == unit)
    said = (await tx.execute(answers.order_by(coordination_unit.c.unit))).all()
    return tuple(
        Called(
            row.id,
            Kind(row.kind),
            row.agenda,
            row.place,
            row.at,
            row.called_by,
            tuple(
                Answered(UnitId(one.unit), tuple(one.attendees), tuple(one.materials), one.opinion, one.answered_at)
                for one in said
                if one.coordination_id == row.id
            ),
        )
        for row in rows
    )
