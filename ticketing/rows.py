"""What a step writes beside the ticket itself: one function an event, joined from all ideas, same transaction."""

from sqlalchemy.ext.asyncio import AsyncConnection

from ticketing import records
from ticketing.aftercare import rows as aftercare_rows
from ticketing.approvals import rows as approvals_rows
from ticketing.commands import AnyDetail
from ticketing.dispatch import assists_rows, disputes_rows, hops_rows
from ticketing.dispatch import rows as dispatch_rows
from ticketing.facts import Fact
from ticketing.knowledge import rows as knowledge_rows
from ticketing.record import Context, Ticket
from ticketing.supervision import rows as supervision_rows
from ticketing.transition import joined
from ticketing.words import Event

RECORD: dict[Event, records.Record] = joined(
    records.RECORD,
    aftercare_rows.RECORD,
    approvals_rows.RECORD,
    supervision_rows.RECORD,
    assists_rows.RECORD,
    disputes_rows.RECORD,
    hops_rows.RECORD,
    knowledge_rows.RECORD,
)


async def write(
    tx: AsyncConnection, before: Ticket, after: Ticket, detail: AnyDetail, context: Context
) -> tuple[Fact, ...]:
    """Write the rows this step needs, after the ticket was saved; returns the facts only rows can tell."""
    await dispatch_rows.check_person(tx, before, context)
    await approvals_rows.withdraw_left(tx, before, after, detail.event, context)
    await records.earlier_is_done(tx, after, detail)
    await records.assists_heard(tx, before, detail, context)
    record = RECORD.get(detail.event)
    return await record(tx, before, after, detail, context) if record else ()
