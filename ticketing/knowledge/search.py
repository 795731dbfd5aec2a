"""Finding knowledge: by a person's words, ranked; and what fits what a caller has just said.

A title that says it goes before a keyword, a keyword before the text; where two say it alike, the newer goes first.
What has expired is left out, or stands last and is marked. Pages go by score and id, so none is shown twice.
Source: GZ-021 and MC-014 (话务员检索知识库直接给予答复).
"""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Integer, Select, and_, case, cast, func, literal, select, tuple_
from sqlalchemy.dialects.postgresql import ARRAY, REAL, TSQUERY
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import Actor, UnitId
from ticketing.knowledge import index as knowledge_index
from ticketing.knowledge.contents import Template
from ticketing.knowledge.hits import Hit
from ticketing.knowledge.store import item_of, visible_to
from ticketing.knowledge.tables import knowledge_item, knowledge_use, knowledge_version
from ticketing.search.text import marked, normal, snippet

MAX_PAGE = 50
WEIGHTS = (0.08, 0.1, 0.5, 1.0)
"""Of the labels D, C, B, A: the text, nothing, keywords, titles."""
SCALE = 1_000_000
EPOCH = date(2020, 1, 1)
EXPIRED_SINKS = 100 * SCALE
BY_LENGTH = 1
"""Long texts hold every word; divide by the logarithm of the length (PostgreSQL manual, 12.3.3)."""


class Matched(StrEnum):
    """How a page was found."""

    ALL = "all"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended; give it as `after` for the next."""

    matched: Matched
    score: int
    item_id: int


@dataclass(frozen=True, slots=True)
class Page:
    hits: tuple[Hit, ...]
    matched: Matched
    after: Place | None


async def search(
    tx: AsyncConnection,
    text: str,
    actor: Actor,
    today: date,
    *,
    unit: UnitId | None = None,
    template: Template | None = None,
    with_expired: bool = False,
    after: Place | None = None,
    limit: int = 20,
) -> Page:
    """Items in use that say every word of `text`; where none does, those that say any of them.

    today: the local date validity is judged by. limit: 1 to 50. Raises knowledge_index.NothingAsked, NotYours.
    """
    asked = knowledge_index.asked(text)
    size = max(1, min(limit, MAX_PAGE))
    wanted = _wanted(actor, today, unit, template, with_expired)
    for matched in (after.matched,) if after else tuple(Matched):
        match = asked.all_of if matched is Matched.ALL else asked.any_of
        query = _ranked(match, asked.ranked_by, wanted, today, after).limit(size + 1)
        rows = (await tx.execute(query)).mappings().all()
        if rows:
            break
    hits = tuple(_hit(row, asked.words, today) for row in rows[:size])
    last = hits[-1] if len(rows) > size else None
    return Page(hits, matched, Place(matched, last.score, last.item.id) if last else None)


def _wanted(
    actor: Actor, today: date, unit: UnitId | None, template: Template | None, with_expired: bool
) -> list[ColumnElement[bool]]:
    wanted = [knowledge_item.c.live.is_not(None), visible_to(actor)]
    if unit is not None:
        wanted.append(knowledge_item.c.unit == unit)
    if template is not None:
        wanted.append(knowledge_version.c.template == template)
    if not with_expired:
        wanted.append(_not_expired(today))
    return wanted


def _not_expired(today: date) -> ColumnElement[bool]:
    return knowledge_item.c.valid_until.is_(None) | (knowledge_item.c.valid_until >= today)


def _score(ranked_by: str, today: date) -> ColumnElement[int]:
    """A whole number, so that pages can go by it: the rank, a little for being newer, and the expired last."""
    weights = cast(list(WEIGHTS), ARRAY(REAL))
    rank = func.ts_rank(weights, knowledge_item.c.search, cast(ranked_by, TSQUERY), BY_LENGTH)
    newer = knowledge_item.c.verified_on - literal(EPOCH)
    sunk = case((_not_expired(today), 0), else_=EXPIRED_SINKS)
    return cast(rank * SCALE, Integer) + func.coalesce(newer, 0) - sunk


def _ranked(
    match: str, ranked_by: str, wanted: list[ColumnElement[bool]], today: date, after: Place | None
) -> Select[Any]:
    version_in_use = and_(
        knowledge_version.c.item_id == knowledge_item.c.id, knowledge_version.c.version == knowledge_item.c.live
    )
    columns = [column for column in knowledge_item.c if column.name != "search"]
    of_version = (knowledge_version.c.template, knowledge_version.c.body)
    score = _score(ranked_by, today).label("score")
    inner = (
        select(*columns, *of_version, score)
        .select_from(knowledge_item.join(knowledge_version, version_in_use))
        .where(knowledge_item.c.search.op("@@")(cast(match, TSQUERY)), *wanted)
        .subquery()
    )
    uses = select(func.count()).where(knowledge_use.c.item_id == inner.c.id).scalar_subquery().label("uses")
    query = select(inner, uses).order_by(inner.c.score.desc(), inner.c.id.desc())
    if after is not None:
        query = query.where(tuple_(inner.c.score, inner.c.id) < tuple_(after.score, after.item_id))
    return query


def _hit(row: Any, words: tuple[str, ...], today: date) -> Hit:
    item = item_of(row)
    return Hit(
        item=item,
        version=row["live"],
        template=Template(row["template"]),
        words=_said(words, item.title, row["body"]),
        title_html=marked(item.title, words),
        snippet_html=snippet(row["body"], words),
        score=row["score"],
        expired=item.is_expired(today),
        not_yet=item.valid_from > today,
        stale=item.is_stale(today),
        uses=row["uses"],
    )


def _said(words: tuple[str, ...], *texts: str) -> tuple[str, ...]:
    whole = normal("\n".join(texts))
    return tuple(word for word in words if word in whole)
