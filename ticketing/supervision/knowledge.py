"""Supervision of a unit over its knowledge, which has no ticket: opened once while it runs, answered and ended by rows.

Source: GZ-040.
"""

from datetime import datetime

from sqlalchemy import insert, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import Actor, system
from ticketing.clocks import Calendar, due_at
from ticketing.knowledge.items import KnowledgeOverdue
from ticketing.policy import Policy
from ticketing.record import GuardFailed
from ticketing.rules import Case
from ticketing.supervision.lists import Supervision, one
from ticketing.supervision.rules import On, fitting
from ticketing.supervision.tables import supervision, supervision_note

KEEPER = system("knowledge")
_ANY = Case("", "", urgent=False)


async def supervise(
    tx: AsyncConnection, found: KnowledgeOverdue, policy: Policy, now: datetime, calendar: Calendar
) -> int | None:
    """The unit is supervised over that item or question; its id, None when it already is, or the policy has no such
    reason."""
    rules = policy.supervise
    triggers = fitting(rules.triggers, On.KNOWLEDGE, _ANY) if rules else ()
    if rules is None or not triggers:
        return None
    row = upsert(supervision).values(
        ticket_id=None,
        subject=f"{found.kind}:{found.subject}",
        round=1,
        trigger=triggers[0].code,
        label=triggers[0].label,
        basis=str(triggers[0].basis),
        form=rules.forms[0],
        automatic=True,
        opened_by=str(KEEPER),
        opened_at=now,
        unit=found.unit,
        reason=found.title,
        answer_due_at=due_at(now, rules.feedback, calendar, policy.workdays),
    )
    made = await tx.execute(row.on_conflict_do_nothing().returning(supervision.c.id))
    supervision_id: int | None = made.scalar_one_or_none()
    return supervision_id


async def answer(tx: AsyncConnection, supervision_id: int, text: str, *, actor: Actor, now: datetime) -> Supervision:
    """The unit says what it did. Raises SupervisionNotFound, GuardFailed."""
    found = await _open(tx, supervision_id, actor)
    if not text.strip():
        raise GuardFailed("请写明督办办理情况。")
    if actor.unit is None or actor.unit != found.unit:
        raise GuardFailed("这项督办不是要求本单位反馈的。请由被督办的单位反馈。")
    first = {} if found.answered_at else {"answered_at": now, "answered_by": str(actor)}
    told = "\n".join(part for part in (found.answer, text) if part)
    await tx.execute(update(supervision).where(supervision.c.id == supervision_id).values(answer=told, **first))
    return await one(tx, supervision_id, actor)


async def end(
    tx: AsyncConnection, supervision_id: int, result: str, solved: bool, *, actor: Actor, now: datetime
) -> Supervision:
    """What came of it. Raises SupervisionNotFound, GuardFailed."""
    await _open(tx, supervision_id, actor)
    if not result.strip():
        raise GuardFailed("请写明督办结果。")
    ended = {"ended_at": now, "ended_by": str(actor), "result": result, "solved": solved}
    await tx.execute(update(supervision).where(supervision.c.id == supervision_id).values(**ended))
    return await one(tx, supervision_id, actor)


async def report(tx: AsyncConnection, supervision_id: int, text: str, *, actor: Actor, now: datetime) -> None:
    """A supervisor, or the department that leads, writes what was done. Raises SupervisionNotFound, GuardFailed."""
    found = await one(tx, supervision_id, actor)
    if found.ended_at is not None:
        raise GuardFailed("这项督办已经结束，不能再补充。")
    if not text.strip():
        raise GuardFailed("请写明督办情况。")
    row = {"supervision_id": supervision_id, "at": now, "by": str(actor), "unit": actor.unit, "text": text}
    await tx.execute(insert(supervision_note).values(**row))


async def _open(tx: AsyncConnection, supervision_id: int, actor: Actor) -> Supervision:
    found = await one(tx, supervision_id, actor)
    if found.ticket_id is not None:
        raise GuardFailed("这项督办针对工单，请在工单上办理。")
    if found.ended_at is not None:
        raise GuardFailed("这项督办已经结束。请刷新后核对。")
    return found
