"""Rows of files of tickets and of what lies in the store: read and written. Never commits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import Row, Text, Update, and_, exists, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.attachments.cabinet import Laid, path_of, sealed_of
from callcenter.attachments.tables import attachment, attachment_object
from callcenter.attachments.words import Attachment, Given, Place, Purpose
from callcenter.types import Actor, TicketId, UnitId
from recordings.custody.custody import SealedObject
from ticketing import store, tables
from ticketing.record import Ticket

_A, _O = attachment.c, attachment_object.c
_COLUMNS = tuple(_A[name] for name in Attachment.__dataclass_fields__)
LIVE = _A.removed_at.is_(None)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A name in the store. stored: the same bytes lie there already."""

    id: int
    name: UUID
    path: str
    sha256: str
    stored: bool


# ---- files of a ticket ---------------------------------------------------------------------------------------------


async def of_ticket(tx: AsyncConnection, ticket_id: TicketId, *, citizens: bool) -> tuple[Attachment, ...]:
    """Those that are there, in order. citizens: with what came from the citizen."""
    query = select(*_COLUMNS).where(_A.ticket_id == ticket_id, LIVE)
    if not citizens:
        query = query.where(_A.purpose != Purpose.CITIZEN)
    return tuple(_attachment(row) for row in await tx.execute(query.order_by(_A.id)))


async def one(tx: AsyncConnection, attachment_id: int, actor: Actor) -> Attachment | None:
    """The file, if it is there and this person may see its ticket; by the query itself."""
    seen = [_A.id == attachment_id, LIVE, tables.ticket.c.id == _A.ticket_id, store.open_to(actor)]
    unit = store.unit_scope(actor)
    if unit is not None:
        seen.append(store.visible_to(unit))
    row = (await tx.execute(select(*_COLUMNS).where(*seen))).one_or_none()
    return None if row is None else _attachment(row)


async def count(tx: AsyncConnection, ticket: Ticket) -> int:
    """Files of this round."""
    query = select(func.count()).where(_A.ticket_id == ticket.id, _A.round == ticket.round, LIVE)
    return int((await tx.execute(query)).scalar_one())


async def same(tx: AsyncConnection, ticket_id: TicketId, given: Given) -> Attachment | None:
    """The ticket has this very file for this purpose already."""
    mine = (_A.ticket_id == ticket_id, _A.purpose == given.purpose, _A.sha256 == given.sha256, LIVE)
    row = (await tx.execute(select(*_COLUMNS).where(*mine))).one_or_none()
    return None if row is None else _attachment(row)


async def add(
    tx: AsyncConnection, ticket: Ticket, given: Given, object_id: int, actor: Actor, now: datetime
) -> Attachment:
    """The file belongs to the ticket."""
    row = insert(attachment).values(
        ticket_id=ticket.id,
        round=ticket.round,
        object_id=object_id,
        **{name: getattr(given, name) for name in ("purpose", "name", "kind", "sha256", "note")},
        size_bytes=len(given.data),
        added_at=now,
        added_by=str(actor),
        added_unit=actor.unit,
    )
    return _attachment((await tx.execute(row.returning(*_COLUMNS))).one())


async def is_named(tx: AsyncConnection, one: Attachment) -> bool:
    """Whether anything that happened to the ticket names the file: a reply, a request, a signature."""
    event = tables.ticket_event.c
    names = event.data.cast(Text).op("~")(f"{one.ref}([^0-9]|$)")
    query = select(exists().where(event.ticket_id == one.ticket_id, names))
    return bool((await tx.execute(query)).scalar_one())


async def remove(tx: AsyncConnection, one: Attachment, actor: Actor, now: datetime) -> None:
    """It is no longer the ticket's; the row stays."""
    gone = update(attachment).where(_A.id == one.id).values(removed_at=now, removed_by=str(actor))
    await tx.execute(gone)


# ---- what lies in the store ----------------------------------------------------------------------------------------


async def prepare(tx: AsyncConnection, given: Given, now: datetime) -> Prepared:
    """A name for these bytes: of those that lie there, else a new one."""
    there = select(_O.id, _O.name, _O.path).where(_O.sha256 == given.sha256, _O.place == Place.STORED)
    row = (await tx.execute(there)).one_or_none()
    if row is not None:
        return Prepared(row.id, row.name, row.path, given.sha256, stored=True)
    name = uuid4()
    path = path_of(name, now)
    values = {"name": name, "path": path, "place": Place.PREPARED, "sha256": given.sha256}
    made = insert(attachment_object).values(**values, plain_bytes=len(given.data), prepared_at=now)
    made_id = (await tx.execute(made.returning(_O.id))).scalar_one()
    return Prepared(made_id, name, path, given.sha256, stored=False)


async def taken(tx: AsyncConnection, prepared: Prepared, sealed: SealedObject | None, now: datetime) -> int | None:
    """The object these bytes now belong to, locked; None when it left the store meanwhile: begin again.

    Two who bring the same bytes at once each have an object of their own; the second takes the first one's.
    """
    if prepared.stored or sealed is None:
        return await _still(tx, prepared.id)
    # One at a time for the same bytes.
    await tx.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:it, 0))"), {"it": prepared.sha256})
    mine = select(_O.id).where(_O.id == prepared.id, _O.place == Place.PREPARED).with_for_update()
    if (await tx.execute(mine)).scalar_one_or_none() is None:
        return None
    other = select(_O.id).where(_O.sha256 == prepared.sha256, _O.place == Place.STORED).with_for_update()
    earlier = (await tx.execute(other)).scalar_one_or_none()
    if earlier is not None:
        await tx.execute(_to(prepared.id, Place.LEAVING))
        return int(earlier)
    values: dict[str, object] = {"cipher": sealed.cipher, "stored_at": now}
    values |= {"key_id": sealed.key.key_id, "wrapped_key": sealed.key.wrapped}
    values |= {"sealed_bytes": sealed.sealed_bytes, "sealed_sha256": sealed.sealed_sha256}
    await tx.execute(_to(prepared.id, Place.STORED).values(**values))
    return prepared.id


