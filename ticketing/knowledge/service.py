"""The use cases of the knowledge base. Each takes the caller's transaction and never commits.

A unit gathers and writes, the hotline reviews, the unit keeps it right (LS-020, GZ-016). An act is one step of
`ticketing.knowledge.items`, one change of the item's row and one row of its history.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import Actor, TicketId, UnitId, system
from ticketing.clocks import DAY_END, at_local, local_day
from ticketing.knowledge import store
from ticketing.knowledge.items import (
    Act,
    Draft,
    Item,
    ItemState,
    KnowledgeChanged,
    KnowledgeNotFound,
    KnowledgeOverdue,
    OverdueKind,
    advance,
    checked,
    may_write,
    published,
    rules_of,
    verified,
    whole,
)
from ticketing.knowledge.tables import knowledge_item, knowledge_use, knowledge_version
from ticketing.policy import Rules
from ticketing.record import GuardFailed, NotYours

BY_ITSELF = system("knowledge")
MAX_PAGE = 200


async def write(
    tx: AsyncConnection, unit: UnitId, accountable: str, draft: Draft, *, actor: Actor, now: datetime, rules: Rules
) -> Item:
    """A new item of that unit, as a draft. Raises GuardFailed, NotYours, KnowledgeOff."""
    said = checked(draft, rules_of(rules.at(now)))
    if not may_write(actor, unit):
        raise NotYours("只能为本单位编写知识点。请交给该单位，或由热线审核员代为编写。")
    item = await store.add(tx, new_item(unit, accountable, said, now), said, actor)
    await store.note(tx, item, Act.WRITE, actor, now, said.note)
    return item


def new_item(unit: UnitId, accountable: str, draft: Draft, now: datetime) -> Item:
    """An item before it is stored; its id and its upload time are the database's. PURE."""
    return Item(
        id=0,
        unit=unit,
        accountable=accountable,
        state=ItemState.DRAFT,
        version=1,
        live=None,
        revision=1,
        title=draft.title,
        valid_from=draft.valid_from,
        valid_until=draft.valid_until,
        verified_on=None,
        review_due_on=None,
        refused_at=None,
        uploaded_at=now,
    )


async def revise(
    tx: AsyncConnection,
    item_id: int,
    revision: int,
    draft: Draft,
    *,
    actor: Actor,
    now: datetime,
    rules: Rules,
    accountable: str | None = None,
) -> Item:
    """A new version; the one in use stays in use until this one has passed. accountable None: as before."""
    item = await _locked(tx, item_id, revision, actor)
    said = checked(draft, rules_of(rules.at(now)))
    after = replace(advance(item, Act.REVISE, actor), version=item.version + 1)
    if accountable is not None:
        after = replace(after, accountable=accountable)
    if item.live is None:
        after = replace(after, title=said.title, valid_from=said.valid_from, valid_until=said.valid_until)
    await store.add_version(tx, after, said, actor)
    return await _done(tx, item, after, Act.REVISE, actor, now, said.note)


async def submit(
    tx: AsyncConnection, item_id: int, revision: int, *, actor: Actor, now: datetime, rules: Rules
) -> Item:
    """The newest version goes to the hotline's review. Raises GuardFailed with all that it lacks."""
    item = await _locked(tx, item_id, revision, actor)
    after = advance(item, Act.SUBMIT, actor)
    version = await store.version_of(tx, item.id, item.version)
    whole(item, version.draft, rules_of(rules.at(now)), local_day(now))
    return await _done(tx, item, after, Act.SUBMIT, actor, now)


async def approve(
    tx: AsyncConnection, item_id: int, revision: int, *, actor: Actor, now: datetime, rules: Rules, note: str = ""
) -> Item:
    """The version under review is in use from now on. Nobody approves what they wrote."""
    item = await _locked(tx, item_id, revision, actor)
    version = await store.version_of(tx, item.id, item.version)
    passed = advance(item, Act.APPROVE, actor, version.author)
    after = published(passed, version.draft, rules_of(rules.at(now)), rules.calendar, now)
    stored = await store.save(tx, item, after, now, found_by=version.draft)
    await store.note(tx, stored, Act.APPROVE, actor, now, note)
    return stored


