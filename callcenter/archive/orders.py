"""Packages are ordered in the transaction that archives a ticket, and made later by the worker."""

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import jobs
from callcenter.types import TicketId

PACKAGE_JOB = "archive.package"


async def order_package(tx: AsyncConnection, ticket_id: TicketId, round_: int) -> None:
    """A round of a ticket was archived: its package is to be made, once."""
    key = f"{PACKAGE_JOB}:{ticket_id}:{round_}"
    await jobs.enqueue(tx, PACKAGE_JOB, {"ticket": ticket_id, "round": round_}, key=key)
