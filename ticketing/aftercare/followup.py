"""回访: what happens to a round's survey, and what it does to the ticket. Takes the caller's transaction.

The course of a survey is `ticketing.aftercare.survey`'s; here its outcomes become commands on the ticket, tasks
for people and facts for the hub. Telling the same thing twice changes nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.types import CITIZEN, Actor, IdentityId, Role, TicketId, system
from ticketing import facts, records, store
from ticketing.aftercare import sms_reply as reply
from ticketing.aftercare import surveys
from ticketing.aftercare.follow_rules import Unrated
from ticketing.aftercare.survey import match
from ticketing.aftercare.survey_words import (
    CallCause,
    Called,
    CallNeeded,
    Kept,
    NumberBarred,
    Rated,
    Replied,
    ReplyKept,
    SurveyEvent,
    SurveyFact,
    SurveyReached,
    Tick,
)
from ticketing.commands import Close, Rate, SurveyDelivered
from ticketing.facts import Fact
from ticketing.policy import Rules
from ticketing.record import Context, GuardFailed, NotYours, Ticket
from ticketing.service import step
from ticketing.ticket import allowed
from ticketing.words import Event, RatingSource, State

SURVEY = system("survey")
WHY = {
    CallCause.REJECTED: "回访短信被网关拒绝，请人工回访",
    CallCause.NO_RECEIPT: "回访短信没有送达回执，请人工回访",
    CallCause.UNDELIVERED: "回访短信未送达，请人工回访",
    CallCause.SILENT: "诉求人未回复，请人工回访",
    CallCause.UNCLEAR: "诉求人的短信不能判读，请人工阅读并回访",
    CallCause.STOPPED: "诉求人不再接收短信，请人工回访",
    CallCause.UNSATISFIED: "诉求人评价不满意，请回访了解原因",
}


@dataclass(frozen=True, slots=True)
class Followed:
    """What came of it. survey_id: which survey it was, None for a message that answers none. kept: what became of
    a citizen's message."""

    facts: tuple[Fact, ...]
    survey_id: int | None = None
    kept: Kept | None = None


async def tell(
    tx: AsyncConnection, survey_id: int, events: Iterable[SurveyEvent], *, rules: Rules, actor: Actor = SURVEY
) -> Followed:
    """What happened to a survey's message or window, in order; see ticketing.aftercare.survey_words for the events.

    An event its state does not know changes nothing. Raises LookupError for an id that is none.
    """
    ticket_id = await surveys.ticket_of(tx, survey_id)
    if ticket_id is None:
        raise LookupError(f"no survey {survey_id}")
    ticket = await store.load(tx, ticket_id, lock=True)
    policy = rules.of(ticket.policy_id, ticket.policy_version)
    kept = await surveys.by_id(tx, survey_id)
    assert kept is not None
    happened: tuple[Fact, ...] = ()
    said: tuple[SurveyFact, ...] = ()
    for event in events:
        kept, news, due = await surveys.step(tx, kept, event)
        kept = await surveys.count_window(tx, kept, policy, rules.calendar, event.at)
        ticket, told = await _apply(tx, ticket, kept, news, actor, event.at, rules)
        happened, said = happened + due + told, said + news
    fate = next((fact.kept for fact in said if isinstance(fact, ReplyKept)), None)
    return Followed(happened, survey_id, fate)


async def replied(
    tx: AsyncConnection, requester: IdentityId, to_number: str, body: str, *, key: str, at: datetime, rules: Rules
) -> Followed:
    """A message from a citizen. key: its own, so that it counts once; to_number: the number they answered to.

    survey_id None: it answers no survey; nothing was guessed and nothing changed.
    """
    line = await surveys.of_person(tx, requester)
    if not line:
        return Followed(())
    fitting = match([kept.survey for kept in line], line[0].survey.number, to_number)
    if fitting is None:
        return Followed(())
    return await tell(tx, int(fitting.id), [Replied(at, key, reply.parse(body))], rules=rules, actor=CITIZEN)


