"""The story of a ticket beyond its own package: messages to the citizen, their answers, archive, retention, screens.

Facts come from `ticketing` and from `callcenter.sms`, inside the transaction that made them true; what must happen
outside is queued in that same transaction.
"""

import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import flow_dispatch, flow_matters, flow_supervision, flow_upstream, jobs, ticket_calls
from callcenter.archive.orders import order_package
from callcenter.board import Board, BoardEvent, Json
from callcenter.citizen import rating_links
from callcenter.db import Database
from callcenter.jobs import Job
from callcenter.sms import service as sms
from callcenter.sms import texts as sms_texts
from callcenter.sms.facts import (
    ReplyReceived,
    SmsDelivered,
    SmsFact,
    SmsOutcomeUnknown,
    SmsSubmitted,
    SmsUndelivered,
)
from callcenter.sms.hours import SendHours
from callcenter.sms.message import Purpose
from callcenter.sms.texts import SmsTexts
from callcenter.types import CallId, IdentityId, TicketId, system
from callcenter.vault import Vault
from recordings import store as recording_store
from recordings import transcripts
from recordings.recording import SETTLED
from recordings.retention import expiry
from recordings.retention.rules import Basis, Rule
from ticketing import facts, service, store
from ticketing.aftercare import followup
from ticketing.aftercare import sms_reply as reply
from ticketing.aftercare.commitments import CommitmentKept
from ticketing.aftercare.survey_words import (
    Accepted,
    Barred,
    Kept,
    Lost,
    Receipt,
    Refused,
    Reported,
    Submitting,
    SurveyEvent,
)
from ticketing.approvals.supplement import SupplementAsked
from ticketing.approvals.termination import TicketTerminated
from ticketing.clocks import DeadlineKind
from ticketing.commands import Archive, Material
from ticketing.facts import Fact
from ticketing.policy import Rules
from ticketing.record import Ticket
from ticketing.supervision.supervision import SupervisionEnded
from ticketing.words import STATE_NAMES, State

log = logging.getLogger(__name__)

STORY = system("story")
SURVEY_KEY = "survey:"


@dataclass(frozen=True, slots=True)
class Ground:
    """What the story of tickets stands on."""

    vault: Vault
    rules: Rules
    texts: SmsTexts
    hours: SendHours
    upstream: bool = False
    """Whether a platform above is connected."""
    public_url: str = ""
    """Where citizens reach their pages, without a slash at its end; empty: no links in messages."""


@dataclass
class Telling:
    """One telling: where it writes, and what screens will be shown after commit."""

    tx: AsyncConnection
    ground: Ground
    now: datetime
    shown: list[BoardEvent] = field(default_factory=list)


async def tell(tx: AsyncConnection, ground: Ground, told: Iterable[Fact], now: datetime) -> tuple[BoardEvent, ...]:
    """What follows from facts of tickets. Returns what screens should see, to be published after commit."""
    telling = Telling(tx, ground, now)
    facts_told = tuple(told)
    facts_told += await flow_matters.follow(tx, ground.rules, facts_told, now)
    for fact in facts_told:
        chapter = CHAPTERS.get(type(fact))
        if chapter is not None:
            await chapter(telling, fact)
    await flow_dispatch.tell(flow_dispatch.Told(tx, ground.rules, now, ground.vault, ground.hours), facts_told)
    supervising = flow_supervision.Told(tx, ground.rules, now, ground.vault, ground.hours)
    made = await flow_supervision.tell(supervising, facts_told)
    telling.shown.extend(await tell(tx, ground, made, now) if made else ())
    await flow_upstream.tell(tx, ground.rules, facts_told, now, connected=ground.upstream)
    known = {ticket_id: await store.load(tx, ticket_id) for ticket_id in {fact.ticket_id for fact in facts_told}}
    return (*telling.shown, *(_screen(known[fact.ticket_id], fact) for fact in facts_told))


def _screen(ticket: Ticket, fact: Fact) -> BoardEvent:
    data: dict[str, Json] = {
        "ticket": ticket.id,
        "what": type(fact).__name__,
        "version": ticket.version,
        "state": ticket.state,
        "state_name": STATE_NAMES[State(ticket.state)],
        "unit": ticket.lead_unit,
        "at": fact.at.isoformat(),
    }
    return BoardEvent("ticket.changed", data)


# ---- the citizen is told and asked -------------------------------------------------------------------------------


