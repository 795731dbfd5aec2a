"""What a dispatch must keep beyond the ticket itself, looked up and checked in the transaction that dispatches."""

from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import TicketId, UnitId
from ticketing import tables
from ticketing.commands import Dispatch
from ticketing.dispatch import catalogue_store, disputes_rows, units_store
from ticketing.dispatch.catalogue import matching
from ticketing.dispatch.dispatching import (
    DutyPersonNeeded,
    Known,
    UnitHasNoHandler,
    basis_for,
    check,
    not_by_the_accused,
    not_the_accused,
    warned,
)
from ticketing.dispatch.units_tables import unit as unit_table
from ticketing.facts import Fact
from ticketing.record import Context, GuardFailed, Ticket

_return = tables.ticket_return


async def known_of(tx: AsyncConnection, ticket: Ticket, units: Iterable[UnitId]) -> Known:
    """What the database knows for a dispatch of this ticket to these units."""
    kept = await units_store.load(tx, list(units))
    entries = matching(await catalogue_store.entries(tx), ticket)
    ruling = await disputes_rows.ruling_of(tx, ticket.id)
    spoken_of = {entry.unit for entry in entries} | {one.unit.parent for one in kept.values() if one.unit.parent}
    gone = select(_return.c.unit).where(_return.c.ticket_id == ticket.id, _return.c.state == "granted")
    return Known(
        units={unit: one.unit for unit, one in kept.items()},
        entries=entries,
        returned_by=frozenset(UnitId(unit) for unit in (await tx.execute(gone)).scalars()),
        ruling=ruling,
        names=await _names(tx, spoken_of | ({ruling.lead} if ruling else set())),
    )


async def _names(tx: AsyncConnection, units: Iterable[UnitId]) -> dict[UnitId, str]:
    query = select(unit_table.c.id, unit_table.c.name).where(unit_table.c.id.in_(list(units)))
    return {UnitId(unit): name for unit, name in await tx.execute(query)}


async def checked(
    tx: AsyncConnection, before: Ticket, after: Ticket, detail: Dispatch, context: Context
) -> tuple[Dispatch, tuple[Fact, ...]]:
    """The dispatch with its basis filled in, and the warnings; raises GuardFailed when it may not be."""
    known = await known_of(tx, before, (detail.lead, *detail.assists))
    check(before, detail, known, context.policy)
    rules, head = context.policy.dispatching, (after.id, after.round, context.now)
    told: list[Fact] = [UnitHasNoHandler(*head, unit) for unit in warned(detail, known, rules)]
    if rules is not None and rules.off_hours is not None:
        for unit in known.units.values():
            if not _office_open(context):
                told.append(DutyPersonNeeded(*head, unit.id, after.urgent))
    return replace(detail, basis=basis_for(detail, known.units.get(detail.lead), known)), tuple(told)


def _office_open(context: Context) -> bool:
    return context.policy.calendar.office_hours.open_at(context.now, context.calendar)


async def check_assist(tx: AsyncConnection, ticket: Ticket, unit: UnitId, context: Context) -> None:
    """An assisting unit is active, and is not the accused."""
    for one in (await units_store.load(tx, [unit])).values():
        if not one.unit.active:
            raise GuardFailed(f"{one.unit.name}已停用，不能协办。请选择其他单位。")
        not_the_accused(ticket, one.unit, context.policy)


async def check_person(tx: AsyncConnection, ticket: Ticket, context: Context) -> None:
    """Whoever of a unit signs, works or answers a ticket is not the accused (LS-003)."""
    actor = context.actor
    if ticket.accused and actor.kind == "user" and actor.unit is not None:
        not_by_the_accused(ticket, await units_store.person_of(tx, actor.name) | {actor.name}, context.policy)


async def returns_by_unit(tx: AsyncConnection, least: int) -> list[tuple[UnitId, int, int]]:
    """Units with at least so many returns: granted, and refused without a basis for them (GZ-032, WX-036)."""
    granted = func.count().filter(_return.c.state == "granted")
    refused = func.count().filter(_return.c.state == "refused")
    asked = func.count().filter(_return.c.state != "handed_back")
    query = select(_return.c.unit, granted, refused).group_by(_return.c.unit).having(asked >= least)
    rows = await tx.execute(query.order_by(asked.desc(), _return.c.unit))
    return [(UnitId(unit), given, no) for unit, given, no in rows]


async def returned_tickets(
    tx: AsyncConnection, least: int, after: TicketId | None = None, limit: int = 50
) -> list[tuple[TicketId, int, tuple[UnitId, ...]]]:
    """Tickets returned again and again, newest first, with the units that returned them (WX-036)."""
    asked = func.count()
    query = select(_return.c.ticket_id, asked, func.array_agg(_return.c.unit.distinct()))
    query = query.where(_return.c.state != "handed_back")
    if after is not None:
        query = query.where(_return.c.ticket_id < after)
    query = query.group_by(_return.c.ticket_id).having(asked >= least).order_by(_return.c.ticket_id.desc()).limit(limit)
    return [(TicketId(one), n, tuple(UnitId(unit) for unit in units)) for one, n, units in await tx.execute(query)]


async def inaction_of(tx: AsyncConnection, unit: UnitId) -> int:
    """How often this unit's returns were refused for want of a basis or against its duty. Source: GZ-032."""
    codes = ("no_basis", "duty_fixed")
    query = select(func.count()).where(
        _return.c.unit == unit, _return.c.state == "refused", _return.c.refusal_code.in_(codes)
    )
    return int((await tx.execute(query)).scalar_one())