async def called(
    tx: AsyncConnection,
    ticket_id: TicketId,
    rating: reply.Rating | None,
    *,
    note: str,
    actor: Actor,
    now: datetime,
    rules: Rules,
    service: str = "",
) -> Followed:
    """The manual call is done. rating None: they gave none or were not reached; note: what was said.

    service: how they were treated, where the policy asks for both. Without a rating the ticket closes as unrated
    where the policy says so (SQ-021, MC-053), and waits for a reviewer elsewhere.

    Raises NotYours, GuardFailed when no call is asked for, TicketNotFound.
    """
    ticket = await store.load(tx, ticket_id, lock=True, unit=store.unit_scope(actor), viewer=actor)
    if Event.RATE not in allowed(ticket, actor):
        raise NotYours("只有回访人员可以在回访中的工单上填写人工回访结果。")
    if not note.strip():
        raise GuardFailed("请写明人工回访了解到的情况。")
    kept = await surveys.of_round(tx, ticket_id, ticket.round)
    assert kept is not None
    after, news, due = await surveys.step(tx, kept, Called(now, rating))
    if after.survey == kept.survey:
        raise GuardFailed("回访短信仍在等待答复，或人工回访已经完成，现在不需要填写人工回访结果。")
    ticket, told = await _apply(tx, ticket, after, news, actor, now, rules, service)
    policy = rules.of(ticket.policy_id, ticket.policy_version)
    context = Context(actor, policy, rules.calendar, now)
    await records.end_tasks(tx, ticket, context, ("manual_call", "read_reply"), note)
    unrated = policy.follow is not None and policy.follow.unrated is Unrated.CLOSE and ticket.rating is None
    if unrated and rating is None and ticket.state is State.SURVEYING:
        # The caller's note is the explanation; closing by itself is what the policy says, not what a role may do.
        closing = Close(note, unrated=True)
        who = replace(actor, roles=actor.roles | {Role.REVIEWER})
        told += (await step(tx, ticket, closing, actor=who, now=now, rules=rules)).facts
    return Followed(due + told, kept.id)


async def sweep(tx: AsyncConnection, now: datetime, *, rules: Rules, limit: int = 200) -> tuple[Fact, ...]:
    """Surveys whose window is over: the default rating where the policy has one and delivery is proven, else a call."""
    happened: tuple[Fact, ...] = ()
    for survey_id in await surveys.ended(tx, now, limit):
        happened += (await tell(tx, survey_id, [Tick(now)], rules=rules)).facts
    return happened


async def _apply(
    tx: AsyncConnection,
    ticket: Ticket,
    kept: surveys.Kept,
    said: tuple[SurveyFact, ...],
    actor: Actor,
    now: datetime,
    rules: Rules,
    service: str = "",
) -> tuple[Ticket, tuple[Fact, ...]]:
    """The survey's outcomes on its ticket, as far as the ticket is still in that round's survey."""
    happened: tuple[Fact, ...] = ()
    for fact in said:
        if isinstance(fact, NumberBarred) and kept.requester is not None:
            happened += (facts.CitizenBarred(ticket.id, kept.round, now, kept.requester),)
        if ticket.state is not State.SURVEYING or ticket.round != kept.round:
            continue
        if isinstance(fact, SurveyReached) and ticket.rating is not None:
            continue  # rated by another way meanwhile; nothing waits for an answer any more
        if isinstance(fact, CallNeeded):
            happened += await _call(tx, ticket, fact, actor, now, rules)
        elif isinstance(fact, Rated | SurveyReached):
            detail, who = _command(kept, fact, actor, service)
            outcome = await step(tx, ticket, detail, actor=who, now=now, rules=rules)
            ticket, happened = outcome.ticket, happened + outcome.facts
    return ticket, happened


def _command(
    kept: surveys.Kept, fact: Rated | SurveyReached, actor: Actor, service: str
) -> tuple[Rate | SurveyDelivered, Actor]:
    delivered_at = kept.survey.delivered_at
    if isinstance(fact, SurveyReached):
        assert delivered_at is not None
        return SurveyDelivered(delivered_at), SURVEY
    who = {RatingSource.CITIZEN: CITIZEN, RatingSource.DEFAULT: SURVEY, RatingSource.MANUAL: actor}[fact.source]
    return Rate(fact.rating, fact.source, fact.comment or "", delivered_at, service), who


async def _call(
    tx: AsyncConnection, ticket: Ticket, fact: CallNeeded, actor: Actor, now: datetime, rules: Rules
) -> tuple[Fact, ...]:
    policy = rules.of(ticket.policy_id, ticket.policy_version)
    context = Context(actor, policy, rules.calendar, now)
    kind = "read_reply" if fact.cause is CallCause.UNCLEAR else "manual_call"
    why = WHY[fact.cause] + (f":「{fact.text}」" if fact.text else "")
    return await records.add_task(tx, ticket, kind, records.by(policy.survey.manual_call, context), context, why)
