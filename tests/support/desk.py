"""A call on an agent's desk without a PBX: the rows and board events a call's story leaves, step by step."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert, update

from callcenter.board import BoardEvent
from callcenter.speech import suggest
from callcenter.tables import call, leg
from callcenter.types import CallId, IdentityId, Party, PhoneNumber, TicketId, system
from tests.support.talks import data
from tests.support.tickets import rules
from tests.support.web import PHONE, Web
from ticketing import service
from ticketing.prefill.draft import Utterance, Word

CALL = "a-1763800000.77"
AGENT = "8001"
STORY = system("story")


async def ring(web: Web, agent: str = AGENT, call_id: str = CALL) -> IdentityId:
    """A citizen's call rings this agent; returns who calls."""
    now = datetime.now(UTC)
    async with web.db.transaction() as tx:
        caller = await web.vault.identity_of(tx, PhoneNumber(PHONE))
        row = {"id": call_id, "node": "a", "caller": caller, "state": "ringing", "queue": "hotline"}
        await tx.execute(insert(call).values(**row, request_type="求助", started_at=now, agent_ringing_at=now))
        for party, who in (("citizen", ""), ("agent", agent)):
            known = {"channel_id": f"{party}-{call_id}", "call_id": call_id, "party": party, "name": party, "who": who}
            await tx.execute(insert(leg).values(**known, created_at=now))
    return caller


async def pick_up(web: Web, agent: str = AGENT, call_id: str = CALL) -> str:
    """The agent answers; returns the draft that opens."""
    now = datetime.now(UTC)
    async with web.db.transaction() as tx:
        this = update(call).where(call.c.id == call_id)
        row = this.values(state="talking", agent_id=agent, answered_at=now, agent_answered_at=now)
        caller = (await tx.execute(row.returning(call.c.caller))).scalar_one()
        await tx.execute(update(leg).where(leg.c.call_id == call_id).values(answered_at=now))
        opened = await service.open_draft(
            tx, call_id=CallId(call_id), requester=caller, request_type="求助", actor=STORY, now=now, rules=rules()
        )  # fmt: skip
    return str(opened.id)


async def rings(web: Web, agent: str = AGENT, call_id: str = CALL) -> str:
    """A call that was rung and answered; returns its draft."""
    await ring(web, agent, call_id)
    return await pick_up(web, agent, call_id)


async def situation(web: Web, state: str, call_id: str = CALL) -> None:
    """What is going on has a new name; an end ends everybody's leg."""
    now = datetime.now(UTC)
    async with web.db.transaction() as tx:
        ended = now if state == "ended" else None
        await tx.execute(update(call).where(call.c.id == call_id).values(state=state, ended_at=ended))
        if ended:
            await tx.execute(update(leg).where(leg.c.call_id == call_id).values(ended_at=now))


async def said(web: Web, ticket: str, *sentences: str, start_s: float = 1.0) -> None:
    """The citizen said so: what the machine makes of it lies beside the draft."""
    words = [
        Utterance(Party.CITIZEN, _words(text, start_s + 5.0 * place)) for place, text in enumerate(sentences)
    ]  # fmt: skip
    async with web.db.transaction() as tx:
        await suggest(tx, web.vault, data(), CallId(CALL), None, words, datetime.now(UTC))
    assert TicketId(ticket)


def _words(text: str, start_s: float) -> tuple[Word, ...]:
    return tuple(Word(char, start_s + 0.2 * place, start_s + 0.2 * place + 0.2, 0.9) for place, char in enumerate(text))


def tell(web: Web, kind: str, audience: str = AGENT, **told: Any) -> None:
    """An event on the live stream, as the board hands it out."""
    web.hub.hand_out(BoardEvent(kind, {"call": CALL, "at": datetime.now(UTC).isoformat(), **told}, audience))


def speak(web: Web, seq: int, text: str, start_s: float, *, final: bool = True) -> None:
    """Words of the citizen, as they are shown live."""
    words = [{"word": one.text, "start_s": one.start_s, "end_s": one.end_s} for one in _words(text, start_s)]
    tell(web, "words.live", seq=seq, final=final, text=text, words=words)
