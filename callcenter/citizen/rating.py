"""A rating given on a page instead of by message: the same survey, the same rule that the first valid answer counts.

Who holds the link is who got it by message, or who opened the progress with number and code. It names one round.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.citizen.rating_links import named_by
from callcenter.flow_tickets import Ground
from callcenter.types import CITIZEN
from callcenter.vault import Vault
from ticketing import store
from ticketing.aftercare import followup, surveys
from ticketing.aftercare.sms_reply import RATINGS, Rating, Reply
from ticketing.aftercare.survey_words import Kept, Replied
from ticketing.facts import Fact
from ticketing.record import Ticket, TicketNotFound

MOST_COMMENT = 500


@dataclass(frozen=True, slots=True)
class Asked:
    """A ticket whose citizen is asked. rating: what has been counted, None while nothing is. open: it may be given."""

    ticket: Ticket
    rating: str | None
    open: bool


async def asked(tx: AsyncConnection, vault: Vault, link: str) -> Asked | None:
    """What the link is for; None when it is none of ours, or the round was never asked about."""
    named = named_by(vault, link)
    if named is None:
        return None
    try:
        ticket = await store.load(tx, named[0], lock=True)
    except TicketNotFound:
        return None
    kept = await surveys.of_round(tx, ticket.id, named[1])
    if kept is None:
        return None
    # As for a message: from the moment the question went out until the window ends.
    asking = kept.survey.submitting_at is not None and kept.survey.holds_number
    return Asked(ticket, kept.survey.rating, asking and kept.survey.rating is None and ticket.round == named[1])


async def give(
    tx: AsyncConnection, ground: Ground, link: str, rating: Rating, comment: str, now: datetime
) -> tuple[bool, tuple[Fact, ...]]:
    """Count it if it is the first. Returns whether it was counted, and the facts to be told."""
    found = await asked(tx, ground.vault, link)
    if found is None or not found.open or rating not in RATINGS:
        return False, ()
    kept = await surveys.of_round(tx, found.ticket.id, found.ticket.round)
    assert kept is not None
    said = Reply(f"{rating} {comment}".strip(), rating, "count", comment or None)
    followed = await followup.tell(
        tx, kept.id, [Replied(now, f"web:{link[-24:]}", said)], rules=ground.rules, actor=CITIZEN
    )
    return followed.kept is Kept.COUNTED, followed.facts
