"""Accountability cases in the database: opening, evidence, steps, the end, counts. The caller's transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import Actor, TicketId, UnitId
from ticketing import store, tables
from ticketing.policy import Policy
from ticketing.record import GuardFailed, Refused
from ticketing.supervision import accountability as acts
from ticketing.supervision.accountability import AccountCase, Evidence, Step, Subject
from ticketing.supervision.accountability_tables import accountability_case as table
from ticketing.supervision.accountability_tables import accountability_evidence, accountability_step
from ticketing.supervision.rules import AccountabilityRules

MAX_PAGE = 200


class CaseNotFound(Refused):
    """There is no such case, or it is not for this person to see."""

    def __init__(self) -> None:
        super().__init__("没有这一问责案件，或您无权查看。请核对编号。")


@dataclass(frozen=True, slots=True)
class CaseCount:
    unit: UnitId | None
    reason: str
    cases: int
    held: int
    """Ended other than by finding nothing."""


def rules_of(policy: Policy) -> AccountabilityRules:
    """The policy's section. Raises GuardFailed where there is none."""
    if policy.accountability is None:
        raise GuardFailed("本地规定没有责任追究。如确需立案，请联系管理员在政策文件中设置。")
    return policy.accountability


async def open_case(
    tx: AsyncConnection,
    policy: Policy,
    *,
    reason: str,
    severity: str,
    subject: Subject,
    facts: str,
    tickets: tuple[TicketId, ...],
    actor: Actor,
    now: datetime,
) -> AccountCase:
    """A new case with every event of these tickets as evidence. Raises GuardFailed, TicketNotFound."""
    acts.check_opening(rules_of(policy), reason, severity, subject, facts)
    row = insert(table).values(
        policy_id=policy.id,
        policy_version=policy.version,
        reason=reason,
        severity=severity,
        unit=subject.unit,
        person=subject.person,
        facts=facts,
        opened_at=now,
        opened_by=str(actor),
    )
    case_id = (await tx.execute(row.returning(table.c.id))).scalar_one()
    for ticket_id in tickets:
        await add_evidence(tx, case_id, ticket_id, "", actor, now)
    return await load(tx, case_id)


async def add_evidence(
    tx: AsyncConnection, case_id: int, ticket_id: TicketId, note: str, actor: Actor, now: datetime
) -> int:
    """Every event of the ticket that the case does not hold yet; returns how many. Raises TicketNotFound."""
    await store.load(tx, ticket_id, unit=store.unit_scope(actor))
    e = tables.ticket_event.c
    events = (await tx.execute(select(e.seq, e.hash).where(e.ticket_id == ticket_id).order_by(e.seq))).all()
    common = {"case_id": case_id, "ticket_id": ticket_id, "note": note, "added_at": now, "added_by": str(actor)}
    rows = [common | {"seq": event.seq, "hash": event.hash} for event in events]
    made = upsert(accountability_evidence).values(rows).on_conflict_do_nothing()
    return len((await tx.execute(made.returning(accountability_evidence.c.id))).all())


async def load(tx: AsyncConnection, case_id: int, *, lock: bool = False, scope: UnitId | None = None) -> AccountCase:
    """The case with its steps. Raises CaseNotFound, also for another unit's."""
    query = select(table).where(table.c.id == case_id)
    if scope is not None:
        query = query.where(table.c.unit == scope)
    row = (await tx.execute(query.with_for_update() if lock else query)).one_or_none()
    if row is None:
        raise CaseNotFound
    return _case(row, (await _steps(tx, [case_id])).get(case_id, ()))


async def _steps(tx: AsyncConnection, case_ids: Sequence[int]) -> dict[int, tuple[Step, ...]]:
    """Steps of these cases, in the order they were taken; a case without any is absent."""
    s, found = accountability_step.c, dict[int, tuple[Step, ...]]()
    for one in await tx.execute(select(accountability_step).where(s.case_id.in_(case_ids)).order_by(s.id)):
        taken = Step(one.rung, one.at, one.by, one.note, tuple(one.recipients))
        found[one.case_id] = (*found.get(one.case_id, ()), taken)
    return found


async def evidence_of(tx: AsyncConnection, case_id: int) -> tuple[Evidence, ...]:
    """What shows it, by ticket and event."""
    c = accountability_evidence.c
    query = select(c.ticket_id, c.seq, c.hash, c.note).where(c.case_id == case_id).order_by(c.ticket_id, c.seq)
    return tuple(Evidence(TicketId(row.ticket_id), row.seq, row.hash, row.note) for row in (await tx.execute(query)))