async def registered(told: Telling, fact: facts.TicketRegistered) -> None:
    """The citizen gets the number of their ticket, unless it is confidential: others may see the screen."""
    ticket = await store.load(told.tx, fact.ticket_id)
    if ticket.requester is None or ticket.confidential:
        return
    code = told.ground.vault.citizen_code(ticket.id)
    body = sms_texts.ticket_opened_text(told.ground.texts, title=ticket.title, ticket=ticket.id, code=code)
    await _send(told, f"opened:{ticket.id}", ticket.requester, Purpose.INFO, body, ticket.id)


async def survey_due(told: Telling, fact: facts.SurveyDue) -> None:
    """Ask for a rating; the message's key is the survey's, so there can only be one."""
    ticket = await store.load(told.tx, fact.ticket_id)
    if await flow_upstream.asked_above(told.tx, ticket, told.ground.rules):
        # The platform above writes to the citizen; the survey runs as if its message were ours, and waits for news.
        await _follow(told, fact.survey_id, [Submitting(told.now), Accepted(told.now)])
        return
    link = _rating_page(told.ground, ticket)
    body = sms_texts.survey_text(told.ground.texts, title=ticket.title, ticket=ticket.id, link=link)
    queued = await _send(told, f"{SURVEY_KEY}{fact.survey_id}", fact.requester, Purpose.SURVEY, body, ticket.id)
    if queued.state == "suppressed":
        await _follow(told, fact.survey_id, [Barred(told.now)])


def _rating_page(ground: Ground, ticket: Ticket) -> str:
    """Its address, or `` where citizens reach no pages."""
    named = rating_links.link_of(ground.vault, ticket.id, ticket.round)
    return f"{ground.public_url}/citizen/rate/{named}" if ground.public_url else ""


async def citizen_barred(told: Telling, fact: facts.CitizenBarred) -> None:
    """No more messages to this person."""
    await sms.stop(told.tx, fact.requester, now=told.now)


async def _send(
    told: Telling, key: str, identity: IdentityId, purpose: Purpose, body: str, ticket: TicketId | None
) -> sms.Queued:
    message = sms.NewMessage(key=key, identity=identity, purpose=purpose, body=body, ticket=ticket)
    return await sms.queue_message(told.tx, message, now=told.now, hours=told.ground.hours)


async def supplement_asked(told: Telling, fact: SupplementAsked) -> None:
    """The citizen learns what the request lacks."""
    ticket = await store.load(told.tx, fact.ticket_id)
    if ticket.requester is None or ticket.confidential:
        return
    body = sms_texts.supplement_text(told.ground.texts, title=ticket.title, ticket=ticket.id, missing=fact.missing)
    key = f"supplement:{ticket.id}:{ticket.supplements}"
    await _send(told, key, ticket.requester, Purpose.INFO, body, ticket.id)


async def terminated(told: Telling, fact: TicketTerminated) -> None:
    """The citizen learns why, and the ticket is archived (MC-035)."""
    ticket = await store.load(told.tx, fact.ticket_id)
    if ticket.requester is not None and not ticket.confidential:
        body = sms_texts.terminated_text(told.ground.texts, title=ticket.title, ticket=ticket.id, reason=fact.reason)
        await _send(told, f"terminated:{ticket.id}", ticket.requester, Purpose.INFO, body, ticket.id)
    await closed(told, fact)


# ---- the end of a ticket -----------------------------------------------------------------------------------------


async def closed(told: Telling, fact: Fact) -> None:
    """A closed ticket is archived by a job, which waits for its recordings and transcript.

    While something is promised in its reply, it waits for that (LS-056).
    """
    ticket = await store.load(told.tx, fact.ticket_id)
    await _keep_recordings(told, ticket)
    if ticket.due(DeadlineKind.COMMITMENT) is not None:
        return
    await jobs.enqueue(
        told.tx, "ticket.archive", {"ticket": fact.ticket_id}, key=f"archive:{fact.ticket_id}:{fact.round}"
    )


async def archived(told: Telling, fact: facts.ArchivePacked) -> None:
    """The recordings of its call are kept as long as the package says, and never shorter; the package is ordered."""
    await order_package(told.tx, fact.ticket_id, fact.round)
    ticket = await store.load(told.tx, fact.ticket_id)
    for call_id in await calls_of(told.tx, ticket):
        await recording_store.keep_until(told.tx, call_id, fact.recordings_keep_until)
    await _keep_recordings(told, ticket)


