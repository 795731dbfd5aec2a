"""What is known of a call about a ticket by itself is written into the ticket: that the citizen did not answer.

An answered call is left to the person who made it. That somebody picked up is no talk with the citizen: it may have
been a machine, a child, a wrong number; the contact ends a clock, and who was told what only the caller can say.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import flow_tickets, outgoing, ticket_calls
from callcenter.board import Board
from callcenter.db import Database
from callcenter.jobs import Job
from callcenter.tables import user_account
from callcenter.ticket_calls import TicketCall
from callcenter.types import Actor, CallId, Role, UnitId
from ticketing import service
from ticketing.aftercare.contacts import NoteContact, Purpose, Reached
from ticketing.record import Refused

log = logging.getLogger(__name__)

METHOD = "电话（平台外呼）"
RANG_ENOUGH_S = 15.0
"""Shorter, with nobody else ending it, was the caller hanging up: no try."""
BY_THE_CALLER = frozenset({None, 0, 16, 26, 127})
"""Causes (Q.850) of a leg that our own side ended, or that say nothing."""
IN_WORDS = {
    1: "空号",
    17: "占线",
    18: "无人应答",
    19: "无人接听",
    20: "无法接通",
    21: "对方拒接",
    22: "号码已变更",
    28: "号码有误",
}


@dataclass
class TicketCallWork:
    """Handler about calls of a ticket's citizen."""

    database: Database
    board: Board
    ground: flow_tickets.Ground

    def handlers(self) -> Mapping[str, Callable[[Job], Awaitable[None]]]:
        """Job kind -> handler."""
        return {outgoing.NOTE_JOB: self.note}

    async def note(self, job: Job) -> None:
        """`ticket.called`: a try that reached nobody becomes a contact of the ticket; again, nothing."""
        call_id, now = CallId(str(job.payload["call"])), datetime.now(UTC)
        async with self.database.transaction() as tx:
            made = await ticket_calls.find(tx, call_id)
            told = _try_of(made) if made is not None else None
            who = await _person(tx, made.actor) if made is not None else None
            if made is None or told is None or who is None:
                return
            # First, so that two workers write one contact.
            if not await ticket_calls.noted(tx, call_id, made.ticket_id, str(who), now):
                return
            try:
                async with tx.begin_nested():
                    done = await service.carry_out(
                        tx, made.ticket_id, told, actor=who, now=now, rules=self.ground.rules
                    )
            except Refused as refused:
                log.info("a try is on record as a call only", extra={"call": call_id, "why": str(refused)})
                return
            shown = await flow_tickets.tell(tx, self.ground, done.facts, now)
        await self.board.publish(shown)


def _try_of(made: TicketCall) -> NoteContact | None:
    """The contact to be written down; None: there was none that we know of. PURE."""
    if made.state != "unreached" or made.rang_at is None or made.citizen_ended_at is None:
        return None
    rang_s = (made.citizen_ended_at - made.rang_at).total_seconds()
    if made.cause in BY_THE_CALLER and rang_s < RANG_ENOUGH_S:
        return None
    why = IN_WORDS.get(made.cause or 0, "无人接听")
    told = f"平台外呼，振铃 {max(0, round(rang_s))} 秒，{why}。"
    return NoteContact(made.rang_at, METHOD, told, Purpose(made.purpose), Reached.NOT_REACHED, made.over_reason)


async def _person(tx: AsyncConnection, actor: str) -> Actor | None:
    """Who made the call, with the roles they hold; None when the account is gone."""
    login = actor.removeprefix("user:")
    query = select(user_account.c.roles, user_account.c.unit).where(user_account.c.login == login)
    row = (await tx.execute(query)).one_or_none()
    if row is None:
        return None
    return Actor("user", login, frozenset(Role(role) for role in row.roles), UnitId(row.unit) if row.unit else None)