async def altered(tx: AsyncConnection, evidence: tuple[Evidence, ...]) -> tuple[Evidence, ...]:
    """Evidence whose event no longer has the hash it had; none unless somebody changed the database by force."""
    chains = {one.ticket_id: await store.chain_of(tx, one.ticket_id) for one in evidence}
    hashes = {(ticket, entry.seq): hash_ for ticket, chain in chains.items() for entry, _, hash_ in chain}
    broken = {ticket: store.broken_link(chain) or len(chain) + 1 for ticket, chain in chains.items()}
    return tuple(
        one for one in evidence if hashes.get((one.ticket_id, one.seq)) != one.hash or one.seq >= broken[one.ticket_id]
    )


async def step(
    tx: AsyncConnection,
    case_id: int,
    rung: str,
    note: str,
    recipients: tuple[str, ...],
    *,
    policy: Policy,
    actor: Actor,
    now: datetime,
) -> AccountCase:
    """One rung further. Raises CaseNotFound, GuardFailed."""
    case = await load(tx, case_id, lock=True)
    after = acts.take_step(rules_of(policy), case, rung, note, str(actor), now, recipients)
    taken = after.steps[-1]
    row = {"rung": taken.rung, "at": now, "by": taken.by, "note": note, "recipients": list(taken.recipients)}
    await tx.execute(insert(accountability_step).values(case_id=case_id, **row))
    return after


async def regrade(tx: AsyncConnection, case_id: int, severity: str, *, policy: Policy) -> AccountCase:
    """Another severity. Raises CaseNotFound, GuardFailed."""
    after = acts.regrade(rules_of(policy), await load(tx, case_id, lock=True), severity)
    await _change(tx, case_id, severity=severity)
    return after


async def conclude(
    tx: AsyncConnection, case_id: int, outcome: str, note: str, *, policy: Policy, actor: Actor, now: datetime
) -> AccountCase:
    """The case's end. Raises CaseNotFound, GuardFailed."""
    case = await load(tx, case_id, lock=True)
    after = acts.conclude(rules_of(policy), case, outcome, note, str(actor), now)
    await _change(tx, case_id, outcome=outcome, outcome_note=note, ended_at=now, ended_by=str(actor))
    return after


async def _change(tx: AsyncConnection, case_id: int, **values: object) -> None:
    await tx.execute(update(table).where(table.c.id == case_id).values(version=table.c.version + 1, **values))


async def find(
    tx: AsyncConnection,
    *,
    scope: UnitId | None,
    running: bool | None = None,
    unit: UnitId | None = None,
    before: int | None = None,
    limit: int = 50,
) -> tuple[AccountCase, ...]:
    """Cases with their steps, newest first, below id `before`; a unit sees its own."""
    query = select(table)
    for one in (scope, unit):
        if one is not None:
            query = query.where(table.c.unit == one)
    if running is not None:
        query = query.where(table.c.ended_at.is_(None) if running else table.c.ended_at.is_not(None))
    if before is not None:
        query = query.where(table.c.id < before)
    rows = (await tx.execute(query.order_by(table.c.id.desc()).limit(max(1, min(limit, MAX_PAGE))))).all()
    steps = await _steps(tx, [row.id for row in rows])
    return tuple(_case(row, steps.get(row.id, ())) for row in rows)


async def counts(
    tx: AsyncConnection, *, scope: UnitId | None, since: datetime, until: datetime, nothing: frozenset[str]
) -> tuple[CaseCount, ...]:
    """Cases of a period by unit and reason. nothing: outcomes that found nothing."""
    c = table.c
    held = func.count().filter(c.outcome != "", c.outcome.not_in(sorted(nothing)))
    query = select(c.unit, c.reason, func.count(), held).where(c.opened_at >= since, c.opened_at < until)
    if scope is not None:
        query = query.where(c.unit == scope)
    rows = (await tx.execute(query.group_by(c.unit, c.reason).order_by(c.unit, c.reason))).all()
    return tuple(CaseCount(*row) for row in rows)


def _case(row: Row[tuple[object, ...]], steps: tuple[Step, ...]) -> AccountCase:
    plain = ("id", "policy_id", "policy_version", "reason", "severity", "facts", "opened_at", "opened_by")
    end = ("outcome", "outcome_note", "ended_at", "ended_by")
    values = {name: getattr(row, name) for name in (*plain, *end)}
    return AccountCase(**values, subject=Subject(row.unit, row.person), steps=steps)
