"""Repeats as the desk meets them: what may be the same matter, a person's confirmation, and the matter's standing.

A hint decides nothing: only `confirm`, by a person, makes two requests one matter; it counts them and says which of
the policy's rules fired. Source: LS-008, GZ-023, SQ-034 to SQ-036, MC-017 to MC-019.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import Actor, IdentityId, TicketId
from ticketing import service, store, tables
from ticketing.aftercare import rows as aftercare_rows
from ticketing.aftercare.matters import ALIKE, Link, likeness
from ticketing.aftercare.merging import Unmerge
from ticketing.aftercare.repeat_rules import Past, fired
from ticketing.aftercare.tables import matter, matter_member
from ticketing.clocks import local_day
from ticketing.commands import BeginSurvey
from ticketing.facts import Fact
from ticketing.policy import Rules
from ticketing.record import GuardFailed, StaleTicket, Ticket
from ticketing.service import Outcome, step
from ticketing.words import STATE_NAMES, State

RECENT = timedelta(days=180)
LOOKED_AT = 60
"""How many candidates of each kind are compared; the newest."""
_ticket = tables.ticket
ENDED = frozenset({State.CLOSED, State.ARCHIVED, State.ANSWERED, State.REJECTED, State.REFERRED, State.TERMINATED})


@dataclass(frozen=True, slots=True)
class Hint:
    """A ticket that may be about the same. alike: 0 to 1; same_person: its citizen is the one asked for."""

    id: TicketId
    state: State
    state_name: str
    request_type: str
    subject: str
    title: str
    place: str
    opened_on: str
    same_person: bool
    alike: float
    matter: int | None


@dataclass(frozen=True, slots=True)
class Asked:
    """What is being brought now, as far as it is known. requester None: unknown; texts may be empty."""

    requester: IdentityId | None
    subject: str = ""
    place: str = ""
    text: str = ""
    but: TicketId | None = None


async def hints(tx: AsyncConnection, asked: Asked, now: datetime, *, actor: Actor, limit: int = 10) -> tuple[Hint, ...]:
    """Recent tickets of this citizen, and of anybody at this place about this subject, the likeliest first.

    Without any text (the telephone is ringing) the citizen's own come newest first.
    """
    found: dict[TicketId, Hint] = {}
    for which in _candidates(asked):
        for hint in await _compared(tx, asked, which & store.open_to(actor), now):
            found.setdefault(hint.id, hint)
    likely = [hint for hint in found.values() if not asked.text or hint.alike >= ALIKE or _same_place(asked, hint)]
    ordered = sorted(likely, key=lambda hint: (hint.same_person, hint.alike, hint.id), reverse=True)
    return tuple(ordered[:limit])


def _candidates(asked: Asked) -> list[ColumnElement[bool]]:
    which: list[ColumnElement[bool]] = []
    if asked.requester is not None:
        which.append(_ticket.c.requester == asked.requester)
    if asked.subject and asked.place:
        which.append((_ticket.c.subject == asked.subject) & (_ticket.c.place == asked.place) & (_ticket.c.place != ""))
    return which


async def _compared(tx: AsyncConnection, asked: Asked, which: ColumnElement[bool], now: datetime) -> tuple[Hint, ...]:
    names = ("id", "state", "request_type", "subject", "title", "content", "place", "created_at", "requester", "matter")
    query = select(*(_ticket.c[name] for name in names)).where(
        which, _ticket.c.id >= f"{local_day(now - RECENT):%Y%m%d}000000", _ticket.c.state != State.DRAFT
    )
    if asked.but is not None:
        query = query.where(_ticket.c.id != asked.but)
    rows = (await tx.execute(query.order_by(_ticket.c.id.desc()).limit(LOOKED_AT))).all()
    return tuple(
        Hint(
            id=TicketId(row.id),
            state=State(row.state),
            state_name=STATE_NAMES[State(row.state)],
            request_type=row.request_type,
            subject=row.subject,
            title=row.title,
            place=row.place,
            opened_on=local_day(row.created_at).isoformat(),
            same_person=asked.requester is not None and row.requester == asked.requester,
            alike=round(max(likeness(asked.text, row.content), likeness(asked.text, row.title)), 3),
            matter=row.matter,
        )
        for row in rows
    )


def _same_place(asked: Asked, hint: Hint) -> bool:
    return bool(asked.subject and asked.place) and (hint.subject, hint.place) == (asked.subject, asked.place)


async def confirm(
    tx: AsyncConnection,
    ticket_id: TicketId,
    earlier: TicketId,
    *,
    actor: Actor,
    now: datetime,
    rules: Rules,
    reason: str = "",
    unit_kind: str = "",
    expected_version: int | None = None,
) -> Outcome:
    """This request is the same fact as an earlier one: a person says so. unit_kind: of the earlier ticket's unit.

    Raises TicketNotFound, StaleTicket, NotNow, NotYours, GuardFailed.
    """
    ticket = await store.load(tx, ticket_id, lock=True, unit=store.unit_scope(actor), viewer=actor)
    if expected_version is not None and ticket.version != expected_version:
        raise StaleTicket(expected_version, ticket.version)
    first = await store.load(tx, earlier, unit=store.unit_scope(actor), viewer=actor)
    if first.state in (State.DRAFT, State.WITHDRAWN) or earlier >= ticket_id:
        raise GuardFailed("原工单须早于本工单，并且已经登记。请核对原工单编号。")
    link = await _link(tx, ticket, first, rules, actor, now, unit_kind)
    detail = Link(earlier, *link, reason=reason)
    return await step(tx, ticket, detail, actor=actor, now=now, rules=rules)


async def _link(
    tx: AsyncConnection, ticket: Ticket, first: Ticket, rules: Rules, actor: Actor, now: datetime, unit_kind: str
) -> tuple[int, int, int, tuple[str, ...], str]:
    """matter, request_no, persons, rules that fired, who is responsible."""
    await aftercare_rows.lock_matter(tx, first.id)
    known = await _matter_of(tx, first.id)
    number = known if known is not None else await _open_matter(tx, first, actor, now)
    await tx.execute(select(matter.c.id).where(matter.c.id == number).with_for_update())
    past, request_no, persons = await _past(tx, number, ticket)
    policy = rules.of(ticket.policy_id, ticket.policy_version)
    told = fired(policy.repeat, past, ticket.request_type, ticket.registered_at or ticket.created_at)
    person = next((who for rule in told if (who := rule.person(unit_kind))), "")
    return number, request_no, persons, tuple(rule.code for rule in told), person


async def _matter_of(tx: AsyncConnection, ticket_id: TicketId) -> int | None:
    query = select(matter_member.c.matter_id).where(
        matter_member.c.ticket_id == ticket_id, matter_member.c.ended_at.is_(None)
    )
    return (await tx.execute(query)).scalar_one_or_none()


async def _open_matter(tx: AsyncConnection, first: Ticket, actor: Actor, now: datetime) -> int:
    row = insert(matter).values(first_ticket=first.id, opened_at=now, opened_by=str(actor)).returning(matter.c.id)
    number = int((await tx.execute(row)).scalar_one())
    member = {"matter_id": number, "ticket_id": first.id, "request_no": 1, "requester": first.requester}
    await tx.execute(insert(matter_member).values(**member, linked_at=now, linked_by=str(actor)))
    return number


async def _past(tx: AsyncConnection, number: int, ticket: Ticket) -> tuple[Past, int, int]:
    members = _members(number)
    query = (
        select(
            _ticket.c.state,
            _ticket.c.created_at,
            _ticket.c.registered_at,
            _ticket.c.replied_at,
            _ticket.c.closed_at,
            matter_member.c.request_no,
            matter_member.c.requester,
        )
        .join(matter_member, matter_member.c.ticket_id == _ticket.c.id)
        .where(members)
        .order_by(_ticket.c.id)
    )
    rows = (await tx.execute(query)).all()
    replied = [row.replied_at or row.closed_at for row in rows if row.replied_at or row.closed_at]
    past = Past(
        closed=State(rows[-1].state) in ENDED,
        first_at=min(row.registered_at or row.created_at for row in rows),
        replied_at=max(replied, default=None),
    )
    people = {row.requester for row in rows if row.requester is not None} | {ticket.requester} - {None}
    return past, max(row.request_no for row in rows) + 1, len(people)


def _members(number: int) -> ColumnElement[bool]:
    return (matter_member.c.matter_id == number) & matter_member.c.ended_at.is_(None)


@dataclass(frozen=True, slots=True)
class Standing:
    """A matter now: which tickets, how many requests, by how many people."""

    matter: int
    tickets: tuple[TicketId, ...]
    requests: int
    persons: int


async def standing(tx: AsyncConnection, number: int, *, actor: Actor) -> Standing | None:
    """The matter of that number, its tickets as far as this person may see them; None when there is none."""
    query = select(matter_member.c.ticket_id, matter_member.c.requester).join(
        _ticket, _ticket.c.id == matter_member.c.ticket_id
    )
    query = query.where(_members(number), store.open_to(actor))
    rows = (await tx.execute(query.order_by(matter_member.c.ticket_id))).all()
    if not rows:
        return None
    people = {row.requester for row in rows if row.requester is not None}
    return Standing(number, tuple(TicketId(row.ticket_id) for row in rows), len(rows), len(people))


async def followers(tx: AsyncConnection, master: TicketId) -> tuple[TicketId, ...]:
    """Tickets merged into this one and still waiting for its result, in order."""
    query = select(_ticket.c.id).where(_ticket.c.master == master, _ticket.c.state == State.MERGED)
    return tuple(TicketId(found) for found in (await tx.execute(query.order_by(_ticket.c.id))).scalars())


async def feed_back(
    tx: AsyncConnection, master: Ticket, *, actor: Actor, now: datetime, rules: Rules
) -> tuple[Fact, ...]:
    """Every merged ticket gets the master's result and goes on by itself, to its own citizen. Telling twice is once."""
    told: tuple[Fact, ...] = ()
    for ticket_id in await followers(tx, master.id):
        detail = BeginSurvey(result=master.result)
        outcome = await service.carry_out(tx, ticket_id, detail, actor=actor, now=now, rules=rules)
        told += outcome.facts
    return told


async def set_free(
    tx: AsyncConnection, master: TicketId, *, actor: Actor, now: datetime, rules: Rules
) -> tuple[Fact, ...]:
    """The master ended without a result of a unit: its followers go their own way again."""
    told: tuple[Fact, ...] = ()
    for ticket_id in await followers(tx, master):
        detail = Unmerge("主工单未经办理即已结束，本工单单独办理")
        outcome = await service.carry_out(tx, ticket_id, detail, actor=actor, now=now, rules=rules)
        told += outcome.facts
    return told
