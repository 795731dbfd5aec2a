"""A survey's window in working days: it ends by the calendar, whatever the policy counts in (WX-023: 视为基本满意)."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import IdentityId, TicketId
from tests.support.tickets import AGENT, DISPATCHER, FIELDS, SYSTEM, WATER, WATER_MAN, contents, local, rules
from ticketing import commands, facts, service, store, tables
from ticketing.aftercare import followup
from ticketing.aftercare.survey_words import Accepted, Receipt, Reported, Submitting
from ticketing.checks import broken_invariants
from ticketing.clocks import SHANGHAI, parse_period
from ticketing.policy import Rules
from ticketing.words import RatingSource

FRIDAY = local(2026, 6, 5, 10)
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


def counting(period: str) -> Rules:
    """龙胜 with another window."""
    policy = rules().policies[-1]
    survey = replace(policy.survey, window=parse_period(period))
    return Rules((replace(policy, survey=survey),), rules().calendar)


async def asked(tx: AsyncConnection, here: Rules) -> tuple[TicketId, int]:
    """A ticket whose citizen is to be asked since Friday at eleven."""
    opened = await service.open_draft(tx, actor=SYSTEM, now=FRIDAY, rules=here, requester=IdentityId(5))
    steps = (
        (commands.Register(FIELDS, "例外"), AGENT),
        (commands.Dispatch(WATER, basis="权责清单"), DISPATCHER),
        (commands.Sign(), WATER_MAN),
        (commands.Start(), WATER_MAN),
        (commands.Reply(contents(FRIDAY)), WATER_MAN),
    )
    for detail, actor in steps:
        done = await service.carry_out(tx, opened.id, detail, actor=actor, now=FRIDAY, rules=here)
    due = next(fact for fact in done.facts if isinstance(fact, facts.SurveyDue))
    return opened.id, due.survey_id


async def ends(tx: AsyncConnection, survey_id: int) -> datetime:
    found = await tx.execute(select(tables.ticket_survey.c.expires_at).where(tables.ticket_survey.c.id == survey_id))
    return found.scalar_one().astimezone(SHANGHAI)  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("window", "from_delivery"),
    [
        ("1wd", local(2026, 6, 8, 23, 59, 59)),
        ("3wd", local(2026, 6, 10, 23, 59, 59)),
        ("2d", local(2026, 6, 7, 23, 59, 59)),
    ],
)
async def test_days_of_a_window_are_counted_by_the_clocks(
    tx: AsyncConnection, window: str, from_delivery: datetime
) -> None:
    here = counting(window)
    ticket_id, survey_id = await asked(tx, here)
    sent, delivered = FRIDAY + HOUR, FRIDAY + 2 * HOUR
    events = (Submitting(sent), Accepted(sent), Reported(delivered, Receipt.DELIVERED))
    await followup.tell(tx, survey_id, events, rules=here)
    assert await ends(tx, survey_id) == from_delivery
    assert await followup.sweep(tx, from_delivery - SECOND, rules=here) == ()
    await followup.sweep(tx, from_delivery, rules=here)
    ticket = await store.load(tx, ticket_id)
    assert (ticket.rating, ticket.rating_source) == ("满意", RatingSource.DEFAULT)
    assert await broken_invariants(tx, here) == ()


async def test_a_late_delivery_begins_a_window_of_its_own(tx: AsyncConnection) -> None:
    here = counting("1wd")
    ticket_id, survey_id = await asked(tx, here)
    await followup.tell(tx, survey_id, (Submitting(FRIDAY + HOUR), Accepted(FRIDAY + HOUR)), rules=here)
    assert await ends(tx, survey_id) == local(2026, 6, 8, 23, 59, 59)
    await followup.tell(tx, survey_id, (Reported(local(2026, 6, 8, 9), Receipt.DELIVERED),), rules=here)
    assert await ends(tx, survey_id) == local(2026, 6, 9, 23, 59, 59)
    assert (await store.load(tx, ticket_id)).rating is None
