"""Looking at tickets: lists by filter, page by page; a ticket's history; a citizen's earlier tickets.

A person of a unit sees only the unit's tickets, by the query itself. Pages go by what the list is sorted by.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import Actor, CallId, IdentityId, TicketId, UnitId
from ticketing import store, tables
from ticketing.clocks import DeadlineKind, local_day
from ticketing.record import GuardFailed
from ticketing.search import search
from ticketing.words import EVENT_NAMES, STATE_NAMES, Event, State

MAX_PAGE = 200
ZERO = datetime(1970, 1, 1, tzinfo=UTC)
_ticket, _deadline, _event = tables.ticket, tables.ticket_deadline, tables.ticket_event
_COLUMNS = ("id", "state", "version", "round", "request_type", "subject", "title", "place", "urgent", "lead_unit")
_TIMES = ("created_at", "updated_at", "registered_at", "dispatched_at", "closed_at")


class Sort(StrEnum):
    """newest: by number, the newest first. due: what is due soonest first, tickets without a running limit after them.
    updated: what was changed last first."""

    NEWEST = "newest"
    DUE = "due"
    UPDATED = "updated"


class OnlyNewest(GuardFailed):
    """Tickets found by words come in one order."""

    def __init__(self) -> None:
        super().__init__("按文字检索的结果只能按新旧排列。请去掉检索词，或改用最新在前。")


@dataclass(frozen=True, slots=True)
class Range:
    """Aware moments, `since` included, `until` not; None: open."""

    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Filter:
    """What to list; None and empty mean any. text: words, parted by blanks, that number, title,
    content and place say between them. overdue_at: whose handling limit runs and had passed then."""

    states: tuple[State, ...] = ()
    unit: UnitId | None = None
    request_type: str = ""
    subject: str = ""
    rating: str = ""
    urgent: bool | None = None
    due_before: datetime | None = None
    overdue_at: datetime | None = None
    created: Range = Range()
    registered: Range = Range()
    closed: Range = Range()
    requester: IdentityId | None = None
    call_id: CallId | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class Summary:
    """One line of a list. handle_due_at: the open handling limit; provisional: it may still move."""

    id: TicketId
    state: State
    version: int
    round: int
    request_type: str
    subject: str
    title: str
    place: str
    urgent: bool
    lead_unit: UnitId | None
    rating: str | None
    created_at: datetime
    updated_at: datetime
    registered_at: datetime | None
    dispatched_at: datetime | None
    closed_at: datetime | None
    handle_due_at: datetime | None
    provisional: bool
    deadline_id: int | None


@dataclass(frozen=True, slots=True)
class Page:
    """after: give this as `after` for the next page; None when this was the last."""

    tickets: tuple[Summary, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a ticket's history, as people read it."""

    seq: int
    round: int
    event: Event
    event_name: str
    from_state: State | None
    to_state: State
    state_name: str
    actor: str
    at: datetime
    reason: str
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class EarlierTicket:
    """What an agent sees of an earlier ticket while the telephone rings; plain text, for the screen."""

    id: TicketId
    state: str
    state_name: str
    request_type: str
    title: str
    opened_on: str


async def find(
    tx: AsyncConnection,
    wanted: Filter,
    *,
    actor: Actor,
    sort: Sort = Sort.NEWEST,
    limit: int = 50,
    after: str | None = None,
) -> Page:
    """One page of at most `limit` (1 to 200) tickets this person may see, those behind `after` of the page before.

    Raises OnlyNewest for words in another order.
    """
    size = max(1, min(limit, MAX_PAGE))
    scope = store.unit_scope(actor)
    listing = _listing().where(*_conditions(wanted, scope), store.open_to(actor))
    if wanted.text:
        if sort is not Sort.NEWEST:
            raise OnlyNewest
        units = [unit for unit in (scope, wanted.unit) if unit]
        below = TicketId(after) if after else None
        rows = await search.newest_first(tx, listing, wanted.text, units=units, limit=size + 1, after=below)
    else:
        rows = await _sorted(tx, listing, sort, size + 1, after)
    found = tuple(Summary(**{**row, "state": State(row["state"])}) for row in rows[:size])
    return Page(found, _mark(found[-1], sort) if len(rows) > size else None)


async def _sorted(tx: AsyncConnection, listing: Select[Any], sort: Sort, size: int, after: str | None) -> list[Any]:
    """Rows behind `after`, in this order."""
    if sort is Sort.NEWEST:
        return await _newest(tx, listing, size, after)
    if sort is Sort.UPDATED:
        place = tuple_(_ticket.c.updated_at, _ticket.c.id)
        behind = listing if after is None else listing.where(place < _place(after, str))
        return await _rows(tx, behind.order_by(_ticket.c.updated_at.desc(), _ticket.c.id.desc()), size)
    if after is not None and "-" not in after:
        return await _newest(tx, listing.where(_deadline.c.id.is_(None)), size, after)
    # Joined from the inside, so that the index of running limits gives the order.
    running = listing.where(_deadline.c.id.is_not(None))
    if after is not None:
        running = running.where(tuple_(_deadline.c.due_at, _deadline.c.id) > _place(after, int))
    rows = await _rows(tx, running.order_by(_deadline.c.due_at, _deadline.c.id), size)
    if len(rows) < size:
        rows += await _newest(tx, listing.where(_deadline.c.id.is_(None)), size - len(rows), None)
    return rows


