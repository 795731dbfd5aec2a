"""What may lead to a case: lists the system makes by itself, one query a finding, page by page by ticket.

Source: GZ-032, GZ-061, GZ-063, WX-036, MC-045, MC-049.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import TicketId, UnitId
from ticketing import store, tables
from ticketing.aftercare.rechecks import Found as Seen
from ticketing.clocks import DeadlineKind
from ticketing.rules import When
from ticketing.supervision.rules import Finding, FindingRule
from ticketing.supervision.tables import supervision
from ticketing.words import Event

MAX_PAGE = 200
Found = Select[tuple[str, str | None, int]]
"""(ticket, unit, how often)."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One ticket that a finding lists. times: how often it happened."""

    ticket_id: TicketId
    unit: UnitId | None
    times: int


async def find(
    tx: AsyncConnection,
    rule: FindingRule,
    *,
    now: datetime,
    since: datetime,
    until: datetime,
    scope: UnitId | None,
    after: TicketId | None = None,
    limit: int = 50,
) -> tuple[Listed, ...]:
    """Tickets this finding lists for a period, oldest first, after ticket id `after`; a unit sees its own."""
    query = QUERIES[rule.finding](now, since, until).subquery()
    t = tables.ticket.c
    wanted = [query.c.times >= rule.at_least, fits(rule.when)]
    wanted += [query.c.ticket_id > after] if after is not None else []
    if scope is not None:
        wanted += [or_(query.c.unit == scope, and_(query.c.unit.is_(None), store.visible_to(scope)))]
    page = (
        select(query.c.ticket_id, query.c.unit, query.c.times)
        .select_from(query.join(tables.ticket, t.id == query.c.ticket_id))
        .where(*wanted)
        .order_by(query.c.ticket_id)
        .limit(max(1, min(limit, MAX_PAGE)))
    )
    return tuple(Listed(TicketId(row.ticket_id), row.unit, row.times) for row in (await tx.execute(page)).all())


def fits(when: When) -> ColumnElement[bool]:
    """A rule's condition as SQL over tickets: the same properties as `When.fits`."""
    t = tables.ticket.c
    parts: list[ColumnElement[bool]] = []
    if when.urgent is not None:
        parts.append(t.urgent.is_(when.urgent))
    if when.types:
        parts.append(t.request_type.in_(sorted(when.types)))
    if when.sources:
        parts.append(t.source.in_(sorted(when.sources)))
    if when.flags:
        parts.append(t.flags.contains(sorted(when.flags)))
    for count, column in ((when.request_no, t.request_no), (when.assignment_no, t.round)):
        if count is not None:
            parts.append(column >= count.least)
            parts += [column <= count.most] if count.most is not None else []
    if when.any_of:
        parts.append(or_(*(fits(one) for one in when.any_of)))
    return and_(*parts) if parts else t.id.is_not(None)


def _supervised_silent(now: datetime, since: datetime, until: datetime) -> Found:
    """Supervisions that nobody answered, though the time for it is over."""
    c = supervision.c
    silent = and_(c.answered_at.is_(None), or_(c.answer_due_at < now, c.ended_at.is_not(None)))
    return (
        select(c.ticket_id, c.unit, func.count().label("times"))
        .where(c.ticket_id.is_not(None), c.opened_at >= since, c.opened_at < until, silent)
        .group_by(c.ticket_id, c.unit)
    )


def _returned(_: datetime, since: datetime, until: datetime) -> Found:
    c = tables.ticket_return.c
    # A ticket that many units sent back counts as well as one that a unit sent back again: the matter lay idle.
    return (
        select(c.ticket_id, func.max(c.unit).label("unit"), func.count().label("times"))
        .where(c.asked_at >= since, c.asked_at < until)
        .group_by(c.ticket_id)
    )


def _overdue(now: datetime, since: datetime, until: datetime) -> Found:
    """Handling limits that passed, whether the ticket was answered later or not at all."""
    c = tables.ticket_deadline.c
    late = or_(c.met_at > c.due_at, and_(c.met_at.is_(None), c.ended_at.is_(None), c.due_at < now))
    return (
        select(c.ticket_id, c.unit, func.count().label("times"))
        .where(c.kind == DeadlineKind.HANDLE, c.due_at >= since, c.due_at < until, late)
        .group_by(c.ticket_id, c.unit)
    )


def _refused_return(_: datetime, since: datetime, until: datetime) -> Found:
    """Returns that were refused: without any ground, or with one that did not hold."""
    c = tables.ticket_return.c
    return (
        select(c.ticket_id, c.unit, func.count().label("times"))
        .where(c.state == "refused", c.decided_at >= since, c.decided_at < until)
        .group_by(c.ticket_id, c.unit)
    )


def _looked_back(_: datetime, since: datetime, until: datetime) -> Found:
    """Looks at a closed ticket that found something wrong."""
    c = tables.ticket_event.c
    return (
        select(c.ticket_id, func.max(c.actor_unit).label("unit"), func.count().label("times"))
        .where(c.kind == Event.LOOK_BACK, c.data["found"].astext != Seen.FINE, c.at >= since, c.at < until)
        .group_by(c.ticket_id)
    )


QUERIES = {
    Finding.SUPERVISED_SILENT: _supervised_silent,
    Finding.RETURNED: _returned,
    Finding.OVERDUE: _overdue,
    Finding.URGENT_OVERDUE: _overdue,
    Finding.REFUSED_RETURN: _refused_return,
    Finding.LOOKED_BACK: _looked_back,
}
