"""What a report tells besides figures, counted in SQL: the overview, topics, each unit's topics, chosen cases."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import Actor, TicketId
from ticketing import tables
from ticketing.appraisal.reports import CaseLine, Overview, Share, TopicLine, UnitTopic
from ticketing.appraisal.rules import HotRules
from ticketing.appraisal.tables import report_case, report_topic
from ticketing.appraisal.terms import Every, Term
from ticketing.record import GuardFailed, TicketNotFound
from ticketing.words import STATE_NAMES, State

MOST_TOPICS = 30
TOPICS_A_UNIT = 5
_IN_TERM = "registered_at >= :start AND registered_at < :end"
_UNSEEN = "flags && ARRAY['staff', 'sensitive']"
_PUBLIC = f"NOT confidential AND sensitivity = '' AND NOT ({_UNSEEN})"

_OVERVIEW = f"""
SELECT request_type, source, CASE WHEN state = 'archived' THEN 'closed' ELSE state END AS state,
       to_char(registered_at AT TIME ZONE 'Asia/Shanghai', CAST(:step AS text)) AS step, count(*) AS many
FROM ticket WHERE {_IN_TERM} AND (CAST(:unit AS text) IS NULL OR lead_unit = :unit) GROUP BY 1, 2, 3, 4"""  # noqa: S608

_TOPICS = f"""
SELECT subject, CASE WHEN grouping(place) = 1 THEN '' ELSE place END AS place, count(*) AS many,
       count(DISTINCT requester) AS callers, count(DISTINCT lead_unit) AS units,
       count(*) FILTER (WHERE closed_at IS NULL) AS still_open, count(*) FILTER (WHERE {_PUBLIC}) AS public_many
FROM ticket WHERE {_IN_TERM} AND subject <> '' AND NOT ({_UNSEEN})
GROUP BY GROUPING SETS ((subject), (subject, place))
HAVING count(*) >= :least AND (grouping(place) = 1 OR place <> '')
ORDER BY many DESC, subject, place LIMIT :most"""  # noqa: S608

_EARLIER = f"""
SELECT subject, CASE WHEN grouping(place) = 1 THEN '' ELSE place END AS place, count(*) AS many,
       count(*) FILTER (WHERE {_PUBLIC}) AS public_many
FROM ticket WHERE {_IN_TERM} AND subject = ANY(:subjects) AND NOT ({_UNSEEN})
GROUP BY GROUPING SETS ((subject), (subject, place))
HAVING grouping(place) = 1 OR place = ANY(:places)"""  # noqa: S608

_UNIT_TOPICS = f"""
SELECT * FROM (
    SELECT lead_unit AS unit, subject, count(*) FILTER (WHERE {_IN_TERM}) AS many,
           count(*) FILTER (WHERE registered_at < :start) AS before,
           count(*) FILTER (WHERE {_IN_TERM} AND request_no > 1) AS repeated,
           row_number() OVER (PARTITION BY lead_unit
                              ORDER BY count(*) FILTER (WHERE {_IN_TERM}) DESC, subject) AS place
    FROM ticket WHERE registered_at >= :earlier AND registered_at < :end AND lead_unit IS NOT NULL AND subject <> ''
      AND (CAST(:unit AS text) IS NULL OR lead_unit = :unit) AND NOT ({_UNSEEN})
    GROUP BY lead_unit, subject) t