async def _still(tx: AsyncConnection, object_id: int) -> int | None:
    query = select(_O.id).where(_O.id == object_id, _O.place == Place.STORED).with_for_update()
    found = (await tx.execute(query)).scalar_one_or_none()
    return None if found is None else int(found)


async def laid(tx: AsyncConnection, object_id: int) -> Laid | None:
    """Where the bytes lie; None when they do not."""
    found = await _laid(tx, _O.id == object_id)
    return found[0] if found else None


async def uncopied(tx: AsyncConnection, limit: int) -> Sequence[tuple[int, Laid]]:
    """Objects the second place has not, the oldest first."""
    query = select(attachment_object).where(_O.place == Place.STORED, _O.copied_at.is_(None))
    return [(row.id, _as_laid(row)) for row in await tx.execute(query.order_by(_O.id).limit(limit))]


async def page(tx: AsyncConnection, after: int, limit: int, *, copied: bool) -> Sequence[tuple[int, Laid]]:
    """Stored objects after this id, for checks; copied: those the second place has."""
    query = select(attachment_object).where(_O.place == Place.STORED, _O.id > after)
    if copied:
        query = query.where(_O.copied_at.is_not(None))
    return [(row.id, _as_laid(row)) for row in await tx.execute(query.order_by(_O.id).limit(limit))]


async def copied(tx: AsyncConnection, object_id: int, now: datetime) -> None:
    """The second place has it."""
    await tx.execute(update(attachment_object).where(_O.id == object_id).values(copied_at=now))


async def due(tx: AsyncConnection, before: datetime, again: datetime, limit: int) -> Sequence[tuple[int, Laid, bool]]:
    """Objects nobody has read whole since `before`, those in trouble not since `again`; the longest unread first.

    With whether the second place has it.
    """
    seen = func.coalesce(_O.checked_at, _O.stored_at)
    wanted = or_(seen < before, and_(_O.trouble != "", seen < again))
    query = select(attachment_object).where(_O.place == Place.STORED, wanted).order_by(seen, _O.id).limit(limit)
    return [(row.id, _as_laid(row), row.copied_at is not None) for row in await tx.execute(query)]


async def some_others(tx: AsyncConnection, object_id: int, limit: int, *, copied: bool) -> list[str]:
    """Paths of other objects that must lie there, the newest."""
    there = [_O.place == Place.STORED, _O.id != object_id]
    if copied:
        there.append(_O.copied_at.is_not(None))
    return list((await tx.execute(select(_O.path).where(*there).order_by(_O.id.desc()).limit(limit))).scalars())


async def checked(tx: AsyncConnection, object_id: int, now: datetime, trouble: str) -> None:
    """It was read whole; trouble: `` when every place has it now."""
    await tx.execute(update(attachment_object).where(_O.id == object_id).values(checked_at=now, trouble=trouble))


async def troubled(tx: AsyncConnection, limit: int) -> Sequence[tuple[UUID, str]]:
    """Objects that could not be mended, and why."""
    query = select(_O.name, _O.trouble).where(_O.trouble != "", _O.place == Place.STORED)
    return [(row.name, row.trouble) for row in await tx.execute(query.order_by(_O.id).limit(limit))]


async def unneeded(tx: AsyncConnection, before: datetime, limit: int) -> Sequence[tuple[int, str]]:
    """Objects that nobody may take up again: given up long ago, or of no ticket; with those already leaving."""
    needed = exists().where(_A.object_id == _O.id, LIVE)
    idle = (_O.place.in_((Place.PREPARED, Place.STORED)), func.coalesce(_O.stored_at, _O.prepared_at) < before, ~needed)
    query = select(_O.id).where(*idle).order_by(_O.id).limit(limit).with_for_update(skip_locked=True)
    ids = list((await tx.execute(query)).scalars())
    if ids:
        # Asked again under the lock: who took it up meanwhile has committed by now.
        left = update(attachment_object).where(_O.id.in_(ids), ~needed).values(place=Place.LEAVING)
        await tx.execute(left)
    leaving = select(_O.id, _O.path).where(_O.place == Place.LEAVING).order_by(_O.id).limit(limit)
    return [(row.id, row.path) for row in await tx.execute(leaving)]


async def gone(tx: AsyncConnection, object_id: int, now: datetime) -> None:
    """It is in no store; its key goes as well, so that no forgotten copy opens."""
    await tx.execute(_to(object_id, Place.GONE).values(gone_at=now, wrapped_key=None))


def _to(object_id: int, place: Place) -> Update:
    return update(attachment_object).where(_O.id == object_id).values(place=place)


async def _laid(tx: AsyncConnection, condition: Any) -> list[Laid]:
    query = select(attachment_object).where(condition, _O.place == Place.STORED)
    return [_as_laid(row) for row in await tx.execute(query)]


def _as_laid(row: Row[Any]) -> Laid:
    sealed = sealed_of(row.cipher, row.key_id, bytes(row.wrapped_key), row.sealed_bytes, row.sealed_sha256)
    return Laid(row.name, row.path, row.sha256, sealed)


def _attachment(row: Row[Any]) -> Attachment:
    values = {name: getattr(row, name) for name in Attachment.__dataclass_fields__}
    unit = values["added_unit"]
    return Attachment(**values | {"purpose": Purpose(values["purpose"]), "added_unit": UnitId(unit) if unit else None})
