"""Rows to values and back: a ticket with its running deadlines, and its chain of events.

Writes happen in the caller's transaction. A ticket is locked when it is read to be changed, so two writers take
turns and the second sees what the first did.
"""

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import RowMapping, exists, func, insert, not_, select, true, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import Actor, Role, TicketId, UnitId
from ticketing import tables
from ticketing.aftercare.confidentiality import GUARDED, ON_AN_AGENTS_DESK, SEES_GUARDED
from ticketing.approvals import store as approvals_store
from ticketing.clocks import Clock, Deadline, DeadlineKind, local_day
from ticketing.commands import AnyDetail, Changes, Edit, Register, as_data
from ticketing.dispatch.units_tables import unit_person
from ticketing.policy import Policy
from ticketing.record import Due, NotYours, StaleTicket, Ticket, TicketNotFound
from ticketing.search import search
from ticketing.words import Event, Flag, RatingSource, State

NO_HASH = "0" * 64
"""What the first event of a chain names as its predecessor."""
_PLAIN = tuple(field.name for field in fields(Ticket) if field.name not in {"dues", "signing"})
_ticket, _event, _deadline = tables.ticket, tables.ticket_event, tables.ticket_deadline


class PolicyChanged(Exception):
    """A policy file was changed without a new version, though tickets were opened under it; raise its `version`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a ticket's history, before it is chained."""

    ticket_id: TicketId
    seq: int
    round: int
    kind: Event
    from_state: State | None
    to_state: State
    actor: str
    actor_unit: UnitId | None
    at: datetime
    reason: str
    data: dict[str, Any]


async def next_id(tx: AsyncConnection, now: datetime) -> TicketId:
    """The next ticket id of the local day: yyyymmdd and six digits, in order, each given once.

    The day's counter stays locked until the transaction ends, so keep that transaction short.
    """
    day = local_day(now)
    counter = tables.ticket_counter
    given = upsert(counter).values(day=day, last=1)
    taken = given.on_conflict_do_update(index_elements=[counter.c.day], set_={"last": counter.c.last + 1})
    number = (await tx.execute(taken.returning(counter.c.last))).scalar_one()
    return TicketId(f"{day:%Y%m%d}{number:06d}")


async def remember_policy(tx: AsyncConnection, policy: Policy, now: datetime) -> None:
    """Note that this version is in use. Raises PolicyChanged when its file says something else than before."""
    known = tables.ticket_policy
    query = select(known.c.digest).where(known.c.policy_id == policy.id, known.c.version == policy.version)
    digest = (await tx.execute(query)).scalar_one_or_none()
    if digest is None:
        first = upsert(known).values(
            policy_id=policy.id, version=policy.version, digest=policy.digest, first_used_at=now
        )
        await tx.execute(first.on_conflict_do_nothing())
        digest = (await tx.execute(query)).scalar_one()
    if digest != policy.digest:
        raise PolicyChanged(f"policy {policy.name} differs from what tickets were opened under; raise its version")


async def find_by_key(tx: AsyncConnection, open_key: str) -> Ticket | None:
    """The ticket opened under this key, if any."""
    query = select(_ticket.c.id).where(_ticket.c.open_key == open_key)
    found = (await tx.execute(query)).scalar_one_or_none()
    return None if found is None else await load(tx, TicketId(found))


async def add(tx: AsyncConnection, ticket: Ticket, actor: Actor, open_key: str | None) -> bool:
    """Store a new draft and its first event. False when another transaction opened one under this key."""
    first = Entry(
        ticket.id, 1, 1, Event.OPEN, None, ticket.state, str(actor), actor.unit, ticket.created_at, "", _opening(ticket)
    )
    chained = _hash(NO_HASH, first)
    row = upsert(_ticket).values(**_row(ticket), open_key=open_key, last_hash=chained)
    made = await tx.execute(row.on_conflict_do_nothing(index_elements=[_ticket.c.open_key]).returning(_ticket.c.id))
    if made.scalar_one_or_none() is None:
        return False
    await _append(tx, first, NO_HASH, chained)
    await search.keep(tx, None, ticket)
    return True


async def load(
    tx: AsyncConnection,
    ticket_id: TicketId,
    *,
    lock: bool = False,
    unit: UnitId | None = None,
    viewer: Actor | None = None,
) -> Ticket:
    """The ticket with the deadlines of its round. unit: see it only as this unit may; viewer: as this person may.

    Raises TicketNotFound, also for a ticket another unit works on, and for one this person may not see.
    """
    query = select(_ticket).where(_ticket.c.id == ticket_id)
    if unit is not None:
        query = query.where(visible_to(unit))
    if viewer is not None:
        query = query.where(open_to(viewer))
    row = (await tx.execute(query.with_for_update() if lock else query)).mappings().one_or_none()
    if row is None:
        raise TicketNotFound
    signing = await approvals_store.running(tx, ticket_id) if row["approval"] else None
    return replace(value_of(row), dues=await _dues(tx, ticket_id, row["round"]), signing=signing)


