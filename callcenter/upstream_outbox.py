"""What the platform above is told, in order and without loss: a row in the transaction that made it true, then a job.

At least once: the message's key stays the same however often it goes out, and the other side keeps it once. A job
first sends what its ticket has waiting from before, so that the platform never hears of a result before the dispatch.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import jobs, metrics
from callcenter.job import RetryPolicy
from callcenter.jobs import Job
from callcenter.types import TicketId
from callcenter.upstream_client import UpstreamAway, UpstreamRefused
from callcenter.upstream_tables import upstream_message

SEND_JOB = "upstream.send"
RETRIES = RetryPolicy(max_tries=1_500, first_s=2.0, longest_s=600.0)
"""About ten days of trying before a person is asked."""
VERSION = 1
_table = upstream_message


@dataclass(frozen=True, slots=True)
class Message:
    """What is told. key: once and for all. data: plain JSON, without anything that identifies the citizen."""

    key: str
    kind: str
    ticket_id: TicketId
    external_id: str | None
    round: int
    data: Mapping[str, Any]
    at: datetime


async def tell(tx: AsyncConnection, message: Message) -> bool:
    """Queue a message in the caller's transaction; False when it was queued before."""
    values = {name: getattr(message, name) for name in Message.__slots__}
    row = insert(_table).values(**values | {"data": dict(message.data)})
    made = (await tx.execute(row.on_conflict_do_nothing().returning(_table.c.id))).scalar_one_or_none()
    if made is None:
        return False
    await jobs.enqueue(tx, SEND_JOB, {"message": made}, key=f"{SEND_JOB}:{made}")
    return True


def as_sent(row: Row[Any], ours: str) -> bytes:
    """The message on the wire. seq: rises with every message, for those who want to put them in order."""
    said = {
        "version": VERSION,
        "event_id": row.key,
        "seq": row.id,
        "kind": row.kind,
        "system": ours,
        "ticket": row.ticket_id or None,
        "external_id": row.external_id,
        "round": row.round,
        "at": row.at.astimezone(UTC).isoformat(),
        "data": row.data,
    }
    return json.dumps(said, ensure_ascii=False, separators=(",", ":")).encode()


@dataclass(frozen=True, slots=True)
class Sender:
    """The worker's part. send: posts (key, body), see callcenter.upstream_client."""

    transaction: Callable[[], AbstractAsyncContextManager[AsyncConnection]]
    send: Callable[[str, bytes], Awaitable[str]]
    ours: str

    async def __call__(self, job: Job) -> None:
        """`upstream.send`: this message, after those its ticket has waiting. Raises UpstreamAway, UpstreamRefused."""
        wanted = int(str(job.payload["message"]))
        async with self.transaction() as tx:
            own = (await tx.execute(select(_table).where(_table.c.id == wanted))).one()
            before = (_table.c.ticket_id == own.ticket_id, _table.c.state == "waiting", _table.c.id < wanted)
            earlier = (await tx.execute(select(_table).where(*before).order_by(_table.c.id))).all()
        for row in earlier:
            try:
                await self._send(row)
            except UpstreamRefused:
                # Its own job says so; what comes after it is told all the same.
                continue
        if own.state != "sent":
            await self._send(own)

    async def _send(self, row: Row[Any]) -> None:
        try:
            answer = await self.send(row.key, as_sent(row, self.ours))
        except UpstreamRefused as error:
            await self._note(row.id, "refused", str(error))
            raise
        except UpstreamAway as error:
            await self._note(row.id, "waiting", str(error))
            raise
        await self._note(row.id, "sent", answer)

    async def _note(self, message_id: int, state: str, answer: str) -> None:
        metrics.UPSTREAM.labels("out", state).inc()
        settled = None if state == "waiting" else datetime.now(UTC)
        values = {"state": state, "settled_at": settled, "answer": answer[:500], "tries": _table.c.tries + 1}
        # What was sent stays sent, whatever a second sender that came too late has heard.
        mine = (_table.c.id == message_id, _table.c.state != "sent")
        async with self.transaction() as tx:
            await tx.execute(update(_table).where(*mine).values(**values))


async def was_told(tx: AsyncConnection, ticket_id: TicketId, kind: str) -> bool:
    """Whether a message of this kind was ever queued for the ticket."""
    query = select(_table.c.id).where(_table.c.ticket_id == ticket_id, _table.c.kind == kind).limit(1)
    return (await tx.execute(query)).one_or_none() is not None


async def messages_of(tx: AsyncConnection, ticket_id: TicketId) -> list[Row[Any]]:
    """What was told of a ticket, in order, with what became of it."""
    return list((await tx.execute(select(_table).where(_table.c.ticket_id == ticket_id).order_by(_table.c.id))).all())
