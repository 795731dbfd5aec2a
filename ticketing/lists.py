"""Looking at tickets: lists by filter, page by page; a ticket's history; a citizen's earlier tickets.

A person of a unit sees only the unit's tickets, by the query itself. Pages go by ticket id, newest first.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import Actor, CallId, IdentityId, TicketId, UnitId
from ticketing import store, tables
from ticketing.clocks import DeadlineKind, local_day
from ticketing.search import search
from ticketing.words import EVENT_NAMES, STATE_NAMES, Event, State

MAX_PAGE = 200
_ticket, _deadline, _event = tables.ticket, tables.ticket_deadline, tables.ticket_event
_COLUMNS = ("id", "state", "version", "round", "request_type", "subject", "title", "place", "urgent", "lead_unit")
_TIMES = ("created_at", "registered_at", "dispatched_at", "closed_at")


@dataclass(frozen=True, slots=True)
class Filter:
    """What to list; None and empty mean any. text: words, parted by blanks, that number, title,
    content and place say between them."""

    states: tuple[State, ...] = ()
    unit: UnitId | None = None
    request_type: str = ""
    urgent: bool | None = None
    due_before: datetime | None = None
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
    created_at: datetime
    registered_at: datetime | None
    dispatched_at: datetime | None
    closed_at: datetime | None
    handle_due_at: datetime | None
    provisional: bool


@dataclass(frozen=True, slots=True)
class Page:
    """after: give this as `after` for the next page; None when this was the last."""

    tickets: tuple[Summary, ...]
    after: TicketId | None


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
    tx: AsyncConnection, wanted: Filter, *, actor: Actor, limit: int = 50, after: TicketId | None = None
) -> Page:
    """One page of at most `limit` (1 to 200) tickets this person may see, newest first, those below id `after`."""
    size = max(1, min(limit, MAX_PAGE))
    scope = store.unit_scope(actor)
    conditions = [*_conditions(wanted, scope), store.open_to(actor)]

    listing = _listing().where(*conditions)
    if wanted.text:
        units = [unit for unit in (scope, wanted.unit) if unit]
        rows = await search.newest_first(tx, listing, wanted.text, units=units, limit=size + 1, after=after)
    else:
        query = listing if after is None else listing.where(_ticket.c.id < after)
        rows = list((await tx.execute(query.order_by(_ticket.c.id.desc()).limit(size + 1))).mappings().all())
    found = tuple(Summary(**{**row, "state": State(row["state"])}) for row in rows[:size])
    return Page(found, found[-1].id if len(rows) > size else None)


async def history(tx: AsyncConnection, ticket_id: TicketId, actor: Actor) -> tuple[Entry, ...]:
    """Everything that happened to a ticket, in order. Raises TicketNotFound."""
    await store.load(tx, ticket_id, unit=store.unit_scope(actor), viewer=actor)
    return tuple(_entry(entry) for entry, _, __ in await store.chain_of(tx, ticket_id))


async def earlier_tickets(tx: AsyncConnection, requester: IdentityId, limit: int = 5) -> tuple[EarlierTicket, ...]:
    """The citizen's last tickets, newest first; drafts and withdrawn ones left out."""
    query = (
        select(_ticket.c.id, _ticket.c.state, _ticket.c.request_type, _ticket.c.title, _ticket.c.created_at)
        .where(_ticket.c.requester == requester, _ticket.c.state.not_in((State.DRAFT, State.WITHDRAWN)))
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
    columns = [_ticket.c[name] for name in (*_COLUMNS, *_TIMES)]
    due = _deadline.c.due_at.label("handle_due_at")
    provisional = _deadline.c.provisional.is_(True).label("provisional")
    return select(*columns, due, provisional).select_from(_ticket.outerjoin(_deadline, running))


def _conditions(wanted: Filter, scope: UnitId | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [store.visible_to(unit) for unit in (scope, wanted.unit) if unit]
    if wanted.states:
        conditions.append(_ticket.c.state.in_(wanted.states))
    if wanted.request_type:
        conditions.append(_ticket.c.request_type == wanted.request_type)
    if wanted.urgent is not None:
        conditions.append(_ticket.c.urgent.is_(wanted.urgent))
    if wanted.due_before is not None:
        conditions.append(_deadline.c.due_at < wanted.due_before)
    if wanted.requester is not None:
        conditions.append(_ticket.c.requester == wanted.requester)
    if wanted.call_id is not None:
        conditions.append(_ticket.c.call_id == wanted.call_id)
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
