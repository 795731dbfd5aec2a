"""A direct answer rests on knowledge that is in use, and the ticket keeps which version of it.

Source: GZ-021, MC-014.
"""

from sqlalchemy.ext.asyncio import AsyncConnection

from ticketing.commands import Answer
from ticketing.facts import Fact
from ticketing.knowledge import service as knowledge_service
from ticketing.record import Context, GuardFailed, Ticket
from ticketing.records import Record
from ticketing.words import Event


async def _answered(
    tx: AsyncConnection, _: Ticket, after: Ticket, detail: Answer, context: Context
) -> tuple[Fact, ...]:
    """Under a policy with a knowledge base, what an answer names must be an item in use."""
    rules = context.policy.knowledge
    if rules is None or not detail.knowledge.strip():
        return ()
    try:
        item_id, version = await knowledge_service.in_use(tx, detail.knowledge, context.now)
    except GuardFailed as refused:
        raise GuardFailed.by(refused.sentence, rules.answer_basis) from None
    await knowledge_service.use(tx, after.id, item_id, version, "answer", actor=context.actor, now=context.now)
    return ()


RECORD: dict[Event, Record] = {Event.ANSWER: _answered}
