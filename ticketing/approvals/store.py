"""Signatures in the database: the running set of a ticket, and how it ends."""

from datetime import datetime
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import RowMapping, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import TicketId, UnitId
from ticketing.approvals.signing import Approval, Gate, Signer, SignerKind, Step, StepState
from ticketing.approvals.tables import approval, approval_step
from ticketing.commands import Contents, as_data

_CONTENTS = TypeAdapter(Contents)


async def running(tx: AsyncConnection, ticket_id: TicketId) -> Approval | None:
    """The signatures being collected on this ticket."""
    query = select(approval).where(approval.c.ticket_id == ticket_id, approval.c.state == "open")
    row = (await tx.execute(query)).mappings().one_or_none()
    return None if row is None else _value(row, await steps(tx, row["id"]))


def _value(row: RowMapping, its_steps: tuple[RowMapping, ...]) -> Approval:
    return Approval(
        gate=Gate(row["gate"]),
        rule_id=row["rule"],
        steps=tuple(_step(one) for one in its_steps),
        asked_by=row["asked_by"],
        unit=UnitId(row["unit"]) if row["unit"] else None,
        why=row["why"],
        basis=row["basis"],
        reading=row["reading"],
        seal=row["seal"],
        contents=_CONTENTS.validate_python(row["contents"]) if row["contents"] is not None else None,
    )


def _step(row: RowMapping) -> Step:
    signer = Signer(row["signer"], SignerKind(row["kind"]))
    return Step(row["step_order"], signer, StepState(row["state"]), row["signed_by"] or "")


async def steps(tx: AsyncConnection, approval_id: int) -> tuple[RowMapping, ...]:
    """The steps of one set, in their order."""
    query = select(approval_step).where(approval_step.c.approval_id == approval_id)
    ordered = query.order_by(approval_step.c.step_order, approval_step.c.id)
    return tuple((await tx.execute(ordered)).mappings())


async def add(tx: AsyncConnection, ticket_id: TicketId, round_: int, asked: Approval, at: datetime, **more: Any) -> int:
    """A new set with its steps; returns its id. Only one may be open on a ticket."""
    row = insert(approval).values(
        ticket_id=ticket_id,
        round=round_,
        gate=asked.gate,
        rule=asked.rule_id,
        basis=asked.basis,
        reading=asked.reading,
        why=asked.why,
        seal=asked.seal,
        unit=asked.unit,
        asked_by=asked.asked_by,
        contents=as_data(asked.contents),
        asked_at=at,
        **more,
    )
    approval_id = int((await tx.execute(row.returning(approval.c.id))).scalar_one())
    now_open = asked.current
    rows = [
        {
            "approval_id": approval_id,
            "step_order": step.order,
            "signer": step.signer.name,
            "kind": step.signer.kind,
            "unit": asked.unit,
            "active": step in now_open,
        }
        for step in asked.steps
    ]
    await tx.execute(insert(approval_step), rows)
    return approval_id


async def open_id(tx: AsyncConnection, ticket_id: TicketId) -> int | None:
    """The id of the open set."""
    query = select(approval.c.id).where(approval.c.ticket_id == ticket_id, approval.c.state == "open")
    return (await tx.execute(query)).scalar_one_or_none()


async def mark(tx: AsyncConnection, approval_id: int, now_running: Approval, done: Step, **said: Any) -> None:
    """One step is signed or declined; those it opens become active."""
    step = approval_step
    mine = (step.c.approval_id == approval_id, step.c.step_order == done.order, step.c.signer == done.signer.name)
    marked = {"state": done.state, "signed_by": done.signed_by, "active": False}
    await tx.execute(update(step).where(*mine).values(**marked, **said))
    opened = {one.order for one in now_running.current} if done.state is StepState.SIGNED else set()
    next_ones = (step.c.approval_id == approval_id, step.c.step_order.in_(opened), step.c.state == "open")
    await tx.execute(update(step).where(*next_ones).values(active=True))


async def end(tx: AsyncConnection, approval_id: int, state: str, at: datetime) -> None:
    """The set is granted, declined or withdrawn; nothing of it waits any more."""
    await tx.execute(update(approval).where(approval.c.id == approval_id).values(state=state, done_at=at))
    left = (approval_step.c.approval_id == approval_id, approval_step.c.active)
    await tx.execute(update(approval_step).where(*left).values(active=False))
