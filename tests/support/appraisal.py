"""Tickets with known fates in a real database, for figures with known answers."""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.reports.figures import Ground
from callcenter.types import IdentityId, TicketId, UnitId
from config.report_kit import load_kit
from tests.support.tickets import (
    AGENT,
    DISPATCHER,
    FIELDS,
    REVIEWER,
    ROADS,
    ROADS_MAN,
    SYSTEM,
    WATER,
    WATER_MAN,
    contents,
    policy,
    rules,
)
from ticketing import commands, service
from ticketing.appraisal.reports import ReportKit
from ticketing.dispatch.units_tables import unit
from ticketing.words import RatingSource

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MEN = {WATER: WATER_MAN, ROADS: ROADS_MAN}
NAMES = {"water": ("县水务局", "department"), "roads": ("县公路局", "department"), "town": ("龙脊镇", "township")}


@cache
def kit() -> ReportKit:
    """Metrics and templates as shipped."""
    return load_kit()


def ground() -> Ground:
    return Ground(policy(), kit())


async def with_units(tx: AsyncConnection, at: datetime) -> None:
    """Three units in the directory."""
    rows = [{"id": one, "name": name, "kind": kind, "updated_at": at} for one, (name, kind) in NAMES.items()]
    await tx.execute(insert(unit), rows)


async def act(tx: AsyncConnection, ticket_id: TicketId, detail: commands.Detail, actor: object, at: datetime) -> None:
    await service.carry_out(tx, ticket_id, detail, actor=actor, now=at, rules=rules())  # type: ignore[arg-type]


async def sent(tx: AsyncConnection, at: datetime, to: UnitId = WATER, caller: int = 1, **fields: object) -> TicketId:
    """Registered and dispatched at `at`."""
    opened = await service.open_draft(tx, actor=SYSTEM, now=at, rules=rules(), requester=IdentityId(caller))
    changes = replace(FIELDS, **fields)  # type: ignore[arg-type]
    await act(tx, opened.id, commands.Register(changes, "来电人直接拨打"), AGENT, at)
    await act(tx, opened.id, commands.Dispatch(to, basis="三定方案"), DISPATCHER, at)
    return opened.id


async def answered(tx: AsyncConnection, ticket_id: TicketId, at: datetime, to: UnitId = WATER) -> None:
    """Signed, worked on and replied to."""
    await act(tx, ticket_id, commands.Sign(), MEN[to], at)
    await act(tx, ticket_id, commands.Start(), MEN[to], at)
    await act(tx, ticket_id, commands.Reply(contents(at)), MEN[to], at)


async def finished(
    tx: AsyncConnection,
    ticket_id: TicketId,
    at: datetime,
    rating: str = "满意",
    source: RatingSource = RatingSource.CITIZEN,
) -> None:
    """Surveyed, rated and closed."""
    ticket = await service.get(tx, ticket_id, SYSTEM)
    if ticket.state == "replied":
        await act(tx, ticket_id, commands.BeginSurvey(), SYSTEM, at)
    who = REVIEWER if source is RatingSource.MANUAL else SYSTEM
    delivered = at - DAY * 2 if source is RatingSource.DEFAULT else None
    await act(tx, ticket_id, commands.Rate(rating, source, delivered_at=delivered), who, at)
    ticket = await service.get(tx, ticket_id, SYSTEM)
    if ticket.state == "surveying":
        await act(tx, ticket_id, commands.NoteCause("CONDITIONS", "已回访，受客观条件限制"), REVIEWER, at)
        await act(tx, ticket_id, commands.Close("诉求人期望过高", "CONDITIONS"), REVIEWER, at)