def unit_scope(actor: Actor) -> UnitId | None:
    """The unit a person's sight is limited to; None for the hotline's own people and the system.

    Raises NotYours for a person of a unit without one, and for one without any role that sees tickets.
    """
    if actor.kind != "user" or actor.roles - {Role.UNIT, Role.UNIT_HEAD, Role.ADMIN}:
        return None
    if not actor.roles & {Role.UNIT, Role.UNIT_HEAD} or actor.unit is None:
        raise NotYours("您的账号不能查看工单。请联系管理员设置角色和所属单位。")
    return actor.unit


def open_to(actor: Actor) -> Any:
    """The condition that this person may see the ticket though it is about staff or secrets. Source: GZ-005, WX-031.

    Of the units those that work on it do (`visible_to`), the accused excepted (LS-003); an agent does while it is on
    the desk.
    """
    if actor.kind != "user" or actor.roles & SEES_GUARDED:
        return true()
    if unit_scope(actor) is not None:
        return _not_about(actor)
    plain = not_(_ticket.c.flags.overlap(sorted(GUARDED)))
    return plain | _ticket.c.state.in_(sorted(ON_AN_AGENTS_DESK))


def _not_about(actor: Actor) -> Any:
    """The condition that the request does not complain of this person, under a name the directory knows."""
    person = unit_person.c
    mine = (person.login == actor.name) & person.until_at.is_(None)
    named = func.strpos(_ticket.c.accused, person.name) > 0
    return (_ticket.c.accused == "") | not_(exists().where(mine & named))


def visible_to(unit: UnitId) -> Any:
    """The condition that a ticket is this unit's, as lead, assist or the department above the lead."""
    working = (_ticket.c.lead_unit == unit) | (_ticket.c.authority == unit)
    return working | _ticket.c.assist_units.contains([unit])


async def save(tx: AsyncConnection, before: Ticket, after: Ticket, actor: Actor, detail: AnyDetail) -> Ticket:
    """Store one step: the ticket, its deadlines and exactly one event. Returns it with its new deadlines' ids.

    Raises StaleTicket when the stored version is no longer `before`'s.
    """
    entry = Entry(
        ticket_id=after.id,
        seq=after.version,
        round=after.round,
        kind=detail.event,
        from_state=before.state,
        to_state=after.state,
        actor=str(actor),
        actor_unit=actor.unit,
        at=after.updated_at,
        reason=str(getattr(detail, "reason", "")),
        data=_event_data(before, detail),
    )
    current = select(_ticket.c.version, _ticket.c.last_hash).where(_ticket.c.id == after.id).with_for_update()
    stored = (await tx.execute(current)).one()
    if stored.version != before.version:
        raise StaleTicket(before.version, stored.version)
    chained = _hash(stored.last_hash, entry)
    await tx.execute(update(_ticket).where(_ticket.c.id == after.id).values(**_row(after), last_hash=chained))
    await _append(tx, entry, stored.last_hash, chained)
    await search.keep(tx, before, after)
    return replace(after, dues=await _save_dues(tx, before, after))


async def chain_of(tx: AsyncConnection, ticket_id: TicketId) -> tuple[tuple[Entry, str, str], ...]:
    """Every event of a ticket in order, each with the hash it names and the hash it has."""
    query = select(_event).where(_event.c.ticket_id == ticket_id).order_by(_event.c.seq)
    return tuple((_entry(row), row["prev_hash"], row["hash"]) for row in (await tx.execute(query)).mappings())


async def chains_of(
    tx: AsyncConnection, ids: Collection[TicketId]
) -> dict[TicketId, tuple[tuple[Entry, str, str], ...]]:
    """The chains of many tickets in one query; a ticket without events has an empty one."""
    query = select(_event).where(_event.c.ticket_id.in_(ids)).order_by(_event.c.ticket_id, _event.c.seq)
    found: dict[TicketId, list[tuple[Entry, str, str]]] = {one: [] for one in ids}
    for row in (await tx.execute(query)).mappings():
        found[row["ticket_id"]].append((_entry(row), row["prev_hash"], row["hash"]))
    return {one: tuple(chain) for one, chain in found.items()}


def broken_link(chain: tuple[tuple[Entry, str, str], ...]) -> int | None:
    """The seq of the first event that is missing, moved or altered; None when the chain holds."""
    previous = NO_HASH
    for index, (entry, named, stored) in enumerate(chain, 1):
        if entry.seq != index or named != previous or stored != _hash(previous, entry):
            return index
        previous = stored
    return None


def canonical(value: object) -> str:
    """JSON with one spelling, for checksums."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=_as_text)


def sha256(value: object) -> str:
    """Checksum of a value's canonical JSON, hex."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def _as_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"no JSON spelling for {type(value).__name__}")


