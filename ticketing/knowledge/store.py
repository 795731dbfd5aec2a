"""Rows to values and back: items, their versions and what was done to them. Writes happen in the caller's transaction.

Whoever writes for a unit sees that unit's items whatever their state; everybody who answers citizens sees what is in
use. Unknown and foreign items look the same.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, and_, exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import Actor, Role, UnitId
from ticketing.knowledge.contents import Template, as_data, of_data, plain
from ticketing.knowledge.index import vector
from ticketing.knowledge.items import (
    EDITORS,
    READERS,
    WRITERS,
    Act,
    Draft,
    Item,
    ItemState,
    KnowledgeChanged,
    KnowledgeNotFound,
    Version,
)
from ticketing.knowledge.rules import Trigger
from ticketing.knowledge.tables import knowledge_event, knowledge_item, knowledge_version
from ticketing.record import NotYours

_FIELDS = tuple(field.name for field in fields(Item))
_KEPT = tuple(name for name in _FIELDS if name not in ("id", "uploaded_at"))
MAX_PAGE = 200


@dataclass(frozen=True, slots=True)
class Done:
    """One line of an item's history."""

    version: int
    act: Act
    actor: str
    note: str
    at: datetime


def reviews(actor: Actor) -> bool:
    """Whether this person reviews what units write."""
    return bool(actor.roles & EDITORS)


def visible_to(actor: Actor) -> ColumnElement[bool]:
    """The condition that this person may see an item: in use, or theirs to work on. Raises NotYours."""
    if actor.kind == "user" and not actor.roles & READERS:
        raise NotYours("您的账号不能查看知识库。请联系管理员设置角色。")
    if actor.kind != "user" or actor.roles & (EDITORS | {Role.AUDITOR}):
        return knowledge_item.c.id.is_not(None)
    in_use = knowledge_item.c.live.is_not(None)
    if actor.roles & WRITERS and actor.unit is not None:
        return or_(in_use, knowledge_item.c.unit == actor.unit)
    return in_use


async def load(tx: AsyncConnection, item_id: int, actor: Actor, *, lock: bool = False) -> Item:
    """The item. Raises KnowledgeNotFound, also for one this person may not see."""
    query = select(knowledge_item).where(knowledge_item.c.id == item_id, visible_to(actor))
    row = (await tx.execute(query.with_for_update() if lock else query)).mappings().one_or_none()
    if row is None:
        raise KnowledgeNotFound
    return item_of(row)


async def add(tx: AsyncConnection, item: Item, draft: Draft, actor: Actor) -> Item:
    """A new item with its first version. Its id and upload time are the database's."""
    row = insert(knowledge_item).values(**row_of(item)).returning(knowledge_item)
    stored = item_of((await tx.execute(row)).mappings().one())
    await add_version(tx, stored, draft, actor)
    return stored


async def add_version(tx: AsyncConnection, item: Item, draft: Draft, actor: Actor) -> None:
    """The version of the item's number; what is there stays."""
    await tx.execute(insert(knowledge_version).values(**version_row(item, draft, actor)))


def version_row(item: Item, draft: Draft, actor: Actor) -> dict[str, Any]:
    """The row of a new version; its upload time is the database's."""
    return {
        "item_id": item.id,
        "version": item.version,
        "template": draft.contents.template,
        "title": draft.title,
        "keywords": list(draft.keywords),
        "contents": as_data(draft.contents),
        "body": plain(draft.contents),
        "valid_from": draft.valid_from,
        "valid_until": draft.valid_until,
        "trigger": draft.trigger,
        "note": draft.note,
        "author": str(actor),
        "author_unit": actor.unit,
    }


async def save(tx: AsyncConnection, before: Item, after: Item, now: datetime, found_by: Draft | None = None) -> Item:
    """Store the item. found_by: the version it is found by from now on.

    Raises KnowledgeChanged when the stored one is no longer `before`.
    """
    values: dict[str, Any] = {**row_of(after), "updated_at": now}
    if found_by is not None:
        values["search"] = vector(found_by)
    if after.review_due_on != before.review_due_on:
        values["review_noticed_at"] = None
    if after.refused_at != before.refused_at:
        values["refused_noticed_at"] = None
    same = (knowledge_item.c.id == before.id, knowledge_item.c.revision == before.revision)
    if (await tx.execute(update(knowledge_item).where(*same).values(**values))).rowcount != 1:
        raise KnowledgeChanged
    return after


