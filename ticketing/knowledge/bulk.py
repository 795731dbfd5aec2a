"""Many items at once: in as JSON lines, by COPY, all or none; out as JSON lines, in use, oldest first.

A line is read by its caller (the API knows its shapes); here it is a unit, who answers for it, and a draft.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from json import dumps
from typing import Any

from sqlalchemy import BigInteger, Text, cast, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import ARRAY, TSVECTOR
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import Actor, UnitId
from ticketing.clocks import local_day
from ticketing.knowledge import store
from ticketing.knowledge.index import vector
from ticketing.knowledge.items import Act, Draft, Item, ItemState, checked, may_write, published, rules_of, whole
from ticketing.knowledge.rules import KnowledgeRules
from ticketing.knowledge.service import new_item
from ticketing.knowledge.tables import knowledge_item, knowledge_version
from ticketing.policy import Rules
from ticketing.record import NotYours, Refused

PAGE = 500


@dataclass(frozen=True, slots=True)
class Given:
    """One line that could be read. line: its number from 1."""

    line: int
    unit: UnitId
    accountable: str
    draft: Draft


@dataclass(frozen=True, slots=True)
class WrongLine:
    line: int
    sentence: str


def wrong_lines(
    given: Sequence[Given], units: frozenset[str], actor: Actor, rules: KnowledgeRules, now: datetime, *, publish: bool
) -> tuple[WrongLine, ...]:
    """Everything that is wrong, by line. units: those there are. PURE."""
    return tuple(
        WrongLine(one.line, sentence)
        for one in given
        if (sentence := _wrong(one, units, actor, rules, now, publish=publish))
    )


def _wrong(
    one: Given, units: frozenset[str], actor: Actor, rules: KnowledgeRules, now: datetime, *, publish: bool
) -> str:
    if one.unit not in units:
        return f"没有「{one.unit}」这家承办单位，或已停用。请从单位名录中选择。"
    if not may_write(actor, one.unit):
        return "只能导入本单位的知识点。"
    try:
        checked(one.draft, rules)
        if publish:
            whole(new_item(one.unit, one.accountable, one.draft, now), one.draft, rules, local_day(now))
    except Refused as refused:
        return refused.sentence
    return ""


async def add(
    tx: AsyncConnection, given: Sequence[Given], *, actor: Actor, now: datetime, rules: Rules, publish: bool
) -> tuple[int, ...]:
    """Store lines in which nothing is wrong, as drafts, or published by a person of the hotline who reviewed them.

    Returns the items' ids in the order of the lines. Raises NotYours.
    """
    if publish and not store.reviews(actor):
        raise NotYours("导入后直接发布须由热线审核员操作。单位导入的知识点请逐条提交审核。")
    ids = await _new_ids(tx, len(given))
    ours = rules_of(rules.at(now))
    items = [
        replace(new_item(one.unit, one.accountable, one.draft, now), id=n) for n, one in zip(ids, given, strict=True)
    ]
    if publish:
        items = [_published(item, one.draft, ours, rules, now) for item, one in zip(items, given, strict=True)]
    pairs = list(zip(items, given, strict=True))
    await _copy(tx, "knowledge_item", [{"id": item.id, **store.row_of(item)} for item in items])
    await _copy(tx, "knowledge_version", [_version_row(item, one.draft, actor) for item, one in pairs])
    if publish:
        await _index(tx, {item.id: one.draft for item, one in pairs})
    acts = (Act.WRITE, Act.APPROVE) if publish else (Act.WRITE,)
    await _copy(tx, "knowledge_event", [_event_row(item, act, actor, now) for item in items for act in acts])
    return ids


def _published(item: Item, draft: Draft, ours: KnowledgeRules, rules: Rules, now: datetime) -> Item:
    return published(replace(item, state=ItemState.PUBLISHED), draft, ours, rules.calendar, now)


async def _new_ids(tx: AsyncConnection, count: int) -> tuple[int, ...]:
    """Ids of the table's own sequence, so that COPY can name them in all three tables."""
    sequence = func.pg_get_serial_sequence("knowledge_item", "id")
    query = select(func.nextval(sequence)).select_from(func.generate_series(1, count).alias("n"))
    return tuple((await tx.execute(query)).scalars())


async def _copy(tx: AsyncConnection, table: str, rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    names = list(rows[0])
    raw = await tx.get_raw_connection()
    driver: Any = raw.driver_connection
    await driver.copy_records_to_table(
        table, records=[tuple(row[name] for name in names) for row in rows], columns=names
    )


async def _index(tx: AsyncConnection, drafts: Mapping[int, Draft]) -> None:
    """Make items findable. Apart from COPY, which cannot carry what the index holds."""
    given = (
        func.unnest(cast(list(drafts), ARRAY(BigInteger)), cast([vector(one) for one in drafts.values()], ARRAY(Text)))
        .table_valued("id", "vector")
        .render_derived(name="given")
    )
    changed = update(knowledge_item).where(knowledge_item.c.id == given.c.id)
    await tx.execute(changed.values(search=cast(given.c.vector, TSVECTOR)))


def _version_row(item: Item, draft: Draft, actor: Actor) -> dict[str, Any]:
    row = store.version_row(item, draft, actor)
    return row | {"contents": dumps(row["contents"], ensure_ascii=False)}


def _event_row(item: Item, act: Act, actor: Actor, now: datetime) -> dict[str, Any]:
    row = {"item_id": item.id, "version": item.version, "act": str(act), "note": "批量导入", "at": now}
    return row | {"actor": str(actor), "actor_unit": actor.unit}


async def exported(tx: AsyncConnection, actor: Actor, unit: UnitId | None = None) -> AsyncIterator[tuple[Item, Draft]]:
    """Every item in use this person may see, oldest first, with its version in use; read page by page."""
    after = 0
    wanted = [knowledge_item.c.live.is_not(None), store.visible_to(actor)]
    if unit is not None:
        wanted.append(knowledge_item.c.unit == unit)
    while True:
        query = select(knowledge_item).where(*wanted, knowledge_item.c.id > after)
        rows = (await tx.execute(query.order_by(knowledge_item.c.id).limit(PAGE))).mappings().all()
        items = [store.item_of(row) for row in rows]
        drafts = await _drafts_of(tx, items)
        for item in items:
            yield item, drafts[item.id]
        if len(items) < PAGE:
            return
        after = items[-1].id


async def _drafts_of(tx: AsyncConnection, items: Sequence[Item]) -> dict[int, Draft]:
    """The versions in use of these items."""
    in_use = tuple_(knowledge_version.c.item_id, knowledge_version.c.version)
    query = select(knowledge_version).where(in_use.in_([(item.id, item.live) for item in items]))
    versions = (store.version_from(row) for row in (await tx.execute(query)).mappings())
    return {version.item_id: version.draft for version in versions}
