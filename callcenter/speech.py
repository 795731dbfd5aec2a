"""Live words of a call: kept, shown, and read for suggestions to its draft ticket, while the citizen speaks."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter.board import Board, BoardEvent, Json
from callcenter.db import Database, DatabaseAway
from callcenter.flow_knowledge import KnowledgeDesk
from callcenter.streams import call_of
from callcenter.tables import call as call_table
from callcenter.types import CallId, IdentityId, Party, PhoneNumber, TicketId
from callcenter.vault import Vault
from recordings import transcripts
from recordings.live import LiveWords
from recordings.words import Line, Word
from ticketing import store
from ticketing.prefill import draft as prefill
from ticketing.prefill import masks, suggestions
from ticketing.words import State

log = logging.getLogger(__name__)


@dataclass
class LiveDesk:
    """What the live tap's words are turned into. One a process."""

    database: Database
    board: Board
    vault: Vault
    data: prefill.PrefillData
    node: str
    stream_secret: bytes

    @cached_property
    def knowledge(self) -> KnowledgeDesk:
        """Offers what may answer the caller."""
        return KnowledgeDesk(self.database, self.board)

    def call_of(self, stream: UUID) -> CallId | None:
        """The call a stream says it belongs to, if its signature is ours."""
        return call_of(stream, self.node, self.stream_secret)

    async def on_words(self, words: LiveWords) -> None:
        """Show what was said; keep what is final, and read the whole call so far for suggestions."""
        try:
            agent, utterances = await self._heard(words)
        except DatabaseAway:
            # Live words are an aid; the transcript is made from the files whatever happens here.
            log.warning("live words not kept: PostgreSQL is away", extra={"call": words.call_id})
            return
        await self.board.publish((_screen(words, agent),))
        if agent and utterances:
            await self.knowledge.listen(words.call_id, agent, utterances)

    async def _heard(self, words: LiveWords) -> tuple[str, list[prefill.Utterance]]:
        """Who has the call, and what was said so far, when this was the end of an utterance."""
        utterances: list[prefill.Utterance] = []
        async with self.database.transaction() as tx:
            row = (await tx.execute(select(call_table).where(call_table.c.id == words.call_id))).one_or_none()
            if row is None:
                return "", utterances
            if words.final:
                await transcripts.note_live(tx, words)
                said = await transcripts.live_of(tx, words.call_id)
                utterances = [prefill.Utterance(Party.CITIZEN, _prefill_words(one.words)) for one in said if one.final]
                caller = IdentityId(row.caller) if row.caller is not None else None
                await suggest(tx, self.vault, self.data, words.call_id, caller, utterances, row.started_at)
            return row.agent_id or "", utterances


async def suggest(
    tx: AsyncConnection,
    vault: Vault,
    data: prefill.PrefillData,
    call_id: CallId,
    caller: IdentityId | None,
    utterances: list[prefill.Utterance],
    heard_at: datetime,
) -> TicketId | None:
    """Read utterances for suggestions and put them beside the call's draft. None: the call has no ticket."""
    ticket = await store.find_by_key(tx, f"call:{call_id}")
    if ticket is None or ticket.state != State.DRAFT:
        return ticket.id if ticket else None
    number: PhoneNumber | None = await vault.number_of(tx, caller) if caller is not None else None
    found = prefill.suggest(utterances, data, heard_at, number)

    async def identity_of(named: PhoneNumber) -> IdentityId:
        return await vault.identity_of(tx, named)

    await suggestions.propose(tx, ticket.id, found, now=datetime.now(UTC), identity_of=identity_of)
    return ticket.id


def utterances_of(lines: tuple[Line, ...]) -> list[prefill.Utterance]:
    """A transcript's lines as the prefill reads them."""
    return [prefill.Utterance(line.party, _prefill_words(line.words)) for line in lines]


def _prefill_words(words: tuple[Word, ...]) -> tuple[prefill.Word, ...]:
    return tuple(prefill.Word(word.word, word.start_s, word.end_s, word.conf) for word in words)


def _screen(words: LiveWords, agent: str) -> BoardEvent:
    hidden = masks.masked_words(_prefill_words(words.words))
    shown: list[Json] = [{"word": word.text, "start_s": word.start_s, "end_s": word.end_s} for word in hidden]
    text = masks.mask_text(words.text)
    data: dict[str, Json] = {
        "call": words.call_id,
        "seq": words.seq,
        "final": words.final,
        "text": text,
        "words": shown,
    }
    return BoardEvent("words.live", data, audience=agent)
