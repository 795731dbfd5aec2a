"""Signatures as people look for them: what waits for one person, and all that was signed on a ticket."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, and_, false, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import Actor, Role, TicketId
from ticketing import store, tables
from ticketing.approvals.signing import SignerKind
from ticketing.approvals.store import steps
from ticketing.approvals.tables import approval, approval_step

MAX_PAGE = 200


@dataclass(frozen=True, slots=True)
class Signed:
    """One set of signatures with its steps, as stored."""

    head: RowMapping
    steps: tuple[RowMapping, ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """One signature asked of a person. version: of the ticket, to be given when they sign."""

    step_id: int
    approval_id: int
    ticket_id: TicketId
    version: int
    title: str
    urgent: bool
    gate: str
    signer: str
    why: str
    basis: str
    reading: str
    document: str
    asked_at: datetime


async def waiting_for(tx: AsyncConnection, actor: Actor, *, after: int = 0, limit: int = 50) -> tuple[Waiting, ...]:
    """What this person can sign now, oldest first. after: step_id of the last one of the page before."""
    step, ticket = approval_step, tables.ticket
    earlier = approval_step.alias("earlier")
    signed_one = select(earlier.c.id).where(earlier.c.approval_id == approval.c.id, earlier.c.signed_by == str(actor))
    query = (
        select(
            step.c.id.label("step_id"),
            approval.c.id.label("approval_id"),
            approval.c.ticket_id,
            ticket.c.version,
            ticket.c.title,
            ticket.c.urgent,
            approval.c.gate,
            step.c.signer,
            *(approval.c[name] for name in ("why", "basis", "reading", "document", "asked_at")),
        )
        .join(approval, approval.c.id == step.c.approval_id)
        .join(ticket, ticket.c.id == approval.c.ticket_id)
        .where(step.c.active, step.c.id > after, _for_whom(actor))
        .where(approval.c.asked_by != str(actor), ~signed_one.exists(), store.open_to(actor))
        .order_by(step.c.id)
        .limit(limit)
    )
    return tuple(Waiting(**row) for row in (await tx.execute(query)).mappings())


def _for_whom(actor: Actor) -> ColumnElement[bool]:
    step = approval_step
    ways: list[ColumnElement[bool]] = []
    if Role.LEADER in actor.roles and actor.titles:
        offices = {title.partition("@")[0] for title in actor.titles}
        held = or_(step.c.signer.in_(actor.titles), (step.c.signer + "@" + step.c.unit).in_(actor.titles))
        by_title = step.c.kind.in_((SignerKind.TITLE, SignerKind.OFFICE))
        ways.append(and_(by_title, step.c.signer.in_(offices), held))
    if Role.UNIT_HEAD in actor.roles and actor.unit is not None:
        ways.append(and_(step.c.kind == SignerKind.UNIT_HEAD, step.c.unit == actor.unit))
    if Role.SUPERVISOR in actor.roles:
        ways.append(step.c.kind.in_((SignerKind.SUPERVISOR, SignerKind.EXTERNAL)))
    return or_(false(), *ways)


async def of_ticket(tx: AsyncConnection, ticket_id: TicketId) -> tuple[Signed, ...]:
    """Every set of signatures of a ticket, oldest first."""
    query = select(approval).where(approval.c.ticket_id == ticket_id).order_by(approval.c.id)
    heads = (await tx.execute(query)).mappings().all()
    return tuple([Signed(head, await steps(tx, head["id"])) for head in heads])


async def one(tx: AsyncConnection, approval_id: int) -> Signed | None:
    """One set of signatures."""
    found: Any = (await tx.execute(select(approval).where(approval.c.id == approval_id))).mappings().one_or_none()
    return None if found is None else Signed(found, await steps(tx, approval_id))