WHERE place <= :most AND many > 0 ORDER BY unit, place"""  # noqa: S608


async def overview(tx: AsyncConnection, term: Term, until: datetime, unit: str | None = None) -> Overview:
    """What was registered in the term, up to `until`."""
    long_ = term.every in (Every.YEAR, Every.QUARTER)
    bounds = {"start": term.starts_at, "end": until, "unit": unit, "step": "YYYY-MM" if long_ else "YYYY-MM-DD"}
    rows = (await tx.execute(text(_OVERVIEW), bounds)).mappings().all()
    before = {"start": term.before.starts_at, "end": term.before.ends_at, "unit": unit}
    earlier = f"SELECT count(*) FROM ticket WHERE {_IN_TERM} AND (CAST(:unit AS text) IS NULL OR lead_unit = :unit)"  # noqa: S608
    return Overview(
        received=sum(row["many"] for row in rows),
        before=(await tx.execute(text(earlier), before)).scalar_one(),
        by_type=_shares(rows, "request_type"),
        by_source=_shares(rows, "source"),
        by_state=tuple(Share(STATE_NAMES[State(one.name)], one.count) for one in _shares(rows, "state")),
        course=tuple(sorted(_shares(rows, "step"), key=lambda one: one.name)),
    )


def _shares(rows: Sequence[Any], column: str) -> tuple[Share, ...]:
    counts: dict[str, int] = {}
    for row in rows:
        name = row[column] or "未填"
        counts[name] = counts.get(name, 0) + row["many"]
    return tuple(Share(name, many) for name, many in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


async def topics(tx: AsyncConnection, term: Term, until: datetime, rules: HotRules) -> tuple[TopicLine, ...]:
    """The biggest topics of the term, with the terms before it. Source: SQ-026, SQ-028, GZ-058, LS-077."""
    bounds = {"start": term.starts_at, "end": until, "least": rules.least, "most": MOST_TOPICS}
    found = (await tx.execute(text(_TOPICS), bounds)).mappings().all()
    if not found:
        return ()
    history = await _history(tx, term, rules, found)
    tracked = {(row.subject, row.place) for row in await tx.execute(_open_topics())}
    return tuple(_topic(row, history, tracked, rules) for row in found)


Counts = dict[tuple[str, str], tuple[int, int]]


async def _history(tx: AsyncConnection, term: Term, rules: HotRules, found: Sequence[Any]) -> list[Counts]:
    """The same topics in the terms before, the nearest first."""
    wanted = {"subjects": sorted({row["subject"] for row in found}), "places": sorted({row["place"] for row in found})}
    history: list[Counts] = []
    for _ in range(rules.terms - 1):
        term = term.before
        rows = await tx.execute(text(_EARLIER), {"start": term.starts_at, "end": term.ends_at, **wanted})
        history.append({(row.subject, row.place): (row.many, row.public_many) for row in rows})
    return history


def _topic(row: Any, history: list[Counts], tracked: set[tuple[str, str]], rules: HotRules) -> TopicLine:
    key = (row["subject"], row["place"])
    earlier = [counts.get(key, (0, 0)) for counts in history]
    in_a_row = next((n for n, (many, _) in enumerate(earlier) if many < rules.least), len(earlier))
    return TopicLine(
        subject=key[0],
        place=key[1],
        count=row["many"],
        before=earlier[0][0],
        callers=row["callers"],
        units=row["units"],
        still_open=row["still_open"],
        terms=1 + in_a_row,
        public_count=row["public_many"],
        public_before=earlier[0][1],
        tracked=key in tracked,
    )


async def unit_topics(
    tx: AsyncConnection, term: Term, until: datetime, unit: str | None = None
) -> tuple[UnitTopic, ...]:
    """What each unit's requests are about most, with the term before. Source: GZ-015, WX-005."""
    bounds = {"start": term.starts_at, "end": until, "earlier": term.before.starts_at}
    rows = await tx.execute(text(_UNIT_TOPICS), {**bounds, "unit": unit, "most": TOPICS_A_UNIT})
    return tuple(UnitTopic(row.unit, row.subject, row.many, row.before, row.repeated) for row in rows)


# ---- cases people choose, topics people follow ---------------------------------------------------------------------


async def choose_case(
    tx: AsyncConnection, term: Term, ticket_id: TicketId, kind: str, comment: str, actor: Actor, now: datetime
) -> None:
    """Put a ticket into the term's report as a good or a problem case. Raises TicketNotFound, GuardFailed."""
    known = await tx.execute(select(tables.ticket.c.id).where(tables.ticket.c.id == ticket_id))
    if known.one_or_none() is None:
        raise TicketNotFound
    row = {"term": term.name, "ticket_id": ticket_id, "kind": kind, "comment": comment, "by": str(actor), "at": now}
    try:
        async with tx.begin_nested():
            await tx.execute(insert(report_case).values(**row))
    except IntegrityError:
        raise GuardFailed("这张工单已选为本期案例，不能重复选入。") from None


