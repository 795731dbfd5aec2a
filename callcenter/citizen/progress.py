"""What a citizen may see of their request, for who holds its number and its code."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hmac import compare_digest

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.audit import Audited, note
from callcenter.tables import audit, handling_unit
from callcenter.types import Actor, TicketId
from callcenter.vault import Vault
from ticketing import store
from ticketing.aftercare.citizen_view import Progress, progress_of
from ticketing.record import Ticket, TicketNotFound

TRIES, WITHIN = 10, timedelta(hours=1)
ASKED = "progress.read"
CITIZEN = Actor("citizen", "progress")


@dataclass(frozen=True, slots=True)
class Seen:
    """The progress, and the ticket it is of."""

    progress: Progress
    ticket: Ticket


async def read(tx: AsyncConnection, vault: Vault, number: str, code: str, now: datetime) -> Seen | None:
    """None for an unknown number, a wrong code and too many tries alike. Every look is in the audit."""
    subject = f"ticket:{number}"
    right = compare_digest(vault.citizen_code(TicketId(number)), code)
    if await _wrong_tries(tx, subject, now) >= TRIES:
        return None
    seen = await _seen(tx, TicketId(number)) if right else None
    await note(tx, Audited(CITIZEN, ASKED, subject, seen is not None))
    return seen


async def _wrong_tries(tx: AsyncConnection, subject: str, now: datetime) -> int:
    """Wrong codes for this ticket within the hour; one number cannot be tried for long."""
    query = select(func.count()).where(
        audit.c.subject == subject, audit.c.action == ASKED, ~audit.c.ok, audit.c.at > now - WITHIN
    )
    return int((await tx.execute(query)).scalar_one())


async def _seen(tx: AsyncConnection, number: TicketId) -> Seen | None:
    try:
        ticket = await store.load(tx, number)
    except TicketNotFound:
        return None
    query = select(handling_unit.c.name).where(handling_unit.c.id == ticket.lead_unit)
    return Seen(progress_of(ticket, (await tx.execute(query)).scalar_one_or_none() or ""), ticket)
