"""A region's unit directory in the database, and tickets registered under its policy."""

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import units as hub
from callcenter.types import Actor, IdentityId, Role, TicketId, UnitId
from config.unit_loader import Directory, load_directory
from tests.support.regions import rules_of
from tests.support.tickets import AGENT, MONDAY, SYSTEM
from ticketing import commands, service
from ticketing.commands import Changes, Detail
from ticketing.record import Ticket
from ticketing.service import Outcome

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
TRANSPORT = UnitId("transport")
TRANSPORT_MAN = Actor("user", "jiao-tong", frozenset({Role.UNIT}), TRANSPORT)
ADMIN = Actor("user", "admin", frozenset({Role.ADMIN}))
SUBJECT = "04.01"


def directory(region: str = "longsheng") -> Directory:
    return load_directory(region, rules_of(region).policies[-1])


async def seeded(tx: AsyncConnection, region: str = "longsheng") -> None:
    given = directory(region)
    await hub.seed(tx, given.units, given.entries, MONDAY)


async def act(
    tx: AsyncConnection,
    ticket_id: TicketId,
    detail: Detail,
    actor: Actor,
    at: datetime = MONDAY,
    region: str = "longsheng",
) -> Outcome:
    return await service.carry_out(tx, ticket_id, detail, actor=actor, now=at, rules=rules_of(region))


async def registered(tx: AsyncConnection, region: str = "longsheng", at: datetime = MONDAY, **fields: object) -> Ticket:
    rules = rules_of(region)
    policy = rules.policies[-1]
    opened = await service.open_draft(tx, actor=SYSTEM, now=at, rules=rules, requester=IdentityId(4711))
    kind = policy.requester_kinds[0] if policy.requester_kinds else None
    given = {
        "request_type": "投诉",
        "source": policy.sources[0],
        "content": "龙胜镇桂龙路停水两天了",
        "place": "桂龙路",
        "subject": SUBJECT,
        "contact_name": "李女士",
        **fields,
    }
    changes = replace(Changes(requester_kind=kind), **given)  # type: ignore[arg-type]
    detail = commands.Register(changes, "来电人直接拨打")
    return (await act(tx, opened.id, detail, AGENT, at, region)).ticket
