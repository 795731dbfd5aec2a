"""Surveys as rows: the course of each is `ticketing.aftercare.survey`'s, the number stays in the vault.

A row holds the citizen's key in the identity vault; where the pure machine wants a number it gets that key as
digits: equal keys are equal numbers, and nothing here can be dialled.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import ceil
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import IdentityId, PhoneNumber, TicketId
from ticketing import facts, tables
from ticketing.aftercare.sms_reply import RATINGS, Rating
from ticketing.aftercare.survey import advance, ends_at, next_waiting, open_survey
from ticketing.aftercare.survey_words import (
    AskingRules,
    CallCause,
    Freed,
    NumberFreed,
    Settled,
    Survey,
    SurveyEvent,
    SurveyFact,
    SurveyId,
    SurveyQueued,
    SurveyState,
)
from ticketing.clocks import Calendar, Clock, Period, due_at
from ticketing.facts import Fact
from ticketing.policy import Policy
from ticketing.record import Ticket
from ticketing.words import RatingSource

_table = tables.ticket_survey
NOBODY = PhoneNumber("000")
RECENT = 20
"""How many surveys of one person are looked at: the open ones and the last ones."""
NATURAL = {Clock.NATURAL_HOUR: timedelta(hours=1), Clock.NATURAL_MINUTE: timedelta(minutes=1)}


@dataclass(frozen=True, slots=True)
class Kept:
    """A survey with the row it came from."""

    id: int
    ticket_id: TicketId
    round: int
    requester: IdentityId | None
    survey: Survey


async def begin(tx: AsyncConnection, ticket: Ticket, policy: Policy, now: datetime) -> tuple[Fact, ...]:
    """Open the round's survey. SurveyDue comes with it when the citizen's number is free, later otherwise."""
    asking = asking_rules(policy)
    if ticket.requester is None:
        await _insert(tx, ticket, asking, now, state=SurveyState.MANUAL)
        return ()
    await _hold(tx, ticket.requester)
    others = [kept.survey for kept in await of_person(tx, ticket.requester)]
    survey_id = await _insert(tx, ticket, asking, now, state=SurveyState.WAITING)
    number = _number(ticket.requester)
    opened, said = open_survey(SurveyId(str(survey_id)), ticket.id, number, asking, now, others=others)
    kept = Kept(survey_id, ticket.id, ticket.round, ticket.requester, opened)
    await _save(tx, kept, now)
    return _due(kept, said, now)


def asking_rules(policy: Policy) -> AskingRules:
    """The window and the rating of silence as the survey's machine counts them."""
    rating = next((known for known in RATINGS if known == policy.survey.no_reply), None)
    return AskingRules(_natural(policy.survey.window), rating)


def _natural(period: Period) -> timedelta:
    """Of hours and minutes the length; of days a first guess, until the message is out and `count_window` knows."""
    return period.amount * NATURAL.get(period.clock, timedelta(days=1))


async def count_window(tx: AsyncConnection, kept: Kept, policy: Policy, calendar: Calendar, now: datetime) -> Kept:
    """The survey with its window as the policy's clocks count it from the submission, or from the delivery once known.

    Hours and minutes need no counting. Raises CalendarEnds.
    """
    survey, period = kept.survey, policy.survey.window
    begins = survey.delivered_at or survey.submitting_at
    if begins is None or period.clock in NATURAL:
        return kept
    seconds = ceil((due_at(begins, period, calendar, policy.workdays) - begins).total_seconds())
    rules = replace(survey.rules, window=timedelta(seconds=seconds))
    if rules == survey.rules:
        return kept
    counted = replace(kept, survey=replace(survey, rules=rules))
    await _save(tx, counted, now)
    return counted


async def of_round(tx: AsyncConnection, ticket_id: TicketId, round_: int) -> Kept | None:
    """The survey of one round, locked; None when the round has none. Lock the ticket first."""
    return await _locked(tx, (_table.c.ticket_id == ticket_id) & (_table.c.round == round_))


async def by_id(tx: AsyncConnection, survey_id: int) -> Kept | None:
    """The survey with that id, locked. Lock its ticket first."""
    return await _locked(tx, _table.c.id == survey_id)


async def ticket_of(tx: AsyncConnection, survey_id: int) -> TicketId | None:
    """Whose survey it is."""
    found = (await tx.execute(select(_table.c.ticket_id).where(_table.c.id == survey_id))).scalar_one_or_none()
    return None if found is None else TicketId(found)


async def ended(tx: AsyncConnection, now: datetime, limit: int) -> tuple[int, ...]:
    """Ids of surveys whose window is over, the oldest first."""
    query = select(_table.c.id).where(_table.c.expires_at <= now).order_by(_table.c.expires_at).limit(limit)
    return tuple((await tx.execute(query)).scalars())


async def _locked(tx: AsyncConnection, which: ColumnElement[bool]) -> Kept | None:
    """Tickets are locked before people, people before rows: so no two transactions wait for each other."""
    person = (await tx.execute(select(_table.c.requester).where(which))).scalar_one_or_none()
    if person is not None:
        await _hold(tx, IdentityId(person))
    row = (await tx.execute(select(_table).where(which).with_for_update())).mappings().one_or_none()
    return None if row is None else _kept(row)


async def _hold(tx: AsyncConnection, requester: IdentityId) -> None:
    """Until the transaction ends, nobody else moves this person's surveys."""
    await tx.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": f"survey:{requester}"})


