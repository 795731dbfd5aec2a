"""The story of tickets that follow a master: its result goes to every citizen; without one they go their own way."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import system
from ticketing import facts, store
from ticketing.aftercare import repeats
from ticketing.approvals.termination import TicketTerminated
from ticketing.facts import Fact
from ticketing.policy import Rules

MERGING = system("merging")
RESULT = (facts.SurveyBegun, facts.TicketClosed)
NO_RESULT = (
    facts.TicketAnswered,
    facts.TicketRejected,
    facts.TicketReferred,
    facts.TicketWithdrawn,
    TicketTerminated,
)


async def follow(tx: AsyncConnection, rules: Rules, told: Iterable[Fact], now: datetime) -> tuple[Fact, ...]:
    """What became true of the followers of these tickets, in the same transaction."""
    happened: tuple[Fact, ...] = ()
    for fact in told:
        if isinstance(fact, RESULT):
            master = await store.load(tx, fact.ticket_id)
            if master.result.strip():
                happened += await repeats.feed_back(tx, master, actor=MERGING, now=now, rules=rules)
        elif isinstance(fact, NO_RESULT):
            happened += await repeats.set_free(tx, fact.ticket_id, actor=MERGING, now=now, rules=rules)
    return happened