async def refuse(tx: AsyncConnection, item_id: int, revision: int, *, actor: Actor, now: datetime, note: str) -> Item:
    """It did not pass; its unit writes it anew, and the supervision hears of it (GZ-040)."""
    if not note.strip():
        raise GuardFailed("请写明审核不通过的原因，以便单位修改。")
    item = await _locked(tx, item_id, revision, actor)
    after = replace(advance(item, Act.REFUSE, actor), refused_at=now)
    return await _done(tx, item, after, Act.REFUSE, actor, now, note)


async def verify(
    tx: AsyncConnection, item_id: int, revision: int, *, actor: Actor, now: datetime, rules: Rules, note: str = ""
) -> Item:
    """The unit has looked through it and found it still right; the next review is due in the policy's interval."""
    item = await _locked(tx, item_id, revision, actor)
    after = verified(advance(item, Act.VERIFY, actor), rules_of(rules.at(now)), rules.calendar, now)
    return await _done(tx, item, after, Act.VERIFY, actor, now, note)


async def withdraw(tx: AsyncConnection, item_id: int, revision: int, *, actor: Actor, now: datetime, note: str) -> Item:
    """It is not used any more; its versions stay."""
    if not note.strip():
        raise GuardFailed("请写明撤下的原因。")
    item = await _locked(tx, item_id, revision, actor)
    after = replace(advance(item, Act.WITHDRAW, actor), live=None, refused_at=None)
    return await _done(tx, item, after, Act.WITHDRAW, actor, now, note)


async def _locked(tx: AsyncConnection, item_id: int, revision: int, actor: Actor) -> Item:
    item = await store.load(tx, item_id, actor, lock=True)
    if item.revision != revision:
        raise KnowledgeChanged
    return item


async def _done(
    tx: AsyncConnection, before: Item, after: Item, act: Act, actor: Actor, now: datetime, said: str = ""
) -> Item:
    stored = await store.save(tx, before, after, now)
    await store.note(tx, stored, act, actor, now, said)
    return stored


# ---- what was used, and when it was uploaded


async def uploaded_at(tx: AsyncConnection, item_id: int, version: int | None = None) -> datetime:
    """When the item (or one version of it) was uploaded, by the database's clock. Raises KnowledgeNotFound.

    Source: LS-052, an item uploaded after a request was registered is no ground to return it.
    """
    if version is None:
        query = select(knowledge_item.c.uploaded_at).where(knowledge_item.c.id == item_id)
    else:
        table = knowledge_version
        query = select(table.c.uploaded_at).where(table.c.item_id == item_id, table.c.version == version)
    found: datetime | None = (await tx.execute(query)).scalar_one_or_none()
    if found is None:
        raise KnowledgeNotFound
    return found


async def in_use(tx: AsyncConnection, reference: str, now: datetime) -> tuple[int, int]:
    """The item and version that `12` or `12@3` names, if it may be answered from now. Raises GuardFailed.

    Source: GZ-021, MC-014.
    """
    number, _, version = reference.strip().partition("@")
    if not _is_number(number) or (version and not _is_number(version)):
        raise GuardFailed(f"「{reference[:20]}」不是知识点编号。请从知识库检索结果中选择，如 12 或 12@3。")
    query = select(knowledge_item).where(knowledge_item.c.id == int(number))
    row = (await tx.execute(query)).mappings().one_or_none()
    item = store.item_of(row) if row is not None else None
    if item is None or item.live is None:
        raise GuardFailed(f"没有编号为{number}的已发布知识点。请从知识库检索结果中选择。")
    if not item.in_force(local_day(now)):
        raise GuardFailed(f"知识点{number}「{item.title}」不在有效期内，不能据以答复。请另选，或向所属单位提问。")
    if version and int(version) != item.live:
        raise GuardFailed(f"知识点{number}现行的是第{item.live}版，不是第{version}版。请核对现行内容后再引用。")
    return item.id, item.live


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