async def note(tx: AsyncConnection, item: Item, act: Act, actor: Actor, now: datetime, said: str = "") -> None:
    """One row of the item's history."""
    row = {"item_id": item.id, "version": item.version, "act": act, "note": said, "at": now}
    await tx.execute(insert(knowledge_event).values(**row, actor=str(actor), actor_unit=actor.unit))


async def version_of(tx: AsyncConnection, item_id: int, number: int) -> Version:
    """One version. Raises KnowledgeNotFound."""
    table = knowledge_version
    query = select(table).where(table.c.item_id == item_id, table.c.version == number)
    row = (await tx.execute(query)).mappings().one_or_none()
    if row is None:
        raise KnowledgeNotFound
    return version_from(row)


async def versions_of(tx: AsyncConnection, item_id: int) -> tuple[Version, ...]:
    """Every version there ever was, the newest first."""
    table = knowledge_version
    query = select(table).where(table.c.item_id == item_id).order_by(table.c.version.desc())
    return tuple(version_from(row) for row in (await tx.execute(query)).mappings())


async def history_of(tx: AsyncConnection, item_id: int) -> tuple[Done, ...]:
    """Everything that was done to an item, in order."""
    table = knowledge_event
    query = select(table).where(table.c.item_id == item_id).order_by(table.c.id)
    rows = (await tx.execute(query)).all()
    return tuple(Done(row.version, Act(row.act), row.actor, row.note, row.at) for row in rows)


async def find(
    tx: AsyncConnection,
    actor: Actor,
    *,
    unit: UnitId | None = None,
    states: Iterable[ItemState] = (),
    review_due: date | None = None,
    template: Template | None = None,
    in_force_on: date | None = None,
    after: int | None = None,
    limit: int = 50,
) -> tuple[Item, ...]:
    """Items this person may see, the newest first, those below id `after`. review_due: past it on that day.

    template: of the version in use, else of the newest. in_force_on: only what may be answered from on that day.
    """
    wanted = [visible_to(actor)]
    if unit is not None:
        wanted.append(knowledge_item.c.unit == unit)
    if listed := tuple(states):
        wanted.append(knowledge_item.c.state.in_(listed))
    if review_due is not None:
        wanted += [knowledge_item.c.live.is_not(None), knowledge_item.c.review_due_on < review_due]
    if template is not None:
        wanted.append(_is_of(template))
    if in_force_on is not None:
        wanted += [knowledge_item.c.live.is_not(None), _in_force(in_force_on)]
    if after is not None:
        wanted.append(knowledge_item.c.id < after)
    query = select(knowledge_item).where(*wanted).order_by(knowledge_item.c.id.desc())
    rows = (await tx.execute(query.limit(max(1, min(limit, MAX_PAGE))))).mappings()
    return tuple(item_of(row) for row in rows)


def _is_of(template: Template) -> ColumnElement[bool]:
    table, item = knowledge_version, knowledge_item.c
    shown = (table.c.item_id == item.id, table.c.version == func.coalesce(item.live, item.version))
    return exists().where(*shown, table.c.template == template)


def _in_force(day: date) -> ColumnElement[bool]:
    item = knowledge_item.c
    return and_(item.valid_from <= day, or_(item.valid_until.is_(None), item.valid_until >= day))


def item_of(row: RowMapping) -> Item:
    """An item from its row."""
    values = {name: row[name] for name in _FIELDS}
    return Item(**values | {"unit": UnitId(row["unit"]), "state": ItemState(row["state"])})


def row_of(item: Item) -> dict[str, Any]:
    """What is stored of an item; its id and its upload time are the database's."""
    return {name: getattr(item, name) for name in _KEPT}


def version_from(row: RowMapping) -> Version:
    """A version from its row."""
    draft = Draft(
        title=row["title"],
        keywords=tuple(row["keywords"]),
        contents=of_data(row["contents"]),
        valid_from=row["valid_from"],
        valid_until=row["valid_until"],
        trigger=Trigger(row["trigger"]),
        note=row["note"],
    )
    unit = UnitId(row["author_unit"]) if row["author_unit"] else None
    return Version(row["item_id"], row["version"], draft, row["author"], unit, row["uploaded_at"])
