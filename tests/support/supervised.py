"""Tickets of any region as values and in a database, with what the hub does about supervision, for its tests."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import flow_supervision
from callcenter.types import Actor, IdentityId, TicketId, UnitId
from callcenter.vault import Vault
from tests.support.regions import policy_of, rules_of
from tests.support.tickets import AGENT, DISPATCHER, MONDAY, ROADS, WATER
from tests.support.web import ALL_DAY
from ticketing import commands, service, store, tables
from ticketing.commands import Changes, Detail
from ticketing.dispatch.units_tables import unit, unit_person
from ticketing.facts import Fact
from ticketing.record import Ticket
from ticketing.supervision.tables import supervision
from ticketing.ticket import opened
from ticketing.words import State

NUMBER = TicketId("20260601000009")
OTHERS = (UnitId("roads"), UnitId("health"))
FIELDS = Changes(request_type="投诉", source="电话", content="路灯坏了一个月没人管。", place="桂龙路")


def ticket_of(region: str, at: datetime = MONDAY, *, state: State = State.HANDLING, **values: object) -> Ticket:
    """A ticket the water unit is handling there, as a value; nothing of it is stored."""
    policy = policy_of(region)
    ticket, _ = opened(NUMBER, policy, at, source=policy.sources[0], requester=IdentityId(7))
    given = {"lead_unit": WATER, "dispatched_at": at, "signed_at": at, "registered_at": at, **values}
    return replace(ticket, state=state, request_type="投诉", **given)  # type: ignore[arg-type]


def ground(region: str, tx: AsyncConnection, at: datetime) -> flow_supervision.Told:
    return flow_supervision.Told(tx, rules_of(region), at, Vault("5a" * 32), ALL_DAY)


async def tell(region: str, tx: AsyncConnection, told: Sequence[Fact], at: datetime) -> tuple[Fact, ...]:
    """What the hub does with facts: supervision answers, and its own facts are told in turn."""
    made = await flow_supervision.tell(ground(region, tx, at), told)
    return made + (await tell(region, tx, made, at) if made else ())


async def act(
    region: str, tx: AsyncConnection, ticket_id: TicketId, detail: Detail, actor: Actor, at: datetime = MONDAY
) -> Ticket:
    done = await service.carry_out(tx, ticket_id, detail, actor=actor, now=at, rules=rules_of(region))
    await tell(region, tx, done.facts, at)
    return await store.load(tx, ticket_id)


async def with_units(tx: AsyncConnection) -> None:
    """The two units with a handler each, whose telephones can read messages."""

    for name in (WATER, ROADS):
        await tx.execute(insert(unit).values(id=name, name=name, kind="department", updated_at=MONDAY))
        row = {"unit": name, "post": "handler", "name": "张三", "phone": "13900139000", "from_at": MONDAY}
        await tx.execute(insert(unit_person).values(**row))


async def dispatched(
    region: str, tx: AsyncConnection, at: datetime = MONDAY, *, assists: tuple[UnitId, ...] = (), **changes: Any
) -> Ticket:
    """A ticket at the water unit, signed, by every step the policy asks for."""
    opened = await service.open_draft(tx, actor=AGENT, now=at, rules=rules_of(region), requester=IdentityId(4711))
    first = policy_of(region).sources[0]
    fields = Changes(**{**FIELDS.given(), "source": first, **changes})
    await act(region, tx, opened.id, commands.Register(fields, "站长同意登记"), AGENT, at)
    sent = commands.Dispatch(WATER, assists, instruction="请尽快办理", basis="职责清单")
    await act(region, tx, opened.id, sent, DISPATCHER, at)
    return await store.load(tx, opened.id)


async def forced(tx: AsyncConnection, ticket_id: TicketId, **values: Any) -> None:
    """Values of a ticket set past its rules, for what other ideas would bring about."""
    await tx.execute(text("SET LOCAL session_replication_role = replica"))
    await tx.execute(update(tables.ticket).where(tables.ticket.c.id == ticket_id).values(**values))
    await tx.execute(text("SET LOCAL session_replication_role = origin"))


async def open_of(tx: AsyncConnection, ticket_id: TicketId) -> dict[str, str]:
    """Reason -> who it was asked of."""
    c = supervision.c
    rows = await tx.execute(select(c.trigger, c.unit).where(c.ticket_id == ticket_id, c.ended_at.is_(None)))
    return {row.trigger: row.unit for row in rows}


async def overdue(region: str, tx: AsyncConnection, at: datetime) -> tuple[Fact, ...]:
    """What the sweep of deadlines does."""
    told: list[Fact] = []
    for fact in await service.claim_due(tx, at):
        told.append(fact)
        told += (await service.deadline_passed(tx, fact, now=at, rules=rules_of(region))).facts
    return tuple(told) + await tell(region, tx, told, at)