async def _keep_recordings(told: Telling, ticket: Ticket) -> None:
    """As many years as its policy says, from the later of call and close; a date is never brought forward."""
    policy = told.ground.rules.of(ticket.policy_id, ticket.policy_version)
    rule = Rule(policy.archive.recording_years, policy.id, policy.version, str(policy.archive.basis))
    for call_id in await calls_of(told.tx, ticket):
        await expiry.call_closed(told.tx, call_id, Basis(rule, ticket.created_at, ticket.closed_at or told.now))


async def calls_of(tx: AsyncConnection, ticket: Ticket) -> tuple[CallId, ...]:
    """The call the ticket came by, and those made about it."""
    return (*((ticket.call_id,) if ticket.call_id else ()), *await ticket_calls.calls_of(tx, ticket.id))


async def promise_kept(told: Telling, fact: CommitmentKept) -> None:
    """The last thing a closed ticket waited for is done."""
    ticket = await store.load(told.tx, fact.ticket_id)
    if ticket.state is State.CLOSED:
        await closed(told, fact)


async def supervision_ended(told: Telling, fact: SupervisionEnded) -> None:
    """Nobody owes an answer about a closed ticket any more: it may be put away."""
    ticket = await store.load(told.tx, fact.ticket_id)
    if ticket.state is State.CLOSED and not ticket.supervising:
        await closed(told, fact)


Chapter = Callable[[Telling, Any], Awaitable[None]]

CHAPTERS: Mapping[type[Fact], Chapter] = {
    facts.TicketRegistered: registered,
    facts.SurveyDue: survey_due,
    facts.CitizenBarred: citizen_barred,
    facts.TicketClosed: closed,
    facts.TicketAnswered: closed,
    facts.TicketRejected: closed,
    facts.TicketReferred: closed,
    facts.TicketWithdrawn: closed,
    CommitmentKept: promise_kept,
    SupervisionEnded: supervision_ended,
    SupplementAsked: supplement_asked,
    TicketTerminated: terminated,
    facts.ArchivePacked: archived,
}
"""Fact -> what follows; a fact without an entry only shows on screens."""


# ---- what became of messages -------------------------------------------------------------------------------------


async def tell_sms(tx: AsyncConnection, ground: Ground, told: Iterable[SmsFact]) -> None:
    """What follows from facts about messages: surveys move on, replies are read."""
    now = datetime.now(UTC)
    telling = Telling(tx, ground, now)
    for fact in told:
        if isinstance(fact, ReplyReceived):
            await _reply(telling, fact)
        elif fact.message.key.startswith(SURVEY_KEY):
            await _follow(telling, int(fact.message.key.removeprefix(SURVEY_KEY)), _survey_events(fact))


def _survey_events(fact: SmsSubmitted | SmsDelivered | SmsUndelivered | SmsOutcomeUnknown) -> list[SurveyEvent]:
    """A message's fact as the survey's events. The first is repeated on purpose: it changes nothing twice. PURE."""
    sent = Submitting(fact.at)
    match fact:
        case SmsSubmitted():
            return [sent, Accepted(fact.at)]
        case SmsDelivered():
            return [sent, Reported(fact.at, Receipt.DELIVERED)]
        case SmsOutcomeUnknown():
            return [sent, Lost(fact.at)]
        case SmsUndelivered(reason="failed"):
            return [sent, Reported(fact.at, Receipt.FAILED)]
        case SmsUndelivered(reason="stopped"):
            return [Barred(fact.at)]
        case SmsUndelivered():
            return [sent, Refused(fact.at)]


async def _follow(told: Telling, survey_id: int, events: Iterable[SurveyEvent]) -> None:
    followed = await followup.tell(told.tx, survey_id, events, rules=told.ground.rules)
    told.shown.extend(await tell(told.tx, told.ground, followed.facts, told.now))


INBOUND: Mapping[Kept, sms.InboundState] = {
    Kept.COUNTED: "counted",
    Kept.UNCLEAR: "person",
    Kept.STOP: "stop",
    Kept.EMPTY: "stored",
    Kept.NOT_FIRST: "stored",
    Kept.UNMATCHED: "unmatched",
}


async def _reply(told: Telling, fact: ReplyReceived) -> None:
    """A citizen's message: it rates, it goes to a person, it stops, or it belongs to nothing; never guessed."""
    followed = await followup.replied(
        told.tx,
        fact.identity,
        fact.to_number,
        fact.body,
        key=str(fact.inbound_id),
        at=fact.at,
        rules=told.ground.rules,
    )
    state = INBOUND[followed.kept] if followed.kept else "unmatched"
    if followed.survey_id is None and reply.parse(fact.body).route == "stop":
        await sms.stop(told.tx, fact.identity, now=told.now)
        state = "stop"
    await sms.settle(told.tx, fact.inbound_id, state, survey_id=followed.survey_id)
    told.shown.extend(await tell(told.tx, told.ground, followed.facts, told.now))
    await _acknowledge(told, fact, followed, state)