async def use(
    tx: AsyncConnection, ticket_id: TicketId, item_id: int, version: int, how: str, *, actor: Actor, now: datetime
) -> None:
    """Note what an agent answered from; the same twice is one."""
    row = {"ticket_id": ticket_id, "item_id": item_id, "version": version, "how": how}
    made = upsert(knowledge_use).values(**row, actor=str(actor), used_at=now)
    await tx.execute(made.on_conflict_do_nothing())


@dataclass(frozen=True, slots=True)
class Use:
    """One ticket that was answered from an item. how: answer (it rests on it) or linked (it helped)."""

    id: int
    ticket_id: TicketId
    version: int
    how: str
    actor: str
    used_at: datetime


async def uses_of(tx: AsyncConnection, item_id: int) -> int:
    """How many tickets were answered from it."""
    query = select(func.count(knowledge_use.c.ticket_id.distinct())).where(knowledge_use.c.item_id == item_id)
    return int((await tx.execute(query)).scalar_one())


async def list_uses(tx: AsyncConnection, item_id: int, *, after: int | None = None, limit: int = 50) -> tuple[Use, ...]:
    """Where it was used, the newest first, those below id `after`; at most `limit` (1 to MAX_PAGE)."""
    query = select(knowledge_use).where(knowledge_use.c.item_id == item_id)
    if after is not None:
        query = query.where(knowledge_use.c.id < after)
    rows = (await tx.execute(query.order_by(knowledge_use.c.id.desc()).limit(max(1, min(limit, MAX_PAGE))))).all()
    return tuple(Use(r.id, TicketId(r.ticket_id), r.version, r.how, r.actor, r.used_at) for r in rows)


# ---- what is late


async def expire(tx: AsyncConnection, now: datetime, limit: int = 500) -> tuple[Item, ...]:
    """Published items whose validity has ended are expired from now on; a search leaves them out at once anyway."""
    past = (knowledge_item.c.state == ItemState.PUBLISHED, knowledge_item.c.valid_until < local_day(now))
    query = select(knowledge_item).where(*past).order_by(knowledge_item.c.valid_until).limit(limit)
    rows = (await tx.execute(query.with_for_update(skip_locked=True))).mappings().all()
    done: list[Item] = []
    for item in map(store.item_of, rows):
        done.append(await _done(tx, item, advance(item, Act.EXPIRE, BY_ITSELF), Act.EXPIRE, BY_ITSELF, now))
    return tuple(done)


async def claim_neglected(tx: AsyncConnection, now: datetime, limit: int = 500) -> tuple[KnowledgeOverdue, ...]:
    """Items past their review, and updates that were refused, not told yet; each is told once. Source: GZ-040."""
    c = knowledge_item.c
    stale = (c.live.is_not(None), c.review_due_on < local_day(now), c.review_noticed_at.is_(None))
    refused = (c.refused_at.is_not(None), c.refused_noticed_at.is_(None))
    late = await _claim(tx, stale, "review_noticed_at", now, limit)
    bad = await _claim(tx, refused, "refused_noticed_at", now, limit)
    return (
        *(KnowledgeOverdue(OverdueKind.REVIEW, i.unit, i.id, i.title, _review_end(i), now) for i in late),
        *(KnowledgeOverdue(OverdueKind.REFUSED, i.unit, i.id, i.title, i.refused_at or now, now) for i in bad),
    )


async def _claim(
    tx: AsyncConnection, conditions: tuple[ColumnElement[bool], ...], noticed: str, now: datetime, limit: int
) -> tuple[Item, ...]:
    query = select(knowledge_item).where(*conditions).order_by(knowledge_item.c.id).limit(limit)
    rows = (await tx.execute(query.with_for_update(skip_locked=True))).mappings().all()
    items = tuple(map(store.item_of, rows))
    if items:
        ids = [item.id for item in items]
        await tx.execute(update(knowledge_item).where(knowledge_item.c.id.in_(ids)).values({noticed: now}))
    return items


def _review_end(item: Item) -> datetime:
    assert item.review_due_on is not None
    return at_local(item.review_due_on, DAY_END)
