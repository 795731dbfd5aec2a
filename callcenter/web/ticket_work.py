"""One change of a ticket by a request: decide and store in one transaction, then show it on screens."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import flow_tickets
from callcenter.board import BoardEvent
from callcenter.types import PhoneNumber, TicketId
from callcenter.vault import Vault
from callcenter.web.context import Context
from callcenter.web.router import In
from callcenter.web.ticket_fields import Fields, Version
from callcenter.web.ticket_shapes import TicketNow
from callcenter.web.ticket_views import now_of
from ticketing import service, store
from ticketing.commands import Changes, Detail
from ticketing.facts import Fact
from ticketing.policy import Rules
from ticketing.record import StaleTicket, Ticket


class Versioned(In):
    """version: the ticket as the person saw it; a newer one is answered with 409 and nothing is saved."""

    version: Version


@dataclass
class Work:
    """An open transaction, its moment, and what screens will see after it."""

    tx: AsyncConnection
    now: datetime
    ground: flow_tickets.Ground
    shown: list[BoardEvent] = field(default_factory=list)

    @property
    def rules(self) -> Rules:
        """The regulation that runs here."""
        return self.ground.rules

    async def tell(self, facts: Iterable[Fact]) -> None:
        """Queue what follows from these facts."""
        self.shown.extend(await flow_tickets.tell(self.tx, self.ground, facts, self.now))


@asynccontextmanager
async def working(ctx: Context) -> AsyncIterator[Work]:
    """A transaction; after its commit, and only then, screens are told."""
    async with ctx.transaction() as tx:
        work = Work(tx, ctx.now, ctx.services.ground)
        yield work
    await ctx.services.board.publish(tuple(work.shown))


async def carry_out(ctx: Context, ticket_id: str, body: Versioned, detail: Detail) -> TicketNow:
    """One command on one ticket, whole. Raises what ticketing.service.carry_out raises."""
    async with working(ctx) as work:
        return await step(ctx, work, ticket_id, body, detail)


async def step(ctx: Context, work: Work, ticket_id: str, body: Versioned, detail: Detail) -> TicketNow:
    """One command inside a transaction that is open already."""
    outcome = await service.carry_out(
        work.tx,
        TicketId(ticket_id),
        detail,
        actor=ctx.actor,
        now=work.now,
        rules=work.rules,
        expected_version=body.version,
    )
    await work.tell(outcome.facts)
    # What follows from the facts (a supervision, a notice to the platform above) may have taken steps of its own.
    return now_of(await store.load(work.tx, outcome.ticket.id), ctx.actor)


async def locked(ctx: Context, work: Work, ticket_id: str, version: int) -> Ticket:
    """The ticket, locked, as the person saw it. Raises TicketNotFound, StaleTicket."""
    unit = store.unit_scope(ctx.actor)
    ticket = await store.load(work.tx, TicketId(ticket_id), lock=True, unit=unit, viewer=ctx.actor)
    if ticket.version != version:
        raise StaleTicket(version, ticket.version)
    return ticket


async def changes_of(vault: Vault, tx: AsyncConnection, fields: Fields) -> Changes:
    """Fields as ticketing takes them; a telephone number goes into the vault and only its key goes on."""
    given = fields.model_dump(exclude={"phone"})
    requester = await vault.identity_of(tx, PhoneNumber(fields.phone)) if fields.phone else None
    return Changes(**given, requester=requester)