def _hash(previous: str, entry: Entry) -> str:
    pairs = {field.name: getattr(entry, field.name) for field in fields(entry)}
    return sha256([previous, pairs])


def _opening(ticket: Ticket) -> dict[str, Any]:
    return {
        "policy": f"{ticket.policy_id}@{ticket.policy_version}",
        **{name: value for name in ("source", "call_id", "requester") if (value := getattr(ticket, name))},
    }


def _event_data(before: Ticket, detail: AnyDetail) -> dict[str, Any]:
    data = as_data(detail)
    assert isinstance(data, dict)
    if isinstance(detail, Edit | Register):
        data["before"] = _before(before, detail.changes)
    return {name: value for name, value in data.items() if name != "reason" and value not in ({}, [])}


def _before(ticket: Ticket, changes: Changes) -> dict[str, Any]:
    """What the changed fields said before; empty ones left out."""
    return {name: as_data(value) for name in changes.given() if (value := getattr(ticket, name))}


async def _append(tx: AsyncConnection, entry: Entry, previous: str, chained: str) -> None:
    values = {field.name: getattr(entry, field.name) for field in fields(entry)}
    await tx.execute(insert(_event).values(**values, prev_hash=previous, hash=chained))


def _entry(row: RowMapping) -> Entry:
    values = {field.name: row[field.name] for field in fields(Entry)}
    old = values["from_state"]
    values |= {"kind": Event(values["kind"]), "to_state": State(values["to_state"])}
    return Entry(**values | {"from_state": State(old) if old else None})


def _row(ticket: Ticket) -> dict[str, Any]:
    values = {name: getattr(ticket, name) for name in _PLAIN}
    sets = {name: sorted(getattr(ticket, name)) for name in ("typed", "flags", "cleared", "supervising")}
    lists = sets | {"assist_units": list(ticket.assist_units)}
    return values | lists


def value_of(row: RowMapping) -> Ticket:
    """A row of `ticket`, without its deadlines and signatures."""
    values = {name: row[name] for name in _PLAIN}
    source = values["rating_source"]
    values |= {
        "state": State(values["state"]),
        "typed": frozenset(values["typed"]),
        "flags": frozenset(Flag(flag) for flag in values["flags"]),
        "supervising": frozenset(values["supervising"]),
        "cleared": frozenset(values["cleared"]),
        "assist_units": tuple(values["assist_units"]),
        "rating_source": RatingSource(source) if source else None,
    }
    return Ticket(**values)


async def _dues(tx: AsyncConnection, ticket_id: TicketId, round_: int) -> tuple[Due, ...]:
    query = select(_deadline).where(_deadline.c.ticket_id == ticket_id, _deadline.c.round == round_)
    return tuple(_due(row) for row in (await tx.execute(query.order_by(_deadline.c.id))).mappings())


async def earlier_dues(tx: AsyncConnection, ticket: Ticket) -> tuple[Due, ...]:
    """The deadlines of the rounds before this one, in order."""
    query = select(_deadline).where(_deadline.c.ticket_id == ticket.id, _deadline.c.round < ticket.round)
    return tuple(_due(row) for row in (await tx.execute(query.order_by(_deadline.c.id))).mappings())


def _due(row: RowMapping) -> Due:
    stored = Deadline(
        rule_id=row["rule"],
        kind=DeadlineKind(row["kind"]),
        from_at=row["from_at"],
        due_at=row["due_at"],
        clock=Clock(row["clock"]),
        amount=row["amount"],
        policy_version=row["policy_version"],
        calendar_version=row["calendar_version"],
        provisional=row["provisional"],
    )
    return Due(stored, row["round"], row["id"], row["met_at"], row["ended_at"], row["rung"], row["rung_at"])


async def _save_dues(tx: AsyncConnection, before: Ticket, after: Ticket) -> tuple[Due, ...]:
    old = {due.id: due for due in before.dues}
    return tuple([await _save_due(tx, old.get(due.id), due, after) for due in after.dues])


async def _save_due(tx: AsyncConnection, old: Due | None, due: Due, ticket: Ticket) -> Due:
    if due == old:
        return due
    if due.id is not None:
        changed = update(_deadline).where(_deadline.c.id == due.id)
        await tx.execute(changed.values(met_at=due.met_at, ended_at=due.ended_at))
        return due
    values = {field.name: getattr(due.deadline, field.name) for field in fields(Deadline)}
    values |= {"rule": values.pop("rule_id"), "rung": due.rung, "rung_at": due.rung_at}
    row = insert(_deadline).values(ticket_id=ticket.id, round=due.round, unit=ticket.lead_unit, **values)
    return replace(due, id=(await tx.execute(row.returning(_deadline.c.id))).scalar_one())