async def _newest(tx: AsyncConnection, listing: Select[Any], size: int, after: str | None) -> list[Any]:
    query = listing if after is None else listing.where(_ticket.c.id < after)
    return await _rows(tx, query.order_by(_ticket.c.id.desc()), size)


async def _rows(tx: AsyncConnection, query: Select[Any], size: int) -> list[Any]:
    return list((await tx.execute(query.limit(size))).mappings().all())


def _mark(last: Summary, sort: Sort) -> str:
    """Where the page ended: a moment in microseconds and an id; a ticket's number where that alone is the order."""
    if sort is Sort.UPDATED:
        return f"{(last.updated_at - ZERO) // timedelta(microseconds=1)}-{last.id}"
    if sort is Sort.DUE and last.handle_due_at is not None:
        return f"{(last.handle_due_at - ZERO) // timedelta(microseconds=1)}-{last.deadline_id}"
    return last.id


def _place(after: str, kind: type[str] | type[int]) -> Any:
    micros, _, number = after.partition("-")
    return tuple_(ZERO + timedelta(microseconds=int(micros)), kind(number))


async def history(tx: AsyncConnection, ticket_id: TicketId, actor: Actor) -> tuple[Entry, ...]:
    """Everything that happened to a ticket, in order. Raises TicketNotFound."""
    await store.load(tx, ticket_id, unit=store.unit_scope(actor), viewer=actor)
    return tuple(_entry(entry) for entry, _, __ in await store.chain_of(tx, ticket_id))


async def earlier_tickets(
    tx: AsyncConnection, requester: IdentityId, viewer: Actor, limit: int = 5
) -> tuple[EarlierTicket, ...]:
    """The citizen's last tickets this person may see, newest first; drafts and withdrawn ones left out."""
    query = (
        select(_ticket.c.id, _ticket.c.state, _ticket.c.request_type, _ticket.c.title, _ticket.c.created_at)
        .where(_ticket.c.requester == requester, _ticket.c.state.not_in((State.DRAFT, State.WITHDRAWN)))
        .where(store.open_to(viewer))
        .order_by(_ticket.c.id.desc())
        .limit(limit)
    )
    return tuple(
        EarlierTicket(
            id=TicketId(row.id),
            state=row.state,
            state_name=STATE_NAMES[State(row.state)],
            request_type=row.request_type,
            title=row.title,
            opened_on=local_day(row.created_at).isoformat(),
        )
        for row in (await tx.execute(query)).all()
    )


def _listing() -> Select[Any]:
    """Tickets with their open handling limit; there is at most one."""
    running = and_(
        _deadline.c.ticket_id == _ticket.c.id,
        _deadline.c.kind == DeadlineKind.HANDLE,
        _deadline.c.met_at.is_(None),
        _deadline.c.ended_at.is_(None),
    )
    columns = [_ticket.c[name] for name in (*_COLUMNS, "rating", *_TIMES)]
    due = _deadline.c.due_at.label("handle_due_at")
    provisional = _deadline.c.provisional.is_(True).label("provisional")
    number = _deadline.c.id.label("deadline_id")
    return select(*columns, due, provisional, number).select_from(_ticket.outerjoin(_deadline, running))


def _conditions(wanted: Filter, scope: UnitId | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [store.visible_to(unit) for unit in (scope, wanted.unit) if unit]
    if wanted.states:
        conditions.append(_ticket.c.state.in_(wanted.states))
    same = {"request_type": wanted.request_type, "subject": wanted.subject, "rating": wanted.rating}
    conditions += [_ticket.c[name] == value for name, value in same.items() if value]
    if wanted.urgent is not None:
        conditions.append(_ticket.c.urgent.is_(wanted.urgent))
    if wanted.due_before is not None:
        conditions.append(_deadline.c.due_at < wanted.due_before)
    if wanted.overdue_at is not None:
        conditions.append(_deadline.c.due_at < wanted.overdue_at)
    conditions += _within(wanted)
    if wanted.requester is not None:
        conditions.append(_ticket.c.requester == wanted.requester)
    if wanted.call_id is not None:
        conditions.append(_ticket.c.call_id == wanted.call_id)
    return conditions


def _within(wanted: Filter) -> list[ColumnElement[bool]]:
    """The ranges of time. A number begins with the local day it was given out, so the primary key serves the first."""
    created = wanted.created
    conditions: list[ColumnElement[bool]] = []
    if created.since is not None:
        conditions.append(_ticket.c.id >= f"{local_day(created.since):%Y%m%d}000000")
    if created.until is not None:
        conditions.append(_ticket.c.id <= f"{local_day(created.until):%Y%m%d}999999")
    for name, span in (("created_at", created), ("registered_at", wanted.registered), ("closed_at", wanted.closed)):
        conditions += [_ticket.c[name] >= span.since] if span.since is not None else []
        conditions += [_ticket.c[name] < span.until] if span.until is not None else []
    return conditions


def _entry(entry: store.Entry) -> Entry:
    return Entry(
        seq=entry.seq,
        round=entry.round,
        event=entry.kind,
        event_name=EVENT_NAMES[entry.kind],
        from_state=entry.from_state,
        to_state=entry.to_state,
        state_name=STATE_NAMES[entry.to_state],
        actor=entry.actor,
        at=entry.at,
        reason=entry.reason,
        data=entry.data,
    )