async def of_person(tx: AsyncConnection, requester: IdentityId) -> tuple[Kept, ...]:
    """A citizen's surveys, the newest first, at most RECENT."""
    query = select(_table).where(_table.c.requester == requester).order_by(_table.c.id.desc()).limit(RECENT)
    return tuple(_kept(row) for row in (await tx.execute(query)).mappings())


async def step(
    tx: AsyncConnection, kept: Kept, event: SurveyEvent
) -> tuple[Kept, tuple[SurveyFact, ...], tuple[Fact, ...]]:
    """One event of a survey: it after the event, what the machine said, and the surveys that may be sent now."""
    after, said = advance(kept.survey, event)
    moved = Kept(kept.id, kept.ticket_id, kept.round, kept.requester, after)
    if after != kept.survey:
        await _save(tx, moved, event.at)
    due = _due(moved, said, event.at)
    for freed in (fact for fact in said if isinstance(fact, NumberFreed)):
        due += await _next(tx, moved, freed, event.at)
    return moved, said, due


async def note_rating(tx: AsyncConnection, ticket: Ticket, comment: str, now: datetime) -> None:
    """A rating that came another way (by the platform above) stands in the survey's row too: one a round (I4)."""
    mine = (_table.c.ticket_id == ticket.id, _table.c.round == ticket.round, _table.c.rating.is_(None))
    said = {"rating": ticket.rating, "rating_source": ticket.rating_source, "rated_at": now, "comment": comment or None}
    await tx.execute(update(_table).where(*mine).values(**said))


async def settle(tx: AsyncConnection, ticket: Ticket, now: datetime) -> tuple[Fact, ...]:
    """The ticket needs its survey no more."""
    kept = await of_round(tx, ticket.id, ticket.round)
    if kept is None:
        return ()
    _, __, due = await step(tx, kept, Settled(now))
    return due


async def _next(tx: AsyncConnection, moved: Kept, freed: NumberFreed, now: datetime) -> tuple[Fact, ...]:
    """The survey that has waited longest for this person's number goes now."""
    if moved.requester is None:
        return ()
    line = await of_person(tx, moved.requester)
    chosen = next_waiting([kept.survey for kept in line], freed)
    following = next((kept for kept in line if chosen is not None and kept.survey.id == chosen.id), None)
    if following is None:
        return ()
    after, said = advance(following.survey, Freed(now))
    kept = Kept(following.id, following.ticket_id, following.round, following.requester, after)
    await _save(tx, kept, now)
    return _due(kept, said, now)


def _due(kept: Kept, said: tuple[SurveyFact, ...], now: datetime) -> tuple[Fact, ...]:
    if kept.requester is None or not any(isinstance(fact, SurveyQueued) for fact in said):
        return ()
    return (facts.SurveyDue(kept.ticket_id, kept.round, now, kept.id, kept.requester),)


def _number(requester: IdentityId | None) -> PhoneNumber:
    return NOBODY if requester is None else PhoneNumber(f"{requester:03d}")


async def _insert(
    tx: AsyncConnection, ticket: Ticket, asking: AskingRules, now: datetime, *, state: SurveyState
) -> int:
    row = insert(_table).values(
        ticket_id=ticket.id,
        round=ticket.round,
        state=state,
        requester=ticket.requester,
        window_s=int(asking.window.total_seconds()),
        no_reply=asking.no_reply,
        opened_at=now,
    )
    return int((await tx.execute(row.returning(_table.c.id))).scalar_one())


async def _save(tx: AsyncConnection, kept: Kept, now: datetime) -> None:
    survey = kept.survey
    values: dict[str, Any] = {
        "state": survey.state,
        "extension": survey.extension,
        "window_s": int(survey.rules.window.total_seconds()),
        "holds_number": survey.holds_number,
        "submitting_at": survey.submitting_at,
        "delivered_at": survey.delivered_at,
        "expires_at": ends_at(survey),
        "rating": survey.rating,
        "rating_source": survey.source,
        "comment": survey.comment,
        "cause": survey.cause,
        "reply_keys": sorted(survey.reply_keys),
    }
    changed = update(_table).where(_table.c.id == kept.id).values(**values)
    if survey.rating is not None:
        changed = changed.values(rated_at=func.coalesce(_table.c.rated_at, now))
    await tx.execute(changed)


def _kept(row: RowMapping) -> Kept:
    requester = IdentityId(row["requester"]) if row["requester"] is not None else None
    source, cause = row["rating_source"], row["cause"]
    survey = Survey(
        id=SurveyId(str(row["id"])),
        ticket=TicketId(row["ticket_id"]),
        number=_number(requester),
        opened_at=row["opened_at"],
        rules=AskingRules(timedelta(seconds=row["window_s"]), _rating(row["no_reply"])),
        extension=row["extension"],
        state=SurveyState(row["state"]),
        holds_number=row["holds_number"],
        submitting_at=row["submitting_at"],
        delivered_at=row["delivered_at"],
        rating=_rating(row["rating"]),
        source=RatingSource(source) if source else None,
        comment=row["comment"],
        cause=CallCause(cause) if cause else None,
        reply_keys=frozenset(row["reply_keys"]),
    )
    return Kept(row["id"], survey.ticket, row["round"], requester, survey)


def _rating(said: str | None) -> Rating | None:
    return next((known for known in RATINGS if known == said), None)