async def _acknowledge(
    told: Telling, fact: ReplyReceived, followed: followup.Followed, state: sms.InboundState
) -> None:
    """One short answer: thanks, how to answer (once a survey), or that no more will come."""
    texts, ticket = told.ground.texts, followed.facts[0].ticket_id if followed.facts else None
    if state == "stop":
        await _send(told, f"stopped:{fact.inbound_id}", fact.identity, Purpose.ACK, sms_texts.stopped_text(texts), None)
    elif state == "counted" and ticket is not None:
        rated = next((f.rating for f in followed.facts if isinstance(f, facts.TicketRated)), "")
        body = sms_texts.survey_thanks_text(texts, ticket=ticket, rating=rated)
        await _send(told, f"thanks:{followed.survey_id}", fact.identity, Purpose.ACK, body, ticket)
    elif state == "person" and ticket is not None:
        body = sms_texts.survey_help_text(texts, ticket=ticket)
        await _send(told, f"help:{followed.survey_id}", fact.identity, Purpose.ACK, body, ticket)


# ---- jobs and sweeps ---------------------------------------------------------------------------------------------


class MaterialsNotReady(Exception):
    """Recordings or transcript of the ticket's call are not finished yet; the archive waits for them."""

    retryable = True


@dataclass
class TicketWork:
    """The worker's part."""

    database: Database
    board: Board
    ground: Ground

    def handlers(self) -> Mapping[str, Callable[[Job], Awaitable[None]]]:
        """Job kind -> handler."""
        return {"ticket.archive": self.archive}

    async def archive(self, job: Job) -> None:
        """`ticket.archive`: pack a closed ticket with the checksums of its recordings. Raises MaterialsNotReady."""
        ticket_id = TicketId(str(job.payload["ticket"]))
        now = datetime.now(UTC)
        async with self.database.transaction() as tx:
            ticket = await store.load(tx, ticket_id, lock=True)
            if ticket.state == State.ARCHIVED or ticket.supervising:
                # The end of a supervision asks for the archive again.
                return
            materials = await materials_of(tx, ticket)
            outcome = await service.carry_out(
                tx, ticket_id, Archive(materials), actor=system("archive"), now=now, rules=self.ground.rules
            )
            shown = await tell(tx, self.ground, outcome.facts, now)
        await self.board.publish(shown)

    async def give_up_lost(self) -> None:
        """Sweep: messages whose submit was never heard of again."""
        async with self.database.transaction() as tx:
            await tell_sms(tx, self.ground, await sms.give_up_lost(tx, now=datetime.now(UTC)))

    async def sweep_surveys(self) -> None:
        """Sweep: silence becomes the policy's rating, or a call."""
        now = datetime.now(UTC)
        async with self.database.transaction() as tx:
            told = await followup.sweep(tx, now, rules=self.ground.rules)
            shown = await tell(tx, self.ground, told, now)
        await self.board.publish(shown)

    async def sweep_deadlines(self) -> None:
        """Sweep: what is overdue is told, and asks for a written explanation where the policy says so."""
        now = datetime.now(UTC)
        async with self.database.transaction() as tx:
            passed = await service.claim_due(tx, now)
            told: list[Fact] = list(passed)
            for fact in passed:
                told.extend((await service.deadline_passed(tx, fact, now=now, rules=self.ground.rules)).facts)
            shown = await tell(tx, self.ground, told, now)
        await self.board.publish(shown)


async def materials_of(tx: AsyncConnection, ticket: Ticket) -> tuple[Material, ...]:
    """What is kept with a ticket but stored elsewhere, with checksums. Raises MaterialsNotReady."""
    return tuple([one for call_id in await calls_of(tx, ticket) for one in await _materials_of(tx, call_id)])


async def _materials_of(tx: AsyncConnection, call_id: CallId) -> tuple[Material, ...]:
    files = await recording_store.recordings_of(tx, [call_id])
    if any(one.state not in SETTLED for one in files):
        raise MaterialsNotReady(call_id)
    kept = [Material("recording", one.path, one.sha256 or "") for one in files if one.sha256]
    transcript = await transcripts.transcript_of(tx, call_id)
    if transcript is not None:
        kept.append(Material("transcript", transcript.model, store.sha256([line.text for line in transcript.lines])))
    return tuple(kept)