async def cases(tx: AsyncConnection, term: Term, public: str) -> tuple[CaseLine, ...]:
    """The chosen cases. public: the word by which a ticket's publication is decided. Source: LS-083, SQ-051."""
    ticket = tables.ticket
    query = (
        select(report_case, ticket.c.title, ticket.c.lead_unit, ticket.c.publication, ticket.c.confidential)
        .add_columns(ticket.c.flags, ticket.c.sensitivity)
        .join_from(report_case, ticket, ticket.c.id == report_case.c.ticket_id)
        .where(report_case.c.term == term.name)
        .order_by(report_case.c.id)
        .limit(100)
    )
    rows = (await tx.execute(query)).all()
    return tuple(
        CaseLine(
            ticket=row.ticket_id,
            title=row.title,
            unit=row.lead_unit or "",
            kind=row.kind,
            comment=row.comment,
            public=row.publication == public
            and not row.confidential
            and not row.sensitivity
            and not {"staff", "sensitive"} & set(row.flags),
        )
        for row in rows
    )


async def chosen(tx: AsyncConnection, term: Term) -> dict[str, tuple[int, str, datetime]]:
    """Which cases are chosen for a term: ticket -> number of the choice, by whom, when (aware UTC)."""
    columns = (report_case.c.ticket_id, report_case.c.id, report_case.c.by, report_case.c.at)
    rows = await tx.execute(select(*columns).where(report_case.c.term == term.name))
    return {row.ticket_id: (row.id, row.by, row.at) for row in rows}


async def drop_case(tx: AsyncConnection, case_id: int) -> tuple[str, str] | None:
    """Take a choice back: its ticket and term, None when it is not there. Reports made before keep it."""
    gone = delete(report_case).where(report_case.c.id == case_id).returning(report_case.c.ticket_id, report_case.c.term)
    row = (await tx.execute(gone)).one_or_none()
    return None if row is None else (row.ticket_id, row.term)


def _open_topics() -> Any:
    return select(report_topic).where(report_topic.c.closed_at.is_(None)).order_by(report_topic.c.id)


async def track(
    tx: AsyncConnection, subject: str, place: str, title: str, note: str, actor: Actor, now: datetime
) -> int:
    """Follow an event: all tickets of this subject and place belong to it (SQ-026). Raises GuardFailed."""
    row = {"subject": subject, "place": place, "title": title, "note": note, "opened_by": str(actor), "opened_at": now}
    try:
        async with tx.begin_nested():
            added = await tx.execute(insert(report_topic).values(**row).returning(report_topic.c.id))
            return int(added.scalar_one())
    except IntegrityError:
        raise GuardFailed("这一事件已在跟踪中，请直接查看。") from None


async def untrack(tx: AsyncConnection, topic_id: int, actor: Actor, now: datetime) -> bool:
    """Follow it no more; False when it is not followed."""
    open_ = (report_topic.c.id == topic_id, report_topic.c.closed_at.is_(None))
    done = await tx.execute(update(report_topic).where(*open_).values(closed_at=now, closed_by=str(actor)))
    return bool(done.rowcount)


_TRACKED = f"""
SELECT r.id, r.subject, r.place, r.title, r.note, r.opened_at, c.many, c.still_open, c.last_week
FROM report_topic r CROSS JOIN LATERAL (
    SELECT count(*) AS many, count(*) FILTER (WHERE t.closed_at IS NULL) AS still_open,
           count(*) FILTER (WHERE t.registered_at >= CAST(:now AS timestamptz) - interval '7 days') AS last_week
    FROM ticket t WHERE t.subject = r.subject AND (r.place = '' OR t.place = r.place)
      AND t.registered_at >= r.opened_at - interval '30 days' AND NOT ({_UNSEEN})) c
WHERE r.closed_at IS NULL ORDER BY r.id LIMIT 100"""  # noqa: S608


async def tracked_topics(tx: AsyncConnection, now: datetime) -> list[dict[str, Any]]:
    """Events that are followed, with the tickets of each since a month before it was."""
    return [dict(row) for row in (await tx.execute(text(_TRACKED), {"now": now})).mappings()]
