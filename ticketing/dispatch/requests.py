"""What units asked and a dispatcher has to decide: returns, extensions, disputes about whose duty it is.

Oldest first, page by page; the row's own id is the cursor.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, and_, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import Actor, TicketId, UnitId
from ticketing import store, tables
from ticketing.clocks import Clock, DeadlineKind
from ticketing.dispatch.disputes_tables import ticket_dispute
from ticketing.dispatch.returns_store import WAITING
from ticketing.dispatch.units_tables import unit
from ticketing.record import Ticket
from ticketing.words import State

_ticket, _deadline = tables.ticket, tables.ticket_deadline
_return, _extension = tables.ticket_return, tables.ticket_extension


class Asked(StrEnum):
    """What is asked."""

    RETURN = "return"
    EXTENSION = "extension"
    DISPUTE = "dispute"


TABLES: dict[Asked, Table] = {
    Asked.RETURN: _return,
    Asked.EXTENSION: _extension,
    Asked.DISPUTE: ticket_dispute,
}


@dataclass(frozen=True, slots=True)
class Request:
    """One open request. due_at, clock: of the handling, which runs on meanwhile. said: the columns of its own table."""

    id: int
    ticket: Ticket
    unit: UnitId | None
    unit_name: str
    reason: str
    asked_at: datetime
    due_at: datetime | None
    provisional: bool
    clock: Clock | None
    said: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Counts:
    """How many wait: for a dispatch, and for a decision of each kind."""

    waiting: int
    returns: int
    extensions: int
    disputes: int


async def find(
    tx: AsyncConnection, kind: Asked, *, actor: Actor, text: str = "", after: int = 0, limit: int = 50
) -> tuple[Request, ...]:
    """Open requests of one kind, oldest first. text: part of the number or the title. after: the id last seen."""
    query = _query(kind).where(TABLES[kind].c.id > after, store.open_to(actor)).limit(limit)
    if text:
        named = _ticket.c.title.contains(text, autoescape=True) | _ticket.c.id.contains(text, autoescape=True)
        query = query.where(named)
    return tuple(_request(kind, row) for row in (await tx.execute(query)).mappings())


async def counts(tx: AsyncConnection, actor: Actor) -> Counts:
    """What waits for the dispatchers, in one look."""
    waiting = select(func.count()).select_from(_ticket).where(_ticket.c.state.in_(WAITING), store.open_to(actor))
    numbers = [waiting.scalar_subquery(), *(_count(kind, actor).scalar_subquery() for kind in Asked)]
    return Counts(*(await tx.execute(select(*numbers))).one())


def _count(kind: Asked, actor: Actor) -> Select[Any]:
    table = TABLES[kind]
    joined = table.join(_ticket, _ticket.c.id == table.c.ticket_id)
    return select(func.count()).select_from(joined).where(_open(kind), store.open_to(actor))


def _open(kind: Asked) -> ColumnElement[bool]:
    if kind is Asked.DISPUTE:
        return ticket_dispute.c.ruled_at.is_(None)
    return TABLES[kind].c.state == "requested"


def _query(kind: Asked) -> Select[Any]:
    table = TABLES[kind]
    running = and_(
        _deadline.c.ticket_id == _ticket.c.id,
        _deadline.c.kind == DeadlineKind.HANDLE,
        _deadline.c.met_at.is_(None),
        _deadline.c.ended_at.is_(None),
    )
    by = _ticket.c.lead_unit if kind is Asked.DISPUTE else table.c.unit
    asked_at = table.c.opened_at if kind is Asked.DISPUTE else table.c.asked_at
    own = [column.label(f"own_{column.name}") for column in table.c]
    extra = [
        by.label("asking_unit"),
        func.coalesce(unit.c.name, by, literal("")).label("unit_name"),
        asked_at.label("since"),
        _deadline.c.due_at.label("handle_due_at"),
        _deadline.c.provisional.is_(True).label("handle_provisional"),
        _deadline.c.clock.label("handle_clock"),
    ]
    joined = table.join(_ticket, _ticket.c.id == table.c.ticket_id).outerjoin(_deadline, running)
    query = select(_ticket, *own, *extra).select_from(joined.outerjoin(unit, unit.c.id == by))
    return query.where(_open(kind)).order_by(table.c.id)


def _request(kind: Asked, row: Any) -> Request:
    said = {column.name: row[f"own_{column.name}"] for column in TABLES[kind].c}
    return Request(
        id=said["id"],
        ticket=store.value_of(row),
        unit=row["asking_unit"],
        unit_name=row["unit_name"],
        reason=said["reason"],
        asked_at=row["since"],
        due_at=row["handle_due_at"],
        provisional=row["handle_provisional"],
        clock=Clock(row["handle_clock"]) if row["handle_clock"] else None,
        said=said,
    )


async def followers_of(tx: AsyncConnection, masters: list[TicketId]) -> dict[TicketId, int]:
    """How many tickets follow each of these, merged into it."""
    query = (
        select(_ticket.c.master, func.count())
        .where(_ticket.c.master.in_(masters), _ticket.c.state == State.MERGED)
        .group_by(_ticket.c.master)
    )
    return {TicketId(master): n for master, n in await tx.execute(query)}
