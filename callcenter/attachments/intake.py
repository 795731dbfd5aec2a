"""A file comes in: decided, sealed and stored, and only then said to be the ticket's. May be killed anywhere.

Before anything is written to the store its name is a row; what no ticket took in the end is removed by the sweep. A
file that is given again, because its answer was lost, is found and not stored twice. Taking out goes the same way
back: the row first, the bytes later.
"""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.attachments import rows
from callcenter.attachments.cabinet import AttachmentDamaged, Cabinet
from callcenter.attachments.words import MOST_OF_TICKET, Attachment, Given
from callcenter.audit import Audited, note
from callcenter.db import Database
from callcenter.types import Actor, TicketId
from ticketing import store
from ticketing.record import GuardFailed, NotYours, Ticket
from ticketing.words import STATE_NAMES, State

SETTLED = frozenset({State.ARCHIVED, State.WITHDRAWN, State.MERGED, State.TERMINATED})
"""A ticket in these states takes no more files; an archived one has a checksum over its list."""
ADDED, REMOVED = "attachment.add", "attachment.remove"
TURNS = 3


class AttachmentUnknown(Exception):
    """没有这个附件，或您无权查看。请刷新后重试。"""


class TriedTooOften(Exception):
    """附件没有保存，请重新上传。"""

    retryable = True


async def ticket_for(tx: AsyncConnection, ticket_id: TicketId, actor: Actor, *, lock: bool = False) -> Ticket:
    """The ticket, if this person may see it and it still takes files. Raises TicketNotFound, GuardFailed."""
    ticket = await store.load(tx, ticket_id, lock=lock, unit=store.unit_scope(actor), viewer=actor)
    if ticket.state in SETTLED:
        raise GuardFailed(f"工单「{STATE_NAMES[ticket.state]}」，不能再增加或撤回附件。")
    return ticket


async def room_for_more(tx: AsyncConnection, ticket: Ticket) -> None:
    """Raises GuardFailed when the round has as many files as one may have."""
    if await rows.count(tx, ticket) >= MOST_OF_TICKET:
        raise GuardFailed(f"本轮办理最多{MOST_OF_TICKET}个附件，已经满了。请撤回不需要的，或合并成一个 PDF。")


async def take_in(
    database: Database, cabinet: Cabinet, ticket_id: TicketId, given: Given, *, actor: Actor, now: datetime
) -> Attachment:
    """The file is the ticket's from here on; one it has already is answered as it is.

    Raises TicketNotFound, GuardFailed, StoreAway, NotKept, DatabaseAway, TriedTooOften.
    """
    for _ in range(TURNS):
        async with database.transaction() as tx:
            ticket = await ticket_for(tx, ticket_id, actor)
            known = await rows.same(tx, ticket.id, given)
            if known is not None:
                return known
            await room_for_more(tx, ticket)
            prepared = await rows.prepare(tx, given, now)
        sealed = None if prepared.stored else await cabinet.put(prepared.name, prepared.path, given.data)
        async with database.transaction() as tx:
            ticket = await ticket_for(tx, ticket_id, actor, lock=True)
            known = await rows.same(tx, ticket.id, given)
            if known is not None:
                return known
            await room_for_more(tx, ticket)
            object_id = await rows.taken(tx, prepared, sealed, now)
            if object_id is None:
                continue
            added = await rows.add(tx, ticket, given, object_id, actor, now)
            size, kind = len(given.data), given.kind
            detail: dict[str, str | int] = {"ticket": ticket.id, "bytes": size, "kind": kind, "sha256": given.sha256}
            await note(tx, Audited(actor, ADDED, f"attachment:{added.id}", detail=detail))
            return added
    raise TriedTooOften


async def take_out(tx: AsyncConnection, attachment_id: int, *, actor: Actor, now: datetime) -> Attachment:
    """Taken back by who gave it, as long as nothing on the ticket names it. Raises AttachmentUnknown and so on."""
    found = await rows.one(tx, attachment_id, actor)
    if found is None:
        raise AttachmentUnknown
    await ticket_for(tx, found.ticket_id, actor, lock=True)
    if found.added_by != str(actor):
        raise NotYours("附件只能由上传的人撤回。")
    if await rows.is_named(tx, found):
        raise GuardFailed("附件已经写进回复或申请，随工单保存，不能撤回。")
    await rows.remove(tx, found, actor, now)
    detail = {"ticket": found.ticket_id, "sha256": found.sha256, "name": found.name}
    await note(tx, Audited(actor, REMOVED, f"attachment:{found.id}", detail=detail))
    return found


async def bytes_of(database: Database, cabinet: Cabinet, found: Attachment) -> bytes:
    """The file itself. Raises AttachmentDamaged, StoreAway."""
    async with database.transaction() as tx:
        laid = await rows.laid(tx, found.object_id)
    if laid is None:
        raise AttachmentDamaged(str(found.id))
    return await cabinet.read(laid)
