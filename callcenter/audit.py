"""Who did what to what, in the same transaction as the deed; append-only."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.tables import audit
from callcenter.types import Actor


@dataclass(frozen=True, slots=True)
class Audited:
    """One row: the four fields an evaluator asks for (time is the database's), and what helps to understand it."""

    actor: Actor
    action: str
    """`area.verb`: `identity.reveal`, `login`, `recording.play`."""
    subject: str
    """`kind:id`."""
    ok: bool = True
    detail: Mapping[str, str | int | float | bool | None] = field(default_factory=dict)


async def note(tx: AsyncConnection, row: Audited) -> None:
    """Write one audit row; if it cannot be written, the deed it tells of does not happen either."""
    await tx.execute(
        insert(audit).values(
            actor=str(row.actor), action=row.action, subject=row.subject, ok=row.ok, detail=dict(row.detail)
        )
    )
