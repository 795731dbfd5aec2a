"""Copies of confidential material: asked for by one person, approved by another, used once. Source: GZ-019, MC-062."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import Actor, TicketId
from ticketing.aftercare.tables import ticket_release as table
from ticketing.record import GuardFailed, Ticket

MAX_PAGE = 200
Kind = Literal["export", "copy"]
KIND_NAMES: dict[str, str] = {"export": "导出", "copy": "复制"}


class ReleaseNotFound(Exception):
    """没有这项导出或复制申请。请核对编号。"""


@dataclass(frozen=True, slots=True)
class Release:
    """approved_by None: it waits for a second person. used_at: it cannot be used again."""

    id: int
    ticket_id: TicketId
    kind: str
    purpose: str
    asked_at: datetime
    asked_by: str
    approved_at: datetime | None
    approved_by: str | None
    used_at: datetime | None


_COLUMNS = tuple(table.c[name] for name in Release.__dataclass_fields__)


async def ask(tx: AsyncConnection, ticket: Ticket, kind: Kind, purpose: str, *, actor: Actor, now: datetime) -> Release:
    """A copy is asked for. purpose: why, for who approves and for the record."""
    row = {"ticket_id": ticket.id, "kind": kind, "purpose": purpose, "asked_at": now, "asked_by": str(actor)}
    made = await tx.execute(insert(table).values(**row).returning(*_COLUMNS))
    return Release(**made.mappings().one())


async def approve(tx: AsyncConnection, release_id: int, note: str, *, actor: Actor, now: datetime) -> Release:
    """A second person approves. Raises ReleaseNotFound, GuardFailed for who asked and for one decided already."""
    row = (
        (await tx.execute(select(*_COLUMNS).where(table.c.id == release_id).with_for_update())).mappings().one_or_none()
    )
    if row is None:
        raise ReleaseNotFound
    if row["asked_by"] == str(actor):
        raise GuardFailed("涉密材料的导出、复制须由另一人批准，不能由申请人本人批准。")
    if row["approved_by"] is not None:
        raise GuardFailed("这项申请已经批准。")
    values = {"approved_at": now, "approved_by": str(actor), "note": note}
    done = await tx.execute(update(table).where(table.c.id == release_id).values(**values).returning(*_COLUMNS))
    return Release(**done.mappings().one())


async def use(tx: AsyncConnection, ticket: Ticket, kind: Kind, *, actor: Actor, now: datetime) -> Release | None:
    """The approval this person has for this copy, spent by it; None when there is none."""
    mine = (
        (table.c.ticket_id == ticket.id)
        & (table.c.kind == kind)
        & (table.c.asked_by == str(actor))
        & table.c.approved_at.is_not(None)
        & table.c.used_at.is_(None)
    )
    first = select(table.c.id).where(mine).order_by(table.c.id).limit(1).with_for_update()
    release_id = (await tx.execute(first)).scalar_one_or_none()
    if release_id is None:
        return None
    used = await tx.execute(update(table).where(table.c.id == release_id).values(used_at=now).returning(*_COLUMNS))
    return Release(**used.mappings().one())


async def waiting(tx: AsyncConnection, *, after: int = 0, limit: int = 50) -> tuple[Release, ...]:
    """Those that wait for a second person, the oldest first, above id `after`."""
    query = select(*_COLUMNS).where(table.c.approved_at.is_(None), table.c.id > after)
    rows = (await tx.execute(query.order_by(table.c.id).limit(max(1, min(limit, MAX_PAGE))))).mappings()
    return tuple(Release(**row) for row in rows)
