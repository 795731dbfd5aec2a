"""Calls this system places, whichever ledger asked for them: call-backs of missed calls, and calls about tickets."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from callcenter import jobs, missed, ticket_calls
from callcenter.board import BoardEvent
from callcenter.call_state import Call
from callcenter.commands import State
from callcenter.types import CallId, IdentityId

NOTE_JOB = "ticket.called"


async def called_by(tx: AsyncConnection, call_id: CallId) -> IdentityId | None:
    """Whom the call is to; None: nobody's ledger knows it."""
    return await ticket_calls.called_by(tx, call_id) or await missed.called_by(tx, call_id)


async def given_up(tx: AsyncConnection, call_id: CallId, state: State, at: datetime) -> None:
    """The command was not done: nothing rang, or nobody knows. Where a call came of it, its end settles it again."""
    await missed.finish(tx, call_id, reached=False, at=at)
    await ticket_calls.finish(tx, call_id, "unknown" if state is State.UNKNOWN else "failed", at)


async def ended(tx: AsyncConnection, call: Call, at: datetime) -> None:
    """The call is over; what is known of a call about a ticket by itself is written into the ticket by a job."""
    await missed.finish(tx, call.id, reached=call.reached, at=at)
    # Before the citizen's telephone rang nothing happened that would be a try.
    state = "reached" if call.reached else ("unreached" if call.citizen is not None else "failed")
    if await ticket_calls.finish(tx, call.id, state, at) is not None:
        await jobs.enqueue(tx, NOTE_JOB, {"call": call.id}, key=f"{NOTE_JOB}:{call.id}")


async def shown(tx: AsyncConnection, call_id: CallId, at: datetime) -> tuple[BoardEvent, ...]:
    """For whoever has the ticket open: its call has moved on. Carries nothing of the citizen."""
    found = await ticket_calls.about(tx, call_id)
    if found is None:
        return ()
    ticket_id, unit = found
    return (BoardEvent("ticket.call", {"ticket": ticket_id, "unit": unit, "call": call_id, "at": at.isoformat()}),)
