"""A reviewer's work: what waits for a person of the hotline after a unit has replied, the oldest first.

Each tab is one query of the same shape, so that one list shows them all. Pages go by time, ticket and item.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, literal, null, or_, select, tuple_
from sqlalchemy.dialects.postgresql import TIMESTAMP
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import Actor, TicketId, UnitId
from ticketing import store, tables
from ticketing.aftercare.abuse import AbuseStep
from ticketing.aftercare.confidentiality import DECIDABLE, GUARDED
from ticketing.aftercare.contacts import Purpose, Reached
from ticketing.aftercare.tables import ticket_abuse, ticket_commitment, ticket_contact, ticket_release
from ticketing.clocks import local_day
from ticketing.words import State

MAX_PAGE = 100
ZERO = datetime(1970, 1, 1, tzinfo=UTC)
PUBLICATION_DAYS = 90
"""Closed longer ago, a result nobody decided on stays unpublished; nobody has to look at it any more."""
MOST_COUNTED = 999
_t, _m = tables.ticket.c, tables.manual_task.c


class Tab(StrEnum):
    """What waits."""

    REPLIES = "replies"
    CALLS = "calls"
    UNSATISFIED = "unsatisfied"
    CHECKS = "checks"
    PUBLICATION = "publication"
    ABUSE = "abuse"


@dataclass(frozen=True, slots=True)
class Item:
    """One line. at: what it is sorted by; item: the task or record of that kind, 0 for the ticket itself.

    tries: follow-up calls of this round that reached nobody; tried_at: the last of them.
    """

    item: int
    at: datetime
    due_at: datetime | None
    kind: str
    why: str
    id: TicketId
    version: int
    round: int
    state: State
    request_type: str
    title: str
    place: str
    urgent: bool
    lead_unit: UnitId | None
    rating: str | None
    cause_code: str
    tries: int
    tried_at: datetime | None
    policy_id: str
    policy_version: int


_TICKET = ("id", "version", "round", "state", "request_type", "title", "place", "urgent", "lead_unit", "rating")
_MORE = ("cause_code", "policy_id", "policy_version")


async def find(
    tx: AsyncConnection, tab: Tab, *, actor: Actor, now: datetime, text: str = "", after: str = "", limit: int = 50
) -> tuple[tuple[Item, ...], str | None]:
    """A page and where the next one begins. after: as it was answered, `<µs>-<ticket>-<item>`."""
    size = max(1, min(limit, MAX_PAGE))
    whole = _of(tab, now, store.open_to(actor)).subquery("waiting")
    query = select(whole)
    if text:
        said = (whole.c[name].contains(text, autoescape=True) for name in ("id", "title", "place"))
        query = query.where(or_(*said))
    place = tuple_(whole.c.at, whole.c.id, whole.c.item)
    if after:
        micros, number, item = after.split("-")
        query = query.where(place > tuple_(ZERO + timedelta(microseconds=int(micros)), number, int(item)))
    rows = (await tx.execute(query.order_by(*place.clauses).limit(size + 1))).all()
    found = tuple(_item(row) for row in rows[:size])
    return found, _mark(found[-1]) if len(rows) > size else None


async def counts(tx: AsyncConnection, *, actor: Actor, now: datetime, publishes: bool) -> dict[str, int]:
    """How many of each, up to MOST_COUNTED; and what else waits for a reviewer. publishes: the policy makes public."""
    tabs = [tab for tab in Tab if publishes or tab is not Tab.PUBLICATION]
    some = {str(tab): _of(tab, now, store.open_to(actor)).limit(MOST_COUNTED).subquery() for tab in tabs}
    late = select(ticket_commitment.c.id).where(ticket_commitment.c.state == "open", ticket_commitment.c.due_at < now)
    releases = select(ticket_release.c.id).where(ticket_release.c.approved_at.is_(None))
    some |= {"commitments": late.limit(MOST_COUNTED).subquery(), "releases": releases.limit(MOST_COUNTED).subquery()}
    numbers = [select(func.count()).select_from(one).scalar_subquery() for one in some.values()]
    return dict(zip(some, (await tx.execute(select(*numbers))).one(), strict=True))


def _of(tab: Tab, now: datetime, seen: ColumnElement[bool]) -> Select[Any]:
    match tab:
        case Tab.REPLIES:
            return _tickets(_t.replied_at, "reply").where(_t.state == State.REPLIED, seen)
        case Tab.CALLS:
            return _tasks(("manual_call", "read_reply")).where(seen)
        case Tab.UNSATISFIED:
            return _unsatisfied().where(seen)
        case Tab.CHECKS:
            return _tasks(("recheck", "look_back")).where(seen)
        case Tab.PUBLICATION:
            return _unpublished(now).where(seen)
        case Tab.ABUSE:
            return _abuse().where(seen)


def _columns(item: Any, at: Any, due_at: Any, kind: Any, why: Any) -> list[Any]:
    asked = and_(
        ticket_contact.c.ticket_id == _t.id,
        ticket_contact.c.round == _t.round,
        ticket_contact.c.purpose == Purpose.FOLLOW_UP,
        ticket_contact.c.reached == Reached.NOT_REACHED,
    )
    tries = select(func.count()).where(asked).scalar_subquery()
    tried_at = select(func.max(ticket_contact.c.at)).where(asked).scalar_subquery()
    own = [item.label("item"), at.label("at"), due_at.label("due_at"), kind.label("kind"), why.label("why")]
    return [*own, *(_t[name] for name in (*_TICKET, *_MORE)), tries.label("tries"), tried_at.label("tried_at")]


_NO_TIME = literal(None, TIMESTAMP(timezone=True))


def _tickets(at: Any, kind: str) -> Select[Any]:
    return select(*_columns(literal(0), at, _NO_TIME, literal(kind), literal(""))).select_from(tables.ticket)


def _tasks(kinds: tuple[str, ...]) -> Select[Any]:
    joined = tables.manual_task.join(tables.ticket, _t.id == _m.ticket_id)
    query = select(*_columns(_m.id, _m.due_at, _m.due_at, _m.kind, _m.why)).select_from(joined)
    return query.where(_m.state == "open", _m.kind.in_(kinds))


def _unsatisfied() -> Select[Any]:
    """A rating that closes a ticket does so at once; what still has one waits for a person to decide."""
    mine = and_(_m.ticket_id == _t.id, _m.round == _t.round, _m.kind == "review", _m.state == "open")
    joined = tables.ticket.outerjoin(tables.manual_task, mine)
    at, item = func.coalesce(_m.due_at, _t.updated_at), func.coalesce(_m.id, 0)
    why = func.coalesce(_m.why, "")
    query = select(*_columns(item, at, _m.due_at, literal("unsatisfied"), why)).select_from(joined)
    return query.where(_t.state == State.SURVEYING, _t.rating.is_not(None))


def _unpublished(now: datetime) -> Select[Any]:
    since = f"{local_day(now - timedelta(days=PUBLICATION_DAYS)):%Y%m%d}"
    return _tickets(_t.created_at, "publication").where(
        _t.id > since,
        _t.state.in_(DECIDABLE),
        _t.publication == "",
        # What is secret is never public; nobody has to say so.
        _t.confidential.is_(False),
        _t.sensitivity == "",
        ~_t.flags.overlap(sorted(GUARDED)),
    )


def _abuse() -> Select[Any]:
    a = ticket_abuse.c
    joined = ticket_abuse.join(tables.ticket, _t.id == a.ticket_id)
    query = select(*_columns(a.id, a.noted_at, null(), a.state, a.note)).select_from(joined)
    return query.where(a.state != AbuseStep.HANDED_OVER)


def _item(row: Any) -> Item:
    named = {name: getattr(row, name) for name in Item.__dataclass_fields__}
    return Item(**{**named, "state": State(row.state)})


def _mark(item: Item) -> str:
    micros = (item.at - ZERO) // timedelta(microseconds=1)
    return f"{micros}-{item.id}-{item.item}"
