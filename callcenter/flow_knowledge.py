"""The knowledge base where it meets calls and people: what fits a caller's words, and units that neglect it."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import flow_supervision, flow_tickets
from callcenter.audit import Audited, note
from callcenter.board import Board, BoardEvent, Json
from callcenter.db import Database, DatabaseAway
from callcenter.types import CallId, system
from ticketing.clocks import local_day
from ticketing.knowledge import index as knowledge_index
from ticketing.knowledge import questions
from ticketing.knowledge import search as knowledge_search
from ticketing.knowledge import service as knowledge_service
from ticketing.knowledge.hits import Offer, offers, recent
from ticketing.knowledge.items import KnowledgeOverdue, rules_of
from ticketing.prefill.masks import mask_text
from ticketing.prefill.words import Utterance

log = logging.getLogger(__name__)

LISTENER, KEEPER = system("live"), system("knowledge")
LOOKED_AT = 8
"""Results that are looked at for one utterance."""
PATIENCE_MS = 500
"""A search for live words that takes longer is given up: the next utterance brings another."""
CALLS_KEPT = 500


@dataclass
class KnowledgeDesk:
    """Offers items to the agent while the citizen speaks. One a process."""

    database: Database
    board: Board
    _shown: dict[CallId, tuple[int, ...]] = field(default_factory=dict)
    """What each call was offered last, so that nothing is offered again in the next breath."""

    async def listen(self, call_id: CallId, agent: str, utterances: Sequence[Utterance]) -> None:
        """Look for what fits the last words and show it to the call's agent; silent when there is nothing new."""
        said = recent(utterances)
        try:
            # Cutting words is Rust, but a long breath should not hold up the others' words either.
            asked = await asyncio.to_thread(knowledge_index.asked, said.text)
        except knowledge_index.NothingAsked:
            return
        try:
            async with self.database.transaction() as tx:
                await tx.execute(text(f"SET LOCAL statement_timeout = {PATIENCE_MS}"))
                today = local_day(datetime.now(UTC))
                page = await knowledge_search.search(tx, said.text, LISTENER, today, limit=LOOKED_AT)
        except DatabaseAway:
            log.warning("nothing offered for live words: PostgreSQL is away or slow", extra={"call": call_id})
            return
        found = offers(said, asked.words, page.hits)
        if self._is_new(call_id, found):
            await self.board.publish((_screen(call_id, agent, found),))

    def _is_new(self, call_id: CallId, found: Sequence[Offer]) -> bool:
        ids = tuple(offer.hit.item.id for offer in found)
        if not ids or self._shown.get(call_id) == ids:
            return False
        self._shown.pop(call_id, None)
        self._shown[call_id] = ids
        while len(self._shown) > CALLS_KEPT:
            del self._shown[next(iter(self._shown))]
        return True


def _screen(call_id: CallId, agent: str, found: Sequence[Offer]) -> BoardEvent:
    items: list[Json] = [
        {
            "id": offer.hit.item.id,
            "version": offer.hit.version,
            "title": offer.hit.item.title,
            "title_html": offer.hit.title_html,
            "snippet_html": offer.hit.snippet_html,
            "quote": mask_text(offer.quote.text),
            "start_s": offer.quote.start_s,
            "end_s": offer.quote.end_s,
        }
        for offer in found
    ]
    return BoardEvent("knowledge.offered", {"call": call_id, "items": items}, audience=agent)


@dataclass
class KnowledgeWork:
    """The worker's part."""

    database: Database
    board: Board
    ground: flow_tickets.Ground

    async def sweep(self) -> None:
        """Sweep: what has expired, and units that are late with their knowledge, for the supervision."""
        now = datetime.now(UTC)
        async with self.database.transaction() as tx:
            found = await neglected(tx, self.ground, now)
        await self.board.publish(tuple(_told(one) for one in found))


async def neglected(tx: AsyncConnection, ground: flow_tickets.Ground, now: datetime) -> tuple[KnowledgeOverdue, ...]:
    """Expire items, and tell the supervision of late reviews, late answers and refused updates. Source: GZ-040."""
    policy = ground.rules.at(now)
    if policy.knowledge is None:
        return ()
    await knowledge_service.expire(tx, now)
    for moved in await questions.recalculate(tx, ground.rules, now):
        was = {"old_due_at": moved.old_due_at.isoformat(), "new_due_at": moved.new_due_at.isoformat()}
        await note(tx, Audited(KEEPER, "knowledge.recalculate", f"question:{moved.question_id}", detail=was))
    found = (*await questions.claim_late(tx, now), *await knowledge_service.claim_neglected(tx, now))
    if rules_of(policy).supervised:
        await flow_supervision.neglected(tx, found, ground.rules, now)
    return found


def _told(one: KnowledgeOverdue) -> BoardEvent:
    data: dict[str, Json] = {
        "what": one.kind,
        "unit": one.unit,
        "subject": one.subject,
        "title": mask_text(one.title),
        "since": one.since.isoformat(),
    }
    return BoardEvent("knowledge.overdue", data)
